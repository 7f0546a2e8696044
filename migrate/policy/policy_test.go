package policy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// everything is an inventory that breaks every rule, some of them more than once.
func everything() *inventory.Inventory {
	all := &inventory.Inventory{ScannedAt: scanned}
	for i, c := range slices.Concat(connectionCases(), loginCases(), credentialCases(), identityCases()) {
		suffix := "-" + string(rune('A'+i/26)) + string(rune('a'+i%26))
		for _, x := range c.inv.Connections {
			x.ID += inventory.ConnectionID(suffix)
			all.Connections = append(all.Connections, x)
		}
		for _, x := range c.inv.Identities {
			x.AppID += inventory.AppID(suffix)
			all.Identities = append(all.Identities, x)
		}
		all.Logins = append(all.Logins, c.inv.Logins...)
		all.Secrets = append(all.Secrets, c.inv.Secrets...)
		all.Gaps = append(all.Gaps, c.inv.Gaps...)
	}
	all.Secrets = all.Secrets[:1]
	return all
}

func TestFindingsDoNotDependOnTheOrderOfTheInventory(t *testing.T) {
	inv := everything()
	want := Evaluate(inv, Config{})
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		shuffle(r, inv.Connections)
		shuffle(r, inv.Identities)
		shuffle(r, inv.Logins)
		shuffle(r, inv.Gaps)
		for i := range inv.Identities {
			inv.Identities[i].Credentials = slices.Clone(inv.Identities[i].Credentials)
			shuffle(r, inv.Identities[i].Credentials)
		}
		for i := range inv.Connections {
			shuffle(r, inv.Connections[i].Uses)
		}
		if d := cmp.Diff(want, Evaluate(inv, Config{})); d != "" {
			t.Fatalf("seed %d: another order gives other findings (-want +got):\n%s", seed, d)
		}
	}
}

