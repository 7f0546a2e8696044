package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
)

// showResult renders what a command did and gives its exit code: failures before pending before done.
func (a *app) showResult(r execute.Result, x execution) error {
	if x.output == "json" {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		printResult(a.std.out, r, x.steps)
	}
	switch {
	case r.Failed():
		return exitWith(exitPartly)
	case r.Pending() && !r.DryRun:
		return exitWith(exitPending)
	}
	return nil
}

// Marks of steps in a result.
var stepMarks = map[execute.StepState]string{
	execute.StepDone: "✓", execute.StepAlready: "✓", execute.StepUndone: "↶", execute.StepWould: "+",
	execute.StepPending: "…", execute.StepWaiting: "…", execute.StepOpen: "·", execute.StepFailed: "✗", execute.StepRefused: "✗",
}

// printResult writes where each unit stands: what waits or went wrong in full, the rest as a count, or with steps all
// of it.
func printResult(w io.Writer, r execute.Result, steps bool) {
	for _, u := range r.Units {
		printUnit(w, u, r, steps)
		fmt.Fprintln(w)
	}
	paragraph(w, "", resultSummary(r))
	for _, l := range r.Leftovers {
		bullet(w, "! ", "a probe was killed and has left "+l+" behind, and maybe a run of it")
	}
	for _, n := range resultNext(r) {
		bullet(w, "→ ", n)
	}
	if len(r.Leftovers) > 0 {
		bullet(w, "→ ", "clear them away: unsecret identify --clean")
	}
}

func printUnit(w io.Writer, u execute.UnitResult, r execute.Result, steps bool) {
	title := u.Title + ": " + stateText(u.State)
	if u.Plan != "" {
		title += " (by an earlier plan)"
	}
	paragraph(w, "", title)
	head := "  id " + u.Unit
	if done, all := settledSteps(u); all > 0 && !r.DryRun && r.Command != "rollback" {
		head += fmt.Sprintf("  (%d of %s done)", done, plural(all, "step"))
	}
	fmt.Fprintln(w, clean(head))
	said := map[string]bool{}
	for _, g := range u.Gates {
		said[g.Reason] = true
	}
	if u.Reason != "" && !said[u.Reason] && !saidByStep(u) {
		bullet(w, "  ", u.Reason)
		printNext(w, "    ", u.Next)
	}
	for _, s := range u.Steps {
		if steps || worthTelling(s, r) && !(s.State == execute.StepPending && said[s.Reason]) {
			printStep(w, s, r.Command)
		}
	}
	printRoles(w, u.Roles)
	for i, g := range u.Gates {
		printGate(w, g, r.Time, i+1 < len(u.Gates) && slices.Equal(g.Next, u.Gates[i+1].Next))
	}
}

// printRoles tells how the Azure roles of a unit's application differ from those of the scan; nothing where they are equal.
func printRoles(w io.Writer, c *execute.RoleComparison) {
	if c == nil || c.Equal {
		return
	}
	if c.Reason != "" {
		bullet(w, "  ! ", c.Reason)
		return
	}
	for _, r := range c.Gone {
		bullet(w, "  ! ", "the application had the role "+r+" when it was scanned, and does not have it any more: no step of the plan took it away")
	}
	for _, r := range c.Added {
		bullet(w, "  ! ", "the application has the role "+r+", which it did not have when it was scanned: no step of the plan added it")
	}
}

// saidByStep tells whether the reason of a unit is that of a step, which is printed itself.
func saidByStep(u execute.UnitResult) bool {
	return slices.ContainsFunc(u.Steps, func(s execute.StepResult) bool {
		return s.Reason != "" && strings.HasSuffix(u.Reason, s.Reason) && (s.State == execute.StepFailed || s.State == execute.StepRefused)
	})
}

// settledSteps counts the steps that are done, and those that there are to do.
func settledSteps(u execute.UnitResult) (done, all int) {
	for _, s := range u.Steps {
		if s.State == execute.StepOnDemand {
			continue
		}
		all++
		if s.State == execute.StepDone || s.State == execute.StepAlready {
			done++
		}
	}
	return done, all
}

// worthTelling leaves out what is as it should be: steps that were done, which the progress has told, and those that
// this command does not come to.
func worthTelling(s execute.StepResult, r execute.Result) bool {
	switch s.State {
	case execute.StepOpen:
		return r.Command == "status" && s.Reason != "" // a run was interrupted in the middle of it
	case execute.StepDone, execute.StepAlready, execute.StepOnDemand:
		return false
	case execute.StepUndone:
		return r.Command == "rollback"
	}
	return true
}

