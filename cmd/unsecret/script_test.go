package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/providers/auth"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"unsecret": func() {
		killAtRecord()
		main()
	}})
}

// TestScripts runs testdata/script: the real program in a process of its own, on a lab in this one. Beside the commands of
// testscript there are
//
//	exits N ARGS…          run unsecret with ARGS; it must end with exit code N
//	lab [demo|pipelines|N|FILE] … start a lab with the organisation of a scenario, a generated one of N repositories and N connections, or that
//	                       of a seed file; writes unsecret.yaml and sets the tokens of the operator. "unmapped" leaves
//	                       the mapping out, "hold" lets runs wait for the reviewers of environments, "still" runs nothing
//	role ROLE              sets the tokens of reader, operator or outsider, or of none
//	latency D              every answer of the lab takes so long from now on; before lab
//	fault NAME=RATE        switches a fault of the lab on; "off" switches all off
//	merge                  merges all pull requests, as a reviewer
//	person WHAT            does in the lab what people do; see people
//	clock D                moves the lab's clock
//	trigger-all [WHAT]     runs everything that can run; every sign-in must succeed, and with "federated" without a secret
//	old-secrets N          so many of the secrets that worked when the lab started still work
//	writes N               the lab has counted so many writes, or some, or any number, since the last time it was asked
//	branches N             waits until the lab's repositories have so many branches and runs of probes together
//	await N                waits until the lab has counted N requests since the last time it was asked
//	terminate              sends SIGTERM to the background commands
//	code N                 the background command that await saw has ended with exit code N
//	canary DIR             no file below DIR and nothing that was printed holds a secret's value or the operator's token
//	cols N                 no line of the last output is wider than N columns
//	json                   the last stdout is one JSON document
//	full-disk DIR KB       makes DIR a file system of so few kilobytes; where [tmpfs] holds
//	big KIND FILE          makes a file that no test should carry: megabytes, lines, bomb, deep, nul, latin1
//	sleep D
//	mode 600 FILE          the file has these permissions
//	json-lines N           the last stdout has a JSON document on each of N lines or more
//	azurite                starts Azurite with a container "state"; sets $AZURITE, the certificate and the token
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setupScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits, "lab": cmdLab, "role": cmdRole, "latency": cmdLatency, "fault": cmdFault, "merge": cmdMerge, "person": cmdPerson, "clock": cmdClock,
			"trigger-all": cmdTriggerAll, "old-secrets": cmdOldSecrets, "writes": cmdWrites, "await": cmdAwait, "code": cmdCode, "branches": cmdBranches, "terminate": cmdTerminate,
			"canary": cmdCanary, "cols": cmdCols, "json": cmdJSON, "full-disk": cmdFullDisk, "big": cmdBig, "sleep": cmdSleep, "mode": cmdMode, "json-lines": cmdJSONLines, "azurite": cmdAzurite,
		},
		Condition: condition,
	})
}

// condition knows [root], [full] (there is a device that is always full), [tmpfs] (a small file system can be
// mounted) and [signals].
func condition(name string) (bool, error) {
	switch name {
	case "azurite":
		return hasAzurite(), nil
	case "root":
		return os.Geteuid() == 0, nil
	case "full":
		info, err := os.Stat("/dev/full")
		return err == nil && info.Mode()&fs.ModeCharDevice != 0, nil
	case "tmpfs":
		return canMount(), nil
	case "signals":
		return runtime.GOOS != "windows", nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// canMount tells whether a small file system can be made: as root on Linux, outside most containers.
var canMount = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "unsecret-mount-")
	if err != nil {
		return false
	}
	defer func() { _ = os.Remove(dir) }()
	return exec.Command("mount", "-t", "tmpfs", "none", dir).Run() == nil && exec.Command("umount", dir).Run() == nil
})

// script is the state of one script.
type script struct {
	lab        *lab.Lab
	latency    time.Duration
	old        []oldSecret
	printed    bytes.Buffer
	background []*exec.Cmd
}

type scriptKey struct{}

func state(ts *testscript.TestScript) *script { return ts.Value(scriptKey{}).(*script) }

func setupScript(env *testscript.Env) error {
	env.Values[scriptKey{}] = &script{}
	// Nothing of the machine that the tests run on may leak in: no sign-in, no CI.
	for _, name := range []string{"GITHUB_ACTIONS", "GITHUB_WORKSPACE", "GITHUB_TOKEN", "GH_TOKEN", "UNSECRET_GRAPH_TOKEN"} {
		env.Setenv(name, "")
	}
	return nil
}

