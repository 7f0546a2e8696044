// Package azure reads the Azure roles that service principals hold, through Azure Resource Graph, which answers
// for many principals and all subscriptions with one query, and makes user-assigned managed identities that take the place of applications.
package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"
	"github.com/google/uuid"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// DefaultURL is Azure Resource Manager of the public cloud.
const DefaultURL = "https://management.azure.com"

// Config is what a Client needs.
type Config struct {
	URL  string       // empty means DefaultURL
	HTTP *http.Client // from package transport: it authenticates, paces and repeats
}

// Client reads role assignments. It is safe for concurrent use.
type Client struct {
	graph *armresourcegraph.Client
	http  *http.Client
	url   string
}

var _ scan.Azure = (*Client)(nil)

// unused satisfies the SDK, which will not be built without a credential; the transport puts the real token in
// the place of this one.
type unused struct{}

// GetToken implements azcore.TokenCredential.
func (unused) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "set-by-transport", ExpiresOn: time.Now().Add(24 * time.Hour)}, nil
}

// New makes a client. It sends nothing.
func New(c Config) (*Client, error) {
	if c.HTTP == nil {
		return nil, errors.New("azure: an HTTP client is needed")
	}
	if c.URL == "" {
		c.URL = DefaultURL
	}
	endpoint := strings.TrimRight(c.URL, "/")
	graph, err := armresourcegraph.NewClient(unused{}, &arm.ClientOptions{
		ClientOptions: policy.ClientOptions{
			Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: endpoint, Audience: endpoint},
			}},
			Transport: c.HTTP,
			Retry:     policy.RetryOptions{MaxRetries: -1}, // the transport repeats
			// The transport refuses plain http to all but loopback hosts.
			InsecureAllowCredentialWithHTTP: true,
		},
		DisableRPRegistration: true,
	})
	if err != nil {
		return nil, fmt.Errorf("azure: %w", err)
	}
	return &Client{graph: graph, http: c.HTTP, url: endpoint}, nil
}

const (
	// principalsPerQuery keeps a query's text well below what the service takes.
	principalsPerQuery = 200
	// rowsPerPage is the most that one answer holds (Microsoft Learn: Work with large Azure resource data sets).
	rowsPerPage = 1000
)

// query finds the role assignments of principals with the names of their roles (Microsoft Learn: Azure Resource
// Graph table and resource type reference, authorizationresources).
func query(principals []inventory.ObjectID) string {
	quoted := make([]string, len(principals))
	for i, p := range principals {
		quoted[i] = "'" + string(p) + "'"
	}
	return `authorizationresources
| where type =~ 'microsoft.authorization/roleassignments'
| extend pid = tostring(properties.principalId), scope = tostring(properties.scope), rd = tolower(tostring(properties.roleDefinitionId)), condition = tostring(properties.condition), conditionVersion = tostring(properties.conditionVersion)
| where pid in~ (` + strings.Join(quoted, ", ") + `)
| join kind=leftouter (authorizationresources
    | where type =~ 'microsoft.authorization/roledefinitions'
    | extend rd = tolower(id), roleName = tostring(properties.roleName)
    | project rd, roleName) on rd
| project pid, roleName, scope, id, rd, condition, conditionVersion
| order by id asc`
}

// Roles implements scan.Azure. Every principal that was asked for is in the result, also one without a role. It
// tells what the caller may see: an assignment in a subscription that the caller cannot read is not in it.
func (c *Client) Roles(ctx context.Context, principals []inventory.ObjectID) (map[inventory.ObjectID][]inventory.RoleAssignment, error) {
	roles := make(map[inventory.ObjectID][]inventory.RoleAssignment, len(principals))
	ids := make([]inventory.ObjectID, 0, len(principals))
	for _, p := range principals {
		if _, err := uuid.Parse(string(p)); err != nil {
			return nil, fmt.Errorf("azure: reading roles: %q is not the object id of a service principal", p)
		}
		roles[p] = nil
		ids = append(ids, p)
	}
	for batch := range slices.Chunk(ids, principalsPerQuery) {
		if err := c.read(ctx, batch, roles); err != nil {
			return nil, execute.Needing(permissions.AzureReader, fmt.Errorf("azure: reading the roles of %d service principals: %w", len(batch), err))
		}
	}
	return roles, nil
}

func (c *Client) read(ctx context.Context, batch []inventory.ObjectID, roles map[inventory.ObjectID][]inventory.RoleAssignment) error {
	byLower := map[string]inventory.ObjectID{}
	for _, p := range batch {
		byLower[strings.ToLower(string(p))] = p
	}
	return c.pages(ctx, query(batch), func(row any) {
		if principal, role, ok := assignment(row, byLower); ok {
			roles[principal] = append(roles[principal], role)
		}
	})
}

// ask gives all rows of a query, with their texts.
func (c *Client) ask(ctx context.Context, query string) ([]map[string]string, error) {
	var out []map[string]string
	err := c.pages(ctx, query, func(row any) {
		object, _ := row.(map[string]any)
		texts := map[string]string{}
		for k, v := range object {
			texts[k], _ = v.(string)
		}
		out = append(out, texts)
	})
	return out, err
}

// pages reads all pages of a query's answer, row by row.
func (c *Client) pages(ctx context.Context, query string, yield func(row any)) error {
	options := &armresourcegraph.QueryRequestOptions{
		// Assignments at management groups above the subscriptions count, too.
		AuthorizationScopeFilter: new(armresourcegraph.AuthorizationScopeFilterAtScopeAboveAndBelow),
		ResultFormat:             new(armresourcegraph.ResultFormatObjectArray),
		Top:                      new(int32(rowsPerPage)),
	}
	request := armresourcegraph.QueryRequest{Query: &query, Options: options}
	for {
		page, err := c.graph.Resources(ctx, request, nil)
		if err != nil {
			return classify(err)
		}
		rows, ok := page.Data.([]any)
		if !ok {
			return fmt.Errorf("the answer has no rows but %T", page.Data)
		}
		for _, row := range rows {
			yield(row)
		}
		next := page.SkipToken
		switch {
		case next != nil && *next != "":
			options.SkipToken = next
		case page.ResultTruncated != nil && *page.ResultTruncated == armresourcegraph.ResultTruncatedTrue:
			return errors.New("the answer is cut off and has no token for the rest")
		default:
			return nil
		}
	}
}

func assignment(row any, principals map[string]inventory.ObjectID) (inventory.ObjectID, inventory.RoleAssignment, bool) {
	object, _ := row.(map[string]any)
	text := func(key string) string {
		value, _ := object[key].(string)
		return value
	}
	principal, known := principals[strings.ToLower(text("pid"))]
	role := inventory.RoleAssignment{ID: text("id"), Role: text("roleName"), Scope: text("scope"), Definition: text("rd"), Condition: text("condition"), ConditionVersion: text("conditionVersion")}
	if role.Role == "" {
		role.Role = text("rd") // a definition that the caller may not read
	}
	return principal, role, known
}

// classify gives an error of the SDK the sentinel of package execute that fits.
func classify(err error) error {
	return execute.From(permissions.Azure, translate(err))
}

func translate(err error) error {
	var response *azcore.ResponseError
	if !errors.As(err, &response) {
		return transport.Clean(err)
	}
	if sentinel := transport.Sentinel(response.StatusCode, false); sentinel != nil {
		return fmt.Errorf("%w: HTTP %d %s", sentinel, response.StatusCode, response.ErrorCode)
	}
	return fmt.Errorf("HTTP %d %s", response.StatusCode, response.ErrorCode)
}
