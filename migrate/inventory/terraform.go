package inventory

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// TerraformManaged tells whether a description says that Terraform manages its object. It is what the provider writes where nobody chose another text
// (terraform-provider-azuredevops: serviceendpoint/commons.go, "Managed by Terraform").
func TerraformManaged(description string) bool {
	return strings.Contains(strings.ToLower(description), "managed by terraform")
}

// TerraformResource is an object that Terraform code makes and that a migration changes or takes away: an apply of the code would bring it back.
type TerraformResource struct {
	Repository  RepositoryName `json:"repository"`
	File        string         `json:"file"`
	Line        int            `json:"line"`
	Type        string         `json:"type"`                  // such as azuredevops_serviceendpoint_azurerm
	Name        string         `json:"name"`                  // in the code
	Object      string         `json:"object,omitempty"`      // the connection, secret or application that it makes or makes a password of, as far as the text tells
	Of          string         `json:"of,omitempty"`          // of a secret of GitHub: the repository
	Environment string         `json:"environment,omitempty"` // and the environment
}

// Place is where the resource stands, for a reader.
func (r TerraformResource) Place() string {
	return fmt.Sprintf("%s/%s:%d", r.Repository, r.File, r.Line)
}

// Address is the resource's address in its module.
func (r TerraformResource) Address() string { return r.Type + "." + r.Name }

// TerraformOfConnection are the resources that make a connection of this name.
func (inv *Inventory) TerraformOfConnection(c Connection) []TerraformResource {
	return inv.terraform(func(r TerraformResource) bool {
		return r.Type == terraformType(c) && (strings.EqualFold(r.Object, c.Name) ||
			slices.ContainsFunc(c.Projects, func(p ConnectionProject) bool { return p.As != "" && strings.EqualFold(r.Object, p.As) }))
	})
}

// TerraformOfSecret are the resources that write a secret of GitHub.
func (inv *Inventory) TerraformOfSecret(at StoreRef) []TerraformResource {
	kind := map[SecretLevel]string{LevelOrganization: "github_actions_organization_secret", LevelRepository: "github_actions_secret", LevelEnvironment: "github_actions_environment_secret"}[at.Level]
	return inv.terraform(func(r TerraformResource) bool {
		if r.Type != kind || !strings.EqualFold(r.Object, at.Name) {
			return false
		}
		return at.Level == LevelOrganization || strings.EqualFold(r.Of, path.Base(string(at.Repository))) && (at.Level != LevelEnvironment || r.Environment == "" || strings.EqualFold(r.Environment, at.Environment))
	})
}

// TerraformOfPasswords are the resources that make passwords of an application of this name.
func (inv *Inventory) TerraformOfPasswords(application string) []TerraformResource {
	return inv.terraform(func(r TerraformResource) bool {
		return application != "" && strings.HasPrefix(r.Type, "azuread_") && strings.EqualFold(r.Object, application)
	})
}

func (inv *Inventory) terraform(is func(TerraformResource) bool) []TerraformResource {
	var out []TerraformResource
	for _, r := range inv.Terraform {
		if r.Object != "" && is(r) {
			out = append(out, r)
		}
	}
	return out
}

// terraformType is the type of the resource that makes connections of a type; empty where there is none.
func terraformType(c Connection) string {
	return map[string]string{"azurerm": "azuredevops_serviceendpoint_azurerm", "dockerregistry": "azuredevops_serviceendpoint_azurecr"}[strings.ToLower(c.Type)]
}

// TerraformChange is what a person does so that Terraform does not make a connection anew that was converted: the scheme forces a new resource, with
// another id and without the connection's permissions and checks (microsoft/terraform-provider-azuredevops#1573). It is nil for types that have no such resource. Made are
// the resources that were found to make it.
func TerraformChange(c Connection, made ...TerraformResource) []string {
	if terraformType(c) == "" {
		return nil
	}
	where := terraformPlace(c, made)
	credentials := `credentials { serviceprincipalid = "` + string(c.AppID) + `" }`
	if strings.EqualFold(c.CreationMode, "Automatic") {
		credentials = "no credentials block"
	}
	return []string{
		where + ` (service_endpoint_name = "` + c.Name + `") set service_endpoint_authentication_scheme = "WorkloadIdentityFederation", with ` + credentials + ` and without serviceprincipalkey; merge that together with the conversion`,
		"do not run terraform apply between the conversion and that change",
		"afterwards terraform plan must show no replacement of the resource: it reads the new scheme back; if it shows one, do not apply it",
	}
}

// terraformPlace says where the resource of a connection is.
func terraformPlace(c Connection, made []TerraformResource) string {
	if len(made) > 0 {
		return "in " + made[0].Place() + ", " + made[0].Address()
	}
	return "in its resource " + terraformType(c)
}

// TerraformReplacement is what a person does so that Terraform knows a connection that was made in place of one of its own, and leaves that one alone
// (terraform-provider-azuredevops: azuredevops_serviceendpoint_azurerm, "Import" and service_endpoint_authentication_scheme). Client is what the new one signs in as.
func TerraformReplacement(c Connection, name, client string, made ...TerraformResource) []string {
	return []string{
		"add a resource " + terraformType(c) + ` with service_endpoint_name = "` + name + `", service_endpoint_authentication_scheme = "WorkloadIdentityFederation" and credentials { serviceprincipalid = "` + client + `" }, and import the new connection into it (terraform import ADDRESS PROJECT-ID/CONNECTION-ID)`,
		terraformPlace(c, made) + ` (service_endpoint_name = "` + c.Name + `"): before the revoke have it forgotten with a removed block and lifecycle { destroy = false }`,
		"afterwards terraform plan must show no change of either; if it shows one, do not apply it",
	}
}
