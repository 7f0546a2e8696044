package simulate

import (
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// jobRun is one job on its runner.
type jobRun struct {
	out         *world.RunJob
	file        *file
	environment string // as the workflow writes it
	subject     string
	env         *object // of the workflow and the job
	written     *object // through $GITHUB_ENV
	session     bool    // a login has left a session that az and the SDKs find
	idToken     bool
	seen        map[string]error // logins of the environment's SDK variables, tried once
}

// frame is a list of steps at work: a job's or a composite action's.
type frame struct {
	r      *run
	j      *jobRun
	sc     scope   // all contexts but env, steps and the status
	env    *object // of the steps that led here, for a composite action
	steps  *object
	status status
	label  string // in front of step names
	shell  string // of scripts that name none
	depth  int
}

func (r *run) runSteps(inv *invocation, j *job, sc scope, combo *object) (bool, *object) {
	out := r.addJob(inv, j, combo, sc)
	jr := &jobRun{out: out, file: inv.file, written: newObject(), seen: map[string]error{}}
	sc, err := r.prepare(inv, j, jr, sc)
	if err != nil {
		out.Conclusion = "failure"
		return false, newObject()
	}
	if r.p.held[strings.ToLower(jr.environment)] {
		r.holds = true // it has not begun, and has no conclusion
		return false, newObject()
	}
	f := &frame{r: r, j: jr, sc: sc, env: newObject(), steps: newObject(), shell: j.shell}
	f.runAll(j.steps)
	out.Conclusion = "success"
	if f.status.failed {
		out.Conclusion = "failure"
	}
	outputs := f.outputs(j.outputs)
	tolerated, _ := sc.value(j.tolerant)
	return !f.status.failed || truthy(tolerated) && !isUnknown(tolerated), outputs
}

// prepare gives a job its environment, permissions, subject, secrets, variables and env.
func (r *run) prepare(inv *invocation, j *job, jr *jobRun, sc scope) (scope, error) {
	env, err := environmentName(sc, j.environment)
	if err != nil {
		return sc, err
	}
	jr.environment, jr.out.Environment = env, env
	perms := r.permissions(inv, j)
	jr.out.Permissions, jr.idToken = perms.shown(), perms["id-token"] == "write"
	if jr.idToken {
		jr.subject = r.subject(jr)
		jr.out.Subject = jr.subject
	}
	secrets := withToken(r.p.withEnvironment(inv.secrets, env, r.ev))
	root := scope{contexts: map[string]value{
		"github": sc.contexts["github"], "secrets": secrets, "inputs": inv.inputs, "vars": r.p.variables("", r.ev),
	}}
	rootEnv, err := root.env(inv.file.wf.env)
	if err != nil {
		return sc, err
	}
	sc = sc.with("vars", r.p.variables(env, r.ev)).with("secrets", secrets)
	jobEnv, err := sc.env(j.env)
	if err != nil {
		return sc, err
	}
	jr.env = rootEnv.overlay(jobEnv)
	sc = sc.with("runner", runnerContext())
	return sc.with("job", open(newObject().set("status", "success"))), nil
}

func runnerContext() *object {
	return newObject().set("os", "Linux").set("arch", "X64").set("name", "GitHub Actions 1").set("environment", "github-hosted").
		set("temp", "/home/runner/work/_temp").set("tool_cache", "/opt/hostedtoolcache").set("debug", "")
}

// environmentName reads environment: a text or a map with name.
func environmentName(sc scope, n *node) (string, error) {
	if n != nil && n.kind == mapNode {
		n = n.get("name")
	}
	v, err := sc.value(n)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(plainText(text(v))), nil
}

// permissions are those of the job's token: the job's, or the file's, or what a caller has stated, or the default.
func (r *run) permissions(inv *invocation, j *job) permissions {
	perms := defaultPermissions(r.p.setting)
	if byDependabot(r.ev) {
		perms = perms.capFork()
	}
	for _, stated := range []permissions{inv.explicit, inv.file.wf.permissions, j.permissions} {
		if stated != nil {
			perms = stated
		}
	}
	if untrusted(r.ev) {
		perms = perms.capFork()
	}
	return perms
}

// env evaluates an env map to texts.
func (s scope) env(n *node) (*object, error) {
	out := newObject()
	v, err := s.value(n)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*object)
	if !ok {
		return out, nil
	}
	for _, k := range o.keys {
		out.set(k, text(o.get(k)))
	}
	return out, nil
}

// outputs evaluates the outputs of a job.
func (f *frame) outputs(n *node) *object {
	out := newObject()
	if n.isNull() {
		return out
	}
	sc := f.scope(f.fullEnv(nil))
	for _, p := range n.pairs {
		v, err := sc.value(p.value)
		if err != nil {
			v = nil
		}
		out.set(p.key, outputText(v))
	}
	return out
}

// fullEnv is the environment of a step: workflow, job, $GITHUB_ENV, calling steps, the step itself; the last wins.
func (f *frame) fullEnv(own *object) *object {
	env := f.j.env.overlay(f.j.written).overlay(f.env)
	if own != nil {
		env = env.overlay(own)
	}
	return env
}

func (f *frame) scope(env *object) scope {
	sc := f.sc.with("env", env).with("steps", f.steps)
	sc.status = f.status
	return sc
}
