package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/explain"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// used adds a run to the history of a connection.
func (j *journey) used(name, pipeline, result string) {
	j.change(func(w *world.World) {
		c := devOps(w, name)
		now := w.Clock.Now()
		c.History = append(c.History, &world.Execution{ID: len(c.History) + 100, ProjectID: c.Refs[0].ProjectID, PlanType: "Build", DefinitionID: 1, DefinitionName: pipeline, Start: now, Finish: now.Add(time.Minute), Result: result})
	})
}

// migrated replaces the connection and merges.
func (j *journey) migrated() {
	j.t.Helper()
	j.makePlan()
	j.pass(time.Hour)
	j.apply()
	j.mergeAll()
	j.apply()
	j.pass(time.Hour)
}

func TestWhatIsNotKnownOfTheServiceIsMetBothWays(t *testing.T) {
	for name, tc := range map[string]notKnown{
		"as described":                   {func(*world.Knobs) {}, execute.UnitMigrated, ""},
		"a connection takes its time":    {func(k *world.Knobs) { k.CreateAsync = 2 * time.Minute }, execute.UnitMigrated, ""},
		"trust takes its time":           {func(k *world.Knobs) { k.FICPropagation = 2 * time.Minute }, execute.UnitMigrated, ""},
		"the older issuer":               {func(k *world.Knobs) { k.ConvertOldIssuer = true }, execute.UnitMigrated, ""},
		noTest:                           {func(k *world.Knobs) { k.ACRNoTest = true }, execute.UnitMigrated, ""},
		"no such connection is made":     {func(k *world.Knobs) { k.RefuseCreate = "The scheme is not supported for this type." }, execute.UnitFailed, "The scheme is not supported for this type."},
		"checks are not as they were":    {func(k *world.Knobs) { k.ChecksGrow = true }, execute.UnitFailed, "connection NEW still lacks what OLD has: the settings of check Approval in project Shop"},
		"it is never ready":              {func(k *world.Knobs) { k.CreateAsync = 300 * time.Hour }, execute.UnitFailed, "it is still not ready after 10m0s"},
		"what is trusted is refused":     {func(k *world.Knobs) { k.RefuseFederation = 700223 }, execute.UnitFailed, "connection NEW does not sign in: AADSTS700223"},
		"saving renews automatic ones":   {func(k *world.Knobs) { k.SaveRenews = true }, execute.UnitMigrated, ""},
		"nothing is disabled by update":  {func(k *world.Knobs) { k.IgnoreDisable = true }, execute.UnitMigrated, ""},
		"no roles of the organization":   {func(k *world.Knobs) { k.OrganizationRoles = world.RolesRefused }, execute.UnitMigrated, ""},
		"roles in a scope of no meaning": {func(k *world.Knobs) { k.OrganizationRoles = world.RolesHidden }, execute.UnitMigrated, ""},
		"roles that are only read":       {func(k *world.Knobs) { k.OrganizationRoles = world.RolesReadOnly }, execute.UnitMigrated, ""},
	} {
		for _, lives := range allLives {
			t.Run(name+" "+lives.name, func(t *testing.T) { tc.met(t, lives, name) })
		}
	}
}

// noTest is the case in which connections to registries have no test of their own.
const noTest = "registries have no test"

// notKnown is a way that the service can take.
type notKnown struct {
	knob    func(*world.Knobs)
	applied execute.UnitState
	says    string
}

