package graph

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// maxClauses is how many alternatives a filter without advanced query capabilities may have (Microsoft Graph,
// known issues: "Filter clause limits").
const maxClauses = 15

// object is a rendered resource.
type object = map[string]any

// predicate is a compiled $filter.
type predicate struct {
	match      func(object) bool
	properties []string // every property that it looks at
	clauses    int      // alternatives: or-operands and members of in
	advanced   bool     // it uses an operator that needs ConsistencyLevel: eventual
}

// filterToken splits a filter into texts, names with paths, numbers, dates and punctuation.
var filterToken = lazy.Regexp(`\s*('(?:[^']|'')*'|[A-Za-z_$][A-Za-z0-9_/$]*|\d[0-9A-Za-z:.+-]*|[(),:])`)

type filterParser struct {
	tokens []string
	p      *predicate
}

// parseFilter compiles the operators that clients of these resources use: eq, ne, ge, gt, le, lt, in, and, or, not,
// startswith, endswith and any.
func parseFilter(text string) (*predicate, error) {
	f := &filterParser{p: &predicate{clauses: 1}}
	for rest := text; strings.TrimSpace(rest) != ""; {
		m := filterToken().FindStringSubmatchIndex(rest)
		if m == nil || m[0] != 0 {
			return nil, fmt.Errorf("syntax error at position %d in '%s'", len(text)-len(rest), text)
		}
		f.tokens = append(f.tokens, rest[m[2]:m[3]])
		rest = rest[m[1]:]
	}
	match, err := f.or()
	if err != nil {
		return nil, err
	}
	if len(f.tokens) > 0 {
		return nil, fmt.Errorf("syntax error at '%s' in '%s'", f.tokens[0], text)
	}
	f.p.match = match
	return f.p, nil
}

func (f *filterParser) peek() string {
	if len(f.tokens) == 0 {
		return ""
	}
	return f.tokens[0]
}

func (f *filterParser) next() string {
	t := f.peek()
	if t != "" {
		f.tokens = f.tokens[1:]
	}
	return t
}

func (f *filterParser) expect(want string) error {
	if got := f.next(); got != want {
		return fmt.Errorf("expected '%s' and found '%s'", want, got)
	}
	return nil
}

func (f *filterParser) or() (func(object) bool, error) {
	left, err := f.and()
	for err == nil && f.peek() == "or" {
		f.next()
		f.p.clauses++
		a := left
		var b func(object) bool
		b, err = f.and()
		left = func(o object) bool { return a(o) || b(o) }
	}
	return left, err
}

func (f *filterParser) and() (func(object) bool, error) {
	left, err := f.unary()
	for err == nil && f.peek() == "and" {
		f.next()
		a := left
		var b func(object) bool
		b, err = f.unary()
		left = func(o object) bool { return a(o) && b(o) }
	}
	return left, err
}

func (f *filterParser) unary() (func(object) bool, error) {
	switch f.peek() {
	case "not":
		f.next()
		f.p.advanced = true
		inner, err := f.unary()
		return func(o object) bool { return !inner(o) }, err
	case "(":
		f.next()
		inner, err := f.or()
		if err != nil {
			return nil, err
		}
		return inner, f.expect(")")
	case "startswith", "endswith":
		return f.function(f.next())
	}
	return f.comparison()
}

func (f *filterParser) function(name string) (func(object) bool, error) {
	test := strings.HasPrefix
	if name == "endswith" {
		test, f.p.advanced = strings.HasSuffix, true
	}
	if err := f.expect("("); err != nil {
		return nil, err
	}
	property := f.property()
	if err := f.expect(","); err != nil {
		return nil, err
	}
	value, err := f.literal()
	if err != nil {
		return nil, err
	}
	match := func(o object) bool {
		have, _ := o[property].(string)
		want, _ := value.(string)
		return test(strings.ToLower(have), strings.ToLower(want))
	}
	return match, f.expect(")")
}

func (f *filterParser) property() string {
	name := f.next()
	f.p.properties = append(f.p.properties, strings.TrimSuffix(strings.TrimSuffix(name, "/any"), "/$count"))
	return name
}

func (f *filterParser) comparison() (func(object) bool, error) {
	property := f.property()
	if list, ok := strings.CutSuffix(property, "/any"); ok {
		return f.any(list)
	}
	if strings.HasSuffix(property, "/$count") {
		f.p.advanced = true
	}
	operator := f.next()
	if operator == "in" {
		return f.in(property)
	}
	value, err := f.literal()
	if err != nil {
		return nil, err
	}
	f.p.advanced = f.p.advanced || operator == "ne"
	compare, ok := operators[operator]
	if !ok {
		return nil, fmt.Errorf("unknown operator '%s' after '%s'", operator, property)
	}
	return func(o object) bool { return compare(order(lookup(o, property), value)) }, nil
}

