package workflow

import (
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
}

// scriptMarks are the byte strings without one of which no script signs in to Azure or carries a credential onward.
var scriptMarks = []string{"az login", "login", "azd ", "AzAccount", "AzureRmAccount", "azcopy", "GITHUB_ENV", "GITHUB_OUTPUT", "_SECRET", "ACCESS_KEY", "account-key", "AccountKey=",
	"connection-string", "ConnectionString", "sas-token", "backend-config", "client_secret", "client-secret", "clientSecret", "CREDENTIALS", "Credentials", "--password", "kubelogin", "STORAGE_KEY", "deployment-token", "sqlcmd", "sqlpackage", "SqlPackage", "-var"}

// scripts gives the scripts of a step that are worth reading.
func (s *step) scripts() []*runScript {
	var list []*runScript
	add := func(e entry, shell script.Shell, inline bool) {
		value := text(e.value)
		if e.value == nil || !containsAny(value, scriptMarks) {
			return
		}
		list = append(list, &runScript{entry: e, shell: shell, text: value, Script: script.Find(shell, mask(value)), inline: inline})
	}
	switch {
	case s.run.value != nil:
		add(s.run, script.ShellOf(s.shell), false)
	case s.action == "azure/cli":
		e, _ := s.param("inlineScript")
		add(e, script.Bash, true)
	case s.action == "azure/powershell":
		e, _ := s.param("inlineScript")
		add(e, script.PowerShell, true)
	}
	return list
}

