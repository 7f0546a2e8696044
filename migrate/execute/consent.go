package execute

import (
	"context"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// consentStatus is the gate of a unit that could not be rolled back after its revoke, as far as the plan and the journal tell.
func (e *Executor) consentStatus(u plan.Unit) *Gate {
	if u.NoRollback == nil || e.consented(u) {
		return nil
	}
	return consentTo(u, u.NoRollback.Message, withoutConsent(u.NoRollback.Next))
}

// withoutConsent leaves out of what a plan says the consent itself, which the gate names first.
func withoutConsent(next []string) []string {
	return slices.DeleteFunc(slices.Clone(next), func(n string) bool { return strings.Contains(n, "--accept-no-rollback") })
}

// consented tells whether somebody has taken it upon himself that the unit cannot be rolled back after its revoke: the configuration,
// or an operator for this unit.
func (e *Executor) consented(u plan.Unit) bool {
	return e.Plan.Settings.AcceptNoRollback || e.step(u.ID, noRollbackStep).seen != nil
}

func consentTo(u plan.Unit, why string, next []string) *Gate {
	g := &Gate{Name: GateConsent, Reason: why, Next: []string{"consent to it, which is journaled: unsecret revoke --only " + u.ID + " --accept-no-rollback"}}
	for _, n := range next {
		g.Next = append(g.Next, "or "+strings.TrimPrefix(n, "or "))
	}
	return g
}

// consentGate holds the passwords of a unit that could not be rolled back without them.
func (e *Executor) consentGate(ctx context.Context, u plan.Unit, o RevokeOptions) (*Gate, error) {
	left := slices.ContainsFunc(u.Steps, func(s plan.Step) bool { return s.Kind == plan.StepCredential && !e.step(u.ID, s.ID).settled() })
	if !left || e.consented(u) {
		return nil, nil
	}
	found, err := e.afterRevoke(ctx, u)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	why := "after a revoke nothing could be rolled back: " + obstacleText(found)
	if !o.AcceptNoRollback || !slices.Contains(o.Only, u.ID) {
		return consentTo(u, why, nextOf(found)), nil
	}
	if o.DryRun {
		return nil, nil
	}
	return nil, e.record(Record{Unit: u.ID, Step: noRollbackStep, Phase: PhaseObserved, After: State{"reason": why},
		Note: "the operator consented to a revoke that cannot be rolled back"})
}
