package execute

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/pipeline"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

// What can be wrong with an open pull request.
const (
	troubleStale    = "stale"    // a file that it rewrites has changed on its base
	troubleConflict = "conflict" // it does not merge
	troubleEdited   = "edited"   // somebody has pushed to its branch
	troubleLogins   = "logins"   // the logins in its files are not those of the plan any more
	troubleBase     = "base"     // somebody gave it another base
	troubleBranch   = "branch"   // its branch was deleted
	troubleChecks   = "checks"   // its checks are not green
	superseded      = "superseded"
)

// inspect looks at an open pull request and notes what keeps it from being merged. One whose change is on the base branch
// already, by whatever way, counts as merged.
func (e *Executor) inspect(ctx context.Context, q request, pr PullRequest) error {
	code, detail, err := e.trouble(ctx, q, pr)
	if err != nil {
		return err
	}
	if code == requestMerged {
		return e.observe(q, State{"state": requestMerged, "mergedAt": e.now().Format(time.RFC3339Nano), "trouble": superseded}, "its base branch has the change already")
	}
	if code == q.trouble && detail == q.detail {
		return nil
	}
	return e.observe(q, State{"state": requestOpen, "trouble": code, "detail": detail}, detail)
}

func (e *Executor) observe(q request, after State, note string) error {
	return e.record(Record{Unit: repositoryUnit + string(q.repository), Step: q.step(), Phase: PhaseObserved, After: after, Note: note})
}

// trouble tells what is wrong with an open pull request: a code and a text, both empty where nothing is.
func (e *Executor) trouble(ctx context.Context, q request, pr PullRequest) (code, detail string, err error) {
	if pr.Base != q.base && q.base != "" {
		return troubleBase, fmt.Sprintf("its base was changed from %s to %s", q.base, pr.Base), nil
	}
	// Azure Repos leaves a pull request active whose branch is gone; GitHub closes it.
	if isAzureRepos(q.repository) {
		if _, err := e.host(q.repository).Branch(ctx, q.repository, q.branch); errors.Is(err, ErrNotFound) {
			return troubleBranch, "its branch " + q.branch + " was deleted", nil
		}
	}
	head, err := e.host(q.repository).Branch(ctx, q.repository, pr.Base)
	if err != nil {
		return "", "", fmt.Errorf("read branch %s of %s: %w", pr.Base, q.repository, err)
	}
	if head != q.baseHead {
		stale, there, err := e.compareBase(ctx, q, head)
		switch {
		case err != nil:
			return "", "", err
		case there:
			return requestMerged, "", nil
		case len(stale) > 0:
			if q.trouble == troubleLogins || q.trouble == troubleEdited {
				return q.trouble, q.detail, nil
			}
			return troubleStale, fmt.Sprintf("%s changed on %s while it was open", strings.Join(stale, ", "), pr.Base), nil
		}
	}
	if pr.Mergeable != nil && !*pr.Mergeable {
		return troubleConflict, "it is in conflict with " + pr.Base, nil
	}
	return e.checks(ctx, q, pr)
}

// checks tells of checks that are not green.
func (e *Executor) checks(ctx context.Context, q request, pr PullRequest) (code, detail string, err error) {
	checks, err := e.host(q.repository).Checks(ctx, q.repository, pr)
	if err != nil {
		return "", "", fmt.Errorf("read the checks of pull request #%d of %s: %w", q.number, q.repository, err)
	}
	var failed, pending []string
	for _, c := range checks {
		switch {
		case !c.Completed:
			pending = append(pending, c.Name)
		case !c.OK:
			failed = append(failed, c.Name)
		}
	}
	slices.Sort(failed)
	slices.Sort(pending)
	switch {
	case len(failed) > 0:
		return troubleChecks, "failed: " + strings.Join(slices.Compact(failed), ", "), nil
	case len(pending) > 0:
		return troubleChecks, "not finished: " + strings.Join(slices.Compact(pending), ", "), nil
	}
	return "", "", nil
}

