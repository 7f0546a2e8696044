package workflow

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
)

// converts tells whether the conversion of a finding takes away its reads of the credential.
func (f *finding) converts() bool { return f.convert != nil }

// testedAt finds a condition that tests whether the credential of a finding is set. It gives the line, or 0.
func (a *analysis) testedAt(f *finding) int {
	names := make(map[string]bool)
	for _, s := range f.Secrets {
		if s.Role == roleCredentials || s.Role == roleClientSecret {
			names[strings.ToUpper(s.Name)] = true
		}
	}
	if len(names) == 0 || f.isPasser() {
		return 0
	}
	check := func(in scope, expr string, line int) int {
		if !containsAny(expr, []string{"env.", "secrets.", "inputs."}) {
			return 0
		}
		_, refs := condition(expr)
		for _, r := range refs {
			if r.property != "" {
				continue
			}
			for _, use := range in.read(nil, r, "", 0) {
				if names[strings.ToUpper(use.Name)] {
					return line
				}
			}
		}
		return 0
	}
	steps := f.file.steps
	for _, j := range f.file.jobs {
		if f.job != nil && j != f.job {
			continue
		}
		if e, ok := lookup(j.node, "if"); ok {
			if line := check(scope{a, f.file, j, nil}, text(e.value), int(e.key.Line)); line > 0 {
				return line
			}
		}
		steps = append(steps[:len(steps):len(steps)], j.steps...)
	}
	for _, s := range steps {
		if e, ok := lookup(s.node, "if"); ok {
			if line := check(scope{a, f.file, s.job, s}, text(e.value), int(e.key.Line)); line > 0 {
				return line
			}
		}
		if line := testsInScript(scope{a, f.file, s.job, s}, names); line > 0 {
			return line
		}
	}
	return 0
}

// emptyTests are the parts of a script's line that test whether something is set.
var emptyTests = []string{"-z ", "-n ", "== ''", `== ""`, "!= ''", `!= ""`}

// testsInScript finds [ -z "${{ secrets.X }}" ] and its like.
func testsInScript(in scope, names map[string]bool) int {
	s := in.step
	run := text(s.run.value)
	if !strings.Contains(run, "secrets.") {
		return 0
	}
	i := -1
	for line := range strings.SplitSeq(run, "\n") {
		i++
		if !strings.Contains(line, "secrets.") || !containsAny(line, emptyTests) {
			continue
		}
		for _, r := range refsOf(line) {
			if r.context != "secrets" {
				continue
			}
			for _, use := range in.read(nil, r, "", 0) {
				if names[strings.ToUpper(use.Name)] {
					return int(s.run.value.Line) + 1 + i
				}
			}
		}
	}
	return 0
}

// programSteps are what a person does for programs that sign in by themselves.
var programSteps = map[string]string{
	"azcopy":    "Sign in with azure/login before the step, set AZCOPY_AUTO_LOGIN_TYPE: AZCLI, and remove AZCOPY_SPA_CLIENT_SECRET and the azcopy login command.",
	"kubelogin": "Sign in with azure/login before the step and use kubelogin convert-kubeconfig -l azurecli.",
}

// actionSteps are what a person does for actions that are known to work with the session of azure/login, or that a command replaces.
var actionSteps = map[string][]string{
	"azure/container-apps-deploy-action": {"Put a step of azure/login with client-id, tenant-id and subscription-id before it, and take azureCredentials out: the action uses the session of the Azure CLI.",
		"Where it has acrUsername and acrPassword, run az acr login --name REGISTRY before it and take both out; the identity needs the role AcrPush on the registry.", "Grant the job id-token: write."},
	"azure/acr-build": {"Put a step of azure/login with client-id, tenant-id and subscription-id in its place, and run az acr build --registry REGISTRY --image IMAGE after it.", "Grant the job id-token: write."},
}

