// Package inventory holds what exists: the identities, credentials, connections, logins and secrets
// that a scan found, and the gaps it could not read. The types are plain data with stable JSON; they
// never hold the value of a secret.
package inventory

import "time"

// Version is the version of the inventory's JSON.
const Version = 1

// Inventory is everything that one scan found. Slices are sorted by id, so that the same world
// gives the same bytes apart from ScannedAt.
type Inventory struct {
	Version      int          `json:"version"`
	ScannedAt    time.Time    `json:"scannedAt"`
	Tool         string       `json:"tool"` // name and version of the program that scanned
	Sources      []Source     `json:"sources"`
	Identities   []Identity   `json:"identities"`
	Connections  []Connection `json:"connections"`
	Repositories []Repository `json:"repositories"`
	Logins       []Login      `json:"logins"`
	Secrets      []Secret     `json:"secrets"`
	Variables    []Variable   `json:"variables"`
	Mentions     []Mention    `json:"mentions"`
	Gaps         []Gap        `json:"gaps"`

	// What Azure DevOps has beside its connections. A scan without Azure DevOps leaves them out.
	Pipelines       []Pipeline       `json:"pipelines,omitempty"`
	PipelineSecrets []PipelineSecret `json:"pipelineSecrets,omitempty"`
	Unresolved      []UnresolvedUse  `json:"unresolved,omitempty"`
	Pools           []AgentPool      `json:"pools,omitempty"`
	// ManagedPools are the Managed DevOps Pools in Azure; read only where an organisation has pools of which Azure DevOps does not tell where their agents run.
	ManagedPools []ManagedPool `json:"managedPools,omitempty"`
	// PipelineRepositories are the repositories with pipelines whose text can be rewritten.
	PipelineRepositories []PipelineRepository `json:"pipelineRepositories,omitempty"`

	// Terraform are the resources, in the Terraform code that was read, that an apply would bring back after a migration.
	Terraform []TerraformResource `json:"terraform,omitempty"`

	// What units may sign in as instead of their applications; read only where the configuration names targets.
	ManagedIdentities []ManagedIdentity `json:"managedIdentities,omitempty"`
	Subscriptions     []Subscription    `json:"subscriptions,omitempty"`
}

// SourceKind tells what kind of system a source is.
type SourceKind string

// The systems that can be scanned.
const (
	SourceAzureDevOps SourceKind = "azureDevOps"
	SourceGitHub      SourceKind = "github"
	SourceEntra       SourceKind = "entra"
	SourceAzure       SourceKind = "azure"
	SourceLocal       SourceKind = "local"
)

// Source is one system that was scanned: an organisation, a tenant or a directory.
type Source struct {
	Kind SourceKind `json:"kind"`
	Name string     `json:"name"` // organisation, repository, tenant id or directory
	URL  string     `json:"url,omitempty"`
	ID   string     `json:"id,omitempty"` // Azure DevOps: the organisation's id (instanceId of connectionData)
}

// Gap is something that could not be read. What is behind a gap is unknown, never clean.
type Gap struct {
	Source  SourceKind `json:"source"`
	Object  string     `json:"object"` // what could not be read: a repository, file, project, application
	File    string     `json:"file,omitempty"`
	Line    int        `json:"line,omitempty"`
	Column  int        `json:"column,omitempty"`
	Message string     `json:"message"`        // what failed and why
	Next    string     `json:"next,omitempty"` // what a person can do about it
	Passing bool       `json:"-"`              // while scanning: the reason is one that passes, such as no answer, so that it is worth to ask again

	Permission string `json:"permission,omitempty"` // the id of the permission whose lack is the reason, as far as it can be told
}

// Mention is a place that names a secret without using it as a login: a comment, a disabled job, a document.
// Deleting a secret must not be fooled by it either way.
type Mention struct {
	Repository RepositoryName `json:"repository,omitempty"`
	File       string         `json:"file"`
	Line       int            `json:"line"`
	Column     int            `json:"column"`
	Secret     string         `json:"secret,omitempty"`
	Text       string         `json:"text"` // why it is only a mention: "comment", "job is disabled by if: false"
}
