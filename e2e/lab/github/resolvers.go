package github

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// resolver gives the value of a field: a leaf, a value that typeOf knows, []any, nil, or a *gqlError.
type resolver func(x *exec, object any, args map[string]any) any

// on makes a resolver for objects of one Go type.
func on[T any](f func(*exec, T, map[string]any) any) resolver {
	return func(x *exec, object any, args map[string]any) any { return f(x, object.(T), args) }
}

// get is on for fields that depend on nothing but the object.
func get[T any](f func(T) any) resolver {
	return func(_ *exec, object any, _ map[string]any) any { return f(object.(T)) }
}

// resolvers holds every field that is served, by type. It is filled by init, since fields refer to each other.
var resolvers map[string]map[string]resolver

func init() {
	owner := map[string]resolver{
		"id": get(func(a *world.Account) any { return a.NodeID }), "login": get(func(a *world.Account) any { return a.Login }),
		"databaseId": get(func(a *world.Account) any { return a.ID }), "name": get(func(a *world.Account) any { return a.Login }),
		"url":          on(func(x *exec, a *world.Account, _ map[string]any) any { return x.c.base() + "/" + a.Login }),
		"repositories": on((*exec).repositoriesOf),
		"repository": on(func(x *exec, a *world.Account, args map[string]any) any {
			return x.repository(a.Login, text(args["name"]))
		}),
	}
	page := map[string]resolver{
		"nodes": get(func(c connection) any { return c.nodes }), "totalCount": get(func(c connection) any { return c.total }),
		"pageInfo": get(func(c connection) any { return c }),
	}
	resolvers = map[string]map[string]resolver{
		"Query": queryFields, "Mutation": mutationFields, "Organization": owner, "User": owner, "Repository": repositoryFields,
		"Ref": refFields, "Commit": commitFields, "Tree": treeFields, "TreeEntry": entryFields, "Blob": blobFields,
		"PullRequest": pullFields, "Environment": environmentFields, "RateLimit": rateFields, "PageInfo": pageFields,
		"RepositoryConnection": page, "RefConnection": page, "EnvironmentConnection": page, "PullRequestConnection": page,
		"GitActor": {
			"name":  get(func(k commit) any { return k.Author }),
			"email": get(func(k commit) any { return k.Author + "@users.noreply.github.com" }),
		},
		"GpgSignature": {
			"isValid": get(func(*world.Commit) any { return true }), "state": get(func(*world.Commit) any { return "VALID" }),
			"wasSignedByGitHub": get(func(*world.Commit) any { return true }),
		},
		"CreateCommitOnBranchPayload": payloadFields, "CreateRefPayload": payloadFields,
	}
}

var queryFields = map[string]resolver{
	"node": func(x *exec, _ any, args map[string]any) any { return x.node(text(args["id"])) },
	"nodes": func(x *exec, _ any, args map[string]any) any {
		ids := list2(args["ids"])
		if len(ids) > maxNodes {
			return failf("ARGUMENT_LIMIT", "You may not provide more than %d node ids; you provided %d.", maxNodes, len(ids))
		}
		out := make([]any, len(ids))
		for i, id := range ids {
			out[i] = x.node(text(id))
		}
		return out
	},
	"repository": func(x *exec, _ any, args map[string]any) any {
		return x.repository(text(args["owner"]), text(args["name"]))
	},
	"organization": func(x *exec, _ any, args map[string]any) any { return x.account(text(args["login"]), "Organization") },
	"user":         func(x *exec, _ any, args map[string]any) any { return x.account(text(args["login"]), "User") },
	"repositoryOwner": func(x *exec, _ any, args map[string]any) any {
		if a := x.c.w.GitHub.Account(text(args["login"])); a != nil {
			return a
		}
		return nil // unlike the two above, the service gives no error
	},
	"viewer": func(x *exec, _ any, _ map[string]any) any {
		if a := x.c.w.GitHub.Account(x.c.token.Login); a != nil {
			return a
		}
		return &world.Account{ID: 1, Login: x.c.token.Login, Type: "User", NodeID: "U_kgDOAAAAAQ"}
	},
	"rateLimit": func(x *exec, _ any, _ map[string]any) any { return x.c.w.Clock.Now().Add(time.Hour) },
}

var rateFields = map[string]resolver{
	"cost": get(func(time.Time) any { return 1 }), "limit": get(func(time.Time) any { return 5000 }),
	"remaining": get(func(time.Time) any { return 4999 }), "used": get(func(time.Time) any { return 1 }),
	"nodeCount": get(func(time.Time) any { return 1 }), "resetAt": get(func(t time.Time) any { return stamp(t) }),
}

