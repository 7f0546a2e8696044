package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
)

// tripper is one provider's round tripper.
type tripper struct {
	t     *Transport
	o     ClientOptions
	hosts map[string]bool
}

// exchange is one request with all its attempts.
type exchange struct {
	req      *http.Request
	body     []byte
	read     bool
	gate     *gate
	attempts int

	throttled int // how many of the attempts were answered with "too many requests"
}

// RoundTrip implements http.RoundTripper.
func (t *tripper) RoundTrip(req *http.Request) (*http.Response, error) {
	x := &exchange{req: req}
	if err := t.admit(x); err != nil {
		return nil, err
	}
	x.gate = t.gate(req)
	for {
		x.attempts++
		response, body, err := t.attempt(x)
		if wait, again := t.again(x, response, body, err); again {
			if err := t.pause(req.Context(), x.gate, wait); err != nil {
				return nil, x.fail(0, "gave up while waiting to repeat it", err)
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		return t.answer(x, response, body)
	}
}

// admit checks a request before anything of it is sent and takes its body into memory.
func (t *tripper) admit(x *exchange) error {
	u := x.req.URL
	body, err := readBody(x.req, t.t.options.MaxRequest)
	if err != nil {
		return x.fail(0, "reading its own body", err)
	}
	x.body = body
	if err := checkScheme(u); err != nil {
		return x.fail(0, "", err)
	}
	if !t.hosts[strings.ToLower(u.Host)] {
		return x.fail(0, fmt.Sprintf("refused: %s is not a host of this client (%s); a redirect or a next link led there", u.Host, strings.Join(t.o.Hosts, ", ")), execute.ErrRefused)
	}
	x.read = t.isRead(x.req, body)
	if t.t.options.ReadOnly && !x.read {
		t.t.count(t.o.Kind, u.Host, func(c *Count) { c.Refused++ })
		return x.fail(0, "", ErrWriteWhileReading)
	}
	return nil
}

func readBody(req *http.Request, limit int64) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer req.Body.Close()
	body, err := io.ReadAll(io.LimitReader(req.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("it is larger than %d bytes", limit)
	}
	return body, err
}

// attempt sends the request once. A response comes with its whole body.
func (t *tripper) attempt(x *exchange) (*http.Response, []byte, error) {
	ctx := x.req.Context()
	leave, err := t.enter(ctx, x.gate, !x.read)
	if err != nil {
		return nil, nil, x.fail(0, "waiting to send it", err)
	}
	defer leave()
	token, err := t.token(ctx)
	if err != nil {
		return nil, nil, x.fail(0, "getting a token for it", err)
	}

	ctx, cancel := context.WithTimeout(ctx, t.t.options.AttemptTimeout)
	defer cancel()
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	start := time.Now()
	response, err := t.t.base.RoundTrip(t.prepare(x, httptrace.WithClientTrace(ctx, trace), token))
	var body []byte
	if err == nil {
		t.t.clock.learn(response.Header, start, time.Now())
		body, err = t.readAnswer(response)
	}
	t.note(x, response, len(body), err, time.Since(start))
	if err != nil {
		return response, nil, t.lost(x, response, err, sent.Load() || response != nil)
	}
	if wait := askedWait(response.Header, t.t.Now()); wait > 0 {
		x.gate.block(wait)
	}
	return response, body, nil
}

func (t *tripper) token(ctx context.Context) (string, error) {
	if t.o.Token == nil {
		return "", nil
	}
	return t.o.Token(ctx)
}

// prepare makes the request of one attempt, with a body of its own.
func (t *tripper) prepare(x *exchange, ctx context.Context, token string) *http.Request {
	r := x.req.Clone(ctx)
	r.Body, r.GetBody = nil, nil
	if x.body != nil {
		r.Body = io.NopCloser(bytes.NewReader(x.body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.body)), nil }
		r.ContentLength = int64(len(x.body))
	}
	if t.o.Token != nil {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if t.t.options.UserAgent != "" {
		r.Header.Set("User-Agent", strings.TrimSpace(t.t.options.UserAgent+" "+x.req.Header.Get("User-Agent")))
	}
	return r
}

func (t *tripper) readAnswer(r *http.Response) ([]byte, error) {
	defer r.Body.Close()
	limit := t.t.options.MaxResponse
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("the answer is larger than %d bytes", limit)
	}
	return body, err
}

// note counts and logs one attempt.
func (t *tripper) note(x *exchange, response *http.Response, size int, err error, took time.Duration) {
	u := x.req.URL
	t.t.count(t.o.Kind, u.Host, func(c *Count) {
		if x.read {
			c.Reads++
		} else {
			c.Writes++
		}
		if x.attempts > 1 {
			c.Repeated++
		}
		c.Bytes += int64(size)
		c.Busy += took
	})
	if t.t.options.Logf == nil {
		return
	}
	outcome := "no answer"
	if response != nil && err == nil {
		outcome = fmt.Sprint(response.StatusCode)
	}
	t.t.options.Logf("%s %s%s %s %s attempt %d", x.req.Method, u.Host, u.EscapedPath(), outcome, took.Round(time.Millisecond), x.attempts)
}

// lost makes the error of an attempt without a whole answer. sent tells whether the server may have seen it.
func (t *tripper) lost(x *exchange, response *http.Response, err error, sent bool) error {
	status, message := 0, "no answer"
	if response != nil {
		status, message = response.StatusCode, "the answer broke off"
	}
	if cause := x.req.Context().Err(); cause != nil {
		err = cause
	} else if errors.Is(err, context.DeadlineExceeded) {
		message = fmt.Sprintf("no answer within %s", t.t.options.AttemptTimeout)
	}
	if !x.read && sent {
		message, err = message+"; it may have taken effect", unknownOutcome{err}
	}
	failed := x.fail(status, message, err)
	failed.onNetwork = true
	return failed
}

// unknownOutcome is a cause that is execute.ErrUnknownOutcome as well.
type unknownOutcome struct{ cause error }

func (e unknownOutcome) Error() string {
	return fmt.Sprintf("%v: %v", execute.ErrUnknownOutcome, e.cause)
}
func (e unknownOutcome) Unwrap() []error { return []error{execute.ErrUnknownOutcome, e.cause} }

// again decides whether a request is sent once more, and after which wait; what the server asked to wait is
// kept by the gate besides.
func (t *tripper) again(x *exchange, response *http.Response, body []byte, err error) (time.Duration, bool) {
	ctx := x.req.Context()
	if ctx.Err() != nil {
		return 0, false
	}
	if err == nil && throttled(response, body) {
		// It was not executed, whatever it is. Throttling is no failure, so it has more patience.
		x.throttled++
		return t.throttleWait(x, response), x.throttled < 3*t.t.options.Attempts
	}
	if x.attempts-x.throttled >= t.t.options.Attempts || marked(ctx, onceKey) {
		return 0, false
	}
	wait := t.t.options.Backoff(x.attempts - x.throttled + 1)
	safe := x.read || marked(ctx, idempotentKey)
	if err == nil {
		return wait, safe && passing(response.StatusCode)
	}
	var e *Error
	unsent := !errors.Is(err, execute.ErrUnknownOutcome)
	return wait, errors.As(err, &e) && e.onNetwork && (safe || unsent)
}

// throttleWait is what to wait after an answer that says "too many requests", beyond what the gate keeps.
func (t *tripper) throttleWait(x *exchange, response *http.Response) time.Duration {
	switch {
	case askedWait(response.Header, t.t.Now()) > 0:
		return 0
	case t.o.Kind == "github":
		x.gate.block(secondaryWait)
		return 0
	}
	return t.t.options.Backoff(x.throttled + 1)
}

// answer hands the last answer to the SDK, or makes an error of one that no SDK can read.
func (t *tripper) answer(x *exchange, r *http.Response, body []byte) (*http.Response, error) {
	media := strings.ToLower(r.Header.Get("Content-Type"))
	html := strings.Contains(media, "text/html") || strings.Contains(media, "xhtml") || media == "" && looksLikeHTML(body)
	wantsHTML := strings.Contains(x.req.Header.Get("Accept"), "html")
	redirect := r.StatusCode/100 == 3 && r.Header.Get("Location") != "" // followed, or refused, by the client
	switch {
	case redirect:
	case html && !wantsHTML && r.StatusCode < 500 && r.StatusCode != http.StatusNotFound:
		return nil, x.fail(r.StatusCode, "answered with an HTML page (a sign-in page, most likely) instead of data: sign in again, and check that the token is for this host and its tenant", execute.ErrForbidden)
	case html && !wantsHTML:
		return nil, x.fail(r.StatusCode, "answered with an HTML page instead of data", Sentinel(r.StatusCode, !x.read))
	case r.StatusCode >= 400 && len(body) > 0 && !strings.Contains(media, "json") && !(t.o.XML && strings.Contains(media, "xml") && !html):
		// The SDKs lose the status where an error's body is not JSON. A gateway's words are short.
		return nil, x.fail(r.StatusCode, firstLine(body), Sentinel(r.StatusCode, !x.read))
	}
	// The SDKs must not keep a second account of limits that are kept here: go-github, for one, refuses
	// requests by itself after it has seen that none remain.
	if askedWait(r.Header, t.t.Now()) > 0 {
		r.Header.Set(toldHeader, "yes")
	}
	r.Header.Del("X-Ratelimit-Remaining")
	r.Header.Del("X-Ratelimit-Reset")
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header.Del("Content-Length")
	r.Request = x.req
	return r, nil
}

func firstLine(body []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(body), []byte("\n"))
	return strings.ToValidUTF8(string(line[:min(len(line), 200)]), "")
}

func looksLikeHTML(body []byte) bool {
	head := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 256)]))
	return bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html"))
}

func (x *exchange) fail(status int, message string, err error) *Error {
	u := x.req.URL
	return &Error{Method: x.req.Method, Host: u.Host, Path: u.EscapedPath(), Status: status, Attempts: x.attempts, Message: message, Err: err}
}
