package simulate

import (
	"fmt"
	"strings"
)

// place is where an event's run happens.
type place struct {
	ref     string // github.ref
	commit  string // whose workflow files run
	head    string // github.head_ref
	base    string // github.base_ref
	number  string // of the pull request
	context string // the subject's context when no environment is named
}

// locate decides the ref and the commit of an event (github/docs, "Events that trigger workflows").
func (p *project) locate(ev Event) (place, error) {
	main := "refs/heads/" + p.defaultBranch
	ref := orElse(ev.Ref, main)
	if !strings.HasPrefix(ref, "refs/") {
		return place{}, fmt.Errorf("ref %q of the event %s is not a full ref such as refs/heads/main", ev.Ref, ev.Name)
	}
	base := orElse(strings.TrimPrefix(ev.Base, "refs/heads/"), p.defaultBranch)
	at := place{ref: main, commit: p.commit(main)}
	switch ev.Name {
	case "push", "workflow_dispatch", "create":
		at.ref, at.commit = ref, p.commit(ref)
	case "release":
		at.ref = orElse(ev.Ref, "refs/tags/v1.0.0")
		at.commit = p.commit(at.ref)
	case "pull_request", "pull_request_review", "pull_request_review_comment":
		at.ref, at.number, at.base = "refs/pull/1/merge", "1", base
		at.head = orElse(strings.TrimPrefix(ev.Ref, "refs/heads/"), "feature")
		at.commit = p.commit("refs/heads/" + base)
		if oid, ok := p.refs[ev.Ref]; ok && !ev.Fork {
			at.commit = oid
		}
		at.context = "pull_request"
	case "pull_request_target":
		// Since 8 December 2025 it runs the default branch's file, at the default branch's ref
		// (GitHub changelog 2025-11-07).
		at.number, at.base = "1", base
		at.head = orElse(strings.TrimPrefix(ev.Ref, "refs/heads/"), "feature")
	case "merge_group":
		at.base = base
		at.ref = "refs/heads/gh-readonly-queue/" + base + "/pr-1-" + strings.Repeat("0", 40)
		if strings.HasPrefix(ev.Ref, "refs/heads/gh-readonly-queue/") {
			at.ref = ev.Ref
		}
		at.commit = p.commit("refs/heads/" + base)
	case "workflow_call":
		return place{}, fmt.Errorf("workflow_call is not an event that can happen to a repository: fire the caller's event")
	}
	if at.context == "" {
		at.context = "ref:" + at.ref
	}
	return at, nil
}

// refName is github.ref_name and github.ref_type.
func (at place) refName() (name, kind string) {
	if n, ok := strings.CutPrefix(at.ref, "refs/tags/"); ok {
		return n, "tag"
	}
	if n, ok := strings.CutPrefix(at.ref, "refs/heads/"); ok {
		return n, "branch"
	}
	return strings.TrimPrefix(at.ref, "refs/pull/"), "branch"
}

// defaultTypes are the activity types that start a workflow that names none.
var defaultTypes = map[string][]string{
	"pull_request":        {"opened", "synchronize", "reopened"},
	"pull_request_target": {"opened", "synchronize", "reopened"},
	"merge_group":         {"checks_requested"},
}

// listens decides whether an event starts a workflow and with which activity type.
func (wf *workflow) listens(ev Event, at place) (activity string, ok bool) {
	t := wf.trigger(ev.Name)
	if t == nil {
		return "", false
	}
	if activity, ok = t.activity(ev); !ok {
		return "", false
	}
	switch ev.Name {
	case "push":
		return activity, t.pushed(at, ev)
	case "pull_request", "pull_request_target":
		return activity, t.matches("branches", at.base) && t.paths(ev)
	case "merge_group":
		return activity, t.matches("branches", at.base)
	case "workflow_run":
		return activity, t.matches("branches", strings.TrimPrefix(orElse(ev.Ref, at.ref), "refs/heads/"))
	}
	return activity, true
}

func (t *trigger) activity(ev Event) (string, bool) {
	types := t.conf.get("types").strings()
	if ev.Name == "schedule" || len(types) == 0 && defaultTypes[ev.Name] == nil {
		return ev.Type, true
	}
	if len(types) == 0 {
		types = defaultTypes[ev.Name]
	}
	if ev.Type == "" {
		return types[0], true
	}
	for _, typ := range types {
		if typ == ev.Type || ev.Name == "repository_dispatch" && glob(typ, ev.Type) {
			return ev.Type, true
		}
	}
	return "", false
}

// pushed applies the filters of push: with a filter for branches only, tags do not run, and the other way round.
func (t *trigger) pushed(at place, ev Event) bool {
	name, kind := at.refName()
	mine, other := "branches", "tags"
	if kind == "tag" {
		mine, other = other, mine
	}
	if !t.has(mine) && t.has(other) {
		return false
	}
	return t.matches(mine, name) && (kind == "tag" || t.paths(ev))
}

func (t *trigger) has(filter string) bool {
	return t.conf.get(filter) != nil || t.conf.get(filter+"-ignore") != nil
}

// matches applies branches and branches-ignore, or tags and tags-ignore.
func (t *trigger) matches(filter, name string) bool {
	if n := t.conf.get(filter); n != nil {
		return matchAny(n.strings(), name)
	}
	if n := t.conf.get(filter + "-ignore"); n != nil {
		return !matchAny(n.strings(), name)
	}
	return true
}

// paths applies paths and paths-ignore to the changed files, where the event tells them.
func (t *trigger) paths(ev Event) bool {
	if len(ev.Paths) == 0 {
		return true
	}
	in, out := t.conf.get("paths"), t.conf.get("paths-ignore")
	for _, p := range ev.Paths {
		if in != nil && matchAny(in.strings(), p) || in == nil && (out == nil || !matchAny(out.strings(), p)) {
			return true
		}
	}
	return false
}
