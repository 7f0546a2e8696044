package inventory

import (
	"slices"
	"strings"
	"time"
)

// SAMLSigning tells whether a credential is there to sign SAML tokens. Such keys are never touched nor complained
// about. A signing certificate is three entries on the service principal: the private key (Sign), its public key
// (Verify) of the same dates, and a password with the private key's id that protects it (Microsoft Learn:
// "servicePrincipal: addTokenSigningCertificate").
func (id Identity) SAMLSigning(c Credential) bool {
	if c.Type == CredentialCertificate && strings.EqualFold(c.Usage, "Sign") {
		return true // wherever it is: nothing signs in with it
	}
	if c.On != OnServicePrincipal {
		return false
	}
	return slices.ContainsFunc(id.Credentials, func(key Credential) bool {
		if key.Type != CredentialCertificate || key.On != c.On || !strings.EqualFold(key.Usage, "Sign") {
			return false
		}
		return strings.EqualFold(string(key.KeyID), string(c.KeyID)) ||
			c.Type == CredentialCertificate && key.Start.Equal(c.Start) && key.End.Equal(c.End)
	})
}

// The objects that carry credentials, as Credential.On names them.
const (
	OnApplication      = "application"
	OnServicePrincipal = "servicePrincipal"
)

// FormCertificate is the type of a certificate without its private key (Microsoft Learn: keyCredential resource type).
const FormCertificate = "AsymmetricX509Cert"

// Public tells whether a credential is a certificate of an application that only verifies what somebody else signed: all that Entra has of it is public.
// Keys that sign, symmetric keys and everything on a service principal are not.
func (c Credential) Public() bool {
	return c.Type == CredentialCertificate && c.On == OnApplication && strings.EqualFold(c.Form, FormCertificate) && strings.EqualFold(c.Usage, "Verify")
}

// Live tells whether a credential still works at a time, as far as its end date says.
func (c Credential) Live(now time.Time) bool { return c.End.IsZero() || c.End.After(now) }

// SummarizeSignIns writes down for every credential and federated credential when the sign-in log shows it last.
// Failed attempts do not count: who presents a wrong secret under a key's name has not used it.
func (id *Identity) SummarizeSignIns() {
	keys := map[string]time.Time{}
	federated := map[string]time.Time{}
	for _, s := range id.SignIns.SignIns {
		if s.ErrorCode != 0 {
			continue
		}
		later(keys, string(s.KeyID), s.Time)
		later(federated, string(s.FederatedCredentialID), s.Time)
	}
	for i := range id.Credentials {
		id.Credentials[i].LastSignIn = keys[strings.ToLower(string(id.Credentials[i].KeyID))]
	}
	for i := range id.FederatedCredentials {
		id.FederatedCredentials[i].LastSignIn = federated[strings.ToLower(string(id.FederatedCredentials[i].ID))]
	}
}

func later(last map[string]time.Time, key string, t time.Time) {
	if key = strings.ToLower(key); key != "" && t.After(last[key]) {
		last[key] = t
	}
}

// LastSignIn is the newest successful sign-in that the log shows; zero where it shows none.
func (id Identity) LastSignIn() time.Time {
	var last time.Time
	for _, s := range id.SignIns.SignIns {
		if s.ErrorCode == 0 && s.Time.After(last) {
			last = s.Time
		}
	}
	return last
}
