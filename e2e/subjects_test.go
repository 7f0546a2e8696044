package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"pgregory.net/rapid"

	"github.com/unsecret-dev/unsecret/e2e/lab/login"
	"github.com/unsecret-dev/unsecret/e2e/lab/simulate"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// subjectsCase is a generated workflow, with what must be known to let everything happen to it that can.
type subjectsCase struct {
	Workflow string              // of .github/workflows/w.yml; its job deploy is judged
	Caller   string              `json:",omitempty"` // of .github/workflows/caller.yml, whose job c calls it
	Inputs   map[string][]string `json:",omitempty"` // every value of every input that can be told apart
	Loose    bool                `json:",omitempty"` // depends on what nobody knows beforehand: the engine may say more
}

const (
	workflowPath = ".github/workflows/w.yml"
	callerPath   = ".github/workflows/caller.yml"
)

// The references that exist. Whatever conditions the generator joins, some of them meet them all if any name can.
var (
	branches = []string{"main", "dev", "prod", "other", "rel", "rel/x", "re", "release/1", "release/x", "release/2", "feature/1", "feature/x", "v1", "v2", "v-rel", "x", "zzz"}
	tags     = []string{"main", "dev", "prod", "other", "rel", "rel/x", "re", "release/1", "release/x", "release/2", "feature/1", "feature/x", "v1", "v2", "v2.0", "v-rel", "x", "zzz"}
)

// TestSubjectsAreThoseThatTheSimulatorEmits lets every event that there is happen to generated workflows in the lab, and
// compares the subjects of the tokens with those that were told beforehand: the same where their set is finite,
// and each of them matched where it is not. UNSECRET_LONG=1 tries 10,000 workflows in place of 500.
func TestSubjectsAreThoseThatTheSimulatorEmits(t *testing.T) {
	checks := "500"
	if os.Getenv("UNSECRET_LONG") != "" {
		checks = "10000"
	} else if testing.Short() {
		checks = "100"
	}
	setFlag(t, "rapid.checks", checks)
	setFlag(t, "rapid.nofailfile", "true")
	var failed *subjectsCase
	t.Cleanup(func() {
		if failed != nil {
			keepCase(t, *failed)
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		c := drawCase(rt)
		if problem := c.judge(); problem != "" {
			failed = &c // the last one that fails is the smallest
			rt.Fatalf("%s\n%s", problem, c.text())
		}
	})
}

// TestSubjectsOfKeptCases runs the cases that failed once.
func TestSubjectsOfKeptCases(t *testing.T) {
	files, err := filepath.Glob("testdata/subjects/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var c subjectsCase
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if problem := c.judge(); problem != "" {
				t.Errorf("%s\n%s", problem, c.text())
			}
		})
	}
}

// setFlag sets a flag of the property library for this test alone, unless it was given on the command line.
func setFlag(t *testing.T, name, value string) {
	f := flag.Lookup(name)
	if f == nil || f.Value.String() != f.DefValue {
		return
	}
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set(name, f.DefValue) })
}

func keepCase(t *testing.T, c subjectsCase) {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	file := filepath.Join("testdata", "subjects", hex.EncodeToString(sum[:6])+".json")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Error(err)
		return
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		t.Error(err)
		return
	}
	t.Logf("kept as %s", file)
}

func (c subjectsCase) text() string {
	out := "--- " + workflowPath + "\n" + c.Workflow
	if c.Caller != "" {
		out += "--- " + callerPath + "\n" + c.Caller
	}
	return out
}

// judge gives what is wrong with what the engine says of a case, or nothing.
func (c subjectsCase) judge() string {
	emitted, err := c.emit()
	if err != nil {
		return err.Error()
	}
	for _, said := range c.engine() {
		got := slices.Sorted(maps.Keys(emitted[said.File]))
		delete(emitted, said.File)
		if problem := c.compare(said, got); problem != "" {
			return said.File + ": " + problem + "\nreasons: " + strings.Join(said.Reasons, "\n         ")
		}
	}
	for file, got := range emitted {
		return fmt.Sprintf("%s: the simulator emits %v, the engine says nothing of it", file, slices.Sorted(maps.Keys(got)))
	}
	return ""
}

func (c subjectsCase) compare(said inventory.JobSubjects, emitted []string) string {
	for _, e := range emitted {
		if !slices.Contains(said.Subjects, e) && !slices.ContainsFunc(said.Patterns, func(p string) bool { return wildcard(p, e) }) {
			return fmt.Sprintf("%s is emitted, and not in\n%v %v", e, said.Subjects, said.Patterns)
		}
	}
	if c.Loose {
		return ""
	}
	for _, s := range said.Subjects {
		if !slices.Contains(emitted, s) {
			return fmt.Sprintf("%s is in, and never emitted; those are\n%v", s, emitted)
		}
	}
	for _, p := range said.Patterns {
		if !slices.ContainsFunc(emitted, func(e string) bool { return wildcard(p, e) }) {
			return fmt.Sprintf("nothing that is emitted matches %s; those are\n%v", p, emitted)
		}
	}
	if said.Unbounded != (len(said.Patterns) > 0) {
		return fmt.Sprintf("unbounded is %v with the patterns %v", said.Unbounded, said.Patterns)
	}
	return ""
}

