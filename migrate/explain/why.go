package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// Explanation says why an object is classified, linked, planned, blocked or left as it is.
type Explanation struct {
	Object     inventory.Object `json:"object"`
	Classified Statement        `json:"classified"`
	Linked     []Statement      `json:"linked"`
	Coverage   []Coverage       `json:"coverage"`
	Planned    []Planned        `json:"planned"`
	Reasons    []Reason         `json:"reasons"`
	Units      []Standing       `json:"units"`
}

// Statement is a claim with what it rests on.
type Statement struct {
	Claim   string   `json:"claim"`
	Because []string `json:"because,omitempty"`
	Source  string   `json:"source,omitempty"` // the document that says so
}

// Coverage is one line of a unit's proof.
type Coverage struct {
	Unit string `json:"unit"`
	plan.Coverage
}

// Planned is one step that changes the object, or trusts it.
type Planned struct {
	Unit         string `json:"unit"`
	Step         string `json:"step"`
	Title        string `json:"title"`
	Undo         string `json:"undo"`
	Phase        string `json:"phase"` // apply or revoke
	Irreversible bool   `json:"irreversible,omitempty"`
	Done         bool   `json:"done,omitempty"`
}

// The ways in which a reason holds something back.
const (
	ReasonBlocker  = "blocker"  // nothing of the unit is done
	ReasonWithheld = "withheld" // the old secret is kept
	ReasonLeft     = "left"     // the object is left alone
	ReasonNote     = "note"     // nothing is held back; a reviewer should know
)

// Reason is why something is not done, and in Next what would change that.
type Reason struct {
	Kind string `json:"kind"`
	Unit string `json:"unit,omitempty"`
	plan.Reason
}

// Why explains an object.
func Why(in Input, o inventory.Object) Explanation {
	e := Explanation{Object: o, Classified: in.classify(o), Linked: in.linked(o), Coverage: []Coverage{}, Planned: []Planned{}, Reasons: []Reason{}, Units: in.standings(o)}
	for _, l := range in.leftOf(o) {
		e.Reasons = append(e.Reasons, Reason{Kind: ReasonLeft, Reason: plan.Reason{Code: l.Code, Object: l.Object, Message: l.Reason, Next: l.Next}})
	}
	if o.Kind == inventory.ObjectPipelineSecret { // the reasons of its identity's unit are not about it
		e.Reasons = append(e.Reasons, Reason{Kind: ReasonLeft, Reason: plan.Reason{Code: "pipeline-secret", Object: o.ID,
			Message: "no step changes it: it is outside of a connection", Next: in.Inventory.SecretSteps(in.Inventory.PipelineSecret(o))}})
		return e
	}
	for _, u := range in.unitsOf(o) {
		for _, c := range coverageOf(u, o) {
			if c.State == plan.CoveragePlanned && in.added(u, c.By) {
				c.State = plan.CoverageExisting
			}
			e.Coverage = append(e.Coverage, Coverage{u.ID, c})
		}
		for _, s := range u.Steps {
			if in.touches(u, s, o) {
				e.Planned = append(e.Planned, Planned{u.ID, s.ID, s.Title, s.Undo, string(s.Phase), s.Class == plan.Irreversible, in.Done[DoneKey(u.ID, s.ID)]})
			}
		}
		e.reasons(u)
	}
	if slices.ContainsFunc(e.Planned, func(p Planned) bool { return p.Done }) { // it is so since a step has made it so
		e.Reasons = slices.DeleteFunc(e.Reasons, func(r Reason) bool { return r.Kind == ReasonLeft && r.Code == "already" })
	}
	e.unplanned(in)
	e.otherWays(in)
	return e
}

// added tells whether a step has added a federated credential.
func (in Input) added(u plan.Unit, name string) bool {
	return slices.ContainsFunc(u.Steps, func(s plan.Step) bool {
		return s.FederatedCredential != nil && s.FederatedCredential.Credential.Name == name && in.Done[DoneKey(u.ID, s.ID)]
	})
}

// otherWays adds findings that advise another way than the plan's.
func (e *Explanation) otherWays(in Input) {
	for _, f := range policy.About(in.Findings, in.Inventory, e.Object) {
		if f.Rule == policy.RuleAgentsInAzure {
			e.Reasons = append(e.Reasons, Reason{Kind: ReasonNote, Reason: plan.Reason{Code: f.Rule, Object: f.Object, Message: f.Message, Next: f.Remedy}})
		}
	}
}