// operators judge the order of two values; incomparable ones are unequal.
var operators = map[string]func(sign int, comparable bool) bool{
	"eq": func(s int, ok bool) bool { return ok && s == 0 },
	"ne": func(s int, ok bool) bool { return !ok || s != 0 },
	"ge": func(s int, ok bool) bool { return ok && s >= 0 },
	"gt": func(s int, ok bool) bool { return ok && s > 0 },
	"le": func(s int, ok bool) bool { return ok && s <= 0 },
	"lt": func(s int, ok bool) bool { return ok && s < 0 },
}

func (f *filterParser) in(property string) (func(object) bool, error) {
	if err := f.expect("("); err != nil {
		return nil, err
	}
	var values []any
	for {
		v, err := f.literal()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		if f.peek() != "," {
			break
		}
		f.next()
	}
	f.p.clauses += len(values) - 1
	match := func(o object) bool {
		return slices.ContainsFunc(values, func(v any) bool {
			s, ok := order(lookup(o, property), v)
			return ok && s == 0
		})
	}
	return match, f.expect(")")
}

// any reads list/any(x:x eq 'value').
func (f *filterParser) any(list string) (func(object) bool, error) {
	if err := f.expect("("); err != nil {
		return nil, err
	}
	variable := f.next()
	if err := f.expect(":"); err != nil {
		return nil, err
	}
	if err := f.expect(variable); err != nil {
		return nil, err
	}
	if err := f.expect("eq"); err != nil {
		return nil, err
	}
	value, err := f.literal()
	if err != nil {
		return nil, err
	}
	match := func(o object) bool {
		members, _ := o[list].([]any)
		return slices.ContainsFunc(members, func(m any) bool {
			s, ok := order(m, value)
			return ok && s == 0
		})
	}
	return match, f.expect(")")
}

func (f *filterParser) literal() (any, error) {
	switch t := f.next(); {
	case t == "":
		return nil, fmt.Errorf("the expression ends where a value should be")
	case strings.HasPrefix(t, "'"):
		return strings.ReplaceAll(t[1:len(t)-1], "''", "'"), nil
	case t == "true", t == "false":
		return t == "true", nil
	case t == "null":
		return nil, nil
	default:
		return t, nil
	}
}

// lookup reads a property, a path into an object, or the size of a list.
func lookup(o object, path string) any {
	if list, ok := strings.CutSuffix(path, "/$count"); ok {
		members, _ := o[list].([]any)
		return fmt.Sprint(len(members))
	}
	var v any = o
	for _, name := range strings.Split(path, "/") {
		inner, _ := v.(object)
		v = inner[name]
	}
	return v
}

// order compares two values: times as times, texts without regard to case, as the directory does.
func order(a, b any) (sign int, comparable bool) {
	if a == nil || b == nil {
		return 0, a == nil && b == nil
	}
	x, y := fmt.Sprint(a), fmt.Sprint(b)
	t, err1 := time.Parse(time.RFC3339, x)
	u, err2 := time.Parse(time.RFC3339, y)
	if err1 == nil && err2 == nil {
		return t.Compare(u), true
	}
	return strings.Compare(strings.ToLower(x), strings.ToLower(y)), true
}

// filter compiles the request's $filter for a resource and holds it to the service's limits.
func (c *call) filter(resource string, filterable []string) (*predicate, *refusal) {
	text := c.r.URL.Query().Get("$filter")
	if text == "" {
		return &predicate{match: func(object) bool { return true }}, nil
	}
	p, err := parseFilter(text)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "BadRequest", "Invalid filter clause: %v.", err)
	}
	for _, name := range p.properties {
		if !slices.Contains(filterable, name) {
			return nil, refuse(http.StatusBadRequest, "Request_UnsupportedQuery",
				"Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", name, resource)
		}
	}
	query := c.r.URL.Query()
	advanced := strings.EqualFold(c.r.Header.Get("ConsistencyLevel"), "eventual") && query.Get("$count") == "true"
	if p.advanced && !advanced {
		return nil, refuse(http.StatusBadRequest, "Request_UnsupportedQuery",
			"Operator is not supported without advanced query capabilities: set the ConsistencyLevel header to eventual and $count to true.")
	}
	if p.clauses > maxClauses {
		return nil, refuse(http.StatusBadRequest, "Request_UnsupportedQuery",
			"Too many child clauses specified in search filter expression containing 'OR' operators: %d. Max allowed: %d.", p.clauses, maxClauses)
	}
	return p, nil
}
