package execute

import (
	"errors"
	"fmt"

	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// systemError is an error of one of the systems outside.
type systemError struct {
	system permissions.System
	err    error
}

func (e *systemError) Error() string { return e.err.Error() }
func (e *systemError) Unwrap() error { return e.err }

// From says which system an error is of, without another word; nil stays nil. Providers say it of what their services answer, since what a person does
// about a refusal depends on it.
func From(system permissions.System, err error) error {
	if err == nil {
		return nil
	}
	return &systemError{system, err}
}

// systemOf tells which system an error is of; empty where none has said so.
func systemOf(err error) permissions.System {
	var e *systemError
	if errors.As(err, &e) {
		return e.system
	}
	return ""
}

// neededError is an error of an operation that takes a permission.
type neededError struct {
	permission string
	err        error
}

func (e *neededError) Error() string { return e.err.Error() }
func (e *neededError) Unwrap() error { return e.err }

// Needing says which permission (an id of package permissions) the operation takes that an error is of, without another word; nil stays nil. Providers say it where it is not the one
// that most changes in their system take. Of several the one that was said last is told: it is of the whole operation.
func Needing(permission string, err error) error {
	if err == nil {
		return nil
	}
	return &neededError{permission, err}
}

// What can go wrong outside, as far as a step must react differently to it.
var (
	// ErrNotFound is returned for an object that does not exist or that the caller may not see.
	ErrNotFound = errors.New("not found")
	// ErrForbidden is returned where the caller may not do it.
	ErrForbidden = errors.New("not permitted")
	// ErrUnauthenticated is returned where the service does not accept the caller's token. It is an ErrForbidden.
	ErrUnauthenticated = fmt.Errorf("the sign-in is not accepted: %w", ErrForbidden)
	// ErrConflict is returned where the object has changed meanwhile or exists already.
	ErrConflict = errors.New("conflict")
	// ErrLimit is returned where a limit of the service is reached, such as 20 federated credentials.
	ErrLimit = errors.New("limit reached")
	// ErrPolicy is returned where a policy of the tenant or organisation forbids it.
	ErrPolicy = errors.New("forbidden by policy")
	// ErrRefused is returned where the service refuses the change and says that it changed nothing.
	ErrRefused = errors.New("refused by the service")
	// ErrThrottled is returned where a service wants fewer requests, and waiting as long as it may has not helped. Nothing was executed; the same
	// can be tried again later.
	ErrThrottled = errors.New("too many requests")
	// ErrUnknownOutcome is returned where a request was sent and no answer came: it may have taken effect.
	ErrUnknownOutcome = errors.New("outcome unknown")
)

// SignInError is returned where the caller could not be signed in, so that no request was sent. It is of a credential on this
// machine, unlike ErrUnauthenticated, which is a service's answer.
type SignInError struct {
	Service string // Azure DevOps, Microsoft Graph, …
	Way     string // the Azure CLI, a managed identity, …
	Next    string // what a person does about it
	Err     error
}

func (e *SignInError) Error() string {
	return "signing in to " + e.Service + " with " + e.Way + ": " + e.Err.Error()
}

// Unwrap gives what the credential said.
func (e *SignInError) Unwrap() error { return e.Err }
