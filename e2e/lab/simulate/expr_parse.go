package simulate

import (
	"fmt"
	"math"
	"strings"
)

// expr is a parsed GitHub expression.
type expr interface{}

type (
	literal struct{ v value }
	named   struct{ name string }
	index   struct {
		of  expr
		key expr
	}
	star struct{ of expr } // of.* or of[*]
	call struct {
		name string
		args []expr
	}
	not    struct{ of expr }
	binary struct {
		op   string
		l, r expr
	}
)

// The bounds of GitHub's own parser: actions/runner ExpressionConstants (21,000 characters, 50 levels).
const (
	maxExprLength = 21_000
	maxExprDepth  = 50
)

// parseExpr parses what stands between ${{ and }}.
func parseExpr(src string) (expr, error) {
	if len(src) > maxExprLength {
		return nil, fmt.Errorf("the expression has more than %d characters", maxExprLength)
	}
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks, src: src}
	e, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEnd {
		return nil, p.unexpected(t)
	}
	return e, nil
}

type parser struct {
	toks []token
	pos  int
	src  string
}

func (p *parser) peek() token { return p.toks[p.pos] }

func (p *parser) next() token {
	t := p.toks[p.pos]
	if t.kind != tokEnd {
		p.pos++
	}
	return t
}

func (p *parser) accept(op string) bool {
	if t := p.peek(); t.kind == tokOp && t.text == op {
		p.pos++
		return true
	}
	return false
}

// unexpected words the error as GitHub does.
func (p *parser) unexpected(t token) error {
	if t.kind == tokEnd {
		return says("Unexpected end of expression: '%s'. Located at position %d within expression: %s", t.text, t.at+1, p.src)
	}
	return says("Unexpected symbol: '%s'. Located at position %d within expression: %s", t.text, t.at+1, p.src)
}

func (p *parser) or(depth int) (expr, error) {
	return p.chain(depth, p.and, "||")
}

func (p *parser) and(depth int) (expr, error) {
	return p.chain(depth, p.equality, "&&")
}

func (p *parser) equality(depth int) (expr, error) {
	return p.chain(depth, p.relation, "==", "!=")
}

func (p *parser) relation(depth int) (expr, error) {
	return p.chain(depth, p.unary, "<", "<=", ">", ">=")
}

func (p *parser) chain(depth int, sub func(int) (expr, error), ops ...string) (expr, error) {
	l, err := sub(depth)
	if err != nil {
		return nil, err
	}
	for {
		op, ok := p.acceptAny(ops)
		if !ok {
			return l, nil
		}
		r, err := sub(depth)
		if err != nil {
			return nil, err
		}
		l = binary{op: op, l: l, r: r}
	}
}

func (p *parser) acceptAny(ops []string) (string, bool) {
	for _, op := range ops {
		if p.accept(op) {
			return op, true
		}
	}
	return "", false
}

func (p *parser) unary(depth int) (expr, error) {
	if depth > maxExprDepth {
		return nil, says("Exceeded max expression depth %d", maxExprDepth)
	}
	if p.accept("!") {
		of, err := p.unary(depth + 1)
		return not{of: of}, err
	}
	return p.postfix(depth)
}

func (p *parser) postfix(depth int) (expr, error) {
	e, err := p.primary(depth)
	if err != nil {
		return nil, err
	}
	for n := depth; ; n++ {
		if n > maxExprDepth {
			return nil, says("Exceeded max expression depth %d", maxExprDepth)
		}
		switch {
		case p.accept("."):
			e, err = p.property(e)
		case p.accept("["):
			e, err = p.subscript(e, depth)
		default:
			return e, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) property(of expr) (expr, error) {
	t := p.next()
	if t.kind == tokOp && t.text == "*" {
		return star{of: of}, nil
	}
	if t.kind != tokName {
		return nil, p.unexpected(t)
	}
	return index{of: of, key: literal{t.text}}, nil
}

func (p *parser) subscript(of expr, depth int) (expr, error) {
	if p.accept("*") {
		if !p.accept("]") {
			return nil, p.unexpected(p.peek())
		}
		return star{of: of}, nil
	}
	key, err := p.or(depth + 1)
	if err != nil {
		return nil, err
	}
	if !p.accept("]") {
		return nil, p.unexpected(p.peek())
	}
	return index{of: of, key: key}, nil
}

func (p *parser) primary(depth int) (expr, error) {
	t := p.next()
	switch t.kind {
	case tokString:
		return literal{t.text}, nil
	case tokNumber:
		return literal{t.num}, nil
	case tokName:
		return p.name(t, depth)
	}
	if t.kind == tokOp && t.text == "(" {
		e, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if !p.accept(")") {
			return nil, p.unexpected(p.peek())
		}
		return e, nil
	}
	return nil, p.unexpected(t)
}

func (p *parser) name(t token, depth int) (expr, error) {
	if p.accept("(") {
		return p.call(t, depth)
	}
	switch strings.ToLower(t.text) {
	case "true":
		return literal{true}, nil
	case "false":
		return literal{false}, nil
	case "null":
		return literal{nil}, nil
	case "nan":
		return literal{math.NaN()}, nil
	case "infinity":
		return literal{math.Inf(1)}, nil
	}
	name := strings.ToLower(t.text)
	if !contextNames[name] {
		return nil, says("Unrecognized named-value: '%s'. Located at position %d within expression: %s", t.text, t.at+1, p.src)
	}
	return named{name: name}, nil
}

func (p *parser) call(t token, depth int) (expr, error) {
	name := strings.ToLower(t.text)
	arity, ok := functions[name]
	if !ok {
		return nil, says("Unrecognized function: '%s'. Located at position %d within expression: %s", t.text, t.at+1, p.src)
	}
	var args []expr
	for !p.accept(")") {
		if len(args) > 0 && !p.accept(",") {
			return nil, p.unexpected(p.peek())
		}
		a, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		args = append(args, a)
	}
	if len(args) < arity[0] {
		return nil, says("Too few parameters supplied: '%s'. Located at position %d within expression: %s", t.text, t.at+1, p.src)
	}
	if len(args) > arity[1] {
		return nil, says("Too many parameters supplied: '%s'. Located at position %d within expression: %s", t.text, t.at+1, p.src)
	}
	return call{name: name, args: args}, nil
}

var contextNames = map[string]bool{
	"github": true, "env": true, "vars": true, "secrets": true, "inputs": true, "matrix": true,
	"needs": true, "steps": true, "job": true, "jobs": true, "runner": true, "strategy": true,
}

// functions gives the smallest and largest number of arguments.
var functions = map[string][2]int{
	"contains": {2, 2}, "startswith": {2, 2}, "endswith": {2, 2}, "format": {1, 255}, "join": {1, 2},
	"tojson": {1, 1}, "fromjson": {1, 1}, "hashfiles": {1, 255}, "case": {3, 255},
	"success": {0, 0}, "always": {0, 0}, "failure": {0, 0}, "cancelled": {0, 0},
}

// uses visits every context and status function that an expression names.
func uses(e expr, visit func(context string, function string)) {
	switch x := e.(type) {
	case named:
		visit(x.name, "")
	case index:
		uses(x.of, visit)
		uses(x.key, visit)
	case star:
		uses(x.of, visit)
	case not:
		uses(x.of, visit)
	case binary:
		uses(x.l, visit)
		uses(x.r, visit)
	case call:
		visit("", x.name)
		for _, a := range x.args {
			uses(a, visit)
		}
	}
}
