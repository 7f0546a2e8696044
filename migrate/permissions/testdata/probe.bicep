// What unsecret needs for probe, least privilege.
// Deploy it to each subscription: az deployment sub create --location LOCATION --template-file FILE --parameters clientId=…
//
// Not in here, since Azure DevOps and GitHub have no such command; grant these by hand:
//   GitHub: Contents, Workflows, Actions: write; Checks: read
//     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Contents, Workflows, Actions: write; Checks: read

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
])

resource consent 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [for permission in applicationPermissions: {
  appRoleId: permission
  principalId: unsecret.id
  resourceId: graph.id
}]
