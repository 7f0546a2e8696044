// What unsecret needs for apply, least privilege.
// Deploy it to each subscription: az deployment sub create --location LOCATION --template-file FILE --parameters clientId=…
//
// Not in here, since Azure DevOps and GitHub have no such command; grant these by hand:
//   Azure DevOps: Project Readers
//     https://dev.azure.com/<organisation>/_settings/users (add the identity with access level Basic, to Project Readers of each project)
//   Azure DevOps: User role on service connections
//     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role User, on the connections of the plan)
//   Azure DevOps: Administrator role on service connections
//     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role Administrator, on the connections of the plan)
//   Azure DevOps: Creator role on service connections, Administrator on those that are replaced
//     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role Creator, for all connections of the project; role Administrator, on the connections of the plan)
//   Azure DevOps: Contribute, Create branch, Contribute to pull requests
//     https://dev.azure.com/<organisation>/<project>/_settings/repositories (Security: Contribute, Create branch and Contribute to pull requests, on the repositories of the plan)
//   GitHub: Actions: read
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Actions: read
//   GitHub: Contents, Pull requests, Workflows: write
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Contents, Pull requests, Workflows: write
//   GitHub: Checks, Commit statuses: read
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Checks, Commit statuses: read
//   GitHub: Variables, Environments: write
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Variables, Environments: write
//   GitHub: organisation Secrets, Variables: write
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, organisation Secrets, Variables: write
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

var applicationPermissions = [
  '18a4783c-866b-4cc7-a460-3d5e5662c884' // Application.ReadWrite.OwnedBy
]

resource consent 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [for permission in applicationPermissions: {
  appRoleId: permission
  principalId: unsecret.id
  resourceId: graph.id
}]

// Managed Identity Contributor, for creating managed identities and their federated credentials, and Reader to compare roles, where plan.targets names such.
resource managed identity contributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, clientId, 'e40ec5ca-96e0-45a2-b4ff-59039f2c2b59')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'e40ec5ca-96e0-45a2-b4ff-59039f2c2b59')
    principalId: unsecret.id
    principalType: 'ServicePrincipal'
  }
}

// Role Based Access Control Administrator, for giving a managed identity the roles of the application, where plan.targets names such; restrict it to these roles by a condition.
resource role based access control administrator 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, clientId, 'f58310d9-a9f6-439a-9e8d-f62e7b41a168')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'f58310d9-a9f6-439a-9e8d-f62e7b41a168')
    principalId: unsecret.id
    principalType: 'ServicePrincipal'
  }
}
