package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// View is everything around one object.
type View struct {
	Object   inventory.Object `json:"object"`
	Facts    []Fact           `json:"facts"`
	LastUse  Use              `json:"lastUse"`
	Related  []Relation       `json:"related"`
	Sections []Section        `json:"sections,omitempty"`
	Findings []policy.Finding `json:"findings"`
	Units    []Standing       `json:"units"`
	Value    any              `json:"value"` // the object as it stands in the inventory
}

// Fact is one property of an object, for a reader.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Relation is a list of objects that are linked with another in one way.
type Relation struct {
	Name    string             `json:"name"`
	Objects []inventory.Object `json:"objects"`
}

// Use is the last use of an object. Where Known is false nothing can be concluded from its absence, and Text says why.
type Use struct {
	Known bool      `json:"known"`
	At    time.Time `json:"at,omitzero"`
	Text  string    `json:"text"`
}

// Standing is where a unit of the plan stands.
type Standing struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Wave     int    `json:"wave"`
	Blocked  bool   `json:"blocked"`
	Withheld bool   `json:"withheld"`        // its old secret is kept
	State    string `json:"state,omitempty"` // from the journal; empty: nothing was applied
}

// Show puts together what is around an object.
func Show(in Input, o inventory.Object) View {
	v := View{Object: o, Value: in.Inventory.Value(o), Findings: policy.About(in.Findings, in.Inventory, o), Units: in.standings(o), Facts: []Fact{}, Related: []Relation{}}
	switch o.Kind {
	case inventory.ObjectConnection:
		in.showConnection(&v, in.Inventory.Connection(o))
	case inventory.ObjectIdentity:
		in.showIdentity(&v, o)
	case inventory.ObjectCredential:
		in.showCredential(&v, o)
	case inventory.ObjectFederatedCredential:
		in.showFederated(&v, o)
	case inventory.ObjectLogin:
		in.showLogin(&v, o)
	case inventory.ObjectSecret:
		in.showSecret(&v, o)
	case inventory.ObjectPipelineSecret:
		in.showPipelineSecret(&v, in.Inventory.PipelineSecret(o))
	}
	return v
}

func (in Input) standings(o inventory.Object) []Standing {
	out := []Standing{}
	for _, u := range in.unitsOf(o) {
		out = append(out, Standing{ID: u.ID, Title: u.Title, Wave: u.Wave, Blocked: u.Blocked(), Withheld: !u.Blocked() && len(u.Withheld) > 0, State: in.States[u.ID]})
	}
	return out
}

// fact adds a property that has a value.
func (v *View) fact(name, value string) {
	if value != "" {
		v.Facts = append(v.Facts, Fact{name, value})
	}
}

// relate adds linked objects, if there are any.
func (v *View) relate(name string, list ...inventory.Object) {
	if len(list) > 0 {
		v.Related = append(v.Related, Relation{name, list})
	}
}

func (in Input) showConnection(v *View, c inventory.Connection) {
	class, _ := inventory.ClassifyConnection(c)
	v.fact("class", string(class))
	v.fact("type", c.Type)
	v.fact("scheme", c.Scheme)
	v.fact("authentication", c.AuthenticationType)
	v.fact("creation mode", c.CreationMode)
	v.fact("cloud", c.Cloud)
	v.fact("subscription", string(c.SubscriptionID))
	v.fact("application", string(c.AppID))
	v.fact("issuer", c.Issuer)
	v.fact("subject", c.Subject)
	if !c.RevertDeadline.IsZero() {
		v.fact("can be reverted until", day(c.RevertDeadline))
	}
	for _, p := range c.Projects {
		v.fact("project", p.Name)
	}
	v.fact("state", c.StateText())
	if !c.Readable {
		v.fact("data", "not readable: Azure DevOps gave no more than its name")
	}
	v.LastUse = connectionUse(c)
	if id, ok := in.Inventory.IdentityOf(c.AppID); ok {
		v.relate("signs in as", id)
	}
	in.showPipelines(v, c)
}

func connectionUse(c inventory.Connection) Use {
	last, ended := c.LastUse()
	switch {
	case ended:
		return Use{Known: true, At: last.Finished, Text: fmt.Sprintf("%s by %s %s in %s (%s)", day(last.Finished), last.PlanType, last.Definition, last.Project, last.Result)}
	case !c.UsesKnown:
		return Use{Text: "not known: its execution history could not be read"}
	case len(c.Uses) > 0:
		return Use{Known: true, Text: "in use for the first time when it was scanned"}
	}
	return Use{Known: true, Text: "never, by its execution history"}
}

