package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/unsecret-dev/unsecret/providers/transport"
)

// ResolveTenant gives the tenant's id: what was configured, if it is an id; what Entra says of a domain; else the
// tenant that the token is for.
func (a *Azure) ResolveTenant(ctx context.Context, source transport.TokenSource) (string, error) {
	name := a.tenant()
	if id, err := uuid.Parse(name); err == nil {
		return id.String(), nil
	}
	if name != "" {
		return a.discover(ctx, name)
	}
	token, err := source(ctx)
	if err != nil {
		return "", err
	}
	if id := tenantOf(token); id != "" {
		return id, nil
	}
	return "", errors.New("the tenant is not known: give its id (entra.tenant)")
}

// tenantOf reads the claim tid of an access token.
func tenantOf(token string) string {
	var claims struct {
		Tenant string `json:"tid"`
	}
	if !transport.Claims(token, &claims) {
		return ""
	}
	return claims.Tenant
}

// discover finds the id of a tenant by one of its domains, in the issuer that its OpenID configuration names.
func (a *Azure) discover(ctx context.Context, domain string) (string, error) {
	authority := strings.TrimRight(cmp.Or(a.Authority, a.Cloud.Authority), "/")
	host, err := transport.Host(authority)
	if err != nil {
		return "", err
	}
	client, err := a.Transport.Client(transport.ClientOptions{Kind: "login", Hosts: []string{host}})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, authority+"/"+url.PathEscape(domain)+"/v2.0/.well-known/openid-configuration", nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("finding the id of tenant %s: %w", domain, transport.Clean(err))
	}
	defer response.Body.Close()
	var document struct {
		Issuer string `json:"issuer"`
	}
	if err := json.NewDecoder(response.Body).Decode(&document); err == nil {
		for _, part := range strings.Split(document.Issuer, "/") {
			if id, err := uuid.Parse(part); err == nil {
				return id.String(), nil
			}
		}
	}
	return "", fmt.Errorf("finding the id of tenant %s: Entra does not know it (HTTP %d); give its id", domain, response.StatusCode)
}
