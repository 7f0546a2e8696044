package workflow

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// scriptLogin gives the inputs of an azure/login step that takes the place of a command. The command selects no subscription unless the
// script does, which is what allow-no-subscriptions means.
func (r *rewriter) scriptLogin(f *finding) ([][2]string, error) {
	id, err := r.outside(f, f.Identity.ClientID, "client", "-u", "--username", "--client-id", "-ApplicationId")
	if err != nil {
		return nil, err
	}
	tenant, err := r.outside(f, f.Identity.TenantID, "tenant", "-t", "--tenant", "--tenant-id", "-Tenant", "-TenantId")
	if err != nil {
		return nil, err
	}
	inputs := [][2]string{{"client-id", expression(id, false)}, {"tenant-id", expression(tenant, false)}}
	if n, ok := r.given(f); ok {
		inputs = [][2]string{{"client-id", expression(n.ClientID, false)}, {"tenant-id", expression(n.TenantID, false)}}
	}
	if f.Identity.SubscriptionID != "" {
		inputs = append(inputs, [2]string{"subscription-id", expression(f.Identity.SubscriptionID, false)})
	} else {
		inputs = append(inputs, [2]string{"allow-no-subscriptions", "true"})
	}
	return f.withCloud(inputs), nil
}

// audience is the audience of the token that a command presents, by the cloud that it signs in to.
func (f *finding) audience() string {
	if f.Identity.Cloud != "" {
		return audiences[f.Identity.Cloud]
	}
	return "api://AzureADTokenExchange"
}

// foreignCloud tells whether a command signs in to a cloud whose audience is not known.
func (f *finding) foreignCloud() bool { return f.audience() == "" }

// outside gives the expression for an id of a command as a step can read it.
func (r *rewriter) outside(f *finding, known, what string, flags ...string) (string, error) {
	if readableID(known) {
		return known, nil
	}
	w, ok := f.command.Flag(flags...)
	if !ok {
		return "", fmt.Errorf("the command does not name the %s", what)
	}
	return "", fmt.Errorf("the %s is computed by the script (%s)", what, f.script.original(w))
}

// readableID tells whether what a command says of an id can be read outside of its script.
func readableID(known string) bool {
	return known != "" && !strings.ContainsAny(known, "$`\"\n")
}

// azLoginToOIDC replaces az login with a password: by a step of azure/login where the command comes first, else by the
// same command with the job's token.
func azLoginToOIDC(r *rewriter, f *finding) error {
	const reason = "sign in with OIDC instead of a stored credential"
	whole := f.wholeScript()
	if !f.command.First && !whole {
		return r.azLoginInPlace(f)
	}
	inputs, err := r.scriptLogin(f)
	if err != nil {
		if f.fetchable() {
			return r.azLoginInPlace(f)
		}
		return err
	}
	if whole && !f.script.inline {
		return r.stepToLogin(f, inputs, reason)
	}
	start, end, ok := f.commandLines()
	if !ok {
		return errors.New("something else is on the command's lines")
	}
	if err := r.insertLogin(f, inputs, reason); err != nil {
		return err
	}
	r.edit(f.file, f.ID, start, end, "", "azure/login before the step has signed in")
	return r.dropVariables(f)
}

// fetchable tells whether a script can request the job's token itself.
func (f *finding) fetchable() bool {
	_, alone := f.file.indent(f.start)
	return f.script.shell == script.Bash && !f.script.inline && alone && f.script.entry.value.Style&literalOrPlain != 0
}

// stepToLogin makes a step whose script is only the command into a step of azure/login.
func (r *rewriter) stepToLogin(f *finding, inputs [][2]string, reason string) error {
	s := f.step
	if isFlow(s.node) {
		return errors.New("the step is in flow style")
	}
	if err := anchored(s.run); err != nil {
		return err
	}
	start, end := f.file.entryRange(s.run)
	nl, margin := f.file.newline(start), f.file.margin(start)
	lines := []string{"uses: " + r.loginUses(), "with:"}
	for _, in := range inputs {
		lines = append(lines, "  "+in[0]+": "+in[1])
	}
	r.edit(f.file, f.ID, start, end, strings.Join(lines, nl+margin), reason)
	for _, key := range []string{"shell", "working-directory"} {
		if e, ok := lookup(s.node, key); ok {
			if err := r.deleteEntry(f, e, "a step that uses an action has no "+key); err != nil {
				return err
			}
		}
	}
	return r.dropVariables(f)
}

