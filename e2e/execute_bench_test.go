package e2e_test

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers"
	"github.com/unsecret-dev/unsecret/providers/auth"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// BenchmarkApply applies a generated organisation on a lab that answers after 100 ms, as many units at once as the command line does.
// UNSECRET_UNITS says how many (default 40; 1000 for the figure in the notes). It reports units and requests a second, and
// the memory of the heap.
func BenchmarkApply(b *testing.B) {
	units := 40
	if n, err := strconv.Atoi(os.Getenv("UNSECRET_UNITS")); err == nil {
		units = n
	}
	for b.Loop() {
		b.StopTimer()
		w, mapping := lab.Generate(lab.Size{Seed: 5, Connections: units, Identities: units})
		l, err := lab.Start(w, lab.Options{Latency: 100 * time.Millisecond})
		if err != nil {
			b.Fatal(err)
		}
		set := benchSet(b, l)
		inv, err := scan.Run(context.Background(), scan.Sources{AzureDevOps: set.DevOpsSources([]string{orgOf(w)}), Entra: set.Entra}, scan.Options{Now: set.Transport.Now, AllApplications: true})
		if err != nil {
			b.Fatal(err)
		}
		c := plan.Config{IncludeShared: true, Connections: plan.ConnectionRules{UnusedDays: -1}}
		for _, h := range mapping {
			c.Mapping = append(c.Mapping, plan.Mapping{Organization: h.Account, Repository: inventory.RepositoryName(h.Repository), Environment: h.Environment, Secret: h.Name, AppID: inventory.AppID(h.AppID)})
		}
		p, err := plan.New(inv, c)
		if err != nil {
			b.Fatal(err)
		}
		journal, err := execute.OpenJournal(b.TempDir(), execute.JournalOptions{Holder: "benchmark"})
		if err != nil {
			b.Fatal(err)
		}
		e := &execute.Executor{Outside: set.Outside(), Journal: journal, Plan: p, Actor: "benchmark", Patience: execute.Patience{FirstDelay: time.Millisecond}}
		l.ResetCounts()
		b.StartTimer()
		began := time.Now()
		r, err := e.Apply(context.Background(), execute.ApplyOptions{})
		took := time.Since(began)
		b.StopTimer()
		if err != nil || r.Count(execute.UnitFailed) > 0 {
			b.Fatalf("%v, %d units failed", err, r.Count(execute.UnitFailed))
		}
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		requests := l.Counts().Total("")
		b.ReportMetric(float64(r.Count(execute.UnitMigrated)), "units")
		b.ReportMetric(float64(requests)/float64(len(p.Units)), "requests/unit")
		b.ReportMetric(took.Seconds()/(float64(requests)*0.1/4), "times-bound") // 100 ms for each request, four units at once
		b.ReportMetric(float64(mem.Sys)/1e6, "MB-lab-included")
		if err := journal.Close(); err != nil {
			b.Fatal(err)
		}
		set.Close()
		l.Close()
		b.StartTimer()
	}
}

func orgOf(w *world.World) string {
	w.Lock()
	defer w.Unlock()
	for _, o := range w.DevOps {
		return o.Name
	}
	return ""
}

func benchSet(b *testing.B, l *lab.Lab) *providers.Set {
	b.Helper()
	w := l.World
	org := orgOf(w)
	w.Lock()
	c := providers.Config{AzureDevOps: &providers.AzureDevOps{Endpoint: w.Endpoints.AzureDevOps, Organizations: []string{org}},
		GitHub: &providers.GitHub{Endpoint: w.Endpoints.GitHub, Host: "github.com"},
		Entra:  &providers.Entra{Endpoint: w.Endpoints.Graph, Authority: w.Endpoints.Login}, Auth: providers.Auth{Mode: auth.ModeEnvironment}, Transport: transport.Options{}}
	for id := range w.Tenants {
		c.Entra.Tenant = id
	}
	w.Unlock()
	tokens := map[string]string{auth.EnvAzureDevOps: lab.Token(world.AudienceAzureDevOps, world.RoleOperator), auth.EnvGraph: lab.Token(world.AudienceGraph, world.RoleOperator),
		"GITHUB_TOKEN": lab.Token(world.AudienceGitHub, world.RoleOperator)}
	c.Getenv = func(name string) string { return tokens[name] }
	set, err := providers.Connect(context.Background(), c)
	if err != nil {
		b.Fatal(err)
	}
	return set
}
