package azuredevops_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/build"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/pipelinepermissions"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/pipelineschecks"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/taskagent"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const taskID = "46e4be58-730b-4389-8a2f-ea10b3e5e815" // AzureCLI

// withPipelines gives the lab a YAML and a classic pipeline that use the automatic connection, a library, permissions
// and a check.
func withPipelines(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	secret := &world.PipelineVariable{Value: l.w.NewSecret(), Secret: true}
	l.org.VariableGroups = []*world.VariableGroup{
		{ID: 1, ProjectID: shopID, Name: "plain", Created: begin,
			Variables: map[string]*world.PipelineVariable{"REGION": {Value: "weu"}, "ARM_CLIENT_SECRET": secret}},
		{ID: 2, ProjectID: shopID, Name: "vault", Created: begin, Vault: "kv", ConnectionID: autoID,
			Variables: map[string]*world.PipelineVariable{"password": {Value: l.w.NewSecret()}}},
		{ID: 3, ProjectID: opsID, Name: "elsewhere", Created: begin},
	}
	l.org.Definitions = []*world.Definition{
		{ID: 10, ProjectID: shopID, Name: "yaml", YAMLFile: "/azure-pipelines.yml", YAML: "steps: []\n", Repository: "shop", RepositoryType: "TfsGit",
			DefaultBranch: "refs/heads/main", VariableGroups: []int{1}, Created: begin},
		{ID: 11, ProjectID: shopID, Name: "classic", Path: `\old`, Created: begin, Variables: map[string]*world.PipelineVariable{"KEY": secret},
			Steps: []*world.DesignerStep{{TaskID: taskID, Version: "2.*", Name: "deploy", Inputs: map[string]string{"connectedServiceNameARM": autoID}}}},
	}
	l.auto.Pipelines = []int{10}
	l.manual.AllPipelines = true
	l.auto.Checks = []*world.Check{{ID: 5, Type: "Approval", Settings: map[string]any{"minRequiredApprovers": 1.0}}}
	return l
}

func TestDefinitionsShowTheirDetailsOnRequest(t *testing.T) {
	l := withPipelines(t)
	cl := &build.ClientImpl{Client: *l.client(readerTok)}
	got, err := cl.GetDefinitions(t.Context(), build.GetDefinitionsArgs{Project: new(shopID), Top: new(1)})
	if err != nil || len(got.Value) != 1 || *got.Value[0].Name != "yaml" || got.ContinuationToken == "" {
		t.Fatalf("got %+v, %v", got, err)
	}
	next, err := cl.GetDefinitions(t.Context(), build.GetDefinitionsArgs{Project: new(shopID), ContinuationToken: &got.ContinuationToken})
	if err != nil || len(next.Value) != 1 || *next.Value[0].Name != "classic" || next.ContinuationToken != "" {
		t.Fatalf("got %+v, %v", next, err)
	}
	full, err := cl.GetDefinition(t.Context(), build.GetDefinitionArgs{Project: new(shopID), DefinitionId: new(11)})
	if err != nil {
		t.Fatal(err)
	}
	if v := (*full.Variables)["KEY"]; v.Value != nil || !*v.IsSecret {
		t.Errorf("got variable %+v", v)
	}
	step := full.Process.(map[string]any)["phases"].([]any)[0].(map[string]any)["steps"].([]any)[0].(map[string]any)
	want := map[string]any{"displayName": "deploy", "enabled": true, "inputs": map[string]any{"connectedServiceNameARM": autoID},
		"task": map[string]any{"id": taskID, "versionSpec": "2.*", "definitionType": "task"}}
	if d := cmp.Diff(want, step); d != "" {
		t.Errorf("step (-want +got):\n%s", d)
	}
	text, err := cl.GetDefinitionYaml(t.Context(), build.GetDefinitionYamlArgs{Project: new(shopID), DefinitionId: new(10)})
	if err != nil || *text.Yaml != "steps: []\n" {
		t.Errorf("got %v, %v", text, err)
	}
	_, err = cl.GetDefinitionYaml(t.Context(), build.GetDefinitionYamlArgs{Project: new(shopID), DefinitionId: new(11)})
	wantRefused(t, err, 400, "ArgumentException", "not a YAML definition")
	_, err = cl.GetDefinition(t.Context(), build.GetDefinitionArgs{Project: new(opsID), DefinitionId: new(11)})
	wantRefused(t, err, 404, "DefinitionNotFoundException", "11")
}

