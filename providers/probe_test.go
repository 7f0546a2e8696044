package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/doctor"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/providers/azure"
	"github.com/unsecret-dev/unsecret/providers/azuredevops"
	"github.com/unsecret-dev/unsecret/providers/entra"
	"github.com/unsecret-dev/unsecret/providers/github"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// probeAll probes the lab's four services with the tokens of a role, and judges the answers for all phases.
func probeAll(t *testing.T, l *lab.Lab, role string) doctor.Report {
	t.Helper()
	o := transport.Options{ReadOnly: true, Attempts: 2}
	e := l.World.Endpoints
	devOpsHTTP, _ := labtest.Client(t, e.AzureDevOps, "azureDevOps", world.AudienceAzureDevOps, role, o)
	devOps, err := azuredevops.New(azuredevops.Config{Organization: "contoso", URL: e.AzureDevOps, HTTP: devOpsHTTP})
	if err != nil {
		t.Fatal(err)
	}
	githubHTTP, tr := labtest.Client(t, e.GitHub, "github", world.AudienceGitHub, role, o)
	hub, err := github.New(github.Config{URL: e.GitHub, HTTP: githubHTTP, Now: tr.Now})
	if err != nil {
		t.Fatal(err)
	}
	graphHTTP, tr := labtest.Client(t, e.Graph, "entra", world.AudienceGraph, role, o)
	graph, err := entra.New(entra.Config{Tenant: "tenant", URL: e.Graph, HTTP: graphHTTP, Now: tr.Now})
	if err != nil {
		t.Fatal(err)
	}
	armHTTP, _ := labtest.Client(t, e.ARM, "azure", world.AudienceARM, role, o)
	arm, err := azure.New(azure.Config{URL: e.ARM, HTTP: armHTTP})
	if err != nil {
		t.Fatal(err)
	}
	var sources []doctor.Source
	for _, p := range []doctor.Prober{devOps, hub.OwnerProber("contoso"), graph, arm} {
		sources = append(sources, p.Probe(t.Context()))
	}
	return doctor.Diagnose(sources, "")
}

// states gives the state of every permission that was judged.
func states(r doctor.Report) map[string]doctor.State {
	out := map[string]doctor.State{}
	for _, s := range r.Sources {
		for _, x := range s.Results {
			key := x.Permission
			if key == "" {
				key = x.Name
			}
			out[key] = x.State
		}
	}
	return out
}

// read are the permissions that a probe can show.
var read = []string{permissions.DevOpsProjects, permissions.DevOpsConnectionRead, permissions.DevOpsCodeRead, permissions.GraphApplicationRead, permissions.GraphAuditLog, permissions.GraphPolicy,
	permissions.AzureReader, permissions.GitHubContents, permissions.GitHubActions, permissions.GitHubAdministration, permissions.GitHubStores, permissions.GitHubOrganization}

// TestOneHiddenConnectionIsAMissingRole: one of the demo's connections hides its data, in another project than the first.
func TestOneHiddenConnectionIsAMissingRole(t *testing.T) {
	l := labtest.Start(t, labtest.Demo(t), lab.Options{})
	if got := states(probeAll(t, l, world.RoleReader)); got[permissions.DevOpsConnectionRead] != doctor.Missing || got[permissions.DevOpsProjects] != doctor.Fine {
		t.Errorf("%v", got)
	}
}

func TestReaderAndOperatorHaveAllThatReadingTakes(t *testing.T) {
	w := labtest.Demo(t)
	for _, c := range w.DevOps["contoso"].Connections {
		c.Unreadable = false
	}
	l := labtest.Start(t, w, lab.Options{})
	for _, role := range []string{world.RoleReader, world.RoleOperator} {
		r := probeAll(t, l, role)
		if r.State != doctor.Fine {
			t.Errorf("%s: %+v", role, r)
		}
		for _, id := range read {
			if got := states(r)[id]; got != doctor.Fine {
				t.Errorf("%s: %s is %q", role, id, got)
			}
		}
		if got := states(r)[permissions.GraphOwnedBy]; got != doctor.Untested {
			t.Errorf("%s: a write is said to be %q", role, got)
		}
	}
	if l.Writes() != 0 {
		t.Error("a probe wrote")
	}
}

func TestAnOutsiderIsToldWhatIsMissing(t *testing.T) {
	l := labtest.Start(t, labtest.Demo(t), lab.Options{})
	r := probeAll(t, l, world.RoleOutsider)
	got := states(r)
	for _, id := range read {
		if got[id] == doctor.Fine && id != permissions.GitHubActions && id != permissions.GitHubAdministration { // a public repository shows these to everybody
			t.Errorf("%s is fine", id)
		}
	}
	if r.State != doctor.Missing || got[permissions.DevOpsProjects] != doctor.Missing || got[permissions.GraphAuditLog] != doctor.Missing {
		t.Errorf("%+v", got)
	}
}

