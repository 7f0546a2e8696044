package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// issuerOrganisation has an application with two connections on Azure DevOps' own issuer, one that several tenants use, and one with a secret besides.
const issuerOrganisation = `
seed: 29
clock: 2026-11-02T09:00:00Z
tenant: contoso
subscriptions: [contoso-production]
identities:
  - name: reports
    roles: [{role: Contributor, scope: contoso-production}]
  - name: shipping
    passwords: [{name: pipeline, created: 90d, expires: 300d, lastUsed: 1d}]
    roles: [{role: Contributor, scope: contoso-production}]
  - name: partner
    multiTenant: true
    roles: [{role: Contributor, scope: contoso-production}]
azureDevOps:
  - name: contoso
    projects: [Shop, Books]
    connections:
      - {name: reports, projects: [Shop], identity: reports, federated: true, oldIssuer: true}
      - {name: reports-eu, projects: [Books, Shop], identity: reports, federated: true, oldIssuer: true}
      - {name: shipping, projects: [Shop], identity: shipping, federated: true, oldIssuer: true}
      - {name: shipping-manual, projects: [Shop], identity: shipping}
      - {name: partner, projects: [Shop], identity: partner, federated: true, oldIssuer: true}
github:
  - name: contoso
    permissions: read
    repositories: []
`

func issuerWorld(t *testing.T) (*world.World, lab.Mapping) {
	t.Helper()
	w, mapping, err := lab.LoadSeedMapping([]byte(issuerOrganisation))
	if err != nil {
		t.Fatal(err)
	}
	return w, mapping
}

func issuerJourney(t *testing.T) *journey {
	t.Helper()
	w, mapping := issuerWorld(t)
	return startJourney(t, w, mapping)
}

// updates presses Update on connections, as a person does in the portal.
func (j *journey) updates(names ...string) {
	j.t.Helper()
	j.change(func(w *world.World) {
		for _, name := range names {
			if err := w.UpdateIssuer(w.DevOps["contoso"], connection(w, name)); err != nil {
				j.t.Error(err)
			}
		}
	})
}

// trusted are the subjects that an application trusts, with the names and descriptions of the federated credentials.
func (j *journey) trusted(name string) (out []string) {
	j.change(func(w *world.World) {
		for _, f := range app(w, name).FICs {
			out = append(out, strings.Join([]string{f.Name, f.Issuer, f.Subject, f.Description, strings.Join(f.Audiences, " ")}, " | "))
		}
	})
	slices.Sort(out)
	return out
}

// onOldIssuer counts what an application trusts of Azure DevOps' own issuer.
func (j *journey) onOldIssuer(name string) (n int) {
	for _, f := range j.trusted(name) {
		if strings.Contains(f, "vstoken") {
			n++
		}
	}
	return n
}

// issuerUnit is the unit that moves an application's connections to Entra's issuer, in the present plan.
func (j *journey) issuerUnit(name string) plan.Unit {
	j.t.Helper()
	for _, u := range j.plan.Units {
		if u.Kind == plan.KindIssuer && u.Title == name+" (issuer)" {
			return u
		}
	}
	j.t.Fatalf("no unit moves %s: %v", name, unitIDs(j))
	return plan.Unit{}
}

func (j *journey) gates(r execute.Result, unit string) (out []string) {
	for _, g := range j.unit(r, unit).Gates {
		out = append(out, string(g.Name))
	}
	return out
}

// updated brings an application's connections to Entra's issuer, and lets everybody see it.
func (j *journey) updated() {
	j.t.Helper()
	j.makePlan()
	j.apply()
	j.pass(time.Minute)
	j.updates("reports", "reports-eu", "shipping")
	j.mustSignIn("after the updates")
	j.pass(time.Minute)
	j.want(j.verify(), "reports-issuer", execute.UnitVerified, "")
}

