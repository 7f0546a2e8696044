package pipeline

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func testScope() *scope {
	vars := newVariables(nil)
	vars.set("Name", known(str("Value")), false)
	list := &node{kind: listNode, items: []item{{value: scalar(known(str("a")), source{})}, {value: scalar(known(str("b")), source{})}}}
	m := &node{kind: mapNode, pairs: []*pair{{key: "one", value: scalar(known(str("1")), source{})}, {key: "two", value: scalar(known(str("2")), source{})}}}
	return &scope{vars: vars, params: map[string]*leaf{
		"env": {values: []value{str("dev"), str("prod")}}, "flag": {values: []value{boolean(true), boolean(false)}},
		"open": {values: []value{str("known")}, open: true, expr: "parameters.open"}, "list": list.asLeaf(), "map": m.asLeaf(), "nothing": known(null),
	}}
}

// texts gives everything that an expression can be, with ? for what is not known.
func texts(t *testing.T, text string) []string {
	t.Helper()
	x, err := parseExpr(text)
	if err != nil {
		return []string{"error"}
	}
	l := testScope().leafOf(x.eval)
	var list []string
	for _, v := range l.values {
		s, ok := v.string()
		if !ok {
			s = "object"
		}
		list = append(list, s)
	}
	if l.open {
		list = append(list, "?")
	}
	slices.Sort(list)
	return list
}

func TestExpressions(t *testing.T) {
	tests := []struct {
		expr string
		want string // separated by |
	}{
		{"'it''s'", "it's"}, {"1.5", "1.5"}, {"-2", "-2"}, {"1.2.3", "1.2.3"}, {"TRUE", "True"}, {"null", ""},
		{"parameters.env", "dev|prod"}, {"parameters['ENV']", "dev|prod"}, {"variables.name", "Value"}, {"variables['none']", "?"},
		{"format('{0}-{0}', parameters.env)", "dev-dev|prod-prod"}, {"format('{{{0}}}', 'x')", "{x}"}, {"format('{0:yyyy}', 'x')", "?"}, {"format('{9}', 'x')", "?"},
		{"eq(parameters.env, 'DEV')", "False|True"}, {"eq(1, '1')", "True"}, {"eq('1', 1)", "True"}, {"eq(true, 'true')", "True"}, {"eq(null, '')", "True"}, {"ne('a', 'b')", "True"},
		{"and(true, variables.none)", "?"}, {"and(false, variables.none)", "False"}, {"or(true, variables.none)", "True"}, {"or(false, variables.none)", "?"}, {"not(variables.none)", "?"},
		{"xor(true, false)", "True"}, {"in('b', 'a', 'B')", "True"}, {"notIn('c', 'a', 'b')", "True"}, {"in('c', 'a', variables.x)", "?"},
		{"contains('ABC', 'b')", "True"}, {"startsWith('abc', 'A')", "True"}, {"endsWith('abc', 'x')", "False"},
		{"gt(2, 1)", "True"}, {"le('a', 'B')", "True"}, {"lt(2, 'x')", "False"},
		{"lower('ABC')", "abc"}, {"upper(parameters.env)", "DEV|PROD"}, {"trim(' a ')", "a"}, {"replace('a.b', '.', '-')", "a-b"},
		{"coalesce('', null, 'x')", "x"}, {"coalesce(parameters.nothing, '')", ""}, {"coalesce(variables.none, 'x')", "?"},
		{"iif(parameters.flag, 'a', 'b')", "a|b"}, {"iif(variables.none, 'a', 'b')", "a|b"}, {"iif(eq(parameters.env, 'dev'), parameters.env, 'x')", "dev|x"},
		{"join(',', parameters.list)", "a,b"}, {"length(parameters.list)", "2"}, {"length('abc')", "3"}, {"containsValue(parameters.list, 'B')", "True"},
		{"parameters.list[1]", "b"}, {"parameters.list[7]", ""}, {"parameters.map.one", "1"}, {"parameters.map['TWO']", "2"}, {"parameters.map.none", ""}, {"join('', parameters.map.*)", "12"},
		{"split('a,b', ',')[1]", "b"}, {"counter('x', 1)", "?"}, {"parameters.open", "?|known"}, {"parameters.undeclared", "?"}, {"dependencies.a.outputs['b']", "?"},
		{"eq(", "error"}, {"'open", "error"}, {"a b", "error"}, {"", "error"}, {"a.", "error"}, {"a[1", "error"}, {"1.2.x", "error"},
		{strings.Repeat("not(", 60) + "true" + strings.Repeat(")", 60), "error"},
	}
	for _, tt := range tests {
		want := strings.Split(tt.want, "|")
		slices.Sort(want)
		if got := texts(t, tt.expr); !slices.Equal(got, want) {
			t.Errorf("%s gives %q, want %q", tt.expr, got, want)
		}
	}
}

