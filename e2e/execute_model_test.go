package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/e2e/sampling"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// model is a random organisation, to which random things happen.
type model struct {
	*journey
	script   script
	now      act
	killer   *killer
	first    int             // passwords that there were
	excused  map[string]bool // sign-ins that people broke
	tampered bool            // people took trust or variables away, so that what is merged next may fail by their doing
	trace    []string
}

// script is a random life, drawn as a whole so that it can be shrunk.
type script struct {
	Generated, OldIssuer, Slow, Limited, Waves bool
	Seed                                       uint64
	Repositories, Connections                  int
	Acts                                       []act
	// Moves has the organisation whose unit moves to a managed identity, with its connections, in place of the others.
	Moves bool `json:",omitempty"`
	// Issuer has the organisation whose connections move to Entra's issuer, in place of the others.
	Issuer bool `json:",omitempty"`
}

// act is one thing that happens, with the choices in it.
type act struct {
	Name         string
	Killed       bool
	At           string
	Event, Unit  int
	Named, Force bool
	Accept       bool
	For          time.Duration
	What         string `json:",omitempty"`
}

var kills = []string{"record before", "record after", "request before", "request after"}

func drawScript(rt *rapid.T) script {
	s := script{Generated: rapid.Bool().Draw(rt, "generated"), OldIssuer: rapid.Bool().Draw(rt, "old issuer"), Slow: rapid.Bool().Draw(rt, "slow"),
		Limited: rapid.Bool().Draw(rt, "limited"), Waves: rapid.Bool().Draw(rt, "waves"), Seed: rapid.Uint64Range(1, 1000).Draw(rt, "seed"),
		Repositories: rapid.IntRange(1, 4).Draw(rt, "repositories"), Connections: rapid.IntRange(0, 4).Draw(rt, "connections")}
	names := []string{"apply", "apply", "apply", "merge", "merge", "verify", "time", "time", "revoke", "revoke", "rollback", "partial", "replan", "person"}
	s.Acts = rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) act {
		return act{Name: rapid.SampledFrom(names).Draw(rt, "name"), Killed: rapid.IntRange(0, 2).Draw(rt, "killed") == 2, At: rapid.SampledFrom(kills).Draw(rt, "at"),
			Event: rapid.IntRange(1, 12).Draw(rt, "event"), Unit: rapid.IntRange(0, 9).Draw(rt, "unit"), Named: rapid.Bool().Draw(rt, "named"),
			Force: rapid.Bool().Draw(rt, "force"), Accept: rapid.Bool().Draw(rt, "accept"),
			For:  rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 3 * 24 * time.Hour, 8 * 24 * time.Hour}).Draw(rt, "for"),
			What: rapid.SampledFrom([]string{"edits a workflow", "deletes trust", "deletes a variable", "closes a pull request", "converts back"}).Draw(rt, "what")}
	}), 4, 14).Draw(rt, "acts")
	return s
}

// TestWhateverHappensInAnyOrderNothingThatSignedInStops takes random organisations through random sequences of commands, crashes, people's
// edits, merges and time. After each it holds the laws: what signed in before still does, unless a person broke it; no secret is
// written; the journal is whole; nothing is minted or opened twice. A life that fails is made shorter, and shown so that it can be
// kept in testdata/lives.
func TestWhateverHappensInAnyOrderNothingThatSignedInStops(t *testing.T) {
	for _, seed := range sampling.Seeds(t, 12, 5000) {
		s := scripts.Example(int(seed)) //nolint:gosec // any number will do
		if !t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { newModel(t, s).run() }) {
			t.Logf("life %d, made shorter:\n%s", seed, writeScript(shrink(t, s)))
		}
	}
}

// TestWhateverHappensWhileAUnitMovesNothingThatSignedInStops takes a unit with connections and workflows, which moves to a managed identity, through the same lives.
func TestWhateverHappensWhileAUnitMovesNothingThatSignedInStops(t *testing.T) {
	for _, seed := range sampling.Seeds(t, 8, 3000) {
		s := scripts.Example(int(seed)) //nolint:gosec // any number will do
		s.Moves = true
		if !t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { newModel(t, s).run() }) {
			t.Logf("life %d, made shorter:\n%s", seed, writeScript(shrink(t, s)))
		}
	}
}