func (s *script) need(ts *testscript.TestScript) *lab.Lab {
	if s.lab == nil {
		ts.Fatalf("no lab: start one with lab")
	}
	return s.lab
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits N ARGS…")
	}
	err := ts.Exec("unsecret", args[1:]...)
	s := state(ts)
	s.printed.WriteString(ts.ReadFile("stdout"))
	s.printed.WriteString(ts.ReadFile("stderr"))
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("unsecret: %v", err)
	}
	if want := number(ts, args[0]); code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

func number(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}

func duration(ts *testscript.TestScript, text string) time.Duration {
	d, err := time.ParseDuration(text)
	ts.Check(err)
	return d
}

func cmdLab(ts *testscript.TestScript, _ bool, args []string) {
	s := state(ts)
	var (
		w       *world.World
		mapping lab.Mapping
		err     error
	)
	has := func(word string) bool { return slices.Contains(args, word) }
	switch {
	case len(args) == 0 || args[0] == "demo":
		w, mapping, err = lab.LoadSeedMapping(lab.Demo)
		ts.Check(err)
	case args[0] == "pipelines":
		w, mapping, err = lab.LoadSeedMapping(lab.Pipelines)
		ts.Check(err)
	case strings.HasSuffix(args[0], ".yaml"):
		w, mapping, err = lab.LoadSeedMapping([]byte(ts.ReadFile(args[0])))
		ts.Check(err)
	default:
		n := number(ts, args[0])
		w, mapping = lab.Generate(lab.Size{Repositories: n, Connections: n, Seed: 7})
	}
	if has("unmapped") {
		mapping = nil
	}
	w.Knobs.ReviewersHold = has("hold")
	s.lab, err = lab.Start(w, lab.Options{AutoRun: !has("still"), Latency: s.latency})
	ts.Check(err)
	ts.Defer(s.lab.Close)
	s.old = oldSecrets(w)
	ts.Check(writeLabConfig(ts.MkAbs("unsecret.yaml"), labConfig(w, mapping)))
	cmdRole(ts, false, []string{world.RoleOperator})
}

func cmdRole(ts *testscript.TestScript, _ bool, args []string) {
	getenv := func(string) string { return "" }
	if args[0] != "none" {
		getenv = labEnvironment(args[0])
	}
	for _, name := range []string{auth.EnvAzureDevOps, auth.EnvGraph, auth.EnvARM, "GITHUB_TOKEN"} {
		ts.Setenv(name, getenv(name))
	}
}

func cmdLatency(ts *testscript.TestScript, _ bool, args []string) {
	state(ts).latency = duration(ts, args[0])
}

func cmdFault(ts *testscript.TestScript, _ bool, args []string) {
	l := state(ts).need(ts)
	name, rate, ok := strings.Cut(args[0], "=")
	if !ok {
		l.Faults.Clear()
		return
	}
	r, err := strconv.ParseFloat(rate, 64)
	ts.Check(err)
	ts.Check(l.Faults.Set(name, r))
}

func cmdMerge(ts *testscript.TestScript, _ bool, _ []string) {
	n, err := state(ts).need(ts).MergeAll()
	ts.Check(err)
	ts.Logf("%d merged", n)
}

func cmdClock(ts *testscript.TestScript, _ bool, args []string) {
	state(ts).need(ts).World.Clock.Move(duration(ts, args[0]))
}

func cmdTriggerAll(ts *testscript.TestScript, _ bool, args []string) {
	outcomes, err := state(ts).need(ts).TriggerAll()
	ts.Check(err)
	if len(outcomes) == 0 {
		ts.Fatalf("nothing signed in")
	}
	failed := 0
	for _, o := range outcomes {
		switch {
		case !o.OK:
			ts.Logf("%s: %s", o.Place(), o.Error)
			failed++
		case slices.Contains(args, "federated") && o.Kind != "federated":
			ts.Logf("%s: signs in with a %s", o.Place(), o.Kind)
			failed++
		}
	}
	if failed > 0 {
		ts.Fatalf("%d of %d sign-ins are not as they should be", failed, len(outcomes))
	}
}

func cmdOldSecrets(ts *testscript.TestScript, _ bool, args []string) {
	s := state(ts)
	d := demo{lab: s.need(ts), old: s.old}
	if _, alive := d.tryOld(); alive != number(ts, args[0]) {
		ts.Fatalf("%d of %d old secrets still work, want %s", alive, len(s.old), args[0])
	}
}

