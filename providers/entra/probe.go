package entra

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/doctor"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

var _ doctor.Prober = (*Client)(nil)

// Probe implements doctor.Prober: applications, federated credentials through beta, the sign-in log and the policies.
func (c *Client) Probe(ctx context.Context) doctor.Source {
	s := doctor.Source{Kind: inventory.SourceEntra, Name: string(c.tenant), URL: c.url}
	apps := c.ask(ctx, "/v1.0/applications?$top=1&$select=id,displayName")
	s.Skew = apps.Skew
	first := apps.Answer(doctor.CheckApplications, "applications of tenant "+string(c.tenant))
	c.tellCaller(ctx, &first)
	s.Answers = append(s.Answers, first)
	if apps.Err != nil && apps.Status == 0 {
		return s
	}
	var list struct {
		Value []struct {
			ID   string `json:"id"`
			Name string `json:"displayName"`
		} `json:"value"`
	}
	if apps.Decode(&list) && len(list.Value) > 0 {
		app := list.Value[0]
		federated := c.ask(ctx, "/beta/applications/"+url.PathEscape(app.ID)+"/federatedIdentityCredentials")
		s.Answers = append(s.Answers, federated.Answer(doctor.CheckFederated, "federated credentials of "+app.Name))
	}
	filter := "signInEventTypes/any(t:t eq 'servicePrincipal') and createdDateTime ge " + c.now().Add(-time.Hour).UTC().Format(time.RFC3339)
	log := c.ask(ctx, "/beta/auditLogs/signIns?$top=1&$filter="+url.PathEscape(filter))
	s.Answers = append(s.Answers, log.Answer(doctor.CheckSignInLog, "sign-in log of tenant "+string(c.tenant)))
	policies := c.ask(ctx, "/v1.0/policies/defaultAppManagementPolicy")
	s.Answers = append(s.Answers, policies.Answer(doctor.CheckPolicies, "app management policies of tenant "+string(c.tenant)))
	return s
}

// tellCaller adds what the token says of its caller, if it says something.
func (c *Client) tellCaller(ctx context.Context, a *doctor.Answer) {
	caller, err := c.caller(ctx)
	if err != nil || caller.ObjectID == "" {
		return
	}
	if a.Facts == nil {
		a.Facts = map[string]string{}
	}
	a.Facts[doctor.FactGranted] = strings.Join(caller.AppRoles, " ")
	if caller.Scopes != "" {
		a.Facts[doctor.FactGranted], a.Facts[doctor.FactPerson] = caller.Scopes, "yes"
	}
	a.Facts[doctor.FactDirectoryRoles] = strings.Join(caller.RoleIDs, " ")
}

func (c *Client) ask(ctx context.Context, path string) transport.Reply {
	return transport.Ask(ctx, c.http, c.url+path, nil)
}