// classifySDK treats the variables of the Azure SDKs' EnvironmentCredential and of tools that have their own.
func (a *analysis) classifySDK(f *finding) {
	name := strings.ToUpper(f.variableName())
	switch name {
	case "AZURE_CLIENT_SECRET":
	case "AZURE_SECRET":
		f.manual("Ansible's azure.azcollection signs in with a secret and has no OIDC",
			"Sign in with azure/login before the step, remove AZURE_SECRET, AZURE_CLIENT_ID and AZURE_TENANT, and set ANSIBLE_AZURE_AUTH_SOURCE: cli.",
			"Look for secret: parameters of modules in the playbooks.")
		return
	case "AZCOPY_SPA_CLIENT_SECRET":
		f.manual("azcopy signs in with a service principal's secret", programSteps["azcopy"])
		return
	case "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET":
		f.manual("kubelogin signs in with a service principal's secret (-l spn)", programSteps["kubelogin"])
		return
	default:
		f.manual("the Azure SDK signs in with a certificate", "Sign in with azure/login before the step and remove the certificate's variables, so that DefaultAzureCredential uses the Azure CLI's session.")
		return
	}
	trio := "Sign in with azure/login (client-id, tenant-id, subscription-id) before the step and remove AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET together, so that DefaultAzureCredential uses the Azure CLI's session."
	switch reason := a.sdkObstacle(f); {
	case reason != "":
		f.manual(reason, trio, "Where the program constructs ClientSecretCredential or EnvironmentCredential itself, change it to DefaultAzureCredential.")
	default:
		f.automatic("the three variables of the step can go when azure/login signs in before it: DefaultAzureCredential then uses the Azure CLI's session", sdkToLogin)
		f.review("the program must not construct EnvironmentCredential or ClientSecretCredential itself")
	}
}

// variableName is the environment variable that a finding sets.
func (f *finding) variableName() string {
	if f.variable != "" {
		return f.variable
	}
	return f.entry.key.Value
}

// otherClouds are parts of the names and hosts of clouds other than the public one, and of what is computed.
var otherClouds = []string{"gov", "china", "german", "stack", "microsoftonline.us", "chinacloudapi", "microsoftonline.de", "${{"}

func (a *analysis) sdkObstacle(f *finding) string {
	switch {
	case f.script != nil:
		return "a script sets AZURE_CLIENT_SECRET for what comes after it"
	case f.step == nil:
		return "AZURE_CLIENT_SECRET is set for a whole job or workflow, so it is not certain which steps sign in with it"
	case !own(f.step.env, "AZURE_CLIENT_ID") || !own(f.step.env, "AZURE_TENANT_ID"):
		return "AZURE_CLIENT_ID and AZURE_TENANT_ID are not set beside AZURE_CLIENT_SECRET"
	case f.step.action != "" && !strings.HasPrefix(f.step.action, "azure/"):
		return "the action " + f.step.action + " reads AZURE_CLIENT_SECRET in a way that is not known"
	case containsAny(text(f.step.run.value), []string{"docker ", "podman ", "helm ", "kubectl "}):
		return "the step may hand the variable to a container"
	}
	for _, name := range []string{"AZURE_AUTHORITY_HOST", "AZURE_ENVIRONMENT", "AZURE_CLOUD"} {
		value, _, ok := (scope{a, f.file, f.job, f.step}).env(name)
		if ok && containsAny(strings.ToLower(value), otherClouds) {
			return fmt.Sprintf("%s names another cloud than the public one, or may (%s)", name, strings.TrimSpace(value))
		}
	}
	for _, name := range []string{"AZURE_CLIENT_SECRET", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"} {
		if line, what := a.otherReaders(f, name); line > 0 && a.within(f.step, line) {
			return fmt.Sprintf("line %d reads %s itself (%s)", line, name, what)
		}
	}
	return ""
}

// within tells whether a line is in a step.
func (a *analysis) within(s *step, line int) bool {
	from, _ := s.file.place(s.file.start(s.node))
	to, _ := s.file.place(s.file.end(s.node))
	return from <= line && line <= to
}

// usesALGo tells whether the file names AL-Go for GitHub.
func (f *file) usesALGo() bool {
	const owner, rest = "microsoft/al", "-go"
	for at := len(owner); at < len(f.src); at++ {
		i := bytes.IndexByte(f.src[at:], rest[0])
		if i < 0 {
			return false
		}
		at += i
		if hasFold(f.src[at:], []byte(rest)) && hasFold(f.src[at-len(owner):], []byte(owner)) {
			return true
		}
	}
	return false
}

