package graph

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// Beside the policies that were made through it, the lab has one of its own: the one that applications with NoPasswords are assigned.
const (
	blockingPolicyID   = "5e6a1c5e-3f0e-4c39-8b3f-7b0a6f1d2c44"
	blockingPolicyName = "Block client secrets"
	defaultPolicyID    = "00000000-0000-0000-0000-000000000000"
	defaultPolicyName  = "Default app management tenant policy"
)

// blocked tells whether a policy forbids new passwords on an application, and which. One that is assigned to the application takes the
// place of the tenant's default (Microsoft Learn: app management policies).
func (c *call) blocked(app *world.App) (name string, is bool) {
	if p := c.assigned(app); p != nil {
		return p.Name, p.Enabled && blocksPasswords(p, app)
	}
	if now := c.world.Clock.Now(); app.Unblocked.IsZero() || !now.Before(app.Unblocked.Add(c.world.Knobs.PolicyPropagation)) {
		return defaultPolicyName, c.world.Knobs.NewPasswordPolicy
	}
	return "that was taken away", true
}

// assigned is the policy of an application, or nil.
func (c *call) assigned(app *world.App) *world.AppPolicy {
	if app.NoPasswords {
		return ownPolicy(c.world)
	}
	for _, p := range c.tenant.Policies {
		if p.ID == app.Policy {
			return p
		}
	}
	return nil
}

func blocksPasswords(p *world.AppPolicy, app *world.App) bool {
	list, _ := p.Restrictions["passwordCredentials"].([]any)
	for _, x := range list {
		r, _ := x.(map[string]any)
		since, _ := r["restrictForAppsCreatedAfterDateTime"].(string)
		after, err := time.Parse(time.RFC3339, since)
		if r["restrictionType"] == "passwordAddition" && r["state"] != "disabled" && (err != nil || !app.Created.Before(after)) {
			return true
		}
	}
	return false
}

func ownPolicy(w *world.World) *world.AppPolicy {
	return &world.AppPolicy{ID: blockingPolicyID, Name: blockingPolicyName, Description: "No new client secrets.", Enabled: true, Restrictions: restrictions(w, true)}
}

func showPolicy(p *world.AppPolicy) object {
	return object{"id": p.ID, "displayName": p.Name, "description": p.Description, "isEnabled": p.Enabled, "restrictions": p.Restrictions}
}

// restrictions forbid new passwords or forbid nothing.
func restrictions(w *world.World, blocked bool) object {
	if !blocked {
		return object{"passwordCredentials": []any{}, "keyCredentials": []any{}}
	}
	return object{"keyCredentials": []any{}, "passwordCredentials": []any{object{
		"restrictionType": "passwordAddition", "state": "enabled", "maxLifetime": nil, "restrictForAppsCreatedAfterDateTime": "2019-10-19T10:37:00Z",
	}}}
}

func getDefaultPolicy(c *call) (any, *refusal) {
	blocked, days := c.world.Knobs.NewPasswordPolicy, c.world.Knobs.PasswordMaxDays
	rules := restrictions(c.world, blocked)
	if days > 0 {
		rules["passwordCredentials"] = append(rules["passwordCredentials"].([]any), object{ //nolint:forcetypeassert // as restrictions makes it
			"restrictionType": "passwordLifetime", "state": "enabled", "maxLifetime": fmt.Sprintf("P%dD", days), "restrictForAppsCreatedAfterDateTime": "2019-10-19T10:37:00Z"})
	}
	return object{
		"@odata.context": c.context("policies/defaultAppManagementPolicy/$entity"), "id": defaultPolicyID, "displayName": defaultPolicyName,
		"description": "Default tenant policy that enforces app management restrictions on applications and service principals.",
		"isEnabled":   blocked || days > 0, "applicationRestrictions": rules, "servicePrincipalRestrictions": restrictions(c.world, blocked),
	}, nil
}

// policies are those of the tenant: the blocking one exists when an application has it.
func (c *call) policies() []*world.AppPolicy {
	out := slices.Clone(c.tenant.Policies)
	for _, app := range c.tenant.Apps {
		if app.NoPasswords {
			return append(out, ownPolicy(c.world))
		}
	}
	return out
}

