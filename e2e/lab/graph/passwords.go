package graph

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

func addApplicationPassword(c *call) (any, *refusal) {
	app, e := c.application()
	if e != nil {
		return nil, e
	}
	return c.addPassword(app, &app.Passwords)
}

func removeApplicationPassword(c *call) (any, *refusal) {
	app, e := c.application()
	if e != nil {
		return nil, e
	}
	return c.removePassword(&app.Passwords)
}

// addPassword mints a password. Its value is in this answer and never in another.
func (c *call) addPassword(app *world.App, list *[]*world.AppPassword) (any, *refusal) {
	if name, blocked := c.blocked(app); blocked {
		return nil, refuse(http.StatusBadRequest, "CredentialTypeNotAllowedAsPerAppPolicy",
			"Credential type not allowed as per assigned policy '%s'.", name)
	}
	body, e := c.decode()
	if e != nil {
		return nil, e
	}
	wanted, _ := body["passwordCredential"].(object)
	now := c.world.Clock.Now().Truncate(time.Second)
	p := &world.AppPassword{Start: now, End: now.AddDate(2, 0, 0)} // two years unless asked otherwise (application: addPassword)
	if p.DisplayName, _ = wanted["displayName"].(string); len(p.DisplayName) > 256 {
		return nil, badRequest("Invalid value specified for property 'displayName' of resource 'PasswordCredential'.")
	}
	if e := setTime(&p.Start, wanted, "startDateTime"); e != nil {
		return nil, e
	}
	if e := setTime(&p.End, wanted, "endDateTime"); e != nil {
		return nil, e
	}
	if !p.End.After(p.Start) || !p.End.After(now) {
		return nil, badRequest("Invalid value specified for property 'endDateTime' of resource 'PasswordCredential'.")
	}
	if days := c.world.Knobs.PasswordMaxDays; days > 0 && c.assigned(app) == nil && p.End.After(p.Start.AddDate(0, 0, days)) {
		return nil, refuse(http.StatusBadRequest, "CredentialInvalidLifetimeAsPerAppPolicy",
			"Credential lifetime exceeds the max value allowed as per assigned policy '%s'.", defaultPolicyName)
	}
	p.KeyID, p.Value = c.world.NewID(), c.world.NewSecret()
	*list = append(*list, p)
	o := password(p)
	o["secretText"] = p.Value
	o["@odata.context"] = c.context("microsoft.graph.passwordCredential")
	return o, nil
}

func setTime(to *time.Time, o object, name string) *refusal {
	s, ok := o[name].(string)
	if !ok {
		return nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return refuse(http.StatusBadRequest, "BadRequest", "Cannot convert the literal '%s' to the expected type 'Edm.DateTimeOffset'.", s)
	}
	*to = t.UTC()
	return nil
}

func (c *call) removePassword(list *[]*world.AppPassword) (any, *refusal) {
	body, e := c.decode()
	if e != nil {
		return nil, e
	}
	id, _ := body["keyId"].(string)
	i := slices.IndexFunc(*list, func(p *world.AppPassword) bool { return strings.EqualFold(p.KeyID, id) })
	if i < 0 {
		return nil, badRequest("No password credential found with keyId.")
	}
	*list = slices.Delete(slices.Clone(*list), i, i+1)
	return nil, nil
}
