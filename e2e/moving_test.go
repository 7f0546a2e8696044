package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/explain"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// movingOrganisation has an application that signs in through a connection which two projects share, and in a workflow. The connection is named in a variable of a pipeline in
// Azure Repos, through a template's parameter, and in a pipeline that lives on GitHub beside the workflow.
const movingOrganisation = `
seed: 23
clock: 2026-11-02T09:00:00Z
tenant: contoso
subscriptions: [contoso-production]
identities:
  - name: shipper
    passwords: [{name: shipper, created: 90d, expires: 300d, lastUsed: 1d}]
    roles: [{role: Contributor, scope: contoso-production}]
azureDevOps:
  - name: contoso
    projects: [Shop, Store]
    connections:
      - {name: ship, projects: [Shop, Store], identity: shipper, usedBy: site, lastUsed: 1d}
    repositories:
      - project: Shop
        name: site
        files:
          azure-pipelines.yml: |
            trigger: [main]
            variables:
              azure: 'ship'   # the subscription
            steps:
            - task: AzureCLI@2
              inputs:
                azureSubscription: $(azure)
                scriptType: bash
                scriptLocation: inlineScript
                inlineScript: az account show
            - template: templates/deploy.yml
              parameters: {azureSubscription: ship}
          templates/deploy.yml: |
            parameters:
            - name: azureSubscription
              type: string
            steps:
            - task: AzurePowerShell@5
              inputs:
                azureSubscription: ${{ parameters.azureSubscription }}
                ScriptType: InlineScript
                Inline: Get-AzContext
                azurePowerShellVersion: LatestVersion
    pipelines:
      - {project: Shop, name: site, repository: site, file: azure-pipelines.yml}
      - {project: Store, name: infra, repository: contoso/infra, github: true, file: azure-pipelines.yml}
github:
  - name: contoso
    permissions: read
    repositories:
      - name: infra
        secrets: [{name: AZURE_CREDENTIALS, creds: shipper}]
        files:
          azure-pipelines.yml: |
            trigger: [main]
            steps:
            - task: TerraformTaskV4@4
              inputs:
                provider: azurerm
                command: apply
                environmentServiceNameAzureRM: store-ship
                backendServiceArm: store-ship
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

// movingJourney is ready to be planned: the application's unit moves to a managed identity, and new connections are made in the place of its own.
func movingJourney(t *testing.T, change func(*world.World)) *journey {
	t.Helper()
	w, mapping := movingWorld(t)
	if change != nil {
		change(w)
	}
	j := startJourney(t, w, mapping)
	j.moveConnections(nil)
	return j
}

func movingWorld(t *testing.T) (*world.World, lab.Mapping) {
	t.Helper()
	w, mapping, err := lab.LoadSeedMapping([]byte(movingOrganisation))
	if err != nil {
		t.Fatal(err)
	}
	c := devOps(w, "ship")
	c.Refs[1].Name, c.Data["identityType"], c.Data["oboAuthorization"] = "store-ship", "AppRegistrationManual", ""
	guard(w, c, "site")
	w.Knobs.IdentityWriteGap = 500 * time.Millisecond
	return w, mapping
}

// moveConnections sets the configuration by which the unit moves, with a change of it.
func (j *journey) moveConnections(change func(*plan.Config)) {
	sub := theOnly(j.lab.World)
	rule := plan.TargetRule{Kind: plan.TargetManagedIdentity, AppIDs: []inventory.AppID{j.appID("shipper")}, Name: "id-{app}",
		Subscription: inventory.SubscriptionID(sub.ID), ResourceGroup: "identities", Location: "westeurope"}
	j.targets = []string{"id-*"}
	j.settings = func(c *plan.Config) {
		c.Targets, c.Connections.Identity, c.IncludeShared = []plan.TargetRule{rule}, plan.ConnectionsRecreate, true
		if change != nil {
			change(c)
		}
	}
}

// movingSignIns are those of all pipelines and workflows, by place. It uses no connection beside them: each use of the old one holds the revoke.
func (j *journey) movingSignIns() (ok map[string]bool, failures []string) {
	j.t.Helper()
	ok = map[string]bool{}
	steps, err := j.lab.RunPipelines()
	if err != nil {
		failures = append(failures, err.Error())
	}
	for _, s := range steps {
		place := s.Pipeline + " " + s.Job + " " + s.Step + " " + s.Task
		works, seen := ok[place]
		ok[place] = s.OK && (works || !seen)
		if !s.OK {
			failures = append(failures, place+" ("+s.Connection+"): "+s.Error)
		}
	}
	w := j.lab.World
	w.Lock()
	events := lab.Events(w, w.GitHub.Repos["contoso/infra"])
	w.Unlock()
	for _, e := range events {
		outcomes, err := j.lab.Fire("contoso/infra", e)
		if err != nil {
			j.t.Fatal(err)
		}
		for _, o := range outcomes {
			if ok[o.Place()] = o.OK; !o.OK {
				failures = append(failures, o.Place()+": "+o.Error)
			}
		}
	}
	return ok, failures
}

// movingWorks asks that all pipelines and workflows sign in.
func (j *journey) movingWorks(when string) {
	j.t.Helper()
	if _, failures := j.movingSignIns(); len(failures) > 0 {
		j.t.Errorf("%s these do not sign in:\n%s", when, strings.Join(failures, "\n"))
	}
}

// movingState is what the move may change, without the ids that depend on how often something was tried.
func (j *journey) movingState() string {
	var b strings.Builder
	b.WriteString(j.connectionState("ship", "ship-wif"))
	j.change(func(w *world.World) {
		for _, m := range w.ManagedIdentities {
			fmt.Fprintf(&b, "identity %s has %d federated credentials\n", m.Name, len(m.App.FICs))
			for _, r := range w.Roles {
				if r.PrincipalID == m.App.SP.ObjectID {
					fmt.Fprintf(&b, "and is %s of %s\n", r.Role, r.Scope)
				}
			}
		}
		infra := w.GitHub.Repos["contoso/infra"]
		fmt.Fprintf(&b, "%d secrets and %d variables\n", len(infra.Secrets), len(infra.Variables))
		for _, r := range []*world.Repo{j.repo("Shop", "site"), infra} {
			for _, path := range []string{"azure-pipelines.yml", deployFile} {
				fmt.Fprintf(&b, "%s of %s is %s\n", path, r.Name, r.Tree("main")[path])
			}
			for _, p := range r.Pulls {
				fmt.Fprintf(&b, "pull request %d from %s, %s, merged %t\n", p.Number, p.Head, p.State, p.Merged)
			}
		}
	})
	return b.String()
}

func TestAConnectionMovesToAManagedIdentityFromApplyToRollback(t *testing.T) {
	j := movingJourney(t, nil)
	j.movingWorks("before")
	before := j.movingState()
	t.Log(outlineOf(j.makePlan()))
	u := j.planned("shipper")
	if len(u.Withheld) > 0 || u.Blocked() || u.Target == nil {
		t.Fatalf("%+v %+v %+v", u.Withheld, u.Blockers, u.Target)
	}
	if r := j.applyWith(execute.ApplyOptions{DryRun: true}); r.Failed() || j.found("ship-wif") != nil {
		j.log(r)
		t.Fatal("a dry run failed, or made a connection")
	}
	j.pass(time.Hour)
	j.log(j.apply())
	m, old, made := j.managed("id-shipper"), j.found("ship"), j.found("ship-wif")
	if m == nil || made == nil || made.Scheme != "WorkloadIdentityFederation" || made.Params["serviceprincipalid"] != m.App.AppID || made.Data["creationMode"] != "Manual" ||
		len(made.Refs) != 2 || made.Refs[1].Name != "store-ship-wif" {
		t.Fatalf("the new connection of %+v is %+v", m, made)
	}
	sub := theOnly(j.lab.World)
	if diff := cmp.Diff(map[string]string{"creationMode": "Manual", "environment": "AzureCloud", "scopeLevel": "Subscription", "subscriptionId": sub.ID, "subscriptionName": sub.Name}, made.Data); diff != "" {
		t.Errorf("the new connection has more than is documented:\n%s", diff)
	}
	if old.Scheme != "ServicePrincipal" || old.Disabled {
		t.Errorf("the old connection is %s, disabled %t", old.Scheme, old.Disabled)
	}
	if diff := cmp.Diff(accessOf(old, ""), accessOf(made, made.Roles[made.Refs[0].ProjectID][0].Identity)); diff != "" {
		t.Errorf("who may use them differs (-old +new):\n%s", diff)
	}
	shipper := app(j.lab.World, "shipper")
	if a, b := j.rolesOf(shipper.SP.ObjectID), j.rolesOf(m.App.SP.ObjectID); !slices.Equal(a, b) || len(shipper.FICs) > 0 || len(m.App.FICs) != 2 {
		t.Errorf("roles %v and %v; the application trusts %d subjects, the identity %d", a, b, len(shipper.FICs), len(m.App.FICs))
	}
	j.holdsNoSecret()
	j.movingWorks("before the merge")
	t.Log("merged", j.mergeAll())
	for path, want := range map[string][]string{"azure-pipelines.yml": {"azure: 'ship-wif'   # the subscription", "{azureSubscription: ship-wif}"}, "templates/deploy.yml": {"${{ parameters.azureSubscription }}"}} {
		for _, x := range want {
			if text := j.text("Shop", "site", path); !strings.Contains(text, x) {
				t.Errorf("%s has no %s:\n%s", path, x, text)
			}
		}
	}
	j.change(func(w *world.World) {
		files := w.GitHub.Repos["contoso/infra"].Files(w.GitHub.Repos["contoso/infra"].Head("main"))
		if text := string(files["azure-pipelines.yml"]); strings.Count(text, "store-ship-wif") != 2 {
			t.Errorf("the pipeline on GitHub is\n%s", text)
		}
		if n := len(w.GitHub.Repos["contoso/infra"].Pulls); n != 1 {
			t.Errorf("%d pull requests on GitHub", n)
		}
	})
	j.movingWorks("after the merge")
	j.log(j.apply())
	j.want(j.verify(), "shipper", execute.UnitVerified, "")
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "shipper", execute.UnitRevoked, "")
	if c := j.found("ship"); !c.Disabled || len(shipper.Passwords) > 0 {
		t.Errorf("the old connection is disabled %t, and the application has %d passwords", c.Disabled, len(shipper.Passwords))
	}
	j.movingWorks("after revoke")
	j.log(j.rollback(u.ID))
	j.movingWorks("while rolling back")
	j.mergeAll()
	j.want(j.rollback(u.ID), "shipper", execute.UnitRolledBack, "")
	j.movingWorks("after rollback")
	if j.found("ship-wif") != nil || j.managed("id-shipper") != nil {
		t.Error("the new connection or the identity is still there")
	}
	if diff := cmp.Diff(withoutPulls(before), withoutPulls(j.movingState())); diff != "" {
		t.Errorf("not everything is as before:\n%s", diff)
	}
	j.holdsNoSecret()
}

func TestWhyTellsOfAConnectionThatMoves(t *testing.T) {
	j := movingJourney(t, nil)
	j.makePlan()
	for i, c := range j.inv.Connections {
		e := explain.Why(explain.Input{Inventory: j.inv, Plan: j.plan}, j.inv.ConnectionObject(i))
		text := fmt.Sprintf("%+v", e)
		for _, want := range []string{"make service connection ship-wif in place of ship (contoso/Shop), which signs in as managed identity id-shipper", "trust what connection ship-wif presents on managed identity id-shipper",
			"disable service connection ship", "open a pull request in contoso/infra"} {
			if !strings.Contains(text, want) {
				t.Errorf("why %s does not say %q: %s", c.Name, want, text)
			}
		}
	}
}

func TestAnAutomaticConnectionIsNotSavedByTheRevoke(t *testing.T) {
	for _, renews := range []bool{false, true} {
		t.Run(fmt.Sprintf("saving renews its secret %t", renews), func(t *testing.T) {
			j := movingJourney(t, func(w *world.World) {
				w.Knobs.SaveRenews = renews
				c := devOps(w, "ship")
				c.Data["creationMode"], c.Data["spnObjectId"], c.Data["appObjectId"] = "Automatic", app(w, "shipper").SP.ObjectID, app(w, "shipper").ObjectID
			})
			j.migrated()
			if made := j.found("ship-wif"); made.Data["creationMode"] != "Manual" || made.Data["appObjectId"]+made.Data["spnObjectId"] != "" {
				t.Errorf("the new connection has %v", made.Data)
			}
			j.movingWorks("after the merge")
			j.want(j.verify(), "shipper", execute.UnitVerified, "")
			j.pass(8 * 24 * time.Hour)
			j.want(j.revoke(), "shipper", execute.UnitRevoked, "")
			if c := j.found("ship"); c.Disabled || len(app(j.lab.World, "shipper").Passwords) > 0 {
				t.Errorf("disabled %t, and its application has passwords again: %v", c.Disabled, app(j.lab.World, "shipper").Passwords)
			}
			if said := fmt.Sprintf("%+v", j.status()); !strings.Contains(said, "Azure DevOps gives an automatic connection a new secret when it is saved, and its credential is gone: disable it by hand") {
				t.Errorf("nobody is told: %s", said)
			}
			u := j.plan.Units[0].ID
			j.rollback(u)
			j.mergeAll()
			j.want(j.rollback(u), "shipper", execute.UnitRolledBack, "")
			j.movingWorks("after rollback")
		})
	}
}

func TestANewConnectionIsMadeOnlyAsTheIdentityOfThePlan(t *testing.T) {
	j := movingJourney(t, nil)
	j.existing("id-shipper")
	j.makePlan()
	j.change(func(w *world.World) { // somebody makes it anew, under the same name
		m := w.ManagedIdentities[0]
		m.App.AppID, m.App.ObjectID = w.NewID(), w.NewID()
	})
	r := j.apply()
	for _, s := range j.unit(r, "shipper").Steps {
		if s.Kind == plan.StepReplacement && (s.State != execute.StepRefused || !strings.Contains(s.Reason, "clientId moved from")) {
			t.Errorf("%+v", s)
		}
	}
	if j.found("ship-wif") != nil {
		t.Error("a connection was made")
	}
	j.movingWorks("when refused")
}

func TestANewConnectionThatSignsInAsSomethingElseIsNotProved(t *testing.T) {
	j := movingJourney(t, nil)
	j.migrated()
	j.movingWorks("after the merge")
	j.change(func(w *world.World) {
		other := app(w, "shipper")
		c := devOps(w, "ship-wif")
		c.Params["serviceprincipalid"] = other.AppID
		other.FICs = append(other.FICs, &world.FIC{ID: "x", Name: "x", Issuer: c.Params["workloadIdentityFederationIssuer"], Subject: c.Params["workloadIdentityFederationSubject"], Audiences: []string{world.TokenExchangeAudience}})
	})
	j.want(j.verify(), "shipper", execute.UnitFailed, "connection ship-wif signs in as "+app(j.lab.World, "shipper").AppID+", and was made to sign in as "+j.managed("id-shipper").App.AppID)
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "shipper", execute.UnitFailed, "")
	if j.passwordsOf("shipper") == 0 {
		t.Error("the password is revoked")
	}
}

func TestNoTextNamesANewConnectionBeforeTheRolesAreEqual(t *testing.T) {
	j := movingJourney(t, nil)
	j.makePlan()
	shipper := app(j.lab.World, "shipper")
	j.change(func(w *world.World) {
		w.Roles = append(w.Roles, &world.RoleAssignment{ID: w.NewID(), PrincipalID: shipper.SP.ObjectID, Role: "Reader", RoleID: w.NewID(), Scope: w.Roles[0].Scope + "/resourceGroups/new", Created: w.Clock.Now()})
	})
	j.want(j.apply(), "shipper", execute.UnitFailed, "lacks what the application has: Reader of")
	if n := len(j.openPulls()); n > 0 || len(j.repo("Shop", "site").Pulls) > 0 {
		t.Errorf("%d pull requests are open", n)
	}
	j.movingWorks("with a role missing")
	j.makePlan()
	j.apply()
	j.mergeAll()
	j.apply()
	j.pass(time.Minute)
	j.movingWorks("after the merge")
	j.want(j.verify(), "shipper", execute.UnitVerified, "")
}

func TestAConnectionThatMovedIsPlannedAgainAsItStands(t *testing.T) {
	j := movingJourney(t, nil)
	j.migrated()
	j.movingWorks("after the merge")
	first := j.plan
	j.makePlan()
	u := j.planned("shipper")
	if s, ok := u.Step("new-connection/" + devOps(j.lab.World, "ship").ID); !ok || s.Replacement.NewName != "ship-wif" || s.Replacement.AppID != inventory.AppID(j.managed("id-shipper").App.AppID) {
		t.Errorf("it is planned as %+v", s)
	}
	j.want(j.apply(), "shipper", execute.UnitMigrated, "")
	j.want(j.verify(), "shipper", execute.UnitVerified, "")

	// Without the rule the plan does not convert what has moved.
	j.settings = func(c *plan.Config) { c.IncludeShared = true }
	j.makePlan()
	if text := fmt.Sprint(j.planned("shipper").Blockers, j.planned("shipper").Withheld); !strings.Contains(text, "connection ship-wif was made in its place, which signs in as "+j.managed("id-shipper").App.AppID+", and this plan would convert it, too, or leave it") {
		t.Errorf("%s", text)
	}
	j.pass(8 * 24 * time.Hour)
	if r := j.revoke(); r.Count(execute.UnitRevoked) > 0 || j.passwordsOf("shipper") == 0 {
		j.log(r)
		t.Error("it is revoked")
	}
	j.plan = first
	j.want(j.revoke(), "shipper", execute.UnitRevoked, "")
	j.moveConnections(nil)
	j.makePlan()
	if len(j.plan.Units) > 0 || !strings.Contains(fmt.Sprint(j.plan.Left), "connection ship-wif was made in its place, and it is disabled") {
		t.Errorf("there is still something to do: %+v; left %+v", j.plan.Units, j.plan.Left)
	}
	j.rollback(u.ID)
	j.mergeAll()
	j.want(j.rollback(u.ID), "shipper", execute.UnitRolledBack, "")
	j.movingWorks("after rollback")
	if j.managed("id-shipper") != nil || j.found("ship-wif") != nil {
		t.Error("the identity or the new connection is left")
	}
}

// TestEveryConnectionOfAUnitMoves has a connection to a registry beside the one to Azure, whatever the configuration says about registries of other units.
func TestEveryConnectionOfAUnitMoves(t *testing.T) {
	j := movingJourney(t, func(w *world.World) {
		like(w, "ship", "images", func(c *world.Connection) {
			c.Type, c.Refs, c.URL = "dockerregistry", c.Refs[:1], "https://contoso.azurecr.io"
			c.OpenIn, c.AllPipelines, c.Alone = nil, true, nil
			c.Data["registrytype"], c.Params["loginServer"], c.Params["scope"] = "ACR", "contoso.azurecr.io", "/registries/contoso"
		})
		r := w.DevOps["contoso"].Repos[0].Git
		w.CommitFiles(r, "main", "push an image", map[string][]byte{"azure-pipelines.yml": append(r.Files(r.Head("main"))["azure-pipelines.yml"],
			"- task: Docker@2\n  inputs: {containerRegistry: images, repository: shop, command: push}\n"...)})
	})
	j.migrated()
	m, made := j.managed("id-shipper"), j.found("images-wif")
	if made == nil || made.Params["serviceprincipalid"] != m.App.AppID || made.Params["loginServer"] != "contoso.azurecr.io" || len(m.App.FICs) != 3 {
		t.Fatalf("%+v", made)
	}
	if text := j.text("Shop", "site", "azure-pipelines.yml"); !strings.Contains(text, "containerRegistry: images-wif") {
		t.Errorf("the pipeline is\n%s", text)
	}
	j.movingWorks("after the merge")
	j.want(j.verify(), "shipper", execute.UnitVerified, "")
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "shipper", execute.UnitRevoked, "")
	j.movingWorks("after revoke")
}

// TestStepsThatMustChangeAreMergedBeforeAConnectionIsNamed has a template in another repository, whose task needs another version with a connection without a secret.
func TestStepsThatMustChangeAreMergedBeforeAConnectionIsNamed(t *testing.T) {
	j := movingJourney(t, func(w *world.World) {
		o := w.DevOps["contoso"]
		text := strings.Replace(string(o.Repos[0].Git.Files("main")["azure-pipelines.yml"]), "templates/deploy.yml", "copy.yml@templates", 1)
		w.CommitFiles(o.Repos[0].Git, "main", "copy by a template", map[string][]byte{"azure-pipelines.yml": []byte("resources:\n  repositories:\n  - repository: templates\n    type: git\n    name: Shop/templates\n" + text)})
		w.AddDevOpsRepo(o, o.Projects[0], "templates", map[string]string{"copy.yml": "parameters:\n- name: azureSubscription\n  type: string\nsteps:\n- task: AzureFileCopy@4\n  inputs:\n    azureSubscription: ${{ parameters.azureSubscription }}\n    SourcePath: site/*\n    Destination: AzureBlob\n    storage: shop\n"})
	})
	j.movingWorks("before")
	j.makePlan()
	j.pass(time.Hour)
	j.apply()
	if len(j.repo("Shop", "site").Pulls) > 0 || len(j.repo("Shop", "templates").Pulls) != 1 {
		t.Fatal("the name would be merged before the step works with it")
	}
	j.mergeAll()
	j.movingWorks("after the template's merge")
	j.apply()
	j.mergeAll()
	j.movingWorks("after the merge")
	j.apply()
	j.want(j.verify(), "shipper", execute.UnitVerified, "")
}

// keyReader is a template whose script reads the connection's key: what takes its place, idToken, is there only with a connection without a secret.
const keyReader = `parameters:
- name: azureSubscription
  type: string
