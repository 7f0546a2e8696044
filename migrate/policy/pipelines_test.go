package policy

import "github.com/unsecret-dev/unsecret/migrate/inventory"

func pipelines(change func(*inventory.Inventory)) *inventory.Inventory {
	inv := connection(func(*inventory.Connection) {})
	change(inv)
	return inv
}

func kept(kind, name string, change func(*inventory.PipelineSecret)) *inventory.Inventory {
	return pipelines(func(inv *inventory.Inventory) {
		s := inventory.PipelineSecret{PipelinePlace: inventory.PipelinePlace{Organization: "contoso", Project: "Shop", Pipeline: "ship"}, Kind: kind, Name: name, Reason: "its name says so"}
		if change != nil {
			change(&s)
		}
		inv.PipelineSecrets = []inventory.PipelineSecret{s}
	})
}

// incompatible is a connection with a key that an old task uses.
func incompatible(change func(*inventory.Connection, *inventory.Concern)) *inventory.Inventory {
	return connection(func(c *inventory.Connection) {
		c.Scheme = inventory.SchemeServicePrincipal
		n := inventory.Concern{PipelinePlace: inventory.PipelinePlace{Organization: "contoso", Project: "Shop", Pipeline: "ship"}, Severity: inventory.ConcernBlocker, Rule: "task-newer-major", Task: "AzureFileCopy@4", Message: "too old", Remedy: "use AzureFileCopy@6"}
		change(c, &n)
		c.Concerns = []inventory.Concern{n}
	})
}

func pipelineCases() []ruleCase {
	none := pipelines(func(*inventory.Inventory) {})
	return []ruleCase{
		{"a variable", "pipeline-secret", kept(inventory.PipelineSecretVariable, "ARM_CLIENT_SECRET", nil), High},
		{"a variable group", "pipeline-secret", kept(inventory.PipelineSecretGroup, "AZURE_CLIENT_SECRET", nil), High},
		{"a script", "pipeline-secret", kept(inventory.PipelineSecretScript, "az login", func(s *inventory.PipelineSecret) { s.Variables = []string{"password"} }), High},
		{"the value in the text", "pipeline-secret", kept(inventory.PipelineSecretScript, "az login", func(s *inventory.PipelineSecret) { s.Literal = true }), Critical},
		{"a key vault's group", "pipeline-secret", kept(inventory.PipelineSecretVault, "vault", nil), ""},
		{"a key", "pipeline-secure-file", kept(inventory.PipelineSecretSecureFile, "deployer.pfx", nil), Medium},
		{"nothing", "pipeline-secure-file", none, ""},
		{"a key vault's group", "pipeline-key-vault", kept(inventory.PipelineSecretVault, "vault", nil), Info},
		{"a plain group", "pipeline-key-vault", kept(inventory.PipelineSecretGroup, "ARM_CLIENT_SECRET", nil), ""},
		{"an old task", "pipeline-incompatible", incompatible(func(*inventory.Connection, *inventory.Concern) {}), Medium},
		{"a warning", "pipeline-incompatible", incompatible(func(_ *inventory.Connection, n *inventory.Concern) { n.Severity = inventory.ConcernWarning }), ""},
		{"a step that does not run", "pipeline-incompatible", incompatible(func(_ *inventory.Connection, n *inventory.Concern) { n.Disabled = true }), ""},
		{"converted already", "pipeline-incompatible", incompatible(func(c *inventory.Connection, _ *inventory.Concern) { c.Scheme = inventory.SchemeFederation }), ""},
		{"an expression", "pipeline-unresolved", pipelines(func(inv *inventory.Inventory) {
			inv.Unresolved = []inventory.UnresolvedUse{{Expression: "$(connection)", Known: []string{"a", "b"}, Reason: "a variable"}}
		}), Info},
		{"a name", "pipeline-unresolved", none, ""},
	}
}
