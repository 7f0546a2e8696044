package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// KindIssuer is the kind of a unit that moves federated connections from Azure DevOps' own issuer to Entra's. No secret is taken away: its revoke ends that
// the old issuer is trusted.
const KindIssuer = "issuer"

// IssuerDeadline is when Azure DevOps' own issuer stops (Microsoft Learn: "Convert service connections"; Azure DevOps release notes, sprint 276).
var IssuerDeadline = time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC)

// onOldIssuer tells whether a connection federates with the issuer that retires.
func (c *connection) onOldIssuer() bool { return c.already() && inventory.OldDevOpsIssuer(c.Issuer) }

// issuerMove is one application with its connections on the old issuer, and with what is left of those that have moved.
type issuerMove struct {
	app   inventory.AppID
	conns []*connection
	left  []leftTrust
}

// issuerUnits make a unit for each application whose connections are on the old issuer, or were. What is documented is done: the application trusts Entra's
// issuer beforehand, and the old one no longer afterwards. The update of the connection itself is in no reference, so a person does it in the portal, with a
// list to check it by.
func (p *planner) issuerUnits() []Unit {
	var moves []*issuerMove
	byApp := map[inventory.AppID]*issuerMove{}
	move := func(app inventory.AppID) *issuerMove {
		m := byApp[app]
		if m == nil {
			m = &issuerMove{app: app}
			moves, byApp[app] = append(moves, m), m
		}
		return m
	}
	for i := range p.inv.Connections {
		c := &connection{Connection: &p.inv.Connections[i]}
		if !c.onOldIssuer() {
			continue
		}
		c.organizationID = p.organizationID(c.Organization)
		if reason := p.issuerStays(c); reason != nil {
			p.leaveConnection(c, *reason)
			continue
		}
		m := move(c.AppID)
		m.conns = append(m.conns, c)
	}
	for i := range p.inv.Identities {
		id := &p.inv.Identities[i]
		if left := p.leftTrusts(id); len(left) > 0 {
			move(id.AppID).left = left
		}
	}
	var out []Unit
	for _, m := range moves {
		out = append(out, p.issuerUnit(m)...)
	}
	return out
}

func (p *planner) organizationID(name string) string {
	for _, s := range p.inv.Sources {
		if s.Kind == inventory.SourceAzureDevOps && strings.EqualFold(s.Name, name) {
			return s.ID
		}
	}
	return ""
}

// issuerStays tells why a connection stays on the old issuer: what Microsoft excludes from its retirement, what a person decided, and what is not known.
func (p *planner) issuerStays(c *connection) *Reason {
	id := p.apps[c.AppID]
	switch e := p.excludedConnection(c); {
	case e != nil:
		return e
	case c.OtherCloud():
		return &Reason{Code: "issuer-excluded", Message: "it is in cloud " + c.Cloud + ", which is excluded from the retirement of the old issuer: nothing is to be done"}
	case id != nil && id.SeveralTenants():
		return &Reason{Code: "issuer-excluded", Message: "its application has sign-in audience " + id.SignInAudience + ": Entra's issuer serves applications of one tenant only (AADSTS70052), and these are excluded from the retirement"}
	case p.cfg.Connections.Issuer == ConnectionsReport:
		return &Reason{Code: "old-issuer", Message: deadlineText() + "; connections.issuer: report leaves it to people", Next: p.issuerSteps(c, nil)}
	case id == nil:
		return &Reason{Code: "old-issuer", Message: deadlineText() + fmt.Sprintf("; its application %s is not in the inventory, so that Entra's issuer cannot be trusted beforehand", c.AppID), Next: p.issuerSteps(c, nil)}
	case c.organizationID == "":
		return &Reason{Code: "old-issuer", Message: deadlineText() + "; the id of organisation " + c.Organization + " is not in the inventory, so that its new subject is unknown", Next: []string{"scan the organisation again"}}
	}
	return nil
}

func deadlineText() string {
	return "it federates with an issuer that stops on " + IssuerDeadline.Format("2006-01-02")
}

