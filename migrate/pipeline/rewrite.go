package pipeline

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

// Level bounds what a rewrite may change.
type Level int

// The levels of a rewrite.
const (
	// LevelSafe allows edits after which the pipeline does the same on a converted connection.
	LevelSafe Level = iota
	// LevelNeedsReview also allows edits that a person has to look at, such as another major version of a task.
	LevelNeedsReview
)

// RewriteOptions are the options of Rewrite.
type RewriteOptions struct {
	Options
	Level Level
	// Convert tells which connections, by name or id, are to be converted. Nil: all.
	Convert func(connection string) bool
	// Only tells by its place which steps are rewritten. Nil: all.
	Only func(StepID) bool
	// Names are the places where another name of a connection is written; they need exactly one file.
	Names map[StepID]Rename
}

// StepID is the place of a step in its file: that of its task, or of its script.
type StepID struct{ Line, Column int }

// Edit replaces the bytes from Start to End by New.
type Edit struct {
	Start, End int
	New        string
	Line       int
	Rule       string // the check that it settles
	Reason     string
	Step       StepID // of the step that needs it; zero where that stands in another file

	from fileKey // the file of that step
}

// FileRewrite is one file before and after. Where Refused is not empty, After is Before and no edit is made.
type FileRewrite struct {
	Repository, Path string
	Before, After    []byte
	Edits            []Edit
	Refused          string
}

// Left is a place that needs a change and is left to a person.
type Left struct {
	Place
	Rule   string
	Reason string
	Manual string
}

// Rewriting is the result of Rewrite.
type Rewriting struct {
	Files []FileRewrite // those that change or are refused, sorted
	Left  []Left
}

// Rewrite computes the edits that make pipelines work once their connections use workload identity federation. It changes nothing
// itself, and edits only the files that were given. The result takes effect together with the conversion: before it, a script that
// reads idToken finds nothing, after it a script that reads servicePrincipalKey does.
func Rewrite(files []File, r Resolver, o RewriteOptions) Rewriting {
	w := &rewriter{options: o, given: make(map[string]File), plans: make(map[string]*filePlan), vetoes: make(map[*yaml.Node]string), settled: make(map[*step]map[string]bool)}
	for _, f := range files {
		w.given[f.Repository+"\x00"+f.Path] = f
	}
	w.out = scan(files, r, o.Options)
	for _, s := range w.out.steps {
		w.judge(s)
	}
	for _, s := range w.out.steps {
		w.raise(s)
		w.scripts(s)
	}
	w.remaining()
	if len(files) == 1 {
		w.rename(files[0])
	}
	return w.finish()
}

// rewriter collects the edits of all files.
type rewriter struct {
	options RewriteOptions
	out     *collector
	given   map[string]File
	plans   map[string]*filePlan
	vetoes  map[*yaml.Node]string // texts that must stay, since another step shares them
	settled map[*step]map[string]bool
	left    []Left
}

type filePlan struct {
	doc   *document
	edits []Edit
}

// judge vetoes changes to the texts of a step whose connection stays as it is. A template can be shared with such a step.
func (w *rewriter) judge(s *step) {
	if why := w.stays(s); why != "" {
		w.vetoes[s.at.n] = why
		for _, t := range s.scripts {
			if t.origin.n != nil {
				w.vetoes[t.origin.n] = why
			}
		}
	}
}

// stays tells why a step's connections are not all converted; empty where they are.
func (w *rewriter) stays(s *step) string {
	if !w.chosen(s) {
		return "another step has the same text, and is not rewritten"
	}
	if w.options.Convert == nil {
		return ""
	}
	for _, u := range s.connected {
		if u.Kind != KindAzureRM && u.Kind != KindDockerRegistry {
			continue
		}
		if u.Open {
			return fmt.Sprintf("its connection %s is not known from the text", u.Connection)
		}
		for _, name := range u.Resolved {
			if !w.options.Convert(name) {
				return fmt.Sprintf("its connection %s is not converted", name)
			}
		}
	}
	return ""
}

// chosen tells whether a step is one of those that are to be rewritten.
func (w *rewriter) chosen(s *step) bool {
	return w.options.Only == nil || s.at.n != nil && w.options.Only(s.id())
}

// id is the step's place in the file that it stands in.
func (s *step) id() StepID {
	if s.at.doc == nil || s.at.n == nil {
		return StepID{}
	}
	line, column := s.at.doc.place(s.at.doc.start(s.at.n))
	return StepID{line, column}
}

// concerned tells whether a step has a connection that is converted.
func (w *rewriter) concerned(s *step) bool {
	if !w.chosen(s) {
		return false
	}
	for _, u := range s.connected {
		if u.Kind != KindAzureRM && u.Kind != KindDockerRegistry {
			continue
		}
		if w.options.Convert == nil || u.Open || slices.ContainsFunc(u.Resolved, w.options.Convert) {
			return true
		}
	}
	return false
}

// editable tells whether a text may be edited, or why not.
func (w *rewriter) editable(at source) string {
	switch {
	case at.doc == nil || at.n == nil:
		return "its text is computed"
	case w.vetoes[at.n] != "":
		return w.vetoes[at.n]
	}
	if _, ok := w.given[at.doc.repository+"\x00"+at.doc.path]; !ok || at.doc.ref != "" {
		return fmt.Sprintf("it stands in %s, which is not among the files to rewrite", fileKey{repository: at.doc.repository, path: at.doc.path})
	}
	return ""
}

