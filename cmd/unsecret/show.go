package main

import (
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/explain"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

const objectHelp = `ID is a connection's id or name (also ORGANISATION/NAME or PROJECT/NAME), an application's
client id, object id or display name, the key id of a password or certificate, the id or
name of a federated credential, a login (OWNER/REPO/FILE:LINE:COLUMN), a GitHub secret
(OWNER/REPO/NAME, or its name where only one has it), a secret of Azure DevOps outside of a
connection (ORGANISATION/PROJECT/WHERE/NAME; unsecret list secrets -o json has it whole) or the
id of a unit.`

func newShow(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show everything around one object of the last scan",
		Long: `Shows one object of the last scan's inventory with what it is linked to, its last use,
its findings, and the unit of the plan that it belongs to. Reads the state directory
alone.

` + objectHelp,
		Example: "  unsecret show shop-production\n  unsecret show contoso/shop/AZURE_CREDENTIALS",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return answer(a, args[0], output, explain.Show, printView)
		},
	}
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

// answer finds the object that a text names, asks about it, and renders what was told: show and why differ only in the question.
func answer[T any](a *app, text, output string, ask func(explain.Input, inventory.Object) T, render func(io.Writer, T)) error {
	if err := checkOutput(output, "table", "json"); err != nil {
		return err
	}
	q, err := a.query()
	if err != nil {
		return err
	}
	o, err := q.object(text)
	if err != nil {
		return err
	}
	told := ask(q.Input, o)
	if output == "json" {
		return a.printJSON(told)
	}
	render(a.std.out, told)
	if q.note != "" {
		fmt.Fprintln(a.std.out)
		paragraph(a.std.out, "", q.note)
	}
	return nil
}

func printView(w io.Writer, v explain.View) {
	bullet(w, "", objectLine(v.Object))
	facts := append(v.Facts, explain.Fact{Name: "last use", Value: v.LastUse.Text})
	printFacts(w, facts)
	for _, r := range v.Related {
		fmt.Fprintf(w, "\n%s:\n", clean(r.Name))
		for _, o := range r.Objects {
			bullet(w, "  · ", objectLine(o))
		}
	}
	for _, s := range v.Sections {
		fmt.Fprintf(w, "\n%s:\n", clean(s.Name))
		for _, line := range s.Lines {
			bullet(w, "  · ", line)
		}
	}
	printFindings(w, v.Findings)
	printStandings(w, v.Units)
}

// printFacts writes names and values in two columns.
func printFacts(w io.Writer, facts []explain.Fact) {
	width := 0
	for _, f := range facts {
		width = max(width, utf8.RuneCountInString(f.Name))
	}
	for i, f := range facts {
		name := f.Name
		if i > 0 && facts[i-1].Name == name {
			name = ""
		}
		bullet(w, fmt.Sprintf("  %-*s  ", width, name), f.Value)
	}
}

func printFindings(w io.Writer, findings []policy.Finding) {
	if len(findings) == 0 {
		return
	}
	fmt.Fprintln(w, "\nfindings:")
	for _, f := range findings {
		text := fmt.Sprintf("%s %s: %s", f.Severity, f.Rule, f.Message)
		if f.Excepted != nil {
			text += " (accepted: " + f.Excepted.Reason + ")"
		}
		bullet(w, "  · ", text)
	}
}

func printStandings(w io.Writer, units []explain.Standing) {
	if len(units) == 0 {
		return
	}
	fmt.Fprintln(w, "\nin the plan:")
	for _, u := range units {
		text := fmt.Sprintf("unit %s, wave %d", u.ID, u.Wave)
		switch {
		case u.Blocked:
			text += ", blocked"
		case u.Withheld:
			text += ", the old secret is kept"
		}
		if u.State != "" && !u.Blocked {
			text += ", " + stateText(execute.UnitState(u.State))
		}
		bullet(w, "  · ", text)
	}
}
