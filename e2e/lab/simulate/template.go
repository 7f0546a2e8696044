package simulate

import (
	"fmt"
	"math"
	"strings"
	"sync"
)

// segment is one part of a text with expressions: literal text, or an expression.
type segment struct {
	lit string
	e   expr // nil for literal text
	src string
}

// splitTemplate finds the ${{ … }} of a text. A quote inside an expression may hold }}.
func splitTemplate(s string) ([]segment, error) {
	var out []segment
	for {
		start := strings.Index(s, "${{")
		if start < 0 {
			if s != "" || len(out) == 0 {
				out = append(out, segment{lit: s})
			}
			return out, nil
		}
		if start > 0 {
			out = append(out, segment{lit: s[:start]})
		}
		end := exprEnd(s[start+3:])
		if end < 0 {
			return nil, says("The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found.")
		}
		src := s[start+3 : start+3+end]
		e, err := parsed(strings.TrimSpace(src))
		if err != nil {
			return nil, err
		}
		out = append(out, segment{e: e, src: src})
		s = s[start+3+end+2:]
	}
}

func exprEnd(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		if s[i] == '\'' {
			quoted = !quoted
		}
		if !quoted && strings.HasPrefix(s[i:], "}}") {
			return i
		}
	}
	return -1
}

var parsedExprs sync.Map // source → parsedExpr: the same few expressions come again and again

type parsedExpr struct {
	e   expr
	err error
}

func parsed(src string) (expr, error) {
	if hit, ok := parsedExprs.Load(src); ok {
		p := hit.(parsedExpr)
		return p.e, p.err
	}
	e, err := parseExpr(src)
	if len(src) < 1000 {
		parsedExprs.Store(src, parsedExpr{e, err})
	}
	return e, err
}

// expand evaluates the expressions of a text. A text that is one expression keeps the expression's type.
func (s scope) expand(src string) (value, error) {
	if !strings.Contains(src, "${{") {
		return src, nil
	}
	segs, err := splitTemplate(src)
	if err != nil {
		return nil, err
	}
	if len(segs) == 1 && segs[0].e != nil {
		v, err := s.eval(segs[0].e)
		return unfilter(v), err
	}
	var b strings.Builder
	for _, seg := range segs {
		if seg.e == nil {
			b.WriteString(seg.lit)
			continue
		}
		v, err := s.eval(seg.e)
		if err != nil {
			return nil, err
		}
		b.WriteString(text(unfilter(v)))
	}
	return b.String(), nil
}

func unfilter(v value) value {
	if f, ok := v.(filtered); ok {
		return list(f)
	}
	return v
}

// expandText is expand, as a text.
func (s scope) expandText(src string) (string, error) {
	v, err := s.expand(src)
	return text(v), err
}

// value turns a YAML value into an expression value and evaluates every expression in it.
func (s scope) value(n *node) (value, error) {
	if n.isNull() {
		return nil, nil
	}
	switch n.kind {
	case listNode:
		out := list{}
		for _, item := range n.items {
			v, err := s.value(item)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case mapNode:
		return s.objectOf(n)
	}
	return s.scalar(n)
}

func (s scope) objectOf(n *node) (value, error) {
	out := newObject()
	for _, p := range n.pairs {
		key, err := s.expandText(p.key)
		if err != nil {
			return nil, err
		}
		v, err := s.value(p.value)
		if err != nil {
			return nil, err
		}
		out.set(key, v)
	}
	return out, nil
}

func (s scope) scalar(n *node) (value, error) {
	switch n.tag {
	case "!!bool":
		return strings.EqualFold(n.text, "true"), nil
	case "!!int", "!!float":
		if f := parseNumber(n.text); !math.IsNaN(f) {
			return f, nil
		}
	}
	return s.expand(n.text)
}

// condition decides an if: success() && is in front of it unless it names a status function itself. What only the real run knows counts as true, so that a login behind it is tried.
func (s scope) condition(src string) (bool, error) {
	e, err := parseCondition(src)
	if err != nil {
		return false, err
	}
	if e == nil {
		return s.status.success(), nil
	}
	if !namesStatus(e) && !s.status.success() {
		return false, nil
	}
	v, err := s.eval(e)
	if err != nil {
		return false, err
	}
	return isUnknown(v) || truthy(v), nil
}

// parseCondition reads an if: an expression with or without ${{ }}, or a text with several of them, which is
// never empty and so always true.
func parseCondition(src string) (expr, error) {
	src = strings.TrimSpace(src)
	if src == "" {
		return nil, nil
	}
	if !strings.Contains(src, "${{") {
		return parsed(src)
	}
	segs, err := splitTemplate(src)
	if err != nil {
		return nil, err
	}
	if len(segs) == 1 {
		return segs[0].e, nil
	}
	f := call{name: "format", args: []expr{literal{""}}}
	var pattern strings.Builder
	for _, seg := range segs {
		if seg.e == nil {
			pattern.WriteString(strings.NewReplacer("{", "{{", "}", "}}").Replace(seg.lit))
			continue
		}
		fmt.Fprintf(&pattern, "{%d}", len(f.args)-1)
		f.args = append(f.args, seg.e)
	}
	f.args[0] = literal{pattern.String()}
	return f, nil
}

func namesStatus(e expr) bool {
	found := false
	uses(e, func(_, function string) {
		switch function {
		case "always", "success", "failure", "cancelled":
			found = true
		}
	})
	return found
}
