package workflow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// classifyAll decides how each login can be converted. What an environment variable can become depends on whether what reads
// it is converted, and what comes from callers depends on all that use it, so they come in this order.
func (a *analysis) classifyAll() {
	for _, f := range a.findings {
		if a.stopped() {
			return
		}
		if !f.isVariable() && !f.isPasser() {
			a.classify(f)
		}
	}
	for _, f := range a.findings {
		if f.isVariable() {
			a.classify(f)
		}
	}
	for _, f := range a.findings {
		a.askCode(f)
	}
	a.joinChannels()
	for _, f := range a.findings {
		switch {
		case f.isPasser():
			a.classifyPasser(f)
		case f.Conversion == inventory.ConversionAssisted && (f.file.action || f.file.has("workflow_call")):
			a.classifyCalledJSON(f)
		case len(f.channels) > 0 && f.passable():
			a.classifyPassed(f)
		case f.file.has("workflow_call") && f.Conversion == inventory.ConversionAutomatic:
			a.classifyCalled(f)
		case f.file.action && f.Conversion == inventory.ConversionAutomatic:
			a.classifyCalled(f)
		}
	}
}

// weighAll decides of the logins that can be converted which need a person, or cannot be for what is around them. It makes of none one
// without a credential, nor the other way round.
func (a *analysis) weighAll() {
	for _, f := range a.findings {
		a.risks(f)
	}
	for _, f := range a.findings {
		a.weighArgument(f)
	}
	a.breakChains()
}

// passable tells findings that can be converted when their credential comes from callers.
func (f *finding) passable() bool {
	return f.Conversion == inventory.ConversionAutomatic || f.Kind == inventory.KindAzureLoginCreds
}

// isVariable tells findings that are environment variables.
func (f *finding) isVariable() bool {
	return f.script == nil && (f.Kind == inventory.KindTerraformEnv || f.Kind == inventory.KindSDKEnv || f.Kind == inventory.KindCredsEnv ||
		f.Kind == inventory.KindCredsJSONParts && f.step.paramNode(f.entry.parent) == nil)
}

// paramNode gives the step's with mapping if it is n.
func (s *step) paramNode(n *yaml.Node) *yaml.Node {
	if s != nil && s.with == n {
		return n
	}
	return nil
}

// isPasser tells findings that hand a credential to another file.
func (f *finding) isPasser() bool {
	return f.Kind == inventory.KindCompositeInput || f.Kind == inventory.KindReusablePass
}

// classify decides how one login can be converted, looking at its own file.
func (a *analysis) classify(f *finding) {
	if f.federated {
		f.none("the command signs in with a federated token; it uses no stored credential")
		return
	}
	if f.script != nil && f.script.away {
		f.manual("the script runs where neither the job's token nor a session of azure/login is",
			"Let the machine sign in by itself (az login --identity, with a managed identity that has the role), or sign in with azure/login in the job and hand the script a token (az account get-access-token).",
			"Then take the credential out of the script.")
		return
	}
	if f.toFile {
		f.manual(fmt.Sprintf("a script writes %s to a file or hands it to a container", f.variableName()),
			"Change what reads it so that it signs in with OIDC or with the session of azure/login, and take the line out.",
			"Terraform in a container needs ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN and ARM_USE_OIDC=true.")
		return
	}
	switch f.Kind {
	case inventory.KindAzureLoginOIDC:
		f.none("azure/login signs in with the job's OIDC token; it uses no stored credential")
	case inventory.KindAzureLoginMixed:
		a.classifyMixed(f)
	case inventory.KindAzureLoginCreds:
		a.classifyCreds(f)
	case inventory.KindTerraformEnv:
		a.classifyTerraform(f)
	case inventory.KindSDKEnv:
		a.classifySDK(f)
	case inventory.KindCredsEnv:
		a.classifyCredsEnv(f)
	case inventory.KindCredsJSONParts:
		if f.idRole != "" {
			a.classifyJSONID(f)
			return
		}
		a.classifyJSONParts(f)
	case inventory.KindAzLoginSP:
		a.classifyAzLogin(f)
	case inventory.KindAzdLogin:
		a.classifyAzd(f)
	case inventory.KindConnectAzAccount:
		a.classifyConnect(f)
	case inventory.KindDockerACRSP:
		a.classifyRegistry(f)
	case inventory.KindAKSSetContextCreds, inventory.KindK8sSetContext:
		a.classifyCluster(f)
	default:
		classifyOther(f)
	}
}

