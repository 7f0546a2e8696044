package yaml

import (
	"strings"
)

// block reads a literal or folded scalar. An indentation that is given by a digit is left to the whole parser, and so is a
// block without content.
func (r *reader) block(at, parent int) (*Node, bool) {
	n := r.node(ScalarNode, at)
	n.Style = LiteralStyle
	if r.text[at] == '>' {
		n.Style = FoldedStyle
	}
	chomping := byte(0)
	if at++; at < r.end && (r.text[at] == '-' || r.text[at] == '+') {
		chomping = r.text[at]
		at++
	}
	if !r.onlyComment(at) {
		return nil, false
	}
	indent, ok := r.blockIndent()
	if !ok || indent <= parent {
		return nil, false
	}
	r.room(len(r.text) - r.next)
	from := len(r.texts)
	if ok = r.blockLines(indent, n.Style == LiteralStyle, chomping); !ok {
		return nil, false
	}
	n.Value = r.textFrom(from)
	return n, r.advance() && r.indent <= parent
}

// blockIndent gives the indentation of the first line with content. Blank lines before it must not be wider.
func (r *reader) blockIndent() (int, bool) {
	widest := 0
	for at := r.next; at < len(r.text); {
		width := 0
		for at+width < len(r.text) && r.text[at+width] == ' ' {
			width++
		}
		at += width
		if at == len(r.text) || r.text[at] == '\t' {
			return 0, false
		}
		if r.text[at] == '\r' {
			at++
		}
		if r.text[at] != '\n' {
			return width, width >= widest
		}
		widest = max(widest, width)
		at++
	}
	return 0, false
}

// blockLines writes the lines of a block as its style and chomping want it, and stops before the line that ends it.
func (r *reader) blockLines(indent int, literal bool, chomping byte) bool {
	breaks, blank, content := 0, false, false // breaks that are pending after the last line with content, which was blank or not
	for r.next < len(r.text) {
		was := r.mark()
		r.takeLine()
		i := r.lineStart
		for i < r.end && i-r.lineStart < indent && r.text[i] == ' ' {
			i++
		}
		if i == r.end && r.next > r.end {
			breaks++
			continue
		}
		if i-r.lineStart < indent || i == r.end {
			if i < r.end && r.text[i] == '\t' {
				return false
			}
			r.back(was)
			break
		}
		blanks := r.text[i] == ' ' || r.text[i] == '\t'
		r.joinLines(breaks, !literal && content && !blank && !blanks)
		r.texts = append(r.texts, r.text[i:r.end]...)
		content, blank, breaks = true, blanks, 0
		if r.next > r.end {
			breaks = 1
		}
	}
	switch {
	case chomping == '+':
		r.joinLines(breaks, false)
	case chomping == 0 && breaks > 0:
		r.texts = append(r.texts, '\n')
	}
	return true
}

// joinLines writes the breaks before a line. In folding, one break is a space, and of more the first is left out.
func (r *reader) joinLines(breaks int, fold bool) {
	switch {
	case fold && breaks == 1:
		r.texts = append(r.texts, ' ')
	case fold:
		r.texts = append(r.texts, strings.Repeat("\n", breaks-1)...)
	default:
		for range breaks {
			r.texts = append(r.texts, '\n')
		}
	}
}
