package simulate

import (
	"errors"
	"fmt"
	"strings"
)

// runAll runs steps in order. After a failure only steps run whose condition asks for it.
func (f *frame) runAll(steps []*step) {
	for i, s := range steps {
		f.runStep(s, f.name(s, i))
	}
}

func (f *frame) name(s *step, i int) string {
	name := s.name
	if t, err := f.scope(f.fullEnv(nil)).expandText(name); err == nil {
		name = plainText(t)
	}
	switch {
	case name != "":
	case s.id != "":
		name = s.id
	case s.uses != "":
		name = s.uses
	default:
		name = fmt.Sprintf("run %d", i+1)
	}
	return f.label + name
}

func (f *frame) runStep(s *step, name string) {
	outputs := newObject()
	ran, err := f.try(s, name, outputs)
	outcome, conclusion := "success", "success"
	switch {
	case err != nil:
		outcome, conclusion = "failure", "failure"
		if f.tolerates(s) {
			conclusion = "success"
		} else {
			f.status.failed = true
		}
	case !ran:
		outcome, conclusion = "skipped", "skipped"
	}
	if s.id != "" {
		f.steps.set(s.id, newObject().set("outputs", outputs).set("outcome", outcome).set("conclusion", conclusion))
	}
}

func (f *frame) tolerates(s *step) bool {
	v, err := f.scope(f.fullEnv(nil)).value(s.tolerant)
	return err == nil && !isUnknown(v) && truthy(v)
}

// try runs a step if its condition holds.
func (f *frame) try(s *step, name string, outputs *object) (ran bool, err error) {
	own, err := f.scope(f.fullEnv(nil)).env(s.env)
	if err != nil {
		return true, err
	}
	env := f.fullEnv(own)
	sc := f.scope(env)
	run, err := sc.condition(s.cond)
	if err != nil || !run {
		return err != nil, err
	}
	at := &site{f: f, sc: sc, env: env, own: own, name: name, outputs: outputs}
	if s.run != nil {
		script, err := sc.expandText(s.run.str())
		if err != nil {
			return true, err
		}
		outputs.open = true
		return true, at.script(script, orElse(s.shell, f.shell))
	}
	with, err := sc.env(s.with)
	if err != nil {
		return true, err
	}
	at.with = with
	return true, at.action(s.uses)
}

// site is one step while it runs.
type site struct {
	f       *frame
	sc      scope
	env     *object
	own     *object // the step's own env
	with    *object
	name    string
	outputs *object
	once    map[string]error // logins of tools that a script may start again and again
}

// input is an action's input, trimmed as the actions toolkit does.
func (a *site) input(name string) string {
	if a.with == nil {
		return ""
	}
	return strings.TrimSpace(text(a.with.get(name)))
}

func (a *site) variable(name string) string { return text(a.env.get(name)) }

// action runs a step with uses.
func (a *site) action(uses string) error {
	name, ref, _ := strings.Cut(uses, "@")
	switch low := strings.ToLower(name); {
	case strings.HasPrefix(low, "./"), strings.HasPrefix(low, "docker://"):
	case low == "azure/login":
		return a.azureLogin(ref)
	case low == "azure/docker-login":
		return a.registryLogin(a.input("login-server"), a.input("username"), a.input("password"))
	case low == "docker/login-action":
		return a.registryLogin(a.input("registry"), a.input("username"), a.input("password"))
	case low == "azure/aks-set-context":
		return a.credsAction(versionBelow(ref, 2, 0))
	case low == "azure/k8s-set-context":
		return a.credsAction(strings.EqualFold(a.input("method"), "service-principal"))
	case low == "azure/cli", low == "azure/powershell":
		a.outputs.open = true
		return a.script(a.input("inlineScript"), map[bool]string{true: "bash", false: "pwsh"}[low == "azure/cli"])
	case isTerraformAction(low):
		a.outputs.open = true
		return a.providerLogin()
	}
	if !strings.HasPrefix(uses, "docker://") {
		if act := a.f.r.action(uses); act != nil {
			return a.composite(act)
		}
	}
	a.outputs.open = true
	return nil
}

// isTerraformAction knows the actions that run Terraform or Pulumi themselves; the setup actions only install it.
func isTerraformAction(name string) bool {
	owner, repo, _ := strings.Cut(name, "/")
	if strings.HasPrefix(repo, "setup-") {
		return false
	}
	switch owner {
	case "hashicorp":
		return strings.Contains(repo, "terraform")
	case "pulumi":
		return strings.HasPrefix(repo, "actions")
	case "dflook":
		return strings.HasPrefix(repo, "terraform-") || strings.HasPrefix(repo, "tofu-")
	}
	return false
}

// maxActionDepth is how deep composite actions may use each other (github/docs, "Metadata syntax").
const maxActionDepth = 9

var errActionDepth = errors.New("composite actions are nested more than 9 deep")

// composite runs the steps of a composite action in the same job.
func (a *site) composite(act *action) error {
	if act.broken != nil {
		return act.broken
	}
	if a.f.depth >= maxActionDepth {
		return errActionDepth
	}
	inputs := newObject()
	base := scope{contexts: map[string]value{"github": a.sc.contexts["github"]}}
	for _, p := range act.inputs {
		v, given := a.with.get(p.key), a.with.has(p.key)
		if !given {
			var err error
			if v, err = base.value(p.value.get("default")); err != nil {
				return err
			}
		}
		inputs.set(p.key, text(v))
	}
	inner := &frame{
		r: a.f.r, j: a.f.j, sc: a.f.sc.with("inputs", inputs).with("secrets", newObject()),
		env: a.f.env.overlay(a.own), steps: newObject(), label: a.name + " / ", depth: a.f.depth + 1,
	}
	inner.runAll(act.steps)
	for _, p := range act.outputs {
		v, err := inner.scope(inner.fullEnv(nil)).value(p.value.get("value"))
		if err == nil {
			a.outputs.set(p.key, outputText(v))
		}
	}
	if inner.status.failed {
		return fmt.Errorf("a step of the action %s failed", act.path)
	}
	return nil
}
