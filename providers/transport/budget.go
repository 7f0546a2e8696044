package transport

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/unsecret-dev/unsecret/internal/wait"
)

// Budget bounds what is asked of one host.
type Budget struct {
	Concurrent int           // requests at a time
	Every      time.Duration // one request in this time on average; 0: no limit
	Burst      int           // requests that may be sent at once before Every counts
	WriteEvery time.Duration // the least time between two writes; 0: no limit
	PerWindow  int           // requests in any Window; 0: no limit
	Window     time.Duration
}

// DefaultBudget is what a host is asked for at most, by kind of provider. Loopback hosts have no rate.
//
//   - GitHub: at most 900 points a minute and 100 requests at a time; a second between writes
//     (GitHub Docs: Rate limits for the REST API; Best practices for using the REST API).
//   - Resource Graph: 15 queries in 5 seconds (Microsoft Learn: Guidance for throttled requests in Azure Resource Graph).
//   - Azure DevOps: it delays and tells by headers; few requests at a time keep within the 200 TSTU of five
//     minutes (Microsoft Learn: Rate and usage limits).
//   - Graph: 3,500 units in 10 seconds for a small tenant, and 5 requests in 10 seconds for the sign-in log
//     (Microsoft Learn: Microsoft Graph service-specific throttling limits).
func DefaultBudget(kind string, loopback bool) Budget {
	b := Budget{Concurrent: 8}
	switch kind {
	case "github", "github/graphql", "github/search":
		b = Budget{Concurrent: 10, Every: 70 * time.Millisecond, Burst: 50, WriteEvery: time.Second}
	case "entra":
		b = Budget{Concurrent: 8, Every: 10 * time.Millisecond, Burst: 100}
	case "entra/auditLogs":
		// A second more, since what is sent at a distance can arrive at a smaller one.
		b = Budget{Concurrent: 2, PerWindow: 5, Window: 11 * time.Second}
	case "azure":
		b = Budget{Concurrent: 4, Every: 350 * time.Millisecond, Burst: 10}
	case "azureDevOps":
		b = Budget{Concurrent: 8, Every: 20 * time.Millisecond, Burst: 50}
	}
	if loopback {
		return Budget{Concurrent: b.Concurrent}
	}
	return b
}

// gate admits requests to one host (or one rate-limited part of it).
type gate struct {
	name    string
	budget  Budget
	slots   *semaphore.Weighted
	mu      sync.Mutex
	next    time.Time   // when the bucket has its next token
	write   time.Time   // when the next write may go
	blocked time.Time   // the server asked for no request before this time
	window  []time.Time // when the last PerWindow requests go, the oldest first
}

func newGate(name string, b Budget) *gate {
	if b.Concurrent <= 0 {
		b.Concurrent = 8
	}
	return &gate{name: name, budget: b, slots: semaphore.NewWeighted(int64(b.Concurrent))}
}

// block notes that the server wants no request for a while.
func (g *gate) block(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.blocked) {
		g.blocked = until
	}
}

// reserve takes the next place in time and tells how long it is away. The bucket is kept as the time at
// which it will be full again (the generic cell rate algorithm), so that it needs no goroutine.
func (g *gate) reserve(write bool, maxWait time.Duration) (time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if wait := g.blocked.Sub(now); wait > maxWait {
		return 0, fmt.Errorf("%w: %s wants no request before %s", ErrThrottled, g.name, g.blocked.UTC().Format(time.RFC3339))
	}
	at := now
	if g.blocked.After(at) {
		at = g.blocked
	}
	if g.budget.Every > 0 {
		if g.next.Before(now) {
			g.next = now
		}
		if t := g.next.Add(-time.Duration(g.budget.Burst) * g.budget.Every); t.After(at) {
			at = t
		}
		g.next = g.next.Add(g.budget.Every)
	}
	if write && g.budget.WriteEvery > 0 {
		if g.write.After(at) {
			at = g.write
		}
		g.write = at.Add(g.budget.WriteEvery)
	}
	if n := g.budget.PerWindow; n > 0 {
		if len(g.window) == n {
			if t := g.window[0].Add(g.budget.Window); t.After(at) {
				at = t
			}
			g.window = g.window[1:]
		}
		g.window = append(g.window, at)
	}
	return at.Sub(now), nil
}

// blockedFor tells how long the server still wants no request.
func (g *gate) blockedFor() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Until(g.blocked)
}

// enter waits for a place and gives the function that leaves it.
func (t *tripper) enter(ctx context.Context, g *gate, write bool) (leave func(), err error) {
	wait, err := g.reserve(write, t.t.options.MaxWait)
	if err != nil {
		return nil, err
	}
	if err := t.sleep(ctx, g, wait); err != nil {
		return nil, err
	}
	if err := g.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	// While this request waited for its slot, an answer to another may have asked for a pause.
	for {
		wait := g.blockedFor()
		if wait <= 0 {
			return func() { g.slots.Release(1) }, nil
		}
		if err := t.pause(ctx, g, wait); err != nil {
			g.slots.Release(1)
			return nil, err
		}
	}
}

func (t *tripper) pause(ctx context.Context, g *gate, wait time.Duration) error {
	if wait > t.t.options.MaxWait {
		return fmt.Errorf("%w: %s wants no request for %s", ErrThrottled, g.name, wait.Round(time.Second))
	}
	return t.sleep(ctx, g, wait)
}

func (t *tripper) sleep(ctx context.Context, g *gate, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	if d > 2*time.Second && t.t.options.Waiting != nil {
		t.t.options.Waiting(g.name, d)
	}
	return wait.For(ctx, d)
}

// gate gives the gate of a request: its host's, or that of a part of it. Azure DevOps counts by identity, whichever of its hosts is asked (Microsoft Learn:
// Rate and usage limits), so that these have one together.
func (t *tripper) gate(r *http.Request) *gate {
	part := limitedPart(t.o.Kind, r.URL.Path)
	name := r.URL.Host + part
	if t.o.Kind == "azureDevOps" {
		name = strings.ToLower(t.o.Hosts[0])
	}
	t.t.mu.Lock()
	defer t.t.mu.Unlock()
	g := t.t.gates[name]
	if g == nil {
		b := DefaultBudget(t.o.Kind+part, Loopback(r.URL.Hostname()) && !t.t.options.Paced)
		if t.o.Budget != nil {
			b = *t.o.Budget
		}
		g = newGate(name, b)
		t.t.gates[name] = g
	}
	return g
}
