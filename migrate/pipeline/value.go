package pipeline

import (
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// valueKind is the type of a value in an expression.
type valueKind int

const (
	unknownValue valueKind = iota // cannot be told from the text
	nullValue
	boolValue
	numberValue
	stringValue
	objectValue // a mapping or a list
)

// value is one value of an expression, with where it was written if it is a literal.
type value struct {
	kind   valueKind
	text   string // of a string; of an unknown value, the expression that is not known
	number float64
	yes    bool
	plain  bool // a plain scalar of a parameter without a type, which can be meant as a boolean
	node   *node
	origin source
	twice  bool // the same text is also written at another place
}

// source is a node of a file.
type source struct {
	doc *document
	n   *yaml.Node
}

func unknown(expression string) value { return value{kind: unknownValue, text: expression} }
func str(s string) value              { return value{kind: stringValue, text: s} }
func boolean(b bool) value            { return value{kind: boolValue, yes: b} }
func number(f float64) value          { return value{kind: numberValue, number: f} }

var null = value{kind: nullValue}

// string converts as Azure Pipelines does (Microsoft Learn: Expressions, "Type casting"): true is True, null is empty.
func (v value) string() (string, bool) {
	switch v.kind {
	case stringValue:
		return v.text, true
	case nullValue:
		return "", true
	case boolValue:
		if v.yes {
			return "True", true
		}
		return "False", true
	case numberValue:
		return strconv.FormatFloat(v.number, 'f', -1, 64), true
	}
	return "", false
}

// truth converts to a boolean.
func (v value) truth() tri {
	switch v.kind {
	case unknownValue:
		return maybe
	case nullValue:
		return no
	case boolValue:
		return triOf(v.yes)
	case numberValue:
		return triOf(v.number != 0)
	case stringValue:
		if v.plain && strings.EqualFold(v.text, "false") {
			return maybe
		}
		return triOf(v.text != "")
	}
	return yes
}

// toNumber converts to a number; ok is false where that fails.
func (v value) toNumber() (float64, bool) {
	switch v.kind {
	case numberValue:
		return v.number, true
	case nullValue:
		return 0, true
	case boolValue:
		if v.yes {
			return 1, true
		}
		return 0, true
	case stringValue:
		if strings.TrimSpace(v.text) == "" {
			return 0, true
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(v.text), 64)
		return f, err == nil && !math.IsNaN(f)
	}
	return 0, false
}

// tri is a truth value that can be unknown.
type tri int

const (
	no tri = iota
	maybe
	yes
)

func triOf(b bool) tri {
	if b {
		return yes
	}
	return no
}

func (t tri) value() value {
	switch t {
	case yes:
		return boolean(true)
	case no:
		return boolean(false)
	}
	return unknown("")
}

// equal compares as eq does: the right side is converted to the type of the left; strings without case.
func equal(a, b value) tri {
	if a.kind == unknownValue || b.kind == unknownValue {
		return maybe
	}
	switch a.kind {
	case objectValue:
		return triOf(b.kind == objectValue && a.node == b.node)
	case nullValue:
		if b.kind == stringValue {
			return triOf(b.text == "")
		}
		return triOf(b.kind == nullValue)
	case boolValue:
		return triOf(toBool(b) == a.yes)
	case numberValue:
		f, ok := b.toNumber()
		return triOf(ok && f == a.number)
	}
	s, ok := b.string()
	return triOf(ok && strings.EqualFold(a.text, s))
}

// toBool converts the right side of a comparison with a boolean. A string is read as a boolean's name first: parameters of
// type boolean come as such from templates that pass text.
func toBool(v value) bool {
	if v.kind == stringValue {
		if b, err := strconv.ParseBool(strings.ToLower(v.text)); err == nil {
			return b
		}
	}
	return v.truth() == yes
}

// order compares for gt, lt and the like; ok is false where it cannot be told.
func order(a, b value) (int, bool) {
	if a.kind == stringValue {
		s, ok := b.string()
		return strings.Compare(strings.ToLower(a.text), strings.ToLower(s)), ok
	}
	x, okX := a.toNumber()
	y, okY := b.toNumber()
	switch {
	case !okX || !okY:
		return 0, false
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	}
	return 0, true
}

// leaf is something that is one of a few values: a parameter, a variable, a scalar.
type leaf struct {
	values []value
	open   bool   // it can be something else, too
	expr   string // what keeps it open
}

func known(v value) *leaf { return &leaf{values: []value{v}} }
func openLeaf(expression string) *leaf {
	return &leaf{open: true, expr: expression}
}

// size is the number of choices; that of something else counts as one.
func (l *leaf) size() int {
	if l.open {
		return len(l.values) + 1
	}
	return len(l.values)
}

func (l *leaf) choice(i int) value {
	if i < len(l.values) {
		return l.values[i]
	}
	return unknown(l.expr)
}

// union is either of two leaves.
func union(a, b *leaf) *leaf {
	if a == nil {
		return b
	}
	u := &leaf{open: a.open || b.open, expr: a.expr}
	if u.expr == "" {
		u.expr = b.expr
	}
	for _, v := range append(append([]value(nil), a.values...), b.values...) {
		u.add(v)
	}
	return u
}

// add takes in one more value, once.
func (l *leaf) add(v value) {
	if v.kind == unknownValue {
		l.open = true
		if l.expr == "" {
			l.expr = v.text
		}
		return
	}
	for i, have := range l.values {
		if have.kind == v.kind && have.text == v.text && have.number == v.number && have.yes == v.yes && have.node == v.node {
			l.values[i].twice = have.twice || v.twice || have.origin != v.origin
			return
		}
	}
	l.values = append(l.values, v)
}

// strings gives what the leaf can be as text, without what is empty.
func (l *leaf) strings() []string {
	if l == nil {
		return nil
	}
	var list []string
	for _, v := range l.values {
		if s, ok := v.string(); ok && strings.TrimSpace(s) != "" {
			list = append(list, s)
		}
	}
	return list
}

// only gives the one text that the leaf is.
func (l *leaf) only() (string, bool) {
	if l == nil || l.open || len(l.values) != 1 {
		return "", false
	}
	return l.values[0].string()
}
