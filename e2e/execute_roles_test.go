package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/migrate/execute"
)

// The Azure roles of what was migrated are compared with those of the scan after each command that changes or proves something: they are equal, and what
// somebody takes away or adds meanwhile is told with the unit.
func TestRoleAssignmentsAreComparedWithTheScan(t *testing.T) {
	j := generatedJourney(t, lab.Size{Seed: 12, Connections: 10, Projects: 2})
	inv := j.scan()
	j.makePlan()
	with := func(work func(*execute.Executor) (execute.Result, error)) execute.Result {
		t.Helper()
		return j.must(func(e *execute.Executor) (execute.Result, error) {
			e.Snapshot = inv
			return work(e)
		})
	}
	apply := with(func(e *execute.Executor) (execute.Result, error) { return e.Apply(t.Context(), execute.ApplyOptions{}) })
	equal := 0
	for _, u := range apply.Units {
		if u.Roles != nil && !u.Roles.Equal {
			t.Errorf("%s after apply: %+v", u.Title, u.Roles)
		} else if u.Roles != nil {
			equal++
		}
	}
	if equal == 0 {
		t.Fatal("no unit's roles were compared")
	}

	j.pass(time.Hour)
	w := j.lab.World
	w.Lock()
	var app string
	for _, u := range apply.Units {
		if u.Roles == nil || app != "" {
			continue
		}
		for _, tenant := range w.Tenants {
			for _, a := range tenant.Apps {
				if a.AppID != string(u.AppID) {
					continue
				}
				for _, r := range w.Roles {
					if r.PrincipalID == a.SP.ObjectID {
						app, r.Role = a.AppID, "Reader"
					}
				}
			}
		}
	}
	w.Unlock()
	if app == "" {
		t.Fatal("no role assignment to change")
	}
	verified := with(func(e *execute.Executor) (execute.Result, error) {
		return e.Verify(t.Context(), execute.VerifyOptions{})
	})
	i := slices.IndexFunc(verified.Units, func(u execute.UnitResult) bool { return string(u.AppID) == app })
	got := verified.Units[i].Roles
	j.wantRolesJournaled(app, verified.Units[i].Unit, got)
	if got == nil || got.Equal || len(got.Gone) == 0 || len(got.Added) == 0 || !strings.HasPrefix(got.Added[0], "Reader at /subscriptions/") {
		t.Errorf("after somebody changed a role: %+v", got)
	}
}

// wantRolesJournaled demands that the journal has one record of each comparison that differs from the one before, and no more when the same is found again.
func (j *journey) wantRolesJournaled(app, unit string, last *execute.RoleComparison) {
	j.t.Helper()
	comparisons := func() (out []execute.Record) {
		records, err := execute.ReadJournal(j.dir)
		if err != nil {
			j.t.Fatal(err)
		}
		for _, r := range records {
			if r.Step == "roles" && r.Unit == unit {
				out = append(out, r)
			}
		}
		return out
	}
	before := comparisons()
	if len(before) != 2 || before[0].Phase != execute.PhaseObserved || before[0].After["result"] != "equal" || before[1].After["result"] != "different" ||
		before[1].After["added"] != strings.Join(last.Added, "; ") || before[1].After["gone"] != strings.Join(last.Gone, "; ") {
		j.t.Errorf("application %s: %+v", app, before)
	}
	inv := j.scan()
	j.must(func(e *execute.Executor) (execute.Result, error) {
		e.Snapshot = inv
		return e.Verify(j.t.Context(), execute.VerifyOptions{})
	})
	if after := comparisons(); len(after) != 3 || after[2].After["result"] != "equal" {
		j.t.Errorf("against a newer scan: %+v", after)
	}
	j.must(func(e *execute.Executor) (execute.Result, error) {
		e.Snapshot = inv
		return e.Verify(j.t.Context(), execute.VerifyOptions{})
	})
	if again := comparisons(); len(again) != 3 {
		j.t.Errorf("the same comparison is journaled twice: %+v", again)
	}
}
