package entra

import (
	"errors"
	"net/http"
)

// reason says in a person's words why the sign-in log cannot be had.
func reason(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return "the sign-in log could not be read: " + err.Error()
	}
	switch {
	case e.Code == "Authentication_RequestFromNonPremiumTenantOrB2CTenant":
		return "the tenant has no Microsoft Entra ID P1 or P2 licence, without which Graph does not show the sign-in log"
	case e.Status == http.StatusForbidden:
		return "the caller may not read the sign-in log: it needs AuditLog.Read.All (a person also the role Reports Reader); Graph says " + e.Code
	}
	return "the sign-in log could not be read: " + e.Error()
}
