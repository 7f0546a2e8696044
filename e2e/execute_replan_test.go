package e2e_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/azurite"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers/azblob"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// TestAUnitGoesOnAfterPlanningAgain plans anew between any two commands, as a nightly job does: scan, plan, apply, verify, revoke.
func TestAUnitGoesOnAfterPlanningAgain(t *testing.T) {
	j := smallJourney(t)
	j.nightly(t)
}

// TestAUnitGoesOnAfterPlanningAgainInASharedState is the same in Azure Blob Storage.
func TestAUnitGoesOnAfterPlanningAgainInASharedState(t *testing.T) {
	server := azurite.Start(t)
	network := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: server.Pool, MinVersion: tls.VersionTLS12}}
	server.MakeContainer(t, &http.Client{Transport: network}, "state")
	host, err := transport.Host(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	client, err := transport.New(transport.Options{Base: network}).Client(transport.ClientOptions{Kind: "storage", Hosts: []string{host}, Token: transport.Static(azurite.Token()), XML: true})
	if err != nil {
		t.Fatal(err)
	}
	address, err := azblob.ParseAddress("azblob://" + azurite.Account + "/state/teams/payments?endpoint=" + server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	j := smallJourney(t)
	if j.store, err = azblob.New(azblob.Config{Address: address, URL: address.URL(""), HTTP: client}); err != nil {
		t.Fatal(err)
	}
	j.nightly(t)
}

// nightly takes the small organisation from the first plan to the last rollback, planning again before each command.
func (j *journey) nightly(t *testing.T) {
	t.Helper()
	j.makePlan()
	ids := unitIDs(j)
	j.want(j.apply(), "shop", execute.UnitPending, "waits to be merged")
	j.makePlan()
	j.want(j.apply(), "shop", execute.UnitPending, "waits to be merged")
	j.want(j.status(), "shop", execute.UnitPending, "waits to be merged")
	j.pass(time.Minute)
	if n := j.mergeAll(); n != 1 {
		t.Fatalf("%d pull requests were merged", n)
	}
	j.pass(time.Minute)
	if p := j.makePlan(); len(p.Units) != 0 {
		t.Fatalf("the plan after the merge has %d units, so that this test shows nothing", len(p.Units))
	}
	j.apply()
	j.mustSignIn("after the merge")
	r := j.verify()
	j.want(r, "shop", execute.UnitVerified, "")
	j.want(r, "tools", execute.UnitVerified, "")
	if u := j.unit(j.status(), "shop"); u.Plan == "" {
		t.Error("the status does not say that an earlier plan did it")
	}
	j.makePlan()
	j.want(j.revoke(), "shop", execute.UnitPending, "soak time")
	j.pass(8 * 24 * time.Hour)
	j.makePlan()
	r = j.revoke()
	j.want(r, "shop", execute.UnitRevoked, "")
	j.want(r, "tools", execute.UnitRevoked, "")
	j.mustSignIn("after the revoke")
	j.change(func(w *world.World) {
		if n := len(app(w, "shop").Passwords) + len(app(w, "tools").Passwords); n != 0 {
			t.Errorf("%d passwords are left", n)
		}
	})
	j.makePlan()
	j.want(j.rollback(ids...), "shop", execute.UnitPending, "waits to be merged")
	j.mustSignIn("while rolling back")
	j.makePlan()
	j.want(j.status(), "shop", execute.UnitPending, "rollback")
	j.pass(time.Minute)
	j.mergeAll()
	r = j.rollback(ids...)
	j.want(r, "shop", execute.UnitRolledBack, "")
	j.want(r, "tools", execute.UnitRolledBack, "")
	j.mustSignIn("after the rollback")
	j.change(func(w *world.World) {
		for _, name := range []string{"shop", "tools"} {
			if a := app(w, name); len(a.FICs) != 0 || len(a.Passwords) != 1 {
				t.Errorf("%s has %d federated credentials and %d passwords", name, len(a.FICs), len(a.Passwords))
			}
		}
		if n := len(w.GitHub.Repos["contoso/shop"].Variables); n != 0 {
			t.Errorf("%d variables are left", n)
		}
	})
}

// TestARollbackTakesTheWorkOfSeveralPlansBack rolls a unit back whose connections one plan converted, whose login a second rewrote,
// and to which somebody added another login in the old way, which a third rewrote.
func TestARollbackTakesTheWorkOfSeveralPlansBack(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	shop := j.unitID("shop")
	j.apply()
	j.makePlan()
	j.mergeAndApply()
	j.change(func(w *world.World) {
		r := w.GitHub.Repos["contoso/shop"]
		w.CommitFiles(r, "main", "another", map[string][]byte{".github/workflows/extra.yml": []byte(extraWorkflow)})
	})
	j.makePlan()
	j.want(j.apply(), "shop", execute.UnitPending, "waits to be merged")
	j.want(j.revokeWith(execute.RevokeOptions{Force: true}), "shop", execute.UnitPending, "waits to be merged")
	j.pass(time.Minute)
	if n := j.mergeAll(); n != 1 {
		t.Fatalf("%d pull requests were merged", n)
	}
	j.pass(time.Minute)
	j.want(j.apply(), "shop", execute.UnitMigrated, "")
	j.mustSignIn("after both merges")
	j.makePlan()
	j.want(j.verify(), "shop", execute.UnitVerified, "")
	for range 3 { // one revert for each plan that rewrote something, then the end
		j.rollback(shop)
		j.mustSignIn("while rolling back")
		j.pass(time.Minute)
		j.mergeAll()
	}
	j.want(j.rollback(shop), "shop", execute.UnitRolledBack, "")
	j.mustSignIn("after the rollback")
	j.change(func(w *world.World) {
		if c := connection(w, "shop-manual"); c.Scheme != "ServicePrincipal" {
			t.Errorf("the connection is %s", c.Scheme)
		}
		if n := len(app(w, "shop").FICs); n != 0 {
			t.Errorf("%d federated credentials are left", n)
		}
	})
	for _, path := range []string{deployFile, ".github/workflows/extra.yml"} {
		if text := j.baseFile(path); !strings.Contains(text, "secrets.AZURE_CREDENTIALS") {
			t.Errorf("%s has not gone back:\n%s", path, text)
		}
	}
}

const extraWorkflow = `name: Extra
on: {push: {branches: [main]}}
jobs:
  extra:
    runs-on: ubuntu-latest
    steps:
      - uses: azure/login@v2
        with:
          creds: ${{ secrets.AZURE_CREDENTIALS }}
      - run: az account show
`

// TestANewLoginKeepsTheOldSecret is law 3 after planning again: what the newest scan knows to use the secret has to move as well.
func TestANewLoginKeepsTheOldSecret(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	j.change(func(w *world.World) {
		r := w.GitHub.Repos["contoso/shop"]
		w.CommitFiles(r, "main", "another", map[string][]byte{".github/workflows/extra.yml": []byte(extraWorkflow)})
	})
	j.makePlan()
	j.want(j.revokeWith(execute.RevokeOptions{Force: true, AcceptNoSignInLog: true}), "shop", execute.UnitPending, "not done yet")
	j.mustSignIn("with a new login that uses the old secret")
}

// TestWhatAnEarlierPlanAndThisOneSayIsSaidOnce plans again what keeps an old secret, so that the connections which need it block a unit that is migrated.
func TestWhatAnEarlierPlanAndThisOneSayIsSaidOnce(t *testing.T) {
	j := pipelinesJourney(t, everyKind, nil)
	j.makePlan()
	j.apply()
	j.makePlan()
	seen := map[string]int{}
	for _, g := range j.unit(j.status(), "vault-reader").Gates {
		if g.Name == execute.GateWithheld {
			seen[g.Reason]++
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d connections still need the old secret: %v", len(seen), seen)
	}
	for reason, n := range seen {
		if n > 1 {
			t.Errorf("%d times: %s", n, reason)
		}
	}
}

// TestAKeptPlanIsCheckedAgainstItsHash: what the state keeps of a plan says what will be taken back, so nobody may change it unnoticed.
func TestAKeptPlanIsCheckedAgainstItsHash(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	hash := j.plan.Hash()
	j.apply()
	path := filepath.Join(j.dir, "plans", hash+".json")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if folder, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o600 || folder.Mode().Perm() != 0o700 {
		t.Errorf("the modes are %s and %s, %v", info.Mode(), folder.Mode(), err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(content), "shop-manual", "shop-nameless")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := execute.KeptPlans(context.Background(), execute.NewDirStore(j.dir))(hash); err == nil || !strings.Contains(err.Error(), "is not the plan that was carried out") {
		t.Errorf("a changed plan is read: %v", err)
	}
	j.makePlan()
	j.want(j.rollback(j.unitID("shop")), "shop", execute.UnitFailed, "does not know any more")
	j.mustSignIn("after the rollback that was refused")
	// The plan that was carried out is made again, and everything goes back.
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	j.want(j.rollback(j.unitID("shop")), "shop", execute.UnitRolledBack, "")
	j.mustSignIn("after the rollback")
}
