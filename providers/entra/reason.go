package entra

import (
	"errors"
	"net/http"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// reason says in a person's words why the sign-in log cannot be had.
func reason(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return "the sign-in log could not be read: " + err.Error()
	}
	switch {
	case e.Code == withoutLicence:
		return "the tenant has no Microsoft Entra ID P1 or P2 licence, without which Graph does not show the sign-in log"
	case e.Status == http.StatusForbidden:
		return "the caller may not read the sign-in log: it needs AuditLog.Read.All (a person also the role Reports Reader); Graph says " + e.Code
	}
	return "the sign-in log could not be read: " + e.Error()
}

// withoutLicence is the code of Graph's answer in a tenant whose licence does not include the sign-in log.
const withoutLicence = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"

// denied tells whether the caller lacks a permission, which a tenant that lacks a licence is not about.
func denied(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusForbidden && e.Code != withoutLicence
}

// lacking names the permission that reading applications takes, where it was refused.
func lacking(err error) string {
	if errors.Is(err, execute.ErrForbidden) {
		return permissions.GraphApplicationRead
	}
	return ""
}
