package graph_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/graph"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const (
	tenantID = "11111111-1111-4111-8111-111111111111"
	github   = "https://token.actions.githubusercontent.com"
)

var start = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// lab is a tenant with some applications, served.
type lab struct {
	*testing.T
	world *world.World
	url   string
	apps  []*world.App
}

func newLab(t *testing.T, applications int) *lab {
	t.Helper()
	w := world.New(7)
	w.Clock.Freeze(start)
	tenant := &world.Tenant{ID: tenantID, Name: "contoso", Apps: map[string]*world.App{}}
	w.Tenants[tenantID] = tenant
	l := &lab{T: t, world: w}
	for i := range applications {
		app := &world.App{
			ObjectID: w.NewID(), AppID: w.NewID(), DisplayName: fmt.Sprintf("app %03d", i), Created: start.AddDate(-1, 0, 0),
			Passwords: []*world.AppPassword{{KeyID: w.NewID(), DisplayName: "pipeline", Value: w.NewSecret(), Start: start.AddDate(-1, 0, 0), End: start.AddDate(1, 0, 0)}},
			Keys:      []*world.AppKey{{KeyID: w.NewID(), Usage: "Verify", Type: "AsymmetricX509Cert", Thumbprint: "dGh1bWI=", Start: start, End: start.AddDate(1, 0, 0)}},
			Owners:    []world.Principal{{ObjectID: w.NewID(), DisplayName: "Ada", UPN: "ada@contoso.example"}},
			SP:        &world.ServicePrincipal{ObjectID: w.NewID(), Enabled: true},
		}
		tenant.Apps[app.ObjectID] = app
		l.apps = append(l.apps, app)
	}
	for _, role := range []string{world.RoleReader, world.RoleOperator, world.RoleOutsider} {
		w.Tokens[role] = &world.Token{Value: role, Role: role, Audience: world.AudienceGraph, Login: role}
	}
	w.Tokens["arm"] = &world.Token{Value: "arm", Role: world.RoleOperator, Audience: world.AudienceARM}
	srv := httptest.NewServer(graph.New(w))
	t.Cleanup(srv.Close)
	l.url = srv.URL
	return l
}

// do sends a request and gives status and decoded body.
func (l *lab) do(token, method, path string, body any, header ...string) (int, map[string]any) {
	l.Helper()
	status, raw := l.raw(token, method, path, body, header...)
	var decoded map[string]any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &decoded); err != nil {
			l.Fatalf("%s %s answered %s: %v", method, path, raw, err)
		}
	}
	return status, decoded
}

func (l *lab) raw(token, method, path string, body any, header ...string) (int, []byte) {
	l.Helper()
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			l.Fatal(err)
		}
		reader = bytes.NewReader(b)
	}
	if !strings.HasPrefix(path, "http") {
		path = l.url + path
	}
	req, err := http.NewRequest(method, path, reader)
	if err != nil {
		l.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		l.Fatal(err)
	}
	return resp.StatusCode, raw
}

// want sends a request and checks status and, for errors, code and a part of the message.
func (l *lab) want(status int, code, part, token, method, path string, body any, header ...string) map[string]any {
	l.Helper()
	got, decoded := l.do(token, method, path, body, header...)
	if got != status {
		l.Errorf("%s %s: %d, want %d: %v", method, path, got, status, decoded)
	}
	if code != "" {
		e, _ := decoded["error"].(map[string]any)
		message, _ := e["message"].(string)
		if e["code"] != code || !strings.Contains(message, part) {
			l.Errorf("%s %s: %v, want %s with %q", method, path, e, code, part)
		}
	}
	return decoded
}

func (l *lab) fics(i int) string {
	return "/v1.0/applications/" + l.apps[i].ObjectID + "/federatedIdentityCredentials"
}

func fic(name, subject string) map[string]any {
	return map[string]any{"name": name, "issuer": github, "subject": subject, "audiences": []string{"api://AzureADTokenExchange"}}
}

func with(o map[string]any, name string, v any) map[string]any {
	o[name] = v
	return o
}

