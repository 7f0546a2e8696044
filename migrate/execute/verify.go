package execute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// VerifyOptions bound what Verify looks at.
type VerifyOptions struct {
	Only []string // only these units
}

// Verify proves each migrated unit twice: on paper, every subject that it can present is trusted by what the application
// trusts now; and in the world, its connections sign in, and each of its workflows has run or signed in since the merge.
func (e *Executor) Verify(ctx context.Context, o VerifyOptions) (Result, error) {
	if err := e.start(); err != nil {
		return Result{}, err
	}
	units, err := e.selectUnits(o.Only, 0)
	if err != nil {
		return Result{}, err
	}
	problems := e.refreshAll(ctx, units)
	out := make([]UnitResult, len(units))
	index := make([]int, len(units))
	for i := range index {
		index[i] = i
	}
	inParallel(e.parallel(), index, func(i int) { out[i], _ = e.verifyUnit(ctx, units[i], problems) })
	err = e.compareRoles(ctx, out)
	return e.result("verify", out), cmp.Or(err, ctx.Err())
}

// refreshAll brings the pull requests of all units up to date, and gives what could not be read, by repository.
func (e *Executor) refreshAll(ctx context.Context, units []plan.Unit) map[inventory.RepositoryName]error {
	repos := repositories(units)
	errs := make([]error, len(repos))
	index := make([]int, len(repos))
	for i := range index {
		index[i] = i
	}
	inParallel(e.parallel(), index, func(i int) { errs[i] = e.refresh(ctx, repos[i]) })
	out := map[inventory.RepositoryName]error{}
	for i, err := range errs {
		if err != nil {
			out[repos[i]] = err
		}
	}
	return out
}

// proof is what was found out about one unit.
type proof struct {
	paper   []string // what is not trusted
	world   []string // what does not sign in
	next    []string // what a person does about it, where the refusal tells
	waiting []Gate   // what has not been seen to sign in yet
	err     error
	// gap is the longest time between two runs of a workflow, where it is longer than the default soak time.
	gap       time.Duration
	gapReason string
	live      []inventory.Connection     // of a unit that moves to Entra's issuer, as they are now
	found     []plan.Federated           // repositories that have changed since, as the present plan knows them
	gone      []inventory.RepositoryName // with logins that only an earlier plan has: nothing runs there any more
}

// refused notes a connection whose test fails.
func (p *proof) refused(c inventory.Connection, said string) {
	p.world = append(p.world, fmt.Sprintf("connection %s does not sign in: %s", c.Name, said))
	if next, ok := nextRefused(said, c); ok && !slices.Contains(p.next, next) {
		p.next = append(p.next, next)
	}
}

func (p *proof) ok() bool {
	return p.err == nil && len(p.paper)+len(p.world)+len(p.waiting) == 0
}

// verifyUnit proves one unit, if it is migrated, and journals what it saw. It tells whether the proof holds.
func (e *Executor) verifyUnit(ctx context.Context, u plan.Unit, problems map[inventory.RepositoryName]error) (UnitResult, bool) {
	r := e.status(u)
	if _, err := e.moved(u); err != nil || u.Blocked() || e.rolledBack(u.ID) || e.rollingBack(u) != nil || r.State == UnitRevoked || ctx.Err() != nil {
		return r, false
	}
	if err := e.unconnected([]plan.Unit{u}); err != nil {
		r.fail(err)
		return r, false
	}
	for _, repo := range repositories([]plan.Unit{u}) {
		if err := problems[repo]; err != nil {
			r.fail(err)
			return r, false
		}
	}
	p := e.prove(ctx, u)
	p.world = forUnit(u.ID, p.world)
	if p.ok() && e.Plan.Settings.Soak == nil {
		e.observeGaps(ctx, u, &p)
	}
	if err := errors.Join(e.noteUnused(u, p), e.noteProof(u, p)); err != nil {
		p.err = errors.Join(p.err, err)
	}
	r = e.status(u)
	describe(&r, p)
	return r, p.ok()
}