// TestWhateverHappensWhileTheIssuerMovesNothingThatSignedInStops takes connections on Azure DevOps' own issuer through the same lives: people update them, and their support
// takes them back.
func TestWhateverHappensWhileTheIssuerMovesNothingThatSignedInStops(t *testing.T) {
	for _, seed := range sampling.Seeds(t, 12, 3000) {
		s := issuerScript(seed)
		if !t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { newModel(t, s).run() }) {
			t.Logf("life %d, made shorter:\n%s", seed, writeScript(shrink(t, s)))
		}
	}
}

// issuerScript is a random life of connections on Azure DevOps' own issuer. What people do elsewhere does not concern it: they update connections instead. Two of
// three lives begin with connections that are updated and have soaked, since few would come to a revoke by themselves.
func issuerScript(seed uint64) script {
	s := scripts.Example(int(seed)) //nolint:gosec // any number will do
	s.Issuer = true
	for i := range s.Acts {
		a := &s.Acts[i]
		switch a.What {
		case "edits a workflow", "deletes a variable":
			a.What = "updates connections"
		case "closes a pull request":
			a.What = "restores the old issuer"
		}
		if a.Name == "merge" || a.Name == "partial" {
			a.Name, a.What = "person", "updates connections"
		}
		if a.Name == "apply" && seed%3 > 0 && i%2 == 0 {
			a.Name = "revoke"
		}
	}
	if seed%3 > 0 {
		s.Acts = append([]act{{Name: "apply"}, {Name: "time", For: time.Hour}, {Name: "person", What: "updates connections"}, {Name: "verify"}, {Name: "time", For: 8 * 24 * time.Hour}}, s.Acts...)
	}
	return s
}

// scripts are random lives. Each seed gives one, the same on every machine.
var scripts = rapid.Custom(drawScript)

// TestLivesThatOnceFailedGoWell repeats the lives that showed a fault, and the one that UNSECRET_LIFE names.
func TestLivesThatOnceFailedGoWell(t *testing.T) {
	files, err := filepath.Glob("testdata/lives/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if one := os.Getenv("UNSECRET_LIFE"); one != "" {
		files = []string{one}
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".json"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var s script
			if err := json.Unmarshal(text, &s); err != nil {
				t.Fatal(err)
			}
			newModel(t, s).run()
		})
	}
}

func newModel(t *testing.T, s script) *model {
	t.Helper()
	var w *world.World
	var mapping lab.Mapping
	if s.Moves {
		w, mapping = movingWorld(t)
	} else if s.Issuer {
		w, mapping = issuerWorld(t)
	} else if s.Generated {
		w, mapping = lab.Generate(lab.Size{Seed: s.Seed, Repositories: s.Repositories, Connections: s.Connections})
	} else {
		var err error
		if w, mapping, err = lab.LoadSeedMapping([]byte(smallOrganisation)); err != nil {
			t.Fatal(err)
		}
	}
	w.Knobs.ConvertOldIssuer = s.OldIssuer
	if s.Slow {
		w.Knobs.ConvertAsync, w.Knobs.FICPropagation = time.Minute, time.Minute
	}
	m := &model{journey: startJourney(t, w, mapping), script: s, excused: map[string]bool{}, killer: newKiller("", 0)}
	limits := func(c *plan.Config) {
		if s.Limited {
			c.Revoke = plan.RevokeRules{}
		}
		if s.Waves {
			c.Waves = []plan.WaveRule{{Wave: 2, Connections: []string{"*"}}}
		}
	}
	if m.settings = limits; s.Moves {
		m.moveConnections(limits)
	}
	m.killedBy(m.killer)
	m.first = m.passwordCount()
	m.makePlan()
	return m
}

