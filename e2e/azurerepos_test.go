package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// runs lets every YAML pipeline run, and gives what fails.
func (j *journey) runs() (failures []string) {
	j.t.Helper()
	steps, err := j.lab.RunPipelines()
	if err != nil {
		j.t.Logf("pipelines that do not run: %v", err)
	}
	for _, s := range steps {
		if !s.OK {
			failures = append(failures, fmt.Sprintf("%s %s %s (%s): %s", s.Pipeline, s.Job, s.Step, s.Connection, s.Error))
		}
	}
	slices.Sort(failures)
	return failures
}

func (j *journey) planned(title string) plan.Unit {
	j.t.Helper()
	for _, u := range j.plan.Units {
		if u.Title == title && u.Kind == "" {
			return u
		}
	}
	j.t.Fatalf("no unit %s", title)
	return plan.Unit{}
}

func TestPipelinesAreRewrittenBeforeTheirConnectionIsConverted(t *testing.T) {
	j := pipelinesJourney(t, nil, nil)
	before := j.runs()
	j.makePlan()
	t.Log(outlineOf(j.plan))
	j.pass(time.Hour)
	j.log(j.apply())
	if got := j.scheme("legacy"); got != "ServicePrincipal spnKey" {
		t.Errorf("the connection is %s before its pipelines are", got)
	}
	if diff := j.runs(); !slices.Equal(diff, before) {
		t.Errorf("before the merge:\n%s", strings.Join(diff, "\n"))
	}
	t.Log("merged", j.mergeAll())
	if diff := j.runs(); !slices.Equal(diff, before) {
		t.Errorf("after the merge:\n%s", strings.Join(diff, "\n"))
	}
	j.log(j.apply())
	if got := j.scheme("legacy"); got != "WorkloadIdentityFederation " {
		t.Errorf("the connection is %s after the merge", got)
	}
	if diff := j.runs(); !slices.Equal(diff, before) {
		t.Errorf("after the conversion:\n%s", strings.Join(diff, "\n"))
	}
	j.pass(time.Hour)
	j.log(j.verify())
	j.pass(8 * 24 * time.Hour)
	j.log(j.revoke())
	if diff := j.runs(); !slices.Equal(diff, before) {
		t.Errorf("after revoke:\n%s", strings.Join(diff, "\n"))
	}
	u := j.planned("legacy")
	j.log(j.rollback(u.ID))
	if diff := j.runs(); !slices.Equal(diff, before) {
		t.Errorf("while rolling back:\n%s", strings.Join(diff, "\n"))
	}
	t.Log("merged", j.mergeAll())
	j.log(j.rollback(u.ID))
	if got := j.scheme("legacy"); got != "ServicePrincipal spnKey" {
		t.Errorf("after rollback the connection is %s", got)
	}
	if diff := j.runs(); !slices.Equal(diff, before) {
		t.Errorf("after rollback:\n%s", strings.Join(diff, "\n"))
	}
	if got := j.text("Store", "store", "copy.yml"); !strings.Contains(got, "AzureFileCopy@4") {
		t.Errorf("the pipeline is not as before:\n%s", got)
	}
}

// text is a file of Azure Repos on its default branch.
func (j *journey) text(project, repo, file string) string {
	w := j.lab.World
	w.Lock()
	defer w.Unlock()
	return string(j.repo(project, repo).Files("main")[file])
}

func (j *journey) repo(project, repo string) *world.Repo {
	for _, o := range j.lab.World.DevOps {
		for _, r := range o.Repos {
			if r.Git.Owner == project && r.Git.Name == repo {
				return r.Git
			}
		}
	}
	j.t.Fatalf("no repository %s/%s", project, repo)
	return nil
}

func TestPipelinesThatReadTheKeyAreRewrittenAfterTheConversion(t *testing.T) {
	j := pipelinesJourney(t, nil, func(c *plan.Config) { c.Connections.Pipelines = plan.PipelinesInterrupt })
	before := j.runs()
	j.makePlan()
	t.Log(outlineOf(j.plan))
	j.pass(time.Hour)
	j.log(j.apply())
	if got := j.scheme("deployer"); got != "WorkloadIdentityFederation " {
		t.Fatalf("the connection is %s", got)
	}
	t.Log("between", j.runs())
	t.Log("merged", j.mergeAll())
	if diff := j.runs(); !slices.Equal(diff, before) {
		t.Errorf("after the merge:\n%s", strings.Join(diff, "\n"))
	}
	j.log(j.apply())
	j.pass(time.Hour)
	r := j.verify()
	j.log(r)
	u := j.planned("deployer")
	for _, x := range r.Units {
		if x.Unit == u.ID && x.State != execute.UnitVerified {
			t.Errorf("%s is %s", x.Unit, x.State)
		}
	}
	j.log(j.rollback(u.ID))
	j.mergeAll()
	j.log(j.rollback(u.ID))
	if diff := j.runs(); !slices.Equal(diff, before) {
		t.Errorf("after rollback:\n%s", strings.Join(diff, "\n"))
	}
}
