package workflow

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// sink is an input of a public action that takes an Azure credential.
type sink struct {
	input string
	kind  inventory.Kind
	role  string
}

// sinks are the inputs of public actions that take an Azure credential, as their action.yml declares them.
var sinks = map[string][]sink{
	"azure/aks-set-context":                   {{"creds", inventory.KindAKSSetContextCreds, roleCredentials}},
	"azure/k8s-set-context":                   {{"creds", inventory.KindK8sSetContext, roleCredentials}, {"kubeconfig", inventory.KindK8sSetContext, roleOther}, {"k8s-secret", inventory.KindK8sSetContext, roleOther}},
	"azure/webapps-deploy":                    {{"publish-profile", inventory.KindPublishProfile, roleOther}},
	"azure/functions-action":                  {{"publish-profile", inventory.KindPublishProfile, roleOther}},
	"azure/functions-container-action":        {{"publish-profile", inventory.KindPublishProfile, roleOther}},
	"azure/webapps-container-deploy":          {{"publish-profile", inventory.KindPublishProfile, roleOther}},
	"azure/static-web-apps-deploy":            {{"azure_static_web_apps_api_token", inventory.KindStaticWebAppsToken, roleOther}},
	"azure/sql-action":                        {{"connection-string", inventory.KindSQLConnectionString, roleOther}},
	"azure/mysql":                             {{"connection-string", inventory.KindSQLConnectionString, roleOther}},
	"azure/mysql-action":                      {{"connection-string", inventory.KindSQLConnectionString, roleOther}},
	"azure/postgresql":                        {{"connection-string", inventory.KindSQLConnectionString, roleOther}},
	"azure/postgresql-action":                 {{"connection-string", inventory.KindSQLConnectionString, roleOther}},
	"azure/container-apps-deploy-action":      {{"azureCredentials", inventory.KindRemoteActionInput, roleCredentials}, {"acrPassword", inventory.KindDockerACRAdmin, roleOther}, {"registryPassword", inventory.KindDockerACRAdmin, roleOther}},
	"azure/aci-deploy":                        {{"registry-password", inventory.KindDockerACRAdmin, roleOther}},
	"azure/acr-build":                         {{"service_principal_password", inventory.KindRemoteActionInput, roleClientSecret}},
	"azure/appconfiguration-sync":             {{"connectionString", inventory.KindOther, roleOther}},
	"azure/synapse-workspace-deployment":      {{"clientSecret", inventory.KindRemoteActionInput, roleClientSecret}},
	"azure/aml-workspace":                     {{"azure_credentials", inventory.KindRemoteActionInput, roleCredentials}},
	"azure/aml-run":                           {{"azure_credentials", inventory.KindRemoteActionInput, roleCredentials}},
	"azure/aml-compute":                       {{"azure_credentials", inventory.KindRemoteActionInput, roleCredentials}},
	"azure/aml-deploy":                        {{"azure_credentials", inventory.KindRemoteActionInput, roleCredentials}},
	"azure/aml-registermodel":                 {{"azure_credentials", inventory.KindRemoteActionInput, roleCredentials}},
	"azure/data-factory-deploy-action":        {{"clientSecret", inventory.KindRemoteActionInput, roleClientSecret}},
	"azure/trusted-signing-action":            {{"azure-client-secret", inventory.KindRemoteActionInput, roleClientSecret}},
	"azure/artifact-signing-action":           {{"azure-client-secret", inventory.KindRemoteActionInput, roleClientSecret}},
	"particular/setup-azureservicebus-action": {{"azure-credentials", inventory.KindRemoteActionInput, roleCredentials}},
	"bacongobbler/azure-blob-storage-upload":  {{"connection_string", inventory.KindStorageKey, roleOther}, {"sas_token", inventory.KindStorageKey, roleOther}},
	"tibor19/static-website-deploy":           {{"connectionstring", inventory.KindStorageKey, roleOther}},
	"lauchacarro/azure-storage-action":        {{"connection-string", inventory.KindStorageKey, roleOther}},
	"azure/spring-apps-deploy":                nil,
}

// registryUsers are the inputs with the user name beside those with a registry's password.
var registryUsers = map[string]string{"acrPassword": "acrUsername", "registryPassword": "registryUsername", "registry-password": "registry-username"}

