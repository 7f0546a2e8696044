package azuredevops

import (
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// projectPage is how many projects a page has unless the caller says otherwise (Microsoft Learn: Projects - List).
const projectPage = 100

type projectRef struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	URL        string `json:"url"`
	State      string `json:"state"`
	Revision   int    `json:"revision"`
	Visibility string `json:"visibility"`
}

func (c *call) listProjects() (answer, error) {
	start, err := c.number(0, "continuationToken", "$skip")
	if err != nil {
		return answer{}, err
	}
	top, err := c.number(projectPage, "$top")
	if err != nil {
		return answer{}, err
	}
	all := c.org.Projects
	start = min(start, len(all))
	if top == 0 {
		top = projectPage
	}
	end := min(start+top, len(all))
	refs := make([]projectRef, 0, end-start)
	for _, p := range all[start:end] {
		refs = append(refs, c.projectRef(p))
	}
	a := list(refs)
	if end < len(all) {
		a.next = strconv.Itoa(end)
	}
	return a, nil
}

func (c *call) getProject() (answer, error) {
	p := findProject(c.org, c.vars["id"])
	if p == nil {
		return answer{}, noProject(c.vars["id"])
	}
	return ok(c.projectRef(p)), nil
}

func (c *call) projectRef(p *world.Project) projectRef {
	return projectRef{
		ID: p.ID, Name: p.Name, State: "wellFormed", Revision: 1, Visibility: "private",
		URL: c.w.Endpoints.AzureDevOps + "/" + c.org.Name + "/_apis/projects/" + p.ID,
	}
}

// number gives the first of these query parameters that is set.
func (c *call) number(otherwise int, names ...string) (int, error) {
	for _, name := range names {
		v := c.query(name)
		if v == "" {
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return 0, argument("The value '%s' is not valid for %s.", v, name)
		}
		return n, nil
	}
	return otherwise, nil
}

// findProject finds a project by its id or name.
func findProject(org *world.DevOpsOrg, idOrName string) *world.Project {
	for _, p := range org.Projects {
		if strings.EqualFold(p.ID, idOrName) || strings.EqualFold(p.Name, idOrName) {
			return p
		}
	}
	return nil
}

func noProject(name string) error {
	return notFound("Microsoft.TeamFoundation.Core.WebApi.ProjectDoesNotExistWithNameException, Microsoft.TeamFoundation.Core.WebApi",
		"TF200016: The following project does not exist: %s. Verify that the name of the project is correct and that the "+
			"project exists on the specified Azure DevOps Server.", name)
}
