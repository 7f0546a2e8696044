package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/e2e/sampling"
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
	guard(w, c, "images")
	if change != nil {
		change(w)
	}
	j := startJourney(t, w, mapping)
	j.settings = func(c *plan.Config) { c.Connections.Registry, c.IncludeShared = plan.ConnectionsRecreate, true }
	return j
}

// guard lets only one pipeline of the first project use a connection, and all of the second, with an approval and other checks, a role of its own in the first and none of the
// project's in the second, and a role in the whole organisation.
func guard(w *world.World, c *world.Connection, pipeline string) {
	for _, d := range w.DevOps["contoso"].Definitions {
		if d.Name == pipeline {
			c.Pipelines = []int{d.ID}
		}
	}
	c.OpenIn = []string{c.Refs[1].ProjectID}
	c.Checks = []*world.Check{{ID: 7, Type: "Approval", Timeout: 1440, Settings: map[string]any{"approvers": []any{map[string]any{"id": w.NewID(), "displayName": "Release managers"}}, "minRequiredApprovers": 1.0}},
		{ID: 9, Type: "Task Check", Timeout: 60, Settings: map[string]any{"inputs": map[string]any{"key": w.NewSecret()}}}, // what a check is asked with can be a secret
		{ID: 8, Type: "ExclusiveLock", Timeout: 43200, Disabled: true}}
	c.Roles = map[string][]*world.ConnectionRole{c.Refs[0].ProjectID: {{Identity: w.NewID(), Name: "Robin", Role: "User"}}}
	c.WideRoles = []*world.ConnectionRole{{Identity: w.NewID(), Name: "Kim", Role: "Administrator"}}
	c.Alone = []string{c.Refs[1].ProjectID}
	w.Knobs.AskPermission = true
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
	for _, role := range c.WideRoles {
		if role.Identity != ignore {
			fmt.Fprintln(&b, "everywhere", role.Identity, role.Role)
		}
	}
	return b.String()
}

// connectionState is what there is of connections and applications, without the ids that depend on how often something was tried.
func (j *journey) connectionState(names ...string) string {
	var b strings.Builder
	for _, name := range names {
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
	})
	return b.String()
}

// registryState is what the replacement of a connection to a registry may change.
func (j *journey) registryState() string {
	var b strings.Builder
	b.WriteString(j.connectionState("registry", "registry-wif"))
	j.change(func(*world.World) {
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
	if diff := cmp.Diff(withoutPulls(before), withoutPulls(j.registryState())); diff != "" {
		t.Errorf("not everything is as before:\n%s", diff)
	}
	j.holdsNoSecret()
}

// withoutPulls leaves out the pull requests of a state, which stay where they were.
func withoutPulls(state string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(state, "\n"), func(l string) bool { return strings.HasPrefix(l, "pull request") }), "\n")
}

// replacedLives is a kind of organisation in which new connections take the place of old ones.
type replacedLives struct {
	name  string
	begin func(t *testing.T, change func(*world.World)) *journey
	works func(j *journey, when string)
	state func(*journey) string
	old   string // the name of the connection that is replaced
	unit  string
}

// made is the name of the new connection.
func (lives replacedLives) made() string { return lives.old + "-wif" }

// allLives are a connection to a registry, which keeps its application, and one to Azure, whose unit moves to a managed identity.
var allLives = []replacedLives{
	{"registry", registryJourney, (*journey).mustRun, (*journey).registryState, "registry", "pusher"},
	{"identity", movingJourney, (*journey).movingWorks, (*journey).movingState, "ship", "shipper"},
}

// goesBackAtEveryPoint rolls a unit back after each command, and applies it again.
func (lives replacedLives) goesBackAtEveryPoint(t *testing.T) {
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
			j := lives.begin(t, nil)
			before := withoutPulls(lives.state(j))
			u := j.makePlan().Units[0]
			for _, p := range points[:n+1] {
				j.pass(time.Minute)
				p.do(j)
				lives.works(j, "after "+p.name)
			}
			j.rollback(u.ID)
			lives.works(j, "while rolling back")
			j.mergeAll()
			j.want(j.rollback(u.ID), u.Title, execute.UnitRolledBack, "")
			lives.works(j, "after rollback")
			if diff := cmp.Diff(before, withoutPulls(lives.state(j))); diff != "" {
				t.Errorf("not everything is as before:\n%s", diff)
			}
			// The whole thing can be done again.
			j.pass(time.Minute)
			j.applyWith(execute.ApplyOptions{Only: []string{u.ID}})
			j.mergeAll()
			j.applyWith(execute.ApplyOptions{Only: []string{u.ID}})
			lives.works(j, "when applied again")
			j.want(j.verify(), u.Title, execute.UnitVerified, "")
			if j.found(lives.made()) == nil {
				t.Error("there is no new connection")
			}
		})
	}
}

func TestAReplacedConnectionGoesBackAtEveryPoint(t *testing.T) {
	for _, lives := range allLives {
		t.Run(lives.name, lives.goesBackAtEveryPoint)
	}
}

// life is live for connections that are replaced.
func (lives replacedLives) life(t *testing.T, k *killer) (states []string) {
	t.Helper()
	j := lives.begin(t, nil)
	j.makePlan()
	j.killedBy(k)
	again := func(name string, work func(*execute.Executor) (execute.Result, error)) execute.Result {
		t.Helper()
		r := j.untilAlive(k, name, func() { lives.works(j, "when killed in "+name) }, func(e *execute.Executor) (execute.Result, error) {
			e.Parallel = 1
			return work(e)
		})
		lives.works(j, "after "+name)
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
	lives.works(j, "after the merge")
	again("second apply", apply)
	j.pass(time.Minute)
	states = append(states, "migrated:\n"+lives.state(j))
	j.pass(8 * 24 * time.Hour)
	if r := again("revoke", func(e *execute.Executor) (execute.Result, error) {
		return e.Revoke(context.Background(), execute.RevokeOptions{})
	}); r.Count(execute.UnitRevoked) != 1 {
		j.log(r)
		t.Error("the unit is not revoked")
	}
	states = append(states, "revoked:\n"+lives.state(j))
	again("rollback", rollback)
	j.mergeAll()
	lives.works(j, "after the revert")
	if r := again("second rollback", rollback); r.Count(execute.UnitRolledBack) != 1 {
		j.log(r)
		t.Error("the unit is not rolled back")
	}
	return append(states, "rolled back:\n"+lives.state(j))
}

func TestKilledAnywhereAConnectionIsReplacedOnce(t *testing.T) {
	for i, lives := range allLives {
		k := newKiller("", 0)
		want := lives.life(t, k)
		t.Logf("%s: events: %v", lives.name, k.seen)
		step := 1
		switch {
		case testing.Short():
			step = 9
		case i > 0 && !sampling.Long():
			step = 3
		}
		for _, kind := range kills {
			for n := 1; n <= k.seen[kind]; n += step {
				t.Run(fmt.Sprintf("%s/%s/%d", lives.name, strings.ReplaceAll(kind, " ", "-"), n), func(t *testing.T) {
					k := newKiller(kind, n)
					got := lives.life(t, k)
					if diff := cmp.Diff(want, got); diff != "" || !k.killed {
						t.Errorf("killed %t; the world differs (-uninterrupted +killed):\n%s", k.killed, diff)
					}
				})
			}
		}
	}
}
