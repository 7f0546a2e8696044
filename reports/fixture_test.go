package reports

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// golden compares with testdata/name, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run the test with -update to write it)", err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}

func at(day string) time.Time {
	v, err := time.Parse("2006-01-02", day)
	if err != nil {
		panic(err)
	}
	return v.Add(9*time.Hour + 30*time.Minute)
}

const (
	github    = "https://token.actions.githubusercontent.com"
	appDeploy = "6f1c2a52-5c0e-4d0f-9c52-1f1f0a7b0001"
	appInfra  = "6f1c2a52-5c0e-4d0f-9c52-1f1f0a7b0002"
)

// sample is an organisation in the middle of its migration, with something in every section of every report.
func sample() Input {
	inv := &inventory.Inventory{
		Version: 1, ScannedAt: at("2026-06-15"), Tool: "unsecret 1.2.3",
		Sources: []inventory.Source{
			{Kind: inventory.SourceAzureDevOps, Name: "contoso", URL: "https://dev.azure.com/contoso", ID: "0d0c"},
			{Kind: inventory.SourceGitHub, Name: "contoso"},
			{Kind: inventory.SourceEntra, Name: "72f988bf-0000-0000-0000-000000000000"},
		},
		Identities: sampleIdentities(), Connections: sampleConnections(), Repositories: sampleRepositories(), Logins: sampleLogins(),
		Secrets: []inventory.Secret{
			{Level: inventory.LevelOrganization, Owner: "contoso", Name: "AZURE_CREDENTIALS", CreatedAt: at("2023-01-02"), UpdatedAt: at("2024-11-05"), Visibility: "all"},
			{Level: inventory.LevelEnvironment, Owner: "contoso", Repository: "contoso/infra", Environment: "prod", Name: "ARM_CLIENT_SECRET", CreatedAt: at("2024-01-02"), UpdatedAt: at("2025-08-20")},
		},
		Variables: []inventory.Variable{{Level: inventory.LevelRepository, Owner: "contoso", Repository: "contoso/shop", Name: "AZURE_TENANT_ID", Value: "72f988bf-0000-0000-0000-000000000000"}},
		Mentions:  []inventory.Mention{{Repository: "contoso/shop", File: ".github/workflows/old.yml", Line: 4, Column: 3, Secret: "AZURE_CREDENTIALS", Text: "comment"}},
		Gaps: []inventory.Gap{
			{Source: inventory.SourceGitHub, Object: "repository contoso/legacy", File: ".github/workflows/ci.yml", Line: 17, Column: 3, Message: "not valid YAML: found a tab where indentation was expected", Next: "repair the file, then scan again"},
			{Source: inventory.SourceAzureDevOps, Object: "connection finance in contoso", Message: "it is visible but its data is not", Next: "give the scanning identity the role User on the connection"},
		},
	}
	findings := policy.Evaluate(inv, policy.Config{Exceptions: []policy.Exception{
		{Rule: "credential-long-lived", Reason: "the vendor rotates it; ticket SEC-118", Until: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)},
	}})
	return Input{Tool: "1.2.3", Inventory: inv, Findings: findings, Plan: samplePlan(), Progress: []UnitProgress{
		{Unit: "u-deploy", State: "pending", Detail: "the pull request contoso/shop#41 is not merged yet"},
		{Unit: "u-infra", State: "verified", Detail: "soak time", Until: at("2026-06-22")},
	}}
}

func sampleIdentities() []inventory.Identity {
	return []inventory.Identity{
		{
			TenantID: "72f988bf-0000-0000-0000-000000000000", AppID: appDeploy, ObjectID: "o1", DisplayName: "deploy-prod", RolesKnown: true,
			Credentials: []inventory.Credential{
				{KeyID: "k1", Type: inventory.CredentialPassword, On: "application", DisplayName: "pipelines", Start: at("2024-11-05"), End: at("2026-07-05")},
				{KeyID: "k2", Type: inventory.CredentialPassword, On: "application", Start: at("2023-01-02"), End: at("2025-01-02")},
			},
			FederatedCredentials: []inventory.FederatedCredential{{Name: "shop-pr", Issuer: github, Subject: "repo:contoso/shop:pull_request", Audience: "api://AzureADTokenExchange"}},
			SignIns:              inventory.SignInEvidence{Known: true, Since: at("2026-05-16"), SignIns: []inventory.SignIn{{ID: "s1", AppID: appDeploy, Time: at("2026-06-14"), CredentialType: "clientSecret", KeyID: "k1"}}},
			Roles:                []inventory.RoleAssignment{{ID: "r1", Role: "Owner", Scope: "/subscriptions/5a5a0000-0000-0000-0000-000000000001"}},
		},
		{
			TenantID: "72f988bf-0000-0000-0000-000000000000", AppID: appInfra, ObjectID: "o2", DisplayName: "infra-terraform",
			Credentials:          []inventory.Credential{{KeyID: "k3", Type: inventory.CredentialCertificate, On: "application", Start: at("2025-12-01"), End: at("2027-12-01")}},
			FederatedCredentials: []inventory.FederatedCredential{{Name: "infra", Issuer: github, Expression: "claims['sub'] matches 'repo:contoso/infra:ref:refs/heads/*'", Audience: "api://AzureADTokenExchange"}},
			SignIns:              inventory.SignInEvidence{Reason: "the tenant has no Microsoft Entra ID P1 licence"},
		},
	}
}

