package plan

import (
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// connection is one service connection of a unit.
type connection struct {
	*inventory.Connection
	organizationID string
	registries     bool                  // connections to registries are converted, too
	recreated      bool                  // a new connection is made in its place
	replacement    *inventory.Connection // the one that was made in its place, if the scan saw it
	hold           *Reason
}

// already tells that it uses no secret any more.
func (c *connection) already() bool { return c.Scheme == inventory.SchemeFederation }

// never tells that the program cannot convert it, whatever a person changes.
func (c *connection) never() bool {
	return !strings.EqualFold(c.Type, "azurerm") && !(c.isRegistry() && c.registries) || c.Scheme != inventory.SchemeServicePrincipal
}

// manual tells that Azure DevOps did not make the service principal, so that it does not add the federated credential itself.
func (c *connection) manual() bool { return !strings.EqualFold(c.CreationMode, "Automatic") }

// place is where a reader finds it.
func (c *connection) place() string {
	if len(c.Projects) == 0 {
		return c.Organization
	}
	return c.Organization + "/" + c.Projects[0].Name
}

// linkConnections puts every connection into its unit, or leaves it with a reason.
func (p *planner) linkConnections() {
	orgs := map[string]string{}
	for _, s := range p.inv.Sources {
		if s.Kind == inventory.SourceAzureDevOps {
			orgs[strings.ToLower(s.Name)] = s.ID
		}
	}
	for i := range p.inv.Connections {
		c := &connection{Connection: &p.inv.Connections[i], registries: p.cfg.Connections.registries()}
		c.replacement = p.replacementOf(c)
		c.organizationID = orgs[strings.ToLower(c.Organization)]
		if reason := unlinkable(c); reason != nil {
			if reason.Code != "" {
				p.leaveConnection(c, *reason)
			}
			continue
		}
		d := p.draft(c.AppID)
		d.conns = append(d.conns, c)
	}
}

// unlinkable tells why a connection belongs to no unit.
func unlinkable(c *connection) *Reason {
	switch {
	case !c.Readable:
		return &Reason{Code: "unreadable", Message: "it is visible but its data is not, so what it signs in as is unknown",
			Next: []string{"grant the signed-in identity the Reader role on this service connection, then scan and plan again"}}
	case c.Scheme == inventory.SchemeManagedIdentity:
		return &Reason{Code: "already", Message: "it signs in with a managed identity of its agent: there is no secret"}
	case c.Scheme == inventory.SchemePublishProfile:
		return &Reason{Code: "publish-profile", Message: "it uses a web app's publish profile, which is not a service principal's secret",
			Next: c.Steps()}
	case c.Scheme == inventory.SchemeServicePrincipal && c.replacement != nil && c.Disabled:
		return &Reason{Code: "already", Message: fmt.Sprintf("connection %s was made in its place, and it is disabled", c.replacement.OriginName()),
			Next: []string{"delete it when nobody wants it back any more: a rollback of its unit puts a new password into it"}}
	case c.AppID == "":
		return noApplication(c)
	case c.onOldIssuer() && c.RevertDeadline.IsZero():
		return &Reason{} // its unit says what becomes of it
	case c.already() && c.RevertDeadline.IsZero():
		return &Reason{Code: "already", Message: "it uses workload identity federation already"}
	}
	return nil
}

func (p *planner) holdConnections() {
	for _, d := range p.drafts {
		for _, c := range d.conns {
			c.hold = p.holdConnection(d, c)
		}
	}
}

func (p *planner) holdConnection(d *draft, c *connection) *Reason {
	hold := func(code, message string, next ...string) *Reason {
		return &Reason{Code: code, Object: "connection " + c.Name + " (" + c.place() + ")", Message: message, Next: next}
	}
	if c.already() {
		return nil
	}
	if e := p.excludedConnection(c); e != nil {
		return hold(e.Code, e.Message, e.Next...)
	}
	switch {
	case c.isRegistry() && !c.registries && d.target == nil:
		return hold("registry", "it signs in to a registry with a service principal, and nothing public says whether the service converts such a connection",
			append([]string{"set connections.registry: convert and plan again: where the service refuses, it changes nothing and its words are reported",
				"or set connections.registry: recreate and plan again: a new connection is made in its place, with its permissions, checks and roles, and pull requests let the pipelines name it; or do by hand:"},
				p.replaceRegistry(d, c)...)...)
	case c.never() && !c.isRegistry():
		return hold("other-type", fmt.Sprintf("a connection of type %s with scheme %s cannot be converted by the service", c.Type, c.Scheme),
			"make a new connection with workload identity federation, use it in the pipelines, then delete this one")
	case c.isCertificate() && p.cfg.Connections.Certificates == ConnectionsLeave:
		return hold("certificate", "it signs in with a certificate, and connections.certificates: leave is set",
			"convert it in the portal (Convert in the connection's overview), and remove the certificate from the application afterwards")
	case c.OtherCloud():
		return cloudHold("connection "+c.Name+" ("+c.place()+")", c.Cloud)
	case c.Disabled:
		return hold("disabled", "it is disabled, so that a conversion could not be proved", "enable it and plan again, or delete it")
	case !c.Ready:
		return hold("not-ready", "it is not ready"+withState(c), "repair the connection in its settings, then scan again")
	case len(c.Projects) == 0:
		return hold("unreadable", "its projects could not be read", "let the scan read the organisation's projects, then scan again")
	case c.Shared && !p.cfg.IncludeShared:
		return hold("shared-connection", fmt.Sprintf("%d projects share it: %s", len(c.Projects), strings.Join(projectNames(c), ", ")),
			append(consumers(c), "agree with these projects, then plan with --include-shared, or with includeShared: true in the configuration")...)
	}
	if r := holdTenant(d, c, hold); r != nil {
		return r
	}
	if r := p.holdTargetConnection(d, c, hold); r != nil {
		return r
	}
	if r := p.holdReplacement(c, hold); r != nil {
		return r
	}
	return p.holdByUse(c, hold)
}

// replaceRegistry puts a new connection to the same registry, as the same application, in the place of one.
func (p *planner) replaceRegistry(d *draft, c *connection) []string {
	tenant := c.TenantID
	if tenant == "" && d.identity != nil {
		tenant = d.identity.TenantID
	}
	return p.replaceByHand(c, registryByHand(c), string(c.AppID), tenant, func(s subject.Subject) string {
		return fmt.Sprintf(`let application %s trust it: az ad app federated-credential create --id %s --parameters '{"name":"%s","issuer":"%s","subject":"%s","audiences":["%s"]}'`,
			c.AppID, c.AppID, newConnectionID, s.Issuer, s.Value, s.Audience)
	})
}

// registryByHand is the kind of connection that a person makes to a registry.
func registryByHand(c *connection) string {
	return "Docker Registry, Azure Container Registry, login server " + c.LoginServer
}

// holdTenant holds what Entra's issuer refuses: applications of several tenants (AADSTS70052) and, for automatic
// connections, a service principal of another tenant (MicrosoftDocs/azure-devops-docs#13644).
func holdTenant(d *draft, c *connection, hold func(code, message string, next ...string) *Reason) *Reason {
	if d.identity == nil {
		return nil
	}
	if d.identity.SeveralTenants() {
		return hold("multi-tenant", "its application has sign-in audience "+d.identity.SignInAudience+", and Entra's issuer serves only applications of one tenant (AADSTS70052)",
			"make the application single-tenant if no other tenant uses it, or give the connection an application of its own")
	}
	if c.TenantID != "" && !strings.EqualFold(string(c.TenantID), string(d.identity.TenantID)) {
		return hold("other-tenant", "it signs in to tenant "+string(c.TenantID)+", but its application was read in tenant "+string(d.identity.TenantID),
			"scan the other tenant, or convert the connection by hand")
	}
	if c.organizationID == "" {
		return hold("organization-unknown", "the id of organisation "+c.Organization+" is not in the inventory, so that the connection's subject is unknown", "scan the organisation again")
	}
	return nil
}

func withState(c *connection) string {
	if said := c.StateText(); said != "" {
		return " (" + said + ")"
	}
	return ""
}

func projectNames(c *connection) []string {
	out := make([]string, 0, len(c.Projects))
	for _, p := range c.Projects {
		out = append(out, p.Name)
	}
	return out
}

func (p *planner) excludedConnection(c *connection) *Reason {
	for _, e := range p.cfg.Exclude {
		byConnection := e.Connection != "" && (strings.EqualFold(e.Connection, string(c.ID)) || matches(e.Connection, c.Name))
		if byConnection && (e.AppID == "" || lower(e.AppID) == c.AppID) {
			return excluded(c.Name, e)
		}
	}
	return nil
}

func (p *planner) leaveConnection(c *connection, r Reason) {
	p.left = append(p.left, Left{Object: "connection " + c.Name, Place: c.place(), Code: r.Code, Reason: r.Message, Next: r.Next})
}