func TestTheSignInLogsLicenceAndPermissionAreToldApart(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	for code, want := range map[string]string{
		"Authentication_RequestFromNonPremiumTenantOrB2CTenant": "licence",
		"Authorization_RequestDenied":                           "Authorization_RequestDenied",
	} {
		w.Lock()
		w.Knobs.SignInLogForbid = code
		w.Unlock()
		r := probeAll(t, l, world.RoleReader)
		i := slices.IndexFunc(r.Sources[2].Results, func(x doctor.Result) bool { return x.Permission == permissions.GraphAuditLog })
		if x := r.Sources[2].Results[i]; x.State != doctor.Missing || !strings.Contains(x.Text, want) {
			t.Errorf("%s: %+v", code, x)
		}
	}
}

func TestTokensOfGitHubAreToldApart(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	token := w.Tokens[lab.Token(world.AudienceGitHub, world.RoleReader)]
	for name, c := range map[string]struct {
		scopes []string
		app    bool
		note   string
		write  doctor.State
		org    doctor.State
	}{
		"fine-grained":               {nil, false, "a fine-grained token", doctor.Untested, doctor.Fine},
		"app":                        {nil, true, "an app's installation", doctor.Untested, doctor.Fine},
		"classic with everything":    {[]string{"repo", "workflow", "admin:org"}, false, "with the scopes repo, workflow, admin:org", doctor.Fine, doctor.Fine},
		"classic without workflow":   {[]string{"repo", "admin:org"}, false, "with the scopes repo, admin:org", doctor.Missing, doctor.Fine},
		"classic without admin:org":  {[]string{"repo", "workflow"}, false, "with the scopes repo, workflow", doctor.Fine, doctor.Missing},
		"classic without any scopes": {[]string{}, false, "(none)", doctor.Missing, doctor.Missing},
	} {
		w.Lock()
		token.Scopes, token.App = c.scopes, c.app
		w.Unlock()
		r := probeAll(t, l, world.RoleReader)
		if notes := strings.Join(r.Sources[1].Notes, "; "); !strings.Contains(notes, c.note) {
			t.Errorf("%s: %q", name, notes)
		}
		got := states(r)
		if got[permissions.GitHubWrite] != c.write || got[permissions.GitHubOrganization] != c.org {
			t.Errorf("%s: write %s, organisation %s", name, got[permissions.GitHubWrite], got[permissions.GitHubOrganization])
		}
	}
}

func TestAClockThatIsWrongIsToldOfEverySource(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	w.Clock.Move(20 * time.Minute)
	r := probeAll(t, l, world.RoleReader)
	for _, s := range r.Sources {
		if !slices.ContainsFunc(s.Results, func(x doctor.Result) bool { return x.Name == "clock" && strings.Contains(x.Text, "20m") }) {
			t.Errorf("%s: %+v", s.Kind, s)
		}
	}
}

func TestAServerThatDoesNotAnswerIsUnreachable(t *testing.T) {
	l := labtest.Start(t, labtest.Demo(t), lab.Options{})
	endpoints := l.World.Endpoints
	l.Close()
	l.World.Endpoints = endpoints
	r := probeAll(t, l, world.RoleReader)
	for _, s := range r.Sources {
		if s.State != doctor.Unreachable || len(s.Results) != 1 || len(s.Results[0].Grant) == 0 {
			t.Errorf("%s: %+v", s.Kind, s)
		}
	}
}

func TestATokenThatIsNotAcceptedIsNoMissingPermission(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	r := probeAll(t, l, "nobody") // the lab knows no such token
	for _, s := range r.Sources {
		if s.State != doctor.Unreachable || s.Results[0].Name != "sign-in" {
			t.Errorf("%s: %+v", s.Kind, s)
		}
	}
}

func TestConnectionsWithoutDataAreAMissingRole(t *testing.T) {
	w := labtest.Demo(t)
	for _, org := range w.DevOps {
		for _, c := range org.Connections {
			c.Unreadable = true
		}
	}
	l := labtest.Start(t, w, lab.Options{})
	r := probeAll(t, l, world.RoleReader)
	if got := states(r)[permissions.DevOpsConnectionRead]; got != doctor.Missing {
		t.Errorf("%q", got)
	}
	if r.Sources[0].Kind != inventory.SourceAzureDevOps || r.State != doctor.Missing {
		t.Errorf("%+v", r.Sources[0])
	}
}