func sampleConnections() []inventory.Connection {
	projects := []inventory.ConnectionProject{{ID: "p1", Name: "Shop", As: "prod"}, {ID: "p2", Name: "Warehouse", As: "prod"}}
	return []inventory.Connection{
		{ID: "c1", Organization: "contoso", Name: "prod", Type: "azurerm", Scheme: inventory.SchemeServicePrincipal, AuthenticationType: "spnKey", CreationMode: "Automatic", AppID: appDeploy, Projects: projects, Shared: true, Ready: true, Readable: true, UsesKnown: true,
			Uses: []inventory.Execution{{Project: "Shop", PlanType: "Build", Definition: "deploy", Result: "succeeded", Finished: at("2026-06-14")}}},
		{ID: "c2", Organization: "contoso", Name: "old", Type: "azurerm", Scheme: inventory.SchemeServicePrincipal, AuthenticationType: "spnKey", CreationMode: "Manual", AppID: appInfra, Projects: projects[:1], Ready: true, Readable: true, UsesKnown: true, PipelinesKnown: true},
		{ID: "c3", Organization: "contoso", Name: "registry", Type: "dockerregistry", Scheme: "UsernamePassword", Projects: projects[:1], Ready: true, Readable: true},
		{ID: "c4", Organization: "contoso", Name: "staging", Type: "azurerm", Scheme: inventory.SchemeFederation, AppID: appInfra, Issuer: "https://vstoken.dev.azure.com/0d0c", Projects: projects[:1], Ready: true, Readable: true, UsesKnown: true, Uses: []inventory.Execution{{Project: "Shop", Definition: "stage", Finished: at("2026-06-01")}}},
		{ID: "c5", Organization: "contoso", Name: "finance", Type: "azurerm", Projects: projects[:1]},
	}
}

func sampleRepositories() []inventory.Repository {
	var out []inventory.Repository
	for i, name := range []inventory.RepositoryName{"contoso/infra", "contoso/legacy", "contoso/shop"} {
		out = append(out, inventory.Repository{Host: "github.com", Name: name, ID: int64(100 + i), NodeID: fmt.Sprintf("R_%d", i), OwnerID: 1, DefaultBranch: "main", HeadOID: "d0d0", Visibility: "private",
			OIDC: inventory.OIDC{Known: true, Issuer: github, UseDefault: true}, Environments: []string{"prod"}, Files: []inventory.File{{Path: ".github/workflows/deploy.yml", OID: "ab12", Size: 1200}}})
	}
	return out
}

func sampleLogins() []inventory.Login {
	deploy := inventory.Login{Repository: "contoso/shop", File: ".github/workflows/deploy.yml", Line: 21, Column: 11, EndLine: 21, EndColumn: 52, Kind: inventory.KindAzureLoginCreds, Job: "deploy", Jobs: []string{"deploy"}, Step: "Azure login",
		Secrets: []inventory.SecretUse{{Name: "AZURE_CREDENTIALS", Expression: "secrets.AZURE_CREDENTIALS", Role: "credentials"}}, Conversion: inventory.ConversionAutomatic, Reason: "azure/login takes the job's own token",
		Subjects: []inventory.JobSubjects{{Job: "deploy", Subjects: []string{"ref:refs/heads/main"}, Reasons: []string{"pushes to main"}}}}
	infra := deploy
	infra.Repository, infra.File, infra.Kind, infra.Job, infra.Step, infra.Reason = "contoso/infra", ".github/workflows/plan.yml", inventory.KindTerraformEnv, "plan", "", "Terraform's providers take the job's own token"
	site := deploy
	site.File, site.Line, site.EndLine, site.Kind, site.Conversion, site.Reason = ".github/workflows/site.yml", 30, 30, inventory.KindPublishProfile, inventory.ConversionManual, "the web app's own password"
	site.Manual = []string{"give the identity the role Website Contributor on the web app", "replace publish-profile by an azure/login step"}
	site.Secrets = []inventory.SecretUse{{Name: "AZURE_WEBAPP_PUBLISH_PROFILE", Expression: "secrets.AZURE_WEBAPP_PUBLISH_PROFILE", Role: "other"}}
	done := deploy
	done.File, done.Kind, done.Conversion, done.Secrets, done.Reason = ".github/workflows/new.yml", inventory.KindAzureLoginOIDC, inventory.ConversionNone, []inventory.SecretUse{}, "already without a secret"
	infra2 := infra
	infra2.Line, infra2.EndLine, infra2.Secrets = 40, 40, []inventory.SecretUse{{Name: "ARM_CLIENT_SECRET", Expression: "secrets.ARM_CLIENT_SECRET", Role: "clientSecret"}, deploy.Secrets[0]}
	list := []inventory.Login{infra, infra2, deploy, done, site}
	for i := range list {
		list[i].ID = inventory.NewLoginID(list[i].Repository, list[i].File, list[i].Line, list[i].Column)
	}
	return list
}

