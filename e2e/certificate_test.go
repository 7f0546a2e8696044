package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
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

// signedOrganisation has an application whose connections sign in with a certificate, beside another certificate that they do not hold.
const signedOrganisation = `
seed: 12
clock: 2026-11-02T09:00:00Z
tenant: contoso
subscriptions: [contoso-production]
identities:
  - name: signer
    certificates:
      - {name: pipelines, created: 90d, expires: 300d, lastUsed: 1d}
      - {name: server, created: 90d, expires: 200d}
    roles: [{role: Contributor, scope: contoso-production}]
azureDevOps:
  - name: contoso
    projects: [Shop]
    connections:
      - {name: signer-manual, projects: [Shop], identity: signer, certificate: true}
      - {name: signer-automatic, projects: [Shop], identity: signer, certificate: true, automatic: true}
`

// signedJourney is that organisation, and the key ids of its two certificates.
func signedJourney(t *testing.T, change func(*world.World), settings func(*plan.Config)) (j *journey, pipelines, server string) {
	t.Helper()
	w, mapping, err := lab.LoadSeedMapping([]byte(signedOrganisation))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(w)
	}
	j = startJourney(t, w, mapping)
	j.settings = settings
	j.change(func(w *world.World) {
		pipelines, server = app(w, "signer").Keys[0].KeyID, app(w, "signer").Keys[1].KeyID
	})
	return j, pipelines, server
}

func keep(key string) func(*plan.Config) {
	return func(c *plan.Config) {
		c.Exclude = append(c.Exclude, plan.Exclusion{Credential: inventory.KeyID(key), Reason: "a server has it"})
	}
}

// keys are the certificates of an application, each with its bytes.
func (j *journey) keys(name string) map[string]string {
	out := map[string]string{}
	j.change(func(w *world.World) {
		for _, k := range app(w, name).Keys {
			out[k.KeyID] = fmt.Sprintf("%x %s %s %s %s", k.Key, k.DisplayName, k.Thumbprint, k.Start, k.End)
		}
	})
	return out
}

func (j *journey) mustUse(when string, connections ...string) {
	j.t.Helper()
	for _, name := range connections {
		if o, err := j.lab.UseConnection(context.Background(), "contoso", name); err != nil || !o.OK {
			j.t.Errorf("%s: connection %s does not sign in: %+v %v", when, name, o, err)
		}
	}
}

// converted applies and proves the migration.
func (j *journey) converted() {
	j.t.Helper()
	j.makePlan()
	j.apply()
	j.pass(time.Minute)
	j.want(j.verify(), "signer", execute.UnitVerified, "")
}

var signers = []string{"signer-manual", "signer-automatic"}

func TestACertificateIsRemovedByWritingBackTheOthers(t *testing.T) {
	for _, knob := range []string{"", world.KeysNeedValue, world.KeysRefuseValue} {
		t.Run(knob, func(t *testing.T) {
			j, pipelines, server := signedJourney(t, func(w *world.World) {
				w.Knobs.KeyWriteBack = knob
				a := app(w, "signer")
				a.SP.Keys = append(a.SP.Keys, &world.AppKey{KeyID: w.NewID(), Usage: "Sign", Type: "X509CertAndPassword", End: a.Keys[0].End})
			}, nil)
			j.settings = keep(server)
			before := j.keys("signer")
			j.mustUse("before", signers...)
			j.converted()
			j.mustUse("after apply", signers...)
			j.pass(8 * 24 * time.Hour)
			r := j.revoke()
			j.want(r, "signer", execute.UnitRevoked, "")
			after := j.keys("signer")
			if len(after) != 1 || after[server] != before[server] {
				t.Errorf("of %v is left %v", before, after)
			}
			j.change(func(w *world.World) {
				if n := len(app(w, "signer").SP.Keys); n != 1 {
					t.Errorf("%d keys on the service principal", n)
				}
			})
			j.mustUse("after revoke", signers...)
			done := slices.IndexFunc(j.records(), func(r execute.Record) bool {
				return r.Phase == execute.PhaseDone && r.After["keyId"] == pipelines && r.After["type"] == "certificate" && r.After["certificate"] != ""
			})
			if done < 0 {
				t.Error("the journal has no record of the removal by its key id")
			}
		})
	}
}

// records are those of the journal.
func (j *journey) records() []execute.Record {
	j.t.Helper()
	c, err := execute.CheckJournal(context.Background(), j.state())
	if err != nil || c.Damage != nil {
		j.t.Fatal(err, c.Damage)
	}
	return c.Records
}

