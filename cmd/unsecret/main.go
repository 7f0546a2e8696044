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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// run executes one command line and gives the exit code. It never panics out: a bug is reported as a failure.
func run(ctx context.Context, args []string, std stdio) int {
	root := newRoot(std)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	code := exitFailed
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		code = exit.code
	case isUsage(err):
		code = exitUsage
	case errors.Is(err, context.Canceled):
		err = errors.New("interrupted: what was done is in the journal; run the same command again to go on")
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintf(std.err, "unsecret: %s\n", msg)
		if code == exitUsage && exit == nil {
			fmt.Fprintln(std.err, "Run unsecret --help for usage.")
		}
	}
	return code
}

// isUsage recognises cobra's own complaints, which have no type.
func isUsage(err error) bool {
	for _, prefix := range []string{"unknown command", "unknown flag", "unknown shorthand flag", "flag needs an argument", "invalid argument", "accepts ", "requires ", "required flag", "bad flag syntax", "if any flags in the group", "at least one of the flags"} {
		if strings.HasPrefix(err.Error(), prefix) {
			return true
		}
	}
	return false
}

func newRoot(std stdio) *cobra.Command {
	a := &app{std: std}
	root := &cobra.Command{
		Use:   "unsecret",
		Short: "Take pipelines off stored Azure credentials",
		Long: `unsecret finds every place in Azure DevOps and GitHub that signs in to Azure with a
stored secret, plans the move to workload identity federation, executes the plan,
proves that the new way works, and only then revokes the old secrets.

    scan ──► inventory ──► plan ──► apply ──► verify ──► revoke
               │   │                  ▲                    │
          report   check              └───── rollback ◄────┘

Start without any account:   unsecret demo
Look at a checkout:          unsecret scan --local .

` + exitHelp,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	flags := root.PersistentFlags()
	flags.StringVar(&a.stateDir, "state", ".unsecret", "state `directory`: inventory, plan and journal")
	flags.StringVar(&a.configFile, "config", "", "configuration `file` (default unsecret.yaml, where it exists)")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no progress on stderr")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "one line for each request, and request counts at the end, on stderr")
	for _, add := range []func(*app) *cobra.Command{
		newScan, newPlan, newApply, newVerify, newRevoke, newRollback, newStatus, newReport, newCheck,
		newRewrite, newSubjects, newExplain, newLab, newDemo, newVersion, newGenDocs,
	} {
		root.AddCommand(add(a))
	}
	return root
}
