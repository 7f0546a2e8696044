package workflow

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// A part of a workflow is one of its steps, or the permissions and variables of a job or of the whole. What actionlint finds in it depends,
// beside its own text, on the types of the contexts that it names and that the rest of the file decides, and on the shells of the runner
// (actionlint, rule_expression.go and rule_shell_name.go). So it is linted in a small workflow that has these too, and once for all places
// where the same stands.
var (
	namesAny    = newSearchAnyCase("inputs", "matrix", "shell", "needs", "steps", "jobs", "secrets")
	namesInputs = newSearchAnyCase("inputs")
	namesRunner = newSearchAnyCase("matrix", "shell")
	namesNeeds  = newSearchAnyCase("needs")
	namesOthers = newSearchAnyCase("steps", "jobs") // beside these the whole file is linted
)

// findsMoreInParts tells whether actionlint finds something in the parts that stand only in the later one of two versions of a file which it
// does not find in those that stand only in the other. It is not known where anything else has changed, or where such a part depends on
// others.
func findsMoreInParts(was, now *file) (more, known bool) {
	if !was.plain || !now.plain || len(was.jobs) != len(now.jobs) || !sameKeys(was, was.root, now, now.root, besideJobs) {
		return false, false
	}
	before, after := &parts{file: was}, &parts{file: now}
	known = bothKeys(before, was.root, after, now.root)
	for i, j := range now.jobs {
		known = known && (bytes.Equal(was.jobs[i].source(), j.source()) || changedParts(before, was.jobs[i], after, j))
	}
	return known && after.findMore(before), known
}

// besideJobs are the keys of a workflow that what is found in its jobs does not depend on: variables have no types.
var besideJobs = map[string]bool{"jobs": true, "permissions": true, "env": true}

// besideSteps are the keys of a job that what is found in its steps does not depend on.
var besideSteps = map[string]bool{"steps": true, "permissions": true, "env": true}

// sameKeys tells whether mappings of two versions of a plain file have the same keys and values in the same order, but for some.
func sameKeys(was *file, old *yaml.Node, now *file, changed *yaml.Node, but map[string]bool) bool {
	a, b := old.Content, changed.Content
	for {
		a, b = skip(a, but), skip(b, but)
		if len(a) == 0 || len(b) == 0 {
			return len(a) == len(b)
		}
		if !bytes.Equal(was.src[was.start(a[0]):was.end(a[1])], now.src[now.start(b[0]):now.end(b[1])]) {
			return false
		}
		a, b = a[2:], b[2:]
	}
}

// skip gives keys and values from the first key on that is not one of some.
func skip(content []*yaml.Node, some map[string]bool) []*yaml.Node {
	for len(content) > 1 && some[content[0].Value] {
		content = content[2:]
	}
	return content
}

// changedParts collects the parts of a job that stand in one version only. Where steps with outputs change or move it is not known what
// others read of them.
func changedParts(before *parts, was *job, after *parts, now *job) bool {
	before.job, after.job = was, now
	if !bothKeys(before, was.node, after, now.node) || !sameKeys(was.file, was.node, now.file, now.node, besideSteps) {
		return false
	}
	if len(now.steps) == 0 && len(was.steps) > 0 || !slices.Equal(outputs(was.steps), outputs(now.steps)) {
		return false
	}
	rest := was.steps
	var come []*step // since the last step that stands in both
	for n, s := range now.steps {
		i := slices.IndexFunc(rest, func(w *step) bool { return bytes.Equal(w.source(), s.source()) })
		if i < 0 {
			come = append(come, s)
			continue
		}
		if len(outputs(rest[i:])) != len(outputs(now.steps[n:])) {
			return false
		}
		changedSteps(before, rest[:i], after, come)
		come, rest = come[:0], rest[i+1:]
	}
	changedSteps(before, rest, after, come)
	return !before.unknown && !after.unknown
}

// changedSteps collects steps that stand in one version only. Of two that do the same, only what differs is of interest.
func changedSteps(before *parts, gone []*step, after *parts, come []*step) {
	gone = slices.Clone(gone)
	for _, s := range come {
		i := slices.IndexFunc(gone, func(w *step) bool { return w.action == s.action && (w.run.key == nil) == (s.run.key == nil) })
		if i < 0 {
			after.step(s, nil)
			continue
		}
		after.step(s, gone[i])
		before.step(gone[i], s)
		gone = slices.Delete(gone, i, i+1)
	}
	for _, w := range gone {
		before.step(w, nil)
	}
}

// outputs lists the steps that others can read something of, each with what decides what that is.
func outputs(steps []*step) []string {
	var list []string
	for _, s := range steps {
		if s.id != "" {
			list = append(list, s.id+" "+text(s.uses.value))
		}
	}
	return list
}

// parts are the parts of one version of a file that the other has not.
type parts struct {
	file    *file
	job     *job // that is looked at
	list    []part
	uses    []string // the actions of the steps among them
	unknown bool     // one of them depends on others
}

