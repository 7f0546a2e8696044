package azure

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

var _ execute.Identities = (*Client)(nil)

// identityBody is a user-assigned managed identity (User Assigned Identities - Get).
type identityBody struct {
	ID         string `json:"id,omitempty"`
	Name       string `json:"name,omitempty"`
	Location   string `json:"location"`
	Properties *struct {
		TenantID    string `json:"tenantId"`
		ClientID    string `json:"clientId"`
		PrincipalID string `json:"principalId"`
	} `json:"properties,omitempty"`
}

func (b identityBody) identity() (inventory.ManagedIdentity, error) {
	if b.Properties == nil || b.Properties.ClientID == "" || b.Properties.PrincipalID == "" {
		return inventory.ManagedIdentity{}, fmt.Errorf("%w: the answer has no client id", execute.ErrUnknownOutcome)
	}
	return inventory.ManagedIdentity{Resource: b.ID, Name: b.Name, Location: b.Location, TenantID: inventory.TenantID(b.Properties.TenantID),
		ClientID: inventory.AppID(strings.ToLower(b.Properties.ClientID)), PrincipalID: inventory.ObjectID(b.Properties.PrincipalID)}, nil
}

// credentialBody is a federated credential of one (Federated Identity Credentials - Create Or Update).
type credentialBody struct {
	ID         string               `json:"id,omitempty"`
	Name       string               `json:"name,omitempty"`
	Properties credentialProperties `json:"properties"`
}

type credentialProperties struct {
	Issuer    string   `json:"issuer"`
	Subject   string   `json:"subject"`
	Audiences []string `json:"audiences"`
}

// credential has the name as its id: that is what removes it.
func (b credentialBody) credential() inventory.FederatedCredential {
	f := inventory.FederatedCredential{ID: inventory.FederatedCredentialID(b.Name), Name: b.Name, Issuer: b.Properties.Issuer, Subject: b.Properties.Subject}
	if len(b.Properties.Audiences) > 0 {
		f.Audience = b.Properties.Audiences[0]
	}
	return f
}

const credentialsOf = "/federatedIdentityCredentials"

// ManagedIdentity implements execute.Identities.
func (c *Client) ManagedIdentity(ctx context.Context, resource string) (inventory.ManagedIdentity, error) {
	var body identityBody
	if _, err := c.send(ctx, http.MethodGet, c.address(resource, versionIdentities, ""), nil, &body); err != nil {
		return inventory.ManagedIdentity{}, execute.Needing(permissions.AzureReader, fmt.Errorf("azure: reading managed identity %s: %w", path.Base(resource), err))
	}
	m, err := body.identity()
	if err != nil {
		return m, execute.Needing(permissions.AzureReader, fmt.Errorf("azure: reading managed identity %s: %w", path.Base(resource), err))
	}
	m.FederatedCredentials, err = c.credentials(ctx, resource)
	return m, err
}

func (c *Client) credentials(ctx context.Context, resource string) ([]inventory.FederatedCredential, error) {
	found, err := list[credentialBody](ctx, c, c.address(resource+credentialsOf, versionIdentities, ""))
	if err != nil {
		return nil, execute.Needing(permissions.AzureReader, fmt.Errorf("azure: reading the federated credentials of managed identity %s: %w", path.Base(resource), err))
	}
	out := make([]inventory.FederatedCredential, 0, len(found))
	for _, b := range found {
		out = append(out, b.credential())
	}
	return out, nil
}

// CreateManagedIdentity implements execute.Identities. ARM's PUT is idempotent: an identity that is there stays as it is.
func (c *Client) CreateManagedIdentity(ctx context.Context, resource, location string) (inventory.ManagedIdentity, error) {
	var body identityBody
	if _, err := c.send(ctx, http.MethodPut, c.address(resource, versionIdentities, ""), identityBody{Location: location}, &body); err != nil {
		return inventory.ManagedIdentity{}, fmt.Errorf("azure: creating managed identity %s: %w", path.Base(resource), err)
	}
	m, err := body.identity()
	if err != nil {
		return m, fmt.Errorf("azure: creating managed identity %s: %w", path.Base(resource), err)
	}
	return m, nil
}

// DeleteManagedIdentity implements execute.Identities.
func (c *Client) DeleteManagedIdentity(ctx context.Context, resource string) error {
	return c.remove(ctx, c.address(resource, versionIdentities, ""), "managed identity "+path.Base(resource))
}

