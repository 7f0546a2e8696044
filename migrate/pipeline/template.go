package pipeline

import (
	"fmt"
	"path"
	"strings"
)

// project holds the files that were given and those that were fetched.
type project struct {
	docs     map[fileKey]*document
	failed   map[fileKey]error
	resolver Resolver
}

type fileKey struct{ repository, path, ref string }

func newProject(files []File, r Resolver) *project {
	p := &project{docs: make(map[fileKey]*document), failed: make(map[fileKey]error), resolver: r}
	for _, f := range files {
		key := fileKey{f.Repository, clean(f.Path), ""}
		if d, err := parseDocument(f); err != nil {
			p.failed[key] = err
		} else {
			p.docs[key] = d
		}
	}
	return p
}

// clean is a path from the top of a repository, without a leading slash.
func clean(name string) string {
	return strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(name, `\`, "/")), "/")
}

// document gives a file, fetched where it was not given.
func (p *project) document(key fileKey) (*document, error) {
	if d, ok := p.docs[key]; ok {
		return d, nil
	}
	if err, ok := p.failed[key]; ok {
		return nil, err
	}
	d, err := p.fetch(key)
	if err != nil {
		p.failed[key] = err
		return nil, err
	}
	p.docs[key] = d
	return d, nil
}

func (p *project) fetch(key fileKey) (*document, error) {
	content, err := p.content(key)
	if err != nil {
		return nil, err
	}
	d, err := parseDocument(File{Repository: key.repository, Path: key.path, Content: content})
	if err != nil {
		return nil, err
	}
	d.ref = key.ref
	return d, nil
}

func (p *project) content(key fileKey) ([]byte, error) {
	if p.resolver == nil {
		return nil, errNotGiven
	}
	content, err := p.resolver(key.repository, key.path, key.ref)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return content, nil
}

var errNotGiven = fmt.Errorf("the file is not among those that were given")

func (k fileKey) String() string {
	s := k.path
	if k.repository != "" {
		s = k.repository + "/" + s
	}
	if k.ref != "" {
		s += " at " + k.ref
	}
	return s
}

// repositoryResource is an entry of resources.repositories.
type repositoryResource struct{ name, ref string }

// locate gives the key of a template as one file names it: relative to that file, or from the top of an alias's repository.
func (w *walker) locate(from fileKey, name string) (fileKey, error) {
	name, alias, _ := strings.Cut(strings.TrimSpace(name), "@")
	if alias == "" {
		if strings.HasPrefix(name, "/") {
			return fileKey{from.repository, clean(name), from.ref}, nil
		}
		return fileKey{from.repository, clean(path.Join(path.Dir("/"+from.path), name)), from.ref}, nil
	}
	if strings.EqualFold(alias, "self") {
		return fileKey{w.start.repository, clean(name), w.start.ref}, nil
	}
	r, ok := w.repositories[strings.ToLower(alias)]
	if !ok {
		return fileKey{}, fmt.Errorf("resources.repositories has no %q", alias)
	}
	return fileKey{r.name, clean(name), r.ref}, nil
}

// templateScope makes the scope of a template: its declared parameters with what the caller passes.
func (w *walker) templateScope(d *document, passed *node, vars *variables, by caller) *scope {
	s := &scope{doc: d, params: make(map[string]*leaf), vars: vars}
	given := func(name string) *leaf { return passed.object().memberLeaf(name) }
	if passed == nil {
		given = func(string) *leaf { return nil }
	}
	for _, p := range w.declared(d, s) {
		l := given(p.name)
		if l == nil {
			l = p.fallback(by)
		}
		s.params[strings.ToLower(p.name)] = p.typed(l)
	}
	if passed != nil && passed.object().kind == mapNode {
		for _, p := range passed.object().pairs {
			if _, ok := s.params[strings.ToLower(p.key)]; !ok {
				s.params[strings.ToLower(p.key)] = p.node().asLeaf()
			}
		}
	}
	return s
}

// parameter is one declared parameter of a template or pipeline.
type parameter struct {
	name, kind string
	initial    *leaf // its default, or nil
	values     []string
}

// caller is who gives a file its parameters.
type caller int

const (
	byTemplate caller = iota // another file, which is known
	byPerson                 // whoever starts the pipeline
	byUnknown                // files that are not in the scan
)

// fallback is what a parameter is when nothing is passed. The parameters of a pipeline itself are chosen by whoever starts it: one of the
// values where they are listed, else anything. Objects are taken as they stand there, since people seldom edit them.
func (p parameter) fallback(by caller) *leaf {
	switch {
	case by != byTemplate && len(p.values) > 0:
		l := &leaf{}
		for _, v := range p.values {
			l.add(str(v))
		}
		return l
	case by != byTemplate && strings.EqualFold(p.kind, "boolean"):
		return &leaf{values: []value{boolean(true), boolean(false)}}
	case p.initial == nil:
		return openLeaf("parameters." + p.name)
	case by == byUnknown, by == byPerson && (strings.EqualFold(p.kind, "string") || strings.EqualFold(p.kind, "number")):
		return &leaf{values: p.initial.values, open: true, expr: "parameters." + p.name}
	}
	return p.initial
}

// typed converts what a parameter of type boolean or number gets.
func (p parameter) typed(l *leaf) *leaf {
	var convert func(value) value
	switch strings.ToLower(p.kind) {
	case "boolean":
		convert = func(v value) value { return boolean(toBool(v)) }
	case "number":
		convert = func(v value) value {
			if f, ok := v.toNumber(); ok {
				return number(f)
			}
			return v
		}
	default:
		return l
	}
	out := &leaf{open: l.open, expr: l.expr}
	for _, v := range l.values {
		if v.kind == stringValue {
			v = convert(v)
		}
		out.add(v)
	}
	return out
}

// declared reads the parameters section: a list with types, or the older mapping of names to defaults.
func (w *walker) declared(d *document, s *scope) []parameter {
	section := child(d.root, "parameters")
	if section == nil {
		return nil
	}
	n := w.expand(section, s)
	var list []parameter
	if n.kind == mapNode {
		for _, p := range n.pairs {
			list = append(list, parameter{name: p.key, initial: p.node().asLeaf()})
		}
		return list
	}
	for _, it := range n.items {
		name := it.value.word("name")
		if name == "" {
			continue
		}
		p := parameter{name: name, kind: it.value.word("type")}
		for _, def := range it.value.get("default") {
			p.initial = def.node().asLeaf()
		}
		if p.kind == "" {
			p.kind = "string"
		}
		for _, values := range it.value.get("values") {
			for _, v := range values.node().list() {
				p.values = append(p.values, v.value.asLeaf().strings()...)
			}
		}
		list = append(list, p)
	}
	return list
}
