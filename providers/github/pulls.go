package github

import (
	"context"
	"errors"
	"fmt"

	gh "github.com/google/go-github/v60/github"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

func isNotFound(err error) bool { return errors.Is(err, execute.ErrNotFound) }

// OpenPullRequest implements execute.Repositories.
func (c *Client) OpenPullRequest(ctx context.Context, repo inventory.RepositoryName, head, base, title, body string) (execute.PullRequest, error) {
	owner, name, err := split(repo)
	if err != nil {
		return execute.PullRequest{}, err
	}
	p, _, err := c.rest.PullRequests.Create(ctx, owner, name, &gh.NewPullRequest{Title: &title, Head: &head, Base: &base, Body: &body})
	if err != nil {
		return execute.PullRequest{}, fail(err, true, "opening a pull request from %s to %s in %s", head, base, repo)
	}
	return pull(p), nil
}

// FindPullRequest implements execute.Repositories.
func (c *Client) FindPullRequest(ctx context.Context, repo inventory.RepositoryName, head string) (execute.PullRequest, error) {
	owner, name, err := split(repo)
	if err != nil {
		return execute.PullRequest{}, err
	}
	list, _, err := c.rest.PullRequests.List(ctx, owner, name, &gh.PullRequestListOptions{
		State: "all", Head: owner + ":" + head, Sort: "created", Direction: "desc", ListOptions: gh.ListOptions{PerPage: perPage},
	})
	if err != nil {
		return execute.PullRequest{}, execute.Needing(permissions.GitHubWrite, fail(err, false, "looking for a pull request from %s in %s", head, repo))
	}
	for _, p := range list {
		// Where the service does not know the head it ignores the filter.
		if p.GetHead().GetRef() == head {
			return c.PullRequest(ctx, repo, p.GetNumber())
		}
	}
	return execute.PullRequest{}, fmt.Errorf("github: looking for a pull request from %s in %s: %w", head, repo, execute.ErrNotFound)
}

// PullRequest implements execute.Repositories.
func (c *Client) PullRequest(ctx context.Context, repo inventory.RepositoryName, number int) (execute.PullRequest, error) {
	owner, name, err := split(repo)
	if err != nil {
		return execute.PullRequest{}, err
	}
	p, _, err := c.rest.PullRequests.Get(ctx, owner, name, number)
	if err != nil {
		return execute.PullRequest{}, execute.Needing(permissions.GitHubPulls, fail(err, false, "reading pull request %s#%d", repo, number))
	}
	return pull(p), nil
}

// ClosePullRequest implements execute.Repositories.
func (c *Client) ClosePullRequest(ctx context.Context, repo inventory.RepositoryName, number int, comment string) error {
	owner, name, err := split(repo)
	if err != nil {
		return err
	}
	if comment != "" {
		if _, _, err := c.rest.Issues.CreateComment(ctx, owner, name, number, &gh.IssueComment{Body: &comment}); err != nil {
			return fail(err, true, "commenting on pull request %s#%d", repo, number)
		}
	}
	_, _, err = c.rest.PullRequests.Edit(ctx, owner, name, number, &gh.PullRequest{State: new("closed")})
	return fail(err, true, "closing pull request %s#%d", repo, number)
}

// DescribePullRequest implements execute.Repositories.
func (c *Client) DescribePullRequest(ctx context.Context, repo inventory.RepositoryName, number int, body string) error {
	owner, name, err := split(repo)
	if err != nil {
		return err
	}
	_, _, err = c.rest.PullRequests.Edit(ctx, owner, name, number, &gh.PullRequest{Body: &body})
	return fail(err, true, "describing pull request %s#%d", repo, number)
}

func pull(p *gh.PullRequest) execute.PullRequest {
	result := execute.PullRequest{
		Number: p.GetNumber(), URL: p.GetHTMLURL(), State: p.GetState(), Head: p.GetHead().GetRef(), HeadOID: p.GetHead().GetSHA(),
		Base: p.GetBase().GetRef(), Mergeable: p.Mergeable,
	}
	if p.MergedAt != nil {
		result.State, result.MergedAt, result.MergeCommit = "merged", p.GetMergedAt().UTC(), p.GetMergeCommitSHA()
	}
	return result
}
