package simulate

import (
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// invocation is one workflow file at work: the run's own, or one that a job calls.
type invocation struct {
	file     *file
	inputs   *object
	secrets  *object
	needs    *object
	explicit permissions // what a caller has stated; nil: nobody
	id, name string      // prefixes of the jobs: "call/" and "call / "
}

// result is how a job ended.
type result struct {
	conclusion string // success, failure, skipped
	outputs    *object
	failed     bool // it or a job that it needs has failed
	skipped    bool // it or a job that it needs was skipped
}

// invoke runs the jobs of a file in the order of their needs.
func (r *run) invoke(inv *invocation) map[string]*result {
	results := map[string]*result{}
	for len(results) < len(inv.file.wf.jobs) {
		before := len(results)
		for _, j := range inv.file.wf.jobs {
			if results[strings.ToLower(j.id)] == nil && ready(j, results) {
				results[strings.ToLower(j.id)] = r.startJob(inv, j, results)
			}
		}
		if len(results) == before {
			break // circular needs were refused before
		}
	}
	return results
}

func ready(j *job, results map[string]*result) bool {
	for _, n := range j.needs {
		if results[strings.ToLower(n)] == nil {
			return false
		}
	}
	return true
}

// startJob decides whether a job runs and runs each of its matrix's combinations.
func (r *run) startJob(inv *invocation, j *job, results map[string]*result) *result {
	needs, st := needsOf(j, results)
	sc := scope{status: st, contexts: map[string]value{
		"github": r.github(), "needs": needs, "inputs": inv.inputs, "vars": r.p.variables("", r.ev),
	}}
	res := &result{conclusion: "skipped", outputs: newObject(), failed: st.failed, skipped: st.skipped}
	run, err := sc.condition(j.cond)
	switch {
	case err != nil:
		res.conclusion, res.failed = "failure", true
		r.addJob(inv, j, nil, sc).Conclusion = "failure"
		return res
	case !run:
		res.skipped = true
		r.addJob(inv, j, nil, sc).Conclusion = "skipped"
		return res
	}
	combos, err := combinations(sc, j.matrix)
	if err != nil || r.jobs+len(combos) > maxJobs {
		res.conclusion, res.failed = "failure", true
		r.addJob(inv, j, nil, sc).Conclusion = "failure"
		return res
	}
	sc.status = status{}
	r.runCombinations(inv, j, sc, combos, res)
	return res
}

func (r *run) runCombinations(inv *invocation, j *job, sc scope, combos []*object, res *result) {
	res.conclusion = "success"
	// A job that ran after all hides the failures before it only from those that do not look further back:
	// success() and failure() see every job on the way (actions/runner#491), so failed and skipped stay.
	for i, combo := range combos {
		strategy := newObject().set("job-index", float64(i)).set("job-total", float64(len(combos))).set("fail-fast", true).set("max-parallel", float64(len(combos)))
		one := sc.with("matrix", combo).with("strategy", strategy)
		ok, outputs := r.runOne(inv, j, one, combo)
		if !ok {
			res.conclusion, res.failed = "failure", true
		}
		res.outputs = res.outputs.overlay(outputs)
		res.outputs.open = res.outputs.open || outputs.open
	}
}

func (r *run) runOne(inv *invocation, j *job, sc scope, combo *object) (bool, *object) {
	if j.uses != "" {
		return r.callWorkflow(inv, j, sc, combo)
	}
	return r.runSteps(inv, j, sc, combo)
}

// needsOf is the needs context and what the status functions see of the jobs before.
func needsOf(j *job, results map[string]*result) (*object, status) {
	out, st := newObject(), status{}
	for _, n := range j.needs {
		res := results[strings.ToLower(n)]
		out.set(n, newObject().set("result", res.conclusion).set("outputs", res.outputs))
		st.failed = st.failed || res.failed
		st.skipped = st.skipped || res.skipped
	}
	return out, st
}

// addJob records a job of the run.
func (r *run) addJob(inv *invocation, j *job, combo *object, sc scope) *world.RunJob {
	r.jobs++
	name := j.id
	if t := j.name.str(); t != "" {
		if s, err := sc.expandText(t); err == nil {
			name = s
		}
	} else if combo != nil && len(combo.keys) > 0 {
		var parts []string
		for _, k := range combo.keys {
			if v := combo.get(k); !isComposite(v) {
				parts = append(parts, text(v))
			}
		}
		name = fmt.Sprintf("%s (%s)", j.id, strings.Join(parts, ", "))
	}
	out := &world.RunJob{ID: inv.id + j.id, Name: inv.name + plainText(name), Permissions: map[string]string{}}
	r.out.Jobs = append(r.out.Jobs, out)
	return out
}

func isComposite(v value) bool {
	switch v.(type) {
	case list, *object:
		return true
	}
	return false
}

// plainText replaces what only the real run knows by a word.
func plainText(s string) string { return strings.ReplaceAll(s, mark, "unknown") }

// callWorkflow runs the jobs of a called workflow as jobs of this run.
func (r *run) callWorkflow(inv *invocation, j *job, sc scope, combo *object) (bool, *object) {
	callee, err := r.s.called(inv.file, j.uses)
	if err != nil {
		r.addJob(inv, j, combo, sc).Conclusion = "failure"
		return false, newObject()
	}
	inner := &invocation{file: callee, needs: newObject(), id: inv.id + j.id + "/", explicit: inv.explicit}
	if inv.file.wf.permissions != nil {
		inner.explicit = inv.file.wf.permissions
	}
	if j.permissions != nil {
		inner.explicit = j.permissions
	}
	name := j.id
	if t, err := sc.expandText(j.name.str()); err == nil && t != "" {
		name = plainText(t)
	}
	inner.name = inv.name + name + " / "
	t := callee.wf.trigger("workflow_call")
	inner.inputs, err = callInputs(sc, j.with, t.conf.get("inputs"))
	if err == nil {
		inner.secrets, err = r.callSecrets(inv, j, callee, sc)
	}
	if err != nil {
		r.addJob(inv, j, combo, sc).Conclusion = "failure"
		return false, newObject()
	}
	results := r.invoke(inner)
	return conclude(results) != "failure", r.callOutputs(inner, results, t.conf.get("outputs"))
}

// callInputs evaluates with and gives every declared input its type and default.
func callInputs(sc scope, with, declared *node) (*object, error) {
	out := newObject()
	if declared.isNull() {
		return out, nil
	}
	for _, d := range declared.pairs {
		given := with.get(d.key)
		if given == nil {
			given = d.value.get("default")
		}
		v, err := sc.value(given)
		if err != nil {
			return nil, err
		}
		out.set(d.key, typed(v, d.value.get("type").str()))
	}
	return out, nil
}

func typed(v value, typ string) value {
	switch {
	case isUnknown(v):
		return unknown
	case typ == "boolean":
		if s, ok := v.(string); ok {
			return s == "true"
		}
		return truthy(v)
	case typ == "number":
		return number(v)
	}
	return text(v)
}

// callSecrets is the secrets context of a called workflow: all of the caller's with inherit (within one owner), or
// the ones that are passed. A job's environment is laid over it later.
func (r *run) callSecrets(inv *invocation, j *job, callee *file, sc scope) (*object, error) {
	out := newObject()
	if j.secrets.str() == "inherit" {
		if !strings.EqualFold(callee.owner, inv.file.owner) {
			return out, nil
		}
		return inv.secrets.clone(), nil
	}
	if j.secrets.isNull() || j.secrets.kind != mapNode {
		return out, nil
	}
	sc = sc.with("secrets", withToken(inv.secrets))
	for _, p := range j.secrets.pairs {
		v, err := sc.value(p.value)
		if err != nil {
			return nil, err
		}
		out.set(p.key, text(v))
	}
	return out, nil
}

func withToken(secrets *object) *object {
	return secrets.clone().set("GITHUB_TOKEN", "ghs_simulated")
}

// callOutputs evaluates the outputs of a called workflow from its jobs.
func (r *run) callOutputs(inv *invocation, results map[string]*result, declared *node) *object {
	jobs := newObject()
	for _, j := range inv.file.wf.jobs {
		if res := results[strings.ToLower(j.id)]; res != nil {
			jobs.set(j.id, newObject().set("result", res.conclusion).set("outputs", res.outputs))
		}
	}
	sc := scope{contexts: map[string]value{
		"github": r.github(), "jobs": jobs, "inputs": inv.inputs, "vars": r.p.variables("", r.ev),
	}}
	out := newObject()
	if declared.isNull() {
		return out
	}
	for _, d := range declared.pairs {
		if v, err := sc.value(d.value.get("value")); err == nil {
			out.set(d.key, outputText(v))
		}
	}
	return out
}

// outputText is a value as an output carries it: a text, or unknown.
func outputText(v value) value {
	if hidesUnknown(v) && isComposite(v) {
		return unknown
	}
	return text(v)
}
