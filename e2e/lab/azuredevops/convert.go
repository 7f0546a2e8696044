package azuredevops

import (
	"maps"
	"net/http"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// convert changes the scheme in place, at once or after Knobs.ConvertAsync. What can be refused is refused here, with
// the service's own words where they are published, and changes nothing.
func (c *call) convert(conn *world.Connection, in endpointInput) error {
	target := in.scheme()
	if target == "" {
		return argumentNull("endpoint.Authorization.Scheme")
	}
	if text := c.w.Knobs.RefuseConvert; text != "" {
		return argument("%s", text)
	}
	if err := c.fromOrigin(conn, in); err != nil {
		return err
	}
	if value(conn.Data, dataEnvironment) == azureStack {
		return connectionError(http.StatusBadRequest,
			"Unable to connect to the Azure Stack environment. Ignore the failure if the source is Azure DevOps.")
	}
	if err := c.admissible(conn, target); err != nil {
		return err
	}
	if wait := c.w.Knobs.ConvertAsync; wait > 0 {
		conn.OpState, conn.OpMessage = "", ""
		conn.BusyScheme, conn.BusyUntil = target, c.w.Clock.Now().Add(wait)
		return nil
	}
	return c.finish(conn, target)
}

// fromOrigin refuses the conversion of a shared connection through a project that only shares it.
func (c *call) fromOrigin(conn *world.Connection, in endpointInput) error {
	if len(conn.Refs) < 2 {
		return nil
	}
	origin := conn.Refs[0]
	from := c.project
	if from == nil {
		for _, r := range in.Refs {
			if from = findProject(c.org, r.key()); from.ID == origin.ProjectID {
				return nil
			}
		}
	}
	if from.ID == origin.ProjectID {
		return nil
	}
	return argument("Service connection '%s' cannot be converted in project '%s' because it is shared from another project.",
		c.refHere(conn).Name, from.Name)
}

// admissible is whether the conversion could be done now.
func (c *call) admissible(conn *world.Connection, target string) error {
	switch {
	case target == federation && conn.Scheme == servicePrincipal && c.upgradable(conn):
		_, _, err := c.configure(conn)
		return err
	case target == servicePrincipal && conn.Scheme == federation && c.upgradable(conn):
		return c.revertible(conn)
	}
	return argument("Converting endpoint type %s scheme from %s to %s is neither an upgrade or a downgrade and is not supported.",
		strings.ToLower(conn.Type), conn.Scheme, target)
}

// upgradable is whether the connection's type takes part in conversions. For registries nobody has published an answer.
func (c *call) upgradable(conn *world.Connection) bool {
	return strings.EqualFold(conn.Type, typeAzure) ||
		strings.EqualFold(conn.Type, typeRegistry) && c.w.Knobs.ACRConvert
}

func (c *call) revertible(conn *world.Connection) error {
	if conn.BeforeScheme != servicePrincipal || !c.w.Clock.Now().Before(conn.RevertUntil) {
		return argument("The authorization scheme could not be downgraded to %s because the time to revert it is over.", servicePrincipal)
	}
	return nil
}

// settle ends a conversion whose time has come. Every access to a connection does this first.
func (c *call) settle(conn *world.Connection) {
	if conn.BusyScheme == "" && conn.OpState == stateInProgress && !c.w.Clock.Now().Before(conn.BusyUntil) {
		conn.NotReady, conn.OpState = false, stateReady // it was being made
	}
	if conn.BusyScheme == "" || c.w.Clock.Now().Before(conn.BusyUntil) {
		return
	}
	target := conn.BusyScheme
	conn.BusyScheme = ""
	conn.OpState, conn.OpMessage = stateReady, ""
	if err := c.finish(conn, target); err != nil {
		conn.OpState, conn.OpMessage = stateFailed, err.Error()
	}
}

// finish does the conversion. The world may have changed since it was found admissible.
func (c *call) finish(conn *world.Connection, target string) error {
	if err := c.admissible(conn, target); err != nil {
		return err
	}
	conn.Modified = c.w.Clock.Now()
	if target == servicePrincipal {
		revert(conn)
		return nil
	}
	trust, missing, err := c.configure(conn)
	if err != nil {
		return err
	}
	if missing {
		trust.app.FICs = append(trust.app.FICs, c.newCredential(conn, trust))
	}
	conn.BeforeScheme, conn.BeforeParams = conn.Scheme, maps.Clone(conn.Params)
	conn.RevertUntil = c.w.Clock.Now().Add(c.w.Knobs.RevertWindow)
	trust.setOn(conn)
	return nil
}

// revert gives back what a conversion replaced. The secret was kept all the time, the federated credential stays.
func revert(conn *world.Connection) {
	before := conn.BeforeParams
	leaveFederation(conn)
	conn.Scheme = servicePrincipal
	if before != nil {
		conn.Params = before
		return
	}
	for k := range conn.Hidden {
		conn.Params[k] = ""
	}
	conn.Params[paramAuthType] = "spnKey"
	if _, cert := lookup(conn.Hidden, paramCertificate); cert {
		conn.Params[paramAuthType] = "spnCertificate"
	}
}
