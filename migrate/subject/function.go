package subject

import (
	"strconv"
	"strings"

	"github.com/rhysd/actionlint"
)

// call evaluates a function (github/docs: Expressions, functions). hashFiles and what is not known give an
// unknown value.
func (s scope) call(n *actionlint.FuncCallNode) value {
	name := strings.ToLower(n.Callee)
	switch name {
	case "success", "failure", "always", "cancelled":
		return s.status(name).value()
	case "case":
		return s.caseOf(n.Args)
	}
	args := make([]value, 0, len(n.Args))
	for _, a := range n.Args {
		args = append(args, s.eval(a))
	}
	switch {
	case name == "contains" && len(args) == 2:
		return s.contains(args[0], args[1]).value()
	case name == "startswith" && len(args) == 2:
		return s.affix(args[0], args[1], strings.HasPrefix, func(g glob) glob { return concat(g, anyText) }).value()
	case name == "endswith" && len(args) == 2:
		return s.affix(args[0], args[1], strings.HasSuffix, func(g glob) glob { return concat(anyText, g) }).value()
	case name == "format" && len(args) >= 1:
		return format(args[0], args[1:])
	case name == "join" && len(args) >= 1:
		return join(args)
	case name == "fromjson" && len(args) == 1:
		return fromJSON(args[0])
	case name == "tojson" && len(args) == 1:
		return toJSON(args[0])
	default:
		return unknownValue
	}
}

// status evaluates the functions about the jobs before. A job may always fail or be cancelled.
func (s scope) status(name string) tri {
	switch {
	case name == "always":
		return yes
	case name == "cancelled", s.step: // a step before may fail
		return unknown
	case name == "success" && !s.needsRan():
		return no
	case name == "success" && len(s.job.Needs) == 0:
		return yes
	case name == "failure" && !s.mayHaveFailed():
		return no
	default:
		return unknown
	}
}

// caseOf evaluates case(condition, value, …, default).
func (s scope) caseOf(args []actionlint.ExprNode) value {
	for len(args) >= 2 {
		t := s.truthOf(args[0])
		if t == unknown {
			i, ok := s.w.choose(2)
			if !ok {
				return unknownValue
			}
			t = truth(i == 0)
		}
		if t == yes {
			return s.eval(args[1])
		}
		args = args[2:]
	}
	if len(args) == 1 {
		return s.eval(args[0])
	}
	return unknownValue
}

// contains looks for an item in a list, or for a text in a text.
func (s scope) contains(where, item value) tri {
	if where.kind == kindUnknown || item.kind == kindUnknown {
		return unknown
	}
	if where.kind == kindObject {
		if where.list == nil {
			return unknown
		}
		found := no
		for _, e := range where.list {
			if found = found.or(s.equal(e, item)); found == yes {
				return yes
			}
		}
		return found
	}
	where, item = where.text(), item.text()
	if x, ok := where.literal(); ok {
		if y, ok := item.literal(); ok {
			return truth(strings.Contains(strings.ToLower(x), strings.ToLower(y)))
		}
		return s.partOf(item, x)
	}
	return s.affix(where, item, strings.Contains, func(g glob) glob { return concat(anyText, g, anyText) })
}

// partOf tells whether a text that holds a symbol is a part of a short literal one.
func (s scope) partOf(item value, text string) tri {
	const longest = 24
	before, p, after, ok := item.single()
	if !ok || before != "" || after != "" || len(text) > longest || p.symbol.loose {
		return unknown
	}
	var globs []glob
	for i := range len(text) {
		for k := i + 1; k <= len(text); k++ {
			globs = append(globs, p.globs(literal(text[i:k]))...)
		}
	}
	return s.w.ask(p.symbol, append(globs, p.globs(glob{})...))
}

// affix evaluates startsWith, endsWith and contains of texts, without regard to case.
func (s scope) affix(where, what value, test func(s, sub string) bool, wrap func(glob) glob) tri {
	where, what = where.text(), what.text()
	text, ok := what.literal()
	if !ok || where.kind != kindText {
		return unknown
	}
	if w, ok := where.literal(); ok {
		return truth(test(strings.ToLower(w), strings.ToLower(text)))
	}
	before, p, after, ok := where.single()
	if !ok || before != "" || after != "" || p.symbol.loose {
		return unknown
	}
	return s.w.ask(p.symbol, p.globs(wrap(literal(text))))
}

// format replaces {0}, {1}, …; {{ and }} stand for braces.
func format(pattern value, args []value) value {
	text, ok := pattern.literal()
	if !ok {
		return unknownValue
	}
	var out []value
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "{{"), strings.HasPrefix(text[i:], "}}"):
			b.WriteByte(text[i])
			i++
		case text[i] == '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return unknownValue
			}
			n, err := strconv.Atoi(text[i+1 : i+end])
			if err != nil || n < 0 || n >= len(args) {
				return unknownValue
			}
			out = append(out, textValue(b.String()), args[n])
			b.Reset()
			i += end
		default:
			b.WriteByte(text[i])
		}
	}
	return concatValues(append(out, textValue(b.String()))...)
}

func join(args []value) value {
	separator := textValue(",")
	if len(args) > 1 {
		separator = args[1]
	}
	if args[0].kind != kindObject {
		return args[0].text()
	}
	if args[0].list == nil {
		return unknownValue
	}
	var out []value
	for i, e := range args[0].list {
		if i > 0 {
			out = append(out, separator)
		}
		out = append(out, e)
	}
	return concatValues(out...)
}

func fromJSON(v value) value {
	text, ok := v.literal()
	if !ok {
		return unknownValue
	}
	out, _ := decodeJSON(text)
	return out
}

// toJSON writes scalars; lists and mappings stay unknown, since nobody names an environment so.
func toJSON(v value) value {
	switch v.kind {
	case kindNull:
		return textValue("null")
	case kindBool, kindNumber:
		return v.text()
	case kindText:
		if s, ok := v.literal(); ok {
			return textValue(strconv.Quote(s))
		}
	}
	return unknownValue
}
