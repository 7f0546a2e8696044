package execute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// obstacle is what stands against a rollback, with what a person must do about it.
type obstacle struct {
	step  string        // names it in a result
	kind  plan.StepKind // empty: a credential
	title string        // what could not be done
	why   string
	next  []string
	// open tells that a rollback may be tried all the same: it could only be read from what the caller's token says of him, or it concerns
	// what may not be there any more, and the rest can go back without it.
	open bool
}

func (o obstacle) result() StepResult {
	return StepResult{Step: o.step, Kind: cmp.Or(o.kind, plan.StepCredential), Title: o.title, State: StepFailed, Reason: o.why, Next: o.next}
}

// obstacleText names obstacles in one line.
func obstacleText(list []obstacle) string {
	var out []string
	for _, o := range list {
		out = append(out, o.title+": "+o.why)
	}
	return strings.Join(out, "; ")
}

// nextOf gives what a person must do about obstacles, each only once.
func nextOf(list []obstacle) []string {
	var out []string
	for _, o := range list {
		for _, n := range o.next {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// passwordObstacles tell why a rollback could not mint a password for a unit. Policies change, so they are read afresh; where that is not possible,
// what the scan saw counts.
func (e *Executor) passwordObstacles(ctx context.Context, u plan.Unit) ([]obstacle, error) {
	id, err := e.Outside.Directory.Application(ctx, u.AppID)
	if errors.Is(err, ErrNotFound) {
		return []obstacle{{step: mintStep, title: "new password for " + u.Title, why: "the application is deleted, so that nothing signs in as it, in the old way or the new one",
			next: []string{"restore it within 30 days of its deletion: az rest --method post --url https://graph.microsoft.com/v1.0/directory/deletedItems/" + string(u.ObjectID) + "/restore",
				"then restore its service principal as well, and run again; it is in this list: az rest --url https://graph.microsoft.com/v1.0/directory/deletedItems/microsoft.graph.servicePrincipal"}}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read application %s: %w", u.AppID, err)
	}
	var out []obstacle
	why := u.NoRollback
	now, err := e.Outside.Directory.NewPasswords(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read whether application %s may get a new password: %w", u.AppID, err)
	}
	if now.Known {
		why = plan.NoRollback(u, now, e.Plan.Settings.RollbackDays)
	}
	if why != nil && !e.ownPolicy(u, now.Policy) {
		out = append(out, obstacle{step: mintStep, title: "new password for " + u.Title, why: strings.TrimSuffix(why.Message, plan.AfterRevoke), next: nextOfPolicy(*why)})
	}
	refusal, err := e.Outside.Directory.PasswordRefusal(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read whether the caller may add a password to application %s: %w", u.AppID, err)
	}
	if refusal != "" {
		out = append(out, obstacle{step: mintStep + "/caller", title: "new password for " + u.Title, why: refusal, open: true,
			next: []string{"let the caller own the application: az ad app owner add --id " + string(u.AppID) + " --owner-object-id WHO",
				"and have Application.ReadWrite.OwnedBy (unsecret permissions --for revoke), or let somebody roll it back who has Cloud Application Administrator"}})
	}
	return out, nil
}

// ownPolicy tells whether a policy is the one that the revoke assigned, which a rollback takes off before it mints.
func (e *Executor) ownPolicy(u plan.Unit, policy string) bool {
	return slices.ContainsFunc(u.Steps, func(s plan.Step) bool {
		return s.Kind == plan.StepPolicy && s.Policy.Policy == policy && e.step(u.ID, s.ID).done != nil
	})
}

// nextOfPolicy is what the plan says about a policy, as it is to be done before a rollback.
func nextOfPolicy(why plan.Reason) []string {
	next := withoutConsent(why.Next)
	for i, n := range next {
		next[i] = strings.TrimSuffix(strings.TrimPrefix(n, "or "), ", then scan and plan again")
	}
	return next
}

// placeObstacles tell why a password could not be put into a place.
func (e *Executor) placeObstacles(ctx context.Context, p place) ([]obstacle, error) {
	o := obstacle{step: p.step, title: p.title}
	if c := p.connection; c != nil {
		if c.Readable {
			return nil, nil
		}
		o.why = "Azure DevOps does not show the connection's contents to the caller"
		o.next = []string{"give the caller the role Administrator on it (Project settings, Service connections, " + c.Name + ", Security), then run again"}
		return []obstacle{o}, nil
	}
	at := p.secret.Store
	if at.Level != inventory.LevelOrganization {
		if held, err := e.repositoryObstacle(ctx, at.Repository, "", o); err != nil || held != nil {
			return held, err
		}
	}
	why, err := e.Outside.Repositories.SecretRefusal(ctx, at)
	if err != nil || why == "" {
		return nil, err
	}
	o.why = why
	o.next = []string{"let the caller write " + secretRight(at) + " (unsecret permissions --for revoke), then run again",
		"or let somebody who may write it roll the unit back"}
	return []obstacle{o}, nil
}

func secretRight(at StoreRef) string {
	switch at.Level {
	case inventory.LevelOrganization:
		return "secrets of organisation " + at.Owner + " (a classic token: scope admin:org)"
	case inventory.LevelEnvironment:
		return "environment secrets of " + string(at.Repository)
	case inventory.LevelDependabot:
		return "Dependabot secrets of " + string(at.Repository)
	}
	return "secrets of " + string(at.Repository)
}

// repositoryObstacle tells whether a repository takes changes at all, and whether its default branch is still the one that was rewritten, where
// one is given.
func (e *Executor) repositoryObstacle(ctx context.Context, repo inventory.RepositoryName, base string, o obstacle) ([]obstacle, error) {
	r, err := e.host(repo).Repository(ctx, repo)
	switch {
	case errors.Is(err, ErrNotFound):
		o.open = true
		o.why = fmt.Sprintf("repository %s is gone: it was deleted, or transferred to where the caller cannot see it", repo)
		o.next = []string{"restore it (GitHub: organisation settings, Deleted repositories, for 90 days), or let the caller see it, then run again"}
	case err != nil:
		return nil, fmt.Errorf("read repository %s: %w", repo, err)
	case r.Archived:
		o.why = fmt.Sprintf("repository %s is archived, and takes no change", repo)
		o.next = []string{"gh repo unarchive " + string(repo) + ", run again, and archive it when the rollback is over"}
	case base != "" && r.DefaultBranch != base:
		o.open = true
		o.why = fmt.Sprintf("the default branch of %s is %s now, and the rewrite was merged into %s", repo, r.DefaultBranch, base)
		o.next = []string{"make " + base + " its default branch again for the rollback, or put the old sign-in back into its files by hand once the secrets are back"}
	default:
		return nil, nil
	}
	return []obstacle{o}, nil
}

// obstacles tell what stands against taking a unit back to where it was, from where it stands now. It only reads.
func (r *rollbackRun) obstacles(ctx context.Context, u plan.Unit) ([]obstacle, error) {
	id, err := r.e.Outside.Directory.Application(ctx, u.AppID)
	if errors.Is(err, ErrNotFound) {
		return r.e.passwordObstacles(ctx, u)
	}
	if err != nil {
		return nil, fmt.Errorf("read application %s: %w", u.AppID, err)
	}
	gone := r.removed(u, id)
	places, err := r.secretPlaces(ctx, u, gone)
	if err != nil {
		return nil, err
	}
	back, connections, _, err := r.connectionPlaces(ctx, u, id, gone)
	if err != nil {
		return nil, err
	}
	places = append(connections, places...)
	var out []obstacle
	if len(places) > 0 {
		if out, err = r.e.passwordObstacles(ctx, u); err != nil {
			return nil, err
		}
	}
	for _, c := range back {
		places = append(places, place{step: "connection/" + string(c.ID), title: "convert connection " + c.Name + " back", connection: &c})
	}
	for _, p := range places {
		found, err := r.e.placeObstacles(ctx, p)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	found, err := r.requestObstacles(ctx, u)
	return slices.Concat(out, r.trustObstacles(u, id), found), err
}

// requestObstacles tell in which repositories no pull request could be closed or reverted.
func (r *rollbackRun) requestObstacles(ctx context.Context, u plan.Unit) ([]obstacle, error) {
	var out []obstacle
	for _, repo := range repositories([]plan.Unit{u}) {
		there := look(r.e, func(f *fold) bool {
			return slices.ContainsFunc(f.of(repo), func(q *request) bool { return q.state != requestUndone && slices.Contains(q.units, u.ID) })
		})
		if !there {
			continue
		}
		s, _ := u.Step(plan.PullRequestID(repo))
		found, err := r.e.repositoryObstacle(ctx, repo, s.PullRequest.Base, obstacle{step: plan.PullRequestID(repo), title: "take the rewrite in " + string(repo) + " back"})
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// foresee is the dry run of a unit's rollback: it says beforehand what would stand against it, and what there is nothing to put back into.
func (r *rollbackRun) foresee(ctx context.Context, u plan.Unit) {
	if !r.clear(u) || ctx.Err() != nil {
		return
	}
	found, err := r.obstacles(ctx, u)
	if err != nil {
		r.fail(u, err)
		return
	}
	r.impossible(u, found)
	for _, s := range u.Steps {
		var err error
		switch s.Kind {
		case plan.StepReplacement:
			_, err = r.e.replacedConnection(ctx, s.Replacement)
		case plan.StepConnection:
			_, err = r.e.Outside.Connections.Connection(ctx, s.Connection.Organization, s.Connection.Project, s.Connection.ID)
		default:
			continue
		}
		if errors.Is(err, ErrNotFound) {
			r.mu.Lock()
			if r.notes[u.ID] == nil {
				r.notes[u.ID] = map[string]string{}
			}
			r.notes[u.ID][s.ID] = "the connection is deleted, so that there is nothing to put back: if pipelines still need it, create it again by hand (Project settings, Service connections)"
			r.mu.Unlock()
		}
	}
}

// forestall refuses a rollback that certainly cannot come to its end, before it changes anything. One that has begun goes on: what stands against it
// is told by the step that it stops.
func (r *rollbackRun) forestall(ctx context.Context, u plan.Unit) {
	if !r.clear(u) || ctx.Err() != nil || r.e.rollingBack(u) != nil {
		return
	}
	found, err := r.obstacles(ctx, u)
	if err != nil {
		return // the steps themselves read what they need, and say what they cannot
	}
	r.impossible(u, slices.DeleteFunc(found, func(o obstacle) bool { return o.open }))
}

// impossible ends the rollback of a unit before it has begun.
func (r *rollbackRun) impossible(u plan.Unit, found []obstacle) {
	if len(found) == 0 {
		return
	}
	r.mu.Lock()
	for _, o := range found {
		r.steps[u.ID] = append(r.steps[u.ID], o.result())
	}
	r.mu.Unlock()
	what := "it cannot be rolled back for the reasons below"
	if !slices.ContainsFunc(found, func(o obstacle) bool { return !o.open }) {
		what = "its rollback may not come to its end, for the reasons below"
	}
	r.fail(u, &manualError{err: errors.New(what + "; nothing was changed, and the pipelines go on signing in without a secret"),
		next: []string{"do what is said with each reason, then run the rollback again", "or leave it: if a pipeline fails, unsecret verify --only " + u.ID + " names what to repair"}})
}

// afterRevoke tells what would stand against a rollback of a unit once its passwords are revoked: a new one is then needed in every place.
func (e *Executor) afterRevoke(ctx context.Context, u plan.Unit) ([]obstacle, error) {
	out, err := e.passwordObstacles(ctx, u)
	if err != nil {
		return nil, err
	}
	for _, s := range u.Steps {
		if s.Kind != plan.StepSecret || e.step(u.ID, s.ID).settled() {
			continue
		}
		found, err := e.placeObstacles(ctx, place{step: restorePrefix + s.ID, title: "new password in secret " + s.Secret.Store.String(), secret: s.Secret})
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}
