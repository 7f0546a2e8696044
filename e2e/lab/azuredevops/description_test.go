package azuredevops_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/internal/specs"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

func statusOf(req *http.Request) (int, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestAnswersFitTheOfficialDescriptions(t *testing.T) {
	const endpoints = "/contoso/_apis/serviceendpoint/endpoints"
	byProject := "/contoso/" + shopID + "/_apis/serviceendpoint/"
	update := refs("auto", shopID)
	toFederation := `{"authorization":{"scheme":"WorkloadIdentityFederation"},` + update[1:]
	create := `{"type":"azurerm","authorization":{"scheme":"ServicePrincipal","parameters":{"tenantid":"` + tenantID + `"}},` + refs("fresh", shopID)[1:]
	for _, tc := range []struct {
		operation, method, path, payload string
	}{
		{"Endpoints_Get Service Endpoints", "GET", byProject + "endpoints?includeFailed=true", ""},
		{"Endpoints_Get Service Endpoints By Names", "GET", byProject + "endpoints?endpointNames=auto", ""},
		{"Endpoints_Get", "GET", byProject + "endpoints/" + autoID, ""},
		{"Endpoints_Create", "POST", endpoints, create},
		{"Endpoints_Update Service Endpoint", "PUT", endpoints + "/" + autoID, update},
		{"Endpoints_Update Service Endpoint", "PUT", endpoints + "/" + autoID + "?operation=" + convert, toFederation},
		{"Endpoints_Update Service Endpoints", "PUT", endpoints, `[{"id":"` + autoID + `",` + update[1:] + `]`},
		{"Endpoints_Share Service Endpoint", "PATCH", endpoints + "/" + autoID, `[{"name":"a","projectReference":{"id":"` + opsID + `"}}]`},
		{"Endpoints_Delete", "DELETE", endpoints + "/" + autoID + "?projectIds=" + shopID, ""},
		{"Executionhistory_List", "GET", byProject + autoID + "/executionhistory", ""},
		{"Endpointproxy_Execute Service Endpoint Request", "POST", byProject + "endpointproxy?endpointId=" + autoID,
			`{"dataSourceDetails":{"dataSourceName":"TestConnection"}}`},
		{"Types_List", "GET", "/contoso/_apis/serviceendpoint/types", ""},
		{"Types_Get Service Endpoint Types", "GET", "/contoso/_apis/serviceendpoint/types", ""},
		{"Projects_List", "GET", "/contoso/_apis/projects", ""},
		{"Projects_Get", "GET", "/contoso/_apis/projects/Ops", ""},
	} {
		for _, document := range []string{"azure-devops-serviceendpoint-7.1.json", "azure-devops-serviceendpoint-7.2.json", "azure-devops-core-7.1.json"} {
			checkDescribed(t, document, tc.operation, tc.method, tc.path, tc.payload, newLab)
		}
	}
}

// checkDescribed performs a request in a new lab and judges the answer, if the document describes the operation.
func checkDescribed(t *testing.T, document, operation, method, path, payload string, arrange func(*testing.T) *lab) {
	t.Helper()
	d := specs.LoadWired(t, document, specs.AzureDevOps)
	if !specs.Describes(d, operation) {
		return
	}
	t.Run(document+" "+method+" "+path, func(t *testing.T) {
		l := arrange(t)
		l.auto.History = []*world.Execution{{ID: 1, ProjectID: shopID, PlanType: "Build", DefinitionID: 1, DefinitionName: "ci",
			Start: begin, Finish: begin.Add(time.Minute), Result: "succeeded"}}
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		status, header, b := l.raw(method, path+separator+"api-version=7.1", operator, payload)
		if status >= 300 {
			t.Fatalf("got %d %s", status, b)
		}
		if status != http.StatusNoContent {
			var err error
			if b, err = specs.WithoutNulls(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := specs.CheckResponse(d, operation, status, header.Get("Content-Type"), b); err != nil {
			t.Error(err)
		}
	})
}
