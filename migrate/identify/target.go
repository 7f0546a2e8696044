package identify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// Target is one secret that a probe can tell the identity of.
type Target struct {
	Store       inventory.StoreRef       `json:"store"`
	Repository  inventory.RepositoryName `json:"repository"`            // that the probe runs in
	Environment string                   `json:"environment,omitempty"` // of the probe's job
	// Secret is the name of what the digest is made of: the secret itself where it is the JSON that has the client id in it,
	// or the secret beside it that holds the client id alone.
	Secret string `json:"secret"`
}

// Skipped is a secret that no probe can tell anything about.
type Skipped struct {
	Store inventory.StoreRef `json:"store"`
	Why   string             `json:"why"`
}

var secretName = lazy.Regexp(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Targets says which of the secrets a probe can look into, and why not the others.
func Targets(inv *inventory.Inventory, open []plan.OpenSecret) (targets []Target, skipped []Skipped) {
	archived := map[inventory.RepositoryName]bool{}
	for _, r := range inv.Repositories {
		archived[r.Name] = r.Archived
	}
	for _, o := range open {
		t, why := target(o, archived)
		if why != "" {
			skipped = append(skipped, Skipped{o.Store, why})
			continue
		}
		targets = append(targets, t)
	}
	return targets, skipped
}

func target(o plan.OpenSecret, archived map[inventory.RepositoryName]bool) (Target, string) {
	switch {
	case o.Store.Level == inventory.LevelDependabot:
		return Target{}, "only runs that Dependabot starts read it"
	case o.Secret == nil:
		return Target{}, "the scan did not see it, so it is not known where it is"
	case !secretName().MatchString(o.Store.Name):
		return Target{}, "its name cannot stand in a workflow"
	}
	why := "no login reads it"
	for _, u := range o.Uses {
		if archived[u.Repository] {
			why = "only archived repositories read it, and nothing runs there"
			continue
		}
		t := Target{Store: o.Store, Repository: u.Repository, Environment: o.Store.Environment}
		if t.Secret, why = hashed(o, u); why != "" {
			continue
		}
		if !strings.EqualFold(t.Secret, o.Store.Name) && t.Environment == "" && !slices.Contains(u.Environments, "") && len(u.Environments) > 0 {
			t.Environment = u.Environments[0] // the client id beside it may be the environment's
		}
		if strings.ContainsAny(t.Environment, "\r\n'\"") || strings.Contains(t.Environment, "${{") {
			why = fmt.Sprintf("the name of environment %q cannot stand in a workflow as it is", t.Environment)
			continue
		}
		return t, ""
	}
	return Target{}, why
}

// hashed names the secret that has the client id in it.
func hashed(o plan.OpenSecret, u plan.SecretRead) (name, why string) {
	if u.Role != "clientSecret" {
		return o.Store.Name, ""
	}
	const context = "secrets."
	if hint := u.Login.Identity.ClientID; len(hint) > len(context) && strings.EqualFold(hint[:len(context)], context) && secretName().MatchString(hint[len(context):]) {
		return hint[len(context):], ""
	}
	return "", "it holds a password alone, and no login reads the client id from a secret beside it"
}
