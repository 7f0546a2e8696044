package azuredevops_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers/azuredevops"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T, l *lab.Lab, role string, o transport.Options) *azuredevops.Client {
	t.Helper()
	client, _ := labtest.Client(t, l.World.Endpoints.AzureDevOps, "azureDevOps", world.AudienceAzureDevOps, role, o)
	c, err := azuredevops.New(azuredevops.Config{Organization: "contoso", URL: l.World.Endpoints.AzureDevOps, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// connections reads all connections of the organisation by name, each once.
func connections(t *testing.T, c *azuredevops.Client) (map[string]inventory.Connection, []scan.Project) {
	t.Helper()
	projects, err := c.Projects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]inventory.Connection{}
	for _, p := range projects {
		list, err := c.Connections(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, connection := range list {
			found[connection.Name] = connection
		}
	}
	return found, projects
}

func TestAScanReadsTheOrganisationAndWritesNothing(t *testing.T) {
	l := labtest.Start(t, labtest.Demo(t), lab.Options{})
	c := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	source, err := c.Organization(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	org := l.World.DevOps["contoso"]
	if source.ID != org.ID || source.Name != "contoso" || source.Kind != inventory.SourceAzureDevOps {
		t.Errorf("%+v", source)
	}
	found, projects := connections(t, c)
	if len(projects) != 2 || len(found) != len(org.Connections) {
		t.Fatalf("%d projects, %d connections", len(projects), len(found))
	}
	shop := found["shop-production"]
	if shop.Scheme != inventory.SchemeServicePrincipal || shop.AuthenticationType != "spnKey" || shop.CreationMode != "Automatic" ||
		shop.AppID == "" || shop.TenantID == "" || shop.SubscriptionID == "" || !shop.Ready || !shop.Readable || shop.Shared {
		t.Errorf("%+v", shop)
	}
	if shared := found["azure-shared"]; !shared.Shared || len(shared.Projects) != 2 || shared.Projects[0].Name != "Platform" {
		t.Errorf("%+v", shared)
	}
	if f := found["finance-sandbox"]; f.Readable || f.Scheme == inventory.SchemeServicePrincipal && f.AppID != "" {
		t.Errorf("a connection without data is readable: %+v", f)
	}
	if r := found["reporting"]; !strings.HasPrefix(r.Issuer, "https://vstoken.dev.azure.com/") || !strings.HasPrefix(r.Subject, "sc://") {
		t.Errorf("%+v", r)
	}
	if writes := l.Writes(); writes != 0 {
		t.Errorf("the scan wrote %d times", writes)
	}
}

func TestExecutionsAreReadNewestFirstUpToTheLimit(t *testing.T) {
	w := labtest.Demo(t)
	var id string
	for _, c := range w.DevOps["contoso"].Connections {
		if c.Refs[0].Name == "shop-production" {
			id = c.ID
			for i := range 70 {
				c.History = append(c.History, &world.Execution{ID: 100 + i, ProjectID: c.Refs[0].ProjectID, PlanType: "Build", DefinitionID: 7, DefinitionName: "extra",
					Start: w.Clock.Now().Add(-time.Duration(i) * time.Hour), Finish: w.Clock.Now().Add(-time.Duration(i) * time.Hour), Result: "succeeded"})
			}
		}
	}
	l := labtest.Start(t, w, lab.Options{})
	c := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	_, projects := connections(t, c)
	for _, p := range projects {
		if p.Name != "Shop" {
			continue
		}
		uses, err := c.Executions(t.Context(), p, inventory.ConnectionID(id), 60)
		if err != nil {
			t.Fatal(err)
		}
		if len(uses) != 60 || uses[0].Finished.Before(uses[59].Finished) || uses[0].Definition == "" || uses[0].Result == "" {
			t.Errorf("%d uses, first %+v", len(uses), uses[0])
		}
	}
}

func TestProjectsAreFollowedOverAllPages(t *testing.T) {
	w, _ := lab.Generate(lab.Size{Connections: 1, Projects: 230, Repositories: 1})
	l := labtest.Start(t, w, lab.Options{})
	projects, err := connect(t, l, world.RoleReader, transport.Options{}).Projects(t.Context())
	if err != nil || len(projects) != 230 {
		t.Errorf("%d projects, %v", len(projects), err)
	}
}

func fic(t *testing.T, org *world.DevOpsOrg, tenant string, c *world.Connection) *world.FIC {
	t.Helper()
	subject, err := world.EntraSubject(tenant, org.ID, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	return &world.FIC{ID: "11111111-1111-4111-8111-111111111111", Name: "test", Issuer: world.EntraIssuer(tenant),
		Subject: subject, Audiences: []string{"api://AzureADTokenExchange"}}
}

// appOf finds the application behind a connection.
func appOf(w *world.World, c *world.Connection) (*world.App, string) {
	for id, tenant := range w.Tenants {
		for _, app := range tenant.Apps {
			if app.AppID == c.Params["serviceprincipalid"] {
				return app, id
			}
		}
	}
	return nil, ""
}

func worldConnection(w *world.World, name string) *world.Connection {
	for _, c := range w.DevOps["contoso"].Connections {
		if c.Refs[0].Name == name {
			return c
		}
	}
	return nil
}

func TestAManualSharedConnectionConvertsRevertsAndTakesANewSecret(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	client := connect(t, l, world.RoleOperator, transport.Options{})
	o := azuredevops.Organizations{"Contoso": client} // names are compared without case
	found, _ := connections(t, client)
	connection := found["azure-shared"]
	read := func() inventory.Connection {
		t.Helper()
		c, err := o.Connection(t.Context(), "contoso", connection.Projects[0].ID, connection.ID)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	err := o.Convert(t.Context(), connection, inventory.SchemeFederation)
	if !errors.Is(err, execute.ErrRefused) || !strings.Contains(err.Error(), "could not be configured automatically") || !strings.Contains(err.Error(), "azure-shared") {
		t.Errorf("without a federated credential: %v", err)
	}
	if diff := cmp.Diff(connection, read()); diff != "" {
		t.Errorf("a refused conversion changed it: %s", diff)
	}

	live := worldConnection(w, "azure-shared")
	app, tenant := appOf(w, live)
	w.Lock()
	live.Refs[0].Description = "kept & <kept>"
	app.FICs = append(app.FICs, fic(t, w.DevOps["contoso"], tenant, live))
	w.Unlock()
	if err := o.Convert(t.Context(), connection, inventory.SchemeFederation); err != nil {
		t.Fatal(err)
	}
	converted := read()
	if converted.Scheme != inventory.SchemeFederation || converted.Issuer == "" || converted.Subject == "" || converted.RevertDeadline.IsZero() || !converted.Ready {
		t.Errorf("%+v", converted)
	}
	if diff := cmp.Diff(connection.Projects, converted.Projects); diff != "" {
		t.Errorf("project references: %s", diff)
	}
	if live.Refs[0].Description != "kept & <kept>" {
		t.Errorf("the description became %q", live.Refs[0].Description)
	}
	if ok, message, err := o.Test(t.Context(), converted); err != nil || !ok {
		t.Errorf("test: %v %q %v", ok, message, err)
	}
	if err := o.Convert(t.Context(), converted, inventory.SchemeFederation); !errors.Is(err, execute.ErrConflict) {
		t.Errorf("converted twice: %v", err)
	}
	if err := o.Convert(t.Context(), converted, inventory.SchemeServicePrincipal); err != nil {
		t.Fatal(err)
	}
	if reverted := read(); reverted.Scheme != inventory.SchemeServicePrincipal {
		t.Errorf("%+v", reverted)
	}

	// Forward again; then back with a new secret, as after a revoke.
	if err := o.Convert(t.Context(), connection, inventory.SchemeFederation); err != nil {
		t.Fatal(err)
	}
	w.Lock()
	app.Passwords = append(app.Passwords, &world.AppPassword{KeyID: w.NewID(), Value: "new-" + world.Canary, Start: w.Clock.Now().Add(-time.Hour), End: w.Clock.Now().Add(time.Hour)})
	w.Unlock()
	if err := o.SetPassword(t.Context(), read(), execute.NewPassword([]byte("new-"+world.Canary))); err != nil {
		t.Fatal(err)
	}
	if back := read(); back.Scheme != inventory.SchemeServicePrincipal || back.Subject != "" || len(back.Projects) != 2 {
		t.Errorf("%+v", back)
	}
	if got := live.Hidden["serviceprincipalkey"]; got != "new-"+world.Canary {
		t.Error("the lab has another secret than the one that was written")
	}
	if ok, message, err := o.Test(t.Context(), connection); err != nil || !ok {
		t.Errorf("test with the new secret: %v %q %v", ok, message, err)
	}
}

func TestAFailedTestSaysWhy(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	c := connect(t, l, world.RoleOperator, transport.Options{})
	found, _ := connections(t, c)
	w.Lock()
	app, _ := appOf(w, worldConnection(w, "shop-production"))
	app.Passwords = nil
	w.Unlock()
	ok, message, err := c.Test(t.Context(), found["shop-production"])
	if err != nil || ok || !strings.Contains(message, "AADSTS7000215") {
		t.Errorf("%v %q %v", ok, message, err)
	}
}

func TestAConversionInProgressIsShown(t *testing.T) {
	w := labtest.Demo(t)
	w.Knobs.ConvertAsync = time.Hour
	l := labtest.Start(t, w, lab.Options{})
	c := connect(t, l, world.RoleOperator, transport.Options{})
	found, _ := connections(t, c)
	shop := found["shop-production"]
	if err := c.Convert(t.Context(), shop, inventory.SchemeFederation); err != nil {
		t.Fatal(err)
	}
	now, err := c.Connection(t.Context(), shop.Projects[0].ID, shop.ID)
	if err != nil || now.Ready || now.State != "InProgress" {
		t.Errorf("%+v %v", now, err)
	}
	w.Clock.Move(2 * time.Hour)
	now, err = c.Connection(t.Context(), shop.Projects[0].ID, shop.ID)
	if err != nil || !now.Ready || now.Scheme != inventory.SchemeFederation {
		t.Errorf("%+v %v", now, err)
	}
}

func TestErrorsTellWhatToDo(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	operator := connect(t, l, world.RoleOperator, transport.Options{})
	found, _ := connections(t, operator)
	shop := found["shop-production"]
	project := shop.Projects[0].ID

	worldConnection(w, "shop-production").Deleted = true
	if _, err := operator.Connection(t.Context(), project, shop.ID); !errors.Is(err, execute.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
	worldConnection(w, "shop-production").Deleted = false
	if err := operator.Convert(t.Context(), found["finance-sandbox"], inventory.SchemeFederation); !errors.Is(err, execute.ErrForbidden) {
		t.Errorf("unreadable: %v", err)
	}
	reader := connect(t, l, world.RoleReader, transport.Options{})
	if err := reader.Convert(t.Context(), shop, inventory.SchemeFederation); !errors.Is(err, execute.ErrForbidden) {
		t.Errorf("a reader converts: %v", err)
	}
	guarded := connect(t, l, world.RoleOperator, transport.Options{ReadOnly: true})
	if err := guarded.Convert(t.Context(), shop, inventory.SchemeFederation); !errors.Is(err, transport.ErrWriteWhileReading) {
		t.Errorf("converted while reading: %v", err)
	}
	if _, _, err := guarded.Test(t.Context(), shop); !errors.Is(err, transport.ErrWriteWhileReading) {
		t.Errorf("tested while reading: %v", err)
	}
	labtest.Fault(t, l, lab.Fault{Name: "cut-after", Rate: 1, Only: "write", Times: 1})
	if err := operator.Convert(t.Context(), shop, inventory.SchemeFederation); !errors.Is(err, execute.ErrUnknownOutcome) {
		t.Errorf("the answer was lost: %v", err)
	}
	if now, err := operator.Connection(t.Context(), project, shop.ID); err != nil || now.Scheme != inventory.SchemeFederation {
		t.Errorf("%+v %v", now, err)
	}
}

func TestReadsSurviveFaults(t *testing.T) {
	for _, name := range []string{"throttle", "error-500", "error-503", "error-504", "cut-before", "cut-after", "html"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := labtest.Start(t, labtest.Demo(t), lab.Options{FaultSeed: 3})
			c := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true, Attempts: 10})
			labtest.Fault(t, l, lab.Fault{Name: name, Rate: 0.5, Times: 2})
			if found, _ := connections(t, c); len(found) != 6 {
				t.Errorf("%d connections", len(found))
			}
		})
	}
}

func TestASignInPageIsAClearError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNonAuthoritativeInfo)
		_, _ = w.Write([]byte("<!DOCTYPE html><title>Azure DevOps Services | Sign In</title>"))
	}))
	defer server.Close()
	client, _ := labtest.Client(t, server.URL, "azureDevOps", world.AudienceAzureDevOps, world.RoleReader, transport.Options{})
	c, err := azuredevops.New(azuredevops.Config{Organization: "contoso", URL: server.URL, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Projects(t.Context())
	if !errors.Is(err, execute.ErrForbidden) || !strings.Contains(err.Error(), "sign in again") || strings.Contains(err.Error(), "invalid character") {
		t.Errorf("got %v", err)
	}
}

func TestAnUnknownOrganisationIsNamed(t *testing.T) {
	_, err := azuredevops.Organizations{}.Connection(t.Context(), "fabrikam", "p", "c")
	if err == nil || !strings.Contains(err.Error(), "fabrikam") {
		t.Error(err)
	}
	for _, name := range []string{"", "a/b", "a b", "a?b"} {
		if _, err := azuredevops.New(azuredevops.Config{Organization: name, HTTP: http.DefaultClient}); err == nil {
			t.Errorf("%q is taken for an organisation", name)
		}
	}
}
