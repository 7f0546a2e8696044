package github

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

var emptyRepo = fail(http.StatusConflict, "Git Repository is empty.")

func (c *call) gitRef(ref string) m {
	oid := c.repo.Refs[ref]
	return m{
		"ref": ref, "node_id": refNodeID(c.repo, ref), "url": c.repoURL(c.repo) + "/git/" + ref,
		"object": m{"type": "commit", "sha": oid, "url": c.repoURL(c.repo) + "/git/commits/" + oid},
	}
}

func getRef(c *call) answer {
	ref := "refs/" + c.r.PathValue("ref")
	if len(c.repo.Refs) == 0 {
		return emptyRepo
	}
	if c.repo.Refs[ref] == "" {
		return notFound
	}
	return ok(c.gitRef(ref))
}

func matchingRefs(c *call) answer {
	out := []m{}
	for _, ref := range sortedRefs(c.repo, "refs/"+c.r.PathValue("ref")) {
		out = append(out, c.gitRef(ref))
	}
	return ok(out)
}

// sortedRefs lists the refs that start with a prefix.
func sortedRefs(r *world.Repo, prefix string) []string {
	var out []string
	for ref := range r.Refs {
		if strings.HasPrefix(ref, prefix) {
			out = append(out, ref)
		}
	}
	slices.Sort(out)
	return out
}

func createRef(c *call) answer {
	var in struct{ Ref, SHA string }
	if a, ok := c.decode(&in); !ok {
		return a
	}
	switch {
	case len(c.repo.Refs) == 0:
		return emptyRepo
	case !validRef(in.Ref):
		return fail(http.StatusUnprocessableEntity, "Reference name must start with 'refs/' and have at least two slashes.")
	case c.repo.Commits[in.SHA] == nil:
		return fail(http.StatusUnprocessableEntity, "Object does not exist")
	case c.repo.Refs[in.Ref] != "":
		return fail(http.StatusUnprocessableEntity, "Reference already exists")
	}
	c.repo.SetRef(in.Ref, in.SHA)
	c.moved(c.repo, in.Ref, "", in.SHA)
	return made(c.gitRef(in.Ref))
}

// validRef checks the part of git-check-ref-format(1) that a client gets wrong.
func validRef(ref string) bool {
	return strings.HasPrefix(ref, "refs/") && strings.Count(ref, "/") >= 2 && !strings.ContainsAny(ref, " ~^:?*[\\") &&
		!strings.Contains(ref, "..") && !strings.Contains(ref, "//") && !strings.HasSuffix(ref, "/") && !strings.HasSuffix(ref, ".lock")
}

func updateRef(c *call) answer {
	var in struct {
		SHA   string
		Force bool
	}
	if a, ok := c.decode(&in); !ok {
		return a
	}
	ref := "refs/" + c.r.PathValue("ref")
	before := c.repo.Refs[ref]
	switch {
	case before == "":
		return fail(http.StatusUnprocessableEntity, "Reference does not exist")
	case c.repo.Commits[in.SHA] == nil:
		return fail(http.StatusUnprocessableEntity, "Object does not exist")
	case !in.Force && c.repo.MergeBase(before, in.SHA) != before:
		return fail(http.StatusUnprocessableEntity, "Update is not a fast forward")
	case c.repo.Protection[strings.TrimPrefix(ref, "refs/heads/")] != nil:
		return fail(http.StatusUnprocessableEntity, "Protected branch update failed for "+ref+".")
	}
	c.repo.SetRef(ref, in.SHA)
	c.moved(c.repo, ref, before, in.SHA)
	return ok(c.gitRef(ref))
}

func deleteRef(c *call) answer {
	ref := "refs/" + c.r.PathValue("ref")
	before, name := c.repo.Refs[ref], strings.TrimPrefix(ref, "refs/heads/")
	switch {
	case before == "":
		return fail(http.StatusUnprocessableEntity, "Reference does not exist")
	case name == c.repo.DefaultBranch || c.repo.Protection[name] != nil:
		return fail(http.StatusUnprocessableEntity, "Cannot delete protected branch "+ref)
	}
	c.w.DeleteRef(c.repo, ref)
	c.moved(c.repo, ref, before, "")
	return done()
}

