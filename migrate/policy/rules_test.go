package policy

import (
	"slices"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

var scanned = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

func day(n int) time.Time { return scanned.AddDate(0, 0, n) }

// The builders make objects that keep every rule; each case breaks one of them.

func connection(change func(*inventory.Connection)) *inventory.Inventory {
	c := inventory.Connection{
		ID: "c1", Organization: "contoso", Name: "prod", Type: "azurerm", Scheme: inventory.SchemeFederation, Readable: true, Ready: true,
		Issuer: "https://login.microsoftonline.com/t/v2.0", Projects: []inventory.ConnectionProject{{ID: "p1", Name: "Shop", As: "prod"}},
		UsesKnown: true, PipelinesKnown: true, Uses: []inventory.Execution{{Project: "Shop", Definition: "deploy", Finished: day(-3)}},
	}
	change(&c)
	return &inventory.Inventory{ScannedAt: scanned, Connections: []inventory.Connection{c}}
}

// retired is a connection that a revoke has disabled after another was made in its place, and its application, which has no credential left.
func retired(change func(*inventory.Inventory)) *inventory.Inventory {
	inv := connection(func(c *inventory.Connection) {
		c.Scheme, c.AppID, c.Disabled = inventory.SchemeServicePrincipal, "a0000000-0000-0000-0000-00000000000a", true
	})
	made := inv.Connections[0]
	made.ID, made.Name, made.Scheme, made.Disabled, made.Replaces = "c2", "prod-wif", inventory.SchemeFederation, false, "c1"
	inv.Connections = append(inv.Connections, made)
	inv.Identities = []inventory.Identity{{AppID: "A0000000-0000-0000-0000-00000000000A"}}
	if change != nil {
		change(inv)
	}
	return inv
}

// agents is a connection with a secret that a pipeline uses on agents in a scale set.
func agents(change func(*inventory.Connection, *inventory.AgentPool)) *inventory.Inventory {
	pool := inventory.AgentPool{Organization: "contoso", Name: "Linux", ScaleSet: "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/agents"}
	inv := connection(func(c *inventory.Connection) {
		c.Scheme, c.PipelineUses = inventory.SchemeServicePrincipal, []inventory.PipelineUse{{Source: inventory.UseYAML, Pool: "linux"}}
		if change != nil {
			change(c, &pool)
		}
	})
	inv.Pools = []inventory.AgentPool{pool}
	return inv
}

func login(change func(*inventory.Login)) *inventory.Inventory {
	l := inventory.Login{
		ID: "contoso/shop/.github/workflows/deploy.yml:12:9", Repository: "contoso/shop", File: ".github/workflows/deploy.yml",
		Line: 12, Column: 9, EndLine: 12, EndColumn: 30, Job: "deploy", Step: "login",
		Kind: inventory.KindAzureLoginOIDC, Conversion: inventory.ConversionNone,
	}
	change(&l)
	return &inventory.Inventory{ScannedAt: scanned, Logins: []inventory.Login{l}}
}

func identity(change func(*inventory.Identity)) *inventory.Inventory {
	id := inventory.Identity{AppID: "app1", ObjectID: "obj1", DisplayName: "deploy", SignIns: inventory.SignInEvidence{Known: true, Since: day(-30)}, RolesKnown: true}
	change(&id)
	return &inventory.Inventory{ScannedAt: scanned, Identities: []inventory.Identity{id}}
}

// password keeps every rule: young, short-lived, not about to end.
func password(key inventory.KeyID) inventory.Credential {
	return inventory.Credential{KeyID: key, Type: inventory.CredentialPassword, On: "application", Start: day(-10), End: day(100)}
}

func credential(change func(*inventory.Credential)) *inventory.Inventory {
	return identity(func(id *inventory.Identity) {
		c := password("k1")
		change(&c)
		id.Credentials = []inventory.Credential{c}
	})
}

func trust(fc inventory.FederatedCredential, roles ...inventory.RoleAssignment) *inventory.Inventory {
	return identity(func(id *inventory.Identity) {
		fc.Name, fc.Issuer = "fc", "https://token.actions.githubusercontent.com"
		id.FederatedCredentials = []inventory.FederatedCredential{fc}
		id.Roles = roles
	})
}

// oldTrust is an application that trusts a connection by Azure DevOps' own issuer.
func oldTrust(scanned bool, connections ...inventory.Connection) *inventory.Inventory {
	inv := identity(func(id *inventory.Identity) {
		id.FederatedCredentials = []inventory.FederatedCredential{{Name: "fc", Issuer: "https://vstoken.dev.azure.com/o1", Subject: "sc://contoso/Shop/prod"}}
	})
	inv.Connections = connections
	if scanned {
		inv.Sources = []inventory.Source{{Kind: inventory.SourceAzureDevOps, Name: "contoso", ID: "O1"}}
	}
	return inv
}

func unreadProject(inv *inventory.Inventory) *inventory.Inventory {
	inv.Gaps = []inventory.Gap{{Source: inventory.SourceAzureDevOps, Object: "connections of contoso/Shop", Message: "403"}}
	return inv
}

func shared(repositories ...inventory.RepositoryName) *inventory.Inventory {
	inv := &inventory.Inventory{ScannedAt: scanned, Secrets: []inventory.Secret{{Level: inventory.LevelOrganization, Owner: "contoso", Name: "AZURE_CREDENTIALS", Visibility: "all"}}}
	for _, r := range repositories {
		inv.Logins = append(inv.Logins, inventory.Login{ID: inventory.NewLoginID(r, "w.yml", 1, 1), Repository: r, File: "w.yml", Line: 1, Column: 1, Kind: inventory.KindAzureLoginCreds,
			Conversion: inventory.ConversionAutomatic, Secrets: []inventory.SecretUse{{Name: "azure_credentials"}}})
	}
	return inv
}

// federated is a workflow that signs in without a secret, from main, as an application that trusts subjects.
func federated(trusted ...string) *inventory.Inventory {
	const app = "33333333-3333-3333-3333-333333333333"
	inv := login(func(l *inventory.Login) {
		l.Identity = inventory.IdentityHint{ClientID: app}
		l.Subjects = []inventory.JobSubjects{{Job: "deploy", Subjects: []string{"ref:refs/heads/main"}}}
	})
	inv.Repositories = []inventory.Repository{{Host: "github.com", Name: "contoso/shop", ID: 1, OwnerID: 2, DefaultBranch: "main",
		OIDC: inventory.OIDC{Known: true, Issuer: "https://token.actions.githubusercontent.com", UseDefault: true}}}
	id := inventory.Identity{AppID: app, ObjectID: "obj", DisplayName: "deploy", RolesKnown: true}
	for _, s := range trusted {
		id.FederatedCredentials = append(id.FederatedCredentials, inventory.FederatedCredential{Name: "fc", Issuer: "https://token.actions.githubusercontent.com", Subject: s, Audience: "api://AzureADTokenExchange"})
	}
	inv.Identities = []inventory.Identity{id}
	return inv
}

const (
	subscription  = "/subscriptions/11111111-1111-1111-1111-111111111111"
	resourceGroup = subscription + "/resourceGroups/shop"
)

var owner = inventory.RoleAssignment{Role: "Owner", Scope: subscription}

type ruleCase struct {
	name     string
	rule     string
	inv      *inventory.Inventory
	severity Severity // empty: the rule is kept
}

func connectionCases() []ruleCase {
	return []ruleCase{
		{"a secret", "connection-secret", connection(func(c *inventory.Connection) { c.Scheme = "serviceprincipal"; c.AuthenticationType = "spnKey" }), High},
		{"a secret, type of authentication not told", "connection-secret", connection(func(c *inventory.Connection) { c.Scheme = inventory.SchemeServicePrincipal }), High},
		{"federated", "connection-secret", connection(func(*inventory.Connection) {}), ""},
		{"not readable is a gap, not a guess", "connection-secret", connection(func(c *inventory.Connection) { c.Scheme = inventory.SchemeServicePrincipal; c.Readable = false }), ""},
		{"a certificate is no secret", "connection-secret", connection(func(c *inventory.Connection) {
			c.Scheme = inventory.SchemeServicePrincipal
			c.AuthenticationType = "spnCertificate"
		}), ""},
		{"a certificate", "connection-certificate", connection(func(c *inventory.Connection) {
			c.Scheme = inventory.SchemeServicePrincipal
			c.AuthenticationType = "SPNCertificate"
		}), Medium},
		{"a secret is no certificate", "connection-certificate", connection(func(c *inventory.Connection) {
			c.Scheme = inventory.SchemeServicePrincipal
			c.AuthenticationType = "spnKey"
		}), ""},
		{"a secret of one that another took the place of", "connection-secret", retired(nil), Low},
		{"that is not disabled", "connection-secret", retired(func(inv *inventory.Inventory) { inv.Connections[0].Disabled = false }), High},
		{"whose application has a password left", "connection-secret", retired(func(inv *inventory.Inventory) {
			inv.Identities[0].Credentials = []inventory.Credential{{Type: inventory.CredentialPassword, KeyID: "k"}}
		}), High},
		{"whose application is not known", "connection-secret", retired(func(inv *inventory.Inventory) { inv.Identities = nil }), High},
		{"in whose place none was made", "connection-secret", retired(func(inv *inventory.Inventory) { inv.Connections[1].Replaces = "" }), High},
		{"the old issuer", "connection-old-issuer", connection(func(c *inventory.Connection) { c.Issuer = "https://vstoken.dev.azure.com/org" }), Medium},
		{"the older host of the old issuer", "connection-old-issuer", connection(func(c *inventory.Connection) { c.Issuer = "https://app.vstoken.visualstudio.com" }), Medium},
		{"the old issuer in another cloud, which is excluded", "connection-old-issuer", connection(func(c *inventory.Connection) {
			c.Issuer, c.Cloud = "https://vstoken.dev.azure.com/org", "AzureUSGovernment"
		}), Info},
		{"the old issuer of an application of several tenants, which is excluded", "connection-old-issuer", func() *inventory.Inventory {
			inv := connection(func(c *inventory.Connection) {
				c.Issuer, c.AppID = "https://vstoken.dev.azure.com/org", "a0000000-0000-0000-0000-00000000000a"
			})
			inv.Identities = append(inv.Identities, inventory.Identity{AppID: "a0000000-0000-0000-0000-00000000000a", SignInAudience: "AzureADMultipleOrgs"})
			return inv
		}(), Info},
		{"the Entra issuer", "connection-old-issuer", connection(func(*inventory.Connection) {}), ""},
		{"a host that only begins like the old one", "connection-old-issuer", connection(func(c *inventory.Connection) { c.Issuer = "https://vstoken.dev.azure.com.example.org" }), ""},
		{"the old issuer on a connection that does not federate", "connection-old-issuer", connection(func(c *inventory.Connection) {
			c.Scheme = inventory.SchemeManagedIdentity
			c.Issuer = "https://vstoken.dev.azure.com/org"
		}), ""},
		{"a registry's password", "connection-other-secret", connection(func(c *inventory.Connection) { c.Type = "dockerregistry"; c.Scheme = "UsernamePassword" }), Medium},
		{"a publish profile", "connection-other-secret", connection(func(c *inventory.Connection) { c.Scheme = inventory.SchemePublishProfile }), Medium},
		{"a managed identity", "connection-other-secret", connection(func(c *inventory.Connection) { c.Scheme = inventory.SchemeManagedIdentity }), ""},
		{"no authentication", "connection-other-secret", connection(func(c *inventory.Connection) { c.Type = "kubernetes"; c.Scheme = "None" }), ""},
		{"a service that is not Azure's", "connection-other-secret", connection(func(c *inventory.Connection) { c.Type = "jira"; c.Scheme = "Token" }), ""},
		{"a service that is not Azure's has a rule of its own", "connection-service-secret", connection(func(c *inventory.Connection) { c.Type = "jira"; c.Scheme = "Token" }), Low},
		{"an extension's type that is Azure's", "connection-service-secret", connection(func(c *inventory.Connection) { c.Type = "AzureServiceBus"; c.Scheme = "UsernamePassword" }), Medium},
		{"a scheme that nothing is known of", "connection-service-secret", connection(func(c *inventory.Connection) { c.Type = "contoso.deployer"; c.Scheme = "MadeUp" }), Low},
		{"a user and password that can be a service principal's", "connection-service-secret", connection(func(c *inventory.Connection) { c.Type = "generic"; c.Scheme = "UsernamePassword" }), Medium},
		{"a personal access token", "connection-service-secret", connection(func(c *inventory.Connection) { c.Type = "github"; c.Scheme = "Token" }), Low},
		{"a person's authorization", "connection-service-secret", connection(func(c *inventory.Connection) { c.Type = "github"; c.Scheme = "OAuth2" }), Low},
		{"an app that mints its tokens", "connection-service-secret", connection(func(c *inventory.Connection) { c.Type = "github"; c.Scheme = "InstallationToken" }), ""},
		{"an extension's type without a secret", "connection-service-secret", connection(func(c *inventory.Connection) { c.Type = "incomingwebhook"; c.Scheme = "None" }), ""},
		{"an extension's type with a service principal has the other rule", "connection-service-secret", connection(func(c *inventory.Connection) {
			c.Type = "contoso.deployer"
			c.Scheme = inventory.SchemeServicePrincipal
		}), ""},
		{"a registry's password has the other rule", "connection-service-secret", connection(func(c *inventory.Connection) { c.Type = "dockerregistry"; c.Scheme = "UsernamePassword" }), ""},
		{"a registry with a service principal has the other rule", "connection-other-secret", connection(func(c *inventory.Connection) { c.Type = "dockerregistry"; c.Scheme = inventory.SchemeServicePrincipal }), ""},
		{"no use at all", "connection-unused", connection(func(c *inventory.Connection) { c.Uses = nil }), Medium},
		{"last use long ago", "connection-unused", connection(func(c *inventory.Connection) { c.Uses[0].Finished = day(-91) }), Medium},
		{"last use within the limit", "connection-unused", connection(func(c *inventory.Connection) { c.Uses[0].Finished = day(-90) }), ""},
		{"uses could not be read", "connection-unused", connection(func(c *inventory.Connection) { c.Uses = nil; c.UsesKnown = false }), ""},
		{"disabled", "connection-disabled", connection(func(c *inventory.Connection) { c.Disabled = true }), Low},
		{"enabled", "connection-disabled", connection(func(*inventory.Connection) {}), ""},
		{"failed while it was made", "connection-not-ready", connection(func(c *inventory.Connection) { c.Ready, c.State, c.StateMessage = false, "Failed", "no rights" }), Low},
		{"ready", "connection-not-ready", connection(func(*inventory.Connection) {}), ""},
		{"outdated", "connection-outdated", connection(func(c *inventory.Connection) { c.Outdated = true }), Info},
		{"not outdated", "connection-outdated", connection(func(*inventory.Connection) {}), ""},
		{"a subject of names", "connection-named-subject", connection(func(c *inventory.Connection) { c.Subject = "sc://contoso/Shop/prod" }), Low},
		{"a subject of ids", "connection-named-subject", connection(func(c *inventory.Connection) { c.Subject = "/eid1/c/pub/t/x/a/y/sc/o/c" }), ""},
		{"made by Terraform", "connection-terraform", connection(func(c *inventory.Connection) { c.Terraform, c.Scheme = true, inventory.SchemeServicePrincipal }), Medium},
		{"made by Terraform, federated", "connection-terraform", connection(func(c *inventory.Connection) { c.Terraform = true }), ""},
		{"made by Terraform, of a type without the resource", "connection-terraform", connection(func(c *inventory.Connection) {
			c.Terraform, c.Type, c.Scheme = true, "generic", inventory.SchemeServicePrincipal
		}), ""},
		{"agents in a scale set", "connection-agents-in-azure", agents(nil), Info},
		{"agents in a scale set, among others", "connection-agents-in-azure", agents(func(c *inventory.Connection, _ *inventory.AgentPool) {
			c.PipelineUses = append(c.PipelineUses, inventory.PipelineUse{Source: inventory.UseYAML})
		}), Info},
		{"agents nobody knows where", "connection-agents-in-azure", agents(func(_ *inventory.Connection, p *inventory.AgentPool) { p.ScaleSet = "" }), ""},
		{"a pool of that name in another organisation", "connection-agents-in-azure", agents(func(_ *inventory.Connection, p *inventory.AgentPool) { p.Organization = "fabrikam" }), ""},
		{"agents in a scale set, disabled step", "connection-agents-in-azure", agents(func(c *inventory.Connection, _ *inventory.AgentPool) { c.PipelineUses[0].Disabled = true }), ""},
		{"agents in a scale set, perhaps", "connection-agents-in-azure", agents(func(c *inventory.Connection, _ *inventory.AgentPool) { c.PipelineUses[0].Maybe = true }), ""},
		{"agents in a scale set, no credential", "connection-agents-in-azure", agents(func(c *inventory.Connection, _ *inventory.AgentPool) { c.Scheme = inventory.SchemeFederation }), ""},
		{"first use not finished yet", "connection-unused", connection(func(c *inventory.Connection) { c.Uses[0].Finished = time.Time{} }), ""},
	}
}

func loginCases() []ruleCase {
	creds := func(k inventory.Kind) func(*inventory.Login) {
		return func(l *inventory.Login) {
			l.Kind, l.Conversion = k, inventory.ConversionAutomatic
			l.Secrets = []inventory.SecretUse{{Name: "AZURE_CREDENTIALS"}}
		}
	}
	return []ruleCase{
		{"a secret", "login-secret", login(creds(inventory.KindAzureLoginCreds)), High},
		{"a secret in an environment variable", "login-secret", login(creds(inventory.KindTerraformEnv)), High},
		{"already without a secret", "login-secret", login(func(*inventory.Login) {}), ""},
		{"nothing to convert", "login-secret", login(func(l *inventory.Login) { l.Kind = inventory.KindAzureLoginMixed }), ""},
		{"a publish profile has the other rule", "login-secret", login(creds(inventory.KindPublishProfile)), ""},
		{"a publish profile", "login-other-secret", login(creds(inventory.KindPublishProfile)), Medium},
		{"an admin password", "login-other-secret", login(creds(inventory.KindDockerACRAdmin)), Medium},
		{"a deployment token", "login-other-secret", login(creds(inventory.KindStaticWebAppsToken)), Medium},
		{"a connection string", "login-other-secret", login(creds(inventory.KindSQLConnectionString)), Medium},
		{"a storage key", "login-other-secret", login(creds(inventory.KindStorageKey)), Medium},
		{"a cluster's configuration", "login-other-secret", login(creds(inventory.KindK8sSetContext)), Medium},
		{"a service principal's secret has the other rule", "login-other-secret", login(creds(inventory.KindAzureLoginCreds)), ""},
		{"two repositories", "secret-shared", shared("contoso/a", "contoso/b"), Medium},
		{"one repository", "secret-shared", shared("contoso/a"), ""},
		{"two logins in one repository", "secret-shared", shared("contoso/a", "contoso/a"), ""},
		{"a namesake in another organisation", "secret-shared", shared("contoso/a", "fabrikam/b"), ""},
		{"a gap", "not-readable", &inventory.Inventory{ScannedAt: scanned, Gaps: []inventory.Gap{{Source: inventory.SourceGitHub, Object: "repository contoso/a", Message: "502"}}}, Info},
		{"no gap", "not-readable", &inventory.Inventory{ScannedAt: scanned}, ""},
	}
}

func credentialCases() []ruleCase {
	saml := func(usage string, typ inventory.CredentialType) *inventory.Inventory {
		return identity(func(id *inventory.Identity) {
			sign := inventory.Credential{KeyID: "saml", Type: inventory.CredentialCertificate, On: "servicePrincipal", Usage: "Sign", Start: day(-10), End: day(100)}
			other := inventory.Credential{KeyID: "other", Type: typ, On: "servicePrincipal", Usage: usage, Start: day(-10), End: day(100)}
			if typ == inventory.CredentialPassword {
				other.KeyID = "SAML"
			}
			id.Credentials = []inventory.Credential{sign, other}
		})
	}
	used := func(key inventory.KeyID) *inventory.Inventory {
		return identity(func(id *inventory.Identity) {
			c := password("K1")
			c.Start = day(-100)
			id.Credentials = []inventory.Credential{c}
			id.SignIns.SignIns = []inventory.SignIn{{KeyID: key, Time: day(-1)}}
		})
	}
	unnamed := func(kind string) *inventory.Inventory {
		inv := used("")
		inv.Identities[0].SignIns.SignIns[0].CredentialType = kind
		return inv
	}
	two := func(change func(*inventory.Credential)) *inventory.Inventory {
		return identity(func(id *inventory.Identity) {
			second := password("k2")
			change(&second)
			id.Credentials = []inventory.Credential{password("k1"), second}
		})
	}
	return []ruleCase{
		{"ended yesterday", "credential-expired", credential(func(c *inventory.Credential) { c.End = day(-1) }), Low},
		{"ends at the scan", "credential-expired", credential(func(c *inventory.Credential) { c.End = scanned }), Low},
		{"lives", "credential-expired", credential(func(*inventory.Credential) {}), ""},
		{"no end", "credential-expired", credential(func(c *inventory.Credential) { c.End = time.Time{} }), ""},
		{"ends in 30 days", "credential-expiring", credential(func(c *inventory.Credential) { c.End = day(30) }), High},
		{"ends in 31 days", "credential-expiring", credential(func(c *inventory.Credential) { c.End = day(31) }), ""},
		{"already ended", "credential-expiring", credential(func(c *inventory.Credential) { c.End = day(-1) }), ""},
		{"lives 181 days", "credential-long-lived", credential(func(c *inventory.Credential) { c.End = c.Start.AddDate(0, 0, 181) }), Medium},
		{"lives 180 days", "credential-long-lived", credential(func(c *inventory.Credential) { c.End = c.Start.AddDate(0, 0, 180) }), ""},
		{"a certificate may live longer", "credential-long-lived", credential(func(c *inventory.Credential) { c.Type = inventory.CredentialCertificate; c.End = day(700) }), ""},
		{"a long life that is over", "credential-long-lived", credential(func(c *inventory.Credential) { c.Start, c.End = day(-800), day(-1) }), ""},
		{"no sign-in", "credential-unused", credential(func(c *inventory.Credential) { c.Start = day(-100) }), Medium},
		{"a sign-in with another key", "credential-unused", used("k9"), Medium},
		{"a sign-in with this key", "credential-unused", used("k1"), ""},
		{"a sign-in with a secret that the log does not name", "credential-unused", unnamed("clientSecret"), ""},
		{"a sign-in with a certificate that the log does not name", "credential-unused", unnamed("certificate"), Medium},
		{"younger than the log", "credential-unused", credential(func(*inventory.Credential) {}), ""},
		{"the log could not be read", "credential-unused", identity(func(id *inventory.Identity) {
			c := password("k1")
			c.Start = day(-100)
			id.Credentials, id.SignIns = []inventory.Credential{c}, inventory.SignInEvidence{Reason: "no licence"}
		}), ""},
		{"two live secrets", "credential-several", two(func(*inventory.Credential) {}), Low},
		{"one of two has expired", "credential-several", two(func(c *inventory.Credential) { c.End = day(-1) }), ""},
		{"a secret and a certificate", "credential-several", two(func(c *inventory.Credential) { c.Type = inventory.CredentialCertificate }), ""},
		{"a password on the service principal", "credential-on-service-principal", credential(func(c *inventory.Credential) { c.On = "servicePrincipal" }), Medium},
		{"a password on the application", "credential-on-service-principal", credential(func(*inventory.Credential) {}), ""},
		{"a certificate beside the one for SAML", "credential-on-service-principal", identity(func(id *inventory.Identity) {
			id.Credentials = []inventory.Credential{
				{KeyID: "saml", Type: inventory.CredentialCertificate, On: "servicePrincipal", Usage: "Sign", Start: day(-10), End: day(100)},
				{KeyID: "login", Type: inventory.CredentialCertificate, On: "servicePrincipal", Usage: "Verify", Start: day(-5), End: day(90)},
			}
		}), Medium},
		{"the public half of the SAML key", "credential-on-service-principal", saml("Verify", inventory.CredentialCertificate), ""},
		{"the password that protects the SAML key", "credential-on-service-principal", saml("", inventory.CredentialPassword), ""},
	}
}

func identityCases() []ruleCase {
	with := func(roles ...inventory.RoleAssignment) *inventory.Inventory {
		return identity(func(id *inventory.Identity) {
			id.Credentials, id.Roles = []inventory.Credential{password("k1")}, roles
		})
	}
	subject := func(s string) inventory.FederatedCredential { return inventory.FederatedCredential{Subject: s} }
	flexible := func(s string) inventory.FederatedCredential {
		return inventory.FederatedCredential{Expression: s}
	}
	return []ruleCase{
		{"owner of a subscription", "identity-privileged", with(owner), Critical},
		{"access administrator of a management group", "identity-privileged", with(inventory.RoleAssignment{Role: "user access administrator", Scope: "/providers/Microsoft.Management/managementGroups/root"}), Critical},
		{"contributor at the root", "identity-privileged", with(inventory.RoleAssignment{Role: "Contributor", Scope: "/"}), Critical},
		{"owner of a resource group", "identity-privileged", with(inventory.RoleAssignment{Role: "Owner", Scope: resourceGroup}), ""},
		{"reader of a subscription", "identity-privileged", with(inventory.RoleAssignment{Role: "Reader", Scope: subscription}), ""},
		{"owner without a secret", "identity-privileged", identity(func(id *inventory.Identity) { id.Roles = []inventory.RoleAssignment{owner} }), ""},
		{"owner with a certificate", "identity-privileged", identity(func(id *inventory.Identity) {
			c := password("k1")
			c.Type = inventory.CredentialCertificate
			id.Credentials, id.Roles = []inventory.Credential{c}, []inventory.RoleAssignment{owner}
		}), Critical},
		{"owner whose secret has expired", "identity-privileged", identity(func(id *inventory.Identity) {
			c := password("k1")
			c.End = day(-1)
			id.Credentials, id.Roles = []inventory.Credential{c}, []inventory.RoleAssignment{owner}
		}), ""},
		{"pull requests, privileged", "trust-pull-request", trust(subject("repo:contoso@1/shop@2:pull_request"), owner), High},
		{"pull requests, not privileged", "trust-pull-request", trust(subject("repo:contoso@1/shop@2:pull_request")), Low},
		{"pull requests, roles not known", "trust-pull-request", identity(func(id *inventory.Identity) {
			id.RolesKnown = false
			id.FederatedCredentials = []inventory.FederatedCredential{subject("repo:contoso/shop:pull_request")}
		}), Medium},
		{"a branch", "trust-pull-request", trust(subject("repo:contoso/shop:ref:refs/heads/main"), owner), ""},
		{"a branch with a tempting name", "trust-pull-request", trust(subject("repo:contoso/shop:ref:refs/heads/x-pull_request"), owner), ""},
		{"any context, by expression", "trust-pull-request", trust(flexible("claims['sub'] matches 'repo:contoso/shop:*'"), owner), High},
		{"any repository and context, by expression", "trust-pull-request", trust(flexible("claims['sub'] matches 'repo:contoso/*'"), owner), High},
		{"branches, by expression", "trust-pull-request", trust(flexible("claims['sub'] matches 'repo:contoso/shop:ref:refs/heads/*'"), owner), ""},
		{"by name", "trust-mutable-subject", trust(subject("repo:contoso/shop:environment:prod")), Low},
		{"by name, by expression", "trust-mutable-subject", trust(flexible("claims['sub'] matches 'repo:contoso/shop:ref:refs/heads/*'")), Low},
		{"by id", "trust-mutable-subject", trust(subject("repo:contoso@1/shop@2:environment:prod")), ""},
		{"an at sign after the name", "trust-mutable-subject", trust(subject("repo:contoso/shop:ref:refs/heads/me@home")), Low},
		{"by name and the repository's id, by expression", "trust-mutable-subject", trust(flexible("claims['sub'] matches 'repo:contoso/shop:*' and claims['repository_id'] eq '2'")), ""},
		{"the name before a rename is trusted", "login-not-trusted", federated("repo:contoso/shop-old:ref:refs/heads/main"), High},
		{"nothing is trusted", "login-not-trusted", federated(), High},
		{"what runs is trusted", "login-not-trusted", federated("repo:contoso/shop:ref:refs/heads/main"), ""},
		{"left after an update", "trust-old-issuer", oldTrust(true, inventory.Connection{Organization: "contoso", Readable: true, Issuer: "https://login.microsoftonline.com/t/v2.0"}), Low},
		{"still presented", "trust-old-issuer", oldTrust(true, inventory.Connection{Organization: "contoso", Readable: true, Issuer: "https://vstoken.dev.azure.com/o1", Subject: "sc://contoso/Shop/prod"}), ""},
		{"a connection that cannot be read may present it", "trust-old-issuer", oldTrust(true, inventory.Connection{Organization: "contoso"}), ""},
		{"a project whose connections cannot be read may have it", "trust-old-issuer", unreadProject(oldTrust(true)), ""},
		{"an organisation that was not scanned", "trust-old-issuer", oldTrust(false), ""},
		{"a connection's subject", "trust-mutable-subject", trust(subject("sc://contoso/Shop/prod")), ""},
	}
}

func TestEachRuleIsBrokenAndKept(t *testing.T) {
	cases := slices.Concat(connectionCases(), loginCases(), credentialCases(), identityCases(), pipelineCases())
	broken, kept := map[string]bool{}, map[string]bool{}
	for _, c := range cases {
		t.Run(c.rule+"/"+c.name, func(t *testing.T) {
			var got []Finding
			for _, f := range Evaluate(c.inv, Config{}) {
				if f.Rule == c.rule {
					got = append(got, f)
				}
			}
			checkCase(t, c, got)
		})
		if c.severity == "" {
			kept[c.rule] = true
		} else {
			broken[c.rule] = true
		}
	}
	for _, r := range Rules() {
		if !broken[r.ID] || !kept[r.ID] {
			t.Errorf("rule %s: the table breaks it: %v, keeps it: %v", r.ID, broken[r.ID], kept[r.ID])
		}
	}
}

func checkCase(t *testing.T, c ruleCase, got []Finding) {
	t.Helper()
	if c.severity == "" {
		if len(got) > 0 {
			t.Fatalf("found although the rule is kept: %s", got[0].Message)
		}
		return
	}
	if len(got) != 1 {
		t.Fatalf("%d findings, want 1", len(got))
	}
	f := got[0]
	if f.Severity != c.severity || f.Object == "" || f.Message == "" || len(f.Fingerprint) != 32 || len(f.Remedy) == 0 {
		t.Errorf("severity %s (want %s), or a field that a reader needs is missing: %+v", f.Severity, c.severity, f)
	}
}

func TestRulesSayWhatAReaderNeeds(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] || r.Name == "" || r.Text == "" || r.Severity.rank() < 0 || len(r.Remedy) == 0 || r.check == nil {
			t.Errorf("rule %q is a second one of its id or lacks a name, text, severity, remedy or check", r.ID)
		}
		seen[r.ID] = true
		if len(r.References) == 0 && r.ID != "not-readable" {
			t.Errorf("rule %s cites nothing", r.ID)
		}
	}
}
