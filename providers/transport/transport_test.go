package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "c4n4ry-token"

// fixture is a server and a client on a transport that does not wait long.
type fixture struct {
	*transport.Transport
	client *http.Client
	url    string
	hits   atomic.Int32
	log    bytes.Buffer
	logMu  sync.Mutex
}

func serve(t *testing.T, o transport.Options, c transport.ClientOptions, h http.HandlerFunc) *fixture {
	t.Helper()
	f := &fixture{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.hits.Add(1)
		h(w, r)
	}))
	if o.Backoff == nil {
		o.Backoff = func(int) time.Duration { return time.Millisecond }
	}
	o.Logf = func(format string, args ...any) {
		f.logMu.Lock()
		defer f.logMu.Unlock()
		fmt.Fprintf(&f.log, format+"\n", args...)
	}
	f.Transport, f.url = transport.New(o), server.URL
	t.Cleanup(func() { f.Close(); server.Close() })
	if c.Kind == "" {
		c.Kind = "test"
	}
	if c.Token == nil {
		c.Token = transport.Static(canary)
	}
	host, err := transport.Host(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c.Hosts = append(c.Hosts, host)
	f.client, err = f.Client(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) do(t *testing.T, ctx context.Context, method, path, body string) (status int, text string, err error) {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, f.url+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/json")
	response, err := f.client.Do(request)
	if err != nil {
		return 0, "", transport.Clean(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(b), nil
}

// answers gives the first status first, and so on; the last one stays.
func answers(header http.Header, statuses ...int) http.HandlerFunc {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		i := min(int(n.Add(1)), len(statuses)) - 1
		if statuses[i] >= 400 {
			for k, v := range header {
				w.Header()[k] = v
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(statuses[i])
		fmt.Fprintf(w, `{"n":%d}`, i)
	}
}

func TestOnlyWhatIsSafeIsRepeated(t *testing.T) {
	retryNow := http.Header{"Retry-After": {"0.01"}}
	cases := []struct {
		name     string
		kind     string
		ctx      func(context.Context) context.Context
		method   string
		header   http.Header
		statuses []int
		hits     int32
		status   int
	}{
		{name: "a read on 503", method: "GET", statuses: []int{503, 200}, hits: 2, status: 200},
		{name: "a read on 500, 502 and 504", method: "GET", statuses: []int{500, 502, 504, 200}, hits: 4, status: 200},
		{name: "a read at most five times", method: "GET", statuses: []int{502}, hits: 5, status: 502},
		{name: "OPTIONS", method: "OPTIONS", statuses: []int{503, 200}, hits: 2, status: 200},
		{name: "not a read on 404", method: "GET", statuses: []int{404, 200}, hits: 1, status: 404},
		{name: "not a write on 500", method: "POST", statuses: []int{500, 200}, hits: 1, status: 500},
		{name: "not a write on 503 with Retry-After", method: "PUT", header: retryNow, statuses: []int{503, 200}, hits: 1, status: 503},
		{name: "an idempotent write on 503", method: "PUT", ctx: transport.WithIdempotent, statuses: []int{503, 200}, hits: 2, status: 200},
		{name: "a write on 429", method: "POST", header: retryNow, statuses: []int{429, 429, 201}, hits: 3, status: 201},
		{name: "a write on 429 without Retry-After", method: "POST", statuses: []int{429, 201}, hits: 2, status: 201},
		{name: "not a write on a plain 403", method: "POST", statuses: []int{403, 200}, hits: 1, status: 403},
		{name: "a write on 403 with Retry-After", method: "POST", kind: "github", header: retryNow, statuses: []int{403, 201}, hits: 2, status: 201},
		{name: "a read only once when asked so", method: "GET", ctx: transport.WithoutRepeat, statuses: []int{502, 200}, hits: 1, status: 502},
		{name: "throttling even when asked for once", method: "GET", ctx: transport.WithoutRepeat, header: retryNow, statuses: []int{429, 200}, hits: 2, status: 200},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := serve(t, transport.Options{}, transport.ClientOptions{Kind: c.kind}, answers(c.header, c.statuses...))
			ctx := t.Context()
			if c.ctx != nil {
				ctx = c.ctx(ctx)
			}
			body := ""
			if c.method == "POST" || c.method == "PUT" {
				body = `{"a":1}`
			}
			status, _, err := f.do(t, ctx, c.method, "/x", body)
			if err != nil {
				t.Fatal(err)
			}
			if status != c.status || f.hits.Load() != c.hits {
				t.Errorf("status %d after %d requests, want %d after %d", status, f.hits.Load(), c.status, c.hits)
			}
		})
	}
}

func TestARepeatedRequestHasItsWholeBodyAndAFreshToken(t *testing.T) {
	var tokens, bodies []string
	f := serve(t, transport.Options{}, transport.ClientOptions{Token: func() transport.TokenSource {
		n := 0
		return func(context.Context) (string, error) { n++; return fmt.Sprint("token", n), nil }
	}()}, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		tokens, bodies = append(tokens, r.Header.Get("Authorization")), append(bodies, string(b))
		w.Header().Set("Retry-After", "0.01")
		w.WriteHeader([]int{429, 200}[len(bodies)-1])
	})
	if _, _, err := f.do(t, t.Context(), "POST", "/x", "the body"); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(tokens, bodies); got != "[Bearer token1 Bearer token2] [the body the body]" {
		t.Error(got)
	}
}

func TestTheServersPacingIsKept(t *testing.T) {
	now := func() time.Time { return time.Now() }
	cases := []struct {
		name   string
		status int
		header func() http.Header
		least  time.Duration
	}{
		{"Retry-After in seconds on 200", 200, func() http.Header { return http.Header{"Retry-After": {"0.2"}} }, 190 * time.Millisecond},
		{"X-RateLimit-Delay on 200", 200, func() http.Header { return http.Header{"X-Ratelimit-Delay": {"0.150"}} }, 140 * time.Millisecond},
		{"Retry-After on 404", 404, func() http.Header { return http.Header{"Retry-After": {"0.2"}} }, 190 * time.Millisecond},
		{"Retry-After as a date", 200, func() http.Header {
			return http.Header{"Retry-After": {now().Add(2 * time.Second).UTC().Format(http.TimeFormat)}}
		}, 900 * time.Millisecond},
		{"none remaining until the reset", 200, func() http.Header {
			return http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {fmt.Sprint(now().Unix())}}
		}, 0},
		{"the quota of Resource Graph is used up", 200, func() http.Header {
			return http.Header{"X-Ms-User-Quota-Remaining": {"0"}, "X-Ms-User-Quota-Resets-After": {"00:00:01"}}
		}, 900 * time.Millisecond},
		{"some of the quota is left", 200, func() http.Header {
			return http.Header{"X-Ms-User-Quota-Remaining": {"14"}, "X-Ms-User-Quota-Resets-After": {"00:00:05"}}
		}, 0},
		{"nothing asked", 200, func() http.Header { return nil }, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			first := true
			f := serve(t, transport.Options{}, transport.ClientOptions{}, func(w http.ResponseWriter, r *http.Request) {
				if first {
					for k, v := range c.header() {
						w.Header()[k] = v
					}
				}
				first = false
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
			})
			if _, _, err := f.do(t, t.Context(), "GET", "/1", ""); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if _, _, err := f.do(t, t.Context(), "GET", "/2", ""); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took < c.least || took > c.least+1500*time.Millisecond {
				t.Errorf("the next request waited %s, want %s or little more", took, c.least)
			}
		})
	}
}

