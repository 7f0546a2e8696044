package subject

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rhysd/actionlint"
)

func TestEnvironmentsWinOverEverything(t *testing.T) {
	const push = "push: {branches: [main]}"
	dispatch := "workflow_dispatch:\n  inputs:\n    stage: {type: choice, options: [dev, prod], required: true}\n    free: {required: true, default: test}\n    loose: {}\n    flag: {type: boolean}\n    where: {type: environment, required: true}\n"
	env := func(name string) string { return "environment: " + name }
	refs := []string{"ref:refs/heads/*", "ref:refs/tags/*"}
	tests := []struct {
		name, on string
		keys     []string
		subjects []string
		patterns []string
	}{
		{"literal", push, []string{env("prod")}, []string{"environment:prod"}, nil},
		{"literal on any event", push + "\npull_request:\nworkflow_dispatch:", []string{env("prod")}, []string{"environment:prod"}, nil},
		{"with a URL", push, []string{"environment: {name: prod, url: 'https://x'}"}, []string{"environment:prod"}, nil},
		{"a colon is escaped", push, []string{env("'a:b'")}, []string{"environment:a%3Ab"}, nil},
		{"empty is none", push, []string{env("''")}, []string{"ref:refs/heads/main"}, nil},
		{"matrix", push, []string{"strategy: {matrix: {env: [dev, prod]}}", env("${{ matrix.env }}")}, []string{"environment:dev", "environment:prod"}, nil},
		{"matrix include", push, []string{"strategy: {matrix: {include: [{env: dev}, {env: prod, x: 1}]}}", env("${{ matrix.env }}")}, []string{"environment:dev", "environment:prod"}, nil},
		{"matrix exclude", push, []string{"strategy: {matrix: {env: [dev, prod], os: [a, b], exclude: [{env: dev}]}}", env("${{ matrix.env }}")}, []string{"environment:prod"}, nil},
		{"matrix of objects", push, []string{"strategy: {matrix: {t: [{name: dev}, {name: prod}]}}", env("${{ matrix.t.name }}")}, []string{"environment:dev", "environment:prod"}, nil},
		{"matrix from JSON", push, []string{"strategy: {matrix: {env: \"${{ fromJSON('[\\\"dev\\\"]') }}\"}}", env("${{ matrix.env }}")}, []string{"environment:dev"}, nil},
		{"matrix that is not known", push, []string{"strategy: {matrix: {env: \"${{ fromJSON(vars.ENVS) }}\"}}", env("${{ matrix.env }}")},
			[]string{"ref:refs/heads/main"}, []string{"environment:*"}},
		{"matrix with two columns together", push, []string{"strategy: {matrix: {include: [{e: dev, r: eu}, {e: prod, r: us}]}}", env("${{ matrix.e }}-${{ matrix.r }}")},
			[]string{"environment:dev-eu", "environment:prod-us"}, nil},
		{"matrix with a column missing", push, []string{"strategy: {matrix: {include: [{e: dev}, {r: us}]}}", env("${{ matrix.e }}")},
			[]string{"environment:dev", "ref:refs/heads/main"}, nil},
		{"choice of a start by hand", dispatch, []string{env("${{ inputs.stage }}")}, []string{"environment:dev", "environment:prod"}, nil},
		{"old spelling of inputs", dispatch, []string{env("${{ github.event.inputs.stage }}")}, []string{"environment:dev", "environment:prod"}, nil},
		{"choice with a condition", dispatch, []string{"if: inputs.stage != 'dev'", env("${{ inputs.stage }}")}, []string{"environment:prod"}, nil},
		{"a push has no inputs", dispatch + push, []string{env("${{ inputs.stage }}")}, []string{"environment:dev", "environment:prod", "ref:refs/heads/main"}, nil},
		{"default by ||", dispatch + push, []string{env("${{ inputs.stage || 'auto' }}")}, []string{"environment:auto", "environment:dev", "environment:prod"}, nil},
		{"any text", dispatch, []string{env("${{ inputs.free }}")}, []string{"environment:test"}, []string{"environment:*"}},
		{"any text or none", dispatch, []string{env("${{ inputs.loose }}")}, []string{"ref:refs/heads/main"}, append([]string{"environment:*"}, refs...)},
		{"any text bounded by a condition", dispatch, []string{"if: inputs.free == 'a' || inputs.free == 'b'", env("${{ inputs.free }}")},
			[]string{"environment:a", "environment:b"}, nil},
		{"any text bounded by a list", dispatch, []string{"if: contains(fromJSON('[\"a\",\"b\"]'), inputs.free)", env("${{ inputs.free }}")},
			[]string{"environment:a", "environment:b"}, nil},
		{"a part of any text", dispatch, []string{env("web-${{ inputs.free }}")}, []string{"environment:web-test"}, []string{"environment:web-*"}},
		{"boolean", dispatch, []string{env("${{ inputs.flag && 'prod' || 'dev' }}")}, []string{"environment:dev", "environment:prod"}, nil},
		{"boolean as text", dispatch, []string{env("on-${{ inputs.flag }}")}, []string{"environment:on-false", "environment:on-true"}, nil},
		{"boolean compared as text", dispatch, []string{env("${{ github.event.inputs.flag == 'true' && 'prod' || 'dev' }}")}, []string{"environment:dev", "environment:prod"}, nil},
		{"environment input without a list", dispatch, []string{env("${{ inputs.where }}")}, nil, []string{"environment:*"}},
		{"by branch", "push: {branches: [main, dev]}", []string{env("${{ github.ref == 'refs/heads/main' && 'prod' || 'test' }}")}, []string{"environment:prod", "environment:test"}, nil},
		{"by branch and condition", "push: {branches: [main, dev]}", []string{"if: github.ref != 'refs/heads/dev'", env("${{ github.ref == 'refs/heads/main' && 'prod' || 'test' }}")},
			[]string{"environment:prod"}, nil},
		{"branch name", "push: {branches: [main, dev]}", []string{env("${{ github.ref_name }}")}, []string{"environment:dev", "environment:main"}, nil},
		{"branch name of a wildcard", "push: {branches: ['rel/*']}", []string{env("${{ github.ref_name }}")}, nil, []string{"environment:rel/*"}},
		{"none for some branches", "push: {branches: [main, dev]}", []string{env("${{ github.ref_name == 'main' && 'prod' || '' }}")}, []string{"environment:prod", "ref:refs/heads/dev"}, nil},
		{"by event", push + "\npull_request:", []string{env("${{ github.event_name == 'pull_request' && 'pr' || 'prod' }}")}, []string{"environment:pr", "environment:prod"}, nil},
		{"by schedule", "schedule: [{cron: '1 0 * * *'}, {cron: '2 0 * * *'}]", []string{env("${{ github.event.schedule == '1 0 * * *' && 'a' || 'b' }}")}, []string{"environment:a", "environment:b"}, nil},
		{"by an unknown value", push, []string{env("${{ vars.X == 'y' && 'a' || 'b' }}")}, []string{"environment:a", "environment:b"}, nil},
		{"case()", push, []string{env("${{ case(github.ref_name == 'main', 'prod', 'dev') }}")}, []string{"environment:prod"}, nil},
		{"from JSON", "push: {branches: [main, dev]}", []string{env(">-\n  ${{ fromJSON('{\"main\": \"prod\", \"dev\": \"test\"}')[github.ref_name] }}")}, []string{"environment:prod", "environment:test"}, nil},
		{"variable", push, []string{env("${{ vars.ENV }}")}, []string{"ref:refs/heads/main"}, []string{"environment:*"}},
		{"variable, not empty", push, []string{"if: vars.ENV != ''", env("${{ vars.ENV }}")}, nil, []string{"environment:*"}},
		{"what cannot be evaluated", push, []string{env("${{ hashFiles('x') }}")}, []string{"ref:refs/heads/main"}, []string{"environment:*"}},
		{"what cannot be read", push, []string{env("${{ a b }}")}, []string{"ref:refs/heads/main"}, []string{"environment:*"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			check(t, subjectsOf(t, workflow(test.on, test.keys...), "deploy", options()), test.subjects, test.patterns)
		})
	}
}

