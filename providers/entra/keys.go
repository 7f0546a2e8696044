package entra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// keyFields are those of a key credential that the program looks at (Microsoft Learn: keyCredential resource type).
type keyFields struct {
	KeyID string    `json:"keyId"`
	Type  string    `json:"type"`
	Usage string    `json:"usage"`
	End   time.Time `json:"endDateTime"`
}

// KeyCredentials implements execute.Directory. The public part of a certificate is only in the answer for a single object with $select, which
// has a limit of its own: 150 requests in a minute for a tenant (Microsoft Learn: List applications).
func (c *Client) KeyCredentials(ctx context.Context, application inventory.ObjectID) ([]execute.KeyCredential, error) {
	var found struct {
		Keys []json.RawMessage `json:"keyCredentials"`
	}
	if err := c.get(ctx, c.keysOf(application)+"?$select=id,keyCredentials", &found); err != nil {
		return nil, execute.Needing(permissions.GraphApplicationRead, fmt.Errorf("entra: reading the certificates of application %s: %w", application, err))
	}
	keys := make([]execute.KeyCredential, 0, len(found.Keys))
	for _, raw := range found.Keys {
		var f keyFields
		if err := json.Unmarshal(raw, &f); err != nil {
			return nil, fmt.Errorf("entra: reading the certificates of application %s: %w", application, err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			return nil, fmt.Errorf("entra: reading the certificates of application %s: %w", application, err)
		}
		keys = append(keys, execute.KeyCredential{KeyID: inventory.KeyID(f.KeyID), Form: f.Type, Usage: f.Usage, End: f.End.UTC(), JSON: compact.Bytes()})
	}
	return keys, nil
}

func (c *Client) keysOf(application inventory.ObjectID) string {
	return c.url + "/v1.0/applications/" + url.PathEscape(string(application))
}

// SetKeyCredentials implements execute.Directory. Graph has no condition for such a change (an application has no ETag), so that the list is read
// again right before it, with the application's other changes of this program held back. Each goes back byte for byte as it was read: a date that is
// written another way is refused (Azure/azure-powershell#6784). Where Graph refuses the values of those that are there, they are left out, as
// Terraform's provider does.
func (c *Client) SetKeyCredentials(ctx context.Context, application inventory.ObjectID, seen, want []execute.KeyCredential) error {
	err := c.change(ctx, application, func(ctx context.Context) error {
		now, err := c.KeyCredentials(ctx, application)
		if err != nil {
			return err
		}
		if !slices.EqualFunc(sorted(now), sorted(seen), sameKey) {
			return fmt.Errorf("its certificates have changed since they were read: %w", execute.ErrConflict)
		}
		err = c.putKeys(ctx, application, want, nil)
		if errors.Is(err, execute.ErrRefused) {
			if again := c.putKeys(ctx, application, want, seen); again == nil || !errors.Is(again, execute.ErrRefused) {
				return again
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("entra: writing the certificates of application %s: %w", application, err)
	}
	return nil
}

// putKeys writes the list, those of bare without their values.
func (c *Client) putKeys(ctx context.Context, application inventory.ObjectID, want, bare []execute.KeyCredential) error {
	list := make([]json.RawMessage, 0, len(want))
	for _, k := range want {
		text := k.JSON
		if slices.ContainsFunc(bare, func(b execute.KeyCredential) bool { return sameKey(b, k) }) {
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(text, &fields); err != nil {
				return err
			}
			delete(fields, "key")
			var err error
			if text, err = json.Marshal(fields); err != nil {
				return err
			}
		}
		list = append(list, text)
	}
	return c.send(ctx, http.MethodPatch, c.keysOf(application), map[string]any{"keyCredentials": list}, nil)
}

func sorted(keys []execute.KeyCredential) []execute.KeyCredential {
	return slices.SortedFunc(slices.Values(keys), func(a, b execute.KeyCredential) int { return strings.Compare(string(a.KeyID), string(b.KeyID)) })
}

func sameKey(a, b execute.KeyCredential) bool { return bytes.Equal(a.JSON, b.JSON) }
