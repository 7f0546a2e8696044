package workflow

import (
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// checkoutOnly tells whether a job certainly uses GITHUB_TOKEN for nothing but reading the repository's contents. It looks once, since a job
// can have many logins.
func (r *rewriter) checkoutOnly(j *job) bool {
	only, known := r.readers[j]
	if !known {
		only = r.looksCheckoutOnly(j)
		r.readers[j] = only
	}
	return only
}

func (r *rewriter) looksCheckoutOnly(j *job) bool {
	if j.uses.key != nil {
		target := r.workflowOf(text(j.uses.value))
		if target == nil {
			return false
		}
		for _, inner := range target.jobs {
			if inner.uses.key != nil || !r.checkoutOnly(inner) {
				return false
			}
		}
		return !namesToken(j.node)
	}
	return !namesToken(j.file.env) && !namesToken(j.env) && !namesToken(j.container) && !namesToken(get(j.node, "services")) && r.stepsReadOnly(j.steps, 0)
}

func (r *rewriter) stepsReadOnly(steps []*step, depth int) bool {
	for _, s := range steps {
		if namesToken(s.node) || usesToken(text(s.run.value)) {
			return false
		}
		switch {
		case s.action == "":
		case strings.HasPrefix(s.action, "./"):
			target := r.actionOf(s.action)
			if target == nil || depth > 4 || !strings.EqualFold(target.using, "composite") || namesToken(get(target.root, "inputs")) || !r.stepsReadOnly(target.steps, depth+1) {
				return false
			}
		case !readsOnly(s.action):
			return false
		}
	}
	return true
}

// namesToken tells whether the workflow's token is passed on below a node.
func namesToken(n *yaml.Node) bool {
	found := false
	walkScalars(n, func(s *yaml.Node) {
		if found || !strings.Contains(s.Value, "${{") {
			return
		}
		for _, r := range refsOf(s.Value) {
			switch r.context {
			case "github":
				found = found || strings.EqualFold(r.name(), "token") || r.whole
			case "secrets":
				found = found || strings.EqualFold(r.name(), "GITHUB_TOKEN") || r.whole || r.index != nil
			}
		}
	})
	return found
}

// tokenCommands are the parts of a script that use the workflow's token, or the credentials that checkout leaves for git.
var tokenCommands = []string{"git push", "gh ", "ghcr.io", "GITHUB_TOKEN", "api.github.com", "pkg.github.com", "GH_TOKEN", "hub ", "semantic-release", "ACTIONS_RUNTIME"}

func usesToken(script string) bool {
	for _, c := range tokenCommands {
		if strings.Contains(script, c) {
			return true
		}
	}
	return false
}

// tokenActions are actions of otherwise harmless owners that write with the workflow's token by default.
var tokenActions = map[string]bool{
	"actions/github-script": true, "actions/stale": true, "actions/labeler": true, "actions/first-interaction": true, "actions/deploy-pages": true,
	"actions/create-release": true, "actions/upload-release-asset": true, "actions/add-to-project": true, "actions/delete-package-versions": true,
	"actions/dependency-review-action": true, "actions/attest": true, "actions/attest-build-provenance": true, "actions/attest-sbom": true,
	"actions/configure-pages": true, "actions/create-github-app-token": true, "actions/ai-inference": true,
	"azure/static-web-apps-deploy": true, "azure/manual-approval": true, "azure/pr-deploy": true, "docker/scout-action": true,
}

// readOwners are owners whose actions read at most the repository's contents with the workflow's token, but for tokenActions.
var readOwners = []string{"actions/", "azure/", "hashicorp/", "docker/", "terraform-linters/setup-", "opentofu/setup-", "gradle/", "ruby/setup-ruby", "google-github-actions/auth",
	"aws-actions/", "microsoft/setup-msbuild", "nuget/setup-nuget", "pnpm/action-setup", "helm/kind-action", "engineerd/", "oven-sh/setup-bun", "astral-sh/setup-uv", //nolint:misspell // the name of an organisation
	"conda-incubator/setup-miniconda", "mamba-org/", "subosito/flutter-action", "dtolnay/rust-toolchain", "actions-rs/toolchain", "swatinem/rust-cache",
	"julia-actions/setup-julia", "r-lib/actions/setup", "microsoft/setup-", "nick-invision/retry", "nick-fields/retry", "snyk/actions", "redhat-actions/",
	"cschleiden/replace-tokens", "microsoft/variable-substitution", "jlumbroso/free-disk-space", "easimon/maximize-build-space"}

func readsOnly(action string) bool {
	if tokenActions[action] || strings.HasPrefix(action, "docker://") {
		return false
	}
	for _, owner := range readOwners {
		if strings.HasPrefix(action, owner) {
			return true
		}
	}
	return false
}

// timeout gives timeout-minutes of a job, or 0 where none or no number is given.
func timeout(j *job) int {
	n, err := strconv.Atoi(strings.TrimSpace(text(get(j.node, "timeout-minutes"))))
	if err != nil {
		return 0
	}
	return n
}
