package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// again reads the objects of a part again, as plan --unit does: with a transport that refuses writes.
func (j *journey) again(inv *inventory.Inventory, part inventory.Part) (*inventory.Inventory, error) {
	j.t.Helper()
	set := j.connectWith(transport.Options{ReadOnly: true, Attempts: 3, Backoff: func(int) time.Duration { return time.Millisecond }})
	var orgs, owners []string
	for _, s := range inv.Sources {
		switch s.Kind {
		case inventory.SourceAzureDevOps:
			orgs = append(orgs, s.Name)
		case inventory.SourceGitHub:
			owners = append(owners, s.Name)
		}
	}
	return scan.Again(context.Background(), scan.Sources{AzureDevOps: set.DevOpsSources(orgs), Entra: set.Entra, Azure: set.Azure,
		GitHub: []scan.GitHubScope{{Client: set.GitHub, Owners: owners}}}, scan.Options{Now: set.Transport.Now, Targets: j.targets}, inv, part)
}

func jsonOf(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// firstDifference gives the lines around the first one that differs.
func firstDifference(a, b []byte) string {
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range x {
		if i >= len(y) || x[i] != y[i] {
			return strings.Join(x[max(0, i-6):min(len(x), i+4)], "\n") + "\n--- and\n" + strings.Join(y[max(0, min(i, len(y))-6):min(len(y), i+4)], "\n")
		}
	}
	return "the second is longer"
}

// TestReadingAUnitAgainGivesWhatAScanGives reads each unit of a generated organisation again where nothing has changed: not one byte of the inventory
// is another one, nothing is written, and it takes a small part of a scan's requests.
func TestReadingAUnitAgainGivesWhatAScanGives(t *testing.T) {
	j := generatedJourney(t, lab.Size{Seed: 7, Repositories: 50, Connections: 60})
	j.lab.ResetCounts()
	inv := j.scan()
	whole := j.lab.Counts().Total("")
	p, err := plan.New(inv, j.config())
	if err != nil {
		t.Fatal(err)
	}
	want := jsonOf(t, inv)
	most, sum := 0, 0
	for _, u := range p.Units {
		part := plan.ObjectsOf(inv, u)
		j.lab.ResetCounts()
		got, err := j.again(inv, part)
		if err != nil {
			t.Errorf("%s: %v", u.ID, err)
			continue
		}
		n := j.lab.Counts()
		most, sum = max(most, n.Total("")), sum+n.Total("")
		if b := jsonOf(t, got); !bytes.Equal(b, want) {
			t.Errorf("%s: reading it again, with nothing changed, gives another inventory:\n%s", u.ID, firstDifference(want, b))
		}
	}
	t.Logf("a scan takes %d requests; reading one of %d units again takes %d on average, and %d at most", whole, len(p.Units), sum/len(p.Units), most)
	if most*2 > whole {
		t.Errorf("reading one unit again takes %d requests, and a whole scan %d", most, whole)
	}
}

// TestReadingAChangedUnitAgainGivesWhatAScanGives changes what units of a generated organisation are about, one after the other. Reading the one unit again
// gives the inventory that a whole scan gives, byte for byte.
func TestReadingAChangedUnitAgainGivesWhatAScanGives(t *testing.T) {
	j := generatedJourney(t, lab.Size{Seed: 3, Repositories: 12, Connections: 20, Pipelines: 60})
	inv := j.scan()
	p, err := plan.New(inv, j.config())
	if err != nil {
		t.Fatal(err)
	}
	whole, sum, n := 0, 0, 0
	for i, u := range p.Units {
		if i%3 != 0 || u.AppID == "" {
			continue
		}
		part := plan.ObjectsOf(inv, u)
		j.change(func(w *world.World) { changeEverythingOf(w, part) })
		j.lab.ResetCounts()
		got, err := j.again(inv, part)
		if err != nil {
			t.Fatalf("%s: %v", u.ID, err)
		}
		sum, n = sum+j.lab.Counts().Total(""), n+1
		j.lab.ResetCounts()
		want := j.scan()
		whole = j.lab.Counts().Total("")
		want.ScannedAt = got.ScannedAt
		if a, b := jsonOf(t, want), jsonOf(t, got); !bytes.Equal(a, b) {
			t.Fatalf("%s: a scan and reading it again give two inventories:\n%s", u.ID, firstDifference(a, b))
		}
		inv = got
	}
	if n < 3 {
		t.Fatalf("%d units were changed, so that this test shows little", n)
	}
	t.Logf("a scan takes %d requests; reading one of %d changed units again takes %d on average", whole, n, sum/n)
}

// changeEverythingOf does to each object of a part what people do.
func changeEverythingOf(w *world.World, part inventory.Part) {
	for _, t := range w.Tenants {
		for _, a := range t.Apps {
			if part.HasApplication(inventory.AppID(a.AppID)) {
				a.Passwords = append(a.Passwords, &world.AppPassword{KeyID: w.NewID(), Value: w.NewSecret(), Start: w.Clock.Now(), End: w.Clock.Now().AddDate(1, 0, 0)})
			}
		}
	}
	for _, o := range w.DevOps {
		for _, c := range o.Connections {
			if part.HasConnection(inventory.ConnectionID(c.ID)) {
				for _, r := range c.Refs {
					r.Name += "-renamed"
				}
				c.History = append(c.History, &world.Execution{ID: len(c.History) + 1, ProjectID: c.Refs[0].ProjectID, PlanType: "Build", DefinitionID: 1, DefinitionName: "by hand", Result: "succeeded", Start: w.Clock.Now(), Finish: w.Clock.Now()})
			}
		}
	}
	for _, r := range w.GitHub.Repos {
		if !part.HasRepository(inventory.RepositoryName(r.FullName())) {
			continue
		}
		files := map[string][]byte{}
		for path, content := range r.Files(r.Head(r.DefaultBranch)) {
			if strings.HasPrefix(path, ".github/workflows/") {
				files[path] = append([]byte("# edited\n"), content...)
			}
		}
		w.CommitFiles(r, r.DefaultBranch, "edit", files)
		w.SetVariable(&r.Variables, "BY_HAND", "1")
	}
}

// replan plans one unit again, as plan --unit does, and takes the result as the plan.
func (j *journey) replan(prefix string) *plan.Renewal {
	j.t.Helper()
	records, kept := j.history()
	id := ""
	present := execute.Present(j.plan, records, kept)
	for _, u := range present.Units {
		if strings.HasPrefix(u.ID, prefix) {
			id = u.ID
		}
	}
	u, ok := present.Unit(id)
	if !ok {
		j.t.Fatalf("there is no unit %s", prefix)
	}
	inv, err := j.again(j.inv, plan.ObjectsOf(j.inv, u))
	if err != nil {
		j.t.Fatal(err)
	}
	r, err := plan.Again(j.plan, j.inv, inv, j.config(), id, execute.MovedBy(records, kept)...)
	if err != nil {
		j.t.Fatal(err)
	}
	for _, x := range r.Units {
		j.t.Logf("%s %s: %v", x.What, x.Unit, x.Why)
	}
	j.inv, j.plan = inv, r.Plan
	return r
}

func (j *journey) history() ([]execute.Record, execute.Plans) {
	j.t.Helper()
	records, err := execute.ReadJournalIn(context.Background(), j.state())
	if err != nil {
		j.t.Fatal(err)
	}
	return records, execute.KeptPlans(context.Background(), j.state())
}

// units gives each unit's JSON.
func (j *journey) units() map[string]string {
	out := map[string]string{}
	for _, u := range j.plan.Units {
		out[u.ID] = string(jsonOf(j.t, u))
	}
	return out
}

// wantAlone checks that of the plan no other units differ from what they were than those with these prefixes.
func (j *journey) wantAlone(before map[string]string, prefixes ...string) {
	j.t.Helper()
	after := j.units()
	ids := slices.Sorted(maps.Keys(before))
	for id := range after {
		if _, ok := before[id]; !ok {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		may := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(id, p) })
		if before[id] != after[id] && !may {
			j.t.Errorf("unit %s is another one:\n%s", id, firstDifference([]byte(before[id]), []byte(after[id])))
		}
		if before[id] == after[id] && may {
			j.t.Errorf("unit %s is as it was", id)
		}
	}
}

