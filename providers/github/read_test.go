package github_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/migrate/terraform"
	"github.com/unsecret-dev/unsecret/providers/github"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T, l *lab.Lab, role string, o transport.Options) (*github.Client, *transport.Transport) {
	t.Helper()
	client, tr := labtest.Client(t, l.World.Endpoints.GitHub, "github", world.AudienceGitHub, role, o)
	c, err := github.New(github.Config{URL: l.World.Endpoints.GitHub, HTTP: client, Now: tr.Now})
	if err != nil {
		t.Fatal(err)
	}
	return c, tr
}

// read reads all repositories of an owner by name.
func read(t *testing.T, c *github.Client, owner string) map[inventory.RepositoryName]scan.RepositoryContent {
	t.Helper()
	refs, err := c.List(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	got := map[inventory.RepositoryName]scan.RepositoryContent{}
	err = c.Read(t.Context(), refs, func(content scan.RepositoryContent) {
		if _, twice := got[content.Ref.Name]; twice {
			t.Errorf("%s came twice", content.Ref.Name)
		}
		got[content.Ref.Name] = content
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(refs) {
		t.Errorf("%d of %d repositories came", len(got), len(refs))
	}
	return got
}

func paths(c scan.RepositoryContent) []string {
	names := []string{}
	for _, f := range c.Files {
		names = append(names, f.Path)
	}
	return names
}

func empty(t *testing.T) *world.World {
	t.Helper()
	w := world.New(7)
	w.AddAccount("contoso", "Organization")
	return w
}

func TestEveryFileThatCanMatterIsReadByteForByte(t *testing.T) {
	w := empty(t)
	files := map[string]string{
		".github/workflows/a.yml":               "on: push\njobs:\n  x:\n    steps:\n      - uses: ./.github/actions/login\n      - uses: ./tools/deploy\n      - uses: ./tools/both/\n      - uses: ./.github/workflows/called.yml\n",
		".github/workflows/crlf.yaml":           "on: push\r\njobs: {}\r\n",
		".github/workflows/bom.yml":             "\ufeffon: push\n",
		".github/workflows/latin1.yml":          "name: caf\xe9\n",
		".github/workflows/nul.yml":             "a: \x00b\n",
		".github/workflows/empty.yml":           "",
		".github/workflows/UPPER.YML":           "on: push\n",
		".github/workflows/README.md":           "no workflow",
		".github/workflows/sub/nested.yml":      "no workflow either",
		".github/actions/login/action.yml":      "runs: {using: composite, steps: [{uses: ./.github/actions/deep/inner}, {uses: ./other}]}\n",
		".github/actions/login/index.js":        "not read",
		".github/actions/deep/inner/action.yml": "name: inner\n",
		".github/actions/yaml/action.yaml":      "name: yaml\n",
		"tools/deploy/action.yml":               "runs: {steps: [{uses: ./tools/third}]}\nsteps:\n  - uses: ./tools/third\n",
		"tools/third/action.yml":                "name: third\n",
		"tools/both/action.yaml":                "name: both\n",
		"other/action.yml":                      "name: other\n",
		"action.yml":                            "name: root\n",
		"unused/action.yml":                     "name: unused\n",
	}
	w.AddRepo("contoso", "files", files)
	l := labtest.Start(t, w, lab.Options{})
	c, _ := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	content := read(t, c, "contoso")["contoso/files"]
	want := []string{
		".github/actions/deep/inner/action.yml", ".github/actions/login/action.yml", ".github/actions/yaml/action.yaml",
		".github/workflows/UPPER.YML", ".github/workflows/a.yml", ".github/workflows/bom.yml", ".github/workflows/crlf.yaml", ".github/workflows/empty.yml",
		".github/workflows/latin1.yml", ".github/workflows/nul.yml", "action.yml", "other/action.yml", "tools/both/action.yaml", "tools/deploy/action.yml", "tools/third/action.yml",
	}
	if diff := cmp.Diff(want, paths(content)); diff != "" {
		t.Error(diff)
	}
	for _, f := range content.Files {
		if f.Err != nil || string(f.Content) != files[f.Path] || f.Content == nil || f.OID != world.BlobOID([]byte(files[f.Path])) {
			t.Errorf("%s: %q %v", f.Path, f.Content, f.Err)
		}
	}
	if len(content.Repository.Files) != len(want) {
		t.Errorf("%d files in the repository", len(content.Repository.Files))
	}
	if l.Writes() != 0 {
		t.Error("the scan wrote")
	}
}

func TestRepositoriesComeWithWhatSignInsDependOn(t *testing.T) {
	w := labtest.Demo(t)
	w.GitHub.Repo("contoso", "api").Archived = true
	l := labtest.Start(t, w, lab.Options{})
	c, _ := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	for name, content := range read(t, c, "contoso") {
		live := w.GitHub.Repos[strings.ToLower(string(name))]
		r := content.Repository
		if content.Err != nil || r.Name != name || r.Host != "github.com" || r.ID != live.ID || r.NodeID != live.NodeID || r.OwnerID != w.GitHub.Account("contoso").ID ||
			r.DefaultBranch != live.DefaultBranch || r.HeadOID != live.Head(live.DefaultBranch) || r.Visibility != live.Visibility || r.Archived != live.Archived {
			t.Errorf("%s: %+v %v", name, r, content.Err)
		}
		if len(r.Environments) != len(live.Environments) || r.Environments == nil {
			t.Errorf("%s: environments %v", name, r.Environments)
		}
	}
}

func TestAnEmptyRepositoryIsNoGap(t *testing.T) {
	w := empty(t)
	w.AddRepo("contoso", "empty", nil)
	l := labtest.Start(t, w, lab.Options{})
	c, _ := connect(t, l, world.RoleReader, transport.Options{})
	content := read(t, c, "contoso")["contoso/empty"]
	if content.Err != nil || len(content.Files) != 0 {
		t.Errorf("%+v", content)
	}
}

func thousand(t *testing.T, n int) *world.World {
	t.Helper()
	w := empty(t)
	for i := range n {
		files := map[string]string{".github/workflows/ci.yml": fmt.Sprintf("on: push\nname: %d\n", i)}
		if i%10 == 0 {
			files[".github/actions/login/action.yml"] = fmt.Sprintf("name: login %d\n", i)
		}
		w.AddRepo("contoso", fmt.Sprintf("r%04d", i), files)
	}
	return w
}

func TestAThousandRepositoriesTakeAtMostSixtyRequests(t *testing.T) {
	l := labtest.Start(t, thousand(t, 1000), lab.Options{})
	c, tr := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	got := read(t, c, "contoso")
	files := 0
	for _, content := range got {
		files += len(content.Files)
	}
	if len(got) != 1000 || files != 1100 {
		t.Errorf("%d repositories, %d files", len(got), files)
	}
	if n := tr.Counts()[0].Reads; n > 60 {
		t.Errorf("%d requests", n)
	}
}

func TestOneBrokenRepositoryIsAGapAndStopsNoOther(t *testing.T) {
	w := thousand(t, 65)
	w.GitHub.Repo("contoso", "r0013").Broken = "RESOURCE_LIMITS_EXCEEDED"
	w.GitHub.Repo("contoso", "r0044").Broken = "FORBIDDEN"
	l := labtest.Start(t, w, lab.Options{})
	c, tr := connect(t, l, world.RoleReader, transport.Options{})
	for name, content := range read(t, c, "contoso") {
		broken := name == "contoso/r0013" || name == "contoso/r0044"
		if broken != (content.Err != nil) || !broken && len(content.Files) == 0 {
			t.Errorf("%s: %d files, %v", name, len(content.Files), content.Err)
		}
		if broken && !strings.Contains(content.Err.Error(), string(name)) {
			t.Errorf("the error does not name the repository: %v", content.Err)
		}
	}
	if n := tr.Counts()[0].Reads; n > 40 {
		t.Errorf("%d requests", n)
	}
}

func TestReadsSurviveFaults(t *testing.T) {
	for _, name := range []string{"throttle", "error-500", "error-502", "error-504", "cut-before", "cut-after", "html"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := labtest.Start(t, thousand(t, 45), lab.Options{FaultSeed: 11})
			c, _ := connect(t, l, world.RoleReader, transport.Options{Attempts: 12})
			refs, err := c.List(t.Context(), "contoso")
			if err != nil {
				t.Fatal(err)
			}
			labtest.Fault(t, l, lab.Fault{Name: name, Rate: 0.7, Times: 4})
			n := 0
			err = c.Read(t.Context(), refs, func(content scan.RepositoryContent) {
				n++
				if content.Err != nil || len(content.Files) == 0 {
					t.Errorf("%s: %v", content.Ref.Name, content.Err)
				}
			})
			if err != nil || n != 45 {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}

func TestAnExhaustedGraphQLLimitIsWaitedFor(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if n++; n == 1 {
			w.Header().Set("Retry-After", "0.2")
			fmt.Fprint(w, `{"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}`)
			return
		}
		fmt.Fprint(w, `{"data":{"nodes":[{"id":"R_1","databaseId":1,"nameWithOwner":"o/r","visibility":"PRIVATE"}]}}`)
	}))
	defer server.Close()
	client, _ := labtest.Client(t, server.URL, "github", world.AudienceGitHub, world.RoleReader, transport.Options{})
	c, err := github.New(github.Config{URL: server.URL, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Read(t.Context(), []scan.RepositoryRef{{Name: "o/r", NodeID: "R_1"}}, func(content scan.RepositoryContent) {
		if content.Err != nil || content.Repository.Visibility != "private" {
			t.Errorf("%+v", content)
		}
	})
	if err != nil || n != 2 {
		t.Errorf("%d requests, %v", n, err)
	}
}

func TestPartialDataIsNeverTakenForClean(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"data":{"nodes":[{"id":"R_1","nameWithOwner":"o/r","workflows":null}]},"errors":[{"type":"RESOURCE_LIMITS_EXCEEDED","message":"too much"}]}`)
	}))
	defer server.Close()
	client, _ := labtest.Client(t, server.URL, "github", world.AudienceGitHub, world.RoleReader, transport.Options{})
	c, err := github.New(github.Config{URL: server.URL, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Read(t.Context(), []scan.RepositoryRef{{Name: "o/r", NodeID: "R_1"}}, func(content scan.RepositoryContent) {
		if content.Err == nil || !strings.Contains(content.Err.Error(), "too much") {
			t.Errorf("%+v", content)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestResolveGivesTheCanonicalName(t *testing.T) {
	l := labtest.Start(t, labtest.Demo(t), lab.Options{})
	c, _ := connect(t, l, world.RoleReader, transport.Options{})
	ref, err := c.Resolve(t.Context(), "CONTOSO/Web")
	if err != nil || ref.Name != "contoso/web" || ref.NodeID == "" || ref.ID == 0 {
		t.Errorf("%+v %v", ref, err)
	}
	for _, name := range []inventory.RepositoryName{"contoso/nothing", "contoso"} {
		if _, err := c.Resolve(t.Context(), name); err == nil || name == "contoso/nothing" && !errors.Is(err, execute.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.List(t.Context(), "nobody"); !errors.Is(err, execute.ErrNotFound) {
		t.Errorf("unknown owner: %v", err)
	}
}

func TestSettingsOfTheDemo(t *testing.T) {
	w := labtest.Demo(t)
	repo := w.GitHub.Repo("contoso", "infrastructure")
	w.AddEnvironment(repo, "prod/eu west")
	env := repo.Environment("prod/eu west")
	w.SetSecret(&env.Secrets, "IN_SLASH", "x")
	for i := range 70 {
		w.SetVariable(&env.Variables, fmt.Sprintf("V%02d", i), "v")
	}
	w.SetSecret(&repo.Dependabot, "DEPENDABOT_ONE", "x")
	repo.OIDC = world.OIDCSettings{UseDefault: true, Immutable: true}
	l := labtest.Start(t, w, lab.Options{})
	c, tr := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	content := read(t, c, "contoso")["contoso/infrastructure"]
	before := tr.Counts()[0].Reads
	if _, _, err := c.OrganizationStores(t.Context(), "contoso"); err != nil {
		t.Fatal(err)
	}
	owner := tr.Counts()[0].Reads - before
	s, err := c.Settings(t.Context(), content.Repository)
	if err != nil || len(s.Gaps) != 0 {
		t.Fatal(err, s.Gaps)
	}
	environments := len(repo.Environments)
	// Two pages more for the 70 variables.
	if n := tr.Counts()[0].Reads - before - owner; n > 5+2*environments+2 {
		t.Errorf("%d requests for a repository with %d environments", n, environments)
	}
	if !s.OIDC.Known || !s.OIDC.UseImmutableSubject || !strings.HasPrefix(s.OIDC.SubClaimPrefix, "repo:contoso@") || s.OIDC.Issuer != "https://token.actions.githubusercontent.com" {
		t.Errorf("%+v", s.OIDC)
	}
	if s.DefaultPermissions != "write" || !slices.Contains(s.Environments, "prod/eu west") {
		t.Errorf("%+v", s)
	}
	levels := map[inventory.SecretLevel]int{}
	for _, secret := range s.Secrets {
		levels[secret.Level]++
		if secret.Owner != "contoso" || secret.Repository != "contoso/infrastructure" || secret.UpdatedAt.IsZero() {
			t.Errorf("%+v", secret)
		}
	}
	if levels[inventory.LevelEnvironment] != 2 || levels[inventory.LevelDependabot] != 1 || levels[inventory.LevelOrganization] != 0 {
		t.Errorf("%v", levels)
	}
	n := 0
	for _, v := range s.Variables {
		if v.Environment == "prod/eu west" {
			n++
		}
	}
	if n != 70 {
		t.Errorf("%d variables of the environment", n)
	}
}

func TestOrganizationStoresTellWhoMayUseASecret(t *testing.T) {
	l := labtest.Start(t, labtest.Demo(t), lab.Options{})
	c, _ := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	secrets, variables, err := c.OrganizationStores(t.Context(), "contoso")
	if err != nil || len(secrets) != 1 || len(variables) != 1 {
		t.Fatal(secrets, variables, err)
	}
	want := []inventory.RepositoryName{"contoso/api", "contoso/jobs", "contoso/web"}
	if diff := cmp.Diff(want, secrets[0].SelectedRepositories); diff != "" || secrets[0].Visibility != "selected" || secrets[0].Level != inventory.LevelOrganization {
		t.Errorf("%+v %s", secrets[0], diff)
	}
	outsider, _ := connect(t, l, world.RoleOutsider, transport.Options{})
	if _, _, err := outsider.OrganizationStores(t.Context(), "contoso"); err == nil {
		t.Error("an outsider reads the organisation's secrets")
	}
}

func TestSettingsThatCannotBeReadAreGaps(t *testing.T) {
	w := labtest.Demo(t)
	w.GitHub.Repo("contoso", "web").Visibility = "public"
	l := labtest.Start(t, w, lab.Options{})
	c, _ := connect(t, l, world.RoleReader, transport.Options{Attempts: 1})
	content := read(t, c, "contoso")["contoso/web"]
	labtest.Fault(t, l, lab.Fault{Name: "error-500", Rate: 1, Path: "/customization/sub"})
	labtest.Fault(t, l, lab.Fault{Name: "error-500", Rate: 1, Path: "web/actions/variables"})
	s, err := c.Settings(t.Context(), content.Repository)
	if err != nil || len(s.Gaps) != 2 || s.OIDC.Known || s.DefaultPermissions == "" {
		t.Errorf("%+v %v", s, err)
	}
	outsider, _ := connect(t, l, world.RoleOutsider, transport.Options{})
	s, err = outsider.Settings(t.Context(), content.Repository)
	if err != nil || len(s.Gaps) < 5 || s.Gaps[0].Next == "" {
		t.Errorf("an outsider: %+v %v", s, err)
	}
}

func TestHostsAndIssuers(t *testing.T) {
	cases := []struct{ url, host, issuer, hosts string }{
		{"", "github.com", "https://token.actions.githubusercontent.com", "[api.github.com]"},
		{"https://api.github.com/", "github.com", "https://token.actions.githubusercontent.com", "[api.github.com]"},
		{"https://github.com", "github.com", "https://token.actions.githubusercontent.com", "[api.github.com]"},
		{"https://api.contoso.ghe.com", "contoso.ghe.com", "https://token.actions.contoso.ghe.com", "[api.contoso.ghe.com]"},
		{"https://contoso.ghe.com", "contoso.ghe.com", "https://token.actions.contoso.ghe.com", "[api.contoso.ghe.com]"},
		{"https://git.contoso.com/api/v3", "git.contoso.com", "https://git.contoso.com/_services/token", "[git.contoso.com]"},
		{"https://Git.contoso.com:8443", "git.contoso.com:8443", "https://git.contoso.com:8443/_services/token", "[git.contoso.com:8443]"},
		{"http://127.0.0.1:80", "github.com", "https://token.actions.githubusercontent.com", "[127.0.0.1:80]"},
	}
	for _, c := range cases {
		client, err := github.New(github.Config{URL: c.url, HTTP: http.DefaultClient})
		if err != nil {
			t.Fatal(err)
		}
		hosts, err := github.Hosts(c.url)
		if err != nil || client.Host() != c.host || client.Issuer() != c.issuer || fmt.Sprint(hosts) != c.hosts {
			t.Errorf("%q: %s %s %v %v", c.url, client.Host(), client.Issuer(), hosts, err)
		}
	}
	for _, bad := range []string{"github.com", "https://git.contoso.com/some/path", "::"} {
		if _, err := github.New(github.Config{URL: bad, HTTP: http.DefaultClient}); err == nil {
			t.Errorf("%q is taken for an API address", bad)
		}
	}
}

func TestTheTerraformCodeOfARepositoryIsReadWithFewRequests(t *testing.T) {
	w := empty(t)
	files := map[string]string{
		"README.md": "not read", "infra/main.tf": "provider \"azurerm\" {}\n", "infra/.terraform.lock.hcl": "# lock\n", "infra/prod.tfvars": "a = 1\r\n", "infra/latin1.tf": "# caf\xe9\n",
		"infra/.terraform/modules/x/main.tf": "not read", "infra/empty.tf": "", "infra/large.tf": strings.Repeat("#\n", terraform.MaxFileSize),
	}
	for i := range 70 {
		files[fmt.Sprintf("modules/m%02d/main.tf", i)] = fmt.Sprintf("# %d\n", i)
	}
	w.AddRepo("contoso", "infra", files)
	w.AddRepo("contoso", "gone", map[string]string{"main.tf": ""})
	l := labtest.Start(t, w, lab.Options{})
	c, _ := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	content := read(t, c, "contoso")
	gone := content["contoso/gone"].Repository
	gone.Name = "contoso/nowhere"
	l.ResetCounts()
	got, err := c.Terraform(t.Context(), []inventory.Repository{content["contoso/infra"].Repository, gone})
	if err != nil {
		t.Fatal(err)
	}
	read := got["contoso/infra"]
	if len(read.Files) != 70+5 || len(read.Unread) != 1 || read.Unread[0].Path != "infra/large.tf" {
		t.Errorf("%d files are read, and %+v is not", len(read.Files), read.Unread)
	}
	for _, f := range read.Files {
		if string(f.Content) != files[f.Path] {
			t.Errorf("%s: %q", f.Path, f.Content)
		}
	}
	if n := got["contoso/nowhere"]; len(n.Files) != 0 || len(n.Unread) != 1 || n.Unread[0].Path != "" {
		t.Errorf("a repository that is not there: %+v", n)
	}
	total := 0
	for _, n := range l.Counts() {
		total += n.N
	}
	if total > 5 { // the names of two, two queries for files, and the file that is no text
		t.Errorf("%d requests: %v", total, l.Counts())
	}
}
