package simulate

import (
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// run is one workflow run while it is simulated.
type run struct {
	s     *Simulator
	p     *project
	wf    *workflow
	ev    Event
	at    place
	files map[string]string // actions of the repository at the run's commit
	out   *world.WorkflowRun
	jobs  int  // how many were made, to stop at maxJobs
	holds bool // a job waits for the reviewers of its environment
}

// maxJobs bounds a run over all its matrices and called workflows; GitHub allows 256 for each matrix.
const maxJobs = 1000

// runFile lets an event reach one workflow. It gives nil when the workflow does not listen.
func (s *Simulator) runFile(p *project, wf *workflow, ev Event, at place, files map[string]string) (*world.WorkflowRun, error) {
	activity, ok := wf.listens(ev, at)
	if wf.broken == nil && !ok {
		return nil, nil
	}
	ev.Type = activity
	r := &run{s: s, p: p, wf: wf, ev: ev, at: at, files: files}
	name, _ := at.refName()
	if at.head != "" {
		name = at.head
	}
	r.out = &world.WorkflowRun{
		ID: s.newNumber(), Workflow: wf.path, Name: wf.name, Event: ev.Name, Branch: name, HeadOID: at.commit,
		Status: "completed", Created: s.now(),
	}
	if err := r.execute(); err != nil {
		return nil, err
	}
	r.out.Updated = s.now()
	if r.holds {
		r.out.Status, r.out.Conclusion = "waiting", ""
	}
	return r.out, nil
}

func (r *run) execute() error {
	root := r.rootFile()
	if r.out.Message = r.refusal(root); r.out.Message != "" {
		r.out.Conclusion = "startup_failure"
		return nil
	}
	inputs, err := r.inputs()
	if err != nil {
		return err
	}
	results := r.invoke(&invocation{
		file: root, inputs: inputs, secrets: r.p.rootSecrets(r.ev), needs: newObject(),
	})
	r.out.Conclusion = conclude(results)
	return nil
}

// refusal is why GitHub does not start the run, or "".
func (r *run) refusal(root *file) string {
	problem := r.wf.broken
	if problem == nil {
		problem = r.wf.invalid
	}
	if problem == nil {
		problem = (&callCheck{s: r.s, root: root, setting: r.p.setting}).check(root, r.wf.permissions, 0)
	}
	if problem == nil {
		return ""
	}
	return problem.Error()
}

// conclude is the outcome of a set of jobs.
func conclude(results map[string]*result) string {
	out := "skipped"
	for _, res := range results {
		switch res.conclusion {
		case "failure":
			return "failure"
		case "success":
			out = "success"
		}
	}
	return out
}

// inputs reads the inputs of a workflow_dispatch, with their types and defaults.
func (r *run) inputs() (*object, error) {
	out := newObject()
	if r.ev.Name != "workflow_dispatch" {
		return out, nil
	}
	defs := r.wf.trigger("workflow_dispatch").conf.get("inputs")
	if defs.isNull() {
		return out, nil
	}
	for _, d := range defs.pairs {
		v, err := dispatchInput(d, r.ev.Inputs)
		if err != nil {
			return nil, err
		}
		out.set(d.key, v)
	}
	return out, nil
}

func dispatchInput(d pair, given map[string]string) (value, error) {
	raw, ok := d.value.get("default").str(), false
	for k, v := range given {
		if strings.EqualFold(k, d.key) {
			raw, ok = v, true
		}
	}
	typ := d.value.get("type").str()
	if !ok && raw == "" && d.value.get("required").str() == "true" && typ != "boolean" {
		return nil, says("Required input '%s' not provided", d.key)
	}
	switch typ {
	case "boolean":
		return raw == "true", nil
	case "number":
		return parseNumber(raw), nil
	case "choice":
		options := d.value.get("options").strings()
		if !ok && raw == "" && len(options) > 0 {
			raw = options[0]
		}
		for _, o := range options {
			if o == raw {
				return raw, nil
			}
		}
		return nil, says("Provided value '%s' for input '%s' not in the list of allowed values", raw, d.key)
	}
	return raw, nil
}

// github is the github context of the run's jobs.
func (r *run) github() *object {
	name, kind := r.at.refName()
	g := newObject()
	for _, kv := range [][2]string{
		{"event_name", r.ev.Name}, {"ref", r.at.ref}, {"ref_name", name}, {"ref_type", kind}, {"sha", r.at.commit},
		{"base_ref", r.at.base}, {"head_ref", r.at.head}, {"actor", r.ev.actor()}, {"triggering_actor", r.ev.actor()},
		{"repository", r.p.full}, {"repository_owner", r.p.owner}, {"repository_id", fmt.Sprint(r.p.id)},
		{"repository_owner_id", fmt.Sprint(r.p.ownerID)}, {"workflow", r.wf.name},
		{"workflow_ref", r.p.full + "/" + r.wf.path + "@" + r.at.ref}, {"workflow_sha", r.at.commit},
		{"run_id", fmt.Sprint(r.out.ID)}, {"run_number", "1"}, {"run_attempt", "1"}, {"token", "ghs_simulated"},
		{"server_url", "https://github.com"}, {"api_url", "https://api.github.com"}, {"graphql_url", "https://api.github.com/graphql"},
		{"workspace", "/home/runner/work/" + r.p.name + "/" + r.p.name}, {"retention_days", "90"},
	} {
		g.set(kv[0], kv[1])
	}
	if r.at.head == "" && r.at.base == "" {
		g.set("head_ref", "").set("base_ref", "")
	}
	g.set("ref_protected", false).set("event", r.event())
	return g
}

// event is the payload: the parts that conditions commonly ask for; what else a real payload holds is unknown.
func (r *run) event() *object {
	e := newObject()
	e.open = true
	repo := newObject().set("full_name", r.p.full).set("name", r.p.name).set("default_branch", r.p.defaultBranch).
		set("private", r.p.visibility != "public").set("visibility", r.p.visibility).set("fork", false).
		set("owner", newObject().set("login", r.p.owner).set("type", r.p.ownerType))
	repo.open = true
	e.set("repository", repo).set("sender", open(newObject().set("login", r.ev.actor())))
	if r.ev.Type != "" && r.ev.Name != "schedule" {
		e.set("action", r.ev.Type)
	}
	switch r.ev.Name {
	case "push":
		e.set("ref", r.at.ref).set("before", strings.Repeat("1", 40)).set("after", r.at.commit).
			set("created", false).set("deleted", false).set("forced", false)
	case "schedule":
		e.set("schedule", r.cron())
	case "workflow_dispatch":
		e.set("inputs", r.payloadInputs()).set("ref", r.at.ref)
	case "repository_dispatch":
		e.set("client_payload", r.payload())
	case "workflow_run":
		e.set("workflow_run", r.finishedRun())
	}
	if r.at.number != "" {
		e.set("number", 1.0).set("pull_request", r.pullRequest())
	} else if r.ev.Name != "issue_comment" && r.ev.Name != "issues" {
		e.set("pull_request", nil)
	}
	if r.ev.Name != "workflow_dispatch" {
		e.set("inputs", nil)
	}
	return e
}

func open(o *object) *object {
	o.open = true
	return o
}

func (r *run) cron() value {
	if r.ev.Type != "" {
		return r.ev.Type
	}
	if conf := r.wf.trigger("schedule").conf; conf != nil && len(conf.items) > 0 {
		return conf.items[0].get("cron").str()
	}
	return nil
}

// payloadInputs is github.event.inputs: all texts, unlike the inputs context.
func (r *run) payloadInputs() *object {
	out := newObject()
	in, err := r.inputs()
	if err != nil {
		return out
	}
	for _, k := range in.keys {
		out.set(k, text(in.get(k)))
	}
	return out
}

func (r *run) payload() *object {
	out := newObject()
	out.open = len(r.ev.Inputs) == 0
	for _, k := range sortedKeys(r.ev.Inputs) {
		out.set(k, r.ev.Inputs[k])
	}
	return out
}

func (r *run) finishedRun() *object {
	branch := strings.TrimPrefix(orElse(r.ev.Ref, "refs/heads/"+r.p.defaultBranch), "refs/heads/")
	head := open(newObject().set("full_name", r.p.full))
	return open(newObject().set("conclusion", "success").set("status", "completed").set("head_branch", branch).
		set("event", "push").set("head_sha", r.at.commit).set("head_repository", head))
}

func (r *run) pullRequest() *object {
	full := r.p.full
	if r.ev.Fork {
		full = r.ev.actor() + "/" + r.p.name
	}
	head := open(newObject().set("ref", r.at.head).set("sha", r.at.commit).
		set("repo", open(newObject().set("full_name", full).set("fork", r.ev.Fork))))
	base := open(newObject().set("ref", r.at.base).set("repo", open(newObject().set("full_name", r.p.full))))
	pr := open(newObject().set("number", 1.0).set("draft", false).set("head", head).set("base", base).
		set("user", open(newObject().set("login", r.ev.actor()))))
	if r.ev.Type != "closed" {
		pr.set("merged", false).set("state", "open")
	} else {
		pr.set("state", "closed")
	}
	return pr
}
