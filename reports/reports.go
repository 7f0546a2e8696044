// Package reports renders what is known for readers: HTML for people, SARIF for code scanning, JSON and CSV for other
// programs, Markdown for job summaries. Each is a function of an inventory, its findings, a plan and a journal's state,
// and writes the same bytes for the same input. Everything that comes from outside is escaped for its format.
package reports

import (
	"fmt"
	"io"
	"time"

	"github.com/unsecret-dev/unsecret/internal/jsonstream"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// Input is what a report is made of. Inventory must be set; the others may be absent.
type Input struct {
	Tool      string // version of the program
	Inventory *inventory.Inventory
	Findings  []policy.Finding
	Plan      *plan.Plan
	Progress  []UnitProgress // from the journal, in the plan's order
	ChangedAt time.Time      // of the last change that was carried out; zero if there was none
}

// outdated tells whether something was changed since the scan, so that the inventory shows how things stood before. An
// inventory tells its time by the second.
func (in Input) outdated() bool {
	return in.ChangedAt.Truncate(time.Second).After(in.Inventory.ScannedAt)
}

// UnitProgress is where one unit of the plan stands.
type UnitProgress struct {
	Unit   string    `json:"unit"`
	State  string    `json:"state"`  // blocked, planned, pending, failed, migrated, verified, revoked or rolledBack
	Detail string    `json:"detail"` // what it waits for, or why it failed
	Until  time.Time `json:"until,omitzero"`
}

// Document is the JSON report. Its schema is docs/report.schema.json.
type Document struct {
	Version   int                  `json:"version"`
	Tool      string               `json:"tool"`
	ScannedAt time.Time            `json:"scannedAt"`
	ChangedAt time.Time            `json:"changedAt,omitzero"` // of the last change that was carried out
	Summary   Summary              `json:"summary"`
	Findings  []policy.Finding     `json:"findings"`
	Inventory *inventory.Inventory `json:"inventory"`
	Plan      *plan.Plan           `json:"plan,omitempty"`
	Progress  []UnitProgress       `json:"progress,omitempty"`
}

// Summary is what a reader wants to know first.
type Summary struct {
	Sources          int                     `json:"sources"`
	Repositories     int                     `json:"repositories"`
	Connections      int                     `json:"connections"`
	ConnectionsStill int                     `json:"connectionsWithSecret"`      // of azurerm and others that sign in as a service principal
	ConnectionsOther int                     `json:"connectionsWithOtherSecret"` // with a credential that is no service principal's, or that may have one
	PipelineSecrets  int                     `json:"pipelineSecrets"`            // credentials in Azure DevOps outside of connections, and scripts that use one
	Logins           int                     `json:"logins"`
	LoginsStill      int                     `json:"loginsWithSecret"`
	Identities       int                     `json:"identities"`
	Credentials      int                     `json:"credentials"` // passwords and certificates that still work
	Gaps             int                     `json:"gaps"`
	Findings         map[policy.Severity]int `json:"findings"` // without those that are excepted
	Excepted         int                     `json:"excepted"`
}

// Summarize counts.
func Summarize(in Input) Summary {
	inv := in.Inventory
	s := Summary{Sources: len(inv.Sources), Repositories: len(inv.Repositories), Connections: len(inv.Connections),
		Logins: len(inv.Logins), Identities: len(inv.Identities), Gaps: len(inv.Gaps), Findings: map[policy.Severity]int{}}
	for _, v := range policy.Severities() {
		s.Findings[v] = 0
	}
	for _, c := range inv.Connections {
		switch {
		case c.StoresServicePrincipal():
			s.ConnectionsStill++
		case c.StoresOther():
			s.ConnectionsOther++
		}
	}
	for _, p := range inv.PipelineSecrets {
		if p.Kind != inventory.PipelineSecretVault { // that names a vault, and holds nothing itself
			s.PipelineSecrets++
		}
	}
	for _, l := range inv.Logins {
		if policy.UsesSecret(l) {
			s.LoginsStill++
		}
	}
	for _, id := range inv.Identities {
		for _, c := range id.Credentials {
			if c.End.IsZero() || c.End.After(inv.ScannedAt) {
				s.Credentials++
			}
		}
	}
	for _, f := range in.Findings {
		if f.Excepted != nil {
			s.Excepted++
		} else {
			s.Findings[f.Severity]++
		}
	}
	return s
}

// JSON writes the whole report for other programs.
func JSON(w io.Writer, in Input) error {
	findings := in.Findings
	if findings == nil {
		findings = []policy.Finding{}
	}
	return writeJSON(w, "JSON", Document{Version: 1, Tool: in.Tool, ScannedAt: in.Inventory.ScannedAt, Summary: Summarize(in),
		Findings: findings, Inventory: in.Inventory, Plan: in.Plan, Progress: in.Progress, ChangedAt: in.ChangedAt})
}

// writeJSON writes a value so that its bytes are safe to look at in a terminal.
func writeJSON(w io.Writer, format string, v any) error {
	if err := jsonstream.Write(w, v, jsonstream.Options{Lists: 2, EscapeHTML: true, Escape: escapeHidden}); err != nil {
		return fmt.Errorf("write the %s report: %w", format, err)
	}
	return nil
}
