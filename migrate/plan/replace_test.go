package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

const identityClient = inventory.AppID("d0000000-0000-0000-0000-00000000000d")

// identityIsThere adds the managed identity that units move to.
func identityIsThere(inv *inventory.Inventory) *inventory.ManagedIdentity {
	inv.ManagedIdentities = []inventory.ManagedIdentity{{Resource: "/subscriptions/" + string(sub) + "/resourceGroups/ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-shop",
		Name: "id-shop", Location: "westeurope", TenantID: tenant, ClientID: identityClient, PrincipalID: "p"}}
	return &inv.ManagedIdentities[0]
}

// moving is a unit with a login and a connection to Azure that moves to a managed identity, in whose place a new connection is made.
func moving(inv *inventory.Inventory, cfg *Config) *inventory.Connection {
	c := recreated(inv, cfg)
	cfg.Connections.Registry, cfg.Connections.Identity = "", ConnectionsRecreate
	c.Type, c.LoginServer = "azurerm", ""
	for i := range c.PipelineUses {
		c.PipelineUses[i].Input = "azureSubscription"
	}
	targeted(inv, cfg)
	return c
}

// elsewhere adds a repository of pipelines with one file.
func elsewhere(inv *inventory.Inventory, name string) {
	inv.PipelineRepositories = append(inv.PipelineRepositories, inventory.PipelineRepository{Organization: "contoso", Name: inventory.AzureReposName("contoso", "Shop", name), Place: "Shop/" + name, ID: name,
		DefaultBranch: "main", Files: []inventory.File{{Path: "azure-pipelines.yml", OID: "2"}}})
}

// fixedIn is a step in a repository that needs another version of its task with the new connection.
func fixedIn(repository string) inventory.Concern {
	n := concern(inventory.ConcernBlocker, "task-newer-major")
	n.Repository, n.Line, n.Column, n.Rewrite = repository, 20, 3, inventory.RewriteSafe
	return n
}

// crossing are two connections, each of which is named in one repository, and used in the other by a step that must change first.
func crossing(inv *inventory.Inventory, cfg *Config) {
	moving(inv, cfg)
	elsewhere(inv, "other")
	second := azurerm(conn2, "second", appA)
	second.UsesKnown, second.PipelinesKnown, second.Uses = true, true, inv.Connections[0].Uses
	use := inv.Connections[0].PipelineUses[0]
	use.Repository, use.Texts = "Shop/other", []inventory.NameText{{Repository: "Shop/other", File: "azure-pipelines.yml", Line: 3, Column: 8, Name: "second"}}
	second.PipelineUses = []inventory.PipelineUse{use}
	second.Concerns = []inventory.Concern{fixedIn("Shop/site")}
	inv.Connections[0].Concerns = []inventory.Concern{fixedIn("Shop/other")}
	inv.Connections = append(inv.Connections, second)
}

// movedBefore is a connection in whose place an earlier plan made one that signs in as an identity.
func movedBefore(inv *inventory.Inventory, cfg *Config, as inventory.AppID) {
	moving(inv, cfg)
	made := inv.Connections[0]
	made.ID, made.Name, made.Scheme, made.Replaces, made.AppID = conn2, "production-mi", inventory.SchemeFederation, conn1, as
	made.Issuer, made.Subject = "https://login.microsoftonline.com/"+string(tenant)+"/v2.0", "/eid1/of/the/new/one"
	made.Projects = []inventory.ConnectionProject{{ID: "p1", Name: "Shop", As: "production-mi"}}
	made.PipelineUses = nil
	inv.Connections = append(inv.Connections, made)
	identityIsThere(inv).FederatedCredentials = []inventory.FederatedCredential{{ID: "f", Name: "x", Issuer: made.Issuer, Subject: made.Subject, Audience: "api://AzureADTokenExchange"}}
}

