package simulate

import "strings"

// control follows if, case, for and while, and gives the words of the command that is left.
func (sh *script) control(c command) []string {
	words := c.words
	if sh.pwsh {
		return words
	}
	for len(words) > 0 {
		switch words[0] {
		case "if":
			return sh.branch(words[1:], c.op, block{})
		case "elif":
			if b, ok := sh.pop(); ok {
				return sh.branch(words[1:], c.op, block{done: b.done})
			}
			return nil
		case "else":
			if b, ok := sh.pop(); ok {
				sh.blocks = append(sh.blocks, block{now: negate(b.done), done: yes})
			}
			words = words[1:]
			continue
		case "case", "for", "while", "until", "select":
			sh.blocks = append(sh.blocks, block{now: maybe, done: maybe})
			return nil
		case "fi", "esac", "done":
			sh.pop()
			return nil
		case "then", "do", "!", "{", "}", "(", "sudo", "time", "exec", "command", "env", "eval":
			words = words[1:]
			continue
		}
		return words
	}
	return nil
}

func (sh *script) pop() (block, bool) {
	if len(sh.blocks) == 0 {
		return block{}, false
	}
	b := sh.blocks[len(sh.blocks)-1]
	sh.blocks = sh.blocks[:len(sh.blocks)-1]
	return b, true
}

// branch opens a block. A condition that is a command and no test is left to be run.
func (sh *script) branch(words []string, op string, b block) []string {
	outer := sh.runs()
	cond := test(words)
	if op == "&&" || op == "||" || op == "|" {
		cond = maybe
	}
	b.now = both(cond, negate(b.done))
	b.done = either(b.done, cond)
	sh.blocks = append(sh.blocks, b)
	if len(words) > 0 && words[0] == "!" {
		words = words[1:]
	}
	if len(words) == 0 || words[0] == "[" || words[0] == "[[" || words[0] == "test" || outer == no {
		return nil
	}
	return words
}

func negate(t tri) tri {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return maybe
}

func both(a, b tri) tri {
	if a == no || b == no {
		return no
	}
	if a == yes && b == yes {
		return yes
	}
	return maybe
}

func either(a, b tri) tri { return negate(both(negate(a), negate(b))) }

// test decides [ … ] and [[ … ]] with one comparison.
func test(words []string) tri {
	if len(words) > 0 && words[0] == "!" {
		return negate(test(words[1:]))
	}
	if len(words) == 0 || words[0] != "[" && words[0] != "[[" && words[0] != "test" {
		return maybe
	}
	args := words[1:]
	if n := len(args); n > 0 && (args[n-1] == "]" || args[n-1] == "]]") {
		args = args[:n-1]
	}
	if len(args) > 0 && args[0] == "!" {
		return negate(test(append([]string{"["}, args[1:]...)))
	}
	for _, a := range args {
		if strings.Contains(a, mark) {
			return maybe
		}
	}
	switch {
	case len(args) == 2 && args[0] == "-z":
		return truth(args[1] == "")
	case len(args) == 2 && args[0] == "-n":
		return truth(args[1] != "")
	case len(args) == 3 && (args[1] == "==" || args[1] == "="):
		return compareTest(words[0], args[0], args[2])
	case len(args) == 3 && args[1] == "!=":
		return negate(compareTest(words[0], args[0], args[2]))
	}
	return maybe
}

// compareTest compares texts; in [[ ]] the right side may be a pattern.
func compareTest(form, a, b string) tri {
	if form != "[[" || !strings.ContainsAny(b, "*?[") {
		return truth(a == b)
	}
	if p, ok := strings.CutSuffix(b, "*"); ok && !strings.ContainsAny(p, "*?[") {
		return truth(strings.HasPrefix(a, p))
	}
	return maybe
}

func truth(b bool) tri {
	if b {
		return yes
	}
	return no
}
