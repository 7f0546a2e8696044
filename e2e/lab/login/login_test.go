package login_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab/login"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const (
	tenantID = "11111111-1111-4111-8111-111111111111"
	clientID = "22222222-2222-4222-8222-222222222222"
	devOpsID = "33333333-3333-4333-8333-333333333333"
	scope    = "https://management.azure.com/.default"
	subject  = "repo:contoso/shop:ref:refs/heads/main"
)

var start = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// newWorld has one application with a living password, an expired one and three federated credentials.
func newWorld(t *testing.T) (*world.World, *world.App, *login.Server) {
	t.Helper()
	w := world.New(1)
	w.Clock.Freeze(start)
	app := &world.App{
		ObjectID: "obj", AppID: clientID, DisplayName: "shop deploy", SignInAudience: "AzureADMyOrg",
		Passwords: []*world.AppPassword{
			{KeyID: "live", Value: "the right one", End: start.Add(time.Hour)},
			{KeyID: "old", Value: "the expired one", End: start.Add(-time.Hour)},
		},
		FICs: []*world.FIC{
			{ID: "fic-main", Issuer: login.GitHubIssuer, Subject: subject, Audiences: []string{world.TokenExchangeAudience}},
			{ID: "fic-entra", Issuer: world.EntraIssuer(tenantID), Subject: "/eid1/c/pub/sc/1", Audiences: []string{world.TokenExchangeAudience}},
			{ID: "fic-flexible", Issuer: login.GitHubIssuer, Expression: "claims['sub'] matches 'repo:contoso/shop:ref:refs/tags/*' and claims['repository_id'] eq '42'", Audiences: []string{world.TokenExchangeAudience}},
		},
		SP: &world.ServicePrincipal{ObjectID: "sp", Enabled: true, Passwords: []*world.AppPassword{{KeyID: "sp-key", Value: "of the principal", End: start.Add(time.Hour)}}},
	}
	w.Tenants[tenantID] = &world.Tenant{ID: tenantID, Name: "contoso", Apps: map[string]*world.App{"obj": app}}
	w.Tenants["other"] = &world.Tenant{ID: "other", Name: "fabrikam", Apps: map[string]*world.App{}}
	w.DevOps["contoso"] = &world.DevOpsOrg{ID: devOpsID, Name: "contoso"}
	return w, app, login.New(w)
}

func secretForm(secret string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {scope}, "client_secret": {secret}}
}

func assertionForm(token string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {scope}, "client_assertion": {token},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
}

// claims are a good GitHub token's; change edits them.
func claims(change map[string]any) map[string]any {
	c := map[string]any{"sub": subject, "aud": world.TokenExchangeAudience, "repository_id": "42", "iat": start.Unix(), "nbf": start.Unix(), "exp": start.Add(5 * time.Minute).Unix()}
	for k, v := range change {
		c[k] = v
	}
	return c
}

