package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/unsecret-dev/unsecret/cmd/unsecret/internal/build"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers"
	"github.com/unsecret-dev/unsecret/providers/auth"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// connection is the outside world as a command sees it.
type connection struct {
	*providers.Set
	sources scan.Sources
	outside execute.Outside
}

func (c *connection) now() time.Time { return c.Transport.Now() }

// connect builds the clients that the configuration names. A command that only reads gets a transport that refuses writes.
func (a *app) connect(ctx context.Context, c *config, readOnly bool) (*connection, error) {
	return a.connectWith(ctx, c, readOnly, os.Getenv)
}

// connectWith is connect with another environment.
func (a *app) connectWith(ctx context.Context, c *config, readOnly bool, getenv func(string) string) (*connection, error) {
	o := transport.Options{ReadOnly: readOnly, UserAgent: "unsecret/" + build.Version()}
	if a.verbose {
		o.Logf = func(format string, args ...any) { a.progress().log(fmt.Sprintf(format, args...)) }
	}
	o.Waiting = func(host string, wait time.Duration) {
		a.progress().say("%s: waiting %s before the next request", host, wait.Round(time.Second))
	}
	pc := providers.Config{
		Cloud: c.Cloud, Transport: o, Getenv: getenv,
		Auth: providers.Auth{Mode: cmp.Or(c.Auth.Azure, auth.ModeDefault), ClientID: c.Auth.ClientID, ServiceConnectionID: c.Auth.ServiceConnectionID},
	}
	if len(c.AzureDevOps.Organizations) > 0 {
		pc.AzureDevOps = &providers.AzureDevOps{Endpoint: c.AzureDevOps.Endpoint, Organizations: c.AzureDevOps.Organizations}
	}
	if len(c.GitHub.Organizations)+len(c.GitHub.Repositories) > 0 {
		pc.GitHub = &providers.GitHub{Endpoint: c.GitHub.Endpoint, Host: c.GitHub.Host}
		if g := c.GitHub.App; g != nil {
			pc.GitHub.App = &auth.GitHubApp{ID: g.ID, Installation: g.Installation, PrivateKeyFile: g.PrivateKeyFile}
		}
	}
	if c.Entra.Tenant != "" {
		pc.Entra = &providers.Entra{Tenant: c.Entra.Tenant, Authority: c.Entra.Authority, Endpoint: c.Entra.Endpoint}
		if !c.Azure.Skip {
			pc.Azure = &providers.Azure{Endpoint: c.Azure.Endpoint}
		}
	}
	set, err := providers.Connect(ctx, pc)
	if err != nil {
		return nil, &exitError{code: exitUsage, err: fmt.Errorf("sign in: %w", err)}
	}
	conn := &connection{Set: set, outside: set.Outside()}
	conn.sources.AzureDevOps = set.DevOpsSources(c.AzureDevOps.Organizations)
	if set.GitHub != nil {
		conn.sources.GitHub = []scan.GitHubScope{{Client: set.GitHub, Owners: c.GitHub.Organizations, Repositories: c.GitHub.Repositories}}
	}
	// A nil pointer in an interface is not nil, so each is set only where there is one.
	if set.Entra != nil {
		conn.sources.Entra = set.Entra
	}
	if set.Azure != nil {
		conn.sources.Azure = set.Azure
	}
	return conn, nil
}

// report writes the request counts for --verbose.
func (c *connection) report(a *app) {
	if !a.verbose {
		return
	}
	for _, n := range c.Transport.Counts() {
		a.progress().log(fmt.Sprintf("requests to %s (%s): %d reads, %d writes, %d repeated, %d refused", n.Host, n.Kind, n.Reads, n.Writes, n.Repeated, n.Refused))
	}
}
