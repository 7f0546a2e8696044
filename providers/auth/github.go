package auth

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	gh "github.com/google/go-github/v60/github"

	"github.com/unsecret-dev/unsecret/providers/transport"
)

// GitHubApp is a GitHub App and its installation.
type GitHubApp struct {
	ID             int64
	Installation   int64
	PrivateKeyFile string
}

// GitHubToken finds the token for a GitHub host as gh does: in the environment, else what "gh auth token" gives.
// The variables for github.com are not used for an Enterprise Server, nor the other way round
// (GitHub CLI manual: gh help environment).
func GitHubToken(ctx context.Context, host string, getenv func(string) string) (transport.TokenSource, error) {
	names := []string{"GH_TOKEN", "GITHUB_TOKEN"}
	if host != "github.com" && !strings.HasSuffix(host, ".ghe.com") {
		names = []string{"GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"}
	}
	for _, name := range names {
		if token := strings.TrimSpace(getenv(name)); token != "" {
			return transport.Static(token), nil
		}
	}
	token, err := ghToken(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("sign in to %s: set %s, or run gh auth login --hostname %s (%w)", host, strings.Join(names, " or "), host, err)
	}
	return transport.Static(token), nil
}

// ghToken asks the GitHub CLI. The host is an argument, never part of a shell's line.
func ghToken(ctx context.Context, host string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, "gh", "auth", "token", "--hostname", host)
	var out bytes.Buffer
	command.Stdout = &out
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("gh auth token: %w", err)
	}
	token := strings.TrimSpace(out.String())
	if token == "" {
		return "", errors.New("gh auth token gave nothing")
	}
	return token, nil
}

// Source gives the token source of the app's installation. baseURL is the REST API with its trailing slash.
func (a GitHubApp) Source(t *transport.Transport, baseURL string) (transport.TokenSource, error) {
	key, err := readKey(a.PrivateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("sign in as GitHub App %d: %w", a.ID, err)
	}
	host, err := transport.Host(baseURL)
	if err != nil {
		return nil, err
	}
	path := fmt.Sprintf("/app/installations/%d/access_tokens", a.Installation)
	client, err := t.Client(transport.ClientOptions{
		Kind: "login", Hosts: []string{host},
		Token: func(context.Context) (string, error) { return a.assertion(key, t.Now()) },
		// A token is minted; nothing that belongs to the organisation changes.
		IsRead: func(r *http.Request, _ []byte) bool { return strings.HasSuffix(r.URL.Path, path) },
	})
	if err != nil {
		return nil, err
	}
	apps := gh.NewClient(client)
	if apps.BaseURL, err = url.Parse(strings.TrimRight(baseURL, "/") + "/"); err != nil {
		return nil, err
	}
	return Cached(func(ctx context.Context) (string, time.Time, error) {
		token, _, err := apps.Apps.CreateInstallationToken(ctx, a.Installation, nil)
		if err != nil {
			return "", time.Time{}, fmt.Errorf("getting a token for installation %d of GitHub App %d: %w", a.Installation, a.ID, transport.Clean(err))
		}
		// The end is the server's time; what counts here is the local clock.
		return token.GetToken(), time.Now().Add(token.GetExpiresAt().Sub(t.Now())), nil
	}), nil
}

// assertion signs the app's own token (GitHub Docs: Generating a JSON Web Token for a GitHub App: at most ten
// minutes, and a minute back against clocks that differ).
func (a GitHubApp) assertion(key *rsa.PrivateKey, now time.Time) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("signing as GitHub App %d: %w", a.ID, err)
	}
	return jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: strconv.FormatInt(a.ID, 10), IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)), Expiry: jwt.NewNumericDate(now.Add(8 * time.Minute)),
	}).Serialize()
}

func readKey(file string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading its private key: %w", err)
	}
	defer clear(text)
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is not a private key in PEM form", file)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s is not an RSA private key", file)
	}
	return key, nil
}
