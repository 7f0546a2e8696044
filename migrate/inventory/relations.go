package inventory

import (
	"path"
	"slices"
	"strings"
)

// ConnectionsOf lists the connections that sign in as an application.
func (inv *Inventory) ConnectionsOf(app AppID) []Object {
	var out []Object
	for i, c := range inv.Connections {
		if c.AppID != "" && strings.EqualFold(string(c.AppID), string(app)) {
			out = append(out, inv.ConnectionObject(i))
		}
	}
	return out
}

// IdentityOf gives the identity with a client id.
func (inv *Inventory) IdentityOf(app AppID) (Object, bool) {
	for i, id := range inv.Identities {
		if app != "" && strings.EqualFold(string(id.AppID), string(app)) {
			return inv.IdentityObject(i), true
		}
	}
	return Object{}, false
}

// OldIssuerKept gives a function that tells why Microsoft excludes a connection from the retirement of Azure DevOps' own issuer (Microsoft Learn: Convert service
// connections); empty: it does not. The applications are looked through once.
func (inv *Inventory) OldIssuerKept() func(Connection) string {
	audiences := map[string]string{}
	for _, id := range inv.Identities {
		if id.SeveralTenants() {
			audiences[strings.ToLower(string(id.AppID))] = id.SignInAudience
		}
	}
	return func(c Connection) string {
		if c.OtherCloud() {
			return "it is in cloud " + c.Cloud
		}
		if audience := audiences[strings.ToLower(string(c.AppID))]; audience != "" {
			return "its application has sign-in audience " + audience
		}
		return ""
	}
}

// CredentialsOf lists the credentials and federated credentials of an identity.
func (inv *Inventory) CredentialsOf(o Object) (credentials, federated []Object) {
	for n := range inv.Identities[o.index].Credentials {
		credentials = append(credentials, inv.CredentialObject(o.index, n))
	}
	for n := range inv.Identities[o.index].FederatedCredentials {
		federated = append(federated, inv.FederatedCredentialObject(o.index, n))
	}
	return credentials, federated
}

// SecretsReadBy lists the secrets that a login may read: those of its names that its repository can see. Which of several
// places with one name wins depends on the job's environment, so more can be listed than a single run reads.
func (inv *Inventory) SecretsReadBy(l Login) []Object {
	var out []Object
	for i, s := range inv.Secrets {
		if MayRead(l, s) {
			out = append(out, inv.SecretObject(i))
		}
	}
	return out
}

// Readers lists the logins that may read a secret.
func (inv *Inventory) Readers(s Secret) []Object {
	var out []Object
	for i, l := range inv.Logins {
		if MayRead(l, s) {
			out = append(out, inv.LoginObject(i))
		}
	}
	return out
}

// MayRead tells whether a login names a secret that its repository can see. A computed name is a wildcard, which may be
// any name that it matches.
func MayRead(l Login, s Secret) bool {
	return slices.ContainsFunc(l.Secrets, func(u SecretUse) bool { return named(u.Name, s.Name) }) && sees(l, s)
}

func named(use, secret string) bool {
	if strings.EqualFold(use, secret) {
		return true
	}
	ok, err := path.Match(strings.ToUpper(use), strings.ToUpper(secret))
	return err == nil && ok
}

// sees tells whether a secret is in a login's reach (GitHub Docs: "Using secrets in GitHub Actions").
func sees(l Login, s Secret) bool {
	switch s.Level {
	case LevelOrganization:
		selected := slices.ContainsFunc(s.SelectedRepositories, func(r RepositoryName) bool { return strings.EqualFold(string(r), string(l.Repository)) })
		return strings.EqualFold(l.Repository.Owner(), s.Owner) && (s.Visibility != "selected" || selected)
	case LevelEnvironment:
		return strings.EqualFold(string(l.Repository), string(s.Repository)) && inEnvironment(l, s.Environment)
	default:
		return strings.EqualFold(string(l.Repository), string(s.Repository))
	}
}

// inEnvironment tells whether a job that uses the login may run in an environment. Where the name is computed and open,
// it may be any.
func inEnvironment(l Login, environment string) bool {
	subject := "environment:" + environment
	return len(l.Subjects) == 0 || slices.ContainsFunc(l.Subjects, func(j JobSubjects) bool {
		return strings.EqualFold(j.Environment, environment) ||
			slices.ContainsFunc(j.Subjects, func(s string) bool { return strings.EqualFold(s, subject) }) ||
			slices.ContainsFunc(j.Patterns, func(p string) bool { return p == "*" || strings.HasPrefix(p, "environment:") })
	})
}
