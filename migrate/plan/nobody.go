package plan

import (
	"fmt"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// noApplication says why a connection that names no application belongs to no unit, and what a person does about what it stores.
func noApplication(c *connection) *Reason {
	class, _ := inventory.ClassifyConnection(*c.Connection)
	r := &Reason{Code: string(class)}
	switch class {
	case inventory.ClassOtherNoSecret:
		r.Code, r.Message = "already", "it stores no secret"
	case inventory.ClassFederatedEntra, inventory.ClassFederatedOld, inventory.ClassFederatedUnknown:
		r.Code, r.Message = "already", "it uses workload identity federation already; as which application is not told"
	case inventory.ClassRegistryAdmin:
		r.Message = fmt.Sprintf("it signs in to the registry%s as its admin user, which is no service principal", spaced(c.LoginServer))
		r.Next = []string{
			"make a new connection (Docker Registry, Azure Container Registry, workload identity federation) for an application that has AcrPush, or AcrPull where that is enough, on the registry",
			"let the pipelines name it in place of this one, then delete this one and turn the admin user off: az acr update --name REGISTRY --admin-enabled false",
		}
	case inventory.ClassRegistryOther:
		r.Message = fmt.Sprintf("it signs in to the registry%s with a user's password, which is no credential of Azure", spaced(c.LoginServer))
		r.Next = []string{"where the images can be in an Azure registry, use that by a connection with workload identity federation; else rotate the password on a schedule"}
	case inventory.ClassKubernetesToken, inventory.ClassKubernetesConfig, inventory.ClassKubernetesAzure:
		r.Message = "it holds a credential of the cluster, which federation does not replace"
		r.Next = []string{"where the cluster is in Azure Kubernetes Service, let KubernetesManifest@1, Kubernetes@1 and HelmDeploy@1 sign in with an azurerm connection (connectionType: azureResourceManager), then delete this one"}
	case inventory.ClassGitHubToken:
		r.Message = "it holds a personal access token of GitHub, which is no credential of Azure"
		r.Next = []string{"where nothing speaks against it, use a connection of the Azure Pipelines app in its place: it stores no person's token"}
	case inventory.ClassGitHubApp:
		r.Message = "it signs in to GitHub by an app or OAuth, which is no credential of Azure"
	case inventory.ClassAzureClassic:
		r.Message = "it is one of Azure's classic deployment model, with a management certificate or a password"
		r.Next = []string{"let the pipelines use tasks that take an azurerm connection, with workload identity federation, then delete this one"}
	case inventory.ClassGeneric, inventory.ClassOtherSecret:
		r.Message = fmt.Sprintf("a connection of type %s with scheme %s names no service principal", c.Type, c.Scheme)
		r.Next = []string{"look at what the pipelines use it for, and replace it by an azurerm connection with workload identity federation where they sign in to Azure"}
	case inventory.ClassOtherUnknownScheme, inventory.ClassAzureOther:
		r.Message = fmt.Sprintf("nothing is known of scheme %q of type %q, so it may store a credential", c.Scheme, c.Type)
		r.Next = []string{"look in the documentation of what brings the type; where it signs in to Azure, replace it by an azurerm connection with workload identity federation"}
	default:
		r.Code, r.Message = "no-service-principal", "it stores a service principal's credential, but its data does not say whose"
		r.Next = []string{"open it in the project's settings, and verify and save it; where that fails, replace it by an azurerm connection with workload identity federation"}
	}
	return r
}

func spaced(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}