func TestAWaitThatIsTooLongIsAnErrorThatSaysUntilWhen(t *testing.T) {
	f := serve(t, transport.Options{MaxWait: time.Second}, transport.ClientOptions{}, answers(http.Header{"Retry-After": {"3600"}}, 429))
	status, _, err := f.do(t, t.Context(), "GET", "/1", "")
	if err == nil {
		_, _, err = f.do(t, t.Context(), "GET", "/2", "")
	}
	if !errors.Is(err, transport.ErrThrottled) || !strings.Contains(err.Error(), "wants no request before") {
		t.Errorf("got %d, %v", status, err)
	}
	if f.hits.Load() != 1 {
		t.Errorf("%d requests were sent", f.hits.Load())
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	f := serve(t, transport.Options{}, transport.ClientOptions{}, answers(http.Header{"Retry-After": {"60"}}, 429))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, _, err := f.do(t, ctx, "GET", "/1", "")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 2*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}

func TestGitHubsLimitsAreKeptApart(t *testing.T) {
	f := serve(t, transport.Options{MaxWait: time.Second}, transport.ClientOptions{Kind: "github"}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/graphql") {
			w.Header().Set("Retry-After", "3600")
		}
	})
	query := `{"query":"query { viewer { login } }"}`
	if _, _, err := f.do(t, t.Context(), "POST", "/graphql", query); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.do(t, t.Context(), "GET", "/repos/o/r", ""); err != nil {
		t.Errorf("REST is stopped by GraphQL's limit: %v", err)
	}
	if _, _, err := f.do(t, t.Context(), "POST", "/graphql", query); !errors.Is(err, transport.ErrThrottled) {
		t.Errorf("GraphQL goes on: %v", err)
	}
}

