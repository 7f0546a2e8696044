package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// The API versions, as the REST reference names them.
const (
	versionIdentities    = "2023-01-31"
	versionAuthorization = "2022-04-01"
	versionSubscriptions = "2022-12-01"
)

// Error is Resource Manager's own description of what it refused.
type Error struct {
	Status  int
	Code    string
	Message string
	Err     error // the sentinel of package execute, or nil
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("HTTP %d %s: %s", e.Status, e.Code, e.Message)
	if e.Err != nil {
		return e.Err.Error() + ": " + text
	}
	return text
}

// Unwrap gives the sentinel.
func (e *Error) Unwrap() error { return e.Err }

// address is that of a resource in an API version.
func (c *Client) address(resource, version, query string) string {
	return c.url + "/" + strings.Trim(resource, "/") + "?api-version=" + version + query
}

// send sends one request and reads the answer into v, where that is not nil. It tells whether the service answered with 204: there was
// nothing.
func (c *Client) send(ctx context.Context, method, address string, content, v any) (empty bool, err error) {
	response, err := transport.Exchange(ctx, c.http, method, address, content)
	if err != nil {
		return false, execute.From(permissions.Azure, err)
	}
	if response.Status/100 != 2 {
		return false, execute.From(permissions.Azure, refusal(response.Status, response.Body, method != http.MethodGet))
	}
	if response.Status == http.StatusNoContent || v == nil {
		return response.Status == http.StatusNoContent, nil
	}
	if err := json.Unmarshal(response.Body, v); err != nil {
		return false, fmt.Errorf("the answer is not the JSON that was expected: %w", err)
	}
	return false, nil
}

func refusal(status int, text []byte, write bool) error {
	var answer struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	e := &Error{Status: status, Code: "unknown", Message: "the answer has no description"}
	if json.Unmarshal(text, &answer) == nil && answer.Error.Code != "" {
		e.Code, e.Message = answer.Error.Code, answer.Error.Message
	}
	e.Err = transport.Sentinel(status, write)
	if strings.Contains(e.Code, "TooMany") || strings.Contains(strings.ToLower(e.Message), "can't have more than") || strings.Contains(e.Code, "LimitExceeded") {
		e.Err = execute.ErrLimit
	}
	return e
}

// listed is a page of a list.
type listed[T any] struct {
	Value []T    `json:"value"`
	Next  string `json:"nextLink"`
}

// list reads a list to its end. Pages are followed on the service's own host only.
func list[T any](ctx context.Context, c *Client, address string) ([]T, error) {
	var all []T
	for address != "" {
		var page listed[T]
		if _, err := c.send(ctx, http.MethodGet, address, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		if page.Next != "" && !sameHost(page.Next, c.url) {
			return nil, errors.New("the next page is on another host")
		}
		address = page.Next
	}
	return all, nil
}

func sameHost(a, b string) bool {
	x, err := url.Parse(a)
	if err != nil {
		return false
	}
	y, err := url.Parse(b)
	return err == nil && strings.EqualFold(x.Host, y.Host)
}
