// Package github serves an emulated GitHub host on a world: the REST API and the GraphQL API, as far as clients
// that scan repositories, open and merge pull requests and manage Actions secrets use them. It has no state of
// its own: everything is read from the world and written to it.
package github

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// Option changes how the server behaves.
type Option func(*server)

// WithOnPush sets a function that is called, without the world's lock, after a push, commit or merge has
// changed a branch: before is empty for a new branch, after for a deleted one. repo is "owner/name".
func WithOnPush(f func(repo, ref, before, after string)) Option {
	return func(s *server) { s.onPush = f }
}

// WithOnDispatch sets a function that is called, without the world's lock, after a workflow was dispatched.
// workflow is the path of its file, ref the full ref that was asked for.
func WithOnDispatch(f func(repo, workflow, ref string, inputs map[string]any)) Option {
	return func(s *server) { s.onDispatch = f }
}

// New gives a handler that serves REST at / and at /api/v3, and GraphQL at /graphql and at /api/graphql.
func New(w *world.World, opts ...Option) http.Handler {
	s := &server{
		w: w, mux: http.NewServeMux(),
		onPush:     func(string, string, string, string) {},
		onDispatch: func(string, string, string, map[string]any) {},
	}
	for _, o := range opts {
		o(s)
	}
	s.routes()
	return s
}

type server struct {
	w          *world.World
	mux        *http.ServeMux
	onPush     func(repo, ref, before, after string)
	onDispatch func(repo, workflow, ref string, inputs map[string]any)
}

// maxBody is above anything that a client sends; a commit of a few files is far below it.
const maxBody = 64 << 20

func (s *server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		fail(http.StatusRequestEntityTooLarge, "Request body is too large or was cut off").write(rw, s.w.Clock.Now())
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if strings.HasPrefix(r.URL.EscapedPath(), "/api/v3/") {
		http.StripPrefix("/api/v3", s.mux).ServeHTTP(rw, r)
		return
	}
	s.mux.ServeHTTP(rw, r)
}

// call is one request while it is handled, with the world's lock held.
type call struct {
	s     *server
	w     *world.World
	r     *http.Request
	token *world.Token
	repo  *world.Repo
	org   *world.Account
	after []func() // run when the lock is released
}

// handler answers one request.
type handler func(*call) answer

// handle registers a handler behind authentication, the lock and the checks every request shares.
func (s *server) handle(pattern string, h handler) {
	s.mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
		c := &call{s: s, w: s.w, r: r}
		c.locked(h).write(rw, s.w.Clock.Now())
	})
}

func (c *call) locked(h handler) answer {
	c.w.Lock()
	a, ok := c.authenticate()
	if ok {
		a = c.withScopes(h(c))
	}
	c.w.Unlock()
	for _, f := range c.after {
		f()
	}
	return a
}

// authenticate finds the token. Anonymous reading of public repositories is not offered.
func (c *call) authenticate() (answer, bool) {
	kind, value, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if value == "" {
		return fail(http.StatusUnauthorized, "Requires authentication"), false
	}
	t := c.w.Tokens[strings.TrimSpace(value)]
	if t == nil || t.Audience != world.AudienceGitHub || !strings.EqualFold(kind, "bearer") && !strings.EqualFold(kind, "token") {
		return fail(http.StatusUnauthorized, "Bad credentials"), false
	}
	c.token = t
	return answer{}, true
}

// withScopes adds what a classic token's answers say of it (GitHub Docs: "Scopes for OAuth apps").
func (c *call) withScopes(a answer) answer {
	if c.token.Scopes == nil {
		return a
	}
	header := maps.Clone(a.header)
	if header == nil {
		header = map[string]string{}
	}
	header["X-Oauth-Scopes"] = strings.Join(c.token.Scopes, ", ")
	a.header = header
	return a
}

// outOfScope tells whether a classic token lacks a scope.
func (c *call) outOfScope(scope string) bool {
	return c.token.Scopes != nil && !slices.Contains(c.token.Scopes, scope)
}

// reading tells whether a request only reads.
func (c *call) reading() bool {
	return c.r.Method == http.MethodGet || c.r.Method == http.MethodHead
}

// forbidden is the answer to a write without the permission for it.
var forbidden = fail(http.StatusForbidden, "Resource not accessible by integration")

// sees tells whether the caller may know that a repository exists.
func (c *call) sees(r *world.Repo) bool {
	return r != nil && (c.token.Role != world.RoleOutsider || r.Visibility == "public")
}

// mayWrite tells whether the caller may change anything.
func (c *call) mayWrite() bool { return c.token.Role == world.RoleOperator }

// onRepo finds the repository of a request, by owner and name or by id, and refuses what the caller may not do.
func onRepo(h handler) handler {
	return func(c *call) answer {
		if id := c.r.PathValue("id"); id != "" {
			n, _ := strconv.ParseInt(id, 10, 64)
			c.repo = c.w.GitHub.RepoByID(n)
		} else {
			c.repo = c.w.GitHub.Repo(c.r.PathValue("owner"), c.r.PathValue("repo"))
		}
		switch {
		case !c.sees(c.repo):
			return notFound
		case c.reading():
		case !c.mayWrite():
			return forbidden
		case c.repo.Archived:
			return fail(http.StatusForbidden, "Repository was archived so is read-only.")
		}
		return h(c)
	}
}

