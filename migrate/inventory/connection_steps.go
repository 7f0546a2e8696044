package inventory

import (
	"cmp"
	"strings"
)

// StoresServicePrincipal tells whether a connection of any type signs in as a service principal with a stored credential.
func (c Connection) StoresServicePrincipal() bool {
	return strings.EqualFold(c.Scheme, SchemeServicePrincipal)
}

// StoresOther tells whether a connection stores a credential that is no service principal's, or may. What cannot be read is neither one nor the other.
func (c Connection) StoresOther() bool {
	class, _ := ClassifyConnection(c)
	if class == ClassGitHubApp && strings.EqualFold(c.Scheme, schemeInstallation) {
		return false // the app mints its tokens itself, for each run
	}
	return c.Readable && !c.StoresServicePrincipal() && class.StoresSecret()
}

// StateText is the state that the service gives a connection, and why. Its message mostly begins with the state.
func (c Connection) StateText() string {
	state, message := strings.TrimSpace(c.State), strings.TrimSpace(c.StateMessage)
	if state == "" || message == "" || strings.HasPrefix(strings.ToLower(message), strings.ToLower(state)) {
		return cmp.Or(message, state)
	}
	return state + ": " + message
}

// Steps says what a person does to be rid of what a connection stores that is no service principal's credential; none where it stores nothing, or where a
// plan says what becomes of it.
func (c Connection) Steps() []string {
	class, _ := ClassifyConnection(c)
	switch class {
	case ClassPublishProfile:
		return []string{"make a new azurerm connection with workload identity federation, use it in the pipelines, then delete this one"}
	case ClassRegistryAdmin:
		return []string{
			"make a new connection (Docker Registry, Azure Container Registry, workload identity federation) for an application that has AcrPush, or AcrPull where that is enough, on the registry",
			"let the pipelines name it in place of this one, then delete this one and turn the admin user off: az acr update --name " + c.registryName() + " --admin-enabled false",
		}
	case ClassRegistryOther:
		return []string{"where the images can be in an Azure registry, use that by a connection with workload identity federation; else rotate the password on a schedule"}
	case ClassKubernetesToken, ClassKubernetesConfig, ClassKubernetesAzure:
		return []string{"where the cluster is in Azure Kubernetes Service, let KubernetesManifest@1, Kubernetes@1 and HelmDeploy@1 sign in with an azurerm connection (connectionType: azureResourceManager), then delete this one"}
	case ClassGitHubToken:
		return []string{"where nothing speaks against it, use a connection of the Azure Pipelines app in its place: it stores no person's token"}
	case ClassGitHubApp:
		if c.StoresOther() {
			return []string{"where nothing speaks against it, use a connection of the Azure Pipelines app in its place: it depends on no person's authorization"}
		}
	case ClassAzureClassic:
		return []string{"let the pipelines use tasks that take an azurerm connection, with workload identity federation, then delete this one"}
	case ClassGeneric, ClassOtherSecret:
		return []string{
			"look at what the pipelines use it for: where they sign in to Azure with it, replace it by an azurerm connection with workload identity federation, then delete this one",
			"where they sign in to something else, rotate its secret on a schedule; where nothing uses it, delete it",
		}
	case ClassOtherUnknownScheme, ClassAzureOther:
		return []string{"look in the documentation of what brings the type: where it signs in to Azure, replace it by an azurerm connection with workload identity federation, then delete this one; where it stores another secret, rotate that on a schedule"}
	}
	return nil
}

// registryName is the name that the Azure CLI takes for a registry: the first part of its login server.
func (c Connection) registryName() string {
	name, _, found := strings.Cut(c.LoginServer, ".")
	if !found || name == "" {
		return "REGISTRY"
	}
	return name
}
