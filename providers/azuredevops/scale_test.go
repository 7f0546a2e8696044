package azuredevops_test

import (
	"encoding/json"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers/azuredevops"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// BenchmarkScanOfALargeOrganisation measures a scan of 500 projects with 10,000 connections and as many pipelines as the name says. The lab runs in the
// same process, so peak-MB counts only what is above the heap before the scan.
func BenchmarkScanOfALargeOrganisation(b *testing.B) {
	for _, size := range []struct {
		name string
		size lab.Size
	}{
		{"50-projects-1000-connections-5000-pipelines", lab.Size{Projects: 50, Connections: 1000, Pipelines: 5000, Repositories: 1, Identities: 100, Seed: 1}},
		{"500-projects-10000-connections-50000-pipelines", lab.Size{Projects: 500, Connections: 10000, Pipelines: 50000, Repositories: 1, Identities: 1000, Seed: 1}},
	} {
		b.Run(size.name, func(b *testing.B) {
			w, _ := lab.Generate(size.size)
			l, err := lab.Start(w, lab.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			for b.Loop() {
				l.ResetCounts()
				measure(b, l)
			}
		})
	}
}

func measure(b *testing.B, l *lab.Lab) {
	b.Helper()
	tr := transport.New(transport.Options{ReadOnly: true})
	defer tr.Close()
	host, err := transport.Host(l.World.Endpoints.AzureDevOps)
	if err != nil {
		b.Fatal(err)
	}
	hc, err := tr.Client(transport.ClientOptions{Kind: "azureDevOps", Hosts: []string{host}, Token: transport.Static(lab.Token(world.AudienceAzureDevOps, world.RoleReader))})
	if err != nil {
		b.Fatal(err)
	}
	c, err := azuredevops.New(azuredevops.Config{Organization: "contoso", URL: l.World.Endpoints.AzureDevOps, HTTP: hc})
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	before := heap()
	var peak atomic.Uint64
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				peak.Store(max(peak.Load(), heap()))
			}
		}
	}()
	inv, err := scan.Run(b.Context(), scan.Sources{AzureDevOps: []scan.AzureDevOps{c}}, scan.Options{Tool: "bench"})
	close(stop)
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	report(b, l, inv, before, peak.Load())
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func report(b *testing.B, l *lab.Lab, inv *inventory.Inventory, before, peak uint64) {
	b.Helper()
	text, err := json.Marshal(inv)
	if err != nil {
		b.Fatal(err)
	}
	uses, concerns := 0, 0
	for _, c := range inv.Connections {
		uses += len(c.PipelineUses)
		concerns += len(c.Concerns)
	}
	const mb = 1 << 20
	b.ReportMetric(float64(l.Counts().Total(lab.ServerAzureDevOps)), "requests")
	b.ReportMetric(float64(peak-min(peak, before))/mb, "peak-MB")
	b.ReportMetric(float64(heap()-min(heap(), before))/mb, "kept-MB")
	b.ReportMetric(float64(len(text))/mb, "inventory-MB")
	b.ReportMetric(float64(len(inv.Connections)), "connections")
	b.ReportMetric(float64(len(inv.Pipelines)), "pipelines")
	b.ReportMetric(float64(uses), "uses")
	b.ReportMetric(float64(concerns), "concerns")
	b.ReportMetric(float64(len(inv.Gaps)), "gaps")
}