// AddIdentityCredential implements execute.Identities.
func (c *Client) AddIdentityCredential(ctx context.Context, resource string, fc inventory.FederatedCredential) (inventory.FederatedCredential, error) {
	var made credentialBody
	body := credentialBody{Properties: credentialProperties{Issuer: fc.Issuer, Subject: fc.Subject, Audiences: []string{fc.Audience}}}
	_, err := c.send(ctx, http.MethodPut, c.address(resource+credentialsOf+"/"+url.PathEscape(fc.Name), versionIdentities, ""), body, &made)
	if err != nil {
		return inventory.FederatedCredential{}, fmt.Errorf("azure: adding federated credential %q to managed identity %s: %w", fc.Name, path.Base(resource), err)
	}
	return made.credential(), nil
}

// RemoveIdentityCredential implements execute.Identities.
func (c *Client) RemoveIdentityCredential(ctx context.Context, resource, name string) error {
	return c.remove(ctx, c.address(resource+credentialsOf+"/"+url.PathEscape(name), versionIdentities, ""), "federated credential "+name+" of managed identity "+path.Base(resource))
}

// remove deletes; where nothing was there ARM answers 204.
func (c *Client) remove(ctx context.Context, address, what string) error {
	empty, err := c.send(ctx, http.MethodDelete, address, nil, nil)
	if err == nil && empty {
		err = execute.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("azure: removing %s: %w", what, err)
	}
	return nil
}

// ManagedIdentities implements scan.Azure.
func (c *Client) ManagedIdentities(ctx context.Context, names []string) ([]inventory.ManagedIdentity, error) {
	rows, err := c.ask(ctx, `resources
| where type =~ 'microsoft.managedidentity/userassignedidentities'
| project id, name, location, tenantId = tostring(properties.tenantId), clientId = tostring(properties.clientId), principalId = tostring(properties.principalId)
| order by id asc`)
	if err != nil {
		return nil, fmt.Errorf("azure: reading managed identities: %w", err)
	}
	var out []inventory.ManagedIdentity
	for _, r := range rows {
		if !wanted(names, r["name"]) {
			continue
		}
		m := inventory.ManagedIdentity{Resource: r["id"], Name: r["name"], Location: r["location"], TenantID: inventory.TenantID(r["tenantId"]),
			ClientID: inventory.AppID(strings.ToLower(r["clientId"])), PrincipalID: inventory.ObjectID(r["principalId"])}
		if m.FederatedCredentials, err = c.credentials(ctx, m.Resource); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func wanted(globs []string, name string) bool {
	for _, g := range globs {
		if ok, err := path.Match(strings.ToLower(g), strings.ToLower(name)); err == nil && ok {
			return true
		}
	}
	return false
}

// Subscriptions implements scan.Azure.
func (c *Client) Subscriptions(ctx context.Context) ([]inventory.Subscription, error) {
	found, err := list[struct {
		ID       string `json:"subscriptionId"`
		Name     string `json:"displayName"`
		TenantID string `json:"tenantId"`
	}](ctx, c, c.address("subscriptions", versionSubscriptions, ""))
	if err != nil {
		return nil, fmt.Errorf("azure: reading subscriptions: %w", err)
	}
	out := make([]inventory.Subscription, 0, len(found))
	for _, s := range found {
		out = append(out, inventory.Subscription{ID: inventory.SubscriptionID(strings.ToLower(s.ID)), Name: s.Name, TenantID: inventory.TenantID(s.TenantID)})
	}
	return out, nil
}

// VaultPolicies implements scan.Azure: the key vaults whose access policies name a principal (Key Vault's older way beside role assignments).
func (c *Client) VaultPolicies(ctx context.Context) (map[inventory.ObjectID][]string, error) {
	rows, err := c.ask(ctx, `resources
| where type =~ 'microsoft.keyvault/vaults'
| mv-expand policy = properties.accessPolicies
| project id, pid = tostring(policy.objectId)
| where isnotempty(pid)
| order by id asc`)
	if err != nil {
		return nil, fmt.Errorf("azure: reading the access policies of key vaults: %w", err)
	}
	out := map[inventory.ObjectID][]string{}
	for _, r := range rows {
		id := inventory.ObjectID(strings.ToLower(r["pid"]))
		out[id] = append(out[id], path.Base(r["id"]))
	}
	return out, nil
}

// Attached implements execute.Identities.
func (c *Client) Attached(ctx context.Context, resource string) ([]string, error) {
	if strings.ContainsAny(resource, "'\n") {
		return nil, fmt.Errorf("azure: %q is not the id of a resource", resource)
	}
	rows, err := c.ask(ctx, `resources
| where tostring(identity.userAssignedIdentities) has '`+resource+`'
| project id`)
	if err != nil {
		return nil, execute.Needing(permissions.AzureReader, fmt.Errorf("azure: reading what runs with managed identity %s: %w", path.Base(resource), err))
	}
	out := make([]string, 0, len(rows))
	for _, r := range rows {
		out = append(out, r["id"])
	}
	return out, nil
}
