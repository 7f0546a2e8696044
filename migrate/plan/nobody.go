package plan

import (
	"fmt"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// noApplication says why a connection that names no application belongs to no unit, and what a person does about what it stores.
func noApplication(c *connection) *Reason {
	class, _ := inventory.ClassifyConnection(*c.Connection)
	r := &Reason{Code: string(class), Next: c.Steps()}
	switch class {
	case inventory.ClassOtherNoSecret:
		r.Code, r.Message = "already", "it stores no secret"
	case inventory.ClassFederatedEntra, inventory.ClassFederatedOld, inventory.ClassFederatedUnknown:
		r.Code, r.Message = "already", "it uses workload identity federation already; as which application is not told"
	case inventory.ClassRegistryAdmin:
		r.Message = fmt.Sprintf("it signs in to the registry%s as its admin user, which is no service principal", spaced(c.LoginServer))
	case inventory.ClassRegistryOther:
		r.Message = fmt.Sprintf("it signs in to the registry%s with a user's password, which is no credential of Azure", spaced(c.LoginServer))
	case inventory.ClassKubernetesToken, inventory.ClassKubernetesConfig, inventory.ClassKubernetesAzure:
		r.Message = "it holds a credential of the cluster, which federation does not replace"
	case inventory.ClassGitHubToken:
		r.Message = "it holds a personal access token of GitHub, which is no credential of Azure"
	case inventory.ClassGitHubApp:
		r.Message = "it signs in to GitHub by an app or OAuth, which is no credential of Azure"
	case inventory.ClassAzureClassic:
		r.Message = "it is one of Azure's classic deployment model, with a management certificate or a password"
	case inventory.ClassGeneric, inventory.ClassOtherSecret:
		r.Message = fmt.Sprintf("it is of type %s with scheme %s, and names no service principal", c.Type, c.Scheme)
	case inventory.ClassOtherUnknownScheme, inventory.ClassAzureOther:
		r.Message = fmt.Sprintf("nothing is known of scheme %q of type %q, so it may store a credential", c.Scheme, c.Type)
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
