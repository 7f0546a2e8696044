package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
)

func smallJourney(t *testing.T) *journey {
	t.Helper()
	w, mapping, err := lab.LoadSeedMapping([]byte(smallOrganisation))
	if err != nil {
		t.Fatal(err)
	}
	return startJourney(t, w, mapping)
}

// change edits the world as a person would.
func (j *journey) change(edit func(w *world.World)) {
	w := j.lab.World
	w.Lock()
	defer w.Unlock()
	edit(w)
}

// unit finds a unit's result by the beginning of its id.
func (j *journey) unit(r execute.Result, prefix string) execute.UnitResult {
	j.t.Helper()
	for _, u := range r.Units {
		if strings.HasPrefix(u.Unit, prefix) {
			return u
		}
	}
	j.t.Fatalf("no unit %s in %+v", prefix, r)
	return execute.UnitResult{}
}

func (j *journey) want(r execute.Result, prefix string, state execute.UnitState, text string) {
	j.t.Helper()
	u := j.unit(r, prefix)
	if u.State != state || !strings.Contains(u.Reason+strings.Join(u.Next, " "), text) {
		j.log(r)
		j.t.Errorf("%s: unit %s is %s (%s; next: %v), want %s with %q", r.Command, u.Unit, u.State, u.Reason, u.Next, state, text)
	}
}

func app(w *world.World, name string) *world.App {
	for _, t := range w.Tenants {
		for _, a := range t.Apps {
			if a.DisplayName == name {
				return a
			}
		}
	}
	return nil
}

func tenantOf(w *world.World) string {
	for id := range w.Tenants {
		return id
	}
	return ""
}

func connection(w *world.World, name string) *world.Connection {
	for _, o := range w.DevOps {
		for _, c := range o.Connections {
			if c.Refs[0].Name == name {
				return c
			}
		}
	}
	return nil
}

// mergeAndApply merges what is open as a reviewer would, a while later, and goes on.
func (j *journey) mergeAndApply() {
	j.t.Helper()
	j.pass(time.Minute)
	j.mergeAll()
	j.pass(time.Minute)
	j.apply()
}

// migrate brings the small organisation to the point where only the soak time is missing.
func (j *journey) migrate() {
	j.t.Helper()
	j.makePlan()
	j.apply()
	j.mergeAndApply()
	j.mustSignIn("after the merge")
	r := j.verify()
	j.want(r, "shop", execute.UnitVerified, "")
	j.want(r, "tools", execute.UnitVerified, "")
}

func TestAnObjectThatChangedSinceTheScanIsRefusedAndTheOthersGoOn(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	j.change(func(w *world.World) {
		r := w.GitHub.Repos["contoso/shop"]
		files := r.Files(r.Head("main"))
		content := append(files[".github/workflows/tools.yml"], "# edited\n"...)
		w.CommitFiles(r, "main", "edit", map[string][]byte{".github/workflows/tools.yml": content})
	})
	r := j.apply()
	j.want(r, "tools", execute.UnitFailed, ".github/workflows/tools.yml moved from")
	j.want(r, "shop", execute.UnitPending, "waits to be merged")
	j.mustSignIn("with one unit refused")
}

func TestAConnectionThatSomebodyEditedIsRefused(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	j.change(func(w *world.World) {
		connection(w, "shop-manual").Params["serviceprincipalid"] = app(w, "tools").AppID
	})
	j.want(j.apply(), "shop", execute.UnitFailed, "appId moved from")
}

func TestAPullRequestThatWasClosedIsNotOpenedAgain(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	j.apply()
	j.change(func(w *world.World) { w.GitHub.Repos["contoso/shop"].Pulls[0].State = "closed" })
	r := j.apply()
	j.want(r, "shop", execute.UnitPending, "closed without being merged")
	j.change(func(w *world.World) {
		if n := len(w.GitHub.Repos["contoso/shop"].Pulls); n != 1 {
			t.Errorf("there are %d pull requests", n)
		}
	})
	j.rollback(unitIDs(j)...)
	j.mustSignIn("after rolling back a closed pull request")
}

func unitIDs(j *journey) []string {
	var out []string
	for _, u := range j.plan.Units {
		out = append(out, u.ID)
	}
	return out
}

