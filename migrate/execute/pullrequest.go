package execute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// proposal is one pull request in the making.
type proposal struct {
	*sources
	repo      inventory.RepositoryName
	base      string
	head      string // commit at the head of base
	units     []string
	logins    []inventory.LoginID // that it adds
	now, next *contents
	refused   map[string][]Change // units of which a file has changed
	branch    string
	revert    bool
}

// propose works out what a pull request for these units has to contain. Units whose files have changed are
// left out, so that one person's edit does not hold up the others.
func (e *Executor) propose(ctx context.Context, repo inventory.RepositoryName, units []plan.Unit, logins []inventory.LoginID, dry bool) (*proposal, error) {
	p, err := e.newProposal(ctx, repo)
	if err != nil {
		return nil, err
	}
	merged := look(e, func(f *fold) map[inventory.LoginID]bool { return e.merged(f, &p.step) })
	if p.now, err = p.with(merged); err != nil {
		return nil, err
	}
	p.logins = slices.DeleteFunc(slices.Clone(logins), func(l inventory.LoginID) bool { return len(p.owner[l]) == 0 })
	if err := e.ground(ctx, p, units, dry); err != nil {
		return nil, err
	}
	for {
		all := map[inventory.LoginID]bool{}
		for l := range merged {
			all[l] = true
		}
		for _, l := range p.logins {
			all[l] = true
		}
		if p.next, err = p.with(all); err != nil {
			return nil, err
		}
		again, err := e.dropDrifted(ctx, p)
		if err != nil {
			return nil, err
		}
		if !again {
			break
		}
	}
	for _, u := range units {
		if slices.ContainsFunc(p.logins, func(l inventory.LoginID) bool { return p.has(u, l) }) {
			p.units = append(p.units, u.ID)
		}
	}
	p.branch = e.branch(p)
	return p, nil
}

func (e *Executor) newProposal(ctx context.Context, repo inventory.RepositoryName) (*proposal, error) {
	src, err := e.sources(ctx, repo)
	if err != nil {
		return nil, err
	}
	p := &proposal{sources: src, repo: repo, refused: map[string][]Change{}}
	r, err := e.host(repo).Repository(ctx, repo)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read repository %s: %w", repo, err)
	case r.Archived:
		return nil, &manualError{err: fmt.Errorf("repository %s is archived now: it takes no pull request: %w", repo, ErrRefused),
			next: []string{"gh repo unarchive " + string(repo) + ", " + again, "or leave it so: " + replan + ", which then says what it holds back"}}
	case r.DefaultBranch != src.step.Base:
		return nil, &manualError{err: fmt.Errorf("the default branch of %s moved from %q to %q since the scan, and subjects depend on it: %w", repo, src.step.Base, r.DefaultBranch, ErrConflict),
			next: []string{replan + ": its new plan trusts what runs on the new branch"}}
	}
	p.base = r.DefaultBranch
	if p.head, err = e.host(repo).Branch(ctx, repo, p.base); err != nil {
		return nil, fmt.Errorf("read branch %s of %s: %w", p.base, repo, err)
	}
	return p, nil
}

// has tells whether a unit's step in the repository names a login.
func (p *proposal) has(u plan.Unit, l inventory.LoginID) bool {
	s, ok := u.Step(plan.PullRequestID(p.repo))
	return ok && slices.ContainsFunc(s.PullRequest.Logins, func(x plan.PlannedLogin) bool { return x.ID == l })
}

// dropDrifted compares the files that would change with the base branch, and takes out the units of those that are not as
// they should be. It tells whether any was taken out.
func (e *Executor) dropDrifted(ctx context.Context, p *proposal) (bool, error) {
	dropped := false
	for _, path := range changed(p.now, p.next) {
		want := blobOID(p.now.files[path])
		have, err := e.host(p.repo).FileOID(ctx, p.repo, p.head, path)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, fmt.Errorf("read %s of %s: %w", path, p.repo, err)
		}
		if have == want {
			continue
		}
		dropped = true
		p.drop(path, Change{Field: path, From: want, To: have})
	}
	return dropped, nil
}

