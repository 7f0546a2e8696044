package execute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// ApplyOptions bound what Apply does.
type ApplyOptions struct {
	Wave   int      // only units of this wave; 0: all
	Only   []string // only these units; a unit that was rolled back is only applied again if it is named here
	Skip   []string // units that later waves need not wait for; journaled
	DryRun bool     // look, compare and say what would be done; change and record nothing
}

// Apply carries out a plan as far as the gates allow. The error is about the command as a whole; what happened to each
// unit is in the result. After an interruption of ctx the step in hand is finished, and the result tells what is left.
func (e *Executor) Apply(ctx context.Context, o ApplyOptions) (Result, error) {
	if err := e.start(); err != nil {
		return Result{}, err
	}
	units, err := e.selectUnits(o.Only, o.Wave)
	if err != nil {
		return Result{}, err
	}
	if err := e.skip(o.Skip, o.DryRun); err != nil {
		return Result{}, err
	}
	run := &applyRun{e: e, options: o, results: map[string]map[string]StepResult{}, problems: map[inventory.RepositoryName]error{}}
	units = slices.DeleteFunc(slices.Clone(units), func(u plan.Unit) bool { return e.gone(u.ID) && e.ended(u) && !slices.Contains(o.Only, u.ID) })
	run.lookAfter(ctx, slices.DeleteFunc(slices.Clone(units), func(u plan.Unit) bool { return !e.gone(u.ID) }))
	todo := slices.DeleteFunc(slices.Clone(units), func(u plan.Unit) bool {
		return u.Blocked() || e.gone(u.ID) || run.skipped(u) || len(e.startGates(u)) > 0
	})
	run.refreshFirst(ctx, todo)
	e.each(todo, func(u plan.Unit) { run.unit(ctx, u) })
	e.eachRepository(todo, func(repo inventory.RepositoryName) { run.repository(ctx, repo, todo) })
	out := make([]UnitResult, 0, len(units))
	for _, u := range units {
		out = append(out, run.result(u))
	}
	if !o.DryRun {
		err = e.compareRoles(ctx, out)
	}
	r := e.result("apply", out)
	r.DryRun = o.DryRun
	return r, cmp.Or(err, ctx.Err())
}

// ended tells whether nothing is to be done with a unit any more.
func (e *Executor) ended(u plan.Unit) bool {
	state := e.status(u).State
	return state == UnitRevoked || state == UnitRolledBack
}

// lookAfter sees what has become of units that the present plan does not have: whether their pull requests were merged, and what
// an earlier run announced. It changes nothing of theirs.
func (a *applyRun) lookAfter(ctx context.Context, units []plan.Unit) {
	if len(units) == 0 || a.options.DryRun || a.e.unconnected(units) != nil {
		return
	}
	problems := a.e.refreshAll(ctx, units)
	a.mu.Lock()
	a.problems = problems
	a.mu.Unlock()
	a.e.each(units, func(u plan.Unit) {
		for _, s := range u.Steps {
			if p := a.e.step(u.ID, s.ID); s.Phase == plan.PhaseApply && s.Kind != plan.StepPullRequest && p.intent != nil {
				a.set(u, a.e.settle(ctx, u, s, false))
			}
		}
	})
}

// each runs a function for every unit, several at once.
func (e *Executor) each(units []plan.Unit, run func(plan.Unit)) {
	inParallel(e.parallel(), units, run)
}

func (e *Executor) eachRepository(units []plan.Unit, run func(inventory.RepositoryName)) {
	inParallel(e.parallel(), repositories(units), run)
}

func inParallel[T any](n int, items []T, run func(T)) {
	slots := make(chan struct{}, n)
	var wg sync.WaitGroup
	for _, item := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer crash.Report()
			defer func() { <-slots }()
			run(item)
		})
	}
	wg.Wait()
}

