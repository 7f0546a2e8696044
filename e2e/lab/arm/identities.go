package arm

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// identityPath has the parts of a managed identity's address: subscription, resource group, name, and what follows: nothing, its federated
// credentials, or one of them.
var (
	identityPath   = lazy.Regexp(`^/subscriptions/([^/]+)/resourcegroups/([^/]+)/providers/microsoft\.managedidentity/userassignedidentities/([^/]+)(?:/(federatedidentitycredentials)(?:/([^/]+))?)?$`)
	credentialName = lazy.Regexp(`^[a-zA-Z0-9][a-zA-Z0-9-_]{2,119}$`)
)

// maxCredentials is how many federated credentials an identity has at most (Microsoft Learn: Important considerations and restrictions for
// federated identity credentials).
const maxCredentials = 20

type identityJSON struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags"`
	Properties map[string]string `json:"properties"`
}

type credentialJSON struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Properties credentialBody `json:"properties"`
}

type credentialBody struct {
	Issuer    string   `json:"issuer"`
	Subject   string   `json:"subject"`
	Audiences []string `json:"audiences"`
}

func identityID(m *world.ManagedIdentity) string {
	return "/subscriptions/" + m.SubscriptionID + "/resourceGroups/" + m.ResourceGroup + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + m.Name
}

func showIdentity(m *world.ManagedIdentity) identityJSON {
	return identityJSON{identityID(m), m.Name, "Microsoft.ManagedIdentity/userAssignedIdentities", m.Location, map[string]string{},
		map[string]string{"tenantId": m.TenantID, "clientId": m.App.AppID, "principalId": m.App.SP.ObjectID}}
}

func showCredential(m *world.ManagedIdentity, f *world.FIC) credentialJSON {
	return credentialJSON{identityID(m) + "/federatedIdentityCredentials/" + f.Name, f.Name, "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
		credentialBody{f.Issuer, f.Subject, f.Audiences}}
}

// identity finds what a path names.
func (c *call) identity(part []string) *world.ManagedIdentity {
	for _, m := range c.w.ManagedIdentities {
		if strings.EqualFold(m.SubscriptionID, part[1]) && strings.EqualFold(m.ResourceGroup, part[2]) && strings.EqualFold(m.Name, part[3]) {
			return m
		}
	}
	return nil
}

func notFoundIdentity(name string) answer {
	return fail(http.StatusNotFound, "ResourceNotFound", "The Resource 'Microsoft.ManagedIdentity/userAssignedIdentities/%s' was not found.", name)
}

func (c *call) getIdentity(path string) answer {
	part := identityPath().FindStringSubmatch(path)
	m := c.identity(part)
	switch {
	case m == nil:
		return notFoundIdentity(part[3])
	case part[4] == "":
		return ok(showIdentity(m))
	case part[5] == "":
		shown := []credentialJSON{}
		for _, f := range m.App.FICs {
			shown = append(shown, showCredential(m, f))
		}
		return ok(listJSON[credentialJSON]{shown})
	}
	if i := credentialAt(m, part[5]); i >= 0 {
		return ok(showCredential(m, m.App.FICs[i]))
	}
	return fail(http.StatusNotFound, "NotFound", "The federated identity credential '%s' was not found.", part[5])
}

func credentialAt(m *world.ManagedIdentity, name string) int {
	return slices.IndexFunc(m.App.FICs, func(f *world.FIC) bool { return strings.EqualFold(f.Name, name) })
}

