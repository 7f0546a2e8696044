package github

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// checkRun is one job of a workflow run, which GitHub Actions shows as a check run of its commit.
type checkRun struct {
	id  int64
	run *world.WorkflowRun
	job *world.RunJob
}

// jobID is the number of a job, and of the check run that it is.
func jobID(run *world.WorkflowRun, i int) int64 { return run.ID*1000 + int64(i) }

// findJob finds the job, or check run, that a path names.
func (c *call) findJob(name string) *world.RunJob {
	for _, run := range c.repo.Runs {
		for i, j := range run.Jobs {
			if strconv.FormatInt(jobID(run, i), 10) == c.r.PathValue(name) {
				return j
			}
		}
	}
	return nil
}

// annotations lists what a job has left (GitHub Docs: "Workflow commands", notice).
func annotations(c *call) answer {
	j := c.findJob("check")
	if j == nil {
		return notFound
	}
	return list(c, "", j.Notes, func(n *world.Annotation) m {
		return m{
			"path": ".github", "start_line": 1, "end_line": 1, "start_column": nil, "end_column": nil, "annotation_level": n.Level,
			"title": n.Title, "message": n.Message, "raw_details": "", "blob_href": c.htmlURL(c.repo) + "/blob/" + c.repo.DefaultBranch + "/.github",
		}
	})
}

// jobLog answers with the address of a job's log, which needs no token and is another server's on the platform.
func jobLog(c *call) answer {
	if c.findJob("job") == nil {
		return notFound
	}
	return answer{status: http.StatusFound, body: m{}, header: map[string]string{"Location": c.base() + "/_logs/" + c.repo.FullName() + "/" + c.r.PathValue("job")}}
}

// logText is the file that jobLog leads to.
func (s *server) logText(rw http.ResponseWriter, r *http.Request) {
	s.w.Lock()
	defer s.w.Unlock()
	c := &call{s: s, w: s.w, r: r, repo: s.w.GitHub.Repo(r.PathValue("owner"), r.PathValue("repo"))}
	if c.repo == nil || r.Header.Get("Authorization") != "" || c.findJob("job") == nil {
		rw.WriteHeader(http.StatusForbidden) // a storage refuses a token that is not its own
		return
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, line := range c.findJob("job").Log {
		fmt.Fprintln(rw, line)
	}
}

// checkRuns lists the check runs of a commit, the newest of each name.
func checkRuns(c *call) answer {
	sha := c.commitOf(c.r.PathValue("ref"))
	if sha == "" {
		return fail(422, "No commit found for SHA: "+c.r.PathValue("ref"))
	}
	newest := map[string]checkRun{}
	var names []string
	for _, run := range c.repo.Runs {
		if run.HeadOID != sha {
			continue
		}
		for i, j := range run.Jobs {
			if _, ok := newest[j.Name]; !ok {
				names = append(names, j.Name)
			}
			newest[j.Name] = checkRun{id: jobID(run, i), run: run, job: j}
		}
	}
	var found []checkRun
	for _, n := range names {
		found = append(found, newest[n])
	}
	return list(c, "check_runs", found, c.checkRun)
}

func (c *call) checkRun(r checkRun) m {
	u := c.repoURL(c.repo)
	html := c.htmlURL(c.repo) + "/actions/runs/" + strconv.FormatInt(r.run.ID, 10)
	return m{
		"id": r.id, "node_id": world.NodeID("CR", r.id), "head_sha": r.run.HeadOID, "external_id": "", "name": r.job.Name,
		"url": u + "/check-runs/" + strconv.FormatInt(r.id, 10), "html_url": html, "details_url": html,
		"status": "completed", "conclusion": r.job.Conclusion, "started_at": stamp(r.run.Created), "completed_at": stamp(r.run.Updated),
		"output":      m{"title": nil, "summary": nil, "text": nil, "annotations_count": 0, "annotations_url": u + "/check-runs/" + strconv.FormatInt(r.id, 10) + "/annotations"},
		"check_suite": m{"id": r.run.ID}, "app": nil, "pull_requests": []m{},
	}
}

// combinedStatus answers that nobody has set a status: Actions makes check runs.
func combinedStatus(c *call) answer {
	sha := c.commitOf(c.r.PathValue("ref"))
	if sha == "" {
		return fail(422, "No commit found for SHA: "+c.r.PathValue("ref"))
	}
	u := c.repoURL(c.repo)
	return ok(m{
		"state": "pending", "statuses": []m{}, "sha": sha, "total_count": 0, "repository": c.fullRepo(c.repo),
		"commit_url": u + "/commits/" + sha, "url": u + "/commits/" + sha + "/status",
	})
}

// commitOf resolves a commit's id or the name of a branch.
func (c *call) commitOf(ref string) string {
	if c.repo.Commits[ref] != nil {
		return ref
	}
	return c.repo.Head(ref)
}
