package lab_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/internal/specs"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/identify"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers"
	"github.com/unsecret-dev/unsecret/providers/auth"
)

// undescribed are the requests that no official description has, by server, method and a pattern of the path, with the reason.
// One that does not happen any more fails the test, so that the list stays true.
var undescribed = []struct{ server, method, path, reason string }{
	{lab.ServerAzureDevOps, "OPTIONS", `/_apis/?$`, "the list of locations, which the vendor's SDK reads first, is not part of the REST API reference"},
	{lab.ServerAzureDevOps, "GET", `/_apis/connectiondata`, "connectionData is not part of the REST API reference"},
	{lab.ServerAzureDevOps, "GET", `/distributedtask/pools$`, "agent pools are described in a document that is not among these"},
	{lab.ServerAzureDevOps, "GET", `/distributedtask/elasticpools$`, "and so are the pools of scale sets"},
	{lab.ServerAzureDevOps, "GET", `/distributedtask/environments$`, "environments are described in a document that is not among these"},
	{lab.ServerAzureDevOps, "GET", `/distributedtask/taskgroups$`, "the reference describes the list with an optional id, which a path of OpenAPI cannot say"},
	{lab.ServerAzureDevOps, "GET", `/securityroles/scopes/[^/]+/roleassignments/resources/`, "roles are described in a document that is not among these"},
	{lab.ServerAzureDevOps, "PUT", `/securityroles/scopes/[^/]+/roleassignments/resources/`, "as above"},
	{lab.ServerAzureDevOps, "PATCH", `/securityroles/scopes/[^/]+/roleassignments/resources/`, "as above"},
	{lab.ServerAzureDevOps, "GET", `/distributedtask/securefiles$`, "secure files are not part of the REST API reference"},
	{lab.ServerGitHub, "GET", `/check-runs/\d+/annotations$`, "the description that is kept has no annotations"},
	{lab.ServerGitHub, "DELETE", `/actions/runs/\d+$`, "nor the deletion of a run"},
	{lab.ServerGraph, "GET", `^/beta/applications$`, "of beta's description these have the federated credentials alone; v1.0's has the list of applications"},
}

// TestTheProgramAndTheLabKeepToTheOfficialDescriptions records every request of a whole journey with its answer, and
// judges both by the vendors' descriptions.
func TestTheProgramAndTheLabKeepToTheOfficialDescriptions(t *testing.T) {
	book := newBook(t)
	schema := githubSchema(t)
	for name, make := range map[string]func() (*world.World, lab.Mapping){
		"demo": func() (*world.World, lab.Mapping) { return demo(t) },
		"generated": func() (*world.World, lab.Mapping) {
			return lab.Generate(lab.Size{Seed: 3, Repositories: 12, Connections: 20})
		},
		"registries": func() (*world.World, lab.Mapping) { return registries(t) },
	} {
		t.Run(name, func(t *testing.T) {
			w, mapping := make()
			judged := map[string]int{}
			for _, x := range record(t, w, mapping) {
				judged[book.judge(t, schema, x)]++
			}
			for _, op := range sortedNames(judged) {
				t.Logf("%5d %s", judged[op], op)
			}
		})
	}
	for i, u := range undescribed {
		if !book.used[i] {
			t.Errorf("nobody sends %s %s %s any more: take it off the list", u.server, u.method, u.path)
		}
	}
}

