package simulate

import (
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// maxDispatches bounds the combinations of a workflow_dispatch's choices.
const maxDispatches = 64

// Events gives a finite set of events that stands for everything that can start a workflow: each literal branch and
// tag, each that exists, a sample for each wildcard, each combination of a dispatch's choices, pull requests of
// the repository, of a fork and of Dependabot, each schedule, each activity type. An event whose ref is invented says
// so. A file that cannot be read, or that only other workflows call, has none.
func (s *Simulator) Events(repository, workflowPath string) ([]Event, error) {
	p, err := s.find(repository)
	if err != nil {
		return nil, err
	}
	oid := s.files(p.full, p.commit("refs/heads/"+p.defaultBranch))[workflowPath]
	if oid == "" {
		return nil, nil
	}
	wf := s.workflow(p.full, workflowPath, oid)
	var out []Event
	for _, t := range wf.on {
		if t.event == "workflow_dispatch" {
			out = append(out, p.dispatches(t, wf.comparisons())...)
			continue
		}
		out = append(out, p.eventsOf(t)...)
	}
	for i := range out {
		out[i].Workflow = workflowPath
	}
	return out, nil
}

func (p *project) eventsOf(t trigger) []Event {
	switch t.event {
	case "push":
		return p.pushes(t)
	case "pull_request":
		return p.pullRequests(t)
	case "schedule":
		return schedules(t)
	case "release":
		return p.releases(t)
	case "pull_request_target", "merge_group":
		var out []Event
		for _, n := range p.samples(t, "branches") {
			// The ref of a merge group names a pull request and a commit; pull_request_target runs at the default branch.
			out = append(out, p.types(t, Event{Name: t.event, Base: n.name, Sample: t.event == "merge_group"})...)
		}
		return out
	case "workflow_run":
		var out []Event
		for _, n := range p.samples(t, "branches") {
			out = append(out, p.types(t, Event{Name: t.event, Ref: "refs/heads/" + n.name})...)
		}
		return out
	case "workflow_call":
		return nil
	}
	return p.types(t, Event{Name: t.event})
}

// types makes one event for each activity type that the trigger names.
func (p *project) types(t trigger, ev Event) []Event {
	types := t.conf.get("types").strings()
	if len(types) == 0 {
		return []Event{ev}
	}
	var out []Event
	for _, typ := range types {
		one := ev
		one.Type = typ
		if t.event == "repository_dispatch" {
			one.Type = sample(typ, "sample")
		}
		out = append(out, one)
	}
	return out
}

func (p *project) pushes(t trigger) []Event {
	var out []Event
	if t.has("branches") || !t.has("tags") {
		for _, n := range p.samples(t, "branches") {
			out = append(out, Event{Name: "push", Ref: "refs/heads/" + n.name, Sample: n.invented})
		}
	}
	if t.has("tags") || !t.has("branches") {
		for _, n := range p.samples(t, "tags") {
			out = append(out, Event{Name: "push", Ref: "refs/tags/" + n.name, Sample: n.invented})
		}
	}
	return out
}

func (p *project) releases(t trigger) []Event {
	var out []Event
	for _, n := range p.samples(trigger{}, "tags") {
		out = append(out, p.types(t, Event{Name: t.event, Ref: "refs/tags/" + n.name, Sample: n.invented})...)
	}
	return out
}

func (p *project) pullRequests(t trigger) []Event {
	var out []Event
	for _, n := range p.samples(t, "branches") {
		own := Event{Name: "pull_request", Ref: "refs/heads/feature", Base: n.name}
		out = append(out, p.types(t, own)...)
		fork, bot := own, own
		fork.Fork, bot.Actor = true, dependabot
		out = append(out, fork, bot)
	}
	return out
}

// sampled is a branch or tag that a filter lets through.
type sampled struct {
	name     string
	invented bool
}

// maxExisting bounds how many existing branches or tags are taken.
const maxExisting = 20

// samples gives the names that a filter lets through: its literals, what exists, and one for each wildcard; without a
// filter one invented name besides what exists.
func (p *project) samples(t trigger, filter string) []sampled {
	var out []sampled
	add := func(name string, invented bool) bool {
		if !t.matches(filter, name) {
			return false
		}
		if !slices.ContainsFunc(out, func(s sampled) bool { return s.name == name }) {
			out = append(out, sampled{name, invented})
		}
		return true
	}
	patterns := t.conf.get(filter).strings()
	for _, pattern := range patterns {
		if !strings.ContainsAny(pattern, `!*?+[\`) {
			add(pattern, false)
		}
	}
	for _, name := range p.existing(filter) {
		add(name, false)
	}
	for _, pattern := range patterns {
		// A later ! may take the first sample out again.
		if strings.ContainsAny(pattern, `*?+[\`) && !strings.HasPrefix(pattern, "!") && !add(sample(pattern, "sample"), true) {
			add(sample(pattern, "other"), true)
		}
	}
	if t.conf.get(filter) == nil {
		add(map[string]string{"branches": "feature/sample", "tags": "v1.0.0"}[filter], true)
	}
	return out
}

// existing lists the branches or tags of the repository, the default branch first.
func (p *project) existing(filter string) []string {
	prefix := map[string]string{"branches": "refs/heads/", "tags": "refs/tags/"}[filter]
	var out []string
	if filter == "branches" {
		out = append(out, p.defaultBranch)
	}
	for _, ref := range sortedKeys(p.refs) {
		if name, ok := strings.CutPrefix(ref, prefix); ok && len(out) < maxExisting {
			out = append(out, name)
		}
	}
	return out
}

var class = lazy.Regexp(`\[([^\]]+)\]\+?`)

// sample makes a name that a pattern matches, with a filler for its wildcards.
func sample(pattern, filler string) string {
	out := class().ReplaceAllStringFunc(pattern, func(m string) string { return m[1:2] })
	out = strings.ReplaceAll(out, "**/", "")
	out = strings.ReplaceAll(out, "**", filler)
	out = strings.ReplaceAll(out, "*", filler)
	return strings.NewReplacer("+", "", "?", "", `\`, "").Replace(out)
}

func schedules(t trigger) []Event {
	if t.conf == nil || len(t.conf.items) == 0 {
		return []Event{{Name: "schedule"}}
	}
	var out []Event
	for _, item := range t.conf.items {
		out = append(out, Event{Name: "schedule", Type: item.get("cron").str()})
	}
	return out
}

// dispatches is every combination of choices and booleans, up to a bound, on the default branch, and the first of them
// on the other branches; texts get their default or a sample.
func (p *project) dispatches(t trigger, compared map[string][]string) []Event {
	combos := []map[string]string{{}}
	defs := t.conf.get("inputs")
	if defs != nil {
		for _, d := range defs.pairs {
			combos = spreadInput(combos, d.key, p.choices(d.value, compared[strings.ToLower(d.key)]))
		}
	}
	var out []Event
	for _, c := range combos {
		out = append(out, Event{Name: "workflow_dispatch", Inputs: c})
	}
	for _, n := range p.samples(trigger{}, "branches")[1:] {
		out = append(out, Event{Name: "workflow_dispatch", Ref: "refs/heads/" + n.name, Inputs: combos[0], Sample: n.invented})
	}
	return out
}

// comparisons lists the texts that conditions compare each input with, by the input's lower-case name: a job that
// asks for the word DESTROY runs only when somebody types it.
func (wf *workflow) comparisons() map[string][]string {
	out := map[string][]string{}
	collect := func(cond string) {
		e, err := parseCondition(cond)
		if err == nil {
			compared(e, out)
		}
	}
	for _, j := range wf.jobs {
		collect(j.cond)
		for _, s := range j.steps {
			collect(s.cond)
		}
	}
	return out
}

func compared(e expr, out map[string][]string) {
	switch x := e.(type) {
	case not:
		compared(x.of, out)
	case binary:
		compared(x.l, out)
		compared(x.r, out)
		for _, pair := range [][2]expr{{x.l, x.r}, {x.r, x.l}} {
			of, isIndex := pair[0].(index)
			lit, isLiteral := pair[1].(literal)
			if !isIndex || !isLiteral || x.op != "==" && x.op != "!=" {
				continue
			}
			key, _ := of.key.(literal)
			name, word := strings.ToLower(text(key.v)), text(lit.v)
			if word != "" && !slices.Contains(out[name], word) {
				out[name] = append(out[name], word)
			}
		}
	}
}

// choices lists an input's values, the default first. compared are the texts that conditions compare it with.
func (p *project) choices(d *node, compared []string) []string {
	def := d.get("default").str()
	switch d.get("type").str() {
	case "boolean":
		if def == "true" {
			return []string{"true", "false"}
		}
		return []string{"false", "true"}
	case "choice":
		out := []string{}
		for _, o := range d.get("options").strings() {
			if o == def {
				out = append([]string{o}, out...)
				continue
			}
			out = append(out, o)
		}
		return out
	case "environment":
		out := []string{}
		for _, k := range sortedKeys(p.environments) {
			out = append(out, p.environments[k])
		}
		if len(out) == 0 {
			return []string{orElse(def, "production")}
		}
		return out
	case "number":
		return []string{orElse(def, "1")}
	}
	if def == "" && d.get("required").str() == "true" {
		def = "sample"
	}
	out := []string{def}
	for _, c := range compared {
		if c != def {
			out = append(out, c)
		}
	}
	return out
}

// spreadInput multiplies as long as the bound allows; after that every value still occurs once, with the first
// values of the other inputs.
func spreadInput(combos []map[string]string, name string, values []string) []map[string]string {
	if len(values) == 0 {
		return combos
	}
	var out []map[string]string
	if len(combos)*len(values) <= maxDispatches {
		for _, c := range combos {
			for _, v := range values {
				out = append(out, withInput(c, name, v))
			}
		}
		return out
	}
	for _, c := range combos {
		out = append(out, withInput(c, name, values[0]))
	}
	for _, v := range values[1:] {
		out = append(out, withInput(combos[0], name, v))
	}
	return out
}

func withInput(c map[string]string, name, v string) map[string]string {
	out := map[string]string{name: v}
	for k, old := range c {
		out[k] = old
	}
	return out
}