func TestTheOldIssuerIsTrustedUntilItsConnectionsHaveMoved(t *testing.T) {
	j := issuerJourney(t)
	before := map[string][]string{"reports": j.trusted("reports"), "shipping": j.trusted("shipping"), "partner": j.trusted("partner")}
	p := j.makePlan()
	u := j.issuerUnit("reports")
	if len(u.Steps) != 4 || u.Soak == nil || !u.Deadline.Equal(plan.IssuerDeadline) {
		t.Fatalf("%+v", u)
	}
	for _, x := range p.Units {
		if strings.HasPrefix(x.Title, "partner") {
			t.Errorf("the application of several tenants is a unit: %+v", x)
		}
	}
	j.apply()
	r := j.revoke()
	j.want(r, "reports-issuer", execute.UnitPending, "until a person has updated connection reports (contoso/Shop)")
	j.want(r, "reports-issuer", execute.UnitPending, "choose Update in its overview")
	j.mustSignIn("after apply")
	// One of the two is updated: its trust soaks, the other's stays.
	j.updates("reports")
	j.pass(time.Minute)
	j.want(j.verify(), "reports-issuer", execute.UnitVerified, "")
	if got := j.gates(j.status(), "reports-issuer"); !cmp.Equal(got, []string{"soak", "update"}) && !cmp.Equal(got, []string{"update", "soak"}) {
		t.Errorf("status tells of gates %v", got)
	}
	j.pass(6 * 24 * time.Hour)
	j.want(j.revoke(), "reports-issuer", execute.UnitPending, "the soak time")
	if n := j.onOldIssuer("reports"); n != 2 {
		t.Fatalf("%d are trusted during the soak time", n)
	}
	j.pass(2 * 24 * time.Hour)
	if r := j.revokeWith(execute.RevokeOptions{DryRun: true}); !slices.ContainsFunc(j.unit(r, "reports-issuer").Steps, func(s execute.StepResult) bool {
		return s.Kind == plan.StepTrustRemoval && s.State == execute.StepWould
	}) {
		j.log(r)
		t.Error("a dry run does not show the step")
	}
	if n := j.onOldIssuer("reports"); n != 2 {
		t.Fatalf("a dry run left %d", n)
	}
	j.want(j.revoke(), "reports-issuer", execute.UnitPending, "until a person has updated connection reports-eu (contoso/Books)")
	if n := j.onOldIssuer("reports"); n != 1 {
		t.Fatalf("%d are trusted after the first revoke", n)
	}
	j.mustSignIn("with one of two removed")
	j.updates("reports-eu", "shipping")
	j.want(j.revoke(), "reports-issuer", execute.UnitPending, "the soak time") // a revoke that sees it first begins the soak time
	j.pass(8 * 24 * time.Hour)
	j.mustSignIn("with Entra's issuer")
	r = j.revoke()
	j.want(r, "reports-issuer", execute.UnitRevoked, "")
	j.want(r, "shipping-issuer", execute.UnitRevoked, "")
	j.want(j.status(), "reports-issuer", execute.UnitRevoked, "")
	if n := j.onOldIssuer("reports") + j.onOldIssuer("shipping"); n != 0 {
		t.Errorf("%d are trusted after the revoke", n)
	}
	j.mustSignIn("after revoke")
	// A rollback adds the same again, and keeps what the connections sign in with.
	j.want(j.rollback(u.ID), "reports-issuer", execute.UnitRolledBack, "stays trusted")
	after := j.trusted("reports")
	for _, f := range before["reports"] {
		if !slices.Contains(after, f) {
			t.Errorf("after the rollback it is missing: %s", f)
		}
	}
	if len(after) != 4 {
		t.Errorf("after the rollback %v", after)
	}
	j.mustSignIn("after rollback")
	if diff := cmp.Diff(before["partner"], j.trusted("partner")); diff != "" {
		t.Errorf("the application of several tenants was touched:\n%s", diff)
	}
	// Applied again by name, it goes through the same gates again.
	only := []string{u.ID}
	j.must(func(e *execute.Executor) (execute.Result, error) {
		return e.Apply(context.Background(), execute.ApplyOptions{Only: only})
	})
	j.want(j.revokeWith(execute.RevokeOptions{Only: only}), "reports-issuer", execute.UnitPending, "the soak time")
	j.pass(8 * 24 * time.Hour)
	j.want(j.revokeWith(execute.RevokeOptions{Only: only}), "reports-issuer", execute.UnitRevoked, "")
	j.mustSignIn("after the second revoke")
}

