package entra_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// tenantOfRelations has applications with none, some, and as many federated credentials and owners as a list can hide more behind.
func tenantOfRelations(t *testing.T) *world.World {
	t.Helper()
	w, _ := lab.Generate(lab.Size{Seed: 3, Connections: 40, Identities: 30})
	n := 0
	for _, id := range slices.Sorted(maps.Keys(tenantOf(w).Apps)) {
		app := tenantOf(w).Apps[id]
		n++
		for i := range n % 4 * 10 { // 0, 10, 20 and 30 owners
			app.Owners = append(app.Owners, world.Principal{ObjectID: w.NewID(), DisplayName: fmt.Sprintf("Owner %02d", i)})
		}
		for i := len(app.FICs); i < n%3*10; i++ { // up to 20 federated credentials, which is the most
			app.FICs = append(app.FICs, &world.FIC{ID: w.NewID(), Name: fmt.Sprintf("trust-%02d", i), Issuer: "https://issuer.example", Subject: fmt.Sprint(i), Audiences: []string{"api://AzureADTokenExchange"}})
		}
	}
	app := appNamed(w, "pipeline-001")
	app.FICs = []*world.FIC{{ID: w.NewID(), Name: "flexible", Issuer: "https://token.actions.githubusercontent.com", Audiences: []string{"api://AzureADTokenExchange"},
		Expression: "claims['sub'] matches 'repo:contoso/docs:*' and claims['repository_owner_id'] eq '1'"}}
	return w
}

// Lists that give federated credentials and owners with the applications save most requests. A service that refuses or ignores that, or may have
// left some out, is asked for each application.
func TestApplicationsAreReadWithFewRequestsAndTheSameResult(t *testing.T) {
	var want []inventory.Identity
	for _, mode := range []string{"refuse", "ignore", ""} {
		for _, all := range []bool{true, false} {
			t.Run(fmt.Sprintf("expand %q all %t", mode, all), func(t *testing.T) {
				w := tenantOfRelations(t)
				w.Knobs.Expand = mode
				l := labtest.Start(t, w, lab.Options{})
				c := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
				var ids []inventory.AppID
				for _, app := range tenantOf(w).Apps {
					ids = append(ids, inventory.AppID(app.AppID))
				}
				read := func() ([]inventory.Identity, []inventory.Gap, error) { return c.Applications(t.Context(), ids) }
				if all {
					read = func() ([]inventory.Identity, []inventory.Gap, error) { return c.AllApplications(t.Context()) }
				}
				got, gaps, err := read()
				if err != nil || len(gaps) > 0 || len(got) != len(ids) {
					t.Fatalf("%d of %d applications, %v, %v", len(got), len(ids), gaps, err)
				}
				if want == nil {
					want = got
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("(-one by one +expanded):\n%s", d)
				}
				n := l.Counts().Of(lab.ServerGraph, "/owners") + l.Counts().Of(lab.ServerGraph, "/federatedIdentityCredentials")
				t.Logf("%d applications: %d requests, %d of them for one application", len(ids), l.Counts().Total(lab.ServerGraph), n)
				if mode != "" && n != 2*len(ids) {
					t.Errorf("%d single reads where the lists say nothing, want %d", n, 2*len(ids))
				}
				if mode == "" && n > len(ids) {
					t.Errorf("%d single reads of %d applications", n, len(ids))
				}
			})
		}
	}
}
