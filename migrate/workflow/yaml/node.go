package yaml

import (
	whole "go.yaml.in/yaml/v4"
)

// Kind is the kind of a node.
type Kind uint8

// The kinds of nodes.
const (
	SequenceNode Kind = iota + 1
	MappingNode
	ScalarNode
	AliasNode
)

// Style is how a node is written; 0 is plain or block.
type Style uint8

// The styles.
const (
	TaggedStyle Style = 1 << iota
	DoubleQuotedStyle
	SingleQuotedStyle
	LiteralStyle
	FoldedStyle
	FlowStyle
)

// Node is a node of a file. It is what go.yaml.in/yaml/v4 tells of it without tag and comments, in little more than a third
// of the memory, since a scan holds all files of a repository at once.
type Node struct {
	Kind    Kind
	Style   Style
	Line    int32 // from 1
	Column  int32 // from 1, in characters
	Value   string
	Content []*Node // of a mapping: keys and values by turns
	shared  *shared
}

// shared is what few nodes have: the name by which aliases share a node, or the node that an alias stands for.
type shared struct {
	anchor string
	alias  *Node
}

// Anchor is the name by which aliases share the node, or "".
func (n *Node) Anchor() string {
	if n.shared == nil {
		return ""
	}
	return n.shared.anchor
}

// Alias is what an alias stands for.
func (n *Node) Alias() *Node {
	if n.shared == nil {
		return nil
	}
	return n.shared.alias
}

var kinds = map[whole.Kind]Kind{whole.SequenceNode: SequenceNode, whole.MappingNode: MappingNode, whole.ScalarNode: ScalarNode, whole.AliasNode: AliasNode}

var styles = map[whole.Style]Style{whole.TaggedStyle: TaggedStyle, whole.DoubleQuotedStyle: DoubleQuotedStyle, whole.SingleQuotedStyle: SingleQuotedStyle,
	whole.LiteralStyle: LiteralStyle, whole.FoldedStyle: FoldedStyle, whole.FlowStyle: FlowStyle}

// FromWhole turns a tree of the whole parser into one of this package.
func FromWhole(n *whole.Node) *Node { return converter{}.node(n) }

// converter remembers what became of each node, since aliases share nodes.
type converter map[*whole.Node]*Node

func (c converter) node(n *whole.Node) *Node {
	if n == nil {
		return nil
	}
	if have := c[n]; have != nil {
		return have
	}
	own := &Node{Kind: kinds[n.Kind], Line: int32(n.Line), Column: int32(n.Column), Value: n.Value}
	c[n] = own
	for from, to := range styles {
		if n.Style&from != 0 {
			own.Style |= to
		}
	}
	if n.Anchor != "" || n.Alias != nil {
		own.shared = &shared{n.Anchor, c.node(n.Alias)}
	}
	if len(n.Content) > 0 {
		own.Content = make([]*Node, len(n.Content))
	}
	for i, child := range n.Content {
		own.Content[i] = c.node(child)
	}
	return own
}