func TestARollbackBeforeTheUpdateLeavesNothingOfTheMove(t *testing.T) {
	j := issuerJourney(t)
	before := j.trusted("reports")
	j.makePlan()
	j.apply()
	j.verify()
	j.want(j.rollback(j.issuerUnit("reports").ID), "reports-issuer", execute.UnitRolledBack, "as it was before")
	if diff := cmp.Diff(before, j.trusted("reports")); diff != "" {
		t.Error(diff)
	}
	j.mustSignIn("after rollback")
}

func TestEachGateHoldsTheOldTrust(t *testing.T) {
	signIn := func(j *journey, fic func(*world.App) string, code int) {
		j.change(func(w *world.World) {
			a := app(w, "reports")
			w.SignIns = append(w.SignIns, &world.SignIn{ID: w.NewID(), TenantID: tenantOf(w), Time: w.Clock.Now(), AppID: a.AppID, SPID: a.SP.ObjectID,
				CredentialType: "federatedIdentityCredential", FICID: fic(a), ErrorCode: code})
		})
	}
	old := func(a *world.App) string {
		for _, f := range a.FICs {
			if strings.HasSuffix(f.Subject, "/reports") {
				return f.ID
			}
		}
		return ""
	}
	for name, c := range map[string]struct {
		happens func(*journey)
		state   execute.UnitState
		text    string
	}{
		"a connection is on the old issuer again": {func(j *journey) {
			j.change(func(w *world.World) { w.RestoreIssuer(w.DevOps["contoso"], connection(w, "reports")) })
		}, execute.UnitPending, "until a person has updated connection reports"},
		"a connection holds a secret again": {func(j *journey) {
			j.change(func(w *world.World) { connection(w, "reports").Scheme = "ServicePrincipal" })
		}, execute.UnitFailed, "does not sign in"},
		"the new issuer is not trusted any more": {func(j *journey) {
			j.change(func(w *world.World) {
				a := app(w, "reports")
				a.FICs = slices.DeleteFunc(slices.Clone(a.FICs), func(f *world.FIC) bool { return strings.HasPrefix(f.Subject, "/eid1/") })
			})
		}, execute.UnitFailed, "not everything that the unit presents is trusted"},
		"something signs in with it": {func(j *journey) {
			signIn(j, old, 0)
		}, execute.UnitPending, "federated credential id"},
		"a sign-in that the log does not name": {func(j *journey) {
			signIn(j, func(*world.App) string { return "" }, 0)
		}, execute.UnitPending, "--accept-no-sign-in-log"},
		"the log cannot be had": {func(j *journey) {
			j.change(func(w *world.World) {
				w.Knobs.SignInLogForbid = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
			})
		}, execute.UnitPending, "--accept-no-sign-in-log"},
	} {
		t.Run(name, func(t *testing.T) {
			j := issuerJourney(t)
			j.updated()
			j.pass(8 * 24 * time.Hour)
			c.happens(j)
			j.pass(time.Minute)
			j.want(j.revoke(), "reports-issuer", c.state, c.text)
			if slices.IndexFunc(j.trusted("reports"), func(f string) bool { return strings.Contains(f, "sc://contoso/Shop/reports ") }) < 0 {
				t.Error("it was removed")
			}
		})
	}
}

func TestTheOperatorsDecisionsLetTheOldTrustGo(t *testing.T) {
	j := issuerJourney(t)
	j.updated()
	j.change(func(w *world.World) {
		w.Knobs.SignInLogForbid = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
	})
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "reports-issuer", execute.UnitPending, "cannot be known")
	j.want(j.revokeWith(execute.RevokeOptions{AcceptNoSignInLog: true}), "reports-issuer", execute.UnitRevoked, "")
	j.mustSignIn("after revoke")
}

