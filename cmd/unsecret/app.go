package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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
	enc := json.NewEncoder(a.std.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// isTerminal tells whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// confirm asks before a change. Without a terminal nobody can answer, so it refuses and names the flag.
func (a *app) confirm(question string) error {
	if !isTerminal(a.std.in) {
		return usageErrorf("this command changes things, and there is no terminal to ask on: look at the output above, then run it again with --yes")
	}
	fmt.Fprintf(a.std.err, "%s [y/N] ", question)
	line, err := bufio.NewReader(a.std.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return &exitError{code: exitFailed, err: errors.New("not confirmed: nothing was changed")}
	}
	return nil
}

// Names of the files in the state directory. The journal's is the executor's.
const (
	inventoryFile = "inventory.json"
	planFile      = "plan.json"
)

func (a *app) statePath(name string) string { return filepath.Join(a.stateDir, name) }

// makeState makes the state directory, readable by its owner alone.
func (a *app) makeState() error {
	if err := os.MkdirAll(a.stateDir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w; choose another with --state", err)
	}
	return nil
}

// save writes a state file as a whole or not at all: a crash or a full disk leaves the old one.
func (a *app) save(name string, v any) error {
	if err := a.makeState(); err != nil {
		return err
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	if err := writeFile(a.statePath(name), append(b, '\n')); err != nil {
		return fmt.Errorf("save %s: %w; nothing was replaced", a.statePath(name), err)
	}
	return nil
}

// writeFile replaces a file atomically, with mode 0600.
func writeFile(name string, content []byte) (err error) {
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

// load reads a state file strictly. hint says which command makes it.
func (a *app) load(name, hint string, v any) error {
	p := a.statePath(name)
	b, err := os.ReadFile(p)
	if errors.Is(err, fs.ErrNotExist) {
		return usageErrorf("there is no %s: run `unsecret %s` first, or name another state directory with --state", p, hint)
	}
	if err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return usageErrorf("%s is not what `unsecret %s` wrote: %s; run it again", p, hint, jsonPlace(b, err))
	}
	return nil
}

// jsonPlace adds line and column to a JSON error.
func jsonPlace(b []byte, err error) string {
	var offset int64
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &typ):
		offset = typ.Offset
	default:
		return err.Error()
	}
	before := string(b[:min(int(offset), len(b))])
	line := strings.Count(before, "\n") + 1
	column := len(before) - strings.LastIndex(before, "\n")
	return fmt.Sprintf("line %d, column %d: %v", line, column, err)
}

func (a *app) loadInventory() (*inventory.Inventory, error) {
	inv := &inventory.Inventory{}
	if err := a.load(inventoryFile, "scan", inv); err != nil {
		return nil, err
	}
	if inv.Version != inventory.Version {
		return nil, usageErrorf("%s has version %d, and this program reads %d: scan again", a.statePath(inventoryFile), inv.Version, inventory.Version)
	}
	return inv, nil
}

func (a *app) loadPlan() (*plan.Plan, error) {
	p := &plan.Plan{}
	if err := a.load(planFile, "plan", p); err != nil {
		return nil, err
	}
	return p, nil
}
