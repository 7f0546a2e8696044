package azuredevops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/unsecret-dev/unsecret/migrate/execute"
)

// The locations of pull requests' routes (azure-devops-go-api: git/client.go, policy/client.go).
var (
	gitPulls    = uuid.MustParse("9946fd70-0d40-406e-b686-b4744cbbcc37")
	gitThreads  = uuid.MustParse("ab6e2e5d-a0b7-4153-b64a-a4efe0d49449")
	gitStatuses = uuid.MustParse("b5f6bb4f-8d1e-4d79-8d11-4c9172c99c35")
	evaluations = uuid.MustParse("c23ddff5-229c-4d04-a80b-0fdce9f360c8")
)

// commitRef is a commit as a pull request names it.
type commitRef struct {
	CommitID string `json:"commitId"`
}

type pullJSON struct {
	ID          int       `json:"pullRequestId"`
	Status      string    `json:"status"` // active, abandoned or completed
	Source      string    `json:"sourceRefName"`
	Target      string    `json:"targetRefName"`
	MergeStatus string    `json:"mergeStatus"`
	Closed      time.Time `json:"closedDate"`
	SourceHead  commitRef `json:"lastMergeSourceCommit"`
	Merged      commitRef `json:"lastMergeCommit"`
	Repository  struct {
		Project struct {
			ID string `json:"id"`
		} `json:"project"`
	} `json:"repository"`
}

// pull is a pull request as gates see it. A merge status other than these two is not decided yet (Microsoft Learn: Pull Requests, PullRequestAsyncStatus).
func (g gitRepository) pull(p pullJSON) execute.PullRequest {
	out := execute.PullRequest{Number: p.ID, State: "open", Head: strings.TrimPrefix(p.Source, "refs/heads/"), Base: strings.TrimPrefix(p.Target, "refs/heads/"), HeadOID: p.SourceHead.CommitID,
		URL: g.url + "/" + url.PathEscape(g.project) + "/_git/" + url.PathEscape(g.name) + "/pullrequest/" + strconv.Itoa(p.ID)}
	switch p.Status {
	case "abandoned":
		out.State = "closed"
	case "completed":
		out.State, out.MergedAt, out.MergeCommit = "merged", p.Closed.UTC(), p.Merged.CommitID
	}
	switch p.MergeStatus {
	case "succeeded":
		out.Mergeable = new(true)
	case "conflicts":
		out.Mergeable = new(false)
	}
	return out
}

func (g gitRepository) read(ctx context.Context, number int) (pullJSON, error) {
	var p pullJSON
	if err := g.send(ctx, g.get(gitPulls, preview, g.route("pullRequestId", strconv.Itoa(number)), nil), &p); err != nil {
		return p, g.fail(err, "reading pull request %d", number)
	}
	if p.ID == 0 {
		return p, g.fail(execute.ErrNotFound, "reading pull request %d", number)
	}
	return p, nil
}

// maxDescription is the longest description of a pull request (Microsoft Learn: Pull Requests - Create: 4000 characters).
const maxDescription = 4000

// shortened keeps a description within the service's bound.
func shortened(body string) string {
	const tail = "\n\n(shortened)"
	if r := []rune(body); len(r) > maxDescription {
		return string(r[:maxDescription-len(tail)]) + tail
	}
	return body
}

func (g gitRepository) open(ctx context.Context, head, base, title, body string) (execute.PullRequest, error) {
	var p pullJSON
	request := map[string]string{"sourceRefName": "refs/heads/" + head, "targetRefName": "refs/heads/" + base, "title": title, "description": shortened(body)}
	if err := g.write(ctx, http.MethodPost, gitPulls, preview, g.route(), request, &p); err != nil {
		return execute.PullRequest{}, g.fail(err, "opening a pull request from %s to %s", head, base)
	}
	return g.pull(p), nil
}

// find gives the newest pull request from a branch: their numbers grow.
func (g gitRepository) find(ctx context.Context, head string) (execute.PullRequest, error) {
	query := url.Values{"searchCriteria.status": {"all"}, "searchCriteria.sourceRefName": {"refs/heads/" + head}}
	var answer struct {
		Value []pullJSON `json:"value"`
	}
	if err := g.send(ctx, g.get(gitPulls, preview, g.route(), query), &answer); err != nil {
		return execute.PullRequest{}, g.fail(err, "looking for a pull request from %s", head)
	}
	newest := pullJSON{}
	for _, p := range answer.Value {
		if p.Source == "refs/heads/"+head && p.ID > newest.ID {
			newest = p
		}
	}
	if newest.ID == 0 {
		return execute.PullRequest{}, g.fail(execute.ErrNotFound, "looking for a pull request from %s", head)
	}
	p, err := g.read(ctx, newest.ID)
	if err != nil {
		return execute.PullRequest{}, err
	}
	return g.pull(p), nil
}

