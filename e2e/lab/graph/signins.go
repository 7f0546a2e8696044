package graph

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const (
	// signInRetention is how long the log is kept with a premium licence (Microsoft Entra, "Data retention").
	signInRetention = 30 * 24 * time.Hour
	// maxSignInPage is the largest $top of the log (Microsoft Graph, "List signIns").
	maxSignInPage = 1000
)

var (
	signInProperties = names(signIn(&world.SignIn{}))
	signInFilterable = []string{"id", "appId", "appDisplayName", "createdDateTime", "servicePrincipalId", "servicePrincipalName", "signInEventTypes",
		"servicePrincipalCredentialKeyId", "ipAddress", "resourceDisplayName", "resourceId", "status/errorCode", "correlationId", "clientCredentialType"}
)

// signIn shows an entry with the properties that only beta has.
func signIn(s *world.SignIn) object {
	reason := any("Other.")
	if s.ErrorCode != 0 {
		reason = s.FailureReason
	}
	return object{
		"id": s.ID, "createdDateTime": moment(s.Time), "appId": s.AppID, "appDisplayName": orNull(s.AppName), "servicePrincipalId": s.SPID,
		"servicePrincipalName": orNull(s.AppName), "servicePrincipalCredentialKeyId": orNull(s.KeyID), "servicePrincipalCredentialThumbprint": nil,
		"federatedCredentialId": orNull(s.FICID), "clientCredentialType": credentialType(s.CredentialType), "signInEventTypes": []any{"servicePrincipal"},
		"ipAddress": orNull(s.IP), "resourceDisplayName": orNull(resourceName(s.Resource)), "resourceId": orNull(s.Resource), "correlationId": s.ID,
		"isInteractive": false, "userId": "", "userDisplayName": nil, "userPrincipalName": nil, "homeTenantId": s.TenantID, "resourceTenantId": s.TenantID,
		"conditionalAccessStatus": "notApplied",
		"status":                  object{"errorCode": s.ErrorCode, "failureReason": reason, "additionalDetails": nil},
	}
}

func credentialType(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func resourceName(resource string) string {
	switch strings.TrimSuffix(resource, "/") {
	case "https://management.azure.com", "https://management.core.windows.net":
		return "Azure Resource Manager"
	case "https://graph.microsoft.com":
		return "Microsoft Graph"
	}
	return resource
}

// visible are the tenant's entries that have arrived in the log and are still kept, newest first.
func (c *call) visible() []*world.SignIn {
	now := c.world.Clock.Now()
	var out []*world.SignIn
	for _, s := range slices.Backward(c.world.SignIns) {
		age := now.Sub(s.Time)
		if s.TenantID == c.tenant.ID && age >= c.world.Knobs.SignInLogLatency && age <= signInRetention {
			out = append(out, s)
		}
	}
	return out
}

// logAllowed refuses as a tenant without the licence, or a caller without the role, is refused.
func (c *call) logAllowed() *refusal {
	if code := c.world.Knobs.SignInLogForbid; code != "" {
		return refuse(http.StatusForbidden, code, "Neither tenant is B2C or tenant doesn't have premium license")
	}
	return nil
}

// listSignIns answers the log. v1.0 has only interactive sign-ins of users, of which the lab has none; beta has the
// service principals' for those who ask for that event type.
func listSignIns(c *call) (any, *refusal) {
	if e := c.logAllowed(); e != nil {
		return nil, e
	}
	filterable := signInFilterable
	if !c.beta {
		filterable = slices.DeleteFunc(slices.Clone(filterable), func(p string) bool {
			return p == "signInEventTypes" || p == "servicePrincipalCredentialKeyId" || p == "clientCredentialType"
		})
	}
	l := listing{
		context: "auditLogs/signIns", resource: "signIn", properties: signInProperties, filterable: filterable, maxPage: maxSignInPage,
	}
	byID := map[string]*world.SignIn{}
	if c.beta && strings.Contains(c.r.URL.Query().Get("$filter"), "signInEventTypes") {
		only := theApplication(c.r.URL.Query().Get("$filter"))
		for _, s := range c.visible() {
			if only != "" && !strings.EqualFold(s.AppID, only) {
				continue // the filter leaves it out anyway, after it was rendered
			}
			l.ids = append(l.ids, s.ID)
			byID[s.ID] = s
		}
	}
	l.render = func(id string) object { return signIn(byID[id]) }
	return c.list(l)
}

// theApplication gives the application that a filter of and-ed conditions restricts a list to.
func theApplication(filter string) string {
	rest, ok := strings.CutPrefix(filter, "appId eq '")
	id, _, closed := strings.Cut(rest, "'")
	if !ok || !closed || strings.Contains(filter, " or ") {
		return ""
	}
	return id
}

func getSignIn(c *call) (any, *refusal) {
	if e := c.logAllowed(); e != nil {
		return nil, e
	}
	for _, s := range c.visible() {
		if s.ID == c.r.PathValue("id") {
			return c.single("signIn", "auditLogs/signIns", signIn(s))
		}
	}
	return nil, notFound(c.r.PathValue("id"))
}

// betaOnly refuses what v1.0 does not have.
func (c *call) betaOnly() *refusal {
	if c.beta {
		return nil
	}
	return refuse(http.StatusBadRequest, "BadRequest", "Resource not found for the segment '%s'.", lastSegment(c.r.URL.Path))
}

// listCredentialActivities is empty: the report has been returning nothing since early 2024, so its emptiness
// must not be read as "unused".
func listCredentialActivities(c *call) (any, *refusal) {
	if e := c.betaOnly(); e != nil {
		return nil, e
	}
	return emptyOf("reports/appCredentialSignInActivities")(c)
}

// listPrincipalActivities gives the last sign-in of each application; it does not tell the credentials apart.
func listPrincipalActivities(c *call) (any, *refusal) {
	if e := c.betaOnly(); e != nil {
		return nil, e
	}
	last := map[string]*world.SignIn{}
	for _, s := range slices.Backward(c.visible()) {
		if s.ErrorCode == 0 {
			last[s.AppID] = s
		}
	}
	l := listing{
		context: "reports/servicePrincipalSignInActivities", resource: "servicePrincipalSignInActivity", maxPage: maxPage,
		properties: []string{"id", "appId", "lastSignInActivity"}, filterable: []string{"id", "appId"},
		render: func(id string) object {
			s := last[id]
			return object{"id": id, "appId": id, "lastSignInActivity": object{"lastSignInDateTime": moment(s.Time), "lastSignInRequestId": s.ID}}
		},
	}
	for id := range last {
		l.ids = append(l.ids, id)
	}
	slices.Sort(l.ids)
	return c.list(l)
}
