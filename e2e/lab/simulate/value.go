package simulate

import (
	"encoding/json"
	"errors"
	"math"
	"sort"
	"strconv"
	"strings"
)

// An expression's value is nil, bool, float64, string, list, *object or unknown.
type (
	value any
	list  []value
)

// object is a map with GitHub's case-insensitive keys, in the order they were set.
type object struct {
	keys   []string
	values map[string]value
	// open says that a key that is not set holds something that only the real run knows.
	open bool
}

func newObject() *object { return &object{values: map[string]value{}} }

func (o *object) set(key string, v value) *object {
	low := strings.ToLower(key)
	if _, ok := o.values[low]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[low] = v
	return o
}

func (o *object) get(key string) value {
	if v, ok := o.values[strings.ToLower(key)]; ok {
		return v
	}
	if o.open {
		return unknown
	}
	return nil
}

func (o *object) has(key string) bool {
	_, ok := o.values[strings.ToLower(key)]
	return ok
}

// clone copies the object, not what it holds.
func (o *object) clone() *object {
	c := newObject()
	c.open = o.open
	for _, k := range o.keys {
		c.set(k, o.get(k))
	}
	return c
}

// overlay gives a copy with the other's keys on top.
func (o *object) overlay(top *object) *object {
	c := o.clone()
	for _, k := range top.keys {
		c.set(k, top.get(k))
	}
	return c
}

// mark is the text of a value that only the real run knows: what an action that the simulator cannot look into
// put into an output. It survives being put into other texts, so that they are known to be unknown too.
const mark = "\ue0ff"

// unknown is the value that only the real run knows.
const unknown = mark

func isUnknown(v value) bool {
	s, ok := v.(string)
	return ok && strings.Contains(s, mark)
}

// truthy is GitHub's conversion to a boolean; an unknown value must be asked for first.
func truthy(v value) bool {
	switch x := v.(type) {
	case nil:
		return false
	case bool:
		return x
	case float64:
		return x != 0 && !math.IsNaN(x)
	case string:
		return x != ""
	default:
		return true
	}
}

// number is GitHub's conversion to a number.
func number(v value) float64 {
	switch x := v.(type) {
	case nil:
		return 0
	case bool:
		if x {
			return 1
		}
		return 0
	case float64:
		return x
	case string:
		return parseNumber(x)
	default:
		return math.NaN()
	}
}

func parseNumber(s string) float64 {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0
	}
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0o") {
		if n, err := strconv.ParseInt(s, 0, 64); err == nil {
			return float64(n)
		}
		return math.NaN()
	}
	if strings.ContainsAny(s, "_xXpP") {
		return math.NaN()
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return n
}

// text is GitHub's conversion to a string.
func text(v value) string {
	switch x := v.(type) {
	case nil:
		return ""
	case bool:
		return strconv.FormatBool(x)
	case float64:
		return formatNumber(x)
	case string:
		return x
	case list:
		return "Array"
	default:
		return "Object"
	}
}

func formatNumber(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'G', 15, 64)
}

var errJSON = errors.New("not JSON")

// fromJSON reads JSON into a value; ok is false when it is not JSON.
func fromJSON(s string) (v value, ok bool) {
	dec := json.NewDecoder(strings.NewReader(s))
	v, err := readJSON(dec, 0)
	if err != nil {
		return nil, false
	}
	if dec.More() {
		return nil, false
	}
	return v, true
}

func readJSON(dec *json.Decoder, depth int) (value, error) {
	tok, err := dec.Token()
	if err != nil || depth > maxDepth {
		return nil, errJSON
	}
	delim, isDelim := tok.(json.Delim)
	if !isDelim {
		return tok, nil
	}
	if delim == '[' {
		return readJSONList(dec, depth)
	}
	return readJSONObject(dec, depth)
}

func readJSONList(dec *json.Decoder, depth int) (value, error) {
	out := list{}
	for dec.More() {
		v, err := readJSON(dec, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := dec.Token()
	return out, err
}

func readJSONObject(dec *json.Decoder, depth int) (value, error) {
	out := newObject()
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := readJSON(dec, depth+1)
		if err != nil {
			return nil, err
		}
		out.set(key.(string), v)
	}
	_, err := dec.Token()
	return out, err
}

// toJSON writes a value as GitHub's toJSON does, indented by two.
func toJSON(v value) string {
	b, err := json.MarshalIndent(plain(v), "", "  ")
	if err != nil {
		return ""
	}
	return string(b)
}

func plain(v value) any {
	switch x := v.(type) {
	case list:
		out := make([]any, len(x))
		for i, item := range x {
			out[i] = plain(item)
		}
		return out
	case *object:
		out := make(map[string]any, len(x.keys))
		for _, k := range x.keys {
			out[k] = plain(x.get(k))
		}
		return out
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
		return x
	default:
		return v
	}
}

// hidesUnknown reports an unknown value anywhere inside.
func hidesUnknown(v value) bool {
	switch x := v.(type) {
	case list:
		for _, item := range x {
			if hidesUnknown(item) {
				return true
			}
		}
	case *object:
		for _, item := range x.values {
			if hidesUnknown(item) {
				return true
			}
		}
	}
	return isUnknown(v)
}

// sortedKeys gives the keys of a map in order, so that a run is the same each time.
func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
