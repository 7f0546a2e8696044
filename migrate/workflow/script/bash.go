package script

import (
	"strings"
	"sync"

	"mvdan.cc/sh/v3/syntax"
)

// parsers keeps parsers, which are large; each starts afresh with every script.
var parsers = sync.Pool{New: func() any { return syntax.NewParser(syntax.Variant(syntax.LangBash), syntax.KeepComments(false)) }}

// parseBash reads a script of bash or sh; ok is false where it does not parse.
func parseBash(text string) (s Script, ok bool) {
	parser, _ := parsers.Get().(*syntax.Parser)
	file, err := parser.Parse(strings.NewReader(text), "")
	if err != nil {
		return Script{}, false // without the parser, which may be in the midst of something
	}
	parsers.Put(parser)
	b := bashReader{text: text, first: true}
	for _, stmt := range file.Stmts {
		b.top(stmt)
	}
	b.Certain = true
	return b.Script, true
}

type bashReader struct {
	Script
	text  string
	first bool // nothing but prelude so far
}

// top reads a statement of the script itself. What stands deeper is not simple.
func (b *bashReader) top(stmt *syntax.Stmt) {
	before := len(b.Commands)
	call, isCall := stmt.Cmd.(*syntax.CallExpr)
	simple := isCall && !stmt.Background && !stmt.Coprocess && !stmt.Negated
	b.stmt(stmt)
	for i := before; i < len(b.Commands); i++ {
		c := &b.Commands[i]
		if simple && len(call.Args) > 0 && c.Start == offset(call.Args[0].Pos()) && len(call.Assigns) == 0 {
			c.Simple, c.First = true, b.first
		}
	}
	b.first = b.first && harmless(stmt)
}

// harmless tells whether a statement neither signs in nor depends on it, and cannot fail: assignments and preludes.
func harmless(stmt *syntax.Stmt) bool {
	switch c := stmt.Cmd.(type) {
	case *syntax.CallExpr:
		if len(c.Args) == 0 {
			return !substitutes(stmt)
		}
		return prelude[program(c.Args[0].Lit())] && !substitutes(stmt) && len(stmt.Redirs) == 0
	case *syntax.DeclClause:
		return !substitutes(stmt)
	}
	return false
}

func substitutes(n syntax.Node) bool {
	found := false
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n.(type) {
		case *syntax.CmdSubst, *syntax.ProcSubst:
			found = true
		}
		return !found
	})
	return found
}

func offset(p syntax.Pos) int { return int(p.Offset()) }

func (b *bashReader) stmt(n syntax.Node) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Stmt:
			if call, ok := n.Cmd.(*syntax.CallExpr); ok {
				b.call(call, n)
			}
		case *syntax.DeclClause:
			for _, a := range n.Args {
				b.assign(a, n.Variant.Value == "export" || n.Variant.Value == "declare" && exports(n))
			}
		}
		return true
	})
}

func exports(d *syntax.DeclClause) bool {
	for _, a := range d.Args {
		if a.Naked && a.Value != nil && strings.HasPrefix(a.Value.Lit(), "-") && strings.Contains(a.Value.Lit(), "x") {
			return true
		}
	}
	return false
}

func (b *bashReader) call(call *syntax.CallExpr, stmt *syntax.Stmt) {
	for _, a := range call.Assigns {
		b.assign(a, len(call.Args) > 0)
	}
	args := call.Args
	for len(args) > 1 && wrappers[args[0].Lit()] {
		args = args[1:]
		for len(args) > 1 && strings.HasPrefix(args[0].Lit(), "-") {
			args = args[1:]
		}
	}
	if len(args) == 0 {
		return
	}
	c := Command{Start: offset(args[0].Pos()), End: offset(args[len(args)-1].End()), Certain: true}
	c.Words = make([]Word, 0, len(args))
	for _, a := range args {
		c.Words = append(c.Words, b.word(a))
	}
	c.Name = program(c.Words[0].Text)
	for _, r := range stmt.Redirs {
		b.redirect(&c, r)
	}
	b.Commands = append(b.Commands, c)
}

// wrappers run the command that follows them.
var wrappers = map[string]bool{"sudo": true, "command": true, "time": true, "exec": true, "nohup": true}

func (b *bashReader) redirect(c *Command, r *syntax.Redirect) {
	switch r.Op {
	case syntax.RdrOut, syntax.AppOut, syntax.RdrAll, syntax.AppAll:
		if r.Word != nil {
			c.To = b.word(r.Word).Text
		}
	case syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
		body := r.Hdoc
		if r.Op == syntax.WordHdoc {
			body = r.Word
		}
		if body != nil {
			w := Word{Start: offset(body.Pos()), End: offset(body.End())}
			w.End = min(w.End, len(b.text))
			if r.Op != syntax.WordHdoc { // the delimiter's line is not part of the text
				w.End = w.Start + strings.LastIndexByte(b.text[w.Start:w.End], '\n') + 1
			}
			w.Text = b.text[w.Start:w.End]
			c.Input = &w
		}
	}
}

func (b *bashReader) assign(a *syntax.Assign, exported bool) {
	if a.Name == nil || a.Value == nil {
		return
	}
	b.Assignments = append(b.Assignments, Assignment{Start: offset(a.Pos()), End: offset(a.End()), Name: a.Name.Value, Value: b.word(a.Value), Exported: exported})
}

// word gives a word without its quotes; expansions stay as they are written.
func (b *bashReader) word(w *syntax.Word) Word {
	out := Word{Start: offset(w.Pos()), End: offset(w.End())}
	if len(w.Parts) == 1 { // most words are a literal, which needs no memory of its own
		if lit, ok := w.Parts[0].(*syntax.Lit); ok && !strings.Contains(lit.Value, "\\\n") {
			out.Text = lit.Value
			return out
		}
	}
	var text strings.Builder
	b.parts(&text, w.Parts)
	out.Text = text.String()
	return out
}

func (b *bashReader) parts(to *strings.Builder, parts []syntax.WordPart) {
	for _, p := range parts {
		switch p := p.(type) {
		case *syntax.Lit:
			to.WriteString(strings.ReplaceAll(p.Value, "\\\n", ""))
		case *syntax.SglQuoted:
			to.WriteString(p.Value)
		case *syntax.DblQuoted:
			b.parts(to, p.Parts)
		default:
			to.WriteString(b.text[offset(p.Pos()):offset(p.End())])
		}
	}
}
