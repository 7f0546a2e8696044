package execute

import (
	"time"

	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// Standing tells where every unit of a plan stands by a journal's records, without the outside world and without the
// journal's lock: for status and reports, also while another process writes, and on a journal that is damaged from some line on.
// Approvals are those that a file gives.
func Standing(p *plan.Plan, records []Record, now time.Time, approvals ...Approval) Result {
	e := &Executor{Plan: p, Approvals: approvals, fold: newFold(records), hash: p.Hash(), Outside: Outside{Now: func() time.Time { return now }}}
	out := make([]UnitResult, 0, len(p.Units))
	for _, u := range p.Units {
		out = append(out, e.status(u))
	}
	return e.result("status", out)
}
