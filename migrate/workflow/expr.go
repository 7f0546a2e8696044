package workflow

import (
	"strings"
	"sync"

	"github.com/rhysd/actionlint"
)

// ref is one read of a context inside an expression.
type ref struct {
	context  string   // secrets, inputs, env, steps, needs, vars, github, matrix, jobs; lower case
	path     []string // what follows the context, as written: [AZURE_CREDENTIALS], [login outputs creds]
	index    actionlint.ExprNode
	property string // fromJSON(…).property of the value that is read
	text     string // the read as it is written, without ${{ }}
	whole    bool   // the context itself, as in toJSON(secrets)
}

// name is the first name after the context.
func (r ref) name() string {
	if len(r.path) == 0 {
		return ""
	}
	return r.path[0]
}

// segment is one ${{ … }} of a value, with what it reads.
type segment struct {
	start, end int    // in the value, with the braces
	text       string // between the braces, trimmed
	node       actionlint.ExprNode
	refs       []ref
	broken     bool // the expression does not parse
}

// only tells whether the segment is a single read and nothing else, as in ${{ secrets.X }}.
func (s segment) only() (ref, bool) {
	if len(s.refs) == 1 && s.refs[0].text == s.text {
		return s.refs[0], true
	}
	return ref{}, false
}

// segments finds the expressions in a value.
func segments(value string) []segment {
	var list []segment
	if n := strings.Count(value, "${{"); n > 0 {
		list = make([]segment, 0, n)
	}
	for at := 0; ; {
		i := strings.Index(value[at:], "${{")
		if i < 0 {
			return list
		}
		s := parseSegment(value, at+i)
		list = append(list, s)
		at = s.end
	}
}

func parseSegment(value string, start int) segment {
	body := value[start+3:]
	if r, end, ok := plainAccess(body); ok {
		return segment{start: start, end: start + 3 + end, text: r.text, refs: []ref{r}}
	}
	s := expressions.parse(body)
	s.start, s.end = start, start+3+s.end
	return s
}

// remembered are expressions that were parsed, by what stands between their braces: those of many workflows are few.
type remembered struct {
	mu    sync.RWMutex
	known map[string]segment
}

const (
	maxRemembered = 1000 // expressions
	maxLength     = 200  // of one that is remembered
)

var expressions = remembered{known: make(map[string]segment)}

// parse reads the expression that a text begins with. Nobody may change what is read.
func (r *remembered) parse(body string) segment {
	end := strings.Index(body, "}}")
	if end < 0 || end > maxLength {
		return parseExpression(body)
	}
	body, rest := body[:end+2], body
	r.mu.RLock()
	s, ok := r.known[body]
	full := len(r.known) >= maxRemembered
	r.mu.RUnlock()
	if ok {
		return s
	}
	if full {
		return parseExpression(rest)
	}
	body = strings.Clone(body)               // what is remembered does not keep the text of a file
	if s = parseExpression(body); s.broken { // by a string that holds the braces, or for good
		return parseExpression(rest)
	}
	r.mu.Lock()
	r.known[body] = s
	r.mu.Unlock()
	return s
}

// parseExpression reads the expression that a text begins with. Its end is after the braces.
func parseExpression(body string) segment {
	lexer := actionlint.NewExprLexer(body)
	node, err := actionlint.NewExprParser().Parse(lexer)
	if err != nil {
		end := strings.Index(body, "}}")
		if end < 0 {
			return segment{end: len(body), text: strings.TrimSpace(body), broken: true}
		}
		return segment{end: end + 2, text: strings.TrimSpace(body[:end]), broken: true}
	}
	end := min(lexer.Offset(), len(body))
	s := segment{end: end, text: strings.TrimSpace(strings.TrimSuffix(body[:end], "}}")), node: node}
	s.refs = collect(nil, node, body)
	return s
}

