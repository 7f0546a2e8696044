package e2e_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// caseGen draws one case.
type caseGen struct {
	t       *rapid.T
	c       subjectsCase
	called  bool // the workflow is called, and reads its inputs from the caller
	inputs  bool // workflow_dispatch has the inputs stage, flag and free
	setup   bool // there is a job before with an output
	matrix  bool // the job has a matrix
	inCalls bool // what is drawn stands in the caller
}

func drawCase(t *rapid.T) subjectsCase {
	g := &caseGen{t: t, c: subjectsCase{Inputs: map[string][]string{}}}
	g.called = g.oneIn(4, "called")
	if g.called {
		g.drawCaller()
	}
	g.c.Workflow = g.drawWorkflow()
	if text := g.c.text(); strings.Contains(text, "merge_group:") && strings.Contains(text, "github.base_ref") {
		g.c.Loose = true // documented for pull requests only
	} else if strings.Contains(text, "issue_comment:") && strings.Contains(text, "event.pull_request") {
		g.c.Loose = true // a comment's issue may be a pull request
	}
	if len(g.c.Inputs) == 0 {
		g.c.Inputs = nil
	}
	return g.c
}

func (g *caseGen) oneIn(n int, label string) bool {
	return rapid.IntRange(0, n-1).Draw(g.t, label) == n-1
}

func (g *caseGen) of(label string, texts ...string) string {
	return rapid.SampledFrom(texts).Draw(g.t, label)
}

// drawTriggers gives one to three triggers.
func (g *caseGen) drawTriggers() string {
	filters := []string{
		"branches: [main]", "branches: [main, dev]", "branches: ['release/*', main]", "branches: ['**', '!release/**']", "branches: ['rel?']",
		"branches: ['v[12]']", "branches: ['release/**', '!release/1']", "branches: ['*']", "branches-ignore: [main, 'feature/**']", "branches: ['!main', dev]",
		"branches: [dev, '!dev']",
	}
	push := append([]string{"", "tags: ['v*']", "tags: [v1]", "branches: [main], tags: [v1, v2]", "tags-ignore: ['v*']", "paths: ['src/**']"}, filters...)
	bases := append([]string{""}, filters...)
	all := map[string]func() string{
		"push":                func() string { return "{" + g.of("push filter", push...) + "}" },
		"pull_request":        func() string { return "{" + g.of("base filter", bases...) + "}" },
		"pull_request_target": func() string { return "{" + g.of("target filter", bases...) + "}" },
		"merge_group":         func() string { return "{" + g.of("queue filter", bases...) + "}" },
		"schedule": func() string {
			return g.of("cron", "[{cron: '1 0 * * *'}]", "[{cron: '1 0 * * *'}, {cron: '2 0 * * *'}]")
		},
		"workflow_dispatch":   g.drawInputs,
		"workflow_run":        func() string { return "{workflows: [ci]}" },
		"issue_comment":       func() string { return "" },
		"repository_dispatch": func() string { return "" },
		"release":             func() string { return "{types: [published]}" },
	}
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
		"push", "push", "pull_request", "workflow_dispatch", "workflow_dispatch", "pull_request_target", "merge_group", "schedule",
		"workflow_run", "issue_comment", "repository_dispatch", "release",
	}), 1, 3, func(s string) string { return s }).Draw(g.t, "triggers")
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "  %s: %s\n", n, all[n]())
	}
	return b.String()
}

// drawInputs gives a workflow_dispatch with or without inputs.
func (g *caseGen) drawInputs() string {
	if g.oneIn(3, "no inputs") {
		return ""
	}
	g.inputs = true
	g.c.Inputs["stage"] = []string{"dev", "prod"}
	g.c.Inputs["flag"] = []string{"true", "false"}
	g.c.Inputs["free"] = []string{"dev", "prod", "zzz"}
	required := "required: true, "
	if g.oneIn(2, "free may be empty") {
		required = ""
		g.c.Inputs["free"] = append(g.c.Inputs["free"], "")
	}
	return "\n    inputs:\n      stage: {type: choice, options: [dev, prod]}\n      flag: {type: boolean}\n      free: {" + required + "type: string, default: dev}"
}

