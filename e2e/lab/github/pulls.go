package github

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// pullHandler answers a request about one pull request.
type pullHandler func(*call, *world.Pull) answer

func onPull(h pullHandler) handler {
	return func(c *call) answer {
		n, err := strconv.Atoi(c.r.PathValue("number"))
		if err != nil {
			return notFound
		}
		p := c.repo.Pull(n)
		if p == nil {
			return notFound
		}
		return h(c, p)
	}
}

func pulls(c *call) answer {
	q := c.r.URL.Query()
	state, head, base := q.Get("state"), q.Get("head"), q.Get("base")
	if state == "" {
		state = "open"
	}
	var found []*world.Pull
	for _, p := range slices.Backward(c.repo.Pulls) { // newest first
		if (state == "all" || p.State == state) && (base == "" || p.Base == base) && c.matchesHead(p, head) {
			found = append(found, p)
		}
	}
	if q.Get("direction") == "asc" {
		slices.Reverse(found)
	}
	return list(c, "", found, c.simplePull)
}

// matchesHead applies the head filter, "user:branch". Without the owner the service ignores it.
func (c *call) matchesHead(p *world.Pull, head string) bool {
	owner, name, ok := strings.Cut(head, ":")
	return !ok || strings.EqualFold(owner, c.repo.Owner) && name == p.Head
}

func createPull(c *call) answer {
	var in struct{ Title, Body, Head, Base string }
	if a, ok := c.decode(&in); !ok {
		return a
	}
	if owner, name, ok := strings.Cut(in.Head, ":"); ok && strings.EqualFold(owner, c.repo.Owner) {
		in.Head = name
	}
	if errs := c.pullErrors(in.Title, in.Head, in.Base); len(errs) > 0 {
		return invalid(errs...)
	}
	p := c.w.OpenPull(c.repo, in.Head, in.Base, in.Title, in.Body, c.token.Login)
	return made(c.fullPull(p))
}

func (c *call) pullErrors(title, head, base string) []m {
	wrong := func(field, code string) []m {
		return []m{{"resource": "PullRequest", "field": field, "code": code}}
	}
	custom := func(message string) []m {
		return []m{{"resource": "PullRequest", "code": "custom", "message": message}}
	}
	headOID, baseOID := c.repo.Head(head), c.repo.Head(base)
	switch {
	case title == "":
		return wrong("title", "missing_field")
	case headOID == "":
		return wrong("head", "invalid")
	case baseOID == "":
		return wrong("base", "invalid")
	case slices.ContainsFunc(c.repo.Pulls, func(p *world.Pull) bool { return p.State == "open" && p.Head == head && p.Base == base }):
		return custom("A pull request already exists for " + c.repo.Owner + ":" + head + ".")
	case c.repo.Ahead(baseOID, headOID) == 0:
		return custom("No commits between " + base + " and " + head)
	}
	return nil
}

// state is what the service says about merging an open pull request.
func (c *call) state(p *world.Pull) (mergeable any, state string) {
	switch {
	case p.State != "open" || !c.w.Knobs.AutoMergeable && !p.Asked:
		return nil, "unknown"
	case c.repo.Conflict(p) != "":
		return false, "dirty"
	case c.repo.Blocked(p) != "":
		return true, "blocked"
	}
	return true, "clean"
}

