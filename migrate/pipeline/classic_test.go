package pipeline

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const cliID = "46e4be58-730b-4389-8a2f-ea10b3e5e815"

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func buildJSON() string {
	return `{
  "id": 7, "name": "web", "path": "\\apps", "jobTimeoutInMinutes": 60,
  "queue": {"id": 3, "name": "own", "pool": {"id": 1, "name": "own", "isHosted": false}},
  "repository": {"type": "GitHub", "name": "contoso/web", "properties": {"connectedServiceId": "11111111-0000-0000-0000-000000000001"}},
  "variables": {"sub": {"value": "22222222-0000-0000-0000-000000000002"}, "ARM_CLIENT_SECRET": {"value": null, "isSecret": true}},
  "variableGroups": [{"id": 4, "name": "vault", "type": "AzureKeyVault", "providerData": {"serviceEndpointId": "33333333-0000-0000-0000-000000000003", "vault": "kv"}, "variables": {"db": {"isSecret": true}}}],
  "process": {"type": 1, "phases": [{"name": "Agent job 1", "jobTimeoutInMinutes": 120, "steps": [
    {"displayName": "cli", "enabled": true, "task": {"id": "46E4BE58-730B-4389-8A2F-EA10B3E5E815", "versionSpec": "1.*", "definitionType": "task"},
     "inputs": {"connectedServiceNameARM": "44444444-0000-0000-0000-000000000004", "addSpnToEnvironment": "true", "scriptLocation": "inlineScript", "inlineScript": "echo $servicePrincipalKey"}},
    {"displayName": "copy", "enabled": false, "task": {"id": "eb72cb01-a7e5-427b-a8a1-1b31ccac8a43", "versionSpec": "4.*", "definitionType": "task"}, "inputs": {"ConnectedServiceNameARM": "$(sub)"}},
    {"displayName": "group", "enabled": true, "task": {"id": "99999999-0000-0000-0000-000000000009", "versionSpec": "2.*", "definitionType": "metaTask"}, "inputs": {"azure": "$(sub)"}},
    {"displayName": "lost", "enabled": true, "task": {"id": "99999999-0000-0000-0000-00000000000a", "versionSpec": "1.*", "definitionType": "metaTask"}, "inputs": {}},
    {"displayName": "script", "enabled": true, "task": {"id": "6c731c3c-3c68-459a-a5c9-bde6e6595b5b", "versionSpec": "3.*", "definitionType": "task"},
     "inputs": {"targetType": "inline", "script": "az login --service-principal -u x -p $(ARM_CLIENT_SECRET) -t y"}, "environment": {"ARM_CLIENT_SECRET": "$(ARM_CLIENT_SECRET)"}}
  ]}]}}`
}

func taskGroups(id string, major int) (TaskGroup, bool) {
	inner := func(name string) ClassicStep {
		return ClassicStep{Task: TaskReference{ID: "99999999-0000-0000-0000-000000000009", VersionSpec: "2.*", DefinitionType: "metaTask"}, DisplayName: name, Enabled: true}
	}
	if id != "99999999-0000-0000-0000-000000000009" || major != 2 {
		return TaskGroup{}, false
	}
	return TaskGroup{ID: id, Name: "deploy", Version: TaskVersion{Major: 2}, Inputs: []TaskGroupInput{{Name: "azure"}, {Name: "other", DefaultValue: "55555555-0000-0000-0000-000000000005"}},
		Tasks: []ClassicStep{
			{Task: TaskReference{ID: cliID, VersionSpec: "2.*"}, DisplayName: "by input", Enabled: true, Inputs: map[string]string{"connectedServiceNameARM": "$(azure)", "scriptType": "bash"}},
			{Task: TaskReference{ID: cliID, VersionSpec: "2.*"}, DisplayName: "by default", Enabled: true, Inputs: map[string]string{"connectedServiceNameARM": "$(other)", "scriptType": "bash"}},
			inner("itself"),
		}}, true
}

func TestUsesOfBuild(t *testing.T) {
	d := decode[BuildDefinition](t, buildJSON())
	golden(t, describe(UsesOfBuild(d, ClassicOptions{TaskGroups: taskGroups})), "testdata/classic-build.golden")
}