// drawCaller makes the workflow whose job c calls.
func (g *caseGen) drawCaller() {
	g.inCalls = true
	triggers := g.drawTriggers()
	var b strings.Builder
	b.WriteString("name: caller\non:\n" + triggers + "permissions: {id-token: write, contents: read}\njobs:\n")
	g.drawSetup(&b)
	b.WriteString("  c:\n")
	if g.setup {
		b.WriteString("    needs: setup\n")
	}
	g.drawIf(&b, 2)
	g.drawMatrix(&b)
	b.WriteString("    uses: ./" + workflowPath + "\n")
	switch rapid.IntRange(0, 3).Draw(g.t, "with") {
	case 1:
		b.WriteString("    with: {env: " + g.drawName() + "}\n")
	case 2:
		b.WriteString("    with: {env: " + g.drawName() + ", go: " + g.of("go", "true", "false", `"${{ github.ref_name == 'main' }}"`) + "}\n")
	}
	g.c.Caller = b.String()
	g.setup, g.matrix, g.inCalls = false, false, false
}

// drawWorkflow makes the workflow with the job deploy.
func (g *caseGen) drawWorkflow() string {
	var b strings.Builder
	b.WriteString("name: w\non:\n")
	if g.called {
		b.WriteString("  workflow_call:\n    inputs:\n      env: {type: string}\n      go: {type: boolean, default: true}\n")
	} else {
		b.WriteString(g.drawTriggers())
	}
	b.WriteString("permissions: {id-token: write, contents: read}\njobs:\n")
	g.drawSetup(&b)
	b.WriteString("  deploy:\n    runs-on: ubuntu-latest\n")
	if g.setup {
		b.WriteString("    needs: setup\n")
	}
	g.drawIf(&b, 3)
	g.drawMatrix(&b)
	if name := g.drawName(); name != "none" {
		b.WriteString("    environment: " + name + "\n")
	}
	b.WriteString("    steps:\n      - run: echo\n")
	return b.String()
}

func (g *caseGen) drawSetup(b *strings.Builder) {
	if !g.oneIn(3, "setup") {
		return
	}
	b.WriteString("  setup:\n    runs-on: ubuntu-latest\n")
	g.drawIf(b, 1)
	g.setup = true
	output := g.of("output", "prod", "${{ github.ref_name == 'main' && 'prod' || 'dev' }}", "${{ steps.s.outputs.env }}", "")
	fmt.Fprintf(b, "    outputs: {env: \"%s\"}\n    steps:\n      - id: s\n        run: echo \"env=test\" >> \"$GITHUB_OUTPUT\"\n", output)
}

func (g *caseGen) drawIf(b *strings.Builder, depth int) {
	if g.oneIn(2, "no condition") {
		return
	}
	condition := g.drawCondition(depth)
	if g.oneIn(3, "braces") {
		condition = "${{ " + condition + " }}"
	}
	b.WriteString("    if: \"" + condition + "\"\n")
}

func (g *caseGen) drawMatrix(b *strings.Builder) {
	if !g.oneIn(4, "matrix") {
		return
	}
	g.matrix = true
	b.WriteString("    strategy: {matrix: " + g.of("rows", "{env: [dev, prod]}", "{include: [{env: dev}, {env: prod, x: 1}]}",
		"{env: [dev, prod], x: [1, 2], exclude: [{env: dev, x: 1}, {env: dev, x: 2}]}", "{x: [1, 2], include: [{x: 1, env: dev}]}",
		"{env: ['dev', ''], include: [{env: extra}]}") + "}\n")
}

