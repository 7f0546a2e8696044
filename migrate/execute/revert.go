package execute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// repository takes the rewrites of units out of one repository: pull requests that are not merged are closed, the others
// reverted by one pull request for all units.
func (r *rollbackRun) repository(ctx context.Context, repo inventory.RepositoryName, units []plan.Unit) {
	mine := slices.DeleteFunc(slices.Clone(units), func(u plan.Unit) bool {
		_, ok := u.Step(plan.PullRequestID(repo))
		return !ok
	})
	if len(mine) == 0 || ctx.Err() != nil {
		return
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	gate, err := r.takeOut(hard, repo, mine)
	for _, u := range mine {
		if err != nil {
			r.fail(u, err)
		} else if gate != nil {
			r.hold(u, *gate)
		}
	}
}

func (r *rollbackRun) takeOut(ctx context.Context, repo inventory.RepositoryName, units []plan.Unit) (*Gate, error) {
	if err := r.e.refresh(ctx, repo); err != nil {
		return nil, err
	}
	for _, q := range look(r.e, func(f *fold) []request { return copyRequests(f.of(repo)) }) {
		if q.revert || q.state == requestMerged || q.state == requestUndone || !concerns(q, units) {
			continue
		}
		if err := r.closeRequest(ctx, q, units); err != nil {
			return nil, err
		}
	}
	for _, by := range r.plansOf(repo, units) {
		logins, err := r.mergedLogins(by, repo, units)
		if err != nil {
			return nil, err
		}
		if len(logins) == 0 {
			continue
		}
		// What an earlier plan rewrote is the ground of the later one, so the later goes first, and has to be merged.
		if gate, err := r.revert(ctx, by, repo, units, logins); err != nil || gate != nil {
			return gate, err
		}
	}
	return nil, nil
}

// plansOf are the executors of the plans by which units rewrite logins in a repository, the newest first.
func (r *rollbackRun) plansOf(repo inventory.RepositoryName, units []plan.Unit) []*Executor {
	var out []*Executor
	for _, u := range units {
		for _, p := range r.e.parts(u.ID) {
			_, ok := p.unit.Step(plan.PullRequestID(repo))
			if ok && !slices.ContainsFunc(out, func(by *Executor) bool { return by.hash == p.by.hash }) {
				out = append(out, p.by)
			}
		}
	}
	age := look(r.e, func(f *fold) map[string]int {
		age := map[string]int{}
		for i, q := range f.of(repo) {
			age[q.plan] = i
		}
		return age
	})
	slices.SortStableFunc(out, func(a, b *Executor) int { return age[b.hash] - age[a.hash] })
	return out
}

func concerns(q request, units []plan.Unit) bool {
	return slices.ContainsFunc(units, func(u plan.Unit) bool { return slices.Contains(q.units, u.ID) })
}

// closeRequest closes a pull request that is not merged. Other units whose logins it held get a new one from the next apply.
func (r *rollbackRun) closeRequest(ctx context.Context, q request, units []plan.Unit) error {
	if q.state == requestOpen {
		err := r.e.host(q.repository).ClosePullRequest(ctx, q.repository, q.number, "Closed by `unsecret rollback`: the migration was taken back before this was merged.")
		if err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("close pull request #%d of %s: %w", q.number, q.repository, err)
		}
	}
	if err := r.e.giveUp(ctx, q, "closed by a rollback"); err != nil {
		return err
	}
	for _, u := range units {
		if slices.Contains(q.units, u.ID) {
			r.note(u, plan.PullRequestID(q.repository), fmt.Sprintf("closed pull request #%d of %s", q.number, q.repository), plan.StepPullRequest)
		}
	}
	return nil
}

