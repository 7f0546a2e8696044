package inventory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

func TestEverySecretOfAPipelineHasItsExactSteps(t *testing.T) {
	const app = "aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb"
	at := func(pipeline string, id int, edit func(*inventory.PipelineSecret)) inventory.PipelineSecret {
		s := inventory.PipelineSecret{PipelinePlace: inventory.PipelinePlace{Organization: "contoso", Project: "Shop", Pipeline: pipeline, DefinitionID: id}, Name: "ARM_CLIENT_SECRET", AppID: app}
		edit(&s)
		return s
	}
	group := at("terraform", 7, func(s *inventory.PipelineSecret) { s.Kind = inventory.PipelineSecretGroup })
	reader := at("deploy", 3, func(s *inventory.PipelineSecret) {
		s.Kind, s.Use, s.File, s.Line, s.Variables, s.AppID = inventory.PipelineSecretScript, "env", "azure-pipelines.yml", 12, []string{"ARM_CLIENT_SECRET"}, ""
	})
	inv := &inventory.Inventory{
		PipelineSecrets: []inventory.PipelineSecret{group, reader},
		Pipelines:       []inventory.Pipeline{{Organization: "contoso", Project: "Shop", Kind: inventory.UseRelease, ID: 4, Name: "ship"}},
		Connections: []inventory.Connection{
			{Organization: "contoso", ID: "1", Name: "with-key", Type: "azurerm", Scheme: inventory.SchemeServicePrincipal, AppID: app, Projects: []inventory.ConnectionProject{{Name: "Shop"}}},
			{Organization: "contoso", ID: "2", Name: "federated", Type: "azurerm", Scheme: inventory.SchemeFederation, AppID: app, Projects: []inventory.ConnectionProject{{Name: "shop", As: "azure-shop"}}},
			{Organization: "contoso", ID: "3", Name: "elsewhere", Type: "azurerm", Scheme: inventory.SchemeFederation, AppID: app, Projects: []inventory.ConnectionProject{{Name: "Other"}}},
		},
	}
	withKey := &inventory.Inventory{Connections: inv.Connections[:1]}
	for name, c := range map[string]struct {
		inv  *inventory.Inventory
		s    inventory.PipelineSecret
		says []string
	}{
		"a variable group": {inv, group, []string{"use the service connection azure-shop", "without a secret", "Shop/deploy (azure-pipelines.yml:12)", "- task: AzureCLI@2, inputs: {azureSubscription: azure-shop, ",
			"addSpnToEnvironment: true", "ARM_USE_OIDC=true", `az pipelines variable-group variable delete --group-id 7 --name "ARM_CLIENT_SECRET" --organization https://dev.azure.com/contoso --project "Shop"`, "scan again"}},
		"a group with a connection that has a key": {withKey, group, []string{"use the service connection with-key", "let the plan convert it", "none was found in what was read"}},
		"a group of nobody": {&inventory.Inventory{}, at("g", 7, func(s *inventory.PipelineSecret) { s.Kind, s.AppID = inventory.PipelineSecretGroup, "" }),
			[]string{"find out whose secret it is", "make a service connection for that application in project Shop", "azureSubscription: <the connection>"}},
		"an application without a connection": {&inventory.Inventory{}, group, []string{"make a service connection in project Shop", "application " + app}},
		"a variable of a classic pipeline": {inv, at("classic", 9, func(s *inventory.PipelineSecret) { s.Kind = inventory.PipelineSecretVariable }),
			[]string{`az pipelines variable delete --pipeline-id 9 --name "ARM_CLIENT_SECRET"`, "https://dev.azure.com/contoso/Shop/_build?definitionId=9, Edit, Variables"}},
		"a variable of a release": {inv, at("ship", 4, func(s *inventory.PipelineSecret) { s.Kind = inventory.PipelineSecretVariable }),
			[]string{"release pipeline ship", "https://dev.azure.com/contoso/Shop/_release?definitionId=4, Edit, Variables"}},
		"a project with a name that an address cannot have": {inv, at("classic", 9, func(s *inventory.PipelineSecret) {
			s.Kind, s.Project = inventory.PipelineSecretVariable, "Shop 100%/ü?"
		}),
			[]string{"https://dev.azure.com/contoso/Shop%20100%25%2F%C3%BC%3F/_build?definitionId=9, Edit, Variables"}},
		"a variable in a text": {inv, at("deploy", 3, func(s *inventory.PipelineSecret) {
			s.Kind, s.File, s.Line, s.Variables = inventory.PipelineSecretVariable, "azure-pipelines.yml", 2, []string{"secretOfVault"}
		}), []string{"delete the variable ARM_CLIENT_SECRET from the text", "secretOfVault"}},
		"a sign-in in a script": {inv, at("deploy", 3, func(s *inventory.PipelineSecret) {
			s.Kind, s.Use, s.Name, s.Variables = inventory.PipelineSecretScript, "login", "az login", []string{"password"}
		}), []string{"run the script in AzureCLI@2 without its sign-in", "without the line of az login", "delete the variables that it read, when nothing else reads them: password"}},
		"a sign-in in PowerShell": {inv, at("deploy", 3, func(s *inventory.PipelineSecret) {
			s.Kind, s.Use, s.Name = inventory.PipelineSecretScript, "login", "Connect-AzAccount"
		}), []string{"AzurePowerShell@5", "azureSubscription: azure-shop", "azurePowerShellVersion: LatestVersion"}},
		"a task's input": {inv, at("deploy", 3, func(s *inventory.PipelineSecret) {
			s.Kind, s.Use, s.Name = inventory.PipelineSecretScript, "input", "servicePrincipalKey"
		}), []string{"azureSubscription: azure-shop) in place of the input servicePrincipalKey"}},
		"an SDK's variable": {inv, at("deploy", 3, func(s *inventory.PipelineSecret) {
			s.Kind, s.Use, s.Name = inventory.PipelineSecretScript, "env", "AZURE_CLIENT_SECRET"
		}), []string{"DefaultAzureCredential", "azureSubscription: azure-shop"}},
		"a value in the text": {inv, at("deploy", 3, func(s *inventory.PipelineSecret) {
			s.Kind, s.Use, s.Literal = inventory.PipelineSecretScript, "env", true
		}), []string{"take the value out of the text", "the text's history keeps it"}},
		"a secure file": {inv, at("library", 0, func(s *inventory.PipelineSecret) { s.Kind, s.Name = inventory.PipelineSecretSecureFile, "deployer.pfx" }),
			[]string{"DownloadSecureFile@1", "_library?itemType=SecureFiles"}},
		"a key vault": {inv, at("secrets", 1, func(s *inventory.PipelineSecret) { s.Kind, s.Vault = inventory.PipelineSecretVault, "kv" }), []string{"key vault kv"}},
	} {
		steps := c.inv.SecretSteps(c.s)
		text := strings.Join(steps, "\n")
		for _, part := range c.says {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q is not said:\n%s", name, part, text)
			}
		}
		if slices.Contains(steps, "") {
			t.Errorf("%s: an empty step: %q", name, steps)
		}
	}
}

func TestANameFromOutsideIsNoPartOfACommandThatAShellCouldMisread(t *testing.T) {
	for _, name := range []string{`x" ; curl evil #`, "$(curl evil)", "`curl evil`", `a\b`, "a!b", "%PATH%", "a'b", "a\nb"} {
		s := inventory.PipelineSecret{PipelinePlace: inventory.PipelinePlace{Organization: "contoso", Project: name, Pipeline: "g", DefinitionID: 7}, Kind: inventory.PipelineSecretGroup, Name: name}
		for _, step := range (&inventory.Inventory{}).SecretSteps(s) {
			if _, command, ok := strings.Cut(step, ": az "); ok {
				command, _, _ = strings.Cut(command, " (https://")
				if strings.Contains(command, name) || !strings.Contains(command, `--name "<its name>"`) || !strings.HasSuffix(command, `--project "<its name>"`) {
					t.Errorf("%q: %s", name, command)
				}
			}
		}
	}
}