// part is a part in its small workflow, and that workflow without it where it has text of the file too.
type part struct{ text, frame string }

// bothKeys adds the permissions and the variables of both versions of a workflow or a job, where they are not the same.
func bothKeys(before *parts, was *yaml.Node, after *parts, now *yaml.Node) bool {
	margin := 0
	if before.job != nil {
		margin = 4
	}
	for _, name := range []string{"permissions", "env"} {
		old, changed := before.key(was, name, margin), after.key(now, name, margin)
		if !bytes.Equal(old, changed) {
			before.add(old)
			after.add(changed)
		}
	}
	return !before.unknown && !after.unknown
}

// add adds a key of the workflow or a job.
func (p *parts) add(lines []byte) {
	switch {
	case len(lines) == 0:
	case p.job == nil:
		p.list = append(p.list, p.frame(lines).with(string(lines), "", ""))
	default:
		p.list = append(p.list, p.frame(lines).with("", string(lines), ""))
	}
}

// step adds a step, without what is the same in another that does the same.
func (p *parts) step(s, other *step) {
	content := s.node.Content
	p.unknown = p.unknown || s.node.Kind != yaml.MappingNode || repeated(content) != nil
	var list []byte
	mark := "-"
	for ; len(content) > 1; content, mark = content[2:], "" {
		key := content[0].Value
		lines := p.lines(p.file.start(content[0]), p.file.end(content[1]), mark, 8)
		if same := other != nil && other.says(key, s.file.src[s.file.start(content[0]):s.file.end(content[1])]); same && key == "run" {
			lines = []byte("        run: a\n")
		} else if same && key != "uses" && key != "with" {
			continue
		}
		list = append(list, lines...)
	}
	if len(list) == 0 {
		p.unknown = true
		return
	}
	list[6] = '-'
	p.list = append(p.list, p.frame(list).with("", "", string(list)))
	p.uses = append(p.uses, text(s.uses.value))
}

// says tells whether the step has a key with this text.
func (s *step) says(key string, source []byte) bool {
	e, ok := lookup(s.node, key)
	return ok && bytes.Equal(s.file.src[s.file.start(e.key):s.file.end(e.raw)], source)
}

// lines gives whole lines, where nothing but a mark stands before what they are asked for, as they would be with another margin.
func (p *parts) lines(start, end int, mark string, margin int) []byte {
	first := p.file.lineStart(start)
	p.unknown = p.unknown || string(bytes.TrimSpace(p.file.src[first:start])) != mark
	out := make([]byte, 0, (end-start)+16*margin)
	width := start - first
	for line := range bytes.Lines(p.file.src[start:end]) {
		content := bytes.TrimLeft(line, " ")
		switch own := len(line) - len(content); {
		case len(out) == 0:
			out = append(append(out, spaces[:margin]...), line...)
		case own >= width:
			out = append(append(out, spaces[:margin]...), line[width:]...)
		case len(content) == 0 || content[0] == '#' || isBreak(content[0]):
			out = append(out, content...)
		default:
			p.unknown = true
		}
	}
	return append(out, '\n')
}

const spaces = "        "

// frame is the small workflow that a part is put into.
type frame struct {
	events string // the key that says what starts it
	needed string // the jobs that its own needs
	job    string // the key of its own
	runner string // the keys that say after what, where and how often that runs
	own    bool   // some of this is the file's
}

// frame makes the workflow with what can matter to what is found in a text.
func (p *parts) frame(text []byte) frame {
	f := frame{events: "on: push\n", job: "  a:\n", runner: "    runs-on: ubuntu-latest\n"}
	if !in(namesAny, text) {
		return f
	}
	if p.job != nil && in(namesRunner, text) {
		runner := append(p.key(p.job.node, "runs-on", 4), p.key(p.job.node, "strategy", 4)...)
		f.own, f.runner, text = true, string(runner), append(runner, text...)
	}
	if p.job != nil && in(namesNeeds, text) {
		needs := p.key(p.job.node, "needs", 4)
		f.own, f.runner, f.needed = true, f.runner+string(needs), p.needed()
		f.job = "  " + p.name(p.job.key) + ":\n"
	}
	if in(namesInputs, text) || p.file.has("workflow_call") && bytes.Contains(bytes.ToLower(text), []byte("secrets")) {
		if f.events = p.events(); f.events == "" {
			f.own, f.events = true, string(p.key(p.file.root, "on", 0))
		}
	}
	p.unknown = p.unknown || in(namesOthers, text)
	return f
}

// events writes the inputs and secrets that events bring, with their types; nothing where they are not written as usual.
func (p *parts) events() string {
	on := get(p.file.root, "on")
	if on == nil || on.Kind != yaml.MappingNode {
		return ""
	}
	var b strings.Builder
	b.WriteString("on:\n  push:\n")
	for e := range each(on) {
		if name := e.key.Value; name == "workflow_dispatch" || name == "workflow_call" {
			b.WriteString("  " + name + ":\n")
			if !p.brings(&b, e.value, "inputs", name == "workflow_dispatch") || !p.brings(&b, e.value, "secrets", true) {
				return ""
			}
		}
	}
	return b.String()
}