func shuffle[T any](r *rand.Rand, list []T) {
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

func TestFindingsComeWorstFirst(t *testing.T) {
	got := Evaluate(everything(), Config{})
	if !slices.IsSortedFunc(got, func(a, b Finding) int { return a.Severity.rank() - b.Severity.rank() }) {
		t.Error("a less severe finding comes before a worse one")
	}
}

func TestFingerprintsAreUnique(t *testing.T) {
	seen := map[string]string{}
	for _, f := range Evaluate(everything(), Config{}) {
		if other, ok := seen[f.Fingerprint]; ok {
			t.Errorf("one fingerprint for two findings:\n%s\n%s", other, f.Message)
		}
		seen[f.Fingerprint] = f.Message
	}
}

func TestFingerprintsStayWhenLinesMove(t *testing.T) {
	inv := everything()
	before := Evaluate(inv, Config{})
	for i := range inv.Logins {
		l := &inv.Logins[i]
		l.Line, l.EndLine = l.Line+7, l.EndLine+7
		l.Column += 2
		l.ID = inventory.NewLoginID(l.Repository, l.File, l.Line, l.Column)
	}
	after := Evaluate(inv, Config{})
	moved := cmpopts.IgnoreFields(Finding{}, "Object", "Line", "Column", "EndLine", "EndColumn")
	if d := cmp.Diff(before, after, moved); d != "" {
		t.Errorf("moved lines change more than places (-before +after):\n%s", d)
	}
}

func TestFingerprintsDifferWhereTheCauseDiffers(t *testing.T) {
	print := func(inv *inventory.Inventory, rule string) string {
		for _, f := range Evaluate(inv, Config{}) {
			if f.Rule == rule {
				return f.Fingerprint
			}
		}
		t.Fatalf("no finding of rule %s", rule)
		return ""
	}
	creds := func(change func(*inventory.Login)) *inventory.Inventory {
		return login(func(l *inventory.Login) {
			l.Kind, l.Conversion, l.Secrets = inventory.KindAzureLoginCreds, inventory.ConversionAutomatic, []inventory.SecretUse{{Name: "A"}}
			change(l)
		})
	}
	seen := map[string]bool{}
	for _, change := range []func(*inventory.Login){
		func(*inventory.Login) {},
		func(l *inventory.Login) { l.Repository = "contoso/other" },
		func(l *inventory.Login) { l.File = "other.yml" },
		func(l *inventory.Login) { l.Job = "other" },
		func(l *inventory.Login) { l.Step = "other" },
		func(l *inventory.Login) { l.Kind = inventory.KindTerraformEnv },
		func(l *inventory.Login) { l.Secrets[0].Name = "B" },
	} {
		p := print(creds(change), "login-secret")
		if seen[p] {
			t.Error("another place, the same fingerprint")
		}
		seen[p] = true
	}
}

func TestExceptions(t *testing.T) {
	f := func() *inventory.Inventory {
		return login(func(l *inventory.Login) {
			l.Kind, l.Conversion = inventory.KindAzureLoginCreds, inventory.ConversionAutomatic
		})
	}
	for name, c := range map[string]struct {
		exception Exception
		holds     bool
	}{
		"by rule":                            {Exception{Rule: "login-secret"}, true},
		"another rule":                       {Exception{Rule: "connection-secret"}, false},
		"by repository":                      {Exception{Object: "contoso/shop"}, true},
		"by a glob, case ignored":            {Exception{Object: "CONTOSO/*"}, true},
		"by file":                            {Exception{Object: ".github/workflows/*.yml"}, true},
		"another file":                       {Exception{Object: ".github/workflows/*.yaml"}, false},
		"a glob stops at a slash":            {Exception{Object: "contoso*"}, false},
		"rule and object must both match":    {Exception{Rule: "login-secret", Object: "fabrikam/*"}, false},
		"until a later time":                 {Exception{Rule: "login-secret", Until: scanned.Add(time.Second)}, true},
		"until the scan":                     {Exception{Rule: "login-secret", Until: scanned}, false},
		"until today, a date":                {Exception{Rule: "login-secret", Until: scanned.Truncate(24 * time.Hour)}, true},
		"until yesterday, a date":            {Exception{Rule: "login-secret", Until: scanned.AddDate(0, 0, -1).Truncate(24 * time.Hour)}, false},
		"an object's glob that is not valid": {Exception{Object: "[", Rule: "login-secret"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.exception.Reason = "agreed"
			config := Config{Exceptions: []Exception{c.exception}}
			got := Evaluate(f(), config)
			if len(got) != 1 || (got[0].Excepted != nil) != c.holds {
				t.Fatalf("excepted %v, want %v", got[0].Excepted != nil, c.holds)
			}
			if failing := len(Failing(got, config)) > 0; failing == c.holds {
				t.Errorf("failing %v although the exception holds: %v", failing, c.holds)
			}
			if c.holds && got[0].Excepted.Reason != "agreed" {
				t.Errorf("the finding does not tell the exception's reason: %+v", got[0].Excepted)
			}
		})
	}
}

func TestTheFirstMatchingExceptionIsTold(t *testing.T) {
	inv := connection(func(c *inventory.Connection) { c.Scheme = inventory.SchemeServicePrincipal })
	got := Evaluate(inv, Config{Exceptions: []Exception{{Rule: "connection-secret", Reason: "first"}, {Object: "*", Reason: "second"}}})
	if got[0].Excepted == nil || got[0].Excepted.Reason != "first" {
		t.Errorf("%+v", got[0].Excepted)
	}
}

func TestThresholds(t *testing.T) {
	var findings []Finding
	for _, s := range Severities() {
		findings = append(findings, Finding{Severity: s})
	}
	for threshold, want := range map[Severity]int{"": 2, Critical: 1, High: 2, Medium: 3, Low: 4, Info: 5} {
		if got := len(Failing(findings, Config{Threshold: threshold})); got != want {
			t.Errorf("threshold %q: %d findings fail, want %d", threshold, got, want)
		}
	}
}

func TestLimitsAreConfigurable(t *testing.T) {
	inv := identity(func(id *inventory.Identity) {
		id.Credentials = []inventory.Credential{password("k1")} // lives 110 days, ends in 100
	})
	inv.Connections = connection(func(c *inventory.Connection) { c.Uses[0].Finished = day(-20) }).Connections
	if got := Evaluate(inv, Config{}); len(got) != 0 {
		t.Fatalf("the defaults find %s", got[0].Message)
	}
	var rules []string
	for _, f := range Evaluate(inv, Config{UnusedDays: 19, ExpiryDays: 100, MaxAgeDays: 109}) {
		rules = append(rules, f.Rule)
	}
	slices.Sort(rules)
	if d := cmp.Diff([]string{"connection-unused", "credential-expiring", "credential-long-lived"}, rules); d != "" {
		t.Error(d)
	}
}

func TestAnIdleConnectionIsNeverToBeDeletedWhileADefinitionNamesIt(t *testing.T) {
	use := func(source, name string, change func(*inventory.PipelineUse)) inventory.PipelineUse {
		u := inventory.PipelineUse{Source: source}
		u.Project, u.Pipeline = "Shop", name
		if change != nil {
			change(&u)
		}
		return u
	}
	for name, c := range map[string]struct {
		uses    []inventory.PipelineUse
		change  func(*inventory.Connection)
		message string
		deletes bool
	}{
		"nothing names it":              {nil, nil, "connection prod in contoso was last used 91 days ago", true},
		"YAML":                          {[]inventory.PipelineUse{use(inventory.UseYAML, "ship", nil)}, nil, "connection prod in contoso is named by pipeline Shop/ship but not run in 90 days: it last ran on 2026-03-16", false},
		"classic":                       {[]inventory.PipelineUse{use(inventory.UseClassic, "ship", nil)}, nil, "connection prod in contoso is named by pipeline Shop/ship but not run in 90 days: it last ran on 2026-03-16", false},
		"a release that never ran":      {[]inventory.PipelineUse{use(inventory.UseRelease, "ship", nil)}, func(c *inventory.Connection) { c.Uses = nil }, "connection prod in contoso is named by pipeline Shop/ship but not run in 90 days: its execution history has no entry", false},
		"perhaps":                       {[]inventory.PipelineUse{use(inventory.UseYAML, "ship", func(u *inventory.PipelineUse) { u.Maybe = true })}, nil, "connection prod in contoso is named by pipeline Shop/ship but not run in 90 days: it last ran on 2026-03-16", false},
		"in a disabled step":            {[]inventory.PipelineUse{use(inventory.UseYAML, "ship", func(u *inventory.PipelineUse) { u.Disabled = true })}, nil, "connection prod in contoso is named by pipeline Shop/ship but not run in 90 days: it last ran on 2026-03-16", false},
		"several":                       {[]inventory.PipelineUse{use(inventory.UseYAML, "ship", nil), use(inventory.UseVariableGroup, "vault", nil), use(inventory.UseYAML, "ship", nil)}, nil, "connection prod in contoso is named by pipeline Shop/ship and 1 more but not run in 90 days: it last ran on 2026-03-16", false},
		"not all definitions are known": {nil, func(c *inventory.Connection) { c.PipelinesKnown = false }, "connection prod in contoso was last used 91 days ago, and not every definition that may name it could be read", false},
	} {
		t.Run(name, func(t *testing.T) {
			found := Evaluate(connection(func(x *inventory.Connection) {
				x.Uses[0].Finished, x.PipelineUses = day(-91), c.uses
				if c.change != nil {
					c.change(x)
				}
			}), Config{})
			if len(found) != 1 || found[0].Rule != "connection-unused" || found[0].Message != c.message {
				t.Fatalf("%+v", found)
			}
			advised := strings.Contains(strings.Join(found[0].Remedy, "; "), "then delete it")
			forbidden := strings.Contains(strings.Join(found[0].Remedy, "; "), "do not delete it")
			if advised != c.deletes || forbidden == c.deletes {
				t.Errorf("advice: %q", found[0].Remedy)
			}
		})
	}
}

func TestConfigIsValidated(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		"empty":              {Config{}, ""},
		"complete":           {Config{Threshold: Low, UnusedDays: 1, Exceptions: []Exception{{Rule: "login-secret", Object: "a/*", Reason: "r"}}}, ""},
		"unknown threshold":  {Config{Threshold: "severe"}, "check.threshold"},
		"negative days":      {Config{MaxAgeDays: -1}, "check.maxAgeDays"},
		"no reason":          {Config{Exceptions: []Exception{{Rule: "login-secret"}}}, "check.exceptions[0]"},
		"accepts everything": {Config{Exceptions: []Exception{{Reason: "r"}}}, "everything"},
		"unknown rule":       {Config{Exceptions: []Exception{{Reason: "r", Rule: "login-secrets"}}}, `no rule "login-secrets"`},
		"broken glob":        {Config{Exceptions: []Exception{{Reason: "r", Object: "a/["}}}, "syntax error in pattern"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.config.Validate()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAGapOfAFilePointsAtIt(t *testing.T) {
	inv := &inventory.Inventory{ScannedAt: scanned, Gaps: []inventory.Gap{{Source: inventory.SourceGitHub, Object: "repository contoso/a", File: ".github/workflows/x.yml", Line: 3, Column: 1, Message: "not YAML", Next: "repair it"}}}
	f := Evaluate(inv, Config{})[0]
	if f.Repository != "contoso/a" || f.File != ".github/workflows/x.yml" || f.Line != 3 || !slices.Equal(f.Remedy, []string{"repair it"}) {
		t.Errorf("%+v", f)
	}
}
