package identify

import (
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// proposal is the mapping that a person is asked to confirm. A secret that no mapping can name has none.
func (e *examiner) proposal(q *question, c Candidate, verdict string) (*plan.Mapping, string) {
	m, ok := plan.MappingFor(q.open.Store)
	if !ok {
		return nil, verdict + "; a mapping cannot name this secret"
	}
	no := false
	m.AppID, m.TenantID, m.Confirmed = c.AppID, c.TenantID, &no
	m.SubscriptionID = q.subscription(*e.apps[c.AppID])
	return &m, verdict
}

// subscription is the one that the readers of the secret name, or else the only one that the application has a role in.
func (q *question) subscription(a Application) inventory.SubscriptionID {
	named := make([]inventory.SubscriptionID, 0, len(q.subs))
	for s := range q.subs {
		named = append(named, s)
	}
	if len(named) == 1 {
		return named[0]
	}
	var held []inventory.SubscriptionID
	for _, r := range a.Roles {
		if s := subscriptionOf(r.Scope); s != "" {
			held = appendNew(held, s)
		}
	}
	if len(held) == 1 {
		return held[0]
	}
	return ""
}
