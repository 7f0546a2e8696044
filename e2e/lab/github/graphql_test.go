package github_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/unsecret-dev/unsecret/e2e/lab/internal/specs"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// publicSchema is GitHub's own schema. It skips the test where that is absent.
func publicSchema(t *testing.T) *ast.Schema {
	t.Helper()
	path := specs.Path(t, "graphql-github.graphql")
	loadPublic.Do(func() {
		b, err := os.ReadFile(path)
		fatal(t, err)
		public, err = gqlparser.LoadSchema(&ast.Source{Name: "public", Input: string(b)})
		fatal(t, err)
	})
	return public
}

var (
	loadPublic sync.Once
	public     *ast.Schema
)

// checkPublicSchema validates a query, in a test of its own that skips where the public schema is absent.
func checkPublicSchema(t *testing.T, query string) {
	t.Helper()
	t.Run("public schema", func(t *testing.T) {
		if _, errs := gqlparser.LoadQueryWithRules(publicSchema(t), query, rules.NewDefaultRules()); len(errs) > 0 {
			t.Errorf("the public schema refuses the query: %v\n%s", errs, query)
		}
	})
}

func TestSchemaIsPartOfThePublicOne(t *testing.T) {
	public := publicSchema(t)
	own, err := os.ReadFile("schema.graphql")
	fatal(t, err)
	schema, err := gqlparser.LoadSchema(&ast.Source{Input: string(own)})
	fatal(t, err)
	for name, def := range schema.Types {
		theirs := public.Types[name]
		if theirs == nil {
			t.Errorf("type %s is not public", name)
			continue
		}
		for _, f := range def.Fields {
			p := theirs.Fields.ForName(f.Name)
			switch {
			case strings.HasPrefix(f.Name, "__"):
			case p == nil:
				t.Errorf("%s.%s is not public", name, f.Name)
			case p.Type.String() != f.Type.String():
				t.Errorf("%s.%s is %s, public %s", name, f.Name, f.Type, p.Type)
			default:
				for _, a := range f.Arguments {
					if pa := p.Arguments.ForName(a.Name); pa == nil || pa.Type.String() != a.Type.String() {
						t.Errorf("argument %s of %s.%s differs from the public schema", a.Name, name, f.Name)
					}
				}
			}
		}
		for _, e := range def.EnumValues {
			if theirs.EnumValues.ForName(e.Name) == nil {
				t.Errorf("%s.%s is not public", name, e.Name)
			}
		}
	}
}

const scanQuery = `query($ids:[ID!]!){ nodes(ids:$ids){ ... on Repository { id nameWithOwner databaseId isArchived isFork isEmpty visibility
  owner{ id login ... on Organization { databaseId } }
  defaultBranchRef{ name target{ oid } }
  wf: object(expression:"HEAD:.github/workflows"){ ...files }
  root: object(expression:"HEAD:"){ ... on Tree { entries { name type } } } } }
 rateLimit{ cost remaining resetAt } }
fragment files on Tree { oid entries{ name path type mode oid object{ ... on Blob { byteSize isBinary isTruncated text oid } ... on Tree { entries { name path oid } } } } }`

func TestScanQueryReadsWorkflowsOfManyRepositories(t *testing.T) {
	l := newLab(t)
	empty := l.w.GitHub.Repo("octo", "empty")
	data, errs, _ := l.query(world.RoleReader, scanQuery, map[string]any{"ids": []string{l.app.NodeID, empty.NodeID, "R_unknown"}})
	got := at(data, "nodes", 0).(map[string]any)
	want := map[string]any{
		"id": l.app.NodeID, "nameWithOwner": "octo/app", "databaseId": float64(l.app.ID), "isArchived": false, "isFork": false,
		"isEmpty": false, "visibility": "PRIVATE",
		"owner":            map[string]any{"id": l.w.GitHub.Account("octo").NodeID, "login": "octo", "databaseId": float64(l.w.GitHub.Account("octo").ID)},
		"defaultBranchRef": map[string]any{"name": "main", "target": map[string]any{"oid": l.app.Head("main")}},
		"root":             map[string]any{"entries": []any{map[string]any{"name": ".github", "type": "tree"}, map[string]any{"name": "README.md", "type": "blob"}}},
	}
	wf := got["wf"]
	delete(got, "wf")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	wantEntry := map[string]any{
		"name": "ci.yml", "path": ".github/workflows/ci.yml", "type": "blob", "mode": float64(0o100644), "oid": world.BlobOID([]byte(ci)),
		"object": map[string]any{"byteSize": float64(len(ci)), "isBinary": false, "isTruncated": false, "text": ci, "oid": world.BlobOID([]byte(ci))},
	}
	if d := cmp.Diff(wantEntry, at(wf, "entries", 0)); d != "" {
		t.Error(d)
	}
	if got := at(wf, "entries", 1, "object", "entries", 0, "path"); got != ".github/workflows/sub/x.yml" {
		t.Errorf("nested entry %v", got)
	}
	if at(data, "nodes", 1, "isEmpty") != true || at(data, "nodes", 1, "wf") != nil || at(data, "nodes", 1, "defaultBranchRef") != nil {
		t.Errorf("empty repository %v", at(data, "nodes", 1))
	}
	if at(data, "nodes", 2) != nil || len(errs) != 1 || errs[0]["type"] != "NOT_FOUND" {
		t.Errorf("unknown node: %v", errs)
	}
	if d := cmp.Diff([]any{"nodes", 2.0}, errs[0]["path"]); d != "" {
		t.Error(d)
	}
	if at(data, "rateLimit", "cost") != 1.0 {
		t.Error("no rate limit")
	}
}

