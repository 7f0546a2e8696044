// Package lab serves an emulated organisation on loopback: Azure DevOps, GitHub, Microsoft Graph, Azure Resource
// Manager and the Entra token endpoint on one world, with faults, counters and a control API. README.md describes
// what it does and how to drive it. It imports nothing of the program that it judges.
package lab

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/login"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// Options say how a lab serves. The zero value is a good lab.
type Options struct {
	// Host is the address to listen on, one free port for each server; empty means 127.0.0.1.
	Host string
	// Ports fixes the port of some servers, by server name.
	Ports map[string]int
	// Latency is added to every answer, in real time.
	Latency time.Duration
	// Record is called after every request with the request and its answer, from many goroutines at once.
	Record func(Exchange)
	// Admit is asked before every request is served, with the request alone; one that it refuses takes no effect, and its connection
	// is reset. Together with Record it lets a test end the client on either side of an effect.
	Admit func(Exchange) bool
	// AutoRun lets a push or merge run the workflows that listen to it, before the answer is sent.
	AutoRun bool
	// FaultSeed decides which requests faults hit.
	FaultSeed uint64
}

// Lab is a served world.
type Lab struct {
	World  *world.World
	Login  *login.Server
	Faults *Faults
	simulation

	options Options
	counter counter
	servers []*http.Server
	done    sync.WaitGroup
}

// Start serves a world: it gives it the tokens of Token, listens, and fills the world's endpoints.
func Start(w *world.World, o Options) (*Lab, error) {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	l := &Lab{World: w, Login: login.New(w), Faults: newFaults(o.FaultSeed), options: o}
	w.Lock()
	defer w.Unlock()
	addTokens(w)
	endpoints := map[string]*string{
		ServerAzureDevOps: &w.Endpoints.AzureDevOps, ServerGitHub: &w.Endpoints.GitHub, ServerGraph: &w.Endpoints.Graph,
		ServerARM: &w.Endpoints.ARM, ServerLogin: &w.Endpoints.Login,
	}
	handlers := l.handlers()
	for _, name := range sortedKeys(endpoints) {
		handler := l.serve(name, handlers[name])
		if name == ServerLogin {
			handler = l.withControl(handler)
		}
		address, err := l.listen(name, handler)
		if err != nil {
			l.Close()
			return nil, err
		}
		*endpoints[name] = "http://" + address
	}
	return l, nil
}

func (l *Lab) listen(name string, handler http.Handler) (address string, err error) {
	at := fmt.Sprintf("%s:%d", l.options.Host, l.options.Ports[name])
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", at)
	if err != nil {
		return "", fmt.Errorf("start the lab's %s server on %s: %w", name, at, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(discard{}, "", 0)}
	l.servers = append(l.servers, server)
	l.done.Go(func() {
		// Serve always ends with an error: http.ErrServerClosed after Close, or the listener's, which a client will notice.
		_ = server.Serve(listener)
	})
	return listener.Addr().String(), nil
}

// discard takes the servers' complaints about connections that faults cut.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// Close stops the servers and their connections.
func (l *Lab) Close() {
	for _, s := range l.servers {
		if err := s.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			continue // the listener is closed in any case; nothing is left to undo
		}
	}
	l.done.Wait()
}

// Counts are the requests since the start or the last ResetCounts. The control API is not counted.
func (l *Lab) Counts() Counts { return l.counter.all() }

// Writes is how many requests since then may have changed something.
func (l *Lab) Writes() int { return l.counter.all().Writes("") }

// ResetCounts starts counting anew.
func (l *Lab) ResetCounts() { l.counter.reset() }
