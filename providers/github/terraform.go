package github

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/migrate/terraform"
)

// symbolicLink is the mode of a link in a git tree; its blob is a path, not a file's text.
const symbolicLink = "120000"

// Terraform implements scan.GitHub: one request for the names in each repository, and one for the texts of many files.
func (c *Client) Terraform(ctx context.Context, repos []inventory.Repository) (map[inventory.RepositoryName]terraform.Files, error) {
	var mu sync.Mutex
	out := map[inventory.RepositoryName]terraform.Files{}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(batches)
	for _, repo := range repos {
		group.Go(func() error {
			defer crash.Report()
			files, err := c.terraform(within, repo)
			mu.Lock()
			defer mu.Unlock()
			out[repo.Name] = files
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// terraform reads one repository's code. The only error it returns is that of a cancelled context.
func (c *Client) terraform(ctx context.Context, repo inventory.Repository) (terraform.Files, error) {
	owner, name, err := split(repo.Name)
	if err != nil {
		return unread(err), nil
	}
	tree, _, err := c.rest.Git.GetTree(ctx, owner, name, repo.HeadOID, true)
	if err != nil {
		return unread(fail(err, false, "listing the files of %s", repo.Name)), ctx.Err()
	}
	oids := map[string]string{}
	var entries []terraform.Entry
	for _, e := range tree.Entries {
		if e.GetType() == "blob" && e.GetMode() != symbolicLink {
			oids[e.GetPath()] = e.GetSHA()
			entries = append(entries, terraform.Entry{Path: e.GetPath(), Size: e.GetSize()})
		}
	}
	take, left := terraform.Choose(entries)
	out := terraform.Files{Unread: left}
	if tree.GetTruncated() { // GitHub Docs: Get a tree, "If truncated is true"
		out.Unread = append(out.Unread, terraform.Unread{Reason: "the repository has more files than GitHub lists at once"})
	}
	r := &reading{content: scan.RepositoryContent{Ref: scan.RepositoryRef{Name: repo.Name, NodeID: repo.NodeID}, Repository: inventory.Repository{Name: repo.Name}}, have: map[string]bool{}}
	var wanted []want
	for _, e := range take {
		wanted = append(wanted, want{reading: r, path: e.Path, oid: oids[e.Path]})
	}
	if err := c.fetch(ctx, wanted); err != nil {
		return out, err
	}
	if err := c.settle(ctx, r); err != nil {
		return out, err
	}
	for _, f := range r.content.Files {
		if f.Err != nil {
			out.Unread = append(out.Unread, terraform.Unread{Path: f.Path, Reason: f.Err.Error()})
			continue
		}
		out.Files = append(out.Files, terraform.File{Path: f.Path, Content: f.Content})
	}
	return out, nil
}

func unread(err error) terraform.Files {
	return terraform.Files{Unread: []terraform.Unread{{Reason: err.Error()}}}
}
