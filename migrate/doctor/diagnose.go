package doctor

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// State is how it stands with one source or one permission.
type State string

// The states, the worst first.
const (
	Unreachable State = "unreachable" // no answer, or no sign-in: nothing of the source works
	Missing     State = "missing"     // a feature does not work
	Unknown     State = "unknown"     // there was nothing to judge it by
	Untested    State = "untested"    // only a change would show it, and nothing is changed
	Fine        State = "fine"
)

var ranks = []State{Unreachable, Missing, Unknown, Untested, Fine}

func (s State) rank() int { return slices.Index(ranks, s) }

// Result is how it stands with one permission, or with a source as a whole.
type Result struct {
	Permission string   `json:"permission,omitempty"` // its id in the least-privilege set
	Name       string   `json:"name"`
	State      State    `json:"state"`
	Object     string   `json:"object,omitempty"`  // what was asked
	Text       string   `json:"text,omitempty"`    // what was found
	Without    string   `json:"without,omitempty"` // what does not work
	Grant      []string `json:"grant,omitempty"`   // what would change that
}

// SourceReport is how it stands with one source.
type SourceReport struct {
	Kind    inventory.SourceKind `json:"kind"`
	Name    string               `json:"name"`
	URL     string               `json:"url,omitempty"`
	State   State                `json:"state"`
	Caller  string               `json:"caller,omitempty"`
	Notes   []string             `json:"notes,omitempty"`
	Results []Result             `json:"results"`
}

// Report is how it stands with all sources.
type Report struct {
	State   State          `json:"state"` // the worst of Unreachable, Missing and Fine
	Sources []SourceReport `json:"sources"`
}

// Diagnose says what the answers mean for the permissions of a phase; of all phases for "".
func Diagnose(sources []Source, phase permissions.Phase) Report {
	r := Report{State: Fine, Sources: []SourceReport{}}
	for _, s := range sources {
		one := diagnose(s, phase)
		if one.State.rank() < r.State.rank() {
			r.State = one.State
		}
		r.Sources = append(r.Sources, one)
	}
	return r
}

func diagnose(s Source, phase permissions.Phase) SourceReport {
	r := SourceReport{Kind: s.Kind, Name: s.Name, URL: s.URL, State: Fine, Results: []Result{}}
	for _, a := range s.Answers {
		r.note(a)
		r.judge(a, phase)
	}
	r.skew(s.Skew)
	if !r.has(Unreachable) {
		r.scopes(s, phase)
		r.granted(s, phase)
		r.untested(phase)
	}
	for _, x := range r.Results {
		if (x.State == Unreachable || x.State == Missing) && x.State.rank() < r.State.rank() {
			r.State = x.State
		}
	}
	return r
}

func (r *SourceReport) has(s State) bool {
	return slices.ContainsFunc(r.Results, func(x Result) bool { return x.State == s })
}

// note keeps what an answer tells of the caller.
func (r *SourceReport) note(a Answer) {
	r.Caller = cmp.Or(r.Caller, a.Facts[FactCaller])
	if kind := a.Facts[FactTokenKind]; kind != "" {
		text := "a " + kind + " token"
		switch kind {
		case TokenApp:
			text = "the token of an app's installation"
		case TokenClassic:
			text += " with the scopes " + cmp.Or(a.Facts[FactScopes], "(none)")
		}
		r.Notes = append(r.Notes, text)
	}
	if e := a.Facts[FactExpires]; e != "" {
		r.Notes = append(r.Notes, "the token ends "+e)
	}
}

// needs says which permission each check shows.
var needs = map[Check]string{
	CheckOrganization:   permissions.DevOpsProjects,
	CheckProjects:       permissions.DevOpsProjects,
	CheckConnections:    permissions.DevOpsConnectionRead,
	CheckRepositories:   permissions.DevOpsCodeRead,
	CheckApplications:   permissions.GraphApplicationRead,
	CheckFederated:      permissions.GraphApplicationRead,
	CheckSignInLog:      permissions.GraphAuditLog,
	CheckPolicies:       permissions.GraphPolicy,
	CheckSubscriptions:  permissions.AzureReader,
	CheckResourceGraph:  permissions.AzureReader,
	CheckRepository:     permissions.GitHubContents,
	CheckOIDC:           permissions.GitHubActions,
	CheckPermissions:    permissions.GitHubAdministration,
	CheckSecrets:        permissions.GitHubStores,
	CheckVariables:      permissions.GitHubStores,
	CheckDependabot:     permissions.GitHubStores,
	CheckEnvironments:   permissions.GitHubStores,
	CheckPulls:          permissions.GitHubPulls,
	CheckChecks:         permissions.GitHubChecks,
	CheckOrgSecrets:     permissions.GitHubOrganization,
	CheckOrgVariables:   permissions.GitHubOrganization,
	CheckOrgPermissions: permissions.GitHubOrganization,
}

