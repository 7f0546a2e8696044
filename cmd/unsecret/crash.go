package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/execute"
)

// working is the command that has the journal open, if any.
var working atomic.Pointer[app]

var crashed sync.Mutex

// endByCrash ends the program after a panic, whose value is not shown. It runs in the goroutine that panicked, while others may be anywhere.
func endByCrash(c crash.Crash) {
	crashed.Lock() // for good: one message is enough
	tellCrash(os.Stderr, c)
	os.Exit(exitFailed)
}

// tellCrash says what happened, what is safe and what goes on from here.
func tellCrash(w io.Writer, c crash.Crash) {
	printError(w, fmt.Sprintf("internal error in %s: %s: the program ends here", c.Where, c.What))
	if a := working.Load(); a == nil {
		printError(w, "the journal was not open: nothing was changed")
	} else {
		printError(w, "what was done is in the journal "+a.statePath(execute.JournalFile)+" ("+journalState(a)+"): run the same command again; it looks at what became of the step in hand, and goes on")
	}
	printError(w, "please report it with this message and the output of unsecret version: values are left out, so that it holds no secret")
}

// journalState reads the journal as another process would, since this one may be in the middle of writing.
func journalState(a *app) string {
	done := make(chan string, 1)
	go func() {
		defer func() {
			if recover() != nil { // nothing more is told of a second error
				done <- "it could not be read"
			}
		}()
		records, err := a.readJournal()
		if err != nil {
			done <- err.Error()
			return
		}
		done <- plural(len(records), "record") + ", whole"
	}()
	select {
	case state := <-done:
		return state
	case <-time.After(5 * time.Second):
		return "it could not be read in time"
	}
}