func (m *model) passwordCount() (n int) {
	m.change(func(w *world.World) {
		for _, t := range w.Tenants {
			for _, a := range t.Apps {
				n += len(a.Passwords)
			}
		}
	})
	return n
}

func (m *model) run() {
	m.excuse()
	actions := map[string]func(){
		"apply":    func() { m.command("apply", m.doApply) },
		"verify":   func() { m.command("verify", m.doVerify) },
		"revoke":   func() { m.command("revoke", m.doRevoke) },
		"rollback": func() { m.command("rollback", m.doRollback) },
		"partial":  func() { m.command("partial", m.doPartial) },
		"merge":    m.merge,
		"time": func() {
			m.pass(m.now.For)
		},
		"replan": func() {
			if m.now.Named && len(m.plan.Units) > 0 {
				m.trace = append(m.trace, "(one unit)")
				m.replan(m.anyUnit())
				return
			}
			m.makePlan()
		},
		"person": m.person,
	}
	for _, m.now = range m.script.Acts {
		m.trace = append(m.trace, m.now.Name)
		actions[m.now.Name]()
		m.laws()
		if m.t.Failed() {
			m.t.Logf("after %s", strings.Join(m.trace, ", "))
			m.t.FailNow()
		}
	}
}

// command runs a command, often killed somewhere, and then once more.
func (m *model) command(name string, work func(*execute.Executor) (execute.Result, error)) {
	if m.now.Killed {
		m.killer.mu.Lock()
		m.killer.kind = m.now.At
		m.killer.n, m.killer.seen, m.killer.killed = m.now.Event, map[string]int{}, false
		m.killer.mu.Unlock()
		m.trace = append(m.trace, fmt.Sprintf("(killed at %s %d)", m.killer.kind, m.killer.n))
	}
	r, err := m.run1(work)
	dead := m.killer.isDead()
	m.killer.mu.Lock()
	m.killer.killed = true
	m.killer.mu.Unlock()
	m.killer.revive()
	if dead {
		m.laws()
		r, err = m.run1(work)
	}
	if err != nil && !strings.Contains(err.Error(), "rollback:") {
		m.t.Errorf("%s: %v", name, err)
	}
	for _, u := range r.Units {
		if u.State == execute.UnitFailed && u.Reason == "" {
			m.t.Errorf("%s: unit %s failed without a reason", name, u.Unit)
		}
	}
}

func (m *model) run1(work func(*execute.Executor) (execute.Result, error)) (execute.Result, error) {
	return m.journey.run(work)
}

func (m *model) doApply(e *execute.Executor) (execute.Result, error) {
	o := execute.ApplyOptions{}
	if len(m.plan.Units) > 0 && m.now.Named {
		o.Only = []string{m.anyUnit()}
	}
	return e.Apply(context.Background(), o)
}

func (m *model) doVerify(e *execute.Executor) (execute.Result, error) {
	return e.Verify(context.Background(), execute.VerifyOptions{})
}

func (m *model) doRevoke(e *execute.Executor) (execute.Result, error) {
	o := execute.RevokeOptions{Force: m.now.Force, AcceptNoSignInLog: m.now.Accept}
	if len(m.plan.Units) > 0 && m.now.Named {
		o.Only = []string{m.anyUnit()}
	}
	return e.Revoke(context.Background(), o)
}

func (m *model) doRollback(e *execute.Executor) (execute.Result, error) {
	if len(m.plan.Units) == 0 {
		return execute.Result{}, nil
	}
	return e.Rollback(context.Background(), execute.RollbackOptions{Units: []string{m.anyUnit()}})
}

// doPartial rolls one repository of a unit back; where that is refused, nothing is done.
func (m *model) doPartial(e *execute.Executor) (execute.Result, error) {
	if len(m.plan.Units) == 0 {
		return execute.Result{}, nil
	}
	u, _ := m.plan.Unit(m.anyUnit())
	for _, s := range u.Steps {
		if s.Kind == plan.StepPullRequest {
			return e.Rollback(context.Background(), execute.RollbackOptions{Units: []string{u.ID}, Repository: s.PullRequest.Repository})
		}
	}
	return execute.Result{}, nil
}