func TestAUseOfTheOldTrustBeginsTheSoakTimeAgain(t *testing.T) {
	j := issuerJourney(t)
	j.updated()
	j.pass(5 * 24 * time.Hour)
	j.change(func(w *world.World) {
		a := app(w, "reports")
		for _, f := range a.FICs {
			if strings.HasPrefix(f.Subject, "sc://") {
				w.SignIns = append(w.SignIns, &world.SignIn{ID: w.NewID(), TenantID: tenantOf(w), Time: w.Clock.Now(), AppID: a.AppID, SPID: a.SP.ObjectID, CredentialType: "federatedIdentityCredential", FICID: f.ID})
			}
		}
	})
	j.pass(3 * 24 * time.Hour)
	j.want(j.revoke(), "reports-issuer", execute.UnitPending, "something unknown still signs in with it")
	explained := execute.RevokeOptions{AcceptUsesUntil: j.lab.World.Clock.Now()}
	j.want(j.revokeWith(explained), "reports-issuer", execute.UnitPending, "something unknown")
	if n := j.onOldIssuer("reports"); n != 2 {
		t.Fatalf("%d are left in the new soak time", n)
	}
	j.pass(5 * 24 * time.Hour)
	j.want(j.revokeWith(explained), "reports-issuer", execute.UnitRevoked, "")
}

func TestWhatHasChangedIsNotRemoved(t *testing.T) {
	edit := func(change func(w *world.World, a *world.App, f *world.FIC)) func(*journey) {
		return func(j *journey) {
			j.change(func(w *world.World) {
				a := app(w, "reports")
				for _, f := range slices.Clone(a.FICs) {
					if f.Subject == "sc://contoso/Shop/reports" {
						change(w, a, f)
					}
				}
			})
		}
	}
	for name, happens := range map[string]func(*journey){
		"another subject":  edit(func(_ *world.World, _ *world.App, f *world.FIC) { f.Subject = "sc://contoso/Shop/other" }),
		"another audience": edit(func(_ *world.World, _ *world.App, f *world.FIC) { f.Audiences = []string{"api://other"} }),
		"made anew":        edit(func(w *world.World, _ *world.App, f *world.FIC) { f.ID = w.NewID() }),
		"made anew under another name": edit(func(w *world.World, _ *world.App, f *world.FIC) {
			f.ID, f.Name = w.NewID(), "by-hand"
		}),
	} {
		t.Run(name, func(t *testing.T) {
			j := issuerJourney(t)
			j.updated()
			j.pass(8 * 24 * time.Hour)
			happens(j)
			before := j.onOldIssuer("reports")
			j.want(j.revoke(), "reports-issuer", execute.UnitFailed, "it has changed since the scan")
			if n := j.onOldIssuer("reports"); n != before-1 { // the other one goes
				t.Errorf("%d of %d are left", n, before)
			}
		})
	}
	t.Run("gone already", func(t *testing.T) {
		j := issuerJourney(t)
		j.updated()
		j.pass(8 * 24 * time.Hour)
		edit(func(_ *world.World, a *world.App, f *world.FIC) {
			a.FICs = slices.DeleteFunc(slices.Clone(a.FICs), func(x *world.FIC) bool { return x == f })
		})(j)
		j.want(j.revoke(), "reports-issuer", execute.UnitRevoked, "")
		// What somebody else removed is not this program's to add.
		j.rollback(j.issuerUnit("reports").ID)
		if n := j.onOldIssuer("reports"); n != 1 {
			t.Errorf("after the rollback %d are trusted, want the one that the program removed", n)
		}
	})
}

func TestAConnectionThatIsGoneHoldsNoOldTrust(t *testing.T) {
	j := issuerJourney(t)
	j.makePlan()
	j.apply()
	j.change(func(w *world.World) {
		o := w.DevOps["contoso"]
		delete(o.Connections, connection(w, "reports").ID)
		delete(o.Connections, connection(w, "reports-eu").ID)
	})
	j.want(j.verify(), "reports-issuer", execute.UnitVerified, "")
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "reports-issuer", execute.UnitRevoked, "")
}

