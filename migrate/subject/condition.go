package subject

import (
	"math"
	"strings"

	"github.com/rhysd/actionlint"
)

// maxDepth bounds how deep expressions refer to each other through inputs and outputs.
const maxDepth = 40

// scope is where an expression stands: a job of a workflow, in one world.
type scope struct {
	w     *world
	f     *frame
	job   *actionlint.Job
	step  bool // in a step of the job rather than in its own keys
	depth int
}

// condition evaluates an if: key. A text with more than one placeholder, or with anything beside it, is no
// condition but a text, which is true unless it is empty (actions/runner#1173).
func (s scope) condition(text string) tri {
	if inner, ok := onlyExpression(text); ok {
		node := s.f.engine.parse(inner)
		if node == nil {
			return unknown
		}
		return s.truthOf(node)
	}
	if !strings.Contains(text, "${{") {
		node := s.f.engine.parse(text)
		if node == nil {
			return unknown
		}
		return s.truthOf(node)
	}
	return s.truthy(s.template(text))
}

// onlyExpression gives what is inside a text that is one placeholder and nothing else.
func onlyExpression(text string) (string, bool) {
	t := strings.TrimSpace(text)
	inner, ok := strings.CutPrefix(t, "${{")
	if !ok || strings.Count(t, "${{") != 1 {
		return "", false
	}
	return strings.CutSuffix(inner, "}}")
}

// template evaluates a text with placeholders. One placeholder alone keeps its type.
func (s scope) template(text string) value {
	if !strings.Contains(text, "${{") {
		return textValue(text)
	}
	var values []value
	for text != "" {
		before, rest, ok := strings.Cut(text, "${{")
		if before != "" {
			values = append(values, textValue(before))
		}
		if !ok {
			break
		}
		node, length := s.f.engine.parsePrefix(rest)
		if node == nil {
			return unknownValue
		}
		values = append(values, s.eval(node))
		text = rest[length:]
	}
	if len(values) == 1 {
		return values[0]
	}
	return concatValues(values...)
}

// truthOf evaluates a node as a condition, with three-valued logic.
func (s scope) truthOf(node actionlint.ExprNode) tri {
	switch n := node.(type) {
	case *actionlint.NotOpNode:
		return s.truthOf(n.Operand).not()
	case *actionlint.LogicalOpNode:
		left := s.truthOf(n.Left)
		if n.Kind == actionlint.LogicalOpNodeKindAnd {
			if left == no {
				return no
			}
			return left.and(s.truthOf(n.Right))
		}
		if left == yes {
			return yes
		}
		return left.or(s.truthOf(n.Right))
	case *actionlint.CompareOpNode:
		return s.compare(n)
	default:
		return s.truthy(s.eval(node))
	}
}

// truthy tells whether a value counts as true: all but false, 0, the empty text, null and NaN.
func (s scope) truthy(v value) tri {
	switch v.kind {
	case kindNull:
		return no
	case kindBool:
		return truth(v.truth)
	case kindNumber:
		return truth(v.number != 0 && !math.IsNaN(v.number))
	case kindObject:
		return yes
	case kindText:
		return s.notEmpty(v)
	default:
		return unknown
	}
}

func (s scope) notEmpty(v value) tri {
	if len(v.parts) == 0 {
		return no
	}
	for _, p := range v.parts {
		if p.symbol == nil && p.text != "" || p.view == refName {
			return yes
		}
	}
	_, p, _, ok := v.single()
	if !ok || p.symbol.loose {
		return unknown
	}
	return s.w.ask(p.symbol, []glob{{}}).not()
}

// eval evaluates a node to a value.
func (s scope) eval(node actionlint.ExprNode) value {
	switch n := node.(type) {
	case *actionlint.NullNode:
		return nullValue
	case *actionlint.BoolNode:
		return boolValue(n.Value)
	case *actionlint.IntNode:
		return numberValue(float64(n.Value))
	case *actionlint.FloatNode:
		return numberValue(n.Value)
	case *actionlint.StringNode:
		return textValue(n.Value)
	case *actionlint.NotOpNode, *actionlint.CompareOpNode:
		return s.truthOf(node).value()
	case *actionlint.LogicalOpNode:
		return s.logical(n)
	case *actionlint.FuncCallNode:
		return s.call(n)
	case *actionlint.VariableNode, *actionlint.ObjectDerefNode, *actionlint.IndexAccessNode:
		return s.access(node)
	default:
		return unknownValue
	}
}

