package world

import (
	"crypto/sha1" //nolint:gosec // git's object ids are SHA-1
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// BlobOID is the git object id of a file's content.
func BlobOID(content []byte) string { return objectID("blob", content) }

// objectID is the SHA-1 of "kind N\x00" and the content (Pro Git, "Git Internals - Git Objects").
func objectID(kind string, content []byte) string {
	h := sha1.New() //nolint:gosec // see above
	fmt.Fprintf(h, "%s %d\x00", kind, len(content))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

// TreeEntry is one line of a tree object.
type TreeEntry struct {
	Name string
	Mode string // six digits: 040000 is a tree
	Type string // blob, tree or commit
	OID  string
}

// Mode gives the mode of a file by its full path.
func (r *Repo) Mode(path string) string {
	if m := r.Modes[path]; m != "" {
		return m
	}
	return "100644"
}

// addTree stores the tree of flattened files below prefix, and all trees nested in it, and gives its oid.
func (r *Repo) addTree(files map[string]string, prefix string) string {
	var object []byte
	for _, e := range r.entries(files, prefix, r.addTree) {
		raw, err := hex.DecodeString(e.OID)
		if err != nil {
			panic(fmt.Sprintf("world: %s holds the object id %q, which is not hexadecimal: %v", prefix+e.Name, e.OID, err))
		}
		object = append(object, strings.TrimPrefix(e.Mode, "0")+" "+e.Name+"\x00"...)
		object = append(object, raw...)
	}
	oid := objectID("tree", object)
	if r.Trees[oid] == nil {
		r.Trees[oid] = files
	}
	return oid
}

// entries lists the direct members of a flattened tree in git's order, where a directory sorts as if its name
// ended in a slash. subtree gives the oid of a nested tree.
func (r *Repo) entries(files map[string]string, prefix string, subtree func(map[string]string, string) string) []TreeEntry {
	nested := map[string]map[string]string{}
	var out []TreeEntry
	for path, oid := range files {
		dir, rest, ok := strings.Cut(path, "/")
		if !ok {
			out = append(out, r.fileEntry(prefix, path, oid))
			continue
		}
		if nested[dir] == nil {
			nested[dir] = map[string]string{}
		}
		nested[dir][rest] = oid
	}
	for dir, below := range nested {
		out = append(out, TreeEntry{Name: dir, Mode: "040000", Type: "tree", OID: subtree(below, prefix+dir+"/")})
	}
	slices.SortFunc(out, func(a, b TreeEntry) int { return strings.Compare(a.sortKey(), b.sortKey()) })
	return out
}

func (r *Repo) fileEntry(prefix, name, oid string) TreeEntry {
	e := TreeEntry{Name: name, Mode: r.Mode(prefix + name), Type: "blob", OID: oid}
	if e.Mode == "160000" {
		e.Type = "commit"
	}
	return e
}

func (e TreeEntry) sortKey() string {
	if e.Type == "tree" {
		return e.Name + "/"
	}
	return e.Name
}

// Entries lists the direct members of a stored tree. prefix is the tree's own path with a trailing slash, or
// empty for a root tree or where it is not known: it only decides file modes. ok is false for an unknown tree.
func (r *Repo) Entries(tree, prefix string) (entries []TreeEntry, ok bool) {
	files, ok := r.Trees[tree]
	if !ok {
		return nil, false
	}
	return r.entries(files, prefix, r.addTree), true
}

// AtPath finds what a commit's tree holds at a path: an entry of type blob, tree or commit. The root is a tree.
func (r *Repo) AtPath(tree, path string) (TreeEntry, bool) {
	path = strings.Trim(path, "/")
	if path == "" {
		_, ok := r.Trees[tree]
		return TreeEntry{Mode: "040000", Type: "tree", OID: tree}, ok
	}
	files := r.Trees[tree]
	name := path[strings.LastIndex(path, "/")+1:]
	if oid, ok := files[path]; ok {
		return r.fileEntry(path[:len(path)-len(name)], name, oid), true
	}
	below := map[string]string{}
	for p, oid := range files {
		if rest, ok := strings.CutPrefix(p, path+"/"); ok {
			below[rest] = oid
		}
	}
	if len(below) == 0 {
		return TreeEntry{}, false
	}
	return TreeEntry{Name: name, Mode: "040000", Type: "tree", OID: r.addTree(below, path+"/")}, true
}

// addCommit stores a commit object and gives its oid.
func (r *Repo) addCommit(c Commit) string {
	var b strings.Builder
	fmt.Fprintf(&b, "tree %s\n", c.Tree)
	for _, p := range c.Parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	committer := c.Author
	if c.Signed {
		committer = "GitHub"
	}
	for _, who := range [][2]string{{"author", c.Author}, {"committer", committer}} {
		fmt.Fprintf(&b, "%s %s <%s@users.noreply.github.com> %d +0000\n", who[0], who[1], who[1], c.Time.Unix())
	}
	b.WriteString("\n" + c.Message)
	c.OID = objectID("commit", []byte(b.String()))
	if r.Commits[c.OID] == nil {
		r.Commits[c.OID] = &c
	}
	return c.OID
}

// Resolve gives the commit that a name stands for: a branch, a tag, a full ref, a commit id, HEAD or "" (the
// default branch). It is empty if there is none.
func (r *Repo) Resolve(ref string) string {
	if ref == "" || ref == "HEAD" {
		ref = r.DefaultBranch
	}
	for _, full := range []string{"refs/heads/" + ref, "refs/tags/" + ref, ref, "refs/" + ref} {
		if oid := r.Refs[full]; oid != "" {
			return oid
		}
	}
	if r.Commits[ref] != nil {
		return ref
	}
	return ""
}

// Head is the commit at the head of a branch, empty if there is no such branch.
func (r *Repo) Head(branch string) string { return r.Refs["refs/heads/"+branch] }

// Tree gives the flattened tree of a commit, branch or tag: path → blob oid. The caller must not change it.
func (r *Repo) Tree(ref string) map[string]string {
	c := r.Commits[r.Resolve(ref)]
	if c == nil {
		return nil
	}
	return r.Trees[c.Tree]
}

// Files gives every file of a commit, branch or tag with its content, which the caller must not change.
func (r *Repo) Files(ref string) map[string][]byte {
	out := map[string][]byte{}
	for path, oid := range r.Tree(ref) {
		if content, ok := r.Blobs[oid]; ok {
			out[path] = content
		}
	}
	return out
}

// SetRef points a full ref (refs/heads/main) to a commit. Open pull requests from that branch follow it.
func (r *Repo) SetRef(ref, oid string) {
	r.Refs[ref] = oid
	for _, p := range r.Pulls {
		if p.State == "open" && "refs/heads/"+p.Head == ref && p.HeadOID != oid {
			p.HeadOID, p.Asked = oid, false
		}
	}
}

// DeleteRef deletes a full ref. The service closes the open pull requests whose head branch goes.
func (w *World) DeleteRef(r *Repo, ref string) {
	delete(r.Refs, ref)
	for _, p := range r.Pulls {
		if p.State == "open" && "refs/heads/"+p.Head == ref {
			p.State, p.ClosedAt = "closed", w.Clock.Now()
		}
	}
}

// addBlob stores a file's content once for all repositories.
func (w *World) addBlob(r *Repo, content []byte) string {
	oid := BlobOID(content)
	g := w.GitHub
	if g.blobs == nil {
		g.blobs = map[string][]byte{}
	}
	shared, ok := g.blobs[oid]
	if !ok {
		shared = slices.Clone(content)
		g.blobs[oid] = shared
	}
	r.Blobs[oid] = shared
	return oid
}

// CommitFiles commits changes on top of a branch and gives the commit's oid; nil content deletes a file. A
// branch that does not exist starts at the default branch, or at nothing in an empty repository.
func (w *World) CommitFiles(r *Repo, branch, message string, changes map[string][]byte) string {
	return w.commit(r, branch, message, "octo-dev", false, changes)
}

// CommitSigned is CommitFiles as the service does it for createCommitOnBranch: signed, in the caller's name.
func (w *World) CommitSigned(r *Repo, branch, message, author string, changes map[string][]byte) string {
	return w.commit(r, branch, message, author, true, changes)
}

func (w *World) commit(r *Repo, branch, message, author string, signed bool, changes map[string][]byte) string {
	parent := r.Head(branch)
	if parent == "" {
		parent = r.Resolve("HEAD")
	}
	files := map[string]string{}
	var parents []string
	if parent != "" {
		parents = []string{parent}
		files = maps.Clone(r.Tree(parent))
	}
	for path, content := range changes {
		if content == nil {
			delete(files, path)
			continue
		}
		files[path] = w.addBlob(r, content)
	}
	oid := r.addCommit(Commit{
		Tree: r.addTree(files, ""), Parents: parents, Message: message,
		Author: author, Time: w.Clock.Now().Truncate(time.Second), Signed: signed,
	})
	r.SetRef("refs/heads/"+branch, oid)
	return oid
}

// WriteTree stores a tree with changes on top of another one, which may be empty, and gives its oid.
func (w *World) WriteTree(r *Repo, base string, changes map[string][]byte) string {
	files := maps.Clone(r.Trees[base])
	if files == nil {
		files = map[string]string{}
	}
	for path, content := range changes {
		files[path] = w.addBlob(r, content)
	}
	return r.addTree(files, "")
}

// WriteCommit stores a commit that no ref points to, and gives its oid.
func (w *World) WriteCommit(r *Repo, tree, message, author string, parents []string) string {
	return r.addCommit(Commit{Tree: tree, Parents: parents, Message: message, Author: author, Time: w.Clock.Now().Truncate(time.Second)})
}

// ancestors gives every commit reachable from one, with it.
func (r *Repo) ancestors(oid string) map[string]bool {
	seen := map[string]bool{}
	for queue := []string{oid}; len(queue) > 0; queue = queue[1:] {
		c := r.Commits[queue[0]]
		if c == nil || seen[c.OID] {
			continue
		}
		seen[c.OID] = true
		queue = append(queue, c.Parents...)
	}
	return seen
}

// MergeBase gives the nearest common ancestor of two commits, empty if they share no history.
func (r *Repo) MergeBase(a, b string) string {
	of := r.ancestors(a)
	seen := map[string]bool{}
	for queue := []string{b}; len(queue) > 0; queue = queue[1:] {
		if of[queue[0]] {
			return queue[0]
		}
		if c := r.Commits[queue[0]]; c != nil && !seen[c.OID] {
			seen[c.OID] = true
			queue = append(queue, c.Parents...)
		}
	}
	return ""
}

// Ahead counts the commits that head has and base has not.
func (r *Repo) Ahead(base, head string) int {
	of, n := r.ancestors(base), 0
	for oid := range r.ancestors(head) {
		if !of[oid] {
			n++
		}
	}
	return n
}
