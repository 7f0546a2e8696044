package github_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	gh "github.com/google/go-github/v60/github"

	"github.com/unsecret-dev/unsecret/e2e/lab/github"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

const ci = "on: workflow_dispatch\njobs: {}\n"

// lab is a running server on a small world: octo/app (private), octo/site (public), octo/empty.
type lab struct {
	t      *testing.T
	w      *world.World
	app    *world.Repo
	url    string
	pushes []string
	sent   []string // dispatches
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, w: world.New(1)}
	l.app = l.w.AddRepo("octo", "app", map[string]string{"README.md": "hi\n", ".github/workflows/ci.yml": ci, ".github/workflows/sub/x.yml": "a"})
	l.w.AddRepo("octo", "site", map[string]string{"index.html": "<p>"}).Visibility = "public"
	l.w.AddRepo("octo", "empty", nil)
	for _, role := range []string{world.RoleReader, world.RoleOperator, world.RoleOutsider} {
		l.w.Tokens[role] = &world.Token{Value: role, Role: role, Audience: world.AudienceGitHub, Login: "octo-" + role}
	}
	srv := httptest.NewServer(github.New(l.w,
		github.WithOnPush(func(repo, ref, before, after string) {
			l.w.Lock() // a deadlock if the lock were still held
			defer l.w.Unlock()
			l.pushes = append(l.pushes, strings.Join([]string{repo, ref, before, after}, " "))
		}),
		github.WithOnDispatch(func(repo, workflow, ref string, inputs map[string]any) {
			l.w.Lock()
			defer l.w.Unlock()
			l.sent = append(l.sent, fmt.Sprint(repo, " ", workflow, " ", ref, " ", inputs))
		})))
	t.Cleanup(srv.Close)
	l.url = srv.URL
	return l
}

// client is the vendor's client with a token.
func (l *lab) client(role string) *gh.Client {
	c := gh.NewClient(nil).WithAuthToken(role)
	c.BaseURL, _ = url.Parse(l.url + "/api/v3/")
	return c
}

// do sends one request and gives status, header and body.
func (l *lab) do(role, method, path string, body any) (int, http.Header, []byte) {
	l.t.Helper()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			l.t.Fatal(err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.url+path, in)
	if err != nil {
		l.t.Fatal(err)
	}
	if role != "" {
		req.Header.Set("Authorization", "token "+role)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, out
}

// query sends a GraphQL request and decodes the answer.
func (l *lab) query(role, query string, vars map[string]any) (data map[string]any, errs []map[string]any, status int) {
	l.t.Helper()
	checkPublicSchema(l.t, query)
	status, _, b := l.do(role, "POST", "/graphql", map[string]any{"query": query, "variables": vars})
	var out struct {
		Data   map[string]any
		Errors []map[string]any
	}
	if err := json.Unmarshal(b, &out); err != nil {
		l.t.Fatalf("GraphQL answer %s: %v", b, err)
	}
	return out.Data, out.Errors, status
}

// at walks into decoded JSON: names and indexes.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			o, _ := v.(map[string]any)
			v = o[p]
		case int:
			a, _ := v.([]any)
			if p >= len(a) {
				return nil
			}
			v = a[p]
		}
	}
	return v
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
