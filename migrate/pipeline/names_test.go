package pipeline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const pushStep = `- task: Docker@2
  inputs:
    command: push
    containerRegistry: %s
    repository: shop
`

// namesOf gives the places of the names that a pipeline's connections have, with the text that stands there.
func namesOf(files []File) []string {
	var out []string
	for _, u := range ScanWith(files[:1], func(_, path, _ string) ([]byte, error) {
		for _, f := range files {
			if f.Path == path {
				return f.Content, nil
			}
		}
		return nil, fmt.Errorf("no file %s", path)
	}, Options{}).Uses {
		for _, t := range u.Texts {
			out = append(out, strings.TrimSuffix(fmt.Sprintf("%s at %s:%d:%d", t.Name, t.File, t.Line, t.Column), " at :0:0"))
		}
	}
	return out
}

func TestANameIsFoundWhereNothingElseIsReadFromIt(t *testing.T) {
	template := "parameters:\n- name: acr\n  type: string\nsteps:\n" + fmt.Sprintf(pushStep, "${{ parameters.acr }}")
	for name, tc := range map[string]struct {
		root, template string
		want           []string
	}{
		"in the input":                     {root: "steps:\n" + fmt.Sprintf(pushStep, "prod"), want: []string{"prod at p.yml:5:24"}},
		"quoted":                           {root: "steps:\n" + fmt.Sprintf(pushStep, "'prod'"), want: []string{"prod at p.yml:5:24"}},
		"in a variable":                    {root: "variables:\n  acr: prod\nsteps:\n" + fmt.Sprintf(pushStep, "$(acr)"), want: []string{"prod at p.yml:2:8"}},
		"in a variable of a list":          {root: "variables:\n- name: acr\n  value: prod\nsteps:\n" + fmt.Sprintf(pushStep, "${{ variables.acr }}"), want: []string{"prod at p.yml:3:10"}},
		"in a variable that scripts read":  {root: "variables:\n  acr: prod\nsteps:\n" + fmt.Sprintf(pushStep, "$(acr)") + "- script: echo $(acr)\n", want: []string{"prod"}},
		"in a variable of the environment": {root: "variables:\n  my.acr: prod\nsteps:\n" + fmt.Sprintf(pushStep, "$(my.acr)") + "- script: echo $MY_ACR\n", want: []string{"prod"}},
		"in a variable of another task":    {root: "variables:\n  acr: prod\nsteps:\n" + fmt.Sprintf(pushStep, "$(acr)") + "- task: Other@1\n  inputs: {name: $(acr)}\n", want: []string{"prod"}},
		"in two variables":                 {root: "variables:\n  acr: prod\n  other: $(acr)\nsteps:\n" + fmt.Sprintf(pushStep, "$(other)"), want: []string{"prod"}},
		"put together":                     {root: "variables:\n  stage: prod\nsteps:\n" + fmt.Sprintf(pushStep, "acr-$(stage)"), want: []string{"acr-prod"}},
		"not in the text":                  {root: "steps:\n" + fmt.Sprintf(pushStep, "$(chosen)"), want: []string{"$(chosen)"}},
		"of a template": {root: "steps:\n- template: t.yml\n  parameters: {acr: prod}\n- template: t.yml\n  parameters:\n    acr: other\n", template: template,
			want: []string{"prod at p.yml:3:21", "other at p.yml:6:10"}},
		"of a template that reads it": {root: "steps:\n- template: t.yml\n  parameters: {acr: prod}\n", template: template + "- script: echo ${{ parameters.acr }}\n", want: []string{"prod"}},
		"handed on": {root: "parameters:\n- name: acr\n  type: string\n  default: prod\n  values: [prod]\nsteps:\n- template: t.yml\n  parameters: {acr: '${{ parameters.acr }}'}\n", template: template,
			want: []string{"prod"}},
		"in a default":            {root: "steps:\n- template: t.yml\n", template: strings.Replace(template, "type: string", "type: string\n  default: prod", 1), want: []string{"prod at t.yml:4:12"}},
		"of a container":          {root: "resources:\n  containers:\n  - container: c\n    image: a\n    endpoint: prod\nsteps: []\n", want: []string{"prod at p.yml:5:15"}},
		"on an anchor":            {root: "steps:\n" + fmt.Sprintf(pushStep, "&n prod"), want: []string{"prod"}},
		"in either of two places": {root: "variables:\n- ${{ if eq(variables['Build.Reason'], 'Manual') }}:\n  - name: acr\n    value: prod\n- ${{ else }}:\n  - name: acr\n    value: prod\nsteps:\n" + fmt.Sprintf(pushStep, "$(acr)"), want: []string{"prod"}},
		"of Azure itself":         {root: "steps:\n- task: AzureCLI@2\n  inputs: {azureSubscription: prod}\n", want: []string{"prod at p.yml:3:31"}},
		"of Terraform":            {root: "variables: {azure: prod}\nsteps:\n- task: TerraformTaskV4@4\n  inputs: {backendServiceArm: $(azure), environmentServiceNameAzureRM: $(azure)}\n", want: []string{"prod at p.yml:1:20", "prod at p.yml:1:20"}},
		"of a container in Azure": {root: "resources:\n  containers:\n  - container: c\n    type: ACR\n    azureSubscription: prod\nsteps: []\n", want: []string{"prod at p.yml:5:24"}},
		"in a parameter with the name of the input": {root: "steps:\n- template: t.yml\n  parameters: {azureSubscription: prod}\n",
			template: "parameters:\n- name: azureSubscription\n  type: string\nsteps:\n- task: AzureCLI@2\n  inputs: {azureSubscription: '${{ parameters.azureSubscription }}'}\n- task: AzureCLI@2\n  inputs: {azureSubscription: other}\n",
			want:     []string{"prod at p.yml:3:35", "other at t.yml:8:31"}},
		"in a variable that is handed on as something else": {root: "variables: {azure: prod}\nsteps:\n- task: AzureCLI@2\n  inputs: {azureSubscription: $(azure)}\n- template: t.yml\n  parameters: {azureSubscription: $(azure), endpoint: $(azure), acr: x}\n", template: template, want: []string{"prod", "x at p.yml:6:70"}},
		"in a part without a name":                          {root: "steps:\n- template: t.yml\n", template: "parameters:\n- name: e\n  type: object\n  default: {value: prod}\nsteps:\n- task: AzureCLI@2\n  inputs: {azureSubscription: '${{ parameters.e.value }}'}\n", want: []string{"prod"}},
		"of a cluster":                                      {root: "steps:\n- task: Kubernetes@1\n  inputs: {kubernetesServiceEndpoint: prod}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := namesOf([]File{{Path: "p.yml", Content: []byte(tc.root)}, {Path: "t.yml", Content: []byte(tc.template)}})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestANameIsWrittenByteForByte(t *testing.T) {
	for name, tc := range map[string]struct{ text, want, refused string }{
		"plain":               {text: "prod   # the registry", want: "prod-wif   # the registry"},
		"single quotes":       {text: "'prod'", want: "'prod-wif'"},
		"double quotes":       {text: `"prod"`, want: `"prod-wif"`},
		"somebody else's":     {text: "other", want: "other"},
		"already the new one": {text: "prod-wif", want: "prod-wif"},
	} {
		t.Run(name, func(t *testing.T) {
			before := "\xef\xbb\xbfsteps:\r\n- script: echo prod\r\n" + strings.ReplaceAll(fmt.Sprintf(pushStep, tc.text), "\n", "\r\n")
			f := File{Path: "p.yml", Content: []byte(before)}
			none := func(StepID) bool { return false }
			out, _ := RewriteFile(f, none, LevelNeedsReview, map[StepID]Rename{{6, 24}: {"prod", "prod-wif"}, {2, 11}: {"prod", "no"}})
			if want := strings.Replace(before, tc.text, tc.want, 1); string(out.After) != want || out.Refused != "" {
				t.Errorf("%s\n%s", out.Refused, out.After)
			}
			again, _ := RewriteFile(File{Path: "p.yml", Content: out.After}, none, LevelNeedsReview, map[StepID]Rename{{6, 24}: {"prod", "prod-wif"}})
			if len(again.Edits) > 0 {
				t.Errorf("a second pass changes it again: %+v", again.Edits)
			}
		})
	}
}

func TestANameThatNeedsQuotesGetsThem(t *testing.T) {
	for old, to := range map[string]string{"prod": "the registry: production", "'prod'": "it's", `"prod"`: `a "b" \ c`} {
		f := File{Path: "p.yml", Content: []byte("steps:\n" + fmt.Sprintf(pushStep, old))}
		out, _ := RewriteFile(f, func(StepID) bool { return false }, LevelNeedsReview, map[StepID]Rename{{5, 24}: {"prod", to}})
		if out.Refused != "" || len(out.Edits) != 1 {
			t.Fatalf("%s: %s %+v", to, out.Refused, out.Edits)
		}
		if uses := Scan([]File{{Path: "p.yml", Content: out.After}}, nil).Uses; len(uses) != 1 || uses[0].Resolved[0] != to {
			t.Errorf("%s: %+v\n%s", to, uses, out.After)
		}
	}
}

func TestAStepAndAConnectionOfOneFileAreRewrittenTogether(t *testing.T) {
	text := "steps:\n" + fmt.Sprintf(copyStep, "prod") + fmt.Sprintf(pushStep, "acr")
	out, _ := RewriteFile(File{Path: "p.yml", Content: []byte(text)}, nil, LevelNeedsReview, map[StepID]Rename{{7, 24}: {"acr", "acr-wif"}})
	want := strings.NewReplacer("AzureFileCopy@4", "AzureFileCopy@6", "containerRegistry: acr", "containerRegistry: acr-wif").Replace(text)
	if diff := cmp.Diff(want, string(out.After)); diff != "" || out.Refused != "" {
		t.Errorf("%s\n%s", out.Refused, diff)
	}
}

func TestPlacesOfANameAreFoundAgain(t *testing.T) {
	text := "variables:\n  acr: prod\nsteps:\n" + fmt.Sprintf(pushStep, "prod") + fmt.Sprintf(pushStep, "prod")
	got := NameTexts(File{Path: "p.yml", Content: []byte(text)}, []string{"prod"})
	want := []StepText{{StepID{2, 8}, "acr: prod"}, {StepID{7, 24}, "containerregistry: prod"}, {StepID{12, 24}, "containerregistry: prod"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
