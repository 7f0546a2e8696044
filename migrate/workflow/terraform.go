package workflow

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode"
)

// classifyTerraform treats the ARM_ variables of the Terraform and Pulumi providers.
func (a *analysis) classifyTerraform(f *finding) {
	name := strings.ToUpper(f.variableName())
	if f.option != "" {
		a.classifyArgument(f)
		return
	}
	switch name {
	case "ARM_USE_OIDC":
		f.none("the provider requests the job's OIDC token itself; it uses no stored credential")
		return
	case "ARM_CLIENT_SECRET":
	case "ARM_CLIENT_CERTIFICATE", "ARM_CLIENT_CERTIFICATE_PASSWORD":
		f.manual("the provider signs in with a certificate",
			"Set ARM_USE_OIDC to \"true\" in its place, remove the certificate's variables and the step that writes the certificate, and give the job id-token: write.")
		return
	default:
		f.manual("the client secret goes to Terraform as an input variable, so the provider's block names it",
			"Take client_secret out of the provider's block and the variable's declaration, set ARM_USE_OIDC: \"true\" in the environment, and give the job id-token: write.")
		return
	}
	if f.takesJSONApart() {
		if p, problem := a.jsonPlan(f); p != nil && problem == "" {
			f.assisted("the ids that the script takes out of the credentials JSON come from variables, and ARM_USE_OIDC takes the place of the secret", f.planJSON(p, terraformToOIDC))
			return
		} else {
			f.manual("a script takes the credentials JSON apart, ids included: "+problem,
				"Let the script write the client, tenant and subscription ids from variables, and ARM_USE_OIDC=true in place of ARM_CLIENT_SECRET; give the job id-token: write.")
			return
		}
	}
	if f.job == nil && !f.file.action {
		f.needsToken = a.terraformJobs(f.file)
	}
	if reason, steps := a.providerObstacle(f); reason != "" {
		f.manual(reason, steps...)
		return
	}
	if line, what := a.otherReaders(f, name); line > 0 {
		f.manual(fmt.Sprintf("line %d reads %s itself (%s), so the variable cannot go", line, name, what),
			"Change what reads the variable so that it uses the session of azure/login or OIDC, then put ARM_USE_OIDC: \"true\" in the variable's place.")
		return
	}
	if f.script != nil && (!f.exact || !f.script.Certain) {
		f.manual("the script that sets the variable cannot be edited with certainty", "Write ARM_USE_OIDC=true in place of ARM_CLIENT_SECRET, and give the job id-token: write.")
		return
	}
	f.automatic("the provider can request the job's OIDC token itself (azurerm 3.7.0 or later; azuread, azapi and the azurerm backend read the same variable)", terraformToOIDC)
	if what := wrapper(f); what != "" {
		f.review(what + " may run the provider where the job's token does not reach")
	}
	if action := unknownAction(f); action != "" {
		f.review("it is not known whether " + action + " runs a provider of Terraform")
	}
	in := scope{a, f.file, f.job, f.step}
	if _, _, ok := in.env("ARM_CLIENT_ID"); !ok && (f.script == nil || !strings.Contains(f.script.text, "ARM_CLIENT_ID")) {
		f.review("ARM_CLIENT_ID is not in the same environment, so the ids may come from elsewhere")
	}
}

// packerSteps are what a person does for Packer (packer-plugin-azure, config.go).
var packerSteps = []string{
	"Give the source in the template client_id, tenant_id and subscription_id, and oidc_request_url and oidc_request_token from env(\"ACTIONS_ID_TOKEN_REQUEST_URL\") and env(\"ACTIONS_ID_TOKEN_REQUEST_TOKEN\"); or use_azure_cli_auth = true after azure/login.",
	"Take client_secret out of the template and what passes it, and give the job id-token: write."}

