package azuredevops

import (
	"context"
	"fmt"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

var _ execute.CodeHost = Organizations{}

// git finds the client of a repository's organisation.
func (o Organizations) git(repo inventory.RepositoryName) (gitRepository, error) {
	organization, _, _, ok := repo.AzureRepos()
	if !ok {
		return gitRepository{}, fmt.Errorf("azure repos: %s is not the name of a repository of Azure Repos", repo)
	}
	c, err := o.client(organization)
	if err != nil {
		return gitRepository{}, err
	}
	return c.git(repo)
}

// Repository implements execute.CodeHost.
func (o Organizations) Repository(ctx context.Context, repo inventory.RepositoryName) (inventory.Repository, error) {
	g, err := o.git(repo)
	if err != nil {
		return inventory.Repository{}, err
	}
	return g.repository(ctx)
}

// Blob implements execute.CodeHost.
func (o Organizations) Blob(ctx context.Context, repo inventory.RepositoryName, oid string) ([]byte, error) {
	g, err := o.git(repo)
	if err != nil {
		return nil, err
	}
	return g.blob(ctx, oid)
}

// FileOID implements execute.CodeHost.
func (o Organizations) FileOID(ctx context.Context, repo inventory.RepositoryName, ref, path string) (string, error) {
	g, err := o.git(repo)
	if err != nil {
		return "", err
	}
	return g.fileOID(ctx, ref, path)
}

// Branch implements execute.CodeHost.
func (o Organizations) Branch(ctx context.Context, repo inventory.RepositoryName, branch string) (string, error) {
	g, err := o.git(repo)
	if err != nil {
		return "", err
	}
	return g.branch(ctx, branch)
}

// CreateBranch implements execute.CodeHost.
func (o Organizations) CreateBranch(ctx context.Context, repo inventory.RepositoryName, branch, oid string) error {
	g, err := o.git(repo)
	if err != nil {
		return err
	}
	return g.setBranch(ctx, branch, noObject, oid)
}

// MoveBranch implements execute.CodeHost. Who has made a branch may also force-push to it (Microsoft Learn: Set Git branch security and permissions).
func (o Organizations) MoveBranch(ctx context.Context, repo inventory.RepositoryName, branch, oid string) error {
	g, err := o.git(repo)
	if err != nil {
		return err
	}
	return g.moveBranch(ctx, branch, oid)
}

// DeleteBranch implements execute.CodeHost.
func (o Organizations) DeleteBranch(ctx context.Context, repo inventory.RepositoryName, branch string) error {
	g, err := o.git(repo)
	if err != nil {
		return err
	}
	return g.deleteBranch(ctx, branch)
}

// Commit implements execute.CodeHost.
func (o Organizations) Commit(ctx context.Context, repo inventory.RepositoryName, branch, expectedHead, title, body string, files []execute.FileChange) (string, error) {
	g, err := o.git(repo)
	if err != nil {
		return "", err
	}
	return g.commit(ctx, branch, expectedHead, title, body, files)
}

// OpenPullRequest implements execute.CodeHost.
func (o Organizations) OpenPullRequest(ctx context.Context, repo inventory.RepositoryName, head, base, title, body string) (execute.PullRequest, error) {
	g, err := o.git(repo)
	if err != nil {
		return execute.PullRequest{}, err
	}
	return g.open(ctx, head, base, title, body)
}

// FindPullRequest implements execute.CodeHost.
func (o Organizations) FindPullRequest(ctx context.Context, repo inventory.RepositoryName, head string) (execute.PullRequest, error) {
	g, err := o.git(repo)
	if err != nil {
		return execute.PullRequest{}, err
	}
	return g.find(ctx, head)
}

// PullRequest implements execute.CodeHost.
func (o Organizations) PullRequest(ctx context.Context, repo inventory.RepositoryName, number int) (execute.PullRequest, error) {
	g, err := o.git(repo)
	if err != nil {
		return execute.PullRequest{}, err
	}
	p, err := g.read(ctx, number)
	if err != nil {
		return execute.PullRequest{}, err
	}
	return g.pull(p), nil
}

// ClosePullRequest implements execute.CodeHost: a pull request of Azure Repos is abandoned.
func (o Organizations) ClosePullRequest(ctx context.Context, repo inventory.RepositoryName, number int, comment string) error {
	g, err := o.git(repo)
	if err != nil {
		return err
	}
	return g.abandon(ctx, number, comment)
}

// DescribePullRequest implements execute.CodeHost.
func (o Organizations) DescribePullRequest(ctx context.Context, repo inventory.RepositoryName, number int, body string) error {
	g, err := o.git(repo)
	if err != nil {
		return err
	}
	return g.fail(g.update(ctx, number, map[string]string{"description": shortened(body)}), "describing pull request %d", number)
}

// Checks implements execute.CodeHost.
func (o Organizations) Checks(ctx context.Context, repo inventory.RepositoryName, pr execute.PullRequest) ([]execute.Check, error) {
	g, err := o.git(repo)
	if err != nil {
		return nil, err
	}
	return g.checks(ctx, pr)
}
