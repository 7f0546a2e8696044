package workflow

import (
	"bytes"
	"fmt"
	"strings"
)

const diffContext = 3

// Diff gives a rewritten file's change as a unified diff. It is made from the edits, so its hunks are the lines that they touch.
func Diff(f FileRewrite) string {
	if len(f.Edits) == 0 || bytes.Equal(f.Before, f.After) {
		return ""
	}
	changes := lineChanges(f)
	var b strings.Builder
	b.Grow(2 << 10)
	fmt.Fprintf(&b, "--- a/%s\n+++ b/%s\n", f.Path, f.Path)
	for i, shift := 0, 0; i < len(changes); {
		j := i + 1
		for j < len(changes) && changes[j].line-changes[j-1].line-countLines(changes[j-1].old) <= 2*diffContext {
			j++
		}
		shift += writeHunk(&b, f.Before, changes[i:j], shift)
		i = j
	}
	return b.String()
}

// lineChange replaces whole lines of the old file by new ones.
type lineChange struct {
	line     int // the first one, from 0
	start    int // where that begins
	old, new []byte
}

func (c lineChange) end() int { return c.start + len(c.old) }

// lineChanges widens the edits to whole lines and joins those that share a line.
func lineChanges(f FileRewrite) []lineChange {
	var list []lineChange
	src := f.Before
	line, counted := 0, 0
	for i := 0; i < len(f.Edits); {
		start := bytes.LastIndexByte(src[:f.Edits[i].Start], '\n') + 1
		end := endOfLine(src, f.Edits[i].Start, f.Edits[i].End)
		j := i + 1
		for j < len(f.Edits) && f.Edits[j].Start < end {
			end = endOfLine(src, f.Edits[j].Start, max(end-1, f.Edits[j].End))
			j++
		}
		var text []byte
		at := start
		for _, e := range f.Edits[i:j] {
			text = append(append(text, src[at:e.Start]...), e.New...)
			at = e.End
		}
		line, counted = line+bytes.Count(src[counted:start], newline), start
		list = append(list, trimChange(lineChange{line: line, start: start, old: src[start:end], new: append(text, src[at:end]...)}))
		i = j
	}
	return list
}

var newline = []byte{'\n'}

// endOfLine gives the offset after the line that an edit ends in.
func endOfLine(src []byte, start, end int) int {
	if end > start && src[end-1] == '\n' {
		return end
	}
	return end + len(firstLine(src[end:]))
}

// firstLine and lastLine give a line of a text with its break.
func firstLine(text []byte) []byte {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return text[:i+1]
	}
	return text
}

func lastLine(text []byte) []byte {
	return text[bytes.LastIndexByte(text[:max(0, len(text)-1)], '\n')+1:]
}

// countLines counts the lines of a text; the last one may have no break.
func countLines(text []byte) int {
	n := bytes.Count(text, newline)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		n++
	}
	return n
}

// trimChange drops lines at both ends that are the same before and after.
func trimChange(c lineChange) lineChange {
	for len(c.old) > 0 && len(c.new) > 0 {
		l := firstLine(c.old)
		if !bytes.Equal(l, firstLine(c.new)) {
			break
		}
		c.old, c.new, c.line, c.start = c.old[len(l):], c.new[len(l):], c.line+1, c.start+len(l)
	}
	for len(c.old) > 0 && len(c.new) > 0 {
		l := lastLine(c.old)
		if !bytes.Equal(l, lastLine(c.new)) {
			break
		}
		c.old, c.new = c.old[:len(c.old)-len(l)], c.new[:len(c.new)-len(l)]
	}
	return c
}

// writeHunk writes one hunk and gives by how many lines it makes the file longer.
func writeHunk(b *strings.Builder, src []byte, changes []lineChange, shift int) int {
	first, last := changes[0], changes[len(changes)-1]
	start, end := first.start, last.end()
	for range diffContext {
		start -= len(lastLine(src[:start]))
		end += len(firstLine(src[end:]))
	}
	grown := 0
	for _, c := range changes {
		grown += countLines(c.new) - countLines(c.old)
	}
	from, count := first.line-countLines(src[start:first.start]), countLines(src[start:end])
	fmt.Fprintf(b, "@@ -%s +%s @@\n", span(from, count), span(from+shift, count+grown))
	at := start
	for _, c := range changes {
		writeLines(b, ' ', src[at:c.start])
		writeLines(b, '-', c.old)
		writeLines(b, '+', c.new)
		at = c.end()
	}
	writeLines(b, ' ', src[at:end])
	return grown
}

func span(from, count int) string {
	if count == 0 {
		return fmt.Sprintf("%d,0", from)
	}
	if count == 1 {
		return fmt.Sprintf("%d", from+1)
	}
	return fmt.Sprintf("%d,%d", from+1, count)
}

func writeLines(b *strings.Builder, sign byte, text []byte) {
	for l := range bytes.Lines(text) {
		b.WriteByte(sign)
		b.Write(l)
		if l[len(l)-1] != '\n' {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}