// registries has a connection to a registry that is shared, with all that decides who may use it.
func registries(t *testing.T) (*world.World, lab.Mapping) {
	t.Helper()
	w, mapping, err := lab.LoadSeedMapping([]byte(`
tenant: contoso
subscriptions: [production]
identities:
  - name: pusher
    passwords: [{name: pusher, created: 90d, expires: 300d, lastUsed: 1d}]
azureDevOps:
  - name: contoso
    projects: [Shop, Store]
    connections:
      - {name: registry, projects: [Shop, Store], identity: pusher, registry: contoso.azurecr.io, usedBy: images, lastUsed: 1d}
    repositories:
      - project: Shop
        name: images
        files:
          azure-pipelines.yml: |
            steps:
            - task: Docker@2
              inputs: {containerRegistry: registry, repository: shop, command: buildAndPush}
    pipelines:
      - {project: Shop, name: images, repository: images, file: azure-pipelines.yml}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range w.DevOps["contoso"].Connections {
		c.Pipelines, c.OpenIn, c.Alone = []int{w.DevOps["contoso"].Definitions[0].ID}, []string{c.Refs[1].ProjectID}, []string{c.Refs[1].ProjectID}
		c.Checks = []*world.Check{{ID: 7, Type: "Approval", Settings: map[string]any{"minRequiredApprovers": 1.0}}}
		c.Roles = map[string][]*world.ConnectionRole{c.Refs[0].ProjectID: {{Identity: w.NewID(), Name: "Robin", Role: "User"}}}
		c.WideRoles = []*world.ConnectionRole{{Identity: w.NewID(), Name: "Kim", Role: "Administrator"}}
	}
	return w, mapping
}

func sortedNames(m map[string]int) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// probeAll asks every secret of an inventory, as if no mapping told its identity.
func probeAll(t *testing.T, set *providers.Set, inv *inventory.Inventory, j *execute.Journal) {
	t.Helper()
	open, err := plan.OpenSecrets(inv, plan.Config{})
	if err != nil {
		t.Fatal(err)
	}
	in, err := identify.Gather(t.Context(), inv, open, identify.Sources{Directory: set.Entra, Repositories: set.GitHub}, identify.Options{Now: set.Transport.Now()})
	if err != nil {
		t.Fatal(err)
	}
	targets, _ := identify.Targets(inv, open)
	p := &identify.Prober{Host: set.GitHub, Journal: j, Random: rand.Reader, Now: time.Now, Say: t.Logf,
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
	var ids []inventory.AppID
	for _, a := range in.Applications {
		ids = append(ids, a.AppID)
	}
	proofs, err := p.Probe(t.Context(), targets, ids)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		if proof := proofs[target.Store.Key()]; proof.Problem != "" || proof.AppID == "" {
			t.Errorf("the probe of %s: %+v", target.Store, proof)
		}
	}
}

// record performs the whole journey and gives everything that was said.
func record(t *testing.T, w *world.World, mapping lab.Mapping) []lab.Exchange {
	t.Helper()
	var mu sync.Mutex
	var all []lab.Exchange
	l := serve(t, w, lab.Options{AutoRun: true, Record: func(x lab.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, x)
	}})
	set := connect(t, w)
	inv := scanAll(t, w, set)
	p, err := plan.New(inv, configOf(mapping))
	if err != nil {
		t.Fatal(err)
	}
	j, err := execute.OpenJournal(t.TempDir(), execute.JournalOptions{Holder: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	probeAll(t, set, inv, j)
	e := &execute.Executor{Outside: set.Outside(), Journal: j, Plan: p, Actor: "ada", Patience: execute.Patience{FirstDelay: time.Millisecond},
		Sleep: func(ctx context.Context, d time.Duration) error {
			w.Clock.Move(d)
			return ctx.Err()
		}}
	ctx := context.Background()
	must := func(r execute.Result, err error) execute.Result {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	must(e.Apply(ctx, execute.ApplyOptions{}))
	if _, err := l.MergeAll(); err != nil {
		t.Fatal(err)
	}
	must(e.Apply(ctx, execute.ApplyOptions{}))
	w.Clock.Move(time.Hour)
	if len(w.GitHub.Repos) > 0 { // else only connections would be used, and those too that nothing names any more
		if _, err := l.TriggerAll(); err != nil {
			t.Fatal(err)
		}
	}
	must(e.Verify(ctx, execute.VerifyOptions{}))
	w.Clock.Move(8 * 24 * time.Hour)
	revoked := must(e.Revoke(ctx, execute.RevokeOptions{}))
	if revoked.Count(execute.UnitRevoked) == 0 {
		t.Errorf("no unit is revoked, so the journey is not whole: %+v", revoked.Units)
	}
	var units []string
	for _, u := range revoked.Units {
		if u.State != execute.UnitBlocked {
			units = append(units, u.Unit)
		}
	}
	must(e.Rollback(ctx, execute.RollbackOptions{Units: units}))
	if _, err := l.MergeAll(); err != nil {
		t.Fatal(err)
	}
	must(e.Rollback(ctx, execute.RollbackOptions{Units: units}))
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(all)
}

func connect(t *testing.T, w *world.World) *providers.Set {
	t.Helper()
	w.Lock()
	c := providers.Config{
		GitHub: &providers.GitHub{Endpoint: w.Endpoints.GitHub, Host: "github.com"},
		Entra:  &providers.Entra{Endpoint: w.Endpoints.Graph, Authority: w.Endpoints.Login, Tenant: onlyTenant(w).ID},
		Azure:  &providers.Azure{Endpoint: w.Endpoints.ARM}, AzureDevOps: &providers.AzureDevOps{Endpoint: w.Endpoints.AzureDevOps},
		Auth: providers.Auth{Mode: auth.ModeEnvironment},
	}
	for _, o := range w.DevOps {
		c.AzureDevOps.Organizations = append(c.AzureDevOps.Organizations, o.Name)
	}
	w.Unlock()
	tokens := map[string]string{
		auth.EnvAzureDevOps: lab.Token(world.AudienceAzureDevOps, world.RoleOperator), auth.EnvGraph: lab.Token(world.AudienceGraph, world.RoleOperator),
		auth.EnvARM: lab.Token(world.AudienceARM, world.RoleOperator), "GITHUB_TOKEN": lab.Token(world.AudienceGitHub, world.RoleOperator),
	}
	c.Getenv = func(name string) string { return tokens[name] }
	set, err := providers.Connect(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Close)
	return set
}

func scanAll(t *testing.T, w *world.World, set *providers.Set) *inventory.Inventory {
	t.Helper()
	w.Lock()
	var orgs, owners []string
	for _, o := range w.DevOps {
		orgs = append(orgs, o.Name)
	}
	for _, a := range w.GitHub.Accounts {
		owners = append(owners, a.Login)
	}
	w.Unlock()
	inv, err := scan.Run(context.Background(), scan.Sources{AzureDevOps: set.DevOpsSources(orgs), Entra: set.Entra, Azure: set.Azure,
		GitHub: []scan.GitHubScope{{Client: set.GitHub, Owners: owners}}}, scan.Options{Now: set.Transport.Now, AllApplications: true})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func configOf(mapping lab.Mapping) plan.Config {
	soak := plan.DefaultSoak
	c := plan.Config{IncludeShared: true, AllowFlexible: true, Level: plan.LevelNeedsReview, Soak: &soak,
		Connections: plan.ConnectionRules{UnusedDays: -1, Registry: plan.ConnectionsRecreate}, // many connections of these labs have no history
		Revoke:      plan.RevokeRules{Share: 100, Name: []string{plan.NameNone}}}
	for _, h := range mapping {
		c.Mapping = append(c.Mapping, plan.Mapping{Organization: h.Account, Repository: inventory.RepositoryName(h.Repository),
			Environment: h.Environment, Secret: h.Name, AppID: inventory.AppID(h.AppID)})
	}
	return c
}

// book is all the official descriptions, by server.
type book struct {
	pages map[string][]page
	used  map[int]bool // of undescribed
}

// page is one operation.
type page struct {
	doc       *openapi3.T
	method    string
	template  string
	operation string
	path      *regexp.Regexp
	names     []string
}

func newBook(t *testing.T) *book {
	t.Helper()
	b := &book{pages: map[string][]page{}, used: map[int]bool{}}
	b.add(lab.ServerGitHub, "(?:/api/v3)?", specs.Load(t, "github.json"))
	b.add(lab.ServerGraph, "/v1.0", specs.Load(t, "graph.json"))
	b.add(lab.ServerGraph, "/beta", specs.Load(t, "graph-beta.json"))
	for _, area := range []string{"serviceendpoint", "core", "build", "release", "distributedtask", "pipelinepermissions", "checks", "approvals", "pipelines", "git"} {
		b.add(lab.ServerAzureDevOps, "", specs.LoadWired(t, "azure-devops-"+area+"-7.1.json", specs.AzureDevOps))
	}
	for _, area := range []string{"authorization", "managedidentity", "resourcegraph", "subscriptions"} {
		b.add(lab.ServerARM, "", specs.LoadWired(t, "arm-"+area+".json", specs.ARM))
	}
	return b
}

var parameter = regexp.MustCompile(`\\\{([^}]+)\\\}`)

// severalSegments are the parameters whose values may have slashes.
var severalSegments = map[string]bool{"path": true, "ref": true, "branch": true, "scope": true}

func (b *book) add(server, prefix string, d *openapi3.T) {
	for template, item := range d.Paths.Map() {
		p := page{doc: d, template: template}
		pattern := parameter.ReplaceAllStringFunc(regexp.QuoteMeta(template), func(quoted string) string {
			name := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(quoted, `\{`), `\}`), `\`, "")
			p.names = append(p.names, name)
			if severalSegments[name] {
				return `(.+)`
			}
			return `([^/]+)`
		})
		flags := ""
		if server == lab.ServerAzureDevOps || server == lab.ServerARM { // both ignore the case of paths
			flags = "(?i)"
		}
		p.path = regexp.MustCompile(flags + "^" + prefix + pattern + "$")
		for method, op := range item.Operations() {
			one := p
			one.method, one.operation = method, op.OperationID
			b.pages[server] = append(b.pages[server], one)
		}
	}
}

// find gives the operation of a request: the one with the fewest parameters that fits.
func (b *book) find(server, method, path string) (page, map[string]string, bool) {
	var best page
	var values map[string]string
	for _, p := range b.pages[server] {
		m := p.path.FindStringSubmatch(path)
		if m == nil || p.method != method || best.path != nil && len(p.names) >= len(best.names) {
			continue
		}
		best, values = p, map[string]string{}
		for i, name := range p.names {
			v, err := url.PathUnescape(m[i+1])
			if err != nil {
				v = m[i+1]
			}
			values[name] = v
		}
	}
	return best, values, best.path != nil
}

// byID is how go-github names a repository in the paths of environments: by its id, as GitHub's description did before 2024.
var byID = regexp.MustCompile(`/repositories/\d+/environments/`)

// judge checks one exchange and names its operation.
func (b *book) judge(t *testing.T, schema *ast.Schema, x lab.Exchange) string {
	t.Helper()
	path, _, _ := strings.Cut(x.URL, "?")
	if x.Server == lab.ServerGitHub && strings.HasSuffix(path, "/graphql") {
		return judgeGraphQL(t, schema, x)
	}
	for i, u := range undescribed {
		if u.server == x.Server && u.method == x.Method && regexp.MustCompile("(?i)"+u.path).MatchString(path) {
			b.used[i] = true
			return "not described: " + u.server + " " + u.method + " " + u.path
		}
	}
	p, values, ok := b.find(x.Server, x.Method, byID.ReplaceAllString(path, "/repos/o/r/environments/"))
	if !ok {
		t.Errorf("no description has %s %s %s", x.Server, x.Method, x.URL)
		return "?"
	}
	req, err := requestOf(x)
	if err != nil {
		t.Errorf("%s %s: %v", x.Method, x.URL, err)
		return p.operation
	}
	if err := specs.CheckRequest(p.doc, p.operation, req, values); err != nil {
		t.Errorf("%s %s: %v", x.Method, x.URL, err)
	}
	if err := checkAnswer(p, x); err != nil {
		t.Errorf("%s %s answered %d: %v\n%s", x.Method, x.URL, x.Status, err, x.ResponseBody)
	}
	return x.Server + " " + p.operation
}

// requestOf builds the request as a description sees it: unpacked, and with Azure DevOps' version as a parameter.
func requestOf(x lab.Exchange) (*http.Request, error) {
	body := x.RequestBody
	if x.RequestHeader.Get("Content-Encoding") == "gzip" {
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("unpack the request: %w", err)
		}
		if body, err = io.ReadAll(r); err != nil {
			return nil, fmt.Errorf("unpack the request: %w", err)
		}
	}
	if x.Server == lab.ServerAzureDevOps && len(body) > 0 { // a connection is sent back with the nulls that it came with
		var err error
		if body, err = specs.WithoutNulls(body); err != nil {
			return nil, err
		}
	}
	u, err := url.Parse("http://description.invalid" + x.URL)
	if err != nil {
		return nil, fmt.Errorf("read the request's address: %w", err)
	}
	if q := u.Query(); x.Server == lab.ServerGitHub && q.Has("created") {
		// The description says in words that it takes the search syntax, such as >=2026-11-02T09:00:00Z, and in its schema a time.
		q.Set("created", strings.TrimPrefix(q.Get("created"), ">="))
		u.RawQuery = q.Encode()
	}
	if x.Server == lab.ServerAzureDevOps {
		q := u.Query()
		for _, header := range []string{"Accept", "Content-Type"} {
			if _, params, err := mime.ParseMediaType(x.RequestHeader.Get(header)); err == nil && params["api-version"] != "" {
				q.Set("api-version", params["api-version"])
			}
		}
		u.RawQuery = q.Encode()
	}
	req, err := http.NewRequestWithContext(context.Background(), x.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("build the request: %w", err)
	}
	if len(body) == 0 {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	req.Header = x.RequestHeader.Clone()
	if kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err == nil {
		req.Header.Set("Content-Type", kind)
	}
	return req, nil
}

func checkAnswer(p page, x lab.Exchange) error {
	if x.Status == 0 || x.Server == lab.ServerAzureDevOps && x.Status >= http.StatusBadRequest {
		return nil // a cut connection; Azure DevOps describes no error at all
	}
	kind, _, _ := strings.Cut(x.ResponseHeader.Get("Content-Type"), ";")
	body := x.ResponseBody
	if x.Server == lab.ServerAzureDevOps && strings.Contains(x.URL, "/_apis/git/") && !strings.HasSuffix(kind, "json") {
		return nil // a file's own bytes
	}
	if kind == "application/vnd.github.raw" {
		return nil // media types are described in prose only (GitHub Docs: Media types)
	}
	if op := p.doc.Paths.Find(p.template).GetOperation(p.method); x.Server == lab.ServerGitHub && x.Status >= http.StatusBadRequest && op.Responses.Status(x.Status) == nil {
		return basicError(p.doc, body) // GitHub answers 401, 403, 404 and 422 also where no such status is described
	}
	if (x.Server == lab.ServerAzureDevOps || x.Server == lab.ServerGraph) && len(body) > 0 {
		var err error
		if body, err = specs.WithoutNulls(body); err != nil {
			return err
		}
	}
	return specs.CheckResponse(p.doc, p.operation, x.Status, kind, body)
}

func basicError(d *openapi3.T, body []byte) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return fmt.Errorf("the error is no JSON: %w", err)
	}
	return d.Components.Schemas["basic-error"].Value.VisitJSON(v)
}

func githubSchema(t *testing.T) *ast.Schema {
	t.Helper()
	text, err := os.ReadFile(specs.Path(t, "graphql-github.graphql"))
	if err != nil {
		t.Fatal(err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "github", Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// judgeGraphQL checks a query and its variables against GitHub's own schema, and that the answer has what was asked.
func judgeGraphQL(t *testing.T, schema *ast.Schema, x lab.Exchange) string {
	t.Helper()
	var in struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	if err := json.Unmarshal(x.RequestBody, &in); err != nil {
		t.Errorf("GraphQL request: %v", err)
		return "?"
	}
	query, errs := gqlparser.LoadQueryWithRules(schema, in.Query, rules.NewDefaultRules())
	if errs != nil {
		t.Errorf("GraphQL query does not fit GitHub's schema: %v\n%s", errs, in.Query)
		return "?"
	}
	op := query.Operations[0]
	if _, err := validator.VariableValues(schema, op, in.Variables); err != nil {
		t.Errorf("GraphQL variables do not fit GitHub's schema: %v\n%s", err, in.Query)
	}
	var out struct {
		Data map[string]any `json:"data"`
	}
	if err := json.Unmarshal(x.ResponseBody, &out); err != nil {
		t.Errorf("GraphQL answer: %v", err)
	}
	if out.Data != nil {
		for _, err := range answered(op.SelectionSet, out.Data, "data") {
			t.Error(err)
		}
	}
	return fmt.Sprintf("github GraphQL %s %s", op.Operation, op.SelectionSet[0].(*ast.Field).Name)
}

// answered tells where an answer has not the shape that the query asks for by GitHub's schema.
func answered(set ast.SelectionSet, data map[string]any, at string) []error {
	var errs []error
	asked := map[string]*ast.Field{}
	collect(set, data, asked)
	for name, f := range asked {
		v, ok := data[name]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s.%s was asked for and is missing", at, name))
		default:
			errs = append(errs, fits(f.Definition.Type, f.SelectionSet, v, at+"."+name)...)
		}
	}
	for name := range data {
		if asked[name] == nil {
			errs = append(errs, fmt.Errorf("%s.%s was not asked for", at, name))
		}
	}
	return errs
}

// collect gathers the fields that a query asks of an object, looking into fragments for its type.
func collect(set ast.SelectionSet, data map[string]any, into map[string]*ast.Field) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			into[s.Alias] = s
		case *ast.InlineFragment:
			if fragmentFits(s.SelectionSet, data) {
				collect(s.SelectionSet, data, into)
			}
		case *ast.FragmentSpread:
			collect(s.Definition.SelectionSet, data, into)
		}
	}
}

// fragmentFits guesses whether an object is of a fragment's type: it has one of its fields.
func fragmentFits(set ast.SelectionSet, data map[string]any) bool {
	for _, s := range set {
		if f, ok := s.(*ast.Field); ok {
			if _, ok := data[f.Alias]; ok {
				return true
			}
		}
	}
	return false
}

func fits(typ *ast.Type, set ast.SelectionSet, v any, at string) []error {
	switch v := v.(type) {
	case nil:
		if typ.NonNull {
			return []error{fmt.Errorf("%s is null, and %s cannot be", at, typ)}
		}
		return nil
	case []any:
		if typ.Elem == nil {
			return []error{fmt.Errorf("%s is a list, and its type is %s", at, typ)}
		}
		var errs []error
		for i, e := range v {
			errs = append(errs, fits(typ.Elem, set, e, fmt.Sprintf("%s[%d]", at, i))...)
		}
		return errs
	case map[string]any:
		if len(set) == 0 {
			return []error{fmt.Errorf("%s is an object, and its type is %s", at, typ)}
		}
		return answered(set, v, at)
	}
	want := map[string]string{"Int": "float64", "Float": "float64", "Boolean": "bool"}[typ.Name()]
	if want == "" {
		want = "string"
	}
	if got := fmt.Sprintf("%T", v); got != want && typ.Name() != "BigInt" {
		return []error{fmt.Errorf("%s is a %s, and its type is %s", at, got, typ)}
	}
	return nil
}