func (c *call) simplePull(p *world.Pull) m {
	u := c.repoURL(c.repo) + "/pulls/" + strconv.Itoa(p.Number)
	html := c.htmlURL(c.repo) + "/pull/" + strconv.Itoa(p.Number)
	issue := c.repoURL(c.repo) + "/issues/" + strconv.Itoa(p.Number)
	statuses := c.repoURL(c.repo) + "/statuses/" + p.HeadOID
	side := func(branch, oid string) m {
		return m{"label": c.repo.Owner + ":" + branch, "ref": branch, "sha": oid, "user": c.person(c.repo.Owner), "repo": c.fullRepo(c.repo)}
	}
	var merge any
	if p.Merged {
		merge = p.MergeCommit
	} else if mergeable, _ := c.state(p); mergeable == true {
		merge = c.w.TestMerge(c.repo, p)
	}
	href := func(url string) m { return m{"href": url} }
	return m{
		"id": p.ID, "node_id": p.NodeID, "number": p.Number, "state": p.State, "title": p.Title, "body": p.Body, "url": u,
		"html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch", "issue_url": issue,
		"commits_url": u + "/commits", "review_comments_url": u + "/comments", "comments_url": issue + "/comments",
		"review_comment_url": c.repoURL(c.repo) + "/pulls/comments{/number}", "statuses_url": statuses,
		"user": c.person(p.Author), "labels": []m{}, "milestone": nil, "assignee": nil, "assignees": []m{}, "requested_reviewers": []m{},
		"requested_teams": []m{}, "locked": false, "draft": false, "auto_merge": nil, "author_association": "MEMBER",
		"created_at": stamp(p.Created), "updated_at": stamp(p.Created), "closed_at": orNull(p.ClosedAt), "merged_at": orNull(p.MergedAt),
		"merge_commit_sha": merge, "head": side(p.Head, p.HeadOID), "base": side(p.Base, p.BaseOID),
		"_links": m{
			"self": href(u), "html": href(html), "issue": href(issue), "comments": href(issue + "/comments"),
			"review_comments": href(u + "/comments"), "review_comment": href(c.repoURL(c.repo) + "/pulls/comments{/number}"),
			"commits": href(u + "/commits"), "statuses": href(statuses),
		},
	}
}

func (c *call) fullPull(p *world.Pull) m {
	mergeable, state := c.state(p)
	p.Asked = true
	added, deleted, changed := c.repo.Changes(p)
	var by any
	if p.Merged {
		by = c.person(p.MergedBy)
	}
	return with(c.simplePull(p), m{
		"merged": p.Merged, "mergeable": mergeable, "mergeable_state": state, "rebaseable": false, "merged_by": by,
		"comments": len(p.Comments), "review_comments": 0, "maintainer_can_modify": false,
		"commits": c.repo.Ahead(p.BaseOID, p.HeadOID), "additions": added, "deletions": deleted, "changed_files": changed,
	})
}

func getPull(c *call, p *world.Pull) answer { return ok(c.fullPull(p)) }

func updatePull(c *call, p *world.Pull) answer {
	var in struct{ Title, Body, State *string }
	if a, ok := c.decode(&in); !ok {
		return a
	}
	if in.Title != nil {
		p.Title = *in.Title
	}
	if in.Body != nil {
		p.Body = *in.Body
	}
	switch {
	case in.State == nil || *in.State == p.State:
	case *in.State == "closed":
		p.State, p.ClosedAt = "closed", c.w.Clock.Now()
	case p.Merged || c.repo.Head(p.Head) == "":
		return invalid(m{"resource": "PullRequest", "field": "state", "code": "invalid"})
	default:
		p.State, p.ClosedAt, p.HeadOID = "open", time.Time{}, c.repo.Head(p.Head)
	}
	return ok(c.fullPull(p))
}

func isMerged(_ *call, p *world.Pull) answer {
	if p.Merged {
		return done()
	}
	return notFound
}

