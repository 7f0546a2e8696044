package subject

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rhysd/actionlint"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// failer is what a helper needs of a test, whether of the standard library or of rapid.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// parseWorkflow reads a workflow as the scan does; errors of the linter do not matter here.
func parseWorkflow(t failer, text string) *actionlint.Workflow {
	t.Helper()
	w, errs := actionlint.Parse([]byte(text))
	if w == nil {
		t.Fatalf("cannot parse: %v", errs)
	}
	return w
}

// options of a usual repository.
func options() JobOptions {
	return JobOptions{DefaultBranch: "main", Path: ".github/workflows/w.yml", Repository: "octo/app"}
}

// subjectsOf gives the exact contexts and patterns of one job.
func subjectsOf(t failer, text, job string, o JobOptions) inventory.JobSubjects {
	t.Helper()
	for _, s := range Jobs(parseWorkflow(t, text), o) {
		if s.Job == job {
			return s
		}
	}
	t.Fatalf("no job %q", job)
	return inventory.JobSubjects{}
}

// workflow builds a workflow with one job from its triggers and the job's own keys.
func workflow(on string, keys ...string) string {
	text := "on:\n" + indent(on, "  ") + "jobs:\n  deploy:\n    runs-on: ubuntu-latest\n"
	for _, k := range keys {
		text += indent(k, "    ")
	}
	return text + "    steps:\n      - run: echo\n"
}

func indent(text, by string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		b.WriteString(by + line + "\n")
	}
	return b.String()
}

func TestSubjectsOfEveryTrigger(t *testing.T) {
	tests := []struct {
		name, on string
		subjects []string
		patterns []string
	}{
		{"push to one branch", "push: {branches: [main]}", []string{"ref:refs/heads/main"}, nil},
		{"push to several branches", "push: {branches: [main, dev]}", []string{"ref:refs/heads/dev", "ref:refs/heads/main"}, nil},
		{"push without filter is any branch and tag", "push:", []string{"ref:refs/heads/main"}, []string{"ref:refs/heads/*", "ref:refs/tags/*"}},
		{"push with a wildcard", "push: {branches: ['release/**']}", nil, []string{"ref:refs/heads/release/*"}},
		{"push with a single star", "push: {branches: ['*']}", []string{"ref:refs/heads/main"}, []string{"ref:refs/heads/*"}},
		{"push with a class is finite", "push: {branches: ['v[1-3]']}", []string{"ref:refs/heads/v1", "ref:refs/heads/v2", "ref:refs/heads/v3"}, nil},
		{"push with an optional character is finite", "push: {branches: ['v?1']}", []string{"ref:refs/heads/1", "ref:refs/heads/v1"}, nil},
		{"push with branches and a negative pattern", "push: {branches: ['release/**', '!release/old', main]}",
			[]string{"ref:refs/heads/main"}, []string{"ref:refs/heads/release/*"}},
		{"a negative pattern takes away a literal", "push: {branches: [main, dev, '!dev']}", []string{"ref:refs/heads/main"}, nil},
		{"a later positive pattern brings it back", "push: {branches: [dev, '!dev', 'dev']}", []string{"ref:refs/heads/dev"}, nil},
		{"branches-ignore leaves the rest", "push: {branches-ignore: [main]}", nil, []string{"ref:refs/heads/*"}},
		{"branches-ignore of all leaves nothing", "push: {branches-ignore: ['**']}", nil, nil},
		{"tags only", "push: {tags: [v1]}", []string{"ref:refs/tags/v1"}, nil},
		{"tags with wildcard", "push: {tags: ['v*']}", nil, []string{"ref:refs/tags/v*"}},
		{"tags-ignore excludes branches", "push: {tags-ignore: [x]}", nil, []string{"ref:refs/tags/*"}},
		{"branches and tags", "push: {branches: [main], tags: ['v*']}", []string{"ref:refs/heads/main"}, []string{"ref:refs/tags/v*"}},
		{"paths do not bound the branches", "push: {paths: [a]}", []string{"ref:refs/heads/main"}, []string{"ref:refs/heads/*", "ref:refs/tags/*"}},
		{"pull_request", "pull_request: {branches: [main]}", []string{"pull_request"}, nil},
		{"pull_request_target is the default branch", "pull_request_target: {branches: [rel]}", []string{"ref:refs/heads/main"}, nil},
		{"merge_group", "merge_group: {branches: [main]}", nil, []string{"ref:refs/heads/gh-readonly-queue/main/pr-*"}},
		{"merge_group without filter", "merge_group:", nil, []string{"ref:refs/heads/gh-readonly-queue/*/pr-*"}},
		{"schedule", "schedule: [{cron: '0 0 * * *'}]", []string{"ref:refs/heads/main"}, nil},
		{"workflow_run", "workflow_run: {workflows: [ci], branches: [x]}", []string{"ref:refs/heads/main"}, nil},
		{"repository_dispatch", "repository_dispatch:", []string{"ref:refs/heads/main"}, nil},
		{"issue_comment", "issue_comment:", []string{"ref:refs/heads/main"}, nil},
		{"issues", "issues: {types: [opened]}", []string{"ref:refs/heads/main"}, nil},
		{"release", "release: {types: [published]}", nil, []string{"ref:refs/tags/*"}},
		{"workflow_dispatch", "workflow_dispatch:", []string{"ref:refs/heads/main"}, []string{"ref:refs/heads/*", "ref:refs/tags/*"}},
		{"create", "create:", []string{"ref:refs/heads/main"}, []string{"ref:refs/heads/*", "ref:refs/tags/*"}},
		{"delete", "delete:", []string{"ref:refs/heads/main"}, nil},
		{"reviews", "pull_request_review:", []string{"pull_request"}, []string{"ref:refs/pull/*/merge"}},
		{"an unknown event may be anything", "something_new:", []string{"ref:refs/heads/main"}, []string{"ref:refs/heads/*", "ref:refs/tags/*"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			check(t, subjectsOf(t, workflow(test.on), "deploy", options()), test.subjects, test.patterns)
		})
	}
}

