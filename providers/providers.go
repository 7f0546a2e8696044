// Package providers connects to the outside world: it builds the clients of Azure DevOps, GitHub, Entra and Azure
// on one transport, with the right sign-in for each.
package providers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers/auth"
	"github.com/unsecret-dev/unsecret/providers/azure"
	"github.com/unsecret-dev/unsecret/providers/azuredevops"
	"github.com/unsecret-dev/unsecret/providers/entra"
	"github.com/unsecret-dev/unsecret/providers/github"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// Config says what to connect to. A nil part is not connected.
type Config struct {
	Cloud       string // public (empty), usgovernment, usdod, china
	AzureDevOps *AzureDevOps
	GitHub      *GitHub
	Entra       *Entra
	Azure       *Azure
	Auth        Auth
	// Transport has, among others, ReadOnly: set it for everything that only reads.
	Transport transport.Options
	// Getenv looks up the environment; nil means os.Getenv.
	Getenv func(string) string
}

// AzureDevOps are organisations of one Azure DevOps service.
type AzureDevOps struct {
	Endpoint      string // empty means https://dev.azure.com
	Organizations []string
}

// GitHub is one GitHub host.
type GitHub struct {
	Endpoint     string // REST; empty means https://api.github.com
	Host, Issuer string // override what the endpoint tells
	App          *auth.GitHubApp
}

// Entra is one tenant.
type Entra struct {
	Tenant    string // its id or one of its domains; empty means the one that the token is for
	Authority string // empty means the cloud's
	Endpoint  string // Graph; empty means the cloud's
}

// Azure is Azure Resource Manager.
type Azure struct {
	Endpoint string // empty means the cloud's
}

// Auth is how to sign in to Microsoft's services; see package auth for the modes.
type Auth struct {
	Mode                string
	ClientID            string
	ServiceConnectionID string
}

// Set holds the connected clients. A part that was not asked for is nil.
type Set struct {
	AzureDevOps azuredevops.Organizations // by name, as it was configured
	GitHub      *github.Client
	Entra       *entra.Client
	Azure       *azure.Client
	Transport   *transport.Transport
}

// Connect builds the clients. It sends nothing but what it takes to find out the tenant's id.
func Connect(ctx context.Context, c Config) (*Set, error) {
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	cloud, err := auth.CloudNamed(c.Cloud)
	if err != nil {
		return nil, err
	}
	t := transport.New(c.Transport)
	b := &builder{config: c, cloud: cloud, set: &Set{Transport: t}}
	b.auth = &auth.Azure{
		Mode: c.Auth.Mode, ClientID: c.Auth.ClientID, ServiceConnectionID: c.Auth.ServiceConnectionID,
		Cloud: cloud, Transport: t, Getenv: c.Getenv,
	}
	if c.Entra != nil {
		b.auth.Tenant, b.auth.Authority = c.Entra.Tenant, c.Entra.Authority
	}
	if err := errors.Join(b.azureDevOps(), b.gitHub(ctx), b.entra(ctx), b.azure()); err != nil {
		t.Close()
		return nil, err
	}
	return b.set, nil
}

// Close closes idle connections.
func (s *Set) Close() { s.Transport.Close() }

// Outside gives what the executor needs. A part that was not connected is nil in it.
func (s *Set) Outside() execute.Outside {
	outside := execute.Outside{Now: s.Transport.Now}
	// A nil pointer in an interface is not nil, so each is set only where there is one.
	if s.Entra != nil {
		outside.Directory = s.Entra
	}
	if len(s.AzureDevOps) > 0 {
		outside.Connections, outside.AzureRepos = s.AzureDevOps, s.AzureDevOps
	}
	if s.GitHub != nil {
		outside.Repositories = s.GitHub
	}
	if s.Azure != nil {
		outside.Roles = s.Azure
		outside.Identities = s.Azure
	}
	return outside
}

// DevOpsSources gives the organisations as the scan needs them, in the order of the configuration's names.
func (s *Set) DevOpsSources(names []string) []scan.AzureDevOps {
	var sources []scan.AzureDevOps
	for _, name := range names {
		if c := s.AzureDevOps[name]; c != nil {
			sources = append(sources, c)
		}
	}
	return sources
}

type builder struct {
	config Config
	cloud  auth.Cloud
	auth   *auth.Azure
	set    *Set
}

func (b *builder) azureDevOps() error {
	c := b.config.AzureDevOps
	if c == nil || len(c.Organizations) == 0 {
		return nil
	}
	endpoint := cmp.Or(c.Endpoint, azuredevops.DefaultURL)
	client, err := b.azureDevOpsClient(endpoint)
	if err != nil {
		return fmt.Errorf("azure devops: %w", err)
	}
	b.set.AzureDevOps = azuredevops.Organizations{}
	for _, name := range c.Organizations {
		organization, err := azuredevops.New(azuredevops.Config{Organization: name, URL: endpoint, HTTP: client})
		if err != nil {
			return err
		}
		b.set.AzureDevOps[name] = organization
	}
	return nil
}

func (b *builder) gitHub(ctx context.Context) error {
	c := b.config.GitHub
	if c == nil {
		return nil
	}
	hosts, err := github.Hosts(c.Endpoint)
	if err != nil {
		return err
	}
	token, err := b.gitHubToken(ctx, c)
	if err != nil {
		return err
	}
	client, err := b.set.Transport.Client(transport.ClientOptions{Kind: "github", Token: token, Hosts: hosts})
	if err != nil {
		return err
	}
	b.set.GitHub, err = github.New(github.Config{URL: c.Endpoint, Host: c.Host, Issuer: c.Issuer, HTTP: client, Now: b.set.Transport.Now})
	return err
}

func (b *builder) gitHubToken(ctx context.Context, c *GitHub) (transport.TokenSource, error) {
	if c.App != nil {
		rest, err := github.RESTURL(c.Endpoint)
		if err != nil {
			return nil, err
		}
		return c.App.Source(b.set.Transport, rest)
	}
	// A host that the configuration names, such as github.com behind another address, decides which token is looked for.
	host, err := github.HostOf(c.Endpoint)
	if err != nil {
		return nil, err
	}
	host = cmp.Or(c.Host, host)
	return auth.GitHubToken(ctx, host, b.config.Getenv)
}

func (b *builder) entra(ctx context.Context) error {
	c := b.config.Entra
	if c == nil {
		return nil
	}
	endpoint := cmp.Or(c.Endpoint, b.cloud.Graph)
	source, err := b.auth.Source(auth.EnvGraph, b.cloud.Graph+"/.default")
	if err != nil {
		return fmt.Errorf("entra: %w", err)
	}
	client, err := b.clientWith("entra", endpoint, source)
	if err != nil {
		return fmt.Errorf("entra: %w", err)
	}
	tenant, err := b.auth.ResolveTenant(ctx, source)
	if err != nil {
		return fmt.Errorf("entra: %w", err)
	}
	b.set.Entra, err = entra.New(entra.Config{Tenant: inventory.TenantID(tenant), URL: endpoint, HTTP: client, Now: b.set.Transport.Now, Token: source})
	return err
}

func (b *builder) azure() error {
	c := b.config.Azure
	if c == nil {
		return nil
	}
	endpoint := cmp.Or(c.Endpoint, b.cloud.ARM)
	client, err := b.client("azure", endpoint, auth.EnvARM, b.cloud.ARM+"/.default")
	if err != nil {
		return fmt.Errorf("azure: %w", err)
	}
	b.set.Azure, err = azure.New(azure.Config{URL: endpoint, HTTP: client})
	return err
}
