package workflow

import (
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// clientSecretSpellings are the spellings of a client secret in the names of options and variables. The prefilter knows them too.
var clientSecretSpellings = []string{"client_secret", "CLIENT_SECRET", "Client_Secret", "clientSecret", "ClientSecret", "CLIENTSECRET", "clientsecret",
	"client-secret", "CLIENT-SECRET", "Client-Secret"}

var clientSecretNames = newSearch(clientSecretSpellings...)

// beside finds, after all else, client secrets for programs and actions that are not known. A client secret by itself may be
// any service's; with a tenant beside it, it is taken for that of an app registration, so that it is not deleted unseen.
func (f *finder) beside() {
	for _, j := range f.file.jobs {
		if !j.never {
			f.besideSteps(j.steps)
		}
	}
	f.besideSteps(f.file.steps)
	f.besideEnv(f.file.env, nil, nil)
	for _, j := range f.file.jobs {
		if j.never {
			continue
		}
		f.besideEnv(j.env, j, nil)
		f.besideEnv(get(j.container, "env"), j, nil)
	}
}

func (f *finder) besideSteps(steps []*step) {
	for _, s := range steps {
		if s.never {
			continue
		}
		f.besideCommands(s)
		f.besideEnv(s.env, s.job, s)
		if target := f.actionOf(s.action); s.action != "" && target == nil {
			f.unknownProfile(s)
		}
	}
}

// besideCommands looks for commands that take a client secret and a tenant.
func (f *finder) besideCommands(s *step) {
	e := s.run
	if e.value == nil {
		e, _, _ = s.scriptInput()
	}
	if e.value == nil || !in(clientSecretNames, text(e.value)) {
		return
	}
	for _, r := range s.scripts() {
		for i := range r.Commands {
			f.besideCommand(s, r, &r.Commands[i])
		}
	}
}

func (f *finder) besideCommand(s *step, r *runScript, c *script.Command) {
	list := arguments(r, c)
	var n *finding
	for _, secret := range list {
		tenant, ok := tenantOf(list, secret.name)
		if !ok || !f.handsOn(scope{f.analysis, f.file, s.job, s}, r, secret.value(r)) || n == nil && f.found(s, r, c) {
			continue
		}
		w := script.Word{Start: secret.start, End: secret.end}
		if n != nil { // one command, several credentials
			for _, use := range f.scriptSecrets(s, r, r.original(w), roleClientSecret) {
				n.Secrets = addUse(n.Secrets, use)
			}
			continue
		}
		if n = f.command(inventory.KindOther, s, r, c, w, roleClientSecret); n == nil {
			return
		}
		n.argument, n.secretName, n.beside = w, secret.name, tenant.name
		n.Identity.TenantID = f.textValue(s, r, tenant.value(r))
		if id, ok := argumentLike(list, secret.name, "clientid"); ok {
			n.Identity.ClientID = f.textValue(s, r, id.value(r))
		}
	}
}

// tenantOf finds the tenant that belongs to a client secret among a command's arguments.
func tenantOf(list []argument, secret string) (argument, bool) {
	if !namesAClientSecret(secret) {
		return argument{}, false
	}
	if a, ok := argumentLike(list, secret, "tenantid"); ok {
		return a, true
	}
	if containsAny(strings.ToLower(secret), ownTenants) {
		return argument{}, false
	}
	return argumentLike(list, secret, "tenant")
}

// argumentLike finds the argument whose name ends with what is asked for. What comes before it is the same as in the client
// secret's name, where both have something there.
func argumentLike(list []argument, secret, suffix string) (argument, bool) {
	prefix := strings.TrimSuffix(squash(secret), "clientsecret")
	for _, a := range list {
		own, ok := strings.CutSuffix(squash(a.name), suffix)
		if ok && (own == prefix || own == "" || prefix == "") {
			return a, true
		}
	}
	return argument{}, false
}

// found tells whether something in a command is a login already.
func (f *finder) found(s *step, r *runScript, c *script.Command) bool {
	from, ok := f.file.source(r.entry.value, c.Start)
	to, _ := f.file.source(r.entry.value, c.End)
	if !ok {
		from, to = f.file.start(r.entry.key), f.file.end(r.entry.raw)
	}
	for _, n := range f.findings {
		if n.step == s && n.script != nil && !n.stray && n.start < to && from < n.end || n.step == s && n.stray && from <= n.start && n.start < to {
			return true
		}
	}
	return false
}

// argument is one option or NAME=value of a command, with the place of its value in the script.
type argument struct {
	name       string
	start, end int
}

func (a argument) value(r *runScript) string {
	return r.original(script.Word{Start: a.start, End: a.end})
}

// arguments divides a command into options and their values: --name value, --name=value, -Name:value, name=value, and several
// of the last kind in one word, as in the body of a request and in Helm's --set.
func arguments(r *runScript, c *script.Command) []argument {
	var list []argument
	for i := 1; i < len(c.Words); i++ {
		w := c.Words[i]
		if strings.HasPrefix(w.Text, "-") && !strings.ContainsAny(w.Text, "=") {
			name, _, colon := strings.Cut(w.Text, ":")
			switch {
			case colon:
				list = append(list, argument{name, w.Start + len(name) + 1, w.End})
			case i+1 < len(c.Words):
				list = append(list, argument{name, c.Words[i+1].Start, c.Words[i+1].End})
			case strings.HasPrefix(strings.TrimLeft(r.text[w.End:], " "), "("): // PowerShell: -Name (command)
				list = append(list, argument{name, w.End, lineEnd(r.text, w.End)})
			}
			continue
		}
		list = append(list, pairs(r.text, w)...)
	}
	return list
}

func lineEnd(text string, at int) int {
	if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(text)
}

// pairs finds each NAME=value of a word. Expressions hold no separator that counts, so the masked text is searched.
func pairs(text string, w script.Word) []argument {
	var list []argument
	masked := mask(text[w.Start:w.End])
	for at := 0; at < len(masked); {
		end := len(masked)
		if i := strings.IndexAny(masked[at:], "&,\n"); i >= 0 {
			end = at + i
		}
		if name, _, ok := strings.Cut(masked[at:end], "="); ok {
			list = append(list, argument{strings.Trim(name, " \t\"'"), w.Start + at + len(name) + 1, w.Start + end})
		}
		at = end + 1
	}
	return list
}

func namesAClientSecret(name string) bool {
	return strings.HasSuffix(squash(name), "clientsecret") && in(clientSecretNames, name)
}

// handsOn tells whether a value reads a secret that is stored, or what the callers of this file give it. What a step puts out
// was made in the run.
func (f *finder) handsOn(in scope, r *runScript, value string) bool {
	direct := false
	for _, x := range refsOf(value) {
		if id := roleOfProperty(x.property); x.whole || id != "" && id != roleClientSecret {
			return false
		}
		direct = direct || x.context == "secrets" || x.context == "env" || x.context == "inputs"
		if x.context == "inputs" && (f.file.action || f.file.has("workflow_call")) {
			return true
		}
	}
	if direct && len(in.secrets(value, "")) > 0 {
		return true
	}
	return r != nil && len(variables(value)) > 0 && len(f.scriptSecrets(in.step, r, value, "")) > 0
}

// besideEnv looks for PREFIX_CLIENT_SECRET with PREFIX_TENANT_ID or PREFIX_TENANT in the same environment.
func (f *finder) besideEnv(env *yaml.Node, j *job, s *step) {
	in := scope{f.analysis, f.file, j, s}
	for e := range each(env) {
		name, value := e.key.Value, text(e.value)
		if !strings.Contains(value, "${{") || f.seen[f.file.start(e.key)] != nil || !namesAClientSecret(name) || !f.handsOn(in, nil, value) {
			continue
		}
		if in.tenantBeside(env, name) == "" || f.readByLogins(name, j, s) {
			continue
		}
		if n := f.atKey(inventory.KindOther, e, j, s); n != nil {
			n.Secrets, n.held = in.secretsOf(value, roleClientSecret), true
			in.tellBeside(n, env, name)
		}
	}
}

// tellBeside notes the tenant and the client id that stand beside a client secret in an environment, where a tenant does.
func (s scope) tellBeside(n *finding, env *yaml.Node, name string) {
	tenant := s.tenantBeside(env, name)
	if tenant == "" {
		return
	}
	n.beside, n.secretName = tenant, name
	n.Identity.TenantID = s.besideValue(env, tenant)
	n.Identity.ClientID = s.besideValue(env, prefixOf(name)+likeCase(name, "client_id"))
}

// prefixOf is what comes before CLIENT_SECRET in a variable's name.
func prefixOf(name string) string {
	for _, s := range clientSecretSpellings {
		if p, ok := strings.CutSuffix(name, s); ok {
			return p
		}
	}
	return ""
}

// likeCase writes a part of a name as the name beside it is written. Environment variables are compared without case, so only
// what divides the words matters.
func likeCase(name, part string) string {
	switch {
	case strings.HasSuffix(strings.ToLower(name), "client_secret"):
		return strings.ToUpper(part)
	case strings.HasSuffix(strings.ToLower(name), "client-secret"):
		return strings.ReplaceAll(part, "_", "-")
	}
	return strings.ReplaceAll(part, "_", "")
}

// ownTenants are the services whose client secrets stand beside a tenant of their own, which is a name and no id.
var ownTenants = []string{"auth0", "mock_auth", "delinea", "wiz", "cdse"}

// tenantBeside gives the name of the variable that names the tenant of a client secret, or "".
func (s scope) tenantBeside(env *yaml.Node, name string) string {
	tenants := []string{prefixOf(name) + likeCase(name, "tenant_id"), prefixOf(name) + likeCase(name, "tenant")}
	if containsAny(strings.ToLower(name), ownTenants) {
		tenants = tenants[:1]
	}
	for _, t := range tenants {
		if _, ok := lookup(env, t); ok || s.reaches(t) {
			return t
		}
	}
	return ""
}

// reaches tells whether a variable is set where a value stands, or in a narrower environment that sees the value too.
func (s scope) reaches(name string) bool {
	if _, _, ok := s.env(name); ok {
		return true
	}
	jobs := s.file.jobs
	if s.job != nil {
		jobs = []*job{s.job}
	}
	for _, j := range jobs {
		if _, ok := lookup(j.env, name); ok {
			return true
		}
		for _, inner := range j.steps {
			if _, ok := lookup(inner.env, name); ok && s.step == nil {
				return true
			}
		}
	}
	return false
}

// besideValue reads an id that stands beside a client secret.
func (s scope) besideValue(env *yaml.Node, name string) string {
	if e, ok := lookup(env, name); ok {
		return s.readable(text(e.value))
	}
	if v, in, ok := s.env(name); ok {
		return in.readable(v)
	}
	return ""
}

// readByLogins tells whether what shows as a reader of a variable is all in logins that were found, and at least one is.
func (f *finder) readByLogins(name string, j *job, s *step) bool {
	from, to := 0, len(f.file.src)
	switch {
	case s != nil:
		from, to = f.file.start(s.node), f.file.end(s.node)
	case j != nil:
		from, to = f.file.start(j.key), f.file.end(j.node)
	}
	known := false
	for _, at := range f.file.readers(name) {
		if at < from || at >= to {
			continue
		}
		covered := false
		for _, n := range f.findings {
			covered = covered || n.mayRead(at)
		}
		if !covered {
			return false
		}
		known = true
	}
	return known
}

// mayRead tells whether an offset is in a login, or for PowerShell in its script, which makes the credential before.
func (f *finding) mayRead(at int) bool {
	if f.Kind == inventory.KindConnectAzAccount {
		value := f.script.entry.value
		return f.file.start(value) <= at && at < f.file.end(value)
	}
	return f.start <= at && at < f.end
}

// unknownProfile recognises a publish profile that goes into an action that is not read: its input is named as in Azure's own actions.
func (f *finder) unknownProfile(s *step) {
	e, ok := s.input("publish-profile")
	in := scope{f.analysis, f.file, s.job, s}
	if !ok || f.seen[f.file.start(e.key)] != nil || !f.handsOn(in, nil, text(e.value)) {
		return
	}
	f.withSecrets(f.atKey(inventory.KindPublishProfile, e, s.job, s), in, e, roleOther)
}

// ownProfiles does the same for actions that were read, once all is known of what they do with their inputs: one that runs a
// program of its own hands the profile to that.
func (f *finder) ownProfiles() {
	f.profilesOf(f.file.steps)
	for _, j := range f.file.jobs {
		if !j.never {
			f.profilesOf(j.steps)
		}
	}
}

func (f *finder) profilesOf(steps []*step) {
	for _, s := range steps {
		if s.action != "" && !s.never {
			f.unknownProfile(s)
		}
	}
}
