package graph

import (
	"maps"
	"slices"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// The lab has at most one policy of its own: the one that applications with NoPasswords are assigned.
const (
	blockingPolicyID   = "5e6a1c5e-3f0e-4c39-8b3f-7b0a6f1d2c44"
	blockingPolicyName = "Block client secrets"
	defaultPolicyID    = "00000000-0000-0000-0000-000000000000"
	defaultPolicyName  = "Default app management tenant policy"
)

func policyName(w *world.World, app *world.App) string {
	if app.NoPasswords {
		return blockingPolicyName
	}
	return defaultPolicyName
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
	blocked := c.world.Knobs.NewPasswordPolicy
	return object{
		"@odata.context": c.context("policies/defaultAppManagementPolicy/$entity"), "id": defaultPolicyID, "displayName": defaultPolicyName,
		"description": "Default tenant policy that enforces app management restrictions on applications and service principals.",
		"isEnabled":   blocked, "applicationRestrictions": restrictions(c.world, blocked), "servicePrincipalRestrictions": restrictions(c.world, blocked),
	}, nil
}

func blockingPolicy(w *world.World) object {
	return object{
		"id": blockingPolicyID, "displayName": blockingPolicyName, "description": "No new client secrets.", "isEnabled": true,
		"restrictions": restrictions(w, true),
	}
}

// policies are those of the tenant: the blocking one exists when an application has it.
func (c *call) policies() []any {
	for _, app := range c.tenant.Apps {
		if app.NoPasswords {
			return []any{blockingPolicy(c.world)}
		}
	}
	return []any{}
}

func listPolicies(c *call) (any, *refusal) {
	return object{"@odata.context": c.context("policies/appManagementPolicies"), "value": c.policies()}, nil
}

func getPolicy(c *call) (any, *refusal) {
	id := c.r.PathValue("id")
	found := slices.ContainsFunc(c.policies(), func(p any) bool { return p.(object)["id"] == id })
	if !found {
		return nil, notFound(id)
	}
	return c.single("appManagementPolicy", "policies/appManagementPolicies", blockingPolicy(c.world))
}

func listPoliciesOfApplication(c *call) (any, *refusal) {
	app, e := c.application()
	if e != nil {
		return nil, e
	}
	value := []any{}
	if app.NoPasswords {
		value = append(value, blockingPolicy(c.world))
	}
	return object{"@odata.context": c.context("appManagementPolicies"), "value": value}, nil
}

// listAppliesTo lists the applications that a policy is assigned to.
func listAppliesTo(c *call) (any, *refusal) {
	id := c.r.PathValue("id")
	if !slices.ContainsFunc(c.policies(), func(p any) bool { return p.(object)["id"] == id }) {
		return nil, notFound(id)
	}
	value := []any{}
	for _, key := range slices.Sorted(maps.Keys(c.tenant.Apps)) {
		if app := c.tenant.Apps[key]; app.NoPasswords {
			o := application(app)
			o["@odata.type"] = "#microsoft.graph.application"
			value = append(value, o)
		}
	}
	return object{"@odata.context": c.context("directoryObjects"), "value": value}, nil
}
