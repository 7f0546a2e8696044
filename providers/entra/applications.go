package entra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/microsoftgraph/msgraph-sdk-go/applications"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipals"
	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/identify"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/migrate/scan"
)

const (
	// filterTerms is the most values that an "in" filter takes without advanced queries (Microsoft Graph known issue 13635).
	filterTerms = 15
	// pageSize is the largest page of applications (Microsoft Learn: List applications).
	pageSize = 999
	// parallel is how many applications are completed at a time; the transport's budget bounds it besides.
	parallel = 8
)

var (
	applicationFields = []string{"id", "appId", "displayName", "signInAudience", "passwordCredentials", "keyCredentials", "createdDateTime", "notes", "tags", "servicePrincipalLockConfiguration"}
	principalFields   = []string{"id", "appId", "passwordCredentials", "keyCredentials"}
)

// Applications implements scan.Entra.
func (c *Client) Applications(ctx context.Context, ids []inventory.AppID) ([]inventory.Identity, []inventory.Gap, error) {
	identities, gaps, err := c.read(ctx, ids)
	if err == nil && len(identities) > 0 {
		err = c.newPasswords(ctx, identities)
	}
	return identities, gaps, err
}

// read reads applications without what policies say of them.
func (c *Client) read(ctx context.Context, ids []inventory.AppID) ([]inventory.Identity, []inventory.Gap, error) {
	valid, gaps := c.validate(ids)
	var apps []models.Applicationable
	var filters []string
	for batch := range slices.Chunk(valid, filterTerms) {
		filters = append(filters, in("appId", batch))
		page, err := c.listApplications(ctx, in("appId", batch), nil)
		if err != nil && ctx.Err() != nil {
			return nil, nil, err
		}
		if err != nil {
			for _, id := range batch {
				gaps = append(gaps, c.gap(id, err))
			}
			continue
		}
		apps = append(apps, page...)
	}
	known := &relations{}
	if len(apps) > len(filters) {
		known = c.relations(ctx, filters, nil)
	}
	identities, more, err := c.complete(ctx, apps, known)
	return identities, append(gaps, more...), err
}

// AllApplications implements scan.Entra.
func (c *Client) AllApplications(ctx context.Context) ([]inventory.Identity, []inventory.Gap, error) {
	apps, err := c.listApplications(ctx, "", new(int32(pageSize)))
	if err != nil {
		return nil, nil, err
	}
	identities, gaps, err := c.complete(ctx, apps, c.relations(ctx, []string{""}, new(int32(pageSize))))
	if err == nil && len(identities) > 0 {
		err = c.newPasswords(ctx, identities)
	}
	return identities, gaps, err
}

// validate keeps the ids that can be client ids, each once; the others cannot be asked for.
func (c *Client) validate(ids []inventory.AppID) ([]inventory.AppID, []inventory.Gap) {
	var valid []inventory.AppID
	var gaps []inventory.Gap
	for _, id := range ids {
		parsed, err := uuid.Parse(string(id))
		if err != nil {
			gaps = append(gaps, c.gap(id, fmt.Errorf("%q is not a client id", id)))
			continue
		}
		valid = append(valid, inventory.AppID(parsed.String()))
	}
	slices.Sort(valid)
	return slices.Compact(valid), gaps
}

func (c *Client) gap(id inventory.AppID, err error) inventory.Gap {
	return inventory.Gap{
		Source: inventory.SourceEntra, Object: "application " + string(id), Message: err.Error(), Passing: scan.Passing(err),
		Permission: lacking(err), Next: "check that the caller has Application.Read.All in tenant " + string(c.tenant) + " and scan again",
	}
}

// in builds the filter for one of many ids, which validate has checked to be GUIDs.
func in(field string, ids []inventory.AppID) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = "'" + string(id) + "'"
	}
	return field + " in (" + strings.Join(quoted, ",") + ")"
}

func (c *Client) listApplications(ctx context.Context, filter string, top *int32) ([]models.Applicationable, error) {
	query := &applications.ApplicationsRequestBuilderGetQueryParameters{Select: applicationFields, Top: top}
	if filter != "" {
		query.Filter = &filter
	}
	config := &applications.ApplicationsRequestBuilderGetRequestConfiguration{QueryParameters: query}
	builder := c.v1.applications()
	var all []models.Applicationable
	for {
		page, err := builder.Get(ctx, config)
		if err != nil {
			return nil, fmt.Errorf("entra: listing applications: %w", classify(err, false))
		}
		if page == nil {
			return nil, fmt.Errorf("entra: listing applications: the answer is empty")
		}
		all = append(all, page.GetValue()...)
		next := deref(page.GetOdataNextLink())
		if next == "" {
			return all, nil
		}
		builder, config = builder.WithUrl(next), nil
	}
}

func (c *Client) listPrincipals(ctx context.Context, ids []inventory.AppID) ([]models.ServicePrincipalable, error) {
	filter := in("appId", ids)
	config := &serviceprincipals.ServicePrincipalsRequestBuilderGetRequestConfiguration{
		QueryParameters: &serviceprincipals.ServicePrincipalsRequestBuilderGetQueryParameters{Select: principalFields, Filter: &filter},
	}
	builder := c.v1.principals()
	var all []models.ServicePrincipalable
	for {
		page, err := builder.Get(ctx, config)
		if err != nil {
			return nil, fmt.Errorf("entra: listing service principals: %w", classify(err, false))
		}
		if page == nil {
			return nil, fmt.Errorf("entra: listing service principals: the answer is empty")
		}
		all = append(all, page.GetValue()...)
		next := deref(page.GetOdataNextLink())
		if next == "" {
			return all, nil
		}
		builder, config = builder.WithUrl(next), nil
	}
}

