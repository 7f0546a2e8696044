package plan

import (
	"cmp"
	"fmt"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// noWayBack tells why a unit could not be rolled back once its password is revoked: a rollback mints a new password, and an
// app management policy may forbid that or allow none that lives as long (Microsoft Learn: Microsoft Entra application
// management policies API overview; CredentialTypeNotAllowedAsPerAppPolicy, CredentialInvalidLifetimeAsPerAppPolicy).
// Nil: nothing known stands against it, or the unit has no password to revoke.
func (p *planner) noWayBack(d *draft) *Reason {
	if d.identity == nil || !p.revocable(d) {
		return nil
	}
	n := d.identity.NewPasswords
	policy := cmp.Or(n.Policy, "the tenant's app management policy")
	switch {
	case n.Forbidden:
		return &Reason{Code: "no-rollback", Object: d.unit.Title,
			Message: fmt.Sprintf("%s forbids new passwords on %s: after a revoke nothing could be rolled back", policy, d.unit.Title),
			Next: []string{"set acceptNoRollback: true to revoke all the same, and plan again",
				"or exempt the application from the policy until the migration is over (appManagementPolicies), then scan and plan again"}}
	case n.MaxDays > 0 && n.MaxDays < p.cfg.RollbackDays:
		return &Reason{Code: "no-rollback", Object: d.unit.Title,
			Message: fmt.Sprintf("%s lets a new password of %s live %d days at most, and a rollback would mint one for %d", policy, d.unit.Title, n.MaxDays, p.cfg.RollbackDays),
			Next:    []string{fmt.Sprintf("set rollbackDays: %d or less, and plan again", n.MaxDays), "or set acceptNoRollback: true to revoke all the same"}}
	}
	return nil
}

// revocable tells whether a revoke would remove a password of the unit.
func (p *planner) revocable(d *draft) bool {
	if p.cfg.KeepOldSecrets {
		return false
	}
	for _, c := range d.identity.Credentials {
		if _, left := p.credentialLeft(d, c); !left && c.Type == inventory.CredentialPassword {
			return true
		}
	}
	return false
}
