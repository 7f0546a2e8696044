package identify

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rhysd/actionlint"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

var update = flag.Bool("update", false, "write the golden files")

var twoTargets = []Target{
	{Store: inventory.StoreRef{Level: inventory.LevelRepository, Repository: repo, Name: "AZURE_CREDENTIALS"}, Repository: repo, Secret: "AZURE_CREDENTIALS"},
	{Store: inventory.StoreRef{Level: inventory.LevelEnvironment, Repository: repo, Environment: "prod/eu west", Name: "ARM_CLIENT_SECRET"}, Repository: repo, Environment: "prod/eu west", Secret: "ARM_CLIENT_ID"},
}

func TestTheProbesWorkflow(t *testing.T) {
	got := probeWorkflow("0123456789abcdef", "00112233445566778899aabbccddeeff", "ubuntu-latest", twoTargets)
	golden := filepath.Join("testdata", "probe.yml")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	problems, err := linter.Lint("probe.yml", got, nil)
	if err != nil || len(problems) > 0 {
		t.Errorf("actionlint: %v %v", err, problems)
	}
	// Of a secret nothing but its whole value goes anywhere, and that only into a variable: never into the script's text.
	_, script, _ := strings.Cut(string(got), "run: |")
	if strings.Contains(probeScript, "${{") || strings.Contains(script[:strings.Index(script, "fi\n")], "secrets.") || strings.Contains(string(got), "fromJSON") {
		t.Error("a secret's value is put into the script's text, or taken apart by an expression")
	}
}

func TestTheProbesScriptPrintsTheDigestAndNothingElse(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	if _, err := exec.LookPath("sha256sum"); err != nil {
		t.Skip("there is no sha256sum")
	}
	hash := "sha256 " + digest("5a17", appA)
	for name, tc := range map[string]struct{ value, want string }{
		"the JSON of azure/login":       {`{"clientId":"` + string(appA) + `","clientSecret":"p\"w{}$(id)","tenantId":"` + string(appB) + `"}`, hash},
		"indented, with other keys":     {"{\n  \"clientSecret\": \"x\",\n  \"clientId\" : \"" + strings.ToUpper(string(appA)) + "\"\n}\n", hash},
		"of az ad sp create-for-rbac":   {`{"appId": "` + string(appA) + `", "password": "x", "tenant": "` + string(appB) + `"}`, hash},
		"a client id alone":             {string(appA), hash},
		"with spaces around":            {"  " + string(appA) + "\r\n", hash},
		"a password":                    {"Zx8~Q`$(touch x)'\"\\", "no client id"},
		"JSON without one":              {`{"clientSecret":"x"}`, "no client id"},
		"JSON with something else":      {`{"clientId":"my-app"}`, "no client id"},
		"two client ids: the first":     {`{"clientId":"` + string(appA) + `","clientId":"` + string(appB) + `"}`, hash},
		"nothing":                       {"", "empty"},
		"a client id in a longer text":  {"id=" + string(appA), "no client id"},
		"a wildcard that could expand":  {"*", "no client id"},
		"an option":                     {"-n", "no client id"},
		"what would end a notice early": {"a%0A::notice::b", "no client id"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(bash, "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", probeScript)
			cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "SALT=5a17", "VALUE="+tc.value)
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v: %s", err, errs.String())
			}
			if want := "::notice title=" + noticeTitle + "::" + tc.want + "\n"; out.String() != want || errs.Len() > 0 {
				t.Errorf("printed %q and %q, want %q", out.String(), errs.String(), want)
			}
		})
	}
}

func TestAProbesAnswerIsRead(t *testing.T) {
	apps := []inventory.AppID{appA, inventory.AppID(strings.ToUpper(string(appB)))}
	for message, want := range map[string]struct {
		app     inventory.AppID
		problem string
	}{
		"sha256 " + digest("s", appB):   {apps[1], ""},
		"sha256 " + digest("s", "else"): {"", ""},
		"sha256 " + digest("x", appA):   {"", ""},
		"empty":                         {"", "is empty"},
		"no client id":                  {"", "neither"},
		"sha256 12":                     {"", "not the one that was expected"},
		"":                              {"", "not the one that was expected"},
	} {
		app, problem := answer("s", message, apps)
		if app != want.app || !strings.Contains(problem, want.problem) || (want.problem == "") != (problem == "") {
			t.Errorf("%q: %q %q", message, app, problem)
		}
	}
	failed := JobNotes{Job: "probe-1", Conclusion: "failure", Notes: []Note{{Level: "failure", Message: "Branch is not allowed to deploy"}}}
	if _, problem := failed.answer("s", apps); !strings.Contains(problem, "not allowed to deploy") {
		t.Errorf("a refused job says %q", problem)
	}
}