// met goes through a life with a service that takes this way.
func (tc notKnown) met(t *testing.T, lives replacedLives, name string) {
	j := lives.begin(t, func(w *world.World) { tc.knob(&w.Knobs) })
	j.makePlan()
	before := j.found(lives.old)
	j.pass(time.Hour)
	r := j.apply()
	tc.wideRoles(j, lives)
	if tc.applied == execute.UnitFailed {
		tc.fails(j, lives, r, before)
		return
	}
	j.mergeAll()
	j.want(j.apply(), lives.unit, tc.applied, "")
	j.pass(time.Minute)
	lives.works(j, "after the merge")
	if name == noTest && lives.name == "registry" {
		j.want(j.verify(), lives.unit, execute.UnitPending, "connection registry-wif cannot test itself, and no run with it has succeeded yet")
		j.used(lives.made(), "images", "succeeded")
	}
	j.want(j.verify(), lives.unit, execute.UnitVerified, "")
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), lives.unit, execute.UnitRevoked, "")
	ignored := name == "nothing is disabled by update"
	if c := j.found(lives.old); c.Disabled == ignored {
		t.Errorf("the old connection is disabled: %t", c.Disabled)
	}
	if told := strings.Contains(fmt.Sprintf("%+v", j.status()), "did not disable it, and its credential is gone: disable it by hand"); told != ignored {
		t.Errorf("a person is told: %t", told)
	}
	j.rollback(j.plan.Units[0].ID)
	j.mergeAll()
	j.pass(time.Minute) // the runs above were before the revert
	j.want(j.rollback(j.plan.Units[0].ID), lives.unit, execute.UnitRolledBack, "")
	lives.works(j, "after rollback")
}

// wideRoles sees that the roles in the whole organisation are copied, or that a person is told, in the same words by apply and by status, whose and why.
func (tc notKnown) wideRoles(j *journey, lives replacedLives) {
	j.t.Helper()
	var knobs world.Knobs
	tc.knob(&knobs)
	says := map[string]string{world.RolesRefused: "they could not be read: ", world.RolesHidden: "Azure DevOps tells of none, not even of whoever made " + lives.made(),
		world.RolesReadOnly: "role Administrator of Kim could not be given: "}[knobs.OrganizationRoles]
	told := fmt.Sprintf("%+v", j.status())
	if says == "" {
		if strings.Contains(told, "whole organisation") {
			j.t.Errorf("a person is told of roles that were copied: %s", told)
		}
		return
	}
	for _, want := range []string{"its roles in the whole organisation are left to a person (" + says, "give " + lives.made() + " those that " + lives.old + " has", "Security, User permissions, Organization"} {
		if !strings.Contains(told, want) {
			j.t.Errorf("the status lacks %q:\n%s", want, told)
		}
	}
	if c := j.found(lives.made()); strings.Contains(accessOf(c, ""), "Kim") {
		j.t.Errorf("the lab gave a role: %s", accessOf(c, ""))
	}
}

// fails sees that a failure changes nothing for what works, is told twice in the same words, and can be taken back.
func (tc notKnown) fails(j *journey, lives replacedLives, r execute.Result, before *world.Connection) {
	says := strings.NewReplacer("NEW", lives.made(), "OLD", lives.old).Replace(tc.says)
	j.want(r, lives.unit, execute.UnitFailed, says)
	if next := j.unit(r, lives.unit).Next; len(next) == 0 {
		j.t.Error("nobody is told what to do")
	}
	j.want(j.apply(), lives.unit, execute.UnitFailed, says) // a second time makes nothing twice
	if c := j.found(lives.made()); c != nil && len(c.Checks) > len(before.Checks) {
		j.t.Errorf("its checks are %+v", c.Checks)
	}
	if diff := cmp.Diff(accessOf(before, ""), accessOf(j.found(lives.old), "")); diff != "" {
		j.t.Errorf("the old connection has changed:\n%s", diff)
	}
	lives.works(j, "after a failure")
	j.want(j.rollback(j.plan.Units[0].ID), lives.unit, execute.UnitRolledBack, "")
	if c := j.found(lives.made()); c != nil {
		j.t.Error("the new connection is left")
	}
}

// losingOne is a network that loses the answer to one change, or the change itself.
type losingOne struct {
	at, n  int
	sent   bool
	method string
	path   string
}

func (l *losingOne) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != l.method || !strings.Contains(strings.ToLower(r.URL.Path), strings.ToLower(l.path)) {
		return http.DefaultTransport.RoundTrip(r)
	}
	if l.n++; l.n != l.at {
		return http.DefaultTransport.RoundTrip(r)
	}
	if l.sent {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	return nil, errors.New("connection reset by peer")
}

