package azuredevops

import (
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

// listProjects lists the projects that the caller may see.
func (c *call) listProjects() (answer, error) {
	if !c.token.May("Project Readers") {
		return list([]projectRef{}), nil
	}
	return paged(c, c.org.Projects, projectPage, c.projectRef)
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
