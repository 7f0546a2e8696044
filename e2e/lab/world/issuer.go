package world

import (
	"fmt"
	"slices"
)

// UpdateIssuer is what Azure DevOps does when a person presses Update on a connection that has Azure DevOps' own issuer: the connection presents Entra's from then
// on. Where its application does not trust that yet it stays as it is, and the person is told what to add (Microsoft Learn: "Convert service connections").
func (w *World) UpdateIssuer(o *DevOpsOrg, c *Connection) error {
	tenant := c.Params["tenantid"]
	issuer := EntraIssuer(tenant)
	subject, err := EntraSubject(tenant, o.ID, c.ID)
	if err != nil {
		return err
	}
	if !w.trusts(tenant, c.Params["serviceprincipalid"], issuer, subject) {
		return fmt.Errorf("connection %s: add a federated credential with issuer %s and subject %s, then try again", c.Refs[0].Name, issuer, subject)
	}
	c.Params["workloadIdentityFederationIssuer"], c.Params["workloadIdentityFederationSubject"] = issuer, subject
	c.Params["workloadIdentityFederationIssuerType"] = "EntraID"
	return nil
}

// RestoreIssuer gives a connection Azure DevOps' own issuer again, as its support does for an organisation that needs it. It tells whether the application still
// trusts that, and changes nothing where it does not.
func (w *World) RestoreIssuer(o *DevOpsOrg, c *Connection) bool {
	issuer, subject := DevOpsIssuer(o.ID), DevOpsSubject(o.Name, c.Refs[0].ProjectName, c.Refs[0].Name)
	if !w.trusts(c.Params["tenantid"], c.Params["serviceprincipalid"], issuer, subject) {
		return false
	}
	c.Params["workloadIdentityFederationIssuer"], c.Params["workloadIdentityFederationSubject"] = issuer, subject
	delete(c.Params, "workloadIdentityFederationIssuerType")
	return true
}

// trusts tells whether an application honours an issuer and subject by now.
func (w *World) trusts(tenant, appID, issuer, subject string) bool {
	t := w.Tenants[tenant]
	if t == nil {
		return false
	}
	for _, a := range t.Apps {
		if a.AppID == appID {
			return slices.ContainsFunc(a.FICs, func(f *FIC) bool {
				return f.Issuer == issuer && f.Subject == subject && slices.Contains(f.Audiences, TokenExchangeAudience) && !w.Clock.Now().Before(f.Created.Add(w.Knobs.FICPropagation))
			})
		}
	}
	return false
}
