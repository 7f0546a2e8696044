package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// headline says how things stand. What could not be read is part of it: it is never clean.
func headline(s Summary) string {
	parts := []string{known(s), others(s), unknown(s)}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " ")
}

// others says what else is stored that nothing here migrates: it is not clean, and not part of the migration either.
func others(s Summary) string {
	var parts []string
	switch n := s.ConnectionsOther; {
	case n == 1:
		parts = append(parts, "1 service connection stores another credential or may store one, such as a registry's, a cluster's, GitHub's or another service's")
	case n > 1:
		parts = append(parts, itoa(n)+" service connections store other credentials or may store some, such as a registry's, a cluster's, GitHub's or another service's")
	}
	switch n := s.PipelineSecrets; {
	case n == 1:
		parts = append(parts, "1 variable, secure file or script of Azure DevOps looks like a service principal's credential or uses one")
	case n > 1:
		parts = append(parts, itoa(n)+" variables, secure files or scripts of Azure DevOps look like a service principal's credential or use one")
	}
	if len(parts) == 0 {
		return ""
	}
	return "Besides, " + strings.Join(parts, ", and ") + ". That is left to people."
}

// unknown says that something could not be read.
func unknown(s Summary) string {
	if s.Gaps == 0 {
		return ""
	}
	return count(s.Gaps, "object") + " could not be read, so what is behind is not known."
}

// known says in one sentence what was found.
func known(s Summary) string {
	var still []string
	if s.LoginsStill > 0 {
		still = append(still, fmt.Sprintf("%d of %s in workflows", s.LoginsStill, count(s.Logins, "login")))
	}
	if s.ConnectionsStill > 0 {
		still = append(still, fmt.Sprintf("%d of %s", s.ConnectionsStill, count(s.Connections, "service connection")))
	}
	switch {
	case s.LoginsStill+s.ConnectionsStill == 1:
		return still[0] + " still signs in to Azure with a stored credential."
	case len(still) > 0:
		return strings.Join(still, " and ") + " still sign in to Azure with a stored credential."
	case s.Logins+s.Connections == 0:
		return "No login and no service connection was found."
	default:
		return "No login and no service connection that could be read signs in to Azure with a stored secret of a service principal."
	}
}

// worstShown is how many rules the first screen names, and objectsShown how many objects for each of them.
const (
	worstShown   = 5
	objectsShown = 3
)

// worst is one line of the first screen: a rule, with the first repositories or objects that break it.
type worst struct {
	ruleGroup
	Objects []string
	More    int
}

// worstFirst picks the rules that a reader should know of even if nothing else is read.
func worstFirst(groups []ruleGroup) []worst {
	var out []worst
	for _, g := range groups {
		if len(out) == worstShown || g.Severity == policy.Info {
			break
		}
		w := worst{ruleGroup: g}
		seen := map[string]bool{}
		for _, f := range g.Findings {
			o := cmp.Or(string(f.Repository), f.File, f.Object)
			if !seen[o] && len(w.Objects) < objectsShown {
				w.Objects = append(w.Objects, o)
			}
			seen[o] = true
		}
		w.More = len(seen) - len(w.Objects)
		out = append(out, w)
	}
	return out
}

// unitRow is one unit of the plan and where it stands.
type unitRow struct {
	plan.Unit
	Progress UnitProgress
}

// stateNames are the states for a reader, in the order of a migration.
var stateNames = []struct{ state, text, next string }{
	{"failed", "failed", "%s failed: see the reason in the plan below, then unsecret status"},
	{"blocked", "blocked", "%s blocked: the plan below says what a person has to decide or repair first"},
	{"planned", "ready", "%s ready: review the plan, then unsecret apply"},
	{"pending", "waiting", "%s waiting for something outside, such as a merge: the plan below says for what"},
	{"migrated", "migrated", "%s migrated: unsecret verify proves that every sign-in works without the secret"},
	{"verified", "verified", "%s verified: unsecret revoke removes the old secrets for good, and trust in the old issuer, once the soak time is over"},
	{"revoked", "done", ""},
	{"rolledBack", "rolled back", "%s rolled back: the old secrets are in use again; repair the cause, then plan again"},
}

// StateText is the unit's state in a word.
func (u unitRow) StateText() string {
	for _, n := range stateNames {
		if n.state == u.Progress.State {
			return n.text
		}
	}
	return u.Progress.State
}

