package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// revokeSteps remove what the unit does not need any more: every password of the application, its certificates where the unit signed in with one,
// then the GitHub secrets that held a password. They are planned only where nothing of the unit is left behind.
func (p *planner) revokeSteps(d *draft, u Unit, after []string) []Step {
	var steps []Step
	var credentials []string
	for _, c := range d.identity.Credentials {
		if _, left := p.credentialLeft(d, c); left {
			continue
		}
		s := credentialStep(d, c, after)
		steps, credentials = append(steps, s), append(credentials, s.ID)
	}
	for _, r := range u.Secrets {
		if s, ok := p.secretStep(d, r, slices.Concat(after, credentials)); ok {
			steps = append(steps, s)
		}
	}
	steps = append(steps, p.disableSteps(d, slices.Concat(after, credentials))...)
	if s, ok := p.policyStep(d, slices.Concat(after, credentials)); ok {
		steps = append(steps, s)
	}
	return steps
}

func credentialStep(d *draft, c inventory.Credential, after []string) Step {
	name := strings.TrimSpace(c.DisplayName)
	if name == "" {
		name = "without a name"
	}
	s := Step{ID: string(StepCredential) + "/" + string(c.KeyID), Kind: StepCredential, Class: Irreversible, Phase: PhaseRevoke,
		Title:        fmt.Sprintf("remove password %s (%s) of %s", c.KeyID, name, d.unit.Title),
		DependsOn:    after,
		Precondition: map[string]string{"appId": string(d.unit.AppID), "objectId": string(d.unit.ObjectID)},
		Undo:         "cannot be undone: a rollback mints a new password and puts it where the old one was",
		Credential:   &CredentialStep{Application: d.unit.ObjectID, AppID: d.unit.AppID, KeyID: c.KeyID, DisplayName: c.DisplayName}}
	if c.Type == inventory.CredentialCertificate {
		s.Class, s.Credential.Type = OnceOnly, c.Type
		s.Title = fmt.Sprintf("remove certificate %s (%s) of %s by writing back the others", c.KeyID, name, d.unit.Title)
		s.Precondition[CertificateField(c.KeyID)] = CertificateFact(c)
		s.Undo = "write its public part back, so that whoever has the private key signs in again; a connection that does not hold that any more gets a new password instead"
	}
	return s
}

// CertificateField names a certificate in a precondition.
func CertificateField(key inventory.KeyID) string { return "certificate " + string(key) }

// CertificateFact is what must stay the same of it: what it is, its thumbprint and its end.
func CertificateFact(c inventory.Credential) string {
	return strings.TrimSpace(strings.Join([]string{c.Form, c.Usage, c.Thumbprint, "until", c.End.UTC().Format(time.RFC3339)}, " "))
}

// signedByCertificate tells whether something of a unit signs in with a certificate, or did before it was converted: what a converted connection held
// is not told any more.
func (d *draft) signedByCertificate() bool {
	return slices.ContainsFunc(d.conns, func(c *connection) bool { return c.isCertificate() || c.already() })
}

// otherKeys tells whether an application carries keys that are not public, which would have to be written back together with its certificates.
func otherKeys(id *inventory.Identity) bool {
	return slices.ContainsFunc(id.Credentials, func(c inventory.Credential) bool {
		return c.Type == inventory.CredentialCertificate && c.On == inventory.OnApplication && !c.Public()
	})
}

// secretStep deletes a secret of which the scan saw that it exists, and that no login outside of the unit reads.
func (p *planner) secretStep(d *draft, r inventory.StoreRef, after []string) (Step, bool) {
	found := p.stores.secrets[r.Key()]
	if found == nil || p.readElsewhere(d, r) {
		return Step{}, false
	}
	return Step{ID: string(StepSecret) + "/" + storeID(r), Kind: StepSecret, Class: Irreversible, Phase: PhaseRevoke,
		Title:        fmt.Sprintf("delete secret %s of %s", r.Name, r.Place()),
		DependsOn:    after,
		Precondition: map[string]string{"updatedAt": found.UpdatedAt.UTC().Format(time.RFC3339)},
		Undo:         "cannot be undone: a rollback writes a new password into it",
		Secret:       &SecretStep{Store: r, Like: *found, Role: p.roleOf(d, r)}}, true
}

// readElsewhere tells whether a login that stays as it is still reads the store, for any purpose. Mentions do not count.
func (p *planner) readElsewhere(d *draft, r inventory.StoreRef) bool {
	for i := range p.inv.Logins {
		l := &p.inv.Logins[i]
		if p.rewritten(d, l) {
			continue
		}
		for _, repo := range runsIn(l) {
			for _, s := range l.Secrets {
				named := func(name string) bool { return strings.EqualFold(name, r.Name) }
				if slices.ContainsFunc(p.stores.names(repo, s.Name), named) && p.mayRead(l, repo, r) {
					return true
				}
			}
		}
	}
	return false
}

func (p *planner) rewritten(d *draft, l *inventory.Login) bool {
	return slices.ContainsFunc(d.members, func(m *member) bool { return m.login == l && m.hold == nil })
}

// mayRead tells whether a login reads a store. Where its environments are not known it may read any of that name: when in
// doubt it does.
func (p *planner) mayRead(l *inventory.Login, repo inventory.RepositoryName, r inventory.StoreRef) bool {
	if len(l.Subjects) == 0 {
		return p.canSee(repo, r)
	}
	for _, e := range p.stores.environments(l, repo) {
		found, known := p.stores.secret(repo, e, r.Name)
		copied := r.Level == inventory.LevelDependabot && found.Level != inventory.LevelEnvironment
		if found.Same(r) || (copied || !known) && p.canSee(repo, r) {
			return true
		}
	}
	return false
}

// canSee tells whether a store is in reach of a repository's runs at all.
func (p *planner) canSee(repo inventory.RepositoryName, r inventory.StoreRef) bool {
	if r.Level == inventory.LevelOrganization {
		found := p.stores.secrets[r.Key()]
		return strings.EqualFold(repo.Owner(), r.Owner) && (found == nil || p.stores.visible(found, repo))
	}
	return strings.EqualFold(string(repo), string(r.Repository))
}

// roleOf tells in which form the store holds the secret.
func (p *planner) roleOf(d *draft, r inventory.StoreRef) string {
	for _, m := range d.members {
		for _, u := range m.of(d.unit.AppID) {
			same := u.store.Same(r) || r.Level == inventory.LevelDependabot && strings.EqualFold(u.store.Name, r.Name)
			if same && (u.role == roleCredentials || u.part) {
				return roleCredentials
			}
		}
	}
	return roleClientSecret
}
