package providers

import (
	"cmp"
	"fmt"
	"os"

	"github.com/unsecret-dev/unsecret/providers/auth"
	"github.com/unsecret-dev/unsecret/providers/azblob"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// maxState bounds what is read or written of a state at once: an inventory of a large organisation, or one segment of a journal.
const maxState = 1 << 30

// State connects to a state in Azure Blob Storage, signed in as the configuration says. endpoint, where set, is the account's blob
// endpoint for an address that names none. It sends nothing.
func State(c Config, address, endpoint string) (*azblob.Store, error) {
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	a, err := azblob.ParseAddress(address)
	if err != nil {
		return nil, err
	}
	a.Endpoint = cmp.Or(a.Endpoint, endpoint)
	cloud, err := auth.CloudNamed(c.Cloud)
	if err != nil {
		return nil, err
	}
	// The state is not the outside world: a scan saves its inventory there, whatever else it may only read.
	c.Transport.ReadOnly, c.Transport.MaxRequest, c.Transport.MaxResponse = false, maxState, maxState
	t := transport.New(c.Transport)
	azure := &auth.Azure{Mode: c.Auth.Mode, ClientID: c.Auth.ClientID, ServiceConnectionID: c.Auth.ServiceConnectionID, Cloud: cloud, Transport: t, Getenv: c.Getenv}
	if c.Entra != nil {
		azure.Tenant, azure.Authority = c.Entra.Tenant, c.Entra.Authority
	}
	source, err := azure.Source(auth.EnvStorage, azblob.Scope)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	url := a.URL(cloud.Storage)
	host, err := transport.Host(url)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	client, err := t.Client(transport.ClientOptions{Kind: "storage", Hosts: []string{host}, Token: source, XML: true})
	if err != nil {
		return nil, err
	}
	return azblob.New(azblob.Config{Address: a, URL: url, HTTP: client})
}
