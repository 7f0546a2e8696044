package permissions

import (
	"fmt"
	"slices"
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
			line("  %s: %s%s", p.System.Title(), p.Name, onlyWhere(p))
			line("    %s", p.Grant[0])
		}
	}
	return b.String()
}

func onlyWhere(p Permission) string {
	if p.Where == "" {
		return ""
	}
	return ", only with " + p.Where
}

// of gives the permissions of one system: those that are always needed, and those that a setting of the configuration needs.
func of(phase Phase, s System) (always, asked []Permission) {
	for _, p := range Needed(phase) {
		switch {
		case p.System != s:
		case p.Where == "":
			always = append(always, p)
		default:
			asked = append(asked, p)
		}
	}
	return always, asked
}

// AzureCLI writes a shell script that grants what can be granted with the Azure CLI. What only a setting of the configuration needs is granted where
// it is asked for.
func AzureCLI(phase Phase) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	b.WriteString(head("#", phase, "Run it as an administrator who may grant consent: APP_ID=… SUBSCRIPTION=… sh FILE"))
	b.WriteString("\nset -eu\n: \"${APP_ID:?set APP_ID to the client id of the application that unsecret signs in as}\"\n")
	list, asked := of(phase, Graph)
	if len(list) > 0 {
		b.WriteString("\n# Microsoft Graph, application permissions.\n" + addPermission)
		for _, p := range list {
			fmt.Fprintf(&b, " \\\n  %s=Role", p.RoleID)
		}
		b.WriteString("\n")
		for _, p := range list {
			fmt.Fprintf(&b, "# %s = %s\n", p.RoleID, p.Name)
		}
		for _, p := range asked {
			fmt.Fprintf(&b, "# %s = %s, only with %s: then set %s=yes\n", p.RoleID, p.Name, p.Where, p.variable)
			fmt.Fprintf(&b, "if [ \"${%s:-}\" = yes ]; then\n  %s %s=Role\nfi\n", p.variable, addPermission, p.RoleID)
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
	list, asked = of(phase, Azure)
	for _, p := range list {
		fmt.Fprintf(&b, "\n# Azure: %s, for %s.\n: \"${SUBSCRIPTION:?set SUBSCRIPTION to the id of a subscription; run this part once for each}\"\n", p.Name, p.For)
		fmt.Fprintf(&b, "az role assignment create --assignee \"$APP_ID\" --role %s --scope \"/subscriptions/$SUBSCRIPTION\"\n", p.RoleID)
	}
	for _, p := range asked {
		fmt.Fprintf(&b, "\n# Azure: %s, for %s.\n# Only with %s: then set %s to the scopes, with spaces between them: %s.\n", p.Name, p.For, p.Where, p.variable, p.scopes)
		fmt.Fprintf(&b, "for scope in ${%s:-}; do\n  az role assignment create --assignee \"$APP_ID\" --role %s --scope \"$scope\"\ndone\n", p.variable, p.RoleID)
	}
	return b.String()
}

const addPermission = "az ad app permission add --id \"$APP_ID\" --api " + graphResource + " --api-permissions"

func owned(phase Phase) bool {
	always, _ := of(phase, Graph)
	return slices.ContainsFunc(always, func(p Permission) bool { return p.ID == GraphOwnedBy })
}

// Bicep writes a file that grants the same with Azure Resource Manager and the Microsoft Graph extension
// (Microsoft Learn: Bicep templates for Microsoft Graph resources; appRoleAssignedTo, servicePrincipals).
func Bicep(phase Phase) string {
	var b strings.Builder
	b.WriteString(head("//", phase, "Deploy it to each subscription: az deployment sub create --location LOCATION --template-file FILE --parameters clientId=…"))
	if _, asked := of(phase, Azure); len(asked) > 0 {
		b.WriteString("//\n// Not in here either, since it is granted below a subscription or at many places:\n")
		for _, p := range asked {
			fmt.Fprintf(&b, "//   %s%s\n//     %s\n", p.Name, onlyWhere(p), p.Grant[0])
		}
	}
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
	list, asked := of(phase, Graph)
	if len(list) > 0 {
		fmt.Fprintf(&b, "\nresource graph 'Microsoft.Graph/servicePrincipals@v1.0' existing = {\n  appId: '%s'\n}\n", graphResource)
		for _, p := range asked {
			fmt.Fprintf(&b, "\n@description('Whether to grant %s, which only %s needs.')\nparam %s bool = false\n", p.Name, p.Where, symbol(p.variable, "_"))
		}
		b.WriteString("\nvar applicationPermissions = concat([\n")
		for _, p := range list {
			fmt.Fprintf(&b, "  '%s' // %s\n", p.RoleID, p.Name)
		}
		for _, p := range asked {
			fmt.Fprintf(&b, "], !%s ? [] : [\n  '%s' // %s\n", symbol(p.variable, "_"), p.RoleID, p.Name)
		}
		b.WriteString(`])

resource consent 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [for permission in applicationPermissions: {
  appRoleId: permission
  principalId: unsecret.id
  resourceId: graph.id
}]
`)
	}
	list, _ = of(phase, Azure)
	for _, p := range list {
		fmt.Fprintf(&b, "\n// %s, for %s.\n", p.Name, p.For)
		fmt.Fprintf(&b, `resource %s 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, clientId, '%s')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '%s')
    principalId: unsecret.id
    principalType: 'ServicePrincipal'
  }
}
`, symbol(p.Name, " "), p.RoleID, p.RoleID)
	}
	return b.String()
}

// symbol makes a name of Bicep out of words: letters alone, the first one small (Microsoft Learn: Bicep file structure and syntax, Identifiers).
func symbol(words, between string) string {
	var b strings.Builder
	for i, w := range strings.Split(strings.ToLower(words), between) {
		if i > 0 && w != "" {
			w = strings.ToUpper(w[:1]) + w[1:]
		}
		b.WriteString(w)
	}
	return b.String()
}
