package pipeline

import (
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
)

// holdsSecret tells whether a variable's name says that it holds a service principal's secret.
func holdsSecret(name string) bool {
	flat := withoutMarks.Replace(strings.ToLower(name))
	for _, part := range []string{"clientsecret", "serviceprincipalkey", "serviceprincipalsecret", "serviceprincipalpassword"} {
		if strings.Contains(flat, part) {
			return true
		}
	}
	for _, end := range []string{"spsecret", "spnsecret", "sppassword", "spnpassword", "spnkey", "sppwd"} {
		if strings.HasSuffix(flat, end) {
			return true
		}
	}
	return false
}

var withoutMarks = strings.NewReplacer("_", "", "-", "", ".", "", " ", "")

// readByTools tells whether Terraform or Azure's SDKs read an environment variable as a secret.
func readByTools(name string) bool {
	return slices.Contains([]string{"ARM_CLIENT_SECRET", "AZURE_CLIENT_SECRET"}, strings.ToUpper(name))
}

var macro = lazy.Regexp(`\$\(([A-Za-z0-9_.\- ]+)\)`)

// macros lists the pipeline variables that a text reads.
func macros(text string) []string {
	if !strings.Contains(text, "$") {
		return nil
	}
	var list []string
	for _, m := range macro().FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	for _, p := range split(text, "${{", "}}") {
		if p.is {
			list = append(list, variablesIn(p.expr)...)
		}
	}
	return unique(list)
}

var variableRead = lazy.Regexp(`(?i)variables(?:\.([A-Za-z0-9_.\-]+)|\['([^']+)'\])`)

func variablesIn(expression string) []string {
	var list []string
	for _, m := range variableRead().FindAllStringSubmatch(expression, -1) {
		list = append(list, m[1]+m[2])
	}
	return list
}

// isLiteral tells whether a text is a value rather than a reference to one.
func isLiteral(text string) bool {
	return strings.TrimSpace(text) != "" && !strings.Contains(text, "$") && !strings.Contains(text, "%")
}

// namedSecret reports a variable whose name says that it holds a secret.
func (w *walker) namedSecret(name string, v *node, at source, c context) {
	if !holdsSecret(name) {
		return
	}
	raw := v.raw()
	w.out.secrets = append(w.out.secrets, SecretUse{Place: w.place(at, c), Kind: SecretVariable, Name: name, Variables: macros(raw), Literal: isLiteral(raw), Disabled: c.disabled})
}

// env reports the variables of a step's env that hold a secret.
func (w *walker) env(s *step) {
	for _, section := range s.n.get("env") {
		m := section.with(s.context.vars).object()
		if m.kind != mapNode {
			continue
		}
		for _, p := range m.pairs {
			w.envEntry(s, p)
		}
	}
}

func (w *walker) envEntry(s *step, p *pair) {
	v := p.with(s.context.vars)
	if v.kind != scalarNode {
		return
	}
	raw := v.raw()
	variables := macros(raw)
	if !holdsSecret(p.key) && !slices.ContainsFunc(variables, holdsSecret) {
		return
	}
	w.out.secrets = append(w.out.secrets, SecretUse{Place: w.stepPlace(s, p.at), Kind: SecretEnv, Name: p.key, Variables: variables, Literal: isLiteral(raw), Disabled: s.context.disabled})
}

// secretInputs reports inputs of a task, other than its script, that a secret goes into.
func (w *walker) secretInputs(s *step) {
	if s.inputs == nil {
		return
	}
	for _, p := range s.inputs.pairs {
		v := p.with(s.context.vars)
		if v.kind != scalarNode || isScriptInput(p.key) {
			continue
		}
		variables := slices.DeleteFunc(macros(v.raw()), func(name string) bool { return !holdsSecret(name) })
		literal := holdsSecret(p.key) && isLiteral(v.raw())
		if len(variables) == 0 && !literal {
			continue
		}
		w.out.secrets = append(w.out.secrets, SecretUse{Place: w.stepPlace(s, p.at), Kind: SecretInput, Name: p.key, Variables: variables, Literal: literal, Disabled: s.context.disabled})
	}
}

func isScriptInput(name string) bool {
	return slices.ContainsFunc(scriptInputs, func(s string) bool { return strings.EqualFold(s, name) })
}

// keyRead matches a read of the key that AzureCLI puts into the environment, in any shell: $servicePrincipalKey,
// $env:servicePrincipalKey, %servicePrincipalKey%, os.environ["servicePrincipalKey"]; and the agent's own variable for a connection.
var (
	keyRead   = lazy.Regexp(`(?i)\bservicePrincipalKey\b|ENDPOINT_AUTH_PARAMETER_\w*_SERVICEPRINCIPALKEY`)
	tokenRead = lazy.Regexp(`(?i)\bidToken\b`)
)

// signsInOrExports matches scripts that can have a command or assignment that is looked for; parsing the others would tell nothing.
var signsInOrExports = lazy.Regexp(`(?i)login|az(?:urerm)?account|client_secret`)

