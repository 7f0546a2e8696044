package lab

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// Exchange is one request and its answer, as a test may want to see them. A connection that was cut has status 0.
type Exchange struct {
	Server         string
	Method         string
	URL            string // path and query
	RequestHeader  http.Header
	RequestBody    []byte
	Write          bool // it may change something
	Status         int
	ResponseHeader http.Header
	ResponseBody   []byte
}

// maxBody is above anything that a client of the lab sends.
const maxBody = 64 << 20

// serve puts around a server what all have in common: counting, recording, the lab's Date, latency and faults.
func (l *Lab) serve(server string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "the lab cannot read the request: "+err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		l.counter.add(server, r, body)
		w.Header().Set("Date", l.World.Clock.Now().Format(http.TimeFormat))
		x := Exchange{Server: server, Method: r.Method, URL: r.URL.RequestURI(), RequestHeader: r.Header.Clone(), RequestBody: body, Write: writes(server, r, body)}
		if l.options.Admit != nil && !l.options.Admit(x) {
			cut(w)
			return
		}
		if l.options.Record != nil {
			c := &capture{ResponseWriter: w}
			defer func() {
				x.Status, x.ResponseHeader, x.ResponseBody = c.status, w.Header().Clone(), c.body.Bytes()
				l.options.Record(x)
			}()
			w = c
		}
		if l.options.Latency > 0 {
			pause(r, l.options.Latency, time.Nanosecond)
		}
		if f := l.Faults.draw(server, r, x.Write); f != nil {
			f.inject(server, w, r, next)
			return
		}
		if lacking := l.refusedFor(server, r, x.Write); lacking != "" {
			refuseRight(server, lacking, w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// capture keeps a copy of the answer.
type capture struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// Unwrap lets http.ResponseController reach the connection.
func (c *capture) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *capture) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *capture) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	c.body.Write(b)
	return c.ResponseWriter.Write(b)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	// The client is gone when this fails; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(body)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Roles and audiences that every lab has a token for.
var (
	roles     = []string{world.RoleReader, world.RoleOperator, world.RoleOutsider}
	audiences = []string{world.AudienceAzureDevOps, world.AudienceGitHub, world.AudienceGraph, world.AudienceARM}
)

// Token is the lab's own token of a role for an API: lab-{audience}-{role}. It is no secret and says what it is.
func Token(audience, role string) string { return "lab-" + audience + "-" + role }

// addTokens gives the world the tokens of Token.
func addTokens(w *world.World) {
	for _, audience := range audiences {
		for _, role := range roles {
			value := Token(audience, role)
			if w.Tokens[value] == nil {
				w.Tokens[value] = &world.Token{Value: value, Role: role, Audience: audience, Login: "lab-" + role}
			}
		}
	}
}
