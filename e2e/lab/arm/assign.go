package arm

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/internal/lazy"
)

var guid = lazy.Regexp(`^(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func orAbsent(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (c *call) assignmentAt(scope, name string) int {
	return slices.IndexFunc(c.w.Roles, func(r *world.RoleAssignment) bool {
		return strings.EqualFold(assignmentName(r), name) && strings.EqualFold(strings.TrimSuffix(r.Scope, "/"), strings.TrimSuffix(scope, "/"))
	})
}

func (c *call) getAssignment(scope, name string) answer {
	if i := c.assignmentAt(scope, name); i >= 0 {
		return ok(showAssignment(c.w.Roles[i]))
	}
	return fail(http.StatusNotFound, "RoleAssignmentNotFound", "The role assignment '%s' is not found.", name)
}

// putAssignment assigns a role (Role Assignments - Create). A principal that was made a moment ago is only found where the request says what type
// it has (Microsoft Learn: Troubleshoot Azure RBAC, "PrincipalNotFound").
func (c *call) putAssignment(scope, name string) answer {
	var in struct {
		Properties assignmentProperties `json:"properties"`
	}
	p := &in.Properties
	if err := json.Unmarshal(c.body, &in); err != nil || !guid().MatchString(name) || p.RoleDefinitionID == "" {
		return fail(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid.")
	}
	if !c.principal(p.PrincipalID) || p.PrincipalType != "ServicePrincipal" {
		return fail(http.StatusBadRequest, "PrincipalNotFound", "Principal %s does not exist in the directory.", p.PrincipalID)
	}
	role := p.RoleDefinitionID[strings.LastIndex(p.RoleDefinitionID, "/")+1:]
	r := &world.RoleAssignment{ID: strings.ToLower(name), PrincipalID: p.PrincipalID, RoleID: role, Scope: scope, Created: c.w.Clock.Now()}
	for _, d := range c.definitions(scope) {
		if strings.EqualFold(d.Name, role) {
			r.Role = d.Properties.RoleName
		}
	}
	if r.Role == "" {
		return fail(http.StatusBadRequest, "RoleDefinitionDoesNotExist", "The specified role definition with ID '%s' does not exist.", role)
	}
	for to, from := range map[*string]*string{&r.Condition: p.Condition, &r.ConditionVersion: p.ConditionVersion, &r.Description: p.Description} {
		if from != nil {
			*to = *from
		}
	}
	if i := c.assignmentAt(scope, name); i >= 0 {
		same := strings.EqualFold(c.w.Roles[i].PrincipalID, r.PrincipalID) && strings.EqualFold(c.w.Roles[i].RoleID, role)
		if !same {
			return fail(http.StatusConflict, "RoleAssignmentUpdateNotPermitted", "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.")
		}
		return ok(showAssignment(c.w.Roles[i]))
	}
	for _, x := range c.w.Roles {
		if strings.EqualFold(x.PrincipalID, r.PrincipalID) && strings.EqualFold(x.RoleID, role) && strings.EqualFold(x.Scope, scope) {
			return fail(http.StatusConflict, "RoleAssignmentExists", "The role assignment already exists.")
		}
	}
	c.w.Roles = append(c.w.Roles, r)
	return answer{status: http.StatusCreated, body: showAssignment(r)}
}

func (c *call) deleteAssignment(scope, name string) answer {
	i := c.assignmentAt(scope, name)
	if i < 0 {
		return answer{status: http.StatusNoContent}
	}
	gone := c.w.Roles[i]
	c.w.Roles = slices.Delete(slices.Clone(c.w.Roles), i, i+1)
	return ok(showAssignment(gone))
}

// principal tells whether a service principal exists.
func (c *call) principal(id string) bool {
	for _, m := range c.w.ManagedIdentities {
		if strings.EqualFold(m.App.SP.ObjectID, id) {
			return true
		}
	}
	for _, t := range c.w.Tenants {
		for _, a := range t.Apps {
			if a.SP != nil && strings.EqualFold(a.SP.ObjectID, id) {
				return true
			}
		}
	}
	return false
}
