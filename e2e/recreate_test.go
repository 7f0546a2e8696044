package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// registryOrganisation has a connection to a registry that two projects share under different names. Its pipelines name it in an input, in a variable and
// through a template's parameter.
const registryOrganisation = `
seed: 14
clock: 2026-11-02T09:00:00Z
tenant: contoso
subscriptions: [contoso-production]
identities:
  - name: pusher
    passwords: [{name: pusher, created: 90d, expires: 300d, lastUsed: 1d}]
    roles: [{role: AcrPush, scope: contoso-production}]
azureDevOps:
  - name: contoso
    projects: [Shop, Store]
    connections:
      - {name: registry, projects: [Shop, Store], identity: pusher, registry: contoso.azurecr.io, usedBy: images, lastUsed: 1d}
    repositories:
      - project: Shop
        name: images
        files:
          azure-pipelines.yml: |
            trigger: [main]
            variables:
              # The connection to the registry.
              acr: 'registry'
              tag: latest
            steps:
            - task: Docker@2   # push
              inputs:
                containerRegistry: $(acr)
                repository: shop
                command: buildAndPush
            - template: templates/push.yml
              parameters: {name: other, acr: registry}
          templates/push.yml: |
            parameters:
            - name: name
              type: string
            - name: acr
              type: string
            steps:
            - task: Docker@2
              inputs:
                containerRegistry: ${{ parameters.acr }}
                repository: ${{ parameters.name }}
                command: buildAndPush
      - project: Store
        name: site
        files:
          azure-pipelines.yml: |
            trigger: [main]
            steps:
            - task: Docker@2
              inputs:
                containerRegistry: "store-registry"
                repository: store
                command: buildAndPush
    pipelines:
      - {project: Shop, name: images, repository: images, file: azure-pipelines.yml}
      - {project: Store, name: site, repository: site, file: azure-pipelines.yml}
`

// registryJourney is ready to be planned. Of the connection the first project permits one pipeline, the second all of its pipelines; an approval is on it, somebody has a role
// of his own on it, and in the second project those of the project do not hold.
func registryJourney(t *testing.T, change func(*world.World)) *journey {
	t.Helper()
	w, mapping, err := lab.LoadSeedMapping([]byte(registryOrganisation))
	if err != nil {
		t.Fatal(err)
	}
	c := devOps(w, "registry")
	c.Refs[1].Name = "store-registry"
	for _, d := range w.DevOps["contoso"].Definitions {
		if d.Name == "images" {
			c.Pipelines = []int{d.ID}
		}
	}
	c.OpenIn = []string{c.Refs[1].ProjectID}
	c.Checks = []*world.Check{{ID: 7, Type: "Approval", Timeout: 1440, Settings: map[string]any{"approvers": []any{map[string]any{"id": w.NewID(), "displayName": "Release managers"}}, "minRequiredApprovers": 1.0}},
		{ID: 9, Type: "Task Check", Timeout: 60, Settings: map[string]any{"inputs": map[string]any{"key": w.NewSecret()}}}, // what a check is asked with can be a secret
		{ID: 8, Type: "ExclusiveLock", Timeout: 43200, Disabled: true}}
	c.Roles = map[string][]*world.ConnectionRole{c.Refs[0].ProjectID: {{Identity: w.NewID(), Name: "Robin", Role: "User"}}}
	c.Alone = []string{c.Refs[1].ProjectID}
	w.Knobs.AskPermission = true
	if change != nil {
		change(w)
	}
	j := startJourney(t, w, mapping)
	j.settings = func(c *plan.Config) { c.Connections.Registry, c.IncludeShared = plan.ConnectionsRecreate, true }
	return j
}

// found gives a copy of the connection of a name in its origin project, or nil.
func (j *journey) found(name string) (out *world.Connection) {
	j.change(func(w *world.World) {
		for _, o := range w.DevOps {
			for _, c := range o.Connections {
				if !c.Deleted && c.Refs[0].Name == name {
					if out != nil {
						j.t.Errorf("there are two connections %s", name)
					}
					copied := *c
					out = &copied
				}
			}
		}
	})
	return out
}

// access is who and what may use a connection.
func accessOf(c *world.Connection, ignore string) string {
	var b strings.Builder
	fmt.Fprintln(&b, c.AllPipelines, c.Pipelines, c.OpenIn, c.Alone)
	for _, k := range c.Checks {
		fmt.Fprintln(&b, k.Type, k.Settings, k.Timeout, k.Disabled)
	}
	for _, r := range c.Refs {
		for _, role := range c.Roles[r.ProjectID] {
			if role.Identity != ignore {
				fmt.Fprintln(&b, r.ProjectName, role.Identity, role.Role)
			}
		}
	}
	return b.String()
}

