package github

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// Repository implements execute.Repositories.
func (c *Client) Repository(ctx context.Context, repo inventory.RepositoryName) (inventory.Repository, error) {
	r, err := c.get(ctx, repo)
	if err != nil {
		return inventory.Repository{}, err
	}
	c.remember(r.GetFullName(), r.GetID())
	result := inventory.Repository{
		Host: c.host, Name: inventory.RepositoryName(r.GetFullName()), ID: r.GetID(), NodeID: r.GetNodeID(), OwnerID: r.GetOwner().GetID(),
		DefaultBranch: r.GetDefaultBranch(), Visibility: r.GetVisibility(), Archived: r.GetArchived(), Fork: r.GetFork(), Files: []inventory.File{},
	}
	head, err := c.Branch(ctx, result.Name, result.DefaultBranch)
	if err != nil && !isNotFound(err) {
		return inventory.Repository{}, err
	}
	result.HeadOID = head
	return result, nil
}

// Blob implements execute.Repositories.
func (c *Client) Blob(ctx context.Context, repo inventory.RepositoryName, oid string) ([]byte, error) {
	owner, name, err := split(repo)
	if err != nil {
		return nil, err
	}
	content, _, err := c.rest.Git.GetBlobRaw(ctx, owner, name, oid)
	if err != nil {
		return nil, fail(err, false, "reading blob %s of %s", oid, repo)
	}
	if got := blobID(content); got != oid {
		return nil, fmt.Errorf("github: reading blob %s of %s: the bytes that came are those of %s; scan again", oid, repo, got)
	}
	return content, nil
}

// FileOID implements execute.Repositories.
func (c *Client) FileOID(ctx context.Context, repo inventory.RepositoryName, ref, file string) (string, error) {
	owner, name, err := split(repo)
	if err != nil {
		return "", err
	}
	content, _, _, err := c.rest.Repositories.GetContents(ctx, owner, name, file, &gh.RepositoryContentGetOptions{Ref: ref})
	switch {
	case err != nil:
		return "", fail(err, false, "looking for %s at %s in %s", file, ref, repo)
	case content == nil || content.GetType() != "file":
		return "", fmt.Errorf("github: looking for %s at %s in %s: %w: it is not a file", file, ref, repo, execute.ErrNotFound)
	}
	return content.GetSHA(), nil
}

// Branch implements execute.Repositories.
func (c *Client) Branch(ctx context.Context, repo inventory.RepositoryName, branch string) (string, error) {
	owner, name, err := split(repo)
	if err != nil {
		return "", err
	}
	ref, response, err := c.rest.Git.GetRef(ctx, owner, name, "heads/"+branch)
	switch {
	case err != nil && response != nil && response.StatusCode == http.StatusConflict: // the repository is empty
		return "", fmt.Errorf("github: reading branch %s of %s: %w: the repository is empty", branch, repo, execute.ErrNotFound)
	case err != nil:
		return "", fail(err, false, "reading branch %s of %s", branch, repo)
	case ref.GetRef() != "refs/heads/"+branch:
		return "", fmt.Errorf("github: reading branch %s of %s: %w", branch, repo, execute.ErrNotFound)
	}
	return ref.GetObject().GetSHA(), nil
}

// CreateBranch implements execute.Repositories.
func (c *Client) CreateBranch(ctx context.Context, repo inventory.RepositoryName, branch, oid string) error {
	owner, name, err := split(repo)
	if err != nil {
		return err
	}
	_, _, err = c.rest.Git.CreateRef(ctx, owner, name, &gh.Reference{Ref: new("refs/heads/" + branch), Object: &gh.GitObject{SHA: &oid}})
	return fail(err, true, "creating branch %s of %s", branch, repo)
}

// MoveBranch implements execute.Repositories.
func (c *Client) MoveBranch(ctx context.Context, repo inventory.RepositoryName, branch, oid string) error {
	owner, name, err := split(repo)
	if err != nil {
		return err
	}
	_, _, err = c.rest.Git.UpdateRef(ctx, owner, name, &gh.Reference{Ref: new("refs/heads/" + branch), Object: &gh.GitObject{SHA: &oid}}, true)
	return fail(err, true, "moving branch %s of %s", branch, repo)
}

