package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// What became of a unit that was planned again.
const (
	AgainSame    = "same"    // its plan is as it was
	AgainChanged = "changed" // its plan is another one
	AgainAdded   = "added"   // the plan did not have it
	AgainRemoved = "removed" // there is nothing to do for it any more
)

// Renewal is a plan of which one unit was planned again by itself.
type Renewal struct {
	Plan  *Plan
	Units []Renewed // the unit, then those that had to be planned again with it
	// Stays are units that have to do with what has changed, and are as they were: nothing that was found adds to what uses their secrets.
	Stays []string
}

// Renewed is one unit that was planned again.
type Renewed struct {
	Unit  string   `json:"unit"`
	Title string   `json:"title"`
	What  string   `json:"what"`          // same, changed, added or removed
	Why   []string `json:"why,omitempty"` // why it was planned again with the one that was named
}

// ConfigError tells that the configuration is not the one that a plan was made with. A plan has one for all its units.
type ConfigError struct {
	Settings []string // the names of those that differ
}

func (e *ConfigError) Error() string {
	return "the configuration has changed since the plan was made (plan." + strings.Join(e.Settings, ", plan.") + "), which can change every unit"
}

// ObjectsOf gives what a unit is about: its application, the connections that sign in as it, and the repositories that its logins are in, run in, or find
// their secrets in.
func ObjectsOf(inv *inventory.Inventory, u Unit) inventory.Part {
	var part inventory.Part
	if u.AppID != "" {
		part.Applications = []inventory.AppID{u.AppID}
	}
	connection := func(id inventory.ConnectionID) {
		if !part.HasConnection(id) {
			part.Connections = append(part.Connections, id)
		}
	}
	repository := func(name inventory.RepositoryName) {
		if _, _, _, azure := name.AzureRepos(); name != "" && !azure && !part.HasRepository(name) {
			part.Repositories = append(part.Repositories, name)
		}
	}
	for _, c := range u.Connections {
		connection(c.ID)
	}
	for _, c := range inv.Connections {
		if part.HasApplication(c.AppID) {
			connection(c.ID)
		}
	}
	for _, l := range u.Logins {
		repository(l.Repository)
	}
	for _, w := range u.Workflows {
		repository(w.Repository)
	}
	for _, r := range u.Secrets {
		repository(r.Repository)
	}
	for _, s := range u.Steps {
		if s.PullRequest == nil {
			continue
		}
		repository(s.PullRequest.Repository)
		for _, r := range inv.Repositories { // which has the name that it had at the last scan
			if r.ID != 0 && r.ID == s.PullRequest.RepositoryID {
				repository(r.Name)
			}
		}
	}
	slices.Sort(part.Connections)
	slices.Sort(part.Repositories)
	return part
}

// Again plans one unit again, and leaves every other as a plan has it: after is the inventory before with the unit's objects as they are now, and nothing
// else. A unit that is under way by the plan so goes on undisturbed, and an approval of it holds.
//
// Another unit is planned again with it only where what was found makes that necessary: something more uses its secret now, an object has moved between it and
// the one that is named, a login signs in as both, or both would write the same file or variable otherwise.
func Again(saved *Plan, before, after *inventory.Inventory, cfg Config, unit string, moved ...Moved) (*Renewal, error) {
	was, err := New(before, cfg, moved...)
	if err != nil {
		return nil, err
	}
	is, err := New(after, cfg, moved...)
	if err != nil {
		return nil, err
	}
	r := &renewal{saved: saved, was: was, is: is, taken: map[string][]string{unit: nil}, named: unit}
	for _, p := range []*Plan{saved, was, is} {
		if u, ok := p.Unit(unit); ok {
			r.app = u.AppID
		}
	}
	if is.Config != saved.Config {
		if err := r.configured(before, moved); err != nil {
			return nil, err
		}
	}
	r.join()
	return r.compose(), nil
}

