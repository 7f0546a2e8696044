package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/explain"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

func newWhy(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "why ID",
		Short: "Say why an object is classified, blocked or planned so",
		Long: `Says why one object of the last scan is classified as it is, what links it to its identity,
which of its subjects are trusted and by what, what is planned for it, and what holds it
back and would change that. Reads the state directory alone.

` + objectHelp,
		Example: "  unsecret why shop-production\n  unsecret why contoso/shop/.github/workflows/deploy.yml:14:9",
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return answer(a, args[0], output, explain.Why, printWhy) },
	}
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

func printWhy(w io.Writer, e explain.Explanation) {
	bullet(w, "", objectLine(e.Object))
	fmt.Fprintln(w, "\nclassified:")
	printStatement(w, e.Classified)
	if len(e.Linked) > 0 {
		fmt.Fprintln(w, "\nlinked:")
	}
	for _, s := range e.Linked {
		printStatement(w, s)
	}
	printCoverage(w, e.Coverage)
	if len(e.Planned) > 0 {
		fmt.Fprintln(w, "\nplanned:")
	}
	for _, p := range e.Planned {
		mark, title := stepMark(p.Irreversible, p.Phase == string(plan.PhaseRevoke)), p.Title
		if p.Done {
			mark, title = "  "+stepMarks[execute.StepDone]+" ", title+" (done)"
		}
		bullet(w, mark, title)
	}
	printReasons(w, e)
	printStandings(w, e.Units)
}

func printStatement(w io.Writer, s explain.Statement) {
	bullet(w, "  ", s.Claim)
	for _, b := range s.Because {
		bullet(w, "    because ", b)
	}
	if s.Source != "" {
		bullet(w, "    source  ", s.Source)
	}
}

func printCoverage(w io.Writer, lines []explain.Coverage) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintln(w, "\nsubjects:")
	for _, c := range lines {
		mark := "  ✓ "
		if c.State == plan.CoverageMissing {
			mark = "  ✗ "
		}
		bullet(w, mark, c.Subject+": "+coverageText(c))
	}
}

// coverageText says what trusts a subject.
func coverageText(c explain.Coverage) string {
	switch c.State {
	case plan.CoverageExisting:
		return "trusted by " + c.By
	case plan.CoveragePlanned:
		return "will be trusted by " + c.By + ", which is planned"
	case plan.CoverageService:
		return "Azure DevOps adds the trust itself when it converts the connection"
	}
	return "nothing trusts it"
}

// reasonHeads are the titles of what holds an object back, by the kinds of reasons.
var reasonHeads = []struct{ kind, head string }{
	{explain.ReasonBlocker, "blocked:"}, {explain.ReasonWithheld, "the old secret is kept:"}, {explain.ReasonLeft, "left alone:"}, {explain.ReasonNote, "worth knowing:"},
}

func printReasons(w io.Writer, e explain.Explanation) {
	said := advice{}
	for _, h := range reasonHeads {
		first := true
		for _, r := range e.Reasons {
			if r.Kind != h.kind {
				continue
			}
			if first {
				fmt.Fprintf(w, "\n%s\n", h.head)
			}
			first = false
			text := r.Message
			switch {
			case r.Object != "" && r.Kind == explain.ReasonWithheld:
				text = r.Object + ": " + text
			case r.Kind != explain.ReasonLeft && e.Object.Kind != inventory.ObjectConnection:
				text = r.Text()
			}
			said.print(w, "  · ", text+" ["+r.Code+"]", r.Next, r.Object)
		}
	}
}
