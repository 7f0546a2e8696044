package inventory

import (
	"crypto/sha1" //nolint:gosec // git's object ids are SHA-1
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Repository is one GitHub repository as far as sign-ins depend on it.
type Repository struct {
	Host               string         `json:"host"` // github.com, or a GitHub Enterprise Server's host
	Name               RepositoryName `json:"name"`
	ID                 int64          `json:"id"`
	NodeID             string         `json:"nodeId"`
	OwnerID            int64          `json:"ownerId"`
	DefaultBranch      string         `json:"defaultBranch"`
	HeadOID            string         `json:"headOid,omitempty"` // commit at the head of the default branch; empty repository: ""
	Visibility         string         `json:"visibility"`
	Archived           bool           `json:"archived,omitempty"`
	Fork               bool           `json:"fork,omitempty"`
	DefaultPermissions string         `json:"defaultPermissions,omitempty"` // of GITHUB_TOKEN: read or write; empty: not read
	OIDC               OIDC           `json:"oidc"`
	Environments       []string       `json:"environments,omitempty"`
	Files              []File         `json:"files"` // workflows and actions that were read
}

// File is one file of a repository that was read, known by its blob.
type File struct {
	Path string `json:"path"`
	OID  string `json:"oid"` // SHA-1 of the git blob
	Size int    `json:"size"`
}

// BlobOID is the id that git gives to a file's content (Pro Git, "Git Internals - Git Objects").
func BlobOID(content []byte) string {
	h := sha1.New() //nolint:gosec // git's object ids are SHA-1
	h.Write([]byte("blob " + strconv.Itoa(len(content)) + "\x00"))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

// OIDC is how the tokens of a repository's jobs are made, as the platform tells it
// (GET /repos/{owner}/{repo}/actions/oidc/customization/sub).
type OIDC struct {
	Known               bool     `json:"known"`
	Issuer              string   `json:"issuer"`
	UseDefault          bool     `json:"useDefault"`
	IncludeClaimKeys    []string `json:"includeClaimKeys,omitempty"`
	UseImmutableSubject bool     `json:"useImmutableSubject,omitempty"`
	SubClaimPrefix      string   `json:"subClaimPrefix,omitempty"` // such as repo:o@1/r@2; authoritative where present
}

// Text says how the subjects are made, for a reader.
func (o OIDC) Text() string {
	text := "the default template"
	if !o.UseDefault {
		text = "the template " + strings.Join(o.IncludeClaimKeys, ", ")
	}
	if o.UseImmutableSubject {
		text += ", with immutable ids"
	}
	if o.SubClaimPrefix != "" {
		text += ", with prefix " + o.SubClaimPrefix
	}
	return text
}

// SecretLevel is where a GitHub secret or variable lives.
type SecretLevel string

// The levels of GitHub secrets and variables.
const (
	LevelOrganization SecretLevel = "organization"
	LevelRepository   SecretLevel = "repository"
	LevelEnvironment  SecretLevel = "environment"
	LevelDependabot   SecretLevel = "dependabot" // repository level, for Dependabot's runs
)

// Secret is a named GitHub secret. Its value cannot be read by anyone.
type Secret struct {
	Level                SecretLevel      `json:"level"`
	Owner                string           `json:"owner"`
	Repository           RepositoryName   `json:"repository,omitempty"`  // not at organisation level
	Environment          string           `json:"environment,omitempty"` // environment level only
	Name                 string           `json:"name"`
	CreatedAt            time.Time        `json:"createdAt"`
	UpdatedAt            time.Time        `json:"updatedAt"`
	Visibility           string           `json:"visibility,omitempty"` // organisation level: all, private, selected
	SelectedRepositories []RepositoryName `json:"selectedRepositories,omitempty"`
}

// Variable is a named GitHub Actions variable. Its value is not secret.
type Variable struct {
	Level       SecretLevel    `json:"level"`
	Owner       string         `json:"owner"`
	Repository  RepositoryName `json:"repository,omitempty"`
	Environment string         `json:"environment,omitempty"`
	Name        string         `json:"name"`
	Value       string         `json:"value"`
}
