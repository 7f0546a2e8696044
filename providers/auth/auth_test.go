package auth_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers/auth"
	"github.com/unsecret-dev/unsecret/providers/azuredevops"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

const canary = "c4n4ry"

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func source(t *testing.T, a *auth.Azure) (transport.TokenSource, error) {
	t.Helper()
	var err error
	if a.Cloud, err = auth.CloudNamed(""); err != nil {
		t.Fatal(err)
	}
	a.Transport = transport.New(transport.Options{Attempts: 1})
	t.Cleanup(a.Transport.Close)
	return a.Source(auth.EnvGraph, "https://graph.microsoft.com/.default")
}

func TestATokenInTheEnvironmentIsTakenAsItIs(t *testing.T) {
	for _, mode := range []string{"", auth.ModeDefault, auth.ModeEnvironment} {
		s, err := source(t, &auth.Azure{Mode: mode, Getenv: environment(map[string]string{auth.EnvGraph: canary + "\n"})})
		if err != nil {
			t.Fatal(err)
		}
		if token, err := s(t.Context()); err != nil || token != canary {
			t.Errorf("%q: %q %v", mode, token, err)
		}
	}
	_, err := source(t, &auth.Azure{Mode: auth.ModeEnvironment, Getenv: environment(nil)})
	if err == nil || !strings.Contains(err.Error(), auth.EnvGraph) {
		t.Errorf("without: %v", err)
	}
}

func TestWhatIsMissingForASignInIsSaid(t *testing.T) {
	cases := []struct {
		mode string
		env  map[string]string
		want string
	}{
		{auth.ModeGitHubActions, nil, "id-token: write"},
		{auth.ModeGitHubActions, map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": canary}, "auth.clientId"},
		{auth.ModeAzurePipelines, nil, "SYSTEM_OIDCREQUESTURI"},
		{auth.ModeAzurePipelines, map[string]string{"SYSTEM_OIDCREQUESTURI": "https://dev.azure.com/x"}, "SYSTEM_ACCESSTOKEN"},
		{auth.ModeAzurePipelines, map[string]string{"SYSTEM_OIDCREQUESTURI": "https://dev.azure.com/x", "SYSTEM_ACCESSTOKEN": canary}, "serviceConnectionId"},
		{"password", nil, `"password" is not a way`},
	}
	for _, c := range cases {
		_, err := source(t, &auth.Azure{Mode: c.mode, Getenv: environment(c.env)})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s %v: %v", c.mode, c.env, err)
		}
	}
}

func TestTheEnvironmentDecidesTheDefault(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{"AZURE_CLIENT_ID": "11111111-1111-1111-1111-111111111111", "AZURE_TENANT_ID": "22222222-2222-2222-2222-222222222222"}
	for _, env := range []map[string]string{
		{"AZURE_FEDERATED_TOKEN_FILE": token},
		{"ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example/x?y=z", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"},
		{"IDENTITY_ENDPOINT": "http://127.0.0.1/x", "IDENTITY_HEADER": "x"},
		{},
	} {
		for k, v := range ids {
			env[k] = v
		}
		if _, err := source(t, &auth.Azure{Getenv: environment(env)}); err != nil {
			t.Errorf("%v: %v", env, err)
		}
	}
}

func TestTokensAreKeptUntilShortlyBeforeTheirEnd(t *testing.T) {
	for lasts, want := range map[time.Duration]int{time.Hour: 1, 4 * time.Minute: 3} {
		minted := 0
		source := auth.Cached(func(context.Context) (string, time.Time, error) {
			minted++
			return "token", time.Now().Add(lasts), nil
		})
		for range 3 {
			if token, err := source(t.Context()); err != nil || token != "token" {
				t.Fatal(token, err)
			}
		}
		if minted != want {
			t.Errorf("a token of %s was minted %d times", lasts, minted)
		}
	}
}

func TestASignInThatFailsSaysOfWhatAndWhatToDo(t *testing.T) {
	cloud, err := auth.CloudNamed("")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	for _, tc := range []struct{ variable, scope, service string }{
		{auth.EnvAzureDevOps, azuredevops.Scope, "Azure DevOps"}, {auth.EnvGraph, cloud.Graph + "/.default", "Microsoft Graph"},
		{auth.EnvARM, cloud.ARM + "/.default", "Azure Resource Manager"},
	} {
		a := &auth.Azure{Mode: auth.ModeAzureCLI, Tenant: "contoso.example", Cloud: cloud, Getenv: func(string) string { return "" }}
		source, err := a.Source(tc.variable, tc.scope)
		if err != nil {
			t.Fatal(err)
		}
		_, err = source(t.Context())
		var failed *execute.SignInError
		if !errors.As(err, &failed) || !strings.HasPrefix(err.Error(), "signing in to "+tc.service+" with the Azure CLI: ") ||
			!strings.Contains(failed.Next, "az login --tenant contoso.example") {
			t.Errorf("%s: %v, %+v", tc.scope, err, failed)
		}
	}
}

func jwtOf(t *testing.T, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: make([]byte, 32)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheTenantIsResolved(t *testing.T) {
	const id = "22222222-2222-4222-8222-222222222222"
	entra := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid_tenant"}`))
			return
		}
		_, _ = fmt.Fprintf(w, `{"issuer":"https://login.microsoftonline.com/%s/v2.0"}`, id)
	}))
	defer entra.Close()
	cases := []struct{ configured, token, want string }{
		{strings.ToUpper(id), "opaque", id},
		{"contoso.onmicrosoft.com", "opaque", id},
		{"", jwtOf(t, map[string]any{"tid": id}), id},
		{"", "opaque", ""},
		{"", jwtOf(t, map[string]any{}), ""},
		{"fabrikam.com", "opaque", ""},
	}
	for _, c := range cases {
		a := &auth.Azure{Tenant: c.configured, Authority: entra.URL, Getenv: environment(nil), Transport: transport.New(transport.Options{ReadOnly: true})}
		got, err := a.ResolveTenant(t.Context(), transport.Static(c.token))
		a.Transport.Close()
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: %q %v", c.configured, got, err)
		}
	}
}