// wildcard matches as Entra does: * is any text, ? one character.
func wildcard(pattern, text string) bool {
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '*' {
			return wildcard(pattern[i+1:], text) || text != "" && wildcard(pattern[i:], text[1:])
		}
		if text == "" || pattern[i] != '?' && pattern[i] != text[0] {
			return false
		}
		text = text[1:]
	}
	return text == ""
}

// engine gives what the engine says of the job deploy, by the workflow that is started.
func (c subjectsCase) engine() []inventory.JobSubjects {
	w, _ := actionlint.Parse([]byte(c.Workflow))
	o := subject.JobOptions{DefaultBranch: "main", Path: workflowPath, Repository: "acme/app"}
	if c.Caller != "" {
		caller, _ := actionlint.Parse([]byte(c.Caller))
		o.Callers = []subject.Caller{{Path: callerPath, Workflow: caller, Job: "c", Repository: "acme/app"}}
	}
	var out []inventory.JobSubjects
	for _, j := range subject.Jobs(w, o) {
		if j.Job == "deploy" {
			out = append(out, j)
		}
	}
	return out
}

// emit lets every event happen, and gathers the contexts that deploy's token carries, by the file that ran.
func (c subjectsCase) emit() (map[string]map[string]bool, error) {
	w := world.New(1)
	files := map[string]string{workflowPath: c.Workflow}
	if c.Caller != "" {
		files[callerPath] = c.Caller
	}
	w.AddRepo("acme", "app", files)
	sim := simulate.New(w, login.New(w))
	out := map[string]map[string]bool{}
	for _, ev := range c.events() {
		runs, err := sim.Run("acme/app", ev)
		if err != nil {
			return nil, fmt.Errorf("event %+v: %w", ev, err)
		}
		for _, run := range runs {
			if run.Conclusion == "startup_failure" {
				return nil, fmt.Errorf("event %+v: the generated workflow does not start: %s", ev, run.Message)
			}
			collect(out, run)
		}
	}
	return out, nil
}

func collect(out map[string]map[string]bool, run *world.WorkflowRun) {
	for _, j := range run.Jobs {
		if (j.ID == "deploy" || j.ID == "c/deploy") && j.Subject != "" && j.Conclusion != "skipped" {
			if out[run.Workflow] == nil {
				out[run.Workflow] = map[string]bool{}
			}
			out[run.Workflow][strings.TrimPrefix(j.Subject, "repo:acme/app:")] = true
		}
	}
}

// events are all that can happen to the case's workflows.
func (c subjectsCase) events() []simulate.Event {
	on := c.Workflow + c.Caller
	var out []simulate.Event
	add := func(name string, evs ...simulate.Event) {
		if strings.Contains(on, "  "+name+":") {
			for _, ev := range evs {
				ev.Name = name
				out = append(out, ev)
			}
		}
	}
	for _, ref := range allRefs() {
		add("push", simulate.Event{Ref: ref})
		for _, inputs := range products(c.Inputs) {
			add("workflow_dispatch", simulate.Event{Ref: ref, Inputs: inputs})
		}
	}
	for _, tag := range tags {
		add("release", simulate.Event{Ref: "refs/tags/" + tag})
	}
	for _, base := range branches {
		add("merge_group", simulate.Event{Base: base})
		for _, head := range []string{"dev", "feature/x", "misc"} {
			add("pull_request", simulate.Event{Base: base, Ref: "refs/heads/" + head})
			add("pull_request_target", simulate.Event{Base: base, Ref: "refs/heads/" + head})
		}
	}
	for _, cron := range []string{"1 0 * * *", "2 0 * * *"} {
		if strings.Contains(on, cron) {
			add("schedule", simulate.Event{Type: cron})
		}
	}
	add("issue_comment", simulate.Event{})
	add("repository_dispatch", simulate.Event{})
	add("workflow_run", simulate.Event{}, simulate.Event{Ref: "refs/heads/dev"})
	return out
}

func allRefs() []string {
	var out []string
	for _, b := range branches {
		out = append(out, "refs/heads/"+b)
	}
	for _, t := range tags {
		out = append(out, "refs/tags/"+t)
	}
	return out
}

// products gives every combination of the inputs' values.
func products(inputs map[string][]string) []map[string]string {
	out := []map[string]string{{}}
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		var next []map[string]string
		for _, m := range out {
			for _, v := range inputs[name] {
				n := maps.Clone(m)
				n[name] = v
				next = append(next, n)
			}
		}
		out = next
	}
	return out
}