func TestAzureDevOpsLimitsAnIdentityOnAllHostsTogether(t *testing.T) {
	for kind, want := range map[string]error{"azureDevOps": transport.ErrThrottled, "entra": nil} {
		o := transport.ClientOptions{Kind: kind}
		f := serve(t, transport.Options{MaxWait: time.Second}, o, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if strings.HasPrefix(r.Host, "localhost") {
				w.Header().Set("Retry-After", "3600")
			}
		})
		main := strings.TrimPrefix(f.url, "http://")
		releases := strings.Replace(main, "127.0.0.1", "localhost", 1) // the same server by another name
		client, err := f.Client(transport.ClientOptions{Kind: kind, Hosts: []string{main, releases}})
		if err != nil {
			t.Fatal(err)
		}
		f.client, f.url = client, "http://"+releases
		if _, _, err := f.do(t, t.Context(), "GET", "/org/p/_apis/release/definitions", ""); err != nil {
			t.Fatal(err)
		}
		f.url = "http://" + main
		if _, _, err := f.do(t, t.Context(), "GET", "/org/p/_apis/build/definitions", ""); !errors.Is(err, want) {
			t.Errorf("%s: after another host asked for a pause: %v", kind, err)
		}
	}
}

func TestTheSignInLogHasALimitOfItsOwn(t *testing.T) {
	f := serve(t, transport.Options{MaxWait: time.Second}, transport.ClientOptions{Kind: "entra"}, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/auditLogs/") {
			w.Header().Set("Retry-After", "3600")
		}
	})
	for path, want := range map[string]error{"/beta/auditLogs/signIns": nil, "/v1.0/applications": nil} {
		if _, _, err := f.do(t, t.Context(), "GET", path, ""); !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, _, err := f.do(t, t.Context(), "GET", "/beta/auditLogs/signIns", ""); !errors.Is(err, transport.ErrThrottled) {
		t.Errorf("the log goes on: %v", err)
	}
	if _, _, err := f.do(t, t.Context(), "GET", "/v1.0/applications", ""); err != nil {
		t.Errorf("applications are stopped by the log's limit: %v", err)
	}
}

func TestBudgetsOfOtherHostsHaveARate(t *testing.T) {
	for _, kind := range []string{"github", "github/graphql", "entra", "entra/auditLogs", "azure", "azureDevOps", "login"} {
		local, far := transport.DefaultBudget(kind, true), transport.DefaultBudget(kind, false)
		if local.Every != 0 || local.WriteEvery != 0 || far.Concurrent == 0 || far.Every == 0 && far.PerWindow == 0 && kind != "login" {
			t.Errorf("%s: %+v %+v", kind, local, far)
		}
	}
}

