package azuredevops

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// call is one authenticated request. Its methods run with the world's lock held.
type call struct {
	w       *world.World
	signIn  SignIn
	r       *http.Request
	token   *world.Token
	body    []byte
	org     *world.DevOpsOrg
	project *world.Project // nil on organisation level
	vars    map[string]string
}

// route is one operation. Literal parts of the pattern match in any case, as on the service.
type route struct {
	method  string
	pattern string
	need    access
	handle  func(*call) (answer, error)
}

var routes = []route{
	{http.MethodOptions, "{org}/_apis", anyone, (*call).locations},
	{http.MethodGet, "{org}/_apis/resourceareas", anyone, (*call).resourceAreas},
	{http.MethodGet, "{org}/_apis/connectiondata", anyone, (*call).connectionData},
	{http.MethodGet, "{org}/_apis/projects", reader, (*call).listProjects},
	{http.MethodGet, "{org}/_apis/projects/{id}", reader, (*call).getProject},
	{http.MethodGet, "{org}/_apis/serviceendpoint/types", reader, (*call).listTypes},
	{http.MethodPost, "{org}/_apis/serviceendpoint/endpoints", writer, (*call).createEndpoint},
	{http.MethodPut, "{org}/_apis/serviceendpoint/endpoints", writer, (*call).updateEndpoints},
	{http.MethodPut, "{org}/_apis/serviceendpoint/endpoints/{id}", writer, (*call).updateEndpoint},
	{http.MethodPatch, "{org}/_apis/serviceendpoint/endpoints/{id}", writer, (*call).shareEndpoint},
	{http.MethodDelete, "{org}/_apis/serviceendpoint/endpoints/{id}", writer, (*call).deleteEndpoint},
	{http.MethodGet, "{org}/{project}/_apis/serviceendpoint/endpoints", anyone, (*call).listEndpoints},
	{http.MethodGet, "{org}/{project}/_apis/serviceendpoint/endpoints/{id}", anyone, (*call).getEndpoint},
	{http.MethodPut, "{org}/{project}/_apis/serviceendpoint/endpoints/{id}", writer, (*call).updateEndpoint},
	{http.MethodGet, "{org}/{project}/_apis/serviceendpoint/{id}/executionhistory", reader, (*call).listHistory},
	{http.MethodPost, "{org}/{project}/_apis/serviceendpoint/endpointproxy", reader, (*call).proxy},
	{http.MethodGet, "{org}/{project}/_apis/build/definitions", reader, (*call).listDefinitions},
	{http.MethodGet, "{org}/{project}/_apis/build/definitions/{id}", reader, (*call).getDefinition},
	{http.MethodGet, "{org}/{project}/_apis/build/definitions/{id}/yaml", reader, (*call).getYAML},
	{http.MethodGet, "{org}/{project}/_apis/distributedtask/variablegroups", reader, (*call).listGroups},
	{http.MethodGet, "{org}/{project}/_apis/pipelines/pipelinepermissions/{type}/{id}", reader, (*call).getPermissions},
	{http.MethodPatch, "{org}/{project}/_apis/pipelines/pipelinepermissions/{type}/{id}", writer, (*call).setPermissions},
	{http.MethodGet, "{org}/{project}/_apis/pipelines/checks/configurations", reader, (*call).listChecks},
	{http.MethodPost, "{org}/{project}/_apis/pipelines/checks/configurations", writer, (*call).addCheck},
	{http.MethodGet, "{org}/_apis/securityroles/scopes/{scope}/roleassignments/resources/{resource}", reader, (*call).listRoles},
	{http.MethodPut, "{org}/_apis/securityroles/scopes/{scope}/roleassignments/resources/{resource}", writer, (*call).setRoles},
	{http.MethodPatch, "{org}/_apis/securityroles/scopes/{scope}/roleassignments/resources/{resource}", writer, (*call).changeInheritance},
	{http.MethodPost, "{org}/{project}/_apis/pipelines/checks/queryconfigurations", reader, (*call).queryChecks},
	{http.MethodGet, "{org}/_apis/git/repositories", reader, (*call).listRepos},
	{http.MethodGet, "{org}/{project}/_apis/git/repositories", reader, (*call).listRepos},
	{http.MethodGet, "{org}/{project}/_apis/git/repositories/{repo}", reader, (*call).getRepo},
	{http.MethodGet, "{org}/{project}/_apis/git/repositories/{repo}/items", reader, (*call).items},
	{http.MethodPost, "{org}/{project}/_apis/git/repositories/{repo}/itemsbatch", reader, (*call).itemsBatch},
	{http.MethodPost, "{org}/{project}/_apis/git/repositories/{repo}/blobs", reader, (*call).blobsZip},
	{http.MethodGet, "{org}/{project}/_apis/git/repositories/{repo}/refs", reader, (*call).listRefs},
	{http.MethodGet, "{org}/{project}/_apis/git/repositories/{repo}/pushes", reader, (*call).listPushes},
	{http.MethodPost, "{org}/{project}/_apis/git/repositories/{repo}/refs", writer, (*call).updateRefs},
	{http.MethodGet, "{org}/{project}/_apis/git/repositories/{repo}/blobs/{oid}", reader, (*call).getBlob},
	{http.MethodPost, "{org}/{project}/_apis/git/repositories/{repo}/pushes", writer, (*call).push},
	{http.MethodGet, "{org}/{project}/_apis/git/repositories/{repo}/pullrequests", reader, (*call).listPulls},
	{http.MethodPost, "{org}/{project}/_apis/git/repositories/{repo}/pullrequests", writer, (*call).createPull},
	{http.MethodGet, "{org}/{project}/_apis/git/repositories/{repo}/pullrequests/{pull}", reader, (*call).getPull},
	{http.MethodPatch, "{org}/{project}/_apis/git/repositories/{repo}/pullrequests/{pull}", writer, (*call).updatePull},
	{http.MethodPost, "{org}/{project}/_apis/git/repositories/{repo}/pullrequests/{pull}/threads", writer, (*call).createThread},
	{http.MethodGet, "{org}/{project}/_apis/git/repositories/{repo}/pullrequests/{pull}/statuses", reader, (*call).listStatuses},
	{http.MethodGet, "{org}/{project}/_apis/policy/evaluations", reader, (*call).listEvaluations},
	{http.MethodGet, "{org}/{project}/_apis/release/definitions", reader, (*call).listReleases},
	{http.MethodGet, "{org}/{project}/_apis/release/definitions/{id}", reader, (*call).getRelease},
	{http.MethodGet, "{org}/{project}/_apis/distributedtask/taskgroups", reader, (*call).listTaskGroups},
	{http.MethodGet, "{org}/{project}/_apis/distributedtask/taskgroups/{id}", reader, (*call).listTaskGroups},
	{http.MethodGet, "{org}/{project}/_apis/distributedtask/environments", reader, (*call).listEnvironments},
	{http.MethodGet, "{org}/{project}/_apis/distributedtask/environments/{id}", reader, (*call).getEnvironment},
	{http.MethodGet, "{org}/{project}/_apis/distributedtask/environments/{id}/providers/kubernetes/{resource}", reader, (*call).getKubernetes},
	{http.MethodGet, "{org}/{project}/_apis/distributedtask/securefiles", reader, (*call).listSecureFiles},
	{http.MethodGet, "{org}/_apis/distributedtask/pools", reader, (*call).listPools},
	{http.MethodGet, "{org}/_apis/distributedtask/elasticpools", reader, (*call).listElasticPools},
	{http.MethodGet, "{org}/_apis/distributedtask/pools/{id}/agents", reader, (*call).listAgents},
}

