//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/e2e/sampling"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// envKillAtRecord lets the program of these tests end itself when so many records are on disk.
const envKillAtRecord = "UNSECRET_TEST_KILL_AT_RECORD"

// envPanicAtRecord and envQuitAtRecord let it panic with a secret, or be told to show all its goroutines, at that point.
const (
	envPanicAtRecord = "UNSECRET_TEST_PANIC_AT_RECORD"
	envQuitAtRecord  = "UNSECRET_TEST_QUIT_AT_RECORD"
)

// endAtRecord sets a hook that does something when so many records are on disk.
func endAtRecord(variable string, end func() error) {
	n, err := strconv.Atoi(os.Getenv(variable))
	if err != nil {
		return
	}
	onRecord = func(execute.Record) error {
		if n--; n == 0 {
			return end()
		}
		return nil
	}
}

// killAtRecord sets the program's hook for the tests of a kill, before main.
func killAtRecord() {
	endAtRecord(envPanicAtRecord, func() error { panic(errors.New("the password is " + world.Canary + "-in-a-panic")) })
	endAtRecord(envQuitAtRecord, func() error {
		err := syscall.Kill(os.Getpid(), syscall.SIGQUIT)
		time.Sleep(time.Minute)
		return err
	})
	endAtRecord(envKillAtRecord, func() error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) })
}

// act is one command of a life, after what happens before it.
type act struct {
	name   string
	args   []string
	before func(*life)
}

func later(d time.Duration) func(*life) {
	return func(l *life) { l.lab.World.Clock.Move(d) }
}

func merged(l *life) {
	l.lab.World.Clock.Move(time.Minute)
	if _, err := l.lab.MergeAll(); err != nil {
		l.t.Fatal(err)
	}
	l.lab.World.Clock.Move(time.Minute)
}

// acts are a whole migration.
var acts = []act{
	{"apply", []string{"apply", "--yes"}, later(time.Minute)},
	{"apply-after-the-merge", []string{"apply", "--yes"}, merged},
	{"verify", []string{"verify"}, (*life).signIn},
	{"revoke", []string{"revoke", "--yes"}, later(8 * 24 * time.Hour)},
	{"rollback", []string{"rollback", "--yes"}, later(time.Minute)},
	{"rollback-after-the-merge", []string{"rollback", "--yes"}, merged},
}

// moment is what there is before an act.
type moment struct {
	world *world.World
	files map[string][]byte // of the state directory
}

// life is a lab and a state directory on which the program runs.
type life struct {
	t       *testing.T
	lab     *lab.Lab
	mapping lab.Mapping
	dir     string
	killer  *killer
}

// killer ends the program when the lab has seen so many requests of a kind.
type killer struct {
	mu   sync.Mutex
	kind string // "request", before it takes effect, or "write", after it has
	n    int
	seen map[string]int
	end  func() // ends the program, and returns when it has ended
}

func (k *killer) met(kind string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.end == nil {
		return false
	}
	k.seen[kind]++
	if kind != k.kind || k.seen[kind] != k.n {
		return false
	}
	k.end()
	return true
}

