package simulate

import (
	"regexp"
	"strings"
	"sync"
)

// matchAny applies a list of filter patterns in order: a later ! takes out, a later positive one takes in again
// (github/docs, workflow syntax "Filter pattern cheat sheet").
func matchAny(patterns []string, name string) bool {
	in := false
	for _, p := range patterns {
		if neg, ok := strings.CutPrefix(p, "!"); ok {
			if in && glob(neg, name) {
				in = false
			}
			continue
		}
		if !in && glob(p, name) {
			in = true
		}
	}
	return in
}

var globs sync.Map // pattern → *regexp.Regexp or nil

func glob(pattern, name string) bool {
	hit, ok := globs.Load(pattern)
	if !ok {
		re, err := regexp.Compile(globRegexp(pattern))
		if err != nil {
			re = nil
		}
		hit, _ = globs.LoadOrStore(pattern, re)
	}
	if re := hit.(*regexp.Regexp); re != nil {
		return re.MatchString(name)
	}
	return pattern == name
}

// globRegexp translates: * stays within a segment, ** does not, ? and + repeat the character before, […] is a
// class, \ takes the next character literally. A leading or inner **/ also matches no directory at all.
func globRegexp(p string) string {
	var b strings.Builder
	b.WriteString("^")
	for i := 0; i < len(p); i++ {
		switch c := p[i]; c {
		case '*':
			switch {
			case strings.HasPrefix(p[i:], "**/") && (i == 0 || p[i-1] == '/'):
				b.WriteString("(?:.*/)?")
				i += 2
			case strings.HasPrefix(p[i:], "**"):
				b.WriteString(".*")
				i++
			default:
				b.WriteString("[^/]*")
			}
		case '?', '+':
			if i == 0 || strings.IndexByte("*?+", p[i-1]) >= 0 {
				b.WriteString(regexp.QuoteMeta(string(c)))
				continue
			}
			b.WriteByte(c)
		case '[':
			end := strings.IndexByte(p[i:], ']')
			if end < 2 {
				b.WriteString(`\[`)
				continue
			}
			b.WriteString("[" + strings.NewReplacer(`\`, `\\`, "^", `\^`, "[", `\[`).Replace(p[i+1:i+end]) + "]")
			i += end
		case '\\':
			if i+1 < len(p) {
				i++
			}
			b.WriteString(regexp.QuoteMeta(string(p[i])))
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return b.String() + "$"
}
