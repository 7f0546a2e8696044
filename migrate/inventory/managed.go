package inventory

import "strings"

// ManagedIdentity is a user-assigned managed identity of Azure: what a unit may sign in as instead of its application.
type ManagedIdentity struct {
	Resource    string   `json:"resource"` // ARM id
	Name        string   `json:"name"`
	Location    string   `json:"location,omitempty"`
	TenantID    TenantID `json:"tenantId"`
	ClientID    AppID    `json:"clientId"`
	PrincipalID ObjectID `json:"principalId"` // what role assignments name

	FederatedCredentials []FederatedCredential `json:"federatedCredentials,omitempty"`
	Roles                []RoleAssignment      `json:"roles,omitempty"`
}

// Subscription is an Azure subscription with the tenant that it trusts.
type Subscription struct {
	ID       SubscriptionID `json:"id"`
	Name     string         `json:"name,omitempty"`
	TenantID TenantID       `json:"tenantId"`
}

// Grants are what a service principal has besides role assignments of its own: nothing of it follows to another identity by itself.
type Grants struct {
	Known  bool   `json:"known"`
	Reason string `json:"reason,omitempty"` // why not

	AppRoles       []string `json:"appRoles,omitempty"`       // application permissions, by resource and id
	Groups         []string `json:"groups,omitempty"`         // whose roles it has, too
	DirectoryRoles []string `json:"directoryRoles,omitempty"` // of Entra
	Owned          []string `json:"owned,omitempty"`          // applications and groups that it owns
	Vaults         []string `json:"vaults,omitempty"`         // key vaults with an access policy for it
}

// List gives each grant as a text, by kind.
func (g Grants) List() []string {
	var out []string
	for _, k := range []struct {
		what string
		list []string
	}{{"application permission", g.AppRoles}, {"member of group", g.Groups}, {"Entra role", g.DirectoryRoles}, {"owner of", g.Owned}, {"access policy of key vault", g.Vaults}} {
		for _, x := range k.list {
			out = append(out, k.what+" "+x)
		}
	}
	return out
}

// SameRole tells whether two assignments give the same: equal scope, role definition and condition. Ids of ARM are compared without case;
// a role definition counts by its own name, whatever scope it is spelled under.
func SameRole(a, b RoleAssignment) bool {
	return strings.EqualFold(strings.TrimSuffix(a.Scope, "/"), strings.TrimSuffix(b.Scope, "/")) && strings.EqualFold(last(a.Definition), last(b.Definition)) &&
		strings.TrimSpace(a.Condition) == strings.TrimSpace(b.Condition)
}

func last(id string) string { return id[strings.LastIndex(id, "/")+1:] }
