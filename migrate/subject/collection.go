package subject

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/rhysd/actionlint"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// maxReasons bounds the reasons that are told for one subject.
const maxReasons = 6

// collection gathers the contexts of one job under one started workflow.
type collection struct {
	root     *frame
	own      bool // the job's own workflow is started
	via      string
	runs     bool
	open     bool
	subjects map[string][]string // reasons by context
	patterns map[string][]string
	remarks  []string
}

func (c *collection) exact(context, reason string) { add(&c.subjects, context, reason+c.via) }

func (c *collection) pattern(context, reason string) { add(&c.patterns, context, reason+c.via) }

// unbounded notes that nothing bounds the set, not even a pattern.
func (c *collection) unbounded(reason string) {
	c.open = true
	c.remark(reason)
}

func (c *collection) remark(text string) {
	if !slices.Contains(c.remarks, text) {
		c.remarks = append(c.remarks, text)
	}
}

func add(m *map[string][]string, key, reason string) {
	if *m == nil {
		*m = map[string][]string{}
	}
	if !slices.Contains((*m)[key], reason) {
		(*m)[key] = append((*m)[key], reason)
	}
}

func (c *collection) sortKey() string {
	if c.own {
		return ""
	}
	return string(c.root.repository) + "\n" + c.root.path
}

// result writes the collection down.
func (c *collection) result(job *actionlint.Job, o JobOptions) inventory.JobSubjects {
	out := inventory.JobSubjects{File: c.root.path, Job: jobID(job), Subjects: []string{}, Reasons: []string{}}
	if !strings.EqualFold(string(c.root.repository), string(o.Repository)) {
		out.Repository = c.root.repository
	}
	if job.Environment != nil && job.Environment.Name != nil {
		out.Environment = job.Environment.Name.Value
	}
	if job.WorkflowCall != nil && c.runs {
		c.unbounded("the job calls a workflow; environments that are named there take the place of these subjects")
	}
	for _, context := range slices.Sorted(maps.Keys(c.subjects)) {
		out.Subjects = append(out.Subjects, context)
		out.Reasons = append(out.Reasons, listReasons(c.subjects[context]))
	}
	for _, context := range slices.Sorted(maps.Keys(c.patterns)) {
		out.Patterns = append(out.Patterns, context)
		out.Reasons = append(out.Reasons, listReasons(c.patterns[context]))
	}
	out.Unbounded = c.open || len(out.Patterns) > 0
	if !c.runs && len(c.remarks) == 0 {
		what := "job"
		if o.Steps[jobID(job)] != "" {
			what = "step"
		}
		c.remark("the " + what + " never runs: its conditions exclude every trigger")
	}
	out.Reasons = append(out.Reasons, c.remarks...)
	return out
}

func listReasons(reasons []string) string {
	if len(reasons) > maxReasons {
		reasons = append(slices.Clone(reasons[:maxReasons]), "…")
	}
	return cmp.Or(strings.Join(reasons, "; "), "-")
}
