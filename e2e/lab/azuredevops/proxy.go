package azuredevops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

type proxyInput struct {
	DataSourceDetails struct {
		DataSourceName string `json:"dataSourceName"`
	} `json:"dataSourceDetails"`
	ServiceEndpointDetails *endpointInput `json:"serviceEndpointDetails"`
}

// proxyResult tells of a failed test in an answer that is itself a success.
type proxyResult struct {
	Result       []string `json:"result"`
	StatusCode   string   `json:"statusCode"`
	ErrorMessage string   `json:"errorMessage"`
}

// proxy performs a connection's own test ("Verify" in the portal): it signs in, and then asks for the subscription.
func (c *call) proxy() (answer, error) {
	in, err := decode[proxyInput](c.body)
	if err != nil {
		return answer{}, err
	}
	switch in.DataSourceDetails.DataSourceName {
	case "TestConnection", "TestConnectionManagementGroup":
	default:
		return answer{}, argument("The data source %s does not exist on this service connection type.", in.DataSourceDetails.DataSourceName)
	}
	conn, err := c.tested(in)
	if err != nil {
		return answer{}, err
	}
	if c.w.Knobs.ACRNoTest && strings.EqualFold(conn.Type, typeRegistry) {
		return answer{}, argument("The data source %s does not exist on this service connection type.", in.DataSourceDetails.DataSourceName)
	}
	denied := c.denied(conn)
	signIn := c.signIn
	return answer{later: func(ctx context.Context) answer { return ok(test(ctx, signIn, conn, denied)) }}, nil
}

// tested is a copy of the connection to test: the stored one, or without one what the caller describes.
func (c *call) tested(in proxyInput) (*world.Connection, error) {
	id := c.query("endpointId")
	if conn := c.find(id); conn != nil && refIn(conn, c.project.ID) != nil {
		return clone(conn), nil
	}
	if in.ServiceEndpointDetails == nil || in.ServiceEndpointDetails.Type == "" {
		return nil, notFound(typeNameOfMissing, "Service connection with id %s does not exist, or you do not have access to it.", id)
	}
	conn := &world.Connection{Type: in.ServiceEndpointDetails.Type, Scheme: in.ServiceEndpointDetails.scheme()}
	in.ServiceEndpointDetails.applyFields(conn)
	return conn, nil
}

func clone(conn *world.Connection) *world.Connection {
	copied := *conn
	copied.Data, copied.Params, copied.Hidden = maps.Clone(conn.Data), maps.Clone(conn.Params), maps.Clone(conn.Hidden)
	copied.BeforeParams = maps.Clone(conn.BeforeParams)
	copied.Refs = make([]*world.ProjectRef, len(conn.Refs))
	for i, r := range conn.Refs {
		ref := *r
		copied.Refs[i] = &ref
	}
	copied.History = append([]*world.Execution(nil), conn.History...)
	return &copied
}

func test(ctx context.Context, signIn SignIn, conn *world.Connection, denied string) proxyResult {
	err := errors.New("the lab has no run simulator that could sign in")
	if signIn != nil {
		err = signIn(ctx, conn)
	}
	switch {
	case err != nil && conn.Scheme == federation:
		return proxyResult{StatusCode: "badRequest", ErrorMessage: err.Error()}
	case err != nil:
		return proxyResult{StatusCode: "badRequest", ErrorMessage: fmt.Sprintf(
			"Failed to obtain the Json Web Token(JWT) using service principal client ID. Exception message: %v", err)}
	case denied != "":
		return proxyResult{StatusCode: "forbidden", ErrorMessage: denied}
	}
	return proxyResult{Result: []string{}, StatusCode: "ok"}
}

// denied is Azure's refusal to show the connection's subscription to its identity: it has no role in it. A subscription
// that is not in the world is not judged.
func (c *call) denied(conn *world.Connection) string {
	if said := c.w.Knobs.RefuseTest; said != "" && conn.Scheme == federation {
		return said
	}
	id := value(conn.Data, dataSubscription)
	sub := c.w.Subs[id]
	_, app := c.appOf(conn)
	if sub == nil || !strings.EqualFold(conn.Type, typeAzure) || app == nil || app.SP == nil {
		return ""
	}
	for _, role := range c.w.Roles {
		if strings.EqualFold(role.PrincipalID, app.SP.ObjectID) && touches(role.Scope, id) {
			return ""
		}
	}
	return fmt.Sprintf("Failed to query service connection API: '%ssubscriptions/%s?api-version=2016-06-01'. Status Code: 'Forbidden', "+
		"Response from server: '{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"The client '%s' with object id '%s' does not have "+
		"authorization to perform action 'Microsoft.Resources/subscriptions/read' over scope '/subscriptions/%s' or the scope is invalid.\"}}'",
		resourceManager, id, app.AppID, app.SP.ObjectID, id)
}

// touches is whether a role's scope is in the subscription or above it.
func touches(scope, subscription string) bool {
	s, sub := strings.ToLower(strings.TrimSuffix(scope, "/")), "/subscriptions/"+strings.ToLower(subscription)
	return s == "" || s == sub || strings.HasPrefix(s, sub+"/") ||
		strings.HasPrefix(s, "/providers/microsoft.management/managementgroups/")
}
