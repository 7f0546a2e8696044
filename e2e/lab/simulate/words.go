package simulate

import (
	"strings"
)

// command is one simple command of a script with its variables put in.
type command struct {
	words  []string
	op     string // what follows: |, ||, &&, ; or nothing
	target string // of > or >>
	stdin  string // of <<<
	hasIn  bool
}

// splitter reads one logical line of a script: quotes, variables, separators, redirections. It is a reading of the
// common forms, not a shell.
type splitter struct {
	src    string
	pos    int
	pwsh   bool
	lookup func(string) string
	subst  func(string) string // what a $(…) prints
	out    []command
	cur    command
	word   strings.Builder
	inWord bool
	expect string // ">" or "<<<": where the next word goes
}

func (s *splitter) split() []command {
	for s.pos < len(s.src) && len(s.out) < 1000 {
		s.step()
	}
	s.endCommand("")
	return s.out
}

func (s *splitter) put(t string) {
	s.word.WriteString(t)
	s.inWord = true
}

func (s *splitter) endWord() {
	if !s.inWord {
		return
	}
	w := s.word.String()
	s.word.Reset()
	s.inWord = false
	switch s.expect {
	case ">":
		s.cur.target = w
	case "<<<":
		s.cur.stdin, s.cur.hasIn = w, true
	case "<":
	default:
		s.cur.words = append(s.cur.words, w)
	}
	s.expect = ""
}

func (s *splitter) endCommand(op string) {
	s.endWord()
	s.expect = ""
	if len(s.cur.words) > 0 || s.cur.target != "" {
		s.cur.op = op
		s.out = append(s.out, s.cur)
	} else if len(s.out) > 0 && op == "|" {
		s.out[len(s.out)-1].op = op
	}
	s.cur = command{}
}

func (s *splitter) step() {
	c := s.src[s.pos]
	rest := s.src[s.pos:]
	switch {
	case c == ' ' || c == '\t' || c == '\r':
		s.endWord()
	case c == '\n':
		s.endCommand(";")
	case c == '#' && !s.inWord:
		s.pos = len(s.src)
		return
	case c == '\'':
		s.single()
		return
	case c == '"':
		s.double()
		return
	case c == '$':
		s.dollar()
		return
	case c == '\\' && !s.pwsh, c == '`' && s.pwsh:
		if s.pos++; s.pos < len(s.src) {
			s.put(s.src[s.pos : s.pos+1])
		}
	case c == '`':
		end := strings.IndexByte(rest[1:], '`')
		if end < 0 {
			s.pos = len(s.src)
			return
		}
		s.put(s.subst(rest[1 : 1+end]))
		s.pos += end + 2
		return
	default:
		s.operator(c, rest)
		return
	}
	s.pos++
}

func (s *splitter) operator(c byte, rest string) {
	for _, op := range []string{"&&", "||", ";;"} {
		if strings.HasPrefix(rest, op) {
			s.endCommand(op)
			s.pos += 2
			return
		}
	}
	switch {
	case strings.HasPrefix(rest, "<<<"):
		s.endWord()
		s.expect = "<<<"
		s.pos += 3
		return
	case c == '<':
		s.endWord()
		s.expect = "<"
	case c == '>':
		s.redirect(rest)
		return
	case c == ';' || c == '|':
		s.endCommand(string(c))
	case c == '&' && !s.inWord && !s.pwsh:
		s.endCommand(";")
	case (c == '(' || c == ')') && !s.pwsh:
		s.endCommand(";")
	default:
		s.put(s.src[s.pos : s.pos+1])
	}
	s.pos++
}