func TestRevokeWaitsForTheSoakTime(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	r := j.revoke()
	j.want(r, "shop", execute.UnitPending, "soak time")
	if r.PendingUntil().IsZero() {
		t.Error("it does not say until when")
	}
	j.pass(6 * 24 * time.Hour)
	j.want(j.revoke(), "shop", execute.UnitPending, "soak time")
	j.pass(2 * 24 * time.Hour)
	j.want(j.revoke(), "shop", execute.UnitRevoked, "")
	j.mustSignIn("after revoke")
}

func TestASecretThatSomethingUnknownUsesIsNotRevoked(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	j.change(func(w *world.World) {
		a := app(w, "shop")
		w.SignIns = append(w.SignIns, &world.SignIn{ID: w.NewID(), TenantID: tenantOf(w), Time: w.Clock.Now().Add(time.Hour), AppID: a.AppID, SPID: a.SP.ObjectID, CredentialType: "clientSecret", KeyID: a.Passwords[0].KeyID})
	})
	j.pass(8 * 24 * time.Hour)
	r := j.revoke()
	j.want(r, "shop", execute.UnitPending, "something unknown still signs in")
	j.want(r, "tools", execute.UnitRevoked, "")
	r = j.must(func(e *execute.Executor) (execute.Result, error) {
		return e.Revoke(context.Background(), execute.RevokeOptions{AcceptUsesUntil: j.lab.World.Clock.Now()})
	})
	j.want(r, "shop", execute.UnitRevoked, "")
}

func TestWithoutASignInLogOnlyADecisionRevokes(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	j.change(func(w *world.World) {
		w.Knobs.SignInLogForbid = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
	})
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "shop", execute.UnitPending, "--accept-no-sign-in-log")
	r := j.must(func(e *execute.Executor) (execute.Result, error) {
		return e.Revoke(context.Background(), execute.RevokeOptions{AcceptNoSignInLog: true})
	})
	j.want(r, "shop", execute.UnitRevoked, "")
	records, err := execute.ReadJournal(j.dir)
	if err != nil {
		t.Fatal(err)
	}
	decisions := 0
	for _, rec := range records {
		if strings.Contains(rec.Note, "the operator decided") {
			decisions++
		}
	}
	if decisions != 2 {
		t.Errorf("%d decisions are journaled, want one for each unit", decisions)
	}
}

func TestVerifyWaitsForARunAfterTheMerge(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	j.apply()
	j.pass(time.Minute)
	j.mergeAll()
	j.change(func(w *world.World) { w.GitHub.Repos["contoso/shop"].Runs = nil; w.SignIns = nil })
	j.apply()
	j.want(j.verify(), "shop", execute.UnitPending, "has not run since its merge")
}

func TestRollbackAfterTheRevertDeadlineMintsAPassword(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	j.pass(10 * 24 * time.Hour)
	j.rollback(unitIDs(j)...)
	j.mustSignIn("while rolling back")
	j.mergeAll()
	j.want(j.rollback(unitIDs(j)...), "shop", execute.UnitRolledBack, "")
	j.mustSignIn("after rollback")
	j.change(func(w *world.World) {
		if c := connection(w, "shop-manual"); c.Scheme != "ServicePrincipal" {
			t.Errorf("the connection is %s", c.Scheme)
		}
		if n := len(app(w, "shop").Passwords); n != 2 {
			t.Errorf("there are %d passwords, want the old and the minted one", n)
		}
	})
}

func TestRollbackWithinTheDeadlineNeedsNoPassword(t *testing.T) {
	j := smallJourney(t)
	j.change(func(w *world.World) { w.Knobs.NewPasswordPolicy = true })
	j.migrate()
	j.rollback(unitIDs(j)...)
	j.mergeAll()
	r := j.rollback(unitIDs(j)...)
	j.want(r, "shop", execute.UnitRolledBack, "")
	j.want(r, "tools", execute.UnitRolledBack, "")
	j.mustSignIn("after rollback")
}

func TestARollbackThatAPolicyForbidsSaysSoAndChangesNothing(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "shop", execute.UnitRevoked, "")
	j.change(func(w *world.World) { w.Knobs.NewPasswordPolicy = true })
	before := worldState(j.lab.World)
	j.want(j.rollback(unitIDs(j)...), "shop", execute.UnitFailed, "nothing was changed")
	if after := worldState(j.lab.World); after != before {
		t.Errorf("something was changed:\n%s\n---\n%s", before, after)
	}
	j.mustSignIn("after a rollback that is forbidden")
}

