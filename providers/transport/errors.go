package transport

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/execute"
)

// ErrThrottled is execute's, under the name that readers of a provider look for.
var ErrThrottled = execute.ErrThrottled

// Error is a request that failed. Its text has method, host and path, never a query, a header or a body.
type Error struct {
	Method, Host, Path string
	Status             int // of the last answer; 0: none came
	Attempts           int
	Message            string // what happened and what to do
	Err                error  // the cause, a sentinel of package execute among it where one fits

	onNetwork bool // it went to the network: another attempt may go better
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s%s", e.Method, e.Host, e.Path)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": HTTP %d", e.Status)
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (%d attempts)", e.Attempts)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Sentinel gives the error of package execute for an HTTP status (ErrThrottled for 429), or nil where none fits. For a write, a 5xx
// means that its outcome is unknown: a gateway's answer says nothing about what the service behind it did.
func Sentinel(status int, write bool) error {
	switch status {
	case http.StatusUnauthorized:
		return execute.ErrUnauthenticated
	case http.StatusForbidden:
		return execute.ErrForbidden
	case http.StatusNotFound, http.StatusGone:
		return execute.ErrNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return execute.ErrConflict
	case http.StatusTooManyRequests:
		return ErrThrottled
	}
	switch {
	case status >= 500 && write:
		return execute.ErrUnknownOutcome
	case status >= 400 && status < 500:
		return execute.ErrRefused
	}
	return nil
}

// Status gives the HTTP status of an Error in err's chain, or 0.
func Status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// Clean takes the URL that net/http puts around an error away, since its query can hold what is nobody's
// business, and gives what is inside. The chain below stays.
func Clean(err error) error {
	var outer *url.Error
	if !errors.As(err, &outer) {
		return err
	}
	var inner *Error
	if errors.As(outer.Err, &inner) {
		return inner
	}
	host := ""
	if u, parseErr := url.Parse(outer.URL); parseErr == nil {
		host = u.Host
	}
	return fmt.Errorf("%s %s: %w", strings.ToUpper(outer.Op), host, outer.Err)
}