const keepForALGo = "AL-Go for GitHub reads a secret of this name by itself: keep it and write its value anew without clientSecret (microsoft/AL-Go, Scenarios/secrets.md)."

// classifyCredsEnv treats a whole credentials JSON in an environment variable.
func (a *analysis) classifyCredsEnv(f *finding) {
	name := f.variableName()
	steps := []string{"Find what reads " + name + "; where it takes the JSON apart, give it the client, tenant and subscription ids from variables, and let it use the session of azure/login.",
		keepForALGo}
	if f.script != nil {
		f.manual("a script hands the whole credentials JSON to later steps", steps...)
		return
	}
	if f.file.usesALGo() {
		f.manual("AL-Go for GitHub reads the credentials JSON itself", keepForALGo)
		return
	}
	if !f.hasReaders(name) {
		f.manual("the whole credentials JSON is in the environment, and nothing in the file shows what reads it", steps...)
		return
	}
	if line, what := a.otherReaders(f, name); line > 0 {
		if containsAny(what, emptyTests) {
			f.manual(fmt.Sprintf("line %d tests whether the secret is set (%s)", line, what),
				"When the logins with the secret are converted, let the line test the variable that holds the client id, or take the test out; then take "+name+" out.")
			return
		}
		f.manual(fmt.Sprintf("line %d reads the whole credentials JSON (%s)", line, what), steps...)
		return
	}
	f.automatic("what reads the variable is converted, so it can go", func(r *rewriter, f *finding) error {
		if err := r.readersDone(f, name); err != nil {
			return err
		}
		return r.deleteEntry(f, f.entry, "nothing reads the credential any longer")
	})
	if (scope{a, f.file, f.job, f.step}).mayBeReadUnseen() {
		f.review(fmt.Sprintf("%s is set where a program runs that is not in the file and may read it", name))
	}
}

// hasReaders tells whether a variable is read where it can be.
func (f *finding) hasReaders(name string) bool {
	from, to := f.extent()
	for _, at := range f.file.readers(name) {
		if from <= at && at < to {
			return true
		}
	}
	return false
}

// readersDone makes sure that what reads a variable has been converted in this rewrite.
func (r *rewriter) readersDone(f *finding, name string) error {
	from, to := f.extent()
	for _, at := range f.file.readers(name) {
		if at < from || at >= to {
			continue
		}
		done := f.start <= at && at < f.end
		for _, other := range r.done {
			done = done || other.file == f.file && other.covers(at)
		}
		if !done {
			line, _ := f.file.place(at)
			return fmt.Errorf("line %d still reads %s", line, name)
		}
	}
	return nil
}

// classifyJSONParts treats a client secret that is taken out of a credentials JSON.
func (a *analysis) classifyJSONParts(f *finding) {
	if f.stray {
		f.manual("a script takes the credentials JSON apart", "Give the script the client, tenant and subscription ids from variables, sign in with azure/login before it, and let it use that session.")
		return
	}
	manual := []string{"Give the ids from variables (vars.AZURE_CLIENT_ID and so on) in place of the parts of the JSON.", "Let what used the client secret use OIDC (ARM_USE_OIDC for Terraform) or the session of azure/login."}
	if !strings.EqualFold(f.variableName(), "ARM_CLIENT_SECRET") || f.option != "" {
		f.manual("the client secret is taken out of the credentials JSON for something that is not known", manual...)
		return
	}
	if reason, steps := a.providerObstacle(f); reason != "" {
		f.manual(reason, append(manual[:1:1], steps...)...)
		return
	}
	if line, what := a.otherReaders(f, "ARM_CLIENT_SECRET"); line > 0 {
		f.manual(fmt.Sprintf("line %d reads ARM_CLIENT_SECRET itself (%s)", line, what), manual...)
		return
	}
	if f.script != nil && (!f.exact || f.command != nil && !f.command.Certain) {
		f.manual("a script that does not parse writes the client secret", manual...)
		return
	}
	if f.job == nil && !f.file.action {
		f.needsToken = a.terraformJobs(f.file)
	}
	f.assisted("the parts of the credentials JSON become the ids in variables, and ARM_USE_OIDC takes the place of the secret", jsonPartsToOIDC)
}

