package azuredevops

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// The locations of Git's routes (azure-devops-go-api: git/client.go).
var (
	gitRefs = uuid.MustParse("2d874a60-a811-4f62-9c9f-963a6ea0a55b")
)

// pushVersion is the resource version of pushes.
const pushVersion = "7.1-preview.2"

// noObject stands for no commit, in the update of a branch that is made or deleted.
const noObject = "0000000000000000000000000000000000000000"

// gitRepository is one repository of an organisation, by its name.
type gitRepository struct {
	*Client
	full          inventory.RepositoryName
	project, name string
}

func (c *Client) git(repo inventory.RepositoryName) (gitRepository, error) {
	organization, project, name, ok := repo.AzureRepos()
	if !ok || !strings.EqualFold(organization, c.organization) {
		return gitRepository{}, fmt.Errorf("azure devops %s: %s is not a repository of Azure Repos in it", c.organization, repo)
	}
	return gitRepository{Client: c, full: repo, project: project, name: name}, nil
}

func (g gitRepository) route(more ...string) map[string]string {
	out := map[string]string{"project": g.project, "repositoryId": g.name}
	for i := 0; i+1 < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

func (g gitRepository) fail(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return execute.Needing(permissions.DevOpsCodeWrite, execute.From(permissions.AzureDevOps, fmt.Errorf("azure repos %s: %s: %w", g.full, fmt.Sprintf(format, args...), err)))
}

// write sends a change.
func (g gitRepository) write(ctx context.Context, method string, location uuid.UUID, version string, route map[string]string, body, answer any) error {
	b, err := encode(body)
	if err != nil {
		return err
	}
	return g.send(ctx, call{method: method, location: location, version: version, route: route, body: b}, answer)
}

func (g gitRepository) repository(ctx context.Context) (inventory.Repository, error) {
	var r struct {
		ID            string `json:"id"`
		Name          string `json:"name"`
		DefaultBranch string `json:"defaultBranch"`
		IsDisabled    bool   `json:"isDisabled"`
		Project       struct {
			Name string `json:"name"`
		} `json:"project"`
	}
	if err := g.send(ctx, g.get(gitRepositories, preview, g.route(), nil), &r); err != nil {
		return inventory.Repository{}, g.fail(err, "reading the repository")
	}
	if r.ID == "" {
		return inventory.Repository{}, g.fail(execute.ErrNotFound, "reading the repository")
	}
	return inventory.Repository{Name: inventory.AzureReposName(g.organization, cmp.Or(r.Project.Name, g.project), r.Name), NodeID: r.ID,
		DefaultBranch: strings.TrimPrefix(r.DefaultBranch, "refs/heads/"), Archived: r.IsDisabled}, nil
}

func (g gitRepository) blob(ctx context.Context, oid string) ([]byte, error) {
	query := url.Values{"$format": {"octetstream"}}
	response, err := g.endpoints.Client.Send(ctx, http.MethodGet, gitBlobs, preview, g.route("sha1", oid), query, nil, "", "application/octet-stream", nil)
	if err != nil {
		return nil, g.fail(classify(err, false), "reading blob %s", oid)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, maxFile+1))
	switch {
	case err != nil:
		return nil, g.fail(err, "reading blob %s", oid)
	case inventory.BlobOID(b) != oid:
		return nil, g.fail(errors.New("its bytes are not those that its id stands for"), "reading blob %s", oid)
	}
	return b, nil
}

// descriptor names a version: a commit by its id, else a branch.
func descriptor(ref string) url.Values {
	kind := "branch"
	if commitID().MatchString(ref) {
		kind = "commit"
	}
	return url.Values{"versionDescriptor.versionType": {kind}, "versionDescriptor.version": {strings.TrimPrefix(ref, "refs/heads/")}}
}

func (g gitRepository) fileOID(ctx context.Context, ref, path string) (string, error) {
	query := descriptor(ref)
	query.Set("path", "/"+strings.TrimLeft(path, "/"))
	var item struct {
		ObjectID string `json:"objectId"`
		Type     string `json:"gitObjectType"`
	}
	if err := g.send(ctx, g.get(gitItems, preview, g.route(), query), &item); err != nil {
		return "", g.fail(err, "reading %s at %s", path, ref)
	}
	if item.ObjectID == "" || item.Type != "" && item.Type != "blob" {
		return "", g.fail(execute.ErrNotFound, "reading %s at %s", path, ref)
	}
	return item.ObjectID, nil
}

