package pipeline

import (
	"slices"
	"strings"
)

// The rules of checks. The ids are public and stable.
const (
	RuleTaskUnsupported   = "task-unsupported"     // the task cannot use workload identity federation in any version
	RuleTaskNewerMajor    = "task-newer-major"     // another major version can
	RuleTaskNotListed     = "task-not-listed"      // Microsoft's table does not tell
	RuleTaskExtension     = "task-extension"       // of an extension: its vendor has to tell
	RuleTaskBroken        = "task-broken"          // of an extension that is known to fail
	RuleKeyRead           = "script-reads-key"     // a script reads servicePrincipalKey
	RuleEnvironment       = "script-environment"   // addSpnToEnvironment, and what reads it cannot be seen
	RuleTokenLifetime     = "token-lifetime"       // the job can outlive the token
	RuleKeepSession       = "keep-session"         // keepAzSessionActive works with workload identity federation only
	RuleSelfHosted        = "self-hosted-agent"    // what the agent needs
	RuleContainerRegistry = "container-registry"   // a container is pulled with a connection
	RuleKubernetes        = "kubernetes-token"     // the connection holds a token of the cluster
	RuleClassic           = "classic-connection"   // a connection of the classic deployment model
	RuleTerraformMSI      = "terraform-falls-back" // Terraform's task would fall to a managed identity
	RuleTerraformCode     = "terraform-code"       // Terraform code says how to sign in, or an old version cannot
	RuleReplaced          = "connection-replaced"  // a place that is to name another connection
)

// Sources of the rules.
var (
	sourceTable         = Source{"Microsoft Learn: Troubleshoot an Azure Resource Manager workload identity service connection, table of tasks", "https://learn.microsoft.com/azure/devops/pipelines/release/troubleshoot-workload-identity"}
	sourceCLITask       = Source{"microsoft/azure-pipelines-tasks: Tasks/AzureCLIV2/azureclitask.ts", "https://github.com/microsoft/azure-pipelines-tasks/blob/master/Tasks/AzureCLIV2/azureclitask.ts"}
	sourceSchema326     = Source{"MicrosoftDocs/azure-devops-yaml-schema#326", "https://github.com/MicrosoftDocs/azure-devops-yaml-schema/issues/326"}
	sourceLifetime      = Source{"Azure/azure-cli#28708", "https://github.com/Azure/azure-cli/issues/28708"}
	sourceAgent         = Source{"microsoft/azure-pipelines-agent#4795", "https://github.com/microsoft/azure-pipelines-agent/pull/4795"}
	sourceTasks         = Source{"microsoft/azure-pipelines-tasks at 299572e", "https://github.com/microsoft/azure-pipelines-tasks/tree/299572e"}
	sourceTerraform     = Source{"microsoft/azure-pipelines-terraform#210", "https://github.com/microsoft/azure-pipelines-terraform/issues/210"}
	sourceTerraformCode = Source{"Terraform Registry: azurerm provider, Authenticating using a Service Principal with Open ID Connect", "https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/guides/service_principal_oidc"}
	sourceKube          = Source{"terraform-provider-azuredevops: azuredevops_serviceendpoint_kubernetes", "https://registry.terraform.io/providers/microsoft/azuredevops/latest/docs/resources/serviceendpoint_kubernetes"}
	sourceConnect       = Source{"Microsoft Learn: Connect to Azure with an Azure Resource Manager service connection", "https://learn.microsoft.com/azure/devops/pipelines/library/connect-to-azure"}
)

func issue(repository, number string) Source {
	return Source{repository + "#" + number, "https://github.com/" + repository + "/issues/" + number}
}

// Compatibility is what is known of one task with workload identity federation.
type Compatibility struct {
	Task     string // without case
	Majors   []int  // nil: all
	Kinds    []Kind // of the connections that it is about; nil: azurerm and dockerregistry
	Severity Severity
	Rule     string
	Raise    string // the task and major version to use instead, such as AzureFileCopy@6; empty where there is none
	Message  string
	Remedy   string
	Source   Source
}

// Compatibilities is the table. Tasks of appendix tables that are not in it are supported, by Microsoft's table.
func Compatibilities() []Compatibility { return slices.Clone(compatibilities) }

const (
	notSupported = "the task does not support workload identity federation"
	noSuccessor  = "replace the task, for example by an AzureCLI@2 step, or leave its connection as it is"
	extension    = "the extension's task is known not to support workload identity federation"
)

