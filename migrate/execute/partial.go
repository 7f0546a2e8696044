package execute

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// partialStep is the step of the journal that tells that one repository of a unit was rolled back.
func partialStep(repo inventory.RepositoryName) string { return rollbackStep + "/" + string(repo) }

// rolledBackIn tells whether one repository of a unit was rolled back, and not applied again since.
func (e *Executor) rolledBackIn(unit string, repo inventory.RepositoryName) bool {
	return e.step(unit, partialStep(repo)).done != nil
}

// rollingBack is the gate of a unit whose rollback has begun and is not finished; nil where there is none. Nothing else is done
// with it until then: whoever went on would pull at the same objects from the other side, and a revoke would take away the
// secret that the rollback is about to go back to.
func (e *Executor) rollingBack(u plan.Unit) *Gate {
	g := &Gate{Name: GateRollback, Reason: "its rollback has begun and is not finished",
		Next: []string{"finish it: unsecret rollback --unit " + u.ID, "then it can be applied again by name: unsecret apply --only " + u.ID}}
	if e.step(u.ID, rollbackStep).intent != nil {
		return g
	}
	for _, repo := range repositories([]plan.Unit{u}) {
		if e.step(u.ID, partialStep(repo)).intent != nil {
			g.Reason = fmt.Sprintf("the rollback of its part in %s has begun and is not finished", repo)
			g.Next[0] += " --repository " + string(repo)
			return g
		}
	}
	return nil
}

// rollbackRepository takes the workflows of one repository of a unit back to the stored secret. That is safe only while the
// secret is there: once a revoke has begun, the unit goes back as a whole or not at all.
func (r *rollbackRun) rollbackRepository(ctx context.Context, repo inventory.RepositoryName) error {
	for _, u := range r.units {
		if _, ok := u.Step(plan.PullRequestID(repo)); !ok {
			return fmt.Errorf("rollback: unit %s rewrites nothing in %s", u.ID, repo)
		}
		if r.e.revoking(u) {
			return fmt.Errorf("rollback: the old secret of unit %s is gone or going, so that %s alone cannot go back to it: roll the whole unit back, which mints a new one: unsecret rollback --unit %s", u.ID, repo, u.ID)
		}
	}
	if r.options.DryRun {
		return nil
	}
	todo := slices.DeleteFunc(slices.Clone(r.units), func(u plan.Unit) bool { return r.e.rolledBackIn(u.ID, repo) || r.e.rolledBack(u.ID) || !r.clear(u) })
	for _, u := range todo {
		if err := r.e.record(Record{Unit: u.ID, Step: partialStep(repo), Phase: PhaseIntent}); err != nil {
			return err
		}
	}
	r.repository(ctx, repo, todo)
	r.e.each(todo, func(u plan.Unit) {
		r.do(ctx, u, func(ctx, _ context.Context, u plan.Unit) error { return r.cleanUpRepository(ctx, u, repo) })
	})
	return nil
}

// cleanUpRepository removes what only the new way of one repository needs.
func (r *rollbackRun) cleanUpRepository(ctx context.Context, u plan.Unit, repo inventory.RepositoryName) error {
	if err := r.removeVariables(ctx, u, repo); err != nil {
		return err
	}
	for _, s := range u.Steps {
		p := r.e.step(u.ID, s.ID)
		if s.Kind != plan.StepFederatedCredential || p.done == nil || !onlyFor(u, s.FederatedCredential.Credential.Name, repo) {
			continue
		}
		added := inventory.FederatedCredential{ID: inventory.FederatedCredentialID(p.done.After["id"]), Name: p.done.After["name"]}
		if err := r.e.trustee(u).remove(ctx, added); err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("remove federated credential %s: %w", added.Name, err)
		}
		if err := r.undone(u, s.ID, "removed federated credential "+p.done.After["name"], s.Kind, nil); err != nil {
			return err
		}
	}
	if r.e.step(u.ID, verifyStep).seen != nil {
		if err := r.e.record(Record{Unit: u.ID, Step: verifyStep, Phase: PhaseUndone, Note: "a repository of the unit was rolled back"}); err != nil {
			return err
		}
	}
	return r.e.record(Record{Unit: u.ID, Step: partialStep(repo), Phase: PhaseDone})
}

// onlyFor tells whether a federated credential covers logins of one repository and nothing else.
func onlyFor(u plan.Unit, name string, repo inventory.RepositoryName) bool {
	found := false
	for _, c := range u.Coverage {
		if c.By != name {
			continue
		}
		for _, id := range c.For {
			i := slices.IndexFunc(u.Logins, func(l plan.LoginUse) bool { return string(l.ID) == id })
			if i < 0 || u.Logins[i].Repository != repo {
				return false
			}
			found = true
		}
	}
	return found
}
