package pipeline

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// collector gathers what is found in all pipelines.
type collector struct {
	uses         []*Use
	byPlace      map[useKey]*Use
	secrets      []SecretUse
	groups       []Named
	environments []Named
	pools        []Named
	checks       []Check
	terraform    []TerraformUse
	gaps         []Gap
	included     map[fileKey]bool
	steps        []*step             // those that the rewriter looks at
	held         map[NameText]source // names of connections that variables and parameters hold
}

// useKey is what makes two uses one: the same text in the same job, expanded more than once.
type useKey struct {
	place            Place
	input, task, ver string
}

func newCollector() *collector {
	return &collector{byPlace: make(map[useKey]*Use), included: make(map[fileKey]bool), held: make(map[NameText]source)}
}

func (c *collector) gap(g Gap) { c.gaps = append(c.gaps, g) }

// merge takes over what was found in one pipeline.
func (c *collector) merge(o *collector) {
	c.uses = append(c.uses, o.uses...)
	c.secrets = append(c.secrets, o.secrets...)
	c.groups = append(c.groups, o.groups...)
	c.environments = append(c.environments, o.environments...)
	c.pools = append(c.pools, o.pools...)
	c.checks = append(c.checks, o.checks...)
	c.terraform = append(c.terraform, o.terraform...)
	c.gaps = append(c.gaps, o.gaps...)
	c.steps = append(c.steps, o.steps...)
	maps.Copy(c.held, o.held)
}

// use records a use, or adds what it can be to the same use from another expansion.
func (c *collector) use(u Use) *Use {
	key := useKey{u.Place, strings.ToLower(u.Input), strings.ToLower(u.Task), u.Version}
	if have, ok := c.byPlace[key]; ok && u.File != "" {
		have.Resolved = unique(append(have.Resolved, u.Resolved...))
		if u.Open {
			have.Like = likeEither(have, u)
		}
		have.Open = have.Open || u.Open
		have.Expression = or(have.Expression, u.Expression)
		have.Groups = unique(append(have.Groups, u.Groups...))
		have.Disabled = have.Disabled && u.Disabled
		have.Maybe = have.Maybe && u.Maybe
		have.Texts = uniqueTexts(append(have.Texts, u.Texts...))
		return have
	}
	u.Resolved = unique(u.Resolved)
	c.uses = append(c.uses, &u)
	c.byPlace[key] = &u
	return &u
}

// unique sorts and drops duplicates.
func unique(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// result sorts everything and drops what was seen twice.
func (c *collector) result() Result {
	var r Result
	for _, u := range c.uses {
		r.Uses = append(r.Uses, *u)
		if u.Open {
			r.Unresolved = append(r.Unresolved, Unresolved{Place: u.Place, Expression: u.Expression, Known: u.Resolved, Takes: u.Takes, Like: u.Like, Reason: openReason(u.Expression, u.Groups)})
		}
	}
	byPlace(r.Uses, func(u Use) (Place, string) { return u.Place, u.Input })
	byPlace(r.Unresolved, func(u Unresolved) (Place, string) { return u.Place, u.Expression })
	r.Secrets = distinct(c.secrets, func(s SecretUse) (Place, string) { return s.Place, string(s.Kind) + s.Name })
	r.Groups = distinct(c.groups, func(n Named) (Place, string) { return n.Place, n.Name })
	r.Environments = distinct(c.environments, func(n Named) (Place, string) { return n.Place, n.Name })
	r.Pools = distinct(c.pools, func(n Named) (Place, string) { return n.Place, n.Name })
	r.Terraform = distinct(c.terraform, func(u TerraformUse) (Place, string) { return u.Place, u.Directory })
	r.Checks = distinct(c.checks, func(k Check) (Place, string) { return k.Place, k.Rule + k.Message })
	r.Gaps = distinct(c.gaps, func(g Gap) (Place, string) { return g.Place, g.Message })
	return r
}

// openReason tells a person where to look for what an expression stands for.
func openReason(expression string, groups []string) string {
	switch {
	case len(groups) > 0:
		return "a variable that the text does not define: look in the variable groups " + strings.Join(groups, ", ") + " and in the pipeline's settings"
	case strings.Contains(expression, "${{") && strings.Contains(expression, "parameters"):
		return "a parameter that whoever starts the pipeline chooses, or that no caller in the scan passes"
	case strings.Contains(expression, "$("), strings.Contains(expression, "variables"):
		return "a variable that the text does not define: look in variable groups and in the pipeline's settings"
	case strings.Contains(expression, "$["):
		return "an expression that is evaluated while the pipeline runs"
	}
	return "the text does not decide it"
}

func byPlace[T any](list []T, of func(T) (Place, string)) {
	slices.SortStableFunc(list, func(a, b T) int {
		p, x := of(a)
		q, y := of(b)
		return cmp.Or(comparePlaces(p, q), strings.Compare(x, y))
	})
}

func comparePlaces(p, q Place) int {
	return cmp.Or(strings.Compare(p.Repository, q.Repository), strings.Compare(p.Pipeline, q.Pipeline), strings.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column),
		strings.Compare(p.Stage, q.Stage), strings.Compare(p.Job, q.Job), strings.Compare(p.Step, q.Step))
}

// distinct sorts and drops those of the same place and text.
func distinct[T any](list []T, of func(T) (Place, string)) []T {
	list = slices.Clone(list)
	byPlace(list, of)
	return slices.CompactFunc(list, func(a, b T) bool {
		p, x := of(a)
		q, y := of(b)
		return p == q && x == y
	})
}

func sortInputs(list []TaskInput) {
	slices.SortStableFunc(list, func(a, b TaskInput) int {
		return cmp.Or(strings.Compare(a.Task, b.Task), cmp.Compare(a.Major, b.Major))
	})
}
