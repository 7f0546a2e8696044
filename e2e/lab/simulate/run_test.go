package simulate_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/unsecret-dev/unsecret/e2e/lab/login"
	"github.com/unsecret-dev/unsecret/e2e/lab/simulate"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const (
	tenantID = "11111111-1111-4111-8111-111111111111"
	appID    = "22222222-2222-4222-8222-222222222222"
	otherApp = "33333333-3333-4333-8333-333333333333"
	password = "s3cret-c4n4ry"
)

// lab is one organisation "acme" with the repository acme/app and one application.
type lab struct {
	w    *world.World
	repo *world.Repo
	app  *world.App
	sim  *simulate.Simulator
}

func newLab(t testing.TB, files map[string]string) *lab {
	t.Helper()
	w := world.New(7)
	w.Clock.Freeze(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC))
	w.AddAccount("acme", "Organization")
	app := &world.App{
		ObjectID: "o1", AppID: appID, DisplayName: "deploy", SignInAudience: "AzureADMyOrg",
		Passwords: []*world.AppPassword{{KeyID: "k1", Value: password}},
		SP:        &world.ServicePrincipal{ObjectID: "s1", Enabled: true},
	}
	w.Tenants[tenantID] = &world.Tenant{ID: tenantID, Name: "acme", Apps: map[string]*world.App{"o1": app}}
	repo := w.AddRepo("acme", "app", files)
	w.SetSecret(&repo.Secrets, "AZURE_CREDENTIALS", creds(appID, password))
	w.SetSecret(&repo.Secrets, "CLIENT_SECRET", password)
	w.SetVariable(&repo.Variables, "CLIENT_ID", appID)
	w.SetVariable(&repo.Variables, "TENANT_ID", tenantID)
	return &lab{w: w, repo: repo, app: app, sim: simulate.New(w, login.New(w))}
}

func creds(app, secret string) string {
	return `{"clientId":"` + app + `","clientSecret":"` + secret + `","tenantId":"` + tenantID + `","subscriptionId":"sub"}`
}

// trust lets the application accept subjects of GitHub.
func (l *lab) trust(subjects ...string) {
	for _, s := range subjects {
		l.app.FICs = append(l.app.FICs, &world.FIC{ID: s, Name: s, Issuer: simulate.GitHubIssuer, Subject: s, Audiences: []string{simulate.ExchangeAudience}})
	}
}

func (l *lab) run(t testing.TB, ev simulate.Event) []*world.WorkflowRun {
	t.Helper()
	runs, err := l.sim.Run("acme/app", ev)
	if err != nil {
		t.Fatalf("event %s: %v", ev.Name, err)
	}
	return runs
}

// story is a run in a few lines.
func story(runs []*world.WorkflowRun, permissions bool) string {
	var b strings.Builder
	for _, r := range runs {
		b.WriteString(r.Conclusion + "\n")
		if r.Message != "" {
			b.WriteString("  " + r.Message + "\n")
		}
		for _, j := range r.Jobs {
			b.WriteString("  " + j.Name + ": " + j.Conclusion)
			if j.Subject != "" {
				b.WriteString(" " + j.Subject)
			}
			b.WriteString("\n")
			if permissions {
				b.WriteString("    " + fmt.Sprint(j.Permissions) + "\n")
			}
			for _, l := range j.Logins {
				outcome := "ok"
				if !l.OK {
					outcome, _, _ = strings.Cut(l.Error, ": ")
					if !strings.HasPrefix(outcome, "AADSTS") {
						outcome = l.Error
					}
				}
				client := ""
				if l.AppID != appID {
					client = " as " + l.AppID
				}
				b.WriteString("    " + l.Step + ": " + l.Kind + client + " " + outcome + "\n")
			}
		}
	}
	return b.String()
}

var update = flag.Bool("update", false, "write what the simulator says into the fixtures")

// TestRunsTellTheStoryOfTheirFixture runs every txtar of testdata/runs: files of repositories, a setup and events;
// want is the story of all runs. A file of another repository is named owner/name:path.
func TestRunsTellTheStoryOfTheirFixture(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/runs/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			testFixture(t, file)
		})
	}
}

