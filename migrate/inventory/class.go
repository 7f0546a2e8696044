package inventory

import (
	"net/url"
	"strings"
)

// ConnectionClass is what a service connection is, as far as it matters for taking its secret away. The values are public and stable.
type ConnectionClass string

// The classes of connection. Every connection has exactly one.
const (
	ClassUnreadable         ConnectionClass = "unreadable"              // the service gave no data: what it holds is not known
	ClassKeyAutomatic       ConnectionClass = "azure-key-automatic"     // azurerm with a client secret; Azure DevOps made the application
	ClassKeyManual          ConnectionClass = "azure-key-manual"        // azurerm with a client secret; a person made the application
	ClassCertificate        ConnectionClass = "azure-certificate"       // azurerm with a certificate
	ClassFederatedEntra     ConnectionClass = "federated"               // workload identity federation, Entra's issuer
	ClassFederatedOld       ConnectionClass = "federated-old-issuer"    // the issuer that retires on 2027-07-01
	ClassFederatedUnknown   ConnectionClass = "federated-other-issuer"  // the issuer is missing or another one
	ClassManagedIdentity    ConnectionClass = "managed-identity"        // of the agent's machine
	ClassPublishProfile     ConnectionClass = "publish-profile"         // of a web app
	ClassAzureOther         ConnectionClass = "azure-other-scheme"      // azurerm with a scheme that is not known here
	ClassAzureClassic       ConnectionClass = "azure-classic"           // the classic deployment model: a management certificate or a password
	ClassRegistryKey        ConnectionClass = "registry-key"            // an Azure registry with a service principal's secret
	ClassRegistryAdmin      ConnectionClass = "registry-admin"          // an Azure registry with its admin user
	ClassRegistryOther      ConnectionClass = "registry-password"       // another registry with a user and password
	ClassKubernetesToken    ConnectionClass = "kubernetes-token"        // a service account's token
	ClassKubernetesConfig   ConnectionClass = "kubernetes-kubeconfig"   // a kubeconfig
	ClassKubernetesAzure    ConnectionClass = "kubernetes-subscription" // made through an Azure subscription; holds a service account's token
	ClassGitHubToken        ConnectionClass = "github-token"            // a personal access token
	ClassGitHubApp          ConnectionClass = "github-app"              // OAuth or an app's installation
	ClassGeneric            ConnectionClass = "generic"                 // a generic connection with a user and password
	ClassOtherSecret        ConnectionClass = "other-secret"            // another type whose scheme stores a secret
	ClassOtherNoSecret      ConnectionClass = "other-no-secret"         // another type whose scheme stores none
	ClassOtherServicePrinc  ConnectionClass = "other-service-principal" // another type with a service principal's secret
	ClassOtherUnknownScheme ConnectionClass = "other-unknown-scheme"    // nothing is known of its scheme: it may hold a secret
)

// What the service writes, in lower case.
const (
	oldIssuerHost          = "vstoken.dev.azure.com"
	olderIssuerHost        = "app.vstoken.visualstudio.com"
	schemeUsernamePassword = "usernamepassword"
	schemeToken            = "token"
	schemeNone             = "none"
	schemeInstallation     = "installationtoken"
	typeAzure              = "azurerm"
	typeRegistry           = "dockerregistry"
	typeKubernetes         = "kubernetes"
	typeGitHub             = "github"
	typeGeneric            = "generic"
	typeClassic            = "azure"
	variantRegistry        = "acr"
	variantAzureKubernetes = "azuresubscription"
	variantKubeconfig      = "kubeconfig"
)

// Classes lists every class.
func Classes() []ConnectionClass {
	return []ConnectionClass{ClassKeyAutomatic, ClassKeyManual, ClassCertificate, ClassFederatedEntra, ClassFederatedOld, ClassFederatedUnknown, ClassManagedIdentity, ClassPublishProfile,
		ClassAzureOther, ClassAzureClassic, ClassRegistryKey, ClassRegistryAdmin, ClassRegistryOther, ClassKubernetesToken, ClassKubernetesConfig, ClassKubernetesAzure, ClassGitHubToken,
		ClassGitHubApp, ClassGeneric, ClassOtherSecret, ClassOtherNoSecret, ClassOtherServicePrinc, ClassOtherUnknownScheme, ClassUnreadable}
}

// StoresSecret tells whether connections of the class store a credential of any kind, or may.
func (c ConnectionClass) StoresSecret() bool {
	switch c {
	case ClassFederatedEntra, ClassFederatedOld, ClassFederatedUnknown, ClassManagedIdentity, ClassOtherNoSecret:
		return false
	}
	return true
}

// OldDevOpsIssuer tells whether an issuer is one of Azure DevOps itself, which retire on 2027-07-01
// (Microsoft Learn: "Convert service connections", sprint 276).
func OldDevOpsIssuer(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && (strings.EqualFold(u.Hostname(), oldIssuerHost) || strings.EqualFold(u.Hostname(), olderIssuerHost))
}

