package pipeline

import (
	"fmt"
	"strconv"
	"strings"
)

// The types of classic definitions mirror the JSON of Azure DevOps' REST API 7.1, as far as connections and secrets depend on it
// (MicrosoftDocs/vsts-rest-api-specs: build, release and distributedTask).
type (
	// BuildDefinition is a build definition. With process type 1 it is a classic one.
	BuildDefinition struct {
		ID                  int                        `json:"id"`
		Name                string                     `json:"name"`
		Path                string                     `json:"path"`
		Process             BuildProcess               `json:"process"`
		Repository          BuildRepository            `json:"repository"`
		Variables           map[string]ClassicVariable `json:"variables"`
		VariableGroups      []VariableGroup            `json:"variableGroups"`
		Queue               *Queue                     `json:"queue"`
		JobTimeoutInMinutes int                        `json:"jobTimeoutInMinutes"`
	}
	// BuildProcess is what a build does: phases of a designer process, or the name of a YAML file.
	BuildProcess struct {
		Type         int     `json:"type"` // 1: designer, 2: YAML
		Phases       []Phase `json:"phases"`
		YAMLFilename string  `json:"yamlFilename"`
	}
	// BuildRepository is the repository that a definition builds.
	BuildRepository struct {
		ID            string            `json:"id"`
		Name          string            `json:"name"`
		Type          string            `json:"type"`
		DefaultBranch string            `json:"defaultBranch"`
		Properties    map[string]string `json:"properties"`
	}
	// Queue is an agent queue with its pool.
	Queue struct {
		ID   int    `json:"id"`
		Name string `json:"name"`
		Pool *Pool  `json:"pool"`
	}
	// Pool is an agent pool.
	Pool struct {
		ID       int    `json:"id"`
		Name     string `json:"name"`
		IsHosted bool   `json:"isHosted"`
	}
	// Phase is one job of a designer process.
	Phase struct {
		Name                string                     `json:"name"`
		RefName             string                     `json:"refName"`
		Condition           string                     `json:"condition"`
		Steps               []ClassicStep              `json:"steps"`
		JobTimeoutInMinutes int                        `json:"jobTimeoutInMinutes"`
		Target              PhaseTarget                `json:"target"`
		Variables           map[string]ClassicVariable `json:"variables"`
	}
	// PhaseTarget is where a phase runs.
	PhaseTarget struct {
		Queue *Queue `json:"queue"`
	}
	// ClassicStep is one step of a phase or of a task group.
	ClassicStep struct {
		Task             TaskReference     `json:"task"`
		Inputs           map[string]string `json:"inputs"`
		Environment      map[string]string `json:"environment"`
		DisplayName      string            `json:"displayName"`
		RefName          string            `json:"refName"`
		Condition        string            `json:"condition"`
		Enabled          bool              `json:"enabled"`
		TimeoutInMinutes int               `json:"timeoutInMinutes"`
	}
	// TaskReference names a task, or with definition type metaTask a task group.
	TaskReference struct {
		ID             string `json:"id"`
		VersionSpec    string `json:"versionSpec"`
		DefinitionType string `json:"definitionType"`
	}
	// ClassicVariable is a variable of a definition. The value of a secret one is not told.
	ClassicVariable struct {
		Value    string `json:"value"`
		IsSecret bool   `json:"isSecret"`
	}
	// VariableGroup is a variable group; one of type AzureKeyVault uses a connection itself.
	VariableGroup struct {
		ID           int                        `json:"id"`
		Name         string                     `json:"name"`
		Type         string                     `json:"type"`
		Variables    map[string]ClassicVariable `json:"variables"`
		ProviderData *VariableGroupProvider     `json:"providerData"`
	}
	// VariableGroupProvider is where the variables of a linked group come from.
	VariableGroupProvider struct {
		ServiceEndpointID string `json:"serviceEndpointId"`
		Vault             string `json:"vault"`
	}
	// TaskGroup is a group of steps with inputs of its own.
	TaskGroup struct {
		ID      string           `json:"id"`
		Name    string           `json:"name"`
		Version TaskVersion      `json:"version"`
		Inputs  []TaskGroupInput `json:"inputs"`
		Tasks   []ClassicStep    `json:"tasks"`
	}
	// TaskVersion is the version of a task group.
	TaskVersion struct {
		Major int `json:"major"`
	}
	// TaskGroupInput is an input of a task group.
	TaskGroupInput struct {
		Name         string `json:"name"`
		Type         string `json:"type"`
		DefaultValue string `json:"defaultValue"`
	}
	// ReleaseDefinition is a classic release.
	ReleaseDefinition struct {
		ID             int                        `json:"id"`
		Revision       int                        `json:"revision"`
		Name           string                     `json:"name"`
		Path           string                     `json:"path"`
		Variables      map[string]ClassicVariable `json:"variables"`
		VariableGroups []int                      `json:"variableGroups"`
		Environments   []ReleaseEnvironment       `json:"environments"`
		Artifacts      []Artifact                 `json:"artifacts"`
	}
	// ReleaseEnvironment is a stage of a release.
	ReleaseEnvironment struct {
		ID                  int                        `json:"id"`
		Name                string                     `json:"name"`
		Variables           map[string]ClassicVariable `json:"variables"`
		VariableGroups      []int                      `json:"variableGroups"`
		DeployPhases        []DeployPhase              `json:"deployPhases"`
		PreDeploymentGates  *Gates                     `json:"preDeploymentGates"`
		PostDeploymentGates *Gates                     `json:"postDeploymentGates"`
	}
	// DeployPhase is a job of a stage.
	DeployPhase struct {
		Name            string          `json:"name"`
		DeploymentInput DeploymentInput `json:"deploymentInput"`
		WorkflowTasks   []WorkflowTask  `json:"workflowTasks"`
	}
	// DeploymentInput is how a job of a stage runs.
	DeploymentInput struct {
		QueueID          int    `json:"queueId"`
		TimeoutInMinutes int    `json:"timeoutInMinutes"`
		Condition        string `json:"condition"`
	}
	// WorkflowTask is one step of a release.
	WorkflowTask struct {
		TaskID         string            `json:"taskId"`
		Version        string            `json:"version"`
		Name           string            `json:"name"`
		RefName        string            `json:"refName"`
		DefinitionType string            `json:"definitionType"`
		Condition      string            `json:"condition"`
		Enabled        bool              `json:"enabled"`
		Inputs         map[string]string `json:"inputs"`
		OverrideInputs map[string]string `json:"overrideInputs"`
		Environment    map[string]string `json:"environment"`
	}
	// Gates are the checks before or after a stage.
	Gates struct {
		Gates []Gate `json:"gates"`
	}
	// Gate is one of them.
	Gate struct {
		Tasks []WorkflowTask `json:"tasks"`
	}
	// Artifact is what a release deploys.
	Artifact struct {
		Alias               string                       `json:"alias"`
		Type                string                       `json:"type"`
		DefinitionReference map[string]ArtifactReference `json:"definitionReference"`
	}
	// ArtifactReference is a part of an artifact's origin.
	ArtifactReference struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
)

