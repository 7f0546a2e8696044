// Package plan turns an inventory and a configuration into a plan: it links every login and connection to its
// identity, computes the subjects that they will present, chooses the federated credentials that cover them,
// orders the steps, and says for everything that it leaves alone why, and what a person would do.
//
// Planning is a pure function: the same inventory and configuration give the same bytes.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Version is the version of the plan's JSON.
const Version = 1

// Plan is everything that is to be done, and everything that is left alone.
type Plan struct {
	Version   int         `json:"version"`
	Inventory string      `json:"inventory"` // SHA-256 of the inventory's canonical JSON
	Config    string      `json:"config"`    // SHA-256 of the configuration's JSON
	Settings  Config      `json:"settings"`  // the configuration, with its defaults filled in
	Units     []Unit      `json:"units"`
	Left      []Left      `json:"left"`
	Federated []Federated `json:"federated,omitempty"` // what earlier plans migrated, as the scan found it
	Proposed  []Reason    `json:"proposed,omitempty"`  // what would keep the result as it is, and nobody has asked for
	Again     []string    `json:"again,omitempty"`     // units that were planned again by themselves since, by id; the last one last
	Summary   Summary     `json:"summary"`
}

// Unit is one identity with everything that uses it: the smallest thing that is migrated or rolled back as a whole.
type Unit struct {
	ID             string                   `json:"id"`
	Title          string                   `json:"title"`
	AppID          inventory.AppID          `json:"appId,omitempty"` // empty: the identity is not known, so the unit is blocked
	ObjectID       inventory.ObjectID       `json:"objectId,omitempty"`
	TenantID       inventory.TenantID       `json:"tenantId,omitempty"`
	Kind           string                   `json:"kind,omitempty"`    // KindIssuer or KindTrust; empty: a secret is taken away
	Deadline       time.Time                `json:"deadline,omitzero"` // when what it replaces stops working, where that is known
	Target         *Target                  `json:"target,omitempty"`  // what it signs in as instead of its application
	SubscriptionID inventory.SubscriptionID `json:"subscriptionId,omitempty"`
	Wave           int                      `json:"wave"`
	Shared         bool                     `json:"shared"` // more than one connection or repository uses the identity
	Connections    []ConnectionUse          `json:"connections"`
	Logins         []LoginUse               `json:"logins"`
	Secrets        []inventory.StoreRef     `json:"secrets"`   // where the identity's secret is stored in GitHub
	Workflows      []WorkflowRef            `json:"workflows"` // whose runs prove the unit after the merge
	Steps          []Step                   `json:"steps"`
	Coverage       []Coverage               `json:"coverage"`             // each needed subject, and what trusts it
	Blockers       []Reason                 `json:"blockers,omitempty"`   // not empty: nothing of the unit is done
	Withheld       []Reason                 `json:"withheld,omitempty"`   // why its old secret is not revoked, although the rest is done
	Notes          []Reason                 `json:"notes,omitempty"`      // what a reviewer should know
	Named          []Reason                 `json:"named,omitempty"`      // why revoke takes the unit only where it is named
	NoRollback     *Reason                  `json:"noRollback,omitempty"` // why nothing can be rolled back after its revoke, which therefore needs its own consent
	Soak           *Soak                    `json:"soak,omitempty"`       // how long its old secret is kept; nil where the unit is blocked
}

// Blocked tells whether nothing of the unit may be done.
func (u Unit) Blocked() bool { return len(u.Blockers) > 0 }

// Hash is the SHA-256 of the unit as it stands in the plan, in hex: what an approval is about.
func (u Unit) Hash() string { return hashJSON(u) }

// Step finds a step of the unit by its id.
func (u Unit) Step(id string) (Step, bool) {
	for _, s := range u.Steps {
		if s.ID == id {
			return s, true
		}
	}
	return Step{}, false
}

