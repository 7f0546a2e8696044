package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// unitID is readable, and the same in every plan for the same object.
func unitID(title, key string) string {
	sum := sha256.Sum256([]byte(key))
	return slug(title, 40) + "-" + hex.EncodeToString(sum[:4])
}

// slug keeps letters and digits, and joins them with single dashes.
func slug(s string, most int) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == most {
			break
		}
	}
	out := strings.Trim(b.String(), "-")
	if out == "" {
		return "unit"
	}
	return out
}

// write turns a draft into a unit of the plan.
func (p *planner) write(d *draft) Unit {
	u := d.unit
	u.Connections, u.Logins = connectionUses(d), loginUses(d)
	u.Secrets = p.secretsOf(d)
	u.Shared = len(d.conns) > 1 || len(repositoriesOf(d)) > 1
	u.Wave = p.wave(d)
	u.SubscriptionID = p.subscriptionOf(d)
	u.Steps, u.Workflows, u.Coverage = []Step{}, []WorkflowRef{}, []Coverage{}
	if len(d.blockers) > 0 {
		u.Blockers = d.blockers
		return u
	}
	u.Coverage = d.coverage()
	if d.target != nil {
		u.Target = &d.target.Target
	}
	u.Withheld = slices.Concat(d.holds(), d.suspects, p.pipelineSecrets(d), p.namedByHand(d))
	if p.cfg.KeepOldSecrets {
		u.Withheld = append(u.Withheld, Reason{Code: "kept-by-configuration", Message: "keepOldSecrets is set: no old secret is revoked"})
	}
	u.Workflows = workflowsOf(d)
	u.Steps = p.steps(d, u)
	u.Named, u.Soak = p.named(d), p.soakOf(d)
	u.Notes = slices.Concat(p.notes(d), p.connectionNotes(d), p.terraformNotes(d, u.Secrets))
	u.Notes = append(u.Notes, p.targetNotes(d)...)
	u.Notes = append(u.Notes, p.endStateNotes(d, u)...)
	if u.NoRollback = p.noWayBack(d); u.NoRollback != nil {
		u.Notes = append(u.Notes, *u.NoRollback)
	}
	return u
}

func connectionUses(d *draft) []ConnectionUse {
	out := []ConnectionUse{}
	for _, c := range d.conns {
		u := ConnectionUse{ID: c.ID, Organization: c.Organization, Name: c.Name, Projects: projectNames(c), Already: c.already()}
		if len(c.Projects) > 0 {
			u.Project, u.ProjectName = c.Projects[0].ID, c.Projects[0].Name
		}
		out = append(out, u)
	}
	return out
}

func loginUses(d *draft) []LoginUse {
	out := []LoginUse{}
	for _, m := range d.members {
		u := LoginUse{ID: m.login.ID, Repository: m.login.Repository, File: m.login.File, Kind: m.login.Kind, Conversion: m.login.Conversion}
		u.By, u.Because = m.of(d.unit.AppID)[0].rule, m.of(d.unit.AppID)[0].because
		out = append(out, u)
	}
	return out
}

// secretsOf gives the stores that hold the identity's secret, Dependabot's copies included.
func (p *planner) secretsOf(d *draft) []inventory.StoreRef {
	seen := map[string]bool{}
	out := []inventory.StoreRef{}
	add := func(r inventory.StoreRef) {
		if r.Name != "" && !seen[r.Key()] {
			seen[r.Key()] = true
			out = append(out, r)
		}
	}
	for _, m := range d.members {
		for _, u := range m.of(d.unit.AppID) {
			add(u.store)
			if r, ok := p.stores.dependabot(u.repository, u.store.Name); ok && u.store.Level != inventory.LevelEnvironment {
				add(r)
			}
		}
	}
	by(out, inventory.StoreRef.Key)
	return out
}