// compareBase gives the files of a request that are not as they were on the base branch, and whether all of them are as
// the request would make them.
func (e *Executor) compareBase(ctx context.Context, q request, head string) (stale []string, there bool, err error) {
	there = len(q.files) > 0
	for _, path := range slices.Sorted(maps.Keys(q.files)) {
		oid, err := e.host(q.repository).FileOID(ctx, q.repository, head, path)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, false, fmt.Errorf("read %s of %s: %w", path, q.repository, err)
		}
		there = there && oid == q.files[path]
		if from, ok := q.from[path]; ok && oid != from {
			stale = append(stale, path)
		}
	}
	return stale, there, nil
}

// closeSuperseded closes a pull request whose change has reached the base branch by another way.
func (e *Executor) closeSuperseded(ctx context.Context, q request) error {
	pr, err := e.host(q.repository).PullRequest(ctx, q.repository, q.number)
	if err == nil && pr.State == requestOpen {
		err = e.host(q.repository).ClosePullRequest(ctx, q.repository, q.number, "Closed by unsecret: "+pr.Base+" has this change already.")
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("close pull request #%d of %s: %w", q.number, q.repository, err)
	}
	return e.observe(q, State{"state": requestMerged, "mergedAt": q.mergedAt.UTC().Format(time.RFC3339Nano)}, "closed: its base branch has the change already")
}

// rebuild brings an open pull request whose files have changed on the base branch up to date: the same logins are rewritten in
// what is there now. Where the logins are not the same any more it is left to people, who are told so.
func (e *Executor) rebuild(ctx context.Context, q request) error {
	p, err := e.rebase(ctx, q)
	if moved := (*movedError)(nil); errors.As(err, &moved) {
		return e.observe(q, State{"state": requestOpen, "trouble": troubleLogins, "detail": moved.reason}, moved.reason)
	}
	if err != nil {
		return err
	}
	pr, err := e.host(q.repository).PullRequest(ctx, q.repository, q.number)
	if err != nil {
		return fmt.Errorf("read pull request #%d of %s: %w", q.number, q.repository, err)
	}
	if pr.State != requestOpen {
		return nil
	}
	done, err := e.committed(ctx, q.repository, pr.HeadOID, p.changes())
	if err != nil {
		return err
	}
	if !done && q.headOID != "" && pr.HeadOID != q.headOID {
		detail := "somebody has pushed to its branch, and a file of it has changed on " + p.base
		return e.observe(q, State{"state": requestOpen, "trouble": troubleEdited, "detail": detail}, detail)
	}
	if !done {
		if err := e.record(Record{Unit: repositoryUnit + string(q.repository), Step: q.step(), Phase: PhaseIntent, Before: State{"rebuild": p.head}}); err != nil {
			return err
		}
		if pr.HeadOID, err = e.replaceBranch(ctx, p); err != nil {
			return err
		}
	}
	if err := e.host(q.repository).DescribePullRequest(ctx, q.repository, q.number, e.body(p)); err != nil {
		return fmt.Errorf("describe pull request #%d of %s: %w", q.number, q.repository, err)
	}
	after := p.request()
	after["state"], after["rebuilt"], after["headOid"] = requestOpen, "true", pr.HeadOID
	return e.observe(q, after, "rebuilt, since its base branch had changed")
}

