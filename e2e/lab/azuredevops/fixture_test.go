package azuredevops_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	sdk "github.com/microsoft/azure-devops-go-api/azuredevops/v7"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/core"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/location"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/serviceendpoint"

	"github.com/unsecret-dev/unsecret/e2e/lab/azuredevops"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const (
	tenantID   = "7f4f3591-5f6c-4f7b-a1bd-0a2dd8831218"
	orgID      = "e08e523c-54da-4401-8fb6-e1439b52cc97"
	shopID     = "11111111-1111-4111-8111-111111111111"
	opsID      = "22222222-2222-4222-8222-222222222222"
	autoID     = "aaaaaaaa-0000-4000-8000-000000000001"
	manualID   = "aaaaaaaa-0000-4000-8000-000000000002"
	appID      = "bbbbbbbb-0000-4000-8000-000000000001"
	spID       = "bbbbbbbb-0000-4000-8000-000000000002"
	subID      = "cccccccc-0000-4000-8000-000000000001"
	operator   = "operator-token"
	readerTok  = "reader-token"
	outsider   = "outsider-token"
	convert    = "ConvertAuthenticationScheme"
	federation = "WorkloadIdentityFederation"
	byKey      = "ServicePrincipal"
)

var begin = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// lab is one organisation with two projects, one application, and two connections of it: auto, which the service
// made, and manual.
type lab struct {
	t      *testing.T
	w      *world.World
	org    *world.DevOpsOrg
	app    *world.App
	auto   *world.Connection
	manual *world.Connection
	url    string
	signIn azuredevops.SignIn
}

func newLab(t *testing.T) *lab {
	t.Helper()
	w := world.New(1)
	w.Clock.Freeze(begin)
	app := &world.App{ObjectID: w.NewID(), AppID: appID, DisplayName: "deployer", SP: &world.ServicePrincipal{ObjectID: spID, Enabled: true}}
	w.Tenants[tenantID] = &world.Tenant{ID: tenantID, Name: "contoso", Apps: map[string]*world.App{app.ObjectID: app}}
	w.Subs[subID] = &world.Subscription{ID: subID, Name: "production", TenantID: tenantID}
	w.Roles = []*world.RoleAssignment{{ID: w.NewID(), PrincipalID: spID, Role: "Contributor", Scope: "/subscriptions/" + subID}}
	for value, role := range map[string]string{operator: world.RoleOperator, readerTok: world.RoleReader, outsider: world.RoleOutsider} {
		w.Tokens[value] = &world.Token{Value: value, Role: role, Audience: world.AudienceAzureDevOps, Login: role + "@contoso.com"}
	}
	l := &lab{t: t, w: w, app: app, auto: newConnection(w, autoID, "auto", "Automatic"), manual: newConnection(w, manualID, "manual", "Manual")}
	l.org = &world.DevOpsOrg{ID: orgID, Name: "Contoso", TenantID: tenantID,
		Projects:    []*world.Project{{ID: shopID, Name: "Web Shop"}, {ID: opsID, Name: "Ops"}},
		Connections: map[string]*world.Connection{autoID: l.auto, manualID: l.manual}}
	w.DevOps["contoso"] = l.org
	srv := httptest.NewServer(azuredevops.New(w, azuredevops.WithSignIn(func(ctx context.Context, c *world.Connection) error {
		if l.signIn == nil {
			return nil
		}
		return l.signIn(ctx, c)
	})))
	t.Cleanup(srv.Close)
	w.Endpoints.AzureDevOps = srv.URL
	l.url = srv.URL + "/contoso"
	return l
}

func newConnection(w *world.World, id, name, mode string) *world.Connection {
	return &world.Connection{
		ID: id, Type: "azurerm", Scheme: byKey, Created: begin.AddDate(-1, 0, 0), Modified: begin.AddDate(-1, 0, 0),
		Data: map[string]string{"environment": "AzureCloud", "scopeLevel": "Subscription", "subscriptionId": subID, "creationMode": mode},
		Params: map[string]string{"tenantid": tenantID, "serviceprincipalid": appID, "authenticationType": "spnKey",
			"serviceprincipalkey": ""},
		Hidden: map[string]string{"serviceprincipalkey": w.NewSecret()},
		Refs:   []*world.ProjectRef{{ProjectID: shopID, ProjectName: "Web Shop", Name: name}},
	}
}

// client is an SDK client that presents a token.
func (l *lab) client(token string) *sdk.Client {
	hc := &http.Client{Transport: presenting{l.t, token}}
	return sdk.NewClientWithOptions(&sdk.Connection{SuppressFedAuthRedirect: true}, l.url, sdk.WithHTTPClient(hc))
}

func (l *lab) endpoints(token string) *serviceendpoint.ClientImpl {
	return &serviceendpoint.ClientImpl{Client: *l.client(token)}
}

func (l *lab) core(token string) *core.ClientImpl { return &core.ClientImpl{Client: *l.client(token)} }

func (l *lab) location(token string) *location.ClientImpl {
	return &location.ClientImpl{Client: *l.client(token)}
}

