package github_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gh "github.com/google/go-github/v60/github"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// status gives the HTTP status and message of the vendor's client's error.
func status(err error) (int, string) {
	var e *gh.ErrorResponse
	if !errors.As(err, &e) {
		return 0, ""
	}
	message := e.Message
	for _, more := range e.Errors {
		message += " " + more.Message
	}
	return e.Response.StatusCode, message
}

func wantStatus(t *testing.T, what string, err error, code int, part string) {
	t.Helper()
	if got, message := status(err); got != code || !strings.Contains(message, part) {
		t.Errorf("%s: %d %q (%v), want %d with %q", what, got, message, err, code, part)
	}
}

func TestRolesSeeAndChangeWhatTheyMay(t *testing.T) {
	l := newLab(t)
	l.w.GitHub.Repo("octo", "site").Archived = true
	for _, tt := range []struct {
		role, method, path string
		status             int
		message            string
	}{
		{"", "GET", "/repos/octo/app", 401, "Requires authentication"},
		{"wrong", "GET", "/repos/octo/app", 401, "Bad credentials"},
		{world.RoleOutsider, "GET", "/repos/octo/app", 404, "Not Found"},
		{world.RoleOutsider, "GET", "/repos/octo/site", 200, ""},
		{world.RoleOutsider, "GET", "/repos/octo/site/actions/secrets", 404, "Not Found"},
		{world.RoleOutsider, "GET", "/orgs/octo/actions/secrets", 404, "Not Found"},
		{world.RoleOutsider, "POST", "/repos/octo/site/git/refs", 403, "Resource not accessible by integration"},
		{world.RoleReader, "GET", "/repos/OCTO/App", 200, ""},
		{world.RoleReader, "GET", "/api/v3/repos/octo/app", 200, ""},
		{world.RoleReader, "POST", "/repos/octo/app/git/refs", 403, "Resource not accessible by integration"},
		{world.RoleReader, "PUT", "/orgs/octo/actions/secrets/S", 403, "Resource not accessible by integration"},
		{world.RoleOperator, "POST", "/repos/octo/site/git/refs", 403, "archived"},
		{world.RoleOperator, "GET", "/no/such/thing", 404, "Not Found"},
	} {
		code, _, body := l.do(tt.role, tt.method, tt.path, nil)
		if code != tt.status || !strings.Contains(string(body), tt.message) {
			t.Errorf("%s %s %s: %d %s", tt.role, tt.method, tt.path, code, body)
		}
	}
	l.w.Tokens["graph"] = &world.Token{Value: "graph", Role: world.RoleOperator, Audience: world.AudienceGraph}
	if code, _, _ := l.do("graph", "GET", "/user", nil); code != 401 {
		t.Errorf("a token for another service: %d", code)
	}
}

func TestRepositoryListsAreLinked(t *testing.T) {
	l := newLab(t)
	for _, n := range []string{"a", "b", "c", "d"} {
		l.w.AddRepo("octo", n, nil)
	}
	c := l.client(world.RoleReader)
	opt := &gh.RepositoryListByOrgOptions{ListOptions: gh.ListOptions{PerPage: 3}}
	var names []string
	pages := 0
	for {
		repos, resp, err := c.Repositories.ListByOrg(t.Context(), "octo", opt)
		fatal(t, err)
		pages++
		for _, r := range repos {
			names = append(names, r.GetName())
		}
		if resp.NextPage == 0 {
			break
		}
		if resp.LastPage != 3 {
			t.Errorf("last page %d", resp.LastPage)
		}
		opt.Page = resp.NextPage
	}
	if d := cmp.Diff([]string{"a", "app", "b", "c", "d", "empty", "site"}, names); d != "" || pages != 3 {
		t.Errorf("%d pages %s", pages, d)
	}
	_, _, err := c.Repositories.ListByOrg(t.Context(), "nobody", nil)
	wantStatus(t, "unknown organisation", err, 404, "Not Found")
	l.w.AddAccount("mona", "User")
	l.w.AddRepo("mona", "dots", nil)
	repos, _, err := c.Repositories.ListByUser(t.Context(), "mona", nil)
	if err != nil || len(repos) != 1 {
		t.Errorf("user's repositories: %v %v", repos, err)
	}
	l.w.Tokens["mona"] = &world.Token{Value: "mona", Role: world.RoleOperator, Audience: world.AudienceGitHub, Login: "mona"}
	repos, _, err = l.client("mona").Repositories.ListByAuthenticatedUser(t.Context(), nil)
	if err != nil || len(repos) != 1 || repos[0].GetName() != "dots" {
		t.Errorf("own repositories: %v %v", repos, err)
	}
}

