package inventory

import (
	"cmp"
	"slices"
	"strings"
)

// ObjectKind is the kind of an object of an inventory that can be asked for.
type ObjectKind string

// The kinds of object.
const (
	ObjectConnection          ObjectKind = "connection"
	ObjectIdentity            ObjectKind = "identity"
	ObjectCredential          ObjectKind = "credential"
	ObjectFederatedCredential ObjectKind = "federated credential"
	ObjectLogin               ObjectKind = "login"
	ObjectSecret              ObjectKind = "secret"
	ObjectPipelineSecret      ObjectKind = "pipeline secret"
)

// Object names one object of an inventory. ID finds it again, and it alone.
type Object struct {
	Kind  ObjectKind `json:"kind"`
	ID    string     `json:"id"`
	Name  string     `json:"name"`            // for a reader
	Place string     `json:"place,omitempty"` // where it is: an organisation, an application, a repository

	index, sub int
}

// ConnectionObject names the connection at an index of the inventory.
func (inv *Inventory) ConnectionObject(i int) Object {
	c := inv.Connections[i]
	return Object{Kind: ObjectConnection, ID: string(c.ID), Name: cmp.Or(c.Name, string(c.ID)), Place: c.Place(), index: i}
}

// IdentityObject names an identity.
func (inv *Inventory) IdentityObject(i int) Object {
	id := inv.Identities[i]
	return Object{Kind: ObjectIdentity, ID: string(id.AppID), Name: cmp.Or(id.DisplayName, string(id.AppID)), Place: "tenant " + string(id.TenantID), index: i}
}

// CredentialObject names credential n of identity i.
func (inv *Inventory) CredentialObject(i, n int) Object {
	id, c := inv.Identities[i], inv.Identities[i].Credentials[n]
	return Object{Kind: ObjectCredential, ID: string(c.KeyID), Name: cmp.Or(c.DisplayName, string(c.Type)), Place: cmp.Or(id.DisplayName, string(id.AppID)), index: i, sub: n}
}

// FederatedCredentialObject names federated credential n of identity i.
func (inv *Inventory) FederatedCredentialObject(i, n int) Object {
	id, f := inv.Identities[i], inv.Identities[i].FederatedCredentials[n]
	return Object{Kind: ObjectFederatedCredential, ID: cmp.Or(string(f.ID), f.Name), Name: f.Name, Place: cmp.Or(id.DisplayName, string(id.AppID)), index: i, sub: n}
}

// LoginObject names a login.
func (inv *Inventory) LoginObject(i int) Object {
	l := inv.Logins[i]
	return Object{Kind: ObjectLogin, ID: string(l.ID), Name: string(l.Kind), Place: string(l.Repository), index: i}
}

// SecretObject names a GitHub secret.
func (inv *Inventory) SecretObject(i int) Object {
	s := inv.Secrets[i]
	return Object{Kind: ObjectSecret, ID: s.Ref().Path(), Name: s.Name, Place: s.Ref().Place(), index: i}
}

// PipelineSecretObject names a secret of Azure DevOps outside of a connection.
func (inv *Inventory) PipelineSecretObject(i int) Object {
	s := inv.PipelineSecrets[i]
	return Object{Kind: ObjectPipelineSecret, ID: s.SecretID(), Name: s.Name, Place: s.Organization + "/" + s.Text(), index: i}
}

// PipelineSecret gives the secret of Azure DevOps that an object names.
func (inv *Inventory) PipelineSecret(o Object) PipelineSecret { return inv.PipelineSecrets[o.index] }

// Connection gives the connection that an object names.
func (inv *Inventory) Connection(o Object) Connection { return inv.Connections[o.index] }

// Identity gives the identity that an object names, or that carries the credential it names.
func (inv *Inventory) Identity(o Object) Identity { return inv.Identities[o.index] }

// Credential gives the credential that an object names.
func (inv *Inventory) Credential(o Object) Credential {
	return inv.Identities[o.index].Credentials[o.sub]
}

