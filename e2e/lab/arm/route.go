package arm

import (
	"net/http"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// call is one authenticated request. Its methods run with the world's lock held.
type call struct {
	w     *world.World
	r     *http.Request
	body  []byte
	token *world.Token
}

const (
	authorization = "/providers/microsoft.authorization/"
	resourceGraph = "/providers/microsoft.resourcegraph/resources"
)

// dispatch finds the operation. Paths are compared in lower case, as the service ignores case everywhere.
func (c *call) dispatch() answer {
	path := "/" + strings.ToLower(strings.Trim(c.r.URL.Path, "/"))
	if c.query("api-version") == "" {
		return fail(http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
	}
	if handled, a := c.write(path); handled {
		return a
	}
	method, handle := c.operation(path)
	switch {
	case handle == nil:
		return fail(http.StatusNotFound, "InvalidResourceType", "The resource type could not be found for path '%s'.", c.r.URL.Path)
	case c.r.Method != method && c.token.Role != world.RoleOperator:
		return c.unauthorized("write", path)
	case c.r.Method != method:
		return fail(http.StatusMethodNotAllowed, "HttpMethodNotAllowed", "The http method '%s' is not supported for path '%s'.", c.r.Method, c.r.URL.Path)
	case c.token.Role == world.RoleOutsider:
		return c.unauthorized("read", path)
	}
	return handle()
}

// operation is the method that the path takes and what it does.
func (c *call) operation(path string) (string, func() answer) {
	scope, rest, authorizes := cutLast(path, authorization)
	switch {
	case path == resourceGraph:
		return http.MethodPost, c.resources
	case path == "/subscriptions":
		return http.MethodGet, c.listSubscriptions
	case authorizes && rest == "roleassignments":
		return http.MethodGet, func() answer { return c.listAssignments(scope) }
	case authorizes && rest == "roledefinitions":
		return http.MethodGet, func() answer { return c.listDefinitions(scope) }
	case authorizes && strings.HasPrefix(rest, "roledefinitions/"):
		return http.MethodGet, func() answer { return c.getDefinition(scope, strings.TrimPrefix(rest, "roledefinitions/")) }
	case identityPath().MatchString(path):
		return http.MethodGet, func() answer { return c.getIdentity(path) }
	case authorizes && strings.HasPrefix(rest, "roleassignments/"):
		return http.MethodGet, func() answer { return c.getAssignment(scope, strings.TrimPrefix(rest, "roleassignments/")) }
	case strings.HasPrefix(path, "/subscriptions/") && strings.Count(path, "/") == 2:
		return http.MethodGet, func() answer { return c.getSubscription(strings.TrimPrefix(path, "/subscriptions/")) }
	}
	return "", nil
}

// cutLast cuts around the last separator: a scope may itself name a provider.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+len(sep):], true
}

func (c *call) unauthorized(action, scope string) answer {
	return fail(http.StatusForbidden, "AuthorizationFailed", "The client '%s' with object id '%s' does not have authorization to perform "+
		"action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		c.token.Login, c.token.Login, action, scope)
}

// query gives a query parameter; the service ignores the case of their names.
func (c *call) query(name string) string {
	for k, v := range c.r.URL.Query() {
		if strings.EqualFold(k, name) && len(v) > 0 {
			return v[0]
		}
	}
	return ""
}