// providerObstacle is what rules out that the program which reads the ARM_ variables requests a token itself.
func (a *analysis) providerObstacle(f *finding) (reason string, steps []string) {
	if runs(f, func(s *step) bool { return strings.Contains(s.action, "packer") || commandOf(s, "packer") }) {
		return "Packer's azure builders do not read ARM_USE_OIDC", packerSteps
	}
	if value, _, ok := (scope{a, f.file, f.job, f.step}).env("ARM_USE_OIDC"); ok && !strings.EqualFold(strings.TrimSpace(value), "true") {
		return fmt.Sprintf("ARM_USE_OIDC is set to %s beside it", strings.TrimSpace(value)), []string{
			"See why; then set ARM_USE_OIDC: \"true\", take ARM_CLIENT_SECRET away, and give the job id-token: write."}
	}
	if value, _, ok := (scope{a, f.file, f.job, f.step}).env("ARM_ENVIRONMENT"); ok && !publicCloud(value) {
		return fmt.Sprintf("ARM_ENVIRONMENT is %s, and the provider requests a token for the audience of the public cloud whatever the cloud is (hashicorp/terraform-provider-azurerm#28059)", strings.TrimSpace(value)), []string{
			"Put a step of azure/login with client-id, tenant-id, subscription-id, environment and the cloud's audience before Terraform, and take ARM_CLIENT_SECRET, ARM_CLIENT_ID and ARM_TENANT_ID out: the provider then uses the session of the Azure CLI.",
			"Or fetch a token for the cloud's audience in the job and set ARM_USE_OIDC and ARM_OIDC_TOKEN; Pulumi's azure-native takes ARM_OIDC_AUDIENCE. Give the job id-token: write."}
	}
	return "", nil
}

// runs tells whether one of the steps that can read a finding's variable is as asked for.
func runs(f *finding, is func(*step) bool) bool {
	if f.step != nil && !f.written {
		return is(f.step)
	}
	steps := f.file.steps
	for _, j := range f.needsToken {
		steps = append(steps[:len(steps):len(steps)], j.steps...)
	}
	return slices.ContainsFunc(steps, is)
}

// commandOf tells whether a step's script runs a program.
func commandOf(s *step, program string) bool {
	run := text(s.run.value)
	if !strings.Contains(run, program+" ") {
		return false
	}
	for line := range strings.Lines(run) {
		if firstWord(line) == program || strings.Contains(line, " "+program+" ") && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			return true
		}
	}
	return false
}

// terraformJobs are the jobs that can be meant by a variable of the whole workflow: those that run Terraform or a program that is
// not known; all where none is recognised.
func (a *analysis) terraformJobs(f *file) []*job {
	var list []*job
	for _, j := range f.jobs {
		if j.uses.key == nil && mayUseProvider(j) {
			list = append(list, j)
		}
	}
	if len(list) == 0 {
		for _, j := range f.jobs {
			if j.uses.key == nil { // env is not passed to called workflows
				list = append(list, j)
			}
		}
	}
	return list
}

// harmlessActions neither run Terraform nor a script that could.
var harmlessActions = []string{"actions/", "azure/login", "docker/", "azure/docker-login", "github/codeql-action"}

// harmlessCommands are first words of script lines that start no provider.
var harmlessCommands = map[string]bool{"echo": true, "cd": true, "mkdir": true, "ls": true, "cat": true, "export": true, "set": true, "exit": true,
	"sleep": true, "date": true, "git": true, "rm": true, "cp": true, "mv": true, "jq": true, "printf": true, "test": true, "[": true, "if": true, "then": true, "else": true, "fi": true, "pwd": true,
	"docker": true, "npm": true, "yarn": true, "dotnet": true, "az": true, "curl": true}

func mayUseProvider(j *job) bool {
	for _, s := range j.steps {
		if s.action != "" && !hasPrefix(s.action, harmlessActions) {
			return true
		}
		for line := range strings.Lines(text(s.run.value)) {
			word := firstWord(line)
			if word != "" && !harmlessCommands[word] {
				return true
			}
		}
	}
	return false
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func firstWord(line string) string {
	fields := strings.FieldsFunc(line, unicode.IsSpace)
	if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
		return ""
	}
	return fields[0]
}

