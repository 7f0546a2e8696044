package azuredevops

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/serviceendpoint"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/migrate/scan"
)

// usesRead is how many entries of a history are looked at for uses since a time.
const usesRead = 200

// Named finds the connection of a name in a project. One that is not ready is found, too.
func (c *Client) Named(ctx context.Context, project inventory.ProjectID, name string) (inventory.Connection, error) {
	query := url.Values{"includeFailed": {"true"}}
	if !strings.Contains(name, ",") { // the names are a list with commas
		query.Set("endpointNames", name)
	}
	var answer struct {
		Value []endpoint `json:"value"`
	}
	err := c.send(ctx, call{method: http.MethodGet, location: endpointsInProject, version: endpointVersion, route: map[string]string{"project": string(project)}, query: query}, &answer)
	if err != nil {
		return inventory.Connection{}, execute.Needing(permissions.DevOpsConnectionRead, fmt.Errorf("azure devops %s: reading service connection %q: %w", c.organization, name, err))
	}
	for i := range answer.Value {
		found := answer.Value[i].connection(c.organization)
		for _, p := range found.Projects {
			if strings.EqualFold(string(p.ID), string(project)) && strings.EqualFold(cmp.Or(p.As, found.Name), name) {
				return found, nil
			}
		}
	}
	return inventory.Connection{}, fmt.Errorf("azure devops %s: service connection %q in project %s: %w", c.organization, name, project, execute.ErrNotFound)
}

// reference is a project of a connection, as the service takes it.
func reference(p inventory.ConnectionProject, name, description string) map[string]any {
	return map[string]any{"projectReference": map[string]string{"id": string(p.ID), "name": p.Name}, "name": name, "description": description}
}

// Recreate makes a connection like another one, with workload identity federation and creation mode Manual, which needs no rights in Entra (Microsoft Learn: Automate service connections). What
// of the other one belongs to its secret, or to the application as the service made it, is left out.
func (c *Client) Recreate(ctx context.Context, old inventory.Connection, as inventory.AppID, name, description string) (inventory.Connection, error) {
	what := c.about("making a connection in place of", old.ID, old.Name)
	raw, e, err := c.fresh(ctx, old)
	if err != nil {
		return inventory.Connection{}, fmt.Errorf("%s: %w", what, err)
	}
	data, parameters := e.federated(as, old.TenantID)
	body, err := encode(map[string]any{
		"name": name, "type": raw["type"], "url": raw["url"], "description": description, "isShared": false, "isReady": true,
		"data":                             data,
		"authorization":                    map[string]any{"scheme": inventory.SchemeFederation, "parameters": parameters},
		"serviceEndpointProjectReferences": []any{reference(old.Projects[0], name, description)},
	})
	if err != nil {
		return inventory.Connection{}, fmt.Errorf("%s: %w", what, err)
	}
	var made endpoint
	if err := c.send(ctx, call{method: http.MethodPost, location: endpointsInOrg, version: endpointVersion, body: body}, &made); err != nil {
		return inventory.Connection{}, fmt.Errorf("%s: %w", what, err)
	}
	return made.connection(c.organization), nil
}

// azureScope is what of the data of a connection to Azure Resource Manager says what it is for (Microsoft Learn: Automate service connections, whose body has the first
// four; Azure DevOps REST API: Types - List, azurerm). All else belongs to its application.
var azureScope = []string{"environment", "scopeLevel", "subscriptionId", "subscriptionName", "managementGroupId", "managementGroupName", "resourceGroupName", "mlWorkspaceName", "mlWorkspaceLocation"}

// federated are the data and parameters of a connection that is made like this one, and signs in as an application or managed identity of a tenant.
func (e endpoint) federated(as inventory.AppID, tenant inventory.TenantID) (data, parameters map[string]any) {
	data, parameters = map[string]any{"creationMode": "Manual"}, map[string]any{}
	if strings.EqualFold(e.Type, "azurerm") {
		for _, k := range azureScope {
			if v := lookup(e.Data, k); v != "" {
				data[k] = v
			}
		}
		return data, map[string]any{"tenantid": tenant, "serviceprincipalid": as}
	}
	for k, v := range e.Data {
		lower := strings.ToLower(k)
		if lower == "creationmode" || lower == "revertschemedeadline" || lower == "appobjectid" || lower == "spnobjectid" || strings.HasPrefix(lower, "azurespn") {
			continue
		}
		data[k] = v
	}
	for k, v := range e.withoutSecret() {
		if strings.EqualFold(k, "serviceprincipalid") {
			v = as
		}
		parameters[k] = v
	}
	return data, parameters
}

// Share implements a part of execute.Connections.
func (c *Client) Share(ctx context.Context, connection inventory.Connection, projects []inventory.ConnectionProject, description string) error {
	var refs []any
	for _, p := range projects {
		refs = append(refs, reference(p, p.As, description))
	}
	return c.write(ctx, c.about("sharing", connection.ID, connection.Name), refs, call{method: http.MethodPatch, location: endpointsInOrg, version: endpointVersion, route: map[string]string{"endpointId": string(connection.ID)}})
}

