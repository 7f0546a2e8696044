package subject

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

func TestConnectionSubjects(t *testing.T) {
	// A public federated credential, as Azure DevOps creates them.
	got := ConnectionSubject("7f4f3591-5f6c-4f7b-a1bd-0a2dd8831218", "e08e523c-54da-4401-8fb6-e1439b52cc97", "5d6e9559-895b-4b42-a5d7-024245c8079c")
	want := Subject{
		Issuer:   "https://login.microsoftonline.com/7f4f3591-5f6c-4f7b-a1bd-0a2dd8831218/v2.0",
		Value:    "/eid1/c/pub/t/kTVPf2xfe0-hvQot2IMSGA/a/rISbSSETf0KqFyZ8ppdXmA/sc/e08e523c-54da-4401-8fb6-e1439b52cc97/5d6e9559-895b-4b42-a5d7-024245c8079c",
		Audience: "api://AzureADTokenExchange",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Entra form (-want +got):\n%s", diff)
	}
	old := OldConnectionSubject("contoso", "e08e523c-54da-4401-8fb6-e1439b52cc97", "Shop Front", "azure-prod")
	want = Subject{Issuer: "https://vstoken.dev.azure.com/e08e523c-54da-4401-8fb6-e1439b52cc97", Value: "sc://contoso/Shop Front/azure-prod", Audience: Audience}
	if diff := cmp.Diff(want, old); diff != "" {
		t.Errorf("old form (-want +got):\n%s", diff)
	}
}

var app = inventory.Repository{Name: "Octo/App", ID: 2, OwnerID: 1, Visibility: "private"}