// otherReaders finds a place of the file that reads an environment variable, other than logins that are
// converted themselves. It gives the line, or 0.
func (a *analysis) otherReaders(f *finding, name string) (line int, what string) {
	from, to := f.extent()
	for _, n := range f.file.readers(name) {
		if n < from || n >= to {
			continue
		}
		for _, other := range a.byFile[f.file] {
			if other.covers(n) && (other == f || other.converts()) {
				n = -1
				break
			}
		}
		if n >= 0 {
			line, _ := f.file.place(n)
			return line, strings.TrimSpace(string(f.file.src[f.file.lineStart(n):f.file.lineEnd(n)]))
		}
	}
	return 0, ""
}

// extent gives the bytes of the file in which a variable of a finding can be read.
func (f *finding) extent() (from, to int) {
	switch {
	case len(f.needsToken) > 1, f.job == nil && f.step == nil:
		return 0, len(f.file.src)
	case f.step != nil && !f.written && (f.job != nil || f.file.action):
		return f.file.start(f.step.node), f.file.end(f.step.node)
	case f.job != nil:
		return f.file.start(f.job.key), f.file.end(f.job.node)
	}
	return 0, len(f.file.src)
}

// readers gives the offsets at which a name stands in the file's text where a program or an expression could read it as an environment
// variable: not in comments, not as a key, and not as the name of a secret, variable or input.
func (f *file) readers(name string) []int {
	var list []int
	lower := f.lowered()
	for start := range f.named(name) {
		end := start + len(name)
		if start > 0 && isName(f.src[start-1]) || end < len(f.src) && isWord(f.src[end]) {
			continue
		}
		before := bytes.TrimRight(lower[:start], " \t[.'\"")
		if hasSuffix(before, "secrets", "vars", "inputs", "outputs") || f.commented(start) || f.isKey(end) || f.isSet(start, end) {
			continue
		}
		list = append(list, start)
	}
	return list
}

// named visits the offsets at which a name stands in the file's text, in any case. One that is empty stands nowhere: an environment
// variable, an input or an index of an expression can have such a name, and nothing can read it.
func (f *file) named(name string) iter.Seq[int] {
	return func(yield func(int) bool) {
		lower, wanted := f.lowered(), []byte(strings.ToLower(name))
		for at := 0; len(wanted) > 0; at += len(wanted) {
			i := bytes.Index(lower[at:], wanted)
			if i < 0 || !yield(at+i) {
				return
			}
			at += i
		}
	}
}

// lowered is the file's text in lower case, byte for byte.
func (f *file) lowered() []byte {
	if f.lower == nil {
		f.lower = bytes.Clone(f.src)
		for i, c := range f.lower {
			if c >= 'A' && c <= 'Z' {
				f.lower[i] = c + 'a' - 'A'
			}
		}
	}
	return f.lower
}

func isWord(c byte) bool { return isName(c) && c != '-' }

func hasSuffix(s []byte, suffixes ...string) bool {
	for _, x := range suffixes {
		if n := len(s) - len(x); n >= 0 && string(s[n:]) == x {
			return true
		}
	}
	return false
}

// isKey tells whether a name that ends at an offset is a mapping's key.
func (f *file) isKey(end int) bool {
	if end < len(f.src) && (f.src[end] == '"' || f.src[end] == '\'') {
		end++
	}
	return f.afterColon(end) != end
}

// isSet tells whether a name is set rather than read: NAME=value, $env:NAME = value.
func (f *file) isSet(start, end int) bool {
	rest := strings.TrimLeft(string(f.src[end:min(len(f.src), end+4)]), " ")
	if !strings.HasPrefix(rest, "=") || strings.HasPrefix(rest, "==") {
		return false
	}
	before := strings.ToLower(string(f.src[max(0, start-5):start]))
	return strings.HasSuffix(before, "$env:") || !strings.HasSuffix(before, "$") && !strings.HasSuffix(before, "{") && !strings.HasSuffix(before, "env.")
}

