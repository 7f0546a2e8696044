package scan

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/terraform"
	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

// AllLocalTrees reads the workflow and action files below a directory, or a single file, and groups them by the
// checkout that they are in, since a file can only call those of its own repository by a path. Symbolic links to
// directories are not followed, so that a loop cannot hold the scan; what could not be read is a gap.
func AllLocalTrees(ctx context.Context, dir string) ([]LocalTree, []inventory.Gap, error) {
	var mu sync.Mutex
	read := map[int]LocalTree{}
	last := -1
	gaps, err := eachTree(ctx, dir, loader{all: true}, func(number int, t LocalTree) {
		mu.Lock()
		defer mu.Unlock()
		read[number] = t
		last = max(last, number)
	})
	if err != nil {
		return nil, nil, err
	}
	trees := make([]LocalTree, 0, len(read))
	for number := range last + 1 {
		if t, ok := read[number]; ok {
			trees = append(trees, t)
		}
	}
	return trees, gaps, nil
}

// EachLocalTree hands each tree of AllLocalTrees to a function, with its number in their order, and forgets it then, so that
// no more of a large folder is in memory than is worked on. Files that no login can be in, and that nothing can call, are
// left out. The function is called from several goroutines.
func EachLocalTree(ctx context.Context, dir string, do func(number int, t LocalTree)) ([]inventory.Gap, error) {
	return eachTree(ctx, dir, loader{}, do)
}

func eachTree(ctx context.Context, dir string, l loader, do func(int, LocalTree)) ([]inventory.Gap, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("scan %s: %w", dir, err)
	}
	base, asked := dir, func(string) bool { return true }
	root, inside, partly := enclosingCheckout(dir)
	if partly {
		// The whole checkout is read, since its files can call each other, and what was asked for is kept.
		base, asked = root, func(p string) bool { return p == inside || strings.HasPrefix(p, inside+"/") }
	}
	var files []localFile
	var gaps []inventory.Gap
	if info.IsDir() || partly {
		files, gaps, err = findFiles(ctx, base)
	} else {
		base, files = filepath.Dir(dir), []localFile{{path: filepath.Base(dir)}}
	}
	if err != nil {
		return nil, err
	}
	l.stopped = func() bool { return ctx.Err() != nil }
	more, err := eachGroup(ctx, groupFiles(files), l.below(base), func(number int, t LocalTree) {
		if !partly || t.want(asked) {
			do(number, t)
		}
	})
	if err != nil {
		return nil, err
	}
	gaps = slices.DeleteFunc(append(gaps, more...), func(g inventory.Gap) bool { return !asked(g.File) })
	slices.SortStableFunc(gaps, func(a, b inventory.Gap) int { return strings.Compare(a.File, b.File) })
	return gaps, nil
}

// want notes which files of the tree were asked for, and tells whether there are any.
func (t *LocalTree) want(asked func(string) bool) bool {
	t.Wanted = map[string]bool{}
	for _, f := range t.Files {
		if asked(t.Path(f.Path)) {
			t.Wanted[f.Path] = true
		}
	}
	return len(t.Wanted) > 0
}

// group is the files of one checkout, or one loose file: those belong to no repository, and each stands for itself.
type group struct {
	root       string
	inCheckout bool
	files      []localFile
}

// inside gives the path of a file inside the group's tree.
func (g *group) inside(p string) string {
	if !g.inCheckout || g.root == "" {
		return p
	}
	return p[len(g.root)+1:]
}

// groupFiles groups files by the checkouts that they are in, in the order of their first files.
func groupFiles(files []localFile) []*group {
	roots := checkouts(files)
	byRoot := make(map[string]*group, len(roots))
	groups := make([]*group, 0, len(files))
	for i, f := range files {
		root, inCheckout := rootOf(roots, f.path)
		if !inCheckout {
			groups = append(groups, &group{files: files[i : i+1 : i+1]})
			continue
		}
		g := byRoot[root]
		if g == nil {
			g = &group{root: root, inCheckout: true}
		}
		if inside := g.inside(f.path); !workflow.IsWorkflowPath(inside) && !workflow.IsActionPath(inside) {
			continue
		}
		if byRoot[root] == nil {
			byRoot[root] = g
			groups = append(groups, g)
		}
		g.files = append(g.files, f)
	}
	return groups
}

// checkouts finds the directories that have a .github folder with YAML files in it.
func checkouts(files []localFile) map[string]bool {
	roots := map[string]bool{}
	for _, f := range files {
		if strings.HasPrefix(f.path, ".github/") {
			roots[""] = true
		} else if i := strings.Index(f.path, "/.github/"); i >= 0 {
			roots[f.path[:i]] = true
		}
	}
	return roots
}

// rootOf gives the innermost checkout that a path is in.
func rootOf(roots map[string]bool, p string) (string, bool) {
	if len(roots) == 0 {
		return "", false
	}
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if roots[dir] {
			return dir, true
		}
	}
	return "", roots[""]
}

// manyFiles is from how many files on those of one group are read side by side.
const manyFiles = 32

