package execute

import (
	"context"
	"encoding/json"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Outside is every system that steps act on. The interfaces are declared here, where they are needed, and
// implemented by the providers, which decide nothing: they carry out one change and say what they saw.
//
// Errors that a provider returns can be told apart by the sentinels below with errors.Is; a provider wraps
// them with the object and the service's own words. After ErrUnknownOutcome the effect may or may not have
// taken place: the step reads the world before it does anything else.
type Outside struct {
	Directory    Directory
	Connections  Connections
	Repositories Repositories // GitHub
	AzureRepos   CodeHost     // the repositories of Azure DevOps, whose names tell them apart
	// Roles reads Azure's role assignments back; nil: they are not compared.
	Roles      Roles
	Identities Identities // Azure
	// Now gives the time of the systems that the deadlines live in (learned from their answers), since a
	// soak time or a revert deadline must not depend on the clock of the machine that the program runs on.
	Now func() time.Time
}

// Directory is Microsoft Entra, as far as the executor changes or reads it back.
type Directory interface {
	// Application reads one application afresh by its client id: its object ids, credentials and federated
	// credentials (flexible ones included). Owners, sign-ins and roles are not filled.
	Application(ctx context.Context, app inventory.AppID) (inventory.Identity, error)
	// AddFederatedCredential adds one federated credential and returns it with its id.
	// ErrConflict: the name, or the pair of issuer and subject, exists already. ErrLimit: there are 20 already.
	AddFederatedCredential(ctx context.Context, application inventory.ObjectID, fc inventory.FederatedCredential) (inventory.FederatedCredential, error)
	// RemoveFederatedCredential removes it. ErrNotFound: it is not there.
	RemoveFederatedCredential(ctx context.Context, application inventory.ObjectID, id inventory.FederatedCredentialID) error
	// AddPassword mints a password that ends at the given time. The value exists only in the returned Password.
	// ErrPolicy: an app management policy forbids it.
	AddPassword(ctx context.Context, application inventory.ObjectID, displayName string, end time.Time) (inventory.KeyID, *Password, error)
	// RemovePassword removes a password for good. ErrNotFound: it is not there.
	RemovePassword(ctx context.Context, application inventory.ObjectID, key inventory.KeyID) error
	// KeyCredentials reads an application's certificates and other keys, with their public parts.
	KeyCredentials(ctx context.Context, application inventory.ObjectID) ([]KeyCredential, error)
	// SetKeyCredentials replaces them, since Graph takes them only as a whole list. ErrConflict: those that are there are not those that were seen any
	// more, and nothing was changed. ErrRefused, ErrPolicy: the list is not taken, and nothing was changed.
	SetKeyCredentials(ctx context.Context, application inventory.ObjectID, seen, want []KeyCredential) error
	// NewPasswords reads afresh whether app management policies let a password be added to an application. That they cannot be
	// read is not an error: Known is then false.
	NewPasswords(ctx context.Context, id inventory.Identity) (inventory.NewPasswords, error)
	// PasswordRefusal tells why the caller may not add a password to an application, as far as that can be read without trying. Empty: nothing
	// is known to stand against it.
	PasswordRefusal(ctx context.Context, id inventory.Identity) (string, error)
	// PolicyOf gives the app management policy that is assigned to an application itself; zero: none is.
	PolicyOf(ctx context.Context, application inventory.ObjectID) (Policy, error)
	// BlockPasswords assigns the app management policy of a name to an application. It makes the policy, which forbids new passwords
	// whenever the application was created, where there is none of that name. ErrConflict: the application has another policy.
	BlockPasswords(ctx context.Context, application inventory.ObjectID, name string) (Policy, error)
	// UnblockPasswords takes a policy off an application. ErrNotFound: it is not assigned.
	UnblockPasswords(ctx context.Context, application inventory.ObjectID, policy Policy) error
	// RemoveUnusedPolicy removes the policy of a name, if there is one and it applies to nothing.
	RemoveUnusedPolicy(ctx context.Context, name string) error
	// SignIns reads the sign-in log of one application from a time on. A log that cannot be had is not an
	// error: the evidence then has Known false and the reason.
	SignIns(ctx context.Context, app inventory.AppID, since time.Time) (inventory.SignInEvidence, error)
}

// KeyCredential is one certificate or other key of an application.
type KeyCredential struct {
	KeyID inventory.KeyID
	Form  string // its type, such as inventory.FormCertificate
	Usage string
	End   time.Time
	// JSON is all of it, as Graph gave it. Of a certificate that is inventory.Credential.Public everything in it is public; of any other key it may
	// hold what is not, and must go nowhere but back to Graph.
	JSON json.RawMessage
}

// Policy is an app management policy.
type Policy struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// BlocksPasswords tells that it forbids every new password on the application that it was read for.
	BlocksPasswords bool `json:"blocksPasswords,omitempty"`
}

