// Package entra reads and changes applications of one Microsoft Entra tenant through Microsoft's Graph SDK.
// Of the SDK only the request builders of applications and service principals are used: the root package
// takes minutes more to build and tens of megabytes more in the binary.
package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	khttp "github.com/microsoft/kiota-http-go"
	kjson "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/applications"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipals"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/identify"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
)

// DefaultURL is Microsoft Graph of the public cloud.
const DefaultURL = "https://graph.microsoft.com"

// Config is what a Client needs.
type Config struct {
	Tenant inventory.TenantID
	URL    string           // without a version; empty means DefaultURL
	HTTP   *http.Client     // from package transport: it authenticates, paces and repeats
	Now    func() time.Time // the service's time; nil means the local clock
	// Token gives the token that HTTP sends, for what it says of the caller; nil: nothing is known of the caller.
	Token func(context.Context) (string, error)
}

// Client reads and changes one tenant. It is safe for concurrent use.
type Client struct {
	tenant inventory.TenantID
	url    string
	http   *http.Client
	now    func() time.Time
	token  func(context.Context) (string, error)
	v1     version
	beta   version

	policy sync.Mutex // held while a policy is made, assigned or taken away

	mu    sync.Mutex
	locks map[inventory.ObjectID]*sync.Mutex
}

// version is one version of Graph. A request builder keeps a map that its requests write to, so calls that run at the same
// time must not share one: each gets its own.
type version struct{ adapter abstractions.RequestAdapter }

func (v version) applications() *applications.ApplicationsRequestBuilder {
	return applications.NewApplicationsRequestBuilderInternal(map[string]string{}, v.adapter)
}

func (v version) principals() *serviceprincipals.ServicePrincipalsRequestBuilder {
	return serviceprincipals.NewServicePrincipalsRequestBuilderInternal(map[string]string{}, v.adapter)
}

var (
	_ scan.Entra         = (*Client)(nil)
	_ execute.Directory  = (*Client)(nil)
	_ identify.Directory = (*Client)(nil)
)

// New makes the client of one tenant. It sends nothing.
func New(c Config) (*Client, error) {
	if c.HTTP == nil || c.HTTP.Transport == nil {
		return nil, errors.New("entra: an HTTP client is needed")
	}
	if c.URL == "" {
		c.URL = DefaultURL
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	client := &Client{tenant: c.Tenant, url: strings.TrimRight(c.URL, "/"), http: c.HTTP, now: c.Now, token: c.Token, locks: map[inventory.ObjectID]*sync.Mutex{}}
	var err error
	if client.v1, err = newVersion(c.HTTP, client.url+"/v1.0"); err != nil {
		return nil, err
	}
	if client.beta, err = newVersion(c.HTTP, client.url+"/beta"); err != nil {
		return nil, err
	}
	return client, nil
}

// requestIDs gives each request an id by which Microsoft finds it ("Best practices for working with Microsoft Graph", reliability and
// support). The SDK's own handler tells its version, the system and the version of Go too, and brings encoding/gob, whose
// setting up is felt at each start of the program.
type requestIDs struct{}

// Intercept implements khttp.Middleware.
func (requestIDs) Intercept(next khttp.Pipeline, index int, r *http.Request) (*http.Response, error) {
	r.Header.Set("client-request-id", uuid.NewString())
	return next.Next(r, index)
}

// newVersion builds the SDK's request adapter with the middleware in a fixed order. The SDK's default order is
// random for each process, repeats writes on 503 and 504, and compresses bodies in a way that a repetition
// breaks (microsoft/kiota-http-go#183); repeating, waiting and signing in are the transport's here.
func newVersion(client *http.Client, base string) (version, error) {
	own := &http.Client{
		CheckRedirect: client.CheckRedirect,
		Transport: khttp.NewCustomTransportWithParentTransport(client.Transport,
			requestIDs{}, khttp.NewParametersNameDecodingHandler()),
	}
	adapter, err := khttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		&authentication.AnonymousAuthenticationProvider{}, kjson.NewJsonParseNodeFactory(), kjson.NewJsonSerializationWriterFactory(), own)
	if err != nil {
		return version{}, fmt.Errorf("entra: %w", err)
	}
	adapter.SetBaseUrl(base)
	var a abstractions.RequestAdapter = adapter
	return version{adapter: a}, nil
}

// Tenant implements scan.Entra.
func (c *Client) Tenant() inventory.TenantID { return c.tenant }
