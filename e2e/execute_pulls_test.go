package e2e_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
)

const deployFile = ".github/workflows/deploy.yml"

// editBase changes a workflow on the base branch, as a colleague would.
func (j *journey) editBase(path string, edit func([]byte) []byte) {
	j.change(func(w *world.World) {
		r := w.GitHub.Repos["contoso/shop"]
		content := edit(r.Files(r.Head("main"))[path])
		if content == nil {
			j.t.Fatal("the edit found nothing to change")
		}
		w.CommitFiles(r, "main", "edit", map[string][]byte{path: content})
	})
}

func replaced(old, by string) func([]byte) []byte {
	return func(b []byte) []byte {
		if !bytes.Contains(b, []byte(old)) {
			return nil
		}
		return bytes.Replace(b, []byte(old), []byte(by), 1)
	}
}

func (j *journey) baseFile(path string) string {
	var text string
	j.change(func(w *world.World) {
		r := w.GitHub.Repos["contoso/shop"]
		text = string(r.Files(r.Head("main"))[path])
	})
	return text
}

func (j *journey) opened() {
	j.t.Helper()
	j.makePlan()
	j.want(j.apply(), "shop", execute.UnitPending, "waits to be merged")
	j.pass(time.Minute)
}

func TestAPullRequestIsRebuiltWhenItsFilesChangeAndTheLoginsDoNot(t *testing.T) {
	j := smallJourney(t)
	j.opened()
	j.editBase(deployFile, replaced("jobs:\n", "# A comment of a colleague,\n# which moves every line.\njobs:\n"))
	j.want(j.verify(), "shop", execute.UnitPending, "changed on main while it was open")
	r := j.apply()
	j.want(r, "shop", execute.UnitPending, "waits to be merged")
	if n := j.mergeAll(); n != 1 {
		t.Fatalf("%d pull requests were merged", n)
	}
	text := j.baseFile(deployFile)
	if !strings.Contains(text, "A comment of a colleague") || strings.Contains(text, "secrets.AZURE_CREDENTIALS") || !strings.Contains(text, "id-token: write") {
		t.Errorf("the merged file is\n%s", text)
	}
	j.pass(time.Minute)
	j.apply()
	j.mustSignIn("after merging a rebuilt pull request")
	j.want(j.verify(), "shop", execute.UnitVerified, "")
	// And back: the colleague's edit stays.
	j.rollback(unitIDs(j)...)
	j.pass(time.Minute)
	j.mergeAll()
	j.want(j.rollback(unitIDs(j)...), "shop", execute.UnitRolledBack, "")
	text = j.baseFile(deployFile)
	if !strings.Contains(text, "A comment of a colleague") || !strings.Contains(text, "secrets.AZURE_CREDENTIALS") {
		t.Errorf("the file after the rollback is\n%s", text)
	}
	j.mustSignIn("after rolling a rebuilt pull request back")
}

func TestAPullRequestWhoseLoginsChangedIsLeftToPeople(t *testing.T) {
	j := smallJourney(t)
	j.opened()
	j.editBase(deployFile, replaced("    runs-on: ubuntu-latest\n", "    runs-on: ubuntu-latest\n    environment: live\n"))
	j.want(j.apply(), "shop", execute.UnitPending, "is not as it was at the scan")
	j.want(j.apply(), "shop", execute.UnitPending, "close the pull request, then unsecret plan --unit ")
	if strings.Contains(j.baseFile(deployFile), "client-id") {
		t.Error("the file was rewritten")
	}
	j.rollback(unitIDs(j)...)
	j.mustSignIn("after rolling back")
}

func TestABranchThatSomebodyPushedToIsNotRebuilt(t *testing.T) {
	j := smallJourney(t)
	j.opened()
	j.change(func(w *world.World) {
		r := w.GitHub.Repos["contoso/shop"]
		w.CommitFiles(r, r.Pulls[0].Head, "a reviewer's own commit", map[string][]byte{"README.md": []byte("hello\n")})
	})
	j.want(j.apply(), "shop", execute.UnitPending, "waits to be merged")
	j.editBase(deployFile, replaced("jobs:\n", "# edited\njobs:\n"))
	j.want(j.apply(), "shop", execute.UnitPending, "somebody has pushed to its branch")
	j.change(func(w *world.World) {
		r := w.GitHub.Repos["contoso/shop"]
		if r.Files(r.Head(r.Pulls[0].Head))["README.md"] == nil {
			t.Error("the reviewer's commit is gone")
		}
	})
}

func TestAChangeThatReachedTheBaseByAnotherWayCountsAsMerged(t *testing.T) {
	j := smallJourney(t)
	j.opened()
	j.change(func(w *world.World) {
		r := w.GitHub.Repos["contoso/shop"]
		files := r.Files(r.Head(r.Pulls[0].Head))
		w.CommitFiles(r, "main", "cherry-picked", map[string][]byte{deployFile: files[deployFile], ".github/workflows/tools.yml": files[".github/workflows/tools.yml"]})
	})
	j.want(j.apply(), "shop", execute.UnitMigrated, "")
	if n := len(j.openPulls()); n != 0 {
		t.Errorf("%d pull requests are still open", n)
	}
	j.mustSignIn("after a cherry-pick")
	j.pass(time.Minute)
	j.signIns()
	j.want(j.verify(), "shop", execute.UnitVerified, "")
}

func TestEachStateOfAPullRequestIsToldApart(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(w *world.World, r *world.Repo, p *world.Pull)
		want string
	}{
		"its branch was deleted": {func(_ *world.World, r *world.Repo, p *world.Pull) {
			delete(r.Refs, "refs/heads/"+p.Head)
			p.State = "closed"
		}, "restore its branch"},
		"closed": {func(_ *world.World, _ *world.Repo, p *world.Pull) { p.State = "closed" }, "open it again and merge it"},
		"given another base": {func(w *world.World, r *world.Repo, p *world.Pull) {
			r.SetRef("refs/heads/release", r.Head("main"))
			p.Base = "release"
		}, "its base was changed from main to release"},
		"its checks failed": {func(w *world.World, r *world.Repo, p *world.Pull) {
			r.Runs = append(r.Runs, &world.WorkflowRun{ID: 77, Workflow: ".github/workflows/ci.yml", Event: "pull_request", HeadOID: p.HeadOID, Status: "completed", Conclusion: "failure",
				Created: w.Clock.Now(), Updated: w.Clock.Now(), Jobs: []*world.RunJob{{ID: "lint", Name: "Lint", Conclusion: "failure"}}})
		}, "not green: failed: Lint"},
		"in conflict": {func(w *world.World, r *world.Repo, p *world.Pull) {
			w.CommitFiles(r, "main", "theirs", map[string][]byte{"notes": []byte("1")})
			w.CommitFiles(r, p.Head, "ours", map[string][]byte{"notes": []byte("2")})
		}, "in conflict with main"},
	} {
		t.Run(name, func(t *testing.T) {
			j := smallJourney(t)
			j.opened()
			j.change(func(w *world.World) {
				r := w.GitHub.Repos["contoso/shop"]
				tc.edit(w, r, r.Pulls[0])
			})
			j.apply() // the service may work out mergeability at the first look
			j.want(j.apply(), "shop", execute.UnitPending, tc.want)
			j.want(j.status(), "shop", execute.UnitPending, tc.want)
			j.mustSignIn("with a pull request that is " + name)
			j.rollback(unitIDs(j)...)
			j.mustSignIn("after rolling back a pull request that was " + name)
		})
	}
}
