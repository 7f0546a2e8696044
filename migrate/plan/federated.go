package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// KindTrust is the kind of a unit that trusts what logins present which were migrated before: their repository was renamed or transferred since, has
// another default branch, or makes the subjects of its tokens otherwise. It has nothing to revoke.
const KindTrust = "trust"

// Moved is a repository of which an earlier plan has rewritten logins, so that they sign in as an application without a secret. A repository keeps its id
// when it is renamed or transferred. Only such logins get trust: whoever can write a workflow could ask for it otherwise.
type Moved struct {
	AppID        inventory.AppID
	RepositoryID int64
	Files        []string // that hold the logins
}

// Federated is what signs in as an application without a secret since an earlier plan, in one repository, as the scan found it.
type Federated struct {
	AppID         inventory.AppID          `json:"appId"`
	Repository    inventory.RepositoryName `json:"repository"`
	RepositoryID  int64                    `json:"repositoryId"`
	DefaultBranch string                   `json:"defaultBranch"`
	OIDC          inventory.OIDC           `json:"oidc"`
	Coverage      []Coverage               `json:"coverage"`
}

// FederatedLogin is a login that signs in without a secret as an application of the inventory.
type FederatedLogin struct {
	Login    *inventory.Login
	Identity *inventory.Identity
	Needed   []subject.Subject
	Missing  []subject.Subject // trusted by no federated credential of the application
}

// FederatedLogins gives the logins that sign in without a secret and whose application and subjects are known.
func FederatedLogins(inv *inventory.Inventory) []FederatedLogin {
	p, err := begin(inv, Config{})
	if err != nil {
		return nil
	}
	return p.federatedLogins(nil)
}

func (p *planner) federatedLogins(moved []Moved) []FederatedLogin {
	var out []FederatedLogin
	for i := range p.inv.Logins {
		l := &p.inv.Logins[i]
		if l.Conversion != inventory.ConversionNone || l.Repository == "" || len(l.Subjects) == 0 || p.excludedLogin(l) != nil {
			continue
		}
		m := &member{login: l}
		p.addAlone(m)
		if m.missing != nil {
			p.addMoved(m, moved)
		}
		if len(m.uses) == 0 || slices.ContainsFunc(m.uses, func(u memberUse) bool { r := p.stores.repo(u.repository); return r == nil || !r.OIDC.Known }) {
			continue
		}
		id := p.apps[m.uses[0].app]
		if id == nil {
			continue
		}
		needed, err := p.subjectsOf(m, id.AppID)
		if err != nil || len(needed) == 0 {
			continue
		}
		f := FederatedLogin{Login: l, Identity: id, Needed: needed}
		for _, x := range subject.Cover(needed, id.FederatedCredentials).Missing {
			f.Missing = append(f.Missing, x.Subject)
		}
		out = append(out, f)
	}
	return out
}

// addMoved links a login whose client id cannot be read by what an earlier plan knew of its file.
func (p *planner) addMoved(m *member, moved []Moved) {
	repo := p.stores.repo(m.login.Repository)
	if repo == nil {
		return
	}
	var apps []inventory.AppID
	for _, x := range moved {
		if x.RepositoryID == repo.ID && slices.Contains(x.Files, m.login.File) {
			apps = append(apps, x.AppID)
		}
	}
	slices.Sort(apps)
	if apps = slices.Compact(apps); len(apps) == 1 {
		m.uses = []memberUse{{use: use{login: m.login, repository: repo.Name, environments: p.stores.environments(m.login, repo.Name)}, link: link{app: apps[0], because: "an earlier plan migrated it"}}}
	}
}

