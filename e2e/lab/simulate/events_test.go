package simulate_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab/simulate"
)

const trivialJob = "\njobs: { x: { runs-on: ubuntu-latest, steps: [ { run: 'true' } ] } }\n"

// short writes an event on one line.
func short(ev simulate.Event) string {
	out := []string{ev.Name}
	for _, kv := range [][2]string{{"ref", ev.Ref}, {"base", ev.Base}, {"type", ev.Type}, {"actor", ev.Actor}} {
		if kv[1] != "" {
			out = append(out, kv[0]+"="+kv[1])
		}
	}
	if ev.Sample {
		out = append(out, "~")
	}
	if ev.Fork {
		out = append(out, "fork")
	}
	for _, k := range slices.Sorted(maps.Keys(ev.Inputs)) {
		out = append(out, k+"="+ev.Inputs[k])
	}
	return strings.Join(out, " ")
}

func TestEventsStandForEveryTrigger(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		on   string
		want []string
	}{
		"push to anything": {"on: push", []string{"push ref=refs/heads/main", "push ref=refs/heads/feature/sample ~", "push ref=refs/tags/v1.0.0 ~"}},
		"branches and wildcards": {
			"on: { push: { branches: [ main, dev, 'release/**', 'v[0-9]+.x', '!release/sample' ] } }",
			[]string{"push ref=refs/heads/main", "push ref=refs/heads/dev", "push ref=refs/heads/release/other ~", "push ref=refs/heads/v0.x ~"},
		},
		"ignored branches": {"on: { push: { branches-ignore: [main] } }", []string{"push ref=refs/heads/feature/sample ~"}},
		"tags only":        {"on: { push: { tags: ['v*'] } }", []string{"push ref=refs/tags/vsample ~"}},
		"pull request": {"on: { pull_request: { branches: [main] } }", []string{
			"pull_request ref=refs/heads/feature base=main", "pull_request ref=refs/heads/feature base=main fork",
			"pull_request ref=refs/heads/feature base=main actor=dependabot[bot]",
		}},
		"schedules": {"on: { schedule: [ { cron: '0 1 * * *' }, { cron: '0 2 * * *' } ] }", []string{"schedule type=0 1 * * *", "schedule type=0 2 * * *"}},
		"dispatch": {
			"on: { workflow_dispatch: { inputs: { env: { type: choice, options: [dev, prod], default: prod }, dry: { type: boolean }, note: { required: true } } } }",
			[]string{
				"workflow_dispatch dry=false env=prod note=sample", "workflow_dispatch dry=true env=prod note=sample",
				"workflow_dispatch dry=false env=dev note=sample", "workflow_dispatch dry=true env=dev note=sample",
				"workflow_dispatch ref=refs/heads/feature/sample ~ dry=false env=prod note=sample",
			},
		},
		"types":       {"on: { repository_dispatch: { types: [go, 'run-*'] }, issue_comment: }", []string{"repository_dispatch type=go", "repository_dispatch type=run-sample", "issue_comment"}},
		"merge queue": {"on: merge_group", []string{"merge_group base=main ~", "merge_group base=feature/sample ~"}},
		"only called": {"on: workflow_call", nil},
		"release":     {"on: { release: { types: [published] } }", []string{"release ref=refs/tags/v1.0.0 type=published ~"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, map[string]string{".github/workflows/a.yml": tc.on + trivialJob})
			events, err := l.sim.Events("acme/app", ".github/workflows/a.yml")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, ev := range events {
				got = append(got, short(ev))
				if runs := l.run(t, ev); len(runs) != 1 || runs[0].Conclusion != "success" {
					t.Errorf("%s started %d runs:\n%s", short(ev), len(runs), story(runs, false))
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestEventsTypeTheWordThatAConditionAsksFor(t *testing.T) {
	t.Parallel()
	l := newLab(t, map[string]string{".github/workflows/a.yml": `
on: { workflow_dispatch: { inputs: { confirm: { required: true } } } }
jobs: { x: { if: "github.event.inputs.confirm == 'DESTROY'", runs-on: ubuntu-latest, steps: [ { run: 'true' } ] } }
`})
	events, err := l.sim.Events("acme/app", ".github/workflows/a.yml")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, ev := range events {
		if l.run(t, ev)[0].Conclusion == "success" {
			ran++
		}
	}
	if ran != 1 {
		t.Errorf("%d of %d events run the job", ran, len(events))
	}
}

func TestNothingRunsInAnArchivedRepository(t *testing.T) {
	t.Parallel()
	l := newLab(t, map[string]string{".github/workflows/a.yml": "on: push" + trivialJob})
	l.repo.Archived = true
	if runs := l.run(t, simulate.Event{Name: "push"}); len(runs) > 0 {
		t.Error(story(runs, false))
	}
}

func TestEventsAreBoundedButNameEveryChoice(t *testing.T) {
	t.Parallel()
	var inputs strings.Builder
	for i := range 12 {
		fmt.Fprintf(&inputs, "      i%d: { type: choice, options: [a, b, c, d] }\n", i)
	}
	l := newLab(t, map[string]string{".github/workflows/a.yml": "on:\n  workflow_dispatch:\n    inputs:\n" + inputs.String() + trivialJob})
	events, err := l.sim.Events("acme/app", ".github/workflows/a.yml")
	if err != nil {
		t.Fatal(err)
	}
	if len(events) > 200 {
		t.Errorf("%d events", len(events))
	}
	seen := map[string]bool{}
	for _, ev := range events {
		for k, v := range ev.Inputs {
			seen[k+v] = true
		}
	}
	if len(seen) != 48 {
		t.Errorf("%d of 48 choices occur", len(seen))
	}
}

func TestEventsTakeWhatExists(t *testing.T) {
	t.Parallel()
	l := newLab(t, map[string]string{".github/workflows/a.yml": "on: { push: { branches: ['rel/**'], tags: ['v*'] } }" + trivialJob})
	l.repo.Refs["refs/heads/rel/1"] = l.repo.Refs["refs/heads/main"]
	l.repo.Refs["refs/tags/v1"] = l.repo.Refs["refs/heads/main"]
	events, err := l.sim.Events("acme/app", ".github/workflows/a.yml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ev := range events {
		got = append(got, short(ev))
	}
	want := []string{"push ref=refs/heads/rel/1", "push ref=refs/heads/rel/sample ~", "push ref=refs/tags/v1", "push ref=refs/tags/vsample ~"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
