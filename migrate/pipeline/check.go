package pipeline

import (
	"fmt"
	"strconv"
	"strings"
)

// checkStep tells what has to be known of a step before its connections are converted.
func (w *walker) checkStep(s *step) {
	seen := make(map[string]bool)
	for _, u := range s.connected {
		if c, ok := s.task.compatibility(u.Kind); ok && !seen[c.Rule] {
			seen[c.Rule] = true
			w.check(s, Check{Severity: c.Severity, Rule: c.Rule, Message: c.Message, Remedy: c.Remedy, Source: c.Source, Connections: u.Resolved})
		}
		w.checkType(s, u)
	}
	w.checkScripts(s)
	w.terraformUse(s)
	if s.isTask && s.inputs != nil && s.canBe("keepAzSessionActive", "true") {
		w.check(s, Check{Severity: Warning, Rule: RuleKeepSession, Message: "keepAzSessionActive works with workload identity federation only: the task fails while the connection still has a secret, and again if it is reverted",
			Remedy: "convert the connection before this is merged, or set it only afterwards", Source: sourceCLITask, Connections: s.names(KindAzureRM)})
	}
}

func (w *walker) check(s *step, c Check) {
	c.Place, c.Disabled = w.stepPlace(s, s.at), s.context.disabled
	if s.isTask {
		c.Task = s.task.label()
	}
	w.out.checks = append(w.out.checks, c)
}

func (w *walker) checkType(s *step, u *Use) {
	switch {
	case u.Kind == KindKubernetes:
		w.check(s, Check{Severity: Warning, Rule: RuleKubernetes, Message: "a Kubernetes connection holds a token of the cluster or a kubeconfig; it cannot be converted",
			Remedy: "where the task takes one, use an Azure Resource Manager connection (connectionType: azureResourceManager)", Source: sourceKube, Connections: u.Resolved})
	case u.Type == "azure":
		w.check(s, Check{Severity: Warning, Rule: RuleClassic, Message: "the input takes a connection of the classic deployment model, which cannot be converted",
			Remedy: "use an Azure Resource Manager connection", Source: sourceConnect, Connections: u.Resolved})
	}
}

// checkScripts looks at scripts that get the identity's credentials through their environment.
func (w *walker) checkScripts(s *step) {
	connections := s.names(KindAzureRM)
	switch {
	case s.key && s.token:
		w.check(s, Check{Severity: Warning, Rule: RuleKeyRead, Message: "a script reads servicePrincipalKey and idToken; after the conversion only idToken is there", Remedy: "make sure that it takes idToken where servicePrincipalKey is empty", Source: sourceSchema326, Connections: connections})
	case s.key:
		w.check(s, Check{Severity: Blocker, Rule: RuleKeyRead, Message: "a script reads servicePrincipalKey, which is not set once the connection uses workload identity federation",
			Remedy: "use idToken instead: ARM_USE_OIDC=true with ARM_OIDC_TOKEN for Terraform, az login --federated-token for the command line", Source: sourceSchema326, Connections: connections})
	case !s.spn || s.token:
	case len(s.unread) > 0:
		w.check(s, Check{Severity: Warning, Rule: RuleEnvironment, Message: fmt.Sprintf("addSpnToEnvironment gives servicePrincipalKey to a script that could not be read: %s", strings.Join(s.unread, ", ")),
			Remedy: "look whether the script reads servicePrincipalKey", Source: sourceCLITask, Connections: connections})
	default:
		w.check(s, Check{Severity: Warning, Rule: RuleEnvironment, Message: "addSpnToEnvironment is set; the script itself does not read servicePrincipalKey, but programs that it starts might",
			Remedy: "look whether they do, or drop addSpnToEnvironment", Source: sourceCLITask, Connections: connections})
	}
}

// checkJob tells what has to be known of a whole job.
func (w *walker) checkJob(c context) {
	j := c.job
	if j == nil {
		return
	}
	var last, cli *step
	for _, s := range j.steps {
		if len(s.names(KindAzureRM)) > 0 || s.opensAzure() {
			last = s
			if s.task.is("AzureCLI") {
				cli = s
			}
		}
	}
	if last != nil && outlives(j.timeout) && !last.canKeep() {
		w.check(last, Check{Severity: Warning, Rule: RuleTokenLifetime, Message: fmt.Sprintf("the job may run longer than an hour (timeoutInMinutes: %s), and a federated sign-in cannot be renewed within a step", j.timeout),
			Remedy: "split long steps, ask for tokens early, set keepAzSessionActive: true on AzureCLI after the conversion, or use a managed identity, whose tokens last 24 hours", Source: sourceLifetime, Connections: last.names(KindAzureRM)})
	}
	if cli != nil && j.pool.self {
		w.check(cli, Check{Severity: Warning, Rule: RuleSelfHosted, Message: fmt.Sprintf("the job runs on agents of the pool %s, which must have Azure CLI 2.30 or later and reach login.microsoftonline.com", j.pool.name),
			Remedy: "look at the versions on the pool's agents", Source: sourceTable, Connections: cli.names(KindAzureRM)})
	}
	if j.container != "" && j.pool.self {
		w.checkContainer(c)
	}
}

func (w *walker) checkContainer(c context) {
	if len(c.job.steps) == 0 {
		return
	}
	w.check(c.job.steps[0], Check{Severity: Warning, Rule: RuleContainerRegistry, Message: fmt.Sprintf("the job runs in a container (%s) on self-hosted agents; to pull it with a converted registry connection they must be 3.240.0 or later", c.job.container),
		Remedy: "look at the versions of the pool's agents", Source: sourceAgent})
}

// opensAzure tells whether the step signs in with a connection that is not known from the text.
func (s *step) opensAzure() bool {
	for _, u := range s.connected {
		if u.Kind == KindAzureRM && u.Open {
			return true
		}
	}
	return false
}

func (s *step) canKeep() bool {
	return s.inputs != nil && s.canBe("keepAzSessionActive", "true")
}

// outlives tells whether a job's timeout lets it run for more than an hour, the life of an access token; 0 is the longest that the
// pool allows (Microsoft Learn: Specify jobs in your pipeline, "Timeouts").
func outlives(timeout string) bool {
	minutes, err := strconv.Atoi(strings.TrimSpace(timeout))
	return err == nil && (minutes > 60 || minutes == 0)
}