var compatibilities = []Compatibility{
	unsupported("AzureNLBManagement", nil, 1),
	unsupported("ServiceFabricComposeDeploy", nil, 0),
	unsupported("ServiceFabricDeploy", nil, 1),
	{Task: "Docker", Majors: []int{0}, Kinds: []Kind{KindDockerRegistry}, Severity: Warning, Rule: RuleTaskNotListed,
		Message: "Microsoft's table of tasks does not list this version; the next one does not support Docker registry connections with workload identity federation", Remedy: "use Docker@2 with its input containerRegistry", Source: sourceTable},
	{Task: "Docker", Majors: []int{1}, Kinds: []Kind{KindDockerRegistry}, Severity: Blocker, Rule: RuleTaskNewerMajor,
		Message: "the task does not support Docker registry connections with workload identity federation", Remedy: "use Docker@2 with its input containerRegistry", Source: sourceTable},
	newer("AzureFileCopy", "AzureFileCopy@6", "the identity also needs the role Storage Blob Data Contributor on the storage account, since version 6 signs in to the storage with Entra ID", 1, 2, 3, 4, 5),
	newer("AzureCloudPowerShellDeployment", "AzureCloudPowerShellDeployment@2", "version 2 takes an Azure Resource Manager connection only", 1),
	newer("AzureFunctionOnKubernetes", "AzureFunctionOnKubernetes@1", "", 0),
	newer("AzureMonitor", "AzureMonitor@1", "", 0),
	newer("Kubernetes", "Kubernetes@1", "", 0),
	newer("KubernetesManifest", "KubernetesManifest@1", "", 0),
	newer("PackerBuild", "PackerBuild@1", "", 0),
	{Task: "PublishToAzureServiceBus", Majors: []int{1}, Kinds: []Kind{KindOther, KindAzureRM}, Severity: Warning, Rule: RuleTaskNewerMajor,
		Message: "the task signs in with an Azure Service Bus connection, which holds a key and cannot be converted", Remedy: "use PublishToAzureServiceBus@2 with an Azure Resource Manager connection", Source: sourceTable},
	notListed("AzureRmWebAppDeployment", 5), notListed("AzureMysqlDeployment", 2), notListed("AzureVmssDeployment", 1), notListed("AzureFunction", 2),
	notListed("BicepDeploy", 0), notListed("AzureTestPlan", 0), notListed("PublishSymbols", 2), notListed("AzureAppConfigurationExport", 10),
	notListed("AzureAppConfigurationImport", 10), notListed("AzureAppConfigurationSnapshot", 1), notListed("JavaToolInstaller", 1), notListed("JenkinsDownloadArtifacts", 2),
	terraformTask("TerraformTaskV1", 0, 1), terraformTask("TerraformTaskV2", 2), terraformTask("TerraformTaskV3", 3), terraformTask("TerraformTask", 0, 1, 2, 3),
	{Task: "TerraformCLI", Majors: []int{0}, Severity: Blocker, Rule: RuleTaskNewerMajor, Raise: "TerraformCLI@1",
		Message: `version 0 fails with "only support service principal authorization"`, Remedy: "use TerraformCLI@1 of the extension by Jason Johnson; the one by Charles Zipp has no successor", Source: issue("jason-johnson/azure-pipelines-tasks-terraform", "378")},
	brokenTask("toggle-adf-trigger", issue("liprec/vsts-publish-adf", "99")),
	brokenTask("deploy-adf-json", issue("liprec/vsts-publish-adf", "99")),
	brokenTask("delete-adf-items", issue("liprec/vsts-publish-adf", "99")),
	brokenTask("ARM Outputs", issue("keesschollaart81/vsts-arm-outputs", "383")),
	brokenTask("ARMOutputs", issue("keesschollaart81/vsts-arm-outputs", "383")),
	brokenTask("Packer", issue("riezebosch/vsts-tasks-packer", "34")),
	brokenTask("Pulumi", issue("pulumi/pulumi-az-pipelines-task", "147")),
	brokenTask("azureresourcegroup", issue("maikvandergaag/msft-extensions", "565")),
	newerExtension("PublishADFTask", "1.34", issue("Azure-Player/azure.datafactory.devops", "154")),
	newerExtension("TestAdfLinkedServiceTask", "1.34", issue("Azure-Player/azure.datafactory.devops", "154")),
	{Task: "AzureAppConfiguration", Majors: []int{1, 2, 3, 4, 5}, Severity: Blocker, Rule: RuleTaskNewerMajor, Raise: "AzureAppConfiguration@6",
		Message: "the task supports workload identity federation from version 6.5.0 on", Remedy: "use AzureAppConfiguration@6 or later", Source: issue("Azure/AppConfiguration", "884")},
	{Task: "AzureAppConfigurationPush", Majors: []int{1, 2, 3, 4, 5}, Severity: Blocker, Rule: RuleTaskNewerMajor, Raise: "AzureAppConfigurationPush@6",
		Message: "the task supports workload identity federation from version 6.3.0 on", Remedy: "use AzureAppConfigurationPush@6 or later", Source: issue("Azure/AppConfiguration", "884")},
	{Task: "AzureLoadTest", Majors: []int{1}, Severity: Warning, Rule: RuleTaskExtension,
		Message: "a user reports that the task failed with workload identity federation", Remedy: "use the newest version of the extension, and test it on a copy of the connection", Source: sourceTable},
}