var pageFields = map[string]resolver{
	"hasNextPage": get(func(c connection) any { return !c.last }), "hasPreviousPage": get(func(c connection) any { return !c.first }),
	"startCursor": get(func(c connection) any {
		if c.from == c.to {
			return nil
		}
		return cursor(c.from + 1)
	}),
	"endCursor": get(func(c connection) any {
		if c.from == c.to {
			return nil
		}
		return cursor(c.to)
	}),
}

// node finds anything by its node id.
func (x *exec) node(id string) any {
	unknown := failf("NOT_FOUND", "Could not resolve to a node with the global id of '%s'.", id)
	r, a := x.c.w.GitHub.ByNode(id)
	switch {
	case r != nil && x.c.sees(r):
		return r
	case a != nil:
		return a
	}
	kind, r, name := x.parseGitNodeID(id)
	if r == nil {
		return unknown
	}
	switch {
	case kind == "REF" && r.Refs[name] != "":
		return ref{r, name}
	case kind == "C" && r.Commits[name] != nil:
		return commit{r, r.Commits[name]}
	case kind == "T" && r.Trees[name] != nil:
		return tree{repo: r, oid: name}
	case kind == "B":
		if _, ok := r.Blobs[name]; ok {
			return blob{r, name}
		}
	}
	return unknown
}

func (x *exec) repository(owner, name string) any {
	if r := x.c.w.GitHub.Repo(owner, name); x.c.sees(r) {
		return r
	}
	return failf("NOT_FOUND", "Could not resolve to a Repository with the name '%s/%s'.", owner, name)
}

func (x *exec) account(login, typ string) any {
	if a := x.c.w.GitHub.Account(login); a != nil && a.Type == typ {
		return a
	}
	return failf("NOT_FOUND", "Could not resolve to a%s with the login of '%s'.", map[string]string{"Organization": "n Organization", "User": " User"}[typ], login)
}

var repositoryFields = map[string]resolver{
	"id": get(func(r *world.Repo) any { return r.NodeID }), "databaseId": get(func(r *world.Repo) any { return r.ID }),
	"name": get(func(r *world.Repo) any { return r.Name }), "nameWithOwner": get(func(r *world.Repo) any { return r.FullName() }),
	"isArchived": get(func(r *world.Repo) any { return r.Archived }), "isFork": get(func(r *world.Repo) any { return r.Fork }),
	// Who stores secrets for Dependabot lets it run.
	"hasVulnerabilityAlertsEnabled": get(func(r *world.Repo) any { return len(r.Dependabot) > 0 }),
	"isDisabled":                    get(func(*world.Repo) any { return false }), "isPrivate": get(func(r *world.Repo) any { return r.Visibility != "public" }),
	"isEmpty":    get(func(r *world.Repo) any { return len(r.Commits) == 0 }),
	"visibility": get(func(r *world.Repo) any { return strings.ToUpper(r.Visibility) }),
	"createdAt":  get(func(r *world.Repo) any { return stamp(r.Created) }),
	"url":        on(func(x *exec, r *world.Repo, _ map[string]any) any { return x.c.htmlURL(r) }),
	"owner":      on(func(x *exec, r *world.Repo, _ map[string]any) any { return x.c.w.GitHub.Account(r.Owner) }),
	"defaultBranchRef": get(func(r *world.Repo) any {
		return findRef(r, "refs/heads/"+r.DefaultBranch)
	}),
	"ref": on(func(_ *exec, r *world.Repo, args map[string]any) any {
		name := text(args["qualifiedName"])
		for _, full := range []string{name, "refs/heads/" + name, "refs/tags/" + name} {
			if found := findRef(r, full); found != nil {
				return found
			}
		}
		return nil
	}),
	"refs": on(func(_ *exec, r *world.Repo, args map[string]any) any {
		prefix := text(args["refPrefix"])
		names := slices.DeleteFunc(sortedRefs(r, prefix), func(n string) bool {
			return !strings.Contains(strings.TrimPrefix(n, prefix), text(args["query"]))
		})
		if args["direction"] == "DESC" {
			slices.Reverse(names)
		}
		return connect("refs", names, args, func(n string) any { return ref{r, n} })
	}),
	"object": on(func(x *exec, r *world.Repo, args map[string]any) any {
		if !x.c.token.May("contents: read") {
			return failf("FORBIDDEN", "Resource not accessible by personal access token")
		}
		if oid := text(args["oid"]); oid != "" {
			return gitObject(r, oid, "", "")
		}
		return revParse(r, text(args["expression"]))
	}),
	"pullRequest": on(func(_ *exec, r *world.Repo, args map[string]any) any {
		p := r.Pull(number(args["number"]))
		if p == nil {
			return failf("NOT_FOUND", "Could not resolve to a PullRequest with the number of %d.", number(args["number"]))
		}
		return pull{r, p}
	}),
	"pullRequests": on(pullRequests),
	"environment": on(func(_ *exec, r *world.Repo, args map[string]any) any {
		if e := r.Environment(text(args["name"])); e != nil {
			return e
		}
		return nil
	}),
	"environments": on(func(_ *exec, r *world.Repo, args map[string]any) any {
		all := byName(r.Environments, func(e *world.Environment) string { return e.Name })
		return connect("environments", all, args, func(e *world.Environment) any { return e })
	}),
}