func init() {
	for name, change := range map[string]edit{
		"target-connection-recreated":                   func(inv *inventory.Inventory, c *Config) { moving(inv, c) },
		"target-connection-recreated-identity-is-there": func(inv *inventory.Inventory, c *Config) { moving(inv, c); identityIsThere(inv) },
		"target-connection-recreated-automatic":         func(inv *inventory.Inventory, c *Config) { moving(inv, c).CreationMode = "Automatic" },
		"target-connection-recreated-certificate":       func(inv *inventory.Inventory, c *Config) { moving(inv, c).AuthenticationType = "spnCertificate" },
		"target-connection-recreated-terraform":         func(inv *inventory.Inventory, c *Config) { moving(inv, c).Terraform = true },
		"target-connection-recreated-to-a-registry": func(inv *inventory.Inventory, c *Config) {
			moving(inv, c).Type, inv.Connections[0].LoginServer = "dockerregistry", "contoso.azurecr.io"
		},
		"target-connection-recreated-named-by-hand": func(inv *inventory.Inventory, c *Config) {
			moving(inv, c).PipelineUses[0].Texts = []inventory.NameText{{Name: "production"}}
			inv.Connections[0].PipelineUses = append(inv.Connections[0].PipelineUses, inventory.PipelineUse{PipelinePlace: place("vault", ""), Source: inventory.UseVariableGroup})
		},
		"target-connection-recreated-fixed-elsewhere": func(inv *inventory.Inventory, c *Config) {
			moving(inv, c).Concerns = []inventory.Concern{fixedIn("Shop/templates")}
			elsewhere(inv, "templates")
		},
		"target-connection-recreated-crossed": crossing,
		"target-connection-recreated-name-taken": func(inv *inventory.Inventory, c *Config) {
			moving(inv, c)
			inv.Connections = append(inv.Connections, azurerm(conn2, "production-WIF", appB))
		},
		"target-connection-registry-by-hand": func(inv *inventory.Inventory, c *Config) {
			moving(inv, c).Type, inv.Connections[0].LoginServer = "dockerregistry", "contoso.azurecr.io"
			c.Connections.Identity, c.Connections.Registry = "", ConnectionsRecreate
		},
		"target-connection-shared": func(inv *inventory.Inventory, c *Config) {
			moving(inv, c).Shared = true
			inv.Connections[0].Projects = append(inv.Connections[0].Projects, inventory.ConnectionProject{ID: "p0", Name: "Billing", As: "production"})
		},
		"target-connection-sovereign": func(inv *inventory.Inventory, c *Config) { moving(inv, c).Cloud = "AzureUSGovernment" },
		"target-connection-other-tenant": func(inv *inventory.Inventory, c *Config) {
			moving(inv, c).TenantID = "70000000-0000-0000-0000-000000000000"
		},
		"target-connection-other-type": func(inv *inventory.Inventory, c *Config) { moving(inv, c).Type = "kubernetes" },
		"target-connection-federated-already": func(inv *inventory.Inventory, c *Config) {
			old := azurerm(conn2, "old-issuer", appA)
			old.Scheme, old.Issuer, old.Subject = inventory.SchemeFederation, "https://vstoken.dev.azure.com/e08e523c-54da-4401-8fb6-e1439b52cc97", "sc://contoso/Shop/old-issuer"
			moving(inv, c)
			inv.Connections = append(inv.Connections, old)
		},
		"target-connection-too-many": func(inv *inventory.Inventory, c *Config) {
			moving(inv, c)
			m := identityIsThere(inv)
			for i := range 19 { // the login has the last one
				m.FederatedCredentials = append(m.FederatedCredentials, inventory.FederatedCredential{Name: fmt.Sprintf("other-%02d", i), Issuer: "https://example.com", Subject: fmt.Sprint(i), Audience: "api://AzureADTokenExchange"})
			}
		},
		"target-connection-replaced-before":            func(inv *inventory.Inventory, c *Config) { movedBefore(inv, c, identityClient) },
		"target-connection-replaced-before-as-another": func(inv *inventory.Inventory, c *Config) { movedBefore(inv, c, appA) },
		"target-connection-replaced-before-and-revoked": func(inv *inventory.Inventory, c *Config) {
			movedBefore(inv, c, identityClient)
			inv.Connections[0].Disabled = true
		},
		"target-connection-replaced-before-without-rule": func(inv *inventory.Inventory, c *Config) { movedBefore(inv, c, identityClient); c.Targets = nil },
	} {
		cases[name] = change
	}
}

