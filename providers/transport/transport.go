// Package transport is the one way to the network that all providers share: authentication for each request,
// retries only of what is safe to repeat, the servers' own pacing, a budget for each host, a guard that
// refuses writes while reading, and errors and logs that never carry a secret.
//
// A [Transport] holds what the providers share (budgets, counts, the servers' time); [Transport.Client] gives
// a provider its http.Client on it.
package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Bounds of one exchange. MaxResponse is above the largest page that any of the services sends (a GitHub
// blob that a workflow could be is far smaller); MaxRequest above the largest commit that the program makes.
const (
	DefaultMaxResponse    = 64 << 20
	DefaultMaxRequest     = 64 << 20
	DefaultAttempts       = 5
	DefaultAttemptTimeout = 100 * time.Second
	// DefaultMaxWait lets a primary rate limit of GitHub pass, which is reset once an hour
	// (GitHub Docs: Rate limits for the REST API).
	DefaultMaxWait = 65 * time.Minute
)

// TokenSource gives the token for one request. It is asked before every attempt, so that a token that
// expires during a long run is replaced; it caches as it sees fit and is safe for concurrent use.
type TokenSource func(ctx context.Context) (string, error)

// Static gives the same token for every request.
func Static(token string) TokenSource {
	return func(context.Context) (string, error) { return token, nil }
}

// Options configure a Transport. The zero value is ready to use.
type Options struct {
	// ReadOnly refuses, before it is sent, every request that is not known to be a read.
	ReadOnly bool
	// Base carries the requests; nil means a transport of our own (TLS 1.2 or later, the environment's proxy).
	Base http.RoundTripper
	// Attempts is how often one request is sent at most; AttemptTimeout bounds each of them, body included.
	Attempts       int
	AttemptTimeout time.Duration
	// MaxWait is the longest wait that a server may ask for; a longer one is an error that says until when.
	MaxWait     time.Duration
	MaxResponse int64
	MaxRequest  int64
	// Backoff gives the wait before attempt n (2 is the first repetition) where the server asks for none;
	// nil means exponential with full jitter.
	Backoff func(attempt int) time.Duration
	// Logf, where set, gets one line for each attempt: method, host, path, status and duration; never a query,
	// a header or a body.
	Logf func(format string, args ...any)
	// Waiting, where set, is told of a wait of more than two seconds that a server or a budget imposes.
	Waiting func(host string, wait time.Duration)
	// Paced keeps the rates of the budgets for loopback hosts as well, which by default have none: to measure on a lab what a run would
	// take outside.
	Paced bool
	// UserAgent is put before the SDK's own.
	UserAgent string
}

// Transport is what the clients of all providers share.
type Transport struct {
	options Options
	base    http.RoundTripper

	mu    sync.Mutex
	gates map[string]*gate
	stats map[countKey]*Count
	clock clock
}

// New makes a Transport.
func New(o Options) *Transport {
	if o.Attempts <= 0 {
		o.Attempts = DefaultAttempts
	}
	if o.AttemptTimeout <= 0 {
		o.AttemptTimeout = DefaultAttemptTimeout
	}
	if o.MaxWait <= 0 {
		o.MaxWait = DefaultMaxWait
	}
	if o.MaxResponse <= 0 {
		o.MaxResponse = DefaultMaxResponse
	}
	if o.MaxRequest <= 0 {
		o.MaxRequest = DefaultMaxRequest
	}
	if o.Backoff == nil {
		o.Backoff = backoff
	}
	t := &Transport{options: o, base: o.Base, gates: map[string]*gate{}, stats: map[countKey]*Count{}}
	if t.base == nil {
		t.base = newBase()
	}
	return t
}

// newBase makes the network transport. http.DefaultTransport is neither used nor changed, since
// other code in the process may share it.
func newBase() *http.Transport {
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       60 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 90 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// Close closes idle connections.
func (t *Transport) Close() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// ReadOnly tells whether writes are refused.
func (t *Transport) ReadOnly() bool { return t.options.ReadOnly }

// ClientOptions describe one provider's client.
type ClientOptions struct {
	// Kind names the provider in counts: azureDevOps, github, entra, azure, login.
	Kind string
	// Token authenticates every request; nil sends none.
	Token TokenSource
	// Hosts are the hosts (with port, where it is not the scheme's own) that the client may talk to.
	// The token is never sent, and no request made, to any other, whatever a redirect or a next link says.
	Hosts []string
	// Budget is used for the client's hosts; nil means DefaultBudget for the kind. The first client of a host decides.
	Budget *Budget
	// IsRead adds to what is known to be a read; body is the request's body.
	IsRead func(r *http.Request, body []byte) bool
	// XML tells that the service's errors are XML, which its SDK reads; of the others' errors only JSON is handed on.
	XML bool
}

// Client gives an http.Client on this transport. It follows redirects only for reads and only within Hosts.
func (t *Transport) Client(o ClientOptions) (*http.Client, error) {
	if len(o.Hosts) == 0 {
		return nil, errors.New("transport: a client needs the hosts that it may talk to")
	}
	hosts := make(map[string]bool, len(o.Hosts))
	for _, h := range o.Hosts {
		hosts[strings.ToLower(h)] = true
	}
	return &http.Client{Transport: &tripper{t: t, o: o, hosts: hosts}, CheckRedirect: checkRedirect}, nil
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return fmt.Errorf("%s redirects without end", via[0].URL.Host)
	}
	// Go turns a redirected POST into a GET, which would look like a write that succeeded.
	if via[0].Method != req.Method {
		return fmt.Errorf("%s redirects a %s to %s: the object may have been renamed or moved; use its new name", via[0].URL.Host, via[0].Method, req.URL.Host)
	}
	return nil
}

// Host gives the host of an endpoint URL as ClientOptions.Hosts wants it, after checking that it can be used:
// https, or http on a loopback address.
func Host(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%q is not an absolute URL such as https://dev.azure.com", endpoint)
	}
	if err := checkScheme(u); err != nil {
		return "", err
	}
	return strings.ToLower(u.Host), nil
}

func checkScheme(u *url.URL) error {
	switch {
	case u.User != nil:
		return fmt.Errorf("%s: credentials in a URL are not accepted", u.Host)
	case u.Scheme == "https", u.Scheme == "http" && Loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%s://%s: tokens are only sent over https (plain http is for loopback addresses)", u.Scheme, u.Host)
}

// Loopback tells whether a host name (without port) is this machine.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
