package lab_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

var small = lab.Size{Repositories: 60, Connections: 60, Seed: 3}

// dump is a world as text, without what only a running lab has.
func dump(t *testing.T, w *world.World) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"tenants": w.Tenants, "devops": w.DevOps, "github": w.GitHub, "subs": w.Subs, "roles": w.Roles, "signIns": w.SignIns})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestGenerationIsDeterministic(t *testing.T) {
	a, first := lab.Generate(small)
	b, second := lab.Generate(small)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
	if dump(t, a) != dump(t, b) {
		t.Error("the same size and seed gave two different worlds")
	}
	other := small
	other.Seed = 4
	if c, _ := lab.Generate(other); dump(t, a) == dump(t, c) {
		t.Error("another seed gave the same world")
	}
}

func TestAGeneratedOrganisationHasWhatItsSizeSays(t *testing.T) {
	w, mapping := lab.Generate(lab.Size{Repositories: 100, Connections: 40, Projects: 3, Identities: 9, LoginEvery: 4, ShareEvery: 5, Seed: 1})
	logins, crlf := 0, 0
	for _, r := range w.GitHub.Repos {
		for _, text := range r.Files("main") {
			count(&logins, strings.Contains(string(text), "azure/login") || strings.Contains(string(text), "Azure/login") || strings.Contains(string(text), "ARM_CLIENT_SECRET"))
			count(&crlf, strings.Contains(string(text), "\r\n"))
		}
	}
	org := w.DevOps["contoso"]
	if diff := cmp.Diff([]int{100, 25, 40, 3}, []int{len(w.GitHub.Repos), logins, len(org.Connections), len(org.Projects)}); diff != "" {
		t.Errorf("repositories, logins, connections, projects: %s", diff)
	}
	selected := 0
	for _, s := range w.GitHub.Account("contoso").Secrets {
		selected += len(s.Selected)
	}
	if crlf == 0 || selected != 5 || len(mapping) < 20 {
		t.Errorf("%d files with CRLF, %d repositories share secrets, %d secrets mapped", crlf, selected, len(mapping))
	}
}

// TestEveryGeneratedPipelineSignsIn is the state before a migration.
func TestEveryGeneratedPipelineSignsIn(t *testing.T) {
	w, mapping := lab.Generate(small)
	l := serve(t, w, lab.Options{})
	outcomes, err := l.TriggerAll()
	if err != nil {
		t.Fatal(err)
	}
	repositories, kinds := map[string]bool{}, map[string]int{}
	for _, o := range outcomes {
		kinds[o.Kind]++
		repositories[o.Repository] = true
		if !o.OK {
			t.Errorf("%s: %s", o.Place(), o.Error)
		}
	}
	if len(repositories) < 60 || kinds["secret"] < 100 || kinds["federated"] < 5 {
		t.Errorf("%d repositories signed in, by %v", len(repositories), kinds)
	}
	for _, h := range mapping {
		for _, tenant := range w.Tenants {
			for _, app := range tenant.Apps {
				if app.AppID == h.AppID && app.Passwords[0].KeyID != h.KeyID {
					t.Errorf("%+v names a password that its identity does not have", h)
				}
			}
		}
	}
}

func TestAThousandRepositoriesAreQuick(t *testing.T) {
	before := time.Now()
	w, _ := lab.Generate(lab.Size{Repositories: 1000, Connections: 300, LoginEvery: 10, Seed: 9})
	if took := time.Since(before); took > 10*time.Second { // two seconds on an idle machine; this one may be busy
		t.Errorf("took %s", took)
	}
	if len(w.GitHub.Repos) != 1000 {
		t.Errorf("%d repositories", len(w.GitHub.Repos))
	}
}

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const indexHead = "file\tclass\tsource\trepo\tpath\tcommit\n"