func TestALostAnswerNeverMakesTwo(t *testing.T) {
	devOps := []losingOne{
		{method: "POST", path: "/_apis/serviceendpoint/endpoints", sent: true}, {method: "POST", path: "/_apis/serviceendpoint/endpoints"},
		{method: "PATCH", path: "/_apis/serviceendpoint/endpoints", sent: true}, {method: "POST", path: "/checks/configurations", sent: true},
		{method: "PUT", path: "/_apis/securityroles/", sent: true}, {method: "PUT", path: "/resources/collection_", sent: true}, {method: "PUT", path: "/resources/collection_"}, {method: "PATCH", path: "/pipelinepermissions/", sent: true}, {method: "PATCH", path: "/pipelinepermissions/"},
	}
	trust := map[string][]losingOne{
		"registry": {{method: "POST", path: "/federatedIdentityCredentials", sent: true}},
		"identity": {{method: "PUT", path: "/federatedIdentityCredentials", sent: true}, {method: "PUT", path: "/federatedIdentityCredentials"}, {method: "PUT", path: "/userAssignedIdentities/id-shipper", sent: true}, {method: "PUT", path: "/roleAssignments/", sent: true}},
	}
	for _, lives := range allLives {
		for _, l := range slices.Concat(devOps, trust[lives.name]) {
			t.Run(fmt.Sprintf("%s %s %s sent %t", lives.name, l.method, strings.ReplaceAll(l.path, "/", " "), l.sent), func(t *testing.T) {
				j := lives.begin(t, nil)
				j.makePlan()
				j.pass(time.Hour)
				healthy := j.set
				l.at = 1
				j.set = j.connectWith(transport.Options{Base: &l, Attempts: 1})
				j.log(j.apply())
				j.set = healthy
				if l.n == 0 {
					t.Fatal("nothing was lost")
				}
				j.log(j.apply())
				old, made := j.found(lives.old), j.found(lives.made())
				if made == nil {
					t.Fatal("no connection was made")
				}
				if diff := cmp.Diff(accessOf(old, ""), accessOf(made, made.Roles[made.Refs[0].ProjectID][0].Identity)); diff != "" {
					t.Errorf("who may use them differs (-old +new):\n%s", diff)
				}
				j.mergeAll()
				j.apply()
				j.pass(time.Minute)
				lives.works(j, "after the merge")
				j.want(j.verify(), lives.unit, execute.UnitVerified, "")
			})
		}
	}
}

// repeating is a network that refuses new checks, and says them again.
type repeating struct{}

func (repeating) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/checks/configurations") {
		return http.DefaultTransport.RoundTrip(r)
	}
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	said, err := json.Marshal(map[string]any{"$id": "1", "message": "Not taken: " + string(sent), "typeKey": "ArgumentException"})
	if err != nil {
		return nil, err
	}
	return answer(r, http.StatusBadRequest, "application/json", string(said)), nil
}

func TestTheSettingsOfACheckAreNotTold(t *testing.T) {
	j := registryJourney(t, func(w *world.World) { c := devOps(w, "registry"); c.Checks = c.Checks[1:2] })
	j.makePlan()
	healthy := j.set
	j.set = j.connectWith(transport.Options{Base: repeating{}, Attempts: 1})
	r := j.apply()
	j.set = healthy
	j.want(r, "pusher", execute.UnitFailed, "adding check Task Check to")
	if strings.Contains(fmt.Sprintf("%+v", r), world.Canary) {
		t.Error("the result holds a secret")
	}
	j.holdsNoSecret()
}

