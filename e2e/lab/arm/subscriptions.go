package arm

import (
	"net/http"
	"sort"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

type subscriptionJSON struct {
	ID                  string `json:"id"`
	SubscriptionID      string `json:"subscriptionId"`
	TenantID            string `json:"tenantId"`
	DisplayName         string `json:"displayName"`
	State               string `json:"state"`
	AuthorizationSource string `json:"authorizationSource"`
}

type listJSON[T any] struct {
	Value []T `json:"value"`
}

// visible are the subscriptions that the caller may read.
func (c *call) visible() map[string]*world.Subscription {
	if !c.token.May("Reader") {
		return nil
	}
	return c.w.Subs
}

func (c *call) listSubscriptions() answer {
	subs := make([]subscriptionJSON, 0, len(c.w.Subs))
	for _, s := range c.visible() {
		subs = append(subs, showSubscription(s))
	}
	sort.Slice(subs, func(i, j int) bool { return subs[i].SubscriptionID < subs[j].SubscriptionID })
	// The description of this list requires the link to a next page; empty, there is none.
	return ok(map[string]any{"value": subs, "nextLink": ""})
}

func (c *call) getSubscription(id string) answer {
	for _, s := range c.w.Subs {
		if strings.EqualFold(s.ID, id) {
			return ok(showSubscription(s))
		}
	}
	return fail(http.StatusNotFound, "SubscriptionNotFound", "The subscription '%s' could not be found.", id)
}

func showSubscription(s *world.Subscription) subscriptionJSON {
	return subscriptionJSON{"/subscriptions/" + s.ID, s.ID, s.TenantID, s.Name, "Enabled", "RoleBased"}
}