func TestGitObjectsAndRefs(t *testing.T) {
	l := newLab(t)
	c, ctx := l.client(world.RoleOperator), t.Context()
	head := l.app.Head("main")
	tree, _, err := c.Git.GetTree(ctx, "octo", "app", "main", true)
	fatal(t, err)
	var paths []string
	for _, e := range tree.Entries {
		paths = append(paths, e.GetMode()+" "+e.GetPath())
	}
	want := []string{"040000 .github", "040000 .github/workflows", "100644 .github/workflows/ci.yml", "040000 .github/workflows/sub", "100644 .github/workflows/sub/x.yml", "100644 README.md"}
	if d := cmp.Diff(want, paths); d != "" {
		t.Error(d)
	}
	raw := []byte("\xef\xbb\xbfcaf\xe9\r\n\x00")
	l.w.CommitFiles(l.app, "main", "bytes", map[string][]byte{"f": raw})
	got, _, err := c.Git.GetBlobRaw(ctx, "octo", "app", world.BlobOID(raw))
	if err != nil || string(got) != string(raw) {
		t.Errorf("raw blob %q %v", got, err)
	}
	file, _, _, err := c.Repositories.GetContents(ctx, "octo", "app", ".github/workflows/ci.yml", &gh.RepositoryContentGetOptions{Ref: head})
	fatal(t, err)
	if text, err := file.GetContent(); err != nil || text != ci {
		t.Errorf("contents %q %v", text, err)
	}
	_, dir, _, err := c.Repositories.GetContents(ctx, "octo", "app", "", nil)
	if err != nil || len(dir) != 3 {
		t.Errorf("directory %v %v", dir, err)
	}
	_, _, err = c.Git.GetRef(ctx, "octo", "empty", "heads/main")
	wantStatus(t, "empty repository", err, 409, "Git Repository is empty.")

	ref, sha := "refs/heads/unsecret/x", l.app.Head("main")
	_, _, err = c.Git.CreateRef(ctx, "octo", "app", &gh.Reference{Ref: &ref, Object: &gh.GitObject{SHA: &sha}})
	fatal(t, err)
	_, _, err = c.Git.CreateRef(ctx, "octo", "app", &gh.Reference{Ref: &ref, Object: &gh.GitObject{SHA: &sha}})
	wantStatus(t, "the same ref", err, 422, "Reference already exists")
	old := head
	_, _, err = c.Git.UpdateRef(ctx, "octo", "app", &gh.Reference{Ref: &ref, Object: &gh.GitObject{SHA: &old}}, false)
	wantStatus(t, "backwards", err, 422, "Update is not a fast forward")
	_, _, err = c.Git.UpdateRef(ctx, "octo", "app", &gh.Reference{Ref: &ref, Object: &gh.GitObject{SHA: &old}}, true)
	fatal(t, err)
	_, err = c.Git.DeleteRef(ctx, "octo", "app", ref)
	fatal(t, err)
	_, err = c.Git.DeleteRef(ctx, "octo", "app", ref)
	wantStatus(t, "deleted ref", err, 422, "Reference does not exist")
	_, _, err = c.Git.GetRef(ctx, "octo", "app", ref)
	wantStatus(t, "deleted ref", err, 404, "Not Found")
	name := "octo/app " + ref
	pushes := []string{name + "  " + sha, name + " " + sha + " " + old, name + " " + old + " "}
	if d := cmp.Diff(pushes, l.pushes); d != "" {
		t.Error(d)
	}
}

