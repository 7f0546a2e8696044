package workflow

import (
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// source gives the byte offset in the file of an offset in a scalar's value; ok is false where the file spells the value
// with escapes, so that there is no such place.
func (d *document) source(n *yaml.Node, offset int) (at int, ok bool) {
	start := d.content(n)
	switch {
	case n.Style&yaml.LiteralStyle != 0:
		return d.literalSource(n, offset), true
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		if end := d.end(n); end-start-2 == len(n.Value) && string(d.src[start+1:end-1]) == n.Value {
			return start + 1 + offset, true
		}
		return start, false
	case n.Style&yaml.FoldedStyle != 0:
		return d.walkSource(d.nextLine(start), n.Value, offset), true
	}
	return d.walkSource(start, n.Value, offset), true
}

func (d *document) literalSource(n *yaml.Node, offset int) int {
	before := n.Value[:min(offset, len(n.Value))]
	line, _ := d.place(d.content(n))
	line += 1 + strings.Count(before, "\n")
	column := len(before) - strings.LastIndexByte(before, '\n') - 1
	if line > len(d.starts) {
		return len(d.src)
	}
	at := d.starts[line-1]
	return min(at+d.blockIndent(n)+column, d.lineEnd(at))
}

// walkSource walks value and source side by side; white space in one may be other white space in the other.
func (d *document) walkSource(i int, value string, offset int) int {
	space := func(c byte) bool { return isBlank(c) || isBreak(c) }
	for i < len(d.src) && space(d.src[i]) {
		i++
	}
	v := 0
	for v < len(value) && space(value[v]) {
		v++
	}
	for v < offset && v < len(value) && i < len(d.src) {
		if !space(value[v]) {
			i, v = i+1, v+1
			continue
		}
		for v < len(value) && space(value[v]) {
			v++
		}
		for i < len(d.src) && space(d.src[i]) {
			i++
		}
	}
	return i
}

// mask replaces each expression of a value by a name of the same length, so that what remains can be read as a script.
// A line break inside an expression stays, since it would move every line after it.
func mask(value string) string {
	if !strings.Contains(value, "${{") {
		return value
	}
	var b strings.Builder
	b.Grow(len(value))
	for at := 0; ; {
		i := strings.Index(value[at:], "${{")
		if i < 0 {
			b.WriteString(value[at:])
			return b.String()
		}
		start := at + i
		b.WriteString(value[at:start])
		for at = segmentEnd(value, start); b.Len() < at; {
			b.WriteByte('x')
		}
	}
}

// segmentEnd gives the end of the expression that begins at an offset.
func segmentEnd(value string, start int) int {
	if _, end, ok := plainAccess(value[start+3:]); ok {
		return start + 3 + end
	}
	return parseSegment(value, start).end
}
