package workflow

import (
	"fmt"
	"io"
	"sync"

	"github.com/rhysd/actionlint"
)

// prove checks a rewritten file: it parses, and actionlint finds nothing in it that it did not find before.
func (r *rewriter) prove(f *file, after []byte, edits []Edit) error {
	if p := r.plans[f]; p.refused != "" {
		return fmt.Errorf("%s", p.refused)
	}
	d, err := parseDocument(f.path, after)
	if err != nil {
		return fmt.Errorf("the result would not parse: %w", err)
	}
	build(d, f.repository)
	if f.action {
		return nil
	}
	return lintDiffers(f.src, after)
}

// lintDiffers tells what actionlint finds in a file that it did not find before.
func lintDiffers(before, after []byte) error {
	now := lint(after)
	if len(now) == 0 {
		return nil
	}
	was := make(map[string]int)
	for _, e := range lint(before) {
		was[e.Kind+e.Message]++
	}
	for _, e := range now {
		if was[e.Kind+e.Message]--; was[e.Kind+e.Message] < 0 {
			return fmt.Errorf("actionlint finds something new at line %d of the result: %s", e.Line, e.Message)
		}
	}
	return nil
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