// eachGroup loads groups and hands their trees on: large groups one after another with all processors, the others side by side.
// The gaps of one group stand together, and the groups in any order.
func eachGroup(ctx context.Context, groups []*group, l loader, do func(int, LocalTree)) ([]inventory.Gap, error) {
	var mu sync.Mutex
	var gaps []inventory.Gap
	work := func(r *reader, i int) {
		if ctx.Err() != nil {
			return
		}
		t, found, missing := l.load(r, groups[i])
		groups[i] = nil
		if len(missing) > 0 {
			mu.Lock()
			gaps = append(gaps, missing...)
			mu.Unlock()
		}
		if found {
			do(i, t)
		}
	}
	large := make([]bool, len(groups))
	for i, g := range groups {
		if large[i] = len(g.files) >= manyFiles; large[i] {
			work(&reader{}, i)
		}
	}
	parallel(len(groups), func(r *reader, i int) {
		if !large[i] {
			work(r, i)
		}
	})
	return gaps, ctx.Err()
}

// parallel runs a function for each number, on as many processors as there are, each with a reader of its own.
func parallel(n int, do func(r *reader, i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			defer crash.Report()
			deepen()
			r := &reader{}
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(r, i)
			}
		})
	}
	wg.Wait()
}

// deepen makes the stack of a goroutine as large as most files need, at once and while few functions are on it: to move a stack,
// the runtime reads its tables of each function on it, which are spread over all of the program.
//
//go:noinline
func deepen() byte {
	var room [24 << 10]byte
	return room[runtime.GOMAXPROCS(0)]
}

// loader reads groups of files below a directory.
type loader struct {
	dir     string
	prefix  string      // dir with a separator
	all     bool        // also the files that no login can be in
	stopped func() bool // the scan has ended
	brief   bool        // what is read is valid only until the function that takes the tree returns
}

func (l loader) below(dir string) loader {
	l.dir, l.prefix = dir, strings.TrimSuffix(filepath.Clean(dir), string(filepath.Separator))+string(filepath.Separator)
	return l
}

// load reads the files of a group that can matter. It finds nothing where no login can be in any of them.
func (l loader) load(r *reader, g *group) (t LocalTree, found bool, gaps []inventory.Gap) {
	r.loaded = slices.Grow(r.loaded[:0], len(g.files))[:len(g.files)]
	read := r.loaded
	l.brief = l.brief && len(g.files) < manyFiles // more are read by several readers, whose memory ends with them
	r.forget()
	if len(g.files) < manyFiles {
		for i, f := range g.files {
			read[i] = l.loadFile(r, g, f)
		}
	} else {
		parallel(len(g.files), func(r *reader, i int) { read[i] = l.loadFile(r, g, g.files[i]) })
	}
	t = LocalTree{Root: g.root, Dir: l.dir}
	t.Stopped = l.stopped
	if g.inCheckout {
		t.Terraform = func() terraform.Files {
			return terraformFiles(l.stopped, filepath.Join(l.dir, filepath.FromSlash(g.root)))
		}
	}
	for i, f := range read {
		switch {
		case f.gap != nil:
			gaps = append(gaps, *f.gap)
		case f.content != nil:
			t.Files = append(t.Files, workflow.File{Path: g.inside(g.files[i].path), Content: f.content})
			found = found || f.candidate
		}
	}
	return t, found || l.all && len(t.Files) > 0, gaps
}

// loaded is a file that was read: its content where it can matter, or a gap.
type loaded struct {
	content   []byte
	candidate bool
	gap       *inventory.Gap
}

func (l loader) loadFile(r *reader, g *group, f localFile) loaded {
	content, err := r.read(l.prefix+f.path, f.regular)
	if err != nil {
		gap := localGap(f.path, err.Error())
		return loaded{gap: &gap}
	}
	candidate, wanted := matters(g, f, content)
	if !wanted && !l.all || !g.inCheckout && !isShaped(content) {
		return loaded{}
	}
	if l.brief {
		return loaded{content: r.keep(content), candidate: candidate}
	}
	return loaded{content: append(make([]byte, 0, len(content)), content...), candidate: candidate}
}

// matters tells whether a login can be in a file, and whether the file is wanted for that or because others can call it. A
// loose file calls no other.
func matters(g *group, f localFile, content []byte) (candidate, wanted bool) {
	if !g.inCheckout {
		candidate = workflow.TouchesAzure(content)
		return candidate, candidate
	}
	candidate = workflow.IsCandidate(content)
	return candidate, candidate || callable(f.path, content)
}

// callable tells whether other files of a checkout can call a file.
func callable(p string, content []byte) bool {
	return workflow.IsActionPath(p) || bytes.Contains(content, []byte("workflow_call"))
}

// isShaped tells whether a loose file has the shape of a workflow or an action, since YAML is used for much else. A
// workflow whose keys are indented, so that it does not parse, or commented out has it too: the one is a gap, the other a
// mention, and neither must be passed over.
func isShaped(content []byte) bool {
	if workflow.IsUTF16(content) { // it is no workflow for GitHub, which is for its reader to say
		content = bytes.TrimPrefix(bytes.TrimPrefix(bytes.ReplaceAll(content, []byte{0}, nil), []byte{0xff, 0xfe}), []byte{0xfe, 0xff})
	}
	return hasKey(content, "jobs", "") || hasKey(content, "runs", "") || hasKey(content, "on", brokenIndent) && hasKey(content, "jobs", brokenIndent)
}

// brokenIndent is what can stand before a top-level key of a workflow that is broken or commented out.
const brokenIndent = " \t#"
