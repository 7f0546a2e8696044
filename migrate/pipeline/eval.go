package pipeline

import (
	"strings"
)

// maxChoices bounds how many combinations of finite values are tried for one text.
const maxChoices = 256

// evaluation is one run over an expression in which each leaf has one of its values. Runs are repeated until every combination has been
// seen, so that a parameter that is named twice has the same value in both places.
type evaluation struct {
	scope  *scope
	picked map[*leaf]int
	order  []*leaf
	at     []int           // position in each leaf's allowed choices
	sides  map[*expr]*leaf // which side an undecided iif takes, by its arguments
}

// pick gives the value that a leaf has in this run.
func (e *evaluation) pick(l *leaf) value {
	allowed := e.scope.allowed(l)
	if len(allowed) == 0 {
		return null
	}
	i, ok := e.picked[l]
	if !ok {
		e.picked[l] = 0
		e.order, e.at = append(e.order, l), append(e.at, 0)
	}
	return l.choice(allowed[i])
}

// next goes to the next combination.
func (e *evaluation) next() bool {
	for i := len(e.order) - 1; i >= 0; i-- {
		l := e.order[i]
		if e.at[i]+1 < len(e.scope.allowed(l)) {
			e.at[i]++
			e.picked[l] = e.at[i]
			e.order, e.at = e.order[:i+1], e.at[:i+1]
			return true
		}
		delete(e.picked, l)
	}
	return false
}

// each evaluates something for every combination of values. Beyond maxChoices the rest is unknown.
func (s *scope) each(run func(*evaluation) value, seen func(*evaluation, value)) {
	e := &evaluation{scope: s, picked: make(map[*leaf]int), sides: make(map[*expr]*leaf)}
	for n := 0; ; n++ {
		if n == maxChoices {
			seen(e, unknown("too many combinations"))
			return
		}
		seen(e, run(e))
		if !e.next() {
			return
		}
	}
}

// leafOf gives everything that an expression or text can be.
func (s *scope) leafOf(run func(*evaluation) value) *leaf {
	out := &leaf{}
	s.each(run, func(_ *evaluation, v value) { out.add(v) })
	return out
}

// narrowing is what a condition tells about the leaves that it depends on.
type narrowing struct {
	parent  *narrowing
	leaf    *leaf
	choices []int
}

func (s *scope) allowed(l *leaf) []int {
	for n := s.narrow; n != nil; n = n.parent {
		if n.leaf == l {
			return n.choices
		}
	}
	all := make([]int, l.size())
	for i := range all {
		all[i] = i
	}
	return all
}

// decide evaluates a condition. then and other are the scopes in which it holds and does not: with fewer choices for what it depends on.
func (s *scope) decide(condition expr) (t tri, then, other *scope) {
	seen := map[bool]map[*leaf]map[int]bool{true: {}, false: {}}
	can := map[bool]bool{}
	mark := func(e *evaluation, outcome bool) {
		can[outcome] = true
		for _, l := range e.order {
			if seen[outcome][l] == nil {
				seen[outcome][l] = make(map[int]bool)
			}
			seen[outcome][l][s.allowed(l)[e.picked[l]]] = true
		}
	}
	complete := true
	s.each(condition.eval, func(e *evaluation, v value) {
		complete = complete && v.text != "too many combinations"
		truth := v.truth()
		if truth != no {
			mark(e, true)
		}
		if truth != yes {
			mark(e, false)
		}
	})
	if !complete {
		return maybe, s, s
	}
	then, other = s.narrowed(seen[true]), s.narrowed(seen[false])
	switch {
	case can[true] && can[false]:
		return maybe, then, other
	case can[true]:
		return yes, then, other
	}
	return no, then, other
}

func (s *scope) narrowed(seen map[*leaf]map[int]bool) *scope {
	c := *s
	for l, choices := range seen {
		if len(choices) == len(s.allowed(l)) {
			continue
		}
		n := &narrowing{parent: c.narrow, leaf: l}
		for _, i := range s.allowed(l) {
			if choices[i] {
				n.choices = append(n.choices, i)
			}
		}
		c.narrow = n
	}
	return &c
}

