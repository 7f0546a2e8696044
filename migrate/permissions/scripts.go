package permissions

import (
	"fmt"
	"strings"
)

// head is the comment that both scripts begin with: what they grant and what they cannot.
func head(mark string, phase Phase, how string) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(strings.TrimRight(mark+" "+fmt.Sprintf(format, args...), " ") + "\n")
	}
	what := "all phases"
	if phase != "" {
		what = string(phase)
	}
	line("What unsecret needs for %s, least privilege.", what)
	line("%s", how)
	line("")
	line("Not in here, since Azure DevOps and GitHub have no such command; grant these by hand:")
	for _, p := range Needed(phase) {
		if p.System == AzureDevOps || p.System == GitHub {
			line("  %s: %s", p.System.Title(), p.Name)
			line("    %s", p.Grant[0])
		}
	}
	return b.String()
}

// of gives the permissions of one system.
func of(phase Phase, s System) []Permission {
	var out []Permission
	for _, p := range Needed(phase) {
		if p.System == s {
			out = append(out, p)
		}
	}
	return out
}

// AzureCLI writes a shell script that grants what can be granted with the Azure CLI.
func AzureCLI(phase Phase) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	b.WriteString(head("#", phase, "Run it as an administrator who may grant consent: APP_ID=… SUBSCRIPTION=… sh FILE"))
	b.WriteString("\nset -eu\n: \"${APP_ID:?set APP_ID to the client id of the application that unsecret signs in as}\"\n")
	if list := of(phase, Graph); len(list) > 0 {
		fmt.Fprintf(&b, "\n# Microsoft Graph, application permissions.\naz ad app permission add --id \"$APP_ID\" --api %s --api-permissions", graphResource)
		for _, p := range list {
			fmt.Fprintf(&b, " \\\n  %s=Role", p.RoleID)
		}
		b.WriteString("\n")
		for _, p := range list {
			fmt.Fprintf(&b, "# %s = %s\n", p.RoleID, p.Name)
		}
		b.WriteString("az ad app permission admin-consent --id \"$APP_ID\"\n")
	}
	if owned(phase) {
		b.WriteString(`
# Application.ReadWrite.OwnedBy reaches only applications that unsecret's service principal owns: name those of the plan.
principal=$(az ad sp show --id "$APP_ID" --query id --output tsv)
for application in ${APPLICATIONS:-}; do
  az ad app owner add --id "$application" --owner-object-id "$principal"
done
`)
	}
	for _, p := range of(phase, Azure) {
		fmt.Fprintf(&b, "\n# Azure, for %s.\n: \"${SUBSCRIPTION:?set SUBSCRIPTION to a subscription's id; run this part once for each}\"\n", p.For)
		fmt.Fprintf(&b, "az role assignment create --assignee \"$APP_ID\" --role %s --scope \"/subscriptions/$SUBSCRIPTION\"\n", p.RoleID)
	}
	return b.String()
}

func owned(phase Phase) bool {
	for _, p := range of(phase, Graph) {
		if p.ID == GraphOwnedBy {
			return true
		}
	}
	return false
}

// Bicep writes a file that grants the same with Azure Resource Manager and the Microsoft Graph extension
// (Microsoft Learn: Bicep templates for Microsoft Graph resources; appRoleAssignedTo, servicePrincipals).
func Bicep(phase Phase) string {
	var b strings.Builder
	b.WriteString(head("//", phase, "Deploy it to each subscription: az deployment sub create --location LOCATION --template-file FILE --parameters clientId=…"))
	if owned(phase) {
		b.WriteString("//\n// Application.ReadWrite.OwnedBy reaches only applications that unsecret's service principal owns; add it with\n//   az ad app owner add --id <application> --owner-object-id <object id of the service principal>\n")
	}
	b.WriteString(`
targetScope = 'subscription'

extension 'br:mcr.microsoft.com/bicep/extensions/microsoftgraph/v1.0:1.0.0'

@description('Client id of the application that unsecret signs in as. Its service principal must exist.')
param clientId string

resource unsecret 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: clientId
}
`)
	if list := of(phase, Graph); len(list) > 0 {
		fmt.Fprintf(&b, "\nresource graph 'Microsoft.Graph/servicePrincipals@v1.0' existing = {\n  appId: '%s'\n}\n", graphResource)
		b.WriteString("\nvar applicationPermissions = [\n")
		for _, p := range list {
			fmt.Fprintf(&b, "  '%s' // %s\n", p.RoleID, p.Name)
		}
		b.WriteString(`]

resource consent 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [for permission in applicationPermissions: {
  appRoleId: permission
  principalId: unsecret.id
  resourceId: graph.id
}]
`)
	}
	for _, p := range of(phase, Azure) {
		fmt.Fprintf(&b, "\n// %s, for %s.\n", p.Name, p.For)
		fmt.Fprintf(&b, `resource %s 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, clientId, '%s')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '%s')
    principalId: unsecret.id
    principalType: 'ServicePrincipal'
  }
}
`, strings.ToLower(p.Name), p.RoleID, p.RoleID)
	}
	return b.String()
}
