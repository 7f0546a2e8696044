package plan

import (
	"cmp"
	"fmt"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// noWayBack tells why a unit could not be rolled back once its password is revoked: a rollback mints a new password, and an
// app management policy may forbid that or allow none that lives as long (Microsoft Learn: Microsoft Entra application
// management policies API overview; CredentialTypeNotAllowedAsPerAppPolicy, CredentialInvalidLifetimeAsPerAppPolicy).
// Nil: nothing known stands against it, or the unit has nothing to revoke. The revoke is planned all the same, and asks for consent.
func (p *planner) noWayBack(d *draft) *Reason {
	if d.identity == nil || !p.revocable(d) {
		return nil
	}
	r := NoRollback(d.unit, d.identity.NewPasswords, p.cfg.RollbackDays)
	if r != nil {
		r.Message += AfterRevoke
	}
	switch {
	case r == nil:
	case p.cfg.AcceptNoRollback:
		r.Message, r.Next = r.Message+"; acceptNoRollback says that this is known", nil
	default:
		r.Next = append([]string{"revoke it only with consent, which is journaled: unsecret revoke --only " + d.unit.ID + " --accept-no-rollback"}, r.Next...)
	}
	return r
}

// AfterRevoke is what the plan adds to why no new password could be minted.
const AfterRevoke = ": after a revoke nothing could be rolled back"

// NoRollback tells why a policy stands against the new password that a rollback of a unit would mint; nil: none is known to.
func NoRollback(u Unit, n inventory.NewPasswords, rollbackDays int) *Reason {
	policy := cmp.Or(n.Policy, "the tenant's app management policy")
	switch {
	case n.Forbidden:
		return &Reason{Code: "no-rollback", Object: u.Title,
			Message: fmt.Sprintf("%s forbids new passwords on %s", policy, u.Title),
			Next:    []string{"or exempt the application from the policy until the migration is over (appManagementPolicies), then scan and plan again"}}
	case n.MaxDays > 0 && n.MaxDays < rollbackDays:
		return &Reason{Code: "no-rollback", Object: u.Title,
			Message: fmt.Sprintf("%s lets a new password of %s live %d days at most, and a rollback would mint one for %d", policy, u.Title, n.MaxDays, rollbackDays),
			Next:    []string{fmt.Sprintf("or set rollbackDays: %d or less, and plan again", n.MaxDays)}}
	}
	return nil
}

// revocable tells whether a revoke would remove a credential of the unit.
func (p *planner) revocable(d *draft) bool {
	if p.cfg.KeepOldSecrets {
		return false
	}
	for _, c := range d.identity.Credentials {
		if _, left := p.credentialLeft(d, c); !left {
			return true
		}
	}
	return false
}