func pullRequests(_ *exec, r *world.Repo, args map[string]any) any {
	states := list2(args["states"])
	var all []*world.Pull
	for _, p := range r.Pulls {
		if (args["headRefName"] == nil || args["headRefName"] == p.Head) && (args["baseRefName"] == nil || args["baseRefName"] == p.Base) &&
			(len(states) == 0 || slices.Contains(states, any(pullState(p)))) {
			all = append(all, p)
		}
	}
	if order, _ := args["orderBy"].(map[string]any); order["direction"] == "DESC" {
		slices.Reverse(all)
	}
	return connect("pullRequests", all, args, func(p *world.Pull) any { return pull{r, p} })
}

func pullState(p *world.Pull) string {
	if p.Merged {
		return "MERGED"
	}
	return strings.ToUpper(p.State)
}

// findRef gives a ref, or an untyped nil.
func findRef(r *world.Repo, name string) any {
	if r.Refs[name] == "" {
		return nil
	}
	return ref{r, name}
}

// revParse finds what an expression names, such as HEAD, main:path or an object id (gitrevisions(7), in part).
func revParse(r *world.Repo, expression string) any {
	rev, file, below := strings.Cut(expression, ":")
	k := r.Commits[r.Resolve(rev)]
	switch {
	case k == nil && !below:
		return gitObject(r, rev, "", "")
	case k == nil:
		return nil
	case !below:
		return commit{r, k}
	}
	e, ok := r.AtPath(k.Tree, file)
	if !ok {
		return nil
	}
	return gitObject(r, e.OID, e.Type, strings.Trim(file, "/"))
}

// gitObject gives the object with an id, or nil. at is the path that it was found under.
func gitObject(r *world.Repo, oid, kind, at string) any {
	if k := r.Commits[oid]; k != nil && kind != "blob" {
		return commit{r, k}
	}
	if _, ok := r.Trees[oid]; ok {
		if at != "" {
			at += "/"
		}
		return tree{r, oid, at}
	}
	if _, ok := r.Blobs[oid]; ok {
		return blob{r, oid}
	}
	return nil
}

var refFields = map[string]resolver{
	"id":         get(func(f ref) any { return refNodeID(f.repo, f.name) }),
	"name":       get(func(f ref) any { return f.name[len(refPrefix(f.name)):] }),
	"prefix":     get(func(f ref) any { return refPrefix(f.name) }),
	"repository": get(func(f ref) any { return f.repo }),
	"target":     get(func(f ref) any { return gitObject(f.repo, f.repo.Refs[f.name], "commit", "") }),
}

func refPrefix(name string) string {
	parts := strings.SplitN(name, "/", 3)
	return strings.Join(parts[:2], "/") + "/"
}

var commitFields = map[string]resolver{
	"id": get(func(k commit) any { return gitNodeID("C", k.repo, k.OID) }), "oid": get(func(k commit) any { return k.OID }),
	"abbreviatedOid": get(func(k commit) any { return k.OID[:7] }), "repository": get(func(k commit) any { return k.repo }),
	"author": get(func(k commit) any { return k }), "committedDate": get(func(k commit) any { return stamp(k.Time) }),
	"message":         get(func(k commit) any { return k.Message }),
	"messageHeadline": get(func(k commit) any { head, _, _ := strings.Cut(k.Message, "\n"); return head }),
	"messageBody":     get(func(k commit) any { _, body, _ := strings.Cut(k.Message, "\n"); return strings.TrimLeft(body, "\n") }),
	"tree":            get(func(k commit) any { return tree{repo: k.repo, oid: k.Tree} }),
	"url":             on(func(x *exec, k commit, _ map[string]any) any { return x.c.htmlURL(k.repo) + "/commit/" + k.OID }),
	"signature": get(func(k commit) any {
		if !k.Signed {
			return nil
		}
		return k.Commit
	}),
	"file": on(func(_ *exec, k commit, args map[string]any) any {
		at := text(args["path"])
		e, ok := k.repo.AtPath(k.Tree, at)
		if !ok {
			return nil
		}
		return entry{k.repo, strings.TrimSuffix(at, e.Name), e}
	}),
}

var treeFields = map[string]resolver{
	"id": get(func(t tree) any { return gitNodeID("T", t.repo, t.oid) }), "oid": get(func(t tree) any { return t.oid }),
	"abbreviatedOid": get(func(t tree) any { return t.oid[:7] }), "repository": get(func(t tree) any { return t.repo }),
	"entries": get(func(t tree) any {
		entries, _ := t.repo.Entries(t.oid, t.prefix)
		out := make([]any, len(entries))
		for i, e := range entries {
			out[i] = entry{t.repo, t.prefix, e}
		}
		return out
	}),
}

