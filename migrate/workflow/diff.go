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
	old := splitLines(f.Before)
	var b strings.Builder
	fmt.Fprintf(&b, "--- a/%s\n+++ b/%s\n", f.Path, f.Path)
	for i, shift := 0, 0; i < len(changes); {
		j := i + 1
		for j < len(changes) && changes[j].from-changes[j-1].to <= 2*diffContext {
			j++
		}
		shift += writeHunk(&b, old, changes[i:j], shift)
		i = j
	}
	return b.String()
}

// lineChange replaces the lines from..to (0-based, to excluded) of the old file by new ones.
type lineChange struct {
	from, to int
	lines    []string
}

// lineChanges widens the edits to whole lines and joins those that share a line.
func lineChanges(f FileRewrite) []lineChange {
	var list []lineChange
	src := f.Before
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
		text = append(text, src[at:end]...)
		from := bytes.Count(src[:start], []byte("\n"))
		list = append(list, trimChange(lineChange{from: from, to: from + len(splitLines(src[start:end])), lines: splitLines(text)}, splitLines(src[start:end])))
		i = j
	}
	return list
}

// endOfLine gives the offset after the line that an edit ends in.
func endOfLine(src []byte, start, end int) int {
	if end > start && src[end-1] == '\n' {
		return end
	}
	if i := bytes.IndexByte(src[end:], '\n'); i >= 0 {
		return end + i + 1
	}
	return len(src)
}

// trimChange drops lines at both ends that are the same before and after.
func trimChange(c lineChange, old []string) lineChange {
	for len(old) > 0 && len(c.lines) > 0 && old[0] == c.lines[0] {
		old, c.lines, c.from = old[1:], c.lines[1:], c.from+1
	}
	for len(old) > 0 && len(c.lines) > 0 && old[len(old)-1] == c.lines[len(c.lines)-1] {
		old, c.lines, c.to = old[:len(old)-1], c.lines[:len(c.lines)-1], c.to-1
	}
	return c
}

func splitLines(b []byte) []string {
	lines := strings.SplitAfter(string(b), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// writeHunk writes one hunk and gives by how many lines it makes the file longer.
func writeHunk(b *strings.Builder, old []string, changes []lineChange, shift int) int {
	from := max(0, changes[0].from-diffContext)
	to := min(len(old), changes[len(changes)-1].to+diffContext)
	grown := 0
	for _, c := range changes {
		grown += len(c.lines) - (c.to - c.from)
	}
	fmt.Fprintf(b, "@@ -%s +%s @@\n", span(from, to-from), span(from+shift, to-from+grown))
	at := from
	for _, c := range changes {
		writeLines(b, " ", old[at:c.from])
		writeLines(b, "-", old[c.from:c.to])
		writeLines(b, "+", c.lines)
		at = c.to
	}
	writeLines(b, " ", old[at:to])
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

func writeLines(b *strings.Builder, sign string, lines []string) {
	for _, l := range lines {
		b.WriteString(sign + l)
		if !strings.HasSuffix(l, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}