// classifyCalled treats a login in a called file whose credential does not come from the callers' inputs: the callers
// must still grant the token.
func (a *analysis) classifyCalled(f *finding) {
	if len(a.callers[f.File]) == 0 {
		if f.file.has("workflow_call") && len(f.file.triggers) > 1 && f.Kind == inventory.KindAzureLoginMixed {
			return
		}
		a.classifyUncalled(f)
		return
	}
	f.Conversion, f.level = inventory.ConversionAssisted, LevelNeedsReview
	f.Reason += "; " + count(len(a.callers[f.File]), "caller") + " of the same repository must grant id-token: write, and change too"
}

func (f *finding) none(reason string) {
	f.Conversion, f.Reason, f.Manual, f.convert = inventory.ConversionNone, reason, nil, nil
}

func (f *finding) manual(reason string, steps ...string) {
	f.Conversion, f.Reason, f.Manual, f.convert = inventory.ConversionManual, reason, steps, nil
}

func (f *finding) automatic(reason string, convert func(*rewriter, *finding) error) {
	f.Conversion, f.Reason, f.Manual, f.convert = inventory.ConversionAutomatic, reason, nil, convert
}

func (f *finding) assisted(reason string, convert func(*rewriter, *finding) error) {
	f.Conversion, f.Reason, f.Manual, f.convert, f.level = inventory.ConversionAssisted, reason, nil, convert, LevelNeedsReview
}

// ReviewMark stands before what a reviewer has to look at in the reason of a login that is rewritten at LevelNeedsReview only.
const ReviewMark = "; needs review: "

// review raises the level of a finding and says why a person has to look.
func (f *finding) review(why string) {
	if f.convert == nil {
		return
	}
	f.level = LevelNeedsReview
	f.Reason += ReviewMark + why
}

// classifyMixed treats a login that has both forms. The credential is not used, so its line can go.
func (a *analysis) classifyMixed(f *finding) {
	if strings.EqualFold(f.entry.key.Value, "client-secret") {
		if tooOld(f.step.knownVersion()) {
			f.manual(fmt.Sprintf("azure/login %s knows neither client-id nor client-secret, so the step signs in with nothing", f.step.version), "Raise the version of azure/login and take client-secret out.")
			return
		}
		f.automatic("client-secret is no input of azure/login: the step already signs in with OIDC, so the line can go", deleteCredential)
		return
	}
	id, ok := f.step.input("client-id")
	if !ok {
		f.manual("creds stands beside tenant-id or subscription-id without client-id: azure/login ignores creds and then misses the client id",
			"Add client-id to the step and remove creds.")
		return
	}
	if r, ok := single(text(id.value)); ok && r.context == "inputs" {
		f.manual("creds and client-id both come from inputs; which one is used depends on the caller",
			"Pass the client, tenant and subscription ids from every caller, then remove creds and its input.")
		return
	}
	if tooOld(f.step.knownVersion()) {
		f.automatic(fmt.Sprintf("azure/login %s knows creds only; a newer version signs in with OIDC by the ids that stand beside it", f.step.version), func(r *rewriter, f *finding) error {
			if err := deleteCredential(r, f); err != nil {
				return err
			}
			return r.raise(f)
		})
		f.review("the ids beside creds have not been used so far")
		return
	}
	f.automatic("azure/login ignores creds beside client-id: the step already signs in with OIDC, so the line can go", deleteCredential)
}

