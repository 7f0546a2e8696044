package workflow

import (
	"fmt"
	"strings"
	"testing"
)

// newFindings compares what actionlint finds in whole texts.
func newFindings(before, after []byte) error {
	known := make(map[string]int)
	for _, e := range lint(before) {
		known[e.Kind+e.Message]++
	}
	for _, e := range lint(after) {
		if known[e.Kind+e.Message]--; known[e.Kind+e.Message] < 0 {
			return fmt.Errorf("line %d: %s", e.Line, e.Message)
		}
	}
	return nil
}

// A rewrite is linted with the jobs blanked out that it cannot reach; linting the whole of it finds nothing else.
func TestRewriteOfRealFilesLintsCleanAsAWhole(t *testing.T) {
	for _, tree := range corpus(t, "workflows") {
		for _, f := range Rewrite(tree, RewriteOptions{Level: LevelNeedsReview}).Files {
			if f.Refused != "" || IsActionPath(f.Path) {
				continue
			}
			if err := newFindings(f.Before, f.After); err != nil {
				t.Errorf("%s: %v", f.Path, err)
			}
		}
	}
}

func TestLintSeesEveryJobThatAChangeReaches(t *testing.T) {
	const text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    outputs:\n      x: ${{ steps.s.outputs.x }}\n    steps:\n      - run: echo a\n        id: s\n" +
		"  b:\n    needs: [a]\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ needs.a.outputs.x }}\n" +
		"  c:\n    needs: B\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo c\n" +
		"  d:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ nothing.here }}\n"
	lintFinds(t, text, map[string]lintCase{
		"a comment":                      {"echo c", "echo c # c", false},
		"an output that others read":     {"      x: ${{ steps", "      y: ${{ steps", true},
		"a step that an output reads":    {"id: s", "id: t", true},
		"a finding in the changed job":   {"echo c", "echo ${{ nothing.there }}", true},
		"an event that does not exist":   {"on: push", "on: pushed", true},
		"an action that is too old":      {"- run: echo c", "- uses: actions/checkout@v1", true},
		"a job that knows the same flaw": {"echo ${{ nothing.here }}", "echo ${{ nothing.here }} d", false},
	})
}

// Variables and permissions of the whole workflow reach no job, but are looked at themselves.
func TestLintSeesWhatChangesOutsideOfJobs(t *testing.T) {
	const text = "on:\n  workflow_call:\n    inputs:\n      x:\n        type: string\nenv:\n  NAME: value\npermissions:\n  contents: read\ndefaults:\n  run:\n    shell: bash\n" +
		"jobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ env.NAME }} ${{ inputs.x }}\n" +
		"  b:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ nothing.here }}\n"
	lintFinds(t, text, map[string]lintCase{
		"another value":                  {"NAME: value", "NAME: ${{ vars.X }}", false},
		"another variable":               {"NAME: value", "OTHER: value", false},
		"a flaw in a value":              {"NAME: value", "NAME: ${{ nothing.there }}", true},
		"a name that cannot be":          {"NAME: value", "NA=ME: value", true},
		"a permission more":              {"contents: read", "contents: read\n  id-token: write", false},
		"no permissions":                 {"permissions:\n  contents: read\n", "", false},
		"a scope that does not exist":    {"contents: read", "content: read", true},
		"a shell that does not exist":    {"shell: bash", "shell: bach", true},
		"an input that a job reads":      {"      x:\n        type", "      y:\n        type", true},
		"a variable and a job":           {"NAME: value\npermissions:\n  contents: read\ndefaults:\n  run:\n    shell: bash\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n", "NAME: other\ndefaults:\n  run:\n    shell: bash\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ nothing.there }}\n", true},
		"the same flaw with a new value": {"NAME: value", "NAME: other # ${{ nothing.here }}", false},
	})
}

// lintCase is a change of a text, and whether actionlint finds something that it did not find before.
type lintCase struct {
	old, new string
	found    bool
}

// lintFinds holds what is found in the jobs and steps that a change reaches against what is found in the whole text.
func lintFinds(t *testing.T, text string, cases map[string]lintCase) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			after := strings.Replace(text, tc.old, tc.new, 1)
			was, now := mustParse(t, []byte(text)), mustParse(t, []byte(after))
			whole := newFindings([]byte(text), []byte(after))
			if err := lintDiffers(was, now); (err != nil) != tc.found || (whole != nil) != tc.found {
				t.Errorf("found %v, in the whole text %v", err, whole)
			}
		})
	}
}

// Steps that stand in both versions are linted where something else can depend on them, or they on what has changed.
func TestLintSeesEveryStepThatAChangeReaches(t *testing.T) {
	const text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    strategy:\n      matrix:\n        x: [1]\n    steps:\n      - run: echo old\n        id: s\n" +
		"      - run: echo ${{ steps.s.outputs.x }}\n      - run: echo ${{ matrix.x }}\n      - run: echo b\n        id: t\n      - run: echo ${{ nothing.here }}\n      - run: echo last\n"
	lintFinds(t, text, map[string]lintCase{
		"a comment":                         {"echo last", "echo last # c", false},
		"an id that another step names":     {"id: s", "id: u", true},
		"an id that nothing names":          {"id: t", "id: u", false},
		"an id that is there already":       {"      - run: echo last\n", "      - run: echo last\n        id: t\n", true},
		"a key that steps depend on":        {"x: [1]", "y: [1]", true},
		"a key that they do not depend on":  {"    strategy:", "    permissions:\n      id-token: write\n    strategy:", false},
		"a permission that does not exist":  {"    strategy:", "    permissions:\n      id-tokens: write\n    strategy:", true},
		"a step that reads what is missing": {"echo last", "echo ${{ steps.nowhere.outputs.x }}", true},
		"a step before all others":          {"      - run: echo old\n", "      - uses: azure/login@v2\n      - run: echo old\n", false},
		"a step that is gone":               {"      - run: echo last\n", "", false},
	})
}
