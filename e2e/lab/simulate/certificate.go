package simulate

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// signInCertificate signs in with a certificate and its key, both in one PEM text as Azure DevOps takes it.
func (s *Simulator) signInCertificate(text, tenant, client string) error {
	key, cert, err := readPEM([]byte(text))
	if err != nil {
		return fmt.Errorf("reading the connection's certificate: %w", err)
	}
	tok, err := s.clientAssertion(key, cert, tenant, client)
	if err != nil {
		return fmt.Errorf("signing with the connection's certificate: %w", err)
	}
	return s.exchange(tenant, assertionForm(client, tok))
}

func readPEM(data []byte) (key *rsa.PrivateKey, cert []byte, err error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE":
			cert = block.Bytes
		case "RSA PRIVATE KEY":
			if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
				return nil, nil, err
			}
		case "PRIVATE KEY":
			parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, nil, err
			}
			key, _ = parsed.(*rsa.PrivateKey)
		}
	}
	if key == nil || cert == nil {
		return nil, nil, errors.New("it must hold a certificate and its RSA key in PEM form")
	}
	return key, cert, nil
}

// clientAssertion is the token that an application signs itself (Microsoft Learn, "Microsoft identity platform
// application authentication certificate credentials").
func (s *Simulator) clientAssertion(key *rsa.PrivateKey, cert []byte, tenant, client string) (string, error) {
	now := s.now()
	header, err := json.Marshal(map[string]any{"alg": "RS256", "typ": "JWT", "x5c": [][]byte{cert}})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": client, "sub": client, "aud": "https://login.microsoftonline.com/" + tenant + "/oauth2/v2.0/token",
		"jti": fmt.Sprintf("%s-%d", client, now.UnixNano()), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString(header) + "." + enc.EncodeToString(claims)
	digest := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", err
	}
	return signed + "." + enc.EncodeToString(sig), nil
}
