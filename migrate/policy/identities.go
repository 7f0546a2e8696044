package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

func identityObject(id inventory.Identity) string {
	return fmt.Sprintf("application %s (%s)", id.DisplayName, id.AppID)
}

func credentialEvidence(c inventory.Credential) []string {
	ev := []string{"key id " + string(c.KeyID), "from " + date(c.Start) + " to " + date(c.End)}
	if c.DisplayName != "" {
		ev = append(ev, "named "+c.DisplayName)
	}
	return ev
}

func (e *evaluation) eachCredential(r Rule, broken func(inventory.Identity, inventory.Credential) (message string, ok bool)) {
	for _, id := range e.inv.Identities {
		for _, c := range id.Credentials {
			if id.SAMLSigning(c) {
				continue
			}
			if m, ok := broken(id, c); ok {
				e.add(r, Finding{Object: identityObject(id), Message: m, Evidence: credentialEvidence(c)}, string(id.AppID), string(c.KeyID))
			}
		}
	}
}

func (e *evaluation) live(c inventory.Credential) bool { return c.Live(e.now) }

func credentialExpired(e *evaluation, r Rule) {
	e.eachCredential(r, func(id inventory.Identity, c inventory.Credential) (string, bool) {
		return fmt.Sprintf("a %s of %s expired on %s", c.Type, identityObject(id), date(c.End)), !e.live(c)
	})
}

func credentialExpiring(e *evaluation, r Rule) {
	limit := time.Duration(e.c.ExpiryDays) * 24 * time.Hour
	e.eachCredential(r, func(id inventory.Identity, c inventory.Credential) (string, bool) {
		left := c.End.Sub(e.now)
		return fmt.Sprintf("a %s of %s expires on %s, in %d days", c.Type, identityObject(id), date(c.End), days(left)), e.live(c) && !c.End.IsZero() && left <= limit
	})
}

func credentialLongLived(e *evaluation, r Rule) {
	limit := time.Duration(e.c.MaxAgeDays) * 24 * time.Hour
	e.eachCredential(r, func(id inventory.Identity, c inventory.Credential) (string, bool) {
		life := c.End.Sub(c.Start)
		return fmt.Sprintf("a password of %s lives %d days, more than %d", identityObject(id), days(life), e.c.MaxAgeDays),
			c.Type == inventory.CredentialPassword && e.live(c) && life > limit
	})
}

func credentialUnused(e *evaluation, r Rule) {
	e.eachCredential(r, func(id inventory.Identity, c inventory.Credential) (string, bool) {
		if !id.SignIns.Known || !e.live(c) || !c.Start.Before(id.SignIns.Since) {
			return "", false
		}
		used := slices.ContainsFunc(id.SignIns.SignIns, func(s inventory.SignIn) bool { return strings.EqualFold(string(s.KeyID), string(c.KeyID)) })
		return fmt.Sprintf("a %s of %s was not used to sign in since %s", c.Type, identityObject(id), date(id.SignIns.Since)), !used && !id.Unnamed(c)
	})
}

func credentialSeveral(e *evaluation, r Rule) {
	for _, id := range e.inv.Identities {
		n := len(e.livePasswords(id))
		if n > 1 {
			e.add(r, Finding{Object: identityObject(id), Message: fmt.Sprintf("%s has %d client secrets that work", identityObject(id), n)}, string(id.AppID))
		}
	}
}

func (e *evaluation) livePasswords(id inventory.Identity) []inventory.Credential {
	var out []inventory.Credential
	for _, c := range id.Credentials {
		if c.Type == inventory.CredentialPassword && e.live(c) && !id.SAMLSigning(c) {
			out = append(out, c)
		}
	}
	return out
}

// storedCredential tells whether a password or certificate works that somebody signs in with.
func (e *evaluation) storedCredential(id inventory.Identity) bool {
	return slices.ContainsFunc(id.Credentials, func(c inventory.Credential) bool { return e.live(c) && !id.SAMLSigning(c) })
}

func credentialOnServicePrincipal(e *evaluation, r Rule) {
	e.eachCredential(r, func(id inventory.Identity, c inventory.Credential) (string, bool) {
		return fmt.Sprintf("a %s is on the service principal of %s", c.Type, identityObject(id)), c.On == "servicePrincipal"
	})
}

// privileged gives the identity's roles that can take a subscription over, at a subscription or above.
func privileged(id inventory.Identity) []string {
	var out []string
	for _, r := range id.Roles {
		switch strings.ToLower(r.Role) {
		case "owner", "user access administrator", "role based access control administrator", "contributor":
			if wideScope(r.Scope) {
				out = append(out, r.Role+" at "+r.Scope)
			}
		}
	}
	slices.Sort(out)
	return out
}

// wideScope tells whether an ARM scope is a subscription, a management group or the root.
func wideScope(scope string) bool {
	s := strings.ToLower(strings.Trim(scope, "/"))
	return s == "" || strings.HasPrefix(s, "providers/microsoft.management/managementgroups/") ||
		(strings.HasPrefix(s, "subscriptions/") && strings.Count(s, "/") == 1)
}

func identityPrivileged(e *evaluation, r Rule) {
	for _, id := range e.inv.Identities {
		roles := privileged(id)
		has := "client secret"
		if len(e.livePasswords(id)) == 0 {
			has = "certificate"
		}
		if len(roles) > 0 && e.storedCredential(id) {
			e.add(r, Finding{Object: identityObject(id), Message: fmt.Sprintf("%s has a %s and is %s", identityObject(id), has, strings.Join(roles, ", ")), Evidence: roles}, string(id.AppID))
		}
	}
}
