package inventory

import "time"

// Identity is one Entra application (with its service principal) that pipelines sign in as.
type Identity struct {
	TenantID             TenantID              `json:"tenantId"`
	AppID                AppID                 `json:"appId"`
	ObjectID             ObjectID              `json:"objectId"`                     // of the application object
	ServicePrincipalID   ObjectID              `json:"servicePrincipalId,omitempty"` // what role assignments name
	DisplayName          string                `json:"displayName"`
	SignInAudience       string                `json:"signInAudience,omitempty"`
	Credentials          []Credential          `json:"credentials"`
	FederatedCredentials []FederatedCredential `json:"federatedCredentials"`
	Owners               []string              `json:"owners,omitempty"`
	SignIns              SignInEvidence        `json:"signIns"`
	Roles                []RoleAssignment      `json:"roles,omitempty"`
	RolesKnown           bool                  `json:"rolesKnown"` // false: role assignments could not be read
	Created              time.Time             `json:"created,omitzero"`
	Notes                string                `json:"notes,omitempty"` // what its owners wrote about it
	Tags                 []string              `json:"tags,omitempty"`
	Lock                 *InstanceLock         `json:"lock,omitempty"`
	NewPasswords         NewPasswords          `json:"newPasswords,omitzero"`
	Grants               *Grants               `json:"grants,omitempty"` // read only where the configuration names targets
}

// SeveralTenants tells whether other tenants than its own may sign in with the application. Entra's issuer does not serve such a one (AADSTS70052), and no managed
// identity stands in for it. A sign-in audience that was not read counts as one tenant.
func (id Identity) SeveralTenants() bool {
	return id.SignInAudience != "" && id.SignInAudience != "AzureADMyOrg"
}

// InstanceLock says which properties of an application's service principals cannot be changed there (Microsoft Learn:
// servicePrincipalLockConfiguration resource type). It is nil where nothing is locked.
type InstanceLock struct {
	All    bool `json:"all,omitempty"`    // all sensitive properties
	Verify bool `json:"verify,omitempty"` // credentials that verify, passwords among them
	Sign   bool `json:"sign,omitempty"`   // credentials that sign
}

// Credentials tells whether passwords and certificates on the service principal are locked.
func (l *InstanceLock) Credentials() bool { return l != nil && (l.All || l.Verify) }

// NewPasswords tells whether the tenant's app management policies let a password be added to an application
// (Microsoft Learn: Microsoft Entra application management policies API overview). Adding one is what a rollback after
// a revoke needs. Where Known is false, Reason says why.
type NewPasswords struct {
	Known     bool   `json:"known"`
	Reason    string `json:"reason,omitempty"`
	Forbidden bool   `json:"forbidden,omitempty"`
	MaxDays   int    `json:"maxDays,omitempty"` // a new password may live so long at most; 0: no limit
	Policy    string `json:"policy,omitempty"`  // the policy that restricts it, by its display name
	Passing   bool   `json:"-"`                 // as on SignInEvidence
	Denied    bool   `json:"-"`                 // likewise
	Own       bool   `json:"own,omitempty"`     // a policy is assigned to the application itself
	// TenantRules tells that the tenant's default policy is enabled and restricts applications in any way.
	TenantRules bool `json:"tenantRules,omitempty"`
}

// CredentialType is the kind of a credential.
type CredentialType string

// The kinds of credential that an application can have besides federated ones.
const (
	CredentialPassword    CredentialType = "password"
	CredentialCertificate CredentialType = "certificate"
)

// Credential is one password or certificate, known by its key id.
type Credential struct {
	KeyID       KeyID          `json:"keyId"`
	Type        CredentialType `json:"type"`
	On          string         `json:"on"` // "application" or "servicePrincipal": the object that carries it
	DisplayName string         `json:"displayName,omitempty"`
	Usage       string         `json:"usage,omitempty"`      // certificates: "Verify" or "Sign" (SAML signing, never touched)
	Form        string         `json:"form,omitempty"`       // certificates: their type, such as FormCertificate
	Thumbprint  string         `json:"thumbprint,omitempty"` // certificates: customKeyIdentifier, in base64
	Start       time.Time      `json:"start"`
	End         time.Time      `json:"end"`
	LastSignIn  time.Time      `json:"lastSignIn,omitzero"` // the newest sign-in with it that the log shows; zero says nothing unless SignIns.Known
}

// FederatedCredential is one issuer, subject and audience that an identity trusts.
type FederatedCredential struct {
	ID          FederatedCredentialID `json:"id,omitempty"`
	Name        string                `json:"name"`
	Issuer      string                `json:"issuer"`
	Subject     string                `json:"subject,omitempty"` // empty when Expression is set
	Audience    string                `json:"audience"`
	Description string                `json:"description,omitempty"`
	Expression  string                `json:"expression,omitempty"` // claimsMatchingExpression of a flexible credential
	LastSignIn  time.Time             `json:"lastSignIn,omitzero"`  // as on Credential
}

// SignInEvidence is what the sign-in log tells of an identity. Where Known is false nothing can be
// concluded from a missing entry, and Reason says why.
type SignInEvidence struct {
	Known   bool      `json:"known"`
	Reason  string    `json:"reason,omitempty"`
	Since   time.Time `json:"since,omitzero"` // the log was read from this time on
	SignIns []SignIn  `json:"signIns,omitempty"`
	Passing bool      `json:"-"` // while scanning: Reason is one that passes, so that it is worth to ask again
	Denied  bool      `json:"-"` // while scanning: Reason is that the caller lacks the permission
}

// SignIn is one attempt of a service principal to sign in.
type SignIn struct {
	ID                    string                `json:"id"`
	AppID                 AppID                 `json:"appId"`
	Time                  time.Time             `json:"time"`
	CredentialType        string                `json:"credentialType"` // clientSecret, certificate, federatedIdentityCredential, …
	KeyID                 KeyID                 `json:"keyId,omitempty"`
	FederatedCredentialID FederatedCredentialID `json:"federatedCredentialId,omitempty"`
	ErrorCode             int                   `json:"errorCode"` // 0 is success, else the number of AADSTS…
}

// RoleAssignment is one Azure role that an identity's service principal holds.
type RoleAssignment struct {
	ID    string `json:"id"`
	Role  string `json:"role"`  // the role definition's name, such as "Contributor"
	Scope string `json:"scope"` // the ARM scope
	// Definition is the id of the role definition; with a condition, the role is held only where that is true.
	Definition       string `json:"definition,omitempty"`
	Condition        string `json:"condition,omitempty"`
	ConditionVersion string `json:"conditionVersion,omitempty"`
}