func TestPullRequestIsCreatedAndMergedOnce(t *testing.T) {
	l := newLab(t)
	c, ctx := l.client(world.RoleOperator), t.Context()
	before := l.app.Head("main")
	in := &gh.NewPullRequest{Title: gh.String("T"), Head: gh.String("topic"), Base: gh.String("main"), Body: gh.String("B")}
	_, _, err := c.PullRequests.Create(ctx, "octo", "app", in)
	wantStatus(t, "no head", err, 422, "Validation Failed")
	l.app.SetRef("refs/heads/topic", before)
	_, _, err = c.PullRequests.Create(ctx, "octo", "app", in)
	wantStatus(t, "no commits", err, 422, "No commits between main and topic")
	head := l.w.CommitFiles(l.app, "topic", "change", map[string][]byte{"README.md": []byte("ho\n")})
	p, _, err := c.PullRequests.Create(ctx, "octo", "app", in)
	fatal(t, err)
	_, _, err = c.PullRequests.Create(ctx, "octo", "app", in)
	wantStatus(t, "twice", err, 422, "A pull request already exists for octo:topic.")
	if !p.GetMergeable() || p.GetMerged() || p.GetHead().GetSHA() != head || p.GetUser().GetLogin() != "octo-operator" {
		t.Errorf("%+v", p)
	}
	test := l.app.Commits[p.GetMergeCommitSHA()]
	if test == nil || l.app.Refs["refs/pull/1/merge"] != test.OID {
		t.Error("no test merge commit")
	}
	_, _, err = c.PullRequests.Merge(ctx, "octo", "app", 1, "", &gh.PullRequestOptions{SHA: before})
	wantStatus(t, "moved head", err, 409, "Head branch was modified")
	l.app.Protection["main"] = &world.Protection{RequiredReviews: 1}
	_, _, err = c.PullRequests.Merge(ctx, "octo", "app", 1, "", nil)
	wantStatus(t, "no review", err, 405, "approving review is required")
	if p, _, _ := c.PullRequests.Get(ctx, "octo", "app", 1); p.GetMergeableState() != "blocked" {
		t.Errorf("state %s", p.GetMergeableState())
	}
	l.app.Pull(1).Approvals = 1
	res, _, err := c.PullRequests.Merge(ctx, "octo", "app", 1, "", &gh.PullRequestOptions{SHA: head})
	fatal(t, err)
	if !res.GetMerged() || l.app.Head("main") != res.GetSHA() || string(l.app.Files("main")["README.md"]) != "ho\n" {
		t.Errorf("merge %+v", res)
	}
	if d := cmp.Diff([]string{before, head}, l.app.Commits[res.GetSHA()].Parents); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"octo/app refs/heads/main " + before + " " + res.GetSHA()}, l.pushes); d != "" {
		t.Error(d)
	}
	if l.app.Head("topic") != head {
		t.Error("the merge deleted the branch")
	}
	_, _, err = c.PullRequests.Merge(ctx, "octo", "app", 1, "", nil)
	wantStatus(t, "merged twice", err, 405, "not mergeable")
	if merged, _, err := c.PullRequests.IsMerged(ctx, "octo", "app", 1); err != nil || !merged {
		t.Errorf("merged %v %v", merged, err)
	}
	_, _, err = c.PullRequests.Edit(ctx, "octo", "app", 1, &gh.PullRequest{State: gh.String("open")})
	wantStatus(t, "reopen a merged one", err, 422, "Validation Failed")
}

func TestConflictingPullRequestIsNotMergeable(t *testing.T) {
	l := newLab(t)
	c, ctx := l.client(world.RoleOperator), t.Context()
	l.w.CommitFiles(l.app, "topic", "a", map[string][]byte{"README.md": []byte("1")})
	l.w.CommitFiles(l.app, "main", "b", map[string][]byte{"README.md": []byte("2")})
	l.w.OpenPull(l.app, "topic", "main", "T", "", "dev")
	p, _, err := c.PullRequests.Get(ctx, "octo", "app", 1)
	fatal(t, err)
	if p.Mergeable == nil || *p.Mergeable || p.GetMergeableState() != "dirty" {
		t.Errorf("mergeable %v %s", p.Mergeable, p.GetMergeableState())
	}
	_, _, err = c.PullRequests.Merge(ctx, "octo", "app", 1, "", nil)
	wantStatus(t, "conflict", err, 405, "Pull Request is not mergeable")
	_, _, err = c.PullRequests.UpdateBranch(ctx, "octo", "app", 1, nil)
	wantStatus(t, "update with conflict", err, 422, "merge conflict")
}

func TestMergeabilityIsUndecidedUntilAsked(t *testing.T) {
	l := newLab(t)
	l.w.Knobs.AutoMergeable = false
	c, ctx := l.client(world.RoleReader), t.Context()
	l.w.CommitFiles(l.app, "topic", "a", map[string][]byte{"new": []byte("1")})
	l.w.OpenPull(l.app, "topic", "main", "T", "", "dev")
	ask := func() *bool {
		p, _, err := c.PullRequests.Get(ctx, "octo", "app", 1)
		fatal(t, err)
		return p.Mergeable
	}
	if first, second := ask(), ask(); first != nil || second == nil || !*second {
		t.Errorf("mergeable %v, then %v", first, second)
	}
	l.w.CommitFiles(l.app, "topic", "b", map[string][]byte{"new": []byte("2")})
	if ask() != nil {
		t.Error("decided before it was asked again")
	}
}