func stateText(s execute.UnitState) string {
	if s == execute.UnitRolledBack {
		return "rolled back"
	}
	return string(s)
}

func printStep(w io.Writer, s execute.StepResult, command string) {
	if s.State == execute.StepOnDemand {
		return
	}
	mark, text := stepMarks[s.State], s.Title
	if command == "rollback" && s.State == execute.StepWould {
		mark = stepMarks[execute.StepUndone] // what it does is in the reason
	}
	if s.State == execute.StepAlready {
		text += " (was so already)"
	}
	if s.URL != "" {
		text += " " + s.URL
	}
	bullet(w, "  "+mark+" ", text)
	if s.Reason != "" {
		bullet(w, "      ", s.Reason)
	}
	for _, c := range s.Changes {
		bullet(w, "      ", fmt.Sprintf("%s was %q and is %q now", c.Field, c.From, c.To))
	}
	printNext(w, "      ", s.Next)
}

func printNext(w io.Writer, indent string, next []string) {
	for _, n := range next {
		bullet(w, indent+"→ ", n)
	}
}

// printGate writes what a unit waits for and until when. Where the next gate asks for the same, that is written there.
func printGate(w io.Writer, g execute.Gate, now time.Time, more bool) {
	text := "waits: " + g.Reason
	if g.URL != "" {
		text += " " + g.URL
	}
	if !g.Until.IsZero() {
		exact := g.Until.UTC().Format(time.RFC3339)
		if !strings.Contains(text, exact) {
			text += ", until " + exact
		}
		text = strings.Replace(text, exact, untilText(g.Until, now), 1)
	}
	bullet(w, "  … ", text)
	if !more {
		printNext(w, "      ", g.Next)
	}
}

// untilText gives a time, and how far off it is.
func untilText(t, now time.Time) string {
	s := t.UTC().Format("2006-01-02 15:04 UTC")
	if left := t.Sub(now); left > 0 {
		s += " (" + roughly(left) + ")"
	}
	return s
}

// roughly gives a length of time as a person would say it.
func roughly(d time.Duration) string {
	switch {
	case d >= 47*time.Hour:
		return fmt.Sprintf("%d days", int(math.Round(d.Hours()/24)))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(math.Round(d.Hours())))
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
	return s + "."
}

// resultNext gives what a person does next, from where the units stand.
func resultNext(r execute.Result) []string {
	var next []string
	add := func(is bool, text string) {
		if is && !slices.Contains(next, text) {
			next = append(next, text)
		}
	}
	if r.DryRun {
		add(wouldDo(r), "unsecret "+r.Command+" does it, after a question or with --yes")
		return next
	}
	waits := func(name execute.GateName) bool { return hasGate(r, name) }
	again := "unsecret apply"
	if r.Command == "rollback" {
		again = "unsecret rollback"
	}
	failed := "unsecret " + r.Command
	if r.Command == "status" {
		failed = "the command that failed"
	}
	add(r.Failed(), "repair what failed, then run "+failed+" again: what is done is not done twice")
	add(waits(execute.GateMerge), "merge the pull requests, then run "+again+" again")
	add(r.Command != "apply" && r.Count(execute.UnitPlanned) > 0, "unsecret apply --dry-run")
	add(waits(execute.GateVerified), "unsecret verify")
	if until := r.PendingUntil(); !until.IsZero() {
		add(true, "unsecret revoke, not before "+until.UTC().Format("2006-01-02 15:04 UTC"))
	} else {
		add(r.Command != "revoke" && revocable(r), "unsecret revoke --dry-run")
	}
	return next
}

// wouldDo tells whether a dry run found something to do.
func wouldDo(r execute.Result) bool {
	return slices.ContainsFunc(r.Units, func(u execute.UnitResult) bool {
		return slices.ContainsFunc(u.Steps, func(s execute.StepResult) bool { return s.State == execute.StepWould })
	})
}

func hasGate(r execute.Result, name execute.GateName) bool {
	return slices.ContainsFunc(r.Units, func(u execute.UnitResult) bool {
		return slices.ContainsFunc(u.Gates, func(g execute.Gate) bool { return g.Name == name })
	})
}

// revocable tells whether a unit is verified and waits for nothing.
func revocable(r execute.Result) bool {
	return slices.ContainsFunc(r.Units, func(u execute.UnitResult) bool {
		return u.State == execute.UnitVerified && len(u.Gates) == 0
	})
}
