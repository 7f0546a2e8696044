package e2e_test

import (
	"context"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
)

// TestNothingGoesOnWithAUnitThatIsBeingRolledBack begins a rollback whose revert waits to be merged. Until the rollback is finished,
// neither an apply, by name or not, nor a verify, nor a revoke touches the unit, whose old secret stays.
func TestNothingGoesOnWithAUnitThatIsBeingRolledBack(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	tools := j.unitID("tools")
	j.want(j.rollback(tools), "tools", execute.UnitPending, "waits to be merged")
	const begun = "its rollback has begun and is not finished"
	for range 2 {
		j.want(j.apply(), "tools", execute.UnitPending, begun)
		j.want(j.applyWith(execute.ApplyOptions{Only: []string{tools}}), "tools", execute.UnitPending, begun)
		j.want(j.verify(), "tools", execute.UnitPending, "unsecret rollback --unit "+tools)
		r := j.must(func(e *execute.Executor) (execute.Result, error) {
			return e.Revoke(context.Background(), execute.RevokeOptions{Only: []string{tools}, Force: true, AcceptNoSignInLog: true})
		})
		j.want(r, "tools", execute.UnitPending, begun)
		j.mustSignIn("before the revert is merged, and after")
		j.pass(time.Minute)
		j.mergeAll()
	}
	j.mustSignIn("after the revert was merged")
	j.want(j.rollback(tools), "tools", execute.UnitRolledBack, "everything is as it was")
	j.mustSignIn("in the end")
}
