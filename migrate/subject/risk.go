package subject

import (
	"fmt"
	"slices"
	"strings"
)

// risks explains what trusting the needed subjects means for the identity's safety.
func risks(needed []Subject, groups []group) []string {
	var out []string
	add := func(text string) {
		if text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	for _, s := range needed {
		add(pullRequestRisk(s))
		add(branchRisk(s))
		add(environmentRisk(s))
	}
	for _, s := range needed {
		add(flipRisk(s))
	}
	for _, g := range groups {
		add(flexibleRisk(g))
	}
	return out
}

// pullRequestRisk: the workflow of a pull request is the author's text.
func pullRequestRisk(s Subject) string {
	if !strings.HasSuffix(s.Value, ":pull_request") {
		return ""
	}
	return fmt.Sprintf("%s: whoever can open a pull request from a branch of the repository decides what its workflow does, before any review, "+
		"and so can sign in as this identity; give pull requests an identity of their own that can only read", s.Value)
}

func branchRisk(s Subject) string {
	if !s.Pattern || !strings.Contains(s.Value, ":ref:refs/") {
		return ""
	}
	return fmt.Sprintf("%s: whoever can push a matching branch or tag can sign in as this identity; protect these names, or use an environment with branch rules", s.Value)
}

func environmentRisk(s Subject) string {
	if !s.Pattern || !strings.HasSuffix(s.Value, ":environment:*") {
		return ""
	}
	return fmt.Sprintf("%s: a job creates an environment by naming it, so that every environment is trusted, also one without protection", s.Value)
}

// flipRisk: a subject by name becomes another one when the repository is renamed, transferred or opted in to
// immutable subjects (github/docs, OpenID Connect reference).
func flipRisk(s Subject) string {
	repo, _ := splitSubject(s.Value)
	if repo == "" || strings.Contains(repo, "@") || s.Issuer != GitHubIssuer {
		return ""
	}
	return fmt.Sprintf("%s: the subjects name the repository by its name; a rename, a transfer or the choice of immutable subjects (use_immutable_subject) "+
		"changes them to repo:OWNER@ID/NAME@ID, and every sign-in fails until new federated credentials exist", repo)
}

func flexibleRisk(g group) string {
	if g.pattern == "" {
		return ""
	}
	if !g.wide {
		return fmt.Sprintf("%s: flexible federated credentials are a preview, and listing an application's credentials with Graph v1.0 fails once it has one", g.pattern)
	}
	return fmt.Sprintf("%s: stands for %d subjects to stay within the limit, and trusts others that match as well; flexible federated credentials are a preview",
		g.pattern, len(g.members))
}

// proposals says what a person could change where not everything is covered.
func (c *chooser) proposals() []string {
	var out []string
	limit, infinite := 0, map[string]bool{}
	for _, s := range c.choice.Uncovered {
		if s.Pattern {
			repo, _ := splitSubject(s.Value)
			if repo == "" {
				repo = s.Issuer
			}
			infinite[repo] = true
		} else if len(s.Value) <= maxField {
			limit++
		}
	}
	if limit > 0 {
		identities := 1 + (limit+c.options.Limit-1)/c.options.Limit
		out = append(out, fmt.Sprintf("split the pipelines over %d identities: %d subjects do not fit into the limit of %d federated credentials",
			identities, limit, c.options.Limit))
		out = append(out, "name one environment in the jobs that share a purpose: all their branches then present a single subject")
	}
	repos := make([]string, 0, len(infinite))
	for repo := range infinite {
		repos = append(repos, repo)
	}
	slices.Sort(repos)
	for _, repo := range repos {
		out = append(out, fmt.Sprintf("%s: let the jobs that sign in name an environment, with deployment branch rules in place of the open set of branches and tags; "+
			"the environment changes the subject for every cloud that the job signs in to, and may demand approvals", repo))
	}
	return out
}
