// What unsecret needs for all phases, least privilege.
// Deploy it to each subscription: az deployment sub create --location LOCATION --template-file FILE --parameters clientId=…
//
// Not in here, since Azure DevOps and GitHub have no such command; grant these by hand:
//   Azure DevOps: Project Readers
//     https://dev.azure.com/<organisation>/_settings/users (add the identity with access level Basic, to Project Readers of each project)
//   Azure DevOps: Reader role on service connections
//     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role Reader, for all connections of the project)
//   Azure DevOps: User role on service connections
//     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role User, on the connections of the plan)
//   Azure DevOps: Administrator role on service connections
//     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role Administrator, on the connections of the plan)
//   Azure DevOps: Creator role on service connections, Administrator on those that are replaced, only with plan.connections.registry or plan.connections.identity: recreate
//     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role Creator, for all connections of the project; role Administrator, on the connections of the plan)
//   Azure DevOps: Administrator role on service connections that were replaced, only with plan.connections.registry or plan.connections.identity: recreate
//     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role Administrator, on the connections of the plan)
//   Azure DevOps: Read on repositories, pipelines and library
//     https://dev.azure.com/<organisation>/<project>/_settings/repositories (Security: Read, for all repositories of the project)
//   Azure DevOps: Contribute, Create branch, Contribute to pull requests
//     https://dev.azure.com/<organisation>/<project>/_settings/repositories (Security: Contribute, Create branch and Contribute to pull requests, on the repositories of the plan)
//   GitHub: Contents, Metadata: read
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Contents: read
//   GitHub: Actions: read
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Actions: read
//   GitHub: Administration: read
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Administration: read
//   GitHub: Secrets, Variables, Environments, Dependabot secrets: read
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Secrets, Variables, Environments, Dependabot secrets: read
//   GitHub: organisation Secrets, Variables, Administration: read
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, organisation Secrets, Variables, Administration: read
//   GitHub: Contents, Pull requests, Workflows: write
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Contents, Pull requests, Workflows: write
//   GitHub: Pull requests: read
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Pull requests: read
//   GitHub: Checks, Commit statuses: read
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Checks, Commit statuses: read
//   GitHub: Variables, Environments: write
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Variables, Environments: write
//   GitHub: Secrets, Environments, Dependabot secrets: write
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Secrets, Environments, Dependabot secrets: write
//   GitHub: organisation Secrets, Variables: write
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, organisation Secrets, Variables: write
//   GitHub: Contents, Workflows, Actions: write; Checks: read
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Contents, Workflows, Actions: write; Checks: read
//
// Not in here either, since it is granted below a subscription or at many places:
//   Managed Identity Contributor, only with plan.targets
//     az role assignment create --assignee <client id of unsecret's application> --role "Managed Identity Contributor" --scope /subscriptions/<subscription>/resourceGroups/<resource group of plan.targets>
//   Role Based Access Control Administrator, only with plan.targets
//     az role assignment create --assignee <client id of unsecret's application> --role "Role Based Access Control Administrator" --scope <each scope of the application's roles>
//
// Application.ReadWrite.OwnedBy reaches only applications that unsecret's service principal owns; add it with
//   az ad app owner add --id <application> --owner-object-id <object id of the service principal>

targetScope = 'subscription'

extension 'br:mcr.microsoft.com/bicep/extensions/microsoftgraph/v1.0:1.0.0'

@description('Client id of the application that unsecret signs in as. Its service principal must exist.')
param clientId string

resource unsecret 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: clientId
}

resource graph 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: '00000003-0000-0000-c000-000000000000'
}

@description('Whether to grant Policy.ReadWrite.ApplicationConfiguration, which only plan.endState: blockPasswords needs.')
param blockPasswords bool = false

var applicationPermissions = concat([
  '9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30' // Application.Read.All
  'b0afded3-3588-46d8-8b3d-9842eff778da' // AuditLog.Read.All
  '246dd0d5-5bd0-4def-940b-0421030a5b68' // Policy.Read.All
  '18a4783c-866b-4cc7-a460-3d5e5662c884' // Application.ReadWrite.OwnedBy
], !blockPasswords ? [] : [
  'be74164b-cff1-491c-8741-e671cb536e13' // Policy.ReadWrite.ApplicationConfiguration
])

resource consent 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [for permission in applicationPermissions: {
  appRoleId: permission
  principalId: unsecret.id
  resourceId: graph.id
}]

// Reader, for role assignments and Managed DevOps Pools, through Resource Graph.
resource reader 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, clientId, 'acdd72a7-3385-48ef-bd42-f606fba81ae7')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'acdd72a7-3385-48ef-bd42-f606fba81ae7')
    principalId: unsecret.id
    principalType: 'ServicePrincipal'
  }
}