func samplePlan() *plan.Plan {
	store := inventory.StoreRef{Level: inventory.LevelOrganization, Owner: "contoso", Name: "AZURE_CREDENTIALS"}
	deploy := plan.Unit{
		ID: "u-deploy", Title: "deploy-prod", AppID: appDeploy, ObjectID: "o1", Wave: 1, Shared: true,
		Connections: []plan.ConnectionUse{{ID: "c1", Organization: "contoso", Project: "p1", ProjectName: "Shop", Name: "prod", Projects: []string{"Shop", "Warehouse"}}},
		Logins:      []plan.LoginUse{{ID: "contoso/shop/.github/workflows/deploy.yml:21:11", Repository: "contoso/shop", File: ".github/workflows/deploy.yml", Kind: inventory.KindAzureLoginCreds, Conversion: inventory.ConversionAutomatic, By: "mapping", Because: "the mapping names the secret"}},
		Secrets:     []inventory.StoreRef{store}, Workflows: []plan.WorkflowRef{{Repository: "contoso/shop", File: ".github/workflows/deploy.yml"}},
		Steps: []plan.Step{
			{ID: "s1", Kind: plan.StepFederatedCredential, Title: "trust repo:contoso/shop:ref:refs/heads/main", Class: plan.OnceOnly, Phase: plan.PhaseApply, Precondition: map[string]string{}, Undo: "delete the federated credential",
				FederatedCredential: &plan.FederatedCredentialStep{Application: "o1", Credential: inventory.FederatedCredential{Name: "unsecret-shop-main", Issuer: github, Subject: "repo:contoso/shop:ref:refs/heads/main", Audience: "api://AzureADTokenExchange"}}},
			{ID: "s2", Kind: plan.StepConnection, Title: "convert the connection prod", Class: plan.OnceOnly, Phase: plan.PhaseApply, DependsOn: []string{"s1"}, Precondition: map[string]string{"scheme": "ServicePrincipal"}, Undo: "convert it back, within seven days", Connection: &plan.ConnectionStep{Organization: "contoso", Project: "p1", ID: "c1", Name: "prod"}},
			{ID: "s3", Kind: plan.StepCredential, Title: "remove the password pipelines (k1)", Class: plan.Irreversible, Phase: plan.PhaseRevoke, DependsOn: []string{"s2"}, Precondition: map[string]string{}, Undo: "mint a new password and store it where the old one was", Credential: &plan.CredentialStep{Application: "o1", AppID: appDeploy, KeyID: "k1"}},
		},
		Coverage: []plan.Coverage{
			{Issuer: github, Subject: "repo:contoso/shop:ref:refs/heads/main", For: []string{"contoso/shop/.github/workflows/deploy.yml:21:11"}, By: "unsecret-shop-main", State: plan.CoveragePlanned},
			{Issuer: "https://login.microsoftonline.com/t/v2.0", Subject: "/eid1/c/pub/t/x/a/y/sc/0d0c/c1", For: []string{"c1"}, State: plan.CoverageService},
		},
		Notes: []plan.Reason{{Code: "trust-risk", Object: "deploy-prod", Message: "whoever may push to main can sign in as this identity"}},
	}
	infra := plan.Unit{
		ID: "u-infra", Title: "infra-terraform", AppID: appInfra, ObjectID: "o2", Wave: 2, Steps: []plan.Step{deploy.Steps[0]}, Secrets: []inventory.StoreRef{},
		Connections: []plan.ConnectionUse{}, Logins: []plan.LoginUse{}, Workflows: []plan.WorkflowRef{}, Coverage: []plan.Coverage{{Issuer: github, Subject: "repo:contoso/infra:ref:refs/heads/*", Pattern: true, For: []string{}, State: plan.CoverageMissing}},
		Withheld: []plan.Reason{{Code: "certificate", Object: "k3", Message: "certificates are not removed by this program", Next: []string{"remove it in the portal when nothing signs in with it"}}},
	}
	unknown := plan.Unit{
		ID: "u-unknown", Title: "unknown identity of ARM_CLIENT_SECRET (environment prod of contoso/infra)", Wave: 1, Steps: []plan.Step{}, Coverage: []plan.Coverage{},
		Connections: []plan.ConnectionUse{}, Logins: []plan.LoginUse{}, Workflows: []plan.WorkflowRef{}, Secrets: []inventory.StoreRef{{Level: inventory.LevelEnvironment, Repository: "contoso/infra", Environment: "prod", Name: "ARM_CLIENT_SECRET"}},
		Blockers: []plan.Reason{{Code: "no-mapping", Object: "ARM_CLIENT_SECRET", Message: "nobody can read which identity the secret is of", Next: []string{"name it under mapping in unsecret.yaml", "plan again"}}},
	}
	return &plan.Plan{
		Version: 1, Inventory: "abc", Config: "def", Units: []plan.Unit{deploy, infra, unknown},
		Left: []plan.Left{
			{Object: "login site.yml:30", Place: "contoso/shop", Code: "manual", Reason: "the web app's own password is no service principal's secret", Next: []string{"give the identity the role Website Contributor on the web app", "replace publish-profile by an azure/login step"}},
			{Object: "connection staging", Place: "contoso/Shop", Code: "already", Reason: "it uses workload identity federation already"},
		},
		Summary: plan.Summary{Units: 3, Ready: 2, Blocked: 1, Withheld: 1, FederatedCredentials: 2, Connections: 1, PullRequests: 1, Logins: 2, Credentials: 1, Left: 2},
	}
}