func TestPullRequestsAreListedClosedUpdatedAndCommented(t *testing.T) {
	l := newLab(t)
	c, ctx := l.client(world.RoleOperator), t.Context()
	for _, branch := range []string{"a/x", "b"} {
		l.w.CommitFiles(l.app, branch, "c", map[string][]byte{branch: []byte("1")})
		l.w.OpenPull(l.app, branch, "main", branch, "", "dev")
	}
	list := func(o gh.PullRequestListOptions) (numbers []int) {
		all, _, err := c.PullRequests.List(ctx, "octo", "app", &o)
		fatal(t, err)
		for _, p := range all {
			numbers = append(numbers, p.GetNumber())
		}
		return numbers
	}
	_, _, err := c.Issues.CreateComment(ctx, "octo", "app", 1, &gh.IssueComment{Body: gh.String("rolled back")})
	fatal(t, err)
	_, _, err = c.PullRequests.Edit(ctx, "octo", "app", 1, &gh.PullRequest{State: gh.String("closed")})
	fatal(t, err)
	comments, _, err := c.Issues.ListComments(ctx, "octo", "app", 1, nil)
	if err != nil || len(comments) != 1 || comments[0].GetBody() != "rolled back" {
		t.Errorf("comments %v %v", comments, err)
	}
	got := [][]int{
		list(gh.PullRequestListOptions{}), list(gh.PullRequestListOptions{State: "all"}), list(gh.PullRequestListOptions{State: "closed"}),
		list(gh.PullRequestListOptions{State: "all", Head: "octo:a/x"}), list(gh.PullRequestListOptions{Head: "octo:a/x"}), list(gh.PullRequestListOptions{Base: "dev"}),
	}
	if d := cmp.Diff([][]int{{2}, {2, 1}, {1}, {1}, nil, nil}, got); d != "" {
		t.Error(d)
	}
	l.w.CommitFiles(l.app, "main", "c", map[string][]byte{"README.md": []byte("1")})
	var accepted *gh.AcceptedError
	if _, _, err = c.PullRequests.UpdateBranch(ctx, "octo", "app", 2, nil); err != nil && !errors.As(err, &accepted) {
		t.Fatal(err)
	}
	if p := l.app.Pull(2); string(l.app.Files("b")["README.md"]) != "1" || p.HeadOID != l.app.Head("b") {
		t.Error("the branch was not updated")
	}
	l.w.DeleteRef(l.app, "refs/heads/b")
	if l.app.Pull(2).State != "closed" {
		t.Error("open without a head branch")
	}
}

