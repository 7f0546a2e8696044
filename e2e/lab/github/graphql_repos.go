package github

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// The values that resolvers pass on, besides those of the world.
type (
	ref struct { // Ref
		repo *world.Repo
		name string // full
	}
	commit struct { // Commit
		repo *world.Repo
		*world.Commit
	}
	tree struct { // Tree
		repo   *world.Repo
		oid    string
		prefix string
	}
	entry struct { // TreeEntry
		repo   *world.Repo
		prefix string
		world.TreeEntry
	}
	blob struct { // Blob
		repo *world.Repo
		oid  string
	}
	pull struct { // PullRequest
		repo *world.Repo
		*world.Pull
	}
	connection struct {
		nodes       []any
		total       int
		from, to    int
		first, last bool // the page is the first, the last
	}
)

// typeOf gives the concrete type of a value.
func typeOf(v any, declared string) string {
	switch v := v.(type) {
	case *world.Repo:
		return "Repository"
	case *world.Account:
		return v.Type
	case ref:
		return "Ref"
	case commit:
		return "Commit"
	case tree:
		return "Tree"
	case blob:
		return "Blob"
	case pull:
		return "PullRequest"
	case *world.Environment:
		return "Environment"
	case *world.Commit:
		return "GpgSignature"
	}
	return declared
}

// broken gives the error of a repository that the service fails to answer. Lists of names are still answered.
func (x *exec) broken(v any, f *field, path []any) *gqlError {
	r, ok := v.(*world.Repo)
	if !ok || r.Broken == "" {
		return nil
	}
	listed := len(path) > 2 && path[len(path)-2] == "nodes" && path[0] != "nodes"
	if listed && !slices.ContainsFunc(x.collect("Repository", f.sets), func(f *field) bool { return f.ast.Name == "object" }) {
		return nil
	}
	return failf(r.Broken, "Something went wrong while executing your query on %s.", r.FullName())
}

// repositories counts the repositories that a query reads, without names in lists, which cost the service little.
func (x *exec) repositories(set ast.SelectionSet) int {
	n := 0
	for _, f := range x.collect("Query", []ast.SelectionSet{set}) {
		args := f.ast.ArgumentMap(x.vars)
		switch f.ast.Name {
		case "nodes":
			n += len(list2(args["ids"]))
		case "node", "repository":
			n++
		case "organization", "user", "repositoryOwner":
			for _, g := range x.collect("Organization", f.sets) {
				if g.ast.Name == "repositories" && x.readsObjects(g.sets) {
					n += number(g.ast.ArgumentMap(x.vars)["first"])
				}
			}
		}
	}
	return n
}

func (x *exec) readsObjects(sets []ast.SelectionSet) bool {
	for _, nodes := range x.collect("RepositoryConnection", sets) {
		for _, f := range x.collect("Repository", nodes.sets) {
			if f.ast.Name == "object" {
				return true
			}
		}
	}
	return false
}

// list2 is a list argument; a single value stands for a list of one.
func list2(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	case []string:
		out := make([]any, len(v))
		for i, s := range v {
			out[i] = s
		}
		return out
	}
	return []any{v}
}

// number is an integer argument: a literal, or a variable in any of JSON's forms.
func number(v any) int {
	switch v := v.(type) {
	case int:
		return v
	case int64:
		return int(v)
	case float64:
		return int(v)
	case interface{ Int64() (int64, error) }:
		n, _ := v.Int64()
		return int(n)
	}
	return 0
}

func text(v any) string { s, _ := v.(string); return s }

// gitNodeID is the node id of a git object, refNodeID that of a ref.
func gitNodeID(kind string, r *world.Repo, oid string) string {
	return kind + "_" + base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(r.ID, 10)+":"+oid))
}

func refNodeID(r *world.Repo, name string) string { return gitNodeID("REF", r, name) }

// parseGitNodeID finds what gitNodeID was made from.
func (x *exec) parseGitNodeID(id string) (kind string, r *world.Repo, name string) {
	kind, rest, _ := strings.Cut(id, "_")
	b, err := base64.RawURLEncoding.DecodeString(rest)
	number, name, ok := strings.Cut(string(b), ":")
	if err != nil || !ok {
		return kind, nil, ""
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return kind, nil, ""
	}
	if r = x.c.w.GitHub.RepoByID(n); !x.c.sees(r) {
		return kind, nil, ""
	}
	return kind, r, name
}

// maxNodes is the most that a query can ask for at once (GitHub Docs: "Rate limits and query limits for the
// GraphQL API").
const maxNodes = 100

// connect cuts a page out of a list.
func connect[T any](name string, all []T, args map[string]any, show func(T) any) any {
	first, last := number(args["first"]), number(args["last"])
	switch {
	case args["first"] == nil && args["last"] == nil:
		return failf("MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value to properly paginate the `%s` connection.", name)
	case max(first, last) > maxNodes:
		return failf("EXCESSIVE_PAGINATION", "Requesting %d records on the `%s` connection exceeds the `first` limit of %d records.", max(first, last), name, maxNodes)
	}
	from, to := 0, len(all)
	if after, ok := position(args["after"]); ok {
		from = min(after, to)
	}
	if before, ok := position(args["before"]); ok {
		to = max(from, min(before-1, to))
	}
	if args["first"] != nil {
		to = min(from+first, to)
	} else {
		from = max(from, to-last)
	}
	c := connection{total: len(all), from: from, to: to, first: from == 0, last: to == len(all), nodes: []any{}}
	for _, v := range all[from:to] {
		c.nodes = append(c.nodes, show(v))
	}
	return c
}

// cursor marks the n-th element, counted from one.
func cursor(n int) string {
	return base64.StdEncoding.EncodeToString([]byte("cursor:v2:" + strconv.Itoa(n)))
}

func position(v any) (int, bool) {
	b, err := base64.StdEncoding.DecodeString(text(v))
	if err != nil || v == nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimPrefix(string(b), "cursor:v2:"))
	return n, err == nil
}

func (x *exec) repositoriesOf(a *world.Account, args map[string]any) any {
	all := slices.DeleteFunc(x.c.w.GitHub.ReposOf(a.Login), func(r *world.Repo) bool {
		hidden := func(name string, has bool) bool { want, ok := args[name].(bool); return ok && want != has }
		visibility := strings.ToUpper(r.Visibility)
		privacy := "PRIVATE"
		if visibility == "PUBLIC" {
			privacy = visibility
		}
		return !x.c.sees(r) || hidden("isArchived", r.Archived) || hidden("isFork", r.Fork) ||
			args["visibility"] != nil && args["visibility"] != visibility || args["privacy"] != nil && args["privacy"] != privacy
	})
	order, _ := args["orderBy"].(map[string]any)
	when := func(r *world.Repo) time.Time { return r.Created }
	switch order["field"] {
	case "PUSHED_AT":
		when = x.c.pushed
		fallthrough
	case "CREATED_AT":
		slices.SortStableFunc(all, func(a, b *world.Repo) int { return when(a).Compare(when(b)) })
	}
	if order["direction"] == "DESC" {
		slices.Reverse(all)
	}
	return connect("repositories", all, args, func(r *world.Repo) any { return r })
}
