package execute

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// ground takes the units out of a proposal whose rewritten logins would not sign in, since something that the plan counts on as
// being there is gone: a federated credential or a variable that the scan found, and that a person, or a rollback, has removed.
func (e *Executor) ground(ctx context.Context, p *proposal, units []plan.Unit, dry bool) error {
	for _, u := range units {
		s, ok := u.Step(plan.PullRequestID(p.repo))
		if !ok || !slices.ContainsFunc(p.logins, func(l inventory.LoginID) bool { return p.has(u, l) }) {
			continue
		}
		lost, err := e.lost(ctx, u, s.PullRequest, dry)
		if err != nil {
			return err
		}
		if len(lost) == 0 {
			continue
		}
		p.refused[u.ID] = append(p.refused[u.ID], lost...)
		p.logins = slices.DeleteFunc(p.logins, func(l inventory.LoginID) bool { return slices.Contains(p.owner[l], u.ID) })
	}
	return nil
}

// lost tells what the logins of a unit in one repository need and do not have. A dry run has not added what the plan adds.
func (e *Executor) lost(ctx context.Context, u plan.Unit, s *plan.PullRequestStep, dry bool) ([]Change, error) {
	var out []Change
	for _, v := range s.Reads {
		value, err := e.Outside.Repositories.Variable(ctx, v.Store)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("read variable %s: %w", v.Store, err)
		}
		if value != v.Value {
			out = append(out, Change{Field: "variable " + v.Store.String(), From: v.Value, To: value})
		}
	}
	needed, by := []subject.Subject{}, map[string]string{}
	for _, c := range u.Coverage {
		if c.By != "" && !(dry && c.State == plan.CoveragePlanned) && slices.ContainsFunc(s.Logins, func(l plan.PlannedLogin) bool { return slices.Contains(c.For, string(l.ID)) }) {
			needed, by[c.Subject] = append(needed, coverageSubject(c)), c.By
		}
	}
	if len(needed) == 0 {
		return out, nil
	}
	trusted, _, err := e.trustee(u).credentials(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range subject.Cover(needed, trusted).Missing {
		out = append(out, Change{Field: "federated credential " + by[m.Subject.Value], From: m.Subject.Issuer + " " + m.Subject.Value})
	}
	return out, nil
}

func coverageSubject(c plan.Coverage) subject.Subject {
	return subject.Subject{Issuer: c.Issuer, Value: c.Subject, Pattern: c.Pattern, Audience: subject.Audience, RepositoryID: c.RepositoryID, OwnerID: c.OwnerID}
}