func TestOneOfTwoUnitsOfARepositoryIsRolledBack(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	var tools string
	for _, u := range j.plan.Units {
		if strings.HasPrefix(u.ID, "tools") {
			tools = u.ID
		}
	}
	j.want(j.rollback(tools), "tools", execute.UnitPending, "waits to be merged")
	j.mustSignIn("while one unit is rolled back")
	j.mergeAll()
	j.want(j.rollback(tools), "tools", execute.UnitRolledBack, "")
	j.mustSignIn("after one unit is rolled back")
	r := j.apply()
	j.want(r, "tools", execute.UnitRolledBack, "--only")
	j.want(r, "shop", execute.UnitVerified, "")
	j.change(func(w *world.World) {
		repo := w.GitHub.Repos["contoso/shop"]
		files := repo.Files(repo.Head("main"))
		if !strings.Contains(string(files[".github/workflows/tools.yml"]), "secrets.TOOLS_CREDENTIALS") {
			t.Error("the one workflow has not gone back")
		}
		if strings.Contains(string(files[".github/workflows/deploy.yml"]), "secrets.AZURE_CREDENTIALS") {
			t.Error("the other one has gone back too")
		}
	})
	// And applied once more, by name.
	r = j.must(func(e *execute.Executor) (execute.Result, error) {
		return e.Apply(context.Background(), execute.ApplyOptions{Only: []string{tools}})
	})
	j.want(r, "tools", execute.UnitPending, "waits to be merged")
	j.mergeAll()
	j.mustSignIn("after it was applied again")
	j.apply()
	j.want(j.verify(), "tools", execute.UnitVerified, "")
}

func TestSlowServicesAreWaitedFor(t *testing.T) {
	for name, edit := range map[string]func(*world.Knobs){
		"conversion is asynchronous":      func(k *world.Knobs) { k.ConvertAsync = 3 * time.Minute },
		"trust propagates slowly":         func(k *world.Knobs) { k.FICPropagation = 90 * time.Second },
		"conversion gives the old issuer": func(k *world.Knobs) { k.ConvertOldIssuer = true },
		"all of them": func(k *world.Knobs) {
			k.ConvertAsync, k.FICPropagation, k.ConvertOldIssuer = time.Minute, time.Minute, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := smallJourney(t)
			j.change(func(w *world.World) { edit(&w.Knobs) })
			j.makePlan()
			j.apply()
			j.pass(10 * time.Minute)
			j.mergeAll()
			j.pass(time.Minute)
			r := j.apply()
			j.want(r, "shop", execute.UnitMigrated, "")
			j.mustSignIn("after the migration")
			j.rollback(unitIDs(j)...)
			j.pass(time.Minute)
			j.mergeAll()
			j.want(j.rollback(unitIDs(j)...), "shop", execute.UnitRolledBack, "")
			j.mustSignIn("after rollback")
			j.change(func(w *world.World) {
				if n := len(app(w, "shop").FICs); n != 0 {
					t.Errorf("%d federated credentials are left", n)
				}
			})
		})
	}
}

// TestNoPullRequestIsOpenedOnGroundThatIsGone lets go what a later plan found in place, and so has no step for.
func TestNoPullRequestIsOpenedOnGroundThatIsGone(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(w *world.World)
		want string
	}{
		"a federated credential": {func(w *world.World) { app(w, "tools").FICs = nil }, `federated credential unsecret-repo-contoso-shop-environment-tools-`},
		"a variable":             {func(w *world.World) { w.GitHub.Repos["contoso/shop"].Variables = nil }, "AZURE_TENANT_ID"},
	} {
		t.Run(name, func(t *testing.T) {
			j := smallJourney(t)
			j.makePlan()
			j.apply()
			j.change(func(w *world.World) {
				r := w.GitHub.Repos["contoso/shop"]
				r.Pulls, r.Refs = nil, map[string]string{"refs/heads/main": r.Head("main")}
			})
			j.dir = t.TempDir() // somebody else's trust and variables, as far as this journal knows
			j.makePlan()
			j.change(tc.edit)
			j.want(j.apply(), "tools", execute.UnitFailed, tc.want)
			if n := len(j.openPulls()); n > 1 {
				t.Errorf("%d pull requests are open", n)
			}
			j.mergeAll()
			j.mustSignIn("after merging what was opened")
			j.makePlan()
			j.apply()
			j.pass(time.Minute)
			j.mergeAll()
			j.pass(time.Minute)
			j.want(j.apply(), "tools", execute.UnitMigrated, "")
			j.mustSignIn("after planning again")
		})
	}
}