// issuerUnit is the unit of one application, or nothing where nothing of it is this program's part.
func (p *planner) issuerUnit(m *issuerMove) []Unit {
	id := p.apps[m.app]
	d := &draft{identity: id, conns: m.connections(), unit: Unit{AppID: m.app, ObjectID: id.ObjectID, TenantID: id.TenantID, Title: id.DisplayName}}
	u := d.unit
	u.Kind, u.Deadline, u.Wave = KindIssuer, IssuerDeadline, p.wave(d)
	u.Title += " (issuer)"
	u.ID = unitID(u.Title, string(m.app)+"|"+KindIssuer)
	u.Connections, u.Logins, u.Secrets, u.Workflows, u.Steps, u.Coverage = connectionUses(d), []LoginUse{}, []inventory.StoreRef{}, []WorkflowRef{}, []Step{}, []Coverage{}
	u.Shared = len(d.conns) > 1
	trusted, waits := slices.Clone(id.FederatedCredentials), map[inventory.ConnectionID]string{}
	for _, c := range m.conns {
		f, s := issuerTrust(d, c)
		line := Coverage{Issuer: s.Issuer, Subject: s.Value, For: []string{string(c.ID)}, By: f.Name, State: CoveragePlanned}
		if proof := subject.Cover([]subject.Subject{s}, id.FederatedCredentials); proof.Complete() {
			line.By, line.State = proof.Trusted[0].Credential.Name, CoverageExisting
		} else {
			step := federatedStep(d, f)
			step.Precondition = applicationFacts(id)
			u.Steps, trusted, waits[c.ID] = append(u.Steps, step), append(trusted, f), step.ID
		}
		u.Coverage = append(u.Coverage, line)
		by := Reason{Code: "issuer-by-hand", Object: "connection " + c.Name + " (" + c.place() + ")", Message: deadlineText() + ": when its application trusts the new issuer, a person updates it", Next: p.issuerSteps(c, &s)}
		u.Notes = append(u.Notes, by)
		p.leaveConnection(c, Reason{Code: "old-issuer", Message: by.Message, Next: by.Next})
	}
	removals, notes := p.trustRemovals(d, m, waits)
	u.Notes = append(u.Notes, notes...)
	switch n := len(trusted); {
	case len(u.Steps)+len(removals) == 0:
		return nil
	case len(u.Steps) > 0 && n > subject.Limit:
		u.Steps, u.Notes = []Step{}, nil
		u.Blockers = []Reason{{Code: "too-many-subjects", Object: id.DisplayName, Message: fmt.Sprintf("an application can have %d federated credentials, and it would need %d", subject.Limit, n),
			Next: []string{"split its connections over several applications with the same roles, or remove federated credentials that nobody needs"}}}
		if len(m.left) > 0 {
			return []Unit{p.makeRoom(m, u)}
		}
		return []Unit{u}
	}
	u.Steps = append(u.Steps, removals...)
	if len(removals) > 0 {
		u.Named, u.Soak = p.named(d), p.soakOf(d)
	}
	return []Unit{u}
}

// applicationFacts are what must stay the same of an application to which trust is added.
func applicationFacts(id *inventory.Identity) map[string]string {
	return map[string]string{"appId": string(id.AppID), "objectId": string(id.ObjectID)}
}

// issuerTrust is the federated credential that a connection needs with Entra's issuer.
func issuerTrust(d *draft, c *connection) (inventory.FederatedCredential, subject.Subject) {
	tenant := c.TenantID
	if tenant == "" {
		tenant = d.identity.TenantID
	}
	s := subject.ConnectionSubject(tenant, c.organizationID, c.ID)
	return inventory.FederatedCredential{Name: connectionName(d, c), Issuer: s.Issuer, Subject: s.Value, Audience: s.Audience,
		Description: fmt.Sprintf("added by unsecret for service connection %s in %s", c.Name, c.place())}, s
}

// issuerSteps is what a person does, and how each step is checked (Microsoft Learn: "Convert service connections", section on the issuer).
func (p *planner) issuerSteps(c *connection, s *subject.Subject) []string {
	expected := "Entra's issuer (https://login.microsoftonline.com/TENANT/v2.0)"
	if s != nil {
		expected = "issuer " + s.Issuer + " and subject " + s.Value
	}
	next := []string{
		fmt.Sprintf("open Project settings, Service connections, %s in project %s (id %s), and choose Update in its overview", c.Name, c.place(), c.ID),
		"check that its overview then shows " + expected + "; another subject must first be trusted by application " + string(c.AppID) + ", then choose Try again",
		"check that Verify in its overview succeeds, and that the next run of a pipeline that uses it signs in",
	}
	if p.removesOldTrust(c) {
		next = append(next, "then run unsecret verify, which tests it and notes since when it has moved",
			fmt.Sprintf("unsecret revoke removes the federated credential with issuer %s and subject %s from the application when the soak time since then is over, and nothing has signed in with it", c.Issuer, c.Subject))
	} else {
		next = append(next, "scan again: the connection's class must be "+string(inventory.ClassFederatedEntra),
			fmt.Sprintf("then remove the federated credential with issuer %s and subject %s from the application", c.Issuer, c.Subject))
	}
	if len(c.Projects) > 1 {
		next = append([]string{fmt.Sprintf("tell the projects that share it: %s", strings.Join(projectNames(c), ", "))}, next...)
	}
	return next
}
