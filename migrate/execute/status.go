package execute

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// Status tells where every unit stands, from the plan and the journal alone: it asks the outside world nothing.
func (e *Executor) Status() (Result, error) {
	if err := e.start(); err != nil {
		return Result{}, err
	}
	return e.standing(), nil
}

// status is a unit's standing by the journal.
func (e *Executor) status(u plan.Unit) UnitResult {
	if u.Blocked() {
		return blockedResult(u)
	}
	r := unitResult(u, UnitPlanned)
	if e.root == nil && e.gone(u.ID) {
		r.Plan = e.planOf(u.ID)
	}
	for _, s := range u.Steps {
		step, gate := e.stepStatus(u, s)
		r.Steps = append(r.Steps, step)
		if gate != nil {
			r.Gates = append(r.Gates, *gate)
		}
	}
	r.Gates = append(r.Gates, e.startGates(u)...)
	e.judge(u, &r)
	return r
}

// stepStatus is a step's standing by the journal, with the gate that it waits for.
func (e *Executor) stepStatus(u plan.Unit, s plan.Step) (StepResult, *Gate) {
	if s.Kind == plan.StepPullRequest {
		return e.requestStatus(u, s)
	}
	r := StepResult{Step: s.ID, Kind: s.Kind, Title: s.Title, State: StepOpen}
	p := e.step(u.ID, s.ID)
	switch {
	case p.settled():
		r.State, r.Reason = settledState(p), cmp.Or(e.revertText(p), leftEnabled(p), leftRoles(p))
	case p.failed != nil:
		r.State, r.Reason, r.Next = StepFailed, p.failed.Note, keptNext(p.failed)
	case p.intent != nil:
		r.Reason = "announced, and a run ended before its outcome was in the journal: the next run looks at what became of it, and goes on"
	case p.undone != nil:
		r.State = StepUndone
	case s.OnDemand:
		r.State = StepOnDemand
	}
	return r, nil
}

// revertText says how long a rollback of a conversion needs no new password.
func (e *Executor) revertText(p stepProgress) string {
	if p.done == nil || p.done.After["revertUntil"] == "" {
		return ""
	}
	until, err := time.Parse(time.RFC3339, p.done.After["revertUntil"])
	if err != nil || !e.now().Before(until) {
		return "Azure DevOps does not convert it back any more: a rollback mints a new password"
	}
	return "Azure DevOps converts it back until " + until.Format("2006-01-02 15:04 UTC") + "; after that a rollback mints a new password"
}

// requestStatus is the standing of a unit's logins in one repository.
func (e *Executor) requestStatus(u plan.Unit, s plan.Step) (StepResult, *Gate) {
	r := StepResult{Step: s.ID, Kind: s.Kind, Title: s.Title, State: StepDone}
	var gate *Gate
	for _, l := range s.PullRequest.Logins {
		q := look(e, func(f *fold) *request {
			if q := e.carrying(f, s.PullRequest, l.ID); q != nil {
				c := *q
				return &c
			}
			return nil
		})
		if q == nil && e.rolledBackIn(u.ID, s.PullRequest.Repository) {
			r.State, r.Reason = StepUndone, "this repository of the unit was rolled back"
			r.Next = []string{"unsecret apply --only " + u.ID + " applies it again"}
			return r, nil
		}
		if q == nil {
			e.notCarried(u, s, &r)
			return r, nil
		}
		r.URL = q.url
		if reason, left := q.left[string(l.ID)]; left {
			r.State, r.Reason = StepFailed, fmt.Sprintf("the rewrite left %s as it was: %s", l.ID, reason)
			r.Next = []string{"change it by hand, then: unsecret plan --unit " + u.ID}
			return r, nil
		}
		g := mergeGate(q)
		if g == nil {
			g = e.revertGate(s.PullRequest, l.ID)
		}
		if g != nil {
			gate, r.State, r.Reason = g, StepPending, g.Reason
		}
	}
	return r, gate
}

// revertGate holds a login that an open pull request takes back: once that is merged it needs the old secret again.
func (e *Executor) revertGate(s *plan.PullRequestStep, l inventory.LoginID) *Gate {
	repo := s.Repository
	q := look(e, func(f *fold) request {
		if q := f.pending(repo); q != nil && q.revert && slices.Contains(q.logins, l) && e.speaksOf(q, s, fileOf(l, repo)) {
			return *q
		}
		return request{}
	})
	if !q.revert {
		return nil
	}
	return &Gate{Name: GateMerge, URL: q.url, Reason: fmt.Sprintf("pull request #%d of %s takes the change back and is open", q.number, q.repository),
		Next: []string{"merge it and go on with the rollback", "or close it, if the unit is to stay as it is"}}
}

