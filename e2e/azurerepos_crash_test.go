package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// yamlOrganisation has a template that two identities share, and a repository of GitHub with a workflow beside a pipeline of Azure DevOps.
const yamlOrganisation = `
seed: 12
clock: 2026-11-02T09:00:00Z
tenant: contoso
subscriptions: [contoso-production]
identities:
  - name: shop
    passwords: [{name: pipeline, created: 90d, expires: 300d, lastUsed: 1d}]
    roles: [{role: Contributor, scope: contoso-production}]
  - name: tools
    passwords: [{name: tools, created: 90d, expires: 300d, lastUsed: 1d}]
    roles: [{role: Contributor, scope: contoso-production}]
azureDevOps:
  - name: contoso
    projects: [Shop]
    connections:
      - {name: shop, projects: [Shop], identity: shop, usedBy: deploy, lastUsed: 1d}
      - {name: tools, projects: [Shop], identity: tools, automatic: true, usedBy: deploy, lastUsed: 1d}
    repositories:
      - project: Shop
        name: deploy
        files:
          azure-pipelines.yml: |
            trigger: [main]
            jobs:
            - template: templates/copy.yml
              parameters: {name: shop, connection: shop}
            - template: templates/copy.yml
              parameters: {name: tools, connection: tools}
          templates/copy.yml: |
            parameters:
            - name: name
              type: string
            - name: connection
              type: string
            jobs:
            - job: ${{ parameters.name }}
              steps:
              - task: AzureFileCopy@4   # the site
                displayName: Copy
                inputs:
                  azureSubscription: ${{ parameters.connection }}
                  SourcePath: site/*
                  Destination: AzureBlob
                  storage: shop
    pipelines:
      - {project: Shop, name: deploy, repository: deploy, file: azure-pipelines.yml}
      - {project: Shop, name: infra, repository: contoso/infra, github: true, file: azure-pipelines.yml}
github:
  - name: contoso
    permissions: read
    repositories:
      - name: infra
        secrets: [{name: AZURE_CREDENTIALS, creds: shop}]
        files:
          azure-pipelines.yml: |
            trigger: [main]
            steps:
            - task: TerraformTaskV3@3
              inputs:
                provider: azurerm
                command: apply
                environmentServiceNameAzureRM: shop
                backendServiceArm: shop
          .github/workflows/deploy.yml: |
            name: Deploy
            on:
              push:
                branches: [main]
            jobs:
              deploy:
                runs-on: ubuntu-latest
                steps:
                  - uses: azure/login@v2
                    with:
                      creds: ${{ secrets.AZURE_CREDENTIALS }}
                  - run: az account show
`

func yamlJourney(t *testing.T, change func(*world.World)) *journey {
	t.Helper()
	w, mapping, err := lab.LoadSeedMapping([]byte(yamlOrganisation))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(w)
	}
	return startJourney(t, w, mapping)
}

// works asks that everything signs in, pipelines included.
func (j *journey) works(when string) {
	j.t.Helper()
	j.mustSignIn(when)
	if failures := j.runs(); len(failures) > 0 {
		j.t.Errorf("%s %d steps of pipelines fail:\n%s", when, len(failures), strings.Join(failures, "\n"))
	}
}

