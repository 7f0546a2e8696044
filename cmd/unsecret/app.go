package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/internal/jsonstream"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// app is what all commands share: where to read and write, and the global flags.
type app struct {
	std        stdio
	stateDir   string
	configFile string
	quiet      bool
	verbose    bool

	once sync.Once
	show *progress

	running  context.Context // see context
	opened   execute.Store
	versions map[string]execute.Version // of the documents that were read
	wait     time.Duration              // for another process that writes the journal
}

// progress is the one writer of progress, so that lines and the live line do not run into each other.
func (a *app) progress() *progress {
	a.once.Do(func() { a.show = newProgress(a.std.err, a.quiet) })
	return a.show
}

// outputFlag adds -o with the formats that the command knows; the first is the default.
func outputFlag(cmd *cobra.Command, target *string, formats ...string) {
	cmd.Flags().StringVarP(target, "output", "o", formats[0], "output `format`: "+strings.Join(formats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

func checkOutput(format string, formats ...string) error {
	for _, f := range formats {
		if f == format {
			return nil
		}
	}
	return usageErrorf("invalid argument %q for -o: it must be one of %s", format, strings.Join(formats, ", "))
}

// printJSON writes a value as indented JSON.
func (a *app) printJSON(v any) error {
	return jsonstream.Write(a.std.out, v, jsonstream.Options{Lists: 1})
}

// isTerminal tells whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// confirm asks before a change. Without a terminal nobody can answer, so it refuses and names the flag.
func (a *app) confirm(ctx context.Context, question string) error {
	if !isTerminal(a.std.in) {
		return usageErrorf("this command changes things, and there is no terminal to ask on: nothing was changed; look at the output above, then run it again with --yes")
	}
	return a.ask(ctx, question)
}

// ask reads a yes from the person at the terminal. An interruption ends the wait.
func (a *app) ask(ctx context.Context, question string) error {
	fmt.Fprintf(a.std.err, "%s [y/N] ", question)
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		defer crash.Report()
		line, err := bufio.NewReader(a.std.in).ReadString('\n')
		answers <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.std.err)
		return ctx.Err()
	case got := <-answers:
		if got.err != nil && !errors.Is(got.err, io.EOF) {
			return fmt.Errorf("read the answer: %w", got.err)
		}
		if yes := strings.ToLower(strings.TrimSpace(got.line)); yes != "y" && yes != "yes" {
			return &exitError{code: exitFailed, err: errors.New("not confirmed: nothing was changed")}
		}
		return nil
	}
}

// Names of the files in the state directory. The journal's is the executor's.
const (
	inventoryFile = "inventory.json"
	planFile      = "plan.json"
)

// statePath names a document of the state for messages.
func (a *app) statePath(name string) string {
	if s, err := a.store(); err == nil {
		return s.Place(name)
	}
	return filepath.Join(a.stateDir, name)
}

// makeState finds out whether the state can be written, and notes at which version the inventory is, so that a scan does not
// replace what another one has written meanwhile.
func (a *app) makeState() error {
	if !isBlobState(a.stateDir) {
		if err := os.MkdirAll(a.stateDir, 0o700); err != nil {
			return fmt.Errorf("make the state directory: %w; choose another with --state", err)
		}
	}
	return a.note(inventoryFile)
}

// writeFile replaces a file atomically, with mode 0600. What is no regular file, such as a pipe or a device, is
// written to as it is: replacing it would remove it.
func writeFile(name string, content []byte) (err error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return writeInto(name, content)
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".unsecret-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tmp.Close(), os.Remove(tmp.Name()))
		}
	}()
	if _, err = tmp.Write(content); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

func writeInto(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// jsonPlace says what is wrong with a JSON text, with line and column.
func jsonPlace(b []byte, err error) string {
	var offset int64
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	text := err.Error()
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &typ):
		offset = typ.Offset
		text = fmt.Sprintf("%s is a %s, which it cannot be", typ.Field, typ.Value)
	default:
		return text
	}
	before := string(b[:max(0, min(int(offset), len(b))-1)])
	line := strings.Count(before, "\n") + 1
	column := len(before) - strings.LastIndex(before, "\n")
	return fmt.Sprintf("line %d, column %d: %s", line, column, text)
}

func (a *app) loadInventory() (*inventory.Inventory, error) {
	inv := &inventory.Inventory{}
	if err := a.load(inventoryFile, "scan", inv); err != nil {
		return nil, err
	}
	return inv, a.checkVersion(inventoryFile, "scan", inv.Version, inventory.Version)
}

// checkVersion refuses a state file of another version: reading it as this one could misread what it says.
func (a *app) checkVersion(name, hint string, have, want int) error {
	switch {
	case have == want:
		return nil
	case have == 0:
		return usageErrorf("%s is not what `unsecret %s` wrote: it has no version; run it again", a.statePath(name), hint)
	}
	return usageErrorf("%s has version %d, and this program reads version %d: run `unsecret %s` again", a.statePath(name), have, want, hint)
}

func (a *app) loadPlan() (*plan.Plan, error) {
	p := &plan.Plan{}
	if err := a.load(planFile, "plan", p); err != nil {
		return nil, err
	}
	return p, a.checkVersion(planFile, "plan", p.Version, plan.Version)
}
