package pipeline

import (
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
)

// step is one step while it is looked at.
type step struct {
	label     string
	task      taskRef
	isTask    bool
	at        source // of the value of task:, or of the key of a script
	n         *node
	inputs    *node
	context   context
	connected []*Use
	scripts   []scriptText
	spn       bool // addSpnToEnvironment
	key       bool // its scripts read servicePrincipalKey
	token     bool // its scripts read idToken
	unread    []string
}

// scriptText is one script of a step.
type scriptText struct {
	text   string
	shell  script.Shell
	origin source // where the text stands; its doc is nil where it was computed
	path   string // of a script file
}

func (w *walker) steps(list *node, c context) {
	for i, it := range list.list() {
		n, c := it.value.object(), c.perhaps(it.maybe)
		if n.kind != mapNode {
			continue
		}
		if n.has("template") {
			w.include(n, c, w.section)
			continue
		}
		w.step(n, c, i)
	}
}

func (w *walker) step(n *node, c context, i int) {
	c.disabled = c.disabled || n.is("enabled", "false")
	c.condition = or(n.word("condition"), c.condition)
	label := c.prefix + or(n.word("name"), or(n.word("displayName"), fmt.Sprintf("#%d", i+1)))
	for _, p := range n.get("task") {
		if v := p.with(c.vars); v.kind == scalarNode {
			w.taskStep(n, p, v, c, label)
		}
	}
	for _, key := range []string{"script", "bash", "pwsh", "powershell"} {
		for _, p := range n.get(key) {
			s := &step{label: label, n: n, at: p.at, context: c.perhaps(p.maybe)}
			s.addScript(p.with(c.vars), shellOfKey(key, c))
			w.finishStep(s)
		}
	}
}

func shellOfKey(key string, c context) script.Shell {
	switch {
	case key == "pwsh", key == "powershell":
		return script.PowerShell
	case key == "script" && c.job != nil && c.job.pool.windows:
		return script.Cmd
	}
	return script.Bash
}

// taskStep looks at a task step, for each task that it can be.
func (w *walker) taskStep(n *node, p *pair, v *node, c context, label string) {
	c = c.perhaps(p.maybe)
	names := v.leaf.strings()
	if v.leaf.open {
		w.out.gap(Gap{Place: w.place(p.at, c), Message: fmt.Sprintf("the task %s is not known from the text", v.raw()), Next: "look at the tasks that it can be"})
	}
	for _, name := range names {
		s := &step{label: label, n: n, task: parseTask(name), isTask: true, at: v.at, context: c.perhaps(len(names) > 1)}
		for _, in := range n.get("inputs") {
			s.inputs = in.with(c.vars).object()
		}
		w.task(s)
		w.finishStep(s)
	}
}

// task reads the inputs of a task.
func (w *walker) task(s *step) {
	if s.inputs == nil || s.inputs.kind != mapNode {
		return
	}
	for _, p := range s.inputs.pairs {
		if p.unknown {
			w.out.gap(Gap{Place: w.stepPlace(s, p.at), Message: fmt.Sprintf("inputs of %s are not known from the text: %s", s.task.label(), p.key), Next: "look at what the parameter brings"})
			continue
		}
		t, ok := s.task.connectionType(p.key)
		if !ok {
			continue
		}
		u := Use{Task: s.task.name, Version: s.task.version, TaskID: s.task.id, Input: p.key, Kind: kindOf(t)}
		u.Takes = s.task.takes(p.key)
		if string(u.Kind) != t {
			u.Type = t
		}
		u.Step = s.label
		if used := w.connection(p, u, s.context.perhaps(p.maybe)); used != nil {
			s.connected = append(s.connected, used)
		}
	}
	s.spn = s.task.is("AzureCLI") && s.canBe("addSpnToEnvironment", "true")
	s.taskScripts(w)
}

// canBe tells whether an input can have a value.
func (s *step) canBe(input, word string) bool {
	l := s.inputs.text(input)
	if l == nil {
		return false
	}
	for _, v := range l.strings() {
		if strings.EqualFold(strings.TrimSpace(v), word) {
			return true
		}
	}
	return l.open
}

func (s *step) input(name string) string {
	if s.inputs == nil {
		return ""
	}
	return s.inputs.word(name)
}

// taskScripts finds the scripts that a task runs: inline, or by a path in the repository.
func (s *step) taskScripts(w *walker) {
	shell := s.taskShell()
	for _, name := range scriptInputs {
		for _, p := range s.inputs.get(name) {
			if v := p.with(s.context.vars); v.kind == scalarNode {
				s.addScript(v, shell)
			}
		}
	}
	for _, name := range pathInputs {
		if l := s.inputs.text(name); l != nil && s.runsFile() {
			w.scriptFile(s, l, shell)
		}
	}
}

