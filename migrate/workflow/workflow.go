// Package workflow finds every place where a GitHub workflow or action signs in to Azure, and rewrites those that use a stored
// credential so that they use workload identity federation. It reads by syntax trees and writes by byte edits: what is not
// part of an edit keeps its bytes.
package workflow

import (
	"fmt"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/terraform"
)

// File is one file: its slash path inside the repository or folder, and its bytes.
type File struct {
	Path    string
	Content []byte
}

// Tree is the workflows and actions of one repository or folder.
type Tree struct {
	Repository         inventory.RepositoryName
	DefaultBranch      string
	DefaultPermissions string   // of GITHUB_TOKEN: read or write; empty where it is not known
	Environments       []string // names of the repository's environments, as far as they are known
	Files              []File
	// Terraform reads the repository's Terraform code. It is called at most once, and only where a login depends on what the code says. Where
	// it is nil, the code is not known and nothing is concluded from it.
	Terraform func() terraform.Files
	// Stopped, when set, tells that nobody waits for the result any more. Then the work ends soon, with one that is not whole and is to be thrown
	// away; a rewriting of it changes no file.
	Stopped func() bool
}

// Options are the options of Scan.
type Options struct {
	// Others gives other repositories of the same scan, for actions and workflows that are used across repositories. It may be nil.
	Others func(inventory.RepositoryName) (Tree, bool)
	// Strings, when set, are shared by the results of many scans, so that what they have in common is in memory once.
	Strings *Strings
	// Subjects asks for the subjects of each login's jobs.
	Subjects bool
}

// Result is what Scan found, sorted by file and place.
type Result struct {
	Logins   []inventory.Login
	Mentions []inventory.Mention
	Gaps     []inventory.Gap
	// Terraform tells that a login depends on the repository's Terraform code, and that the tree had none to read.
	Terraform bool
	// Resources are those of the Terraform code, where it was read, that a migration has to do with.
	Resources []inventory.TerraformResource
}

// IdentityNames are the expressions (without ${{ }}, such as vars.AZURE_CLIENT_ID) or literals (GUIDs) that a rewritten login names.
type IdentityNames struct {
	ClientID, TenantID, SubscriptionID string
}

// Level bounds what a rewrite may change.
type Level int

// The levels of a rewrite.
const (
	// LevelSafe allows edits after which the workflow provably does the same.
	LevelSafe Level = iota
	// LevelNeedsReview also allows edits that a person has to look at: those that span files, and those with a risk that is named.
	LevelNeedsReview
)

// PermissionMode is how a job's permissions are written where it had none.
type PermissionMode int

// The permission modes.
const (
	// PermissionsMinimal writes what the job's steps need where that is certain, else as PermissionsPreserve.
	PermissionsMinimal PermissionMode = iota
	// PermissionsPreserve writes out every scope that the job had by default.
	PermissionsPreserve
)

// RewriteOptions are the options of Rewrite.
type RewriteOptions struct {
	Only         map[inventory.LoginID]bool // nil: all
	Within       func(path string) bool     // the files that may change; nil: all. What changes together with another file stays
	Names        func(inventory.Login) IdentityNames
	Level        Level
	Permissions  PermissionMode
	IDs          string            // context that new ids are read from where Names is nil: "vars" (default) or "secrets"
	LoginVersion string            // of azure/login where one is written: "v2" (default) or "v3"
	Pins         map[string]string // action@version → commit
}

// mayChange tells whether a file may change at all.
func (o RewriteOptions) mayChange(path string) error {
	if o.Within == nil || o.Within(path) {
		return nil
	}
	return fmt.Errorf("%s would have to change with it, and is not among the files that may change: name the whole checkout", path)
}

// idContext is the context that new ids are read from.
func (o RewriteOptions) idContext() string {
	if o.IDs == "" {
		return "vars"
	}
	return o.IDs
}

// Edit replaces the bytes from Start to End by New.
type Edit struct {
	Start, End int
	New        string
	Line       int
	Login      inventory.LoginID
	Reason     string
}

// FileRewrite is one file before and after. Where Refused is not empty, After is Before and no edit is made.
type FileRewrite struct {
	Path          string
	Before, After []byte
	Edits         []Edit
	Refused       string
}

// Left is a login that is left as it is.
type Left struct {
	Login  inventory.LoginID
	File   string
	Line   int
	Reason string
	Manual []string
}

// Rewriting is the result of Rewrite.
type Rewriting struct {
	Files []FileRewrite // those that change or are refused, sorted by path
	Left  []Left
	Gaps  []inventory.Gap // what could not be read, as Scan has it
}
