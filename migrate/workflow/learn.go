package workflow

import (
	"maps"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
)

// maxRounds bounds how deep actions and reusable workflows that call each other are followed; GitHub allows ten levels of
// workflows and, below them, ten of composite actions.
const maxRounds = 20

// find looks for logins in all files: first where credentials enter use, then, as often as something new is
// learned, who hands them on.
func (a *analysis) find() {
	finders := make([]*finder, len(a.files))
	a.parallel(len(a.files), func(i int) {
		if a.files[i] != nil {
			finders[i] = &finder{analysis: a, file: a.files[i]}
			finders[i].with(finders[i].run)
		}
	})
	if a.jsonSecrets == nil {
		a.jsonSecrets, a.clientSecrets = make(map[string]bool), make(map[string]bool)
	}
	a.inputRoles = make(map[string]string)
	a.byFile = make(map[*file][]*finding)
	for round := range maxRounds {
		roles, secrets := len(a.inputRoles), len(a.jsonSecrets)+len(a.clientSecrets)
		a.learn(finders)
		secretsToo := round == 0 || len(a.jsonSecrets)+len(a.clientSecrets) > secrets
		if !secretsToo && len(a.inputRoles) == roles {
			break
		}
		a.parallel(len(a.files), func(i int) {
			if finders[i] != nil && (secretsToo || finders[i].file.callsLocal) {
				finders[i].mentions = finders[i].mentions[:finders[i].ownMentions]
				finders[i].with(finders[i].carriers)
			}
		})
	}
	for _, f := range finders {
		if f == nil {
			continue
		}
		f.with(f.ownProfiles)
		f.with(f.jsonIDs)
		f.everything()
		a.byFile[f.file] = f.findings
		a.findings = append(a.findings, f.findings...)
		a.mentions = append(a.mentions, f.mentions...)
		a.gaps = append(a.gaps, f.gaps...)
	}
	a.classifyAll()
}

// with lends the finder memory while it does something.
func (f *finder) with(do func()) {
	f.memories.with(func(m *memory) {
		f.memory = m
		do()
	})
}

// learn notes what the findings so far tell of the secrets, and of the inputs and secrets of called files.
func (a *analysis) learn(finders []*finder) {
	for _, f := range finders {
		if f == nil {
			continue
		}
		a.byFile[f.file] = f.findings
		for _, n := range f.findings {
			a.learnFrom(n)
		}
	}
}

func (a *analysis) learnFrom(n *finding) {
	for _, s := range n.Secrets {
		switch {
		case s.Role == roleCredentials && !strings.HasPrefix(strings.TrimSpace(text(n.entry.value)), "{"), containsFold(s.Expression, "fromjson"):
			a.jsonSecrets[strings.ToUpper(s.Name)] = true
		case s.Role == roleClientSecret:
			a.clientSecrets[strings.ToUpper(s.Name)] = true
		}
	}
	if !n.file.action && !n.file.has("workflow_call") || n.secretless() {
		return
	}
	if n.inherits() {
		for _, name := range slices.Sorted(maps.Keys(n.inherited)) {
			if role := n.inherited[name]; role == roleCredentials || role == roleClientSecret {
				a.learnRole(n.file, name, role)
			}
		}
		return
	}
	role := roleOfKind(n.Kind)
	if _, composed := a.composedOf(n); composed || n.beside != "" {
		role = roleClientSecret
	}
	if n.isPasser() && len(n.Secrets) > 0 {
		role = n.Secrets[0].Role // what the called file takes it as
	}
	for _, r := range a.reads(n) {
		if r.context == "inputs" || r.context == "secrets" && !n.file.action {
			as := role
			if part := roleOfProperty(r.property); part != "" {
				as = roleCredentials
			}
			if as == roleClientSecret && isID(r) {
				continue
			}
			a.learnRole(n.file, r.name(), as)
			if r.context == "secrets" && !isID(r) {
				a.learnSecret(r.name(), partRole(n, as))
			}
		}
	}
}

// partRole tells what a secret that is no id holds: of a JSON that is put together, the client secret.
func partRole(n *finding, role string) string {
	if role == roleCredentials && strings.HasPrefix(strings.TrimSpace(text(n.entry.value)), "{") {
		return roleClientSecret
	}
	return role
}

// learnRole notes what an input or secret of a called file is taken as.
func (a *analysis) learnRole(f *file, name, role string) {
	if key := channelKey(f, name); a.inputRoles[key] == "" {
		a.inputRoles[key] = role
	}
}

// learnSecret notes what a secret holds.
func (a *analysis) learnSecret(name, role string) {
	switch role {
	case roleCredentials:
		a.jsonSecrets[strings.ToUpper(name)] = true
	case roleClientSecret:
		a.clientSecrets[strings.ToUpper(name)] = true
	}
}

