package pipeline

import (
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

func TestTasksThatCannotUseFederation(t *testing.T) {
	tests := []struct {
		task  string
		major int
		kind  Kind
		rule  string // empty: supported
		raise string
	}{
		{"AzureNLBManagement", 1, KindAzureRM, RuleTaskUnsupported, ""},
		{"ServiceFabricComposeDeploy", 0, KindAzureRM, RuleTaskUnsupported, ""},
		{"ServiceFabricDeploy", 1, KindAzureRM, RuleTaskUnsupported, ""},
		{"ServiceFabricDeploy", 1, KindOther, "", ""},
		{"Docker", 1, KindDockerRegistry, RuleTaskNewerMajor, ""},
		{"Docker", 0, KindDockerRegistry, RuleTaskNotListed, ""},
		{"Docker", 1, KindAzureRM, "", ""},
		{"Docker", 2, KindDockerRegistry, "", ""},
		{"AzureFileCopy", 1, KindAzureRM, RuleTaskNewerMajor, "AzureFileCopy@6"},
		{"AzureFileCopy", 2, KindAzureRM, RuleTaskNewerMajor, "AzureFileCopy@6"},
		{"AzureFileCopy", 3, KindAzureRM, RuleTaskNewerMajor, "AzureFileCopy@6"},
		{"AzureFileCopy", 4, KindAzureRM, RuleTaskNewerMajor, "AzureFileCopy@6"},
		{"AzureFileCopy", 5, KindAzureRM, RuleTaskNewerMajor, "AzureFileCopy@6"},
		{"AzureFileCopy", 6, KindAzureRM, "", ""},
		{"azurefilecopy", 5, KindAzureRM, RuleTaskNewerMajor, "AzureFileCopy@6"},
		{"EB72CB01-A7E5-427B-A8A1-1B31CCAC8A43", 5, KindAzureRM, RuleTaskNewerMajor, "AzureFileCopy@6"},
		{"contoso.ext.AzureFileCopy", 5, KindAzureRM, RuleTaskNewerMajor, "AzureFileCopy@6"},
		{"AzureCloudPowerShellDeployment", 1, KindAzureRM, RuleTaskNewerMajor, "AzureCloudPowerShellDeployment@2"},
		{"AzureCloudPowerShellDeployment", 2, KindAzureRM, "", ""},
		{"AzureFunctionOnKubernetes", 0, KindDockerRegistry, RuleTaskNewerMajor, "AzureFunctionOnKubernetes@1"},
		{"AzureMonitor", 0, KindAzureRM, RuleTaskNewerMajor, "AzureMonitor@1"},
		{"AzureMonitor", 1, KindAzureRM, "", ""},
		{"Kubernetes", 0, KindAzureRM, RuleTaskNewerMajor, "Kubernetes@1"},
		{"KubernetesManifest", 0, KindDockerRegistry, RuleTaskNewerMajor, "KubernetesManifest@1"},
		{"KubernetesManifest", 0, KindKubernetes, "", ""},
		{"PackerBuild", 0, KindAzureRM, RuleTaskNewerMajor, "PackerBuild@1"},
		{"PublishToAzureServiceBus", 1, KindOther, RuleTaskNewerMajor, ""},
		{"PublishToAzureServiceBus", 2, KindAzureRM, "", ""},
		{"HelmDeploy", 0, KindAzureRM, "", ""},
		{"HelmDeploy", 1, KindAzureRM, "", ""},
		{"AzureCLI", 1, KindAzureRM, "", ""},
		{"AzureCLI", 2, KindAzureRM, "", ""},
		{"AzureCLI", 3, KindAzureRM, "", ""},
		{"AzureRmWebAppDeployment", 5, KindAzureRM, RuleTaskNotListed, ""},
		{"AzureRmWebAppDeployment", 4, KindAzureRM, "", ""},
		{"BicepDeploy", 0, KindAzureRM, RuleTaskNotListed, ""},
		{"TerraformTaskV1", 0, KindAzureRM, RuleTerraformMSI, "TerraformTaskV4@4"},
		{"TerraformTaskV2", 2, KindAzureRM, RuleTerraformMSI, "TerraformTaskV4@4"},
		{"TerraformTaskV3", 3, KindAzureRM, RuleTerraformMSI, "TerraformTaskV4@4"},
		{"TerraformTaskV4", 4, KindAzureRM, "", ""},
		{"TerraformTask", 5, KindAzureRM, "", ""},
		{"fe504acc-6115-40cb-89ff-191386b5e7bf", 3, KindAzureRM, RuleTerraformMSI, "TerraformTaskV4@4"},
		{"fe504acc-6115-40cb-89ff-191386b5e7bf", 4, KindAzureRM, "", ""},
		{"TerraformCLI", 0, KindAzureRM, RuleTaskNewerMajor, "TerraformCLI@1"},
		{"TerraformCLI", 1, KindAzureRM, "", ""},
		{"toggle-adf-trigger", 2, KindAzureRM, RuleTaskBroken, ""},
		{"Pulumi", 1, KindAzureRM, RuleTaskBroken, ""},
		{"azureresourcegroup", 1, KindAzureRM, RuleTaskBroken, ""},
		{"567F7830-5655-4D11-B4C5-BADA59A88896", 1, KindAzureRM, RuleTaskBroken, ""},
		{"SQLPlayer.DataFactoryTools.PublishADF.PublishADFTask", 1, KindAzureRM, RuleTaskExtension, ""},
		{"AzureAppConfiguration", 5, KindAzureRM, RuleTaskNewerMajor, "AzureAppConfiguration@6"},
		{"AzureAppConfiguration", 6, KindAzureRM, "", ""},
		{"AzureLoadTest", 1, KindAzureRM, RuleTaskExtension, ""},
		{"SomeVendorsTask", 1, KindAzureRM, RuleTaskExtension, ""},
		{"SomeVendorsTask", 1, KindOther, "", ""},
		{"Bash", 3, KindAzureRM, "", ""},
	}
	for _, tt := range tests {
		c, ok := Compatible(tt.task, tt.major, tt.kind)
		if ok != (tt.rule != "") || c.Rule != tt.rule || c.Raise != tt.raise {
			t.Errorf("%s@%d with %s: rule %q, raise %q; want %q, %q", tt.task, tt.major, tt.kind, c.Rule, c.Raise, tt.rule, tt.raise)
		}
	}
}

func TestEveryRuleTellsWhatWhyAndWhatToDo(t *testing.T) {
	for _, c := range Compatibilities() {
		if c.Task == "" || c.Message == "" || c.Remedy == "" || c.Rule == "" || c.Severity == "" || !strings.HasPrefix(c.Source.URL, "https://") || c.Source.Title == "" {
			t.Errorf("incomplete: %+v", c)
		}
		if c.Raise != "" && parseTask(c.Raise).major < 0 {
			t.Errorf("%s is raised to %s, which has no version", c.Task, c.Raise)
		}
	}
}

func TestRaisedVersionsAreSupported(t *testing.T) {
	for _, c := range Compatibilities() {
		if c.Raise == "" {
			continue
		}
		target := parseTask(c.Raise)
		if bad, ok := target.compatibility(KindAzureRM); ok {
			t.Errorf("%s is raised to %s, which is not supported either: %s", c.Task, c.Raise, bad.Rule)
		}
	}
}

func TestTheTableOfInputs(t *testing.T) {
	inputs := Inputs()
	if len(inputs) != 116 {
		t.Errorf("the table has %d inputs, not 116", len(inputs))
	}
	for _, in := range inputs {
		if !inventory.IsGUID(in.ID) || in.ID != strings.ToLower(in.ID) || in.Name == "" || in.Type == "" {
			t.Errorf("a broken row: %+v", in)
		}
		ref := newTask(in.ID, "")
		ref.major = in.Major
		if got, ok := ref.connectionType(strings.ToUpper(in.Name)); !ok || got != in.Type {
			t.Errorf("%s@%d by id: input %s is %q, want %q", in.Task, in.Major, in.Name, got, in.Type)
		}
		for _, a := range in.Aliases {
			if got, ok := newTask(strings.ToUpper(in.Task), "").connectionType(a); !ok && got == "" && ref.major == newTask(in.Task, "").inputs()[0].Major {
				t.Errorf("%s: alias %s is not known", in.Task, a)
			}
		}
	}
}

func TestAVersionThatIsNewerThanTheTableHasTheInputsOfTheLast(t *testing.T) {
	if got, ok := parseTask("AzureCLI@9").connectionType("azureSubscription"); !ok || got != "azurerm" {
		t.Errorf("azureSubscription of AzureCLI@9 is %q, %v", got, ok)
	}
}
