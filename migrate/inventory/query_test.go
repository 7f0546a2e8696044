package inventory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

const (
	guidA = "aaaaaaaa-0000-4000-8000-000000000001"
	guidB = "aaaaaaab-0000-4000-8000-000000000002"
	guidC = "cccccccc-0000-4000-8000-000000000003"
)

func sample() *inventory.Inventory {
	login := func(repo inventory.RepositoryName, file, secret string, environments ...string) inventory.Login {
		l := inventory.Login{ID: inventory.NewLoginID(repo, file, 12, 3), Repository: repo, File: file, Line: 12, Column: 3,
			Secrets: []inventory.SecretUse{{Name: secret, Expression: "secrets." + secret, Role: "credentials"}}}
		for _, e := range environments {
			l.Subjects = append(l.Subjects, inventory.JobSubjects{Job: "j", Environment: e, Subjects: []string{"environment:" + e}})
		}
		return l
	}
	return &inventory.Inventory{
		Connections: []inventory.Connection{
			{ID: guidA, Name: "production", Organization: "contoso", AppID: guidC, Projects: []inventory.ConnectionProject{{Name: "Shop", As: "production"}, {Name: "Web", As: "prod-shop"}}},
			{ID: guidB, Name: "production", Organization: "fabrikam"},
		},
		Identities: []inventory.Identity{{AppID: guidC, ObjectID: "o-1", ServicePrincipalID: "sp-1", DisplayName: "Shop",
			Credentials: []inventory.Credential{
				{KeyID: "k-1", Type: inventory.CredentialPassword, DisplayName: "old"},
				{KeyID: "k-2", Type: inventory.CredentialCertificate, On: inventory.OnServicePrincipal, Usage: "Sign"},
				{KeyID: "k-2", Type: inventory.CredentialPassword, On: inventory.OnServicePrincipal}},
			FederatedCredentials: []inventory.FederatedCredential{{ID: "f-1", Name: "main", Subject: "repo:o/shop:ref:refs/heads/main"}}}},
		Logins: []inventory.Login{
			login("o/shop", ".github/workflows/deploy.yml", "AZURE_CREDENTIALS"),
			login("o/web", ".github/workflows/deploy.yml", "azure_credentials", "prod"),
			login("x/web", "action.yml", "AZURE_*"),
		},
		Secrets: []inventory.Secret{
			{Level: inventory.LevelOrganization, Owner: "o", Name: "AZURE_CREDENTIALS", Visibility: "selected", SelectedRepositories: []inventory.RepositoryName{"o/Shop"}},
			{Level: inventory.LevelEnvironment, Owner: "o", Repository: "o/web", Environment: "prod", Name: "AZURE_CREDENTIALS"},
			{Level: inventory.LevelEnvironment, Owner: "o", Repository: "o/web", Environment: "test", Name: "AZURE_CREDENTIALS"},
			{Level: inventory.LevelRepository, Owner: "x", Repository: "x/web", Name: "AZURE_TOKEN"},
		},
	}
}

func ids(list []inventory.Object) []string {
	var out []string
	for _, o := range list {
		out = append(out, string(o.Kind)+" "+o.ID)
	}
	return out
}

func TestObjectsAreFoundByAnyOfTheirIDsAndNames(t *testing.T) {
	inv := sample()
	for text, want := range map[string][]string{
		guidA:                             {"connection " + guidA},
		"AAAAAAAA":                        {"connection " + guidA},
		"aaaaaa":                          {"connection " + guidA, "connection " + guidB},
		"contoso/production":              {"connection " + guidA},
		"web/PROD-shop":                   {"connection " + guidA},
		"production":                      {"connection " + guidA, "connection " + guidB},
		"shop":                            {"identity " + guidC},
		"o-1":                             {"identity " + guidC},
		"sp-1":                            {"identity " + guidC},
		"k-1":                             {"credential k-1"},
		"k-2":                             {"credential k-2"},
		"main":                            {"federated credential f-1"},
		"repo:o/shop:ref:refs/heads/main": {"federated credential f-1"},
		"o/shop/.github/workflows/deploy.yml:12:3":  {"login o/shop/.github/workflows/deploy.yml:12:3"},
		"o/shop/.github/workflows/deploy.yml:12":    {"login o/shop/.github/workflows/deploy.yml:12:3"},
		"o/shop/deploy.yml:12":                      {"login o/shop/.github/workflows/deploy.yml:12:3"},
		"o/web/.github/workflows/deploy.yml":        {"login o/web/.github/workflows/deploy.yml:12:3"},
		"o/azure_credentials":                       {"secret o/AZURE_CREDENTIALS"},
		"o/web/environments/prod/AZURE_CREDENTIALS": {"secret o/web/environments/prod/AZURE_CREDENTIALS"},
		"AZURE_TOKEN": {"secret x/web/AZURE_TOKEN"},
		"":            nil,
		"nothing":     nil,
	} {
		if diff := cmp.Diff(want, ids(inv.Find(text))); diff != "" {
			t.Errorf("%q:\n%s", text, diff)
		}
	}
}

func TestNearMatchesComeTheLikestFirst(t *testing.T) {
	inv := sample()
	for text, want := range map[string]string{
		"prodution":      "connection " + guidA,
		"k-3":            "credential k-1",
		"deploy.yml":     "login o/shop/.github/workflows/deploy.yml:12:3",
		"AZURE_CREDENTI": "secret o/AZURE_CREDENTIALS",
	} {
		if got := ids(inv.Near(text, 1)); len(got) != 1 || got[0] != want {
			t.Errorf("%q: %v, want %s", text, got, want)
		}
	}
	if got := inv.Near("entirely something else", 3); got != nil {
		t.Errorf("%v", ids(got))
	}
}

func TestEveryObjectIsFoundByItsOwnID(t *testing.T) {
	inv := sample()
	for _, text := range []string{guidA, guidB, guidC, "k-1", "f-1", "o/AZURE_CREDENTIALS", string(inv.Logins[2].ID)} {
		found := inv.Find(text)
		if len(found) != 1 {
			t.Fatalf("%s: %v", text, ids(found))
		}
		if again := inv.Find(found[0].ID); len(again) != 1 || again[0] != found[0] {
			t.Errorf("%s is not found by its id", text)
		}
		if inv.Value(found[0]) == nil {
			t.Errorf("%s has no value", text)
		}
	}
}

func TestSecretsReachOnlyTheLoginsThatCanSeeThem(t *testing.T) {
	inv := sample()
	var got [][]string
	for _, s := range inv.Secrets {
		got = append(got, ids(inv.Readers(s)))
	}
	want := [][]string{
		{"login o/shop/.github/workflows/deploy.yml:12:3"}, // selected for it, whatever the case
		{"login o/web/.github/workflows/deploy.yml:12:3"},
		nil, // no job runs in that environment
		{"login x/web/action.yml:12:3"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := ids(inv.SecretsReadBy(inv.Logins[1])); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestAskingNeverPanics(t *testing.T) {
	inv := sample()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		for _, o := range append(inv.Find(text), inv.Near(text, 5)...) {
			inv.Value(o)
		}
	})
}
