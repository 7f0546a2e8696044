package lab_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

func demo(t *testing.T) (*world.World, lab.Mapping) {
	t.Helper()
	w, mapping, err := lab.LoadSeedMapping(lab.Demo)
	if err != nil {
		t.Fatal(err)
	}
	return w, mapping
}

func TestTheDemoHasOneOfEverything(t *testing.T) {
	w, mapping := demo(t)
	org, account := w.DevOps["contoso"], w.GitHub.Account("contoso")
	schemes := map[string]int{}
	shared, unreadable, automatic, oldIssuer := 0, 0, 0, 0
	for _, c := range org.Connections {
		schemes[c.Type+" "+c.Scheme]++
		count(&shared, len(c.Refs) > 1)
		count(&unreadable, c.Unreadable)
		count(&automatic, c.Data["creationMode"] == "Automatic")
		count(&oldIssuer, strings.HasPrefix(c.Params["workloadIdentityFederationIssuer"], "https://vstoken."))
	}
	if diff := cmp.Diff(map[string]int{"azurerm ServicePrincipal": 3, "azurerm WorkloadIdentityFederation": 2, "dockerregistry UsernamePassword": 1}, schemes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{1, 1, 1, 1, 2, 8, 1, 3, 5}, []int{shared, unreadable, automatic, oldIssuer, len(org.Projects), len(w.GitHub.Repos), len(account.Secrets), len(account.Secrets[0].Selected), len(mapping)}); diff != "" {
		t.Errorf("shared, unreadable, automatic, old issuer, projects, repositories, organisation secrets, selected repositories, mapped: %s", diff)
	}
}

func count(n *int, when bool) {
	if when {
		*n++
	}
}

// TestEveryPipelineOfTheDemoSignsIn is what a migration must keep true.
func TestEveryPipelineOfTheDemoSignsIn(t *testing.T) {
	w, _ := demo(t)
	l := serve(t, w, lab.Options{})
	outcomes, err := l.TriggerAll()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, o := range outcomes {
		kinds[o.Kind]++
		if !o.OK {
			t.Errorf("%s: %s", o.Place(), o.Error)
		}
	}
	if diff := cmp.Diff(map[string]int{"secret": 23, "federated": 3}, kinds); diff != "" {
		t.Errorf("sign-ins by kind: %s", diff)
	}
	status, got := control(t, l, "POST", "trigger-all", nil)
	if status != 200 || len(got["outcomes"].([]any)) != len(outcomes) {
		t.Errorf("the control API's trigger-all: %d %v", status, got)
	}
}

func TestSecretsOfTheDemoHoldWhatTheyMust(t *testing.T) {
	w, mapping := demo(t)
	for _, h := range mapping {
		if h.AppID == "" || h.KeyID == "" {
			t.Errorf("%+v", h)
		}
	}
	r := w.GitHub.Repo("contoso", "web")
	creds := w.SecretFor(r, "", "AZURE_CREDENTIALS")
	if creds == nil || !strings.Contains(creds.Value, `"clientSecret": "`+world.Canary) {
		t.Errorf("web's credentials are %v", creds)
	}
	if toolbox := w.SecretFor(w.GitHub.Repo("contoso", "toolbox"), "", "AZURE_CREDENTIALS"); toolbox != nil {
		t.Error("toolbox sees an organisation secret that it was not selected for")
	}
	for _, repo := range w.GitHub.Repos {
		for _, s := range slices.Concat(repo.Secrets, repo.Dependabot) {
			if !strings.Contains(s.Value, world.Canary) {
				t.Errorf("secret %s of %s has no canary", s.Name, repo.FullName())
			}
		}
	}
}

func TestASeedIsDeterministic(t *testing.T) {
	a, first := demo(t)
	b, second := demo(t)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
	if x, y := a.GitHub.Repo("contoso", "web").ID, b.GitHub.Repo("contoso", "web").ID; x != y {
		t.Errorf("repository ids %d and %d", x, y)
	}
}

func TestSeedErrorsSayWhatIsWrong(t *testing.T) {
	head := "tenant: t\nsubscriptions: [s]\nidentities:\n- {name: a, passwords: [{name: p, expires: 1d}]}\n"
	for name, c := range map[string]struct{ text, want string }{
		"no tenant":                {"seed: 1", "tenant is missing"},
		"an unknown field":         {"tenat: t", "field tenat not found"},
		"no YAML":                  {"tenant: [", "read the lab's seed file"},
		"a bad time span":          {"tenant: t\nidentities:\n- {name: a, passwords: [{expires: soon}]}", `"soon" is not a time span`},
		"a bad clock":              {"tenant: t\nclock: noon", `clock "noon"`},
		"no expiry":                {"tenant: t\nidentities:\n- {name: a, passwords: [{name: p}]}", "expires is missing"},
		"an identity twice":        {head + "- {name: a}", `identity "a": the name is missing or taken`},
		"an unknown role":          {head + "- {name: b, roles: [{role: King, scope: s}]}", `role "King" is not one of`},
		"an unknown subscription":  {head + "- {name: b, roles: [{role: Reader, scope: x}]}", `subscription "x"`},
		"an unknown project":       {head + "azureDevOps: [{name: o, connections: [{name: c, projects: [p], identity: a}]}]", `connection "c": project "p" is not in projects`},
		"a connection of nobody":   {head + "azureDevOps: [{name: o, projects: [p], connections: [{name: c, projects: [p], identity: b}]}]", `identity "b" is not in identities`},
		"an unknown password":      {head + "azureDevOps: [{name: o, projects: [p], connections: [{name: c, projects: [p], identity: a, password: q}]}]", `has no password "q"`},
		"a secret of two kinds":    {head + "github: [{name: g, secrets: [{name: S, creds: a, other: true}]}]", "more than one of"},
		"a secret of no kind":      {head + "github: [{name: g, secrets: [{name: S}]}]", "it holds nothing"},
		"a secret in a variable":   {head + "github: [{name: g, repositories: [{name: r, variables: [{name: V, password: a}]}]}]", "a variable can be read"},
		"an unknown repository":    {head + "github: [{name: g, secrets: [{name: S, creds: a, repositories: [r]}]}]", `repository "r" is not in repositories`},
		"an unknown visibility":    {head + "github: [{name: g, repositories: [{name: r, visibility: secret}]}]", `visibility "secret" is not one of`},
		"an identity in a secret":  {head + "github: [{name: g, secrets: [{name: S, clientId: x}]}]", `github account "g": secret "S": identity "x"`},
		"a secret without a name":  {head + "github: [{name: g, secrets: [{creds: a}]}]", "the name is missing"},
		"a connection in no place": {head + "azureDevOps: [{name: o, projects: [p], connections: [{name: c, identity: a}]}]", "projects is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := lab.LoadSeed([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestTheDemosWorkflowsAreYAML(t *testing.T) {
	w, _ := demo(t)
	for _, r := range w.GitHub.Repos {
		for path, text := range r.Files("main") {
			if !strings.HasSuffix(path, ".yml") {
				continue
			}
			var v any
			if err := yaml.Unmarshal(text, &v); err != nil {
				t.Errorf("%s %s: %v", r.Name, path, err)
			}
		}
	}
	if _, err := os.Stat("scenarios/demo.yaml"); err != nil {
		t.Error(err)
	}
}
