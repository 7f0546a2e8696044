package pipeline

import (
	"strconv"
	"strings"
)

type function struct {
	min, max int
	run      func([]value) value
}

// functions are those that give the same at compile time for the same arguments (Microsoft Learn: Expressions, "Functions").
var functions = map[string]function{
	"not": {1, 1, func(a []value) value { return (yes - a[0].truth()).value() }},
	"xor": {2, 2, func(a []value) value {
		x, y := a[0].truth(), a[1].truth()
		if x == maybe || y == maybe {
			return unknown("xor(…)")
		}
		return boolean(x != y)
	}},
	"eq":            {2, 2, func(a []value) value { return equal(a[0], a[1]).value() }},
	"ne":            {2, 2, func(a []value) value { return (yes - equal(a[0], a[1])).value() }},
	"gt":            {2, 2, compare(func(c int) bool { return c > 0 })},
	"ge":            {2, 2, compare(func(c int) bool { return c >= 0 })},
	"lt":            {2, 2, compare(func(c int) bool { return c < 0 })},
	"le":            {2, 2, compare(func(c int) bool { return c <= 0 })},
	"in":            {1, 99, func(a []value) value { return in(a).value() }},
	"notin":         {1, 99, func(a []value) value { return (yes - in(a)).value() }},
	"contains":      {2, 2, onText(strings.Contains)},
	"startswith":    {2, 2, onText(strings.HasPrefix)},
	"endswith":      {2, 2, onText(strings.HasSuffix)},
	"containsvalue": {2, 2, containsValue},
	"lower":         {1, 1, textTo(strings.ToLower)},
	"upper":         {1, 1, textTo(strings.ToUpper)},
	"trim":          {1, 1, textTo(strings.TrimSpace)},
	"replace":       {3, 3, replace},
	"format":        {1, 99, format},
	"join":          {2, 2, join},
	"length":        {1, 1, length},
	"split":         {2, 2, splitText},
}

func compare(holds func(int) bool) func([]value) value {
	return func(a []value) value {
		if a[0].kind == unknownValue || a[1].kind == unknownValue {
			return unknown("a comparison")
		}
		c, ok := order(a[0], a[1])
		return boolean(ok && holds(c))
	}
}

func in(a []value) tri {
	out := no
	for _, v := range a[1:] {
		out = max(out, equal(a[0], v))
	}
	return out
}

func onText(holds func(string, string) bool) func([]value) value {
	return func(a []value) value {
		x, okX := a[0].string()
		y, okY := a[1].string()
		if !okX || !okY {
			return unknown("a comparison of text")
		}
		return boolean(holds(strings.ToLower(x), strings.ToLower(y)))
	}
}

func textTo(f func(string) string) func([]value) value {
	return func(a []value) value {
		s, ok := a[0].string()
		if !ok {
			return a[0].asUnknown()
		}
		return str(f(s))
	}
}

func (v value) asUnknown() value {
	if v.kind == unknownValue {
		return v
	}
	return unknown("an object")
}

func replace(a []value) value {
	s, ok1 := a[0].string()
	from, ok2 := a[1].string()
	to, ok3 := a[2].string()
	if !ok1 || !ok2 || !ok3 {
		return a[0].asUnknown()
	}
	if from == "" {
		return str(s)
	}
	return str(strings.ReplaceAll(s, from, to))
}

// format fills {0}, {1} …; a date format such as {0:yyyy} is not known.
func format(a []value) value {
	s, ok := a[0].string()
	if !ok {
		return a[0].asUnknown()
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "{{"), strings.HasPrefix(s[i:], "}}"):
			b.WriteByte(s[i])
			i++
		case s[i] == '{':
			end := strings.IndexByte(s[i:], '}')
			if end < 0 {
				return unknown("format(…)")
			}
			n, err := strconv.Atoi(s[i+1 : i+end])
			if err != nil || n < 0 || n+1 >= len(a) {
				return unknown("format(…)")
			}
			text, ok := a[n+1].string()
			if !ok {
				return a[n+1].asUnknown()
			}
			b.WriteString(text)
			i += end
		default:
			b.WriteByte(s[i])
		}
	}
	return str(b.String())
}

func join(a []value) value {
	sep, ok := a[0].string()
	if !ok {
		return a[0].asUnknown()
	}
	if a[1].kind != objectValue || a[1].node.kind != listNode {
		return a[1].asText()
	}
	var list []string
	for _, it := range a[1].node.items {
		s, ok := it.value.asLeaf().only()
		if !ok || it.maybe {
			return unknown("join(…)")
		}
		list = append(list, s)
	}
	return str(strings.Join(list, sep))
}

func (v value) asText() value {
	if s, ok := v.string(); ok {
		return str(s)
	}
	return v.asUnknown()
}

func length(a []value) value {
	if s, ok := a[0].string(); ok {
		return number(float64(len([]rune(s))))
	}
	if a[0].kind != objectValue {
		return unknown("length(…)")
	}
	n := a[0].node
	for _, it := range n.items {
		if it.maybe {
			return unknown("length(…)")
		}
	}
	return number(float64(len(n.items) + len(n.pairs)))
}

func containsValue(a []value) value {
	if a[0].kind != objectValue {
		return unknown("containsValue(…)")
	}
	out := no
	check := func(n *node, certain bool) {
		l := n.asLeaf()
		for i := range l.size() {
			t := equal(l.choice(i), a[1])
			if t == yes && (l.size() > 1 || !certain) {
				t = maybe
			}
			out = max(out, t)
		}
	}
	for _, it := range a[0].node.items {
		check(it.value, !it.maybe)
	}
	for _, p := range a[0].node.pairs {
		check(p.node(), !p.maybe)
	}
	return out.value()
}

func splitText(a []value) value {
	s, ok1 := a[0].string()
	by, ok2 := a[1].string()
	if !ok1 || !ok2 {
		return unknown("split(…)")
	}
	list := &node{kind: listNode}
	fields := []string{s}
	if by != "" {
		fields = strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(by, r) })
	}
	for _, f := range fields {
		list.items = append(list.items, item{value: scalar(known(str(f)), source{})})
	}
	return value{kind: objectValue, node: list}
}
