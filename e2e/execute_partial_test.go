package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

func (j *journey) rollbackIn(repo inventory.RepositoryName, units ...string) (execute.Result, error) {
	return j.run(func(e *execute.Executor) (execute.Result, error) {
		return e.Rollback(context.Background(), execute.RollbackOptions{Units: units, Repository: repo})
	})
}

func TestOneRepositoryOfAUnitIsRolledBack(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	shop := j.unitID("shop")
	r, err := j.rollbackIn("contoso/shop", shop)
	if err != nil {
		t.Fatal(err)
	}
	j.want(r, "shop", execute.UnitPending, "waits to be merged")
	j.mustSignIn("while one repository is rolled back")
	j.pass(time.Minute)
	j.mergeAll()
	if r, err = j.rollbackIn("contoso/shop", shop); err != nil {
		t.Fatal(err)
	}
	j.want(r, "shop", execute.UnitRolledBack, "its old secret is not revoked")
	j.mustSignIn("after one repository was rolled back")
	j.change(func(w *world.World) {
		if connection(w, "shop-manual").Scheme != "WorkloadIdentityFederation" {
			t.Error("the connection went back too")
		}
		if n := len(app(w, "shop").FICs); n != 2 {
			t.Errorf("%d federated credentials are left, want those of the two connections", n)
		}
	})
	if text := j.baseFile(deployFile); !strings.Contains(text, "secrets.AZURE_CREDENTIALS") {
		t.Error("the workflow has not gone back")
	}
	// It stays so until it is applied by name, and is not revoked.
	j.want(j.apply(), "shop", execute.UnitPending, "this repository of the unit was rolled back")
	j.pass(9 * 24 * time.Hour)
	j.want(j.revoke(), "shop", execute.UnitPending, "this repository of the unit was rolled back")
	j.mustSignIn("after a revoke that left the unit alone")
	j.applyWith(execute.ApplyOptions{Only: []string{shop}})
	j.pass(time.Minute)
	if j.mergeAll() != 1 {
		t.Error("no new pull request was opened")
	}
	j.pass(time.Minute)
	j.apply()
	j.mustSignIn("after it was applied again")
	j.want(j.verify(), "shop", execute.UnitVerified, "")
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "shop", execute.UnitRevoked, "")
	if _, err := j.rollbackIn("contoso/shop", shop); err == nil || !strings.Contains(err.Error(), "roll the whole unit back") {
		t.Errorf("after the revoke a partial rollback gives %v", err)
	}
	j.mustSignIn("in the end")
}

func TestThePasswordOfARollbackHasTheConfiguredNameAndLife(t *testing.T) {
	j := smallJourney(t)
	j.settings = func(c *plan.Config) { c.RollbackName, c.RollbackDays = "break-glass", 3 }
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "shop", execute.UnitRevoked, "")
	j.rollback(unitIDs(j)...)
	j.mustSignIn("while rolling back")
	j.change(func(w *world.World) {
		p := app(w, "shop").Passwords[0]
		if !strings.HasPrefix(p.DisplayName, "break-glass-shop-") || p.End.Sub(w.Clock.Now()) > 73*time.Hour {
			t.Errorf("the minted password is %q until %s", p.DisplayName, p.End)
		}
	})
}

// TestNothingIsRevokedWhileARollbackWaitsForItsMerge was found by a random life: the secret to which the open pull request goes
// back was removed under it.
func TestNothingIsRevokedWhileARollbackWaitsForItsMerge(t *testing.T) {
	for name, repository := range map[string]inventory.RepositoryName{"of the unit": "", "of one repository": "contoso/shop"} {
		t.Run(name, func(t *testing.T) {
			j := smallJourney(t)
			j.migrate()
			tools := j.unitID("tools")
			back := func() execute.Result {
				r, err := j.rollbackIn(repository, tools)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			j.want(back(), "tools", execute.UnitPending, "waits to be merged")
			j.pass(9 * 24 * time.Hour)
			for what, r := range map[string]execute.Result{"status": j.status(), "verify": j.verify(), "revoke": j.revokeWith(execute.RevokeOptions{Force: true}),
				"apply": j.applyWith(execute.ApplyOptions{Only: []string{tools}})} {
				if j.want(r, "tools", execute.UnitPending, "finish it: unsecret rollback --unit "+tools); !j.hasGate(r, "tools", execute.GateRollback) {
					t.Errorf("%s names no gate", what)
				}
			}
			j.mustSignIn("while the rollback waits")
			j.mergeAll()
			j.mustSignIn("after the merge of the rollback")
			j.want(back(), "tools", execute.UnitRolledBack, "")
			j.mustSignIn("after the rollback")
			j.applyWith(execute.ApplyOptions{Only: []string{tools}})
			j.pass(time.Minute)
			if n := j.mergeAll(); n != 1 {
				t.Errorf("%d pull requests were merged after it was applied again", n)
			}
			j.pass(time.Minute)
			j.want(j.apply(), "tools", execute.UnitMigrated, "")
			j.mustSignIn("after it was applied again")
		})
	}
}

// TestARollbackThatIsForbiddenLeavesTheUnitFreeToGoOn: nothing was changed, so the unit is not held either.
func TestARollbackThatIsForbiddenLeavesTheUnitFreeToGoOn(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	j.change(func(w *world.World) { w.Knobs.NewPasswordPolicy = true }) // after the revert deadline a rollback needs a password
	j.want(j.rollback(j.unitID("shop")), "shop", execute.UnitFailed, "nothing was changed")
	j.want(j.status(), "shop", execute.UnitVerified, "")
	j.want(j.revokeWith(execute.RevokeOptions{Only: []string{j.unitID("shop")}, AcceptNoRollback: true}), "shop", execute.UnitRevoked, "")
	j.mustSignIn("after a revoke")
}