func (e *Executor) notCarried(u plan.Unit, s plan.Step, r *StepResult) {
	r.State = StepOpen
	p := e.step(u.ID, s.ID)
	switch {
	case p.failed != nil:
		r.State, r.Reason, r.Next = StepFailed, p.failed.Note, keptNext(p.failed)
	case look(e, func(f *fold) bool { return f.pending(s.PullRequest.Repository) != nil }):
		r.Reason = "another pull request of this program is open in the repository: this one follows when that is merged"
	}
}

// mergeGate tells what a request waits for; nil when it is merged.
func mergeGate(q *request) *Gate {
	switch q.state {
	case requestMerged:
		return nil
	case requestClosed:
		g := &Gate{Name: GateMerge, URL: q.url, Reason: fmt.Sprintf("pull request #%d of %s was closed without being merged", q.number, q.repository),
			Next: []string{"open it again and merge it, then run apply again", "or take it back: unsecret rollback --unit " + strings.Join(q.units, " --unit ")}}
		if q.trouble == troubleBranch {
			g.Reason += ": " + q.detail
			g.Next = []string{"restore its branch, open it again and merge it", "or run unsecret rollback for the unit, then apply it again by name (--only): it gets a new pull request"}
		}
		return g
	case requestOpening:
		return &Gate{Name: GateMerge, Reason: fmt.Sprintf("the pull request in %s was announced but may not be open yet", q.repository), Next: []string{"run apply again"}}
	}
	if q.trouble != "" {
		return troubleGate(q)
	}
	return &Gate{Name: GateMerge, URL: q.url, Reason: fmt.Sprintf("pull request #%d of %s waits to be merged", q.number, q.repository),
		Next: []string{"review and merge it"}}
}

// judge derives a unit's state from its steps.
func (e *Executor) judge(u plan.Unit, r *UnitResult) {
	settled := func(s StepResult) bool {
		return s.State == StepDone || s.State == StepAlready || s.State == StepOnDemand
	}
	apply, revoke, started := true, false, false
	revoked := true
	for i, s := range u.Steps {
		step := r.Steps[i]
		started = started || step.State == StepDone || step.State == StepAlready || step.State == StepPending
		if s.Phase == plan.PhaseRevoke {
			revoke, revoked = true, revoked && settled(step)
		} else {
			apply = apply && settled(step)
		}
		if (step.State == StepFailed || step.State == StepRefused) && !s.OnDemand && r.State != UnitFailed {
			r.State, r.Reason, r.Next = UnitFailed, step.Title+": "+step.Reason, step.Next
		}
	}
	switch {
	case e.rolledBack(u.ID):
		r.State, r.Gates = UnitRolledBack, nil
		r.Reason, r.Next = e.afterRollback(u.ID)
	case e.rollingBack(u) != nil:
		g := e.rollingBack(u)
		r.State, r.Reason, r.Next, r.Gates = UnitPending, g.Reason, g.Next, []Gate{*g}
	case r.State == UnitFailed:
	case revoke && apply && revoked:
		r.State = UnitRevoked
	case apply:
		e.judgeMigrated(u, r)
	case len(r.Gates) > 0:
		r.State, r.Reason, r.Next = UnitPending, r.Gates[0].Reason, r.Gates[0].Next
	case started:
		r.State, r.Reason, r.Next = UnitPending, "some steps are not done yet", []string{"run apply again: what is done is not done twice", "or take it back: unsecret rollback --unit " + u.ID}
		if e.gone(u.ID) {
			r.Reason += ", and the present plan does not have the unit, so that apply leaves it alone"
			r.Next = []string{"see why (unsecret why " + string(u.AppID) + "), then unsecret plan --unit " + u.ID + ", so that it is in the plan", "or take it back: unsecret rollback --unit " + u.ID}
		}
		for _, s := range r.Steps {
			switch {
			case s.Kind != plan.StepPullRequest || s.Reason == "":
			case s.State == StepUndone:
				r.Reason, r.Next = s.Title+": "+s.Reason, s.Next
			case s.State == StepOpen:
				r.Reason, r.Next = s.Title+": "+s.Reason, []string{"merge the one that is open, then run apply again"}
			}
		}
	}
}

