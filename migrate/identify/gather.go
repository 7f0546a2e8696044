package identify

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// Directory is what Gather reads of the tenant.
type Directory interface {
	Tenant() inventory.TenantID
	// ListApplications lists every application with its name, notes, tags and credentials, and nothing that takes a request for
	// each; TrustKnown tells whether federated credentials came with the list.
	ListApplications(ctx context.Context) ([]Application, error)
	// Applications reads some of them whole.
	Applications(ctx context.Context, ids []inventory.AppID) ([]inventory.Identity, []inventory.Gap, error)
	// SignIns reads the sign-in log of one application from a time on. A log that cannot be had is not an error.
	SignIns(ctx context.Context, app inventory.AppID, since time.Time) (inventory.SignInEvidence, error)
}

// Repositories is what Gather reads of GitHub.
type Repositories interface {
	// WorkflowRuns gives the newest completed runs of a workflow since a time, at most a page of 100.
	WorkflowRuns(ctx context.Context, repo inventory.RepositoryName, file string, since time.Time) ([]Run, error)
	// JobLogs gives the text of the logs of a run's jobs. Those that are gone are left out.
	JobLogs(ctx context.Context, repo inventory.RepositoryName, run int64) ([]string, error)
}

// Sources are where Gather reads. One that is nil is not asked; what it would tell is unknown.
type Sources struct {
	Directory    Directory
	Repositories Repositories
}

// Options bound what Gather reads. The zero value is usable.
type Options struct {
	Now       time.Time
	Days      int  // how far back runs and sign-ins are read; default 30, which is as long as the log is kept (Microsoft Learn: Microsoft Entra data retention)
	Logs      bool // read job logs for client ids
	Workflows int  // at most so many workflows' runs, a request each; default 200
	Whole     int  // at most so many applications are read whole, two requests each; default 60
	SignIns   int  // at most so many applications' sign-ins, which the log answers at 5 requests in 10 seconds; default 30
	Progress  func(done, total int, what string)
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		field *int
		value int
	}{{&o.Days, 30}, {&o.Workflows, 200}, {&o.Whole, 60}, {&o.SignIns, 30}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.Progress == nil {
		o.Progress = func(int, int, string) {}
	}
	return o
}

// shortlist is how many candidates of each secret are looked at more closely.
const shortlist = 5

// logRuns is how many runs of a workflow have their logs read.
const logRuns = 3

// Gather reads what Rank needs beside the inventory, with few requests: the list of the tenant's applications, the runs of
// the workflows that read the secrets, and, of the candidates that these leave, federated credentials and sign-ins. What it could not
// have is in Unknown.
func Gather(ctx context.Context, inv *inventory.Inventory, open []plan.OpenSecret, s Sources, o Options) (Input, error) {
	g := &gatherer{s: s, o: o.withDefaults(), in: Input{Inventory: inv, Open: open, Runs: map[Workflow]RunHistory{}, Prints: map[Workflow][]Print{}}}
	g.in.Now = g.o.Now
	for _, id := range inv.Identities {
		g.in.Applications = append(g.in.Applications, Application{Identity: id, TrustKnown: true})
	}
	if len(open) == 0 {
		return g.in, nil
	}
	for _, step := range []func(context.Context) error{g.list, g.runs, g.whole, g.logs, g.signIns} {
		if err := step(ctx); err != nil {
			return g.in, err
		}
		if err := ctx.Err(); err != nil {
			return g.in, err
		}
	}
	return g.in, nil
}

type gatherer struct {
	s  Sources
	o  Options
	in Input
}

func (g *gatherer) unknown(what, why, next string) {
	g.in.Unknown = append(g.in.Unknown, Unknown{what, why, next})
}

func (g *gatherer) since() time.Time { return g.o.Now.AddDate(0, 0, -g.o.Days) }

// list adds the applications of the tenant that the scan did not read.
func (g *gatherer) list(ctx context.Context) error {
	if g.s.Directory == nil {
		g.unknown("the tenant's other applications", "no tenant was asked", "name one in the configuration (entra.tenant)")
		return nil
	}
	g.o.Progress(0, 1, "applications")
	all, err := g.s.Directory.ListApplications(ctx)
	if err != nil {
		g.unknown("the tenant's other applications", err.Error(), "grant Application.Read.All, or scan with --all-apps")
		return nil
	}
	known := map[inventory.AppID]bool{}
	for _, a := range g.in.Applications {
		known[lower(a.AppID)] = true
	}
	for _, a := range all {
		if !known[lower(a.AppID)] {
			g.in.Applications = append(g.in.Applications, a)
		}
	}
	return nil
}

// workflows are those whose runs read any of the secrets.
func (g *gatherer) workflows() []Workflow {
	var list []Workflow
	for _, o := range g.in.Open {
		for _, w := range WorkflowsOf(o) {
			list = appendNew(list, w)
		}
	}
	return list
}