// classifyAzLogin treats az login --service-principal with a password.
func (a *analysis) classifyAzLogin(f *finding) {
	in := []string{"Remove the command and put a step of azure/login with client-id, tenant-id and subscription-id before the step.",
		"Where that is not possible, fetch the token in the script (ACTIONS_ID_TOKEN_REQUEST_URL with audience api://AzureADTokenExchange) and pass it with --federated-token instead of the password."}
	c := f.command
	switch {
	case f.foreignCloud():
		f.manual(fmt.Sprintf("the audience of tokens for the cloud %s is not known", f.Identity.Cloud), in...)
	case !c.Certain:
		f.manual("the script does not parse, so where the command begins and ends is not certain", in...)
	case !f.exact:
		f.manual("the script is written with escapes, so the command cannot be edited in place", in...)
	case c.Has("--certificate"), isCertificate(f):
		f.manual("the command signs in with a certificate", in...)
	case !c.Simple:
		f.manual("the command stands in a condition, loop, function, list or pipe", in...)
	case f.script.shell != script.Bash && !c.First:
		f.manual("other commands come before it in a script that is not bash", in...)
	case f.script.repeats():
		f.manual("an action repeats the command until it succeeds", "Take the step away, and put a step of azure/login with client-id, tenant-id and subscription-id in its place.")
	case f.script.inline && (!c.First || f.wholeScript()):
		f.manual("the command is not the first of several in a script that runs in a container", in...)
	default:
		if _, _, ok := f.commandLines(); !ok && !f.wholeScript() {
			f.manual("something else is on the command's lines", in...)
			return
		}
		if f.partsJSON() {
			a.classifyPartsLogin(f, in)
			return
		}
		if !f.fetchable() && (!readableID(f.Identity.ClientID) || !readableID(f.Identity.TenantID)) {
			f.manual("the script computes the client or the tenant", in...)
			return
		}
		f.automatic("the command can be replaced by a sign-in with OIDC", azLoginToOIDC)
	}
}

// mayBeReadUnseen tells whether a variable that is set where a value stands can be read by a program that is not in the file.
func (s scope) mayBeReadUnseen() bool {
	switch {
	case s.step != nil:
		return s.step.runsUnseen()
	case s.job != nil:
		return slices.ContainsFunc(s.job.steps, (*step).runsUnseen)
	}
	return slices.ContainsFunc(s.file.jobs, func(j *job) bool { return slices.ContainsFunc(j.steps, (*step).runsUnseen) })
}

// interpreters are programs that run what is in other files.
var interpreters = map[string]bool{"bash": true, "sh": true, "pwsh": true, "powershell": true, "python": true, "python3": true, "node": true, "ruby": true, "make": true, "source": true, ".": true}

// runsUnseen tells whether a step runs what is not in the file: a program by its path, what an interpreter is given, or an action of the
// repository.
func (s *step) runsUnseen() bool {
	if strings.HasPrefix(s.action, "./") {
		return true
	}
	for line := range strings.Lines(text(s.run.value)) {
		if word := firstWord(line); strings.Contains(word, "/") || interpreters[word] {
			return true
		}
	}
	return false
}

// classifyPartsLogin treats az login with a client secret that the script takes out of a credentials JSON.
func (a *analysis) classifyPartsLogin(f *finding, steps []string) {
	p, problem := a.jsonPlan(f)
	if p == nil || problem != "" {
		f.manual("the script takes the credentials JSON apart: "+problem, steps...)
		return
	}
	f.assisted("the command can sign in with the job's OIDC token, and the ids that the script takes out of the credentials JSON come from variables",
		f.planJSON(p, (*rewriter).azLoginInPlace))
}

func isCertificate(f *finding) bool {
	w, _ := f.command.Flag("-p", "--password")
	return strings.HasSuffix(w.Text, ".pem")
}

