package azuredevops

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// repoJSON is a repository of Azure Repos.
type repoJSON struct {
	ID            string      `json:"id"`
	Name          string      `json:"name"`
	URL           string      `json:"url"`
	Project       *projectRef `json:"project"`
	DefaultBranch string      `json:"defaultBranch,omitempty"`
	Size          int         `json:"size"`
	RemoteURL     string      `json:"remoteUrl"`
	WebURL        string      `json:"webUrl"`
	IsDisabled    bool        `json:"isDisabled"`
}

func (c *call) listRepos() (answer, error) {
	shown := []repoJSON{}
	for _, r := range c.org.Repos {
		if c.project == nil || strings.EqualFold(r.ProjectID, c.project.ID) {
			shown = append(shown, c.showRepo(r))
		}
	}
	return list(shown), nil
}

func (c *call) getRepo() (answer, error) {
	r, err := c.repo()
	if err != nil {
		return answer{}, err
	}
	return ok(c.showRepo(r)), nil
}

// repo finds the repository that the path names: by its id, or in a project by its name.
func (c *call) repo() (*world.DevOpsRepo, error) {
	project := ""
	if c.project != nil {
		project = c.project.ID
	}
	if r := c.org.Repo(project, c.vars["repo"]); r != nil {
		return r, nil
	}
	return nil, notFound("Microsoft.TeamFoundation.Git.Server.GitRepositoryNotFoundException, Microsoft.TeamFoundation.Git.Server",
		"TF401019: The Git repository with name or identifier %s does not exist or you do not have permissions for the operation you are attempting.", c.vars["repo"])
}

func (c *call) showRepo(r *world.DevOpsRepo) repoJSON {
	project := c.projectRef(findProject(c.org, r.ProjectID))
	web := c.w.Endpoints.AzureDevOps + "/" + url.PathEscape(c.org.Name) + "/" + url.PathEscape(project.Name) + "/_git/" + url.PathEscape(r.Git.Name)
	shown := repoJSON{ID: r.ID, Name: r.Git.Name, Project: &project, RemoteURL: web, WebURL: web, URL: c.repoURL(r)}
	if len(r.Git.Commits) > 0 {
		shown.DefaultBranch = "refs/heads/" + r.Git.DefaultBranch
	}
	return shown
}

func (c *call) repoURL(r *world.DevOpsRepo) string {
	return c.w.Endpoints.AzureDevOps + "/" + url.PathEscape(c.org.Name) + "/" + r.ProjectID + "/_apis/git/repositories/" + r.ID
}

// itemJSON is a file or folder at a version.
type itemJSON struct {
	ObjectID      string `json:"objectId"`
	GitObjectType string `json:"gitObjectType"`
	CommitID      string `json:"commitId"`
	Path          string `json:"path"`
	IsFolder      bool   `json:"isFolder,omitempty"`
	Content       string `json:"content,omitempty"`
	URL           string `json:"url"`
}

// items gives one file, as JSON or as its bytes as the Accept header asks, or with scopePath and a recursion level a list.
func (c *call) items() (answer, error) {
	r, err := c.repo()
	if err != nil {
		return answer{}, err
	}
	commit, err := c.version(r)
	if err != nil {
		return answer{}, err
	}
	if c.query("path") == "" {
		return c.listItems(r, commit)
	}
	entry, found := r.Git.AtPath(r.Git.Commits[commit].Tree, c.query("path"))
	if !found {
		return answer{}, notFound("Microsoft.TeamFoundation.Git.Server.GitItemNotFoundException, Microsoft.TeamFoundation.Git.Server",
			"TF401174: The item '%s' could not be found in the repository '%s' at the version specified by '<%s>'", c.query("path"), r.Git.Name, commit)
	}
	if accept := c.r.Header.Get("Accept"); entry.Type == "blob" && (strings.HasPrefix(accept, "application/octet-stream") || strings.HasPrefix(accept, "text/plain")) {
		return answer{status: http.StatusOK, raw: r.Git.Blobs[entry.OID]}, nil
	}
	shown := c.item(r, commit, "/"+strings.Trim(c.query("path"), "/"), entry)
	if strings.EqualFold(c.query("includeContent"), "true") && entry.Type == "blob" {
		shown.Content = string(r.Git.Blobs[entry.OID])
	}
	return ok(shown), nil
}

func (c *call) item(r *world.DevOpsRepo, commit, name string, e world.TreeEntry) itemJSON {
	return itemJSON{ObjectID: e.OID, GitObjectType: e.Type, CommitID: commit, Path: name, IsFolder: e.Type == "tree", URL: c.repoURL(r) + "/items" + name}
}

func (c *call) listItems(r *world.DevOpsRepo, commit string) (answer, error) {
	scope := strings.Trim(c.query("scopePath"), "/")
	full := strings.EqualFold(c.query("recursionLevel"), "full")
	shown := []itemJSON{}
	for name, oid := range r.Git.Tree(commit) {
		dir := strings.Trim(path.Dir("/"+name), "/")
		if dir == scope || full && (scope == "" || strings.HasPrefix(name, scope+"/")) {
			shown = append(shown, c.item(r, commit, "/"+name, world.TreeEntry{Type: "blob", OID: oid}))
		}
	}
	slices.SortFunc(shown, func(a, b itemJSON) int { return strings.Compare(a.Path, b.Path) })
	return list(shown), nil
}

// version gives the commit that versionDescriptor names: a branch, a tag or a commit; by default the default branch.
func (c *call) version(r *world.DevOpsRepo) (string, error) {
	name := c.query("versionDescriptor.version")
	ref := name
	switch typ := strings.ToLower(c.query("versionDescriptor.versionType")); {
	case name == "":
		ref = ""
	case typ == "" || typ == "branch":
		ref = "refs/heads/" + name
	case typ == "tag":
		ref = "refs/tags/" + name
	}
	oid := r.Git.Resolve(ref)
	if oid == "" {
		return "", notFound("Microsoft.TeamFoundation.Git.Server.GitUnresolvableToCommitException, Microsoft.TeamFoundation.Git.Server",
			"TF401175: The version descriptor <Branch: %s > could not be resolved to a version in the repository %s", name, r.Git.Name)
	}
	return oid, nil
}

func (c *call) listRefs() (answer, error) {
	r, err := c.repo()
	if err != nil {
		return answer{}, err
	}
	filter := "refs/" + c.query("filter")
	shown := []map[string]any{}
	for name, oid := range r.Git.Refs {
		if strings.HasPrefix(name, filter) {
			shown = append(shown, map[string]any{"name": name, "objectId": oid, "creator": personRef("octo-dev"), "url": c.repoURL(r) + "/" + name})
		}
	}
	slices.SortFunc(shown, func(a, b map[string]any) int { return strings.Compare(a["name"].(string), b["name"].(string)) })
	return list(shown), nil
}