func TestReadOnlyRefusesWhatIsNotKnownToBeARead(t *testing.T) {
	cases := []struct {
		method, path, body string
		allowed            bool
	}{
		{"GET", "/x", "", true},
		{"HEAD", "/x", "", true},
		{"OPTIONS", "/_apis", "", true},
		{"POST", "/graphql", `{"query":"query { viewer { login } }"}`, true},
		{"POST", "/api/graphql", `{"query":"{ viewer { login } }"}`, true},
		{"POST", "/graphql", `{"query":"# query\nmutation { a { b } }"}`, false},
		{"POST", "/graphql", `{"query":"query A { a } mutation B { b { c } }","operationName":"A"}`, false},
		{"POST", "/graphql", `{"query":"subscription { a }"}`, false},
		{"POST", "/graphql", `{"query":"fragment F on X { y }"}`, false},
		{"POST", "/graphql", `{"query":"query {"}`, false},
		{"POST", "/graphql", `not json`, false},
		{"POST", "/providers/Microsoft.ResourceGraph/resources", `{"query":"resources"}`, true},
		{"POST", "/o/p/_apis/serviceendpoint/endpointproxy", `{}`, false},
		{"POST", "/v1.0/applications", `{}`, false},
		{"PUT", "/x", `{}`, false},
		{"PATCH", "/x", `{}`, false},
		{"DELETE", "/x", "", false},
	}
	for _, c := range cases {
		t.Run(c.method+" "+c.path+" "+c.body, func(t *testing.T) {
			f := serve(t, transport.Options{ReadOnly: true}, transport.ClientOptions{}, answers(nil, 200))
			_, _, err := f.do(t, t.Context(), c.method, c.path, c.body)
			if c.allowed != (err == nil) || !c.allowed && !errors.Is(err, transport.ErrWriteWhileReading) {
				t.Errorf("allowed %v, error %v", c.allowed, err)
			}
			if sent := f.hits.Load() == 1; sent != c.allowed {
				t.Errorf("sent: %v", sent)
			}
			if !c.allowed && f.Counts()[0].Refused != 1 {
				t.Errorf("counts %+v", f.Counts())
			}
		})
	}
}

func TestAnHTMLPageIsAClearError(t *testing.T) {
	page := "<!DOCTYPE html><html><title>Azure DevOps Services | Sign In</title></html>"
	for _, c := range []struct {
		status int
		media  string
		is     error
	}{{203, "text/html; charset=utf-8", execute.ErrForbidden}, {200, "", execute.ErrForbidden}, {404, "text/html", execute.ErrNotFound}, {401, "text/html", execute.ErrForbidden}} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			f := serve(t, transport.Options{}, transport.ClientOptions{}, func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Content-Type"] = []string{c.media}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, page)
			})
			_, _, err := f.do(t, t.Context(), "GET", "/o/_apis/projects?secret=1", "")
			var e *transport.Error
			if !errors.As(err, &e) || !errors.Is(err, c.is) || e.Status != c.status || !strings.Contains(err.Error(), "HTML page") {
				t.Errorf("got %v", err)
			}
			if strings.Contains(err.Error(), "secret=1") || strings.Contains(err.Error(), "DOCTYPE") {
				t.Errorf("the error repeats the query or the page: %v", err)
			}
		})
	}
}

func TestAWriteWithoutAnswerHasAnUnknownOutcome(t *testing.T) {
	cases := []struct {
		name    string
		handler http.HandlerFunc
		options transport.Options
	}{
		{"the connection is cut", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, transport.Options{}},
		{"the answer breaks off", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
			panic(http.ErrAbortHandler)
		}, transport.Options{}},
		{"no answer in time", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }, transport.Options{AttemptTimeout: 400 * time.Millisecond}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, c.options, transport.ClientOptions{}, c.handler)
			_, _, err := f.do(t, t.Context(), "POST", "/x", "{}")
			if !errors.Is(err, execute.ErrUnknownOutcome) || f.hits.Load() != 1 {
				t.Errorf("%v after %d requests", err, f.hits.Load())
			}
			_, _, err = f.do(t, t.Context(), "GET", "/x", "")
			if err == nil || errors.Is(err, execute.ErrUnknownOutcome) || f.hits.Load() != 6 {
				t.Errorf("a read: %v after %d requests", err, f.hits.Load()-1)
			}
		})
	}
}