func describe(r *UnitResult, p proof) {
	if !p.ok() { // the reason below says more
		r.Gates = slices.DeleteFunc(r.Gates, func(g Gate) bool { return g.Name == GateVerified })
	}
	switch {
	case p.err != nil:
		r.fail(p.err)
	case len(p.paper) > 0:
		r.State, r.Reason = UnitFailed, "not everything that the unit presents is trusted, so that runs with it fail (AADSTS700213): "+strings.Join(p.paper, "; ")
		r.Next = []string{"unsecret plan --unit " + r.Unit + " and unsecret apply add what migrated workflows need; for a connection add it by hand: az ad app federated-credential create --id " + string(r.AppID), "or take the unit back: unsecret rollback --unit " + r.Unit}
	case len(p.world) > 0:
		r.State, r.Reason = UnitFailed, strings.Join(p.world, "; ")
		r.Next = append(slices.Clip(p.next), "see what the message says, correct it, then prove it again: unsecret verify --only "+r.Unit, "or bring the unit back to the secret: unsecret rollback --unit "+r.Unit)
	case len(p.waiting) > 0:
		r.State, r.Reason, r.Next = UnitPending, p.waiting[0].Reason, p.waiting[0].Next
		r.Gates = slices.Concat(p.waiting, r.Gates)
	}
}

// noteProof journals a proof, unless the last one said the same.
func (e *Executor) noteProof(u plan.Unit, p proof) error {
	after := State{"result": "ok", "paper": "ok", "world": "ok"}
	if !p.ok() {
		after["result"] = "not proved"
	}
	if len(p.paper) > 0 {
		after["paper"] = strings.Join(p.paper, "; ")
	}
	var world []string
	world = append(world, p.world...)
	for _, g := range p.waiting {
		world = append(world, g.Reason)
	}
	if len(world) > 0 {
		after["world"] = strings.Join(world, "; ")
	}
	if p.err != nil {
		after["error"] = p.err.Error()
	}
	if p.gap > 0 {
		after["gap"], after["gapReason"] = p.gap.String(), p.gapReason
	}
	if last := e.step(u.ID, verifyStep).seen; last != nil && equalState(last.After, after) {
		return nil
	}
	return e.record(Record{Unit: u.ID, Step: verifyStep, Phase: PhaseObserved, After: after})
}

// gapHistory is how far back runs are looked at to see how rarely a workflow runs: GitHub keeps their logs for 90 days
// unless somebody chose otherwise (GitHub Docs: "Usage limits, billing, and administration").
const gapHistory = 90 * 24 * time.Hour

// observeGaps finds the longest time between two runs of any of a unit's workflows: what runs once in a month is not seen to
// work within a week.
func (e *Executor) observeGaps(ctx context.Context, u plan.Unit, p *proof) {
	for _, w := range u.Workflows {
		runs, err := e.Outside.Repositories.Runs(ctx, w.Repository, w.File, e.now().Add(-gapHistory))
		if err != nil {
			p.err = fmt.Errorf("read the runs of %s in %s: %w", w.File, w.Repository, err)
			return
		}
		var finished []time.Time
		for _, r := range runs {
			finished = append(finished, r.Finished)
		}
		if gap, from, to := plan.LongestGap(finished); gap > max(p.gap, time.Duration(plan.DefaultSoak)) {
			p.gap, p.gapReason = gap, plan.GapReason(w.File+" in "+string(w.Repository), from, to)
		}
	}
}

func equalState(a, b State) bool {
	return len(a) == len(b) && len(changes(a, b)) == 0
}

// prove gathers the evidence.
func (e *Executor) prove(ctx context.Context, u plan.Unit) proof {
	var p proof
	trusted, _, err := e.trustee(u).credentials(ctx)
	if err != nil {
		p.err = err
		return p
	}
	if e.proveRepositories(ctx, u, &p); p.err != nil {
		return p
	}
	needed := e.neededSubjects(u, p.found)
	for _, s := range u.Steps {
		if s.Kind == plan.StepReplacement {
			c, err := e.proveReplacement(ctx, u.ID, s, &p)
			if err != nil {
				p.err = err
				return p
			}
			if c.Subject != "" {
				needed = append(needed, subject.Subject{Issuer: c.Issuer, Value: c.Subject, Audience: subject.Audience})
			}
		}
		if s.Kind != plan.StepConnection {
			continue
		}
		presented, err := e.proveConnection(ctx, s, e.carried(u, s), &p)
		if err != nil {
			p.err = err
			return p
		}
		needed = append(needed, presented...)
	}
	if u.Kind == plan.KindIssuer {
		needed = append(needed, e.proveUpdates(ctx, u, &p)...)
	}
	for _, m := range subject.Cover(needed, trusted).Missing {
		p.paper = append(p.paper, fmt.Sprintf("subject %s of issuer %s", m.Subject.Value, m.Subject.Issuer))
	}
	e.proveTarget(ctx, u, &p)
	if p.ok() {
		e.proveWorkflows(ctx, u, trusted, &p)
	}
	return p
}

