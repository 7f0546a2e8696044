package inventory

import "strings"

// StoreRef names a GitHub secret or variable: its level, place and name.
type StoreRef struct {
	Level       SecretLevel    `json:"level"`
	Owner       string         `json:"owner,omitempty"`      // organisation level
	Repository  RepositoryName `json:"repository,omitempty"` // all others
	Environment string         `json:"environment,omitempty"`
	Name        string         `json:"name"`
}

// Ref names the store that holds the secret.
func (s Secret) Ref() StoreRef { return ref(s.Level, s.Owner, s.Repository, s.Environment, s.Name) }

// Ref names the store that holds the variable.
func (v Variable) Ref() StoreRef { return ref(v.Level, v.Owner, v.Repository, v.Environment, v.Name) }

func ref(level SecretLevel, owner string, repo RepositoryName, environment, name string) StoreRef {
	if level == LevelOrganization {
		return StoreRef{Level: level, Owner: owner, Name: name}
	}
	return StoreRef{Level: level, Repository: repo, Environment: environment, Name: name}
}

// Same tells whether two references name one store. GitHub ignores the case of owners, repositories,
// environments and names of secrets and variables alike.
func (r StoreRef) Same(o StoreRef) bool { return r.Key() == o.Key() }

// Key is the reference in a form that can be compared and sorted.
func (r StoreRef) Key() string {
	return strings.ToLower(strings.Join([]string{string(r.Level), r.Owner, string(r.Repository), r.Environment, r.Name}, "|"))
}

// Place is where the store is, for a reader: "organisation O", "repository R" or "environment E of R".
func (r StoreRef) Place() string {
	switch r.Level {
	case LevelOrganization:
		return "organisation " + r.Owner
	case LevelEnvironment:
		return "environment " + r.Environment + " of " + string(r.Repository)
	case LevelDependabot:
		return "Dependabot of " + string(r.Repository)
	default:
		return "repository " + string(r.Repository)
	}
}

// String is the store for a reader, such as "AZURE_CREDENTIALS (environment prod of o/r)".
func (r StoreRef) String() string { return r.Name + " (" + r.Place() + ")" }

// Path is the reference as an id that a person can type: "org/NAME", "owner/repo/NAME", "owner/repo/environments/prod/NAME"
// or "owner/repo/dependabot/NAME".
func (r StoreRef) Path() string {
	switch r.Level {
	case LevelOrganization:
		return r.Owner + "/" + r.Name
	case LevelEnvironment:
		return string(r.Repository) + "/environments/" + r.Environment + "/" + r.Name
	case LevelDependabot:
		return string(r.Repository) + "/dependabot/" + r.Name
	default:
		return string(r.Repository) + "/" + r.Name
	}
}