// presenting sends a token with each request, and sees to it that no answer carries a secret.
type presenting struct {
	t     *testing.T
	token string
}

func (p presenting) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+p.token)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	wantNoSecret(p.t, r.Method+" "+r.URL.Path, b)
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return resp, nil
}

func wantNoSecret(t *testing.T, request string, answer []byte) {
	t.Helper()
	if bytes.Contains(answer, []byte(world.Canary)) {
		t.Errorf("%s answers with a secret", request)
	}
}

// body is the minimal body of a conversion: no more than what is needed.
func body(c *world.Connection, scheme string, params map[string]string) *serviceendpoint.ServiceEndpoint {
	id := uuid.MustParse(c.ID)
	refs := make([]serviceendpoint.ServiceEndpointProjectReference, len(c.Refs))
	for i, r := range c.Refs {
		project := uuid.MustParse(r.ProjectID)
		refs[i] = serviceendpoint.ServiceEndpointProjectReference{Name: &r.Name, Description: new(""),
			ProjectReference: &serviceendpoint.ProjectReference{Id: &project, Name: &r.ProjectName}}
	}
	auth := &serviceendpoint.EndpointAuthorization{Scheme: &scheme}
	if params != nil {
		auth.Parameters = &params
	}
	return &serviceendpoint.ServiceEndpoint{Id: &id, Type: &c.Type, Authorization: auth, ServiceEndpointProjectReferences: &refs}
}

// put updates a connection as the operator does.
func (l *lab) put(b *serviceendpoint.ServiceEndpoint, operation string) (*serviceendpoint.ServiceEndpoint, error) {
	args := serviceendpoint.UpdateServiceEndpointArgs{Endpoint: b, EndpointId: b.Id}
	if operation != "" {
		args.Operation = &operation
	}
	return l.endpoints(operator).UpdateServiceEndpoint(l.t.Context(), args)
}

func (l *lab) convert(c *world.Connection, scheme string) (*serviceendpoint.ServiceEndpoint, error) {
	return l.put(body(c, scheme, nil), convert)
}

func (l *lab) get(token, id string) (*serviceendpoint.ServiceEndpoint, error) {
	endpoint := uuid.MustParse(id)
	return l.endpoints(token).GetServiceEndpointDetails(l.t.Context(),
		serviceendpoint.GetServiceEndpointDetailsArgs{Project: new(shopID), EndpointId: &endpoint})
}

func (l *lab) mustGet(id string) *serviceendpoint.ServiceEndpoint {
	l.t.Helper()
	e, err := l.get(operator, id)
	if err != nil {
		l.t.Fatalf("get connection %s: %v", id, err)
	}
	return e
}

// raw performs a request without the SDK.
func (l *lab) raw(method, path, token, payload string) (int, http.Header, []byte) {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.w.Endpoints.AzureDevOps+path, strings.NewReader(payload))
	if err != nil {
		l.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	wantNoSecret(l.t, method+" "+path, b)
	return resp.StatusCode, resp.Header, b
}

// wrapped gives the service's own error. The SDK returns it by value or by pointer.
func wrapped(t *testing.T, err error) sdk.WrappedError {
	t.Helper()
	var byPointer *sdk.WrappedError
	if errors.As(err, &byPointer) {
		return *byPointer
	}
	var byValue sdk.WrappedError
	if errors.As(err, &byValue) {
		return byValue
	}
	t.Fatalf("got error %v (%T), want the service's own", err, err)
	return sdk.WrappedError{}
}

// wantRefused checks the text, the type and the status of a refusal.
func wantRefused(t *testing.T, err error, status int, typeKey, text string) {
	t.Helper()
	e := wrapped(t, err)
	if e.StatusCode == nil || *e.StatusCode != status || e.TypeKey == nil || *e.TypeKey != typeKey || e.Message == nil || !strings.Contains(*e.Message, text) {
		got, _ := json.Marshal(e)
		t.Errorf("got %s\nwant status %d, type %s, text %q", got, status, typeKey, text)
	}
}

func wantScheme(t *testing.T, e *serviceendpoint.ServiceEndpoint, want string) {
	t.Helper()
	if e == nil || e.Authorization == nil || *e.Authorization.Scheme != want {
		t.Fatalf("got %+v, want scheme %s", e, want)
	}
}

func params(e *serviceendpoint.ServiceEndpoint) map[string]string { return *e.Authorization.Parameters }

func entraSubject(t *testing.T, id string) string {
	t.Helper()
	s, err := world.EntraSubject(tenantID, orgID, id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// trusted adds the federated credential that a conversion of the connection needs.
func (l *lab) trusted(id string) *world.FIC {
	f := &world.FIC{ID: l.w.NewID(), Name: "unsecret", Issuer: world.EntraIssuer(tenantID), Subject: entraSubject(l.t, id),
		Audiences: []string{world.TokenExchangeAudience}, Created: l.w.Clock.Now()}
	l.app.FICs = append(l.app.FICs, f)
	return f
}
