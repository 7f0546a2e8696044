package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Law 2: no value of a secret is repeated anywhere.
func TestNoSecretValueIsRepeated(t *testing.T) {
	const canary = "c4n4ry-value"
	files := []File{{Path: "a.yml", Content: []byte(`
variables:
  ARM_CLIENT_SECRET: c4n4ry-value
  other_client_secret: c4n4ry-value
steps:
- script: az login --service-principal -u x -p c4n4ry-value --tenant y
  env: { ARM_CLIENT_SECRET: c4n4ry-value }
- bash: |
    export ARM_CLIENT_SECRET=c4n4ry-value
    export AZURE_CLIENT_SECRET="c4n4ry-value"
    azd auth login --client-secret c4n4ry-value
- pwsh: |
    $env:ARM_CLIENT_SECRET = "c4n4ry-value"
- task: Some@1
  inputs: { clientSecret: c4n4ry-value, azureSubscription: sub }
`)}}
	r := Scan(files, nil)
	classic := UsesOfBuild(BuildDefinition{Name: "b", Variables: map[string]ClassicVariable{"ARM_CLIENT_SECRET": {Value: canary}}, Process: BuildProcess{Phases: []Phase{{Steps: []ClassicStep{
		{Task: TaskReference{ID: "6c731c3c-3c68-459a-a5c9-bde6e6595b5b", VersionSpec: "3.*"}, Enabled: true, Inputs: map[string]string{"script": "az login --service-principal -p " + canary}, Environment: map[string]string{"ARM_CLIENT_SECRET": canary}},
	}}}}}, ClassicOptions{})
	for name, result := range map[string]Result{"YAML": r, "classic": classic} {
		b, err := json.Marshal(result)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), canary) {
			t.Errorf("%s: the value is in the result: %s", name, b)
		}
		literal := 0
		for _, s := range result.Secrets {
			if s.Literal {
				literal++
			}
		}
		if want := map[string]int{"YAML": 9, "classic": 3}[name]; literal != want {
			t.Errorf("%s: %d literal secrets are told, want %d: %+v", name, literal, want, result.Secrets)
		}
	}
	w := Rewrite(files, nil, RewriteOptions{Level: LevelNeedsReview})
	if text := fmt.Sprint(w.Left); strings.Contains(text, canary) {
		t.Errorf("the value is in what is left: %s", text)
	}
}

func TestTheSameFilesGiveTheSameResult(t *testing.T) {
	files := []File{{Path: "a.yml", Content: []byte("trigger: none\njobs:\n- job: m\n  strategy:\n    matrix:\n      a: {x: 1, y: sub-a, z: q}\n      b: {x: 2, y: sub-b, z: r}\n  steps:\n  - task: AzureCLI@2\n    inputs: {azureSubscription: $(y)-$(x)-$(z)}\n")}}
	first := describe(Scan(files, nil))
	for range 20 {
		if again := describe(Scan(files, nil)); again != first {
			t.Fatalf("another run gives another result:\n%s\n%s", first, again)
		}
	}
}

func TestFilesThatAskForTooMuchEndAsGaps(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("trigger: none\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1)
	}
	bomb.WriteString("steps:\n- ${{ each x in parameters.a }}:\n  - *a11\n- task: AzureCLI@2\n  inputs: {azureSubscription: sub, x: *a11}\n")
	tests := map[string]string{
		"aliases":    bomb.String() + "jobs: *a11\n",
		"loops":      "parameters:\n- name: l\n  type: object\n  default: [" + strings.Repeat("1,", 200) + "1]\nsteps:\n- ${{ each a in parameters.l }}:\n  - ${{ each b in parameters.l }}:\n    - ${{ each c in parameters.l }}:\n      - ${{ each d in parameters.l }}:\n        - script: x\n",
		"big":        strings.Repeat("x", maxFileSize+1),
		"NUL":        "a: \x00",
		"not UTF-8":  "a: \xff",
		"UTF-16":     "\xff\xfea",
		"a scalar":   "just text",
		"two tabs":   "a:\n\t\tb: c",
		"empty":      "",
		"an endless": "steps: &a\n- *a\n",
	}
	for name, content := range tests {
		r := Scan([]File{{Path: "a.yml", Content: []byte(content)}, {Path: "b.yml", Content: []byte("steps:\n- task: AzureCLI@2\n  inputs: {azureSubscription: sub}\n")}}, nil)
		if name != "an endless" && len(r.Gaps) == 0 {
			t.Errorf("%s: no gap", name)
		}
		found := false
		for _, u := range r.Uses {
			found = found || u.File == "b.yml"
		}
		if !found {
			t.Errorf("%s: the other file was not read", name)
		}
	}
}

func TestTemplatesThatIncludeManyOthersEnd(t *testing.T) {
	lookup := func(_, path, _ string) ([]byte, error) {
		if len(path) > 60 {
			return nil, errors.New("too long")
		}
		name := strings.TrimSuffix(path, ".yml")
		return []byte("steps:\n- template: " + name + "a.yml\n- template: " + name + "b.yml\n- task: AzureCLI@2\n  inputs: {azureSubscription: sub}\n"), nil
	}
	r := Scan([]File{{Path: "t.yml", Content: []byte("trigger: none\nsteps:\n- template: t.yml\n- template: ta.yml\n")}}, lookup)
	if len(r.Gaps) == 0 {
		t.Error("no gap tells that not everything was read")
	}
}

// Whatever indentation, line ends and quotes a file has, a rewrite changes the version and the script and nothing else.
func TestOnlyPlannedBytesChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pad := strings.Repeat(" ", rapid.IntRange(0, 4).Draw(t, "indent"))
		quote := rapid.SampledFrom([]string{"", "'", `"`}).Draw(t, "quote")
		end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "line end")
		comment := rapid.SampledFrom([]string{"", "   # ünïcode", " #"}).Draw(t, "comment")
		bom := rapid.SampledFrom([]string{"", "\ufeff"}).Draw(t, "mark")
		lines := []string{
			"# first" + comment, "steps:", pad + "- task: " + quote + "AzureFileCopy@4" + quote + comment, pad + "  inputs:", pad + "    azureSubscription: " + quote + "süb" + quote + comment,
			pad + "- task: AzureCLI@2", pad + "  inputs:", pad + "    azureSubscription: sub", pad + "    scriptType: bash", pad + "    addSpnToEnvironment: true", pad + "    inlineScript: |",
			pad + "      echo ü", pad + "      export ARM_CLIENT_SECRET=$servicePrincipalKey", "",
		}
		src := bom + strings.Join(lines, end)
		want := strings.NewReplacer("AzureFileCopy@4", "AzureFileCopy@6", "ARM_CLIENT_SECRET=$servicePrincipalKey", "ARM_USE_OIDC=true ARM_OIDC_TOKEN=$idToken").Replace(src)
		w := Rewrite([]File{{Path: "a.yml", Content: []byte(src)}}, nil, RewriteOptions{Level: LevelNeedsReview})
		if len(w.Files) != 1 || string(w.Files[0].After) != want {
			t.Fatalf("%+v\nwant %q", w, want)
		}
	})
}
