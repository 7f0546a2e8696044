package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/subject"
	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

// member is one login with the identities that it signs in as.
type member struct {
	login   *inventory.Login
	uses    []memberUse
	hold    *Reason // not nil: the login stays as it is
	missing *Reason // the reason why one of its stores has no known identity
	names   IdentityNames
}

// memberUse is one store of a login, linked to its identity. A login that names its identity itself has one with an empty store.
type memberUse struct {
	use
	link
}

// apps are the identities of a login, sorted.
func (m *member) apps() []inventory.AppID {
	var out []inventory.AppID
	for _, u := range m.uses {
		out = append(out, u.app)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// partners are the logins that are rewritten with a login or not at all. One that is no member is left for good: ok is
// false.
func (p *planner) partners(m *member) (partners []*member, ok bool) {
	ok = true
	for _, id := range m.login.With {
		if other := p.byLogin[id]; other != nil {
			partners = append(partners, other)
			continue
		}
		ok = false
	}
	return partners, ok
}

// groupApps are the identities of a login and of its partners, sorted.
func (p *planner) groupApps(m *member) []inventory.AppID {
	out := m.apps()
	partners, _ := p.partners(m)
	for _, other := range partners {
		out = append(out, other.apps()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// holdPartner tells why a login stays as it is although nothing speaks against it by itself.
func (p *planner) holdPartner(m *member) *Reason {
	hold := func(message string, next ...string) *Reason {
		return &Reason{Code: "held-together", Object: string(m.login.ID), Message: message, Next: next}
	}
	partners, ok := p.partners(m)
	if !ok {
		return hold(fmt.Sprintf("the login %s hands its credential to, or takes it from, another that is left alone", m.login.ID),
			"migrate the files that pass the credential on by hand, together")
	}
	for _, other := range partners {
		if other.hold != nil && other.hold.Code != "held-together" {
			return hold(fmt.Sprintf("the login %s can be rewritten only together with %s, which is left alone: %s", m.login.ID, other.login.ID, other.hold.Message),
				"solve what holds "+string(other.login.ID)+", then plan again", "or change the files that pass the credential on by hand, together")
		}
	}
	return nil
}

// of gives the uses of one identity.
func (m *member) of(app inventory.AppID) []memberUse {
	var out []memberUse
	for _, u := range m.uses {
		if u.app == app {
			out = append(out, u)
		}
	}
	return out
}

// linkLogins puts every login into its units, or leaves it with a reason.
func (p *planner) linkLogins() {
	candidates := p.candidates()
	_, links := p.linkStores(candidates)
	for _, l := range candidates {
		p.addMember(l, links)
	}
}

// linkStores gives what reads each store, and the identity that is behind it.
func (p *planner) linkStores(candidates []*inventory.Login) (byStore map[string][]use, links map[string]link) {
	byStore, links = map[string][]use{}, map[string]link{}
	for _, l := range candidates {
		for _, u := range p.stores.uses(l) {
			byStore[u.store.Key()] = append(byStore[u.store.Key()], u)
		}
	}
	for _, uses := range byStore {
		p.linker.only[placeKey(uses[0].store)]++
	}
	for key, uses := range byStore {
		links[key] = p.linker.store(uses[0].store, uses)
	}
	return byStore, links
}

// candidates are the logins that use a service principal's secret; the others are left.
func (p *planner) candidates() []*inventory.Login {
	var out []*inventory.Login
	for i := range p.inv.Logins {
		l := &p.inv.Logins[i]
		switch {
		case l.Conversion == inventory.ConversionNone:
			p.leaveLogin(l, "already", "it signs in without a stored secret already", nil)
		case slices.Contains(notServicePrincipal, l.Kind):
			p.leaveLogin(l, "not-a-service-principal", l.Reason, l.Manual)
		case l.Repository == "":
			p.leaveLogin(l, "local-file", "it was found in a local folder: only a scan of its repository tells what it depends on",
				[]string{"scan the repository on GitHub, or use unsecret rewrite on the folder"})
		default:
			out = append(out, l)
		}
	}
	return out
}

func (p *planner) addMember(l *inventory.Login, links map[string]link) {
	m := &member{login: l}
	uses := p.stores.uses(l)
	for _, u := range uses {
		k := links[u.store.Key()]
		if k.problem != nil {
			m.missing = k.problem
			p.addUnknown(u, k)
			p.suspect(u, k)
			continue
		}
		m.uses = append(m.uses, memberUse{use: u, link: k})
	}
	if len(uses) == 0 {
		p.addAlone(m)
	}
	p.members = append(p.members, m)
	p.byLogin[l.ID] = m
	for _, app := range m.apps() {
		d := p.draft(app)
		d.members = append(d.members, m)
	}
}

// addAlone links a login that reads no secret by name.
func (p *planner) addAlone(m *member) {
	k := p.linker.alone(m.login)
	if k.problem != nil {
		m.missing = k.problem
		return
	}
	for _, repo := range runsIn(m.login) {
		m.uses = append(m.uses, memberUse{use: use{login: m.login, repository: repo, environments: p.stores.environments(m.login, repo)}, link: k})
	}
}

// suspect withholds the secrets of every identity that a login may turn out to use.
func (p *planner) suspect(u use, k link) {
	for _, app := range k.candidates {
		d := p.draft(app)
		d.suspects = append(d.suspects, Reason{Code: "may-use-it", Object: string(u.login.ID),
			Message: "it may sign in as this identity: " + k.problem.Message, Next: k.problem.Next})
	}
}

// addUnknown makes a blocked unit of a store whose identity is not known, if any login of it could be converted.
func (p *planner) addUnknown(u use, k link) {
	if u.login.Conversion == inventory.ConversionManual || p.excludedLogin(u.login) != nil {
		return
	}
	key := u.store.Key()
	d := p.unknown[key]
	if d == nil {
		d = &draft{unit: Unit{ID: unitID("unknown "+u.store.Name, key), Title: "unknown identity of " + u.store.String(),
			Secrets: []inventory.StoreRef{u.store}, Blockers: []Reason{*k.problem}, Wave: 1}}
		p.unknown[key] = d
	}
	d.unit.Logins = append(d.unit.Logins, LoginUse{ID: u.login.ID, Repository: u.login.Repository, File: u.login.File,
		Kind: u.login.Kind, Conversion: u.login.Conversion})
}

// holdLogins finds the logins that cannot be rewritten.
func (p *planner) holdLogins() {
	for _, m := range p.members {
		if m.hold = p.holdLogin(m); m.hold == nil {
			m.hold = p.holdTargetLogin(m)
		}
	}
}

func (p *planner) holdLogin(m *member) *Reason {
	l := m.login
	repo := p.stores.repo(l.Repository)
	hold := func(code, message string, next ...string) *Reason {
		return &Reason{Code: code, Object: string(l.ID), Message: message, Next: next}
	}
	if r := p.excludedLogin(l); r != nil {
		return r
	}
	switch {
	case l.Conversion == inventory.ConversionManual:
		return hold("manual-login", l.Reason, append(p.trustFirst(l), l.Manual...)...)
	case m.missing != nil:
		return &Reason{Code: m.missing.Code, Object: string(l.ID), Message: m.missing.Message, Next: m.missing.Next}
	case repo == nil || repo.HeadOID == "" || !slices.ContainsFunc(repo.Files, func(f inventory.File) bool { return f.Path == l.File }):
		return hold("repository-unread", fmt.Sprintf("what %s needs of %s could not be read", l.ID, l.Repository), "let the scan read the repository, then scan again")
	case repo.Archived:
		return hold("archived", fmt.Sprintf("%s is archived: it takes no pull request", l.Repository),
			"unarchive the repository and plan again", "or delete the workflow, if it is not needed any more")
	case !repo.OIDC.Known:
		return hold("oidc-unknown", fmt.Sprintf("how %s makes the subjects of its tokens could not be read", l.Repository),
			"let the scan read the repository's OIDC settings (Actions: read), then scan again")
	case l.Identity.Cloud != "" && !strings.EqualFold(l.Identity.Cloud, "azurecloud"):
		return cloudHold(string(l.ID), l.Identity.Cloud)
	case len(l.Subjects) == 0:
		return hold("subjects-unknown", fmt.Sprintf("no job was found that runs %s, so what its token says is not known", l.ID),
			"add the federated credential and change the login by hand, or delete it if nothing runs it")
	}
	if r := p.holdCaller(l); r != nil {
		return r
	}
	if r := p.holdLevel(l); r != nil {
		return r
	}
	return p.holdSubscription(m)
}

// trustFirst tells what has to be trusted before a person takes the credential out of a file in another repository that a workflow
// calls: that file signs in with the token of the caller.
func (p *planner) trustFirst(l *inventory.Login) []string {
	repo := p.stores.repo(l.Repository)
	if l.Kind != inventory.KindReusablePass || repo == nil || !repo.OIDC.Known {
		return nil
	}
	var contexts []string
	for _, j := range l.Subjects {
		contexts = append(contexts, j.Subjects...)
	}
	slices.Sort(contexts)
	found, err := subject.Full(repo.OIDC, *repo, slices.Compact(contexts))
	if err != nil || len(found) == 0 {
		return []string{"Before anything else let the application of the credential trust what this workflow's tokens say: unsecret subjects tells it."}
	}
	var values []string
	for _, s := range found {
		values = append(values, s.Value)
	}
	return []string{fmt.Sprintf("Before anything else let the application of the credential trust issuer %s, audience %s and subject %s (where the called job names an environment, that stands at its end): the called file signs in with the token of this workflow.",
		found[0].Issuer, subject.Audience, strings.Join(values, ", "))}
}

// holdCaller holds a login that a workflow of another repository runs, whose token is then that repository's (GitHub Docs:
// "Using OpenID Connect with reusable workflows"), where nothing is known of it.
func (p *planner) holdCaller(l *inventory.Login) *Reason {
	for _, name := range runsIn(l) {
		repo := p.stores.repo(name)
		switch {
		case repo == nil || repo.HeadOID == "":
			return &Reason{Code: "caller-unread", Object: string(l.ID),
				Message: fmt.Sprintf("a workflow of %s runs %s with its own token, and that repository is not in the inventory", name, l.ID),
				Next:    []string{"scan " + string(name) + " too, then plan again"}}
		case !repo.OIDC.Known:
			return &Reason{Code: "oidc-unknown", Object: string(l.ID),
				Message: fmt.Sprintf("a workflow of %s runs %s with its own token, and how that repository makes the subjects of its tokens could not be read", name, l.ID),
				Next:    []string{"let the scan read the OIDC settings of " + string(name) + " (Actions: read), then scan again"}}
		}
	}
	return nil
}

// holdLevel holds a login whose rewrite has a risk that the configuration does not allow.
func (p *planner) holdLevel(l *inventory.Login) *Reason {
	_, why, risky := strings.Cut(l.Reason, workflow.ReviewMark)
	if p.cfg.Level == LevelNeedsReview || !risky && l.Conversion != inventory.ConversionAssisted {
		return nil
	}
	if !risky {
		why = l.Reason
	}
	return &Reason{Code: "needs-review", Object: string(l.ID),
		Message: fmt.Sprintf("the rewrite of %s has to be reviewed, and plan.level is safe: %s", l.ID, why),
		Next:    []string{"set plan.level: needs-review and plan again: its pull request then says what to look at"}}
}

// holdSubscription holds a login that takes its subscription from the secret, where nothing tells which it is:
// azure/login needs it unless it is told to allow none (Azure/login README, "Input Parameters").
func (p *planner) holdSubscription(m *member) *Reason {
	if m.login.Identity.SubscriptionID != "" {
		return nil
	}
	for _, u := range m.uses {
		if u.role == roleCredentials && p.subscription(u) == "" {
			return &Reason{Code: "no-subscription", Object: string(m.login.ID),
				Message: fmt.Sprintf("the subscription inside %s is not known, and the rewritten login would have to name it", u.store),
				Next:    []string{"add under mapping in the configuration: " + mappingLine(u.store), "then plan again"}}
		}
	}
	return nil
}

// subscription is what the mapping or the login's text says, else the only one that the identity has a role in.
func (p *planner) subscription(u memberUse) inventory.SubscriptionID {
	if u.subscription != "" {
		return u.subscription
	}
	id := p.apps[u.app]
	if id == nil || !id.RolesKnown {
		return ""
	}
	var only inventory.SubscriptionID
	for _, r := range id.Roles {
		s := subscriptionOf(r.Scope)
		if s == "" || only != "" && s != only {
			return ""
		}
		only = s
	}
	return only
}

func subscriptionOf(scope string) inventory.SubscriptionID {
	parts := strings.Split(strings.Trim(scope, "/"), "/")
	if len(parts) < 2 || !strings.EqualFold(parts[0], "subscriptions") {
		return ""
	}
	return inventory.SubscriptionID(strings.ToLower(parts[1]))
}

// cloudHold tells why another cloud is not converted (Microsoft Learn: "Connect to Azure with an ARM service connection":
// not for Azure Stack and the US Government; AADSTS900382 in some sovereign clouds).
func cloudHold(object, cloud string) *Reason {
	if strings.EqualFold(cloud, "AzureStack") {
		return &Reason{Code: "azure-stack", Object: object, Message: "Azure Stack does not support workload identity federation",
			Next: []string{"keep the secret and rotate it"}}
	}
	return &Reason{Code: "sovereign-cloud", Object: object,
		Message: "the cloud " + cloud + " needs a review: its audience differs, and some sovereign clouds refuse federated sign-ins (AADSTS900382)",
		Next:    []string{"try one by hand with the cloud's own audience, and convert the rest by hand if it works"}}
}

func (p *planner) excludedLogin(l *inventory.Login) *Reason {
	for _, e := range p.cfg.Exclude {
		if e.Connection != "" || e.Credential != "" || e.AppID != "" || e.Repository == "" && e.File == "" {
			continue
		}
		if (e.Repository == "" || matches(string(e.Repository), string(l.Repository))) && (e.File == "" || matches(e.File, l.File)) {
			return excluded(string(l.ID), e)
		}
	}
	return nil
}

func excluded(object string, e Exclusion) *Reason {
	message := "the configuration excludes it"
	if e.Reason != "" {
		message += ": " + e.Reason
	}
	return &Reason{Code: "excluded", Object: object, Message: message, Next: []string{"remove the exclusion and plan again"}}
}

func (p *planner) leaveLogin(l *inventory.Login, code, reason string, next []string) {
	p.left = append(p.left, Left{Object: "login " + string(l.Kind), Place: string(l.ID), Code: code, Reason: reason, Next: next})
}
