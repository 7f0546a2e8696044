package e2e_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// unitID finds a unit of the plan by the beginning of its id.
func (j *journey) unitID(prefix string) string {
	j.t.Helper()
	for _, u := range j.plan.Units {
		if strings.HasPrefix(u.ID, prefix) {
			return u.ID
		}
	}
	j.t.Fatalf("the plan has no unit %s", prefix)
	return ""
}

func (j *journey) applyWith(o execute.ApplyOptions) execute.Result {
	j.t.Helper()
	return j.must(func(e *execute.Executor) (execute.Result, error) { return e.Apply(context.Background(), o) })
}

func (j *journey) revokeWith(o execute.RevokeOptions) execute.Result {
	j.t.Helper()
	return j.must(func(e *execute.Executor) (execute.Result, error) { return e.Revoke(context.Background(), o) })
}

func (j *journey) status() execute.Result {
	j.t.Helper()
	records, err := execute.ReadJournalIn(context.Background(), j.state())
	if err != nil {
		j.t.Fatal(err)
	}
	return execute.Standing(j.plan, records, execute.KeptPlans(context.Background(), j.state()), j.lab.World.Clock.Now())
}

func (j *journey) hasGate(r execute.Result, prefix string, name execute.GateName) bool {
	j.t.Helper()
	return slices.ContainsFunc(j.unit(r, prefix).Gates, func(g execute.Gate) bool { return g.Name == name })
}

func TestNothingIsDoneBeforeAUnitIsApproved(t *testing.T) {
	j := smallJourney(t)
	j.settings = func(c *plan.Config) { c.Approval = plan.ApprovalUnit }
	j.makePlan()
	before := worldState(j.lab.World)
	j.want(j.apply(), "shop", execute.UnitPending, "unsecret approve")
	if after := worldState(j.lab.World); after != before {
		t.Error("something was done without an approval")
	}
	j.want(j.status(), "shop", execute.UnitPending, "nobody has approved")
	j.must(func(e *execute.Executor) (execute.Result, error) {
		e.Actor = "grace"
		return e.Approve([]string{j.unitID("shop")}, "CHG-1")
	})
	r := j.apply()
	j.want(r, "shop", execute.UnitPending, "waits to be merged")
	j.want(r, "tools", execute.UnitPending, "unsecret approve")
	records, err := execute.ReadJournal(j.dir)
	if err != nil {
		t.Fatal(err)
	}
	if rec := records[0]; rec.Step != "approve" || rec.After["by"] != "grace" || rec.Note != "CHG-1" {
		t.Errorf("the approval is journaled as %+v", rec)
	}
	// The other one is approved by a file, which is journaled when it is made use of.
	tools, _ := j.plan.Unit(j.unitID("tools"))
	r = j.must(func(e *execute.Executor) (execute.Result, error) {
		e.Approvals = []execute.Approval{{Unit: tools.ID, Hash: tools.Hash()[:12], By: "linus", Note: "CHG-2"}}
		return e.Apply(context.Background(), execute.ApplyOptions{})
	})
	j.want(r, "tools", execute.UnitPending, "follows when that is merged") // its pull request follows the one that is open
	j.mergeAll()
	j.want(j.apply(), "tools", execute.UnitPending, "waits to be merged")
}

func TestAnApprovalIsAboutTheUnitAsItWasReviewed(t *testing.T) {
	j := smallJourney(t)
	j.settings = func(c *plan.Config) { c.Approval = plan.ApprovalUnit }
	j.makePlan()
	approve := func() {
		j.must(func(e *execute.Executor) (execute.Result, error) { return e.Approve(unitIDs(j), "") })
	}
	approve()
	j.settings = func(c *plan.Config) {
		c.Approval, c.RollbackDays, c.LoginVersion, c.IDs = plan.ApprovalUnit, 5, "v2", plan.IDsSecrets
	}
	j.makePlan()
	j.want(j.apply(), "shop", execute.UnitPending, "as it was in an earlier plan")
	approve()
	j.want(j.apply(), "shop", execute.UnitPending, "waits to be merged")
	// A rollback ends the approval.
	j.rollback(unitIDs(j)...)
	j.want(j.applyWith(execute.ApplyOptions{Only: unitIDs(j)}), "shop", execute.UnitRolledBack, "")
	if n := len(j.openPulls()); n != 0 {
		t.Errorf("%d pull requests are open", n)
	}
}

func (j *journey) openPulls() []*world.Pull {
	var out []*world.Pull
	j.change(func(w *world.World) {
		for _, r := range w.GitHub.Repos {
			for _, p := range r.Pulls {
				if p.State == "open" {
					out = append(out, p)
				}
			}
		}
	})
	return out
}

func TestARevokeWaitsForItsApproval(t *testing.T) {
	j := smallJourney(t)
	j.settings = func(c *plan.Config) { c.Approval = plan.ApprovalRevoke }
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "tools", execute.UnitPending, "nobody has approved")
	j.must(func(e *execute.Executor) (execute.Result, error) { return e.Approve([]string{j.unitID("tools")}, "") })
	r := j.revoke()
	j.want(r, "tools", execute.UnitRevoked, "")
	j.want(r, "shop", execute.UnitPending, "nobody has approved")
}

func TestARunRevokesAtMostItsShare(t *testing.T) {
	j := smallJourney(t)
	j.settings = func(c *plan.Config) { c.Revoke.Share = 30 }
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	if r := j.revoke(); r.Count(execute.UnitRevoked) != 1 || r.Count(execute.UnitPending) != 1 || !j.hasGate(r, "tools", execute.GateLimit) {
		j.log(r)
		t.Error("one of two units should be revoked, and the other wait for the next run")
	}
	if r := j.revoke(); r.Count(execute.UnitRevoked) != 2 {
		j.log(r)
		t.Error("the next run should revoke the other")
	}
}

