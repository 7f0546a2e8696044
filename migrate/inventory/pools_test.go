package inventory_test

import (
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

func TestAManagedPoolKeepsTheAgentsOfThePoolThatItNames(t *testing.T) {
	in := func(url, alias string) inventory.ManagedPoolOrganization {
		return inventory.ManagedPoolOrganization{URL: url, Alias: alias}
	}
	const contoso = "https://dev.azure.com/contoso"
	for name, tc := range map[string]struct {
		alias string
		in    []inventory.ManagedPoolOrganization
		pool  inventory.AgentPool
		want  bool
	}{
		"its own name":               {"", []inventory.ManagedPoolOrganization{in(contoso, "")}, inventory.AgentPool{Name: "agents"}, true},
		"in other letters":           {"", []inventory.ManagedPoolOrganization{in("https://DEV.azure.com/Contoso/", "")}, inventory.AgentPool{Name: "Agents"}, true},
		"at the old address":         {"", []inventory.ManagedPoolOrganization{in("https://contoso.visualstudio.com", "")}, inventory.AgentPool{Name: "agents"}, true},
		"its alias":                  {"builders", []inventory.ManagedPoolOrganization{in(contoso, "")}, inventory.AgentPool{Name: "builders"}, true},
		"not its name, but alias":    {"builders", []inventory.ManagedPoolOrganization{in(contoso, "")}, inventory.AgentPool{Name: "agents"}, false},
		"the organisation's alias":   {"builders", []inventory.ManagedPoolOrganization{in("https://dev.azure.com/fabrikam", ""), in(contoso, "here")}, inventory.AgentPool{Name: "here"}, true},
		"the other's alias":          {"builders", []inventory.ManagedPoolOrganization{in("https://dev.azure.com/fabrikam", "there"), in(contoso, "here")}, inventory.AgentPool{Name: "there"}, false},
		"another organisation's":     {"", []inventory.ManagedPoolOrganization{in("https://dev.azure.com/fabrikam", "")}, inventory.AgentPool{Name: "agents"}, false},
		"a name that begins so":      {"", []inventory.ManagedPoolOrganization{in("https://dev.azure.com/contoso-labs", "")}, inventory.AgentPool{Name: "agents"}, false},
		"somebody else's host":       {"", []inventory.ManagedPoolOrganization{in("https://dev.azure.com.example.com/contoso", "")}, inventory.AgentPool{Name: "agents"}, false},
		"no address":                 {"", []inventory.ManagedPoolOrganization{in("%", "")}, inventory.AgentPool{Name: "agents"}, false},
		"for GitHub":                 {"", nil, inventory.AgentPool{Name: "agents"}, false},
		"a pool of Microsoft's":      {"", []inventory.ManagedPoolOrganization{in(contoso, "")}, inventory.AgentPool{Name: "agents", Hosted: true}, false},
		"a pool in a scale set":      {"", []inventory.ManagedPoolOrganization{in(contoso, "")}, inventory.AgentPool{Name: "agents", ScaleSet: "/subscriptions/s"}, false},
		"a pool that has no name":    {"", []inventory.ManagedPoolOrganization{in("https://dev.azure.com/fabrikam", "")}, inventory.AgentPool{}, false},
		"an organisation of no pool": {"", []inventory.ManagedPoolOrganization{in("https://dev.azure.com/", "")}, inventory.AgentPool{Name: "agents"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inv := inventory.Inventory{ManagedPools: []inventory.ManagedPool{{Resource: "/r", Name: "agents", Alias: tc.alias, Organizations: tc.in}}}
			tc.pool.Organization = "contoso"
			if m := inv.ManagedPoolOf(tc.pool); (m != nil) != tc.want {
				t.Errorf("it is %+v", m)
			}
		})
	}
}