func flexibleFIC(name, expression string) map[string]any {
	o := fic(name, "")
	delete(o, "subject")
	o["claimsMatchingExpression"] = map[string]any{"value": expression, "languageVersion": 1}
	return o
}

func TestRolesAndTokens(t *testing.T) {
	l := newLab(t, 1)
	path := "/v1.0/applications"
	l.want(401, "InvalidAuthenticationToken", "empty", "", "GET", path, nil)
	l.want(401, "InvalidAuthenticationToken", "audience", "arm", "GET", path, nil)
	l.want(403, "Authorization_RequestDenied", "Insufficient privileges", world.RoleOutsider, "GET", path, nil)
	l.want(200, "", "", world.RoleReader, "GET", path, nil)
	l.want(403, "Authorization_RequestDenied", "", world.RoleReader, "POST", l.fics(0), fic("main", "s"))
	l.want(201, "", "", world.RoleOperator, "POST", l.fics(0), fic("main", "s"))
	l.want(200, "", "", world.RoleOutsider, "GET", "/v1.0/me", nil)
	l.want(400, "BadRequest", "Resource not found for the segment 'groups'", world.RoleReader, "GET", "/v1.0/groups", nil)
	l.want(400, "BadRequest", "Invalid version", world.RoleReader, "GET", "/v2.0/applications", nil)
}

func TestListingsPageSelectAndFilter(t *testing.T) {
	l := newLab(t, 25)
	seen := map[string]bool{}
	next, pages := "/v1.0/applications?$top=10&$select=id,appId", 0
	for next != "" {
		page := l.want(200, "", "", world.RoleReader, "GET", next, nil)
		for _, v := range page["value"].([]any) {
			o := v.(map[string]any)
			if len(o) != 2 {
				t.Errorf("$select=id,appId gave %v", o)
			}
			seen[o["appId"].(string)] = true
		}
		next, _ = page["@odata.nextLink"].(string)
		pages++
	}
	if len(seen) != 25 || pages != 3 {
		t.Errorf("%d applications in %d pages, want 25 in 3", len(seen), pages)
	}
	filter := func(f string) string { return "/v1.0/applications?$filter=" + url.QueryEscape(f) }
	count := func(n int, path string, header ...string) {
		t.Helper()
		if got := l.want(200, "", "", world.RoleReader, "GET", path, nil, header...)["value"].([]any); len(got) != n {
			t.Errorf("%s: %d applications, want %d", path, len(got), n)
		}
	}
	ids := func(n int) string {
		var quoted []string
		for i := range n {
			quoted = append(quoted, "'"+l.apps[i].AppID+"'")
		}
		return "appId in (" + strings.Join(quoted, ",") + ")"
	}
	count(1, filter("appId eq '"+strings.ToUpper(l.apps[3].AppID)+"'"))
	count(15, filter(ids(15)))
	count(1, filter("displayName eq 'app 003'"))
	count(10, filter("startswith(displayName,'APP 01') and (signInAudience eq 'AzureADMyOrg' or displayName eq 'x')"))
	count(0, filter("owners/$count eq 0")+"&$count=true", "ConsistencyLevel", "eventual")
	if _, raw := l.raw(world.RoleReader, "GET", "/v1.0/applications/$count", nil, "ConsistencyLevel", "eventual"); string(raw) != "25" {
		t.Errorf("$count is %s", raw)
	}
	l.want(400, "Request_BadRequest", "ConsistencyLevel", world.RoleReader, "GET", "/v1.0/servicePrincipals/$count", nil)
	l.want(400, "Request_UnsupportedQuery", "Max allowed: 15", world.RoleReader, "GET", filter(ids(16)), nil)
	l.want(400, "Request_UnsupportedQuery", "passwordCredentials", world.RoleReader, "GET", filter("passwordCredentials eq null"), nil)
	l.want(400, "Request_UnsupportedQuery", "advanced query", world.RoleReader, "GET", filter("displayName ne 'x'"), nil)
	l.want(400, "BadRequest", "Invalid filter clause", world.RoleReader, "GET", filter("appId eq"), nil)
	l.want(400, "BadRequest", "Could not find a property named 'secret'", world.RoleReader, "GET", "/v1.0/applications?$select=secret", nil)
	l.want(400, "Request_BadRequest", "page size", world.RoleReader, "GET", "/v1.0/applications?$top=1000", nil)
	l.want(400, "Directory_ExpiredPageToken", "", world.RoleReader, "GET", "/v1.0/applications?$skiptoken=ff", nil)
}

