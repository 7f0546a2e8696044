package scan

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/unsecret-dev/unsecret/migrate/terraform"
)

// maxEntries bounds the walk through a checkout for its Terraform code.
const maxEntries = 200_000

// terraformFiles reads the Terraform code of a checkout. It is asked for only where a login depends on it, since a checkout has many more files
// than workflows. Symbolic links are not followed.
func terraformFiles(stopped func() bool, root string) terraform.Files {
	var out terraform.Files
	var entries []terraform.Entry
	seen := 0
	_ = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error { // the function reports what it meets itself
		rel := slashBelow(root, name)
		switch {
		case err != nil:
			out.Unread = append(out.Unread, terraform.Unread{Path: rel, Reason: reasonOf(err)})
			return nil
		case stopped():
			return fs.SkipAll
		case e.IsDir():
			if rel != "" && terraform.SkipDirectory(e.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if seen++; seen > maxEntries {
			out.Unread = append(out.Unread, terraform.Unread{Reason: "the checkout has too many files to look for it"})
			return fs.SkipAll
		}
		if terraform.Wanted(rel) {
			size := -1
			if info, err := e.Info(); err == nil {
				size = int(info.Size())
			}
			entries = append(entries, terraform.Entry{Path: rel, Size: size})
		}
		return nil
	})
	take, left := terraform.Choose(entries)
	out.Unread = append(out.Unread, left...)
	r := &reader{}
	for _, e := range take {
		if stopped() {
			break
		}
		content, err := r.read(filepath.Join(root, filepath.FromSlash(e.Path)), false)
		if err != nil {
			out.Unread = append(out.Unread, terraform.Unread{Path: e.Path, Reason: reasonOf(err)})
			continue
		}
		out.Files = append(out.Files, terraform.File{Path: e.Path, Content: bytes.Clone(content)})
	}
	return out
}

func slashBelow(root, name string) string {
	rel, err := filepath.Rel(root, name)
	if err != nil || rel == "." {
		return ""
	}
	return path.Clean(filepath.ToSlash(rel))
}

// reasonOf is an error without the path, which stands beside it already.
func reasonOf(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