// mergedLogins are the units' logins that are rewritten on the base branch. A login that signs in as several identities goes back
// for all of them, so all of their units have to be rolled back together.
func (r *rollbackRun) mergedLogins(by *Executor, repo inventory.RepositoryName, units []plan.Unit) ([]inventory.LoginID, error) {
	var out []inventory.LoginID
	for _, unit := range units {
		u, _ := by.Plan.Unit(unit.ID)
		s, ok := u.Step(plan.PullRequestID(repo))
		if !ok {
			continue
		}
		merged := look(by, func(f *fold) map[inventory.LoginID]bool { return by.merged(f, s.PullRequest) })
		for _, l := range s.PullRequest.Logins {
			if !merged[l.ID] || r.neededBy(l, units) {
				continue
			}
			for _, other := range l.Shares {
				if l.Pipeline != nil && l.Pipeline.Both {
					break
				}
				if !slices.ContainsFunc(units, func(x plan.Unit) bool { return x.ID == other }) {
					return nil, &manualError{err: fmt.Errorf("login %s signs in as unit %s too: taking it back would take that one off its new way", l.ID, other),
						next: []string{"roll both units back together: unsecret rollback --unit " + u.ID + " --unit " + other}}
				}
			}
			if !slices.Contains(out, l.ID) {
				out = append(out, l.ID)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// neededBy tells whether a pipeline's new text, which works with the stored secret too, stays for another unit that is under way.
func (r *rollbackRun) neededBy(l plan.PlannedLogin, units []plan.Unit) bool {
	if l.Pipeline == nil || !l.Pipeline.Both {
		return false
	}
	return slices.ContainsFunc(l.Shares, func(id string) bool {
		other, ok := r.e.Plan.Unit(id)
		return ok && !slices.ContainsFunc(units, func(u plan.Unit) bool { return u.ID == id }) && r.e.touched(other) && !r.e.rolledBack(id)
	})
}

// revert opens the pull request that takes the logins back, or tells what it waits for.
func (r *rollbackRun) revert(ctx context.Context, by *Executor, repo inventory.RepositoryName, units []plan.Unit, logins []inventory.LoginID) (*Gate, error) {
	q := look(r.e, func(f *fold) *request {
		for _, q := range f.of(repo) {
			if q.revert && q.plan == by.hash && q.state != requestMerged && q.state != requestUndone && slices.ContainsFunc(q.logins, func(l inventory.LoginID) bool { return slices.Contains(logins, l) }) {
				c := *q
				return &c
			}
		}
		return nil
	})
	if q != nil && q.state != requestOpening {
		return revertGate(*q), nil
	}
	if q != nil {
		logins = q.logins
	}
	p, err := by.proposeRevert(ctx, repo, units, logins)
	if err != nil {
		return nil, err
	}
	if q != nil {
		p.branch = q.branch
	}
	if len(changed(p.now, p.next)) == 0 {
		return nil, nil
	}
	pr, err := by.openRequest(ctx, p, revertTitle, revertBody(p))
	if err != nil {
		return nil, err
	}
	for _, u := range units {
		r.note(u, plan.PullRequestID(repo), fmt.Sprintf("opened pull request #%d of %s, which reverts the rewrite", pr.Number, repo), plan.StepPullRequest)
	}
	return revertGate(request{repository: repo, number: pr.Number, url: pr.URL, state: requestOpen}), nil
}

func revertGate(q request) *Gate {
	g := &Gate{Name: GateMerge, URL: q.url, Reason: fmt.Sprintf("pull request #%d of %s, which takes the rewrite back, waits to be merged", q.number, q.repository),
		Next: []string{"merge it, then run the rollback again: it removes what nothing needs any more"}}
	if q.state == requestClosed {
		g.Reason = fmt.Sprintf("pull request #%d of %s, which takes the rewrite back, was closed without being merged", q.number, q.repository)
		g.Next = []string{"open it again and merge it"}
	}
	return g
}

// proposeRevert works out the files without these logins' rewrites, and with those of all others.
func (e *Executor) proposeRevert(ctx context.Context, repo inventory.RepositoryName, units []plan.Unit, logins []inventory.LoginID) (*proposal, error) {
	p, err := e.newProposal(ctx, repo)
	if errors.Is(err, ErrConflict) {
		err = &manualError{err: err, next: []string{"the old secrets are back already: put the old sign-in back into its files by hand, or make the old branch its default branch again",
			"then run the rollback again"}}
	}
	if err != nil {
		return nil, err
	}
	p.revert, p.logins = true, logins
	for _, u := range units {
		p.units = append(p.units, u.ID)
	}
	merged := look(e, func(f *fold) map[inventory.LoginID]bool { return e.merged(f, &p.step) })
	if p.now, err = p.with(merged); err != nil {
		return nil, err
	}
	for _, l := range logins {
		delete(merged, l)
	}
	if p.next, err = p.with(merged); err != nil {
		return nil, err
	}
	if again, err := e.dropDrifted(ctx, p); err != nil || again {
		return nil, errors.Join(err, e.driftedRevert(p))
	}
	p.branch = e.branch(p)
	return p, nil
}

// rewrittenSince are the other units whose logins a later plan has rewritten in the same repository.
func (e *Executor) rewrittenSince(p *proposal) []string {
	return look(e, func(f *fold) []string {
		var out []string
		all := f.of(p.repo)
		first := slices.IndexFunc(all, func(q *request) bool { return q.plan == e.hash })
		for _, q := range all[max(first, 0):] {
			if q.plan == e.hash || q.revert || q.state != requestMerged {
				continue
			}
			for _, u := range q.units {
				if !slices.Contains(p.units, u) && !slices.Contains(out, u) && !f.closed[u] {
					out = append(out, u)
				}
			}
		}
		return out
	})
}

// driftedRevert tells what a person has to do where somebody has edited the rewritten files meanwhile.
func (e *Executor) driftedRevert(p *proposal) error {
	var files []string
	for _, cs := range p.refused {
		for _, c := range cs {
			if !slices.Contains(files, c.Field) {
				files = append(files, c.Field)
			}
		}
	}
	if len(files) == 0 {
		return nil
	}
	slices.Sort(files)
	if others := e.rewrittenSince(p); len(others) > 0 {
		return &manualError{err: fmt.Errorf("a later plan has rewritten other logins in %s of %s for %s, so that this rewrite cannot be taken back alone: %w", strings.Join(files, ", "), p.repo, strings.Join(others, ", "), ErrConflict),
			next: []string{"roll these units back first, or together with it: unsecret rollback --unit " + strings.Join(slices.Concat(others, p.units), " --unit ")}}
	}
	return &manualError{err: fmt.Errorf("somebody has edited %s in %s since the rewrite was merged, so that it cannot be taken back without losing that: %w", strings.Join(files, ", "), p.repo, ErrConflict),
		next: []string{"put the old sign-in back into these files by hand (the secrets are back already)", "then " + replan + "; what this program added can stay until then"}}
}
