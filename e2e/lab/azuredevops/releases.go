package azuredevops

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// releasePage is how many release definitions a page has unless the caller says otherwise.
const releasePage = 10000

// listReleases lists the release definitions of a project; their stages only with $expand=environments.
func (c *call) listReleases() (answer, error) {
	expand := slices.ContainsFunc(c.queryList("$expand"), func(s string) bool { return strings.EqualFold(s, "environments") })
	var here []*world.ReleaseDefinition
	for _, d := range c.org.Releases {
		if strings.EqualFold(d.ProjectID, c.project.ID) {
			here = append(here, d)
		}
	}
	return paged(c, here, releasePage, func(d *world.ReleaseDefinition) map[string]any {
		shown := c.showRelease(d)
		if !expand {
			delete(shown, "environments")
		}
		// A list shows the stages, but not what they do.
		if stages, has := shown["environments"].([]map[string]any); has {
			for _, s := range stages {
				s["deployPhases"] = []any{}
				delete(s, "preDeploymentGates")
			}
		}
		return shown
	})
}

func (c *call) getRelease() (answer, error) {
	for _, d := range c.org.Releases {
		if strconv.Itoa(d.ID) == c.vars["id"] && strings.EqualFold(d.ProjectID, c.project.ID) {
			return ok(c.showRelease(d)), nil
		}
	}
	return answer{}, &apiError{http.StatusNotFound, "VS402878: Release definition with ID " + c.vars["id"] + " does not exist. Specify a valid ID and try again.",
		"Microsoft.VisualStudio.Services.ReleaseManagement.WebApi.Exceptions.ReleaseDefinitionNotFoundException, Microsoft.VisualStudio.Services.ReleaseManagement2.Data", eventFramework}
}

func (c *call) showRelease(d *world.ReleaseDefinition) map[string]any {
	stages := []map[string]any{}
	for i, s := range d.Stages {
		stage := map[string]any{
			"id": s.ID, "name": s.Name, "rank": i + 1, "variables": showConfiguration(s.Variables), "variableGroups": orNone(s.VariableGroups),
			"deployPhases": []map[string]any{{"name": "Agent job", "rank": 1, "phaseType": "agentBasedDeployment", "workflowTasks": showTasks(s.Steps)}},
		}
		if len(s.Gates) > 0 {
			stage["preDeploymentGates"] = map[string]any{"id": s.ID, "gates": []map[string]any{{"tasks": showTasks(s.Gates)}}}
		}
		stages = append(stages, stage)
	}
	folder := d.Path
	if folder == "" {
		folder = `\`
	}
	return map[string]any{"id": d.ID, "name": d.Name, "path": folder, "revision": 1, "createdBy": personRef("octo-dev"), "createdOn": d.Created.UTC(),
		"variables": showConfiguration(d.Variables), "variableGroups": orNone(d.VariableGroups), "environments": stages, "artifacts": []any{}}
}

func orNone(ids []int) []int {
	if ids == nil {
		return []int{}
	}
	return ids
}

func showTasks(steps []*world.DesignerStep) []map[string]any {
	out := []map[string]any{}
	for _, s := range steps {
		kind := "task"
		if s.Group {
			kind = "metaTask"
		}
		inputs := s.Inputs
		if inputs == nil {
			inputs = map[string]string{}
		}
		out = append(out, map[string]any{"taskId": s.TaskID, "version": s.Version, "name": s.Name, "refName": "", "enabled": true, "definitionType": kind, "inputs": inputs})
	}
	return out
}

// showConfiguration shows variables of a release, where a secret one has a null value too.
func showConfiguration(variables map[string]*world.PipelineVariable) map[string]any {
	shown := map[string]any{}
	for name, v := range variables {
		if v.Secret {
			shown[name] = map[string]any{"value": nil, "isSecret": true}
			continue
		}
		shown[name] = map[string]any{"value": v.Value}
	}
	return shown
}
