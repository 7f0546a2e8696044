package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// threePasswords is the small organisation where one application has three passwords, migrated and ready to be revoked.
func threePasswords(t *testing.T, settings func(*plan.Config)) *journey {
	t.Helper()
	j := smallJourney(t)
	j.settings = func(c *plan.Config) {
		c.Revoke.Watch = nil
		if settings != nil {
			settings(c)
		}
	}
	j.change(func(w *world.World) {
		a := app(w, "tools")
		for range 2 {
			a.Passwords = append(a.Passwords, &world.AppPassword{KeyID: w.NewID(), Value: w.NewSecret(), Start: a.Passwords[0].Start, End: a.Passwords[0].End})
		}
	})
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	return j
}

func (j *journey) passwordsOf(name string) (n int) {
	j.change(func(w *world.World) { n = len(app(w, name).Passwords) })
	return n
}

func TestAnApplicationLosesOnePasswordAtATime(t *testing.T) {
	j := threePasswords(t, nil)
	r := j.revokeWith(execute.RevokeOptions{DryRun: true})
	if n := would(j.unit(r, "tools")); n != 1 {
		t.Errorf("a dry run would remove %d passwords", n)
	}
	for left := 2; left > 0; left-- {
		r = j.revoke()
		if n := j.passwordsOf("tools"); n != left {
			t.Fatalf("%d passwords are left, want %d", n, left)
		}
		j.want(r, "tools", execute.UnitPending, "is watched for sign-ins that fail")
		if !j.hasGate(j.status(), "tools", execute.GateWatch) || r.PendingUntil().IsZero() {
			t.Error("status does not tell of the watch, or until when it lasts")
		}
		j.pass(23 * time.Hour)
		if j.revoke(); j.passwordsOf("tools") != left {
			t.Fatal("the watch time was not waited for")
		}
		j.pass(2 * time.Hour)
	}
	j.want(r, "shop", execute.UnitRevoked, "")
	j.want(j.revoke(), "tools", execute.UnitRevoked, "")
	j.mustSignIn("after revoke")
}

func would(u execute.UnitResult) int {
	n := 0
	for _, s := range u.Steps {
		if s.Kind == plan.StepCredential && s.State == execute.StepWould {
			n++
		}
	}
	return n
}

func TestFailuresAfterARemovalHoldTheNextOne(t *testing.T) {
	j := threePasswords(t, nil)
	j.revoke()
	fails := func(key string, code int) {
		j.change(func(w *world.World) {
			a := app(w, "tools")
			w.SignIns = append(w.SignIns, &world.SignIn{ID: w.NewID(), TenantID: tenantOf(w), Time: w.Clock.Now().Add(time.Hour), AppID: a.AppID, SPID: a.SP.ObjectID,
				CredentialType: "clientSecret", KeyID: key, ErrorCode: code})
		})
	}
	fails("", 7000215)
	j.pass(48 * time.Hour)
	j.want(j.revoke(), "tools", execute.UnitPending, "sign-ins fail with a wrong or expired secret")
	if n := j.passwordsOf("tools"); n != 2 {
		t.Fatalf("%d passwords are left", n)
	}
	r := j.revokeWith(execute.RevokeOptions{AcceptUsesUntil: j.lab.World.Clock.Now()})
	if j.passwordsOf("tools") != 1 {
		j.log(r)
		t.Fatal("explained failures hold the next password")
	}
	// What fails with another password, or for another reason, says nothing about the removed one.
	fails("00000000-0000-4000-8000-000000000000", 7000215)
	fails("", 70011)
	j.pass(8 * 24 * time.Hour)
	j.want(j.revokeWith(execute.RevokeOptions{AcceptUsesUntil: j.lab.World.Clock.Now().Add(-24 * time.Hour)}), "tools", execute.UnitRevoked, "")
}

func TestTheWatchTimeIsConfigured(t *testing.T) {
	hour := plan.Duration(time.Hour)
	j := threePasswords(t, func(c *plan.Config) { c.Revoke.Watch = &hour })
	j.revoke()
	j.pass(61 * time.Minute)
	if j.revoke(); j.passwordsOf("tools") != 1 {
		t.Error("an hour was not enough")
	}
	none := plan.Duration(0)
	j = threePasswords(t, func(c *plan.Config) { c.Revoke.Watch = &none })
	j.want(j.revoke(), "tools", execute.UnitRevoked, "")
}

// TestAPolicyThatCameAfterTheScanIsSeenBeforeARevoke lets somebody forbid new passwords while the old ones are soaking.
func TestAPolicyThatCameAfterTheScanIsSeenBeforeARevoke(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	j.change(func(w *world.World) { app(w, "tools").NoPasswords = true })
	r := j.revoke()
	j.want(r, "tools", execute.UnitPending, "after a revoke nothing could be rolled back")
	j.want(r, "shop", execute.UnitRevoked, "")
	j.want(j.revokeWith(execute.RevokeOptions{AcceptNoRollback: true}), "tools", execute.UnitPending, "--accept-no-rollback")
	only := []string{j.unitID("tools")}
	if j.revokeWith(execute.RevokeOptions{Only: only, AcceptNoRollback: true, DryRun: true}); j.passwordsOf("tools") != 1 {
		t.Fatal("a dry run removed a password")
	}
	j.want(j.revokeWith(execute.RevokeOptions{Only: only, AcceptNoRollback: true}), "tools", execute.UnitRevoked, "")
	records, err := execute.ReadJournal(j.dir)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(records, func(r execute.Record) bool { return r.Step == "accept-no-rollback" }); i < 0 || records[i].Actor != "ada" {
		t.Error("the consent is not in the journal")
	}
	j.want(j.rollback(only...), "tools", execute.UnitFailed, "it cannot be rolled back")
	j.mustSignIn("after a rollback that is not possible")
}

func TestAPlanSaysThatNothingCouldBeRolledBackAndRevokeAsks(t *testing.T) {
	j := smallJourney(t)
	j.change(func(w *world.World) { w.Knobs.NewPasswordPolicy = true })
	j.migrate()
	u, _ := j.plan.Unit(j.unitID("shop"))
	if u.NoRollback == nil || !strings.Contains(u.NoRollback.Message, "forbids new passwords") {
		t.Errorf("%+v", u.NoRollback)
	}
	if !j.hasGate(j.status(), "shop", execute.GateConsent) {
		t.Error("status does not ask for consent")
	}
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "shop", execute.UnitPending, "after a revoke nothing could be rolled back")
	j.change(func(w *world.World) { w.Knobs.NewPasswordPolicy = false })
	j.want(j.revoke(), "shop", execute.UnitRevoked, "") // the policy is gone, and with it the reason to ask
}
