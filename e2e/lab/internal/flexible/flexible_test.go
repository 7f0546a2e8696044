package flexible

import (
	"testing"

	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	claims := map[string]any{"sub": "repo:contoso/shop:ref:refs/heads/release/1", "repository_id": "42"}
	for _, c := range []struct {
		name, expression string
		want             bool
	}{
		{"a star spans slashes", "claims['sub'] matches 'repo:contoso/shop:ref:refs/heads/*'", true},
		{"a question mark is one character", "claims['sub'] matches 'repo:contoso/sho?:ref:refs/heads/release/?'", true},
		{"every term must hold", "claims['sub'] matches 'repo:contoso/shop:*' and claims['repository_id'] eq '43'", false},
		{"two terms that hold", "claims['sub'] matches 'repo:contoso/shop:*' and claims['repository_id'] eq '42'", true},
		{"case matters", "claims['sub'] matches 'repo:Contoso/*'", false},
		{"eq knows no wildcard", "claims['sub'] eq 'repo:contoso/*'", false},
		{"a missing claim never matches", "claims['job_workflow_ref'] matches '*'", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := Parse(c.expression)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Match(claims); got != c.want {
				t.Errorf("Match = %v, want %v", got, c.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{
		"", "sub eq 'x'", "claims['sub']", "claims['sub'] like 'x'", "claims['sub'] eq 'x", "claims['sub eq 'x'",
		"claims['sub'] eq 'x' or claims['sub'] eq 'y'", "claims['sub'] eq 'x' and",
	} {
		if e, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", s, e)
		}
	}
}

func TestAPatternWithoutWildcardsMatchesOnlyItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.StringMatching(`[a-c:/]{0,8}`).Draw(t, "a")
		b := rapid.StringMatching(`[a-c:/]{0,8}`).Draw(t, "b")
		if wildcard(a, b) != (a == b) {
			t.Fatalf("wildcard(%q, %q) = %v", a, b, a != b)
		}
		if !wildcard(a+"*", a+b) || !wildcard("*"+b, a+b) {
			t.Fatalf("a star does not cover %q in %q", b, a+b)
		}
	})
}