func mergePull(c *call, p *world.Pull) answer {
	var in struct {
		SHA           string
		Method        string `json:"merge_method"`
		Title         string `json:"commit_title"`
		CommitMessage string `json:"commit_message"`
	}
	if a, ok := c.decode(&in); !ok {
		return a
	}
	rule := c.repo.Protection[p.Base]
	switch {
	case p.State != "open" || c.repo.Conflict(p) != "":
		return fail(http.StatusMethodNotAllowed, "Pull Request is not mergeable")
	case in.SHA != "" && in.SHA != p.HeadOID:
		return fail(http.StatusConflict, "Head branch was modified. Review and try the merge again.")
	case c.repo.Blocked(p) != "":
		return fail(http.StatusMethodNotAllowed, c.repo.Blocked(p))
	case in.Method == "rebase":
		return fail(http.StatusMethodNotAllowed, "Rebase merges are not allowed on this repository.")
	case in.Method != "squash" && rule != nil && rule.LinearHistory:
		return fail(http.StatusMethodNotAllowed, "Merge commits are not allowed on this repository.")
	}
	before := c.repo.Head(p.Base)
	message := in.Title
	if message == "" {
		message = "Merge pull request #" + strconv.Itoa(p.Number) + " from " + c.repo.Owner + "/" + p.Head
	}
	oid, err := c.w.Merge(c.repo, p, message+"\n\n"+in.CommitMessage, c.token.Login, in.Method == "squash")
	if err != nil {
		return fail(http.StatusMethodNotAllowed, "Pull Request is not mergeable")
	}
	c.moved(c.repo, "refs/heads/"+p.Base, before, oid)
	return ok(m{"sha": oid, "merged": true, "message": "Pull Request successfully merged"})
}

func updateBranch(c *call, p *world.Pull) answer {
	var in struct {
		Expected string `json:"expected_head_sha"`
	}
	if a, ok := c.decode(&in); !ok {
		return a
	}
	switch {
	case in.Expected != "" && in.Expected != p.HeadOID:
		return fail(http.StatusUnprocessableEntity, "expected head sha didn’t match current head ref.")
	case p.State != "open":
		return fail(http.StatusUnprocessableEntity, "Cannot update pull request since it is closed.")
	case c.repo.Ahead(p.HeadOID, c.repo.Head(p.Base)) == 0:
		return fail(http.StatusUnprocessableEntity, "There are no new commits on the base branch.")
	}
	before := p.HeadOID
	oid, err := c.w.UpdatePullBranch(c.repo, p, c.token.Login)
	if err != nil {
		return fail(http.StatusUnprocessableEntity, "merge conflict between base and head")
	}
	c.moved(c.repo, "refs/heads/"+p.Head, before, oid)
	return answer{status: http.StatusAccepted, body: m{
		"message": "Updating pull request branch.", "url": c.htmlURL(c.repo) + "/pull/" + strconv.Itoa(p.Number),
	}}
}

func comments(c *call, p *world.Pull) answer {
	return list(c, "", commentNumbers(p), func(i int) m { return c.comment(p, i) })
}

func commentNumbers(p *world.Pull) []int {
	out := make([]int, len(p.Comments))
	for i := range out {
		out[i] = i
	}
	return out
}

func (c *call) comment(p *world.Pull, i int) m {
	id := p.ID*1000 + int64(i)
	return m{
		"id": id, "node_id": "IC_" + strconv.FormatInt(id, 36), "body": p.Comments[i], "user": c.person(p.Author),
		"url":        c.repoURL(c.repo) + "/issues/comments/" + strconv.FormatInt(id, 10),
		"html_url":   c.htmlURL(c.repo) + "/pull/" + strconv.Itoa(p.Number) + "#issuecomment-" + strconv.FormatInt(id, 10),
		"issue_url":  c.repoURL(c.repo) + "/issues/" + strconv.Itoa(p.Number),
		"created_at": stamp(p.Created), "updated_at": stamp(p.Created), "author_association": "MEMBER",
	}
}

func comment(c *call, p *world.Pull) answer {
	var in struct{ Body string }
	if a, ok := c.decode(&in); !ok {
		return a
	}
	if in.Body == "" {
		return invalid(m{"resource": "IssueComment", "field": "data", "code": "unprocessable", "message": "Body cannot be blank"})
	}
	p.Comments = append(p.Comments, in.Body)
	return made(c.comment(p, len(p.Comments)-1))
}