func TestBrokenRepositoryGivesPartialData(t *testing.T) {
	l := newLab(t)
	site := l.w.GitHub.Repo("octo", "site")
	l.app.Broken = "SERVICE_UNAVAILABLE"
	data, errs, status := l.query(world.RoleReader, scanQuery, map[string]any{"ids": []string{l.app.NodeID, site.NodeID}})
	if status != 200 || at(data, "nodes", 0) != nil || at(data, "nodes", 1, "nameWithOwner") != "octo/site" {
		t.Errorf("status %d, data %v", status, data)
	}
	if len(errs) != 1 || errs[0]["type"] != "SERVICE_UNAVAILABLE" {
		t.Errorf("errors %v", errs)
	}
	list := `{ organization(login:"octo") { repositories(first:10) { nodes { id nameWithOwner } } } }`
	if data, errs, _ := l.query(world.RoleReader, list, nil); at(data, "organization", "repositories", "nodes", 0, "nameWithOwner") != "octo/app" || errs != nil {
		t.Errorf("listing names: %v %v", data, errs)
	}
}

func TestTooManyRepositoriesOrIds(t *testing.T) {
	l := newLab(t)
	ids := make([]string, 101)
	for i := range ids {
		ids[i] = l.app.NodeID
	}
	data, errs, _ := l.query(world.RoleReader, scanQuery, map[string]any{"ids": ids})
	if data != nil || len(errs) != 1 || errs[0]["type"] != "ARGUMENT_LIMIT" {
		t.Errorf("101 ids: %v", errs)
	}
	l.w.Knobs.GraphQLMaxRepos = 2
	if _, _, status := l.query(world.RoleReader, scanQuery, map[string]any{"ids": ids[:3]}); status != 502 {
		t.Errorf("three of two repositories: %d", status)
	}
	if _, _, status := l.query(world.RoleReader, scanQuery, map[string]any{"ids": ids[:2]}); status != 200 {
		t.Errorf("two of two repositories: %d", status)
	}
	byName := `{ a: repository(owner:"octo",name:"app"){id} b: repository(owner:"octo",name:"app"){id} c: repository(owner:"octo",name:"app"){id} }`
	if _, _, status := l.query(world.RoleReader, byName, nil); status != 502 {
		t.Errorf("three aliases: %d", status)
	}
	listing := `{ organization(login:"octo") { repositories(first:100) { nodes { id } } } }`
	if _, _, status := l.query(world.RoleReader, listing, nil); status != 200 {
		t.Errorf("a list of names: %d", status)
	}
}

func TestRepositoriesArePaged(t *testing.T) {
	l := newLab(t)
	l.w.GitHub.Repo("octo", "empty").Archived = true
	for i := range 205 {
		l.w.AddRepo("big", fmt.Sprintf("r%03d", i), nil)
	}
	q := `query($after:String){ repositoryOwner(login:"big") { repositories(first:100, after:$after) { totalCount nodes { name } pageInfo { hasNextPage endCursor } } } }`
	var names []any
	vars := map[string]any{}
	for {
		data, errs, _ := l.query(world.RoleReader, q, vars)
		if errs != nil {
			t.Fatal(errs)
		}
		c := at(data, "repositoryOwner", "repositories")
		names = append(names, at(c, "nodes").([]any)...)
		if at(c, "pageInfo", "hasNextPage") != true {
			break
		}
		vars["after"] = at(c, "pageInfo", "endCursor")
	}
	if len(names) != 205 || at(names, 204, "name") != "r204" {
		t.Errorf("%d names", len(names))
	}
	data, _, _ := l.query(world.RoleReader, `{ organization(login:"octo") { repositories(first:10, isArchived:false) { nodes { name } } } }`, nil)
	if n := len(at(data, "organization", "repositories", "nodes").([]any)); n != 2 {
		t.Errorf("%d repositories that are not archived", n)
	}
	if _, errs, _ := l.query(world.RoleReader, `{ organization(login:"octo") { repositories { totalCount } } }`, nil); errs[0]["type"] != "MISSING_PAGINATION_BOUNDARIES" {
		t.Errorf("no bounds: %v", errs)
	}
	data, _, _ = l.query(world.RoleOutsider, `{ organization(login:"octo") { repositories(first:10) { nodes { name } } } }`, nil)
	if d := cmp.Diff([]any{map[string]any{"name": "site"}}, at(data, "organization", "repositories", "nodes")); d != "" {
		t.Errorf("outsider sees %s", d)
	}
}

