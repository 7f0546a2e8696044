package workflow

import (
	"bytes"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// end gives the byte offset after the last byte of a node, without trailing comments and line breaks.
func (d *document) end(n *yaml.Node) int {
	switch n.Kind {
	case yaml.AliasNode:
		return d.start(n) + 1 + len(n.Value)
	case yaml.ScalarNode:
		return d.scalarEnd(n)
	case yaml.MappingNode, yaml.SequenceNode:
		if n.Style&yaml.FlowStyle != 0 {
			return d.flowEnd(n)
		}
		if len(n.Content) == 0 {
			return d.start(n)
		}
		last := n.Content[len(n.Content)-1]
		end := d.end(last)
		if len(n.Content) > 1 && n.Kind == yaml.MappingNode {
			// A key without a value has an empty node, whose place may be before the colon.
			key := d.end(n.Content[len(n.Content)-2])
			end = max(end, d.afterColon(key))
		}
		return end
	}
	return d.start(n)
}

// afterColon gives the offset after the colon that follows a key.
func (d *document) afterColon(at int) int {
	i := at
	for i < len(d.src) && isBlank(d.src[i]) {
		i++
	}
	if i < len(d.src) && d.src[i] == ':' {
		return i + 1
	}
	return at
}

// content gives the offset of a node's own text, after an anchor and a tag.
func (d *document) content(n *yaml.Node) int {
	i := d.start(n)
	for i < len(d.src) && (d.src[i] == '&' || d.src[i] == '!') {
		if d.src[i] == '!' && n.Kind == yaml.ScalarNode && n.Style&yaml.TaggedStyle == 0 {
			return i
		}
		for i < len(d.src) && !isBlank(d.src[i]) && !isBreak(d.src[i]) {
			i++
		}
		for i < len(d.src) && (isBlank(d.src[i]) || isBreak(d.src[i])) {
			i++
		}
	}
	return i
}

func (d *document) scalarEnd(n *yaml.Node) int {
	i := d.content(n)
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return d.doubleQuotedEnd(i)
	case n.Style&yaml.SingleQuotedStyle != 0:
		return d.singleQuotedEnd(i)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return d.blockEnd(i, n.Value)
	}
	return d.plainEnd(i, n.Value)
}

func (d *document) doubleQuotedEnd(i int) int {
	for i++; i < len(d.src); i++ {
		switch d.src[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(d.src)
}

func (d *document) singleQuotedEnd(i int) int {
	for i++; i < len(d.src); i++ {
		if d.src[i] != '\'' {
			continue
		}
		if i+1 < len(d.src) && d.src[i+1] == '\'' {
			i++
			continue
		}
		return i + 1
	}
	return len(d.src)
}

// plainEnd walks the source beside the value; a fold in the source is one space or line break in the value.
func (d *document) plainEnd(i int, value string) int {
	if bytes.HasPrefix(d.src[min(i, len(d.src)):], []byte(value)) {
		return i + len(value)
	}
	for v := 0; v < len(value) && i < len(d.src); {
		if c := value[v]; c != ' ' && c != '\n' {
			i, v = i+1, v+1
			continue
		}
		for v < len(value) && (value[v] == ' ' || value[v] == '\n') {
			v++
		}
		for i < len(d.src) && (isBlank(d.src[i]) || isBreak(d.src[i])) {
			i++
		}
	}
	return i
}

// blockEnd finds the end of a literal or folded scalar: the last line that is not blank and is indented as its content.
func (d *document) blockEnd(i int, value string) int {
	number, _ := d.place(i)
	end := d.endOf(number)
	if strings.TrimSpace(value) == "" {
		return end
	}
	indent := -1
	for number++; number <= len(d.starts); number++ {
		stop := d.endOf(number)
		line := d.src[d.starts[number-1]:stop]
		if len(bytes.TrimLeft(line, " \t")) == 0 {
			continue
		}
		width := len(line) - len(bytes.TrimLeft(line, " "))
		if indent < 0 {
			first := strings.TrimLeft(value, "\n")
			indent = width - (len(first) - len(strings.TrimLeft(first, " ")))
		}
		if width < indent {
			break
		}
		end = stop
	}
	return end
}

// blockIndent gives the indentation of a block scalar's content.
func (d *document) blockIndent(n *yaml.Node) int {
	number, _ := d.place(d.content(n))
	for number++; number <= len(d.starts); number++ {
		line := d.src[d.starts[number-1]:d.endOf(number)]
		if len(bytes.TrimLeft(line, " \t")) == 0 {
			continue
		}
		first := strings.TrimLeft(n.Value, "\n")
		return len(line) - len(bytes.TrimLeft(line, " ")) - (len(first) - len(strings.TrimLeft(first, " ")))
	}
	return 0
}

// flowEnd finds the bracket that closes a flow mapping or sequence.
func (d *document) flowEnd(n *yaml.Node) int {
	closing := byte('}')
	if n.Kind == yaml.SequenceNode {
		closing = ']'
	}
	i := d.content(n) + 1
	if len(n.Content) > 0 {
		i = max(i, d.end(n.Content[len(n.Content)-1]))
		if len(n.Content) > 1 && n.Kind == yaml.MappingNode {
			i = max(i, d.end(n.Content[len(n.Content)-2]))
		}
	}
	for i < len(d.src) && d.src[i] != closing {
		if d.src[i] == '#' && i > 0 && (isBlank(d.src[i-1]) || isBreak(d.src[i-1])) {
			i = d.lineEnd(i)
			continue
		}
		i++
	}
	return min(i+1, len(d.src))
}
