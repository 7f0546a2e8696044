package e2e_test

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers"
	"github.com/unsecret-dev/unsecret/providers/auth"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// journey is a lab with the program's clients on it.
type journey struct {
	t       *testing.T
	lab     *lab.Lab
	set     *providers.Set
	mapping lab.Mapping
	plan    *plan.Plan
	inv     *inventory.Inventory // that the plan was made from
	dir     string
	store   execute.Store // where the state is, if not in dir
	hooks   execute.JournalOptions

	tokens   map[string]string  // in place of those of the role, by the variable that they come in
	targets  []string           // names of managed identities that the scan reads
	settings func(*plan.Config) // changes the configuration of the plan
}

func startJourney(t *testing.T, w *world.World, mapping lab.Mapping) *journey {
	t.Helper()
	l, err := lab.Start(w, lab.Options{AutoRun: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	j := &journey{t: t, lab: l, mapping: mapping, dir: t.TempDir()}
	j.set = j.connectWith(transport.Options{})
	return j
}

func (j *journey) connectWith(o transport.Options) *providers.Set {
	j.t.Helper()
	return j.connectAs(world.RoleOperator, o)
}

func (j *journey) connectAs(role string, o transport.Options) *providers.Set {
	j.t.Helper()
	w := j.lab.World
	w.Lock()
	c := providers.Config{
		GitHub: &providers.GitHub{Endpoint: w.Endpoints.GitHub, Host: "github.com"},
		Entra:  &providers.Entra{Endpoint: w.Endpoints.Graph, Authority: w.Endpoints.Login},
		Azure:  &providers.Azure{Endpoint: w.Endpoints.ARM},
		Auth:   providers.Auth{Mode: auth.ModeEnvironment},
	}
	for id := range w.Tenants {
		c.Entra.Tenant = id
	}
	for _, o := range w.DevOps {
		if c.AzureDevOps == nil {
			c.AzureDevOps = &providers.AzureDevOps{Endpoint: w.Endpoints.AzureDevOps}
		}
		c.AzureDevOps.Organizations = append(c.AzureDevOps.Organizations, o.Name)
	}
	w.Unlock()
	tokens := map[string]string{
		auth.EnvAzureDevOps: lab.Token(world.AudienceAzureDevOps, role), auth.EnvGraph: lab.Token(world.AudienceGraph, role),
		auth.EnvARM: lab.Token(world.AudienceARM, role), "GITHUB_TOKEN": lab.Token(world.AudienceGitHub, role),
	}
	c.Getenv = func(name string) string { return cmp.Or(j.tokens[name], tokens[name]) }
	c.Transport = o
	set, err := providers.Connect(context.Background(), c)
	if err != nil {
		j.t.Fatal(err)
	}
	j.t.Cleanup(set.Close)
	return set
}

func (j *journey) scan() *inventory.Inventory {
	j.t.Helper()
	return j.scanWith(j.set)
}

func (j *journey) scanWith(set *providers.Set) *inventory.Inventory {
	j.t.Helper()
	var orgs, owners []string
	w := j.lab.World
	w.Lock()
	for _, o := range w.DevOps {
		orgs = append(orgs, o.Name)
	}
	for _, a := range w.GitHub.Accounts {
		owners = append(owners, a.Login)
	}
	w.Unlock()
	slices.Sort(orgs)
	slices.Sort(owners)
	sources := scan.Sources{AzureDevOps: set.DevOpsSources(orgs), Entra: set.Entra, Azure: set.Azure,
		GitHub: []scan.GitHubScope{{Client: set.GitHub, Owners: owners}}}
	inv, err := scan.Run(context.Background(), sources, scan.Options{Now: set.Transport.Now, AllApplications: true, Targets: j.targets})
	if err != nil {
		j.t.Fatal(err)
	}
	return inv
}

func (j *journey) config() plan.Config {
	soak := plan.DefaultSoak
	c := plan.Config{IncludeShared: true, AllowFlexible: true, Level: plan.LevelNeedsReview, Soak: &soak,
		Connections: plan.ConnectionRules{UnusedDays: -1}, // many connections of these labs have no history
		Revoke:      plan.RevokeRules{Share: 100, Name: []string{plan.NameNone}, Watch: new(plan.Duration)}}
	if j.settings != nil {
		j.settings(&c)
	}
	for _, h := range j.mapping {
		c.Mapping = append(c.Mapping, plan.Mapping{Organization: h.Account, Repository: inventory.RepositoryName(h.Repository),
			Environment: h.Environment, Secret: h.Name, AppID: inventory.AppID(h.AppID)})
	}
	return c
}

func (j *journey) makePlan() *plan.Plan {
	j.t.Helper()
	records, err := execute.ReadJournalIn(context.Background(), j.state())
	if err != nil {
		j.t.Fatal(err)
	}
	j.inv = j.scan()
	p, err := plan.New(j.inv, j.config(), execute.MovedBy(records, execute.KeptPlans(context.Background(), j.state()))...)
	if err != nil {
		j.t.Fatal(err)
	}
	j.plan = p
	return p
}

// state is the directory of the journey, or what it has in place of it.
func (j *journey) state() execute.Store {
	if j.store != nil {
		return j.store
	}
	return execute.NewDirStore(j.dir)
}

// run opens the journal as a new process would, and lets the executor work.
func (j *journey) run(work func(*execute.Executor) (execute.Result, error)) (execute.Result, error) {
	j.t.Helper()
	o := j.hooks
	o.Holder = "test"
	journal, err := execute.OpenJournalIn(context.Background(), j.state(), o)
	if err != nil {
		j.t.Fatal(err)
	}
	defer func() {
		if err := journal.Close(); err != nil {
			j.t.Error(err)
		}
	}()
	e := &execute.Executor{Outside: j.set.Outside(), Journal: journal, Plan: j.plan, Actor: "ada",
		Patience: execute.Patience{FirstDelay: time.Millisecond},
		Sleep: func(ctx context.Context, d time.Duration) error {
			j.lab.World.Clock.Move(d)
			return ctx.Err()
		}}
	return work(e)
}

func (j *journey) must(work func(*execute.Executor) (execute.Result, error)) execute.Result {
	j.t.Helper()
	r, err := j.run(work)
	if err != nil {
		j.t.Fatal(err)
	}
	return r
}

func (j *journey) apply() execute.Result {
	j.t.Helper()
	return j.must(func(e *execute.Executor) (execute.Result, error) {
		return e.Apply(context.Background(), execute.ApplyOptions{})
	})
}

func (j *journey) verify() execute.Result {
	j.t.Helper()
	return j.must(func(e *execute.Executor) (execute.Result, error) {
		return e.Verify(context.Background(), execute.VerifyOptions{})
	})
}

func (j *journey) revoke() execute.Result {
	j.t.Helper()
	return j.must(func(e *execute.Executor) (execute.Result, error) {
		return e.Revoke(context.Background(), execute.RevokeOptions{})
	})
}

func (j *journey) rollback(units ...string) execute.Result {
	j.t.Helper()
	return j.must(func(e *execute.Executor) (execute.Result, error) {
		return e.Rollback(context.Background(), execute.RollbackOptions{Units: units})
	})
}

// mergeAll merges every open pull request, as reviewers would.
func (j *journey) mergeAll() int {
	j.t.Helper()
	n, err := j.lab.MergeAll()
	if err != nil {
		j.t.Fatal(err)
	}
	return n
}

// signIns lets everything happen that can, and gives the failures that were none before.
func (j *journey) signIns() (ok map[string]bool, failures []string) {
	j.t.Helper()
	outcomes, err := j.lab.TriggerAll()
	if err != nil {
		j.t.Fatal(err)
	}
	ok = map[string]bool{}
	for _, o := range outcomes {
		ok[o.Place()] = o.OK
		if !o.OK {
			failures = append(failures, o.Place()+": "+o.Error)
		}
	}
	return ok, failures
}

func (j *journey) mustSignIn(when string) {
	j.t.Helper()
	if _, failures := j.signIns(); len(failures) > 0 {
		j.t.Errorf("%s %d sign-ins fail:\n%s", when, len(failures), strings.Join(failures, "\n"))
	}
}

// pass lets time go by in the lab.
func (j *journey) pass(d time.Duration) { j.lab.World.Clock.Move(d) }

func (j *journey) log(r execute.Result) {
	j.t.Helper()
	for _, u := range r.Units {
		j.t.Logf("%s %s: %s %s", r.Command, u.Unit, u.State, u.Reason)
		for _, s := range u.Steps {
			if s.State != execute.StepDone {
				j.t.Logf("    %s: %s %s", s.Step, s.State, s.Reason)
			}
		}
		for _, g := range u.Gates {
			j.t.Logf("    gate %s: %s", g.Name, g.Reason)
		}
	}
}

func demoJourney(t *testing.T) *journey {
	t.Helper()
	w, mapping, err := lab.LoadSeedMapping(lab.Demo)
	if err != nil {
		t.Fatal(err)
	}
	return startJourney(t, w, mapping)
}

func generatedJourney(t *testing.T, size lab.Size) *journey {
	t.Helper()
	w, mapping := lab.Generate(size)
	return startJourney(t, w, mapping)
}

func TestAGeneratedOrganisationIsMigratedRevokedAndRolledBack(t *testing.T) {
	j := generatedJourney(t, lab.Size{Seed: 7, Repositories: 50, Connections: 60})
	j.mustSignIn("before")
	p := j.makePlan()
	j.pass(time.Hour)
	t.Logf("%+v", p.Summary)
	for _, u := range p.Units {
		for _, b := range append(u.Blockers, u.Withheld...) {
			t.Logf("%s: %s: %s", u.ID, b.Code, b.Message)
		}
	}
	j.log(j.apply())
	j.mustSignIn("after apply")
	t.Log("merged", j.mergeAll())
	j.log(j.apply())
	j.pass(time.Hour)
	j.mustSignIn("after the merge")
	j.log(j.verify())
	j.pass(8 * 24 * time.Hour)
	r := j.revoke()
	j.log(r)
	j.mustSignIn("after revoke")
	var units []string
	for _, u := range r.Units {
		if u.State != execute.UnitBlocked {
			units = append(units, u.Unit)
		}
	}
	j.log(j.rollback(units...))
	j.mustSignIn("while rolling back")
	j.mergeAll()
	j.log(j.rollback(units...))
	j.mustSignIn("after rollback")
}

func TestTheDemoOrganisationIsMigratedRevokedAndRolledBack(t *testing.T) {
	j := demoJourney(t)
	j.mustSignIn("before")
	p := j.makePlan()
	t.Logf("%+v", p.Summary)
	for _, u := range p.Units {
		for _, b := range append(u.Blockers, u.Withheld...) {
			t.Logf("%s: %s: %s", u.ID, b.Code, b.Message)
		}
	}
	j.log(j.apply())
	j.mustSignIn("after apply")
	t.Log("merged", j.mergeAll())
	j.log(j.apply())
	j.pass(time.Hour)
	j.mustSignIn("after the merge")
	j.log(j.verify())
	j.pass(8 * 24 * time.Hour)
	j.log(j.revoke())
	j.mustSignIn("after revoke")
	r := j.revoke()
	var units []string
	for _, u := range r.Units {
		if u.State == execute.UnitRevoked {
			units = append(units, u.Unit)
		}
	}
	t.Log("revoked", units)
	j.log(j.rollback(units...))
	j.mustSignIn("while rolling back")
	j.mergeAll()
	j.log(j.rollback(units...))
	j.mustSignIn("after rollback")
}
