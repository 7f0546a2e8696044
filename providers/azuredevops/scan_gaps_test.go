package azuredevops_test

import (
	"context"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers/azuredevops"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

func gapsOf(inv *inventory.Inventory) string {
	var b strings.Builder
	for _, g := range inv.Gaps {
		b.WriteString(g.Object + " " + g.File + ": " + g.Message + "\n")
	}
	return b.String()
}

func named(t *testing.T, inv *inventory.Inventory, name string) inventory.Connection {
	t.Helper()
	for _, c := range inv.Connections {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no connection %s", name)
	return inventory.Connection{}
}

func TestWhatCannotBeReadIsAGapAndNeverClean(t *testing.T) {
	t.Run("YAML on GitHub without GitHub", func(t *testing.T) {
		inv := scanLab(t, startPipelines(t, nil), false)
		if got := gapsOf(inv); !strings.Contains(got, "repository fabrikam/images is on GitHub, and the scan was given no GitHub to read") {
			t.Errorf("gaps:\n%s", got)
		}
		if c := named(t, inv, "registry"); c.PipelinesKnown || len(c.PipelineUses) > 0 {
			t.Errorf("%+v", c)
		}
		// What is in other projects is known all the same.
		if c := named(t, inv, "forgotten"); !c.PipelinesKnown {
			t.Error("a gap in one project makes another's pipelines unknown")
		}
	})
	t.Run("a template that is not there", func(t *testing.T) {
		inv := scanLab(t, startPipelines(t, func(w *world.World) {
			repo := w.DevOps["fabrikam"].Repos[0].Git
			w.CommitFiles(repo, "main", "Lose a template", map[string][]byte{"deploy/stage.yml": nil})
		}), true)
		if got := gapsOf(inv); !strings.Contains(got, "deploy/stage.yml") {
			t.Errorf("gaps:\n%s", got)
		}
	})
	for _, tc := range []struct{ name, path, want string }{
		{"build definitions", "/build/definitions", "build definitions of fabrikam/"},
		{"release definitions", "/Release/definitions", "release definitions of fabrikam/"},
		{"task groups", "/distributedtask/taskgroups", "task groups of fabrikam/"},
		{"variable groups", "/distributedtask/variablegroups", "variable groups of fabrikam/"},
		{"environments", "/distributedtask/environments", "environments of fabrikam/"},
		{"secure files", "/distributedtask/securefiles", "secure files of fabrikam/"},
		{"agent pools", "/distributedtask/pools", "agent pools of fabrikam"},
		{"repositories", "/git/repositories", "repositories of fabrikam/"},
		{"permissions", "/pipelinePermissions/", "pipeline permissions of connections in fabrikam/"},
		{"checks", "/queryconfigurations", "checks on connections of fabrikam/"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := startPipelines(t, nil)
			if err := l.Faults.SetFault(lab.Fault{Name: "error-500", Rate: 1, Path: tc.path}); err != nil {
				t.Fatal(err)
			}
			inv := scanLab(t, l, true)
			if got := gapsOf(inv); !strings.Contains(got, tc.want) {
				t.Errorf("gaps:\n%s", got)
			}
			if len(inv.Connections) != 15 {
				t.Errorf("%d connections", len(inv.Connections))
			}
		})
	}
}

func startPipelines(t *testing.T, change func(*world.World)) *lab.Lab {
	t.Helper()
	w := pipelinesWorld(t)
	if change != nil {
		change(w)
	}
	l, err := lab.Start(w, lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// meddling deletes a connection between the moment when a scan has listed it and the moment when it looks closer.
type meddling struct {
	*azuredevops.Client
	world *world.World
	name  string
}

func (m meddling) Executions(ctx context.Context, project scan.Project, id inventory.ConnectionID, limit int) ([]inventory.Execution, error) {
	m.world.Lock()
	for _, c := range m.world.DevOps["fabrikam"].Connections {
		if c.Refs[0].Name == m.name {
			c.Deleted = true
		}
	}
	m.world.Unlock()
	return m.Client.Executions(ctx, project, id, limit)
}

func TestAConnectionThatIsDeletedMeanwhileIsDroppedAndSaid(t *testing.T) {
	l := startPipelines(t, nil)
	client, _ := labtest.Client(t, l.World.Endpoints.AzureDevOps, "azureDevOps", world.AudienceAzureDevOps, world.RoleReader, transport.Options{ReadOnly: true})
	c, err := azuredevops.New(azuredevops.Config{Organization: "fabrikam", URL: l.World.Endpoints.AzureDevOps, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	inv, err := scan.Run(t.Context(), scan.Sources{AzureDevOps: []scan.AzureDevOps{meddling{c, l.World, "legacy"}}}, scan.Options{Tool: "test", Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := gapsOf(inv); !strings.Contains(got, `connection "legacy" in fabrikam : it was deleted, or its rights were taken away, while the scan ran`) {
		t.Errorf("gaps:\n%s", got)
	}
	for _, c := range inv.Connections {
		if c.Name == "legacy" {
			t.Errorf("it is in the inventory: %+v", c)
		}
	}
}
