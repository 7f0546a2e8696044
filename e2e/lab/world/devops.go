package world

import "time"

// DevOpsOrg is one Azure DevOps organisation.
type DevOpsOrg struct {
	ID          string // instanceId of connectionData
	Name        string
	TenantID    string
	Projects    []*Project
	Connections map[string]*Connection // by id
	Runs        []*PipelineRun         // runs that the simulator made

	Definitions    []*Definition
	VariableGroups []*VariableGroup
	Repos          []*DevOpsRepo
	Releases       []*ReleaseDefinition
	TaskGroups     []*TaskGroup
	Environments   []*PipelineEnvironment
	SecureFiles    []*SecureFile
	Pools          []*AgentPool
}

// Project is one project of an organisation.
type Project struct {
	ID   string
	Name string
}

// Connection is a service connection (service endpoint).
type Connection struct {
	ID           string
	Type         string // azurerm, …
	Scheme       string // ServicePrincipal, WorkloadIdentityFederation, …
	Data         map[string]string
	Params       map[string]string // authorization.parameters that the API shows; confidential ones as keys with "" and their value in Hidden
	Hidden       map[string]string // confidential parameters: never returned
	Refs         []*ProjectRef     // the first is the origin
	URL          string            // empty: what is usual for the type
	Owner        string
	Description  string
	Created      time.Time
	Modified     time.Time
	Disabled     bool
	Outdated     bool // isOutdated; what it means is not documented
	Unreadable   bool // callers get it without data (no rights), HTTP 200
	Deleted      bool
	NotReady     bool
	OpState      string // Ready, InProgress, Failed
	OpMessage    string
	BusyUntil    time.Time         // a conversion is in progress until then
	BusyScheme   string            // the scheme that it will have
	RevertUntil  time.Time         // revertSchemeDeadline
	BeforeScheme string            // what a revert gives back
	BeforeParams map[string]string // the parameters that a revert gives back
	History      []*Execution

	AllPipelines bool  // open to every pipeline of its projects
	Pipelines    []int // the definitions that may use it
	Checks       []*Check
	OpenIn       []string                     // projects, by id, of which every pipeline may use it
	Roles        map[string][]*ConnectionRole // assigned on the connection, by project
	WideRoles    []*ConnectionRole            // assigned on it in the whole organisation
	Alone        []string                     // projects, by id, whose roles do not hold for it
}

// ProjectRef is one project that a connection is visible in.
type ProjectRef struct {
	ProjectID   string
	ProjectName string
	Name        string // the connection's name there
	Description string
}

// Execution is one use of a connection.
type Execution struct {
	ID             int
	ProjectID      string
	PlanType       string
	DefinitionID   int
	DefinitionName string
	Start, Finish  time.Time
	Result         string
}

// PipelineRun is the outcome of one simulated use of a connection by a pipeline.
type PipelineRun struct {
	Connection string
	Project    string
	Pipeline   string
	Time       time.Time
	OK         bool
	Error      string // the AADSTS text
}
