package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// fixtureFiles are the files under before/ of a fixture of the workflow engine, by their paths.
func fixtureFiles(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "migrate", "workflow", "testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, part := range regexp.MustCompile(`(?m)^-- `).Split(string(text), -1)[1:] {
		head, body, _ := strings.Cut(part, " --\n")
		if path, ok := strings.CutPrefix(head, "before/"); ok {
			files[path] = body
		}
	}
	return files
}

// identities makes a world in which each name is the secret of an identity of its own, and gives their values.
func identities(t *testing.T, w *world.World, names []string) (values map[string]string, mapping lab.Mapping) {
	t.Helper()
	dir := t.TempDir()
	index := "file\tclass\tsource\trepo\tpath\tcommit\n"
	for _, name := range names {
		file := name + ".yml"
		workflow := "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: azure/login@v2\n        with:\n          creds: ${{ secrets." + name + " }}\n"
		if err := os.WriteFile(filepath.Join(dir, file), []byte(workflow), 0o600); err != nil {
			t.Fatal(err)
		}
		index += file + "\tx\thead\tcontoso/" + name + "\t.github/workflows/" + file + "\tx\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "index.tsv"), []byte(index), 0o600); err != nil {
		t.Fatal(err)
	}
	mapping, err := lab.LoadWorkflows(w, dir, filepath.Join(dir, "index.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	values = map[string]string{}
	for _, name := range names {
		values[name] = w.SecretFor(w.GitHub.Repos["contoso/"+strings.ToLower(name)], "", name).Value
		delete(w.GitHub.Repos, "contoso/"+strings.ToLower(name))
	}
	return values, mapping
}

// TestACredentialThatGoesThroughCalledFilesIsMigrated lets the run simulator judge what becomes of credentials that are passed
// on: every run that signed in before still does, as the same identity, and without a secret.
func TestACredentialThatGoesThroughCalledFilesIsMigrated(t *testing.T) {
	for _, tc := range []struct {
		fixture string
		secrets []string
		left    int // logins that stay
	}{
		{"p03-composite-action", []string{"AZURE_CREDENTIALS", "OTHER_CREDENTIALS"}, 0},
		{"p27-chain", []string{"AZURE_CREDENTIALS"}, 0},
		{"p27-chain-ten", []string{"AZURE_CREDENTIALS"}, 0},
		{"p27-chain-composite", []string{"AZURE_CREDENTIALS"}, 0},
		{"p27-chain-inherit", []string{"AZURE_CREDENTIALS"}, 0},
		{"p27-chain-different", []string{"DEV", "PROD", "NIGHTLY"}, 0},
		{"p27-different-credentials", []string{"DEV", "PROD"}, 0},
		{"p27-chain-inherit-different", []string{"AZURE_CREDENTIALS", "OTHER"}, 4},
		{"p27-chain-broken", []string{"AZURE_CREDENTIALS"}, 7},
	} {
		t.Run(tc.fixture, func(t *testing.T) {
			t.Parallel()
			w := world.New(1)
			w.Clock.Freeze(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC))
			values, mapping := identities(t, w, tc.secrets)
			repo := w.AddRepo("contoso", "shop", fixtureFiles(t, tc.fixture))
			for _, name := range tc.secrets {
				w.SetSecret(&repo.Secrets, name, values[name])
			}
			for i := range mapping {
				mapping[i].Repository = repo.FullName()
			}
			j := startJourney(t, w, mapping)
			a := j.migrateCorpus(true)
			a.left(t, tc.left)
		})
	}
}

// left demands that so many logins stay as they are, and that the others are rewritten.
func (a *account) left(t *testing.T, want int) {
	t.Helper()
	var left []inventory.LoginID
	for id, fate := range a.fate {
		if fate != "rewritten" {
			left = append(left, id)
		}
	}
	slices.Sort(left)
	if len(left) != want || len(a.fate) == 0 {
		t.Errorf("%d of %d logins are left, not %d: %v\n%s", len(left), len(a.fate), want, left, a.explain())
	}
}