func TestPrefixIsWhatThePlatformTells(t *testing.T) {
	tests := []struct {
		name, want string
		oidc       inventory.OIDC
		repo       inventory.Repository
	}{
		{"by name", "repo:Octo/App", inventory.OIDC{UseDefault: true}, app},
		{"immutable", "repo:Octo@1/App@2", inventory.OIDC{UseImmutableSubject: true}, app},
		{"what the platform tells wins", "repo:Octo@7/App@8", inventory.OIDC{SubClaimPrefix: "repo:Octo@7/App@8"}, app},
		{"immutable without ids", "", inventory.OIDC{UseImmutableSubject: true}, inventory.Repository{Name: "a/b"}},
		{"no name", "", inventory.OIDC{}, inventory.Repository{Name: "b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Prefix(test.oidc, test.repo)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestTemplates(t *testing.T) {
	tests := []struct {
		name    string
		keys    []string
		context string
		claims  []Claim
		want    string
	}{
		{"the default, spelled out", []string{"repo", "context"}, "environment:prod", nil, "repo:Octo/App:environment:prod"},
		{"with the called workflow", []string{"repo", "context", "job_workflow_ref"}, "pull_request",
			[]Claim{{"job_workflow_ref", "octo/auto/.github/workflows/oidc.yml@refs/heads/main"}},
			"repo:Octo/App:pull_request:job_workflow_ref:octo/auto/.github/workflows/oidc.yml@refs/heads/main"},
		{"ids", []string{"repository_owner_id", "repository_id"}, "pull_request", nil, "repository_owner_id:1:repository_id:2"},
		{"owner and visibility", []string{"repository_owner", "repository_visibility"}, "pull_request", nil, "repository_owner:Octo:repository_visibility:private"},
		{"environment", []string{"environment", "repository"}, "environment:a%3Ab", nil, "environment:a%3Ab:repository:Octo/App"},
		{"ref of a job without environment", []string{"repo", "ref", "ref_type"}, "ref:refs/heads/main", nil, "repo:Octo/App:ref:refs/heads/main:ref_type:branch"},
		{"ref of a job with one is not known", []string{"repo", "ref"}, "environment:prod", nil, ""},
		{"actor is not known", []string{"repo", "actor"}, "pull_request", nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Full(inventory.OIDC{IncludeClaimKeys: test.keys}, app, []string{test.context}, test.claims...)
			var unknown *UnknownClaimError
			switch {
			case test.want == "" && (len(got) > 0 || !errors.As(err, &unknown)):
				t.Errorf("got %v, %v, want an unknown claim", got, err)
			case test.want != "" && (err != nil || len(got) != 1 || got[0].Value != test.want):
				t.Errorf("got %v, %v, want %s", got, err, test.want)
			}
		})
	}
}

func TestFullMarksPatternsAndIssuers(t *testing.T) {
	got, err := Full(inventory.OIDC{Issuer: "https://ghe.example/_services/token", UseDefault: true, IncludeClaimKeys: []string{"actor"}}, app,
		[]string{"ref:refs/heads/*", "pull_request"})
	if err != nil {
		t.Fatal(err)
	}
	if !got[0].Pattern || got[1].Pattern || got[0].Issuer != "https://ghe.example/_services/token" || got[0].RepositoryID != 2 || got[0].Context != "ref:refs/heads/*" {
		t.Errorf("got %+v", got)
	}
}

// full builds subjects of the repository Octo/App.
func full(t *testing.T, contexts ...string) []Subject {
	t.Helper()
	out, err := Full(inventory.OIDC{}, app, contexts)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func trusts(contexts ...string) []inventory.FederatedCredential {
	var out []inventory.FederatedCredential
	for i, c := range contexts {
		f := inventory.FederatedCredential{Name: fmt.Sprintf("c%d", i), Issuer: GitHubIssuer, Audience: Audience, Subject: "repo:Octo/App:" + c}
		if isPattern(c) {
			f.Subject, f.Expression = "", expression("repo:Octo/App:"+c, 2)
		}
		out = append(out, f)
	}
	return out
}

func TestCoverFindsWhatNobodyNeeds(t *testing.T) {
	have := trusts("environment:prod", "environment:old", "ref:refs/heads/*")
	have = append(have, inventory.FederatedCredential{Name: "aks", Issuer: "https://oidc.example", Subject: "system:serviceaccount:a:b", Audience: Audience})
	got := Cover(full(t, "environment:prod", "ref:refs/heads/main", "pull_request"), have)
	if len(got.Trusted) != 2 || len(got.Missing) != 1 || got.Missing[0].Subject.Context != "pull_request" || got.Missing[0].Nearest == nil || got.Complete() {
		t.Errorf("got %+v", got)
	}
	kinds := map[string]UnneededKind{}
	for _, u := range got.Unneeded {
		kinds[u.Credential.Name] = u.Kind
	}
	want := map[string]UnneededKind{"c1": UnneededUnused, "c2": UnneededWide, "aks": UnneededForeign}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("unneeded (-want +got):\n%s", diff)
	}
}

func TestCoverOfPatterns(t *testing.T) {
	tests := []struct {
		name, needed string
		have         []string
		trusted      bool
		wide         bool
	}{
		{"the same", "ref:refs/heads/rel/*", []string{"ref:refs/heads/rel/*"}, true, false},
		{"a wider one", "ref:refs/heads/rel/*", []string{"ref:refs/heads/*"}, true, true},
		{"a narrower one", "ref:refs/heads/*", []string{"ref:refs/heads/rel/*"}, false, false},
		{"one subject is not a pattern", "ref:refs/heads/*", []string{"ref:refs/heads/main"}, false, false},
		{"one character", "environment:web-?", []string{"environment:web-*"}, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Cover(full(t, test.needed), trusts(test.have...))
			wide := len(got.Unneeded) == 1 && got.Unneeded[0].Kind == UnneededWide
			if got.Complete() != test.trusted || wide != test.wide {
				t.Errorf("got %+v", got)
			}
		})
	}
	got := Explain(full(t, "pull_request")[0], trusts("ref:refs/heads/main"))
	if !strings.Contains(strings.Join(got.Next, " "), "whoever can open a pull request") {
		t.Errorf("the risk of a pull request's subject is not told: %q", got.Next)
	}
}

func TestChoose(t *testing.T) {
	many := func(format string, n int) []string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(format, i))
		}
		return out
	}
	tests := []struct {
		name      string
		needed    []string
		options   ChooseOptions
		add       []string // what is trusted, without the prefix
		uncovered int
		proposals int
	}{
		{"exact", []string{"environment:prod", "ref:refs/heads/main"}, ChooseOptions{}, []string{"environment:prod", "ref:refs/heads/main"}, 0, 0},
		{"what exists is not added", []string{"environment:prod", "ref:refs/heads/main"}, ChooseOptions{Existing: trusts("environment:prod")}, []string{"ref:refs/heads/main"}, 0, 0},
		{"a pattern needs flexible credentials", []string{"ref:refs/heads/*", "ref:refs/heads/main"}, ChooseOptions{}, []string{"ref:refs/heads/main"}, 1, 1},
		{"a pattern stands for what it matches", []string{"ref:refs/heads/*", "ref:refs/heads/main"}, ChooseOptions{AllowFlexible: true}, []string{"ref:refs/heads/*"}, 0, 0},
		{"a pattern within another", []string{"ref:refs/heads/*", "ref:refs/heads/rel/*"}, ChooseOptions{AllowFlexible: true}, []string{"ref:refs/heads/*"}, 0, 0},
		{"20 fit", many("ref:refs/heads/b%02d", 20), ChooseOptions{AllowFlexible: true}, many("ref:refs/heads/b%02d", 20), 0, 0},
		{"21 are grouped", many("ref:refs/heads/b%02d", 21), ChooseOptions{AllowFlexible: true},
			append(many("ref:refs/heads/b1%d", 10), "ref:refs/heads/b20", "ref:refs/heads/b0*"), 0, 0},
		{"21 do not fit without", many("ref:refs/heads/b%02d", 21), ChooseOptions{}, many("ref:refs/heads/b%02d", 20), 1, 2},
		{"kinds are never mixed", []string{"environment:a", "ref:refs/heads/a", "pull_request"}, ChooseOptions{AllowFlexible: true, Limit: 2}, []string{"environment:a", "pull_request"}, 1, 2},
		{"no room at all", []string{"environment:a"}, ChooseOptions{Limit: 1, Existing: trusts("environment:b")}, nil, 1, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Choose(full(t, test.needed...), test.options)
			added := map[string]bool{}
			for _, c := range got.Add {
				added[strings.TrimPrefix(subjectText(c), "repo:Octo/App:")] = true
			}
			want := map[string]bool{}
			for _, c := range test.add {
				want[c] = true
			}
			if diff := cmp.Diff(want, added); diff != "" {
				t.Errorf("added (-want +got):\n%s", diff)
			}
			if len(got.Uncovered) != test.uncovered || len(got.Proposals) != test.proposals {
				t.Errorf("uncovered %v, proposals %q", got.Uncovered, got.Proposals)
			}
		})
	}
}

