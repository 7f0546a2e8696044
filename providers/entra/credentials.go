package entra

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// carrier is an application or a service principal: both carry credentials.
type carrier interface {
	GetPasswordCredentials() []models.PasswordCredentialable
	GetKeyCredentials() []models.KeyCredentialable
}

func (c *Client) identity(app models.Applicationable) inventory.Identity {
	return inventory.Identity{
		TenantID:             c.tenant,
		AppID:                inventory.AppID(strings.ToLower(deref(app.GetAppId()))),
		ObjectID:             inventory.ObjectID(deref(app.GetId())),
		DisplayName:          deref(app.GetDisplayName()),
		SignInAudience:       deref(app.GetSignInAudience()),
		Credentials:          credentials(inventory.OnApplication, app),
		FederatedCredentials: []inventory.FederatedCredential{},
		Created:              moment(app.GetCreatedDateTime()),
		Notes:                deref(app.GetNotes()),
		Tags:                 app.GetTags(),
		Lock:                 lock(app.GetServicePrincipalLockConfiguration()),
	}
}

// lock reads the app instance property lock; one that is switched off locks nothing.
func lock(l models.ServicePrincipalLockConfigurationable) *inventory.InstanceLock {
	if l == nil || !deref(l.GetIsEnabled()) {
		return nil
	}
	found := inventory.InstanceLock{All: deref(l.GetAllProperties()), Verify: deref(l.GetCredentialsWithUsageVerify()), Sign: deref(l.GetCredentialsWithUsageSign())}
	if found == (inventory.InstanceLock{}) {
		return nil
	}
	return &found
}

func credentials(on string, from carrier) []inventory.Credential {
	result := []inventory.Credential{}
	for _, p := range from.GetPasswordCredentials() {
		if p.GetKeyId() == nil {
			continue
		}
		result = append(result, inventory.Credential{
			KeyID: inventory.KeyID(p.GetKeyId().String()), Type: inventory.CredentialPassword, On: on,
			DisplayName: deref(p.GetDisplayName()), Start: moment(p.GetStartDateTime()), End: moment(p.GetEndDateTime()),
		})
	}
	for _, k := range from.GetKeyCredentials() {
		if k.GetKeyId() == nil {
			continue
		}
		result = append(result, inventory.Credential{
			KeyID: inventory.KeyID(k.GetKeyId().String()), Type: inventory.CredentialCertificate, On: on,
			DisplayName: deref(k.GetDisplayName()), Usage: deref(k.GetUsage()), Form: deref(k.GetTypeEscaped()),
			Thumbprint: base64.StdEncoding.EncodeToString(k.GetCustomKeyIdentifier()), Start: moment(k.GetStartDateTime()), End: moment(k.GetEndDateTime()),
		})
	}
	return result
}

func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// federatedCredentials lists an application's federated credentials through the beta version: v1.0 breaks off
// in the middle of its JSON where one of them is flexible (microsoftgraph/msgraph-sdk-python#1359).
func (c *Client) federatedCredentials(ctx context.Context, application inventory.ObjectID) ([]inventory.FederatedCredential, error) {
	builder := c.beta.applications().ByApplicationId(string(application)).FederatedIdentityCredentials()
	result := []inventory.FederatedCredential{}
	for {
		page, err := builder.Get(ctx, nil)
		if err != nil {
			return nil, fmt.Errorf("listing the federated credentials of application %s: %w", application, classify(err, false))
		}
		if page == nil {
			return nil, fmt.Errorf("listing the federated credentials of application %s: the answer is empty", application)
		}
		for _, fc := range page.GetValue() {
			result = append(result, federatedCredential(fc))
		}
		next := deref(page.GetOdataNextLink())
		if next == "" {
			break
		}
		builder = builder.WithUrl(next)
	}
	slices.SortFunc(result, func(a, b inventory.FederatedCredential) int { return strings.Compare(a.Name, b.Name) })
	return result, nil
}

func federatedCredential(fc models.FederatedIdentityCredentialable) inventory.FederatedCredential {
	return inventory.FederatedCredential{
		ID:          inventory.FederatedCredentialID(deref(fc.GetId())),
		Name:        deref(fc.GetName()),
		Issuer:      deref(fc.GetIssuer()),
		Subject:     deref(fc.GetSubject()),
		Audience:    strings.Join(fc.GetAudiences(), " "), // exactly one, by the service's rule
		Description: deref(fc.GetDescription()),
		Expression:  expression(fc.GetAdditionalData()),
	}
}

// expression reads claimsMatchingExpression, which the SDK's model does not know.
func expression(additional map[string]any) string {
	object, _ := additional["claimsMatchingExpression"].(map[string]any)
	switch value := object["value"].(type) {
	case *string:
		return deref(value)
	case string:
		return value
	}
	return ""
}

// owners gives the owners' names: the display name where one is readable, else the object id.
func (c *Client) owners(ctx context.Context, application inventory.ObjectID) ([]string, error) {
	builder := c.v1.applications().ByApplicationId(string(application)).Owners()
	var names []string
	for {
		page, err := builder.Get(ctx, nil)
		if err != nil {
			return nil, fmt.Errorf("listing the owners of application %s: %w", application, classify(err, false))
		}
		if page == nil {
			break
		}
		for _, owner := range page.GetValue() {
			names = append(names, ownerName(owner))
		}
		next := deref(page.GetOdataNextLink())
		if next == "" {
			break
		}
		builder = builder.WithUrl(next)
	}
	slices.Sort(names)
	return names, nil
}

func ownerName(owner models.DirectoryObjectable) string {
	if user, ok := owner.(models.Userable); ok {
		if name := deref(user.GetUserPrincipalName()); name != "" {
			return name
		}
	}
	if named, ok := owner.(interface{ GetDisplayName() *string }); ok {
		if name := deref(named.GetDisplayName()); name != "" {
			return name
		}
	}
	return deref(owner.GetId())
}
