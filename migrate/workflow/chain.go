package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// resolveChains finds out what comes through each channel in the end, and why it cannot be converted where it cannot. What
// stops one channel of a chain stops them all.
func (a *analysis) resolveChains() {
	for _, key := range a.channelKeys() {
		c := a.channels[key]
		c.roots = slices.Sorted(maps.Keys(a.rootsOf(c, nil)))
	}
	for _, key := range a.channelKeys() {
		c := a.channels[key]
		c.ids, c.edited = a.takesIDs(c, nil), a.isEdited(c, nil)
	}
	for _, key := range a.channelKeys() {
		c := a.channels[key]
		c.problem = a.channelProblem(c)
	}
	a.spreadProblems()
}

// above gives the channel of the passing file that fills another channel, or nil where the passing file has the secret itself.
func (a *analysis) above(p *finding, c *channel) *channel {
	if !p.file.action && !p.file.has("workflow_call") {
		return nil
	}
	if p.inherits() {
		return a.channels[channelKey(p.file, c.name)]
	}
	r, ok := single(text(p.entry.value))
	if !ok || r.index != nil || r.property != "" || r.whole || r.context != "inputs" && r.context != "secrets" {
		return nil
	}
	return a.channels[channelKey(p.file, r.name())]
}

// isEdited tells whether the conversion of a channel changes something where the credential comes through: its declaration, or
// a caller that names it. What is inherited all the way down without being declared needs no edit, so that the files below can
// change one by one.
func (a *analysis) isEdited(c *channel, within []*channel) bool {
	if slices.Contains(within, c) {
		return false
	}
	if _, declared := c.declaration(); declared {
		return true
	}
	within = append(within[:len(within):len(within)], c)
	return slices.ContainsFunc(c.passers, func(p *finding) bool {
		up := a.above(p, c)
		return !p.inherits() || up != nil && a.isEdited(up, within)
	})
}

// needs tells whether a channel can be converted only together with the one above it, which a passing file fills it from. What is
// inherited stays as it is, unless ids take its place; but of a file whose callers are not known nothing may change.
func (a *analysis) needs(c *channel, p *finding, up *channel) bool {
	return !p.inherits() || c.ids || len(a.callers[up.target.path]) == 0
}

// chain lists a channel with those that are converted together with it: all that its credential comes or goes through.
func (a *analysis) chain(c *channel) []*channel {
	list := []*channel{c}
	add := func(other *channel) {
		if !slices.Contains(list, other) {
			list = append(list, other)
		}
	}
	for i := 0; i < len(list); i++ {
		c := list[i]
		for _, p := range c.passers {
			if up := a.above(p, c); up != nil && (a.needs(c, p, up) || up.edited && up.problem == "") {
				add(up)
			}
		}
		for _, n := range c.consumers {
			for _, down := range n.into {
				if a.above(n, down) == c && (c.edited || a.needs(down, n, c)) {
					add(down)
				}
			}
			if !n.isPasser() {
				for _, beside := range n.channels {
					add(beside)
				}
			}
		}
	}
	return list
}

// rootsOf are the names, in upper case, of the secrets that come through a channel in the end. A file that is also started by itself
// reads the secret of that name.
func (a *analysis) rootsOf(c *channel, within []*channel) map[string]bool {
	names := make(map[string]bool)
	if slices.Contains(within, c) {
		return names
	}
	within = append(within[:len(within):len(within)], c)
	for _, p := range c.passers {
		up := a.above(p, c)
		if up != nil && len(up.passers) > 0 {
			maps.Copy(names, a.rootsOf(up, within))
			continue
		}
		if name := passedName(p, c); name != "" {
			names[strings.ToUpper(name)] = true
		}
	}
	if c.secret && len(c.passers) > 0 && len(c.target.triggers) > 1 {
		names[strings.ToUpper(c.name)] = true
	}
	return names
}

// passedName is the name of the secret that a caller passes, or "" where it is computed or is no secret.
func passedName(p *finding, c *channel) string {
	if p.inherits() {
		return c.name
	}
	if r, ok := single(text(p.entry.value)); ok && r.context == "secrets" && r.index == nil && r.property == "" && !r.whole {
		return r.name()
	}
	return ""
}

// takesIDs tells whether what uses the credential has to be given the ids of the identity as inputs instead: an azure/login at the
// end of the chain, unless the file reads them itself, since all its callers pass the same secret.
func (a *analysis) takesIDs(c *channel, within []*channel) bool {
	return (!c.secret || c.differs()) && a.needsIDs(c, within)
}