// ConnectionUse is one Azure DevOps service connection of a unit.
type ConnectionUse struct {
	ID           inventory.ConnectionID `json:"id"`
	Organization string                 `json:"organization"`
	Project      inventory.ProjectID    `json:"project"` // the origin
	ProjectName  string                 `json:"projectName"`
	Name         string                 `json:"name"`
	Projects     []string               `json:"projects"` // every project that sees it
	Already      bool                   `json:"already,omitempty"`
}

// LoginUse is one login of a unit.
type LoginUse struct {
	ID         inventory.LoginID        `json:"id"`
	Repository inventory.RepositoryName `json:"repository"`
	File       string                   `json:"file"`
	Kind       inventory.Kind           `json:"kind"`
	Conversion inventory.Conversion     `json:"conversion"`
	By         string                   `json:"by"`      // the rule that linked it to the identity
	Because    string                   `json:"because"` // the evidence, for a reader
}

// WorkflowRef names one workflow file.
type WorkflowRef struct {
	Repository inventory.RepositoryName `json:"repository"`
	File       string                   `json:"file"`
}

// Coverage is one subject that a login or connection of the unit presents, and the federated credential that trusts it.
type Coverage struct {
	Issuer  string   `json:"issuer"`
	Subject string   `json:"subject"`           // with * and ? where Pattern is true
	Pattern bool     `json:"pattern,omitempty"` // the set is not finite
	For     []string `json:"for"`               // ids of logins and connections
	// RepositoryID and OwnerID are claims that flexible federated credentials ask for; 0 for connections.
	RepositoryID int64  `json:"repositoryId,omitempty"`
	OwnerID      int64  `json:"ownerId,omitempty"`
	By           string `json:"by,omitempty"` // name of the federated credential; empty: nothing trusts it
	State        string `json:"state"`        // existing, planned, service (the service adds it itself) or missing
}

// The states of a coverage line.
const (
	CoverageExisting = "existing"
	CoveragePlanned  = "planned"
	CoverageService  = "service"
	CoverageMissing  = "missing"
)

// Reason explains why something is not done, and what would change that. Code is stable.
type Reason struct {
	Code    string   `json:"code"`
	Object  string   `json:"object,omitempty"`
	Message string   `json:"message"`
	Next    []string `json:"next,omitempty"` // what a person would do, in order
}

// Text is the message for a reader who looks at a unit: of which of its connections it is said.
func (r Reason) Text() string {
	if strings.HasPrefix(r.Object, "connection ") {
		return r.Object + ": " + r.Message
	}
	return r.Message
}

// Left is one object that the plan leaves alone.
type Left struct {
	Object string   `json:"object"`
	Place  string   `json:"place"`
	Code   string   `json:"code"`
	Reason string   `json:"reason"`
	Next   []string `json:"next,omitempty"`
}

// Summary counts what the plan holds.
type Summary struct {
	Units                int `json:"units"`
	Ready                int `json:"ready"`
	Blocked              int `json:"blocked"`
	Withheld             int `json:"withheld"`
	FederatedCredentials int `json:"federatedCredentials"`
	Connections          int `json:"connections"`
	Variables            int `json:"variables"`
	PullRequests         int `json:"pullRequests"`
	Logins               int `json:"logins"` // that pull requests rewrite
	Credentials          int `json:"credentials"`
	Secrets              int `json:"secrets"`
	Left                 int `json:"left"`
}

// Unit finds a unit by its id.
func (p *Plan) Unit(id string) (Unit, bool) {
	for _, u := range p.Units {
		if u.ID == id {
			return u, true
		}
	}
	return Unit{}, false
}

// JSON is the plan's canonical form: what is stored, reviewed and hashed.
func (p *Plan) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write plan: %w", err)
	}
	return append(b, '\n'), nil
}

// Hash is the SHA-256 of the plan's canonical form, in hex. The journal names it with every record.
func (p *Plan) Hash() string { return hashJSON(p) }

// hashJSON hashes a value of this package or of the inventory. All of them are plain data, which encoding/json
// cannot fail on; should a field be added that it can, every test fails at once.
func hashJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("plan: %T cannot be written as JSON: %v", v, err))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