// EntraIssuer tells whether an issuer is Entra's, of any cloud (Microsoft Learn: "Microsoft identity platform endpoints in national clouds").
func EntraIssuer(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return host == "login.microsoftonline.com" || host == "login.microsoftonline.us" || host == "login.partner.microsoftonline.cn" || host == "login.chinacloudapi.cn"
}

// ClassifyConnection says what a connection is, and what of it decides that. It is a function of type, scheme, creation mode, issuer and variant
// (the type descriptors of the Azure DevOps REST API, "Endpoint types - List"); nothing is left unclassified.
func ClassifyConnection(c Connection) (ConnectionClass, string) {
	switch scheme := strings.ToLower(c.Scheme); {
	case !c.Readable:
		return ClassUnreadable, "the service listed it without type, data and scheme"
	case scheme == strings.ToLower(SchemeFederation):
		return classifyFederated(c)
	case scheme == strings.ToLower(SchemeManagedIdentity):
		return ClassManagedIdentity, "scheme " + c.Scheme
	case scheme == schemeNone:
		return ClassOtherNoSecret, schemed(c)
	}
	switch strings.ToLower(c.Type) {
	case typeAzure:
		return classifyAzure(c)
	case typeRegistry:
		return classifyRegistry(c)
	case typeKubernetes:
		return classifyKubernetes(c)
	case typeGitHub:
		if strings.EqualFold(c.Scheme, schemeToken) || strings.EqualFold(c.Scheme, "PersonalAccessToken") {
			return ClassGitHubToken, schemed(c)
		}
		return ClassGitHubApp, schemed(c)
	case typeClassic:
		return ClassAzureClassic, schemed(c)
	}
	return classifyOther(c)
}

func schemed(c Connection) string { return "type " + c.Type + ", scheme " + orEmpty(c.Scheme) }

func orEmpty(s string) string {
	if s == "" {
		return "empty"
	}
	return s
}

func classifyFederated(c Connection) (ConnectionClass, string) {
	why := "scheme " + c.Scheme + ", issuer " + orEmpty(c.Issuer)
	switch {
	case OldDevOpsIssuer(c.Issuer):
		return ClassFederatedOld, why
	case EntraIssuer(c.Issuer):
		return ClassFederatedEntra, why
	}
	return ClassFederatedUnknown, why
}

func classifyAzure(c Connection) (ConnectionClass, string) {
	why := schemed(c) + ", authentication type " + orEmpty(c.AuthenticationType) + ", creation mode " + orEmpty(c.CreationMode)
	switch {
	case strings.EqualFold(c.Scheme, SchemePublishProfile):
		return ClassPublishProfile, schemed(c)
	case !strings.EqualFold(c.Scheme, SchemeServicePrincipal):
		return ClassAzureOther, schemed(c)
	case strings.EqualFold(c.AuthenticationType, "spnCertificate"):
		return ClassCertificate, why
	case strings.EqualFold(c.CreationMode, "Automatic"):
		return ClassKeyAutomatic, why
	}
	// An empty creation mode occurs in old connections; only Automatic says that Azure DevOps can change the application.
	return ClassKeyManual, why
}

func classifyRegistry(c Connection) (ConnectionClass, string) {
	why := schemed(c) + ", registry type " + orEmpty(c.Variant)
	switch {
	case strings.EqualFold(c.Scheme, SchemeServicePrincipal):
		return ClassRegistryKey, why
	case c.LoginServer != "" && strings.HasSuffix(strings.ToLower(c.LoginServer), ".azurecr.io"):
		return ClassRegistryAdmin, why + ", registry " + c.LoginServer
	case strings.EqualFold(c.Variant, variantRegistry):
		return ClassRegistryAdmin, why
	}
	return ClassRegistryOther, why
}

func classifyKubernetes(c Connection) (ConnectionClass, string) {
	why := schemed(c) + ", authorization type " + orEmpty(c.Variant)
	switch {
	case strings.EqualFold(c.Variant, variantAzureKubernetes):
		return ClassKubernetesAzure, why
	case strings.EqualFold(c.Variant, variantKubeconfig):
		return ClassKubernetesConfig, why
	}
	return ClassKubernetesToken, why
}

func classifyOther(c Connection) (ConnectionClass, string) {
	switch scheme := strings.ToLower(c.Scheme); {
	case scheme == strings.ToLower(SchemeServicePrincipal):
		return ClassOtherServicePrinc, schemed(c)
	case strings.EqualFold(c.Type, typeGeneric):
		return ClassGeneric, schemed(c)
	case scheme == schemeUsernamePassword, scheme == schemeToken, scheme == "certificate", scheme == "oauth2", scheme == "personalaccesstoken", scheme == schemeInstallation:
		return ClassOtherSecret, schemed(c)
	}
	return ClassOtherUnknownScheme, schemed(c)
}
