package pipeline

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

//go:embed tasks.tsv
var tasksTable string

// TaskInput is an input of a built-in task that takes a service connection.
type TaskInput struct {
	Task       string
	Major      int
	ID         string // of the task, lower case; the same for all its versions
	Name       string
	Aliases    []string
	Type       string // of the connection, lower case: azurerm, dockerregistry, …
	Deprecated bool   // the task's version is
}

// tables are the built-in tasks by lower-case name and by id.
var tables = sync.OnceValue(func() (t struct{ byName, byID map[string][]TaskInput }) {
	t.byName, t.byID = make(map[string][]TaskInput), make(map[string][]TaskInput)
	for line := range strings.Lines(tasksTable) {
		f := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if strings.HasPrefix(line, "#") || len(f) < 7 {
			continue
		}
		major, _ := strconv.Atoi(f[1])
		in := TaskInput{Task: f[0], Major: major, ID: f[2], Name: f[3], Type: f[5], Deprecated: f[6] != ""}
		if f[4] != "" {
			in.Aliases = strings.Split(f[4], ",")
		}
		t.byName[strings.ToLower(f[0])] = append(t.byName[strings.ToLower(f[0])], in)
		t.byID[f[2]] = append(t.byID[f[2]], in)
	}
	return t
})

// taskRef is a task as a step names it.
type taskRef struct {
	name    string // without publisher and extension
	full    string // as it is written, without the version
	id      string // lower case; empty where it is not known
	version string // as it is written
	major   int    // -1 where it is not known
}

// parseTask reads a task reference: Name@2, publisher.extension.contribution.Name@2 or an id.
func parseTask(text string) taskRef {
	full, version, _ := strings.Cut(strings.TrimSpace(text), "@")
	return newTask(full, version)
}

func newTask(full, version string) taskRef {
	t := taskRef{full: full, name: full, version: version, major: -1}
	if m, err := strconv.Atoi(strings.SplitN(strings.TrimSpace(version), ".", 2)[0]); err == nil {
		t.major = m
	}
	if inventory.IsGUID(full) {
		t.id = strings.ToLower(full)
		if in := tables().byID[t.id]; len(in) > 0 {
			t.name = in[0].Task
		} else if name, ok := otherIDs[t.id]; ok {
			t.name = name
		}
		return t
	}
	t.name = full[strings.LastIndexByte(full, '.')+1:]
	if in := tables().byName[strings.ToLower(t.name)]; len(in) > 0 {
		t.id = in[0].ID
	}
	return t
}

// otherIDs names tasks outside of the table that classic definitions know by their id.
var otherIDs = map[string]string{
	"fe504acc-6115-40cb-89ff-191386b5e7bf": "TerraformTask",      // microsoft/azure-pipelines-terraform, Tasks/TerraformTask/*/task.json
	"567f7830-5655-4d11-b4c5-bada59a88896": "azureresourcegroup", // maikvandergaag/msft-extensions, azuredevops/azureresourcegroup/task.json
	"6c731c3c-3c68-459a-a5c9-bde6e6595b5b": "Bash",               // microsoft/azure-pipelines-tasks, Tasks/*/task.json
	"e213ff0f-5d5c-4791-802d-52ea3e7be1f1": "PowerShell",
	"d9bafed4-0b18-4f58-968d-86655b4d2ce9": "CmdLine",
}

// inputs gives the connection inputs of a task's version. Where the table has no such version it gives those of the highest that it has.
func (t taskRef) inputs() []TaskInput {
	all := tables().byName[strings.ToLower(t.name)]
	if t.id != "" {
		all = tables().byID[t.id]
	}
	var list, newest []TaskInput
	for _, in := range all {
		if in.Major == t.major {
			list = append(list, in)
		}
		if len(newest) == 0 || in.Major >= newest[0].Major {
			if len(newest) > 0 && in.Major > newest[0].Major {
				newest = nil
			}
			newest = append(newest, in)
		}
	}
	if len(list) > 0 {
		return list
	}
	return newest
}

// builtIn tells whether the task is in the table.
func (t taskRef) builtIn() bool { return len(t.inputs()) > 0 }

// is compares the task's name without case.
func (t taskRef) is(names ...string) bool {
	for _, n := range names {
		if strings.EqualFold(t.name, n) {
			return true
		}
	}
	return false
}

// label is the task with its version for a reader.
func (t taskRef) label() string {
	if t.version == "" {
		return t.name
	}
	return t.name + "@" + strings.TrimSuffix(t.version, ".*")
}

