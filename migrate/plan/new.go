package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// planner holds what one call of New works on.
type planner struct {
	inv     *inventory.Inventory
	cfg     Config
	stores  *stores
	linker  *linker
	apps    map[inventory.AppID]*inventory.Identity
	drafts  map[inventory.AppID]*draft
	unknown map[string]*draft // by store: units whose identity is not known
	members []*member
	byLogin map[inventory.LoginID]*member
	left    []Left
	texts   pipelineTexts

	oldTrust inventory.OldTrust
}

// draft is a unit in the making.
type draft struct {
	unit     Unit
	identity *inventory.Identity
	conns    []*connection
	members  []*member
	trust    trust
	target   *target
	blockers []Reason

	targetProblem *Reason

	suspects  []Reason // logins that may use the identity, which is not certain
	variables []*placed
	relied    []*placed // that exist already
}

// New plans the migration of everything in an inventory. The result depends on nothing but its arguments: moved is what earlier plans have
// done already, so that the trust of it is looked after.
func New(inv *inventory.Inventory, cfg Config, moved ...Moved) (*Plan, error) {
	p, err := begin(inv, cfg)
	if err != nil {
		return nil, err
	}
	p.linkLogins()
	p.linkConnections()
	p.suspectGaps()
	p.settle()
	return p.plan(moved), nil
}

// begin checks what a plan is made from, and prepares to link it.
func begin(inv *inventory.Inventory, cfg Config) (*planner, error) {
	if inv == nil {
		return nil, errors.New("plan: there is no inventory")
	}
	if inv.Version != 0 && inv.Version != inventory.Version {
		return nil, fmt.Errorf("plan: the inventory has version %d, this program reads version %d: scan again", inv.Version, inventory.Version)
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("plan: configuration: %w", err)
	}
	c, err := canonical(inv)
	if err != nil {
		return nil, err
	}
	return newPlanner(c, cfg.withDefaults()), nil
}

func newPlanner(inv *inventory.Inventory, cfg Config) *planner {
	p := &planner{inv: inv, cfg: cfg, stores: newStores(inv, cfg.Mapping), apps: map[inventory.AppID]*inventory.Identity{},
		drafts: map[inventory.AppID]*draft{}, unknown: map[string]*draft{},
		byLogin: map[inventory.LoginID]*member{}, texts: newPipelineTexts(inv), oldTrust: inventory.NewOldTrust(inv)}
	p.linker = &linker{inv: inv, stores: p.stores, mapping: cfg.Mapping, names: cfg.Variables, only: map[string]int{}}
	for i := range inv.Identities {
		p.apps[inv.Identities[i].AppID] = &inv.Identities[i]
	}
	return p
}

// draft gives the unit of an application, making it when it is first named.
func (p *planner) draft(app inventory.AppID) *draft {
	d := p.drafts[app]
	if d == nil {
		id := p.apps[app]
		d = &draft{identity: id, unit: Unit{AppID: app}}
		if id != nil {
			d.unit.ObjectID, d.unit.TenantID, d.unit.Title = id.ObjectID, id.TenantID, id.DisplayName
		}
		d.unit.Title = cmp.Or(d.unit.Title, string(app))
		d.unit.ID = unitID(d.unit.Title, string(app))
		p.drafts[app] = d
	}
	return d
}

// settle finds out what of each unit can be done. A login that signs in as several identities is done only if all of
// their units are, so that one blocked unit can hold a login of another: hence the repetition, which ends since
// holds are only ever added.
func (p *planner) settle() {
	for _, d := range p.sorted() {
		d.target, d.targetProblem = p.target(d)
	}
	p.shareTargets()
	p.chooseReplaced()
	p.holdLogins()
	p.holdConnections()
	for changed := true; changed; {
		changed = false
		for _, d := range p.sorted() {
			changed = p.settleUnit(d) || changed
		}
		changed = p.holdShared() || changed
		changed = p.holdTogether() || changed
		changed = p.holdCrossed() || changed
	}
}