func TestConditionsNarrowWhatTheyDependOn(t *testing.T) {
	s := testScope()
	x, err := parseExpr("eq(parameters.env, 'prod')")
	if err != nil {
		t.Fatal(err)
	}
	truth, then, other := s.decide(x)
	env := s.params["env"]
	if truth != maybe || len(then.allowed(env)) != 1 || len(other.allowed(env)) != 1 || then.allowed(env)[0] == other.allowed(env)[0] {
		t.Errorf("truth %v, then %v, other %v", truth, then.allowed(env), other.allowed(env))
	}
}

func TestManyCombinationsEndAsUnknown(t *testing.T) {
	s := testScope()
	wide := &leaf{}
	for i := range 100 {
		wide.add(number(float64(i)))
	}
	s.params["a"], s.params["b"] = wide, &leaf{values: wide.values}
	x, err := parseExpr("format('{0}{1}', parameters.a, parameters.b)")
	if err != nil {
		t.Fatal(err)
	}
	if l := s.leafOf(x.eval); !l.open || len(l.values) > maxChoices {
		t.Errorf("%d values, open %v", len(l.values), l.open)
	}
}

func TestDirectives(t *testing.T) {
	tests := map[string]directive{
		"${{ if eq(a, b) }}":              {kind: directiveIf, text: "eq(a, b)"},
		"${{if(true)}}":                   {kind: directiveIf, text: "(true)"},
		"${{ elseif x }}":                 {kind: directiveElseif, text: "x"},
		"${{ else }}":                     {kind: directiveElse},
		"${{ each a in parameters.list}}": {kind: directiveEach, variable: "a", text: "parameters.list"},
		"${{ insert }}":                   {kind: directiveInsert},
		"${{ parameters.name }}":          {},
		"name":                            {},
	}
	for key, want := range tests {
		if got := directiveOf(key); got != want {
			t.Errorf("%s is %+v, want %+v", key, got, want)
		}
	}
}

// Any text cut at its expressions gives the text again.
func TestSplitLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"${{", "}}", "'", "a", " ", "$(", ")", "\n", "parameters.x"})).Draw(t, "text"), "")
		for _, m := range [][2]string{{"${{", "}}"}, {"$(", ")"}} {
			var b strings.Builder
			for _, p := range split(text, m[0], m[1]) {
				b.WriteString(p.text)
			}
			if b.String() != text {
				t.Fatalf("%q became %q", text, b.String())
			}
		}
		if len(masked(text)) != len(text) {
			t.Fatalf("masking %q changed its length", text)
		}
	})
}

func FuzzExpression(f *testing.F) {
	for _, s := range []string{"eq(parameters.env, 'dev')", "format('{0}', parameters.list.*)", "iif(variables.x, 1, parameters.map['one'])", "parameters.list[0].a.b", "join(',', split('a,b', ','))"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		x, err := parseExpr(text)
		if err != nil {
			return
		}
		s := testScope()
		s.leafOf(x.eval)
		s.decide(x)
	})
}
