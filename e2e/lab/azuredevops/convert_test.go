package azuredevops_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const unconfigurable = "The authorization scheme could not be upgraded to WorkloadIdentityFederation because the service " +
	"principal could not be configured automatically, and no valid configuration exists."

func TestConvertingAnAutomaticConnectionAddsTheFederatedCredential(t *testing.T) {
	l := newLab(t)
	e, err := l.convert(l.auto, federation)
	if err != nil {
		t.Fatal(err)
	}
	wantScheme(t, e, federation)
	wantParams := map[string]string{
		"tenantid": tenantID, "serviceprincipalid": appID,
		"workloadIdentityFederationIssuer":     "https://login.microsoftonline.com/" + tenantID + "/v2.0",
		"workloadIdentityFederationIssuerType": "EntraID",
		"workloadIdentityFederationSubject":    "/eid1/c/pub/t/kTVPf2xfe0-hvQot2IMSGA/a/rISbSSETf0KqFyZ8ppdXmA/sc/" + orgID + "/" + autoID,
	}
	if d := cmp.Diff(wantParams, params(e)); d != "" {
		t.Errorf("parameters (-want +got):\n%s", d)
	}
	if got := (*e.Data)["revertSchemeDeadline"]; got != "2026-11-09T09:00:00.0000000Z" {
		t.Errorf("got revert deadline %q", got)
	}
	want := []*world.FIC{{
		Name: autoID, Issuer: wantParams["workloadIdentityFederationIssuer"], Subject: wantParams["workloadIdentityFederationSubject"],
		Audiences: []string{"api://AzureADTokenExchange"}, Created: begin, ID: l.app.FICs[0].ID,
		Description: "Federation for Service Connection auto in https://dev.azure.com/Contoso/Web Shop/_settings/adminservices?resourceId=" + autoID,
	}}
	if d := cmp.Diff(want, l.app.FICs); d != "" {
		t.Errorf("federated credentials (-want +got):\n%s", d)
	}
	if !strings.Contains(l.auto.Hidden["serviceprincipalkey"], world.Canary) {
		t.Error("the old key was not kept")
	}
}

func TestConvertingWithTheOldIssuerGivesNamesAsSubject(t *testing.T) {
	l := newLab(t)
	l.w.Knobs.ConvertOldIssuer = true
	e, err := l.convert(l.auto, federation)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"tenantid": tenantID, "serviceprincipalid": appID,
		"workloadIdentityFederationIssuer":  "https://vstoken.dev.azure.com/" + orgID,
		"workloadIdentityFederationSubject": "sc://Contoso/Web Shop/auto"}
	if d := cmp.Diff(want, params(e)); d != "" {
		t.Errorf("parameters (-want +got):\n%s", d)
	}
	if f := l.app.FICs[0]; f.Subject != want["workloadIdentityFederationSubject"] || f.Issuer != want["workloadIdentityFederationIssuer"] {
		t.Errorf("got federated credential %+v", f)
	}
}

