package entra

import (
	"errors"
	"fmt"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// Error is Graph's own description of what it refused.
type Error struct {
	Status    int
	Code      string
	Message   string
	RequestID string // for a support case
	Err       error  // the sentinel of package execute, or nil
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("HTTP %d %s: %s", e.Status, e.Code, e.Message)
	if e.RequestID != "" {
		text += " (request-id " + e.RequestID + ")"
	}
	if e.Err != nil {
		return e.Err.Error() + ": " + text
	}
	return text
}

// Unwrap gives the sentinel.
func (e *Error) Unwrap() error { return e.Err }

// classify turns an error of the SDK into an Error with the sentinel that fits.
func classify(err error, write bool) error {
	if err == nil {
		return nil
	}
	return execute.From(permissions.Graph, translate(err, write))
}

func translate(err error, write bool) error {
	var odata *odataerrors.ODataError
	var api *abstractions.ApiError
	switch {
	case errors.As(err, &odata):
		e := &Error{Status: odata.ResponseStatusCode, Code: "unknown", Message: "no message"}
		if main := odata.GetErrorEscaped(); main != nil {
			e.Code, e.Message = deref(main.GetCode()), strings.TrimSpace(deref(main.GetMessage()))
			if inner := main.GetInnerError(); inner != nil {
				e.RequestID = deref(inner.GetRequestId())
			}
		}
		e.Err = sentinel(e, write)
		return e
	case errors.As(err, &api):
		e := &Error{Status: api.ResponseStatusCode, Code: "unknown", Message: "the answer has no description"}
		e.Err = sentinel(e, write)
		return e
	}
	return transport.Clean(err)
}

func sentinel(e *Error, write bool) error {
	text := strings.ToLower(e.Message)
	switch {
	// Microsoft Learn: Microsoft Entra application management policies API overview.
	case strings.HasSuffix(e.Code, "AsPerAppPolicy"):
		return execute.ErrPolicy
	case e.Code == "Directory_QuotaExceeded", strings.Contains(e.Code, "LimitExceeded"), strings.Contains(e.Code, "QuotaExceeded"),
		strings.Contains(text, "federated") && (strings.Contains(text, "maximum") || strings.Contains(text, "limit") || strings.Contains(text, "too many")):
		return execute.ErrLimit
	// removePassword answers 400, not 404, for a key that is not there.
	case strings.Contains(text, "no password credential found"), strings.Contains(text, "no credentials found"):
		return execute.ErrNotFound
	case e.Code == "Request_ResourceNotFound":
		return execute.ErrNotFound
	case e.Code == "Request_MultipleObjectsWithSameKeyValue", strings.Contains(text, "already exist"):
		return execute.ErrConflict
	}
	return transport.Sentinel(e.Status, write)
}

// busy tells whether Graph refused a change because another to the same object was under way. Nothing was
// changed then, and it asks to try again (Directory_ConcurrencyViolation; nais/azurerator#448).
func busy(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == 409 && e.Code == "Directory_ConcurrencyViolation"
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