// Delete implements a part of execute.Connections. With deep the service would also delete an application that it has made.
func (c *Client) Delete(ctx context.Context, connection inventory.Connection) error {
	var projects []string
	for _, p := range connection.Projects {
		projects = append(projects, string(p.ID))
	}
	return c.write(ctx, c.about("deleting", connection.ID, connection.Name), nil, call{method: http.MethodDelete, location: endpointsInOrg, version: endpointVersion,
		route: map[string]string{"endpointId": string(connection.ID)}, query: url.Values{"projectIds": {strings.Join(projects, ",")}, "deep": {"false"}}})
}

// SetDisabled writes a connection back as it was read, with another isDisabled (Azure DevOps REST API 7.2: ServiceEndpoint; release notes of sprint 276, which disables what nobody uses).
func (c *Client) SetDisabled(ctx context.Context, connection inventory.Connection, disabled bool) error {
	what := c.about("disabling", connection.ID, connection.Name)
	if !disabled {
		what = c.about("enabling", connection.ID, connection.Name)
	}
	raw, _, err := c.fresh(ctx, connection)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	body := asRead(raw)
	body["isDisabled"] = disabled
	return c.write(ctx, what, body, call{method: http.MethodPut, location: endpointsInOrg, version: endpointVersion, route: map[string]string{"endpointId": string(connection.ID)}})
}

// resource names a connection for the checks of a project.
type resource struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// checkConfiguration is an approval or another check with its settings, which stay as they came.
type checkConfiguration struct {
	Type struct {
		ID   string `json:"id,omitempty"`
		Name string `json:"name,omitempty"`
	} `json:"type"`
	Settings   json.RawMessage `json:"settings,omitempty"`
	Timeout    int             `json:"timeout,omitempty"`
	IsDisabled bool            `json:"isDisabled,omitempty"`
	Resource   resource        `json:"resource"`
}

// roleAssignment is one role of somebody on a connection (Azure DevOps REST API 7.1: Roleassignments - List and Set Role Assignments).
type roleAssignment struct {
	Identity struct {
		ID          string `json:"id"`
		DisplayName string `json:"displayName"`
	} `json:"identity"`
	Role struct {
		Name string `json:"name"`
	} `json:"role"`
	Access string `json:"access"` // assigned or inherited
}

// The scopes of roles on one connection, in one project and in the whole organisation. The reference does not list scopes: these are the names that Azure DevOps Server itself
// has for them (Microsoft.Azure.DevOps.ServiceEndpoints.Sdk.Server). What a connection is called in the second one is known only from programs that read it.
const (
	roleScope             = "distributedtask.serviceendpointrole"
	organizationRoleScope = "distributedtask.collection.serviceendpointrole"
)

func roleRoute(project inventory.ProjectID, id inventory.ConnectionID) map[string]string {
	return map[string]string{"scopeId": roleScope, "resourceId": string(project) + "_" + string(id)}
}

func organizationRoleRoute(id inventory.ConnectionID) map[string]string {
	return map[string]string{"scopeId": organizationRoleScope, "resourceId": "collection_" + string(id)}
}

// Access implements a part of execute.Connections.
func (c *Client) Access(ctx context.Context, project inventory.ProjectID, id inventory.ConnectionID) (execute.Access, error) {
	var out execute.Access
	permission, err := c.Permissions(ctx, scan.Project{ID: project, Name: string(project)}, id)
	if err != nil {
		return out, err
	}
	out.AllPipelines, out.Pipelines = permission.AllPipelines, permission.Pipelines
	var checks struct {
		Value []checkConfiguration `json:"value"`
	}
	r := c.get(checkConfigurations, preview, map[string]string{"project": string(project)}, url.Values{"resourceType": {"endpoint"}, "resourceId": {string(id)}, "$expand": {"settings"}})
	if err := c.send(ctx, r, &checks); err != nil {
		return out, fmt.Errorf("%s: %w", c.about("reading the checks of", id, string(id)), err)
	}
	for _, k := range checks.Value {
		settings, err := oneForm(k.Settings)
		if err != nil {
			return out, fmt.Errorf("%s: %w", c.about("reading the checks of", id, string(id)), err)
		}
		out.Checks = append(out.Checks, execute.AccessCheck{TypeID: k.Type.ID, Type: k.Type.Name, Settings: settings, Timeout: k.Timeout, Disabled: k.IsDisabled})
	}
	out.Roles, out.Inherits, err = c.roles(ctx, id, roleRoute(project, id))
	return out, err
}