func TestANameThatIsTakenStopsBeforeAnythingChanges(t *testing.T) {
	taken := func(name string) func(*world.World) {
		return func(w *world.World) {
			like(w, "registry", name, func(c *world.Connection) { c.Refs, c.Description = c.Refs[:1], "of a colleague" })
		}
	}
	t.Run("before the plan", func(t *testing.T) {
		j := registryJourney(t, taken("Registry-WIF"))
		j.makePlan()
		u := j.planned("pusher")
		if text := fmt.Sprint(u.Withheld); !strings.Contains(text, "connection-name-taken") || slices.ContainsFunc(u.Steps, func(s plan.Step) bool { return s.Replacement != nil && s.Replacement.Name == "registry" }) {
			t.Errorf("%s", text)
		}
		j.settings = func(c *plan.Config) {
			c.Connections.Registry, c.Connections.RecreateSuffix, c.IncludeShared = plan.ConnectionsRecreate, ".federated", true
		}
		j.makePlan()
		if u := j.planned("pusher"); strings.Contains(fmt.Sprint(u.Withheld), "connection-name-taken") {
			t.Errorf("%+v", u.Withheld)
		}
	})
	t.Run("after the plan", func(t *testing.T) {
		j := registryJourney(t, nil)
		j.makePlan()
		j.change(taken("registry-wif"))
		r := j.apply()
		if s := j.unit(r, "pusher").Steps[0]; s.State != execute.StepRefused || !strings.Contains(s.Reason, "name registry-wif in Shop moved from nothing") {
			t.Errorf("%+v", s)
		}
		if c := j.found("registry-wif"); c == nil || c.Description != "of a colleague" {
			t.Errorf("the other connection is %+v", c)
		}
		j.mustRun("when refused")
	})
	t.Run("by one that says that it is ours", func(t *testing.T) {
		j := registryJourney(t, nil)
		j.makePlan()
		j.change(func(w *world.World) {
			like(w, "registry", "registry-wif", func(c *world.Connection) {
				c.Scheme, c.Refs = "WorkloadIdentityFederation", c.Refs[:1]
				c.Params["workloadIdentityFederationIssuer"], c.Params["workloadIdentityFederationSubject"] = "https://issuer.example", "somebody"
				c.Description = inventory.ReplacementDescription(inventory.ConnectionID(devOps(w, "registry").ID), "0123456789abcdef0123456789abcdef")
			})
		})
		for range 2 {
			r := j.apply()
			if s := j.unit(r, "pusher").Steps[0]; s.State != execute.StepRefused {
				t.Errorf("%+v", s)
			}
		}
		j.change(func(w *world.World) {
			for _, tenant := range w.Tenants {
				for _, a := range tenant.Apps {
					if len(a.FICs) > 0 {
						t.Errorf("%s trusts %+v", a.DisplayName, a.FICs[0])
					}
				}
			}
		})
		j.rollback(j.plan.Units[0].ID)
		if j.found("registry-wif") == nil {
			t.Error("somebody else's connection was deleted")
		}
	})
}

func TestAUseOfTheOldConnectionHoldsTheRevoke(t *testing.T) {
	j := registryJourney(t, nil)
	j.migrated()
	j.want(j.verify(), "pusher", execute.UnitVerified, "")
	j.pass(6 * 24 * time.Hour)
	j.used("registry", "branch build", "succeeded")
	j.pass(2 * 24 * time.Hour)
	j.want(j.revoke(), "pusher", execute.UnitPending, "connection registry was used by Shop/branch build on ")
	j.pass(6 * 24 * time.Hour)
	j.want(j.revoke(), "pusher", execute.UnitRevoked, "")
}

func TestANewConnectionThatIsUsedIsNotDeleted(t *testing.T) {
	j := registryJourney(t, nil)
	j.migrated()
	u := j.plan.Units[0].ID
	j.used("registry-wif", "images", "succeeded")
	j.pass(time.Hour)
	j.rollback(u)
	j.pass(time.Hour)
	j.mergeAll()
	j.pass(time.Hour)
	j.used("registry-wif", "somebody else's", "succeeded")
	j.want(j.rollback(u), "pusher", execute.UnitPending, "connection registry-wif stays: Shop/somebody else's uses it")
	if j.found("registry-wif") == nil {
		t.Fatal("it is deleted")
	}
	o, err := j.lab.UseConnection(t.Context(), "contoso", "registry-wif")
	if err != nil || !o.OK {
		t.Errorf("it does not sign in any more: %+v %v", o, err)
	}
	j.change(func(w *world.World) { devOps(w, "registry-wif").Deleted = true })
	j.want(j.rollback(u), "pusher", execute.UnitRolledBack, "")
	j.mustRun("after rollback")
}

