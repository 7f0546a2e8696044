package permissions

// Ids that permissions are referred to by elsewhere.
const (
	DevOpsProjects        = "azureDevOps/projects"
	DevOpsConnectionRead  = "azureDevOps/connection-reader"
	DevOpsConnectionUser  = "azureDevOps/connection-user"
	DevOpsConnectionAdmin = "azureDevOps/connection-administrator"
	DevOpsConnectionMaker = "azureDevOps/connection-creator"
	DevOpsConnectionOff   = "azureDevOps/connection-disable"
	DevOpsCodeRead        = "azureDevOps/code-read"
	DevOpsCodeWrite       = "azureDevOps/code-write"
	GraphApplicationRead  = "graph/Application.Read.All"
	GraphAuditLog         = "graph/AuditLog.Read.All"
	GraphPolicy           = "graph/Policy.Read.All"
	GraphPolicyWrite      = "graph/Policy.ReadWrite.ApplicationConfiguration"
	GraphOwnedBy          = "graph/Application.ReadWrite.OwnedBy"
	AzureReader           = "azure/Reader"
	AzureIdentity         = "azure/Managed Identity Contributor"
	AzureRoles            = "azure/Role Based Access Control Administrator"
	GitHubContents        = "github/contents-read"
	GitHubActions         = "github/actions-read"
	GitHubAdministration  = "github/administration-read"
	GitHubStores          = "github/stores-read"
	GitHubOrganization    = "github/organization-stores-read"
	GitHubWrite           = "github/contents-write"
	GitHubPulls           = "github/pull-requests-read"
	GitHubChecks          = "github/checks-read"
	GitHubVariables       = "github/variables-write"
	GitHubSecrets         = "github/secrets-write"
	GitHubOrganizationSet = "github/organization-stores-write"
	GitHubProbe           = "github/actions-write"
)

const (
	sourceGraph  = "Microsoft Graph permissions reference"
	sourceGitHub = "GitHub Docs: Permissions required for fine-grained personal access tokens; Permissions required for GitHub Apps"
)

