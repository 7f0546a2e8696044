package graph

import (
	"net/http"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

var (
	applicationProperties = names(application(&world.App{}))
	applicationFilterable = []string{"id", "appId", "displayName", "createdDateTime", "identifierUris", "publisherDomain", "signInAudience", "tags", "isDisabled", "owners"}
)

// application finds the application that the path names by object id or by appId=….
func (c *call) application() (*world.App, *refusal) {
	id := c.r.PathValue("id")
	if appID, ok := strings.CutPrefix(id, "appId="); ok {
		for _, app := range c.tenant.Apps {
			if strings.EqualFold(app.AppID, appID) {
				return app, nil
			}
		}
		return nil, notFound(appID)
	}
	if app := c.tenant.Apps[id]; app != nil {
		return app, nil
	}
	for _, app := range c.tenant.Apps {
		if strings.EqualFold(app.ObjectID, id) {
			return app, nil
		}
	}
	return nil, notFound(id)
}

func (c *call) applications() listing {
	l := listing{
		context: "applications", resource: "application", properties: applicationProperties, filterable: applicationFilterable, maxPage: maxPage,
		render: func(id string) object {
			app := c.tenant.Apps[id]
			o := application(app)
			if strings.Contains(c.r.URL.RawQuery, "owners") {
				o["owners"] = owners(app)
			}
			return o
		},
		expand: map[string]func(string) []any{
			"owners":                       func(id string) []any { return owners(c.tenant.Apps[id]) },
			"federatedIdentityCredentials": func(id string) []any { return federatedList(c.tenant.Apps[id], c.beta) },
		},
	}
	may := c.candidates()
	for id, app := range c.tenant.Apps {
		if may(app) {
			l.ids = append(l.ids, id)
		}
	}
	slices.Sort(l.ids)
	return l
}

func listApplications(c *call) (any, *refusal) { return c.list(c.applications()) }

func countApplications(c *call) (any, *refusal) { return c.countOf(c.applications()) }

// countOf answers …/$count, which is an advanced query.
func (c *call) countOf(l listing) (any, *refusal) {
	if !strings.EqualFold(c.r.Header.Get("ConsistencyLevel"), "eventual") {
		return nil, badRequest("$count is not currently supported without the ConsistencyLevel header set to eventual.")
	}
	filter, e := c.filter(l.resource, l.filterable)
	if e != nil {
		return nil, e
	}
	return l.count(filter), nil
}

func getApplication(c *call) (any, *refusal) {
	app, e := c.application()
	if e != nil {
		return nil, e
	}
	o := application(app)
	if c.r.URL.Query().Get("$expand") == "owners" {
		o["owners"] = owners(app)
	}
	if strings.Contains(c.r.URL.Query().Get("$select"), "keyCredentials") {
		o["keyCredentials"] = keysWith(app.Keys, true)
	}
	return c.single("application", "applications", o)
}

func federatedList(app *world.App, beta bool) []any {
	out := make([]any, 0, len(app.FICs))
	for _, f := range app.FICs {
		out = append(out, federated(f, beta))
	}
	return out
}

func owners(app *world.App) []any {
	out := make([]any, 0, len(app.Owners))
	for _, p := range app.Owners {
		out = append(out, owner(p))
	}
	return out
}

func listOwners(c *call) (any, *refusal) {
	app, e := c.application()
	if e != nil {
		return nil, e
	}
	return object{"@odata.context": c.context("directoryObjects"), "value": owners(app)}, nil
}

// changeOfApplication gives the application of the address, and what the body says of it.
func (c *call) changeOfApplication() (*world.App, map[string]any, *refusal) {
	app, e := c.application()
	if e != nil {
		return nil, nil, e
	}
	body, e := c.decode()
	return app, body, e
}

// patchApplication takes the properties that a client of the lab may change. All are checked before any is set.
func patchApplication(c *call) (any, *refusal) {
	app, body, e := c.changeOfApplication()
	if e != nil {
		return nil, e
	}
	changed := *app
	for name, v := range body {
		if e := c.patchProperty(&changed, name, v); e != nil {
			return nil, e
		}
	}
	*app = changed
	return nil, nil
}

func (c *call) patchProperty(app *world.App, name string, v any) *refusal {
	switch name {
	case "displayName":
		return setText(&app.DisplayName, name, v)
	case "notes":
		return setText(&app.Notes, name, v)
	case "signInAudience":
		return setText(&app.SignInAudience, name, v)
	case "isDisabled":
		return setBool(&app.Disabled, name, v)
	case "keyCredentials":
		kept, e := c.keepKeys(app.Keys, v)
		app.Keys = kept
		return e
	case "passwordCredentials":
		return badRequest("Update to passwordCredentials is not allowed. Use addPassword and removePassword.")
	}
	if strings.HasPrefix(name, "@odata.") {
		return nil
	}
	if slices.Contains(applicationProperties, name) {
		return badRequest("Property '%s' is read-only or cannot be set in the lab.", name)
	}
	return badRequest("Invalid property '%s'.", name)
}

func setText(to *string, name string, v any) *refusal {
	s, ok := v.(string)
	if v != nil && !ok {
		return refuse(http.StatusBadRequest, "BadRequest", "Cannot convert the value of property '%s' to type 'Edm.String'.", name)
	}
	*to = s
	return nil
}

func setBool(to *bool, name string, v any) *refusal {
	b, ok := v.(bool)
	if v != nil && !ok {
		return refuse(http.StatusBadRequest, "BadRequest", "Cannot convert the value of property '%s' to type 'Edm.Boolean'.", name)
	}
	*to = b
	return nil
}