func TestTheRiskOfAnEventIsToldOnlyWhereItCanStartTheJob(t *testing.T) {
	const on = "push: {branches: [main]}\npull_request_target:"
	for condition, told := range map[string]bool{"github.event_name == 'push'": false, "github.event_name != 'push'": true, "false": false} {
		got := subjectsOf(t, workflow(on, "if: "+condition), "deploy", options())
		if strings.Contains(strings.Join(got.Reasons, "\n"), "from forks") != told {
			t.Errorf("if: %s: %q", condition, got.Reasons)
		}
	}
}

func check(t *testing.T, got inventory.JobSubjects, subjects, patterns []string) {
	t.Helper()
	subjects, patterns = slices.Sorted(slices.Values(subjects)), slices.Sorted(slices.Values(patterns))
	if diff := cmp.Diff(subjects, slices.Clip(got.Subjects), equateEmpty); diff != "" {
		t.Errorf("subjects (-want +got):\n%s%s", diff, strings.Join(got.Reasons, "\n"))
	}
	if diff := cmp.Diff(patterns, got.Patterns, equateEmpty); diff != "" {
		t.Errorf("patterns (-want +got):\n%s%s", diff, strings.Join(got.Reasons, "\n"))
	}
	if len(got.Reasons) < len(got.Subjects)+len(got.Patterns) {
		t.Errorf("%d reasons for %d subjects and %d patterns", len(got.Reasons), len(got.Subjects), len(got.Patterns))
	}
	if len(got.Patterns) > 0 && !got.Unbounded {
		t.Error("patterns, but not unbounded")
	}
}

var equateEmpty = cmp.Transformer("nil", func(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	return s
})