// wholeScript tells whether the script is the command and nothing else, but for where its output goes.
func (f *finding) wholeScript() bool {
	before, after := f.script.text[:f.command.Start], strings.TrimSpace(f.script.text[f.command.End:])
	return strings.TrimSpace(before) == "" && redirections().MatchString(after)
}

func (a *analysis) classifyAzd(f *finding) {
	steps := []string{`Replace --client-secret and its value by --federated-credential-provider "github".`}
	switch w, ok := f.command.Flag("--client-secret"); {
	case !ok:
		f.manual("azd signs in with a certificate", steps...)
	case !f.exact || !f.command.Certain || w.End == w.Start:
		f.manual("the script cannot be edited with certainty", steps...)
	case f.partsJSON():
		f.manual("the script takes the credentials JSON apart", append(steps, "Give the script the client and tenant ids from variables.")...)
	default:
		f.automatic("azd can take the job's OIDC token itself", azdToFederated)
	}
}

func (a *analysis) classifyConnect(f *finding) {
	if f.command.Has(certificateOptions...) {
		f.manual("the command signs in with a certificate", "Remove the command, and put a step of azure/login with client-id, tenant-id, subscription-id and enable-AzPSSession: true before the step.",
			"Take out what fetches or installs the certificate when nothing else uses it.")
		return
	}
	f.manual("the credential is made by the script's own commands", "Remove the command and what makes its credential, and put a step of azure/login with client-id, tenant-id, subscription-id and enable-AzPSSession: true before the step.")
	if p := f.connectPlan(); p != nil {
		f.also = p.lines
		f.automatic("the commands that make the credential and sign in can be replaced by azure/login with enable-AzPSSession", func(r *rewriter, f *finding) error {
			return r.connectToLogin(f, p)
		})
		f.Manual = nil
	}
}

// classifyRegistry treats a registry login with a service principal.
func (a *analysis) classifyRegistry(f *finding) {
	steps := []string{"Sign in with azure/login before the step and replace the login by az acr login --name REGISTRY.", "Without docker: az acr login --name REGISTRY --expose-token, with the user 00000000-0000-0000-0000-000000000000 and the token as password.",
		"The identity needs the role AcrPush (or AcrPull) on the registry, which it has where it signs in today."}
	if classifyPull(f) {
		return
	}
	if f.script != nil {
		c := f.command
		_, _, lines := f.commandLines()
		switch {
		case f.partsJSON():
			f.manual("the script takes the credentials JSON apart", steps...)
		case c.Name != "docker" || c.Has("--password-stdin"):
			f.manual("the login is not a plain docker login", steps...)
		case !c.Certain || !c.Simple || !f.exact || !lines && !f.wholeScript() || f.script.shell != script.Bash:
			f.manual("the command cannot be edited with certainty", steps...)
		case !namesRegistry(f):
			f.manual("the registry's name is not in the command", steps...)
		default:
			f.automatic("az acr login can take the place of the registry login after azure/login", registryToACR)
			f.review(registryRisk)
		}
		return
	}
	if f.unsure {
		f.manual("it is not known whether the registry, whose name is computed, is one of Azure", steps...)
		return
	}
	if f.step != nil && actionSteps[f.step.action] != nil {
		f.manual("the action takes the credential, and can do without", actionSteps[f.step.action]...)
		return
	}
	if f.step == nil || !registryActions[f.step.action] || f.step.action == "redhat-actions/podman-login" {
		f.manual("the login is not a plain docker login", steps...)
		return
	}
	if f.step.has("logout") || f.step.has("ecr") {
		f.manual("the login has options that az acr login does not know", steps...)
		return
	}
	f.automatic("az acr login can take the place of the registry login after azure/login", registryToACR)
	f.review(registryRisk)
}

// classifyPull gives the manual steps of a registry's password with which something else than the job's steps pulls images: GitHub, or a cluster. It tells whether
// the password is such a one.
func classifyPull(f *finding) bool {
	switch {
	case f.image:
		f.manual("GitHub pulls the image of a container or service before the job's first step, so no session of azure/login is there yet",
			"Run the image in a step instead: azure/login, az acr login --name REGISTRY and docker run; or let the job do without the container.",
			"Where that is not possible, give the credentials a token of the registry that can only pull this image (az acr token create), and rotate it.")
	case f.command != nil && isPullSecret(f.command):
		f.manual("the cluster pulls images with the password that the command stores in it",
			"Let the cluster pull with its own identity: az aks update --name CLUSTER --resource-group GROUP --attach-acr REGISTRY, or give its kubelet's identity the role AcrPull.",
			"Take the command out, and imagePullSecrets out of what the cluster runs.")
	default:
		return false
	}
	return true
}