// complete adds to applications what takes further requests: service principals, and federated credentials and
// owners as far as they are not known. An application whose credentials are not all known is a gap and not in the result.
func (c *Client) complete(ctx context.Context, apps []models.Applicationable, known *relations) ([]inventory.Identity, []inventory.Gap, error) {
	identities := make([]inventory.Identity, len(apps))
	ids := make([]inventory.AppID, len(apps))
	for i, app := range apps {
		identities[i] = c.identity(app)
		ids[i] = identities[i].AppID
	}
	principals, failed := c.principals(ctx, ids)
	gaps := make([][]inventory.Gap, len(apps))
	whole := make([]bool, len(apps))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i := range identities {
		group.Go(func() error {
			defer crash.Report()
			whole[i], gaps[i] = c.completeOne(ctx, &identities[i], principals, failed, known)
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, fmt.Errorf("entra: reading applications: %w", err)
	}
	var result []inventory.Identity
	for i := range identities {
		if whole[i] {
			result = append(result, identities[i])
		}
	}
	slices.SortFunc(result, func(a, b inventory.Identity) int { return strings.Compare(string(a.AppID), string(b.AppID)) })
	return result, slices.Concat(gaps...), nil
}

func (c *Client) completeOne(ctx context.Context, identity *inventory.Identity, principals map[inventory.AppID]models.ServicePrincipalable, failed map[inventory.AppID]error, known *relations) (bool, []inventory.Gap) {
	if err := failed[identity.AppID]; err != nil {
		return false, []inventory.Gap{c.gap(identity.AppID, err)}
	}
	if principal := principals[identity.AppID]; principal != nil {
		identity.ServicePrincipalID = inventory.ObjectID(deref(principal.GetId()))
		identity.Credentials = append(identity.Credentials, credentials(inventory.OnServicePrincipal, principal)...)
	}
	var err error
	if identity.FederatedCredentials, err = c.federatedOf(ctx, identity.ObjectID, known); err != nil {
		return false, []inventory.Gap{c.gap(identity.AppID, err)}
	}
	if identity.Owners, err = c.ownersOf(ctx, identity.ObjectID, known); err != nil {
		return true, []inventory.Gap{c.gap(identity.AppID, err)}
	}
	return true, nil
}

// principals reads the service principals of applications; the second result has those that failed.
func (c *Client) principals(ctx context.Context, ids []inventory.AppID) (map[inventory.AppID]models.ServicePrincipalable, map[inventory.AppID]error) {
	found := map[inventory.AppID]models.ServicePrincipalable{}
	failed := map[inventory.AppID]error{}
	for batch := range slices.Chunk(ids, filterTerms) {
		page, err := c.listPrincipals(ctx, batch)
		for _, id := range batch {
			if err != nil {
				failed[id] = err
			}
		}
		for _, principal := range page {
			found[inventory.AppID(strings.ToLower(deref(principal.GetAppId())))] = principal
		}
	}
	return found, failed
}

// Application implements execute.Directory. Nothing of it is left out where it cannot be read: that is an error.
func (c *Client) Application(ctx context.Context, app inventory.AppID) (inventory.Identity, error) {
	identity, err := c.application(ctx, app)
	if err != nil {
		return inventory.Identity{}, execute.Needing(permissions.GraphApplicationRead, fmt.Errorf("entra: reading application %s: %w", app, err))
	}
	return identity, nil
}

func (c *Client) application(ctx context.Context, app inventory.AppID) (inventory.Identity, error) {
	valid, gaps := c.validate([]inventory.AppID{app})
	if len(valid) == 0 {
		return inventory.Identity{}, errors.New(gaps[0].Message)
	}
	apps, err := c.listApplications(ctx, in("appId", valid), nil)
	if err != nil {
		return inventory.Identity{}, err
	}
	if len(apps) == 0 {
		return inventory.Identity{}, fmt.Errorf("%w in tenant %s", execute.ErrNotFound, c.tenant)
	}
	identity := c.identity(apps[0])
	var principals []models.ServicePrincipalable
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		defer crash.Report()
		principals, err = c.listPrincipals(ctx, valid)
		return err
	})
	group.Go(func() (err error) {
		defer crash.Report()
		identity.FederatedCredentials, err = c.federatedCredentials(ctx, identity.ObjectID)
		return err
	})
	if err := group.Wait(); err != nil {
		return inventory.Identity{}, err
	}
	for _, p := range principals {
		identity.ServicePrincipalID = inventory.ObjectID(deref(p.GetId()))
		identity.Credentials = append(identity.Credentials, credentials(inventory.OnServicePrincipal, p)...)
	}
	return identity, nil
}

// ListApplications implements identify.Directory: two requests for every 999 applications and none for each, so without owners and service
// principals, and without federated credentials where the service does not give them with the list.
func (c *Client) ListApplications(ctx context.Context) ([]identify.Application, error) {
	apps, err := c.listApplications(ctx, "", new(int32(pageSize)))
	if err != nil {
		return nil, err
	}
	r := &relations{federated: map[inventory.ObjectID][]inventory.FederatedCredential{}}
	_ = c.expand(ctx, c.beta, "federatedIdentityCredentials", "", new(int32(pageSize)), r.takeFederated) // it only saves requests
	list := make([]identify.Application, len(apps))
	for i, app := range apps {
		list[i].Identity = c.identity(app)
		if federated, known := r.federated[list[i].ObjectID]; known {
			list[i].FederatedCredentials, list[i].TrustKnown = federated, true
		}
	}
	slices.SortFunc(list, func(a, b identify.Application) int { return strings.Compare(string(a.AppID), string(b.AppID)) })
	return list, ctx.Err()
}