// all are the permissions, by system and then by phase.
var all = []Permission{
	{
		ID: DevOpsProjects, System: AzureDevOps, Name: "Project Readers", Scope: "vso.project", Phases: []Phase{Scan, Apply, Revoke},
		For:     "finding the projects",
		Without: "nothing of the organisation is found",
		Grant:   []string{urlUsers + " (add the identity with access level Basic, to Project Readers of each project)"},
		Source:  "Azure DevOps REST API: Projects - List; Microsoft Learn: Use service principals and managed identities in Azure DevOps",
	},
	{
		ID: DevOpsConnectionRead, System: AzureDevOps, Name: "Reader role on service connections", Scope: "vso.serviceendpoint", Phases: []Phase{Scan, Revoke},
		For:     "connections, what they sign in as, and their execution history",
		Without: "connections come without data and are reported as not readable",
		Grant:   []string{urlConnections + " (⋮, Security: role Reader, for all connections of the project)"},
		Source:  "Azure DevOps REST API: Endpoints - Get Service Endpoints; Microsoft Learn: Set service connection permissions",
	},
	{
		ID: DevOpsConnectionUser, System: AzureDevOps, Name: "User role on service connections", Scope: "vso.serviceendpoint_query", Phases: []Phase{Scan, Apply, Revoke}, Optional: true,
		For:     "having a connection test itself (TestConnection), in verify and before a revoke",
		Without: "no connection is proved, so no secret behind one is revoked",
		Grant:   []string{urlConnections + " (⋮, Security: role User, on the connections of the plan)"},
		Source:  "Azure DevOps REST API: Endpointproxy - Query; Microsoft Learn: Set service connection permissions",
	},
	{
		ID: DevOpsConnectionAdmin, System: AzureDevOps, Name: "Administrator role on service connections", Scope: "vso.serviceendpoint_manage", Phases: []Phase{Apply},
		For:     "converting connections, and writing a new secret back in a rollback",
		Without: "connections are not converted",
		Grant:   []string{urlConnections + " (⋮, Security: role Administrator, on the connections of the plan)"},
		Source:  "Azure DevOps REST API: Endpoints - Update Service Endpoint; Microsoft Learn: Set service connection permissions",
	},
	{
		ID: DevOpsConnectionMaker, System: AzureDevOps, Name: "Creator role on service connections, Administrator on those that are replaced", Scope: "vso.serviceendpoint_manage, vso.pipelineresources_manage", Phases: []Phase{Apply}, Optional: true,
		Where:   "plan.connections.registry or plan.connections.identity: recreate",
		For:     "new connections in place of others, with their pipeline permissions, checks and roles",
		Without: "no connection is made, and its pipelines go on with the old one",
		Grant:   []string{urlConnections + " (⋮, Security: role Creator, for all connections of the project; role Administrator, on the connections of the plan)"},
		Source:  "Azure DevOps REST API: Endpoints - Create, Pipeline Permissions - Update, Check Configurations - Add; Microsoft Learn: Set service connection permissions",
	},
	{
		ID: DevOpsConnectionOff, System: AzureDevOps, Name: "Administrator role on service connections that were replaced", Scope: "vso.serviceendpoint_manage", Phases: []Phase{Revoke}, Optional: true,
		Where:   "plan.connections.registry or plan.connections.identity: recreate",
		For:     "disabling connections in whose place new ones were made; and in a rollback writing a new secret back and deleting the new ones",
		Without: "they stay enabled, with a credential that is gone",
		Grant:   []string{urlConnections + " (⋮, Security: role Administrator, on the connections of the plan)"},
		Source:  "Azure DevOps REST API: Endpoints - Update Service Endpoint, Endpoints - Delete; Microsoft Learn: Set service connection permissions",
	},
	{
		ID: DevOpsCodeRead, System: AzureDevOps, Name: "Read on repositories, pipelines and library", Scope: "vso.code, vso.build, vso.release, vso.variablegroups_read, vso.taskgroups_read, vso.securefiles_read, vso.agentpools", Phases: []Phase{Scan}, Optional: true,
		For:     "pipelines, their templates and variable groups",
		Without: "what uses a connection, and which pipelines would fail once it is converted",
		Grant:   []string{urlRepositories + " (Security: Read, for all repositories of the project)"},
		Source:  "Azure DevOps REST API: Git, Build, Release; Microsoft Learn: Set Git repository permissions",
	},
	{
		ID: DevOpsCodeWrite, System: AzureDevOps, Name: "Contribute, Create branch, Contribute to pull requests", Scope: "vso.code_write", Phases: []Phase{Apply}, Optional: true,
		For:     "pull requests in Azure Repos that change pipelines",
		Without: "no pull request is opened in Azure Repos, and connections whose pipelines would fail are not converted",
		Grant:   []string{urlRepositories + " (Security: Contribute, Create branch and Contribute to pull requests, on the repositories of the plan)"},
		Source:  "Azure DevOps REST API: Pushes - Create, Refs - Update Refs, Pull Requests - Create; Microsoft Learn: Set Git repository permissions",
	},
	{
		ID: GraphApplicationRead, System: Graph, Name: "Application.Read.All", Phases: []Phase{Scan, Probe}, RoleID: "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
		For:     "applications, their credentials, federated credentials and owners",
		Without: "identities, credentials and federated credentials",
		Grant:   grantGraph("9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"), Source: sourceGraph,
	},
	{
		ID: GraphAuditLog, System: Graph, Name: "AuditLog.Read.All", Phases: []Phase{Scan, Revoke}, RoleID: "b0afded3-3588-46d8-8b3d-9842eff778da", Optional: true,
		For:     "the sign-in log, which needs Entra ID P1 or P2 besides",
		Without: "sign-ins are unknown, so a revoke needs an explicit decision",
		Person:  "also the directory role Reports Reader",
		Grant:   grantGraph("b0afded3-3588-46d8-8b3d-9842eff778da"), Source: sourceGraph + "; Microsoft Learn: List signIns",
	},
	{
		ID: GraphPolicy, System: Graph, Name: "Policy.Read.All", Phases: []Phase{Scan, Revoke}, RoleID: "246dd0d5-5bd0-4def-940b-0421030a5b68", Optional: true,
		For:     "app management policies",
		Without: "whether a rollback after a revoke could add the password that it needs",
		Grant:   grantGraph("246dd0d5-5bd0-4def-940b-0421030a5b68"), Source: sourceGraph,
	},
	{
		ID: GraphPolicyWrite, System: Graph, Name: "Policy.ReadWrite.ApplicationConfiguration", Phases: []Phase{Revoke}, RoleID: "be74164b-cff1-491c-8741-e671cb536e13", Optional: true,
		Where: "plan.endState: blockPasswords", variable: "BLOCK_PASSWORDS",
		For:     "forbidding new passwords on what was revoked, where plan.endState is blockPasswords; needs Microsoft Entra Workload ID Premium besides",
		Without: "the end state is only proposed",
		Person:  "in its place Cloud Application Administrator",
		Grant:   grantGraph("be74164b-cff1-491c-8741-e671cb536e13"), Source: sourceGraph + "; Microsoft Learn: Assign appliesTo",
	},
	{
		ID: GraphOwnedBy, System: Graph, Name: "Application.ReadWrite.OwnedBy", Phases: []Phase{Apply, Revoke}, RoleID: "18a4783c-866b-4cc7-a460-3d5e5662c884",
		For:     "adding and removing federated credentials, removing passwords, minting one in a rollback",
		Without: "no trust is added and no password removed",
		Person:  "in its place Cloud Application Administrator, or owner of each application",
		Grant: append(grantGraph("18a4783c-866b-4cc7-a460-3d5e5662c884"),
			"az ad app owner add --id <each application of the plan> --owner-object-id <object id of unsecret's service principal>"),
		Source: sourceGraph,
	},
	{
		ID: AzureReader, System: Azure, Name: "Reader", Phases: []Phase{Scan}, RoleID: "acdd72a7-3385-48ef-bd42-f606fba81ae7", Optional: true,
		For:     "role assignments and Managed DevOps Pools, through Resource Graph",
		Without: "role assignments, and with them the rules on privileged identities; and which agents run in Managed DevOps Pools",
		Grant:   []string{"az role assignment create --assignee <client id of unsecret's application> --role Reader --scope /subscriptions/<subscription>"},
		Source:  "Microsoft Learn: Azure built-in roles",
	},
	{
		ID: AzureIdentity, System: Azure, Name: "Managed Identity Contributor", Phases: []Phase{Apply}, RoleID: "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59", Optional: true,
		Where: "plan.targets", variable: "IDENTITY_SCOPES", scopes: "the resource groups of plan.targets, such as /subscriptions/ID/resourceGroups/NAME",
		For:     "creating managed identities and their federated credentials, and Reader to compare roles, where plan.targets names such",
		Without: "units keep their applications",
		Grant:   []string{"az role assignment create --assignee <client id of unsecret's application> --role \"Managed Identity Contributor\" --scope /subscriptions/<subscription>/resourceGroups/<resource group of plan.targets>"},
		Source:  "Microsoft Learn: Azure built-in roles",
	},
	{
		ID: AzureRoles, System: Azure, Name: "Role Based Access Control Administrator", Phases: []Phase{Apply}, RoleID: "f58310d9-a9f6-439a-9e8d-f62e7b41a168", Optional: true,
		Where: "plan.targets", variable: "ROLE_SCOPES", scopes: "those at which the applications have roles",
		For:     "giving a managed identity the roles of the application, where plan.targets names such; restrict it to these roles by a condition",
		Without: "the roles are to be assigned by hand before anything moves",
		Grant:   []string{"az role assignment create --assignee <client id of unsecret's application> --role \"Role Based Access Control Administrator\" --scope <each scope of the application's roles>"},
		Source:  "Microsoft Learn: Azure built-in roles; Delegate Azure role assignment management with conditions",
	},
	{
		ID: GitHubContents, System: GitHub, Name: "Contents, Metadata: read", Scope: "repo", Phases: []Phase{Scan},
		For: "workflow and action files", Without: "the repository and its logins",
		Grant: grantGitHub("Contents: read", "repo"), Source: sourceGitHub,
	},
	{
		ID: GitHubActions, System: GitHub, Name: "Actions: read", Scope: "repo", Phases: []Phase{Scan, Apply, Revoke},
		For: "the subjects of tokens (OIDC customisation), and runs", Without: "the subjects of its tokens, so nothing of the repository is planned; runs as proof",
		Grant: grantGitHub("Actions: read", "repo"), Source: sourceGitHub,
	},
	{
		ID: GitHubAdministration, System: GitHub, Name: "Administration: read", Scope: "repo", Phases: []Phase{Scan}, Optional: true,
		For: "the default permissions of GITHUB_TOKEN", Without: "whether a job without a permissions block may write is not known",
		Grant: grantGitHub("Administration: read", "repo"), Source: sourceGitHub,
	},
	{
		ID: GitHubStores, System: GitHub, Name: "Secrets, Variables, Environments, Dependabot secrets: read", Scope: "repo", Phases: []Phase{Scan, Revoke},
		For: "the names of secrets, and variables", Without: "secrets and variables; what is behind a secret cannot be told",
		Grant: grantGitHub("Secrets, Variables, Environments, Dependabot secrets: read", "repo"), Source: sourceGitHub,
	},
	{
		ID: GitHubOrganization, System: GitHub, Name: "organisation Secrets, Variables, Administration: read", Scope: "admin:org", Phases: []Phase{Scan, Revoke}, Optional: true,
		For: "organisation secrets and variables, and the organisation's OIDC subject", Without: "organisation secrets, and which repositories they reach",
		Grant: grantGitHub("organisation Secrets, Variables, Administration: read", "admin:org"), Source: sourceGitHub,
	},
	{
		ID: GitHubWrite, System: GitHub, Name: "Contents, Pull requests, Workflows: write", Scope: "repo, workflow", Phases: []Phase{Apply},
		For: "branches, commits and pull requests that change workflow files", Without: "no pull request is opened",
		Grant: grantGitHub("Contents, Pull requests, Workflows: write", "repo,workflow"), Source: sourceGitHub + "; GitHub Docs: Scopes for OAuth apps (workflow)",
	},
	{
		ID: GitHubPulls, System: GitHub, Name: "Pull requests: read", Scope: "repo", Phases: []Phase{Scan, Revoke}, Optional: true,
		For: "whether the pull requests of an apply are merged, in verify, status and before a revoke", Without: "what waits for a merge stays pending",
		Grant: grantGitHub("Pull requests: read", "repo"), Source: sourceGitHub,
	},
	{
		ID: GitHubChecks, System: GitHub, Name: "Checks, Commit statuses: read", Scope: "repo", Phases: []Phase{Apply}, Optional: true,
		For: "the checks of a pull request's commit, which say why it cannot be merged yet", Without: "a pull request that waits is reported without the checks that it waits for",
		Grant: grantGitHub("Checks, Commit statuses: read", "repo"), Source: sourceGitHub,
	},
	{
		ID: GitHubVariables, System: GitHub, Name: "Variables, Environments: write", Scope: "repo", Phases: []Phase{Apply},
		For: "the variables that hold the ids", Without: "no variable is set, so logins that name one are not rewritten",
		Grant: grantGitHub("Variables, Environments: write", "repo"), Source: sourceGitHub,
	},
	{
		ID: GitHubSecrets, System: GitHub, Name: "Secrets, Environments, Dependabot secrets: write", Scope: "repo", Phases: []Phase{Revoke},
		For: "deleting secrets, and writing them again in a rollback; with plan.ids: secrets, apply needs it too", Without: "old secrets stay where they are",
		Grant: grantGitHub("Secrets, Environments, Dependabot secrets: write", "repo"), Source: sourceGitHub,
	},
	{
		ID: GitHubOrganizationSet, System: GitHub, Name: "organisation Secrets, Variables: write", Scope: "admin:org", Phases: []Phase{Apply, Revoke}, Optional: true,
		For: "organisation secrets and variables, where the plan has such", Without: "those of the organisation are not changed",
		Grant: grantGitHub("organisation Secrets, Variables: write", "admin:org"), Source: sourceGitHub,
	},
	{
		ID: GitHubProbe, System: GitHub, Name: "Contents, Workflows, Actions: write; Checks: read", Scope: "repo, workflow", Phases: []Phase{Probe},
		For: "the probe's branch and workflow, its answer, and deleting its run", Without: "no probe is opened",
		Grant: grantGitHub("Contents, Workflows, Actions: write; Checks: read", "repo,workflow"), Source: sourceGitHub + "; GitHub Docs: REST API endpoints for workflow runs (delete)",
	},
}
