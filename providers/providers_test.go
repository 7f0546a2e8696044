package providers_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers"
	"github.com/unsecret-dev/unsecret/providers/auth"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tokens are the lab's tokens of a role as a caller's environment has them.
func tokens(role string) func(string) string {
	values := map[string]string{
		auth.EnvAzureDevOps: lab.Token(world.AudienceAzureDevOps, role), auth.EnvGraph: lab.Token(world.AudienceGraph, role),
		auth.EnvARM: lab.Token(world.AudienceARM, role), "GITHUB_TOKEN": lab.Token(world.AudienceGitHub, role),
	}
	return func(name string) string { return values[name] }
}

func config(w *world.World, role string) providers.Config {
	c := providers.Config{
		AzureDevOps: &providers.AzureDevOps{Endpoint: w.Endpoints.AzureDevOps, Organizations: []string{"contoso"}},
		GitHub:      &providers.GitHub{Endpoint: w.Endpoints.GitHub},
		Entra:       &providers.Entra{Endpoint: w.Endpoints.Graph, Authority: w.Endpoints.Login},
		Azure:       &providers.Azure{Endpoint: w.Endpoints.ARM},
		Auth:        providers.Auth{Mode: auth.ModeEnvironment},
		Getenv:      tokens(role),
	}
	for id := range w.Tenants {
		c.Entra.Tenant = id
	}
	return c
}

func TestAllProvidersWorkTogetherOnOneTransport(t *testing.T) {
	w := labtest.Demo(t)
	w.Clock.Freeze(time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC))
	l := labtest.Start(t, w, lab.Options{})
	c := config(w, world.RoleReader)
	var log bytes.Buffer
	var mu sync.Mutex
	c.Transport = transport.Options{ReadOnly: true, Logf: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&log, format+"\n", args...)
	}}
	set, err := providers.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	sources := set.DevOpsSources([]string{"contoso"})
	if len(sources) != 1 {
		t.Fatal(sources)
	}
	if _, err := sources[0].Organization(t.Context()); err != nil {
		t.Error(err)
	}
	refs, err := set.GitHub.List(t.Context(), "contoso")
	if err != nil {
		t.Error(err)
	}
	if err := set.GitHub.Read(t.Context(), refs, func(scan.RepositoryContent) {}); err != nil {
		t.Error(err)
	}
	identities, _, err := set.Entra.AllApplications(t.Context())
	if err != nil || len(identities) == 0 || identities[0].TenantID != set.Entra.Tenant() {
		t.Error(identities, err)
	}
	roles, err := set.Azure.Roles(t.Context(), []inventory.ObjectID{identities[0].ServicePrincipalID})
	if err != nil || len(roles) != 1 {
		t.Error(roles, err)
	}
	if now := set.Outside().Now(); now.Year() != 2031 && now.Year() != 2030 {
		t.Errorf("the servers' time is not learned: %s", now)
	}
	kinds := ""
	for _, count := range set.Transport.Counts() {
		kinds += count.Kind + " "
	}
	if kinds != "azure azureDevOps entra github " {
		t.Errorf("counts of %s", kinds)
	}
	if l.Writes() != 0 {
		t.Error("something was written")
	}
	for _, audience := range []string{"azureDevOps", "github", "graph", "arm"} {
		if strings.Contains(log.String(), lab.Token(audience, world.RoleReader)) {
			t.Error("a token is in the log")
		}
	}
}

func TestWhatIsNotConfiguredIsNotConnected(t *testing.T) {
	set, err := providers.Connect(t.Context(), providers.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	o := set.Outside()
	if o.Connections != nil || o.Directory != nil || o.Repositories != nil || o.Now == nil || set.DevOpsSources([]string{"contoso"}) != nil {
		t.Errorf("%+v", o)
	}
}

func TestEveryProblemOfAConfigurationIsToldAtOnce(t *testing.T) {
	_, err := providers.Connect(t.Context(), providers.Config{
		AzureDevOps: &providers.AzureDevOps{Endpoint: "http://devops.contoso.com", Organizations: []string{"contoso"}},
		GitHub:      &providers.GitHub{Endpoint: "nonsense"},
		Azure:       &providers.Azure{},
		Auth:        providers.Auth{Mode: auth.ModeEnvironment},
		Getenv:      func(name string) string { return map[string]string{auth.EnvAzureDevOps: "x"}[name] },
	})
	for _, want := range []string{"only sent over https", `"nonsense"`, auth.EnvARM} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if _, err := providers.Connect(t.Context(), providers.Config{Cloud: "moon"}); err == nil {
		t.Error("there is a cloud on the moon")
	}
}

func TestAnAppSignsInToTheLab(t *testing.T) {
	w := labtest.Demo(t)
	labtest.Start(t, w, lab.Options{})
	c := providers.Config{GitHub: &providers.GitHub{Endpoint: w.Endpoints.GitHub, App: &auth.GitHubApp{ID: 1, Installation: 2, PrivateKeyFile: testKey(t)}}, Transport: transport.Options{ReadOnly: true}}
	set, err := providers.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if refs, err := set.GitHub.List(t.Context(), "contoso"); err != nil || len(refs) == 0 {
		t.Error(refs, err)
	}
}
