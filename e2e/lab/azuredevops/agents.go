package azuredevops

import (
	"net/http"
	"sort"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// listTaskGroups lists the task groups of a project.
func (c *call) listTaskGroups() (answer, error) {
	var here []*world.TaskGroup
	for _, g := range c.org.TaskGroups {
		if strings.EqualFold(g.ProjectID, c.project.ID) && (c.vars["id"] == "" || strings.EqualFold(g.ID, c.vars["id"])) {
			here = append(here, g)
		}
	}
	return paged(c, here, groupPage, showTaskGroup)
}

func showTaskGroup(g *world.TaskGroup) map[string]any {
	inputs := []map[string]any{}
	for name, value := range g.Inputs {
		inputs = append(inputs, map[string]any{"name": name, "label": name, "type": "string", "defaultValue": value})
	}
	sort.Slice(inputs, func(i, j int) bool { return inputs[i]["name"].(string) < inputs[j]["name"].(string) })
	tasks := []map[string]any{}
	for _, s := range g.Steps {
		kind := "task"
		if s.Group {
			kind = "metaTask"
		}
		tasks = append(tasks, map[string]any{"displayName": s.Name, "enabled": true, "inputs": s.Inputs,
			"task": map[string]any{"id": s.TaskID, "versionSpec": s.Version, "definitionType": kind}})
	}
	return map[string]any{"id": g.ID, "name": g.Name, "friendlyName": g.Name, "definitionType": "metaTask", "revision": 1,
		"version": map[string]any{"major": g.Major, "minor": 0, "patch": 0, "isTest": false}, "inputs": inputs, "tasks": tasks}
}

// environmentPage is how many environments a page has unless the caller says otherwise.
const environmentPage = 1000

func (c *call) listEnvironments() (answer, error) {
	var here []*world.PipelineEnvironment
	for _, e := range c.org.Environments {
		if strings.EqualFold(e.ProjectID, c.project.ID) {
			here = append(here, e)
		}
	}
	return paged(c, here, environmentPage, func(e *world.PipelineEnvironment) map[string]any { return c.showEnvironment(e, false) })
}

func (c *call) getEnvironment() (answer, error) {
	e, err := c.environment()
	if err != nil {
		return answer{}, err
	}
	return ok(c.showEnvironment(e, strings.EqualFold(c.query("expands"), "resourceReferences"))), nil
}

func (c *call) environment() (*world.PipelineEnvironment, error) {
	for _, e := range c.org.Environments {
		if strconv.Itoa(e.ID) == c.vars["id"] && strings.EqualFold(e.ProjectID, c.project.ID) {
			return e, nil
		}
	}
	return nil, notFound("Microsoft.TeamFoundation.DistributedTask.WebApi.EnvironmentNotFoundException, Microsoft.TeamFoundation.DistributedTask.WebApi",
		"Environment with ID %s does not exist in this project.", c.vars["id"])
}

func (c *call) showEnvironment(e *world.PipelineEnvironment, resources bool) map[string]any {
	shown := map[string]any{"id": e.ID, "name": e.Name, "description": "", "createdBy": personRef("octo-dev"), "createdOn": e.Created.UTC(),
		"project": map[string]any{"id": c.project.ID, "name": c.project.Name}}
	if resources {
		list := []map[string]any{}
		for _, k := range e.Kubernetes {
			list = append(list, map[string]any{"id": k.ID, "name": k.Name, "type": "kubernetes", "tags": []string{}})
		}
		shown["resources"] = list
	}
	return shown
}

func (c *call) getKubernetes() (answer, error) {
	e, err := c.environment()
	if err != nil {
		return answer{}, err
	}
	for _, k := range e.Kubernetes {
		if strconv.Itoa(k.ID) == c.vars["resource"] {
			return ok(map[string]any{"id": k.ID, "name": k.Name, "type": "kubernetes", "clusterName": k.Cluster, "namespace": k.Namespace,
				"serviceEndpointId": k.ConnectionID, "environmentReference": map[string]any{"id": e.ID, "name": e.Name}}), nil
		}
	}
	return answer{}, notFound("Microsoft.TeamFoundation.DistributedTask.WebApi.EnvironmentResourceNotFoundException, Microsoft.TeamFoundation.DistributedTask.WebApi",
		"Resource with ID %s does not exist in environment %d.", c.vars["resource"], e.ID)
}

func (c *call) listSecureFiles() (answer, error) {
	shown := []map[string]any{}
	for _, f := range c.org.SecureFiles {
		if strings.EqualFold(f.ProjectID, c.project.ID) {
			shown = append(shown, map[string]any{"id": f.ID, "name": f.Name, "createdBy": personRef("octo-dev"), "createdOn": f.Created.UTC(),
				"modifiedBy": personRef("octo-dev"), "modifiedOn": f.Created.UTC()})
		}
	}
	return list(shown), nil
}

func (c *call) listPools() (answer, error) {
	shown := []map[string]any{}
	for _, p := range c.org.Pools {
		shown = append(shown, showPool(p))
	}
	return list(shown), nil
}

func showPool(p *world.AgentPool) map[string]any {
	return map[string]any{"id": p.ID, "name": p.Name, "isHosted": p.Hosted, "poolType": "automation", "size": len(p.Agents)}
}

// listElasticPools lists the pools whose agents Azure DevOps keeps in a scale set.
func (c *call) listElasticPools() (answer, error) {
	shown := []map[string]any{}
	for _, p := range c.org.Pools {
		if p.ScaleSet != "" {
			shown = append(shown, map[string]any{"poolId": p.ID, "azureId": p.ScaleSet, "serviceEndpointId": p.ConnectionID, "serviceEndpointScope": p.ProjectID,
				"desiredIdle": 1, "desiredSize": 1, "maxCapacity": 2, "osType": "linux", "orchestrationType": "uniform", "state": "online"})
		}
	}
	return list(shown), nil
}

func (c *call) listAgents() (answer, error) {
	for _, p := range c.org.Pools {
		if strconv.Itoa(p.ID) != c.vars["id"] {
			continue
		}
		shown := []map[string]any{}
		for _, a := range p.Agents {
			status := "online"
			if a.Offline {
				status = "offline"
			}
			shown = append(shown, map[string]any{"id": a.ID, "name": a.Name, "version": a.Version, "osDescription": a.OS, "enabled": true, "status": status})
		}
		return list(shown), nil
	}
	return answer{}, &apiError{http.StatusNotFound, "No agent pool found with identifier " + c.vars["id"] + ".",
		"Microsoft.TeamFoundation.DistributedTask.WebApi.TaskAgentPoolNotFoundException, Microsoft.TeamFoundation.DistributedTask.WebApi", eventFramework}
}

func (c *call) pool(id int) *world.AgentPool {
	for _, p := range c.org.Pools {
		if p.ID == id {
			return p
		}
	}
	return nil
}
