package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/identify"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/reports"
)

// execution is what the commands that carry a plan out share.
type execution struct {
	only   []string
	yes    bool
	dryRun bool
	steps  bool
	output string
}

func (x *execution) flags(cmd *cobra.Command, writes bool) {
	f := cmd.Flags()
	f.StringSliceVar(&x.only, "only", nil, "only these `units`, by id")
	if writes {
		x.writeFlags(cmd)
	}
	x.showFlags(cmd)
}

func (x *execution) writeFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&x.yes, "yes", false, "do not ask before changing things")
	cmd.Flags().BoolVar(&x.dryRun, "dry-run", false, "show what would be done, and change nothing")
}

func (x *execution) showFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&x.steps, "steps", false, "list every step, also those that are done")
	outputFlag(cmd, &x.output, "table", "json")
}

// check refuses what neither the plan nor an earlier one that is under way can answer, before anything is asked outside.
func (x *execution) check(a *app, p *plan.Plan) error {
	for _, id := range x.only {
		if _, ok := p.Unit(id); ok {
			continue
		}
		r, _, err := a.readStatus(p)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(r.Units, func(u execute.UnitResult) bool { return u.Unit == id }) {
			return usageErrorf("the plan has no unit %q: see `unsecret status` for the units", id)
		}
	}
	return nil
}

// executor opens what carrying a plan out needs. The returned function closes it.
func (a *app) executor(ctx context.Context, x execution, command string, readOnly bool) (*execute.Executor, func(), error) {
	c, err := a.config()
	if err != nil {
		return nil, nil, err
	}
	p, err := a.loadPlan()
	if err != nil {
		return nil, nil, err
	}
	if err := x.check(a, p); err != nil {
		return nil, nil, err
	}
	inv, err := a.loadInventory()
	if err == nil {
		c.fill(inv)
	}
	conn, err := a.connect(ctx, c, readOnly)
	if err != nil {
		return nil, nil, err
	}
	e, done, err := a.openExecutor(p, conn.outside, command, func() {
		conn.report(a)
		conn.Close()
	})
	if e != nil && inv != nil && inv.Version == inventory.Version {
		e.Snapshot = inv
	}
	return e, done, err
}

// fill takes from the scan what the configuration leaves out, since the scan may have been told by flags.
func (c *config) fill(inv *inventory.Inventory) {
	if len(c.AzureDevOps.Organizations)+len(c.GitHub.Organizations)+len(c.GitHub.Repositories) > 0 || c.Entra.Tenant != "" {
		return
	}
	for _, s := range inv.Sources {
		switch s.Kind {
		case inventory.SourceAzureDevOps:
			c.AzureDevOps.Organizations = append(c.AzureDevOps.Organizations, s.Name)
		case inventory.SourceGitHub:
			c.GitHub.Organizations = append(c.GitHub.Organizations, s.Name)
		case inventory.SourceEntra:
			c.Entra.Tenant = s.Name
		}
	}
}

func (a *app) openExecutor(p *plan.Plan, outside execute.Outside, command string, closing func()) (*execute.Executor, func(), error) {
	actor := currentUser()
	approvals, err := a.approvals()
	if err != nil {
		closing()
		return nil, nil, err
	}
	journal, err := a.openJournal(command)
	if err != nil {
		closing()
		return nil, nil, err
	}
	show := a.progress()
	e := &execute.Executor{Outside: outside, Journal: journal, Plan: p, Actor: actor, Approvals: approvals, Progress: func(ev execute.Event) {
		if ev.State == execute.StepDone || ev.State == execute.StepFailed || ev.State == execute.StepRefused || ev.State == execute.StepUndone {
			show.say("%s: %s", ev.State, ev.Title)
		}
	}}
	return e, func() {
		show.done()
		if err := journal.Close(); err != nil {
			fmt.Fprintf(a.std.err, "unsecret: close the journal: %v\n", err)
		}
		closing()
	}, nil
}

// currentUser names who runs the program, for the journal: user@host.
func currentUser() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return clean(name)
}