// settleUnit chooses the federated credentials of a unit and finds its blockers; it tells whether a hold was added.
func (p *planner) settleUnit(d *draft) bool {
	d.blockers = nil
	if d.identity == nil {
		d.blockers = []Reason{identityNotFound(d.unit.AppID)}
		return false
	}
	for _, e := range p.cfg.Exclude {
		if e.AppID != "" && lower(e.AppID) == d.unit.AppID && e.Connection == "" && e.Repository == "" && e.File == "" {
			d.blockers = []Reason{*excluded(d.unit.Title, e)}
			return false
		}
	}
	if d.targetProblem != nil {
		d.blockers = []Reason{*d.targetProblem}
		return false
	}
	if r := p.replacedOtherwise(d); r != nil {
		d.blockers = []Reason{*r}
		return false
	}
	changed := p.chooseTrust(d)
	if d.convertible() == 0 {
		d.blockers = append(d.blockers, d.holds()...)
	}
	d.blockers = append(d.blockers, d.trust.blockers...)
	return changed
}

// holdShared holds the logins that sign in as several identities of which one is blocked, and those that can only be
// rewritten together with one that is held.
func (p *planner) holdShared() bool {
	changed := false
	for _, m := range p.members {
		if m.hold != nil {
			continue
		}
		if m.hold = p.holdPartner(m); m.hold != nil {
			changed = true
			continue
		}
		apps := p.groupApps(m)
		for _, app := range apps {
			if d := p.drafts[app]; len(d.blockers) > 0 && len(apps) > 1 {
				m.hold = &Reason{Code: "shared-login", Object: string(m.login.ID),
					Message: fmt.Sprintf("the login %s signs in as several identities, and one of them, %s, cannot be migrated", m.login.ID, d.unit.Title),
					Next:    []string{"solve what blocks unit " + d.unit.ID + ", then plan again"}}
				changed = true
				break
			}
		}
	}
	return changed
}

// convertible counts the logins and connections of a unit that are going to be converted.
func (d *draft) convertible() int {
	n := 0
	for _, m := range d.members {
		if m.hold == nil {
			n++
		}
	}
	for _, c := range d.conns {
		if c.hold == nil && !c.already() {
			n++
		}
	}
	return n
}

// holds are the reasons why a part of the unit stays as it is.
func (d *draft) holds() []Reason {
	var out []Reason
	for _, c := range d.conns {
		if c.hold != nil {
			out = append(out, *c.hold)
		}
	}
	for _, m := range d.members {
		if m.hold != nil {
			out = append(out, *m.hold)
		}
	}
	return out
}

// sorted gives the drafts of known applications, by unit id.
func (p *planner) sorted() []*draft {
	out := make([]*draft, 0, len(p.drafts))
	for _, d := range p.drafts {
		out = append(out, d)
	}
	by(out, func(d *draft) string { return d.unit.ID })
	return out
}

// plan writes down the result.
func (p *planner) plan(moved []Moved) *Plan {
	out := &Plan{Version: Version, Inventory: hashJSON(p.inv), Config: hashJSON(p.cfg), Settings: p.cfg}
	drafts := slices.DeleteFunc(p.sorted(), func(d *draft) bool { return !p.wanted(d) })
	p.nameVariables(drafts)
	for _, d := range drafts {
		out.Units = append(out.Units, p.write(d))
	}
	for _, d := range p.unknown {
		out.Units = append(out.Units, d.unit)
	}
	out.Units = append(out.Units, p.issuerUnits()...)
	trust, federated := p.trustUnits(moved)
	out.Units, out.Federated = append(out.Units, trust...), federated
	by(out.Units, func(u Unit) string { return u.ID })
	out.Left = p.leftovers()
	out.Proposed = p.proposals(drafts)
	out.Summary = summarize(out)
	return out
}

// wanted tells whether an application is to be a unit: something of it signs in with a secret and could be converted,
// if not now then after a person has solved what holds it.
func (p *planner) wanted(d *draft) bool {
	for _, c := range d.conns {
		if !c.already() && !c.never() {
			return true
		}
	}
	for _, m := range d.members {
		if m.login.Conversion != inventory.ConversionManual {
			return true
		}
	}
	return false
}

func identityNotFound(app inventory.AppID) Reason {
	return Reason{Code: "identity-not-found", Object: string(app),
		Message: fmt.Sprintf("the application %s is not in the inventory: it is in another tenant, was deleted, is a managed identity, or could not be read", app),
		Next: []string{"check that the client id is right and that the application is in the tenant that is scanned",
			"let the scan read applications (Application.Read.All), then scan and plan again"}}
}
