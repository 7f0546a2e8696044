package subject

import (
	"slices"
	"strings"
)

// Bounds of the enumeration of worlds. Each is far above what real workflows need; a workflow beyond them is
// judged with less precision, never with fewer subjects.
const (
	maxWorlds    = 1500  // worlds for one job and one trigger
	maxAllWorlds = 20000 // worlds for one workflow
	maxConcrete  = 64    // references that are taken one by one
	maxPerPath   = 24    // decisions in one world
	maxPatterns  = 60    // patterns of one filter
	maxPattern   = 250   // characters of one pattern; git's own limit for a name is near
	maxWork      = 2e7   // what questions about names may cost in one workflow
)

// choices enumerates decisions: the same code runs again and again, and each run takes the next
// combination, until all have been taken.
type choices struct {
	path   []int
	widths []int
	at     int
	frozen bool // too many: no more decisions are offered
}

// choose takes one of n alternatives. It gives false where no decision may be made any more.
func (c *choices) choose(n int) (int, bool) {
	if n == 1 {
		return 0, true
	}
	if c.frozen || (c.at == len(c.path) && c.at >= maxPerPath) {
		return 0, false
	}
	if c.at == len(c.path) {
		c.path = append(c.path, 0)
		c.widths = append(c.widths, n)
	}
	c.at++
	return c.path[c.at-1], true
}

// next moves to the following combination; false where there is none.
func (c *choices) next() bool {
	c.at = 0
	for i := len(c.path) - 1; i >= 0; i-- {
		if c.path[i]++; c.path[i] < c.widths[i] {
			return true
		}
		c.path, c.widths = c.path[:i], c.widths[:i]
	}
	return false
}

// symbol is a text that is not known beforehand, with what is known of it in this world.
type symbol struct {
	name  string
	lang  language
	known []string // values that are sure to occur, such as an input's default
	loose bool     // may be another type than text: from an event's payload
	trail string   // what has been decided about it
}

// verdict is the answer to a question about a symbol in a certain state, worked out once.
type verdict struct {
	answer  tri      // unknown: both can be
	yes, no language // the symbol's language after either
}

// lore is what was worked out about symbols, shared by the worlds of one trigger.
type lore struct {
	work     *int // what is left of maxWork
	verdicts map[string]verdict
	listed   map[string]listing
}

// listing is a language's texts, or patterns where they are not finite.
type listing struct {
	texts  []string
	finite bool
}

func newLore(work *int) *lore {
	return &lore{work: work, verdicts: map[string]verdict{}, listed: map[string]listing{}}
}

// afford tells whether a question about a language of that size may still be asked.
func (l *lore) afford(size int) bool {
	*l.work -= size * size
	return *l.work > 0
}

// list gives the texts that a symbol can be, or patterns for them.
func (l *lore) list(s *symbol) listing {
	key := s.name + "\n" + s.trail
	out, ok := l.listed[key]
	if !ok {
		if l.afford(s.lang.size()) {
			out.texts, out.finite = s.lang.finite(maxConcrete)
		}
		if !out.finite {
			out.texts = s.lang.wildcards()
		}
		l.listed[key] = out
	}
	return listing{texts: slices.Clone(out.texts), finite: out.finite}
}

// world is one case: a trigger, and what has been decided about everything that is not fixed.
type world struct {
	*choices
	trigger trigger
	lore    *lore
	symbols map[string]*symbol
	picked  map[string]int
	ran     map[string]tri
	busy    map[string]bool // what is being evaluated, against circles
}

func newWorld(c *choices, t trigger, l *lore) *world {
	return &world{choices: c, trigger: t, lore: l, symbols: map[string]*symbol{}, picked: map[string]int{}, ran: map[string]tri{}, busy: map[string]bool{}}
}

// symbol gives the symbol of a name, with its language when it is first met.
func (w *world) symbol(name string, first func() *symbol) *symbol {
	s, ok := w.symbols[name]
	if !ok {
		s = first()
		s.name = name
		w.symbols[name] = s
	}
	return s
}

// pick decides once for each name which of n alternatives holds.
func (w *world) pick(name string, n int) (int, bool) {
	if i, ok := w.picked[name]; ok {
		return i, true
	}
	i, ok := w.choose(n)
	if ok {
		w.picked[name] = i
	}
	return i, ok
}

// ask tells whether the symbol matches one of the globs without regard to case. Where both can be, the
// world decides for one, and remembers it in the symbol.
func (w *world) ask(s *symbol, globs []glob) tri {
	key := s.name + "\n" + s.trail + "\n" + globsKey(globs)
	v, ok := w.lore.verdicts[key]
	if !ok {
		if !w.lore.afford(s.lang.size() + oneOf(globs...).size()) {
			return unknown
		}
		v = s.judge(globs)
		w.lore.verdicts[key] = v
	}
	if v.answer != unknown {
		return v.answer
	}
	i, ok := w.choose(2)
	switch {
	case !ok:
		return unknown
	case i == 1:
		s.lang, s.trail = v.no, key+"-"
		return no
	default:
		s.lang, s.trail = v.yes, key+"+"
		return yes
	}
}

// judge works out whether the symbol can match, can differ, or both.
//
// Conditions compare without case, filters with it. Where the condition's own spelling can occur it stands for all
// spellings, and where only an exclusion keeps it out, so does the exclusion: nobody has branches that differ only
// in case, and a pattern for them would trust more than is meant. Where the filters themselves are spelled
// otherwise, their spelling is taken.
func (s *symbol) judge(globs []glob) verdict {
	folded := make([]glob, len(globs))
	for i, g := range globs {
		folded[i] = g.folded()
	}
	spelled := globs
	for _, k := range s.known {
		if oneOf(folded...).contains(k) {
			spelled = append(spelled[:len(spelled):len(spelled)], literal(k))
		}
	}
	v := verdict{yes: s.lang.and(spelled...), no: s.lang.without(folded...)}
	if v.yes.empty() {
		if positive := s.lang.positive().and(spelled...); positive.empty() {
			v.yes = s.lang.and(folded...)
		}
	}
	switch {
	case v.yes.empty():
		v.answer = no
	case v.no.empty():
		v.answer = yes
	}
	return v
}

// globsKey tells globs apart.
func globsKey(globs []glob) string {
	var b strings.Builder
	for _, g := range globs {
		for _, e := range g {
			b.WriteRune(rune(e.rep))
			if e.not {
				b.WriteByte('!')
			}
			b.WriteRune(rune(len(e.runes)))
			b.WriteString(string(e.runes))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
