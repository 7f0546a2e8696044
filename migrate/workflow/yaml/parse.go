// Package yaml reads the part of YAML that nearly all workflows are written in, several times faster than a whole
// parser: block mappings and sequences, scalars of one line, literal and folded blocks, and flow collections.
// It reads a file as go.yaml.in/yaml/v4 does or not at all: whatever is outside of that part, or could be an error, is left
// to the whole parser.
package yaml

import (
	"bytes"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// maxDepth bounds how deep collections are read here; deeper ones are left to the whole parser with its own bounds.
const maxDepth = 64

// maxKey bounds the length of a key's line up to its colon. A simple key ends within 1024 characters (YAML 1.2.2, 7.4).
const maxKey = 1000

// Parse gives the mapping at the top of a file, with the kinds, styles, values, lines and columns that the whole parser
// gives; tags and comments are not set. It is false where the file is not plain, which says nothing about its validity.
// The text must not be changed afterwards: the values of scalars share its memory.
func Parse(src []byte) (*Node, bool) { return new(Memory).Parse(src) }

// Parse is the function Parse with the nodes in this memory.
func (m *Memory) Parse(src []byte) (*Node, bool) {
	first := 0
	if bytes.HasPrefix(src, byteOrderMark) {
		first = len(byteOrderMark)
	}
	kind := inspect(src[first:])
	if kind == foreign {
		return nil, false
	}
	r := &reader{Memory: m, text: unsafe.String(unsafe.SliceData(src), len(src)), ascii: kind == ascii, next: first}
	r.stack = r.stack[:0]
	if !r.step() || !r.header() || r.eof || r.indent != 0 {
		return nil, false
	}
	root, ok := r.mapping(0, nil, 0)
	return root, ok && r.eof
}

// byteOrderMark may begin a file. Offsets count it, columns do not.
var byteOrderMark = []byte("\xef\xbb\xbf")

// The kinds of text.
const (
	ascii = iota
	unicode
	foreign // holds what the YAML scanner refuses, or treats as a break of a line or as a mark
)

// inspect tells whether a text holds only characters that are read here: printable ones (YAML 1.2.2, 5.1),
// tabs, and line feeds with or without a carriage return.
func inspect(src []byte) int {
	kind := ascii
	for i := 0; i < len(src); i++ {
		c := src[i]
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\t' {
			continue
		}
		if c == '\r' && i+1 < len(src) && src[i+1] == '\n' {
			continue
		}
		if c < utf8.RuneSelf {
			return foreign
		}
		r, n := utf8.DecodeRune(src[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < 0xa0, r == 0x2028, r == 0x2029, r == 0xfeff, r == 0xfffe, r == 0xffff:
			return foreign
		}
		kind = unicode
		i += n - 1
	}
	return kind
}

// reader goes through a text line by line. The current line is the next one that is neither blank nor a comment.
type reader struct {
	*Memory
	text      string
	ascii     bool
	next      int // offset of the line after the current one
	line      int // number of the current line
	lineStart int // offset of the current line
	start     int // offset of what is read next on it
	end       int // offset of its end, before the break
	indent    int // column of start, from 0; -1 at the end
	eof       bool

	depth int
}

// advance is step inside a document.
func (r *reader) advance() bool {
	return r.step() && (r.eof || r.indent > 0 || !isMark(r.text[r.start:r.end]))
}

// step goes to the next line that is neither blank nor a comment. It is false where that cannot be told here.
func (r *reader) step() bool {
	for r.next < len(r.text) {
		r.takeLine()
		i := r.lineStart
		for i < r.end && r.text[i] == ' ' {
			i++
		}
		if i == r.end || r.text[i] == '#' {
			continue
		}
		r.start, r.indent = i, i-r.lineStart
		return r.text[i] != '\t'
	}
	r.eof, r.indent = true, -1
	return true
}

// takeLine makes the next line the current one.
func (r *reader) takeLine() {
	r.line++
	r.lineStart, r.end = r.next, len(r.text)
	if i := strings.IndexByte(r.text[r.next:], '\n'); i >= 0 {
		r.end = r.next + i
		r.next = r.end + 1
		if r.end > r.lineStart && r.text[r.end-1] == '\r' {
			r.end--
		}
		return
	}
	r.next = len(r.text)
}

// mark is a line that can be gone back to.
type mark struct{ next, line, lineStart, end int }

func (r *reader) mark() mark { return mark{r.next, r.line, r.lineStart, r.end} }

func (r *reader) back(m mark) {
	r.next, r.line, r.lineStart, r.end = m.next, m.line, m.lineStart, m.end
}

// isMark recognises the start or end of a document.
func isMark(line string) bool {
	return strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...")
}

// header passes over the mark of a document's start.
func (r *reader) header() bool {
	if r.eof || !isMark(r.text[r.start:r.end]) || r.indent > 0 {
		return true
	}
	return r.text[r.start] == '-' && r.onlyComment(r.start+3) && r.advance()
}

// onlyComment tells whether nothing but white space and a comment follows on the line.
func (r *reader) onlyComment(at int) bool {
	i := r.skipSpaces(at)
	return i == r.end || r.text[i] == '#' && i > at
}

func (r *reader) skipSpaces(at int) int {
	for at < r.end && r.text[at] == ' ' {
		at++
	}
	return at
}

// node makes a node at an offset of the current line.
func (r *reader) node(kind Kind, at int) *Node { return r.nodeAt(kind, r.line, r.column(at)) }

func (r *reader) nodeAt(kind Kind, line, column int) *Node {
	n := r.nodes.One()
	n.Kind, n.Line, n.Column = kind, int32(line), int32(column)
	return n
}

// column gives the column of an offset of the current line in characters, from 1.
func (r *reader) column(at int) int {
	if r.ascii {
		return at - r.lineStart + 1
	}
	return utf8.RuneCountInString(r.text[r.lineStart:at]) + 1
}

func (r *reader) scalar(at int, style Style, value string) *Node {
	n := r.node(ScalarNode, at)
	n.Style, n.Value = style, value
	return n
}

// open and finish enclose the reading of a collection's children, which are pushed onto the stack.
func (r *reader) open() (base int, ok bool) {
	r.depth++
	return len(r.stack), r.depth <= maxDepth
}

func (r *reader) finish(n *Node, base int) {
	r.depth--
	children := r.stack[base:]
	if len(children) == 0 {
		return
	}
	n.Content = r.links.Take(len(children))
	copy(n.Content, children)
	r.stack = r.stack[:base]
}

func (r *reader) push(n *Node) { r.stack = append(r.stack, n) }

// mapping reads the block mapping whose first key is at the current place; that key may have been read before.
func (r *reader) mapping(indent int, key *Node, after int) (*Node, bool) {
	n := r.node(MappingNode, r.start)
	base, ok := r.open()
	if !ok {
		return nil, false
	}
	for ; r.indent == indent; key = nil {
		if key == nil {
			if key, after = r.key(); key == nil {
				return nil, false
			}
		}
		r.push(key)
		value, ok := r.value(after, indent, true)
		if !ok {
			return nil, false
		}
		r.push(value)
	}
	r.finish(n, base)
	return n, r.indent < indent
}

// sequence reads the block sequence whose first dash is the current place.
func (r *reader) sequence(indent int) (*Node, bool) {
	n := r.node(SequenceNode, r.start)
	base, ok := r.open()
	if !ok {
		return nil, false
	}
	for r.indent == indent && r.isDash() {
		value, ok := r.item(indent)
		if !ok {
			return nil, false
		}
		r.push(value)
	}
	r.finish(n, base)
	return n, r.indent <= indent
}

func (r *reader) isDash() bool {
	return r.text[r.start] == '-' && (r.start+1 == r.end || r.text[r.start+1] == ' ')
}

// item reads what follows a dash.
func (r *reader) item(indent int) (*Node, bool) {
	at := r.skipSpaces(r.start + 1)
	if at == r.end || r.text[at] == '#' {
		return r.value(r.start+1, indent, false)
	}
	dash := r.start
	r.start = at
	if r.isDash() {
		return nil, false
	}
	if key, after := r.key(); key != nil {
		r.indent = at - r.lineStart
		return r.mapping(r.indent, key, after)
	}
	return r.value(dash+1, indent, false)
}

// value reads what follows a colon or a dash of a collection at an indentation.
func (r *reader) value(after, indent int, inMapping bool) (*Node, bool) {
	at := r.skipSpaces(after)
	if at == r.end || r.text[at] == '#' && at > after {
		return r.below(after, indent, inMapping)
	}
	if c := r.text[at]; c == '|' || c == '>' {
		return r.block(at, indent)
	}
	return r.inline(at, indent)
}

// inline reads a value that is no block.
func (r *reader) inline(at, indent int) (n *Node, ok bool) {
	switch r.text[at] {
	case '"', '\'':
		n, at = r.quoted(at)
	case '[', '{':
		n, at = r.flow(at)
	default:
		if n, at = r.plain(at); n != nil && r.skipSpaces(at) == r.end {
			return n, r.folded(n, indent) && r.advance() && r.indent <= indent
		}
	}
	// A line that is indented more would go on with the value.
	return n, n != nil && r.onlyComment(at) && r.advance() && r.indent <= indent
}

// below reads a value that begins on a line of its own, or is empty.
func (r *reader) below(after, indent int, inMapping bool) (*Node, bool) {
	line, column := r.line, r.column(after)
	if !r.advance() {
		return nil, false
	}
	switch {
	case r.indent > indent && r.isDash():
		n, ok := r.sequence(r.indent)
		return n, ok && r.indent <= indent
	case r.indent > indent:
		key, after := r.key()
		if key == nil {
			return r.inline(r.start, indent)
		}
		n, ok := r.mapping(r.indent, key, after)
		return n, ok && r.indent <= indent
	case r.indent == indent && inMapping && r.isDash():
		return r.sequence(indent)
	}
	return r.nodeAt(ScalarNode, line, column), true
}

// key reads a key, and gives the offset after its colon; nil where the current place is none that is read here.
func (r *reader) key() (*Node, int) {
	if c := r.text[r.start]; c == '"' || c == '\'' {
		return r.quotedKey(c)
	}
	if !r.startsPlain(r.start) {
		return nil, 0
	}
	for i := r.start + 1; i < r.end; i++ {
		switch r.text[i] {
		case ':':
			if i+1 < r.end && r.text[i+1] != ' ' {
				continue
			}
			value := strings.TrimRight(r.text[r.start:i], " ")
			if value == "<<" || i-r.start > maxKey {
				return nil, 0
			}
			return r.scalar(r.start, 0, value), i + 1
		case '\t':
			return nil, 0
		case '#':
			if r.text[i-1] == ' ' {
				return nil, 0
			}
		}
	}
	return nil, 0
}

func (r *reader) quotedKey(quote byte) (*Node, int) {
	i := strings.IndexByte(r.text[r.start+1:r.end], quote)
	after := r.start + 1 + i + 1
	if i < 0 || i > maxKey || after >= r.end || r.text[after] != ':' || after+1 < r.end && r.text[after+1] != ' ' {
		return nil, 0
	}
	n, end := r.quoted(r.start)
	if n == nil || end != after {
		return nil, 0
	}
	return n, after + 1
}

// startsPlain tells whether a plain scalar begins at an offset: with anything but an indicator.
func (r *reader) startsPlain(at int) bool {
	switch c := r.text[at]; c {
	case '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', ' ', '\t':
		return false
	case '-':
		return at+1 < r.end && r.text[at+1] != ' ' && r.text[at+1] != '\t'
	}
	return true
}

// plain reads a plain scalar in block context.
func (r *reader) plain(at int) (*Node, int) {
	if !r.startsPlain(at) {
		return nil, 0
	}
	end := r.plainEnd(at)
	if end < 0 {
		return nil, 0
	}
	for r.text[end-1] == ' ' {
		end--
	}
	value := r.text[at:end]
	if value == "<<" {
		return nil, 0
	}
	return r.scalar(at, 0, value), end
}

// plainEnd gives the end of a plain scalar on the line, at a comment at the latest; -1 where a key or a tab is in it.
func (r *reader) plainEnd(at int) int {
	for i := at + 1; i < r.end; i++ {
		switch r.text[i] {
		case ':':
			if i+1 == r.end || r.text[i+1] == ' ' {
				return -1
			}
		case '\t':
			return -1
		case '#':
			if r.text[i-1] == ' ' {
				return i
			}
		}
	}
	return r.end
}

// folded adds to a plain scalar the lines that go on with it: one break becomes a space, and of more the first is left out.
func (r *reader) folded(n *Node, indent int) bool {
	var more strings.Builder
	for breaks := 1; r.next < len(r.text); breaks++ {
		was := r.mark()
		r.takeLine()
		at := r.skipSpaces(r.lineStart)
		if at == r.end {
			continue
		}
		if at-r.lineStart <= indent || r.text[at] == '#' {
			r.back(was)
			break
		}
		end := r.plainEnd(at)
		if end < 0 || r.text[at] == '\t' || r.text[at] == ':' && (at+1 == r.end || r.text[at+1] == ' ') {
			return false
		}
		if breaks == 1 {
			more.WriteByte(' ')
		} else {
			more.WriteString(strings.Repeat("\n", breaks-1))
		}
		more.WriteString(strings.TrimRight(r.text[at:end], " "))
		if breaks = 0; end < r.end {
			break
		}
	}
	if more.Len() > 0 {
		n.Value += more.String()
	}
	return true
}

// quoted reads a quoted scalar of one line.
func (r *reader) quoted(at int) (*Node, int) {
	if r.text[at] == '\'' {
		return r.singleQuoted(at)
	}
	for i := at + 1; i < r.end; i++ {
		switch r.text[i] {
		case '\\':
			return r.escaped(at)
		case '"':
			return r.scalar(at, DoubleQuotedStyle, r.text[at+1:i]), i + 1
		}
	}
	return nil, 0
}

func (r *reader) singleQuoted(at int) (*Node, int) {
	doubled := false
	for i := at + 1; i < r.end; i++ {
		if r.text[i] != '\'' {
			continue
		}
		if i+1 < r.end && r.text[i+1] == '\'' {
			doubled = true
			i++
			continue
		}
		value := r.text[at+1 : i]
		if doubled {
			value = strings.ReplaceAll(value, "''", "'")
		}
		return r.scalar(at, SingleQuotedStyle, value), i + 1
	}
	return nil, 0
}

// escapes are the escape sequences that are read here.
var escapes = map[byte]byte{'"': '"', '\\': '\\', 'n': '\n', 't': '\t', '\'': '\'', ' ': ' '}

func (r *reader) escaped(at int) (*Node, int) {
	var b []byte
	for i := at + 1; i < r.end; i++ {
		switch c := r.text[i]; c {
		case '\\':
			i++
			if i == r.end || escapes[r.text[i]] == 0 {
				return nil, 0
			}
			b = append(b, escapes[r.text[i]])
		case '"':
			return r.scalar(at, DoubleQuotedStyle, string(b)), i + 1
		default:
			b = append(b, c)
		}
	}
	return nil, 0
}
