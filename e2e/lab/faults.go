package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Faults are switched on by name; none is on at first. They are drawn from a seeded generator, so a single-threaded
// client meets the same ones in every run.
type Faults struct {
	mu     sync.Mutex
	random *rand.Rand
	rules  []*Fault
}

// Fault is one rule. Every condition that is set must hold for a request to be hit.
type Fault struct {
	Name    string   `json:"name"`
	Rate    float64  `json:"rate"`              // of the requests that meet the conditions; 0 with Set removes the rule
	Servers []string `json:"servers,omitempty"` // empty: all
	Only    string   `json:"only,omitempty"`    // "read" or "write"
	Path    string   `json:"path,omitempty"`    // a part of the path
	Times   int      `json:"times,omitempty"`   // how often at most; 0: without end
	// RetryAfter is for throttle and throttle-200, in seconds; 0 means 1.
	RetryAfter int `json:"retryAfter,omitempty"`
	// Delay is for slow, in milliseconds of real time; 0 means 500.
	Delay int `json:"delay,omitempty"`
}

// FaultNames are all the faults that there are, with what they do.
var FaultNames = map[string]string{
	"throttle":     "429 with Retry-After; nothing takes effect",
	"throttle-200": "the right answer, with Retry-After on it, as Azure DevOps sends when it has begun to delay, and Resource Graph's used-up quota",
	"error-500":    "500 before any effect",
	"error-502":    "502 before any effect",
	"error-503":    "503 before any effect",
	"error-504":    "504 before any effect",
	"lost-504":     "504 though the effect took place",
	"cut-before":   "the connection is reset before any effect",
	"cut-after":    "the connection is reset after the effect, so the answer is lost",
	"slow":         "the right answer, late",
	"html":         "503 with an HTML page where JSON is expected",
	"conflict-409": "409 on a write, before any effect: somebody else is writing",
}

func newFaults(seed uint64) *Faults {
	return &Faults{random: rand.New(rand.NewPCG(seed, 0xfa017))} //nolint:gosec // deterministic on purpose
}

// Set switches a fault on for a share of the requests to the named servers (all, when none is named), or off with
// rate 0.
func (f *Faults) Set(name string, rate float64, servers ...string) error {
	return f.SetFault(Fault{Name: name, Rate: rate, Servers: servers})
}

// SetFault is Set with all conditions. A rule replaces the one of the same name, servers and conditions.
func (f *Faults) SetFault(rule Fault) error {
	if _, ok := FaultNames[rule.Name]; !ok {
		return fmt.Errorf("unknown fault %q: the lab has %s", rule.Name, strings.Join(sortedKeys(FaultNames), ", "))
	}
	if rule.Rate < 0 || rule.Rate > 1 {
		return fmt.Errorf("rate %v of fault %s is not between 0 and 1", rule.Rate, rule.Name)
	}
	for _, s := range rule.Servers {
		if !slices.Contains([]string{ServerAzureDevOps, ServerGitHub, ServerGraph, ServerARM, ServerLogin}, s) {
			return fmt.Errorf("unknown server %q of fault %s", s, rule.Name)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = slices.DeleteFunc(f.rules, func(r *Fault) bool { return r.same(rule) })
	if rule.Rate > 0 {
		f.rules = append(f.rules, &rule)
	}
	return nil
}

func (r *Fault) same(other Fault) bool {
	return r.Name == other.Name && r.Only == other.Only && r.Path == other.Path && slices.Equal(r.Servers, other.Servers)
}

// Clear switches all faults off.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// draw gives the fault that hits a request, or nil.
func (f *Faults) draw(server string, r *http.Request, write bool) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, rule := range f.rules {
		if !rule.meets(server, r, write) || f.random.Float64() >= rule.Rate {
			continue
		}
		hit := *rule
		if rule.Times > 0 {
			if rule.Times--; rule.Times == 0 {
				f.rules = slices.Delete(f.rules, i, i+1)
			}
		}
		return &hit
	}
	return nil
}

func (r *Fault) meets(server string, req *http.Request, write bool) bool {
	if len(r.Servers) > 0 && !slices.Contains(r.Servers, server) {
		return false
	}
	if r.Only == "write" && !write || r.Only == "read" && write || r.Name == "conflict-409" && !write {
		return false
	}
	return strings.Contains(req.URL.Path, r.Path)
}

// inject serves a request under a fault.
func (r *Fault) inject(server string, w http.ResponseWriter, req *http.Request, next http.Handler) {
	switch r.Name {
	case "slow":
		pause(req, time.Duration(max(r.Delay, 0))*time.Millisecond, 500*time.Millisecond)
		next.ServeHTTP(w, req)
	case "throttle-200":
		if server == ServerARM { // as Resource Graph tells that its quota is used up
			next.ServeHTTP(&quotaWriter{ResponseWriter: w, seconds: min(max(r.RetryAfter, 1), 59)}, req)
			return
		}
		w.Header().Set("Retry-After", r.retryAfter())
		w.Header().Set("X-RateLimit-Resource", "core")
		w.Header().Set("X-RateLimit-Delay", "0.5")
		next.ServeHTTP(w, req)
	case "cut-before":
		cut(w)
	case "cut-after":
		next.ServeHTTP(httptest.NewRecorder(), req)
		cut(w)
	case "lost-504":
		next.ServeHTTP(httptest.NewRecorder(), req)
		answerFault(server, w, http.StatusGatewayTimeout)
	case "throttle":
		w.Header().Set("Retry-After", r.retryAfter())
		answerFault(server, w, http.StatusTooManyRequests)
	case "conflict-409":
		answerFault(server, w, http.StatusConflict)
	case "html":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("<!DOCTYPE html><html><head><title>Service unavailable</title></head><body><h1>We are having trouble</h1></body></html>"))
	default: // error-NNN
		status, _ := strconv.Atoi(strings.TrimPrefix(r.Name, "error-"))
		answerFault(server, w, status)
	}
}

