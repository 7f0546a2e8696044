package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// walker goes through one pipeline and collects what it uses.
type walker struct {
	*expander
	project      *project
	options      Options
	out          *collector
	start        fileKey
	name         string // of the pipeline
	repositories map[string]repositoryResource
	containers   map[string]bool // container resources, whether they are pulled with a connection
	stack        []fileKey       // the files that are being expanded, outermost first
	templates    int
}

// context is where the walk is.
type context struct {
	file      fileKey
	stage     string
	job       *job
	vars      *variables
	maybe     bool
	disabled  bool
	condition string
	pool      *node
	prefix    string // the task groups that a classic step is in
}

// job is what is known of a job while its steps are walked.
type job struct {
	name      string
	timeout   string // timeoutInMinutes as it is written; empty for the default
	pool      poolInfo
	steps     []*step
	container string
}

func child(n *yaml.Node, key string) *yaml.Node {
	n = resolve(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if strings.EqualFold(n.Content[i].Value, key) {
			return resolve(n.Content[i+1])
		}
	}
	return nil
}

func (w *walker) expand(n *yaml.Node, s *scope) *node { return w.expander.expand(n, s, 0) }

// place is where a node stands.
func (w *walker) place(at source, c context) Place {
	p := Place{Pipeline: w.name, Stage: c.stage}
	if c.job != nil {
		p.Job = c.job.name
	}
	if at.doc != nil {
		p.Repository, p.File = at.doc.repository, at.doc.path
		if at.n != nil {
			p.Line, p.Column = at.doc.place(at.doc.start(at.n))
		}
	}
	return p
}

// walk expands the pipeline file itself.
func (w *walker) walk(d *document) {
	w.expander = &expander{full: func(at source) {
		w.out.gap(Gap{Place: w.place(at, context{}), Message: "the pipeline expands to more than can be read", Next: "look at the rest of it by hand"})
	}}
	vars := newVariables(nil)
	for name, v := range w.options.Variables {
		vars.set(name, known(str(v)), false)
	}
	c := context{file: w.start, vars: vars}
	if isPipeline(d.root) {
		w.root(d, w.templateScope(d, nil, vars, byPerson), c)
		return
	}
	w.root(d, w.templateScope(d, nil, vars, byUnknown), c)
}

// isPipeline tells a pipeline from a template that nothing refers to: those have declared parameters but no trigger and the like.
func isPipeline(root *yaml.Node) bool {
	for _, key := range []string{"trigger", "pr", "schedules", "pool", "resources", "extends", "name"} {
		if child(root, key) != nil {
			return true
		}
	}
	parameters := child(root, "parameters")
	return parameters == nil || parameters.Kind == yaml.SequenceNode && !slices.ContainsFunc(parameters.Content, neverOfPipeline)
}

// neverOfPipeline tells a parameter that a pipeline cannot have: one without a default, or of a type for steps and jobs.
func neverOfPipeline(p *yaml.Node) bool {
	t := child(p, "type")
	if t != nil && (strings.Contains(strings.ToLower(t.Value), "step") || strings.Contains(strings.ToLower(t.Value), "job") || strings.Contains(strings.ToLower(t.Value), "stage")) {
		return true
	}
	return child(p, "default") == nil && child(p, "values") == nil
}

// root walks the top of a pipeline or of a template that stands for one.
func (w *walker) root(d *document, s *scope, c context) {
	w.stack = append(w.stack, c.file)
	defer func() { w.stack = w.stack[:len(w.stack)-1] }()
	if d.root.Kind == yaml.SequenceNode {
		w.steps(w.expand(d.root, s), c)
		return
	}
	n := w.expand(d.root, s)
	w.resources(n, c)
	w.variables(n, &c)
	w.sections(n, c)
}

// sections walks what a mapping holds of stages, jobs and steps, with its variables in scope.
func (w *walker) sections(n *node, c context) {
	if pool := n.get("pool"); len(pool) > 0 {
		c.pool = pool[len(pool)-1].with(c.vars)
	}
	for _, p := range n.get("extends") {
		w.include(p.with(c.vars), c, func(d *document, s *scope, c context) { w.root(d, s, c) })
	}
	for _, p := range n.get("stages") {
		w.stages(p.with(c.vars), c.perhaps(p.maybe))
	}
	for _, p := range n.get("jobs") {
		w.jobs(p.with(c.vars), c.perhaps(p.maybe))
	}
	for _, p := range n.get("steps") {
		single := c.perhaps(p.maybe)
		if single.job == nil {
			single.job = w.newJob(n, single)
			w.container(n, single)
		}
		w.steps(p.with(c.vars), single)
		w.checkJob(single)
	}
}

func (c context) perhaps(b bool) context {
	c.maybe = c.maybe || b
	return c
}

func (w *walker) stages(list *node, c context) {
	for _, it := range list.list() {
		n, c := it.value.object(), c.perhaps(it.maybe)
		if n.kind != mapNode {
			continue
		}
		if n.has("template") {
			w.include(n, c, w.section)
			continue
		}
		c.stage = n.word("stage")
		c.condition = or(n.word("condition"), c.condition)
		c.vars = newVariables(c.vars)
		w.variables(n, &c)
		w.sections(n, c)
	}
}