func TestWhatOnlyAPersonCanNameWithholdsTheRevoke(t *testing.T) {
	j := registryJourney(t, func(w *world.World) {
		r := w.DevOps["contoso"].Repos[0].Git
		w.CommitFiles(r, "main", "read the name", map[string][]byte{"azure-pipelines.yml": append(r.Files(r.Head("main"))["azure-pipelines.yml"], "- script: echo $(acr)\n"...)})
	})
	j.migrated()
	u := j.planned("pusher")
	if text := fmt.Sprint(u.Withheld); !strings.Contains(text, "connection-named") || !strings.Contains(text, "after apply, let registry-wif be named in Shop/images (Shop/images/azure-pipelines.yml:9)") {
		t.Errorf("withheld is %s", text)
	}
	if text := j.text("Shop", "images", "azure-pipelines.yml"); strings.Contains(text, "-wif") {
		t.Errorf("the pipeline is\n%s", text)
	}
	j.mustRun("after the merge")
	j.verify()
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "pusher", execute.UnitPending, "still needs the old secret: 2 places name it")
	j.want(j.rollback(u.ID), "pusher", execute.UnitPending, "")
	j.mergeAll()
	j.want(j.rollback(u.ID), "pusher", execute.UnitPending, "connection registry-wif stays: the plan asked people to let it be named in Shop/images")
	j.change(func(w *world.World) { devOps(w, "registry-wif").Deleted = true })
	j.want(j.rollback(u.ID), "pusher", execute.UnitRolledBack, "")
	j.mustRun("after rollback")
}

func TestAReplacedConnectionIsPlannedAgainAsItStands(t *testing.T) {
	j := registryJourney(t, nil)
	j.migrated()
	first := j.plan.Hash()
	j.settings = func(c *plan.Config) {
		c.Connections.Registry, c.Connections.RecreateSuffix, c.IncludeShared = plan.ConnectionsRecreate, "-other", true
	}
	j.makePlan()
	if j.plan.Hash() == first {
		t.Fatal("the plan is the same")
	}
	u := j.planned("pusher")
	if u.Steps[0].Replacement.NewName != "registry-wif" {
		t.Errorf("it would be replaced again: %+v", u.Steps[0])
	}
	inv := j.scan()
	for i, c := range inv.Connections {
		e := explain.Why(explain.Input{Inventory: inv, Plan: j.plan}, inv.ConnectionObject(i))
		if c.Name == "registry" && !slices.ContainsFunc(e.Planned, func(s explain.Planned) bool { return strings.HasPrefix(s.Step, string(plan.StepReplacement)) }) {
			t.Errorf("why does not say what becomes of it: %+v", e)
		}
	}
	j.want(j.apply(), "pusher", execute.UnitMigrated, "")
	j.want(j.verify(), "pusher", execute.UnitVerified, "")
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "pusher", execute.UnitRevoked, "")
	j.makePlan()
	if len(j.plan.Units) > 0 {
		t.Errorf("there is still something to do: %+v", j.plan.Units)
	}
	if text := fmt.Sprint(j.plan.Left); !strings.Contains(text, "connection registry-wif was made in its place, and it is disabled") {
		t.Errorf("left is %s", text)
	}
	j.rollback(u.ID)
	j.mergeAll()
	j.want(j.rollback(u.ID), "pusher", execute.UnitRolledBack, "")
	j.mustRun("after rollback")
}

func TestAMissingRightOnConnectionsIsNamed(t *testing.T) {
	j := registryJourney(t, nil)
	j.makePlan()
	if err := j.lab.TakeAway(world.RoleOperator, "Service connections: Administrator"); err != nil {
		t.Fatal(err)
	}
	r := j.apply()
	j.want(r, "pusher", execute.UnitFailed, "")
	if text := fmt.Sprint(j.unit(r, "pusher").Next); !strings.Contains(text, "Creator role on service connections") {
		t.Errorf("next is %s", text)
	}
	if j.found("registry-wif") != nil {
		t.Error("it was made")
	}
}
