// Package labtest connects the providers' tests to the lab.
package labtest

import (
	"net/http"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// Demo gives the world of the demonstration.
func Demo(t *testing.T) *world.World {
	t.Helper()
	w, err := lab.LoadSeed(lab.Demo)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Start serves a world until the test ends.
func Start(t *testing.T, w *world.World, o lab.Options) *lab.Lab {
	t.Helper()
	l, err := lab.Start(w, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// Client gives an HTTP client for one of the lab's servers with the token of a role. It repeats quickly.
func Client(t *testing.T, url, kind, audience, role string, o transport.Options) (*http.Client, *transport.Transport) {
	t.Helper()
	if o.Backoff == nil {
		o.Backoff = func(int) time.Duration { return 5 * time.Millisecond }
	}
	tr := transport.New(o)
	t.Cleanup(tr.Close)
	host, err := transport.Host(url)
	if err != nil {
		t.Fatal(err)
	}
	client, err := tr.Client(transport.ClientOptions{Kind: kind, Hosts: []string{host}, Token: transport.Static(lab.Token(audience, role))})
	if err != nil {
		t.Fatal(err)
	}
	return client, tr
}

// Fault switches a fault of the lab on.
func Fault(t *testing.T, l *lab.Lab, f lab.Fault) {
	t.Helper()
	if err := l.Faults.SetFault(f); err != nil {
		t.Fatal(err)
	}
}