func unsupported(task string, kinds []Kind, majors ...int) Compatibility {
	return Compatibility{Task: task, Majors: majors, Kinds: kinds, Severity: Blocker, Rule: RuleTaskUnsupported, Message: notSupported, Remedy: noSuccessor, Source: sourceTable}
}

func newer(task, raise, note string, majors ...int) Compatibility {
	c := Compatibility{Task: task, Majors: majors, Severity: Blocker, Rule: RuleTaskNewerMajor, Raise: raise, Message: "this version of the task does not support workload identity federation", Remedy: "use " + raise, Source: sourceTable}
	if note != "" {
		c.Remedy += "; " + note
	}
	return c
}

func notListed(task string, major int) Compatibility {
	return Compatibility{Task: task, Majors: []int{major}, Severity: Warning, Rule: RuleTaskNotListed, Message: "Microsoft's table of tasks does not list this version; its source refers to workload identity federation",
		Remedy: "run the pipeline once on a copy of the connection before converting", Source: sourceTasks}
}

func terraformTask(task string, majors ...int) Compatibility {
	return Compatibility{Task: task, Majors: majors, Severity: Blocker, Rule: RuleTerraformMSI, Raise: "TerraformTaskV4@4", Message: "without a secret in the connection the task signs in with use_msi=true, that is, as the agent's managed identity",
		Remedy: "use TerraformTaskV4@4 or TerraformTask@5", Source: sourceTerraform}
}

func brokenTask(task string, s Source) Compatibility {
	return Compatibility{Task: task, Severity: Blocker, Rule: RuleTaskBroken, Message: extension, Remedy: "look whether a newer version supports it, or do its work in an AzureCLI@2 or AzurePowerShell@5 step", Source: s}
}

// newerExtension is a task whose reference tells no version that is exact enough.
func newerExtension(task, version string, s Source) Compatibility {
	return Compatibility{Task: task, Severity: Warning, Rule: RuleTaskExtension, Message: "the extension's task supports workload identity federation from version " + version + " on",
		Remedy: "look in the organisation's settings, Extensions, whether version " + version + " or later is installed", Source: s}
}

// Compatible looks a task up: by name or id, with or without its publisher, without case; major -1 where the version is not known.
func Compatible(task string, major int, kind Kind) (Compatibility, bool) {
	t := newTask(task, "")
	t.major = major
	return t.compatibility(kind)
}

func (t taskRef) compatibility(kind Kind) (Compatibility, bool) {
	for _, c := range compatibilities {
		if t.is(c.Task) && c.about(kind) && (c.Majors == nil || slices.Contains(c.Majors, t.major)) {
			return c, true
		}
	}
	if t.builtIn() || strings.HasPrefix(strings.ToLower(t.name), "terraformtask") || t.is("TerraformCLI", "AzureAppConfiguration", "AzureAppConfigurationPush") || plainTasks[strings.ToLower(t.name)] {
		return Compatibility{}, false
	}
	if kind != KindAzureRM {
		return Compatibility{}, false
	}
	return Compatibility{Task: t.name, Severity: Warning, Rule: RuleTaskExtension, Message: "the task is none of Microsoft's built-in ones, so its table of tasks does not tell whether it supports workload identity federation",
		Remedy: "look in the extension's release notes for workload identity federation, and run the pipeline once on a copy of the connection", Source: sourceTable}, true
}

func (c Compatibility) about(kind Kind) bool {
	if c.Kinds == nil {
		return kind == KindAzureRM || kind == KindDockerRegistry
	}
	return slices.Contains(c.Kinds, kind)
}
