package login

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/internal/flexible"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const (
	jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// tokenLifetime is in the range of one hour that Microsoft Learn, "Access tokens", gives for the default.
	tokenLifetime = 3599 * time.Second
	// clockSkew is how far Entra lets an assertion's times be off.
	clockSkew = 5 * time.Minute
	// runnerIP is where simulated pipelines seem to come from (RFC 5737: documentation only).
	runnerIP = "203.0.113.7"
)

// attempt is one request for a token while it is judged.
type attempt struct {
	tenant   *world.Tenant
	app      *world.App
	resource string
	entry    *world.SignIn
}

// Exchange judges one request for a token, exactly as POST /{tenant}/oauth2/v2.0/token does, and logs the attempt.
// It takes the world's lock. The status is the answer's HTTP status; the body holds access_token, or error,
// error_description, error_codes and the trace.
func (s *Server) Exchange(tenant string, form url.Values) (status int, body map[string]any) {
	return s.exchange(tenant, form, runnerIP)
}

func (s *Server) exchange(tenantID string, form url.Values, ip string) (int, map[string]any) {
	s.world.Lock()
	defer s.world.Unlock()
	a, err := s.judge(tenantID, form, ip)
	var f *failure
	switch {
	case errors.As(err, &f):
		s.log(a, f)
		return f.status, f.body(s.world)
	case err != nil:
		return http.StatusInternalServerError, map[string]any{"error": "server_error", "error_description": err.Error()}
	}
	body, err := s.accessToken(a)
	if err != nil {
		return http.StatusInternalServerError, map[string]any{"error": "server_error", "error_description": err.Error()}
	}
	s.log(a, nil)
	return http.StatusOK, body
}

// log adds an attempt to the sign-in log. An attempt that no tenant can be found for is in no tenant's log.
func (s *Server) log(a *attempt, f *failure) {
	if a == nil || a.entry == nil {
		return
	}
	if f != nil {
		a.entry.ErrorCode, a.entry.FailureReason = f.code, f.text
		if f.keyID != "" {
			a.entry.KeyID = f.keyID
		}
	}
	s.world.SignIns = append(s.world.SignIns, a.entry)
}

func (s *Server) judge(tenantID string, form url.Values, ip string) (*attempt, error) {
	if err := checkForm(form); err != nil {
		return nil, err
	}
	tenant := s.tenant(tenantID)
	if tenant == nil {
		return nil, unknownTenant(tenantID)
	}
	clientID := form.Get("client_id")
	a := &attempt{tenant: tenant, resource: strings.TrimSuffix(form.Get("scope"), "/.default")}
	a.entry = &world.SignIn{
		ID: s.world.NewID(), TenantID: tenant.ID, Time: s.world.Clock.Now(), AppID: clientID, CredentialType: presented(form), IP: ip, Resource: a.resource,
	}
	if a.app = s.appByClientID(tenant, clientID); a.app == nil {
		return a, unknownApp(clientID, tenant.Name)
	}
	a.entry.AppName = a.app.DisplayName
	if a.app.SP == nil {
		return a, noServicePrincipal(a.app, tenant)
	}
	a.entry.SPID = a.app.SP.ObjectID
	if a.app.Disabled || !a.app.SP.Enabled {
		return a, disabledApp(a.app)
	}
	if form.Get("client_secret") != "" {
		return a, s.checkSecret(a, form.Get("client_secret"))
	}
	return a, s.checkAssertion(a, form.Get("client_assertion"))
}

// checkForm refuses what is malformed whoever asks.
func checkForm(form url.Values) error {
	for _, name := range []string{"grant_type", "client_id", "scope"} {
		if form.Get(name) == "" {
			return missingParameter(name)
		}
	}
	if grant := form.Get("grant_type"); grant != "client_credentials" {
		f := invalidRequest(70003, "The app requested an unsupported grant type '%s'.", grant)
		f.kind = "unsupported_grant_type"
		return f
	}
	if !strings.HasSuffix(form.Get("scope"), "/.default") {
		f := invalidRequest(1002012, "The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", form.Get("scope"))
		f.kind = "invalid_scope"
		return f
	}
	secret, assertion := form.Get("client_secret"), form.Get("client_assertion")
	if secret == "" && assertion == "" {
		return invalidClient(7000216, "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.")
	}
	if secret == "" && form.Get("client_assertion_type") != jwtBearer {
		return invalidRequest(900144, "The request body must contain the following parameter: 'client_assertion_type' with value '%s'.", jwtBearer)
	}
	return nil
}

