package simulate

import (
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// The files that a runner offers, as a script's redirections name them.
const (
	envFile    = "\x01GITHUB_ENV"
	outputFile = "\x01GITHUB_OUTPUT"
)

// script is one run text while it is read.
type script struct {
	a      *site
	pwsh   bool
	locals map[string]string
	secure map[string]string    // PowerShell: secure strings
	creds  map[string][2]string // PowerShell: PSCredential objects
	blocks []block
	braces int // open blocks of PowerShell
	lines  int
	depth  int
	logins int
	stdin  string
	piped  bool
}

// block is one level of if, case, for or while.
type block struct {
	now  tri // whether the commands of this branch run
	done tri // whether a branch before has run
}

// tri is true, false or unknown.
type tri int

const (
	no tri = iota
	yes
	maybe
)

const (
	maxScriptLines = 20_000
	maxSubst       = 10
)

// script reads a step's script for logins and for what it writes to $GITHUB_ENV and $GITHUB_OUTPUT.
func (a *site) script(src, shell string) error {
	sh := &script{
		a: a, pwsh: isPowerShell(src, shell), locals: map[string]string{},
		secure: map[string]string{}, creds: map[string][2]string{},
	}
	switch {
	case strings.HasPrefix(shell, "python"), strings.HasPrefix(shell, "node"):
		return a.sdkStep(0)
	case strings.HasPrefix(shell, "cmd"):
		src = percent().ReplaceAllStringFunc(src, func(m string) string { return sh.lookup(strings.Trim(m, "%")) })
	}
	a.logEnv()
	if isDigest(src) {
		return a.digest(src)
	}
	if err := sh.runText(src); err != nil {
		return err
	}
	return a.sdkStep(sh.logins)
}

var percent = lazy.Regexp(`%[A-Za-z_]\w*%`)

// sdkStep is the login of a program that the script starts, when the environment is made for one.
func (a *site) sdkStep(logins int) error {
	if logins > 0 || !a.env.has("AZURE_CLIENT_ID") || !a.env.has("AZURE_TENANT_ID") {
		return nil
	}
	return a.sdkLogin()
}

var psAssign = lazy.Regexp(`(?m)^\s*\$(?:[Ee]nv:)?\w+\s*=`)

func isPowerShell(src, shell string) bool {
	if shell != "" {
		return strings.HasPrefix(shell, "pwsh") || strings.HasPrefix(shell, "powershell")
	}
	return strings.Contains(strings.ToLower(src), "$env:") || strings.Contains(src, "Connect-AzAccount") || psAssign().MatchString(src)
}

var heredoc = lazy.Regexp(`(?:^|[^<])<<-?\s*['"]?([A-Za-z_]\w*)['"]?`)

func (sh *script) runText(src string) error {
	lines := strings.Split(strings.ReplaceAll(src, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		if sh.lines++; sh.lines > maxScriptLines {
			return nil
		}
		line := lines[i]
		for i+1 < len(lines) && sh.continues(line) {
			i++
			line = strings.TrimRight(line, " \t")
			line = line[:len(line)-1] + " " + lines[i]
		}
		for i+1 < len(lines) && unclosed(line) {
			i++
			line += "\n" + lines[i]
		}
		var body []string
		if m := heredoc().FindStringSubmatch(line); m != nil && !sh.pwsh && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			for i++; i < len(lines) && strings.TrimSpace(lines[i]) != m[1]; i++ {
				body = append(body, lines[i])
			}
			line = heredoc().ReplaceAllString(line, " ")
		}
		if err := sh.runLine(line, body); err != nil {
			return err
		}
	}
	return nil
}

func (sh *script) continues(line string) bool {
	t := strings.TrimRight(line, " \t")
	if sh.pwsh {
		return strings.HasSuffix(t, " `")
	}
	return strings.HasSuffix(line, `\`) && !strings.HasPrefix(strings.TrimSpace(line), "#")
}

// unclosed reports an open quote, so that a text over several lines is read as one; an odd apostrophe in a
// comment or heredoc must not swallow the rest, so only a text with its closing quote further on counts.
func unclosed(line string) bool {
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && quote != '\'':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t'):
			if nl := strings.IndexByte(line[i:], '\n'); nl >= 0 {
				i += nl
				continue
			}
			return false
		}
	}
	return quote != 0 && len(line) < 8_000
}

func (sh *script) runLine(line string, body []string) error {
	if sh.pwsh {
		if sh.powershell(line) {
			return sh.connect(line)
		}
		defer func() { sh.braces = max(0, sh.braces+strings.Count(line, "{")-strings.Count(line, "}")) }()
	}
	sp := &splitter{src: line, pwsh: sh.pwsh, lookup: sh.lookup, subst: sh.substitute}
	sh.stdin, sh.piped = "", false
	for _, c := range sp.split() {
		out, known, err := sh.exec(c, body)
		if err != nil && c.op != "||" {
			return err
		}
		sh.stdin, sh.piped = "", c.op == "|"
		if sh.piped {
			sh.stdin = mark
			if known {
				sh.stdin = out
			}
		}
	}
	return nil
}

// lookup gives a variable's value. One that nothing has set is unknown: the script may set it in a way that is not
// read here.
func (sh *script) lookup(name string) string {
	switch name {
	case "GITHUB_ENV":
		return envFile
	case "GITHUB_OUTPUT":
		return outputFile
	}
	if v, ok := sh.locals[name]; ok {
		return v
	}
	if sh.pwsh {
		for k, v := range sh.locals {
			if strings.EqualFold(k, name) {
				return v
			}
		}
	}
	if sh.a.env.has(name) {
		return sh.a.variable(name)
	}
	if v := sh.runnerVariable(name); v != "" {
		return v
	}
	return mark
}

func (sh *script) runnerVariable(name string) string {
	g, _ := sh.a.sc.contexts["github"].(*object)
	if rest, ok := strings.CutPrefix(name, "GITHUB_"); ok && g != nil && g.has(rest) && !isComposite(g.get(rest)) {
		return text(g.get(rest))
	}
	return ""
}

// substitute gives what a $(…) prints, where that can be told.
func (sh *script) substitute(src string) string {
	if sh.depth >= maxSubst {
		return mark
	}
	sh.depth++
	defer func() { sh.depth-- }()
	stdin, piped := sh.stdin, sh.piped
	defer func() { sh.stdin, sh.piped = stdin, piped }()
	sp := &splitter{src: src, pwsh: sh.pwsh, lookup: sh.lookup, subst: sh.substitute}
	sh.stdin, sh.piped = "", false
	out, known := "", false
	for _, c := range sp.split() {
		var err error
		if out, known, err = sh.exec(c, nil); err != nil {
			known = false
		}
		sh.piped, sh.stdin = c.op == "|", mark
		if known {
			sh.stdin = out
		}
	}
	if !known {
		return mark
	}
	return strings.TrimRight(out, "\n")
}

// runs says whether the command at hand runs.
func (sh *script) runs() tri {
	out := yes
	if sh.braces > 0 {
		out = maybe // inside a block of PowerShell, which is not followed
	}
	for _, b := range sh.blocks {
		switch b.now {
		case no:
			return no
		case maybe:
			out = maybe
		}
	}
	return out
}

var assignment = lazy.Regexp(`^([A-Za-z_]\w*)\+?=(?s:(.*))$`)

// exec runs one command; out is what it prints, if known.
func (sh *script) exec(c command, body []string) (out string, known bool, err error) {
	if c.hasIn {
		sh.stdin, sh.piped = c.stdin, true
	}
	words := sh.control(c)
	if len(words) == 0 {
		return "", false, nil
	}
	if sh.runs() == no {
		return "", false, nil
	}
	prefix := map[string]string{}
	for len(words) > 0 {
		m := assignment().FindStringSubmatch(words[0])
		if m == nil {
			break
		}
		prefix[m[1]] = m[2]
		words = words[1:]
	}
	if len(words) == 0 {
		for k, v := range prefix {
			sh.setLocal(k, v)
		}
		return "", false, nil
	}
	for k, v := range prefix {
		old, had := sh.locals[k]
		sh.locals[k] = v
		defer func() {
			if sh.locals[k] = old; !had {
				delete(sh.locals, k)
			}
		}()
	}
	out, known, err = sh.builtin(words, body)
	if known && words[0] == "echo" && sh.depth == 0 && c.target == "" && c.op != "|" && sh.runs() == yes {
		sh.a.log(strings.TrimSuffix(out, "\n"))
	}
	if c.target == envFile || c.target == outputFile {
		sh.write(c.target, out, known)
		return "", false, err
	}
	return out, known, err
}

// setLocal sets a variable; where it is not certain that the command runs, the value is unknown.
func (sh *script) setLocal(name, v string) {
	if old, ok := sh.locals[name]; sh.runs() == maybe && (!ok || old != v) {
		v = mark
	}
	sh.locals[name] = v
}

// write takes name=value lines for the runner's files.
func (sh *script) write(target, out string, known bool) {
	if !known {
		return
	}
	to := sh.a.f.j.written
	if target == outputFile {
		to = sh.a.outputs
	}
	for _, line := range strings.Split(strings.TrimRight(out, "\n"), "\n") {
		name, v, ok := strings.Cut(line, "=")
		if !ok || strings.Contains(name, "<<") || isUnknown(name) {
			continue
		}
		if sh.runs() == maybe && (!to.has(name) || text(to.get(name)) != v) {
			v = mark
		}
		to.set(strings.TrimSpace(name), strings.TrimRight(v, "\r"))
	}
}

// print is echo: a workflow command sets an output, everything else is printed.
var setOutput = lazy.Regexp(`^::set-output name=([\w-]+)::(.*)$`)

func (sh *script) print(words []string) (string, bool) {
	for len(words) > 0 && (words[0] == "-n" || words[0] == "-e" || words[0] == "-ne" || words[0] == "-en") {
		words = words[1:]
	}
	out := strings.Join(words, " ")
	if m := setOutput().FindStringSubmatch(out); m != nil {
		sh.write(outputFile, m[1]+"="+m[2], true)
	}
	return out + "\n", true
}

// printf knows %s only.
func printf(words []string) (string, bool) {
	if len(words) == 0 {
		return "", false
	}
	out := strings.NewReplacer(`\n`, "\n", "%%", "%").Replace(words[0])
	for _, w := range words[1:] {
		out = strings.Replace(out, "%s", w, 1)
	}
	return out, !strings.Contains(out, "%s")
}

// field is jq -r .name on a known JSON text.
func field(stdin string, words []string) (string, bool) {
	filter := ""
	for _, w := range words {
		if strings.HasPrefix(w, ".") {
			filter = w
		}
	}
	name := strings.Trim(strings.TrimPrefix(filter, "."), `["']`)
	if name == "" || isUnknown(stdin) {
		return "", false
	}
	v, ok := fromJSON(stdin)
	if !ok {
		return "", false
	}
	o, isObject := v.(*object)
	if !isObject || isComposite(o.get(name)) {
		return "", false
	}
	if o.get(name) == nil {
		return "null\n", true
	}
	return fmt.Sprintln(text(o.get(name))), true
}