// namesRegistry tells whether docker login names the registry so that az acr login can.
func namesRegistry(f *finding) bool {
	_, ok := acrCommand(f.script.original(registryWord(f.command)))
	return ok
}

const registryRisk = "the identity needs AcrPush or AcrPull on the registry, and the login lasts for three hours"

// classifyCluster treats actions that set the context of a Kubernetes cluster with a credential.
func (a *analysis) classifyCluster(f *finding) {
	steps := []string{"Sign in with azure/login before the step and use azure/aks-set-context@v4 with resource-group and cluster-name.",
		"A cluster with local accounts disabled needs use-kubelogin: 'true' and azure/use-kubelogin."}
	s := f.step
	switch {
	case f.usesSession() && f.signedInBefore():
		f.automatic(fmt.Sprintf("azure/aks-set-context %s has no input creds: it uses the session of azure/login before it, so the line can go", s.version), deleteCredential)
	case f.Kind == inventory.KindK8sSetContext && !strings.EqualFold(text(paramValue(s, "method")), "service-principal"):
		f.manual("a kubeconfig or service account is not a service principal's secret", append([]string{"Where the cluster is AKS:"}, steps...)...)
	case strings.EqualFold(text(paramValue(s, "cluster-type")), "arc"):
		f.manual("the cluster is connected through Arc", steps...)
	case !s.has("resource-group") || !s.has("cluster-name"):
		f.manual("resource-group or cluster-name is missing", steps...)
	default:
		r, ok := single(text(f.entry.value))
		if !ok || r.context != "secrets" && r.context != "inputs" || r.index != nil {
			f.manual("the credential is computed", steps...)
			return
		}
		f.automatic("azure/aks-set-context uses the session of azure/login", clusterToLogin)
		if f.usesSession() {
			f.review("the action has not used creds so far, so where its session came from is not known")
			return
		}
		f.review("the version of the action changes, and a cluster without local accounts needs kubelogin")
	}
}

// usesSession tells whether a step is azure/aks-set-context of version 2 or later, which has no input creds.
func (f *finding) usesSession() bool {
	version := strings.TrimPrefix(f.step.knownVersion(), "v")
	return f.Kind == inventory.KindAKSSetContextCreds && version != "" && isDigit(version[0]) && !earlier(version, [2]int{2, 0})
}

// signedInBefore tells whether azure/login runs before a step, in every case in which the step does.
func (f *finding) signedInBefore() bool {
	return slices.ContainsFunc(f.step.before(), func(s *step) bool {
		return s.action == "azure/login" && (s.condition == "" || s.condition == f.step.condition)
	})
}