// roles reads the roles that are assigned on a connection, and whether it inherits others.
func (c *Client) roles(ctx context.Context, id inventory.ConnectionID, route map[string]string) (out []execute.AccessRole, inherits bool, err error) {
	var roles struct {
		Value []roleAssignment `json:"value"`
	}
	if err := c.send(ctx, c.get(securityRoles, preview, route, nil), &roles); err != nil {
		return nil, false, fmt.Errorf("%s: %w", c.about("reading the roles on", id, string(id)), err)
	}
	for _, a := range roles.Value {
		if strings.EqualFold(a.Access, "inherited") {
			inherits = true
			continue
		}
		out = append(out, execute.AccessRole{Identity: a.Identity.ID, Name: a.Identity.DisplayName, Role: a.Role.Name})
	}
	return out, inherits, nil
}

// OrganizationRoles implements a part of execute.Connections.
func (c *Client) OrganizationRoles(ctx context.Context, id inventory.ConnectionID) ([]execute.AccessRole, error) {
	out, _, err := c.roles(ctx, id, organizationRoleRoute(id))
	return out, err
}

// GrantInOrganization implements a part of execute.Connections.
func (c *Client) GrantInOrganization(ctx context.Context, connection inventory.Connection, roles []execute.AccessRole) error {
	return c.assign(ctx, connection, roles, organizationRoleRoute(connection.ID))
}

// assign gives roles on a connection.
func (c *Client) assign(ctx context.Context, connection inventory.Connection, roles []execute.AccessRole, route map[string]string) error {
	body := make([]map[string]string, 0, len(roles))
	for _, r := range roles {
		body = append(body, map[string]string{"userId": r.Identity, "roleName": r.Role})
	}
	return c.write(ctx, c.about("giving roles on", connection.ID, connection.Name), body, call{method: http.MethodPut, location: securityRoles, version: preview, route: route})
}

// oneForm writes JSON so that equal content is equal text.
func oneForm(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var v any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return "", fmt.Errorf("the settings of a check are not JSON: %w", err)
	}
	b, err := encode(v)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(b.String()), nil
}

// Grant implements a part of execute.Connections.
func (c *Client) Grant(ctx context.Context, connection inventory.Connection, project inventory.ConnectionProject, add execute.Access, alone bool) error {
	id := connection.ID
	for _, k := range add.Checks {
		body := checkConfiguration{Settings: json.RawMessage(k.Settings), Timeout: k.Timeout, IsDisabled: k.Disabled, Resource: resource{"endpoint", string(id), cmp.Or(project.As, connection.Name)}}
		body.Type.ID, body.Type.Name = k.TypeID, k.Type
		what := c.about("adding check "+k.Type+" to", id, connection.Name)
		if err := c.write(ctx, what, body, call{method: http.MethodPost, location: checkConfigurations, version: preview, route: map[string]string{"project": string(project.ID)}}); err != nil {
			return fmt.Errorf("%s: %w (the service's answer is withheld, since it can repeat the check's settings)", what, kindOf(err))
		}
	}
	if len(add.Roles) > 0 {
		if err := c.assign(ctx, connection, add.Roles, roleRoute(project.ID, id)); err != nil {
			return err
		}
	}
	if alone {
		err := c.write(ctx, c.about("ending the inheritance of roles on", id, connection.Name), nil, call{method: http.MethodPatch, location: securityRoles, version: preview, route: roleRoute(project.ID, id),
			query: url.Values{"inheritPermissions": {"false"}}})
		if err != nil {
			return err
		}
	}
	return c.permit(ctx, connection, project, add)
}

// permit lets pipelines use a connection.
func (c *Client) permit(ctx context.Context, connection inventory.Connection, project inventory.ConnectionProject, add execute.Access) error {
	if !add.AllPipelines && len(add.Pipelines) == 0 {
		return nil
	}
	type permission struct {
		ID         int  `json:"id,omitempty"`
		Authorized bool `json:"authorized"`
	}
	body := map[string]any{"resource": resource{"endpoint", string(connection.ID), cmp.Or(project.As, connection.Name)}}
	if add.AllPipelines {
		body["allPipelines"] = permission{Authorized: true}
	}
	pipelines := []permission{}
	for _, id := range add.Pipelines {
		pipelines = append(pipelines, permission{id, true})
	}
	body["pipelines"] = pipelines
	return c.write(ctx, c.about("permitting pipelines to use", connection.ID, connection.Name), body, call{method: http.MethodPatch, location: permissionsOf, version: preview,
		route: map[string]string{"project": string(project.ID), "resourceType": "endpoint", "resourceId": string(connection.ID)}})
}

// Uses implements a part of execute.Connections.
func (c *Client) Uses(ctx context.Context, connection inventory.Connection, since time.Time) ([]inventory.Execution, error) {
	var out []inventory.Execution
	for _, p := range connection.Projects {
		found, err := c.executions(ctx, scan.Project{ID: p.ID, Name: p.Name}, connection.ID, usesRead, func(d *serviceendpoint.ServiceEndpointExecutionData) bool {
			begun := moment(d.StartTime)
			if begun.IsZero() {
				begun = moment(d.FinishTime)
			}
			return begun.After(since)
		})
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	slices.SortStableFunc(out, func(a, b inventory.Execution) int { return b.Finished.Compare(a.Finished) })
	return out, nil
}
