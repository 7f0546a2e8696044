package simulate

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// The kinds of a login in world.RunLogin.
const (
	kindSecret    = "secret"
	kindFederated = "federated"
)

// errNoToken is what the actions toolkit says when a job has no id-token permission.
var errNoToken = says("Error message: Unable to get ACTIONS_ID_TOKEN_REQUEST_URL env variable")

// armScope is the resource that a pipeline signs in for.
const armScope = "https://management.azure.com/.default"

// record notes a login of the step and gives its error back.
func (a *site) record(kind, client string, err error) error {
	l := &world.RunLogin{Step: a.name, Kind: kind, AppID: client, OK: err == nil}
	if err != nil {
		l.Error = err.Error()
	} else {
		a.f.j.session = true
	}
	a.f.j.out.Logins = append(a.f.j.out.Logins, l)
	return err
}

// withSecret signs in with a client secret. A value that only the real run knows cannot be judged.
func (a *site) withSecret(tenant, client, secret string) error {
	if isUnknown(tenant) || isUnknown(client) || isUnknown(secret) {
		a.f.j.session = true
		return nil
	}
	return a.record(kindSecret, client, a.f.r.s.exchange(tenant, url.Values{
		"grant_type": {"client_credentials"}, "scope": {armScope}, "client_id": {client}, "client_secret": {secret},
	}))
}

// federated signs in with a token of the job.
func (a *site) federated(tenant, client, audience string) error {
	if isUnknown(tenant) || isUnknown(client) {
		a.f.j.session = true
		return nil
	}
	if !a.f.j.idToken {
		return a.record(kindFederated, client, errNoToken)
	}
	tok, err := a.f.r.token(a.f.j, orElse(audience, ExchangeAudience))
	if err != nil {
		return a.record(kindFederated, client, err)
	}
	return a.record(kindFederated, client, a.f.r.s.exchange(tenant, assertionForm(client, tok)))
}

func assertionForm(client, token string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "scope": {armScope}, "client_id": {client}, "client_assertion": {token},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
}

// exchange presents a credential to the token endpoint. The error is the AADSTS text without its trace.
func (s *Simulator) exchange(tenant string, form url.Values) error {
	status, body := s.idp.Exchange(tenant, form)
	if status == 200 {
		return nil
	}
	msg, _ := body["error_description"].(string)
	if msg == "" {
		return fmt.Errorf("the token endpoint answered %d: %v", status, body["error"])
	}
	msg, _, _ = strings.Cut(msg, " Trace ID:")
	return errors.New(strings.TrimSpace(msg))
}

// credentials is the JSON that az ad sp create-for-rbac --sdk-auth printed.
type credentials struct{ client, secret, tenant, subscription string }

func readCredentials(raw string) (credentials, bool) {
	v, ok := fromJSON(raw)
	if !ok {
		return credentials{}, false
	}
	o, ok := v.(*object)
	if !ok {
		return credentials{}, false
	}
	get := func(key string) string { return text(o.get(key)) }
	return credentials{get("clientId"), get("clientSecret"), get("tenantId"), get("subscriptionId")}, true
}

// azureLogin is azure/login (its LoginConfig.ts): creds counts only when none of the three ids is given.
func (a *site) azureLogin(ref string) error {
	creds := a.input("creds")
	if versionBelow(ref, 1, 4) {
		return a.oldAzureLogin(creds)
	}
	if strings.EqualFold(a.input("auth-type"), "IDENTITY") {
		a.f.j.session = true // the runner's own managed identity
		return nil
	}
	client, tenant, subscription := a.input("client-id"), a.input("tenant-id"), a.input("subscription-id")
	kind := kindFederated
	if creds != "" && client == "" && tenant == "" && subscription == "" {
		kind = kindSecret
	}
	if creds != "" && isUnknown(creds) && kind == kindSecret {
		a.f.j.session = true
		return nil
	}
	parsed, ok := readCredentials(creds)
	if creds != "" && !isUnknown(creds) && !ok {
		return a.record(kind, client, loginFailed("Unexpected token in JSON"))
	}
	if kind == kindSecret {
		if parsed.client == "" || parsed.secret == "" || parsed.tenant == "" {
			return a.record(kind, parsed.client, loginFailed("Not all parameters are provided in 'creds'. Double-check if all keys are defined in 'creds': 'clientId', 'clientSecret', 'tenantId'."))
		}
		client, tenant, subscription = parsed.client, parsed.tenant, parsed.subscription
	}
	if client == "" || tenant == "" {
		return a.record(a.wanted(kind), client, loginFailed("Using auth-type: SERVICE_PRINCIPAL. Not all values are present. Ensure 'client-id' and 'tenant-id' are supplied."))
	}
	if subscription == "" && !strings.EqualFold(a.input("allow-no-subscriptions"), "true") {
		return a.record(kind, client, loginFailed("Ensure subscriptionId is supplied."))
	}
	if kind == kindSecret {
		return a.withSecret(tenant, client, parsed.secret)
	}
	return a.federated(tenant, client, a.input("audience"))
}

