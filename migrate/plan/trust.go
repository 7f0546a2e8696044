package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// trust is what an application has to trust so that its unit signs in without a secret.
type trust struct {
	needed   []need
	service  []inventory.FederatedCredential // that Azure DevOps adds itself when it converts
	byHand   []connectionTrust               // that must be there before a manual connection is converted
	github   []inventory.FederatedCredential // chosen for the logins
	late     int                             // how many more connections need that are made first
	blockers []Reason
	risks    []string
}

// need is one subject with the objects that present it.
type need struct {
	subject.Subject
	of []string
}

type connectionTrust struct {
	conn       *connection
	credential inventory.FederatedCredential
}

// fallbackMark ends the name of a federated credential for Azure DevOps' older issuer.
const fallbackMark = "-old-issuer"

// chooseTrust computes the needed subjects of everything in a unit that is going to be converted, and chooses the
// federated credentials. Logins whose subjects cannot be covered are held, and the rest is chosen again.
func (p *planner) chooseTrust(d *draft) (changed bool) {
	for {
		d.trust = trust{}
		held := p.needLogins(d)
		p.needConnections(d)
		choice := subject.Choose(subjects(d.trust.needed), subject.ChooseOptions{
			AllowFlexible: p.cfg.AllowFlexible && d.target == nil, Existing: d.taken(), NamePrefix: "unsecret-",
			Description: "added by unsecret for unit " + d.unit.ID,
		})
		d.trust.github, d.trust.risks = choice.Add, choice.Risks
		held = p.holdUncovered(d, choice) || held
		if !held {
			d.trust.checkLimit(d)
			return changed
		}
		changed = true
	}
}

// taken are the federated credentials that exist, with those that the unit's connections will have.
func (d *draft) taken() []inventory.FederatedCredential {
	out := slices.Concat(d.trusting(), d.trust.service)
	for _, c := range d.trust.byHand {
		out = append(out, c.credential)
	}
	return out
}

// all is what the application trusts when the unit is done.
func (d *draft) all() []inventory.FederatedCredential { return append(d.taken(), d.trust.github...) }

func subjects(needs []need) []subject.Subject {
	out := make([]subject.Subject, 0, len(needs))
	for _, n := range needs {
		out = append(out, n.Subject)
	}
	return out
}

func (t *trust) need(s subject.Subject, of string) {
	for i, n := range t.needed {
		if n.Issuer == s.Issuer && n.Value == s.Value && n.Audience == s.Audience {
			if !slices.Contains(n.of, of) {
				t.needed[i].of = append(t.needed[i].of, of)
			}
			return
		}
	}
	t.needed = append(t.needed, need{Subject: s, of: []string{of}})
}

// needLogins adds the subjects of a unit's logins, and holds those whose subjects cannot be known.
func (p *planner) needLogins(d *draft) (held bool) {
	for _, m := range d.members {
		if m.hold != nil {
			continue
		}
		found, err := p.subjectsOf(m, d.unit.AppID)
		if err != nil {
			m.hold = &Reason{Code: "subjects-unknown", Object: string(m.login.ID), Message: err.Error(),
				Next: []string{"take the subject from the log of a run (azure/login prints it), add the federated credential and change the login by hand"}}
			held = true
			continue
		}
		for _, s := range found {
			d.trust.need(s, string(m.login.ID))
		}
	}
	return held
}