// write answers the requests that change something: PUT and DELETE of identities, their federated credentials and role assignments.
func (c *call) write(path string) (bool, answer) {
	part := identityPath().FindStringSubmatch(path)
	scope, rest, authorizes := cutLast(path, authorization)
	name, isAssignment := strings.CutPrefix(rest, "roleassignments/")
	switch {
	case c.r.Method != http.MethodPut && c.r.Method != http.MethodDelete || part == nil && !(authorizes && isAssignment):
		return false, answer{}
	case c.token.Role != world.RoleOperator:
		return true, c.unauthorized("write", path)
	case part == nil && c.r.Method == http.MethodPut:
		return true, c.putAssignment(c.spelledScope(scope), name)
	case part == nil:
		return true, c.deleteAssignment(scope, name)
	case part[4] == "" && c.r.Method == http.MethodPut:
		return true, c.putIdentity(part)
	case part[4] == "":
		return true, c.deleteIdentity(part)
	case part[5] == "":
		return false, answer{}
	}
	return true, c.changeCredential(part)
}

// spelledScope is the scope as the client wrote it.
func (c *call) spelledScope(lower string) string {
	return ("/" + strings.Trim(c.r.URL.Path, "/"))[:len(lower)]
}

// spelled is the last part of the path as the client wrote it.
func (c *call) spelled() string {
	path := strings.Trim(c.r.URL.Path, "/")
	return path[strings.LastIndex(path, "/")+1:]
}