func newApply(a *app) *cobra.Command {
	x, o := execution{}, execute.ApplyOptions{}
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Carry the plan out up to the point before revoking",
		Long: `Carries out plan.json: adds the trust, converts connections, sets variables and opens one pull
request for each repository. No old secret is removed. A step whose object has changed since the scan is
refused, with what changed. Where a gate is not met, the rest goes on, and the command ends with 4. A later
wave waits until every unit of the earlier ones is verified.

It can be stopped and started again at any time: what was done is in the journal.
Shows what it will do and asks first; with no terminal it refuses without --yes. Ends with 5 if a step failed
or was refused, with 4 if a unit waits for something, and with 0 otherwise.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.apply(cmd.Context(), x, o) },
	}
	x.flags(cmd, true)
	a.waitFlag(cmd)
	cmd.Flags().IntVar(&o.Wave, "wave", 0, "only units of the wave with this `number`")
	cmd.Flags().StringSliceVar(&o.Skip, "skip", nil, "`units` that later waves do not wait for; journaled")
	return cmd
}

func (a *app) apply(ctx context.Context, x execution, o execute.ApplyOptions) error {
	return a.change(ctx, x, "apply", "Apply this?", func(e *execute.Executor, dry bool) (execute.Result, error) {
		o.Only, o.DryRun = x.only, dry
		return e.Apply(ctx, o)
	})
}

// change runs a command that writes: first dry, to show what it will do, then, after a yes, for real.
func (a *app) change(ctx context.Context, x execution, command, question string, run func(e *execute.Executor, dry bool) (execute.Result, error)) error {
	if err := checkOutput(x.output, "table", "json"); err != nil {
		return err
	}
	// Before a revoke each connection tests itself again, which is a write for the transport, though it changes nothing.
	e, done, err := a.executor(ctx, x, command, x.dryRun && command != "revoke")
	if err != nil {
		return err
	}
	defer done()
	if x.dryRun || !x.yes {
		r, err := run(e, true)
		if err != nil {
			return executeError(command, err)
		}
		if x.dryRun {
			return a.showResult(r, x)
		}
		printResult(a.std.err, r, x.steps)
		if err := a.confirm(ctx, question); err != nil {
			return err
		}
	}
	r, err := run(e, false)
	if err != nil {
		return executeError(command, err)
	}
	err = a.showResult(r, x)
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// errInterrupted is what a command that carries a plan out says when it was interrupted.
var errInterrupted = errors.New("interrupted: what was done is in the journal; run the same command again to go on")

// executeError gives the exit code of an error that ended a whole command.
func executeError(command string, err error) error {
	if errors.Is(err, context.Canceled) {
		return errInterrupted
	}
	return fmt.Errorf("%s: %w", command, err)
}

func newVerify(a *app) *cobra.Command {
	x := execution{}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove that each unit signs in the new way",
		Long: `Proves each unit twice. On paper: every subject that any trigger of any login can present is
trusted by a federated credential that is there now. In the world: each connection passes its own test, and each
rewritten workflow has a green run, or its identity a sign-in with the new federated credential, since the merge.
Changes nothing outside; the proof is written to the journal, where revoke looks for it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.verify(cmd.Context(), x) },
	}
	x.flags(cmd, false)
	a.waitFlag(cmd)
	return cmd
}

func (a *app) verify(ctx context.Context, x execution) error {
	if err := checkOutput(x.output, "table", "json"); err != nil {
		return err
	}
	// A connection's own test counts as a write of Azure DevOps, so the transport cannot be read-only here.
	e, done, err := a.executor(ctx, x, "verify", false)
	if err != nil {
		return err
	}
	defer done()
	r, err := e.Verify(ctx, execute.VerifyOptions{Only: x.only})
	if err != nil {
		return executeError("verify", err)
	}
	return a.showResult(r, x)
}