func containsAny(s string, list []string) bool {
	for _, x := range list {
		if strings.Contains(s, x) {
			return true
		}
	}
	return false
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
		f.command(inventory.KindOther, s, r, c, script.Word{}, roleClientSecret)
	case c.Name == "kubelogin" && c.Has("--client-secret"):
		w, _ := c.Flag("--client-secret")
		f.command(inventory.KindOther, s, r, c, w, roleClientSecret)
	case (c.Name == "swa" || c.Name == "npx") && c.Has("--deployment-token"):
		w, _ := c.Flag("--deployment-token")
		f.command(inventory.KindStaticWebAppsToken, s, r, c, w, roleOther)
	case c.Name == "terraform" || c.Name == "tofu" || c.Name == "terragrunt":
		f.terraformArguments(s, r, c)
	case c.Name == "az" || strings.HasPrefix(c.Name, "azcopy"):
		f.storageArguments(s, r, c)
	case c.Name == "sqlcmd" || c.Name == "sqlpackage":
		f.sqlArguments(s, r, c)
	}
	if strings.Contains(c.To, "GITHUB_ENV") || strings.Contains(c.To, "env:GITHUB_ENV") {
		f.envFile(s, r, c)
	}
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
	for _, a := range r.Assignments {
		if a.Name != name {
			continue
		}
		value := r.original(a.Value)
		list = s.follow(list, value, role, 0)
		for _, next := range variables(value) {
			if next != name {
				list = s.variableSecrets(list, r, next, role, depth+1)
			}
		}
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
	if !c.Has("--service-principal") {
		return // interactive, device code or the runner's managed identity
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
	return ""
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

func (f *finder) connectAccount(s *step, r *runScript, c *script.Command) {
	if c.Has("-Identity", "-AccessToken") || !c.Has("-ServicePrincipal", "-Credential", "-CertificateThumbprint", "-CertificatePath", "-FederatedToken") {
		return
	}
	credential, _ := c.Flag("-Credential")
	n := f.command(inventory.KindConnectAzAccount, s, r, c, credential, roleClientSecret)
	if n == nil {
		return
	}
	if c.Has("-FederatedToken") {
		n.Secrets, n.federated = []inventory.SecretUse{}, true
	}
	f.commandIdentity(n, s, r, c)
	if n.Identity.ClientID == "" {
		n.Identity.ClientID = f.textValue(s, r, r.credentialUser())
	}
}

func isRegistryLogin(c *script.Command) bool {
	switch c.Name {
	case "docker", "podman", "buildah", "oras", "nerdctl", "skopeo":
		return len(c.Words) > 1 && c.Words[1].Text == "login"
	case "helm":
		return len(c.Words) > 2 && c.Words[1].Text == "registry" && c.Words[2].Text == "login"
	}
	return false
}

// registryLogin recognises a login to an Azure container registry with a user name and password.
func (f *finder) registryLogin(s *step, r *runScript, c *script.Command) {
	password, ok := c.Flag("-p", "--password")
	if !ok && !c.Has("--password-stdin") {
		return
	}
	user, _ := c.Flag("-u", "--username")
	whole := r.text[c.Start:c.End]
	if c.Name != "az" && !f.isACR(s, r, c, whole) {
		return
	}
	if !ok { // the password comes through a pipe: read what stands before it on its line
		from := strings.LastIndexByte(r.text[:c.Start], '\n') + 1
		password = script.Word{Start: from, End: c.Start}
	}
	kind := inventory.KindDockerACRAdmin
	names := f.scriptSecrets(s, r, r.original(user), roleClientID)
	secrets := f.scriptSecrets(s, r, r.original(password), roleClientSecret)
	if len(secrets) == 0 {
		return
	}
	if isServicePrincipal(names, secrets, r.original(user), r.original(password)) {
		kind = inventory.KindDockerACRSP
	}
	if n := f.command(kind, s, r, c, password, roleOfRegistry(kind)); n != nil {
		n.registryUser = user
	}
}

func roleOfRegistry(k inventory.Kind) string {
	if k == inventory.KindDockerACRSP {
		return roleClientSecret
	}
	return roleOther
}

// isACR tells whether a registry login goes to an Azure registry: by its host, or by an environment variable that holds one.
func (f *finder) isACR(s *step, r *runScript, c *script.Command, whole string) bool {
	if strings.Contains(strings.ToLower(whole), "azurecr") {
		return true
	}
	in := scope{f.analysis, f.file, s.job, s}
	for _, w := range c.Words[1:] {
		if strings.HasPrefix(w.Text, "-") {
			continue
		}
		if in.namesACR(r.original(w), 0) {
			return true
		}
	}
	return false
}

// namesACR tells whether a value is, or reads, something that names an Azure registry.
func (s scope) namesACR(value string, depth int) bool {
	lower := strings.ToLower(value)
	if strings.Contains(lower, "azurecr.") {
		return true
	}
	if depth > maxFlow {
		return false
	}
	for _, name := range variables(value) {
		if v, in, ok := s.env(name); ok && in.namesACR(v, depth+1) {
			return true
		}
	}
	for _, r := range refsOf(value) {
		if r.context == "env" {
			if v, in, ok := s.env(r.name()); ok && in.namesACR(v, depth+1) {
				return true
			}
		}
		if last := strings.ToLower(r.text); (r.context == "secrets" || r.context == "vars" || r.context == "env") && strings.Contains(tokenized(last), "_acr_") {
			return true
		}
	}
	return false
}

// tokenized puts a name between underscores, its words separated by one.
func tokenized(name string) string {
	return "_" + strings.Map(func(c rune) rune {
		if c == '.' || c == '-' || c == ' ' {
			return '_'
		}
		return c
	}, strings.ToLower(name)) + "_"
}

// isServicePrincipal tells whether a user name and password are those of a service principal: a token is told by its user name, and else by
// what the secrets are called.
func isServicePrincipal(user, password []inventory.SecretUse, literal, secret string) bool {
	if takesJSONApart(secret) {
		return true
	}
	for _, r := range refsOf(literal) {
		user = append(user, inventory.SecretUse{Name: r.text})
	}
	for _, r := range refsOf(secret) {
		password = append(password, inventory.SecretUse{Name: r.text})
	}
	for _, u := range user {
		if n := tokenized(u.Name); containsAny(n, []string{"client_id", "clientid", "app_id", "appid", "sp_id", "_sp_", "principal", "application_id", "azure_id"}) {
			return true
		}
	}
	for _, p := range password {
		if n := tokenized(p.Name); containsAny(n, []string{"client_secret", "clientsecret", "_sp_", "principal", "app_secret"}) {
			return true
		}
	}
	return isGUID(literal)
}

func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", c) {
			return false
		}
	}
	return true
}

