package reports

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/unsecret-dev/unsecret/migrate/policy"
)

func itoa(n int) string { return strconv.Itoa(n) }

// maxText is how much of one text from outside is shown to people. Names are far shorter (GitHub: 100 characters,
// Entra: 256); what is longer is an attack or an accident and would only hide what stands beside it.
const maxText = 1000

// oneLine makes a text from outside safe on one line: no control characters, none that change the reading
// direction (CVE-2021-42574), and none that cannot be seen. The joiners that emoji and scripts need stay.
func oneLine(s string) string {
	if plainASCII(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		case r == '\u200c' || r == '\u200d':
			return r
		case hidden(r):
			return '\ufffd'
		}
		return r
	}, s)
}

// plainASCII tells that a text, as nearly all are, holds nothing to look at more closely.
func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// hidden tells whether a character is not seen itself but changes what is: control and format characters, which
// include those for reading direction, and the separators of lines.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// clip makes a text safe on one line and shortens it to what a person can read.
func clip(s string) string {
	s = oneLine(s)
	if len(s) <= maxText {
		return s
	}
	runes := []rune(s)
	if len(runes) <= maxText {
		return s
	}
	return string(runes[:maxText]) + "… (" + itoa(len(runes)-maxText) + " more characters)"
}

// place names where a finding is, for a reader: a file and line, or the object.
func place(f policy.Finding) string {
	if f.File == "" {
		return f.Object
	}
	p := f.File
	if f.Repository != "" {
		p = string(f.Repository) + "/" + f.File
	}
	if f.Line > 0 {
		p += ":" + itoa(f.Line)
	}
	return p
}

// count writes a number with its noun in the right form, such as "1 unit" or "2 units".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return itoa(n) + " " + noun + "s"
}

// escapeHidden writes the characters of JSON that could act on a terminal or an editor as escapes. A reader of JSON gets
// the same texts: such characters can only be inside strings.
func escapeHidden(json []byte) []byte {
	out := make([]byte, 0, len(json)+len(json)/64)
	for i := 0; i < len(json); {
		r, size := rune(json[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(json[i:])
		}
		switch {
		case r == '\n' || r >= ' ' && r <= '~' || !hidden(r):
			out = append(out, json[i:i+size]...)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = append(append(out, escape4(hi)...), escape4(lo)...)
		default:
			out = append(out, escape4(r)...)
		}
		i += size
	}
	return out
}

func escape4(r rune) string {
	s := strconv.FormatInt(int64(r), 16)
	return `\u` + strings.Repeat("0", 4-len(s)) + s
}
