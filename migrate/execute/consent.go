package execute

import (
	"context"
	"fmt"
	"slices"

	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// consentStatus is the gate of a unit that could not be rolled back after its revoke, as far as the plan and the journal tell.
func (e *Executor) consentStatus(u plan.Unit) *Gate {
	if u.NoRollback == nil || e.consented(u) {
		return nil
	}
	return consentTo(u, *u.NoRollback)
}

// consented tells whether somebody has taken it upon himself that the unit cannot be rolled back after its revoke: the configuration,
// or an operator for this unit.
func (e *Executor) consented(u plan.Unit) bool {
	return e.Plan.Settings.AcceptNoRollback || e.step(u.ID, noRollbackStep).seen != nil
}

func consentTo(u plan.Unit, why plan.Reason) *Gate {
	return &Gate{Name: GateConsent, Reason: why.Message,
		Next: []string{"consent to it, which is journaled: unsecret revoke --only " + u.ID + " --accept-no-rollback",
			"or exempt the application from the policy until the migration is over (appManagementPolicies)"}}
}

// consentGate holds the passwords of a unit that could not be rolled back without them. Policies change, so they are read again; where
// that is not possible, what the scan saw counts.
func (e *Executor) consentGate(ctx context.Context, u plan.Unit, o RevokeOptions) (*Gate, error) {
	left := slices.ContainsFunc(u.Steps, func(s plan.Step) bool { return s.Kind == plan.StepCredential && !e.step(u.ID, s.ID).settled() })
	if !left || e.consented(u) {
		return nil, nil
	}
	why := u.NoRollback
	id, err := e.Outside.Directory.Application(ctx, u.AppID)
	if err != nil {
		return nil, fmt.Errorf("read application %s: %w", u.AppID, err)
	}
	now, err := e.Outside.Directory.NewPasswords(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read whether application %s may get a new password: %w", u.AppID, err)
	}
	if now.Known {
		why = plan.NoRollback(u, now, e.Plan.Settings.RollbackDays)
	}
	if why == nil {
		return nil, nil
	}
	if !o.AcceptNoRollback || !slices.Contains(o.Only, u.ID) {
		return consentTo(u, *why), nil
	}
	if o.DryRun {
		return nil, nil
	}
	return nil, e.record(Record{Unit: u.ID, Step: noRollbackStep, Phase: PhaseObserved, After: State{"reason": why.Message},
		Note: "the operator consented to a revoke that cannot be rolled back"})
}
