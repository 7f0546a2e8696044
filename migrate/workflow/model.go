package workflow

import (
	"fmt"
	"strings"
	"sync"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// file is a parsed workflow or action.
type file struct {
	*document
	repository inventory.RepositoryName
	action     bool
	triggers   []string // of a workflow
	call       *yaml.Node
	env        *yaml.Node
	perms      entry // permissions of the workflow
	jobs       []*job
	steps      []*step // of a composite action
	using      string  // of an action
	callsLocal bool    // uses an action or workflow of the same tree
	overfull   bool    // it has more logins than are listed
	duplicates sync.Once
	twice      *yaml.Node
	lower      []byte // the text in lower case, made when it is first needed
}

// job is one job of a workflow.
type job struct {
	file        *file
	id          string
	key, node   *yaml.Node
	uses        entry // of a job that calls a reusable workflow
	with        *yaml.Node
	secrets     entry
	env         *yaml.Node
	perms       entry
	container   *yaml.Node
	environment *yaml.Node
	condition   string
	never       bool   // disabled by its condition
	shell       string // default shell
	steps       []*step
}

// step is one step of a job or of a composite action.
type step struct {
	file       *file
	job        *job // nil in an action
	index      int
	node       *yaml.Node
	list       *yaml.Node
	id, name   string
	uses       entry
	action     string // lower case owner/name/path of uses, without the version
	version    string
	run        entry
	shell      string
	condition  string
	never      bool // disabled by its condition
	with, env  *yaml.Node
	withParams []entry
	text       []byte       // its source, made when it is first needed
	readable   []*runScript // the scripts that are worth reading, once they were read
	wasRead    bool
}

// source is the text of a step, which is asked for by one goroutine at a time.
func (s *step) source() []byte {
	if s.text == nil {
		s.text = s.file.src[s.file.start(s.node):s.file.end(s.node)]
	}
	return s.text
}

// source is the text of a job with its key.
func (j *job) source() []byte {
	if j.node == nil {
		return nil
	}
	return j.file.src[j.file.start(j.key):j.file.end(j.node)]
}

// label names a step: its id, else its name, else #N.
func (s *step) label() string {
	switch {
	case s == nil:
		return ""
	case s.id != "":
		return s.id
	case s.name != "":
		return s.name
	}
	return fmt.Sprintf("#%d", s.index+1)
}

// param gives an input of the step's action.
func (s *step) param(name string) (entry, bool) { return find(s.withParams, name) }

// read makes a file out of a document.
func (m *memory) read(d *document, repository inventory.RepositoryName) *file {
	f := &file{document: d, repository: repository}
	b := builder{m, f}
	if runs := get(d.root, "runs"); runs != nil && get(d.root, "jobs") == nil {
		f.action = true
		f.using = text(get(runs, "using"))
		f.steps = b.steps(nil, get(runs, "steps"), "")
		return f
	}
	f.readTriggers(get(d.root, "on"))
	f.env = get(d.root, "env")
	f.perms, _ = lookup(d.root, "permissions")
	shell := defaultShell(d.root)
	jobs := resolve(get(d.root, "jobs"))
	if jobs == nil {
		return f
	}
	f.jobs = m.jobLists.Take(len(jobs.Content) / 2)[:0]
	for e := range each(jobs) {
		f.jobs = append(f.jobs, b.job(e, shell))
	}
	return f
}

func (f *file) readTriggers(on *yaml.Node) {
	if on == nil {
		return
	}
	switch on.Kind {
	case yaml.ScalarNode:
		f.triggers = append(f.triggers, on.Value)
	case yaml.SequenceNode:
		for _, item := range on.Content {
			f.triggers = append(f.triggers, text(item))
		}
	case yaml.MappingNode:
		for e := range each(on) {
			f.triggers = append(f.triggers, e.key.Value)
			if e.key.Value == "workflow_call" {
				f.call = e.value
			}
		}
	}
}

// has tells whether the workflow is started by an event.
func (f *file) has(trigger string) bool {
	for _, t := range f.triggers {
		if t == trigger {
			return true
		}
	}
	return false
}

func defaultShell(n *yaml.Node) string { return text(get(get(get(n, "defaults"), "run"), "shell")) }

// builder makes the jobs and steps of a file.
type builder struct {
	memory *memory
	file   *file
}

func (b builder) job(e entry, shell string) *job {
	n := e.value
	j := b.memory.jobs.One()
	*j = job{file: b.file, id: e.key.Value, key: e.key, node: n, shell: shell}
	if n == nil || n.Kind != yaml.MappingNode {
		return j
	}
	for p := range each(n) {
		switch p.key.Value {
		case "uses":
			j.uses = p
		case "with":
			j.with = p.value
		case "secrets":
			j.secrets = p
		case "env":
			j.env = p.value
		case "permissions":
			j.perms = p
		case "container":
			j.container = p.value
		case "environment":
			j.environment = p.value
		case "if":
			j.condition = text(p.value)
			j.never = neverRuns(j.condition)
		}
	}
	if s := defaultShell(n); s != "" {
		j.shell = s
	} else if j.shell == "" && containsFold(runner(n), "windows") {
		j.shell = "pwsh"
	}
	j.steps = b.steps(j, get(n, "steps"), j.shell)
	return j
}

// runner gives the runner labels of a job as one string.
func runner(n *yaml.Node) string {
	on := get(n, "runs-on")
	if on == nil {
		return ""
	}
	if on.Kind == yaml.SequenceNode {
		var labels []string
		for _, item := range on.Content {
			labels = append(labels, text(item))
		}
		return strings.Join(labels, " ")
	}
	return text(on)
}

func (b builder) steps(j *job, list *yaml.Node, shell string) []*step {
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	steps := b.memory.lists.Take(len(list.Content))[:0]
	for i, raw := range list.Content {
		n := resolve(raw)
		if n == nil || n.Kind != yaml.MappingNode {
			continue
		}
		s := b.memory.steps.One()
		*s = step{file: b.file, job: j, index: i, node: n, list: list, shell: shell}
		b.read(s)
		steps = append(steps, s)
	}
	return steps
}

func (b builder) read(s *step) {
	for p := range each(s.node) {
		switch p.key.Value {
		case "id":
			s.id = text(p.value)
		case "name":
			s.name = text(p.value)
		case "uses":
			s.uses = p
			s.action, s.version = splitUses(text(p.value))
		case "run":
			s.run = p
		case "shell":
			s.shell = text(p.value)
		case "if":
			s.condition = text(p.value)
			s.never = neverRuns(s.condition)
		case "with":
			s.with = p.value
			s.withParams = b.memory.entries(p.value)
		case "env":
			s.env = p.value
		}
	}
}

// splitUses divides the value of uses into the action's lower-case name and its version.
func splitUses(uses string) (action, version string) {
	uses = strings.TrimSpace(uses)
	if strings.HasPrefix(uses, "./") || strings.HasPrefix(uses, "docker://") {
		return uses, ""
	}
	action, version, _ = strings.Cut(uses, "@")
	return strings.ToLower(strings.TrimSpace(action)), strings.TrimSpace(version)
}

func paramValue(s *step, name string) *yaml.Node {
	e, _ := s.param(name)
	return e.value
}
