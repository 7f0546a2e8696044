// Package azurite installs and starts Azurite, Microsoft's emulator of Azure Storage, for the tests of the shared state.
// It is served over https with a certificate of its own, since Azurite takes Entra tokens over nothing else.
package azurite

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Version is the version that is installed from npm.
const Version = "3.37.0"

// Account is the account that Azurite always has.
const Account = "devstoreaccount1"

// ErrNoNode is returned where there is no npm, or no node to run what it installs.
var ErrNoNode = errors.New("there is no npm: the tests on Azurite need Node.js")

// Install makes sure that Azurite is in the user's cache directory, and gives the path of its blob server's script.
func Install(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "unsecret-test", "azurite-"+Version)
	script := filepath.Join(dir, "node_modules", "azurite", "dist", "src", "blob", "main.js")
	if _, err := os.Stat(script); err == nil {
		return script, nil
	}
	for _, name := range []string{"npm", "node"} {
		if _, err := exec.LookPath(name); err != nil {
			return "", ErrNoNode
		}
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	// Tests of several packages may install at once: each into a directory of its own, and the first to be done wins.
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "installing-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	cmd := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", tmp, "azurite@"+Version)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install azurite: %w: %s", err, out)
	}
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, statErr := os.Stat(script); statErr != nil {
			return "", err
		}
	}
	return script, nil
}

// Server is a running Azurite.
type Server struct {
	Endpoint string // of the account's blobs
	CertFile string // PEM, for SSL_CERT_FILE
	Pool     *x509.CertPool
}

// Start installs Azurite if need be and serves it until the test ends. Where that cannot be the test is skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	script, err := Install(ctx)
	if err != nil {
		t.Skipf("no Azurite: %v", err)
	}
	s := &Server{}
	cert, key := s.certificate(t)
	port := freePort(t)
	s.Endpoint = fmt.Sprintf("https://127.0.0.1:%d/%s", port, Account)
	cmd := exec.Command("node", script, "--blobHost", "127.0.0.1", "--blobPort", fmt.Sprint(port), //nolint:noctx // it ends with the test
		"--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent", "--oauth", "basic", "--cert", cert, "--key", key)
	var said strings.Builder
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &said, &said
	if err := cmd.Start(); err != nil {
		t.Skipf("no Azurite: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	if !s.answers(ended) {
		_ = cmd.Process.Kill()
		<-ended
		t.Fatalf("Azurite does not answer: %s", said.String())
	}
	return s
}

// answers waits until the server takes connections.
func (s *Server) answers(ended <-chan struct{}) bool {
	address := strings.Split(strings.TrimPrefix(s.Endpoint, "https://"), "/")[0]
	for range 600 {
		if c, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", address); err == nil {
			_ = c.Close()
			return true
		}
		select {
		case <-ended:
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
	return false
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// certificate makes a certificate for loopback and writes it and its key where Azurite can read them.
func (s *Server) certificate(t testing.TB) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Azurite of a test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, content := range map[string][]byte{certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.CertFile, s.Pool = certFile, x509.NewCertPool()
	s.Pool.AppendCertsFromPEM(certPEM)
	return certFile, keyFile
}

// Token gives a token as Entra issues them for Azure Storage. Azurite checks issuer, audience and times, and no signature.
func Token() string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err) // maps of texts and numbers are always encoded
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	now := time.Now().Unix()
	return part(map[string]any{"alg": "none", "typ": "JWT"}) + "." + part(map[string]any{
		"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
		"iat": now - 60, "nbf": now - 60, "exp": now + 24*3600,
	}) + ".c2lnbmF0dXJl"
}

// MakeContainer makes a container, as an administrator would before the first run.
func (s *Server) MakeContainer(t testing.TB, client *http.Client, name string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, s.Endpoint+"/"+name+"?restype=container", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+Token())
	req.Header.Set("X-Ms-Version", "2023-11-03")
	r, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	if r.StatusCode != http.StatusCreated {
		t.Fatalf("make a container: %s", r.Status)
	}
}

// Trusts tells whether a process of this system can be told by SSL_CERT_FILE to trust the server
// (crypto/x509: "On Unix systems other than macOS the environment variables SSL_CERT_FILE and SSL_CERT_DIR …").
func Trusts() bool { return runtime.GOOS != "darwin" && runtime.GOOS != "windows" }