func TestOneApplication(t *testing.T) {
	l := newLab(t, 2)
	app := l.apps[0]
	for _, path := range []string{"/v1.0/applications/" + app.ObjectID, "/beta/applications(appId='" + app.AppID + "')"} {
		got := l.want(200, "", "", world.RoleReader, "GET", path, nil)
		if got["id"] != app.ObjectID || got["appId"] != app.AppID {
			t.Errorf("%s gave %v", path, got)
		}
		secrets := got["passwordCredentials"].([]any)[0].(map[string]any)
		if secrets["secretText"] != nil || secrets["keyId"] != app.Passwords[0].KeyID || secrets["hint"] != app.Passwords[0].Value[:3] {
			t.Errorf("password shown as %v", secrets)
		}
	}
	l.want(404, "Request_ResourceNotFound", "Resource 'nobody' does not exist", world.RoleReader, "GET", "/v1.0/applications/nobody", nil)
	owners := l.want(200, "", "", world.RoleReader, "GET", "/v1.0/applications/"+app.ObjectID+"/owners", nil)["value"].([]any)
	if len(owners) != 1 || owners[0].(map[string]any)["userPrincipalName"] != "ada@contoso.example" {
		t.Errorf("owners %v", owners)
	}
	path := "/v1.0/applications/" + app.ObjectID
	l.want(204, "", "", world.RoleOperator, "PATCH", path, map[string]any{"isDisabled": true, "notes": "decommissioned"})
	if !app.Disabled || app.Notes != "decommissioned" {
		t.Errorf("patched to %+v", app)
	}
	l.want(400, "Request_BadRequest", "passwordCredentials", world.RoleOperator, "PATCH", path, map[string]any{"passwordCredentials": []any{}})
	l.want(400, "Request_BadRequest", "Invalid property 'nonsense'", world.RoleOperator, "PATCH", path, map[string]any{"nonsense": 1})
	l.want(400, "KeyCredentialsInvalidKeyValue", "", world.RoleOperator, "PATCH", path, map[string]any{"keyCredentials": []any{map[string]any{"keyId": "new"}}})
	l.want(204, "", "", world.RoleOperator, "PATCH", path, map[string]any{"keyCredentials": []any{}})
	if len(app.Keys) != 0 {
		t.Errorf("keys %v after they were patched away", app.Keys)
	}
}

