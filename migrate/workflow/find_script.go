package workflow

import (
	"cmp"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
)

// runScript is a script of a step, with its commands.
type runScript struct {
	entry entry // run, or inlineScript and the like
	shell script.Shell
	text  string // as in the file's value, with expressions
	script.Script
	inline bool // runs inside an action
	away   bool // and on another machine, or in a container that knows nothing of the job
}

// scriptInputs are the inputs of actions that are scripts. azure/cli and azure/powershell run theirs with the session of azure/login;
// those that are away run it where neither that session nor the job's token is; the others run a command until it succeeds.
var scriptInputs = map[string]scriptIn{
	"azure/cli":                {"inlineScript", script.Bash, false},
	"azure/powershell":         {"inlineScript", script.PowerShell, false},
	"nick-fields/retry":        {"command", script.Bash, false},
	"nick-invision/retry":      {"command", script.Bash, false},
	"wandalen/wretry.action":   {"command", script.Bash, false},
	"appleboy/ssh-action":      {"script", script.Bash, true},
	"addnab/docker-run-action": {"run", script.Bash, true},
}

type scriptIn struct {
	input string
	shell script.Shell
	away  bool
}

// scriptInput gives the input of a step's action that is a script.
func (s *step) scriptInput() (e entry, shell script.Shell, ok bool) {
	in, known := scriptInputs[s.action]
	if !known {
		return entry{}, 0, false
	}
	if e, ok = s.param(in.input); !ok {
		return entry{}, 0, false
	}
	if own := text(paramValue(s, "shell")); own != "" && in.shell == script.Bash {
		return e, script.ShellOf(own), true
	}
	return e, in.shell, true
}

// repeats tells whether the script of a finding is one that an action repeats, so that the step is nothing without it.
func (r *runScript) repeats() bool { return r.inline && r.entry.key.Value == "command" }

// scriptMarks are the byte strings without one of which a script holds nothing that commandLogin, assignmentLogin or besideCommands recognise:
// the words of their commands and options, and the names of variables.
var scriptMarks = newSearchAnyCase(append(variableNames(), "login", "azaccount", "azurermaccount", "azcopy", "account-key", "connection-string", "sas-token",
	"access_key", "sas_token", "sp_password", "deployment-token", "docker-password", "sqlcmd", "sqlpackage", "client_secret", "client-secret", "clientsecret")...)

// variableNames are the names in envKinds in lower case.
func variableNames() []string {
	names := make([]string, 0, len(envKinds))
	for name := range envKinds {
		names = append(names, strings.ToLower(name))
	}
	return names
}

// scripts gives the scripts of a step that are worth reading. They are read once.
func (s *step) scripts() []*runScript {
	if !s.wasRead {
		s.readable, s.wasRead = s.parseScripts(func(text string) bool { return in(scriptMarks, text) }), true
	}
	return s.readable
}

// parseScripts reads those scripts of a step that are wanted.
func (s *step) parseScripts(wanted func(string) bool) []*runScript {
	var list []*runScript
	add := func(e entry, shell script.Shell, inline bool) {
		value := text(e.value)
		if e.value == nil || !wanted(value) {
			return
		}
		list = append(list, &runScript{entry: e, shell: shell, text: value, Script: script.Find(shell, mask(value)), inline: inline, away: inline && scriptInputs[s.action].away})
	}
	if s.run.value != nil {
		add(s.run, script.ShellOf(s.shell), false)
	} else if e, shell, ok := s.scriptInput(); ok {
		add(e, shell, true)
	}
	return list
}

