package lab_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/login"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// outcomes reads the answer of the control API.
func outcomes(t *testing.T, status int, answer map[string]any) []map[string]any {
	t.Helper()
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	var out []map[string]any
	for _, o := range answer["outcomes"].([]any) {
		out = append(out, o.(map[string]any))
	}
	return out
}

// TestAMigrationByHand takes one repository of the demo off its secret, as a person would, and watches the pipeline.
func TestAMigrationByHand(t *testing.T) {
	w, mapping := demo(t)
	l := serve(t, w, lab.Options{AutoRun: true})
	repo := w.GitHub.Repo("contoso", "web")
	const path = ".github/workflows/deploy.yml"
	push := map[string]any{"repository": "contoso/web", "event": "push", "ref": "refs/heads/main", "workflow": path}
	signIn := func(kind string, ok bool, text string) {
		t.Helper()
		status, answer := control(t, l, "POST", "event", push)
		got := outcomes(t, status, answer)
		if len(got) != 1 || got[0]["kind"] != kind || got[0]["ok"] != ok {
			t.Fatalf("sign-ins %v, want %s %v", got, kind, ok)
		}
		if e, _ := got[0]["error"].(string); !strings.Contains(e, text) {
			t.Errorf("error %q, want %q in it", e, text)
		}
	}
	signIn("secret", true, "")

	// A pull request replaces the secret, and is merged before anything trusts the repository.
	w.Lock()
	old := string(repo.Files("main")[path])
	now := strings.NewReplacer(
		"creds: ${{ secrets.AZURE_CREDENTIALS }}", "client-id: ${{ vars.AZURE_CLIENT_ID }}\n          tenant-id: "+onlyTenant(w).ID+"\n          allow-no-subscriptions: true",
		"    needs: build\n", "    needs: build\n    permissions:\n      id-token: write\n      contents: read\n").Replace(old)
	repo.SetRef("refs/heads/unsecret", repo.Head("main"))
	w.CommitFiles(repo, "unsecret", "Take the deployment off its secret", map[string][]byte{path: []byte(now)})
	pull := w.OpenPull(repo, "unsecret", "main", "No secret", "", "lab-operator")
	w.Unlock()
	if status, got := control(t, l, "POST", "merge", map[string]any{"all": true}); status != 200 || got["merged"] != 1.0 {
		t.Fatalf("merge: %d %v", status, got)
	}
	if !pull.Merged || len(repo.Runs) != 2 {
		t.Errorf("merged %v, and %d runs: the push of the merge should have run", pull.Merged, len(repo.Runs))
	}
	signIn("federated", false, "AADSTS70025")

	// Graph adds the trust; it takes a minute to be honoured.
	if status, _ := control(t, l, "POST", "knobs", map[string]any{"ficPropagation": "1m"}); status != 200 {
		t.Fatal(status)
	}
	app := appOf(w, mapping, "AZURE_CREDENTIALS")
	graph, operator := l.World.Endpoints.Graph+"/v1.0/applications/"+app.ObjectID, lab.Token(world.AudienceGraph, world.RoleOperator)
	fic := map[string]any{"name": "web-main", "issuer": login.GitHubIssuer, "subject": "repo:contoso/web:ref:refs/heads/main", "audiences": []string{world.TokenExchangeAudience}}
	if resp, b, err := do(t, "POST", graph+"/federatedIdentityCredentials", operator, fic); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("%v %s", err, b)
	}
	signIn("federated", false, "AADSTS70021")
	if status, _ := control(t, l, "POST", "clock", map[string]any{"move": "2m"}); status != 200 {
		t.Fatal(status)
	}
	signIn("federated", true, "")

	// The secret is revoked: what still uses it fails, what was migrated goes on.
	if resp, b, err := do(t, "POST", graph+"/removePassword", operator, map[string]any{"keyId": app.Passwords[0].KeyID}); err != nil || resp.StatusCode != http.StatusNoContent {
		t.Fatalf("%v %s", err, b)
	}
	signIn("federated", true, "")
	status, answer := control(t, l, "POST", "pipeline", map[string]any{"organization": "contoso", "connection": "azure-shared"})
	if got := outcomes(t, status, answer); len(got) != 1 || got[0]["ok"] != false || !strings.Contains(got[0]["error"].(string), "AADSTS7000215") {
		t.Errorf("the connection that still has the secret: %v", got)
	}
	last := w.SignIns[len(w.SignIns)-1]
	if last.ErrorCode != 7000215 || last.AppID != app.AppID {
		t.Errorf("the sign-in log ends with %+v", last)
	}
}

func onlyTenant(w *world.World) *world.Tenant {
	for _, tenant := range w.Tenants {
		return tenant
	}
	return nil
}

// appOf finds the identity behind a secret.
func appOf(w *world.World, mapping lab.Mapping, secret string) *world.App {
	for _, h := range mapping {
		for _, app := range onlyTenant(w).Apps {
			if h.Name == secret && app.AppID == h.AppID {
				return app
			}
		}
	}
	return nil
}

func TestTheConnectionsOwnTestSignsIn(t *testing.T) {
	w, _ := demo(t)
	l := serve(t, w, lab.Options{})
	for _, name := range []string{"shop-production", "azure-shared", "docs-site", "reporting"} {
		status, answer := control(t, l, "POST", "pipeline", map[string]any{"organization": "contoso", "connection": name})
		if got := outcomes(t, status, answer); got[0]["ok"] != true {
			t.Errorf("%s: %v", name, got[0])
		}
	}
	if runs := w.DevOps["contoso"].Runs; len(runs) != 4 {
		t.Errorf("%d runs", len(runs))
	}
}

func TestADispatchOnGitHubRunsTheWorkflow(t *testing.T) {
	w, _ := demo(t)
	l := serve(t, w, lab.Options{})
	resp, b, err := do(t, "POST", l.World.Endpoints.GitHub+"/repos/contoso/jobs/actions/workflows/nightly.yml/dispatches",
		lab.Token(world.AudienceGitHub, world.RoleOperator), map[string]any{"ref": "main", "inputs": map[string]any{"task": "rotate"}})
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%v %v %s", err, resp, b)
	}
	runs := w.GitHub.Repo("contoso", "jobs").Runs
	if len(runs) != 1 || runs[0].Event != "workflow_dispatch" || runs[0].Conclusion != "success" {
		t.Errorf("runs %+v", runs)
	}
}