func (e *Executor) judgeMigrated(u plan.Unit, r *UnitResult) {
	r.State = UnitMigrated
	if p := e.step(u.ID, verifyStep); p.seen != nil && p.seen.After["result"] == "ok" {
		r.State = UnitVerified
	}
	if len(u.Withheld) > 0 {
		r.Gates = append(r.Gates, withheldGates(u)...)
		return
	}
	if r.State == UnitMigrated {
		r.Gates = append(r.Gates, e.verifyGate(u))
		return
	}
	if u.Kind == plan.KindIssuer {
		r.Gates = slices.Concat(r.Gates, e.removalGates(u))
		if len(e.removals(u)) > 0 {
			r.Gates = append(r.Gates, e.decisionGates(u, nil)...)
		}
		if g := e.watchStatus(u); g != nil {
			r.Gates = append(r.Gates, *g)
		}
		return
	}
	if moved, err := e.moved(u); err == nil && e.removes(u) {
		r.Gates = append(r.Gates, e.revokeGates(u, moved, nil)...)
		for _, g := range []*Gate{e.consentStatus(u), e.watchStatus(u)} {
			if g != nil {
				r.Gates = append(r.Gates, *g)
			}
		}
	}
}

// verifyGate is what a unit waits for whose proof is missing: none was made yet, or the last one did not hold.
func (e *Executor) verifyGate(u plan.Unit) Gate {
	g := Gate{Name: GateVerified, Reason: "it has not been proved yet that everything signs in the new way", Next: []string{"run unsecret verify"}}
	last := e.step(u.ID, verifyStep).seen
	if last == nil {
		return g
	}
	var what []string
	for _, part := range []string{"paper", "world", "error"} {
		if text := last.After[part]; text != "" && text != "ok" {
			what = append(what, text)
		}
	}
	g.Reason = "the last proof, on " + last.Time.UTC().Format("2006-01-02 15:04 UTC") + ", did not hold, so that nothing is revoked: " + strings.Join(what, "; ")
	g.Next = []string{"see what is to be done, and prove it again: unsecret verify --only " + u.ID, "or take the unit back: unsecret rollback --unit " + u.ID}
	return g
}

// revokeGates are what a verified unit waits for before its old secret goes, as far as the journal and the clock tell.
func (e *Executor) revokeGates(u plan.Unit, moved time.Time, only []string) []Gate {
	var out []Gate
	if s := e.soak(u); e.now().Before(moved.Add(time.Duration(s.Time))) {
		out = append(out, soakGate(moved.Add(time.Duration(s.Time)), s))
	}
	return append(out, e.decisionGates(u, only)...)
}

// decisionGates are the decisions of people that a revoke of a unit which has not begun waits for.
func (e *Executor) decisionGates(u plan.Unit, only []string) []Gate {
	var out []Gate
	for _, g := range []*Gate{e.approvalGate(u, plan.PhaseRevoke), namedGate(u, only)} {
		if g != nil && !e.revoking(u) {
			out = append(out, *g)
		}
	}
	return out
}

func withheldGates(u plan.Unit) []Gate {
	var out []Gate
	for _, w := range u.Withheld {
		out = append(out, withheldGate(w))
	}
	return out
}

func withheldGate(w plan.Reason) Gate {
	reason := w.Message
	if w.Object != "" {
		reason = w.Object + " still needs the old secret: " + w.Message
	}
	return Gate{Name: GateWithheld, Reason: reason, Next: w.Next}
}

func soakGate(until time.Time, s plan.Soak) Gate {
	g := Gate{Name: GateSoak, Until: until, Reason: "the soak time since the last change lasts until " + until.UTC().Format(time.RFC3339)}
	if time.Duration(s.Time) > time.Duration(plan.DefaultSoak) {
		g.Reason += fmt.Sprintf(" (%d days: %s)", int(time.Duration(s.Time).Hours()/24), s.Reason)
	}
	return g
}

// soak is how long a unit's old secret is kept after the last change: what the plan says, or longer where its workflows
// were seen to run more rarely.
func (e *Executor) soak(u plan.Unit) plan.Soak {
	s := plan.Soak{Time: plan.Duration(e.Plan.Settings.SoakTime()), Reason: "the configuration says so"}
	if u.Soak != nil {
		s = *u.Soak
	}
	if p := e.step(u.ID, verifyStep).seen; p != nil && e.Plan.Settings.Soak == nil {
		if gap, err := time.ParseDuration(p.After["gap"]); err == nil && gap > time.Duration(s.Time) {
			s = plan.Soak{Time: plan.Duration(gap), Reason: p.After["gapReason"]}
		}
	}
	return s
}

