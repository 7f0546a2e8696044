package reports

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

//go:embed report.html.tmpl
var htmlSource string

var htmlTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"place":   func(f policy.Finding) string { return oneLine(place(f)) },
	"line":    oneLine,
	"date":    func(t time.Time) string { return orDash(t, "2006-01-02") },
	"minute":  func(t time.Time) string { return orDash(t, "2006-01-02 15:04 UTC") },
	"join":    func(list []string) string { return oneLine(strings.Join(list, "; ")) },
	"secrets": secretList,
	"where":   connectionPlaces,
	"live":    func(c inventory.Credential, at time.Time) bool { return c.End.IsZero() || c.End.After(at) },
	"last":    lastUse,
	"signIn":  lastSignIn,
}).Parse(htmlSource))

// page is what the template sees.
type page struct {
	Input
	Summary Summary
	Groups  []ruleGroup
	Order   []severityCount
	Units   []unitRow
}

type severityCount struct {
	Severity policy.Severity
	Count    int
}

type unitRow struct {
	plan.Unit
	Progress UnitProgress
}

// HTML writes one self-contained page: no script, no request to anywhere, readable in light and dark and on paper.
func HTML(w io.Writer, in Input) error {
	p := page{Input: in, Summary: Summarize(in), Groups: byRule(in.Findings)}
	for _, s := range policy.Severities() {
		p.Order = append(p.Order, severityCount{s, p.Summary.Findings[s]})
	}
	if in.Plan != nil {
		state := map[string]UnitProgress{}
		for _, u := range in.Progress {
			state[u.Unit] = u
		}
		for _, u := range in.Plan.Units {
			row := unitRow{Unit: u, Progress: state[u.ID]}
			if row.Progress.State == "" {
				row.Progress.State = "planned"
				if u.Blocked() {
					row.Progress.State = "blocked"
				}
			}
			p.Units = append(p.Units, row)
		}
	}
	if err := htmlTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("write the HTML report: %w", err)
	}
	return nil
}

func orDash(t time.Time, layout string) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format(layout)
}

func secretList(l inventory.Login) string {
	var names []string
	seen := map[string]bool{}
	for _, s := range l.Secrets {
		if !seen[s.Name] {
			seen[s.Name] = true
			names = append(names, s.Name)
		}
	}
	return oneLine(strings.Join(names, ", "))
}

func connectionPlaces(c inventory.Connection) string {
	names := make([]string, 0, len(c.Projects))
	for _, p := range c.Projects {
		names = append(names, p.Name)
	}
	return oneLine(c.Organization + ": " + strings.Join(names, ", "))
}

func lastUse(c inventory.Connection) string {
	if !c.UsesKnown {
		return "not known"
	}
	var last time.Time
	for _, u := range c.Uses {
		if u.Finished.After(last) {
			last = u.Finished
		}
	}
	if last.IsZero() {
		return "never"
	}
	return last.UTC().Format("2006-01-02")
}

// lastSignIn tells when a credential was last seen in the sign-in log, as far as that is known.
func lastSignIn(id inventory.Identity, key inventory.KeyID) string {
	if !id.SignIns.Known {
		return "not known"
	}
	var last time.Time
	for _, s := range id.SignIns.SignIns {
		if s.KeyID == key && s.ErrorCode == 0 && s.Time.After(last) {
			last = s.Time
		}
	}
	if last.IsZero() {
		return "none since " + id.SignIns.Since.UTC().Format("2006-01-02")
	}
	return last.UTC().Format("2006-01-02")
}
