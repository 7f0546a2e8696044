// Command unsecret takes an organisation's pipelines off stored Azure credentials: it finds every place that
// signs in to Azure with a secret, plans the move to workload identity federation, executes the plan, proves that
// the new way works, and only then revokes the old secrets. Every step can be rolled back.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/internal/crash"
)

// Exit codes, documented in the help text.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitFindings = 3
	exitPending  = 4
	exitPartly   = 5
)

const exitHelp = `Exit codes:
  0  done
  1  failed
  2  wrong usage or configuration
  3  findings at or above the threshold
  4  pending: a gate is not met yet
  5  partly done: gaps or failed items, which are listed`

// exitError ends the program with a code. An empty message prints nothing, since the command has said it.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageErrorf reports wrong usage or configuration.
func usageErrorf(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// exitWith ends with a code and nothing more to say.
func exitWith(code int) error {
	if code == exitDone {
		return nil
	}
	return &exitError{code: code}
}

func main() { os.Exit(process()) }

// process runs the command line of this process. The first interruption lets the command end in order; a second one
// ends the process at once.
func process() int {
	noCoreDumps()
	crash.Handle(endByCrash)
	defer crash.Report()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
}

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// results remembers the first failure to write, so that a result that was cut short is never taken for a whole one.
type results struct {
	io.Writer
	err error
}

func (r *results) Write(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.Writer.Write(b)
	r.err = err
	return n, err
}

// run executes one command line and gives the exit code.
func run(ctx context.Context, args []string, std stdio) int {
	out := &results{Writer: std.out}
	root := newRoot(stdio{in: std.in, out: out, err: std.err})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if out.err != nil {
		err = fmt.Errorf("write the output: %w", out.err)
	}
	if err == nil {
		return exitDone
	}
	return complain(std.err, err)
}

// complain tells what went wrong and gives the exit code.
func complain(w io.Writer, err error) int {
	code := exitFailed
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		code = exit.code
	case isUsage(err):
		code = exitUsage
	case errors.Is(err, context.Canceled):
		err = errors.New("interrupted: nothing was changed")
	}
	if msg := err.Error(); msg != "" {
		printError(w, msg)
		if code == exitUsage && exit == nil {
			fmt.Fprintln(w, "Run the command with --help for its usage.")
		}
	}
	return code
}

// printError writes a message, whose parts can come from outside: wrapped on a terminal, one line each elsewhere, so
// that a log can be searched.
func printError(w io.Writer, msg string) {
	mark := "unsecret: "
	for l := range strings.SplitSeq(msg, "\n") {
		if isTerminal(w) {
			bullet(w, mark, l)
		} else {
			fmt.Fprintln(w, mark+clean(l))
		}
		mark = "  "
	}
}

// isUsage recognises cobra's own complaints, which have no type.
func isUsage(err error) bool {
	for _, prefix := range []string{"unknown command", "unknown flag", "unknown shorthand flag", "flag needs an argument", "invalid argument", "accepts ", "requires ", "required flag", "bad flag syntax", "if any flags in the group", "at least one of the flags", "unknown help topic"} {
		if strings.HasPrefix(err.Error(), prefix) {
			return true
		}
	}
	return false
}

func newRoot(std stdio) *cobra.Command {
	cobra.EnableCommandSorting = false // the commands of a group stand in the order of the journey
	a := &app{std: std}
	root := &cobra.Command{
		Use:   "unsecret COMMAND",
		Short: "Take pipelines off stored Azure credentials",
		Long: `unsecret finds every place in Azure DevOps and GitHub that signs in to Azure with a stored secret, plans the
move to workload identity federation, executes the plan, proves that the new way works, and only then revokes the
old secrets.

    scan ──► inventory ──► plan ──► apply ──► verify ──► revoke
               │   │                  ▲                    │
          report   check              └───── rollback ◄────┘

    unsecret demo             the whole journey, without any account
    unsecret scan --local .   what a checkout holds, without any account

` + exitHelp,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun:  func(cmd *cobra.Command, _ []string) { a.running = cmd.Context() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	flags := root.PersistentFlags()
	flags.StringVar(&a.stateDir, "state", ".unsecret", "state `directory` with inventory, plan and journal, or azblob://ACCOUNT/CONTAINER/PREFIX")
	flags.StringVar(&a.configFile, "config", "", "configuration `file` (default unsecret.yaml, where it exists)")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no progress on stderr")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "one line for each request, and request counts at the end, on stderr")
	for _, g := range []struct {
		title    string
		commands []func(*app) *cobra.Command
	}{
		{"The journey:", []func(*app) *cobra.Command{newScan, newIdentify, newPlan, newApprove, newApply, newVerify, newRevoke, newRollback}},
		{"Where it stands:", []func(*app) *cobra.Command{newStatus, newReport, newCheck, newJournal}},
		{"What the last scan found:", []func(*app) *cobra.Command{newList, newShow, newWhy}},
		{"Access:", []func(*app) *cobra.Command{newDoctor, newPermissions}},
		{"Workflow files, without any account:", []func(*app) *cobra.Command{newRewrite, newSubjects}},
		{"Help:", []func(*app) *cobra.Command{newExplain, newDemo, newLab, newVersion}},
	} {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, add := range g.commands {
			c := add(a)
			c.GroupID = g.title
			root.AddCommand(c)
		}
	}
	root.AddCommand(newGenDocs(a))
	setHelp(root)
	return root
}