// azLoginInPlace keeps the command and gives it the job's token, which it requests just before: the token lives for minutes only.
func (r *rewriter) azLoginInPlace(f *finding) error {
	const reason = "sign in with the job's OIDC token, requested just before, instead of a stored credential"
	d, c := f.file, f.command
	if !f.exact || f.script.entry.value.Style&(literalOrPlain) == 0 {
		return errors.New("the script is not a literal block")
	}
	indent, alone := d.indent(f.start)
	if !alone {
		return errors.New("the command does not begin a line")
	}
	from, to, ok := flagRange(c, "-p", "--password")
	if !ok {
		return errors.New("the command's password is not found")
	}
	start, _ := d.source(f.script.entry.value, from)
	end, _ := d.source(f.script.entry.value, to)
	nl := d.newline(f.start)
	fetch := `OIDC_TOKEN=$(curl -sSf -H "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" "${ACTIONS_ID_TOKEN_REQUEST_URL}&audience=` + f.audience() + `" | jq -r .value)`
	r.edit(d, f.ID, f.start, f.start, fetch+nl+indent, reason)
	r.edit(d, f.ID, start, end, `--federated-token "$OIDC_TOKEN"`, reason)
	return r.dropVariables(f)
}

// flagRange gives the bytes of an option with its value.
func flagRange(c *script.Command, names ...string) (start, end int, ok bool) {
	for i, w := range c.Words {
		for _, name := range names {
			if w.Text == name && i+1 < len(c.Words) {
				return w.Start, c.Words[i+1].End, true
			}
			if script.Joined(w.Text, name) {
				return w.Start, w.End, true
			}
		}
	}
	return 0, 0, false
}

// dropVariables takes out the variables that only the converted command read.
func (r *rewriter) dropVariables(f *finding) error {
	w, ok := secretWord(f.command)
	if !ok {
		return nil
	}
	return r.dropRead(f, f.script.original(w))
}

// dropRead takes out the variables that a part of a script reads, where nothing else does.
func (r *rewriter) dropRead(f *finding, text string) error {
	for _, name := range variables(text) {
		for _, e := range scopeEntries(f, name) {
			if !holdsCredential(f, e) || !r.readersDoneOr(f, e) {
				continue
			}
			if have := f.fileFinding(r.analysis, f.file.start(e.key)); have != nil {
				continue // it is a login of its own and converted, or not, as such
			}
			if err := r.deleteEntry(f, e, "nothing reads the credential any longer"); err != nil {
				return err
			}
		}
	}
	return nil
}

// readersDoneOr tells whether every reader of a variable is in a converted finding, this one included.
func (r *rewriter) readersDoneOr(f *finding, e entry) bool {
	from, to := f.reach(e)
	for _, at := range f.file.readers(e.key.Value) {
		covered := at < from || at >= to || f.covers(at)
		for _, other := range r.done {
			covered = covered || other.file == f.file && other.covers(at)
		}
		if !covered {
			return false
		}
	}
	return true
}

// reach gives the bytes of the file in which a variable can be read: the step or job whose environment it stands in, and all where
// an anchor shares the environment.
func (f *finding) reach(e entry) (from, to int) {
	stands := func(env *yaml.Node) bool { return env != nil && env == e.parent && env.Anchor() == "" }
	switch {
	case f.step != nil && stands(f.step.env):
		return f.file.start(f.step.node), f.file.end(f.step.node)
	case f.job != nil && stands(f.job.env):
		return f.file.start(f.job.key), f.file.end(f.job.node)
	}
	return 0, len(f.file.src)
}

func (f *finding) fileFinding(a *analysis, start int) *finding {
	for _, n := range a.byFile[f.file] {
		if n.start == start {
			return n
		}
	}
	return nil
}

// scopeEntry finds the env entry that a step's variable comes from.
func scopeEntry(f *finding, name string) (entry, bool) {
	if list := scopeEntries(f, name); len(list) > 0 {
		return list[0], true
	}
	return entry{}, false
}

// scopeEntries finds the env entries of a name around a finding: that of its step, which hides that of its job, which hides that of its
// workflow.
func scopeEntries(f *finding, name string) []entry {
	var list []entry
	add := func(env *yaml.Node) {
		if e, ok := lookup(env, name); ok {
			list = append(list, e)
		}
	}
	if f.step != nil {
		add(f.step.env)
	}
	if f.job != nil {
		add(f.job.env)
	}
	add(f.file.env)
	return list
}

