// Package scan fills an inventory from the outside world. It declares the read-only interfaces that it needs;
// the providers implement them. It decides what is read, in which order, and turns every failure into a gap.
package scan

import (
	"context"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/pipeline"
	"github.com/unsecret-dev/unsecret/migrate/terraform"
)

// AzureDevOps reads one Azure DevOps organisation.
type AzureDevOps interface {
	// Organization gives the organisation's name, id and URL (connectionData).
	Organization(ctx context.Context) (inventory.Source, error)
	// Projects lists all projects, following the continuation token.
	Projects(ctx context.Context) ([]Project, error)
	// Connections lists the connections visible in one project, not ready ones included. A connection that came
	// without data has Readable false. The same id can come from several projects.
	Connections(ctx context.Context, project Project) ([]inventory.Connection, error)
	// Executions reads the execution history of a connection in one project, newest first, at most limit records.
	Executions(ctx context.Context, project Project, id inventory.ConnectionID, limit int) ([]inventory.Execution, error)
	AzurePipelines
}

// AzurePipelines reads what pipelines of an organisation are made of. Lists that can be long come one by one, so that a scan holds none of them.
type AzurePipelines interface {
	// Definitions reads the build definitions of a project with their process. A definition that cannot be decoded does not stop the others:
	// it is in the error, which comes last.
	Definitions(ctx context.Context, project Project, yield func(pipeline.BuildDefinition) error) error
	// Releases reads the classic release definitions of a project, each with what its stages do. One that known tells to be known at its revision is
	// left out, which saves a request.
	Releases(ctx context.Context, project Project, known func(id, revision int) bool, yield func(pipeline.ReleaseDefinition) error) error
	// TaskGroups reads the task groups of a project.
	TaskGroups(ctx context.Context, project Project) ([]pipeline.TaskGroup, error)
	// VariableGroups reads the variable groups of a project. Values of secret variables are never told.
	VariableGroups(ctx context.Context, project Project) ([]pipeline.VariableGroup, error)
	// Environments lists the resources of a project's environments that are reached through a connection.
	Environments(ctx context.Context, project Project) ([]EnvironmentResource, error)
	// SecureFiles lists the names of a project's secure files.
	SecureFiles(ctx context.Context, project Project) ([]string, error)
	// Pools lists the organisation's agent pools.
	Pools(ctx context.Context) ([]inventory.AgentPool, error)
	// Repositories lists the repositories of Azure Repos in a project.
	Repositories(ctx context.Context, project Project) ([]DevOpsRepository, error)
	// File reads a file of Azure Repos, byte for byte, at a branch, tag or commit; empty is the default branch.
	File(ctx context.Context, repository DevOpsRepository, path, ref string) ([]byte, error)
	// Files reads many files of one branch of a repository of Azure Repos, as File does one, with few requests. It may leave out any of them, or all: those
	// are to be read with File.
	Files(ctx context.Context, repository DevOpsRepository, branch string, paths []string) map[string][]byte
	// Terraform reads the Terraform code at a branch of a repository of Azure Repos, as terraform.Choose takes it, with few requests; empty is the
	// default branch. Single files that could not be read are told beside those that were.
	Terraform(ctx context.Context, repository DevOpsRepository, branch string) (terraform.Files, error)
	// PushedSince tells whether anything was pushed to a repository of Azure Repos since a time.
	PushedSince(ctx context.Context, repository DevOpsRepository, since time.Time) (bool, error)
	// Permissions tells which pipelines of a project may use a connection.
	Permissions(ctx context.Context, project Project, id inventory.ConnectionID) (inventory.ConnectionPermission, error)
	// Checks reads the checks on many connections of a project with one request for each hundred.
	Checks(ctx context.Context, project Project, ids []inventory.ConnectionID) (map[inventory.ConnectionID][]inventory.ConnectionCheck, error)
	// Exists tells whether a connection is still there.
	Exists(ctx context.Context, project Project, id inventory.ConnectionID) (bool, error)
}

// EnvironmentResource is a resource of an environment that uses a connection.
type EnvironmentResource struct {
	Environment string
	Name        string
	Connection  inventory.ConnectionID // of a check: an id that may be a connection's
	Check       bool                   // it is a check on the environment, and Name its type
}

// DevOpsRepository is a repository of Azure Repos.
type DevOpsRepository struct {
	ID            string
	Project       Project
	Name          string
	DefaultBranch string
}

// GitHubFiles reads single files of GitHub, for pipelines of Azure DevOps whose YAML is there. A GitHub client that does not implement it leaves
// those pipelines as gaps.
type GitHubFiles interface {
	// FileOID gives the blob id of a path at a branch, tag or commit; an empty ref is the default branch.
	FileOID(ctx context.Context, repo inventory.RepositoryName, ref, path string) (string, error)
	// Blob reads a file's bytes by its blob id.
	Blob(ctx context.Context, repo inventory.RepositoryName, oid string) ([]byte, error)
}

