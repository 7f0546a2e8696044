package policy

import "slices"

// Rule is one thing that should hold. Its id is public and stable.
type Rule struct {
	ID         string
	Name       string   // a few words
	Severity   Severity // of its findings, unless one says otherwise
	Text       string   // what is wrong and why it matters
	Remedy     []string
	References []string // controls and documents that say the same

	check func(*evaluation, Rule)
}

// Rules lists all rules, in a stable order.
func Rules() []Rule { return slices.Clone(rules) }

func known(id string) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return r.ID == id })
}

// Controls that several rules cite. ZTA is Microsoft's Zero Trust Assessment, MCSB the Microsoft Cloud Security Benchmark v1.
const (
	refSecrets    = "ZTA 21772: applications don't have client secrets configured"
	refIM3        = "MCSB IM-3: manage application identities securely and automatically"
	refIM8        = "MCSB IM-8: restrict the exposure of credential and secrets"
	refDS3        = "MCSB DS-3: secure DevOps infrastructure"
	refLifetime   = "CIS Microsoft 365 v7 5.1.5.4: password lifetime of applications at most 180 days"
	refStale      = "Microsoft Entra recommendation staleAppCreds: remove unused credentials from applications"
	refExpiry     = "Microsoft Entra recommendation applicationCredentialExpiry: renew expiring application credentials"
	refCredOnSP   = "ZTA 21896: service principals don't have certificates or credentials associated with them"
	refPrivileged = "MCSB PA-7: follow just enough administration (least privilege) principle"
	refUAA        = "CIS Microsoft Azure Foundations v6 5.3.3: the role User Access Administrator is restricted"
	refOwn        = "a rule of unsecret without a numbered control, related to MCSB IM-3 and PA-7"
	refRetire     = "Microsoft Learn: convert service connections; the issuer vstoken.dev.azure.com retires on 2027-07-01"
	refMutable    = "Microsoft Learn: mutable subjects in federated identity credentials"
)

// rules is filled by init, since the checks use it themselves through the evaluation.
var rules []Rule