// sinkLogin looks at one input of a known action.
func (f *finder) sinkLogin(s *step, k sink) {
	e, ok := s.input(k.input)
	if !ok {
		return
	}
	in := scope{f.analysis, f.file, s.job, s}
	if user, ok := registryUsers[k.input]; ok {
		f.registryPassword(in, e, text(paramValue(s, user)), "")
		return
	}
	n := f.withSecrets(f.atKey(k.kind, e, s.job, s), in, e, k.role)
	if n != nil && len(n.Secrets) == 0 && k.kind == inventory.KindSQLConnectionString && !containsFold(text(e.value), "password") {
		f.drop(n)
	}
}

// drop takes back the finding that was made last.
func (f *finder) drop(n *finding) {
	if last := len(f.findings) - 1; last >= 0 && f.findings[last] == n {
		f.findings = f.findings[:last]
		delete(f.seen, n.start)
	}
}

// registryActions log in to a container registry.
var registryActions = map[string]bool{"azure/docker-login": true, "docker/login-action": true, "redhat-actions/podman-login": true, "azure/container-actions/docker-login": true}

// registryAction recognises a login to an Azure container registry with a user name and password.
func (f *finder) registryAction(s *step) {
	password, ok := s.input("password")
	if !ok {
		return
	}
	in := scope{f.analysis, f.file, s.job, s}
	host := text(paramValue(s, "login-server")) + text(paramValue(s, "registry"))
	acr := in.namesACR(host, 0)
	if s.action == "azure/docker-login" && !acr {
		// The action is made for Azure's registry; another host is told by its name.
		acr = !strings.Contains(host, ".") || strings.Contains(host, "${{")
	}
	user := text(paramValue(s, "username"))
	// An action that knows any registry gets a service principal's credential for Azure's only.
	unsure := !acr && strings.Contains(host, "${{") && f.servicePrincipal(in, user, text(password.value))
	if !acr && !unsure {
		return
	}
	if n := f.registryPassword(in, password, user, host); n != nil {
		n.unsure = unsure
	}
}

// dropFetched takes back a finding whose value is fetched in the run itself, with a session that is found on its own.
func (f *finder) dropFetched(n *finding, in scope, value string) bool {
	if len(n.Secrets) > 0 || refsOf(value) == nil && len(variables(value)) == 0 || !in.fromSession(value) {
		return false
	}
	f.drop(n)
	return true
}

// fromSession tells whether a password is an output of a step, or a token that was fetched in this run: no stored credential.
func (s scope) fromSession(value string) bool {
	for _, r := range refsOf(value) {
		if r.context != "steps" && r.context != "env" {
			return false
		}
	}
	return true
}

// carriers looks, once the sinks of the tree are known, for inputs and variables that carry a credential onward.
func (f *finder) carriers() {
	f.carrierEnv(f.file.env, nil, nil)
	for _, j := range f.file.jobs {
		if j.never {
			continue
		}
		f.carrierEnv(j.env, j, nil)
		for image := range j.images() {
			f.carrierEnv(get(image, "env"), j, nil)
		}
		f.reusablePass(j)
		f.carrierSteps(j.steps)
	}
	f.carrierSteps(f.file.steps)
	f.beside()
}

func (f *finder) carrierSteps(steps []*step) {
	for _, s := range steps {
		if s.never {
			continue
		}
		f.carrierEnv(s.env, s.job, s)
		if s.action != "" && s.action != "azure/login" {
			f.carrierInputs(s)
		}
		f.strayReads(s)
	}
}

// carrierEnv finds variables that hold a whole credentials JSON under another name, or a client secret for Terraform.
func (f *finder) carrierEnv(env *yaml.Node, j *job, s *step) {
	for e := range each(env) {
		value := text(e.value)
		if !strings.Contains(value, "${{") || f.seen[f.file.start(e.key)] != nil {
			continue
		}
		in := scope{f.analysis, f.file, j, s}
		kind, role := f.carried(in, e.key.Value, value)
		if kind == "" {
			continue
		}
		if n := f.atKey(kind, e, j, s); n != nil {
			n.Secrets, n.all = in.secretsOf(value, role), handsAll(value)
			n.held = kind == inventory.KindOther && !n.all
			if n.held && namesAClientSecret(e.key.Value) {
				in.tellBeside(n, env, e.key.Value)
			}
		}
	}
}