// wantsRaw tells whether the client asks for bytes: application/vnd.github.raw+json and its older forms.
func (c *call) wantsRaw() bool {
	accept := c.r.Header.Get("Accept")
	return strings.Contains(accept, "application/vnd.github") && strings.Contains(accept, "raw")
}

// wrapped is base64 as the service writes it: a newline after every 60 characters.
func wrapped(content []byte) string {
	s := base64.StdEncoding.EncodeToString(content)
	var b strings.Builder
	for line := range slices.Chunk([]byte(s), 60) {
		b.Write(line)
		b.WriteByte('\n')
	}
	return b.String()
}

func getBlob(c *call) answer {
	sha := c.r.PathValue("sha")
	content, found := c.repo.Blobs[sha]
	if !found {
		return notFound
	}
	if c.wantsRaw() {
		return rawBytes(content)
	}
	return ok(m{
		"sha": sha, "node_id": gitNodeID("B", c.repo, sha), "size": len(content), "encoding": "base64",
		"content": wrapped(content), "url": c.repoURL(c.repo) + "/git/blobs/" + sha,
	})
}

func getTree(c *call) answer {
	sha := c.r.PathValue("sha")
	if len(c.repo.Refs) == 0 {
		return emptyRepo
	}
	if commit := c.repo.Commits[c.repo.Resolve(sha)]; commit != nil {
		sha = commit.Tree
	}
	if _, found := c.repo.Trees[sha]; !found {
		return notFound
	}
	tree := c.treeEntries(sha, "", c.r.URL.Query().Has("recursive"))
	return ok(m{"sha": sha, "url": c.repoURL(c.repo) + "/git/trees/" + sha, "tree": tree, "truncated": false})
}

func (c *call) treeEntries(sha, prefix string, recursive bool) []m {
	out := []m{}
	entries, _ := c.repo.Entries(sha, prefix)
	for _, e := range entries {
		item := m{"path": prefix + e.Name, "mode": e.Mode, "type": e.Type, "sha": e.OID}
		switch e.Type {
		case "blob":
			item["size"] = len(c.repo.Blobs[e.OID])
			item["url"] = c.repoURL(c.repo) + "/git/blobs/" + e.OID
		case "tree":
			item["url"] = c.repoURL(c.repo) + "/git/trees/" + e.OID
		}
		out = append(out, item)
		if recursive && e.Type == "tree" {
			out = append(out, c.treeEntries(e.OID, prefix+e.Name+"/", true)...)
		}
	}
	return out
}

func getCommit(c *call) answer {
	commit := c.repo.Commits[c.r.PathValue("sha")]
	if commit == nil {
		return notFound
	}
	return ok(c.commitObject(commit))
}

// createTree makes a tree of files whose content comes with the request, on top of another tree or of nothing.
func createTree(c *call) answer {
	var in struct {
		BaseTree string `json:"base_tree"`
		Tree     []struct{ Path, Mode, Type, Content string }
	}
	if a, ok := c.decode(&in); !ok {
		return a
	}
	if len(c.repo.Refs) == 0 {
		return emptyRepo
	}
	if _, found := c.repo.Trees[in.BaseTree]; in.BaseTree != "" && !found {
		return fail(http.StatusUnprocessableEntity, "base_tree is not a valid tree oid")
	}
	files := map[string][]byte{}
	for _, e := range in.Tree {
		if e.Type != "blob" || e.Mode != "100644" || e.Path == "" || strings.HasPrefix(e.Path, "/") {
			return fail(http.StatusUnprocessableEntity, "tree.path contains a malformed path component, or a kind of entry that the lab does not take")
		}
		files[e.Path] = []byte(e.Content)
	}
	sha := c.w.WriteTree(c.repo, in.BaseTree, files)
	return made(m{"sha": sha, "url": c.repoURL(c.repo) + "/git/trees/" + sha, "tree": c.treeEntries(sha, "", false), "truncated": false})
}

