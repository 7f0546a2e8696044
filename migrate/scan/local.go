package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

// MaxFileSize is the size above which a workflow file is not read: GitHub itself refuses workflow files of more
// than 512 KiB (github/docs, "Workflow syntax"), and what is larger by far is not a workflow.
const MaxFileSize = 4 << 20

// Local finds the logins in the workflow files below a directory (or in a single file). In a checkout these are
// the files of .github/workflows and the actions; in any other folder every YAML file that has the shape of a workflow
// or an action. Paths in the result are relative to dir, with slashes. It needs no network and no credential.
func Local(ctx context.Context, dir string, o Options) (*inventory.Inventory, error) {
	o = o.withDefaults()
	trees, gaps, err := LocalTrees(ctx, dir)
	if err != nil {
		return nil, err
	}
	inv := &inventory.Inventory{Version: inventory.Version, Tool: o.Tool, ScannedAt: o.Now().UTC().Truncate(time.Second), Gaps: gaps}
	inv.Sources = []inventory.Source{{Kind: inventory.SourceLocal, Name: filepath.ToSlash(dir)}}

	results := make([]workflow.Result, len(trees))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, t := range trees {
		g.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			results[i] = t.Relative(workflow.Scan(t.Tree, workflow.Options{}))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, r := range results {
		inv.Logins = append(inv.Logins, r.Logins...)
		inv.Mentions = append(inv.Mentions, r.Mentions...)
		inv.Gaps = append(inv.Gaps, r.Gaps...)
	}
	Sort(inv)
	return inv, nil
}

// LocalTree is a tree of local files.
type LocalTree struct {
	Root string // slash path of the tree's root below Dir; "" for Dir itself
	Dir  string // directory in the file system that Root is below
	// Wanted, when set, are the paths inside the tree that were asked for; the others are there because these can call them.
	Wanted map[string]bool
	workflow.Tree
}

// Path is where a file of the tree is, for a reader: below the directory that was scanned.
func (t LocalTree) Path(inside string) string { return path.Join(t.Root, inside) }

// Relative turns the paths of a result, which are inside the tree, into those below the scanned directory, and leaves
// out the files that were not asked for.
func (t LocalTree) Relative(r workflow.Result) workflow.Result {
	out := workflow.Result{}
	for _, l := range r.Logins {
		if t.Asked(l.File) {
			l.File = t.Path(l.File)
			l.ID = inventory.NewLoginID("", l.File, l.Line, l.Column)
			out.Logins = append(out.Logins, l)
		}
	}
	for _, m := range r.Mentions {
		if t.Asked(m.File) {
			m.File = t.Path(m.File)
			out.Mentions = append(out.Mentions, m)
		}
	}
	for _, g := range r.Gaps {
		if t.Asked(g.File) {
			g.Source, g.File = inventory.SourceLocal, t.Path(g.File)
			g.Object = g.File
			out.Gaps = append(out.Gaps, g)
		}
	}
	return out
}

// Asked tells whether a file of the tree was asked for.
func (t LocalTree) Asked(inside string) bool { return t.Wanted == nil || t.Wanted[inside] }

// LocalTrees reads the workflow and action files below a directory, or a single file, and groups them by the
// checkout that they are in, since a file can only call those of its own repository by a path. Files that no login
// can be in, and that nothing can call, are left out. Symbolic links to directories are not followed, so that a loop
// cannot hold the scan; what could not be read is a gap.
func LocalTrees(ctx context.Context, dir string) ([]LocalTree, []inventory.Gap, error) {
	return localTrees(ctx, dir, false)
}

// AllLocalTrees is LocalTrees with every workflow and action, whether or not a login can be in it.
func AllLocalTrees(ctx context.Context, dir string) ([]LocalTree, []inventory.Gap, error) {
	return localTrees(ctx, dir, true)
}

func localTrees(ctx context.Context, dir string, all bool) ([]LocalTree, []inventory.Gap, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("scan %s: %w", dir, err)
	}
	if root, inside, ok := enclosingCheckout(dir); ok {
		return insideCheckout(ctx, root, inside, all)
	}
	if !info.IsDir() {
		t, gaps := localFiles(filepath.Dir(dir), []string{filepath.Base(dir)}, all)
		return t, gaps, nil
	}
	var paths []string
	var gaps []inventory.Gap
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rel, relErr := filepath.Rel(dir, p)
		if relErr != nil {
			return relErr
		}
		if err != nil {
			if p == dir {
				return fmt.Errorf("scan %s: %w", dir, err)
			}
			gaps = append(gaps, localGap(rel, err.Error()))
			return fs.SkipDir
		}
		if d.IsDir() {
			if skipDir(d.Name()) && p != dir {
				return fs.SkipDir
			}
			return nil
		}
		if isYAML(d.Name()) {
			paths = append(paths, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	trees, more := localFiles(dir, paths, all)
	return trees, append(gaps, more...), nil
}

// enclosingCheckout tells whether a path is inside the .github folder of a checkout, and where.
func enclosingCheckout(p string) (root, inside string, ok bool) {
	abs, err := filepath.Abs(p)
	if err != nil {
		return "", "", false
	}
	slash := filepath.ToSlash(abs) + "/"
	i := strings.LastIndex(slash, "/.github/")
	if i < 0 {
		return "", "", false
	}
	return filepath.FromSlash(slash[:max(i, 1)]), strings.TrimSuffix(slash[i+1:], "/"), true
}

// Base is the directory that the paths of a local scan are relative to: the checkout that dir is in the .github folder
// of, the folder of a single file, or else dir.
func Base(dir string) string {
	if root, _, ok := enclosingCheckout(dir); ok {
		return root
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return filepath.Dir(dir)
	}
	return dir
}

// insideCheckout reads the whole checkout, since its files can call each other, and keeps what was asked for: paths
// that are inside, or below, one path of it.
func insideCheckout(ctx context.Context, root, inside string, all bool) ([]LocalTree, []inventory.Gap, error) {
	trees, gaps, err := localTrees(ctx, root, all)
	if err != nil {
		return nil, nil, err
	}
	asked := func(p string) bool { return p == inside || strings.HasPrefix(p, inside+"/") }
	var kept []LocalTree
	for _, t := range trees {
		t.Wanted = map[string]bool{}
		for _, f := range t.Files {
			if asked(t.Path(f.Path)) {
				t.Wanted[f.Path] = true
			}
		}
		if len(t.Wanted) > 0 {
			kept = append(kept, t)
		}
	}
	gaps = slices.DeleteFunc(gaps, func(g inventory.Gap) bool { return !asked(g.File) })
	return kept, gaps, nil
}

func skipDir(name string) bool { return name == ".git" || name == "node_modules" }

// isYAML accepts x.yml and x.yaml, also with a suffix as backups and saved versions have it (x.yml__1a2b3c.yml).
func isYAML(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".yml" || ext == ".yaml"
}

func localGap(rel, message string) inventory.Gap {
	return inventory.Gap{Source: inventory.SourceLocal, Object: filepath.ToSlash(rel), File: filepath.ToSlash(rel), Message: message,
		Next: "make it readable and scan again; until then it is unknown, not clean"}
}

func localFiles(dir string, paths []string, all bool) ([]LocalTree, []inventory.Gap) {
	type loaded struct {
		content []byte
		gap     *inventory.Gap
	}
	files := make([]loaded, len(paths))
	roots := checkouts(paths)
	g := errgroup.Group{}
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i, p := range paths {
		root, inCheckout := rootOf(roots, p)
		inside := strings.TrimPrefix(strings.TrimPrefix(p, root), "/")
		if inCheckout && !workflow.IsWorkflowPath(inside) && !workflow.IsActionPath(inside) {
			continue
		}
		g.Go(func() error {
			content, err := readFile(filepath.Join(dir, filepath.FromSlash(p)))
			if err != nil {
				gap := localGap(p, err.Error())
				files[i].gap = &gap
				return nil
			}
			if relevant(p, content, inCheckout, all) {
				files[i].content = content
			}
			return nil
		})
	}
	_ = g.Wait() // the readers return no error: what fails is a gap

	byRoot := map[string]*LocalTree{}
	var order []string
	var gaps []inventory.Gap
	for i, p := range paths {
		if files[i].gap != nil {
			gaps = append(gaps, *files[i].gap)
		}
		if files[i].content == nil {
			continue
		}
		root, inCheckout := rootOf(roots, p)
		key, inside := root, strings.TrimPrefix(strings.TrimPrefix(p, root), "/")
		if !inCheckout {
			// Loose files belong to no repository: each stands for itself.
			key, root, inside = p, "", p
		}
		t := byRoot[key]
		if t == nil {
			t = &LocalTree{Root: root, Dir: dir}
			byRoot[key] = t
			order = append(order, key)
		}
		t.Files = append(t.Files, workflow.File{Path: inside, Content: files[i].content})
	}
	trees := make([]LocalTree, 0, len(order))
	for _, k := range order {
		if all || slices.ContainsFunc(byRoot[k].Files, func(f workflow.File) bool { return workflow.IsCandidate(f.Content) }) {
			trees = append(trees, *byRoot[k])
		}
	}
	return trees, gaps
}

// relevant tells whether a file can matter: a login can be in it, or a caller of its checkout can use it. A loose
// file must also have the shape of a workflow or an action, since YAML is used for much else.
func relevant(p string, content []byte, inCheckout, all bool) bool {
	if inCheckout {
		return all || workflow.IsCandidate(content) || workflow.IsActionPath(p) || bytes.Contains(content, []byte("workflow_call"))
	}
	return (all || workflow.IsCandidate(content)) && (hasKey(content, "jobs") || hasKey(content, "runs"))
}

// hasKey looks for a top-level key without parsing.
func hasKey(content []byte, key string) bool {
	for _, k := range []string{key + ":", `"` + key + `"`, "'" + key + "'"} {
		for i := 0; ; {
			n := bytes.Index(content[i:], []byte(k))
			if n < 0 {
				break
			}
			at := i + n
			if at == 0 || content[at-1] == '\n' || content[at-1] == '\r' || (at == 3 && bytes.HasPrefix(content, []byte("\xef\xbb\xbf"))) {
				return true
			}
			i = at + len(k)
		}
	}
	return false
}

// checkouts finds the directories that have a .github folder with workflows or actions in it.
func checkouts(paths []string) []string {
	seen := map[string]bool{}
	for _, p := range paths {
		if i := strings.Index("/"+p, "/.github/"); i >= 0 {
			seen[strings.TrimSuffix(p[:i], "/")] = true
		}
	}
	roots := make([]string, 0, len(seen))
	for r := range seen {
		roots = append(roots, r)
	}
	// The innermost first.
	slices.SortFunc(roots, func(a, b string) int { return len(b) - len(a) })
	return roots
}

func rootOf(roots []string, p string) (string, bool) {
	for _, r := range roots {
		if r == "" || strings.HasPrefix(p, r+"/") {
			return r, true
		}
	}
	return "", false
}

var errNotRegular = errors.New("it is no regular file")

// readFile reads a regular file of bounded size that does not change while it is read.
func readFile(name string) ([]byte, error) { return readFileWith(name, func() {}) }

// readFileWith is readFile with a hook between the look at the file's size and the reading, for tests.
func readFileWith(name string, opened func()) ([]byte, error) {
	// Opening a pipe waits for its writer, so what it is is asked before.
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, errNotRegular
	}
	if before.Size() > MaxFileSize {
		return nil, fmt.Errorf("the file has %d bytes, more than the %d that a workflow can have", before.Size(), MaxFileSize)
	}
	opened()
	content := make([]byte, before.Size())
	if _, err := io.ReadFull(f, content); err != nil {
		return nil, fmt.Errorf("the file changed while it was read: %w", err)
	}
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return nil, errors.New("the file changed while it was read")
	}
	return content, nil
}
