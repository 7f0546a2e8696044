package reports

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/unsecret-dev/unsecret/migrate/policy"
)

func itoa(n int) string { return strconv.Itoa(n) }

// maxText is how much of one text from outside is shown to people. Names are far shorter (GitHub: 100 characters,
// Entra: 256); what is longer is an attack or an accident and would only hide what stands beside it.
const maxText = 1000

// oneLine makes a text from outside safe on one line: no control characters, none that change the reading
// direction (CVE-2021-42574), and none that cannot be seen. The joiners that emoji and scripts need stay.
func oneLine(s string) string {
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
	out := make([]byte, 0, len(json))
	for _, r := range string(json) {
		if r == '\n' || !hidden(r) {
			out = append(out, string(r)...)
			continue
		}
		if r > 0xffff {
			hi, lo := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
			out = append(append(out, escape4(hi)...), escape4(lo)...)
			continue
		}
		out = append(out, escape4(r)...)
	}
	return out
}

func escape4(r rune) string {
	s := strconv.FormatInt(int64(r), 16)
	return `\u` + strings.Repeat("0", 4-len(s)) + s
}