// brings writes the names and types of the inputs or secrets of an event. It tells whether all were understood.
func (p *parts) brings(b *strings.Builder, event *yaml.Node, key string, mayHaveNone bool) bool {
	list := get(event, key)
	if list == nil {
		_, there := lookup(event, key)
		return !there
	}
	b.WriteString("    " + key + ":\n")
	for e := range each(list) {
		kind := text(get(e.value, "type"))
		switch kind {
		case "choice", "environment":
			kind = "string"
		case "string", "boolean", "number":
		default:
			if kind != "" || !mayHaveNone {
				return false
			}
		}
		b.WriteString("      " + p.name(e.key) + ":\n        required: false\n")
		if kind != "" {
			b.WriteString("        type: " + kind + "\n")
		}
	}
	return list.Kind == yaml.MappingNode && len(list.Content) > 0
}

// needed writes the jobs that the job needs, with the names of their outputs.
func (p *parts) needed() string {
	var b strings.Builder
	walkScalars(get(p.job.node, "needs"), func(n *yaml.Node) {
		i := slices.IndexFunc(p.file.jobs, func(j *job) bool { return strings.EqualFold(j.id, n.Value) })
		if i < 0 || p.file.jobs[i].uses.value != nil {
			p.unknown = true
			return
		}
		b.WriteString("  " + p.name(p.file.jobs[i].key) + ":\n    runs-on: ubuntu-latest\n    steps:\n      - run: a\n")
		begin := "    outputs:\n"
		for e := range each(get(p.file.jobs[i].node, "outputs")) {
			b.WriteString(begin + "      " + p.name(e.key) + ": a\n")
			begin = ""
		}
	})
	return b.String()
}

// name is a key as the file writes it.
func (p *parts) name(key *yaml.Node) string {
	return string(p.file.src[p.file.start(key):p.file.end(key)])
}

// key gives a key of a mapping with its value, in whole lines, where it is there.
func (p *parts) key(n *yaml.Node, name string, margin int) []byte {
	e, ok := lookup(n, name)
	if !ok {
		return nil
	}
	p.unknown = p.unknown || repeated(n.Content) != nil
	return p.lines(p.file.start(e.key), p.file.end(e.raw), "", margin)
}

// with puts keys of the workflow, keys of the job or steps into it.
func (f frame) with(keys, jobKeys, steps string) part {
	const some = "      - run: a\n"
	jobs := f.events + "jobs:\n" + f.needed + f.job + f.runner
	var whole part
	if steps != "" {
		whole.text = jobs + "    steps:\n" + steps
	} else {
		whole.text = keys + jobs + jobKeys + "    steps:\n" + some
	}
	if f.own {
		whole.frame = jobs + "    steps:\n" + some
	}
	return whole
}

// findMore tells whether something is found in these parts that is not found in others.
func (p *parts) findMore(before *parts) bool {
	found := make(map[string]int)
	for _, one := range p.list {
		one.count(found, 1)
	}
	if !anyLeft(found) {
		return false
	}
	// Most often it is that an action is too old, which depends on nothing else.
	left := maps.Clone(found)
	for _, uses := range before.uses {
		left[fmt.Sprintf("actionthe runner of %q action is too old to run on GitHub Actions. update the action's version to fix this issue", uses)]--
	}
	if !anyLeft(left) {
		return false
	}
	for _, one := range before.list {
		one.count(found, -1)
	}
	return anyLeft(found)
}

func anyLeft(found map[string]int) bool {
	for _, n := range found {
		if n > 0 {
			return true
		}
	}
	return false
}

// count adds to the numbers of messages those of a part, times a factor.
func (o part) count(found map[string]int, factor int) {
	for _, message := range knownMessages.in(o.text) {
		found[message] += factor
	}
	for _, message := range knownMessages.in(o.frame) {
		found[message] -= factor
	}
}

// messages is what was found in texts, since the same part stands in many files.
type messages struct {
	mu    sync.Mutex
	found map[string][]string
	bytes int // of the texts
}

var knownMessages = messages{found: make(map[string][]string)}

// mostRemembered is how many bytes of texts are remembered.
const mostRemembered = 1 << 20

// in lints a text, or remembers what was found in it.
func (m *messages) in(text string) []string {
	if text == "" {
		return nil
	}
	m.mu.Lock()
	list, ok := m.found[text]
	m.mu.Unlock()
	if ok {
		return list
	}
	for _, e := range lint([]byte(text)) {
		list = append(list, e.Kind+e.Message)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bytes += len(text); m.bytes > mostRemembered {
		clear(m.found)
		m.bytes = len(text)
	}
	m.found[text] = list
	return list
}