// subjectsOf gives the subjects that a login presents where it signs in as one application.
func (p *planner) subjectsOf(m *member, app inventory.AppID) ([]subject.Subject, error) {
	var out []subject.Subject
	for _, name := range runsIn(m.login) {
		repo := p.stores.repo(name)
		contexts, open := p.contexts(m, app, name)
		if len(open) > 0 {
			return nil, fmt.Errorf("nothing bounds the subjects of job %s", strings.Join(open, ", "))
		}
		found, err := subject.Full(repo.OIDC, *repo, contexts)
		if err != nil {
			return nil, fmt.Errorf("subjects of %s: %w", m.login.ID, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// neverRuns tells that no trigger lets a job run as far as its login: what it would present needs no trust.
func neverRuns(j inventory.JobSubjects) bool {
	return len(j.Subjects)+len(j.Patterns) == 0 && !j.Unbounded
}

// contexts gives those of a login's jobs in the runs of one repository, those of another identity's environments left
// out, and the jobs whose subjects nothing bounds.
func (p *planner) contexts(m *member, app inventory.AppID, repo inventory.RepositoryName) (contexts, open []string) {
	mine := map[string]bool{}
	for _, u := range m.of(app) {
		if u.repository != repo {
			continue
		}
		for _, e := range u.environments {
			mine[e] = true
		}
	}
	for _, j := range m.login.Subjects {
		if tokenOf(m.login, j) != repo {
			continue
		}
		if len(j.Subjects)+len(j.Patterns) == 0 && j.Unbounded {
			open = append(open, j.Job)
		}
		for _, c := range j.Subjects {
			if mine[environmentOf(c)] {
				contexts = append(contexts, c)
			}
		}
		if p.cfg.OpenBranches == BranchesDefault && slices.Contains(j.Patterns, anyBranch) {
			contexts = append(contexts, narrow(j, p.stores.repo(repo).DefaultBranch)...)
			continue
		}
		contexts = append(contexts, j.Patterns...)
	}
	slices.Sort(contexts)
	slices.Sort(open)
	return slices.Compact(contexts), slices.Compact(open)
}

// The contexts of a run that can be on any branch and any tag, such as that of workflow_dispatch (GitHub Docs: "Events
// that trigger workflows", workflow_dispatch: a branch or a tag).
const (
	anyBranch = "ref:refs/heads/*"
	anyTag    = "ref:refs/tags/*"
)

// narrow gives a job's patterns with any branch narrowed to the default one, as the configuration decided. Any tag goes
// with it where nothing else gives tags than what gives any branch: a person who starts a run chooses among both, while a
// release, or a push of tags that is asked for by name, has no branch that could stand for it.
func narrow(j inventory.JobSubjects, defaultBranch string) []string {
	var out []string
	for i, c := range j.Patterns {
		switch {
		case c == anyBranch:
			out = append(out, "ref:refs/heads/"+defaultBranch)
		case c != anyTag || !openEnded(j, i):
			out = append(out, c)
		}
	}
	return out
}

// openEnded tells whether only triggers that take any ref give a pattern, by the reasons that the subjects come with.
func openEnded(j inventory.JobSubjects, pattern int) bool {
	i := len(j.Subjects) + pattern
	if i >= len(j.Reasons) {
		return true
	}
	for why := range strings.SplitSeq(j.Reasons[i], "; ") {
		if !strings.Contains(why, " any ") {
			return false
		}
	}
	return true
}

// narrowed tells whether a login's runs on other branches and on tags will not sign in any more.
func (p *planner) narrowed(m *member) bool {
	return p.cfg.OpenBranches == BranchesDefault && slices.ContainsFunc(m.login.Subjects, func(j inventory.JobSubjects) bool {
		return slices.Contains(j.Patterns, anyBranch)
	})
}

// narrows tells whether openBranches: default would take any tag away from a login.
func (p *planner) narrows(m *member) bool {
	return slices.ContainsFunc(m.login.Subjects, func(j inventory.JobSubjects) bool {
		return slices.Contains(j.Patterns, anyBranch) && !slices.Contains(narrow(j, "main"), anyTag)
	})
}

// needConnections adds what a unit's connections present. An automatic connection gets its federated credential from
// Azure DevOps; for a manual one it must be there before the conversion.
func (p *planner) needConnections(d *draft) {
	for _, c := range d.conns {
		if c.hold != nil || c.already() {
			continue
		}
		if c.recreated {
			if !d.trusts(c.replacement) {
				d.trust.late++
			}
			continue
		}
		s := connectionSubject(d, c)
		d.trust.need(s, string(c.ID))
		credential := inventory.FederatedCredential{Name: connectionName(d, c), Issuer: s.Issuer, Subject: s.Value, Audience: s.Audience,
			Description: fmt.Sprintf("added by unsecret for service connection %s in %s", c.Name, c.place())}
		switch {
		case subject.Cover([]subject.Subject{s}, d.trusting()).Complete():
		case c.manual():
			d.trust.byHand = append(d.trust.byHand, connectionTrust{conn: c, credential: credential})
		default:
			d.trust.service = append(d.trust.service, credential)
		}
	}
}

// connectionSubject is what the connection tells of itself, else the Entra form.
func connectionSubject(d *draft, c *connection) subject.Subject {
	if c.Issuer != "" && c.Subject != "" {
		return subject.Subject{Issuer: c.Issuer, Value: c.Subject, Audience: subject.Audience}
	}
	tenant := c.TenantID
	if tenant == "" {
		tenant = d.identity.TenantID
	}
	return subject.ConnectionSubject(tenant, c.organizationID, c.ID)
}

// connectionName is the connection's id, which Azure DevOps names its own federated credentials by.
func connectionName(d *draft, c *connection) string {
	name := strings.ToLower(string(c.ID))
	if slices.ContainsFunc(d.trusting(), func(f inventory.FederatedCredential) bool { return strings.EqualFold(f.Name, name) }) {
		return name + "-entra"
	}
	return name
}

// holdUncovered holds the logins of which a subject cannot be trusted; what does not fit into the limit blocks the unit.
func (p *planner) holdUncovered(d *draft, choice subject.Choice) (held bool) {
	for _, s := range choice.Uncovered {
		for _, m := range d.members {
			if m.hold != nil || !d.trust.needs(s, string(m.login.ID)) {
				continue
			}
			if !s.Pattern {
				d.trust.blockers = append(d.trust.blockers, Reason{Code: "too-many-subjects", Object: s.Value, Message: s.Reason, Next: choice.Proposals})
				break
			}
			code, next := "subjects-not-covered", choice.Proposals
			switch {
			case d.target != nil:
				code, next = "target-not-flexible", []string{"a managed identity takes no flexible federated credentials: narrow what triggers the job", "or keep the application for this unit: take it out of plan.targets"}
			case !p.cfg.AllowFlexible:
				code, next = "flexible-needed", append([]string{"set allowFlexible: true (a preview of Microsoft Graph beta) and plan again"}, next...)
			}
			if s.Context == anyBranch || s.Context == anyTag && p.narrows(m) {
				next = append(next, "or set openBranches: default, if nobody needs to run it on another branch than the default one")
			}
			m.hold = &Reason{Code: code, Object: string(m.login.ID), Next: next,
				Message: fmt.Sprintf("the token of %s can carry any subject that matches %s: %s", m.login.ID, s.Value, s.Reason)}
			held = true
		}
	}
	return held
}

func (t *trust) needs(s subject.Subject, id string) bool {
	for _, n := range t.needed {
		if n.Issuer == s.Issuer && n.Value == s.Value && slices.Contains(n.of, id) {
			return true
		}
	}
	return false
}

// checkLimit blocks a unit whose connections need more than what it signs in as can trust.
func (t *trust) checkLimit(d *draft) {
	connections := len(t.service) + len(t.byHand) + t.late
	if len(d.all())+t.late <= subject.Limit || connections == 0 {
		return
	}
	r := Reason{Code: "too-many-subjects", Object: d.unit.Title,
		Message: fmt.Sprintf("an application can have %d federated credentials; %d exist and its connections need %d more", subject.Limit, len(d.trusting()), connections),
		Next:    []string{"split the connections over several applications with the same roles, or remove federated credentials that nobody needs"}}
	if d.target != nil {
		r.Message = strings.Replace(r.Message, "an application", "a managed identity", 1)
		r.Next = []string{"give some of them an application of their own, which moves to an identity of its own, or remove federated credentials that nobody needs"}
	}
	if n := len(t.github); n > 0 {
		r.Message += fmt.Sprintf(", and its logins %d", n)
	}
	t.blockers = append(t.blockers, r)
}

// coverage writes down the proof: every needed subject, with what will trust it.
func (d *draft) coverage() []Coverage {
	proof := subject.Cover(subjects(d.trust.needed), d.all())
	var out []Coverage
	for _, t := range proof.Trusted {
		out = append(out, d.line(t.Subject, t.Credential.Name, d.state(t.Credential)))
	}
	for _, m := range proof.Missing {
		out = append(out, d.line(m.Subject, "", CoverageMissing))
	}
	by(out, func(c Coverage) string { return c.Issuer + "|" + c.Subject })
	return out
}

func (d *draft) line(s subject.Subject, by, state string) Coverage {
	c := Coverage{Issuer: s.Issuer, Subject: s.Value, Pattern: s.Pattern, By: by, State: state, For: []string{},
		RepositoryID: s.RepositoryID, OwnerID: s.OwnerID}
	for _, n := range d.trust.needed {
		if n.Issuer == s.Issuer && n.Value == s.Value {
			c.For = append(c.For, n.of...)
		}
	}
	slices.Sort(c.For)
	return c
}

func (d *draft) state(f inventory.FederatedCredential) string {
	same := func(o inventory.FederatedCredential) bool {
		return o.Issuer == f.Issuer && o.Subject == f.Subject && o.Expression == f.Expression
	}
	switch {
	case slices.ContainsFunc(d.trusting(), same):
		return CoverageExisting
	case slices.ContainsFunc(d.trust.service, same):
		return CoverageService
	}
	return CoveragePlanned
}