// ClassicOptions are what lies outside of a classic definition. Each may be nil.
type ClassicOptions struct {
	Options
	// TaskGroups gives a task group by its id and major version.
	TaskGroups func(id string, major int) (TaskGroup, bool)
	// VariableGroups gives a variable group by its id.
	VariableGroups func(id int) (VariableGroup, bool)
}

// UsesOfBuild finds what a classic build definition uses. For one with a YAML file it looks at the definition's own variables,
// groups and repository; the file is for Scan.
func UsesOfBuild(d BuildDefinition, o ClassicOptions) Result {
	c := newClassic(d.Name, o)
	vars := c.variables(d.Variables, nil)
	for _, g := range d.VariableGroups {
		c.variableGroup(g, vars, context{vars: vars})
	}
	if id := d.Repository.Properties["connectedServiceId"]; id != "" {
		c.endpoint(id, "repository", repositoryKind(d.Repository.Type), context{vars: vars})
	}
	for _, p := range d.Process.Phases {
		inner := c.variables(p.Variables, vars)
		timeout := p.JobTimeoutInMinutes
		if timeout == 0 {
			timeout = d.JobTimeoutInMinutes
		}
		j := &job{name: or(p.Name, p.RefName), pool: queuePool(p.Target.Queue, d.Queue)}
		if timeout > 0 {
			j.timeout = strconv.Itoa(timeout)
		}
		ctx := context{vars: inner, job: j, condition: p.Condition}
		c.classicSteps(p.Steps, ctx)
		c.checkJob(ctx)
	}
	return c.out.result()
}

// UsesOfRelease finds what a classic release definition uses: in its stages, gates and artifacts.
func UsesOfRelease(d ReleaseDefinition, o ClassicOptions) Result {
	c := newClassic(d.Name, o)
	vars := c.variables(d.Variables, nil)
	c.groupsByID(d.VariableGroups, vars, context{vars: vars})
	for _, a := range d.Artifacts {
		if ref := a.DefinitionReference["connection"]; ref.ID != "" {
			c.endpoint(ref.ID, "artifact "+a.Alias, artifactKind(a.Type), context{vars: vars})
		}
	}
	for _, e := range d.Environments {
		c.stage(e, vars)
	}
	return c.out.result()
}

// UsesOfTaskGroup finds what a task group uses by itself, with its inputs' defaults. What its users pass is found with their definitions.
func UsesOfTaskGroup(g TaskGroup, o ClassicOptions) Result {
	c := newClassic(g.Name, o)
	vars := newVariables(nil)
	for _, in := range g.Inputs {
		l := openLeaf("$(" + in.Name + ")")
		if in.DefaultValue != "" {
			l.values = []value{str(in.DefaultValue)}
		}
		vars.set(in.Name, l, false)
	}
	c.groups = append(c.groups, strings.ToLower(g.ID))
	c.classicSteps(g.Tasks, context{vars: vars, job: &job{}})
	return c.out.result()
}

// UsesOfVariableGroup finds the connection of a group that is linked to a key vault, and variables that hold a secret.
func UsesOfVariableGroup(g VariableGroup) Result {
	c := newClassic("variable group "+g.Name, ClassicOptions{})
	vars := newVariables(nil)
	c.variableGroup(g, vars, context{vars: vars})
	c.out.groups = nil
	return c.out.result()
}

func queuePool(queues ...*Queue) poolInfo {
	for _, q := range queues {
		if q != nil && q.Name != "" {
			p := namedPool(q.Name, "")
			if q.Pool != nil {
				p.self = !q.Pool.IsHosted
			}
			return p
		}
	}
	return poolInfo{}
}

// artifactKind is the kind of connection that a type of artifact is fetched with (Microsoft Learn: Release artifacts and artifact sources).
func artifactKind(t string) Kind {
	switch strings.ToLower(t) {
	case "github", "githubrelease":
		return KindGitHub
	case "dockerhub":
		return KindDockerRegistry
	case "azurecontainerrepository":
		return KindAzureRM
	}
	return KindOther
}

// label is a step's name for a reader.
func (s ClassicStep) label(i int) string {
	return or(s.RefName, or(s.DisplayName, fmt.Sprintf("#%d", i+1)))
}