// commented tells whether an offset is in a line that begins with #, or after a # that follows white space outside of quotes.
func (d *document) commented(offset int) bool {
	quote := byte(0)
	start := d.lineStart(offset)
	for i := start; i < offset; i++ {
		switch c := d.src[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#' && (i == start || isBlank(d.src[i-1])):
			return true
		}
	}
	return false
}

// classifyArgument treats a client secret among the arguments of terraform.
func (a *analysis) classifyArgument(f *finding) {
	steps := []string{"Take client_secret out of the provider's block and the variable's declaration, set ARM_USE_OIDC: \"true\" in the environment, and give the job id-token: write."}
	switch {
	case f.option != "backend-config":
		f.manual("the client secret goes to Terraform as an input variable, so the provider's block names it", steps...)
	case !f.exact || !f.command.Certain || !a.armEnvironment(f):
		f.manual("the backend gets the client secret as an argument, and ARM_CLIENT_SECRET is not in the environment to become ARM_USE_OIDC",
			"Set ARM_USE_OIDC: \"true\", ARM_CLIENT_ID, ARM_TENANT_ID and ARM_SUBSCRIPTION_ID in the environment, remove the argument, and give the job id-token: write.")
	default:
		f.automatic("the backend reads ARM_USE_OIDC from the environment, so the argument can go", terraformToOIDC)
	}
}

// armEnvironment tells whether ARM_CLIENT_SECRET, which becomes ARM_USE_OIDC, or ARM_USE_OIDC itself is in the environment.
func (a *analysis) armEnvironment(f *finding) bool {
	in := scope{a, f.file, f.job, f.step}
	if _, _, ok := in.env("ARM_CLIENT_SECRET"); ok {
		return true
	}
	value, _, _ := in.env("ARM_USE_OIDC")
	return strings.EqualFold(strings.TrimSpace(value), "true")
}

// weighArgument leaves an argument of the backend as it is where ARM_CLIENT_SECRET, which was to become ARM_USE_OIDC, stays: the backend
// would take that secret, which may be another identity's.
func (a *analysis) weighArgument(f *finding) {
	if f.option == "" || f.convert == nil {
		return
	}
	e, ok := scopeEntry(f, "ARM_CLIENT_SECRET")
	if !ok {
		return
	}
	variable := f.fileFinding(a, f.file.start(e.key))
	switch {
	case variable == nil || variable.convert == nil:
		f.manual(fmt.Sprintf("ARM_CLIENT_SECRET of line %d stays, and the backend would take it in the argument's place", e.key.Line),
			fmt.Sprintf("Convert the variable of line %d, then take the argument out.", e.key.Line))
	case variable.level > f.level:
		f.review(fmt.Sprintf("ARM_CLIENT_SECRET of line %d becomes ARM_USE_OIDC after a review only", e.key.Line))
	}
}

// wrapper names a program or container through which Terraform runs in the steps that can read a finding's variable.
func wrapper(f *finding) (what string) {
	runs(f, func(s *step) bool {
		run := strings.ToLower(text(s.run.value))
		for _, name := range []string{"terragrunt", "terratest", "go test", "rover ", "docker run", "docker compose", "docker-compose"} {
			if strings.Contains(run, name) {
				what = strings.TrimSpace(name)
				return true
			}
		}
		return false
	})
	return what
}

// providerActions are those that are known to run the Terraform or Pulumi providers, or a script, in the job's environment.
var providerActions = []string{"hashicorp/", "pulumi/", "dflook/", "opentofu/", "gruntwork-io/", "azure/cli", "azure/powershell", "nick-fields/retry", "nick-invision/retry"}

// unknownAction names the action that alone reads a finding's variable, where it is not known what it does with it.
func unknownAction(f *finding) string {
	s := f.step
	if s == nil || f.script != nil || s.action == "" || strings.HasPrefix(s.action, "./") || hasPrefix(s.action, providerActions) || strings.Contains(s.action, "terraform") {
		return ""
	}
	return s.action
}