// section walks a template of stages, jobs or steps. Its variables belong to a variable template, not here.
func (w *walker) section(d *document, s *scope, c context) {
	if d.root.Kind == yaml.SequenceNode {
		w.steps(w.expand(d.root, s), c)
		return
	}
	n := w.expand(d.root, s)
	w.resources(n, c)
	w.sections(n, c)
}

func (w *walker) jobs(list *node, c context) {
	for _, it := range list.list() {
		n, c := it.value.object(), c.perhaps(it.maybe)
		if n.kind != mapNode {
			continue
		}
		if n.has("template") {
			w.include(n, c, w.section)
			continue
		}
		w.job(n, c)
	}
}

func (w *walker) job(n *node, c context) {
	c.condition = or(n.word("condition"), c.condition)
	c.vars = newVariables(c.vars)
	c.job = w.newJob(n, c)
	for _, p := range n.get("strategy") {
		w.matrix(p.with(c.vars), c)
	}
	w.variables(n, &c)
	if pool := n.get("pool"); len(pool) > 0 {
		c.pool = pool[len(pool)-1].with(c.vars)
	}
	c.job.pool = w.poolOf(c)
	w.environment(n, c)
	w.container(n, c)
	for _, p := range n.get("steps") {
		w.steps(p.with(c.vars), c.perhaps(p.maybe))
	}
	for _, p := range n.get("strategy") {
		w.strategy(p.with(c.vars), c.perhaps(p.maybe), 0)
	}
	w.checkJob(c)
}

func (w *walker) newJob(n *node, c context) *job {
	j := &job{name: or(n.word("job"), n.word("deployment")), timeout: n.word("timeoutInMinutes")}
	if t := n.text("timeoutInMinutes"); t != nil {
		if s, ok := t.only(); ok {
			j.timeout = s
		}
	}
	j.pool = w.poolOf(c)
	return j
}

// matrix takes the variables of a job's matrix into scope: each is one of its columns' values.
func (w *walker) matrix(strategy *node, c context) {
	for _, p := range strategy.object().get("matrix") {
		m := p.with(c.vars).object()
		if m.kind != mapNode {
			continue
		}
		columns := make(map[string]*leaf)
		for _, row := range m.pairs {
			for _, cell := range row.node().object().pairs {
				if v := cell.node(); v.kind == scalarNode {
					columns[strings.ToLower(cell.key)] = union(columns[strings.ToLower(cell.key)], v.leaf)
				}
			}
		}
		for name, l := range columns {
			c.vars.set(name, l, false)
		}
	}
}

// strategy walks the steps of a deployment's life cycle hooks, such as strategy.runOnce.deploy.steps and on.failure.steps.
func (w *walker) strategy(n *node, c context, depth int) {
	n = n.object()
	if n == nil || n.kind != mapNode || depth > 4 {
		return
	}
	for _, p := range n.pairs {
		switch key := strings.ToLower(p.key); key {
		case "matrix", "parallel", "maxparallel", "increments", "pool":
		case "steps":
			w.steps(p.with(c.vars), c.perhaps(p.maybe))
		default:
			w.strategy(p.with(c.vars), c.perhaps(p.maybe), depth+1)
		}
	}
}

// include expands a template and walks it.
func (w *walker) include(n *node, c context, walk func(*document, *scope, context)) {
	n = n.object()
	target := n.text("template")
	if target == nil {
		return
	}
	at := n.get("template")[0].at
	if target.open {
		w.out.gap(Gap{Place: w.place(at, c), Message: fmt.Sprintf("the template %s is not known from the text", target.expr), Next: "look at the templates that it can be"})
	}
	for _, name := range target.strings() {
		w.includeOne(name, n, c, at, walk)
	}
}

func (w *walker) includeOne(name string, n *node, c context, at source, walk func(*document, *scope, context)) {
	from := c.file
	if at.doc != nil {
		from.repository, from.path = at.doc.repository, at.doc.path // where a parameter carries the step, its own file counts
	}
	key, err := w.locate(from, name)
	if err != nil {
		w.out.gap(Gap{Place: w.place(at, c), Message: fmt.Sprintf("the template %s cannot be found: %v", name, err), Next: "declare the repository, or look at the template by hand"})
		return
	}
	if slices.Contains(w.stack, key) || len(w.stack) >= maxTemplate || w.templates >= 20*maxTemplate {
		w.out.gap(Gap{Place: w.place(at, c), Message: fmt.Sprintf("the template %s is not expanded: templates include each other, or there are too many", name), Next: "break the circle"})
		return
	}
	d, err := w.project.document(key)
	if err != nil {
		w.out.gap(Gap{Place: w.place(at, c), Message: fmt.Sprintf("the template %s cannot be read: %v", name, err), Next: "give access to its repository, or look at it by hand"})
		w.passed(n, c)
		return
	}
	w.templates++
	w.out.included[key] = true
	var passed *node
	for _, p := range n.get("parameters") {
		passed = p.with(c.vars)
	}
	c.file = key
	w.stack = append(w.stack, key)
	defer func() { w.stack = w.stack[:len(w.stack)-1] }()
	walk(d, w.templateScope(d, passed, c.vars, byTemplate), c)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
