package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Scan finds what the pipelines among some files use. Files that others include as templates are looked at through these; those that
// nothing includes are looked at on their own, with what their parameters default to.
func Scan(files []File, r Resolver) Result { return ScanWith(files, r, Options{}) }

// ScanWith is Scan with what Azure DevOps knows beside the files.
func ScanWith(files []File, r Resolver, o Options) Result {
	result := scan(files, r, o).result()
	return result
}

func scan(files []File, r Resolver, o Options) *collector {
	p := newProject(files, r)
	out := newCollector()
	for _, f := range files {
		key := fileKey{f.Repository, clean(f.Path), ""}
		if err, ok := p.failed[key]; ok {
			out.gap(parseGap(f, err))
		}
	}
	parts := make(map[fileKey]*collector)
	var order []fileKey
	for _, f := range inOrder(p, files) {
		key := fileKey{f.Repository, clean(f.Path), ""}
		d := p.docs[key]
		if d == nil || out.included[key] || parts[key] != nil {
			continue
		}
		part := newCollector()
		part.included = out.included
		w := &walker{project: p, options: o, out: part, start: key, name: key.path, repositories: make(map[string]repositoryResource), containers: make(map[string]bool)}
		w.guarded(d)
		parts[key], order = part, append(order, key)
	}
	for _, key := range order {
		if !out.included[key] { // else a later file turned out to include it
			out.merge(parts[key])
		}
	}
	out.keepNames(p)
	return out
}

func parseGap(f File, err error) Gap {
	g := Gap{Place: Place{Pipeline: f.Path, Repository: f.Repository, File: f.Path, Line: 1, Column: 1}, Message: fmt.Sprintf("the file cannot be read: %v", err), Next: "repair the file"}
	var pe *parseError
	if errors.As(err, &pe) {
		g.Line, g.Message = pe.line, "the file cannot be read: "+pe.message
	}
	return g
}

// inOrder puts first the files that are certainly pipelines, so that what they include is known to be templates.
func inOrder(p *project, files []File) []File {
	list := slices.Clone(files)
	rank := func(f File) int {
		d := p.docs[fileKey{f.Repository, clean(f.Path), ""}]
		switch {
		case d == nil:
			return 3
		case child(d.root, "trigger") != nil || child(d.root, "extends") != nil || child(d.root, "resources") != nil || child(d.root, "pr") != nil || child(d.root, "schedules") != nil:
			return 0
		case isPipeline(d.root):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(list, func(a, b File) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a.Repository+"\x00"+a.Path, b.Repository+"\x00"+b.Path)
	})
	return list
}

// failedInside begins the message of a gap that a fault of this package causes.
const failedInside = "the pipeline could not be read because of a fault in this program"

// guarded walks a file so that a fault at one pipeline does not take the others with it.
func (w *walker) guarded(d *document) {
	defer func() {
		if r := recover(); r != nil {
			w.out.gap(Gap{Place: w.place(source{doc: d, n: d.root}, context{}), Message: fmt.Sprintf("%s: %v", failedInside, r), Next: "report it with the file, and look at the pipeline by hand"})
		}
	}()
	w.walk(d)
}
