package workflow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"unicode/utf8"

	yamlv4 "go.yaml.in/yaml/v4"

	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// maxFileSize bounds what is parsed. GitHub refuses workflow files far smaller than this; a larger file is
// not a workflow, and parsing it would cost unbounded memory.
const maxFileSize = 4 << 20

// document is one YAML file with the byte places of its nodes.
type document struct {
	path   string
	src    []byte
	starts []int      // the byte offset of each line, as the YAML scanner counts lines
	root   *yaml.Node // the mapping at the top
	plain  bool       // has no anchors, aliases or tags, and each key of a block has a line of its own
}

// parseError is why a file could not be read, with the place where the parser stopped.
type parseError struct {
	line, column int
	message      string
}

func (e *parseError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.message) }

// parse reads a file into nodes. What it cannot read with certainty is an error, never a guess.
func (m *memory) parse(path string, src []byte) (d *document, err error) {
	defer func() {
		// The YAML package reports some inputs by panicking; a file must not take the whole scan with it.
		if r := recover(); r != nil {
			d, err = nil, &parseError{line: 1, message: fmt.Sprintf("the YAML parser failed: %v", r)}
		}
	}()
	if len(src) <= maxFileSize {
		if root, ok := m.Parse(src); ok {
			return &document{path: path, src: src, starts: m.Lines(src), root: root, plain: true}, nil
		}
	}
	return parseWhole(path, src)
}

// maxWholeSize bounds what is read with the whole parser, which takes far more time and memory than the other: GitHub takes no workflow of
// half the size.
const maxWholeSize = 1 << 20

