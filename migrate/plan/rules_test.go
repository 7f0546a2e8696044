package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// planned is the one unit that a changed base gives.
func planned(t *testing.T, change edit) Unit {
	t.Helper()
	inv, c := base()
	inv.Connections[0].Name = "deploy"
	inv.Identities[0].Roles[0].Scope += "/resourceGroups/shop"
	change(inv, &c)
	p, err := New(inv, c)
	if err != nil {
		t.Fatal(err)
	}
	return p.Units[0]
}

func TestUnitsAreNamedForTheirRisks(t *testing.T) {
	for name, tc := range map[string]struct {
		change edit
		want   []string
	}{
		"none": {func(*inventory.Inventory, *Config) {}, nil},
		"two connections": {func(inv *inventory.Inventory, _ *Config) {
			inv.Connections = append(inv.Connections, azurerm(conn2, "second", appA))
		}, []string{RiskShared}},
		"production by its connection": {func(inv *inventory.Inventory, _ *Config) { inv.Connections[0].Name = "shop-PROD" }, []string{RiskProduction}},
		"production by its environment": {func(inv *inventory.Inventory, _ *Config) {
			inv.Logins[0] = login("o/shop", "deploy.yml", "AZURE_CREDENTIALS", "environment:production")
		}, []string{RiskProduction}},
		"production by its tag": {func(inv *inventory.Inventory, _ *Config) { inv.Identities[0].Tags = []string{"live"} }, []string{RiskProduction}},
		"production by a rule of one's own": {func(_ *inventory.Inventory, c *Config) {
			c.Production = &Rule{Subscriptions: []string{string(sub)}}
		}, []string{RiskProduction}},
		"contributor of a subscription": {func(inv *inventory.Inventory, _ *Config) {
			inv.Identities[0].Roles[0].Scope = "/subscriptions/" + string(sub)
		}, []string{RiskTier0}},
		"owner of a management group": {func(inv *inventory.Inventory, _ *Config) {
			inv.Identities[0].Roles = append(inv.Identities[0].Roles, inventory.RoleAssignment{Role: "Owner", Scope: "/providers/Microsoft.Management/managementGroups/root"})
		}, []string{RiskTier0}},
		"reader of a subscription": {func(inv *inventory.Inventory, _ *Config) {
			inv.Identities[0].Roles = append(inv.Identities[0].Roles, inventory.RoleAssignment{Role: "Reader", Scope: "/subscriptions/" + string(sub)})
		}, nil},
		"roles that could not be read": {func(inv *inventory.Inventory, _ *Config) { inv.Identities[0].RolesKnown = false }, []string{RiskTier0}},
		"the configuration asks for production alone": {func(inv *inventory.Inventory, c *Config) {
			inv.Identities[0].RolesKnown = false
			inv.Connections[0].Name = "prod"
			c.Revoke.Name = []string{RiskProduction}
		}, []string{RiskProduction}},
		"the configuration asks for none": {func(inv *inventory.Inventory, c *Config) {
			inv.Identities[0].RolesKnown, c.Revoke.Name = false, []string{NameNone}
		}, nil},
	} {
		var got []string
		for _, r := range planned(t, tc.change).Named {
			got = append(got, r.Code)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func day(n int) time.Time { return time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

func used(days ...int) edit {
	return func(inv *inventory.Inventory, _ *Config) {
		inv.Connections[0].UsesKnown = true
		for _, d := range days {
			inv.Connections[0].Uses = append(inv.Connections[0].Uses, inventory.Execution{Finished: day(d)})
		}
	}
}

func TestTheSoakTimeIsTheLongestGapBetweenUsesIfThatIsLonger(t *testing.T) {
	for name, tc := range map[string]struct {
		change edit
		days   int
		reason string
	}{
		"no use known":  {func(*inventory.Inventory, *Config) {}, 7, "the default"},
		"daily":         {used(1, 2, 3), 7, "the default"},
		"once a month":  {used(31, 0, 32), 31, "connection deploy was not used between 2026-06-01 and 2026-07-02"},
		"by the log":    {func(inv *inventory.Inventory, _ *Config) { signedIn(inv, 0, 20) }, 20, "the identity was not used between"},
		"as configured": {func(inv *inventory.Inventory, c *Config) { used(0, 31)(inv, c); c.Soak = new(Duration(48 * time.Hour)) }, 2, "the configuration"},
	} {
		s := planned(t, tc.change).Soak
		if time.Duration(s.Time) != time.Duration(tc.days)*24*time.Hour || !strings.Contains(s.Reason, tc.reason) {
			t.Errorf("%s: %s, %s", name, time.Duration(s.Time), s.Reason)
		}
	}
}

func signedIn(inv *inventory.Inventory, days ...int) {
	inv.Identities[0].SignIns.Known = true
	for _, d := range days {
		inv.Identities[0].SignIns.SignIns = append(inv.Identities[0].SignIns.SignIns, inventory.SignIn{Time: day(d)})
	}
}

func TestWavesAreAssignedByRules(t *testing.T) {
	week := new(Duration(7 * 24 * time.Hour))
	for name, tc := range map[string]struct {
		rules  []WaveRule
		change edit
		want   int
	}{
		"no rule":                  {nil, nil, 1},
		"by subscription":          {[]WaveRule{{Wave: 4, Subscriptions: []string{string(sub)}}}, nil, 4},
		"by tag":                   {[]WaveRule{{Wave: 2, Tags: []string{"canary*"}}}, func(inv *inventory.Inventory, _ *Config) { inv.Identities[0].Tags = []string{"canary-1"} }, 2},
		"by risk":                  {[]WaveRule{{Wave: 5, Risk: []string{RiskTier0}}}, func(inv *inventory.Inventory, _ *Config) { inv.Identities[0].RolesKnown = false }, 5},
		"not by another risk":      {[]WaveRule{{Wave: 5, Risk: []string{RiskShared}}}, nil, 1},
		"unused":                   {[]WaveRule{{Wave: 2, UnusedFor: week}}, func(inv *inventory.Inventory, _ *Config) { inv.Identities[0].SignIns.Known = true }, 2},
		"unused, but nobody knows": {[]WaveRule{{Wave: 2, UnusedFor: week}}, nil, 1},
		"used of late": {[]WaveRule{{Wave: 2, UnusedFor: week}}, func(inv *inventory.Inventory, _ *Config) {
			signedIn(inv, 10)
			other := identity(appB, "Other")
			inv.Identities = append(inv.Identities, other)
			inv.Identities[1].SignIns = inventory.SignInEvidence{Known: true, SignIns: []inventory.SignIn{{Time: day(12)}}}
		}, 1},
		"unused, and what the globs say": {[]WaveRule{{Wave: 2, UnusedFor: week, Connections: []string{"other"}}}, func(inv *inventory.Inventory, _ *Config) { inv.Identities[0].SignIns.Known = true }, 1},
		"the first that matches":         {[]WaveRule{{Wave: 3, Connections: []string{"dep*"}}, {Wave: 2, Repositories: []string{"o/*"}}}, nil, 3},
	} {
		u := planned(t, func(inv *inventory.Inventory, c *Config) {
			c.Waves = tc.rules
			if tc.change != nil {
				tc.change(inv, c)
			}
		})
		if u.Wave != tc.want {
			t.Errorf("%s: wave %d, want %d", name, u.Wave, tc.want)
		}
	}
}

func TestOneRunRevokesAShareOfTheUnits(t *testing.T) {
	for _, tc := range []struct {
		rules       RevokeRules
		units, want int
	}{{RevokeRules{Share: 30}, 100, 30}, {RevokeRules{Share: 30}, 2, 1}, {RevokeRules{Share: 30}, 0, 1}, {RevokeRules{Share: 100}, 7, 7}, {RevokeRules{Share: 50, Units: 3}, 100, 3}} {
		if got := tc.rules.Limit(tc.units); got != tc.want {
			t.Errorf("%+v of %d: %d, want %d", tc.rules, tc.units, got, tc.want)
		}
	}
}
