package plan

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	tenant = inventory.TenantID("7f4f3591-5f6c-4f7b-a1bd-0a2dd8831218")
	sub    = inventory.SubscriptionID("50000000-0000-0000-0000-000000000001")
	appA   = inventory.AppID("a0000000-0000-0000-0000-00000000000a")
	appB   = inventory.AppID("b0000000-0000-0000-0000-00000000000b")
	conn1  = inventory.ConnectionID("c0000000-0000-0000-0000-000000000001")
	conn2  = inventory.ConnectionID("c0000000-0000-0000-0000-000000000002")
)

// identity is an application with one password and one role.
func identity(app inventory.AppID, name string) inventory.Identity {
	return inventory.Identity{TenantID: tenant, AppID: app, ObjectID: inventory.ObjectID("0" + app[1:]), DisplayName: name, SignInAudience: "AzureADMyOrg",
		Credentials: []inventory.Credential{{KeyID: inventory.KeyID("key-of-" + name), Type: inventory.CredentialPassword, On: "application", DisplayName: "pipeline"}},
		Roles:       []inventory.RoleAssignment{{ID: "r", Role: "Contributor", Scope: "/subscriptions/" + string(sub)}}, RolesKnown: true}
}

func azurerm(id inventory.ConnectionID, name string, app inventory.AppID) inventory.Connection {
	return inventory.Connection{ID: id, Organization: "contoso", Name: name, Type: "azurerm", Scheme: inventory.SchemeServicePrincipal, AuthenticationType: "spnKey",
		CreationMode: "Manual", Cloud: "AzureCloud", TenantID: tenant, AppID: app, SubscriptionID: sub, Readable: true, Ready: true,
		Projects: []inventory.ConnectionProject{{ID: "p1", Name: "Shop", As: name}}}
}

func repository(name inventory.RepositoryName, files ...string) inventory.Repository {
	r := inventory.Repository{Host: "github.com", Name: name, ID: 20, OwnerID: 10, DefaultBranch: "main", HeadOID: "head", Visibility: "private",
		DefaultPermissions: "read", OIDC: inventory.OIDC{Known: true, UseDefault: true}}
	for i, f := range files {
		r.Files = append(r.Files, inventory.File{Path: ".github/workflows/" + f, OID: fmt.Sprintf("oid%d", i), Size: 100})
	}
	return r
}

func login(repo inventory.RepositoryName, file, secret string, contexts ...string) inventory.Login {
	path := ".github/workflows/" + file
	l := inventory.Login{ID: inventory.NewLoginID(repo, path, 10, 9), Repository: repo, File: path, Line: 10, Column: 9, Kind: inventory.KindAzureLoginCreds,
		Job: "deploy", Jobs: []string{"deploy"}, Step: "#2", Conversion: inventory.ConversionAutomatic, Reason: "azure/login with creds",
		Secrets: []inventory.SecretUse{{Name: secret, Expression: "secrets." + secret, Role: roleCredentials}}}
	s := inventory.JobSubjects{File: path, Job: "deploy"}
	for _, c := range contexts {
		if strings.ContainsAny(c, "*?") {
			s.Patterns, s.Unbounded = append(s.Patterns, c), true
		} else {
			s.Subjects = append(s.Subjects, c)
		}
	}
	l.Subjects = []inventory.JobSubjects{s}
	return l
}

