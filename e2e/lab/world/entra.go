package world

import "time"

// Tenant is one Entra directory.
type Tenant struct {
	ID   string
	Name string
	Apps map[string]*App // by application object id
	// Policies are app management policies that were made through Graph.
	Policies []*AppPolicy
}

// AppPolicy is an app management policy that can be assigned to applications.
type AppPolicy struct {
	ID, Name, Description string
	Enabled               bool
	Restrictions          map[string]any // as Graph was given them
}

// App is an application with its service principal.
type App struct {
	ObjectID       string
	AppID          string
	DisplayName    string
	Created        time.Time
	SignInAudience string // AzureADMyOrg unless set
	Notes          string
	Tags           []string
	Passwords      []*AppPassword
	Keys           []*AppKey
	FICs           []*FIC
	Owners         []Principal
	SP             *ServicePrincipal
	NoPasswords    bool      // an app management policy on this application forbids new passwords
	Policy         string    // id of the tenant's policy that is assigned to it
	Unblocked      time.Time // when a policy was last taken off it; enforced until Knobs.PolicyPropagation is over
	Disabled       bool      // isDisabled: no new tokens for it anywhere
	Locked         bool      // app instance property lock: its service principals' credentials cannot be changed there
}

// ServicePrincipal is an application's local object in the tenant.
type ServicePrincipal struct {
	ObjectID string
	// What it has in the directory, by display name.
	AppRoles, Groups, DirectoryRoles, Owned []string
	Vaults                                  []string // key vaults with an access policy for it, by resource id

	Enabled   bool
	Passwords []*AppPassword
	Keys      []*AppKey
}

// Principal is a user or service principal that owns something.
type Principal struct {
	ObjectID    string
	DisplayName string
	UPN         string
}

// AppPassword is a client secret. Value is what the token endpoint compares.
type AppPassword struct {
	KeyID       string
	DisplayName string
	Value       string
	Start, End  time.Time
}

// AppKey is a certificate. Usage is Verify, or Sign for SAML.
type AppKey struct {
	KeyID       string
	DisplayName string
	Usage       string
	Type        string // AsymmetricX509Cert
	Thumbprint  string // base64, customKeyIdentifier
	Start, End  time.Time
	Key         []byte // the certificate itself, which is public; nil: the lab has no use for it
}

// FIC is a federated identity credential. A flexible one has Expression and no Subject.
type FIC struct {
	ID          string
	Name        string
	Issuer      string
	Subject     string
	Audiences   []string
	Description string
	Expression  string
	Created     time.Time // honoured only after Knobs.FICPropagation
}

// SignIn is one entry of the sign-in log.
type SignIn struct {
	ID             string
	TenantID       string
	Time           time.Time
	AppID          string
	AppName        string
	SPID           string
	CredentialType string // clientSecret, certificate, federatedIdentityCredential, none
	KeyID          string
	FICID          string
	ErrorCode      int // 0 or the number of AADSTS…
	FailureReason  string
	IP             string
	Resource       string
}

// ManagedIdentity is a user-assigned managed identity. Its App has the client id, the service principal and the federated credentials, as
// the token endpoint needs them; Graph does not list it as an application.
type ManagedIdentity struct {
	SubscriptionID, ResourceGroup, Name, Location, TenantID string

	App        *App
	Created    time.Time
	AttachedTo []string  // resources that run with it
	Written    time.Time // when a federated credential of it was last written
}

// ManagedPool is a Managed DevOps Pool. What is said of its organisations is kept as the resource has it.
type ManagedPool struct {
	Resource, Name, Alias string
	Organizations         []PoolOrganization
	Identities            []string // ARM ids of the managed identities that its agents have
}

// PoolOrganization is an organisation of a Managed DevOps Pool.
type PoolOrganization struct{ URL, Alias string }

// Subscription is an Azure subscription.
type Subscription struct {
	ID       string
	Name     string
	TenantID string
}

// RoleAssignment is one Azure role held by a principal (object id of a service principal).
type RoleAssignment struct {
	ID          string
	PrincipalID string
	Role        string // the definition's name
	RoleID      string // the definition's GUID
	Scope       string
	Created     time.Time

	Condition, ConditionVersion, Description string
}