func init() {
	rules = []Rule{
		{
			ID: "connection-secret", Name: "Service connection with a stored secret", Severity: High,
			Text:       "The service connection signs in with a client secret of a service principal. Whoever can run a pipeline with it can use the secret's rights; the secret can leak, and it expires.",
			Remedy:     []string{"convert the connection to workload identity federation: unsecret plan, then apply"},
			References: []string{refSecrets, refIM3, refDS3}, check: connectionSecret,
		},
		{
			ID: "connection-certificate", Name: "Service connection with a stored certificate", Severity: Medium,
			Text:       "The service connection signs in with a certificate of a service principal, whose private key is stored in Azure DevOps.",
			Remedy:     []string{"convert the connection to workload identity federation"},
			References: []string{refIM3, refDS3}, check: connectionCertificate,
		},
		{
			ID: "connection-old-issuer", Name: "Service connection on the old issuer", Severity: Medium,
			Text:       "The service connection already federates, but with tokens of the Azure DevOps issuer vstoken.dev.azure.com, which retires on 2027-07-01.",
			Remedy:     []string{"in the connection's settings choose Update, which moves it to the Microsoft Entra issuer, before 2027-07-01"},
			References: []string{refRetire}, check: connectionOldIssuer,
		},
		{
			ID: "connection-other-secret", Name: "Service connection with another stored credential", Severity: Medium,
			Text:       "The service connection holds a credential that is not one of an Azure service principal, such as a registry's admin password, a publish profile or a cluster's token. Workload identity federation does not replace it as it is.",
			Remedy:     []string{"replace it by a connection of type Azure Resource Manager with workload identity federation where the tasks that use it allow that, else rotate it on a schedule"},
			References: []string{refIM8, refDS3}, check: connectionOther,
		},
		{
			ID: "connection-service-secret", Name: "Service connection with a secret of another service", Severity: Low,
			Text:       "The service connection stores a secret that is not known to be one of Azure: of GitHub, of a service that an extension of Azure DevOps brings, or of something that its data does not tell. Federation with Azure does not replace it as it is, and unsecret does not change it; it can leak all the same, and a user and password can be a service principal's.",
			Remedy:     []string{"look at what the pipelines use it for: where they sign in to Azure with it, replace it by a connection of type Azure Resource Manager with workload identity federation; else rotate it on a schedule"},
			References: []string{refIM8, refDS3}, check: connectionService,
		},
		{
			ID: "connection-unused", Name: "Service connection without a use", Severity: Medium,
			Text:       "No pipeline has used the service connection in the time that its execution history covers. A credential that nobody needs is only a risk. Where a definition still names it, or not all definitions could be read, the finding says so and advises no deletion.",
			Remedy:     []string{"ask its owners, then delete it instead of migrating it"},
			References: []string{refIM8, refDS3}, check: connectionUnused,
		},
		{
			ID: "connection-disabled", Name: "Disabled service connection", Severity: Low,
			Text:       "The service connection is disabled, as Azure DevOps does with one that was not used for 100 days. It still holds its credential, and is not converted.",
			Remedy:     []string{"delete it if nobody needs it; else enable it, then scan and plan again"},
			References: []string{"Azure DevOps release notes, sprint 276: unused service connections are disabled", refIM8}, check: connectionDisabled,
		},
		{
			ID: "connection-not-ready", Name: "Service connection that is not ready", Severity: Low,
			Text:       "Azure DevOps did not bring the service connection to its end: pipelines that use it fail, and it is not converted.",
			Remedy:     []string{"repair it in its settings, or delete it"},
			References: []string{"Azure DevOps REST API: Endpoints, isReady and operationStatus"}, check: connectionNotReady,
		},
		{
			ID: "connection-outdated", Name: "Service connection that the service calls outdated", Severity: Info,
			Text:       "Azure DevOps marks the service connection as outdated. What that means is not documented; the issuer and the scheme tell what is known.",
			Remedy:     []string{"look at the connection's overview, which offers an update where the service has one"},
			References: []string{"Azure DevOps REST API 7.2: Endpoints, isOutdated"}, check: connectionOutdated,
		},
		{
			ID: "connection-named-subject", Name: "Connection trusted by names", Severity: Low,
			Text:       "The connection's token names the organisation, the project and the connection. Renaming any of them changes the subject, and sign-ins fail (AADSTS70021, AADSTS700213) until the federated credential is changed.",
			Remedy:     []string{"move the connection to the Microsoft Entra issuer, whose subject has only ids; until then add a federated credential for the new subject before renaming"},
			References: []string{"Microsoft Learn: Rename a project"}, check: connectionNamed,
		},
		{
			ID: "connection-terraform", Name: "Connection that Terraform manages", Severity: Medium,
			Text:       "The connection's description, or Terraform code that was read, says that Terraform manages it. The provider cannot convert it in place: a conversion by other means makes the next terraform apply replace it, unless its resource is changed.",
			Remedy:     []string{"change its resource together with the conversion, as the evidence says"},
			References: []string{"microsoft/terraform-provider-azuredevops#1573"}, check: connectionTerraform,
		},
		{
			ID: RuleAgentsInAzure, Name: "Stored credential where the agents have an identity", Severity: Info,
			Text:       "Pipelines use the connection's stored credential on agents that Azure DevOps keeps in a scale set of yours, or in a Managed DevOps Pool. A connection by managed identity needs no credential and no federation there: the agents sign in as themselves. Agents on machines that you run yourself are not told apart: for these nobody but you knows where they are.",
			Remedy:     []string{"give the scale set or the pool an identity with the application's roles, and make a connection by managed identity for these pipelines"},
			References: []string{"Microsoft Learn: Azure Virtual Machine Scale Set agents", "Microsoft Learn: Configure a Managed DevOps Pools identity", "Microsoft Learn: connect to Azure with an Azure Resource Manager service connection, managed identity", refIM3}, check: connectionAgents,
		},
		{
			ID: "login-secret", Name: "Workflow signs in with a stored secret", Severity: High,
			Text:       "The workflow signs in to Azure with a service principal's secret that is stored in GitHub.",
			Remedy:     []string{"sign in with the job's own OIDC token: unsecret plan, then apply; or unsecret rewrite for one file"},
			References: []string{refSecrets, refIM3, refDS3}, check: loginSecret,
		},
		{
			ID: "login-other-secret", Name: "Workflow uses another stored Azure credential", Severity: Medium,
			Text:       "The workflow uses a stored credential of Azure that is not one of a service principal, such as a publish profile, an admin password, a storage key or a deployment token.",
			Remedy:     []string{"sign in with the job's own OIDC token and give the identity a role on the resource, where the action allows that; else rotate the credential on a schedule"},
			References: []string{refIM8, refDS3}, check: loginOther,
		},
		{
			ID: "secret-shared", Name: "One stored secret for many", Severity: Medium,
			Text:       "An organisation-wide secret, or one that several repositories use, gives the same rights to all of them, and nobody can tell their sign-ins apart.",
			Remedy:     []string{"migrate all of its users together: they form one unit of the plan"},
			References: []string{refOwn}, check: secretShared,
		},
		{
			ID: "credential-expired", Name: "Expired credential", Severity: Low,
			Text:       "The credential no longer works; whatever still uses it fails.",
			Remedy:     []string{"remove it, after looking who still presents it in the sign-in log (AADSTS7000222)"},
			References: []string{refExpiry}, check: credentialExpired,
		},
		{
			ID: "credential-expiring", Name: "Credential about to expire", Severity: High,
			Text:       "The credential ends soon, and every pipeline that uses it will fail on that day.",
			Remedy:     []string{"migrate what uses it before that day, or renew it"},
			References: []string{refExpiry}, check: credentialExpiring,
		},
		{
			ID: "credential-long-lived", Name: "Long-lived secret", Severity: Medium,
			Text:       "The client secret was made to live longer than the organisation's limit.",
			Remedy:     []string{"migrate what uses it, then remove it"},
			References: []string{refLifetime}, check: credentialLongLived,
		},
		{
			ID: "credential-unused", Name: "Credential without a sign-in", Severity: Medium,
			Text:       "The sign-in log shows no use of the credential in the time that was read.",
			Remedy:     []string{"remove it, after asking for pipelines that run less often than the log reaches back"},
			References: []string{refStale}, check: credentialUnused,
		},
		{
			ID: "credential-several", Name: "Several live secrets on one application", Severity: Low,
			Text:       "The application has more than one client secret that works, so that it is not clear which pipeline uses which.",
			Remedy:     []string{"migrate the application's unit, which removes them one by one as their use ends"},
			References: []string{refOwn}, check: credentialSeveral,
		},
		{
			ID: "credential-on-service-principal", Name: "Credential on the service principal", Severity: Medium,
			Text:       "The credential is on the service principal instead of the application, where the application's registration does not show it.",
			Remedy:     []string{"find who uses it in the sign-in log, move that to a federated credential of the application, then remove it. Certificates for SAML signing are left out of this rule."},
			References: []string{refCredOnSP}, check: credentialOnServicePrincipal,
		},
		{
			ID: "identity-privileged", Name: "Privileged identity with a stored secret", Severity: Critical,
			Text:       "The identity holds a privileged Azure role at a subscription or above, and it can be used by whoever gets hold of its stored secret or certificate.",
			Remedy:     []string{"migrate it first, and narrow its role assignments"},
			References: []string{refPrivileged, refUAA, refSecrets}, check: identityPrivileged,
		},
		{
			ID: "trust-pull-request", Name: "Privileged identity trusts pull requests", Severity: High,
			Text:       "A federated credential trusts the subject of pull requests. Anyone who may push a branch to the repository can change the workflow in a pull request and sign in as this identity, before any review.",
			Remedy:     []string{"give pull-request jobs an identity of their own that may only read, or an environment with reviewers"},
			References: []string{refOwn, refPrivileged}, check: trustPullRequest,
		},
		{
			ID: "trust-mutable-subject", Name: "Trust in a name that can be taken over", Severity: Low,
			Text:       "A federated credential trusts a repository by its name alone. If the repository or its owner is renamed or deleted, whoever takes the name is trusted.",
			Remedy:     []string{"move the repository to immutable subjects (repo:OWNER@ID/NAME@ID), or delete the credential when the repository goes"},
			References: []string{refMutable}, check: trustMutable,
		},
		{
			ID: "trust-old-issuer", Name: "Trust in the old issuer that nothing uses", Severity: Low,
			Text: "A federated credential trusts the Azure DevOps issuer vstoken.dev.azure.com, which retires on 2027-07-01, with a subject that no service connection of the scanned organisation presents any more: what is left after its connection was updated, deleted or renamed.",
			Remedy: []string{"unsecret plan plans its removal, and unsecret revoke carries it out when a soak time is over in which nothing signs in with it; a rollback adds it back the same",
				"of an application of several tenants, with a subject that is no connection's, and where connections.issuer is report, it is left to a person: look in the sign-in log that nothing signs in with it, then remove it"},
			References: []string{refRetire}, check: trustOldIssuer,
		},
		{
			ID: "login-not-trusted", Name: "Workflow that its application does not trust", Severity: High,
			Text:       "The workflow signs in without a secret, and its application trusts none of the subjects that its runs can present: they fail with AADSTS700213. So it is after a repository was renamed or transferred, got another default branch or another subject template, and after its federated credential was deleted.",
			Remedy:     []string{"if unsecret migrated it: unsecret plan, then unsecret apply, which trusts what it presents now", "else see unsecret explain for what is nearly right, and add the federated credential"},
			References: []string{refMutable, refOwn}, check: loginNotTrusted,
		},
		{
			ID: "not-readable", Name: "Not readable, so not known", Severity: Info,
			Text:   "Something could not be read. What is behind it is unknown, never clean.",
			Remedy: []string{"see the message, then scan again"}, check: notReadable,
		},
	}
	rules = append(rules, pipelineRules()...)
}