func TestExistingEnvironments(t *testing.T) {
	o := options()
	o.Environments = []string{"Production", "dev"}
	t.Run("both spellings are needed where they differ", func(t *testing.T) {
		check(t, subjectsOf(t, workflow("push: {branches: [main]}", "environment: production"), "deploy", o),
			[]string{"environment:Production", "environment:production"}, nil)
	})
	t.Run("an input of type environment is one of them", func(t *testing.T) {
		check(t, subjectsOf(t, workflow("workflow_dispatch: {inputs: {e: {type: environment}}}", "environment: '${{ inputs.e }}'"), "deploy", o),
			[]string{"environment:Production", "environment:dev"}, nil)
	})
	t.Run("an open name lists them besides the pattern", func(t *testing.T) {
		check(t, subjectsOf(t, workflow("workflow_dispatch: {inputs: {e: {required: true}}}", "environment: '${{ inputs.e }}'"), "deploy", o),
			[]string{"environment:Production", "environment:dev"}, []string{"environment:*"})
	})
}

func TestOutputsOfNeededJobs(t *testing.T) {
	const on = "push: {branches: [main, dev]}"
	setup := func(output, script string) string {
		return "setup:\n  runs-on: x\n  outputs: {env: \"" + output + "\"}\n  steps:\n    - id: s\n      run: |\n" + indent(script, "        ")
	}
	deploy := "deploy:\n  needs: setup\n  environment: ${{ needs.setup.outputs.env }}" + steps
	step := "${{ steps.s.outputs.env }}"
	tests := []struct {
		name, output, script string
		subjects, patterns   []string
	}{
		{"a literal", "prod", "echo", []string{"environment:prod"}, nil},
		{"an expression", "${{ github.ref_name == 'main' && 'prod' || 'dev' }}", "echo", []string{"environment:dev", "environment:prod"}, nil},
		{"a literal of a step", step, "echo \"env=prod\" >> $GITHUB_OUTPUT", []string{"environment:prod"}, nil},
		{"the old command", step, "echo '::set-output name=env::prod'", []string{"environment:prod"}, nil},
		{"quoted file", step, "echo env=prod >>\"$GITHUB_OUTPUT\"", []string{"environment:prod"}, nil},
		{"both branches of an if", step, "if [[ $GITHUB_REF == refs/heads/main ]]; then\n  echo env=prod >> $GITHUB_OUTPUT\nelse\n  echo env=dev >> $GITHUB_OUTPUT\nfi",
			[]string{"environment:dev", "environment:prod"}, nil},
		{"one branch of an if may write nothing", step, "if true; then\n  echo env=prod >> $GITHUB_OUTPUT\nfi",
			[]string{"environment:prod", "ref:refs/heads/dev", "ref:refs/heads/main"}, nil},
		{"case with a rest", step, "case \"$GITHUB_REF\" in\n  refs/heads/main) echo env=prod >> $GITHUB_OUTPUT ;;\n  *) echo env=dev >> $GITHUB_OUTPUT ;;\nesac",
			[]string{"environment:dev", "environment:prod"}, nil},
		{"a default that is overwritten", step, "echo env=dev >> $GITHUB_OUTPUT\nif x; then echo env=prod >> $GITHUB_OUTPUT; fi", []string{"environment:dev", "environment:prod"}, nil},
		{"another output beside it", step, "echo x=$(date) >> $GITHUB_OUTPUT\necho env=prod >> $GITHUB_OUTPUT", []string{"environment:prod"}, nil},
		{"what the shell computes is open", step, "echo env=$(cat e) >> $GITHUB_OUTPUT",
			[]string{"ref:refs/heads/dev", "ref:refs/heads/main"}, []string{"environment:*"}},
		{"what a placeholder puts in is open", step, "echo env=${{ vars.X }} >> $GITHUB_OUTPUT",
			[]string{"ref:refs/heads/dev", "ref:refs/heads/main"}, []string{"environment:*"}},
		{"a function that writes is not followed", step, "f() { echo env=x >> $GITHUB_OUTPUT; }\nf\necho env=y >> $GITHUB_OUTPUT",
			[]string{"ref:refs/heads/dev", "ref:refs/heads/main"}, []string{"environment:*"}},
		{"a script that cannot be read is open", step, "if; echo env=y >> $GITHUB_OUTPUT",
			[]string{"ref:refs/heads/dev", "ref:refs/heads/main"}, []string{"environment:*"}},
		{"either of two steps", "${{ steps.none.outputs.env || steps.s.outputs.env }}", "echo env=prod >> $GITHUB_OUTPUT",
			[]string{"environment:prod"}, []string{"environment:*"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			check(t, subjectsOf(t, jobs(on, setup(test.output, test.script), deploy), "deploy", options()), test.subjects, test.patterns)
		})
	}
}