// createCommit makes a commit that no branch has yet. Without a parent it begins a history of its own.
func createCommit(c *call) answer {
	var in struct {
		Message, Tree string
		Parents       []string
	}
	if a, ok := c.decode(&in); !ok {
		return a
	}
	if _, found := c.repo.Trees[in.Tree]; !found {
		return fail(http.StatusUnprocessableEntity, "Tree SHA does not exist")
	}
	for _, p := range in.Parents {
		if c.repo.Commits[p] == nil {
			return fail(http.StatusUnprocessableEntity, "Parent SHA does not exist or is not a commit object")
		}
	}
	return made(c.commitObject(c.repo.Commits[c.w.WriteCommit(c.repo, in.Tree, in.Message, c.token.Login, in.Parents)]))
}

func (c *call) commitObject(commit *world.Commit) m {
	u := c.repoURL(c.repo) + "/git/commits/" + commit.OID
	parents := []m{}
	for _, p := range commit.Parents {
		parents = append(parents, m{"sha": p, "url": c.repoURL(c.repo) + "/git/commits/" + p, "html_url": c.htmlURL(c.repo) + "/commit/" + p})
	}
	who := m{"name": commit.Author, "email": commit.Author + "@users.noreply.github.com", "date": stamp(commit.Time)}
	reason := "unsigned"
	if commit.Signed {
		reason = "valid"
	}
	return m{
		"sha": commit.OID, "node_id": gitNodeID("C", c.repo, commit.OID), "url": u, "html_url": c.htmlURL(c.repo) + "/commit/" + commit.OID,
		"author": who, "committer": who, "message": commit.Message, "parents": parents,
		"tree":         m{"sha": commit.Tree, "url": c.repoURL(c.repo) + "/git/trees/" + commit.Tree},
		"verification": m{"verified": commit.Signed, "reason": reason, "signature": nil, "payload": nil, "verified_at": nil},
	}
}

func getContents(c *call) answer {
	ref := c.r.URL.Query().Get("ref")
	commit := c.repo.Commits[c.repo.Resolve(ref)]
	if commit == nil {
		if ref != "" {
			return fail(http.StatusNotFound, "No commit found for the ref "+ref)
		}
		return fail(http.StatusNotFound, "This repository is empty.")
	}
	path := strings.Trim(c.r.PathValue("path"), "/")
	e, found := c.repo.AtPath(commit.Tree, path)
	if !found {
		return notFound
	}
	if e.Type != "tree" {
		if c.wantsRaw() {
			return rawBytes(c.repo.Blobs[e.OID])
		}
		return ok(c.contentFile(e, path, commit.OID))
	}
	out, prefix := []m{}, ""
	if path != "" {
		prefix = path + "/"
	}
	entries, _ := c.repo.Entries(e.OID, prefix)
	for _, in := range entries {
		out = append(out, c.contentItem(in, prefix+in.Name, commit.OID))
	}
	return ok(out)
}

// contentItem shows an entry of a directory.
func (c *call) contentItem(e world.TreeEntry, path, commit string) m {
	kind, git := "file", "blobs"
	switch e.Mode {
	case "040000":
		kind, git = "dir", "trees"
	case "120000":
		kind = "symlink"
	case "160000":
		kind = "submodule"
	}
	self := c.repoURL(c.repo) + "/contents/" + path + "?ref=" + commit
	gitURL := c.repoURL(c.repo) + "/git/" + git + "/" + e.OID
	html := c.htmlURL(c.repo) + "/blob/" + commit + "/" + path
	var download any
	if kind == "file" {
		download = c.htmlURL(c.repo) + "/raw/" + commit + "/" + path
	}
	return m{
		"type": kind, "name": e.Name, "path": path, "sha": e.OID, "size": len(c.repo.Blobs[e.OID]), "url": self,
		"git_url": gitURL, "html_url": html, "download_url": download,
		"_links": m{"self": self, "git": gitURL, "html": html},
	}
}

// inlineLimit is the size above which file contents are left out (GitHub Docs: "Get repository content").
const inlineLimit = 1 << 20

func (c *call) contentFile(e world.TreeEntry, path, commit string) m {
	out := c.contentItem(e, path, commit)
	content := c.repo.Blobs[e.OID]
	out["encoding"], out["content"] = "base64", wrapped(content)
	if len(content) > inlineLimit {
		out["encoding"], out["content"] = "none", ""
	}
	return out
}
