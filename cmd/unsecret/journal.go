package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/reports"
)

func newJournal(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "journal COMMAND",
		Short: "Check, show and export the journal; break its lock",
		Long: `The journal is the record of every step's intent and outcome, and the audit trail: each record holds the
hash of the one before, so that no record can be changed, removed or inserted without being found.
verify, show and export change nothing, need no lock, and work on a damaged journal as well.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageErrorf("unknown command %q for %q: it must be verify, show, export or unlock", args[0], cmd.CommandPath())
			}
			return cmd.Help()
		},
	}
	cmd.AddGroup(&cobra.Group{ID: "journal", Title: "Commands:"})
	for _, add := range []func(*app) *cobra.Command{newJournalVerify, newJournalShow, newJournalExport, newJournalUnlock} {
		c := add(a)
		c.GroupID = "journal"
		cmd.AddCommand(c)
	}
	return cmd
}

// checkJournal looks at every line.
func (a *app) checkJournal() (execute.JournalCheck, error) {
	s, err := a.store()
	if err != nil {
		return execute.JournalCheck{}, err
	}
	c, err := execute.CheckJournal(a.context(), s)
	if err == nil && len(c.Records) == 0 && !c.Torn && c.Damage == nil {
		err = usageErrorf("there is no journal in %s: nothing was carried out yet, or --state names another state", s.Place(""))
	}
	return c, err
}

func newJournalVerify(a *app) *cobra.Command {
	var output, head string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check every record's hash, and that each follows the one before",
		Long: `Checks the whole chain. Ends with 0 if it is whole, and with 1 if a line is damaged: it then names the line, what
is wrong with it, and up to which record the journal can be trusted.

Records that were taken away from the end leave a whole chain behind. Keep the head, the hash of the last record, in another
place, and name it with --head: it must still be in the chain.`,
		Example: `  unsecret journal verify
  unsecret journal verify --head 9f2c…  # noted at the last audit`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.journalVerify(output, head) },
	}
	cmd.Flags().StringVar(&head, "head", "", "a `hash` noted earlier, which must be in the chain")
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

// journalVerdict is what journal verify prints as JSON.
type journalVerdict struct {
	Whole   bool                 `json:"whole"`
	Records int                  `json:"records"` // that can be trusted
	Head    string               `json:"head"`    // the hash of the last of them
	Last    *time.Time           `json:"last,omitempty"`
	Torn    bool                 `json:"torn"`
	Damage  *journalDamage       `json:"damage,omitempty"`
	Sought  *journalSought       `json:"sought,omitempty"`
	check   execute.JournalCheck // for the text
}

type journalDamage struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

type journalSought struct {
	Head  string `json:"head"`
	Found bool   `json:"found"`
	Seq   int64  `json:"seq,omitempty"`
}

func verdictOn(c execute.JournalCheck, head string) journalVerdict {
	v := journalVerdict{Whole: c.Damage == nil, Records: c.Trusted, Head: c.Head, Torn: c.Torn, check: c}
	if c.Trusted > 0 {
		v.Last = &c.Records[c.Trusted-1].Time
	}
	if c.Damage != nil {
		v.Damage = &journalDamage{Line: c.Damage.Line, Reason: c.Damage.Reason}
	}
	if head != "" {
		v.Sought = &journalSought{Head: head}
		if i := slices.IndexFunc(c.Records[:c.Trusted], func(r execute.Record) bool { return r.Hash == head }); i >= 0 {
			v.Sought.Found, v.Sought.Seq = true, c.Records[i].Seq
		}
		v.Whole = v.Whole && v.Sought.Found
	}
	return v
}

func (a *app) journalVerify(output, head string) error {
	if err := checkOutput(output, "table", "json"); err != nil {
		return err
	}
	c, err := a.checkJournal()
	if err != nil {
		return err
	}
	v := verdictOn(c, head)
	if output == "json" {
		if err := a.printJSON(v); err != nil {
			return err
		}
	} else {
		printVerdict(a.std.out, v)
	}
	if !v.Whole {
		return exitWith(exitFailed)
	}
	return nil
}

