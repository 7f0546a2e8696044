package graph

import (
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

var (
	principalProperties = names(principal(&world.Tenant{}, &world.App{SP: &world.ServicePrincipal{}}))
	principalFilterable = []string{"id", "appId", "displayName", "createdDateTime", "accountEnabled", "appOwnerOrganizationId", "servicePrincipalType", "servicePrincipalNames", "tags"}
)

// principal finds the application whose service principal the path names by object id or by appId=….
func (c *call) principal() (*world.App, *refusal) {
	id := c.r.PathValue("id")
	appID, byApp := strings.CutPrefix(id, "appId=")
	for _, app := range c.tenant.Apps {
		if app.SP != nil && (byApp && strings.EqualFold(app.AppID, appID) || !byApp && strings.EqualFold(app.SP.ObjectID, id)) {
			return app, nil
		}
	}
	return nil, notFound(strings.TrimPrefix(id, "appId="))
}

func (c *call) principals() listing {
	byID := map[string]*world.App{}
	l := listing{
		context: "servicePrincipals", resource: "servicePrincipal", properties: principalProperties, filterable: principalFilterable, maxPage: maxPage,
		render: func(id string) object { return principal(c.tenant, byID[id]) },
	}
	may := c.candidates()
	for _, app := range c.tenant.Apps {
		if app.SP != nil && may(app) {
			byID[app.SP.ObjectID] = app
			l.ids = append(l.ids, app.SP.ObjectID)
		}
	}
	slices.Sort(l.ids)
	return l
}

func listPrincipals(c *call) (any, *refusal) { return c.list(c.principals()) }

func countPrincipals(c *call) (any, *refusal) { return c.countOf(c.principals()) }

func getPrincipal(c *call) (any, *refusal) {
	app, e := c.principal()
	if e != nil {
		return nil, e
	}
	return c.single("servicePrincipal", "servicePrincipals", principal(c.tenant, app))
}

func patchPrincipal(c *call) (any, *refusal) {
	app, e := c.principal()
	if e != nil {
		return nil, e
	}
	body, e := c.decode()
	if e != nil {
		return nil, e
	}
	changed := *app.SP
	for name, v := range body {
		switch {
		case name == "accountEnabled":
			e = setBool(&changed.Enabled, name, v)
		case name == "keyCredentials":
			changed.Keys, e = c.keepKeys(changed.Keys, v)
		case !strings.HasPrefix(name, "@odata."):
			e = badRequest("Property '%s' is read-only or cannot be set in the lab.", name)
		}
		if e != nil {
			return nil, e
		}
	}
	*app.SP = changed
	return nil, nil
}

func addPrincipalPassword(c *call) (any, *refusal) {
	app, e := c.principal()
	if e != nil {
		return nil, e
	}
	return c.addPassword(app, &app.SP.Passwords)
}

func removePrincipalPassword(c *call) (any, *refusal) {
	app, e := c.principal()
	if e != nil {
		return nil, e
	}
	return c.removePassword(&app.SP.Passwords)
}

func listPrincipalOwners(c *call) (any, *refusal) {
	app, e := c.principal()
	if e != nil {
		return nil, e
	}
	return object{"@odata.context": c.context("directoryObjects"), "value": owners(app)}, nil
}

func listOrganizations(c *call) (any, *refusal) {
	return object{"@odata.context": c.context("organization"), "value": []any{object{
		"id": c.tenant.ID, "displayName": c.tenant.Name, "tenantType": "AAD",
		"verifiedDomains": []any{object{"name": strings.ToLower(c.tenant.Name) + ".onmicrosoft.com", "isDefault": true, "isInitial": true, "type": "Managed"}},
	}}}, nil
}

// getMe answers for whoever the token stands for.
func getMe(c *call) (any, *refusal) {
	domain := strings.ToLower(c.tenant.Name) + ".onmicrosoft.com"
	return object{
		"@odata.context": c.context("users/$entity"), "id": c.token.Login, "displayName": c.token.Login,
		"userPrincipalName": c.token.Login + "@" + domain, "mail": nil,
	}, nil
}
