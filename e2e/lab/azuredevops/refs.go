package azuredevops

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// refUpdate asks for a branch to be made, moved or deleted.
type refUpdate struct {
	Name        string `json:"name"`
	OldObjectID string `json:"oldObjectId"`
	NewObjectID string `json:"newObjectId"`
}

// updateRefs makes, moves and deletes branches. An update that is refused is told inside of an answer 200
// (Microsoft Learn: Refs - Update Refs).
func (c *call) updateRefs() (answer, error) {
	r, err := c.repo()
	if err != nil {
		return answer{}, err
	}
	updates, err := decode[[]refUpdate](c.body)
	if err != nil {
		return answer{}, err
	}
	shown := []map[string]any{}
	for _, u := range updates {
		status := c.updateRef(r, u)
		shown = append(shown, map[string]any{"repositoryId": r.ID, "name": u.Name, "oldObjectId": u.OldObjectID, "newObjectId": u.NewObjectID,
			"success": status == "succeeded", "updateStatus": status})
	}
	return list(shown), nil
}

func (c *call) updateRef(r *world.DevOpsRepo, u refUpdate) string {
	branch, isBranch := strings.CutPrefix(u.Name, "refs/heads/")
	head := r.Git.Head(branch)
	if head == "" {
		head = zeroOID
	}
	switch {
	case !isBranch:
		return "invalidRefName"
	case r.Git.Protection[branch] != nil:
		return "forcePushRequired"
	case !strings.EqualFold(head, u.OldObjectID):
		return "staleOldObjectId"
	case u.NewObjectID == zeroOID:
		delete(r.Git.Refs, u.Name)
	case r.Git.Commits[u.NewObjectID] == nil:
		return "unresolvableToCommit"
	default:
		r.Git.SetRef(u.Name, u.NewObjectID)
	}
	return "succeeded"
}

// getBlob gives a blob's bytes, or what is known of it.
func (c *call) getBlob() (answer, error) {
	r, err := c.repo()
	if err != nil {
		return answer{}, err
	}
	content, found := r.Git.Blobs[c.vars["oid"]]
	if !found {
		return answer{}, notFound("Microsoft.TeamFoundation.Git.Server.GitObjectDoesNotExistException, Microsoft.TeamFoundation.Git.Server",
			"TF401035: The object '%s' does not exist.", c.vars["oid"])
	}
	if accept := c.r.Header.Get("Accept"); strings.HasPrefix(accept, "application/octet-stream") || strings.EqualFold(c.query("$format"), "octetstream") {
		return answer{status: http.StatusOK, raw: append([]byte{}, content...)}, nil
	}
	return ok(map[string]any{"objectId": c.vars["oid"], "size": len(content), "url": c.repoURL(r) + "/blobs/" + c.vars["oid"]}), nil
}

// createThread leaves a comment on a pull request.
func (c *call) createThread() (answer, error) {
	_, p, err := c.pull()
	if err != nil {
		return answer{}, err
	}
	in, err := decode[struct {
		Comments []struct {
			Content string `json:"content"`
		} `json:"comments"`
	}](c.body)
	if err != nil {
		return answer{}, err
	}
	if len(in.Comments) == 0 {
		return answer{}, argumentNull("comments")
	}
	for _, comment := range in.Comments {
		p.Comments = append(p.Comments, comment.Content)
	}
	return ok(map[string]any{"id": len(p.Comments), "status": "active"}), nil
}

// listStatuses gives what other services say of a pull request: in the lab the runs of its head.
func (c *call) listStatuses() (answer, error) {
	r, p, err := c.pull()
	if err != nil {
		return answer{}, err
	}
	shown := []map[string]any{}
	for _, run := range r.Git.Runs {
		for _, job := range run.Jobs {
			if run.HeadOID != p.HeadOID {
				continue
			}
			state := map[string]string{"success": "succeeded", "": "pending"}[job.Conclusion]
			if state == "" {
				state = "failed"
			}
			shown = append(shown, map[string]any{"id": len(shown) + 1, "state": state, "context": map[string]string{"name": job.Name, "genre": "lab"}})
		}
	}
	return list(shown), nil
}

// listEvaluations gives how a pull request stands with the policies of its target branch.
func (c *call) listEvaluations() (answer, error) {
	var number int
	parts := strings.Split(c.query("artifactId"), "/")
	if _, err := fmt.Sscanf(parts[len(parts)-1], "%d", &number); err != nil || !strings.HasPrefix(c.query("artifactId"), "vstfs:///CodeReview/CodeReviewId/"+c.project.ID+"/") {
		return answer{}, argument("The artifact id %s is not that of a pull request of the project.", c.query("artifactId"))
	}
	shown := []map[string]any{}
	for _, r := range c.org.Repos {
		if !strings.EqualFold(r.ProjectID, c.project.ID) {
			continue
		}
		p := r.Git.Pull(number)
		if p == nil || r.Git.Protection[p.Base] == nil {
			continue
		}
		shown = append(shown, evaluationsOf(r, p)...)
	}
	return list(shown), nil
}

func evaluationsOf(r *world.DevOpsRepo, p *world.Pull) []map[string]any {
	rule := r.Git.Protection[p.Base]
	evaluation := func(kind, name, status string) map[string]any {
		return map[string]any{"status": status, "configuration": map[string]any{"isEnabled": true, "isBlocking": true, "isDeleted": false,
			"type": map[string]string{"displayName": kind}, "settings": map[string]string{"displayName": name}}}
	}
	var out []map[string]any
	if rule.RequiredReviews > 0 {
		status := "approved"
		if p.Approvals < rule.RequiredReviews {
			status = "queued"
		}
		out = append(out, evaluation("Minimum number of reviewers", "", status))
	}
	for _, check := range rule.RequiredChecks {
		out = append(out, evaluation("Build", check, buildStatus(r, p, check)))
	}
	return out
}

func buildStatus(r *world.DevOpsRepo, p *world.Pull, check string) string {
	status := "queued"
	for _, run := range r.Git.Runs {
		for _, job := range run.Jobs {
			switch {
			case run.HeadOID != p.HeadOID || job.Name != check:
			case job.Conclusion == "success":
				return "approved"
			default:
				status = "rejected"
			}
		}
	}
	return status
}
