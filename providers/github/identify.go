package github

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/identify"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

var (
	_ identify.Repositories = (*Client)(nil)
	_ identify.Host         = (*Client)(nil)
)

// WorkflowRuns implements identify.Repositories with one request.
func (c *Client) WorkflowRuns(ctx context.Context, repo inventory.RepositoryName, file string, since time.Time) ([]identify.Run, error) {
	owner, name, err := split(repo)
	if err != nil {
		return nil, err
	}
	options := &gh.ListWorkflowRunsOptions{Status: "completed", Created: ">=" + since.UTC().Format(time.RFC3339), ListOptions: gh.ListOptions{PerPage: perPage}}
	page, _, err := c.rest.Actions.ListWorkflowRunsByFileName(ctx, owner, name, path.Base(file), options)
	if err != nil {
		return nil, fail(err, false, "listing the runs of %s in %s", file, repo)
	}
	var runs []identify.Run
	for _, r := range page.WorkflowRuns {
		started := r.GetRunStartedAt().UTC()
		if started.IsZero() {
			started = r.GetCreatedAt().UTC()
		}
		runs = append(runs, identify.Run{ID: r.GetID(), Started: started, Finished: r.GetUpdatedAt().UTC(), OK: r.GetConclusion() == "success"})
	}
	return runs, nil
}

// OpenBranch implements identify.Host. The commit has no parent and one file, so that no other workflow of the repository listens to the
// push: those that run are the pushed commit's own (GitHub Docs: "Triggering a workflow").
func (c *Client) OpenBranch(ctx context.Context, repo inventory.RepositoryName, branch, title string, files []execute.FileChange) error {
	owner, name, err := split(repo)
	if err != nil {
		return err
	}
	entries := make([]*gh.TreeEntry, 0, len(files))
	for _, f := range files {
		entries = append(entries, &gh.TreeEntry{Path: new(f.Path), Mode: new("100644"), Type: new("blob"), Content: new(string(f.Content))})
	}
	const needs = "(a token needs the scope workflow, an app the permissions Contents: write and Workflows: write)"
	tree, _, err := c.rest.Git.CreateTree(ctx, owner, name, "", entries)
	if err != nil {
		return fmt.Errorf("%w %s", fail(err, true, "writing the tree of branch %s of %s", branch, repo), needs)
	}
	commit, _, err := c.rest.Git.CreateCommit(ctx, owner, name, &gh.Commit{Message: &title, Tree: &gh.Tree{SHA: tree.SHA}, Parents: []*gh.Commit{}}, nil)
	if err != nil {
		return fmt.Errorf("%w %s", fail(err, true, "writing the commit of branch %s of %s", branch, repo), needs)
	}
	if err := c.CreateBranch(ctx, repo, branch, commit.GetSHA()); err != nil {
		return fmt.Errorf("%w %s", err, needs)
	}
	return nil
}

// BranchRuns implements identify.Host.
func (c *Client) BranchRuns(ctx context.Context, repo inventory.RepositoryName, branch string) ([]identify.ProbeRun, error) {
	owner, name, err := split(repo)
	if err != nil {
		return nil, err
	}
	page, _, err := c.rest.Actions.ListRepositoryWorkflowRuns(ctx, owner, name, &gh.ListWorkflowRunsOptions{Branch: branch, ListOptions: gh.ListOptions{PerPage: perPage}})
	if err != nil {
		return nil, fail(err, false, "listing the runs on branch %s of %s", branch, repo)
	}
	var runs []identify.ProbeRun
	for _, r := range page.WorkflowRuns {
		if r.GetHeadBranch() != branch {
			continue // the filter of some servers is a prefix
		}
		runs = append(runs, identify.ProbeRun{ID: r.GetID(), Completed: r.GetStatus() == "completed", Waiting: r.GetStatus() == "waiting", Conclusion: r.GetConclusion()})
	}
	return runs, nil
}

// JobNotes implements identify.Host: a job is a check run, whose annotations the same host serves, unlike its log.
func (c *Client) JobNotes(ctx context.Context, repo inventory.RepositoryName, run int64) ([]identify.JobNotes, error) {
	owner, name, err := split(repo)
	if err != nil {
		return nil, err
	}
	jobs, err := c.jobs(ctx, repo, run, perPage)
	if err != nil {
		return nil, err
	}
	var out []identify.JobNotes
	for _, j := range jobs {
		notes, _, err := c.rest.Checks.ListCheckRunAnnotations(ctx, owner, name, j.GetID(), &gh.ListOptions{PerPage: perPage})
		if err != nil {
			return nil, fail(err, false, "reading the annotations of job %s in run %d of %s (a token needs Checks: read)", j.GetName(), run, repo)
		}
		job := identify.JobNotes{Job: j.GetName(), Conclusion: j.GetConclusion()}
		for _, n := range notes {
			job.Notes = append(job.Notes, identify.Note{Level: n.GetAnnotationLevel(), Title: n.GetTitle(), Message: n.GetMessage()})
		}
		out = append(out, job)
	}
	return out, nil
}

// jobs lists the first jobs of a run, at most so many.
func (c *Client) jobs(ctx context.Context, repo inventory.RepositoryName, run int64, most int) ([]*gh.WorkflowJob, error) {
	owner, name, err := split(repo)
	if err != nil {
		return nil, err
	}
	list, _, err := c.rest.Actions.ListWorkflowJobs(ctx, owner, name, run, &gh.ListWorkflowJobsOptions{ListOptions: gh.ListOptions{PerPage: most}})
	if err != nil {
		return nil, fail(err, false, "listing the jobs of run %d of %s", run, repo)
	}
	return list.Jobs, nil
}

// CancelRun implements identify.Host.
func (c *Client) CancelRun(ctx context.Context, repo inventory.RepositoryName, run int64) error {
	owner, name, err := split(repo)
	if err != nil {
		return err
	}
	_, err = c.rest.Actions.CancelWorkflowRunByID(ctx, owner, name, run)
	if accepted := (*gh.AcceptedError)(nil); errors.As(err, &accepted) {
		return nil // asked for; it ends in a while
	}
	return fail(err, true, "cancelling run %d of %s", run, repo)
}

// DeleteRun implements identify.Host.
func (c *Client) DeleteRun(ctx context.Context, repo inventory.RepositoryName, run int64) error {
	owner, name, err := split(repo)
	if err != nil {
		return err
	}
	_, err = c.rest.Actions.DeleteWorkflowRun(ctx, owner, name, run)
	return fail(err, true, "deleting run %d of %s", run, repo)
}
