package simulate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/login"
	"github.com/unsecret-dev/unsecret/e2e/lab/simulate"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// corpus is the folder of real workflows: UNSECRET_CORPUS, or ../shared/corpus beside the module.
func corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("UNSECRET_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(filepath.Join(dir, "index.tsv")); err != nil {
		t.Skipf("no corpus: set UNSECRET_CORPUS (%v)", err)
	}
	return dir
}

// corpusRepos groups the newest workflows by their repository; histories become branches of their own.
func corpusRepos(t testing.TB, dir string) map[string]map[string]string {
	index, err := os.ReadFile(filepath.Join(dir, "index.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	repos := map[string]map[string]string{}
	for _, line := range strings.Split(string(index), "\n")[1:] {
		f := strings.Split(line, "\t")
		if len(f) < 5 {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, "workflows", f[0]))
		if err != nil {
			continue
		}
		full, path := f[3], f[4]
		if f[2] == "hist" {
			path = ".github/workflows/" + f[5] + "-" + filepath.Base(f[4])
		}
		if repos[full] == nil {
			repos[full] = map[string]string{}
		}
		repos[full][path] = string(data)
	}
	return repos
}

// TestCorpusRunsUnderEveryTrigger fires every event of every real workflow: no panic, no hang, and the logins that
// such files are full of are found.
func TestCorpusRunsUnderEveryTrigger(t *testing.T) {
	t.Parallel()
	repos := corpusRepos(t, corpus(t))
	w := world.New(3)
	w.Tenants[tenantID] = &world.Tenant{ID: tenantID, Name: "acme", Apps: map[string]*world.App{"o1": {
		ObjectID: "o1", AppID: appID, SP: &world.ServicePrincipal{ObjectID: "s1", Enabled: true},
		Passwords: []*world.AppPassword{{KeyID: "k1", Value: password}},
	}}}
	sim := simulate.New(w, login.New(w))
	files, runs, refused, logins, slowest := 0, 0, 0, 0, time.Duration(0)
	for full, contents := range repos {
		owner, name, _ := strings.Cut(full, "/")
		if w.GitHub.Account(owner) == nil {
			w.AddAccount(owner, "Organization")
		}
		w.AddRepo(owner, name, contents)
		for path := range contents {
			files++
			events, err := sim.Events(full, path)
			if err != nil {
				t.Fatal(err)
			}
			for _, ev := range events {
				start := time.Now()
				got, err := sim.Run(full, ev)
				if err != nil {
					t.Errorf("%s %s %s: %v", full, path, ev.Name, err)
				}
				slowest = max(slowest, time.Since(start))
				for _, r := range got {
					runs++
					if r.Conclusion == "startup_failure" {
						refused++
					}
					for _, j := range r.Jobs {
						logins += len(j.Logins)
					}
				}
			}
		}
	}
	t.Logf("%d files of %d repositories, %d runs, %d did not start, %d logins; the slowest run took %v", files, len(repos), runs, refused, logins, slowest)
	if files < 900 || logins < 1000 {
		t.Errorf("only %d files and %d logins", files, logins)
	}
	if slowest > 10*time.Second {
		t.Errorf("a run took %v", slowest)
	}
}