func TestGitHubsTokenIsThatOfItsHost(t *testing.T) {
	env := environment(map[string]string{"GITHUB_TOKEN": "public", "GH_ENTERPRISE_TOKEN": "enterprise"})
	t.Setenv("PATH", t.TempDir()) // no gh
	for host, want := range map[string]string{"github.com": "public", "contoso.ghe.com": "public", "git.contoso.com": "enterprise"} {
		s, err := auth.GitHubToken(t.Context(), host, env)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := s(t.Context()); got != want {
			t.Errorf("%s: %q", host, got)
		}
	}
	_, err := auth.GitHubToken(t.Context(), "github.com", environment(nil))
	if err == nil || !strings.Contains(err.Error(), "gh auth login --hostname github.com") {
		t.Error(err)
	}
}

func TestGHIsAskedForItsToken(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the gh of this test is a shell script")
	}
	dir := t.TempDir()
	script := "#!/bin/sh\n[ \"$*\" = \"auth token --hostname github.com\" ] && echo " + canary + "\n"
	if err := os.WriteFile(filepath.Join(dir, "gh"), []byte(script), 0o700); err != nil { //nolint:gosec // it must be executable
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	s, err := auth.GitHubToken(t.Context(), "github.com", environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := s(t.Context()); got != canary {
		t.Errorf("%q", got)
	}
}

func keyFile(t *testing.T) (string, *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "app.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name, key
}

func TestAnAppSignsItselfInAndItsTokenIsKept(t *testing.T) {
	name, key := keyFile(t)
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		if r.URL.Path != "/api/v3/app/installations/7/access_tokens" {
			t.Errorf("path %s", r.URL.Path)
		}
		token, err := jwt.ParseSigned(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), []jose.SignatureAlgorithm{jose.RS256})
		var claims jwt.Claims
		if err == nil {
			err = token.Claims(&key.PublicKey, &claims)
		}
		if err != nil || claims.Issuer != "42" || claims.Expiry.Time().Sub(claims.IssuedAt.Time()) > 10*time.Minute {
			t.Errorf("%+v %v", claims, err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"token": canary, "expires_at": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	}))
	defer server.Close()
	tr := transport.New(transport.Options{ReadOnly: true})
	defer tr.Close()
	s, err := auth.GitHubApp{ID: 42, Installation: 7, PrivateKeyFile: name}.Source(tr, server.URL+"/api/v3/")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got, err := s(t.Context()); err != nil || got != canary {
			t.Errorf("%q %v", got, err)
		}
	}
	if n != 1 {
		t.Errorf("%d tokens were minted", n)
	}
}

func TestAKeyThatIsNoneIsAClearError(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.pem")
	if err := os.WriteFile(bad, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{bad, bad + ".missing"} {
		_, err := auth.GitHubApp{ID: 1, PrivateKeyFile: name}.Source(transport.New(transport.Options{}), "https://api.github.com/")
		if err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "bad.pem") {
			t.Error(err)
		}
	}
}

func TestCloudsAreKnownByName(t *testing.T) {
	for _, name := range []string{"", "public", "usgovernment", "usdod", "china"} {
		c, err := auth.CloudNamed(name)
		if err != nil || c.Authority == "" || c.Graph == "" || c.ARM == "" || !strings.HasPrefix(c.Audience, "api://AzureADTokenExchange") {
			t.Errorf("%q: %+v %v", name, c, err)
		}
	}
	if _, err := auth.CloudNamed("moon"); err == nil {
		t.Error("there is a cloud on the moon")
	}
}
