package execute

import (
	"time"

	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// Standing tells where every unit of a plan stands by a journal's records, without the outside world and without the
// journal's lock: for status and reports, also while another process writes, and on a journal that is damaged from some line on.
// Plans gives the earlier plans that units were applied by. Approvals are those that a file gives.
func Standing(p *plan.Plan, records []Record, plans Plans, now time.Time, approvals ...Approval) Result {
	e := &Executor{Plan: p, Approvals: approvals, Outside: Outside{Now: func() time.Time { return now }}}
	e.adopt(records, plans)
	return e.standing()
}

// Present gives a plan with what earlier plans did with its units, and with the units that only those have: what a report tells of.
func Present(p *plan.Plan, records []Record, plans Plans) *plan.Plan {
	e := &Executor{Plan: p}
	e.adopt(records, plans)
	out := *p
	out.Units = e.units()
	return &out
}

func (e *Executor) standing() Result {
	units := e.units()
	out := make([]UnitResult, 0, len(units))
	for _, u := range units {
		out = append(out, e.status(u))
	}
	return e.result("status", out)
}

// MovedBy tells what earlier plans migrated that is still so: the repositories of which logins were rewritten and merged, by the applications that they
// sign in as. A plan that is made anew looks after their trust.
func MovedBy(records []Record, plans Plans) []plan.Moved {
	e := &Executor{Plan: &plan.Plan{}}
	e.adopt(records, plans)
	var out []plan.Moved
	for _, u := range e.units() {
		if u.Blocked() || u.Target != nil || e.rolledBack(u.ID) {
			continue
		}
		for _, s := range u.Steps {
			if s.Kind != plan.StepPullRequest || s.PullRequest.RepositoryID == 0 {
				continue
			}
			m := plan.Moved{AppID: u.AppID, RepositoryID: s.PullRequest.RepositoryID}
			for _, l := range s.PullRequest.Logins {
				if _, merged := e.mergedAt(s.PullRequest, l.ID); merged {
					m.Files = append(m.Files, fileOf(l.ID, s.PullRequest.Repository))
				}
			}
			if len(m.Files) > 0 {
				out = append(out, m)
			}
		}
	}
	return out
}