// script looks for secrets in one script.
func (w *walker) script(s *step, t scriptText) {
	if !worthReading(t.text) {
		return
	}
	lines := code(t)
	if keys := keyRead().FindAllStringIndex(lines, -1); len(keys) > 0 {
		s.key = true
		w.scriptSecret(s, t, keys[0][0], SecretUse{Kind: SecretKey, Name: lines[keys[0][0]:keys[0][1]], Connection: s.names(KindAzureRM)})
	}
	s.token = s.token || tokenRead().MatchString(lines)
	var found script.Script
	if signsInOrExports().MatchString(t.text) {
		found = script.Find(t.shell, masked(t.text))
	}
	var done []script.Word // those that are part of what is reported
	for _, c := range found.Commands {
		if name, secret, ok := login(c); ok {
			done = append(done, secret)
			w.scriptSecret(s, t, c.Start, SecretUse{Kind: SecretLogin, Name: name, Variables: macros(t.text[secret.Start:secret.End]), Literal: isLiteral(t.text[secret.Start:secret.End])})
		}
	}
	for _, a := range found.Assignments {
		if readByTools(strings.TrimPrefix(strings.ToUpper(a.Name), "ENV:")) {
			text := t.text[a.Value.Start:a.Value.End]
			done = append(done, a.Value)
			w.scriptSecret(s, t, a.Start, SecretUse{Kind: SecretExport, Name: a.Name, Variables: macros(text), Literal: isLiteral(strings.Trim(text, `"'`))})
		}
	}
	w.scriptMacros(s, t, lines, done)
}

// worthReading tells whether a script can hold anything that is looked for, before it is parsed.
func worthReading(text string) bool {
	lower := strings.ToLower(text)
	for _, word := range []string{"login", "azaccount", "azurermaccount", "secret", "principalkey", "principalpassword", "idtoken", "spnkey", "spnpassword", "sppassword", "sppwd", "principal-key", "principal_key", "$("} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

// scriptMacros reports pipeline variables with a secret's name that a script reads elsewhere.
func (w *walker) scriptMacros(s *step, t scriptText, lines string, done []script.Word) {
	for _, m := range macro().FindAllStringSubmatchIndex(lines, -1) {
		name := lines[m[2]:m[3]]
		reported := slices.ContainsFunc(done, func(d script.Word) bool { return d.Start <= m[0] && m[0] < d.End })
		if reported || !holdsSecret(name) || keyRead().MatchString(name) {
			continue
		}
		w.scriptSecret(s, t, m[0], SecretUse{Kind: SecretInput, Name: name, Variables: []string{name}})
	}
}

func (w *walker) scriptSecret(s *step, t scriptText, at int, u SecretUse) {
	u.Place = w.stepPlace(s, s.at)
	if t.path != "" {
		u.Place.File, u.Place.Line, u.Place.Column = t.path, 1+strings.Count(t.text[:at], "\n"), 1+at-(strings.LastIndexByte(t.text[:at], '\n')+1)
	} else if t.origin.doc != nil {
		u.Place.Repository, u.Place.File = t.origin.doc.repository, t.origin.doc.path
		u.Place.Line, u.Place.Column = t.origin.doc.place(t.origin.doc.offset(t.origin.n, at))
	}
	u.Disabled = s.context.disabled
	w.out.secrets = append(w.out.secrets, u)
}

// names lists the connections of one kind that a step uses, as far as they are known.
func (s *step) names(kind Kind) []string {
	var list []string
	for _, u := range s.connected {
		if u.Kind == kind {
			list = append(list, u.Resolved...)
		}
	}
	return unique(list)
}

// login recognises a command that signs in with a secret, and gives the word that carries it.
func login(c script.Command) (name string, secret script.Word, ok bool) {
	switch {
	case c.Is("az", "login") && c.Has("--service-principal"):
		secret, ok = c.Flag("-p", "--password")
		return "az login", secret, ok && !c.Has("--federated-token")
	case c.Is("azd", "auth", "login"):
		secret, ok = c.Flag("--client-secret")
		return "azd auth login", secret, ok
	case slices.Contains([]string{"connect-azaccount", "login-azaccount", "add-azaccount", "login-azurermaccount", "connect-azurermaccount", "add-azurermaccount"}, c.Name):
		secret, ok = c.Flag("-Credential")
		return c.Words[0].Text, secret, ok && c.Has("-ServicePrincipal")
	}
	return "", secret, false
}

// masked replaces what the service fills in by names of the same length, so that a shell's grammar sees a word: ${{ x }} and $(x).
func masked(text string) string {
	b := []byte(text)
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			if b[i] != '\n' {
				b[i] = '_'
			}
		}
	}
	at := 0
	for _, p := range split(text, "${{", "}}") {
		if p.is {
			blank(at, at+len(p.text))
		}
		at += len(p.text)
	}
	for _, m := range macro().FindAllStringIndex(text, -1) {
		if !strings.Contains(text[m[0]:m[1]], " ") {
			blank(m[0], m[1])
		}
	}
	return string(b)
}

// code is a script with the lines that are only a comment blanked out.
func code(t scriptText) string {
	var b strings.Builder
	b.Grow(len(t.text))
	for line := range strings.Lines(t.text) {
		if isComment(strings.TrimSpace(line), t.shell) {
			b.WriteString(strings.Repeat(" ", len(strings.TrimRight(line, "\n"))) + line[len(strings.TrimRight(line, "\n")):])
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

func isComment(line string, shell script.Shell) bool {
	if shell == script.Cmd {
		return strings.HasPrefix(line, "::") || strings.HasPrefix(strings.ToLower(line), "rem ")
	}
	return strings.HasPrefix(line, "#")
}
