package inventory

import (
	"strings"
	"testing"
)

func TestEveryConnectionThatStoresAnotherCredentialSaysWhatAPersonDoes(t *testing.T) {
	for _, c := range []Connection{
		{Type: "azurerm", Scheme: SchemePublishProfile}, {Type: "azurerm", Scheme: "MadeUp"}, {Type: "azure", Scheme: "Certificate"},
		{Type: "dockerregistry", Scheme: "UsernamePassword", LoginServer: "contoso.azurecr.io"}, {Type: "dockerregistry", Scheme: "UsernamePassword", Variant: "DockerHub"},
		{Type: "kubernetes", Scheme: "Token"}, {Type: "kubernetes", Scheme: "Kubernetes", Variant: "Kubeconfig"}, {Type: "kubernetes", Scheme: "Kubernetes", Variant: "AzureSubscription"},
		{Type: "github", Scheme: "Token"}, {Type: "github", Scheme: "OAuth2"}, {Type: "generic", Scheme: "UsernamePassword"}, {Type: "sonarqube", Scheme: "Token"}, {Type: "vendor.deploy", Scheme: "MadeUp"},
	} {
		c.Readable = true
		if !c.StoresOther() || len(c.Steps()) == 0 {
			t.Errorf("%s %s: stores another credential: %t, steps %v", c.Type, c.Scheme, c.StoresOther(), c.Steps())
		}
		c.Readable = false
		if c.StoresOther() {
			t.Errorf("%s %s is said to store something without having been read", c.Type, c.Scheme)
		}
	}
	for _, c := range []Connection{
		{Type: "azurerm", Scheme: SchemeServicePrincipal}, {Type: "azurerm", Scheme: SchemeFederation}, {Type: "azurerm", Scheme: SchemeManagedIdentity},
		{Type: "github", Scheme: "InstallationToken"}, {Type: "incomingwebhook", Scheme: "None"}, {Type: "vendor.deploy", Scheme: "serviceprincipal"},
	} {
		c.Readable = true
		if c.StoresOther() || len(c.Steps()) > 0 {
			t.Errorf("%s %s: stores another credential: %t, steps %v", c.Type, c.Scheme, c.StoresOther(), c.Steps())
		}
	}
}

func TestTheCommandThatTurnsAnAdminUserOffNamesTheRegistry(t *testing.T) {
	for server, want := range map[string]string{"contoso.azurecr.io": "--name contoso ", "": "--name REGISTRY "} {
		c := Connection{Type: "dockerregistry", Scheme: "UsernamePassword", Variant: "ACR", LoginServer: server, Readable: true}
		if steps := strings.Join(c.Steps(), "\n"); !strings.Contains(steps, want) {
			t.Errorf("%q: %s", server, steps)
		}
	}
}

func TestAStateIsSaidOnce(t *testing.T) {
	for _, c := range []struct{ state, message, want string }{
		{"Failed", "Failed to set Azure permission", "Failed to set Azure permission"}, {"Failed", "the directory refused", "Failed: the directory refused"},
		{"Ready", "", "Ready"}, {"", "the directory refused", "the directory refused"}, {"", "", ""},
	} {
		if got := (Connection{State: c.state, StateMessage: c.message}).StateText(); got != c.want {
			t.Errorf("%q %q: %q, want %q", c.state, c.message, got, c.want)
		}
	}
}