// trustUnits make a unit for each application that does not trust all that its migrated logins present now, and write down for the proofs of
// earlier plans what they present.
func (p *planner) trustUnits(moved []Moved) ([]Unit, []Federated) {
	drafts := map[inventory.AppID]*draft{}
	byRepo := map[string]*Federated{}
	for _, f := range p.federatedLogins(moved) {
		repo := p.stores.repo(f.Login.Repository)
		if repo == nil || !slices.ContainsFunc(moved, func(x Moved) bool {
			return x.AppID == f.Identity.AppID && x.RepositoryID == repo.ID && slices.Contains(x.Files, f.Login.File)
		}) {
			continue
		}
		app := f.Identity.AppID
		d := drafts[app]
		if d == nil {
			d = &draft{identity: f.Identity, unit: Unit{AppID: app, ObjectID: f.Identity.ObjectID, TenantID: f.Identity.TenantID, Title: f.Identity.DisplayName}}
			drafts[app] = d
		}
		d.members = append(d.members, &member{login: f.Login, uses: []memberUse{{use: use{login: f.Login, repository: repo.Name}, link: link{app: app, rule: ruleReadable, because: "an earlier plan migrated it"}}}})
		for _, s := range f.Needed {
			d.trust.need(s, string(f.Login.ID))
		}
		key := string(app) + "|" + string(repo.Name)
		if byRepo[key] == nil {
			byRepo[key] = &Federated{AppID: app, Repository: repo.Name, RepositoryID: repo.ID, DefaultBranch: repo.DefaultBranch, OIDC: repo.OIDC, Coverage: []Coverage{}}
		}
	}
	var units []Unit
	for _, d := range drafts {
		units = append(units, p.trustUnit(d)...)
	}
	var found []Federated
	for _, f := range byRepo {
		for _, line := range drafts[f.AppID].coverage() {
			if line.RepositoryID == f.RepositoryID {
				f.Coverage = append(f.Coverage, line)
			}
		}
		found = append(found, *f)
	}
	sortFederated(found)
	return units, found
}

func sortFederated(list []Federated) {
	by(list, func(f Federated) string { return string(f.AppID) + "|" + string(f.Repository) })
}

// trustUnit is the unit of one application; none where nothing is missing.
func (p *planner) trustUnit(d *draft) []Unit {
	choice := subject.Choose(subjects(d.trust.needed), subject.ChooseOptions{AllowFlexible: p.cfg.AllowFlexible, Existing: d.trusting(), NamePrefix: "unsecret-",
		Description: "added by unsecret for unit " + d.unit.ID})
	d.trust.github = choice.Add
	if len(choice.Add)+len(choice.Uncovered) == 0 {
		return nil
	}
	u := d.unit
	u.Kind, u.Wave = KindTrust, 1
	u.Title += " (trust)"
	u.ID = unitID(u.Title, string(u.AppID)+"|"+KindTrust)
	u.Connections, u.Logins, u.Secrets, u.Steps = []ConnectionUse{}, loginUses(d), []inventory.StoreRef{}, []Step{}
	u.Workflows, u.Coverage = workflowsOf(d), d.coverage()
	var lost []string
	for _, c := range u.Coverage {
		if c.State != CoverageExisting {
			lost = append(lost, c.Subject)
		}
	}
	why := Reason{Code: "trust-lost", Object: d.unit.Title, Message: "logins that were migrated present what the application does not trust, since their repository was renamed or transferred, has another default branch or makes its subjects otherwise, or since a federated credential was deleted: their runs cannot sign in (AADSTS700213): " + strings.Join(lost, ", ")}
	if len(choice.Uncovered) > 0 {
		why.Code = "trust-lost-uncovered"
		why.Next = append([]string{fmt.Sprintf("%s: %s", choice.Uncovered[0].Value, choice.Uncovered[0].Reason)}, choice.Proposals...)
		u.Blockers = []Reason{why}
		return []Unit{u}
	}
	why.Next = []string{"unsecret apply --only " + u.ID + " trusts it again; do it at once, since these runs fail until then"}
	u.Notes = []Reason{why}
	for _, f := range choice.Add {
		u.Steps = append(u.Steps, federatedStep(d, f))
	}
	return []Unit{u}
}
