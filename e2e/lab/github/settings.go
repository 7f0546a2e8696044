package github

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

func (c *call) environment(e *world.Environment) m {
	u := c.repoURL(c.repo) + "/environments/" + url.PathEscape(e.Name)
	rules := []m{}
	if e.Reviewers > 0 {
		rules = append(rules, m{"id": e.ID, "node_id": world.NodeID("GA", e.ID), "type": "required_reviewers", "prevent_self_review": false, "reviewers": []m{}})
	}
	return m{
		"id": e.ID, "node_id": world.NodeID("EN", e.ID), "name": e.Name, "url": u,
		"html_url":   c.htmlURL(c.repo) + "/deployments/activity_log?environments_filter=" + url.QueryEscape(e.Name),
		"created_at": stamp(e.Created), "updated_at": stamp(e.Created), "protection_rules": rules, "deployment_branch_policy": nil,
	}
}

func environments(c *call) answer {
	all := byName(c.repo.Environments, func(e *world.Environment) string { return e.Name })
	return list(c, "environments", all, c.environment)
}

func environment(c *call) answer {
	e := c.repo.Environment(c.r.PathValue("env"))
	if e == nil {
		return notFound
	}
	return ok(c.environment(e))
}

func putEnvironment(c *call) answer {
	var in struct{ Reviewers []any }
	if a, ok := c.decode(&in); !ok {
		return a
	}
	e := c.w.AddEnvironment(c.repo, c.r.PathValue("env"))
	e.Reviewers = len(in.Reviewers)
	return ok(c.environment(e))
}

func deleteEnvironment(c *call) answer {
	e := c.repo.Environment(c.r.PathValue("env"))
	if e == nil {
		return notFound
	}
	c.repo.Environments = slices.DeleteFunc(c.repo.Environments, func(x *world.Environment) bool { return x == e })
	return done()
}

// permissionsInput is the body that sets the default permissions of GITHUB_TOKEN.
type permissionsInput struct {
	Default string `json:"default_workflow_permissions"`
}

func permissions(level string) answer {
	if level == "" {
		level = "read"
	}
	return ok(m{"default_workflow_permissions": level, "can_approve_pull_request_reviews": false})
}

func (c *call) setPermissions(level *string) answer {
	var in permissionsInput
	if a, ok := c.decode(&in); !ok {
		return a
	}
	if in.Default != "read" && in.Default != "write" {
		return fail(http.StatusUnprocessableEntity, "Invalid request.\n\n\"default_workflow_permissions\" must be read or write.")
	}
	*level = in.Default
	return done()
}

func repoPermissions(c *call) answer    { return permissions(c.repo.DefaultPermissions) }
func setRepoPermissions(c *call) answer { return c.setPermissions(&c.repo.DefaultPermissions) }
func orgPermissions(c *call) answer     { return permissions(c.org.DefaultPermissions) }
func setOrgPermissions(c *call) answer  { return c.setPermissions(&c.org.DefaultPermissions) }

// subjectInput is the body that customises the subject claim.
type subjectInput struct {
	UseDefault *bool    `json:"use_default"`
	Keys       []string `json:"include_claim_keys"`
	Immutable  *bool    `json:"use_immutable_subject"`
}

// repoSubject tells how the repository's subjects begin (github/docs, "OpenID Connect reference").
func repoSubject(c *call) answer {
	out := m{
		"use_default": c.repo.OIDC.UseDefault, "use_immutable_subject": c.repo.OIDC.Immutable,
		"sub_claim_prefix": c.w.GitHub.SubjectPrefix(c.repo),
	}
	if !c.repo.OIDC.UseDefault {
		out["include_claim_keys"] = orEmpty(c.repo.OIDC.IncludeClaimKeys)
	}
	return ok(out)
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func setRepoSubject(c *call) answer {
	var in subjectInput
	if a, ok := c.decode(&in); !ok {
		return a
	}
	if in.UseDefault == nil {
		return fail(http.StatusUnprocessableEntity, "Invalid request.\n\n\"use_default\" wasn't supplied.")
	}
	c.repo.OIDC.UseDefault, c.repo.OIDC.IncludeClaimKeys = *in.UseDefault, in.Keys
	if in.Immutable != nil {
		c.repo.OIDC.Immutable = *in.Immutable
	}
	return made(m{})
}

func orgSubject(c *call) answer {
	keys := c.org.OIDCKeys
	if keys == nil {
		keys = []string{"repo", "context"}
	}
	return ok(m{"include_claim_keys": keys, "use_immutable_subject": c.org.Immutable})
}

func setOrgSubject(c *call) answer {
	var in subjectInput
	if a, ok := c.decode(&in); !ok {
		return a
	}
	if in.Keys != nil {
		c.org.OIDCKeys = in.Keys
	}
	if in.Immutable != nil {
		c.org.Immutable = *in.Immutable
		for _, r := range c.w.GitHub.ReposOf(c.org.Login) {
			r.OIDC.Immutable = *in.Immutable
		}
	}
	return made(m{})
}
