package plan

import (
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/pipeline"
)

// StepKind is what a step changes.
type StepKind string

// The kinds of step, in the order in which a unit goes through them.
const (
	StepIdentity            StepKind = "managed-identity"
	StepRole                StepKind = "role-assignment"
	StepRoles               StepKind = "role-comparison"
	StepFederatedCredential StepKind = "federated-credential"
	StepVariable            StepKind = "variable"
	StepConnection          StepKind = "connection"
	StepReplacement         StepKind = "new-connection"
	StepAccess              StepKind = "connection-access"
	StepPullRequest         StepKind = "pull-request"
	StepCredential          StepKind = "credential"
	StepTrustRemoval        StepKind = "federated-credential-removal"
	StepSecret              StepKind = "secret"
	StepDisable             StepKind = "disable-connection"
	StepPolicy              StepKind = "password-policy"
)

// Class tells what repeating a step would do.
type Class string

// The classes of step.
const (
	Repeatable   Class = "repeatable"   // doing it again changes nothing
	OnceOnly     Class = "once-only"    // doing it again makes a second object: the world is read first
	Irreversible Class = "irreversible" // it cannot be undone, only made up for
)

// Phase is the command that carries a step out.
type Phase string

// The phases.
const (
	PhaseApply  Phase = "apply"
	PhaseRevoke Phase = "revoke"
)

// Step is one change to one object. Exactly one of the pointers at its end is set, as Kind says.
type Step struct {
	ID           string            `json:"id"` // unique in its unit, stable from plan to plan
	Kind         StepKind          `json:"kind"`
	Title        string            `json:"title"`
	Class        Class             `json:"class"`
	Phase        Phase             `json:"phase"`
	DependsOn    []string          `json:"dependsOn,omitempty"`
	Precondition map[string]string `json:"precondition"` // what must still be as it was at the scan, by field
	Undo         string            `json:"undo"`         // what a rollback does, for a reader
	// OnDemand steps are done only where another step asks for them: the trust in Azure DevOps' older issuer,
	// which is needed only where the service still converts to it.
	OnDemand bool `json:"onDemand,omitempty"`

	Identity            *IdentityStep            `json:"identity,omitempty"`
	Role                *RoleStep                `json:"role,omitempty"`
	Roles               *RolesStep               `json:"roles,omitempty"`
	FederatedCredential *FederatedCredentialStep `json:"federatedCredential,omitempty"`
	Connection          *ConnectionStep          `json:"connection,omitempty"`
	Replacement         *ReplacementStep         `json:"replacement,omitempty"`
	Variable            *VariableStep            `json:"variable,omitempty"`
	PullRequest         *PullRequestStep         `json:"pullRequest,omitempty"`
	Credential          *CredentialStep          `json:"credential,omitempty"`
	Secret              *SecretStep              `json:"secret,omitempty"`
	Policy              *PolicyStep              `json:"policy,omitempty"`
	Removal             *TrustRemovalStep        `json:"removal,omitempty"`
}

// FederatedCredentialStep makes an application trust one issuer and subject.
type FederatedCredentialStep struct {
	Application inventory.ObjectID            `json:"application,omitempty"`
	Identity    string                        `json:"identity,omitempty"` // ARM id of the managed identity that trusts it instead
	Credential  inventory.FederatedCredential `json:"credential"`
	// Replacement is the connection whose tokens are trusted, where their issuer and subject are known only when it is made.
	Replacement *ReplacementStep `json:"replacement,omitempty"`
}

// TrustRemovalStep ends that an application trusts what a connection presented to it before it moved to Entra's issuer. Nothing of a federated credential is
// secret, so that a rollback adds the same one again.
type TrustRemovalStep struct {
	Application inventory.ObjectID            `json:"application"`
	AppID       inventory.AppID               `json:"appId"`
	Credential  inventory.FederatedCredential `json:"credential"`
	// Connections are those that have to sign in with Entra's issuer before: what presented it, or may have.
	Connections []inventory.ConnectionID `json:"connections"`
}

// ReplacementStep speaks of a connection that is made in place of another one. Of its kinds of step StepReplacement makes it, StepAccess gives it the permissions, checks and roles
// of the old one and tests it, and StepDisable disables the old one.
type ReplacementStep struct {
	Organization string                        `json:"organization"`
	Project      inventory.ProjectID           `json:"project"` // the origin
	ID           inventory.ConnectionID        `json:"id"`      // of the old connection
	Name         string                        `json:"name"`    // of the old connection
	NewName      string                        `json:"newName"` // in the origin
	Projects     []inventory.ConnectionProject `json:"projects"`
	AppID        inventory.AppID               `json:"appId,omitempty"`    // that the new one signs in as; empty: known when its managed identity is there
	Identity     string                        `json:"identity,omitempty"` // ARM id of the managed identity that the new one signs in as, where that is not the application
	TenantID     inventory.TenantID            `json:"tenantId,omitempty"`
	Certificate  bool                          `json:"certificate,omitempty"` // the old one signs in with a certificate
	Automatic    bool                          `json:"automatic,omitempty"`   // Azure DevOps made the application of the old one, and renews its secret when the connection is saved
	ByHand       []string                      `json:"byHand,omitempty"`      // places that a person has to let name the new one
}

