package execute

import (
	"context"
	"errors"
	"fmt"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// proveUpdates looks whether a person has updated the connections of a unit that moves to Entra's issuer, and whether they sign in since.
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
			p.waiting = append(p.waiting, Gate{Name: GateVerified, Until: u.Deadline, Next: updateSteps(u, use),
				Reason: fmt.Sprintf("connection %s still presents issuer %s: a person updates it before %s", use.Name, c.Issuer, u.Deadline.Format("2006-01-02"))})
			continue
		}
		ok, message, err := e.Outside.Connections.Test(ctx, c)
		switch {
		case err != nil:
			p.err = fmt.Errorf("test connection %s: %w", c.Name, err)
			return
		case !ok:
			p.world = append(p.world, fmt.Sprintf("connection %s does not sign in: %s", c.Name, message))
		}
	}
}

// updateSteps is what the plan tells the person.
func updateSteps(u plan.Unit, use plan.ConnectionUse) []string {
	for _, n := range u.Notes {
		if n.Code == "issuer-by-hand" && n.Object == "connection "+use.Name+" ("+use.Organization+"/"+use.ProjectName+")" {
			return n.Next
		}
	}
	return []string{"choose Update in the connection's overview"}
}
