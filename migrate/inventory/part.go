package inventory

import (
	"slices"
	"strings"
)

// Part names objects of an inventory that belong together: those of one unit. The other things that belong to them (credentials, roles, sign-ins, the
// pipelines that use a connection, the logins, secrets and variables of a repository) are not named, since they come and go.
type Part struct {
	Applications []AppID          `json:"applications"`
	Connections  []ConnectionID   `json:"connections"`
	Repositories []RepositoryName `json:"repositories"` // of GitHub
}

// HasApplication tells whether the part names an application.
func (p Part) HasApplication(id AppID) bool {
	return id != "" && slices.ContainsFunc(p.Applications, func(a AppID) bool { return strings.EqualFold(string(a), string(id)) })
}

// HasConnection tells whether the part names a connection.
func (p Part) HasConnection(id ConnectionID) bool {
	return slices.ContainsFunc(p.Connections, func(c ConnectionID) bool { return strings.EqualFold(string(c), string(id)) })
}

// HasRepository tells whether the part names a repository. GitHub ignores the case of names.
func (p Part) HasRepository(name RepositoryName) bool {
	return slices.ContainsFunc(p.Repositories, func(r RepositoryName) bool { return strings.EqualFold(string(r), string(name)) })
}
