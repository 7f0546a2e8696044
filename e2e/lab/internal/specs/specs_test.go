package specs

import (
	"net/http"
	"strings"
	"testing"
)

const endpointJSON = `{"id":"1dfdea68-9549-409e-abee-c5da69cfec5f","name":"c","type":"azurerm","url":"https://management.azure.com/",` +
	`"data":{"creationMode":"Manual"},"authorization":{"scheme":"ServicePrincipal","parameters":{"serviceprincipalkey":null}},"isReady":true}`

func TestCheckResponseTellsGoodFromBad(t *testing.T) {
	d := LoadWired(t, "azure-devops-serviceendpoint-7.1.json", AzureDevOps)
	withoutNulls, err := WithoutNulls([]byte(endpointJSON))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, op string
		status   int
		body     string
		wantErr  string
	}{
		{"a good answer passes", "Endpoints_Create", 200, string(withoutNulls), ""},
		{"an undeclared null is refused", "Endpoints_Create", 200, endpointJSON, "serviceprincipalkey"},
		{"a wrong type is refused", "Endpoints_Create", 200, `{"isReady":"yes"}`, "isReady"},
		{"a bare list is refused", "Endpoints_Get Service Endpoints By Names", 200, `[]`, "object"},
		{"204 needs no schema", "Endpoints_Delete", 204, "", ""},
		{"204 with a body is refused", "Endpoints_Delete", 204, "x", "204 with a body"},
		{"an unknown operation is refused", "Endpoints_Nothing", 200, "", "no operation"},
		{"an undeclared status is refused", "Endpoints_Create", 418, "{}", "status"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := CheckResponse(d, tc.op, tc.status, "application/json; charset=utf-8", []byte(tc.body))
			wantError(t, err, tc.wantErr)
		})
	}
}

func TestCheckRequestTellsGoodFromBad(t *testing.T) {
	d := LoadWired(t, "azure-devops-serviceendpoint-7.1.json", AzureDevOps)
	params := map[string]string{"organization": "org", "endpointId": "1dfdea68-9549-409e-abee-c5da69cfec5f"}
	for _, tc := range []struct{ name, query, body, wantErr string }{
		{"a good request passes", "api-version=7.1", `{"type":"azurerm"}`, ""},
		{"a missing query parameter is refused", "", `{"type":"azurerm"}`, "api-version"},
		{"a wrong type is refused", "api-version=7.1", `{"type":1}`, "type"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodPut, "http://x.invalid/?"+tc.query, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			wantError(t, CheckRequest(d, "Endpoints_Update Service Endpoint", req, params), tc.wantErr)
		})
	}
}

func TestEveryDocumentLoads(t *testing.T) {
	for _, name := range []string{"arm-authorization.json", "arm-resourcegraph.json", "arm-subscriptions.json",
		"azure-devops-core-7.1.json", "azure-devops-serviceendpoint-7.2.json", "graph-schemas.json"} {
		t.Run(name, func(t *testing.T) { Load(t, name) })
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got error %v, want none", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got error %v, want one with %q", err, want)
	}
}