// many is a scan with n findings, spread over repositories and files.
func many(n int) Input {
	in := sample()
	in.Plan, in.Progress = nil, nil
	inv := *in.Inventory
	inv.Logins = nil
	for i := range n {
		l := sampleLogins()[2]
		l.Repository = inventory.RepositoryName(fmt.Sprintf("contoso/service-%04d", i/10))
		l.Line, l.EndLine = 10+i%10*7, 10+i%10*7
		l.ID = inventory.NewLoginID(l.Repository, l.File, l.Line, l.Column)
		inv.Logins = append(inv.Logins, l)
	}
	in.Inventory, in.Findings = &inv, policy.Evaluate(&inv, policy.Config{})
	return in
}

// poison puts a text into every string of the input that comes from outside: all but what the program itself sets.
func poison(in Input, text string) Input {
	return poisonWith(in, func(n int) string { return text + fmt.Sprint(n) })
}

func poisonWith(in Input, text func(n int) string) Input {
	n := 0
	poisonValue(reflect.ValueOf(&in).Elem(), func() string { n++; return text(n) })
	return in
}

// ours are the types of strings whose values this program sets and never takes from outside.
var ours = map[reflect.Type]bool{
	reflect.TypeFor[policy.Severity](): true, reflect.TypeFor[inventory.SourceKind](): true, reflect.TypeFor[inventory.Kind](): true, reflect.TypeFor[inventory.Conversion](): true,
	reflect.TypeFor[inventory.CredentialType](): true, reflect.TypeFor[inventory.SecretLevel](): true, reflect.TypeFor[plan.StepKind](): true, reflect.TypeFor[plan.Phase](): true, reflect.TypeFor[plan.Class](): true,
	reflect.TypeFor[time.Time](): true,
}

func poisonValue(v reflect.Value, next func() string) {
	if ours[v.Type()] {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(next())
	case reflect.Pointer:
		if !v.IsNil() {
			poisonValue(v.Elem(), next)
		}
	case reflect.Slice:
		for i := range v.Len() {
			poisonValue(v.Index(i), next)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			v.SetMapIndex(k, reflect.ValueOf(next()).Convert(v.Type().Elem()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if v.Type() == reflect.TypeFor[policy.Finding]() && (name == "Rule" || name == "Fingerprint") {
				continue
			}
			if v.Type() == reflect.TypeFor[plan.Coverage]() && name == "State" || v.Type() == reflect.TypeFor[UnitProgress]() && name == "Unit" {
				continue
			}
			poisonValue(v.Field(i), next)
		}
	}
}

func render(t testing.TB, format string, in Input) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := formats[format](&b, in); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
