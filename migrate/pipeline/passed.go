package pipeline

import "strings"

// passed looks at what is given to a template that cannot be read. What looks like a connection is probably used there, and stages, jobs and
// steps that are handed over are probably run, as with the templates that organisations make every pipeline extend.
func (w *walker) passed(n *node, c context) {
	for _, parameters := range n.get("parameters") {
		m := parameters.with(c.vars).object()
		if m.kind != mapNode {
			continue
		}
		for _, p := range m.pairs {
			if kind, ok := guessType("", strings.ToLower(p.key)); ok {
				w.connection(p, Use{Input: "parameters." + p.key, Kind: kindOf(kind)}, c.perhaps(true))
			}
			w.handed(p.with(c.vars), c.perhaps(true), 0)
		}
	}
}

// handed walks stages, jobs and steps wherever they are in a parameter.
func (w *walker) handed(v *node, c context, depth int) {
	v = v.object()
	if depth > 4 {
		return
	}
	if v.kind == mapNode {
		for _, p := range v.pairs {
			w.handed(p.with(c.vars), c, depth+1)
		}
		return
	}
	list := v.list()
	switch {
	case anyHas(list, "stage"):
		w.stages(v, c)
	case anyHas(list, "job", "deployment"):
		w.jobs(v, c)
	case anyHas(list, "task", "script", "bash", "pwsh", "powershell", "checkout", "publish", "download"):
		if c.job == nil {
			c.job = &job{}
			w.steps(v, c)
			w.checkJob(c)
			return
		}
		w.steps(v, c)
	case anyHas(list, "template"):
		for _, it := range list {
			w.include(it.value, c.perhaps(it.maybe), w.section)
		}
	}
}

func anyHas(list []item, keys ...string) bool {
	for _, it := range list {
		if o := it.value.object(); o.kind == mapNode && o.has(keys...) {
			return true
		}
	}
	return false
}
