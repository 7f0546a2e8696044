package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/reports"
)

func newDemo(a *app) *cobra.Command {
	dir := ""
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole journey on an emulated organisation",
		Long: `Starts a lab on loopback, an emulated organisation that behaves like the real services, and moves
it off stored credentials: scan, plan, apply, review, verify, revoke, and the rollback of one
unit. Nothing to configure, no account, no risk. The clients and the program are the
real ones. It leaves the HTML report of before and of after, and the state directory.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), dir) },
	}
	cmd.Flags().StringVar(&dir, "dir", "", "`directory` for the report and the state (default a new one)")
	return cmd
}

// demo is one run of the demonstration.
type demo struct {
	*app
	lab     *lab.Lab
	config  *config
	dir     string
	chapter int
	started time.Time

	inventory *inventory.Inventory
	plan      *plan.Plan
	old       []oldSecret
}

func (a *app) demo(ctx context.Context, dir string) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "unsecret-demo-"); err != nil {
			return fmt.Errorf("make a directory for the demo: %w", err)
		}
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	d := &demo{app: &app{std: a.std, stateDir: filepath.Join(dir, "state"), quiet: true}, dir: dir, started: time.Now()}
	w, mapping, err := lab.LoadSeedMapping(lab.Demo)
	if err != nil {
		return fmt.Errorf("load the demo's organisation: %w", err)
	}
	if d.lab, err = lab.Start(w, lab.Options{AutoRun: true}); err != nil {
		return fmt.Errorf("start the lab: %w", err)
	}
	defer d.lab.Close()
	d.config = labConfig(w, mapping)
	d.say("unsecret demo: an organisation moves off stored Azure credentials.")
	d.say("The organisation is emulated on loopback; the program and the SDKs are the real ones.")
	for _, chapter := range []func(context.Context) error{
		d.before, d.scanned, d.planned, d.applied, d.merged, d.soaked, d.revoked, d.rolledBack, d.reported,
	} {
		if err := chapter(ctx); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	return nil
}

// say writes a line of the story, wrapped.
func (d *demo) say(format string, args ...any) {
	paragraph(d.std.out, "", fmt.Sprintf(format, args...))
}

func (d *demo) note(format string, args ...any) {
	paragraph(d.std.out, "   ", fmt.Sprintf(format, args...))
}

// head begins a chapter, with the command that a person would type on the right.
func (d *demo) head(title, command string) {
	d.chapter++
	left := fmt.Sprintf("%d  %s", d.chapter, title)
	width := utf8.RuneCountInString(left)
	command = cut(command, lineWidth-width-2)
	if command != "" {
		left += strings.Repeat(" ", lineWidth-width-utf8.RuneCountInString(command)) + command
	}
	fmt.Fprintf(d.std.out, "\n%s\n", left)
}

// before runs every pipeline, to show what works today and remember the secrets that it works with.
func (d *demo) before(context.Context) error {
	d.head("Today: pipelines sign in with stored secrets", "")
	tally, err := d.runAll()
	if err != nil {
		return err
	}
	d.note("Every trigger of every workflow and every connection is run once: %s, %d with a stored secret, %d without. %s.", plural(tally.total(), "sign-in"), tally.secret, tally.federated, tally.verdict())
	d.old = oldSecrets(d.lab.World)
	return nil
}

// scan reads the organisation and keeps the inventory.
func (d *demo) scan(ctx context.Context) error {
	conn, err := d.connectLab(ctx, d.config, true)
	if err != nil {
		return err
	}
	defer conn.Close()
	if d.inventory, err = scan.Run(ctx, conn.sources, scan.Options{Tool: toolName(), Now: conn.now, Applications: d.config.applications(), AllApplications: true}); err != nil {
		return err
	}
	return d.save(inventoryFile, d.inventory)
}

func (d *demo) scanned(ctx context.Context) error {
	d.head("What a security team would see", "unsecret scan; unsecret check")
	d.lab.ResetCounts()
	if err := d.scan(ctx); err != nil {
		return err
	}
	findings := policy.Evaluate(d.inventory, d.config.Check)
	s := reports.Summarize(reports.Input{Inventory: d.inventory, Findings: findings})
	d.note("%d of %d workflow logins and %d of %d service connections use a stored secret; %s on %s.", s.LoginsStill, s.Logins, s.ConnectionsStill, s.Connections, plural(s.Credentials, "live credential"), plural(s.Identities, "application"))
	var counts []string
	for _, v := range policy.Severities() {
		counts = append(counts, fmt.Sprintf("%d %s", s.Findings[v], v))
	}
	d.note("Findings: %s. The worst:", strings.Join(counts, ", "))
	for i, f := range findings {
		if i == 3 {
			break
		}
		bullet(d.std.out, "   - ", fmt.Sprintf("%s: %s", f.Severity, f.Message))
	}
	for _, g := range d.inventory.Gaps {
		bullet(d.std.out, "   ? ", "not readable, so not known: "+g.Object)
	}
	d.note("%d requests were made, %d of them writes.", d.lab.Counts().Total(""), d.lab.Writes())
	return nil
}

func (d *demo) planned(context.Context) error {
	d.head("The plan", "unsecret plan")
	p, err := plan.New(d.inventory, d.config.Plan)
	if err != nil {
		return err
	}
	if err := d.save(planFile, p); err != nil {
		return err
	}
	d.plan = p
	for _, u := range p.Units {
		state := "ready"
		switch {
		case u.Blocked():
			state = "blocked: " + u.Blockers[0].Text()
		case len(u.Withheld) > 0:
			state = "ready, but its old secret stays: " + u.Withheld[0].Message
		}
		bullet(d.std.out, "   - ", fmt.Sprintf("%s (%s, %s): %s", u.Title, plural(len(u.Connections), "connection"), plural(len(u.Logins), "login"), state))
	}
	d.note("%s left alone, each with its reason and the manual steps.", plural(p.Summary.Left, "object"))
	return nil
}

func (d *demo) applied(ctx context.Context) error {
	d.head("Trust first, then connections and pull requests", "unsecret apply")
	r, err := d.run(ctx, "apply", func(e *execute.Executor) (execute.Result, error) { return e.Apply(ctx, execute.ApplyOptions{}) })
	if err != nil {
		return err
	}
	s := d.plan.Summary
	d.note("%s added, %s converted, %s set, %s opened:", plural(s.FederatedCredentials, "federated credential"), plural(s.Connections, "connection"), plural(s.Variables, "variable"), plural(s.PullRequests, "pull request"))
	for _, p := range openPulls(d.lab.World) {
		bullet(d.std.out, "   - ", p)
	}
	d.outcome(r)
	tally, err := d.runAll()
	if err != nil {
		return err
	}
	d.note("Meanwhile %s. %d already sign in without a secret.", lower(tally.verdict()), tally.federated)
	return nil
}

func (d *demo) merged(ctx context.Context) error {
	d.head("Reviewers merge, pipelines run, the proof is made", "unsecret verify")
	d.lab.World.Clock.Move(time.Hour) // nobody reviews in no time
	n, err := d.lab.MergeAll()
	if err != nil {
		return err
	}
	d.note("%s merged.", plural(n, "pull request"))
	if _, err := d.run(ctx, "apply", func(e *execute.Executor) (execute.Result, error) { return e.Apply(ctx, execute.ApplyOptions{}) }); err != nil {
		return err
	}
	tally, err := d.runAll()
	if err != nil {
		return err
	}
	d.note("%s: %d with a stored secret, %d without.", tally.verdict(), tally.secret, tally.federated)
	r, err := d.run(ctx, "verify", func(e *execute.Executor) (execute.Result, error) { return e.Verify(ctx, execute.VerifyOptions{}) })
	if err != nil {
		return err
	}
	d.outcome(r)
	return nil
}

// soaked shows that a revoke waits, then lets the time pass in which pipelines run as they always do.
func (d *demo) soaked(ctx context.Context) error {
	d.head("A revoke waits until nothing needs the old secret", "unsecret revoke")
	r, err := d.run(ctx, "revoke", d.revokeNow(ctx))
	if err != nil {
		return err
	}
	d.outcome(r)
	if until := r.PendingUntil(); !until.IsZero() {
		d.note("Not before %s: the soak time is %s. The lab's clock moves on, and pipelines run.", until.Format("2006-01-02 15:04 UTC"), roughly(d.config.Plan.SoakTime()))
	}
	d.lab.World.Clock.Move(d.config.Plan.SoakTime() + 24*time.Hour)
	tally, err := d.runAll()
	if err != nil {
		return err
	}
	d.note("%s.", tally.verdict())
	return nil
}

func (d *demo) revokeNow(ctx context.Context) func(*execute.Executor) (execute.Result, error) {
	return func(e *execute.Executor) (execute.Result, error) { return e.Revoke(ctx, execute.RevokeOptions{}) }
}

func (d *demo) revoked(ctx context.Context) error {
	d.head("The point of no return", "unsecret revoke")
	r, err := d.run(ctx, "revoke", d.revokeNow(ctx))
	if err != nil {
		return err
	}
	d.outcome(r)
	if r.Pending() && !r.PendingUntil().IsZero() {
		d.note("Of an application with several passwords one goes at a time. The lab's clock moves on, and no sign-in fails.")
		d.lab.World.Clock.Move(d.config.Plan.Revoke.WatchTime() + time.Hour)
		if r, err = d.run(ctx, "revoke", d.revokeNow(ctx)); err != nil {
			return err
		}
		d.outcome(r)
	}
	dead, alive := d.tryOld()
	d.note("Of the secrets of before, %d are refused with AADSTS7000215; %d still work, of applications that the plan leaves alone.", dead, alive)
	tally, err := d.runAll()
	if err != nil {
		return err
	}
	d.note("%s: %d without a secret, %d with one that only a person can replace, such as a publish profile.", tally.verdict(), tally.federated, tally.secret)
	return nil
}

// rolledBack takes one revoked unit back, as an engineer would at night.
func (d *demo) rolledBack(ctx context.Context) error {
	unit, ok := d.unitToRollBack()
	if !ok {
		return fmt.Errorf("no unit was revoked, so none can be rolled back")
	}
	d.head("And back again, for one unit", "unsecret rollback --unit "+unit.ID)
	var r execute.Result
	var err error
	for range 3 {
		r, err = d.run(ctx, "rollback", func(e *execute.Executor) (execute.Result, error) {
			return e.Rollback(ctx, execute.RollbackOptions{Units: []string{unit.ID}})
		})
		if err != nil {
			return err
		}
		if !r.Pending() {
			break
		}
		n, err := d.lab.MergeAll()
		if err != nil {
			return err
		}
		d.note("A new short-lived secret is in place. The reviewer merges %s, and the workflows are as they were.", plural(n, "pull request"))
	}
	d.outcome(r)
	tally, err := d.runAll()
	if err != nil {
		return err
	}
	d.note("%s: %d with a stored secret, %d without.", tally.verdict(), tally.secret, tally.federated)
	return nil
}

// unitToRollBack picks the revoked unit with the most users that has a workflow, so that all kinds of steps are seen.
func (d *demo) unitToRollBack() (plan.Unit, bool) {
	r, _, err := d.readStatus(d.plan)
	if err != nil {
		return plan.Unit{}, false
	}
	var best plan.Unit
	found := false
	for _, u := range r.Units {
		pu, ok := d.plan.Unit(u.Unit)
		if ok && u.State == execute.UnitRevoked && (!found || len(pu.Logins) > len(best.Logins)) {
			best, found = pu, true
		}
	}
	return best, found
}

// reported leaves what a security team had to read before, and after another scan what there is to read now.
func (d *demo) reported(ctx context.Context) error {
	before, after := filepath.Join(d.dir, "before.html"), filepath.Join(d.dir, "report.html")
	in, err := d.reportInput()
	if err != nil {
		return err
	}
	in.Plan, in.Progress, in.ChangedAt = nil, nil, time.Time{}
	if err := writeHTML(before, in); err != nil {
		return err
	}
	if err := d.scan(ctx); err != nil {
		return err
	}
	if in, err = d.reportInput(); err != nil {
		return err
	}
	if err := writeHTML(after, in); err != nil {
		return err
	}
	fmt.Fprintln(d.std.out)
	d.say("Done in %.1f s. Look at:", time.Since(d.started).Seconds())
	fmt.Fprintf(d.std.out, "   before   %s\n   report   %s\n   state    %s\n", before, after, d.stateDir)
	return nil
}

func writeHTML(file string, in reports.Input) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := reports.HTML(f, in); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
