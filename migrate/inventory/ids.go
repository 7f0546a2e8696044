package inventory

import (
	"fmt"
	"strings"
)

// Typed identifiers. Microsoft's objects are known by several GUIDs at once, and passing one where
// another is meant is the classic mistake here; as distinct types the mistake does not compile.
type (
	// AppID is an application's client id (appId), the same in every tenant.
	AppID string
	// ObjectID is the object id of a directory object: an application or a service principal.
	ObjectID string
	// KeyID identifies one password or certificate of an application; it is not secret.
	KeyID string
	// TenantID is the directory (tenant) id.
	TenantID string
	// SubscriptionID is an Azure subscription's id.
	SubscriptionID string
	// ConnectionID is the id of an Azure DevOps service connection (service endpoint).
	ConnectionID string
	// ProjectID is the id of an Azure DevOps project.
	ProjectID string
	// FederatedCredentialID is the object id of a federated identity credential.
	FederatedCredentialID string
)

// RepositoryName is a repository's "OWNER/NAME" as GitHub spells it (the canonical case of full_name).
type RepositoryName string

// azureReposMark stands in the name of a repository of Azure Repos, as in its address, and in no name of GitHub's.
const azureReposMark = "/_git/"

// AzureReposName is the name of a repository of Azure Repos: "ORGANIZATION/PROJECT/_git/NAME", as in its address.
func AzureReposName(organization, project, name string) RepositoryName {
	return RepositoryName(organization + "/" + project + azureReposMark + name)
}

// AzureRepos takes the name of a repository of Azure Repos apart; ok is false for GitHub's.
func (n RepositoryName) AzureRepos() (organization, project, name string, ok bool) {
	place, name, ok := strings.Cut(string(n), azureReposMark)
	if !ok {
		return "", "", "", false
	}
	organization, project, ok = strings.Cut(place, "/")
	return organization, project, name, ok && organization != "" && project != "" && name != ""
}

// Owner is the organisation or person on GitHub that a repository belongs to.
func (n RepositoryName) Owner() string {
	owner, _, _ := strings.Cut(string(n), "/")
	return owner
}

// LoginID names one login: "OWNER/NAME/PATH:LINE:COLUMN", or "PATH:LINE:COLUMN" for local files.
// It is stable for one version of the file.
type LoginID string

// NewLoginID builds a login's id from its place. Repository may be empty.
func NewLoginID(repository RepositoryName, path string, line, column int) LoginID {
	if repository == "" {
		return LoginID(fmt.Sprintf("%s:%d:%d", path, line, column))
	}
	return LoginID(fmt.Sprintf("%s/%s:%d:%d", repository, path, line, column))
}

// IsGUID tells whether a text has the form of the ids that Entra, Azure and Azure DevOps give: 36 characters, hexadecimal
// digits of either case in groups of 8, 4, 4, 4 and 12 with dashes between (RFC 9562, section 4).
func IsGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}
