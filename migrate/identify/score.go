package identify

import (
	"fmt"
	"slices"
)

// Kind is a kind of evidence. The values are public and stable.
type Kind string

// The kinds of evidence.
const (
	KindProbe      Kind = "probe"
	KindLog        Kind = "job-log"
	KindReadable   Kind = "readable-client-id"
	KindFederated  Kind = "federated-credential"
	KindSignIns    Kind = "sign-ins"
	KindDate       Kind = "date"
	KindName       Kind = "name"
	KindSecretName Kind = "secret-name"
	KindRole       Kind = "role"
)

// Evidence is one thing that speaks for an application.
type Evidence struct {
	Kind   Kind   `json:"kind"`
	Weight int    `json:"weight"`
	Text   string `json:"text"`   // what was seen
	Reason string `json:"reason"` // why it weighs as much
}

const (
	// Threshold is the score that a proposal needs: no single kind of evidence but a probe and a printed client id reaches it.
	Threshold = 60
	// Margin is how far the next candidate must be behind.
	Margin = 20
	// proven is the weight of a probe's answer: it outweighs all the rest together.
	proven = 1000
	// leastHard is the weight that the hardest evidence must have beside names and roles.
	leastHard = 30
)

// soft tells the kinds that many applications of a well-named tenant share: they order candidates, and alone propose none.
func (k Kind) soft() bool { return k == KindName || k == KindSecretName || k == KindRole }

// Score adds up evidence. Of each kind only the heaviest counts, since two of a kind mostly have one cause: a bulk rotation,
// a naming scheme. So more evidence never makes a score lower.
func Score(list []Evidence) int {
	best := map[Kind]int{}
	for _, e := range list {
		best[e.Kind] = max(best[e.Kind], e.Weight)
	}
	sum := 0
	for _, w := range best {
		sum += w
	}
	return sum
}

// hard tells whether something beside names and roles speaks for a candidate.
func hard(list []Evidence) bool {
	return slices.ContainsFunc(list, func(e Evidence) bool { return !e.Kind.soft() && e.Weight >= leastHard })
}

func isProven(c Candidate) bool {
	return slices.ContainsFunc(c.Evidence, func(e Evidence) bool { return e.Kind == KindProbe })
}

// Decide picks the candidate to propose, if any, and says why or why not. The list is ordered.
func Decide(list []Candidate, proof *Proof) (*Candidate, string) {
	if proof != nil && proof.Problem == "" && proof.AppID == "" {
		return nil, fmt.Sprintf("the probe's digest matches none of the %d applications that were compared: the client id belongs to another tenant, or to an application that was deleted", proof.Compared)
	}
	if len(list) == 0 {
		return nil, "nothing speaks for any application"
	}
	top := list[0]
	if isProven(top) {
		return &list[0], "the probe's digest is that of its client id"
	}
	switch {
	case top.Score < Threshold:
		return nil, fmt.Sprintf("the likeliest has a score of %d; a proposal needs %d", top.Score, Threshold)
	case !hard(top.Evidence):
		return nil, "only names and roles speak for the likeliest, which is not enough"
	case len(top.Against) > 0:
		return nil, "the likeliest is not proposed: " + top.Against[0]
	case len(list) > 1 && list[1].Score > top.Score-Margin:
		return nil, fmt.Sprintf("%s is as likely, or nearly: %d against %d", list[1].Name, list[1].Score, top.Score)
	}
	if len(list) == 1 {
		return &list[0], fmt.Sprintf("its score is %d, and there is no other candidate", top.Score)
	}
	return &list[0], fmt.Sprintf("its score is %d, and the next candidate is %d behind", top.Score, top.Score-list[1].Score)
}
