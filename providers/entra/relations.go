package entra

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/microsoftgraph/msgraph-sdk-go/applications"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// expandLimit is how many related objects a list gives with each application at most, without telling that there are more (Microsoft
// Learn: Microsoft Graph known issues, "$expand on directory objects returns 20 objects"). Where there are as many the application is asked by itself.
const expandLimit = 20

// relations are what lists of applications have told of their federated credentials and owners. An application that is missing is asked by itself.
type relations struct {
	mu        sync.Mutex
	federated map[inventory.ObjectID][]inventory.FederatedCredential
	owners    map[inventory.ObjectID][]string
}

// relations reads federated credentials and owners of many applications with the lists of these filters: two requests for a page instead of two for
// each application. It only saves requests, so what fails or is refused there is not an error; a service that refuses once is not asked again.
func (c *Client) relations(ctx context.Context, filters []string, top *int32) *relations {
	r := &relations{federated: map[inventory.ObjectID][]inventory.FederatedCredential{}, owners: map[inventory.ObjectID][]string{}}
	var refused [2]atomic.Bool
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, filter := range filters {
		group.Go(func() error {
			defer crash.Report()
			if !refused[0].Load() && c.expand(gctx, c.beta, "federatedIdentityCredentials", filter, top, r.takeFederated) != nil {
				refused[0].Store(true)
			}
			if !refused[1].Load() && c.expand(gctx, c.v1, "owners", filter, top, r.takeOwners) != nil {
				refused[1].Store(true)
			}
			return nil
		})
	}
	_ = group.Wait() // none of them fails
	return r
}

// expand lists applications with one of their relations.
func (c *Client) expand(ctx context.Context, v version, relation, filter string, top *int32, take func(models.Applicationable)) error {
	query := &applications.ApplicationsRequestBuilderGetQueryParameters{Select: []string{"id"}, Expand: []string{relation}, Top: top}
	if filter != "" {
		query.Filter = &filter
	}
	config := &applications.ApplicationsRequestBuilderGetRequestConfiguration{QueryParameters: query}
	builder := v.applications()
	for {
		page, err := builder.Get(ctx, config)
		if err != nil {
			return classify(err, false)
		}
		if page == nil {
			return nil
		}
		for _, app := range page.GetValue() {
			take(app)
		}
		next := deref(page.GetOdataNextLink())
		if next == "" {
			return nil
		}
		builder, config = builder.WithUrl(next), nil
	}
}

// takeFederated takes an application's federated credentials, if the answer has them and has them all.
func (r *relations) takeFederated(app models.Applicationable) {
	list := app.GetFederatedIdentityCredentials()
	if list == nil || len(list) >= expandLimit {
		return
	}
	found := make([]inventory.FederatedCredential, 0, len(list))
	for _, fc := range list {
		found = append(found, federatedCredential(fc))
	}
	slices.SortFunc(found, func(a, b inventory.FederatedCredential) int { return strings.Compare(a.Name, b.Name) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.federated[inventory.ObjectID(deref(app.GetId()))] = found
}

// takeOwners takes an application's owners, if the answer has them and has them all.
func (r *relations) takeOwners(app models.Applicationable) {
	list := app.GetOwners()
	if list == nil || len(list) >= expandLimit {
		return
	}
	var names []string
	for _, owner := range list {
		names = append(names, ownerName(owner))
	}
	slices.Sort(names)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owners[inventory.ObjectID(deref(app.GetId()))] = names
}

// federatedOf gives an application's federated credentials.
func (c *Client) federatedOf(ctx context.Context, application inventory.ObjectID, r *relations) ([]inventory.FederatedCredential, error) {
	if found, ok := r.federated[application]; ok {
		return found, nil
	}
	return c.federatedCredentials(ctx, application)
}

// ownersOf gives the names of an application's owners.
func (c *Client) ownersOf(ctx context.Context, application inventory.ObjectID, r *relations) ([]string, error) {
	if found, ok := r.owners[application]; ok {
		return found, nil
	}
	return c.owners(ctx, application)
}