// registryState is what the replacement of a connection may change, without the ids that depend on how often something was tried.
func (j *journey) registryState() string {
	var b strings.Builder
	for _, name := range []string{"registry", "registry-wif"} {
		c := j.found(name)
		if c == nil {
			fmt.Fprintf(&b, "\nno %s", name)
			continue
		}
		fmt.Fprintf(&b, "\n%s is %s, disabled %t, %s", name, c.Scheme, c.Disabled, accessOf(c, "none"))
		for _, r := range c.Refs {
			fmt.Fprintf(&b, "%s in %s: %s\n", r.Name, r.ProjectName, r.Description[:min(len(r.Description), 40)])
		}
	}
	j.change(func(w *world.World) {
		for _, t := range w.Tenants {
			for _, a := range t.Apps {
				fmt.Fprintf(&b, "%s has %d federated credentials and %d passwords\n", a.DisplayName, len(a.FICs), len(a.Passwords))
			}
		}
		for _, at := range [][2]string{{"Shop", "images"}, {"Store", "site"}} {
			r := j.repo(at[0], at[1])
			fmt.Fprintf(&b, "%s is %s\n", at[1], r.Tree("main")["azure-pipelines.yml"])
			for _, p := range r.Pulls {
				fmt.Fprintf(&b, "pull request %d from %s, %s, merged %t\n", p.Number, p.Head, p.State, p.Merged)
			}
		}
	})
	return b.String()
}

func (j *journey) mustRun(when string) {
	j.t.Helper()
	if failures := j.runs(); len(failures) > 0 {
		j.t.Errorf("%s these steps of pipelines fail:\n%s", when, strings.Join(failures, "\n"))
	}
}

func TestARegistrysConnectionIsReplacedFromApplyToRollback(t *testing.T) {
	j := registryJourney(t, nil)
	j.mustRun("before")
	before := j.registryState()
	t.Log(outlineOf(j.makePlan()))
	u := j.planned("pusher")
	if len(u.Withheld) > 0 || u.Blocked() {
		t.Fatalf("%+v %+v", u.Withheld, u.Blockers)
	}
	j.pass(time.Hour)
	r := j.apply()
	j.log(r)
	old, made := j.found("registry"), j.found("registry-wif")
	if made == nil || made.Scheme != "WorkloadIdentityFederation" || len(made.Refs) != 2 || made.Refs[1].Name != "store-registry-wif" {
		t.Fatalf("the new connection is %+v", made)
	}
	if old.Scheme != "ServicePrincipal" || old.Disabled {
		t.Errorf("the old connection is %s, disabled %t", old.Scheme, old.Disabled)
	}
	creator := made.Roles[made.Refs[0].ProjectID][0].Identity
	if diff := cmp.Diff(accessOf(old, ""), accessOf(made, creator)); diff != "" {
		t.Errorf("who may use them differs (-old +new):\n%s", diff)
	}
	j.holdsNoSecret()
	j.mustRun("before the merge")
	t.Log("merged", j.mergeAll())
	for at, want := range map[[3]string][]string{
		{"Shop", "images", "azure-pipelines.yml"}: {"acr: 'registry-wif'\n", "acr: registry-wif}", "# The connection to the registry."},
		{"Store", "site", "azure-pipelines.yml"}:  {`containerRegistry: "store-registry-wif"`},
	} {
		for _, w := range want {
			if text := j.text(at[0], at[1], at[2]); !strings.Contains(text, w) {
				t.Errorf("%v has no %s:\n%s", at, w, text)
			}
		}
	}
	j.mustRun("after the merge")
	j.log(j.apply())
	j.want(j.verify(), "pusher", execute.UnitVerified, "")
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "pusher", execute.UnitRevoked, "")
	if c := j.found("registry"); !c.Disabled {
		t.Error("the old connection is not disabled")
	}
	j.mustRun("after revoke")
	j.log(j.rollback(u.ID))
	j.mustRun("while rolling back")
	j.mergeAll()
	j.want(j.rollback(u.ID), "pusher", execute.UnitRolledBack, "")
	j.mustRun("after rollback")
	if made := j.found("registry-wif"); made != nil {
		t.Error("the new connection is still there")
	}
	if c := j.found("registry"); c.Disabled {
		t.Error("the old connection is still disabled")
	}
	cut := func(s string) string {
		var out []string
		for _, l := range strings.Split(s, "\n") {
			if !strings.HasPrefix(l, "pull request") {
				out = append(out, l)
			}
		}
		return strings.Join(out, "\n")
	}
	if diff := cmp.Diff(cut(before), cut(j.registryState())); diff != "" {
		t.Errorf("not everything is as before:\n%s", diff)
	}
	j.holdsNoSecret()
}

