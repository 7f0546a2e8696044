package e2e_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// TestFaultsNeverLeaveAPipelineThatCannotSignIn lets every fault hit a share of all requests during a whole migration. Each command
// is repeated, as a scheduler would; what cannot be done is explained, and everything signs in all the time.
func TestFaultsNeverLeaveAPipelineThatCannotSignIn(t *testing.T) {
	for name := range lab.FaultNames {
		t.Run(name, func(t *testing.T) {
			j := smallJourney(t)
			j.makePlan()
			j.set = j.connectWith(transport.Options{Attempts: 1, Backoff: func(int) time.Duration { return time.Millisecond }, MaxWait: 2 * time.Second})
			times := 0
			if strings.HasPrefix(name, "throttle") {
				times = 2 // each costs a second of real time
			}
			faults := func(on bool) {
				j.lab.Faults.Clear()
				if on {
					if err := j.lab.Faults.SetFault(lab.Fault{Name: name, Rate: 0.12, Delay: 5, RetryAfter: 1, Times: times}); err != nil {
						t.Fatal(err)
					}
				}
			}
			settle := func(what string, done func(execute.Result) bool, work func(*execute.Executor) (execute.Result, error)) {
				t.Helper()
				var r execute.Result
				for range 40 {
					faults(true)
					r = j.must(work)
					faults(false)
					j.mustSignIn("in " + what)
					if strings.HasPrefix(what, "second") {
						j.mergeAll() // what failed at first follows in a pull request of its own
					}
					for _, u := range r.Units {
						if u.State == execute.UnitFailed && u.Reason == "" {
							t.Errorf("%s: unit %s failed without a reason", what, u.Unit)
						}
					}
					if done(r) {
						return
					}
				}
				j.log(r)
				t.Fatalf("%s does not come to an end", what)
			}
			all := func(state execute.UnitState) func(execute.Result) bool {
				return func(r execute.Result) bool { return r.Count(state) == len(r.Units) }
			}
			ctx := context.Background()
			apply := func(e *execute.Executor) (execute.Result, error) { return e.Apply(ctx, execute.ApplyOptions{}) }
			settle("apply", func(r execute.Result) bool { return r.Count(execute.UnitPending) == 2 && !r.Failed() }, apply)
			j.pass(time.Minute)
			j.mergeAll()
			j.pass(time.Minute)
			settle("second apply", all(execute.UnitMigrated), apply)
			j.mustSignIn("after the merge")
			j.pass(8 * 24 * time.Hour)
			settle("revoke", all(execute.UnitRevoked), func(e *execute.Executor) (execute.Result, error) {
				j.pass(time.Minute)
				return e.Revoke(ctx, execute.RevokeOptions{AcceptNoSignInLog: true})
			})
			rollback := func(e *execute.Executor) (execute.Result, error) {
				return e.Rollback(ctx, execute.RollbackOptions{Units: unitIDs(j)})
			}
			settle("second rollback", all(execute.UnitRolledBack), rollback)
			j.change(func(w *world.World) {
				repo := w.GitHub.Repos["contoso/shop"]
				if n := len(repo.Pulls); n < 2 || n > 4 {
					t.Errorf("there are %d pull requests, want one or two rewrites and as many reverts", n)
				}
				for _, name := range []string{"shop", "tools"} {
					if n := len(app(w, name).Passwords); n != 1 {
						t.Errorf("%s has %d passwords, want the one that the rollback minted", name, n)
					}
					if n := len(app(w, name).FICs); n != 0 {
						t.Errorf("%s has %d federated credentials left", name, n)
					}
				}
			})
		})
	}
}

// TestNoSecretIsWritten is law 2 for the plan and the journal: every secret value of the lab contains its canary.
func TestNoSecretIsWritten(t *testing.T) {
	j := smallJourney(t)
	j.migrate()
	j.pass(8 * 24 * time.Hour)
	j.revoke()
	j.rollback(unitIDs(j)...)
	j.mergeAll()
	j.rollback(unitIDs(j)...)
	j.holdsNoSecret()
	j.change(func(w *world.World) {
		for _, p := range w.GitHub.Repos["contoso/shop"].Pulls {
			if strings.Contains(p.Title+p.Body+strings.Join(p.Comments, ""), world.Canary) {
				t.Errorf("pull request #%d holds a secret", p.Number)
			}
		}
	})
}

// holdsNoSecret looks for secrets in the plan and in everything that was written beside the journal.
func (j *journey) holdsNoSecret() {
	j.t.Helper()
	t := j.t
	text, err := j.plan.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), world.Canary) {
		t.Error("the plan holds a secret")
	}
	err = filepath.WalkDir(j.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), world.Canary) {
			t.Errorf("%s holds a secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
