package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// The ways to sign in to Microsoft's services.
const (
	ModeDefault          = "default"          // tokens from the environment, else what the environment is made for, else the Azure CLI
	ModeAzureCLI         = "azureCLI"         // az login
	ModeManagedIdentity  = "managedIdentity"  //
	ModeWorkloadIdentity = "workloadIdentity" // AZURE_FEDERATED_TOKEN_FILE, as Kubernetes has it
	ModeAzurePipelines   = "azurePipelines"   // a service connection of the pipeline that runs
	ModeGitHubActions    = "githubActions"    // the token of the workflow run
	ModeEnvironment      = "environment"      // tokens from UNSECRET_…_TOKEN alone
)

// The environment variables with access tokens, taken as they are.
const (
	EnvAzureDevOps = "UNSECRET_AZURE_DEVOPS_TOKEN"
	EnvGraph       = "UNSECRET_GRAPH_TOKEN"
	EnvARM         = "UNSECRET_ARM_TOKEN"
	EnvStorage     = "UNSECRET_STORAGE_TOKEN" // of a state in Azure Blob Storage
)

// services are the services for a reader, by the environment variables with tokens for them.
var services = map[string]string{EnvAzureDevOps: "Azure DevOps", EnvGraph: "Microsoft Graph", EnvARM: "Azure Resource Manager"}

// Azure is how to sign in to Microsoft's services.
type Azure struct {
	Mode                string
	Tenant              string
	ClientID            string
	ServiceConnectionID string // azurePipelines
	Authority           string // empty means the cloud's
	Cloud               Cloud
	Transport           *transport.Transport
	Getenv              func(string) string

	mu         sync.Mutex
	credential azcore.TokenCredential
	mode       string // of the credential, never ModeDefault
}

// Source gives the token source for one service: the environment variable's token where it is set and the mode
// allows it, else the credential's for the scope. It signs in when the first token is asked for.
func (a *Azure) Source(variable, scope string) (transport.TokenSource, error) {
	mode := cmp.Or(a.Mode, ModeDefault)
	if mode == ModeDefault || mode == ModeEnvironment {
		if token := strings.TrimSpace(a.Getenv(variable)); token != "" {
			return transport.Static(token), nil
		}
	}
	if mode == ModeEnvironment {
		return nil, fmt.Errorf("sign in: %s is not set, and auth.azure is %s", variable, ModeEnvironment)
	}
	credential, err := a.get(mode)
	if err != nil {
		return nil, err
	}
	return a.source(credential, variable, scope), nil
}

func (a *Azure) get(mode string) (azcore.TokenCredential, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.credential != nil {
		return a.credential, nil
	}
	if mode == ModeDefault {
		mode = a.detect()
	}
	credential, err := a.make(mode)
	if err != nil {
		return nil, fmt.Errorf("sign in with %s: %w", mode, err)
	}
	a.credential, a.mode = credential, mode
	return credential, nil
}

// detect finds the way that the environment is made for. A client secret in the environment is no way here.
func (a *Azure) detect() string {
	switch {
	case a.Getenv("AZURE_FEDERATED_TOKEN_FILE") != "":
		return ModeWorkloadIdentity
	case a.Getenv("SYSTEM_OIDCREQUESTURI") != "" && a.ServiceConnectionID != "":
		return ModeAzurePipelines
	case a.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL") != "" && a.clientID() != "":
		return ModeGitHubActions
	case a.Getenv("IDENTITY_ENDPOINT") != "" || a.Getenv("MSI_ENDPOINT") != "":
		return ModeManagedIdentity
	}
	return ModeAzureCLI
}

func (a *Azure) clientID() string { return cmp.Or(a.ClientID, a.Getenv("AZURE_CLIENT_ID")) }
func (a *Azure) tenant() string   { return cmp.Or(a.Tenant, a.Getenv("AZURE_TENANT_ID")) }

func (a *Azure) make(mode string) (azcore.TokenCredential, error) {
	switch mode {
	case ModeAzureCLI:
		return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: a.Tenant})
	case ModeManagedIdentity:
		options := &azidentity.ManagedIdentityCredentialOptions{}
		if id := a.clientID(); id != "" {
			options.ID = azidentity.ClientID(id)
		}
		return azidentity.NewManagedIdentityCredential(options)
	case ModeWorkloadIdentity:
		options, err := a.options()
		if err != nil {
			return nil, err
		}
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: options, ClientID: a.clientID(), TenantID: a.tenant(),
			TokenFilePath: a.Getenv("AZURE_FEDERATED_TOKEN_FILE"), DisableInstanceDiscovery: a.Authority != "",
		})
	case ModeAzurePipelines:
		return a.pipelines()
	case ModeGitHubActions:
		return a.actions()
	}
	return nil, fmt.Errorf("%q is not a way to sign in", mode)
}

// options makes the SDK sign in through the transport.
func (a *Azure) options(more ...string) (policy.ClientOptions, error) {
	authority := cmp.Or(a.Authority, a.Cloud.Authority)
	host, err := transport.Host(authority)
	if err != nil {
		return policy.ClientOptions{}, err
	}
	// login.microsoft.com tells which authorities are genuine (instance discovery).
	client, err := a.Transport.Client(transport.ClientOptions{
		Kind: "login", Hosts: append([]string{host, "login.microsoft.com"}, more...),
		IsRead: func(*http.Request, []byte) bool { return true }, // getting a token changes nothing
	})
	return policy.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: strings.TrimRight(authority, "/") + "/"},
		Transport: client,
		Retry:     policy.RetryOptions{MaxRetries: -1},
	}, err
}