func TestADisabledConnectionHoldsNoOldTrustOnceItIsUpdated(t *testing.T) {
	for _, updated := range []bool{true, false} {
		t.Run(fmt.Sprintf("updated %t", updated), func(t *testing.T) {
			j := issuerJourney(t)
			j.makePlan()
			j.apply()
			j.updates("reports")
			if updated {
				j.updates("reports-eu")
			}
			j.change(func(w *world.World) { connection(w, "reports-eu").Disabled = true })
			j.want(j.verify(), "reports-issuer", execute.UnitVerified, "")
			j.pass(8 * 24 * time.Hour)
			r := j.revoke()
			if updated {
				j.want(r, "reports-issuer", execute.UnitRevoked, "")
			} else {
				j.want(r, "reports-issuer", execute.UnitPending, "until a person has updated connection reports-eu")
			}
		})
	}
}

func TestAFullApplicationHoldsTheRollbackOfARemoval(t *testing.T) {
	j := issuerJourney(t)
	j.updated()
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "reports-issuer", execute.UnitRevoked, "")
	j.change(func(w *world.World) {
		a := app(w, "reports")
		for n := len(a.FICs); n < 20; n++ {
			a.FICs = append(a.FICs, &world.FIC{ID: w.NewID(), Name: fmt.Sprintf("filler-%d", n), Issuer: "https://example.com", Subject: fmt.Sprint(n), Audiences: []string{world.TokenExchangeAudience}})
		}
	})
	id := j.issuerUnit("reports").ID
	r := j.rollback(id)
	j.want(r, id, execute.UnitFailed, "it cannot be rolled back")
	if text := fmt.Sprint(j.unit(r, id).Steps); !strings.Contains(text, "it can have no more than 20") {
		t.Error(text)
	}
	j.mustSignIn("after a rollback that is not possible")
	j.change(func(w *world.World) { a := app(w, "reports"); a.FICs = a.FICs[:18] })
	j.want(j.rollback(id), id, execute.UnitRolledBack, "")
	if n := j.onOldIssuer("reports"); n != 2 {
		t.Errorf("%d are back", n)
	}
}

func TestWhatIsLeftOfAnEarlierMoveIsFoundAndRemoved(t *testing.T) {
	j := issuerJourney(t)
	// Somebody has moved them by hand: this program sees it for the first time.
	j.makePlan()
	j.apply()
	j.updates("reports", "reports-eu", "shipping")
	j.dir = t.TempDir()
	j.change(func(w *world.World) { // and renamed one meanwhile
		connection(w, "reports-eu").Refs[0].Name = "reports-europe"
	})
	found := 0
	for _, f := range policy.Evaluate(j.scan(), policy.Config{}) {
		if f.Rule == "trust-old-issuer" {
			found++
			if !strings.Contains(strings.Join(f.Remedy, " "), "unsecret revoke") {
				t.Errorf("the remedy does not name revoke: %v", f.Remedy)
			}
		}
	}
	if found != 3 {
		t.Errorf("%d findings", found)
	}
	j.makePlan()
	u := j.issuerUnit("reports")
	if len(u.Steps) != 2 || u.Steps[0].Kind != plan.StepTrustRemoval || len(u.Connections) != 2 {
		t.Fatalf("%+v", u)
	}
	j.apply()
	j.want(j.verify(), u.ID, execute.UnitVerified, "")
	j.pass(6 * 24 * time.Hour)
	j.want(j.revoke(), u.ID, execute.UnitPending, "the soak time")
	j.pass(2 * 24 * time.Hour)
	j.want(j.revoke(), u.ID, execute.UnitRevoked, "")
	j.mustSignIn("after revoke")
	for _, f := range policy.Evaluate(j.scan(), policy.Config{}) {
		if f.Rule == "trust-old-issuer" && strings.Contains(f.Object, "reports") {
			t.Errorf("it is still found: %+v", f)
		}
	}
	j.want(j.rollback(u.ID), u.ID, execute.UnitRolledBack, "")
	if n := j.onOldIssuer("reports"); n != 2 {
		t.Errorf("%d are back", n)
	}
}

