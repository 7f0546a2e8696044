package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// organizationProfile is what a Managed DevOps Pool says of where its agents work (Microsoft Learn: Microsoft.DevOpsInfrastructure pools; Configure Managed DevOps Pools security
// settings, for the aliases).
type organizationProfile struct {
	Alias         string `json:"alias"`
	Organizations []struct {
		URL   string `json:"url"`
		Alias string `json:"alias"`
	} `json:"organizations"`
}

// ManagedPools implements scan.Azure.
func (c *Client) ManagedPools(ctx context.Context) ([]inventory.ManagedPool, error) {
	rows, err := c.ask(ctx, `resources
| where type =~ 'microsoft.devopsinfrastructure/pools'
| project id, name, profile = tostring(properties.organizationProfile), identities = tostring(identity.userAssignedIdentities)
| order by id asc`)
	if err != nil {
		return nil, fmt.Errorf("azure: reading Managed DevOps Pools: %w", err)
	}
	out := make([]inventory.ManagedPool, 0, len(rows))
	for _, r := range rows {
		pool := inventory.ManagedPool{Resource: r["id"], Name: r["name"]}
		var profile organizationProfile
		var identities map[string]any
		if err := errors.Join(decodeText(r["profile"], &profile), decodeText(r["identities"], &identities)); err != nil {
			return nil, fmt.Errorf("azure: reading Managed DevOps Pool %s: %w", pool.Name, err)
		}
		pool.Alias, pool.Identities = profile.Alias, slices.Sorted(maps.Keys(identities))
		for _, o := range profile.Organizations {
			pool.Organizations = append(pool.Organizations, inventory.ManagedPoolOrganization{URL: o.URL, Alias: o.Alias})
		}
		out = append(out, pool)
	}
	return out, nil
}

// decodeText takes a dynamic value as tostring gives it: JSON, or nothing where there is none.
func decodeText(text string, to any) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), to)
}
