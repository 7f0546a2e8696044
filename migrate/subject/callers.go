package subject

import (
	"slices"
	"strings"

	"github.com/rhysd/actionlint"
)

// CallersOf finds the jobs that call a workflow of the same repository by its path (uses: ./.github/workflows/x.yml), and
// their own callers. Workflows is every parsed workflow of the repository by its path. A call that closes a circle,
// which GitHub refuses, is left out.
func CallersOf(path string, workflows map[string]*actionlint.Workflow) []Caller {
	budget := maxChains
	return callersOf(path, workflows, []string{path}, &budget)
}

func callersOf(path string, workflows map[string]*actionlint.Workflow, chain []string, budget *int) []Caller {
	if len(chain) > maxCalls || *budget <= 0 {
		return nil
	}
	var out []Caller
	for _, p := range sortedPaths(workflows) {
		if slices.Contains(chain, p) {
			continue
		}
		for _, job := range inOrder(workflows[p]) {
			if job.WorkflowCall == nil || job.WorkflowCall.Uses == nil || strings.TrimPrefix(job.WorkflowCall.Uses.Value, "./") != path {
				continue
			}
			*budget--
			out = append(out, Caller{Path: p, Workflow: workflows[p], Job: jobID(job),
				Callers: callersOf(p, workflows, append(slices.Clone(chain), p), budget)})
		}
	}
	return out
}

func sortedPaths(workflows map[string]*actionlint.Workflow) []string {
	paths := make([]string, 0, len(workflows))
	for p, w := range workflows {
		if w != nil {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}