func (c *call) putIdentity(part []string) answer {
	var in struct {
		Location string `json:"location"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil || in.Location == "" {
		return fail(http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
	}
	if m := c.identity(part); m != nil {
		return ok(showIdentity(m))
	}
	var sub *world.Subscription
	for _, s := range c.w.Subs {
		if strings.EqualFold(s.ID, part[1]) {
			sub = s
		}
	}
	if sub == nil {
		return fail(http.StatusNotFound, "SubscriptionNotFound", "The subscription '%s' could not be found.", part[1])
	}
	now := c.w.Clock.Now()
	m := &world.ManagedIdentity{SubscriptionID: sub.ID, ResourceGroup: part[2], Name: c.spelled(), Location: in.Location, TenantID: sub.TenantID, Created: now,
		App: &world.App{ObjectID: c.w.NewID(), AppID: c.w.NewID(), DisplayName: c.spelled(), Created: now, SP: &world.ServicePrincipal{ObjectID: c.w.NewID(), Enabled: true}}}
	c.w.ManagedIdentities = append(c.w.ManagedIdentities, m)
	return answer{status: http.StatusCreated, body: showIdentity(m)}
}

func (c *call) deleteIdentity(part []string) answer {
	m := c.identity(part)
	if m == nil {
		return answer{status: http.StatusNoContent}
	}
	c.w.ManagedIdentities = slices.DeleteFunc(c.w.ManagedIdentities, func(x *world.ManagedIdentity) bool { return x == m })
	return answer{status: http.StatusOK}
}

// changeCredential writes or removes one. Writes to one identity that come at the same time are refused (Microsoft Learn: Important
// considerations and restrictions for federated identity credentials, "Concurrent updates aren't supported").
func (c *call) changeCredential(part []string) answer {
	m := c.identity(part)
	if m == nil {
		return notFoundIdentity(part[3])
	}
	now := c.w.Clock.Now()
	if !m.Written.IsZero() && now.Before(m.Written.Add(c.w.Knobs.IdentityWriteGap)) {
		return fail(http.StatusConflict, "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
			"Too many federated identity credentials are written concurrently for the managed identity '%s'.", m.Name)
	}
	i := credentialAt(m, part[5])
	if c.r.Method == http.MethodDelete {
		if i < 0 {
			return answer{status: http.StatusNoContent}
		}
		m.App.FICs, m.Written = slices.Delete(slices.Clone(m.App.FICs), i, i+1), now
		return answer{status: http.StatusOK}
	}
	f, refusal := c.credential(m, i)
	if f == nil {
		return refusal
	}
	m.Written = now
	if i >= 0 {
		m.App.FICs[i] = f
		return ok(showCredential(m, f))
	}
	m.App.FICs = append(m.App.FICs, f)
	return answer{status: http.StatusCreated, body: showCredential(m, f)}
}

// credential reads the body of a PUT and holds it to the rules.
func (c *call) credential(m *world.ManagedIdentity, at int) (*world.FIC, answer) {
	var in struct {
		Properties credentialBody `json:"properties"`
	}
	p := &in.Properties
	if err := json.Unmarshal(c.body, &in); err != nil || p.Issuer == "" || p.Subject == "" || len(p.Audiences) != 1 || !credentialName().MatchString(c.spelled()) {
		return nil, fail(http.StatusBadRequest, "BadRequest", "The request to write the federated identity credential is invalid.")
	}
	for i, f := range m.App.FICs {
		if i != at && f.Issuer == p.Issuer && f.Subject == p.Subject {
			return nil, fail(http.StatusConflict, "Conflict", "Issuer and subject combination already exists for this Managed Identity.")
		}
	}
	if at < 0 && len(m.App.FICs) >= maxCredentials {
		return nil, fail(http.StatusBadRequest, "TooManyFederatedIdentityCredentials", "The managed identity can't have more than %d federated identity credentials.", maxCredentials)
	}
	return &world.FIC{ID: c.w.NewID(), Name: c.spelled(), Issuer: p.Issuer, Subject: p.Subject, Audiences: p.Audiences, Created: c.w.Clock.Now()}, answer{}
}

// otherQuery answers the queries that are not about role assignments: managed identities, what runs with one, key vaults with access
// policies, and Managed DevOps Pools.
func (c *call) otherQuery(query string) (rows []any, is bool) {
	text := strings.ToLower(query)
	rows = []any{}
	switch {
	case !strings.HasPrefix(strings.TrimSpace(text), "resources"):
		return nil, false
	case strings.Contains(text, "microsoft.managedidentity/userassignedidentities'"):
		for _, m := range c.w.ManagedIdentities {
			rows = append(rows, map[string]any{"id": identityID(m), "name": m.Name, "location": m.Location, "tenantId": m.TenantID, "clientId": m.App.AppID, "principalId": m.App.SP.ObjectID})
		}
	case strings.Contains(text, "identity.userassignedidentities) has"):
		for _, m := range c.w.ManagedIdentities {
			if strings.Contains(text, "'"+strings.ToLower(identityID(m))+"'") {
				for _, r := range m.AttachedTo {
					rows = append(rows, map[string]any{"id": r})
				}
			}
		}
	case strings.Contains(text, "microsoft.keyvault/vaults'"):
		for _, t := range c.w.Tenants {
			for _, a := range t.Apps {
				for _, v := range a.SP.Vaults {
					rows = append(rows, map[string]any{"id": v, "pid": a.SP.ObjectID})
				}
			}
		}
	case strings.Contains(text, "microsoft.devopsinfrastructure/pools'"):
		for _, m := range c.w.ManagedPools {
			rows = append(rows, showPool(m))
		}
	default:
		return nil, false
	}
	return rows, true
}

// showPool gives a Managed DevOps Pool as the query projects it: dynamic values are texts of JSON, and nothing where there is none.
func showPool(m *world.ManagedPool) map[string]any {
	organizations := []map[string]any{}
	for _, o := range m.Organizations {
		shown := map[string]any{"url": o.URL, "projects": []string{}, "parallelism": 1}
		if o.Alias != "" {
			shown["alias"] = o.Alias
		}
		organizations = append(organizations, shown)
	}
	profile := map[string]any{"kind": "AzureDevOps", "organizations": organizations, "permissionProfile": map[string]any{"kind": "CreatorOnly"}}
	if m.Alias != "" {
		profile["alias"] = m.Alias
	}
	identities := map[string]any{}
	for _, id := range m.Identities {
		identities[id] = map[string]any{}
	}
	row := map[string]any{"id": m.Resource, "name": m.Name, "profile": asText(profile), "identities": ""}
	if len(identities) > 0 {
		row["identities"] = asText(identities)
	}
	return row
}

func asText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return string(b)
}