// Why says what the unit waits for or why it is left, in one text.
func (u unitRow) Why() string {
	var parts []string
	if u.Progress.Detail != "" {
		parts = append(parts, u.Progress.Detail)
	}
	if !u.Progress.Until.IsZero() {
		parts = append(parts, "until "+u.Progress.Until.UTC().Format("2006-01-02 15:04 UTC"))
	}
	for _, r := range slices.Concat(u.Blockers, u.Withheld) {
		if text := r.Text(); text != u.Progress.Detail {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}

// unitRows joins the plan's units with their progress.
func unitRows(in Input) []unitRow {
	if in.Plan == nil {
		return nil
	}
	state := map[string]UnitProgress{}
	for _, u := range in.Progress {
		state[u.Unit] = u
	}
	rows := make([]unitRow, 0, len(in.Plan.Units))
	for _, u := range in.Plan.Units {
		row := unitRow{Unit: u, Progress: state[u.ID]}
		if row.Progress.State == "" {
			row.Progress.State = "planned"
			if u.Blocked() {
				row.Progress.State = "blocked"
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// nextSteps says what to do now, in order.
func nextSteps(in Input, s Summary, units []unitRow) []string {
	var out []string
	if s.Gaps > 0 {
		out = append(out, "Make readable what could not be read, see below, then scan again")
	}
	if in.outdated() {
		out = append(out, "Scan again: the numbers here are of before the last change")
	}
	if in.Plan == nil {
		if s.LoginsStill+s.ConnectionsStill > 0 {
			out = append(out, "Run unsecret plan: it changes nothing, and says for each identity what would be done and what stands in the way")
		}
		return out
	}
	n := map[string]int{}
	for _, u := range units {
		n[u.Progress.State]++
	}
	for _, state := range stateNames {
		if c := n[state.state]; c > 0 && state.next != "" {
			verb := " are"
			if c == 1 {
				verb = " is"
			}
			if state.state == "failed" {
				verb = ""
			}
			out = append(out, fmt.Sprintf(state.next, count(c, "unit")+verb))
		}
	}
	for _, r := range in.Plan.Proposed {
		out = append(out, "Proposed: "+r.Message+"; "+strings.Join(r.Next, "; "))
	}
	if left := handwork(in.Plan.Left); len(left) > 0 {
		out = append(out, count(len(left), "object")+" left to a person: the list below says why, and the steps by hand")
	}
	return out
}

// handwork is what the plan leaves to a person: not what needs nothing, nor what is told as a gap.
func handwork(left []plan.Left) []plan.Left {
	return slices.DeleteFunc(slices.Clone(left), func(l plan.Left) bool { return l.Code == "already" || l.Code == "gap" })
}

// byRule groups findings that count by rule, the worst and most frequent first.
func byRule(findings []policy.Finding) []ruleGroup {
	rules := map[string]policy.Rule{}
	for _, r := range policy.Rules() {
		rules[r.ID] = r
	}
	groups := map[string]*ruleGroup{}
	for _, f := range findings {
		if f.Excepted != nil {
			continue
		}
		g := groups[f.Rule]
		if g == nil {
			rule, ok := rules[f.Rule]
			if !ok {
				rule = policy.Rule{ID: f.Rule, Name: f.Rule} // of another version of the program
			}
			g = &ruleGroup{Rule: rule, Severity: f.Severity}
			groups[f.Rule] = g
		}
		if f.Severity.AtLeast(g.Severity) {
			g.Severity = f.Severity
		}
		g.Findings = append(g.Findings, f)
	}
	out := make([]ruleGroup, 0, len(groups))
	for _, g := range groups {
		out = append(out, *g)
	}
	order := policy.Severities()
	slices.SortFunc(out, func(a, b ruleGroup) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Severity), slices.Index(order, b.Severity)),
			cmp.Compare(len(b.Findings), len(a.Findings)), cmp.Compare(a.Rule.ID, b.Rule.ID))
	})
	return out
}

type ruleGroup struct {
	Rule     policy.Rule
	Severity policy.Severity // the worst of its findings
	Findings []policy.Finding
}

// openRows is how long a group's table may be to be shown without being asked for.
const openRows = 25

// Open tells whether the group's table is unfolded at first.
func (g ruleGroup) Open() bool {
	return len(g.Findings) <= openRows && g.Severity.AtLeast(policy.Medium)
}

// Own gives the remedy of a finding where it differs from its rule's, which is told once for all of them.
func (g ruleGroup) Own(f policy.Finding) []string {
	if slices.Equal(f.Remedy, g.Rule.Remedy) {
		return nil
	}
	return f.Remedy
}

// Mixed tells whether the findings differ in severity.
func (g ruleGroup) Mixed() bool {
	return slices.ContainsFunc(g.Findings, func(f policy.Finding) bool { return f.Severity != g.Severity })
}