func TestPasswords(t *testing.T) {
	l := newLab(t, 1)
	app := l.apps[0]
	for _, base := range []string{"/v1.0/applications/" + app.ObjectID, "/v1.0/servicePrincipals/" + app.SP.ObjectID} {
		for _, namespace := range []string{"", "microsoft.graph."} {
			added := l.want(200, "", "", world.RoleOperator, "POST", base+"/"+namespace+"addPassword",
				map[string]any{"passwordCredential": map[string]any{"displayName": "rollback", "endDateTime": "2026-11-09T09:00:00Z"}})
			if text, _ := added["secretText"].(string); !strings.Contains(text, world.Canary) || added["endDateTime"] != "2026-11-09T09:00:00Z" {
				t.Errorf("added %v", added)
			}
			id := added["keyId"].(string)
			l.want(204, "", "", world.RoleOperator, "POST", base+"/"+namespace+"removePassword", map[string]any{"keyId": id})
			l.want(400, "Request_BadRequest", "No password credential found with keyId", world.RoleOperator, "POST", base+"/"+namespace+"removePassword", map[string]any{"keyId": id})
		}
	}
	add := "/v1.0/applications/" + app.ObjectID + "/addPassword"
	if end := l.want(200, "", "", world.RoleOperator, "POST", add, nil)["endDateTime"]; end != "2028-11-02T09:00:00Z" {
		t.Errorf("a password without an end ends at %v, want two years on", end)
	}
	l.want(400, "Request_BadRequest", "endDateTime", world.RoleOperator, "POST", add, map[string]any{"passwordCredential": map[string]any{"endDateTime": "2020-01-01T00:00:00Z"}})
	app.NoPasswords = true
	l.want(400, "CredentialTypeNotAllowedAsPerAppPolicy", "Block client secrets", world.RoleOperator, "POST", add, nil)
	policies := l.want(200, "", "", world.RoleReader, "GET", "/v1.0/applications/"+app.ObjectID+"/appManagementPolicies", nil)["value"].([]any)
	if len(policies) != 1 {
		t.Errorf("policies %v", policies)
	}
	app.NoPasswords, l.world.Knobs.NewPasswordPolicy = false, true
	l.want(400, "CredentialTypeNotAllowedAsPerAppPolicy", "Default app management", world.RoleOperator, "POST", add, nil)
	if p := l.want(200, "", "", world.RoleReader, "GET", "/v1.0/policies/defaultAppManagementPolicy", nil); p["isEnabled"] != true {
		t.Errorf("default policy %v", p)
	}
}

func TestFederatedCredentialRules(t *testing.T) {
	const expression = "claims['sub'] matches 'repo:contoso/shop:*' and claims['repository_id'] eq '42'"
	long := strings.Repeat("x", 601)
	for _, c := range []struct {
		name   string
		beta   bool
		body   map[string]any
		status int
		code   string
		part   string
	}{
		{name: "a good one", body: fic("main", "s2"), status: 201},
		{name: "the shortest name", body: fic("abc", "s2"), status: 201},
		{name: "the longest name", body: fic(strings.Repeat("a", 120), "s2"), status: 201},
		{name: "too short a name", body: fic("ab", "s2"), status: 400, code: "InvalidFederatedIdentityCredentialValue", part: "FederatedIdentityCredential.Name"},
		{name: "too long a name", body: fic(strings.Repeat("a", 121), "s2"), status: 400, code: "InvalidFederatedIdentityCredentialValue"},
		{name: "a name with a slash", body: fic("a/b", "s2"), status: 400, code: "InvalidFederatedIdentityCredentialValue"},
		{name: "a name that is taken", body: fic("taken", "s2"), status: 409, code: "Request_MultipleObjectsWithSameKeyValue", part: "taken already exists"},
		{name: "a pair that is taken", body: fic("other", "s1"), status: 400, code: "InvalidFederatedIdentityCredentialValue", part: "combination of issuer and subject must be unique"},
		{name: "a subject that differs in case is another", body: fic("other", "S1"), status: 201},
		{name: "no audience", body: with(fic("other", "s2"), "audiences", []string{}), status: 400, code: "InvalidFederatedIdentityCredentialValue", part: "Exactly one audience"},
		{name: "two audiences", body: with(fic("other", "s2"), "audiences", []string{"a", "b"}), status: 400, code: "InvalidFederatedIdentityCredentialValue"},
		{name: "too long a subject", body: fic("other", long), status: 400, code: "InvalidFederatedIdentityCredentialValue", part: "Subject"},
		{name: "too long a description", body: with(fic("other", "s2"), "description", long), status: 400, code: "InvalidFederatedIdentityCredentialValue", part: "Description"},
		{name: "white space at the issuer", body: with(fic("other", "s2"), "issuer", github+" "), status: 400, code: "InvalidFederatedIdentityCredentialValue", part: "Issuer"},
		{name: "no subject", body: fic("other", ""), status: 400, code: "InvalidFederatedIdentityCredentialValue"},
		{name: "an unknown property", body: with(fic("other", "s2"), "subjct", "x"), status: 400, code: "BadRequest", part: "subjct"},
		{name: "an expression in v1.0", body: flexibleFIC("other", expression), status: 400, code: "BadRequest", part: "claimsMatchingExpression"},
		{name: "an expression in beta", beta: true, body: flexibleFIC("other", expression), status: 201},
		{name: "an expression without the repository", beta: true, body: flexibleFIC("other", "claims['sub'] matches 'repo:contoso/shop:*'"), status: 400, code: "InvalidFederatedIdentityCredentialValue", part: "lacks all required claims or contains unallowed claims"},
		{name: "an expression with another claim", beta: true, body: flexibleFIC("other", expression+" and claims['actor'] eq 'ada'"), status: 400, code: "InvalidFederatedIdentityCredentialValue"},
		{name: "an expression for another issuer", beta: true, body: with(flexibleFIC("other", expression), "issuer", "https://example.com"), status: 400, code: "InvalidFederatedIdentityCredentialValue", part: "not supported"},
		{name: "an expression that does not parse", beta: true, body: flexibleFIC("other", "sub eq 'x'"), status: 400, code: "InvalidFederatedIdentityCredentialValue"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, 1)
			l.want(201, "", "", world.RoleOperator, "POST", l.fics(0), fic("taken", "s1"))
			path := l.fics(0)
			if c.beta {
				path = strings.Replace(path, "v1.0", "beta", 1)
			}
			l.want(c.status, c.code, c.part, world.RoleOperator, "POST", path, c.body)
		})
	}
}

