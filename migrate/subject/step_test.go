package subject

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAConditionOfAStepExcludesWhatItSurelyExcludes(t *testing.T) {
	text := workflow("push:\n  branches: [main, dev]\npull_request:\n")
	all := []string{"pull_request", "ref:refs/heads/dev", "ref:refs/heads/main"}
	for _, test := range []struct {
		condition string
		want      []string
	}{
		{"github.event_name == 'push'", []string{"ref:refs/heads/dev", "ref:refs/heads/main"}},
		{"${{ github.event_name != 'push' }}", []string{"pull_request"}},
		{"github.ref == 'refs/heads/main' && success()", []string{"ref:refs/heads/main"}},
		{"always() && github.ref_name == 'dev'", []string{"ref:refs/heads/dev"}},
		{"failure()", all},   // a step before may have failed
		{"cancelled()", all}, // and the run may be cancelled
		{"!failure() && github.event_name == 'pull_request'", []string{"pull_request"}},
		{"steps.changed.outputs.any == 'true'", all},
		{"env.STAGE == 'live'", all},
		{"runner.os == 'Linux' && github.event_name == 'pull_request'", []string{"pull_request"}},
		{"github.event_name == 'release'", []string{}},
	} {
		t.Run(test.condition, func(t *testing.T) {
			o := options()
			o.Steps = map[string]string{"deploy": test.condition}
			got := subjectsOf(t, text, "deploy", o)
			have := append(slices.Clone(got.Subjects), got.Patterns...)
			if diff := cmp.Diff(test.want, have); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if len(test.want) == 0 && !slices.Contains(got.Reasons, "the step never runs: its conditions exclude every trigger") {
				t.Errorf("reasons %q", got.Reasons)
			}
		})
	}
}

func TestOnlyJobsOfStepsThatAreAskedForAreTold(t *testing.T) {
	text := "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo\n  b:\n    runs-on: x\n    steps:\n      - run: echo\n"
	o := options()
	o.Steps = map[string]string{"b": "github.ref == 'refs/heads/main'"}
	if got := Jobs(parseWorkflow(t, text), o); len(got) != 1 || got[0].Job != "b" {
		t.Errorf("got %+v", got)
	}
}
