package e2e_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/e2e/sampling"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

func blocking(c *plan.Config) { c.EndState = plan.EndStateBlock }

// policies gives the number of policies of the tenant, and of the applications that one is assigned to.
func (j *journey) policies() (made, assigned int) {
	j.change(func(w *world.World) {
		for _, t := range w.Tenants {
			made += len(t.Policies)
			for _, a := range t.Apps {
				if a.Policy != "" {
					assigned++
				}
			}
		}
	})
	return made, assigned
}

func TestTheEndStateIsProposedAndNotSetUnlessAskedFor(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	if len(j.plan.Proposed) != 1 || j.plan.Proposed[0].Code != "block-passwords" {
		t.Errorf("%+v", j.plan.Proposed)
	}
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "shop", execute.UnitRevoked, "")
	if made, assigned := j.policies(); made+assigned != 0 {
		t.Error("a policy was made that nobody asked for")
	}
}

func TestRevokeForbidsNewPasswordsAndARollbackAllowsThemFirst(t *testing.T) {
	j := smallJourney(t)
	j.settings = blocking
	j.change(func(w *world.World) { w.Knobs.PolicyPropagation = time.Minute })
	j.migrate()
	if made, _ := j.policies(); made != 0 || len(j.plan.Proposed) != 0 {
		t.Error("the policy came before the revoke, or is proposed although it is asked for")
	}
	j.pass(8 * 24 * time.Hour)
	r := j.revoke()
	j.want(r, "shop", execute.UnitRevoked, "")
	j.want(r, "tools", execute.UnitRevoked, "")
	if made, assigned := j.policies(); made != 1 || assigned != 2 {
		t.Errorf("%d policies, assigned to %d applications", made, assigned)
	}
	j.mustSignIn("under the policy")
	j.rollback(j.unitID("tools"))
	if made, assigned := j.policies(); made != 1 || assigned != 1 {
		t.Errorf("after the first rollback: %d policies, assigned to %d applications", made, assigned)
	}
	j.mergeAll()
	j.rollback(unitIDs(j)...)
	j.mergeAll()
	j.want(j.rollback(unitIDs(j)...), "shop", execute.UnitRolledBack, "")
	if made, assigned := j.policies(); made+assigned != 0 {
		t.Errorf("after all: %d policies, assigned to %d applications", made, assigned)
	}
	j.mustSignIn("after rollback")
}

func TestAPolicyOfSomebodyElseIsNotReplaced(t *testing.T) {
	j := smallJourney(t)
	j.settings = blocking
	j.migrate()
	j.change(func(w *world.World) {
		for _, tenant := range w.Tenants {
			tenant.Policies = append(tenant.Policies, &world.AppPolicy{ID: w.NewID(), Name: "Theirs", Description: "x", Enabled: true})
			app(w, "tools").Policy = tenant.Policies[0].ID
		}
	})
	j.pass(8 * 24 * time.Hour)
	r := j.revoke()
	j.want(r, "tools", execute.UnitFailed, `policy moved from nothing to "Theirs"`)
	j.want(r, "shop", execute.UnitRevoked, "")
}

// TestTheEndStateSurvivesCrashes kills revoke and rollback at their records and changing requests.
func TestTheEndStateSurvivesCrashes(t *testing.T) {
	for _, kind := range kills {
		step := 3
		if sampling.Long() {
			step = 1
		}
		for n := 1; n <= 60; n += step {
			done := false
			t.Run(kind+" "+strconv.Itoa(n), func(t *testing.T) {
				j := smallJourney(t)
				j.settings = blocking
				j.migrate()
				j.pass(8 * 24 * time.Hour)
				k := newKiller(kind, n)
				j.killedBy(k)
				tools := []string{j.unitID("tools")}
				again := func(work func(*execute.Executor) (execute.Result, error)) execute.Result {
					return j.untilAlive(k, "it", func() {}, work)
				}
				revoke := func(e *execute.Executor) (execute.Result, error) {
					return e.Revoke(context.Background(), execute.RevokeOptions{Only: tools})
				}
				rollback := func(e *execute.Executor) (execute.Result, error) {
					return e.Rollback(context.Background(), execute.RollbackOptions{Units: tools})
				}
				j.want(again(revoke), "tools", execute.UnitRevoked, "")
				if made, assigned := j.policies(); made != 1 || assigned != 1 {
					t.Errorf("%d policies, assigned to %d applications", made, assigned)
				}
				again(rollback)
				j.mergeAll()
				j.want(again(rollback), "tools", execute.UnitRolledBack, "")
				if made, assigned := j.policies(); made+assigned != 0 {
					t.Errorf("left behind: %d policies, assigned to %d applications", made, assigned)
				}
				j.mustSignIn("after rollback")
				done = !k.killed
			})
			if done || t.Failed() {
				break
			}
		}
	}
}