// configured takes in the units for which the configuration is another one than the plan was made with. Only what decides on single objects may differ: who
// is behind a secret, what is excluded, which concerns are accepted. All else decides on every unit.
func (r *renewal) configured(before *inventory.Inventory, moved []Moved) error {
	single := func(c Config) Config {
		c.Mapping, c.MappingFile, c.Exclude, c.Connections.Accept = nil, "", nil, nil
		return c
	}
	if a, b := single(r.saved.Settings), single(r.is.Settings); hashJSON(a) != hashJSON(b) {
		return &ConfigError{Settings: differingSettings(a, b)}
	}
	then, err := New(before, r.saved.Settings, moved...)
	if err != nil {
		return err
	}
	for _, id := range r.ids() {
		was, a := then.Unit(id)
		is, b := r.was.Unit(id)
		if _, ok := r.taken[id]; !ok && (a != b || a && was.Hash() != is.Hash()) {
			r.taken[id] = []string{"the configuration is another one for it"}
		}
	}
	return nil
}

func differingSettings(a, b Config) []string {
	var x, y map[string]any
	for _, p := range []struct {
		from Config
		to   *map[string]any
	}{{a, &x}, {b, &y}} {
		raw, err := json.Marshal(p.from)
		if err == nil {
			err = json.Unmarshal(raw, p.to)
		}
		if err != nil {
			return []string{"*"}
		}
	}
	var out []string
	for _, m := range []map[string]any{x, y} {
		for name := range m {
			if !reflect.DeepEqual(x[name], y[name]) && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// renewal is one call of Again.
type renewal struct {
	saved *Plan
	was   *Plan // of everything, as the inventory was
	is    *Plan // of everything, as it is now
	named string
	app   inventory.AppID     // of the unit that is named: of no other is it known what it trusts now
	taken map[string][]string // units that are planned again, with the reasons
}

// ids are the units of all three plans, and the named one, which only an earlier plan may have; sorted.
func (r *renewal) ids() []string {
	out := []string{r.named}
	for _, p := range []*Plan{r.saved, r.was, r.is} {
		for _, u := range p.Units {
			out = append(out, u.ID)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// join takes in the units that must be planned again with those that are taken already, until there are no more.
func (r *renewal) join() {
	for grown := true; grown; {
		grown = false
		for _, id := range r.ids() {
			if _, ok := r.taken[id]; ok {
				continue
			}
			if why := r.joins(id); len(why) > 0 {
				r.taken[id], grown = why, true
			}
		}
	}
}

// differs tells whether what was read changes the plan of a unit.
func (r *renewal) differs(id string) bool {
	was, a := r.was.Unit(id)
	is, b := r.is.Unit(id)
	return a != b || a && was.Hash() != is.Hash()
}

// joins tells why a unit must be planned again with those that are taken; nothing: it need not.
func (r *renewal) joins(id string) []string {
	was, had := r.was.Unit(id)
	is, has := r.is.Unit(id)
	if cmp.Or(is.Kind, was.Kind) == KindTrust {
		kept, there := r.saved.Unit(id)
		if !has || is.AppID != r.app || there && kept.Hash() == is.Hash() {
			return nil
		}
		return []string{"logins of the unit that were migrated present what its application does not trust"}
	}
	var why []string
	if r.differs(id) {
		switch {
		case has:
			why = gained(was, is)
			if !had && len(why) == 0 {
				why = []string{"it is new"}
			}
		case was.AppID == "":
			why = []string{"which identity is behind its secret is known now, or nothing reads the secret any more"}
		}
		for other := range r.taken {
			why = append(why, r.shared(id, was, is, other)...)
		}
	}
	if kept, ok := r.saved.Unit(id); ok {
		for other := range r.taken {
			if now, ok := r.is.Unit(other); ok {
				why = append(why, conflicts(kept, now)...)
			}
		}
	}
	slices.Sort(why)
	return slices.Compact(why)
}

// gained tells what adds to a unit: uses of its secret, and reasons to keep it or to do nothing. A plan that does not know them could revoke too early.
func gained(was, is Unit) []string {
	var out []string
	for _, c := range is.Connections {
		if !c.Already && !slices.ContainsFunc(was.Connections, func(x ConnectionUse) bool { return x.ID == c.ID }) {
			out = append(out, fmt.Sprintf("connection %s (%s/%s) signs in as it now", c.Name, c.Organization, c.ProjectName))
		}
	}
	count := func(u Unit) map[string]int {
		n := map[string]int{}
		for _, l := range u.Logins {
			n[string(l.Repository)+"/"+l.File]++
		}
		return n
	}
	before := count(was)
	for file, n := range count(is) {
		if n > before[file] {
			out = append(out, "more in "+file+" signs in as it now")
		}
	}
	for _, s := range is.Secrets {
		if !slices.ContainsFunc(was.Secrets, s.Same) {
			out = append(out, "secret "+s.String()+" is its secret now")
		}
	}
	known := slices.Concat(was.Withheld, was.Blockers)
	for _, x := range slices.Concat(is.Withheld, is.Blockers) {
		if !slices.ContainsFunc(known, func(k Reason) bool { return k.Code == x.Code && k.Object == x.Object }) {
			out = append(out, x.Message)
		}
	}
	return out
}

// shared tells what moved from a unit to one that is taken, and which logins are of both.
func (r *renewal) shared(id string, was, is Unit, other string) []string {
	var out []string
	now, _ := r.is.Unit(other)
	before, _ := r.was.Unit(other)
	for _, c := range was.Connections {
		same := func(x ConnectionUse) bool { return x.ID == c.ID }
		if !slices.ContainsFunc(is.Connections, same) && slices.ContainsFunc(now.Connections, same) {
			out = append(out, fmt.Sprintf("connection %s is of unit %s now", c.Name, other))
		}
	}
	for _, s := range was.Secrets {
		if !slices.ContainsFunc(is.Secrets, s.Same) && slices.ContainsFunc(now.Secrets, s.Same) {
			out = append(out, fmt.Sprintf("secret %s is of unit %s now", s, other))
		}
	}
	for _, u := range []Unit{now, before} {
		for _, s := range u.Steps {
			if s.PullRequest != nil && slices.ContainsFunc(s.PullRequest.Logins, func(l PlannedLogin) bool { return slices.Contains(l.Shares, id) }) {
				out = append(out, fmt.Sprintf("a login of %s signs in as unit %s, too", s.PullRequest.Repository, other))
			}
		}
	}
	return out
}

// conflicts tells where a unit as it stands and one that is planned anew cannot both be carried out: they would write the same thing otherwise, or know a
// repository, which gets one pull request for both, as two different ones.
func conflicts(kept, now Unit) []string {
	var out []string
	for _, s := range kept.Steps {
		for _, t := range now.Steps {
			switch {
			case s.Variable != nil && t.Variable != nil && s.Variable.Store.Same(t.Variable.Store) && *s.Variable != *t.Variable:
				out = append(out, fmt.Sprintf("%s gets another value for unit %s", s.Variable.Store, now.ID))
			case s.FederatedCredential != nil && t.FederatedCredential != nil && s.ID == t.ID && s.FederatedCredential.Application == t.FederatedCredential.Application &&
				s.FederatedCredential.Identity == t.FederatedCredential.Identity && TrustFact(s.FederatedCredential.Credential) != TrustFact(t.FederatedCredential.Credential):
				out = append(out, fmt.Sprintf("federated credential %s is another one for unit %s", s.FederatedCredential.Credential.Name, now.ID))
			case s.PullRequest != nil && t.PullRequest != nil:
				out = append(out, conflictsOfRequests(s.PullRequest, t.PullRequest)...)
			}
		}
	}
	return out
}

func conflictsOfRequests(kept, now *PullRequestStep) []string {
	named := strings.EqualFold(string(kept.Repository), string(now.Repository))
	if !named && (kept.RepositoryID == 0 || kept.RepositoryID != now.RepositoryID) {
		return nil
	}
	switch {
	case !named:
		return []string{fmt.Sprintf("repository %s is called %s now", kept.Repository, now.Repository)}
	case kept.RepositoryID != now.RepositoryID || kept.NodeID != now.NodeID:
		return []string{fmt.Sprintf("another repository is called %s now", kept.Repository)}
	case kept.Base != now.Base:
		return []string{fmt.Sprintf("the default branch of %s moved from %q to %q", kept.Repository, kept.Base, now.Base)}
	}
	var out []string
	for _, f := range kept.Files {
		if slices.ContainsFunc(now.Files, func(g inventory.File) bool { return g.Path == f.Path && g.OID != f.OID }) {
			out = append(out, fmt.Sprintf("%s of %s, which has changed, holds logins of both", f.Path, kept.Repository))
		}
	}
	return out
}

// compose puts the units that are taken in the place of what the plan had of them.
func (r *renewal) compose() *Renewal {
	p := *r.saved
	p.Inventory, p.Federated, p.Proposed, p.Left = r.is.Inventory, r.federated(), r.is.Proposed, r.left()
	p.Config, p.Settings = r.is.Config, r.is.Settings
	p.Units = []Unit{}
	for _, u := range r.saved.Units {
		if _, ok := r.taken[u.ID]; !ok {
			p.Units = append(p.Units, u)
		}
	}
	out := &Renewal{Plan: &p}
	p.Again = slices.DeleteFunc(slices.Clone(r.saved.Again), func(id string) bool { _, ok := r.taken[id]; return ok })
	for _, id := range r.ids() {
		why, ok := r.taken[id]
		if !ok {
			if _, kept := r.saved.Unit(id); kept && r.differs(id) {
				out.Stays = append(out.Stays, id)
			}
			continue
		}
		kept, had := r.saved.Unit(id)
		now, has := r.is.Unit(id)
		x := Renewed{Unit: id, Title: now.Title, What: AgainChanged, Why: why}
		switch {
		case !had && !has && id != r.named:
			continue
		case !had && !has:
			x.Title, x.What = id, AgainRemoved
		case !had:
			x.What = AgainAdded
		case !has:
			x.Title, x.What = kept.Title, AgainRemoved
		case kept.Hash() == now.Hash():
			x.What = AgainSame
		}
		if has {
			p.Units = append(p.Units, now)
		}
		if has && x.What != AgainSame || slices.Contains(r.saved.Again, id) && has {
			p.Again = append(p.Again, id)
		}
		out.Units = append(out.Units, x)
	}
	slices.SortStableFunc(out.Units, func(a, b Renewed) int {
		switch r.named {
		case a.Unit:
			return -1
		case b.Unit:
			return 1
		}
		return 0
	})
	by(p.Units, func(u Unit) string { return u.ID })
	p.Summary = summarize(&p)
	return out
}

// federated is what earlier plans migrated, as it is now where it signs in as the unit's application.
func (r *renewal) federated() []Federated {
	out := slices.DeleteFunc(slices.Clone(r.saved.Federated), func(f Federated) bool { return f.AppID == r.app })
	for _, f := range r.is.Federated {
		if f.AppID == r.app {
			out = append(out, f)
		}
	}
	sortFederated(out)
	return out
}

// left is what the plan leaves alone, with what was found.
func (r *renewal) left() []Left {
	key := func(l Left) string { return hashJSON(l) }
	was, is := map[string]bool{}, map[string]bool{}
	for _, l := range r.was.Left {
		was[key(l)] = true
	}
	for _, l := range r.is.Left {
		is[key(l)] = true
	}
	out := slices.DeleteFunc(slices.Clone(r.saved.Left), func(l Left) bool { return was[key(l)] && !is[key(l)] })
	for _, l := range r.is.Left {
		if !was[key(l)] {
			out = append(out, l)
		}
	}
	sortLeft(out)
	return out
}

// FilesOf gives the versions of a repository's files that a plan speaks of. Units that were planned again know other versions than the rest: a file that
// a unit rewrites is as that unit knows it, and all others are as the unit that was planned last knows them.
func (p *Plan) FilesOf(repo inventory.RepositoryName) map[string]string {
	rewritten, beside := map[string]string{}, map[string]string{}
	for _, u := range p.byAge() {
		s, ok := u.Step(PullRequestID(repo))
		if !ok {
			continue
		}
		for _, f := range s.PullRequest.Context {
			beside[f.Path] = f.OID
		}
		for _, f := range s.PullRequest.Files {
			rewritten[f.Path] = f.OID
		}
	}
	for path, oid := range rewritten {
		beside[path] = oid
	}
	return beside
}

// RequestIn gives what the plan knows of a repository that it rewrites logins in, as the unit knows it that was planned last.
func (p *Plan) RequestIn(repo inventory.RepositoryName) (PullRequestStep, bool) {
	for _, u := range slices.Backward(p.byAge()) {
		if s, ok := u.Step(PullRequestID(repo)); ok {
			return *s.PullRequest, true
		}
	}
	return PullRequestStep{}, false
}

// byAge gives the units, those last that were planned last.
func (p *Plan) byAge() []Unit {
	if len(p.Again) == 0 {
		return p.Units
	}
	out := slices.Clone(p.Units)
	slices.SortStableFunc(out, func(a, b Unit) int { return slices.Index(p.Again, a.ID) - slices.Index(p.Again, b.ID) })
	return out
}