func (m *model) anyUnit() string {
	return m.plan.Units[m.now.Unit%len(m.plan.Units)].ID
}

func (m *model) merge() {
	if _, err := m.lab.MergeAll(); err != nil {
		m.trace = append(m.trace, "(a pull request does not merge)")
	}
	m.pass(time.Minute)
	if m.tampered {
		m.excuse()
	}
}

// person does what people do: some of it harmless, some of it not.
func (m *model) person() {
	what := m.now.What
	m.trace = append(m.trace, "("+what+")")
	m.change(func(w *world.World) {
		for _, r := range w.GitHub.Repos {
			switch what {
			case "edits a workflow":
				files := r.Files(r.Head(r.DefaultBranch))
				for path, content := range files {
					if strings.HasPrefix(path, ".github/workflows/") {
						w.CommitFiles(r, r.DefaultBranch, "edit", map[string][]byte{path: append([]byte("# "+strconv.Itoa(len(m.trace))+"\n"), content...)})
					}
				}
			case "deletes a variable":
				m.tampered = true
				r.Variables = nil
			case "closes a pull request":
				for _, p := range r.Pulls {
					if p.State == "open" {
						p.State = "closed"
					}
				}
			}
		}
		for _, i := range w.ManagedIdentities {
			if what == "deletes trust" && len(i.App.FICs) > 0 {
				m.tampered = true
				i.App.FICs = i.App.FICs[1:]
			}
		}
		for _, t := range w.Tenants {
			for _, a := range t.Apps {
				if what == "deletes trust" && len(a.FICs) > 0 {
					m.tampered = true
					a.FICs = a.FICs[1:]
				}
			}
		}
		for _, o := range w.DevOps {
			for _, name := range slices.Sorted(maps.Keys(o.Connections)) {
				c := o.Connections[name]
				if old := strings.Contains(c.Params["workloadIdentityFederationIssuer"], "vstoken"); old && what == "updates connections" {
					_ = w.UpdateIssuer(o, c) // one whose application does not trust it stays as it is
				} else if !old && what == "restores the old issuer" && c.Scheme == "WorkloadIdentityFederation" {
					w.RestoreIssuer(o, c)
				}
				if what == "converts back" && c.Scheme == "WorkloadIdentityFederation" {
					m.tampered = true
					c.Scheme = "ServicePrincipal"
					return
				}
			}
		}
	})
	m.excuse()
}

// signIns lets everything happen that can.
func (m *model) signIns() (ok map[string]bool, failures []string) {
	m.t.Helper()
	if m.script.Moves {
		return m.movingSignIns()
	}
	return m.journey.signIns()
}

// excuse takes what does not sign in now as given.
func (m *model) excuse() {
	ok, _ := m.signIns()
	for place, works := range ok {
		m.excused[place] = !works
	}
}