// quotaWriter puts a used-up quota in the place of the one that the server tells.
type quotaWriter struct {
	http.ResponseWriter
	seconds int
}

func (q *quotaWriter) WriteHeader(status int) {
	q.Header().Set("x-ms-user-quota-remaining", "0")
	q.Header().Set("x-ms-user-quota-resets-after", fmt.Sprintf("00:00:%02d", q.seconds))
	q.ResponseWriter.WriteHeader(status)
}

func (r *Fault) retryAfter() string { return strconv.Itoa(max(r.RetryAfter, 1)) }

// pause waits d, or the default, unless the client leaves first.
func pause(r *http.Request, d, otherwise time.Duration) {
	if d == 0 {
		d = otherwise
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
}

// cut resets the client's connection, so that it sees an error and no answer.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server closes the connection instead
	}
	var tcp *net.TCPConn
	if c, ok := conn.(*net.TCPConn); ok {
		tcp = c
	}
	if tcp != nil {
		if err := tcp.SetLinger(0); err != nil && !errors.Is(err, net.ErrClosed) {
			_ = conn.Close()
			return
		}
	}
	_ = conn.Close()
}

// answerFault writes an error in the shape of the server's own.
func answerFault(server string, w http.ResponseWriter, status int) {
	text := http.StatusText(status)
	var body any
	switch server {
	case ServerGraph:
		code := map[int]string{429: "TooManyRequests", 409: "Directory_ConcurrencyViolation", 503: "serviceNotAvailable", 504: "timeout", 500: "generalException", 502: "badGateway"}[status]
		if status == http.StatusConflict {
			text = "Error due to concurrent requests being made to the tenant. Please wait briefly and retry."
		}
		body = map[string]any{"error": map[string]any{"code": code, "message": text}}
	case ServerARM:
		body = map[string]any{"error": map[string]any{"code": strings.ReplaceAll(text, " ", ""), "message": text}}
	case ServerGitHub:
		if status == http.StatusTooManyRequests {
			text = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
		}
		body = map[string]any{"message": text, "documentation_url": "https://docs.github.com/rest"}
	case ServerLogin:
		body = map[string]any{"error": "temporarily_unavailable", "error_description": text, "error_codes": []int{}}
	default:
		body = map[string]any{
			"$id": "1", "innerException": nil, "message": text, "typeKey": "VssServiceException", "errorCode": 0, "eventId": 3000,
			"typeName": "Microsoft.VisualStudio.Services.Common.VssServiceException, Microsoft.VisualStudio.Services.Common",
		}
	}
	writeJSON(w, status, body)
}
