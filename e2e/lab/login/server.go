// Package login is the lab's Entra token endpoint and the OpenID Connect issuers that its tenants may trust:
// GitHub Actions, Azure DevOps and Entra itself. Tokens are really signed and really verified.
package login

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// Server answers for the token endpoint and the issuers of one world.
type Server struct {
	world *world.World
	keys  keys

	tokens map[issued]string // of the second last, under the world's lock
	last   int64
}

// New makes the server of a world.
func New(w *world.World) *Server { return &Server{world: w} }

// Sign makes a token as the issuer would: RS256, with iss set to the issuer and the claims as given. The issuer
// is the real service's string, for example GitHubIssuer; one that the lab does not know by name gets a key too.
func (s *Server) Sign(issuer string, claims map[string]any) (string, error) {
	return s.keys.sign(issuer, claims)
}

// Handler serves
//
//	POST /{tenant}/oauth2/v2.0/token
//	GET  /{tenant}/v2.0/.well-known/openid-configuration, /{tenant}/discovery/v2.0/keys
//	GET  /_issuers/github/.well-known/openid-configuration, …/jwks
//	GET  /_issuers/devops/{organisation}/.well-known/openid-configuration, …/jwks
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.serveToken)
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.serveTenantDiscovery)
	mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", s.serveTenantKeys)
	mux.HandleFunc("GET /common/discovery/instance", s.serveInstance)
	mux.HandleFunc("GET /_issuers/github/.well-known/{document}", func(w http.ResponseWriter, r *http.Request) {
		s.serveIssuer(w, r, GitHubIssuer, "/_issuers/github")
	})
	mux.HandleFunc("GET /_issuers/devops/{organization}/.well-known/{document}", s.serveDevOps)
	return mux
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": "AADSTS900144: The request body cannot be read."})
		return
	}
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	status, body := s.exchange(r.PathValue("tenant"), r.PostForm, ip)
	w.Header().Set("Cache-Control", "no-store, no-cache")
	answer(w, status, body)
}

// lookup gives the tenant's id, or answers as the service does for an unknown one.
func (s *Server) lookup(w http.ResponseWriter, r *http.Request) (string, bool) {
	s.world.Lock()
	defer s.world.Unlock()
	if t := s.tenant(r.PathValue("tenant")); t != nil {
		return t.ID, true
	}
	f := unknownTenant(r.PathValue("tenant"))
	answer(w, f.status, f.body(s.world))
	return "", false
}

func (s *Server) serveTenantDiscovery(w http.ResponseWriter, r *http.Request) {
	id, ok := s.lookup(w, r)
	if !ok {
		return
	}
	base := "http://" + r.Host + "/" + id
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                world.EntraIssuer(id),
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"response_types_supported":              []string{"code", "id_token", "code id_token", "id_token token"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
	})
}

func (s *Server) serveTenantKeys(w http.ResponseWriter, r *http.Request) {
	if id, ok := s.lookup(w, r); ok {
		s.serveKeys(w, world.EntraIssuer(id), accessTokenIssuer(id))
	}
}

// serveInstance answers MSAL's question whether it may trust this host as an authority.
func (s *Server) serveInstance(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "http://" + r.Host + "/common/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []any{map[string]any{"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []string{r.Host}}},
	})
}

func (s *Server) serveDevOps(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("organization")
	s.world.Lock()
	id := ""
	for _, o := range s.world.DevOps {
		if strings.EqualFold(o.ID, name) || strings.EqualFold(o.Name, name) {
			id = o.ID
		}
	}
	s.world.Unlock()
	if id == "" {
		answer(w, http.StatusNotFound, map[string]any{"message": fmt.Sprintf("The organization %q does not exist.", name)})
		return
	}
	s.serveIssuer(w, r, world.DevOpsIssuer(id), "/_issuers/devops/"+name)
}

func (s *Server) serveIssuer(w http.ResponseWriter, r *http.Request, issuer, path string) {
	switch r.PathValue("document") {
	case "openid-configuration":
		answer(w, http.StatusOK, map[string]any{
			"issuer":                                issuer,
			"jwks_uri":                              "http://" + r.Host + path + "/.well-known/jwks",
			"subject_types_supported":               []string{"public", "pairwise"},
			"response_types_supported":              []string{"id_token"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
			"scopes_supported":                      []string{"openid"},
		})
	case "jwks":
		s.serveKeys(w, issuer)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) serveKeys(w http.ResponseWriter, issuers ...string) {
	set, err := s.keys.set(issuers...)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, http.StatusOK, set)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	// The client is gone when this fails; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(body)
}