// redirect reads > and >>, also with a file descriptor before and &1 behind.
func (s *splitter) redirect(rest string) {
	if w := s.word.String(); w == "1" || w == "2" || w == "&" {
		s.word.Reset()
		s.inWord = false
	}
	s.endWord()
	n := 1
	if strings.HasPrefix(rest, ">>") {
		n = 2
	}
	s.pos += n
	if strings.HasPrefix(s.src[s.pos:], "&") {
		s.pos++
		for s.pos < len(s.src) && s.src[s.pos] >= '0' && s.src[s.pos] <= '9' {
			s.pos++
		}
		return
	}
	s.expect = ">"
}

func (s *splitter) single() {
	end := strings.IndexByte(s.src[s.pos+1:], '\'')
	if end < 0 {
		s.put(s.src[s.pos+1:])
		s.pos = len(s.src)
		return
	}
	s.put(s.src[s.pos+1 : s.pos+1+end])
	s.pos += end + 2
}

func (s *splitter) double() {
	s.put("")
	s.pos++
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch {
		case c == '"':
			s.pos++
			return
		case c == '$':
			s.dollar()
			continue
		case c == '`' && !s.pwsh:
			end := strings.IndexByte(s.src[s.pos+1:], '`')
			if end >= 0 {
				s.put(s.subst(s.src[s.pos+1 : s.pos+1+end]))
				s.pos += end + 2
				continue
			}
		case (c == '\\' && !s.pwsh || c == '`' && s.pwsh) && s.pos+1 < len(s.src):
			s.pos++
			if !s.pwsh && strings.IndexByte("\"\\$`\n", s.src[s.pos]) < 0 {
				s.put(`\`)
			}
			c = s.src[s.pos]
		}
		s.put(string([]byte{c}))
		s.pos++
	}
}

// dollar reads $NAME, ${NAME}, ${NAME:-word}, $env:NAME, $(…) and $((…)).
func (s *splitter) dollar() {
	rest := s.src[s.pos+1:]
	switch {
	case strings.HasPrefix(rest, "("):
		n := closing(rest)
		s.put(s.subst(strings.TrimPrefix(strings.TrimSuffix(rest[:n], ")"), "(")))
		s.pos += 1 + n
	case strings.HasPrefix(rest, "{"):
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			s.put("$")
			s.pos++
			return
		}
		s.put(s.braced(rest[1:end]))
		s.pos += end + 2
	default:
		name := rest
		prefix := ""
		if strings.HasPrefix(strings.ToLower(rest), "env:") {
			prefix, name = rest[:4], rest[4:]
		}
		n := 0
		for n < len(name) && (isNameStart(name[n]) || n > 0 && name[n] >= '0' && name[n] <= '9') {
			n++
		}
		if n == 0 {
			s.special(rest)
			return
		}
		s.put(s.lookup(name[:n]))
		s.pos += 1 + len(prefix) + n
	}
}

// special is $?, $1, $@ and their like: only a real shell knows them.
func (s *splitter) special(rest string) {
	if rest == "" || strings.IndexByte("0123456789?@*#!-$", rest[0]) < 0 {
		s.put("$")
		s.pos++
		return
	}
	s.put(mark)
	s.pos += 2
}

// braced is the inside of ${…}.
func (s *splitter) braced(in string) string {
	in = strings.TrimPrefix(strings.TrimPrefix(in, "env:"), "Env:")
	n := 0
	for n < len(in) && (isNameStart(in[n]) || n > 0 && in[n] >= '0' && in[n] <= '9') {
		n++
	}
	if n == 0 {
		return mark
	}
	v := s.lookup(in[:n])
	switch op := in[n:]; {
	case op == "":
		return v
	case strings.HasPrefix(op, ":-") || strings.HasPrefix(op, ":="):
		if v == "" || v == mark {
			return op[2:]
		}
		return v
	case strings.HasPrefix(op, "%%"):
		if cut, ok := strings.CutSuffix(op[2:], "*"); ok && !isUnknown(v) {
			before, _, _ := strings.Cut(v, cut)
			return before
		}
	}
	return mark
}

// closing gives the length of a text from its opening parenthesis to the matching closing one.
func closing(s string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}
