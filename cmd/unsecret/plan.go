package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

func newPlan(a *app) *cobra.Command {
	o := planOptions{}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Plan the move to workload identity federation; changes nothing",
		Long: `Turns the inventory of the last scan into plan.json in the state directory: what will
be changed in which order, what each step needs and how it is undone, and for all that is left
alone the reason and what a person would do. Nothing outside is read or changed, and
the same inventory and configuration give the same plan.

Where the identity behind a GitHub secret is not known, the plan says which mapping to
write into the configuration file.

With --unit it plans one unit again by itself, where apply has refused it since something of it has changed. It reads
what that unit is about again, and nothing else: its application, its connections and the pipelines that use them, and the
repositories of its logins. It takes that into the inventory, says what has changed, and puts the new plan of the unit in
the place of the old one. Every other unit stays as it is and goes on, whatever was done of it. Another one is planned again with it only
where that is necessary, and then it says why. What was done of the unit is not lost: verify, revoke and rollback know it.`,
		Example: `  unsecret plan
  unsecret plan --unit contoso-pipelines-33666908
  unsecret plan --unit contoso-pipelines-33666908 --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.unit != "":
				return a.planUnit(cmd.Context(), o)
			case cmd.Flags().Changed("unit"):
				return usageErrorf("--unit needs the id of a unit: see `unsecret status` for the units")
			case o.dryRun || cmd.Flags().Changed("wait"):
				return usageErrorf("--dry-run and --wait need --unit: without it only the state is read")
			}
			return a.plan(o)
		},
	}
	outputFlag(cmd, &o.output, "table", "json")
	cmd.Flags().StringVar(&o.unit, "unit", "", "plan this `unit` again by itself, by id, from what it is about now")
	cmd.Flags().BoolVar(&o.shared, "include-shared", false, "convert connections that several projects share, as plan.includeShared")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "with --unit: read and show, and write nothing")
	a.waitFlag(cmd)
	return cmd
}

type planOptions struct {
	unit   string
	shared bool
	dryRun bool
	output string
}

// settings is the configuration with what the command line adds to it.
func (o planOptions) settings(a *app) (*config, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	c.Plan.IncludeShared = c.Plan.IncludeShared || o.shared
	return c, nil
}

func (a *app) plan(o planOptions) error {
	if err := checkOutput(o.output, "table", "json"); err != nil {
		return err
	}
	c, err := o.settings(a)
	if err != nil {
		return err
	}
	inv, err := a.loadInventory()
	if err != nil {
		return err
	}
	records, plans, err := a.knownPast()
	if err != nil {
		return err
	}
	p, err := plan.New(inv, c.Plan, execute.MovedBy(records, plans)...)
	if err != nil {
		return usageErrorf("plan: %w", err)
	}
	if err := a.save(planFile, p); err != nil {
		return err
	}
	if o.output == "json" {
		return a.printJSON(p)
	}
	printPlan(a.std.out, p)
	if n := len(execute.Present(p, records, plans).Units) - len(p.Units); n > 0 {
		verb := "go"
		if n == 1 {
			verb = "goes"
		}
		paragraph(a.std.out, "", fmt.Sprintf("%s of earlier plans %s on beside it as planned then: see unsecret status.", plural(n, "unit"), verb))
	}
	fmt.Fprintf(a.std.out, "Written to %s. Next: review it, then unsecret apply --dry-run.\n", a.statePath(planFile))
	return nil
}

// knownPast is what the journal tells, with a warning where that is not all.
func (a *app) knownPast() ([]execute.Record, execute.Plans, error) {
	records, plans, damage, err := a.past()
	if damage != nil {
		fmt.Fprintf(a.std.err, "unsecret: warning: %v: what stands after that is not known to the plan\n", damage)
	}
	return records, plans, err
}

func printPlan(w io.Writer, p *plan.Plan) {
	said := advice{}
	for _, u := range p.Units {
		said.printUnit(w, u)
	}
	said.printLeft(w, p.Left)
	for _, r := range p.Proposed {
		said.print(w, "Proposed: ", r.Message, r.Next, r.Code)
		fmt.Fprintln(w)
	}
	s := p.Summary
	removals := ""
	if n := oldTrusts(p); n > 0 {
		removals = ", " + plural(n, "federated credential") + " of the old issuer"
	}
	paragraph(w, "", fmt.Sprintf("%s: %d ready, %d blocked; old secrets kept: %d. Apply: %s, %s, %s, %s (%s). Revoke: %s, %s%s. %s left alone.",
		plural(s.Units, "unit"), s.Ready, s.Blocked, s.Withheld,
		plural(s.FederatedCredentials, "federated credential"), plural(s.Connections, "connection"), plural(s.Variables, "variable"),
		plural(s.PullRequests, "pull request"), plural(s.Logins, "login"), plural(s.Credentials, "credential"), plural(s.Secrets, "secret"), removals, plural(s.Left, "object")))
}

// oldTrusts counts the federated credentials that a revoke removes.
func oldTrusts(p *plan.Plan) (n int) {
	for _, u := range p.Units {
		for _, s := range u.Steps {
			if s.Kind == plan.StepTrustRemoval {
				n++
			}
		}
	}
	return n
}

// printUnit writes what is planned for one unit.
func (a advice) printUnit(w io.Writer, u plan.Unit) {
	state := ""
	switch {
	case u.Blocked():
		state = " · blocked"
	case len(u.Withheld) > 0:
		state = " · old secret is kept"
	}
	paragraph(w, "", fmt.Sprintf("%s  wave %d%s", u.Title, u.Wave, state))
	paragraph(w, "  id ", u.ID)
	for _, r := range u.Blockers {
		a.print(w, "  ✗ ", r.Text(), r.Next, u.Title)
	}
	if !u.Blocked() {
		for _, s := range u.Steps {
			if !s.OnDemand {
				bullet(w, stepMark(s.Class == plan.Irreversible, s.Phase == plan.PhaseRevoke), s.Title)
			}
		}
	}
	for _, r := range u.Withheld {
		a.print(w, "  ! ", r.Text(), r.Next, u.Title)
	}
	for _, r := range u.Notes {
		a.print(w, "  i ", r.Text(), r.Next, u.Title)
	}
	fmt.Fprintln(w)
}

// stepMark tells apply from revoke, and marks what cannot be undone.
func stepMark(irreversible, revoke bool) string {
	switch {
	case irreversible:
		return "  ⚠ "
	case revoke:
		return "  - "
	default:
		return "  + "
	}
}

// bullet writes a wrapped text behind a mark, with the following lines indented under the text.
func bullet(w io.Writer, mark, text string) {
	indent := strings.Repeat(" ", len([]rune(mark)))
	for i, l := range wrap(clean(text), lineWidth-len([]rune(mark))) {
		if i == 0 {
			fmt.Fprintln(w, mark+l)
		} else {
			fmt.Fprintln(w, indent+l)
		}
	}
}

// advice remembers what a person was told to do and where, so that the same list is not written again and again.
type advice map[string]string

// print writes a text and what to do about it, or where that is said already.
func (a advice) print(w io.Writer, mark, text string, next []string, where string) {
	bullet(w, mark, text)
	if len(next) == 0 {
		return
	}
	key := strings.Join(next, "\n")
	if said, ok := a[key]; ok && len(next) > 1 {
		bullet(w, "      → ", "as said above for "+said)
		return
	}
	a[key] = where
	printNext(w, "      ", next)
}

func (a advice) printLeft(w io.Writer, left []plan.Left) {
	if len(left) == 0 {
		return
	}
	fmt.Fprintln(w, "Left alone:")
	for _, l := range left {
		object := l.Object
		if l.Place != "" && l.Place != l.Object {
			object += " (" + l.Place + ")"
		}
		a.print(w, "  · ", object+": "+l.Reason, l.Next, l.Object)
	}
	fmt.Fprintln(w)
}