// secretless tells logins that use no stored credential.
func (n *finding) secretless() bool {
	return n.Kind == inventory.KindAzureLoginOIDC || n.federated || n.script == nil && n.entry.key != nil && strings.EqualFold(n.entry.key.Value, "ARM_USE_OIDC")
}

// isID tells reads that hold an id beside a credential, as in a composed JSON.
func isID(r ref) bool {
	n := squash(r.name())
	return strings.HasSuffix(n, "id") || strings.HasSuffix(n, "tenant")
}

func roleOfKind(k inventory.Kind) string {
	switch k {
	case inventory.KindAzureLoginCreds, inventory.KindCredsEnv, inventory.KindAKSSetContextCreds:
		return roleCredentials
	case inventory.KindTerraformEnv, inventory.KindSDKEnv, inventory.KindAzLoginSP, inventory.KindAzdLogin, inventory.KindConnectAzAccount, inventory.KindDockerACRSP:
		return roleClientSecret
	}
	return roleOther
}

// reads lists what the credential of a finding is read from inside its file: secrets and inputs, through env and the script's own variables.
func (a *analysis) reads(n *finding) []ref {
	in := scope{a, n.file, n.job, n.step}
	if n.script == nil {
		if c, ok := a.composedOf(n); ok && c.ClientSecret != "" {
			return in.sources(nil, c.ClientSecret, nil, 0)
		}
		return in.sources(nil, text(n.entry.value), nil, 0)
	}
	return in.sources(nil, n.credentialText(), n.script, 0)
}

// composedOf gives the JSON that creds is put together as; the client secret is the credential in it.
func (a *analysis) composedOf(n *finding) (credentialsJSON, bool) {
	if n.script != nil || n.Kind != inventory.KindAzureLoginCreds {
		return credentialsJSON{}, false
	}
	c, _, ok := scope{a, n.file, n.job, n.step}.composed(text(n.entry.value))
	return c, ok
}

// credentialText is the part of a script that carries a finding's credential.
func (n *finding) credentialText() string {
	r := n.script
	switch {
	case n.assignment != nil:
		return r.original(n.assignment.Value)
	case n.argument.End > n.argument.Start:
		return r.text[n.argument.Start:n.argument.End]
	case n.written:
		from, to := n.start, n.end
		return string(n.file.src[from:to])
	case n.command != nil:
		if w, ok := secretWord(n.command); ok {
			return r.original(w)
		}
		return r.text[n.command.Start:n.command.End]
	}
	return ""
}

// secretWord gives the word of a login command that holds the credential.
func secretWord(c *script.Command) (script.Word, bool) {
	return c.Flag("-p", "--password", "--client-secret", "-Credential", "--account-key", "--connection-string", "--sas-token", "--deployment-token")
}

func (s scope) sources(list []ref, value string, r *runScript, depth int) []ref {
	if depth > maxFlow {
		return list
	}
	for _, x := range refsOf(value) {
		if x.context == "env" {
			if v, in, ok := s.env(x.name()); ok {
				list = in.sources(list, v, nil, depth+1)
				continue
			}
		}
		list = append(list, x)
	}
	if r == nil {
		return list
	}
	for _, name := range variables(value) {
		if v, in, ok := s.env(name); ok {
			list = in.sources(list, v, nil, depth+1)
			continue
		}
		for _, as := range r.Assignments {
			if as.Name == name {
				list = s.sources(list, r.original(as.Value), r, depth+1)
			}
		}
	}
	return list
}

// sinksOf gives the findings of a called file, and of what it calls in turn through its own findings.
func (a *analysis) sinksOf(target *file) []*finding { return a.byFile[target] }

// tokenJobs gives every job that must be able to request a token for a login: its own, and those that call the
// action or reusable workflow it is in. The called workflows come after their callers.
func (a *analysis) tokenJobs(n *finding) []*job {
	var list []*job
	seen := make(map[*job]bool)
	var add func(j *job, depth int)
	var callersOf func(f *file, depth int)
	callersOf = func(f *file, depth int) {
		if depth > maxRounds {
			return
		}
		for _, c := range a.callers[f.path] {
			if j := c.owner(); j != nil {
				add(j, depth+1)
			} else {
				callersOf(c.step.file, depth+1)
			}
		}
	}
	add = func(j *job, depth int) {
		if seen[j] {
			return
		}
		seen[j] = true
		if j.file.has("workflow_call") {
			callersOf(j.file, depth)
		}
		list = append(list, j)
	}
	if n.file.action {
		callersOf(n.file, 0)
	}
	for _, j := range n.needsToken {
		add(j, 0)
	}
	return list
}
