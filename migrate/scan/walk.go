package scan

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// findFiles lists the YAML files below a directory, in the order of their names. It asks for nothing but the names and types
// that a directory lists, since a folder of checkouts has many more files than workflows, and lists the directories of one depth
// side by side. Symbolic links are not followed.
func findFiles(ctx context.Context, dir string) ([]localFile, []inventory.Gap, error) {
	root := &folder{}
	for level := []*folder{root}; len(level) > 0; level = foldersIn(level) {
		parallel(len(level), func(r *reader, i int) {
			if ctx.Err() == nil {
				level[i].list(r, dir)
			}
		})
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
	}
	if root.err != nil {
		return nil, nil, fmt.Errorf("scan %s: %w", dir, root.err)
	}
	all := listing{files: make([]localFile, 0, root.count())}
	all.add(root)
	return all.files, all.gaps, nil
}

// folder is a directory that the walk has found.
type folder struct {
	path    string // with slashes, below the directory that is scanned
	entries []folderEntry
	err     error
}

// folderEntry is a YAML file, or a directory where that is set.
type folderEntry struct {
	folder *folder
	file   localFile
}

func (e folderEntry) path() string {
	if e.folder != nil {
		return e.folder.path
	}
	return e.file.path
}

func (f *folder) list(r *reader, dir string) {
	f.err = r.eachEntry(filepath.Join(dir, filepath.FromSlash(f.path)), func(name string, kind fs.FileMode) {
		switch {
		case kind.IsDir() && !skipDir(name):
			f.entries = append(f.entries, folderEntry{folder: &folder{path: joinSlash(f.path, name)}})
		case !kind.IsDir() && isYAML(name):
			f.entries = append(f.entries, folderEntry{file: localFile{path: joinSlash(f.path, name), regular: kind.IsRegular()}})
		}
	})
	if f.err != nil {
		f.entries = nil
	}
	slices.SortFunc(f.entries, func(a, b folderEntry) int { return strings.Compare(a.path(), b.path()) })
}

// count gives how many files are below a folder.
func (f *folder) count() int {
	n := 0
	for _, e := range f.entries {
		if e.folder != nil {
			n += e.folder.count()
		} else {
			n++
		}
	}
	return n
}

// foldersIn gives the directories in those of one depth.
func foldersIn(level []*folder) []*folder {
	var next []*folder
	for _, f := range level {
		for _, e := range f.entries {
			if e.folder != nil {
				next = append(next, e.folder)
			}
		}
	}
	return next
}

// listing is what the walk has found, in order.
type listing struct {
	files []localFile
	gaps  []inventory.Gap
}

func (l *listing) add(f *folder) {
	if f.err != nil {
		l.gaps = append(l.gaps, localGap(f.path, f.err.Error()))
	}
	for _, e := range f.entries {
		if e.folder != nil {
			l.add(e.folder)
		} else {
			l.files = append(l.files, e.file)
		}
	}
}

func joinSlash(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

func skipDir(name string) bool { return name == ".git" || name == "node_modules" }

// isYAML accepts x.yml and x.yaml, also with a suffix as backups and saved versions have it (x.yml__1a2b3c.yml).
func isYAML(name string) bool {
	i := strings.LastIndexByte(name, '.')
	return i >= 0 && (strings.EqualFold(name[i:], ".yml") || strings.EqualFold(name[i:], ".yaml"))
}
