package execute

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// ApprovalsFile is the document of the state that holds approvals, where people give them by a reviewed file.
const ApprovalsFile = "approvals.yaml"

// Approval is somebody's consent to what the plan does with one unit.
type Approval struct {
	Unit string `yaml:"unit"`
	Hash string `yaml:"hash"` // of the unit as it was reviewed, or at least its first twelve characters
	By   string `yaml:"by"`
	Note string `yaml:"note"`
}

// hashLength is how much of a unit's hash is shown and has to be given.
const hashLength = 12

// ParseApprovals reads a file of approvals: a list of unit, hash, by and note, strictly.
func ParseApprovals(data []byte) ([]Approval, error) {
	var out []Approval
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&out); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", ApprovalsFile, err)
	}
	for i, a := range out {
		switch {
		case a.Unit == "" || a.By == "":
			return nil, fmt.Errorf("%s: entry %d: give unit and by", ApprovalsFile, i+1)
		case len(a.Hash) < hashLength:
			return nil, fmt.Errorf("%s: entry %d (%s): give at least %d characters of the unit's hash, as unsecret status shows it: an approval is about what was reviewed", ApprovalsFile, i+1, a.Unit, hashLength)
		}
	}
	return out, nil
}

// Approve journals the actor's approval of units as they stand in the plan. A later plan that does something else with a
// unit needs another one; so does a unit that was rolled back.
func (e *Executor) Approve(ids []string, note string) (Result, error) {
	if err := e.open(); err != nil {
		return Result{}, err
	}
	if len(ids) == 0 {
		return Result{}, errors.New("approve: name the units that are approved")
	}
	units, err := e.selectUnits(ids, 0)
	if err != nil {
		return Result{}, err
	}
	out := make([]UnitResult, 0, len(units))
	for _, u := range units {
		if u.Blocked() {
			return Result{}, fmt.Errorf("approve: unit %s is blocked, so that there is nothing to approve: %s", u.ID, u.Blockers[0].Text())
		}
		if _, ok := e.approved(u); !ok {
			if err := e.recordApproval(u, Approval{Unit: u.ID, By: e.Actor, Note: note}); err != nil {
				return Result{}, err
			}
		}
		out = append(out, e.status(u))
	}
	return e.result("approve", out), nil
}

func (e *Executor) recordApproval(u plan.Unit, a Approval) error {
	return e.record(Record{Unit: u.ID, Step: approveStep, Phase: PhaseObserved, After: State{"unit": e.reviewed(u), "by": a.By}, Note: a.Note})
}

// reviewed is the hash of a unit as it stands in the plan that it is carried out by, without what other plans did with it.
func (e *Executor) reviewed(u plan.Unit) string {
	if own, ok := e.own(u.ID); ok && !own.Blocked() {
		return own.Hash()
	}
	if parts := e.parts(u.ID); len(parts) > 0 {
		return parts[0].unit.Hash()
	}
	return u.Hash()
}

// approved gives the approval of a unit as it stands in the plan: from the journal, or from the file.
func (e *Executor) approved(u plan.Unit) (Approval, bool) {
	hash := e.reviewed(u)
	if p := e.step(u.ID, approveStep); p.seen != nil && p.seen.After["unit"] == hash {
		return Approval{Unit: u.ID, Hash: hash, By: p.seen.After["by"], Note: p.seen.Note}, true
	}
	for _, a := range e.Approvals {
		if a.Unit == u.ID && len(a.Hash) >= hashLength && strings.HasPrefix(hash, strings.ToLower(a.Hash)) {
			return a, true
		}
	}
	return Approval{}, false
}

// approvalGate holds what the configuration wants approved and nobody has. An approval before anything is done is about
// the whole unit, its revoke included.
func (e *Executor) approvalGate(u plan.Unit, phase plan.Phase) *Gate {
	asked := e.Plan.Settings.Approval
	if asked != plan.ApprovalUnit && (asked != plan.ApprovalRevoke || phase != plan.PhaseRevoke) {
		return nil
	}
	if _, ok := e.approved(u); ok {
		return nil
	}
	reason := fmt.Sprintf("nobody has approved what the plan does with it (hash %s)", e.reviewed(u)[:hashLength])
	if p := e.step(u.ID, approveStep); p.seen != nil {
		reason = fmt.Sprintf("%s approved it as it was in an earlier plan; it is another one now (hash %s)", p.seen.After["by"], e.reviewed(u)[:hashLength])
	}
	return &Gate{Name: GateApproval, Reason: reason,
		Next: []string{"review the unit in the plan, then: unsecret approve " + u.ID, "or add it, with this hash, to " + ApprovalsFile + " in the state"}}
}

// noteApproval journals an approval that a file gave, when it is first made use of.
func (e *Executor) noteApproval(u plan.Unit) error {
	if e.Plan.Settings.Approval == plan.ApprovalNone || e.Plan.Settings.Approval == "" {
		return nil
	}
	a, ok := e.approved(u)
	if p := e.step(u.ID, approveStep); !ok || p.seen != nil && p.seen.After["unit"] == e.reviewed(u) {
		return nil
	}
	return e.recordApproval(u, a)
}