// connectionType tells whether an input takes a connection, and of which type.
func (t taskRef) connectionType(input string) (string, bool) {
	for _, in := range t.inputs() {
		if strings.EqualFold(in.Name, input) {
			return in.Type, true
		}
		for _, a := range in.Aliases {
			if strings.EqualFold(a, input) {
				return in.Type, true
			}
		}
	}
	if kind, ok := otherInputs[t.family()+"."+strings.ToLower(input)]; ok {
		return kind, true
	}
	if t.builtIn() || plainTasks[strings.ToLower(t.name)] {
		return "", false
	}
	return guessType(strings.ToLower(t.name), strings.ToLower(input))
}

// takes is the type of the connections that an input accepts, where it is certain: of a built-in task in a version that the table has.
func (t taskRef) takes(input string) string {
	if t.name != t.full && !inventory.IsGUID(t.full) {
		return "" // an extension's task can have the name of a built-in one
	}
	typ := ""
	for _, in := range t.inputs() {
		if in.Major != t.major || !strings.EqualFold(in.Name, input) && !slices.ContainsFunc(in.Aliases, func(a string) bool { return strings.EqualFold(a, input) }) {
			continue
		}
		if typ != "" && typ != in.Type {
			return ""
		}
		typ = in.Type
	}
	return typ
}

// family is the task's lower-case name; Terraform's carries its version in the name as well, as in TerraformTaskV4@4.
func (t taskRef) family() string {
	if name := strings.ToLower(t.name); !strings.HasPrefix(name, "terraformtask") {
		return name
	}
	return "terraformtask"
}

// otherInputs are connection inputs of tasks outside of the table: of Terraform's extensions (microsoft/azure-pipelines-terraform,
// jason-johnson/azure-pipelines-tasks-terraform) and of built-in tasks that connect to GitHub.
var otherInputs = map[string]string{
	"terraformtask.backendservicearm":             "azurerm",
	"terraformtask.environmentservicenameazurerm": "azurerm",
	"terraformcli.backendservicearm":              "azurerm",
	"terraformcli.environmentservicename":         "azurerm",
	"githubrelease.githubconnection":              "github",
	"githubcomment.githubconnection":              "github",
	"downloadgithubrelease.connection":            "github",
	"downloadgithubnpmpackage.npm":                "github",
}

// plainTasks are built-in tasks that take no connection to Azure, whose inputs must not be guessed at.
var plainTasks = map[string]bool{
	"bash": true, "powershell": true, "cmdline": true, "shellscript": true, "batchscript": true, "pythonscript": true,
	"copyfiles": true, "publishpipelineartifact": true, "publishbuildartifacts": true, "downloadpipelineartifact": true,
	"usedotnet": true, "usepythonversion": true, "nodetool": true, "usenode": true, "replacetokens": true, "archivefiles": true,
}

// guessType judges the input of a task that is in no table by its name, as extensions follow those of the built-in tasks.
func guessType(task, input string) (string, bool) {
	switch input {
	case "connectedservicename", "connectedservice":
		if strings.Contains(task, "azure") || strings.Contains(task, "arm") || strings.Contains(task, "adf") {
			return "azurerm", true
		}
		return "other", true
	case "connectedservicenamearm", "azuresubscription", "azureconnection", "armconnection", "azurermconnection", "azuresubscriptionendpoint", "backendservicearm":
		return "azurerm", true
	}
	if strings.HasSuffix(input, "connection") && (strings.Contains(input, "azure") || strings.Contains(input, "arm")) {
		return "azurerm", true
	}
	if !strings.Contains(input, "serviceconnection") && !strings.Contains(input, "connectedservice") && !strings.Contains(input, "serviceendpoint") && !strings.HasPrefix(input, "environmentservicename") {
		return "", false
	}
	for _, word := range []struct{ part, kind string }{
		{"docker", "dockerregistry"}, {"registry", "dockerregistry"}, {"kube", "kubernetes"}, {"github", "github"},
		{"azure", "azurerm"}, {"arm", "azurerm"},
	} {
		if strings.Contains(input, word.part) {
			return word.kind, true
		}
	}
	return "other", true
}

// kindOf gives the kind of a connection's type.
func kindOf(connectionType string) Kind {
	switch k := Kind(strings.ToLower(connectionType)); k {
	case KindAzureRM, KindDockerRegistry, KindKubernetes, KindGitHub:
		return k
	}
	return KindOther
}

// Inputs lists the inputs of built-in tasks that take a service connection, as the embedded table has them.
func Inputs() []TaskInput {
	var list []TaskInput
	for _, inputs := range tables().byName {
		list = append(list, inputs...)
	}
	sortInputs(list)
	return list
}