// original gives the text of a word as the file has it, expressions included and outer quotes taken off.
func (r *runScript) original(w script.Word) string {
	if w.Start >= w.End {
		return ""
	}
	return unquote(strings.TrimSpace(r.text[w.Start:w.End]))
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// scriptLogins looks for logins in the scripts of a step.
func (f *finder) scriptLogins(s *step) {
	for _, r := range s.scripts() {
		for i := range r.Commands {
			f.commandLogin(s, r, &r.Commands[i])
		}
		for i := range r.Assignments {
			f.assignmentLogin(s, r, &r.Assignments[i])
		}
	}
}

// commandLogin recognises one command.
func (f *finder) commandLogin(s *step, r *runScript, c *script.Command) {
	switch {
	case c.Is("az", "login"):
		f.azLogin(s, r, c)
	case c.Is("azd", "auth", "login"), c.Is("azd", "login"):
		f.azdLogin(s, r, c)
	case accountCommands[c.Name]:
		f.connectAccount(s, r, c)
	case c.Is("az", "acr", "login"), isRegistryLogin(c):
		f.registryLogin(s, r, c)
	case c.Name == "azcopy" && c.Has("login") && c.Has("--service-principal"):
		f.azcopyLogin(s, r, c)
	case c.Is("pulumi", "config", "set"):
		f.pulumiConfig(s, r, c)
	case c.Name == "kubelogin" && c.Has("--client-secret"):
		w, _ := c.Flag("--client-secret")
		f.command(inventory.KindOther, s, r, c, w, roleClientSecret)
	case (c.Name == "swa" || c.Name == "npx") && c.Has("--deployment-token"):
		w, _ := c.Flag("--deployment-token")
		f.command(inventory.KindStaticWebAppsToken, s, r, c, w, roleOther)
	case c.Name == "terraform" || c.Name == "tofu" || c.Name == "terragrunt":
		f.terraformArguments(s, r, c)
	case c.Name == "packer":
		f.packerArguments(s, r, c)
	case c.Name == "az" || strings.HasPrefix(c.Name, "azcopy"):
		f.storageArguments(s, r, c)
	case c.Name == "sqlcmd" || c.Name == "sqlpackage":
		f.sqlArguments(s, r, c)
	}
	f.envFile(s, r, c)
}

var accountCommands = map[string]bool{"connect-azaccount": true, "login-azaccount": true, "add-azaccount": true, "connect-azurermaccount": true, "login-azurermaccount": true}

// command makes a finding of a command; secret is the word with the credential, or the zero word for all of the command.
func (f *finder) command(kind inventory.Kind, s *step, r *runScript, c *script.Command, secret script.Word, role string) *finding {
	n := f.atScript(kind, s, r, c.Start, c.End)
	if n == nil {
		return nil
	}
	n.command = c
	value := r.text[c.Start:c.End]
	if secret.End > secret.Start {
		value = r.original(secret)
	}
	n.Secrets = f.scriptSecrets(s, r, value, role)
	return n
}

// atScript makes a finding at a range of a script.
func (f *finder) atScript(kind inventory.Kind, s *step, r *runScript, from, to int) *finding {
	if f.full() {
		return nil
	}
	start, ok := f.file.source(r.entry.value, from)
	end, _ := f.file.source(r.entry.value, to)
	if !ok {
		start, end = f.file.start(r.entry.key), f.file.end(r.entry.raw)
	}
	n := f.atRange(kind, r.entry, max(end, start), start, s.job, s)
	if n != nil {
		n.script, n.exact = r, ok
	}
	return n
}

// scriptSecrets lists the secrets that a part of a script reads: by expressions, and by environment variables of the step,
// its job and the workflow, and by the script's own variables.
func (f *finder) scriptSecrets(s *step, r *runScript, value, role string) []inventory.SecretUse {
	in := scope{f.analysis, f.file, s.job, s}
	role = roleOfScript(value, role)
	list := in.secretsOf(value, role)
	for _, name := range variables(value) {
		list = in.variableSecrets(list, r, name, role, 0)
	}
	for i := range list {
		if id := roleOfName(list[i].Name); list[i].Role == roleClientSecret && id != "" {
			list[i].Role = id
		}
	}
	return list
}

// roleOfName tells the names of secrets that hold an id beside a credential.
func roleOfName(name string) string {
	switch n := squash(name); {
	case strings.HasSuffix(n, "clientid"), strings.HasSuffix(n, "appid"), strings.HasSuffix(n, "applicationid"), strings.HasSuffix(n, "spid"):
		return roleClientID
	case strings.HasSuffix(n, "tenantid"), strings.HasSuffix(n, "tenant"):
		return roleTenantID
	case strings.HasSuffix(n, "subscriptionid"), strings.HasSuffix(n, "subscription"):
		return roleSubscriptionID
	}
	return ""
}

func (s scope) variableSecrets(list []inventory.SecretUse, r *runScript, name, role string, depth int) []inventory.SecretUse {
	if v, in, ok := s.env(name); ok {
		return in.follow(list, v, role, 0)
	}
	if depth > maxFlow {
		return list
	}
	set := false
	for _, a := range r.Assignments {
		if a.Name != name {
			continue
		}
		set = true
		value := r.original(a.Value)
		role := roleOfScript(value, role)
		list = s.follow(list, value, role, 0)
		for _, next := range variables(value) {
			if next != name {
				list = s.variableSecrets(list, r, next, role, depth+1)
			}
		}
	}
	if !set {
		list = s.readWritten(list, name, role, depth)
	}
	return list
}

// variables lists the variables that a text reads: $NAME, ${NAME…}, $env:NAME, %NAME%.
func variables(value string) []string {
	var list []string
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '$':
			j := i + 1
			if j < len(value) && value[j] == '{' {
				if j+1 < len(value) && value[j+1] == '{' {
					continue // an expression of GitHub
				}
				j++
			}
			if j+4 <= len(value) && strings.EqualFold(value[j:j+4], "env:") {
				j += 4
			}
			k := j
			for k < len(value) && isWord(value[k]) {
				k++
			}
			if k > j {
				list = append(list, value[j:k])
			}
		case '%':
			if k := strings.IndexByte(value[i+1:], '%'); k > 0 && !strings.ContainsAny(value[i+1:i+1+k], " \t\n") {
				list = append(list, value[i+1:i+1+k])
				i += k + 1
			}
		}
	}
	return list
}