// errNotMoved tells that a unit is not migrated yet.
var errNotMoved = errors.New("not everything has moved yet")

// moved is when the last consumer of a unit's secret stopped using it: the last conversion or merge.
func (e *Executor) moved(u plan.Unit) (time.Time, error) {
	var last time.Time
	for _, s := range u.Steps {
		if s.Phase != plan.PhaseApply || s.OnDemand {
			continue
		}
		t, err := e.stepMoved(u, s)
		if err != nil {
			return last, err
		}
		if t.After(last) {
			last = t
		}
	}
	if last.IsZero() && u.Kind != plan.KindIssuer { // a unit may have nothing but old trust to remove
		return last, errNotMoved
	}
	return last, nil
}

func (e *Executor) stepMoved(u plan.Unit, s plan.Step) (time.Time, error) {
	if s.Kind == plan.StepPullRequest {
		var last time.Time
		for _, l := range s.PullRequest.Logins {
			at, ok := e.mergedAt(s.PullRequest, l.ID)
			if !ok {
				return last, errNotMoved
			}
			if at.After(last) {
				last = at
			}
		}
		return last, nil
	}
	p := e.step(u.ID, s.ID)
	switch {
	case p.done != nil:
		return p.done.Time, nil
	case p.seen != nil:
		return p.seen.Time, nil
	}
	return time.Time{}, errNotMoved
}

// mergedAt is when a login's rewrite reached its base branch.
func (e *Executor) mergedAt(s *plan.PullRequestStep, l inventory.LoginID) (time.Time, bool) {
	q := look(e, func(f *fold) request {
		if q := e.carrying(f, s, l); q != nil {
			return *q
		}
		return request{}
	})
	_, left := q.left[string(l)]
	return q.mergedAt, q.state == requestMerged && !left && e.revertGate(s, l) == nil
}

// result puts together what one call of Apply did to a unit.
func (a *applyRun) result(u plan.Unit) UnitResult {
	if u.Blocked() {
		return blockedResult(u)
	}
	r := a.e.status(u)
	if a.skipped(u) {
		if r.State == UnitRolledBack {
			r.Next = []string{"name the unit with --only to apply it again"}
		}
		return r
	}
	for i, s := range r.Steps {
		if done, ok := a.get(u, s.Step); ok {
			r.Steps[i] = done
		} else if s.Kind == plan.StepPullRequest {
			a.requestResult(u, &r.Steps[i])
		}
	}
	r.State, r.Reason, r.Next, r.Gates = UnitPlanned, "", nil, slices.DeleteFunc(r.Gates, func(g Gate) bool {
		return g.Name != GateMerge && g.Name != GateChecks && g.Name != GateWave && g.Name != GateApproval
	})
	if gates := a.e.startGates(u); len(gates) > 0 {
		r.Gates = gates
	}
	a.e.judge(u, &r)
	return r
}

// requestResult adds what went wrong with a pull request to a step that no pull request carries.
func (a *applyRun) requestResult(u plan.Unit, r *StepResult) {
	s, ok := u.Step(r.Step)
	if !ok || len(a.e.startGates(u)) > 0 || r.State != StepOpen && r.State != StepFailed {
		return
	}
	if waits := a.waitsFor(u, s); waits != "" {
		r.State, r.Reason = StepWaiting, "it waits for "+waits
		return
	}
	a.mu.Lock()
	err := a.problems[s.PullRequest.Repository]
	a.mu.Unlock()
	if err != nil {
		r.fail(u.ID, err, needOf(s, err))
		return
	}
	if a.options.DryRun && r.State == StepOpen {
		r.State = StepWould
		return
	}
	if missing := a.missingShares(u, s); missing != "" {
		r.State, r.Reason = StepWaiting, "a login in it also signs in as unit "+missing+", which is not ready"
	}
}

func (a *applyRun) missingShares(u plan.Unit, s plan.Step) string {
	for _, l := range s.PullRequest.Logins {
		for _, id := range l.Shares {
			other, ok := a.e.Plan.Unit(id)
			if !ok || l.Pipeline != nil && l.Pipeline.Both {
				continue
			}
			if step, ok := other.Step(s.ID); !ok || a.waitsFor(other, step) != "" {
				return id
			}
		}
	}
	return ""
}
