package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// smallOrganisation has two units that share a repository, connections of both creation modes, and secrets at two levels.
const smallOrganisation = `
seed: 11
clock: 2026-11-02T09:00:00Z
tenant: contoso
subscriptions: [contoso-production]
identities:
  - name: shop
    passwords: [{name: pipeline, created: 90d, expires: 300d, lastUsed: 1d}]
    roles: [{role: Contributor, scope: contoso-production}]
  - name: tools
    passwords: [{name: tools, created: 90d, expires: 300d, lastUsed: 1d}]
    roles: [{role: Contributor, scope: contoso-production}]
azureDevOps:
  - name: contoso
    projects: [Shop]
    connections:
      - {name: shop-manual, projects: [Shop], identity: shop}
      - {name: shop-automatic, projects: [Shop], identity: shop, automatic: true}
github:
  - name: contoso
    permissions: read
    repositories:
      - name: shop
        environments:
          - {name: tools, secrets: [{name: TOOLS_CREDENTIALS, creds: tools}]}
        secrets: [{name: AZURE_CREDENTIALS, creds: shop}]
        files:
          .github/workflows/deploy.yml: |
            name: Deploy
            on:
              push:
                branches: [main]
            jobs:
              deploy:
                runs-on: ubuntu-latest
                steps:
                  - uses: azure/login@v2
                    with:
                      creds: ${{ secrets.AZURE_CREDENTIALS }}
                  - run: az account show
          .github/workflows/tools.yml: |
            name: Tools
            on:
              push:
                branches: [main]
            jobs:
              tools:
                runs-on: ubuntu-latest
                environment: tools
                steps:
                  - uses: azure/login@v2
                    with:
                      creds: ${{ secrets.TOOLS_CREDENTIALS }}
                  - run: az account show
`

var errKilled = errors.New("killed")

// killer ends the program at the n-th event of a kind: a record before or after it is written, or a changing request before or after it is sent. From
// then on nothing is written and nothing is sent, until it is revived as a new process.
type killer struct {
	mu     sync.Mutex
	kind   string
	n      int
	seen   map[string]int
	dead   bool
	killed bool
}

func (k *killer) event(kind string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dead {
		return errKilled
	}
	k.seen[kind]++
	if !k.killed && kind == k.kind && k.seen[kind] == k.n {
		k.dead, k.killed = true, true
		return errKilled
	}
	return nil
}

func (k *killer) isDead() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dead
}

func (k *killer) revive() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dead = false
}

// RoundTrip implements http.RoundTripper.
func (k *killer) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte{}
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	changes := r.Method != http.MethodGet && r.Method != http.MethodOptions && r.Method != http.MethodHead &&
		!strings.Contains(r.URL.Path, "/token") && (!strings.HasSuffix(r.URL.Path, "/graphql") || bytes.Contains(body, []byte("mutation"))) && !strings.Contains(r.URL.Path, "endpointproxy")
	if k.isDead() {
		return nil, errKilled
	}
	if !changes {
		return http.DefaultTransport.RoundTrip(r)
	}
	if err := k.event("request before"); err != nil {
		return nil, err
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if dead := k.event("request after"); dead != nil {
		if err == nil {
			_ = resp.Body.Close()
		}
		return nil, dead
	}
	return resp, err
}

// killedBy lets a killer see each record and each request of the journey.
func (j *journey) killedBy(k *killer) {
	j.t.Helper()
	j.set = j.connectWith(transport.Options{Base: k, Attempts: 1})
	j.hooks = execute.JournalOptions{
		BeforeRecord: func(execute.Record) error { return k.event("record before") },
		OnRecord:     func(execute.Record) error { return k.event("record after") },
	}
}

// untilAlive does a thing until nothing kills it, and looks after each kill whether all is well.
func (j *journey) untilAlive(k *killer, name string, well func(), work func(*execute.Executor) (execute.Result, error)) execute.Result {
	j.t.Helper()
	for range 4 {
		r := j.must(work)
		if !k.isDead() {
			return r
		}
		k.revive()
		well()
	}
	j.t.Fatalf("%s does not come to an end", name)
	return execute.Result{}
}

func newKiller(kind string, n int) *killer {
	return &killer{kind: kind, n: n, seen: map[string]int{}}
}

