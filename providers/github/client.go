// Package github reads repositories of one GitHub host and changes them: REST through go-github, and GraphQL
// where it saves requests by the hundred. It brings objects and carries out single changes; it decides nothing.
package github

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// DefaultURL is the REST API of github.com.
const DefaultURL = "https://api.github.com"

// Config is what a Client needs.
type Config struct {
	// URL is the REST API: https://api.github.com, https://HOST/api/v3 for GitHub Enterprise Server (HOST alone
	// will do), https://api.SUBDOMAIN.ghe.com for data residency. Empty means DefaultURL.
	URL string
	// Host and Issuer override what is derived from URL. An enterprise that has its slug in the issuer needs
	// Issuer (GitHub Docs: OpenID Connect reference, "Customizing the issuer value for an enterprise").
	Host, Issuer string
	HTTP         *http.Client     // from package transport: it authenticates, paces and repeats
	Now          func() time.Time // the service's time; nil means the local clock
}

// Client reads and changes one GitHub host. It is safe for concurrent use.
type Client struct {
	host, issuer string
	graphqlURL   string
	http         *http.Client
	rest         *gh.Client
	now          func() time.Time

	mu     sync.Mutex
	ids    map[string]int64 // repository ids by name, lower case
	owners map[string]*ownerFacts
}

var (
	_ scan.GitHub          = (*Client)(nil)
	_ execute.Repositories = (*Client)(nil)
)

// New makes the client of one host. It sends nothing.
func New(c Config) (*Client, error) {
	if c.HTTP == nil {
		return nil, errors.New("github: an HTTP client is needed")
	}
	if c.URL == "" {
		c.URL = DefaultURL
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	e, err := endpoints(c.URL)
	if err != nil {
		return nil, err
	}
	client := &Client{
		host: c.Host, issuer: c.Issuer, graphqlURL: e.graphql, http: c.HTTP, rest: gh.NewClient(c.HTTP), now: c.Now,
		ids: map[string]int64{}, owners: map[string]*ownerFacts{},
	}
	if client.host == "" {
		client.host = e.host
	}
	if client.issuer == "" {
		client.issuer = issuer(client.host)
	}
	if client.rest.BaseURL, err = url.Parse(e.rest); err != nil {
		return nil, fmt.Errorf("github: %w", err)
	}
	return client, nil
}

type endpointSet struct{ rest, graphql, host string }

// endpoints derives the API's addresses from the one that was configured
// (GitHub Docs: "Forming calls with GraphQL" and "Getting started with the REST API", for each product).
func endpoints(address string) (endpointSet, error) {
	u, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil || u.Host == "" {
		return endpointSet{}, fmt.Errorf("github: %q is not an API address such as %s or https://HOST/api/v3", address, DefaultURL)
	}
	root := u.Scheme + "://" + u.Host
	name := strings.ToLower(u.Hostname())
	switch {
	case name == "github.com":
		return endpoints(DefaultURL)
	case strings.HasPrefix(name, "api."):
		return endpointSet{rest: u.String() + "/", graphql: u.String() + "/graphql", host: strings.TrimPrefix(name, "api.")}, nil
	case strings.HasSuffix(name, ".ghe.com"):
		return endpoints(u.Scheme + "://api." + u.Host)
	case transport.Loopback(name):
		// Entra cannot fetch keys from a loopback address, so nothing there has an issuer of its own: it is an
		// emulation of github.com, or a way to it.
		return endpointSet{rest: root + "/api/v3/", graphql: root + "/api/graphql", host: "github.com"}, nil
	case u.Path == "" || u.Path == "/api/v3":
		return endpointSet{rest: root + "/api/v3/", graphql: root + "/api/graphql", host: strings.ToLower(u.Host)}, nil
	}
	return endpointSet{}, fmt.Errorf("github: %q is not an API address such as %s or https://HOST/api/v3", address, DefaultURL)
}

// RESTURL gives the address of the REST API for what was configured, with a trailing slash.
func RESTURL(address string) (string, error) {
	e, err := endpoints(cmp.Or(address, DefaultURL))
	return e.rest, err
}

// HostOf gives the host that repositories live on for what was configured.
func HostOf(address string) (string, error) {
	e, err := endpoints(cmp.Or(address, DefaultURL))
	return e.host, err
}

// Hosts gives the hosts that a client for this address talks to, as package transport wants them.
func Hosts(address string) ([]string, error) {
	rest, err := RESTURL(address)
	if err != nil {
		return nil, err
	}
	host, err := transport.Host(rest)
	return []string{host}, err
}

// issuer is the issuer of the tokens of a host's workflow runs (GitHub Docs: OpenID Connect reference).
func issuer(host string) string {
	switch {
	case host == "github.com":
		return "https://token.actions.githubusercontent.com"
	case strings.HasSuffix(host, ".ghe.com"):
		return "https://token.actions." + host
	}
	return "https://" + host + "/_services/token"
}

// Host implements scan.GitHub.
func (c *Client) Host() string { return c.host }

// Issuer implements scan.GitHub.
func (c *Client) Issuer() string { return c.issuer }

// split gives owner and name of a repository.
func split(repo inventory.RepositoryName) (owner, name string, err error) {
	owner, name, ok := strings.Cut(string(repo), "/")
	if !ok || owner == "" || name == "" || strings.ContainsAny(name, "/?#%") || strings.ContainsAny(owner, "?#%") {
		return "", "", fmt.Errorf("github: %q is not a repository's name (OWNER/NAME)", repo)
	}
	return owner, name, nil
}
