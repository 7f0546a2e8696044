package simulate

import (
	"fmt"
	"path"
	"strings"
)

// workflow is one file below .github/workflows as it was read.
type workflow struct {
	path        string
	name        string
	on          []trigger
	env         *node
	shell       string      // of its scripts
	permissions permissions // nil: the file says nothing
	jobs        []*job
	invalid     error // why GitHub refuses the file, when it listens to the event
	broken      error // why it cannot be read at all
}

// trigger is one event that a workflow listens to.
type trigger struct {
	event string
	conf  *node
}

// job is one job as the file says it.
type job struct {
	id          string
	line, col   int
	name        *node
	needs       []string
	cond        string
	env         *node
	permissions permissions
	environment *node
	matrix      *node
	outputs     *node
	steps       []*step
	shell       string // of its scripts, unless a step says another
	uses        string // a called workflow
	with        *node
	secrets     *node
	tolerant    *node // continue-on-error
}

// step is one step of a job or of a composite action.
type step struct {
	id       string
	name     string
	cond     string
	uses     string
	run      *node
	with     *node
	env      *node
	shell    string
	tolerant *node
}

// readWorkflow reads a file. It always gives a workflow; broken and invalid say what is wrong with it.
func readWorkflow(file string, data []byte) *workflow {
	wf := &workflow{path: file, name: file}
	root, err := readYAML(data)
	if err != nil {
		wf.broken = says("Invalid workflow file: %s: %s", file, err)
		return wf
	}
	if root.kind != mapNode {
		wf.broken = says("Invalid workflow file: %s (Line: %d, Col: %d): A mapping was expected", file, root.line, root.col)
		return wf
	}
	if n := root.get("name").str(); n != "" {
		wf.name = n
	}
	wf.on = readTriggers(root.get("on"))
	wf.shell = root.get("defaults").get("run").get("shell").str()
	wf.env = root.get("env")
	if wf.invalid = wf.readRest(root); wf.invalid == nil {
		wf.invalid = wf.check()
	}
	return wf
}

// fail words an error as GitHub's annotation on the run does.
func (wf *workflow) fail(line, col int, msg string, args ...any) error {
	return says("The workflow is not valid. %s (Line: %d, Col: %d): %s", wf.path, line, col, fmt.Sprintf(msg, args...))
}

func (wf *workflow) readRest(root *node) error {
	for _, p := range root.pairs {
		switch strings.ToLower(p.key) {
		case "on", "name", "run-name", "env", "permissions", "jobs", "defaults", "concurrency", "description":
		default:
			return wf.fail(p.line, p.col, "Unexpected value '%s'", p.key)
		}
	}
	var err error
	if wf.permissions, err = wf.readPermissions(root.get("permissions")); err != nil {
		return err
	}
	jobs := root.get("jobs")
	if jobs.isNull() || jobs.kind != mapNode || len(jobs.pairs) == 0 {
		return wf.fail(root.line, root.col, "Required property is missing: jobs")
	}
	for _, p := range jobs.pairs {
		j, err := wf.readJob(p)
		if err != nil {
			return err
		}
		wf.jobs = append(wf.jobs, j)
	}
	return nil
}

// readTriggers reads on: a text, a list or a map.
func readTriggers(on *node) []trigger {
	if on.isNull() {
		return nil
	}
	if on.kind != mapNode {
		var out []trigger
		for _, s := range on.strings() {
			out = append(out, trigger{event: s})
		}
		return out
	}
	var out []trigger
	for _, p := range on.pairs {
		out = append(out, trigger{event: p.key, conf: p.value})
	}
	return out
}

func (wf *workflow) readJob(p pair) (*job, error) {
	n := p.value
	if n.kind != mapNode {
		return nil, wf.fail(n.line, n.col, "Unexpected value '%s'", n.str())
	}
	j := &job{
		id: p.key, line: p.line, col: p.col,
		name: n.get("name"), needs: n.get("needs").strings(), cond: condText(n.get("if")),
		env: n.get("env"), outputs: n.get("outputs"), environment: n.get("environment"),
		uses: n.get("uses").str(), with: n.get("with"), secrets: n.get("secrets"),
		tolerant: n.get("continue-on-error"),
	}
	j.shell = wf.shellOf(n)
	if s := n.get("strategy"); s != nil && s.kind == mapNode {
		j.matrix = s.get("matrix")
	}
	var err error
	if j.permissions, err = wf.readPermissions(n.get("permissions")); err != nil {
		return nil, err
	}
	if j.uses != "" {
		return j, nil
	}
	if n.get("runs-on").isNull() {
		return nil, wf.fail(p.line, p.col, "Required property is missing: runs-on")
	}
	steps := n.get("steps")
	if steps.isNull() || steps.kind != listNode || len(steps.items) == 0 {
		return nil, wf.fail(p.line, p.col, "Required property is missing: steps")
	}
	j.steps, err = wf.readSteps(steps)
	return j, err
}

// shellOf is the shell of a job's scripts: the job's default, the file's, or PowerShell on Windows.
func (wf *workflow) shellOf(n *node) string {
	if s := n.get("defaults").get("run").get("shell").str(); s != "" {
		return s
	}
	if wf.shell != "" {
		return wf.shell
	}
	for _, label := range n.get("runs-on").strings() {
		if strings.Contains(strings.ToLower(label), "windows") {
			return "pwsh"
		}
	}
	return ""
}

func (wf *workflow) readSteps(n *node) ([]*step, error) {
	var out []*step
	ids := map[string]bool{}
	for _, item := range n.items {
		s := readStep(item)
		if item.kind != mapNode || (s.uses == "") == (s.run == nil) {
			return nil, wf.fail(item.line, item.col, "Every step must define a `uses` or `run` key")
		}
		if s.id != "" && ids[strings.ToLower(s.id)] {
			return nil, wf.fail(item.line, item.col, "The identifier '%s' may not be used more than once within the same scope.", s.id)
		}
		ids[strings.ToLower(s.id)] = true
		out = append(out, s)
	}
	return out, nil
}

func readStep(n *node) *step {
	return &step{
		id: n.get("id").str(), name: n.get("name").str(), cond: condText(n.get("if")), uses: strings.TrimSpace(n.get("uses").str()),
		run: n.get("run"), with: n.get("with"), env: n.get("env"), shell: n.get("shell").str(), tolerant: n.get("continue-on-error"),
	}
}

func condText(n *node) string {
	if n.isNull() {
		return ""
	}
	return n.str()
}

// job finds a job by id, ignoring case.
func (wf *workflow) job(id string) *job {
	for _, j := range wf.jobs {
		if strings.EqualFold(j.id, id) {
			return j
		}
	}
	return nil
}

// trigger finds what the workflow says about an event, or nil.
func (wf *workflow) trigger(event string) *trigger {
	for i, t := range wf.on {
		if t.event == event {
			return &wf.on[i]
		}
	}
	return nil
}

// isWorkflowPath knows the files that GitHub reads: directly in .github/workflows, .yml or .yaml.
func isWorkflowPath(p string) bool {
	ext := path.Ext(p)
	return path.Dir(p) == ".github/workflows" && (ext == ".yml" || ext == ".yaml")
}
