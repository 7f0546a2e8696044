package entra_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/providers/entra"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T, l *lab.Lab, role string, o transport.Options) *entra.Client {
	t.Helper()
	client, tr := labtest.Client(t, l.World.Endpoints.Graph, "entra", world.AudienceGraph, role, o)
	c, err := entra.New(entra.Config{Tenant: inventory.TenantID(tenantOf(l.World).ID), URL: l.World.Endpoints.Graph, HTTP: client, Now: tr.Now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tenantOf(w *world.World) *world.Tenant {
	for _, tenant := range w.Tenants {
		return tenant
	}
	return nil
}

func appNamed(w *world.World, name string) *world.App {
	for _, app := range tenantOf(w).Apps {
		if app.DisplayName == name {
			return app
		}
	}
	return nil
}

func TestEveryApplicationIsReadWithItsCredentials(t *testing.T) {
	w := labtest.Demo(t)
	app := appNamed(w, "docs-site")
	app.Keys = append(app.Keys, &world.AppKey{KeyID: w.NewID(), DisplayName: "CN=docs", Usage: "Verify", Type: "AsymmetricX509Cert", Thumbprint: "AAAA", Start: app.Created, End: app.Created.AddDate(1, 0, 0)})
	app.SP.Keys = append(app.SP.Keys, &world.AppKey{KeyID: w.NewID(), Usage: "Sign", Type: "AsymmetricX509Cert", Thumbprint: "AAAA", Start: app.Created, End: app.Created.AddDate(3, 0, 0)})
	app.FICs = append(app.FICs, &world.FIC{ID: w.NewID(), Name: "flexible", Issuer: "https://token.actions.githubusercontent.com", Audiences: []string{"api://AzureADTokenExchange"},
		Expression: "claims['sub'] matches 'repo:contoso/docs:*' and claims['repository_owner_id'] eq '1'"})
	l := labtest.Start(t, w, lab.Options{})
	c := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	identities, gaps, err := c.AllApplications(t.Context())
	if err != nil || len(gaps) > 0 {
		t.Fatal(err, gaps)
	}
	if len(identities) != len(tenantOf(w).Apps) {
		t.Errorf("%d of %d applications", len(identities), len(tenantOf(w).Apps))
	}
	i := slices.IndexFunc(identities, func(i inventory.Identity) bool { return i.DisplayName == "docs-site" })
	got := identities[i]
	var on []string
	for _, credential := range got.Credentials {
		on = append(on, fmt.Sprint(credential.On, credential.Type, credential.Usage))
	}
	if diff := cmp.Diff([]string{"applicationpassword", "applicationcertificateVerify", "servicePrincipalcertificateSign"}, on); diff != "" {
		t.Error(diff)
	}
	if got.TenantID == "" || got.ObjectID != inventory.ObjectID(app.ObjectID) || got.ServicePrincipalID != inventory.ObjectID(app.SP.ObjectID) || got.SignInAudience != "AzureADMyOrg" {
		t.Errorf("%+v", got)
	}
	var trusted []string
	for _, fc := range got.FederatedCredentials {
		trusted = append(trusted, fc.Name+" "+fc.Subject+fc.Expression)
	}
	if len(trusted) != 3 || trusted[1] != "docs-main repo:contoso/docs:ref:refs/heads/main" || trusted[2] != "flexible "+app.FICs[2].Expression || got.FederatedCredentials[2].Subject != "" {
		t.Errorf("%+v", got.FederatedCredentials)
	}
	i = slices.IndexFunc(identities, func(i inventory.Identity) bool { return i.DisplayName == "contoso-pipelines" })
	if owners := identities[i].Owners; len(owners) != 1 {
		t.Errorf("owners %v", owners)
	}
	if l.Writes() != 0 {
		t.Error("the scan wrote")
	}
}

func TestManyApplicationsAreAskedForInFiltersOfFifteen(t *testing.T) {
	w, _ := lab.Generate(lab.Size{Identities: 40, Repositories: 1, Connections: 1})
	l := labtest.Start(t, w, lab.Options{})
	c := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	var ids []inventory.AppID
	for _, app := range tenantOf(w).Apps {
		ids = append(ids, inventory.AppID(strings.ToUpper(app.AppID)))
	}
	ids = append(ids, ids[0], "00000000-0000-4000-8000-000000000000", "x') or appId ne (''")
	identities, gaps, err := c.Applications(t.Context(), ids)
	if err != nil || len(identities) != len(tenantOf(w).Apps) {
		t.Errorf("%d of %d applications, %v", len(identities), len(tenantOf(w).Apps), err)
	}
	if len(gaps) != 1 || !strings.Contains(gaps[0].Message, "not a client id") {
		t.Errorf("%+v", gaps)
	}
}

func TestFederatedCredentialsAreAddedAndRemoved(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	c := connect(t, l, world.RoleOperator, transport.Options{})
	app := appNamed(w, "contoso-pipelines")
	id, object := inventory.AppID(app.AppID), inventory.ObjectID(app.ObjectID)
	want := inventory.FederatedCredential{Name: "web-main", Issuer: "https://token.actions.githubusercontent.com", Subject: "repo:contoso/web:ref:refs/heads/main", Audience: "api://AzureADTokenExchange", Description: "unsecret:1"}
	made, err := c.AddFederatedCredential(t.Context(), object, want)
	if err != nil || made.ID == "" {
		t.Fatal(made, err)
	}
	flexible := inventory.FederatedCredential{Name: "web-any", Issuer: want.Issuer, Audience: want.Audience,
		Expression: fmt.Sprintf("claims['sub'] matches 'repo:contoso/web:*' and claims['repository_id'] eq '%d'", w.GitHub.Repo("contoso", "web").ID)}
	madeFlexible, err := c.AddFederatedCredential(t.Context(), object, flexible)
	if err != nil || madeFlexible.Expression != flexible.Expression || madeFlexible.Subject != "" {
		t.Fatal(madeFlexible, err)
	}
	identity, err := c.Application(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]inventory.FederatedCredential{flexible, want}, identity.FederatedCredentials, cmpopts.IgnoreFields(inventory.FederatedCredential{}, "ID")); diff != "" {
		t.Error(diff)
	}
	if _, err := c.AddFederatedCredential(t.Context(), object, want); !errors.Is(err, execute.ErrConflict) {
		t.Errorf("added twice: %v", err)
	}
	other := want
	other.Name = "another-name"
	if _, err := c.AddFederatedCredential(t.Context(), object, other); !errors.Is(err, execute.ErrConflict) {
		t.Errorf("the same issuer and subject: %v", err)
	}
	bad := want
	bad.Name = "x"
	if _, err := c.AddFederatedCredential(t.Context(), object, bad); !errors.Is(err, execute.ErrRefused) {
		t.Errorf("a bad name: %v", err)
	}
	if err := c.RemoveFederatedCredential(t.Context(), object, made.ID); err != nil {
		t.Error(err)
	}
	if err := c.RemoveFederatedCredential(t.Context(), object, made.ID); !errors.Is(err, execute.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	for i := len(app.FICs); i < 20; i++ {
		fc := want
		fc.Name, fc.Subject = fmt.Sprintf("fill-%d", i), fmt.Sprintf("repo:contoso/web:ref:refs/heads/b%d", i)
		if _, err := c.AddFederatedCredential(t.Context(), object, fc); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.AddFederatedCredential(t.Context(), object, want); !errors.Is(err, execute.ErrLimit) {
		t.Errorf("the 21st: %v", err)
	}
}

func TestPasswordsAreMintedAndRemoved(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	c := connect(t, l, world.RoleOperator, transport.Options{})
	app := appNamed(w, "docs-site")
	object := inventory.ObjectID(app.ObjectID)
	end := w.Clock.Now().Add(7 * 24 * time.Hour)
	key, password, err := c.AddPassword(t.Context(), object, "unsecret rollback", end)
	if err != nil {
		t.Fatal(err)
	}
	last := app.Passwords[len(app.Passwords)-1]
	if string(key) != last.KeyID || last.DisplayName != "unsecret rollback" || last.End.Sub(end).Abs() > time.Second {
		t.Errorf("key %s, in the lab %+v", key, last.KeyID)
	}
	_ = password.Reveal(func(value []byte) error {
		if string(value) != last.Value {
			t.Error("another value than the lab minted")
		}
		return nil
	})
	if err := c.RemovePassword(t.Context(), object, key); err != nil {
		t.Error(err)
	}
	if err := c.RemovePassword(t.Context(), object, key); !errors.Is(err, execute.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	w.Lock()
	app.NoPasswords = true
	w.Unlock()
	if _, _, err := c.AddPassword(t.Context(), object, "x", end); !errors.Is(err, execute.ErrPolicy) {
		t.Errorf("under a policy: %v", err)
	}
	if _, _, err := c.AddPassword(t.Context(), "00000000-0000-4000-8000-000000000000", "x", end); !errors.Is(err, execute.ErrNotFound) {
		t.Errorf("no such application: %v", err)
	}
}

func TestChangesAreNeverSentTwiceBlindly(t *testing.T) {
	for _, fault := range []string{"lost-504", "cut-after", "error-503"} {
		t.Run(fault, func(t *testing.T) {
			w := labtest.Demo(t)
			l := labtest.Start(t, w, lab.Options{})
			c := connect(t, l, world.RoleOperator, transport.Options{})
			app := appNamed(w, "docs-site")
			before := len(app.Passwords)
			labtest.Fault(t, l, lab.Fault{Name: fault, Rate: 1, Only: "write", Times: 1})
			_, _, err := c.AddPassword(t.Context(), inventory.ObjectID(app.ObjectID), "x", w.Clock.Now().Add(time.Hour))
			w.Lock()
			defer w.Unlock()
			if !errors.Is(err, execute.ErrUnknownOutcome) || len(app.Passwords) > before+1 {
				t.Errorf("%d new passwords, %v", len(app.Passwords)-before, err)
			}
		})
	}
}

func TestConcurrentChangesToOneApplicationFollowEachOther(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	c := connect(t, l, world.RoleOperator, transport.Options{})
	app := appNamed(w, "docs-site")
	before := len(app.FICs)
	labtest.Fault(t, l, lab.Fault{Name: "conflict-409", Rate: 1, Only: "write", Times: 2})
	var group sync.WaitGroup
	for i := range 5 {
		group.Go(func() {
			_, err := c.AddFederatedCredential(t.Context(), inventory.ObjectID(app.ObjectID), inventory.FederatedCredential{
				Name: fmt.Sprintf("many-%d", i), Issuer: "https://token.actions.githubusercontent.com", Subject: fmt.Sprintf("repo:contoso/docs:environment:e%d", i), Audience: "api://AzureADTokenExchange"})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(app.FICs) != before+5 {
		t.Errorf("%d federated credentials", len(app.FICs))
	}
}

// The SDK's request builders keep a map that their requests write to: the race detector tells when two calls share one.
func TestConcurrentReadsShareNoRequestBuilder(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	c := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	var done sync.WaitGroup
	for range 4 {
		for _, app := range tenantOf(w).Apps {
			done.Go(func() {
				if _, err := c.Application(t.Context(), inventory.AppID(app.AppID)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	done.Wait()
}

func TestSignInsAreEvidenceOnlyWhereTheLogCanBeRead(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	c := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	app := inventory.AppID(appNamed(w, "contoso-pipelines").AppID)
	evidence, err := c.SignIns(t.Context(), app, w.Clock.Now().Add(-90*24*time.Hour))
	if err != nil || !evidence.Known || len(evidence.SignIns) == 0 {
		t.Fatalf("%+v %v", evidence, err)
	}
	s := evidence.SignIns[len(evidence.SignIns)-1]
	if s.AppID != app || s.KeyID == "" || s.CredentialType != "clientSecret" || s.ErrorCode != 0 || s.Time.IsZero() {
		t.Errorf("%+v", s)
	}
	if age := w.Clock.Now().Sub(evidence.Since); age > 31*24*time.Hour || age < 29*24*time.Hour {
		t.Errorf("the log is said to be known since %s ago", age)
	}
	evidence, err = c.SignIns(t.Context(), app, w.Clock.Now())
	if err != nil || !evidence.Known || len(evidence.SignIns) != 0 {
		t.Errorf("from now on: %+v %v", evidence, err)
	}
	w.Lock()
	w.Knobs.SignInLogForbid = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
	w.Unlock()
	evidence, err = c.SignIns(t.Context(), app, w.Clock.Now())
	if err != nil || evidence.Known || !strings.Contains(evidence.Reason, "licence") {
		t.Errorf("without a licence: %+v %v", evidence, err)
	}
	w.Lock()
	w.Knobs.SignInLogForbid = "Authorization_RequestDenied"
	w.Unlock()
	evidence, err = c.SignIns(t.Context(), app, w.Clock.Now())
	if err != nil || evidence.Known || !strings.Contains(evidence.Reason, "AuditLog.Read.All") {
		t.Errorf("without the permission: %+v %v", evidence, err)
	}
}

func TestSignInsAreReadOverAllPages(t *testing.T) {
	w := labtest.Demo(t)
	app := appNamed(w, "docs-site")
	for i := range 2300 {
		w.SignIns = append(w.SignIns, &world.SignIn{ID: w.NewID(), TenantID: tenantOf(w).ID, Time: w.Clock.Now().Add(-time.Hour - time.Duration(i)*time.Second), AppID: app.AppID, SPID: app.SP.ObjectID, CredentialType: "clientSecret", KeyID: app.Passwords[0].KeyID})
	}
	l := labtest.Start(t, w, lab.Options{})
	evidence, err := connect(t, l, world.RoleReader, transport.Options{}).SignIns(t.Context(), inventory.AppID(app.AppID), w.Clock.Now().Add(-5*24*time.Hour))
	if err != nil || !evidence.Known || len(evidence.SignIns) != 2300 || !slices.IsSortedFunc(evidence.SignIns, func(a, b inventory.SignIn) int { return a.Time.Compare(b.Time) }) {
		t.Errorf("%d, %v %v", len(evidence.SignIns), evidence.Known, err)
	}
}

func TestWhatCannotBeReadIsAGapNotAnEmptyApplication(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	app := appNamed(w, "docs-site")
	id := inventory.AppID(app.AppID)
	outsider := connect(t, l, world.RoleOutsider, transport.Options{})
	identities, gaps, err := outsider.Applications(t.Context(), []inventory.AppID{id})
	if err != nil || len(identities) != 0 || len(gaps) != 1 || gaps[0].Source != inventory.SourceEntra || gaps[0].Next == "" {
		t.Errorf("%v %+v %v", identities, gaps, err)
	}
	if _, err := outsider.Application(t.Context(), id); !errors.Is(err, execute.ErrForbidden) {
		t.Errorf("forbidden: %v", err)
	}
	reader := connect(t, l, world.RoleReader, transport.Options{Attempts: 1})
	if _, err := reader.Application(t.Context(), "00000000-0000-4000-8000-000000000000"); !errors.Is(err, execute.ErrNotFound) {
		t.Errorf("not there: %v", err)
	}
	labtest.Fault(t, l, lab.Fault{Name: "error-500", Rate: 1, Path: "/federatedIdentityCredentials"})
	identities, gaps, err = reader.Applications(t.Context(), []inventory.AppID{id})
	if err != nil || len(identities) != 0 || len(gaps) != 1 {
		t.Errorf("without its federated credentials: %v %+v %v", identities, gaps, err)
	}
	labtest.Fault(t, l, lab.Fault{Name: "error-500", Rate: 0, Path: "/federatedIdentityCredentials"})
	labtest.Fault(t, l, lab.Fault{Name: "error-500", Rate: 1, Path: "/owners"})
	identities, gaps, err = reader.Applications(t.Context(), []inventory.AppID{id})
	if err != nil || len(identities) != 1 || len(gaps) != 1 {
		t.Errorf("without its owners: %v %+v %v", identities, gaps, err)
	}
}

func TestReadsSurviveFaults(t *testing.T) {
	for _, name := range []string{"throttle", "error-500", "error-503", "error-504", "cut-before", "cut-after", "html"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := labtest.Start(t, labtest.Demo(t), lab.Options{FaultSeed: 5})
			c := connect(t, l, world.RoleReader, transport.Options{Attempts: 10})
			labtest.Fault(t, l, lab.Fault{Name: name, Rate: 0.5, Times: 3})
			identities, gaps, err := c.AllApplications(t.Context())
			if err != nil || len(gaps) != 0 || len(identities) != len(tenantOf(l.World).Apps) {
				t.Errorf("%d applications, %v, %v", len(identities), gaps, err)
			}
		})
	}
}

func TestAClientNeedsATransport(t *testing.T) {
	if _, err := entra.New(entra.Config{HTTP: &http.Client{}}); err == nil {
		t.Error("it was built on the default transport")
	}
}

// TestAnIDThatIsNoGUIDIsNotAskedFor keeps texts from outside out of the filters of a query: only GUIDs go into them.
func TestAnIDThatIsNoGUIDIsNotAskedFor(t *testing.T) {
	l := labtest.Start(t, labtest.Demo(t), lab.Options{})
	c := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	for _, id := range []inventory.AppID{"", "') or startswith(displayName,'a", "00000000-0000-4000-8000-000000000000') or ('1' eq '1", "{00000000}"} {
		l.ResetCounts()
		_, gaps, err := c.Applications(t.Context(), []inventory.AppID{id})
		if err != nil || len(gaps) != 1 {
			t.Errorf("%q gives %v, %v", id, gaps, err)
		}
		if _, err := c.Application(t.Context(), id); err == nil {
			t.Errorf("%q is an application", id)
		}
		if n := l.Counts().Of(lab.ServerGraph, "applications"); n != 0 {
			t.Errorf("%q was asked for: %+v", id, l.Counts())
		}
	}
}