// neededSubjects are those of the unit's logins; a connection tells its own. What a repository presented before it was renamed, say, is
// needed no more where the present plan knows what it presents now.
func (e *Executor) neededSubjects(u plan.Unit, found []plan.Federated) []subject.Subject {
	var out []subject.Subject
	for _, f := range found {
		for _, c := range f.Coverage {
			out = append(out, coverageSubject(c))
		}
	}
	for _, c := range u.Coverage {
		if c.RepositoryID != 0 && slices.ContainsFunc(found, func(f plan.Federated) bool { return f.RepositoryID == c.RepositoryID }) {
			continue
		}
		if slices.ContainsFunc(u.Connections, func(x plan.ConnectionUse) bool { return !x.Already && slices.Contains(c.For, string(x.ID)) }) {
			continue
		}
		out = append(out, coverageSubject(c))
	}
	return out
}

// proveConnection tests one connection, and gives what it presents.
func (e *Executor) proveConnection(ctx context.Context, s plan.Step, earlier bool, p *proof) ([]subject.Subject, error) {
	c, err := e.Outside.Connections.Connection(ctx, s.Connection.Organization, s.Connection.Project, s.Connection.ID)
	if errors.Is(err, ErrNotFound) && earlier {
		return nil, nil // the plan was made again since, and it does not have it either
	}
	if errors.Is(err, ErrNotFound) {
		p.world = append(p.world, "connection "+s.Connection.Name+" is gone: nothing signs in with it any more; if that was meant: "+replan)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read connection %s: %w", s.Connection.Name, err)
	}
	if !converted(c) {
		p.world = append(p.world, fmt.Sprintf("connection %s uses scheme %s again", c.Name, c.Scheme))
		return nil, nil
	}
	ok, message, err := e.Outside.Connections.Test(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("test connection %s: %w", c.Name, err)
	}
	if !ok {
		p.refused(c, message)
	}
	return []subject.Subject{{Issuer: c.Issuer, Value: c.Subject, Audience: subject.Audience}}, nil
}

// proveWorkflows looks for a green run with the new text, or a federated sign-in, of each workflow since its merge.
func (e *Executor) proveWorkflows(ctx context.Context, u plan.Unit, trusted []inventory.FederatedCredential, p *proof) {
	if len(u.Workflows) == 0 {
		return
	}
	moved, err := e.moved(u)
	if err != nil {
		p.err = err
		return
	}
	signedIn := e.federatedSignIns(ctx, u, trusted)
	for _, w := range u.Workflows {
		if slices.Contains(p.gone, w.Repository) {
			continue
		}
		since := e.mergedSince(u, w, moved)
		if signedIn(w, since) {
			continue
		}
		ran, failed, err := e.ranGreen(ctx, u, w, since)
		switch {
		case err != nil:
			p.err = err
			return
		case ran:
		case failed != "":
			p.world = append(p.world, fmt.Sprintf("the last run of %s in %s since its merge did not succeed: %s", w.File, w.Repository, failed))
		default:
			p.waiting = append(p.waiting, Gate{Name: GateVerified,
				Reason: fmt.Sprintf("%s in %s has not run since its %s on %s", w.File, w.Repository, movedBy(u), since.UTC().Format("2006-01-02 15:04 MST")),
				Next:   []string{"run the workflow (gh workflow run), or wait for its next run"}})
		}
	}
}

// movedBy names what let a unit's workflows sign in.
func movedBy(u plan.Unit) string {
	if u.Kind == plan.KindTrust {
		return "trust was added"
	}
	return "merge"
}

// mergedSince is the last merge of the repository's logins of the unit.
func (e *Executor) mergedSince(u plan.Unit, w plan.WorkflowRef, fallback time.Time) time.Time {
	var last time.Time
	for _, s := range requestSteps(u, w.Repository) {
		t, err := e.stepMoved(u, s)
		if err != nil {
			return fallback
		}
		if t.After(last) {
			last = t
		}
	}
	if last.IsZero() {
		return fallback
	}
	return last
}

// requestSteps are a unit's steps that rewrite logins in a repository: one of each plan.
func requestSteps(u plan.Unit, repo inventory.RepositoryName) []plan.Step {
	return slices.DeleteFunc(slices.Clone(u.Steps), func(s plan.Step) bool {
		return s.Kind != plan.StepPullRequest || s.PullRequest.Repository != repo
	})
}

