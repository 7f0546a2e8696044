package pipeline

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// Bounds of an expansion. The service allows 100 levels of templates and 20 MB (Microsoft Learn: Template usage reference,
// "Limits"); a file that asks for more nodes than this is reported as a gap.
const (
	maxNodes    = 200_000
	maxNesting  = 200
	maxTemplate = 100
)

// expander expands the template expressions of one pipeline.
type expander struct {
	nodes int
	full  func(source) // called once when the bound is reached
}

// more counts a node and tells whether it may still be expanded.
func (e *expander) more(at source, depth int) bool {
	e.nodes++
	if e.nodes <= maxNodes && depth <= maxNesting {
		return true
	}
	if e.full != nil {
		e.full(at)
		e.full = nil
	}
	return false
}

// expand expands a node in a scope.
func (e *expander) expand(n *yaml.Node, s *scope, depth int) *node {
	n = resolve(n)
	at := source{s.doc, n}
	if n == nil || !e.more(at, depth) {
		return scalar(openLeaf("too large"), at)
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := &node{kind: mapNode, at: at}
		m.pairs = e.mapping(n, s, false, depth)
		return m
	case yaml.SequenceNode:
		l := &node{kind: listNode, at: at}
		l.items = e.sequence(n, s, false, depth)
		return l
	}
	return e.scalar(n, s)
}

// scalar expands a text. A text that is one expression becomes what the expression gives, be it an object.
func (e *expander) scalar(n *yaml.Node, s *scope) *node {
	at := source{s.doc, n}
	if !strings.Contains(n.Value, "${{") {
		return scalar(known(plainValue(n, at)), at)
	}
	parts := split(n.Value, "${{", "}}")
	exprs := make([]expr, len(parts))
	for i, p := range parts {
		if !p.is {
			continue
		}
		x, err := parseExpr(p.expr)
		if err != nil {
			return scalar(openLeaf(p.text), at)
		}
		exprs[i] = x
	}
	if len(parts) == 1 && parts[0].is {
		l := s.leafOf(exprs[0].eval)
		return single(l, at, parts[0].text)
	}
	l := s.leafOf(func(run *evaluation) value { return concat(parts, exprs, run) })
	return single(l, at, n.Value)
}

// single is a scalar, or the one object that its expression gives.
func single(l *leaf, at source, expression string) *node {
	if !l.open && len(l.values) == 1 && l.values[0].kind == objectValue {
		return l.values[0].node
	}
	if l.open {
		l.expr = expression
	}
	return scalar(l, at)
}

func concat(parts []part, exprs []expr, run *evaluation) value {
	if len(parts) == 1 && parts[0].is {
		if v := exprs[0].eval(run); v.kind == stringValue {
			return v // with where it is written
		}
	}
	var b strings.Builder
	for i, p := range parts {
		if !p.is {
			b.WriteString(p.text)
			continue
		}
		v := exprs[i].eval(run)
		s, ok := v.string()
		if !ok {
			return v.asUnknown()
		}
		b.WriteString(s)
	}
	return str(b.String())
}

// plainValue is a scalar without expressions.
func plainValue(n *yaml.Node, at source) value {
	if n.Tag == "!!null" {
		return value{kind: nullValue, origin: at}
	}
	return value{kind: stringValue, text: n.Value, plain: n.Style == 0, origin: at}
}

// mapping expands the keys of a mapping; conditions, loops and inserts are replaced by what they bring.
func (e *expander) mapping(n *yaml.Node, s *scope, perhaps bool, depth int) []*pair {
	var pairs []*pair
	chain := newChain(s)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := resolve(n.Content[i]), resolve(n.Content[i+1])
		if key == nil || val == nil || !e.more(source{s.doc, key}, depth) {
			return pairs
		}
		d := directiveOf(key.Value)
		if key.Value == "<<" && key.Style == 0 {
			d.kind = directiveMerge
		}
		if d.kind == directiveNone {
			pairs = append(pairs, e.pair(key, val, s, perhaps, depth))
			continue
		}
		e.branches(d, val, s, chain, func(v *yaml.Node, s *scope, p bool) {
			pairs = append(pairs, e.splicePairs(v, s, perhaps || p, depth+1)...)
		})
	}
	return pairs
}

func (e *expander) pair(key, val *yaml.Node, s *scope, perhaps bool, depth int) *pair {
	p := &pair{key: key.Value, at: source{s.doc, key}, maybe: perhaps}
	if strings.Contains(key.Value, "${{") {
		if text, ok := e.scalar(key, s).asLeaf().only(); ok {
			p.key = text
		}
	}
	p.lazy = func(vars *variables) *node { return e.expand(val, s.in(vars), depth+1) }
	return p
}

// splicePairs gives the pairs that stand under a condition or loop.
func (e *expander) splicePairs(v *yaml.Node, s *scope, perhaps bool, depth int) []*pair {
	switch v.Kind {
	case yaml.MappingNode:
		return e.mapping(v, s, perhaps, depth)
	case yaml.SequenceNode: // a merge key with several mappings
		var pairs []*pair
		for _, c := range v.Content {
			pairs = append(pairs, e.splicePairs(resolve(c), s, perhaps, depth)...)
		}
		return pairs
	}
	given := e.scalar(v, s)
	o := given.object()
	var pairs []*pair
	if given.kind == scalarNode && given.leaf.open {
		pairs = append(pairs, &pair{key: given.leaf.expr, at: given.at, maybe: true, unknown: true, value: scalar(openLeaf(given.leaf.expr), given.at)})
	}
	if o.kind == mapNode {
		for _, p := range o.pairs {
			c := *p
			c.maybe = c.maybe || perhaps
			pairs = append(pairs, &c)
		}
	}
	return pairs
}

// sequence expands the items of a list.
func (e *expander) sequence(n *yaml.Node, s *scope, perhaps bool, depth int) []item {
	var items []item
	chain := newChain(s)
	for _, c := range n.Content {
		c = resolve(c)
		if c == nil || !e.more(source{s.doc, c}, depth) {
			return items
		}
		if c.Kind == yaml.MappingNode && len(c.Content) >= 2 && directiveOf(c.Content[0].Value).kind != directiveNone && directiveOf(c.Content[0].Value).kind != directiveInsert {
			for i := 0; i+1 < len(c.Content); i += 2 {
				e.branches(directiveOf(c.Content[i].Value), resolve(c.Content[i+1]), s, chain, func(v *yaml.Node, s *scope, p bool) {
					items = append(items, e.spliceItems(v, s, perhaps || p, depth+1)...)
				})
			}
			continue
		}
		chain.reset()
		v := e.expand(c, s, depth+1)
		if c.Kind == yaml.ScalarNode && strings.Contains(c.Value, "${{") {
			items = append(items, spread(v, perhaps)...)
			continue
		}
		items = append(items, item{value: v, maybe: perhaps})
	}
	return items
}

// spread puts the items of a list that an expression gives in its place.
func spread(v *node, perhaps bool) []item {
	if v.kind == listNode || v.kind == scalarNode && len(objects(v.leaf)) > 0 {
		var items []item
		for _, it := range v.list() {
			items = append(items, item{value: it.value, maybe: it.maybe || perhaps})
		}
		return items
	}
	return []item{{value: v, maybe: perhaps}}
}

func (e *expander) spliceItems(v *yaml.Node, s *scope, perhaps bool, depth int) []item {
	if v.Kind == yaml.SequenceNode {
		return e.sequence(v, s, perhaps, depth)
	}
	return spread(e.expand(v, s, depth), perhaps)
}
