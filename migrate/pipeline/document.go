package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxFileSize bounds what is parsed. Azure Pipelines refuses to use more than 20 MB of memory for all templates of one pipeline
// together (Microsoft Learn: Template usage reference, "Limits"), so a single larger file is none.
const maxFileSize = 4 << 20

// document is one YAML file with the byte places of its nodes.
type document struct {
	repository, path string
	ref              string // that was asked for; empty: the version that was given, or the repository's default branch
	src              []byte
	starts           []int // the byte offset of each line, as the YAML scanner counts lines
	root             *yaml.Node
}

// parseError is why a file could not be read, with the place where the parser stopped.
type parseError struct {
	line    int
	message string
}

func (e *parseError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.message) }

// parseDocument reads a file into nodes. What it cannot read with certainty is an error, never a guess.
func parseDocument(f File) (d *document, err error) {
	defer func() {
		// The YAML package reports some inputs by panicking; a file must not take the whole scan with it.
		if r := recover(); r != nil {
			d, err = nil, &parseError{line: 1, message: fmt.Sprintf("the YAML parser failed: %v", r)}
		}
	}()
	if err := checkBytes(f.Content); err != nil {
		return nil, err
	}
	var top yaml.Node
	if err := yaml.Unmarshal(f.Content, &top); err != nil {
		return nil, yamlError(err)
	}
	if top.Kind != yaml.DocumentNode || len(top.Content) != 1 {
		return nil, &parseError{line: 1, message: "the file is empty: it has no YAML document"}
	}
	d = &document{repository: f.Repository, path: f.Path, src: f.Content, starts: lineStarts(f.Content), root: top.Content[0]}
	if d.root.Kind != yaml.MappingNode && d.root.Kind != yaml.SequenceNode {
		return nil, &parseError{line: d.root.Line, message: "the top of the file is neither a mapping nor a list, so it is not a pipeline or a template"}
	}
	return d, nil
}

// checkBytes refuses content whose places could not be trusted.
func checkBytes(src []byte) error {
	switch {
	case len(src) > maxFileSize:
		return &parseError{line: 1, message: fmt.Sprintf("the file has %d bytes, more than the %d that are read", len(src), maxFileSize)}
	case bytes.HasPrefix(src, []byte{0xff, 0xfe}), bytes.HasPrefix(src, []byte{0xfe, 0xff}):
		return &parseError{line: 1, message: "the file is UTF-16; save it as UTF-8"}
	}
	if i := bytes.IndexByte(src, 0); i >= 0 {
		return &parseError{line: 1 + bytes.Count(src[:i], []byte("\n")), message: "the file has a NUL byte"}
	}
	if !utf8.Valid(src) {
		return &parseError{line: 1, message: "the file is not valid UTF-8"}
	}
	return nil
}

