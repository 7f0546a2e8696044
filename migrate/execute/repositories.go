package execute

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// proveRepositories sees that the repositories whose tokens a unit trusts are still the same and still make their tokens the
// same way: a rename, a transfer, another default branch or another subject template changes what a token says, and
// nothing on the Azure side would tell.
func (e *Executor) proveRepositories(ctx context.Context, u plan.Unit, p *proof) {
	for _, s := range u.Steps {
		if s.Kind != plan.StepPullRequest {
			continue
		}
		changed, gone, err := e.repositoryChange(ctx, s.PullRequest)
		if err != nil {
			p.err = err
			return
		}
		if gone && e.carried(u, s) {
			p.gone = append(p.gone, s.PullRequest.Repository) // the plan was made again since, and it does not have it either
			continue
		}
		if changed == "" {
			continue
		}
		found, err := e.foundAgain(ctx, u, s.PullRequest)
		switch {
		case err != nil:
			p.err = err
			return
		case found != nil:
			p.found = append(p.found, *found)
		default:
			p.world = append(p.world, changed)
		}
	}
}

// foundAgain gives what the present plan knows of a repository that has changed since it was migrated, if that is how it is now. What it
// presents is then proved by that.
func (e *Executor) foundAgain(ctx context.Context, u plan.Unit, s *plan.PullRequestStep) (*plan.Federated, error) {
	for _, f := range e.top().Plan.Federated {
		if f.AppID != u.AppID || f.RepositoryID == 0 || f.RepositoryID != s.RepositoryID {
			continue
		}
		changed, _, err := e.repositoryChange(ctx, &plan.PullRequestStep{Repository: f.Repository, RepositoryID: f.RepositoryID, Base: f.DefaultBranch, OIDC: f.OIDC})
		if err != nil || changed != "" {
			return nil, err
		}
		return &f, nil
	}
	return nil, nil
}

// repositoryChange tells what has become of a repository since the scan, empty where it is as it was, and whether nothing can
// run there any more.
func (e *Executor) repositoryChange(ctx context.Context, s *plan.PullRequestStep) (change string, gone bool, err error) {
	r, err := e.host(s.Repository).Repository(ctx, s.Repository)
	if errors.Is(err, ErrNotFound) {
		return fmt.Sprintf("repository %s is gone: it was deleted, or transferred to where the caller cannot see it; if nothing of it runs any more: "+replan, s.Repository), true, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read repository %s: %w", s.Repository, err)
	}
	switch {
	case s.RepositoryID != 0 && r.ID != s.RepositoryID:
		return fmt.Sprintf("another repository has the name %s now (id %d, it was %d): "+replan, s.Repository, r.ID, s.RepositoryID), false, nil
	case s.NodeID != "" && r.NodeID != s.NodeID:
		return fmt.Sprintf("another repository has the name %s now (id %s, it was %s): "+replan, s.Repository, r.NodeID, s.NodeID), false, nil
	case !strings.EqualFold(string(r.Name), string(s.Repository)):
		return fmt.Sprintf("repository %s is called %s now, renamed or transferred: its tokens name it so, and the federated credentials trust the old name; "+replan+" and unsecret apply add trust for the new one (the unit that ends with (trust)); until then its runs cannot sign in", s.Repository, r.Name), false, nil
	case r.Archived:
		return fmt.Sprintf("repository %s was archived: its workflows do not run any more, so that nothing can prove them; unarchive it, or exclude it (unsecret plan, for all units)", s.Repository), true, nil
	case r.DefaultBranch != s.Base:
		return fmt.Sprintf("the default branch of %s is %s now, it was %s: what runs on it (schedules, and pushes to it) presents another subject; "+replan+" and unsecret apply add trust for it", s.Repository, r.DefaultBranch, s.Base), false, nil
	}
	change, err = e.subjectChange(ctx, s)
	return change, false, err
}

// subjectChange tells whether a repository makes the subjects of its tokens in another way than at the scan.
func (e *Executor) subjectChange(ctx context.Context, s *plan.PullRequestStep) (string, error) {
	if !s.OIDC.Known {
		return "", nil // a plan of an older version
	}
	now, err := e.Outside.Repositories.OIDC(ctx, s.Repository)
	if err != nil {
		return "", fmt.Errorf("read how %s makes the subjects of its tokens: %w", s.Repository, err)
	}
	if was := s.OIDC.Text(); was != now.Text() {
		return fmt.Sprintf("%s makes the subjects of its tokens otherwise since the scan (it was: %s; it is: %s): what the applications trust may not match any more; take the change back, or let "+replan+" and unsecret apply add trust for the new ones", s.Repository, was, now.Text()), nil
	}
	return "", nil
}