func (f *finder) azLogin(s *step, r *runScript, c *script.Command) {
	if !c.Has("--service-principal") { // interactive, device code, the runner's managed identity, or a user
		password, _ := c.Flag("-p", "--password")
		if len(f.scriptSecrets(s, r, r.original(password), roleOther)) > 0 && !c.Has("--identity", "-i") {
			f.command(inventory.KindOther, s, r, c, password, roleOther)
		}
		return
	}
	if c.Has("--federated-token") {
		n := f.command(inventory.KindAzLoginSP, s, r, c, script.Word{}, roleOther)
		if n != nil {
			n.Secrets, n.federated = []inventory.SecretUse{}, true
			f.commandIdentity(n, s, r, c)
		}
		return
	}
	secret, _ := c.Flag("-p", "--password", "--certificate")
	if n := f.command(inventory.KindAzLoginSP, s, r, c, secret, roleClientSecret); n != nil {
		f.commandIdentity(n, s, r, c)
	}
}

// commandIdentity reads the ids of a command's options.
func (f *finder) commandIdentity(n *finding, s *step, r *runScript, c *script.Command) {
	read := func(names ...string) string {
		w, ok := c.Flag(names...)
		if !ok {
			return ""
		}
		return f.wordValue(s, r, w)
	}
	n.Identity.ClientID = read("-u", "--username", "--client-id", "-ApplicationId")
	n.Identity.TenantID = read("-t", "--tenant", "--tenant-id", "-Tenant", "-TenantId")
	n.Identity.SubscriptionID = read("-Subscription", "-SubscriptionId")
	if n.Identity.Cloud = strings.ToLower(read("-Environment", "-EnvironmentName")); n.Identity.Cloud == "" {
		n.Identity.Cloud = f.cloudOf(s, r, c)
	}
	if publicCloud(n.Identity.Cloud) {
		n.Identity.Cloud = ""
	}
}

// cloudOf is the cloud that az cloud set has chosen before a command, in its script or in a step before it.
func (f *finder) cloudOf(s *step, r *runScript, c *script.Command) string {
	cloud := ""
	look := func(at *step, r *runScript, until int) {
		for i := range r.Commands {
			set := &r.Commands[i]
			if !set.Is("az", "cloud", "set") || set.Start >= until {
				continue
			}
			if w, ok := set.Flag("-n", "--name"); ok {
				cloud = cmp.Or(strings.ToLower(f.wordValue(at, r, w)), r.original(w))
			}
		}
	}
	for _, before := range s.before() {
		if run := text(before.run.value); strings.Contains(run, "az cloud set") {
			look(before, &runScript{text: run, entry: before.run, Script: script.Find(script.ShellOf(before.shell), mask(run))}, len(run))
		}
	}
	look(s, r, c.Start)
	return cloud
}

