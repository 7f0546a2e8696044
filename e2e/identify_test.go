package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/simulate"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/identify"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/providers"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// identifySeed has two repositories whose secrets nothing tells apart but when they are used, and a log that shows a client id.
const identifySeed = `
seed: 21
tenant: contoso
subscriptions: [production]
identities:
  - {name: kiwi, passwords: [{name: "", created: 9000h, expires: 300d}]}
  - {name: plum, passwords: [{name: "", created: 9000h, expires: 300d}]}
  - {name: fig, passwords: [{name: "", created: 9000h, expires: 300d}]}
github:
  - name: contoso
    permissions: read
    repositories:
      - name: one
        secrets: [{name: AZURE_CREDENTIALS, creds: kiwi, stored: 100d}]
        files: {.github/workflows/deploy.yml: "on: workflow_dispatch\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: azure/login@v2\n        with:\n          creds: ${{ secrets.AZURE_CREDENTIALS }}\n"}
      - name: two
        secrets: [{name: AZURE_CREDENTIALS, creds: plum, stored: 100d}]
        files: {.github/workflows/deploy.yml: "on: workflow_dispatch\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: azure/login@v2\n        with:\n          creds: ${{ secrets.AZURE_CREDENTIALS }}\n      - run: echo 'signed in as ${{ fromJSON(secrets.AZURE_CREDENTIALS).clientId }}'\n"}
`

