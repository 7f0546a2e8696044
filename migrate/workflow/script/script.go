// Package script finds commands that take an Azure credential in the run scripts of a workflow: in bash and sh by a real parser, in
// PowerShell and cmd by a tokenizer. Every word keeps its bytes' place in the script.
package script

import (
	"path"
	"strings"
)

// Shell is the language of a script.
type Shell int

// The languages that are read.
const (
	Bash Shell = iota // bash and sh
	PowerShell
	Cmd
	Other // python and the like: searched with care only
)

// ShellOf tells the language of a step's shell, as GitHub names it or as a command line such as "bash -e {0}". Empty is bash,
// which is the default on all runners but Windows.
func ShellOf(name string) Shell {
	fields := strings.Fields(name)
	if len(fields) == 0 {
		return Bash
	}
	switch base := strings.TrimSuffix(strings.ToLower(path.Base(strings.ReplaceAll(fields[0], `\`, "/"))), ".exe"); base {
	case "bash", "sh", "dash", "zsh", "ksh":
		return Bash
	case "pwsh", "powershell":
		return PowerShell
	case "cmd":
		return Cmd
	}
	return Other
}

// Word is one word of a command.
type Word struct {
	Start, End int    // in the script
	Text       string // without quotes; what a shell would substitute stays as it is written
}

// Command is one simple command.
type Command struct {
	Start, End int    // in the script, from the first word to the last; without redirections
	Name       string // the program, lower case, without a path and .exe
	Words      []Word // with the program's name
	Simple     bool   // stands alone: in no condition, loop, function, pipe, list or substitution
	First      bool   // no command that could depend on it, or fail before it, comes before
	Certain    bool   // comes from a parse; false where the text was only searched
	To         string // where its output is redirected to, such as $GITHUB_ENV
	Input      *Word  // its here-document, without the delimiters
}

// Assignment is one variable that a script sets: NAME=value, export NAME=value, $env:NAME = value, set NAME=value.
type Assignment struct {
	Start, End int
	Name       string
	Value      Word
	Exported   bool // visible to the commands of the script
}

// Script is what Find found.
type Script struct {
	Commands    []Command
	Assignments []Assignment
	Certain     bool // the whole script was parsed
}

// Find reads a script. Expressions of GitHub (${{ … }}) must have been replaced by names of the same length.
func Find(shell Shell, text string) Script {
	switch shell {
	case Bash:
		if s, ok := parseBash(text); ok {
			return s
		}
	case PowerShell:
		return parsePowerShell(text)
	case Cmd:
		return parseCmd(text)
	}
	return search(text)
}

// Flag gives the value of a command's option: "-p x", "-p=x", "--password x" and "--password=x". Names are compared without case where
// they begin with one dash and are longer than a letter, as PowerShell has them.
func (c Command) Flag(names ...string) (Word, bool) {
	for i, w := range c.Words {
		for _, name := range names {
			if same(w.Text, name) {
				if i+1 < len(c.Words) {
					return c.Words[i+1], true
				}
				return Word{Start: w.End, End: w.End}, true
			}
			if Joined(w.Text, name) {
				return Word{Start: min(w.Start+len(name)+1, w.End), End: w.End, Text: w.Text[len(name)+1:]}, true
			}
			if n := len(name); isParameter(name) && len(w.Text) > n && w.Text[n] == ':' && strings.EqualFold(w.Text[:n], name) {
				return Word{Start: min(w.Start+n+1, w.End), End: w.End, Text: w.Text[n+1:]}, true
			}
		}
	}
	return Word{}, false
}

// Joined tells whether a word is an option with its value: --password=x, or -p=x.
func Joined(word, option string) bool {
	value, ok := strings.CutPrefix(word, option)
	return ok && strings.HasPrefix(value, "=") && !isParameter(option)
}

// Has tells whether a command has an option or word.
func (c Command) Has(names ...string) bool {
	for _, w := range c.Words {
		for _, name := range names {
			if same(w.Text, name) || Joined(w.Text, name) {
				return true
			}
		}
	}
	return false
}

// Is tells whether a command begins with these words.
func (c Command) Is(words ...string) bool {
	if len(c.Words) < len(words) || len(words) == 0 || c.Name != words[0] {
		return false
	}
	for i, w := range words[1:] {
		if c.Words[i+1].Text != w {
			return false
		}
	}
	return true
}

func isParameter(name string) bool {
	return len(name) > 2 && name[0] == '-' && name[1] != '-'
}

func same(have, name string) bool {
	if isParameter(name) {
		return strings.EqualFold(have, name)
	}
	return have == name
}

// program gives the name of a program from the first word of a command.
func program(word string) string {
	word = word[strings.LastIndexAny(word, `/\`)+1:]
	word = strings.ToLower(word)
	for _, ext := range []string{".exe", ".cmd", ".bat"} {
		word = strings.TrimSuffix(word, ext)
	}
	return word
}

// prelude are commands after which another still counts as the first: they set options or print.
var prelude = map[string]bool{"set": true, "echo": true, "cd": true, "export": true, "printf": true, "write-host": true, "write-output": true, "shopt": true, "pwd": true, "date": true}
