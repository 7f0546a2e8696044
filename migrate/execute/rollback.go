package execute

import (
	"cmp"
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
	Units []string // these units; at least one
	// Repository limits the rollback to the workflows of one repository, while the old secret is still there.
	Repository inventory.RepositoryName
	DryRun     bool
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
	notes map[string]map[string]string // what a dry run has seen of steps that there is nothing to undo of, by unit and step

	signsIn map[string]bool // units whose connections sign in with what was added, so that it is kept

	stayed map[string]string // certificates that were not written back, with the reason, by unit and step
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
	run := &rollbackRun{e: e, options: o, units: units, steps: map[string][]StepResult{}, errs: map[string]error{}, gates: map[string][]Gate{}, signsIn: map[string]bool{}, notes: map[string]map[string]string{}}
	todo := slices.DeleteFunc(slices.Clone(units), func(u plan.Unit) bool { return !e.touched(u) || e.rolledBack(u.ID) })
	for _, u := range todo {
		if err := errors.Join(e.unconnected([]plan.Unit{u}), e.earlier(u)); err != nil {
			run.fail(u, err)
		}
		if other := run.signsInBy(u); other != "" && !slices.ContainsFunc(units, func(x plan.Unit) bool { return x.ID == other }) {
			run.fail(u, &manualError{err: fmt.Errorf("the pipelines of unit %s sign in with this trust; nothing was changed", other),
				next: []string{"roll both back together: unsecret rollback --unit " + other + " --unit " + u.ID, "or leave it as it is"}})
		}
	}
	if o.Repository != "" {
		if err := run.rollbackRepository(ctx, o.Repository); err != nil {
			return Result{}, err
		}
	} else if o.DryRun {
		e.each(todo, func(u plan.Unit) { run.foresee(ctx, u) })
	} else {
		e.each(todo, func(u plan.Unit) { run.forestall(ctx, u) })
		e.each(todo, func(u plan.Unit) { run.do(ctx, u, run.restore) })
		restored := slices.DeleteFunc(slices.Clone(todo), func(u plan.Unit) bool { return !run.clear(u) })
		e.eachRepository(restored, func(repo inventory.RepositoryName) { run.repository(ctx, repo, restored) })
		later := func(u plan.Unit) bool { return u.Kind == plan.KindTrust }
		e.each(slices.DeleteFunc(slices.Clone(todo), later), func(u plan.Unit) { run.do(ctx, u, run.cleanUp) })
		e.each(slices.DeleteFunc(slices.Clone(todo), func(u plan.Unit) bool { return !later(u) }), func(u plan.Unit) { run.do(ctx, u, run.cleanUp) })
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

// notesOnly are the steps of the journal that change nothing outside.
var notesOnly = []string{verifyStep, rolesStep, approveStep, skipStep, acceptStep, acceptUsesStep, noRollbackStep}

// isNote tells whether a step of the journal changes nothing outside.
func isNote(step string) bool {
	return slices.Contains(notesOnly, step) || strings.HasPrefix(step, unusedPrefix)
}

// touched tells whether anything was ever done or announced for a unit.
func (e *Executor) touched(u plan.Unit) bool {
	return look(e, func(f *fold) bool {
		for k, p := range f.steps {
			if k.unit == u.ID && !isNote(k.step) && (p.settled() || p.intent != nil || p.failed != nil) {
				return true
			}
		}
		return slices.ContainsFunc(f.requests, func(q *request) bool { return q.state != requestUndone && slices.Contains(q.units, u.ID) })
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
	if other := r.signsInBy(u); other != "" {
		r.hold(u, Gate{Name: GateDependent, Reason: "the pipelines of unit " + other + " sign in with this trust: it goes when they do not any more",
			Next: []string{"finish both: unsecret rollback --unit " + other + " --unit " + u.ID}})
		return nil
	}
	variables := func(ctx context.Context, u plan.Unit) error { return r.removeVariables(ctx, u, "") }
	for _, step := range []func(context.Context, plan.Unit) error{variables, r.removeReplacements, r.removeTrust, r.removeTarget} {
		if stop.Err() != nil || !r.clear(u) {
			return nil //nolint:nilerr // interrupted between two steps: the next run goes on
		}
		if err := step(ctx, u); err != nil {
			return err
		}
	}
	if !r.clear(u) {
		return nil
	}
	steps := []string{verifyStep, rolesStep, approveStep, noRollbackStep}
	for _, repo := range repositories([]plan.Unit{u}) {
		steps = append(steps, partialStep(repo))
	}
	for _, s := range u.Steps {
		steps = append(steps, unusedStep(s))
	}
	for _, step := range steps {
		if p := r.e.step(u.ID, step); p.seen == nil && p.done == nil && p.intent == nil {
			continue
		}
		if err := r.e.record(Record{Unit: u.ID, Step: step, Phase: PhaseUndone, Note: "the unit was rolled back"}); err != nil {
			return err
		}
	}
	return r.e.record(Record{Unit: u.ID, Step: rollbackStep, Phase: PhaseDone})
}

// signsInBy names a unit that was not rolled back and whose logins need the trust that another one added: that of a repository which was renamed, say.
func (r *rollbackRun) signsInBy(u plan.Unit) string {
	if u.Kind != plan.KindTrust {
		return ""
	}
	for _, other := range r.e.units() {
		if other.AppID == u.AppID && other.Kind == "" && len(repositories([]plan.Unit{other})) > 0 && r.e.touched(other) && !r.e.rolledBack(other.ID) {
			return other.ID
		}
	}
	return ""
}

// removeVariables deletes the variables that the program made, of one repository or of all, except those that another
// unit's logins still name.
func (r *rollbackRun) removeVariables(ctx context.Context, u plan.Unit, repo inventory.RepositoryName) error {
	for _, s := range u.Steps {
		if s.Kind != plan.StepVariable || !r.owned(u, s) || repo != "" && s.Variable.Store.Repository != repo {
			continue
		}
		if other := r.usedBy(u, s); other != "" {
			if err := r.undone(u, s.ID, fmt.Sprintf("kept %s: unit %s needs it", s.Variable.Store, other), s.Kind, State{"kept": "true"}); err != nil {
				return err
			}
			continue
		}
		mine, err := r.stillMine(ctx, u, s)
		if err != nil {
			return err
		}
		if !mine {
			if err := r.undone(u, s.ID, "left "+s.Variable.Store.String()+": somebody has given it another value", s.Kind, nil); err != nil {
				return err
			}
			continue
		}
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

// stillMine tells whether a variable still has the value that the program gave it. The value of a secret cannot be compared.
func (r *rollbackRun) stillMine(ctx context.Context, u plan.Unit, s plan.Step) (bool, error) {
	if s.Variable.AsSecret {
		return true, nil
	}
	value, err := r.e.Outside.Repositories.Variable(ctx, s.Variable.Store)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read variable %s: %w", s.Variable.Store, err)
	}
	return value == r.written(u, s), nil
}

// written is the value that a variable was given: the journal has it where the plan could not know it. Of one that was only announced it is the client id
// of the managed identity, which is in the journal, too.
func (r *rollbackRun) written(u plan.Unit, s plan.Step) string {
	if s.Variable.Identity == "" {
		return s.Variable.Value
	}
	if p := r.e.step(u.ID, s.ID); p.done != nil {
		return p.done.After["value"]
	}
	for _, x := range u.Steps {
		if p := r.e.step(u.ID, x.ID); x.Kind == plan.StepIdentity && p.done != nil {
			return p.done.After["clientId"]
		} else if x.Kind == plan.StepIdentity && p.seen != nil {
			return p.seen.After["clientId"]
		}
	}
	return ""
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
	for _, other := range r.e.units() {
		if other.ID == u.ID || r.e.rolledBack(other.ID) || slices.ContainsFunc(r.units, func(x plan.Unit) bool { return x.ID == other.ID && r.clear(x) }) {
			continue
		}
		if _, ok := other.Step(s.ID); ok && r.e.touched(other) {
			return other.ID
		}
	}
	return ""
}

// removeTrust removes the federated credentials that the program added, and those that Azure DevOps added on its behalf. What a
// connection still presents is kept, whoever converted it: nothing may be left that cannot sign in.
func (r *rollbackRun) removeTrust(ctx context.Context, u plan.Unit) error {
	trustee := r.e.trustee(u)
	found, _, err := trustee.credentials(ctx)
	if err != nil {
		return err
	}
	kept, err := r.presented(ctx, u)
	if err != nil {
		return err
	}
	moved, err := r.presentedBy(ctx, u)
	if err != nil {
		return err
	}
	for _, step := range r.trustSteps(u) {
		title := "removed federated credential " + step.name
		for _, f := range found {
			if string(f.ID) != step.id && !(step.id == "" && f.Name == step.name && step.is(f)) {
				continue
			}
			if slices.Contains(kept, f.Issuer+" "+f.Subject) {
				continue
			}
			if slices.Contains(moved, f.Issuer+" "+f.Subject) {
				title = "kept federated credential " + f.Name + ": a connection signs in with it"
				r.mu.Lock()
				r.signsIn[u.ID] = true
				r.mu.Unlock()
				continue
			}
			if err := trustee.remove(ctx, f); err != nil && !errors.Is(err, ErrNotFound) {
				return fmt.Errorf("remove federated credential %s: %w", f.Name, err)
			}
		}
		if err := r.undone(u, step.step, title, step.kind, State{"removed": step.id}); err != nil {
			return err
		}
	}
	return nil
}

// presented are the issuers and subjects of the unit's connections that are still federated.
func (r *rollbackRun) presented(ctx context.Context, u plan.Unit) ([]string, error) {
	var out []string
	for _, s := range u.Steps {
		if s.Kind != plan.StepConnection {
			continue
		}
		by, err := r.presents(ctx, s.Connection.Organization, s.Connection.Project, s.Connection.ID, s.Connection.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, by...)
	}
	return out, nil
}

// presents gives the issuer and subject of a connection that is federated; of one that is not, or is gone, nothing.
func (r *rollbackRun) presents(ctx context.Context, organization string, project inventory.ProjectID, id inventory.ConnectionID, name string) ([]string, error) {
	c, err := r.e.Outside.Connections.Connection(ctx, organization, project, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read connection %s: %w", name, err)
	case c.Scheme != inventory.SchemeFederation:
		return nil, nil
	}
	return []string{c.Issuer + " " + c.Subject}, nil
}

// addedTrust is one federated credential that came with the migration.
type addedTrust struct {
	step, id, name string
	kind           plan.StepKind
	want           inventory.FederatedCredential
}

func (a addedTrust) is(f inventory.FederatedCredential) bool { return sameTrust(f, a.want) }

// trustSteps are those that added a federated credential, or may have.
func (r *rollbackRun) trustSteps(u plan.Unit) []addedTrust {
	return look(r.e, func(f *fold) []addedTrust {
		var out []addedTrust
		for _, k := range f.order {
			p := f.steps[k]
			if k.unit != u.ID {
				continue
			}
			if p.done != nil && p.done.After["kind"] == string(plan.StepFederatedCredential) {
				out = append(out, addedTrust{step: k.step, id: readded(f, p.done.After["id"]), name: p.done.After["name"], kind: plan.StepFederatedCredential})
			}
			if p.undone != nil && p.undone.After["added"] != "" {
				out = append(out, addedTrust{step: k.step, id: readded(f, p.undone.After["added"]), name: "of connection " + p.undone.After["name"], kind: plan.StepConnection})
			}
			if s, ok := u.Step(k.step); ok && s.Kind == plan.StepFederatedCredential && p.intent != nil {
				want := s.FederatedCredential.Credential
				if s.FederatedCredential.Replacement != nil {
					want.Issuer, want.Subject = p.intent.Before["issuer"], p.intent.Before["subject"]
				}
				out = append(out, addedTrust{step: k.step, name: want.Name, kind: s.Kind, want: want})
			}
		}
		return out
	})
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
		out.fail(err)
	case len(r.gates[u.ID]) > 0:
		out.State, out.Gates = UnitPending, r.gates[u.ID]
		out.Reason, out.Next = out.Gates[0].Reason, out.Gates[0].Next
	case r.e.rolledBack(u.ID) && r.signsIn[u.ID]:
		out.Reason = "the old issuer is trusted as before; what its connections sign in with since a person updated them stays trusted"
	case r.e.rolledBack(u.ID):
		out.Reason, out.Next = r.e.afterRollback(u.ID)
	case r.options.Repository != "" && r.e.rolledBackIn(u.ID, r.options.Repository):
		out.Reason = fmt.Sprintf("%s is as it was before; the rest of the unit is as it is now, and its old secret is not revoked", r.options.Repository)
	case !r.e.touched(u):
		out.State, out.Reason = UnitPlanned, "nothing was done, so there is nothing to undo"
	case r.options.DryRun:
		out.State, out.Reason = UnitPending, "it would be rolled back"
		for _, s := range r.e.status(u).Steps {
			if s.State == StepDone || s.State == StepPending {
				step, _ := u.Step(s.Step)
				s.State, s.Reason = StepWould, cmp.Or(r.notes[u.ID][s.Step], step.Undo)
				out.Steps = append(out.Steps, s)
			}
		}
	default:
		out.State, out.Reason, out.Next = UnitPending, "the rollback is not finished", []string{"run it again"}
	}
	return out
}