// classifyCreds treats azure/login with creds alone.
func (a *analysis) classifyCreds(f *finding) {
	value := text(f.entry.value)
	if reason, steps := a.credsObstacle(f); reason != "" {
		f.manual(reason, steps...)
		return
	}
	if c, ok := a.composedOf(f); ok {
		a.classifyComposed(f, c)
		return
	}
	r, ok := single(value)
	switch {
	case ok && r.context == "secrets" && r.index == nil && r.property == "" && !r.whole:
		f.automatic("azure/login reads the credential from one secret; it can sign in with OIDC instead", credsToIDs)
	case ok && r.context == "secrets" && r.index != nil && len(f.Secrets) == 1 && !strings.Contains(f.Secrets[0].Name, "*"):
		f.automatic("azure/login reads the credential from one secret, whose name is computed but always the same; it can sign in with OIDC instead", credsToIDs)
	case ok && r.context == "env" && len(f.Secrets) == 1 && !strings.Contains(f.Secrets[0].Name, "*"):
		f.automatic("azure/login reads the credential from one secret by way of env; it can sign in with OIDC instead", credsToIDs)
		if _, _, set := (scope{a, f.file, f.job, f.step}).env(r.name()); !set {
			f.review(fmt.Sprintf("a script of a step before writes %s", r.name()))
		}
	default:
		steps := []string{"Find out which identities the value can hold, and give the step client-id, tenant-id and subscription-id instead of creds."}
		if slices.ContainsFunc(refsOf(value), func(r ref) bool { return r.context == "secrets" && r.index != nil }) {
			steps = append(steps, "Where each secret belongs to a stage: make an environment of each, give it the variables AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_SUBSCRIPTION_ID, and let the job name it (environment:), which also becomes the subject of its token.")
		}
		f.manual(fmt.Sprintf("the value of creds (%s) is computed, so which identity signs in is not certain", strings.TrimSpace(value)), steps...)
	}
}

func (a *analysis) classifyComposed(f *finding, c credentialsJSON) {
	if c.ClientID == "" || c.TenantID == "" {
		f.manual("the JSON of creds lacks clientId or tenantId", "Give the step client-id, tenant-id and subscription-id instead of creds.")
		return
	}
	f.noSubscription = c.SubscriptionID == "" && strings.EqualFold(strings.TrimSpace(text(paramValue(f.step, "allow-no-subscriptions"))), "true")
	f.automatic("azure/login gets its JSON put together in the workflow; the ids in it can be passed as inputs", composedToIDs)
}

// credsObstacle is what rules out OIDC for a login step whatever its credential is.
func (a *analysis) credsObstacle(f *finding) (reason string, steps []string) {
	for _, name := range []string{"client-id", "tenant-id", "subscription-id"} {
		if _, ok := f.step.param(name); ok && !f.step.has(name) {
			return name + " stands in the step without a value", []string{"Give the step client-id, tenant-id and subscription-id, and take creds out."}
		}
	}
	e, ok := f.step.input("environment")
	if !ok {
		return "", nil
	}
	switch cloud := strings.ToLower(strings.TrimSpace(text(e.value))); {
	case cloud == "azurestack":
		return "Azure Stack takes its endpoint from creds, which azure/login reads from creds only",
			[]string{"Azure Stack cannot be reached with OIDC through azure/login: keep the credential and rotate it."}
	case strings.Contains(cloud, "${{"):
		return "the cloud (environment) is computed, so the audience of the token is not certain",
			[]string{"Give the step client-id, tenant-id, subscription-id and the audience that belongs to each cloud."}
	case !publicCloud(cloud) && audiences[cloud] == "" && !f.step.has("audience"):
		return fmt.Sprintf("the audience of tokens for the cloud %s is not known", cloud),
			[]string{"Give the step client-id, tenant-id, subscription-id and the audience that belongs to the cloud."}
	}
	return "", nil
}

// withoutCLI finds a job in a container whose image may lack the Azure CLI, where a login that does without it so far would become azure/login.
func withoutCLI(f *finding, jobs []*job) *job {
	switch f.Kind {
	case inventory.KindSDKEnv, inventory.KindDockerACRSP, inventory.KindAKSSetContextCreds, inventory.KindK8sSetContext, inventory.KindConnectAzAccount:
	default:
		return nil
	}
	for _, j := range jobs {
		image := cmp.Or(text(j.container), text(get(j.container, "image")))
		if j.container != nil && !containsFold(image, "azure-cli") {
			return j
		}
	}
	return nil
}

// firstMSAL is the first version of the Azure CLI with OIDC, and with the cache of tokens that later versions have.
var firstMSAL = [2]int{2, 30}

