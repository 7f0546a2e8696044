package inventory_test

import (
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end   = time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)
)

func TestAllThreeEntriesOfASAMLSigningCertificateAreRecognised(t *testing.T) {
	cert, password := inventory.CredentialCertificate, inventory.CredentialPassword
	id := inventory.Identity{Credentials: []inventory.Credential{
		{KeyID: "sign", Type: cert, On: inventory.OnServicePrincipal, Usage: "Sign", Start: start, End: end},
		{KeyID: "verify", Type: cert, On: inventory.OnServicePrincipal, Usage: "Verify", Start: start, End: end},
		{KeyID: "SIGN", Type: password, On: inventory.OnServicePrincipal, Start: start, End: end},
		{KeyID: "password", Type: password, On: inventory.OnServicePrincipal, Start: start, End: end},
		{KeyID: "other", Type: cert, On: inventory.OnServicePrincipal, Usage: "Verify", Start: start, End: end.AddDate(1, 0, 0)},
		{KeyID: "sign", Type: password, On: inventory.OnApplication, Start: start, End: end},
		{KeyID: "custom", Type: cert, On: inventory.OnApplication, Usage: "sign", Start: start, End: end},
	}}
	want := []bool{true, true, true, false, false, false, true}
	for i, c := range id.Credentials {
		if got := id.SAMLSigning(c); got != want[i] {
			t.Errorf("%s %s on %s: %v", c.Type, c.KeyID, c.On, got)
		}
	}
}

func TestLastSignInsAreSummarisedAndFailuresDoNotCount(t *testing.T) {
	at := func(d int) time.Time { return start.AddDate(0, 0, d) }
	id := inventory.Identity{
		Credentials:          []inventory.Credential{{KeyID: "K1"}, {KeyID: "k2"}, {KeyID: ""}},
		FederatedCredentials: []inventory.FederatedCredential{{ID: "f1"}, {ID: "f2"}},
		SignIns: inventory.SignInEvidence{Known: true, SignIns: []inventory.SignIn{
			{KeyID: "k1", Time: at(3)}, {KeyID: "k1", Time: at(1)}, {KeyID: "k1", Time: at(9), ErrorCode: 7000215},
			{FederatedCredentialID: "F1", Time: at(5)}, {KeyID: "", Time: at(8)},
		}},
	}
	id.SummarizeSignIns()
	if got := id.Credentials[0].LastSignIn; !got.Equal(at(3)) {
		t.Errorf("k1: %v", got)
	}
	if !id.Credentials[1].LastSignIn.IsZero() || !id.Credentials[2].LastSignIn.IsZero() || !id.FederatedCredentials[1].LastSignIn.IsZero() {
		t.Error("a sign-in was attributed to what nobody used")
	}
	if got := id.FederatedCredentials[0].LastSignIn; !got.Equal(at(5)) {
		t.Errorf("f1: %v", got)
	}
	if got := id.LastSignIn(); !got.Equal(at(8)) {
		t.Errorf("identity: %v", got)
	}
}

func TestASignInWithoutAKeyIDSpeaksForEveryCredentialOfItsType(t *testing.T) {
	password := inventory.Credential{KeyID: guidA, Type: inventory.CredentialPassword, Start: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
	certificate := password
	certificate.Type = inventory.CredentialCertificate
	for kind, want := range map[string]struct{ password, certificate bool }{
		"clientSecret": {true, false}, "certificate": {false, true}, "clientAssertion": {false, true}, "federatedIdentityCredential": {}, "": {},
	} {
		for _, s := range []inventory.SignIn{{CredentialType: kind}, {CredentialType: kind, KeyID: guidB}, {CredentialType: kind, ErrorCode: 7000215}} {
			id := inventory.Identity{SignIns: inventory.SignInEvidence{Known: true, Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), SignIns: []inventory.SignIn{s}}}
			says := s.KeyID == "" && s.ErrorCode == 0
			if got := id.Unnamed(password); got != (says && want.password) || id.UnusedCredential(password) == got {
				t.Errorf("%+v: password %t", s, got)
			}
			if got := id.Unnamed(certificate); got != (says && want.certificate) || id.UnusedCredential(certificate) == got {
				t.Errorf("%+v: certificate %t", s, got)
			}
		}
	}
}
