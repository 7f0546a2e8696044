package pipeline

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// nodeKind is the form of an expanded node.
type nodeKind int

const (
	scalarNode nodeKind = iota
	mapNode
	listNode
)

// node is a node of a pipeline after its template expressions were expanded. The values of a mapping are expanded when they are asked
// for, since the variables in scope are known only then.
type node struct {
	kind  nodeKind
	at    source
	leaf  *leaf // of a scalar
	pairs []*pair
	items []item
	own   *leaf // the node as a value of an expression
	byKey map[string]*leaf
}

// pair is one key of a mapping.
type pair struct {
	key   string
	at    source // of the key
	maybe bool   // under a condition that is not decided
	value *node
	lazy  func(*variables) *node
	// unknown: an expression brings keys here that the text does not tell; key is the expression.
	unknown bool
}

// item is one item of a list.
type item struct {
	value *node
	maybe bool
}

func scalar(l *leaf, at source) *node { return &node{kind: scalarNode, leaf: l, at: at} }

// node gives the pair's value.
func (p *pair) node() *node { return p.with(nil) }

// with gives the pair's value where variables are in scope that its mapping was not expanded with.
func (p *pair) with(vars *variables) *node {
	if vars != nil && p.lazy != nil {
		return p.lazy(vars)
	}
	if p.value == nil {
		p.value = p.lazy(nil)
	}
	return p.value
}

// asLeaf is the node as a value of expressions.
func (n *node) asLeaf() *leaf {
	if n.kind == scalarNode {
		return n.leaf
	}
	if n.own == nil {
		n.own = known(value{kind: objectValue, node: n})
	}
	return n.own
}

// memberLeaf is a mapping's value for a key, or nil. Keys are compared without case. The same key can be there several times
// under different conditions.
func (n *node) memberLeaf(key string) *leaf {
	key = strings.ToLower(key)
	if l, ok := n.byKey[key]; ok {
		return l
	}
	var out *leaf
	for _, p := range n.pairs {
		if strings.EqualFold(p.key, key) {
			if l := p.node().asLeaf(); p.maybe {
				out = union(out, l)
			} else {
				out = l
			}
		}
	}
	if n.byKey == nil {
		n.byKey = make(map[string]*leaf)
	}
	n.byKey[key] = out
	return out
}

// get gives the pairs of a mapping with a key.
func (n *node) get(key string) []*pair {
	if n == nil || n.kind != mapNode {
		return nil
	}
	var list []*pair
	for _, p := range n.pairs {
		if strings.EqualFold(p.key, key) {
			list = append(list, p)
		}
	}
	return list
}

// has tells whether a mapping has one of some keys.
func (n *node) has(keys ...string) bool {
	for _, k := range keys {
		if len(n.get(k)) > 0 {
			return true
		}
	}
	return false
}

// text gives what a scalar under a key can be, or nil.
func (n *node) text(key string) *leaf {
	var out *leaf
	for _, p := range n.get(key) {
		if v := p.node(); v.kind == scalarNode {
			out = union(out, v.leaf)
		}
	}
	return out
}

// word gives the text under a key for a reader: its only value, else how it is written.
func (n *node) word(key string) string {
	for _, p := range n.get(key) {
		v := p.node()
		if v.kind != scalarNode {
			continue
		}
		if s, ok := v.leaf.only(); ok {
			return s
		}
		return v.raw()
	}
	return ""
}

// raw is a scalar as it is written, or what it is where it was computed.
func (n *node) raw() string {
	if n.at.n != nil && n.at.n.Kind == yaml.ScalarNode {
		return n.at.n.Value
	}
	if n.leaf == nil {
		return ""
	}
	return strings.Join(n.leaf.strings(), " ")
}

// is tells whether a key's value can only be a word, such as enabled: false.
func (n *node) is(key, word string) bool {
	l := n.text(key)
	if l == nil {
		return false
	}
	s, ok := l.only()
	return ok && strings.EqualFold(strings.TrimSpace(s), word)
}

// list gives the items of a list, or a single value as a list of one.
func (n *node) list() []item {
	switch {
	case n == nil:
		return nil
	case n.kind == listNode:
		return n.items
	case n.kind == scalarNode:
		return objects(n.leaf)
	}
	return []item{{value: n}}
}

// objects gives the items of every list that a leaf can be: a parameter of type stepList, for one.
func objects(l *leaf) []item {
	var list []item
	for _, v := range l.values {
		if v.kind == objectValue {
			for _, it := range v.node.list() {
				list = append(list, item{value: it.value, maybe: it.maybe || l.size() > 1})
			}
		}
	}
	return list
}

// object gives the mapping that a node is, also where a parameter carries it.
func (n *node) object() *node {
	if n != nil && n.kind == scalarNode {
		for _, v := range n.leaf.values {
			if v.kind == objectValue {
				return v.node
			}
		}
	}
	return n
}
