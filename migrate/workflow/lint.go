package workflow

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/rhysd/actionlint"

	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// lintDiffers tells what actionlint finds in a file that it did not find before.
func lintDiffers(was, now *file) error {
	before, after, kept := changedJobs(was, now)
	same := sync.OnceValue(func() sameSteps { return unchangedSteps(was, now) })
	if kept != nil {
		less := func() []byte { return withoutSteps(now, was, before, kept) }
		if newFinding(less, withoutSteps(was, now, after, kept), same) == nil {
			return nil
		}
	}
	if e := newFinding(func() []byte { return before }, after, same); e != nil {
		return fmt.Errorf("actionlint finds something new at line %d of the result: %s", e.Line, e.Message)
	}
	return nil
}

// newFinding gives what actionlint finds in a text and not in the one before it, which is made when it is needed, or nil.
func newFinding(before func() []byte, after []byte, same func() sameSteps) *actionlint.Error {
	found := lint(after)
	if len(found) == 0 {
		return nil
	}
	if found = slices.DeleteFunc(found, same().explain); len(found) == 0 {
		return nil
	}
	known := make(map[string]int)
	for _, e := range lint(before()) {
		known[e.Kind+e.Message]++
	}
	for _, e := range found {
		if known[e.Kind+e.Message]--; known[e.Kind+e.Message] < 0 {
			return e
		}
	}
	return nil
}

// sameSteps is what of the steps a change leaves as it is.
type sameSteps struct {
	lines map[int]bool   // the lines of each step that stands in the same job of the file before
	uses  map[string]int // how many more steps used an action before than after
}

func unchangedSteps(was, now *file) sameSteps {
	same := sameSteps{make(map[int]bool), make(map[string]int)}
	for i, j := range now.jobs {
		if i >= len(was.jobs) {
			break
		}
		before := make(map[string]bool, len(was.jobs[i].steps))
		for _, s := range was.jobs[i].steps {
			before[s.source()] = true
			same.uses[text(s.uses.value)]++
		}
		for _, s := range j.steps {
			same.uses[text(s.uses.value)]--
			if before[s.source()] {
				same.add(s)
			}
		}
	}
	return same
}

func (l sameSteps) add(s *step) {
	first, _ := s.file.place(s.file.start(s.node))
	last, _ := s.file.place(s.file.end(s.node))
	for line := first; line <= last; line++ {
		l.lines[line] = true
	}
}

// source is the text of a step, which is asked for by one goroutine at a time.
func (s *step) source() string {
	if s.text == "" {
		s.text = string(s.file.src[s.file.start(s.node):s.file.end(s.node)])
	}
	return s.text
}

// explain tells whether a finding was there before: one of a rule that looks at each step alone, in a step that has not
// changed, or one that an action's version alone causes, where no more steps use it than before.
func (l sameSteps) explain(e *actionlint.Error) bool {
	if e.Kind == "action" && strings.Contains(e.Message, "is too old to run") {
		if parts := strings.SplitN(e.Message, "\"", 3); len(parts) == 3 {
			more, used := l.uses[parts[1]]
			return used && more >= 0
		}
	}
	return (e.Kind == "action" || e.Kind == "deprecated-commands") && l.lines[e.Line]
}

// changedJobs gives both texts of a file with the jobs blanked out that a change cannot reach: what is found in a job depends
// on that job, on what is outside of all jobs but permissions and variables, and on jobs that need each other. Where such a thing
// outside of the jobs changes, or a file has anchors or is not plain otherwise, the texts are whole and it does not tell which jobs
// are kept.
func changedJobs(was, now *file) (before, after []byte, kept []bool) {
	old, changed := was.jobRanges(), now.jobRanges()
	if !was.plain || !now.plain || len(old) == 0 || len(old) != len(changed) {
		return was.src, now.src, nil
	}
	if !slices.Equal(was.otherKeys(was.root, besideJobs), now.otherKeys(now.root, besideJobs)) {
		return was.src, now.src, nil
	}
	keep := make([]bool, len(old))
	for i := range old {
		keep[i] = !bytes.Equal(was.src[old[i].start:old[i].end], now.src[changed[i].start:changed[i].end])
	}
	if !slices.Contains(keep, true) {
		keep[0] = true // a workflow has one
	}
	was.keepNeeded(keep)
	return blank(was.src, old, keep), blank(now.src, changed, keep), keep
}

// byteRange is a range of bytes.
type byteRange struct{ start, end int }

// jobRanges gives the lines of each job, from its key to the next one's.
func (f *file) jobRanges() []byteRange {
	ranges := make([]byteRange, len(f.jobs))
	end := len(f.src)
	for i := 0; i+2 < len(f.root.Content); i += 2 {
		if f.root.Content[i].Value == "jobs" {
			end = f.lineStart(f.start(f.root.Content[i+2]))
		}
	}
	for i := len(f.jobs) - 1; i >= 0; i-- {
		start := f.lineStart(f.start(f.jobs[i].key))
		if start >= end {
			return nil // keys of one name, or jobs that share a line
		}
		ranges[i] = byteRange{start, end}
		end = start
	}
	return ranges
}

// keepNeeded extends a set of jobs by those that they need and those that need them.
func (f *file) keepNeeded(keep []bool) {
	index := make(map[string]int, len(f.jobs))
	for i, j := range f.jobs {
		index[strings.ToLower(j.id)] = i
	}
	for more := true; more; {
		more = false
		for i, j := range f.jobs {
			walkScalars(get(j.node, "needs"), func(n *yaml.Node) {
				if other, ok := index[strings.ToLower(n.Value)]; ok && keep[i] != keep[other] {
					keep[i], keep[other], more = true, true, true
				}
			})
		}
	}
}

// blank leaves of the jobs that are not kept only the line breaks, so that all lines stay where they are.
func blank(src []byte, ranges []byteRange, keep []bool) []byte {
	out := append(make([]byte, 0, len(src)), src[:ranges[0].start]...)
	for i, r := range ranges {
		if keep[i] {
			out = append(out, src[r.start:r.end]...)
			continue
		}
		for range bytes.Count(src[r.start:r.end], []byte{'\n'}) {
			out = append(out, '\n')
		}
	}
	return append(out, src[ranges[len(ranges)-1].end:]...)
}

var linters = sync.Pool{New: func() any {
	l, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{Shellcheck: "", Pyflakes: ""})
	if err != nil {
		return err
	}
	return l
}}

func lint(src []byte) []*actionlint.Error {
	l, ok := linters.Get().(*actionlint.Linter)
	if !ok {
		return []*actionlint.Error{{Message: "actionlint could not be set up", Kind: "internal"}}
	}
	defer linters.Put(l)
	// The path is not one of this machine, so that no configuration file of a project is looked for.
	errs, err := l.Lint("workflow.yml", src, nil)
	if err != nil {
		return []*actionlint.Error{{Message: err.Error(), Kind: "internal"}}
	}
	return errs
}