// judge turns an answer into a result.
func (r *SourceReport) judge(a Answer, phase permissions.Phase) {
	if x, ok := useless(a); ok {
		r.add(x)
		return
	}
	id := needs[a.Check]
	p, ok := permissions.Named(id)
	if !ok || phase != "" && !slices.Contains(p.Phases, phase) {
		return
	}
	x := Result{Permission: id, Name: p.Name, State: Fine, Object: a.Object}
	if state, text := verdict(a); state != Fine {
		x.State, x.Text = state, text
	}
	if x.State == Missing {
		x.Without, x.Grant = p.Without, r.grant(p)
	}
	if unlicensed(a) {
		x.Text = "the tenant has no Microsoft Entra ID P1 or P2 licence, without which Graph does not show the sign-in log; no permission changes that"
		x.Grant = []string{"license the tenant (https://entra.microsoft.com, Billing, Licenses), or decide each revoke yourself"}
	}
	r.add(x)
}

// grant gives what grants a permission, with the source's own name where it is known.
func (r *SourceReport) grant(p permissions.Permission) []string {
	owner, _, _ := strings.Cut(r.Name, "/")
	var out []string
	for _, g := range p.Grant {
		if r.Kind == inventory.SourceAzureDevOps || r.Kind == inventory.SourceGitHub {
			g = strings.ReplaceAll(g, "<organisation>", owner)
		}
		out = append(out, g)
	}
	return out
}

// add adds a result. Of several about one permission the worst stands.
func (r *SourceReport) add(x Result) {
	i := slices.IndexFunc(r.Results, func(have Result) bool { return have.Permission == x.Permission && have.Name == x.Name })
	switch {
	case i < 0:
		r.Results = append(r.Results, x)
	case x.State.rank() < r.Results[i].State.rank():
		r.Results[i] = x
	}
}

// useless tells whether an answer means that nothing of the source works, whatever permissions there are.
func useless(a Answer) (Result, bool) {
	x := Result{Name: "connection", State: Unreachable, Object: a.Object, Text: a.Message}
	switch {
	case a.Check == CheckSignIn:
		x.Name = "sign-in"
		x.Grant = []string{a.Facts[FactSignIn]}
		if x.Grant[0] == "" {
			x.Grant[0] = "sign in: az login for Microsoft's services, gh auth login or GITHUB_TOKEN for GitHub; or set auth.azure in the configuration"
		}
	case a.Status == 0:
		x.Grant = []string{"check the name, the network, the proxy (HTTPS_PROXY) and the endpoint in the configuration"}
	case a.Status == http.StatusUnauthorized:
		x.Name = "sign-in"
		x.Text = strings.TrimSpace("the token is not accepted: " + said(a))
		x.Grant = []string{"sign in again, and check that the token is for this host and its tenant"}
	case a.Status == http.StatusTooManyRequests || a.Status >= 500:
		x.Text = fmt.Sprintf("HTTP %d: %s", a.Status, said(a))
		x.Grant = []string{"try again later"}
	case a.Check == CheckOrganization && a.Status == http.StatusNotFound:
		x.Text = "there is no such organisation, or the caller may not know of it"
		x.Grant = []string{"check azureDevOps.organizations in the configuration, and that the token is for the tenant that the organisation is connected to"}
	default:
		return x, false
	}
	return x, true
}

// said is what the service gave as its reason.
func said(a Answer) string {
	return strings.TrimSpace(strings.TrimSpace(a.Code + " " + a.Message))
}

func unlicensed(a Answer) bool {
	return a.Check == CheckSignInLog && a.Status == http.StatusForbidden && a.Code == "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
}

