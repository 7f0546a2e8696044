package simulate

import (
	"math"
	"strings"
	"testing"
)

// sampleScope has something in every context.
func sampleScope() scope {
	steps := newObject().set("s", newObject().set("outputs", open(newObject().set("known", "yes"))))
	return scope{contexts: map[string]value{
		"github": newObject().set("ref", "refs/heads/main").set("event_name", "push").set("event", open(newObject())),
		"env":    newObject().set("A", "a").set("EMPTY", ""),
		"inputs": newObject().set("flag", true).set("off", false).set("n", 3.0),
		"matrix": newObject().set("list", list{"x", "y"}).set("objects", list{newObject().set("id", "1"), newObject().set("id", "2")}),
		"steps":  steps, "secrets": newObject().set("JSON", `{"clientId":"c","n":1.5}`),
	}}
}

// TestExpressionsFollowTheReference is "Evaluate expressions in workflows and actions" of github/docs.
func TestExpressionsFollowTheReference(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"null": "", "true": "true", "711": "711", "-9.2": "-9.2", "0xff": "255", "-2.99e-2": "-0.0299", "'It''s'": "It's",
		"github.ref": "refs/heads/main", "github['REF']": "refs/heads/main", "GitHub.Ref": "refs/heads/main", "github.nosuch": "", "github.nosuch.deeper": "",
		"env.A == 'A'": "true", "env.A != 'b'": "true", "'' == 0": "true", "null == 0": "true", "true == 1": "true", "'1' == 1": "true", "'x' == 0": "false", "NaN == NaN": "false",
		"'b' > 'A'": "true", "2 < 10": "true", "'x' < 1": "false", "2 >= 2": "true",
		"!true": "false", "!''": "true", "!0": "true", "true && 'x'": "x", "false || 'x'": "x", "'' || 'd'": "d", "true || 1 && false": "true", "(true || 1) && false": "false",
		"inputs.flag && 'prod' || 'dev'": "prod", "inputs.off && 'prod' || 'dev'": "dev", "inputs.n": "3",
		"contains('Hello', 'hell')": "true", "contains(fromJSON('[\"push\",\"x\"]'), github.event_name)": "true", "contains(matrix.list, 'z')": "false",
		"startsWith(github.ref, 'REFS/')": "true", "endsWith(github.ref, 'main')": "true",
		"format('{0}-{1} {{x}}', 'a', 2)": "a-2 {x}", "join(matrix.list, '+')": "x+y", "join(matrix.list)": "x,y",
		"join(matrix.objects.*.id, ',')": "1,2", "matrix.objects[1].id": "2", "matrix.list[5]": "",
		"fromJSON(secrets.JSON).clientId": "c", "fromJSON(secrets.JSON).n": "1.5", "toJSON(fromJSON('[1]'))": "[\n  1\n]", "toJSON('x')": `"x"`,
		"case(false, 'a', true, 'b', 'c')": "b", "case(false, 'a', 'c')": "c",
		"success()": "true", "failure()": "false", "always()": "true", "cancelled()": "false", "secrets.nosuch": "",
		"steps.s.outputs.known": "yes", "steps.s.outputs.other": mark, "steps.s.outputs.other == 'x'": mark, "!steps.s.outputs.other": mark,
		"steps.s.outputs.other && false": "false", "steps.s.outputs.other || true": "true", "false && steps.s.outputs.other": "false", "steps.nosuch.outputs.x": "",
		"format('a-{0}', steps.s.outputs.other)": mark, "secrets[steps.s.outputs.other]": mark, "contains(steps.s.outputs.other, 'x')": mark, "github.event.anything.deep": mark,
	} {
		e, err := parseExpr(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		v, err := sampleScope().eval(e)
		if got := text(unfilter(v)); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", src, got, err, want)
		}
	}
}

func TestExpressionsThatGitHubRefuses(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"", "&&", "a", "github.", "github[", "github['x'", "(true", "true)", "'open", `"double"`, "nosuch()", "contains('a')", "success(1)",
		"true true", "1 +", "github.ref = 'x'", "a b", "format()", "github..ref", "join(1,,2)", strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100),
		strings.Repeat("!", 100) + "1", strings.Repeat(" ", maxExprLength+1),
	} {
		if e, err := parseExpr(src); err == nil {
			t.Errorf("%.30q is taken as %#v", src, e)
		}
	}
}