func TestWorkflowsAreLoadedWithValuesForWhatTheyName(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"a.yml": "on: push\njobs:\n  d:\n    runs-on: ubuntu-latest\n    steps:\n    - uses: azure/login@v2\n      with:\n        creds: ${{ secrets.LOGIN_JSON }}\n    - run: deploy ${{ secrets['OTHER'] }}\n",
		"b.yml": "on: push\njobs:\n  d:\n    runs-on: ubuntu-latest\n    env:\n      ARM_CLIENT_ID: ${{ vars.ARM_CLIENT_ID }}\n      ARM_CLIENT_SECRET: ${{ secrets.sp_password }}\n      ARM_TENANT_ID: ${{ secrets.TENANT }}\n      ARM_SUBSCRIPTION_ID: ${{ vars.SUB_ID }}\n    steps:\n    - run: terraform apply\n",
		"index.tsv": indexHead + "a.yml\tsecret\thead\tacme/Shop\t.github/workflows/deploy.yml\t\n" +
			"b.yml\tsecret\thist\tacme/Shop\t.github/workflows/deploy.yml\t0123abc\n",
	})
	w := world.New(1)
	w.Clock.Freeze(start)
	mapping, err := lab.LoadWorkflows(w, dir, filepath.Join(dir, "index.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	r := w.GitHub.Repo("acme", "shop")
	var paths []string
	for path := range r.Files("main") {
		paths = append(paths, path)
	}
	if len(paths) != 2 || r.Files("main")[".github/workflows/deploy.0123abc.yml"] == nil {
		t.Errorf("files %v", paths)
	}
	if len(mapping) != 2 || mapping[0].Name != "LOGIN_JSON" || mapping[1].Name != "SP_PASSWORD" {
		t.Errorf("mapping %+v", mapping)
	}
	l := serve(t, w, lab.Options{})
	outcomes, err := l.TriggerAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(outcomes) < 2 {
		t.Errorf("%d sign-ins", len(outcomes))
	}
	for _, o := range outcomes {
		if !o.OK {
			t.Errorf("%s: %s", o.Place(), o.Error)
		}
	}
}

func TestABrokenIndexIsAClearError(t *testing.T) {
	for name, c := range map[string]struct{ index, want string }{
		"no columns":      {"a\tb\n", "does not begin with the columns"},
		"too few columns": {indexHead + "a.yml\tsecret\n", "line 2 has 2 columns"},
		"a missing file":  {indexHead + "a.yml\tsecret\thead\tacme/shop\ta.yml\t\n", "load workflow a.yml of acme/shop"},
		"no owner":        {indexHead + "index.tsv\tsecret\thead\tshop\ta.yml\t\n", `repository "shop" is not owner/name`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{"index.tsv": c.index})
			if _, err := lab.LoadWorkflows(world.New(1), dir, filepath.Join(dir, "index.tsv")); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// TestRealWorkflowsSignIn loads a folder of real files, where there is one, and lets everything run.
func TestRealWorkflowsSignIn(t *testing.T) {
	if testing.Short() {
		t.Skip("loads a thousand files")
	}
	corpus := os.Getenv("UNSECRET_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(filepath.Join(corpus, "index.tsv")); err != nil {
		t.Skipf("no corpus of real workflows: set UNSECRET_CORPUS (%v)", err)
	}
	w := world.New(1)
	w.Clock.Freeze(start)
	mapping, err := lab.LoadWorkflows(w, filepath.Join(corpus, "workflows"), filepath.Join(corpus, "index.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	l := serve(t, w, lab.Options{})
	outcomes, err := l.TriggerAll()
	if err != nil {
		t.Error(err)
	}
	ok, files := map[string]int{}, map[string]bool{}
	for _, o := range outcomes {
		count := o.Kind
		if !o.OK {
			count += " failed"
		}
		ok[count]++
		if o.OK {
			files[o.Repository+" "+o.Workflow] = true
		}
	}
	t.Logf("%d repositories, %d secrets with an identity, sign-ins %v, %d files sign in", len(w.GitHub.Repos), len(mapping), ok, len(files))
	if len(files) < 300 {
		t.Errorf("only %d files sign in with their secrets", len(files))
	}
}
