package azuredevops_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers/azuredevops"
	"github.com/unsecret-dev/unsecret/providers/github"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func pipelinesWorld(t *testing.T) *world.World {
	t.Helper()
	w, err := lab.LoadSeed(lab.Pipelines)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// scanLab scans the organisation fabrikam with what reads YAML from GitHub, or without.
func scanLab(t *testing.T, l *lab.Lab, withGitHub bool) *inventory.Inventory {
	t.Helper()
	client, _ := labtest.Client(t, l.World.Endpoints.AzureDevOps, "azureDevOps", world.AudienceAzureDevOps, world.RoleReader, transport.Options{ReadOnly: true})
	c, err := azuredevops.New(azuredevops.Config{Organization: "fabrikam", URL: l.World.Endpoints.AzureDevOps, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	sources := scan.Sources{AzureDevOps: []scan.AzureDevOps{c}}
	if withGitHub {
		client, _ := labtest.Client(t, l.World.Endpoints.GitHub, "github", world.AudienceGitHub, world.RoleReader, transport.Options{ReadOnly: true})
		gh, err := github.New(github.Config{URL: l.World.Endpoints.GitHub, HTTP: client})
		if err != nil {
			t.Fatal(err)
		}
		sources.GitHub = []scan.GitHubScope{{Client: gh, Owners: []string{"fabrikam"}}}
	}
	inv, err := scan.Run(t.Context(), sources, scan.Options{Tool: "test", Now: func() time.Time { return l.World.Clock.Now() }})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// summary is what a scan found of connections and pipelines, as lines.
func summary(inv *inventory.Inventory) string {
	var b strings.Builder
	for _, c := range inv.Connections {
		fmt.Fprintf(&b, "connection %s: %s (%s)\n", c.Name, c.Class, c.ClassReason)
		fmt.Fprintf(&b, "  ran %d times, history known %t, pipelines known %t\n", len(c.Uses), c.UsesKnown, c.PipelinesKnown)
		for _, u := range c.PipelineUses {
			fmt.Fprintf(&b, "  used by %s: %s %s@%s %s=%s%s\n", u.Text(), u.Source, u.Task, u.Version, u.Input, u.As, map[bool]string{true: " (maybe)"}[u.Maybe])
		}
		for _, n := range c.Concerns {
			fmt.Fprintf(&b, "  %s %s in %s: %s; %s%s\n", n.Severity, n.Rule, n.Text(), n.Message, n.Remedy, map[bool]string{true: " (maybe)"}[n.Maybe])
		}
	}
	for _, p := range inv.Pipelines {
		fmt.Fprintf(&b, "pipeline %s/%s: %s, %d connections, read %t\n", p.Project, p.Name, p.Kind, p.Connections, p.Read)
	}
	for _, s := range inv.PipelineSecrets {
		fmt.Fprintf(&b, "secret %s %s in %s: %s%s\n", s.Kind, s.Name, s.Text(), s.Reason, map[bool]string{true: " (beside " + string(s.AppID) + ")"}[s.AppID != ""])
	}
	for _, u := range inv.Unresolved {
		fmt.Fprintf(&b, "unresolved %s in %s: %s\n", u.Expression, u.Text(), u.Reason)
	}
	for _, p := range inv.Pools {
		fmt.Fprintf(&b, "pool %s: hosted %t, %d agents %v\n", p.Name, p.Hosted, p.Agents, p.Versions)
	}
	for _, g := range inv.Gaps {
		fmt.Fprintf(&b, "gap %s %s: %s\n", g.Object, g.File, g.Message)
	}
	return b.String()
}

func TestAScanFindsEveryUseOfEveryConnection(t *testing.T) {
	l := labtest.Start(t, pipelinesWorld(t), lab.Options{})
	inv := scanLab(t, l, true)
	golden(t, "uses.txt", summary(inv))
	if n := l.Counts().Writes(""); n != 0 {
		t.Errorf("a scan wrote %d times: %v", n, l.Counts())
	}
	text, err := json.Marshal(inv)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte(world.Canary)) {
		t.Error("the inventory holds a secret's value")
	}
}

func TestAScanIsTheSameEachTime(t *testing.T) {
	l := labtest.Start(t, pipelinesWorld(t), lab.Options{})
	if diff := cmp.Diff(scanLab(t, l, true), scanLab(t, l, true)); diff != "" {
		t.Error(diff)
	}
}