func (a *Azure) pipelines() (azcore.TokenCredential, error) {
	access := a.Getenv("SYSTEM_ACCESSTOKEN")
	request, err := url.Parse(a.Getenv("SYSTEM_OIDCREQUESTURI"))
	switch {
	case err != nil || request.Host == "":
		return nil, errors.New("SYSTEM_OIDCREQUESTURI is not set: this works in a pipeline's job only")
	case access == "":
		return nil, errors.New("SYSTEM_ACCESSTOKEN is not set: map it in the step, env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)")
	case a.ServiceConnectionID == "" || a.clientID() == "" || a.tenant() == "":
		return nil, errors.New("auth.serviceConnectionId, auth.clientId and entra.tenant are needed")
	}
	options, err := a.options(strings.ToLower(request.Host))
	if err != nil {
		return nil, err
	}
	return azidentity.NewAzurePipelinesCredential(a.tenant(), a.clientID(), a.ServiceConnectionID, access,
		&azidentity.AzurePipelinesCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: a.Authority != ""})
}

// actions exchanges the token of the workflow run. azidentity has no credential for it
// (Azure/azure-sdk-for-go#23182).
func (a *Azure) actions() (azcore.TokenCredential, error) {
	request, token := a.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL"), a.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	switch {
	case request == "" || token == "":
		return nil, errors.New("the job has no id token: give it permissions: id-token: write")
	case a.clientID() == "" || a.tenant() == "":
		return nil, errors.New("auth.clientId and entra.tenant are needed")
	}
	host, err := transport.Host(request)
	if err != nil {
		return nil, err
	}
	client, err := a.Transport.Client(transport.ClientOptions{Kind: "login", Hosts: []string{host}, Token: transport.Static(token)})
	if err != nil {
		return nil, err
	}
	options, err := a.options()
	if err != nil {
		return nil, err
	}
	assertion := func(ctx context.Context) (string, error) { return actionsToken(ctx, client, request, a.Cloud.Audience) }
	return azidentity.NewClientAssertionCredential(a.tenant(), a.clientID(), assertion,
		&azidentity.ClientAssertionCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: a.Authority != ""})
}

// actionsToken asks GitHub for the job's token (GitHub Docs: OpenID Connect reference, "Updating your actions for OIDC").
func actionsToken(ctx context.Context, client *http.Client, address, audience string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is not a URL")
	}
	query := u.Query()
	query.Set("audience", audience)
	u.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("asking GitHub for the job's token: %w", transport.Clean(err))
	}
	defer response.Body.Close()
	var answer struct {
		Value string `json:"value"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Value == "" {
		return "", fmt.Errorf("asking GitHub for the job's token: HTTP %d without a token", response.StatusCode)
	}
	return answer.Value, nil
}

// early is how long before its end a token is replaced.
const early = 5 * time.Minute

// source gives the tokens of a credential for one scope. It keeps a token until shortly before its end, since not every
// credential does: the Azure CLI would be started for each request.
func (a *Azure) source(credential azcore.TokenCredential, variable, scope string) transport.TokenSource {
	return Cached(func(ctx context.Context) (string, time.Time, error) {
		token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		if err != nil {
			return "", time.Time{}, a.failed(cmp.Or(services[variable], strings.TrimSuffix(scope, "/.default")), err)
		}
		return token.Token, token.ExpiresOn, nil
	})
}

// failed says which sign-in failed. Where nobody answered, the network is what a person looks at, not the credential.
func (a *Azure) failed(service string, err error) error {
	var lost *transport.Error
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &lost) && lost.Status == 0 {
		return fmt.Errorf("signing in to %s: %w", service, err)
	}
	way, next := a.way()
	return &execute.SignInError{Service: service, Way: way, Next: next, Err: err}
}

// way names the way to sign in for a reader, with what he does where it fails.
func (a *Azure) way() (name, next string) {
	switch a.mode {
	case ModeManagedIdentity:
		return "a managed identity", "see that this machine has one, and that auth.clientId names it where it has several"
	case ModeWorkloadIdentity:
		return "workload identity (AZURE_FEDERATED_TOKEN_FILE)", "see that the application " + a.clientID() + " trusts the token's issuer and subject"
	case ModeAzurePipelines:
		return "the pipeline's service connection", "see that auth.serviceConnectionId, auth.clientId and entra.tenant belong to one connection, and that the pipeline may use it"
	case ModeGitHubActions:
		return "the workflow run's token", "see that the application " + a.clientID() + " trusts the run's subject"
	}
	login := "az login"
	if a.Tenant != "" {
		login += " --tenant " + a.Tenant
	}
	return "the Azure CLI", "sign in: " + login + ", where the Azure CLI is installed; or choose another way with auth.azure in the configuration"
}

// Cached gives a token source that mints a token when it has none or the one it has ends within five minutes.
func Cached(mint func(context.Context) (token string, end time.Time, err error)) transport.TokenSource {
	var mu sync.Mutex
	var token string
	var end time.Time
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if token != "" && time.Until(end) > early {
			return token, nil
		}
		fresh, until, err := mint(ctx)
		if err != nil {
			return "", err
		}
		token, end = fresh, until
		return token, nil
	}
}
