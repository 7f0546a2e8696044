package world

import "time"

// GitHub is one GitHub host.
type GitHub struct {
	Accounts map[string]*Account // by login, lower case
	Repos    map[string]*Repo    // by "owner/name", lower case
	Renamed  map[string]*Repo    // by the names that they had, lower case: these lead to them until somebody else takes them

	repoIDs map[int64]*Repo   // index of Repos by id, rebuilt when its size differs
	blobs   map[string][]byte // by blob oid: equal files of all repositories share their bytes
}

// Account is an organisation or a user.
type Account struct {
	ID                 int64
	NodeID             string
	Login              string
	Type               string // Organization or User
	Secrets            []*Secret
	Dependabot         []*Secret
	Variables          []*Variable
	DefaultPermissions string // what new repositories get; read or write
	OIDCKeys           []string
	Immutable          bool // what new repositories get in OIDC.Immutable
	SecretKey          *BoxKey
	DependaKey         *BoxKey
}

// Repo is one repository. Git objects are content-addressed maps; only what the API shows is kept.
type Repo struct {
	ID            int64
	NodeID        string
	Owner         string // account login in canonical case
	Name          string
	DefaultBranch string
	Visibility    string // public, private, internal
	Archived      bool
	Fork          bool
	Created       time.Time

	Blobs   map[string][]byte            // by blob oid (SHA-1 of "blob N\x00…")
	Trees   map[string]map[string]string // by tree oid, nested trees too: path below the tree → blob oid, flattened
	Commits map[string]*Commit           // by commit oid
	Refs    map[string]string            // refs/heads/main → commit oid
	Modes   map[string]string            // by full path, where it is not 100644: 100755, 120000 (link), 160000 (submodule)

	Protection map[string]*Protection // by branch
	Pulls      []*Pull                // number is index+1 unless Issues take numbers
	NextNumber int

	Environments []*Environment
	Secrets      []*Secret
	Dependabot   []*Secret
	Variables    []*Variable
	SecretKey    *BoxKey
	DependaKey   *BoxKey

	DefaultPermissions string // of GITHUB_TOKEN: read or write
	OIDC               OIDCSettings
	Runs               []*WorkflowRun

	Broken string // when set, GraphQL answers this repository with an error of this type and null data
}

// FullName is "owner/name" in canonical case.
func (r *Repo) FullName() string { return r.Owner + "/" + r.Name }

// Commit is one commit.
type Commit struct {
	OID     string
	Tree    string
	Parents []string
	Message string
	Author  string
	Time    time.Time
	Signed  bool
}

// Protection is the protection of a branch.
type Protection struct {
	RequiredReviews int
	RequiredChecks  []string
	SignedCommits   bool
	LinearHistory   bool
}

// Pull is one pull request.
type Pull struct {
	ID          int64
	NodeID      string
	Number      int
	Title       string
	Body        string
	Head, Base  string // branch names
	HeadOID     string
	BaseOID     string
	State       string // open, closed
	Merged      bool
	MergedAt    time.Time
	MergeCommit string
	Author      string
	Created     time.Time
	Comments    []string
	Approvals   int
	ClosedAt    time.Time
	MergedBy    string
	Asked       bool // somebody has read it since its head moved; decides mergeability when Knobs.AutoMergeable is off
}

// Environment is a deployment environment.
type Environment struct {
	ID        int64
	Name      string // as it was created; lookups ignore case
	Secrets   []*Secret
	Variables []*Variable
	SecretKey *BoxKey
	Reviewers int
	Created   time.Time
}

// Secret is a stored secret. The API never shows Value; the lab keeps it because it can open the sealed box.
type Secret struct {
	Name       string
	Value      string
	Created    time.Time
	Updated    time.Time
	Visibility string  // organisation level
	Selected   []int64 // repository ids, for visibility selected
}

// Variable is a stored variable.
type Variable struct {
	Name       string
	Value      string
	Created    time.Time
	Updated    time.Time
	Visibility string
	Selected   []int64
}

// BoxKey is a libsodium sealed-box key pair.
type BoxKey struct {
	ID              string
	Public, Private [32]byte
}

// OIDCSettings is the customisation of a repository's subject claim.
type OIDCSettings struct {
	UseDefault       bool
	IncludeClaimKeys []string
	Immutable        bool
}

// WorkflowRun is one run that the simulator made.
type WorkflowRun struct {
	ID         int64
	Workflow   string // path
	Name       string
	Event      string
	Branch     string
	HeadOID    string
	Status     string // completed, or waiting for the reviewers of an environment
	Conclusion string // success, failure, startup_failure, skipped, cancelled; empty while it waits
	Message    string // why the run did not start
	Created    time.Time
	Updated    time.Time
	Jobs       []*RunJob
}

// RunJob is one job of a run, with every Azure login that it tried.
type RunJob struct {
	ID          string // job id in the file
	Name        string
	Conclusion  string
	Environment string
	Permissions map[string]string
	Subject     string // empty: the job had no id-token permission, so no token
	Logins      []*RunLogin
	Notes       []*Annotation
	Log         []string // with the values of secrets masked, as far as the runner masks them
}

// Annotation is what a workflow command such as ::notice leaves on a job.
type Annotation struct {
	Level   string // notice, warning or failure
	Title   string
	Message string
}

// RunLogin is one attempt to sign in to Azure.
type RunLogin struct {
	Step  string
	Kind  string // secret or federated
	AppID string
	OK    bool
	Error string // AADSTS… or the action's own message
}