// TestANewPlanGoesOnWhereTheOldOneWas plans again in the middle of the move, once before the soak time and once in it.
func TestANewPlanGoesOnWhereTheOldOneWas(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		t.Run(fmt.Sprintf("a connection that cannot be read %t", hidden), func(t *testing.T) {
			j := issuerJourney(t)
			j.updated()
			before := j.issuerUnit("reports").ID
			j.pass(4 * 24 * time.Hour)
			if hidden {
				j.change(func(w *world.World) { connection(w, "partner").Unreadable = true })
			}
			j.makePlan()
			if after := j.issuerUnit("reports"); after.ID != before || len(after.Steps) != 2 {
				t.Fatalf("%+v", after)
			}
			j.want(j.status(), before, execute.UnitVerified, "")
			j.verify()
			j.pass(4 * 24 * time.Hour)
			j.want(j.revoke(), before, execute.UnitRevoked, "")
			j.makePlan()
			j.want(j.status(), before, execute.UnitRevoked, "")
			j.want(j.rollback(before), before, execute.UnitRolledBack, "stays trusted")
			if n := j.onOldIssuer("reports"); n != 2 {
				t.Errorf("%d are back", n)
			}
		})
	}
}

// TestTwoUnitsOfOneApplicationKeepEachOthersTrust moves the connection of an application to Entra's issuer while another one of it still holds a secret, which the
// service converts to the old issuer.
func TestTwoUnitsOfOneApplicationKeepEachOthersTrust(t *testing.T) {
	j := issuerJourney(t)
	j.change(func(w *world.World) { w.Knobs.ConvertOldIssuer = true })
	before := j.trusted("shipping")
	j.makePlan()
	j.apply()
	j.mustSignIn("after apply")
	j.updates("shipping")
	j.verify()
	// The converted one is on the old issuer now, and a new plan moves it as well.
	j.pass(8 * 24 * time.Hour)
	j.makePlan()
	u := j.issuerUnit("shipping")
	if len(u.Connections) != 2 {
		t.Fatalf("%+v", u.Connections)
	}
	j.apply()
	j.want(j.revoke(), u.ID, execute.UnitPending, "until a person has updated connection shipping-manual")
	j.mustSignIn("after the first revoke")
	j.updates("shipping-manual")
	j.verify()
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), u.ID, execute.UnitRevoked, "")
	if n := j.onOldIssuer("shipping"); n != 0 {
		t.Errorf("%d are left", n)
	}
	j.mustSignIn("after revoke")
	secret := ""
	for _, x := range j.status().Units {
		if strings.HasPrefix(x.Unit, "shipping-") && x.Unit != u.ID {
			secret = x.Unit
		}
	}
	j.want(j.rollback(secret, u.ID), u.ID, execute.UnitRolledBack, "")
	j.mustSignIn("after rollback")
	for _, f := range before {
		if !slices.Contains(j.trusted("shipping"), f) {
			t.Errorf("missing after the rollback: %s", f)
		}
	}
}

func TestWhatTheConfigurationLeavesIsNotPlanned(t *testing.T) {
	for name, settings := range map[string]func(*plan.Config, *inventory.Inventory){
		"reported":         func(c *plan.Config, _ *inventory.Inventory) { c.Connections.Issuer = plan.ConnectionsReport },
		"old secrets kept": func(c *plan.Config, _ *inventory.Inventory) { c.KeepOldSecrets = true },
		"application left": func(c *plan.Config, inv *inventory.Inventory) {
			c.Exclude = []plan.Exclusion{{AppID: appNamed(inv, "reports").AppID}}
		},
		"connections left": func(c *plan.Config, _ *inventory.Inventory) { c.Exclude = []plan.Exclusion{{Connection: "reports*"}} },
		"each credential left": func(c *plan.Config, inv *inventory.Inventory) {
			for _, f := range appNamed(inv, "reports").FederatedCredentials {
				c.Exclude = append(c.Exclude, plan.Exclusion{Credential: inventory.KeyID(f.ID)})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := issuerJourney(t)
			j.updated()
			j.settings = func(c *plan.Config) { settings(c, j.inv) }
			for _, u := range j.makePlan().Units {
				if u.AppID == appNamed(j.inv, "reports").AppID {
					t.Errorf("%+v", u)
				}
			}
		})
	}
}