// scriptInputs and pathInputs are the inputs of built-in tasks that hold a script or its path.
var (
	scriptInputs = []string{"inlineScript", "Inline", "script", "scriptInline"}
	pathInputs   = []string{"scriptPath", "filePath", "scriptFile"}
)

// runsFile tells whether a step runs a script by path: the location is inlineScript where it says so.
func (s *step) runsFile() bool {
	for _, name := range []string{"scriptLocation", "ScriptType", "targetType"} {
		if strings.EqualFold(s.input(name), "inlineScript") || strings.EqualFold(s.input(name), "inline") {
			return false
		}
	}
	return s.task.is("AzureCLI", "AzurePowerShell", "Bash", "PowerShell", "ShellScript", "BatchScript", "CmdLine", "PythonScript")
}

func (s *step) taskShell() script.Shell {
	switch {
	case s.task.is("AzurePowerShell", "PowerShell"):
		return script.PowerShell
	case s.task.is("PythonScript"):
		return script.Other
	case s.task.is("BatchScript"):
		return script.Cmd
	case s.task.is("CmdLine"):
		return shellOfKey("script", s.context)
	}
	switch strings.ToLower(s.input("scriptType")) {
	case "ps", "pscore":
		return script.PowerShell
	case "batch":
		return script.Cmd
	}
	if s.task.is("AzureCLI") && s.task.major < 2 && s.context.job != nil && s.context.job.pool.windows {
		return script.Cmd
	}
	return script.Bash
}

// addScript takes every text that a scalar can be as a script.
func (s *step) addScript(v *node, shell script.Shell) {
	if v.kind != scalarNode {
		return
	}
	if v.at.n != nil && v.at.doc != nil && !isWhole(v.at.n.Value) {
		// As it is written, so that places in it are those of the file; what expressions bring is masked.
		s.scripts = append(s.scripts, scriptText{text: v.at.n.Value, shell: shell, origin: v.at})
		return
	}
	for _, alternative := range v.leaf.values {
		if text, ok := alternative.string(); ok && text != "" {
			s.scripts = append(s.scripts, scriptText{text: text, shell: shell, origin: alternative.origin})
		}
	}
	if v.leaf.open {
		s.unread = append(s.unread, v.leaf.expr)
	}
}

// isWhole tells whether a text is one template expression.
func isWhole(text string) bool {
	parts := split(strings.TrimSpace(text), "${{", "}}")
	return len(parts) == 1 && parts[0].is
}

// scriptFile reads a script of the repository.
func (w *walker) scriptFile(s *step, l *leaf, shell script.Shell) {
	for _, written := range l.strings() {
		path := w.runtime(known(str(inCheckout(written))), s.context.vars)
		for _, name := range path.strings() {
			if content, ok := w.scriptContent(name); ok {
				s.scripts = append(s.scripts, scriptText{text: content, shell: shellOfPath(name, shell), path: clean(name)})
				continue
			}
			s.unread = append(s.unread, written)
		}
		if path.open {
			s.unread = append(s.unread, written)
		}
	}
	if l.open {
		s.unread = append(s.unread, l.expr)
	}
}

// inCheckout is a script's path from the top of the repository, which is checked out where the default working directory is.
func inCheckout(name string) string {
	for _, prefix := range []string{"$(Build.SourcesDirectory)", "$(System.DefaultWorkingDirectory)", "$(Pipeline.Workspace)/s", "$(Build.Repository.LocalPath)"} {
		if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return name[len(prefix):]
		}
	}
	return name
}

// scriptContent reads a script of the pipeline's repository.
func (w *walker) scriptContent(name string) (string, bool) {
	if strings.ContainsAny(name, "*?") {
		return "", false
	}
	content, err := w.project.content(fileKey{w.start.repository, clean(name), w.start.ref})
	return string(content), err == nil && len(content) <= maxFileSize
}

func shellOfPath(name string, fallback script.Shell) script.Shell {
	switch lower := strings.ToLower(name); {
	case strings.HasSuffix(lower, ".ps1"):
		return script.PowerShell
	case strings.HasSuffix(lower, ".sh"):
		return script.Bash
	case strings.HasSuffix(lower, ".cmd"), strings.HasSuffix(lower, ".bat"):
		return script.Cmd
	case strings.HasSuffix(lower, ".py"):
		return script.Other
	}
	return fallback
}

// finishStep looks at a step's secrets and scripts, and checks it.
func (w *walker) finishStep(s *step) {
	if s.context.job != nil {
		s.context.job.steps = append(s.context.job.steps, s)
	}
	w.env(s)
	w.secretInputs(s)
	for _, text := range s.scripts {
		w.script(s, text)
	}
	w.checkStep(s)
	w.out.steps = append(w.out.steps, s)
}

// place is where something of the step stands.
func (w *walker) stepPlace(s *step, at source) Place {
	p := w.place(at, s.context)
	p.Step = s.label
	return p
}
