package azuredevops_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/core"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/location"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/serviceendpoint"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

func decode(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

func TestWhoIsNotSignedInGetsThePageOrA401(t *testing.T) {
	l := newLab(t)
	l.w.Tokens["arm"] = &world.Token{Value: "arm", Role: world.RoleOperator, Audience: world.AudienceARM}
	for _, token := range []string{"", "unknown", "arm"} {
		status, header, b := l.raw("GET", "/contoso/_apis/projects", token, "")
		if status != 203 || !strings.Contains(string(b), "Azure DevOps Services | Sign In") || !strings.HasPrefix(header.Get("Content-Type"), "text/html") {
			t.Errorf("token %q: got %d %s", token, status, b)
		}
		_, err := l.core(token).GetProjects(t.Context(), core.GetProjectsArgs{})
		wantRefused(t, err, 401, "UnauthorizedRequestException", "TF400813")
	}
}

func TestAPersonalAccessTokenIsAPassword(t *testing.T) {
	l := newLab(t)
	cl := l.client("")
	req, err := cl.CreateRequestMessage(t.Context(), "GET", l.url+"/_apis/projects", "7.1", nil, "", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("", readerTok)
	status, err := statusOf(req)
	if err != nil || status != 200 {
		t.Errorf("got %d, %v", status, err)
	}
}

func TestRolesDecideWhatIsAllowed(t *testing.T) {
	l := newLab(t)
	history := "/contoso/Ops/_apis/serviceendpoint/" + autoID + "/executionhistory"
	for _, tc := range []struct {
		method, path, token string
		want                int
	}{
		{"OPTIONS", "/contoso/_apis", outsider, 200},
		{"GET", "/contoso/_apis/connectionData", outsider, 200},
		{"GET", "/contoso/_apis/projects", outsider, 403},
		{"GET", "/contoso/_apis/projects", readerTok, 200},
		{"GET", history, outsider, 403},
		{"GET", history, readerTok, 404},
		{"PUT", "/contoso/_apis/serviceendpoint/endpoints/" + autoID, readerTok, 403},
		{"PUT", "/contoso/_apis/serviceendpoint/endpoints/" + autoID, outsider, 403},
		{"POST", "/contoso/_apis/serviceendpoint/endpoints", readerTok, 403},
		{"PATCH", "/contoso/_apis/serviceendpoint/endpoints/" + autoID, readerTok, 403},
		{"DELETE", "/contoso/_apis/serviceendpoint/endpoints/" + autoID, readerTok, 403},
		{"GET", "/contoso/_apis/serviceendpoint/endpoints", readerTok, 405},
		{"GET", "/contoso/_apis/nothing", readerTok, 404},
		{"GET", "/nobody/_apis/projects", readerTok, 404},
		{"GET", "/contoso/Nowhere/_apis/serviceendpoint/endpoints", readerTok, 404},
	} {
		if got, _, b := l.raw(tc.method, tc.path, tc.token, ""); got != tc.want {
			t.Errorf("%s %s as %s: got %d, want %d: %s", tc.method, tc.path, tc.token, got, tc.want, b)
		}
	}
}

func TestRefusalsHaveTheShapeOfTheService(t *testing.T) {
	l := newLab(t)
	_, _, b := l.raw("GET", "/contoso/_apis/projects", outsider, "")
	want := map[string]any{"$id": "1", "innerException": nil, "errorCode": 0.0, "eventId": 3000.0, "typeKey": "AccessCheckException",
		"typeName": "Microsoft.VisualStudio.Services.Security.AccessCheckException, Microsoft.VisualStudio.Services.WebApi",
		"message":  "TF400813: The user 'outsider@contoso.com' is not authorized to access this resource."}
	if d := cmp.Diff(want, decode(t, b)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestProjectsArePaged(t *testing.T) {
	l := newLab(t)
	for i := range 5 {
		l.org.Projects = append(l.org.Projects, &world.Project{ID: l.w.NewID(), Name: "p" + strconv.Itoa(i)})
	}
	var names []string
	pages := 0
	for token := new(0); token != nil; pages++ {
		page, err := l.core(readerTok).GetProjects(t.Context(), core.GetProjectsArgs{Top: new(3), ContinuationToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Value {
			names = append(names, *p.Name)
		}
		token = nil
		if page.ContinuationToken != "" {
			n, err := strconv.Atoi(page.ContinuationToken)
			if err != nil {
				t.Fatal(err)
			}
			token = &n
		}
	}
	if d := cmp.Diff([]string{"Web Shop", "Ops", "p0", "p1", "p2", "p3", "p4"}, names); d != "" || pages != 3 {
		t.Errorf("%d pages, (-want +got):\n%s", pages, d)
	}
	one, err := l.core(readerTok).GetProject(t.Context(), core.GetProjectArgs{ProjectId: new("web shop")})
	if err != nil || one.Id.String() != shopID {
		t.Errorf("got %v, %v", one, err)
	}
}

func TestConnectionDataTellsTheOrganisationsID(t *testing.T) {
	l := newLab(t)
	got, err := l.location(readerTok).GetConnectionData(t.Context(), location.GetConnectionDataArgs{})
	if err != nil || got.InstanceId.String() != orgID {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestHistoryIsPagedNewestFirstPerProject(t *testing.T) {
	l := newLab(t)
	for i := 1; i <= 5; i++ {
		project := shopID
		if i == 3 {
			project = opsID
		}
		l.auto.History = append(l.auto.History, &world.Execution{ID: i, ProjectID: project, PlanType: "Build", DefinitionID: 7,
			DefinitionName: "ci", Start: begin, Finish: begin.Add(time.Minute), Result: "succeeded"})
	}
	id := uuid.MustParse(autoID)
	args := serviceendpoint.GetServiceEndpointExecutionRecordsArgs{Project: new(shopID), EndpointId: &id, Top: new(3)}
	var ids []uint64
	for {
		page, err := l.endpoints(readerTok).GetServiceEndpointExecutionRecords(t.Context(), args)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Value {
			ids = append(ids, *r.Data.Id)
		}
		if page.ContinuationToken == "" {
			break
		}
		next, err := strconv.ParseUint(page.ContinuationToken, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		args.ContinuationToken = &next
	}
	if d := cmp.Diff([]uint64{5, 4, 2, 1}, ids); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// test performs a connection's own test.
func (l *lab) test(id, project string, details *serviceendpoint.ServiceEndpointDetails) (*serviceendpoint.ServiceEndpointRequestResult, error) {
	return l.endpoints(operator).ExecuteServiceEndpointRequest(l.t.Context(), serviceendpoint.ExecuteServiceEndpointRequestArgs{
		Project: &project, EndpointId: &id, ServiceEndpointRequest: &serviceendpoint.ServiceEndpointRequest{
			DataSourceDetails:           &serviceendpoint.DataSourceDetails{DataSourceName: new("TestConnection")},
			ResultTransformationDetails: &serviceendpoint.ResultTransformationDetails{}, ServiceEndpointDetails: details}})
}

func TestTheTestOfAConnectionSignsIn(t *testing.T) {
	l := newLab(t)
	l.signIn = func(_ context.Context, c *world.Connection) error {
		l.w.Lock() // whoever signs in needs the world
		defer l.w.Unlock()
		if c == l.auto {
			return errors.New("got the connection itself, not a copy")
		}
		if c.Hidden["serviceprincipalkey"] != l.auto.Hidden["serviceprincipalkey"] {
			return errors.New("AADSTS7000215: Invalid client secret provided.")
		}
		return nil
	}
	got, err := l.test(autoID, shopID, nil)
	if err != nil || *got.StatusCode != "ok" {
		t.Fatalf("got %+v, %v", got, err)
	}
	got, err = l.test(manualID, shopID, nil)
	if err != nil || *got.StatusCode == "ok" || !strings.Contains(*got.ErrorMessage, "AADSTS7000215") {
		t.Fatalf("got %+v, %v", got, err)
	}
	l.w.Roles = nil
	got, err = l.test(autoID, shopID, nil)
	if err != nil || *got.StatusCode != "forbidden" || !strings.Contains(*got.ErrorMessage, "AuthorizationFailed") {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestAConnectionThatIsNotStoredCanBeTested(t *testing.T) {
	l := newLab(t)
	details := &serviceendpoint.ServiceEndpointDetails{Type: new("azurerm"), Authorization: &serviceendpoint.EndpointAuthorization{
		Scheme: new(byKey), Parameters: &map[string]string{"tenantid": tenantID, "serviceprincipalkey": "typed"}}}
	l.signIn = func(_ context.Context, c *world.Connection) error {
		if c.Hidden["serviceprincipalkey"] != "typed" || c.Scheme != byKey {
			return errors.New("AADSTS7000215")
		}
		return nil
	}
	got, err := l.test(opsID, shopID, details)
	if err != nil || *got.StatusCode != "ok" {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = l.test(opsID, shopID, nil)
	wantRefused(t, err, 404, "ServiceEndpointNotFoundException", "does not exist")
	_, err = l.test(autoID, opsID, nil)
	wantRefused(t, err, 404, "ServiceEndpointNotFoundException", "does not exist")
}

func TestTypesTellWhatIsConfidential(t *testing.T) {
	l := newLab(t)
	got, err := l.endpoints(readerTok).GetServiceEndpointTypes(t.Context(),
		serviceendpoint.GetServiceEndpointTypesArgs{Type: new("AzureRM"), Scheme: new(byKey)})
	if err != nil || len(*got) != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
	secret := map[string]bool{}
	for _, in := range *(*(*got)[0].AuthenticationSchemes)[0].InputDescriptors {
		secret[*in.Id] = *in.IsConfidential
	}
	if !secret["serviceprincipalkey"] || secret["serviceprincipalid"] {
		t.Errorf("got %v", secret)
	}
}