func testFixture(t *testing.T, file string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	repos := map[string]map[string]string{"acme/app": {}}
	var setup, events, want string
	for _, f := range ar.Files {
		switch f.Name {
		case "setup":
			setup = string(f.Data)
		case "events":
			events = string(f.Data)
		case "want":
			want = string(f.Data)
		default:
			full, path, ok := strings.Cut(f.Name, ":")
			if !ok {
				full, path = "acme/app", f.Name
			}
			if repos[full] == nil {
				repos[full] = map[string]string{}
			}
			repos[full][path] = string(f.Data)
		}
	}
	l := newLab(t, repos["acme/app"])
	for _, full := range slices.Sorted(maps.Keys(repos)) {
		if owner, name, _ := strings.Cut(full, "/"); full != "acme/app" {
			if l.w.GitHub.Account(owner) == nil {
				l.w.AddAccount(owner, "Organization")
			}
			l.w.AddRepo(owner, name, repos[full])
		}
	}
	l.setUp(t, setup)
	got := l.tell(t, events)
	if *update {
		writeWant(t, file, ar, got)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func writeWant(t *testing.T, file string, ar *txtar.Archive, got string) {
	for i, f := range ar.Files {
		if f.Name == "want" {
			ar.Files = append(ar.Files[:i], ar.Files[i+1:]...)
			break
		}
	}
	ar.Files = append(ar.Files, txtar.File{Name: "want", Data: []byte(got)})
	if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
		t.Fatal(err)
	}
}

// setUp reads the setup of a fixture, one change of the lab on each line.
func (l *lab) setUp(t *testing.T, setup string) {
	for _, line := range strings.Split(strings.TrimSpace(setup), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		org := l.w.GitHub.Account("acme")
		switch f[0] {
		case "trust":
			l.trust(f[1])
		case "setting":
			l.repo.DefaultPermissions = f[1]
		case "immutable":
			l.repo.OIDC.Immutable, l.repo.ID, org.ID = true, 2, 1
		case "keys":
			l.repo.OIDC = world.OIDCSettings{IncludeClaimKeys: strings.Split(f[1], ",")}
		case "orgkeys":
			org.OIDCKeys, l.repo.OIDC.UseDefault = strings.Split(f[1], ","), false
		case "default-subject":
			l.repo.OIDC.UseDefault = true
		case "as-created":
			l.w.Knobs.EnvironmentAsCreated = true
		case "environment":
			l.w.AddEnvironment(l.repo, f[1])
		case "envsecret":
			l.w.SetSecret(&l.repo.Environment(f[1]).Secrets, f[2], l.value(f[3]))
		case "envvar":
			l.w.SetVariable(&l.repo.Environment(f[1]).Variables, f[2], l.value(f[3]))
		case "secret":
			l.w.SetSecret(&l.repo.Secrets, f[1], l.value(f[2]))
		case "variable":
			l.w.SetVariable(&l.repo.Variables, f[1], l.value(f[2]))
		case "dependabot":
			l.w.SetSecret(&l.repo.Dependabot, f[1], l.value(f[2]))
		case "orgsecret":
			s := l.w.SetSecret(&org.Secrets, f[1], l.value(f[2]))
			s.Visibility = f[3]
			if len(f) > 4 {
				s.Selected = []int64{l.repo.ID}
			}
		case "tag":
			l.repo.Refs["refs/tags/"+f[1]] = l.repo.Refs["refs/heads/main"]
		case "public":
			owner, name, _ := strings.Cut(f[1], "/")
			l.w.GitHub.Repo(owner, name).Visibility = "public"
		case "revoke":
			l.app.Passwords = nil
		default:
			t.Fatalf("unknown setup %q", line)
		}
	}
}

func (l *lab) value(s string) string {
	switch s {
	case "CREDS":
		return creds(appID, password)
	case "BADCREDS":
		return creds(appID, "wrong")
	case "PASSWORD":
		return password
	case "APP":
		return appID
	case "TENANT":
		return tenantID
	case "EMPTY":
		return ""
	}
	return s
}

// tell fires the events of a fixture and tells their runs.
func (l *lab) tell(t *testing.T, events string) string {
	var b strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(events), "\n") {
		f := strings.Fields(line)
		ev, permissions := simulate.Event{Name: f[0], Inputs: map[string]string{}}, false
		for _, opt := range f[1:] {
			k, v, _ := strings.Cut(opt, "=")
			switch k {
			case "ref":
				ev.Ref = v
			case "base":
				ev.Base = v
			case "type":
				ev.Type = v
			case "actor":
				ev.Actor = v
			case "workflow":
				ev.Workflow = ".github/workflows/" + v
			case "path":
				ev.Paths = append(ev.Paths, v)
			case "fork":
				ev.Fork = true
			case "permissions":
				permissions = true
			default:
				ev.Inputs[k] = v
			}
		}
		b.WriteString("# " + line + "\n")
		runs, err := l.sim.Run("acme/app", ev)
		if err != nil {
			b.WriteString("error: " + err.Error() + "\n")
		}
		b.WriteString(story(runs, permissions))
	}
	return b.String()
}

// watchdog is an identity provider that fails when the simulator holds the world's lock.
type watchdog struct {
	*login.Server
	w *world.World
	t *testing.T
}

func (d watchdog) Exchange(tenant string, form url.Values) (int, map[string]any) {
	done := make(chan struct{})
	go func() {
		d.w.Lock()
		d.w.Unlock() //nolint:staticcheck // only whether it can be had
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		d.t.Error("the world is locked while a login is made")
	}
	return d.Server.Exchange(tenant, form)
}

func TestRunsAndConnectionsMayHappenAtOnce(t *testing.T) {
	t.Parallel()
	l, _ := withConnection(t, nil)
	l.w.CommitFiles(l.repo, "main", "add", map[string][]byte{".github/workflows/a.yml": []byte(`
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps: [ { uses: azure/login@v2, with: { creds: "${{ secrets.AZURE_CREDENTIALS }}" } } ]
`)})
	sim := simulate.New(l.w, watchdog{login.New(l.w), l.w, t})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			runs, err := sim.Run("ACME/App", simulate.Event{Name: "push"})
			if err != nil || len(runs) != 1 || runs[0].Conclusion != "success" {
				t.Errorf("%v: %s", err, story(runs, false))
			}
			if ok, code := sim.Connection(context.Background(), "acme", connectionID); !ok {
				t.Error(code)
			}
		})
	}
	wg.Wait()
	if len(l.repo.Runs) != 8 || len(l.w.DevOps["acme"].Runs) != 8 {
		t.Errorf("%d workflow runs and %d pipeline runs are recorded", len(l.repo.Runs), len(l.w.DevOps["acme"].Runs))
	}
}

func TestEventsThatCannotHappenAreRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t, map[string]string{})
	for _, ev := range []simulate.Event{{Name: "workflow_call"}, {Name: "push", Ref: "main"}} {
		if _, err := l.sim.Run("acme/app", ev); err == nil {
			t.Errorf("%+v happened", ev)
		}
	}
	if _, err := l.sim.Run("acme/nosuch", simulate.Event{Name: "push"}); err == nil {
		t.Error("a repository that does not exist ran")
	}
}
