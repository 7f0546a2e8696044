// Package flexible reads and evaluates the expressions of flexible federated identity credentials.
// The language (version 1) is described in Microsoft Learn, "Flexible federated identity credentials":
// comparisons claims['name'] eq|matches 'value', joined by and; matches knows the wildcards * and ?.
package flexible

import (
	"fmt"
	"strings"
)

// Term is one comparison of an expression.
type Term struct {
	Claim   string
	Matches bool // the operator is matches rather than eq
	Value   string
}

// Expression is a conjunction of terms.
type Expression []Term

// Parse reads an expression.
func Parse(text string) (Expression, error) {
	rest := strings.TrimSpace(text)
	var e Expression
	for {
		t, after, err := term(rest)
		if err != nil {
			return nil, fmt.Errorf("claims matching expression %q: %w", text, err)
		}
		e = append(e, t)
		if after = strings.TrimSpace(after); after == "" {
			return e, nil
		}
		next, ok := strings.CutPrefix(after, "and ")
		if !ok {
			return nil, fmt.Errorf("claims matching expression %q: expected 'and' before %q", text, after)
		}
		rest = strings.TrimSpace(next)
	}
}

func term(s string) (Term, string, error) {
	s, ok := strings.CutPrefix(s, "claims[")
	if !ok {
		return Term{}, "", fmt.Errorf("expected claims['…'] at %q", s)
	}
	claim, s, err := quoted(s)
	if err != nil {
		return Term{}, "", err
	}
	if s, ok = strings.CutPrefix(s, "]"); !ok {
		return Term{}, "", fmt.Errorf("expected ] at %q", s)
	}
	operator, s, _ := strings.Cut(strings.TrimSpace(s), " ")
	if operator != "eq" && operator != "matches" {
		return Term{}, "", fmt.Errorf("operator %q is neither eq nor matches", operator)
	}
	value, s, err := quoted(strings.TrimSpace(s))
	if err != nil {
		return Term{}, "", err
	}
	return Term{Claim: claim, Matches: operator == "matches", Value: value}, s, nil
}

// quoted takes a single-quoted text off the front; a doubled quote stands for one.
func quoted(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, "'") {
		return "", "", fmt.Errorf("expected a quoted text at %q", s)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '\'':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '\'':
			b.WriteByte('\'')
			i++
		default:
			return b.String(), s[i+1:], nil
		}
	}
	return "", "", fmt.Errorf("unterminated text %q", s)
}

// Claims gives the names of the claims that the expression compares.
func (e Expression) Claims() []string {
	var names []string
	for _, t := range e {
		names = append(names, t.Claim)
	}
	return names
}

// Match reports whether a token's claims satisfy every term. Comparisons regard case, like those of exact
// credentials.
func (e Expression) Match(claims map[string]any) bool {
	for _, t := range e {
		v, ok := claims[t.Claim]
		if !ok || !t.match(fmt.Sprint(v)) {
			return false
		}
	}
	return true
}

func (t Term) match(v string) bool {
	if !t.Matches {
		return v == t.Value
	}
	return wildcard(t.Value, v)
}

// wildcard matches with * for any text and ? for one character, by the usual backtracking over the last star.
func wildcard(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	star, mark, i, j := -1, 0, 0, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
