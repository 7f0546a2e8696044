package inventory

import "strings"

// TerraformManaged tells whether a description says that Terraform manages its object. It is what the provider writes where nobody chose another text
// (terraform-provider-azuredevops: serviceendpoint/commons.go, "Managed by Terraform").
func TerraformManaged(description string) bool {
	return strings.Contains(strings.ToLower(description), "managed by terraform")
}

// TerraformChange is what a person does so that Terraform does not make a connection anew that was converted: the scheme forces a new resource, with
// another id and without the connection's permissions and checks (microsoft/terraform-provider-azuredevops#1573). It is nil for types that have no such resource.
func TerraformChange(c Connection) []string {
	resource := map[string]string{"azurerm": "azuredevops_serviceendpoint_azurerm", "dockerregistry": "azuredevops_serviceendpoint_azurecr"}[strings.ToLower(c.Type)]
	if resource == "" {
		return nil
	}
	credentials := `credentials { serviceprincipalid = "` + string(c.AppID) + `" }`
	if strings.EqualFold(c.CreationMode, "Automatic") {
		credentials = "no credentials block"
	}
	return []string{
		`in its resource ` + resource + ` (service_endpoint_name = "` + c.Name + `") set service_endpoint_authentication_scheme = "WorkloadIdentityFederation", with ` + credentials + ` and without serviceprincipalkey; merge that together with the conversion`,
		"do not run terraform apply between the conversion and that change",
		"afterwards terraform plan must show no replacement of the resource: it reads the new scheme back; if it shows one, do not apply it",
	}
}