// yamlError takes the place out of the YAML package's error.
func yamlError(err error) error {
	var pe *yaml.ParserError
	if errors.As(err, &pe) {
		return &parseError{line: max(pe.Line, 1), message: pe.Message}
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var line int
	if n, _ := fmt.Sscanf(text, "line %d:", &line); n == 1 {
		_, text, _ = strings.Cut(text, ": ")
		return &parseError{line: line, message: text}
	}
	return &parseError{line: 1, message: text}
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// lineStarts finds where lines begin, with the same breaks as the YAML scanner: CR LF, CR, LF, NEL, LS and PS.
func lineStarts(src []byte) []int {
	first := 0
	if bytes.HasPrefix(src, byteOrderMark) {
		first = len(byteOrderMark) // the scanner starts to count columns after it
	}
	starts := append(make([]int, 0, 1+bytes.Count(src, []byte{'\n'})), first)
	for i := 0; i < len(src); i++ {
		if n := breakAt(src, i); n > 0 {
			i += n - 1
			starts = append(starts, i+1)
		}
	}
	return starts
}

// breakAt gives the length of the line break at an offset, or 0.
func breakAt(src []byte, i int) int {
	rest := src[i:]
	switch {
	case rest[0] == '\n':
		return 1
	case bytes.HasPrefix(rest, []byte("\r\n")):
		return 2
	case rest[0] == '\r':
		return 1
	case bytes.HasPrefix(rest, []byte("\u0085")):
		return 2
	case bytes.HasPrefix(rest, []byte("\u2028")), bytes.HasPrefix(rest, []byte("\u2029")):
		return 3
	}
	return 0
}

// start gives the byte offset of a node. The scanner counts characters, the file has bytes.
func (d *document) start(n *yaml.Node) int {
	if n.Line < 1 || n.Line > len(d.starts) {
		return len(d.src)
	}
	i := d.starts[n.Line-1]
	for column := n.Column; column > 1 && i < len(d.src); column-- {
		_, size := utf8.DecodeRune(d.src[i:])
		i += size
	}
	return i
}

// place gives the 1-based line and byte column of an offset.
func (d *document) place(offset int) (line, column int) {
	i := max(0, sort.SearchInts(d.starts, offset+1)-1)
	return i + 1, offset - d.starts[i] + 1
}

// line gives the bytes of the line that begins at an offset, without its break, and the offset of the next line.
func (d *document) line(at int) (text []byte, next int) {
	for i := at; i < len(d.src); i++ {
		if n := breakAt(d.src, i); n > 0 {
			return d.src[at:i], i + n
		}
	}
	return d.src[at:], len(d.src)
}

// newline gives the line break that ends the line which an offset is in, or that of the file's first line.
func (d *document) newline(offset int) string {
	for _, at := range []int{offset, 0} {
		text, next := d.line(at)
		if end := at + len(text); next > end {
			return string(d.src[end:next])
		}
	}
	return "\n"
}

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.AliasNode && i < 16; i++ {
		n = n.Alias
	}
	return n
}

// content gives the offset of a scalar's own text, after an anchor and a tag.
func (d *document) content(n *yaml.Node) int {
	i := d.start(n)
	for i < len(d.src) && (d.src[i] == '&' || d.src[i] == '!' && n.Style&yaml.TaggedStyle != 0) {
		for i < len(d.src) && !isSpace(d.src[i]) {
			i++
		}
		for i < len(d.src) && isSpace(d.src[i]) {
			i++
		}
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// segment is a run of a scalar's value that stands in the file byte for byte.
type segment struct{ value, src, length int }

// verbatim maps a scalar's value to the file's bytes, as far as it stands there unchanged: plain and quoted scalars on one line
// without escapes, and the lines of literal block scalars. ok is false for every other form.
func (d *document) verbatim(n *yaml.Node) (list []segment, ok bool) {
	at := d.content(n)
	switch {
	case n.Style&yaml.LiteralStyle != 0:
		return d.literalLines(n, at)
	case n.Style&yaml.FoldedStyle != 0:
		return nil, false
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		at++
	}
	if at > len(d.src) || !bytes.HasPrefix(d.src[at:], []byte(n.Value)) {
		return nil, false
	}
	if end := at + len(n.Value); n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 && (end >= len(d.src) || d.src[end] != d.src[at-1]) {
		return nil, false
	}
	return []segment{{value: 0, src: at, length: len(n.Value)}}, true
}

// literalLines maps the lines of a literal block scalar.
func (d *document) literalLines(n *yaml.Node, header int) ([]segment, bool) {
	var list []segment
	_, at := d.line(header)
	for value := 0; value < len(n.Value); {
		text, rest, _ := strings.Cut(n.Value[value:], "\n")
		line, next := d.line(at)
		if !bytes.HasSuffix(line, []byte(text)) || len(bytes.TrimLeft(line[:len(line)-len(text)], " ")) != 0 {
			return nil, false
		}
		list = append(list, segment{value: value, src: at + len(line) - len(text), length: len(text)})
		value += len(text) + 1
		if at = next; rest == "" && at >= len(d.src) {
			break
		}
	}
	return list, true
}

// offset gives the file's offset of an offset in a scalar's value, or that of the scalar where it is not known.
func (d *document) offset(n *yaml.Node, at int) int {
	list, ok := d.verbatim(n)
	for _, s := range list {
		if ok && at >= s.value && at <= s.value+s.length {
			return s.src + at - s.value
		}
	}
	return d.start(n)
}
