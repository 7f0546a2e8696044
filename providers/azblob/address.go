// Package azblob keeps a state in Azure Blob Storage, so that scheduled runs and several operators share one: the journal
// is an append blob whose writes name the position they expect, its lock is the blob's lease, and the inventory and the
// plan are block blobs that are replaced only at the version that was read. The sign-in is Entra's; no account key is used.
package azblob

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// Address is where a state lies: azblob://ACCOUNT/CONTAINER/PREFIX, with ?endpoint=URL where the account is not in the
// cloud's own domain.
type Address struct {
	Account   string
	Container string
	Prefix    string // without slashes at its ends; may be empty
	Endpoint  string // the account's blob endpoint; empty means the cloud's
}

// Names of accounts and containers (Microsoft Learn: Storage account overview; Naming and referencing containers, blobs, and metadata).
var (
	accountName   = lazy.Regexp(`^[a-z0-9]{3,24}$`)
	containerName = lazy.Regexp(`^[a-z0-9]([a-z0-9]|-[a-z0-9]){2,62}$`)
	prefixPart    = lazy.Regexp(`^[A-Za-z0-9._=@+-]+$`)
)

// ParseAddress reads an address and checks its parts.
func ParseAddress(text string) (Address, error) {
	bad := func(format string, args ...any) (Address, error) {
		return Address{}, fmt.Errorf("state %q: %s; it must be of the form azblob://ACCOUNT/CONTAINER/PREFIX", text, fmt.Sprintf(format, args...))
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "azblob" || u.User != nil || u.Fragment != "" {
		return Address{}, errors.New("a state in Azure Blob Storage must be of the form azblob://ACCOUNT/CONTAINER/PREFIX")
	}
	container, prefix, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	a := Address{Account: u.Host, Container: container, Prefix: strings.Trim(prefix, "/")}
	if !accountName().MatchString(a.Account) {
		return bad("%q is not the name of a storage account", a.Account)
	}
	if !containerName().MatchString(a.Container) || len(a.Container) > 63 {
		return bad("%q is not the name of a container", a.Container)
	}
	if a.Prefix != "" {
		for part := range strings.SplitSeq(a.Prefix, "/") {
			if !prefixPart().MatchString(part) || strings.HasSuffix(part, ".") {
				return bad("%q cannot be part of a prefix", part)
			}
		}
	}
	for key, values := range u.Query() {
		if key != "endpoint" || len(values) != 1 {
			return bad("the only parameter is endpoint")
		}
		a.Endpoint = values[0]
		if _, err := transport.Host(a.Endpoint); err != nil {
			return bad("endpoint: %v", err)
		}
	}
	return a, nil
}

// URL gives the account's blob endpoint; suffix is the domain of the cloud's storage accounts.
func (a Address) URL(suffix string) string {
	if a.Endpoint != "" {
		return strings.TrimRight(a.Endpoint, "/")
	}
	return "https://" + a.Account + ".blob." + suffix
}

// String gives the address without the endpoint, as people name the state.
func (a Address) String() string {
	return "azblob://" + path.Join(a.Account, a.Container, a.Prefix)
}
