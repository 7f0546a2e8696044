package subject

import (
	"slices"
	"strings"
)

// github gives a value of the github context (github/docs: Contexts reference).
func (s scope) github(path []string) value {
	t := s.w.trigger
	switch path[0] {
	case "event_name":
		if t.event == "" {
			return s.open("github.event_name", false)
		}
		return textValue(t.event)
	case "ref":
		return s.ref(whole)
	case "ref_name":
		return s.ref(refName)
	case "ref_type":
		return s.refType()
	case "base_ref":
		return s.baseRef()
	case "head_ref":
		return s.headRef()
	case "repository", "repository_owner":
		return s.repository(path[0])
	case "workflow":
		return s.workflowName()
	case "actor", "triggering_actor":
		return symbolValue(s.w.symbol("github."+path[0], func() *symbol { return &symbol{lang: oneOf(someText)} }), whole)
	case "event":
		return s.event(path[1:])
	default:
		return s.open("github."+strings.Join(path, "."), true)
	}
}

func (s scope) refSymbol() *symbol {
	return s.w.symbol("github.ref", func() *symbol {
		if len(s.w.trigger.ref.clauses) == 0 {
			return &symbol{lang: oneOf(anyText)}
		}
		return &symbol{lang: s.w.trigger.ref, known: s.f.root().knownRefs()}
	})
}

func (s scope) ref(v view) value {
	sym := s.refSymbol()
	if ref, ok := exactly(sym.lang); ok {
		if v == refName {
			return textValue(shortRef(ref))
		}
		return textValue(ref)
	}
	return symbolValue(sym, v)
}

// exactly gives the text of a language that was made from one literal.
func exactly(l language) (string, bool) {
	if len(l.clauses) != 1 || l.clauses[0].not || len(l.clauses[0].globs) != 1 {
		return "", false
	}
	var b strings.Builder
	for _, e := range l.clauses[0].globs[0] {
		r, ok := e.single()
		if !ok {
			return "", false
		}
		b.WriteRune(r)
	}
	return b.String(), true
}

func shortRef(ref string) string {
	for _, prefix := range []string{"refs/heads/", "refs/tags/", "refs/pull/"} {
		if name, ok := strings.CutPrefix(ref, prefix); ok {
			return name
		}
	}
	return ref
}

func (s scope) refType() value {
	switch s.w.ask(s.refSymbol(), []glob{anyTag}) {
	case yes:
		return textValue("tag")
	case no:
		return textValue("branch")
	default:
		return unknownValue
	}
}

// isPull tells whether the event is about a pull request, so that head and base are set.
func (t trigger) isPull() bool { return strings.HasPrefix(t.event, "pull_request") }

func (s scope) baseRef() value {
	switch {
	case s.w.trigger.isPull():
		sym := s.w.symbol("github.base_ref", func() *symbol {
			return &symbol{lang: s.w.trigger.base, known: s.f.root().knownBranches()}
		})
		if name, ok := exactly(sym.lang); ok {
			return textValue(name)
		}
		return symbolValue(sym, whole)
	case s.w.trigger.event == "", s.w.trigger.event == "merge_group": // documented for pull requests only
		return s.open("github.base_ref", false)
	default:
		return textValue("")
	}
}

func (s scope) headRef() value {
	if !s.w.trigger.isPull() && s.w.trigger.event != "" {
		return textValue("")
	}
	return symbolValue(s.w.symbol("github.head_ref", func() *symbol {
		if s.w.trigger.event == "" {
			return &symbol{lang: oneOf(anyText)}
		}
		return &symbol{lang: oneOf(someText)}
	}), whole)
}

func (s scope) repository(name string) value {
	repo := string(s.f.root().repository)
	owner, _, _ := strings.Cut(repo, "/")
	switch {
	case repo == "" || s.w.trigger.event == "":
		return s.open("github."+name, false)
	case name == "repository":
		return textValue(repo)
	default:
		return textValue(owner)
	}
}

func (s scope) workflowName() value {
	root := s.f.root()
	switch {
	case s.w.trigger.event == "":
		return s.open("github.workflow", false)
	case root.workflow.Name != nil && !strings.Contains(root.workflow.Name.Value, "${{"):
		return textValue(root.workflow.Name.Value)
	case root.path != "":
		return textValue(root.path)
	default:
		return s.open("github.workflow", false)
	}
}

// event gives a value of the event's payload.
func (s scope) event(path []string) value {
	t := s.w.trigger
	joined := strings.Join(path, ".")
	switch {
	case t.event == "":
	case joined == "action" && len(t.types) > 0:
		return s.oneText("github.event.action", t.types)
	case joined == "schedule" && t.event == "schedule" && len(t.crons) > 0:
		return s.oneText("github.event.schedule", t.crons)
	case joined == "schedule" && t.event != "schedule", joined == "action" && t.event == "push":
		return nullValue
	case len(path) == 2 && path[0] == "inputs" && t.event == "workflow_dispatch" && s.f.parent == nil:
		return s.dispatched(path[1]).text()
	case len(path) == 2 && path[0] == "inputs" && t.event == "workflow_dispatch":
		return scope{w: s.w, f: s.f.root(), depth: s.depth}.dispatched(path[1]).text()
	case len(path) >= 1 && path[0] == "inputs":
		return nullValue
	case joined == "repository.default_branch" && s.f.root().defaultBranch != "":
		return textValue(s.f.root().defaultBranch)
	case joined == "repository.full_name":
		return s.repository("repository")
	case joined == "pull_request.base.ref" && t.isPull():
		return s.baseRef()
	case joined == "pull_request.head.ref" && t.isPull():
		return s.headRef()
	case joined == "pull_request" && t.isPull():
		return opaqueValue
	case len(path) >= 1 && path[0] == "pull_request" && !t.isPull():
		return s.noPullRequest(joined)
	case joined == "ref" && t.event == "push":
		return s.ref(whole)
	case joined == "release.tag_name" && t.event == "release":
		return s.ref(refName)
	}
	return s.open("github.event."+joined, true)
}

// noPullRequest: the payload of other known events has no pull_request (github/docs: Webhook events and payloads).
// A comment's issue may be a pull request, so that nothing is concluded from that.
func (s scope) noPullRequest(joined string) value {
	event := s.w.trigger.event
	known := slices.Contains(defaultBranchEvents, event) || slices.Contains(otherEvents, event)
	if !known || strings.HasPrefix(event, "issue") {
		return s.open("github.event."+joined, true)
	}
	return nullValue
}
