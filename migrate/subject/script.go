package subject

import (
	"slices"
	"strings"

	"github.com/rhysd/actionlint"
	"mvdan.cc/sh/v3/syntax"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// writtenOutputs lists the texts that a script writes for an output, where all of them are literal. The
// empty text is among them where the script may write none.
func writtenOutputs(run *actionlint.ExecRun, name string) ([]string, bool) {
	if run.Shell != nil && !slices.Contains([]string{"bash", "sh"}, strings.ToLower(run.Shell.Value)) {
		return nil, false
	}
	text := run.Run.Value
	if !strings.Contains(text, "GITHUB_OUTPUT") && !strings.Contains(text, "::set-output") {
		return nil, false
	}
	file, err := syntax.NewParser().Parse(strings.NewReader(maskExpressions(text)), "")
	if err != nil {
		return nil, false
	}
	r := reader{name: name, ok: true}
	states := r.statements(file.Stmts, []string{""})
	if !r.ok || !r.seen {
		return nil, false
	}
	slices.Sort(states)
	return slices.Compact(states), true
}

var placeholder = lazy.Regexp(`\$\{\{.*?\}\}`)

// maskExpressions replaces placeholders by a variable, so that the script parses and the text is not taken
// for a literal.
func maskExpressions(text string) string {
	return placeholder().ReplaceAllString(text, "$$__EXPRESSION__")
}

// reader follows a script and keeps the set of texts that the output can have at each point.
type reader struct {
	name string
	ok   bool
	seen bool
}

func (r *reader) statements(stmts []*syntax.Stmt, in []string) []string {
	for _, s := range stmts {
		in = r.statement(s, in)
	}
	return in
}

func (r *reader) statement(s *syntax.Stmt, in []string) []string {
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		return r.command(s, c, in)
	case *syntax.IfClause:
		return r.branch(c, in)
	case *syntax.CaseClause:
		return r.cases(c, in)
	case *syntax.BinaryCmd:
		if c.Op == syntax.AndStmt || c.Op == syntax.OrStmt {
			left := r.statement(c.X, in)
			return union(left, r.statement(c.Y, left))
		}
		return r.elsewhere(s, in)
	default:
		return r.elsewhere(s, in)
	}
}

// elsewhere gives up where a construct that is not followed may write the output.
func (r *reader) elsewhere(s *syntax.Stmt, in []string) []string {
	syntax.Walk(s, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Redirect:
			r.ok = r.ok && !isOutputFile(n.Word)
		case *syntax.Lit:
			r.ok = r.ok && !strings.Contains(n.Value, "::set-output") && !strings.Contains(n.Value, "GITHUB_OUTPUT")
		}
		return true
	})
	return in
}

func (r *reader) branch(c *syntax.IfClause, in []string) []string {
	out := r.statements(c.Then, r.statements(c.Cond, in))
	switch {
	case c.Else == nil:
		return union(out, in)
	case len(c.Else.Cond) == 0:
		return union(out, r.statements(c.Else.Then, in))
	default:
		return union(out, r.branch(c.Else, in))
	}
}

func (r *reader) cases(c *syntax.CaseClause, in []string) []string {
	var out []string
	otherwise := false
	for _, item := range c.Items {
		out = union(out, r.statements(item.Stmts, in))
		for _, p := range item.Patterns {
			otherwise = otherwise || p.Lit() == "*"
		}
	}
	if !otherwise {
		out = union(out, in)
	}
	return out
}

// command reads echo "name=text" >> $GITHUB_OUTPUT and echo "::set-output name=NAME::text".
func (r *reader) command(s *syntax.Stmt, c *syntax.CallExpr, in []string) []string {
	toFile := slices.ContainsFunc(s.Redirs, func(d *syntax.Redirect) bool { return isOutputFile(d.Word) })
	var words []string
	known := true
	for _, w := range c.Args {
		text, ok := literalWord(w)
		words = append(words, text)
		known = known && ok
	}
	if len(words) == 0 {
		return in
	}
	if words[0] == "exit" {
		return in
	}
	body := strings.Join(words[1:], " ")
	setOutput := strings.Contains(body, "::set-output")
	if !toFile && !setOutput {
		return r.elsewhere(&syntax.Stmt{Cmd: c}, in)
	}
	if words[0] != "echo" {
		r.ok = false
		return in
	}
	prefix := r.name + "="
	if setOutput {
		prefix = "::set-output name=" + r.name + "::"
	}
	text, ok := cutFold(body, prefix)
	switch {
	case ok && known:
		r.seen = true
		return []string{text}
	case ok || !hasKnownName(body):
		r.ok = false
	}
	return in
}

func cutFold(text, prefix string) (string, bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return "", false
	}
	return text[len(prefix):], true
}

// hasKnownName tells whether the text names another output in the clear.
func hasKnownName(body string) bool {
	name, _, ok := strings.Cut(strings.TrimPrefix(body, "::set-output name="), "=")
	if strings.HasPrefix(body, "::set-output name=") {
		name, _, ok = strings.Cut(strings.TrimPrefix(body, "::set-output name="), "::")
	}
	return ok && name != "" && !strings.ContainsAny(name, "$`\x00<")
}

func isOutputFile(w *syntax.Word) bool {
	found := false
	if w == nil {
		return false
	}
	syntax.Walk(w, func(n syntax.Node) bool {
		if p, ok := n.(*syntax.ParamExp); ok && p.Param != nil && p.Param.Value == "GITHUB_OUTPUT" {
			found = true
		}
		return true
	})
	return found
}

// literalWord gives a word's text; what the shell would put in is written as a NUL, and false given.
func literalWord(w *syntax.Word) (string, bool) {
	var b strings.Builder
	known := true
	for _, p := range w.Parts {
		known = literalPart(&b, p) && known
	}
	return b.String(), known
}

func literalPart(b *strings.Builder, p syntax.WordPart) bool {
	switch p := p.(type) {
	case *syntax.Lit:
		b.WriteString(p.Value)
		return !strings.Contains(p.Value, "\\")
	case *syntax.SglQuoted:
		b.WriteString(p.Value)
		return !p.Dollar
	case *syntax.DblQuoted:
		known := true
		for _, q := range p.Parts {
			known = literalPart(b, q) && known
		}
		return known
	default:
		b.WriteByte(0)
		return false
	}
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}
