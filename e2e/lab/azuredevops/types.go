package azuredevops

import "strings"

// typeJSON describes a connection type: only what tells schemes and confidential inputs apart.
type typeJSON struct {
	Name        string       `json:"name"`
	DisplayName string       `json:"displayName"`
	Description string       `json:"description"`
	Schemes     []schemeJSON `json:"authenticationSchemes"`
}

type schemeJSON struct {
	Scheme      string            `json:"scheme"`
	DisplayName string            `json:"displayName"`
	Inputs      []inputDescriptor `json:"inputDescriptors"`
}

type inputDescriptor struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	Type           string `json:"type"`
	IsConfidential bool   `json:"isConfidential"`
}

func scheme(name, display string, inputs ...string) schemeJSON {
	s := schemeJSON{Scheme: name, DisplayName: display, Inputs: []inputDescriptor{}}
	for _, id := range inputs {
		s.Inputs = append(s.Inputs, inputDescriptor{id, id, "string", anyOf(confidential, id)})
	}
	return s
}

// knownTypes follow the published answer of the types operation (vsts-rest-api-specs, ListEndpointTypes).
var knownTypes = []typeJSON{
	{typeAzure, "Azure Resource Manager", "Service connection type for Azure Resource Manager connections", []schemeJSON{
		scheme(servicePrincipal, "Service Principal", paramTenant, paramClient, paramAuthType, paramKey, paramCertificate, "scope", "role"),
		scheme("ManagedServiceIdentity", "Managed Identity", paramTenant),
		scheme("PublishProfile", "Publish Profile", "publishProfile", paramTenant),
		scheme(federation, "Workload Identity Federation", paramTenant, paramClient, "scope", paramIssuer, paramSubject, paramIssuerType),
	}},
	{typeRegistry, "Docker Registry", "Service connection type for Docker registries", []schemeJSON{
		scheme("UsernamePassword", "Basic Authentication", "registry", "username", "password", "email"),
		scheme(servicePrincipal, "Service Principal", "tenantId", "loginServer", "scope", paramClient, paramKey),
		scheme(federation, "Workload Identity Federation", "tenantId", "loginServer", "scope", paramClient, paramIssuer, paramSubject),
	}},
	{"kubernetes", "Kubernetes", "Service connection type for Kubernetes clusters", []schemeJSON{
		scheme("Kubernetes", "Kubernetes", "azureEnvironment", "azureTenantId", "kubeconfig", "serviceAccountCertificate", "apiToken"),
		scheme("Token", "Service Account", "apiToken", "serviceAccountCertificate"),
	}},
	{"github", "GitHub", "Service connection type for GitHub", []schemeJSON{scheme("Token", "Personal Access Token", "accessToken")}},
	{"generic", "Generic", "Service connection type for any server", []schemeJSON{scheme("UsernamePassword", "Basic Authentication", "username", "password")}},
}

func (c *call) listTypes() (answer, error) {
	typ, wanted := c.query("type"), c.query("scheme")
	var found []typeJSON
	for _, t := range knownTypes {
		if typ != "" && !strings.EqualFold(t.Name, typ) {
			continue
		}
		for _, s := range t.Schemes {
			if wanted == "" || strings.EqualFold(s.Scheme, wanted) {
				found = append(found, t)
				break
			}
		}
	}
	return list(found), nil
}
