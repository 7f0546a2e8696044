package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/e2e/sampling"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// targetJourney is the small organisation whose unit "tools" moves to a managed identity of its own.
func targetJourney(t *testing.T, change func(*plan.TargetRule)) *journey {
	t.Helper()
	w, mapping, err := lab.LoadSeedMapping([]byte(smallOrganisation))
	if err != nil {
		t.Fatal(err)
	}
	var sub *world.Subscription
	for _, s := range w.Subs {
		sub = s
	}
	tools := app(w, "tools")
	w.Roles = append(w.Roles, &world.RoleAssignment{ID: w.NewID(), PrincipalID: tools.SP.ObjectID, Role: "Storage Blob Data Reader", RoleID: w.NewID(), Created: w.Clock.Now(),
		Scope: "/subscriptions/" + sub.ID + "/resourceGroups/data", ConditionVersion: "2.0", Condition: "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'logs'"})
	w.Knobs.IdentityWriteGap = 500 * time.Millisecond
	j := startJourney(t, w, mapping)
	rule := plan.TargetRule{Kind: plan.TargetManagedIdentity, AppIDs: []inventory.AppID{inventory.AppID(tools.AppID)}, Name: "id-{app}",
		Subscription: inventory.SubscriptionID(sub.ID), ResourceGroup: "identities", Location: "westeurope"}
	if change != nil {
		change(&rule)
	}
	j.targets = []string{"id-*"}
	j.settings = func(c *plan.Config) { c.Targets = []plan.TargetRule{rule} }
	return j
}

func (j *journey) managed(name string) (found *world.ManagedIdentity) {
	j.change(func(w *world.World) {
		for _, m := range w.ManagedIdentities {
			if m.Name == name {
				found = m
			}
		}
	})
	return found
}

// rolesOf gives a principal's roles as texts.
func (j *journey) rolesOf(principal string) (out []string) {
	j.change(func(w *world.World) {
		for _, r := range w.Roles {
			if strings.EqualFold(r.PrincipalID, principal) {
				out = append(out, fmt.Sprintf("%s %s %s %s", r.RoleID, strings.ToLower(r.Scope), r.Condition, r.ConditionVersion))
			}
		}
	})
	slices.Sort(out)
	return out
}

func TestAUnitMovesToAManagedIdentityAndBack(t *testing.T) {
	j := targetJourney(t, nil)
	tools := app(j.lab.World, "tools")
	before := j.rolesOf(tools.SP.ObjectID)
	j.makePlan()
	if r := j.applyWith(execute.ApplyOptions{DryRun: true}); j.managed("id-tools") != nil || r.Failed() {
		j.log(r)
		t.Fatal("a dry run failed, or created an identity")
	}
	j.migrate()
	m := j.managed("id-tools")
	if m == nil {
		t.Fatal("no identity was created")
	}
	if got := j.rolesOf(m.App.SP.ObjectID); !slices.Equal(got, before) || len(got) != 2 {
		t.Errorf("roles of the identity: %v, of the application: %v", got, before)
	}
	if len(m.App.FICs) == 0 || len(tools.FICs) != 0 {
		t.Errorf("the identity trusts %d subjects, the application %d", len(m.App.FICs), len(tools.FICs))
	}
	variable := false
	j.change(func(w *world.World) {
		for _, e := range w.GitHub.Repos["contoso/shop"].Environments {
			for _, v := range e.Variables {
				variable = variable || v.Value == m.App.AppID
			}
		}
	})
	if !variable {
		t.Error("no variable holds the identity's client id")
	}
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "tools", execute.UnitRevoked, "")
	j.mustSignIn("after revoke")
	tool := j.unitID("tools")
	j.rollback(tool)
	j.mustSignIn("while rolling back")
	j.mergeAll()
	j.want(j.rollback(tool), "tools", execute.UnitRolledBack, "")
	j.mustSignIn("after rollback")
	if j.managed("id-tools") != nil || len(j.rolesOf(m.App.SP.ObjectID)) != 0 {
		t.Error("the identity or a role of it is left")
	}
	if after := j.rolesOf(tools.SP.ObjectID); !slices.Equal(after, before) {
		t.Errorf("the application's roles are %v, they were %v", after, before)
	}
}

// existing adds the identity before the plan, as somebody has made it.
func (j *journey) existing(name string) *world.ManagedIdentity {
	var m *world.ManagedIdentity
	j.change(func(w *world.World) {
		for _, s := range w.Subs {
			m = &world.ManagedIdentity{SubscriptionID: s.ID, ResourceGroup: "identities", Name: name, Location: "westeurope", TenantID: s.TenantID,
				App: &world.App{ObjectID: w.NewID(), AppID: w.NewID(), DisplayName: name, SP: &world.ServicePrincipal{ObjectID: w.NewID(), Enabled: true}}}
		}
		w.ManagedIdentities = append(w.ManagedIdentities, m)
	})
	return m
}

