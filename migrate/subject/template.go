package subject

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Claim is one claim of a token whose value is known beforehand, for templates that name it.
type Claim struct {
	Key   string // such as job_workflow_ref
	Value string // with * and ? where it stands for several values
}

// UnknownClaimError tells that a repository's template puts a claim into the subject that is not known
// before a job runs, so that no exact subject can be given.
type UnknownClaimError struct {
	Repository inventory.RepositoryName
	Key        string
	Context    string
}

// Error tells which claim of which repository is not known, and what to do.
func (e *UnknownClaimError) Error() string {
	return fmt.Sprintf("subject of %s for %s: the repository's template includes the claim %q, which is not known before the job runs; "+
		"read a real subject from a run's log, or remove the key from the template", e.Repository, e.Context, e.Key)
}

// Prefix gives the part of a repository's subjects before the context, such as "repo:OWNER/NAME". What the
// platform tells (sub_claim_prefix) wins; only where it tells nothing the prefix is computed.
func Prefix(o inventory.OIDC, repo inventory.Repository) (string, error) {
	if o.SubClaimPrefix != "" {
		return strings.TrimSuffix(o.SubClaimPrefix, ":"), nil
	}
	owner, name, ok := strings.Cut(string(repo.Name), "/")
	if !ok || owner == "" || name == "" {
		return "", fmt.Errorf("subject prefix: the repository %q is not of the form OWNER/NAME", repo.Name)
	}
	if !o.UseImmutableSubject {
		return "repo:" + owner + "/" + name, nil
	}
	if repo.ID == 0 || repo.OwnerID == 0 {
		return "", fmt.Errorf("subject prefix of %s: its subjects are immutable, and the ids of the repository and its owner are not known; "+
			"scan the repository again with a token that may read it", repo.Name)
	}
	return fmt.Sprintf("repo:%s@%d/%s@%d", owner, repo.OwnerID, name, repo.ID), nil
}

// Full gives the subjects that a repository's jobs present for the given contexts, by the repository's template.
// A context with * or ? becomes a pattern. Where the template names a claim that is not known, the
// contexts that need it are left out and the error holds an UnknownClaimError for each; the others are still given.
func Full(o inventory.OIDC, repo inventory.Repository, contexts []string, claims ...Claim) ([]Subject, error) {
	prefix, err := Prefix(o, repo)
	if err != nil {
		return nil, err
	}
	out := make([]Subject, 0, len(contexts))
	var unknown []error
	for _, context := range contexts {
		value, err := compose(o, repo, prefix, context, claims)
		if err != nil {
			unknown = append(unknown, err)
			continue
		}
		out = append(out, Subject{
			Issuer: issuerOf(o), Value: value, Audience: Audience, Pattern: isPattern(value),
			Repository: repo.Name, RepositoryID: repo.ID, OwnerID: repo.OwnerID, Context: context,
		})
	}
	return out, errors.Join(unknown...)
}

func issuerOf(o inventory.OIDC) string {
	if o.Issuer == "" {
		return GitHubIssuer
	}
	return o.Issuer
}

// compose builds one subject. A template replaces the whole subject by its keys in their order, each as
// key:value, except "repo" and "context", which stand for the parts of the default
// (github/docs: Customizing the token claims).
func compose(o inventory.OIDC, repo inventory.Repository, prefix, context string, claims []Claim) (string, error) {
	if o.UseDefault || len(o.IncludeClaimKeys) == 0 {
		return prefix + ":" + context, nil
	}
	parts := make([]string, 0, len(o.IncludeClaimKeys))
	for _, key := range o.IncludeClaimKeys {
		switch key {
		case "repo":
			parts = append(parts, prefix)
		case "context":
			parts = append(parts, context)
		default:
			value, ok := claimValue(key, repo, context, claims)
			if !ok {
				return "", &UnknownClaimError{Repository: repo.Name, Key: key, Context: context}
			}
			parts = append(parts, key+":"+escape(value))
		}
	}
	return strings.Join(parts, ":"), nil
}

// claimValue gives a claim's value where it follows from the repository or the context.
func claimValue(key string, repo inventory.Repository, context string, claims []Claim) (string, bool) {
	for _, c := range claims {
		if c.Key == key {
			return c.Value, true
		}
	}
	switch key {
	case "repository":
		return string(repo.Name), true
	case "repository_owner":
		return repo.Name.Owner(), true
	case "repository_id":
		return strconv.FormatInt(repo.ID, 10), repo.ID != 0
	case "repository_owner_id":
		return strconv.FormatInt(repo.OwnerID, 10), repo.OwnerID != 0
	case "repository_visibility":
		return repo.Visibility, repo.Visibility != ""
	case "environment":
		return strings.CutPrefix(strings.ReplaceAll(context, "%3A", ":"), "environment:")
	case "ref":
		return strings.CutPrefix(context, "ref:")
	case "ref_type":
		return refTypeOf(context)
	default:
		return "", false
	}
}

func refTypeOf(context string) (string, bool) {
	switch {
	case strings.HasPrefix(context, "ref:refs/heads/"):
		return "branch", true
	case strings.HasPrefix(context, "ref:refs/tags/"):
		return "tag", true
	default:
		return "", false
	}
}