func TestAnApplicationHasAtMostTwentyFederatedCredentials(t *testing.T) {
	l := newLab(t, 1)
	for i := range 20 {
		l.want(201, "", "", world.RoleOperator, "POST", l.fics(0), fic(fmt.Sprintf("fic-%d", i), fmt.Sprintf("s%d", i)))
	}
	l.want(400, "Request_BadRequest", "at most 20", world.RoleOperator, "POST", l.fics(0), fic("one-more", "s20"))
	if got := l.want(200, "", "", world.RoleReader, "GET", l.fics(0), nil)["value"].([]any); len(got) != 20 {
		t.Errorf("%d credentials listed", len(got))
	}
}

func TestFederatedCredentialsAreReadChangedAndDeleted(t *testing.T) {
	l := newLab(t, 1)
	id := l.want(201, "", "", world.RoleOperator, "POST", l.fics(0), fic("main", "s1"))["id"].(string)
	byName := l.fics(0) + "(name='main')"
	for _, path := range []string{l.fics(0) + "/" + id, byName} {
		if got := l.want(200, "", "", world.RoleReader, "GET", path, nil); got["subject"] != "s1" || got["id"] != id {
			t.Errorf("%s gave %v", path, got)
		}
	}
	if got := l.want(200, "", "", world.RoleReader, "GET", l.fics(0)+"?$filter="+url.QueryEscape("name eq 'main'"), nil)["value"].([]any); len(got) != 1 {
		t.Errorf("filtered by name: %v", got)
	}
	l.world.Clock.Move(time.Hour)
	l.want(204, "", "", world.RoleOperator, "PATCH", byName, map[string]any{"subject": "s2", "description": "why"})
	if f := l.apps[0].FICs[0]; f.Subject != "s2" || f.Description != "why" || !f.Created.Equal(start.Add(time.Hour)) {
		t.Errorf("changed to %+v", f)
	}
	l.want(400, "InvalidFederatedIdentityCredentialValue", "cannot be changed", world.RoleOperator, "PATCH", byName, map[string]any{"name": "other"})
	l.want(404, "Request_ResourceNotFound", "'new'", world.RoleOperator, "PATCH", l.fics(0)+"(name='new')", fic("new", "s3"))
	l.want(201, "", "", world.RoleOperator, "PATCH", l.fics(0)+"(name='new')", fic("new", "s3"), "Prefer", "create-if-missing")
	l.want(204, "", "", world.RoleOperator, "DELETE", byName, nil)
	l.want(404, "Request_ResourceNotFound", "", world.RoleOperator, "DELETE", l.fics(0)+"/"+id, nil)
}

