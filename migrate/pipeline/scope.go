package pipeline

import (
	"strings"
)

// scope is what an expression can name at its place.
type scope struct {
	doc    *document
	params map[string]*leaf // by lower-case name
	loops  map[string]*leaf // variables of ${{ each }}, by lower-case name
	vars   *variables
	narrow *narrowing
}

// parameter gives a template parameter. One that is not declared is remembered, so that it is the same wherever it is named.
func (s *scope) parameter(name string) *leaf {
	key := strings.ToLower(name)
	if l, ok := s.params[key]; ok {
		return l
	}
	l := openLeaf("parameters." + name)
	s.params[key] = l
	return l
}

// variable gives a variable, as far as the text tells.
func (s *scope) variable(name string) *leaf { return s.vars.lookup(name) }

// with is the scope with one more loop variable.
func (s *scope) with(name string, l *leaf) *scope {
	c := *s
	c.loops = make(map[string]*leaf, len(s.loops)+1)
	for k, v := range s.loops {
		c.loops[k] = v
	}
	c.loops[strings.ToLower(name)] = l
	return &c
}

// in is the scope with other variables; nil keeps them.
func (s *scope) in(vars *variables) *scope {
	if vars == nil {
		return s
	}
	c := *s
	c.vars = vars
	return &c
}

// variables are those of a pipeline, a stage or a job; inner ones win.
type variables struct {
	parent  *variables
	byName  map[string]*leaf
	groups  []string // variable groups whose content is not known
	unknown map[string]*leaf
}

func newVariables(parent *variables) *variables {
	return &variables{parent: parent, byName: make(map[string]*leaf)}
}

// set defines a variable; where it is only perhaps defined, what it was before stays possible.
func (v *variables) set(name string, l *leaf, maybe bool) {
	key := strings.ToLower(name)
	if maybe {
		if have, ok := v.find(key); ok {
			l = union(have, l)
		}
	}
	v.byName[key] = l
}

func (v *variables) find(key string) (*leaf, bool) {
	for ; v != nil; v = v.parent {
		if l, ok := v.byName[key]; ok {
			return l, true
		}
	}
	return nil, false
}

// lookup gives a variable. One that is not defined in the text can come from a group, the definition or the service.
func (v *variables) lookup(name string) *leaf {
	key := strings.ToLower(name)
	if l, ok := v.find(key); ok {
		return l
	}
	if v.unknown == nil {
		v.unknown = make(map[string]*leaf)
	}
	l, ok := v.unknown[key]
	if !ok {
		l = openLeaf("variables." + name)
		v.unknown[key] = l
	}
	return l
}

// unknownGroups lists the groups in scope whose content is not known.
func (v *variables) unknownGroups() []string {
	var list []string
	for ; v != nil; v = v.parent {
		list = append(list, v.groups...)
	}
	return list
}
