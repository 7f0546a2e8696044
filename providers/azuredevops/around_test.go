package azuredevops_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
)

// Each subtest names one kind of thing around connections that a scan must find in the scenario of pipelines.
func TestEveryKindOfThingAroundConnectionsIsFound(t *testing.T) {
	w := pipelinesWorld(t)
	guard(t, w.DevOps["fabrikam"])
	l := labtest.Start(t, w, lab.Options{})
	inv := scanLab(t, l, true)
	connection := func(name string) inventory.Connection {
		i := slices.IndexFunc(inv.Connections, func(c inventory.Connection) bool { return c.Name == name })
		if i < 0 {
			t.Fatalf("no connection %s", name)
		}
		return inv.Connections[i]
	}
	used := func(name, source, part string) bool {
		return slices.ContainsFunc(connection(name).PipelineUses, func(u inventory.PipelineUse) bool {
			return u.Source == source && strings.Contains(u.Text(), part)
		})
	}
	concern := func(rule, part string) bool {
		return slices.ContainsFunc(inv.Connections, func(c inventory.Connection) bool {
			return slices.ContainsFunc(c.Concerns, func(n inventory.Concern) bool { return n.Rule == rule && strings.Contains(n.Remedy+n.Message, part) })
		})
	}
	secret := func(kind, name string) bool {
		return slices.ContainsFunc(inv.PipelineSecrets, func(s inventory.PipelineSecret) bool { return s.Kind == kind && s.Name == name })
	}
	deployer := connection("deployer")
	for name, found := range map[string]bool{
		"a gate before a stage of a classic release":     used("deployer", inventory.UseRelease, "pre-deployment gates"),
		"a step of a classic release":                    used("store-production", inventory.UseRelease, "stage production"),
		"a step of a task group in a classic build":      used("store-production", inventory.UseClassic, "production / roll out"),
		"a template in another file":                     used("store-production", inventory.UseYAML, "deploy/stage.yml"),
		"a resource of an environment":                   used("cluster", inventory.UseEnvironment, "Store/production"),
		"a check on an environment that signs in":        used("store-production", inventory.UseCheck, "Store/production"),
		"a check on a connection that signs in":          used("legacy", inventory.UseCheck, "Store/deployer"),
		"which pipelines may use a connection":           slices.ContainsFunc(deployer.Permissions, func(p inventory.ConnectionPermission) bool { return slices.Equal(p.Pipelines, []int{1}) }),
		"that every pipeline may use one":                slices.ContainsFunc(connection("store-production").Permissions, func(p inventory.ConnectionPermission) bool { return p.AllPipelines }),
		"an approval":                                    slices.ContainsFunc(deployer.Checks, func(c inventory.ConnectionCheck) bool { return c.Type == "Approval" }),
		"a secure file by its name":                      secret(inventory.PipelineSecretSecureFile, "deployer.pfx"),
		"a variable group that is linked to a key vault": secret(inventory.PipelineSecretVault, "secrets-of-production"),
		"a secret in a variable group":                   secret(inventory.PipelineSecretGroup, "ARM_CLIENT_SECRET"),
		"a secret in a pipeline's variables":             secret(inventory.PipelineSecretVariable, "AZURE_CLIENT_SECRET"),
		"a job that is likely to outlive its token":      concern("token-lifetime", "longer than an hour"),
		"a self-hosted pool with its agents' versions":   concern("self-hosted-agent", "3.220.0, 3.240.1"),
		"the pools of the organisation":                  len(inv.Pools) == 2,
	} {
		t.Run(name, func(t *testing.T) {
			if !found {
				t.Error("not found")
			}
		})
	}
}

// guard sets what the scenario leaves at its defaults: who may use two connections, and an approval on one.
func guard(t *testing.T, org *world.DevOpsOrg) {
	t.Helper()
	n := 0
	for _, c := range org.Connections {
		switch c.Refs[0].Name {
		case "deployer":
			c.AllPipelines, c.Pipelines = false, []int{1}
			c.Checks = append(c.Checks, &world.Check{ID: 7, Type: "Approval"})
			n++
		case "store-production":
			c.AllPipelines = true
			n++
		}
	}
	if n != 2 {
		t.Fatalf("%d of two connections are there", n)
	}
	invokes := func(name, used string) *world.Check {
		for _, c := range org.Connections {
			if c.Refs[0].Name == used {
				return &world.Check{ID: 8, Type: "Task Check", Settings: map[string]any{"displayName": name, "retryInterval": 5,
					"inputs": map[string]any{"connectedServiceNameARM": strings.ToUpper(c.ID), "waitForCompletion": "true", "retries": 3}}}
			}
		}
		t.Fatalf("no connection %s", used)
		return nil
	}
	for _, c := range org.Connections {
		if c.Refs[0].Name == "deployer" {
			c.Checks = append(c.Checks, invokes("ask a function", "legacy"))
		}
	}
	for _, e := range org.Environments {
		e.Checks = append(e.Checks, invokes("no alerts", "store-production"))
	}
}
