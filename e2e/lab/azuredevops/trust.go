package azuredevops

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// maxFederatedCredentials is the limit per application (Microsoft Learn: Workload identity federation considerations).
const maxFederatedCredentials = 20

// trust is what Entra must trust so that a connection's tokens are accepted.
type trust struct {
	app     *world.App // nil when it is not in the world
	issuer  string
	subject string
	entra   bool // issued by Entra
}

// trustOf computes the issuer and subject that the connection has, or would have.
func (c *call) trustOf(conn *world.Connection) (trust, error) {
	_, app := c.appOf(conn)
	if c.w.Knobs.ConvertOldIssuer {
		origin := conn.Refs[0]
		return trust{app: app, issuer: world.DevOpsIssuer(c.org.ID),
			subject: world.DevOpsSubject(c.org.Name, origin.ProjectName, origin.Name)}, nil
	}
	tenant := value(conn.Params, paramTenant)
	subject, err := world.EntraSubject(tenant, c.org.ID, conn.ID)
	if err != nil {
		return trust{}, argument("The tenant of the service connection is not valid: %v", err)
	}
	return trust{app: app, issuer: world.EntraIssuer(tenant), subject: subject, entra: true}, nil
}

// setOn makes the connection use the trust: only what federation needs stays among its parameters.
func (t trust) setOn(conn *world.Connection) {
	drop(conn.Params, append([]string{paramAuthType, paramIssuerType}, confidential...)...)
	conn.Scheme = federation
	conn.Params[paramIssuer], conn.Params[paramSubject] = t.issuer, t.subject
	if t.entra {
		conn.Params[paramIssuerType] = "EntraID"
	}
}

// credential gives the federated credential that trusts it, if any. Entra compares with case (AADSTS7002138).
func (t trust) credential() *world.FIC {
	for _, f := range t.app.FICs {
		if f.Issuer == t.issuer && f.Subject == t.subject && slices.Contains(f.Audiences, world.TokenExchangeAudience) {
			return f
		}
	}
	return nil
}

// appOf finds the application or managed identity that a connection signs in as.
func (c *call) appOf(conn *world.Connection) (*world.Tenant, *world.App) {
	tenant := c.w.Tenants[strings.ToLower(value(conn.Params, paramTenant))]
	if tenant == nil {
		tenant = c.w.Tenants[value(conn.Params, paramTenant)]
	}
	if tenant == nil {
		return nil, nil
	}
	for _, app := range tenant.Apps {
		if strings.EqualFold(app.AppID, value(conn.Params, paramClient)) {
			return tenant, app
		}
	}
	for _, m := range c.w.ManagedIdentities {
		if strings.EqualFold(m.TenantID, tenant.ID) && strings.EqualFold(m.App.AppID, value(conn.Params, paramClient)) {
			return tenant, m.App
		}
	}
	return tenant, nil
}

// configure finds the trust for a conversion, and whether the service must add a federated credential for it. It
// changes nothing.
func (c *call) configure(conn *world.Connection) (t trust, missing bool, err error) {
	if t, err = c.trustOf(conn); err != nil {
		return trust{}, false, err
	}
	byService := strings.EqualFold(value(conn.Data, dataCreationMode), automatic)
	if byService && c.org.TenantID != "" && !strings.EqualFold(c.org.TenantID, value(conn.Params, paramTenant)) {
		return trust{}, false, c.silentFailure()
	}
	if t.app == nil {
		return trust{}, false, unconfigurable()
	}
	switch f := t.credential(); {
	case f != nil && (byService || c.propagated(f)):
		return t, false, nil
	case byService && f == nil && t.fits(conn.ID):
		return t, true, nil
	}
	return trust{}, false, unconfigurable()
}

// fits is whether the application has room for one more federated credential with this name.
func (t trust) fits(name string) bool {
	return len(t.app.FICs) < maxFederatedCredentials &&
		!slices.ContainsFunc(t.app.FICs, func(f *world.FIC) bool { return strings.EqualFold(f.Name, name) })
}

func (c *call) propagated(f *world.FIC) bool {
	return !c.w.Clock.Now().Before(f.Created.Add(c.w.Knobs.FICPropagation))
}

// newCredential is the federated credential as the service makes it, with its name and description.
func (c *call) newCredential(conn *world.Connection, t trust) *world.FIC {
	origin := conn.Refs[0]
	return &world.FIC{
		ID: c.w.NewID(), Name: conn.ID, Issuer: t.issuer, Subject: t.subject,
		Audiences: []string{world.TokenExchangeAudience}, Created: c.w.Clock.Now(),
		Description: fmt.Sprintf("Federation for Service Connection %s in https://dev.azure.com/%s/%s/_settings/adminservices?resourceId=%s",
			origin.Name, c.org.Name, origin.ProjectName, conn.ID),
	}
}

func unconfigurable() error {
	return argument("The authorization scheme could not be upgraded to WorkloadIdentityFederation because the service " +
		"principal could not be configured automatically, and no valid configuration exists.")
}

// silentFailure is what the service says when it cannot act for the caller in another tenant
// (MicrosoftDocs/azure-devops-docs#13644).
func (c *call) silentFailure() error {
	return &apiError{http.StatusBadRequest, "GetUserAccessToken: Failed to obtain an access token of identity " +
		personID(c.token.Login) + ". AAD returned silent failure.",
		"Microsoft.VisualStudio.Services.Identity.AadAccessSilentException, Microsoft.VisualStudio.Services.WebApi", eventFramework}
}