// yamlLife is live for an organisation with YAML pipelines.
func yamlLife(t *testing.T, k *killer) (states []string) {
	t.Helper()
	j := yamlJourney(t, nil)
	j.works("before")
	j.makePlan()
	j.killedBy(k)
	again := func(name string, work func(*execute.Executor) (execute.Result, error)) execute.Result {
		t.Helper()
		r := j.untilAlive(k, name, func() { j.works("when killed in " + name) }, func(e *execute.Executor) (execute.Result, error) {
			e.Parallel = 1
			return work(e)
		})
		j.works("after " + name)
		return r
	}
	apply := func(e *execute.Executor) (execute.Result, error) {
		return e.Apply(context.Background(), execute.ApplyOptions{})
	}
	var units []string
	for _, u := range j.plan.Units {
		units = append(units, u.ID)
	}
	rollback := func(e *execute.Executor) (execute.Result, error) {
		return e.Rollback(context.Background(), execute.RollbackOptions{Units: units})
	}
	revoke := func(e *execute.Executor) (execute.Result, error) {
		return e.Revoke(context.Background(), execute.RevokeOptions{})
	}
	again("apply", apply)
	j.pass(time.Minute)
	j.mergeAll()
	j.works("after the merge")
	again("second apply", apply)
	j.pass(time.Minute)
	states = append(states, "migrated:\n"+worldState(j.lab.World)+j.yamlState())
	j.pass(8 * 24 * time.Hour)
	revoked := again("revoke", revoke)
	if n := revoked.Count(execute.UnitRevoked); n != 2 {
		j.log(revoked)
		t.Errorf("%d units are revoked, want 2", n)
	}
	again("rollback", rollback)
	j.mergeAll()
	j.works("after the revert")
	back := again("second rollback", rollback)
	if n := back.Count(execute.UnitRolledBack); n != 2 {
		j.log(back)
		t.Errorf("%d units are rolled back, want 2", n)
	}
	return append(states, "rolled back:\n"+worldState(j.lab.World)+j.yamlState())
}

// yamlState is what a migration may change in Azure Repos.
func (j *journey) yamlState() string {
	var b strings.Builder
	j.change(func(w *world.World) {
		r := j.repo("Shop", "deploy")
		for _, file := range []string{"azure-pipelines.yml", "templates/copy.yml"} {
			fmt.Fprintf(&b, "\n%s is %s", file, r.Tree("main")[file])
		}
		for _, p := range r.Pulls {
			fmt.Fprintf(&b, "\npull request %d from %s, %s, merged %t", p.Number, p.Head, p.State, p.Merged)
		}
	})
	return b.String()
}

func TestKilledAnywhereItEndsWithWorkingPipelines(t *testing.T) {
	k := newKiller("", 0)
	want := yamlLife(t, k)
	t.Logf("events: %v", k.seen)
	step := 1
	if testing.Short() {
		step = 9
	}
	for _, kind := range kills {
		for n := 1; n <= k.seen[kind]; n += step {
			t.Run(fmt.Sprintf("%s/%d", strings.ReplaceAll(kind, " ", "-"), n), func(t *testing.T) {
				k := newKiller(kind, n)
				got := yamlLife(t, k)
				if diff := cmp.Diff(want, got); diff != "" || !k.killed {
					t.Errorf("killed %t; the world differs (-uninterrupted +killed):\n%s", k.killed, diff)
				}
			})
		}
	}
}

func TestOnePullRequestChangesWorkflowsAndPipelinesOfARepository(t *testing.T) {
	j := yamlJourney(t, nil)
	j.makePlan()
	j.pass(time.Minute)
	j.apply()
	j.change(func(w *world.World) {
		r := w.GitHub.Repos["contoso/infra"]
		if len(r.Pulls) != 1 {
			t.Fatalf("%d pull requests", len(r.Pulls))
		}
		p := r.Pulls[0]
		files := r.Files(p.HeadOID)
		if !strings.Contains(string(files["azure-pipelines.yml"]), "TerraformTaskV4@4") || strings.Contains(string(files[deployFile]), "AZURE_CREDENTIALS") {
			t.Errorf("%s\n%s", files["azure-pipelines.yml"], files[deployFile])
		}
		if !strings.Contains(p.Body, "steps of Azure Pipelines") || !strings.Contains(p.Body, "What Azure trusts") {
			t.Errorf("the description is\n%s", p.Body)
		}
	})
}

func (j *journey) editYAML(old, by string) {
	j.change(func(w *world.World) {
		r := j.repo("Shop", "deploy")
		content := replaced(old, by)(r.Files(r.Head("main"))["templates/copy.yml"])
		if content == nil {
			j.t.Fatal("the edit found nothing to change")
		}
		w.CommitFiles(r, "main", "edit", map[string][]byte{"templates/copy.yml": content})
	})
}

