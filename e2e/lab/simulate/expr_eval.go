package simulate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// scope is what an expression can see.
type scope struct {
	contexts map[string]value
	status   status
}

// status is what the status functions answer.
type status struct {
	failed    bool
	cancelled bool
	skipped   bool // a job that this one needs did not run
}

func (s status) success() bool { return !s.failed && !s.cancelled && !s.skipped }

// with gives a scope with one context more, or another one in its place.
func (s scope) with(name string, v value) scope {
	c := make(map[string]value, len(s.contexts)+1)
	for k, old := range s.contexts {
		c[k] = old
	}
	c[name] = v
	return scope{contexts: c, status: s.status}
}

func (s scope) eval(e expr) (value, error) {
	switch x := e.(type) {
	case literal:
		return x.v, nil
	case named:
		return s.contexts[x.name], nil
	case index:
		return s.index(x)
	case star:
		of, err := s.eval(x.of)
		return spread(of), err
	case not:
		of, err := s.eval(x.of)
		if err != nil || isUnknown(of) {
			return of, err
		}
		return !truthy(of), nil
	case binary:
		return s.binary(x)
	case call:
		return s.call(x)
	}
	return nil, fmt.Errorf("an expression of type %T cannot be evaluated", e)
}

func (s scope) index(x index) (value, error) {
	of, err := s.eval(x.of)
	if err != nil {
		return nil, err
	}
	key, err := s.eval(x.key)
	if err != nil {
		return nil, err
	}
	if f, ok := of.(filtered); ok {
		return f.each(key), nil
	}
	return lookup(of, key), nil
}

func lookup(of, key value) value {
	if isUnknown(of) || isUnknown(key) {
		return unknown
	}
	switch x := of.(type) {
	case *object:
		return x.get(text(key))
	case list:
		i := number(key)
		if math.IsNaN(i) || i < 0 || int(i) >= len(x) {
			return nil
		}
		return x[int(i)]
	}
	return nil
}

// filtered is the result of .*: an index on it applies to each item.
type filtered list

func (f filtered) each(key value) value {
	out := filtered{}
	for _, item := range f {
		if o, ok := item.(*object); ok && !isUnknown(key) {
			if o.has(text(key)) {
				out = append(out, o.get(text(key)))
			}
		} else if v := lookup(item, key); v != nil {
			out = append(out, v)
		}
	}
	return out
}

func spread(of value) value {
	if isUnknown(of) {
		return unknown
	}
	out := filtered{}
	switch x := of.(type) {
	case list:
		out = append(out, x...)
	case filtered:
		for _, item := range x {
			if inner, ok := spread(item).(filtered); ok {
				out = append(out, inner...)
			}
		}
	case *object:
		for _, k := range x.keys {
			out = append(out, x.get(k))
		}
	}
	return out
}

func (s scope) binary(x binary) (value, error) {
	l, err := s.eval(x.l)
	if err != nil {
		return nil, err
	}
	if x.op == "&&" || x.op == "||" {
		return s.logic(x, l)
	}
	r, err := s.eval(x.r)
	if err != nil {
		return nil, err
	}
	if isUnknown(l) || isUnknown(r) {
		return unknown, nil
	}
	switch x.op {
	case "==":
		return equal(l, r), nil
	case "!=":
		return !equal(l, r), nil
	}
	return compare(x.op, l, r), nil
}

// logic keeps what is certain: false && unknown is false, true || unknown is true.
func (s scope) logic(x binary, l value) (value, error) {
	stop := func(v value) bool { return truthy(v) == (x.op == "||") }
	if !isUnknown(l) {
		if stop(l) {
			return l, nil
		}
		return s.eval(x.r)
	}
	r, err := s.eval(x.r)
	if err != nil {
		return nil, err
	}
	if isUnknown(r) || !stop(r) {
		return unknown, nil
	}
	return r, nil
}

func equal(l, r value) bool {
	switch x := l.(type) {
	case nil:
		if r == nil {
			return true
		}
	case bool:
		if y, ok := r.(bool); ok {
			return x == y
		}
	case string:
		if y, ok := r.(string); ok {
			return strings.EqualFold(x, y)
		}
	case *object:
		y, ok := r.(*object)
		return ok && x == y
	case list, filtered:
		return false
	}
	switch r.(type) {
	case *object, list, filtered:
		return false
	}
	return number(l) == number(r)
}

