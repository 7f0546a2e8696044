package subject

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// valueKind is the kind of a value in an expression.
type valueKind uint8

const (
	kindUnknown valueKind = iota
	kindNull
	kindBool
	kindNumber
	kindText
	kindObject // a list or mapping
)

// value is what an expression evaluates to, as far as it is known before a run. A text can have parts that
// are only known to be in a language.
type value struct {
	kind   valueKind
	truth  bool
	number float64
	parts  []part // of a text; without symbols at most one
	raw    string // a number's text in the file, where it has one
	list   []value
	fields map[string]value // by lower-case key
}

// part is a piece of a text: a literal, or a symbol seen through a view.
type part struct {
	text   string
	symbol *symbol
	view   view
}

// view is how a text is derived from a symbol.
type view uint8

const (
	whole   view = iota // the symbol's own text
	refName             // a reference without refs/heads/, refs/tags/ or refs/pull/
)

var (
	unknownValue = value{}
	nullValue    = value{kind: kindNull}
	opaqueValue  = value{kind: kindObject} // a mapping of which nothing but its existence is known
)

func boolValue(b bool) value      { return value{kind: kindBool, truth: b} }
func numberValue(n float64) value { return value{kind: kindNumber, number: n} }

func textValue(s string) value {
	if s == "" {
		return value{kind: kindText}
	}
	return value{kind: kindText, parts: []part{{text: s}}}
}

func symbolValue(s *symbol, v view) value {
	return value{kind: kindText, parts: []part{{symbol: s, view: v}}}
}

func listValue(list []value) value { return value{kind: kindObject, list: list} }

// literal gives a text without symbols.
func (v value) literal() (string, bool) {
	if v.kind != kindText {
		return "", false
	}
	var b strings.Builder
	for _, p := range v.parts {
		if p.symbol != nil {
			return "", false
		}
		b.WriteString(p.text)
	}
	return b.String(), true
}

// single gives the one symbol of a text, with the literals before and after it.
func (v value) single() (before string, p part, after string, ok bool) {
	if v.kind != kindText {
		return "", part{}, "", false
	}
	for _, q := range v.parts {
		switch {
		case q.symbol == nil && !ok:
			before += q.text
		case q.symbol == nil:
			after += q.text
		case ok:
			return "", part{}, "", false
		default:
			p, ok = q, true
		}
	}
	return before, p, after, ok
}

// text gives the value as it stands in a text (github/docs: Expressions, type casting).
func (v value) text() value {
	switch v.kind {
	case kindNull:
		return textValue("")
	case kindBool:
		return textValue(strconv.FormatBool(v.truth))
	case kindNumber:
		return textValue(cmp.Or(v.raw, formatNumber(v.number)))
	case kindText:
		return v
	case kindObject:
		return textValue("Object")
	default:
		return unknownValue
	}
}

func formatNumber(n float64) string {
	switch {
	case math.IsNaN(n):
		return "NaN"
	case math.IsInf(n, 1):
		return "Infinity"
	case math.IsInf(n, -1):
		return "-Infinity"
	default:
		return strconv.FormatFloat(n, 'G', 15, 64)
	}
}

// asNumber coerces a value as loose equality does (github/docs: Expressions, operators).
func (v value) asNumber() (float64, bool) {
	switch v.kind {
	case kindNull:
		return 0, true
	case kindBool:
		if v.truth {
			return 1, true
		}
		return 0, true
	case kindNumber:
		return v.number, true
	case kindText:
		s, ok := v.literal()
		return parseNumber(s), ok
	case kindObject:
		return math.NaN(), true
	default:
		return 0, false
	}
}

// parseNumber reads a text as any legal JSON number, and as hexadecimal or octal with 0x and 0o; the empty
// text is 0, anything else is not a number.
func parseNumber(s string) float64 {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0
	}
	lower := strings.ToLower(s)
	if strings.HasPrefix(lower, "0x") || strings.HasPrefix(lower, "0o") {
		if n, err := strconv.ParseInt(lower, 0, 64); err == nil {
			return float64(n)
		}
		return math.NaN()
	}
	var n float64
	if json.Unmarshal([]byte(s), &n) != nil {
		return math.NaN()
	}
	return n
}

// concatValues joins texts; unknown where one of them is.
func concatValues(values ...value) value {
	out := value{kind: kindText}
	for _, v := range values {
		t := v.text()
		if t.kind == kindUnknown {
			return unknownValue
		}
		for _, p := range t.parts {
			if n := len(out.parts); n > 0 && p.symbol == nil && out.parts[n-1].symbol == nil {
				out.parts[n-1].text += p.text
				continue
			}
			out.parts = append(out.parts, p)
		}
	}
	return out
}

// decodeJSON turns a JSON text into a value.
func decodeJSON(text string) (value, bool) {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return unknownValue, false
	}
	return fromAny(v), true
}

func fromAny(v any) value {
	switch v := v.(type) {
	case nil:
		return nullValue
	case bool:
		return boolValue(v)
	case float64:
		return numberValue(v)
	case string:
		return textValue(v)
	case []any:
		list := make([]value, 0, len(v))
		for _, e := range v {
			list = append(list, fromAny(e))
		}
		return listValue(list)
	case map[string]any:
		fields := make(map[string]value, len(v))
		for k, e := range v {
			fields[strings.ToLower(k)] = fromAny(e)
		}
		return value{kind: kindObject, fields: fields}
	default:
		return unknownValue
	}
}
