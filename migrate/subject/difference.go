package subject

import (
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Fields in which a presented subject can differ from a credential.
const (
	FieldIssuer      = "issuer"
	FieldSubject     = "subject"
	FieldAudience    = "audience"
	FieldIDs         = "ids"
	FieldExpression  = "expression"
	FieldCase        = "case"
	FieldRepository  = "repository"
	FieldRef         = "ref"
	FieldEnvironment = "environment"
	FieldContext     = "context"
)

// Difference is one respect in which a credential does not trust a subject.
type Difference struct {
	Field     string `json:"field"` // one of the Field constants
	Presented string `json:"presented"`
	Trusted   string `json:"trusted"`
	Kind      string `json:"kind,omitempty"` // for Field subject: in which part (a Field constant); else what is the matter
}

// differences compares one subject with one credential; empty means that it is trusted.
func differences(s Subject, c inventory.FederatedCredential) []Difference {
	var out []Difference
	if s.Issuer != c.Issuer {
		out = append(out, Difference{Field: FieldIssuer, Presented: s.Issuer, Trusted: c.Issuer, Kind: caseOnly(s.Issuer, c.Issuer)})
	}
	switch {
	case c.Expression != "":
		out = append(out, flexibleDifferences(s, c)...)
	case s.Pattern:
		out = append(out, Difference{Field: FieldSubject, Presented: s.Value, Trusted: c.Subject, Kind: "one subject cannot stand for a pattern"})
	case s.Value != c.Subject:
		out = append(out, Difference{Field: FieldSubject, Presented: s.Value, Trusted: c.Subject, Kind: subjectKind(s.Value, c.Subject)})
	}
	if s.Audience != c.Audience {
		out = append(out, Difference{Field: FieldAudience, Presented: s.Audience, Trusted: c.Audience, Kind: caseOnly(s.Audience, c.Audience)})
	}
	return out
}

func caseOnly(a, b string) string {
	if strings.EqualFold(a, b) {
		return FieldCase
	}
	return ""
}

// subjectKind names the part in which two subjects differ.
func subjectKind(presented, trusted string) string {
	if strings.EqualFold(presented, trusted) {
		return FieldCase
	}
	pRepo, pContext := splitSubject(presented)
	tRepo, tContext := splitSubject(trusted)
	switch {
	case pRepo != tRepo && withoutIDs(pRepo) != withoutIDs(tRepo) && !strings.EqualFold(pRepo, tRepo):
		return FieldRepository
	case pRepo != tRepo && pContext == tContext:
		return FieldIDs
	case bothHave(pContext, tContext, "environment:"):
		return FieldEnvironment
	case bothHave(pContext, tContext, "ref:"):
		return FieldRef
	default:
		return FieldContext
	}
}

func bothHave(a, b, prefix string) bool {
	return strings.HasPrefix(a, prefix) && strings.HasPrefix(b, prefix)
}

// splitSubject cuts a subject into "repo:OWNER/NAME" and its context. A subject of another form is all context.
func splitSubject(value string) (repo, context string) {
	rest, ok := strings.CutPrefix(value, "repo:")
	if !ok {
		return "", value
	}
	name, context, _ := strings.Cut(rest, ":")
	return "repo:" + name, context
}

// withoutIDs removes the ids of an immutable prefix: repo:o@1/r@2 becomes repo:o/r.
func withoutIDs(repo string) string {
	owner, name, ok := strings.Cut(repo, "/")
	if !ok {
		return repo
	}
	owner, _, _ = strings.Cut(owner, "@")
	name, _, _ = strings.Cut(name, "@")
	return owner + "/" + name
}

// nearest gives the credential that differs least from the subject, and how; -1 where there is none.
func nearest(s Subject, have []inventory.FederatedCredential) (int, []Difference) {
	best, bestScore := -1, 0
	var bestDiffs []Difference
	for i, c := range have {
		diffs := differences(s, c)
		if score := distance(s, c, diffs); best < 0 || score < bestScore {
			best, bestScore, bestDiffs = i, score, diffs
		}
	}
	return best, bestDiffs
}

// distance weighs differences: one of case is nearer than one of ids, and that nearer than another ref.
// Among equals the longer common beginning of the subjects decides.
func distance(s Subject, c inventory.FederatedCredential, diffs []Difference) int {
	weight := map[string]int{FieldCase: 1, FieldIDs: 2, FieldEnvironment: 4, FieldRef: 4, FieldContext: 5, FieldRepository: 7}
	total := 0
	for _, d := range diffs {
		w, ok := weight[d.Kind]
		switch {
		case d.Field == FieldIDs && d.Presented == "":
			w = 1 // not known to differ
		case !ok:
			w = 6
		}
		total += w
	}
	if presented, _ := splitSubject(s.Value); !strings.HasPrefix(subjectText(c), presented+":") {
		total++
	}
	return total*1000 - min(commonPrefix(s.Value, subjectText(c)), 999)
}

// subjectText is what a credential says about the subject, exact or not.
func subjectText(c inventory.FederatedCredential) string {
	if c.Expression == "" {
		return c.Subject
	}
	terms, _ := parseExpression(c.Expression)
	for _, t := range terms {
		if t.claim == "sub" {
			return t.value
		}
	}
	return c.Expression
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
