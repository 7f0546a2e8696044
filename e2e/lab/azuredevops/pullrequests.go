package azuredevops

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// pullInput is what a caller sends for a pull request.
type pullInput struct {
	Title         *string `json:"title"`
	Description   *string `json:"description"`
	SourceRefName string  `json:"sourceRefName"`
	TargetRefName string  `json:"targetRefName"`
	Status        string  `json:"status"`
	LastMerge     *struct {
		CommitID string `json:"commitId"`
	} `json:"lastMergeSourceCommit"`
	Completion *struct {
		DeleteSourceBranch bool   `json:"deleteSourceBranch"`
		MergeStrategy      string `json:"mergeStrategy"`
	} `json:"completionOptions"`
}

func (c *call) createPull() (answer, error) {
	r, err := c.repo()
	if err != nil {
		return answer{}, err
	}
	in, err := decode[pullInput](c.body)
	if err != nil {
		return answer{}, err
	}
	source, target := strings.TrimPrefix(in.SourceRefName, "refs/heads/"), strings.TrimPrefix(in.TargetRefName, "refs/heads/")
	for _, b := range []string{source, target} {
		if r.Git.Head(b) == "" {
			return answer{}, argument("TF401398: The pull request cannot be activated because the source and/or the target branch no longer exists, or the requested refs are not valid: %s", b)
		}
	}
	for _, p := range r.Git.Pulls {
		if p.State == "open" && p.Head == source && p.Base == target {
			return answer{}, &apiError{http.StatusConflict, "TF401179: An active pull request for the source and target branch already exists.",
				"Microsoft.TeamFoundation.Git.Server.GitPullRequestExistsException, Microsoft.TeamFoundation.Git.Server", eventFramework}
		}
	}
	if in.Title == nil || *in.Title == "" {
		return answer{}, argumentNull("title")
	}
	p := c.w.OpenPull(r.Git, source, target, *in.Title, text(in.Description), c.token.Login)
	return answer{status: http.StatusCreated, body: c.showPull(r, p)}, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (c *call) listPulls() (answer, error) {
	r, err := c.repo()
	if err != nil {
		return answer{}, err
	}
	status := strings.ToLower(c.query("searchCriteria.status"))
	var found []*world.Pull
	for _, p := range r.Git.Pulls {
		byStatus := status == "all" || pullStatus(p) == status || status == "" && p.State == "open"
		bySource := c.query("searchCriteria.sourceRefName") == "" || c.query("searchCriteria.sourceRefName") == "refs/heads/"+p.Head
		if byStatus && bySource {
			found = append(found, p)
		}
	}
	return paged(c, found, 101, func(p *world.Pull) map[string]any { return c.showPull(r, p) })
}

func (c *call) pull() (*world.DevOpsRepo, *world.Pull, error) {
	r, err := c.repo()
	if err != nil {
		return nil, nil, err
	}
	n, _ := strconv.Atoi(c.vars["pull"])
	if p := r.Git.Pull(n); p != nil {
		return r, p, nil
	}
	return nil, nil, notFound("Microsoft.TeamFoundation.Git.Server.GitPullRequestNotFoundException, Microsoft.TeamFoundation.Git.Server",
		"TF401180: The requested pull request was not found.")
}

func (c *call) getPull() (answer, error) {
	r, p, err := c.pull()
	if err != nil {
		return answer{}, err
	}
	return ok(c.showPull(r, p)), nil
}

// updatePull changes a pull request's texts, or abandons, reactivates or completes it. Completing asks for the commit that
// the caller looked at.
func (c *call) updatePull() (answer, error) {
	r, p, err := c.pull()
	if err != nil {
		return answer{}, err
	}
	in, err := decode[pullInput](c.body)
	if err != nil {
		return answer{}, err
	}
	if in.Title != nil {
		p.Title = *in.Title
	}
	if in.Description != nil {
		p.Body = *in.Description
	}
	switch strings.ToLower(in.Status) {
	case "":
	case "abandoned":
		p.State, p.ClosedAt = "closed", c.w.Clock.Now()
	case "active":
		p.State, p.ClosedAt = "open", time.Time{}
	case "completed":
		if err := c.complete(r, p, in); err != nil {
			return answer{}, err
		}
	default:
		return answer{}, argument("The status %s is not valid.", in.Status)
	}
	return ok(c.showPull(r, p)), nil
}

func (c *call) complete(r *world.DevOpsRepo, p *world.Pull, in pullInput) error {
	refused := func(message string) error {
		return &apiError{http.StatusConflict, message, "Microsoft.TeamFoundation.Git.Server.GitPullRequestCannotBeCompletedException, Microsoft.TeamFoundation.Git.Server", eventFramework}
	}
	if in.LastMerge == nil || in.LastMerge.CommitID != p.HeadOID {
		return refused("TF401192: The pull request's source branch has moved since it was last looked at; lastMergeSourceCommit does not match.")
	}
	if why := r.Git.Blocked(p); why != "" {
		return refused("TF401181: The pull request cannot be completed: " + why)
	}
	squash := in.Completion != nil && strings.EqualFold(in.Completion.MergeStrategy, "squash")
	message := "Merged PR " + strconv.Itoa(p.Number) + ": " + p.Title
	if _, err := c.w.Merge(r.Git, p, message, c.token.Login, squash); err != nil {
		return refused("TF401181: " + err.Error())
	}
	if in.Completion != nil && in.Completion.DeleteSourceBranch {
		delete(r.Git.Refs, "refs/heads/"+p.Head)
	}
	return nil
}

func pullStatus(p *world.Pull) string {
	switch {
	case p.Merged:
		return "completed"
	case p.State == "open":
		return "active"
	}
	return "abandoned"
}

func (c *call) showPull(r *world.DevOpsRepo, p *world.Pull) map[string]any {
	merge := "succeeded"
	switch {
	case p.State == "open" && r.Git.Head(p.Head) == "":
		merge = "failure"
	case p.State == "open" && r.Git.Conflict(p) != "":
		merge = "conflicts"
	}
	shown := map[string]any{
		"repository": c.showRepo(r), "pullRequestId": p.Number, "codeReviewId": p.Number, "status": pullStatus(p), "createdBy": personRef(p.Author),
		"creationDate": p.Created.UTC().Format(time.RFC3339), "title": p.Title, "description": p.Body,
		"sourceRefName": "refs/heads/" + p.Head, "targetRefName": "refs/heads/" + p.Base, "mergeStatus": merge, "isDraft": false,
		"lastMergeSourceCommit": map[string]string{"commitId": p.HeadOID, "url": c.repoURL(r) + "/commits/" + p.HeadOID},
		"lastMergeTargetCommit": map[string]string{"commitId": p.BaseOID, "url": c.repoURL(r) + "/commits/" + p.BaseOID},
		"url":                   c.repoURL(r) + "/pullRequests/" + strconv.Itoa(p.Number),
	}
	if p.Merged {
		shown["lastMergeCommit"] = map[string]string{"commitId": p.MergeCommit, "url": c.repoURL(r) + "/commits/" + url.PathEscape(p.MergeCommit)}
	}
	if !p.ClosedAt.IsZero() {
		shown["closedDate"] = p.ClosedAt.UTC().Format(time.RFC3339)
	}
	return shown
}