func TestAFlexibleCredentialBreaksTheListingOfV1(t *testing.T) {
	l := newLab(t, 1)
	l.want(201, "", "", world.RoleOperator, "POST", l.fics(0), fic("main", "s1"))
	beta := strings.Replace(l.fics(0), "v1.0", "beta", 1)
	body := flexibleFIC("flexible", "claims['sub'] matches 'repo:contoso/shop:*' and claims['repository_owner_id'] eq '1'")
	id := l.want(201, "", "", world.RoleOperator, "POST", beta, body)["id"].(string)
	status, raw := l.raw(world.RoleReader, "GET", l.fics(0), nil)
	if status != 200 || json.Valid(raw) || !strings.Contains(string(raw), `"main"`) {
		t.Errorf("v1.0 lists %d %s, want 200 and broken JSON", status, raw)
	}
	if got := l.want(200, "", "", world.RoleReader, "GET", l.fics(0)+"/"+id, nil); got["subject"] != nil || got["claimsMatchingExpression"] != nil {
		t.Errorf("v1.0 shows the flexible credential as %v", got)
	}
	list := l.want(200, "", "", world.RoleReader, "GET", beta, nil)["value"].([]any)
	if len(list) != 2 || list[1].(map[string]any)["claimsMatchingExpression"] == nil {
		t.Errorf("beta lists %v", list)
	}
}

func TestServicePrincipals(t *testing.T) {
	l := newLab(t, 3)
	app := l.apps[1]
	got := l.want(200, "", "", world.RoleReader, "GET", "/v1.0/servicePrincipals?$filter="+url.QueryEscape("appId eq '"+app.AppID+"'"), nil)["value"].([]any)
	if len(got) != 1 || got[0].(map[string]any)["id"] != app.SP.ObjectID {
		t.Errorf("filtered to %v", got)
	}
	path := "/v1.0/servicePrincipals(appId='" + app.AppID + "')"
	l.want(204, "", "", world.RoleOperator, "PATCH", path, map[string]any{"accountEnabled": false})
	if o := l.want(200, "", "", world.RoleReader, "GET", path, nil); o["accountEnabled"] != false || app.SP.Enabled {
		t.Errorf("after accountEnabled false: %v", o)
	}
	l.want(404, "Request_ResourceNotFound", "", world.RoleReader, "GET", "/v1.0/servicePrincipals/nobody", nil)
}

