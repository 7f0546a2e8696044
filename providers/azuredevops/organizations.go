package azuredevops

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Organizations are the clients of several organisations by name, and direct every change to the one that the
// connection is in.
type Organizations map[string]*Client

var _ execute.Connections = Organizations{}

func (o Organizations) client(name string) (*Client, error) {
	for known, c := range o {
		if strings.EqualFold(known, name) {
			return c, nil
		}
	}
	names := make([]string, 0, len(o))
	for known := range o {
		names = append(names, known)
	}
	slices.Sort(names)
	return nil, fmt.Errorf("azure devops organisation %q is not configured (configured: %s)", name, strings.Join(names, ", "))
}

// Connection implements execute.Connections.
func (o Organizations) Connection(ctx context.Context, organization string, project inventory.ProjectID, id inventory.ConnectionID) (inventory.Connection, error) {
	c, err := o.client(organization)
	if err != nil {
		return inventory.Connection{}, err
	}
	return c.Connection(ctx, project, id)
}

// Convert implements execute.Connections.
func (o Organizations) Convert(ctx context.Context, connection inventory.Connection, scheme string) error {
	c, err := o.client(connection.Organization)
	if err != nil {
		return err
	}
	return c.Convert(ctx, connection, scheme)
}

// SetPassword implements execute.Connections.
func (o Organizations) SetPassword(ctx context.Context, connection inventory.Connection, password *execute.Password) error {
	c, err := o.client(connection.Organization)
	if err != nil {
		return err
	}
	return c.SetPassword(ctx, connection, password)
}

// Test implements execute.Connections.
func (o Organizations) Test(ctx context.Context, connection inventory.Connection) (bool, string, error) {
	c, err := o.client(connection.Organization)
	if err != nil {
		return false, "", err
	}
	return c.Test(ctx, connection)
}
