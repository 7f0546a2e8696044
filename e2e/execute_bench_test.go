package e2e_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
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

// benchLatency is what the benchmarks' labs take for every answer.
const benchLatency = 100 * time.Millisecond

// benchUnits is how many units a benchmark applies: UNSECRET_UNITS, or 40.
func benchUnits() int {
	if n, err := strconv.Atoi(os.Getenv("UNSECRET_UNITS")); err == nil {
		return n
	}
	return 40
}

// BenchmarkApply applies a generated organisation on a lab that answers after 100 ms: without the rates of the budgets, as
// the command line does on loopback, and with them, as it does outside. It reports the time beside the bound that concurrency, rates and latency
// set for the requests that were made. The organisation of connections has UNSECRET_UNITS units (default 40; 1000 for the figures in
// the notes); that of repositories has a tenth, since GitHub takes a write a second.
func BenchmarkApply(b *testing.B) {
	n := benchUnits()
	// Of the generated connections a half has an application of its own, and the rest share the identities by chance.
	connections := lab.Size{Seed: 5, Connections: 3 * n / 2, Identities: n * 3 / 4}
	for _, c := range []struct {
		name  string
		size  lab.Size
		paced bool
	}{
		{"connections", connections, false},
		{"connections/paced", connections, true},
		{"repositories/paced", lab.Size{Seed: 5, Repositories: n / 10, Identities: n / 10, ShareEvery: -1}, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				benchApply(b, c.size, c.paced)
				b.StartTimer()
			}
		})
	}
}

func benchApply(b *testing.B, size lab.Size, paced bool) {
	b.Helper()
	w, mapping := lab.Generate(size)
	l, err := lab.Start(w, lab.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	p := benchPlan(b, l, mapping)
	if err := l.Faults.SetFault(lab.Fault{Name: "slow", Rate: 1, Delay: int(benchLatency.Milliseconds())}); err != nil {
		b.Fatal(err)
	}
	set := benchSet(b, l, transport.Options{Paced: paced})
	defer set.Close()
	journal, err := execute.OpenJournal(b.TempDir(), execute.JournalOptions{Holder: "benchmark"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := journal.Close(); err != nil {
			b.Error(err)
		}
	}()
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
	requests := l.Counts()
	bound, where := latencyBound(requests, paced)
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b.Logf("%d units in %s; bound %s, by %s; %d records", len(r.Units)-r.Count(execute.UnitBlocked), took.Round(time.Millisecond), bound.Round(time.Millisecond), where, len(journal.Records()))
	b.ReportMetric(float64(len(r.Units)-r.Count(execute.UnitBlocked)), "units")
	b.ReportMetric(float64(requests.Total(""))/float64(len(r.Units)), "requests/unit")
	b.ReportMetric(took.Seconds()/bound.Seconds(), "times-bound")
	b.ReportMetric(float64(mem.Sys)/1e6, "MB-lab-included")
}

// latencyBound is the least time for some requests, and the host that sets it: as many at a time as the host's budget
// admits, each answered after the latency; and where rates count, one in so much time, and as many writes.
func latencyBound(counts lab.Counts, paced bool) (bound time.Duration, where string) {
	requests, writes := map[string]int{}, map[string]int{}
	for _, c := range counts {
		kind := c.Server
		switch {
		case kind == lab.ServerGraph && strings.Contains(c.Kind, "/auditLogs/"):
			kind = "entra/auditLogs"
		case kind == lab.ServerGraph:
			kind = "entra"
		case kind == lab.ServerGitHub && strings.Contains(c.Kind, "/graphql"):
			kind = "github/graphql"
		}
		requests[kind] += c.N
		if c.Write {
			writes[kind] += c.N
		}
	}
	for kind, n := range requests {
		b := transport.DefaultBudget(kind, !paced)
		for what, t := range map[string]time.Duration{
			"concurrency": benchLatency * time.Duration(n) / time.Duration(b.Concurrent),
			"rate":        b.Every * time.Duration(max(0, n-b.Burst)),
			"writes":      b.WriteEvery * time.Duration(max(0, writes[kind]-1)),
		} {
			if t > bound {
				bound, where = t, fmt.Sprintf("the %s of %s (%d requests, %d writes)", what, kind, n, writes[kind])
			}
		}
	}
	return bound, where
}

func benchPlan(b *testing.B, l *lab.Lab, mapping lab.Mapping) *plan.Plan {
	b.Helper()
	set := benchSet(b, l, transport.Options{})
	defer set.Close()
	sources := scan.Sources{AzureDevOps: set.DevOpsSources([]string{orgOf(l.World)}), Entra: set.Entra,
		GitHub: []scan.GitHubScope{{Client: set.GitHub, Owners: []string{"contoso"}}}}
	inv, err := scan.Run(context.Background(), sources, scan.Options{Now: set.Transport.Now, AllApplications: true})
	if err != nil {
		b.Fatal(err)
	}
	c := plan.Config{IncludeShared: true, AllowFlexible: true, Level: plan.LevelNeedsReview, Connections: plan.ConnectionRules{UnusedDays: -1}}
	for _, h := range mapping {
		c.Mapping = append(c.Mapping, plan.Mapping{Organization: h.Account, Repository: inventory.RepositoryName(h.Repository), Environment: h.Environment, Secret: h.Name, AppID: inventory.AppID(h.AppID)})
	}
	p, err := plan.New(inv, c)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func orgOf(w *world.World) string {
	w.Lock()
	defer w.Unlock()
	for _, o := range w.DevOps {
		return o.Name
	}
	return ""
}

func benchSet(b *testing.B, l *lab.Lab, o transport.Options) *providers.Set {
	b.Helper()
	w := l.World
	org := orgOf(w)
	w.Lock()
	c := providers.Config{GitHub: &providers.GitHub{Endpoint: w.Endpoints.GitHub, Host: "github.com"},
		Entra: &providers.Entra{Endpoint: w.Endpoints.Graph, Authority: w.Endpoints.Login}, Auth: providers.Auth{Mode: auth.ModeEnvironment}, Transport: o}
	if org != "" {
		c.AzureDevOps = &providers.AzureDevOps{Endpoint: w.Endpoints.AzureDevOps, Organizations: []string{org}}
	}
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
