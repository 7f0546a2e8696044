// Package graph is the lab's Microsoft Graph: the parts of v1.0 and beta that deal with applications, service
// principals, their credentials, policies and the sign-in log.
package graph

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// call is one request while it is answered; the world's lock is held.
type call struct {
	world   *world.World
	r       *http.Request
	token   *world.Token
	tenant  *world.Tenant
	beta    bool
	body    []byte
	created bool // answer with 201 rather than 200
}

// refusal is an OData error.
type refusal struct {
	status  int
	code    string
	message string
}

func (e *refusal) Error() string { return e.code + ": " + e.message }

func refuse(status int, code, format string, args ...any) *refusal {
	return &refusal{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, "Request_BadRequest", format, args...)
}

func notFound(id string) *refusal {
	return refuse(http.StatusNotFound, "Request_ResourceNotFound",
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.", id)
}

// operation answers a call: a body (nil for 204) or a refusal.
type operation func(*call) (any, *refusal)

// truncated is a body that is sent as it is, broken JSON included.
type truncated []byte

// server routes the calls of one world.
type server struct {
	world *world.World
	mux   *http.ServeMux
}

// New makes the handler of a world: v1.0 under /v1.0 and beta under /beta.
func New(w *world.World) http.Handler {
	s := &server{world: w, mux: http.NewServeMux()}
	for pattern, op := range map[string]operation{
		"GET /{version}/applications":                                                   listApplications,
		"GET /{version}/applications/$count":                                            countApplications,
		"GET /{version}/applications/{id}":                                              getApplication,
		"PATCH /{version}/applications/{id}":                                            patchApplication,
		"POST /{version}/applications/{id}/addPassword":                                 addApplicationPassword,
		"POST /{version}/applications/{id}/removePassword":                              removeApplicationPassword,
		"GET /{version}/applications/{id}/owners":                                       listOwners,
		"GET /{version}/applications/{id}/appManagementPolicies":                        listPoliciesOfApplication,
		"GET /{version}/applications/{id}/federatedIdentityCredentials":                 listFederated,
		"POST /{version}/applications/{id}/federatedIdentityCredentials":                createFederated,
		"GET /{version}/applications/{id}/federatedIdentityCredentials/{credential}":    getFederated,
		"PATCH /{version}/applications/{id}/federatedIdentityCredentials/{credential}":  patchFederated,
		"DELETE /{version}/applications/{id}/federatedIdentityCredentials/{credential}": deleteFederated,
		"GET /{version}/servicePrincipals":                                              listPrincipals,
		"GET /{version}/servicePrincipals/$count":                                       countPrincipals,
		"GET /{version}/servicePrincipals/{id}":                                         getPrincipal,
		"PATCH /{version}/servicePrincipals/{id}":                                       patchPrincipal,
		"POST /{version}/servicePrincipals/{id}/addPassword":                            addPrincipalPassword,
		"POST /{version}/servicePrincipals/{id}/removePassword":                         removePrincipalPassword,
		"GET /{version}/servicePrincipals/{id}/owners":                                  listPrincipalOwners,
		"GET /{version}/servicePrincipals/{id}/appRoleAssignments":                      listAppRoles,
		"GET /{version}/servicePrincipals/{id}/memberOf":                                listMemberOf,
		"GET /{version}/servicePrincipals/{id}/ownedObjects":                            listOwned,
		"GET /{version}/servicePrincipals/{id}/appManagementPolicies":                   emptyOf("appManagementPolicies"),
		"GET /{version}/roleManagement/directory/roleAssignments":                       emptyOf("roleManagement/directory/roleAssignments"),
		"GET /{version}/auditLogs/signIns":                                              listSignIns,
		"GET /{version}/auditLogs/signIns/{id}":                                         getSignIn,
		"GET /{version}/reports/appCredentialSignInActivities":                          listCredentialActivities,
		"GET /{version}/reports/servicePrincipalSignInActivities":                       listPrincipalActivities,
		"GET /{version}/policies/defaultAppManagementPolicy":                            getDefaultPolicy,
		"GET /{version}/policies/appManagementPolicies":                                 listPolicies,
		"GET /{version}/policies/appManagementPolicies/{id}/appliesTo":                  listAppliesTo,
		"GET /{version}/policies/appManagementPolicies/{id}":                            getPolicy,
		"POST /{version}/policies/appManagementPolicies":                                createPolicy,
		"DELETE /{version}/policies/appManagementPolicies/{id}":                         deletePolicy,
		"POST /{version}/applications/{id}/appManagementPolicies/{ref}":                 assignPolicy,
		"DELETE /{version}/applications/{id}/appManagementPolicies/{policy}/{ref}":      unassignPolicy,
		"GET /{version}/organization":                                                   listOrganizations,
		"GET /{version}/me":                                                             getMe,
	} {
		s.mux.Handle(pattern, s.answer(op))
	}
	return s
}

// keyed is a segment with an alternate key: applications(appId='…'), federatedIdentityCredentials(name='…').
var keyed = lazy.Regexp(`/(applications|servicePrincipals|federatedIdentityCredentials)\((appId|name)='([^']*)'\)`)

// ServeHTTP brings the spellings of OData to one: a key in parentheses becomes a segment key=value, and a bound
// action loses its namespace.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	clone := r.Clone(r.Context())
	clone.URL.RawPath = ""
	clone.URL.Path = strings.ReplaceAll(keyed().ReplaceAllString(r.URL.Path, "/$1/$2=$3"), "/microsoft.graph.", "/")
	_, pattern := s.mux.Handler(clone)
	if version, _, _ := strings.Cut(strings.TrimPrefix(clone.URL.Path, "/"), "/"); version != "v1.0" && version != "beta" {
		s.refuse(w, r, refuse(http.StatusBadRequest, "BadRequest", "Invalid version: %s", version))
		return
	}
	if pattern == "" {
		s.refuse(w, r, refuse(http.StatusBadRequest, "BadRequest", "Resource not found for the segment '%s'.", lastSegment(r.URL.Path)))
		return
	}
	s.mux.ServeHTTP(w, clone)
}

