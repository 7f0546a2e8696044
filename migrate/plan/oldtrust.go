package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// leftTrust is a federated credential for Azure DevOps' own issuer that nothing presents any more, with the connections on Entra's issuer that may have.
type leftTrust struct {
	credential inventory.FederatedCredential
	conns      []*connection
}

// connections are those on the old issuer, and those that may have presented what is left; each once.
func (m *issuerMove) connections() []*connection {
	out := slices.Clone(m.conns)
	for _, l := range m.left {
		for _, c := range l.conns {
			if !slices.ContainsFunc(out, func(x *connection) bool { return x.ID == c.ID }) {
				out = append(out, c)
			}
		}
	}
	return out
}

// removesOldTrust tells whether the plan removes what a connection on the old issuer presents, once that is updated.
func (p *planner) removesOldTrust(c *connection) bool {
	id := p.apps[c.AppID]
	return p.plansRemovals(id) && slices.ContainsFunc(id.FederatedCredentials, func(f inventory.FederatedCredential) bool {
		return presents(c, f) && !p.keepsTrust(f)
	})
}

// presents tells whether a federated credential trusts what a connection presents, byte for byte, as Entra compares them.
func presents(c *connection, f inventory.FederatedCredential) bool {
	return c.Issuer == f.Issuer && c.Subject == f.Subject
}

// plansRemovals tells whether trust in the old issuer may be taken from an application at all: an application of several tenants goes on needing it, and the
// configuration may leave the move, or everything that a revoke would do, to people.
func (p *planner) plansRemovals(id *inventory.Identity) bool {
	return id != nil && id.ObjectID != "" && !id.SeveralTenants() &&
		p.cfg.Connections.Issuer != ConnectionsReport && !p.cfg.KeepOldSecrets && !slices.ContainsFunc(p.cfg.Exclude, func(e Exclusion) bool {
		return e.AppID != "" && lower(e.AppID) == id.AppID && e.Connection == "" && e.Repository == "" && e.File == ""
	})
}

// keepsTrust tells whether the configuration excludes a federated credential.
func (p *planner) keepsTrust(f inventory.FederatedCredential) bool {
	return slices.ContainsFunc(p.cfg.Exclude, func(e Exclusion) bool {
		return e.Credential != "" && strings.EqualFold(string(e.Credential), string(f.ID))
	})
}

// leftTrusts finds what is left at an application of connections that have moved to Entra's issuer, were deleted or renamed. Where not everything could be
// read, it is certain only of a connection that has moved and has still the name that the subject tells.
func (p *planner) leftTrusts(id *inventory.Identity) []leftTrust {
	if !slices.ContainsFunc(id.FederatedCredentials, p.oldTrust.Of) || !p.plansRemovals(id) {
		return nil
	}
	var conns []*connection
	for i := range p.inv.Connections {
		c := &connection{Connection: &p.inv.Connections[i]}
		if c.AppID != id.AppID {
			continue
		}
		if c.OtherCloud() {
			return nil // excluded from the retirement of the old issuer
		}
		if c.organizationID = p.organizationID(c.Organization); c.already() && inventory.EntraIssuer(c.Issuer) {
			conns = append(conns, c)
		}
	}
	var out []leftTrust
	for _, f := range id.FederatedCredentials {
		if !p.oldTrust.Of(f) || p.oldTrust.Presented(f) || p.keepsTrust(f) {
			continue
		}
		named := slices.DeleteFunc(slices.Clone(conns), func(c *connection) bool {
			return !p.oldTrust.Names(f, *c.Connection) || !p.oldTrust.From(f, c.organizationID)
		})
		l := leftTrust{credential: f, conns: named}
		switch {
		case len(named) > 0:
		case !p.oldTrust.Left(f):
			continue
		default:
			l.conns = slices.DeleteFunc(slices.Clone(conns), func(c *connection) bool { return !p.oldTrust.From(f, c.organizationID) })
		}
		if !slices.ContainsFunc(l.conns, func(c *connection) bool { return p.excludedConnection(c) != nil }) {
			out = append(out, l)
		}
	}
	return out
}

// trustRemovals end that the old issuer is trusted: for what the connections of a unit present until a person has updated them, and for what is left.
func (p *planner) trustRemovals(d *draft, m *issuerMove, waits map[inventory.ConnectionID]string) (steps []Step, notes []Reason) {
	if !p.plansRemovals(d.identity) {
		return nil, nil
	}
	for _, f := range d.identity.FederatedCredentials {
		if p.keepsTrust(f) {
			continue
		}
		var by []*connection
		for _, c := range m.conns {
			if presents(c, f) {
				by = append(by, c)
			}
		}
		left := slices.IndexFunc(m.left, func(l leftTrust) bool { return l.credential.ID == f.ID && l.credential.Name == f.Name })
		switch {
		case len(by) > 0:
			if r := p.presentedElsewhere(m, f); r != nil {
				notes = append(notes, *r)
				continue
			}
		case left >= 0:
			by = m.left[left].conns
			notes = append(notes, leftNote(f, by))
		default:
			continue
		}
		steps = append(steps, trustRemovalStep(d, f, by, waits))
	}
	return steps, notes
}