func TestAPipelinesPullRequestFollowsItsBase(t *testing.T) {
	for name, tc := range map[string]struct {
		old, by, says, merged string
	}{
		"moved":   {"jobs:\n", "# A comment\n# of a colleague.\njobs:\n", "waits to be merged", "AzureFileCopy@6"},
		"changed": {"SourcePath: site/*", "SourcePath: other/*", "is not as it was at the scan", ""},
		"done":    {"AzureFileCopy@4", "AzureFileCopy@6", "", "AzureFileCopy@6"},
	} {
		t.Run(name, func(t *testing.T) {
			j := yamlJourney(t, nil)
			j.makePlan()
			j.pass(time.Minute)
			j.apply()
			j.editYAML(tc.old, tc.by)
			r := j.apply()
			if name != "done" {
				j.want(r, "tools", execute.UnitPending, tc.says)
			}
			if tc.merged == "" {
				return
			}
			j.mergeAll()
			j.log(j.apply())
			if text := j.text("Shop", "deploy", "templates/copy.yml"); !strings.Contains(text, tc.merged) {
				t.Errorf("the file is\n%s", text)
			}
			j.works("after the merge")
		})
	}
}

func TestAPipelinesPullRequestTellsWhatItWaitsFor(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(w *world.World, r *world.Repo)
		says   string
	}{
		"policies": {func(_ *world.World, r *world.Repo) { r.Protection["main"] = &world.Protection{RequiredReviews: 1} }, "not finished: Minimum number of reviewers"},
		"build": {func(_ *world.World, r *world.Repo) {
			r.Protection["main"] = &world.Protection{RequiredChecks: []string{"validate"}}
		}, "not finished: validate"},
		"branch deleted": {func(_ *world.World, r *world.Repo) { delete(r.Refs, "refs/heads/"+r.Pulls[0].Head) }, "was deleted"},
		"abandoned":      {func(w *world.World, r *world.Repo) { r.Pulls[0].State, r.Pulls[0].ClosedAt = "closed", w.Clock.Now() }, "was closed without being merged"},
		"other base": {func(_ *world.World, r *world.Repo) {
			r.SetRef("refs/heads/other", r.Head("main"))
			r.Pulls[0].Base = "other"
		}, "its base was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			j := yamlJourney(t, nil)
			j.makePlan()
			j.pass(time.Minute)
			j.apply()
			j.change(func(w *world.World) { tc.change(w, j.repo("Shop", "deploy")) })
			j.want(j.apply(), "tools", execute.UnitPending, "")
			if u := j.unit(j.apply(), "tools"); !strings.Contains(fmt.Sprintf("%+v", u.Gates), tc.says) {
				t.Errorf("%+v does not say %q", u.Gates, tc.says)
			}
			if got := j.scheme("tools"); got != "ServicePrincipal spnKey" {
				t.Errorf("the connection was converted: %s", got)
			}
			j.works("while it waits")
			j.log(j.rollback(unitIDs(j)...))
			j.works("after rollback")
		})
	}
}

func TestOneOfTwoIdentitiesKeepsTheSharedTemplate(t *testing.T) {
	j := yamlJourney(t, nil)
	j.makePlan()
	j.pass(time.Minute)
	j.apply()
	j.mergeAll()
	j.apply()
	shop, tools := j.planned("shop"), j.planned("tools")
	j.log(j.rollback(tools.ID))
	j.mergeAll()
	j.want(j.rollback(tools.ID), "tools", execute.UnitRolledBack, "")
	if text := j.text("Shop", "deploy", "templates/copy.yml"); !strings.Contains(text, "AzureFileCopy@6") {
		t.Errorf("the other identity's text is gone:\n%s", text)
	}
	j.works("with one identity rolled back")
	j.rollback(shop.ID)
	j.mergeAll()
	j.want(j.rollback(shop.ID), "shop", execute.UnitRolledBack, "")
	if text := j.text("Shop", "deploy", "templates/copy.yml"); !strings.Contains(text, "AzureFileCopy@4   # the site") {
		t.Errorf("the text is not as before:\n%s", text)
	}
	j.works("with both rolled back")
}

func TestPipelinesAreLeftToPeopleWhereTheConfigurationSaysSo(t *testing.T) {
	j := yamlJourney(t, nil)
	j.settings = func(c *plan.Config) { c.Connections.Pipelines = plan.ConnectionsReport }
	j.makePlan()
	if u := j.planned("tools"); !u.Blocked() || !strings.Contains(fmt.Sprint(u.Blockers), "connections.pipelines: report") {
		t.Errorf("%+v", u.Blockers)
	}
}
