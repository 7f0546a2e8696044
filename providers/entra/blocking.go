package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// blockedSince is before every application: a restriction with this date applies to all that it is assigned to (service principals without
// a date count as made on 2019-01-01; Microsoft Learn: Create appManagementPolicy).
var blockedSince = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// PolicyOf implements execute.Directory.
func (c *Client) PolicyOf(ctx context.Context, application inventory.ObjectID) (execute.Policy, error) {
	found, err := list[managementPolicy](ctx, c, c.policiesOf(application))
	if err != nil {
		return execute.Policy{}, execute.Needing(permissions.GraphPolicy, fmt.Errorf("entra: reading the policy of application %s: %w", application, err))
	}
	if len(found) == 0 {
		return execute.Policy{}, nil
	}
	return found[0].policy(), nil
}

func (c *Client) policiesOf(application inventory.ObjectID) string {
	return c.url + "/v1.0/applications/" + url.PathEscape(string(application)) + "/appManagementPolicies"
}

func (p managementPolicy) policy() execute.Policy {
	return execute.Policy{ID: p.ID, Name: p.Name, BlocksPasswords: p.Enabled && slices.ContainsFunc(p.Assigned.Passwords, func(r restriction) bool {
		return strings.EqualFold(r.Type, "passwordAddition") && !strings.EqualFold(r.State, "disabled") && !r.CreatedAfter.After(blockedSince)
	})}
}

// BlockPasswords implements execute.Directory. There is one policy for all applications of the tenant.
func (c *Client) BlockPasswords(ctx context.Context, application inventory.ObjectID, name string) (execute.Policy, error) {
	c.policy.Lock()
	defer c.policy.Unlock()
	p, err := c.blockingPolicy(ctx, name)
	if err != nil {
		return p, execute.Needing(permissions.GraphPolicyWrite, fmt.Errorf("entra: policy %q: %w", name, err))
	}
	body := map[string]string{"@odata.id": c.url + "/v1.0/policies/appManagementPolicies/" + p.ID}
	if err := c.send(ctx, http.MethodPost, c.policiesOf(application)+"/$ref", body, nil); err != nil {
		return p, execute.Needing(permissions.GraphPolicyWrite, fmt.Errorf("entra: assigning policy %q to application %s: %w", name, application, err))
	}
	return p, nil
}

// blockingPolicy finds the policy by its name, or makes it.
func (c *Client) blockingPolicy(ctx context.Context, name string) (execute.Policy, error) {
	all, err := list[managementPolicy](ctx, c, c.url+"/v1.0/policies/appManagementPolicies")
	if err != nil {
		return execute.Policy{}, err
	}
	for _, p := range all {
		if p.Name != name {
			continue
		}
		if found := p.policy(); !found.BlocksPasswords {
			return found, fmt.Errorf("%w: somebody has changed it, and it does not forbid new passwords any more", execute.ErrConflict)
		}
		return p.policy(), nil
	}
	var made managementPolicy
	if err := c.send(ctx, http.MethodPost, c.url+"/v1.0/policies/appManagementPolicies", blockingBody(name), &made); err != nil {
		return execute.Policy{}, fmt.Errorf("making it: %w", err)
	}
	return made.policy(), nil
}

func blockingBody(name string) any {
	block := func(kind string) map[string]any {
		return map[string]any{"restrictionType": kind, "state": "enabled", "maxLifetime": nil, "restrictForAppsCreatedAfterDateTime": blockedSince.Format(time.RFC3339)}
	}
	return map[string]any{
		"displayName": name, "isEnabled": true, "description": "Applications that sign in by workload identity federation, and need no password any more.",
		"restrictions": map[string]any{"passwordCredentials": []any{block("passwordAddition"), block("symmetricKeyAddition")}, "keyCredentials": []any{}},
	}
}

// UnblockPasswords implements execute.Directory.
func (c *Client) UnblockPasswords(ctx context.Context, application inventory.ObjectID, policy execute.Policy) error {
	c.policy.Lock()
	defer c.policy.Unlock()
	if err := c.send(ctx, http.MethodDelete, c.policiesOf(application)+"/"+url.PathEscape(policy.ID)+"/$ref", nil, nil); err != nil {
		return execute.Needing(permissions.GraphPolicyWrite, fmt.Errorf("entra: taking policy %q off application %s: %w", policy.Name, application, err))
	}
	return nil
}

// RemoveUnusedPolicy implements execute.Directory.
func (c *Client) RemoveUnusedPolicy(ctx context.Context, name string) error {
	c.policy.Lock()
	defer c.policy.Unlock()
	all, err := list[managementPolicy](ctx, c, c.url+"/v1.0/policies/appManagementPolicies")
	if err != nil {
		return execute.Needing(permissions.GraphPolicy, fmt.Errorf("entra: reading app management policies: %w", err))
	}
	for _, p := range all {
		if p.Name != name {
			continue
		}
		address := c.url + "/v1.0/policies/appManagementPolicies/" + url.PathEscape(p.ID)
		users, err := list[struct{}](ctx, c, address+"/appliesTo")
		if err != nil {
			return execute.Needing(permissions.GraphPolicy, fmt.Errorf("entra: reading what policy %q applies to: %w", name, err))
		}
		if len(users) > 0 {
			continue
		}
		if err := c.send(ctx, http.MethodDelete, address, nil, nil); err != nil && !errors.Is(err, execute.ErrNotFound) {
			return execute.Needing(permissions.GraphPolicyWrite, fmt.Errorf("entra: removing policy %q: %w", name, err))
		}
	}
	return nil
}
