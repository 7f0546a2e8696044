package lab_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// bare is a world with one tenant, one application and one repository, without pipelines.
func bare() *world.World {
	w := world.New(1)
	w.Clock.Freeze(start)
	app := &world.App{ObjectID: w.NewID(), AppID: w.NewID(), DisplayName: "shop", SP: &world.ServicePrincipal{ObjectID: w.NewID(), Enabled: true}}
	w.Tenants["t"] = &world.Tenant{ID: "t", Name: "contoso", Apps: map[string]*world.App{app.ObjectID: app}}
	w.DevOps["contoso"] = &world.DevOpsOrg{ID: w.NewID(), Name: "contoso", TenantID: "t", Connections: map[string]*world.Connection{}}
	w.AddRepo("contoso", "shop", map[string]string{"README.md": "shop\n"})
	return w
}

func serve(t *testing.T, w *world.World, o lab.Options) *lab.Lab {
	t.Helper()
	l, err := lab.Start(w, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// client does not reuse connections, so that nothing is retried behind a test's back.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func do(t *testing.T, method, url, token string, body any) (*http.Response, []byte, error) {
	t.Helper()
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, b, err
}

// control calls the control API and gives status and decoded body.
func control(t *testing.T, l *lab.Lab, method, path string, body any) (int, map[string]any) {
	t.Helper()
	resp, b, err := do(t, method, l.World.Endpoints.Login+"/_lab/"+path, "", body)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		v = map[string]any{"raw": string(b)}
	}
	return resp.StatusCode, v
}

func TestEveryServerAnswersItsTokensWithTheLabsDate(t *testing.T) {
	w := bare()
	l := serve(t, w, lab.Options{})
	e := l.World.Endpoints
	for name, c := range map[string]struct{ url, token string }{
		"azureDevOps": {e.AzureDevOps + "/contoso/_apis/projects?api-version=7.1", lab.Token(world.AudienceAzureDevOps, world.RoleReader)},
		"github":      {e.GitHub + "/repos/contoso/shop", lab.Token(world.AudienceGitHub, world.RoleReader)},
		"graph":       {e.Graph + "/v1.0/applications", lab.Token(world.AudienceGraph, world.RoleReader)},
		"arm":         {e.ARM + "/subscriptions?api-version=2022-12-01", lab.Token(world.AudienceARM, world.RoleReader)},
		"login":       {e.Login + "/t/v2.0/.well-known/openid-configuration", ""},
	} {
		resp, b, err := do(t, "GET", c.url, c.token, nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %v %s", name, err, b)
			continue
		}
		if got := resp.Header.Get("Date"); got != start.Format(http.TimeFormat) {
			t.Errorf("%s: Date %s", name, got)
		}
	}
	for token := range w.Tokens {
		if strings.Contains(token, world.Canary) {
			t.Errorf("token %s looks like a secret", token)
		}
	}
}

func TestRequestsAreCountedByServerAndKind(t *testing.T) {
	l := serve(t, bare(), lab.Options{})
	e := l.World.Endpoints
	hub, graph := lab.Token(world.AudienceGitHub, world.RoleOperator), lab.Token(world.AudienceGraph, world.RoleOperator)
	var app string
	for id := range l.World.Tenants["t"].Apps {
		app = id
	}
	send := func(method, url, token string, body any) {
		t.Helper()
		if _, _, err := do(t, method, url, token, body); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		send("GET", e.GitHub+"/repos/contoso/shop/actions/secrets/A", hub, nil)
	}
	send("GET", e.GitHub+"/repos/contoso/shop/actions/secrets/B", hub, nil)
	send("POST", e.GitHub+"/graphql", hub, map[string]any{"query": "query { viewer { login } }"})
	send("POST", e.GitHub+"/graphql", hub, map[string]any{"query": "mutation($i: X!) { createCommitOnBranch(input: $i) { clientMutationId } }"})
	send("POST", e.Graph+"/v1.0/applications/"+app+"/addPassword", graph, map[string]any{})
	send("POST", e.Login+"/t/oauth2/v2.0/token", "", nil)
	send("POST", e.AzureDevOps+"/contoso/shop/_apis/serviceendpoint/endpointproxy?endpointId=1", hub, nil)
	send("POST", e.ARM+"/providers/Microsoft.ResourceGraph/resources", hub, nil)
	want := map[string]struct {
		n     int
		write bool
	}{
		"github GET /repos/{owner}/{repo}/actions/secrets/{name}":                        {3, false},
		"github POST /graphql query":                                                     {1, false},
		"github POST /graphql mutation":                                                  {1, true},
		"graph POST /v1.0/applications/{id}/addPassword":                                 {1, true},
		"login POST /{tenant}/oauth2/v2.0/token":                                         {1, false},
		"azureDevOps POST /{organization}/{project}/_apis/serviceendpoint/endpointproxy": {1, false},
		"arm POST /providers/Microsoft.ResourceGraph/resources":                          {1, false},
	}
	counts := l.Counts()
	for _, c := range counts {
		if w, ok := want[c.Server+" "+c.Kind]; !ok || w.n != c.N || w.write != c.Write {
			t.Errorf("counted %+v, want %+v", c, w)
		}
	}
	if len(counts) != len(want) || l.Writes() != 2 || counts.Total("github") != 5 || counts.Writes("graph") != 1 {
		t.Errorf("%d kinds, %d writes", len(counts), l.Writes())
	}
	if l.ResetCounts(); len(l.Counts()) != 0 {
		t.Error("counts after the reset")
	}
}