// differs tells whether the callers of a reusable workflow pass different credentials.
func (c *channel) differs() bool {
	return c.secret && len(c.roots) != 1 && len(c.passers) > 0
}

func (a *analysis) needsIDs(c *channel, within []*channel) bool {
	if slices.Contains(within, c) {
		return false
	}
	within = append(within[:len(within):len(within)], c)
	for _, n := range c.consumers {
		if _, composed := a.composedOf(n); n.Kind == inventory.KindAzureLoginCreds && !composed {
			return true
		}
		for _, down := range n.into {
			if a.above(n, down) == c && a.takesIDs(down, within) {
				return true
			}
		}
	}
	return false
}

// channelProblem tells why a channel cannot be converted; "" where it can.
func (a *analysis) channelProblem(c *channel) string {
	if len(a.callers[c.target.path]) == 0 {
		return a.uncalledProblem(c)
	}
	if c.secret && c.target.action {
		return "an action cannot read secrets"
	}
	for _, n := range c.consumers {
		if p := a.consumerProblem(c, n); p != "" {
			return p
		}
	}
	if line := a.unexplained(c); line > 0 {
		return fmt.Sprintf("line %d of %s reads %s for something else", line, c.target.path, c.name)
	}
	for _, p := range c.passers {
		if passedName(p, c) == "" && a.above(p, c) == nil {
			return fmt.Sprintf("line %d of %s passes a computed value as %s", p.Line, p.File, c.name)
		}
	}
	if c.ids && c.secret && len(c.target.triggers) > 1 {
		return fmt.Sprintf("callers pass different credentials as %s, and %s is also started in other ways, which have no inputs", c.name, c.target.path)
	}
	if _, declared := c.declaration(); c.ids && c.secret && !declared {
		return fmt.Sprintf("callers pass different credentials as %s, which the called workflow does not declare", c.name)
	}
	return ""
}

// uncalledProblem treats a channel of a file that none of the files that were read calls. Where a login uses the credential, the layout
// decides (classifyUncalled); what the file only passes on comes from callers that are not here, unless it is a secret of its own.
func (a *analysis) uncalledProblem(c *channel) string {
	if !slices.ContainsFunc(c.consumers, (*finding).isPasser) {
		return ""
	}
	if _, declared := c.declaration(); !c.target.action && !declared && len(c.target.triggers) > 1 {
		return ""
	}
	where := "in other repositories"
	if a.folder() {
		where = "not among these files"
	}
	return fmt.Sprintf("%s passes it on as %s, and its callers are %s", c.target.path, c.name, where)
}

// spreadProblems gives what stops one channel to all that cannot be converted without it, and tells which channels it is new to.
func (a *analysis) spreadProblems() map[*channel]bool {
	broken := make(map[*channel]bool)
	spread := func(from, to *channel) {
		if from.problem != "" && to.problem == "" {
			to.problem, broken[to] = from.problem, true
		}
	}
	for before := -1; before < len(broken); {
		before = len(broken)
		for _, key := range a.channelKeys() {
			c := a.channels[key]
			for _, p := range c.passers {
				if up := a.above(p, c); up != nil {
					spread(c, up)
					if a.needs(c, p, up) {
						spread(up, c)
					}
				}
			}
			for _, n := range c.consumers {
				for _, beside := range n.channels {
					if !n.isPasser() {
						spread(c, beside)
					}
				}
			}
		}
	}
	return broken
}

// members are the findings that change with a channel: what only inherits stays as it is, unless the ids have to be passed.
func (c *channel) members() []*finding {
	list := slices.Clone(c.consumers)
	for _, p := range c.passers {
		if c.ids || !p.inherits() {
			list = append(list, p)
		}
	}
	return list
}

// breakChains leaves a chain to a person where one of its logins has turned out to be manual, with the same reason at each place.
func (a *analysis) breakChains() {
	broken := make(map[*channel]bool)
	for _, key := range a.channelKeys() {
		c := a.channels[key]
		if c.problem != "" || len(a.callers[c.target.path]) == 0 {
			continue
		}
		for _, n := range c.members() {
			if n.convert == nil && !n.inherits() {
				c.problem, broken[c] = fmt.Sprintf("line %d of %s: %s", n.Line, n.File, n.Reason), true
				break
			}
		}
	}
	maps.Copy(broken, a.spreadProblems())
	isBroken := func(c *channel) bool { return broken[c] }
	for _, n := range a.findings {
		switch {
		case n.convert == nil:
		case n.isPasser() && slices.ContainsFunc(n.into, isBroken):
			a.classifyPasser(n)
		case n.passable() && slices.ContainsFunc(n.channels, isBroken):
			a.classifyPassed(n)
		}
	}
}
