package subject

import (
	"slices"
	"strings"

	"github.com/rhysd/actionlint"
)

// trigger is one way in which a workflow starts: an event with the references that it can be for.
type trigger struct {
	event  string
	ref    language // github.ref
	base   language // github.base_ref, for pull requests
	reason string
	pulls  bool // the subject is pull_request, not the reference
	types  []string
	crons  []string
	inputs map[string]*actionlint.DispatchInput
	note   string // general remark
}

// defaultBranchEvents run on the default branch (github/docs: Events that trigger workflows, GITHUB_REF).
var defaultBranchEvents = []string{
	"branch_protection_rule", "check_run", "check_suite", "delete", "discussion", "discussion_comment", "fork", "gollum",
	"image_version", "issue_comment", "issues", "label", "member", "milestone", "page_build", "project", "project_card", "project_column",
	"public", "repository_dispatch", "schedule", "status", "watch", "workflow_run",
}

// otherEvents are the known ones that run elsewhere and are not about a pull request.
var otherEvents = []string{"create", "deployment", "deployment_status", "merge_group", "push", "registry_package", "release", "workflow_dispatch"}

// Globs of whole references.
var (
	headsPrefix = literal("refs/heads/")
	tagsPrefix  = literal("refs/tags/")
	anyHead     = concat(headsPrefix, someText)
	anyTag      = concat(tagsPrefix, someText)
	pullMerge   = concat(literal("refs/pull/"), digits, literal("/merge"))
	hexDigits   = glob{{runes: []rune("0123456789abcdef")}, {runes: []rune("0123456789abcdef"), rep: star}}
	queueEnd    = concat(anyText, literal("/pr-"), digits, literal("-"), hexDigits)
	segment     = glob{{runes: []rune("/"), not: true}, {runes: []rune("/"), not: true, rep: star}}
	digits      = glob{{runes: []rune("0123456789")}, {runes: []rune("0123456789"), rep: star}}
)

// triggersOf lists the triggers of a workflow but workflow_call, in the order of the file.
func triggersOf(w *actionlint.Workflow, defaultBranch string) []trigger {
	var out []trigger
	for _, e := range w.On {
		switch e := e.(type) {
		case *actionlint.WebhookEvent:
			out = append(out, webhookTriggers(e, defaultBranch)...)
		case *actionlint.ScheduledEvent:
			t := onDefaultBranch("schedule", defaultBranch)
			for _, s := range e.Schedules {
				t.crons = append(t.crons, s.Cron.Value)
			}
			out = append(out, t)
		case *actionlint.WorkflowDispatchEvent:
			out = append(out, dispatchTriggers(e)...)
		case *actionlint.RepositoryDispatchEvent:
			t := onDefaultBranch("repository_dispatch", defaultBranch)
			t.types = values(e.Types)
			out = append(out, t)
		case *actionlint.WorkflowCallEvent:
		default:
			out = append(out, onDefaultBranch(e.EventName(), defaultBranch))
		}
	}
	return out
}

func values(list []*actionlint.String) []string {
	var out []string
	for _, s := range list {
		if s != nil {
			out = append(out, s.Value)
		}
	}
	return out
}

// onDefaultBranch is an event whose runs are always for the default branch. Where that is not known it can be any.
func onDefaultBranch(event, branch string) trigger {
	if branch == "" {
		return trigger{event: event, ref: oneOf(anyHead), reason: event + " runs on the default branch, whose name is not known"}
	}
	return trigger{event: event, ref: oneOf(literal("refs/heads/" + branch)), reason: event + " runs on the default branch"}
}

// dispatchTriggers: whoever starts the workflow chooses the branch or tag.
func dispatchTriggers(e *actionlint.WorkflowDispatchEvent) []trigger {
	const reason = "workflow_dispatch can be started on any "
	return []trigger{
		{event: "workflow_dispatch", ref: oneOf(anyHead), reason: reason + "branch", inputs: e.Inputs},
		{event: "workflow_dispatch", ref: oneOf(anyTag), reason: reason + "tag", inputs: e.Inputs},
	}
}

func webhookTriggers(e *actionlint.WebhookEvent, defaultBranch string) []trigger {
	name := e.Hook.Value
	switch name {
	case "push":
		return pushTriggers(e)
	case "pull_request", "pull_request_review", "pull_request_review_comment":
		return pullRequestTriggers(e)
	case "pull_request_target":
		return targetTriggers(e, defaultBranch)
	case "merge_group":
		return mergeGroupTriggers(e)
	case "release":
		return []trigger{{event: name, ref: oneOf(anyTag), reason: "release runs on the release's tag", types: values(e.Types)}}
	case "create", "deployment", "deployment_status", "registry_package":
		return anyRef(e, name+" runs on the branch or tag that it is about")
	}
	if slices.Contains(defaultBranchEvents, name) {
		t := onDefaultBranch(name, defaultBranch)
		t.types = values(e.Types)
		return []trigger{t}
	}
	return anyRef(e, "the event "+name+" is not known, so that it may run on any reference")
}

func anyRef(e *actionlint.WebhookEvent, reason string) []trigger {
	types := values(e.Types)
	return []trigger{
		{event: e.Hook.Value, ref: oneOf(anyHead), reason: reason, types: types},
		{event: e.Hook.Value, ref: oneOf(anyTag), reason: reason, types: types},
	}
}

// pushTriggers: with a filter for branches only, tags do not start the workflow, and the other way round
// (github/docs: Workflow syntax, on.push).
func pushTriggers(e *actionlint.WebhookEvent) []trigger {
	heads := !e.Branches.IsEmpty() || !e.BranchesIgnore.IsEmpty()
	tags := !e.Tags.IsEmpty() || !e.TagsIgnore.IsEmpty()
	var out []trigger
	if heads || !tags {
		out = append(out, filtered("push", "branch", headsPrefix, e.Branches, e.BranchesIgnore)...)
	}
	if tags || !heads {
		out = append(out, filtered("push", "tag", tagsPrefix, e.Tags, e.TagsIgnore)...)
	}
	return out
}

