package simulate

import "strings"

// Contexts that GitHub allows at a key (github/docs: contexts.md "Context availability"). A key that is not
// here is not checked for contexts.
var (
	inJobIf     = allow("github needs vars inputs")
	inStepIf    = allow("github needs strategy matrix job runner env vars steps inputs")
	inJobWith   = allow("github needs strategy matrix inputs vars")
	inEnvName   = allow("github needs strategy matrix vars inputs")
	inJobEnv    = allow("github needs strategy matrix vars secrets inputs")
	inRootEnv   = allow("github secrets inputs vars")
	inJobSecret = allow("github needs strategy matrix secrets inputs vars")
	inMatrix    = allow("github needs vars inputs")
	anywhere    = allow("github needs strategy matrix job jobs runner env vars secrets steps inputs")
)

func allow(names string) map[string]bool {
	out := map[string]bool{}
	for _, n := range strings.Fields(names) {
		out[n] = true
	}
	return out
}

// check finds what makes GitHub refuse to start a run of a file that it could read.
func (wf *workflow) check() error {
	if err := wf.checkExprs(wf.env, inRootEnv); err != nil {
		return err
	}
	for _, j := range wf.jobs {
		if err := wf.checkJob(j); err != nil {
			return err
		}
	}
	return wf.checkNeeds()
}

func (wf *workflow) checkJob(j *job) error {
	if err := wf.checkIf(j.cond, inJobIf, j.line, j.col); err != nil {
		return err
	}
	for _, c := range []struct {
		n  *node
		in map[string]bool
	}{
		{j.env, inJobEnv}, {j.environment, nil}, {j.matrix, inMatrix}, {j.with, inJobWith},
		{j.secrets, inJobSecret}, {j.outputs, anywhere}, {j.name, inEnvName}, {j.tolerant, anywhere},
	} {
		in := c.in
		if in == nil {
			in = inEnvName
			if c.n != nil && c.n.kind == mapNode {
				in = anywhere // environment.url may use more
			}
		}
		if err := wf.checkExprs(c.n, in); err != nil {
			return err
		}
	}
	for _, s := range j.steps {
		if err := wf.checkIf(s.cond, inStepIf, j.line, j.col); err != nil {
			return err
		}
		for _, n := range []*node{s.run, s.with, s.env, s.tolerant} {
			if err := wf.checkExprs(n, anywhere); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkExprs parses every expression below a node.
func (wf *workflow) checkExprs(n *node, in map[string]bool) error {
	var first error
	n.walk(func(s *node) {
		if first != nil || !strings.Contains(s.text, "${{") {
			return
		}
		segs, err := splitTemplate(s.text)
		if err != nil {
			first = wf.fail(s.line, s.col, "%s", err)
			return
		}
		for _, seg := range segs {
			if bad := forbidden(seg.e, in); bad != "" {
				first = wf.fail(s.line, s.col, "Unrecognized named-value: '%s'", bad)
			}
		}
	})
	return first
}

func (wf *workflow) checkIf(cond string, in map[string]bool, line, col int) error {
	e, err := parseCondition(cond)
	if err != nil {
		return wf.fail(line, col, "%s", err)
	}
	if bad := forbidden(e, in); bad != "" {
		return wf.fail(line, col, "Unrecognized named-value: '%s'", bad)
	}
	return nil
}

func forbidden(e expr, in map[string]bool) string {
	bad := ""
	uses(e, func(ctx, _ string) {
		if ctx != "" && !in[ctx] {
			bad = ctx
		}
	})
	return bad
}

// checkNeeds refuses unknown and circular needs.
func (wf *workflow) checkNeeds() error {
	done := map[string]bool{}
	for _, j := range wf.jobs {
		for _, n := range j.needs {
			if wf.job(n) == nil {
				return wf.fail(j.line, j.col, "Job '%s' depends on unknown job '%s'.", j.id, n)
			}
		}
	}
	for progress := true; progress; {
		progress = false
		for _, j := range wf.jobs {
			if !done[strings.ToLower(j.id)] && allDone(j.needs, done) {
				done[strings.ToLower(j.id)], progress = true, true
			}
		}
	}
	for _, j := range wf.jobs {
		if !done[strings.ToLower(j.id)] {
			return wf.fail(j.line, j.col, "Job '%s' depends on itself through its needs.", j.id)
		}
	}
	return nil
}

func allDone(needs []string, done map[string]bool) bool {
	for _, n := range needs {
		if !done[strings.ToLower(n)] {
			return false
		}
	}
	return true
}