// reasons adds those of a unit. One that is said of the object already is not said again.
func (e *Explanation) reasons(u plan.Unit) {
	for _, group := range []struct {
		kind string
		list []plan.Reason
	}{{ReasonBlocker, u.Blockers}, {ReasonWithheld, u.Withheld}, {ReasonNote, u.Notes}} {
		for _, r := range group.list {
			said := slices.ContainsFunc(e.Reasons, func(x Reason) bool {
				same := x.Kind == ReasonLeft && e.concerns(r) || x.Kind != ReasonWithheld && x.Object == r.Object
				return same && x.Message == r.Message && (x.Code == r.Code || group.kind == ReasonNote)
			})
			if !said && (group.kind != ReasonNote || e.concerns(r)) {
				e.Reasons = append(e.Reasons, Reason{group.kind, u.ID, r})
			}
		}
	}
}

// concerns tells whether a note of a unit is about the object itself. All of them are about the identity.
func (e *Explanation) concerns(r plan.Reason) bool {
	switch e.Object.Kind {
	case inventory.ObjectIdentity:
		return true
	case inventory.ObjectCredential:
		return r.Code == "no-rollback" || strings.Contains(r.Object, e.Object.ID)
	case inventory.ObjectFederatedCredential:
		return r.Object == "federated credential "+e.Object.Name
	case inventory.ObjectLogin:
		return r.Object == e.Object.ID || strings.HasPrefix(r.Message, "repo:"+e.Object.Place+":")
	case inventory.ObjectConnection:
		return r.Object == "connection "+e.Object.Name+" ("+e.Object.Place+")"
	}
	return strings.Contains(r.Object, e.Object.ID)
}

// unplanned says why nothing is planned for an object that the plan does not mention at all, or whose unit has no step for it.
func (e *Explanation) unplanned(in Input) {
	if in.Plan == nil || len(e.Planned) > 0 || len(e.Reasons) > 0 {
		return
	}
	r := plan.Reason{Code: "not-in-the-plan", Object: e.Object.ID, Message: "nothing that is to be migrated uses it"}
	switch e.Object.Kind {
	case inventory.ObjectFederatedCredential:
		r.Message = "no step changes it: it trusts tokens, and stores nothing"
	case inventory.ObjectIdentity, inventory.ObjectCredential:
		if used := in.usedBy(in.Inventory.Identity(e.Object)); len(used) > 0 && !in.signing(e.Object) {
			e.Reasons = append(e.Reasons, used...)
			return
		}
		r.Message = "no connection and no login that signs in with a stored secret was linked to its application"
		r.Next = append(in.unreadable(), "if a GitHub secret holds one of its passwords, say so under plan.mapping in the configuration, then scan and plan again")
		if e.Object.Kind == inventory.ObjectCredential {
			e.unplannedCredential(in, &r)
		}
	case inventory.ObjectSecret:
		in.unplannedSecret(e.Object, &r)
	}
	e.Reasons = append(e.Reasons, Reason{Kind: ReasonLeft, Reason: r})
}