func TestConvertingIsRefusedAndChangesNothing(t *testing.T) {
	for _, tc := range []struct {
		name    string
		arrange func(*lab) *world.Connection
		scheme  string
		typeKey string
		text    string
	}{
		{"manual without a federated credential", func(l *lab) *world.Connection { return l.manual }, federation, "ArgumentException", unconfigurable},
		{"manual with a subject in another case", func(l *lab) *world.Connection {
			f := l.trusted(manualID)
			f.Subject = strings.ToUpper(f.Subject)
			return l.manual
		}, federation, "ArgumentException", unconfigurable},
		{"manual with another audience", func(l *lab) *world.Connection {
			l.trusted(manualID).Audiences = []string{"api://other"}
			return l.manual
		}, federation, "ArgumentException", unconfigurable},
		{"manual with a federated credential that has not propagated", func(l *lab) *world.Connection {
			l.w.Knobs.FICPropagation = time.Minute
			l.trusted(manualID)
			return l.manual
		}, federation, "ArgumentException", unconfigurable},
		{"a creation mode that is missing counts as manual", func(l *lab) *world.Connection {
			delete(l.auto.Data, "creationMode")
			return l.auto
		}, federation, "ArgumentException", unconfigurable},
		{"automatic with an application that is gone", func(l *lab) *world.Connection {
			clear(l.w.Tenants[tenantID].Apps)
			return l.auto
		}, federation, "ArgumentException", unconfigurable},
		{"automatic with an application that has no room", func(l *lab) *world.Connection {
			for range 20 {
				l.app.FICs = append(l.app.FICs, &world.FIC{ID: l.w.NewID(), Name: l.w.NewID(), Subject: "s"})
			}
			return l.auto
		}, federation, "ArgumentException", unconfigurable},
		{"automatic in another tenant", func(l *lab) *world.Connection {
			l.org.TenantID = orgID
			return l.auto
		}, federation, "AadAccessSilentException", "AAD returned silent failure."},
		{"already in the scheme", func(l *lab) *world.Connection { return l.auto }, byKey, "ArgumentException",
			"Converting endpoint type azurerm scheme from ServicePrincipal to ServicePrincipal is neither an upgrade or a downgrade and is not supported."},
		{"a scheme that does not convert", func(l *lab) *world.Connection {
			l.auto.Scheme = "ManagedServiceIdentity"
			return l.auto
		}, federation, "ArgumentException", "from ManagedServiceIdentity to WorkloadIdentityFederation is neither"},
		{"Azure Stack", func(l *lab) *world.Connection {
			l.auto.Data["environment"] = "AzureStack"
			return l.auto
		}, federation, "ServiceEndpointException", "Unable to connect to the Azure Stack environment. Ignore the failure if the source is Azure DevOps."},
		{"a registry", func(l *lab) *world.Connection {
			l.auto.Type = "dockerregistry"
			return l.auto
		}, federation, "ArgumentException", "Converting endpoint type dockerregistry scheme from ServicePrincipal to WorkloadIdentityFederation is neither"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t)
			c := tc.arrange(l)
			before, fics := *c, len(l.app.FICs)
			_, err := l.convert(c, tc.scheme)
			wantRefused(t, err, 400, tc.typeKey, tc.text)
			if d := cmp.Diff(before, *c); d != "" {
				t.Errorf("the connection changed (-before +after):\n%s", d)
			}
			if len(l.app.FICs) != fics {
				t.Errorf("the application has %d federated credentials, had %d", len(l.app.FICs), fics)
			}
		})
	}
}

func TestConvertingAManualConnectionUsesItsFederatedCredential(t *testing.T) {
	l := newLab(t)
	l.w.Knobs.FICPropagation = time.Minute
	l.trusted(manualID)
	l.w.Clock.Move(time.Minute)
	e, err := l.convert(l.manual, federation)
	if err != nil {
		t.Fatal(err)
	}
	wantScheme(t, e, federation)
	if len(l.app.FICs) != 1 {
		t.Errorf("got %d federated credentials, want the one that was there", len(l.app.FICs))
	}
}

func TestConvertingARegistryWhereItIsSupported(t *testing.T) {
	l := newLab(t)
	l.w.Knobs.ACRConvert = true
	l.auto.Type = "dockerregistry"
	l.auto.Params = map[string]string{"tenantId": tenantID, "serviceprincipalid": appID, "loginServer": "x.azurecr.io", "authenticationType": "spnKey"}
	e, err := l.convert(l.auto, federation)
	if err != nil {
		t.Fatal(err)
	}
	wantScheme(t, e, federation)
	if *e.Url != "https://x.azurecr.io" || params(e)["loginServer"] != "x.azurecr.io" {
		t.Errorf("got url %s, parameters %v", *e.Url, params(e))
	}
}

func TestConvertingTwiceNamesTheScheme(t *testing.T) {
	l := newLab(t)
	if _, err := l.convert(l.auto, federation); err != nil {
		t.Fatal(err)
	}
	_, err := l.convert(l.auto, federation)
	wantRefused(t, err, 400, "ArgumentException",
		"Converting endpoint type azurerm scheme from WorkloadIdentityFederation to WorkloadIdentityFederation is neither an upgrade or a downgrade and is not supported.")
}

func TestRevertingGivesBackWhatWasThere(t *testing.T) {
	for _, name := range []string{"auto", "manual"} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.trusted(manualID)
			c := map[string]*world.Connection{"auto": l.auto, "manual": l.manual}[name]
			params, hidden := cmpClone(c.Params), cmpClone(c.Hidden)
			if _, err := l.convert(c, federation); err != nil {
				t.Fatal(err)
			}
			fics := len(l.app.FICs)
			l.w.Clock.Move(l.w.Knobs.RevertWindow - time.Second)
			e, err := l.convert(c, byKey)
			if err != nil {
				t.Fatal(err)
			}
			wantScheme(t, e, byKey)
			if _, there := (*e.Data)["revertSchemeDeadline"]; there {
				t.Error("a revert deadline is left")
			}
			if d := cmp.Diff(params, c.Params) + cmp.Diff(hidden, c.Hidden); d != "" {
				t.Errorf("(-before +after):\n%s", d)
			}
			if len(l.app.FICs) != fics {
				t.Error("the revert touched Entra")
			}
			if _, err := l.convert(c, federation); err != nil {
				t.Errorf("convert again: %v", err)
			}
			if len(l.app.FICs) != fics {
				t.Error("converting again added a second federated credential")
			}
		})
	}
}