func startIdentify(t *testing.T) *journey {
	t.Helper()
	w, err := lab.LoadSeed([]byte(identifySeed))
	if err != nil {
		t.Fatal(err)
	}
	j := startJourney(t, w, nil)
	for range 4 {
		for _, repository := range []string{"contoso/one", "contoso/two"} {
			w.Clock.Move(7 * time.Hour)
			if _, err := j.lab.Fire(repository, simulate.Event{Name: "workflow_dispatch"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.Clock.Move(7 * time.Hour)
	return j
}

// asked gathers and ranks.
func (j *journey) asked(set *providers.Set, inv *inventory.Inventory, o identify.Options) (identify.Input, identify.Report) {
	j.t.Helper()
	open, err := plan.OpenSecrets(inv, plan.Config{})
	if err != nil {
		j.t.Fatal(err)
	}
	o.Now = set.Transport.Now()
	in, err := identify.Gather(j.t.Context(), inv, open, identify.Sources{Directory: set.Entra, Repositories: set.GitHub}, o)
	if err != nil {
		j.t.Fatal(err)
	}
	return in, identify.Rank(in)
}

func (j *journey) appID(name string) inventory.AppID {
	for _, tenant := range j.lab.World.Tenants {
		for _, a := range tenant.Apps {
			if a.DisplayName == name {
				return inventory.AppID(a.AppID)
			}
		}
	}
	j.t.Fatalf("no application %s", name)
	return ""
}

// first gives the likeliest candidate of a repository's secret.
func first(r identify.Report, repository string) identify.Candidate {
	for _, s := range r.Secrets {
		if string(s.Store.Repository) == repository && len(s.Candidates) > 0 {
			return s.Candidates[0]
		}
	}
	return identify.Candidate{}
}

func weight(c identify.Candidate, k identify.Kind) int {
	i := slices.IndexFunc(c.Evidence, func(e identify.Evidence) bool { return e.Kind == k })
	if i < 0 {
		return 0
	}
	return c.Evidence[i].Weight
}

func TestSignInsAtTheTimesOfRunsTellApplicationsApart(t *testing.T) {
	j := startIdentify(t)
	set := j.connectAs(world.RoleReader, transport.Options{ReadOnly: true})
	inv := j.scanWith(set)
	inv.Identities = nil // as a scan leaves it that was not told to read all applications
	j.lab.ResetCounts()
	_, r := j.asked(set, inv, identify.Options{})
	for repository, name := range map[string]string{"contoso/one": "kiwi", "contoso/two": "plum"} {
		c := first(r, repository)
		if c.AppID != j.appID(name) || weight(c, identify.KindSignIns) != 50 {
			t.Errorf("%s: %+v", repository, c)
		}
		for _, s := range r.Secrets {
			if s.Proposal != nil {
				t.Errorf("sign-ins alone propose %+v", s.Proposal)
			}
		}
	}
	counts := j.lab.Counts()
	// A page of applications, the runs of two workflows, then of three applications: one query for all and one of service
	// principals, federated credentials and owners, policies, and the sign-in log.
	if n := counts.Total(""); n > 17 || counts.Writes("") > 0 {
		t.Errorf("%d requests, %d of them writes", n, counts.Writes(""))
	}
	t.Logf("%d requests", counts.Total(""))
}

func TestJobLogsAreReadOnlyWhereAskedFor(t *testing.T) {
	j := startIdentify(t)
	set := j.connectAs(world.RoleReader, transport.Options{ReadOnly: true})
	inv := j.scanWith(set)
	_, r := j.asked(set, inv, identify.Options{})
	if w := weight(first(r, "contoso/two"), identify.KindLog); w != 0 {
		t.Errorf("a log was read without being asked for: %d", w)
	}
	in, r := j.asked(set, inv, identify.Options{Logs: true})
	if c := first(r, "contoso/two"); c.AppID != j.appID("plum") || weight(c, identify.KindLog) != 60 {
		t.Errorf("two: %+v", c)
	}
	if w := weight(first(r, "contoso/one"), identify.KindLog); w != 0 {
		t.Errorf("one: a log without a client id weighs %d", w)
	}
	for _, s := range r.Secrets {
		if (s.Proposal != nil) != (s.Store.Repository == "contoso/two") {
			t.Errorf("%s: %s", s.Store, s.Verdict)
		}
	}
	if strings.Contains(fmt.Sprintf("%+v", in.Prints), world.Canary) {
		t.Error("more of a log was kept than client ids")
	}
}

func TestWhatCannotBeReadIsUnknownAndNeverEvidence(t *testing.T) {
	j := startIdentify(t)
	j.lab.World.Knobs.SignInLogForbid = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
	set := j.connectAs(world.RoleReader, transport.Options{ReadOnly: true})
	inv := j.scanWith(set)
	inv.Identities = nil
	for i := range inv.Repositories {
		if inv.Repositories[i].Name == "contoso/one" {
			j.lab.World.GitHub.Repo("contoso", "one").Runs = nil
		}
	}
	in, r := j.asked(set, inv, identify.Options{})
	for _, a := range in.Applications {
		if a.SignIns.Known || !strings.Contains(a.SignIns.Reason, "P1 or P2") {
			t.Errorf("%s: %+v", a.DisplayName, a.SignIns)
		}
	}
	if len(r.Secrets) != 2 || len(r.Secrets[0].Candidates)+len(r.Secrets[1].Candidates) > 0 {
		t.Errorf("candidates without evidence: %+v", r.Secrets)
	}
	nobody := j.connectAs(world.RoleOutsider, transport.Options{ReadOnly: true})
	_, r = j.asked(nobody, inv, identify.Options{})
	if text := fmt.Sprint(r.Unknown, r.Secrets); !strings.Contains(text, "the tenant's other applications") || !strings.Contains(text, "the runs of .github/workflows/deploy.yml") {
		t.Errorf("what an outsider cannot read is not said: %s", text)
	}
}

// TestAProbeShowsNothingThatCanBeRead holds everything that a probe leaves on GitHub while it is open, and what it journals, to the law.
func TestAProbeShowsNothingThatCanBeRead(t *testing.T) {
	j := startIdentify(t)
	inv := j.scan()
	in, _ := j.asked(j.set, inv, identify.Options{})
	targets, skipped := identify.Targets(inv, in.Open)
	if len(targets) != 2 || len(skipped) > 0 {
		t.Fatalf("targets %+v, skipped %+v", targets, skipped)
	}
	journal, err := execute.OpenJournal(j.dir, execute.JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	w := j.lab.World
	before := map[string]int{}
	for name, r := range w.GitHub.Repos {
		before[name] = len(r.Runs)
	}
	var ids []inventory.AppID
	for _, a := range in.Applications {
		ids = append(ids, a.AppID)
	}
	spy := &spying{Host: j.set.GitHub, t: t, ids: ids, lab: j.lab}
	p := &identify.Prober{Host: spy, Journal: journal, Random: rand.Reader, Now: time.Now, Say: func(string, ...any) {},
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
	proofs, err := p.Probe(t.Context(), targets, ids)
	if err != nil {
		t.Fatal(err)
	}
	in.Proofs = proofs
	for _, s := range identify.Rank(in).Secrets {
		name := map[inventory.RepositoryName]string{"contoso/one": "kiwi", "contoso/two": "plum"}[s.Store.Repository]
		if s.Proposal == nil || s.Proposal.AppID != j.appID(name) || *s.Proposal.Confirmed {
			t.Errorf("%s: %s, %+v", s.Store, s.Verdict, s.Proposal)
		}
	}
	if spy.looked != 2 {
		t.Errorf("%d runs were looked at", spy.looked)
	}
	for name, r := range w.GitHub.Repos {
		if len(r.Runs) != before[name] || len(r.Refs) != 1 {
			t.Errorf("%s keeps %d runs of %d, and refs %v", name, len(r.Runs), before[name], r.Refs)
		}
	}
	text, err := json.Marshal(journal.Records())
	if err != nil {
		t.Fatal(err)
	}
	spy.clean("the journal", string(text))
	if n := identify.Leftovers(journal.Records()); len(n) != 0 {
		t.Errorf("%q left over", n)
	}
}

// spying looks at everything that a run shows before it is deleted.
type spying struct {
	identify.Host
	t      *testing.T
	ids    []inventory.AppID
	lab    *lab.Lab
	mu     sync.Mutex
	looked int
}

// JobNotes is called when a run has ended, and before anything of it is deleted.
func (s *spying) JobNotes(ctx context.Context, repo inventory.RepositoryName, run int64) ([]identify.JobNotes, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	owner, name, _ := strings.Cut(string(repo), "/")
	s.lab.World.Lock()
	r := s.lab.World.GitHub.Repo(owner, name)
	for ref, oid := range r.Refs {
		if strings.HasPrefix(ref, "refs/heads/unsecret-probe/") {
			files := r.Files(strings.TrimPrefix(ref, "refs/heads/"))
			if len(files) != 1 || len(r.Commits[oid].Parents) != 0 {
				s.t.Errorf("the branch of %s has %d files, and its commit %d parents", repo, len(files), len(r.Commits[oid].Parents))
			}
			s.clean("the branch", fmt.Sprintf("%s %s %+v", ref, files, *r.Commits[oid]))
		}
	}
	for _, x := range r.Runs {
		if x.ID == run {
			s.looked++
			shown, err := json.Marshal(x)
			if err != nil {
				s.t.Error(err)
			}
			s.clean("the run", string(shown))
			if x.Jobs[0].Subject != "" || len(x.Jobs[0].Permissions) > 1 {
				s.t.Errorf("the job has permissions %v and a token %q", x.Jobs[0].Permissions, x.Jobs[0].Subject)
			}
		}
	}
	s.lab.World.Unlock()
	return s.Host.JobNotes(ctx, repo, run)
}

func (s *spying) clean(what, text string) {
	s.t.Helper()
	text = strings.ToLower(text)
	if strings.Contains(text, strings.ToLower(world.Canary)) {
		s.t.Errorf("%s shows a secret's value", what)
	}
	for _, id := range s.ids {
		if strings.Contains(text, strings.ToLower(string(id))) {
			s.t.Errorf("%s shows the client id %s", what, id)
		}
	}
}
