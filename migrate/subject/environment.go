package subject

import (
	"slices"
	"strings"
)

// contexts adds to the collection what the job's token carries in this world. An environment wins over
// everything else; an empty one counts as none (github/docs: OpenID Connect reference).
func (s scope) contexts(c *collection) {
	if s.job.Environment == nil || s.job.Environment.Name == nil {
		s.references(c)
		return
	}
	name := s.job.Environment.Name.Value
	v := s.template(name)
	reason := "environment of the job"
	if strings.Contains(name, "${{") {
		reason = "environment " + strings.TrimSpace(name)
	}
	if v.kind == kindUnknown {
		c.pattern("environment:*", reason+" is not known before a run")
		s.references(c)
		return
	}
	v = v.text()
	if text, ok := v.literal(); ok {
		v = textValue(strings.TrimSpace(text))
	}
	switch s.truthy(v) {
	case no:
		s.references(c)
		return
	case unknown:
		s.references(c)
	}
	s.environments(c, v, reason)
}

// environments adds each name that the text can be.
func (s scope) environments(c *collection, v value, reason string) {
	exact, patterns := s.expand(v)
	for _, name := range exact {
		if name != "" {
			s.environment(c, name, reason)
		}
	}
	for _, p := range patterns {
		c.pattern("environment:"+escape(narrow(p)), reason+" is not known before a run")
	}
	if len(patterns) > 0 {
		for _, name := range s.likely(v) {
			s.environment(c, name, reason)
		}
	}
}

// environment adds one environment. Names are compared without case by GitHub, with case by Entra; reports differ
// on whose spelling the token carries (Azure/login#492, Azure/login#515), so that both are listed.
func (s scope) environment(c *collection, name, reason string) {
	c.exact("environment:"+escape(name), reason)
	for _, existing := range s.f.engine.options.Environments {
		if existing != name && strings.EqualFold(existing, name) {
			c.exact("environment:"+escape(existing), "the environment exists in this spelling, the job writes "+name)
		}
	}
}

// likely lists values that an open text is sure to have: an input's default, environments that exist.
func (s scope) likely(v value) []string {
	before, p, after, ok := v.single()
	if !ok || p.view != whole {
		return nil
	}
	var out []string
	for _, k := range p.symbol.known {
		if k != "" && p.symbol.lang.contains(k) {
			out = append(out, before+k+after)
		}
	}
	for _, name := range s.f.engine.options.Environments {
		middle, ok := strings.CutPrefix(name, before)
		if !ok {
			continue
		}
		if middle, ok = strings.CutSuffix(middle, after); ok && middle != "" && p.symbol.lang.contains(middle) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// expand gives all texts that a value can be, or where they are too many patterns for them.
func (s scope) expand(v value) (exact, patterns []string) {
	exact = []string{""}
	finite := true
	for _, p := range v.parts {
		texts, ok := s.texts(p)
		finite = finite && ok
		var next []string
		for _, before := range exact {
			for _, t := range texts {
				next = append(next, before+t)
			}
		}
		if len(next) > maxConcrete {
			return nil, []string{"*"}
		}
		exact = next
	}
	if finite {
		return exact, nil
	}
	return nil, exact
}

// texts gives the texts of a part, or patterns and false.
func (s scope) texts(p part) ([]string, bool) {
	if p.symbol == nil {
		return []string{p.text}, true
	}
	l := s.w.lore.list(p.symbol)
	if p.view == refName {
		for i, t := range l.texts {
			l.texts[i] = shortRef(t)
		}
	}
	return l.texts, l.finite
}

// references adds the subject of a job without an environment.
func (s scope) references(c *collection) {
	t := s.w.trigger
	if t.pulls {
		c.exact("pull_request", t.reason)
		if t.event != "pull_request" {
			c.pattern("ref:refs/pull/*/merge", t.event+" runs on the merge of the pull request")
		}
		return
	}
	sym := s.refSymbol()
	if t.event == "" {
		c.unbounded(t.reason)
		return
	}
	l := s.w.lore.list(sym)
	for _, text := range l.texts {
		if l.finite {
			c.exact("ref:"+escape(text), t.reason)
		} else {
			c.pattern("ref:"+escape(narrow(text)), t.reason)
		}
	}
	if l.finite {
		return
	}
	for _, r := range s.f.root().knownRefs() {
		if sym.lang.contains(r) {
			c.exact("ref:"+escape(r), t.reason+", the default branch among them")
		}
	}
}

// narrow writes "some text" as * rather than ?*, as people do: no name is empty after its beginning.
func narrow(pattern string) string {
	return strings.ReplaceAll(pattern, "?*", "*")
}