func (l literal) eval(*evaluation) value { return l.v }

func (n named) eval(e *evaluation) value {
	if l, ok := e.scope.loops[strings.ToLower(n.name)]; ok {
		return e.pick(l)
	}
	switch strings.ToLower(n.name) {
	case "parameters", "variables":
		return unknown(n.name) // used as a whole
	}
	return unknown(n.name)
}

func (x index) eval(e *evaluation) value {
	if n, ok := x.of.(named); ok {
		if l, isLoop := e.scope.loops[strings.ToLower(n.name)]; isLoop {
			return member(e, e.pick(l), x.key.eval(e))
		}
		key, ok := x.key.eval(e).string()
		if !ok {
			return unknown(n.name + "[…]")
		}
		switch strings.ToLower(n.name) {
		case "parameters":
			return e.pick(e.scope.parameter(key))
		case "variables":
			return e.pick(e.scope.variable(key))
		}
		return unknown(n.name + "." + key)
	}
	return member(e, x.of.eval(e), x.key.eval(e))
}

// member takes a member of an object.
func member(e *evaluation, of, key value) value {
	if of.kind == unknownValue || key.kind == unknownValue {
		text, _ := key.string()
		return unknown(strings.Trim(of.text+"."+text, "."))
	}
	if of.kind != objectValue {
		return null
	}
	if of.node.kind == listNode {
		i, ok := key.toNumber()
		if !ok || i < 0 || int(i) >= len(of.node.items) {
			return null
		}
		return e.pick(of.node.items[int(i)].value.asLeaf())
	}
	name, _ := key.string()
	if l := of.node.memberLeaf(name); l != nil {
		return e.pick(l)
	}
	return null
}

// eval of a filter (x.*.name is index{star}) gives the list of an object's values.
func (s star) eval(e *evaluation) value {
	v := s.of.eval(e)
	if v.kind != objectValue {
		return unknown("a filter")
	}
	if v.node.kind == listNode {
		return v
	}
	list := &node{kind: listNode, at: v.node.at}
	for _, p := range v.node.pairs {
		list.items = append(list.items, item{value: p.node()})
	}
	return value{kind: objectValue, node: list}
}

func (c call) eval(e *evaluation) value {
	switch c.name {
	case "and", "or":
		return c.logic(e)
	case "iif":
		return c.iif(e)
	case "coalesce":
		return c.coalesce(e)
	}
	args := make([]value, len(c.args))
	for i, a := range c.args {
		args[i] = a.eval(e)
	}
	f, ok := functions[c.name]
	if !ok || len(args) < f.min || len(args) > f.max {
		return unknown(c.name + "(…)")
	}
	return f.run(args)
}

// logic is and/or: decided as soon as one side decides it.
func (c call) logic(e *evaluation) value {
	out := triOf(c.name == "and")
	for _, a := range c.args {
		t := a.eval(e).truth()
		if c.name == "and" {
			out = min(out, t)
		} else {
			out = max(out, t)
		}
	}
	return out.value()
}

func (c call) iif(e *evaluation) value {
	if len(c.args) != 3 {
		return unknown("iif(…)")
	}
	switch c.args[0].eval(e).truth() {
	case yes:
		return c.args[1].eval(e)
	case no:
		return c.args[2].eval(e)
	}
	// Both are possible: the choice is one more leaf, the same one in every run.
	l := e.sides[&c.args[0]]
	if l == nil {
		l = &leaf{values: []value{boolean(true), boolean(false)}}
		e.sides[&c.args[0]] = l
	}
	if e.pick(l).yes {
		return c.args[1].eval(e)
	}
	return c.args[2].eval(e)
}

// coalesce gives the first value that is neither null nor empty.
func (c call) coalesce(e *evaluation) value {
	for _, a := range c.args {
		v := a.eval(e)
		if s, ok := v.string(); v.kind == unknownValue || !ok || s != "" {
			return v
		}
	}
	return null
}
