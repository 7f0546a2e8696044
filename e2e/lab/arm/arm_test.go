package arm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab/arm"
	"github.com/unsecret-dev/unsecret/e2e/lab/internal/specs"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const (
	first   = "cccccccc-0000-4000-8000-000000000001"
	second  = "cccccccc-0000-4000-8000-000000000002"
	alice   = "bbbbbbbb-0000-4000-8000-00000000000a"
	bob     = "bbbbbbbb-0000-4000-8000-00000000000b"
	contrib = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	acrPush = "8311e382-0749-4cb8-b61a-304f252e45ec"
	group   = "/providers/Microsoft.Management/managementGroups/root"
	vault   = "/subscriptions/" + first + "/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/v"
)

// query is the one that a scan asks, for any principals.
const query = `authorizationresources
| where type =~ 'microsoft.authorization/roleassignments'
| extend pid=tostring(properties.principalId), scope=tostring(properties.scope), rd=tolower(tostring(properties.roleDefinitionId))
| where pid in~ (%s)
| join kind=leftouter (authorizationresources | where type =~ 'microsoft.authorization/roledefinitions'
   | extend rd=tolower(id), roleName=tostring(properties.roleName)) on rd
| project pid, roleName, scope, createdOn=properties.createdOn`

const anIdentity = "/subscriptions/" + first + "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-app"

var begin = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

type lab struct {
	t   *testing.T
	w   *world.World
	srv *httptest.Server
}

func newLab(t *testing.T) *lab {
	t.Helper()
	w := world.New(1)
	w.Subs[first] = &world.Subscription{ID: first, Name: "production", TenantID: alice}
	w.Subs[second] = &world.Subscription{ID: second, Name: "test", TenantID: alice}
	w.Roles = []*world.RoleAssignment{
		{ID: "1", PrincipalID: alice, Role: "Contributor", RoleID: contrib, Scope: "/subscriptions/" + first, Created: begin},
		{ID: "2", PrincipalID: alice, Role: "AcrPush", RoleID: acrPush, Scope: vault, Created: begin},
		{ID: "3", PrincipalID: bob, Role: "Contributor", RoleID: contrib, Scope: "/subscriptions/" + second, Created: begin},
		{ID: "4", PrincipalID: bob, Role: "Contributor", RoleID: contrib, Scope: group, Created: begin},
	}
	for _, role := range []string{world.RoleReader, world.RoleOperator, world.RoleOutsider} {
		w.Tokens[role] = &world.Token{Value: role, Role: role, Audience: world.AudienceARM, Login: role + "@contoso.com"}
	}
	w.Tokens["graph"] = &world.Token{Value: "graph", Role: world.RoleOperator, Audience: world.AudienceGraph}
	srv := httptest.NewServer(arm.New(w))
	t.Cleanup(srv.Close)
	return &lab{t, w, srv}
}

// as is the credential of a role.
type as string

func (role as) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(role), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (l *lab) client(role as) *armresourcegraph.Client {
	l.t.Helper()
	c, err := armresourcegraph.NewClient(role, &azarm.ClientOptions{DisableRPRegistration: true, ClientOptions: policy.ClientOptions{
		InsecureAllowCredentialWithHTTP: true,
		Retry:                           policy.RetryOptions{MaxRetries: -1},
		Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: l.srv.URL, Audience: "https://management.azure.com"}}},
	}})
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func about(principals ...string) string {
	return strings.Replace(query, "%s", "'"+strings.Join(principals, "', '")+"'", 1)
}

func (l *lab) ask(role as, q string, subs []string, o armresourcegraph.QueryRequestOptions) (armresourcegraph.QueryResponse, error) {
	in := armresourcegraph.QueryRequest{Query: &q, Options: &o}
	for _, s := range subs {
		in.Subscriptions = append(in.Subscriptions, &s)
	}
	got, err := l.client(role).Resources(l.t.Context(), in, nil)
	return got.QueryResponse, err
}

// brief is "principal role scope" of each row.
func brief(t *testing.T, r armresourcegraph.QueryResponse) []string {
	t.Helper()
	rows, ok := r.Data.([]any)
	if !ok {
		t.Fatalf("data is %T", r.Data)
	}
	found := []string{}
	for _, v := range rows {
		m := v.(map[string]any)
		found = append(found, strings.Join([]string{m["pid"].(string)[35:], m["roleName"].(string), m["scope"].(string)}, " "))
	}
	return found
}