func TestVariableGroupsKeepTheirSecrets(t *testing.T) {
	l := withPipelines(t)
	cl := &taskagent.ClientImpl{Client: *l.client(readerTok)}
	got, err := cl.GetVariableGroups(t.Context(), taskagent.GetVariableGroupsArgs{Project: new(shopID)})
	if err != nil || len(*got) != 2 {
		t.Fatalf("got %v, %v", got, err)
	}
	vault := (*got)[1]
	data := vault.ProviderData.(map[string]any)
	if *vault.Type != "AzureKeyVault" || data["serviceEndpointId"] != autoID || data["vault"] != "kv" {
		t.Errorf("got %+v", vault)
	}
	_, _, b := l.raw("GET", "/contoso/"+shopID+"/_apis/distributedtask/variablegroups?groupName=PLAIN", readerTok, "")
	groups := decode(t, b)["value"].([]any)
	want := map[string]any{"REGION": map[string]any{"value": "weu"}, "ARM_CLIENT_SECRET": map[string]any{"value": nil, "isSecret": true}}
	if d := cmp.Diff(want, groups[0].(map[string]any)["variables"]); d != "" || len(groups) != 1 {
		t.Errorf("%d groups, variables (-want +got):\n%s", len(groups), d)
	}
}

func TestPermissionsTellWhichPipelinesMayUseAConnection(t *testing.T) {
	l := withPipelines(t)
	cl := &pipelinepermissions.ClientImpl{Client: *l.client(readerTok)}
	get := func(id string) (*pipelinepermissions.ResourcePipelinePermissions, error) {
		return cl.GetPipelinePermissionsForResource(t.Context(), pipelinepermissions.GetPipelinePermissionsForResourceArgs{
			Project: new(shopID), ResourceType: new("endpoint"), ResourceId: &id})
	}
	some, err := get(autoID)
	if err != nil || some.AllPipelines != nil || len(*some.Pipelines) != 1 || *(*some.Pipelines)[0].Id != 10 {
		t.Errorf("got %+v, %v", some, err)
	}
	all, err := get(manualID)
	if err != nil || !*all.AllPipelines.Authorized || len(*all.Pipelines) != 0 {
		t.Errorf("got %+v, %v", all, err)
	}
	_, err = get(opsID)
	wantRefused(t, err, 404, "ServiceEndpointNotFoundException", "does not exist")
}

func TestChecksAreListedPerConnectionAndInBulk(t *testing.T) {
	l := withPipelines(t)
	cl := &pipelineschecks.ClientImpl{Client: *l.client(readerTok)}
	got, err := cl.GetCheckConfigurationsOnResource(t.Context(), pipelineschecks.GetCheckConfigurationsOnResourceArgs{
		Project: new(shopID), ResourceType: new("endpoint"), ResourceId: new(autoID), Expand: &pipelineschecks.CheckConfigurationExpandParameterValues.Settings})
	if err != nil || len(*got) != 1 || *(*got)[0].Type.Name != "Approval" || *(*got)[0].Resource.Id != autoID {
		t.Errorf("got %+v, %v", got, err)
	}
	bulk, err := cl.QueryCheckConfigurationsOnResources(t.Context(), pipelineschecks.QueryCheckConfigurationsOnResourcesArgs{
		Project: new(shopID), Resources: &[]pipelineschecks.Resource{{Type: new("endpoint"), Id: new(autoID)},
			{Type: new("endpoint"), Id: new(manualID)}, {Type: new("queue"), Id: new(uuid.NewString())}}})
	if err != nil || len(*bulk) != 1 {
		t.Errorf("got %+v, %v", bulk, err)
	}
}

func TestPipelineAnswersFitTheOfficialDescriptions(t *testing.T) {
	base := "/contoso/" + shopID + "/_apis/"
	for _, tc := range []struct{ document, operation, method, path, payload string }{
		{"azure-devops-build-7.1.json", "Definitions_List", "GET", base + "build/definitions?includeAllProperties=true", ""},
		{"azure-devops-build-7.1.json", "Definitions_Get", "GET", base + "build/definitions/11", ""},
		{"azure-devops-build-7.1.json", "Yaml_Get", "GET", base + "build/definitions/10/yaml", ""},
		{"azure-devops-distributedtask-7.1.json", "Variablegroups_Get Variable Groups", "GET", base + "distributedtask/variablegroups", ""},
		{"azure-devops-pipelinepermissions-7.1.json", "Pipeline Permissions_Get", "GET", base + "pipelines/pipelinepermissions/endpoint/" + autoID, ""},
		{"azure-devops-checks-7.1.json", "Check Configurations_List", "GET", base + "pipelines/checks/configurations?resourceType=endpoint&resourceId=" + autoID, ""},
		{"azure-devops-checks-7.1.json", "Check Configurations_Query", "POST", base + "pipelines/checks/queryconfigurations?$expand=settings",
			`[{"type":"endpoint","id":"` + autoID + `"}]`},
	} {
		checkDescribed(t, tc.document, tc.operation, tc.method, tc.path, tc.payload, withPipelines)
	}
}
