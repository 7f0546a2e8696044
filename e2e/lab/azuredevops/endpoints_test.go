package azuredevops_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/serviceendpoint"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// names lists the names of the connections of the first project.
func (l *lab) names(token string, change func(*serviceendpoint.GetServiceEndpointsArgs)) []string {
	l.t.Helper()
	args := serviceendpoint.GetServiceEndpointsArgs{Project: new("web shop")}
	if change != nil {
		change(&args)
	}
	found, err := l.endpoints(token).GetServiceEndpoints(l.t.Context(), args)
	if err != nil {
		l.t.Fatalf("list connections: %v", err)
	}
	names := []string{}
	for _, e := range *found {
		names = append(names, *e.Name)
	}
	return names
}

func TestListingFilters(t *testing.T) {
	l := newLab(t)
	l.manual.Scheme = federation
	failed := newConnection(l.w, l.w.NewID(), "failed", "Manual")
	failed.NotReady, failed.OpState, failed.OpMessage = true, "Failed", "no role"
	deleted := newConnection(l.w, l.w.NewID(), "deleted", "Manual")
	deleted.Deleted = true
	elsewhere := newConnection(l.w, l.w.NewID(), "elsewhere", "Manual")
	elsewhere.Refs[0].ProjectID = opsID
	generic := newConnection(l.w, l.w.NewID(), "generic", "")
	generic.Type, generic.Scheme = "generic", "UsernamePassword"
	for _, c := range []*world.Connection{failed, deleted, elsewhere, generic} {
		l.org.Connections[c.ID] = c
	}
	for _, tc := range []struct {
		name   string
		change func(*serviceendpoint.GetServiceEndpointsArgs)
		want   []string
	}{
		{"all that are ready, of this project", nil, []string{"auto", "generic", "manual"}},
		{"by type in any case", func(a *serviceendpoint.GetServiceEndpointsArgs) { a.Type = new("AzureRM") }, []string{"auto", "manual"}},
		{"by scheme", func(a *serviceendpoint.GetServiceEndpointsArgs) { a.AuthSchemes = &[]string{byKey, "UsernamePassword"} }, []string{"auto", "generic"}},
		{"by id", func(a *serviceendpoint.GetServiceEndpointsArgs) {
			a.EndpointIds = &[]uuid.UUID{uuid.MustParse(manualID), uuid.MustParse(elsewhere.ID)}
		}, []string{"manual"}},
		{"with failed ones", func(a *serviceendpoint.GetServiceEndpointsArgs) { a.IncludeFailed = new(true) }, []string{"auto", "failed", "generic", "manual"}},
		{"by owner", func(a *serviceendpoint.GetServiceEndpointsArgs) { a.Owner = new("agentcloud") }, []string{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := cmp.Diff(tc.want, l.names(readerTok, tc.change)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestListingByNames(t *testing.T) {
	l := newLab(t)
	found, err := l.endpoints(readerTok).GetServiceEndpointsByNames(t.Context(),
		serviceendpoint.GetServiceEndpointsByNamesArgs{Project: new(shopID), EndpointNames: &[]string{"AUTO", "nothing"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(*found) != 1 || (*found)[0].Id.String() != autoID {
		t.Errorf("got %v", *found)
	}
}

func TestSecretsAreNull(t *testing.T) {
	l := newLab(t)
	_, _, b := l.raw("GET", "/CONTOSO/Web%20Shop/_APIS/ServiceEndpoint/Endpoints/"+autoID, readerTok, "")
	got := decode(t, b)["authorization"]
	want := map[string]any{"scheme": byKey, "parameters": map[string]any{
		"tenantid": tenantID, "serviceprincipalid": appID, "authenticationType": "spnKey", "serviceprincipalkey": nil}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("authorization (-want +got):\n%s", d)
	}
}

func TestWhatIsNotThereIsNull(t *testing.T) {
	l := newLab(t)
	l.auto.Deleted = true
	l.manual.Refs[0].ProjectID = opsID
	for name, id := range map[string]string{"deleted": autoID, "unknown": opsID, "in another project": manualID} {
		t.Run(name, func(t *testing.T) {
			status, _, b := l.raw("GET", "/contoso/"+shopID+"/_apis/serviceendpoint/endpoints/"+id, readerTok, "")
			if status != 200 || string(b) != "null\n" {
				t.Errorf("got %d %s", status, b)
			}
			if e, err := l.get(readerTok, id); err != nil || e.Id != nil {
				t.Errorf("the SDK gives %v, %v", e, err)
			}
		})
	}
}

func TestMissingRightsLookLikeMissingData(t *testing.T) {
	l := newLab(t)
	l.auto.Unreadable = true
	for name, tc := range map[string]struct{ token, id string }{
		"a connection that nobody may read": {operator, autoID},
		"a caller who may read nothing":     {outsider, manualID},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := l.get(tc.token, tc.id)
			if err != nil {
				t.Fatal(err)
			}
			if e.Data != nil || e.Type != nil || e.Authorization != nil || e.Id.String() != tc.id {
				t.Errorf("got %+v", e)
			}
		})
	}
	if got := l.names(outsider, nil); len(got) != 2 {
		t.Errorf("an outsider's list has %v", got)
	}
	_, err := l.convert(l.auto, federation)
	wantRefused(t, err, 403, "AccessCheckException", "You do not have permissions")
}

func TestAnUpdateChangesOnlyWhatIsSent(t *testing.T) {
	l := newLab(t)
	hidden, data := cmpClone(l.auto.Hidden), cmpClone(l.auto.Data)
	b := body(l.auto, byKey, nil)
	(*b.ServiceEndpointProjectReferences)[0].Name = new("renamed")
	e, err := l.put(b, "")
	if err != nil {
		t.Fatal(err)
	}
	if *e.Name != "renamed" || l.auto.Modified != begin {
		t.Errorf("got name %s, modified %v", *e.Name, l.auto.Modified)
	}
	if d := cmp.Diff(hidden, l.auto.Hidden) + cmp.Diff(data, *e.Data); d != "" {
		t.Errorf("(-before +after):\n%s", d)
	}
	status, _, answer := l.raw("PUT", "/contoso/_apis/serviceendpoint/endpoints/"+autoID+"?api-version=7.1", operator,
		`{"isDisabled":true,"authorization":{"scheme":"ServicePrincipal","parameters":{"serviceprincipalkey":null}},"serviceEndpointProjectReferences":[{"projectReference":{"name":"web shop"}}]}`)
	if status != 200 || !l.auto.Disabled || l.auto.Refs[0].Name != "renamed" {
		t.Errorf("got %d %s", status, answer)
	}
	if d := cmp.Diff(hidden, l.auto.Hidden); d != "" {
		t.Errorf("null changed the secret: %s", d)
	}
}

func TestANewKeyLeadsBackFromFederation(t *testing.T) {
	l := newLab(t)
	if _, err := l.convert(l.auto, federation); err != nil {
		t.Fatal(err)
	}
	l.w.Clock.Move(2 * l.w.Knobs.RevertWindow)
	_, err := l.put(body(l.auto, byKey, nil), "")
	wantRefused(t, err, 400, "ArgumentNullException", "serviceprincipalkey")
	key := l.w.NewSecret()
	e, err := l.put(body(l.auto, byKey, map[string]string{"tenantid": tenantID, "serviceprincipalid": appID, "serviceprincipalkey": key}), "")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"tenantid": tenantID, "serviceprincipalid": appID, "authenticationType": "spnKey", "serviceprincipalkey": ""}
	if d := cmp.Diff(want, params(e)); d != "" {
		t.Errorf("parameters (-want +got):\n%s", d)
	}
	if l.auto.Hidden["serviceprincipalkey"] != key {
		t.Error("the new key was not stored")
	}
	if _, err := l.convert(l.auto, federation); err != nil {
		t.Errorf("convert again: %v", err)
	}
}

func TestAnUpdateIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name, path, payload string
		status              int
		typeKey             string
	}{
		{"without projects", autoID + "?api-version=7.1", `{"type":"azurerm"}`, 400, "ArgumentNullException"},
		{"without a version", autoID, `{}`, 400, "VssVersionNotSpecifiedException"},
		{"with a version to come", autoID + "?api-version=8.0", `{}`, 400, "VssVersionOutOfRangeException"},
		{"with a preview version not asked for as such", autoID + "?api-version=7.2", `{}`, 400, "VssInvalidPreviewVersionException"},
		{"with a version that is none", autoID + "?api-version=new", `{}`, 400, "VssInvalidApiVersionException"},
		{"with a broken body", autoID + "?api-version=7.1", `{`, 400, "ArgumentException"},
		{"with values that are not texts", autoID + "?api-version=7.1", `{"data":{"a":1}}`, 400, "ArgumentException"},
		{"to another type", autoID + "?api-version=7.1", `{"type":"generic"}`, 400, "ArgumentException"},
		{"with another id", autoID + "?api-version=7.1", `{"id":"` + manualID + `"}`, 400, "ArgumentException"},
		{"with an unknown operation", autoID + "?api-version=7.1&operation=Destroy", refs("auto", shopID), 400, "ArgumentException"},
		{"with an unknown project", autoID + "?api-version=7.1", refs("auto", tenantID), 404, "ProjectDoesNotExistWithNameException"},
		{"with a project that it is not shared with", autoID + "?api-version=7.1", refs("auto", opsID), 400, "ArgumentException"},
		{"to a name that is taken", autoID + "?api-version=7.1", refs("manual", shopID), 409, "DuplicateServiceConnectionException"},
		{"to federation without the operation", autoID + "?api-version=7.1",
			`{"authorization":{"scheme":"WorkloadIdentityFederation"},` + refs("auto", shopID)[1:], 400, "ArgumentException"},
		{"of what does not exist", opsID + "?api-version=7.1", `{}`, 404, "ServiceEndpointNotFoundException"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t)
			before := *l.auto
			status, _, b := l.raw("PUT", "/contoso/_apis/serviceendpoint/endpoints/"+tc.path, operator, tc.payload)
			if got := decode(t, b)["typeKey"]; status != tc.status || got != tc.typeKey {
				t.Errorf("got %d %s", status, b)
			}
			if d := cmp.Diff(before, *l.auto); d != "" {
				t.Errorf("the connection changed: %s", d)
			}
		})
	}
}

func refs(name, project string) string {
	return `{"serviceEndpointProjectReferences":[{"name":"` + name + `","projectReference":{"id":"` + project + `"}}]}`
}

func TestCreateShareDelete(t *testing.T) {
	l := newLab(t)
	key := l.w.NewSecret()
	b := body(newConnection(l.w, l.w.NewID(), "new", "Manual"), byKey, map[string]string{"tenantid": tenantID, "serviceprincipalid": appID,
		"authenticationType": "spnKey", "serviceprincipalkey": key})
	b.Data = &map[string]string{"creationMode": "Manual", "revertSchemeDeadline": "2100-01-01"}
	cl := l.endpoints(operator)
	e, err := cl.CreateServiceEndpoint(t.Context(), serviceendpoint.CreateServiceEndpointArgs{Endpoint: b})
	if err != nil {
		t.Fatal(err)
	}
	c := l.org.Connections[e.Id.String()]
	if c.Hidden["serviceprincipalkey"] != key || params(e)["serviceprincipalkey"] != "" || len(*e.Data) != 1 {
		t.Errorf("got %+v", c)
	}
	_, err = cl.CreateServiceEndpoint(t.Context(), serviceendpoint.CreateServiceEndpointArgs{Endpoint: b})
	wantRefused(t, err, 409, "DuplicateServiceConnectionException", "Service connection with name new already exists.")
	ops := uuid.MustParse(opsID)
	share := serviceendpoint.ShareServiceEndpointArgs{EndpointId: e.Id, EndpointProjectReferences: &[]serviceendpoint.ServiceEndpointProjectReference{
		{Name: new("new-ops"), ProjectReference: &serviceendpoint.ProjectReference{Id: &ops}}}}
	for range 2 { // sharing twice is no error
		if err := cl.ShareServiceEndpoint(t.Context(), share); err != nil {
			t.Fatal(err)
		}
	}
	inOps, err := cl.GetServiceEndpointDetails(t.Context(), serviceendpoint.GetServiceEndpointDetailsArgs{Project: new("Ops"), EndpointId: e.Id})
	if err != nil || *inOps.Name != "new-ops" || !*inOps.IsShared {
		t.Errorf("got %+v, %v", inOps, err)
	}
	for i, project := range []string{opsID, shopID} {
		if err := cl.DeleteServiceEndpoint(t.Context(), serviceendpoint.DeleteServiceEndpointArgs{EndpointId: e.Id, ProjectIds: &[]string{project}}); err != nil {
			t.Fatal(err)
		}
		if c.Deleted != (i == 1) {
			t.Errorf("after %d deletes: deleted %v", i+1, c.Deleted)
		}
	}
}

func TestCreatingWithFederationTellsTheSubject(t *testing.T) {
	l := newLab(t)
	b := body(newConnection(l.w, l.w.NewID(), "new", "Manual"), federation, map[string]string{"tenantid": tenantID, "serviceprincipalid": appID})
	b.Data = &map[string]string{"creationMode": "Manual"}
	e, err := l.endpoints(operator).CreateServiceEndpoint(t.Context(), serviceendpoint.CreateServiceEndpointArgs{Endpoint: b})
	if err != nil {
		t.Fatal(err)
	}
	if got := params(e)["workloadIdentityFederationSubject"]; got != entraSubject(t, e.Id.String()) || len(l.app.FICs) != 0 {
		t.Errorf("got subject %s and %d federated credentials", got, len(l.app.FICs))
	}
	(*b.Data)["creationMode"] = "Automatic"
	(*b.ServiceEndpointProjectReferences)[0].Name = new("newer")
	_, err = l.endpoints(operator).CreateServiceEndpoint(t.Context(), serviceendpoint.CreateServiceEndpointArgs{Endpoint: b})
	wantRefused(t, err, 400, "AadAccessSilentException", "silent failure")
}

func TestDeepDeleteTakesTheApplicationOfAnAutomaticConnection(t *testing.T) {
	for _, tc := range []struct {
		id   string
		deep bool
		apps int
	}{{autoID, true, 0}, {autoID, false, 1}, {manualID, true, 1}} {
		l := newLab(t)
		id := uuid.MustParse(tc.id)
		err := l.endpoints(operator).DeleteServiceEndpoint(t.Context(),
			serviceendpoint.DeleteServiceEndpointArgs{EndpointId: &id, ProjectIds: &[]string{shopID}, Deep: &tc.deep})
		if got := len(l.w.Tenants[tenantID].Apps); err != nil || got != tc.apps {
			t.Errorf("%+v: %v, %d applications left", tc, err, got)
		}
	}
}

func TestSeveralConnectionsAreUpdatedAtOnce(t *testing.T) {
	l := newLab(t)
	a, b := body(l.auto, byKey, nil), body(l.manual, byKey, nil)
	(*a.ServiceEndpointProjectReferences)[0].Description = new("first")
	(*b.ServiceEndpointProjectReferences)[0].Description = new("second")
	got, err := l.endpoints(operator).UpdateServiceEndpoints(t.Context(),
		serviceendpoint.UpdateServiceEndpointsArgs{Endpoints: &[]serviceendpoint.ServiceEndpoint{*a, *b}})
	if err != nil {
		t.Fatal(err)
	}
	if *(*got)[0].Description != "first" || *(*got)[1].Description != "second" {
		t.Errorf("got %+v", *got)
	}
}