// logical evaluates && and ||, which give one of their operands. Where the left one is not known, the world
// decides for one side.
func (s scope) logical(n *actionlint.LogicalOpNode) value {
	left := s.eval(n.Left)
	t := s.truthy(left)
	if t == unknown {
		i, ok := s.w.choose(2)
		if !ok {
			return unknownValue
		}
		t = truth(i == 0)
		left = assumed(left, t)
	}
	if (n.Kind == actionlint.LogicalOpNodeKindAnd) == (t == yes) {
		return s.eval(n.Right)
	}
	return left
}

// assumed is what an unknown value is after deciding that it counts as true or false.
func assumed(v value, t tri) value {
	if v.kind == kindUnknown && t == no {
		return boolValue(false)
	}
	return v
}

// compare evaluates a comparison (github/docs: Expressions, operators).
func (s scope) compare(n *actionlint.CompareOpNode) tri {
	left, right := s.eval(n.Left), s.eval(n.Right)
	switch n.Kind {
	case actionlint.CompareOpNodeKindEq:
		return s.equal(left, right)
	case actionlint.CompareOpNodeKindNotEq:
		return s.equal(left, right).not()
	default:
		return order(n.Kind, left, right)
	}
}

// equal is loose equality: texts without regard to case, other types as numbers where they differ.
func (s scope) equal(a, b value) tri {
	switch {
	case a.kind == kindUnknown || b.kind == kindUnknown:
		return unknown
	case a.kind == kindText && b.kind == kindText:
		return s.equalText(a, b)
	case a.kind == kindObject && b.kind == kindObject:
		return unknown
	case a.kind == kindNull && b.kind == kindNull:
		return yes
	case a.kind == kindBool && b.kind == kindBool:
		return truth(a.truth == b.truth)
	}
	x, okX := a.asNumber()
	y, okY := b.asNumber()
	if !okX || !okY {
		return unknown
	}
	return truth(x == y)
}

func (s scope) equalText(a, b value) tri {
	x, okX := a.literal()
	y, okY := b.literal()
	switch {
	case okX && okY:
		return truth(strings.EqualFold(x, y))
	case okX:
		return s.equalLiteral(b, x)
	case okY:
		return s.equalLiteral(a, y)
	}
	xb, xp, xa, ok1 := a.single()
	yb, yp, ya, ok2 := b.single()
	if ok1 && ok2 && xp.symbol == yp.symbol && xp.view == yp.view && xb == yb && xa == ya {
		return yes
	}
	return unknown
}

// equalLiteral compares a text that holds symbols with one that does not.
func (s scope) equalLiteral(v value, text string) tri {
	before, p, after, ok := v.single()
	if !ok {
		return unknown
	}
	if len(text) < len(before)+len(after) || !strings.EqualFold(text[:len(before)], before) ||
		!strings.EqualFold(text[len(text)-len(after):], after) {
		return no
	}
	return s.w.ask(p.symbol, p.globs(literal(text[len(before):len(text)-len(after)])))
}

// globs gives the globs of the symbol under which the part, as it is viewed, matches g.
func (p part) globs(g glob) []glob {
	if p.view == whole {
		return []glob{g}
	}
	return []glob{concat(headsPrefix, g), concat(tagsPrefix, g), concat(literal("refs/pull/"), g)}
}

// order evaluates <, <=, > and >=.
func order(kind actionlint.CompareOpNodeKind, a, b value) tri {
	x, okX := a.literal()
	y, okY := b.literal()
	var c float64
	switch {
	case okX && okY:
		c = float64(strings.Compare(strings.ToUpper(x), strings.ToUpper(y)))
	default:
		n, okN := a.asNumber()
		m, okM := b.asNumber()
		if !okN || !okM {
			return unknown
		}
		if math.IsNaN(n) || math.IsNaN(m) {
			return no
		}
		c = n - m
		if math.IsNaN(c) {
			c = 0
		}
	}
	switch kind {
	case actionlint.CompareOpNodeKindLess:
		return truth(c < 0)
	case actionlint.CompareOpNodeKindLessEq:
		return truth(c <= 0)
	case actionlint.CompareOpNodeKindGreater:
		return truth(c > 0)
	case actionlint.CompareOpNodeKindGreaterEq:
		return truth(c >= 0)
	default:
		return unknown
	}
}
