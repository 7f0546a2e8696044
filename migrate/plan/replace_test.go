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

// readsKey is a connection that moves, with a step whose script reads the key: its new text works only with the new connection.
func readsKey(inv *inventory.Inventory, cfg *Config) *inventory.Connection {
	c := moving(inv, cfg)
	c.Concerns = readsKeyOf(inv)
	return c
}

// besides lets another connection be used by the step that reads the key.
func besides(inv *inventory.Inventory, app inventory.AppID, scheme string) *inventory.Connection {
	other := azurerm(conn2, "other", app)
	other.Scheme, other.UsesKnown, other.PipelinesKnown, other.Uses = scheme, true, true, inv.Connections[0].Uses
	use := inv.Connections[0].PipelineUses[0]
	use.Texts = []inventory.NameText{{Repository: "Shop/site", File: "azure-pipelines.yml", Line: 4, Column: 8, Name: "other"}}
	other.PipelineUses, other.Concerns = []inventory.PipelineUse{use}, slices.Clone(inv.Connections[0].Concerns)
	inv.Connections = append(inv.Connections, other)
	return &inv.Connections[1]
}

func TestATextThatWorksOnlyWithANewConnectionComesWithItsName(t *testing.T) {
	const gap, interrupt = "so that the pipeline fails between two merges", "set connections.pipelines: interrupt"
	for name, tc := range map[string]struct {
		change func(inv *inventory.Inventory, c *Config)
		held   string // why; empty: one pull request does both
	}{
		"named in the same repository": {func(inv *inventory.Inventory, c *Config) { readsKey(inv, c) }, ""},
		"of a registry": {func(inv *inventory.Inventory, c *Config) {
			r := recreated(inv, c)
			c.Targets = nil
			r.Concerns = readsKeyOf(inv)
		}, ""},
		"named in two files of it": {func(inv *inventory.Inventory, c *Config) {
			readsKey(inv, c)
			inv.PipelineRepositories[0].Files = append(inv.PipelineRepositories[0].Files, inventory.File{Path: "push.yml", OID: "2"})
			inv.Connections[0].Concerns[0].File, inv.Connections[0].PipelineUses[0].File = "push.yml", "push.yml"
		}, ""},
		"another connection of the unit": {func(inv *inventory.Inventory, c *Config) {
			readsKey(inv, c)
			besides(inv, appA, inventory.SchemeServicePrincipal)
		}, ""},
		"one that is federated": {func(inv *inventory.Inventory, c *Config) {
			readsKey(inv, c)
			besides(inv, appB, inventory.SchemeFederation)
		}, ""},
		"a connection of another unit": {func(inv *inventory.Inventory, c *Config) {
			readsKey(inv, c)
			besides(inv, appB, inventory.SchemeServicePrincipal)
		}, "the step is used with connection other, too, in whose place this unit makes none"},
		"an input that another file passes on": {func(inv *inventory.Inventory, c *Config) {
			readsKey(inv, c).PipelineUses[0].File = "inputs.yml"
		}, ""},
		"another pipeline runs the step with a connection of its own": {func(inv *inventory.Inventory, c *Config) {
			readsKey(inv, c)
			other := besides(inv, appB, inventory.SchemeServicePrincipal)
			other.PipelineUses[0].Pipeline, other.Concerns[0].Pipeline, other.Concerns[0].Disabled = "second", "second", true
		}, "the step is used with connection other, too"},
		"named in another repository": {func(inv *inventory.Inventory, c *Config) {
			readsKey(inv, c)
			elsewhere(inv, "other")
			inv.Connections[0].PipelineUses[0].Texts[0].Repository = "Shop/other"
		}, "its name stands in Shop/other, which has a pull request of its own"},
		"a second pipeline names it elsewhere": {func(inv *inventory.Inventory, c *Config) {
			readsKey(inv, c)
			elsewhere(inv, "other")
			use := inv.Connections[0].PipelineUses[0]
			use.Pipeline, use.Texts = "second", []inventory.NameText{{Repository: "Shop/other", File: "azure-pipelines.yml", Line: 3, Column: 8, Name: "production"}}
			again := inv.Connections[0].Concerns[0]
			again.Pipeline = "second"
			inv.Connections[0].PipelineUses, inv.Connections[0].Concerns = append(inv.Connections[0].PipelineUses, use), append(inv.Connections[0].Concerns, again)
		}, "its name stands in Shop/other"},
		"a name that is computed": {func(inv *inventory.Inventory, c *Config) {
			readsKey(inv, c).PipelineUses[0].Texts = []inventory.NameText{{Name: "production"}}
		}, "the name is computed"},
		"a name in settings": {func(inv *inventory.Inventory, c *Config) { readsKey(inv, c).PipelineUses[0].Texts = nil }, "it is not certain what Shop/ship"},
		"perhaps another":    {func(inv *inventory.Inventory, c *Config) { readsKey(inv, c).PipelineUses[0].Maybe = true }, "it is not certain what Shop/ship"},
		"names that are not known": {func(inv *inventory.Inventory, c *Config) {
			readsKey(inv, c).PipelinesKnown = false
		}, "not every place is known that names it"},
		"a step that is not known to use it": {func(inv *inventory.Inventory, c *Config) { readsKey(inv, c).PipelineUses[0].Step = "another" }, "its text does not tell what names it there"},
	} {
		t.Run(name, func(t *testing.T) {
			inv, c := base()
			tc.change(inv, &c)
			p, err := New(inv, c)
			if err != nil {
				t.Fatal(err)
			}
			text := outline(p)
			if tc.held != "" {
				for _, want := range []string{"pipeline-incompatible", tc.held, gap, interrupt} {
					if !strings.Contains(text, want) {
						t.Errorf("the plan lacks %q:\n%s", want, text)
					}
				}
				c.Connections.Pipelines = PipelinesInterrupt
				if p, err = New(inv, c); err != nil || strings.Contains(outline(p), gap) {
					t.Errorf("interrupt does not allow it (%v):\n%s", err, outline(p))
				}
				return
			}
			if !strings.Contains(text, "the pull request that lets it name the new connection puts it right at the same moment") || strings.Contains(text, "pipeline-incompatible") {
				t.Errorf("the plan is\n%s", text)
			}
			s, ok := p.Units[0].Step("pull-request/contoso/Shop/_git/site")
			if !ok || !slices.Contains(s.DependsOn, "connection-access/"+string(conn1)) {
				t.Fatalf("the pull request waits for %v", s.DependsOn)
			}
			var rules []string
			for _, l := range s.PullRequest.Logins {
				rules = append(rules, strings.Join(l.Pipeline.Rules, "+"))
				if l.Pipeline.Both {
					t.Errorf("%s is said to work with a secret, too", l.ID)
				}
			}
			if !slices.Contains(rules, "script-key") || !slices.Contains(rules, "connection-replaced") {
				t.Errorf("it changes %v", rules)
			}
			if !strings.Contains(s.Title, "rewrites 1 step and ") {
				t.Errorf("it is called %q", s.Title)
			}
		})
	}
}

