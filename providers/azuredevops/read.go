package azuredevops

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/core"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/location"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/serviceendpoint"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/migrate/scan"
)

const projectPage = 100

var _ scan.AzureDevOps = (*Client)(nil)

// Organization implements scan.AzureDevOps.
func (c *Client) Organization(ctx context.Context) (inventory.Source, error) {
	source := inventory.Source{Kind: inventory.SourceAzureDevOps, Name: c.organization, URL: c.url}
	data, err := c.location.GetConnectionData(ctx, location.GetConnectionDataArgs{})
	if err != nil {
		return source, fmt.Errorf("azure devops organisation %s: reading its connection data: %w", c.organization, classify(err, false))
	}
	if data.InstanceId == nil {
		return source, fmt.Errorf("azure devops organisation %s: %w: the answer has no instanceId; check the organisation's name and the token's tenant", c.organization, execute.ErrNotFound)
	}
	source.ID = data.InstanceId.String()
	return source, nil
}

// Projects implements scan.AzureDevOps.
func (c *Client) Projects(ctx context.Context) ([]scan.Project, error) {
	var projects []scan.Project
	args := core.GetProjectsArgs{Top: new(projectPage)}
	for {
		page, err := c.core.GetProjects(ctx, args)
		if err != nil {
			return nil, fmt.Errorf("azure devops organisation %s: listing its projects: %w", c.organization, classify(err, false))
		}
		for _, p := range page.Value {
			if p.Id != nil && p.Name != nil {
				projects = append(projects, scan.Project{ID: inventory.ProjectID(p.Id.String()), Name: *p.Name})
			}
		}
		if page.ContinuationToken == "" {
			return projects, nil
		}
		// The SDK gives the token as text and takes it as a number: how many projects were fetched so far.
		next, err := strconv.Atoi(page.ContinuationToken)
		if err != nil || args.ContinuationToken != nil && next <= *args.ContinuationToken {
			return nil, fmt.Errorf("azure devops organisation %s: listing its projects: the continuation token %q leads nowhere", c.organization, page.ContinuationToken)
		}
		args.ContinuationToken = &next
	}
}

// Connections implements scan.AzureDevOps. It asks for connections that are not ready, too
// (includeFailed; without it the service leaves them out, Azure/azure-devops-cli-extension#1027).
func (c *Client) Connections(ctx context.Context, project scan.Project) ([]inventory.Connection, error) {
	var answer struct {
		Value []endpoint `json:"value"`
	}
	err := c.send(ctx, call{
		method: http.MethodGet, location: endpointsInProject, version: endpointVersion,
		route: map[string]string{"project": string(project.ID)},
		query: url.Values{"includeFailed": {"true"}},
	}, &answer)
	if err != nil {
		return nil, fmt.Errorf("azure devops %s/%s: listing its service connections: %w", c.organization, project.Name, err)
	}
	connections := make([]inventory.Connection, 0, len(answer.Value))
	for i := range answer.Value {
		if answer.Value[i].ID == "" {
			continue
		}
		connection := answer.Value[i].connection(c.organization)
		if len(connection.Projects) == 0 {
			connection.Projects = []inventory.ConnectionProject{{ID: project.ID, Name: project.Name, As: connection.Name}}
		}
		connections = append(connections, connection)
	}
	return connections, nil
}

// Executions implements scan.AzureDevOps.
func (c *Client) Executions(ctx context.Context, project scan.Project, id inventory.ConnectionID, limit int) ([]inventory.Execution, error) {
	return c.executions(ctx, project, id, limit, func(*serviceendpoint.ServiceEndpointExecutionData) bool { return true })
}

// executions reads the newest entries of a history, and keeps some of them.
func (c *Client) executions(ctx context.Context, project scan.Project, id inventory.ConnectionID, limit int, keep func(*serviceendpoint.ServiceEndpointExecutionData) bool) ([]inventory.Execution, error) {
	what := fmt.Sprintf("azure devops %s/%s: reading the execution history of connection %s", c.organization, project.Name, id)
	guid, err := uuid.Parse(string(id))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var uses []inventory.Execution
	args := serviceendpoint.GetServiceEndpointExecutionRecordsArgs{Project: new(string(project.ID)), EndpointId: &guid, Top: new(min(limit, 1000))}
	for len(uses) < limit {
		page, err := c.endpoints.GetServiceEndpointExecutionRecords(ctx, args)
		if err != nil {
			return nil, execute.Needing(permissions.DevOpsConnectionRead, fmt.Errorf("%s: %w", what, classify(err, false)))
		}
		for _, r := range page.Value {
			if r.Data != nil && keep(r.Data) {
				uses = append(uses, execution(project.Name, r.Data))
			}
		}
		next, more := continuation(page.ContinuationToken)
		if !more || len(page.Value) == 0 || args.ContinuationToken != nil && next == *args.ContinuationToken {
			break
		}
		args.ContinuationToken = &next
	}
	slices.SortStableFunc(uses, func(a, b inventory.Execution) int { return b.Finished.Compare(a.Finished) })
	return uses[:min(len(uses), limit)], nil
}

// continuation reads a token that the SDK gives as text and takes as a number; none means the last page.
func continuation(token string) (next uint64, more bool) {
	next, err := strconv.ParseUint(token, 10, 64)
	return next, err == nil
}

func execution(project string, d *serviceendpoint.ServiceEndpointExecutionData) inventory.Execution {
	e := inventory.Execution{Project: project}
	if d.PlanType != nil {
		e.PlanType = *d.PlanType
	}
	if d.Definition != nil && d.Definition.Id != nil {
		e.DefinitionID = *d.Definition.Id
	}
	if d.Definition != nil && d.Definition.Name != nil {
		e.Definition = *d.Definition.Name
	}
	if d.Result != nil {
		e.Result = string(*d.Result)
	}
	e.Finished = moment(d.FinishTime)
	if e.Finished.IsZero() {
		e.Finished = moment(d.StartTime)
	}
	return e
}

// read reads one connection as raw JSON and decoded. A connection that was deleted can come with HTTP 200 and
// an empty or null answer (terraform-provider-azuredevops, commit 80a0d7d4).
func (c *Client) read(ctx context.Context, project inventory.ProjectID, id inventory.ConnectionID) (raw map[string]rawValue, e endpoint, err error) {
	var text rawValue
	err = c.send(ctx, call{
		method: http.MethodGet, location: endpointsInProject, version: endpointVersion,
		route: map[string]string{"project": string(project), "endpointId": string(id)},
	}, &text)
	if err == nil {
		err = decodeEndpoint(text, &raw, &e)
	}
	if err == nil && !strings.EqualFold(e.ID, string(id)) {
		err = fmt.Errorf("%w: it may have been deleted, or the caller may not see it", execute.ErrNotFound)
	}
	if err != nil {
		err = execute.Needing(permissions.DevOpsConnectionRead, fmt.Errorf("azure devops %s: reading service connection %s: %w", c.organization, id, err))
	}
	return raw, e, err
}

// Connection reads one connection afresh.
func (c *Client) Connection(ctx context.Context, project inventory.ProjectID, id inventory.ConnectionID) (inventory.Connection, error) {
	_, e, err := c.read(ctx, project, id)
	if err != nil {
		return inventory.Connection{}, err
	}
	return e.connection(c.organization), nil
}