// TestFaults has one line for every fault: what the client sees, and whether the effect took place.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int // 0: an error instead of an answer
		effect bool
		check  func(*http.Response, []byte) bool
	}{
		{name: "throttle", status: 429, check: func(r *http.Response, b []byte) bool {
			return r.Header.Get("Retry-After") == "1" && strings.Contains(string(b), "TooManyRequests")
		}},
		{name: "throttle-200", status: 200, effect: true, check: func(r *http.Response, _ []byte) bool { return r.Header.Get("Retry-After") == "1" }},
		{name: "error-500", status: 500}, {name: "error-502", status: 502}, {name: "error-503", status: 503}, {name: "error-504", status: 504},
		{name: "lost-504", status: 504, effect: true},
		{name: "cut-before"}, {name: "cut-after", effect: true},
		{name: "slow", status: 200, effect: true},
		{name: "html", status: 503, check: func(r *http.Response, b []byte) bool { return strings.HasPrefix(string(b), "<!DOCTYPE html>") }},
		{name: "conflict-409", status: 409, check: func(_ *http.Response, b []byte) bool {
			return strings.Contains(string(b), "Directory_ConcurrencyViolation")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := serve(t, bare(), lab.Options{})
			if err := l.Faults.SetFault(lab.Fault{Name: c.name, Rate: 1, Servers: []string{lab.ServerGraph}, Times: 1, Delay: 1}); err != nil {
				t.Fatal(err)
			}
			var app *world.App
			for _, a := range l.World.Tenants["t"].Apps {
				app = a
			}
			add := l.World.Endpoints.Graph + "/v1.0/applications/" + app.ObjectID + "/addPassword"
			resp, b, err := do(t, "POST", add, lab.Token(world.AudienceGraph, world.RoleOperator), map[string]any{})
			switch {
			case c.status == 0 && err == nil:
				t.Errorf("got %s, want a broken connection", resp.Status)
			case c.status != 0 && (err != nil || resp.StatusCode != c.status):
				t.Errorf("got %v %v, want %d", resp, err, c.status)
			case c.check != nil && !c.check(resp, b):
				t.Errorf("answer %v %s", resp.Header, b)
			}
			l.World.Lock()
			took := len(app.Passwords) == 1
			l.World.Unlock()
			if took != c.effect {
				t.Errorf("effect took place: %v, want %v", took, c.effect)
			}
			if resp, _, err := do(t, "POST", add, lab.Token(world.AudienceGraph, world.RoleOperator), map[string]any{}); err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("after its one time the fault still hits: %v %v", resp, err)
			}
		})
	}
}

func TestFaultsHitTheirShareOfTheirRequests(t *testing.T) {
	hits := func(seed uint64) (n int, pattern string) {
		l := serve(t, bare(), lab.Options{FaultSeed: seed})
		if err := l.Faults.Set("throttle", 0.3, lab.ServerGraph); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			resp, _, err := do(t, "GET", l.World.Endpoints.Graph+"/v1.0/applications", lab.Token(world.AudienceGraph, world.RoleReader), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode == http.StatusTooManyRequests {
				n++
				pattern += "x"
				continue
			}
			pattern += "."
		}
		if resp, _, err := do(t, "GET", l.World.Endpoints.GitHub+"/repos/contoso/shop", lab.Token(world.AudienceGitHub, world.RoleReader), nil); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("another server got %v %v", resp, err)
		}
		return n, pattern
	}
	n, first := hits(5)
	if n < 15 || n > 45 {
		t.Errorf("%d of 100 requests hit at rate 0.3", n)
	}
	if _, again := hits(5); again != first {
		t.Error("the same seed gave other hits")
	}
}

