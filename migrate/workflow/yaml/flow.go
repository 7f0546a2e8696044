package yaml

import (
	"strings"
)

// flow reads a flow mapping or sequence that ends on its line. Expressions, comments, single pairs in sequences, keys
// without values and commas at the end are left to the whole parser.
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
	at = r.skipSpaces(at + 1)
	for first := true; at < r.end; first = false {
		if first && r.text[at] == closing {
			break
		}
		if at = item(at); at < 0 {
			return nil, 0
		}
		if at = r.skipSpaces(at); at == r.end || r.text[at] == closing {
			break
		}
		if r.text[at] != ',' {
			return nil, 0
		}
		at = r.skipSpaces(at + 1)
	}
	if at >= r.end || r.text[at] != closing {
		return nil, 0
	}
	r.finish(n, base)
	return n, at + 1
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