// replaceBranch puts a proposal's commit on top of its base, and points the pull request's branch at it. The commit is made on
// a branch of its own: a pull request whose branch has nothing ahead of its base is closed by the service.
func (e *Executor) replaceBranch(ctx context.Context, p *proposal) (string, error) {
	r := e.host(p.repo)
	branch, side := p.branch, p.branch+"-next"
	if err := r.DeleteBranch(ctx, p.repo, side); err != nil && !errors.Is(err, ErrNotFound) {
		return "", fmt.Errorf("delete branch %s of %s, which an interrupted run left behind: %w", side, p.repo, err)
	}
	if err := r.CreateBranch(ctx, p.repo, side, p.head); err != nil && !errors.Is(err, ErrUnknownOutcome) {
		return "", fmt.Errorf("make branch %s in %s: %w", side, p.repo, err)
	}
	p.branch = side
	err := e.commit(ctx, p, requestTitle)
	p.branch = branch
	if err != nil {
		return "", err
	}
	oid, err := r.Branch(ctx, p.repo, side)
	if err != nil {
		return "", fmt.Errorf("read branch %s of %s: %w", side, p.repo, err)
	}
	if err := r.MoveBranch(ctx, p.repo, branch, oid); err != nil {
		return "", fmt.Errorf("move branch %s of %s: %w", branch, p.repo, err)
	}
	if err := r.DeleteBranch(ctx, p.repo, side); err != nil && !errors.Is(err, ErrNotFound) {
		return "", fmt.Errorf("delete branch %s of %s: %w", side, p.repo, err)
	}
	return oid, nil
}

// changes are the files that a proposal writes.
func (p *proposal) changes() []FileChange {
	files := []FileChange{}
	for _, path := range changed(p.now, p.next) {
		files = append(files, FileChange{Path: path, Content: p.next.files[path]})
	}
	return files
}

// movedError tells that a file's logins are not those of the plan any more.
type movedError struct{ reason string }

func (e *movedError) Error() string { return e.reason }

// rebase works out a request's content on what the base branch holds now.
func (e *Executor) rebase(ctx context.Context, q request) (*proposal, error) {
	p, err := e.newProposal(ctx, q.repository)
	if err != nil {
		return nil, err
	}
	for _, l := range q.logins {
		if len(p.owner[l]) == 0 {
			return nil, &movedError{fmt.Sprintf("the plan does not have its login %s any more", l)}
		}
	}
	merged := look(e, func(f *fold) map[inventory.LoginID]bool { return e.merged(f, &p.step) })
	before, err := p.with(merged)
	if err != nil {
		return nil, err
	}
	oids := map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(p.oids)) {
		have, err := e.host(q.repository).FileOID(ctx, q.repository, p.head, path)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil, &movedError{path + " is not on " + p.base + " any more"}
		case err != nil:
			return nil, fmt.Errorf("read %s of %s: %w", path, q.repository, err)
		case have == blobOID(before.files[path]):
			oids[path] = p.oids[path]
		case blobOID(before.files[path]) != p.oids[path]:
			return nil, &movedError{path + ", which holds logins that are rewritten already, was edited on " + p.base}
		default:
			oids[path] = have
		}
	}
	if err := e.reload(ctx, p.sources, q.repository, oids); err != nil {
		return nil, err
	}
	p.logins, p.units, p.branch = q.logins, q.units, q.branch
	if p.now, err = p.with(merged); err != nil {
		return nil, err
	}
	for _, l := range q.logins {
		merged[l] = true
	}
	if p.next, err = p.with(merged); err != nil {
		return nil, err
	}
	for _, l := range q.logins {
		if left, ok := p.next.left[l]; ok && q.left[string(l)] == "" {
			return nil, &movedError{fmt.Sprintf("%s cannot be rewritten any more: %s", l, left.reason)}
		}
	}
	return p, nil
}

// reload takes other versions of the files as what the rewrite starts from, and finds the plan's logins in them again.
func (e *Executor) reload(ctx context.Context, src *sources, repo inventory.RepositoryName, oids map[string]string) error {
	was, steps := workflow.Scan(src.tree(), workflow.Options{Subjects: true}), src.stepTexts()
	for path, oid := range oids {
		if oid == src.oids[path] {
			continue
		}
		content, err := e.host(repo).Blob(ctx, repo, oid)
		if err != nil {
			return fmt.Errorf("read %s of %s: %w", path, repo, err)
		}
		src.oids[path], src.files[path] = oid, content
	}
	is := workflow.Scan(src.tree(), workflow.Options{Subjects: true})
	return src.follow(was.Logins, is.Logins, steps)
}

