package azuredevops

import (
	"errors"
	"fmt"
	"strings"

	sdk "github.com/microsoft/azure-devops-go-api/azuredevops/v7"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// classify gives an error of the SDK the sentinel of package execute that fits, and keeps the service's words.
func classify(err error, write bool) error {
	if err == nil {
		return nil
	}
	return execute.From(permissions.AzureDevOps, translate(err, write))
}

func translate(err error, write bool) error {
	wrapped := wrappedError(err)
	if wrapped == nil {
		return transport.Clean(err)
	}
	status, message, key := 0, "no message", ""
	if wrapped.StatusCode != nil {
		status = *wrapped.StatusCode
	}
	if wrapped.Message != nil {
		message = strings.TrimSpace(*wrapped.Message)
	}
	if wrapped.TypeKey != nil {
		key = *wrapped.TypeKey
	}
	sentinel := sentinel(status, key, message, write)
	if sentinel == nil {
		return fmt.Errorf("HTTP %d: %s", status, message)
	}
	return fmt.Errorf("%w: HTTP %d: %s", sentinel, status, message)
}

// wrappedError finds the SDK's error, which it returns by value or by pointer, depending on the path.
func wrappedError(err error) *sdk.WrappedError {
	var value sdk.WrappedError
	var pointer *sdk.WrappedError
	switch {
	case errors.As(err, &pointer):
		return pointer
	case errors.As(err, &value):
		return &value
	}
	return nil
}

func sentinel(status int, key, message string, write bool) error {
	switch {
	case strings.Contains(message, "TF400733") && strings.Contains(message, "was blocked"):
		return execute.ErrThrottled // the block of an identity that has used too much, whatever its status: nothing was executed
	case strings.Contains(message, "TF400733") && write:
		return execute.ErrUnknownOutcome // cancelled for another reason, at a time that nobody tells
	case strings.Contains(message, "neither an upgrade or a downgrade"):
		return execute.ErrConflict // it has that scheme already
	case strings.Contains(key, "AccessDenied"), strings.Contains(key, "AccessCheck"), strings.Contains(key, "Unauthorized"):
		return execute.ErrForbidden
	case strings.Contains(key, "NotFound"), strings.Contains(key, "DoesNotExist"):
		return execute.ErrNotFound
	case (status == 400 || status == 500) && (key == "ArgumentException" || key == "ServiceEndpointException" || key == "AadAccessSilentException"):
		// These come with 400 or 500 and mean that the change was checked and not made
		// (MicrosoftDocs/azure-devops-docs#13644; devopsshield README).
		return execute.ErrRefused
	}
	return transport.Sentinel(status, write)
}