func TestUnknownFaultsAreRefused(t *testing.T) {
	l := serve(t, bare(), lab.Options{})
	for _, f := range []lab.Fault{{Name: "explode", Rate: 1}, {Name: "slow", Rate: 2}, {Name: "slow", Rate: 1, Servers: []string{"gitlab"}}} {
		if err := l.Faults.SetFault(f); err == nil {
			t.Errorf("%+v was accepted", f)
		}
	}
}

func TestExchangesAreRecordedWithBothBodies(t *testing.T) {
	var mu sync.Mutex
	var seen []lab.Exchange
	l := serve(t, bare(), lab.Options{Record: func(e lab.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, e)
	}})
	if _, _, err := do(t, "POST", l.World.Endpoints.GitHub+"/graphql", lab.Token(world.AudienceGitHub, world.RoleReader), map[string]any{"query": "{ viewer { login } }"}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 1 || seen[0].Status != 200 || !strings.Contains(string(seen[0].RequestBody), "viewer") || !strings.Contains(string(seen[0].ResponseBody), "login") {
		t.Errorf("recorded %+v", seen)
	}
}

func TestLatencyIsAdded(t *testing.T) {
	l := serve(t, bare(), lab.Options{Latency: 30 * time.Millisecond})
	before := time.Now()
	if _, _, err := do(t, "GET", l.World.Endpoints.Graph+"/v1.0/me", lab.Token(world.AudienceGraph, world.RoleReader), nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(before); took < 30*time.Millisecond {
		t.Errorf("answered after %s", took)
	}
}

func TestAPortInUseIsAClearError(t *testing.T) {
	l := serve(t, bare(), lab.Options{})
	_, port, _ := strings.Cut(strings.TrimPrefix(l.World.Endpoints.Graph, "http://"), ":")
	var n int
	if err := json.Unmarshal([]byte(port), &n); err != nil {
		t.Fatal(err)
	}
	_, err := lab.Start(bare(), lab.Options{Ports: map[string]int{lab.ServerGraph: n}})
	if err == nil || !strings.Contains(err.Error(), "graph server") {
		t.Errorf("error %v", err)
	}
}

func TestTheControlAPIMovesTheClockSetsKnobsAndCounts(t *testing.T) {
	l := serve(t, bare(), lab.Options{})
	if status, got := control(t, l, "POST", "clock", map[string]any{"move": "168h"}); status != 200 || got["now"] != "2026-11-09T09:00:00Z" {
		t.Errorf("clock: %d %v", status, got)
	}
	if status, got := control(t, l, "POST", "clock", map[string]any{"freeze": "2027-01-01T00:00:00Z"}); status != 200 || got["now"] != "2027-01-01T00:00:00Z" {
		t.Errorf("clock: %d %v", status, got)
	}
	if status, got := control(t, l, "POST", "knobs", map[string]any{"ficPropagation": "90s", "acrConvert": true}); status != 200 || l.World.Knobs.FICPropagation != 90*time.Second || !l.World.Knobs.ACRConvert {
		t.Errorf("knobs: %d %v", status, got)
	}
	for path, body := range map[string]any{
		"clock": map[string]any{"move": "tomorrow"}, "knobs": map[string]any{"nonsense": 1}, "faults": map[string]any{"name": "explode", "rate": 1},
		"merge": map[string]any{"repository": "contoso/none", "number": 1}, "pipeline": map[string]any{"organization": "contoso", "connection": "none"},
		"event": map[string]any{"repository": "contoso/none", "event": "push"},
	} {
		if status, got := control(t, l, "POST", path, body); status != 400 || got["error"] == nil {
			t.Errorf("%s with %v: %d %v", path, body, status, got)
		}
	}
	if status, got := control(t, l, "GET", "", nil); status != 200 || got["repositories"] != 1.0 || got["applications"] != 1.0 {
		t.Errorf("summary: %d %v", status, got)
	}
	if status, _ := control(t, l, "GET", "counts", nil); status != 200 || len(l.Counts()) != 0 {
		t.Errorf("counts: %d, and the control API counted %v", status, l.Counts())
	}
}
