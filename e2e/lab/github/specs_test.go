package github_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/unsecret-dev/unsecret/e2e/lab/internal/specs"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// sealed seals a value for a key, as clients do.
func sealed(t *testing.T, key *world.BoxKey, value string) map[string]any {
	t.Helper()
	b, err := box.SealAnonymous(nil, []byte(value), &key.Public, nil)
	fatal(t, err)
	return map[string]any{"encrypted_value": base64.StdEncoding.EncodeToString(b), "key_id": key.ID}
}

func withVisibility(in map[string]any, ids ...int64) map[string]any {
	in["visibility"] = "all"
	if len(ids) > 0 {
		in["visibility"], in["selected_repository_ids"] = "selected", ids
	}
	return in
}

func TestAnswersFitTheOfficialDescription(t *testing.T) {
	doc := specs.Load(t, "github.json")
	l := newLab(t)
	w, app, org := l.w, l.app, l.w.GitHub.Account("octo")
	env := w.AddEnvironment(app, "prod/eu west")
	env.Reviewers = 1
	blob := world.BlobOID([]byte("hi\n"))
	head := app.Head("main")
	w.CommitFiles(app, "topic/a", "Change", map[string][]byte{"README.md": []byte("ho\n")})
	w.CommitFiles(app, "second", "Other", map[string][]byte{"new": []byte("1")})
	app.Protection["main"] = &world.Protection{RequiredReviews: 1, RequiredChecks: []string{"build"}}
	run := &world.WorkflowRun{
		ID: 42, Workflow: ".github/workflows/ci.yml", Name: "CI", Event: "push", Branch: "main", HeadOID: app.Head("topic/a"), Status: "completed",
		Conclusion: "success", Created: w.Clock.Now(), Updated: w.Clock.Now().Add(time.Minute),
		Jobs: []*world.RunJob{{ID: "build", Name: "build", Conclusion: "success", Logins: []*world.RunLogin{{Step: "login", OK: true}}}},
	}
	app.Runs = append(app.Runs, run)
	r, o, e := "/repos/octo/app", "/orgs/octo", "/repos/octo/app/environments/"+url.PathEscape(env.Name)
	variable := map[string]any{"name": "CLIENT_ID", "value": "1", "visibility": "all"}
	type call struct {
		op, method, path string
		body             any
		status           int
	}
	calls := []call{
		{"rate-limit/get", "GET", "/rate_limit", nil, 200},
		{"users/get-authenticated", "GET", "/user", nil, 200},
		{"repos/get", "GET", r, nil, 200},
		{"repos/get", "GET", "/repos/octo/none", nil, 404},
		{"repos/list-for-org", "GET", o + "/repos?per_page=2", nil, 200},
		{"repos/list-branches", "GET", r + "/branches", nil, 200},
		{"repos/get-branch", "GET", r + "/branches/topic/a", nil, 200},
		{"repos/get-branch-protection", "GET", r + "/branches/main/protection", nil, 200},
		{"repos/get-branch-protection", "GET", r + "/branches/topic%2Fa/protection", nil, 404},
		{"repos/get-branch-rules", "GET", r + "/rules/branches/main", nil, 200},
		{"git/get-ref", "GET", r + "/git/ref/heads/topic/a", nil, 200},
		{"git/list-matching-refs", "GET", r + "/git/matching-refs/heads/", nil, 200},
		{"git/create-ref", "POST", r + "/git/refs", map[string]any{"ref": "refs/heads/x", "sha": head}, 201},
		{"git/create-ref", "POST", r + "/git/refs", map[string]any{"ref": "refs/heads/x", "sha": head}, 422},
		{"git/update-ref", "PATCH", r + "/git/refs/heads/x", map[string]any{"sha": app.Head("topic/a")}, 200},
		{"git/update-ref", "PATCH", r + "/git/refs/heads/x", map[string]any{"sha": head}, 422},
		{"git/delete-ref", "DELETE", r + "/git/refs/heads/x", nil, 204},
		{"git/get-blob", "GET", r + "/git/blobs/" + blob, nil, 200},
		{"git/get-tree", "GET", r + "/git/trees/main?recursive=1", nil, 200},
		{"git/get-commit", "GET", r + "/git/commits/" + head, nil, 200},
		{"git/create-tree", "POST", r + "/git/trees", map[string]any{"tree": []map[string]any{{"path": "a/b", "mode": "100644", "type": "blob", "content": "x"}}}, 201},
		{"git/create-tree", "POST", r + "/git/trees", map[string]any{"base_tree": "none", "tree": []any{}}, 422},
		{"git/create-commit", "POST", r + "/git/commits", map[string]any{"message": "M", "tree": app.Commits[head].Tree, "parents": []string{}}, 201},
		{"git/create-commit", "POST", r + "/git/commits", map[string]any{"message": "M", "tree": "none"}, 422},
		{"repos/get-content", "GET", r + "/contents/README.md", nil, 200},
		{"repos/get-content", "GET", r + "/contents/.github/workflows", nil, 200},
		{"pulls/create", "POST", r + "/pulls", map[string]any{"title": "T", "head": "topic/a", "base": "main", "body": "B"}, 201},
		{"pulls/create", "POST", r + "/pulls", map[string]any{"title": "T", "head": "topic/a", "base": "main"}, 422},
		{"pulls/list", "GET", r + "/pulls?head=octo:topic/a&state=all", nil, 200},
		{"pulls/get", "GET", r + "/pulls/1", nil, 200},
		{"pulls/update", "PATCH", r + "/pulls/1", map[string]any{"title": "T2"}, 200},
		{"pulls/check-if-merged", "GET", r + "/pulls/1/merge", nil, 404},
		{"pulls/merge", "PUT", r + "/pulls/1/merge", map[string]any{"sha": head}, 409},
		{"pulls/merge", "PUT", r + "/pulls/1/merge", nil, 405},
		{"actions/list-workflow-runs-for-repo", "GET", r + "/actions/runs?status=success", nil, 200},
		{"actions/list-workflow-runs", "GET", r + "/actions/workflows/ci.yml/runs", nil, 200},
		{"actions/get-workflow-run", "GET", r + "/actions/runs/42", nil, 200},
		{"actions/list-jobs-for-workflow-run", "GET", r + "/actions/runs/42/jobs", nil, 200},
		{"actions/list-repo-workflows", "GET", r + "/actions/workflows", nil, 200},
		{"actions/get-workflow", "GET", r + "/actions/workflows/ci.yml", nil, 200},
		{"actions/create-workflow-dispatch", "POST", r + "/actions/workflows/ci.yml/dispatches", map[string]any{"ref": "main"}, 204},
		{"actions/get-github-actions-default-workflow-permissions-repository", "GET", r + "/actions/permissions/workflow", nil, 200},
		{"actions/set-github-actions-default-workflow-permissions-repository", "PUT", r + "/actions/permissions/workflow", map[string]any{"default_workflow_permissions": "write"}, 204},
		{"actions/get-github-actions-default-workflow-permissions-organization", "GET", o + "/actions/permissions/workflow", nil, 200},
		{"actions/get-custom-oidc-sub-claim-for-repo", "GET", r + "/actions/oidc/customization/sub", nil, 200},
		{"actions/set-custom-oidc-sub-claim-for-repo", "PUT", r + "/actions/oidc/customization/sub", map[string]any{"use_default": false, "include_claim_keys": []string{"repo"}}, 201},
		{"actions/get-custom-oidc-sub-claim-for-repo", "GET", r + "/actions/oidc/customization/sub", nil, 200},
		{"oidc/get-oidc-custom-sub-template-for-org", "GET", o + "/actions/oidc/customization/sub", nil, 200},
		{"oidc/update-oidc-custom-sub-template-for-org", "PUT", o + "/actions/oidc/customization/sub", map[string]any{"include_claim_keys": []string{"repo"}}, 201},
		{"repos/get-all-environments", "GET", r + "/environments", nil, 200},
		{"repos/get-environment", "GET", e, nil, 200},
		{"repos/create-or-update-environment", "PUT", e, map[string]any{}, 200},

		{"actions/get-repo-public-key", "GET", r + "/actions/secrets/public-key", nil, 200},
		{"actions/create-or-update-repo-secret", "PUT", r + "/actions/secrets/S", sealed(t, app.SecretKey, "v"), 201},
		{"actions/create-or-update-repo-secret", "PUT", r + "/actions/secrets/S", sealed(t, app.SecretKey, "v"), 204},
		{"actions/list-repo-secrets", "GET", r + "/actions/secrets", nil, 200},
		{"actions/get-repo-secret", "GET", r + "/actions/secrets/S", nil, 200},
		{"actions/delete-repo-secret", "DELETE", r + "/actions/secrets/S", nil, 204},
		{"dependabot/get-repo-public-key", "GET", r + "/dependabot/secrets/public-key", nil, 200},
		{"dependabot/create-or-update-repo-secret", "PUT", r + "/dependabot/secrets/S", sealed(t, app.DependaKey, "v"), 201},
		{"dependabot/list-repo-secrets", "GET", r + "/dependabot/secrets", nil, 200},
		{"dependabot/get-repo-secret", "GET", r + "/dependabot/secrets/S", nil, 200},
		{"dependabot/delete-repo-secret", "DELETE", r + "/dependabot/secrets/S", nil, 204},
		{"actions/get-org-public-key", "GET", o + "/actions/secrets/public-key", nil, 200},
		{"actions/create-or-update-org-secret", "PUT", o + "/actions/secrets/S", withVisibility(sealed(t, org.SecretKey, "v"), app.ID), 201},
		{"actions/list-org-secrets", "GET", o + "/actions/secrets", nil, 200},
		{"actions/get-org-secret", "GET", o + "/actions/secrets/S", nil, 200},
		{"actions/list-selected-repos-for-org-secret", "GET", o + "/actions/secrets/S/repositories", nil, 200},
		{"actions/set-selected-repos-for-org-secret", "PUT", o + "/actions/secrets/S/repositories", map[string]any{"selected_repository_ids": []int64{app.ID}}, 204},
		{"actions/list-repo-organization-secrets", "GET", r + "/actions/organization-secrets", nil, 200},
		{"actions/delete-org-secret", "DELETE", o + "/actions/secrets/S", nil, 204},
		{"dependabot/get-org-public-key", "GET", o + "/dependabot/secrets/public-key", nil, 200},
		{"dependabot/create-or-update-org-secret", "PUT", o + "/dependabot/secrets/S", withVisibility(sealed(t, org.DependaKey, "v")), 201},
		{"dependabot/list-org-secrets", "GET", o + "/dependabot/secrets", nil, 200},
		{"dependabot/get-org-secret", "GET", o + "/dependabot/secrets/S", nil, 200},
		{"actions/get-environment-public-key", "GET", e + "/secrets/public-key", nil, 200},
		{"actions/create-or-update-environment-secret", "PUT", e + "/secrets/S", sealed(t, env.SecretKey, "v"), 201},
		{"actions/list-environment-secrets", "GET", e + "/secrets", nil, 200},
		{"actions/get-environment-secret", "GET", e + "/secrets/S", nil, 200},
		{"actions/delete-environment-secret", "DELETE", e + "/secrets/S", nil, 204},
		{"actions/create-repo-variable", "POST", r + "/actions/variables", variable, 201},
		{"actions/list-repo-variables", "GET", r + "/actions/variables", nil, 200},
		{"actions/get-repo-variable", "GET", r + "/actions/variables/CLIENT_ID", nil, 200},
		{"actions/update-repo-variable", "PATCH", r + "/actions/variables/CLIENT_ID", map[string]any{"value": "2"}, 204},
		{"actions/delete-repo-variable", "DELETE", r + "/actions/variables/CLIENT_ID", nil, 204},
		{"actions/create-org-variable", "POST", o + "/actions/variables", variable, 201},
		{"actions/list-org-variables", "GET", o + "/actions/variables", nil, 200},
		{"actions/get-org-variable", "GET", o + "/actions/variables/CLIENT_ID", nil, 200},
		{"actions/list-repo-organization-variables", "GET", r + "/actions/organization-variables", nil, 200},
		{"actions/update-org-variable", "PATCH", o + "/actions/variables/CLIENT_ID", map[string]any{"value": "2"}, 204},
		{"actions/delete-org-variable", "DELETE", o + "/actions/variables/CLIENT_ID", nil, 204},
		{"actions/create-environment-variable", "POST", e + "/variables", variable, 201},
		{"actions/list-environment-variables", "GET", e + "/variables", nil, 200},
		{"actions/get-environment-variable", "GET", e + "/variables/CLIENT_ID", nil, 200},
		{"actions/delete-environment-variable", "DELETE", e + "/variables/CLIENT_ID", nil, 204},
		{"repos/delete-an-environment", "DELETE", e, nil, 204},
	}
	for _, c := range calls {
		status, header, body := l.do(world.RoleOperator, c.method, c.path, c.body)
		if status != c.status {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, status, c.status, body)
			continue
		}
		contentType, _, _ := strings.Cut(header.Get("Content-Type"), ";")
		if err := specs.CheckResponse(doc, c.op, status, contentType, body); err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
		if header.Get("X-Ratelimit-Remaining") == "" || header.Get("Date") == "" {
			t.Errorf("%s %s: standard headers are missing", c.method, c.path)
		}
	}

	app.Pull(1).Approvals = 1
	status, _, body := l.do(world.RoleOperator, "PUT", r+"/pulls/1/merge", map[string]any{"sha": app.Head("topic/a")})
	if err := specs.CheckResponse(doc, "pulls/merge", status, "application/json", body); err != nil || status != 200 {
		t.Errorf("merge: %d %v %s", status, err, body)
	}
	status, _, body = l.do(world.RoleOperator, "GET", r+"/pulls/1", nil)
	if err := specs.CheckResponse(doc, "pulls/get", status, "application/json", body); err != nil || !json.Valid(body) {
		t.Errorf("merged pull request: %v", err)
	}
}

func TestInstallationTokens(t *testing.T) {
	doc := specs.Load(t, "github.json")
	l := newLab(t)
	path := "/app/installations/7/access_tokens"
	if status, _, _ := l.do("no-jwt", "POST", path, nil); status != 401 {
		t.Errorf("without an app's token: %d", status)
	}
	for level, want := range map[string]int{"read": 403, "write": 201} {
		status, _, body := l.do("a.b.c", "POST", path, map[string]any{"permissions": map[string]string{"variables": level}})
		if err := specs.CheckResponse(doc, "apps/create-installation-access-token", status, "application/json", body); err != nil {
			t.Fatal(err)
		}
		var out struct{ Token string }
		fatal(t, json.Unmarshal(body, &out))
		status, _, _ = l.do(out.Token, "POST", "/repos/octo/app/actions/variables", map[string]any{"name": "N", "value": "v"})
		if status != want {
			t.Errorf("a token with %s permissions writes: %d, want %d", level, status, want)
		}
	}
}