// holdsCredential tells whether a variable holds one secret, and the one that the login signs in with rather than an id beside it.
func holdsCredential(f *finding, e entry) bool {
	r, ok := single(text(e.value))
	if !ok || r.context != "secrets" {
		return false
	}
	i := slices.IndexFunc(f.Secrets, func(u inventory.SecretUse) bool { return strings.EqualFold(u.Name, r.name()) })
	return i < 0 || f.Secrets[i].Role == roleClientSecret || f.Secrets[i].Role == roleCredentials || f.Secrets[i].Role == roleOther
}

// azdToFederated lets azd take the job's token.
func azdToFederated(r *rewriter, f *finding) error {
	from, to, ok := flagRange(f.command, "--client-secret")
	if !ok {
		return errors.New("the command's client secret is not found")
	}
	start, _ := f.file.source(f.script.entry.value, from)
	end, _ := f.file.source(f.script.entry.value, to)
	r.edit(f.file, f.ID, start, end, f.script.inScalar(`--federated-credential-provider "github"`), "let azd take the job's OIDC token instead of a stored secret")
	return r.dropVariables(f)
}

// registryToACR signs in with OIDC and lets az acr login log in to the registry.
func registryToACR(r *rewriter, f *finding) error {
	const reason = "log in to the registry with the identity's own session instead of a stored secret"
	inputs, err := r.registryLoginInputs(f)
	if err != nil {
		return err
	}
	if f.script != nil {
		return r.dockerLoginToACR(f, inputs, reason)
	}
	s := f.step
	host := paramValue(s, "login-server")
	if host == nil {
		host = paramValue(s, "registry")
	}
	if isFlow(s.node) || s.with == nil || resolve(s.with) != s.with || s.with.Anchor() != "" {
		return errors.New("the step is in flow style or shared by an anchor")
	}
	if err := r.insertLogin(f, inputs, "sign in with OIDC before the registry login"); err != nil {
		return err
	}
	uses := s.uses
	with, _ := lookup(s.node, "with")
	start := f.file.start(uses.key)
	_, end := f.usesRange()
	r.edit(f.file, f.ID, start, end, "run: "+acrLogin(text(host), f.file.newline(start)+f.file.margin(start)), reason)
	if err := r.deleteEntry(f, with, "az acr login takes no user name and password"); err != nil {
		return err
	}
	if f.file.action || script.ShellOf(s.shell) != script.Bash {
		r.edit(f.file, f.ID, end, end, f.file.newline(start)+f.file.margin(start)+"shell: bash", "the script is written for bash")
	}
	return nil
}

func (r *rewriter) registryLoginInputs(f *finding) ([][2]string, error) {
	if f.script != nil && f.registryUser.End > f.registryUser.Start && f.Identity.ClientID == "" {
		return nil, errors.New("the user name is computed, so the client id is not known")
	}
	n := r.names(f)
	inputs := [][2]string{{"client-id", expression(n.ClientID, false)}, {"tenant-id", expression(n.TenantID, false)}, {"allow-no-subscriptions", "true"}}
	return f.withCloud(inputs), nil
}

// withCloud adds the cloud, where it is not the public one, and the audience of its tokens.
func (f *finding) withCloud(inputs [][2]string) [][2]string {
	if f.Identity.Cloud == "" {
		return inputs
	}
	return append(inputs, [2]string{"environment", f.Identity.Cloud}, [2]string{"audience", audiences[f.Identity.Cloud]})
}

var registryHost = lazy.Regexp(`^[a-zA-Z0-9-]+(\.azurecr\.(io|us|cn))?$`)

// acrLogin writes az acr login for a registry's host; an expression is cut at its first dot by the shell.
func acrLogin(host, newline string) string {
	host = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(host, "https://"), "/"))
	if name, rest, _ := strings.Cut(host, "."); registryHost().MatchString(host) || (!strings.Contains(name, "${{") || strings.Contains(name, "}}")) && strings.HasPrefix(rest, "azurecr.") {
		return "az acr login --name " + name
	}
	return "|" + newline + "  LOGIN_SERVER='" + host + "'" + newline + `  az acr login --name "${LOGIN_SERVER%%.*}"`
}

func (r *rewriter) dockerLoginToACR(f *finding, inputs [][2]string, reason string) error {
	host := f.script.original(registryWord(f.command))
	login, ok := acrCommand(host)
	if !ok {
		return fmt.Errorf("the registry's name is not in the command (%s)", host)
	}
	if err := r.insertLogin(f, inputs, "sign in with OIDC before the registry login"); err != nil {
		return err
	}
	r.edit(f.file, f.ID, f.start, f.end, f.script.inScalar(login), reason)
	return r.dropVariables(f)
}