// stepOf gives a step of the only unit of a case.
func stepOf(t *testing.T, name, id string) Step {
	t.Helper()
	p := planOf(t, name)
	s, ok := p.Units[0].Step(id)
	if !ok {
		t.Fatalf("%s has no step %s: %s", name, id, outline(p))
	}
	return s
}

func TestAConnectionMovesOnlyWhenItsIdentityIsReady(t *testing.T) {
	const name = "target-connection-recreated"
	made, access := "new-connection/"+string(conn1), "connection-access/"+string(conn1)
	for id, waits := range map[string][]string{
		made: {"managed-identity/id-shop"},
		"federated-credential/" + string(conn1) + "-replaced": {made, "managed-identity/id-shop"},
		access:                                {made, "federated-credential/" + string(conn1) + "-replaced", "role-comparison/id-shop"},
		"pull-request/contoso/Shop/_git/site": {access, "role-comparison/id-shop"},
		"pull-request/o/shop":                 {"role-comparison/id-shop"},
		"disable-connection/" + string(conn1): {"credential/key-of-Shop", access, "pull-request/contoso/Shop/_git/site", "pull-request/o/shop"},
		"role-assignment/subscriptions/" + string(sub) + "/contributor": {"managed-identity/id-shop"},
		"role-comparison/id-shop": {"role-assignment/subscriptions/" + string(sub) + "/contributor"},
	} {
		s := stepOf(t, name, id)
		for _, w := range waits {
			if !slices.Contains(s.DependsOn, w) {
				t.Errorf("%s does not wait for %s: %v", id, w, s.DependsOn)
			}
		}
	}
}

func TestANewConnectionIsMadeAsTheIdentityThatWasReviewed(t *testing.T) {
	id := "new-connection/" + string(conn1)
	late := stepOf(t, "target-connection-recreated", id)
	if r := late.Replacement; r.AppID != "" || !strings.HasSuffix(r.Identity, "/id-shop") || late.Precondition[FactClient] != "" {
		t.Errorf("of an identity that is not there yet: %+v %v", r, late.Precondition)
	}
	there := stepOf(t, "target-connection-recreated-identity-is-there", id)
	if r := there.Replacement; r.AppID != identityClient || there.Precondition[FactClient] != string(identityClient) {
		t.Errorf("of one that is there: %+v %v", r, there.Precondition)
	}
	trust := stepOf(t, "target-connection-recreated-identity-is-there", "federated-credential/"+string(conn1)+"-replaced")
	if f := trust.FederatedCredential; f.Identity != there.Replacement.Identity || f.Application != "" || f.Replacement == nil {
		t.Errorf("it is trusted by %+v", f)
	}
}

func TestTextsThatNameAConnectionWaitForThoseThatWorkWithIt(t *testing.T) {
	s := stepOf(t, "target-connection-recreated-fixed-elsewhere", "pull-request/contoso/Shop/_git/site")
	if !slices.Contains(s.DependsOn, "pull-request/contoso/Shop/_git/templates") {
		t.Errorf("it waits for %v", s.DependsOn)
	}
	if s := stepOf(t, "target-connection-recreated-fixed-elsewhere", "pull-request/contoso/Shop/_git/templates"); slices.ContainsFunc(s.DependsOn, func(id string) bool { return strings.HasPrefix(id, "pull-request") }) {
		t.Errorf("the template's waits for %v", s.DependsOn)
	}
}
