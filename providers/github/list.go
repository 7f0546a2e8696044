package github

import (
	"context"
	"errors"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
)

// perPage is the largest page of most lists; variables have 30 (GitHub Docs: REST API endpoints for GitHub Actions variables).
const (
	perPage         = 100
	perPageVariable = 30
)

// all follows a list to its end.
func all[T any](size int, page func(gh.ListOptions) ([]T, *gh.Response, error)) ([]T, error) {
	var items []T
	options := gh.ListOptions{PerPage: size}
	for {
		some, response, err := page(options)
		if err != nil {
			return nil, err
		}
		items = append(items, some...)
		if response.NextPage == 0 {
			return items, nil
		}
		options.Page = response.NextPage
	}
}

// List implements scan.GitHub.
func (c *Client) List(ctx context.Context, owner string) ([]scan.RepositoryRef, error) {
	repos, err := all(perPage, func(o gh.ListOptions) ([]*gh.Repository, *gh.Response, error) {
		return c.rest.Repositories.ListByOrg(ctx, owner, &gh.RepositoryListByOrgOptions{Type: "all", Sort: "full_name", ListOptions: o})
	})
	if errors.Is(classify(err, false), execute.ErrNotFound) {
		repos, err = c.listUser(ctx, owner)
	}
	if err != nil {
		return nil, fail(err, false, "listing the repositories of %s", owner)
	}
	refs := make([]scan.RepositoryRef, 0, len(repos))
	for _, r := range repos {
		refs = append(refs, c.ref(r))
	}
	return refs, nil
}

// listUser lists a user's repositories; private ones are only shown to the user.
func (c *Client) listUser(ctx context.Context, owner string) ([]*gh.Repository, error) {
	self, _, err := c.rest.Users.Get(ctx, "")
	if err == nil && strings.EqualFold(self.GetLogin(), owner) {
		return all(perPage, func(o gh.ListOptions) ([]*gh.Repository, *gh.Response, error) {
			return c.rest.Repositories.ListByAuthenticatedUser(ctx, &gh.RepositoryListByAuthenticatedUserOptions{Affiliation: "owner", Sort: "full_name", ListOptions: o})
		})
	}
	return all(perPage, func(o gh.ListOptions) ([]*gh.Repository, *gh.Response, error) {
		return c.rest.Repositories.ListByUser(ctx, owner, &gh.RepositoryListByUserOptions{Type: "owner", Sort: "full_name", ListOptions: o})
	})
}

// Resolve implements scan.GitHub.
func (c *Client) Resolve(ctx context.Context, name inventory.RepositoryName) (scan.RepositoryRef, error) {
	r, err := c.get(ctx, name)
	if err != nil {
		return scan.RepositoryRef{}, err
	}
	return c.ref(r), nil
}

func (c *Client) ref(r *gh.Repository) scan.RepositoryRef {
	c.remember(r.GetFullName(), r.GetID())
	return scan.RepositoryRef{Name: inventory.RepositoryName(r.GetFullName()), NodeID: r.GetNodeID(), ID: r.GetID(), Archived: r.GetArchived()}
}

func (c *Client) get(ctx context.Context, repo inventory.RepositoryName) (*gh.Repository, error) {
	owner, name, err := split(repo)
	if err != nil {
		return nil, err
	}
	r, _, err := c.rest.Repositories.Get(ctx, owner, name)
	if err != nil {
		return nil, fail(err, false, "reading repository %s", repo)
	}
	return r, nil
}

func (c *Client) remember(name string, id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[strings.ToLower(name)] = id
}

// id gives a repository's number, which the paths of environments need.
func (c *Client) id(ctx context.Context, repo inventory.RepositoryName) (int, error) {
	c.mu.Lock()
	id, known := c.ids[strings.ToLower(string(repo))]
	c.mu.Unlock()
	if known {
		return int(id), nil
	}
	r, err := c.get(ctx, repo)
	if err != nil {
		return 0, err
	}
	c.remember(string(repo), r.GetID())
	return int(r.GetID()), nil
}
