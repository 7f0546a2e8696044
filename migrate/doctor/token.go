package doctor

import (
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// allows are the permissions of Microsoft Graph that allow what one of the set is for: of an application, and of a person's token (Microsoft Graph
// permissions reference).
var allows = map[string]struct{ application, delegated []string }{
	permissions.GraphOwnedBy: {[]string{"Application.ReadWrite.OwnedBy", "Application.ReadWrite.All", "Directory.ReadWrite.All"},
		[]string{"Application.ReadWrite.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All"}},
	permissions.GraphPolicyWrite: {[]string{"Policy.ReadWrite.ApplicationConfiguration"}, []string{"Policy.ReadWrite.ApplicationConfiguration"}},
}

// granted judges what only a change of Microsoft Graph would show by what the token says of its caller, where it says something.
func (r *SourceReport) granted(s Source, phase permissions.Phase) {
	i := slices.IndexFunc(s.Answers, func(a Answer) bool { _, ok := a.Facts[FactGranted]; return ok })
	if i < 0 {
		return
	}
	facts := s.Answers[i].Facts
	have, person := strings.Fields(facts[FactGranted]), facts[FactPerson] != ""
	admin := slices.ContainsFunc(strings.Fields(facts[FactDirectoryRoles]), func(id string) bool {
		return slices.Contains(permissions.ApplicationAdministrators(), strings.ToLower(id))
	})
	for _, p := range permissions.Needed(phase) {
		rule, ok := allows[p.ID]
		if !ok {
			continue
		}
		r.add(r.byToken(p, rule.application, rule.delegated, have, person, admin))
	}
}

func (r *SourceReport) byToken(p permissions.Permission, application, delegated, have []string, person, admin bool) Result {
	x := Result{Permission: p.ID, Name: p.Name, State: Fine, Object: "what the token says of the caller"}
	wanted, what := application, "application permission"
	if person {
		wanted, what = delegated, "scope"
	}
	holds := slices.ContainsFunc(wanted, func(name string) bool { return slices.Contains(have, name) })
	switch {
	case holds && (!person || admin), admin && !person:
	case holds:
		x.State, x.Text = Untested, "only a change would show whether the caller owns each application, or administers it; the token's scopes allow it"
	case p.Where != "":
		x.State, x.Text, x.Without, x.Grant = Untested, "the token does not hold it, and only "+p.Where+" needs it", p.Without, r.grant(p)
	default:
		x.State, x.Text, x.Without, x.Grant = Missing, "the token lacks the "+what+" "+wanted[0], p.Without, r.grant(p)
	}
	return x
}