func TestForceLiftsTheLimitOfARun(t *testing.T) {
	j := smallJourney(t)
	j.settings = func(c *plan.Config) { c.Revoke.Units = 1 }
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	r := j.revokeWith(execute.RevokeOptions{DryRun: true})
	if r.Count(execute.UnitPending) != 1 {
		t.Error("a dry run does not tell of the limit")
	}
	if r := j.revokeWith(execute.RevokeOptions{Force: true}); r.Count(execute.UnitRevoked) != 2 {
		j.log(r)
		t.Error("both should be revoked")
	}
}

func TestSharedAndPrivilegedIdentitiesAreRevokedOnlyByName(t *testing.T) {
	j := smallJourney(t)
	j.settings = func(c *plan.Config) { c.Revoke.Name = nil }
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	j.want(j.status(), "shop", execute.UnitVerified, "")
	if !j.hasGate(j.status(), "shop", execute.GateNamed) {
		t.Error("the status does not say that the unit has to be named")
	}
	r := j.revokeWith(execute.RevokeOptions{Force: true})
	j.want(r, "shop", execute.UnitPending, "shared (2 connections and 1 repository share it), tier-0 (it is Contributor of")
	j.want(r, "tools", execute.UnitPending, "unsecret revoke --only tools")
	j.want(j.revokeWith(execute.RevokeOptions{Only: []string{j.unitID("shop")}}), "shop", execute.UnitRevoked, "")
	j.mustSignIn("after revoking by name")
}

func TestTheStatusSaysHowLongAConversionCanBeTakenBack(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	said := func() (out []string) {
		for _, s := range j.unit(j.status(), "shop").Steps {
			if s.Kind == plan.StepConnection {
				out = append(out, s.Reason)
			}
		}
		return out
	}
	for _, s := range said() {
		if !strings.Contains(s, "converts it back until 2026-11-") {
			t.Errorf("it says %q", s)
		}
	}
	j.pass(8 * 24 * time.Hour)
	for _, s := range said() {
		if !strings.Contains(s, "a rollback mints a new password") || strings.Contains(s, "until") {
			t.Errorf("after the deadline it says %q", s)
		}
	}
}

func waves(c *plan.Config) {
	c.Waves = []plan.WaveRule{{Wave: 2, Connections: []string{"shop-*"}}}
}

func TestALaterWaveWaitsUntilTheEarlierIsVerified(t *testing.T) {
	j := smallJourney(t)
	j.settings = waves
	j.makePlan()
	j.want(j.status(), "shop", execute.UnitPending, "wave 1 is not verified yet: tools-")
	r := j.apply()
	j.want(r, "tools", execute.UnitPending, "waits to be merged")
	j.want(r, "shop", execute.UnitPending, "wave 1 is not verified yet")
	j.change(func(w *world.World) {
		if connection(w, "shop-manual").Scheme != "ServicePrincipal" {
			t.Error("a unit of the second wave was begun")
		}
	})
	j.want(j.applyWith(execute.ApplyOptions{Wave: 2}), "shop", execute.UnitPending, "wave 1 is not verified yet")
	j.pass(time.Minute)
	j.mergeAll()
	j.pass(time.Minute)
	j.want(j.apply(), "shop", execute.UnitPending, "wave 1 is not verified yet")
	j.mustSignIn("after the first wave")
	j.want(j.verify(), "tools", execute.UnitVerified, "")
	j.want(j.apply(), "shop", execute.UnitPending, "waits to be merged")
}

func TestAFailedVerificationStopsTheNextWave(t *testing.T) {
	j := smallJourney(t)
	j.settings = waves
	j.makePlan()
	j.apply()
	j.mergeAndApply()
	j.change(func(w *world.World) { app(w, "tools").FICs = nil })
	j.want(j.verify(), "tools", execute.UnitFailed, "not everything that the unit presents is trusted")
	j.want(j.apply(), "shop", execute.UnitPending, "tools failed its verification")
	r := j.applyWith(execute.ApplyOptions{Skip: []string{j.unitID("tools")}, DryRun: true})
	if r.Count(execute.UnitPlanned)+r.Count(execute.UnitPending) == 0 || j.hasGate(r, "shop", execute.GateWave) {
		j.log(r)
		t.Error("a dry run does not show what going on without the unit would do")
	}
	j.want(j.apply(), "shop", execute.UnitPending, "tools failed its verification")
	j.want(j.applyWith(execute.ApplyOptions{Skip: []string{j.unitID("tools")}}), "shop", execute.UnitPending, "waits to be merged")
}

func TestTheSoakTimeGrowsWithWhatRunsRarely(t *testing.T) {
	j := smallJourney(t)
	j.settings = func(c *plan.Config) { c.Soak = nil }
	j.change(func(w *world.World) {
		repo := w.GitHub.Repos["contoso/shop"]
		now := w.Clock.Now()
		for _, ago := range []int{45, 20} {
			at := now.AddDate(0, 0, -ago)
			repo.Runs = append(repo.Runs, &world.WorkflowRun{ID: int64(ago), Workflow: ".github/workflows/deploy.yml", Name: "Deploy", Event: "schedule", Branch: "main",
				HeadOID: repo.Head("main"), Status: "completed", Conclusion: "success", Created: at, Updated: at})
		}
	})
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "shop", execute.UnitPending, "25 days: .github/workflows/deploy.yml in contoso/shop was not used between")
	j.want(j.revoke(), "tools", execute.UnitRevoked, "")
	j.pass(18 * 24 * time.Hour)
	j.mustSignIn("after a long soak")
	j.want(j.revoke(), "shop", execute.UnitRevoked, "")
}