// parseWhole reads a file with the whole parser.
func parseWhole(path string, src []byte) (*document, error) {
	if err := checkBytes(src); err != nil {
		return nil, err
	}
	if len(src) > maxWholeSize {
		return nil, &parseError{line: 1, message: fmt.Sprintf("the file has %d bytes, and anchors, tags or errors; such a file is read up to %d bytes", len(src), maxWholeSize)}
	}
	var top yamlv4.Node
	decoder := yamlv4.NewDecoder(bytes.NewReader(src))
	if err := decoder.Decode(&top); err != nil && !errors.Is(err, io.EOF) {
		return nil, yamlError(err)
	}
	// What follows the first document would be passed over in silence: keys that are indented less than the first one too.
	var rest yamlv4.Node
	if err := decoder.Decode(&rest); err == nil {
		return nil, &parseError{line: max(rest.Line, 1), column: max(rest.Column, 1), message: "the file holds more than one YAML document"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlError(err)
	}
	d := &document{path: path, src: src, starts: lineStarts(src)}
	// A file of comments has no content, and one of comments and a mark has an empty scalar.
	if top.Kind != yamlv4.DocumentNode || len(top.Content) != 1 || top.Content[0].Kind == yamlv4.ScalarNode && top.Content[0].Tag == "!!null" {
		d.root = &yaml.Node{Kind: yaml.MappingNode}
		return d, nil
	}
	d.root = yaml.FromWhole(top.Content[0])
	if d.root.Kind != yaml.MappingNode {
		return nil, &parseError{line: int(d.root.Line), column: int(d.root.Column), message: "the top of the file is not a mapping, so it is not a workflow or an action"}
	}
	return d, nil
}

// checkBytes refuses content whose places could not be trusted.
func checkBytes(src []byte) error {
	switch {
	case len(src) > maxFileSize:
		return &parseError{line: 1, message: fmt.Sprintf("the file has %d bytes, more than the %d that are read", len(src), maxFileSize)}
	case bytes.HasPrefix(src, []byte{0xff, 0xfe}), bytes.HasPrefix(src, []byte{0xfe, 0xff}):
		return &parseError{line: 1, message: "the file is UTF-16; GitHub reads workflows as UTF-8"}
	}
	if i := bytes.IndexByte(src, 0); i >= 0 {
		return &parseError{line: 1 + bytes.Count(src[:i], []byte("\n")), message: "the file has a NUL byte"}
	}
	if !utf8.Valid(src) {
		i := firstInvalid(src)
		return &parseError{line: 1 + bytes.Count(src[:i], []byte("\n")), message: "the file is not valid UTF-8"}
	}
	return nil
}

func firstInvalid(src []byte) int {
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(src)
}

// yamlError takes the place out of the YAML package's error.
func yamlError(err error) error {
	var pe *yamlv4.ParserError
	if errors.As(err, &pe) {
		return &parseError{line: max(pe.Line, 1), column: pe.Column, message: pe.Message}
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
		switch c := src[i]; {
		case c == '\n':
			starts = append(starts, i+1)
		case c == '\r':
			if i+1 < len(src) && src[i+1] == '\n' {
				i++
			}
			starts = append(starts, i+1)
		case c == 0xc2 && i+1 < len(src) && src[i+1] == 0x85:
			i++
			starts = append(starts, i+1)
		case c == 0xe2 && i+2 < len(src) && src[i+1] == 0x80 && (src[i+2] == 0xa8 || src[i+2] == 0xa9):
			i += 2
			starts = append(starts, i+1)
		}
	}
	return starts
}

// at gives the byte offset of a line and column of the YAML scanner, which counts characters.
func (d *document) at(line, column int) int {
	if line < 1 || line > len(d.starts) {
		return len(d.src)
	}
	i := d.starts[line-1]
	for column > 1 && i < len(d.src) {
		if d.src[i] < utf8.RuneSelf {
			i++
		} else {
			_, n := utf8.DecodeRune(d.src[i:])
			i += n
		}
		column--
	}
	return i
}

// start gives the byte offset of a node.
func (d *document) start(n *yaml.Node) int { return d.at(int(n.Line), int(n.Column)) }

// place gives the 1-based line and byte column of an offset.
func (d *document) place(offset int) (line, column int) {
	i := sort.SearchInts(d.starts, offset+1) - 1
	if i < 0 {
		return 1, 1
	}
	return i + 1, offset - d.starts[i] + 1
}

// lineStart and lineEnd give the ends of the line that an offset is in; lineEnd is before its break.
func (d *document) lineStart(offset int) int {
	line, _ := d.place(offset)
	return d.starts[line-1]
}

func (d *document) lineEnd(offset int) int {
	line, _ := d.place(offset)
	return d.endOf(line)
}

// endOf gives the end of a line, before its break.
func (d *document) endOf(line int) int {
	if line == len(d.starts) {
		return len(d.src)
	}
	end := d.starts[line]
	for end > d.starts[line-1] && isBreak(d.src[end-1]) {
		end--
	}
	return end
}

// nextLine gives the offset of the line after the one that an offset is in.
func (d *document) nextLine(offset int) int {
	line, _ := d.place(offset)
	if line == len(d.starts) {
		return len(d.src)
	}
	return d.starts[line]
}

// newline gives the line break that is used around an offset.
func (d *document) newline(offset int) string {
	for _, at := range []int{d.lineEnd(offset), d.lineEnd(max(0, d.lineStart(offset)-1))} {
		switch rest := d.src[at:]; {
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return "\r\n"
		case bytes.HasPrefix(rest, []byte("\n")):
			return "\n"
		case bytes.HasPrefix(rest, []byte("\r")):
			return "\r"
		}
	}
	return "\n"
}

// indent gives the white space before an offset on its line, and whether nothing else is before it.
func (d *document) indent(offset int) (string, bool) {
	before := d.src[d.lineStart(offset):offset]
	blank := len(bytes.TrimLeft(before, " \t")) == 0
	width := len(before) - len(bytes.TrimLeft(before, " \t"))
	return string(before[:width]), blank
}

func isBreak(c byte) bool { return c == '\n' || c == '\r' }
func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// shape holds that what a workflow or an action is read by has the form that GitHub demands: jobs is a mapping, and steps are a list. In
// any other form a login would be passed over.
func (d *document) shape() error {
	if err := stepsAreList(get(d.root, "runs")); err != nil {
		return err
	}
	jobs := get(d.root, "jobs")
	if jobs == nil || get(d.root, "on") == nil || text(jobs) == "" && jobs.Kind == yaml.ScalarNode {
		return nil // what nothing starts is no workflow: pipelines of Azure DevOps have jobs too, as a list
	}
	if jobs.Kind != yaml.MappingNode {
		return &parseError{line: int(jobs.Line), column: int(jobs.Column), message: "jobs is not a mapping"}
	}
	for j := range each(jobs) {
		if err := stepsAreList(j.value); err != nil {
			return err
		}
	}
	return nil
}

func stepsAreList(owner *yaml.Node) error {
	steps := get(owner, "steps")
	if steps == nil || steps.Kind == yaml.SequenceNode || steps.Kind == yaml.ScalarNode && steps.Value == "" {
		return nil
	}
	return &parseError{line: int(steps.Line), column: int(steps.Column), message: "steps is not a list"}
}