// Identities is Azure Resource Manager: user-assigned managed identities and the roles of principals. A resource is an ARM id.
type Identities interface {
	// ManagedIdentity reads one afresh, with its federated credentials. ErrNotFound: it is not there.
	ManagedIdentity(ctx context.Context, resource string) (inventory.ManagedIdentity, error)
	// CreateManagedIdentity makes one; one that is there already stays as it is.
	CreateManagedIdentity(ctx context.Context, resource, location string) (inventory.ManagedIdentity, error)
	// DeleteManagedIdentity removes it. ErrNotFound: it is not there.
	DeleteManagedIdentity(ctx context.Context, resource string) error
	// Attached gives the resources that run with it.
	Attached(ctx context.Context, resource string) ([]string, error)
	// AddIdentityCredential adds a federated credential. ErrConflict: another one is written at the same time, or issuer and subject exist
	// already. ErrLimit: there are 20 already.
	AddIdentityCredential(ctx context.Context, resource string, fc inventory.FederatedCredential) (inventory.FederatedCredential, error)
	// RemoveIdentityCredential removes it by its name. ErrNotFound: it is not there. ErrConflict: another is written at the same time.
	RemoveIdentityCredential(ctx context.Context, resource, name string) error
	// RolesAt gives the role assignments of a principal at exactly one scope.
	RolesAt(ctx context.Context, scope string, principal inventory.ObjectID) ([]inventory.RoleAssignment, error)
	// RolesOf gives all its role assignments, through Resource Graph, which learns of changes a few minutes late.
	RolesOf(ctx context.Context, principal inventory.ObjectID) ([]inventory.RoleAssignment, error)
	// AssignRole gives a principal the role, scope and condition of an assignment, under a name (a GUID) that the caller chooses.
	AssignRole(ctx context.Context, name string, r inventory.RoleAssignment, principal inventory.ObjectID) (inventory.RoleAssignment, error)
	// RemoveRole removes an assignment by its scope and name. ErrNotFound: it is not there.
	RemoveRole(ctx context.Context, scope, name string) error
}