// drop takes out every unit with a login that has to do with a file.
func (p *proposal) drop(path string, c Change) {
	units := map[string]bool{}
	for _, edit := range p.next.edits[path] {
		if slices.Contains(p.logins, edit.Login) {
			p.mark(units, edit.Login)
		}
	}
	for _, l := range p.logins {
		if fileOf(l, p.repo) == path {
			p.mark(units, l)
		}
	}
	if len(units) == 0 {
		for _, l := range p.logins {
			p.mark(units, l)
		}
	}
	for u := range units {
		p.refused[u] = append(p.refused[u], c)
	}
	p.logins = slices.DeleteFunc(p.logins, func(l inventory.LoginID) bool {
		return slices.ContainsFunc(p.owner[l], func(u string) bool { return units[u] })
	})
}

func (p *proposal) mark(units map[string]bool, l inventory.LoginID) {
	for _, u := range p.owner[l] {
		units[u] = true
	}
}

// branch names the head branch by what the pull request does, so that a program that was killed finds its own again, and
// a second attempt after a rollback gets another one.
func (e *Executor) branch(p *proposal) string {
	attempt := look(e, func(f *fold) int {
		n := 0
		for _, q := range f.of(p.repo) {
			if q.state != requestOpening {
				n++
			}
		}
		return n
	})
	h := sha256.New()
	fmt.Fprintln(h, p.repo, attempt, p.revert)
	for _, f := range p.step.Files {
		fmt.Fprintln(h, f.Path, f.OID)
	}
	for _, l := range p.logins {
		fmt.Fprintln(h, l)
	}
	name := "unsecret/"
	if p.revert {
		name += "revert-"
	}
	return name + hex.EncodeToString(h.Sum(nil))[:10]
}

// request gives the proposal in the form in which the journal keeps it.
func (p *proposal) request() State {
	left, files := map[string]string{}, map[string]string{}
	for l, r := range p.next.left {
		if slices.Contains(p.logins, l) {
			left[string(l)] = r.reason
		}
	}
	for _, path := range changed(p.now, p.next) {
		files[path] = blobOID(p.next.files[path])
	}
	from := map[string]string{}
	for path := range files {
		from[path] = blobOID(p.now.files[path])
	}
	out := State{"units": writeJSON(p.units), "logins": writeJSON(p.logins), "files": writeJSON(files), "left": writeJSON(left),
		"base": p.base, "head": p.head, "branch": p.branch, "from": writeJSON(from)}
	if !maps.Equal(p.oids, planOIDs(p.step)) {
		out["sources"] = writeJSON(p.oids)
	}
	return out
}

func (p *proposal) stepID() string {
	if p.revert {
		return revertPrefix + p.branch
	}
	return requestPrefix + p.branch
}

// openRequest announces the pull request, makes its branch and commit, and opens it. Each part looks first whether an earlier run did it.
func (e *Executor) openRequest(ctx context.Context, p *proposal, title, body string) (PullRequest, error) {
	if err := e.record(Record{Unit: repositoryUnit + string(p.repo), Step: p.stepID(), Phase: PhaseIntent, Before: p.request()}); err != nil {
		return PullRequest{}, err
	}
	pr, err := e.push(ctx, p, title, body)
	if err != nil {
		return pr, err
	}
	return pr, e.opened(p.repo, p.stepID(), pr)
}

func (e *Executor) opened(repo inventory.RepositoryName, step string, pr PullRequest) error {
	return e.record(Record{Unit: repositoryUnit + string(repo), Step: step, Phase: PhaseDone,
		After: State{"number": strconv.Itoa(pr.Number), "url": pr.URL, "head": pr.Head, "headOid": pr.HeadOID}})
}

func (e *Executor) push(ctx context.Context, p *proposal, title, body string) (PullRequest, error) {
	r := e.host(p.repo)
	if pr, err := r.FindPullRequest(ctx, p.repo, p.branch); err == nil {
		return pr, nil
	} else if !errors.Is(err, ErrNotFound) {
		return pr, fmt.Errorf("look for a pull request from %s in %s: %w", p.branch, p.repo, err)
	}
	if err := r.CreateBranch(ctx, p.repo, p.branch, p.head); err != nil && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrUnknownOutcome) {
		return PullRequest{}, fmt.Errorf("make branch %s in %s: %w", p.branch, p.repo, err)
	}
	if err := e.commit(ctx, p, title); err != nil {
		return PullRequest{}, err
	}
	pr, err := r.OpenPullRequest(ctx, p.repo, p.branch, p.base, title, body)
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrUnknownOutcome) {
		found, findErr := r.FindPullRequest(ctx, p.repo, p.branch)
		if findErr == nil {
			return found, nil
		}
	}
	if err != nil {
		return pr, fmt.Errorf("open pull request in %s: %w", p.repo, err)
	}
	return pr, nil
}