func appNamed(inv *inventory.Inventory, name string) inventory.Identity {
	for _, id := range inv.Identities {
		if id.DisplayName == name {
			return id
		}
	}
	return inventory.Identity{}
}

// movingIssuer goes through a whole life of a move to Entra's issuer: apply, the person's updates, verify, revoke, roll back. Each command is started again when it
// was killed.
func movingIssuer(t *testing.T, k *killer) (states []string) {
	t.Helper()
	j := issuerJourney(t)
	j.makePlan()
	j.killedBy(k)
	ctx := context.Background()
	again := func(name string, work func(*execute.Executor) (execute.Result, error)) execute.Result {
		return j.untilAlive(k, name, func() { j.mustSignIn("when killed in " + name) }, func(e *execute.Executor) (execute.Result, error) {
			e.Parallel = 1
			return work(e)
		})
	}
	only := []string{j.issuerUnit("reports").ID}
	again("apply", func(e *execute.Executor) (execute.Result, error) {
		return e.Apply(ctx, execute.ApplyOptions{Only: only})
	})
	j.pass(time.Minute)
	j.updates("reports", "reports-eu")
	again("verify", func(e *execute.Executor) (execute.Result, error) {
		return e.Verify(ctx, execute.VerifyOptions{Only: only})
	})
	j.pass(8 * 24 * time.Hour)
	revoked := again("revoke", func(e *execute.Executor) (execute.Result, error) {
		return e.Revoke(ctx, execute.RevokeOptions{Only: only})
	})
	j.want(revoked, only[0], execute.UnitRevoked, "")
	j.mustSignIn("after revoke")
	states = append(states, "revoked:\n"+worldState(j.lab.World))
	back := again("rollback", func(e *execute.Executor) (execute.Result, error) {
		return e.Rollback(ctx, execute.RollbackOptions{Units: only})
	})
	j.want(back, only[0], execute.UnitRolledBack, "")
	j.mustSignIn("after rollback")
	return append(states, "rolled back:\n"+worldState(j.lab.World)+"\n"+strings.Join(j.trusted("reports"), "\n"))
}

func TestKilledAnywhereInAMoveOfTheIssuerItEndsAsIfItHadNot(t *testing.T) {
	k := newKiller("", 0)
	want := movingIssuer(t, k)
	t.Logf("events: %v", k.seen)
	for _, kind := range kills {
		for n := 1; n <= k.seen[kind]; n++ {
			t.Run(fmt.Sprintf("%s/%d", strings.ReplaceAll(kind, " ", "-"), n), func(t *testing.T) {
				k := newKiller(kind, n)
				got := movingIssuer(t, k)
				if !k.killed {
					t.Error("it was not killed")
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("the world differs (-uninterrupted +killed):\n%s", diff)
				}
			})
		}
	}
}

// TestFaultMatrixOfAMoveOfTheIssuer lets faults hit whole moves to Entra's issuer.
func TestFaultMatrixOfAMoveOfTheIssuer(t *testing.T) {
	moving := faulted{works: (*journey).mustSignIn, begin: func(t *testing.T) (*world.World, lab.Mapping, func(*journey)) {
		w, mapping := issuerWorld(t)
		return w, mapping, func(*journey) {}
	}, life: func(j *journey, repeat repeated) {
		ctx, before := context.Background(), j.trusted("reports")
		only := []string{j.issuerUnit("reports").ID, j.issuerUnit("shipping").ID}
		repeat("apply", allIn(execute.UnitMigrated), func(e *execute.Executor) (execute.Result, error) {
			return e.Apply(ctx, execute.ApplyOptions{Only: only})
		})
		j.pass(time.Minute)
		j.updates("reports", "reports-eu", "shipping")
		repeat("verify", allIn(execute.UnitVerified), func(e *execute.Executor) (execute.Result, error) {
			return e.Verify(ctx, execute.VerifyOptions{Only: only})
		})
		j.pass(8 * 24 * time.Hour)
		repeat("revoke", allIn(execute.UnitRevoked), func(e *execute.Executor) (execute.Result, error) {
			return e.Revoke(ctx, execute.RevokeOptions{Only: only, AcceptNoSignInLog: true})
		})
		if n := j.onOldIssuer("reports") + j.onOldIssuer("shipping"); n != 0 {
			t.Errorf("%d are trusted after the revoke", n)
		}
		repeat("rollback", allIn(execute.UnitRolledBack), func(e *execute.Executor) (execute.Result, error) {
			return e.Rollback(ctx, execute.RollbackOptions{Units: only})
		})
		after := j.trusted("reports")
		if len(after) != 4 || slices.ContainsFunc(before, func(f string) bool { return !slices.Contains(after, f) }) {
			t.Errorf("after the rollback %v", after)
		}
	}}
	moving.matrix(t, 4, 300)
}

