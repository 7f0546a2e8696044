package subject

import (
	"encoding/binary"
	"slices"
	"strings"
)

// maxStates bounds the automaton that answers a question about a language. Beyond it the answer is
// "cannot tell", which every caller takes as the cautious one.
const maxStates = 2000

// other stands for every character that no glob names.
const other = rune(-1)

// clause says that a text matches one of the globs, or none of them.
type clause struct {
	globs []glob
	not   bool
	guard bool // bounds the language, but is too fine to be shown as a pattern
}

// language is the set of texts that meet every clause: the values that a name can still have.
type language struct {
	clauses []clause
}

// oneOf is the language of the texts that match one of the globs.
func oneOf(globs ...glob) language { return language{clauses: []clause{{globs: globs}}} }

// and gives the texts of the language that match one of the globs.
func (l language) and(globs ...glob) language {
	return language{clauses: append(slices.Clip(l.clauses), clause{globs: globs})}
}

// without gives the texts of the language that match none of the globs.
func (l language) without(globs ...glob) language {
	return language{clauses: append(slices.Clip(l.clauses), clause{globs: globs, not: true})}
}

// size is the number of the language's elements, which tells what a question about it costs.
func (l language) size() int {
	n := 1
	for _, c := range l.clauses {
		for _, g := range c.globs {
			n += len(g) + 1
		}
	}
	return n
}

// positive is the language without its exclusions.
func (l language) positive() language {
	var out language
	for _, c := range l.clauses {
		if !c.not {
			out.clauses = append(out.clauses, c)
		}
	}
	return out
}

// contains tells whether the text is in the language.
func (l language) contains(text string) bool {
	for _, c := range l.clauses {
		if slices.ContainsFunc(c.globs, func(g glob) bool { return g.match(text) }) == c.not {
			return false
		}
	}
	return true
}

// match tells whether the text matches the glob.
func (g glob) match(text string) bool {
	cur := g.close(make([]bool, len(g)+1), 0)
	for _, r := range text {
		cur = g.step(cur, r)
	}
	return cur[len(g)]
}

// close adds position i and those reachable from it without a character.
func (g glob) close(set []bool, i int) []bool {
	for ; ; i++ {
		if set[i] {
			return set
		}
		set[i] = true
		if i == len(g) || g[i].rep == once {
			return set
		}
	}
}

// step gives the positions after one more character.
func (g glob) step(cur []bool, r rune) []bool {
	next := make([]bool, len(g)+1)
	for i, e := range g {
		if !cur[i] || !e.has(r) {
			continue
		}
		if e.rep == star {
			g.close(next, i)
		} else {
			g.close(next, i+1)
		}
	}
	return next
}

// automaton is the deterministic automaton of a language, as far as it was explored.
type automaton struct {
	lang    language
	classes [][]rune // characters that no glob tells apart; the last class is other
	states  []product
	accept  []bool
	next    [][]int // by state and class; -1 leads nowhere
	index   map[string]int
	whole   bool // false: there were more than maxStates states
}

// product holds for each clause and glob the positions that it can be at.
type product [][][]bool

func (l language) automaton() *automaton {
	a := &automaton{lang: l, classes: l.alphabet(), index: map[string]int{}, whole: true}
	start := make(product, len(l.clauses))
	for i, c := range l.clauses {
		for _, g := range c.globs {
			start[i] = append(start[i], g.close(make([]bool, len(g)+1), 0))
		}
	}
	a.add(start)
	for s := 0; s < len(a.states); s++ {
		if len(a.states) > maxStates {
			a.whole = false
			return a
		}
		row := make([]int, len(a.classes))
		for k, class := range a.classes {
			row[k] = a.add(a.lang.step(a.states[s], class[0]))
		}
		a.next = append(a.next, row)
	}
	return a
}

// add gives the number of a state, or -1 where nothing can be accepted from it.
func (a *automaton) add(p product) int {
	if a.lang.dead(p) {
		return -1
	}
	key := p.key()
	if n, ok := a.index[key]; ok {
		return n
	}
	n := len(a.states)
	a.index[key] = n
	a.states = append(a.states, p)
	a.accept = append(a.accept, a.lang.accepts(p))
	return n
}

func (l language) step(p product, r rune) product {
	out := make(product, len(p))
	for i, c := range l.clauses {
		out[i] = make([][]bool, len(c.globs))
		for k, g := range c.globs {
			out[i][k] = g.step(p[i][k], r)
		}
	}
	return out
}

// dead tells whether a positive clause has no position left.
func (l language) dead(p product) bool {
	for i, c := range l.clauses {
		if c.not {
			continue
		}
		if !slices.ContainsFunc(p[i], func(set []bool) bool { return slices.Contains(set, true) }) {
			return true
		}
	}
	return false
}

