package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/scan"
)

// unitPlanned is what came of planning one unit again.
type unitPlanned struct {
	Unit     string         `json:"unit"`
	Plan     string         `json:"plan"` // hash of the new plan
	DryRun   bool           `json:"dryRun"`
	Read     inventory.Part `json:"read"`
	Requests int            `json:"requests"`
	Changes  []string       `json:"changes"`
	Own      int            `json:"own"` // changes that the unit's own steps have made
	Units    []plan.Renewed `json:"units"`
	Stays    []string       `json:"stays"`
}

// planUnit plans one unit again by itself. It holds the journal's lock, so that nobody carries the unit out while it is read.
func (a *app) planUnit(ctx context.Context, o planOptions) error {
	if err := checkOutput(o.output, "table", "json"); err != nil {
		return err
	}
	c, err := o.settings(a)
	if err != nil {
		return err
	}
	// What cannot be planned anyway should be known before somebody is waited for.
	saved, err := a.loadPlan()
	if err == nil {
		err = (&execution{only: []string{o.unit}}).check(a, saved)
	}
	if err != nil {
		return err
	}
	if !o.dryRun {
		journal, err := a.openJournal("plan")
		if err != nil {
			return err
		}
		defer func() {
			if err := journal.Close(); err != nil {
				fmt.Fprintf(a.std.err, "unsecret: close the journal: %v\n", err)
			}
		}()
	}
	if saved, err = a.loadPlan(); err != nil {
		return err
	}
	before, err := a.loadInventory()
	if err != nil {
		return err
	}
	records, plans, err := a.knownPast()
	if err != nil {
		return err
	}
	present := execute.Present(saved, records, plans)
	unit, ok := present.Unit(o.unit)
	if !ok {
		return usageErrorf("the plan has no unit %q: see `unsecret status` for the units", o.unit)
	}
	c.fill(before)
	out := unitPlanned{Unit: o.unit, DryRun: o.dryRun, Read: plan.ObjectsOf(before, unit)}
	after, err := a.readAgain(ctx, c, before, &out)
	if err != nil {
		return err
	}
	r, err := plan.Again(saved, before, after, c.Plan, o.unit, execute.MovedBy(records, plans)...)
	if different := (*plan.ConfigError)(nil); errors.As(err, &different) {
		return usageErrorf("%w: put it back, or plan all units anew: unsecret plan", err)
	}
	if err != nil {
		return usageErrorf("plan: %w", err)
	}
	out.Plan = r.Plan.Hash()
	out.Changes, out.Own = plan.Differences(before, after, out.Read, unit)
	out.Units, out.Stays = r.Units, append([]string{}, r.Stays...)
	if !o.dryRun {
		// The plan goes first: with a new plan and the old inventory this command can be run again, and finds the same.
		if err := a.save(planFile, r.Plan); err != nil {
			return err
		}
		if err := a.save(inventoryFile, after); err != nil {
			return fmt.Errorf("%w; the plan is written: run the same command again", err)
		}
	}
	if o.output == "json" {
		return a.printJSON(out)
	}
	printUnitPlanned(a.std.out, out, r.Plan, execute.Present(r.Plan, records, plans), a.statePath(planFile))
	return nil
}

// readAgain reads what a unit is about again, and counts the requests that it took.
func (a *app) readAgain(ctx context.Context, c *config, before *inventory.Inventory, out *unitPlanned) (*inventory.Inventory, error) {
	set, err := a.connect(ctx, c, true)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	p := a.progress()
	after, err := scan.Again(ctx, set.sources, scan.Options{
		Tool: toolName(), Now: set.now, Progress: p.update, Applications: c.applications(), Targets: c.Plan.TargetNames(),
		SignInWindow: time.Duration(c.Scan.SignInDays) * 24 * time.Hour,
	}, before, out.Read)
	p.done()
	set.report(a)
	for _, n := range set.Transport.Counts() {
		out.Requests += n.Reads
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, errors.New("interrupted: nothing was written, the plan is as it was")
		}
		return nil, fmt.Errorf("read unit %s again: %w; nothing was written, the plan is as it was", out.Unit, err)
	}
	return after, nil
}

// printUnitPlanned shows the new plan of a unit. Present is the plan with what earlier ones did.
func printUnitPlanned(w io.Writer, out unitPlanned, p, present *plan.Plan, place string) {
	paragraph(w, "", fmt.Sprintf("Read again: %s, %s, %s (%s).", plural(len(out.Read.Applications), "application"), plural(len(out.Read.Connections), "connection"),
		plural(len(out.Read.Repositories), "GitHub repository"), plural(out.Requests, "request")))
	own := ""
	if out.Own > 0 {
		own = fmt.Sprintf(", beside %s of the unit's own steps", plural(out.Own, "change"))
	}
	if len(out.Changes) == 0 {
		paragraph(w, "", "Nothing of it has changed since it was last read"+own+".")
	} else {
		paragraph(w, "", "What has changed since it was last read"+own+":")
	}
	for _, c := range out.Changes {
		bullet(w, "  · ", c)
	}
	fmt.Fprintln(w)
	said := advice{}
	for _, x := range out.Units {
		_, there := present.Unit(x.Unit)
		printRenewed(w, out.Unit, x, there)
		if u, ok := p.Unit(x.Unit); ok && x.What != plan.AgainSame {
			said.printUnit(w, u)
		}
	}
	if len(out.Stays) > 0 {
		paragraph(w, "", "These have to do with what has changed, too, and stay as they are: "+strings.Join(out.Stays, ", ")+". Where apply refuses one, plan it again in the same way.")
	}
	others := len(p.Units)
	for _, x := range out.Units {
		if _, ok := p.Unit(x.Unit); ok {
			others--
		}
	}
	paragraph(w, "", fmt.Sprintf("%s as before.", plural(others, "other unit")))
	if out.DryRun {
		fmt.Fprintln(w, "Nothing was written (--dry-run).")
		return
	}
	fmt.Fprintf(w, "Written to %s. Next:\n", place)
	changed := slices.ContainsFunc(out.Units, func(x plan.Renewed) bool { return x.What == plan.AgainChanged })
	if asked := p.Settings.Approval; changed && asked != "" && asked != plan.ApprovalNone {
		bullet(w, "→ ", "an approval of what it was before does not hold for its new plan: review it, then unsecret approve "+out.Unit)
	}
	if _, ok := p.Unit(out.Unit); !ok {
		bullet(w, "→ ", "unsecret status")
		return
	}
	bullet(w, "→ ", "unsecret apply --dry-run --only "+out.Unit)
}

// printRenewed says what became of one unit. It is under way where an earlier plan has done something with it.
func printRenewed(w io.Writer, named string, x plan.Renewed, underWay bool) {
	text := map[string]string{
		plan.AgainSame:    "Its plan is as it was",
		plan.AgainChanged: "Its new plan, which goes on from what is there now",
		plan.AgainAdded:   "It is new in the plan",
		plan.AgainRemoved: "There is nothing to do for it any more, so that the plan does not have it; nothing was done of it before",
	}[x.What]
	if x.What == plan.AgainRemoved && underWay {
		text = "Nothing more is to be changed for it, so that the new plan does not have it. What was done of it counts: it is waited for, proved, revoked and rolled back by the plan that did it (unsecret status)"
	}
	if x.Unit != named {
		text = "Planned again with it: " + strings.Join(x.Why, "; ") + ". " + text
	}
	paragraph(w, "", x.Unit+": "+text+".")
}
