package workflow

import (
	"github.com/rhysd/actionlint"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// subjects gives each login the subjects that the tokens of its jobs can carry.
func (a *analysis) subjects() {
	var files []*file
	for _, f := range a.files {
		if f != nil && len(a.byFile[f]) > 0 {
			files = append(files, f)
		}
	}
	s := &subjectReader{analysis: a, parsed: make(map[*file]*actionlint.Workflow), jobs: make(map[*file][]inventory.JobSubjects), steps: make(map[stepCondition][]inventory.JobSubjects)}
	var workflows []*file
	seen := make(map[*file]bool)
	for _, f := range files {
		s.need(f, seen, &workflows, 0)
	}
	parsed := make([]*actionlint.Workflow, len(workflows))
	a.parallel(len(workflows), func(i int) { parsed[i], _ = actionlint.Parse(workflows[i].src) })
	for i, f := range workflows {
		s.parsed[f] = parsed[i]
	}
	if a.stopped() {
		return
	}
	results := make([][]inventory.JobSubjects, len(workflows))
	a.parallel(len(workflows), func(i int) { results[i] = s.of(workflows[i], nil) })
	for i, f := range workflows {
		s.jobs[f] = results[i]
	}
	for _, n := range a.findings {
		n.Subjects = s.login(n)
	}
}

type subjectReader struct {
	*analysis
	parsed map[*file]*actionlint.Workflow
	jobs   map[*file][]inventory.JobSubjects
	steps  map[stepCondition][]inventory.JobSubjects
}

// need lists the workflows that the subjects of a file's logins depend on: itself and its callers.
func (s *subjectReader) need(f *file, seen map[*file]bool, list *[]*file, depth int) {
	if seen[f] || depth > maxRounds {
		return
	}
	seen[f] = true
	if !f.action {
		*list = append(*list, f)
	}
	for _, c := range s.callers[f.path] {
		if c.job != nil {
			s.need(c.job.file, seen, list, depth+1)
		} else {
			s.need(c.step.file, seen, list, depth+1)
		}
	}
}

func (s *subjectReader) of(f *file, steps map[string]string) []inventory.JobSubjects {
	return subject.Jobs(s.parsed[f], subject.JobOptions{DefaultBranch: s.tree.DefaultBranch, Path: f.path, Repository: s.tree.Repository, Environments: s.tree.Environments, Callers: s.callersOf(f, 0), Steps: steps})
}

// inStep gives the subjects of a login in a step with a condition of its own that can exclude cases, such as one on the event.
func (s *subjectReader) inStep(n *finding) ([]inventory.JobSubjects, bool) {
	if n.step == nil || n.step.job == nil || n.written || len(n.needsToken) > 1 || !containsAny(n.step.condition, []string{"github", "inputs", "needs", "matrix"}) {
		return nil, false
	}
	key := stepCondition{n.step.job, n.step.condition}
	list, known := s.steps[key]
	if !known {
		list = s.of(n.file, map[string]string{n.step.job.id: n.step.condition})
		s.steps[key] = list
	}
	return list, true
}

// stepCondition is a job with the condition of a step of it.
type stepCondition struct {
	job  *job
	text string
}

func (s *subjectReader) callersOf(f *file, depth int) []subject.Caller {
	if depth > maxRounds || !f.has("workflow_call") {
		return nil
	}
	var list []subject.Caller
	for _, c := range s.callers[f.path] {
		if c.job == nil || s.parsed[c.job.file] == nil {
			continue
		}
		list = append(list, subject.Caller{Path: c.job.file.path, Workflow: s.parsed[c.job.file], Job: c.job.id, Callers: s.callersOf(c.job.file, depth+1)})
	}
	return list
}

// login gives the subjects of the jobs in which a login can happen.
func (s *subjectReader) login(n *finding) []inventory.JobSubjects {
	if list, ok := s.inStep(n); ok {
		return list
	}
	var list []inventory.JobSubjects
	jobs := n.needsToken
	if n.file.action || jobs == nil {
		jobs = s.runningJobs(n)
	}
	for _, j := range jobs {
		for _, x := range s.jobs[j.file] {
			if x.Job == j.id {
				list = append(list, x)
			}
		}
	}
	return list
}

// runningJobs gives the jobs in which a login of an action, or of a variable of a whole workflow, happens.
func (s *subjectReader) runningJobs(n *finding) []*job {
	if !n.file.action {
		return n.file.jobs
	}
	var list []*job
	seen := make(map[*job]bool)
	var visit func(f *file, depth int)
	visit = func(f *file, depth int) {
		for _, c := range s.callers[f.path] {
			switch j := c.owner(); {
			case j != nil && !seen[j]:
				seen[j] = true
				list = append(list, j)
			case j == nil && depth < maxRounds:
				visit(c.step.file, depth+1)
			}
		}
	}
	visit(n.file, 0)
	return list
}
