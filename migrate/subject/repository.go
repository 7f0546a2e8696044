package subject

import (
	"cmp"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Names tells whether a federated credential names a repository: by the prefix that the platform tells, or by the
// repository's plain name, which older tokens carry. It gives what follows the prefix, such as environment:prod.
func Names(repo inventory.Repository, f inventory.FederatedCredential) (context string, ok bool) {
	if f.Issuer != cmp.Or(repo.OIDC.Issuer, GitHubIssuer) {
		return "", false
	}
	prefixes := []string{"repo:" + string(repo.Name) + ":"}
	if p, err := Prefix(repo.OIDC, repo); err == nil && p != "" {
		prefixes = append(prefixes, p+":")
	}
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(f.Subject, p); ok {
			return rest, true
		}
		if _, rest, ok := strings.Cut(f.Expression, p); ok {
			rest, _, _ = strings.Cut(rest, "'")
			return rest, true
		}
	}
	return "", false
}