// onOrg finds the organisation of a request. Its settings are hidden from outsiders.
func onOrg(h handler) handler {
	return func(c *call) answer {
		c.org = c.w.GitHub.Account(c.r.PathValue("org"))
		switch {
		case c.org == nil || c.org.Type != "Organization":
			return notFound
		case c.token.Role == world.RoleOutsider && !strings.HasSuffix(c.r.URL.Path, "/repos"):
			return notFound
		case !c.reading() && !c.mayWrite():
			return forbidden
		case c.outOfScope("admin:org") && strings.Contains(c.r.URL.Path, "/actions/"):
			return fail(http.StatusForbidden, "Must have admin rights to Organization.")
		}
		return h(c)
	}
}

// decode reads the request's JSON body.
func (c *call) decode(into any) (answer, bool) {
	if err := json.NewDecoder(c.r.Body).Decode(into); err != nil && err != io.EOF {
		return fail(http.StatusBadRequest, "Problems parsing JSON"), false
	}
	return answer{}, true
}

// moved notes that a branch changed, for the function that is told of pushes.
func (c *call) moved(r *world.Repo, ref, before, after string) {
	if before != after && strings.HasPrefix(ref, "refs/heads/") {
		name := r.FullName()
		c.after = append(c.after, func() { c.s.onPush(name, ref, before, after) })
	}
}

// base is the URL that the client reached the server under.
func (c *call) base() string {
	if c.w.Endpoints.GitHub != "" {
		return c.w.Endpoints.GitHub
	}
	return "http://" + c.r.Host
}

// m is a JSON object.
type m = map[string]any

// answer is what is sent: a JSON body, or raw bytes.
type answer struct {
	status int
	body   any
	raw    []byte
	header map[string]string
}

func ok(body any) answer             { return answer{status: http.StatusOK, body: body} }
func made(body any) answer           { return answer{status: http.StatusCreated, body: body} }
func done() answer                   { return answer{status: http.StatusNoContent} }
func rawBytes(content []byte) answer { return answer{status: http.StatusOK, raw: content} }

var notFound = fail(http.StatusNotFound, "Not Found")

// fail is an error in the API's form.
func fail(status int, message string) answer {
	return answer{status: status, body: m{
		"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(status),
	}}
}

// invalid is a 422 with the details that the service gives.
func invalid(errors ...m) answer {
	a := fail(http.StatusUnprocessableEntity, "Validation Failed")
	a.body.(m)["errors"] = errors
	return a
}

// write sends the answer. The date is the lab's own, since clients learn the time from it.
func (a answer) write(rw http.ResponseWriter, now time.Time) {
	h := rw.Header()
	for k, v := range map[string]string{ // every answer has these
		"X-Ratelimit-Limit": "5000", "X-Ratelimit-Remaining": "4999", "X-Ratelimit-Used": "1",
		"X-Ratelimit-Resource": "core", "X-Ratelimit-Reset": strconv.FormatInt(now.Add(time.Hour).Unix(), 10),
		"X-Github-Media-Type": "github.v3; format=json", "X-Github-Api-Version-Selected": "2022-11-28",
		"Date": now.Format(http.TimeFormat), "Content-Type": "application/json; charset=utf-8",
	} {
		h.Set(k, v)
	}
	if a.raw != nil {
		h.Set("Content-Type", "application/vnd.github.raw; charset=utf-8")
	}
	for k, v := range a.header {
		h.Set(k, v)
	}
	if a.status == http.StatusNoContent {
		h.Del("Content-Type")
		rw.WriteHeader(a.status)
		return
	}
	rw.WriteHeader(a.status)
	if a.raw != nil {
		_, _ = rw.Write(a.raw) // the client is gone: nobody to tell
		return
	}
	enc := json.NewEncoder(rw)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(a.body) // likewise
}

// page cuts a list to the page that was asked for and links to the others (GitHub Docs: "Using pagination in
// the REST API"). most is the largest page, usual the size if none is given.
func page[T any](c *call, all []T, usual, most int) ([]T, map[string]string) {
	q := c.r.URL.Query()
	size, err := strconv.Atoi(q.Get("per_page"))
	if err != nil || size < 1 {
		size = usual
	}
	size = min(size, most)
	n, err := strconv.Atoi(q.Get("page"))
	if err != nil || n < 1 {
		n = 1
	}
	last := max(1, (len(all)+size-1)/size)
	var links []string
	link := func(rel string, to int) {
		q.Set("page", strconv.Itoa(to))
		links = append(links, fmt.Sprintf(`<%s%s?%s>; rel="%s"`, c.base(), c.r.URL.EscapedPath(), q.Encode(), rel))
	}
	if n > 1 {
		link("prev", min(n-1, last))
	}
	if n < last {
		link("next", n+1)
		link("last", last)
	}
	if n > 1 {
		link("first", 1)
	}
	from, to := min((n-1)*size, len(all)), min(n*size, len(all))
	if links == nil {
		return all[from:to], nil
	}
	return all[from:to], map[string]string{"Link": strings.Join(links, ", ")}
}

// list answers a page of a list, wrapped as {"total_count": n, key: […]}, or bare if key is empty.
func list[T any](c *call, key string, all []T, show func(T) m) answer {
	return listSized(c, key, all, 30, 100, show)
}

func listSized[T any](c *call, key string, all []T, usual, most int, show func(T) m) answer {
	part, links := page(c, all, usual, most)
	out := make([]m, 0, len(part))
	for _, x := range part {
		out = append(out, show(x))
	}
	a := answer{status: http.StatusOK, body: out, header: links}
	if key != "" {
		a.body = m{"total_count": len(all), key: out}
	}
	return a
}

// with adds members to an object.
func with(to, more m) m {
	maps.Copy(to, more)
	return to
}

// stamp is a time as the API writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// orNull is nil for a zero time.
func orNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t)
}