// unreadable says that connections hide what they sign in as, which may be any application.
func (in Input) unreadable() []string {
	n := 0
	for _, c := range in.Inventory.Connections {
		if !c.Readable {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return []string{count(n, "service connection") + " could not be read, and may sign in with one of its credentials: make them readable (unsecret list connections --class unreadable), then scan again"}
}

// signing tells whether an object is a credential that signs SAML tokens.
func (in Input) signing(o inventory.Object) bool {
	return o.Kind == inventory.ObjectCredential && in.Inventory.Identity(o).SAMLSigning(in.Inventory.Credential(o))
}

// usedBy names what signs in as an application with a stored credential and is left alone: while that is so, its credentials are needed, whatever the
// plan does with them.
func (in Input) usedBy(id inventory.Identity) []Reason {
	var out []Reason
	left := func(r plan.Reason) { out = append(out, Reason{Kind: ReasonLeft, Reason: r}) }
	for _, o := range in.Inventory.ConnectionsOf(id.AppID) {
		if !in.Inventory.Connection(o).StoresServicePrincipal() {
			continue
		}
		r := plan.Reason{Code: "connection-left", Object: o.ID, Message: fmt.Sprintf("connection %s (%s) signs in with one of its credentials", o.Name, o.Place)}
		for _, l := range in.leftOf(o) {
			r.Code, r.Message, r.Next = l.Code, r.Message+", and is left alone: "+l.Reason, l.Next
		}
		left(r)
	}
	for _, s := range in.Inventory.PipelineSecrets {
		if id.AppID != "" && strings.EqualFold(string(s.AppID), string(id.AppID)) {
			left(plan.Reason{Code: "pipeline-secret", Object: s.SecretID(), Message: fmt.Sprintf("%s holds one of its credentials, or uses one, outside of a connection", s.SecretID()), Next: in.Inventory.SecretSteps(s)})
		}
	}
	return out
}

// unplannedCredential says why a credential stays that no unit takes away, and what a person does about it.
func (e *Explanation) unplannedCredential(in Input, r *plan.Reason) {
	id, c := in.Inventory.Identity(e.Object), in.Inventory.Credential(e.Object)
	if in.signing(e.Object) {
		r.Message, r.Next = "it belongs to a certificate that signs SAML tokens, and is never touched", nil
		return
	}
	if c.On == inventory.OnApplication {
		command := fmt.Sprintf("az ad app credential delete --id %s --key-id %s", id.AppID, c.KeyID)
		if c.Type == inventory.CredentialCertificate {
			command += " --cert"
		}
		r.Next = append(r.Next, fmt.Sprintf("if nothing uses it (unsecret show %s says what the sign-in log shows), remove it: %s", c.KeyID, command))
	}
}

// unplannedSecret says why a secret is in no unit: what reads it is left alone itself, or nothing that was found reads it.
// What could not be read may read it, too.
func (in Input) unplannedSecret(o inventory.Object, r *plan.Reason) {
	readers := in.Inventory.Readers(in.Inventory.Secret(o))
	if len(readers) == 0 {
		r.Message = "no login that was found reads it"
		r.Next = []string{"if nothing else uses it, delete it in the settings"}
		if n := in.gapsOnGitHub(); n > 0 {
			r.Next = append([]string{count(n, "place", "places") + " on GitHub could not be read, and may use it: unsecret list gaps --kind github"}, r.Next...)
		}
		return
	}
	var names []string
	for _, l := range readers {
		names = append(names, l.ID)
		for _, left := range in.leftOf(l) {
			if !slices.Contains(r.Next, left.Reason) {
				r.Next = append(r.Next, left.Reason)
			}
		}
	}
	r.Message = "what reads it is not migrated, and may need it: " + strings.Join(names, ", ")
}

func (in Input) gapsOnGitHub() int {
	n := 0
	for _, g := range in.Inventory.Gaps {
		if g.Source == inventory.SourceGitHub {
			n++
		}
	}
	return n
}

// touches tells whether a step changes an object or is there for it.
func (in Input) touches(u plan.Unit, s plan.Step, o inventory.Object) bool {
	switch o.Kind {
	case inventory.ObjectConnection:
		return s.Connection != nil && string(s.Connection.ID) == o.ID || replaces(s, o.ID) || rewrites(s, o.ID) || in.trustFor(u, s, o) || untrusts(s, o.ID)
	case inventory.ObjectIdentity:
		return !s.OnDemand
	case inventory.ObjectCredential:
		return s.Credential != nil && strings.EqualFold(string(s.Credential.KeyID), o.ID)
	case inventory.ObjectFederatedCredential:
		return s.Removal != nil && s.Removal.Credential.Name == in.Inventory.FederatedCredential(o).Name
	case inventory.ObjectLogin:
		carried := s.PullRequest != nil && slices.ContainsFunc(s.PullRequest.Logins, func(l plan.PlannedLogin) bool { return string(l.ID) == o.ID })
		return carried || in.trustFor(u, s, o)
	case inventory.ObjectSecret:
		return s.Secret != nil && s.Secret.Store.Same(in.Inventory.Secret(o).Ref())
	}
	return false
}

// untrusts tells whether a step removes what a connection presented before it moved to Entra's issuer.
func untrusts(s plan.Step, id string) bool {
	return s.Removal != nil && slices.Contains(s.Removal.Connections, inventory.ConnectionID(id))
}

// replaces tells whether a step is about the connection that takes another one's place.
func replaces(s plan.Step, id string) bool {
	switch {
	case s.Replacement != nil:
		return string(s.Replacement.ID) == id
	case s.FederatedCredential != nil && s.FederatedCredential.Replacement != nil:
		return string(s.FederatedCredential.Replacement.ID) == id
	}
	return false
}

// rewrites tells whether a step changes pipelines that name a connection: what they do with it, or its name.
func rewrites(s plan.Step, id string) bool {
	return s.PullRequest != nil && slices.ContainsFunc(s.PullRequest.Logins, func(l plan.PlannedLogin) bool {
		return l.Pipeline != nil && slices.Contains(l.Pipeline.Connections, inventory.ConnectionID(id))
	})
}

// trustFor tells whether a step adds a federated credential that an object needs.
func (in Input) trustFor(u plan.Unit, s plan.Step, o inventory.Object) bool {
	return s.FederatedCredential != nil && !s.OnDemand && slices.ContainsFunc(u.Coverage, func(c plan.Coverage) bool {
		return c.By == s.FederatedCredential.Credential.Name && slices.Contains(c.For, o.ID)
	})
}

// linked says what links an object with its identity.
func (in Input) linked(o inventory.Object) []Statement {
	out := []Statement{}
	switch o.Kind {
	case inventory.ObjectConnection:
		out = append(out, in.linkedConnection(in.Inventory.Connection(o))...)
	case inventory.ObjectIdentity:
		for _, c := range in.Inventory.ConnectionsOf(in.Inventory.Identity(o).AppID) {
			out = append(out, Statement{Claim: fmt.Sprintf("connection %s signs in as it", c.Name), Because: []string{"its data names this client id"}})
		}
		for _, u := range in.unitsOf(o) {
			for _, l := range u.Logins {
				out = append(out, linkedLogin(u, l))
			}
		}
	case inventory.ObjectLogin:
		for _, u := range in.unitsOf(o) {
			for _, l := range u.Logins {
				if string(l.ID) == o.ID && u.AppID != "" {
					out = append(out, linkedLogin(u, l))
				}
			}
		}
	case inventory.ObjectSecret:
		out = append(out, in.linkedSecret(o)...)
	case inventory.ObjectPipelineSecret:
		if s := in.Inventory.PipelineSecret(o); s.AppID != "" {
			out = append(out, Statement{Claim: "it is a credential of application " + string(s.AppID), Because: []string{"the client id beside it can be read"}})
		}
	default:
		id := in.Inventory.Identity(o)
		out = append(out, Statement{Claim: fmt.Sprintf("it belongs to %s (%s)", id.DisplayName, id.AppID), Because: []string{"Microsoft Graph lists it there"}})
	}
	return out
}

func (in Input) linkedConnection(c inventory.Connection) []Statement {
	var out []Statement
	if c.Replaces != "" {
		s := Statement{Claim: "it was made in place of connection " + string(c.Replaces), Because: []string{"its description says so"}}
		for i, old := range in.Inventory.Connections {
			if old.ID == c.Replaces {
				o := in.Inventory.ConnectionObject(i)
				s.Claim = fmt.Sprintf("it was made in place of connection %s (%s), id %s", o.Name, o.Place, o.ID)
			}
		}
		out = append(out, s)
	}
	if c.AppID == "" {
		return out
	}
	s := Statement{Claim: "it signs in as application " + string(c.AppID), Because: []string{"its parameter serviceprincipalid names it"}}
	managed := slices.IndexFunc(in.Inventory.ManagedIdentities, func(m inventory.ManagedIdentity) bool { return strings.EqualFold(string(m.ClientID), string(c.AppID)) })
	if id, ok := in.Inventory.IdentityOf(c.AppID); ok {
		s.Claim = fmt.Sprintf("it signs in as %s (%s)", id.Name, c.AppID)
	} else if managed >= 0 {
		s.Claim = fmt.Sprintf("it signs in as managed identity %s (%s)", in.Inventory.ManagedIdentities[managed].Name, c.AppID)
	} else {
		s.Because = append(s.Because, "the application is not in the inventory")
	}
	return append(out, s)
}

// linkRules say in words what the planner's rules are, the surest first.
var linkRules = map[string]string{
	"mapping":              "the configuration's mapping says so",
	"readable":             "an id beside it can be read",
	"federated-credential": "a federated credential already names the repository",
}

func linkedLogin(u plan.Unit, l plan.LoginUse) Statement {
	s := Statement{Claim: fmt.Sprintf("%s signs in as %s", l.ID, u.Title)}
	if rule := linkRules[l.By]; rule != "" {
		s.Because = append(s.Because, rule)
	}
	if l.Because != "" {
		s.Because = append(s.Because, l.Because)
	}
	return s
}

// linkedSecret says through which logins the plan found what is in a secret.
func (in Input) linkedSecret(o inventory.Object) []Statement {
	secret := in.Inventory.Secret(o)
	var out []Statement
	for _, u := range in.unitsOf(o) {
		if u.AppID == "" {
			continue
		}
		s := Statement{Claim: fmt.Sprintf("it holds a credential of %s (%s)", u.Title, u.AppID)}
		for _, l := range u.Logins {
			reads := slices.ContainsFunc(in.Inventory.Logins, func(x inventory.Login) bool { return x.ID == l.ID && inventory.MayRead(x, secret) })
			if reads && l.Because != "" && !slices.Contains(s.Because, l.Because) {
				s.Because = append(s.Because, l.Because)
			}
		}
		out = append(out, s)
	}
	return out
}
