// Package subject knows issuers and subjects: which subject the token of a pipeline's job or of a service
// connection carries, and which federated credential trusts it.
//
// Three questions are answered. Jobs tells for each job of a GitHub workflow the contexts that its token
// can carry, over every trigger and condition. Full and ConnectionSubject turn a context or a connection
// into what the token endpoint sees. Cover, Choose and Explain compare that with what an identity trusts.
package subject

import (
	"cmp"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// GitHubIssuer is the issuer of tokens on github.com (github/docs, OpenID Connect reference). An enterprise
// can have its own, and GitHub Enterprise Server always has.
const GitHubIssuer = "https://token.actions.githubusercontent.com"

// Audience is the audience that Entra ID's public cloud expects of a federated token (Microsoft Learn:
// Workload identity federation, supported scenarios). A federated credential has exactly one.
const Audience = "api://AzureADTokenExchange"

// Subject is what a token presents to Entra ID, or a pattern of such subjects.
type Subject struct {
	Issuer       string                   `json:"issuer"`
	Value        string                   `json:"value"`             // the whole sub claim; with * and ? where Pattern is set
	Audience     string                   `json:"audience"`          // the aud claim
	Pattern      bool                     `json:"pattern,omitempty"` // Value stands for every subject that it matches
	Repository   inventory.RepositoryName `json:"repository,omitempty"`
	RepositoryID int64                    `json:"repositoryId,omitempty"` // the repository_id claim; 0: not known or not from GitHub
	OwnerID      int64                    `json:"ownerId,omitempty"`      // the repository_owner_id claim
	Context      string                   `json:"context,omitempty"`      // the part after the prefix, such as ref:refs/heads/main
	File         string                   `json:"file,omitempty"`
	Job          string                   `json:"job,omitempty"`
	Reason       string                   `json:"reason,omitempty"` // why it is needed, or why it is not covered
}

// key identifies what Entra compares.
func (s Subject) key() string { return s.Issuer + "\n" + s.Value + "\n" + s.Audience }

// compareSubjects orders subjects by what Entra compares, exact ones before patterns.
func compareSubjects(a, b Subject) int {
	return cmp.Or(cmp.Compare(a.Issuer, b.Issuer), compareBool(a.Pattern, b.Pattern),
		cmp.Compare(a.Value, b.Value), cmp.Compare(a.Audience, b.Audience))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// distinct sorts the subjects and merges those that Entra cannot tell apart, keeping every reason.
func distinct(subjects []Subject) []Subject {
	sorted := slices.Clone(subjects)
	slices.SortStableFunc(sorted, compareSubjects)
	var out []Subject
	for _, s := range sorted {
		if s.Audience == "" {
			s.Audience = Audience
		}
		if n := len(out); n > 0 && out[n-1].key() == s.key() {
			out[n-1].Reason = joinReasons(out[n-1].Reason, s.Reason)
			continue
		}
		out = append(out, s)
	}
	return out
}

// joinReasons adds a reason unless it is already there.
func joinReasons(a, b string) string {
	switch {
	case b == "" || a == b || slices.Contains(strings.Split(a, "; "), b):
		return a
	case a == "":
		return b
	default:
		return a + "; " + b
	}
}

// escape writes a value as it stands inside a subject: GitHub replaces each colon, so that a name cannot
// forge another segment (github/docs, OpenID Connect reference; not on GitHub Enterprise Server up to 3.18).
func escape(value string) string { return strings.ReplaceAll(value, ":", "%3A") }

// isPattern tells whether a context stands for more than itself. Neither * nor ? can be in a git
// reference (git-check-ref-format), so that they are safe as a mark.
func isPattern(context string) bool { return strings.ContainsAny(context, "*?") }