func (in Input) showIdentity(v *View, o inventory.Object) {
	id := in.Inventory.Identity(o)
	v.fact("object id", string(id.ObjectID))
	v.fact("service principal", string(id.ServicePrincipalID))
	v.fact("tenant", string(id.TenantID))
	v.fact("audience", id.SignInAudience)
	if !id.Created.IsZero() {
		v.fact("created", day(id.Created))
	}
	v.fact("owners", strings.Join(id.Owners, ", "))
	v.fact("notes", id.Notes)
	v.fact("tags", strings.Join(id.Tags, ", "))
	for _, r := range id.Roles {
		v.fact("role", r.Role+" at "+r.Scope)
	}
	if !id.RolesKnown {
		v.fact("roles", "not known: role assignments could not be read")
	}
	if id.Lock.Credentials() {
		v.fact("instance lock", "credentials of its service principals cannot be changed")
	}
	v.fact("new passwords", NewPasswordsText(id.NewPasswords))
	v.LastUse = signInUse(id, id.LastSignIn())
	credentials, federated := in.Inventory.CredentialsOf(o)
	v.relate("credentials", credentials...)
	v.relate("federated credentials", federated...)
	v.relate("connections", in.Inventory.ConnectionsOf(id.AppID)...)
	v.relate("logins", in.loginsOf(o)...)
	v.relate("secrets", in.secretsOf(o)...)
}

// NewPasswordsText says whether a password could be added, for a reader.
func NewPasswordsText(n inventory.NewPasswords) string {
	switch {
	case n == inventory.NewPasswords{}:
		return ""
	case !n.Known:
		return "not known whether they may be added: " + n.Reason
	case n.Forbidden:
		return "forbidden by " + n.Policy + ": no rollback after a revoke"
	case n.MaxDays > 0:
		return fmt.Sprintf("for %d days at most, by %s", n.MaxDays, n.Policy)
	}
	return "no policy restricts them"
}

func signInUse(id inventory.Identity, last time.Time) Use {
	switch {
	case !last.IsZero():
		return Use{Known: true, At: last, Text: "last sign-in " + last.UTC().Format("2006-01-02 15:04 UTC")}
	case !id.SignIns.Known:
		reason := id.SignIns.Reason
		if reason == "" {
			reason = "the sign-in log was not read"
		}
		return Use{Text: "not known: " + reason}
	}
	return Use{Known: true, Text: "no sign-in since " + day(id.SignIns.Since)}
}

func (in Input) showCredential(v *View, o inventory.Object) {
	id, c := in.Inventory.Identity(o), in.Inventory.Credential(o)
	v.fact("type", string(c.Type))
	v.fact("on", map[string]string{inventory.OnServicePrincipal: "the service principal"}[c.On])
	v.fact("named", c.DisplayName)
	v.fact("usage", c.Usage)
	v.fact("from", day(c.Start))
	v.fact("to", day(c.End))
	if id.SAMLSigning(c) {
		v.fact("purpose", "signs SAML tokens; never touched")
	}
	v.LastUse = signInUse(id, c.LastSignIn)
	if c.LastSignIn.IsZero() && id.Unnamed(c) {
		v.LastUse = Use{Text: "not known: the sign-in log shows sign-ins with a " + string(c.Type) + ", and not with which"}
	}
	in.relateOwner(v, id)
}

func (in Input) relateOwner(v *View, id inventory.Identity) {
	if o, ok := in.Inventory.IdentityOf(id.AppID); ok {
		v.relate("of", o)
		v.relate("connections", in.Inventory.ConnectionsOf(id.AppID)...)
		v.relate("logins", in.loginsOf(o)...)
		v.relate("secrets", in.secretsOf(o)...)
	}
}

func (in Input) showFederated(v *View, o inventory.Object) {
	id, f := in.Inventory.Identity(o), in.Inventory.FederatedCredential(o)
	v.fact("issuer", f.Issuer)
	v.fact("subject", f.Subject)
	v.fact("expression", f.Expression)
	v.fact("audience", f.Audience)
	v.fact("description", f.Description)
	v.LastUse = signInUse(id, f.LastSignIn)
	if owner, ok := in.Inventory.IdentityOf(id.AppID); ok {
		v.relate("of", owner)
	}
	var list []inventory.Object
	for _, u := range in.unitsOf(o) {
		for _, c := range u.Coverage {
			if c.By == f.Name {
				list = append(list, in.named(c.For)...)
			}
		}
	}
	v.relate("trusts", unique(list)...)
}

// named finds the objects that a coverage line names.
func (in Input) named(ids []string) []inventory.Object {
	var out []inventory.Object
	for _, id := range ids {
		out = append(out, in.Inventory.Find(id)...)
	}
	return out
}

