package entra

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// claims are what a token says of the caller (Microsoft Learn: Access token claims reference). Of an application it has no scopes.
type claims struct {
	ObjectID string   `json:"oid"`
	Scopes   string   `json:"scp"`
	AppRoles []string `json:"roles"`
	RoleIDs  []string `json:"wids"` // template ids of directory roles that hold for the whole tenant
}

// caller is what the client's token says of its caller: nothing, where it is no token of that kind.
func (c *Client) caller(ctx context.Context) (claims, error) {
	if c.token == nil {
		return claims{}, nil
	}
	token, err := c.token(ctx)
	if err != nil {
		return claims{}, err
	}
	var caller claims
	if !transport.Claims(token, &caller) {
		return claims{}, nil
	}
	return caller, nil
}

// PasswordRefusal implements execute.Directory. It goes by the token that the client has, and by the owners of the application: what permits
// addPassword is in Microsoft Graph's reference (application: addPassword). A token that says nothing of its caller proves nothing.
func (c *Client) PasswordRefusal(ctx context.Context, id inventory.Identity) (string, error) {
	caller, err := c.caller(ctx)
	if err != nil {
		return "", fmt.Errorf("entra: %w", err)
	}
	if caller.ObjectID == "" {
		return "", nil
	}
	has := func(list []string, names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(list, n) })
	}
	app := caller.Scopes == ""
	switch {
	case app && has(caller.AppRoles, "Application.ReadWrite.All", "Directory.ReadWrite.All"), app && has(caller.RoleIDs, permissions.ApplicationAdministrators()...):
		return "", nil
	case !app && !has(strings.Fields(caller.Scopes), "Application.ReadWrite.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All"):
		return "the token's scopes do not hold Application.ReadWrite.All", nil
	case !app && (len(caller.RoleIDs) == 0 || has(caller.RoleIDs, permissions.ApplicationAdministrators()...)):
		return "", nil
	}
	owners, err := list[struct {
		ID string `json:"id"`
	}](ctx, c, c.url+"/v1.0/applications/"+url.PathEscape(string(id.ObjectID))+"/owners?$select=id")
	if err != nil {
		return "", execute.Needing(permissions.GraphApplicationRead, fmt.Errorf("entra: reading the owners of application %s: %w", id.AppID, err))
	}
	owner := slices.ContainsFunc(owners, func(o struct {
		ID string `json:"id"`
	}) bool {
		return strings.EqualFold(o.ID, caller.ObjectID)
	})
	switch {
	case owner && (!app || has(caller.AppRoles, "Application.ReadWrite.OwnedBy")):
		return "", nil
	case owner:
		return "the caller owns the application, and lacks Application.ReadWrite.OwnedBy", nil
	case app:
		return "the caller does not own the application, and lacks Application.ReadWrite.All", nil
	}
	return "the caller does not own the application, and is neither Application nor Cloud Application Administrator of the whole tenant (a role of another name that permits it does not show)", nil
}
