// Package arm serves the part of Azure Resource Manager that tells what an identity may do: subscriptions, role
// assignments and definitions, the Resource Graph queries over them, and user-assigned managed identities with their federated credentials.
package arm

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// New makes the server of every subscription in the world.
func New(w *world.World) http.Handler { return &server{w} }

type server struct{ w *world.World }

// maxBody is far above the longest query that Resource Graph takes.
const maxBody = 1 << 20

func (s *server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		fail(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be read: '%v'.", err).write(rw)
		return
	}
	s.locked(r, body).write(rw)
}

func (s *server) locked(r *http.Request, body []byte) answer {
	s.w.Lock()
	defer s.w.Unlock()
	token, refusal := s.authenticate(r)
	if token == nil {
		return refusal
	}
	c := &call{w: s.w, r: r, body: body, token: token}
	return c.dispatch()
}

func (s *server) authenticate(r *http.Request) (*world.Token, answer) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, challenge("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing or invalid.")
	}
	t := s.w.Tokens[strings.TrimSpace(value)]
	if t == nil {
		return nil, challenge("InvalidAuthenticationToken", "The access token is invalid.")
	}
	if t.Audience != world.AudienceARM {
		return nil, challenge("InvalidAuthenticationTokenAudience", "The access token has been obtained for wrong audience or resource. "+
			"It should exactly match one of the allowed audiences 'https://management.core.windows.net/', 'https://management.azure.com/'.")
	}
	return t, answer{}
}

func challenge(code, message string) answer {
	a := fail(http.StatusUnauthorized, code, "%s", message)
	a.header = http.Header{"Www-Authenticate": {`Bearer authorization_uri="https://login.microsoftonline.com/common", ` +
		`error="invalid_token", error_description="` + message + `"`}}
	return a
}

// answer is one response.
type answer struct {
	status int
	header http.Header
	body   any
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

// detail is one of the reasons within an error of Resource Graph.
type detail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type armError struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Details []detail `json:"details,omitempty"`
}

func fail(status int, code, format string, args ...any) answer {
	return answer{status: status, body: map[string]armError{"error": {Code: code, Message: fmt.Sprintf(format, args...)}}}
}

func (a answer) write(rw http.ResponseWriter) {
	h := rw.Header()
	for k, v := range a.header {
		h[k] = v
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(a.status)
	_ = json.NewEncoder(rw).Encode(a.body)
}
