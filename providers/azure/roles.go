package azure

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// assignmentBody is a role assignment (Role Assignments - Create).
type assignmentBody struct {
	ID         string               `json:"id,omitempty"`
	Properties assignmentProperties `json:"properties"`
}

type assignmentProperties struct {
	Definition       string `json:"roleDefinitionId"`
	PrincipalID      string `json:"principalId"`
	PrincipalType    string `json:"principalType,omitempty"`
	Scope            string `json:"scope,omitempty"`
	Condition        string `json:"condition,omitempty"`
	ConditionVersion string `json:"conditionVersion,omitempty"`
	Description      string `json:"description,omitempty"`
}

const assignments = "/providers/Microsoft.Authorization/roleAssignments"

// RolesAt implements execute.Identities. The filter also answers what is above and below the scope; only what is at it counts.
func (c *Client) RolesAt(ctx context.Context, scope string, principal inventory.ObjectID) ([]inventory.RoleAssignment, error) {
	query := "&$filter=" + url.QueryEscape("principalId eq '"+string(principal)+"'")
	found, err := list[assignmentBody](ctx, c, c.address(scope+assignments, versionAuthorization, strings.ReplaceAll(query, "+", "%20")))
	if err != nil {
		return nil, execute.Needing(permissions.AzureReader, fmt.Errorf("azure: reading the roles of %s at %s: %w", principal, scope, err))
	}
	var out []inventory.RoleAssignment
	for _, a := range found {
		p := a.Properties
		if strings.EqualFold(p.PrincipalID, string(principal)) && strings.EqualFold(strings.Trim(p.Scope, "/"), strings.Trim(scope, "/")) {
			out = append(out, inventory.RoleAssignment{ID: a.ID, Scope: p.Scope, Definition: p.Definition, Condition: p.Condition, ConditionVersion: p.ConditionVersion})
		}
	}
	return out, nil
}

// AssignRole implements execute.Identities. The type of the principal is told, so that one that was made a moment ago is found (Microsoft
// Learn: Troubleshoot Azure RBAC, "Symptom - Assigning a role to a new principal sometimes fails").
func (c *Client) AssignRole(ctx context.Context, name string, r inventory.RoleAssignment, principal inventory.ObjectID) (inventory.RoleAssignment, error) {
	var made assignmentBody
	body := assignmentBody{Properties: assignmentProperties{Definition: r.Definition, PrincipalID: string(principal), PrincipalType: "ServicePrincipal",
		Condition: r.Condition, ConditionVersion: r.ConditionVersion, Description: "copied by unsecret"}}
	if _, err := c.send(ctx, http.MethodPut, c.address(r.Scope+assignments+"/"+url.PathEscape(name), versionAuthorization, ""), body, &made); err != nil {
		return r, execute.Needing(permissions.AzureRoles, fmt.Errorf("azure: assigning %s at %s: %w", r.Role, r.Scope, err))
	}
	r.ID = made.ID
	return r, nil
}

// RemoveRole implements execute.Identities.
func (c *Client) RemoveRole(ctx context.Context, scope, name string) error {
	return execute.Needing(permissions.AzureRoles, c.remove(ctx, c.address(scope+assignments+"/"+url.PathEscape(name), versionAuthorization, ""), "role assignment "+name+" at "+scope))
}

// RolesOf implements execute.Identities.
func (c *Client) RolesOf(ctx context.Context, principal inventory.ObjectID) ([]inventory.RoleAssignment, error) {
	found, err := c.Roles(ctx, []inventory.ObjectID{principal})
	return found[principal], err
}