// Connections is Azure DevOps, as far as the executor changes or reads it back.
type Connections interface {
	// Connection reads one connection afresh, from its origin project. ErrNotFound: it is gone.
	Connection(ctx context.Context, organization string, project inventory.ProjectID, id inventory.ConnectionID) (inventory.Connection, error)
	// Convert asks the service to change the authentication scheme (ConvertAuthenticationScheme, either way) and
	// returns when the request is accepted; the caller polls Connection until it is ready.
	Convert(ctx context.Context, c inventory.Connection, scheme string) error
	// SetPassword writes a new client secret into the connection and sets its scheme to ServicePrincipal.
	SetPassword(ctx context.Context, c inventory.Connection, password *Password) error
	// Test asks the service to sign in with the connection (TestConnection). ErrRefused: connections of its type have no such test.
	Test(ctx context.Context, c inventory.Connection) (ok bool, message string, err error)
	// Named finds the connection of a name in a project. ErrNotFound: none is visible there.
	Named(ctx context.Context, organization string, project inventory.ProjectID, name string) (inventory.Connection, error)
	// Recreate makes a connection in the origin project of another one, to the same service and in the same tenant, which signs in as an application or managed identity with
	// workload identity federation. ErrConflict: the name is taken. ErrRefused: the service makes no such connection.
	Recreate(ctx context.Context, old inventory.Connection, as inventory.AppID, name, description string) (inventory.Connection, error)
	// Share makes a connection visible in more projects, under the names that they give.
	Share(ctx context.Context, c inventory.Connection, projects []inventory.ConnectionProject, description string) error
	// Delete deletes a connection, and nothing of the application that it signs in as. ErrNotFound: it is not there.
	Delete(ctx context.Context, c inventory.Connection) error
	// SetDisabled disables a connection or enables it again. The caller reads back whether it did.
	SetDisabled(ctx context.Context, c inventory.Connection, disabled bool) error
	// Access reads who and what may use a connection in a project.
	Access(ctx context.Context, organization string, project inventory.ProjectID, id inventory.ConnectionID) (Access, error)
	// Grant adds to what a connection has in a project, checks first: what may use it is let in last. alone ends that the project's roles hold for it.
	Grant(ctx context.Context, c inventory.Connection, project inventory.ConnectionProject, add Access, alone bool) error
	// OrganizationRoles reads the roles that are assigned on a connection in the whole organisation.
	OrganizationRoles(ctx context.Context, organization string, id inventory.ConnectionID) ([]AccessRole, error)
	// GrantInOrganization assigns roles on a connection in the whole organisation.
	GrantInOrganization(ctx context.Context, c inventory.Connection, roles []AccessRole) error
	// Uses gives the runs that have begun to use a connection since a time, in all of its projects, the newest first.
	Uses(ctx context.Context, c inventory.Connection, since time.Time) ([]inventory.Execution, error)
}

// CodeHost is where files live that pull requests change: GitHub or Azure Repos.
type CodeHost interface {
	// Repository reads name, id, default branch, head and archived state afresh. ErrNotFound: gone or not readable.
	Repository(ctx context.Context, repo inventory.RepositoryName) (inventory.Repository, error)
	// Blob reads a file's raw bytes by its blob id and checks that they hash to it.
	Blob(ctx context.Context, repo inventory.RepositoryName, oid string) ([]byte, error)
	// FileOID gives the blob id of a path at a branch or commit. ErrNotFound: no such file there.
	FileOID(ctx context.Context, repo inventory.RepositoryName, ref, path string) (string, error)

	// Branch gives the commit at the head of a branch. ErrNotFound: no such branch.
	Branch(ctx context.Context, repo inventory.RepositoryName, branch string) (oid string, err error)
	// CreateBranch makes a branch at a commit. ErrConflict: it exists.
	CreateBranch(ctx context.Context, repo inventory.RepositoryName, branch, oid string) error
	// MoveBranch points a branch at another commit of the repository, also at one that does not follow its head.
	MoveBranch(ctx context.Context, repo inventory.RepositoryName, branch, oid string) error
	// DeleteBranch deletes it. ErrNotFound: it is not there.
	DeleteBranch(ctx context.Context, repo inventory.RepositoryName, branch string) error
	// Commit writes files to a branch in one commit, byte for byte, if its head is still expectedHead
	// (createCommitOnBranch). ErrConflict: the head has moved.
	Commit(ctx context.Context, repo inventory.RepositoryName, branch, expectedHead, title, body string, files []FileChange) (oid string, err error)

	// OpenPullRequest opens one from head to base. ErrConflict: one is open for that head already.
	OpenPullRequest(ctx context.Context, repo inventory.RepositoryName, head, base, title, body string) (PullRequest, error)
	// FindPullRequest finds the newest pull request, in any state, from a head branch of the same repository. ErrNotFound: none.
	FindPullRequest(ctx context.Context, repo inventory.RepositoryName, head string) (PullRequest, error)
	// PullRequest reads one by number.
	PullRequest(ctx context.Context, repo inventory.RepositoryName, number int) (PullRequest, error)
	// ClosePullRequest closes it without merging, after leaving a comment that says why.
	ClosePullRequest(ctx context.Context, repo inventory.RepositoryName, number int, comment string) error
	// DescribePullRequest replaces its body.
	DescribePullRequest(ctx context.Context, repo inventory.RepositoryName, number int, body string) error
	// Checks gives what a pull request has to pass: check runs, statuses and policies of its head, the newest of each name; none where there are
	// none, or where the caller may not read them.
	Checks(ctx context.Context, repo inventory.RepositoryName, pr PullRequest) ([]Check, error)
}