func TestAnIdentityThatIsThereIsUsedAndKept(t *testing.T) {
	j := targetJourney(t, func(r *plan.TargetRule) { r.Location = "" })
	m := j.existing("id-tools")
	theirs := &world.FIC{ID: "f", Name: "theirs", Issuer: "https://example.com", Subject: "theirs", Audiences: []string{"api://AzureADTokenExchange"}}
	j.change(func(w *world.World) {
		m.App.FICs = append(m.App.FICs, theirs)
		own := *w.Roles[0]
		own.ID, own.PrincipalID, own.Role, own.RoleID, own.Scope = w.NewID(), m.App.SP.ObjectID, "Reader", w.NewID(), own.Scope+"/resourceGroups/other"
		w.Roles = append(w.Roles, &own)
	})
	j.migrate()
	u, _ := j.plan.Unit(j.unitID("tools"))
	if i := slices.IndexFunc(u.Notes, func(r plan.Reason) bool { return r.Code == "target-more-roles" }); i < 0 {
		t.Error("the plan does not say that the identity may do more")
	}
	j.rollback(u.ID)
	j.mergeAll()
	j.want(j.rollback(u.ID), "tools", execute.UnitRolledBack, "")
	if j.managed("id-tools") == nil || len(m.App.FICs) != 1 || len(j.rolesOf(m.App.SP.ObjectID)) != 1 {
		t.Error("something of somebody else was taken away, or something of the program is left")
	}
	j.mustSignIn("after rollback")
}

func TestAnIdentityThatIsUsedMeanwhileIsKept(t *testing.T) {
	j := targetJourney(t, nil)
	j.migrate()
	m := j.managed("id-tools")
	j.change(func(*world.World) { m.AttachedTo = []string{"/subscriptions/x/virtualMachines/runner"} })
	tool := j.unitID("tools")
	j.rollback(tool)
	j.mergeAll()
	r := j.rollback(tool)
	j.want(r, "tools", execute.UnitRolledBack, "")
	if j.managed("id-tools") == nil {
		t.Error("an identity that a machine runs with was deleted")
	}
}

func TestNothingMovesBeforeTheRolesAreEqual(t *testing.T) {
	j := targetJourney(t, nil)
	j.makePlan()
	tools := app(j.lab.World, "tools")
	j.change(func(w *world.World) { // after the scan
		w.Roles = append(w.Roles, &world.RoleAssignment{ID: w.NewID(), PrincipalID: tools.SP.ObjectID, Role: "Reader", RoleID: w.NewID(), Scope: w.Roles[0].Scope + "/resourceGroups/new", Created: w.Clock.Now()})
	})
	j.want(j.apply(), "tools", execute.UnitFailed, "lacks what the application has: Reader of")
	j.mustSignIn("with a role missing")
	j.makePlan()
	r := j.apply()
	if j.unit(r, "tools").State == execute.UnitFailed {
		j.log(r)
		t.Error("a new plan does not copy the role")
	}
	// A role that is taken away again fails the proof.
	j.pass(time.Minute)
	j.mergeAll()
	j.apply()
	j.mergeAll()
	j.apply()
	j.mustSignIn("after the merge")
	m := j.managed("id-tools")
	j.change(func(w *world.World) {
		w.Roles = slices.DeleteFunc(w.Roles, func(r *world.RoleAssignment) bool {
			return r.PrincipalID == m.App.SP.ObjectID && r.Role == "Reader"
		})
	})
	j.want(j.verify(), "tools", execute.UnitFailed, "managed identity id-tools is not Reader of")
}