// everything names, once all is known, the credentials that are among all secrets where those are handed on at once.
func (f *finder) everything() {
	for _, n := range f.findings {
		if !n.all || len(f.jsonSecrets)+len(f.clientSecrets) > maxNames {
			continue
		}
		for _, known := range []struct {
			names map[string]bool
			role  string
		}{{f.jsonSecrets, roleCredentials}, {f.clientSecrets, roleClientSecret}} {
			for _, name := range slices.Sorted(maps.Keys(known.names)) {
				n.Secrets = append(n.Secrets, inventory.SecretUse{Name: name, Expression: "toJSON(secrets)", Role: known.role})
			}
		}
	}
}

// carried tells what an environment variable carries, going by the secret that it reads and by how that secret is used elsewhere.
func (f *finder) carried(in scope, name, value string) (kind inventory.Kind, role string) {
	if isTerraformVariable(name) && in.terraformVariable(name, value) {
		return inventory.KindTerraformEnv, roleClientSecret
	}
	if takesJSONApart(value) {
		return inventory.KindCredsJSONParts, roleClientSecret
	}
	if !containsFold(value, "secrets") {
		return "", ""
	}
	if r, ok := single(value); !ok || r.context != "secrets" || r.property != "" || r.whole {
		if handsAll(value) {
			return inventory.KindOther, roleOther
		}
		return "", ""
	} else if r.index == nil && (f.jsonSecrets[strings.ToUpper(r.name())] || namesCredentials(r.name())) {
		return inventory.KindCredsEnv, roleCredentials
	} else if f.strayVariable(in, name, r) {
		return inventory.KindOther, roleClientSecret
	}
	return "", ""
}

// handsAll tells whether a value is every secret at once.
func handsAll(value string) bool {
	return containsFold(value, "tojson") && strings.Contains(strings.ReplaceAll(strings.ToLower(value), " ", ""), "tojson(secrets)")
}

// isTerraformVariable tells the environment variables that set an input variable of Terraform which is named as a client secret.
func isTerraformVariable(name string) bool {
	const prefix, suffix = "TF_VAR_", "CLIENT_SECRET"
	n := len(name)
	return n >= len(prefix)+len(suffix) && strings.EqualFold(name[:len(prefix)], prefix) && strings.EqualFold(name[n-len(suffix):], suffix)
}

// terraformVariable tells whether an input variable of Terraform carries the client secret of a service principal. Other services
// have client secrets too, so unless the variable or the secret is named for Azure, or for nothing, a tenant is among the inputs.
func (s scope) terraformVariable(name, value string) bool {
	secrets := s.secrets(value, "")
	if falseFriend(name) || len(secrets) == 0 {
		return false
	}
	if squash(name) == "tfvarclientsecret" || namesClientSecret(name) || s.terraformTenant() {
		return true
	}
	return slices.ContainsFunc(secrets, func(u inventory.SecretUse) bool { return namesClientSecret(u.Name) })
}

// terraformTenant tells whether a tenant is among the input variables of Terraform that are set where a value stands.
func (s scope) terraformTenant() bool {
	nodes := []*yaml.Node{s.file.env}
	if s.job != nil {
		nodes = append(nodes, s.job.env)
	}
	if s.step != nil {
		nodes = append(nodes, s.step.env)
	}
	for _, n := range nodes {
		for e := range each(n) {
			if name := squash(e.key.Value); strings.HasPrefix(name, "tfvar") && strings.Contains(name, "tenant") {
				return true
			}
		}
	}
	return false
}

