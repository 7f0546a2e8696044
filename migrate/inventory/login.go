package inventory

// Kind is the kind of a login. The ids are public and stable.
type Kind string

// The kinds of login.
const (
	KindAzureLoginCreds     Kind = "azure-login-creds"
	KindAzureLoginOIDC      Kind = "azure-login-oidc" // already without a secret
	KindAzureLoginMixed     Kind = "azure-login-mixed"
	KindTerraformEnv        Kind = "terraform-env"
	KindSDKEnv              Kind = "sdk-env"
	KindCredsEnv            Kind = "creds-env"
	KindCredsJSONParts      Kind = "creds-json-parts"
	KindAzLoginSP           Kind = "az-login-sp"
	KindAzdLogin            Kind = "azd-login"
	KindConnectAzAccount    Kind = "connect-azaccount"
	KindDockerACRSP         Kind = "docker-acr-sp"
	KindDockerACRAdmin      Kind = "docker-acr-admin"
	KindAKSSetContextCreds  Kind = "aks-set-context-creds"
	KindK8sSetContext       Kind = "k8s-set-context"
	KindPublishProfile      Kind = "publish-profile"
	KindStaticWebAppsToken  Kind = "static-web-apps-token"
	KindSQLConnectionString Kind = "sql-connection-string"
	KindStorageKey          Kind = "storage-key"
	KindCompositeInput      Kind = "composite-input"
	KindRemoteActionInput   Kind = "remote-action-input"
	KindReusablePass        Kind = "reusable-pass"
	KindOther               Kind = "other"
)

// Conversion tells how a login can be moved to workload identity federation.
type Conversion string

// The ways a login can be converted.
const (
	ConversionNone      Conversion = "none"      // nothing to convert: it uses no stored credential
	ConversionAutomatic Conversion = "automatic" // by edits in this file alone
	ConversionAssisted  Conversion = "assisted"  // other files of the same repository change too
	ConversionManual    Conversion = "manual"    // by a person; Reason says what and why
)

// Login is one place where a pipeline authenticates to Azure.
type Login struct {
	ID         LoginID        `json:"id"`
	Repository RepositoryName `json:"repository,omitempty"`
	File       string         `json:"file"`
	Line       int            `json:"line"`   // 1-based, of the key or command that carries the credential
	Column     int            `json:"column"` // 1-based, in bytes
	EndLine    int            `json:"endLine"`
	EndColumn  int            `json:"endColumn"` // one past the last byte
	Kind       Kind           `json:"kind"`
	Job        string         `json:"job,omitempty"`  // job id; empty for workflow-level env and for actions
	Jobs       []string       `json:"jobs,omitempty"` // every job in whose run the credential is usable
	Step       string         `json:"step,omitempty"` // step's id, name, or "#N" (1-based)
	Secrets    []SecretUse    `json:"secrets"`
	Identity   IdentityHint   `json:"identity"`
	Conversion Conversion     `json:"conversion"`
	Reason     string         `json:"reason"`
	Manual     []string       `json:"manual,omitempty"` // the exact steps for a person, where Conversion is manual
	Subjects   []JobSubjects  `json:"subjects,omitempty"`
	// With are the other logins that hand the same credential on between files, or take it: a rewrite changes all of
	// them or none.
	With []LoginID `json:"with,omitempty"`
}

// SecretUse is one read of a GitHub secret by a login.
type SecretUse struct {
	Name       string `json:"name"`           // the secret's name; a wildcard such as AZURE_CREDENTIALS_* where it is computed and open
	Expression string `json:"expression"`     // the expression that reads it, such as secrets.AZURE_CREDENTIALS
	Role       string `json:"role,omitempty"` // what is read: credentials (JSON), clientSecret, clientId, tenantId, subscriptionId, other
	Part       bool   `json:"part,omitempty"` // what is read is one member of the JSON that the secret holds
}

// IdentityHint is what a login's text tells about the identity behind it. Each value is either a
// literal or an expression without its ${{ }}, such as vars.AZURE_CLIENT_ID; empty where nothing is said.
type IdentityHint struct {
	ClientID       string `json:"clientId,omitempty"`
	TenantID       string `json:"tenantId,omitempty"`
	SubscriptionID string `json:"subscriptionId,omitempty"`
	Cloud          string `json:"cloud,omitempty"` // azure/login's environment input, where it is not azurecloud
}

// JobSubjects is the set of subjects that the token of one job can carry: of a login, where its step runs. Subjects and Patterns are
// the part after the prefix, such as ref:refs/heads/main, environment:prod or pull_request.
type JobSubjects struct {
	File        string         `json:"file,omitempty"`       // the workflow that the job is in (the caller, for a reusable workflow)
	Repository  RepositoryName `json:"repository,omitempty"` // whose token it is, where a workflow of another repository calls
	Job         string         `json:"job"`
	Environment string         `json:"environment,omitempty"` // the environment's literal name, or its expression
	Subjects    []string       `json:"subjects"`              // exact values, sorted
	Patterns    []string       `json:"patterns,omitempty"`    // where the set is not finite; * and ? as in flexible credentials
	Unbounded   bool           `json:"unbounded"`             // true where Patterns is not empty, or where nothing bounds the set
	Reasons     []string       `json:"reasons"`               // why each is in, in the order of Subjects and Patterns, then general remarks
}