// presentedElsewhere tells of a connection outside of the unit that presents the same, or may: one that stays on the old issuer, or one that is not
// converted yet.
func (p *planner) presentedElsewhere(m *issuerMove, f inventory.FederatedCredential) *Reason {
	if p.oldTrust.Possible(f) {
		return &Reason{Code: "old-trust-stays", Object: "federated credential " + f.Name, Message: "a connection that still holds a secret may present it once it is converted: it is not removed"}
	}
	for i := range p.inv.Connections {
		c := &connection{Connection: &p.inv.Connections[i]}
		if c.AppID == m.app && c.onOldIssuer() && presents(c, f) && !slices.ContainsFunc(m.conns, func(x *connection) bool { return x.ID == c.ID }) {
			return &Reason{Code: "old-trust-stays", Object: "federated credential " + f.Name, Message: fmt.Sprintf("connection %s (%s), which stays on the old issuer, presents it: it is not removed", c.Name, c.place())}
		}
	}
	return nil
}

func leftNote(f inventory.FederatedCredential, by []*connection) Reason {
	r := Reason{Code: "old-trust-left", Object: "federated credential " + f.Name,
		Message: fmt.Sprintf("it trusts subject %s of issuer %s, which stops on %s, and no connection presents it any more", f.Subject, f.Issuer, IssuerDeadline.Format("2006-01-02")),
		Next:    []string{"unsecret verify notes since when that is seen, and unsecret revoke removes it when the soak time is over in which nothing signs in with it"}}
	if len(by) > 0 {
		var names []string
		for _, c := range by {
			names = append(names, c.Name+" ("+c.place()+")")
		}
		r.Next = append(r.Next, "these connections sign in with Entra's issuer and are tested before: "+strings.Join(names, ", "))
	}
	return r
}

// TrustIDField and TrustAudienceField name, in a precondition, what else must stay the same of a federated credential that is removed.
func TrustIDField(f inventory.FederatedCredential) string { return "id of " + TrustField(f) }

// TrustAudienceField is the field of a federated credential's audience.
func TrustAudienceField(f inventory.FederatedCredential) string {
	return "audience of " + TrustField(f)
}

// TrustRemovalID is the id of the step that removes a federated credential.
func TrustRemovalID(f inventory.FederatedCredential) string {
	return string(StepTrustRemoval) + "/" + f.Name
}

func trustRemovalStep(d *draft, f inventory.FederatedCredential, by []*connection, waits map[inventory.ConnectionID]string) Step {
	f.LastSignIn = time.Time{} // it would make another plan of each scan
	s := Step{ID: TrustRemovalID(f), Kind: StepTrustRemoval, Class: OnceOnly, Phase: PhaseRevoke,
		Title:        fmt.Sprintf("remove federated credential %s (%s) of %s", f.Name, f.Subject, d.unit.Title),
		Precondition: applicationFacts(d.identity),
		Undo:         "add the same federated credential again: its name, issuer, subject, audience and description",
		Removal:      &TrustRemovalStep{Application: d.unit.ObjectID, AppID: d.unit.AppID, Credential: f, Connections: []inventory.ConnectionID{}}}
	s.Precondition[TrustField(f)] = TrustFact(f)
	s.Precondition[TrustAudienceField(f)] = f.Audience
	if f.ID != "" {
		s.Precondition[TrustIDField(f)] = string(f.ID)
	}
	for _, c := range by {
		s.Removal.Connections = append(s.Removal.Connections, c.ID)
		if id := waits[c.ID]; id != "" {
			s.DependsOn = append(s.DependsOn, id)
		}
	}
	return s
}

// makeRoom is what can be done for an application that has no room for the trust in Entra's issuer, but federated credentials that nothing needs: they go
// first, and a later plan adds what is needed.
func (p *planner) makeRoom(m *issuerMove, blocked Unit) Unit {
	id := p.apps[m.app]
	only := &issuerMove{app: m.app, left: m.left}
	d := &draft{identity: id, conns: only.connections(), unit: Unit{AppID: m.app, ObjectID: id.ObjectID, TenantID: id.TenantID, Title: id.DisplayName}}
	u := blocked
	u.Blockers, u.Coverage, u.Connections = nil, []Coverage{}, connectionUses(d)
	steps, notes := p.trustRemovals(d, only, nil)
	why := blocked.Blockers[0]
	why.Next = append([]string{"unsecret revoke removes what nothing presents, which makes room: then scan and plan again"}, why.Next...)
	u.Steps, u.Notes, u.Named, u.Soak = steps, append([]Reason{why}, notes...), p.named(d), p.soakOf(d)
	return u
}
