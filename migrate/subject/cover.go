package subject

import (
	"cmp"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Coverage tells which of the needed subjects are trusted, and by what.
type Coverage struct {
	Trusted  []Trust    `json:"trusted"`
	Missing  []Miss     `json:"missing"`
	Unneeded []Unneeded `json:"unneeded"`
}

// Complete tells whether every needed subject is trusted.
func (c Coverage) Complete() bool { return len(c.Missing) == 0 }

// Trust is one needed subject with a credential that trusts it.
type Trust struct {
	Subject    Subject                       `json:"subject"`
	Credential inventory.FederatedCredential `json:"credential"`
}

// Miss is one needed subject that nothing trusts, with the credential that comes nearest.
type Miss struct {
	Subject     Subject                        `json:"subject"`
	Nearest     *inventory.FederatedCredential `json:"nearest,omitempty"` // nil where there is none
	Differences []Difference                   `json:"differences,omitempty"`
}

// UnneededKind tells why a credential is more than what is needed.
type UnneededKind string

// The kinds of unneeded credential.
const (
	UnneededUnused  UnneededKind = "unused"  // no needed subject matches it
	UnneededWide    UnneededKind = "wide"    // it is used, and trusts subjects that nobody needs
	UnneededForeign UnneededKind = "foreign" // its issuer is none of the issuers of the needed subjects: somebody else's
)

// Unneeded is one credential that trusts what nobody needs.
type Unneeded struct {
	Credential inventory.FederatedCredential `json:"credential"`
	Kind       UnneededKind                  `json:"kind"`
	Reason     string                        `json:"reason"`
}

// Cover compares the needed subjects with what an identity trusts. Matching is Entra's: issuer, subject and
// audience byte for byte, or a flexible credential's expression. A pattern is trusted only where one
// credential trusts every subject that it stands for.
func Cover(needed []Subject, have []inventory.FederatedCredential) Coverage {
	needed = distinct(needed)
	var out Coverage
	used := make([][]Subject, len(have))
	for _, s := range needed {
		trusted := false
		for i, c := range have {
			if len(differences(s, c)) > 0 {
				continue
			}
			used[i] = append(used[i], s)
			if !trusted {
				out.Trusted = append(out.Trusted, Trust{Subject: s, Credential: c})
				trusted = true
			}
		}
		if !trusted {
			out.Missing = append(out.Missing, miss(s, have))
		}
	}
	for i, c := range have {
		if u, ok := unneeded(c, used[i], needed); ok {
			out.Unneeded = append(out.Unneeded, u)
		}
	}
	return out
}

func miss(s Subject, have []inventory.FederatedCredential) Miss {
	m := Miss{Subject: s}
	if i, diffs := nearest(s, have); i >= 0 {
		c := have[i]
		m.Nearest, m.Differences = &c, diffs
	}
	return m
}

// unneeded judges one credential by the needed subjects that it trusts.
func unneeded(c inventory.FederatedCredential, used, needed []Subject) (Unneeded, bool) {
	if len(used) == 0 {
		if !slices.ContainsFunc(needed, func(s Subject) bool { return s.Issuer == c.Issuer }) {
			return Unneeded{Credential: c, Kind: UnneededForeign,
				Reason: "no scanned pipeline has tokens of the issuer " + c.Issuer + "; whoever uses it was not scanned"}, true
		}
		return Unneeded{Credential: c, Kind: UnneededUnused,
			Reason: "no job or connection that was found can present " + trustedText(c)}, true
	}
	if c.Expression == "" {
		return Unneeded{}, false
	}
	terms, err := parseExpression(c.Expression)
	if err != nil || tight(terms, used) {
		return Unneeded{}, false
	}
	return Unneeded{Credential: c, Kind: UnneededWide,
		Reason: "it trusts every subject that matches " + trustedText(c) + ", needed are only " + listValues(used)}, true
}

// tight tells whether every subject that the expression trusts is needed.
func tight(terms []term, used []Subject) bool {
	var l language
	for _, t := range terms {
		if t.claim == "sub" {
			l = l.and(t.subjectGlob())
		}
	}
	globs := make([]glob, 0, len(used))
	for _, s := range used {
		if s.Pattern {
			globs = append(globs, wildcardGlob(s.Value))
		} else {
			globs = append(globs, literal(s.Value))
		}
	}
	return len(l.clauses) > 0 && l.within(globs...)
}

func listValues(subjects []Subject) string {
	const most = 3
	values := make([]string, 0, most)
	for _, s := range subjects[:min(most, len(subjects))] {
		values = append(values, s.Value)
	}
	if len(subjects) > most {
		values = append(values, "…")
	}
	return strings.Join(values, ", ")
}

// trustedText is what a credential trusts, for a person.
func trustedText(c inventory.FederatedCredential) string { return cmp.Or(c.Expression, c.Subject) }