func repositoriesOf(d *draft) []inventory.RepositoryName {
	var out []inventory.RepositoryName
	for _, m := range d.members {
		out = append(out, m.login.Repository)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// subscriptionOf is the unit's one subscription, if it has only one.
func (p *planner) subscriptionOf(d *draft) inventory.SubscriptionID {
	var all []inventory.SubscriptionID
	for _, c := range d.conns {
		all = append(all, inventory.SubscriptionID(strings.ToLower(string(c.SubscriptionID))))
	}
	for _, m := range d.members {
		for _, u := range m.of(d.unit.AppID) {
			all = append(all, inventory.SubscriptionID(strings.ToLower(string(p.subscription(u)))))
		}
	}
	all = slices.DeleteFunc(all, func(s inventory.SubscriptionID) bool { return s == "" })
	slices.Sort(all)
	if all = slices.Compact(all); len(all) == 1 {
		return all[0]
	}
	return ""
}

// workflowsOf are the workflows whose runs prove that the unit's logins work: those that the logins' jobs are in.
func workflowsOf(d *draft) []WorkflowRef {
	out := []WorkflowRef{}
	for _, m := range d.members {
		if m.hold != nil {
			continue
		}
		for _, j := range m.login.Subjects {
			if neverRuns(j) {
				continue
			}
			w := WorkflowRef{Repository: tokenOf(m.login, j), File: j.File}
			if w.File == "" {
				w.File = m.login.File
			}
			if !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	by(out, func(w WorkflowRef) string { return string(w.Repository) + "|" + w.File })
	return out
}

// notes tell a reviewer what to look at: the risks of the chosen trust, and credentials that are left.
func (p *planner) notes(d *draft) []Reason {
	var out []Reason
	for _, r := range d.trust.risks {
		out = append(out, Reason{Code: "trust-risk", Object: d.unit.Title, Message: r})
	}
	for _, m := range d.members {
		if m.hold == nil && p.narrowed(m) {
			out = append(out, Reason{Code: "narrowed", Object: string(m.login.ID),
				Message: "it can be run on any branch or tag, and openBranches: default trusts only the default branch: runs on other branches and on tags will fail to sign in (AADSTS700213)"})
		}
	}
	for _, c := range d.identity.Credentials {
		if r, ok := p.credentialLeft(d, c); ok {
			out = append(out, r)
		}
	}
	return out
}

// credentialLeft tells why a credential of a unit's application is not removed.
func (p *planner) credentialLeft(d *draft, c inventory.Credential) (Reason, bool) {
	name := fmt.Sprintf("%s %s of %s", c.Type, c.KeyID, d.unit.Title)
	for _, e := range p.cfg.Exclude {
		if e.Credential != "" && strings.EqualFold(string(e.Credential), string(c.KeyID)) {
			r := excluded(name, e)
			return *r, true
		}
	}
	switch {
	case d.identity.SAMLSigning(c):
		return Reason{Code: "signing-certificate", Object: name, Message: "it signs SAML tokens: it is never touched"}, true
	case c.Type == inventory.CredentialCertificate:
		why := d.certificateStays(c)
		return Reason{Code: "certificate", Object: name, Message: why,
			Next: []string{"find out who signs in with it (sign-in log, credential key id), then remove it in the application's Certificates & secrets"}}, why != ""
	case c.On == inventory.OnServicePrincipal:
		return Reason{Code: "on-service-principal", Object: name, Message: "the password is on the service principal, not on the application",
			Next: removeFromPrincipal(d.identity)}, true
	}
	return Reason{}, false
}

// certificateStays tells why a certificate is not removed; empty: it is.
func (d *draft) certificateStays(c inventory.Credential) string {
	switch {
	case c.On == inventory.OnServicePrincipal:
		return "it is on the service principal, whose certificates are never touched, since those that sign SAML tokens are there"
	case !c.Public(), otherKeys(d.identity):
		return "its application has keys other than certificates that verify sign-ins, and Graph takes only the whole list: it is not written back by a program"
	case !d.signedByCertificate():
		return "nothing of the unit is known to sign in with a certificate"
	}
	return ""
}

// removeFromPrincipal says how a person removes a password of a service principal.
func removeFromPrincipal(id *inventory.Identity) []string {
	next := []string{"remove it with POST /servicePrincipals/{id}/removePassword when the unit is migrated"}
	if id.Lock.Credentials() {
		next = append([]string{"lift the app instance property lock of the application (Authentication, App instance property lock), which keeps its service principals' credentials from being changed"}, next...)
	}
	return next
}