// edit plans a change. The same change twice, as a template that is used twice causes it, is one.
func (w *rewriter) edit(s *step, d *document, e Edit) {
	if s.at.doc == d {
		e.Step = s.id()
	}
	if s.at.doc != nil {
		e.from = fileKey{repository: s.at.doc.repository, path: s.at.doc.path}
	}
	key := d.repository + "\x00" + d.path
	p := w.plans[key]
	if p == nil {
		p = &filePlan{doc: d}
		w.plans[key] = p
	}
	e.Line, _ = d.place(e.Start)
	for _, have := range p.edits {
		if have.Start == e.Start && have.End == e.End && have.New == e.New {
			return
		}
	}
	p.edits = append(p.edits, e)
}

// settle notes that a step's check is dealt with, by an edit or by an entry in the list of what is left.
func (w *rewriter) settle(s *step, rule string) {
	if w.settled[s] == nil {
		w.settled[s] = make(map[string]bool)
	}
	w.settled[s][rule] = true
}

func (w *rewriter) leave(s *step, rule, reason, manual string) {
	w.settle(s, rule)
	at := s.at
	p := Place{Stage: s.context.stage, Step: s.label}
	if s.context.job != nil {
		p.Job = s.context.job.name
	}
	if at.doc != nil && at.n != nil {
		p.Repository, p.File, p.Pipeline = at.doc.repository, at.doc.path, at.doc.path
		p.Line, p.Column = at.doc.place(at.doc.start(at.n))
	}
	w.left = append(w.left, Left{Place: p, Rule: rule, Reason: reason, Manual: manual})
}

// remaining lists the blockers that no edit settles.
func (w *rewriter) remaining() {
	for _, s := range w.out.steps {
		if !w.concerned(s) {
			continue
		}
		for _, u := range s.connected {
			if c, ok := s.task.compatibility(u.Kind); ok && c.Severity == Blocker && !w.settled[s][c.Rule] {
				w.leave(s, c.Rule, c.Message, c.Remedy)
			}
		}
	}
}

func (w *rewriter) finish() Rewriting {
	var out Rewriting
	for _, p := range w.plans {
		out.Files = append(out.Files, w.apply(p))
	}
	slices.SortFunc(out.Files, func(a, b FileRewrite) int {
		return strings.Compare(a.Repository+"\x00"+a.Path, b.Repository+"\x00"+b.Path)
	})
	out.Left = distinct(w.left, func(l Left) (Place, string) { return l.Place, l.Rule + l.Reason })
	return out
}

func (w *rewriter) apply(p *filePlan) FileRewrite {
	f := FileRewrite{Repository: p.doc.repository, Path: p.doc.path, Before: p.doc.src, After: p.doc.src}
	slices.SortStableFunc(p.edits, func(a, b Edit) int { return a.Start - b.Start })
	after, err := splice(f.Before, p.edits)
	if err == nil {
		err = prove(f, after, w.options.Names)
	}
	if err != nil {
		f.Refused = err.Error()
		return f
	}
	f.After, f.Edits = after, p.edits
	return f
}

// splice applies sorted edits; overlapping ones are an error.
func splice(src []byte, edits []Edit) ([]byte, error) {
	var out []byte
	at := 0
	for _, e := range edits {
		if e.Start < at || e.End < e.Start || e.End > len(src) {
			return nil, fmt.Errorf("two changes overlap at line %d", e.Line)
		}
		out = append(append(out, src[at:e.Start]...), e.New...)
		at = e.End
	}
	return append(out, src[at:]...), nil
}

// prove checks a rewritten file: it parses, names the same connections as before but for those that are to be named anew, and has no script that reads a key
// more.
func prove(f FileRewrite, after []byte, names map[StepID]Rename) error {
	file := File{Repository: f.Repository, Path: f.Path, Content: after}
	if _, err := parseDocument(file); err != nil {
		return fmt.Errorf("the result would not parse: %w", err)
	}
	was := Scan([]File{{Repository: f.Repository, Path: f.Path, Content: f.Before}}, nil)
	is := Scan([]File{file}, nil)
	if before, after := blockers(was), blockers(is); slices.ContainsFunc(after, func(b string) bool { return !slices.Contains(before, b) }) {
		return fmt.Errorf("the result would have another step that fails: %v instead of %v", after, before)
	}
	if a, b := connections(was, names), connections(is, names); !slices.Equal(a, b) {
		return fmt.Errorf("the result would name other connections: %v instead of %v", b, a)
	}
	if len(is.Checks) > len(was.Checks) {
		return fmt.Errorf("the result would need more changes than before: %d instead of %d", len(is.Checks), len(was.Checks))
	}
	return nil
}

// blockers are the steps that would fail, by what does not change with their place.
func blockers(r Result) []string {
	var list []string
	for _, c := range r.Checks {
		if c.Severity == Blocker {
			list = append(list, strings.Join([]string{c.Stage, c.Job, c.Step, c.Rule}, "/"))
		}
	}
	return list
}

// connections are what a text uses, with the names that are to be written.
func connections(r Result, names map[StepID]Rename) []string {
	var list []string
	for _, u := range r.Uses {
		var resolved []string
		for _, name := range u.Resolved {
			resolved = append(resolved, renamed(name, names))
		}
		list = append(list, fmt.Sprintf("%s %v %s", renamed(u.Connection, names), unique(resolved), u.Kind))
	}
	slices.Sort(list)
	return list
}

// Diff gives a rewritten file's change as a unified diff.
func Diff(f FileRewrite) string {
	if bytes.Equal(f.Before, f.After) {
		return ""
	}
	same := workflow.FileRewrite{Path: f.Path, Before: f.Before, After: f.After}
	for _, e := range f.Edits {
		same.Edits = append(same.Edits, workflow.Edit{Start: e.Start, End: e.End, New: e.New, Line: e.Line, Reason: e.Reason})
	}
	return workflow.Diff(same)
}
