package subject

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// maxName is the longest name of a federated credential; names match ^[a-zA-Z0-9][a-zA-Z0-9-_]{2,119}$
// (Microsoft Graph: federatedIdentityCredential resource type) and can never be changed.
const maxName = 120

// nameSet holds the names that are taken.
type nameSet map[string]bool

// take gives a credential its name: the prefix, what it trusts in readable form, and a hash of all that it
// trusts, so that the same credential always gets the same name and two never get one.
func (n nameSet) take(prefix string, c inventory.FederatedCredential) string {
	sum := sha256.Sum256([]byte(c.Issuer + "\n" + c.Subject + "\n" + c.Expression + "\n" + c.Audience))
	hash := hex.EncodeToString(sum[:4])
	base := strings.TrimLeft(slug(prefix)+slug(subjectText(c)), "-_")
	base = strings.TrimRight(base[:min(len(base), maxName-2*len(hash))], "-_")
	name := strings.TrimLeft(base+"-"+hash, "-_")
	for i := 2; n[name]; i++ {
		name = base + "-" + hash + "-" + strconv.Itoa(i)
	}
	n[name] = true
	return name
}

// slug replaces what a name cannot hold.
func slug(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			b.WriteRune(r)
		case r == '*':
			b.WriteString("any")
		case !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return b.String()
}
