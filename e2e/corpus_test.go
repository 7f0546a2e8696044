package e2e_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/simulate"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// corpusFolder is the folder of real workflows: UNSECRET_CORPUS, or ../shared/corpus beside the module.
func corpusFolder(t testing.TB) string {
	t.Helper()
	dir := cmp.Or(os.Getenv("UNSECRET_CORPUS"), filepath.Join("..", "..", "shared", "corpus"))
	if _, err := os.Stat(filepath.Join(dir, "index.tsv")); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no real workflows in %s: set UNSECRET_CORPUS to the folder that has them", dir)
	}
	return dir
}

// corpusIndex is an index with one repository of the corpus in every so many; 1 is all of them. UNSECRET_CORPUS_REPOSITORY
// names a single one, to look into what becomes of it.
func corpusIndex(t testing.TB, dir string, every int) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "index.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	kept, numbers, only := lines[:1], map[string]int{}, os.Getenv("UNSECRET_CORPUS_REPOSITORY")
	for _, line := range lines[1:] {
		repository := strings.Split(line, "\t")[3]
		if _, ok := numbers[repository]; !ok {
			numbers[repository] = len(numbers)
		}
		if only == repository || only == "" && numbers[repository]%every == 0 {
			kept = append(kept, line)
		}
	}
	some := filepath.Join(t.TempDir(), "index.tsv")
	if err := os.WriteFile(some, []byte(strings.Join(kept, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return some
}

func corpusJourney(t *testing.T, every int) *journey {
	t.Helper()
	dir := corpusFolder(t)
	w := world.New(1)
	w.Clock.Freeze(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC))
	mapping, err := lab.LoadWorkflows(w, filepath.Join(dir, "workflows"), corpusIndex(t, dir, every))
	if err != nil {
		t.Fatal(err)
	}
	return startJourney(t, w, mapping)
}

// TestRealWorkflowsAreMigratedAndNothingIsLost is the whole journey on real input: every file that signs in is either
// rewritten and still signs in, or listed with the reason why it is not. UNSECRET_LONG=1 takes all files in both ways.
func TestRealWorkflowsAreMigratedAndNothingIsLost(t *testing.T) {
	for _, tc := range []struct {
		name     string
		flexible bool
		every    int // one repository in so many
	}{{"flexible", true, 1}, {"exact", false, 4}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			switch {
			case testing.Short():
				tc.every = 12
			case os.Getenv("UNSECRET_LONG") != "":
				tc.every = 1
			}
			j := corpusJourney(t, tc.every)
			a := j.migrateCorpus(tc.flexible)
			if os.Getenv("UNSECRET_CORPUS_REPOSITORY") != "" {
				return
			}
			compareGolden(t, filepath.Join("corpus", fmt.Sprintf("%s-%d.txt", tc.name, tc.every)), a.summary())
		})
	}
}

func (j *journey) migrateCorpus(flexible bool) *account {
	j.t.Helper()
	events := j.everyEvent()
	before := j.everySignIn(events)
	failed, passwords := j.failedRuns(), j.passwords()
	inv := j.scan()
	c := j.config()
	c.AllowFlexible = flexible
	p, err := plan.New(inv, c)
	if err != nil {
		j.t.Fatal(err)
	}
	j.plan = p
	a := newAccount(inv, p)
	a.check(j.t, before)
	events = a.relevant(events, before)
	j.t.Logf("%d events, in which %d jobs sign in or try to", len(events), len(before))
	if os.Getenv("UNSECRET_CORPUS_REPOSITORY") != "" {
		j.t.Log(a.explain() + a.summary())
	}

	j.pass(time.Hour)
	j.mustDo(j.apply(), nil)
	j.compare("after apply", before, j.everySignIn(events), nil)
	j.mergeAll()
	j.pass(time.Hour)
	j.mustDo(j.apply(), nil)
	j.pass(time.Hour)
	j.compare("after the merge", before, j.everySignIn(events), a.rewritten)
	j.mustDo(j.verify(), failed)
	j.pass(8 * 24 * time.Hour)
	a.revoked = j.revoke()
	j.mustDo(a.revoked, failed)
	j.checkRevoked(a.revoked, passwords)
	j.compare("after revoke", before, j.everySignIn(events), a.rewritten)

	units := sample(a.revoked, 5)
	if len(units) == 0 {
		return a
	}
	events, before = j.only(units, events, before)
	j.mustDo(j.rollback(units...), nil)
	j.compare("while rolling back", before, j.everySignIn(events), nil)
	j.mergeAll()
	j.pass(time.Hour)
	j.mustDo(j.rollback(units...), nil)
	end := j.everySignIn(events)
	j.compare("after rollback", before, end, nil)
	j.checkRolledBack(units, before, end)
	return a
}

