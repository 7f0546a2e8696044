package execute

import (
	"context"
	"errors"
	"fmt"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// proveUpdates looks whether the connections of a unit that moves to Entra's issuer sign in where a person has updated them.
func (e *Executor) proveUpdates(ctx context.Context, u plan.Unit, p *proof) {
	if e.Outside.Connections == nil {
		return
	}
	for _, use := range u.Connections {
		c, err := e.Outside.Connections.Connection(ctx, use.Organization, use.Project, use.ID)
		if errors.Is(err, ErrNotFound) {
			continue // nothing signs in with it any more
		}
		if err != nil {
			p.err = fmt.Errorf("read connection %s: %w", use.Name, err)
			return
		}
		if inventory.OldDevOpsIssuer(c.Issuer) {
			continue // the plan tells the person what to do, and by when: a unit that waits until then would hold every verify
		}
		ok, message, err := e.Outside.Connections.Test(ctx, c)
		switch {
		case err != nil:
			p.err = fmt.Errorf("test connection %s: %w", c.Name, err)
			return
		case !ok:
			p.refused(c, message)
		}
	}
}
