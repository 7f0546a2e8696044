package lab

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// right is a permission that can be taken away from a token: the requests that need it. What a service answers with less in it
// rather than an error is left to its server, which asks the token.
type right struct {
	server string
	method string // "read" or "write"; empty: both
	path   func() *regexp.Regexp
}

const connectionUser = "Service connections: User"

// aboutEnvironments tells whether a question for checks is about environments.
func aboutEnvironments(r *http.Request) bool {
	if r.Body == nil || !strings.HasSuffix(r.URL.Path, "/checks/queryconfigurations") {
		return false
	}
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return err == nil && bytes.Contains(body, []byte(`"environment"`))
}

// rights are the permissions by the names that the services give them. Only the writing ones say so.
var rights = map[string]right{
	"Project Readers":                    {server: ServerAzureDevOps}, // no project is listed
	"Service connections: Reader":        {ServerAzureDevOps, "", lazy.Regexp(`(?i)/_apis/serviceendpoint/[^/]+/executionhistory$`)},
	connectionUser:                       {ServerAzureDevOps, "", lazy.Regexp(`(?i)/_apis/(serviceendpoint/endpointproxy|pipelines/(pipelinepermissions|checks)/)`)},
	"Service connections: Administrator": {ServerAzureDevOps, "write", lazy.Regexp(`(?i)/_apis/(serviceendpoint/endpoints|securityroles/|pipelines/(pipelinepermissions|checks/configurations))`)},
	"Code: Read":                         {ServerAzureDevOps, "", lazy.Regexp(`(?i)/_apis/git/`)},
	"Code: Contribute":                   {ServerAzureDevOps, "write", lazy.Regexp(`(?i)/_apis/git/`)},
	"Build: View":                        {ServerAzureDevOps, "", lazy.Regexp(`(?i)/_apis/build/`)},
	"Release: View":                      {ServerAzureDevOps, "", lazy.Regexp(`(?i)/_apis/release/`)},
	"Library: Reader":                    {ServerAzureDevOps, "", lazy.Regexp(`(?i)/_apis/distributedtask/(variablegroups|securefiles)`)},
	"Task groups: Reader":                {ServerAzureDevOps, "", lazy.Regexp(`(?i)/_apis/distributedtask/taskgroups`)},
	"Environments: Reader":               {ServerAzureDevOps, "", lazy.Regexp(`(?i)/_apis/distributedtask/environments`)},
	"Agent pools: Reader":                {ServerAzureDevOps, "", lazy.Regexp(`(?i)/_apis/distributedtask/pools`)},

	"Application.Read.All":                      {ServerGraph, "read", lazy.Regexp(`^/[^/]+/(applications|servicePrincipals)`)},
	"AuditLog.Read.All":                         {ServerGraph, "read", lazy.Regexp(`^/[^/]+/(auditLogs|reports)/`)},
	"Policy.Read.All":                           {ServerGraph, "read", lazy.Regexp(`^/[^/]+/policies/`)},
	"Policy.ReadWrite.ApplicationConfiguration": {ServerGraph, "write", lazy.Regexp(`(?i)/(policies|appManagementPolicies)/`)},
	"Application.ReadWrite.OwnedBy":             {ServerGraph, "write", lazy.Regexp(`^/[^/]+/(applications|servicePrincipals)/`)},
	"Reader":                                    {server: ServerARM}, // no subscription is listed, and no row is answered
	"Managed Identity Contributor":              {ServerARM, "write", lazy.Regexp(`(?i)/microsoft.managedidentity/`)},
	"Role Based Access Control Administrator":   {ServerARM, "write", lazy.Regexp(`(?i)/microsoft.authorization/`)},
	"contents: read":                            {ServerGitHub, "read", lazy.Regexp(`/(git|contents|branches|commits/[^/]+$)`)}, // GraphQL refuses what is in a repository
	"actions: read":                             {ServerGitHub, "read", lazy.Regexp(`/repos[^/]*/.*/(actions/(oidc|runs|jobs|workflows)|environments$)`)},
	"administration: read":                      {ServerGitHub, "read", lazy.Regexp(`/repos[^/]*/.*/actions/permissions`)},
	"secrets: read":                             {ServerGitHub, "read", lazy.Regexp(`/repos[^/]*/[^/]+/[^/]+/actions/(organization-)?secrets`)},
	"variables: read":                           {ServerGitHub, "read", lazy.Regexp(`/repos[^/]*/[^/]+/[^/]+/actions/(organization-)?variables`)},
	"environments: read":                        {ServerGitHub, "read", lazy.Regexp(`/environments/[^/]+/(secrets|variables)`)},
	"dependabot_secrets: read":                  {ServerGitHub, "read", lazy.Regexp(`/repos[^/]*/.*/dependabot/secrets`)},
	"organization_secrets: read":                {ServerGitHub, "read", lazy.Regexp(`/orgs/[^/]+/(actions|dependabot)/secrets`)},
	"organization_actions_variables: read":      {ServerGitHub, "read", lazy.Regexp(`/orgs/[^/]+/actions/variables`)},
	"organization_administration: read":         {ServerGitHub, "read", lazy.Regexp(`/orgs/[^/]+/actions/(oidc|permissions)`)},
	"pull_requests: read":                       {ServerGitHub, "read", lazy.Regexp(`/pulls`)},
	"checks: read":                              {ServerGitHub, "read", lazy.Regexp(`/(check-runs|check-suites)`)},
	"statuses: read":                            {ServerGitHub, "read", lazy.Regexp(`/commits/.*/status$`)},
	"contents: write":                           {ServerGitHub, "write", lazy.Regexp(`/(git|contents|pulls|merges)`)},
	"actions: write":                            {ServerGitHub, "write", lazy.Regexp(`/actions/(runs|workflows)`)},
	"variables: write":                          {ServerGitHub, "write", lazy.Regexp(`/repos.*/variables`)},
	"secrets: write":                            {ServerGitHub, "write", lazy.Regexp(`/repos.*/secrets`)},
	"organization_secrets, variables: write":    {ServerGitHub, "write", lazy.Regexp(`/orgs/[^/]+/`)},
}