func newRevoke(a *app) *cobra.Command {
	x, accept := execution{}, acceptance{}
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "Remove the old secrets whose gates hold",
		Long: `Removes each old secret for which all of this holds: everything known to use it has moved and is
verified, the soak time is over, and the sign-in log shows no use of that key since. This is the point of no return: a
removed secret cannot be brought back; a rollback after it mints a new one.

Where the sign-in log cannot be had (no Entra ID P1 or P2, no permission), --accept-no-sign-in-log
decides to go on without it. Where the log shows uses that are explained since, --accept-uses-until says
until when; the soak time then begins again with the last of them. Where nothing could be rolled back afterwards (an app
management policy forbids the new password that a rollback would mint, the caller may not add one or not write a secret
again, a repository is archived), a unit is taken only where --only names it and --accept-no-rollback consents. These
decisions are written to the journal.

Of connections that a person has moved to Entra's issuer, and of what is left of others, the federated credential for the old
issuer is removed: when everything that presented it signs in with the new one, the soak time since that was first seen is over,
and the sign-in log shows no use of it since. A rollback adds the same one again.

Of an application with several passwords, or several such federated credentials, one run removes one. The next follows when plan.revoke.watch is over (24h by default)
and no sign-in has failed since for want of the removed one.

One run removes the secrets of at most plan.revoke.share percent of the units (30 by default; --force lifts that). Units
that are shared, production or privileged (plan.revoke.name) are taken only where --only names them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.revoke(cmd.Context(), x, accept) },
	}
	x.flags(cmd, true)
	a.waitFlag(cmd)
	cmd.Flags().BoolVar(&accept.noLog, "accept-no-sign-in-log", false, "revoke although the sign-in log cannot be read; journaled")
	cmd.Flags().BoolVar(&accept.noRollback, "accept-no-rollback", false, "revoke the units that --only names although they could not be rolled back afterwards; journaled")
	cmd.Flags().BoolVar(&accept.force, "force", false, "lift the limit on how many units one run revokes")
	cmd.Flags().StringVar(&accept.until, "accept-uses-until", "", "uses of the old secret until this `time` are explained: now, or as 2026-11-02T09:00:00Z; journaled")
	return cmd
}

// acceptance are the operator's decisions about a revoke.
type acceptance struct {
	noLog      bool
	noRollback bool
	until      string
	force      bool
}

// usesUntil reads the time until which uses are explained.
func (c acceptance) usesUntil() (time.Time, error) {
	switch c.until {
	case "":
		return time.Time{}, nil
	case "now":
		return time.Now(), nil
	}
	t, err := time.Parse(time.RFC3339, c.until)
	if err != nil {
		return t, usageErrorf("invalid argument %q for --accept-uses-until: it must be now, or a time such as 2026-11-02T09:00:00Z", c.until)
	}
	return t, nil
}

func (a *app) revoke(ctx context.Context, x execution, accept acceptance) error {
	until, err := accept.usesUntil()
	if err != nil {
		return err
	}
	if accept.noRollback && len(x.only) == 0 {
		return usageErrorf("--accept-no-rollback needs --only: name the units that may be revoked without a way back")
	}
	return a.change(ctx, x, "revoke", "Carry this out? What is a secret is removed for good.", func(e *execute.Executor, dry bool) (execute.Result, error) {
		return e.Revoke(ctx, execute.RevokeOptions{Only: x.only, AcceptNoSignInLog: accept.noLog, AcceptUsesUntil: until, AcceptNoRollback: accept.noRollback, Force: accept.force, DryRun: dry})
	})
}

func newRollback(a *app) *cobra.Command {
	x, repository := execution{}, ""
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Undo units, at any point",
		Long: `Undoes the steps of a unit so that at no time anything cannot sign in: the old way is restored first, then the
workflows go back, and only then the new trust is removed. Before a revoke it converts connections back within their
seven days; after it, or after that time, it mints a new short-lived secret and puts it straight into every place that
held the old one. Pull requests that are merged are reverted by a pull request; run rollback again once it is merged.

What stands against it (a policy, a missing right, an archived repository, something deleted) is said before anything is
changed, with what a person must do about it; --dry-run says the same.`,
		Example: `  unsecret rollback --unit contoso-pipelines-33666908 --dry-run`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if repository != "" && len(x.only) == 0 {
				return usageErrorf("--repository needs --unit: name the unit that goes back in it")
			}
			return a.rollback(cmd.Context(), x, inventory.RepositoryName(repository))
		},
	}
	cmd.Flags().StringSliceVar(&x.only, "unit", nil, "the `units` to roll back, by id; default all that were changed")
	cmd.Flags().StringVar(&repository, "repository", "", "only the workflows of this `repository` of the units, while their old secret is still there")
	x.writeFlags(cmd)
	a.waitFlag(cmd)
	x.showFlags(cmd)
	return cmd
}

func (a *app) rollback(ctx context.Context, x execution, repository inventory.RepositoryName) error {
	return a.change(ctx, x, "rollback", "Roll this back?", func(e *execute.Executor, dry bool) (execute.Result, error) {
		if !dry {
			if err := a.clearProbes(ctx, e); err != nil {
				return execute.Result{}, err
			}
		}
		units := x.only
		if len(units) == 0 {
			var err error
			if units, err = changedUnits(e); err != nil || len(units) == 0 {
				return execute.Result{Command: "rollback", Time: time.Now(), DryRun: dry, Units: []execute.UnitResult{}}, err
			}
		}
		return e.Rollback(ctx, execute.RollbackOptions{Units: units, Repository: repository, DryRun: dry})
	})
}

// changedUnits are the units that there is something to undo of.
func changedUnits(e *execute.Executor) ([]string, error) {
	r, err := e.Status()
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, u := range r.Units {
		switch u.State {
		case execute.UnitBlocked, execute.UnitPlanned, execute.UnitRolledBack:
		default:
			ids = append(ids, u.Unit)
		}
	}
	return ids, nil
}

func newStatus(a *app) *cobra.Command {
	x := execution{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where each unit stands and what it waits for",
		Long: `Shows from the plan and the journal where each unit stands, what it waits for and until when. It reads
the state directory alone: nothing outside is asked, and another command may be running. Ends with 5 if a step of
a unit failed, with 4 if a unit waits for something, and with 0 otherwise.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.status(x) },
	}
	cmd.Flags().StringSliceVar(&x.only, "unit", nil, "only these `units`, by id")
	x.showFlags(cmd)
	return cmd
}

