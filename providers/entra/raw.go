package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// get reads what the SDK's structures do not know, or what would bring in request builders that take minutes to
// build, without the SDK.
func (c *Client) get(ctx context.Context, address string, v any) error {
	return c.send(ctx, http.MethodGet, address, nil, v)
}

// send sends a request with a body, where there is one, and reads the answer into v, where that is not nil.
func (c *Client) send(ctx context.Context, method, address string, content, v any) error {
	return execute.From(permissions.Graph, c.exchange(ctx, method, address, content, v))
}

func (c *Client) exchange(ctx context.Context, method, address string, content, v any) error {
	response, err := transport.Exchange(ctx, c.http, method, address, content)
	if err != nil {
		return err
	}
	write := method != http.MethodGet
	if write && len(response.Body) == 0 && response.Status/100 == 2 {
		return nil
	}
	var refused struct {
		Error *struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	err = json.Unmarshal(response.Body, &refused)
	switch {
	case refused.Error != nil:
		e := &Error{Status: response.Status, Code: refused.Error.Code, Message: refused.Error.Message}
		e.Err = sentinel(e, write)
		return e
	case write && response.Status >= http.StatusInternalServerError:
		return fmt.Errorf("HTTP %d without an error that could be read: %w", response.Status, execute.ErrUnknownOutcome)
	case err != nil:
		return fmt.Errorf("the answer is not the JSON that was expected: %w", err)
	case response.Status/100 != 2:
		return fmt.Errorf("HTTP %d without an error that could be read", response.Status)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(response.Body, v); err != nil {
		return fmt.Errorf("the answer is not the JSON that was expected: %w", err)
	}
	return nil
}

// page reads one page of a list, and the address of the next one.
func page[T any](ctx context.Context, c *Client, address string) ([]T, string, error) {
	var answer struct {
		Next  string `json:"@odata.nextLink"`
		Value []T    `json:"value"`
	}
	if err := c.get(ctx, address, &answer); err != nil {
		return nil, "", err
	}
	if answer.Value == nil {
		return nil, "", fmt.Errorf("HTTP %d without a list", http.StatusOK)
	}
	return answer.Value, answer.Next, nil
}

// list reads a list to its end.
func list[T any](ctx context.Context, c *Client, address string) ([]T, error) {
	var all []T
	for address != "" {
		values, next, err := page[T](ctx, c, address)
		if err != nil {
			return nil, err
		}
		all, address = append(all, values...), next
	}
	return all, nil
}