func sign(t *testing.T, s *login.Server, issuer string, change map[string]any) string {
	t.Helper()
	token, err := s.Sign(issuer, claims(change))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestExchange has one line for every answer of the token endpoint.
func TestExchange(t *testing.T) {
	type result struct {
		Status, Code        int
		Kind, Logged, KeyID string
		FICID               string
	}
	federated := func(issuer string, change map[string]any) func(*testing.T, *login.Server) url.Values {
		return func(t *testing.T, s *login.Server) url.Values { return assertionForm(sign(t, s, issuer, change)) }
	}
	secret := func(v string) func(*testing.T, *login.Server) url.Values {
		return func(*testing.T, *login.Server) url.Values { return secretForm(v) }
	}
	without := func(name string) func(*testing.T, *login.Server) url.Values {
		return func(*testing.T, *login.Server) url.Values {
			f := secretForm("the right one")
			f.Del(name)
			return f
		}
	}
	const byFIC, bySecret = "federatedIdentityCredential", "clientSecret"
	for _, c := range []struct {
		name    string
		tenant  string
		prepare func(*world.World, *world.App)
		form    func(*testing.T, *login.Server) url.Values
		want    result
		text    string
	}{
		{name: "a living secret signs in", form: secret("the right one"), want: result{Status: 200, Logged: bySecret, KeyID: "live"}},
		{name: "a service principal's own secret signs in", form: secret("of the principal"), want: result{Status: 200, Logged: bySecret, KeyID: "sp-key"}},
		{name: "a wrong secret", form: secret("nonsense"), want: result{Status: 401, Code: 7000215, Kind: "invalid_client", Logged: bySecret}, text: "Invalid client secret provided."},
		{name: "an expired secret names its key in the log", form: secret("the expired one"), want: result{Status: 401, Code: 7000222, Kind: "invalid_client", Logged: bySecret, KeyID: "old"}},
		{name: "an exact federated credential signs in", form: federated(login.GitHubIssuer, nil), want: result{Status: 200, Logged: byFIC, FICID: "fic-main"}},
		{name: "the Entra issuer signs in", form: federated(world.EntraIssuer(tenantID), map[string]any{"sub": "/eid1/c/pub/sc/1"}), want: result{Status: 200, Logged: byFIC, FICID: "fic-entra"}},
		{name: "a flexible credential signs in", form: federated(login.GitHubIssuer, map[string]any{"sub": "repo:contoso/shop:ref:refs/tags/v1"}), want: result{Status: 200, Logged: byFIC, FICID: "fic-flexible"}},
		{name: "a flexible credential needs every claim", form: federated(login.GitHubIssuer, map[string]any{"sub": "repo:contoso/shop:ref:refs/tags/v1", "repository_id": "43"}), want: result{Status: 401, Code: 700213, Kind: "invalid_client", Logged: byFIC}},
		{name: "another issuer", form: federated(world.DevOpsIssuer(devOpsID), nil), want: result{Status: 401, Code: 700211, Kind: "invalid_client", Logged: byFIC}, text: "presented assertion issuer 'https://vstoken.dev.azure.com/" + devOpsID + "'"},
		{name: "another subject", form: federated(login.GitHubIssuer, map[string]any{"sub": "repo:contoso/shop:pull_request"}), want: result{Status: 401, Code: 700213, Kind: "invalid_client", Logged: byFIC}, text: "presented assertion subject 'repo:contoso/shop:pull_request'"},
		{name: "a subject in another case", form: federated(login.GitHubIssuer, map[string]any{"sub": "repo:Contoso/shop:ref:refs/heads/main"}), want: result{Status: 401, Code: 7002138, Kind: "invalid_client", Logged: byFIC}, text: "case-insensitive comparison"},
		{name: "another audience", form: federated(login.GitHubIssuer, map[string]any{"aud": "https://github.com/contoso"}), want: result{Status: 401, Code: 700212, Kind: "invalid_client", Logged: byFIC}},
		{name: "an expired assertion", form: federated(login.GitHubIssuer, map[string]any{"exp": start.Add(-time.Second).Unix()}), want: result{Status: 401, Code: 700024, Kind: "invalid_client", Logged: byFIC}},
		{name: "an assertion of the future", form: federated(login.GitHubIssuer, map[string]any{"nbf": start.Add(time.Hour).Unix(), "exp": start.Add(2 * time.Hour).Unix()}), want: result{Status: 401, Code: 700024, Kind: "invalid_client", Logged: byFIC}},
		{name: "no federated credential at all", prepare: func(_ *world.World, a *world.App) { a.FICs = nil }, form: federated(login.GitHubIssuer, nil), want: result{Status: 401, Code: 70025, Kind: "invalid_client", Logged: byFIC}, text: "has no configured federated identity credentials"},
		{name: "a federated credential that has not propagated", prepare: func(w *world.World, a *world.App) {
			w.Knobs.FICPropagation, a.FICs[0].Created = time.Minute, start.Add(-59*time.Second)
		}, form: federated(login.GitHubIssuer, nil), want: result{Status: 401, Code: 70021, Kind: "invalid_client", Logged: byFIC}, text: "Assertion Subject: '" + subject + "'"},
		{name: "a federated credential that has propagated", prepare: func(w *world.World, a *world.App) {
			w.Knobs.FICPropagation, a.FICs[0].Created = time.Minute, start.Add(-time.Minute)
		}, form: federated(login.GitHubIssuer, nil), want: result{Status: 200, Logged: byFIC, FICID: "fic-main"}},
		{name: "a multi-tenant application cannot use the Entra issuer", prepare: func(_ *world.World, a *world.App) { a.SignInAudience = "AzureADMultipleOrgs" }, form: federated(world.EntraIssuer(tenantID), map[string]any{"sub": "/eid1/c/pub/sc/1"}), want: result{Status: 401, Code: 70052, Kind: "invalid_client", Logged: byFIC}},
		{name: "a forged token", form: func(t *testing.T, s *login.Server) url.Values {
			other := login.New(world.New(2))
			return assertionForm(sign(t, other, login.GitHubIssuer, nil))
		}, want: result{Status: 401, Code: 700027, Kind: "invalid_client", Logged: byFIC}},
		{name: "a token that is none", form: func(*testing.T, *login.Server) url.Values { return assertionForm("e30.e30.e30") }, want: result{Status: 401, Code: 50027, Kind: "invalid_client", Logged: byFIC}},
		{name: "an application that is gone", prepare: func(w *world.World, _ *world.App) { clear(w.Tenants[tenantID].Apps) }, form: secret("the right one"), want: result{Status: 400, Code: 700016, Kind: "unauthorized_client", Logged: bySecret}},
		{name: "the wrong tenant", tenant: "other", form: secret("the right one"), want: result{Status: 400, Code: 700016, Kind: "unauthorized_client", Logged: bySecret}, text: "was not found in the directory 'fabrikam'"},
		{name: "a tenant that does not exist", tenant: "nowhere", form: secret("the right one"), want: result{Status: 400, Code: 90002, Kind: "invalid_request"}},
		{name: "a disabled service principal", prepare: func(_ *world.World, a *world.App) { a.SP.Enabled = false }, form: federated(login.GitHubIssuer, nil), want: result{Status: 400, Code: 7000112, Kind: "unauthorized_client", Logged: byFIC}},
		{name: "a disabled application", prepare: func(_ *world.World, a *world.App) { a.Disabled = true }, form: secret("the right one"), want: result{Status: 400, Code: 7000112, Kind: "unauthorized_client", Logged: bySecret}},
		{name: "no service principal", prepare: func(_ *world.World, a *world.App) { a.SP = nil }, form: secret("the right one"), want: result{Status: 400, Code: 7000229, Kind: "unauthorized_client", Logged: bySecret}},
		{name: "no credential", form: without("client_secret"), want: result{Status: 401, Code: 7000216, Kind: "invalid_client"}},
		{name: "no scope", form: without("scope"), want: result{Status: 400, Code: 900144, Kind: "invalid_request"}},
		{name: "another grant", form: func(*testing.T, *login.Server) url.Values {
			f := secretForm("the right one")
			f.Set("grant_type", "password")
			return f
		}, want: result{Status: 400, Code: 70003, Kind: "unsupported_grant_type"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, app, s := newWorld(t)
			if c.prepare != nil {
				c.prepare(w, app)
			}
			tenant := c.tenant
			if tenant == "" {
				tenant = tenantID
			}
			status, body := s.Exchange(tenant, c.form(t, s))
			got := result{Status: status}
			if codes, _ := body["error_codes"].([]any); len(codes) == 1 {
				got.Code = codes[0].(int)
			}
			got.Kind, _ = body["error"].(string)
			if len(w.SignIns) == 1 {
				e := w.SignIns[0]
				got.Logged, got.KeyID, got.FICID = e.CredentialType, e.KeyID, e.FICID
				if e.ErrorCode != got.Code || !e.Time.Equal(start) || e.AppID != clientID {
					t.Errorf("logged %+v for code %d", e, got.Code)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s\n%v", diff, body["error_description"])
			}
			description, _ := body["error_description"].(string)
			if got.Code != 0 && !strings.HasPrefix(description, fmt.Sprintf("AADSTS%d: ", got.Code)) || !strings.Contains(description, c.text) {
				t.Errorf("description %q, want %q in it", description, c.text)
			}
		})
	}
}

func TestACertificateOfTheApplicationSignsIn(t *testing.T) {
	w, app, s := newWorld(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shop"}, NotBefore: start, NotAfter: start.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key},
		(&jose.SignerOptions{}).WithHeader("x5c", []string{base64.StdEncoding.EncodeToString(der)}))
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := json.Marshal(claims(map[string]any{"iss": clientID, "sub": clientID, "aud": "https://login.microsoftonline.com/" + tenantID + "/v2.0"}))
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, _ := jws.CompactSerialize()
	if status, body := s.Exchange(tenantID, assertionForm(token)); status != 401 {
		t.Fatalf("an unregistered certificate got %d %v", status, body)
	}
	thumbprint := sha1.Sum(der)
	app.Keys = []*world.AppKey{{KeyID: "cert", Usage: "Verify", Thumbprint: base64.StdEncoding.EncodeToString(thumbprint[:]), End: start.Add(time.Hour)}}
	if status, body := s.Exchange(tenantID, assertionForm(token)); status != 200 {
		t.Fatalf("the registered certificate got %d %v", status, body)
	}
	if e := w.SignIns[1]; e.CredentialType != "certificate" || e.KeyID != "cert" {
		t.Errorf("logged %+v", e)
	}
}

func TestAccessTokensVerifyWithThePublishedKeys(t *testing.T) {
	w, app, s := newWorld(t)
	app.Tags = []string{"lab-role:reader"}
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	resp, err := http.PostForm(srv.URL+"/"+tenantID+"/oauth2/v2.0/token", secretForm("the right one"))
	if err != nil {
		t.Fatal(err)
	}
	var token struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	decode(t, resp, &token)
	var discovery struct{ Issuer, JWKSURI string }
	get(t, srv.URL+"/"+tenantID+"/v2.0/.well-known/openid-configuration", &struct {
		Issuer  *string `json:"issuer"`
		JWKSURI *string `json:"jwks_uri"`
	}{&discovery.Issuer, &discovery.JWKSURI})
	payload := verify(t, token.AccessToken, discovery.JWKSURI)
	if payload["aud"] != "https://management.azure.com" || payload["appid"] != clientID || payload["tid"] != tenantID || payload["iss"] != "https://sts.windows.net/"+tenantID+"/" {
		t.Errorf("claims %v", payload)
	}
	if entry := w.Tokens[token.AccessToken]; entry == nil || entry.Role != world.RoleReader || entry.Audience != world.AudienceARM {
		t.Errorf("the token of an application tagged lab-role:reader is registered as %+v", entry)
	}
	if e := w.SignIns[0]; e.IP != "127.0.0.1" {
		t.Errorf("logged address %s", e.IP)
	}
}

func TestIssuersPublishTheKeysOfTheirTokens(t *testing.T) {
	_, _, s := newWorld(t)
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	for path, issuer := range map[string]string{
		"/_issuers/github":              login.GitHubIssuer,
		"/_issuers/devops/contoso":      world.DevOpsIssuer(devOpsID),
		"/_issuers/devops/" + devOpsID:  world.DevOpsIssuer(devOpsID),
		"/" + tenantID + "/v2.0":        world.EntraIssuer(tenantID),
		"/contoso.onmicrosoft.com/v2.0": world.EntraIssuer(tenantID),
	} {
		var d struct {
			Issuer  string `json:"issuer"`
			JWKSURI string `json:"jwks_uri"`
		}
		get(t, srv.URL+path+"/.well-known/openid-configuration", &d)
		if d.Issuer != issuer {
			t.Errorf("%s: issuer %s, want %s", path, d.Issuer, issuer)
		}
		if got := verify(t, sign(t, s, issuer, nil), d.JWKSURI); got["iss"] != issuer || got["sub"] != subject {
			t.Errorf("%s: claims %v", path, got)
		}
	}
}

func verify(t *testing.T, token, jwks string) map[string]any {
	t.Helper()
	var set jose.JSONWebKeySet
	get(t, jwks, &set)
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	keys := set.Key(jws.Signatures[0].Header.KeyID)
	if len(keys) != 1 {
		t.Fatalf("%s has %d keys of id %s", jwks, len(keys), jws.Signatures[0].Header.KeyID)
	}
	payload, err := jws.Verify(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func get(t *testing.T, address string, into any) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	decode(t, resp, into)
}

func decode(t *testing.T, resp *http.Response, into any) {
	t.Helper()
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s answered %s", resp.Request.URL, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}