func (l language) accepts(p product) bool {
	for i, c := range l.clauses {
		matched := slices.ContainsFunc(p[i], func(set []bool) bool { return set[len(set)-1] })
		if matched == c.not {
			return false
		}
	}
	return true
}

func (p product) key() string {
	var b strings.Builder
	for _, clause := range p {
		for _, set := range clause {
			writeBits(&b, set)
		}
	}
	return b.String()
}

func writeBits(b *strings.Builder, set []bool) {
	var word uint64
	var buf [8]byte
	for i, on := range set {
		if on {
			word |= 1 << (i % 64)
		}
		if i%64 == 63 || i == len(set)-1 {
			binary.LittleEndian.PutUint64(buf[:], word)
			b.Write(buf[:])
			word = 0
		}
	}
}

// alphabet groups the characters that are named anywhere by who names them; what nobody names is one class.
func (l language) alphabet() [][]rune {
	var named []rune
	for _, c := range l.clauses {
		for _, g := range c.globs {
			for _, e := range g {
				named = append(named, e.runes...)
			}
		}
	}
	slices.Sort(named)
	byMembership := map[string]int{}
	var classes [][]rune
	for _, r := range slices.Compact(named) {
		key := l.membership(r)
		k, ok := byMembership[key]
		if !ok {
			k = len(classes)
			byMembership[key] = k
			classes = append(classes, nil)
		}
		classes[k] = append(classes[k], r)
	}
	return append(classes, []rune{other})
}

func (l language) membership(r rune) string {
	var b strings.Builder
	for _, c := range l.clauses {
		for _, g := range c.globs {
			set := make([]bool, len(g)+1)
			for i, e := range g {
				set[i] = e.has(r)
			}
			writeBits(&b, set)
		}
	}
	return b.String()
}

// empty tells whether no text is in the language; false also where it cannot tell.
func (l language) empty() bool {
	a := l.automaton()
	return a.whole && !slices.Contains(a.accept, true)
}

// within tells whether every text of the language matches one of the globs; false also where it cannot tell.
func (l language) within(globs ...glob) bool { return l.without(globs...).empty() }

// finite gives the texts of the language in order, where there are at most limit.
func (l language) finite(limit int) ([]string, bool) {
	a := l.automaton()
	if !a.whole {
		return nil, false
	}
	e := enumeration{a: a, live: a.live(), limit: limit, path: map[int]bool{}}
	if len(a.states) == 0 || !e.live[0] {
		return nil, true
	}
	if !e.from(0, "") {
		return nil, false
	}
	slices.Sort(e.out)
	return e.out, true
}

// live marks the states from which something is accepted.
func (a *automaton) live() []bool {
	live := slices.Clone(a.accept)
	for changed := true; changed; {
		changed = false
		for s := len(a.next) - 1; s >= 0; s-- {
			if live[s] {
				continue
			}
			if slices.ContainsFunc(a.next[s], func(n int) bool { return n >= 0 && live[n] }) {
				live[s], changed = true, true
			}
		}
	}
	return live
}

// enumeration lists a language as long as it meets no cycle and no character that stands for many.
type enumeration struct {
	a     *automaton
	live  []bool
	limit int
	path  map[int]bool
	out   []string
}

func (e *enumeration) from(state int, text string) bool {
	if e.path[state] {
		return false
	}
	e.path[state] = true
	defer delete(e.path, state)
	if e.a.accept[state] {
		if e.out = append(e.out, text); len(e.out) > e.limit {
			return false
		}
	}
	for k, next := range e.a.next[state] {
		if next < 0 || !e.live[next] {
			continue
		}
		for _, r := range e.a.classes[k] {
			if r == other || !e.from(next, text+string(r)) {
				return false
			}
		}
	}
	return true
}

// wildcards gives patterns with * and ? that together match every text of the language, as narrow as one
// of its clauses is.
func (l language) wildcards() []string {
	var best []glob
	bestScore := -1
	for _, c := range l.clauses {
		if c.not || c.guard {
			continue
		}
		globs, score := l.useful(c.globs)
		if score > bestScore {
			best, bestScore = globs, score
		}
	}
	var out []string
	for _, g := range best {
		out = append(out, g.wildcard())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// useful gives the globs that meet the language at all, and how narrow the widest of them is.
func (l language) useful(globs []glob) ([]glob, int) {
	var out []glob
	score := 1 << 20
	for _, g := range globs {
		if len(globs) > 1 && l.and(g).empty() {
			continue
		}
		out = append(out, g)
		score = min(score, g.literals())
	}
	return out, score
}
