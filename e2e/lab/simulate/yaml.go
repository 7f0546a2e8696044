package simulate

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds that keep a hostile file from taking the lab's time: aliases multiply what they name.
const (
	maxNodes = 200_000
	maxDepth = 100
	maxBytes = 4 << 20
)

type kind int

const (
	scalarNode kind = iota
	listNode
	mapNode
)

// node is one YAML value with aliases followed and merge keys applied. It is never changed after it was read.
type node struct {
	kind  kind
	tag   string // of a scalar: !!str, !!bool, !!int, !!float, !!null
	text  string
	items []*node
	pairs []pair
	line  int
	col   int
}

type pair struct {
	key   string
	line  int
	col   int
	value *node
}

// errEmpty says that a file holds no YAML value at all.
var errEmpty = errors.New("the file holds no YAML value")

// readYAML reads the first document of a file.
func readYAML(data []byte) (*node, error) {
	if len(data) > maxBytes {
		return nil, fmt.Errorf("the file has %d bytes, more than %d", len(data), maxBytes)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, says("You have an error in your yaml syntax: %s", err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil, errEmpty
	}
	r := &reader{}
	return r.read(doc.Content[0], 0)
}

type reader struct{ nodes int }

func (r *reader) read(y *yaml.Node, depth int) (*node, error) {
	if r.nodes++; r.nodes > maxNodes {
		return nil, fmt.Errorf("line %d: the file unfolds to more than %d values", y.Line, maxNodes)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("line %d: values are nested more than %d deep", y.Line, maxDepth)
	}
	switch y.Kind {
	case yaml.AliasNode:
		return r.read(y.Alias, depth+1)
	case yaml.SequenceNode:
		return r.readList(y, depth)
	case yaml.MappingNode:
		return r.readMap(y, depth)
	default:
		return &node{kind: scalarNode, tag: y.ShortTag(), text: y.Value, line: y.Line, col: y.Column}, nil
	}
}

func (r *reader) readList(y *yaml.Node, depth int) (*node, error) {
	n := &node{kind: listNode, line: y.Line, col: y.Column}
	for _, c := range y.Content {
		item, err := r.read(c, depth+1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	return n, nil
}

func (r *reader) readMap(y *yaml.Node, depth int) (*node, error) {
	n := &node{kind: mapNode, line: y.Line, col: y.Column}
	var merged []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k := y.Content[i]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: a key must be a text", k.Line)
		}
		v, err := r.read(y.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		if k.Tag == "!!merge" {
			merged = append(merged, v)
			continue
		}
		// GitHub refuses a key that occurs twice, whatever its case.
		if n.get(k.Value) != nil {
			return nil, fmt.Errorf("(Line: %d, Col: %d): '%s' is already defined", k.Line, k.Column, k.Value)
		}
		n.pairs = append(n.pairs, pair{key: k.Value, line: k.Line, col: k.Column, value: v})
	}
	for _, m := range merged {
		n.merge(m)
	}
	return n, nil
}

// merge adds the keys of a merged map (or of each map of a list) that are not there yet.
func (n *node) merge(m *node) {
	if m.kind == listNode {
		for _, item := range m.items {
			n.merge(item)
		}
		return
	}
	for _, p := range m.pairs {
		if n.get(p.key) == nil {
			n.pairs = append(n.pairs, p)
		}
	}
}

// get gives the value of a key of a map, ignoring case, or nil.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, p := range n.pairs {
		if strings.EqualFold(p.key, key) {
			return p.value
		}
	}
	return nil
}

// isNull reports a missing value or an explicit null.
func (n *node) isNull() bool {
	return n == nil || n.kind == scalarNode && n.tag == "!!null"
}

// str is the text of a scalar, or "".
func (n *node) str() string {
	if n.isNull() || n.kind != scalarNode {
		return ""
	}
	return n.text
}

// strings gives a scalar as one text and a list as its texts.
func (n *node) strings() []string {
	if n.isNull() {
		return nil
	}
	if n.kind == scalarNode {
		return []string{n.text}
	}
	var out []string
	for _, item := range n.items {
		out = append(out, item.str())
	}
	return out
}

// walk visits every scalar below a node.
func (n *node) walk(visit func(*node)) {
	if n == nil {
		return
	}
	if n.kind == scalarNode {
		visit(n)
	}
	for _, item := range n.items {
		item.walk(visit)
	}
	for _, p := range n.pairs {
		p.value.walk(visit)
	}
}
