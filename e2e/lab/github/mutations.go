package github

import (
	"encoding/base64"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// payload is what both mutations answer.
type payload struct {
	client any
	repo   *world.Repo
	ref    string
	oid    string
}

var payloadFields = map[string]resolver{
	"clientMutationId": get(func(p payload) any { return p.client }),
	"ref":              get(func(p payload) any { return findRef(p.repo, p.ref) }),
	"commit":           get(func(p payload) any { return commit{p.repo, p.repo.Commits[p.oid]} }),
}

var mutationFields = map[string]resolver{
	"createCommitOnBranch": func(x *exec, _ any, args map[string]any) any { return x.createCommit(object(args["input"])) },
	"createRef":            func(x *exec, _ any, args map[string]any) any { return x.createRef(object(args["input"])) },
}

func object(v any) map[string]any { o, _ := v.(map[string]any); return o }

// writable refuses a change that the caller may not make.
func (x *exec) writable(r *world.Repo) *gqlError {
	switch {
	case !x.c.mayWrite():
		return failf("FORBIDDEN", "Resource not accessible by integration")
	case r.Archived:
		return failf("UNPROCESSABLE", "Repository was archived so is read-only.")
	}
	return nil
}

// branchOf finds the branch of a commit, by ref node id or by repository and name.
func (x *exec) branchOf(in map[string]any) (*world.Repo, string, *gqlError) {
	if id := text(in["id"]); id != "" {
		_, r, name := x.parseGitNodeID(id)
		if r == nil || r.Refs[name] == "" {
			return nil, "", failf("NOT_FOUND", "Could not resolve to a node with the global id of '%s'", id)
		}
		return r, name, nil
	}
	owner, name, _ := strings.Cut(text(in["repositoryNameWithOwner"]), "/")
	r := x.c.w.GitHub.Repo(owner, name)
	if !x.c.sees(r) {
		return nil, "", failf("NOT_FOUND", "Could not resolve to a Repository with the name '%s/%s'.", owner, name)
	}
	full := "refs/heads/" + strings.TrimPrefix(text(in["branchName"]), "refs/heads/")
	if r.Refs[full] == "" {
		return nil, "", failf("NOT_FOUND", "No ref found for branch name '%s'", text(in["branchName"]))
	}
	return r, full, nil
}

func (x *exec) createCommit(in map[string]any) any {
	r, full, e := x.branchOf(object(in["branch"]))
	if e != nil {
		return e
	}
	if e := x.writable(r); e != nil {
		return e
	}
	before, branch := r.Refs[full], strings.TrimPrefix(full, "refs/heads/")
	expected := text(in["expectedHeadOid"])
	switch rule := r.Protection[branch]; {
	case expected != before:
		return failf("STALE_DATA", "Expected branch to point to \"%s\" but it did not.  Pull and try again.", expected)
	case rule != nil && rule.RequiredReviews > 0:
		return failf("BRANCH_PROTECTION_RULE_VIOLATION", "Branch protection rule violations found\n\nChanges must be made through a pull request.")
	}
	changes, e := fileChanges(r, before, object(in["fileChanges"]))
	if e != nil {
		return e
	}
	message := text(object(in["message"])["headline"])
	if body := text(object(in["message"])["body"]); body != "" {
		message += "\n\n" + body
	}
	oid := x.c.w.CommitSigned(r, branch, message, x.c.token.Login, changes)
	x.c.moved(r, full, before, oid)
	return payload{in["clientMutationId"], r, full, oid}
}

func fileChanges(r *world.Repo, head string, in map[string]any) (map[string][]byte, *gqlError) {
	out := map[string][]byte{}
	add := func(path string, content []byte) *gqlError {
		if _, twice := out[path]; twice || path == "" || strings.HasPrefix(path, "/") {
			return failf("UNPROCESSABLE", "A path was requested twice or is not valid: `%s`", path)
		}
		out[path] = content
		return nil
	}
	for _, a := range list2(in["additions"]) {
		content, err := base64.StdEncoding.DecodeString(text(object(a)["contents"]))
		if err != nil {
			return nil, failf("UNPROCESSABLE", "The contents of `%s` are not base64", text(object(a)["path"]))
		}
		if e := add(text(object(a)["path"]), append([]byte{}, content...)); e != nil {
			return nil, e
		}
	}
	for _, d := range list2(in["deletions"]) {
		path := text(object(d)["path"])
		if r.Tree(head)[path] == "" {
			return nil, failf("NOT_FOUND", "A path was requested for deletion which does not exist as of commit oid `%s`", head)
		}
		if e := add(path, nil); e != nil {
			return nil, e
		}
	}
	return out, nil
}

func (x *exec) createRef(in map[string]any) any {
	id, name, oid := text(in["repositoryId"]), text(in["name"]), text(in["oid"])
	r, _ := x.c.w.GitHub.ByNode(id)
	if !x.c.sees(r) {
		return failf("NOT_FOUND", "Could not resolve to a node with the global id of '%s'", id)
	}
	if e := x.writable(r); e != nil {
		return e
	}
	switch {
	case !validRef(name):
		return failf("UNPROCESSABLE", "%s is not a valid ref name", name)
	case r.Commits[oid] == nil:
		return failf("UNPROCESSABLE", "Object does not exist")
	case r.Refs[name] != "":
		return failf("UNPROCESSABLE", "A ref named \"%s\" already exists in the repository.", name)
	}
	r.SetRef(name, oid)
	x.c.moved(r, name, "", oid)
	return payload{in["clientMutationId"], r, name, oid}
}
