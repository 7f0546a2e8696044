package plan

import (
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

func TestAConnectionWithoutAnApplicationIsLeftWithTheWordsOfItsClass(t *testing.T) {
	type is = inventory.Connection
	seen := map[string]string{}
	for name, tc := range map[string]struct {
		c          inventory.Connection
		code, says string
		next       string // empty: there is nothing to do
	}{
		"no secret":         {is{Type: "AzureServiceBus", Scheme: "None"}, "already", "it stores no secret", ""},
		"federated":         {is{Type: "workloadidentityuser", Scheme: "WorkloadIdentityFederation"}, "already", "federation already", ""},
		"registry's admin":  {is{Type: "dockerregistry", Scheme: "UsernamePassword", Variant: "ACR", LoginServer: "contoso.azurecr.io"}, "registry-admin", "contoso.azurecr.io as its admin user", "--admin-enabled false"},
		"another registry":  {is{Type: "dockerregistry", Scheme: "UsernamePassword", Variant: "DockerHub"}, "registry-password", "no credential of Azure", "rotate"},
		"cluster":           {is{Type: "kubernetes", Scheme: "Kubernetes", Variant: "AzureSubscription"}, "kubernetes-subscription", "credential of the cluster", "connectionType: azureResourceManager"},
		"kubeconfig":        {is{Type: "kubernetes", Scheme: "Kubernetes", Variant: "Kubeconfig"}, "kubernetes-kubeconfig", "credential of the cluster", "connectionType: azureResourceManager"},
		"service account":   {is{Type: "kubernetes", Scheme: "Token", Variant: "ServiceAccount"}, "kubernetes-token", "credential of the cluster", "connectionType: azureResourceManager"},
		"GitHub's token":    {is{Type: "github", Scheme: "Token"}, "github-token", "no credential of Azure", "Azure Pipelines app"},
		"GitHub's app":      {is{Type: "github", Scheme: "InstallationToken"}, "github-app", "no credential of Azure", ""},
		"classic":           {is{Type: "azure", Scheme: "Certificate"}, "azure-classic", "classic deployment model", "azurerm"},
		"generic":           {is{Type: "generic", Scheme: "UsernamePassword"}, "generic", "names no service principal", "where they sign in to Azure"},
		"an extension's":    {is{Type: "sonarqube", Scheme: "UsernamePassword"}, "other-secret", "type sonarqube", "where they sign in to Azure"},
		"an unknown scheme": {is{Type: "vendor.deploy", Scheme: "MadeUp"}, "other-unknown-scheme", `scheme "MadeUp"`, "where it signs in to Azure"},
		"azurerm's":         {is{Type: "azurerm", Scheme: "MadeUp"}, "azure-other-scheme", `scheme "MadeUp"`, "where it signs in to Azure"},
		"without its id":    {is{Type: "azurerm", Scheme: "ServicePrincipal"}, "no-service-principal", "does not say whose", "verify and save it"},
		"an extension's id": {is{Type: "vendor.deploy", Scheme: "ServicePrincipal"}, "no-service-principal", "does not say whose", "verify and save it"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.c.Readable = true
			r := unlinkable(&connection{Connection: &tc.c})
			if r == nil || r.Code != tc.code || !strings.Contains(r.Message, tc.says) || !strings.Contains(strings.Join(r.Next, "\n"), tc.next) || (tc.next == "") != (len(r.Next) == 0) {
				t.Fatalf("got %+v", r)
			}
			if other, ok := seen[r.Message]; ok && !strings.Contains(r.Message, "cluster") && !strings.Contains(r.Message, "whose") {
				t.Errorf("%s is told by the same words", other)
			}
			seen[r.Message] = name
		})
	}
}