// policy finds the policy that the path names.
func (c *call) policy() (*world.AppPolicy, *refusal) {
	id := c.r.PathValue("id")
	for _, p := range c.policies() {
		if p.ID == id {
			return p, nil
		}
	}
	return nil, notFound(id)
}

func listPolicies(c *call) (any, *refusal) {
	value := []any{}
	for _, p := range c.policies() {
		value = append(value, showPolicy(p))
	}
	return object{"@odata.context": c.context("policies/appManagementPolicies"), "value": value}, nil
}

func getPolicy(c *call) (any, *refusal) {
	p, e := c.policy()
	if e != nil {
		return nil, e
	}
	return c.single("appManagementPolicy", "policies/appManagementPolicies", showPolicy(p))
}

// createPolicy needs a name and a description (Microsoft Graph, "Create appManagementPolicy").
func createPolicy(c *call) (any, *refusal) {
	body, e := c.decode()
	if e != nil {
		return nil, e
	}
	p := &world.AppPolicy{ID: c.world.NewID()}
	p.Name, _ = body["displayName"].(string)
	p.Description, _ = body["description"].(string)
	p.Enabled, _ = body["isEnabled"].(bool)
	p.Restrictions, _ = body["restrictions"].(map[string]any)
	if p.Name == "" || p.Description == "" {
		return nil, badRequest("A value is required for property 'displayName' and 'description' of resource 'AppManagementPolicy'.")
	}
	c.tenant.Policies = append(c.tenant.Policies, p)
	c.created = true
	return c.single("appManagementPolicy", "policies/appManagementPolicies", showPolicy(p))
}

func deletePolicy(c *call) (any, *refusal) {
	p, e := c.policy()
	if e != nil {
		return nil, e
	}
	c.tenant.Policies = slices.DeleteFunc(c.tenant.Policies, func(x *world.AppPolicy) bool { return x == p })
	for _, app := range c.tenant.Apps {
		if app.Policy == p.ID {
			app.Policy = ""
		}
	}
	return nil, nil
}

// assignPolicy assigns a policy. An application can have one only ("Assign appliesTo").
func assignPolicy(c *call) (any, *refusal) {
	app, body, e := c.changeOfApplication()
	if e != nil {
		return nil, e
	}
	reference, _ := body["@odata.id"].(string)
	i := slices.IndexFunc(c.policies(), func(p *world.AppPolicy) bool {
		return strings.HasSuffix(reference, "/policies/appManagementPolicies/"+p.ID)
	})
	switch {
	case c.r.PathValue("ref") != "$ref" || i < 0:
		return nil, badRequest("Invalid object identifier in the reference.")
	case c.assigned(app) != nil && c.assigned(app).ID == c.policies()[i].ID:
		return nil, badRequest("One or more added object references already exist for the following modified properties: 'appManagementPolicies'.")
	case c.assigned(app) != nil:
		return nil, badRequest("Only one policy can be assigned to an application.")
	}
	app.Policy = c.policies()[i].ID
	return nil, nil
}

func unassignPolicy(c *call) (any, *refusal) {
	app, e := c.application()
	if e != nil {
		return nil, e
	}
	if p := c.assigned(app); c.r.PathValue("ref") != "$ref" || p == nil || p.ID != c.r.PathValue("policy") {
		return nil, notFound(c.r.PathValue("policy"))
	}
	app.NoPasswords, app.Policy, app.Unblocked = false, "", c.world.Clock.Now()
	return nil, nil
}

func listPoliciesOfApplication(c *call) (any, *refusal) {
	app, e := c.application()
	if e != nil {
		return nil, e
	}
	value := []any{}
	if p := c.assigned(app); p != nil {
		value = append(value, showPolicy(p))
	}
	return object{"@odata.context": c.context("appManagementPolicies"), "value": value}, nil
}

// listAppliesTo lists the applications that a policy is assigned to.
func listAppliesTo(c *call) (any, *refusal) {
	p, e := c.policy()
	if e != nil {
		return nil, e
	}
	value := []any{}
	for _, key := range slices.Sorted(maps.Keys(c.tenant.Apps)) {
		app := c.tenant.Apps[key]
		if own := c.assigned(app); own == nil || own.ID != p.ID {
			continue
		}
		o := application(app)
		o["@odata.type"] = "#microsoft.graph.application"
		value = append(value, o)
	}
	return object{"@odata.context": c.context("directoryObjects"), "value": value}, nil
}
