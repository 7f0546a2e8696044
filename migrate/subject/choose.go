package subject

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Limit is the number of federated credentials that an identity can have (Microsoft Learn: Important
// considerations and restrictions for federated identity credentials).
const Limit = 20

// maxField is the longest issuer, subject, audience or description that Graph takes (Microsoft Graph:
// federatedIdentityCredential resource type).
const maxField = 600

// ChooseOptions are the bounds within which Choose works.
type ChooseOptions struct {
	Limit         int  // credentials per identity; 0 means Limit
	AllowFlexible bool // flexible credentials may be used; they are a preview of Graph beta
	Existing      []inventory.FederatedCredential
	NamePrefix    string // begins every name
	Description   string // of every credential
}

// Choice is what is to be added so that the needed subjects are trusted.
type Choice struct {
	Add       []inventory.FederatedCredential `json:"add"`
	Proposals []string                        `json:"proposals,omitempty"` // what a person could change; never applied
	Uncovered []Subject                       `json:"uncovered,omitempty"` // each with its reason
	Risks     []string                        `json:"risks,omitempty"`
}

// Choose gives a smallest set of federated credentials that, with those that exist, trusts the needed
// subjects: exact ones first, which includes one per environment; flexible expressions with the repository's
// id for patterns and, where the limit would be exceeded, for exact subjects with a common beginning. What is
// then not covered is reported, with proposals. The same input gives the same choice.
func Choose(needed []Subject, o ChooseOptions) Choice {
	o.Limit = cmp.Or(o.Limit, Limit)
	needed = distinct(needed)
	c := chooser{options: o, free: o.Limit - len(o.Existing)}
	for _, m := range Cover(needed, o.Existing).Missing {
		c.take(m.Subject)
	}
	c.fit()
	c.build()
	c.choice.Risks = risks(needed, c.groups)
	c.choice.Proposals = c.proposals()
	return c.choice
}

// group is one credential to be: one exact subject, or a pattern that stands for several.
type group struct {
	members []Subject
	pattern string // empty: the one member, exactly
	wide    bool   // the pattern trusts more than its members
}

func (g group) value() string {
	if g.pattern != "" {
		return g.pattern
	}
	return g.members[0].Value
}

// chooser holds the groups while they are merged.
type chooser struct {
	options ChooseOptions
	free    int
	groups  []group
	choice  Choice
}

// take puts a subject into a group of its own, or into Uncovered where no credential can express it.
func (c *chooser) take(s Subject) {
	if reason := c.inexpressible(s); reason != "" {
		s.Reason = reason
		c.choice.Uncovered = append(c.choice.Uncovered, s)
		return
	}
	g := group{members: []Subject{s}}
	if s.Pattern {
		g.pattern = s.Value
	}
	c.groups = append(c.groups, g)
}

// inexpressible tells why no credential can trust the subject, if so.
func (c *chooser) inexpressible(s Subject) string {
	switch {
	case len(s.Value) > maxField:
		return fmt.Sprintf("the subject has %d bytes; Entra takes at most %d", len(s.Value), maxField)
	case !s.Pattern:
		return ""
	case !c.options.AllowFlexible:
		return "the set of subjects is not finite, and flexible federated credentials are not allowed"
	default:
		return notFlexible(s)
	}
}

// notFlexible tells why a subject cannot be part of a flexible credential.
func notFlexible(s Subject) string {
	switch {
	case s.Issuer != GitHubIssuer:
		return "the set of subjects is not finite, and flexible federated credentials are supported only for the issuer " + GitHubIssuer
	case s.RepositoryID == 0:
		return "the set of subjects is not finite, and a flexible federated credential needs the repository's id, which is not known"
	case strings.Contains(s.Value, "'"):
		return "the set of subjects is not finite, and its pattern has a quote, which an expression cannot hold"
	case len(expression(s.Value, s.RepositoryID)) > maxField:
		return fmt.Sprintf("the expression would be longer than %d bytes", maxField)
	default:
		return ""
	}
}

// fit merges groups until they are within the limit, each time so that the least new is trusted.
func (c *chooser) fit() {
	c.absorb()
	for len(c.groups) > c.free && c.options.AllowFlexible {
		if !c.mergeNearest() {
			return
		}
		c.absorb()
	}
}

// absorb drops a group whose subjects another group's pattern trusts as well.
func (c *chooser) absorb() {
	for i := 0; i < len(c.groups); i++ {
		for k := range c.groups {
			if k == i || c.groups[k].pattern == "" || !sameToken(c.groups[i].members[0], c.groups[k].members[0]) {
				continue
			}
			if oneOf(wildcardGlobOf(c.groups[i])).within(wildcardGlob(c.groups[k].pattern)) {
				c.groups[k].members = append(c.groups[k].members, c.groups[i].members...)
				c.groups = slices.Delete(c.groups, i, i+1)
				i--
				break
			}
		}
	}
}

func wildcardGlobOf(g group) glob {
	if g.pattern != "" {
		return wildcardGlob(g.pattern)
	}
	return literal(g.members[0].Value)
}

// sameToken tells whether one expression could trust both.
func sameToken(a, b Subject) bool {
	return a.Issuer == b.Issuer && a.Audience == b.Audience && a.RepositoryID == b.RepositoryID
}

// mergeNearest joins the two groups with the longest common beginning into one pattern, never across
// the kinds of context: an environment is not a branch.
func (c *chooser) mergeNearest() bool {
	bestA, bestB, bestLength := -1, -1, 0
	for a := range c.groups {
		for b := a + 1; b < len(c.groups); b++ {
			if n := mergeable(c.groups[a], c.groups[b]); n > bestLength {
				bestA, bestB, bestLength = a, b, n
			}
		}
	}
	if bestA < 0 {
		return false
	}
	merged := group{
		members: append(slices.Clone(c.groups[bestA].members), c.groups[bestB].members...),
		pattern: c.groups[bestA].value()[:bestLength] + "*",
		wide:    true,
	}
	c.groups = slices.Delete(c.groups, bestB, bestB+1)
	c.groups[bestA] = merged
	return true
}

// mergeable gives the length of the common beginning of two groups, or 0 where they must stay apart.
func mergeable(a, b group) int {
	x, y := a.members[0], b.members[0]
	if !sameToken(x, y) || notFlexible(x) != "" || notFlexible(y) != "" {
		return 0
	}
	kind := contextKind(x)
	if kind == "" || kind != contextKind(y) {
		return 0
	}
	n := commonPrefix(strings.TrimSuffix(a.value(), "*"), strings.TrimSuffix(b.value(), "*"))
	if n < strings.Index(x.Value, kind)+len(kind) {
		return 0
	}
	return n
}

// contextKind gives the beginning of a context that a widened pattern must keep.
func contextKind(s Subject) string {
	for _, kind := range []string{":environment:", ":ref:refs/heads/", ":ref:refs/tags/"} {
		if strings.Contains(s.Value, kind) {
			return kind
		}
	}
	return ""
}

// build turns the groups into credentials, as many as there is room for.
func (c *chooser) build() {
	names := nameSet{}
	for _, e := range c.options.Existing {
		names[e.Name] = true
	}
	for i, g := range c.groups {
		if i >= c.free {
			c.overflow(g)
			continue
		}
		first := g.members[0]
		f := inventory.FederatedCredential{
			Issuer: first.Issuer, Audience: first.Audience, Description: truncate(c.options.Description, maxField),
		}
		if g.pattern != "" {
			f.Expression = expression(g.pattern, first.RepositoryID)
		} else {
			f.Subject = first.Value
		}
		f.Name = names.take(c.options.NamePrefix, f)
		c.choice.Add = append(c.choice.Add, f)
	}
	c.groups = c.groups[:max(0, min(len(c.groups), c.free))]
}

func (c *chooser) overflow(g group) {
	for _, s := range g.members {
		s.Reason = fmt.Sprintf("an identity can have %d federated credentials; %d exist and %d more are taken by other subjects",
			c.options.Limit, len(c.options.Existing), max(0, c.free))
		c.choice.Uncovered = append(c.choice.Uncovered, s)
	}
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