func (m *model) laws() {
	m.t.Helper()
	ok, failed := m.signIns()
	if len(failed) > 0 { // what a crash left in the middle of a conversion comes to its end by itself
		m.pass(3 * time.Minute)
		ok, failed = m.signIns()
	}
	for place, works := range ok {
		if !works && !m.excused[place] {
			m.t.Errorf("%s does not sign in any more: %s", place, strings.Join(failed, "\n"))
		}
		if works {
			m.excused[place] = false
		}
	}
	if _, err := execute.ReadJournal(m.dir); err != nil {
		m.t.Error(err)
	}
	content, err := os.ReadFile(filepath.Join(m.dir, execute.JournalFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.t.Error(err)
	}
	if strings.Contains(string(content), world.Canary) {
		m.t.Error("the journal holds a secret")
	}
	if n := m.passwordCount(); n > m.first+len(m.plan.Units) {
		m.t.Errorf("there are %d passwords, %d at first: more than one for each unit was minted", n, m.first)
	}
	heads := map[string]int{}
	for _, p := range m.openPulls() {
		heads[p.Head]++
	}
	for head, n := range heads {
		if n > 1 {
			m.t.Errorf("%d pull requests are open from %s", n, head)
		}
	}
}

// TestFaultMatrix lets faults hit 30 % of all requests, alone and mixed, during whole migrations. They end done, or as they were and
// explained, and nothing stops signing in.
func TestFaultMatrix(t *testing.T) {
	small := faulted{apps: []string{"shop", "tools"}, works: (*journey).mustSignIn, begin: func(t *testing.T) (*world.World, lab.Mapping, func(*journey)) {
		w, mapping, err := lab.LoadSeedMapping([]byte(smallOrganisation))
		if err != nil {
			t.Fatal(err)
		}
		return w, mapping, func(*journey) {}
	}}
	small.matrix(t, 4, 500)
}

// TestFaultMatrixOfAUnitThatMoves is that for a unit with connections and workflows which moves to a managed identity.
func TestFaultMatrixOfAUnitThatMoves(t *testing.T) {
	moving := faulted{apps: []string{"shipper"}, works: (*journey).movingWorks, begin: func(t *testing.T) (*world.World, lab.Mapping, func(*journey)) {
		w, mapping := movingWorld(t)
		return w, mapping, func(j *journey) { j.moveConnections(nil) }
	}}
	moving.matrix(t, 2, 300)
}

// faulted is an organisation that is migrated under faults: one unit for each of its applications.
type faulted struct {
	apps  []string
	works func(j *journey, when string)
	begin func(t *testing.T) (w *world.World, mapping lab.Mapping, configure func(*journey))
	life  func(j *journey, repeat repeated) // in place of a migration with pull requests
}

// repeated does a command under faults until it is done, as a scheduler would.
type repeated func(what string, done func(execute.Result) bool, work func(*execute.Executor) (execute.Result, error))

func (f faulted) matrix(t *testing.T, few, all int) {
	t.Helper()
	names := make([]string, 0, len(lab.FaultNames))
	for name := range lab.FaultNames {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, seed := range sampling.Seeds(t, few, all) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			picked, rate := []string{names[seed%uint64(len(names))]}, 0.3
			if seed%3 == 0 { // three at once, together as often
				picked, rate = append(picked, names[(seed/7)%uint64(len(names))], names[(seed/11)%uint64(len(names))]), 0.12
			}
			f.migrateUnder(t, picked, rate, seed)
		})
	}
}