// wordValue gives the expression or literal that a word stands for outside of the script, or "".
func (f *finder) wordValue(s *step, r *runScript, w script.Word) string {
	return f.textValue(s, r, r.original(w))
}

func (f *finder) textValue(s *step, r *runScript, value string) string {
	in := scope{f.analysis, f.file, s.job, s}
	names := variables(value)
	if len(names) == 0 {
		return in.readable(value)
	}
	if len(names) != 1 || !isVariable(value) {
		return ""
	}
	if v, from, ok := in.env(names[0]); ok {
		return from.readable(v)
	}
	return f.assigned(s, r, names[0], value)
}

// assigned gives what a variable of the script stands for, where the script sets it once and to nothing computed.
func (f *finder) assigned(s *step, r *runScript, name, value string) string {
	found := ""
	for _, a := range r.Assignments {
		if !strings.EqualFold(a.Name, name) {
			continue
		}
		next := r.original(a.Value)
		if found != "" || next == value || strings.ContainsAny(next, "`|;\n") || strings.Contains(next, "$(") || len(variables(next)) > 0 {
			return ""
		}
		if found = f.textValue(s, r, next); found == "" {
			return ""
		}
	}
	return found
}

// isVariable tells whether a text is one variable and nothing else.
func isVariable(value string) bool {
	value = strings.TrimSpace(value)
	if strings.HasPrefix(value, "%") {
		return strings.Count(value, "%") == 2 && strings.HasSuffix(value, "%")
	}
	value = strings.TrimPrefix(value, "$")
	if len(value) > 1 && value[0] == '{' && value[len(value)-1] == '}' {
		value = value[1 : len(value)-1]
	}
	if len(value) > 4 && strings.EqualFold(value[:4], "env:") {
		value = value[4:]
	}
	return value != "" && strings.TrimFunc(value, func(c rune) bool { return c < 128 && isWord(byte(c)) }) == ""
}

func (f *finder) azdLogin(s *step, r *runScript, c *script.Command) {
	secret, ok := c.Flag("--client-secret", "--client-certificate")
	n := (*finding)(nil)
	switch {
	case ok:
		n = f.command(inventory.KindAzdLogin, s, r, c, secret, roleClientSecret)
	case c.Has("--federated-credential-provider"):
		if n = f.command(inventory.KindAzdLogin, s, r, c, script.Word{}, roleOther); n != nil {
			n.Secrets, n.federated = []inventory.SecretUse{}, true
		}
	}
	if n != nil {
		f.commandIdentity(n, s, r, c)
	}
}

// certificateOptions are the options of Connect-AzAccount that name a certificate.
var certificateOptions = []string{"-CertificatePassword", "-CertificatePath", "-CertificateThumbprint"}

func (f *finder) connectAccount(s *step, r *runScript, c *script.Command) {
	if c.Has("-Identity", "-AccessToken") || !c.Has("-ServicePrincipal", "-Credential", "-CertificateThumbprint", "-CertificatePath", "-FederatedToken") {
		return
	}
	credential, ok := c.Flag("-Credential")
	role := roleClientSecret
	if !ok && c.Has(certificateOptions...) {
		credential, _ = c.Flag(certificateOptions...)
		role = roleOther
	}
	n := f.command(inventory.KindConnectAzAccount, s, r, c, credential, role)
	if n == nil {
		return
	}
	if c.Has("-FederatedToken") {
		n.Secrets, n.federated = []inventory.SecretUse{}, true
	}
	f.commandIdentity(n, s, r, c)
	user := r.credentialUser()
	if n.Identity.ClientID == "" {
		n.Identity.ClientID = f.textValue(s, r, user)
	}
	ids := f.scriptSecrets(s, r, user, roleClientID)
	for i, use := range n.Secrets {
		if names(ids, use.Name) {
			n.Secrets[i].Role = roleClientID
		}
	}
}