// ofTwoOrganizations lets the pipelines of two organisations be built from one repository on GitHub; in the second one another connection has the name.
func ofTwoOrganizations(inv *inventory.Inventory, cfg *Config) *inventory.Connection {
	c := readsKey(inv, cfg)
	inv.Repositories[0].Files = append(inv.Repositories[0].Files, inventory.File{Path: "azure-pipelines.yml", OID: "1"})
	inv.PipelineRepositories = nil
	for _, o := range []string{"contoso", "fabrikam"} {
		inv.PipelineRepositories = append(inv.PipelineRepositories, inventory.PipelineRepository{Organization: o, Name: "o/shop", Place: "o/shop", DefaultBranch: "main",
			Files: []inventory.File{{Path: "azure-pipelines.yml", OID: "1"}}})
	}
	for i := range c.PipelineUses {
		c.PipelineUses[i].Repository, c.PipelineUses[i].Texts[0].Repository = "o/shop", "o/shop"
	}
	c.Concerns = readsKeyOf(inv)
	other := azurerm(conn2, "production", appB)
	other.Organization, other.UsesKnown, other.PipelinesKnown, other.Uses = "fabrikam", true, true, c.Uses
	other.PipelineUses, other.Concerns = slices.Clone(c.PipelineUses[:1]), slices.Clone(c.Concerns)
	other.PipelineUses[0].Organization, other.Concerns[0].Organization = "fabrikam", "fabrikam"
	inv.Connections = append(inv.Connections, other)
	return &inv.Connections[1]
}

func TestATextThatTwoOrganizationsRunIsChangedForNeitherAlone(t *testing.T) {
	const both, stays = "its text means different connections in different projects or organisations", "is used with connection production, too, which is not converted and needs the old text"
	planned := func(pipelines string, change func(second *inventory.Connection)) (*Plan, string) {
		inv, c := base()
		change(ofTwoOrganizations(inv, &c))
		c.Connections.Pipelines = pipelines
		p, err := New(inv, c)
		if err != nil {
			t.Fatal(err)
		}
		return p, outline(p)
	}
	if _, text := planned("", func(*inventory.Connection) {}); !strings.Contains(text, both) || !strings.Contains(text, "pipeline-incompatible") {
		t.Errorf("the step of both is not held:\n%s", text)
	}
	if _, text := planned(PipelinesInterrupt, func(*inventory.Connection) {}); !strings.Contains(text, stays) {
		t.Errorf("an interruption of the first fails the second:\n%s", text)
	}
	p, text := planned("", func(second *inventory.Connection) { second.Concerns, second.Scheme = nil, inventory.SchemeFederation })
	if !strings.Contains(text, both) {
		t.Errorf("the name of both is not held:\n%s", text)
	}
	for _, u := range p.Units {
		for _, s := range u.Steps {
			if s.PullRequest != nil && slices.ContainsFunc(s.PullRequest.Logins, func(l PlannedLogin) bool { return l.Pipeline != nil }) {
				t.Errorf("unit %s changes pipelines: %+v", u.ID, s.PullRequest.Logins)
			}
		}
	}
	_, text = planned("", func(second *inventory.Connection) { second.PipelineUses, second.Concerns = nil, nil })
	if strings.Contains(text, both) || !strings.Contains(text, "puts it right at the same moment") {
		t.Errorf("where the second organisation does not run it, it is not changed:\n%s", text)
	}
}

// readsKeyOf is the concern about a step that reads the key.
func readsKeyOf(inv *inventory.Inventory) []inventory.Concern {
	n := concern(inventory.ConcernBlocker, "script-key")
	n.PipelinePlace, n.Rewrite, n.After = inv.Connections[0].PipelineUses[0].PipelinePlace, inventory.RewriteSafe, true
	n.Line -= 2 // the name stands in its inputs
	return []inventory.Concern{n}
}
