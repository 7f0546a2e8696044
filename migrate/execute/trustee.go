package execute

import (
	"context"
	"errors"
	"fmt"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// trustee is what a unit signs in as when it is migrated, and what trusts its tokens therefore: its application, or a managed identity.
type trustee interface {
	// credentials reads what it trusts, and what a precondition can say of it.
	credentials(ctx context.Context) ([]inventory.FederatedCredential, State, error)
	add(ctx context.Context, fc inventory.FederatedCredential) (inventory.FederatedCredential, error)
	remove(ctx context.Context, fc inventory.FederatedCredential) error
}

func (e *Executor) trustee(u plan.Unit) trustee {
	if u.Target != nil {
		return identityTrustee{e, u}
	}
	return applicationTrustee{e, u}
}

type applicationTrustee struct {
	e *Executor
	u plan.Unit
}

func (a applicationTrustee) credentials(ctx context.Context) ([]inventory.FederatedCredential, State, error) {
	id, err := a.e.Outside.Directory.Application(ctx, a.u.AppID)
	if err != nil {
		return nil, nil, fmt.Errorf("read application %s: %w", a.u.AppID, err)
	}
	return id.FederatedCredentials, trustFacts(id), nil
}

func (a applicationTrustee) add(ctx context.Context, fc inventory.FederatedCredential) (inventory.FederatedCredential, error) {
	return a.e.Outside.Directory.AddFederatedCredential(ctx, a.u.ObjectID, fc)
}

func (a applicationTrustee) remove(ctx context.Context, fc inventory.FederatedCredential) error {
	return a.e.Outside.Directory.RemoveFederatedCredential(ctx, a.u.ObjectID, fc.ID)
}

type identityTrustee struct {
	e *Executor
	u plan.Unit
}

// credentials of an identity that is not there are none: then there is nothing to take back either.
func (i identityTrustee) credentials(ctx context.Context) ([]inventory.FederatedCredential, State, error) {
	m, err := i.e.Outside.Identities.ManagedIdentity(ctx, i.u.Target.Resource)
	if errors.Is(err, ErrNotFound) {
		return nil, State{}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	facts := State{"clientId": string(m.ClientID), "principalId": string(m.PrincipalID)}
	for _, f := range m.FederatedCredentials {
		facts[plan.TrustField(f)] = plan.TrustFact(f)
	}
	return m.FederatedCredentials, facts, nil
}

func (i identityTrustee) add(ctx context.Context, fc inventory.FederatedCredential) (inventory.FederatedCredential, error) {
	return i.e.Outside.Identities.AddIdentityCredential(ctx, i.u.Target.Resource, fc)
}

// remove waits out writes of others to the same identity: Resource Manager takes one at a time.
func (i identityTrustee) remove(ctx context.Context, fc inventory.FederatedCredential) error {
	return i.e.pastConflicts(ctx, func() error {
		return i.e.Outside.Identities.RemoveIdentityCredential(ctx, i.u.Target.Resource, fc.Name)
	})
}