func TestCertificatesGoOneAtATimeAndAreWatched(t *testing.T) {
	j, second, first := signedJourney(t, nil, func(c *plan.Config) { c.Revoke.Watch = nil })
	j.converted()
	j.pass(8 * 24 * time.Hour)
	if text := fmt.Sprint(j.unit(j.revokeWith(execute.RevokeOptions{DryRun: true}), "signer").Gates); !strings.Contains(text, "certificate "+first+" goes before this one") || strings.Contains(text, "was removed") {
		t.Errorf("a dry run says %s", text)
	}
	j.want(j.revoke(), "signer", execute.UnitPending, "certificate "+first+" was removed before this one")
	if got := j.keys("signer"); len(got) != 1 || got[second] == "" {
		t.Fatalf("left is %v", got)
	}
	log := func(kind, key string, code int) {
		j.change(func(w *world.World) {
			a := app(w, "signer")
			w.SignIns = append(w.SignIns, &world.SignIn{ID: w.NewID(), TenantID: tenantOf(w), Time: w.Clock.Now(), AppID: a.AppID, SPID: a.SP.ObjectID, CredentialType: kind, KeyID: key, ErrorCode: code})
		})
	}
	j.pass(time.Hour)
	log("certificate", "", 700027)
	j.pass(48 * time.Hour)
	j.want(j.revoke(), "signer", execute.UnitPending, "AADSTS700027")
	explained := j.lab.World.Clock.Now()
	log("clientAssertion", second, 0)
	j.pass(48 * time.Hour)
	j.want(j.revokeWith(execute.RevokeOptions{AcceptUsesUntil: explained.Add(-time.Minute)}), "signer", execute.UnitPending, "certificate "+second+" was used on")
	if n := len(j.keys("signer")); n != 1 {
		t.Fatalf("%d certificates are left", n)
	}
	j.pass(8 * 24 * time.Hour)
	j.want(j.revokeWith(execute.RevokeOptions{AcceptUsesUntil: j.lab.World.Clock.Now()}), "signer", execute.UnitRevoked, "")
	if n := len(j.keys("signer")); n != 0 {
		t.Errorf("%d certificates are left", n)
	}
}

func TestASignInWithAnUnnamedCertificateHoldsAllOfThem(t *testing.T) {
	j, _, _ := signedJourney(t, nil, nil)
	j.converted()
	j.pass(time.Hour)
	j.change(func(w *world.World) {
		a := app(w, "signer")
		w.SignIns = append(w.SignIns, &world.SignIn{ID: w.NewID(), TenantID: tenantOf(w), Time: w.Clock.Now(), AppID: a.AppID, SPID: a.SP.ObjectID, CredentialType: "certificate"})
	})
	j.pass(8 * 24 * time.Hour)
	j.want(j.revoke(), "signer", execute.UnitPending, "was used on")
	if n := len(j.keys("signer")); n != 2 {
		t.Errorf("%d certificates are left", n)
	}
}

func TestARollbackWritesTheCertificateBack(t *testing.T) {
	hour := plan.Duration(time.Hour)
	for _, tc := range []struct {
		name   string
		soak   *plan.Duration
		after  time.Duration
		knob   string
		scheme string
		back   bool
	}{
		{"while the connections still hold it", &hour, 2 * time.Hour, "", "ServicePrincipal spnCertificate", true},
		{"when they do not hold it any more", nil, 8 * 24 * time.Hour, "", "ServicePrincipal spnKey", true},
		{"when the application takes no certificate", &hour, 2 * time.Hour, world.KeysTakeNoNew, "ServicePrincipal spnKey", false},
		{"when it has ended", nil, 320 * 24 * time.Hour, "", "ServicePrincipal spnKey", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j, pipelines, server := signedJourney(t, nil, nil)
			j.settings = func(c *plan.Config) {
				keep(server)(c)
				if tc.soak != nil {
					c.Soak = tc.soak
				}
			}
			before := j.keys("signer")
			j.converted()
			j.pass(tc.after)
			j.want(j.revokeWith(execute.RevokeOptions{AcceptNoSignInLog: true}), "signer", execute.UnitRevoked, "")
			j.change(func(w *world.World) { w.Knobs.KeyWriteBack = tc.knob })
			r := j.rollback(j.unitID("signer"))
			j.want(r, "signer", execute.UnitRolledBack, "")
			after := j.keys("signer")
			if _, there := after[pipelines]; there != tc.back || tc.back && after[pipelines] != before[pipelines] {
				t.Errorf("it was %q, and is %q", before[pipelines], after[pipelines])
			}
			if !tc.back && !strings.Contains(fmt.Sprintf("%+v", r), "is not written back") {
				t.Errorf("nobody is told: %+v", r)
			}
			for _, name := range signers {
				if got := j.scheme(name); got != tc.scheme {
					t.Errorf("%s is %s, want %s", name, got, tc.scheme)
				}
			}
			j.mustUse("after rollback", signers...)
		})
	}
}