// wanted is the kind of a login that got no value at all: what its inputs were meant for.
func (a *site) wanted(kind string) string {
	if a.with.has("creds") && !a.with.has("client-id") {
		return kindSecret
	}
	return kind
}

func loginFailed(msg string) error {
	return says("Login failed with Error: %s Double check if the 'auth-type' is correct. Refer to https://github.com/Azure/login#readme for more information.", strings.TrimSuffix(msg, " "))
}

// oldAzureLogin is azure/login before v1.4.0, which knows creds only.
func (a *site) oldAzureLogin(creds string) error {
	if creds == "" {
		return a.record(kindSecret, "", says("Input required and not supplied: creds"))
	}
	if isUnknown(creds) {
		a.f.j.session = true
		return nil
	}
	c, ok := readCredentials(creds)
	if !ok || c.client == "" || c.secret == "" || c.tenant == "" {
		return a.record(kindSecret, c.client, says("Not all values are present in the creds object. Ensure clientId, clientSecret, tenantId and subscriptionId are supplied."))
	}
	return a.withSecret(c.tenant, c.client, c.secret)
}

// credsAction is an action that signs in with a creds JSON; applies says whether this version or method does.
func (a *site) credsAction(applies bool) error {
	creds := a.input("creds")
	if !applies || isUnknown(creds) || !a.with.has("creds") {
		return nil
	}
	c, ok := readCredentials(creds)
	if !ok {
		return a.record(kindSecret, "", says("Credentials object is not a valid JSON"))
	}
	session := a.f.j.session
	err := a.withSecret(c.tenant, c.client, c.secret)
	a.f.j.session = session // it keeps its token to itself
	return err
}

// registryLogin is a docker login to an Azure container registry. Only a service principal's login is one to
// Azure; the registry's admin user and its own tokens are not.
func (a *site) registryLogin(server, user, password string) error {
	server = strings.TrimSuffix(strings.TrimPrefix(server, "https://"), "/")
	if isUnknown(user) || isUnknown(password) || !strings.Contains(strings.ToLower(server), ".azurecr.") {
		return nil
	}
	tenant := a.f.r.s.tenantOf(user)
	if tenant == "" {
		return nil
	}
	if password == "" {
		return a.record(kindSecret, user, says("Error: Cannot perform an interactive login from a non TTY device"))
	}
	session := a.f.j.session
	err := a.withSecret(tenant, user, password)
	a.f.j.session = session
	return err
}

// tenantOf finds the tenant of a client id, which a registry's login does not name.
func (s *Simulator) tenantOf(client string) string {
	s.w.Lock()
	defer s.w.Unlock()
	for _, id := range sortedKeys(s.w.Tenants) {
		for _, app := range s.w.Tenants[id].Apps {
			if strings.EqualFold(app.AppID, client) {
				return s.w.Tenants[id].ID
			}
		}
	}
	return ""
}

// providerLogin is what Terraform's Azure providers and Pulumi do with ARM_*: a complete secret first, then OIDC,
// then the session of az (terraform-provider-azurerm, internal/clients/auth.go).
func (a *site) providerLogin() error {
	client, tenant := a.variable("ARM_CLIENT_ID"), a.variable("ARM_TENANT_ID")
	secret := a.variable("ARM_CLIENT_SECRET")
	oidc := isTrue(a.variable("ARM_USE_OIDC"))
	switch {
	case client != "" && tenant != "" && secret != "":
		return a.keepSession(func() error { return a.withSecret(tenant, client, secret) })
	case oidc && client != "" && tenant != "":
		return a.keepSession(func() error { return a.federated(tenant, client, "") })
	case isTrue(a.variable("ARM_USE_MSI")), a.f.j.session:
		return nil
	case a.env.has("ARM_CLIENT_SECRET") || oidc:
		kind := kindSecret
		if oidc {
			kind = kindFederated
		}
		return a.record(kind, client, errors.New("unable to build authorizer for Resource Manager API: could not configure AzureCli Authorizer: please ensure you have logged in with `az login`"))
	}
	return nil
}

// keepSession runs a login that leaves no session for az.
func (a *site) keepSession(login func() error) error {
	session := a.f.j.session
	err := login()
	a.f.j.session = session
	return err
}

func isTrue(s string) bool { return strings.EqualFold(s, "true") || s == "1" }

// sdkLogin is EnvironmentCredential with a client secret. Each credential is tried once in a job, since most steps
// with such an environment never call an SDK.
func (a *site) sdkLogin() error {
	client, tenant, secret := a.variable("AZURE_CLIENT_ID"), a.variable("AZURE_TENANT_ID"), a.variable("AZURE_CLIENT_SECRET")
	key := tenant + "\x00" + client + "\x00" + secret
	if !a.env.has("AZURE_CLIENT_SECRET") || secret == "" && a.f.j.session {
		return nil
	}
	if err, ok := a.f.j.seen[key]; ok {
		return err
	}
	err := a.keepSession(func() error {
		if client == "" || tenant == "" || secret == "" {
			return a.record(kindSecret, client, says("EnvironmentCredential authentication unavailable. Environment variables are not fully configured."))
		}
		return a.withSecret(tenant, client, secret)
	})
	a.f.j.seen[key] = err
	return err
}