func TestTheQueryTellsTheRolesOfPrincipals(t *testing.T) {
	all := armresourcegraph.AuthorizationScopeFilterAtScopeAboveAndBelow
	for _, tc := range []struct {
		name    string
		query   string
		subs    []string
		options armresourcegraph.QueryRequestOptions
		want    []string
	}{
		{"one principal", about(alice), nil, armresourcegraph.QueryRequestOptions{},
			[]string{"a Contributor /subscriptions/" + first, "a AcrPush " + vault}},
		{"in any case", about(strings.ToUpper(bob)), nil, armresourcegraph.QueryRequestOptions{}, []string{"b Contributor /subscriptions/" + second}},
		{"several principals in one subscription", about(alice, bob), []string{second}, armresourcegraph.QueryRequestOptions{},
			[]string{"b Contributor /subscriptions/" + second}},
		{"with what is inherited", about(bob), []string{second}, armresourcegraph.QueryRequestOptions{AuthorizationScopeFilter: &all},
			[]string{"b Contributor /subscriptions/" + second, "b Contributor " + group}},
		{"nobody", about(first), nil, armresourcegraph.QueryRequestOptions{}, []string{}},
		{"all", "AuthorizationResources", nil, armresourcegraph.QueryRequestOptions{AuthorizationScopeFilter: &all},
			[]string{"a Contributor /subscriptions/" + first, "a AcrPush " + vault, "b Contributor /subscriptions/" + second, "b Contributor " + group}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := newLab(t).ask(world.RoleReader, tc.query, tc.subs, tc.options)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, brief(t, got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestTheQueryIsPaged(t *testing.T) {
	l := newLab(t)
	l.w.Roles = nil
	for i := range 7 {
		l.w.Roles = append(l.w.Roles, &world.RoleAssignment{ID: strconv.Itoa(i), PrincipalID: alice, Role: strconv.Itoa(i), Scope: "/subscriptions/" + first})
	}
	var roles []string
	options := armresourcegraph.QueryRequestOptions{Top: new(int32(3))}
	for {
		got, err := l.ask(world.RoleReader, about(alice), nil, options)
		if err != nil {
			t.Fatal(err)
		}
		if *got.TotalRecords != 7 || *got.ResultTruncated != armresourcegraph.ResultTruncatedFalse {
			t.Errorf("got %d records, truncated %s", *got.TotalRecords, *got.ResultTruncated)
		}
		for _, b := range brief(t, got) {
			roles = append(roles, strings.Fields(b)[1])
		}
		if got.SkipToken == nil {
			break
		}
		options.SkipToken = got.SkipToken
	}
	if got := strings.Join(roles, ""); got != "0123456" {
		t.Errorf("got %s", got)
	}
	_, err := l.ask(world.RoleReader, about(bob), nil, options)
	wantRefused(t, err, 400, "BadRequest")
	bad := armresourcegraph.QueryRequestOptions{SkipToken: new("?")}
	_, err = l.ask(world.RoleReader, about(bob), nil, bad)
	wantRefused(t, err, 400, "BadRequest")
}

func TestTheQueryCanBeATable(t *testing.T) {
	table := armresourcegraph.ResultFormatTable
	got, err := newLab(t).ask(world.RoleReader, about(bob), nil, armresourcegraph.QueryRequestOptions{ResultFormat: &table})
	if err != nil {
		t.Fatal(err)
	}
	data := got.Data.(map[string]any)
	if len(data["columns"].([]any)) != 8 || len(data["rows"].([]any)) != 1 {
		t.Errorf("got %v", data)
	}
}

func TestTheQueryIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		role   as
		query  string
		status int
		code   string
	}{
		{"without rights", world.RoleOutsider, about(alice), 403, "AuthorizationFailed"},
		{"without a token", "unknown", about(alice), 401, "InvalidAuthenticationToken"},
		{"with a token for something else", "graph", about(alice), 401, "InvalidAuthenticationTokenAudience"},
		{"over another table", world.RoleReader, "resources | take 1", 400, "BadRequest"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := newLab(t).ask(tc.role, tc.query, nil, armresourcegraph.QueryRequestOptions{})
			wantRefused(t, err, tc.status, tc.code)
		})
	}
}

func wantRefused(t *testing.T, err error, status int, code string) {
	t.Helper()
	var e *azcore.ResponseError
	if !errors.As(err, &e) || e.StatusCode != status || e.ErrorCode != code {
		t.Errorf("got %v, want %d %s", err, status, code)
	}
}

// raw performs a request without the SDK.
func (l *lab) raw(method, path, token, payload string) (int, http.Header, []byte) {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.srv.URL+path, strings.NewReader(payload))
	if err != nil {
		l.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, b
}

func TestAssignmentsAreListedAtAboveAndBelowAScope(t *testing.T) {
	const tail = "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"
	for _, tc := range []struct{ name, scope, filter, want string }{
		{"of a principal", "/subscriptions/" + first, "principalId eq '" + alice + "'", "1 2"},
		{"of a principal, groups included", "/subscriptions/" + first, "assignedTo('" + bob + "')", "4"},
		{"of all", "/subscriptions/" + strings.ToUpper(second), "", "3 4"},
		{"not below", "/subscriptions/" + first, "atScope()", "1 4"},
		{"at a resource", vault, "", "1 2 4"},
		{"everywhere", "", "", "1 2 3 4"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t)
			status, _, b := l.raw("GET", tc.scope+tail+"&$filter="+strings.ReplaceAll(tc.filter, " ", "%20"), world.RoleReader, "")
			var got struct{ Value []struct{ Name string } }
			if err := json.Unmarshal(b, &got); err != nil || status != 200 {
				t.Fatalf("%d %v: %s", status, err, b)
			}
			var names []string
			for _, v := range got.Value {
				names = append(names, v.Name)
			}
			if d := strings.Join(names, " "); d != tc.want {
				t.Errorf("got %s, want %s", d, tc.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	l := newLab(t)
	const assignments = "/subscriptions/" + first + "/providers/Microsoft.Authorization/roleAssignments"
	for _, tc := range []struct {
		method, path, token string
		status              int
		code                string
	}{
		{"GET", "/subscriptions?api-version=2022-12-01", "", 401, "AuthenticationFailed"},
		{"GET", "/subscriptions", world.RoleReader, 400, "MissingApiVersionParameter"},
		{"GET", "/subscriptions?api-version=2022-12-01", world.RoleOutsider, 403, "AuthorizationFailed"},
		{"GET", "/subscriptions/" + alice + "?api-version=2022-12-01", world.RoleReader, 404, "SubscriptionNotFound"},
		{"GET", "/nothing?api-version=2022-12-01", world.RoleReader, 404, "InvalidResourceType"},
		{"GET", assignments + "?api-version=2022-04-01&$filter=x", world.RoleReader, 400, "BadRequestFormat"},
		{"PUT", anIdentity + "?api-version=2023-01-31", world.RoleReader, 403, "AuthorizationFailed"},
		{"PUT", anIdentity + "?api-version=2023-01-31", world.RoleOperator, 400, "LocationRequired"},
		{"GET", anIdentity + "?api-version=2023-01-31", world.RoleReader, 404, "ResourceNotFound"},
		{"PUT", anIdentity + "/federatedIdentityCredentials/main?api-version=2023-01-31", world.RoleOperator, 404, "ResourceNotFound"},
		{"PUT", assignments + "/x?api-version=2022-04-01", world.RoleOperator, 400, "InvalidRequestContent"},
		{"GET", assignments + "/x?api-version=2022-04-01", world.RoleReader, 404, "RoleAssignmentNotFound"},
		{"PUT", assignments + "?api-version=2022-04-01", world.RoleReader, 403, "AuthorizationFailed"},
		{"PUT", assignments + "?api-version=2022-04-01", world.RoleOperator, 405, "HttpMethodNotAllowed"},
		{"GET", "/providers/Microsoft.Authorization/roleDefinitions/x?api-version=2022-04-01", world.RoleReader, 404, "RoleDefinitionDoesNotExist"},
	} {
		status, header, b := l.raw(tc.method, tc.path, tc.token, "")
		var got struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal(b, &got); err != nil || status != tc.status || got.Error.Code != tc.code || got.Error.Message == "" {
			t.Errorf("%s %s: got %d %s", tc.method, tc.path, status, b)
		}
		if status == 401 && header.Get("WWW-Authenticate") == "" {
			t.Error("401 without a challenge")
		}
	}
}

func TestAnswersFitTheOfficialDescriptions(t *testing.T) {
	for _, tc := range []struct{ document, operation, method, path, payload string }{
		{"arm-subscriptions.json", "Subscriptions_List", "GET", "/subscriptions?api-version=2022-12-01", ""},
		{"arm-subscriptions.json", "Subscriptions_Get", "GET", "/Subscriptions/" + first + "?api-version=2022-12-01", ""},
		{"arm-authorization.json", "RoleAssignments_ListForScope", "GET",
			"/subscriptions/" + first + "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01", ""},
		{"arm-authorization.json", "RoleDefinitions_List", "GET",
			"/subscriptions/" + first + "/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-04-01", ""},
		{"arm-authorization.json", "RoleDefinitions_Get", "GET",
			"/subscriptions/" + first + "/providers/Microsoft.Authorization/roleDefinitions/" + acrPush + "?api-version=2022-04-01", ""},
		{"arm-resourcegraph.json", "Resources", "POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01",
			`{"query":"authorizationresources","options":{"$top":1}}`},
		{"arm-resourcegraph.json", "Resources", "POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01", `{"query":"other"}`},
		{"arm-authorization.json", "RoleAssignments_ListForScope", "GET",
			"/subscriptions/" + first + "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter=x", ""},
	} {
		t.Run(tc.operation+" "+tc.payload, func(t *testing.T) {
			d := specs.LoadWired(t, tc.document, specs.ARM)
			status, header, b := newLab(t).raw(tc.method, tc.path, world.RoleReader, tc.payload)
			if err := specs.CheckResponse(d, tc.operation, status, header.Get("Content-Type"), b); err != nil {
				t.Errorf("%v\n%s", err, b)
			}
		})
	}
}

// TestAnIdentityIsMadeAndUnmadeAsDescribed goes through the life of a managed identity, each answer checked against the official description.
func TestAnIdentityIsMadeAndUnmadeAsDescribed(t *testing.T) {
	l := newLab(t)
	ids, roles := specs.LoadWired(t, "arm-managedidentity.json", specs.ARM), specs.LoadWired(t, "arm-authorization.json", specs.ARM)
	do := func(d *openapi3.T, operation, method, path, payload string, want int) map[string]any {
		t.Helper()
		status, header, b := l.raw(method, path, world.RoleOperator, payload)
		if status != want {
			t.Fatalf("%s %s: %d %s", method, path, status, b)
		}
		if status != 204 && operation != "" {
			if err := specs.CheckResponse(d, operation, status, header.Get("Content-Type"), b); err != nil {
				t.Errorf("%s: %v\n%s", operation, err, b)
			}
		}
		got := map[string]any{}
		_ = json.Unmarshal(b, &got)
		return got
	}
	const v, av = "?api-version=2023-01-31", "?api-version=2022-04-01"
	credential := func(name string) string { return anIdentity + "/federatedIdentityCredentials/" + name + v }
	body := func(subject string) string {
		return `{"properties":{"issuer":"https://i","subject":"` + subject + `","audiences":["api://AzureADTokenExchange"]}}`
	}
	made := do(ids, "UserAssignedIdentities_CreateOrUpdate", "PUT", anIdentity+v, `{"location":"westeurope"}`, 201)
	do(ids, "UserAssignedIdentities_CreateOrUpdate", "PUT", anIdentity+v, `{"location":"westeurope"}`, 200)
	do(ids, "UserAssignedIdentities_Get", "GET", anIdentity+v, "", 200)
	do(ids, "FederatedIdentityCredentials_CreateOrUpdate", "PUT", credential("main"), body("s"), 201)
	do(ids, "FederatedIdentityCredentials_List", "GET", anIdentity+"/federatedIdentityCredentials"+v, "", 200)
	do(ids, "", "PUT", credential("other"), body("s"), 409)
	l.w.Knobs.IdentityWriteGap = time.Hour
	do(ids, "", "PUT", credential("second"), body("s2"), 409)
	l.w.Knobs.IdentityWriteGap = 0
	for i := range 19 {
		do(ids, "", "PUT", credential(fmt.Sprintf("n%02d", i)), body(fmt.Sprint(i)), 201)
	}
	do(ids, "", "PUT", credential("toomany"), body("more"), 400)
	principal := made["properties"].(map[string]any)["principalId"].(string)
	assignment := "/subscriptions/" + first + "/providers/Microsoft.Authorization/roleAssignments/0b9cb4fe-1111-4222-8333-444455556666" + av
	role := func(kind string) string {
		return `{"properties":{"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/` + contrib + `","principalId":"` + principal + `"` + kind + `}}`
	}
	do(roles, "", "PUT", assignment, role(""), 400) // a principal that was made a moment ago
	do(roles, "RoleAssignments_Create", "PUT", assignment, role(`,"principalType":"ServicePrincipal"`), 201)
	do(roles, "RoleAssignments_Get", "GET", assignment, "", 200)
	do(roles, "RoleAssignments_Delete", "DELETE", assignment, "", 200)
	do(roles, "", "DELETE", assignment, "", 204)
	do(ids, "", "DELETE", credential("main"), "", 200)
	do(ids, "", "DELETE", credential("main"), "", 204)
	do(ids, "", "DELETE", anIdentity+v, "", 200)
	do(ids, "", "GET", anIdentity+v, "", 404)
}
