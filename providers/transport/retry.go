package transport

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

type contextKey int

const (
	idempotentKey contextKey = iota
	onceKey
)

// WithIdempotent marks the requests of a context as safe to repeat although they are writes: sending one twice
// leaves the same state as sending it once.
func WithIdempotent(ctx context.Context) context.Context {
	return context.WithValue(ctx, idempotentKey, true)
}

// WithoutRepeat makes the requests of a context be sent once: a 5xx or a time-out is reported at once, for a
// caller that has a better answer than asking the same again. Waits that the server asks for are still kept.
func WithoutRepeat(ctx context.Context) context.Context {
	return context.WithValue(ctx, onceKey, true)
}

func marked(ctx context.Context, key contextKey) bool {
	on, _ := ctx.Value(key).(bool)
	return on
}

const (
	backoffBase = 500 * time.Millisecond
	backoffCap  = 30 * time.Second
	// secondaryWait is what to wait after a secondary rate limit that names no time
	// (GitHub Docs: Rate limits for the REST API, "wait for at least one minute").
	secondaryWait = time.Minute
)

// backoff is exponential with full jitter, so that requests that failed together do not come back together.
func backoff(attempt int) time.Duration {
	limit := min(backoffBase<<min(max(attempt-2, 0), 10), backoffCap)
	return limit/4 + rand.N(limit*3/4)
}

// throttled tells whether an answer says that the request was not executed because of a rate limit:
// 429 by its definition (RFC 6585, section 4), and GitHub's 403 for primary and secondary limits
// (GitHub Docs: Troubleshooting the REST API).
func throttled(r *http.Response, body []byte) bool {
	switch r.StatusCode {
	case http.StatusTooManyRequests:
		return true
	case http.StatusForbidden:
		return r.Header.Get("Retry-After") != "" || r.Header.Get("X-Ratelimit-Remaining") == "0" ||
			bytes.Contains(body, []byte("secondary rate limit"))
	}
	return false
}

// passing tells whether a status is of the kind that passes by itself. A read may be repeated then; a write may
// not, even on 503 with Retry-After: whether it was executed is not known.
func passing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// askedWait gives how long an answer asks to wait before the next request to its host, on whatever status:
// Azure DevOps sends Retry-After and X-RateLimit-Delay with HTTP 200 (Microsoft Learn: Rate and usage limits).
func askedWait(h http.Header, now time.Time) time.Duration {
	wait := retryAfter(h.Get("Retry-After"), now)
	if delay, err := strconv.ParseFloat(h.Get("X-Ratelimit-Delay"), 64); err == nil && delay > 0 {
		wait = max(wait, seconds(delay))
	}
	if h.Get("X-Ms-User-Quota-Remaining") == "0" {
		wait = max(wait, quotaReset(h.Get("X-Ms-User-Quota-Resets-After")))
	}
	if wait == 0 && h.Get("X-Ratelimit-Remaining") == "0" {
		if reset, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64); err == nil {
			wait = max(0, time.Unix(reset, 0).Sub(now)+time.Second)
		}
	}
	return wait
}

// quotaReset reads when the quota of Resource Graph is full again, as hh:mm:ss from now; it is told on every answer, also on those that were
// given (Microsoft Learn: Guidance for throttled requests in Azure Resource Graph). A text that is none is as long as its window.
func quotaReset(value string) time.Duration {
	var h, m, s int
	if n, err := fmt.Sscanf(value, "%d:%d:%d", &h, &m, &s); n != 3 || err != nil || h < 0 || m < 0 || s < 0 {
		return 5 * time.Second
	}
	return seconds(float64(h)*3600 + float64(m)*60 + float64(s))
}

// retryAfter reads both forms of the header: seconds and an HTTP date (RFC 9110, section 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if s, err := strconv.ParseFloat(value, 64); err == nil {
		return seconds(s)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// seconds converts without overflow; a day is more than any wait that is kept.
func seconds(s float64) time.Duration {
	if !(s > 0) {
		return 0
	}
	return time.Duration(min(s, 86400) * float64(time.Second))
}

// limitedPart names the part of a service that a path belongs to and that has a limit of its own: GitHub limits
// GraphQL, search and the rest of REST apart (GitHub Docs: REST API endpoints for rate limits), Graph its reports
// (Microsoft Learn: Microsoft Graph service-specific throttling limits). One being exhausted must not stop the others.
func limitedPart(kind, path string) string {
	switch {
	case kind == "github" && strings.HasSuffix(path, "/graphql"):
		return "/graphql"
	case kind == "github" && strings.Contains(path, "/search/"):
		return "/search"
	case kind == "entra" && strings.Contains(path, "/auditLogs/"):
		return "/auditLogs"
	}
	return ""
}

// Told tells whether an answer says when to ask again, so that the transport waits by itself. GitHub's headers
// on the remaining limit do not reach the SDKs, so the transport leaves a mark of its own.
func Told(h http.Header) bool { return h.Get(toldHeader) != "" }

const toldHeader = "X-Unsecret-Wait"
