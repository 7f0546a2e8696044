package simulate

import (
	"path"
	"strings"
)

// builtin runs a command that the simulator knows; every other one prints something unknown.
func (sh *script) builtin(words, body []string) (out string, known bool, err error) {
	switch tool := path.Base(words[0]); strings.ToLower(strings.TrimSuffix(tool, ".exe")) {
	case "echo", "write-output", "write-host":
		out, known = sh.print(words[1:])
	case "printf":
		out, known = printf(words[1:])
	case "export", "declare", "local", "readonly":
		for _, w := range words[1:] {
			if m := assignment().FindStringSubmatch(w); m != nil {
				sh.setLocal(m[1], m[2])
			}
		}
	case "unset":
		for _, w := range words[1:] {
			sh.setLocal(w, "")
		}
	case "cat":
		out, known = sh.cat(body)
	case "tee", "out-file", "add-content":
		sh.toFile(words[1:])
	case "jq":
		out, known = field(sh.stdin, words[1:])
	case "az":
		err = sh.az(words[1:])
	case "azd":
		err = sh.azd(words[1:])
	case "docker", "podman", "buildah", "helm", "oras", "nerdctl":
		err = sh.registry(words[1:])
	case "terraform", "tofu", "terragrunt":
		if signsIn(words[1:]) {
			err = sh.provider()
		}
	case "pulumi":
		if hasAny(words[1:], "up", "update", "preview", "pre", "destroy", "refresh", "import") {
			err = sh.provider()
		}
	case "connect-azaccount", "login-azaccount":
		err = sh.connect(strings.Join(words, " "))
	default:
		if len(words) == 1 && (strings.Contains(words[0], "=") || sh.pwsh) {
			// PowerShell prints a text that stands alone.
			out, known = words[0]+"\n", true
		}
	}
	return out, known, err
}

// cat prints its here-document, or its input.
func (sh *script) cat(body []string) (string, bool) {
	if body != nil {
		sp := &splitter{src: `"` + strings.ReplaceAll(strings.Join(body, "\n"), `"`, `\"`) + `"`, lookup: sh.lookup, subst: sh.substitute}
		if cmds := sp.split(); len(cmds) == 1 && len(cmds[0].words) == 1 {
			return cmds[0].words[0] + "\n", true
		}
		return "", false
	}
	return sh.stdin, sh.piped && !isUnknown(sh.stdin)
}

// toFile is tee -a, Out-File and Add-Content to one of the runner's files.
func (sh *script) toFile(words []string) {
	target, content, has := "", sh.stdin, sh.piped
	for i, w := range words {
		if w == envFile || w == outputFile {
			target = w
		}
		if strings.EqualFold(w, "-Value") && i+1 < len(words) {
			content, has = words[i+1], true
		}
	}
	if target != "" {
		sh.write(target, content, has)
	}
}

// flags are a command's options and what is left.
type flags struct {
	values map[string]string
	rest   []string
}

// parseFlags reads --name value, --name=value and -n value; names without a value are listed in bare.
func parseFlags(words []string, bare string) flags {
	f := flags{values: map[string]string{}}
	for i := 0; i < len(words); i++ {
		w := words[i]
		if !strings.HasPrefix(w, "-") || len(w) < 2 {
			f.rest = append(f.rest, w)
			continue
		}
		name, v, ok := strings.Cut(w, "=")
		if !ok && !hasAny(strings.Fields(bare), name) && i+1 < len(words) && (!strings.HasPrefix(words[i+1], "--") || len(words[i+1]) < 3) {
			i++
			v = words[i]
		}
		f.values[name] = v
	}
	return f
}

func (f flags) has(names ...string) bool {
	for _, n := range names {
		if _, ok := f.values[n]; ok {
			return true
		}
	}
	return false
}

func (f flags) get(names ...string) string {
	for _, n := range names {
		if v, ok := f.values[n]; ok {
			return v
		}
	}
	return ""
}

func hasAny(words []string, names ...string) bool {
	for _, w := range words {
		for _, n := range names {
			if w == n {
				return true
			}
		}
	}
	return false
}

