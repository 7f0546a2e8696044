// Package azuredevops reads and changes the service connections of Azure DevOps organisations through
// Microsoft's SDK. It brings objects and carries out single changes; it decides nothing.
package azuredevops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"
	sdk "github.com/microsoft/azure-devops-go-api/azuredevops/v7"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/core"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/location"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/serviceendpoint"
)

// Scope is what tokens for Azure DevOps are asked for: its application in Entra, the same in every tenant
// (Microsoft Learn: Use Microsoft Entra tokens with Azure DevOps).
const Scope = "499b84ac-1321-427f-aa17-267ca6975798/.default"

// DefaultURL is Azure DevOps Services.
const DefaultURL = "https://dev.azure.com"

// Config is what a Client needs.
type Config struct {
	Organization string
	URL          string       // of the service, without the organisation; empty means DefaultURL
	HTTP         *http.Client // from package transport: it authenticates, paces and repeats
}

// Client reads and changes one organisation. It is safe for concurrent use.
type Client struct {
	organization string
	url          string // of the organisation
	http         *http.Client
	core         *core.ClientImpl
	endpoints    *serviceendpoint.ClientImpl
	location     *location.ClientImpl
	releases     *sdk.Client

	batchesFailed atomic.Int32 // how often in a row many files could not be read at once
}

// New makes the client of one organisation. It sends nothing.
func New(c Config) (*Client, error) {
	if c.Organization == "" || strings.ContainsAny(c.Organization, "/?#% ") {
		return nil, fmt.Errorf("azure devops: %q is not the name of an organisation", c.Organization)
	}
	if c.HTTP == nil {
		return nil, errors.New("azure devops: an HTTP client is needed")
	}
	if c.URL == "" {
		c.URL = DefaultURL
	}
	base := strings.TrimRight(c.URL, "/") + "/" + url.PathEscape(c.Organization)
	// The SDK's own constructors make an http.Client of their own, copy the token once and race when several
	// are built on one connection, so one client is built here with ours and shared by all areas. With
	// SuppressFedAuthRedirect a missing sign-in is an answer 401 instead of a redirect to a page.
	shared := sdk.NewClientWithOptions(&sdk.Connection{BaseUrl: base, SuppressFedAuthRedirect: true}, base, sdk.WithHTTPClient(c.HTTP))
	return &Client{
		organization: c.Organization,
		url:          base,
		http:         c.HTTP,
		core:         &core.ClientImpl{Client: *shared},
		endpoints:    &serviceendpoint.ClientImpl{Client: *shared},
		location:     &location.ClientImpl{Client: *shared},
		releases:     releaseClient(base, shared, c.HTTP),
	}, nil
}

// Name is the organisation's name.
func (c *Client) Name() string { return c.organization }

// The routes that are called without the SDK's structures, since those drop fields that matter here
// (isDisabled among them) and turn null into "". The version is that of the 7.2 description, the first with
// isDisabled; the SDK goes down to what the server has.
var (
	endpointsInProject = uuid.MustParse("e85f1c62-adfc-4b74-b618-11a150fb195e")
	endpointsInOrg     = uuid.MustParse("14e48fdc-2c8b-41ce-a0c3-e26f6cc55bd0")
	endpointProxy      = uuid.MustParse("cc63bb57-2a5f-4a7a-b79c-c142d308657e")
)

const endpointVersion = "7.2-preview.4"

// call is one request through the SDK's route table, with a raw body.
type call struct {
	method   string
	location uuid.UUID
	version  string
	route    map[string]string
	query    url.Values
	body     io.Reader
}

// send sends a call and decodes the answer into v. An empty or null answer leaves v as it is.
func (c *Client) send(ctx context.Context, r call, v any) error {
	mediaType := ""
	if r.body != nil {
		mediaType = sdk.MediaTypeApplicationJson
	}
	response, err := c.endpoints.Client.Send(ctx, r.method, r.location, r.version, r.route, r.query, r.body, mediaType, sdk.MediaTypeApplicationJson, nil)
	if err != nil {
		return classify(err, r.method != http.MethodGet)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	text := strings.TrimSpace(strings.TrimPrefix(string(raw), "\ufeff"))
	if text == "" || v == nil {
		return nil
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("the answer is not the JSON that was expected: %w", err)
	}
	return nil
}