// classifyOther gives the manual steps of what has no automatic form.
func classifyOther(f *finding) {
	switch f.Kind {
	case inventory.KindPublishProfile:
		f.manual("a publish profile is a password of the app itself, not of a service principal; the identity needs a role on the app",
			"Give the identity the role Website Contributor on the app.", "Put a step of azure/login with client-id, tenant-id and subscription-id before the deployment.",
			"Remove publish-profile from the step; keep app-name and slot-name, and on a Flex Consumption plan remove sku.", "Grant the job id-token: write.", "Then basic authentication of the app's SCM site can be switched off.")
	case inventory.KindStaticWebAppsToken:
		f.manual("azure/static-web-apps-deploy requires the deployment token (Azure/static-web-apps#312, #1304, #1359)",
			"Sign in with azure/login, read the token in the run with az staticwebapp secrets list --name APP --query properties.apiKey -o tsv, mask it with ::add-mask::, and pass it as the step's output instead of the secret.")
	case inventory.KindSQLConnectionString:
		f.manual("the connection string holds a database password", "Create a user for the identity in the database (CREATE USER [name] FROM EXTERNAL PROVIDER).",
			"Put azure/login before the step, use azure/sql-action v2 or later, and write the connection string with Authentication=Active Directory Default and no password.")
	case inventory.KindStorageKey:
		f.manual("an account key, connection string or SAS is a password of the storage account, not of a service principal", "Give the identity the role Storage Blob Data Contributor on the account or container.",
			"Sign in with azure/login and use --auth-mode login with az storage, AZCOPY_AUTO_LOGIN_TYPE=AZCLI with azcopy, or use_azuread_auth = true in Terraform's azurerm backend.")
	case inventory.KindDockerACRAdmin:
		if classifyPull(f) {
			return
		}
		f.manual("the password is that of the registry's admin user or of a repository token, not of a service principal", "Give the identity the role AcrPush (or AcrPull) on the registry.",
			"Replace the login by azure/login and az acr login --name REGISTRY, and grant the job id-token: write.", "When nothing else uses it, switch the registry's admin user off.")
	case inventory.KindRemoteActionInput:
		if steps := actionSteps[f.step.action]; steps != nil {
			f.manual("the action takes the credential, and can do without", steps...)
			return
		}
		f.manual("an action of another repository takes the credential",
			"See whether a version of the action signs in with OIDC or uses the session of the Azure CLI; if so put azure/login before it and drop the input.", "Otherwise ask its owner, or replace the action.")
	default:
		if f.beside != "" {
			classifyBeside(f)
			return
		}
		reason := "a program that is not known takes the credential"
		switch {
		case f.tests:
			f.manual("the script tests whether the secret is set", "When the logins with the secret are converted, let the script test the variable that holds the client id, or take the test out.")
			return
		case f.command != nil && f.command.Is("az", "login"):
			f.manual("the command signs in as a user, with a password, where Microsoft Entra ID demands a second factor",
				"Give a service principal or a managed identity the roles that the job needs.", "Remove the command, and put a step of azure/login with client-id, tenant-id and subscription-id before the step.", "Grant the job id-token: write.")
			return
		case f.command != nil && f.command.Name == "packer":
			f.manual("Packer takes the client secret as a variable", packerSteps...)
			return
		case f.command != nil && f.command.Name == "pulumi":
			f.manual("the client secret goes into the stack's configuration",
				"Set ARM_USE_OIDC: \"true\", ARM_CLIENT_ID, ARM_TENANT_ID and ARM_SUBSCRIPTION_ID in the environment, and give the job id-token: write.",
				"Take the command out, and clientSecret out of the stack's configuration (pulumi config rm).")
			return
		case f.command != nil:
			reason = f.command.Name + " signs in with a service principal's secret"
			if step := programSteps[f.command.Name]; step != "" {
				f.manual(reason, step)
				return
			}
		case f.all && f.file.usesALGo():
			f.manual("AL-Go for GitHub takes its credentials JSON out of all secrets", keepForALGo)
			return
		case f.all:
			f.manual("every secret of the repository is handed on at once", "Hand on by name what is needed, without the credentials of Azure; what needs those uses the session of azure/login.")
			return
		}
		f.manual(reason, "Replace it by a step of azure/login with client-id, tenant-id and subscription-id, and let what follows use that session.")
	}
}

// classifyBeside gives the manual steps of a client secret that is known by the tenant beside it only.
func classifyBeside(f *finding) {
	who, where := "a program that is not known", f.secretName+" and the variables of its ids from the environment"
	if f.command != nil {
		who, where = f.command.Name, f.secretName+" with its value from the command"
	}
	f.manual(fmt.Sprintf("%s takes a client secret (%s) with a tenant beside it (%s), as a service principal signs in", who, f.secretName, f.beside),
		"Make sure that the secret is one of an app registration in Microsoft Entra ID; where it is another service's, nothing is to be done.",
		"Put a step of azure/login with client-id, tenant-id and subscription-id (or allow-no-subscriptions: true) before it, and grant the job id-token: write.",
		"Let the program use DefaultAzureCredential or AzureCliCredential in place of ClientSecretCredential, or give it a token of az account get-access-token.",
		"Then take "+where+".")
}