func TestBlobTextIsWhatTheServiceDecodes(t *testing.T) {
	l := newLab(t)
	for name, tt := range map[string]struct {
		content           string
		text              any
		binary, truncated bool
	}{
		"byte order mark": {"\xef\xbb\xbfon: push\r\n", "on: push\r\n", false, false},
		"latin1":          {"name: caf\xe9\n", nil, true, false},
		"NUL":             {"a\x00b", nil, true, false},
		"large":           {strings.Repeat("é", maxTextRunes) + "x", strings.Repeat("é", maxTextRunes), false, true},
		"cut in a letter": {"x" + strings.Repeat("é", maxTextRunes), "x" + strings.Repeat("é", maxTextRunes-1), false, true},
	} {
		l.w.CommitFiles(l.app, "main", name, map[string][]byte{"f": []byte(tt.content)})
		data, errs, _ := l.query(world.RoleReader, `{ repository(owner:"OCTO",name:"App") { object(expression:"main:f") { ... on Blob { text isBinary isTruncated byteSize } } } }`, nil)
		want := map[string]any{"text": tt.text, "isBinary": tt.binary, "isTruncated": tt.truncated, "byteSize": float64(len(tt.content))}
		if d := cmp.Diff(want, at(data, "repository", "object")); d != "" || errs != nil {
			t.Errorf("%s: %v %s", name, errs, d)
		}
	}
}

const maxTextRunes = 256 << 10

const commitMutation = `mutation($input: CreateCommitOnBranchInput!){ createCommitOnBranch(input:$input){ clientMutationId commit { oid messageHeadline messageBody signature { isValid } tree { oid } } ref { name } } }`

func commitInput(head string, additions, deletions []any) map[string]any {
	return map[string]any{"input": map[string]any{
		"branch":          map[string]any{"repositoryNameWithOwner": "octo/app", "branchName": "topic"},
		"expectedHeadOid": head, "message": map[string]any{"headline": "Title", "body": "Why."}, "clientMutationId": "x",
		"fileChanges": map[string]any{"additions": additions, "deletions": deletions},
	}}
}

func addition(path, content string) any {
	return map[string]any{"path": path, "contents": base64.StdEncoding.EncodeToString([]byte(content))}
}

func TestCreateCommitOnBranch(t *testing.T) {
	l := newLab(t)
	head := l.app.Head("main")
	in := commitInput(head, []any{addition(".github/workflows/ci.yml", "\xef\xbb\xbfon: push\r\n"), addition("empty", "")}, []any{map[string]any{"path": "README.md"}})
	if _, errs, _ := l.query(world.RoleOperator, commitMutation, in); len(errs) != 1 || errs[0]["type"] != "NOT_FOUND" {
		t.Fatalf("the branch must exist first: %v", errs)
	}
	l.app.SetRef("refs/heads/topic", head)
	if _, errs, _ := l.query(world.RoleReader, commitMutation, in); len(errs) != 1 || errs[0]["type"] != "FORBIDDEN" {
		t.Fatalf("a reader wrote: %v", errs)
	}
	data, errs, _ := l.query(world.RoleOperator, commitMutation, in)
	if errs != nil {
		t.Fatal(errs)
	}
	oid := l.app.Head("topic")
	want := map[string]any{"clientMutationId": "x", "ref": map[string]any{"name": "topic"}, "commit": map[string]any{
		"oid": oid, "messageHeadline": "Title", "messageBody": "Why.", "signature": map[string]any{"isValid": true}, "tree": map[string]any{"oid": l.app.Commits[oid].Tree},
	}}
	if d := cmp.Diff(want, at(data, "createCommitOnBranch")); d != "" {
		t.Error(d)
	}
	files := l.app.Files("topic")
	if string(files[".github/workflows/ci.yml"]) != "\xef\xbb\xbfon: push\r\n" || files["README.md"] != nil || files["empty"] == nil {
		t.Errorf("files %q", files)
	}
	if d := cmp.Diff([]string{"octo/app refs/heads/topic " + head + " " + oid}, l.pushes); d != "" {
		t.Error(d)
	}
	data, errs, _ = l.query(world.RoleOperator, commitMutation, in)
	wantErr := fmt.Sprintf("Expected branch to point to %q but it did not.  Pull and try again.", head)
	if len(errs) != 1 || errs[0]["type"] != "STALE_DATA" || errs[0]["message"] != wantErr || at(data, "createCommitOnBranch") != nil {
		t.Errorf("a moved head: %v", errs)
	}
	gone := commitInput(oid, nil, []any{map[string]any{"path": "nowhere"}})
	if _, errs, _ := l.query(world.RoleOperator, commitMutation, gone); len(errs) != 1 || !strings.Contains(errs[0]["message"].(string), "does not exist as of commit") {
		t.Errorf("deleting nothing: %v", errs)
	}
}