func TestSecretsAreReallyOpened(t *testing.T) {
	l := newLab(t)
	c, ctx := l.client(world.RoleOperator), t.Context()
	org := l.w.GitHub.Account("octo")
	env := l.w.AddEnvironment(l.app, "prod/eu west")
	seal := func(name string, key *world.BoxKey, value string) *gh.EncryptedSecret {
		m := sealed(t, key, value)
		return &gh.EncryptedSecret{Name: name, KeyID: m["key_id"].(string), EncryptedValue: m["encrypted_value"].(string)}
	}
	key, _, err := c.Actions.GetRepoPublicKey(ctx, "octo", "app")
	fatal(t, err)
	if key.GetKeyID() != l.app.SecretKey.ID {
		t.Errorf("key %s", key.GetKeyID())
	}
	resp, err := c.Actions.CreateOrUpdateRepoSecret(ctx, "octo", "app", seal("azure_credentials", l.app.SecretKey, "v1"))
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatal(resp, err)
	}
	resp, err = c.Actions.CreateOrUpdateRepoSecret(ctx, "octo", "app", seal("AZURE_CREDENTIALS", l.app.SecretKey, "v2"))
	if err != nil || resp.StatusCode != http.StatusNoContent || l.w.SecretFor(l.app, "", "AZURE_CREDENTIALS").Value != "v2" {
		t.Fatal(resp, err)
	}
	wrong := seal("X", l.app.DependaKey, "v")
	wrong.KeyID = l.app.SecretKey.ID
	_, err = c.Actions.CreateOrUpdateRepoSecret(ctx, "octo", "app", wrong)
	wantStatus(t, "sealed for another key", err, 422, "not sealed for the public key")
	_, err = c.Actions.CreateOrUpdateRepoSecret(ctx, "octo", "app", seal("X", l.app.DependaKey, "v"))
	wantStatus(t, "another key's id", err, 422, "key_id")
	_, err = c.Actions.CreateOrUpdateRepoSecret(ctx, "octo", "app", seal("1-X", l.app.SecretKey, "v"))
	wantStatus(t, "bad name", err, 422, "Secret names")

	escaped := url.PathEscape(env.Name)
	_, err = c.Actions.CreateOrUpdateEnvSecret(ctx, int(l.app.ID), escaped, seal("AZURE_CREDENTIALS", env.SecretKey, "env"))
	fatal(t, err)
	if v := l.w.SecretFor(l.app, env.Name, "AZURE_CREDENTIALS").Value; v != "env" {
		t.Errorf("environment secret %s", v)
	}
	envSecrets, _, err := c.Actions.ListEnvSecrets(ctx, int(l.app.ID), escaped, nil)
	if err != nil || envSecrets.TotalCount != 1 {
		t.Error(envSecrets, err)
	}
	_, err = c.Actions.DeleteEnvSecret(ctx, int(l.app.ID), escaped, "azure_credentials")
	fatal(t, err)
	_, err = c.Actions.DeleteEnvSecret(ctx, int(l.app.ID), escaped, "AZURE_CREDENTIALS")
	wantStatus(t, "deleted", err, 404, "Not Found")

	orgSecret := seal("SHARED", org.SecretKey, "org")
	orgSecret.Visibility, orgSecret.SelectedRepositoryIDs = "selected", gh.SelectedRepoIDs{l.app.ID}
	_, err = c.Actions.CreateOrUpdateOrgSecret(ctx, "octo", orgSecret)
	fatal(t, err)
	for repo, want := range map[string]int{"app": 1, "site": 0} {
		got, _, err := c.Actions.ListRepoOrgSecrets(ctx, "octo", repo, nil)
		if err != nil || got.TotalCount != want {
			t.Errorf("%s is given %v %v", repo, got, err)
		}
	}
	selected, _, err := c.Actions.ListSelectedReposForOrgSecret(ctx, "octo", "SHARED", nil)
	if err != nil || selected.GetTotalCount() != 1 || selected.Repositories[0].GetName() != "app" {
		t.Error(selected, err)
	}
	_, err = c.Dependabot.CreateOrUpdateRepoSecret(ctx, "octo", "app", &gh.DependabotEncryptedSecret{
		Name: "AZURE_CREDENTIALS", KeyID: l.app.DependaKey.ID, EncryptedValue: seal("", l.app.DependaKey, "bot").EncryptedValue,
	})
	if err != nil || world.FindSecret(l.app.Dependabot, "AZURE_CREDENTIALS").Value != "bot" {
		t.Error(err)
	}
	_, _, body := l.do(world.RoleOperator, "GET", "/repos/octo/app/actions/secrets/AZURE_CREDENTIALS", nil)
	if strings.Contains(string(body), "v2") {
		t.Errorf("the value is shown: %s", body)
	}
}

func TestVariablesAtEveryLevel(t *testing.T) {
	l := newLab(t)
	c, ctx := l.client(world.RoleOperator), t.Context()
	env := l.w.AddEnvironment(l.app, "prod/eu")
	v := func(name, value string) *gh.ActionsVariable { return &gh.ActionsVariable{Name: name, Value: value} }
	_, err := c.Actions.CreateRepoVariable(ctx, "octo", "app", v("azure_client_id", "1"))
	fatal(t, err)
	_, err = c.Actions.CreateRepoVariable(ctx, "octo", "app", v("AZURE_CLIENT_ID", "1"))
	wantStatus(t, "twice", err, 409, "Already exists")
	_, err = c.Actions.UpdateRepoVariable(ctx, "octo", "app", v("AZURE_CLIENT_ID", "2"))
	fatal(t, err)
	got, _, err := c.Actions.GetRepoVariable(ctx, "octo", "app", "azure_client_id")
	if err != nil || got.Value != "2" || got.Name != "AZURE_CLIENT_ID" {
		t.Error(got, err)
	}
	_, err = c.Actions.CreateEnvVariable(ctx, int(l.app.ID), url.PathEscape(env.Name), v("AZURE_CLIENT_ID", "3"))
	if err != nil || l.w.VariableFor(l.app, "PROD/EU", "azure_client_id").Value != "3" {
		t.Error(err)
	}
	shared := v("SHARED", "4")
	shared.Visibility = gh.String("private")
	_, err = c.Actions.CreateOrgVariable(ctx, "octo", shared)
	fatal(t, err)
	for repo, want := range map[string]int{"app": 1, "site": 0} {
		got, _, err := c.Actions.ListRepoOrgVariables(ctx, "octo", repo, nil)
		if err != nil || got.TotalCount != want {
			t.Errorf("%s is given %v %v", repo, got, err)
		}
	}
	for i := range 40 {
		l.w.SetVariable(&l.app.Variables, "V"+string(rune('A'+i%26))+strings.Repeat("X", i/26), "")
	}
	page, resp, err := c.Actions.ListRepoVariables(ctx, "octo", "app", &gh.ListOptions{PerPage: 100})
	if err != nil || page.TotalCount != 41 || len(page.Variables) != 30 || resp.NextPage != 2 {
		t.Errorf("pages of variables hold 30 at most: %d of %d, %v", len(page.Variables), page.TotalCount, err)
	}
	_, err = c.Actions.DeleteRepoVariable(ctx, "octo", "app", "AZURE_CLIENT_ID")
	fatal(t, err)
	_, _, err = c.Actions.GetRepoVariable(ctx, "octo", "app", "AZURE_CLIENT_ID")
	wantStatus(t, "deleted", err, 404, "Not Found")
}

