package execute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// RollbackOptions bound what Rollback undoes.
type RollbackOptions struct {
	Units  []string // these units; at least one
	DryRun bool
}

// rollbackRun is one call of Rollback.
type rollbackRun struct {
	e       *Executor
	options RollbackOptions
	units   []plan.Unit

	mu    sync.Mutex
	steps map[string][]StepResult
	errs  map[string]error
	gates map[string][]Gate
}

// Rollback takes units back to how they were. The order keeps every pipeline able to sign in: first the old way is put
// back (by converting connections back, or by a new password where the old one is gone), then pull requests are closed or
// reverted, and only when no text names them any more the variables and federated credentials go. Where a revert has to be merged by a
// person, the result is pending; calling Rollback again goes on.
func (e *Executor) Rollback(ctx context.Context, o RollbackOptions) (Result, error) {
	if err := e.start(); err != nil {
		return Result{}, err
	}
	if len(o.Units) == 0 {
		return Result{}, errors.New("rollback: name the units that are to be rolled back")
	}
	units, err := e.selectUnits(o.Units, 0)
	if err != nil {
		return Result{}, err
	}
	run := &rollbackRun{e: e, options: o, units: units, steps: map[string][]StepResult{}, errs: map[string]error{}, gates: map[string][]Gate{}}
	todo := slices.DeleteFunc(slices.Clone(units), func(u plan.Unit) bool { return !e.touched(u) || e.rolledBack(u.ID) })
	if !o.DryRun {
		e.each(todo, func(u plan.Unit) { run.do(ctx, u, run.restore) })
		restored := slices.DeleteFunc(slices.Clone(todo), func(u plan.Unit) bool { return !run.clear(u) })
		e.eachRepository(restored, func(repo inventory.RepositoryName) { run.repository(ctx, repo, restored) })
		e.each(todo, func(u plan.Unit) { run.do(ctx, u, run.cleanUp) })
	}
	out := make([]UnitResult, 0, len(units))
	for _, u := range units {
		out = append(out, run.result(u))
	}
	r := e.result("rollback", out)
	r.DryRun = o.DryRun
	return r, ctx.Err()
}

// do runs one stage of a unit's rollback, if the stages before went well and nothing is pending.
func (r *rollbackRun) do(ctx context.Context, u plan.Unit, stage func(ctx, stop context.Context, u plan.Unit) error) {
	if !r.clear(u) || ctx.Err() != nil {
		return
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	if err := stage(hard, ctx, u); err != nil {
		r.fail(u, err)
	}
}

func (r *rollbackRun) clear(u plan.Unit) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.errs[u.ID] == nil && len(r.gates[u.ID]) == 0
}

func (r *rollbackRun) fail(u plan.Unit, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs[u.ID] = errors.Join(r.errs[u.ID], err)
}

func (r *rollbackRun) hold(u plan.Unit, g Gate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gates[u.ID] = append(r.gates[u.ID], g)
}

func (r *rollbackRun) note(u plan.Unit, step, title string, kind plan.StepKind) {
	r.e.tell(u.ID, plan.Step{ID: step, Kind: kind, Title: title}, StepUndone, "")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps[u.ID] = append(r.steps[u.ID], StepResult{Step: step, Kind: kind, Title: title, State: StepUndone})
}

// touched tells whether anything was ever done or announced for a unit.
func (e *Executor) touched(u plan.Unit) bool {
	return look(e, func(f *fold) bool {
		for k, p := range f.steps {
			if k.unit == u.ID && k.step != verifyStep && (p.settled() || p.intent != nil || p.failed != nil) {
				return true
			}
		}
		return slices.ContainsFunc(f.requests, func(q *request) bool { return q.state != requestUndone && slices.Contains(q.units, u.ID) })
	})
}

