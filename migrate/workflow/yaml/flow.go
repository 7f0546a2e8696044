package yaml

import (
	"strings"
)

// flow reads a flow mapping or sequence. Each of its scalars and pairs must stand on one line. Expressions, single pairs in
// sequences, and keys without values are left to the whole parser.
func (r *reader) flow(at int) (*Node, int) {
	if r.text[at] == '[' {
		return r.flowItems(at, SequenceNode, ']', r.flowValue)
	}
	return r.flowItems(at, MappingNode, '}', r.flowPair)
}

// flowItems reads what stands between two brackets; item pushes one or two nodes and gives the offset after them, or -1.
func (r *reader) flowItems(at int, kind Kind, closing byte, item func(int) int) (*Node, int) {
	n := r.node(kind, at)
	n.Style = FlowStyle
	base, ok := r.open()
	if !ok {
		return nil, 0
	}
	at = r.flowSpace(at + 1)
	for at >= 0 && r.text[at] != closing {
		if at = item(at); at < 0 {
			return nil, 0
		}
		if at = r.flowSpace(at); at >= 0 && r.text[at] == ',' {
			at = r.flowSpace(at + 1)
		} else if at >= 0 && r.text[at] != closing {
			return nil, 0
		}
	}
	if at < 0 {
		return nil, 0
	}
	r.finish(n, base)
	return n, at + 1
}

// flowSpace passes over white space, breaks and comments inside of a flow collection. It gives the offset of what follows,
// which is on the current line, or -1.
func (r *reader) flowSpace(at int) int {
	for {
		i := r.skipSpaces(at)
		switch {
		case i < r.end && r.text[i] != '#':
			if r.text[i] == '\t' {
				return -1
			}
			return i
		case i < r.end && i == at && at > r.lineStart: // no white space before it
			return -1
		}
		if r.next >= len(r.text) {
			return -1
		}
		r.takeLine()
		at = r.lineStart
		if at < r.end && r.text[at] != ' ' && r.text[at] != '#' { // as the mark of a document's end would stand
			return -1
		}
	}
}

func (r *reader) flowValue(at int) int {
	if at >= r.end {
		return -1
	}
	var n *Node
	switch r.text[at] {
	case '[', '{':
		n, at = r.flow(at)
	case '"', '\'':
		n, at = r.quoted(at)
	default:
		n, at = r.flowPlain(at)
	}
	if n == nil {
		return -1
	}
	r.push(n)
	return at
}

func (r *reader) flowPair(at int) int {
	if c := r.text[at]; c == '[' || c == '{' {
		return -1
	}
	from := at
	if at = r.flowValue(at); at < 0 || at-from > maxKey || at+1 >= r.end || r.text[at] != ':' || r.text[at+1] != ' ' {
		return -1
	}
	return r.flowValue(r.skipSpaces(at + 1))
}

// flowPlain reads a plain scalar up to a comma, a closing bracket or the colon of a key.
func (r *reader) flowPlain(at int) (*Node, int) {
	if !r.startsPlain(at) {
		return nil, 0
	}
	i := at
scan:
	for ; i < r.end; i++ {
		switch r.text[i] {
		case ',', ']', '}':
			break scan
		case ':':
			if i+1 < r.end && r.text[i+1] == ' ' {
				break scan
			}
		case '[', '{', '#', '?', '\t':
			return nil, 0
		}
	}
	value := strings.TrimRight(r.text[at:i], " ")
	if value == "<<" || value == "-" || strings.HasSuffix(value, ":") || len(value) < i-at && i < r.end && r.text[i] == ':' {
		return nil, 0
	}
	return r.scalar(at, 0, value), i
}
