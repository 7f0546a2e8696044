package scan

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// targets reads what a plan needs that gives units another identity: the managed identities that the configuration names, the subscriptions
// that others could be made in, and what the applications have that would not follow them.
func (s *scanner) targets(ctx context.Context, tenant Entra, azure Azure, list []inventory.Identity) error {
	if len(s.o.Targets) == 0 {
		return nil
	}
	if azure == nil {
		return s.gap(ctx, inventory.Gap{Source: inventory.SourceAzure, Object: "managed identities", Message: "plan.targets names managed identities, and Azure is not connected"})
	}
	found, err := azure.ManagedIdentities(ctx, s.o.Targets)
	if err == nil {
		err = s.targetRoles(ctx, azure, found)
	}
	var subscriptions []inventory.Subscription
	if err == nil {
		subscriptions, err = azure.Subscriptions(ctx)
	}
	if err != nil {
		return s.gap(ctx, inventory.Gap{Source: inventory.SourceAzure, Object: "managed identities", Message: err.Error(), Passing: Passing(err),
			Permission: lacking(err, permissions.AzureReader), Next: "grant the signed-in identity the Reader role on the subscriptions of plan.targets"})
	}
	s.add(func(inv *inventory.Inventory) {
		inv.ManagedIdentities, inv.Subscriptions = append(inv.ManagedIdentities, found...), append(inv.Subscriptions, subscriptions...)
	})
	return s.grants(ctx, tenant, azure, list)
}

func (s *scanner) targetRoles(ctx context.Context, azure Azure, found []inventory.ManagedIdentity) error {
	var principals []inventory.ObjectID
	for _, m := range found {
		principals = append(principals, m.PrincipalID)
	}
	if len(principals) == 0 {
		return nil
	}
	roles, err := azure.Roles(ctx, principals)
	for i := range found {
		found[i].Roles = roles[found[i].PrincipalID]
	}
	return err
}

// grants reads, for every application, what would not follow it. What cannot be read is known to be unknown.
func (s *scanner) grants(ctx context.Context, tenant Entra, azure Azure, list []inventory.Identity) error {
	vaults, vaultErr := azure.VaultPolicies(ctx)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.o.Concurrency)
	for i := range list {
		id := &list[i]
		if id.ServicePrincipalID == "" {
			continue
		}
		g.Go(func() error {
			defer crash.Report()
			grants, err := tenant.Grants(gctx, id.ServicePrincipalID)
			if err == nil {
				err = vaultErr
			}
			if err != nil {
				id.Grants = &inventory.Grants{Reason: err.Error()}
				return gctx.Err()
			}
			grants.Vaults = vaults[inventory.ObjectID(strings.ToLower(string(id.ServicePrincipalID)))]
			id.Grants = &grants
			return nil
		})
	}
	return g.Wait()
}

// managedPools reads which agent pools are Managed DevOps Pools, which only Azure knows. It is not asked where Azure DevOps tells of each pool where its agents are.
func (s *scanner) managedPools(ctx context.Context, azure Azure) error {
	if azure == nil || !slices.ContainsFunc(s.inv.Pools, func(p inventory.AgentPool) bool { return !p.Hosted && p.ScaleSet == "" }) {
		return nil
	}
	found, err := azure.ManagedPools(ctx)
	if err != nil {
		return s.gap(ctx, inventory.Gap{Source: inventory.SourceAzure, Object: "Managed DevOps Pools", Message: err.Error(), Passing: Passing(err),
			Permission: lacking(err, permissions.AzureReader), Next: "grant the signed-in identity the Reader role on their subscriptions; until then it is not known which agents run in them"})
	}
	s.add(func(inv *inventory.Inventory) { inv.ManagedPools = append(inv.ManagedPools, found...) })
	return nil
}
