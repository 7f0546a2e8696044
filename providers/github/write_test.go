package github_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/providers/github"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

const web = inventory.RepositoryName("contoso/web")

func operator(t *testing.T) (*lab.Lab, *github.Client) {
	t.Helper()
	l := labtest.Start(t, labtest.Demo(t), lab.Options{})
	c, _ := connect(t, l, world.RoleOperator, transport.Options{})
	return l, c
}

func TestACommitIsByteExactAndRefusedWhenTheBranchHasMoved(t *testing.T) {
	l, c := operator(t)
	repo, err := c.Repository(t.Context(), web)
	if err != nil || repo.HeadOID == "" || repo.ID == 0 || repo.OwnerID == 0 || repo.Archived {
		t.Fatal(repo, err)
	}
	file := ".github/workflows/deploy.yml"
	oid, err := c.FileOID(t.Context(), web, "main", file)
	if err != nil {
		t.Fatal(err)
	}
	before, err := c.Blob(t.Context(), web, oid)
	if err != nil || world.BlobOID(before) != oid {
		t.Fatal(err)
	}
	if err := c.CreateBranch(t.Context(), web, "unsecret/one", repo.HeadOID); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateBranch(t.Context(), web, "unsecret/one", repo.HeadOID); !errors.Is(err, execute.ErrConflict) {
		t.Errorf("created twice: %v", err)
	}
	after := []byte("\ufeffname: x\r\n# caf\xe9 \x00")
	head, err := c.Commit(t.Context(), web, "unsecret/one", repo.HeadOID, "Title", "Body", []execute.FileChange{{Path: file, Content: after}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Branch(t.Context(), web, "unsecret/one"); err != nil || got != head {
		t.Errorf("%s %v", got, err)
	}
	now, err := c.FileOID(t.Context(), web, head, file)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Blob(t.Context(), web, now); err != nil || string(got) != string(after) {
		t.Errorf("%q %v", got, err)
	}
	if _, err := c.Commit(t.Context(), web, "unsecret/one", repo.HeadOID, "Title", "", nil); !errors.Is(err, execute.ErrConflict) {
		t.Errorf("on a head that has moved: %v", err)
	}
	if _, err := c.Commit(t.Context(), web, "no-such-branch", head, "Title", "", nil); err == nil {
		t.Error("committed to a branch that does not exist")
	}
	if err := c.DeleteBranch(t.Context(), web, "unsecret/one"); err != nil {
		t.Error(err)
	}
	if err := c.DeleteBranch(t.Context(), web, "unsecret/one"); !errors.Is(err, execute.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if _, err := c.Branch(t.Context(), web, "unsecret/one"); !errors.Is(err, execute.ErrNotFound) {
		t.Errorf("read after deletion: %v", err)
	}
	for _, path := range []string{"nothing.yml", ".github"} {
		if _, err := c.FileOID(t.Context(), web, "main", path); !errors.Is(err, execute.ErrNotFound) {
			t.Errorf("%s: %v", path, err)
		}
	}
	_ = l
}

func TestPullRequestsAreOpenedFoundMergedAndClosed(t *testing.T) {
	l, c := operator(t)
	repo, err := c.Repository(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	open := func(branch string) execute.PullRequest {
		t.Helper()
		if err := c.CreateBranch(t.Context(), web, branch, repo.HeadOID); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Commit(t.Context(), web, branch, repo.HeadOID, "Change", "", []execute.FileChange{{Path: branch + ".txt", Content: []byte("x")}}); err != nil {
			t.Fatal(err)
		}
		p, err := c.OpenPullRequest(t.Context(), web, branch, "main", "Title", "Body")
		if err != nil || p.State != "open" || p.Head != branch || p.Base != "main" || p.Number == 0 || p.URL == "" || p.HeadOID == "" {
			t.Fatal(p, err)
		}
		return p
	}
	if _, err := c.FindPullRequest(t.Context(), web, "unsecret/a"); !errors.Is(err, execute.ErrNotFound) {
		t.Errorf("found before it was opened: %v", err)
	}
	a, b := open("unsecret/a"), open("unsecret/b")
	if _, err := c.OpenPullRequest(t.Context(), web, "unsecret/a", "main", "Title", "Body"); !errors.Is(err, execute.ErrConflict) {
		t.Errorf("opened twice: %v", err)
	}
	if _, err := c.OpenPullRequest(t.Context(), web, "no-such", "main", "Title", "Body"); !errors.Is(err, execute.ErrRefused) {
		t.Errorf("from a branch that does not exist: %v", err)
	}
	if err := l.Merge(string(web), a.Number); err != nil {
		t.Fatal(err)
	}
	merged, err := c.FindPullRequest(t.Context(), web, "unsecret/a")
	if err != nil || merged.State != "merged" || merged.MergeCommit == "" || merged.MergedAt.IsZero() {
		t.Errorf("%+v %v", merged, err)
	}
	if err := c.ClosePullRequest(t.Context(), web, b.Number, "Rolled back."); err != nil {
		t.Fatal(err)
	}
	closed, err := c.PullRequest(t.Context(), web, b.Number)
	if err != nil || closed.State != "closed" {
		t.Errorf("%+v %v", closed, err)
	}
	if comments := l.World.GitHub.Repo("contoso", "web").Pull(b.Number).Comments; len(comments) != 1 || comments[0] != "Rolled back." {
		t.Errorf("%q", comments)
	}
	if _, err := c.PullRequest(t.Context(), web, 999); !errors.Is(err, execute.ErrNotFound) {
		t.Errorf("no such: %v", err)
	}
}

// stores are a secret's and a variable's place at every level.
var stores = []execute.StoreRef{
	{Level: inventory.LevelOrganization, Owner: "contoso", Name: "NEW_ONE"},
	{Level: inventory.LevelRepository, Repository: web, Name: "NEW_ONE"},
	{Level: inventory.LevelEnvironment, Repository: "contoso/infrastructure", Environment: "prod/eu west", Name: "NEW_ONE"},
	{Level: inventory.LevelDependabot, Repository: web, Name: "NEW_ONE"},
}

// live gives what the lab holds at a place.
func live(w *world.World, at execute.StoreRef) ([]*world.Secret, []*world.Variable) {
	if at.Level == inventory.LevelOrganization {
		a := w.GitHub.Account(at.Owner)
		return a.Secrets, a.Variables
	}
	owner, name, _ := strings.Cut(string(at.Repository), "/")
	r := w.GitHub.Repo(owner, name)
	switch at.Level {
	case inventory.LevelEnvironment:
		e := r.Environment(at.Environment)
		return e.Secrets, e.Variables
	case inventory.LevelDependabot:
		return r.Dependabot, nil
	}
	return r.Secrets, r.Variables
}

func TestSecretsArriveSealedAtEveryLevel(t *testing.T) {
	l, c := operator(t)
	l.World.AddEnvironment(l.World.GitHub.Repo("contoso", "infrastructure"), "prod/eu west")
	for _, at := range stores {
		t.Run(string(at.Level), func(t *testing.T) {
			if _, err := c.Secret(t.Context(), at); !errors.Is(err, execute.ErrNotFound) {
				t.Errorf("before: %v", err)
			}
			like := inventory.Secret{Visibility: "selected", SelectedRepositories: []inventory.RepositoryName{"contoso/api", web}}
			value := "multi\nline " + world.Canary
			if err := c.SetSecret(t.Context(), at, like, execute.NewPassword([]byte(value))); err != nil {
				t.Fatal(err)
			}
			secrets, _ := live(l.World, at)
			if s := world.FindSecret(secrets, "NEW_ONE"); s == nil || s.Value != value {
				t.Errorf("the lab opened %+v", s)
			}
			got, err := c.Secret(t.Context(), at)
			if err != nil || got.Name != "NEW_ONE" || got.Level != at.Level || got.Owner != "contoso" || got.UpdatedAt.IsZero() {
				t.Errorf("%+v %v", got, err)
			}
			if at.Level == inventory.LevelOrganization {
				if diff := cmp.Diff(like.SelectedRepositories, got.SelectedRepositories); diff != "" || got.Visibility != "selected" {
					t.Error(got.Visibility, diff)
				}
			}
			if err := c.DeleteSecret(t.Context(), at); err != nil {
				t.Error(err)
			}
			if err := c.DeleteSecret(t.Context(), at); !errors.Is(err, execute.ErrNotFound) {
				t.Errorf("deleted twice: %v", err)
			}
		})
	}
}

func TestVariablesAreCreatedUpdatedAndDeletedAtEveryLevel(t *testing.T) {
	l, c := operator(t)
	l.World.AddEnvironment(l.World.GitHub.Repo("contoso", "infrastructure"), "prod/eu west")
	for _, at := range stores {
		t.Run(string(at.Level), func(t *testing.T) {
			if at.Level == inventory.LevelDependabot {
				if err := c.SetVariable(t.Context(), at, "x"); err == nil {
					t.Error("Dependabot has variables")
				}
				return
			}
			if _, err := c.Variable(t.Context(), at); !errors.Is(err, execute.ErrNotFound) {
				t.Errorf("before: %v", err)
			}
			for _, value := range []string{"one", "two"} {
				if err := c.SetVariable(t.Context(), at, value); err != nil {
					t.Fatal(err)
				}
				if got, err := c.Variable(t.Context(), at); err != nil || got != value {
					t.Errorf("%q %v", got, err)
				}
			}
			_, variables := live(l.World, at)
			if v := world.FindVariable(variables, "NEW_ONE"); v == nil || v.Value != "two" {
				t.Errorf("%+v", v)
			}
			if err := c.DeleteVariable(t.Context(), at); err != nil {
				t.Error(err)
			}
			if err := c.DeleteVariable(t.Context(), at); !errors.Is(err, execute.ErrNotFound) {
				t.Errorf("deleted twice: %v", err)
			}
		})
	}
}

func TestRunsOfAWorkflowAreListedNewestFirst(t *testing.T) {
	l, c := operator(t)
	repo := l.World.GitHub.Repo("contoso", "web")
	file := ".github/workflows/deploy.yml"
	start := l.World.Clock.Now().Add(-200 * time.Hour)
	l.World.Lock()
	for i := range 150 {
		at := start.Add(time.Duration(i) * time.Hour)
		repo.Runs = append(repo.Runs, &world.WorkflowRun{ID: int64(1000 + i), Workflow: file, Name: "Deploy", Event: "push", Branch: "main", HeadOID: repo.Head("main"), Status: "completed", Conclusion: "success", Created: at, Updated: at.Add(time.Minute)})
	}
	repo.Runs = append(repo.Runs, &world.WorkflowRun{ID: 5000, Workflow: ".github/workflows/other.yml", Status: "completed", Conclusion: "failure", Created: start.Add(150 * time.Hour), Updated: start.Add(150 * time.Hour)})
	l.World.Unlock()
	runs, err := c.Runs(t.Context(), web, file, start.Add(10*time.Hour))
	if err != nil || len(runs) != 140 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	if r := runs[0]; r.ID != 1149 || r.Workflow != file || r.Event != "push" || r.Branch != "main" || r.Conclusion != "success" || r.Finished.IsZero() || r.URL == "" {
		t.Errorf("%+v", r)
	}
}

func TestReadersAndScansCannotWrite(t *testing.T) {
	l, _ := operator(t)
	reader, _ := connect(t, l, world.RoleReader, transport.Options{})
	guarded, _ := connect(t, l, world.RoleOperator, transport.Options{ReadOnly: true})
	head := l.World.GitHub.Repo("contoso", "web").Head("main")
	secret := execute.NewPassword([]byte(world.Canary))
	for name, write := range map[string]func(c *github.Client) error{
		"branch":   func(c *github.Client) error { return c.CreateBranch(t.Context(), web, "x", head) },
		"variable": func(c *github.Client) error { return c.SetVariable(t.Context(), stores[1], "x") },
		"secret":   func(c *github.Client) error { return c.SetSecret(t.Context(), stores[1], inventory.Secret{}, secret) },
		"commit": func(c *github.Client) error {
			_, err := c.Commit(t.Context(), web, "main", head, "t", "", []execute.FileChange{{Path: "x", Content: []byte("x")}})
			return err
		},
		"pull": func(c *github.Client) error {
			_, err := c.OpenPullRequest(t.Context(), web, "x", "main", "t", "b")
			return err
		},
	} {
		if err := write(guarded); !errors.Is(err, transport.ErrWriteWhileReading) {
			t.Errorf("%s while reading: %v", name, err)
		}
		err := write(reader)
		if err == nil || errors.Is(err, execute.ErrUnknownOutcome) || strings.Contains(fmt.Sprint(err), world.Canary) {
			t.Errorf("%s by a reader: %v", name, err)
		}
	}
}

func TestALostAnswerHasAnUnknownOutcomeUnlessRepeatingIsSafe(t *testing.T) {
	l, c := operator(t)
	head := l.World.GitHub.Repo("contoso", "web").Head("main")
	labtest.Fault(t, l, lab.Fault{Name: "cut-after", Rate: 1, Only: "write", Times: 1})
	if err := c.CreateBranch(t.Context(), web, "lost", head); !errors.Is(err, execute.ErrUnknownOutcome) {
		t.Errorf("a branch: %v", err)
	}
	if got, err := c.Branch(t.Context(), web, "lost"); err != nil || got != head {
		t.Errorf("it took effect: %s %v", got, err)
	}
	labtest.Fault(t, l, lab.Fault{Name: "cut-after", Rate: 1, Only: "write", Times: 1})
	_, err := c.Commit(t.Context(), web, "lost", head, "t", "", []execute.FileChange{{Path: "x", Content: []byte("x")}})
	if !errors.Is(err, execute.ErrUnknownOutcome) {
		t.Errorf("a commit: %v", err)
	}
	labtest.Fault(t, l, lab.Fault{Name: "lost-504", Rate: 1, Only: "write", Times: 1})
	if err := c.SetSecret(t.Context(), stores[1], inventory.Secret{}, execute.NewPassword([]byte("v"))); err != nil {
		t.Errorf("a secret is written twice with the same value: %v", err)
	}
}