func (f faulted) migrateUnder(t *testing.T, names []string, rate float64, seed uint64) {
	t.Helper()
	w, mapping, configure := f.begin(t)
	l, err := lab.Start(w, lab.Options{AutoRun: true, FaultSeed: seed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	j := &journey{t: t, lab: l, mapping: mapping, dir: t.TempDir()}
	j.set = j.connectWith(transport.Options{})
	configure(j)
	j.makePlan()
	j.set = j.connectWith(transport.Options{Attempts: 3, Backoff: func(int) time.Duration { return time.Millisecond }, MaxWait: 2 * time.Second})
	faults := func(on bool) {
		l.Faults.Clear()
		for _, name := range names {
			times := 0
			if strings.HasPrefix(name, "throttle") {
				times = 2 // each costs a second of real time
			}
			if on {
				if err := l.Faults.SetFault(lab.Fault{Name: name, Rate: rate, Delay: 2, RetryAfter: 1, Times: times}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	// A command is repeated under faults, as a scheduler would; the last times without, when the weather is better: a
	// rollback may then still have to open a pull request, see it merged, and clean up.
	repeat := func(what string, done func(execute.Result) bool, work func(*execute.Executor) (execute.Result, error)) {
		t.Helper()
		var r execute.Result
		for i := range 12 {
			faults(i < 8)
			r = j.must(work)
			faults(false)
			f.works(j, fmt.Sprintf("in %s under %v", what, names))
			for _, u := range r.Units {
				if u.State == execute.UnitFailed && u.Reason == "" {
					t.Errorf("%s: unit %s failed without a reason", what, u.Unit)
				}
			}
			if done(r) {
				return
			}
			if strings.HasPrefix(what, "second") {
				j.pass(time.Minute)
				j.mergeAll()
			}
		}
		j.log(r)
		t.Fatalf("%s does not come to an end under %v, seed %d", what, names, seed)
	}
	if f.life != nil {
		f.life(j, repeat)
		return
	}
	ctx := context.Background()
	apply := func(e *execute.Executor) (execute.Result, error) { return e.Apply(ctx, execute.ApplyOptions{}) }
	repeat("apply", func(r execute.Result) bool { return r.Count(execute.UnitPending) == len(f.apps) && !r.Failed() }, apply)
	j.pass(time.Minute)
	j.mergeAll()
	j.pass(time.Minute)
	repeat("second apply", func(r execute.Result) bool {
		return r.Count(execute.UnitMigrated)+r.Count(execute.UnitVerified) == len(f.apps)
	}, apply)
	f.works(j, "after the merge")
	j.pass(8 * 24 * time.Hour)
	repeat("revoke", allIn(execute.UnitRevoked), func(e *execute.Executor) (execute.Result, error) {
		return e.Revoke(ctx, execute.RevokeOptions{AcceptNoSignInLog: true})
	})
	repeat("second rollback", allIn(execute.UnitRolledBack), func(e *execute.Executor) (execute.Result, error) {
		return e.Rollback(ctx, execute.RollbackOptions{Units: unitIDs(j)})
	})
	j.change(func(w *world.World) {
		for _, name := range f.apps {
			if a := app(w, name); len(a.Passwords) != 1 || len(a.FICs) != 0 {
				t.Errorf("%s ends with %d passwords and %d federated credentials", name, len(a.Passwords), len(a.FICs))
			}
		}
	})
}

// allIn tells whether all units of a result are in a state.
func allIn(state execute.UnitState) func(execute.Result) bool {
	return func(r execute.Result) bool { return r.Count(state) == len(r.Units) }
}

// TestWhatAUnitFoundDoneIsLookedAtAgainWhenItIsAppliedAgain is a life that the random ones found: variables that two units share are made by the first, found by the second
// and taken away by the rollback of the first, when the second has no use for them.
func TestWhatAUnitFoundDoneIsLookedAtAgainWhenItIsAppliedAgain(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	shop, tools := j.unitID("shop"), j.unitID("tools")
	only := func(id string) {
		if _, err := j.run(func(e *execute.Executor) (execute.Result, error) {
			return e.Apply(context.Background(), execute.ApplyOptions{Only: []string{id}})
		}); err != nil {
			t.Fatal(err)
		}
	}
	only(tools)
	only(shop)
	j.want(j.rollback(shop), "shop", execute.UnitRolledBack, "")
	j.want(j.rollback(tools), "tools", execute.UnitRolledBack, "")
	only(shop)
	if _, err := j.lab.MergeAll(); err != nil {
		t.Fatal(err)
	}
	j.mustSignIn("after the second apply is merged")
}

// TestARollbackUnderALaterPlanLeavesNothingWithoutItsTrust is a life that the random ones found: what was converted before a new plan
// was made is no step of that plan, and its trust was taken away.
func TestARollbackUnderALaterPlanLeavesNothingWithoutItsTrust(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	j.apply()
	j.mustSignIn("after apply")
	j.makePlan()
	kept, away := filepath.Join(j.dir, "plans"), filepath.Join(j.dir, "elsewhere")
	if err := os.Rename(kept, away); err != nil {
		t.Fatal(err)
	}
	j.want(j.rollback(j.unitID("shop")), "shop", execute.UnitFailed, "an earlier plan did what this plan does not know any more")
	j.mustSignIn("after the rollback that was refused")
	if err := errors.Join(os.RemoveAll(kept), os.Rename(away, kept)); err != nil {
		t.Fatal(err)
	}
	j.want(j.rollback(j.unitID("shop")), "shop", execute.UnitRolledBack, "")
	j.mustSignIn("after the rollback by the plan that the state keeps")
}
