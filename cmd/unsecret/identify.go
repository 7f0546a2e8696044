package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/internal/wait"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/identify"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/scan"
)

type identifyOptions struct {
	only         []string
	offline      bool
	logs         bool
	days         int
	writeMapping string
	probe, clean bool
	yes          bool
	timeout      time.Duration
	runsOn       string
	output       string
}

func newIdentify(a *app) *cobra.Command {
	o := identifyOptions{}
	cmd := &cobra.Command{
		Use:   "identify",
		Short: "Find out which application is behind each GitHub secret",
		Long: `Ranks, for each GitHub secret of the last scan whose identity is not known, the tenant's applications that it
may hold a credential of, with the evidence: federated credentials that name the repository, readable
variables, when the secret was written and a password was made, sign-ins at the times of workflow
runs, names, tags and notes. Where one is likely enough and none is near it, it is proposed;
--write-mapping writes proposals to a file, where they do not count until a person has set confirmed: true.

--probe asks the secret itself, and is the only part that changes something: for each repository it opens a branch that holds one
workflow and nothing else, which runs on the push of that branch, without permissions, and prints only a
salted SHA-256 of the client id. That is compared with the tenant's client ids; then branch and run are
deleted, also after a failure or an interruption. What a killed probe left is cleared away by the next
one, by --clean and by rollback. A job in an environment leaves a deployment there and may need its
reviewers. It shows what it will do and asks first; with no terminal it refuses without --yes.

Ends with 5 if a probe gave no answer or could not be cleared away, and with 0 otherwise.`,
		Example: `  unsecret identify --write-mapping mapping.yaml
  unsecret identify --probe --only contoso/shop/AZURE_CREDENTIALS`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.identify(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.only, "only", nil, "only these `secrets`: OWNER/NAME/SECRET, OWNER/NAME/environments/ENV/SECRET or ORG/SECRET; * stands for anything but /")
	f.BoolVar(&o.offline, "offline", false, "use the last scan alone: ask nothing outside")
	f.BoolVar(&o.logs, "logs", false, "also look for client ids in the newest job logs")
	f.IntVar(&o.days, "days", 30, "how far back runs and sign-ins are read")
	f.StringVar(&o.writeMapping, "write-mapping", "", "add the proposals to a mapping `file`, unconfirmed")
	f.BoolVar(&o.probe, "probe", false, "ask the secrets themselves, by a workflow on a short-lived branch")
	f.BoolVar(&o.clean, "clean", false, "only clear away what killed probes have left")
	f.BoolVar(&o.yes, "yes", false, "do not ask before changing things")
	f.DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long to wait for a probe's run")
	f.StringVar(&o.runsOn, "runs-on", "ubuntu-latest", "the `label` of the runners for probes; they need bash and sha256sum")
	a.waitFlag(cmd)
	outputFlag(cmd, &o.output, "table", "json")
	for _, other := range []string{"probe", "clean", "logs"} {
		cmd.MarkFlagsMutuallyExclusive("offline", other)
	}
	cmd.MarkFlagsMutuallyExclusive("probe", "clean")
	return cmd
}

func (o identifyOptions) check() error {
	if err := checkOutput(o.output, "table", "json"); err != nil {
		return err
	}
	for _, g := range o.only {
		if _, err := path.Match(g, ""); err != nil {
			return usageErrorf("invalid argument %q for --only: %w", g, err)
		}
	}
	if !identify.RunnerLabel(o.runsOn) {
		return usageErrorf("invalid argument %q for --runs-on: it must be one label of runners, such as ubuntu-latest", o.runsOn)
	}
	if o.days < 1 {
		return usageErrorf("invalid argument %d for --days: it must be at least 1", o.days)
	}
	return nil
}

func (a *app) identify(ctx context.Context, o identifyOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	inv, err := a.loadInventory()
	if err != nil {
		return err
	}
	open, err := plan.OpenSecrets(inv, c.Plan)
	if err != nil {
		return usageErrorf("%w", err)
	}
	if open, err = o.chosen(open); err != nil {
		return err
	}
	x := identification{a: a, o: o, inv: inv, open: open, now: time.Now}
	if !o.offline {
		c.fill(inv)
		conn, err := a.connect(ctx, c, !o.probe && !o.clean)
		if err != nil {
			return err
		}
		defer conn.Close()
		defer conn.report(a)
		x.now = conn.now
		// A nil pointer in an interface is not nil, so each is set only where there is one.
		if conn.GitHub != nil {
			x.sources.Repositories, x.host = conn.GitHub, conn.GitHub
		}
		if conn.Entra != nil {
			x.sources.Directory = conn.Entra
		}
	}
	if o.clean {
		return x.clear(ctx)
	}
	return x.run(ctx, c)
}

// chosen keeps the secrets that --only names. One that names nothing is a mistake.
func (o identifyOptions) chosen(open []plan.OpenSecret) ([]plan.OpenSecret, error) {
	if len(o.only) == 0 {
		return open, nil
	}
	var out []plan.OpenSecret
	for _, g := range o.only {
		found := false
		for _, s := range open {
			if ok, _ := path.Match(strings.ToLower(g), strings.ToLower(s.Store.Path())); ok {
				out, found = append(out, s), true
			}
		}
		if !found {
			return nil, usageErrorf("--only %s names no secret whose identity is unknown: see `unsecret identify --offline` for those", g)
		}
	}
	return out, nil
}

// identification is one call of identify.
type identification struct {
	a       *app
	o       identifyOptions
	inv     *inventory.Inventory
	open    []plan.OpenSecret
	sources identify.Sources
	host    identify.Host
	now     func() time.Time
}

func (x *identification) run(ctx context.Context, c *config) error {
	p := x.a.progress()
	in, err := identify.Gather(ctx, x.inv, x.open, x.sources, identify.Options{
		Now: x.now(), Days: x.o.days, Logs: x.o.logs,
		Progress: func(done, total int, what string) { p.update(scan.Event{Kind: what, Done: done, Total: total}) },
	})
	p.done()
	if err != nil {
		return fmt.Errorf("identify: %w", err)
	}
	var failed error
	if x.o.probe {
		if in.Proofs, failed = x.probe(ctx, in); failed != nil && in.Proofs == nil {
			return failed
		}
	}
	r := identify.Rank(in)
	if x.o.output == "json" {
		if err := x.a.printJSON(r); err != nil {
			return err
		}
	} else {
		printIdentities(x.a.std.out, r, x.o)
	}
	if x.o.writeMapping != "" {
		if err := x.a.writeMapping(x.o.writeMapping, r, c); err != nil {
			return err
		}
	}
	switch {
	case ctx.Err() != nil && failed == nil:
		return &exitError{code: exitFailed, err: errors.New("interrupted: the probes were cleared away")}
	case failed != nil:
		return &exitError{code: exitPartly, err: failed}
	}
	for _, proof := range in.Proofs {
		if proof.Problem != "" {
			return exitWith(exitPartly)
		}
	}
	return nil
}

// probe says what it will do, asks, and does it.
func (x *identification) probe(ctx context.Context, in identify.Input) (map[string]identify.Proof, error) {
	targets, skipped := identify.Targets(x.inv, x.open)
	printTargets(x.a.std.err, targets, skipped)
	proofs := map[string]identify.Proof{}
	if len(targets) == 0 {
		return proofs, nil
	}
	switch {
	case x.host == nil:
		return nil, usageErrorf("a probe needs GitHub: name its organisations in the configuration")
	case len(in.Applications) == 0:
		return nil, usageErrorf("there is no application to compare with: scan with --entra, or name the tenant in the configuration (entra.tenant)")
	}
	if !x.o.yes {
		if err := x.a.confirm(ctx, "Open these probes?"); err != nil {
			return nil, err
		}
	}
	prober, done, err := x.prober("identify --probe")
	if err != nil {
		return nil, err
	}
	defer done()
	if _, err := prober.Clean(ctx); err != nil {
		return nil, err
	}
	ids := make([]inventory.AppID, len(in.Applications))
	for i, application := range in.Applications {
		ids[i] = application.AppID
	}
	return prober.Probe(ctx, targets, ids)
}

// prober opens the journal, where probes are noted before they are opened.
func (x *identification) prober(command string) (*identify.Prober, func(), error) {
	if err := x.a.makeState(); err != nil {
		return nil, nil, err
	}
	journal, err := x.a.openJournal(command)
	if err != nil {
		return nil, nil, err
	}
	return newProber(x.a, x.host, journal, x.o), func() {
		x.a.progress().done()
		if err := journal.Close(); err != nil {
			fmt.Fprintf(x.a.std.err, "unsecret: close the journal: %v\n", err)
		}
	}, nil
}

func newProber(a *app, host identify.Host, journal *execute.Journal, o identifyOptions) *identify.Prober {
	return &identify.Prober{Host: host, Journal: journal, Actor: currentUser(), Random: rand.Reader, Now: time.Now, Wait: wait.For,
		Timeout: o.timeout, RunsOn: o.runsOn, Say: a.progress().say}
}

// clear removes what killed probes have left.
func (x *identification) clear(ctx context.Context) error {
	records, err := x.a.readJournal()
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	n := len(identify.Leftovers(records))
	if n == 0 {
		fmt.Fprintln(x.a.std.out, "No probe is left over.")
		return nil
	}
	if x.host == nil {
		return usageErrorf("%s left over, and clearing them away needs GitHub: name its organisations in the configuration", plural(n, "probe"))
	}
	if !x.o.yes {
		if err := x.a.confirm(ctx, fmt.Sprintf("Delete the branch and the runs of %s?", plural(n, "probe"))); err != nil {
			return err
		}
	}
	prober, done, err := x.prober("identify --clean")
	if err != nil {
		return err
	}
	defer done()
	n, err = prober.Clean(ctx)
	fmt.Fprintf(x.a.std.out, "%s cleared away.\n", plural(n, "probe"))
	if err != nil {
		return &exitError{code: exitPartly, err: err}
	}
	return nil
}

// clearProbes lets a rollback clear away probes that were left, with what it has open already.
func (a *app) clearProbes(ctx context.Context, e *execute.Executor) error {
	host, ok := e.Outside.Repositories.(identify.Host)
	if !ok || len(identify.Leftovers(e.Journal.Records())) == 0 {
		return nil
	}
	n, err := newProber(a, host, e.Journal, identifyOptions{}).Clean(ctx)
	if n > 0 {
		a.progress().say("%s cleared away", plural(n, "probe"))
	}
	return err
}
