package github

import (
	"context"
	"errors"

	gh "github.com/google/go-github/v60/github"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Checks implements execute.Repositories. A token without Checks: read or Commit statuses: read sees none of either: the
// service's own branch protection still holds the merge.
func (c *Client) Checks(ctx context.Context, repo inventory.RepositoryName, pr execute.PullRequest) ([]execute.Check, error) {
	oid := pr.HeadOID
	owner, name, err := split(repo)
	if err != nil {
		return nil, err
	}
	var out []execute.Check
	runs, _, err := c.rest.Checks.ListCheckRunsForRef(ctx, owner, name, oid, &gh.ListCheckRunsOptions{Filter: new("latest"), ListOptions: gh.ListOptions{PerPage: perPage}})
	if err = hidden(fail(err, false, "reading the check runs of %s in %s", oid, repo)); err != nil {
		return nil, err
	}
	if runs != nil {
		for _, r := range runs.CheckRuns {
			out = append(out, execute.Check{Name: r.GetName(), Completed: r.GetStatus() == "completed", OK: passed(r.GetConclusion())})
		}
	}
	status, _, err := c.rest.Repositories.GetCombinedStatus(ctx, owner, name, oid, &gh.ListOptions{PerPage: perPage})
	if err = hidden(fail(err, false, "reading the statuses of %s in %s", oid, repo)); err != nil {
		return nil, err
	}
	if status != nil {
		for _, s := range status.Statuses {
			out = append(out, execute.Check{Name: s.GetContext(), Completed: s.GetState() != "pending", OK: s.GetState() == "success"})
		}
	}
	return out, nil
}

// passed tells which conclusions let a pull request be merged (GitHub Docs: "About status checks").
func passed(conclusion string) bool {
	return conclusion == "success" || conclusion == "neutral" || conclusion == "skipped"
}

// hidden forgives what the caller may not see.
func hidden(err error) error {
	if errors.Is(err, execute.ErrForbidden) || errors.Is(err, execute.ErrNotFound) {
		return nil
	}
	return err
}