// plainAccess reads the most usual expression, a context and names joined by dots, without the parser. The end is after the braces.
func plainAccess(body string) (r ref, end int, ok bool) {
	i := skipSpace(body, 0)
	from, dots := i, 0
	for i < len(body) && (isName(body[i]) || body[i] == '.') {
		if body[i] == '.' {
			if i == from || body[i-1] == '.' || isDigit(body[i-1]) && dots == 0 {
				return ref{}, 0, false
			}
			dots++
		}
		i++
	}
	if dots == 0 || body[i-1] == '.' || isDigit(body[from]) || body[from] == '-' {
		return ref{}, 0, false
	}
	access := body[from:i]
	i = skipSpace(body, i)
	if !strings.HasPrefix(body[i:], "}}") {
		return ref{}, 0, false
	}
	context, rest, _ := strings.Cut(access, ".")
	r = ref{context: strings.ToLower(context), path: make([]string, 0, dots), text: access}
	for range dots {
		var name string
		name, rest, _ = strings.Cut(rest, ".")
		if isDigit(name[0]) || name[0] == '-' {
			return ref{}, 0, false
		}
		r.path = append(r.path, name)
	}
	return r, i + 2, true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// condition reads an `if:` value, which is an expression with or without ${{ }}.
func condition(value string) (actionlint.ExprNode, []ref) {
	trimmed := strings.TrimSpace(value)
	if strings.Contains(trimmed, "${{") {
		if !strings.HasPrefix(trimmed, "${{") || !strings.HasSuffix(trimmed, "}}") || strings.Count(trimmed, "${{") > 1 {
			var refs []ref
			for _, s := range segments(trimmed) {
				refs = append(refs, s.refs...)
			}
			return nil, refs
		}
		s := parseSegment(trimmed, 0)
		return s.node, s.refs
	}
	s := parseSegment("${{ "+trimmed+" }}", 0)
	return s.node, s.refs
}

// refsOf lists all reads of all expressions of a value.
func refsOf(value string) []ref { return appendRefs(nil, value) }

func appendRefs(list []ref, value string) []ref {
	for at := 0; ; {
		i := strings.Index(value[at:], "${{")
		if i < 0 {
			return list
		}
		start := at + i
		if r, end, ok := plainAccess(value[start+3:]); ok {
			if cap(list) == 0 {
				list = make([]ref, 0, strings.Count(value[start:], "${{"))
			}
			list, at = append(list, r), start+3+end
			continue
		}
		s := parseSegment(value, start)
		list, at = append(list, s.refs...), s.end
	}
}

// single gives the read of a value that is exactly one ${{ … }}, and nothing around it.
func single(value string) (ref, bool) {
	trimmed := strings.TrimSpace(value)
	if !strings.HasPrefix(trimmed, "${{") {
		return ref{}, false
	}
	if r, end, ok := plainAccess(trimmed[3:]); ok {
		return r, 3+end == len(trimmed)
	}
	s := parseSegment(trimmed, 0)
	if s.end != len(trimmed) {
		return ref{}, false
	}
	return s.only()
}

// collect appends the reads below a node. An access such as secrets.X is one read; its parts are not listed again.
func collect(list []ref, n actionlint.ExprNode, src string) []ref {
	if r, ok := access(n, src); ok {
		list = append(list, r)
		if r.index != nil {
			list = collect(list, r.index, src)
		}
		return list
	}
	switch n := n.(type) {
	case *actionlint.ObjectDerefNode:
		return collect(list, n.Receiver, src)
	case *actionlint.ArrayDerefNode:
		return collect(list, n.Receiver, src)
	case *actionlint.IndexAccessNode:
		return collect(collect(list, n.Operand, src), n.Index, src)
	case *actionlint.NotOpNode:
		return collect(list, n.Operand, src)
	case *actionlint.CompareOpNode:
		return collect(collect(list, n.Left, src), n.Right, src)
	case *actionlint.LogicalOpNode:
		return collect(collect(list, n.Left, src), n.Right, src)
	case *actionlint.FuncCallNode:
		for _, a := range n.Args {
			list = collect(list, a, src)
		}
	}
	return list
}

// access recognises a chain of properties on a context or on fromJSON(context).
func access(n actionlint.ExprNode, src string) (ref, bool) {
	var names []string
	base := n
	var index actionlint.ExprNode
	for {
		switch node := base.(type) {
		case *actionlint.ObjectDerefNode:
			names = append(names, node.Property)
			base = node.Receiver
			continue
		case *actionlint.IndexAccessNode:
			if s, ok := node.Index.(*actionlint.StringNode); ok {
				names = append(names, s.Value)
			} else {
				index = node.Index
				names = append(names, "*")
			}
			base = node.Operand
			continue
		case *actionlint.VariableNode:
			return chain(node, names, index, n, src), true
		case *actionlint.FuncCallNode:
			return jsonPart(node, names, n, src)
		}
		return ref{}, false
	}
}

func chain(v *actionlint.VariableNode, names []string, index actionlint.ExprNode, n actionlint.ExprNode, src string) ref {
	r := ref{context: strings.ToLower(v.Name), index: index, whole: len(names) == 0}
	for i := len(names) - 1; i >= 0; i-- {
		r.path = append(r.path, names[i])
	}
	if src != "" {
		r.text = written(v.Token().Offset, src, len(names))
		r.path = restoreCase(r.path, r.text)
	}
	return r
}

// jsonPart recognises fromJSON(secrets.X).clientSecret.
func jsonPart(call *actionlint.FuncCallNode, names []string, n actionlint.ExprNode, src string) (ref, bool) {
	if len(names) == 0 || len(call.Args) != 1 || !strings.EqualFold(call.Callee, "fromJSON") {
		return ref{}, false
	}
	r, ok := access(call.Args[0], src)
	if !ok {
		return ref{}, false
	}
	r.property = names[len(names)-1]
	if src == "" {
		return r, true
	}
	r.text = written(n.Token().Offset, src, len(names))
	if i := strings.LastIndex(strings.ToLower(r.text), strings.ToLower(r.property)); i >= 0 {
		r.property = r.text[i : i+len(r.property)]
	}
	return r, true
}

// written gives an access as it stands in the source: a name, an optional call, then so many .name or […].
func written(start int, src string, accesses int) string {
	i := start
	for i < len(src) && isName(src[i]) {
		i++
	}
	if j := skipSpace(src, i); j < len(src) && src[j] == '(' {
		i = closing(src, j)
	}
	for ; accesses > 0; accesses-- {
		j := skipSpace(src, i)
		if j >= len(src) {
			break
		}
		if src[j] == '[' {
			i = closing(src, j)
			continue
		}
		j = skipSpace(src, j+1) // past the dot
		for j < len(src) && (isName(src[j]) || src[j] == '*') {
			j++
		}
		i = j
	}
	return src[start:min(i, len(src))]
}

// closing gives the offset after the bracket that closes the one at i; strings in single quotes are skipped.
func closing(src string, i int) int {
	depth := 0
	for ; i < len(src); i++ {
		switch src[i] {
		case '(', '[':
			depth++
		case ')', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '\'':
			for i++; i < len(src) && src[i] != '\''; i++ {
			}
		}
	}
	return len(src)
}

// restoreCase replaces the parser's lower-case names by the names as they are written.
func restoreCase(path []string, text string) []string {
	lower := strings.ToLower(text)
	from := 0
	for i, name := range path {
		if j := strings.Index(lower[from:], strings.ToLower(name)); j >= 0 && len(lower) == len(text) {
			path[i] = text[from+j : from+j+len(name)]
			from += j + len(name)
		}
	}
	return path
}

func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r') {
		i++
	}
	return i
}

func isName(c byte) bool {
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
