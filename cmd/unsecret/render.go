package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lineWidth is what every table fits in.
const lineWidth = 80

// clean makes a text from outside (a name, a message) safe for a terminal and keeps it on one line: control
// characters, among them escape sequences, and characters that reverse the reading direction are replaced.
func clean(s string) string {
	if isPlain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == utf8.RuneError:
			return '�'
		}
		return r
	}, s)
}

// isPlain tells whether a text is of printable ASCII characters, as nearly all are.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// cut shortens a text to n runes, keeping the end of a path-like text and the beginning of any other.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	if n <= 1 {
		return string(r[:n])
	}
	if strings.Contains(s, "/") && !strings.Contains(s, " ") {
		return "…" + string(r[len(r)-n+1:])
	}
	return string(r[:n-1]) + "…"
}

// table writes rows in columns within 80 characters. The widest columns give way first, and what does not fit is
// wrapped, never cut: a name that lost its beginning names nothing.
func table(w io.Writer, head []string, rows [][]string) {
	tableOf(w, head, len(rows), func(i int) []string { return rows[i] })
}

// tableOf writes a table whose rows are made when they are needed, once to see how wide they are and once to write them, so
// that a long table needs no memory.
func tableOf(w io.Writer, head []string, rows int, row func(i int) []string) {
	if rows == 0 {
		return
	}
	width := make([]int, len(head))
	for i, h := range head {
		width[i] = utf8.RuneCountInString(h)
	}
	for i := range rows {
		for column, c := range row(i) {
			width[column] = max(width[column], utf8.RuneCountInString(clean(c)))
		}
	}
	shrink(width, lineWidth-2*(len(head)-1))
	t := tableWriter{out: bufio.NewWriter(w), width: width, parts: make([][]string, len(head))}
	t.row(head)
	for i := range rows {
		t.row(row(i))
	}
	_ = t.out.Flush() // what writes the results remembers that it failed
}

// shrink takes from the widest column until all fit. No column becomes narrower than 8.
func shrink(width []int, total int) {
	for {
		sum, widest := 0, 0
		for i, n := range width {
			sum += n
			if n > width[widest] {
				widest = i
			}
		}
		if sum <= total || width[widest] <= 8 {
			return
		}
		width[widest]--
	}
}

// tableWriter writes rows, one after another in the same memory.
type tableWriter struct {
	out   *bufio.Writer
	width []int
	parts [][]string // the lines of each cell
	line  []byte
}

// row writes one row, as high as its highest cell.
func (t *tableWriter) row(cells []string) {
	height := 0
	for i, c := range cells {
		t.parts[i] = appendWrapped(t.parts[i][:0], clean(c), t.width[i])
		height = max(height, len(t.parts[i]))
	}
	for n := range height {
		t.line = t.line[:0]
		for i := range cells {
			text := ""
			if n < len(t.parts[i]) {
				text = t.parts[i][n]
			}
			t.line = append(t.line, text...)
			for range t.width[i] - utf8.RuneCountInString(text) + 2 {
				t.line = append(t.line, ' ')
			}
		}
		_, _ = t.out.Write(append(bytes.TrimRight(t.line, " "), '\n')) // what writes the results remembers that it failed
	}
}

// wrap breaks a text at spaces into lines of at most n runes. A longer word, such as a path or an address, is broken
// behind one of its separators, or where nothing else is left. A command that ends the text is not broken, so that it can be copied: where the text needs
// several lines it has one of its own, however long that is.
func wrap(s string, n int) []string {
	text, command := cutCommand(s)
	if command == "" || utf8.RuneCountInString(s) <= n {
		return appendWrapped(nil, s, n)
	}
	var lines []string
	if text != "" {
		lines = appendWrapped(lines, text, n)
	}
	return append(lines, command)
}

// cutCommand takes the command of the Azure CLI from the end of a text; those of this program are short enough for a line, or are followed by words about them.
func cutCommand(s string) (text, command string) {
	const cli, option = "az ", " --"
	if strings.HasPrefix(s, cli) && strings.Contains(s, option) {
		return "", s
	}
	if i := strings.LastIndex(s, ": "+cli); i >= 0 && strings.Contains(s[i:], option) {
		return s[:i+1], s[i+2:]
	}
	return s, ""
}

func appendWrapped(lines []string, s string, n int) []string {
	before, cur, width := len(lines), "", 0 // width is that of cur
	for word := range strings.FieldsSeq(s) {
		length := utf8.RuneCountInString(word)
		if width > 0 && width+1+length > n {
			lines = append(lines, cur)
			cur, width = "", 0
		}
		for length > n {
			at := breakAt(word, n)
			lines = append(lines, word[:at])
			word = word[at:]
			length = utf8.RuneCountInString(word)
		}
		if width > 0 {
			word = cur + " " + word
			length += width + 1
		}
		cur, width = word, length
	}
	if width > 0 || len(lines) == before {
		lines = append(lines, cur)
	}
	return lines
}

// breakAt finds the last place in the second half of the first n runes behind which a reader expects a word to be broken.
func breakAt(word string, n int) int {
	count, at := 0, 0
	for i, r := range word {
		if count == n {
			return cmp.Or(at, i)
		}
		if count++; count > n/2 && strings.ContainsRune("/:@_-.", r) {
			at = i + 1
		}
	}
	return len(word)
}

// paragraph writes a text wrapped to 80 columns behind an indent.
func paragraph(w io.Writer, indent, text string) {
	for _, l := range wrap(clean(text), lineWidth-utf8.RuneCountInString(indent)) {
		fmt.Fprintln(w, indent+l)
	}
}

// plural gives "1 login", "2 logins".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if strings.HasSuffix(one, "y") && !strings.HasSuffix(one, "ey") {
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(one, "y"))
	}
	return fmt.Sprintf("%d %ss", n, one)
}