func compare(op string, l, r value) bool {
	ls, lok := l.(string)
	rs, rok := r.(string)
	if lok && rok {
		return ordered(op, strings.Compare(strings.ToUpper(ls), strings.ToUpper(rs)))
	}
	a, b := number(l), number(r)
	if math.IsNaN(a) || math.IsNaN(b) {
		return false
	}
	switch {
	case a < b:
		return ordered(op, -1)
	case a > b:
		return ordered(op, 1)
	}
	return ordered(op, 0)
}

func ordered(op string, c int) bool {
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

func (s scope) call(x call) (value, error) {
	switch x.name {
	case "always":
		return true, nil
	case "success":
		return s.status.success(), nil
	case "failure":
		return s.status.failed, nil
	case "cancelled":
		return s.status.cancelled, nil
	}
	args := make([]value, len(x.args))
	for i, a := range x.args {
		v, err := s.eval(a)
		if err != nil {
			return nil, err
		}
		if f, ok := v.(filtered); ok {
			v = list(f)
		}
		args[i] = v
	}
	return apply(x.name, args)
}

func apply(name string, args []value) (value, error) {
	switch name {
	case "hashfiles":
		// The files of a run are not there; any text that is the same each time does.
		return strings.Repeat("0", 64), nil
	case "contains":
		return contains(args[0], args[1]), nil
	case "tojson":
		return toJSON(args[0]), nil
	case "case":
		return choose(args), nil
	}
	for _, a := range args {
		if isUnknown(a) {
			return unknown, nil
		}
	}
	switch name {
	case "startswith":
		return strings.HasPrefix(strings.ToLower(text(args[0])), strings.ToLower(text(args[1]))), nil
	case "endswith":
		return strings.HasSuffix(strings.ToLower(text(args[0])), strings.ToLower(text(args[1]))), nil
	case "join":
		return join(args), nil
	case "format":
		return format(text(args[0]), args[1:])
	case "fromjson":
		v, ok := fromJSON(text(args[0]))
		if !ok {
			return nil, says("Error parsing fromJson")
		}
		return v, nil
	}
	return nil, says("Unrecognized function: '%s'", name)
}

// choose is case(condition, value, …, default).
func choose(args []value) value {
	for i := 0; i+1 < len(args); i += 2 {
		if isUnknown(args[i]) {
			return unknown
		}
		if truthy(args[i]) {
			return args[i+1]
		}
	}
	return args[len(args)-1]
}

func contains(in, what value) value {
	if items, ok := in.(list); ok {
		found := false
		for _, item := range items {
			if !isUnknown(item) && !isUnknown(what) && equal(item, what) {
				return true
			}
			found = found || isUnknown(item)
		}
		if found || isUnknown(what) {
			return unknown
		}
		return false
	}
	if isUnknown(in) || isUnknown(what) {
		return unknown
	}
	if _, ok := in.(*object); ok {
		return false
	}
	return strings.Contains(strings.ToLower(text(in)), strings.ToLower(text(what)))
}

func join(args []value) value {
	sep := ","
	if len(args) > 1 {
		sep = text(args[1])
	}
	items, ok := args[0].(list)
	if !ok {
		return text(args[0])
	}
	parts := make([]string, len(items))
	for i, item := range items {
		parts[i] = text(item)
	}
	return strings.Join(parts, sep)
}

// format replaces {0}, {1}… and reads {{ and }} as braces.
func format(f string, args []value) (value, error) {
	var b strings.Builder
	bad := says("The following format string is invalid: '%s'", f)
	for i := 0; i < len(f); i++ {
		if (f[i] == '{' || f[i] == '}') && i+1 < len(f) && f[i+1] == f[i] {
			b.WriteByte(f[i])
			i++
			continue
		}
		if f[i] == '}' {
			return nil, bad
		}
		if f[i] != '{' {
			b.WriteByte(f[i])
			continue
		}
		end := strings.IndexByte(f[i:], '}')
		if end < 0 {
			return nil, bad
		}
		n, err := strconv.ParseUint(f[i+1:i+end], 10, 8)
		if err != nil || int(n) >= len(args) {
			return nil, bad
		}
		b.WriteString(text(args[n]))
		i += end
	}
	return b.String(), nil
}
