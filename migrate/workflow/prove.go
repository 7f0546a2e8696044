package workflow

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// applyAll applies the edits of every file and proves the results. Files that change together are refused together.
func (r *rewriter) applyAll() []FileRewrite {
	var files []*file
	for _, f := range r.files {
		if p := r.plans[f]; f != nil && p != nil && (len(p.edits) > 0 || p.refused != "") {
			files = append(files, f)
		}
	}
	after, parsed := make([][]byte, len(files)), make([]*file, len(files))
	parallel(len(files), func(i int) {
		f, p := files[i], r.plans[files[i]]
		sort.SliceStable(p.edits, func(i, j int) bool { return p.edits[i].Start < p.edits[j].Start })
		if err := r.options.mayChange(f.path); err != nil && p.refused == "" {
			p.refused = err.Error()
		}
		if r.stopped() {
			p.refused = "the program was interrupted before the result was proven"
			return
		}
		var err error
		if after[i], err = splice(f.src, p.edits); err == nil {
			parsed[i], err = r.prove(f, p, after[i])
		}
		if err != nil {
			p.refused = err.Error()
		}
	})
	r.refuseTogether(files)
	r.findAgain(files, parsed)
	r.refuseTogether(files)
	var out []FileRewrite
	for i, f := range files {
		p := r.plans[f]
		result := FileRewrite{Path: f.path, Before: f.src, After: f.src, Refused: p.refused}
		if p.refused == "" {
			result.After, result.Edits = after[i], p.edits
		}
		out = append(out, result)
	}
	return out
}

// prove checks one rewritten file: it parses, what decides when and as whom its jobs run is the same, and actionlint
// finds nothing in it that it did not find before.
func (r *rewriter) prove(f *file, p *filePlan, after []byte) (*file, error) {
	if p.refused != "" {
		return nil, errors.New(p.refused)
	}
	if key := f.duplicateKey(); key != nil {
		return nil, fmt.Errorf("line %d has the key %q a second time, which GitHub refuses", key.Line, key.Value)
	}
	now, err := r.readAgain(f, after)
	if err != nil {
		return nil, fmt.Errorf("the result would not parse: %w", err)
	}
	if err := sameRuns(f, now); err != nil {
		return nil, err
	}
	if err := readsDeclared(f, now); err != nil {
		return nil, err
	}
	if f.action {
		return now, nil
	}
	return now, lintDiffers(f, now)
}

func (r *rewriter) readAgain(f *file, after []byte) (now *file, err error) {
	r.memories.with(func(m *memory) {
		var d *document
		if d, err = m.parse(f.path, after); err == nil {
			now = m.read(d, f.repository)
			now.takeScripts(f)
		}
	})
	return now, err
}

// takeScripts takes over the scripts that were read in another version of the file, where they stand in the same job.
func (f *file) takeScripts(was *file) {
	for i := range min(len(f.jobs), len(was.jobs)) {
		rest := was.jobs[i].steps
		for _, s := range f.jobs[i].steps {
			at := slices.IndexFunc(rest, func(w *step) bool {
				return w.wasRead && w.run.value != nil && s.run.value != nil && w.shell == s.shell && text(w.run.value) == text(s.run.value)
			})
			if at < 0 {
				continue
			}
			s.wasRead = true
			for _, r := range rest[at].readable {
				s.readable = append(s.readable, &runScript{entry: s.run, shell: r.shell, text: r.text, Script: r.Script})
			}
			rest = rest[at+1:]
		}
	}
}

// sameRuns holds that a rewrite leaves triggers, jobs, conditions and environments as they are: they decide the subjects.
func sameRuns(was, now *file) error {
	if strings.Join(was.triggers, " ") != strings.Join(now.triggers, " ") || len(was.jobs) != len(now.jobs) {
		return errors.New("the result would have other triggers or jobs")
	}
	for i, j := range was.jobs {
		k := now.jobs[i]
		if j.id != k.id || j.condition != k.condition || flatText(j.environment) != flatText(k.environment) || runner(j.node) != runner(k.node) {
			return fmt.Errorf("job %s of the result would run under other conditions", j.id)
		}
	}
	return nil
}

// readsDeclared holds that a called file reads no input whose declaration the rewrite has taken away: it would be empty.
func readsDeclared(was, now *file) error {
	for _, inputs := range [][2]*yaml.Node{{get(was.root, "inputs"), get(now.root, "inputs")}, {get(was.call, "inputs"), get(now.call, "inputs")}} {
		for e := range each(inputs[0]) {
			if _, still := lookup(inputs[1], e.key.Value); !still && now.readsInput(e.key.Value) {
				return fmt.Errorf("the result would read the input %s without declaring it", e.key.Value)
			}
		}
	}
	return nil
}

