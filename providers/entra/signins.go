package entra

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
)

const (
	// signInRetention is how long the longest-keeping licence keeps the sign-in log; asking further back than it
	// reaches must not look like evidence (Microsoft Learn: Microsoft Entra data retention).
	signInRetention = 30 * 24 * time.Hour
	// signInPages bounds how much of the log of one application is read (a page has at most 1,000 entries).
	signInPages = 50
)

// signIn is an entry of the beta sign-in log. The v1.0 log and the SDK's model have none of the fields that
// tell which credential was used.
type signIn struct {
	ID                    string    `json:"id"`
	AppID                 string    `json:"appId"`
	Created               time.Time `json:"createdDateTime"`
	CredentialType        string    `json:"clientCredentialType"`
	KeyID                 string    `json:"servicePrincipalCredentialKeyId"`
	FederatedCredentialID string    `json:"federatedCredentialId"`
	Status                struct {
		ErrorCode int `json:"errorCode"`
	} `json:"status"`
}

// SignIns implements scan.Entra and execute.Directory. It makes one query for an application, since the log
// allows 5 requests in 10 seconds (Microsoft Learn: Microsoft Graph service-specific throttling limits).
func (c *Client) SignIns(ctx context.Context, app inventory.AppID, since time.Time) (inventory.SignInEvidence, error) {
	if oldest := c.now().Add(-signInRetention); since.Before(oldest) {
		since = oldest
	}
	evidence := inventory.SignInEvidence{Since: since.UTC().Truncate(time.Second)}
	id, err := uuid.Parse(string(app))
	if err != nil {
		return evidence, fmt.Errorf("entra: reading sign-ins: %q is not a client id", app)
	}
	query := url.Values{
		"$filter": {fmt.Sprintf("appId eq '%s' and signInEventTypes/any(t:t eq 'servicePrincipal') and createdDateTime ge %s", id, evidence.Since.Format(time.RFC3339))},
		"$top":    {"1000"},
	}
	next := c.url + "/beta/auditLogs/signIns?" + strings.ReplaceAll(query.Encode(), "+", "%20")
	evidence.Known = true
	for pages := 0; next != ""; pages++ {
		var page []signIn
		if page, next, err = c.signInPage(ctx, next); err != nil {
			if ctx.Err() != nil {
				return evidence, fmt.Errorf("entra: reading the sign-ins of application %s: %w", app, err)
			}
			evidence.Known, evidence.Reason, evidence.Passing = false, reason(err), scan.Passing(err)
			evidence.Denied = denied(err)
			break
		}
		for _, s := range page {
			evidence.SignIns = append(evidence.SignIns, s.signIn())
		}
		if next != "" && pages+1 == signInPages {
			evidence.Known, evidence.Reason = false, fmt.Sprintf("the log has more than %d pages since %s", signInPages, evidence.Since.Format(time.RFC3339))
			break
		}
	}
	slices.SortStableFunc(evidence.SignIns, func(a, b inventory.SignIn) int { return a.Time.Compare(b.Time) })
	return evidence, nil
}

func (s signIn) signIn() inventory.SignIn {
	return inventory.SignIn{
		ID: s.ID, AppID: inventory.AppID(strings.ToLower(s.AppID)), Time: s.Created.UTC(), CredentialType: s.CredentialType,
		KeyID: inventory.KeyID(strings.ToLower(s.KeyID)), FederatedCredentialID: inventory.FederatedCredentialID(s.FederatedCredentialID), ErrorCode: s.Status.ErrorCode,
	}
}

func (c *Client) signInPage(ctx context.Context, address string) ([]signIn, string, error) {
	return page[signIn](ctx, c, address)
}