func TestAWriteThatWasCancelledUnderWayHasAnUnknownOutcome(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := serve(t, transport.Options{}, transport.ClientOptions{}, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, _, err := f.do(t, ctx, "POST", "/x", "")
	if !errors.Is(err, execute.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAWriteThatWasNeverSentHasAKnownOutcome(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	tr := transport.New(transport.Options{Backoff: func(int) time.Duration { return time.Millisecond }})
	defer tr.Close()
	client, err := tr.Client(transport.ClientOptions{Kind: "test", Hosts: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Post("http://"+address+"/x?sig="+canary, "application/json", strings.NewReader("{}"))
	err = transport.Clean(err)
	if err == nil || errors.Is(err, execute.ErrUnknownOutcome) || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "5 attempts") {
		t.Errorf("got %v", err)
	}
}

func TestNothingGoesToAnotherHostOrInTheClear(t *testing.T) {
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { leaked.Store(true) }))
	defer other.Close()
	f := serve(t, transport.Options{}, transport.ClientOptions{Hosts: []string{"example.com"}}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusFound)
	})
	if _, _, err := f.do(t, t.Context(), "GET", "/x", ""); !errors.Is(err, execute.ErrRefused) {
		t.Errorf("a redirect to another host: %v", err)
	}
	if _, err := f.client.Get("http://example.com/"); err == nil || !strings.Contains(err.Error(), "only sent over https") {
		t.Errorf("plain http: %v", err)
	}
	if _, _, err := f.do(t, t.Context(), "POST", "/x", "{}"); err == nil {
		t.Error("a redirected POST looks like a success")
	}
	if leaked.Load() {
		t.Error("the other host was asked")
	}
}

func TestErrorsAndLogsHoldNoSecret(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"status": answers(nil, 200),
		"cut":    func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"text": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "TF400733: The request has been canceled")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, transport.Options{}, transport.ClientOptions{}, handler)
			_, _, err := f.do(t, t.Context(), "POST", "/x?code="+canary, `{"secret":"`+canary+`"}`)
			if text := fmt.Sprint(err) + fmt.Sprintf("%+v %#v", err, f.Counts()) + f.log.String(); strings.Contains(text, canary) {
				t.Error(text)
			}
			if !strings.Contains(f.log.String(), "POST 127.0.0.1") {
				t.Errorf("log %q", f.log.String())
			}
			if name == "text" && !strings.Contains(err.Error(), "TF400733") {
				t.Errorf("the service's words are lost: %v", err)
			}
		})
	}
}

func TestTheServersTimeIsLearned(t *testing.T) {
	for _, c := range []struct{ skew, want time.Duration }{{40 * 24 * time.Hour, 40 * 24 * time.Hour}, {-time.Hour, -time.Hour}, {time.Second, 0}, {0, 0}} {
		t.Run(c.skew.String(), func(t *testing.T) {
			f := serve(t, transport.Options{}, transport.ClientOptions{}, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().Add(c.skew).UTC().Format(http.TimeFormat))
			})
			if _, _, err := f.do(t, t.Context(), "GET", "/", ""); err != nil {
				t.Fatal(err)
			}
			if got := time.Until(f.Now()); (got - c.want).Abs() > 2*time.Second {
				t.Errorf("the offset is %s, want %s", got, c.want)
			}
		})
	}
}

