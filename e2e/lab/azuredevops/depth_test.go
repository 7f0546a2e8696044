package azuredevops_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// withDepth gives the lab repositories, releases, task groups, environments, secure files and pools.
func withDepth(t *testing.T) *lab {
	t.Helper()
	l := withPipelines(t)
	repo := l.w.AddDevOpsRepo(l.org, l.org.Projects[0], "shop", map[string]string{"azure-pipelines.yml": "steps: []\n", "templates/deploy.yml": "steps:\n- bash: a\n"})
	repo.ID = repoID
	l.org.Definitions[0].YAML = ""
	step := &world.DesignerStep{TaskID: taskID, Version: "2.*", Name: "deploy", Inputs: map[string]string{"connectedServiceNameARM": autoID}}
	l.org.Releases = []*world.ReleaseDefinition{{ID: 3, ProjectID: shopID, Name: "ship", Created: begin, VariableGroups: []int{1},
		Variables: map[string]*world.PipelineVariable{"ARM_CLIENT_SECRET": {Value: l.w.NewSecret(), Secret: true}, "region": {Value: "weu"}},
		Stages: []*world.ReleaseStage{{ID: 7, Name: "prod", Steps: []*world.DesignerStep{step}, Gates: []*world.DesignerStep{step},
			Variables: map[string]*world.PipelineVariable{"KEY": {Value: l.w.NewSecret(), Secret: true}}}}}}
	l.org.TaskGroups = []*world.TaskGroup{{ID: groupID, ProjectID: shopID, Name: "deploy", Major: 1, Inputs: map[string]string{"connection": autoID}, Steps: []*world.DesignerStep{step}}}
	l.org.Environments = []*world.PipelineEnvironment{{ID: 4, ProjectID: shopID, Name: "prod", Created: begin,
		Kubernetes: []*world.KubernetesResource{{ID: 8, Name: "shop", Cluster: "aks", Namespace: "shop", ConnectionID: autoID}}}}
	l.org.SecureFiles = []*world.SecureFile{{ID: l.w.NewID(), ProjectID: shopID, Name: "deployer.pfx", Created: begin}}
	l.org.Pools = []*world.AgentPool{{ID: 1, Name: "Azure Pipelines", Hosted: true}, {ID: 2, Name: "linux", Agents: []*world.Agent{{ID: 1, Name: "a1", Version: "3.220.0", OS: "Linux"}}}}
	return l
}

const (
	repoID  = "dddddddd-0000-4000-8000-000000000001"
	groupID = "dddddddd-0000-4000-8000-000000000002"
)

func TestAnswersOfPipelinesFitTheOfficialDescriptions(t *testing.T) {
	project := "/contoso/" + shopID + "/_apis/"
	repo := project + "git/repositories/" + repoID
	push := `{"refUpdates":[{"name":"refs/heads/fix","oldObjectId":"` + strings.Repeat("0", 40) + `"}],"commits":[{"comment":"c","changes":[{"changeType":"add","item":{"path":"/a"},"newContent":{"content":"x","contentType":"rawtext"}}]}]}`
	for _, tc := range []struct{ document, operation, method, path, payload string }{
		{"git", "Repositories_List", "GET", project + "git/repositories", ""},
		{"git", "Repositories_Get Repository", "GET", repo, ""},
		{"git", "Items_Get", "GET", repo + "/items?path=/azure-pipelines.yml&includeContent=true", ""},
		{"git", "Refs_List", "GET", repo + "/refs?filter=heads/", ""},
		{"git", "Pushes_Create", "POST", repo + "/pushes", push},
		{"git", "Refs_Update Refs", "POST", repo + "/refs", `[{"name":"refs/heads/gone","oldObjectId":"` + strings.Repeat("0", 40) + `","newObjectId":"` + strings.Repeat("1", 40) + `"}]`},
		{"git", "Pull Requests_Get Pull Requests", "GET", repo + "/pullrequests", ""},
		{"build", "Definitions_List", "GET", project + "build/definitions?includeAllProperties=true", ""},
		{"build", "Definitions_Get", "GET", project + "build/definitions/11", ""},
		{"build", "Yaml_Get", "GET", project + "build/definitions/10/yaml", ""},
		{"release", "Definitions_List", "GET", project + "release/definitions?$expand=environments", ""},
		{"release", "Definitions_Get", "GET", project + "release/definitions/3", ""},
		{"distributedtask", "Taskgroups_List", "GET", project + "distributedtask/taskgroups/" + groupID, ""},
		{"distributedtask", "Variablegroups_Get Variable Groups", "GET", project + "distributedtask/variablegroups", ""},
		{"checks", "Check Configurations_List", "GET", project + "pipelines/checks/configurations?resourceType=endpoint&resourceId=" + autoID, ""},
		{"checks", "Check Configurations_Query", "POST", project + "pipelines/checks/queryconfigurations", `[{"type":"endpoint","id":"` + autoID + `"}]`},
	} {
		checkDescribed(t, "azure-devops-"+tc.document+"-7.1.json", tc.operation, tc.method, tc.path, tc.payload, withDepth)
	}
}

