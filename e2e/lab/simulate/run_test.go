package simulate_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab/login"
	"github.com/unsecret-dev/unsecret/e2e/lab/simulate"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const (
	tenantID = "11111111-1111-4111-8111-111111111111"
	appID    = "22222222-2222-4222-8222-222222222222"
	otherApp = "33333333-3333-4333-8333-333333333333"
	password = "s3cret-c4n4ry"
)

// lab is one organisation "acme" with the repository acme/app and one application.
type lab struct {
	w    *world.World
	repo *world.Repo
	app  *world.App
	sim  *simulate.Simulator
}

func newLab(t testing.TB, files map[string]string) *lab {
	t.Helper()
	w := world.New(7)
	w.AddAccount("acme", "Organization")
	app := &world.App{
		ObjectID: "o1", AppID: appID, DisplayName: "deploy", SignInAudience: "AzureADMyOrg",
		Passwords: []*world.AppPassword{{KeyID: "k1", Value: password}},
		SP:        &world.ServicePrincipal{ObjectID: "s1", Enabled: true},
	}
	w.Tenants[tenantID] = &world.Tenant{ID: tenantID, Name: "acme", Apps: map[string]*world.App{"o1": app}}
	repo := w.AddRepo("acme", "app", files)
	w.SetSecret(&repo.Secrets, "AZURE_CREDENTIALS", creds(appID, password))
	w.SetSecret(&repo.Secrets, "CLIENT_SECRET", password)
	w.SetVariable(&repo.Variables, "CLIENT_ID", appID)
	w.SetVariable(&repo.Variables, "TENANT_ID", tenantID)
	return &lab{w: w, repo: repo, app: app, sim: simulate.New(w, login.New(w))}
}

func creds(app, secret string) string {
	return `{"clientId":"` + app + `","clientSecret":"` + secret + `","tenantId":"` + tenantID + `","subscriptionId":"sub"}`
}

// trust lets the application accept subjects of GitHub.
func (l *lab) trust(subjects ...string) {
	for _, s := range subjects {
		l.app.FICs = append(l.app.FICs, &world.FIC{ID: s, Name: s, Issuer: simulate.GitHubIssuer, Subject: s, Audiences: []string{simulate.ExchangeAudience}})
	}
}

func (l *lab) run(t testing.TB, ev simulate.Event) []*world.WorkflowRun {
	t.Helper()
	runs, err := l.sim.Run("acme/app", ev)
	if err != nil {
		t.Fatalf("event %s: %v", ev.Name, err)
	}
	return runs
}

// story is a run in a few lines.
func story(runs []*world.WorkflowRun) string {
	var b strings.Builder
	for _, r := range runs {
		b.WriteString(r.Conclusion + "\n")
		if r.Message != "" {
			b.WriteString("  " + r.Message + "\n")
		}
		for _, j := range r.Jobs {
			b.WriteString("  " + j.Name + ": " + j.Conclusion)
			if j.Subject != "" {
				b.WriteString(" " + j.Subject)
			}
			b.WriteString("\n")
			for _, l := range j.Logins {
				outcome := "ok"
				if !l.OK {
					outcome, _, _ = strings.Cut(l.Error, ":")
				}
				b.WriteString("    " + l.Step + ": " + l.Kind + " " + outcome + "\n")
			}
		}
	}
	return b.String()
}

func TestAzureLoginSignsInWithSecretAndWithToken(t *testing.T) {
	l := newLab(t, map[string]string{".github/workflows/a.yml": `
on: push
jobs:
  secret:
    runs-on: ubuntu-latest
    steps:
      - uses: azure/login@v2
        with:
          creds: ${{ secrets.AZURE_CREDENTIALS }}
  token:
    runs-on: ubuntu-latest
    permissions: { id-token: write }
    steps:
      - uses: azure/login@v2
        with: { client-id: "${{ vars.CLIENT_ID }}", tenant-id: "${{ vars.TENANT_ID }}", allow-no-subscriptions: true }
  none:
    runs-on: ubuntu-latest
    steps:
      - uses: azure/login@v2
        with: { client-id: "${{ vars.CLIENT_ID }}", tenant-id: "${{ vars.TENANT_ID }}", allow-no-subscriptions: true }
  tf:
    runs-on: ubuntu-latest
    env: { ARM_CLIENT_ID: "${{ vars.CLIENT_ID }}", ARM_TENANT_ID: "${{ vars.TENANT_ID }}", ARM_CLIENT_SECRET: "${{ secrets.CLIENT_SECRET }}" }
    steps:
      - run: terraform init && terraform apply
        name: apply
`})
	l.trust("repo:acme/app:ref:refs/heads/main")
	want := `failure
  secret: success
    azure/login@v2: secret ok
  token: success repo:acme/app:ref:refs/heads/main
    azure/login@v2: federated ok
  none: failure
    azure/login@v2: federated Error message
  tf: success
    apply: secret ok
`
	if diff := cmp.Diff(want, story(l.run(t, simulate.Event{Name: "push"}))); diff != "" {
		t.Error(diff)
	}
	l.app.Passwords = nil
	got := story(l.run(t, simulate.Event{Name: "push"}))
	if !strings.Contains(got, "secret: failure\n    azure/login@v2: secret AADSTS7000215") || !strings.Contains(got, "apply: secret AADSTS7000215") {
		t.Errorf("a removed password still signs in:\n%s", got)
	}
	if len(l.repo.Runs) != 2 {
		t.Errorf("the repository has %d runs, want 2", len(l.repo.Runs))
	}
}