func unique(list []inventory.Object) []inventory.Object {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(o inventory.Object) bool {
		key := string(o.Kind) + "|" + o.ID
		was := seen[key]
		seen[key] = true
		return was
	})
}

func (in Input) showLogin(v *View, o inventory.Object) {
	l := in.Inventory.Login(o)
	v.fact("kind", string(l.Kind))
	v.fact("conversion", string(l.Conversion))
	v.fact("job", l.Job)
	v.fact("step", l.Step)
	v.fact("client id", l.Identity.ClientID)
	v.fact("tenant", l.Identity.TenantID)
	v.fact("subscription", l.Identity.SubscriptionID)
	for _, j := range l.Subjects {
		v.fact("subject", strings.Join(slices.Concat(j.Subjects, j.Patterns), ", "))
	}
	v.relate("signs in as", in.identitiesOf(o)...)
	v.relate("reads", in.Inventory.SecretsReadBy(l)...)
	v.LastUse = Use{Text: "not known for a single login; see its identity's sign-ins"}
}

func (in Input) showSecret(v *View, o inventory.Object) {
	s := in.Inventory.Secret(o)
	v.fact("level", string(s.Level))
	v.fact("created", day(s.CreatedAt))
	v.fact("updated", day(s.UpdatedAt))
	v.fact("visibility", s.Visibility)
	for _, r := range s.SelectedRepositories {
		v.fact("selected", string(r))
	}
	v.relate("identity", in.identitiesOf(o)...)
	readers := in.Inventory.Readers(s)
	v.relate("read by", readers...)
	v.LastUse = Use{Text: "GitHub keeps no record of a secret's use"}
	if len(readers) == 0 {
		v.LastUse.Text += "; no login that was found reads it"
	}
}

func (in Input) showPipelineSecret(v *View, s inventory.PipelineSecret) {
	v.fact("kind", s.Kind)
	v.fact("use", s.Use)
	v.fact("application", string(s.AppID))
	v.fact("key vault", s.Vault)
	v.fact("taken from", strings.Join(s.Variables, ", "))
	if s.Literal {
		v.fact("value", "stands in the text")
	}
	for i, c := range in.Inventory.Connections {
		if s.Connection != "" && c.ID == s.Connection {
			v.relate("connection", in.Inventory.ConnectionObject(i))
		}
	}
	if id, ok := in.Inventory.IdentityOf(s.AppID); ok {
		v.relate("credential of", id)
	}
	for _, step := range in.Inventory.SecretSteps(s) {
		v.fact("to do", step)
	}
	v.LastUse = Use{Text: "not known for a single variable; see its identity's sign-ins"}
}

// identitiesOf gives the identities that the plan links with a login or secret.
func (in Input) identitiesOf(o inventory.Object) []inventory.Object {
	var out []inventory.Object
	for _, u := range in.unitsOf(o) {
		if id, ok := in.Inventory.IdentityOf(u.AppID); ok {
			out = append(out, id)
		}
	}
	return out
}

// loginsOf gives the logins that sign in as an identity: those that the plan links, and those that name it themselves.
func (in Input) loginsOf(o inventory.Object) []inventory.Object {
	linked := map[inventory.LoginID]bool{}
	for _, u := range in.unitsOf(o) {
		for _, l := range u.Logins {
			linked[l.ID] = true
		}
	}
	var out []inventory.Object
	for i, l := range in.Inventory.Logins {
		if linked[l.ID] || strings.EqualFold(l.Identity.ClientID, string(in.Inventory.Identity(o).AppID)) {
			out = append(out, in.Inventory.LoginObject(i))
		}
	}
	return out
}

func (in Input) secretsOf(o inventory.Object) []inventory.Object {
	var refs []inventory.StoreRef
	for _, u := range in.unitsOf(o) {
		refs = append(refs, u.Secrets...)
	}
	var out []inventory.Object
	for i, s := range in.Inventory.Secrets {
		if slices.ContainsFunc(refs, s.Ref().Same) {
			out = append(out, in.Inventory.SecretObject(i))
		}
	}
	return out
}

// coverageOf gives the lines of a unit's proof that are about an object: all of them for an identity.
func coverageOf(u plan.Unit, o inventory.Object) []plan.Coverage {
	var out []plan.Coverage
	for _, c := range u.Coverage {
		switch o.Kind {
		case inventory.ObjectConnection, inventory.ObjectLogin:
			if !slices.Contains(c.For, o.ID) {
				continue
			}
		case inventory.ObjectFederatedCredential:
			if c.By != o.Name {
				continue
			}
		case inventory.ObjectCredential, inventory.ObjectSecret:
			continue
		}
		out = append(out, c)
	}
	return out
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02")
}