// squash puts a name into lower case without what divides its words.
func squash(name string) string {
	changes, ascii := false, true
	for i := range len(name) {
		c := name[i]
		changes = changes || c >= 'A' && c <= 'Z' || dividesWords(c)
		ascii = ascii && c < utf8.RuneSelf
	}
	if !ascii {
		name, changes = strings.ToLower(name), true
	}
	if !changes {
		return name
	}
	var room [64]byte // few names are longer
	short := room[:0]
	for i := range len(name) {
		c := name[i]
		if dividesWords(c) {
			continue
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		short = append(short, c)
	}
	return string(short)
}

func dividesWords(c byte) bool { return c == '_' || c == '-' || c == ' ' }

// namesCredentials tells whether a name says that it is a whole credentials JSON of Azure.
func namesCredentials(name string) bool {
	n := squash(name)
	if !strings.Contains(n, "cred") || containsAny(n, []string{"token", "clientsecret", "password", "ssh"}) || roleOfName(name) != "" || strings.HasSuffix(n, "id") {
		return false
	}
	return strings.HasPrefix(n, "az") || strings.Contains(n, "azure") || strings.HasPrefix(n, "arm") || strings.HasPrefix(n, "aml")
}

// namesClientSecret tells whether a name says that it is the secret of a service principal of Azure.
func namesClientSecret(name string) bool {
	n := squash(name)
	if !strings.Contains(n, "secret") && !strings.Contains(n, "password") && !strings.Contains(n, "principalkey") || falseFriend(name) {
		return false
	}
	azure := containsAny(n, []string{"azure", "arm", "aad", "entra"}) || strings.HasPrefix(n, "az")
	return azure && containsAny(n, []string{"clientsecret", "appsecret", "spsecret", "sppassword", "principalpassword", "principalsecret", "principalkey"}) ||
		containsAny(n, []string{"serviceprincipalpassword", "serviceprincipalsecret", "serviceprincipalkey"})
}

// falseFriend tells names of client secrets that are not of a service principal.
func falseFriend(name string) bool {
	return containsAny(strings.ToLower(name), []string{"auth0", "mock", "delinea", "wiz", "cdse", "api_client", "google", "okta", "github", "spotify", "oauth", "slack"})
}

// carrierInputs finds credentials that a step hands to an action which is not known as a sink.
func (f *finder) carrierInputs(s *step) {
	local := strings.HasPrefix(s.action, "./")
	target := f.actionOf(s.action)
	var remote map[string]string
	known := target != nil
	if !local {
		remote, known = f.remoteRoles(text(s.uses.value))
	}
	command, _, _ := s.scriptInput()
	for _, e := range s.withParams {
		value := text(e.value)
		if !strings.Contains(value, "${{") || isScript(e) || e.key == command.key || f.seen[f.file.start(e.key)] != nil {
			continue
		}
		if handsAll(value) {
			if n := f.atKey(inventory.KindOther, e, s.job, s); n != nil {
				n.all = true
			}
			continue
		}
		in := scope{f.analysis, f.file, s.job, s}
		role := f.roleInto(in, target, remote, known, e.key.Value, value)
		kind := inventory.KindRemoteActionInput
		switch {
		case role == "" && !known && namesStorageKey(e.key.Value) && f.handsOn(in, nil, value):
			kind, role = inventory.KindStorageKey, roleOther
		case role == "":
			continue
		case local:
			kind = inventory.KindCompositeInput
		}
		if n := f.atKey(kind, e, s.job, s); n != nil {
			n.Secrets = rolesByName(in.secretsOf(value, role))
		}
	}
}

// namesStorageKey tells whether an input is called as one that takes the key or the connection string of a storage account.
func namesStorageKey(input string) bool {
	n := squash(input)
	return strings.HasPrefix(n, "armaccesskey") || strings.Contains(n, "storage") && containsAny(n, []string{"azurestoragekey", "accountkey", "accesskey", "azurestorageconnectionstring"})
}

// roleInto tells what a value is that goes into an input or secret of another file. Where that file is known, its own logins
// decide; else the name of the input or of the secret.
func (f *finder) roleInto(in scope, target *file, remote map[string]string, known bool, name, value string) string {
	if known && target == nil {
		return remote[strings.ToLower(name)]
	}
	if known {
		return f.inputRoles[target.path+"\x00"+strings.ToLower(name)]
	}
	if !mayCarry(value) {
		return ""
	}
	reads, direct := false, false // what a step or job puts out may be anything, so only the input's own name tells of it
	var few [4]ref                // few values have more
	refs := appendRefs(few[:0], value)
	for _, r := range refs {
		if id := roleOfProperty(r.property); id != "" && id != roleClientSecret {
			return ""
		}
		direct = direct || r.context == "secrets" || r.context == "env" || r.context == "inputs"
		reads = reads || direct || r.context == "steps" || r.context == "needs"
	}
	if !reads {
		return ""
	}
	var secrets []inventory.SecretUse
	if direct {
		secrets = in.readAll(nil, refs, "", 0)
	}
	for _, s := range secrets {
		switch upper := strings.ToUpper(s.Name); {
		case f.jsonSecrets[upper] || namesCredentials(s.Name):
			return roleCredentials
		case f.clientSecrets[upper] || namesClientSecret(s.Name):
			return roleClientSecret
		}
	}
	switch {
	case namesCredentials(name):
		return roleCredentials
	case namesClientSecret(name):
		return roleClientSecret
	}
	return ""
}

// reusablePass finds credentials that a job hands to a reusable workflow.
func (f *finder) reusablePass(j *job) {
	if j.uses.key == nil {
		return
	}
	target := f.workflowOf(text(j.uses.value))
	in := scope{f.analysis, f.file, j, nil}
	remote, known := map[string]string(nil), target != nil
	if target == nil {
		remote, known = f.remoteRoles(text(j.uses.value))
	}
	for _, e := range append(entries(j.secrets.value), entries(j.with)...) {
		value := text(e.value)
		if !strings.Contains(value, "${{") || f.seen[f.file.start(e.key)] != nil {
			continue
		}
		if role := f.roleInto(in, target, remote, known, e.key.Value, value); role != "" {
			if n := f.atKey(inventory.KindReusablePass, e, j, nil); n != nil {
				n.Secrets = in.secretsOf(value, role)
			}
		}
	}
	if strings.EqualFold(text(j.secrets.value), "inherit") {
		f.inherit(j, target, remote, known)
	}
}

// inherit treats `secrets: inherit`: every secret goes to the called workflow.
func (f *finder) inherit(j *job, target *file, remote map[string]string, known bool) {
	all := inventory.SecretUse{Name: "*", Expression: "secrets: inherit", Role: roleOther}
	if target == nil && known {
		f.inheritRemote(j, remote)
		return
	}
	if target == nil {
		line, column := f.file.place(f.file.start(j.secrets.key))
		f.mentions = append(f.mentions, inventory.Mention{Repository: f.tree.Repository, File: f.file.path, Line: line, Column: column, Secret: "*",
			Text: "all secrets are passed to " + text(j.uses.value) + ", which is not among the files that were read"})
		return
	}
	names := f.inheritedNames(target)
	if len(names) == 0 {
		return
	}
	n := f.seen[f.file.start(j.secrets.key)]
	if n == nil {
		if n = f.atKey(inventory.KindReusablePass, j.secrets, j, nil); n == nil {
			return
		}
	}
	n.inherited, n.Secrets = names, []inventory.SecretUse{}
	in := scope{f.analysis, f.file, j, nil}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		n.Secrets = in.addPassed(n.Secrets, inventory.SecretUse{Name: name, Expression: "secrets: inherit", Role: names[name]})
	}
	if len(n.Secrets) > maxNames {
		n.Secrets = []inventory.SecretUse{all}
	}
}

