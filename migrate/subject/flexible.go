package subject

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// term is one comparison of a flexible credential's expression: claims['sub'] matches '…'.
type term struct {
	claim   string
	matches bool // matches with * and ?; else eq
	value   string
}

// parseExpression reads a claimsMatchingExpression of language version 1 (Microsoft Learn: Flexible
// federated identity credentials): terms with eq or matches, joined by and.
func parseExpression(text string) ([]term, error) {
	var terms []term
	rest := strings.TrimSpace(text)
	for {
		t, after, ok := cutTerm(rest)
		if !ok {
			return nil, fmt.Errorf("expression %q: cannot be read from %q on; expected claims['NAME'] eq 'VALUE' or matches 'PATTERN'", text, rest)
		}
		terms = append(terms, t)
		if after = strings.TrimSpace(after); after == "" {
			return terms, nil
		}
		next, ok := strings.CutPrefix(after, "and ")
		if !ok {
			return nil, fmt.Errorf("expression %q: expected \"and\" before %q", text, after)
		}
		rest = strings.TrimSpace(next)
	}
}

func cutTerm(s string) (term, string, bool) {
	s, ok := strings.CutPrefix(s, "claims['")
	if !ok {
		return term{}, "", false
	}
	claim, s, ok := strings.Cut(s, "']")
	if !ok {
		return term{}, "", false
	}
	operator, s, _ := strings.Cut(strings.TrimSpace(s), " ")
	if operator != "eq" && operator != "matches" {
		return term{}, "", false
	}
	s, ok = strings.CutPrefix(strings.TrimSpace(s), "'")
	if !ok {
		return term{}, "", false
	}
	value, s, ok := strings.Cut(s, "'")
	return term{claim: claim, matches: operator == "matches", value: value}, s, ok
}

// subjectGlob gives what the expression demands of the subject. For a pattern the wildcards are its own.
func (t term) subjectGlob() glob {
	if t.matches {
		return wildcardGlob(t.value)
	}
	return literal(t.value)
}

// expression writes the expression that trusts every subject of the pattern. Since August 2026 an expression
// for GitHub must name the repository's or the owner's id besides the subject (terraform-provider-azuread#1901).
func expression(pattern string, repositoryID int64) string {
	return fmt.Sprintf("claims['sub'] matches '%s' and claims['repository_id'] eq '%d'", pattern, repositoryID)
}

// flexibleDifferences compares with a flexible credential; empty where it trusts every subject that s stands for.
func flexibleDifferences(s Subject, c inventory.FederatedCredential) []Difference {
	terms, err := parseExpression(c.Expression)
	if err != nil {
		return []Difference{{Field: FieldExpression, Presented: s.Value, Trusted: c.Expression, Kind: "unreadable"}}
	}
	var out []Difference
	for _, t := range terms {
		switch t.claim {
		case "sub":
			if !s.language().within(t.subjectGlob()) {
				out = append(out, Difference{Field: FieldSubject, Presented: s.Value, Trusted: t.value, Kind: subjectKind(s.Value, t.value)})
			}
		case "repository_id":
			_, id := idsIn(s.Value)
			out = append(out, idDifference("repository_id", cmp.Or(s.RepositoryID, id), t.value)...)
		case "repository_owner_id":
			id, _ := idsIn(s.Value)
			out = append(out, idDifference("repository_owner_id", cmp.Or(s.OwnerID, id), t.value)...)
		default:
			out = append(out, Difference{Field: FieldExpression, Presented: "", Trusted: t.value, Kind: "claim " + t.claim + " is not known before a run"})
		}
	}
	return out
}

// idsIn reads the ids of the owner and the repository out of an immutable subject, repo:OWNER@ID/NAME@ID:…
func idsIn(value string) (owner, repository int64) {
	repo, _ := splitSubject(value)
	first, second, _ := strings.Cut(repo, "/")
	return idAfter(first), idAfter(second)
}

func idAfter(name string) int64 {
	_, text, _ := strings.Cut(name, "@")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return id
}

func idDifference(claim string, id int64, want string) []Difference {
	if id != 0 && strconv.FormatInt(id, 10) == want {
		return nil
	}
	presented := ""
	if id != 0 {
		presented = strconv.FormatInt(id, 10)
	}
	return []Difference{{Field: FieldIDs, Presented: presented, Trusted: want, Kind: claim}}
}

// language is the set of subjects that s stands for.
func (s Subject) language() language {
	if s.Pattern {
		return oneOf(wildcardGlob(s.Value))
	}
	return oneOf(literal(s.Value))
}