// runs reads when the workflows ran.
func (g *gatherer) runs(ctx context.Context) error {
	list := g.workflows()
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	done := 0
	for i, w := range list {
		if g.s.Repositories == nil || i >= g.o.Workflows {
			why := "GitHub was not asked"
			if g.s.Repositories != nil {
				why = fmt.Sprintf("of %d workflows only the runs of %d were read", len(list), g.o.Workflows)
			}
			mu.Lock()
			g.in.Runs[w] = RunHistory{Reason: why}
			mu.Unlock()
			continue
		}
		group.Go(func() error {
			defer crash.Report()
			h := RunHistory{}
			var err error
			if h.Runs, err = g.s.Repositories.WorkflowRuns(ctx, w.Repository, w.File, g.since()); err != nil {
				h.Reason = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			g.in.Runs[w] = h
			done++
			g.o.Progress(done, len(list), "workflow runs")
			return ctx.Err()
		})
	}
	return group.Wait()
}

// near gives the applications that are worth a closer look: the candidates of each secret in turn, and, as far as the limit goes, others
// that a secret can be of.
func (g *gatherer) near(least int, wanted func(*Application) bool, limit int) []inventory.AppID {
	e := newExaminer(g.in)
	report := Rank(g.in)
	var out []inventory.AppID
	for place := range least {
		for _, s := range report.Secrets {
			if place < len(s.Candidates) && wanted(e.apps[s.Candidates[place].AppID]) {
				out = appendNew(out, s.Candidates[place].AppID)
			}
		}
	}
	for i := range g.in.Applications {
		if a := &g.in.Applications[i]; len(out) < limit && wanted(a) && slices.ContainsFunc(a.Credentials, password) {
			out = appendNew(out, a.AppID)
		}
	}
	return out[:min(len(out), limit)]
}

// whole reads federated credentials of candidates that the scan did not read.
func (g *gatherer) whole(ctx context.Context) error {
	lean := 0
	for _, a := range g.in.Applications {
		if !a.TrustKnown {
			lean++
		}
	}
	if lean == 0 || g.s.Directory == nil {
		return nil
	}
	ids := g.near(shortlist, func(a *Application) bool { return !a.TrustKnown }, g.o.Whole)
	if len(ids) > 0 {
		g.o.Progress(0, len(ids), "candidates")
		identities, gaps, err := g.s.Directory.Applications(ctx, ids)
		if err != nil {
			return err
		}
		for _, gap := range gaps {
			g.unknown("the federated credentials of "+gap.Object, gap.Message, gap.Next)
		}
		for _, id := range identities {
			i := slices.IndexFunc(g.in.Applications, func(a Application) bool { return a.AppID == id.AppID })
			if i >= 0 {
				g.in.Applications[i] = Application{Identity: id, TrustKnown: true}
				lean--
			}
		}
	}
	if lean > 0 {
		g.unknown(fmt.Sprintf("the federated credentials of %d applications", lean), "the scan did not read them, and nothing else spoke for them",
			"scan with --all-apps, if one of them may trust the repositories already")
	}
	return nil
}

// signIns reads the sign-in log of candidates that the scan has none of.
func (g *gatherer) signIns(ctx context.Context) error {
	if g.s.Directory == nil {
		return nil
	}
	ids := g.near(shortlist, func(a *Application) bool { return !a.SignIns.Known && a.SignIns.Reason == "" }, g.o.SignIns)
	for n, id := range ids {
		g.o.Progress(n, len(ids), "sign-ins")
		evidence, err := g.s.Directory.SignIns(ctx, id, g.since())
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			evidence = inventory.SignInEvidence{Reason: err.Error()}
		}
		i := slices.IndexFunc(g.in.Applications, func(a Application) bool { return a.AppID == id })
		g.in.Applications[i].SignIns = evidence
		g.in.Applications[i].SummarizeSignIns()
	}
	left := 0
	for _, a := range g.in.Applications {
		if !a.SignIns.Known && a.SignIns.Reason == "" {
			left++
		}
	}
	if left > 0 {
		g.unknown(fmt.Sprintf("the sign-ins of %d applications", left), "the log answers slowly, so that only those of the likeliest were read",
			"scan with --all-apps, which reads them all")
	}
	return nil
}

// logs looks for client ids in the newest logs of each workflow. What is masked there stays masked.
func (g *gatherer) logs(ctx context.Context) error {
	if !g.o.Logs || g.s.Repositories == nil {
		return nil
	}
	known := map[inventory.AppID]bool{}
	for _, a := range g.in.Applications {
		known[lower(a.AppID)] = true
	}
	for _, w := range g.workflows() {
		runs := slices.Clone(g.in.Runs[w].Runs)
		slices.SortFunc(runs, func(a, b Run) int { return b.Started.Compare(a.Started) })
		for _, r := range runs[:min(len(runs), logRuns)] {
			texts, err := g.s.Repositories.JobLogs(ctx, w.Repository, r.ID)
			if err != nil {
				if ctx.Err() != nil {
					return err
				}
				g.unknown(fmt.Sprintf("the job logs of %s in %s", w.File, w.Repository), err.Error(), "use a token with Actions: read")
				break
			}
			for _, id := range ClientIDs(texts, known) {
				g.in.Prints[w] = append(g.in.Prints[w], Print{AppID: id, Run: r.ID})
			}
		}
	}
	return nil
}
