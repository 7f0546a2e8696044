package scan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// entra reads the applications behind everything that was found so far, their sign-ins and their roles.
func (s *scanner) entra(ctx context.Context, tenant Entra, azure Azure) error {
	var (
		list []inventory.Identity
		gaps []inventory.Gap
		err  error
	)
	if s.o.AllApplications {
		list, gaps, err = tenant.AllApplications(ctx)
	} else {
		ids := named(&s.inv, s.o.Applications...)
		if len(ids) == 0 {
			// Nothing is asked, so the tenant counts neither as read nor as a gap.
			s.unasked = append(s.unasked, "entra "+string(tenant.Tenant())+": nothing that was read names an application; read all of them (--all-apps)")
			return nil
		}
		list, gaps, err = tenant.Applications(ctx, ids)
	}
	if err != nil {
		return s.gap(ctx, inventory.Gap{Source: inventory.SourceEntra, Object: "applications of tenant " + string(tenant.Tenant()),
			Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.GraphApplicationRead), Next: "grant the signed-in identity Application.Read.All (application) on Microsoft Graph"})
	}
	s.add(func(inv *inventory.Inventory) {
		inv.Sources = append(inv.Sources, inventory.Source{Kind: inventory.SourceEntra, Name: string(tenant.Tenant())})
	})
	s.gaps(gaps)
	return s.identities(ctx, tenant, azure, list)
}

// identities reads the sign-ins and roles of applications, and takes them into the inventory.
func (s *scanner) identities(ctx context.Context, tenant Entra, azure Azure, list []inventory.Identity) error {
	if slices.ContainsFunc(list, func(id inventory.Identity) bool { return id.NewPasswords.Passing }) {
		s.o.Parts.miss()
	}
	if err := s.signIns(ctx, tenant, list); err != nil {
		return err
	}
	if err := s.denied(ctx, tenant, list); err != nil {
		return err
	}
	if azure != nil {
		if err := s.roles(ctx, azure, list); err != nil {
			return err
		}
	}
	if err := s.targets(ctx, tenant, azure, list); err != nil {
		return err
	}
	s.add(func(inv *inventory.Inventory) { inv.Identities = append(inv.Identities, list...) })
	return nil
}

func (s *scanner) signIns(ctx context.Context, tenant Entra, list []inventory.Identity) error {
	since := s.o.Now()
	if s.o.Parts != nil {
		since = s.o.Parts.Began()
	}
	since = since.Add(-s.o.SignInWindow)
	s.expect("sign-ins", len(list))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.o.Concurrency)
	for i := range list {
		g.Go(func() error {
			defer crash.Report()
			defer s.read("sign-ins", 1)
			return s.signInsOf(gctx, tenant, &list[i], since)
		})
	}
	return g.Wait()
}

// signInsOf reads the sign-ins of one application, or takes over what an interrupted scan has read, if the application is still as it was then.
func (s *scanner) signInsOf(ctx context.Context, tenant Entra, id *inventory.Identity, since time.Time) error {
	key, version := partKey("sign-ins", string(tenant.Tenant()), string(id.AppID)), versionOf(id, s.o.SignInWindow)
	var evidence inventory.SignInEvidence
	if !s.o.Parts.load(key, version, &evidence) {
		var err error
		if evidence, err = tenant.SignIns(ctx, id.AppID, since); err != nil {
			id.SignIns = inventory.SignInEvidence{Reason: err.Error()}
			return s.gap(ctx, inventory.Gap{Source: inventory.SourceEntra, Object: "sign-ins of " + string(id.AppID),
				Message: err.Error(), Passing: Passing(err), Next: "scan again; until then no use of this application's credentials can be excluded"})
		}
		switch {
		case evidence.Passing:
			s.o.Parts.miss()
		case !evidence.Denied: // what was refused is asked for again, since it may have been granted
			s.o.Parts.save(key, version, evidence)
		}
	}
	id.SignIns = evidence
	id.SummarizeSignIns()
	return nil
}