// inScalar writes a part of a script as the style of its scalar demands.
func (r *runScript) inScalar(text string) string {
	switch style := r.entry.value.Style; {
	case style&yaml.DoubleQuotedStyle != 0:
		return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
	case style&yaml.SingleQuotedStyle != 0:
		return strings.ReplaceAll(text, "'", "''")
	}
	return text
}

// acrCommand writes az acr login for a registry's host as a command of bash has it: a name, a variable or an expression.
func acrCommand(host string) (string, bool) {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "https://"), "/")
	if strings.ContainsAny(host, " \t'\"`|&;") && !strings.Contains(host, "${{") || host == "" {
		return "", false
	}
	if name, _, ok := strings.Cut(host, ".azurecr."); ok {
		return `az acr login --name "` + name + `"`, name != ""
	}
	if isVariable(host) && host[0] == '$' {
		return `az acr login --name "${` + strings.Trim(host, "${}") + `%%.*}"`, true
	}
	if _, ok := single(host); ok {
		return `LOGIN_SERVER="` + host + `"; az acr login --name "${LOGIN_SERVER%%.*}"`, true
	}
	return "", false
}

// registryWord gives the word of docker login that names the registry.
func registryWord(c *script.Command) (host script.Word) {
	for i := 2; i < len(c.Words); i++ {
		w := c.Words[i]
		if strings.HasPrefix(w.Text, "-") {
			if !strings.Contains(w.Text, "=") {
				i++
			}
			continue
		}
		host = w
	}
	return host
}

// sdkToLogin signs in before a step and takes the three variables of EnvironmentCredential from it: an id without a secret would
// make EnvironmentCredential fail.
func sdkToLogin(r *rewriter, f *finding) error {
	n := r.names(f)
	inputs := [][2]string{{"client-id", expression(n.ClientID, false)}, {"tenant-id", expression(n.TenantID, false)}, {"allow-no-subscriptions", "true"}}
	if f.Identity.SubscriptionID != "" {
		inputs[2] = [2]string{"subscription-id", expression(f.Identity.SubscriptionID, false)}
	}
	if err := r.insertLogin(f, inputs, "sign in with OIDC before the step, so that DefaultAzureCredential uses the Azure CLI's session"); err != nil {
		return err
	}
	for _, name := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"} {
		if e, ok := lookup(f.step.env, name); ok {
			if err := r.deleteEntry(f, e, "DefaultAzureCredential would try these before the Azure CLI's session"); err != nil {
				return err
			}
		}
	}
	return nil
}

// clusterToLogin signs in before a step and lets azure/aks-set-context use the session.
func clusterToLogin(r *rewriter, f *finding) error {
	const reason = "azure/aks-set-context uses the session of azure/login"
	n := r.names(f)
	inputs := [][2]string{{"client-id", expression(n.ClientID, false)}, {"tenant-id", expression(n.TenantID, false)}}
	if n.SubscriptionID != "" {
		inputs = append(inputs, [2]string{"subscription-id", expression(n.SubscriptionID, false)})
	} else {
		inputs = append(inputs, [2]string{"allow-no-subscriptions", "true"})
	}
	if err := r.insertLogin(f, inputs, "sign in with OIDC before the cluster's context is set"); err != nil {
		return err
	}
	for _, name := range []string{"creds", "method", "cluster-type"} {
		if e, ok := f.step.param(name); ok {
			if err := r.deleteEntry(f, e, reason); err != nil {
				return err
			}
		}
	}
	if f.usesSession() {
		return nil
	}
	const action, version = "azure/aks-set-context", "v4"
	if isCommit(f.step.version) && r.options.Pins[action+"@"+version] == "" {
		return fmt.Errorf("%s is pinned to a commit, and no commit of %s %s is configured", f.step.action, action, version)
	}
	start, end := f.usesRange()
	r.edit(f.file, f.ID, start, end, r.uses(action, version), reason)
	return nil
}

// usesRange gives the bytes of the action that a step uses, with the comment that names the version of a commit.
func (f *finding) usesRange() (start, end int) {
	start, end = f.file.content(f.step.uses.raw), f.file.end(f.step.uses.raw)
	if comment, _, stop := f.file.commentAfter(end); isCommit(f.step.version) && versionIn(comment) != "" {
		end = stop
	}
	return start, end
}