// TakeAway takes permissions away from a role's tokens, by the names that the services give them; with none it gives all back.
func (l *Lab) TakeAway(role string, permissions ...string) error {
	for _, p := range permissions {
		if _, ok := rights[p]; !ok {
			return fmt.Errorf("unknown permission %q: the lab has %s", p, strings.Join(sortedKeys(rights), ", "))
		}
	}
	l.World.Lock()
	defer l.World.Unlock()
	for _, audience := range audiences {
		l.World.Tokens[Token(audience, role)].Lacks = slices.Clone(permissions)
	}
	return nil
}

// refusedFor gives the permission that a request needs and its token lacks, or "".
func (l *Lab) refusedFor(server string, r *http.Request, write bool) string {
	_, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	l.World.Lock()
	defer l.World.Unlock()
	token := l.World.Tokens[strings.TrimSpace(value)]
	if token == nil {
		return ""
	}
	for _, name := range token.Lacks {
		have := rights[name]
		if name == connectionUser && aboutEnvironments(r) {
			continue // their checks are a right on environments
		}
		if have.server == server && have.path != nil && (have.method == "" || (have.method == "write") == write) && have.path().MatchString(r.URL.Path) {
			return name
		}
	}
	return ""
}

// refuseRight answers a request whose token lacks a permission, as the service does.
func refuseRight(server, permission string, w http.ResponseWriter) {
	switch server {
	case ServerGraph:
		code, text := "Authorization_RequestDenied", "Insufficient privileges to complete the operation."
		if permission == "AuditLog.Read.All" {
			code = "Authentication_MSGraphPermissionMissing"
			text = "The principal does not have required Microsoft Graph permission(s): AuditLog.Read.All to call this API."
		}
		writeJSON(w, http.StatusForbidden, map[string]any{"error": map[string]any{"code": code, "message": text}})
	case ServerARM:
		writeJSON(w, http.StatusForbidden, map[string]any{"error": map[string]any{"code": "AuthorizationFailed",
			"message": "The client does not have authorization to perform the action over the scope or the scope is invalid. If access was recently granted, please refresh your credentials."}})
	case ServerGitHub:
		w.Header().Set("X-Accepted-Github-Permissions", strings.ReplaceAll(permission, ": ", "="))
		writeJSON(w, http.StatusForbidden, map[string]any{"message": "Resource not accessible by personal access token", "status": "403",
			"documentation_url": "https://docs.github.com/rest"})
	default:
		writeJSON(w, http.StatusForbidden, map[string]any{
			"$id": "1", "innerException": nil, "message": "Access denied: the caller needs the permission " + permission + " to perform this action.", "typeKey": "AccessCheckException",
			"errorCode": 0, "eventId": 3000, "typeName": "Microsoft.VisualStudio.Services.Security.AccessCheckException, Microsoft.VisualStudio.Services.WebApi"})
	}
}
