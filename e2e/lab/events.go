package lab

import (
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"

	"github.com/unsecret-dev/unsecret/e2e/lab/simulate"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// Events gives one event, or some, for everything that each workflow on the default branch listens to: a push for each
// branch and tag filter (a wildcard is filled in), a run for each cron line, a dispatch for each option. The world's
// lock is held by the caller. A file that cannot be read listens to nothing.
func Events(w *world.World, r *world.Repo) []simulate.Event {
	var events []simulate.Event
	files := r.Files(r.DefaultBranch)
	for _, path := range sortedKeys(files) {
		if !isWorkflow(path) {
			continue
		}
		for _, t := range triggersOf(files[path]) {
			for _, e := range t.events(r) {
				e.Workflow = path
				events = append(events, e)
			}
		}
	}
	return events
}

// isWorkflow says whether GitHub reads a path as a workflow: directly in .github/workflows, .yml or .yaml.
func isWorkflow(path string) bool {
	name, ok := strings.CutPrefix(path, ".github/workflows/")
	return ok && !strings.Contains(name, "/") && (strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".yaml"))
}

// trigger is one event that a workflow listens to, with its settings.
type trigger struct {
	name string
	conf *yaml.Node
}

// triggersOf reads on: a name, a list of names or a map.
func triggersOf(text []byte) []trigger {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil || len(doc.Content) == 0 {
		return nil
	}
	on := member(doc.Content[0], "on")
	if on == nil {
		return nil
	}
	var out []trigger
	switch on.Kind {
	case yaml.ScalarNode:
		out = append(out, trigger{name: on.Value})
	case yaml.SequenceNode:
		for _, n := range on.Content {
			out = append(out, trigger{name: n.Value})
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(on.Content); i += 2 {
			out = append(out, trigger{name: on.Content[i].Value, conf: on.Content[i+1]})
		}
	}
	return out
}

// member gives the value of a key of a mapping, or nil.
func member(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// scalars gives a text, or the texts of a list.
func scalars(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	var out []string
	for _, c := range n.Content {
		if c.Kind == yaml.ScalarNode {
			out = append(out, c.Value)
		}
	}
	return out
}

func (t trigger) events(r *world.Repo) []simulate.Event {
	switch t.name {
	case "workflow_call":
		return nil // happens to the caller
	case "push":
		return t.pushes(r)
	case "schedule":
		return t.schedules()
	case "workflow_dispatch":
		return t.dispatches(r)
	case "pull_request", "pull_request_target", "merge_group":
		return t.basesOf(r)
	}
	types := scalars(member(t.conf, "types"))
	if len(types) == 0 {
		return []simulate.Event{{Name: t.name}}
	}
	var out []simulate.Event
	for _, typ := range types {
		out = append(out, simulate.Event{Name: t.name, Type: example(typ)})
	}
	return out
}

// pushes gives a push for each filter, or for the default branch and, where nothing limits it, a tag.
func (t trigger) pushes(r *world.Repo) []simulate.Event {
	branches, tags := scalars(member(t.conf, "branches")), scalars(member(t.conf, "tags"))
	var refs []string
	for _, b := range branches {
		if !strings.HasPrefix(b, "!") {
			refs = append(refs, "refs/heads/"+example(b))
		}
	}
	for _, tag := range tags {
		if !strings.HasPrefix(tag, "!") {
			refs = append(refs, "refs/tags/"+example(tag))
		}
	}
	if len(branches)+len(tags) == 0 {
		refs = []string{"refs/heads/" + r.DefaultBranch, "refs/heads/feature/lab"}
		if member(t.conf, "branches-ignore") == nil {
			refs = append(refs, "refs/tags/v1.0.0")
		}
	}
	var out []simulate.Event
	for _, ref := range refs {
		out = append(out, simulate.Event{Name: "push", Ref: ref})
	}
	return out
}

func (t trigger) basesOf(r *world.Repo) []simulate.Event {
	bases := scalars(member(t.conf, "branches"))
	if len(bases) == 0 {
		bases = []string{r.DefaultBranch}
	}
	var out []simulate.Event
	for _, b := range bases {
		if !strings.HasPrefix(b, "!") {
			out = append(out, simulate.Event{Name: t.name, Base: example(b)})
		}
	}
	return out
}

func (t trigger) schedules() []simulate.Event {
	var out []simulate.Event
	if t.conf != nil {
		for _, line := range t.conf.Content {
			if cron := member(line, "cron"); cron != nil {
				out = append(out, simulate.Event{Name: "schedule", Type: cron.Value})
			}
		}
	}
	return out
}

// dispatches gives one dispatch for each option of each choice, the other inputs at their defaults.
func (t trigger) dispatches(r *world.Repo) []simulate.Event {
	out := []simulate.Event{{Name: "workflow_dispatch", Inputs: map[string]string{}}}
	inputs := member(t.conf, "inputs")
	if inputs == nil || inputs.Kind != yaml.MappingNode {
		return out
	}
	defaults := map[string]string{}
	choices := map[string][]string{}
	for i := 0; i+1 < len(inputs.Content); i += 2 {
		name, conf := inputs.Content[i].Value, inputs.Content[i+1]
		choices[name] = optionsOf(conf, r)
		if v, ok := startValue(name, conf, choices[name]); ok {
			defaults[name] = v
		}
	}
	out[0].Inputs = defaults
	for _, name := range sortedKeys(choices) {
		for _, option := range choices[name] {
			if option == defaults[name] {
				continue
			}
			inputs := map[string]string{name: option}
			for n, d := range defaults {
				if n != name {
					inputs[n] = d
				}
			}
			out = append(out, simulate.Event{Name: "workflow_dispatch", Inputs: inputs})
		}
	}
	return out
}

// startValue is an input's default, or what a person would choose where one must be given.
func startValue(name string, input *yaml.Node, options []string) (string, bool) {
	if d := member(input, "default"); d != nil && (len(options) == 0 || slices.Contains(options, d.Value)) {
		return d.Value, true
	}
	if len(options) > 0 {
		return options[0], true
	}
	if required := member(input, "required"); required == nil || required.Value != "true" {
		return "", false
	}
	kind := ""
	if n := member(input, "type"); n != nil {
		kind = n.Value
	}
	switch {
	case kind == "boolean":
		return "false", true
	case kind == "number":
		return "1", true
	case strings.Contains(strings.ToLower(name), "env"):
		return "production", true
	}
	return "lab", true
}

func optionsOf(input *yaml.Node, r *world.Repo) []string {
	kind := ""
	if n := member(input, "type"); n != nil {
		kind = n.Value
	}
	switch kind {
	case "choice":
		return scalars(member(input, "options"))
	case "environment":
		var names []string
		for _, e := range r.Environments {
			names = append(names, e.Name)
		}
		slices.Sort(names)
		return names
	}
	return nil
}

// example fills in the wildcards of a filter, so that it matches.
func example(filter string) string {
	filter = strings.NewReplacer("**", "1", "*", "1", "[0-9]+", "1", "[0-9]", "1").Replace(filter)
	return strings.TrimSuffix(strings.TrimSuffix(filter, "+"), "?")
}
