package github

import (
	"net/http"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

func branches(c *call) answer {
	return list(c, "", sortedRefs(c.repo, "refs/heads/"), func(ref string) m {
		name, oid := strings.TrimPrefix(ref, "refs/heads/"), c.repo.Refs[ref]
		return m{
			"name": name, "protected": c.repo.Protection[name] != nil,
			"commit": m{"sha": oid, "url": c.repoURL(c.repo) + "/commits/" + oid},
		}
	})
}

// branch serves a branch and, since branch names can hold slashes, its protection.
func branch(c *call) answer {
	name := c.r.PathValue("branch")
	oid := c.repo.Head(name)
	if rest, ok := strings.CutSuffix(name, "/protection"); ok && oid == "" {
		return protection(c, rest)
	}
	if oid == "" {
		return fail(http.StatusNotFound, "Branch not found")
	}
	u := c.repoURL(c.repo) + "/branches/" + name
	rule := c.repo.Protection[name]
	return ok(m{
		"name": name, "commit": c.commit(c.repo.Commits[oid]), "protected": rule != nil,
		"protection":     m{"enabled": rule != nil, "required_status_checks": m{"enforcement_level": "off", "contexts": []string{}, "checks": []m{}}},
		"protection_url": u + "/protection", "_links": m{"self": u, "html": c.htmlURL(c.repo) + "/tree/" + name},
	})
}

// commit shows a commit as the repositories API does.
func (c *call) commit(k *world.Commit) m {
	u := c.repoURL(c.repo)
	who := m{"name": k.Author, "email": k.Author + "@users.noreply.github.com", "date": stamp(k.Time)}
	parents := []m{}
	for _, p := range k.Parents {
		parents = append(parents, m{"sha": p, "url": u + "/commits/" + p, "html_url": c.htmlURL(c.repo) + "/commit/" + p})
	}
	return m{
		"sha": k.OID, "node_id": gitNodeID("C", c.repo, k.OID), "url": u + "/commits/" + k.OID,
		"html_url": c.htmlURL(c.repo) + "/commit/" + k.OID, "comments_url": u + "/commits/" + k.OID + "/comments",
		"author": c.person(k.Author), "committer": c.person(k.Author), "parents": parents,
		"commit": m{
			"author": who, "committer": who, "message": k.Message, "comment_count": 0, "url": u + "/git/commits/" + k.OID,
			"tree": m{"sha": k.Tree, "url": u + "/git/trees/" + k.Tree},
		},
	}
}

func protection(c *call, name string) answer {
	rule := c.repo.Protection[name]
	switch {
	case c.repo.Head(name) == "":
		return fail(http.StatusNotFound, "Branch not found")
	case rule == nil:
		return fail(http.StatusNotFound, "Branch not protected")
	}
	u := c.repoURL(c.repo) + "/branches/" + name + "/protection"
	out := m{
		"url": u, "enforce_admins": m{"url": u + "/enforce_admins", "enabled": true},
		"required_linear_history": m{"enabled": rule.LinearHistory}, "allow_force_pushes": m{"enabled": false},
		"allow_deletions": m{"enabled": false}, "required_conversation_resolution": m{"enabled": false},
		"required_signatures": m{"url": u + "/required_signatures", "enabled": rule.SignedCommits},
	}
	if rule.RequiredReviews > 0 {
		out["required_pull_request_reviews"] = m{
			"url": u + "/required_pull_request_reviews", "dismiss_stale_reviews": false,
			"require_code_owner_reviews": false, "required_approving_review_count": rule.RequiredReviews,
		}
	}
	if len(rule.RequiredChecks) > 0 {
		checks := []m{}
		for _, name := range rule.RequiredChecks {
			checks = append(checks, m{"context": name, "app_id": nil})
		}
		out["required_status_checks"] = m{
			"url": u + "/required_status_checks", "strict": false, "contexts": rule.RequiredChecks,
			"contexts_url": u + "/required_status_checks/contexts", "checks": checks,
		}
	}
	return ok(out)
}

// branchRules lists what rulesets demand of a branch. The world has branch protection, and no rulesets.
func branchRules(*call) answer { return ok([]m{}) }