func TestRevertingAfterTheDeadlineIsRefused(t *testing.T) {
	l := newLab(t)
	if _, err := l.convert(l.auto, federation); err != nil {
		t.Fatal(err)
	}
	l.w.Clock.Move(l.w.Knobs.RevertWindow)
	_, err := l.convert(l.auto, byKey)
	wantRefused(t, err, 400, "ArgumentException", "could not be downgraded")
	wantScheme(t, l.mustGet(autoID), federation)
}

func TestRevertingWhatWasMadeWithFederationIsRefused(t *testing.T) {
	l := newLab(t)
	l.auto.Scheme = federation
	_, err := l.convert(l.auto, byKey)
	wantRefused(t, err, 400, "ArgumentException", "could not be downgraded")
}

func TestAsynchronousConversionIsInProgressUntilTheClockMoves(t *testing.T) {
	l := newLab(t)
	l.w.Knobs.ConvertAsync = time.Minute
	e, err := l.convert(l.auto, federation)
	if err != nil {
		t.Fatal(err)
	}
	wantState := func(ready bool, state string) {
		t.Helper()
		if got := e.OperationStatus.(map[string]any)["state"]; *e.IsReady != ready || got != state {
			t.Errorf("got ready %v, state %v; want %v, %s", *e.IsReady, got, ready, state)
		}
	}
	wantState(false, "InProgress")
	wantScheme(t, e, byKey)
	_, err = l.convert(l.auto, federation)
	wantRefused(t, err, 409, "ServiceEndpointException", "in progress")
	if got := l.names(operator, nil); cmp.Diff([]string{"manual"}, got) != "" {
		t.Errorf("the list shows %v, want only what is ready", got)
	}
	l.w.Clock.Move(time.Minute)
	e = l.mustGet(autoID)
	wantState(true, "Ready")
	wantScheme(t, e, federation)
	if len(l.app.FICs) != 1 {
		t.Errorf("got %d federated credentials, want 1", len(l.app.FICs))
	}
	if _, err = l.convert(l.auto, byKey); err != nil {
		t.Fatal(err)
	}
	l.w.Clock.Move(time.Minute)
	wantScheme(t, l.mustGet(autoID), byKey)
}

func TestAsynchronousConversionFailsWhenTheWorldChangedMeanwhile(t *testing.T) {
	l := newLab(t)
	l.w.Knobs.ConvertAsync = time.Minute
	l.trusted(manualID)
	if _, err := l.convert(l.manual, federation); err != nil {
		t.Fatal(err)
	}
	l.app.FICs = nil
	l.w.Clock.Move(time.Minute)
	e := l.mustGet(manualID)
	wantScheme(t, e, byKey)
	status := e.OperationStatus.(map[string]any)
	if status["state"] != "Failed" || status["statusMessage"] != unconfigurable || !*e.IsReady {
		t.Errorf("got %v, ready %v", status, *e.IsReady)
	}
}

func TestASharedConnectionConvertsOnlyFromItsOrigin(t *testing.T) {
	l := newLab(t)
	l.auto.Refs = append(l.auto.Refs, &world.ProjectRef{ProjectID: opsID, ProjectName: "Ops", Name: "auto-ops"})
	payload := `{"id":"` + autoID + `","type":"azurerm","authorization":{"scheme":"WorkloadIdentityFederation"},"serviceEndpointProjectReferences":` +
		`[{"name":"auto-ops","projectReference":{"id":"` + opsID + `"}}]}`
	for _, path := range []string{"/contoso/Ops/_apis/serviceendpoint/endpoints/", "/contoso/_apis/serviceendpoint/endpoints/"} {
		status, _, b := l.raw("PUT", path+autoID+"?operation=ConvertAuthenticationScheme&api-version=7.1", operator, payload)
		if status != 400 || !strings.Contains(string(b), "shared from another project") {
			t.Errorf("%s: got %d %s", path, status, b)
		}
	}
	wantScheme(t, l.mustGet(autoID), byKey)
	e, err := l.convert(l.auto, federation)
	if err != nil {
		t.Fatal(err)
	}
	wantScheme(t, e, federation)
}

func cmpClone(m map[string]string) map[string]string {
	c := map[string]string{}
	for k, v := range m {
		c[k] = v
	}
	return c
}
