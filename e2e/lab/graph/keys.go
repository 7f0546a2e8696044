package graph

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

func badKey(code, format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, code, format, args...)
}

// keepKeys takes the new list of certificates: one that is left out is removed, one that is there is known by its keyId, and any other
// is new and needs its bytes. An application has no other way to lose a certificate whose private key nobody has: removeKey asks for a proof.
func (c *call) keepKeys(have []*world.AppKey, v any) ([]*world.AppKey, *refusal) {
	list, ok := v.([]any)
	if !ok {
		return have, badRequest("Invalid value specified for property 'keyCredentials' of resource 'Application'.")
	}
	kept := []*world.AppKey{}
	for _, member := range list {
		m, _ := member.(object)
		id, _ := m["keyId"].(string)
		i := slices.IndexFunc(have, func(k *world.AppKey) bool { return strings.EqualFold(k.KeyID, id) })
		var k *world.AppKey
		var e *refusal
		if i >= 0 {
			k, e = have[i], c.keepKey(have[i], m)
		} else {
			k, e = c.newKey(id, m)
		}
		if e != nil {
			return have, e
		}
		if i < 0 || c.world.Knobs.KeyWriteBack != world.KeysDropOthers {
			kept = append(kept, k)
		}
	}
	return kept, nil
}

// keepKey checks that a certificate that is there comes back as it is (Azure/azure-powershell#6784: "Update to existing credential with KeyId … is not allowed").
func (c *call) keepKey(k *world.AppKey, m object) *refusal {
	key, given := m["key"].(string)
	same := func(name string, want any) bool { got, there := m[name]; return !there || got == want }
	shown := keysWith([]*world.AppKey{k}, true)[0].(object)
	switch {
	case given && key != shown["key"], !same("startDateTime", shown["startDateTime"]), !same("endDateTime", shown["endDateTime"]), !same("usage", k.Usage), !same("type", k.Type):
		return badKey("KeyCredentialsInvalidKeyId", "Update to existing credential with KeyId '%s' is not allowed.", k.KeyID)
	case given && c.world.Knobs.KeyWriteBack == world.KeysRefuseValue:
		return badKey("KeyCredentialsInvalidKeyId", "Update to existing credential with KeyId '%s' is not allowed.", k.KeyID)
	case !given && c.world.Knobs.KeyWriteBack == world.KeysNeedValue:
		return badKey("KeyCredentialsInvalidValue", "KeyValue cannot be null or empty.")
	}
	return nil
}

// newKey reads a certificate that is new to the application.
func (c *call) newKey(id string, m object) (*world.AppKey, *refusal) {
	text, _ := m["key"].(string)
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(der) == 0 {
		return nil, badKey("KeyCredentialsInvalidKeyValue", "Key credential '%s' is new and has no valid key value.", id)
	}
	if c.world.Knobs.KeyWriteBack == world.KeysTakeNoNew {
		return nil, badKey("CredentialTypeNotAllowedAsPerAppPolicy", "Credential type not allowed as per assigned policy 'no certificates'.")
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, badKey("KeyCredentialsInvalidKeyValue", "Key credential '%s' is no certificate.", id)
	}
	k := &world.AppKey{KeyID: id, Key: der, Start: certificate.NotBefore.UTC(), End: certificate.NotAfter.UTC()}
	k.DisplayName, _ = m["displayName"].(string)
	k.Usage, _ = m["usage"].(string)
	k.Type, _ = m["type"].(string)
	for name, to := range map[string]*time.Time{"startDateTime": &k.Start, "endDateTime": &k.End} {
		if e := setTime(to, m, name); e != nil {
			return nil, e
		}
	}
	switch {
	case k.Usage != "Verify" && k.Usage != "Sign":
		return nil, badKey("KeyCredentialsInvalidUsage", "The value for the property \"usage\" in one of your credentials is invalid. Acceptable values are Sign, Verify.")
	case !k.End.After(c.world.Clock.Now()):
		return nil, badKey("KeyCredentialsInvalidEndDate", "Key credential end date is invalid.")
	}
	if k.KeyID == "" {
		k.KeyID = c.world.NewID()
	}
	if k.Thumbprint, _ = m["customKeyIdentifier"].(string); k.Thumbprint == "" {
		sum := sha1.Sum(der) // what the directory identifies certificates by; it protects nothing here
		k.Thumbprint = base64.StdEncoding.EncodeToString(sum[:])
	}
	return k, nil
}
