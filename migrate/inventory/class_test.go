package inventory

import (
	"testing"

	"pgregory.net/rapid"
)

func TestEveryKindOfConnectionHasItsClass(t *testing.T) {
	const entra, old = "https://login.microsoftonline.com/7f4f3591-5f6c-4f7b-a1bd-0a2dd8831218/v2.0", "https://vstoken.dev.azure.com/e08e523c-54da-4401-8fb6-e1439b52cc97"
	for _, tc := range []struct {
		name string
		c    Connection
		want ConnectionClass
	}{
		{"automatic", Connection{Type: "AzureRM", Scheme: "ServicePrincipal", AuthenticationType: "spnKey", CreationMode: "Automatic"}, ClassKeyAutomatic},
		{"manual", Connection{Type: "azurerm", Scheme: "ServicePrincipal", AuthenticationType: "spnKey", CreationMode: "Manual"}, ClassKeyManual},
		{"no creation mode", Connection{Type: "azurerm", Scheme: "ServicePrincipal"}, ClassKeyManual},
		{"certificate", Connection{Type: "azurerm", Scheme: "serviceprincipal", AuthenticationType: "spnCertificate", CreationMode: "Manual"}, ClassCertificate},
		{"managed identity", Connection{Type: "azurerm", Scheme: "ManagedServiceIdentity"}, ClassManagedIdentity},
		{"publish profile", Connection{Type: "azurerm", Scheme: "PublishProfile"}, ClassPublishProfile},
		{"Entra's issuer", Connection{Type: "azurerm", Scheme: "WorkloadIdentityFederation", Issuer: entra}, ClassFederatedEntra},
		{"the old issuer", Connection{Type: "azurerm", Scheme: "WorkloadIdentityFederation", Issuer: old}, ClassFederatedOld},
		{"the oldest issuer", Connection{Type: "azurerm", Scheme: "WorkloadIdentityFederation", Issuer: "https://app.vstoken.visualstudio.com"}, ClassFederatedOld},
		{"no issuer yet", Connection{Type: "azurerm", Scheme: "WorkloadIdentityFederation"}, ClassFederatedUnknown},
		{"an unknown scheme", Connection{Type: "azurerm", Scheme: "Quantum"}, ClassAzureOther},
		{"registry with a service principal", Connection{Type: "dockerregistry", Scheme: "ServicePrincipal", Variant: "ACR"}, ClassRegistryKey},
		{"federated registry", Connection{Type: "dockerregistry", Scheme: "WorkloadIdentityFederation", Issuer: entra, Variant: "ACR"}, ClassFederatedEntra},
		{"registry's admin", Connection{Type: "dockerregistry", Scheme: "UsernamePassword", Variant: "Others", LoginServer: "contoso.azurecr.io"}, ClassRegistryAdmin},
		{"docker hub", Connection{Type: "dockerregistry", Scheme: "UsernamePassword", Variant: "DockerHub", LoginServer: "index.docker.io"}, ClassRegistryOther},
		{"cluster by subscription", Connection{Type: "kubernetes", Scheme: "Kubernetes", Variant: "AzureSubscription"}, ClassKubernetesAzure},
		{"kubeconfig", Connection{Type: "kubernetes", Scheme: "Kubernetes", Variant: "Kubeconfig"}, ClassKubernetesConfig},
		{"service account", Connection{Type: "kubernetes", Scheme: "Token", Variant: "ServiceAccount"}, ClassKubernetesToken},
		{"github token", Connection{Type: "github", Scheme: "Token"}, ClassGitHubToken},
		{"github app", Connection{Type: "GitHub", Scheme: "InstallationToken"}, ClassGitHubApp},
		{"generic", Connection{Type: "generic", Scheme: "UsernamePassword"}, ClassGeneric},
		{"classic", Connection{Type: "azure", Scheme: "Certificate"}, ClassAzureClassic},
		{"an extension's password", Connection{Type: "sonarqube", Scheme: "UsernamePassword"}, ClassOtherSecret},
		{"an extension's service principal", Connection{Type: "AzureServiceBus", Scheme: "ServicePrincipal"}, ClassOtherServicePrinc},
		{"an extension without a secret", Connection{Type: "incomingwebhook", Scheme: "None"}, ClassOtherNoSecret},
		{"an extension's own scheme", Connection{Type: "thing", Scheme: "ms.thing"}, ClassOtherUnknownScheme},
		{"nothing at all", Connection{}, ClassOtherUnknownScheme},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.c.Readable = true
			got, why := ClassifyConnection(tc.c)
			if got != tc.want || why == "" {
				t.Errorf("got %s (%s), want %s", got, why, tc.want)
			}
		})
	}
	if got, _ := ClassifyConnection(Connection{Type: "azurerm", Scheme: "ServicePrincipal"}); got != ClassUnreadable {
		t.Errorf("without data: got %s", got)
	}
}

func TestNothingIsUnclassified(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "azurerm", "dockerregistry", "kubernetes", "ServicePrincipal", "WorkloadIdentityFederation", "UsernamePassword"}))
		c := Connection{Type: text.Draw(t, "type"), Scheme: text.Draw(t, "scheme"), AuthenticationType: text.Draw(t, "auth"), CreationMode: text.Draw(t, "mode"),
			Issuer: text.Draw(t, "issuer"), Variant: text.Draw(t, "variant"), LoginServer: text.Draw(t, "server"), Readable: rapid.Bool().Draw(t, "readable")}
		class, why := ClassifyConnection(c)
		if class == "" || why == "" {
			t.Fatalf("%+v is unclassified: %q %q", c, class, why)
		}
		if c.Readable && c.Scheme == SchemeServicePrincipal && !class.StoresSecret() {
			t.Fatalf("%+v stores a secret, but %s does not say so", c, class)
		}
	})
}
