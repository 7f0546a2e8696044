package lab

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// The names of the lab's servers, in counts, faults and exchanges.
const (
	ServerAzureDevOps = "azureDevOps"
	ServerGitHub      = "github"
	ServerGraph       = "graph"
	ServerARM         = "arm"
	ServerLogin       = "login"
)

// Count is how often one kind of request came to one server.
type Count struct {
	Server string `json:"server"`
	Kind   string `json:"kind"` // method and path, with names and ids replaced: GET /repos/{owner}/{repo}/pulls
	Write  bool   `json:"write"`
	N      int    `json:"n"`
}

// Counts are the requests since the start or the last reset, sorted by server and kind.
type Counts []Count

// Total sums the requests to a server, or to all with an empty name.
func (c Counts) Total(server string) int { return c.sum(server, func(Count) bool { return true }) }

// Writes sums the requests to a server that may change something, or to all with an empty name.
func (c Counts) Writes(server string) int {
	return c.sum(server, func(k Count) bool { return k.Write })
}

// Of gives the number of requests to a server whose kind contains a text.
func (c Counts) Of(server, part string) int {
	return c.sum(server, func(k Count) bool { return strings.Contains(k.Kind, part) })
}

func (c Counts) sum(server string, want func(Count) bool) int {
	n := 0
	for _, k := range c {
		if (server == "" || k.Server == server) && want(k) {
			n += k.N
		}
	}
	return n
}

// counter counts requests; the lab has one.
type counter struct {
	mu sync.Mutex
	n  map[Count]int // Count without N
}

func (c *counter) add(server string, r *http.Request, body []byte) {
	k := Count{Server: server, Kind: kind(server, r, body), Write: writes(server, r, body)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[Count]int{}
	}
	c.n[k]++
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n = nil
}

func (c *counter) all() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := Counts{}
	for k, n := range c.n {
		k.N = n
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b Count) int {
		return strings.Compare(a.Server+" "+a.Kind, b.Server+" "+b.Kind)
	})
	return out
}

// mutation finds a GraphQL document's mutation, which begins a definition.
var mutation = lazy.Regexp(`(?:^|[\s}])mutation\s*\w*\s*(?:\([^)]*\))?\s*\{`)

// writes says whether a request may change something in the organisation. Asking for a token, testing a connection
// and querying (GraphQL, Azure Resource Graph) are reads whatever their method.
func writes(server string, r *http.Request, body []byte) bool {
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions:
		return false
	case server == ServerLogin:
		return false
	case server == ServerARM:
		return !strings.HasSuffix(strings.ToLower(r.URL.Path), "/microsoft.resourcegraph/resources")
	case server == ServerAzureDevOps:
		path := strings.ToLower(r.URL.Path)
		return !strings.Contains(path, "/endpointproxy") && !strings.HasSuffix(path, "/checks/queryconfigurations") &&
			!strings.HasSuffix(path, "/itemsbatch") && !strings.HasSuffix(path, "/blobs")
	case server == ServerGitHub && isGraphQL(r):
		return isMutation(body)
	}
	return true
}

func isGraphQL(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/graphql") }

func isMutation(body []byte) bool {
	var request struct {
		Query string `json:"query"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return bytes.Contains(body, []byte("mutation")) // not readable: better counted as a write
	}
	return mutation().MatchString(request.Query)
}

var (
	guid   = lazy.Regexp(`^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)
	oid    = lazy.Regexp(`^[0-9a-f]{40}$`)
	number = lazy.Regexp(`^\d+$`)
	key    = lazy.Regexp(`='[^']*'`)
)

// named are the segments whose follower is a name.
var named = map[string]string{
	"orgs": "{org}", "users": "{user}", "secrets": "{name}", "variables": "{name}", "environments": "{environment}",
	"branches": "{branch}", "contents": "{path}", "heads": "{branch}", "tags": "{tag}", "workflows": "{workflow}", "trees": "{tree}",
	"projects": "{project}", "resourceGroups": "{group}", "subscriptions": "{id}",
}

// kind replaces what names one object, so that requests of a kind are counted together.
func kind(server string, r *http.Request, body []byte) string {
	if server == ServerGitHub && isGraphQL(r) {
		if isMutation(body) {
			return r.Method + " " + r.URL.Path + " mutation"
		}
		return r.Method + " " + r.URL.Path + " query"
	}
	segments := strings.Split(strings.Trim(key().ReplaceAllString(r.URL.Path, "='…'"), "/"), "/")
	for i, s := range segments {
		before := ""
		if i > 0 {
			before = segments[i-1]
		}
		switch {
		case i == 0 && server == ServerLogin && s != "_issuers":
			segments[i] = "{tenant}"
		case i == 0 && server == ServerAzureDevOps && s != "_apis":
			segments[i] = "{organization}"
		case i == 1 && server == ServerAzureDevOps && s != "_apis":
			segments[i] = "{project}"
		case server == ServerGitHub && before == "repos":
			segments[i] = "{owner}"
		case server == ServerGitHub && before == "{owner}":
			segments[i] = "{repo}"
		case guid().MatchString(s):
			segments[i] = "{id}"
		case oid().MatchString(s):
			segments[i] = "{oid}"
		case number().MatchString(s):
			segments[i] = "{n}"
		case named[before] != "" && s != "public-key":
			segments[i] = named[before]
		}
		if segments[i] == "{path}" || segments[i] == "{branch}" && i+1 < len(segments) && segments[i+1] != "protection" {
			segments = segments[:i+1] // names with slashes
			break
		}
	}
	return r.Method + " /" + strings.Join(segments, "/")
}
