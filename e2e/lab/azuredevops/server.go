// Package azuredevops serves the part of the Azure DevOps REST API that deals with service connections, close
// enough that the vendor's Go SDK works on it unchanged, and behaves as the service does: connections convert and
// revert with their deadlines and error texts, secrets go in and never come out, and missing rights look like
// missing data.
package azuredevops

import (
	"context"
	"io"
	"net/http"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// SignIn performs the login that a pipeline would perform with this connection and gives the error that Entra answers.
// The connection is a copy; the world's lock is not held.
type SignIn func(ctx context.Context, c *world.Connection) error

// Option changes how the server works.
type Option func(*server)

// WithSignIn gives the server the login that the test of a connection performs. Without it every test fails.
func WithSignIn(signIn SignIn) Option {
	return func(s *server) { s.signIn = signIn }
}

// New makes the server of every organisation in the world; an organisation's base is /{organisation}.
func New(w *world.World, options ...Option) http.Handler {
	s := &server{w: w}
	for _, o := range options {
		o(s)
	}
	return s
}

type server struct {
	w      *world.World
	signIn SignIn
}

// maxBody is far above what a connection needs; certificates are a few kilobytes.
const maxBody = 4 << 20

func (s *server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	// The body is read before the lock is taken: a slow client must not stop the others.
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		failure(argument("The request body could not be read: %v", err)).write(rw)
		return
	}
	a := s.locked(r, body)
	if a.later != nil {
		a = a.later(r.Context())
	}
	a.write(rw)
}

func (s *server) locked(r *http.Request, body []byte) answer {
	s.w.Lock()
	defer s.w.Unlock()
	token := s.authenticate(r)
	if token == nil {
		return unauthenticated(r)
	}
	c := &call{w: s.w, signIn: s.signIn, r: r, token: token, body: body}
	a, err := c.dispatch()
	if err != nil {
		return failure(err)
	}
	return a
}

// authenticate finds the token of a request: a bearer token, or a personal access token as a password.
func (s *server) authenticate(r *http.Request) *world.Token {
	value, ok := bearer(r)
	if !ok {
		if _, value, ok = r.BasicAuth(); !ok {
			return nil
		}
	}
	t := s.w.Tokens[value]
	if t == nil || t.Audience != world.AudienceAzureDevOps {
		return nil
	}
	return t
}
