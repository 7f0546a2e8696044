package subject

// Bounds of the enumeration of worlds. Each is far above what real workflows need; a workflow beyond them is
// judged with less precision, never with fewer subjects.
const (
	maxWorlds   = 1500 // worlds for one job and one trigger
	maxConcrete = 64   // references that are taken one by one
	maxPerPath  = 24   // decisions in one world
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
}

// world is one case: a trigger, and what has been decided about everything that is not fixed.
type world struct {
	*choices
	trigger trigger
	symbols map[string]*symbol
	picked  map[string]int
	ran     map[string]tri
	busy    map[string]bool // what is being evaluated, against circles
}

func newWorld(c *choices, t trigger) *world {
	return &world{choices: c, trigger: t, symbols: map[string]*symbol{}, picked: map[string]int{}, ran: map[string]tri{}, busy: map[string]bool{}}
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
//
// Where the condition's own spelling can occur it stands for all spellings: nobody has branches that differ only in
// case, and a pattern for them would trust more than is meant.
func (w *world) ask(s *symbol, globs []glob) tri {
	folded := make([]glob, len(globs))
	for i, g := range globs {
		folded[i] = g.folded()
	}
	if s.lang.and(folded...).empty() {
		return no
	}
	if s.lang.within(folded...) {
		return yes
	}
	i, ok := w.choose(2)
	switch {
	case !ok:
		return unknown
	case i == 1:
		s.lang = s.lang.without(folded...)
		return no
	}
	spelled := globs
	for _, k := range s.known {
		if oneOf(folded...).contains(k) {
			spelled = append(spelled[:len(spelled):len(spelled)], literal(k))
		}
	}
	if exact := s.lang.and(spelled...); !exact.empty() {
		s.lang = exact
	} else {
		s.lang = s.lang.and(folded...)
	}
	return yes
}
