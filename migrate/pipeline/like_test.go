package pipeline

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsFixedOfAnOpenName(t *testing.T) {
	for text, want := range map[string][]string{
		"$(connection)":                nil,
		"azure-$(env)":                 {"azure-", ""},
		"$(env)-azure":                 {"", "-azure"},
		"a-$(x)-b-${{ parameters.y }}": {"a-", "-b-", ""},
		"${{ parameters.x }}$(y)":      nil,
		"$[ variables.x ]":             nil,
		"azure-$[ variables.x ]":       nil, // nobody knows what that becomes
		"azure-$(a$(b))":               nil,
		"azure-$(open":                 nil,
		"azure-$name":                  nil,
		"plain":                        {"plain"},
	} {
		if diff := cmp.Diff(want, fixed(text)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", text, diff)
		}
	}
}

func TestAnOpenNameSaysWhatItAcceptsAndHowItIsWritten(t *testing.T) {
	const text = `
parameters:
- {name: any, type: string, default: x}
resources:
  containers:
  - {container: c, image: i, endpoint: "acr-$(region)"}
  repositories:
  - {repository: r, type: github, name: o/r, endpoint: $(code)}
steps:
- {task: AzureCLI@2, inputs: {azureSubscription: "azure-$(env)"}}
- {task: AzureCLI@99, inputs: {azureSubscription: $(newer)}}
- {task: contoso.ext.AzureCLI@2, inputs: {azureSubscription: $(vendor)}}
- {task: Docker@2, inputs: {containerRegistry: "${{ parameters.any }}"}}
- {task: SomeVendorsTask@1, inputs: {azureSubscription: $(other)}}
`
	got := map[string]string{}
	for _, u := range Scan([]File{{Repository: "P/r", Path: "azure-pipelines.yml", Content: []byte(text)}}, nil).Unresolved {
		got[u.Expression] = strings.TrimSpace(u.Takes + " " + strings.Join(u.Like, "*"))
	}
	want := map[string]string{"acr-$(region)": "dockerregistry acr-*", "$(code)": "github", "azure-$(env)": "azurerm azure-*", "$(newer)": "", "$(vendor)": "", "${{ parameters.any }}": "dockerregistry", "$(other)": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestClassicInputsSayWhatIsFixedOfThem(t *testing.T) {
	d := BuildDefinition{Name: "classic", Process: BuildProcess{Type: 1, Phases: []Phase{{Name: "job", Steps: []ClassicStep{
		{Enabled: true, Task: TaskReference{ID: "46e4be58-730b-4389-8a2f-ea10b3e5e815", VersionSpec: "2.*"}, Inputs: map[string]string{"connectedServiceNameARM": "azure-$(env)"}},
		{Enabled: true, Task: TaskReference{ID: "46e4be58-730b-4389-8a2f-ea10b3e5e815", VersionSpec: "2.*"}, Inputs: map[string]string{"connectedServiceNameARM": "$(all)"}},
	}}}}}
	got := map[string]string{}
	for _, u := range UsesOfBuild(d, ClassicOptions{}).Unresolved {
		got[u.Expression] = strings.TrimSpace(u.Takes + " " + strings.Join(u.Like, "*"))
	}
	if diff := cmp.Diff(map[string]string{"azure-$(env)": "azurerm azure-*", "$(all)": "azurerm"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