func TestTheSignInLog(t *testing.T) {
	l := newLab(t, 2)
	a, b := l.apps[0], l.apps[1]
	entry := func(app *world.App, at time.Time, key, fic string, code int) {
		l.world.SignIns = append(l.world.SignIns, &world.SignIn{ID: l.world.NewID(), TenantID: tenantID, Time: at, AppID: app.AppID, AppName: app.DisplayName,
			SPID: app.SP.ObjectID, KeyID: key, FICID: fic, ErrorCode: code, CredentialType: "clientSecret", Resource: "https://management.azure.com"})
	}
	entry(a, start.Add(-40*24*time.Hour), "k1", "", 0)
	entry(a, start.Add(-48*time.Hour), "k1", "", 0)
	entry(a, start.Add(-24*time.Hour), "k2", "", 7000215)
	entry(b, start.Add(-23*time.Hour), "k3", "", 0)
	entry(a, start.Add(-2*time.Minute), "", "f1", 0)
	list := func(n int, version, filter string) []any {
		t.Helper()
		got := l.want(200, "", "", world.RoleReader, "GET", "/"+version+"/auditLogs/signIns?$filter="+url.QueryEscape(filter), nil)["value"].([]any)
		if len(got) != n {
			t.Errorf("%s %s: %d entries, want %d", version, filter, len(got), n)
		}
		return got
	}
	const principals = "signInEventTypes/any(t: t eq 'servicePrincipal')"
	of := "appId eq '" + a.AppID + "' and " + principals
	got := list(3, "beta", of)
	if newest := got[0].(map[string]any); newest["federatedCredentialId"] != "f1" {
		t.Errorf("the first entry is %v, want the newest", newest)
	}
	list(4, "beta", principals)
	list(2, "beta", of+" and createdDateTime ge 2026-11-01T08:00:00Z")
	list(1, "beta", of+" and servicePrincipalCredentialKeyId eq 'k1'")
	list(2, "beta", of+" and status/errorCode eq 0")
	list(0, "beta", "appId eq '"+a.AppID+"'")
	list(0, "v1.0", "appId eq '"+a.AppID+"'")
	l.want(400, "Request_UnsupportedQuery", "signInEventTypes", world.RoleReader, "GET", "/v1.0/auditLogs/signIns?$filter="+url.QueryEscape(principals), nil)
	l.world.Knobs.SignInLogLatency = 5 * time.Minute
	list(2, "beta", of)
	l.world.Knobs.SignInLogForbid = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
	l.want(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", "", world.RoleReader, "GET", "/beta/auditLogs/signIns?$filter="+url.QueryEscape(of), nil)
}

func TestTheSignInLogPages(t *testing.T) {
	l := newLab(t, 1)
	for i := range 25 {
		l.world.SignIns = append(l.world.SignIns, &world.SignIn{ID: l.world.NewID(), TenantID: tenantID, Time: start.Add(-time.Duration(i) * time.Minute), AppID: l.apps[0].AppID})
	}
	seen := map[string]bool{}
	for next := "/beta/auditLogs/signIns?$top=10&$filter=" + url.QueryEscape("signInEventTypes/any(t:t eq 'servicePrincipal')"); next != ""; {
		page := l.want(200, "", "", world.RoleReader, "GET", next, nil)
		for _, v := range page["value"].([]any) {
			seen[v.(map[string]any)["id"].(string)] = true
		}
		next, _ = page["@odata.nextLink"].(string)
	}
	if len(seen) != 25 {
		t.Errorf("%d entries over all pages, want 25", len(seen))
	}
}

func TestReportsAreOfBetaAndTheCredentialReportIsEmpty(t *testing.T) {
	l := newLab(t, 1)
	l.world.SignIns = []*world.SignIn{{ID: "1", TenantID: tenantID, Time: start.Add(-time.Hour), AppID: l.apps[0].AppID}}
	if got := l.want(200, "", "", world.RoleReader, "GET", "/beta/reports/appCredentialSignInActivities", nil)["value"].([]any); len(got) != 0 {
		t.Errorf("appCredentialSignInActivities %v", got)
	}
	if got := l.want(200, "", "", world.RoleReader, "GET", "/beta/reports/servicePrincipalSignInActivities", nil)["value"].([]any); len(got) != 1 {
		t.Errorf("servicePrincipalSignInActivities %v", got)
	}
	l.want(400, "BadRequest", "", world.RoleReader, "GET", "/v1.0/reports/servicePrincipalSignInActivities", nil)
}

func TestGzippedBodiesAreRead(t *testing.T) {
	l := newLab(t, 1)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(fic("main", "s1")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	send := func(body []byte) int {
		req, err := http.NewRequest(http.MethodPost, l.url+l.fics(0), bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+world.RoleOperator)
		req.Header.Set("Content-Encoding", "gzip")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if got := send(b.Bytes()); got != 201 {
		t.Errorf("a gzipped body got %d", got)
	}
	if got := send([]byte(`{"name":"plain"}`)); got != 400 {
		t.Errorf("a body that only claims to be gzip got %d", got)
	}
}

func TestSecretTextIsInOneAnswerOnly(t *testing.T) {
	l := newLab(t, 2)
	add := "/v1.0/applications/" + l.apps[0].ObjectID + "/addPassword"
	l.want(200, "", "", world.RoleOperator, "POST", add, nil)
	for _, path := range []string{"/v1.0/applications", "/beta/applications/" + l.apps[0].ObjectID, "/v1.0/servicePrincipals", "/v1.0/organization", "/v1.0/me"} {
		if _, raw := l.raw(world.RoleReader, "GET", path, nil); strings.Contains(string(raw), world.Canary) {
			t.Errorf("%s shows a secret value", path)
		}
	}
}