func TestCallers(t *testing.T) {
	callee := "on:\n  workflow_call:\n    inputs:\n      env: {type: string}\n      go: {type: boolean, default: true}\njobs:\n  deploy:\n    if: inputs.go\n    runs-on: x\n    environment: ${{ inputs.env }}\n    steps: [{run: echo}]\n"
	call := func(on, with string) string {
		return "on: {" + on + "}\njobs:\n  c:\n    uses: ./.github/workflows/w.yml\n" + indent(with, "    ")
	}
	run := func(t *testing.T, callers ...Caller) []string {
		o := options()
		o.Callers = callers
		var out []string
		for _, s := range Jobs(parseWorkflow(t, callee), o) {
			line := s.File + " " + string(s.Repository) + ": " + strings.Join(append(s.Subjects, s.Patterns...), " ")
			if s.Unbounded {
				line += " unbounded"
			}
			out = append(out, line)
		}
		return out
	}
	caller := func(path, text string, up ...Caller) Caller {
		return Caller{Path: path, Workflow: parseWorkflow(t, text), Job: "c", Callers: up}
	}
	push := "push: {branches: [main]}"
	other := caller("x.yml", call("schedule: [{cron: '0 0 * * *'}]", "with: {env: prod}"))
	other.Repository, other.DefaultBranch = "octo/other", "trunk"
	none := other
	none.Workflow = parseWorkflow(t, call("schedule: [{cron: '0 0 * * *'}]", ""))
	tests := []struct {
		name    string
		callers []Caller
		want    []string
	}{
		{"no caller known: nothing bounds it", nil, []string{".github/workflows/w.yml : environment:* unbounded"}},
		{"literal input", []Caller{caller("a.yml", call(push, "with: {env: prod}"))}, []string{"a.yml : environment:prod"}},
		{"the caller's trigger where no environment is passed", []Caller{caller("a.yml", call(push, ""))}, []string{"a.yml : ref:refs/heads/main"}},
		{"two callers", []Caller{caller("a.yml", call(push, "with: {env: a}")), caller("b.yml", call("pull_request: ", "with: {env: ''}"))},
			[]string{"a.yml : environment:a", "b.yml : pull_request"}},
		{"the caller's condition", []Caller{caller("a.yml", call(push+", pull_request: ", "if: github.event_name == 'push'"))}, []string{"a.yml : ref:refs/heads/main"}},
		{"the caller's matrix", []Caller{caller("a.yml", call(push, "strategy: {matrix: {e: [x, y]}}\nwith: {env: '${{ matrix.e }}'}"))}, []string{"a.yml : environment:x environment:y"}},
		{"an input that switches off", []Caller{caller("a.yml", call(push, "with: {go: false}"))}, []string{"a.yml : "}},
		{"two levels", []Caller{caller("a.yml", call("workflow_call: {inputs: {e: {type: string}}}", "with: {env: '${{ inputs.e }}-eu'}"), caller("b.yml", call(push, "with: {e: prod}")))},
			[]string{"b.yml : environment:prod-eu"}},
		{"the caller's caller is not known", []Caller{caller("a.yml", call("workflow_call: ", "with: {env: prod}"))}, []string{"a.yml : environment:prod"}},
		{"another repository", []Caller{other}, []string{"x.yml octo/other: environment:prod"}},
		{"another repository's default branch", []Caller{none}, []string{"x.yml octo/other: ref:refs/heads/trunk"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, run(t, test.callers...)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestOwnTriggersOfACalledWorkflow(t *testing.T) {
	got := subjectsOf(t, workflow("push: {branches: [main]}\nworkflow_call:"), "deploy", options())
	if !got.Unbounded || len(got.Subjects) != 1 {
		t.Errorf("got %+v, want one subject, unbounded for unknown callers", got)
	}
	got = subjectsOf(t, workflow("workflow_call:", "environment: prod"), "deploy", options())
	if got.Unbounded || len(got.Subjects) != 1 {
		t.Errorf("got %+v, want the environment alone", got)
	}
}

func TestWorkflowsThatAllCallEachOtherAreBounded(t *testing.T) {
	workflows := map[string]*actionlint.Workflow{}
	names := strings.Fields("a b c d e f g h i j k l")
	for _, name := range names {
		text := "on: {push: {branches: [main]}, workflow_call: }\njobs:\n  run: {runs-on: x, steps: [{run: echo}]}\n"
		for _, other := range names {
			text += "  c" + other + ": {uses: ./.github/workflows/" + other + ".yml}\n"
		}
		workflows[".github/workflows/"+name+".yml"] = parseWorkflow(t, text)
	}
	o := options()
	o.Path = ".github/workflows/a.yml"
	o.Callers = CallersOf(o.Path, workflows)
	got := Jobs(workflows[o.Path], o)
	if len(got) < len(names) || got[0].Job != "run" {
		t.Errorf("got %d entries", len(got))
	}
}