// place is one job of one event that signs in, as the run simulator sees it.
type place struct{ repository, workflow, event, job string }

func (p place) String() string {
	return strings.Join([]string{p.repository, p.workflow, p.event, p.job}, " · ")
}

// outcome is what happened at a place: which identities signed in how, and what failed.
type outcome struct {
	apps   map[string]map[string]bool // by client id: secret, federated
	errors []string
}

// fired is one event of one repository.
type fired struct {
	repository string
	event      simulate.Event
}

// everyEvent is everything that can start a workflow of the lab, told before anything is changed: the pull requests of a
// migration bring branches of their own.
func (j *journey) everyEvent() []fired {
	j.t.Helper()
	var out []fired
	w := j.lab.World
	w.Lock()
	files := map[string][]string{}
	for _, r := range w.GitHub.Repos {
		for path := range r.Files(r.DefaultBranch) {
			files[r.FullName()] = append(files[r.FullName()], path)
		}
		slices.Sort(files[r.FullName()])
	}
	w.Unlock()
	for _, repository := range slices.Sorted(maps.Keys(files)) {
		for _, path := range files[repository] {
			events, err := j.lab.Simulator.Events(repository, path)
			if err != nil {
				j.t.Fatal(err)
			}
			for _, e := range events {
				out = append(out, fired{repository, e})
			}
		}
	}
	return out
}

