package subject

import (
	"testing"
)

const onMainDevAndPulls = "push: {branches: [main, dev]}\npull_request:\nworkflow_dispatch:"

// TestConditionsExcludeWhatTheySurelyExclude runs one condition over a push to two branches, a pull request
// and a start by hand.
func TestConditionsExcludeWhatTheySurelyExclude(t *testing.T) {
	const main, dev, pr = "ref:refs/heads/main", "ref:refs/heads/dev", "pull_request"
	heads, tags := "ref:refs/heads/*", "ref:refs/tags/*"
	all, any := []string{dev, main, pr}, []string{heads, tags}
	tests := []struct {
		name, condition string
		subjects        []string
		patterns        []string
	}{
		{"always true", "true", all, any},
		{"never", "false", nil, nil},
		{"never, as an expression", "${{ false }}", nil, nil},
		{"event", "github.event_name == 'push'", []string{dev, main}, nil},
		{"event, other case", "GITHUB.Event_Name == 'PUSH'", []string{dev, main}, nil},
		{"not an event", "github.event_name != 'pull_request'", []string{dev, main}, any},
		{"negation", "!(github.event_name == 'pull_request')", []string{dev, main}, any},
		{"one branch bounds also a start by hand", "github.ref == 'refs/heads/main'", []string{main}, nil},
		{"branch name can be a tag's", "github.ref_name == 'main'", []string{main, "ref:refs/tags/main"}, nil},
		{"branch name of a branch", "github.ref_name == 'main' && github.ref_type == 'branch'", []string{main}, nil},
		{"a branch nobody pushes", "github.event_name == 'push' && github.ref == 'refs/heads/other'", nil, nil},
		{"or", "github.ref == 'refs/heads/main' || github.event_name == 'pull_request'", []string{main, pr}, nil},
		{"startsWith", "startsWith(github.ref, 'refs/heads/')", []string{dev, main}, []string{heads}},
		{"startsWith on tags", "startsWith(github.ref, 'refs/tags/v')", nil, []string{"ref:refs/tags/v*"}},
		{"endsWith", "github.event_name == 'push' && endsWith(github.ref, '/dev')", []string{dev}, nil},
		{"contains on the event", "contains(github.event_name, 'pull')", []string{pr}, nil},
		{"contains in a list", "contains(fromJSON('[\"push\", \"schedule\"]'), github.event_name)", []string{dev, main}, nil},
		{"ref in a list", "contains(fromJSON('[\"refs/heads/main\", \"refs/heads/rel\"]'), github.ref)", []string{main, "ref:refs/heads/rel"}, nil},
		{"format", "github.ref == format('refs/heads/{0}', 'dev')", []string{dev}, nil},
		{"default branch of the payload", "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)", []string{main}, nil},
		{"base branch", "github.base_ref == 'main'", []string{pr}, nil},
		{"no base branch", "github.base_ref == ''", []string{dev, main}, any},
		{"head branch may be any", "startsWith(github.head_ref, 'feature/')", []string{pr}, nil},
		{"actor is not known", "github.actor != 'dependabot[bot]'", all, any},
		{"repository is known", "github.repository == 'Octo/App'", all, any},
		{"another repository", "github.repository == 'fork/app'", nil, nil},
		{"owner is known", "github.repository_owner == 'octo'", all, any},
		{"payload is not known", "github.event.pull_request.merged == true", []string{pr}, nil},
		{"variables are not known", "vars.DEPLOY == 'true'", all, any},
		{"but not two things at once", "vars.DEPLOY == 'true' && vars.DEPLOY == 'false'", nil, nil},
		{"always", "always()", all, any},
		{"always and an event", "always() && github.event_name == 'push'", []string{dev, main}, nil},
		{"success of no job", "success()", all, any},
		{"failure of no job", "failure()", nil, nil},
		{"cancelled may be", "cancelled()", all, any},
		{"a text is no condition", "${{ github.event_name }} == 'never'", all, any},
		{"several lines", "github.event_name == 'push'\n  && github.ref == 'refs/heads/main'", []string{main}, nil},
		{"an expression that cannot be read excludes nothing", "github.event_name = 'push'", all, any},
		{"what hashFiles gives is not known", "hashFiles('a') != ''", all, any},
		{"number and text", "1 == '1'", all, any},
		{"text that is no number", "'a' == 0", nil, nil},
		{"empty text is zero", "'' == 0", all, any},
		{"null is zero", "null == 0", all, any},
		{"true is one", "true == '1'", all, any},
		{"order of numbers", "2 < 10", all, any},
		{"order of texts", "'2' < '10'", nil, nil},
		{"case()", "case(github.event_name == 'push', true, false)", []string{dev, main}, nil},
		{"a push has no pull request", "github.event.pull_request", []string{pr}, nil},
		{"head repository is not known", "github.event.pull_request.head.repo.full_name == github.repository", []string{pr}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := workflow(onMainDevAndPulls, "if: |\n"+indent(test.condition, "  "))
			check(t, subjectsOf(t, text, "deploy", options()), test.subjects, test.patterns)
		})
	}
}

// jobs builds a workflow from whole jobs.
func jobs(on string, list ...string) string {
	text := "on:\n" + indent(on, "  ") + "jobs:\n"
	for _, j := range list {
		text += indent(j, "  ")
	}
	return text
}

const steps = "\n  runs-on: ubuntu-latest\n  steps: [{run: echo}]\n"

func TestConditionsOfNeededJobs(t *testing.T) {
	const on = "push: {branches: [main]}\npull_request:"
	build := "build:\n  if: github.event_name == 'push'" + steps
	tests := []struct {
		name, deploy string
		subjects     []string
	}{
		{"a skipped job skips those that need it", "deploy:\n  needs: build" + steps, []string{"ref:refs/heads/main"}},
		{"with a condition of its own as well", "deploy:\n  needs: [build]\n  if: github.actor != 'x'" + steps, []string{"ref:refs/heads/main"}},
		{"always runs anyway", "deploy:\n  needs: build\n  if: always()" + steps, []string{"pull_request", "ref:refs/heads/main"}},
		{"a result decides", "deploy:\n  needs: build\n  if: always() && needs.build.result == 'success'" + steps, []string{"ref:refs/heads/main"}},
		{"skipped is a result", "deploy:\n  needs: build\n  if: always() && needs.build.result == 'skipped'" + steps, []string{"pull_request", "ref:refs/heads/main"}},
		{"failure needs a job that ran", "deploy:\n  needs: build\n  if: failure()" + steps, []string{"ref:refs/heads/main"}},
		{"not cancelled", "deploy:\n  needs: build\n  if: '!cancelled()'" + steps, []string{"pull_request", "ref:refs/heads/main"}},
		{"success is implied unless a status function is named", "deploy:\n  needs: build\n  if: success() || github.event_name == 'pull_request'" + steps,
			[]string{"pull_request", "ref:refs/heads/main"}},
		{"skipping goes along the chain", "middle:\n  needs: build\n  if: always()" + steps + "deploy:\n  needs: middle" + steps, []string{"ref:refs/heads/main"}},
		{"a job that needs itself is no circle", "deploy:\n  needs: deploy" + steps, []string{"pull_request", "ref:refs/heads/main"}},
		{"a needed job that does not exist", "deploy:\n  needs: nothing" + steps, []string{"pull_request", "ref:refs/heads/main"}},
		{"an output decides", "deploy:\n  needs: build\n  if: needs.build.outputs.go == 'yes'" + steps, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			check(t, subjectsOf(t, jobs(on, build, test.deploy), "deploy", options()), test.subjects, nil)
		})
	}
}