// Project is one Azure DevOps project.
type Project struct {
	ID   inventory.ProjectID
	Name string
}

// GitHub reads repositories of one GitHub host.
type GitHub interface {
	// Host is the host that the repositories live on, such as github.com, and Issuer the issuer of its tokens.
	Host() string
	Issuer() string
	// List lists the repositories of an organisation (or user), archived ones included, cheaply: name and ids only.
	List(ctx context.Context, owner string) ([]RepositoryRef, error)
	// Resolve finds one repository by its name. The result has the canonical case.
	Resolve(ctx context.Context, name inventory.RepositoryName) (RepositoryRef, error)
	// Read reads metadata and all workflow and action files of many repositories in GraphQL batches, halving a
	// batch on 502, 504 or partial data. It calls yield once for each, in any order but never concurrently;
	// a repository that could not be read comes with Err set. A file whose text cannot be trusted to be
	// byte-exact (binary, truncated, not UTF-8, byte order mark) is fetched raw by its oid.
	Read(ctx context.Context, refs []RepositoryRef, yield func(RepositoryContent)) error
	// Terraform reads the Terraform code at the head of repositories, as terraform.Choose takes it, with few requests. What could not be read
	// is told beside what was; the only error is that of an ended context.
	Terraform(ctx context.Context, repos []inventory.Repository) (map[inventory.RepositoryName]terraform.Files, error)
	// Settings reads what sign-ins depend on and GraphQL does not tell, for a repository that has a login: the OIDC
	// subject, default token permissions, secrets and variables at repository level, organisation secrets
	// visible to it, and environments with theirs. What could not be read is listed in Gaps; the rest stands.
	// What cannot matter is not asked for.
	Settings(ctx context.Context, repo inventory.Repository, skip ...Skip) (RepositorySettings, error)
	// OrganizationStores reads organisation-level secrets and variables, once for each owner.
	OrganizationStores(ctx context.Context, owner string) (secrets []inventory.Secret, variables []inventory.Variable, err error)
}

// RepositoryRef is a repository before it is read.
type RepositoryRef struct {
	Name     inventory.RepositoryName
	NodeID   string
	ID       int64
	Archived bool
}

// Skip is a part of a repository's settings that cannot matter, and costs a request.
type Skip string

// The parts that can be skipped.
const (
	SkipDefaultPermissions Skip = "default permissions" // every workflow says what its token may do
	SkipDependabot         Skip = "Dependabot secrets"  // Dependabot never runs
)

// RepositoryContent is what was read of one repository.
type RepositoryContent struct {
	Ref        RepositoryRef
	Repository inventory.Repository // without OIDC, DefaultPermissions and Environments
	Files      []FileContent
	Dependabot bool // it is configured, or alerts let it make security updates: its runs read secrets of their own
	Err        error
}

// FileContent is one file's bytes.
type FileContent struct {
	Path    string
	OID     string
	Content []byte
	Err     error // this file could not be read; the others stand
}

// RepositorySettings is what RepositoryContent does not tell.
type RepositorySettings struct {
	OIDC               inventory.OIDC
	DefaultPermissions string
	Environments       []string
	Secrets            []inventory.Secret
	Variables          []inventory.Variable
	Gaps               []inventory.Gap
}

// Entra reads one tenant.
type Entra interface {
	Tenant() inventory.TenantID
	// Applications reads the applications with these client ids, with credentials, federated credentials and
	// owners. One that does not exist is missing from the result; one that could not be read is a gap.
	Applications(ctx context.Context, ids []inventory.AppID) ([]inventory.Identity, []inventory.Gap, error)
	// AllApplications reads every application of the tenant.
	AllApplications(ctx context.Context) ([]inventory.Identity, []inventory.Gap, error)
	// Grants reads what a service principal has in the directory besides Azure roles: application permissions, groups, Entra roles and what
	// it owns.
	Grants(ctx context.Context, principal inventory.ObjectID) (inventory.Grants, error)
	// SignIns reads the sign-in log of one application from a time on.
	SignIns(ctx context.Context, app inventory.AppID, since time.Time) (inventory.SignInEvidence, error)
}

// Azure reads role assignments.
type Azure interface {
	// Roles reads the role assignments of many service principals (by object id) through Resource Graph.
	Roles(ctx context.Context, principals []inventory.ObjectID) (map[inventory.ObjectID][]inventory.RoleAssignment, error)
	// ManagedIdentities reads the user-assigned managed identities whose names match any of the globs, with their federated credentials.
	ManagedIdentities(ctx context.Context, names []string) ([]inventory.ManagedIdentity, error)
	// Subscriptions lists the subscriptions that the caller sees.
	Subscriptions(ctx context.Context) ([]inventory.Subscription, error)
	// VaultPolicies gives the names of the key vaults whose access policies name a principal.
	VaultPolicies(ctx context.Context) (map[inventory.ObjectID][]string, error)
	// ManagedPools reads the Managed DevOps Pools that the caller sees.
	ManagedPools(ctx context.Context) ([]inventory.ManagedPool, error)
}