// wantRefused checks that apply refuses a unit since something has changed, and names the command that plans it again.
func (j *journey) wantRefused(prefix, what string) {
	j.t.Helper()
	r := j.apply()
	j.want(r, prefix, execute.UnitFailed, what)
	j.want(r, prefix, execute.UnitFailed, "unsecret plan --unit "+j.unitID(prefix))
	j.want(j.status(), prefix, execute.UnitFailed, "unsecret plan --unit "+j.unitID(prefix))
}

// finish takes what is left to its end.
func (j *journey) finish() {
	j.t.Helper()
	j.apply()
	for range 3 {
		j.mergeAndApply()
	}
	j.mustSignIn("after the merge")
	r := j.verify()
	j.want(r, "shop", execute.UnitVerified, "")
	j.want(r, "tools", execute.UnitVerified, "")
	j.pass(8 * 24 * time.Hour)
	for range 3 { // of an application with several passwords one run removes one
		r = j.revokeWith(execute.RevokeOptions{Force: true, AcceptNoSignInLog: true})
	}
	j.want(r, "shop", execute.UnitRevoked, "")
	j.want(r, "tools", execute.UnitRevoked, "")
	j.mustSignIn("after the revoke")
	j.change(func(w *world.World) {
		if n := len(app(w, "shop").Passwords) + len(app(w, "tools").Passwords); n != 0 {
			j.t.Errorf("%d passwords are left", n)
		}
	})
}

