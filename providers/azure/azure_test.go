package azure_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/providers/azure"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T, l *lab.Lab, role string) *azure.Client {
	t.Helper()
	client, _ := labtest.Client(t, l.World.Endpoints.ARM, "azure", world.AudienceARM, role, transport.Options{ReadOnly: true})
	c, err := azure.New(azure.Config{URL: l.World.Endpoints.ARM, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func principals(w *world.World) []inventory.ObjectID {
	var ids []inventory.ObjectID
	for _, tenant := range w.Tenants {
		for _, app := range tenant.Apps {
			ids = append(ids, inventory.ObjectID(strings.ToUpper(app.SP.ObjectID)))
		}
	}
	return ids
}

func TestRolesAreReadForManyPrincipalsAtOnce(t *testing.T) {
	w := labtest.Demo(t)
	all := principals(w)
	for _, p := range all {
		for i := range 700 { // more than one page
			w.Roles = append(w.Roles, &world.RoleAssignment{ID: w.NewID(), PrincipalID: strings.ToLower(string(p)), Role: "Reader", RoleID: w.NewID(),
				Scope: fmt.Sprintf("/subscriptions/%s/resourceGroups/g%d", anySubscription(w), i), Created: w.Clock.Now()})
		}
	}
	w.Roles = append(w.Roles, &world.RoleAssignment{ID: w.NewID(), PrincipalID: strings.ToLower(string(all[0])), Role: "Owner", RoleID: w.NewID(),
		Scope: "/providers/Microsoft.Management/managementGroups/root", Created: w.Clock.Now()})
	l := labtest.Start(t, w, lab.Options{})
	nobody := inventory.ObjectID("00000000-0000-4000-8000-000000000000")
	roles, err := connect(t, l, world.RoleReader).Roles(t.Context(), append(all, nobody))
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, p := range all {
		total += len(roles[p])
		for _, r := range roles[p] {
			if r.ID == "" || r.Role == "" || r.Scope == "" {
				t.Fatalf("%+v", r)
			}
		}
	}
	if _, asked := roles[nobody]; !asked || total != len(w.Roles) {
		t.Errorf("%d of %d roles; a principal without roles is in the answer: %v", total, len(w.Roles), asked)
	}
	if l.Writes() != 0 {
		t.Error("a query counts as a write")
	}
}

func anySubscription(w *world.World) string {
	for id := range w.Subs {
		return id
	}
	return ""
}

func TestErrorsAreKnownByTheirKind(t *testing.T) {
	l := labtest.Start(t, labtest.Demo(t), lab.Options{})
	if _, err := connect(t, l, world.RoleReader).Roles(t.Context(), []inventory.ObjectID{"') or 1==1 //"}); err == nil {
		t.Error("a query with a foreign text was sent")
	}
	client, _ := labtest.Client(t, l.World.Endpoints.ARM, "azure", world.AudienceGraph, world.RoleReader, transport.Options{})
	c, err := azure.New(azure.Config{URL: l.World.Endpoints.ARM, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Roles(t.Context(), principals(l.World)); !errors.Is(err, execute.ErrForbidden) {
		t.Errorf("with a token for something else: %v", err)
	}
}

func TestReadsSurviveFaults(t *testing.T) {
	l := labtest.Start(t, labtest.Demo(t), lab.Options{})
	for _, name := range []string{"throttle", "error-503", "cut-after", "html"} {
		labtest.Fault(t, l, lab.Fault{Name: name, Rate: 1, Times: 1})
		if _, err := connect(t, l, world.RoleReader).Roles(t.Context(), principals(l.World)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAClientNeedsATransport(t *testing.T) {
	if _, err := azure.New(azure.Config{}); err == nil {
		t.Error("built without")
	}
	if _, err := azure.New(azure.Config{HTTP: &http.Client{}}); err != nil {
		t.Error(err)
	}
}
