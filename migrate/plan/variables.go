package plan

import (
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// id is one of the three ids that a login names.
type id struct {
	hint   string // what the login's text already names it by
	name   string // the configured variable
	suffix string // of a derived name
	value  func(memberUse) string
	set    func(*IdentityNames, string)
}

// placed is a variable that the plan writes.
type placed struct {
	store inventory.StoreRef
	value string
	apps  []inventory.AppID // whose logins read it
}

// namer gives variables to logins so that no name means two things in one place.
type namer struct {
	p      *planner
	placed map[string]*placed
	reads  map[string]string  // the value that a name has for the logins that read it, by repository, environment and name
	relied map[string]*placed // variables that exist already and have the right value
}

// nameVariables decides for every login that is rewritten by which variables it names its identity. The logins are
// gone through in a fixed order: the first takes the configured name, and where that already means something else, the
// name is derived from the secret.
func (p *planner) nameVariables(drafts []*draft) {
	blocked := map[inventory.AppID]bool{}
	for _, d := range drafts {
		blocked[d.unit.AppID] = len(d.blockers) > 0
	}
	n := &namer{p: p, placed: map[string]*placed{}, reads: map[string]string{}, relied: map[string]*placed{}}
	ordered := slices.Clone(p.members)
	by(ordered, func(m *member) string {
		return string(m.login.Repository) + "|" + m.secretName() + "|" + string(m.login.ID)
	})
	for _, m := range ordered {
		if m.hold != nil || len(m.uses) == 0 || slices.ContainsFunc(m.apps(), func(a inventory.AppID) bool { return blocked[a] }) {
			continue
		}
		for _, i := range p.ids(m) {
			i.set(&m.names, n.name(m, i))
		}
	}
	for _, d := range drafts {
		d.variables, d.relied = of(n.placed, d.unit.AppID), of(n.relied, d.unit.AppID)
	}
}

// secretName is the name that derived variables begin with.
func (m *member) secretName() string {
	for _, u := range m.uses {
		if u.store.Name != "" {
			return strings.ToUpper(u.store.Name)
		}
	}
	return "AZURE"
}

func (p *planner) ids(m *member) []id {
	tenant := func(u memberUse) string {
		if u.tenant != "" {
			return string(u.tenant)
		}
		return string(p.drafts[u.app].unit.TenantID)
	}
	hint := m.login.Identity
	return []id{
		{hint: hint.ClientID, name: p.cfg.Variables.ClientID, suffix: "_CLIENT_ID", set: func(n *IdentityNames, s string) { n.ClientID = s },
			value: func(u memberUse) string { return p.clientID(u.app) }},
		{hint: hint.TenantID, name: p.cfg.Variables.TenantID, suffix: "_TENANT_ID", set: func(n *IdentityNames, s string) { n.TenantID = s }, value: tenant},
		{hint: hint.SubscriptionID, name: p.cfg.Variables.SubscriptionID, suffix: "_SUBSCRIPTION_ID", set: func(n *IdentityNames, s string) { n.SubscriptionID = s },
			value: func(u memberUse) string { return string(p.subscription(u)) }},
	}
}

// name gives the expression for one id of a login: what its text already says, else a variable.
func (n *namer) name(m *member, i id) string {
	if i.hint != "" {
		return i.hint
	}
	if slices.ContainsFunc(m.uses, func(u memberUse) bool { return i.value(u) == "" }) {
		return ""
	}
	app := strings.ToUpper(strings.SplitN(string(m.uses[0].app), "-", 2)[0])
	candidates := []string{i.name, m.secretName() + i.suffix, "AZURE_" + app + i.suffix}
	for _, name := range candidates {
		if n.fits(m, i, name) {
			n.place(m, i, name)
			return n.p.prefix() + name
		}
	}
	// All names mean something else already; the last one is unique to the application, so that its
	// value was changed by a person: the step's precondition will say so.
	last := candidates[len(candidates)-1]
	n.place(m, i, last)
	return n.p.prefix() + last
}

func (p *planner) prefix() string {
	if p.cfg.IDs == IDsSecrets {
		return "secrets."
	}
	return "vars."
}

// fits tells whether a name is free, or has the right value, wherever the login would read it.
func (n *namer) fits(m *member, i id, name string) bool {
	for _, u := range m.uses {
		for _, e := range u.environments {
			if read, ok := n.reads[readKey(u, e, name)]; ok && read != i.value(u) || !n.means(u, e, name, i.value(u)) {
				return false
			}
		}
	}
	return true
}

// readKey names what vars.NAME is read as in one environment of a repository.
func readKey(u memberUse, environment, name string) string {
	return inventory.StoreRef{Level: inventory.LevelEnvironment, Repository: u.repository, Environment: environment, Name: name}.Key()
}

// means tells whether vars.NAME can be made to have a value in one environment. Nothing nearer may hide the place
// that it would be written to, and a value that others read may not be changed.
func (n *namer) means(u memberUse, environment, name, value string) bool {
	target := variableStore(u, environment, name)
	for _, r := range levels(u.repository, environment, name) {
		if p := n.placed[r.Key()]; p != nil {
			return p.value == value
		}
		if existing, ok := n.existing(r); ok {
			return existing == value
		}
		if r.Same(target) {
			return true
		}
	}
	return true
}

// existing gives the value that a store has now. The value of a secret cannot be read, so it never fits.
func (n *namer) existing(r inventory.StoreRef) (string, bool) {
	if n.p.cfg.IDs == IDsSecrets {
		return "", n.p.stores.secrets[r.Key()] != nil
	}
	if v := n.p.stores.variables[r.Key()]; v != nil {
		return v.Value, true
	}
	return "", false
}

// place notes that the login's variables are needed, in each environment where it reads them.
func (n *namer) place(m *member, i id, name string) {
	for _, u := range m.uses {
		for _, e := range u.environments {
			n.placeAt(u, e, name, i.value(u))
		}
	}
}

// placeAt takes the nearest place that has the value already, up to the one where the variable would be written: what is
// farther away and has another value is hidden by it.
func (n *namer) placeAt(u memberUse, environment, name, value string) {
	n.reads[readKey(u, environment, name)] = value
	for _, r := range levels(u.repository, environment, name) {
		if p := n.placed[r.Key()]; p != nil && p.value == value {
			p.readBy(u.app)
			return
		}
		if existing, ok := n.existing(r); ok && existing == value {
			if n.relied[r.Key()] == nil {
				n.relied[r.Key()] = &placed{store: r, value: value}
			}
			n.relied[r.Key()].readBy(u.app)
			return
		}
	}
	target := variableStore(u, environment, name)
	n.placed[target.Key()] = &placed{store: target, value: value, apps: []inventory.AppID{u.app}}
}

func (p *placed) readBy(app inventory.AppID) {
	if !slices.Contains(p.apps, app) {
		p.apps = append(p.apps, app)
	}
}

// variableStore is where a variable goes: into the environment where the secret is in one, else into the repository. An
// organisation's secret gets no organisation variable, which every other repository would see.
func variableStore(u memberUse, environment, name string) inventory.StoreRef {
	r := inventory.StoreRef{Level: inventory.LevelRepository, Repository: u.repository, Name: name}
	if u.store.Level == inventory.LevelEnvironment {
		r.Level, r.Environment = inventory.LevelEnvironment, environment
	}
	return r
}

// of gives those of the variables that an application's logins read, sorted.
func of(variables map[string]*placed, app inventory.AppID) []*placed {
	var out []*placed
	for _, p := range variables {
		if slices.Contains(p.apps, app) {
			out = append(out, p)
		}
	}
	by(out, func(p *placed) string { return p.store.Key() })
	return out
}
