package scan

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// findFiles lists the YAML files below a directory, in the order of their names.
func findFiles(ctx context.Context, dir string) ([]localFile, []inventory.Gap, error) {
	w := walker{ctx: ctx, dir: dir}
	err := w.walk("")
	return w.files, w.gaps, err
}

// walker goes through directories. It asks for nothing but the names and types that a directory lists, since a folder of
// checkouts has many more files than workflows.
type walker struct {
	ctx   context.Context
	dir   string
	files []localFile
	gaps  []inventory.Gap
}

// walk lists the directory with a path below the one that is scanned, and those in it. Symbolic links are not followed.
func (w *walker) walk(below string) error {
	if w.ctx.Err() != nil {
		return w.ctx.Err()
	}
	entries, err := os.ReadDir(filepath.Join(w.dir, filepath.FromSlash(below)))
	switch {
	case err != nil && below == "":
		return fmt.Errorf("scan %s: %w", w.dir, err)
	case err != nil:
		w.gaps = append(w.gaps, localGap(below, err.Error()))
		return nil
	}
	for _, e := range entries {
		switch {
		case e.IsDir() && !skipDir(e.Name()):
			if err := w.walk(joinSlash(below, e.Name())); err != nil {
				return err
			}
		case !e.IsDir() && isYAML(e.Name()):
			w.files = append(w.files, localFile{path: joinSlash(below, e.Name()), regular: e.Type().IsRegular()})
		}
	}
	return nil
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
