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
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// changesOfSubjects are what people do to a repository after which its tokens say something else.
var changesOfSubjects = map[string]func(w *world.World, r *world.Repo){
	"it is renamed": func(w *world.World, r *world.Repo) { w.GitHub.Rename(r, "contoso", "store") },
	"it is transferred": func(w *world.World, r *world.Repo) {
		w.AddAccount("fabrikam", "Organization")
		w.GitHub.Rename(r, "fabrikam", "shop")
	},
	"it gets a template": func(_ *world.World, r *world.Repo) {
		r.OIDC = world.OIDCSettings{IncludeClaimKeys: []string{"repository_id", "context"}}
	},
	"its organisation gets a template": func(w *world.World, r *world.Repo) {
		r.OIDC = world.OIDCSettings{}
		w.GitHub.Accounts["contoso"].OIDCKeys = []string{"repository_owner", "context"}
	},
	"its subjects become immutable": func(_ *world.World, r *world.Repo) { r.OIDC.Immutable = true },
	"its default branch is another": func(w *world.World, r *world.Repo) {
		r.SetRef("refs/heads/trunk", r.Head("main"))
		r.DefaultBranch = "trunk"
		text := strings.ReplaceAll(string(r.Files(r.Head("main"))[".github/workflows/tools.yml"]), "branches: [main]", "branches: [trunk]")
		w.CommitFiles(r, "trunk", "trunk", map[string][]byte{".github/workflows/tools.yml": []byte(text)})
		text = strings.ReplaceAll(string(r.Files(r.Head("main"))[deployFile]), "branches: [main]", "branches: [trunk]")
		w.CommitFiles(r, "trunk", "trunk", map[string][]byte{deployFile: []byte(text)})
	},
}

// trustUnits are the units of the plan that only add trust.
func (j *journey) trustUnits() (ids []string) {
	for _, u := range j.plan.Units {
		if u.Kind == plan.KindTrust {
			ids = append(ids, u.ID)
			for _, s := range u.Steps {
				if s.Kind != plan.StepFederatedCredential {
					j.t.Errorf("unit %s has step %s", u.ID, s.ID)
				}
			}
		}
	}
	return ids
}

// TestWhatWasMigratedIsTrustedAgainAfterItsSubjectsChanged renames, transfers and changes a repository during the soak. Its runs fail until a new plan is
// applied, which has the missing federated credentials and nothing else; then they sign in, both proofs hold, the old secret goes, and all of it
// can be rolled back.
func TestWhatWasMigratedIsTrustedAgainAfterItsSubjectsChanged(t *testing.T) {
	for name, edit := range changesOfSubjects {
		t.Run(name, func(t *testing.T) {
			j := smallJourney(t)
			j.migrate()
			j.pass(24 * time.Hour)
			j.makePlan()
			if ids := j.trustUnits(); len(ids) != 0 {
				t.Fatalf("before anything has changed trust is missing: %v", ids)
			}
			j.change(func(w *world.World) { edit(w, w.GitHub.Repos["contoso/shop"]) })
			if _, failures := j.signIns(); len(failures) == 0 {
				t.Fatal("everything still signs in: the test changes nothing")
			}
			if !slices.ContainsFunc(policy.Evaluate(j.scan(), policy.Config{}), func(f policy.Finding) bool { return f.Rule == "login-not-trusted" && f.Severity == policy.High }) {
				t.Error("the scan has no finding")
			}
			if r := j.verify(); r.Count(execute.UnitFailed) == 0 {
				t.Error("verify finds nothing")
			}

			j.makePlan()
			ids := j.trustUnits()
			who, want := "tools", 2
			if strings.Contains(name, "default branch") { // what runs in an environment does not say its branch
				who, want = "shop", 1
			}
			if len(ids) != want {
				t.Fatalf("%d units add trust, want %d", len(ids), want)
			}
			j.must(func(e *execute.Executor) (execute.Result, error) {
				return e.Apply(context.Background(), execute.ApplyOptions{Only: ids})
			})
			j.mustSignIn("after the new plan was applied")
			j.pass(time.Minute)
			j.mustSignIn("a minute later")
			r := j.verify()
			for _, u := range r.Units {
				if u.State != execute.UnitVerified {
					t.Errorf("%s is %s: %s", u.Unit, u.State, u.Reason)
				}
			}
			j.makePlan()
			if left := j.trustUnits(); len(left) != 0 {
				t.Errorf("trust is still missing: %v", left)
			}

			// The trust alone cannot be taken back while the pipelines need it.
			one := slices.IndexFunc(ids, func(id string) bool { return strings.HasPrefix(id, who) })
			back := j.rollback(ids[one])
			j.want(back, ids[one], execute.UnitFailed, "sign in with this trust")
			j.mustSignIn("after a rollback that was refused")

			j.pass(8 * 24 * time.Hour)
			r = j.revokeWith(execute.RevokeOptions{Force: true, AcceptNoSignInLog: true})
			j.want(r, who, execute.UnitRevoked, "")
			j.mustSignIn("after the revoke")

			all := slices.DeleteFunc(j.status().Units, func(u execute.UnitResult) bool { return !strings.HasPrefix(u.Unit, who) })
			var units []string
			for _, u := range all {
				units = append(units, u.Unit)
			}
			if dry := j.dryRollback(units...); want == 1 {
				j.want(dry, who, execute.UnitFailed, "may not come to its end")
				j.want(j.rollback(units...), who, execute.UnitFailed, "put the old sign-in back into its files by hand")
				j.mustSignIn("after a rollback that a person must finish")
				return
			}
			j.rollback(units...)
			j.mustSignIn("while it is rolled back")
			j.pass(time.Minute)
			j.mergeAll()
			j.rollback(units...)
			for _, u := range j.rollback(units...).Units {
				if u.State != execute.UnitRolledBack {
					t.Errorf("%s is %s: %s", u.Unit, u.State, u.Reason)
				}
			}
			j.mustSignIn("after the rollback")
			j.change(func(w *world.World) {
				if n := len(app(w, who).FICs); n != 0 {
					t.Errorf("%d federated credentials are left", n)
				}
			})
		})
	}
}

// TestNobodyIsTrustedForWhatNoPlanMigrated: a workflow that somebody writes names an application, and is not trusted by that.
func TestNobodyIsTrustedForWhatNoPlanMigrated(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	j.change(func(w *world.World) {
		w.AddRepo("contoso", "evil", map[string]string{".github/workflows/x.yml": "on: push\npermissions: {id-token: write}\njobs:\n  x:\n    runs-on: ubuntu-latest\n    steps:\n" +
			"      - uses: azure/login@v2\n        with: {client-id: " + app(w, "tools").AppID + ", tenant-id: " + tenantOf(w) + ", allow-no-subscriptions: true}\n"})
		r := w.GitHub.Repos["contoso/shop"]
		w.CommitFiles(r, "main", "also", map[string][]byte{".github/workflows/also.yml": []byte("on: workflow_dispatch\npermissions: {id-token: write}\njobs:\n  x:\n    runs-on: ubuntu-latest\n    environment: prod\n    steps:\n" +
			"      - uses: azure/login@v2\n        with: {client-id: " + app(w, "tools").AppID + ", tenant-id: " + tenantOf(w) + ", allow-no-subscriptions: true}\n")})
	})
	j.makePlan()
	if ids := j.trustUnits(); len(ids) != 0 {
		t.Errorf("trust is planned: %v", ids)
	}
}