// dispatch finds the operation, checks the caller's rights and the api-version, and performs it.
func (c *call) dispatch() (answer, error) {
	segments, err := segmentsOf(c.r.URL)
	if err != nil {
		return answer{}, argument("The request path is not valid: %v", err)
	}
	found := false
	for _, rt := range routes {
		vars, ok := match(rt.pattern, segments)
		if !ok {
			continue
		}
		found = true
		if rt.method == c.r.Method {
			return c.perform(rt, vars)
		}
	}
	if found {
		return answer{status: http.StatusMethodNotAllowed, body: map[string]any{"count": 1, "value": map[string]string{
			"Message": "The requested resource does not support http method '" + c.r.Method + "'."}}}, nil
	}
	return answer{}, notFound("System.Web.HttpException, System.Web",
		"The controller for path '%s' was not found or does not implement IController.", c.r.URL.Path)
}

func (c *call) perform(rt route, vars map[string]string) (answer, error) {
	c.vars = vars
	if c.org = c.w.DevOps[strings.ToLower(vars["org"])]; c.org == nil {
		return answer{status: http.StatusNotFound, html: "<!DOCTYPE html><title>Azure DevOps Services | 404 - Page not found</title>\n"}, nil
	}
	if err := c.allow(rt.need); err != nil {
		return answer{}, err
	}
	if name, ok := vars["project"]; ok {
		if c.project = findProject(c.org, name); c.project == nil {
			return answer{}, noProject(name)
		}
	}
	if err := c.checkVersion(); err != nil {
		return answer{}, err
	}
	return rt.handle(c)
}

func segmentsOf(u *url.URL) ([]string, error) {
	segments := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return nil, err
		}
		segments[i] = plain
	}
	return segments, nil
}

func match(pattern string, segments []string) (map[string]string, bool) {
	parts := strings.Split(pattern, "/")
	if len(parts) != len(segments) {
		return nil, false
	}
	vars := map[string]string{}
	for i, p := range parts {
		switch {
		case strings.HasPrefix(p, "{"):
			vars[p[1:len(p)-1]] = segments[i]
		case !strings.EqualFold(p, segments[i]):
			return nil, false
		}
	}
	return vars, true
}

// query gives a query parameter; the service ignores the case of their names.
func (c *call) query(name string) string {
	for k, v := range c.r.URL.Query() {
		if strings.EqualFold(k, name) && len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// queryList gives a comma-separated query parameter.
func (c *call) queryList(name string) []string {
	var values []string
	for _, v := range strings.Split(c.query(name), ",") {
		if v = strings.TrimSpace(v); v != "" {
			values = append(values, v)
		}
	}
	return values
}