func TestConditionsCountTheUnknownAsTrue(t *testing.T) {
	t.Parallel()
	failed := sampleScope()
	failed.status.failed = true
	for _, tc := range []struct {
		sc   scope
		src  string
		want bool
	}{
		{sampleScope(), "", true}, {failed, "", false}, {sampleScope(), "false", false}, {sampleScope(), "${{ false }}", false},
		{sampleScope(), "steps.s.outputs.other == 'x'", true}, {failed, "steps.s.outputs.other == 'x'", false}, {failed, "failure()", true},
		{failed, "always() && false", false}, {sampleScope(), "!cancelled()", true}, {failed, "env.A == 'a'", false},
		{sampleScope(), "${{ false }} && ${{ false }}", true}, // a text, never empty
		{sampleScope(), "env.EMPTY", false}, {sampleScope(), "${{ env.EMPTY }}", false},
	} {
		got, err := tc.sc.condition(tc.src)
		if err != nil || got != tc.want {
			t.Errorf("if: %s with %+v is %v, %v; want %v", tc.src, tc.sc.status, got, err, tc.want)
		}
	}
}

// TestFilterPatternsFollowTheCheatSheet has the examples of github/docs, "Filter pattern cheat sheet".
func TestFilterPatternsFollowTheCheatSheet(t *testing.T) {
	t.Parallel()
	for pattern, names := range map[string][2]string{
		"feature/*":           {"feature/my-branch feature/your-branch", "feature/a/b feature"},
		"feature/**":          {"feature/beta-a/my-branch feature/your-branch feature/mona/the/octocat", "features/x"},
		"main":                {"main", "Main mains"},
		"*":                   {"main releases", "all/the/branches"},
		"**":                  {"all/the/branches every/tag main", ""},
		"*feature":            {"mona-feature feature ver-10-feature", "feature-x a/feature"},
		"v2*":                 {"v2 v2.0 v2.9", "v1 v2/0"},
		"v[12].[0-9]+.[0-9]+": {"v1.10.1 v2.0.0", "v3.0.0 v1.0 v1.x.0"},
		"*.jsx?":              {"page.js page.jsx", "page.jsxx a/page.js"},
		"**.js":               {"index.js js/index.js src/js/app.js", "app.jsx"},
		"docs/*":              {"docs/README.md docs/file.txt", "docs/a/b.md"},
		"docs/**/*.md":        {"docs/README.md docs/mona/hello-world.md docs/a/markdown/file.md", "doc/a.md"},
		"**/docs/**":          {"docs/hello.md dir/docs/my-file.txt space/docs/plan/space.doc", "doc/x"},
		"**/README.md":        {"README.md js/README.md", "README.mdx"},
		"**/*src/**":          {"a/src/app.js my-src/code/js/app.js", "a/b"},
		"**/migrate-*.sql":    {"migrate-10909.sql db/migrate-v1.0.sql db/sept/migrate-v1.sql", "migrate.sql"},
		`a\*b`:                {"a*b", "axb"},
		"a.b":                 {"a.b", "axb"},
		"[":                   {"[", "x"},
	} {
		for _, name := range strings.Fields(names[0]) {
			if !glob(pattern, name) {
				t.Errorf("%s does not match %s", pattern, name)
			}
		}
		for _, name := range strings.Fields(names[1]) {
			if glob(pattern, name) {
				t.Errorf("%s matches %s", pattern, name)
			}
		}
	}
	if !matchAny([]string{"releases/**", "!releases/**-alpha"}, "releases/10") || matchAny([]string{"releases/**", "!releases/**-alpha"}, "releases/beta/3-alpha") {
		t.Error("a ! does not take out")
	}
	if !matchAny([]string{"*", "!b", "b"}, "b") || matchAny([]string{"!b"}, "a") {
		t.Error("the order does not count")
	}
}

func TestVersionsBeforeOIDC(t *testing.T) {
	t.Parallel()
	for ref, old := range map[string]bool{
		"v1": false, "v2": false, "v1.1": true, "v1.3": true, "v1.3.0": true, "v1.4.0": false, "v1.6.1": false, "v0.9": true,
		"main": false, "f5d393ae46f8fde4be8b75f32e3fc50e654ad0ca": false, "": false, "1.1": true,
	} {
		if versionBelow(ref, 1, 4) != old {
			t.Errorf("%q: old is %v", ref, !old)
		}
	}
}

func FuzzExpressions(f *testing.F) {
	for _, seed := range []string{"github.ref == 'x'", "a.b.*.c[0]", "format('{0}', 1)", "fromJSON('{\"a\":[1,{}]}').a[1]", "!(-1.5e3 <= .5)", "case(1,2,3)", "steps.s.outputs.x && secrets[env.A]"} {
		f.Add(seed)
	}
	sc := sampleScope()
	f.Fuzz(func(t *testing.T, src string) {
		e, err := parseExpr(src)
		if err != nil {
			return
		}
		v, err := sc.eval(e)
		if err == nil {
			_ = text(unfilter(v))
			_ = toJSON(unfilter(v))
			_ = math.Abs(number(unfilter(v)))
		}
		if _, err := sc.expand("a ${{ " + src + " }} b"); err != nil && strings.Contains(err.Error(), "Unexpected symbol") && !strings.Contains(src, "}}") && !strings.Contains(src, "${{") {
			t.Errorf("%q parses alone but not in a text: %v", src, err)
		}
	})
}
