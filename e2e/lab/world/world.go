// Package world is the state of an emulated organisation: plain data under one lock, a clock that tests can
// move, and the knobs that decide how it behaves. The servers beside it read and change it. It shares nothing
// with the program that it judges.
package world

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"
)

// World is one emulated organisation. Every reader and writer holds the lock; the servers take it for each request.
type World struct {
	sync.Mutex
	Clock *Clock
	Knobs Knobs

	Tenants           map[string]*Tenant       // by tenant id
	DevOps            map[string]*DevOpsOrg    // by organisation name, lower case
	GitHub            *GitHub                  //
	Subs              map[string]*Subscription // by subscription id
	Roles             []*RoleAssignment        //
	ManagedIdentities []*ManagedIdentity
	ManagedPools      []*ManagedPool
	Tokens            map[string]*Token // by value: what a client presents to the lab's APIs
	SignIns           []*SignIn         // the tenant's sign-in log, oldest first

	Endpoints Endpoints // filled when the servers listen

	seed uint64
	next uint64
}

// New makes an empty world. The seed decides every id and secret that it will make.
func New(seed uint64) *World {
	return &World{
		Clock:   NewClock(),
		Knobs:   DefaultKnobs(),
		Tenants: map[string]*Tenant{},
		DevOps:  map[string]*DevOpsOrg{},
		GitHub:  &GitHub{Accounts: map[string]*Account{}, Repos: map[string]*Repo{}},
		Subs:    map[string]*Subscription{},
		Tokens:  map[string]*Token{},
		seed:    seed,
	}
}

// digest gives the next 32 deterministic bytes.
func (w *World) digest(label string) [32]byte {
	w.next++
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], w.seed)
	binary.BigEndian.PutUint64(b[8:], w.next)
	return sha256.Sum256(append(b[:], label...))
}