func (g gitRepository) update(ctx context.Context, number int, change map[string]string) error {
	return g.write(ctx, http.MethodPatch, gitPulls, preview, g.route("pullRequestId", strconv.Itoa(number)), change, nil)
}

func (g gitRepository) abandon(ctx context.Context, number int, comment string) error {
	route := g.route("pullRequestId", strconv.Itoa(number))
	if comment != "" {
		thread := map[string]any{"status": "active", "comments": []map[string]any{{"parentCommentId": 0, "content": comment, "commentType": "text"}}}
		if err := g.write(ctx, http.MethodPost, gitThreads, preview, route, thread, nil); err != nil {
			return g.fail(err, "commenting on pull request %d", number)
		}
	}
	return g.fail(g.update(ctx, number, map[string]string{"status": "abandoned"}), "abandoning pull request %d", number)
}

// checks are the blocking policies of the target branch, and the statuses that others have posted. What the caller may not see is left out: the
// service itself still holds the merge.
func (g gitRepository) checks(ctx context.Context, pr execute.PullRequest) ([]execute.Check, error) {
	p, err := g.read(ctx, pr.Number)
	if err != nil {
		return nil, err
	}
	out, err := g.policies(ctx, p)
	if err = hidden(err); err != nil {
		return nil, err
	}
	statuses, err := g.statuses(ctx, p.ID)
	return append(out, statuses...), hidden(err)
}

func hidden(err error) error {
	if errors.Is(err, execute.ErrForbidden) || errors.Is(err, execute.ErrNotFound) {
		return nil
	}
	return err
}

// policies reads the evaluations of a pull request (Microsoft Learn: Policy Evaluations - List, which names the artifact so).
func (g gitRepository) policies(ctx context.Context, p pullJSON) ([]execute.Check, error) {
	var answer struct {
		Value []struct {
			Status        string `json:"status"`
			Configuration struct {
				IsBlocking bool `json:"isBlocking"`
				IsEnabled  bool `json:"isEnabled"`
				Type       struct {
					DisplayName string `json:"displayName"`
				} `json:"type"`
				Settings struct {
					DisplayName string `json:"displayName"`
				} `json:"settings"`
			} `json:"configuration"`
		} `json:"value"`
	}
	query := url.Values{"artifactId": {fmt.Sprintf("vstfs:///CodeReview/CodeReviewId/%s/%d", p.Repository.Project.ID, p.ID)}}
	if err := g.send(ctx, g.get(evaluations, preview, map[string]string{"project": g.project}, query), &answer); err != nil {
		return nil, g.fail(err, "reading the policies of pull request %d", p.ID)
	}
	var out []execute.Check
	for _, v := range answer.Value {
		if !v.Configuration.IsBlocking || !v.Configuration.IsEnabled {
			continue
		}
		status := strings.ToLower(v.Status)
		out = append(out, execute.Check{Name: cmp.Or(v.Configuration.Settings.DisplayName, v.Configuration.Type.DisplayName, "policy"),
			Completed: status != "queued" && status != "running", OK: status == "approved" || status == "notapplicable"})
	}
	return out, nil
}

// statuses gives the newest status of each name.
func (g gitRepository) statuses(ctx context.Context, number int) ([]execute.Check, error) {
	var answer struct {
		Value []struct {
			ID      int    `json:"id"`
			State   string `json:"state"`
			Context struct {
				Name  string `json:"name"`
				Genre string `json:"genre"`
			} `json:"context"`
		} `json:"value"`
	}
	if err := g.send(ctx, g.get(gitStatuses, preview, g.route("pullRequestId", strconv.Itoa(number)), nil), &answer); err != nil {
		return nil, g.fail(err, "reading the statuses of pull request %d", number)
	}
	newest := map[string]int{}
	for _, s := range answer.Value {
		name := s.Context.Genre + "/" + s.Context.Name
		newest[name] = max(newest[name], s.ID)
	}
	var out []execute.Check
	for _, s := range answer.Value {
		if newest[s.Context.Genre+"/"+s.Context.Name] != s.ID {
			continue
		}
		state := strings.ToLower(s.State)
		out = append(out, execute.Check{Name: s.Context.Name, Completed: state != "pending" && state != "notset", OK: state == "succeeded" || state == "notapplicable"})
	}
	return out, nil
}
