package explain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/explain"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

const (
	app    = inventory.AppID("a0000000-0000-0000-0000-00000000000a")
	tenant = inventory.TenantID("7f4f3591-5f6c-4f7b-a1bd-0a2dd8831218")
	conn   = inventory.ConnectionID("c0000000-0000-0000-0000-000000000001")
	key    = inventory.KeyID("d0000000-0000-0000-0000-000000000001")
)

var scanned = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// world is one application that a connection and a workflow sign in as.
func world() *inventory.Inventory {
	const file = ".github/workflows/deploy.yml"
	return &inventory.Inventory{Version: inventory.Version, ScannedAt: scanned,
		Sources: []inventory.Source{{Kind: inventory.SourceAzureDevOps, Name: "contoso", ID: "e08e523c-54da-4401-8fb6-e1439b52cc97"}},
		Identities: []inventory.Identity{{TenantID: tenant, AppID: app, ObjectID: "0bject", DisplayName: "Shop", SignInAudience: "AzureADMyOrg",
			Credentials: []inventory.Credential{{KeyID: key, Type: inventory.CredentialPassword, On: inventory.OnApplication, Start: scanned.AddDate(-1, 0, 0), End: scanned.AddDate(1, 0, 0)}},
			SignIns:     inventory.SignInEvidence{Reason: "no licence"}}},
		Connections: []inventory.Connection{{ID: conn, Organization: "contoso", Name: "production", Type: "azurerm", Scheme: inventory.SchemeServicePrincipal,
			AuthenticationType: "spnKey", CreationMode: "Manual", Cloud: "AzureCloud", TenantID: tenant, AppID: app, Readable: true, Ready: true,
			Projects: []inventory.ConnectionProject{{ID: "p1", Name: "Shop", As: "production"}}}},
		Repositories: []inventory.Repository{{Host: "github.com", Name: "o/shop", ID: 20, OwnerID: 10, DefaultBranch: "main", HeadOID: "head",
			OIDC: inventory.OIDC{Known: true, UseDefault: true}, Files: []inventory.File{{Path: file, OID: "oid"}}}},
		Secrets: []inventory.Secret{{Level: inventory.LevelRepository, Owner: "o", Repository: "o/shop", Name: "AZURE_CREDENTIALS"}},
		Logins: []inventory.Login{{ID: inventory.NewLoginID("o/shop", file, 10, 9), Repository: "o/shop", File: file, Line: 10, Column: 9, Kind: inventory.KindAzureLoginCreds,
			Job: "deploy", Jobs: []string{"deploy"}, Conversion: inventory.ConversionAutomatic, Reason: "azure/login with creds",
			Identity: inventory.IdentityHint{SubscriptionID: "50000000-0000-0000-0000-000000000001"},
			Secrets:  []inventory.SecretUse{{Name: "AZURE_CREDENTIALS", Expression: "secrets.AZURE_CREDENTIALS", Role: "credentials"}},
			Subjects: []inventory.JobSubjects{{File: file, Job: "deploy", Subjects: []string{"ref:refs/heads/main"}}}}},
	}
}

func mapped() plan.Config {
	return plan.Config{Mapping: []plan.Mapping{{Repository: "o/shop", Secret: "AZURE_CREDENTIALS", AppID: app, TenantID: tenant, SubscriptionID: "50000000-0000-0000-0000-000000000001"}}}
}

func input(t *testing.T, inv *inventory.Inventory, c plan.Config) explain.Input {
	t.Helper()
	p, err := plan.New(inv, c)
	if err != nil {
		t.Fatal(err)
	}
	return explain.Input{Inventory: inv, Findings: policy.Evaluate(inv, policy.Config{}), Plan: p, States: map[string]string{}}
}

func find(t *testing.T, in explain.Input, text string) inventory.Object {
	t.Helper()
	found := in.Find(text)
	if len(found) != 1 {
		t.Fatalf("%q: %v", text, found)
	}
	return found[0]
}