// presented is the sign-in log's clientCredentialType before anything is verified.
func presented(form url.Values) string {
	if form.Get("client_secret") != "" {
		return "clientSecret"
	}
	if a, err := parseAssertion(form.Get("client_assertion")); err == nil && a.text("iss") == form.Get("client_id") {
		return "certificate"
	}
	return "federatedIdentityCredential"
}

// tenant finds a tenant by its id or its name, as the real endpoint takes domain names too.
func (s *Server) tenant(name string) *world.Tenant {
	if t := s.world.Tenants[strings.ToLower(name)]; t != nil {
		return t
	}
	for _, t := range s.world.Tenants {
		if strings.EqualFold(t.Name, name) || strings.EqualFold(t.ID, name) || strings.EqualFold(t.Name+".onmicrosoft.com", name) {
			return t
		}
	}
	return nil
}

// appByClientID finds an application, or the managed identity, of a tenant.
func (s *Server) appByClientID(t *world.Tenant, clientID string) *world.App {
	for _, m := range s.world.ManagedIdentities {
		if m.TenantID == t.ID && strings.EqualFold(m.App.AppID, clientID) {
			return m.App
		}
	}
	for _, app := range t.Apps {
		if strings.EqualFold(app.AppID, clientID) {
			return app
		}
	}
	return nil
}

// checkSecret compares with every password of the application and of its service principal.
func (s *Server) checkSecret(a *attempt, secret string) error {
	now := s.world.Clock.Now()
	var expired string
	for _, list := range [][]*world.AppPassword{a.app.Passwords, a.app.SP.Passwords} {
		for _, p := range list {
			switch {
			case p.Value != secret || p.Value == "":
			case !p.End.IsZero() && !now.Before(p.End):
				expired = p.KeyID
			default:
				a.entry.KeyID = p.KeyID
				return nil
			}
		}
	}
	if expired != "" {
		return expiredSecret(a.app, expired)
	}
	return wrongSecret(a.app)
}

func (s *Server) checkAssertion(a *attempt, token string) error {
	as, err := parseAssertion(token)
	if err != nil {
		return malformedAssertion()
	}
	if as.text("iss") == a.app.AppID {
		return s.checkCertificate(a, as)
	}
	return s.checkFederated(a, as)
}

// checkCertificate accepts an assertion that the application signed itself with a registered certificate.
func (s *Server) checkCertificate(a *attempt, as *assertion) error {
	thumbprint, ok := as.signedByCertificate()
	if !ok {
		return badSignature("The key was not found or the signature does not verify.")
	}
	for _, list := range [][]*world.AppKey{a.app.Keys, a.app.SP.Keys} {
		for _, k := range list {
			if k.Thumbprint != thumbprint || k.Usage == "Sign" {
				continue
			}
			a.entry.KeyID = k.KeyID
			if now := s.world.Clock.Now(); !k.End.IsZero() && !now.Before(k.End) {
				return badSignature("The key used is expired.")
			}
			return s.checkTimes(as)
		}
	}
	return badSignature("The key was not found. Thumbprint of key used by client: '%s'", thumbprint)
}

// checkTimes holds exp and nbf against the lab's clock.
func (s *Server) checkTimes(as *assertion) error {
	now := s.world.Clock.Now()
	exp, ok := as.number("exp")
	if !ok {
		return malformedAssertion()
	}
	nbf, ok := as.number("nbf")
	if !ok {
		nbf, _ = as.number("iat")
	}
	from, until := time.Unix(nbf, 0).UTC(), time.Unix(exp, 0).UTC()
	if now.After(until) || now.Add(clockSkew).Before(from) {
		return outsideValidity(now, from, until)
	}
	return nil
}