// doneSteps gives the records of what this program did for a unit, by what it did.
func (e *Executor) doneSteps(u plan.Unit, kind string) []Record {
	return look(e, func(f *fold) []Record {
		var out []Record
		for _, k := range f.order {
			if p := f.steps[k]; k.unit == u.ID && p.done != nil && p.done.After["kind"] == kind {
				out = append(out, *p.done)
			}
		}
		return out
	})
}

// undone journals that a step was taken back.
func (r *rollbackRun) undone(u plan.Unit, step, title string, kind plan.StepKind, after State) error {
	if err := r.e.record(Record{Unit: u.ID, Step: step, Phase: PhaseUndone, After: after}); err != nil {
		return err
	}
	r.note(u, step, title, kind)
	return nil
}

// cleanUp removes what only the new way needs, when nothing uses that any more.
func (r *rollbackRun) cleanUp(ctx, stop context.Context, u plan.Unit) error {
	for _, step := range []func(context.Context, plan.Unit) error{r.removeVariables, r.removeTrust} {
		if stop.Err() != nil {
			return nil
		}
		if err := step(ctx, u); err != nil {
			return err
		}
	}
	return r.e.record(Record{Unit: u.ID, Step: rollbackStep, Phase: PhaseDone})
}

// removeVariables deletes the variables that the program made, except those that another unit's logins still name.
func (r *rollbackRun) removeVariables(ctx context.Context, u plan.Unit) error {
	for _, s := range u.Steps {
		if s.Kind != plan.StepVariable || !r.owned(u, s) {
			continue
		}
		if other := r.usedBy(u, s); other != "" {
			if err := r.undone(u, s.ID, fmt.Sprintf("kept %s: unit %s needs it", s.Variable.Store, other), s.Kind, State{"kept": "true"}); err != nil {
				return err
			}
			continue
		}
		var err error
		if s.Variable.AsSecret {
			err = r.e.Outside.Repositories.DeleteSecret(ctx, s.Variable.Store)
		} else {
			err = r.e.Outside.Repositories.DeleteVariable(ctx, s.Variable.Store)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("delete %s: %w", s.Variable.Store, err)
		}
		if err := r.undone(u, s.ID, "deleted "+s.Variable.Store.String(), s.Kind, nil); err != nil {
			return err
		}
	}
	return nil
}

// owned tells whether this program made a variable: for this unit, or for another one that was rolled back and left it here.
func (r *rollbackRun) owned(u plan.Unit, s plan.Step) bool {
	if p := r.e.step(u.ID, s.ID); p.done != nil || p.intent != nil {
		return true
	} else if p.seen == nil {
		return false
	}
	return look(r.e, func(f *fold) bool {
		for k, p := range f.steps {
			if k.step == s.ID && k.unit != u.ID && p.undone != nil && p.undone.After["kept"] == "true" {
				return true
			}
		}
		return false
	})
}

// usedBy names another unit that is under way and reads the same variable.
func (r *rollbackRun) usedBy(u plan.Unit, s plan.Step) string {
	for _, other := range r.e.Plan.Units {
		if other.ID == u.ID || r.e.rolledBack(other.ID) || slices.ContainsFunc(r.units, func(x plan.Unit) bool { return x.ID == other.ID && r.clear(x) }) {
			continue
		}
		if _, ok := other.Step(s.ID); ok && r.e.touched(other) {
			return other.ID
		}
	}
	return ""
}

// removeTrust removes the federated credentials that the program added, and those that Azure DevOps added on its behalf.
func (r *rollbackRun) removeTrust(ctx context.Context, u plan.Unit) error {
	for _, done := range r.e.doneSteps(u, string(plan.StepFederatedCredential)) {
		if err := r.removeOne(ctx, inventory.ObjectID(done.After["application"]), inventory.FederatedCredentialID(done.After["id"])); err != nil {
			return err
		}
		if err := r.undone(u, done.Step, "removed federated credential "+done.After["name"], plan.StepFederatedCredential, nil); err != nil {
			return err
		}
	}
	for _, s := range u.Steps {
		if s.Kind != plan.StepFederatedCredential || r.e.step(u.ID, s.ID).intent == nil {
			continue
		}
		if err := r.removeAnnounced(ctx, u, s); err != nil {
			return err
		}
	}
	return r.removeServiceTrust(ctx, u)
}