// related lists the names of an object's relations with the ids of what they lead to.
func related(v explain.View) string {
	var b strings.Builder
	for _, r := range v.Related {
		b.WriteString(r.Name + ":")
		for _, o := range r.Objects {
			b.WriteString(" " + o.ID)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestEveryObjectLeadsToTheOthersAroundIt(t *testing.T) {
	in := input(t, world(), mapped())
	login, secret := "o/shop/.github/workflows/deploy.yml:10:9", "o/shop/AZURE_CREDENTIALS"
	for text, want := range map[string][]string{
		"production":        {"signs in as: " + string(app)},
		"Shop":              {"credentials: " + string(key), "connections: " + string(conn), "logins: " + login, "secrets: " + secret},
		string(key):         {"of: " + string(app), "connections: " + string(conn), "logins: " + login},
		login:               {"signs in as: " + string(app), "reads: " + secret},
		secret:              {"identity: " + string(app), "read by: " + login},
		in.Plan.Units[0].ID: {"connections: " + string(conn)},
	} {
		v := explain.Show(in, find(t, in, text))
		for _, w := range want {
			if !strings.Contains(related(v), w) {
				t.Errorf("%s: no %q in\n%s", text, w, related(v))
			}
		}
		if len(v.Units) != 1 || v.Units[0].Blocked {
			t.Errorf("%s: units %+v", text, v.Units)
		}
		if v.LastUse.Text == "" || v.LastUse.Known {
			t.Errorf("%s: last use %+v", text, v.LastUse)
		}
	}
}

func TestWhySaysTheRuleTheEvidenceTheProofAndTheSteps(t *testing.T) {
	in := input(t, world(), mapped())
	e := explain.Why(in, find(t, in, "production"))
	if !strings.Contains(e.Classified.Claim, "a person made the application") || len(e.Linked) != 1 || len(e.Coverage) != 1 || len(e.Planned) != 2 {
		t.Errorf("%+v", e)
	}
	e = explain.Why(in, find(t, in, "o/shop/deploy.yml:10"))
	if len(e.Linked) != 1 || !strings.Contains(strings.Join(e.Linked[0].Because, " "), "mapping[0]") || len(e.Coverage) != 1 || e.Coverage[0].State != plan.CoveragePlanned {
		t.Errorf("%+v", e)
	}
	e = explain.Why(in, find(t, in, string(key)))
	if len(e.Planned) != 1 || !e.Planned[0].Irreversible {
		t.Errorf("%+v", e.Planned)
	}
}

func TestWhySaysWhatWouldChangeABlock(t *testing.T) {
	in := input(t, world(), plan.Config{})
	e := explain.Why(in, find(t, in, "o/shop/AZURE_CREDENTIALS"))
	if len(e.Reasons) == 0 || e.Reasons[0].Kind != explain.ReasonBlocker || e.Reasons[0].Code != "no-mapping" || len(e.Reasons[0].Next) == 0 {
		t.Errorf("%+v", e.Reasons)
	}
	inv := world()
	inv.Connections[0].Shared, inv.Connections[0].Projects = true, append(inv.Connections[0].Projects, inventory.ConnectionProject{ID: "p2", Name: "Web"})
	in = input(t, inv, mapped())
	e = explain.Why(in, find(t, in, "production"))
	codes := map[string]bool{}
	for _, r := range e.Reasons {
		codes[r.Kind+" "+r.Code] = true
	}
	if !codes["left shared-connection"] || len(codes) != 1 || !e.Units[0].Withheld {
		t.Errorf("%+v", e.Reasons)
	}
}

func TestWhySaysThatNoRollbackWouldBePossible(t *testing.T) {
	inv := world()
	inv.Identities[0].NewPasswords = inventory.NewPasswords{Known: true, Forbidden: true, Policy: "P"}
	in := input(t, inv, mapped())
	e := explain.Why(in, find(t, in, string(key)))
	if len(e.Planned) != 1 || len(e.Reasons) == 0 || e.Reasons[0].Code != "no-rollback" || !strings.Contains(strings.Join(e.Reasons[0].Next, " "), "--accept-no-rollback") {
		t.Errorf("%+v", e)
	}
	if v := explain.Show(in, find(t, in, "Shop")); !strings.Contains(explain.NewPasswordsText(inv.Identities[0].NewPasswords), "forbidden by P") || len(v.Facts) == 0 {
		t.Errorf("%+v", v.Facts)
	}
}

func TestAnUnusedIdentityIsNotInThePlanAndSaysSo(t *testing.T) {
	inv := world()
	inv.Identities = append(inv.Identities, inventory.Identity{TenantID: tenant, AppID: "b0000000-0000-0000-0000-00000000000b", DisplayName: "Other"})
	in := input(t, inv, mapped())
	e := explain.Why(in, find(t, in, "Other"))
	if len(e.Reasons) != 1 || e.Reasons[0].Code != "not-in-the-plan" || len(e.Reasons[0].Next) == 0 {
		t.Errorf("%+v", e.Reasons)
	}
}

func TestACredentialThatSomethingLeftAloneNeedsIsNeverSaidToBeFreeToDelete(t *testing.T) {
	inv := world()
	inv.Logins, inv.Secrets = nil, nil
	inv.Connections[0].Type, inv.Connections[0].LoginServer = "dockerregistry", "contoso.azurecr.io"
	in := input(t, inv, plan.Config{})
	for _, object := range []string{string(key), string(app)} {
		e := explain.Why(in, find(t, in, object))
		if len(e.Reasons) != 1 || e.Reasons[0].Code != "registry" || !strings.Contains(e.Reasons[0].Message, "connection production (contoso/Shop) signs in with one of its credentials, and is left alone: ") {
			t.Errorf("%s: %+v", object, e.Reasons)
		}
		if next := strings.Join(e.Reasons[0].Next, "\n"); !strings.Contains(next, "connections.registry: recreate") || strings.Contains(next, "credential delete") {
			t.Errorf("%s: %s", object, next)
		}
	}
	inv.Connections = nil
	inv.PipelineSecrets = []inventory.PipelineSecret{{PipelinePlace: inventory.PipelinePlace{Organization: "contoso", Project: "Shop", Pipeline: "common"}, Kind: inventory.PipelineSecretGroup, Name: "ARM_CLIENT_SECRET", AppID: app}}
	in = input(t, inv, plan.Config{})
	e := explain.Why(in, find(t, in, string(key)))
	if len(e.Reasons) != 1 || !strings.Contains(e.Reasons[0].Message, "contoso/Shop/common/ARM_CLIENT_SECRET holds one of its credentials") || strings.Contains(strings.Join(e.Reasons[0].Next, " "), "credential delete") {
		t.Errorf("%+v", e.Reasons)
	}
}

func TestWhatCouldNotBeReadMayNeedACredentialThatNothingElseUses(t *testing.T) {
	inv := world()
	inv.Logins, inv.Secrets = nil, nil
	inv.Connections = []inventory.Connection{{ID: conn, Organization: "contoso", Name: "hidden"}}
	in := input(t, inv, plan.Config{})
	for _, object := range []string{string(key), string(app)} {
		if e := explain.Why(in, find(t, in, object)); len(e.Reasons) != 1 || !strings.HasPrefix(e.Reasons[0].Next[0], "1 service connection could not be read, and may sign in with one of its credentials") {
			t.Errorf("%s: %+v", object, e.Reasons)
		}
	}
}

func TestWhyOfAConnectionHasItsNotesAndThePullRequestThatItsConversionWaitsFor(t *testing.T) {
	in := input(t, world(), mapped())
	u := &in.Plan.Units[0]
	u.Notes = []plan.Reason{{Code: "certificate-connection", Object: "connection production (contoso/Shop)", Message: "about it"}, {Code: "certificate-connection", Object: "connection other (contoso/Shop)", Message: "about another one"}}
	u.Steps = append(u.Steps, plan.Step{ID: "pull-request/x", Kind: plan.StepPullRequest, Title: "open a pull request", Phase: plan.PhaseApply,
		PullRequest: &plan.PullRequestStep{Logins: []plan.PlannedLogin{{Pipeline: &plan.PipelineStep{Connections: []inventory.ConnectionID{conn}}}}}})
	e := explain.Why(in, find(t, in, "production"))
	var notes, steps []string
	for _, r := range e.Reasons {
		notes = append(notes, r.Kind+" "+r.Message)
	}
	for _, p := range e.Planned {
		steps = append(steps, p.Step+" "+p.Phase)
	}
	if strings.Join(notes, "; ") != "note about it" || !strings.Contains(strings.Join(steps, "; "), "pull-request/x apply") {
		t.Errorf("%v, %v", notes, steps)
	}
}

func TestEachKindOfPipelineSecretHasItsWords(t *testing.T) {
	seen := map[string]bool{"": true}
	for _, kind := range []string{inventory.PipelineSecretVariable, inventory.PipelineSecretGroup, inventory.PipelineSecretVault, inventory.PipelineSecretSecureFile, inventory.PipelineSecretScript} {
		inv := world()
		inv.PipelineSecrets = []inventory.PipelineSecret{{PipelinePlace: inventory.PipelinePlace{Organization: "contoso", Project: "Shop", Pipeline: "x"}, Kind: kind, Name: "NAME", Reason: "because"}}
		in := input(t, inv, plan.Config{})
		claim := explain.Why(in, find(t, in, "contoso/Shop/x/NAME")).Classified.Claim
		if seen[claim] {
			t.Errorf("%s: %q", kind, claim)
		}
		seen[claim] = true
	}
}

func TestASecretThatIsReadIsNeverSaidToBeFreeToDelete(t *testing.T) {
	inv := world()
	inv.Logins[0].Kind, inv.Logins[0].Conversion, inv.Logins[0].Reason = inventory.KindPublishProfile, inventory.ConversionManual, "it needs a role"
	in := input(t, inv, plan.Config{})
	e := explain.Why(in, find(t, in, "o/shop/AZURE_CREDENTIALS"))
	if len(e.Reasons) != 1 || !strings.Contains(e.Reasons[0].Message, "may need it") || strings.Contains(strings.Join(e.Reasons[0].Next, " "), "delete") {
		t.Errorf("%+v", e.Reasons)
	}
	inv.Logins = nil
	inv.Gaps = []inventory.Gap{{Source: inventory.SourceGitHub, Object: "o/other", Message: "HTTP 500"}}
	in = input(t, inv, plan.Config{})
	e = explain.Why(in, find(t, in, "o/shop/AZURE_CREDENTIALS"))
	if len(e.Reasons) != 1 || !strings.Contains(e.Reasons[0].Next[0], "could not be read") {
		t.Errorf("%+v", e.Reasons)
	}
}

func TestEveryKindOfConnectionIsClassified(t *testing.T) {
	base := world().Connections[0]
	for want, change := range map[string]func(*inventory.Connection){
		"adds the federated credential itself": func(c *inventory.Connection) { c.CreationMode = "Automatic" },
		"a person made the application":        func(c *inventory.Connection) { c.CreationMode = "" },
		"a certificate of a service principal": func(c *inventory.Connection) { c.AuthenticationType = "spnCertificate" },
		"data is not readable":                 func(c *inventory.Connection) { c.Readable = false },
		"the old issuer": func(c *inventory.Connection) {
			c.Scheme, c.Issuer = inventory.SchemeFederation, "https://vstoken.dev.azure.com/e08e523c-54da-4401-8fb6-e1439b52cc97"
		},
		"without a secret (workload identity federation)": func(c *inventory.Connection) {
			c.Scheme, c.Issuer = inventory.SchemeFederation, "https://login.microsoftonline.com/t/v2.0"
		},
		"managed identity of its agent":             func(c *inventory.Connection) { c.Scheme = inventory.SchemeManagedIdentity },
		"publish profile":                           func(c *inventory.Connection) { c.Scheme = inventory.SchemePublishProfile },
		"are not converted by this program":         func(c *inventory.Connection) { c.Type = "vendor.deploy" },
		"connections.registry: convert":             func(c *inventory.Connection) { c.Type = "dockerregistry" },
		"a credential that is no service principal": func(c *inventory.Connection) { c.Type, c.Scheme = "sonarqube", "UsernamePassword" },
		"it can be a service principal's":           func(c *inventory.Connection) { c.Type, c.Scheme = "generic", "UsernamePassword" },
		"an Azure registry's admin user": func(c *inventory.Connection) {
			c.Type, c.Scheme, c.Variant = "dockerregistry", "UsernamePassword", "ACR"
		},
		"it stores no secret":                      func(c *inventory.Connection) { c.Type, c.Scheme = "AzureServiceBus", "None" },
		"so it may store a credential of any kind": func(c *inventory.Connection) { c.Type, c.Scheme = "vendor.deploy", "MadeUp" },
	} {
		c := base
		change(&c)
		if s := explain.ClassifyConnection(c); !strings.Contains(s.Claim, want) || len(s.Because) == 0 || s.Source == "" {
			t.Errorf("%s: %+v", want, s)
		}
	}
}

func TestEveryClassOfConnectionHasItsWords(t *testing.T) {
	seen := map[string]inventory.ConnectionClass{}
	for _, class := range inventory.Classes() {
		claim, source := explain.Claim(class)
		if claim == "" || source == "" {
			t.Errorf("%s has no words or no source", class)
		}
		if other, ok := seen[claim]; ok {
			t.Errorf("%s and %s are told by the same words", class, other)
		}
		seen[claim] = class
		if !class.StoresSecret() && (strings.Contains(claim, "stores a") || strings.Contains(claim, "may store")) {
			t.Errorf("%s stores nothing, and is told as %q", class, claim)
		}
	}
}

func TestWhySaysSomethingOfACredentialWhoseUnitTakesNoSecretAway(t *testing.T) {
	inv := world()
	c := &inv.Connections[0]
	c.Scheme, c.Issuer, c.Subject = inventory.SchemeFederation, "https://vstoken.dev.azure.com/e08e523c-54da-4401-8fb6-e1439b52cc97", "sc://contoso/Shop/production"
	inv.Logins = nil
	in := input(t, inv, plan.Config{})
	e := explain.Why(in, find(t, in, string(key)))
	if len(e.Units) != 1 || len(e.Reasons) != 1 || !strings.Contains(strings.Join(e.Reasons[0].Next, " "), "--key-id "+string(key)) {
		t.Errorf("%+v", e)
	}
	inv.Identities[0].Credentials[0].Type = inventory.CredentialCertificate
	e = explain.Why(in, find(t, in, string(key)))
	if len(e.Reasons) != 1 || !strings.HasSuffix(e.Reasons[0].Next[len(e.Reasons[0].Next)-1], "--cert") {
		t.Errorf("%+v", e)
	}
}

func TestACredentialThatMayHaveBeenUsedIsNotSaidToBeUnused(t *testing.T) {
	inv := world()
	inv.Identities[0].SignIns = inventory.SignInEvidence{Known: true, Since: scanned.AddDate(0, -1, 0), SignIns: []inventory.SignIn{{CredentialType: "clientSecret", Time: scanned}}}
	in := input(t, inv, mapped())
	if use := explain.Show(in, find(t, in, string(key))).LastUse; use.Known || !strings.Contains(use.Text, "not with which") {
		t.Errorf("%+v", use)
	}
	inv.Identities[0].SignIns.SignIns = nil
	if use := explain.Show(in, find(t, in, string(key))).LastUse; !use.Known || !strings.Contains(use.Text, "no sign-in since") {
		t.Errorf("%+v", use)
	}
}

func TestEveryObjectCanBeExplained(t *testing.T) {
	inv := world()
	inv.Identities[0].FederatedCredentials = []inventory.FederatedCredential{
		{ID: "f1", Name: "main", Issuer: "https://token.actions.githubusercontent.com", Subject: "repo:o/shop:ref:refs/heads/main", Audience: "api://AzureADTokenExchange"},
		{ID: "f2", Name: "any", Issuer: "https://token.actions.githubusercontent.com", Expression: "claims['sub'] matches 'repo:o/shop:*'"}}
	for _, in := range []explain.Input{input(t, inv, mapped()), input(t, inv, plan.Config{}), {Inventory: inv}} {
		for _, text := range []string{"production", string(app), string(key), "f1", "f2", string(inv.Logins[0].ID), "o/shop/AZURE_CREDENTIALS"} {
			o := find(t, in, text)
			e, v := explain.Why(in, o), explain.Show(in, o)
			if e.Classified.Claim == "" || len(e.Classified.Because) == 0 || e.Classified.Source == "" || len(v.Facts) == 0 || v.Value == nil {
				t.Errorf("%s: %+v", text, e.Classified)
			}
		}
	}
}

func TestWhatBlocksTwoConnectionsOfAUnitIsSaidOfBoth(t *testing.T) {
	inv := world()
	inv.Logins, inv.Secrets = nil, nil
	second := inv.Connections[0]
	second.ID, second.Name, second.Projects = "c0000000-0000-0000-0000-000000000002", "staging", []inventory.ConnectionProject{{ID: "p1", Name: "Shop", As: "staging"}}
	inv.Connections = append(inv.Connections, second)
	for i := range inv.Connections {
		inv.Connections[i].Disabled = true
	}
	in := input(t, inv, plan.Config{})
	var objects []string
	for _, r := range explain.Why(in, find(t, in, "Shop")).Reasons {
		objects = append(objects, r.Text())
	}
	for _, name := range []string{"production", "staging"} {
		if !strings.Contains(strings.Join(objects, "\n"), "connection "+name+" (contoso/Shop): it is disabled") {
			t.Errorf("%s is not named: %q", name, objects)
		}
	}
	for _, name := range []string{"production", "staging"} {
		own := 0
		for _, r := range explain.Why(in, find(t, in, name)).Reasons {
			if r.Kind != explain.ReasonLeft && r.Object == "connection "+name+" (contoso/Shop)" {
				own++
			}
		}
		if own > 0 {
			t.Errorf("%s: its own reason is said twice", name)
		}
	}
}

func TestAConnectionThatWasMadeInPlaceOfAnotherSaysOfWhich(t *testing.T) {
	inv := world()
	made := inv.Connections[0]
	made.ID, made.Name, made.Scheme, made.Replaces = "c0000000-0000-0000-0000-000000000002", "production-wif", inventory.SchemeFederation, conn
	inv.Connections = append(inv.Connections, made)
	in := input(t, inv, mapped())
	inv.Connections[1].AppID = "b0000000-0000-0000-0000-00000000000b"
	inv.ManagedIdentities = []inventory.ManagedIdentity{{Name: "id-shop", ClientID: "B0000000-0000-0000-0000-00000000000B"}}
	if e := explain.Why(in, find(t, in, "production-wif")); len(e.Linked) != 2 || !strings.Contains(e.Linked[1].Claim, "it signs in as managed identity id-shop") || !strings.Contains(e.Linked[0].Claim, "in place of connection production (contoso/Shop), id "+string(conn)) {
		t.Errorf("%+v", e.Linked)
	}
}
