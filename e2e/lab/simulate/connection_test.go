package simulate_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const (
	connectionID = "44444444-4444-4444-8444-444444444444"
	devOpsIssuer = "https://vstoken.dev.azure.com/55555555-5555-4555-8555-555555555555"
)

// withConnection adds an organisation with one connection of the application.
func withConnection(t *testing.T, change func(l *lab, c *world.Connection)) (*lab, *world.Connection) {
	t.Helper()
	l := newLab(t, map[string]string{})
	c := &world.Connection{
		ID: connectionID, Type: "azurerm", Scheme: "ServicePrincipal",
		Params: map[string]string{"tenantid": tenantID, "serviceprincipalid": appID, "authenticationType": "spnKey", "serviceprincipalkey": ""},
		Hidden: map[string]string{"serviceprincipalkey": password},
		Refs:   []*world.ProjectRef{{ProjectID: "p1", ProjectName: "Web", Name: "prod"}},
	}
	l.w.DevOps["acme"] = &world.DevOpsOrg{ID: "55555555-5555-4555-8555-555555555555", Name: "acme", Connections: map[string]*world.Connection{connectionID: c}}
	if change != nil {
		change(l, c)
	}
	return l, c
}

func federate(l *lab, c *world.Connection, subject string) {
	c.Scheme = "WorkloadIdentityFederation"
	c.Hidden = nil
	c.Params["workloadIdentityFederationIssuer"] = devOpsIssuer
	c.Params["workloadIdentityFederationSubject"] = subject
	l.app.FICs = append(l.app.FICs, &world.FIC{ID: "f", Issuer: devOpsIssuer, Subject: "sc://acme/Web/prod", Audiences: []string{"api://AzureADTokenExchange"}})
}

func TestConnectionSignsInAsItsSchemeSays(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(l *lab, c *world.Connection)
		code   string
	}{
		"a key":           {nil, ""},
		"a wrong key":     {func(_ *lab, c *world.Connection) { c.Hidden["serviceprincipalkey"] = "no" }, "AADSTS7000215"},
		"a removed key":   {func(l *lab, _ *world.Connection) { l.app.Passwords = nil }, "AADSTS7000215"},
		"a federation":    {func(l *lab, c *world.Connection) { federate(l, c, "sc://acme/Web/prod") }, ""},
		"another subject": {func(l *lab, c *world.Connection) { federate(l, c, "sc://acme/Web/test") }, "AADSTS700213"},
		"another case":    {func(l *lab, c *world.Connection) { federate(l, c, "sc://acme/web/prod") }, "AADSTS7002138"},
		"a managed identity": {func(_ *lab, c *world.Connection) {
			c.Scheme, c.Hidden = "ManagedServiceIdentity", nil
		}, ""},
		"a certificate": {certificate, ""},
		"a certificate that is not registered": {func(l *lab, c *world.Connection) {
			certificate(l, c)
			l.app.Keys = nil
		}, "AADSTS700027"},
		"disabled":      {func(_ *lab, c *world.Connection) { c.Disabled = true }, "the service connection is disabled"},
		"in conversion": {func(l *lab, c *world.Connection) { c.BusyUntil = l.w.Clock.Now().Add(time.Hour) }, "the service connection is not ready: an operation is in progress"},
		"converted": {func(l *lab, c *world.Connection) {
			c.OpState, c.NotReady, c.BusyUntil = "InProgress", true, l.w.Clock.Now().Add(-time.Hour)
		}, ""},
		"not ready": {func(_ *lab, c *world.Connection) { c.NotReady = true }, "the service connection is not ready"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, c := withConnection(t, tc.change)
			ok, code := l.sim.Connection(context.Background(), "Acme", connectionID)
			if code != tc.code || ok != (tc.code == "") {
				t.Errorf("got %v %q, want %q", ok, code, tc.code)
			}
			result := map[bool]string{true: "succeeded", false: "failed"}[ok]
			if len(c.History) != 1 || c.History[0].Result != result || c.History[0].ProjectID != "p1" {
				t.Errorf("the history is %+v", c.History)
			}
			if runs := l.w.DevOps["acme"].Runs; len(runs) != 1 || runs[0].OK != ok {
				t.Errorf("the runs are %+v", runs)
			}
		})
	}
}

// certificate gives the connection and the application a certificate.
func certificate(l *lab, c *world.Connection) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "deploy"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	sum := sha1.Sum(der)
	l.app.Keys = []*world.AppKey{{KeyID: "c1", Usage: "Verify", Thumbprint: base64.StdEncoding.EncodeToString(sum[:])}}
	c.Params["authenticationType"] = "spnCertificate"
	c.Hidden = map[string]string{"servicePrincipalCertificate": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

func TestConnectionThatDoesNotExistFails(t *testing.T) {
	t.Parallel()
	l, _ := withConnection(t, nil)
	for _, org := range []string{"acme", "nobody"} {
		if ok, code := l.sim.Connection(context.Background(), org, "none"); ok || code == "" {
			t.Errorf("%s: got %v %q", org, ok, code)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if ok, code := l.sim.Connection(ctx, "acme", connectionID); ok || code != context.Canceled.Error() {
		t.Errorf("cancelled: got %v %q", ok, code)
	}
}