// ConnectionStep converts a service connection to workload identity federation.
type ConnectionStep struct {
	Organization string                 `json:"organization"`
	Project      inventory.ProjectID    `json:"project"`
	ID           inventory.ConnectionID `json:"id"`
	Name         string                 `json:"name"`
	Certificate  bool                   `json:"certificate,omitempty"` // it signed in with a certificate
	Manual       bool                   `json:"manual"`                // the service cannot add the federated credential itself
	Issuer       string                 `json:"issuer,omitempty"`      // what it is expected to present afterwards
	Subject      string                 `json:"subject,omitempty"`     //
	OldIssuer    string                 `json:"oldIssuer,omitempty"`   // what it presents where the service converts to the older issuer
	OldSubject   string                 `json:"oldSubject,omitempty"`
	Fallback     string                 `json:"fallback,omitempty"` // id of the on-demand step that trusts the older issuer
}

// VariableStep writes an id that is not secret into an Actions variable (or, where the configuration says so, an Actions secret).
type VariableStep struct {
	Store    inventory.StoreRef `json:"store"`
	Value    string             `json:"value"`
	Identity string             `json:"identity,omitempty"` // ARM id of the managed identity whose client id it is, where that is known only when it is created
	AsSecret bool               `json:"asSecret,omitempty"`
}

// PullRequestStep rewrites a unit's logins in one repository. All units with logins there share the pull request.
type PullRequestStep struct {
	Repository  inventory.RepositoryName `json:"repository"`
	Base        string                   `json:"base"`
	Logins      []PlannedLogin           `json:"logins"`  // of this unit
	Files       []inventory.File         `json:"files"`   // that hold them
	Context     []inventory.File         `json:"context"` // the repository's other workflows and actions, as the rewrite needs to see them
	Permissions string                   `json:"permissions"`
	Default     string                   `json:"defaultPermissions,omitempty"` // of GITHUB_TOKEN: read, write or not known
	Reads       []VariableStep           `json:"reads,omitempty"`              // variables that the rewritten logins read, and that exist already
	// RepositoryID and OIDC are what the repository's tokens were at the scan: a proof holds only while they stay so.
	RepositoryID int64          `json:"repositoryId,omitempty"`
	OIDC         inventory.OIDC `json:"oidc,omitzero"`
	NodeID       string         `json:"nodeId,omitempty"` // of a repository of Azure Repos
}

// PlannedLogin is one login that a pull request rewrites, with the expressions that stand for its identity afterwards.
type PlannedLogin struct {
	ID     inventory.LoginID `json:"id"`
	Names  IdentityNames     `json:"names,omitzero"`
	Shares []string          `json:"shares,omitempty"` // other units that the login signs in as, by environment; all of them must be ready
	// Pipeline is set for a step of a pipeline of Azure DevOps, which signs in through a connection.
	Pipeline *PipelineStep `json:"pipeline,omitempty"`
}

// PipelineStep is a step of Azure Pipelines whose text would fail once its connections are converted.
type PipelineStep struct {
	Connections []inventory.ConnectionID `json:"connections"` // of the unit
	Rules       []string                 `json:"rules"`       // what is wrong with it
	// Both tells that the new text works with a stored secret, too: it goes first, and other units need not be ready for it.
	Both bool `json:"both,omitempty"`
	// Rename is set where it is no step, but the name of a connection that is replaced.
	Rename *pipeline.Rename `json:"rename,omitempty"`
}

// IdentityNames are the expressions, without ${{ }}, or literals that a rewritten login names its identity by.
type IdentityNames struct {
	ClientID       string `json:"clientId"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId,omitempty"`
}

// CredentialStep removes one password or certificate of an application. A certificate can be put back as long as it lasts, a password cannot.
type CredentialStep struct {
	Type        inventory.CredentialType `json:"type,omitempty"` // empty: a password
	Application inventory.ObjectID       `json:"application"`
	AppID       inventory.AppID          `json:"appId"`
	KeyID       inventory.KeyID          `json:"keyId"`
	DisplayName string                   `json:"displayName,omitempty"`
}

// IsCertificate tells whether it is a certificate rather than a password.
func (c CredentialStep) IsCertificate() bool { return c.Type == inventory.CredentialCertificate }

// Text names the credential for a reader.
func (c CredentialStep) Text() string {
	if c.IsCertificate() {
		return "certificate " + string(c.KeyID)
	}
	return "password " + string(c.KeyID)
}

// SecretStep deletes a GitHub secret that nothing needs any more.
type SecretStep struct {
	Store inventory.StoreRef `json:"store"`
	Like  inventory.Secret   `json:"like"` // its visibility, for a rollback
	Role  string             `json:"role"` // what a rollback writes: credentials (JSON) or clientSecret (the plain value)
}