// TestAConnectionThatChangedIsPlannedAgainWithItsUnitAlone shares a connection with another project after the scan.
func TestAConnectionThatChangedIsPlannedAgainWithItsUnitAlone(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	j.change(func(w *world.World) {
		o := w.DevOps["contoso"]
		p := &world.Project{ID: w.NewID(), Name: "Other"}
		o.Projects = append(o.Projects, p)
		c := connection(w, "shop-manual")
		c.Refs = append(c.Refs, &world.ProjectRef{ProjectID: p.ID, ProjectName: p.Name, Name: "shop-manual"})
	})
	j.wantRefused("shop", "projects moved from")
	before := j.units()
	j.replan("shop")
	j.wantAlone(before, "shop")
	j.finish()
}

// TestAChangedWorkflowIsPlannedAgainWithItsUnitAlone edits a workflow before its pull request is opened. The other unit rewrites another file of the same
// repository, by the same pull request: it is not touched.
func TestAChangedWorkflowIsPlannedAgainWithItsUnitAlone(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	j.editBase(deployFile, replaced("jobs:\n", "# A comment of a colleague.\njobs:\n"))
	j.wantRefused("shop", deployFile+" moved from")
	before := j.units()
	if r := j.replan("shop"); !slices.ContainsFunc(r.Stays, func(id string) bool { return strings.HasPrefix(id, "tools") }) {
		t.Errorf("it is not said that the other unit has to do with the repository: %v", r.Stays)
	}
	j.wantAlone(before, "shop")
	j.finish()
	if text := j.baseFile(deployFile); !strings.Contains(text, "A comment of a colleague") {
		t.Errorf("the colleague's edit is lost:\n%s", text)
	}
}

