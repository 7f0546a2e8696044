package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/internal/wait"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// problem is one entry of a GraphQL answer's errors.
type problem struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Path    []any  `json:"path"`
}

// problems are a GraphQL answer's errors.
type problems []problem

// Error implements error.
func (p problems) Error() string {
	texts := make([]string, 0, len(p))
	for _, one := range p {
		texts = append(texts, strings.TrimSpace(one.Type+" "+one.Message))
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives the sentinel of package execute that fits.
func (p problems) Unwrap() error {
	for _, one := range p {
		text := strings.ToLower(one.Message)
		switch {
		case one.Type == "NOT_FOUND":
			return execute.ErrNotFound
		case one.Type == "STALE_DATA", strings.Contains(text, "expected branch to point to"):
			return execute.ErrConflict
		case one.Type == "RATE_LIMITED", strings.Contains(text, "rate limit"):
			return transport.ErrThrottled
		case strings.Contains(text, "protected branch"), strings.Contains(text, "branch protection"), strings.Contains(text, "rule violations"):
			return execute.ErrPolicy
		case one.Type == "FORBIDDEN", one.Type == "INSUFFICIENT_SCOPES", strings.Contains(text, "not accessible by"):
			return execute.ErrForbidden
		case one.Type == "UNPROCESSABLE":
			return execute.ErrRefused
		}
	}
	return nil
}

func (p problems) rateLimited() bool {
	for _, one := range p {
		if one.Type == "RATE_LIMITED" {
			return true
		}
	}
	return false
}

const (
	rateLimitTries = 4
	rateLimitPause = time.Minute
)

// graphql sends a document and decodes the answer's data. Where the answer has errors, data is filled as far as
// it came and the error is of type problems. An exhausted rate limit comes with HTTP 200
// (GitHub Docs: Rate limits and query limits for the GraphQL API); it is waited for and asked again, since
// the document was not executed.
func (c *Client) graphql(ctx context.Context, document string, variables map[string]any, data any) error {
	for try := 1; ; try++ {
		limited, err := c.graphqlOnce(ctx, document, variables, data)
		if !limited || try == rateLimitTries {
			return execute.From(permissions.GitHub, err)
		}
	}
}

// graphqlOnce tells besides whether the rate limit was used up; it has then waited where the answer did not say
// how long, and else the transport waits before the next request.
func (c *Client) graphqlOnce(ctx context.Context, document string, variables map[string]any, data any) (limited bool, err error) {
	at, err := url.Parse(c.graphqlURL)
	if err != nil {
		return false, err
	}
	response, err := transport.Exchange(ctx, c.http, http.MethodPost, c.graphqlURL, map[string]any{"query": document, "variables": variables})
	if err != nil {
		return false, err
	}
	answer := struct {
		Data    any      `json:"data"`
		Errors  problems `json:"errors"`
		Message string   `json:"message"`
	}{Data: data}
	err = json.Unmarshal(response.Body, &answer)
	switch {
	case response.Status != http.StatusOK:
		isMutation := strings.HasPrefix(strings.TrimSpace(document), "mutation")
		return false, &transport.Error{Method: http.MethodPost, Host: at.Host, Path: at.Path, Status: response.Status,
			Message: answer.Message, Err: sentinel(response.Status, answer.Message, isMutation)}
	case err != nil:
		return false, fmt.Errorf("the answer is not the JSON that was expected: %w", err)
	case answer.Errors.rateLimited():
		return true, errors.Join(answer.Errors, c.pauseUnlessTold(ctx, response.Header))
	case len(answer.Errors) > 0:
		return false, answer.Errors
	}
	return false, nil
}

// pauseUnlessTold waits where an answer says neither when the limit is reset nor how long to wait.
func (c *Client) pauseUnlessTold(ctx context.Context, h http.Header) error {
	if transport.Told(h) {
		return nil
	}
	return wait.For(ctx, rateLimitPause)
}
