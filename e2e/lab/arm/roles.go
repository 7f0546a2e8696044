package arm

import (
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/internal/lazy"
)

type assignmentJSON struct {
	ID         string               `json:"id"`
	Name       string               `json:"name"`
	Type       string               `json:"type"`
	Properties assignmentProperties `json:"properties"`
}

type assignmentProperties struct {
	RoleDefinitionID string    `json:"roleDefinitionId"`
	PrincipalID      string    `json:"principalId"`
	PrincipalType    string    `json:"principalType"`
	Scope            string    `json:"scope"`
	CreatedOn        time.Time `json:"createdOn"`
	UpdatedOn        time.Time `json:"updatedOn"`
	Condition        *string   `json:"condition,omitempty"`
	ConditionVersion *string   `json:"conditionVersion,omitempty"`
	Description      *string   `json:"description,omitempty"`
}

type definitionJSON struct {
	ID         string               `json:"id"`
	Name       string               `json:"name"`
	Type       string               `json:"type"`
	Properties definitionProperties `json:"properties"`
}

type definitionProperties struct {
	RoleName         string   `json:"roleName"`
	Type             string   `json:"type"`
	AssignableScopes []string `json:"assignableScopes"`
}

var (
	byPrincipal = lazy.Regexp(`(?i)^\s*(?:principalId\s+eq\s+'([^']*)'|assignedTo\('([^']*)'\))\s*$`)
	atScope     = lazy.Regexp(`(?i)^\s*atScope\(\)\s*$`)
)

// listAssignments lists the assignments at, above and below a scope. The filters that the service knows for
// principals mean the same here, since the lab has no groups.
func (c *call) listAssignments(scope string) answer {
	filter := c.query("$filter")
	principal := ""
	switch m := byPrincipal().FindStringSubmatch(filter); {
	case m != nil:
		principal = m[1] + m[2]
	case filter != "" && !atScope().MatchString(filter):
		return fail(http.StatusBadRequest, "BadRequestFormat", "The filter '%s' is not supported.", filter)
	}
	if filter == "" || !atScope().MatchString(filter) {
		return c.assignments(func(r *world.RoleAssignment) bool {
			return (principal == "" || strings.EqualFold(principal, r.PrincipalID)) && (within(r.Scope, scope) || within(scope, r.Scope) || isGroup(r.Scope))
		})
	}
	return c.assignments(func(r *world.RoleAssignment) bool { return within(scope, r.Scope) || isGroup(r.Scope) })
}

func (c *call) assignments(keep func(*world.RoleAssignment) bool) answer {
	shown := []assignmentJSON{}
	for _, r := range c.w.Roles {
		if keep(r) {
			shown = append(shown, showAssignment(r))
		}
	}
	return ok(listJSON[assignmentJSON]{shown})
}

func showAssignment(r *world.RoleAssignment) assignmentJSON {
	return assignmentJSON{assignmentID(r), assignmentName(r), "Microsoft.Authorization/roleAssignments", assignmentProperties{
		definitionID(r), r.PrincipalID, "ServicePrincipal", r.Scope, r.Created.UTC(), r.Created.UTC(), orAbsent(r.Condition), orAbsent(r.ConditionVersion), orAbsent(r.Description)}}
}

// assignmentName is the last part of an assignment's id.
func assignmentName(r *world.RoleAssignment) string { return r.ID[strings.LastIndex(r.ID, "/")+1:] }

func assignmentID(r *world.RoleAssignment) string {
	if strings.HasPrefix(r.ID, "/") {
		return r.ID
	}
	return strings.TrimSuffix(r.Scope, "/") + "/providers/Microsoft.Authorization/roleAssignments/" + r.ID
}

func definitionID(r *world.RoleAssignment) string {
	return subscriptionOf(r.Scope) + "/providers/Microsoft.Authorization/roleDefinitions/" + r.RoleID
}

// definitions are the roles that somebody holds, by name.
func (c *call) definitions(scope string) []definitionJSON {
	seen := map[string]bool{}
	found := []definitionJSON{}
	for _, r := range c.w.Roles {
		if !seen[r.RoleID] {
			seen[r.RoleID] = true
			found = append(found, definitionJSON{subscriptionOf(scope) + "/providers/Microsoft.Authorization/roleDefinitions/" + r.RoleID,
				r.RoleID, "Microsoft.Authorization/roleDefinitions", definitionProperties{r.Role, "BuiltInRole", []string{"/"}}})
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Properties.RoleName < found[j].Properties.RoleName })
	return found
}

func (c *call) listDefinitions(scope string) answer {
	return ok(listJSON[definitionJSON]{c.definitions(scope)})
}

func (c *call) getDefinition(scope, name string) answer {
	for _, d := range c.definitions(scope) {
		if strings.EqualFold(d.Name, name) {
			return ok(d)
		}
	}
	return fail(http.StatusNotFound, "RoleDefinitionDoesNotExist", "The specified role definition with ID '%s' does not exist.", name)
}

const managementGroups = "/providers/microsoft.management/managementgroups/"

// isGroup is whether a scope is a management group. The lab keeps no hierarchy: every group is above everything.
func isGroup(scope string) bool { return strings.HasPrefix(strings.ToLower(scope), managementGroups) }

// within is whether a scope is another one or lies below it.
func within(scope, outer string) bool {
	s, o := strings.ToLower(strings.TrimSuffix(scope, "/")), strings.ToLower(strings.TrimSuffix(outer, "/"))
	return s == o || strings.HasPrefix(s, o+"/")
}

// subscriptionOf is the subscription's part of a scope, or "" for scopes above subscriptions.
func subscriptionOf(scope string) string {
	parts := strings.Split(strings.TrimPrefix(scope, "/"), "/")
	if len(parts) < 2 || !strings.EqualFold(parts[0], "subscriptions") {
		return ""
	}
	return "/subscriptions/" + parts[1]
}
