package pipeline

import (
	"strings"
)

// variables takes a variables section into scope: a mapping, or a list of names, groups and templates.
func (w *walker) variables(n *node, c *context) {
	for _, p := range n.get("variables") {
		v := p.with(c.vars)
		if v.kind == mapNode {
			w.variableMap(v, c)
			continue
		}
		for _, it := range v.list() {
			w.variableItem(it, c)
		}
	}
}

func (w *walker) variableMap(v *node, c *context) {
	for _, entry := range v.pairs {
		if val := entry.with(c.vars); val.kind == scalarNode {
			c.vars.set(entry.key, val.leaf, entry.maybe)
			w.namedSecret(entry.key, val, entry.at, *c)
		}
	}
}

func (w *walker) variableItem(it item, c *context) {
	n := it.value.object()
	switch {
	case n.kind != mapNode:
	case n.has("template"):
		w.include(n, *c, func(d *document, s *scope, inner context) {
			w.variables(w.expand(d.root, s), &inner)
		})
	case n.has("group"):
		w.group(n, c)
	case n.has("name"):
		w.variableEntry(it, n, c)
	default: // a mapping in a list, as conditions bring it
		w.variableMap(n, c)
	}
}

func (w *walker) variableEntry(it item, n *node, c *context) {
	l := n.text("value")
	if l == nil {
		l = known(str(""))
	}
	name := n.get("name")[0]
	for _, text := range n.text("name").strings() {
		c.vars.set(text, l, it.maybe)
		for _, p := range n.get("value") {
			w.namedSecret(text, p.node(), name.at, *c)
		}
	}
}

// group records a variable group, and takes its variables into scope where they are known.
func (w *walker) group(n *node, c *context) {
	l := n.text("group")
	if l == nil {
		return
	}
	p := n.get("group")[0]
	resolved := w.runtime(l, c.vars)
	w.out.groups = append(w.out.groups, w.named(p, resolved, *c))
	for _, name := range resolved.strings() {
		w.groupVariables(name, resolved.size() > 1, c)
	}
	if resolved.open {
		c.vars.groups = append(c.vars.groups, p.node().raw())
	}
}

func (w *walker) groupVariables(name string, perhaps bool, c *context) {
	if w.options.Group != nil {
		if values, ok := w.options.Group(name); ok {
			for k, v := range values {
				c.vars.set(k, known(str(v)), perhaps)
			}
			return
		}
	}
	c.vars.groups = append(c.vars.groups, name)
}

func (w *walker) named(p *pair, l *leaf, c context) Named {
	return Named{Place: w.place(p.at, c), Name: p.node().raw(), Resolved: unique(l.strings()), Open: l.open}
}

// runtime replaces what the service replaces before a job runs: $(name), and $[ expressions ]. Variables that a script sets are not
// known then, and connections cannot be named by them: the service checks the permission before the job starts (Microsoft
// Learn: Define variables, "Understand variable syntax").
func (w *walker) runtime(l *leaf, vars *variables) *leaf {
	out := &leaf{open: l.open, expr: l.expr}
	for _, v := range l.values {
		if v.kind != stringValue || !strings.Contains(v.text, "$") {
			out.add(v)
			continue
		}
		r := w.substitute(v.text, vars, 0)
		for _, x := range r.values {
			out.add(x)
		}
		if r.open {
			out.open, out.expr = true, or(out.expr, v.text)
		}
	}
	return out
}

// substitute replaces macros and runtime expressions in one text.
func (w *walker) substitute(text string, vars *variables, depth int) *leaf {
	if depth > 16 {
		return openLeaf(text)
	}
	s := &scope{params: map[string]*leaf{}, vars: vars}
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "$[") && strings.HasSuffix(trimmed, "]") {
		x, err := parseExpr(trimmed[2 : len(trimmed)-1])
		if err != nil {
			return openLeaf(text)
		}
		return w.again(s.leafOf(x.eval), vars, depth, text)
	}
	parts := split(text, "$(", ")")
	macros := make([]expr, len(parts))
	found := false
	for i, p := range parts {
		if p.is && !strings.ContainsAny(p.expr, " $\n()'\"`|") {
			macros[i] = index{named{"variables"}, literal{str(p.expr)}}
			found = true
		} else {
			parts[i].is = false
		}
	}
	if !found {
		return known(str(text))
	}
	return w.again(s.leafOf(func(run *evaluation) value { return concat(parts, macros, run) }), vars, depth, text)
}

// again replaces the macros in what macros gave.
func (w *walker) again(l *leaf, vars *variables, depth int, text string) *leaf {
	out := &leaf{open: l.open}
	for _, v := range l.values {
		if v.kind == stringValue && v.text != text && strings.Contains(v.text, "$") {
			r := w.substitute(v.text, vars, depth+1)
			out.open = out.open || r.open
			for _, x := range r.values {
				out.add(x)
			}
			continue
		}
		if v.kind == stringValue && v.text == text {
			out.open = true // a variable that names itself
			continue
		}
		out.add(v)
	}
	if out.open {
		out.expr = text
	}
	return out
}
