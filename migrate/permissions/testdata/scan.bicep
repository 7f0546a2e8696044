// What unsecret needs for scan, least privilege.
// Deploy it to each subscription: az deployment sub create --location LOCATION --template-file FILE --parameters clientId=…
//
// Not in here, since Azure DevOps and GitHub have no such command; grant these by hand:
//   Azure DevOps: Project Readers
//     https://dev.azure.com/<organisation>/_settings/users (add the identity with access level Basic, to Project Readers of each project)
//   Azure DevOps: Reader role on service connections
//     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role Reader, for all connections of the project)
//   Azure DevOps: User role on service connections
//     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role User, on the connections of the plan)
//   Azure DevOps: Read on repositories, pipelines and library
//     https://dev.azure.com/<organisation>/<project>/_settings/repositories (Security: Read, for all repositories of the project)
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
//   GitHub: Pull requests: read
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Pull requests: read

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

var applicationPermissions = concat([
  '9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30' // Application.Read.All
  'b0afded3-3588-46d8-8b3d-9842eff778da' // AuditLog.Read.All
  '246dd0d5-5bd0-4def-940b-0421030a5b68' // Policy.Read.All
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
