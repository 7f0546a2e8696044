package graph_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/unsecret-dev/unsecret/e2e/lab/internal/specs"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// TestAnswersFitTheDescription checks an answer to every operation against the official descriptions.
func TestAnswersFitTheDescription(t *testing.T) {
	v1, beta := specs.Load(t, "graph.json"), specs.Load(t, "graph-beta.json")
	l := newLab(t, 3)
	a := l.apps[0]
	l.world.SignIns = []*world.SignIn{
		{ID: l.world.NewID(), TenantID: tenantID, Time: start.Add(-time.Hour), AppID: a.AppID, AppName: a.DisplayName, SPID: a.SP.ObjectID, CredentialType: "clientSecret", KeyID: a.Passwords[0].KeyID, IP: "203.0.113.7", Resource: "https://management.azure.com"},
		{ID: l.world.NewID(), TenantID: tenantID, Time: start.Add(-time.Hour), AppID: a.AppID, CredentialType: "federatedIdentityCredential", ErrorCode: 700213, FailureReason: "No matching federated identity record found"},
	}
	a.NoPasswords = true
	app, sp := "/applications/"+a.ObjectID, "/servicePrincipals/"+a.SP.ObjectID
	created := l.want(201, "", "", world.RoleOperator, "POST", l.fics(0), fic("taken", "s0"))
	id := created["id"].(string)
	for _, c := range []struct {
		d                       *openapi3.T
		operation, method, path string
		body                    any
	}{
		{v1, "application_ListApplication", "GET", "/v1.0/applications", nil},
		{v1, "application_ListApplication", "GET", "/v1.0/applications?$top=1&$select=id,appId", nil},
		{v1, "application_GetApplication", "GET", "/v1.0" + app, nil},
		{v1, "application_GetApplicationGraphBPreAppId", "GET", "/v1.0/applications(appId='" + a.AppID + "')", nil},
		{v1, "application_UpdateApplication", "PATCH", "/v1.0" + app, map[string]any{"notes": "x"}},
		{v1, "application_ListOwner", "GET", "/v1.0" + app + "/owners", nil},
		{v1, "application_ListAppManagementPolicy", "GET", "/v1.0" + app + "/appManagementPolicies", nil},
		{v1, "application_addPassword", "POST", "/v1.0/applications/" + l.apps[1].ObjectID + "/microsoft.graph.addPassword", map[string]any{}},
		{v1, "application_removePassword", "POST", "/v1.0/applications/" + l.apps[2].ObjectID + "/removePassword", map[string]any{"keyId": l.apps[2].Passwords[0].KeyID}},
		{v1, "application_ListFederatedIdentityCredential", "GET", l.fics(0), nil},
		{v1, "application_CreateFederatedIdentityCredential", "POST", l.fics(0), fic("main", "s1")},
		{v1, "application_GetFederatedIdentityCredential", "GET", l.fics(0) + "/" + id, nil},
		{v1, "application.federatedIdentityCredential_GetGraphBPreName", "GET", l.fics(0) + "(name='taken')", nil},
		{v1, "application_UpdateFederatedIdentityCredential", "PATCH", l.fics(0) + "/" + id, map[string]any{"description": "x"}},
		{v1, "servicePrincipal_ListServicePrincipal", "GET", "/v1.0/servicePrincipals", nil},
		{v1, "servicePrincipal_GetServicePrincipal", "GET", "/v1.0" + sp, nil},
		{v1, "servicePrincipal_UpdateServicePrincipal", "PATCH", "/v1.0" + sp, map[string]any{"accountEnabled": true}},
		{v1, "servicePrincipal_ListOwner", "GET", "/v1.0" + sp + "/owners", nil},
		{v1, "servicePrincipal_ListAppRoleAssignment", "GET", "/v1.0" + sp + "/appRoleAssignments", nil},
		{v1, "policy_GetDefaultAppManagementPolicy", "GET", "/v1.0/policies/defaultAppManagementPolicy", nil},
		{v1, "policy_ListAppManagementPolicy", "GET", "/v1.0/policies/appManagementPolicies", nil},
		{v1, "policy_GetAppManagementPolicy", "POST", "/v1.0/policies/appManagementPolicies", map[string]any{"displayName": "x", "description": "y", "isEnabled": true,
			"restrictions": map[string]any{"passwordCredentials": []any{map[string]any{"restrictionType": "passwordAddition", "state": "enabled", "maxLifetime": nil,
				"restrictForAppsCreatedAfterDateTime": "2000-01-01T00:00:00Z"}}, "keyCredentials": []any{}}}},
		{v1, "auditLog_ListSignIn", "GET", "/v1.0/auditLogs/signIns", nil},
		{beta, "application_ListFederatedIdentityCredential", "GET", "/beta" + app + "/federatedIdentityCredentials", nil},
		{beta, "auditLog_ListSignIn", "GET", "/beta/auditLogs/signIns?$filter=signInEventTypes/any(t:t%20eq%20%27servicePrincipal%27)", nil},
		{beta, "auditLog_GetSignIn", "GET", "/beta/auditLogs/signIns/" + l.world.SignIns[1].ID, nil},
		{beta, "report_ListServicePrincipalSignInActivity", "GET", "/beta/reports/servicePrincipalSignInActivities", nil},
		{beta, "report_ListAppCredentialSignInActivity", "GET", "/beta/reports/appCredentialSignInActivities", nil},
		{v1, "application_DeleteFederatedIdentityCredential", "DELETE", l.fics(0) + "/" + id, nil},
	} {
		status, raw := l.raw(world.RoleOperator, c.method, c.path, c.body)
		if status >= 300 {
			t.Errorf("%s %s answered %d %s", c.method, c.path, status, raw)
			continue
		}
		if err := check(c.d, c.operation, status, raw); err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
	}
	status, raw := l.raw(world.RoleReader, "GET", "/v1.0/applications/nobody", nil)
	if err := check(v1, "application_GetApplication", status, raw); err != nil {
		t.Errorf("an error: %v", err)
	}
}

func check(d *openapi3.T, operation string, status int, raw []byte) error {
	if status == http.StatusNoContent {
		return specs.CheckResponse(d, operation, status, "", raw)
	}
	b, err := specs.WithoutNulls(raw)
	if err != nil {
		return err
	}
	return specs.CheckResponse(d, operation, status, "application/json", b)
}

// TestObjectsFitTheSchemas checks objects against the schemas of 2026, which know what the descriptions do not yet.
func TestObjectsFitTheSchemas(t *testing.T) {
	d := specs.Load(t, "graph-schemas.json")
	l := newLab(t, 1)
	l.want(201, "", "", world.RoleOperator, "POST", l.fics(0), fic("main", "s1"))
	for path, schema := range map[string]string{
		"/v1.0/applications/" + l.apps[0].ObjectID:         "microsoft.graph.application",
		"/v1.0/servicePrincipals/" + l.apps[0].SP.ObjectID: "microsoft.graph.servicePrincipal",
		l.fics(0) + "/" + l.apps[0].FICs[0].ID:             "microsoft.graph.federatedIdentityCredential",
	} {
		_, raw := l.raw(world.RoleReader, "GET", path, nil)
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		if err := d.Components.Schemas[schema].Value.VisitJSON(v); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
