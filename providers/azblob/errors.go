package azblob

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// Error is an answer of the storage service that is none of success. Its text has neither the request nor the body.
type Error struct {
	Place  string
	Action string
	Status int
	Code   string // the service's own, such as LeaseAlreadyPresent
	Advice string
	Err    error // what it means, a sentinel of package execute or fs.ErrNotExist
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s %s: %s (HTTP %d)", e.Action, e.Place, e.Code, e.Status)
	if e.Code == "" {
		text = fmt.Sprintf("%s %s: HTTP %d", e.Action, e.Place, e.Status)
	}
	if e.Advice != "" {
		text += ": " + e.Advice
	}
	return text
}

// Unwrap gives what it means.
func (e *Error) Unwrap() error { return e.Err }

// failed says what went wrong with a blob and what to do about it. The SDK's own error has the whole request and answer.
func (s *Store) failed(action, name string, err error) error {
	var r *azcore.ResponseError
	if !errors.As(err, &r) {
		return fmt.Errorf("%s %s: %w", action, s.Place(name), transport.Clean(err))
	}
	e := &Error{Place: s.Place(name), Action: action, Status: r.StatusCode, Code: r.ErrorCode}
	e.Err = transport.Sentinel(r.StatusCode, action != "read")
	switch {
	case r.ErrorCode == string(bloberror.ContainerNotFound):
		e.Advice = fmt.Sprintf("make the container first: az storage container create --account-name %s --name %s --auth-mode login", s.address.Account, s.address.Container)
	case r.StatusCode == http.StatusNotFound:
		e.Err = fs.ErrNotExist
	case r.StatusCode == http.StatusForbidden && strings.HasPrefix(r.ErrorCode, "AuthorizationPermission"):
		e.Advice = "the sign-in needs the role Storage Blob Data Contributor on the container (Storage Blob Data Reader to read)"
	case r.StatusCode == http.StatusForbidden:
		e.Advice = "the account refuses this sign-in, or requests from this network"
	case r.StatusCode == http.StatusUnauthorized:
		e.Advice = "sign in again, to the account's tenant"
	case errors.Is(e.Err, execute.ErrConflict):
		e.Advice = "it was changed by another process meanwhile"
	}
	return e
}

// code gives the service's own code of an error.
func code(err error) bloberror.Code {
	var e *Error
	if errors.As(err, &e) {
		return bloberror.Code(e.Code)
	}
	return ""
}

// leaseGone tells whether an error says that the lease is not ours.
func leaseGone(err error) bool {
	switch code(err) {
	case bloberror.LeaseLost, bloberror.LeaseIDMissing, bloberror.LeaseIDMismatchWithBlobOperation, bloberror.LeaseIDMismatchWithLeaseOperation,
		bloberror.LeaseNotPresentWithBlobOperation, bloberror.LeaseNotPresentWithLeaseOperation, bloberror.LeaseIsBrokenAndCannotBeRenewed,
		bloberror.LeaseIsBreakingAndCannotBeAcquired, bloberror.LeaseIsBreakingAndCannotBeChanged, bloberror.LeaseAlreadyPresent:
		return true
	}
	return false
}