// DeleteBranch implements execute.Repositories.
func (c *Client) DeleteBranch(ctx context.Context, repo inventory.RepositoryName, branch string) error {
	owner, name, err := split(repo)
	if err != nil {
		return err
	}
	_, err = c.rest.Git.DeleteRef(ctx, owner, name, "heads/"+branch)
	return fail(err, true, "deleting branch %s of %s", branch, repo)
}

const commitMutation = `mutation($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid } }
}`

// Commit implements execute.Repositories with createCommitOnBranch: the commit is signed by GitHub, takes the
// files byte for byte, and is refused when the branch has moved (GitHub Docs: GraphQL mutations).
func (c *Client) Commit(ctx context.Context, repo inventory.RepositoryName, branch, expectedHead, title, body string, files []execute.FileChange) (string, error) {
	additions := make([]map[string]any, 0, len(files))
	for _, f := range files {
		additions = append(additions, map[string]any{"path": f.Path, "contents": f.Content}) // []byte marshals to base64
	}
	message := map[string]any{"headline": title}
	if body != "" {
		message["body"] = body
	}
	input := map[string]any{
		"branch":          map[string]any{"repositoryNameWithOwner": string(repo), "branchName": branch},
		"expectedHeadOid": expectedHead,
		"message":         message,
		"fileChanges":     map[string]any{"additions": additions},
	}
	var data struct {
		CreateCommitOnBranch *struct {
			Commit *struct {
				OID string `json:"oid"`
			} `json:"commit"`
		} `json:"createCommitOnBranch"`
	}
	err := c.graphql(ctx, commitMutation, map[string]any{"input": input}, &data)
	switch {
	case err != nil:
		return "", fmt.Errorf("github: committing %d files to %s of %s: %w (a token needs the scope workflow, an app the permission Workflows: write)", len(files), branch, repo, err)
	case data.CreateCommitOnBranch == nil || data.CreateCommitOnBranch.Commit == nil:
		return "", fmt.Errorf("github: committing %d files to %s of %s: %w: the answer has no commit", len(files), branch, repo, execute.ErrUnknownOutcome)
	}
	return data.CreateCommitOnBranch.Commit.OID, nil
}

// runPages bounds how many runs are looked through.
const runPages = 10

// Runs implements execute.Repositories.
func (c *Client) Runs(ctx context.Context, repo inventory.RepositoryName, workflow string, since time.Time) ([]execute.Run, error) {
	owner, name, err := split(repo)
	if err != nil {
		return nil, err
	}
	since = since.UTC().Truncate(time.Second) // GitHub's times have no fractions
	options := &gh.ListWorkflowRunsOptions{Status: "completed", ListOptions: gh.ListOptions{PerPage: perPage}}
	if !since.IsZero() {
		options.Created = ">=" + since.Format(time.RFC3339)
	}
	var runs []execute.Run
	for range runPages {
		page, response, err := c.rest.Actions.ListWorkflowRunsByFileName(ctx, owner, name, path.Base(workflow), options)
		if err != nil {
			return nil, execute.Needing(permissions.GitHubActions, fail(err, false, "listing the runs of %s in %s", workflow, repo))
		}
		for _, r := range page.WorkflowRuns {
			if r.GetStatus() == "completed" && !r.GetCreatedAt().Before(since) {
				runs = append(runs, run(workflow, r))
			}
		}
		if options.Page = response.NextPage; options.Page == 0 {
			break
		}
	}
	slices.SortStableFunc(runs, func(a, b execute.Run) int { return b.Finished.Compare(a.Finished) })
	return runs, nil
}

func run(workflow string, r *gh.WorkflowRun) execute.Run {
	return execute.Run{
		ID: r.GetID(), Workflow: workflow, Event: r.GetEvent(), Branch: r.GetHeadBranch(), HeadOID: r.GetHeadSHA(),
		Conclusion: r.GetConclusion(), Finished: r.GetUpdatedAt().UTC(), URL: r.GetHTMLURL(),
	}
}
