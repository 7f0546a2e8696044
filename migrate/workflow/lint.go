package workflow

import (
	"fmt"
	"io"
	"sync"

	"github.com/rhysd/actionlint"
)

// lintDiffers tells what actionlint finds in a file that it did not find before.
func lintDiffers(was, now *file) error {
	if more, known := findsMoreInParts(was, now); known && !more {
		return nil
	}
	if e := newFinding(was.src, now.src); e != nil {
		return fmt.Errorf("actionlint finds something new at line %d of the result: %s", e.Line, e.Message)
	}
	return nil
}

// newFinding gives what actionlint finds in a text and not in the one before it, or nil.
func newFinding(before, after []byte) *actionlint.Error {
	found := lint(after)
	if len(found) == 0 {
		return nil
	}
	known := make(map[string]int)
	for _, e := range lint(before) {
		known[e.Kind+e.Message]++
	}
	for _, e := range found {
		if known[e.Kind+e.Message]--; known[e.Kind+e.Message] < 0 {
			return e
		}
	}
	return nil
}

var linters = sync.Pool{New: func() any {
	l, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{Shellcheck: "", Pyflakes: "", Oneline: true})
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
	// With this name no configuration file of a project is looked for.
	errs, err := l.Lint("<stdin>", src, nil)
	if err != nil {
		return []*actionlint.Error{{Message: err.Error(), Kind: "internal"}}
	}
	return errs
}
