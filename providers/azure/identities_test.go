package azure_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/providers/azure"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// writer is a client that may write.
func writer(t *testing.T, l *lab.Lab, role string) *azure.Client {
	t.Helper()
	client, _ := labtest.Client(t, l.World.Endpoints.ARM, "azure", world.AudienceARM, role, transport.Options{Attempts: 2})
	c, err := azure.New(azure.Config{URL: l.World.Endpoints.ARM, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAManagedIdentityIsMadeTrustsIsGivenRolesAndGoes(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	c, ctx := writer(t, l, world.RoleOperator), t.Context()
	resource := "/subscriptions/" + anySubscription(w) + "/resourceGroups/ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-app"
	if _, err := c.ManagedIdentity(ctx, resource); !errors.Is(err, execute.ErrNotFound) {
		t.Errorf("before: %v", err)
	}
	m, err := c.CreateManagedIdentity(ctx, resource, "westeurope")
	if err != nil || m.ClientID == "" || m.PrincipalID == "" || m.TenantID == "" {
		t.Fatalf("%+v %v", m, err)
	}
	if again, err := c.CreateManagedIdentity(ctx, resource, "westeurope"); err != nil || again.ClientID != m.ClientID {
		t.Errorf("a second time: %+v %v", again, err)
	}
	fc := func(n int) inventory.FederatedCredential {
		return inventory.FederatedCredential{Name: fmt.Sprintf("fc-%02d", n), Issuer: "https://issuer", Subject: fmt.Sprint("s", n), Audience: "api://AzureADTokenExchange"}
	}
	for n := range 20 {
		got, err := c.AddIdentityCredential(ctx, resource, fc(n))
		if want := fc(n); err != nil || got.Name != want.Name || got.Subject != want.Subject || got.Audience != want.Audience {
			t.Fatalf("%+v %v", got, err)
		}
	}
	if _, err := c.AddIdentityCredential(ctx, resource, fc(20)); !errors.Is(err, execute.ErrLimit) {
		t.Errorf("one too many: %v", err)
	}
	w.Lock()
	w.Knobs.IdentityWriteGap = time.Hour
	w.Unlock()
	if err := c.RemoveIdentityCredential(ctx, resource, "fc-00"); !errors.Is(err, execute.ErrConflict) {
		t.Errorf("at the same time: %v", err)
	}
	w.Lock()
	w.Knobs.IdentityWriteGap = 0
	w.Unlock()
	for _, want := range []error{nil, execute.ErrNotFound} {
		if err := c.RemoveIdentityCredential(ctx, resource, "fc-00"); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if got, err := c.ManagedIdentity(ctx, resource); err != nil || len(got.FederatedCredentials) != 19 {
		t.Errorf("%+v %v", got, err)
	}
	found, err := c.ManagedIdentities(ctx, []string{"ID-*"})
	if err != nil || len(found) != 1 || found[0].ClientID != m.ClientID || len(found[0].FederatedCredentials) != 19 {
		t.Errorf("%+v %v", found, err)
	}
	if found, err = c.ManagedIdentities(ctx, []string{"other"}); err != nil || len(found) != 0 {
		t.Errorf("%+v %v", found, err)
	}
	givesRoles(t, c, w, m.PrincipalID)
	for _, want := range []error{nil, execute.ErrNotFound} {
		if err := c.DeleteManagedIdentity(ctx, resource); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// givesRoles copies a role with a condition to a principal, finds it and takes it away again.
func givesRoles(t *testing.T, c *azure.Client, w *world.World, principal inventory.ObjectID) {
	t.Helper()
	ctx := t.Context()
	w.Lock()
	w.Roles[0].Condition, w.Roles[0].ConditionVersion = "@Resource[x] StringEquals 'y'", "2.0"
	from := inventory.ObjectID(w.Roles[0].PrincipalID)
	w.Unlock()
	roles, err := c.RolesOf(ctx, from)
	if err != nil || len(roles) == 0 || roles[0].Condition == "" || roles[0].Definition == "" {
		t.Fatalf("%+v %v", roles, err)
	}
	const name = "0b9cb4fe-1111-4222-8333-444455556666"
	for range 2 { // it may be done again
		if _, err := c.AssignRole(ctx, name, roles[0], principal); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.AssignRole(ctx, strings.Replace(name, "0b", "0c", 1), roles[0], principal); !errors.Is(err, execute.ErrConflict) {
		t.Errorf("under another name: %v", err)
	}
	held, err := c.RolesAt(ctx, roles[0].Scope, principal)
	if err != nil || len(held) != 1 || !inventory.SameRole(held[0], roles[0]) {
		t.Errorf("%+v %v", held, err)
	}
	if below, err := c.RolesAt(ctx, roles[0].Scope+"/resourceGroups/x", principal); err != nil || len(below) != 0 {
		t.Errorf("what is inherited counts: %+v %v", below, err)
	}
	for _, want := range []error{nil, execute.ErrNotFound} {
		if err := c.RemoveRole(ctx, roles[0].Scope, name); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

func TestAReaderMayMakeNothing(t *testing.T) {
	w := labtest.Demo(t)
	l := labtest.Start(t, w, lab.Options{})
	c := writer(t, l, world.RoleReader)
	resource := "/subscriptions/" + anySubscription(w) + "/resourceGroups/ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-app"
	if _, err := c.CreateManagedIdentity(t.Context(), resource, "westeurope"); !errors.Is(err, execute.ErrForbidden) {
		t.Error(err)
	}
	// With a client that only reads, nothing leaves the program.
	if _, err := connect(t, l, world.RoleOperator).CreateManagedIdentity(t.Context(), resource, "westeurope"); !errors.Is(err, transport.ErrWriteWhileReading) {
		t.Error(err)
	}
}

func TestVaultsPoolsSubscriptionsAndWhatRunsWithAnIdentityAreRead(t *testing.T) {
	w := labtest.Demo(t)
	var sp string
	for _, tenant := range w.Tenants {
		for _, a := range tenant.Apps {
			a.SP.Vaults, sp = []string{"/subscriptions/x/vaults/kv"}, a.SP.ObjectID
		}
	}
	l := labtest.Start(t, w, lab.Options{})
	c, ctx := connect(t, l, world.RoleReader), t.Context()
	if got, err := c.VaultPolicies(ctx); err != nil || len(got[inventory.ObjectID(strings.ToLower(sp))]) != 1 {
		t.Errorf("%v %v", got, err)
	}
	w.Lock()
	w.ManagedPools = []*world.ManagedPool{{Resource: "/subscriptions/x/pools/p", Name: "p", Alias: "a", Organizations: []world.PoolOrganization{{URL: "https://dev.azure.com/contoso"}, {URL: "https://dev.azure.com/fabrikam", Alias: "b"}}, Identities: []string{"/i/2", "/i/1"}},
		{Resource: "/subscriptions/x/pools/q", Name: "q"}}
	w.Unlock()
	pools, err := c.ManagedPools(ctx)
	want := []inventory.ManagedPool{{Resource: "/subscriptions/x/pools/p", Name: "p", Alias: "a", Organizations: []inventory.ManagedPoolOrganization{{URL: "https://dev.azure.com/contoso"}, {URL: "https://dev.azure.com/fabrikam", Alias: "b"}}, Identities: []string{"/i/1", "/i/2"}},
		{Resource: "/subscriptions/x/pools/q", Name: "q"}}
	if diff := cmp.Diff(want, pools); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if got, err := c.Subscriptions(ctx); err != nil || len(got) != len(w.Subs) || got[0].TenantID == "" {
		t.Errorf("%v %v", got, err)
	}
	if _, err := c.Attached(ctx, "x' or true"); err == nil {
		t.Error("a query with a foreign text was sent")
	}
}
