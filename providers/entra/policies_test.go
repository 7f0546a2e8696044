package entra_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// newPasswordsOf reads every application and gives what is known of new passwords, by name.
func newPasswordsOf(t *testing.T, l *lab.Lab, o transport.Options) map[string]inventory.NewPasswords {
	t.Helper()
	o.ReadOnly = true
	identities, gaps, err := connect(t, l, world.RoleReader, o).AllApplications(t.Context())
	if err != nil || len(gaps) > 0 {
		t.Fatal(err, gaps)
	}
	out := map[string]inventory.NewPasswords{}
	for _, id := range identities {
		out[id.DisplayName] = id.NewPasswords
	}
	return out
}

func TestAnApplicationsOwnPolicyAndTheTenantsAreTold(t *testing.T) {
	w := labtest.Demo(t)
	appNamed(w, "docs-site").NoPasswords = true
	l := labtest.Start(t, w, lab.Options{})
	got := newPasswordsOf(t, l, transport.Options{})
	if diff := cmp.Diff(inventory.NewPasswords{Known: true, Forbidden: true, Own: true, Policy: "Block client secrets"}, got["docs-site"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(inventory.NewPasswords{Known: true}, got["contoso-pipelines"]); diff != "" {
		t.Error(diff)
	}
	w.Lock()
	w.Knobs.NewPasswordPolicy = true
	w.Unlock()
	got = newPasswordsOf(t, l, transport.Options{})
	if diff := cmp.Diff(inventory.NewPasswords{Known: true, Forbidden: true, TenantRules: true, Policy: "Default app management tenant policy"}, got["contoso-pipelines"]); diff != "" {
		t.Error(diff)
	}
}

// answering gives other answers than the lab to requests whose path ends so.
type answering map[string]string

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	for suffix, text := range a {
		if strings.HasSuffix(r.URL.Path, suffix) {
			status, body, _ := strings.Cut(text, " ")
			code := http.StatusOK
			if status == "403" {
				code = http.StatusForbidden
			}
			rec := &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Request: r}
			rec.Body = readCloser{strings.NewReader(body)}
			return rec, nil
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestRestrictionsOfTheDefaultPolicyAreReadAsTheyAreMeant(t *testing.T) {
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	w := labtest.Demo(t)
	app := appNamed(w, "docs-site")
	app.Created = time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	l := labtest.Start(t, w, lab.Options{})
	policy := func(enabled, rules string) string {
		return `200 {"displayName":"P","isEnabled":` + enabled + `,"applicationRestrictions":{"passwordCredentials":[` + rules + `]}}`
	}
	for name, c := range map[string]struct {
		answer string
		want   inventory.NewPasswords
	}{
		"switched off": {policy("false", `{"restrictionType":"passwordAddition","state":"enabled"}`), inventory.NewPasswords{Known: true}},
		"rule off":     {policy("true", `{"restrictionType":"passwordAddition","state":"disabled"}`), inventory.NewPasswords{Known: true}},
		"for newer applications only": {policy("true", `{"restrictionType":"passwordAddition","state":"enabled","restrictForAppsCreatedAfterDateTime":"2026-01-01T00:00:00Z"}`),
			inventory.NewPasswords{Known: true}},
		"for this one too": {policy("true", `{"restrictionType":"passwordAddition","state":"enabled","restrictForAppsCreatedAfterDateTime":"2025-01-01T00:00:00Z"}`),
			inventory.NewPasswords{Known: true, Forbidden: true, Policy: "P"}},
		"nothing of credentials": {`200 {"displayName":"P","isEnabled":true,"applicationRestrictions":{"passwordCredentials":[],"identifierUris":{"nonDefaultUriAddition":{"state":"enabled"}}}}`,
			inventory.NewPasswords{Known: true}},
		"own words only":    {policy("true", `{"restrictionType":"customPasswordAddition","state":"enabled"}`), inventory.NewPasswords{Known: true}},
		"lifetime in days":  {policy("true", `{"restrictionType":"passwordLifetime","state":"enabled","maxLifetime":"P14DT2H"}`), inventory.NewPasswords{Known: true, MaxDays: 14, Policy: "P"}},
		"lifetime in weeks": {policy("true", `{"restrictionType":"passwordLifetime","state":"enabled","maxLifetime":"P2W"}`), inventory.NewPasswords{Known: true, MaxDays: 14, Policy: "P"}},
		"lifetime in hours": {policy("true", `{"restrictionType":"passwordLifetime","state":"enabled","maxLifetime":"PT8H"}`), inventory.NewPasswords{Known: true, MaxDays: 1, Policy: "P"}},
		"lifetime unread":   {policy("true", `{"restrictionType":"passwordLifetime","state":"enabled","maxLifetime":"soon"}`), inventory.NewPasswords{Known: true}},
		"not allowed": {`403 {"error":{"code":"Authorization_RequestDenied","message":"no"}}`,
			inventory.NewPasswords{Denied: true, Reason: "the caller may not read app management policies: it needs Policy.Read.All; Graph says Authorization_RequestDenied"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.TenantRules = c.want.Known && name != "switched off" && name != "rule off"
			got := newPasswordsOf(t, l, transport.Options{Base: answering{"/policies/defaultAppManagementPolicy": c.answer}})
			if diff := cmp.Diff(c.want, got["docs-site"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNotesTagsLockAndCreationAreRead(t *testing.T) {
	w := labtest.Demo(t)
	app := appNamed(w, "docs-site")
	app.Notes, app.Tags, app.Locked = "owned by docs", []string{"team-docs"}, true
	l := labtest.Start(t, w, lab.Options{})
	c := connect(t, l, world.RoleReader, transport.Options{ReadOnly: true})
	identities, _, err := c.Applications(t.Context(), []inventory.AppID{inventory.AppID(app.AppID)})
	if err != nil || len(identities) != 1 {
		t.Fatal(err, identities)
	}
	got := identities[0]
	if got.Notes != app.Notes || !cmp.Equal(got.Tags, app.Tags) || got.Created.IsZero() || !got.Lock.Credentials() {
		t.Errorf("%+v", got)
	}
	app.Locked = false
	if identities, _, _ = c.Applications(t.Context(), []inventory.AppID{inventory.AppID(app.AppID)}); identities[0].Lock.Credentials() {
		t.Error("locked without a lock")
	}
}

func TestNewPasswordsAreForbiddenAndAllowedAgain(t *testing.T) {
	w := labtest.Demo(t)
	site, other := appNamed(w, "docs-site"), appNamed(w, "contoso-pipelines")
	l := labtest.Start(t, w, lab.Options{})
	c := connect(t, l, world.RoleOperator, transport.Options{})
	ctx, name := t.Context(), "unsecret: no new passwords"
	for _, a := range []*world.App{site, other} {
		p, err := c.BlockPasswords(ctx, inventory.ObjectID(a.ObjectID), name)
		if err != nil || !p.BlocksPasswords {
			t.Fatalf("%+v %v", p, err)
		}
		if got, err := c.PolicyOf(ctx, inventory.ObjectID(a.ObjectID)); err != nil || got != p {
			t.Errorf("%+v %v", got, err)
		}
	}
	if _, _, err := c.AddPassword(ctx, inventory.ObjectID(site.ObjectID), "x", w.Clock.Now().Add(time.Hour)); !errors.Is(err, execute.ErrPolicy) {
		t.Errorf("a password was added: %v", err)
	}
	for i, a := range []*world.App{site, other} {
		id := inventory.ObjectID(a.ObjectID)
		p, err := c.PolicyOf(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.UnblockPasswords(ctx, id, p); err != nil {
			t.Fatal(err)
		}
		if err := c.UnblockPasswords(ctx, id, p); !errors.Is(err, execute.ErrNotFound) {
			t.Errorf("taken off twice: %v", err)
		}
		if err := c.RemoveUnusedPolicy(ctx, name); err != nil {
			t.Fatal(err)
		}
		for _, tenant := range w.Tenants {
			if left := len(tenant.Policies); left != 1-i {
				t.Errorf("%d policies are left after %d of 2", left, i+1)
			}
		}
	}
	if _, _, err := c.AddPassword(ctx, inventory.ObjectID(site.ObjectID), "x", w.Clock.Now().Add(time.Hour)); err != nil {
		t.Error(err)
	}
}