// denied tells what the caller may not read of the tenant, each once: that is the same for every application.
func (s *scanner) denied(ctx context.Context, tenant Entra, list []inventory.Identity) error {
	if i := slices.IndexFunc(list, func(id inventory.Identity) bool { return id.SignIns.Denied }); i >= 0 {
		if err := s.gap(ctx, inventory.Gap{Source: inventory.SourceEntra, Object: "sign-in log of tenant " + string(tenant.Tenant()), Permission: permissions.GraphAuditLog,
			Message: list[i].SignIns.Reason, Next: "grant the signed-in identity AuditLog.Read.All (application) on Microsoft Graph; until then no use of a credential can be excluded"}); err != nil {
			return err
		}
	}
	if i := slices.IndexFunc(list, func(id inventory.Identity) bool { return id.NewPasswords.Denied }); i >= 0 {
		return s.gap(ctx, inventory.Gap{Source: inventory.SourceEntra, Object: "app management policies of tenant " + string(tenant.Tenant()), Permission: permissions.GraphPolicy,
			Message: list[i].NewPasswords.Reason, Next: "grant the signed-in identity Policy.Read.All (application) on Microsoft Graph; until then it is not known whether a rollback after a revoke could add a password"})
	}
	return nil
}

func (s *scanner) roles(ctx context.Context, azure Azure, list []inventory.Identity) error {
	var principals []inventory.ObjectID
	for _, id := range list {
		if id.ServicePrincipalID != "" {
			principals = append(principals, id.ServicePrincipalID)
		}
	}
	if len(principals) == 0 {
		return nil
	}
	roles, err := azure.Roles(ctx, principals)
	if err == nil {
		err = anyVisible(ctx, azure, roles)
	}
	if err != nil {
		return s.gap(ctx, inventory.Gap{Source: inventory.SourceAzure, Object: "role assignments",
			Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.AzureReader), Next: "grant the signed-in identity the Reader role on the subscriptions; the migration itself does not need it"})
	}
	for i := range list {
		list[i].RolesKnown = true
		list[i].Roles = roles[list[i].ServicePrincipalID]
	}
	s.add(func(inv *inventory.Inventory) {
		inv.Sources = append(inv.Sources, inventory.Source{Kind: inventory.SourceAzure, Name: "role assignments"})
	})
	return nil
}

// anyVisible tells apart that there are no roles from that the caller sees none: Resource Graph answers nothing at all about subscriptions that the
// caller may not read (Microsoft Learn: Permissions in Azure Resource Graph).
func anyVisible(ctx context.Context, azure Azure, roles map[inventory.ObjectID][]inventory.RoleAssignment) error {
	for _, list := range roles {
		if len(list) > 0 {
			return nil
		}
	}
	visible, err := azure.Subscriptions(ctx)
	if err == nil && len(visible) == 0 {
		return fmt.Errorf("no role of any application and no subscription is visible: %w", execute.ErrForbidden)
	}
	return err
}

// named gives the client ids that anything in an inventory names: connections, literals in workflows,
// readable variables, and those asked for.
func named(inv *inventory.Inventory, asked ...inventory.AppID) []inventory.AppID {
	seen := map[inventory.AppID]bool{}
	add := func(id string) {
		if inventory.IsGUID(id) {
			seen[inventory.AppID(strings.ToLower(id))] = true
		}
	}
	for _, id := range asked {
		add(string(id))
	}
	for _, c := range inv.Connections {
		add(string(c.AppID))
	}
	for _, p := range inv.PipelineSecrets {
		add(string(p.AppID))
	}
	for _, l := range inv.Logins {
		add(l.Identity.ClientID)
	}
	for _, v := range inv.Variables {
		// Any variable may hold the client id, whatever its name; one that is a tenant's or subscription's id
		// names no application and is simply not found.
		add(v.Value)
	}
	ids := make([]inventory.AppID, 0, len(seen))
	for id := range seen {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
