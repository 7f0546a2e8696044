package github

import (
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// workflowID is a workflow's number: the service counts them, the lab derives one from the path.
func workflowID(r *world.Repo, path string) int64 {
	h := fnv.New32a()
	h.Write([]byte(r.FullName() + ":" + path))
	return int64(h.Sum32())
}

const workflowDir = ".github/workflows/"

// workflowPaths lists the workflow files on the default branch. Files in directories below are no workflows.
func workflowPaths(r *world.Repo) []string {
	var out []string
	for path := range r.Tree("HEAD") {
		name, ok := strings.CutPrefix(path, workflowDir)
		if ok && !strings.Contains(name, "/") && (strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".yaml")) {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// findWorkflow finds a workflow by its file name or number. A workflow whose file is gone still has its runs.
func (c *call) findWorkflow() (path string, exists bool) {
	id := c.r.PathValue("workflow")
	paths := workflowPaths(c.repo)
	for _, run := range c.repo.Runs {
		paths = append(paths, run.Workflow)
	}
	for _, p := range paths {
		if p == workflowDir+id || p == id || strconv.FormatInt(workflowID(c.repo, p), 10) == id {
			return p, true
		}
	}
	return "", false
}

func (c *call) workflowFile(path string) m {
	u := c.repoURL(c.repo) + "/actions/workflows/" + strconv.FormatInt(workflowID(c.repo, path), 10)
	name := path
	var file struct{ Name string }
	if err := yaml.Unmarshal(c.repo.Files("HEAD")[path], &file); err == nil && file.Name != "" {
		name = file.Name
	}
	return m{
		"id": workflowID(c.repo, path), "node_id": world.NodeID("W", workflowID(c.repo, path)), "name": name, "path": path, "state": "active",
		"created_at": stamp(c.repo.Created), "updated_at": stamp(c.repo.Created), "url": u,
		"html_url":  c.htmlURL(c.repo) + "/blob/" + c.repo.DefaultBranch + "/" + path,
		"badge_url": c.htmlURL(c.repo) + "/workflows/" + strconv.FormatInt(workflowID(c.repo, path), 10) + "/badge.svg",
	}
}

func workflows(c *call) answer {
	return list(c, "workflows", workflowPaths(c.repo), c.workflowFile)
}

func workflow(c *call) answer {
	path, exists := c.findWorkflow()
	if !exists {
		return notFound
	}
	return ok(c.workflowFile(path))
}

// runs lists runs, newest first, of the repository or of one workflow.
func runs(c *call) answer {
	only := ""
	if c.r.PathValue("workflow") != "" {
		path, exists := c.findWorkflow()
		if !exists {
			return notFound
		}
		only = path
	}
	q := c.r.URL.Query()
	var found []*world.WorkflowRun
	for _, run := range c.repo.Runs {
		matches := (only == "" || run.Workflow == only) && matchesQuery(q.Get("branch"), run.Branch) &&
			matchesQuery(q.Get("event"), run.Event) && matchesQuery(q.Get("head_sha"), run.HeadOID) &&
			(matchesQuery(q.Get("status"), run.Status) || q.Get("status") == run.Conclusion) && within(q.Get("created"), run.Created)
		if matches {
			found = append(found, run)
		}
	}
	slices.SortStableFunc(found, func(a, b *world.WorkflowRun) int { return b.Created.Compare(a.Created) })
	return list(c, "workflow_runs", found, c.run)
}

func matchesQuery(want, have string) bool { return want == "" || want == have }

// within applies a date filter of the search syntax: >=T, >T, <=T, <T, A..B or a day (GitHub Docs:
// "Understanding the search syntax").
func within(filter string, t time.Time) bool {
	t = t.Truncate(time.Second)
	if from, to, ok := strings.Cut(filter, ".."); ok {
		return (from == "*" || !t.Before(day(from, false))) && (to == "*" || !t.After(day(to, true)))
	}
	switch {
	case filter == "":
		return true
	case strings.HasPrefix(filter, ">="):
		return !t.Before(day(filter[2:], false))
	case strings.HasPrefix(filter, "<="):
		return !t.After(day(filter[2:], true))
	case filter[0] == '>':
		return t.After(day(filter[1:], true))
	case filter[0] == '<':
		return t.Before(day(filter[1:], false))
	}
	return !t.Before(day(filter, false)) && !t.After(day(filter, true))
}

// day reads a time, or a day, of which it gives the first or the last second.
func day(s string, end bool) time.Time {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t
	}
	t, err := time.Parse(time.DateOnly, s)
	if err == nil && end {
		t = t.Add(24*time.Hour - time.Second)
	}
	return t
}

func (c *call) run(r *world.WorkflowRun) m {
	id := strconv.FormatInt(r.ID, 10)
	u := c.repoURL(c.repo) + "/actions/runs/" + id
	number := slices.Index(c.repo.Runs, r) + 1
	return m{
		"id": r.ID, "node_id": world.NodeID("WFR", r.ID), "name": r.Name, "display_title": r.Name, "path": r.Workflow, "event": r.Event,
		"head_branch": r.Branch, "head_sha": r.HeadOID, "status": r.Status, "conclusion": orNil(r.Conclusion), "run_number": number, "run_attempt": 1,
		"workflow_id": workflowID(c.repo, r.Workflow), "url": u, "html_url": c.htmlURL(c.repo) + "/actions/runs/" + id,
		"created_at": stamp(r.Created), "updated_at": stamp(r.Updated), "run_started_at": stamp(r.Created),
		"jobs_url": u + "/jobs", "logs_url": u + "/logs", "check_suite_url": c.repoURL(c.repo) + "/check-suites/" + id,
		"artifacts_url": u + "/artifacts", "cancel_url": u + "/cancel", "rerun_url": u + "/rerun",
		"workflow_url":  c.repoURL(c.repo) + "/actions/workflows/" + strconv.FormatInt(workflowID(c.repo, r.Workflow), 10),
		"pull_requests": []m{}, "head_commit": c.headCommit(r.HeadOID),
		"repository": c.minimalRepo(c.repo), "head_repository": c.minimalRepo(c.repo),
	}
}

func (c *call) headCommit(oid string) any {
	k := c.repo.Commits[oid]
	if k == nil {
		return nil
	}
	who := m{"name": k.Author, "email": k.Author + "@users.noreply.github.com"}
	return m{"id": k.OID, "tree_id": k.Tree, "message": k.Message, "timestamp": stamp(k.Time), "author": who, "committer": who}
}

func (c *call) findRun() *world.WorkflowRun {
	for _, r := range c.repo.Runs {
		if strconv.FormatInt(r.ID, 10) == c.r.PathValue("run") {
			return r
		}
	}
	return nil
}

// orNil is null for an empty text.
func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// cancelRun ends a run that has not ended.
func cancelRun(c *call) answer {
	r := c.findRun()
	switch {
	case r == nil:
		return notFound
	case r.Status == "completed":
		return fail(http.StatusConflict, "Cannot cancel a workflow run that is completed.")
	}
	r.Status, r.Conclusion, r.Updated = "completed", "cancelled", c.w.Clock.Now()
	for _, j := range r.Jobs {
		if j.Conclusion == "" {
			j.Conclusion = "cancelled"
		}
	}
	return answer{status: http.StatusAccepted, body: m{}}
}

// deleteRun deletes a run that has ended, with its jobs and logs. What is answered for one that has not is not described.
func deleteRun(c *call) answer {
	r := c.findRun()
	switch {
	case r == nil:
		return notFound
	case r.Status != "completed":
		return fail(http.StatusForbidden, "Could not delete the workflow run")
	}
	c.repo.Runs = slices.DeleteFunc(c.repo.Runs, func(x *world.WorkflowRun) bool { return x == r })
	return done()
}

func run(c *call) answer {
	r := c.findRun()
	if r == nil {
		return notFound
	}
	return ok(c.run(r))
}

func runJobs(c *call) answer {
	r := c.findRun()
	if r == nil {
		return notFound
	}
	numbers := make([]int, len(r.Jobs))
	for i := range numbers {
		numbers[i] = i
	}
	return list(c, "jobs", numbers, func(i int) m { return c.job(r, i) })
}

// job shows a job with a step for each sign-in to Azure that it tried.
func (c *call) job(r *world.WorkflowRun, i int) m {
	j := r.Jobs[i]
	id := jobID(r, i)
	text := strconv.FormatInt(id, 10)
	steps := []m{}
	for n, l := range j.Logins {
		conclusion := "success"
		if !l.OK {
			conclusion = "failure"
		}
		steps = append(steps, m{
			"name": l.Step, "number": n + 1, "status": "completed", "conclusion": conclusion,
			"started_at": stamp(r.Created), "completed_at": stamp(r.Updated),
		})
	}
	return m{
		"id": id, "node_id": world.NodeID("CR", r.ID, int64(i)), "run_id": r.ID, "run_attempt": 1, "name": j.Name, "workflow_name": r.Name,
		"head_branch": r.Branch, "head_sha": r.HeadOID, "status": r.Status, "conclusion": orNil(j.Conclusion), "steps": steps,
		"run_url": c.repoURL(c.repo) + "/actions/runs/" + strconv.FormatInt(r.ID, 10), "url": c.repoURL(c.repo) + "/actions/jobs/" + text,
		"html_url":      c.htmlURL(c.repo) + "/actions/runs/" + strconv.FormatInt(r.ID, 10) + "/job/" + text,
		"check_run_url": c.repoURL(c.repo) + "/check-runs/" + text, "labels": []string{"ubuntu-latest"},
		"created_at": stamp(r.Created), "started_at": stamp(r.Created), "completed_at": stamp(r.Updated),
		"runner_id": nil, "runner_name": nil, "runner_group_id": nil, "runner_group_name": nil,
	}
}

// dispatch starts a workflow that has the workflow_dispatch trigger at the ref that was asked for. It must also
// be on the default branch (GitHub Docs: "Manually running a workflow").
func dispatch(c *call) answer {
	var in struct {
		Ref    string
		Inputs map[string]any
	}
	if a, ok := c.decode(&in); !ok {
		return a
	}
	path, exists := c.findWorkflow()
	if !exists || c.repo.Tree("HEAD")[path] == "" {
		return notFound
	}
	ref := in.Ref
	for _, full := range []string{"refs/heads/" + in.Ref, "refs/tags/" + in.Ref} {
		if c.repo.Refs[full] != "" {
			ref = full
		}
	}
	switch {
	case c.repo.Refs[ref] == "":
		return fail(http.StatusUnprocessableEntity, "No ref found for: "+in.Ref)
	case !dispatchable(c.repo.Files(ref)[path]):
		return fail(http.StatusUnprocessableEntity, "Workflow does not have 'workflow_dispatch' trigger")
	}
	name := c.repo.FullName()
	c.after = append(c.after, func() { c.s.onDispatch(name, path, ref, in.Inputs) })
	return done()
}

// dispatchable looks for the trigger in a workflow's text: on may be a string, a list or a mapping.
func dispatchable(text []byte) bool {
	var file struct {
		On yaml.Node `yaml:"on"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return false
	}
	if file.On.Value == "workflow_dispatch" {
		return true
	}
	return slices.ContainsFunc(file.On.Content, func(n *yaml.Node) bool { return n.Value == "workflow_dispatch" })
}