func TestAUnitIsBlockedWhereItCannotMove(t *testing.T) {
	for name, tc := range map[string]struct {
		rule func(*plan.TargetRule)
		edit func(*world.World)
		code string
	}{
		"the identity is not there":     {rule: func(r *plan.TargetRule) { r.Location = "" }, code: "target-missing"},
		"another tenant":                {edit: func(w *world.World) { theOnly(w).TenantID = w.NewID() }, code: "target-other-tenant"},
		"another subscription":          {rule: func(r *plan.TargetRule) { r.Subscription = "00000000-0000-4000-8000-000000000009" }, code: "target-subscription"},
		"an application of all tenants": {edit: func(w *world.World) { app(w, "tools").SignInAudience = "AzureADMultipleOrgs" }, code: "target-multi-tenant"},
		"an application permission":     {edit: func(w *world.World) { app(w, "tools").SP.AppRoles = []string{"Microsoft Graph"} }, code: "target-grants"},
		"a group":                       {edit: func(w *world.World) { app(w, "tools").SP.Groups = []string{"Deployers"} }, code: "target-grants"},
		"an access policy":              {edit: func(w *world.World) { app(w, "tools").SP.Vaults = []string{"/x/vaults/kv"} }, code: "target-grants"},
		"one identity for two":          {rule: func(r *plan.TargetRule) { r.Name, r.Repositories = "id-all", []string{"contoso/*"} }, code: "target-shared"},
	} {
		t.Run(name, func(t *testing.T) {
			j := targetJourney(t, tc.rule)
			if tc.edit != nil {
				j.change(tc.edit)
			}
			j.makePlan()
			u, _ := j.plan.Unit(j.unitID("tools"))
			if len(u.Blockers) != 1 || u.Blockers[0].Code != tc.code || len(u.Blockers[0].Next) == 0 {
				t.Errorf("%+v", u.Blockers)
			}
		})
	}
	j := targetJourney(t, func(r *plan.TargetRule) { r.AcceptOtherGrants = true })
	j.change(func(w *world.World) { app(w, "tools").SP.Groups = []string{"Deployers"} })
	j.makePlan()
	if u, _ := j.plan.Unit(j.unitID("tools")); u.Blocked() || !slices.ContainsFunc(u.Notes, func(r plan.Reason) bool { return r.Code == "target-grants" }) {
		t.Errorf("accepted, and yet %+v; notes %+v", u.Blockers, u.Notes)
	}
}

func theOnly(w *world.World) *world.Subscription {
	for _, s := range w.Subs {
		return s
	}
	return nil
}

func TestConnectionsOfAUnitThatMovesAreLeftToAPerson(t *testing.T) {
	j := targetJourney(t, func(r *plan.TargetRule) { r.AppIDs, r.Connections = nil, []string{"shop-*"} })
	j.makePlan()
	u, _ := j.plan.Unit(j.unitID("shop"))
	held := 0
	for _, r := range u.Withheld {
		if r.Code == "target-connection" && len(r.Next) > 3 {
			held++
		}
	}
	if held != 2 || u.Target == nil {
		t.Errorf("target %+v; withheld %+v", u.Target, u.Withheld)
	}
	j.apply()
	j.mustSignIn("with connections that stay")
}

// TestAMoveToAManagedIdentitySurvivesCrashes kills apply, revoke and rollback at their records and changing requests.
func TestAMoveToAManagedIdentitySurvivesCrashes(t *testing.T) {
	for _, kind := range kills {
		step := 7
		if sampling.Long() {
			step = 1
		}
		for n := 1; n <= 120; n += step {
			done := false
			t.Run(kind+" "+strconv.Itoa(n), func(t *testing.T) {
				j := targetJourney(t, nil)
				before := j.rolesOf(app(j.lab.World, "tools").SP.ObjectID)
				j.makePlan()
				k := newKiller(kind, n)
				j.killedBy(k)
				tools := []string{j.unitID("tools")}
				again := func(work func(context.Context, *execute.Executor) (execute.Result, error)) execute.Result {
					return j.untilAlive(k, "it", func() { j.mustSignIn("when killed") }, func(e *execute.Executor) (execute.Result, error) {
						return work(context.Background(), e)
					})
				}
				apply := func(ctx context.Context, e *execute.Executor) (execute.Result, error) {
					return e.Apply(ctx, execute.ApplyOptions{Only: tools})
				}
				rollback := func(ctx context.Context, e *execute.Executor) (execute.Result, error) {
					return e.Rollback(ctx, execute.RollbackOptions{Units: tools})
				}
				again(apply)
				j.pass(time.Minute)
				j.mergeAll()
				j.pass(time.Minute)
				again(apply)
				j.mustSignIn("after the merge")
				j.pass(8 * 24 * time.Hour)
				j.want(again(func(ctx context.Context, e *execute.Executor) (execute.Result, error) {
					return e.Revoke(ctx, execute.RevokeOptions{Only: tools})
				}), "tools", execute.UnitRevoked, "")
				m := j.managed("id-tools")
				if got := j.rolesOf(m.App.SP.ObjectID); !slices.Equal(got, before) {
					t.Errorf("roles of the identity: %v, of the application: %v", got, before)
				}
				again(rollback)
				j.mergeAll()
				j.want(again(rollback), "tools", execute.UnitRolledBack, "")
				if j.managed("id-tools") != nil || len(j.rolesOf(m.App.SP.ObjectID)) != 0 {
					t.Error("the identity or a role of it is left")
				}
				j.mustSignIn("after rollback")
				done = !k.killed
			})
			if done || t.Failed() {
				break
			}
		}
	}
}