func TestWhatAProbeCanLookInto(t *testing.T) {
	login := func(client string) *inventory.Login {
		return &inventory.Login{Identity: inventory.IdentityHint{ClientID: client}}
	}
	store := func(level inventory.SecretLevel, env, name string) inventory.StoreRef {
		return inventory.StoreRef{Level: level, Repository: repo, Environment: env, Name: name}
	}
	seen := &inventory.Secret{}
	for _, tc := range []struct {
		name string
		open plan.OpenSecret
		want string
	}{
		{"JSON", plan.OpenSecret{Store: store(inventory.LevelRepository, "", "A"), Secret: seen, Uses: []plan.SecretRead{{Login: login(""), Repository: repo, Role: "credentials"}}}, "A in "},
		{"JSON of an environment", plan.OpenSecret{Store: store(inventory.LevelEnvironment, "prod", "A"), Secret: seen, Uses: []plan.SecretRead{{Login: login(""), Repository: repo, Role: "credentials"}}}, "A in prod"},
		{"a password with its client id beside it", plan.OpenSecret{Store: store(inventory.LevelRepository, "", "P"), Secret: seen, Uses: []plan.SecretRead{{Login: login("secrets.ID"), Repository: repo, Role: "clientSecret"}}}, "ID in "},
		{"a client id that may be the environment's", plan.OpenSecret{Store: store(inventory.LevelRepository, "", "P"), Secret: seen,
			Uses: []plan.SecretRead{{Login: login("Secrets.ID"), Repository: repo, Role: "clientSecret", Environments: []string{"dev", "prod"}}}}, "ID in dev"},
		{"a password alone", plan.OpenSecret{Store: store(inventory.LevelRepository, "", "P"), Secret: seen, Uses: []plan.SecretRead{{Login: login("vars.ID"), Repository: repo, Role: "clientSecret"}}}, "no: it holds a password alone"},
		{"the second reader can", plan.OpenSecret{Store: store(inventory.LevelRepository, "", "P"), Secret: seen,
			Uses: []plan.SecretRead{{Login: login(""), Repository: "contoso/archived", Role: "credentials"}, {Login: login(""), Repository: repo, Role: "credentials"}}}, "P in "},
		{"archived", plan.OpenSecret{Store: store(inventory.LevelRepository, "", "P"), Secret: seen, Uses: []plan.SecretRead{{Login: login(""), Repository: "contoso/archived", Role: "credentials"}}}, "no: only archived"},
		{"Dependabot's", plan.OpenSecret{Store: store(inventory.LevelDependabot, "", "P"), Secret: seen}, "no: only runs that Dependabot starts"},
		{"not seen", plan.OpenSecret{Store: store(inventory.LevelRepository, "", "P")}, "no: the scan did not see it"},
		{"a name with an expression", plan.OpenSecret{Store: store(inventory.LevelRepository, "", "A || secrets.B"), Secret: seen}, "no: its name cannot"},
		{"an environment with an expression", plan.OpenSecret{Store: store(inventory.LevelEnvironment, "${{ x }}", "A"), Secret: seen, Uses: []plan.SecretRead{{Login: login(""), Repository: repo, Role: "credentials"}}}, "no: the name of environment"},
		{"an environment with a quote", plan.OpenSecret{Store: store(inventory.LevelEnvironment, "a'b", "A"), Secret: seen, Uses: []plan.SecretRead{{Login: login(""), Repository: repo, Role: "credentials"}}}, "no: the name of environment"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inv := &inventory.Inventory{Repositories: []inventory.Repository{{Name: "contoso/archived", Archived: true}}}
			targets, skipped := Targets(inv, []plan.OpenSecret{tc.open})
			var got string
			if len(targets) == 1 {
				got = targets[0].Secret + " in " + targets[0].Environment
			} else {
				got = "no: " + skipped[0].Why
			}
			if !strings.HasPrefix(got, tc.want) || len(targets) == 1 && got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// host is a GitHub that fails where it is told to. The lab plays the real one in the tests of the command.
type host struct {
	calls    []string
	open     error
	remove   error
	never    bool // the run never appears
	held     int  // how often the run is not complete yet
	deleted  bool
	canceled bool
}

func (h *host) note(format string, args ...any) {
	h.calls = append(h.calls, fmt.Sprintf(format, args...))
}

func (h *host) OpenBranch(context.Context, inventory.RepositoryName, string, string, []execute.FileChange) error {
	h.note("open")
	return h.open
}

func (h *host) DeleteBranch(ctx context.Context, _ inventory.RepositoryName, _ string) error {
	h.note("delete branch")
	return errors.Join(h.remove, ctx.Err())
}

func (h *host) BranchRuns(ctx context.Context, _ inventory.RepositoryName, _ string) ([]ProbeRun, error) {
	if h.never || h.deleted {
		return nil, ctx.Err()
	}
	if h.held > 0 && !h.canceled {
		h.held--
		return []ProbeRun{{ID: 1, Waiting: true}}, ctx.Err()
	}
	return []ProbeRun{{ID: 1, Completed: true, Conclusion: "success"}}, ctx.Err()
}

func (h *host) JobNotes(context.Context, inventory.RepositoryName, int64) ([]JobNotes, error) {
	return []JobNotes{{Job: "probe-1", Notes: []Note{{Title: noticeTitle, Message: "no client id"}}}}, nil
}

func (h *host) CancelRun(context.Context, inventory.RepositoryName, int64) error {
	h.note("cancel run")
	h.canceled = true
	return nil
}

func (h *host) DeleteRun(context.Context, inventory.RepositoryName, int64) error {
	h.note("delete run")
	h.deleted = true
	return nil
}

func TestAProbeIsClearedAwayWhateverHappens(t *testing.T) {
	for _, tc := range []struct {
		name          string
		host          host
		interrupt     bool
		problem, fail string
		calls         string
		left          int
	}{
		{"a good run", host{}, false, "holds neither", "", "open delete branch delete run", 0},
		{"a run that never begins", host{never: true}, false, "no run of the probe began", "", "open delete branch", 0},
		{"a run that waits for ever", host{held: 1000}, false, "waited for an approval", "", "open delete branch cancel run delete run", 0},
		{"an interruption", host{held: 1000}, true, "canceled", "", "open delete branch cancel run delete run", 0},
		{"a refusal", host{open: fmt.Errorf("%w: no", execute.ErrForbidden)}, false, "not permitted", "", "open", 0},
		{"a lost answer", host{open: execute.ErrUnknownOutcome, never: true}, false, "outcome unknown", "", "open delete branch", 0},
		{"a branch that was gone", host{remove: execute.ErrNotFound}, false, "holds neither", "", "open delete branch delete run", 0},
		{"a branch that cannot be deleted", host{remove: execute.ErrPolicy}, false, "holds neither", "unsecret identify --clean tries again", "open delete branch delete run", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			journal, err := execute.OpenJournal(t.TempDir(), execute.JournalOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer journal.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			waits := 0
			p := &Prober{Host: &tc.host, Journal: journal, Random: bytes.NewReader(make([]byte, 100)), Now: time.Now, Timeout: 10 * poll, Say: func(string, ...any) {},
				Wait: func(ctx context.Context, _ time.Duration) error {
					if waits++; tc.interrupt && waits == 2 {
						cancel()
					}
					return ctx.Err()
				}}
			proofs, err := p.Probe(ctx, twoTargets[:1], []inventory.AppID{appA})
			if (err != nil) != (tc.fail != "") || err != nil && !strings.Contains(err.Error(), tc.fail) {
				t.Errorf("error %v, want %q", err, tc.fail)
			}
			if got := proofs[twoTargets[0].Store.Key()]; !strings.Contains(got.Problem, tc.problem) {
				t.Errorf("problem %q, want %q in it", got.Problem, tc.problem)
			}
			if got := strings.Join(tc.host.calls, " "); got != tc.calls {
				t.Errorf("calls %q, want %q", got, tc.calls)
			}
			if n := len(Leftovers(journal.Records())); n != tc.left {
				t.Errorf("%d left over, want %d", n, tc.left)
			}
			tc.host.remove = nil
			if n, err := p.Clean(t.Context()); err != nil || n != tc.left || len(Leftovers(journal.Records())) != 0 {
				t.Errorf("clean: %d, %v", n, err)
			}
		})
	}
}
