package entra

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Grants implements scan.Entra (Microsoft Graph: List appRoleAssignments, List memberOf and List ownedObjects of a service principal).
func (c *Client) Grants(ctx context.Context, principal inventory.ObjectID) (inventory.Grants, error) {
	g := inventory.Grants{Known: true}
	of := c.url + "/v1.0/servicePrincipals/" + url.PathEscape(string(principal))
	roles, err := list[struct {
		Role     string `json:"appRoleId"`
		Resource string `json:"resourceDisplayName"`
	}](ctx, c, of+"/appRoleAssignments")
	if err != nil {
		return g, fmt.Errorf("entra: reading the application permissions of %s: %w", principal, err)
	}
	for _, r := range roles {
		g.AppRoles = append(g.AppRoles, r.Resource+" "+r.Role)
	}
	type object struct {
		Type string `json:"@odata.type"`
		ID   string `json:"id"`
		Name string `json:"displayName"`
	}
	member, err := list[object](ctx, c, of+"/memberOf")
	if err != nil {
		return g, fmt.Errorf("entra: reading the groups of %s: %w", principal, err)
	}
	for _, m := range member {
		if m.Type == "#microsoft.graph.directoryRole" {
			g.DirectoryRoles = append(g.DirectoryRoles, m.Name)
		} else {
			g.Groups = append(g.Groups, m.Name)
		}
	}
	owned, err := list[object](ctx, c, of+"/ownedObjects")
	if err != nil {
		return g, fmt.Errorf("entra: reading what %s owns: %w", principal, err)
	}
	for _, o := range owned {
		g.Owned = append(g.Owned, o.Name)
	}
	for _, l := range [][]string{g.AppRoles, g.Groups, g.DirectoryRoles, g.Owned} {
		slices.Sort(l)
	}
	return g, nil
}
