package plan

import (
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// leftovers lists everything that the plan leaves alone, sorted by place.
func (p *planner) leftovers() []Left {
	out := append([]Left{}, p.left...)
	for _, d := range p.sorted() {
		for _, c := range d.conns {
			out = append(out, p.leftConnection(d, c)...)
		}
		out = append(out, p.leftCredentials(d)...)
	}
	for _, m := range p.members {
		out = append(out, p.leftLogin(m)...)
	}
	for _, g := range p.inv.Gaps {
		out = append(out, Left{Object: "gap in " + string(g.Source), Place: gapPlace(g), Code: "gap", Reason: g.Message, Next: next(g.Next)})
	}
	out = append(out, p.leftSecrets()...)
	sortLeft(out)
	return out
}

func sortLeft(list []Left) {
	by(list, func(l Left) string { return strings.Join([]string{l.Place, l.Object, l.Code, l.Reason}, "|") })
}

func next(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func gapPlace(g inventory.Gap) string {
	place := strings.TrimPrefix(g.Object, "repository ")
	if g.File != "" && !strings.HasSuffix(place, g.File) {
		place += "/" + g.File
	}
	if g.Line == 0 {
		return place
	}
	return fmt.Sprintf("%s:%d", place, g.Line)
}

func (p *planner) leftConnection(d *draft, c *connection) []Left {
	object := "connection " + c.Name
	switch {
	case c.hold != nil:
		return []Left{{Object: object, Place: c.place(), Code: c.hold.Code, Reason: c.hold.Message, Next: c.hold.Next}}
	case c.already():
		return []Left{{Object: object, Place: c.place(), Code: "already", Reason: "it uses workload identity federation already"}}
	case len(d.blockers) > 0:
		return []Left{{Object: object, Place: c.place(), Code: "blocked-unit", Reason: "its unit " + d.unit.ID + " is blocked: " + d.blockers[0].Message, Next: d.blockers[0].Next}}
	}
	return nil
}

func (p *planner) leftLogin(m *member) []Left {
	l := Left{Object: "login " + string(m.login.Kind), Place: string(m.login.ID)}
	r := m.hold
	for _, app := range m.apps() {
		if d := p.drafts[app]; r == nil && len(d.blockers) > 0 {
			r = &Reason{Code: "blocked-unit", Message: "its unit " + d.unit.ID + " is blocked: " + d.blockers[0].Message, Next: d.blockers[0].Next}
		}
	}
	if r == nil {
		return nil
	}
	l.Code, l.Reason, l.Next = r.Code, r.Message, r.Next
	return []Left{l}
}

// leftCredentials lists the credentials of a unit's application that no step removes.
func (p *planner) leftCredentials(d *draft) []Left {
	if d.identity == nil || !p.wanted(d) {
		return nil
	}
	var out []Left
	for _, c := range d.identity.Credentials {
		if r, ok := p.credentialLeft(d, c); ok {
			out = append(out, Left{Object: r.Object, Place: d.unit.Title, Code: r.Code, Reason: r.Message, Next: r.Next})
		}
	}
	return out
}

// leftSecrets lists the stores that a unit reads and that are not deleted with its password.
func (p *planner) leftSecrets() []Left {
	var out []Left
	for _, d := range p.sorted() {
		if len(d.blockers) > 0 || len(d.holds())+len(d.suspects) > 0 || !p.wanted(d) || p.cfg.KeepOldSecrets {
			continue
		}
		for _, r := range p.secretsOf(d) {
			switch {
			case p.stores.secrets[r.Key()] == nil:
				out = append(out, Left{Object: "secret " + r.Name, Place: r.Place(), Code: "secret-not-seen",
					Reason: "a login reads it, but the scan saw no secret of that name: there is nothing to delete, or it could not be read",
					Next:   []string{"look for it in the settings and delete it when unit " + d.unit.ID + " is revoked"}})
			case p.readElsewhere(d, r):
				out = append(out, Left{Object: "secret " + r.Name, Place: r.Place(), Code: "secret-read-elsewhere",
					Reason: "a login that is not migrated with unit " + d.unit.ID + " reads it too"})
			}
		}
	}
	return out
}

// summarize counts.
func summarize(p *Plan) Summary {
	s := Summary{Units: len(p.Units), Left: len(p.Left)}
	requests := map[inventory.RepositoryName]bool{}
	logins := map[inventory.LoginID]bool{}
	for _, u := range p.Units {
		switch {
		case u.Blocked():
			s.Blocked++
		default:
			s.Ready++
		}
		if !u.Blocked() && len(u.Withheld) > 0 {
			s.Withheld++
		}
		for _, step := range u.Steps {
			s.count(step, requests, logins)
		}
	}
	s.PullRequests, s.Logins = len(requests), len(logins)
	return s
}

func (s *Summary) count(step Step, requests map[inventory.RepositoryName]bool, logins map[inventory.LoginID]bool) {
	switch step.Kind {
	case StepFederatedCredential:
		if !step.OnDemand {
			s.FederatedCredentials++
		}
	case StepConnection, StepReplacement:
		s.Connections++
	case StepVariable:
		s.Variables++
	case StepPullRequest:
		requests[step.PullRequest.Repository] = true
		for _, l := range step.PullRequest.Logins {
			if l.Pipeline == nil {
				logins[l.ID] = true
			}
		}
	case StepCredential:
		s.Credentials++
	case StepSecret:
		s.Secrets++
	}
}