// FederatedCredential gives the federated credential that an object names.
func (inv *Inventory) FederatedCredential(o Object) FederatedCredential {
	return inv.Identities[o.index].FederatedCredentials[o.sub]
}

// Login gives the login that an object names.
func (inv *Inventory) Login(o Object) Login { return inv.Logins[o.index] }

// Secret gives the secret that an object names.
func (inv *Inventory) Secret(o Object) Secret { return inv.Secrets[o.index] }

// Value gives the object itself, as it stands in the inventory.
func (inv *Inventory) Value(o Object) any {
	switch o.Kind {
	case ObjectConnection:
		return inv.Connection(o)
	case ObjectIdentity:
		return inv.Identity(o)
	case ObjectCredential:
		return inv.Credential(o)
	case ObjectFederatedCredential:
		return inv.FederatedCredential(o)
	case ObjectLogin:
		return inv.Login(o)
	case ObjectPipelineSecret:
		return inv.PipelineSecret(o)
	default:
		return inv.Secret(o)
	}
}

// each calls f with every object and all the texts that it can be asked for with: ids first, names after them.
func (inv *Inventory) each(f func(o Object, ids, names []string)) {
	for i, c := range inv.Connections {
		names := []string{c.Name, c.Organization + "/" + c.Name}
		for _, p := range c.Projects {
			names = append(names, p.As, p.Name+"/"+p.As, c.Organization+"/"+p.Name+"/"+p.As)
		}
		f(inv.ConnectionObject(i), []string{string(c.ID)}, names)
	}
	for i, id := range inv.Identities {
		f(inv.IdentityObject(i), []string{string(id.AppID), string(id.ObjectID), string(id.ServicePrincipalID)}, []string{id.DisplayName})
		inv.eachKey(i, f)
	}
	for i, l := range inv.Logins {
		place := strings.TrimSuffix(string(l.Repository)+"/", "/")
		short := strings.Replace(string(l.ID), "/.github/workflows/", "/", 1) // as tables show it
		f(inv.LoginObject(i), []string{string(l.ID)}, []string{strings.Trim(place+"/"+l.File, "/"), withoutColumn(string(l.ID)), short, withoutColumn(short), l.File})
	}
	for i, s := range inv.Secrets {
		f(inv.SecretObject(i), []string{s.Ref().Path()}, []string{s.Name})
	}
	for i, s := range inv.PipelineSecrets {
		f(inv.PipelineSecretObject(i), []string{s.SecretID()}, []string{s.Name, s.Project + "/" + s.Pipeline + "/" + s.Name})
	}
}

func (inv *Inventory) eachKey(i int, f func(o Object, ids, names []string)) {
	seen := map[KeyID]bool{} // a certificate for SAML and the password that protects it share an id
	for n, c := range inv.Identities[i].Credentials {
		if !seen[c.KeyID] {
			f(inv.CredentialObject(i, n), []string{string(c.KeyID)}, []string{c.DisplayName})
		}
		seen[c.KeyID] = true
	}
	for n, c := range inv.Identities[i].FederatedCredentials {
		f(inv.FederatedCredentialObject(i, n), []string{string(c.ID)}, []string{c.Name, c.Subject})
	}
}

// withoutColumn cuts the column off a login's id.
func withoutColumn(id string) string {
	if i := strings.LastIndexByte(id, ':'); i > 0 {
		return id[:i]
	}
	return id
}

// ShortID is how many characters of a GUID tables show; so many, or a few less, are enough for Find.
const ShortID = 8

// Find gives the objects that a text names, without regard to case: those that have it as an id or, where none has,
// those that have it as a name, or else whose GUID begins with it. More than one means that the text is ambiguous.
func (inv *Inventory) Find(text string) []Object {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	var byID, byName, byPrefix []Object
	has := func(list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, text) })
	}
	inv.each(func(o Object, ids, names []string) {
		switch {
		case has(ids):
			byID = append(byID, o)
		case has(names):
			byName = append(byName, o)
		case slices.ContainsFunc(ids, func(id string) bool { return beginsWith(id, text) }):
			byPrefix = append(byPrefix, o)
		}
	})
	for _, found := range [][]Object{byID, byName} {
		if len(found) > 0 {
			return found
		}
	}
	return byPrefix
}