func secret(repo inventory.RepositoryName, environment, name string) inventory.Secret {
	s := inventory.Secret{Level: inventory.LevelRepository, Owner: "o", Repository: repo, Name: name, UpdatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	if environment != "" {
		s.Level, s.Environment = inventory.LevelEnvironment, environment
	}
	return s
}

func variable(repo inventory.RepositoryName, environment, name, value string) inventory.Variable {
	v := inventory.Variable{Level: inventory.LevelRepository, Owner: "o", Repository: repo, Name: name, Value: value}
	if environment != "" {
		v.Level, v.Environment = inventory.LevelEnvironment, environment
	}
	return v
}

func mapRepo(repo inventory.RepositoryName, name string, app inventory.AppID) Mapping {
	return Mapping{Repository: repo, Secret: name, AppID: app, TenantID: tenant, SubscriptionID: sub}
}

// base is an organisation with one application that one connection and one repository use.
func base() (*inventory.Inventory, Config) {
	return &inventory.Inventory{Version: inventory.Version,
		Sources:      []inventory.Source{{Kind: inventory.SourceAzureDevOps, Name: "contoso", ID: "e08e523c-54da-4401-8fb6-e1439b52cc97"}},
		Identities:   []inventory.Identity{identity(appA, "Shop")},
		Connections:  []inventory.Connection{azurerm(conn1, "production", appA)},
		Repositories: []inventory.Repository{repository("o/shop", "deploy.yml")},
		Secrets:      []inventory.Secret{secret("o/shop", "", "AZURE_CREDENTIALS")},
		Logins:       []inventory.Login{login("o/shop", "deploy.yml", "AZURE_CREDENTIALS", "ref:refs/heads/main")},
	}, Config{Mapping: []Mapping{mapRepo("o/shop", "AZURE_CREDENTIALS", appA)}}
}

type edit func(inv *inventory.Inventory, c *Config)

var cases = map[string]edit{
	"all-is-well": func(*inventory.Inventory, *Config) {},

	// Linking.
	"link-by-literal": func(inv *inventory.Inventory, c *Config) {
		c.Mapping = nil
		inv.Logins[0].Identity = inventory.IdentityHint{ClientID: strings.ToUpper(string(appA)), TenantID: string(tenant)}
	},
	"link-by-variable-of-the-environment": func(inv *inventory.Inventory, c *Config) {
		c.Mapping = nil
		inv.Logins[0] = login("o/shop", "deploy.yml", "AZURE_CREDENTIALS", "environment:prod")
		inv.Logins[0].Identity = inventory.IdentityHint{ClientID: "vars.CLIENT"}
		inv.Variables = []inventory.Variable{variable("o/shop", "", "CLIENT", string(appB)), variable("o/shop", "prod", "CLIENT", string(appA))}
	},
	"link-by-variable-beside": func(inv *inventory.Inventory, c *Config) {
		c.Mapping = nil
		inv.Variables = []inventory.Variable{variable("o/shop", "", "AZURE_CLIENT_ID", string(appA))}
	},
	"link-by-federated-credential": func(inv *inventory.Inventory, c *Config) {
		c.Mapping = nil
		inv.Identities[0].FederatedCredentials = []inventory.FederatedCredential{{ID: "f", Name: "main", Issuer: "https://token.actions.githubusercontent.com",
			Subject: "repo:o/shop:ref:refs/heads/main", Audience: "api://AzureADTokenExchange"}}
	},
	"link-ambiguous-federated-credentials": func(inv *inventory.Inventory, c *Config) {
		c.Mapping = nil
		inv.Identities = append(inv.Identities, identity(appB, "Tools"))
		for i := range inv.Identities {
			inv.Identities[i].FederatedCredentials = []inventory.FederatedCredential{{ID: "f", Name: "main", Issuer: "https://token.actions.githubusercontent.com",
				Subject: "repo:o/shop:pull_request", Audience: "api://AzureADTokenExchange"}}
		}
	},
	"link-mapping-against-literal": func(inv *inventory.Inventory, _ *Config) {
		inv.Identities = append(inv.Identities, identity(appB, "Tools"))
		inv.Logins[0].Identity.ClientID = string(appB)
	},
	"link-none":             func(_ *inventory.Inventory, c *Config) { c.Mapping = nil },
	"link-app-not-found":    func(inv *inventory.Inventory, _ *Config) { inv.Identities = nil },
	"link-not-in-the-store": func(inv *inventory.Inventory, _ *Config) { inv.Secrets = nil },
	"link-organisation-secret": func(inv *inventory.Inventory, c *Config) {
		inv.Secrets = []inventory.Secret{{Level: inventory.LevelOrganization, Owner: "o", Name: "AZURE_CREDENTIALS", Visibility: "selected", SelectedRepositories: []inventory.RepositoryName{"o/shop", "o/web"}}}
		inv.Repositories = append(inv.Repositories, repository("o/web", "deploy.yml"))
		inv.Logins = append(inv.Logins, login("o/web", "deploy.yml", "AZURE_CREDENTIALS", "pull_request"))
		c.Mapping = []Mapping{{Organization: "o", Secret: "AZURE_CREDENTIALS", AppID: appA, SubscriptionID: sub}}
	},

	// One secret, several uses.
	"dependabot-has-a-copy": func(inv *inventory.Inventory, _ *Config) {
		s := secret("o/shop", "", "AZURE_CREDENTIALS")
		s.Level = inventory.LevelDependabot
		inv.Secrets = append(inv.Secrets, s)
	},
	"one-login-two-environments-two-identities": func(inv *inventory.Inventory, c *Config) {
		inv.Identities = append(inv.Identities, identity(appB, "Staging"))
		inv.Logins[0] = login("o/shop", "deploy.yml", "AZURE_CREDENTIALS", "environment:prod", "environment:staging")
		inv.Secrets = []inventory.Secret{secret("o/shop", "prod", "AZURE_CREDENTIALS"), secret("o/shop", "staging", "AZURE_CREDENTIALS")}
		c.Mapping = []Mapping{
			{Repository: "o/shop", Environment: "prod", Secret: "AZURE_CREDENTIALS", AppID: appA, SubscriptionID: sub},
			{Repository: "o/shop", Environment: "staging", Secret: "AZURE_CREDENTIALS", AppID: appB, SubscriptionID: sub}}
	},
	"one-login-two-identities-one-unknown": func(inv *inventory.Inventory, c *Config) {
		inv.Logins[0] = login("o/shop", "deploy.yml", "AZURE_CREDENTIALS", "environment:prod", "environment:staging")
		inv.Secrets = []inventory.Secret{secret("o/shop", "prod", "AZURE_CREDENTIALS"), secret("o/shop", "staging", "AZURE_CREDENTIALS")}
		c.Mapping = []Mapping{{Repository: "o/shop", Environment: "prod", Secret: "AZURE_CREDENTIALS", AppID: appA, SubscriptionID: sub}}
	},
	"two-identities-in-one-repository": func(inv *inventory.Inventory, c *Config) {
		inv.Identities = append(inv.Identities, identity(appB, "Tools"))
		inv.Repositories[0] = repository("o/shop", "deploy.yml", "tools.yml")
		inv.Secrets = append(inv.Secrets, secret("o/shop", "", "TOOLS"))
		inv.Logins = append(inv.Logins, login("o/shop", "tools.yml", "TOOLS", "ref:refs/heads/main"))
		c.Mapping = append(c.Mapping, mapRepo("o/shop", "TOOLS", appB))
	},
	"environment-and-repository-secret-of-one-name": func(inv *inventory.Inventory, c *Config) {
		inv.Identities = append(inv.Identities, identity(appB, "Tools"))
		inv.Repositories[0] = repository("o/shop", "deploy.yml", "tools.yml")
		inv.Secrets = append(inv.Secrets, secret("o/shop", "tools", "AZURE_CREDENTIALS"))
		inv.Logins = append(inv.Logins, login("o/shop", "tools.yml", "AZURE_CREDENTIALS", "environment:tools"))
		c.Mapping = append(c.Mapping, Mapping{Repository: "o/shop", Environment: "tools", Secret: "AZURE_CREDENTIALS", AppID: appB, SubscriptionID: sub})
	},
	"manual-login-holds-the-secret": func(inv *inventory.Inventory, _ *Config) {
		inv.Repositories[0] = repository("o/shop", "deploy.yml", "image.yml")
		l := login("o/shop", "image.yml", "AZURE_CREDENTIALS", "ref:refs/heads/main")
		l.Conversion, l.Reason, l.Manual = inventory.ConversionManual, "the secret is an argument of packer", []string{"set use_azure_cli_auth = true in the source", "remove the argument"}
		inv.Logins = append(inv.Logins, l)
	},
	"wildcard-secret-holds-the-secret": func(inv *inventory.Inventory, _ *Config) {
		inv.Repositories[0] = repository("o/shop", "deploy.yml", "all.yml")
		l := login("o/shop", "all.yml", "AZURE_*", "ref:refs/heads/main")
		l.Conversion, l.Reason = inventory.ConversionManual, "the secret's name is computed"
		inv.Logins = append(inv.Logins, l)
	},
	"a-mention-is-no-use": func(inv *inventory.Inventory, _ *Config) {
		inv.Mentions = []inventory.Mention{{Repository: "o/shop", File: ".github/workflows/deploy.yml", Line: 2, Secret: "AZURE_CREDENTIALS", Text: "comment"}}
	},

	// Variables.
	"variables-exist-with-these-values": func(inv *inventory.Inventory, _ *Config) {
		inv.Variables = []inventory.Variable{variable("o/shop", "", "AZURE_CLIENT_ID", string(appA)), variable("o/shop", "", "AZURE_TENANT_ID", string(tenant)),
			{Level: inventory.LevelOrganization, Owner: "o", Name: "AZURE_SUBSCRIPTION_ID", Value: string(sub)}}
	},
	"variables-exist-with-other-values": func(inv *inventory.Inventory, _ *Config) {
		inv.Variables = []inventory.Variable{variable("o/shop", "", "AZURE_CLIENT_ID", string(appB)), variable("o/shop", "", "AZURE_CREDENTIALS_CLIENT_ID", "x")}
	},
	"ids-as-secrets": func(_ *inventory.Inventory, c *Config) { c.IDs = IDsSecrets },
	"text-names-the-ids": func(inv *inventory.Inventory, _ *Config) {
		inv.Logins[0].Kind = inventory.KindTerraformEnv
		inv.Logins[0].Secrets[0].Role = roleClientSecret
		inv.Logins[0].Identity = inventory.IdentityHint{ClientID: "secrets.ARM_CLIENT_ID", TenantID: "secrets.ARM_TENANT_ID", SubscriptionID: "secrets.ARM_SUBSCRIPTION_ID"}
	},

	// Trust.
	"already-trusted": func(inv *inventory.Inventory, _ *Config) {
		inv.Identities[0].FederatedCredentials = []inventory.FederatedCredential{{ID: "f", Name: "main", Issuer: "https://token.actions.githubusercontent.com",
			Subject: "repo:o/shop:ref:refs/heads/main", Audience: "api://AzureADTokenExchange"}}
	},
	"immutable-subjects": func(inv *inventory.Inventory, _ *Config) {
		inv.Repositories[0].OIDC.SubClaimPrefix = "repo:o@10/shop@20"
	},
	"template-with-unknown-claim": func(inv *inventory.Inventory, _ *Config) {
		inv.Repositories[0].OIDC = inventory.OIDC{Known: true, IncludeClaimKeys: []string{"repo", "actor"}}
	},
	"oidc-settings-not-read": func(inv *inventory.Inventory, _ *Config) { inv.Repositories[0].OIDC = inventory.OIDC{} },
	"open-set-of-branches": func(inv *inventory.Inventory, _ *Config) {
		inv.Logins[0] = login("o/shop", "deploy.yml", "AZURE_CREDENTIALS", "ref:refs/heads/*")
	},
	"open-set-flexible": func(inv *inventory.Inventory, c *Config) {
		inv.Logins[0] = login("o/shop", "deploy.yml", "AZURE_CREDENTIALS", "ref:refs/heads/*")
		c.AllowFlexible = true
	},
	"open-set-default-branch": func(inv *inventory.Inventory, c *Config) {
		inv.Logins[0] = login("o/shop", "deploy.yml", "AZURE_CREDENTIALS", "ref:refs/heads/*")
		c.OpenBranches = BranchesDefault
	},
	"job-that-never-runs": func(inv *inventory.Inventory, _ *Config) {
		inv.Logins[0] = login("o/shop", "deploy.yml", "AZURE_CREDENTIALS")
		inv.Connections = nil
	},
	"one-job-never-runs": func(inv *inventory.Inventory, _ *Config) {
		inv.Logins[0].Subjects = append(inv.Logins[0].Subjects, inventory.JobSubjects{File: ".github/workflows/off.yml", Job: "off"})
	},
	"job-that-nothing-bounds": func(inv *inventory.Inventory, _ *Config) {
		inv.Logins[0] = login("o/shop", "deploy.yml", "AZURE_CREDENTIALS")
		inv.Logins[0].Subjects[0].Unbounded = true
	},
	"called-from-another-repository": func(inv *inventory.Inventory, c *Config) {
		inv.Repositories = append(inv.Repositories, repository("o/caller", "ci.yml"))
		inv.Repositories[1].OIDC = inventory.OIDC{Known: true, UseDefault: true, SubClaimPrefix: "repo:o@10/caller@21"}
		inv.Logins[0].Subjects = append(inv.Logins[0].Subjects, inventory.JobSubjects{Repository: "o/caller", File: ".github/workflows/ci.yml", Job: "call",
			Subjects: []string{"environment:prod"}})
		c.Mapping = append(c.Mapping, mapRepo("o/caller", "AZURE_CREDENTIALS", appA))
		inv.Secrets = append(inv.Secrets, secret("o/caller", "", "AZURE_CREDENTIALS"))
	},
	"called-from-a-repository-that-is-not-scanned": func(inv *inventory.Inventory, c *Config) {
		inv.Logins[0].Subjects[0].Repository = "o/caller"
		c.Mapping = append(c.Mapping, mapRepo("o/caller", "AZURE_CREDENTIALS", appA))
	},
	"needs-review-at-safe": func(inv *inventory.Inventory, _ *Config) {
		inv.Logins[0].Reason += "; needs review: job deploy may run for 90 minutes"
	},
	"assisted-at-safe": func(inv *inventory.Inventory, _ *Config) { inv.Logins[0].Conversion = inventory.ConversionAssisted },
	"needs-review-allowed": func(inv *inventory.Inventory, c *Config) {
		inv.Logins[0].Reason += "; needs review: job deploy may run for 90 minutes"
		c.Level = LevelNeedsReview
	},
	"open-set-of-branches-and-tags-default-branch": func(inv *inventory.Inventory, c *Config) {
		inv.Logins[0] = login("o/shop", "deploy.yml", "AZURE_CREDENTIALS", "ref:refs/heads/*", "ref:refs/tags/*")
		inv.Logins[0].Subjects[0].Reasons = []string{"workflow_dispatch can be started on any branch", "workflow_dispatch can be started on any tag"}
		c.OpenBranches = BranchesDefault
	},
	"open-set-of-branches-and-released-tags-default-branch": func(inv *inventory.Inventory, c *Config) {
		inv.Logins[0] = login("o/shop", "deploy.yml", "AZURE_CREDENTIALS", "ref:refs/heads/*", "ref:refs/tags/*")
		inv.Logins[0].Subjects[0].Reasons = []string{"workflow_dispatch can be started on any branch", "workflow_dispatch can be started on any tag; release runs on the release's tag"}
		c.OpenBranches = BranchesDefault
	},
	"no-job-known": func(inv *inventory.Inventory, _ *Config) { inv.Logins[0].Subjects = nil },
	"too-many-subjects": func(inv *inventory.Inventory, _ *Config) {
		for i := range 19 {
			inv.Identities[0].FederatedCredentials = append(inv.Identities[0].FederatedCredentials, inventory.FederatedCredential{ID: inventory.FederatedCredentialID(fmt.Sprint(i)),
				Name: fmt.Sprintf("other-%02d", i), Issuer: "https://example.com", Subject: fmt.Sprint(i), Audience: "api://AzureADTokenExchange"})
		}
	},

	// Connections.
	"connection-automatic": func(inv *inventory.Inventory, _ *Config) { inv.Connections[0].CreationMode = "Automatic" },
	"connection-already":   func(inv *inventory.Inventory, _ *Config) { inv.Connections[0].Scheme = inventory.SchemeFederation },
	"connection-just-converted": func(inv *inventory.Inventory, _ *Config) {
		inv.Connections[0].Scheme, inv.Connections[0].RevertDeadline = inventory.SchemeFederation, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	},
	"connection-shared": func(inv *inventory.Inventory, _ *Config) {
		inv.Connections[0].Shared = true
		inv.Connections[0].Projects = append(inv.Connections[0].Projects, inventory.ConnectionProject{ID: "p0", Name: "Billing", As: "production"})
	},
	"connection-unreadable": func(inv *inventory.Inventory, _ *Config) {
		inv.Connections[0].Readable, inv.Connections[0].AppID = false, ""
	},
	"connection-not-ready": func(inv *inventory.Inventory, _ *Config) {
		inv.Connections[0].Ready, inv.Connections[0].State = false, "Failed"
	},
	"connection-certificate": func(inv *inventory.Inventory, _ *Config) { inv.Connections[0].AuthenticationType = "spnCertificate" },
	"connection-azure-stack": func(inv *inventory.Inventory, _ *Config) { inv.Connections[0].Cloud = "AzureStack" },
	"connection-sovereign":   func(inv *inventory.Inventory, _ *Config) { inv.Connections[0].Cloud = "AzureChinaCloud" },
	"connection-registry":    func(inv *inventory.Inventory, _ *Config) { inv.Connections[0].Type = "dockerregistry" },
	"connection-disabled":    func(inv *inventory.Inventory, _ *Config) { inv.Connections[0].Disabled = true },
	"connection-other-tenant": func(inv *inventory.Inventory, _ *Config) {
		inv.Connections[0].TenantID = "70000000-0000-0000-0000-000000000000"
	},
	"connection-managed-identity": func(inv *inventory.Inventory, _ *Config) {
		inv.Connections[0].Scheme, inv.Connections[0].AppID = inventory.SchemeManagedIdentity, ""
	},
	"multi-tenant-application": func(inv *inventory.Inventory, _ *Config) { inv.Identities[0].SignInAudience = "AzureADMultipleOrgs" },
	"only-a-connection-that-is-held": func(inv *inventory.Inventory, _ *Config) {
		inv.Logins, inv.Connections[0].Cloud = nil, "AzureStack"
	},

	// The rest.
	"certificate-beside-the-password": func(inv *inventory.Inventory, _ *Config) {
		inv.Identities[0].Credentials = append(inv.Identities[0].Credentials, inventory.Credential{KeyID: "cert", Type: inventory.CredentialCertificate, On: "application", Usage: "Verify"},
			inventory.Credential{KeyID: "saml", Type: inventory.CredentialCertificate, On: "application", Usage: "Sign"},
			inventory.Credential{KeyID: "sp", Type: inventory.CredentialPassword, On: "servicePrincipal"})
	},
	"certificate-nothing-signs-in-with": func(inv *inventory.Inventory, _ *Config) {
		inv.Identities[0].Credentials = append(inv.Identities[0].Credentials, certificate("cert"))
	},
	"certificate-removed": func(inv *inventory.Inventory, c *Config) {
		inv.Connections[0].AuthenticationType = "spnCertificate"
		sp := certificate("of-the-principal")
		sp.On = inventory.OnServicePrincipal
		inv.Identities[0].Credentials = append(inv.Identities[0].Credentials, certificate("cert"), certificate("other"), certificate("kept"), sp)
		c.Exclude = []Exclusion{{Credential: "kept", Reason: "a server has it"}}
	},
	"certificate-of-a-connection-that-was-converted": func(inv *inventory.Inventory, _ *Config) {
		inv.Connections[0].Scheme, inv.Connections[0].RevertDeadline = inventory.SchemeFederation, scannedAt.AddDate(0, 0, 3)
		inv.Identities[0].Credentials = append(inv.Identities[0].Credentials, certificate("cert"))
	},
	"certificate-beside-a-symmetric-key": func(inv *inventory.Inventory, _ *Config) {
		inv.Connections[0].AuthenticationType = "spnCertificate"
		symmetric := certificate("symmetric")
		symmetric.Form = "Symmetric"
		inv.Identities[0].Credentials = append(inv.Identities[0].Credentials, certificate("cert"), symmetric)
	},
	"archived-repository": func(inv *inventory.Inventory, _ *Config) { inv.Repositories[0].Archived = true },
	"no-subscription": func(inv *inventory.Inventory, c *Config) {
		c.Mapping[0].SubscriptionID = ""
		inv.Identities[0].RolesKnown = false
	},
	"other-cloud-in-login": func(inv *inventory.Inventory, _ *Config) { inv.Logins[0].Identity.Cloud = "azureusgovernment" },
	"publish-profile": func(inv *inventory.Inventory, _ *Config) {
		inv.Logins[0].Kind, inv.Logins[0].Conversion, inv.Logins[0].Reason, inv.Logins[0].Manual = inventory.KindPublishProfile, inventory.ConversionManual, "a publish profile", []string{"use azure/login"}
	},
	"login-already": func(inv *inventory.Inventory, _ *Config) {
		inv.Logins[0].Kind, inv.Logins[0].Conversion = inventory.KindAzureLoginOIDC, inventory.ConversionNone
	},
	"local-login": func(inv *inventory.Inventory, _ *Config) { inv.Logins[0].Repository = "" },
	"exclusions": func(_ *inventory.Inventory, c *Config) {
		c.Exclude = []Exclusion{{Repository: "o/*", Reason: "frozen until March"}, {Credential: "key-of-Shop", Reason: "backup job"}}
	},
	"excluded-application": func(_ *inventory.Inventory, c *Config) {
		c.Exclude = []Exclusion{{AppID: appA, Reason: "being retired"}}
	},
	"excluded-connection": func(_ *inventory.Inventory, c *Config) { c.Exclude = []Exclusion{{Connection: "prod*"}} },
	"keep-old-secrets":    func(_ *inventory.Inventory, c *Config) { c.KeepOldSecrets = true },
	"waves": func(inv *inventory.Inventory, c *Config) {
		inv.Identities = append(inv.Identities, identity(appB, "Tools"))
		inv.Connections = append(inv.Connections, azurerm(conn2, "tools-test", appB))
		c.Waves = []WaveRule{{Wave: 2, Connections: []string{"prod*"}}, {Wave: 3, Repositories: []string{"o/*"}}}
	},
	"unread-file-in-the-repository": func(inv *inventory.Inventory, _ *Config) {
		inv.Gaps = []inventory.Gap{{Source: inventory.SourceGitHub, Object: "o/shop/.github/workflows/x.yml", File: ".github/workflows/x.yml", Line: 3, Message: "does not parse", Next: "repair it"}}
	},
	"gaps": func(inv *inventory.Inventory, _ *Config) {
		inv.Gaps = []inventory.Gap{{Source: inventory.SourceGitHub, Object: "o/broken", File: "x.yml", Line: 3, Message: "does not parse", Next: "repair it"}}
	},
}

func planOf(t *testing.T, name string) *Plan {
	t.Helper()
	inv, c := base()
	cases[name](inv, &c)
	p, err := New(inv, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func init() {
	cases["connection-shared-and-allowed"] = sharedAndAllowed
	cases["new-passwords-forbidden"] = newPasswordsForbidden
	cases["new-passwords-forbidden-and-accepted"] = func(inv *inventory.Inventory, c *Config) {
		newPasswordsForbidden(inv, c)
		c.AcceptNoRollback = true
	}
	cases["new-passwords-live-too-short"] = func(inv *inventory.Inventory, _ *Config) {
		inv.Identities[0].NewPasswords = inventory.NewPasswords{Known: true, MaxDays: 7, Policy: "Short secrets"}
	}
	cases["end-state-is-asked-for"] = func(inv *inventory.Inventory, c *Config) {
		c.EndState = EndStateBlock
		inv.Identities[0].NewPasswords = inventory.NewPasswords{Known: true}
	}
	cases["end-state-with-a-policy-of-its-own"] = func(inv *inventory.Inventory, c *Config) {
		c.EndState = EndStateBlock
		inv.Identities[0].NewPasswords = inventory.NewPasswords{Known: true, Own: true, MaxDays: 90, Policy: "Short secrets"}
	}
	cases["end-state-under-a-tenants-policy"] = func(inv *inventory.Inventory, c *Config) {
		c.EndState = EndStateBlock
		inv.Identities[0].NewPasswords = inventory.NewPasswords{Known: true, TenantRules: true}
	}
	cases["end-state-where-policies-are-not-known"] = func(_ *inventory.Inventory, c *Config) { c.EndState = EndStateBlock }
	cases["target-managed-identity-to-be-created"] = targeted
	cases["target-managed-identity-that-is-there"] = func(inv *inventory.Inventory, c *Config) {
		targeted(inv, c)
		c.Targets[0].Location = ""
		inv.ManagedIdentities = []inventory.ManagedIdentity{{Resource: "/subscriptions/" + string(sub) + "/resourceGroups/ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-shop",
			Name: "id-shop", Location: "westeurope", TenantID: tenant, ClientID: "D0000000-0000-0000-0000-00000000000D", PrincipalID: "p",
			Roles: []inventory.RoleAssignment{{Role: "Reader", Scope: "/subscriptions/x", Definition: "reader"}}}}
	}
	cases["target-with-grants-that-are-not-known"] = func(inv *inventory.Inventory, c *Config) {
		targeted(inv, c)
		inv.Identities[0].Grants = nil
	}
	cases["saml-signing-and-a-lock"] = samlSigningAndALock
	cases["unread-file-that-is-excluded"] = func(inv *inventory.Inventory, c *Config) {
		cases["unread-file-in-the-repository"](inv, c)
		c.Exclude = []Exclusion{{File: ".github/workflows/x.yml"}}
	}
}

// targeted moves the unit to a managed identity.
func targeted(inv *inventory.Inventory, c *Config) {
	id := &inv.Identities[0]
	id.ServicePrincipalID, id.Grants = "sp", &inventory.Grants{Known: true}
	for i := range id.Roles {
		id.Roles[i].Definition = "/subscriptions/" + string(sub) + "/providers/Microsoft.Authorization/roleDefinitions/contributor"
	}
	inv.Subscriptions = []inventory.Subscription{{ID: sub, TenantID: tenant}}
	c.Targets = []TargetRule{{Kind: TargetManagedIdentity, Repositories: []string{"o/*"}, Name: "id-{app}", Subscription: sub, ResourceGroup: "ids", Location: "westeurope"}}
}

func newPasswordsForbidden(inv *inventory.Inventory, _ *Config) {
	inv.Identities[0].NewPasswords = inventory.NewPasswords{Known: true, Forbidden: true, Policy: "Block client secrets"}
}

func samlSigningAndALock(inv *inventory.Inventory, _ *Config) {
	id := &inv.Identities[0]
	id.Lock = &inventory.InstanceLock{All: true}
	on := inventory.OnServicePrincipal
	id.Credentials = append(id.Credentials,
		inventory.Credential{KeyID: "saml", Type: inventory.CredentialCertificate, On: on, Usage: "Sign"},
		inventory.Credential{KeyID: "saml-public", Type: inventory.CredentialCertificate, On: on, Usage: "Verify"},
		inventory.Credential{KeyID: "saml", Type: inventory.CredentialPassword, On: on},
		inventory.Credential{KeyID: "sp", Type: inventory.CredentialPassword, On: on})
}

func sharedAndAllowed(inv *inventory.Inventory, c *Config) {
	cases["connection-shared"](inv, c)
	c.IncludeShared = true
	n, at := &inv.Connections[0], inventory.PipelinePlace{Organization: "contoso", Project: "Billing"}
	n.UsesKnown, n.PipelinesKnown = true, true
	n.Uses = []inventory.Execution{{Project: "Billing", PlanType: "Build", DefinitionID: 3, Definition: "bill", Finished: scannedAt}, {Project: "Billing", PlanType: "Build", DefinitionID: 3, Definition: "bill"},
		{Project: "Billing", PlanType: "Release", DefinitionID: 3, Definition: "ship"}}
	for _, u := range [][2]string{{"bill", inventory.UseYAML}, {"ship", inventory.UseRelease}, {"roll out", inventory.UseTaskGroup}, {"vaulted", inventory.UseVariableGroup}} {
		at.Pipeline = u[0]
		n.PipelineUses = append(n.PipelineUses, inventory.PipelineUse{PipelinePlace: at, Source: u[1]})
	}
}

// certificate is one that only verifies.
func certificate(key inventory.KeyID) inventory.Credential {
	return inventory.Credential{KeyID: key, Type: inventory.CredentialCertificate, On: inventory.OnApplication, Usage: "Verify", Form: inventory.FormCertificate,
		Thumbprint: "dGh1bWI=", DisplayName: "CN=" + string(key), End: scannedAt.AddDate(1, 0, 0)}
}

func TestPlans(t *testing.T) {
	for name := range cases {
		t.Run(name, func(t *testing.T) { golden(t, name+".txt", []byte(outline(planOf(t, name)))) })
	}
	t.Run("json", func(t *testing.T) {
		b, err := planOf(t, "all-is-well").JSON()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "all-is-well.json", b)
	})
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// outline is a plan as a reader would sum it up.
func outline(p *Plan) string {
	var b strings.Builder
	reasons := func(what string, rs []Reason) {
		for _, r := range rs {
			fmt.Fprintf(&b, "  %s %s: %s\n", what, r.Code, r.Message)
			for _, n := range r.Next {
				fmt.Fprintf(&b, "      next: %s\n", n)
			}
		}
	}
	for _, u := range p.Units {
		fmt.Fprintf(&b, "unit %s, wave %d\n", u.ID, u.Wave)
		reasons("blocked by", u.Blockers)
		reasons("withheld by", u.Withheld)
		reasons("note", u.Notes)
		for _, l := range u.Logins {
			fmt.Fprintf(&b, "  login %s by %s: %s\n", l.ID, l.By, l.Because)
		}
		for _, c := range u.Coverage {
			fmt.Fprintf(&b, "  subject %s: %s %s\n", c.Subject, c.State, c.By)
		}
		for _, s := range u.Steps {
			fmt.Fprintf(&b, "  %s %s\n", s.Phase, s.ID)
			if s.Variable != nil {
				fmt.Fprintf(&b, "      %s\n", s.Title)
			}
			if s.PullRequest != nil {
				for _, l := range s.PullRequest.Logins {
					if l.Pipeline != nil && l.Pipeline.Rename != nil {
						fmt.Fprintf(&b, "      %s from %s to %s\n", l.ID, l.Pipeline.Rename.From, l.Pipeline.Rename.To)
						continue
					}
					fmt.Fprintf(&b, "      %s as %+v, shared with %v\n", l.ID, l.Names, l.Shares)
				}
			}
		}
	}
	for _, l := range p.Left {
		fmt.Fprintf(&b, "left %s at %s: %s: %s\n", l.Object, l.Place, l.Code, l.Reason)
		for _, n := range l.Next {
			fmt.Fprintf(&b, "      next: %s\n", n)
		}
	}
	fmt.Fprintf(&b, "%+v\n", p.Summary)
	return b.String()
}

func TestTheSamePlanWhateverTheOrder(t *testing.T) {
	for name := range cases {
		want, err := planOf(t, name).JSON()
		if err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(10) {
			inv, c := base()
			cases[name](inv, &c)
			shuffle(rand.New(rand.NewPCG(seed, 1)), inv)
			inv.ScannedAt = time.Unix(int64(seed), 0) //nolint:gosec // small
			p, err := New(inv, c)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := p.JSON(); !bytes.Equal(got, want) {
				t.Fatalf("%s: another order gives another plan:\n%s", name, cmp.Diff(string(want), string(got)))
			}
		}
	}
}

func shuffle(r *rand.Rand, inv *inventory.Inventory) {
	mix(r, inv.Sources)
	mix(r, inv.Identities)
	mix(r, inv.Connections)
	mix(r, inv.Repositories)
	mix(r, inv.Logins)
	mix(r, inv.Secrets)
	mix(r, inv.Variables)
	mix(r, inv.Mentions)
	mix(r, inv.Gaps)
	for i := range inv.Identities {
		mix(r, inv.Identities[i].Credentials)
		mix(r, inv.Identities[i].FederatedCredentials)
	}
	for i := range inv.Repositories {
		mix(r, inv.Repositories[i].Files)
	}
	for i := range inv.Logins {
		mix(r, inv.Logins[i].Subjects)
		mix(r, inv.Logins[i].Secrets)
	}
}

func mix[T any](r *rand.Rand, s []T) { r.Shuffle(len(s), func(i, k int) { s[i], s[k] = s[k], s[i] }) }

func TestTheInventoryIsNotChanged(t *testing.T) {
	inv, c := base()
	inv.Connections = append([]inventory.Connection{azurerm(conn2, "z", appB)}, inv.Connections...)
	before := slices.Clone(inv.Connections)
	if _, err := New(inv, c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, inv.Connections); diff != "" {
		t.Error(diff)
	}
}

// TestNothingIsLost holds law 6: every login and connection is in a unit's steps or left with a reason.
func TestNothingIsLost(t *testing.T) {
	for name := range cases {
		inv, c := base()
		cases[name](inv, &c)
		p, err := New(inv, c)
		if err != nil {
			t.Fatal(err)
		}
		done := map[string]bool{}
		for _, u := range p.Units {
			for _, s := range u.Steps {
				if s.PullRequest != nil {
					for _, l := range s.PullRequest.Logins {
						done[string(l.ID)] = true
					}
				}
				if s.Connection != nil {
					done["connection "+s.Connection.Name] = true
				}
				if s.Kind == StepReplacement {
					done["connection "+s.Replacement.Name] = true
				}
			}
		}
		for _, l := range p.Left {
			done[l.Place], done[l.Object] = true, true
			if l.Reason == "" {
				t.Errorf("%s: %s is left without a reason", name, l.Object)
			}
		}
		for _, l := range inv.Logins {
			if !done[string(l.ID)] {
				t.Errorf("%s: login %s is lost", name, l.ID)
			}
		}
		for _, x := range inv.Connections {
			if !done["connection "+x.Name] {
				t.Errorf("%s: connection %s is lost", name, x.Name)
			}
		}
	}
}

func TestBadConfigurationsAreNamed(t *testing.T) {
	for want, c := range map[string]Config{
		"mapping[0]: secret X: give either organization or repository": {Mapping: []Mapping{{Secret: "X", AppID: appA}}},
		"mapping[0]: secret is missing":                                {Mapping: []Mapping{{Repository: "o/r", AppID: appA}}},
		"is not OWNER/NAME":                                            {Mapping: []Mapping{{Repository: "r", Secret: "X", AppID: appA}}},
		"is not an application (client) id":                            {Mapping: []Mapping{{Repository: "o/r", Secret: "X", AppID: "x"}}},
		"environment needs repository":                                 {Mapping: []Mapping{{Organization: "o", Environment: "e", Secret: "X", AppID: appA}}},
		"waves[0]: wave 0":                                             {Waves: []WaveRule{{}}},
		"connections.recreateSuffix: \" x\" is not of":                 {Connections: ConnectionRules{RecreateSuffix: " x"}},
		`connections.registry: "replace" is not one of`:                {Connections: ConnectionRules{Registry: "replace"}},
		"syntax error in pattern":                                      {Waves: []WaveRule{{Wave: 1, Repositories: []string{"["}}}},
		"exclude[0]: names nothing":                                    {Exclude: []Exclusion{{Reason: "x"}}},
		`ids: "files" is not one of vars, secrets`:                     {IDs: "files"},
		`permissions: "all"`:                                           {Permissions: "all"},
		"cannot be the name of a GitHub variable":                      {Variables: VariableNames{ClientID: "GITHUB_X"}},
		"rollbackDays: -1":                                             {RollbackDays: -1},
		`approval: "all" is not one of none, unit, revoke`:             {Approval: "all"},
		"revoke.share: 101":                                            {Revoke: RevokeRules{Share: 101}},
		"revoke.units: -1":                                             {Revoke: RevokeRules{Units: -1}},
		"revoke.name: none stands alone":                               {Revoke: RevokeRules{Name: []string{NameNone, RiskShared}}},
		`revoke.name: "big" is not one of`:                             {Revoke: RevokeRules{Name: []string{"big"}}},
		"production: pattern":                                          {Production: &Rule{Tags: []string{"["}}},
		`waves[0]: risk: "high"`:                                       {Waves: []WaveRule{{Wave: 1, Risk: []string{"high"}}}},
	} {
		inv, _ := base()
		if _, err := New(inv, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := New(nil, Config{}); err == nil {
		t.Error("no inventory is no error")
	}
	if _, err := New(&inventory.Inventory{Version: 99}, Config{}); err == nil {
		t.Error("an unknown version is no error")
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"7d": 168 * time.Hour, "90m": 90 * time.Minute, "0s": 0} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s gives %v, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "-5h", "week", "99999d"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q gives %v", text, d)
		}
	}
}