// begin restores a moment with a lab of its own, which the caller closes: what a test cleans up, it keeps until all have ended.
func begin(t *testing.T, m moment, mapping lab.Mapping) *life {
	t.Helper()
	l := &life{t: t, mapping: mapping, dir: t.TempDir(), killer: &killer{}}
	var err error
	l.lab, err = lab.Start(m.world.Clone(), lab.Options{AutoRun: true,
		Admit: func(lab.Exchange) bool { return !l.killer.met("request") },
		Record: func(x lab.Exchange) {
			if x.Write {
				l.killer.met("write")
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	if err := writeLabConfig(filepath.Join(l.dir, "unsecret.yaml"), labConfig(l.lab.World, mapping)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(l.state(), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range m.files {
		path := filepath.Join(l.state(), name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (l *life) state() string { return filepath.Join(l.dir, "state") }

// moment keeps what there is now.
func (l *life) moment() moment {
	l.t.Helper()
	m := moment{world: l.lab.World.Clone(), files: map[string][]byte{}}
	err := filepath.WalkDir(l.state(), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(l.state(), path)
		if err == nil {
			m.files[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return m
}

// run runs the program. killed tells that it was ended by SIGKILL, code its exit code otherwise.
func (l *life) run(kill kill, args ...string) (code int, killed bool, said string) {
	l.t.Helper()
	cmd := exec.CommandContext(l.t.Context(), "unsecret", append(args, "--quiet", "--config", filepath.Join(l.dir, "unsecret.yaml"), "--state", l.state())...)
	getenv := labEnvironment(world.RoleOperator)
	cmd.Env = append(os.Environ(), "UNSECRET_AZURE_DEVOPS_TOKEN="+getenv("UNSECRET_AZURE_DEVOPS_TOKEN"), "UNSECRET_GRAPH_TOKEN="+getenv("UNSECRET_GRAPH_TOKEN"),
		"UNSECRET_ARM_TOKEN="+getenv("UNSECRET_ARM_TOKEN"), "GITHUB_TOKEN="+getenv("GITHUB_TOKEN"))
	if kill.kind == "record" {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", envKillAtRecord, kill.n))
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	ended := make(chan struct{})
	l.killer.mu.Lock()
	l.killer.kind, l.killer.n, l.killer.seen = kill.kind, kill.n, map[string]int{}
	l.killer.end = func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		<-ended
	}
	l.killer.mu.Unlock()
	_ = cmd.Wait() // its state tells
	close(ended)
	l.killer.mu.Lock()
	l.killer.end = nil
	l.killer.mu.Unlock()
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return cmd.ProcessState.ExitCode(), status.Signaled() && status.Signal() == syscall.SIGKILL, out.String()
}

// signIn lets everything happen that can: it must sign in.
func (l *life) signIn() {
	l.t.Helper()
	outcomes, err := l.lab.TriggerAll()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, o := range outcomes {
		if !o.OK {
			l.t.Errorf("%s does not sign in: %s", o.Place(), o.Error)
		}
	}
}

// passing are ids, which depend on the order of what runs side by side, the ports of a lab, and the times of a day.
var passing = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|127\.0\.0\.1:\d+|T\d\d:\d\d:[\d.]+Z`)

// knows is what later commands take from the journal: the last record of each step, without ids and words.
func (l *life) knows() string {
	l.t.Helper()
	records, err := execute.ReadJournal(l.state())
	if err != nil {
		l.t.Fatal(err)
	}
	last := map[string]string{}
	for _, r := range records {
		delete(r.After, "headOid") // the time and parents of a commit depend on when it was made
		after, err := json.Marshal(r.After)
		if err != nil {
			l.t.Fatal(err)
		}
		last[r.Unit+" "+r.Step] = string(r.Phase) + " " + passing.ReplaceAllString(string(after), "…")
	}
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(last)) {
		lines = append(lines, k+": "+last[k])
	}
	return strings.Join(lines, "\n")
}

// units counts the units of the plan that something is done for.
func (l *life) units() (n int) {
	l.t.Helper()
	content, err := os.ReadFile(filepath.Join(l.state(), "plan.json"))
	if err != nil {
		l.t.Fatal(err)
	}
	var p plan.Plan
	if err := json.Unmarshal(content, &p); err != nil {
		l.t.Fatal(err)
	}
	for _, u := range p.Units {
		if !u.Blocked() {
			n++
		}
	}
	return n
}

// clean checks that no file of the state holds a secret.
func (l *life) clean() {
	l.t.Helper()
	err := filepath.WalkDir(l.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(p)
		if strings.Contains(string(content), world.Canary) {
			l.t.Errorf("%s holds a secret", p)
		}
		return err
	})
	if err != nil {
		l.t.Error(err)
	}
}

// kill is one entry of the matrix: at which request, write or record of which act the program is killed.
type kill struct {
	act  int
	kind string
	n    int
}

func (k kill) String() string { return fmt.Sprintf("%s/%s-%d", acts[k.act].name, k.kind, k.n) }

// whole is a life without a kill: what there is before and after each of its acts.
type whole struct {
	mapping lab.Mapping
	moments []moment // before each act
	codes   []int
	after   []string // the world
	knows   []string // the journal
	kills   []kill   // everything that can be
}

// liveWhole migrates an organisation of more than 20 units without a kill.
func liveWhole(t *testing.T) *whole {
	t.Helper()
	w, mapping := lab.Generate(lab.Size{Seed: 23, Repositories: 14, Connections: 18, Identities: 14})
	l := begin(t, moment{world: w}, mapping)
	defer l.lab.Close()
	if code, _, said := l.run(kill{}, "scan"); code != exitFindings && code != exitDone {
		t.Fatalf("scan ends with %d: %s", code, said)
	}
	if code, _, said := l.run(kill{}, "plan"); code != exitDone {
		t.Fatalf("plan ends with %d: %s", code, said)
	}
	if n := l.units(); n < 20 {
		t.Fatalf("the plan has %d units, want 20 or more", n)
	}
	h := &whole{mapping: mapping}
	for i, a := range acts {
		a.before(l)
		h.moments = append(h.moments, l.moment())
		before, err := execute.ReadJournal(l.state())
		if err != nil {
			t.Fatal(err)
		}
		code, _, said := l.run(kill{}, a.args...)
		if code != exitDone && code != exitPending {
			t.Fatalf("%s ends with %d: %s", a.name, code, said)
		}
		l.signIn()
		records, err := execute.ReadJournal(l.state())
		if err != nil {
			t.Fatal(err)
		}
		h.codes, h.after, h.knows = append(h.codes, code), append(h.after, l.lab.World.Describe()), append(h.knows, l.knows())
		for kind, n := range map[string]int{"request": l.killer.seen["request"], "write": l.killer.seen["write"], "record": len(records) - len(before)} {
			t.Logf("%s: %d times %s", a.name, n, kind)
			for n := range n {
				h.kills = append(h.kills, kill{i, kind, n + 1})
			}
		}
	}
	slices.SortFunc(h.kills, func(a, b kill) int {
		return strings.Compare(fmt.Sprintf("%d%s%6d", a.act, a.kind, a.n), fmt.Sprintf("%d%s%6d", b.act, b.kind, b.n))
	})
	return h
}

// TestKilledAtAnyInstantTheProgramEndsAsIfItHadNotBeen starts the program as a process of its own, for a whole migration of more than 20
// units, and kills it: when a request has come to the lab and before it takes effect, when a write has taken effect and
// before its answer is sent, and when a record is on disk. Started again, it ends with the same world and the same journal as
// without the kill, so with no second password and no second pull request; and at no time is there a pipeline that cannot sign in.
// One in 20 lives goes on to its end.
func TestKilledAtAnyInstantTheProgramEndsAsIfItHadNotBeen(t *testing.T) {
	h := liveWhole(t)
	n := 12
	if testing.Short() {
		n = 4
	}
	for i, k := range sampling.Of(t, h.kills, n) {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			h.killAndCompare(t, k, i%20 == 0)
		})
	}
}

func (h *whole) killAndCompare(t *testing.T, k kill, toTheEnd bool) {
	t.Helper()
	l := begin(t, h.moments[k.act], h.mapping)
	defer l.lab.Close()
	_, killed, _ := l.run(k, acts[k.act].args...)
	if !killed {
		t.Logf("it ended before its %s %d: what runs side by side is not the same each time", k.kind, k.n)
	}
	l.signIn()
	for i := k.act; i < len(acts); i++ {
		if i > k.act {
			acts[i].before(l)
		}
		if code, _, said := l.run(kill{}, acts[i].args...); code != h.codes[i] {
			t.Fatalf("%s ends with %d, want %d: %s", acts[i].name, code, h.codes[i], said)
		}
		l.signIn()
		if diff := cmp.Diff(h.after[i], l.lab.World.Describe()); diff != "" {
			t.Errorf("the world differs after %s (-uninterrupted +killed):\n%s", acts[i].name, diff)
		}
		if diff := cmp.Diff(h.knows[i], l.knows()); diff != "" {
			t.Errorf("the journal differs after %s (-uninterrupted +killed):\n%s", acts[i].name, diff)
		}
		if !toTheEnd {
			break
		}
	}
	l.clean()
}