// federatedSignIns gives a test for sign-ins with the federated credentials that cover a workflow's logins.
func (e *Executor) federatedSignIns(ctx context.Context, u plan.Unit, trusted []inventory.FederatedCredential) func(plan.WorkflowRef, time.Time) bool {
	moved, err := e.firstMerge(u)
	if err != nil || u.Target != nil { // the log names no federated credentials of managed identities: only a green run proves them
		return func(plan.WorkflowRef, time.Time) bool { return false }
	}
	log, err := e.Outside.Directory.SignIns(ctx, u.AppID, moved)
	if err != nil || !log.Known {
		return func(plan.WorkflowRef, time.Time) bool { return false }
	}
	names := map[inventory.FederatedCredentialID]string{}
	for _, f := range trusted {
		names[f.ID] = f.Name
	}
	return func(w plan.WorkflowRef, since time.Time) bool {
		return slices.ContainsFunc(log.SignIns, func(s inventory.SignIn) bool {
			return s.ErrorCode == 0 && s.FederatedCredentialID != "" && !s.Time.Before(since) && covers(u, w, names[s.FederatedCredentialID])
		})
	}
}

func (e *Executor) firstMerge(u plan.Unit) (time.Time, error) {
	var first time.Time
	for _, s := range u.Steps {
		if s.Kind != plan.StepPullRequest {
			continue
		}
		t, err := e.stepMoved(u, s)
		if err != nil {
			return first, err
		}
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first, nil
}

// covers tells whether a federated credential trusts a subject of this workflow and of no other of the unit: only then a
// sign-in with it shows that this workflow works.
func covers(u plan.Unit, w plan.WorkflowRef, name string) bool {
	found := false
	for _, c := range u.Coverage {
		if c.By != name || name == "" {
			continue
		}
		for _, id := range c.For {
			l := slices.IndexFunc(u.Logins, func(l plan.LoginUse) bool { return string(l.ID) == id })
			if l < 0 || u.Logins[l].Repository != w.Repository || u.Logins[l].File != w.File {
				return false
			}
			found = true
		}
	}
	return found
}

// ranGreen looks for a run of the workflow that had the rewritten text and succeeded. A run that started before the merge can
// end after it: what counts is the text at its commit.
func (e *Executor) ranGreen(ctx context.Context, u plan.Unit, w plan.WorkflowRef, since time.Time) (ok bool, failed string, err error) {
	runs, err := e.Outside.Repositories.Runs(ctx, w.Repository, w.File, since)
	if err != nil {
		return false, "", fmt.Errorf("read the runs of %s in %s: %w", w.File, w.Repository, err)
	}
	for _, run := range runs {
		if run.Finished.Before(since) || run.Conclusion == "skipped" || run.Conclusion == "cancelled" {
			continue
		}
		rewritten, err := e.hasNewText(ctx, u, w.Repository, run.HeadOID)
		if err != nil {
			return false, "", err
		}
		if !rewritten {
			continue
		}
		if run.Conclusion == "success" {
			return true, "", nil
		}
		if failed == "" {
			failed = strings.TrimSpace(run.Conclusion + " " + run.URL)
		}
	}
	return false, failed, nil
}

// hasNewText tells whether the files that hold the unit's logins are not the old ones any more at a commit.
func (e *Executor) hasNewText(ctx context.Context, u plan.Unit, repo inventory.RepositoryName, commit string) (bool, error) {
	steps := requestSteps(u, repo)
	if len(steps) == 0 {
		return u.Kind == plan.KindTrust, nil // its texts are an earlier plan's
	}
	before := look(e, func(f *fold) map[string][]string {
		out := map[string][]string{}
		for _, q := range f.of(repo) {
			if q.revert || !slices.Contains(q.units, u.ID) {
				continue
			}
			for path, oid := range q.from {
				out[path] = append(out[path], oid)
			}
		}
		return out
	})
	var files []inventory.File
	for _, s := range steps {
		files = append(files, s.PullRequest.Files...)
	}
	for _, f := range files {
		oid, err := e.host(repo).FileOID(ctx, repo, commit, f.Path)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, fmt.Errorf("read %s of %s at %s: %w", f.Path, repo, commit, err)
		}
		if oid == f.OID || slices.Contains(before[f.Path], oid) {
			return false, nil
		}
	}
	return true, nil
}
