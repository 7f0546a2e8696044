package script

import "strings"

// parseCmd reads a script of cmd: one command a line, ^ continues a line.
func parseCmd(text string) Script {
	s := lines(text, "^", true)
	for _, c := range s.Commands {
		if c.Name == "set" && len(c.Words) > 1 {
			name, value, ok := strings.Cut(c.Words[1].Text, "=")
			if ok {
				w := c.Words[1]
				s.Assignments = append(s.Assignments, Assignment{Start: c.Start, End: c.End, Name: name, Exported: true,
					Value: Word{Start: w.End - len(value), End: c.End, Text: value}})
			}
		}
	}
	s.Certain = true
	return s
}

// search reads what no parser understands: line by line, as words between white space and quotes. Nothing that it finds is certain.
func search(text string) Script { return lines(text, `\`, false) }

func lines(text, continued string, certain bool) Script {
	var s Script
	first := true
	for at := 0; at < len(text); {
		end := at
		for {
			i := strings.IndexByte(text[end:], '\n')
			if i < 0 {
				end = len(text)
				break
			}
			line := strings.TrimRight(text[end:end+i], " \t\r")
			end += i + 1
			if !strings.HasSuffix(line, continued) {
				break
			}
		}
		for _, part := range split(text[at:end], at) {
			words := tokens(text, part[0], part[1], continued)
			if len(words) == 0 || strings.HasPrefix(words[0].Text, "#") || strings.EqualFold(words[0].Text, "rem") || strings.HasPrefix(words[0].Text, "::") {
				continue
			}
			c := Command{Start: words[0].Start, End: words[len(words)-1].End, Certain: certain, Simple: certain, First: certain && first}
			if len(words) > 1 && strings.EqualFold(strings.TrimPrefix(words[0].Text, "@"), "call") { // without which cmd does not come back from az, a batch file
				words = words[1:]
			}
			c.Words, c.Name = words, program(strings.TrimPrefix(words[0].Text, "@"))
			first = first && prelude[c.Name]
			s.Commands = append(s.Commands, c)
		}
		at = end
	}
	return s
}

// split divides a line at && and | and ; outside of quotes.
func split(line string, base int) [][2]int {
	var parts [][2]int
	start, quote := 0, byte(0)
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == ';' || c == '|' || c == '&':
			parts = append(parts, [2]int{base + start, base + i})
			start = i + 1
		}
	}
	return append(parts, [2]int{base + start, base + len(line)})
}

func tokens(text string, at, end int, continued string) []Word {
	var words []Word
	for at < end {
		c := text[at]
		if c == ' ' || c == '\t' || c == '\r' || c == '\n' || strings.HasPrefix(text[at:end], continued) && (at+1 >= end || strings.TrimLeft(text[at+1:end], " \t\r") == "" || strings.HasPrefix(strings.TrimLeft(text[at+1:end], " \t\r"), "\n")) {
			at++
			continue
		}
		w := Word{Start: at}
		var b strings.Builder
		for at < end && text[at] != ' ' && text[at] != '\t' && text[at] != '\r' && text[at] != '\n' {
			if q := text[at]; q == '"' || q == '\'' {
				stop := strings.IndexByte(text[at+1:end], q)
				if stop >= 0 {
					b.WriteString(text[at+1 : at+1+stop])
					at += stop + 2
					continue
				}
			}
			b.WriteByte(text[at])
			at++
		}
		w.End, w.Text = at, b.String()
		words = append(words, w)
	}
	return words
}
