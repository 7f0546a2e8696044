package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
)

// restriction is one rule of an app management policy about passwords (Microsoft Learn: passwordCredentialConfiguration
// resource type).
type restriction struct {
	Type         string    `json:"restrictionType"` // passwordAddition, passwordLifetime, customPasswordAddition, …
	State        string    `json:"state"`           // enabled or disabled
	MaxLifetime  string    `json:"maxLifetime"`     // ISO 8601, such as P90D
	CreatedAfter time.Time `json:"restrictForAppsCreatedAfterDateTime"`
}

type restrictions struct {
	Passwords []restriction `json:"passwordCredentials"`
	Keys      []restriction `json:"keyCredentials"`
	// What the tenant's default may restrict besides credentials, as it is: whatever it says counts.
	Identifiers json.RawMessage `json:"identifierUris"`
	Audiences   json.RawMessage `json:"audiences"`
}

// any tells whether anything is restricted.
func (r restrictions) any() bool {
	for _, other := range []json.RawMessage{r.Identifiers, r.Audiences} {
		if text := string(other); text != "" && text != "null" && text != "{}" {
			return true
		}
	}
	enabled := func(x restriction) bool { return !strings.EqualFold(x.State, "disabled") }
	return slices.ContainsFunc(r.Passwords, enabled) || slices.ContainsFunc(r.Keys, enabled)
}

// managementPolicy is a policy as far as it speaks of applications: the tenant's default has
// applicationRestrictions, one that is assigned to single objects has restrictions.
type managementPolicy struct {
	ID           string       `json:"id"`
	Name         string       `json:"displayName"`
	Enabled      bool         `json:"isEnabled"`
	Applications restrictions `json:"applicationRestrictions"`
	Assigned     restrictions `json:"restrictions"`
}

// policies are those of the tenant, and which application has one of its own.
type policies struct {
	standard managementPolicy
	assigned map[inventory.ObjectID]managementPolicy
}

// newPasswords tells for each application whether a policy restricts new passwords. It costs two requests, and one more for
// each policy that is assigned to applications. An application is whole without it: nothing but a warning depends on it.
func (c *Client) newPasswords(ctx context.Context, identities []inventory.Identity) error {
	p, err := c.policies(ctx)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("entra: reading app management policies: %w", err)
	}
	for i := range identities {
		if err != nil {
			identities[i].NewPasswords = inventory.NewPasswords{Reason: policyReason(err), Passing: scan.Passing(err), Denied: denied(err)}
			continue
		}
		identities[i].NewPasswords = p.of(identities[i])
	}
	return nil
}

func policyReason(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusForbidden {
		return "the caller may not read app management policies: it needs Policy.Read.All; Graph says " + e.Code
	}
	return "the app management policies could not be read: " + err.Error()
}

func (c *Client) policies(ctx context.Context) (policies, error) {
	p := policies{assigned: map[inventory.ObjectID]managementPolicy{}}
	if err := c.get(ctx, c.url+"/v1.0/policies/defaultAppManagementPolicy", &p.standard); err != nil {
		return p, err
	}
	all, err := list[managementPolicy](ctx, c, c.url+"/v1.0/policies/appManagementPolicies")
	if err != nil {
		return p, err
	}
	for _, own := range all {
		objects, err := list[struct {
			ID string `json:"id"`
		}](ctx, c, c.url+"/v1.0/policies/appManagementPolicies/"+url.PathEscape(own.ID)+"/appliesTo")
		if err != nil {
			return p, err
		}
		for _, o := range objects {
			p.assigned[inventory.ObjectID(strings.ToLower(o.ID))] = own
		}
	}
	return p, nil
}

// of applies the policies to one application. A policy of its own stands in the place of the tenant's default
// (Microsoft Learn: Microsoft Entra application management policies API overview).
func (p policies) of(id inventory.Identity) inventory.NewPasswords {
	policy, rules, isOwn := p.standard, p.standard.Applications.Passwords, false
	if own, ok := p.assigned[inventory.ObjectID(strings.ToLower(string(id.ObjectID)))]; ok {
		policy, rules, isOwn = own, own.Assigned.Passwords, true
	}
	out := inventory.NewPasswords{Known: true, Own: isOwn, TenantRules: p.standard.Enabled && p.standard.Applications.any()}
	if !policy.Enabled {
		return out
	}
	for _, r := range rules {
		if strings.EqualFold(r.State, "disabled") || !r.CreatedAfter.IsZero() && !id.Created.IsZero() && id.Created.Before(r.CreatedAfter) {
			continue
		}
		switch {
		case strings.EqualFold(r.Type, "passwordAddition"):
			out.Forbidden, out.Policy = true, policy.Name
		case strings.EqualFold(r.Type, "passwordLifetime"):
			if days := wholeDays(r.MaxLifetime); days > 0 && (out.MaxDays == 0 || days < out.MaxDays) {
				out.MaxDays, out.Policy = days, policy.Name
			}
		}
	}
	return out
}

// wholeDays reads an ISO 8601 duration and rounds down to days, at least one; 0 where it is none. A year counts 365 days
// and a month 30, so that a password for so many days is never longer than allowed.
func wholeDays(duration string) int {
	text, ok := strings.CutPrefix(strings.ToUpper(strings.TrimSpace(duration)), "P")
	if !ok {
		return 0
	}
	date, clock, _ := strings.Cut(text, "T")
	hours := 24*amount(date, map[byte]float64{'Y': 365, 'M': 30, 'W': 7, 'D': 1}) + amount(clock, map[byte]float64{'H': 1, 'M': 1.0 / 60, 'S': 1.0 / 3600})
	if !(hours > 0) || hours > 24*math.MaxInt32 {
		return 0
	}
	return max(1, int(hours/24))
}

// amount adds up numbers with units; what cannot be read makes it NaN.
func amount(text string, units map[byte]float64) float64 {
	total := 0.0
	for text != "" {
		i := strings.IndexFunc(text, func(r rune) bool { return r >= 'A' && r <= 'Z' })
		if i < 0 {
			return math.NaN()
		}
		n, err := strconv.ParseFloat(text[:i], 64)
		if unit := units[text[i]]; err == nil && unit > 0 {
			total += n * unit
		} else {
			return math.NaN()
		}
		text = text[i+1:]
	}
	return total
}

// NewPasswords implements execute.Directory.
func (c *Client) NewPasswords(ctx context.Context, id inventory.Identity) (inventory.NewPasswords, error) {
	one := []inventory.Identity{id}
	err := c.newPasswords(ctx, one)
	return one[0].NewPasswords, err
}