func TestUsesOfRelease(t *testing.T) {
	d := decode[ReleaseDefinition](t, `{
  "id": 3, "name": "Release web", "variables": {"sub": {"value": "22222222-0000-0000-0000-000000000002"}}, "variableGroups": [4, 5],
  "artifacts": [{"alias": "_img", "type": "AzureContainerRepository", "definitionReference": {"connection": {"id": "66666666-0000-0000-0000-000000000006", "name": "acr"}}},
                {"alias": "_src", "type": "GitHub", "definitionReference": {"connection": {"id": "77777777-0000-0000-0000-000000000007", "name": "gh"}}},
                {"alias": "_web", "type": "Build", "definitionReference": {"definition": {"id": "1", "name": "web"}}}],
  "environments": [{"id": 1, "name": "prod", "variables": {"sub": {"value": "88888888-0000-0000-0000-000000000008"}}, "variableGroups": [],
    "preDeploymentGates": {"id": 0, "gates": [{"tasks": [{"taskId": "8ba74703-e94f-4a35-814e-fc21f44578a2", "version": "0.*", "name": "Policy", "enabled": true, "inputs": {"ConnectedServiceName": "$(sub)"}}]}]},
    "postDeploymentGates": null,
    "deployPhases": [{"name": "Agent job", "phaseType": "agentBasedDeployment", "deploymentInput": {"queueId": 3, "timeoutInMinutes": 0, "condition": "succeeded()"}, "workflowTasks": [
       {"taskId": "497d490f-eea7-4f2b-ab94-48d9c1acdcb1", "version": "4.*", "name": "web", "enabled": true, "definitionType": "task", "inputs": {"ConnectedServiceName": "$(sub)"}},
       {"taskId": "fe504acc-6115-40cb-89ff-191386b5e7bf", "version": "2.*", "name": "tf", "enabled": true, "inputs": {"environmentServiceNameAzureRM": "$(fromGroup)"}},
       {"taskId": "99999999-0000-0000-0000-000000000009", "version": "2.*", "name": "group", "definitionType": "metaTask", "enabled": true, "inputs": {"azure": "x"}, "overrideInputs": {"azure": "$(sub)"}}]}]}]}`)
	groups := func(id int) (VariableGroup, bool) {
		return VariableGroup{ID: 4, Name: "known", Type: "Vsts", Variables: map[string]ClassicVariable{"fromGroup": {Value: "sub-of-group"}}}, id == 4
	}
	golden(t, describe(UsesOfRelease(d, ClassicOptions{TaskGroups: taskGroups, VariableGroups: groups})), "testdata/classic-release.golden")
}

func TestUsesOfTaskGroup(t *testing.T) {
	g, _ := taskGroups("99999999-0000-0000-0000-000000000009", 2)
	golden(t, describe(UsesOfTaskGroup(g, ClassicOptions{TaskGroups: taskGroups})), "testdata/classic-taskgroup.golden")
}

func TestUsesOfVariableGroup(t *testing.T) {
	g := decode[VariableGroup](t, `{"id": 4, "name": "vault", "type": "AzureKeyVault", "providerData": {"serviceEndpointId": "33333333-0000-0000-0000-000000000003", "vault": "kv"},
  "variables": {"sp-client-secret": {"isSecret": true, "value": null}}}`)
	golden(t, describe(UsesOfVariableGroup(g)), "testdata/classic-variablegroup.golden")
}

func TestTheCallerOfATaskGroupIsNotMixedUpWithItsInputOfTheSameName(t *testing.T) {
	d := BuildDefinition{Name: "same", Variables: map[string]ClassicVariable{"azure": {Value: "outer"}}, Process: BuildProcess{Phases: []Phase{{Steps: []ClassicStep{
		{Task: TaskReference{ID: "99999999-0000-0000-0000-000000000009", VersionSpec: "2.*", DefinitionType: "metaTask"}, Enabled: true, Inputs: map[string]string{"azure": "$(azure)"}},
	}}}}}
	r := UsesOfBuild(d, ClassicOptions{TaskGroups: taskGroups})
	if diff := cmp.Diff([]string{"outer"}, r.Uses[1].Resolved); diff != "" {
		t.Error(diff)
	}
}