func TestARollbackThatNeedsNoPasswordIsNotHeldByAPolicyAgainstThem(t *testing.T) {
	j, _, _ := signedJourney(t, nil, func(c *plan.Config) {
		hour := plan.Duration(time.Hour)
		c.Soak = &hour
	})
	before := j.keys("signer")
	j.converted()
	j.pass(2 * time.Hour)
	j.want(j.revoke(), "signer", execute.UnitRevoked, "")
	j.change(func(w *world.World) { w.Knobs.NewPasswordPolicy = true })
	j.want(j.rollback(j.unitID("signer")), "signer", execute.UnitRolledBack, "")
	after := j.keys("signer")
	if len(after) != 2 {
		t.Errorf("of %v is back %v", before, after)
	}
	for _, name := range signers {
		if got := j.scheme(name); got != "ServicePrincipal spnCertificate" {
			t.Errorf("%s is %s", name, got)
		}
	}
	j.mustUse("after rollback", signers...)
}

func TestARolledBackCertificateIsRemovedAgainByTheNextRevoke(t *testing.T) {
	j, _, server := signedJourney(t, nil, nil)
	j.settings = func(c *plan.Config) {
		keep(server)(c)
		hour := plan.Duration(time.Hour)
		c.Soak = &hour
	}
	j.converted()
	j.pass(2 * time.Hour)
	j.revoke()
	id := j.unitID("signer")
	j.want(j.rollback(id), "signer", execute.UnitRolledBack, "")
	j.makePlan()
	j.applyWith(execute.ApplyOptions{Only: []string{id}})
	j.pass(3 * time.Hour)
	j.want(j.revokeWith(execute.RevokeOptions{Only: []string{id}}), "signer", execute.UnitRevoked, "")
	if got := j.keys("signer"); len(got) != 1 {
		t.Errorf("left is %v", got)
	}
	j.mustUse("after the second revoke", signers...)
}

func TestARemovalThatTakesMoreThanItShouldIsRepaired(t *testing.T) {
	j, pipelines, server := signedJourney(t, nil, nil)
	j.settings = keep(server)
	before := j.keys("signer")
	j.converted()
	j.pass(8 * 24 * time.Hour)
	j.change(func(w *world.World) { w.Knobs.KeyWriteBack = world.KeysDropOthers })
	for range 2 {
		j.want(j.revoke(), "signer", execute.UnitFailed, "Graph removed more certificates than it was asked to: with "+pipelines+" went "+server+"; all were written back")
		if got := j.keys("signer"); got[pipelines] != before[pipelines] || got[server] != before[server] {
			t.Errorf("of %v is left %v", before, got)
		}
	}
	j.change(func(w *world.World) { // what the person was asked to do
		a := app(w, "signer")
		a.Keys = slices.DeleteFunc(a.Keys, func(k *world.AppKey) bool { return k.KeyID == pipelines })
	})
	j.want(j.revoke(), "signer", execute.UnitRevoked, "")
}

func TestACertificateThatChangedSinceTheScanIsNotRemoved(t *testing.T) {
	j, pipelines, _ := signedJourney(t, nil, nil)
	j.converted()
	j.pass(8 * 24 * time.Hour)
	j.change(func(w *world.World) { app(w, "signer").Keys[0].End = w.Clock.Now().AddDate(1, 0, 0) })
	j.want(j.revoke(), "signer", execute.UnitFailed, "certificate "+pipelines+" moved from")
	if got := j.keys("signer"); got[pipelines] == "" {
		t.Error("it is gone")
	}
}

func TestAnApplicationWithOtherKeysKeepsItsCertificates(t *testing.T) {
	symmetric := func(w *world.World) *world.AppKey {
		return &world.AppKey{KeyID: w.NewID(), Usage: "Verify", Type: "Symmetric", End: w.Clock.Now().AddDate(1, 0, 0)}
	}
	t.Run("since the scan", func(t *testing.T) {
		j, _, _ := signedJourney(t, nil, nil)
		j.converted()
		j.pass(8 * 24 * time.Hour)
		j.change(func(w *world.World) { a := app(w, "signer"); a.Keys = append(a.Keys, symmetric(w)) })
		j.want(j.revoke(), "signer", execute.UnitFailed, "its list of keys is not written back")
		if n := len(j.keys("signer")); n != 3 {
			t.Errorf("%d keys are left", n)
		}
	})
	t.Run("at the scan", func(t *testing.T) {
		j, _, _ := signedJourney(t, func(w *world.World) { a := app(w, "signer"); a.Keys = append(a.Keys, symmetric(w)) }, nil)
		for _, s := range j.makePlan().Units[0].Steps {
			if s.Kind == plan.StepCredential {
				t.Errorf("planned: %s", s.Title)
			}
		}
	})
}