// oldCLI finds a step of azure/cli that pins the Azure CLI to a version that cannot use a session which began with OIDC, where a login
// gives the job such a session (azure/login README, "Azure CLI dependency").
func (a *analysis) oldCLI(f *finding, jobs []*job) (*step, string) {
	if f.Kind != inventory.KindAzureLoginCreds && f.Kind != inventory.KindAzLoginSP {
		return nil, ""
	}
	steps := f.file.steps
	for _, j := range jobs {
		steps = append(steps[:len(steps):len(steps)], j.steps...)
	}
	for _, s := range steps {
		if s.action != "azure/cli" || s.never || text(get(s.node, "continue-on-error")) == "true" {
			continue
		}
		if pin := (scope{a, s.file, s.job, s}).readable(text(paramValue(s, "azcliversion"))); strings.Contains(pin, ".") && earlier(pin, firstMSAL) {
			return s, pin
		}
	}
	return nil, ""
}

// maxMinutes is how long the session of azure/login is sure to last: it cannot be renewed when the assertion that it began
// with has expired (AADSTS700024; Azure/login#180 and #372).
const maxMinutes = 60

// maxRewritten bounds the files that are rewritten, since proving the result takes much more time and memory than reading. GitHub itself takes no
// workflow file of more than 512 KiB (github/docs, "Workflow syntax").
const maxRewritten = 1 << 20

// risks raises the level of what is right but not without risk.
func (a *analysis) risks(f *finding) {
	if f.convert == nil {
		return
	}
	tellCode(f)
	if size := len(f.file.src); size > maxRewritten {
		f.manual(fmt.Sprintf("the file has %d bytes, more than the %d of which one is rewritten", size, maxRewritten), "Divide the file, then convert its logins.")
		return
	}
	if f.file.overfull {
		f.manual(fmt.Sprintf("the file has more than %d places with credentials, of which not all were looked at", maxLogins), "Divide the file, then convert its logins.")
		return
	}
	if key := f.file.duplicateKey(); key != nil {
		f.manual(fmt.Sprintf("line %d has the key %q a second time, and GitHub refuses such a file", key.Line, key.Value), "Take one of the two keys out, then convert the login.")
		return
	}
	if f.script == nil && f.entry.raw != nil && f.entry.raw.Anchor() != "" {
		f.manual(fmt.Sprintf("the value of %s has the anchor &%s, which other places may use", f.entry.key.Value, f.entry.raw.Anchor()),
			"Write the value out where the anchor is used, or take the anchor away, then convert the login.")
		return
	}
	if f.Kind == inventory.KindAzureLoginCreds && isCommit(f.step.version) && f.step.knownVersion() == "" {
		f.review("no version is named beside the commit that azure/login is pinned to, and OIDC came with v1.4")
	}
	jobs := a.tokenJobs(f)
	if j := withoutCLI(f, jobs); j != nil {
		f.manual(fmt.Sprintf("job %s runs in a container, and it is not known whether the Azure CLI, which azure/login needs, is in its image", j.id),
			"Make sure that the image has the Azure CLI, or let the job do without the container; then convert the login.")
		return
	}
	if s, version := a.oldCLI(f, jobs); s != nil {
		pin, _ := s.param("azcliversion")
		line, _ := s.file.place(s.file.start(pin.key))
		f.manual(fmt.Sprintf("line %d runs the Azure CLI %s, which is too old for OIDC and for the session of a newer one: both came with 2.30.0", line, version),
			"Raise azcliversion to 2.30.0 or later, or take it out, see that the script still works, and then convert the login.")
		return
	}
	for _, j := range jobs {
		if minutes := timeout(j); minutes > maxMinutes && f.Kind != inventory.KindTerraformEnv {
			f.review(fmt.Sprintf("job %s may run for %d minutes, and a session that began with OIDC cannot be renewed after an hour (AADSTS700024)", j.id, minutes))
			break
		}
	}
	for _, j := range jobs {
		if j.file.has("pull_request_target") {
			f.review("pull_request_target gives a token even to runs for forks")
			break
		}
	}
	for _, j := range jobs {
		p := j.perms
		if p.key == nil {
			p = j.file.perms
		}
		if text(p.value) == "read-all" && p.key != nil {
			f.review(fmt.Sprintf("permissions: read-all of job %s has to be written out", j.id))
			break
		}
	}
	if line := a.testedAt(f); line > 0 {
		f.manual(fmt.Sprintf("line %d tests whether the secret is set; without the secret the job would silently do something else", line),
			"Make the condition test the variable that holds the client id instead, then convert the login.")
	}
}