func (a *app) status(x execution) error {
	if err := checkOutput(x.output, "table", "json"); err != nil {
		return err
	}
	p, err := a.loadPlan()
	if err != nil {
		return err
	}
	if err := x.check(a, p); err != nil {
		return err
	}
	r, damage, err := a.readStatus(p)
	if err != nil {
		return err
	}
	if len(x.only) > 0 {
		r.Units = slices.DeleteFunc(r.Units, func(u execute.UnitResult) bool { return !slices.Contains(x.only, u.Unit) })
	}
	if damage == nil {
		return a.showResult(r, x)
	}
	if x.output == "json" {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		a.printDamaged(r, x)
	}
	return &exitError{code: exitPartly, err: damage}
}

// printDamaged shows where the units stood at a damage of the journal, without advice to go on: what was done after it is not known.
func (a *app) printDamaged(r execute.Result, x execution) {
	paragraph(a.std.out, "", "The journal is damaged: what follows is only what stands before the damage, and more may have been done. Pipelines are as they were: nothing is changed until the journal is mended.")
	bullet(a.std.out, "→ ", "unsecret journal verify says what is damaged, and what to do about it")
	fmt.Fprintln(a.std.out)
	for _, u := range r.Units {
		printUnit(a.std.out, u, r, x.steps)
		fmt.Fprintln(a.std.out)
	}
	paragraph(a.std.out, "", resultSummary(r))
}

// readStatus folds the journal. With a damaged one it gives the state up to the damage, and the damage.
func (a *app) readStatus(p *plan.Plan) (r execute.Result, damage, err error) {
	records, plans, damage, err := a.past()
	if err != nil {
		return r, nil, err
	}
	approvals, err := a.approvals()
	if err != nil {
		return r, nil, err
	}
	r = execute.Standing(p, records, plans, time.Now(), approvals...)
	r.Leftovers = identify.Leftovers(records)
	return r, damage, nil
}

// past gives what the journal tells, up to a damage, and the plans that it names.
func (a *app) past() (records []execute.Record, plans execute.Plans, damage, err error) {
	records, err = a.readJournal()
	var d *execute.DamageError
	if errors.As(err, &d) {
		damage, err = d, nil
	}
	if err != nil {
		return nil, nil, nil, err
	}
	s, err := a.store()
	if err != nil {
		return nil, nil, nil, err
	}
	return records, execute.KeptPlans(a.context(), s), damage, nil
}

// unitProgress gives the state of each unit for a report.
func (a *app) unitProgress(p *plan.Plan) ([]reports.UnitProgress, error) {
	r, _, err := a.readStatus(p)
	if err != nil {
		return nil, err
	}
	var out []reports.UnitProgress
	for _, u := range r.Units {
		up := reports.UnitProgress{Unit: u.Unit, State: string(u.State), Detail: u.Reason}
		for _, g := range u.Gates {
			if up.Detail == "" {
				up.Detail = g.Reason
			}
			if up.Until.IsZero() {
				up.Until = g.Until
			}
		}
		out = append(out, up)
	}
	return out, nil
}