// filtered gives one trigger for each positive pattern of a filter.
func filtered(event, what string, prefix glob, only, ignore *actionlint.WebhookEventFilter) []trigger {
	if !only.IsEmpty() && tooMany(only) {
		return []trigger{{event: event, ref: oneOf(concat(prefix, someText)), reason: event + " to any " + what + ": the filter has too many patterns to follow"}}
	}
	if only.IsEmpty() {
		l := oneOf(concat(prefix, someText))
		reason := event + " to any " + what
		if !ignore.IsEmpty() && !tooMany(ignore) {
			l = l.without(filterGlobs(prefix, values(ignore.Values)...)...)
			reason += " but " + strings.Join(values(ignore.Values), ", ")
		}
		return []trigger{{event: event, ref: l, reason: reason}}
	}
	var out []trigger
	for _, p := range positives(values(only.Values)) {
		l := oneOf(filterGlobs(prefix, p.pattern)...)
		if filterGlob(p.pattern).match("") {
			l = l.and(concat(prefix, someText)) // no name is empty
		}
		reason := event + " to " + what + " " + p.pattern
		if len(p.except) > 0 {
			l = l.without(filterGlobs(prefix, p.except...)...)
			reason += " but " + strings.Join(p.except, ", ")
		}
		out = append(out, trigger{event: event, ref: l, reason: reason})
	}
	return out
}

// tooMany tells whether a filter is too large to be followed; it then counts as none, which bounds less.
func tooMany(f *actionlint.WebhookEventFilter) bool {
	return len(f.Values) > maxPatterns ||
		slices.ContainsFunc(f.Values, func(s *actionlint.String) bool { return s != nil && len(s.Value) > maxPattern })
}

// positive is one pattern of a filter with the negative patterns that stand after it: in a filter the
// last pattern that matches decides (github/docs: Workflow syntax, including and excluding branches).
type positive struct {
	pattern string
	except  []string
}

func positives(patterns []string) []positive {
	var out []positive
	for _, p := range patterns {
		if negative, ok := strings.CutPrefix(p, "!"); ok {
			for i := range out {
				out[i].except = append(out[i].except, negative)
			}
			continue
		}
		out = append(out, positive{pattern: p})
	}
	return out
}

// baseTriggers reads the branches filter of pull requests, which is about the base branch.
func baseTriggers(e *actionlint.WebhookEvent) []trigger {
	event := e.Hook.Value
	out := slices.DeleteFunc(filtered(event, "base branch", nil, e.Branches, e.BranchesIgnore), func(t trigger) bool { return t.ref.empty() })
	for i := range out {
		out[i].base = out[i].ref
		out[i].types = values(e.Types)
		out[i].reason = strings.Replace(out[i].reason, event+" to", event+" for", 1)
	}
	return out
}

// defaultPullTypes are the activities that start a pull_request workflow without types (github/docs: Events).
var defaultPullTypes = []string{"opened", "synchronize", "reopened"}

func pullRequestTriggers(e *actionlint.WebhookEvent) []trigger {
	out := baseTriggers(e)
	for i := range out {
		out[i].ref = oneOf(pullMerge)
		out[i].pulls = true
		if e.Hook.Value != "pull_request" {
			out[i].note = e.Hook.Value + ": that its subject is pull_request is taken from pull_request; no document says so of this event"
			continue
		}
		if len(out[i].types) == 0 {
			out[i].types = defaultPullTypes
		}
	}
	return out
}

// targetNote warns of pull_request_target.
const targetNote = "pull_request_target runs with the repository's rights also for pull requests from forks; never check out or run their code in a job that signs in. " +
	"Before December 2025, and on older Enterprise Servers, its subject has the pull request's base branch"

// targetTriggers: since 8 December 2025 pull_request_target runs for the default branch, whatever the pull
// request's base (GitHub changelog of 7 November 2025).
func targetTriggers(e *actionlint.WebhookEvent, defaultBranch string) []trigger {
	out := baseTriggers(e)
	for i := range out {
		out[i].ref = onDefaultBranch(e.Hook.Value, defaultBranch).ref
		out[i].reason += ", which runs on the default branch"
		out[i].note = targetNote
		if len(out[i].types) == 0 {
			out[i].types = defaultPullTypes
		}
	}
	return out
}

func prefixed(prefix string, names []string) []glob {
	out := make([]glob, 0, len(names))
	for _, n := range names {
		out = append(out, literal(prefix+n))
	}
	return out
}

// mergeGroupTriggers: the queue's branch carries the number of the pull request and a commit, so that it is never
// known beforehand (Azure/azure-cli#32816).
func mergeGroupTriggers(e *actionlint.WebhookEvent) []trigger {
	var out []trigger
	for _, t := range baseTriggers(e) {
		t.reason = "merge_group runs on a branch of the merge queue"
		base := t.base
		t.base = language{}
		t.ref = language{}
		for _, c := range base.clauses {
			globs := make([]glob, 0, len(c.globs))
			for _, g := range c.globs {
				globs = append(globs, concat(literal("refs/heads/gh-readonly-queue/"), g, literal("/pr-"), segment))
			}
			t.ref.clauses = append(t.ref.clauses, clause{globs: globs, not: c.not})
		}
		t.ref.clauses = append(t.ref.clauses, clause{globs: []glob{queueEnd}, guard: true})
		out = append(out, t)
	}
	return out
}
