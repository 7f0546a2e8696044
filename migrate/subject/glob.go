package subject

import (
	"slices"
	"strings"
	"unicode"
)

// repeat tells how often an element of a glob may occur.
type repeat uint8

const (
	once repeat = iota
	optional
	star
)

// element is one step of a glob: a set of characters and how often one of them may occur.
type element struct {
	runes []rune // sorted
	not   bool   // every character but runes
	rep   repeat
}

func (e element) has(r rune) bool {
	_, found := slices.BinarySearch(e.runes, r)
	return found != e.not
}

// single tells whether the element is exactly one known character, and which.
func (e element) single() (rune, bool) {
	if e.not || len(e.runes) != 1 || e.rep != once {
		return 0, false
	}
	return e.runes[0], true
}

// glob is a sequence of elements: what filters, flexible expressions and conditions compile to.
type glob []element

var anyRune = element{not: true}

// anyText matches every text; someText every text but the empty one.
var (
	anyText  = glob{{not: true, rep: star}}
	someText = glob{anyRune, {not: true, rep: star}}
)

// literal matches exactly the text.
func literal(text string) glob {
	g := make(glob, 0, len(text))
	for _, r := range text {
		g = append(g, element{runes: []rune{r}})
	}
	return g
}

// concat joins globs.
func concat(globs ...glob) glob { return slices.Concat(globs...) }

// folded matches without regard to case, as GitHub's expressions compare strings.
func (g glob) folded() glob {
	out := make(glob, len(g))
	for i, e := range g {
		out[i] = e
		if e.not {
			continue
		}
		var runes []rune
		for _, r := range e.runes {
			runes = append(runes, r, unicode.ToLower(r), unicode.ToUpper(r))
		}
		slices.Sort(runes)
		out[i].runes = slices.Compact(runes)
	}
	return out
}

// filterGlobs compiles a pattern of a branches or tags filter after a prefix. A leading or inner **/ also
// matches no directory at all (github/docs: Filter pattern cheat sheet, **/README.md), which takes a glob of
// its own.
func filterGlobs(prefix glob, patterns ...string) []glob {
	var out []glob
	for _, p := range patterns {
		for _, variant := range withoutDirectories(p, 0) {
			out = append(out, concat(prefix, filterGlob(variant)))
		}
	}
	return out
}

// withoutDirectories gives the pattern, and those in which a **/ is left out.
func withoutDirectories(pattern string, from int) []string {
	const most = 3
	i := strings.Index(pattern[from:], "**/")
	if i < 0 || strings.Count(pattern[from:], "**/") > most {
		return []string{pattern}
	}
	i += from
	out := withoutDirectories(pattern, i+3)
	if i == 0 || pattern[i-1] == '/' {
		out = append(out, withoutDirectories(pattern[:i]+pattern[i+3:], i)...)
	}
	return out
}

// filterGlob compiles a pattern of a branches or tags filter (github/docs: Filter pattern cheat sheet):
// * is anything but a slash, ** anything, ? makes the character before it optional, + repeats it,
// [] is one of several characters, and a backslash takes the next character as it is.
func filterGlob(pattern string) glob {
	var g glob
	rs := []rune(pattern)
	for i := 0; i < len(rs); i++ {
		if rs[i] == '[' {
			if e, end := class(rs, i); end > 0 {
				g = append(g, e)
				i = end
				continue
			}
		}
		repeatable := len(g) > 0 && g[len(g)-1].rep == once
		switch r := rs[i]; {
		case r == '\\' && i+1 < len(rs):
			i++
			g = append(g, element{runes: []rune{rs[i]}})
		case r == '*' && i+1 < len(rs) && rs[i+1] == '*':
			i++
			g = append(g, element{not: true, rep: star})
		case r == '*':
			g = append(g, element{runes: []rune{'/'}, not: true, rep: star})
		case r == '?' && repeatable:
			g[len(g)-1].rep = optional
		case r == '+' && repeatable:
			again := g[len(g)-1]
			again.rep = star
			g = append(g, again)
		default:
			g = append(g, element{runes: []rune{r}})
		}
	}
	return g
}

// class reads [abc0-9] that begins at i, and gives the index of its closing bracket, or -1.
func class(rs []rune, i int) (element, int) {
	end := slices.Index(rs[i:], ']')
	if end < 2 {
		return element{}, -1
	}
	var runes []rune
	body := rs[i+1 : i+end]
	for k := 0; k < len(body); k++ {
		if k+2 < len(body) && body[k+1] == '-' && body[k] <= body[k+2] && body[k+2]-body[k] < 128 {
			for r := body[k]; r <= body[k+2]; r++ {
				runes = append(runes, r)
			}
			k += 2
			continue
		}
		runes = append(runes, body[k])
	}
	slices.Sort(runes)
	return element{runes: slices.Compact(runes)}, i + end
}

// wildcardGlob compiles a pattern of a flexible federated credential: * is any text, ? any one character
// (Microsoft Learn: Flexible federated identity credentials).
func wildcardGlob(pattern string) glob {
	var g glob
	for _, r := range pattern {
		switch r {
		case '*':
			g = append(g, element{not: true, rep: star})
		case '?':
			g = append(g, anyRune)
		default:
			g = append(g, element{runes: []rune{r}})
		}
	}
	return g
}

// wildcard writes the glob with * and ? only. Where that cannot say the same it says more, never less.
func (g glob) wildcard() string {
	var b strings.Builder
	open := false // the last character written is *
	for _, e := range g {
		r, ok := e.single()
		switch {
		case ok:
			b.WriteRune(r)
			open = false
		case e.rep == once:
			if folded, ok := e.foldedRune(); ok {
				b.WriteRune(folded)
			} else {
				b.WriteByte('?')
			}
			open = false
		case !open:
			b.WriteByte('*')
			open = true
		}
	}
	return b.String()
}

// foldedRune gives the character that an element of a case-insensitive glob was made from. Entra compares
// with case, so that a pattern for both cases would be of no use there; the condition's own spelling is.
func (e element) foldedRune() (rune, bool) {
	if e.not || len(e.runes) != 2 || unicode.ToLower(e.runes[0]) != unicode.ToLower(e.runes[1]) {
		return 0, false
	}
	return unicode.ToLower(e.runes[0]), true
}

// literals counts the single characters: the more, the narrower.
func (g glob) literals() int {
	n := 0
	for _, e := range g {
		if _, ok := e.single(); ok {
			n++
		}
	}
	return n
}