// az is az login with a service principal; the other forms sign in a person or the runner itself.
func (sh *script) az(words []string) error {
	if len(words) == 0 || words[0] != "login" {
		return nil
	}
	f := parseFlags(words[1:], "--service-principal --allow-no-subscriptions --identity -i --only-show-errors --debug --verbose --use-device-code")
	a := sh.a
	if f.has("--identity", "-i") {
		a.f.j.session = true
		return nil
	}
	if !f.has("--service-principal") {
		return nil
	}
	sh.logins++
	client, tenant := f.get("--username", "-u"), f.get("--tenant", "-t")
	if f.has("--federated-token") {
		return a.federated(orElse(tenant, mark), orElse(client, mark), "")
	}
	password := f.get("--password", "-p")
	switch {
	case strings.HasSuffix(password, ".pem") || f.has("--certificate"):
		a.f.j.session = true
		return nil
	case client == "" || tenant == "" || password == "":
		return a.record(kindSecret, client, says("ERROR: 'tenant', 'username' and 'password' are required for a service principal: one of them is empty"))
	}
	return a.withSecret(tenant, client, password)
}

func (sh *script) azd(words []string) error {
	if len(words) > 0 && words[0] == "auth" { // azd login is the form before auth was
		words = words[1:]
	}
	if len(words) == 0 || words[0] != "login" {
		return nil
	}
	f := parseFlags(words[1:], "--no-prompt --debug --managed-identity --use-device-code")
	client, tenant := f.get("--client-id"), f.get("--tenant-id")
	switch {
	case f.has("--federated-credential-provider"):
		sh.logins++
		return sh.a.keepSession(func() error { return sh.a.federated(tenant, client, "") })
	case f.has("--client-secret"):
		sh.logins++
		if f.get("--client-secret") == "" {
			return sh.a.record(kindSecret, client, says("ERROR: logging in: client secret is empty"))
		}
		return sh.a.keepSession(func() error { return sh.a.withSecret(tenant, client, f.get("--client-secret")) })
	}
	return nil
}

// registry is docker login and its like.
func (sh *script) registry(words []string) error {
	if len(words) > 0 && words[0] == "registry" {
		words = words[1:]
	}
	if len(words) == 0 || words[0] != "login" {
		return nil
	}
	f := parseFlags(words[1:], "--password-stdin")
	password := f.get("--password", "-p")
	if f.has("--password-stdin") {
		password = mark
		if sh.piped {
			password = strings.TrimRight(sh.stdin, "\n")
		}
	}
	if len(f.rest) == 0 {
		return nil
	}
	before := len(sh.a.f.j.out.Logins)
	err := sh.a.registryLogin(f.rest[0], f.get("--username", "-u"), password)
	sh.logins += len(sh.a.f.j.out.Logins) - before
	return err
}

// signsIn knows the subcommands of Terraform that need no provider and no backend.
func signsIn(words []string) bool {
	for _, w := range words {
		if strings.HasPrefix(w, "-") {
			if w == "-version" || w == "--version" || w == "-v" || w == "-help" || w == "--help" {
				return false
			}
			continue
		}
		switch w {
		case "fmt", "validate", "version", "get", "login", "logout", "graph", "providers", "metadata":
			return false
		}
		return true
	}
	return false
}

// provider is Terraform or Pulumi: the variables that the script has set count too.
func (sh *script) provider() error {
	old := sh.a.env
	defer func() { sh.a.env = old }()
	env := old.clone()
	for _, k := range sortedKeys(sh.locals) {
		if strings.HasPrefix(k, "ARM_") {
			env.set(k, sh.locals[k])
		}
	}
	sh.a.env = env
	sh.logins++
	return sh.a.onceIn("provider", sh.a.providerLogin)
}

// onceIn does a login once in a step: init, plan and apply in one script are one login for the judge.
func (a *site) onceIn(key string, login func() error) error {
	if a.once == nil {
		a.once = map[string]error{}
	}
	if err, ok := a.once[key]; ok {
		return err
	}
	err := login()
	a.once[key] = err
	return err
}
