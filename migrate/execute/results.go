package execute

import (
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// Result is what one command did and found. A command line renders it; nothing in this package prints.
type Result struct {
	Command string       `json:"command"` // apply, verify, revoke, rollback or status
	Plan    string       `json:"plan"`
	Time    time.Time    `json:"time"`
	DryRun  bool         `json:"dryRun,omitempty"`
	Units   []UnitResult `json:"units"`

	Leftovers []string `json:"leftovers,omitempty"` // what killed probes of unsecret identify have left behind; only status fills it
}

// UnitState is where a unit stands.
type UnitState string

// The states of a unit.
const (
	UnitBlocked    UnitState = "blocked"    // the plan does nothing with it
	UnitPlanned    UnitState = "planned"    // nothing is done yet
	UnitPending    UnitState = "pending"    // a gate is not met
	UnitFailed     UnitState = "failed"     // a step failed or was refused
	UnitMigrated   UnitState = "migrated"   // everything uses the new way
	UnitVerified   UnitState = "verified"   // and it was proved
	UnitRevoked    UnitState = "revoked"    // and the old secret is gone
	UnitRolledBack UnitState = "rolledBack" // everything is as before
)

// UnitResult is the outcome for one unit.
type UnitResult struct {
	Unit   string          `json:"unit"`
	Title  string          `json:"title"`
	AppID  inventory.AppID `json:"appId,omitempty"`
	Wave   int             `json:"wave,omitempty"`
	Plan   string          `json:"plan,omitempty"` // hash of the plan that the unit was applied by, where the present one does not have it
	State  UnitState       `json:"state"`
	Reason string          `json:"reason,omitempty"`
	Next   []string        `json:"next,omitempty"` // what a person can do
	Steps  []StepResult    `json:"steps"`
	Gates  []Gate          `json:"gates,omitempty"` // that are not met
	Roles  *RoleComparison `json:"roles,omitempty"` // of the application, against the scan
}

// StepState is the outcome of one step.
type StepState string

// The states of a step.
const (
	StepDone     StepState = "done"
	StepAlready  StepState = "already"  // it was so before, by somebody else
	StepWould    StepState = "would"    // dry run: it would be done
	StepPending  StepState = "pending"  // a gate is not met
	StepWaiting  StepState = "waiting"  // a step that it depends on is not done
	StepFailed   StepState = "failed"   //
	StepRefused  StepState = "refused"  // the object has changed since the scan
	StepUndone   StepState = "undone"   // a rollback took it back
	StepOpen     StepState = "open"     // it is not done yet
	StepOnDemand StepState = "onDemand" // it was not needed
)

// StepResult is the outcome of one step.
type StepResult struct {
	Step    string        `json:"step"`
	Kind    plan.StepKind `json:"kind"`
	Title   string        `json:"title"`
	State   StepState     `json:"state"`
	Reason  string        `json:"reason,omitempty"`
	Next    []string      `json:"next,omitempty"`
	URL     string        `json:"url,omitempty"`
	Changes []Change      `json:"changes,omitempty"` // why it was refused
}

// Change is one field that has changed since the scan.
type Change struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// GateName names a gate.
type GateName string

// The gates.
const (
	GateMerge     GateName = "merge"     // a pull request is not merged
	GateSteps     GateName = "steps"     // a step is not done
	GateVerified  GateName = "verified"  // the proof is missing
	GateSoak      GateName = "soak"      // the soak time is not over
	GateSignIns   GateName = "signIns"   // the old credential is still used, or nobody knows
	GateWithheld  GateName = "withheld"  // something that cannot be migrated uses the old secret
	GateDependent GateName = "dependent" // another unit has to move first
	GateApproval  GateName = "approval"  // nobody has approved it
	GateWave      GateName = "wave"      // an earlier wave is not verified
	GateNamed     GateName = "named"     // a revoke has to name the unit
	GateChecks    GateName = "checks"    // the checks of a pull request are not green
	GateLimit     GateName = "limit"     // this run has revoked as much as one run may
	GateConsent   GateName = "consent"   // after a revoke nothing could be rolled back, and nobody has consented to that
	GateWatch     GateName = "watch"     // another password of the application was removed a short time ago, or its removal has harmed somebody
	GateUpdate    GateName = "update"    // a person has to move a connection to Entra's issuer
	GateRollback  GateName = "rollback"  // its rollback is not finished
)

// Gate is something that must be true before a step may run, and is not.
type Gate struct {
	Name   GateName  `json:"name"`
	Reason string    `json:"reason"`
	Next   []string  `json:"next,omitempty"`
	Until  time.Time `json:"until,omitzero"` // when it will be met by itself, where that is known
	URL    string    `json:"url,omitempty"`
}

// Event tells of progress, for a live display.
type Event struct {
	Unit    string
	Step    string
	Title   string
	State   StepState
	Message string
}

// Count counts units by their state.
func (r Result) Count(state UnitState) int {
	n := 0
	for _, u := range r.Units {
		if u.State == state {
			n++
		}
	}
	return n
}

// Failed tells whether a step of any unit failed or was refused.
func (r Result) Failed() bool { return r.Count(UnitFailed) > 0 }

// Pending tells whether any unit waits for a gate.
func (r Result) Pending() bool { return r.Count(UnitPending) > 0 }

// PendingUntil is the earliest time at which a gate will be met by itself; zero where every gate needs a person.
func (r Result) PendingUntil() time.Time {
	var first time.Time
	for _, u := range r.Units {
		for _, g := range u.Gates {
			if !g.Until.IsZero() && (first.IsZero() || g.Until.Before(first)) {
				first = g.Until
			}
		}
	}
	return first
}
