package subject

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rhysd/actionlint"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// JobOptions is what must be known besides the workflow to tell its jobs' subjects.
type JobOptions struct {
	DefaultBranch string                   // of the repository
	Path          string                   // of the workflow in the repository
	Repository    inventory.RepositoryName // may be empty
	Callers       []Caller                 // workflows that call this one by workflow_call
	Environments  []string                 // names of environments that exist, for their case and for inputs of type environment
	Steps         map[string]string        // conditions of steps by the id of their job: where given, what is told is which tokens those steps can have
}

// Caller is a job that calls a workflow.
type Caller struct {
	Path          string
	Workflow      *actionlint.Workflow
	Job           string                   // id of the job that calls
	Callers       []Caller                 // its own callers, where it is itself called
	Repository    inventory.RepositoryName // empty: the same as the called workflow's
	DefaultBranch string                   // of Repository, where that is another one
}

// frame is one workflow in a chain of calls.
type frame struct {
	engine        *engine
	workflow      *actionlint.Workflow
	path          string
	repository    inventory.RepositoryName
	defaultBranch string
	parent        *frame          // the calling workflow; nil for the one that is started
	call          *actionlint.Job // the calling job, in parent
	key           string          // sets this frame's symbols apart
	callable      bool            // started by workflows that are not known
}

func (f *frame) root() *frame {
	for f.parent != nil {
		f = f.parent
	}
	return f
}

func (f *frame) job(id string) *actionlint.Job { return f.workflow.Jobs[strings.ToLower(id)] }

func (f *frame) knownBranches() []string {
	if f.defaultBranch == "" {
		return nil
	}
	return []string{f.defaultBranch}
}

func (f *frame) knownRefs() []string {
	if f.defaultBranch == "" {
		return nil
	}
	return []string{"refs/heads/" + f.defaultBranch}
}

// engine holds what is shared over all jobs of one workflow.
type engine struct {
	options JobOptions
	parsed  map[string]parsed
	chains  int
	worlds  int // that were gone through so far
	work    int // what questions about names may still cost
	started map[*frame][]trigger
}

// maxCalls bounds how deep workflows call each other; GitHub allows ten levels (github/docs: Reusing
// workflow configurations).
const maxCalls = 10

// maxChains bounds the ways in which workflows that call each other can lead to one; beyond it, a caller's own
// callers count as not known.
const maxChains = 400

// Jobs gives for each job of a workflow the subjects that its token can carry, over every trigger of the
// workflow and of those that call it. Environments win over everything; conditions exclude what they surely
// exclude. A job of a called workflow has one entry for each workflow that is started, since the subject is the
// caller's. Entries are sorted by the job's position, then by file.
func Jobs(w *actionlint.Workflow, o JobOptions) []inventory.JobSubjects {
	if w == nil {
		return nil
	}
	e := &engine{options: o, parsed: map[string]parsed{}, work: maxWork, started: map[*frame][]trigger{}}
	frames := e.frames(Caller{Path: o.Path, Workflow: w, Callers: o.Callers, Repository: o.Repository, DefaultBranch: o.DefaultBranch}, o.Repository, maxCalls)
	var out []inventory.JobSubjects
	for _, job := range inOrder(w) {
		if _, asked := o.Steps[jobID(job)]; asked || o.Steps == nil {
			out = append(out, e.job(job, frames)...)
		}
	}
	return out
}

// inOrder lists a workflow's jobs as they stand in the file.
func inOrder(w *actionlint.Workflow) []*actionlint.Job {
	var out []*actionlint.Job
	for _, j := range w.Jobs {
		if j != nil {
			out = append(out, j)
		}
	}
	slices.SortFunc(out, func(a, b *actionlint.Job) int {
		if a.Pos != nil && b.Pos != nil && (a.Pos.Line != b.Pos.Line || a.Pos.Col != b.Pos.Col) {
			return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
		}
		return cmp.Compare(jobID(a), jobID(b))
	})
	return out
}

func jobID(j *actionlint.Job) string {
	if j == nil || j.ID == nil {
		return ""
	}
	return j.ID.Value
}

// frames lists the chains of calls that lead to a workflow: its own start, and one for each caller's.
func (e *engine) frames(c Caller, repository inventory.RepositoryName, depth int) []*frame {
	if c.Workflow == nil || depth == 0 {
		return nil
	}
	branch := c.DefaultBranch
	if c.Repository == "" || strings.EqualFold(string(c.Repository), string(e.options.Repository)) {
		branch = cmp.Or(branch, e.options.DefaultBranch)
	}
	repo := cmp.Or(c.Repository, repository)
	_, called := c.Workflow.FindWorkflowCallEvent()
	start := &frame{engine: e, workflow: c.Workflow, path: c.Path, repository: repo, defaultBranch: branch, key: c.Path + ":"}
	start.callable = called && len(c.Callers) == 0
	out := []*frame{start}
	for _, caller := range c.Callers {
		if e.chains++; e.chains > maxChains {
			start.callable = true
			break
		}
		for _, parent := range e.frames(caller, repo, depth-1) {
			call := parent.job(caller.Job)
			if call == nil || call.WorkflowCall == nil {
				continue
			}
			f := *start
			f.parent, f.call, f.callable = parent, call, false
			f.key = parent.key + caller.Job + ">" + c.Path + ":"
			out = append(out, &f)
		}
	}
	return out
}