func TestGraphQLRefsPullsAndEnvironments(t *testing.T) {
	l := newLab(t)
	create := `mutation($id:ID!,$oid:GitObjectID!){ createRef(input:{repositoryId:$id,name:"refs/heads/a/b",oid:$oid}){ ref { id name prefix target { oid __typename } } } }`
	vars := map[string]any{"id": l.app.NodeID, "oid": l.app.Head("main")}
	data, errs, _ := l.query(world.RoleOperator, create, vars)
	if errs != nil || at(data, "createRef", "ref", "name") != "a/b" || at(data, "createRef", "ref", "target", "__typename") != "Commit" {
		t.Fatalf("%v %v", data, errs)
	}
	if _, errs, _ := l.query(world.RoleOperator, create, vars); len(errs) != 1 {
		t.Error("the same ref twice")
	}
	l.w.CommitFiles(l.app, "a/b", "more", map[string][]byte{"new": []byte("1")})
	l.w.OpenPull(l.app, "a/b", "main", "T", "B", "dev")
	l.w.AddEnvironment(l.app, "prod/eu")
	data, errs, _ = l.query(world.RoleReader, `query($id:ID!,$skip:Boolean!){
		node(id:$id) { ... on Ref { repository { nameWithOwner } } }
		repository(owner:"octo",name:"app") {
			ref(qualifiedName:"a/b") { target { ... on Commit { message file(path:"new") { oid path } } } }
			missing: ref(qualifiedName:"nope") { id }
			refs(refPrefix:"refs/heads/",first:10) { nodes { name } }
			pullRequests(headRefName:"a/b",states:[OPEN],first:5) { nodes { number state mergeable mergeStateStatus headRefOid } }
			merged: pullRequests(states:MERGED,first:5) { totalCount }
			environments(first:10) { nodes { name } }
			name @skip(if:$skip)
		} }`, map[string]any{"id": at(data, "createRef", "ref", "id"), "skip": true})
	want := map[string]any{
		"node": map[string]any{"repository": map[string]any{"nameWithOwner": "octo/app"}},
		"repository": map[string]any{
			"ref":     map[string]any{"target": map[string]any{"message": "more", "file": map[string]any{"oid": world.BlobOID([]byte("1")), "path": "new"}}},
			"missing": nil,
			"refs":    map[string]any{"nodes": []any{map[string]any{"name": "a/b"}, map[string]any{"name": "main"}}},
			"pullRequests": map[string]any{"nodes": []any{map[string]any{
				"number": 1.0, "state": "OPEN", "mergeable": "MERGEABLE", "mergeStateStatus": "CLEAN", "headRefOid": l.app.Head("a/b"),
			}}},
			"merged":       map[string]any{"totalCount": 0.0},
			"environments": map[string]any{"nodes": []any{map[string]any{"name": "prod/eu"}}},
		},
	}
	if d := cmp.Diff(want, data); d != "" || errs != nil {
		t.Errorf("%v %s", errs, d)
	}
}

func TestQueriesAreValidated(t *testing.T) {
	l := newLab(t)
	status, _, body := l.do(world.RoleReader, "POST", "/graphql", map[string]any{"query": "{ nothing }"})
	if status != 200 || !strings.Contains(string(body), "nothing") || strings.Contains(string(body), `"data"`) {
		t.Errorf("%d %s", status, body)
	}
	for _, role := range []string{"", "unknown"} {
		if status, _, _ := l.do(role, "POST", "/api/graphql", map[string]any{"query": "{ viewer { login } }"}); status != 401 {
			t.Errorf("token %q: %d", role, status)
		}
	}
	data, _, _ := l.query(world.RoleReader, "{ viewer { login } }", nil)
	if at(data, "viewer", "login") != "octo-reader" {
		t.Error("viewer")
	}
	if _, errs, _ := l.query(world.RoleOutsider, `{ repository(owner:"octo",name:"app"){id} }`, nil); len(errs) != 1 || errs[0]["type"] != "NOT_FOUND" {
		t.Errorf("outsider: %v", errs)
	}
}
