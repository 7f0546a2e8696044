package scan

import (
	"bytes"
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

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
	inv := &inventory.Inventory{Version: inventory.Version, Tool: o.Tool, ScannedAt: o.Now().UTC().Truncate(time.Second)}
	inv.Sources = []inventory.Source{{Kind: inventory.SourceLocal, Name: filepath.ToSlash(dir)}}
	var mu sync.Mutex
	var logins [][]inventory.Login // of each tree
	shared := workflow.Options{Strings: workflow.NewStrings()}
	gaps, err := eachTree(ctx, dir, loader{brief: true}, func(_ int, t LocalTree) { // results share no memory with the files
		r := t.Relative(workflow.Scan(t.Tree, shared))
		mu.Lock()
		defer mu.Unlock()
		if len(r.Logins) > 0 {
			logins = append(logins, r.Logins)
		}
		inv.Mentions = append(inv.Mentions, r.Mentions...)
		inv.Gaps = append(inv.Gaps, r.Gaps...)
	})
	if err != nil {
		return nil, err
	}
	inv.Logins = slices.Concat(logins...)
	inv.Gaps = append(inv.Gaps, gaps...)
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
func (t LocalTree) Path(inside string) string {
	if t.Root == "" {
		return inside
	}
	return path.Join(t.Root, inside)
}

// Relative turns the paths of a result, which are inside the tree, into those below the scanned directory, and leaves
// out the files that were not asked for. It works in the memory of the result that it is given.
func (t LocalTree) Relative(r workflow.Result) workflow.Result {
	r.Logins = slices.DeleteFunc(r.Logins, func(l inventory.Login) bool { return !t.Asked(l.File) })
	r.Mentions = slices.DeleteFunc(r.Mentions, func(m inventory.Mention) bool { return !t.Asked(m.File) })
	r.Gaps = slices.DeleteFunc(r.Gaps, func(g inventory.Gap) bool { return !t.Asked(g.File) })
	for i := range r.Logins {
		l := &r.Logins[i]
		file := t.Path(l.File)
		l.ID = inventory.NewLoginID("", file, l.Line, l.Column)
		l.File = string(l.ID[:len(file)]) // in the same memory
	}
	for i := range r.Mentions {
		r.Mentions[i].File = t.Path(r.Mentions[i].File)
	}
	for i := range r.Gaps {
		g := &r.Gaps[i]
		g.Source, g.File = inventory.SourceLocal, t.Path(g.File)
		g.Object = g.File
	}
	return r
}

// Asked tells whether a file of the tree was asked for.
func (t LocalTree) Asked(inside string) bool { return t.Wanted == nil || t.Wanted[inside] }

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

func localGap(rel, message string) inventory.Gap {
	return inventory.Gap{Source: inventory.SourceLocal, Object: filepath.ToSlash(rel), File: filepath.ToSlash(rel), Message: message,
		Next: "make it readable and scan again; until then it is unknown, not clean"}
}

// hasKey looks for a top-level key without parsing. The characters of indent may stand before it.
func hasKey(content []byte, key, indent string) bool {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	return hasKeyAfter(content, key, indent, '\n') || hasKeyAfter(content, key, indent, '\r')
}

// hasKeyAfter looks for a key at the beginning and after each line break of one kind.
func hasKeyAfter(rest []byte, key, indent string, lineBreak byte) bool {
	for {
		if isKey(bytes.TrimLeft(rest, indent), key) {
			return true
		}
		i := bytes.IndexByte(rest, lineBreak)
		if i < 0 {
			return false
		}
		rest = rest[i+1:]
	}
}

// isKey tells whether a line begins with a key, in quotes or not.
func isKey(line []byte, key string) bool {
	if len(line) > len(key)+1 && (line[0] == '"' || line[0] == '\'') {
		return string(line[1:1+len(key)]) == key && line[1+len(key)] == line[0]
	}
	return len(line) > len(key) && string(line[:len(key)]) == key && line[len(key)] == ':'
}