var entryFields = map[string]resolver{
	"name": get(func(e entry) any { return e.Name }), "path": get(func(e entry) any { return e.prefix + e.Name }),
	"type": get(func(e entry) any { return e.Type }), "oid": get(func(e entry) any { return e.OID }),
	"extension": get(func(e entry) any { return path.Ext(e.Name) }), "repository": get(func(e entry) any { return e.repo }),
	"size": get(func(e entry) any { return len(e.repo.Blobs[e.OID]) }),
	"mode": get(func(e entry) any { n, _ := strconv.ParseInt(e.Mode, 8, 32); return n }),
	"object": get(func(e entry) any {
		if e.Type == "commit" { // of another repository
			return nil
		}
		return gitObject(e.repo, e.OID, e.Type, e.prefix+e.Name)
	}),
}

// maxText is how much of a blob the service gives as text; the rest is cut off and isTruncated says so.
const maxText = 512 << 10

var blobFields = map[string]resolver{
	"id": get(func(b blob) any { return gitNodeID("B", b.repo, b.oid) }), "oid": get(func(b blob) any { return b.oid }),
	"abbreviatedOid": get(func(b blob) any { return b.oid[:7] }), "repository": get(func(b blob) any { return b.repo }),
	"byteSize": get(func(b blob) any { return len(b.repo.Blobs[b.oid]) }), "isBinary": get(func(b blob) any { return b.binary() }),
	"isTruncated": get(func(b blob) any { return len(b.repo.Blobs[b.oid]) > maxText }),
	"text": get(func(b blob) any {
		if b.binary() {
			return nil
		}
		content := b.repo.Blobs[b.oid]
		content = content[:min(len(content), maxText)]
		for len(content) > 0 && !utf8.Valid(content[max(0, len(content)-utf8.UTFMax):]) && !utf8.Valid(content) {
			content = content[:len(content)-1] // never half a character at the cut
		}
		return strings.TrimPrefix(string(content), "\ufeff")
	}),
}

// binary tells whether the service would not decode a blob: a NUL byte, or not UTF-8.
func (b blob) binary() bool {
	content := b.repo.Blobs[b.oid]
	return !utf8.Valid(content) || slices.Contains(content, 0)
}

var environmentFields = map[string]resolver{
	"id":         get(func(e *world.Environment) any { return world.NodeID("EN", e.ID) }),
	"databaseId": get(func(e *world.Environment) any { return e.ID }), "name": get(func(e *world.Environment) any { return e.Name }),
}

var pullFields = map[string]resolver{
	"id": get(func(p pull) any { return p.NodeID }), "number": get(func(p pull) any { return p.Number }),
	"title": get(func(p pull) any { return p.Title }), "body": get(func(p pull) any { return p.Body }),
	"state": get(func(p pull) any { return pullState(p.Pull) }), "closed": get(func(p pull) any { return p.State == "closed" }),
	"merged": get(func(p pull) any { return p.Merged }), "mergedAt": get(func(p pull) any { return orNull(p.MergedAt) }),
	"closedAt": get(func(p pull) any { return orNull(p.ClosedAt) }), "createdAt": get(func(p pull) any { return stamp(p.Created) }),
	"headRefName": get(func(p pull) any { return p.Head }), "headRefOid": get(func(p pull) any { return p.HeadOID }),
	"baseRefName": get(func(p pull) any { return p.Base }), "baseRefOid": get(func(p pull) any { return p.BaseOID }),
	"repository": get(func(p pull) any { return p.repo }),
	"mergeCommit": get(func(p pull) any {
		if !p.Merged {
			return nil
		}
		return commit{p.repo, p.repo.Commits[p.MergeCommit]}
	}),
	"url": on(func(x *exec, p pull, _ map[string]any) any {
		return x.c.htmlURL(p.repo) + "/pull/" + strconv.Itoa(p.Number)
	}),
	"mergeStateStatus": on(func(x *exec, p pull, _ map[string]any) any {
		_, state := x.mergeState(p)
		return strings.ToUpper(state)
	}),
	"mergeable": on(func(x *exec, p pull, _ map[string]any) any {
		switch mergeable, _ := x.mergeState(p); mergeable {
		case true:
			return "MERGEABLE"
		case false:
			return "CONFLICTING"
		}
		return "UNKNOWN"
	}),
}

func (x *exec) mergeState(p pull) (any, string) {
	c := *x.c
	c.repo = p.repo
	mergeable, state := c.state(p.Pull)
	p.Asked = true
	return mergeable, state
}