// verdict says what an answer means for the permission that its check shows.
func verdict(a Answer) (State, string) {
	if !a.OK() {
		text := fmt.Sprintf("HTTP %d: %s", a.Status, cmp.Or(said(a), http.StatusText(a.Status)))
		if accepted := a.Facts[FactAccepted]; accepted != "" {
			text += " (it would take " + accepted + ")"
		}
		return Missing, text
	}
	seen, counted := a.Facts[FactSeen]
	none := counted && seen == "0"
	switch {
	case none && a.Check == CheckProjects:
		return Missing, "no project is visible"
	case none && a.Check == CheckSubscriptions:
		return Missing, "no subscription is visible"
	case none && a.Check == CheckRepository:
		return Missing, "no repository is visible"
	case a.Facts[FactPublic] != "" && a.Check == CheckRepository:
		return Unknown, "only public repositories are visible, which everybody can read"
	case none && a.Check == CheckConnections:
		return Unknown, "no service connection is visible in the first projects: there may be none, or the Reader role is missing"
	case a.Check == CheckConnections && a.Facts[FactReadable] == "0":
		return Missing, seen + " service connections came without their data"
	case a.Check == CheckConnections && counted && a.Facts[FactReadable] != seen:
		return Missing, fmt.Sprintf("only %s of %s service connections came with their data: unsecret scan names the others", a.Facts[FactReadable], seen)
	}
	return Fine, ""
}

// Differences of the clocks: what Entra tolerates is not documented as a number, and five minutes is what token
// libraries allow by default (Microsoft Learn: AADSTS700024, the client assertion is not within its valid time range).
const (
	skewNoted  = 30 * time.Second
	skewRefuse = 5 * time.Minute
)

func (r *SourceReport) skew(d time.Duration) {
	text := fmt.Sprintf("this machine's clock is %s behind the service's", d.Round(time.Second))
	if d < 0 {
		text = fmt.Sprintf("this machine's clock is %s ahead of the service's", (-d).Round(time.Second))
	}
	switch {
	case d.Abs() > skewRefuse:
		r.add(Result{Name: "clock", State: Missing, Text: text, Without: "tokens are refused as too old or not yet valid, and soak times are counted wrong",
			Grant: []string{"set the clock, such as with timedatectl set-ntp true"}})
	case d.Abs() > skewNoted:
		r.Notes = append(r.Notes, text)
	}
}

// scopes judges a classic token by what GitHub says of it.
func (r *SourceReport) scopes(s Source, phase permissions.Phase) {
	i := slices.IndexFunc(s.Answers, func(a Answer) bool { return a.Facts[FactTokenKind] == TokenClassic })
	if i < 0 {
		return
	}
	have := strings.FieldsFunc(s.Answers[i].Facts[FactScopes], func(c rune) bool { return c == ',' || c == ' ' })
	for _, p := range permissions.Needed(phase) {
		if p.System != permissions.GitHub || !writes(p) {
			continue
		}
		x := Result{Permission: p.ID, Name: p.Name, State: Fine, Object: "the token's scopes"}
		if lacking := lacks(have, p.Scope); len(lacking) > 0 {
			x.State, x.Text, x.Without, x.Grant = Missing, "the token lacks the scope "+strings.Join(lacking, ", "), p.Without, r.grant(p)
		}
		r.add(x)
	}
}

// lacks gives the scopes that are wanted and not there.
func lacks(have []string, wanted string) []string {
	var out []string
	for scope := range strings.SplitSeq(wanted, ", ") {
		if !slices.Contains(have, scope) {
			out = append(out, scope)
		}
	}
	return out
}

// writes tells whether a permission is one that only a change would show.
func writes(p permissions.Permission) bool { return !slices.Contains(shown(), p.ID) }

// shown are the permissions that some check shows.
func shown() []string {
	var out []string
	for _, id := range needs {
		out = append(out, id)
	}
	return out
}

// systems says which permissions a source's report is about.
var systems = map[inventory.SourceKind]permissions.System{
	inventory.SourceAzureDevOps: permissions.AzureDevOps, inventory.SourceEntra: permissions.Graph,
	inventory.SourceAzure: permissions.Azure, inventory.SourceGitHub: permissions.GitHub,
}

// untested adds the permissions that nothing has shown.
func (r *SourceReport) untested(phase permissions.Phase) {
	for _, p := range permissions.Needed(phase) {
		known := slices.ContainsFunc(r.Results, func(x Result) bool { return x.Permission == p.ID })
		if p.System != systems[r.Kind] || known || !writes(p) {
			continue
		}
		why := "only a change would show it"
		if p.ID == permissions.DevOpsConnectionUser {
			why = "only the test of a connection would show it, which leaves a trace in the connection's history"
		}
		r.Results = append(r.Results, Result{Permission: p.ID, Name: p.Name, State: Untested, Text: why, Without: p.Without, Grant: r.grant(p)})
	}
}