func cmdWrites(ts *testscript.TestScript, _ bool, args []string) {
	l := state(ts).need(ts)
	counts := l.Counts()
	l.ResetCounts()
	n := counts.Writes("")
	if args[0] == "any" || args[0] == "some" && n > 0 {
		return
	}
	if args[0] == "some" || n != number(ts, args[0]) {
		for _, c := range counts {
			if c.Write {
				ts.Logf("%s %s: %d", c.Server, c.Kind, c.N)
			}
		}
		ts.Fatalf("%d writes, want %s", n, args[0])
	}
}

// cmdTerminate does what testscript's kill does not: end as a scheduler does.
func cmdTerminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}

func cmdAwait(ts *testscript.TestScript, _ bool, args []string) {
	s := state(ts)
	l, want := s.need(ts), number(ts, args[0])
	s.background = ts.BackgroundCmds()
	for end := time.Now().Add(time.Minute); l.Counts().Total("") < want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("%d requests after a minute, want %d", l.Counts().Total(""), want)
		}
	}
	l.ResetCounts()
}

// cmdBranches waits until so much of what probes open is there.
func cmdBranches(ts *testscript.TestScript, _ bool, args []string) {
	s := state(ts)
	l, want, n := s.need(ts), number(ts, args[0]), -1
	s.background = ts.BackgroundCmds()
	for end := time.Now().Add(20 * time.Second); n != want && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		n = probes(l.World)
	}
	if n != want {
		ts.Fatalf("%d branches and runs of probes, want %d", n, want)
	}
}

func probes(w *world.World) int {
	w.Lock()
	defer w.Unlock()
	n := 0
	for _, r := range w.GitHub.Repos {
		for ref := range r.Refs {
			if strings.HasPrefix(ref, "refs/heads/unsecret-probe/") {
				n++
			}
		}
		for _, run := range r.Runs {
			if strings.HasPrefix(run.Branch, "unsecret-probe/") {
				n++
			}
		}
	}
	return n
}

func cmdCode(ts *testscript.TestScript, _ bool, args []string) {
	s := state(ts)
	s.printed.WriteString(ts.ReadFile("stdout"))
	s.printed.WriteString(ts.ReadFile("stderr"))
	if len(s.background) != 1 {
		ts.Fatalf("await saw %d background commands", len(s.background))
	}
	if code := s.background[0].ProcessState.ExitCode(); code != number(ts, args[0]) {
		ts.Fatalf("exit code %d (%s), want %s", code, s.background[0].ProcessState, args[0])
	}
}

func cmdCanary(ts *testscript.TestScript, _ bool, args []string) {
	s := state(ts)
	if i := strings.Index(s.printed.String(), world.Canary); i >= 0 {
		ts.Fatalf("a secret's value was printed near %q", around(s.printed.String(), i))
	}
	for _, token := range operatorTokens() {
		if strings.Contains(s.printed.String(), token) {
			ts.Fatalf("a token was printed")
		}
	}
	files := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if i := bytes.Index(b, []byte(world.Canary)); i >= 0 {
			return fmt.Errorf("%s holds a secret's value near %q", p, around(string(b), i))
		}
		for _, token := range operatorTokens() {
			if bytes.Contains(b, []byte(token)) {
				return fmt.Errorf("%s holds a token", p)
			}
		}
		return nil
	}))
	if files == 0 {
		ts.Fatalf("%s holds no file", args[0])
	}
}

// operatorTokens are those that the program of a script signs in with.
func operatorTokens() (tokens []string) {
	getenv := labEnvironment(world.RoleOperator)
	for _, name := range []string{auth.EnvAzureDevOps, auth.EnvGraph, auth.EnvARM, "GITHUB_TOKEN"} {
		if token := getenv(name); token != "" {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

func around(s string, i int) string { return s[max(0, i-60):min(len(s), i+20)] }

func cmdCols(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range []string{"stdout", "ttyout"} {
		for l := range strings.SplitSeq(strings.ReplaceAll(ts.ReadFile(name), "\r\n", "\n"), "\n") {
			if n := utf8.RuneCountInString(l); n > number(ts, args[0]) && !strings.HasPrefix(strings.TrimLeft(l, " →"), "az ") {
				ts.Fatalf("a line of %s has %d columns: %s", name, n, l)
			}
		}
	}
}

func cmdSleep(ts *testscript.TestScript, _ bool, args []string) { time.Sleep(duration(ts, args[0])) }
