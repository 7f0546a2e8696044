package login

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	jose "github.com/go-jose/go-jose/v4"
)

// GitHubIssuer is what GitHub.com puts into the tokens of its workflow runs (github/docs, "OpenID Connect reference").
// Issuers are named as the real services name themselves; the lab publishes their keys in its own discovery documents.
const GitHubIssuer = "https://token.actions.githubusercontent.com"

// accessTokenIssuer is the issuer of the access tokens that the token endpoint gives out (version 1 tokens,
// as for Azure Resource Manager).
func accessTokenIssuer(tenant string) string { return "https://sts.windows.net/" + tenant + "/" }

// keys holds one RSA key for all issuers, made when it is first needed; the key id tells the issuers apart.
type keys struct {
	once    sync.Once
	private *rsa.PrivateKey
	err     error

	mu      sync.Mutex
	signers map[string]jose.Signer // by issuer
}

func (k *keys) key() (*rsa.PrivateKey, error) {
	k.once.Do(func() { k.private, k.err = rsa.GenerateKey(rand.Reader, 2048) })
	if k.err != nil {
		return nil, fmt.Errorf("make the lab's signing key: %w", k.err)
	}
	return k.private, nil
}

// keyID is stable for an issuer and different between issuers.
func keyID(issuer string) string {
	d := sha256.Sum256([]byte(issuer))
	return base64.RawURLEncoding.EncodeToString(d[:20])
}

func (k *keys) signer(issuer string) (jose.Signer, error) {
	private, err := k.key()
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.signers[issuer]; s != nil {
		return s, nil
	}
	jwk := jose.JSONWebKey{Key: private, KeyID: keyID(issuer), Algorithm: string(jose.RS256), Use: "sig"}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jwk}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("make a signer for issuer %s: %w", issuer, err)
	}
	if k.signers == nil {
		k.signers = map[string]jose.Signer{}
	}
	k.signers[issuer] = s
	return s, nil
}

// sign makes a compact JWT of the claims; iss is set to the issuer.
func (k *keys) sign(issuer string, claims map[string]any) (string, error) {
	s, err := k.signer(issuer)
	if err != nil {
		return "", err
	}
	all := map[string]any{}
	for name, v := range claims {
		all[name] = v
	}
	all["iss"] = issuer
	payload, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("encode the claims of a token of issuer %s: %w", issuer, err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign a token of issuer %s: %w", issuer, err)
	}
	return signed.CompactSerialize()
}

// set is the JWKS of some issuers.
func (k *keys) set(issuers ...string) (jose.JSONWebKeySet, error) {
	private, err := k.key()
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	var set jose.JSONWebKeySet
	for _, issuer := range issuers {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: private.Public(), KeyID: keyID(issuer), Algorithm: string(jose.RS256), Use: "sig"})
	}
	return set, nil
}

// assertion is a presented JWT, parsed; nothing of it is trusted before its signature is verified.
type assertion struct {
	raw    string
	jws    *jose.JSONWebSignature
	claims map[string]any
}

// signatureAlgorithms are what Entra accepts of federated tokens and certificate assertions.
var signatureAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256}

func parseAssertion(token string) (*assertion, error) {
	jws, err := jose.ParseSignedCompact(token, signatureAlgorithms)
	if err != nil {
		return nil, err
	}
	a := &assertion{raw: token, jws: jws}
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &a.claims); err != nil {
		return nil, fmt.Errorf("decode the claims: %w", err)
	}
	return a, nil
}

func (a *assertion) text(claim string) string {
	s, _ := a.claims[claim].(string)
	return s
}

func (a *assertion) number(claim string) (int64, bool) {
	f, ok := a.claims[claim].(float64)
	return int64(f), ok
}

// audiences gives the aud claim, which is a text or a list of texts.
func (a *assertion) audiences() []string {
	switch aud := a.claims["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		var all []string
		for _, v := range aud {
			if s, ok := v.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

// signedBy reports whether the signature is the issuer's own: its key id and its key.
func (a *assertion) signedBy(k *keys, issuer string) bool {
	private, err := k.key()
	if err != nil || len(a.jws.Signatures) != 1 || a.jws.Signatures[0].Header.KeyID != keyID(issuer) {
		return false
	}
	_, err = a.jws.Verify(private.Public())
	return err == nil
}

// signedByCertificate gives the SHA-1 thumbprint (base64, as customKeyIdentifier shows it) of the certificate in
// the x5c header whose key really signed the assertion.
func (a *assertion) signedByCertificate() (thumbprint string, ok bool) {
	header, _, _ := strings.Cut(a.raw, ".")
	b, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		return "", false
	}
	var h struct {
		X5C [][]byte `json:"x5c"`
	}
	if err := json.Unmarshal(b, &h); err != nil || len(h.X5C) == 0 {
		return "", false
	}
	certificate, err := x509.ParseCertificate(h.X5C[0])
	if err != nil {
		return "", false
	}
	if _, err := a.jws.Verify(certificate.PublicKey); err != nil {
		return "", false
	}
	// SHA-1 is what the directory identifies certificates by; it protects nothing here.
	d := sha1.Sum(h.X5C[0])
	return base64.StdEncoding.EncodeToString(d[:]), true
}

func (a *assertion) firstAudience() string {
	if all := a.audiences(); len(all) > 0 {
		return all[0]
	}
	return ""
}
