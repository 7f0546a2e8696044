package pipeline

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
)

// setVariable matches a script that stores the key in a pipeline variable for later steps (Microsoft Learn: Logging commands,
// "SetVariable"). Groups: the variable's name, its properties.
var setVariable = map[script.Shell]func() *regexp.Regexp{
	script.Bash:       lazy.Regexp(`##vso\[task\.setvariable variable=([A-Za-z0-9_.]+)((?:;[^\]"'$]*)?)\]\$(?:servicePrincipalKey\b|\{servicePrincipalKey\})`),
	script.PowerShell: lazy.Regexp(`(?i)##vso\[task\.setvariable variable=([A-Za-z0-9_.]+)((?:;[^\]"'$]*)?)\](?:\$env:servicePrincipalKey\b|\$\{env:servicePrincipalKey\}|\$\(\$env:servicePrincipalKey\))`),
}

// change is an edit of a later step's text.
type change struct {
	at   source
	edit Edit
}

// handOn plans what a script needs that stores the key in variables, and what the later steps of its job need that read them: an
// env entry ARM_CLIENT_SECRET becomes ARM_USE_OIDC and ARM_OIDC_TOKEN. Any other read of the variable is left to a person.
func handOn(s *step, t scriptText) (edits []scriptEdit, changes []change, why string) {
	pattern := setVariable[t.shell]
	if pattern == nil {
		return nil, nil, ""
	}
	token := map[script.Shell]string{script.Bash: "$idToken", script.PowerShell: "$env:idToken"}[t.shell]
	text := code(t)
	for _, m := range pattern().FindAllStringSubmatchIndex(text, -1) {
		name, properties := text[m[2]:m[3]], text[m[4]:m[5]]
		if why := openlyShared(name, properties); why != "" {
			return nil, nil, why
		}
		readers, why := readersOf(s, name)
		if why != "" {
			return nil, nil, why
		}
		changes = append(changes, readers...)
		value := token
		if strings.Contains(text[m[0]:m[1]], "$(") {
			value = "$(" + token + ")"
		}
		edits = append(edits, scriptEdit{start: m[0], end: m[1], review: true, text: "##vso[task.setvariable variable=" + tokenVariable(name) + properties + "]" + value,
			reason: "later steps of the job get the federated token, which is valid for a few minutes only"})
	}
	return edits, changes, ""
}

// openlyShared tells why a variable's readers cannot all be seen.
func openlyShared(name, properties string) string {
	properties = strings.ToLower(properties)
	if strings.Contains(properties, "isoutput=true") {
		return "the script hands the key on to other jobs"
	}
	if readByTools(name) && !strings.Contains(properties, "issecret=true") {
		return fmt.Sprintf("the script hands the key on as %s, which every later step has in its environment", name)
	}
	return ""
}

// tokenVariable is the name of the variable that carries the token in the place of the key.
func tokenVariable(name string) string {
	switch {
	case strings.EqualFold(name, "servicePrincipalKey"):
		return "idToken"
	case strings.EqualFold(name, "ARM_CLIENT_SECRET"):
		return "ARM_OIDC_TOKEN"
	}
	return name
}

// readersOf plans the changes of the later steps of a job that read a variable.
func readersOf(s *step, name string) ([]change, string) {
	if s.context.job == nil {
		return nil, "the script hands the key on to steps that are not known"
	}
	var changes []change
	later := false
	for _, other := range s.context.job.steps {
		if other == s {
			later = true
			continue
		}
		if !later {
			continue
		}
		list, why := readersIn(other, name)
		if why != "" {
			return nil, why
		}
		changes = append(changes, list...)
	}
	if len(changes) == 0 {
		return nil, fmt.Sprintf("the script hands the key on as %s, and no later step of the job is seen to read it", name)
	}
	return changes, ""
}

func readersIn(s *step, name string) ([]change, string) {
	named := regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(name) + `\b`)
	var changes []change
	elsewhere := fmt.Sprintf("the script hands the key on as %s, which the step %s reads in a form that is not rewritten", name, s.label)
	for _, section := range s.n.get("env") {
		m := section.with(s.context.vars).object()
		for _, p := range m.pairs {
			v := p.with(s.context.vars)
			if v.kind != scalarNode || !strings.Contains(strings.ToLower(v.raw()), strings.ToLower("$("+name+")")) {
				continue
			}
			c, ok := envChange(m, p, v, name)
			if !ok {
				return nil, elsewhere
			}
			changes = append(changes, c)
		}
	}
	for _, t := range s.scripts {
		if named.MatchString(code(t)) {
			return nil, elsewhere
		}
	}
	if s.inputs != nil {
		for _, p := range s.inputs.pairs {
			if v := p.with(s.context.vars); v.kind == scalarNode && !isScriptInput(p.key) && strings.Contains(strings.ToLower(v.raw()), strings.ToLower("$("+name+")")) {
				return nil, elsewhere
			}
		}
	}
	return changes, ""
}

// envChange replaces an entry ARM_CLIENT_SECRET: $(name) by the two that Terraform reads a token by.
func envChange(m *node, p *pair, v *node, name string) (change, bool) {
	if !strings.EqualFold(p.key, "ARM_CLIENT_SECRET") || !strings.EqualFold(v.raw(), "$("+name+")") || m.has("ARM_USE_OIDC", "ARM_OIDC_TOKEN") || p.at.doc == nil || v.at.doc != p.at.doc || m.at.n == nil {
		return change{}, false
	}
	d := p.at.doc
	key, okKey := d.verbatim(p.at.n)
	val, okVal := d.verbatim(v.at.n)
	if !okKey || !okVal || len(key) != 1 || len(val) != 1 {
		return change{}, false
	}
	start, end := d.start(p.at.n), val[0].src+val[0].length
	keyEnd := key[0].src + key[0].length
	if keyEnd > val[0].src || !between().Match(d.src[keyEnd:val[0].src]) {
		return change{}, false // the value stands elsewhere, as an anchor
	}
	line, _ := d.place(start)
	indent := d.src[d.starts[line-1]:start]
	separator := ", "
	if m.at.n.Style&yaml.FlowStyle == 0 {
		if len(bytes.TrimLeft(indent, " ")) != 0 {
			return change{}, false
		}
		separator = d.newline(start) + string(indent)
	}
	text := "ARM_USE_OIDC: 'true'" + separator + "ARM_OIDC_TOKEN" + strings.TrimLeft(string(d.src[keyEnd:val[0].src]), `"'`) + "$(" + tokenVariable(name) + ")"
	return change{at: p.at, edit: Edit{Start: start, End: end, New: text, Rule: RuleKeyRead, Reason: terraformReason}}, true
}

var between = lazy.Regexp(`^["']?[ \t]*:[ \t]+["']?$`)
