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

// A rewrite is linted in the parts that it changes; linting the whole of it finds nothing else.
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

// flaws are replacements in a rewritten text, after most of which actionlint finds something new.
var flaws = [][2]string{
	{"${{ vars.", "${{ varz."},
	{"${{ vars.", "${{ needs.nothing.outputs."},
	{"${{ secrets.", "${{ steps.nothing.outputs."},
	{"${{ vars.", "${{ matrix."},
	{"${{ secrets.", "${{ inputs."},
	{"${{ secrets.", "${{ github.event.inputs."},
	{"${{ env.", "${{ env "},
	{"id-token: write", "id-token: read"},
	{"id-token: write", "id-tokens: write"},
	{"    permissions:", "    permissions: {}\n    permissions:"},
	{"client-id:", "client-idd:"},
	{"azure/login@v2", "azure/login@v1"},
	{"uses:", "use:"},
	{"run: ", "run: echo ::set-output name=a::b "},
	{"name:", "shell: bach\n        name:"},
	{"with:", "env:\n          A=B: c\n        with:"},
	{"steps:", "steps:\n      - run: a\n        id: same\n      - run: b\n        id: same"},
}

// What is found in the parts of a rewrite that went wrong is what is found in the whole of it.
func TestLintOfPartsFindsWhatTheWholeShows(t *testing.T) {
	found := 0
	for n, tree := range corpus(t, "workflows") {
		for _, f := range Rewrite(tree, RewriteOptions{Level: LevelNeedsReview}).Files {
			if f.Refused != "" || IsActionPath(f.Path) {
				continue
			}
			was := mustParse(t, f.Before)
			for i := range 4 {
				flaw := flaws[(n+5*i)%len(flaws)]
				after := []byte(strings.Replace(string(f.After), flaw[0], flaw[1], 1+n%3))
				d, err := new(memory).parse(f.Path, after)
				if err != nil {
					continue
				}
				now := new(memory).read(d, "")
				if sameRuns(was, now) != nil {
					continue
				}
				whole, parts := newFindings(f.Before, after), lintDiffers(was, now)
				if (whole != nil) != (parts != nil) {
					t.Errorf("%s with %q for %q: found %v, in the whole text %v", f.Path, flaw[1], flaw[0], parts, whole)
				}
				if whole != nil {
					found++
				}
			}
		}
	}
	if found < 300 {
		t.Errorf("only %d flaws were found", found)
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

// What is remembered of a large organisation's parts does not grow without bounds, and is found again after it was forgotten.
func TestMessagesAreRememberedWithinABound(t *testing.T) {
	known := messages{found: make(map[string][]string)}
	text := func(i int) string {
		return fmt.Sprintf("# %d %s\non: pushed\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: a\n", i, strings.Repeat("x", mostRemembered/8))
	}
	for i := range 3 * 8 {
		if got := known.in(text(i % 12)); len(got) != 1 || !strings.Contains(got[0], "pushed") {
			t.Fatalf("text %d: %q", i%12, got)
		}
		size := 0
		for remembered := range known.found {
			size += len(remembered)
		}
		if size > mostRemembered || size != known.bytes {
			t.Fatalf("%d bytes are remembered, %d are counted", size, known.bytes)
		}
	}
}

// A part is linted with what its contexts hold by the rest of the file.
func TestLintKnowsWhatTheContextsOfAPartHold(t *testing.T) {
	const jobs = "jobs:\n  first:\n    runs-on: ubuntu-latest\n    outputs:\n      x: ${{ steps.s.outputs.x }}\n    steps:\n      - run: echo\n        id: s\n" +
		"  called:\n    uses: o/r/.github/workflows/w.yml@v1\n" +
		"  a:\n    needs: [first, called]\n    runs-on: windows-latest\n    strategy:\n      matrix:\n        os: [a, b]\n    steps:\n      - run: echo place\n      - run: echo\n        id: s\n      - run: echo more\n"
	for name, tc := range map[string]struct {
		on    string
		cases map[string]lintCase
	}{
		"an event without inputs": {"on: workflow_dispatch\n", map[string]lintCase{
			"an input":           {"place", "${{ inputs.x }}", true},
			"an input of a push": {"place", "${{ github.event.inputs.x }}", true},
		}},
		"events with and without": {"on: [push, workflow_dispatch]\n", map[string]lintCase{
			"an input": {"place", "${{ github.event.inputs.x }}", true},
		}},
		"a dispatch": {"on:\n  workflow_dispatch:\n    inputs:\n      x:\n        description: ${{ nothing }}\n        type: choice\n        options: [a]\n      y:\n        type: boolean\n", map[string]lintCase{
			"an input":                 {"place", "${{ inputs.x }}", false},
			"an input in another way":  {"place", "${{ github.event.inputs.y }}", false},
			"an input that is not":     {"place", "${{ inputs.z }}", true},
			"an input of another type": {"run: echo place", "run: echo place\n        timeout-minutes: ${{ inputs.y }}", true},
		}},
		"a call": {"on:\n  workflow_call:\n    inputs:\n      x:\n        type: string\n    secrets:\n      S:\n        required: true\n    outputs:\n      o:\n        value: ${{ jobs.first.outputs.x }}\n", map[string]lintCase{
			"an input":             {"place", "${{ inputs.x }}", false},
			"an input that is not": {"place", "${{ inputs.z }}", true},
			"a secret":             {"place", "${{ secrets.s }}", false},
			"a secret that is not": {"place", "${{ Secrets.T }}", true},
		}},
		"a call with an input of no type": {"on:\n  workflow_call:\n    inputs:\n      x:\n        required: true\n", map[string]lintCase{
			"an input":             {"place", "${{ inputs.x }}", false},
			"an input that is not": {"place", "${{ inputs.z }}", true},
			"any secret":           {"place", "${{ secrets.T }}", false},
		}},
		"a push": {"on: push\n", map[string]lintCase{
			"a matrix":                   {"place", "${{ matrix.os }}", false},
			"a matrix that is not":       {"place", "${{ matrix.cpu }}", true},
			"an output":                  {"place", "${{ needs.first.outputs.x }}", false},
			"an output that is not":      {"place", "${{ needs.first.outputs.y }}", true},
			"an output of a called file": {"place", "${{ needs.called.outputs.y }}", false},
			"a job that is not needed":   {"place", "${{ needs.other.outputs.y }}", true},
			"a step that comes later":    {"place", "${{ steps.s.outputs.x }}", true},
			"a step that came before":    {"more", "${{ steps.s.outputs.x }}", false},
			"a shell":                    {"run: echo place", "run: echo place\n        shell: cmd", false},
			"a shell of another system":  {"run: echo place", "run: echo place\n        shell: sh", true},
			"variables of a job":         {"    strategy:", "    env:\n      A: ${{ matrix.os }} ${{ needs.first.outputs.x }}\n    strategy:", false},
			"variables that are wrong":   {"    strategy:", "    env:\n      A: ${{ needs.first.outputs.y }}\n    strategy:", true},
			"a key twice":                {"    strategy:", "    env:\n      A: b\n    env:\n      A: b\n    strategy:", true},
			"a step that is moved":       {"      - run: echo place\n      - run: echo\n        id: s\n", "      - run: echo\n        id: s\n      - run: echo place\n", false},
		}},
	} {
		t.Run(name, func(t *testing.T) { lintFinds(t, tc.on+jobs, tc.cases) })
	}
}
