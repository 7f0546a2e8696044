package simulate

import (
	"math"
	"strings"
)

type tokenKind int

const (
	tokEnd tokenKind = iota
	tokOp
	tokName
	tokString
	tokNumber
)

type token struct {
	kind tokenKind
	text string
	num  float64
	at   int
}

// lex splits an expression into tokens.
func lex(src string) ([]token, error) {
	var out []token
	for i := 0; i < len(src); {
		c := src[i]
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			i++
			continue
		}
		t, n, err := lexOne(src, i, out)
		if err != nil {
			return nil, err
		}
		t.at = i
		out = append(out, t)
		i += n
	}
	return append(out, token{kind: tokEnd, at: len(src)}), nil
}

func lexOne(src string, i int, before []token) (token, int, error) {
	c := src[i]
	switch {
	case c == '\'':
		return lexString(src, i)
	case isNameStart(c):
		n := nameLength(src[i:])
		return token{kind: tokName, text: src[i : i+n]}, n, nil
	case startsNumber(src[i:], before):
		return lexNumber(src, i)
	}
	for _, op := range []string{"&&", "||", "==", "!=", "<=", ">="} {
		if strings.HasPrefix(src[i:], op) {
			return token{kind: tokOp, text: op}, 2, nil
		}
	}
	if strings.IndexByte("()[].,!<>*", c) >= 0 {
		return token{kind: tokOp, text: string(c)}, 1, nil
	}
	return token{}, 0, says("Unexpected symbol: '%s'. Located at position %d within expression: %s", rest(src[i:]), i+1, src)
}

func isNameStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func nameLength(s string) int {
	n := 0
	for n < len(s) && (isNameStart(s[n]) || s[n] >= '0' && s[n] <= '9' || s[n] == '-') {
		n++
	}
	return n
}

// startsNumber knows a number from a property: after a name or a bracket a dot reads a property.
func startsNumber(s string, before []token) bool {
	digit := func(i int) bool { return i < len(s) && s[i] >= '0' && s[i] <= '9' }
	if digit(0) {
		return true
	}
	if s[0] == '-' || s[0] == '+' {
		return digit(1) || len(s) > 1 && s[1] == '.' && digit(2) || strings.HasPrefix(s[1:], "Infinity")
	}
	if s[0] != '.' || !digit(1) {
		return false
	}
	if len(before) == 0 {
		return true
	}
	last := before[len(before)-1]
	return last.kind == tokOp && last.text != ")" && last.text != "]" && last.text != "*"
}

func lexNumber(src string, i int) (token, int, error) {
	n := 1
	for n < len(src)-i && strings.IndexByte("0123456789abcdefABCDEFxXoO._+-Infinty", src[i+n]) >= 0 {
		if (src[i+n] == '+' || src[i+n] == '-') && src[i+n-1] != 'e' && src[i+n-1] != 'E' {
			break
		}
		n++
	}
	raw := src[i : i+n]
	f := parseNumber(raw)
	switch raw {
	case "-Infinity":
		f = math.Inf(-1)
	case "+Infinity":
		f = math.Inf(1)
	}
	if math.IsNaN(f) {
		return token{}, 0, says("Unexpected symbol: '%s'. Located at position %d within expression: %s", raw, i+1, src)
	}
	return token{kind: tokNumber, text: raw, num: f}, n, nil
}

func lexString(src string, i int) (token, int, error) {
	var b strings.Builder
	for j := i + 1; j < len(src); j++ {
		if src[j] != '\'' {
			b.WriteByte(src[j])
			continue
		}
		if j+1 < len(src) && src[j+1] == '\'' {
			b.WriteByte('\'')
			j++
			continue
		}
		return token{kind: tokString, text: b.String()}, j + 1 - i, nil
	}
	return token{}, 0, says("Unexpected symbol: '%s'. Located at position %d within expression: %s", rest(src[i:]), i+1, src)
}

func rest(s string) string {
	if n := strings.IndexAny(s, " \t\r\n"); n > 0 {
		return s[:n]
	}
	return s
}
