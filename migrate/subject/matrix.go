package subject

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rhysd/actionlint"
)

// maxCombinations is the most jobs that a matrix can make (github/docs: Workflow syntax, strategy.matrix).
const maxCombinations = 256

// combination is one row of a matrix.
type combination map[string]value

// matrix gives a value of the matrix for the combination that the world has decided for.
func (s scope) matrix(name string) value {
	if s.job == nil || s.job.Strategy == nil || s.job.Strategy.Matrix == nil {
		return nullValue
	}
	key := s.f.key + jobID(s.job) + ".matrix"
	if s.w.busy[key] {
		return unknownValue
	}
	s.w.busy[key] = true
	defer delete(s.w.busy, key)
	combinations, ok := s.combinations(s.job.Strategy.Matrix)
	if !ok || len(combinations) == 0 {
		return s.open(key+"."+name, false)
	}
	i, ok := s.w.pick(key, len(combinations))
	if !ok {
		return unknownValue
	}
	if v, ok := combinations[i][name]; ok {
		return v
	}
	return nullValue
}

// combinations builds all rows of a matrix: the product of its lists, less exclude, with include.
func (s scope) combinations(m *actionlint.Matrix) ([]combination, bool) {
	if m.Expression != nil {
		return s.expressionMatrix(m.Expression.Value)
	}
	rows := map[string][]value{}
	for name, row := range m.Rows {
		list, ok := s.row(row)
		if !ok {
			return nil, false
		}
		rows[name] = list
	}
	include, ok1 := s.assignments(m.Include)
	exclude, ok2 := s.assignments(m.Exclude)
	if !ok1 {
		return nil, false
	}
	if !ok2 {
		exclude = nil
	}
	return combine(rows, include, exclude)
}

// expressionMatrix reads matrix: ${{ fromJSON(…) }} where the text is known.
func (s scope) expressionMatrix(text string) ([]combination, bool) {
	v := s.template(text)
	if v.kind != kindObject || v.fields == nil {
		return nil, false
	}
	rows := map[string][]value{}
	var include, exclude []combination
	for name, f := range v.fields {
		if f.kind != kindObject || f.list == nil {
			return nil, false
		}
		switch name {
		case "include":
			include = objects(f.list)
		case "exclude":
			exclude = objects(f.list)
		default:
			rows[name] = f.list
		}
	}
	return combine(rows, include, exclude)
}

func objects(list []value) []combination {
	var out []combination
	for _, v := range list {
		out = append(out, v.fields)
	}
	return out
}

// combine follows GitHub's rule for include: it is added to every combination whose own values it
// does not overwrite, and makes a new one where there is none.
func combine(rows map[string][]value, include, exclude []combination) ([]combination, bool) {
	out := []combination{{}}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		var next []combination
		for _, c := range out {
			for _, v := range rows[name] {
				d := maps.Clone(c)
				d[name] = v
				next = append(next, d)
			}
		}
		if len(next) > maxCombinations {
			return nil, false
		}
		out = next
	}
	if len(rows) == 0 {
		out = nil
	}
	out = slices.DeleteFunc(out, func(c combination) bool {
		return slices.ContainsFunc(exclude, func(e combination) bool { return agrees(e, c, true) })
	})
	original := make([]combination, len(out))
	for i, c := range out {
		original[i] = maps.Clone(c)
	}
	for _, inc := range include {
		added := false
		for i := range original {
			if agrees(inc, original[i], false) {
				maps.Copy(out[i], inc)
				added = true
			}
		}
		if !added {
			out = append(out, maps.Clone(inc))
		}
	}
	return out, len(out) <= maxCombinations
}

// agrees tells whether no value of a contradicts c; with all, whether c has each of them.
func agrees(a, c combination, all bool) bool {
	for name, v := range a {
		w, ok := c[name]
		if !ok {
			if all {
				return false
			}
			continue
		}
		if !sameValue(v, w) {
			return false
		}
	}
	return len(a) > 0
}

func sameValue(a, b value) bool {
	if a.kind == kindObject || b.kind == kindObject || a.kind == kindUnknown || b.kind == kindUnknown {
		return false
	}
	x, ok1 := a.text().literal()
	y, ok2 := b.text().literal()
	return ok1 && ok2 && x == y
}

func (s scope) row(r *actionlint.MatrixRow) ([]value, bool) {
	if r.Expression != nil {
		v := s.template(r.Expression.Value)
		return v.list, v.kind == kindObject && v.list != nil
	}
	out := make([]value, 0, len(r.Values))
	for _, v := range r.Values {
		out = append(out, s.yaml(v))
	}
	return out, true
}

// assignments reads include or exclude.
func (s scope) assignments(cs *actionlint.MatrixCombinations) ([]combination, bool) {
	if cs == nil {
		return nil, true
	}
	if cs.Expression != nil {
		v := s.template(cs.Expression.Value)
		return objects(v.list), v.kind == kindObject && v.list != nil
	}
	var out []combination
	for _, c := range cs.Combinations {
		if c.Expression != nil {
			v := s.template(c.Expression.Value)
			if v.fields == nil {
				return nil, false
			}
			out = append(out, v.fields)
			continue
		}
		row := combination{}
		for name, a := range c.Assigns {
			row[name] = s.yaml(a.Value)
		}
		out = append(out, row)
	}
	return out, true
}

// yaml turns a value of a matrix into one of expressions. Whether a scalar was quoted is not known, so that
// true, false and numbers count as such.
func (s scope) yaml(v actionlint.RawYAMLValue) value {
	switch v := v.(type) {
	case *actionlint.RawYAMLString:
		return s.scalar(v.Value)
	case *actionlint.RawYAMLArray:
		list := make([]value, 0, len(v.Elems))
		for _, e := range v.Elems {
			list = append(list, s.yaml(e))
		}
		return listValue(list)
	case *actionlint.RawYAMLObject:
		fields := map[string]value{}
		for _, name := range slices.Sorted(maps.Keys(v.Props)) {
			fields[name] = s.yaml(v.Props[name])
		}
		return value{kind: kindObject, fields: fields}
	default:
		return unknownValue
	}
}

func (s scope) scalar(text string) value {
	switch text {
	case "true", "false":
		return boolValue(text == "true")
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && !strings.ContainsAny(text, "xXpPiInN_") {
		v := numberValue(n)
		v.raw = text
		return v
	}
	return s.template(text)
}
