package simulate

import (
	"strings"
)

// maxCombinations is GitHub's limit for one matrix.
const maxCombinations = 256

var (
	errMatrixSize  = says("The strategy configuration resulted in too many jobs: more than 256")
	errMatrixEmpty = says("Matrix vector does not contain any values")
	errMatrixShape = says("Unexpected value of strategy.matrix")
)

// combinations unfolds a matrix. A matrix that only the real run knows counts as one combination with unknown
// values.
func combinations(sc scope, n *node) ([]*object, error) {
	if n.isNull() {
		return []*object{newObject()}, nil
	}
	v, err := sc.value(n)
	if err != nil {
		return nil, err
	}
	if isUnknown(v) {
		return []*object{open(newObject())}, nil
	}
	m, ok := v.(*object)
	if !ok {
		return nil, errMatrixShape
	}
	combos := []*object{newObject()}
	vectors := 0
	for _, k := range m.keys {
		if low := strings.ToLower(k); low == "include" || low == "exclude" {
			continue
		}
		vectors++
		if combos, err = multiply(combos, k, m.get(k)); err != nil {
			return nil, err
		}
	}
	if vectors == 0 {
		combos = nil
	}
	combos = exclude(combos, m.get("exclude"))
	combos = include(combos, m.get("include"), m)
	switch {
	case len(combos) > maxCombinations:
		return nil, errMatrixSize
	case len(combos) == 0:
		return nil, errMatrixEmpty
	}
	return combos, nil
}

func multiply(combos []*object, key string, v value) ([]*object, error) {
	if isUnknown(v) {
		v = list{unknown}
	}
	items, ok := v.(list)
	if !ok {
		return nil, errMatrixShape
	}
	if len(items) == 0 {
		return nil, errMatrixEmpty
	}
	if len(combos)*len(items) > maxCombinations*4 {
		return nil, errMatrixSize
	}
	var out []*object
	for _, c := range combos {
		for _, item := range items {
			out = append(out, c.clone().set(key, item))
		}
	}
	return out, nil
}

func exclude(combos []*object, v value) []*object {
	rules, _ := v.(list)
	var out []*object
	for _, c := range combos {
		hit := false
		for _, rule := range rules {
			if o, ok := rule.(*object); ok && matches(c, o) {
				hit = true
			}
		}
		if !hit {
			out = append(out, c)
		}
	}
	return out
}

func matches(c, rule *object) bool {
	for _, k := range rule.keys {
		if isUnknown(rule.get(k)) || !c.has(k) || !same(c.get(k), rule.get(k)) {
			return false
		}
	}
	return true
}

func same(a, b value) bool {
	if isComposite(a) || isComposite(b) {
		return toJSON(a) == toJSON(b)
	}
	return equal(a, b)
}

// include adds to every combination whose original values it does not change, and else becomes one itself
// (github/docs, "Expanding or adding matrix configurations").
func include(combos []*object, v value, m *object) []*object {
	if isUnknown(v) {
		if len(combos) == 0 {
			return []*object{open(newObject())}
		}
		return combos
	}
	entries, _ := v.(list)
	originals := len(combos)
	out := append([]*object(nil), combos...)
	for _, e := range entries {
		entry, ok := e.(*object)
		if !ok {
			if isUnknown(e) {
				out = append(out, open(newObject()))
			}
			continue
		}
		if !extend(out[:originals], entry, m) {
			out = append(out, entry.clone())
		}
	}
	return out
}

func extend(combos []*object, entry, m *object) bool {
	added := false
	for _, c := range combos {
		fits := true
		for _, k := range entry.keys {
			if m.has(k) && !same(c.get(k), entry.get(k)) {
				fits = false
			}
		}
		if !fits {
			continue
		}
		added = true
		for _, k := range entry.keys {
			c.set(k, entry.get(k))
		}
	}
	return added
}
