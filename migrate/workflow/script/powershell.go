package script

import "strings"

// parsePowerShell reads PowerShell by tokens: enough to know commands, their parameters and simple assignments.
func parsePowerShell(text string) Script {
	p := powershell{text: text, first: true}
	p.run()
	p.Certain = true
	return p.Script
}

type powershell struct {
	Script
	text  string
	at    int
	depth int // of braces and parentheses
	first bool
}

func (p *powershell) run() {
	var words []Word
	piped := false
	end := func(pipe bool) {
		p.command(words, piped || pipe)
		words, piped = nil, pipe
	}
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == ' ' || c == '\t' || c == '\r':
			p.at++
		case c == '`' && p.breakAfter():
		case c == '\n' || c == ';':
			p.at++
			if c == '\n' && len(words) == 0 && piped {
				continue
			}
			end(false)
		case c == '|' && p.toNothing():
		case c == '|' || c == '&' && len(words) > 0:
			p.at++
			end(true)
		case c == '#':
			p.skipComment()
		case c == '<' && strings.HasPrefix(p.text[p.at:], "<#"):
			p.skipTo("#>")
		case c == '{' || c == '(' || (c == '@' || c == '$') && p.opens():
			if c == '@' || c == '$' {
				p.at++
			}
			end(true)
			p.depth++
			p.at++
		case c == '}' || c == ')':
			end(true)
			p.depth = max(0, p.depth-1)
			p.at++
		default:
			words = append(words, p.word())
		}
	}
	end(false)
}

// toNothing skips a pipe to Out-Null, which only throws output away.
func (p *powershell) toNothing() bool {
	rest := strings.TrimLeft(p.text[p.at+1:], " \t")
	const name = "Out-Null"
	if len(rest) < len(name) || !strings.EqualFold(rest[:len(name)], name) {
		return false
	}
	p.at = len(p.text) - len(rest) + len(name)
	return true
}

func (p *powershell) opens() bool {
	return p.at+1 < len(p.text) && (p.text[p.at+1] == '(' || p.text[p.at+1] == '{' && p.text[p.at] == '@')
}

// breakAfter skips a line that is continued by a backtick.
func (p *powershell) breakAfter() bool {
	rest := strings.TrimLeft(p.text[p.at+1:], " \t\r")
	if !strings.HasPrefix(rest, "\n") {
		return false
	}
	p.at = len(p.text) - len(rest) + 1
	return true
}

func (p *powershell) skipComment() {
	i := strings.IndexByte(p.text[p.at:], '\n')
	if i < 0 {
		p.at = len(p.text)
		return
	}
	p.at += i
}

func (p *powershell) skipTo(mark string) {
	i := strings.Index(p.text[p.at:], mark)
	if i < 0 {
		p.at = len(p.text)
		return
	}
	p.at += i + len(mark)
}

// word reads one word; quotes are taken off and what stands in them stays together.
func (p *powershell) word() Word {
	w := Word{Start: p.at}
	var b strings.Builder
	if s, ok := p.hereString(); ok {
		return Word{Start: w.Start, End: p.at, Text: s}
	}
loop:
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case '"', '\'':
			b.WriteString(p.quoted(c))
		case ' ', '\t', '\r', '\n', ';', '|', ')', '}', '{':
			break loop
		case '(':
			b.WriteString(p.parenthesis())
		case '`':
			if p.at+1 < len(p.text) && p.text[p.at+1] != '\n' && p.text[p.at+1] != '\r' {
				b.WriteByte(p.text[p.at+1])
				p.at += 2
				continue
			}
			break loop
		default:
			b.WriteByte(c)
			p.at++
		}
	}
	if p.at == w.Start {
		p.at++ // never stand still
	}
	w.End, w.Text = p.at, b.String()
	return w
}

func (p *powershell) hereString() (string, bool) {
	for _, q := range []string{`"`, `'`} {
		if strings.HasPrefix(p.text[p.at:], "@"+q) {
			start := p.at + 2
			p.skipTo("\n" + q + "@")
			return p.text[start:max(start, min(p.at-3, len(p.text)))], true
		}
	}
	return "", false
}

func (p *powershell) quoted(quote byte) string {
	start := p.at + 1
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '`' && quote == '"':
			p.at++
		case c == quote:
			if p.at+1 < len(p.text) && p.text[p.at+1] == quote {
				p.at++
				continue
			}
			p.at++
			return p.text[start : p.at-1]
		}
	}
	p.at = len(p.text)
	return p.text[min(start, len(p.text)):]
}

// parenthesis keeps (…) inside a word together.
func (p *powershell) parenthesis() string {
	start, depth := p.at, 0
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				p.at++
				return p.text[start:p.at]
			}
		case '"', '\'':
			p.quoted(c)
			continue
		}
		p.at++
	}
	return p.text[start:]
}

func (p *powershell) command(words []Word, piped bool) {
	if len(words) == 0 {
		return
	}
	if a, rest, ok := p.assignment(words); ok {
		p.Assignments = append(p.Assignments, a)
		words, piped = rest, true
		if len(words) == 0 {
			return
		}
	}
	c := Command{Start: words[0].Start, End: words[len(words)-1].End, Name: program(words[0].Text), Words: words, Certain: true}
	if c.Name == "&" && len(words) > 1 {
		c.Name, c.Words = program(words[1].Text), words[1:]
	}
	c.Simple = p.depth == 0 && !piped
	c.First = c.Simple && p.first
	for i, w := range c.Words {
		if (w.Text == ">>" || w.Text == ">") && i+1 < len(c.Words) {
			c.To = c.Words[i+1].Text
			c.Words = c.Words[:i]
			break
		}
	}
	p.first = p.first && c.Simple && prelude[c.Name]
	p.Commands = append(p.Commands, c)
}

// assignment recognises $name = …; where what is assigned is a command, rest is that command.
func (p *powershell) assignment(words []Word) (a Assignment, rest []Word, ok bool) {
	name := words[0].Text
	if !strings.HasPrefix(name, "$") {
		return a, nil, false
	}
	if i := strings.IndexByte(name, '='); i > 0 {
		value := Word{Start: words[0].End - len(name[i+1:]), End: words[0].End, Text: name[i+1:]}
		return p.named(name[:i], words[0].Start, value), words[1:], true
	}
	if len(words) < 3 || words[1].Text != "=" {
		return a, nil, false
	}
	return p.named(name, words[0].Start, Word{Start: words[2].Start, End: words[len(words)-1].End, Text: words[2].Text}), words[2:], true
}

func (p *powershell) named(name string, start int, value Word) Assignment {
	name = strings.Trim(name[1:], "{}")
	env := strings.HasPrefix(strings.ToLower(name), "env:")
	if env {
		name = name[4:]
	}
	return Assignment{Start: start, End: value.End, Name: name, Value: value, Exported: env}
}
