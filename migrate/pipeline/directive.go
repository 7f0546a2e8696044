package pipeline

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// directiveKind is what a key such as ${{ if … }} does.
type directiveKind int

const (
	directiveNone directiveKind = iota
	directiveIf
	directiveElseif
	directiveElse
	directiveEach
	directiveInsert
	directiveMerge // the merge key of YAML
)

// directive is a key that is an instruction.
type directive struct {
	kind     directiveKind
	text     string // the condition, or the collection of a loop
	variable string // of a loop
}

// directiveOf reads a key.
func directiveOf(key string) directive {
	key = strings.TrimSpace(key)
	if !strings.HasPrefix(key, "${{") || !strings.HasSuffix(key, "}}") {
		return directive{}
	}
	body := strings.TrimSpace(key[3 : len(key)-2])
	word := body
	if i := strings.IndexAny(body, " \t\n("); i >= 0 {
		word = body[:i]
	}
	rest := strings.TrimSpace(body[len(word):])
	switch strings.ToLower(word) {
	case "if":
		return directive{kind: directiveIf, text: rest}
	case "elseif":
		return directive{kind: directiveElseif, text: rest}
	case "else":
		return directive{kind: directiveElse}
	case "insert":
		return directive{kind: directiveInsert}
	case "each":
		if f := strings.Fields(rest); len(f) >= 3 && strings.EqualFold(f[1], "in") {
			_, collection, _ := strings.Cut(rest, f[1]+" ")
			return directive{kind: directiveEach, variable: f[0], text: strings.TrimSpace(collection)}
		}
	}
	return directive{}
}

// chain is the state of an if … elseif … else chain.
type chain struct {
	start *scope
	left  *scope // where no branch so far was taken
	done  bool   // one branch was certainly taken
	open  bool   // one branch was perhaps taken
}

func newChain(s *scope) *chain { return &chain{start: s, left: s} }

func (c *chain) reset() { c.left, c.done, c.open = c.start, false, false }

// branches calls take for every expansion of what stands under a directive.
func (e *expander) branches(d directive, v *yaml.Node, s *scope, c *chain, take func(v *yaml.Node, s *scope, perhaps bool)) {
	if v == nil {
		return
	}
	switch d.kind {
	case directiveIf, directiveElseif:
		if d.kind == directiveIf {
			c.reset()
		}
		e.branch(d, v, c, take)
	case directiveElse:
		if !c.done {
			take(v, c.left, c.open)
		}
	case directiveEach:
		c.reset()
		e.loop(d, v, s, take)
	default:
		take(v, s, false)
	}
}

func (e *expander) branch(d directive, v *yaml.Node, c *chain, take func(v *yaml.Node, s *scope, perhaps bool)) {
	if c.done {
		return
	}
	x, err := parseExpr(d.text)
	if err != nil {
		c.open = true
		take(v, c.left, true)
		return
	}
	t, then, other := c.left.decide(x)
	if t != no {
		take(v, then, t == maybe || c.open)
	}
	c.done = t == yes
	c.open = c.open || t == maybe
	c.left = other
}

// loop expands what stands under ${{ each x in … }} once for each item; where the collection is not known, once for any item.
func (e *expander) loop(d directive, v *yaml.Node, s *scope, take func(v *yaml.Node, s *scope, perhaps bool)) {
	x, err := parseExpr(d.text)
	if err != nil {
		take(v, s.with(d.variable, openLeaf(d.variable)), true)
		return
	}
	collections := s.leafOf(x.eval)
	for _, c := range collections.values {
		if c.kind == objectValue {
			e.iterate(d, v, s, c.node, collections.size() > 1, take)
		}
	}
	if collections.open {
		take(v, s.with(d.variable, openLeaf(d.variable)), true)
	}
}

func (e *expander) iterate(d directive, v *yaml.Node, s *scope, c *node, perhaps bool, take func(v *yaml.Node, s *scope, perhaps bool)) {
	for _, it := range c.items {
		if !e.more(it.value.at, 0) {
			return
		}
		take(v, s.with(d.variable, it.value.asLeaf()), perhaps || it.maybe)
	}
	for _, p := range c.pairs {
		if !e.more(p.at, 0) {
			return
		}
		entry := &node{kind: mapNode, at: p.at, pairs: []*pair{
			{key: "key", at: p.at, value: scalar(known(str(p.key)), p.at)},
			{key: "value", at: p.at, lazy: p.with},
		}}
		take(v, s.with(d.variable, entry.asLeaf()), perhaps || p.maybe)
	}
}