// NewID makes the next deterministic GUID.
func (w *World) NewID() string {
	d := w.digest("id")
	d[6] = d[6]&0x0f | 0x40
	d[8] = d[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", d[0:4], d[4:6], d[6:8], d[8:10], d[10:16])
}

// NewNumber makes the next small unique number, for GitHub's integer ids.
func (w *World) NewNumber() int64 {
	w.next++
	return int64(100_000 + w.next)
}

// Canary is a text that occurs in every secret value of the lab, so that a test can search everything that
// a program wrote for values it must never write.
const Canary = "c4n4ry"

// NewSecret makes the next deterministic secret value. It contains Canary.
func (w *World) NewSecret() string {
	d := w.digest("secret")
	return fmt.Sprintf("%s~%x", Canary, d[:16])
}

// Endpoints are the base URLs of the lab's servers, without a trailing slash.
type Endpoints struct {
	AzureDevOps string `json:"azureDevOps"` // organisations are below it: {AzureDevOps}/{organisation}
	GitHub      string `json:"github"`      // REST; GraphQL is {GitHub}/graphql
	Graph       string `json:"graph"`       // {Graph}/v1.0 and {Graph}/beta
	ARM         string `json:"arm"`
	Login       string `json:"login"` // Entra: {Login}/{tenant}/oauth2/v2.0/token
}

// Knobs decide what Microsoft's and GitHub's services leave open or differ in.
type Knobs struct {
	ConvertAsync      time.Duration // how long a conversion stays InProgress on the lab's clock; 0: answered at once
	ConvertOldIssuer  bool          // conversions give the vstoken issuer and an sc:// subject instead of Entra's
	RevertWindow      time.Duration // how long a conversion can be reverted
	FICPropagation    time.Duration // how long a new federated credential is not yet honoured, on the lab's clock
	SignInLogLatency  time.Duration // how late an attempt appears in the sign-in log
	SignInLogForbid   string        // when set, the sign-in log answers 403 with this code (no premium licence)
	NewPasswordPolicy bool          // an app management policy forbids new passwords
	PasswordMaxDays   int           // the tenant's default policy lets new passwords live so many days; 0: as long as wanted
	IdentityWriteGap  time.Duration // two writes of federated credentials of one managed identity within this time are concurrent: 409
	PolicyPropagation time.Duration // how long a policy that was taken off an application is still enforced
	KeyWriteBack      string        // how an application's list of certificates is taken, see KeysNeedValue
	BlockedIssuer     string        // a policy of the tenants lets no token of this issuer in
	RefuseFederation  int           // when set, every federated sign-in is refused with this number of AADSTS…
	RefuseTest        string        // when set, the test of every federated connection fails with these words
	RefuseConvert     string        // when set, every conversion is refused with this text
	ACRConvert        bool          // ConvertAuthenticationScheme is accepted for dockerregistry
	ACRNoTest         bool          // connections to registries cannot test themselves
	RefuseCreate      string        // when set, no connection with federation is made, and this text says why
	CreateAsync       time.Duration // how long a new connection is not ready, on the lab's clock
	IgnoreDisable     bool          // an update leaves isDisabled as it is
	SaveRenews        bool          // an update of a connection whose application the service made gives that a new secret, as Save in the portal does
	ChecksGrow        bool          // the service adds something to the settings of a new check
	OrganizationRoles string        // how roles on connections in the whole organisation are served, see RolesRefused
	AskPermission     bool          // a pipeline runs only with connections that it is permitted to use
	AutoMergeable     bool          // pull requests are mergeable at once; otherwise undecided until asked once
	GraphQLMaxRepos   int           // a GraphQL query for more repositories answers 502; 0: no limit

	NoGitBatches bool   // reading many files of Azure Repos at once is refused
	Expand       string // of lists in Graph: "refuse" or "ignore" $expand; otherwise it gives at most 20 related objects

	ReviewersHold        bool // a run whose job enters an environment with reviewers waits for them; otherwise they agree at once
	EnvironmentAsCreated bool // a token names the environment in the case it was created with, not as the workflow writes it
}

// The values of Knobs.OrganizationRoles. By default they are read and given. That there are such roles is documented (Microsoft Learn: Configure service connection security), but
// not how a program gets at them.
const (
	RolesRefused  = "refused"   // there is no such scope
	RolesHidden   = "hidden"    // a scope that nobody knows has no roles, and takes any
	RolesReadOnly = "read-only" // they are read, but not given
)

// The values of Knobs.KeyWriteBack. By default the list is taken with the values of certificates that are there already, and without. None of it is
// documented: which certificates a PATCH of an application keeps, only clients tell that do it.
const (
	KeysNeedValue   = "needs-value" // a certificate that is there already needs its value
	KeysRefuseValue = "no-value"    // a certificate that is there already must have no value
	KeysDropOthers  = "drops"       // certificates that are there already are dropped all the same
	KeysTakeNoNew   = "no-new"      // a policy refuses every new one
)

// DefaultKnobs is how the services behave today, as far as it is known.
func DefaultKnobs() Knobs {
	return Knobs{RevertWindow: 7 * 24 * time.Hour, AutoMergeable: true}
}

// Clock is the lab's own time: the machine's clock, moved by an offset.
type Clock struct {
	mu     sync.Mutex
	offset time.Duration
	fixed  time.Time
}

// NewClock gives a clock that starts at the machine's time.
func NewClock() *Clock { return &Clock{} }

// Now is the lab's time in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.fixed.IsZero() {
		return c.fixed.Add(c.offset).UTC()
	}
	return time.Now().Add(c.offset).UTC()
}

// Freeze stops the clock at a time; from then on only Move changes it.
func (c *Clock) Freeze(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fixed, c.offset = t, 0
}

// Move puts the clock forward (or back).
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// Token is what a client presents to the lab's APIs as a bearer token (or GitHub token).
type Token struct {
	Value    string
	Role     string // reader: may read everything; operator: may also write; outsider: may read nothing; or a special role
	Audience string // azureDevOps, github, graph, arm
	Login    string // the user or application that it stands for
	Tenant   string // the tenant that it was issued by; empty: the world's first by id

	// Scopes are those of a classic GitHub token, which says them with every answer; nil: it is not a classic one.
	Scopes []string
	App    bool // a GitHub token of an app's installation, which stands for no user

	Lacks []string // permissions that were taken away from it, by the names of the services
}

// May tells whether a permission was not taken away from the token.
func (t *Token) May(permission string) bool { return !slices.Contains(t.Lacks, permission) }

// The roles of tokens.
const (
	RoleReader   = "reader"
	RoleOperator = "operator"
	RoleOutsider = "outsider"
)

// Token audiences.
const (
	AudienceAzureDevOps = "azureDevOps"
	AudienceGitHub      = "github"
	AudienceGraph       = "graph"
	AudienceARM         = "arm"
)
