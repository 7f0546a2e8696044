package lab

import (
	"context"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// UseConnection lets a pipeline of the connection's own project sign in with it. The connection is named by its id, or
// by its name in any project. The use is in the organisation's runs and in the connection's history.
func (l *Lab) UseConnection(ctx context.Context, organization, name string) (Outcome, error) {
	org, c, err := l.connection(organization, name)
	if err != nil {
		return Outcome{Organization: organization, Connection: name}, err
	}
	o := Outcome{Organization: org.Name, Connection: c.ID, Kind: "secret", AppID: param(c, "serviceprincipalid")}
	if c.Scheme == "WorkloadIdentityFederation" {
		o.Kind, o.Subject = "federated", param(c, "workloadIdentityFederationSubject")
	}
	if o.OK, o.Error = l.Simulator.Connection(ctx, org.Name, c.ID); !o.OK {
		o.Error = l.lastError(org, c.ID, o.Error)
	}
	return o, nil
}

// lastError gives the whole text of a connection's last run, of which the simulator tells the code.
func (l *Lab) lastError(org *world.DevOpsOrg, id, code string) string {
	l.World.Lock()
	defer l.World.Unlock()
	for i := len(org.Runs) - 1; i >= 0; i-- {
		if r := org.Runs[i]; r.Connection == id && strings.HasPrefix(r.Error, code) {
			return r.Error
		}
	}
	return code
}

// param reads a parameter in any case: dockerregistry connections write tenantId where azurerm writes tenantid.
func param(c *world.Connection, name string) string {
	for k, v := range c.Params {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}