// TestBothUnitsOfAChangedFileArePlannedAgain: a file that holds logins of two units gets one rewrite, so that both must know the same text of it.
func TestBothUnitsOfAChangedFileArePlannedAgain(t *testing.T) {
	j := smallJourney(t)
	const both = ".github/workflows/both.yml"
	j.change(func(w *world.World) {
		w.CommitFiles(w.GitHub.Repos["contoso/shop"], "main", "both", map[string][]byte{both: []byte(extraWorkflow + strings.Replace(
			strings.SplitAfter(extraWorkflow, "jobs:\n")[1], "  extra:\n", "  tools:\n    environment: tools\n", 1))})
	})
	j.editBase(both, func(b []byte) []byte {
		i := bytes.LastIndex(b, []byte("secrets.AZURE_CREDENTIALS"))
		return slices.Concat(b[:i], []byte("secrets.TOOLS_CREDENTIALS"), b[i+len("secrets.AZURE_CREDENTIALS"):])
	})
	j.makePlan()
	j.editBase(both, replaced("jobs:\n", "# A comment of a colleague.\njobs:\n"))
	j.wantRefused("shop", both+" moved from")
	before := j.units()
	r := j.replan("shop")
	j.wantAlone(before, "shop", "tools")
	if len(r.Units) != 2 || !strings.Contains(strings.Join(r.Units[1].Why, " "), "holds logins of both") {
		t.Errorf("planned again: %+v", r.Units)
	}
	j.finish()
}

// TestAnAddedPasswordIsPlannedAgain: a person has made another password since the scan. It is removed as well, once the unit was planned again.
func TestAnAddedPasswordIsPlannedAgain(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	added := ""
	j.change(func(w *world.World) {
		a := app(w, "shop")
		added = w.NewID()
		a.Passwords = append(a.Passwords, &world.AppPassword{KeyID: added, Value: w.NewSecret(), Start: a.Passwords[0].Start, End: a.Passwords[0].End})
	})
	before := j.units()
	j.replan("shop")
	j.wantAlone(before, "shop")
	if u, _ := j.plan.Unit(j.unitID("shop")); !slices.ContainsFunc(u.Steps, func(s plan.Step) bool { return s.Credential != nil && string(s.Credential.KeyID) == added }) {
		t.Error("the new plan does not remove the added password")
	}
	j.finish()
}

// TestAFederatedCredentialThatIsGoneIsPlannedAgain: the plan counts on trust that the scan found, and a person has removed it since.
func TestAFederatedCredentialThatIsGoneIsPlannedAgain(t *testing.T) {
	j := smallJourney(t)
	j.change(func(w *world.World) {
		a := app(w, "shop")
		a.FICs = append(a.FICs, &world.FIC{ID: w.NewID(), Name: "theirs", Issuer: "https://token.actions.githubusercontent.com", Subject: "repo:contoso/shop:ref:refs/heads/main",
			Audiences: []string{"api://AzureADTokenExchange"}, Created: w.Clock.Now()})
	})
	j.makePlan()
	j.change(func(w *world.World) { app(w, "shop").FICs = nil })
	j.wantRefused("shop", "federated credential theirs moved from")
	before := j.units()
	j.replan("shop")
	j.wantAlone(before, "shop")
	j.finish()
}

// TestARenamedRepositoryIsPlannedAgain renames a repository before and after the migration. Units with logins in it are all concerned, and it is said why.
func TestARenamedRepositoryIsPlannedAgain(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		j := smallJourney(t)
		j.makePlan()
		j.change(func(w *world.World) { w.GitHub.Rename(w.GitHub.Repos["contoso/shop"], "contoso", "store") })
		for i := range j.mapping {
			j.mapping[i].Repository = "contoso/store"
		}
		before := j.units()
		r := j.replan("shop")
		j.wantAlone(before, "shop", "tools")
		if len(r.Units) != 2 || len(r.Units[1].Why) == 0 {
			t.Errorf("planned again: %+v", r.Units)
		}
		j.finish()
	})
	t.Run("after", func(t *testing.T) {
		j := smallJourney(t)
		j.migrate()
		j.change(func(w *world.World) { w.GitHub.Rename(w.GitHub.Repos["contoso/shop"], "contoso", "store") })
		r := j.verify()
		j.want(r, "shop", execute.UnitFailed, "unsecret plan --unit "+j.unitID("shop"))
		j.replan("shop")
		if ids := j.trustUnits(); len(ids) != 1 || !strings.HasPrefix(ids[0], "shop") {
			t.Fatalf("units add trust that were not asked for: %v", ids)
		}
		j.want(j.verify(), "tools", execute.UnitFailed, "unsecret plan --unit "+j.unitID("tools"))
		j.replan("tools")
		ids := j.trustUnits()
		if len(ids) != 2 {
			t.Fatalf("%d units add trust", len(ids))
		}
		j.must(func(e *execute.Executor) (execute.Result, error) {
			return e.Apply(context.Background(), execute.ApplyOptions{Only: ids})
		})
		j.pass(time.Minute)
		j.mustSignIn("after the new plan was applied")
		j.want(j.verify(), "shop", execute.UnitVerified, "")
		j.want(j.verify(), "tools", execute.UnitVerified, "")
	})
}

