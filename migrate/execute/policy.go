package execute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// policyEffect keeps an application from getting a password again.
type policyEffect struct {
	e    *Executor
	step *plan.PolicyStep
}

func (p *policyEffect) look(ctx context.Context) (sight, error) {
	found, err := p.e.Outside.Directory.PolicyOf(ctx, p.step.Application)
	if err != nil {
		return sight{}, fmt.Errorf("read the app management policy of application %s: %w", p.step.AppID, err)
	}
	return sight{present: found.Name == p.step.Policy && found.BlocksPasswords, state: p.state(found), facts: State{"policy": found.Name}}, nil
}

func (p *policyEffect) state(found Policy) State {
	return State{"kind": string(plan.StepPolicy), "application": string(p.step.Application), "policy": found.ID, "name": found.Name}
}

func (p *policyEffect) do(ctx, _ context.Context) (State, error) {
	made, err := p.e.Outside.Directory.BlockPasswords(ctx, p.step.Application, p.step.Policy)
	if errors.Is(err, ErrForbidden) {
		return nil, &manualError{err: fmt.Errorf("forbid new passwords on application %s: %w", p.step.AppID, err), next: []string{
			"let the caller write app management policies (Policy.ReadWrite.ApplicationConfiguration; the tenant needs Microsoft Entra Workload ID Premium), then run again",
			"or leave it: set plan.endState: propose and plan again"}}
	}
	if err != nil {
		return nil, fmt.Errorf("forbid new passwords on application %s: %w", p.step.AppID, err)
	}
	return p.state(made), nil
}

// unblock takes the policy that a revoke assigned off the application again: nothing can be minted before.
func (r *rollbackRun) unblock(ctx context.Context, u plan.Unit) error {
	for _, s := range u.Steps {
		p := r.e.step(u.ID, s.ID)
		if s.Kind != plan.StepPolicy || p.done == nil && p.intent == nil {
			continue
		}
		found, err := r.e.Outside.Directory.PolicyOf(ctx, s.Policy.Application)
		if err != nil {
			return fmt.Errorf("read the app management policy of application %s: %w", u.AppID, err)
		}
		if found.Name == s.Policy.Policy {
			err := r.e.Outside.Directory.UnblockPasswords(ctx, s.Policy.Application, found)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return fmt.Errorf("take policy %q off application %s: %w", found.Name, u.AppID, err)
			}
		}
		if err := r.e.Outside.Directory.RemoveUnusedPolicy(ctx, s.Policy.Policy); err != nil {
			return fmt.Errorf("remove policy %q, which may apply to nothing any more: %w", s.Policy.Policy, err)
		}
		if err := r.undone(u, s.ID, "allowed new passwords on "+u.Title+" again", s.Kind, State{"policy": found.ID}); err != nil {
			return err
		}
	}
	return nil
}

// unblocked tells whether a policy of this program was taken off the application, which is then honoured after a while.
func (r *rollbackRun) unblocked(u plan.Unit) bool {
	for _, s := range u.Steps {
		if s.Kind == plan.StepPolicy && r.e.step(u.ID, s.ID).undone != nil {
			return true
		}
	}
	return false
}

// addPassword mints a password. A policy that was taken away a moment ago may still be enforced: what it refuses has changed nothing, so
// that it can be tried again.
func (r *rollbackRun) addPassword(ctx context.Context, u plan.Unit, end time.Time) (key inventory.KeyID, password *Password, _ error) {
	var refused error
	add := func() (bool, error) {
		key, password, refused = r.e.Outside.Directory.AddPassword(ctx, u.ObjectID, r.marker(u), end)
		return !errors.Is(refused, ErrPolicy), nil
	}
	bound := time.Duration(0)
	if r.unblocked(u) {
		bound = r.e.propagation()
	}
	if err := r.e.poll(ctx, bound, add); err != nil && !errors.Is(err, errPatience) {
		return key, password, err
	}
	return key, password, refused
}
