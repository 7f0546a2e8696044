package workflow

import (
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
)

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
		var kind inventory.Kind
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

// packerArguments recognises a client secret that packer takes in -var.
func (f *finder) packerArguments(s *step, r *runScript, c *script.Command) {
	for _, a := range arguments(r, c) {
		w := script.Word{Start: a.start, End: a.end}
		if !strings.HasSuffix(strings.ToLower(a.name), "client_secret") || len(f.scriptSecrets(s, r, r.original(w), roleClientSecret)) == 0 {
			continue
		}
		if n := f.command(inventory.KindOther, s, r, c, w, roleClientSecret); n != nil {
			n.argument = w
		}
	}
}

// azcopyLogin recognises azcopy login, which takes the client secret from the environment.
func (f *finder) azcopyLogin(s *step, r *runScript, c *script.Command) {
	n := f.command(inventory.KindOther, s, r, c, script.Word{}, roleOther)
	if n == nil {
		return
	}
	n.Secrets = f.scriptSecrets(s, r, "$AZCOPY_SPA_CLIENT_SECRET", roleClientSecret)
	for _, id := range []struct{ option, role string }{{"--application-id", roleClientID}, {"--tenant-id", roleTenantID}} {
		if w, ok := c.Flag(id.option); ok {
			n.Secrets = append(n.Secrets, f.scriptSecrets(s, r, r.original(w), id.role)...)
		}
	}
}

// pulumiConfig recognises a client secret that goes into the configuration of a Pulumi stack.
func (f *finder) pulumiConfig(s *step, r *runScript, c *script.Command) {
	for i, w := range c.Words {
		if strings.HasSuffix(w.Text, ":clientSecret") && i+1 < len(c.Words) {
			f.command(inventory.KindOther, s, r, c, c.Words[i+1], roleClientSecret)
			return
		}
	}
}

// storageArguments recognises account keys, connection strings and SAS tokens that a script passes to az and azcopy.
func (f *finder) storageArguments(s *step, r *runScript, c *script.Command) {
	w, ok := c.Flag("--account-key", "--connection-string", "--sas-token")
	if !ok {
		w, ok = signedURL(c)
	}
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

// signedURL finds a word of azcopy that is the address of a container or blob with a SAS after it.
func signedURL(c *script.Command) (script.Word, bool) {
	for _, w := range c.Words {
		if _, sas, ok := strings.Cut(w.Text, "?"); ok && c.Name != "az" && strings.Contains(w.Text, ".core.") && sas != "" {
			return w, true
		}
	}
	return script.Word{}, false
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

// writers are the commands whose words are written to a file or to the next command of a pipe.
var writers = map[string]bool{"echo": true, "printf": true, "cat": true, "write-output": true, "add-content": true, "tee": true, "set-content": true}

// containers are the programs that take variables as NAME=value arguments.
var containers = map[string]bool{"docker": true, "podman": true, "nerdctl": true, "docker-compose": true, "buildah": true}

// envFile recognises credentials that a command writes as NAME=value, to $GITHUB_ENV or to a file of variables, and those that it
// hands to a container.
func (f *finder) envFile(s *step, r *runScript, c *script.Command) {
	quoted := len(c.Words) == 1 && strings.Contains(c.Words[0].Text, "=") // PowerShell: "NAME=value" | Out-File …
	if !writers[c.Name] && !containers[c.Name] && !quoted {
		return
	}
	toEnv := strings.Contains(c.To, "GITHUB_ENV") || c.To == "" && strings.Contains(r.text, "GITHUB_ENV")
	if c.To == "" && !toEnv && !containers[c.Name] && c.Name != "set-content" && c.Name != "add-content" {
		return
	}
	words := c.Words
	if c.Input != nil {
		words = append(append([]script.Word{}, words...), *c.Input)
	}
	for _, w := range words {
		at := 0
		for line := range strings.Lines(r.text[w.Start:w.End]) {
			f.envFileLine(s, r, c, line, w.Start+at, toEnv && !containers[c.Name])
			at += len(line)
		}
	}
}

func (f *finder) envFileLine(s *step, r *runScript, c *script.Command, line string, at int, toEnv bool) {
	trimmed := strings.TrimLeft(line, " \t\"'")
	for _, flag := range []string{"--build-arg=", "--env=", "-e="} {
		trimmed = strings.TrimPrefix(trimmed, flag)
	}
	at += len(line) - len(trimmed)
	trimmed = strings.TrimRight(trimmed, "\r\n\"' ")
	name, value, ok := strings.Cut(trimmed, "=")
	name = strings.TrimSpace(name)
	if !ok || strings.TrimFunc(name, func(c rune) bool { return c < 128 && isWord(byte(c)) }) != "" {
		return
	}
	kind, ok := f.envKind(name, value, s.job, s)
	if lower := strings.ToLower(name); !ok && !toEnv && (lower == "client_secret" || lower == "arm_client_secret") {
		kind, ok = inventory.KindTerraformEnv, true // a file of Terraform's variables
	}
	if !ok || strings.EqualFold(name, "ARM_USE_OIDC") {
		return
	}
	n := f.atScript(kind, s, r, at, at+len(trimmed))
	if n == nil {
		return
	}
	n.command, n.written, n.variable, n.toFile = c, true, name, !toEnv
	n.Secrets = f.scriptSecrets(s, r, value, roleOfEnv(kind))
	if kind == inventory.KindStorageKey || n.toFile && len(n.Secrets) == 0 {
		f.dropFetched(n, scope{f.analysis, f.file, s.job, s}, value)
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