// TestAUnitThatIsUnderWayIsPlannedAgain: its connections are converted and its pull request is open, and so is that of another unit, when a person adds a
// login. What was done stays done, and the other unit goes on by the same bytes.
func TestAUnitThatIsUnderWayIsPlannedAgain(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	j.apply()
	j.mergeAndApply()
	j.change(func(w *world.World) {
		w.CommitFiles(w.GitHub.Repos["contoso/shop"], "main", "another", map[string][]byte{".github/workflows/extra.yml": []byte(extraWorkflow)})
	})
	j.want(j.verify(), "tools", execute.UnitVerified, "")
	before := j.units()
	j.replan("shop")
	j.wantAlone(before, "shop")
	r := j.status()
	j.want(r, "tools", execute.UnitVerified, "")
	j.want(r, "shop", execute.UnitPending, "")
	for _, s := range j.unit(r, "shop").Steps {
		if s.Kind == plan.StepConnection && s.State != execute.StepDone {
			t.Errorf("%s is %s", s.Step, s.State)
		}
	}
	j.want(j.revokeWith(execute.RevokeOptions{Force: true, AcceptNoSignInLog: true}), "shop", execute.UnitPending, "")
	j.mustSignIn("with a new login that uses the old secret")
	j.finish()
}

// TestAUnitWithAnOpenPullRequestIsPlannedAgain: a colleague changes what signs in while the pull request is open, so that it cannot be brought up to date.
// It is closed, the unit is planned again, and the other unit gets its own.
func TestAUnitWithAnOpenPullRequestIsPlannedAgain(t *testing.T) {
	j := smallJourney(t)
	j.opened()
	j.editBase(deployFile, replaced("    runs-on: ubuntu-latest\n", "    runs-on: ubuntu-latest\n    environment: live\n"))
	j.apply()
	j.want(j.status(), "shop", execute.UnitPending, "unsecret plan --unit "+j.unitID("shop"))
	before := j.units()
	j.replan("shop")
	j.wantAlone(before, "shop")
	j.change(func(w *world.World) {
		r := w.GitHub.Repos["contoso/shop"]
		r.Pulls[0].State = "closed"
	})
	j.apply()
	j.mergeAndApply()
	j.mustSignIn("after the second pull request")
}

// TestAUnitThatIsGoneIsSaid removes everything of a unit: one of which nothing was done is not in the plan any more, one that was migrated goes on by the
// plan that did it.
func TestAUnitThatIsGoneIsSaid(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	j.change(func(w *world.World) {
		w.CommitFiles(w.GitHub.Repos["contoso/shop"], "main", "drop", map[string][]byte{".github/workflows/tools.yml": nil})
	})
	before := j.units()
	if r := j.replan("tools"); len(r.Units) != 1 || r.Units[0].What != plan.AgainRemoved {
		t.Errorf("planned again: %+v", r.Units)
	}
	j.wantAlone(before, "tools")
	if _, ok := j.plan.Unit("tools"); ok || len(j.plan.Units) != 1 {
		t.Errorf("the plan has %d units", len(j.plan.Units))
	}

	j = smallJourney(t)
	j.migrate()
	before = j.units()
	if r := j.replan("shop"); r.Units[0].What != plan.AgainRemoved {
		t.Errorf("planned again: %+v", r.Units)
	}
	j.wantAlone(before, "shop")
	j.want(j.status(), "shop", execute.UnitVerified, "")
	before = j.units()
	if r := j.replan("shop"); len(r.Units) != 1 || r.Units[0].What != plan.AgainRemoved {
		t.Errorf("planned once more, which only the earlier plan has: %+v", r.Units)
	}
	j.wantAlone(before)
	j.finish()
}