// checkFederated looks for a federated credential that trusts the assertion. The refusals go from the widest
// difference to the narrowest, since each text of the service names the first thing that no credential has.
func (s *Server) checkFederated(a *attempt, as *assertion) error {
	if len(a.app.FICs) == 0 {
		return noFederatedCredential(a.app)
	}
	issuer := as.text("iss")
	candidates := keep(a.app.FICs, func(f *world.FIC) bool { return f.Issuer == issuer })
	if len(candidates) == 0 {
		return noIssuer(as)
	}
	if !as.signedBy(&s.keys, issuer) {
		return badSignature("The signature is not the one of issuer '%s'.", issuer)
	}
	if err := s.checkTimes(as); err != nil {
		return err
	}
	if code := s.world.Knobs.RefuseFederation; code != 0 {
		return refusedWith(code, a.app, a.tenant, as)
	}
	if issuer == s.world.Knobs.BlockedIssuer {
		return issuerBlocked(a.tenant.ID, issuer)
	}
	if issuer == world.EntraIssuer(a.tenant.ID) && a.app.SignInAudience != "" && a.app.SignInAudience != "AzureADMyOrg" {
		return multiTenant()
	}
	bySubject := keep(candidates, func(f *world.FIC) bool { return trustsSubject(f, as) })
	if len(bySubject) == 0 {
		if len(keep(candidates, func(f *world.FIC) bool { return f.Expression == "" && strings.EqualFold(f.Subject, as.text("sub")) })) > 0 {
			return wrongCase(as)
		}
		return noSubject(as)
	}
	matching := keep(bySubject, func(f *world.FIC) bool { return trustsAudience(f, as) })
	if len(matching) == 0 {
		return noAudience(as)
	}
	now := s.world.Clock.Now()
	for _, f := range matching {
		if !now.Before(f.Created.Add(s.world.Knobs.FICPropagation)) {
			a.entry.FICID = f.ID
			return nil
		}
	}
	return noMatch(as)
}

func trustsSubject(f *world.FIC, as *assertion) bool {
	if f.Expression == "" {
		return f.Subject == as.text("sub")
	}
	e, err := flexible.Parse(f.Expression)
	return err == nil && e.Match(as.claims)
}

func trustsAudience(f *world.FIC, as *assertion) bool {
	for _, have := range as.audiences() {
		for _, want := range f.Audiences {
			if have == want {
				return true
			}
		}
	}
	return false
}

func keep(all []*world.FIC, ok func(*world.FIC) bool) []*world.FIC {
	var kept []*world.FIC
	for _, f := range all {
		if ok(f) {
			kept = append(kept, f)
		}
	}
	return kept
}

// accessToken makes the answer that a client goes on with. For an application tagged lab-role:reader or
// lab-role:operator the lab's APIs accept the token as that role's.
func (s *Server) accessToken(a *attempt) (map[string]any, error) {
	token, err := s.issue(a)
	if err != nil {
		return nil, fmt.Errorf("issue a token for application %s: %w", a.app.AppID, err)
	}
	s.register(token, a)
	seconds := int(tokenLifetime / time.Second)
	return map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}, nil
}

// issued is what an access token depends on, to the second.
type issued struct {
	app, resource string
	at            int64
}

// issue signs a real JWT of the tenant. Within one second an application gets the same token again: signing is what
// takes most of the time where a simulation makes thousands of logins.
func (s *Server) issue(a *attempt) (string, error) {
	now := s.world.Clock.Now()
	key := issued{a.app.ObjectID, a.resource, now.Unix()}
	if token := s.tokens[key]; token != "" {
		return token, nil
	}
	token, err := s.keys.sign(accessTokenIssuer(a.tenant.ID), map[string]any{
		"aud": a.resource, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(tokenLifetime).Unix(),
		"appid": a.app.AppID, "oid": a.app.SP.ObjectID, "sub": a.app.SP.ObjectID, "tid": a.tenant.ID,
		"idtyp": "app", "ver": "1.0", "uti": a.entry.ID,
	})
	if err != nil {
		return "", err
	}
	if s.tokens == nil || s.last != key.at { // the clock has moved on (or back): what was kept is of no more use
		s.tokens, s.last = map[issued]string{}, key.at
	}
	s.tokens[key] = token
	return token, nil
}

func (s *Server) register(token string, a *attempt) {
	for _, tag := range a.app.Tags {
		if role, ok := strings.CutPrefix(tag, "lab-role:"); ok {
			s.world.Tokens[token] = &world.Token{Value: token, Role: role, Audience: s.audience(a.resource), Login: a.app.AppID, Tenant: a.tenant.ID}
		}
	}
}

// audience is the API that a resource identifier stands for.
func (s *Server) audience(resource string) string {
	e := s.world.Endpoints
	switch strings.TrimSuffix(resource, "/") {
	case "https://graph.microsoft.com", e.Graph:
		return world.AudienceGraph
	case "499b84ac-1321-427f-aa17-267ca6975798", "https://app.vssps.visualstudio.com", e.AzureDevOps: // Azure DevOps' application id
		return world.AudienceAzureDevOps
	}
	return world.AudienceARM
}
