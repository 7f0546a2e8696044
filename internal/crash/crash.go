// Package crash lets a panic in any goroutine of this module end the program with a message of its own, in place of Go's, which repeats the value that was
// panicked with: that may be anything, a secret among it.
package crash

import (
	"fmt"
	"path"
	"runtime"
	"strings"
	"sync/atomic"
)

// Crash is a panic, as far as it may be told.
type Crash struct {
	What  string // of an error of Go's runtime its text, which holds types and numbers only; else the type of the value
	Where string // function, file and line
}

var handler atomic.Pointer[func(Crash)]

// Handle sets what ends the program. As long as it is not called, which is so where this module is a library, panics stay what they are.
func Handle(end func(Crash)) { handler.Store(&end) }

// Report is to be deferred first in every goroutine.
func Report() {
	value := recover()
	if value == nil {
		return
	}
	end := handler.Load()
	if end == nil {
		panic(value)
	}
	what := fmt.Sprintf("%T", value)
	if e, ok := value.(runtime.Error); ok {
		what = e.Error()
	}
	(*end)(Crash{What: what, Where: where()})
}

// where is the place that panicked: the first that is not the runtime's, below the call of panic.
func where() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	panicked := false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicked = true
		case panicked && !strings.HasPrefix(f.Function, "runtime."):
			return fmt.Sprintf("%s (%s:%d)", path.Base(f.Function), path.Base(f.File), f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}
