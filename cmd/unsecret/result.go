package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
)

// showResult renders what a command did and gives its exit code: failures before pending before done.
func (a *app) showResult(r execute.Result, output string) error {
	if output == "json" {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		printResult(a.std.out, r)
	}
	switch {
	case r.Failed():
		return exitWith(exitPartly)
	case r.Pending():
		return exitWith(exitPending)
	}
	return nil
}

// Marks of steps in a result.
var stepMarks = map[execute.StepState]string{
	execute.StepDone: "✓", execute.StepAlready: "✓", execute.StepUndone: "↶", execute.StepWould: "+",
	execute.StepPending: "…", execute.StepWaiting: "…", execute.StepOpen: "·", execute.StepFailed: "✗", execute.StepRefused: "✗",
}

func printResult(w io.Writer, r execute.Result) {
	for _, u := range r.Units {
		paragraph(w, "", u.Title+": "+stateText(u.State))
		fmt.Fprintf(w, "  id %s\n", clean(u.Unit))
		if u.Reason != "" {
			bullet(w, "  ", u.Reason)
		}
		for _, n := range u.Next {
			bullet(w, "    → ", n)
		}
		for _, s := range u.Steps {
			printStep(w, s)
		}
		for _, g := range u.Gates {
			printGate(w, g, r.Time)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, resultSummary(r))
}

func stateText(s execute.UnitState) string {
	if s == execute.UnitRolledBack {
		return "rolled back"
	}
	return string(s)
}

func printStep(w io.Writer, s execute.StepResult) {
	if s.State == execute.StepOnDemand {
		return
	}
	text := s.Title
	if s.State == execute.StepAlready {
		text += " (was so already)"
	}
	if s.URL != "" {
		text += " " + s.URL
	}
	bullet(w, "  "+stepMarks[s.State]+" ", text)
	if s.Reason != "" {
		bullet(w, "      ", s.Reason)
	}
	for _, c := range s.Changes {
		bullet(w, "      ", fmt.Sprintf("%s was %q and is %q now", c.Field, c.From, c.To))
	}
	for _, n := range s.Next {
		bullet(w, "      → ", n)
	}
}

func printGate(w io.Writer, g execute.Gate, now time.Time) {
	text := "waits: " + g.Reason
	if g.URL != "" {
		text += " " + g.URL
	}
	if !g.Until.IsZero() {
		text += fmt.Sprintf(" Until %s", g.Until.UTC().Format("2006-01-02 15:04 UTC"))
		if left := g.Until.Sub(now); left > 0 {
			text += " (" + roughly(left) + ")"
		}
		text += "."
	}
	bullet(w, "  … ", text)
	for _, n := range g.Next {
		bullet(w, "      → ", n)
	}
}

// roughly gives a length of time as a person would say it.
func roughly(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	default:
		return plural(max(1, int(d.Minutes())), "minute")
	}
}

func resultSummary(r execute.Result) string {
	states := []execute.UnitState{execute.UnitRevoked, execute.UnitVerified, execute.UnitMigrated, execute.UnitRolledBack,
		execute.UnitPlanned, execute.UnitPending, execute.UnitFailed, execute.UnitBlocked}
	var parts []string
	for _, s := range states {
		if n := r.Count(s); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, stateText(s)))
		}
	}
	verb := r.Command
	if r.DryRun {
		verb += " (dry run: nothing was changed)"
	}
	s := verb + ": " + plural(len(r.Units), "unit")
	if len(parts) > 0 {
		s += ": " + strings.Join(parts, ", ")
	}
	s += "."
	if until := r.PendingUntil(); !until.IsZero() {
		s += " Pending until " + until.UTC().Format("2006-01-02 15:04 UTC") + "; run it again then."
	}
	return strings.Join(wrap(s, lineWidth), "\n")
}