// drawName draws the name of an environment, or none.
func (g *caseGen) drawName() string {
	names := []string{
		"prod", "''", `"${{ github.ref == 'refs/heads/main' && 'prod' || 'dev' }}"`, `"${{ github.event_name == 'push' && 'prod' || '' }}"`,
		`"${{ github.ref_name }}"`, `"${{ startsWith(github.ref, 'refs/heads/release/') && 'staging' || github.event_name }}"`,
		`"${{ ` + g.drawCondition(1) + ` && 'yes' || 'no' }}"`, `"web-${{ github.ref_name == 'main' && 'eu' || 'us' }}"`,
		`"${{ case(github.ref_type == 'tag', 'release', github.ref_name == 'dev', 'dev', 'rest') }}"`, `"${{ format('{0}-x', github.event_name) }}"`,
	}
	if !g.inCalls {
		names = append(names, "none", "none", "none", "none")
	}
	if g.inputs && (g.inCalls || !g.called) {
		names = append(names, `"${{ inputs.stage }}"`, `"${{ github.event.inputs.stage || 'auto' }}"`, `"${{ inputs.free }}"`,
			`"${{ inputs.flag && 'on' || 'off' }}"`, `"${{ inputs.stage }}-${{ inputs.flag }}"`, `"x-${{ github.event.inputs.free }}"`)
	}
	if g.called && !g.inCalls {
		names = append(names, `"${{ inputs.env }}"`, `"${{ inputs.env }}"`, `"${{ inputs.env || 'default' }}"`, `"${{ inputs.env }}-eu"`)
	}
	if g.setup {
		names = append(names, `"${{ needs.setup.outputs.env }}"`, `"${{ needs.setup.outputs.env }}"`)
	}
	if g.matrix {
		names = append(names, `"${{ matrix.env }}"`, `"${{ matrix.env }}"`, `"m-${{ matrix.env }}"`)
	}
	return g.of("environment", names...)
}

// drawCondition draws a condition.
func (g *caseGen) drawCondition(depth int) string {
	if depth > 0 && g.oneIn(2, "compound") {
		switch rapid.IntRange(0, 2).Draw(g.t, "operator") {
		case 0:
			return "!(" + g.drawCondition(depth-1) + ")"
		case 1:
			return "(" + g.drawCondition(depth-1) + " && " + g.drawCondition(depth-1) + ")"
		default:
			return "(" + g.drawCondition(depth-1) + " || " + g.drawCondition(depth-1) + ")"
		}
	}
	event := g.of("event", "push", "pull_request", "workflow_dispatch", "schedule", "release")
	name := g.of("branch", "main", "dev", "other", "release/1", "v1")
	atoms := []string{
		"github.event_name == '" + event + "'", "github.event_name != '" + event + "'", "contains(github.event_name, 'pull')",
		"github.ref == 'refs/heads/" + name + "'", "github.ref != 'refs/heads/" + name + "'", "github.ref_name == '" + name + "'", "github.ref == 'refs/tags/v1'",
		"startsWith(github.ref, 'refs/heads/release/')", "startsWith(github.ref, 'refs/tags/')", "endsWith(github.ref, '/x')", "contains(github.ref, 'rel')",
		"startsWith(github.ref_name, 'release/')", "github.ref_type == 'branch'", "github.ref_type != 'tag'", "github.base_ref == 'main'", "github.base_ref != ''",
		"github.head_ref == 'dev'", "startsWith(github.head_ref, 'feature/')", "github.repository == 'acme/app'", "github.repository_owner != 'acme'",
		"contains(fromJSON('[\\\"main\\\", \\\"dev\\\"]'), github.ref_name)", "(github.event_name == 'schedule' && github.event.schedule == '1 0 * * *')", "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)",
		"true", "false", "github.event.pull_request != null", "github.event_name", "github.head_ref", "github.workflow == 'w'",
	}
	if g.inputs && (g.inCalls || !g.called) {
		atoms = append(atoms, "inputs.stage == 'prod'", "inputs.stage != 'dev'", "inputs.flag", "!inputs.flag", "github.event.inputs.flag == 'true'",
			"inputs.free == 'prod'", "inputs.free != 'dev'", "inputs.free != ''", "inputs.stage == inputs.stage")
	}
	if g.called && !g.inCalls {
		atoms = append(atoms, "inputs.go", "inputs.env == 'prod'", "inputs.env != ''")
	}
	if g.setup {
		atoms = append(atoms, "always()", "needs.setup.outputs.env == 'prod'", "success()", "!failure() && !cancelled()", "always() && needs.setup.result == 'success'",
			"always() && needs.setup.result != 'skipped'")
	}
	atom := g.of("atom", atoms...)
	for _, unknown := range []string{"success()", "failure()", "cancelled()", "needs.setup.result"} {
		if strings.Contains(atom, unknown) {
			g.c.Loose = true
		}
	}
	return atom
}
