package login

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// failure is an answer of the token endpoint other than a token. The texts are those of the service, as quoted in
// Microsoft Learn, "Microsoft Entra authentication and authorization error codes", and in issues of Azure/login
// (#482, #515) and Azure/azure-workload-identity.
type failure struct {
	status int
	kind   string // OAuth error
	code   int    // AADSTS…
	text   string
	keyID  string // the password that was presented, where it is known: it has expired
}

func (f *failure) Error() string { return fmt.Sprintf("AADSTS%d: %s", f.code, f.text) }

const checkCredential = "Check your federated identity credential Subject, Audience and Issuer against the presented assertion. " +
	"https://learn.microsoft.com/entra/workload-id/workload-identity-federation"

func invalidClient(code int, format string, args ...any) *failure {
	return &failure{status: http.StatusUnauthorized, kind: "invalid_client", code: code, text: fmt.Sprintf(format, args...)}
}

func invalidRequest(code int, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, kind: "invalid_request", code: code, text: fmt.Sprintf(format, args...)}
}

func unauthorizedClient(code int, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, kind: "unauthorized_client", code: code, text: fmt.Sprintf(format, args...)}
}

func missingParameter(name string) *failure {
	return invalidRequest(900144, "The request body must contain the following parameter: '%s'.", name)
}

// unknownTenant repeats what it was given only where that can be a tenant: a client may have put anything there.
func unknownTenant(tenant string) *failure {
	if len(tenant) > 100 || strings.ContainsAny(tenant, " {}\"\n~") {
		return invalidRequest(900023, "Specified tenant identifier is neither a valid DNS name, nor a valid external domain.")
	}
	return invalidRequest(90002, "Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. "+
		"Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.", tenant)
}

func unknownApp(clientID, tenantName string) *failure {
	return unauthorizedClient(700016, "Application with identifier '%s' was not found in the directory '%s'. This can happen if the application has not been "+
		"installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
		clientID, tenantName)
}

func disabledApp(app *world.App) *failure {
	return unauthorizedClient(7000112, "Application '%s'(%s) is disabled.", app.AppID, app.DisplayName)
}

func noServicePrincipal(app *world.App, tenant *world.Tenant) *failure {
	return unauthorizedClient(7000229, "The client application %s is missing service principal in the tenant %s. "+
		"See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119", app.AppID, tenant.ID)
}

func wrongSecret(app *world.App) *failure {
	return invalidClient(7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "+
		"not the client secret ID, for a secret added to app '%s'.", app.AppID)
}

func expiredSecret(app *world.App, keyID string) *failure {
	f := invalidClient(7000222, "The provided client secret keys for app '%s' are expired. Visit the Azure portal to create new keys for your app: "+
		"https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.", app.AppID)
	f.keyID = keyID
	return f
}

func noFederatedCredential(app *world.App) *failure {
	return invalidClient(70025, "The client '%s'(%s) has no configured federated identity credentials.", app.AppID, app.DisplayName)
}

func noMatch(a *assertion) *failure {
	return invalidClient(70021, "No matching federated identity record found for presented assertion. Assertion Issuer: '%s'. Assertion Subject: '%s'. "+
		"Assertion Audience: '%s'. https://learn.microsoft.com/entra/workload-id/workload-identity-federation", a.text("iss"), a.text("sub"), a.firstAudience())
}

func noIssuer(a *assertion) *failure {
	return invalidClient(700211, "No matching federated identity record found for presented assertion issuer '%s'. %s", a.text("iss"), checkCredential)
}

func noAudience(a *assertion) *failure {
	return invalidClient(700212, "No matching federated identity record found for presented assertion audience '%s'. %s", a.firstAudience(), checkCredential)
}

func noSubject(a *assertion) *failure {
	return invalidClient(700213, "No matching federated identity record found for presented assertion subject '%s'. %s", a.text("sub"), checkCredential)
}

// wrongCase has the text of Azure/login#515.
func wrongCase(a *assertion) *failure {
	return invalidClient(7002138, "No matching federated identity record found for presented assertion subject '%s'. The subject matches with case-insensitive comparison, "+
		"but not with case-sensitive comparison. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. "+
		"See documentation at: https://learn.microsoft.com/entra/workload-id/workload-identity-federation. See breaking change notification and remediation at: "+
		"https://learn.microsoft.com/en-us/entra/identity-platform/reference-breaking-changes#august-2024.", a.text("sub"))
}

func outsideValidity(now, from, until time.Time) *failure {
	const layout = "2006-01-02T15:04:05.0000000Z"
	return invalidClient(700024, "Client assertion is not within its valid time range. Current time: %s, assertion valid from %s, expiry time of assertion %s. "+
		"Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
		now.Format(layout), from.Format(layout), until.Format(layout))
}

// issuerBlocked is what a tenant's policy on issuers answers. Its code is published, its words are not.
func issuerBlocked(tenant, issuer string) *failure {
	return invalidClient(700223, "The policy of tenant '%s' on workload identity federation does not allow tokens of issuer '%s'.", tenant, issuer)
}

// refusedWith is the refusal of a federated sign-in with a code, whatever is presented. Of the last three the codes are published, and not the words.
func refusedWith(code int, app *world.App, tenant *world.Tenant, a *assertion) *failure {
	switch code {
	case 70021:
		return noMatch(a)
	case 70025:
		return noFederatedCredential(app)
	case 700016:
		return unknownApp(app.AppID, tenant.Name)
	case 700024:
		return outsideValidity(time.Time{}, time.Time{}, time.Time{})
	case 700211:
		return noIssuer(a)
	case 700212:
		return noAudience(a)
	case 700213:
		return noSubject(a)
	case 7002138:
		return wrongCase(a)
	case 70052:
		return multiTenant()
	case 700223:
		return issuerBlocked(tenant.ID, a.text("iss"))
	case 900382:
		return invalidRequest(code, "Confidential Client is not supported in Cross Cloud request.")
	case 7002381:
		return invalidClient(code, "The presented assertion must contain enterprise claim.")
	}
	return invalidClient(code, "The policy of tenant '%s' on workload identity federation does not allow this token.", tenant.ID)
}

func multiTenant() *failure {
	return invalidClient(70052, "The identity must be a managed identity, a single tenant app, or a service account.")
}

func badSignature(format string, args ...any) *failure {
	return invalidClient(700027, "The certificate with identifier used to sign the client assertion is not registered on application or its signature is invalid. [Reason - %s]",
		fmt.Sprintf(format, args...))
}

func malformedAssertion() *failure {
	return invalidClient(50027, "JWT token is invalid or malformed.")
}

// body is the JSON of the answer, as the service shapes it.
func (f *failure) body(w *world.World) map[string]any {
	trace, correlation, at := w.NewID(), w.NewID(), w.Clock.Now().Format("2006-01-02 15:04:05Z")
	return map[string]any{
		"error":             f.kind,
		"error_description": fmt.Sprintf("%s Trace ID: %s Correlation ID: %s Timestamp: %s", f.Error(), trace, correlation, at),
		"error_codes":       []any{f.code},
		"timestamp":         at,
		"trace_id":          trace,
		"correlation_id":    correlation,
		"error_uri":         fmt.Sprintf("https://login.microsoftonline.com/error?code=%d", f.code),
	}
}
