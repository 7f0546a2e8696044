package lab

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const (
	contributorRole = "b24988ac-6180-42a0-ab88-20f7382dd24c" // Azure built-in role Contributor
	acrPushRole     = "8311e382-0749-4cb8-b61a-304f252e45ec" // Azure built-in role AcrPush
)

// builder adds objects of Entra and Azure DevOps to a world, consistent with each other. What needs GitHub is in the
// world's own builders.
type builder struct {
	w      *world.World
	tenant *world.Tenant
}

// newTenant adds a directory.
func newTenant(w *world.World, name string) *builder {
	t := &world.Tenant{ID: w.NewID(), Name: name, Apps: map[string]*world.App{}}
	w.Tenants[t.ID] = t
	return &builder{w: w, tenant: t}
}

func (b *builder) subscription(name string) *world.Subscription {
	s := &world.Subscription{ID: b.w.NewID(), Name: name, TenantID: b.tenant.ID}
	b.w.Subs[s.ID] = s
	return s
}

// app adds an application with its service principal and no credential.
func (b *builder) app(name string) *world.App {
	a := &world.App{
		ObjectID: b.w.NewID(), AppID: b.w.NewID(), DisplayName: name, Created: b.w.Clock.Now().AddDate(-2, 0, 0), SignInAudience: "AzureADMyOrg",
		SP: &world.ServicePrincipal{ObjectID: b.w.NewID(), Enabled: true},
	}
	b.tenant.Apps[a.ObjectID] = a
	return a
}

// password adds a password that was made a while ago and ends after a while from now (which may be negative).
func (b *builder) password(a *world.App, name string, ago, left time.Duration) *world.AppPassword {
	now := b.w.Clock.Now().Truncate(time.Second)
	p := &world.AppPassword{KeyID: b.w.NewID(), DisplayName: name, Value: b.w.NewSecret(), Start: now.Add(-ago), End: now.Add(left)}
	a.Passwords = append(a.Passwords, p)
	return p
}

func (b *builder) federated(a *world.App, name, issuer, subject string) *world.FIC {
	f := &world.FIC{
		ID: b.w.NewID(), Name: name, Issuer: issuer, Subject: subject, Audiences: []string{world.TokenExchangeAudience}, Created: b.w.Clock.Now().AddDate(0, -3, 0),
	}
	a.FICs = append(a.FICs, f)
	return f
}

func (b *builder) role(a *world.App, role, roleID, scope string) {
	b.w.Roles = append(b.w.Roles, &world.RoleAssignment{
		ID: b.w.NewID(), PrincipalID: a.SP.ObjectID, Role: role, RoleID: roleID, Scope: scope, Created: a.Created,
	})
}

// used logs a sign-in with a credential some time ago.
func (b *builder) used(a *world.App, kind, key string, ago time.Duration) {
	b.w.SignIns = append(b.w.SignIns, &world.SignIn{
		ID: b.w.NewID(), TenantID: b.tenant.ID, Time: b.w.Clock.Now().Add(-ago), AppID: a.AppID, AppName: a.DisplayName, SPID: a.SP.ObjectID,
		CredentialType: kind, KeyID: key, IP: "203.0.113.7", Resource: "https://management.azure.com",
	})
}

// creds is the JSON that "az ad sp create-for-rbac --json-auth" prints and azure/login takes.
func (b *builder) creds(a *world.App, p *world.AppPassword, s *world.Subscription) string {
	text, err := json.MarshalIndent(struct {
		ClientID       string `json:"clientId"`
		ClientSecret   string `json:"clientSecret"`
		SubscriptionID string `json:"subscriptionId"`
		TenantID       string `json:"tenantId"`
		Directory      string `json:"activeDirectoryEndpointUrl"`
		Manager        string `json:"resourceManagerEndpointUrl"`
	}{a.AppID, p.Value, s.ID, b.tenant.ID, "https://login.microsoftonline.com", "https://management.azure.com/"}, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("lab: encode credentials: %v", err)) // texts always encode
	}
	return string(text)
}

// organization adds an Azure DevOps organisation.
func (b *builder) organization(name string) *world.DevOpsOrg {
	o := &world.DevOpsOrg{ID: b.w.NewID(), Name: name, TenantID: b.tenant.ID, Connections: map[string]*world.Connection{}}
	b.w.DevOps[strings.ToLower(name)] = o
	return o
}

func (b *builder) project(o *world.DevOpsOrg, name string) *world.Project {
	p := &world.Project{ID: b.w.NewID(), Name: name}
	o.Projects = append(o.Projects, p)
	return p
}

// connection adds a service connection to Azure with a secret: azurerm, scheme ServicePrincipal.
func (b *builder) connection(o *world.DevOpsOrg, name string, a *world.App, p *world.AppPassword, s *world.Subscription, automatic bool, projects ...*world.Project) *world.Connection {
	now := b.w.Clock.Now()
	c := &world.Connection{
		ID: b.w.NewID(), Type: "azurerm", Scheme: "ServicePrincipal", Owner: "library", Created: now.AddDate(-1, 0, 0), Modified: now.AddDate(-1, 0, 0), OpState: "Ready",
		Data: map[string]string{
			"environment": "AzureCloud", "scopeLevel": "Subscription", "subscriptionId": s.ID, "subscriptionName": s.Name, "creationMode": "Manual",
			"azureSpnRoleAssignmentId": "", "azureSpnPermissions": "", "spnObjectId": "", "appObjectId": "",
		},
		Params: map[string]string{"tenantid": b.tenant.ID, "serviceprincipalid": a.AppID, "authenticationType": "spnKey", "serviceprincipalkey": ""},
		Hidden: map[string]string{"serviceprincipalkey": p.Value},
	}
	if automatic {
		c.Data["creationMode"], c.Data["spnObjectId"], c.Data["appObjectId"] = "Automatic", a.SP.ObjectID, a.ObjectID
	}
	for _, project := range projects {
		c.Refs = append(c.Refs, &world.ProjectRef{ProjectID: project.ID, ProjectName: project.Name, Name: name})
	}
	o.Connections[c.ID] = c
	return c
}

