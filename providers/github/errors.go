package github

import (
	"errors"
	"fmt"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// classify gives an error of go-github the sentinel of package execute that fits, and keeps the service's words.
func classify(err error, write bool) error {
	if err == nil {
		return nil
	}
	return execute.From(permissions.GitHub, translate(err, write))
}

func translate(err error, write bool) error {
	var response *gh.ErrorResponse
	var primary *gh.RateLimitError
	var secondary *gh.AbuseRateLimitError
	switch {
	case errors.As(err, &primary):
		return fmt.Errorf("%w: the rate limit is used up", transport.ErrThrottled)
	case errors.As(err, &secondary):
		return fmt.Errorf("%w: a secondary rate limit applies", transport.ErrThrottled)
	case errors.As(err, &response) && response.Response != nil:
		return describe(response, write)
	}
	return transport.Clean(err)
}

func describe(r *gh.ErrorResponse, write bool) error {
	status := r.Response.StatusCode
	parts := []string{r.Message}
	for _, e := range r.Errors {
		text := e.Message
		if text == "" {
			text = strings.Trim(strings.Join([]string{e.Resource, e.Field, e.Code}, " "), " ")
		}
		parts = append(parts, text)
	}
	message := strings.Join(parts, "; ")
	if sentinel := sentinel(status, message, write); sentinel != nil {
		return fmt.Errorf("%w: HTTP %d: %s", sentinel, status, message)
	}
	return fmt.Errorf("HTTP %d: %s", status, message)
}

// sentinel tells apart what GitHub answers with the same status.
func sentinel(status int, message string, write bool) error {
	text := strings.ToLower(message)
	switch {
	case strings.Contains(text, "rate limit"):
		return transport.ErrThrottled
	case status == 422 && strings.Contains(text, "already exists"):
		return execute.ErrConflict
	case status == 422 && (strings.Contains(text, "reference does not exist") || strings.Contains(text, "no commit found")):
		return execute.ErrNotFound
	case strings.Contains(text, "protected branch"), strings.Contains(text, "repository rule violations"):
		return execute.ErrPolicy
	case status == 403 && strings.Contains(text, "archived"):
		return execute.ErrRefused
	}
	return transport.Sentinel(status, write)
}

// fail names the object of an error, and says what most reads and changes take.
func fail(err error, write bool, format string, args ...any) error {
	if err == nil {
		return nil
	}
	need := permissions.GitHubContents
	if write {
		need = permissions.GitHubWrite
	}
	return execute.Needing(need, fmt.Errorf("github: %s: %w", fmt.Sprintf(format, args...), classify(err, write)))
}