// commit writes the files unless they are on the branch already.
func (e *Executor) commit(ctx context.Context, p *proposal, title string) error {
	files := p.changes()
	var last error
	for range 3 {
		head, err := e.host(p.repo).Branch(ctx, p.repo, p.branch)
		if err != nil {
			return fmt.Errorf("read branch %s of %s: %w", p.branch, p.repo, err)
		}
		there, err := e.committed(ctx, p.repo, head, files)
		if err != nil || there {
			return err
		}
		_, last = e.host(p.repo).Commit(ctx, p.repo, p.branch, head, title, commitBody, files)
		if last == nil {
			return nil
		}
		if !errors.Is(last, ErrConflict) && !errors.Is(last, ErrUnknownOutcome) {
			break
		}
	}
	return fmt.Errorf("commit to %s of %s: %w", p.branch, p.repo, last)
}

const commitBody = "Made by unsecret. The pull request explains each change."

func (e *Executor) committed(ctx context.Context, repo inventory.RepositoryName, head string, files []FileChange) (bool, error) {
	for _, f := range files {
		oid, err := e.host(repo).FileOID(ctx, repo, head, f.Path)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, fmt.Errorf("read %s of %s: %w", f.Path, repo, err)
		}
		if oid != blobOID(f.Content) {
			return false, nil
		}
	}
	return true, nil
}

// refresh brings what is known of a repository's pull requests up to date: announced ones that were opened before an
// interruption, and open ones that people have merged, closed or opened again.
func (e *Executor) refresh(ctx context.Context, repo inventory.RepositoryName) error {
	for _, q := range look(e, func(f *fold) []request { return copyRequests(f.of(repo)) }) {
		var err error
		switch q.state {
		case requestOpening:
			err = e.refreshOpening(ctx, q)
		case requestOpen, requestClosed:
			err = e.refreshOpen(ctx, q, q.number)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyRequests(qs []*request) []request {
	out := make([]request, 0, len(qs))
	for _, q := range qs {
		out = append(out, *q)
	}
	return out
}

func (e *Executor) refreshOpening(ctx context.Context, q request) error {
	pr, err := e.host(q.repository).FindPullRequest(ctx, q.repository, q.branch)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for a pull request from %s in %s: %w", q.branch, q.repository, err)
	}
	if err := e.opened(q.repository, q.step(), pr); err != nil {
		return err
	}
	q.state = requestOpen
	return e.refreshOpen(ctx, q, pr.Number)
}

func (e *Executor) refreshOpen(ctx context.Context, q request, number int) error {
	pr, err := e.host(q.repository).PullRequest(ctx, q.repository, number)
	if err != nil {
		return fmt.Errorf("read pull request #%d of %s: %w", number, q.repository, err)
	}
	if pr.State == requestOpen && q.state == requestOpen && !q.revert {
		q.number = number
		return e.inspect(ctx, q, pr)
	}
	if pr.State == q.state {
		return nil
	}
	after := State{"state": pr.State, "number": strconv.Itoa(pr.Number), "mergeCommit": pr.MergeCommit}
	if !pr.MergedAt.IsZero() {
		after["mergedAt"] = pr.MergedAt.UTC().Format(time.RFC3339Nano)
	}
	note := "the pull request is " + pr.State
	if pr.State == requestClosed {
		_, err := e.host(q.repository).Branch(ctx, q.repository, q.branch)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("read branch %s of %s: %w", q.branch, q.repository, err)
		}
		if err != nil {
			after["trouble"], after["detail"] = troubleBranch, "its branch "+q.branch+" was deleted"
			note += ": " + after["detail"]
		}
	}
	return e.observe(q, after, note)
}
