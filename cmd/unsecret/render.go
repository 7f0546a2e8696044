package main

import (
	"bufio"
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
	out := bufio.NewWriter(w)
	line(out, head, width)
	for i := range rows {
		cells := row(i)
		for column, c := range cells {
			cells[column] = clean(c)
		}
		line(out, cells, width)
	}
	_ = out.Flush() // what writes the results remembers that it failed
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

// line writes one row, as high as its highest cell.
func line(w io.Writer, cells []string, width []int) {
	parts := make([][]string, len(cells))
	height := 0
	for i, c := range cells {
		parts[i] = wrap(c, width[i])
		height = max(height, len(parts[i]))
	}
	for n := range height {
		var b strings.Builder
		for i := range cells {
			text := ""
			if n < len(parts[i]) {
				text = parts[i][n]
			}
			b.WriteString(text + strings.Repeat(" ", width[i]-utf8.RuneCountInString(text)+2))
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// wrap breaks a text at spaces into lines of at most n runes. A longer word, such as a path or an address, is broken
// behind one of its separators, or where nothing else is left.
func wrap(s string, n int) []string {
	var lines []string
	var cur []rune
	for _, word := range strings.Fields(s) {
		r := []rune(word)
		if len(cur) > 0 && len(cur)+1+len(r) > n {
			lines = append(lines, string(cur))
			cur = nil
		}
		if len(cur) > 0 {
			cur = append(cur, ' ')
		}
		for len(r) > n {
			at := breakAt(r, n)
			lines = append(lines, string(r[:at]))
			r = r[at:]
		}
		cur = append(cur, r...)
	}
	if len(cur) > 0 || len(lines) == 0 {
		lines = append(lines, string(cur))
	}
	return lines
}

// breakAt finds the last place in the second half of n runes behind which a reader expects a word to be broken.
func breakAt(r []rune, n int) int {
	for i := n; i > n/2; i-- {
		if strings.ContainsRune("/:@_-.", r[i-1]) {
			return i
		}
	}
	return n
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
