package lab

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// certificateKey is the private key of every certificate of every lab in the process: it takes time to make, and which one it is matters to nobody.
var certificateKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// certificate adds a certificate to an application that was made a while ago and ends after a while from now.
func (b *builder) certificate(a *world.App, name string, ago, left time.Duration) (*world.AppKey, error) {
	key, err := certificateKey()
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	now := b.w.Clock.Now().Truncate(time.Second)
	template := &x509.Certificate{SerialNumber: big.NewInt(b.w.NewNumber()), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-ago), NotAfter: now.Add(left)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate %s: %w", name, err)
	}
	sum := sha1.Sum(der) // what the directory identifies certificates by; it protects nothing here
	k := &world.AppKey{KeyID: b.w.NewID(), DisplayName: "CN=" + name, Usage: "Verify", Type: "AsymmetricX509Cert", Thumbprint: base64.StdEncoding.EncodeToString(sum[:]),
		Start: template.NotBefore, End: template.NotAfter, Key: der}
	a.Keys = append(a.Keys, k)
	return k, nil
}

// held is the first certificate of an application with its private key, as Azure DevOps takes it: what stands before the first block is no part of it.
func (b *builder) held(a *world.App) (string, error) {
	if len(a.Keys) == 0 {
		if _, err := b.certificate(a, a.DisplayName, 100*24*time.Hour, 200*24*time.Hour); err != nil {
			return "", err
		}
	}
	key, err := certificateKey()
	if err != nil {
		return "", err
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return b.w.NewSecret() + "\n" + block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)) + block("CERTIFICATE", a.Keys[0].Key), nil
}