// TestAConnectionThatMovedToAnotherUnitTakesThatWithIt: a person gives a connection of one application another application.
func TestAConnectionThatMovedToAnotherUnitTakesThatWithIt(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	j.change(func(w *world.World) {
		c, a := connection(w, "shop-manual"), app(w, "tools")
		c.Params["serviceprincipalid"] = a.AppID
		c.Hidden["serviceprincipalkey"] = a.Passwords[0].Value
	})
	j.wantRefused("shop", "appId moved from")
	before := j.units()
	r := j.replan("shop")
	j.wantAlone(before, "shop", "tools")
	if len(r.Units) != 2 || !strings.Contains(strings.Join(r.Units[1].Why, " "), "connection shop-manual (contoso/Shop) signs in as it now") {
		t.Errorf("planned again: %+v", r.Units)
	}
	j.finish()
}

// TestAnApprovalHoldsForWhatWasReviewedAlone: the unit that is planned again needs a new approval, the other one keeps its.
func TestAnApprovalHoldsForWhatWasReviewedAlone(t *testing.T) {
	j := smallJourney(t)
	j.settings = func(c *plan.Config) { c.Approval = plan.ApprovalUnit }
	j.makePlan()
	approve := func() {
		j.must(func(e *execute.Executor) (execute.Result, error) { return e.Approve(unitIDs(j), "CHG-1") })
	}
	approve()
	j.editBase(deployFile, replaced("jobs:\n", "# A comment of a colleague.\njobs:\n"))
	before := j.units()
	j.replan("shop")
	j.wantAlone(before, "shop")
	r := j.apply()
	j.want(r, "shop", execute.UnitPending, "it is another one now")
	if j.hasGate(r, "tools", execute.GateApproval) {
		t.Error("the other unit lost its approval")
	}
	approve()
	j.finish()
}

// TestWhatCannotBeReadIsNotPlannedFrom: where something of the unit cannot be read that could be at the scan, there is no inventory to plan from.
func TestWhatCannotBeReadIsNotPlannedFrom(t *testing.T) {
	j := smallJourney(t)
	j.makePlan()
	u, _ := j.plan.Unit(j.unitID("shop"))
	part := plan.ObjectsOf(j.inv, u)
	for _, f := range []lab.Fault{
		{Name: "error-500", Rate: 1, Servers: []string{lab.ServerGitHub}, Path: "/actions/secrets"},
		{Name: "error-502", Rate: 1, Servers: []string{lab.ServerGitHub}, Path: "/graphql"},
		{Name: "error-500", Rate: 1, Servers: []string{lab.ServerAzureDevOps}, Path: "/executionhistory"},
		{Name: "error-503", Rate: 1, Servers: []string{lab.ServerGraph}, Path: "/applications"},
		{Name: "error-500", Rate: 1, Servers: []string{lab.ServerGraph}, Path: "/auditLogs"},
		{Name: "error-500", Rate: 1, Servers: []string{lab.ServerARM}},
	} {
		if err := j.lab.Faults.SetFault(f); err != nil {
			t.Fatal(err)
		}
		if _, err := j.again(j.inv, part); err == nil {
			t.Errorf("without an answer to %s%s it is planned all the same", f.Servers[0], f.Path)
		} else {
			t.Log(err)
		}
		j.lab.Faults.Clear()
	}
}