// beginsWith tells whether a GUID begins with a text that is long enough to be meant so.
func beginsWith(id, text string) bool {
	const guid, least = 36, 6
	return len(id) == guid && len(text) >= least && len(text) < guid && strings.EqualFold(id[:len(text)], text)
}

// Near gives at most n objects whose ids or names are like a text, the likest first: those that contain it, then those that a few
// slips of the keyboard away.
func (inv *Inventory) Near(text string, n int) []Object {
	type hit struct {
		o        Object
		distance int
	}
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "" {
		return nil
	}
	var hits []hit
	inv.each(func(o Object, ids, names []string) {
		best := -1
		for _, s := range slices.Concat(ids, names) {
			if d := unlike(text, strings.ToLower(s)); d >= 0 && (best < 0 || d < best) {
				best = d
			}
		}
		if best >= 0 {
			hits = append(hits, hit{o, best})
		}
	})
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.distance, b.distance) })
	var out []Object
	for _, h := range hits[:min(len(hits), n)] {
		out = append(out, h.o)
	}
	return out
}

// unlike measures how far a candidate is from what was asked for; -1 is too far. Containing it is nearer than any slip.
func unlike(asked, candidate string) int {
	switch {
	case candidate == "":
		return -1
	case len(asked) >= 3 && strings.Contains(candidate, asked), len(candidate) >= 4 && strings.Contains(asked, candidate):
		return 0
	case len(asked) > 200 || len(candidate) > 200:
		return -1
	}
	limit := max(1, min(len(asked)/4, 4))
	if d := distance([]rune(asked), []rune(candidate), limit); d <= limit {
		return d
	}
	return -1
}

// distance is the number of single changes that make one text of the other (Levenshtein), or limit+1 where it is more.
func distance(a, b []rune, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal, row[j+1] = row[j+1], min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Place is where a reader finds a connection: its organisation and the project that it came from.
func (c Connection) Place() string {
	if len(c.Projects) == 0 {
		return c.Organization
	}
	return c.Organization + "/" + c.Projects[0].Name
}

// LastUse is the newest execution that has ended; false where there is none.
func (c Connection) LastUse() (Execution, bool) {
	var last Execution
	for _, u := range c.Uses {
		if cmp.Or(u.Finished.Compare(last.Finished), cmp.Compare(last.Definition, u.Definition)) > 0 {
			last = u
		}
	}
	return last, !last.Finished.IsZero()
}

// Unused tells whether the sign-in log shows that nothing signed in as the identity in all the time that it was read for.
func (id Identity) Unused() bool {
	return id.SignIns.Known && !slices.ContainsFunc(id.SignIns.SignIns, func(s SignIn) bool { return s.ErrorCode == 0 })
}

// UnusedCredential tells whether the sign-in log shows no use of a credential that was there in all the time that it was read for.
func (id Identity) UnusedCredential(c Credential) bool {
	return id.SignIns.Known && c.LastSignIn.IsZero() && c.Start.Before(id.SignIns.Since) && !id.Unnamed(c)
}

// Unnamed tells whether the sign-in log shows a sign-in that may have been made with a credential, since it does not tell with which of its type.
func (id Identity) Unnamed(c Credential) bool {
	return slices.ContainsFunc(id.SignIns.SignIns, func(s SignIn) bool { return s.ErrorCode == 0 && s.Unnamed(c.Type) })
}

// Unnamed tells whether a sign-in was made with a credential of a type, and the log does not tell with which.
func (s SignIn) Unnamed(t CredentialType) bool {
	if s.KeyID != "" {
		return false
	}
	if t == CredentialCertificate {
		return strings.EqualFold(s.CredentialType, "certificate") || strings.EqualFold(s.CredentialType, "clientAssertion")
	}
	return strings.EqualFold(s.CredentialType, "clientSecret")
}