steps:
- task: AzureCLI@2
  inputs:
    azureSubscription: ${{ parameters.azureSubscription }}
    addSpnToEnvironment: true
    scriptType: bash
    scriptLocation: inlineScript
    inlineScript: |
      export ARM_CLIENT_ID=$servicePrincipalId
      export ARM_CLIENT_SECRET=$servicePrincipalKey
      terraform apply -auto-approve
`

// TestAScriptThatReadsTheKeyChangesAtTheMomentAtWhichItsConnectionDoes needs no interruption: the old name and the old text go with each other, and so do the new ones.
func TestAScriptThatReadsTheKeyChangesAtTheMomentAtWhichItsConnectionDoes(t *testing.T) {
	j := movingJourney(t, func(w *world.World) {
		w.CommitFiles(w.DevOps["contoso"].Repos[0].Git, "main", "use Terraform", map[string][]byte{"templates/deploy.yml": []byte(keyReader)})
	})
	j.movingWorks("before")
	j.makePlan()
	u := j.planned("shipper")
	if len(u.Withheld) > 0 || u.Blocked() || !strings.Contains(outlineOf(j.plan), "puts it right at the same moment") {
		t.Fatal(outlineOf(j.plan))
	}
	j.pass(time.Hour)
	j.apply()
	pulls := j.repo("Shop", "site").Pulls
	if len(pulls) != 1 {
		t.Fatalf("%d pull requests", len(pulls))
	}
	j.movingWorks("while the pull request is open")
	j.mergeAll()
	if text, names := j.text("Shop", "site", "templates/deploy.yml"), j.text("Shop", "site", "azure-pipelines.yml"); strings.Contains(text, "servicePrincipalKey") || !strings.Contains(text, "idToken") || !strings.Contains(names, "{azureSubscription: ship-wif}") {
		t.Errorf("the merged texts are\n%s\n%s", names, text)
	}
	j.movingWorks("after the merge")
	j.apply()
	j.want(j.verify(), "shipper", execute.UnitVerified, "")
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "shipper", execute.UnitRevoked, "")
	j.movingWorks("after revoke")
	j.rollback(u.ID)
	j.movingWorks("while rolling back")
	j.mergeAll()
	j.pass(time.Minute)
	j.want(j.rollback(u.ID), "shipper", execute.UnitRolledBack, "")
	j.movingWorks("after rollback")
	if text := j.text("Shop", "site", "templates/deploy.yml"); text != keyReader {
		t.Errorf("the template is not as before:\n%s", text)
	}
}

// TestAScriptThatReadsTheKeyWaitsWhereItsNameIsElsewhere has the template in a repository of its own, so that no pull request can change both.
func TestAScriptThatReadsTheKeyWaitsWhereItsNameIsElsewhere(t *testing.T) {
	j := movingJourney(t, func(w *world.World) {
		o := w.DevOps["contoso"]
		text := strings.Replace(string(o.Repos[0].Git.Files("main")["azure-pipelines.yml"]), "templates/deploy.yml", "terraform.yml@templates", 1)
		w.CommitFiles(o.Repos[0].Git, "main", "use Terraform", map[string][]byte{"azure-pipelines.yml": []byte("resources:\n  repositories:\n  - repository: templates\n    type: git\n    name: Shop/templates\n" + text)})
		w.AddDevOpsRepo(o, o.Projects[0], "templates", map[string]string{"terraform.yml": keyReader})
	})
	j.makePlan()
	if text := outlineOf(j.plan); !strings.Contains(text, "pipeline-incompatible") || !strings.Contains(text, "its name stands in Shop/site, which has a pull request of its own") {
		t.Fatal(text)
	}
	j.apply()
	if j.found("ship-wif") != nil || len(j.repo("Shop", "templates").Pulls) > 0 {
		t.Error("something was made all the same")
	}
	j.movingWorks("with a connection that is held")
}
