package providers

import (
	"net/http"

	"github.com/unsecret-dev/unsecret/providers/auth"
	"github.com/unsecret-dev/unsecret/providers/azuredevops"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// client makes the HTTP client for one of Microsoft's services.
func (b *builder) client(kind, endpoint, variable, scope string) (*http.Client, error) {
	source, err := b.auth.Source(variable, scope)
	if err != nil {
		return nil, err
	}
	return b.clientWith(kind, endpoint, source)
}

func (b *builder) clientWith(kind, endpoint string, source transport.TokenSource) (*http.Client, error) {
	host, err := transport.Host(endpoint)
	if err != nil {
		return nil, err
	}
	return b.set.Transport.Client(transport.ClientOptions{Kind: kind, Token: source, Hosts: []string{host}})
}

// azureDevOpsClient is the client of an Azure DevOps service, which has classic releases on a host of their own.
func (b *builder) azureDevOpsClient(endpoint string) (*http.Client, error) {
	source, err := b.auth.Source(auth.EnvAzureDevOps, azuredevops.Scope)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, address := range []string{endpoint, azuredevops.ReleaseURL(endpoint)} {
		host, err := transport.Host(address)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, host)
	}
	return b.set.Transport.Client(transport.ClientOptions{Kind: "azureDevOps", Token: source, Hosts: hosts})
}
