package subject

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestFilterPatterns(t *testing.T) {
	// The examples of github/docs, Filter pattern cheat sheet, as far as they are about branches and tags.
	tests := []struct {
		pattern string
		in, out []string
	}{
		{"feature/*", []string{"feature/my-branch", "feature/your-branch"}, []string{"feature/a/b", "feature"}},
		{"feature/**", []string{"feature/beta-a/my-branch", "feature/your-branch", "feature/mona/the/octocat"}, []string{"feature"}},
		{"main", []string{"main"}, []string{"Main", "mainx", ""}},
		{"releases/mona-the-octocat", []string{"releases/mona-the-octocat"}, nil},
		{"*", []string{"main", "releases"}, []string{"all/the/branches"}},
		{"**", []string{"all/the/branches", "every/tag"}, nil},
		{"*feature", []string{"mona-feature", "feature", "ver-10-feature"}, []string{"a/feature"}},
		{"v2*", []string{"v2", "v2.0", "v2.9"}, []string{"v1"}},
		{"v[12].[0-9]+.[0-9]+", []string{"v1.10.1", "v2.0.0"}, []string{"v3.0.0", "v1.0", "v1..1"}},
		{"*.jsx?", []string{"page.js", "page.jsx"}, []string{"page.jsxx"}},
		{"**/x", []string{"x", "a/x", "a/b/x"}, []string{"ax"}},
		{"a/**/b", []string{"a/b", "a/x/b", "a/x/y/b"}, []string{"ab"}},
		{`a\*`, []string{"a*"}, []string{"ab"}},
		{"a[", []string{"a["}, []string{"a"}},
	}
	for _, test := range tests {
		l := oneOf(filterGlobs(nil, test.pattern)...)
		for _, name := range test.in {
			if !l.contains(name) {
				t.Errorf("%s does not match %q", test.pattern, name)
			}
		}
		for _, name := range test.out {
			if l.contains(name) {
				t.Errorf("%s matches %q", test.pattern, name)
			}
		}
	}
}

// drawGlob makes a small glob over few characters, so that languages often meet.
func drawGlob(t *rapid.T, label string) glob {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("abB/*?+[]")), 0, 5, -1).Draw(t, label)
	g := filterGlob(text)
	if rapid.Bool().Draw(t, label+" folded") {
		return g.folded()
	}
	return g
}

func drawLanguage(t *rapid.T) language {
	var l language
	for i := range rapid.IntRange(1, 3).Draw(t, "clauses") {
		globs := []glob{drawGlob(t, "glob")}
		if rapid.Bool().Draw(t, "two") {
			globs = append(globs, drawGlob(t, "glob"))
		}
		l.clauses = append(l.clauses, clause{globs: globs, not: i > 0 && rapid.Bool().Draw(t, "not")})
	}
	return l
}

// shortTexts are all texts of up to four of the characters that drawGlob uses, and one more.
var shortTexts = func() []string {
	out := []string{""}
	last := out
	for range 4 {
		var next []string
		for _, s := range last {
			for _, r := range "abB/x" {
				next = append(next, s+string(r))
			}
		}
		out = append(out, next...)
		last = next
	}
	return out
}()

func TestLanguageAgreesWithTryingEveryShortText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLanguage(t)
		var in []string
		for _, s := range shortTexts {
			if l.contains(s) {
				in = append(in, s)
			}
		}
		if l.empty() && len(in) > 0 {
			t.Fatalf("empty, but has %q", in)
		}
		if all, ok := l.finite(2000); ok {
			for _, s := range all {
				if !l.contains(s) {
					t.Fatalf("lists %q, which it does not have", s)
				}
			}
			for _, s := range in {
				if !slices.Contains(all, s) {
					t.Fatalf("does not list %q", s)
				}
			}
		}
		patterns := l.wildcards()
		for _, s := range in {
			if !slices.ContainsFunc(patterns, func(p string) bool { return oneOf(wildcardGlob(p).folded()).contains(s) }) {
				t.Fatalf("%q matches none of %q", s, patterns)
			}
		}
		other := drawGlob(t, "other")
		if l.within(other) {
			for _, s := range in {
				if !other.match(s) {
					t.Fatalf("within, but %q is not", s)
				}
			}
		}
	})
}

func TestAskSplitsWithoutLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, g := drawLanguage(t), drawGlob(t, "asked")
		for i := range 2 {
			s := &symbol{lang: l}
			work := int(maxWork)
			w := newWorld(&choices{path: []int{i}, widths: []int{2}}, trigger{}, newLore(&work))
			answer := w.ask(s, []glob{g})
			for _, text := range shortTexts {
				holds := g.folded().match(text)
				switch chosen := w.at == 1; {
				case !l.contains(text):
				case !chosen && answer == yes && !holds, !chosen && answer == no && g.match(text):
					t.Fatalf("answers %v without a choice, but %q says otherwise", answer, text)
				case chosen && answer == no && holds == s.lang.contains(text):
					t.Fatalf("after no, %q is wrongly in or out", text)
				case chosen && answer == yes && s.lang.contains(text) && !holds:
					t.Fatalf("after yes, %q is in", text)
				case chosen && answer == yes && g.match(text) && !s.lang.contains(text):
					t.Fatalf("after yes, %q is lost", text)
				}
			}
		}
	})
}

func TestThreeValuedLogicIsSound(t *testing.T) {
	values := []tri{unknown, no, yes}
	worlds := func(v tri) []bool {
		switch v {
		case yes:
			return []bool{true}
		case no:
			return []bool{false}
		}
		return []bool{false, true}
	}
	admits := func(v tri, b bool) bool { return slices.Contains(worlds(v), b) }
	for _, a := range values {
		for _, b := range values {
			for _, x := range worlds(a) {
				for _, y := range worlds(b) {
					if !admits(a.and(b), x && y) || !admits(a.or(b), x || y) || !admits(a.not(), !x) {
						t.Errorf("%v and %v: %v and, %v or, %v not lose %v, %v", a, b, a.and(b), a.or(b), a.not(), x, y)
					}
				}
			}
			if a != unknown && b != unknown && (a.and(b) == unknown || a.or(b) == unknown) {
				t.Errorf("%v and %v give unknown", a, b)
			}
		}
	}
}