func TestSubjectsEnvironmentsAndPermissions(t *testing.T) {
	l := newLab(t)
	c, ctx := l.client(world.RoleOperator), t.Context()
	prefix := func() any {
		var out map[string]any
		req, err := c.NewRequest("GET", "repos/octo/app/actions/oidc/customization/sub", nil)
		fatal(t, err)
		_, err = c.Do(ctx, req, &out)
		fatal(t, err)
		return out["sub_claim_prefix"]
	}
	if p := prefix(); p != "repo:octo/app" {
		t.Errorf("prefix %v", p)
	}
	l.app.OIDC.Immutable = true
	if p := prefix(); p != l.w.GitHub.SubjectPrefix(l.app) || !strings.Contains(p.(string), "@") {
		t.Errorf("immutable prefix %v", p)
	}
	if code, _, _ := l.do(world.RoleOperator, "PUT", "/orgs/octo/actions/oidc/customization/sub", map[string]any{"use_immutable_subject": false}); code != 201 || prefix() != "repo:octo/app" {
		t.Errorf("the organisation's choice did not reach its repositories: %d %v", code, prefix())
	}
	_, err := c.Actions.SetRepoOIDCSubjectClaimCustomTemplate(ctx, "octo", "app", &gh.OIDCSubjectClaimCustomTemplate{UseDefault: gh.Bool(false), IncludeClaimKeys: []string{"repo", "context"}})
	fatal(t, err)
	tmpl, _, err := c.Actions.GetRepoOIDCSubjectClaimCustomTemplate(ctx, "octo", "app")
	if err != nil || tmpl.GetUseDefault() || !slices.Equal(tmpl.IncludeClaimKeys, []string{"repo", "context"}) {
		t.Error(tmpl, err)
	}
	_, _, err = c.Repositories.CreateUpdateEnvironment(ctx, "octo", "app", url.PathEscape("prod/eu west"), &gh.CreateUpdateEnvironment{})
	fatal(t, err)
	envs, _, err := c.Repositories.ListEnvironments(ctx, "octo", "app", nil)
	if err != nil || envs.GetTotalCount() != 1 || envs.Environments[0].GetName() != "prod/eu west" {
		t.Error(envs, err)
	}
	perms, _, err := c.Repositories.GetDefaultWorkflowPermissions(ctx, "octo", "app")
	if err != nil || perms.GetDefaultWorkflowPermissions() != "read" {
		t.Error(perms, err)
	}
	l.app.Protection["main"] = &world.Protection{RequiredReviews: 2, SignedCommits: true}
	rule, _, err := c.Repositories.GetBranchProtection(ctx, "octo", "app", "main")
	if err != nil || rule.GetRequiredPullRequestReviews().RequiredApprovingReviewCount != 2 || !rule.GetRequiredSignatures().GetEnabled() {
		t.Error(rule, err)
	}
	_, _, err = c.Repositories.GetBranchProtection(ctx, "octo", "app", "nope")
	wantStatus(t, "no branch", err, 404, "Branch not found")
}