func TestAPullRequestIsPushedOpenedAndCompleted(t *testing.T) {
	l := withDepth(t)
	repo := "/contoso/" + shopID + "/_apis/git/repositories/shop"
	send := func(method, path, body string, want int) map[string]any {
		t.Helper()
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		status, _, b := l.raw(method, repo+path+separator+"api-version=7.1", operator, body)
		if status != want {
			t.Fatalf("%s %s: got %d %s, want %d", method, path, status, b, want)
		}
		var v map[string]any
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		return v
	}
	git := l.org.Repos[0].Git
	main := git.Head("main")
	push := func(branch, old, kind, content string) string {
		return `{"refUpdates":[{"name":"refs/heads/` + branch + `","oldObjectId":"` + old + `"}],"commits":[{"comment":"change","changes":[{"changeType":"` + kind +
			`","item":{"path":"/azure-pipelines.yml"},"newContent":{"content":"` + content + `","contentType":"base64encoded"}}]}]}`
	}
	send("POST", "/pushes", push("fix", main, "edit", "c3RlcHM6IFthXQo="), 201)
	if got := string(git.Files("fix")["azure-pipelines.yml"]); got != "steps: [a]\n" {
		t.Errorf("pushed %q", got)
	}
	send("POST", "/pushes", push("fix", main, "edit", "eA=="), 409) // stale
	send("POST", "/pushes", push("other", main, "add", "eA=="), 400)
	pull := `{"sourceRefName":"refs/heads/fix","targetRefName":"refs/heads/main","title":"Use federation"}`
	opened := send("POST", "/pullrequests", pull, 201)
	send("POST", "/pullrequests", pull, 409)
	if opened["status"] != "active" || opened["mergeStatus"] != "succeeded" {
		t.Errorf("%v", opened)
	}
	send("PATCH", "/pullrequests/1", `{"status":"completed","lastMergeSourceCommit":{"commitId":"`+main+`"}}`, 409)
	send("PATCH", "/pullrequests/1", `{"status":"abandoned"}`, 200)
	send("PATCH", "/pullrequests/1", `{"status":"active"}`, 200)
	head := opened["lastMergeSourceCommit"].(map[string]any)["commitId"].(string)
	done := send("PATCH", "/pullrequests/1", `{"status":"completed","lastMergeSourceCommit":{"commitId":"`+head+`"},"completionOptions":{"deleteSourceBranch":true,"mergeStrategy":"squash"}}`, 200)
	if done["status"] != "completed" || string(git.Files("main")["azure-pipelines.yml"]) != "steps: [a]\n" || git.Head("fix") != "" {
		t.Errorf("%v, %v", done, git.Refs)
	}
}