// follow notes under which id each of the plan's logins is found in changed files. They must be the same in all but their
// place: what they read, which job they are in, and above all what their tokens say.
func (s *sources) follow(was, is []inventory.Login, steps map[string][]pipeline.StepText) error {
	found := map[string][]inventory.LoginID{}
	for _, l := range is {
		found[likeness(l)] = append(found[likeness(l)], l.ID)
	}
	back := map[inventory.LoginID]inventory.LoginID{}
	for planned, now := range s.alias {
		back[now] = planned
	}
	alias := map[inventory.LoginID]inventory.LoginID{}
	for _, l := range was {
		planned := l.ID
		if p, ok := back[l.ID]; ok {
			planned = p
		}
		key := likeness(l)
		if _, ok := s.names[planned]; !ok {
			if len(found[key]) > 0 {
				found[key] = found[key][1:]
			}
			continue
		}
		if len(found[key]) == 0 {
			return &movedError{fmt.Sprintf("login %s is not as it was at the scan", planned)}
		}
		if found[key][0] != planned {
			alias[planned] = found[key][0]
		}
		found[key] = found[key][1:]
	}
	if err := s.followSteps(steps, s.stepTexts(), alias); err != nil {
		return err
	}
	s.alias = alias
	return nil
}

// likeness is everything of a login but its place.
func likeness(l inventory.Login) string {
	l.ID, l.Line, l.Column, l.EndLine, l.EndColumn, l.With = "", 0, 0, 0, 0, nil
	l.Subjects = slices.Clone(l.Subjects)
	for i := range l.Subjects {
		l.Subjects[i].Reasons = nil
	}
	return writeJSON(l)
}

// current gives the id that a planned login has in the files as they are.
func (s *sources) current(l inventory.LoginID) inventory.LoginID {
	if now, ok := s.alias[l]; ok {
		return now
	}
	return l
}

// planned gives the id that the plan knows a login by.
func (s *sources) planned(l inventory.LoginID) inventory.LoginID {
	for p, now := range s.alias {
		if now == l {
			return p
		}
	}
	return l
}

// replans are the commands that plan the units of a pull request again.
func replans(units []string) string {
	return "unsecret plan --unit " + strings.Join(units, ", unsecret plan --unit ")
}

// troubleGate tells what a person does about a pull request that cannot be merged as it is.
func troubleGate(q *request) *Gate {
	g := &Gate{Name: GateMerge, URL: q.url, Reason: fmt.Sprintf("pull request #%d of %s: %s", q.number, q.repository, q.detail)}
	switch q.trouble {
	case troubleStale:
		g.Next = []string{"run apply again: it rebuilds the pull request on what is there now, if its logins are the same"}
	case troubleConflict:
		g.Next = []string{"resolve the conflict in the pull request, or close it, run unsecret rollback for the unit, then " + replans(q.units)}
	case troubleEdited:
		g.Next = []string{"update the branch by hand (its edits are kept), then review and merge it"}
	case troubleLogins:
		g.Next = []string{"close the pull request, then " + replans(q.units) + ": the new plan starts from the logins that are there now"}
	case troubleBase:
		g.Next = []string{"give it its old base again: what the plan proved holds for that branch alone"}
	case troubleBranch:
		g.Next = []string{"restore its branch and merge it", "or run unsecret rollback for the unit, then apply it again by name (--only): it gets a new pull request"}
	case troubleChecks:
		g.Name, g.Reason = GateChecks, fmt.Sprintf("the checks of pull request #%d of %s are not green: %s", q.number, q.repository, q.detail)
		g.Next = []string{"see what the checks say, then review and merge it"}
	}
	return g
}

// planOIDs are the versions of the files that the plan was made from.
func planOIDs(s plan.PullRequestStep) map[string]string {
	out := map[string]string{}
	for _, f := range slices.Concat(s.Files, s.Context) {
		out[f.Path] = f.OID
	}
	return out
}
