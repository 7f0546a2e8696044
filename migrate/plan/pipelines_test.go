package plan

import (
	"fmt"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

var scannedAt = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

func place(pipeline, step string) inventory.PipelinePlace {
	return inventory.PipelinePlace{Organization: "contoso", Project: "Shop", Pipeline: pipeline, Repository: "Shop/site", File: "azure-pipelines.yml", Line: 7, Step: step}
}

func concern(severity, rule string) inventory.Concern {
	return inventory.Concern{PipelinePlace: place("ship", "copy"), Severity: severity, Rule: rule, Task: "AzureFileCopy@4", Message: "this version of the task does not support workload identity federation", Remedy: "use AzureFileCopy@6"}
}

// usedYesterday is a connection that ran yesterday, in an organisation whose pipelines are all known.
func usedYesterday(inv *inventory.Inventory) *inventory.Connection {
	inv.ScannedAt = scannedAt
	c := &inv.Connections[0]
	c.UsesKnown, c.PipelinesKnown = true, true
	c.Uses = []inventory.Execution{{Project: "Shop", PlanType: "Build", DefinitionID: 1, Definition: "ship", Result: "succeeded", Finished: scannedAt.AddDate(0, 0, -1)}}
	return c
}

// oldIssuer makes the connection a federated one on the issuer that retires, and leaves nothing else.
func oldIssuer(inv *inventory.Inventory, cfg *Config) *inventory.Connection {
	inv.Logins, inv.Secrets, cfg.Mapping = nil, nil, nil
	c := usedYesterday(inv)
	c.Scheme, c.AuthenticationType = inventory.SchemeFederation, ""
	c.Issuer, c.Subject = "https://vstoken.dev.azure.com/e08e523c-54da-4401-8fb6-e1439b52cc97", "sc://contoso/Shop/production"
	inv.Identities[0].FederatedCredentials = []inventory.FederatedCredential{{ID: "f", Name: string(conn1), Issuer: c.Issuer, Subject: c.Subject, Audience: "api://AzureADTokenExchange"}}
	return c
}

// movedIssuer is a connection that is on Entra's issuer by now, whose application still trusts a subject of the old one.
func movedIssuer(inv *inventory.Inventory, cfg *Config, subject string) *inventory.Connection {
	c := oldIssuer(inv, cfg)
	old := &inv.Identities[0].FederatedCredentials[0]
	old.Subject, old.Description = subject, "made by hand"
	c.Issuer = "https://login.microsoftonline.com/" + string(tenant) + "/v2.0"
	c.Subject = "/eid1/c/pub/t/kTVPf2xfe0-hvQot2IMSGA/a/rISbSSETf0KqFyZ8ppdXmA/sc/e08e523c-54da-4401-8fb6-e1439b52cc97/" + string(conn1)
	inv.Identities[0].FederatedCredentials = append(inv.Identities[0].FederatedCredentials, inventory.FederatedCredential{ID: "g", Name: "entra", Issuer: c.Issuer, Subject: c.Subject, Audience: "api://AzureADTokenExchange"})
	return c
}

// unreadable adds a connection that could not be read.
func unreadable(inv *inventory.Inventory) {
	hidden := azurerm(conn2, "hidden", "")
	hidden.Readable = false
	inv.Connections = append(inv.Connections, hidden)
}

// recreated is a connection to a registry that two places of one file name, and in whose place another one is to be made.
func recreated(inv *inventory.Inventory, cfg *Config) *inventory.Connection {
	c := usedYesterday(inv)
	c.Type, c.LoginServer = "dockerregistry", "contoso.azurecr.io"
	cfg.Connections.Registry = ConnectionsRecreate
	use := inventory.PipelineUse{PipelinePlace: place("ship", "push"), Source: inventory.UseYAML, Input: "containerRegistry", As: "$(acr)",
		Texts: []inventory.NameText{{Repository: "Shop/site", File: "azure-pipelines.yml", Line: 3, Column: 8, Name: "production"}}}
	again := use
	again.Line, again.Step = 12, "push again"
	c.PipelineUses = []inventory.PipelineUse{use, again}
	inv.PipelineRepositories = []inventory.PipelineRepository{{Organization: "contoso", Name: inventory.AzureReposName("contoso", "Shop", "site"), Place: "Shop/site", ID: "r", DefaultBranch: "main",
		Files: []inventory.File{{Path: "azure-pipelines.yml", OID: "1"}}}}
	return c
}

// replacedBefore is one in whose place another one was made by an earlier plan.
func replacedBefore(inv *inventory.Inventory, cfg *Config) *inventory.Connection {
	c := recreated(inv, cfg)
	made := *c
	made.ID, made.Name, made.Scheme, made.Replaces = conn2, "production-federated", inventory.SchemeFederation, c.ID
	made.Issuer, made.Subject = "https://login.microsoftonline.com/"+string(tenant)+"/v2.0", "/eid1/of/the/new/one"
	made.Projects = []inventory.ConnectionProject{{ID: c.Projects[0].ID, Name: c.Projects[0].Name, As: "production-federated"}}
	made.PipelineUses = nil
	inv.Connections = append(inv.Connections, made)
	return &inv.Connections[0]
}

var pipelineCases = map[string]edit{
	"connection-incompatible-task": func(inv *inventory.Inventory, _ *Config) {
		usedYesterday(inv).Concerns = []inventory.Concern{concern(inventory.ConcernBlocker, "task-newer-major"), concern(inventory.ConcernWarning, "token-lifetime")}
	},
	"connection-incompatible-task-accepted": func(inv *inventory.Inventory, c *Config) {
		usedYesterday(inv).Concerns = []inventory.Concern{concern(inventory.ConcernBlocker, "task-newer-major"), concern(inventory.ConcernWarning, "token-lifetime")}
		c.Connections.Accept = []AcceptedConcern{{Rule: "task-newer-major", Connection: "prod*", Pipeline: "Shop/*", Reason: "the step is skipped"}}
	},
	"connection-incompatible-step-disabled": func(inv *inventory.Inventory, _ *Config) {
		n := concern(inventory.ConcernBlocker, "task-newer-major")
		n.Disabled = true
		usedYesterday(inv).Concerns = []inventory.Concern{n}
	},
	"connection-unused": func(inv *inventory.Inventory, _ *Config) { usedYesterday(inv).Uses = nil },
	"connection-idle": func(inv *inventory.Inventory, _ *Config) {
		busy := azurerm(conn2, "busy", appB)
		busy.Uses = usedYesterday(inv).Uses
		inv.Connections[0].Uses = []inventory.Execution{{Project: "Shop", PlanType: "Build", Definition: "ship", Finished: scannedAt.AddDate(0, 0, -92)}}
		inv.Connections = append(inv.Connections, busy)
	},
	"connection-idle-but-named": func(inv *inventory.Inventory, _ *Config) {
		c := usedYesterday(inv)
		c.Uses = nil
		c.PipelineUses = []inventory.PipelineUse{{PipelinePlace: place("ship", "deploy"), Source: inventory.UseYAML}}
	},
	"connection-idle-but-named-in-a-disabled-step": func(inv *inventory.Inventory, _ *Config) {
		c := usedYesterday(inv)
		c.Uses = nil
		c.PipelineUses = []inventory.PipelineUse{{PipelinePlace: place("ship", "deploy"), Source: inventory.UseYAML, Disabled: true}}
	},
	"connection-idle-as-far-as-known": func(inv *inventory.Inventory, _ *Config) {
		c := usedYesterday(inv)
		c.Uses, c.PipelinesKnown = nil, false
	},
	"connection-unused-migrated-all-the-same": func(inv *inventory.Inventory, c *Config) {
		usedYesterday(inv).Uses = nil
		c.Connections.UnusedDays = -1
	},
	"connection-certificate-left": func(inv *inventory.Inventory, c *Config) {
		usedYesterday(inv).AuthenticationType = "spnCertificate"
		c.Connections.Certificates = ConnectionsLeave
	},
	"connection-registry-converted": func(inv *inventory.Inventory, c *Config) {
		usedYesterday(inv).Type = "dockerregistry"
		c.Connections.Registry = ConnectionsConvert
	},
	"connection-registry-replaced-by-hand": func(inv *inventory.Inventory, _ *Config) {
		c := usedYesterday(inv)
		c.Type, c.LoginServer, c.PipelinesKnown = "dockerregistry", "contoso.azurecr.io", true
		inv.Pipelines = []inventory.Pipeline{{Organization: c.Organization, Project: "Shop", Kind: inventory.UseYAML, ID: 7, Name: "ship"}}
		c.Permissions = []inventory.ConnectionPermission{{Project: "Shop", Pipelines: []int{7, 8}}, {Project: "Store", AllPipelines: true}}
		c.Checks = []inventory.ConnectionCheck{{Project: "Shop", ID: 3, Type: "Approval"}}
		at := func(name, source, input string, maybe bool) inventory.PipelineUse {
			return inventory.PipelineUse{PipelinePlace: place(name, "push"), Source: source, Input: input, Maybe: maybe}
		}
		c.PipelineUses = []inventory.PipelineUse{at("ship", inventory.UseYAML, "containerRegistry", false), at("ship", inventory.UseYAML, "containerRegistry", false),
			at("perhaps", inventory.UseYAML, "containerRegistry", true), at("old", inventory.UseClassic, "containerRegistry", false)}
		for i := range 9 {
			c.PipelineUses = append(c.PipelineUses, at(fmt.Sprintf("more-%d", i), inventory.UseYAML, "", false))
		}
	},
	"connection-registry-recreated": func(inv *inventory.Inventory, c *Config) { recreated(inv, c) },
	"connection-registry-recreated-named-by-hand": func(inv *inventory.Inventory, c *Config) {
		r := recreated(inv, c)
		r.PipelinesKnown = false
		computed := r.PipelineUses[0]
		computed.Line, computed.Texts = 30, []inventory.NameText{{Name: "production"}}
		r.PipelineUses = append(r.PipelineUses, computed,
			inventory.PipelineUse{PipelinePlace: place("old", "push"), Source: inventory.UseClassic, Input: "containerRegistry"},
			inventory.PipelineUse{PipelinePlace: place("perhaps", "push"), Source: inventory.UseYAML, Input: "containerRegistry", Maybe: true})
	},
	"connection-registry-recreated-names-accepted": func(inv *inventory.Inventory, c *Config) {
		recreated(inv, c).PipelinesKnown = false
		c.Connections.Accept = []AcceptedConcern{{Rule: RuleNamesUnknown, Connection: "production"}}
		c.Connections.RecreateSuffix = ".federated"
	},
	"connection-registry-recreated-text-of-two": func(inv *inventory.Inventory, c *Config) {
		r := recreated(inv, c)
		other := azurerm(conn2, "other", appB)
		other.PipelineUses = r.PipelineUses[:1]
		inv.Connections = append(inv.Connections, other)
	},
	"connection-registry-recreated-pipelines-reported": func(inv *inventory.Inventory, c *Config) {
		recreated(inv, c)
		c.Connections.Pipelines = ConnectionsReport
	},
	"connection-registry-name-taken": func(inv *inventory.Inventory, c *Config) {
		recreated(inv, c)
		inv.Connections = append(inv.Connections, azurerm(conn2, "Production-WIF", appB))
	},
	"connection-registry-recreated-before": func(inv *inventory.Inventory, c *Config) { replacedBefore(inv, c).PipelineUses = nil },
	"connection-registry-recreated-and-revoked": func(inv *inventory.Inventory, c *Config) {
		r := replacedBefore(inv, c)
		r.PipelineUses, r.Disabled = nil, true
	},
	"secret-in-a-variable-group": func(inv *inventory.Inventory, _ *Config) {
		usedYesterday(inv)
		inv.PipelineSecrets = []inventory.PipelineSecret{{PipelinePlace: place("common", ""), Kind: inventory.PipelineSecretGroup, Name: "ARM_CLIENT_SECRET", AppID: appA, Reason: "its name says so"}}
	},
	"issuer":          func(inv *inventory.Inventory, c *Config) { oldIssuer(inv, c) },
	"issuer-reported": func(inv *inventory.Inventory, c *Config) { oldIssuer(inv, c); c.Connections.Issuer = ConnectionsReport },
	"issuer-reported-multi-tenant": func(inv *inventory.Inventory, c *Config) {
		oldIssuer(inv, c)
		c.Connections.Issuer, inv.Identities[0].SignInAudience = ConnectionsReport, "AzureADMultipleOrgs"
	},
	"issuer-trusted-already": func(inv *inventory.Inventory, c *Config) {
		oldIssuer(inv, c)
		inv.Identities[0].FederatedCredentials = append(inv.Identities[0].FederatedCredentials, inventory.FederatedCredential{ID: "g", Name: "entra",
			Issuer:   "https://login.microsoftonline.com/" + string(tenant) + "/v2.0",
			Subject:  "/eid1/c/pub/t/kTVPf2xfe0-hvQot2IMSGA/a/rISbSSETf0KqFyZ8ppdXmA/sc/e08e523c-54da-4401-8fb6-e1439b52cc97/" + string(conn1),
			Audience: "api://AzureADTokenExchange"})
	},
	"issuer-multi-tenant": func(inv *inventory.Inventory, c *Config) {
		oldIssuer(inv, c)
		inv.Identities[0].SignInAudience = "AzureADMultipleOrgs"
	},
	"issuer-sovereign": func(inv *inventory.Inventory, c *Config) { oldIssuer(inv, c).Cloud = "AzureUSGovernment" },
	"issuer-unknown-application": func(inv *inventory.Inventory, c *Config) {
		oldIssuer(inv, c)
		inv.Identities = nil
	},
	"issuer-too-many": func(inv *inventory.Inventory, c *Config) {
		oldIssuer(inv, c)
		for i := range 19 {
			inv.Identities[0].FederatedCredentials = append(inv.Identities[0].FederatedCredentials,
				inventory.FederatedCredential{Name: string(rune('a' + i)), Issuer: "https://example.com", Subject: string(rune('a' + i)), Audience: "api://AzureADTokenExchange"})
		}
	},
	"issuer-too-many-with-what-is-left": func(inv *inventory.Inventory, c *Config) {
		oldIssuer(inv, c)
		left := inv.Identities[0].FederatedCredentials[0]
		left.ID, left.Name, left.Subject = "left", "left", "sc://contoso/Shop/gone"
		inv.Identities[0].FederatedCredentials = append(inv.Identities[0].FederatedCredentials, left)
		for i := range 18 {
			inv.Identities[0].FederatedCredentials = append(inv.Identities[0].FederatedCredentials,
				inventory.FederatedCredential{Name: string(rune('a' + i)), Issuer: "https://example.com", Subject: string(rune('a' + i)), Audience: "api://AzureADTokenExchange"})
		}
	},
	"issuer-old-trust-kept": func(inv *inventory.Inventory, c *Config) { oldIssuer(inv, c); c.KeepOldSecrets = true },
	"issuer-old-trust-excluded": func(inv *inventory.Inventory, c *Config) {
		oldIssuer(inv, c)
		c.Exclude = []Exclusion{{Credential: "f", Reason: "asked for"}}
	},
	"issuer-older-host": func(inv *inventory.Inventory, c *Config) {
		conn := oldIssuer(inv, c)
		conn.Issuer = "https://app.vstoken.visualstudio.com"
		inv.Identities[0].FederatedCredentials[0].Issuer = conn.Issuer
	},
	"issuer-left": func(inv *inventory.Inventory, c *Config) { movedIssuer(inv, c, "sc://contoso/Shop/production") },
	"issuer-left-of-the-older-host": func(inv *inventory.Inventory, c *Config) {
		movedIssuer(inv, c, "sc://contoso/Shop/production")
		inv.Identities[0].FederatedCredentials[0].Issuer = "https://app.vstoken.visualstudio.com"
	},
	"issuer-left-renamed": func(inv *inventory.Inventory, c *Config) { movedIssuer(inv, c, "sc://contoso/Shop/before") },
	"issuer-left-where-one-cannot-be-read": func(inv *inventory.Inventory, c *Config) {
		movedIssuer(inv, c, "sc://contoso/Shop/production")
		unreadable(inv)
	},
	"issuer-left-renamed-where-one-cannot-be-read": func(inv *inventory.Inventory, c *Config) {
		movedIssuer(inv, c, "sc://contoso/Shop/before")
		unreadable(inv)
	},
	"issuer-left-of-another-organisation": func(inv *inventory.Inventory, c *Config) {
		movedIssuer(inv, c, "sc://contoso/Shop/production")
		inv.Identities[0].FederatedCredentials[0].Issuer = "https://vstoken.dev.azure.com/00000000-0000-4000-8000-000000000000"
	},
	"issuer-left-for-one-not-converted": func(inv *inventory.Inventory, c *Config) {
		movedIssuer(inv, c, "sc://contoso/Shop/old")
		second := azurerm(conn2, "old", appA)
		second.Uses, second.UsesKnown = inv.Connections[0].Uses, true
		inv.Connections = append(inv.Connections, second)
	},
	"issuer-left-multi-tenant": func(inv *inventory.Inventory, c *Config) {
		movedIssuer(inv, c, "sc://contoso/Shop/production")
		inv.Identities[0].SignInAudience = "AzureADMultipleOrgs"
	},
	"issuer-left-sovereign": func(inv *inventory.Inventory, c *Config) {
		movedIssuer(inv, c, "sc://contoso/Shop/production").Cloud = "AzureUSGovernment"
	},
	"issuer-left-excluded": func(inv *inventory.Inventory, c *Config) {
		movedIssuer(inv, c, "sc://contoso/Shop/production")
		c.Exclude = []Exclusion{{Connection: "production"}}
	},
	"issuer-left-other-subject": func(inv *inventory.Inventory, c *Config) { movedIssuer(inv, c, "p://contoso/Shop/pipeline") },
	"issuer-beside-a-secret": func(inv *inventory.Inventory, c *Config) {
		second := azurerm(conn2, "old", appA)
		oldIssuer(inv, c)
		second.Uses, second.UsesKnown = inv.Connections[0].Uses, true
		inv.Connections = append(inv.Connections, second)
	},
}

func init() {
	for name, change := range pipelineCases {
		cases[name] = change
	}
}