// live goes through a whole life of a migration: apply, merge, revoke, roll back. Each command is started again when it was killed.
func live(t *testing.T, k *killer) (states []string) {
	t.Helper()
	w, mapping, err := lab.LoadSeedMapping([]byte(smallOrganisation))
	if err != nil {
		t.Fatal(err)
	}
	j := startJourney(t, w, mapping)
	j.makePlan()
	j.killedBy(k)
	again := func(name string, work func(*execute.Executor) (execute.Result, error)) execute.Result {
		return j.untilAlive(k, name, func() { j.mustSignIn("when killed in " + name) }, func(e *execute.Executor) (execute.Result, error) {
			e.Parallel = 1
			return work(e)
		})
	}
	ctx := context.Background()
	apply := func(e *execute.Executor) (execute.Result, error) { return e.Apply(ctx, execute.ApplyOptions{}) }
	again("apply", apply)
	j.pass(time.Minute)
	j.mergeAll()
	j.pass(time.Minute)
	again("second apply", apply)
	j.mustSignIn("after the merge")
	states = append(states, "migrated:\n"+worldState(w))
	j.pass(8 * 24 * time.Hour)
	revoked := again("revoke", func(e *execute.Executor) (execute.Result, error) { return e.Revoke(ctx, execute.RevokeOptions{}) })
	if n := revoked.Count(execute.UnitRevoked); n != 2 {
		j.log(revoked)
		t.Errorf("%d units are revoked, want 2", n)
	}
	j.mustSignIn("after revoke")
	states = append(states, "revoked:\n"+worldState(w))
	var units []string
	for _, u := range j.plan.Units {
		units = append(units, u.ID)
	}
	rollback := func(e *execute.Executor) (execute.Result, error) {
		return e.Rollback(ctx, execute.RollbackOptions{Units: units})
	}
	again("rollback", rollback)
	j.mustSignIn("while rolling back")
	j.mergeAll()
	back := again("second rollback", rollback)
	if n := back.Count(execute.UnitRolledBack); n != 2 {
		j.log(back)
		t.Errorf("%d units are rolled back, want 2", n)
	}
	j.mustSignIn("after rollback")
	return append(states, "rolled back:\n"+worldState(w))
}

// worldState is everything that a migration may change, without the ids that depend on how often something was tried.
func worldState(w *world.World) string {
	w.Lock()
	defer w.Unlock()
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, t := range w.Tenants {
		for _, a := range t.Apps {
			for _, f := range a.FICs {
				add("%s trusts %s as %s", a.DisplayName, f.Subject, f.Name)
			}
			for _, p := range a.Passwords {
				add("%s has password %s", a.DisplayName, p.DisplayName)
			}
		}
	}
	for _, o := range w.DevOps {
		for _, c := range o.Connections {
			add("connection %s is %s", c.Refs[0].Name, c.Scheme)
		}
	}
	for _, r := range w.GitHub.Repos {
		for path, oid := range r.Tree(r.Head(r.DefaultBranch)) {
			add("%s %s is %s", r.Name, path, oid)
		}
		for _, p := range r.Pulls {
			add("%s has pull request #%d from %s, %s, merged %t", r.Name, p.Number, p.Head, p.State, p.Merged)
		}
		for _, v := range r.Variables {
			add("%s has variable %s", r.Name, v.Name)
		}
		for _, s := range r.Secrets {
			add("%s has secret %s", r.Name, s.Name)
		}
		for _, e := range r.Environments {
			for _, v := range e.Variables {
				add("%s in %s has variable %s", r.Name, e.Name, v.Name)
			}
			for _, s := range e.Secrets {
				add("%s in %s has secret %s", r.Name, e.Name, s.Name)
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestKilledAnywhereItEndsAsIfItHadNot is law 4: killed on either side of every journal record and of every request that changes
// something, and started again, the world ends as it does without, with no second password and no second pull request, and at no
// time is there a pipeline that cannot sign in.
func TestKilledAnywhereItEndsAsIfItHadNot(t *testing.T) {
	k := newKiller("", 0)
	want := live(t, k)
	t.Logf("events: %v", k.seen)
	step := 1
	if testing.Short() {
		step = 7
	}
	for _, kind := range kills {
		for n := 1; n <= k.seen[kind]; n += step {
			t.Run(fmt.Sprintf("%s/%d", strings.ReplaceAll(kind, " ", "-"), n), func(t *testing.T) {
				k := newKiller(kind, n)
				got := live(t, k)
				if !k.killed {
					t.Error("it was not killed")
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("the world differs (-uninterrupted +killed):\n%s", diff)
				}
			})
		}
	}
}