func lastSegment(path string) string { return path[strings.LastIndex(path, "/")+1:] }

func (s *server) answer(op operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := readBody(r)
		if err != nil {
			s.refuse(w, r, refuse(http.StatusBadRequest, "BadRequest", "Unable to read JSON request payload: %v", err))
			return
		}
		s.world.Lock()
		defer s.world.Unlock()
		c := &call{world: s.world, r: r, beta: r.PathValue("version") == "beta", body: body}
		if e := c.authorize(); e != nil {
			s.write(w, r, e.status, s.errorBody(r, e))
			return
		}
		result, e := op(c)
		switch {
		case e != nil:
			s.write(w, r, e.status, s.errorBody(r, e))
		case result == nil:
			s.headers(w, r)
			w.WriteHeader(http.StatusNoContent)
		case c.created:
			s.write(w, r, http.StatusCreated, result)
		default:
			s.write(w, r, http.StatusOK, result)
		}
	}
}

// readBody takes plain and gzipped bodies: the Graph SDK compresses by default.
func readBody(r *http.Request) ([]byte, error) {
	const limit = 4 << 20
	raw, err := io.ReadAll(io.LimitReader(r.Body, limit))
	if err != nil || r.Header.Get("Content-Encoding") != "gzip" {
		return raw, err
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("the body is said to be gzip and is not: %w", err)
	}
	return io.ReadAll(io.LimitReader(z, limit))
}

// authorize finds the token and what its role may do. An outsider may read itself only.
func (c *call) authorize() *refusal {
	value, _ := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if value == "" {
		return refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty.")
	}
	c.token = c.world.Tokens[value]
	if c.token == nil || c.token.Audience != world.AudienceGraph {
		return refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")
	}
	if c.tenant = tenantOf(c.world, c.token); c.tenant == nil {
		return refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token validation failure. Invalid tenant.")
	}
	reads := c.r.Method == http.MethodGet
	if c.token.Role == world.RoleOperator || reads && (c.token.Role == world.RoleReader || strings.HasSuffix(c.r.URL.Path, "/me")) {
		return nil
	}
	return refuse(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
}

func tenantOf(w *world.World, t *world.Token) *world.Tenant {
	if t.Tenant != "" {
		return w.Tenants[t.Tenant]
	}
	ids := make([]string, 0, len(w.Tenants))
	for id := range w.Tenants {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	if len(ids) == 0 {
		return nil
	}
	return w.Tenants[ids[0]]
}

func (s *server) refuse(w http.ResponseWriter, r *http.Request, e *refusal) {
	s.world.Lock()
	defer s.world.Unlock()
	s.write(w, r, e.status, s.errorBody(r, e))
}

func (s *server) errorBody(r *http.Request, e *refusal) any {
	id := requestID(r)
	return map[string]any{"error": map[string]any{
		"code": e.code, "message": e.message,
		"innerError": map[string]any{"date": s.world.Clock.Now().Format("2006-01-02T15:04:05"), "request-id": id, "client-request-id": id},
	}}
}

// requestID is the client's, as Graph gives it back, or a fixed one.
func requestID(r *http.Request) string {
	if id := r.Header.Get("client-request-id"); id != "" {
		return id
	}
	return "00000000-0000-4000-8000-000000000000"
}

func (s *server) headers(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("request-id", requestID(r))
	w.Header().Set("client-request-id", requestID(r))
	w.Header().Set("Cache-Control", "no-cache")
}

func (s *server) write(w http.ResponseWriter, r *http.Request, status int, body any) {
	s.headers(w, r)
	if n, ok := body.(int); ok { // …/$count
		w.Header().Set("Content-Type", "text/plain;odata.metadata=minimal;charset=utf-8")
		_, _ = fmt.Fprint(w, n)
		return
	}
	w.Header().Set("Content-Type", "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8")
	b, raw := body.(truncated)
	if !raw {
		var err error
		if b, err = json.Marshal(body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.WriteHeader(status)
	// The client is gone when this fails; there is nobody to tell.
	_, _ = w.Write(b)
}

// decode reads the request's JSON body as an object. An empty body is an empty object.
func (c *call) decode() (map[string]any, *refusal) {
	object := map[string]any{}
	if len(bytes.TrimSpace(c.body)) == 0 {
		return object, nil
	}
	if err := json.Unmarshal(c.body, &object); err != nil {
		return nil, refuse(http.StatusBadRequest, "BadRequest", "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	return object, nil
}

// root is the address of the API version, as the client spelled the host.
func (c *call) root() string { return "http://" + c.r.Host + "/" + c.r.PathValue("version") }

func (c *call) context(what string) string { return c.root() + "/$metadata#" + what }