// everySignIn lets the events happen, those of different repositories at the same time.
func (j *journey) everySignIn(events []fired) map[place]outcome {
	j.t.Helper()
	byRepository := map[string][]fired{}
	for _, f := range events {
		byRepository[f.repository] = append(byRepository[f.repository], f)
	}
	out := map[place]outcome{}
	var mu sync.Mutex
	g := errgroup.Group{}
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, some := range byRepository {
		g.Go(func() error {
			for _, f := range some {
				outcomes, err := j.lab.Fire(f.repository, f.event)
				if err != nil {
					return err
				}
				mu.Lock()
				for _, o := range outcomes {
					note(out, f.event, o)
				}
				mu.Unlock()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		j.t.Fatal(err)
	}
	return out
}

func note(out map[place]outcome, e simulate.Event, o lab.Outcome) {
	event := fmt.Sprintf("%s %s %s %s %v fork=%t actor=%s", e.Name, e.Ref, e.Base, e.Type, e.Inputs, e.Fork, e.Actor)
	at := place{o.Repository, o.Workflow, event, o.Job}
	x, ok := out[at]
	if !ok {
		x.apps = map[string]map[string]bool{}
	}
	switch {
	case !o.OK:
		x.errors = append(x.errors, o.Step+": "+o.Error)
	case x.apps[o.AppID] == nil:
		x.apps[o.AppID] = map[string]bool{o.Kind: true}
	default:
		x.apps[o.AppID][o.Kind] = true
	}
	out[at] = x
}

// compare demands that every place still signs in as every identity as before, without a failure that was none before;
// and that the jobs of rewritten files use no secret.
func (j *journey) compare(when string, before, after map[place]outcome, rewritten map[string]bool) {
	j.t.Helper()
	for _, at := range sortedPlaces(before) {
		b, a := before[at], after[at]
		for app := range b.apps {
			if a.apps[app] == nil {
				j.t.Errorf("%s: %s no longer signs in as %s: %q (before: %v, %q)", when, at, app, a.errors, b.apps, b.errors)
			}
		}
		if len(a.errors) > len(b.errors) {
			j.t.Errorf("%s: %s fails: %q (before: %v, %q)", when, at, a.errors, b.apps, b.errors)
		}
	}
	for _, at := range sortedPlaces(after) {
		// A job that did not run comes up where one that it needs has begun to sign in.
		if _, ok := before[at]; !ok && len(after[at].errors) > 0 && rewritten[at.repository+"/"+at.workflow] {
			j.t.Errorf("%s: %s has come up and fails: %q", when, at, after[at].errors)
		}
		for app, kinds := range after[at].apps {
			if kinds["secret"] && rewritten[at.repository+"/"+at.workflow] {
				j.t.Errorf("%s: %s still signs in as %s with a secret", when, at, app)
			}
		}
	}
}

func sortedPlaces(m map[place]outcome) []place {
	return slices.SortedFunc(maps.Keys(m), func(a, b place) int { return strings.Compare(a.String(), b.String()) })
}

// mustDo demands that nothing failed or was refused. A unit may lack its proof where runs of its repositories failed
// before anything was changed: then nothing can prove it.
func (j *journey) mustDo(r execute.Result, failed map[plan.WorkflowRef]bool) {
	j.t.Helper()
	for _, u := range r.Units {
		for _, s := range u.Steps {
			if s.State == execute.StepFailed || s.State == execute.StepRefused {
				j.t.Errorf("%s %s step %s %s: %s %v", r.Command, u.Unit, s.Step, s.State, s.Reason, s.Changes)
			}
		}
		if u.State == execute.UnitFailed && !(strings.Contains(u.Reason, "did not succeed") && j.failedBefore(u.Unit, failed)) {
			j.t.Errorf("%s %s failed: %s", r.Command, u.Unit, u.Reason)
		}
	}
}

func (j *journey) failedBefore(unit string, failed map[plan.WorkflowRef]bool) bool {
	u, _ := j.plan.Unit(unit)
	return slices.ContainsFunc(u.Workflows, func(w plan.WorkflowRef) bool { return failed[w] })
}

// failedRuns are the workflows of which a run did not succeed so far.
func (j *journey) failedRuns() map[plan.WorkflowRef]bool {
	w := j.lab.World
	w.Lock()
	defer w.Unlock()
	out := map[plan.WorkflowRef]bool{}
	for _, r := range w.GitHub.Repos {
		for _, run := range r.Runs {
			if run.Conclusion == "failure" || run.Conclusion == "startup_failure" {
				out[plan.WorkflowRef{Repository: inventory.RepositoryName(r.FullName()), File: run.Workflow}] = true
			}
		}
	}
	return out
}

// account tells what becomes of every login of an inventory.
type account struct {
	inv       *inventory.Inventory
	plan      *plan.Plan
	fate      map[inventory.LoginID]string // rewritten, or why not
	rewritten map[string]bool              // repository/workflow: no login of its runs keeps a secret
	known     map[string]bool              // repository/workflow: a login of its runs is known
	revoked   execute.Result
}

func newAccount(inv *inventory.Inventory, p *plan.Plan) *account {
	a := &account{inv: inv, plan: p, fate: map[inventory.LoginID]string{}, rewritten: map[string]bool{}, known: map[string]bool{}}
	for _, l := range p.Left {
		if strings.HasPrefix(l.Object, "login ") {
			a.fate[inventory.LoginID(l.Place)] = "left: " + l.Code
		}
	}
	for _, u := range p.Units {
		for _, l := range u.Logins {
			if fate := a.fate[l.ID]; u.Blocked() && (fate == "" || fate == "left: blocked-unit") {
				a.fate[l.ID] = "blocked: " + u.Blockers[0].Code
			}
		}
	}
	for _, u := range p.Units {
		for _, s := range u.Steps {
			if s.PullRequest != nil {
				for _, l := range s.PullRequest.Logins {
					a.fate[l.ID] = "rewritten"
				}
			}
		}
	}
	kept := map[string]bool{}
	for _, l := range inv.Logins {
		for _, at := range runsOf(l) {
			a.known[at] = true
			if fate := a.fate[l.ID]; fate == "rewritten" {
				a.rewritten[at] = true
			} else if fate != "left: already" {
				kept[at] = true
			}
		}
	}
	maps.DeleteFunc(a.rewritten, func(at string, _ bool) bool { return kept[at] })
	return a
}

// runsOf are the workflows in whose runs a login happens, as repository/path.
func runsOf(l inventory.Login) []string {
	out := []string{string(l.Repository) + "/" + l.File}
	for _, s := range l.Subjects {
		out = append(out, cmp.Or(string(s.Repository), string(l.Repository))+"/"+cmp.Or(s.File, l.File))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// check demands that every login has a fate with a reason, and that no workflow signs in with a secret of which the
// inventory knows nothing.
func (a *account) check(t *testing.T, before map[place]outcome) {
	t.Helper()
	for _, l := range a.inv.Logins {
		if a.fate[l.ID] == "" {
			t.Errorf("the plan says nothing of login %s (%s, %s)", l.ID, l.Kind, l.Conversion)
		}
	}
	for _, l := range a.plan.Left {
		if l.Reason == "" {
			t.Errorf("left without a reason: %+v", l)
		}
	}
	for _, at := range sortedPlaces(before) {
		for app, kinds := range before[at].apps {
			if kinds["secret"] && !a.known[at.repository+"/"+at.workflow] {
				t.Errorf("%s signs in as %s with a secret, and the inventory has no login of it", at, app)
			}
		}
	}
}

// summary is the numbers of what was found and done.
func (a *account) summary() string {
	counts := map[string]int{}
	files := map[string]bool{}
	fates := map[string]map[string]bool{}
	for _, l := range a.inv.Logins {
		counts[fmt.Sprintf("login kind %s %s", l.Kind, l.Conversion)]++
		counts["login "+a.fate[l.ID]]++
		at := string(l.Repository) + "/" + l.File
		files[at] = true
		if fates[at] == nil {
			fates[at] = map[string]bool{}
		}
		fates[at][a.fate[l.ID]] = true
	}
	for _, f := range fates {
		counts["file "+strings.Join(slices.Sorted(maps.Keys(f)), " + ")]++
	}
	counts["files with a login"] = len(files)
	counts["gaps"], counts["mentions"], counts["repositories"] = len(a.inv.Gaps), len(a.inv.Mentions), len(a.inv.Repositories)
	for _, u := range a.revoked.Units {
		counts["unit in the end "+string(u.State)]++
		for _, g := range u.Gates {
			counts["unit in the end "+string(u.State)+" for "+string(g.Name)]++
		}
	}
	for _, u := range a.plan.Units {
		for _, b := range u.Blockers {
			counts["unit blocked: "+b.Code]++
		}
		for _, b := range u.Withheld {
			counts["unit withheld: "+b.Code]++
		}
	}
	for _, l := range a.plan.Left {
		if !strings.HasPrefix(l.Object, "login ") {
			counts["left "+strings.Fields(l.Object)[0]+": "+l.Code]++
		}
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "%5d %s\n", counts[k], k)
	}
	return b.String()
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: write it with -update", err)
	}
	if d := gocmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, d)
	}
}

// password is one password of the lab, with its value.
type password struct{ tenant, app, value string }

func (j *journey) passwords() map[inventory.KeyID]password {
	w := j.lab.World
	w.Lock()
	defer w.Unlock()
	out := map[inventory.KeyID]password{}
	for _, t := range w.Tenants {
		for _, a := range t.Apps {
			for _, p := range a.Passwords {
				out[inventory.KeyID(p.KeyID)] = password{t.ID, a.AppID, p.Value}
			}
		}
	}
	return out
}

// checkRevoked demands that the old secrets of revoked units do not work any more, and those of all others do.
func (j *journey) checkRevoked(r execute.Result, passwords map[inventory.KeyID]password) {
	j.t.Helper()
	dead := map[inventory.KeyID]bool{}
	for _, u := range r.Units {
		unit, _ := j.plan.Unit(u.Unit)
		for _, s := range unit.Steps {
			if s.Credential != nil && u.State == execute.UnitRevoked {
				dead[s.Credential.KeyID] = true
			}
		}
	}
	for key, p := range passwords {
		status, answer := j.present(p)
		switch {
		case dead[key] && !strings.Contains(answer, "AADSTS7000215"):
			j.t.Errorf("the revoked secret %s of %s gives %d %s", key, p.app, status, answer)
		case !dead[key] && status != http.StatusOK:
			j.t.Errorf("the secret %s of %s, whose unit is not revoked, gives %d %s", key, p.app, status, answer)
		}
	}
}

// present signs in with a password.
func (j *journey) present(p password) (int, string) {
	j.t.Helper()
	r, err := http.PostForm(j.lab.World.Endpoints.Login+"/"+p.tenant+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "scope": {"https://management.azure.com/.default"}, "client_id": {p.app}, "client_secret": {p.value}})
	if err != nil {
		j.t.Fatal(err)
	}
	defer r.Body.Close()
	var body struct {
		Text string `json:"error_description"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		j.t.Fatal(err)
	}
	return r.StatusCode, body.Text
}

// relevant are the events of the workflows that have a login, or in which one was tried.
func (a *account) relevant(events []fired, before map[place]outcome) []fired {
	tried := map[string]bool{}
	for at := range before {
		tried[at.repository+"/"+at.workflow] = true
	}
	return slices.DeleteFunc(slices.Clone(events), func(f fired) bool {
		at := f.repository + "/" + f.event.Workflow
		return !tried[at] && !a.known[at]
	})
}

// only gives the events and places of the repositories of some units.
func (j *journey) only(units []string, events []fired, before map[place]outcome) ([]fired, map[place]outcome) {
	repositories := map[string]bool{}
	for _, id := range units {
		u, _ := j.plan.Unit(id)
		for _, l := range u.Logins {
			repositories[string(l.Repository)] = true
		}
	}
	some := map[place]outcome{}
	for at, o := range before {
		if repositories[at.repository] {
			some[at] = o
		}
	}
	return slices.DeleteFunc(slices.Clone(events), func(f fired) bool { return !repositories[f.repository] }), some
}

// checkRolledBack demands that everything signs in as the units' identities the way it did before.
func (j *journey) checkRolledBack(units []string, before, after map[place]outcome) {
	j.t.Helper()
	for _, id := range units {
		u, _ := j.plan.Unit(id)
		for _, at := range sortedPlaces(before) {
			if d := gocmp.Diff(before[at].apps[string(u.AppID)], after[at].apps[string(u.AppID)]); d != "" {
				j.t.Errorf("after rollback %s signs in as %s in another way (-before +after):\n%s", at, u.AppID, d)
			}
		}
	}
}

// sample takes some revoked units and some that were not.
func sample(r execute.Result, each int) []string {
	var out []string
	for _, states := range [][]execute.UnitState{{execute.UnitRevoked}, {execute.UnitPending, execute.UnitVerified, execute.UnitMigrated}} {
		var some []string
		for _, u := range r.Units {
			if slices.Contains(states, u.State) {
				some = append(some, u.Unit)
			}
		}
		for i := 0; i < len(some); i += max(1, len(some)/each) {
			out = append(out, some[i])
		}
	}
	return out
}

// explain lists every login of the inventory with its fate.
func (a *account) explain() string {
	var b strings.Builder
	reasons := map[string]string{}
	for _, l := range a.plan.Left {
		reasons[l.Place] = l.Reason
	}
	for _, l := range a.inv.Logins {
		fmt.Fprintf(&b, "%s %s %s: %s %s\n", l.ID, l.Kind, l.Conversion, a.fate[l.ID], reasons[string(l.ID)])
	}
	return b.String()
}