// readsInput tells whether an input is read outside of comments: inputs.NAME or inputs['NAME'].
func (f *file) readsInput(name string) bool {
	lower := f.lowered()
	for start := range f.named(name) {
		end := start + len(name)
		if (end == len(lower) || !isName(lower[end])) && hasSuffix(bytes.TrimRight(lower[:start], " \t[.'\""), "inputs") && !f.commented(start) {
			return true
		}
	}
	return false
}

func flatText(n *yaml.Node) string {
	var b strings.Builder
	walkScalars(n, func(s *yaml.Node) { b.WriteString(s.Value + "\x00") })
	return b.String()
}

// refuseTogether refuses what changes together with a refused file: callers and what they call.
func (r *rewriter) refuseTogether(files []*file) {
	linked := r.links()
	for changed := true; changed; {
		changed = false
		for _, f := range files {
			if r.plans[f].refused == "" {
				continue
			}
			for _, other := range linked[f] {
				if p := r.plans[other]; p != nil && p.refused == "" {
					p.refused = fmt.Sprintf("%s, which changes with it, is refused: %s", f.path, r.plans[f].refused)
					changed = true
				}
			}
		}
	}
}

// links tells which files change together: those that share a channel, and those whose jobs get a permission for another's login.
func (r *rewriter) links() map[*file][]*file {
	linked := make(map[*file][]*file)
	link := func(a, b *file) {
		if a != b {
			linked[a], linked[b] = append(linked[a], b), append(linked[b], a)
		}
	}
	for _, n := range r.done {
		for _, j := range r.tokenJobs(n) {
			link(n.file, j.file)
		}
		for _, c := range n.into {
			link(n.file, c.target)
		}
	}
	return linked
}

// findAgain finds the logins of the result and refuses a file where anything but the intended has changed: each
// converted login is gone, and each other is still there.
func (r *rewriter) findAgain(files, parsed []*file) {
	result := &analysis{tree: r.tree, byPath: make(map[string]*file), unreadable: r.unreadable,
		jsonSecrets: maps.Clone(r.jsonSecrets), clientSecrets: maps.Clone(r.clientSecrets)}
	replaced := make(map[*file]*file)
	for i, f := range files {
		if r.plans[f].refused == "" {
			replaced[f] = parsed[i]
		}
	}
	for _, f := range r.files {
		if f == nil {
			continue
		}
		if now := replaced[f]; now != nil {
			f = now
		} else if !f.callsLocal && !f.action && !f.has("workflow_call") {
			continue // nothing that changed reaches it
		}
		result.files = append(result.files, f)
		result.byPath[f.path] = f
	}
	defer result.memories.release(false)
	result.link()
	result.find()
	done := make(map[*finding]bool)
	for _, n := range r.done {
		done[n] = true
	}
	for f, now := range replaced { // a variable that only a converted login read is held by none any more, so those do not count
		want, have := make(map[string]int), make(map[string]int)
		for _, n := range r.byFile[f] {
			if !done[n] && n.Conversion != inventory.ConversionNone && !n.held {
				want[n.likeness()]++
			}
		}
		for _, n := range result.byFile[now] {
			if n.Conversion != inventory.ConversionNone && !n.held {
				have[n.likeness()]++
			}
		}
		if diff := difference(want, have); diff != "" {
			r.refuse(f, diff)
		}
	}
}

// likeness names a login by what stays the same when other lines change.
func (n *finding) likeness() string {
	return fmt.Sprintf("%s in %q", n.Kind, n.Job)
}

func difference(want, have map[string]int) string {
	for _, key := range slices.Sorted(maps.Keys(have)) { // the same reason in every run
		if have[key] > want[key] {
			return "the result would still hold a login that was to go: " + key
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if want[key] > have[key] {
			return "the result would lose a login that was to stay: " + key
		}
	}
	return ""
}

// duplicateKey finds a key that stands twice in a mapping of the file; it looks once.
func (f *file) duplicateKey() *yaml.Node {
	f.duplicates.Do(func() { f.twice = duplicate(f.root) })
	return f.twice
}

// duplicate finds a key that a mapping has twice.
func duplicate(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		if key := repeated(n.Content); key != nil {
			return key
		}
	}
	for _, c := range n.Content {
		if key := duplicate(c); key != nil {
			return key
		}
	}
	return nil
}

// repeated finds a key that was there before in a mapping's keys and values.
func repeated(content []*yaml.Node) *yaml.Node {
	const few = 2 * 16 // so many are compared faster than looked up
	if len(content) <= few {
		for i := 2; i < len(content); i += 2 {
			for j := 0; j < i; j += 2 {
				if content[i].Value == content[j].Value {
					return content[i]
				}
			}
		}
		return nil
	}
	seen := make(map[string]bool, len(content)/2)
	for i := 0; i < len(content); i += 2 {
		key := content[i]
		if seen[key.Value] {
			return key
		}
		seen[key.Value] = true
	}
	return nil
}