func printVerdict(w io.Writer, v journalVerdict) {
	records := v.check.Records
	switch {
	case v.Damage != nil:
		bullet(w, "✗ ", fmt.Sprintf("Line %d is damaged: %s.", v.Damage.Line, v.Damage.Reason))
		printTrust(w, v)
		printNext(w, "  ", []string{
			"nothing is written to a damaged journal; status, report and journal still work, up to the damage",
			"restore the journal from a backup, if one is whole: unsecret journal verify --state COPY",
			"else keep it as evidence, and start with a new state directory and a new scan",
		})
	default:
		bullet(w, "✓ ", fmt.Sprintf("The chain is whole: %s.", plural(v.Records, "record")))
		if len(records) > 0 {
			bullet(w, "  ", fmt.Sprintf("From %s to %s.", journalTime(records[0].Time), journalTime(records[len(records)-1].Time)))
		}
		fmt.Fprintln(w, "  Head "+v.Head)
	}
	if v.Torn {
		bullet(w, "i ", "A last line was cut short, as a crash does. It was never acknowledged, so nothing is lost; the next command that writes takes it away.")
	}
	if s := v.Sought; s != nil {
		if s.Found {
			bullet(w, "✓ ", fmt.Sprintf("The head that was noted is record %d.", s.Seq))
		} else {
			bullet(w, "✗ ", "The head that was noted is not in the chain: records were taken away from the end, or this is another journal.")
		}
	}
}

// printTrust says how much of a damaged journal can be trusted.
func printTrust(w io.Writer, v journalVerdict) {
	if v.Records == 0 {
		bullet(w, "  ", "No record can be trusted.")
		return
	}
	bullet(w, "  ", fmt.Sprintf("Records 1 to %d are as they were written, the last at %s; nothing after them can be trusted.", v.Records, journalTime(*v.Last)))
	fmt.Fprintln(w, "  Head of these "+v.Head)
}

func journalTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func newJournalShow(a *app) *cobra.Command {
	var output, unit, since string
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the records, of one unit or since a time",
		Long: `Shows the records: number, time (UTC), phase, unit, step, who, and note. With --unit also the pull requests
that the unit shares with others. Ends with 5 if the journal is damaged, after what can be trusted of it.`,
		Example: `  unsecret journal show --since 24h
  unsecret journal show --unit contoso-pipelines-33666908 -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.journalShow(output, unit, since) },
	}
	cmd.Flags().StringVar(&unit, "unit", "", "only this unit's records, by its `id`")
	cmd.Flags().StringVar(&since, "since", "", "only records since a `time`: 2026-11-02T09:00:00Z, 2026-11-02, 36h or 7d ago")
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

func (a *app) journalShow(output, unit, since string) error {
	if err := checkOutput(output, "table", "json"); err != nil {
		return err
	}
	var from time.Time
	var err error
	if since != "" {
		if from, err = parseSince(since, time.Now()); err != nil {
			return err
		}
	}
	c, err := a.checkJournal()
	if err != nil {
		return err
	}
	records := slices.DeleteFunc(ofUnit(c.Records, unit), func(r execute.Record) bool { return r.Time.Before(from) })
	if output == "json" {
		if err := a.printJSON(records); err != nil {
			return err
		}
	} else {
		printRecords(a.std.out, records)
		paragraph(a.std.out, "", fmt.Sprintf("%s of %d.", plural(len(records), "record"), len(c.Records)))
	}
	return journalDamaged(c)
}

// journalDamaged ends a command that showed what it could of a damaged journal.
func journalDamaged(c execute.JournalCheck) error {
	if c.Damage == nil {
		return nil
	}
	return &exitError{code: exitPartly, err: c.Damage}
}

// ofUnit gives a copy of the records of a unit, and of the pull requests that it has a part in; of all without one.
func ofUnit(records []execute.Record, unit string) []execute.Record {
	type key struct{ unit, step string }
	shared := map[key]bool{}
	out := make([]execute.Record, 0, len(records))
	for _, r := range records {
		var units []string
		if text := r.Before["units"]; text != "" && json.Unmarshal([]byte(text), &units) == nil && slices.Contains(units, unit) {
			shared[key{r.Unit, r.Step}] = true
		}
		if unit == "" || r.Unit == unit || shared[key{r.Unit, r.Step}] {
			out = append(out, r)
		}
	}
	return out
}

// printRecords writes each record on a line, with what it is about below, where ids of any length have room.
func printRecords(w io.Writer, records []execute.Record) {
	for _, r := range records {
		unit := r.Unit
		if unit == "" {
			unit = "(the journal itself)"
		}
		bullet(w, fmt.Sprintf("%5d  %s  %-8s  ", r.Seq, r.Time.UTC().Format("2006-01-02 15:04:05"), r.Phase), unit)
		step := r.Step
		if r.Actor != "" {
			step += " by " + r.Actor
		}
		paragraph(w, "       ", step)
		if r.Note != "" {
			paragraph(w, "       ", r.Note)
		}
	}
}

func newJournalExport(a *app) *cobra.Command {
	var format, file string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the records for an auditor, with the head of the chain",
		Long: `Writes every record, with the states before and after as far as they are not secret. As jsonl each record is
byte for byte what the journal has, and the last line is a summary; as csv it is the last row. The summary has the head, the hash
of the last record: whoever keeps it can check later that nothing was taken away (unsecret journal verify --head).
Ends with 5 if the journal is damaged, after what can be trusted of it.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.journalExport(format, file) },
	}
	cmd.Flags().StringVar(&format, "format", "jsonl", "`format`: jsonl or csv")
	cmd.Flags().StringVar(&file, "file", "", "write to a `file` instead of stdout")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"jsonl", "csv"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) journalExport(format, file string) error {
	render, ok := map[string]func(io.Writer, reports.JournalExport) error{"jsonl": reports.JournalJSONL, "csv": reports.JournalCSV}[format]
	if !ok {
		return usageErrorf("invalid argument %q for --format: it must be jsonl or csv", format)
	}
	c, err := a.checkJournal()
	if err != nil {
		return err
	}
	x := reports.JournalExport{Tool: toolName(), Exported: time.Now(), Check: c}
	if file == "" {
		if err := render(a.std.out, x); err != nil {
			return err
		}
		return journalDamaged(c)
	}
	var b bytes.Buffer
	if err := render(&b, x); err != nil {
		return err
	}
	if err := writeFile(file, b.Bytes()); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	if !a.quiet {
		fmt.Fprintf(a.std.err, "Written to %s: %s, head %s.\n", clean(file), plural(len(c.Records), "record"), c.Head)
	}
	return journalDamaged(c)
}

func newJournalUnlock(a *app) *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:   "unlock",
		Short: "Break the lock of a process that is gone or hangs",
		Long: `Takes the lock away from whoever holds it, and gives it back. That is journaled, with who held it since when. A
process that still runs writes nothing more: it notices before its next change, and ends. Rarely needed: the lock of a
process that was killed is free at once on the same machine, and after a minute elsewhere.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.journalUnlock(cmd.Context(), yes) },
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (a *app) journalUnlock(ctx context.Context, yes bool) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	o := execute.JournalOptions{Holder: currentUser() + ", unsecret journal unlock"}
	j, err := execute.OpenJournalIn(ctx, s, o)
	var locked *execute.LockedError
	if !errors.As(err, &locked) {
		if err != nil {
			return err
		}
		fmt.Fprintln(a.std.out, "Nobody holds the lock.")
		return j.Close()
	}
	if !yes {
		paragraph(a.std.out, "", "The lock is held by "+locked.LockHolder.String()+".")
		if err := a.confirm(ctx, "Break it?"); err != nil {
			return err
		}
	}
	o.Break = true
	if j, err = execute.OpenJournalIn(ctx, s, o); err != nil {
		return err
	}
	if taken := j.TakenOver(); taken != nil {
		paragraph(a.std.out, "", "Broken: the lock of "+taken.LockHolder.String()+". This is in the journal.")
	}
	return j.Close()
}