func TestBudgetsBoundConcurrencyAndRate(t *testing.T) {
	var now, most atomic.Int32
	budget := &transport.Budget{Concurrent: 3, Every: 10 * time.Millisecond, Burst: 5}
	f := serve(t, transport.Options{}, transport.ClientOptions{Budget: budget}, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(5 * time.Millisecond)
		now.Add(-1)
	})
	start := time.Now()
	var group sync.WaitGroup
	for range 25 {
		group.Go(func() {
			if _, _, err := f.do(t, t.Context(), "GET", "/", ""); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if most.Load() > 3 {
		t.Errorf("%d requests at a time", most.Load())
	}
	if took := time.Since(start); took < 180*time.Millisecond {
		t.Errorf("25 requests took %s", took)
	}
}

func TestNoWindowHasMoreRequestsThanItsBudget(t *testing.T) {
	const window = 200 * time.Millisecond
	var mu sync.Mutex
	var came []time.Time
	f := serve(t, transport.Options{}, transport.ClientOptions{Budget: &transport.Budget{Concurrent: 8, PerWindow: 5, Window: window}}, func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		came = append(came, time.Now())
	})
	var group sync.WaitGroup
	for range 17 {
		group.Go(func() {
			if _, _, err := f.do(t, t.Context(), "GET", "/", ""); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	slices.SortFunc(came, time.Time.Compare)
	for i := 5; i < len(came); i++ {
		if d := came[i].Sub(came[i-5]); d < window*3/4 { // what is sent at a distance can arrive at a smaller one
			t.Errorf("requests %d to %d came within %s", i-4, i+1, d)
		}
	}
}

// The sign-in log takes 5 requests in 10 seconds, of which the first may come at once.
func TestTheSignInLogIsAskedFiveTimesInTenSeconds(t *testing.T) {
	t.Parallel()
	f := serve(t, transport.Options{Paced: true, MaxWait: time.Minute}, transport.ClientOptions{Kind: "entra"}, answers(nil, 200))
	start := time.Now()
	for n := range 6 {
		if _, _, err := f.do(t, t.Context(), "GET", "/beta/auditLogs/signIns", ""); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); n == 4 && took > 5*time.Second || n == 5 && took < 10*time.Second {
			t.Errorf("request %d was answered after %s", n+1, took)
		}
	}
}

func TestWritesKeepTheirDistance(t *testing.T) {
	budget := &transport.Budget{Concurrent: 3, WriteEvery: 60 * time.Millisecond}
	f := serve(t, transport.Options{}, transport.ClientOptions{Budget: budget}, answers(nil, 200))
	start := time.Now()
	for range 3 {
		if _, _, err := f.do(t, t.Context(), "PUT", "/", "x"); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took < 110*time.Millisecond {
		t.Errorf("three writes took %s", took)
	}
}

func TestRequestsAreCountedByHostAndKind(t *testing.T) {
	f := serve(t, transport.Options{}, transport.ClientOptions{Kind: "entra"}, answers(nil, 503, 200))
	for _, method := range []string{"GET", "POST", "DELETE"} {
		if _, _, err := f.do(t, t.Context(), method, "/x", ""); err != nil {
			t.Fatal(err)
		}
	}
	got := f.Counts()
	if len(got) != 1 || got[0].Kind != "entra" || got[0].Reads != 2 || got[0].Writes != 2 || got[0].Repeated != 1 || got[0].Bytes == 0 {
		t.Errorf("%+v", got)
	}
}

func TestAnAnswerThatIsTooLargeIsRefused(t *testing.T) {
	f := serve(t, transport.Options{MaxResponse: 100, Attempts: 1}, transport.ClientOptions{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 101))
	})
	if _, _, err := f.do(t, t.Context(), "GET", "/x", ""); err == nil || !strings.Contains(err.Error(), "larger than 100 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestSentinels(t *testing.T) {
	for _, c := range []struct {
		status int
		write  bool
		want   error
	}{
		{401, false, execute.ErrForbidden}, {403, true, execute.ErrForbidden}, {404, true, execute.ErrNotFound}, {410, false, execute.ErrNotFound},
		{409, true, execute.ErrConflict}, {412, true, execute.ErrConflict}, {429, true, transport.ErrThrottled}, {400, true, execute.ErrRefused}, {422, true, execute.ErrRefused},
		{500, true, execute.ErrUnknownOutcome}, {504, true, execute.ErrUnknownOutcome}, {500, false, nil}, {200, true, nil},
	} {
		if got := transport.Sentinel(c.status, c.write); !errors.Is(got, c.want) {
			t.Errorf("%d (write %v): %v, want %v", c.status, c.write, got, c.want)
		}
	}
}
