package e2e_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// watch notes when requests to each address went out.
type watch struct {
	mu   sync.Mutex
	sent map[string][]time.Time
}

func (w *watch) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	if w.sent == nil {
		w.sent = map[string][]time.Time{}
	}
	w.sent[r.URL.Host] = append(w.sent[r.URL.Host], time.Now())
	w.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

// longest is the longest time in which nothing was sent to an address.
func (w *watch) longest(host string) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortFunc(w.sent[host], time.Time.Compare)
	longest := time.Duration(0)
	for i := 1; i < len(w.sent[host]); i++ {
		longest = max(longest, w.sent[host][i].Sub(w.sent[host][i-1]))
	}
	return longest
}

// A service that asks for a pause on an answer that succeeded gets it, from every reader of a scan, and the scan finds the same.
func TestAScanKeepsThePaceThatAServiceAsksForOnSuccess(t *testing.T) {
	for _, tc := range []struct{ server, path string }{
		{lab.ServerAzureDevOps, "/executionhistory"},
		{lab.ServerGitHub, "/actions/"},
		{lab.ServerGraph, "/applications"},
		{lab.ServerARM, "/resources"},
	} {
		t.Run(tc.server, func(t *testing.T) {
			t.Parallel()
			// More principals than one query of Resource Graph takes.
			j := generatedJourney(t, lab.Size{Seed: 3, Repositories: 3, Connections: 6, Projects: 2, Identities: 450})
			plain := comparable(j.scanWith(j.connectAs(world.RoleReader, reading())))
			if err := j.lab.Faults.SetFault(lab.Fault{Name: "throttle-200", Rate: 1, Servers: []string{tc.server}, Path: tc.path, Times: 1, RetryAfter: 3}); err != nil {
				t.Fatal(err)
			}
			w := &watch{}
			o := reading()
			o.Base = w
			got := comparable(j.scanWith(j.connectAs(world.RoleReader, o)))
			e := j.lab.World.Endpoints
			host, err := transport.Host(map[string]string{lab.ServerAzureDevOps: e.AzureDevOps, lab.ServerGitHub: e.GitHub, lab.ServerGraph: e.Graph, lab.ServerARM: e.ARM}[tc.server])
			if err != nil {
				t.Fatal(err)
			}
			if d := w.longest(host); d < 2500*time.Millisecond {
				t.Errorf("the longest pause of %d requests was %s, and the service asked for 3 seconds", len(w.sent[host]), d)
			}
			if len(plain.Identities) != len(got.Identities) || len(plain.Logins) != len(got.Logins) || len(got.Gaps) > len(plain.Gaps) {
				t.Errorf("under the pause: %d identities, %d logins, gaps %v", len(got.Identities), len(got.Logins), got.Gaps)
			}
		})
	}
}
