package azuredevops

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const zeroOID = "0000000000000000000000000000000000000000"

// pushInput is a push by REST: commits of whole files on top of a branch.
type pushInput struct {
	RefUpdates []struct {
		Name        string `json:"name"`
		OldObjectID string `json:"oldObjectId"`
	} `json:"refUpdates"`
	Commits []struct {
		Comment string       `json:"comment"`
		Changes []changeJSON `json:"changes"`
	} `json:"commits"`
}

type changeJSON struct {
	ChangeType string `json:"changeType"` // add, edit, delete
	Item       struct {
		Path string `json:"path"`
	} `json:"item"`
	NewContent *struct {
		Content     string `json:"content"`
		ContentType string `json:"contentType"` // rawtext or base64encoded
	} `json:"newContent"`
}

// push makes commits on a branch. A branch that does not exist is made where oldObjectId says: at a commit, or with
// zeros at nothing (Microsoft Learn: Pushes - Create).
func (c *call) push() (answer, error) {
	r, err := c.repo()
	if err != nil {
		return answer{}, err
	}
	in, err := decode[pushInput](c.body)
	if err != nil {
		return answer{}, err
	}
	if len(in.RefUpdates) != 1 || len(in.Commits) != 1 {
		return answer{}, argument("A push has exactly one ref update and at least one commit. Parameter name: push")
	}
	ref, old := in.RefUpdates[0].Name, in.RefUpdates[0].OldObjectID
	branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
	if !isBranch {
		return answer{}, argument("The ref %s is not a branch. Parameter name: push", ref)
	}
	if err := c.place(r, branch, old); err != nil {
		return answer{}, err
	}
	changes, err := filesOf(r, branch, in.Commits[0].Changes)
	if err != nil {
		return answer{}, err
	}
	oid := c.w.CommitSigned(r.Git, branch, in.Commits[0].Comment, c.token.Login, changes)
	r.Pushes++
	return answer{status: http.StatusCreated, body: map[string]any{
		"pushId": r.Pushes, "date": c.w.Clock.Now().UTC().Format(time.RFC3339), "url": c.repoURL(r) + "/pushes/" + strconv.Itoa(r.Pushes),
		"repository": c.showRepo(r), "pushedBy": personRef(c.token.Login),
		"refUpdates": []map[string]any{{"repositoryId": r.ID, "name": ref, "oldObjectId": old, "newObjectId": oid}},
		"commits":    []map[string]any{{"commitId": oid, "comment": in.Commits[0].Comment, "url": c.repoURL(r) + "/commits/" + oid}},
	}}, nil
}

// place checks that the branch is where the caller thinks, and makes it where it does not exist.
func (c *call) place(r *world.DevOpsRepo, branch, old string) error {
	head := r.Git.Head(branch)
	switch {
	case r.Git.Protection[branch] != nil:
		return &apiError{http.StatusForbidden, "TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.",
			"Microsoft.TeamFoundation.Git.Server.GitNeedsPermissionException, Microsoft.TeamFoundation.Git.Server", eventFramework}
	case head != "" && !strings.EqualFold(head, old):
		return &apiError{http.StatusConflict, "TF401028: The reference 'refs/heads/" + branch + "' has already been updated by another client, so you cannot update it. Please try again.",
			"Microsoft.TeamFoundation.Git.Server.GitReferenceStaleException, Microsoft.TeamFoundation.Git.Server", eventFramework}
	case head == "" && old != zeroOID:
		if r.Git.Commits[old] == nil {
			return argument("The object %s does not exist.", old)
		}
		r.Git.SetRef("refs/heads/"+branch, old)
	}
	return nil
}

func filesOf(r *world.DevOpsRepo, branch string, changes []changeJSON) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, ch := range changes {
		name := strings.Trim(ch.Item.Path, "/")
		_, exists := r.Git.Tree(branch)[name]
		switch kind := strings.ToLower(ch.ChangeType); {
		case kind == "add" && exists:
			return nil, &apiError{http.StatusBadRequest, "TF401035: The object '/" + name + "' already exists.",
				"Microsoft.TeamFoundation.Git.Server.GitObjectAlreadyExistsException, Microsoft.TeamFoundation.Git.Server", eventFramework}
		case kind != "add" && !exists:
			return nil, notFound("Microsoft.TeamFoundation.Git.Server.GitItemNotFoundException, Microsoft.TeamFoundation.Git.Server",
				"TF401174: The item '/%s' could not be found in the repository '%s' at the version specified by '<Branch: %s >'", name, r.Git.Name, branch)
		case kind == "delete":
			out[name] = nil
			continue
		}
		if ch.NewContent == nil {
			return nil, argumentNull("newContent")
		}
		content := []byte(ch.NewContent.Content)
		if strings.EqualFold(ch.NewContent.ContentType, "base64encoded") {
			b, err := base64.StdEncoding.DecodeString(ch.NewContent.Content)
			if err != nil {
				return nil, argument("The content is not valid base64.")
			}
			content = b
		}
		out[name] = content
	}
	return out, nil
}

// listPushes lists the pushes to a repository, newest first. Each commit but the first is one, since the lab's clients push one at a time.
func (c *call) listPushes() (answer, error) {
	r, err := c.repo()
	if err != nil {
		return answer{}, err
	}
	from := time.Time{}
	if text := c.query("searchCriteria.fromDate"); text != "" {
		if from, err = time.Parse(time.RFC3339, text); err != nil {
			return answer{}, argument("The value '%s' is not valid for searchCriteria.fromDate.", text)
		}
	}
	var pushed []*world.Commit
	for _, commit := range r.Git.Commits {
		if len(commit.Parents) > 0 && !commit.Time.Truncate(time.Second).Before(from.Truncate(time.Second)) {
			pushed = append(pushed, commit)
		}
	}
	slices.SortFunc(pushed, func(a, b *world.Commit) int { return cmp.Or(b.Time.Compare(a.Time), strings.Compare(a.OID, b.OID)) })
	number := len(pushed)
	return paged(c, pushed, 100, func(commit *world.Commit) map[string]any {
		number--
		return map[string]any{"pushId": number + 1, "date": commit.Time.UTC().Format(time.RFC3339), "repository": c.showRepo(r), "pushedBy": personRef(commit.Author),
			"url": c.repoURL(r) + "/pushes/" + strconv.Itoa(number+1)}
	})
}