func TestRunsAreFilteredAndWorkflowsDispatched(t *testing.T) {
	l := newLab(t)
	c, ctx := l.client(world.RoleOperator), t.Context()
	t0 := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for i, conclusion := range []string{"success", "failure", "success"} {
		l.app.Runs = append(l.app.Runs, &world.WorkflowRun{
			ID: int64(i + 1), Workflow: ".github/workflows/ci.yml", Event: []string{"push", "push", "schedule"}[i], Branch: "main",
			Status: "completed", Conclusion: conclusion, Created: t0.Add(time.Duration(i) * 24 * time.Hour),
			Jobs: []*world.RunJob{{ID: "a", Name: "a", Conclusion: conclusion}},
		})
	}
	l.app.Runs = append(l.app.Runs, &world.WorkflowRun{ID: 9, Workflow: ".github/workflows/gone.yml", Status: "completed", Created: t0})
	list := func(o gh.ListWorkflowRunsOptions) (ids []int64) {
		all, _, err := c.Actions.ListWorkflowRunsByFileName(ctx, "octo", "app", "ci.yml", &o)
		fatal(t, err)
		for _, r := range all.WorkflowRuns {
			ids = append(ids, r.GetID())
		}
		return ids
	}
	got := [][]int64{
		list(gh.ListWorkflowRunsOptions{}), list(gh.ListWorkflowRunsOptions{Status: "completed", Event: "push"}),
		list(gh.ListWorkflowRunsOptions{Status: "success"}), list(gh.ListWorkflowRunsOptions{Branch: "dev"}),
		list(gh.ListWorkflowRunsOptions{Created: ">=2026-05-02"}), list(gh.ListWorkflowRunsOptions{Created: ">2026-05-02T12:00:00Z"}),
		list(gh.ListWorkflowRunsOptions{Created: "2026-05-01..2026-05-02"}), list(gh.ListWorkflowRunsOptions{Created: "<2026-05-02"}),
	}
	if d := cmp.Diff([][]int64{{3, 2, 1}, {2, 1}, {3, 1}, nil, {3, 2}, {3}, {2, 1}, {1}}, got); d != "" {
		t.Error(d)
	}
	all, _, err := c.Actions.ListRepositoryWorkflowRuns(ctx, "octo", "app", nil)
	if err != nil || all.GetTotalCount() != 4 {
		t.Error(all, err)
	}
	jobs, _, err := c.Actions.ListWorkflowJobs(ctx, "octo", "app", 2, nil)
	if err != nil || jobs.GetTotalCount() != 1 || jobs.Jobs[0].GetConclusion() != "failure" {
		t.Error(jobs, err)
	}

	_, err = c.Actions.CreateWorkflowDispatchEventByFileName(ctx, "octo", "app", "ci.yml", gh.CreateWorkflowDispatchEventRequest{Ref: "main", Inputs: map[string]any{"a": "b"}})
	fatal(t, err)
	if d := cmp.Diff([]string{"octo/app .github/workflows/ci.yml refs/heads/main map[a:b]"}, l.sent); d != "" {
		t.Error(d)
	}
	_, err = c.Actions.CreateWorkflowDispatchEventByFileName(ctx, "octo", "app", "ci.yml", gh.CreateWorkflowDispatchEventRequest{Ref: "nope"})
	wantStatus(t, "no ref", err, 422, "No ref found for: nope")
	l.w.CommitFiles(l.app, "main", "c", map[string][]byte{".github/workflows/ci.yml": []byte("on: [push]\n")})
	_, err = c.Actions.CreateWorkflowDispatchEventByFileName(ctx, "octo", "app", "ci.yml", gh.CreateWorkflowDispatchEventRequest{Ref: "main"})
	wantStatus(t, "no trigger", err, 422, "workflow_dispatch")
}