func TestARegistrysConnectionGoesBackAtEveryPoint(t *testing.T) {
	points := []struct {
		name string
		do   func(*journey)
	}{
		{"apply", func(j *journey) { j.apply() }},
		{"merge", func(j *journey) { j.mergeAll() }},
		{"verify", func(j *journey) { j.apply(); j.verify() }},
		{"revoke", func(j *journey) { j.pass(8 * 24 * time.Hour); j.revoke() }},
	}
	for n := range points {
		t.Run("after "+points[n].name, func(t *testing.T) {
			j := registryJourney(t, nil)
			u := j.makePlan().Units[0]
			for _, p := range points[:n+1] {
				j.pass(time.Minute)
				p.do(j)
				j.mustRun("after " + p.name)
			}
			j.rollback(u.ID)
			j.mustRun("while rolling back")
			j.mergeAll()
			j.want(j.rollback(u.ID), "pusher", execute.UnitRolledBack, "")
			j.mustRun("after rollback")
			if j.found("registry-wif") != nil {
				t.Error("the new connection is still there")
			}
			if text := j.text("Shop", "images", "azure-pipelines.yml"); strings.Contains(text, "-wif") {
				t.Errorf("the pipeline still names it:\n%s", text)
			}
			// The whole thing can be done again.
			j.pass(time.Minute)
			j.applyWith(execute.ApplyOptions{Only: []string{u.ID}})
			j.mergeAll()
			j.applyWith(execute.ApplyOptions{Only: []string{u.ID}})
			j.want(j.verify(), "pusher", execute.UnitVerified, "")
			j.mustRun("when applied again")
		})
	}
}

// registryLife is live for a connection that is replaced.
func registryLife(t *testing.T, k *killer) (states []string) {
	t.Helper()
	j := registryJourney(t, nil)
	j.makePlan()
	j.killedBy(k)
	again := func(name string, work func(*execute.Executor) (execute.Result, error)) execute.Result {
		t.Helper()
		r := j.untilAlive(k, name, func() { j.mustRun("when killed in " + name) }, func(e *execute.Executor) (execute.Result, error) {
			e.Parallel = 1
			return work(e)
		})
		j.mustRun("after " + name)
		return r
	}
	apply := func(e *execute.Executor) (execute.Result, error) {
		return e.Apply(context.Background(), execute.ApplyOptions{})
	}
	rollback := func(e *execute.Executor) (execute.Result, error) {
		return e.Rollback(context.Background(), execute.RollbackOptions{Units: []string{j.plan.Units[0].ID}})
	}
	again("apply", apply)
	j.pass(time.Minute)
	j.mergeAll()
	j.mustRun("after the merge")
	again("second apply", apply)
	j.pass(time.Minute)
	states = append(states, "migrated:\n"+j.registryState())
	j.pass(8 * 24 * time.Hour)
	if r := again("revoke", func(e *execute.Executor) (execute.Result, error) {
		return e.Revoke(context.Background(), execute.RevokeOptions{})
	}); r.Count(execute.UnitRevoked) != 1 {
		j.log(r)
		t.Error("the unit is not revoked")
	}
	states = append(states, "revoked:\n"+j.registryState())
	again("rollback", rollback)
	j.mergeAll()
	j.mustRun("after the revert")
	if r := again("second rollback", rollback); r.Count(execute.UnitRolledBack) != 1 {
		j.log(r)
		t.Error("the unit is not rolled back")
	}
	return append(states, "rolled back:\n"+j.registryState())
}

func TestKilledAnywhereAConnectionIsReplacedOnce(t *testing.T) {
	k := newKiller("", 0)
	want := registryLife(t, k)
	t.Logf("events: %v", k.seen)
	step := 1
	if testing.Short() {
		step = 9
	}
	for _, kind := range kills {
		for n := 1; n <= k.seen[kind]; n += step {
			t.Run(fmt.Sprintf("%s/%d", strings.ReplaceAll(kind, " ", "-"), n), func(t *testing.T) {
				k := newKiller(kind, n)
				got := registryLife(t, k)
				if diff := cmp.Diff(want, got); diff != "" || !k.killed {
					t.Errorf("killed %t; the world differs (-uninterrupted +killed):\n%s", k.killed, diff)
				}
			})
		}
	}
}
