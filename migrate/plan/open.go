package plan

import (
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// OpenSecret is a GitHub secret that logins read a credential from and whose identity is not known.
type OpenSecret struct {
	Store      inventory.StoreRef
	Secret     *inventory.Secret // nil: the scan saw none of this name
	Reason     Reason
	Uses       []SecretRead
	Candidates []inventory.AppID // the applications that Reason is about, where there are some
}

// SecretRead is one login that reads a secret.
type SecretRead struct {
	Login        *inventory.Login
	Repository   inventory.RepositoryName // whose runs read it
	Environments []string                 // "" is a job without one
	Role         string                   // credentials, clientSecret, or unclear
}

// OpenSecrets lists the secrets that New cannot link to an identity, by place and name.
func OpenSecrets(inv *inventory.Inventory, cfg Config) ([]OpenSecret, error) {
	p, err := begin(inv, cfg)
	if err != nil {
		return nil, err
	}
	byStore, links := p.linkStores(p.candidates())
	var out []OpenSecret
	for key, k := range links {
		if k.problem == nil {
			continue
		}
		o := OpenSecret{Store: byStore[key][0].store, Secret: p.stores.secrets[key], Reason: *k.problem, Candidates: k.candidates}
		for _, u := range byStore[key] {
			o.Uses = append(o.Uses, SecretRead{Login: u.login, Repository: u.repository, Environments: u.environments, Role: u.role})
		}
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b OpenSecret) int { return strings.Compare(a.Store.Key(), b.Store.Key()) })
	return out, nil
}