// terraformArguments recognises credentials in -backend-config and -var.
func (f *finder) terraformArguments(s *step, r *runScript, c *script.Command) {
	for i, w := range c.Words {
		text := strings.TrimLeft(w.Text, "-")
		if (text == "var" || text == "backend-config") && i+1 < len(c.Words) {
			w.End, text = c.Words[i+1].End, text+"="+c.Words[i+1].Text
		}
		option, rest, _ := strings.Cut(text, "=")
		name, _, ok := strings.Cut(strings.Trim(rest, `"'`), "=")
		if !ok || option != "var" && option != "backend-config" {
			continue
		}
		lower := strings.ToLower(strings.TrimSpace(name))
		kind := inventory.Kind("")
		switch {
		case strings.HasSuffix(lower, "client_secret") || lower == "arm_client_secret" || strings.HasSuffix(lower, "sp_password"):
			kind = inventory.KindTerraformEnv
		case option == "backend-config" && (lower == "access_key" || lower == "sas_token"):
			kind = inventory.KindStorageKey
		default:
			continue
		}
		n := f.atScript(kind, s, r, w.Start, w.End)
		if n == nil {
			continue
		}
		n.command, n.argument = c, w
		n.Secrets = f.scriptSecrets(s, r, r.text[w.Start:w.End], roleOfEnv(kind))
		n.option = option
		if kind == inventory.KindStorageKey {
			f.dropFetched(n, scope{f.analysis, f.file, s.job, s}, r.text[w.Start:w.End])
		}
	}
}

// storageArguments recognises account keys, connection strings and SAS tokens that a script passes to az and azcopy.
func (f *finder) storageArguments(s *step, r *runScript, c *script.Command) {
	w, ok := c.Flag("--account-key", "--connection-string", "--sas-token")
	if !ok {
		return
	}
	secrets := f.scriptSecrets(s, r, r.original(w), roleOther)
	if len(secrets) == 0 {
		return
	}
	if n := f.command(inventory.KindStorageKey, s, r, c, w, roleOther); n != nil {
		n.Secrets = secrets
	}
}

func (f *finder) sqlArguments(s *step, r *runScript, c *script.Command) {
	value := r.text[c.Start:c.End]
	lower := strings.ToLower(value)
	if !strings.Contains(lower, "database.windows.net") && !strings.Contains(lower, "connectionstring") {
		return
	}
	secrets := f.scriptSecrets(s, r, value, roleOther)
	if len(secrets) == 0 {
		return
	}
	if n := f.command(inventory.KindSQLConnectionString, s, r, c, script.Word{}, roleOther); n != nil {
		n.Secrets = secrets
	}
}

// envFile recognises credentials that a command writes to $GITHUB_ENV, as NAME=value words or lines.
func (f *finder) envFile(s *step, r *runScript, c *script.Command) {
	words := c.Words
	if c.Input != nil {
		words = append(append([]script.Word{}, words...), *c.Input)
	}
	for _, w := range words {
		original := r.text[w.Start:w.End]
		at := 0
		for line := range strings.Lines(original) {
			f.envFileLine(s, r, c, line, w.Start+at)
			at += len(line)
		}
	}
}

func (f *finder) envFileLine(s *step, r *runScript, c *script.Command, line string, at int) {
	trimmed := strings.TrimLeft(line, " \t\"'")
	at += len(line) - len(trimmed)
	trimmed = strings.TrimRight(trimmed, "\r\n\"' ")
	name, value, ok := strings.Cut(trimmed, "=")
	if !ok || strings.TrimFunc(name, func(c rune) bool { return c < 128 && isWord(byte(c)) }) != "" {
		return
	}
	kind, ok := f.envKind(name, value, s.job, s)
	if !ok || kind == inventory.KindTerraformEnv && strings.EqualFold(name, "ARM_USE_OIDC") {
		return
	}
	if n := f.atScript(kind, s, r, at, at+len(trimmed)); n != nil {
		n.command, n.written, n.variable = c, true, name
		n.Secrets = f.scriptSecrets(s, r, value, roleOfEnv(kind))
		if kind == inventory.KindStorageKey {
			f.dropFetched(n, scope{f.analysis, f.file, s.job, s}, value)
		}
	}
}

// assignmentLogin recognises export ARM_CLIENT_SECRET=… and $env:ARM_CLIENT_SECRET = ….
func (f *finder) assignmentLogin(s *step, r *runScript, a *script.Assignment) {
	kind, ok := f.envKind(a.Name, r.original(a.Value), s.job, s)
	if !ok || !a.Exported || r.original(a.Value) == "" || strings.EqualFold(a.Name, "ARM_USE_OIDC") {
		return
	}
	if n := f.atScript(kind, s, r, a.Start, a.End); n != nil {
		n.assignment, n.variable = a, a.Name
		n.Secrets = f.scriptSecrets(s, r, r.original(a.Value), roleOfEnv(kind))
		if kind == inventory.KindStorageKey {
			f.dropFetched(n, scope{f.analysis, f.file, s.job, s}, r.text[a.Value.Start:a.Value.End])
		}
	}
}
