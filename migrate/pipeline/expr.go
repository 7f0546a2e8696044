package pipeline

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The grammar is that of Azure Pipelines' expressions (Microsoft Learn: Expressions): literals, named values with . and [ ],
// and functions. There are no operators.

// expr is a parsed expression.
type expr interface{ eval(*evaluation) value }

type (
	literal struct{ v value }
	named   struct{ name string }
	index   struct{ of, key expr }
	star    struct{ of expr }
	call    struct {
		name string
		args []expr
	}
)

// maxDepth bounds the nesting of an expression; the service allows 50 (microsoft/azure-pipelines-agent, ExpressionConstants.MaxDepth).
const maxDepth = 50

var errExpression = errors.New("the expression does not parse")

func parseExpr(text string) (expr, error) {
	p := &exprParser{text: text}
	e, err := p.parse(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(text) {
		return nil, fmt.Errorf("%w: unexpected %q", errExpression, text[p.at:])
	}
	return e, nil
}

type exprParser struct {
	text string
	at   int
}

func (p *exprParser) space() {
	for p.at < len(p.text) && isSpace(p.text[p.at]) {
		p.at++
	}
}

// take passes over a byte if it is next.
func (p *exprParser) take(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *exprParser) parse(depth int) (expr, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: it is nested more than %d deep", errExpression, maxDepth)
	}
	e, err := p.primary(depth)
	for err == nil {
		switch {
		case p.take('.'):
			e, err = p.property(e)
		case p.take('['):
			e, err = p.subscript(e, depth)
		default:
			return e, nil
		}
	}
	return nil, err
}

func (p *exprParser) primary(depth int) (expr, error) {
	p.space()
	if p.at >= len(p.text) {
		return nil, fmt.Errorf("%w: it ends early", errExpression)
	}
	c := p.text[p.at]
	switch {
	case c == '\'':
		return p.quoted()
	case c >= '0' && c <= '9', c == '-', c == '+', c == '.':
		return p.number()
	}
	name := p.word()
	if name == "" {
		return nil, fmt.Errorf("%w: unexpected %q", errExpression, p.text[p.at:])
	}
	if p.take('(') {
		return p.call(name, depth)
	}
	switch strings.ToLower(name) {
	case "true", "false":
		return literal{boolean(strings.EqualFold(name, "true"))}, nil
	case "null":
		return literal{null}, nil
	}
	return named{name}, nil
}

func (p *exprParser) quoted() (expr, error) {
	var b strings.Builder
	for i := p.at + 1; i < len(p.text); i++ {
		if p.text[i] != '\'' {
			b.WriteByte(p.text[i])
			continue
		}
		if i+1 < len(p.text) && p.text[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		p.at = i + 1
		return literal{str(b.String())}, nil
	}
	return nil, fmt.Errorf("%w: a string is not closed", errExpression)
}

// number reads a number or a version such as 1.2.3, which is kept as text.
func (p *exprParser) number() (expr, error) {
	start := p.at
	for p.at < len(p.text) && (isWord(p.text[p.at]) || strings.IndexByte(".+", p.text[p.at]) >= 0) {
		p.at++
	}
	text := p.text[start:p.at]
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return literal{number(f)}, nil
	}
	if strings.Count(text, ".") >= 2 && strings.Trim(text, "0123456789.") == "" {
		return literal{str(text)}, nil
	}
	return nil, fmt.Errorf("%w: %q is not a number", errExpression, text)
}

func isWord(c byte) bool {
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (p *exprParser) word() string {
	p.space()
	start := p.at
	for p.at < len(p.text) && isWord(p.text[p.at]) {
		p.at++
	}
	return p.text[start:p.at]
}

func (p *exprParser) property(of expr) (expr, error) {
	if p.take('*') {
		return star{of}, nil
	}
	name := p.word()
	if name == "" {
		return nil, fmt.Errorf("%w: a name must follow the dot", errExpression)
	}
	return index{of, literal{str(name)}}, nil
}

func (p *exprParser) subscript(of expr, depth int) (expr, error) {
	if p.take('*') {
		if !p.take(']') {
			return nil, fmt.Errorf("%w: ] is missing", errExpression)
		}
		return star{of}, nil
	}
	key, err := p.parse(depth + 1)
	if err != nil {
		return nil, err
	}
	if !p.take(']') {
		return nil, fmt.Errorf("%w: ] is missing", errExpression)
	}
	return index{of, key}, nil
}

func (p *exprParser) call(name string, depth int) (expr, error) {
	c := call{name: strings.ToLower(name)}
	if p.take(')') {
		return c, nil
	}
	for {
		arg, err := p.parse(depth + 1)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, arg)
		if p.take(')') {
			return c, nil
		}
		if !p.take(',') {
			return nil, fmt.Errorf("%w: ) is missing", errExpression)
		}
	}
}

// part is a piece of a text: literal, or an expression.
type part struct {
	text string
	expr string
	is   bool // an expression
}

// split cuts a text at its expressions between two markers, such as ${{ and }}. Quotes inside an expression are heeded.
func split(text, open, shut string) []part {
	var parts []part
	for {
		i := strings.Index(text, open)
		if i < 0 {
			break
		}
		end := closing(text[i+len(open):], shut)
		if end < 0 {
			break
		}
		if i > 0 {
			parts = append(parts, part{text: text[:i]})
		}
		inner := text[i+len(open) : i+len(open)+end]
		parts = append(parts, part{text: text[i : i+len(open)+end+len(shut)], expr: strings.TrimSpace(inner), is: true})
		text = text[i+len(open)+end+len(shut):]
	}
	if text != "" {
		parts = append(parts, part{text: text})
	}
	return parts
}

// closing finds the end of an expression outside of quotes.
func closing(text, shut string) int {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\'':
			quoted = !quoted
		case !quoted && strings.HasPrefix(text[i:], shut):
			return i
		}
	}
	return -1
}
