// Package identify finds out which application is behind a GitHub secret, whose value nobody can read. It ranks the tenant's
// applications by evidence, and it proves an answer with a probe: a workflow on a short-lived branch that prints only a salted
// digest of the client id. What it finds is a proposal; a person confirms it in the mapping.
package identify

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// Version is the version of a report's JSON.
const Version = 1

// Input is what Rank works on. Everything in it was read before.
type Input struct {
	Inventory *inventory.Inventory
	Open      []plan.OpenSecret
	// Applications are those of the tenant; they include the inventory's identities.
	Applications []Application
	Runs         map[Workflow]RunHistory
	Prints       map[Workflow][]Print // what job logs hold, where they were asked for
	Proofs       map[string]Proof     // what a probe found, by the store's key
	Now          time.Time            // the service's
	Unknown      []Unknown            // what could not be read for any secret
}

// Application is an application of the tenant, as far as it was read.
type Application struct {
	inventory.Identity
	TrustKnown bool // its federated credentials were read
}

// Workflow names a workflow file whose runs read a secret.
type Workflow struct {
	Repository inventory.RepositoryName `json:"repository"`
	File       string                   `json:"file"`
}

// RunHistory is when a workflow ran. Where it could not be read, Reason says why.
type RunHistory struct {
	Runs   []Run
	Reason string
}

// Run is one completed run of a workflow.
type Run struct {
	ID                int64
	Started, Finished time.Time
	OK                bool // it succeeded
}

// Print is a client id that a job's log shows.
type Print struct {
	AppID inventory.AppID
	Run   int64
}

// Proof is what a probe found of a secret: the application whose client id has the digest, or that none has.
type Proof struct {
	AppID    inventory.AppID `json:"appId,omitempty"` // empty: no application that was compared
	Compared int             `json:"compared"`
	Time     time.Time       `json:"time"`
	Problem  string          `json:"problem,omitempty"` // the probe did not come to an answer
}

// Unknown is something that could not be had, and that could have changed the answer.
type Unknown struct {
	What string `json:"what"`
	Why  string `json:"why"`
	Next string `json:"next,omitempty"`
}

// Report is the answer for every secret whose identity is not known.
type Report struct {
	Version      int       `json:"version"`
	Applications int       `json:"applications"` // that were compared
	Threshold    int       `json:"threshold"`    // a proposal needs such a score
	Margin       int       `json:"margin"`       // and no rival nearer than this
	Secrets      []Secret  `json:"secrets"`
	Unknown      []Unknown `json:"unknown"`
}

// Secret is one secret with the applications that it may hold a credential of, the likeliest first.
type Secret struct {
	Store      inventory.StoreRef  `json:"store"`
	Place      string              `json:"place"`
	UpdatedAt  time.Time           `json:"updatedAt,omitzero"`
	Logins     []inventory.LoginID `json:"logins"`
	Candidates []Candidate         `json:"candidates"`
	Proposal   *plan.Mapping       `json:"proposal,omitempty"`
	Verdict    string              `json:"verdict"` // why there is a proposal, or none
	Proof      *Proof              `json:"proof,omitempty"`
	Unknown    []Unknown           `json:"unknown"`
}

// Candidate is an application that a secret may hold a credential of.
type Candidate struct {
	AppID    inventory.AppID    `json:"appId"`
	TenantID inventory.TenantID `json:"tenantId"`
	Name     string             `json:"name"`
	Score    int                `json:"score"`
	Evidence []Evidence         `json:"evidence"`
	Against  []string           `json:"against,omitempty"` // what speaks against it: it is never proposed then, unless a probe proves it
}

// maxCandidates is how many candidates of a secret are shown.
const maxCandidates = 10

// Rank weighs the applications against every secret. It is a pure function of its input.
func Rank(in Input) Report {
	r := Report{Version: Version, Applications: len(in.Applications), Threshold: Threshold, Margin: Margin, Secrets: []Secret{}, Unknown: slices.Clone(in.Unknown)}
	if r.Unknown == nil {
		r.Unknown = []Unknown{}
	}
	e := newExaminer(in)
	for _, o := range in.Open {
		r.Secrets = append(r.Secrets, e.secret(o))
	}
	return r
}

// secret ranks the candidates of one secret.
func (e *examiner) secret(o plan.OpenSecret) Secret {
	s := Secret{Store: o.Store, Place: o.Store.Place(), Logins: []inventory.LoginID{}, Candidates: []Candidate{}, Unknown: []Unknown{}}
	if o.Secret != nil {
		s.UpdatedAt = o.Secret.UpdatedAt
	} else {
		s.Unknown = append(s.Unknown, Unknown{What: "when it was written", Why: "the scan saw no secret of this name at any level that the login can read",
			Next: "scan with a token that may read the repository's and the organisation's secrets"})
	}
	for _, u := range o.Uses {
		if !slices.Contains(s.Logins, u.Login.ID) {
			s.Logins = append(s.Logins, u.Login.ID)
		}
	}
	q := e.question(o)
	for _, a := range e.in.Applications {
		if c := q.candidate(a); len(c.Evidence) > 0 {
			s.Candidates = append(s.Candidates, c)
		}
	}
	Order(s.Candidates)
	if proof, ok := e.in.Proofs[o.Store.Key()]; ok {
		s.Proof = &proof
	}
	s.Unknown = append(s.Unknown, q.unknown(s.Candidates)...)
	winner, verdict := Decide(s.Candidates, s.Proof)
	s.Verdict = verdict
	if winner != nil {
		s.Proposal, s.Verdict = e.proposal(q, *winner, verdict)
	}
	s.Candidates = s.Candidates[:min(len(s.Candidates), maxCandidates)]
	return s
}

// Order sorts candidates, the likeliest first; those with equal scores by client id, so that the order says nothing by chance.
func Order(list []Candidate) {
	slices.SortStableFunc(list, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(string(a.AppID), string(b.AppID)))
	})
}