// repositories are those in which the units rewrite logins, sorted.
func repositories(units []plan.Unit) []inventory.RepositoryName {
	var out []inventory.RepositoryName
	for _, u := range units {
		for _, s := range u.Steps {
			if s.Kind == plan.StepPullRequest {
				out = append(out, s.PullRequest.Repository)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// applyRun is one call of Apply.
type applyRun struct {
	e       *Executor
	options ApplyOptions

	mu       sync.Mutex
	results  map[string]map[string]StepResult // by unit and step
	problems map[inventory.RepositoryName]error
}

func (a *applyRun) skipped(u plan.Unit) bool {
	return a.e.rolledBack(u.ID) && !slices.Contains(a.options.Only, u.ID) || a.e.rollingBack(u) != nil
}

func (a *applyRun) set(u plan.Unit, r StepResult) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.results[u.ID] == nil {
		a.results[u.ID] = map[string]StepResult{}
	}
	a.results[u.ID][r.Step] = r
}

func (a *applyRun) get(u plan.Unit, step string) (StepResult, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, ok := a.results[u.ID][step]
	return r, ok
}

// unit runs the steps of one unit up to its pull requests, in order.
func (a *applyRun) unit(ctx context.Context, u plan.Unit) {
	if !a.options.DryRun && a.e.noteApproval(u) != nil {
		return // the journal cannot be written: nothing is begun
	}
	if !a.options.DryRun && a.comeAgain(u) != nil {
		return
	}
	for _, s := range u.Steps {
		if s.Phase != plan.PhaseApply || s.Kind == plan.StepPullRequest || s.OnDemand || a.stays(u, s) {
			continue
		}
		if a.e.carried(u, s) && !a.e.step(u.ID, s.ID).settled() {
			a.set(u, a.e.settle(ctx, u, s, a.options.DryRun))
			continue
		}
		if waits := a.waitsFor(u, s); waits != "" {
			a.set(u, StepResult{Step: s.ID, Kind: s.Kind, Title: s.Title, State: StepWaiting, Reason: "it waits for " + waits})
			continue
		}
		a.set(u, a.e.runStep(ctx, u, s, a.options.DryRun))
	}
}

// comeAgain journals that a unit, or a repository of it, is applied again that was rolled back or was about to be. The selection has let
// through only what was named.
func (a *applyRun) comeAgain(u plan.Unit) error {
	steps := []string{rollbackStep}
	for _, repo := range repositories([]plan.Unit{u}) {
		if slices.Contains(a.options.Only, u.ID) {
			steps = append(steps, partialStep(repo))
		}
	}
	for _, step := range steps {
		if p := a.e.step(u.ID, step); p.done == nil && p.intent == nil {
			continue
		}
		if err := a.e.record(Record{Unit: u.ID, Step: step, Phase: PhaseUndone, Note: "applied again, by name"}); err != nil {
			return err
		}
	}
	return nil
}

// stays tells whether a step belongs to a repository of the unit that was rolled back by itself.
func (a *applyRun) stays(u plan.Unit, s plan.Step) bool {
	for _, repo := range repositories([]plan.Unit{u}) {
		if !a.e.rolledBackIn(u.ID, repo) {
			continue
		}
		switch {
		case s.Kind == plan.StepVariable && s.Variable.Store.Repository == repo:
			return true
		case s.Kind == plan.StepFederatedCredential && onlyFor(u, s.FederatedCredential.Credential.Name, repo):
			return true
		}
	}
	return false
}

// refreshFirst looks what became of the pull requests that conversions wait for.
func (a *applyRun) refreshFirst(ctx context.Context, units []plan.Unit) {
	if a.options.DryRun {
		return
	}
	waited := slices.DeleteFunc(slices.Clone(units), func(u plan.Unit) bool {
		return !slices.ContainsFunc(u.Steps, func(s plan.Step) bool { return len(requestsBefore(u, s)) > 0 })
	})
	a.e.eachRepository(waited, func(repo inventory.RepositoryName) {
		if err := a.e.refresh(ctx, repo); err != nil {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.problems[repo] = err
		}
	})
}

// requestsBefore are the pull requests that a step waits for.
func requestsBefore(u plan.Unit, s plan.Step) []plan.Step {
	var out []plan.Step
	for _, id := range s.DependsOn {
		if other, ok := u.Step(id); ok && other.Kind == plan.StepPullRequest {
			out = append(out, other)
		}
	}
	return out
}

// waitsFor gives the first step that a step depends on and that is not done. A pull request is done when it is merged.
func (a *applyRun) waitsFor(u plan.Unit, s plan.Step) string {
	for _, other := range requestsBefore(u, s) {
		if _, err := a.e.stepMoved(u, other); err != nil {
			return other.ID
		}
	}
	for _, id := range s.DependsOn {
		if other, ok := u.Step(id); ok && other.Kind == plan.StepPullRequest {
			continue
		}
		r, ok := a.get(u, id)
		if !ok || r.State != StepDone && r.State != StepAlready && r.State != StepWould {
			return id
		}
	}
	return ""
}

// repository opens the one pull request of a repository, for all units that are ready for it.
func (a *applyRun) repository(ctx context.Context, repo inventory.RepositoryName, units []plan.Unit) {
	if err := a.repositoryErr(ctx, repo, units); err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.problems[repo] = err
	}
}

func (a *applyRun) repositoryErr(ctx context.Context, repo inventory.RepositoryName, units []plan.Unit) error {
	if ctx.Err() != nil {
		return nil
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	if !a.options.DryRun {
		if err := a.e.refresh(hard, repo); err != nil {
			return err
		}
		if err := a.resume(hard, repo, units); err != nil {
			return err
		}
		if err := a.update(hard, repo); err != nil {
			return err
		}
	}
	if look(a.e, func(f *fold) bool { return f.pending(repo) != nil }) {
		return nil
	}
	ready := slices.DeleteFunc(slices.Clone(units), func(u plan.Unit) bool {
		s, ok := u.Step(plan.PullRequestID(repo))
		return !ok || a.waitsFor(u, s) != "" || a.e.rolledBackIn(u.ID, repo)
	})
	logins := a.wanted(repo, ready)
	if len(logins) == 0 {
		return nil
	}
	p, err := a.e.propose(hard, repo, ready, logins, a.options.DryRun)
	if err != nil {
		return err
	}
	a.refusals(p)
	if len(p.logins) == 0 || a.options.DryRun {
		return nil
	}
	return a.send(hard, p)
}

// send opens the pull request, unless it would change nothing.
func (a *applyRun) send(ctx context.Context, p *proposal) error {
	if len(changed(p.now, p.next)) == 0 {
		return &manualError{err: fmt.Errorf("none of the planned logins of %s can be rewritten: %s", p.repo, p.leftText()),
			next: []string{"change them by hand as the plan's manual steps say, then: " + replan}}
	}
	_, err := a.e.openRequest(ctx, p, requestTitle, a.e.body(p))
	return err
}

func (p *proposal) leftText() string {
	for _, l := range p.logins {
		if left, ok := p.next.left[l]; ok {
			return fmt.Sprintf("%s: %s", l, left.reason)
		}
	}
	return "the rewrite changes nothing"
}

// resume opens a pull request that an earlier run announced, exactly as it was announced; if that is not possible any more it
// is given up, and its branch removed.
func (a *applyRun) resume(ctx context.Context, repo inventory.RepositoryName, units []plan.Unit) error {
	q := look(a.e, func(f *fold) *request {
		if q := f.pending(repo); q != nil && q.state == requestOpening && !q.revert {
			c := *q
			return &c
		}
		return nil
	})
	if q == nil {
		return nil
	}
	p, err := a.e.propose(ctx, repo, a.e.Plan.Units, q.logins, false)
	if err != nil {
		return err
	}
	a.refusals(p)
	if slices.Equal(p.logins, q.logins) && len(changed(p.now, p.next)) > 0 {
		p.branch = q.branch
		return a.send(ctx, p)
	}
	return a.e.giveUp(ctx, *q, "it could not be opened as announced")
}

// update rebuilds an open pull request whose files have changed on its base.
func (a *applyRun) update(ctx context.Context, repo inventory.RepositoryName) error {
	for _, q := range look(a.e, func(f *fold) []request { return copyRequests(f.of(repo)) }) {
		if q.state == requestMerged && q.trouble == superseded {
			if err := a.e.closeSuperseded(ctx, q); err != nil {
				return err
			}
		}
	}
	q := look(a.e, func(f *fold) *request {
		if q := f.pending(repo); q != nil && q.state == requestOpen && q.trouble == troubleStale && !q.revert {
			c := *q
			return &c
		}
		return nil
	})
	if q == nil {
		return nil
	}
	if by := a.e.by(q.plan); by != nil {
		return by.rebuild(ctx, *q)
	}
	return a.e.rebuild(ctx, *q)
}

// giveUp removes what there may be of a pull request that was announced and never opened.
func (e *Executor) giveUp(ctx context.Context, q request, why string) error {
	err := e.host(q.repository).DeleteBranch(ctx, q.repository, q.branch)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("delete branch %s of %s: %w", q.branch, q.repository, err)
	}
	return e.record(Record{Unit: repositoryUnit + string(q.repository), Step: q.step(), Phase: PhaseUndone, Note: why})
}

// wanted are the logins of ready units that no pull request carries yet. A login that signs in as several identities waits
// for all of their units.
func (a *applyRun) wanted(repo inventory.RepositoryName, ready []plan.Unit) []inventory.LoginID {
	var out []inventory.LoginID
	for _, u := range ready {
		s, _ := u.Step(plan.PullRequestID(repo))
		for _, l := range s.PullRequest.Logins {
			carried := look(a.e, func(f *fold) bool { return a.e.carrying(f, s.PullRequest, l.ID) != nil })
			shared := l.Pipeline != nil && l.Pipeline.Both || !slices.ContainsFunc(l.Shares, func(id string) bool {
				return !slices.ContainsFunc(ready, func(r plan.Unit) bool { return r.ID == id })
			})
			if !carried && shared && !slices.Contains(out, l.ID) {
				out = append(out, l.ID)
			}
		}
	}
	slices.Sort(out)
	return out
}

// refusals notes the units whose files have changed since the scan.
func (a *applyRun) refusals(p *proposal) {
	for id, cs := range p.refused {
		u, ok := a.e.Plan.Unit(id)
		if !ok {
			continue
		}
		s, _ := u.Step(plan.PullRequestID(p.repo))
		r := StepResult{Step: s.ID, Kind: s.Kind, Title: s.Title, Changes: cs}
		a.e.refuse(&r, u, s, a.options.DryRun)
		a.set(u, r)
	}
}