// removeAnnounced removes a federated credential whose adding was announced and whose outcome is not known.
func (r *rollbackRun) removeAnnounced(ctx context.Context, u plan.Unit, s plan.Step) error {
	id, err := r.e.Outside.Directory.Application(ctx, u.AppID)
	if err != nil {
		return fmt.Errorf("read application %s: %w", u.AppID, err)
	}
	for _, f := range id.FederatedCredentials {
		if sameTrust(f, s.FederatedCredential.Credential) && f.Name == s.FederatedCredential.Credential.Name {
			if err := r.removeOne(ctx, id.ObjectID, f.ID); err != nil {
				return err
			}
		}
	}
	return r.undone(u, s.ID, "removed federated credential "+s.FederatedCredential.Credential.Name, s.Kind, nil)
}

// removeServiceTrust removes what Azure DevOps added when it converted automatic connections. Some conversions back remove it themselves.
func (r *rollbackRun) removeServiceTrust(ctx context.Context, u plan.Unit) error {
	added := look(r.e, func(f *fold) []Record {
		var out []Record
		for k, p := range f.steps {
			if k.unit == u.ID && p.undone != nil && p.undone.After["added"] != "" {
				out = append(out, *p.undone)
			}
		}
		return out
	})
	slices.SortFunc(added, func(a, b Record) int { return strings.Compare(a.Step, b.Step) })
	for _, a := range added {
		if err := r.removeOne(ctx, inventory.ObjectID(a.After["application"]), inventory.FederatedCredentialID(a.After["added"])); err != nil {
			return err
		}
		if err := r.undone(u, a.Step, "removed the federated credential of connection "+a.After["name"], plan.StepConnection, nil); err != nil {
			return err
		}
	}
	return nil
}

func (r *rollbackRun) removeOne(ctx context.Context, app inventory.ObjectID, id inventory.FederatedCredentialID) error {
	err := r.e.Outside.Directory.RemoveFederatedCredential(ctx, app, id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("remove federated credential %s: %w", id, err)
	}
	return nil
}

// result puts together what happened to a unit.
func (r *rollbackRun) result(u plan.Unit) UnitResult {
	if u.Blocked() {
		return blockedResult(u)
	}
	out := unitResult(u, UnitRolledBack)
	r.mu.Lock()
	defer r.mu.Unlock()
	out.Steps = append(out.Steps, r.steps[u.ID]...)
	switch err := r.errs[u.ID]; {
	case err != nil:
		out.State, out.Reason = UnitFailed, err.Error()
		if manual := (*manualError)(nil); errors.As(err, &manual) {
			out.Next = manual.next
		}
	case len(r.gates[u.ID]) > 0:
		out.State, out.Gates = UnitPending, r.gates[u.ID]
		out.Reason, out.Next = out.Gates[0].Reason, out.Gates[0].Next
	case r.e.rolledBack(u.ID):
		out.Reason = "everything is as it was before"
	case !r.e.touched(u):
		out.State, out.Reason = UnitPlanned, "nothing was done, so there is nothing to undo"
	case r.options.DryRun:
		out.State, out.Reason = UnitPending, "it would be rolled back"
		for _, s := range r.e.status(u).Steps {
			if s.State == StepDone || s.State == StepPending {
				step, _ := u.Step(s.Step)
				s.State, s.Reason = StepWould, step.Undo
				out.Steps = append(out.Steps, s)
			}
		}
	default:
		out.State, out.Reason, out.Next = UnitPending, "the rollback is not finished", []string{"run it again"}
	}
	return out
}