func (g gitRepository) branch(ctx context.Context, branch string) (string, error) {
	var answer struct {
		Value []struct {
			Name     string `json:"name"`
			ObjectID string `json:"objectId"`
		} `json:"value"`
	}
	if err := g.send(ctx, g.get(gitRefs, preview, g.route(), url.Values{"filter": {"heads/" + branch}}), &answer); err != nil {
		return "", g.fail(err, "reading branch %s", branch)
	}
	// The filter is the beginning of a name.
	for _, r := range answer.Value {
		if r.Name == "refs/heads/"+branch {
			return r.ObjectID, nil
		}
	}
	return "", g.fail(execute.ErrNotFound, "reading branch %s", branch)
}

// setBranch moves a branch from one commit to another; noObject stands for none.
func (g gitRepository) setBranch(ctx context.Context, branch, from, to string) error {
	var answer struct {
		Value []struct {
			Success bool   `json:"success"`
			Status  string `json:"updateStatus"`
			Message string `json:"customMessage"`
		} `json:"value"`
	}
	update := []map[string]string{{"name": "refs/heads/" + branch, "oldObjectId": from, "newObjectId": to}}
	if err := g.write(ctx, http.MethodPost, gitRefs, preview, g.route(), update, &answer); err != nil {
		return g.fail(err, "updating branch %s", branch)
	}
	// An update that was refused is told inside of an answer 200 (Microsoft Learn: Refs - Update Refs, GitRefUpdateResult).
	for _, r := range answer.Value {
		if !r.Success {
			return g.fail(fmt.Errorf("%w: %s", refused(r.Status), strings.TrimSpace(r.Status+" "+r.Message)), "updating branch %s", branch)
		}
	}
	return nil
}

// refused maps GitRefUpdateStatus.
func refused(status string) error {
	switch s := strings.ToLower(status); {
	case s == "staleoldobjectid" || strings.Contains(s, "conflict"):
		return execute.ErrConflict
	case strings.Contains(s, "permission") || s == "forcepushrequired":
		return execute.ErrForbidden
	}
	return execute.ErrRefused
}

func (g gitRepository) moveBranch(ctx context.Context, branch, oid string) error {
	from, err := g.branch(ctx, branch)
	if err != nil || from == oid {
		return err
	}
	return g.setBranch(ctx, branch, from, oid)
}

func (g gitRepository) deleteBranch(ctx context.Context, branch string) error {
	from, err := g.branch(ctx, branch)
	if err != nil {
		return err
	}
	return g.setBranch(ctx, branch, from, noObject)
}

// commit pushes one commit on top of a branch's head (Microsoft Learn: Pushes - Create).
func (g gitRepository) commit(ctx context.Context, branch, head, title, body string, files []execute.FileChange) (string, error) {
	var changes []map[string]any
	for _, f := range files {
		kind := "edit"
		if _, err := g.fileOID(ctx, head, f.Path); errors.Is(err, execute.ErrNotFound) {
			kind = "add"
		} else if err != nil {
			return "", err
		}
		changes = append(changes, map[string]any{"changeType": kind, "item": map[string]string{"path": "/" + strings.TrimLeft(f.Path, "/")},
			"newContent": map[string]string{"content": base64.StdEncoding.EncodeToString(f.Content), "contentType": "base64Encoded"}})
	}
	push := map[string]any{"refUpdates": []map[string]string{{"name": "refs/heads/" + branch, "oldObjectId": head}},
		"commits": []map[string]any{{"comment": title + "\n\n" + body, "changes": changes}}}
	var answer struct {
		Commits []struct {
			CommitID string `json:"commitId"`
		} `json:"commits"`
	}
	if err := g.write(ctx, http.MethodPost, gitPushes, pushVersion, g.route(), push, &answer); err != nil {
		return "", g.fail(err, "pushing to branch %s", branch)
	}
	i := slices.IndexFunc(answer.Commits, func(c struct {
		CommitID string `json:"commitId"`
	}) bool {
		return c.CommitID != ""
	})
	if i < 0 {
		return "", g.fail(fmt.Errorf("%w: the answer names no commit", execute.ErrUnknownOutcome), "pushing to branch %s", branch)
	}
	return answer.Commits[i].CommitID, nil
}
