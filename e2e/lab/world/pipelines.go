package world

import (
	"strings"
	"time"
)

// Definition is a pipeline: YAML in a repository, or classic with its steps in the definition itself.
type Definition struct {
	ID             int
	ProjectID      string
	Name           string
	Path           string // folder, \ at the top
	YAMLFile       string // empty: classic
	YAML           string // the file's text, templates expanded
	Repository     string
	RepositoryType string // TfsGit, GitHub, …
	DefaultBranch  string
	Steps          []*DesignerStep
	Variables      map[string]*PipelineVariable
	VariableGroups []int
	Pool           int    // an agent pool's id; 0: Azure Pipelines
	Timeout        int    // of its jobs, in minutes; 0: 60
	SourceConn     string // the connection that its repository is read with, for GitHub
	Created        time.Time
}

// DesignerStep is one task of a classic pipeline. Its inputs hold the ids of connections, not their names.
type DesignerStep struct {
	TaskID  string
	Version string // 2.*
	Name    string
	Inputs  map[string]string
	Group   bool // TaskID is a task group's
}

// PipelineVariable is a variable of a pipeline or group. The API never shows the value of a secret one.
type PipelineVariable struct {
	Value  string
	Secret bool
}

// VariableGroup is a group of variables in a project's library. With Vault set its variables come from a Key Vault
// through a connection, which it thereby uses.
type VariableGroup struct {
	ID           int
	ProjectID    string
	Name         string
	Variables    map[string]*PipelineVariable
	ConnectionID string
	Vault        string
	Created      time.Time
}

// Check is an approval or other check on a connection.
type Check struct {
	ID       int
	Type     string // Approval, Task Check, …
	Settings map[string]any
	Timeout  int // minutes; 0: 43200
	Disabled bool
}

// ConnectionRole is the role of a user or group on a connection, in one project or in the whole organisation.
type ConnectionRole struct {
	Identity string // its id
	Name     string
	Role     string // Administrator, User, Reader or Creator
}

// DevOpsRepo is a repository of Azure Repos: a project's, with git objects as on GitHub.
type DevOpsRepo struct {
	ID        string
	ProjectID string
	Git       *Repo // Owner is the project's name
	Pushes    int
}

// AddDevOpsRepo adds a repository of Azure Repos with one commit on main.
func (w *World) AddDevOpsRepo(o *DevOpsOrg, p *Project, name string, files map[string]string) *DevOpsRepo {
	g := &Repo{
		ID: w.NewNumber(), Owner: p.Name, Name: name, DefaultBranch: "main", Visibility: "private", Created: w.Clock.Now(),
		Blobs: map[string][]byte{}, Trees: map[string]map[string]string{}, Commits: map[string]*Commit{},
		Refs: map[string]string{}, Modes: map[string]string{}, Protection: map[string]*Protection{},
	}
	if len(files) > 0 {
		changes := make(map[string][]byte, len(files))
		for path, text := range files {
			changes[path] = []byte(text)
		}
		w.CommitFiles(g, g.DefaultBranch, "Initial commit", changes)
	}
	r := &DevOpsRepo{ID: w.NewID(), ProjectID: p.ID, Git: g}
	o.Repos = append(o.Repos, r)
	return r
}

// Repo finds a repository of a project by its id or name, in any case; with an empty project among all.
func (o *DevOpsOrg) Repo(projectID, idOrName string) *DevOpsRepo {
	for _, r := range o.Repos {
		if (projectID == "" || strings.EqualFold(r.ProjectID, projectID)) && (strings.EqualFold(r.ID, idOrName) || projectID != "" && strings.EqualFold(r.Git.Name, idOrName)) {
			return r
		}
	}
	return nil
}

// ReleaseDefinition is a classic release.
type ReleaseDefinition struct {
	ID             int
	ProjectID      string
	Name           string
	Path           string
	Variables      map[string]*PipelineVariable
	VariableGroups []int
	Stages         []*ReleaseStage
	Created        time.Time
}

// ReleaseStage is one stage of a release, with one job and the gates before it.
type ReleaseStage struct {
	ID             int
	Name           string
	Variables      map[string]*PipelineVariable
	VariableGroups []int
	Steps          []*DesignerStep
	Gates          []*DesignerStep
}

// TaskGroup is a group of steps that classic pipelines share.
type TaskGroup struct {
	ID        string
	ProjectID string
	Name      string
	Major     int
	Inputs    map[string]string // with their defaults
	Steps     []*DesignerStep
}

// PipelineEnvironment is an environment that YAML pipelines deploy to.
type PipelineEnvironment struct {
	ID         int
	ProjectID  string
	Name       string
	Kubernetes []*KubernetesResource
	Checks     []*Check
	Created    time.Time
}

// KubernetesResource is a cluster's namespace in an environment, which is reached through a connection.
type KubernetesResource struct {
	ID           int
	Name         string
	Cluster      string
	Namespace    string
	ConnectionID string
}

// SecureFile is a file in a project's library. The API tells its name only.
type SecureFile struct {
	ID        string
	ProjectID string
	Name      string
	Created   time.Time
}

// AgentPool is a pool of agents of an organisation.
type AgentPool struct {
	ID     int
	Name   string
	Hosted bool
	Agents []*Agent
	// ScaleSet is where Azure DevOps keeps its agents: the ARM id of the scale set, and the connection and project that it does it with.
	ScaleSet, ConnectionID, ProjectID string
}

// Agent is one agent of a pool.
type Agent struct {
	ID      int
	Name    string
	Version string
	OS      string
	Offline bool
}
