package azuredevops

import (
	"net/http"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

func bearer(r *http.Request) (string, bool) {
	scheme, value, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(value), ok && strings.EqualFold(scheme, "Bearer")
}

// signInPage is what callers without a valid token get, with a status that counts as success.
const signInPage = `<!DOCTYPE html>
<html lang="en"><head><title>Azure DevOps Services | Sign In</title></head>
<body><h1>Azure DevOps Services | Sign In</h1></body></html>
`

// unauthenticated answers with the sign-in page, or with a plain 401 to clients that ask for no redirect to it.
func unauthenticated(r *http.Request) answer {
	if !strings.EqualFold(r.Header.Get("X-TFS-FedAuthRedirect"), "Suppress") {
		return answer{status: http.StatusNonAuthoritativeInfo, html: signInPage}
	}
	a := failure(&apiError{
		status:   http.StatusUnauthorized,
		message:  "TF400813: The user '' is not authorized to access this resource.",
		typeName: "Microsoft.TeamFoundation.Framework.Server.UnauthorizedRequestException, Microsoft.TeamFoundation.Framework.Server",
		eventID:  eventFramework,
	})
	a.header = http.Header{"Www-Authenticate": {"Bearer", `Basic realm="Azure DevOps Services"`}}
	return a
}

// access is what a route asks of its caller.
type access int

const (
	anyone access = iota // whoever is signed in; the handler decides what is shown
	reader               // may read the organisation
	writer               // may administer its connections
)

func (c *call) allow(need access) error {
	switch {
	case need == anyone:
		return nil
	case c.token.Role == world.RoleOutsider:
		return forbidden("TF400813: The user '%s' is not authorized to access this resource.", c.token.Login)
	case need == writer && c.token.Role != world.RoleOperator:
		return forbidden("TF50309: The following account does not have sufficient permissions to complete the operation: %s. "+
			"The following permissions are needed to perform this operation: Administer Service Connections.", c.token.Login)
	}
	return nil
}