func TestALostAnswerRemovesTheOldTrustOnce(t *testing.T) {
	for _, fault := range []string{"lost-504", "cut-after", "error-503"} {
		t.Run(fault, func(t *testing.T) {
			j := issuerJourney(t)
			j.updated()
			j.pass(8 * 24 * time.Hour)
			j.set = j.connectWith(transport.Options{Attempts: 1})
			if err := j.lab.Faults.SetFault(lab.Fault{Name: fault, Rate: 1, Servers: []string{"graph"}, Only: "write", Times: 1}); err != nil {
				t.Fatal(err)
			}
			j.revoke()
			j.lab.Faults.Clear()
			j.want(j.revoke(), "reports-issuer", execute.UnitRevoked, "")
			j.mustSignIn("after revoke")
		})
	}
}

func TestTwoRemovalsAreWatchedOneAfterTheOther(t *testing.T) {
	j := issuerJourney(t)
	j.settings = func(c *plan.Config) { c.Revoke.Watch = nil }
	j.updated()
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "reports-issuer", execute.UnitPending, "is watched for sign-ins that fail")
	if n := j.onOldIssuer("reports"); n != 1 {
		t.Fatalf("%d are left after one run", n)
	}
	if !j.hasGate(j.status(), "reports-issuer", execute.GateWatch) {
		t.Error("status does not tell of the watch")
	}
	j.pass(time.Hour)
	j.change(func(w *world.World) {
		a := app(w, "reports")
		w.SignIns = append(w.SignIns, &world.SignIn{ID: w.NewID(), TenantID: tenantOf(w), Time: w.Clock.Now(), AppID: a.AppID, SPID: a.SP.ObjectID,
			CredentialType: "federatedIdentityCredential", ErrorCode: 700213})
	})
	j.pass(2 * 24 * time.Hour)
	j.want(j.revoke(), "reports-issuer", execute.UnitPending, "sign-ins fail with a token that the application does not trust")
	if n := j.onOldIssuer("reports"); n != 1 {
		t.Fatalf("%d are left although sign-ins fail", n)
	}
	j.want(j.revokeWith(execute.RevokeOptions{AcceptUsesUntil: j.lab.World.Clock.Now()}), "reports-issuer", execute.UnitRevoked, "")
	j.mustSignIn("after revoke")
}

func TestOneRunRemovesOldTrustOfNoMoreUnitsThanItMay(t *testing.T) {
	j := issuerJourney(t)
	j.settings = func(c *plan.Config) {
		c.Revoke = plan.RevokeRules{Units: 1, Share: 100, Name: []string{plan.RiskShared}, Watch: new(plan.Duration)}
	}
	j.updated()
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "reports-issuer", execute.UnitPending, "only where the unit is named")
	if n := j.onOldIssuer("reports"); n != 2 {
		t.Fatalf("%d are left of a unit that was not named", n)
	}
	j.revokeWith(execute.RevokeOptions{Only: []string{j.issuerUnit("reports").ID}})
	if n := j.onOldIssuer("reports"); n != 0 {
		t.Errorf("%d are left of a unit that was named", n)
	}
	j.mustSignIn("after revoke")
}