func TestWhatAPersonDoesBetweenTheLookAndTheChangeStays(t *testing.T) {
	j, pipelines, _ := signedJourney(t, nil, nil)
	ctx := context.Background()
	var application inventory.ObjectID
	j.change(func(w *world.World) { application = inventory.ObjectID(app(w, "signer").ObjectID) })
	seen, err := j.set.Entra.KeyCredentials(ctx, application)
	if err != nil || len(seen) != 2 || !json.Valid(seen[0].JSON) || !strings.Contains(string(seen[0].JSON), `"key":"MII`) {
		t.Fatalf("%+v %v", seen, err)
	}
	j.change(func(w *world.World) {
		a := app(w, "signer")
		other := *a.Keys[1]
		other.KeyID = w.NewID()
		a.Keys = append(a.Keys, &other)
	})
	if err := j.set.Entra.SetKeyCredentials(ctx, application, seen, seen[1:]); !errors.Is(err, execute.ErrConflict) {
		t.Errorf("got %v", err)
	}
	if got := j.keys("signer"); len(got) != 3 || got[pipelines] == "" {
		t.Errorf("left is %v", got)
	}
}

func TestALostAnswerToTheRemovalOfACertificateIsLookedUp(t *testing.T) {
	for _, fault := range []string{"lost-504", "cut-after", "cut-before", "conflict-409", "error-503"} {
		t.Run(fault, func(t *testing.T) {
			j, pipelines, server := signedJourney(t, nil, nil)
			j.settings = keep(server)
			before := j.keys("signer")
			j.converted()
			j.pass(8 * 24 * time.Hour)
			if err := j.lab.Faults.SetFault(lab.Fault{Name: fault, Rate: 1, Only: "write", Path: "/applications/", Times: 1}); err != nil {
				t.Fatal(err)
			}
			r := j.revoke()
			if j.unit(r, "signer").State != execute.UnitRevoked {
				r = j.revoke()
			}
			j.want(r, "signer", execute.UnitRevoked, "")
			if got := j.keys("signer"); len(got) != 1 || got[server] != before[server] {
				t.Errorf("left is %v", got)
			}
			if err := j.lab.Faults.SetFault(lab.Fault{Name: fault, Rate: 1, Only: "write", Path: "/applications/", Times: 1}); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				r = j.rollback(j.unitID("signer"))
			}
			j.want(r, "signer", execute.UnitRolledBack, "")
			if got := j.keys("signer"); got[pipelines] != before[pipelines] || got[server] != before[server] {
				t.Errorf("after rollback there is %v", got)
			}
			j.mustUse("after rollback", signers...)
		})
	}
}

// TestCertificatesSurviveCrashes kills revoke and rollback at their records and changing requests.
func TestCertificatesSurviveCrashes(t *testing.T) {
	for _, kind := range kills {
		step := 2
		if sampling.Long() {
			step = 1
		}
		for n := 1; n <= 60; n += step {
			done := false
			t.Run(kind+" "+strconv.Itoa(n), func(t *testing.T) {
				j, _, server := signedJourney(t, nil, nil)
				j.settings = keep(server)
				before := j.keys("signer")
				j.converted()
				j.pass(8 * 24 * time.Hour)
				k := newKiller(kind, n)
				j.killedBy(k)
				unit := []string{j.unitID("signer")}
				again := func(work func(*execute.Executor) (execute.Result, error)) execute.Result {
					return j.untilAlive(k, "it", func() { j.mustUse("when killed", signers...) }, work)
				}
				j.want(again(func(e *execute.Executor) (execute.Result, error) {
					return e.Revoke(context.Background(), execute.RevokeOptions{Only: unit})
				}), "signer", execute.UnitRevoked, "")
				if got := j.keys("signer"); len(got) != 1 || got[server] != before[server] {
					t.Errorf("left is %v", got)
				}
				j.want(again(func(e *execute.Executor) (execute.Result, error) {
					return e.Rollback(context.Background(), execute.RollbackOptions{Units: unit})
				}), "signer", execute.UnitRolledBack, "")
				if got := j.keys("signer"); len(got) != 2 || got[server] != before[server] {
					t.Errorf("after rollback there is %v", got)
				}
				j.change(func(w *world.World) {
					if n := len(app(w, "signer").Passwords); n != 1 {
						t.Errorf("%d passwords after rollback, want the one that the connections have", n)
					}
				})
				j.mustUse("after rollback", signers...)
				done = !k.killed
			})
			if done || t.Failed() {
				break
			}
		}
	}
}
