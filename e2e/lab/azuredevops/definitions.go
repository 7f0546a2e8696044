package azuredevops

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// The kinds of a definition's process.
const (
	processDesigner = 1
	processYAML     = 2
)

// definitionPage is how many definitions a page has unless the caller says otherwise.
const definitionPage = 1000

// definitionJSON is a pipeline. A list shows its details only on request (includeAllProperties).
type definitionJSON struct {
	ID             int                      `json:"id"`
	Name           string                   `json:"name"`
	Path           string                   `json:"path"`
	Type           string                   `json:"type"`
	QueueStatus    string                   `json:"queueStatus"`
	Revision       int                      `json:"revision"`
	CreatedDate    time.Time                `json:"createdDate"`
	Project        *projectRef              `json:"project"`
	Process        *processJSON             `json:"process,omitempty"`
	Repository     *repositoryJSON          `json:"repository,omitempty"`
	Variables      map[string]*variableJSON `json:"variables,omitempty"`
	VariableGroups []*groupJSON             `json:"variableGroups,omitempty"`
	Queue          map[string]any           `json:"queue,omitempty"`
	JobTimeout     int                      `json:"jobTimeoutInMinutes,omitempty"`
}

type processJSON struct {
	Type         int         `json:"type"`
	YAMLFilename string      `json:"yamlFilename,omitempty"`
	Phases       []phaseJSON `json:"phases,omitempty"`
}

type phaseJSON struct {
	Name    string     `json:"name"`
	RefName string     `json:"refName"`
	Steps   []stepJSON `json:"steps"`
}

type stepJSON struct {
	DisplayName string            `json:"displayName"`
	Enabled     bool              `json:"enabled"`
	Inputs      map[string]string `json:"inputs"`
	Task        taskJSON          `json:"task"`
}

type taskJSON struct {
	ID             string `json:"id"`
	VersionSpec    string `json:"versionSpec"`
	DefinitionType string `json:"definitionType"`
}

type repositoryJSON struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	Type          string `json:"type"`
	DefaultBranch string `json:"defaultBranch"`
	// Properties name the connection that a repository outside of Azure Repos is read with.
	Properties map[string]string `json:"properties,omitempty"`
}

// variableJSON is a variable; the value of a secret one is null.
type variableJSON struct {
	Value    *string `json:"value"`
	IsSecret bool    `json:"isSecret,omitempty"`
}

func (c *call) listDefinitions() (answer, error) {
	all := strings.EqualFold(c.query("includeAllProperties"), "true")
	var here []*world.Definition
	for _, d := range c.org.Definitions {
		if strings.EqualFold(d.ProjectID, c.project.ID) && (c.query("name") == "" || strings.EqualFold(d.Name, c.query("name"))) {
			here = append(here, d)
		}
	}
	return paged(c, here, definitionPage, func(d *world.Definition) definitionJSON { return c.showDefinition(d, all) })
}

func (c *call) getDefinition() (answer, error) {
	d, err := c.definition()
	if err != nil {
		return answer{}, err
	}
	return ok(c.showDefinition(d, true)), nil
}

func (c *call) getYAML() (answer, error) {
	d, err := c.definition()
	if err != nil {
		return answer{}, err
	}
	if d.YAMLFile == "" {
		return answer{}, argument("Definition %d is not a YAML definition.", d.ID)
	}
	text := d.YAML
	if r := c.org.Repo(d.ProjectID, d.Repository); r != nil && text == "" {
		text = string(r.Git.Files(r.Git.DefaultBranch)[strings.Trim(d.YAMLFile, "/")])
	}
	return ok(map[string]string{"yaml": text}), nil
}

func (c *call) definition() (*world.Definition, error) {
	for _, d := range c.org.Definitions {
		if strconv.Itoa(d.ID) == c.vars["id"] && strings.EqualFold(d.ProjectID, c.project.ID) {
			return d, nil
		}
	}
	return nil, &apiError{http.StatusNotFound, "Definition with ID " + c.vars["id"] + " not found.",
		"Microsoft.TeamFoundation.Build.WebApi.DefinitionNotFoundException, Microsoft.TeamFoundation.Build2.WebApi", eventFramework}
}

func (c *call) showDefinition(d *world.Definition, all bool) definitionJSON {
	project := c.projectRef(c.project)
	shown := definitionJSON{ID: d.ID, Name: d.Name, Path: d.Path, Type: "build", QueueStatus: "enabled", Revision: 1,
		CreatedDate: d.Created.UTC(), Project: &project}
	if shown.Path == "" {
		shown.Path = `\`
	}
	if !all {
		return shown
	}
	shown.Process = showProcess(d)
	shown.Repository = c.showSource(d)
	shown.JobTimeout = d.Timeout
	if p := c.pool(d.Pool); p != nil {
		shown.Queue = map[string]any{"id": p.ID, "name": p.Name, "pool": map[string]any{"id": p.ID, "name": p.Name, "isHosted": p.Hosted}}
	}
	shown.Variables = showVariables(d.Variables)
	for _, id := range d.VariableGroups {
		if g := c.group(id); g != nil {
			shown.VariableGroups = append(shown.VariableGroups, c.showGroup(g))
		}
	}
	return shown
}

func (c *call) showSource(d *world.Definition) *repositoryJSON {
	shown := &repositoryJSON{ID: d.Repository, Name: d.Repository, Type: d.RepositoryType, DefaultBranch: d.DefaultBranch}
	if r := c.org.Repo(d.ProjectID, d.Repository); r != nil {
		shown.ID, shown.Name = r.ID, r.Git.Name
	}
	if d.SourceConn != "" {
		shown.Properties = map[string]string{"connectedServiceId": d.SourceConn}
	}
	return shown
}

func showProcess(d *world.Definition) *processJSON {
	if d.YAMLFile != "" {
		return &processJSON{Type: processYAML, YAMLFilename: d.YAMLFile}
	}
	phase := phaseJSON{Name: "Agent job 1", RefName: "Job_1", Steps: []stepJSON{}}
	for _, s := range d.Steps {
		phase.Steps = append(phase.Steps, stepJSON{s.Name, true, s.Inputs, taskJSON{s.TaskID, s.Version, definitionType(s)}})
	}
	return &processJSON{Type: processDesigner, Phases: []phaseJSON{phase}}
}

func definitionType(s *world.DesignerStep) string {
	if s.Group {
		return "metaTask"
	}
	return "task"
}

func showVariables(variables map[string]*world.PipelineVariable) map[string]*variableJSON {
	shown := make(map[string]*variableJSON, len(variables))
	for name, v := range variables {
		shown[name] = &variableJSON{Value: &v.Value}
		if v.Secret {
			shown[name] = &variableJSON{IsSecret: true}
		}
	}
	return shown
}
