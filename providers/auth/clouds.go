// Package auth finds out how to sign in: to Azure DevOps, Graph and Resource Manager through azidentity or
// tokens from the environment, and to GitHub with a token or as a GitHub App. It hands out token sources for
// package transport; it writes no token anywhere.
package auth

import "fmt"

// Cloud is one Microsoft cloud.
type Cloud struct {
	Name      string
	Authority string // Entra
	Graph     string
	ARM       string
	Audience  string // of federated credentials
	Storage   string // domain of storage accounts
}

// The clouds by the names that the configuration uses. azcore's own table has no Graph
// (Microsoft Learn: National cloud deployments; Workload identity federation considerations, for the audiences;
// Storage account overview, for the domains of storage accounts).
var clouds = []Cloud{
	{Name: "public", Authority: "https://login.microsoftonline.com", Graph: "https://graph.microsoft.com", ARM: "https://management.azure.com", Audience: "api://AzureADTokenExchange", Storage: "core.windows.net"},
	{Name: "usgovernment", Authority: "https://login.microsoftonline.us", Graph: "https://graph.microsoft.us", ARM: "https://management.usgovcloudapi.net", Audience: "api://AzureADTokenExchangeUSGov", Storage: "core.usgovcloudapi.net"},
	{Name: "usdod", Authority: "https://login.microsoftonline.us", Graph: "https://dod-graph.microsoft.us", ARM: "https://management.usgovcloudapi.net", Audience: "api://AzureADTokenExchangeUSGov", Storage: "core.usgovcloudapi.net"},
	{Name: "china", Authority: "https://login.chinacloudapi.cn", Graph: "https://microsoftgraph.chinacloudapi.cn", ARM: "https://management.chinacloudapi.cn", Audience: "api://AzureADTokenExchangeChina", Storage: "core.chinacloudapi.cn"},
}

// CloudNamed gives a cloud by its name; "" is the public one.
func CloudNamed(name string) (Cloud, error) {
	if name == "" {
		name = "public"
	}
	for _, c := range clouds {
		if c.Name == name {
			return c, nil
		}
	}
	return Cloud{}, fmt.Errorf("cloud %q is not known (public, usgovernment, usdod, china)", name)
}