func TestAnswersCarryTheLabsTime(t *testing.T) {
	l := newLab(t)
	l.w.Clock.Freeze(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
	if _, header, _ := l.do(world.RoleReader, "GET", "/user", nil); header.Get("Date") != "Wed, 02 Jan 2030 03:04:05 GMT" {
		t.Errorf("date %s", header.Get("Date"))
	}
}

func TestProtectedBranchesAreNotPushedTo(t *testing.T) {
	l := newLab(t)
	c, ctx := l.client(world.RoleOperator), t.Context()
	head := l.app.Head("main")
	l.app.Protection["main"] = &world.Protection{RequiredReviews: 1, LinearHistory: true}
	l.app.SetRef("refs/heads/topic", head)
	in := commitInput(head, []any{addition("a", "1")}, nil)
	in["input"].(map[string]any)["branch"].(map[string]any)["branchName"] = "main"
	if _, errs, _ := l.query(world.RoleOperator, commitMutation, in); len(errs) != 1 || errs[0]["type"] != "BRANCH_PROTECTION_RULE_VIOLATION" {
		t.Errorf("commit: %v", errs)
	}
	oid := l.w.CommitFiles(l.app, "topic", "c", map[string][]byte{"a": []byte("1")})
	ref := "refs/heads/main"
	_, _, err := c.Git.UpdateRef(ctx, "octo", "app", &gh.Reference{Ref: &ref, Object: &gh.GitObject{SHA: &oid}}, false)
	wantStatus(t, "update", err, 422, "Protected branch")
	_, err = c.Git.DeleteRef(ctx, "octo", "app", ref)
	wantStatus(t, "delete", err, 422, "Cannot delete")
	l.w.OpenPull(l.app, "topic", "main", "T", "", "dev").Approvals = 1
	_, _, err = c.PullRequests.Merge(ctx, "octo", "app", 1, "", nil)
	wantStatus(t, "merge commit", err, 405, "Merge commits are not allowed")
	res, _, err := c.PullRequests.Merge(ctx, "octo", "app", 1, "", &gh.PullRequestOptions{MergeMethod: "squash"})
	if err != nil || len(l.app.Commits[res.GetSHA()].Parents) != 1 {
		t.Errorf("squash: %v", err)
	}
}

func TestOrganisationSettings(t *testing.T) {
	l := newLab(t)
	c, ctx := l.client(world.RoleOperator), t.Context()
	_, _, err := c.Actions.EditDefaultWorkflowPermissionsInOrganization(ctx, "octo", gh.DefaultWorkflowPermissionOrganization{DefaultWorkflowPermissions: gh.String("write")})
	if err != nil || l.w.GitHub.Account("octo").DefaultPermissions != "write" || l.w.AddRepo("octo", "new", nil).DefaultPermissions != "write" {
		t.Error(err)
	}
	v := l.w.SetVariable(&l.w.GitHub.Account("octo").Variables, "V", "1")
	v.Visibility, v.Selected = "selected", []int64{l.app.ID}
	repos, _, err := c.Actions.ListSelectedReposForOrgVariable(ctx, "octo", "V", nil)
	if err != nil || repos.GetTotalCount() != 1 {
		t.Error(repos, err)
	}
	v.Visibility = "all"
	_, _, err = c.Actions.ListSelectedReposForOrgVariable(ctx, "octo", "V", nil)
	wantStatus(t, "not selected", err, 409, "not 'selected'")
}

func TestABranchOfItsOwnHistoryAndTheEndOfItsRun(t *testing.T) {
	l := newLab(t)
	app := l.app
	var tree, commit struct{ SHA string }
	decode := func(method, path string, in any, want int, out any) {
		t.Helper()
		status, _, body := l.do(world.RoleOperator, method, "/repos/octo/app"+path, in)
		if status != want {
			t.Fatalf("%s %s: %d, want %d: %s", method, path, status, want, body)
		}
		if out != nil {
			fatal(t, json.Unmarshal(body, out))
		}
	}
	decode("POST", "/git/trees", map[string]any{"tree": []map[string]any{{"path": "only.txt", "mode": "100644", "type": "blob", "content": "1"}}}, 201, &tree)
	decode("POST", "/git/commits", map[string]any{"message": "M", "tree": tree.SHA, "parents": []string{}}, 201, &commit)
	decode("POST", "/git/refs", map[string]any{"ref": "refs/heads/alone", "sha": commit.SHA}, 201, nil)
	if files := app.Files("alone"); len(files) != 1 || string(files["only.txt"]) != "1" {
		t.Errorf("the branch holds %v", files)
	}
	now := l.w.Clock.Now()
	run := &world.WorkflowRun{ID: 7, Workflow: ".github/workflows/p.yml", Branch: "alone", HeadOID: commit.SHA, Status: "waiting", Created: now, Updated: now,
		Jobs: []*world.RunJob{{ID: "p", Name: "p", Notes: []*world.Annotation{{Level: "notice", Title: "T", Message: "M"}}, Log: []string{"hello"}}}}
	app.Runs = append(app.Runs, run)
	var notes []struct{ Title, Message, Path string }
	decode("GET", "/check-runs/7000/annotations", nil, 200, &notes)
	if len(notes) != 1 || notes[0].Title != "T" || notes[0].Message != "M" || notes[0].Path == "" {
		t.Errorf("annotations: %+v", notes)
	}
	decode("GET", "/check-runs/7001/annotations", nil, 404, nil)
	decode("GET", "/actions/jobs/7000/logs", nil, 403, nil) // the redirect was followed with the token, which does not belong there
	decode("DELETE", "/actions/runs/7", nil, 403, nil)
	decode("POST", "/actions/runs/7/cancel", nil, 202, nil)
	decode("POST", "/actions/runs/7/cancel", nil, 409, nil)
	decode("DELETE", "/actions/runs/7", nil, 204, nil)
	decode("DELETE", "/actions/runs/7", nil, 404, nil)
	if len(app.Runs) > 0 {
		t.Error("the run is still there")
	}
}