// job gives the entries of one job.
func (e *engine) job(job *actionlint.Job, frames []*frame) []inventory.JobSubjects {
	byFile := map[string]*collection{}
	var order []*collection
	for _, f := range frames {
		root := f.root()
		triggers := e.triggers(root)
		if len(triggers) == 0 {
			continue
		}
		key := string(root.repository) + "\n" + root.path
		c, ok := byFile[key]
		if !ok {
			c = &collection{root: root, own: f.parent == nil}
			byFile[key] = c
			order = append(order, c)
		}
		for _, t := range triggers {
			e.visit(c, f, job, t)
		}
	}
	if len(order) == 0 {
		order = []*collection{{root: frames[0], own: true}}
		order[0].remark("nothing starts this workflow")
	}
	slices.SortStableFunc(order, func(a, b *collection) int { return cmp.Compare(a.sortKey(), b.sortKey()) })
	out := make([]inventory.JobSubjects, 0, len(order))
	for _, c := range order {
		out = append(out, c.result(job, e.options))
	}
	return out
}

// visit goes through every case of one trigger.
func (e *engine) visit(c *collection, f *frame, job *actionlint.Job, t trigger) {
	c.via = ""
	if f.parent != nil {
		c.via = ", called by the job " + jobID(f.call)
	}
	ch, known := &choices{}, newLore(&e.work)
	for n := 0; ; n++ {
		if e.worlds++; n == maxWorlds || e.worlds > maxAllWorlds {
			ch = &choices{frozen: true}
		}
		s := scope{w: newWorld(ch, t, known), f: f, job: job}
		if s.runs() != no && s.stepRuns() != no {
			c.runs = true
			if t.note != "" {
				c.remark(t.note)
			}
			s.contexts(c)
		}
		if ch.frozen || !ch.next() {
			return
		}
	}
}

// triggers lists what starts a workflow, split where the references are few.
func (e *engine) triggers(root *frame) []trigger {
	out, ok := e.started[root]
	if ok {
		return out
	}
	all := triggersOf(root.workflow, root.defaultBranch)
	for _, t := range all {
		out = append(out, t.concrete()...)
	}
	if root.callable {
		out = append(out, trigger{reason: "workflow_call: no workflow that calls this one is known, so that nothing bounds the subjects"})
	}
	e.started[root] = out
	return out
}

// concrete splits a trigger whose references are few into one for each of them.
func (t trigger) concrete() []trigger {
	if t.pulls || len(t.ref.clauses) == 0 {
		return []trigger{t}
	}
	refs, ok := t.ref.finite(maxConcrete)
	if !ok {
		return []trigger{t}
	}
	out := make([]trigger, 0, len(refs))
	for _, r := range refs {
		one := t
		one.ref = oneOf(literal(r))
		out = append(out, one)
	}
	return out
}

// runs tells whether the job runs in this world, and every job on the way of calls to it.
func (s scope) runs() tri {
	t := yes
	for f, job := s.f, s.job; f != nil; f, job = f.parent, f.call {
		t = t.and(scope{w: s.w, f: f, job: job}.ran(job))
		if t == no {
			return no
		}
	}
	return t
}

// stepRuns tells whether the step that is asked for runs in this world, once its job does.
func (s scope) stepRuns() tri {
	text := s.f.engine.options.Steps[jobID(s.job)]
	if text == "" {
		return yes
	}
	s.step = true
	return s.condition(text)
}

// ran tells whether a job of the same workflow runs.
func (s scope) ran(job *actionlint.Job) tri {
	key := s.f.key + jobID(job)
	if t, ok := s.w.ran[key]; ok {
		return t
	}
	s.w.ran[key] = unknown // while it is worked out, against jobs that need each other
	own := scope{w: s.w, f: s.f, job: job, depth: s.depth + 1}
	t := yes
	if job.If == nil || !usesStatus(s.f.engine, job.If.Value) {
		t = truth(own.needsRan())
	}
	if t != no && job.If != nil {
		t = t.and(own.condition(job.If.Value))
	}
	s.w.ran[key] = t
	return t
}

// needsRan is false where a job before is surely skipped: that is passed on along the whole chain
// (github/docs: Workflow syntax, jobs.<job_id>.needs).
func (s scope) needsRan() bool { return s.chainRan(s.job, maxDepth) }

func (s scope) chainRan(job *actionlint.Job, depth int) bool {
	if depth == 0 {
		return true
	}
	for _, n := range job.Needs {
		if n == nil {
			continue
		}
		need := s.f.job(n.Value)
		if need == nil {
			continue
		}
		if s.ran(need) == no || !s.chainRan(need, depth-1) {
			return false
		}
	}
	return true
}

// mayHaveFailed tells whether some job before can run at all.
func (s scope) mayHaveFailed() bool {
	for _, n := range s.job.Needs {
		if n == nil {
			continue
		}
		if need := s.f.job(n.Value); need == nil || s.ran(need) != no {
			return true
		}
		if (scope{w: s.w, f: s.f, job: s.f.job(n.Value), depth: s.depth + 1}).mayFailBefore() {
			return true
		}
	}
	return false
}

func (s scope) mayFailBefore() bool { return s.depth < maxDepth && s.mayHaveFailed() }