// inheritedNames are the secrets that a called workflow reads for its logins, as it names them, with what they are.
func (f *finder) inheritedNames(target *file) map[string]string {
	names := make(map[string]string)
	for _, other := range f.sinksOf(target) {
		if other.secretless() {
			continue
		}
		maps.Copy(names, other.inherited)
		for _, r := range f.reads(other) {
			if r.context != "secrets" || r.index != nil || r.whole || strings.EqualFold(r.name(), "GITHUB_TOKEN") {
				continue
			}
			role := f.inputRoles[channelKey(target, r.name())]
			if role == "" {
				role = cmp.Or(roleOfName(r.name()), roleOther)
			}
			names[r.name()] = role
		}
	}
	return names
}

// inheritRemote treats `secrets: inherit` to a workflow of another repository of the scan.
func (f *finder) inheritRemote(j *job, remote map[string]string) {
	var uses []inventory.SecretUse
	for _, name := range slices.Sorted(maps.Keys(remote)) {
		uses = append(uses, inventory.SecretUse{Name: strings.ToUpper(name), Expression: "secrets: inherit", Role: remote[name]})
	}
	if len(uses) == 0 {
		return
	}
	if n := f.atKey(inventory.KindReusablePass, j.secrets, j, nil); n != nil {
		n.Secrets = uses
	}
}
