package azuredevops

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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

// Named implements execute.Connections.
func (o Organizations) Named(ctx context.Context, organization string, project inventory.ProjectID, name string) (inventory.Connection, error) {
	c, err := o.client(organization)
	if err != nil {
		return inventory.Connection{}, err
	}
	return c.Named(ctx, project, name)
}

// Recreate implements execute.Connections.
func (o Organizations) Recreate(ctx context.Context, old inventory.Connection, as inventory.AppID, name, description string) (inventory.Connection, error) {
	c, err := o.client(old.Organization)
	if err != nil {
		return inventory.Connection{}, err
	}
	return c.Recreate(ctx, old, as, name, description)
}

// Share implements execute.Connections.
func (o Organizations) Share(ctx context.Context, connection inventory.Connection, projects []inventory.ConnectionProject, description string) error {
	c, err := o.client(connection.Organization)
	if err != nil {
		return err
	}
	return c.Share(ctx, connection, projects, description)
}

// Delete implements execute.Connections.
func (o Organizations) Delete(ctx context.Context, connection inventory.Connection) error {
	c, err := o.client(connection.Organization)
	if err != nil {
		return err
	}
	return c.Delete(ctx, connection)
}

// SetDisabled implements execute.Connections.
func (o Organizations) SetDisabled(ctx context.Context, connection inventory.Connection, disabled bool) error {
	c, err := o.client(connection.Organization)
	if err != nil {
		return err
	}
	return c.SetDisabled(ctx, connection, disabled)
}

// Access implements execute.Connections.
func (o Organizations) Access(ctx context.Context, organization string, project inventory.ProjectID, id inventory.ConnectionID) (execute.Access, error) {
	c, err := o.client(organization)
	if err != nil {
		return execute.Access{}, err
	}
	return c.Access(ctx, project, id)
}

// OrganizationRoles implements execute.Connections.
func (o Organizations) OrganizationRoles(ctx context.Context, organization string, id inventory.ConnectionID) ([]execute.AccessRole, error) {
	c, err := o.client(organization)
	if err != nil {
		return nil, err
	}
	return c.OrganizationRoles(ctx, id)
}

// GrantInOrganization implements execute.Connections.
func (o Organizations) GrantInOrganization(ctx context.Context, connection inventory.Connection, roles []execute.AccessRole) error {
	c, err := o.client(connection.Organization)
	if err != nil {
		return err
	}
	return c.GrantInOrganization(ctx, connection, roles)
}

// Grant implements execute.Connections.
func (o Organizations) Grant(ctx context.Context, connection inventory.Connection, project inventory.ConnectionProject, add execute.Access, alone bool) error {
	c, err := o.client(connection.Organization)
	if err != nil {
		return err
	}
	return c.Grant(ctx, connection, project, add, alone)
}

// Uses implements execute.Connections.
func (o Organizations) Uses(ctx context.Context, connection inventory.Connection, since time.Time) ([]inventory.Execution, error) {
	c, err := o.client(connection.Organization)
	if err != nil {
		return nil, err
	}
	return c.Uses(ctx, connection, since)
}

// Test implements execute.Connections.
func (o Organizations) Test(ctx context.Context, connection inventory.Connection) (bool, string, error) {
	c, err := o.client(connection.Organization)
	if err != nil {
		return false, "", err
	}
	return c.Test(ctx, connection)
}