// Repositories is GitHub, as far as the executor changes or reads it back.
type Repositories interface {
	CodeHost

	// OIDC reads afresh how a repository makes the subjects of its tokens, its organisation's template included.
	OIDC(ctx context.Context, repo inventory.RepositoryName) (inventory.OIDC, error)
	// Runs lists completed workflow runs of a workflow file on any branch since a time, newest first.
	Runs(ctx context.Context, repo inventory.RepositoryName, workflow string, since time.Time) ([]Run, error)

	// Variable reads one Actions variable. ErrNotFound: it is not there.
	Variable(ctx context.Context, at StoreRef) (value string, err error)
	// SetVariable creates or updates it.
	SetVariable(ctx context.Context, at StoreRef, value string) error
	// DeleteVariable deletes it. ErrNotFound: it is not there.
	DeleteVariable(ctx context.Context, at StoreRef) error
	// Secret reads a secret's metadata. ErrNotFound: it is not there.
	Secret(ctx context.Context, at StoreRef) (inventory.Secret, error)
	// SetSecret seals a value for the store's public key and writes it; visibility and selected repositories
	// of an organisation secret are taken from like.
	SetSecret(ctx context.Context, at StoreRef, like inventory.Secret, value *Password) error
	// SecretRefusal tells why the caller may not write a secret, as far as that can be read without trying. Empty: nothing is known
	// to stand against it.
	SecretRefusal(ctx context.Context, at StoreRef) (string, error)
	// DeleteSecret deletes it. ErrNotFound: it is not there.
	DeleteSecret(ctx context.Context, at StoreRef) error
}

// StoreRef names a GitHub secret or variable: its level, place and name.
type StoreRef = inventory.StoreRef

// FileChange is a file's whole new content.
type FileChange struct {
	Path    string
	Content []byte
}

// PullRequest is a pull request as gates see it.
type PullRequest struct {
	Number      int       `json:"number"`
	URL         string    `json:"url"`
	State       string    `json:"state"` // open, closed or merged
	Head        string    `json:"head"`  // branch
	HeadOID     string    `json:"headOid"`
	Base        string    `json:"base"`
	Mergeable   *bool     `json:"mergeable,omitempty"` // nil: the service has not decided yet
	MergeCommit string    `json:"mergeCommit,omitempty"`
	MergedAt    time.Time `json:"mergedAt,omitzero"`
}

// Check is a check run or a status of a commit.
type Check struct {
	Name      string `json:"name"`
	Completed bool   `json:"completed"`
	OK        bool   `json:"ok"` // it succeeded, was skipped or is neutral
}

// Run is a completed workflow run.
type Run struct {
	ID         int64     `json:"id"`
	Workflow   string    `json:"workflow"` // path of the file
	Event      string    `json:"event"`
	Branch     string    `json:"branch"`
	HeadOID    string    `json:"headOid"`
	Conclusion string    `json:"conclusion"` // success, failure, …
	Finished   time.Time `json:"finished"`
	URL        string    `json:"url"`
}