// federate turns a connection into a federated one, with the federated credential that it needs.
func (b *builder) federate(o *world.DevOpsOrg, c *world.Connection, a *world.App, oldIssuer bool) error {
	issuer := world.EntraIssuer(b.tenant.ID)
	subject, err := world.EntraSubject(b.tenant.ID, o.ID, c.ID)
	if err != nil {
		return fmt.Errorf("federate connection %s: %w", c.Refs[0].Name, err)
	}
	c.Params["workloadIdentityFederationIssuerType"] = "EntraID"
	if oldIssuer {
		issuer, subject = world.DevOpsIssuer(o.ID), world.DevOpsSubject(o.Name, c.Refs[0].ProjectName, c.Refs[0].Name)
		delete(c.Params, "workloadIdentityFederationIssuerType")
	}
	delete(c.Params, "authenticationType")
	delete(c.Params, "serviceprincipalkey")
	delete(c.Hidden, "serviceprincipalkey")
	c.Scheme = "WorkloadIdentityFederation"
	c.Params["workloadIdentityFederationIssuer"], c.Params["workloadIdentityFederationSubject"] = issuer, subject
	f := b.federated(a, c.ID, issuer, subject)
	f.Description = "Federation for Service Connection " + c.Refs[0].Name + " in https://dev.azure.com/" + o.Name
	return nil
}

// registry turns a connection into one to a container registry: with the service principal, or with the registry's
// own admin user.
func (b *builder) registry(c *world.Connection, server string, admin bool) {
	c.Type, c.URL = "dockerregistry", "https://"+server
	name, _, _ := strings.Cut(server, ".")
	if admin {
		c.Scheme = "UsernamePassword"
		c.Data = map[string]string{"registrytype": "Others"}
		c.Params = map[string]string{"registry": "https://" + server, "username": name, "email": "", "password": ""}
		c.Hidden = map[string]string{"password": b.w.NewSecret()}
		return
	}
	id := "/subscriptions/" + c.Data["subscriptionId"] + "/resourceGroups/registry/providers/Microsoft.ContainerRegistry/registries/" + name
	c.Data = map[string]string{
		"registryId": id, "subscriptionId": c.Data["subscriptionId"], "subscriptionName": c.Data["subscriptionName"], "registrytype": "ACR", "creationMode": c.Data["creationMode"],
		"appObjectId": c.Data["appObjectId"], "spnObjectId": c.Data["spnObjectId"], "azureSpnPermissions": "", "azureSpnRoleAssignmentId": "",
	}
	c.Params["tenantId"], c.Params["loginServer"], c.Params["scope"] = c.Params["tenantid"], server, id
	delete(c.Params, "tenantid")
}

// variant turns a connection into one with a certificate, one to a cluster, or one of another type.
func (b *builder) variant(conn *world.Connection, a *world.App, c seedConnection) error {
	hide := func(names ...string) {
		conn.Params, conn.Hidden = map[string]string{}, map[string]string{}
		for _, name := range names {
			conn.Params[name], conn.Hidden[name] = "", b.w.NewSecret()
		}
	}
	switch {
	case c.Certificate:
		delete(conn.Params, "serviceprincipalkey")
		conn.Params["authenticationType"], conn.Params["servicePrincipalCertificate"] = "spnCertificate", ""
		text, err := b.held(a)
		if err != nil {
			return err
		}
		conn.Hidden = map[string]string{"servicePrincipalCertificate": text}
	case c.Kubernetes != "":
		conn.Type, conn.Scheme, conn.Data = "kubernetes", "Kubernetes", map[string]string{"authorizationType": c.Kubernetes}
		hide("apiToken", "serviceAccountCertificate")
		if c.Kubernetes == "ServiceAccount" {
			conn.Scheme = "Token"
		}
	case c.Type != "":
		conn.Type, conn.Scheme, conn.Data, conn.URL = c.Type, c.Scheme, map[string]string{}, "https://"+c.Type+".example"
		if c.Scheme == "None" {
			hide()
			return nil
		}
		hide("password", "apitoken")
		conn.Params["username"] = "pipelines"
	}
	return nil
}

// pipelineUsed adds a use to a connection's history.
func (b *builder) pipelineUsed(c *world.Connection, pipeline string, ago time.Duration) {
	at := b.w.Clock.Now().Add(-ago)
	c.History = append(c.History, &world.Execution{
		ID: int(b.w.NewNumber()), ProjectID: c.Refs[0].ProjectID, PlanType: "Build", DefinitionID: len(c.History) + 1, DefinitionName: pipeline,
		Start: at.Add(-2 * time.Minute), Finish: at, Result: "succeeded",
	})
}

// Held says which identity and which of its passwords are behind a stored secret: what no API tells.
type Held struct {
	Account     string `json:"account,omitempty"`     // of an organisation's secret
	Repository  string `json:"repository,omitempty"`  // of a repository's or an environment's secret
	Environment string `json:"environment,omitempty"` //
	Name        string `json:"name"`                  // of the secret
	AppID       string `json:"appId"`
	KeyID       string `json:"keyId"`
}

// Mapping is a list of Held in the order in which the secrets were made.
type Mapping []Held