func TestChooseWritesValidExpressionsAndNamesRisks(t *testing.T) {
	got := Choose(full(t, "ref:refs/heads/*", "pull_request", "environment:*"), ChooseOptions{AllowFlexible: true, NamePrefix: "unsecret-", Description: "by unsecret"})
	var names, expressions []string
	for _, c := range got.Add {
		names = append(names, c.Name)
		expressions = append(expressions, c.Expression)
	}
	if diff := cmp.Diff([]string{
		"unsecret-repo-Octo-App-pull_request-ae17f3bf", "unsecret-repo-Octo-App-environment-any-507a4f2c", "unsecret-repo-Octo-App-ref-refs-heads-any-f9629f87",
	}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if want := "claims['sub'] matches 'repo:Octo/App:environment:*' and claims['repository_id'] eq '2'"; expressions[1] != want {
		t.Errorf("got %s, want %s", expressions[1], want)
	}
	risks := strings.Join(got.Risks, "\n")
	for _, want := range []string{"pull request", "whoever can push", "every environment is trusted", "use_immutable_subject", "preview"} {
		if !strings.Contains(risks, want) {
			t.Errorf("the risks do not mention %q:\n%s", want, risks)
		}
	}
}

func TestFlexibleCredentialsWhereTheyAreSupported(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Subject)
		want   string
	}{
		{"another issuer", func(s *Subject) { s.Issuer = GitHubIssuer + "/acme" }, "supported only for the issuer"},
		{"no id", func(s *Subject) { s.RepositoryID = 0 }, "repository's id"},
		{"a quote", func(s *Subject) { s.Value += "'" }, "quote"},
		{"too long", func(s *Subject) { s.Value += strings.Repeat("x", 700) }, "at most 600"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := full(t, "ref:refs/heads/*")[0]
			test.change(&s)
			got := Choose([]Subject{s}, ChooseOptions{AllowFlexible: true})
			if len(got.Add) > 0 || len(got.Uncovered) != 1 || !strings.Contains(got.Uncovered[0].Reason, test.want) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	immutable, err := Full(inventory.OIDC{UseImmutableSubject: true}, app, []string{"environment:prod"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name      string
		presented Subject
		have      []inventory.FederatedCredential
		code      string
		nearest   string
		text      string
	}{
		{"nothing there", full(t, "pull_request")[0], nil, CodeNoCredential, "", "has no federated credential"},
		{"trusted", full(t, "pull_request")[0], trusts("pull_request"), "", "c0", "trusts it"},
		{"case", full(t, "environment:Prod")[0], trusts("environment:dev", "environment:prod"), CodeCase, "c1", "case"},
		{"ids", immutable[0], trusts("environment:dev", "environment:prod"), CodeSubject, "c1", "ids"},
		{"ref", full(t, "ref:refs/heads/dev")[0], trusts("environment:prod", "ref:refs/heads/main"), CodeSubject, "c1", "ref"},
		{"environment", full(t, "environment:test")[0], trusts("environment:prod", "ref:refs/heads/main"), CodeSubject, "c0", "environment"},
		{"flexible", full(t, "ref:refs/tags/v1")[0], trusts("ref:refs/heads/*"), CodeSubject, "c0", "ref"},
		{"issuer", Subject{Issuer: "https://ghe.example", Value: "repo:Octo/App:pull_request"}, trusts("pull_request"), CodeIssuer, "c0", "issuer"},
		{"audience", Subject{Issuer: GitHubIssuer, Value: "repo:Octo/App:pull_request", Audience: "sts.amazonaws.com"}, trusts("pull_request"), CodeAudience, "c0", "audience"},
		{"repository", Subject{Issuer: GitHubIssuer, Value: "repo:Octo/Other:pull_request"}, trusts("pull_request"), CodeSubject, "c0", "repository"},
		{"immutable subject tells its ids", Subject{Issuer: GitHubIssuer, Value: "repo:Octo@1/App@2:pull_request"},
			[]inventory.FederatedCredential{{Name: "c0", Issuer: GitHubIssuer, Audience: Audience, Expression: expression("repo:Octo@1/App@2:*", 2)}}, "", "c0", "trusts it"},
		{"id that is not known", Subject{Issuer: GitHubIssuer, Value: "repo:Octo/App:ref:refs/heads/x"}, trusts("ref:refs/heads/*"), CodeSubject, "c0", "repository_id"},
		{"flexible of the same repository before exact of another", Subject{Issuer: GitHubIssuer, Value: "repo:Octo/App:ref:refs/tags/x"},
			[]inventory.FederatedCredential{{Name: "c0", Issuer: GitHubIssuer, Audience: Audience, Subject: "repo:Octo/Other:ref:refs/heads/main"},
				{Name: "c1", Issuer: GitHubIssuer, Audience: Audience, Expression: expression("repo:Octo/App:ref:refs/heads/*", 2)}}, CodeSubject, "c1", "ref"},
		{"id of a flexible credential", Subject{Issuer: GitHubIssuer, Value: "repo:Octo/App:ref:refs/heads/x", RepositoryID: 9}, trusts("ref:refs/heads/*"), CodeSubject, "c0", "repository_id"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Explain(test.presented, test.have)
			name := ""
			if got.Credential != nil {
				name = got.Credential.Name
			}
			if got.Code != test.code || name != test.nearest || !strings.Contains(got.Text, test.text) || len(got.Next) == 0 || got.Trusted != (test.code == "") {
				t.Errorf("got %+v", got)
			}
		})
	}
}
