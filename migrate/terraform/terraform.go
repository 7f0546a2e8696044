// Package terraform reads the Terraform code of a repository, as far as it decides how the Azure providers and the azurerm backend sign in.
// A pipeline that gives a client secret by the environment can use OIDC by the environment instead, unless a provider's block, a
// backend or a pinned version says otherwise: what a block sets goes before the environment (terraform-provider-azurerm: provider.go, each
// attribute's default is its ARM_ variable). The package reads no value of a secret into what it gives.
package terraform

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// The bounds of what is read of one repository. Real Terraform code stays far below them; what goes beyond is told, not guessed.
const (
	MaxFiles    = 1000
	MaxFileSize = 256 << 10
	MaxSize     = 16 << 20 // of all files together
)

// File is one file: its slash path inside the repository, and its bytes.
type File struct {
	Path    string
	Content []byte
}

// Unread is a file that could not be read, or was left out, and why. An empty path stands for all of the repository's code.
type Unread struct{ Path, Reason string }

// Files is what was read of the Terraform code of one repository.
type Files struct {
	Files  []File
	Unread []Unread
}

// NextUnread is what a person does about code that could not be read.
const NextUnread = "see by hand that no provider and no backend in it sets client_secret or use_oidc = false"

// Entry is a file before it is read. A size of 0 or less is not known.
type Entry struct {
	Path string
	Size int
}

// Choose takes the entries that matter, in order and within the bounds; the others that would matter are told.
func Choose(entries []Entry) (take []Entry, left []Unread) {
	entries = slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return !Wanted(e.Path) })
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Path, b.Path) })
	total := 0
	for _, e := range entries {
		switch {
		case e.Size > MaxFileSize && mayBeForeign(e.Path):
		case e.Size > MaxFileSize:
			left = append(left, tooLarge(e.Path, e.Size))
		case len(take) == MaxFiles || total+max(e.Size, 0) > MaxSize:
			left = append(left, Unread{e.Path, fmt.Sprintf("no more than %d files with %d bytes are read", MaxFiles, MaxSize)})
		default:
			take, total = append(take, e), total+max(e.Size, 0)
		}
	}
	return take, left
}

func tooLarge(name string, size int) Unread {
	return Unread{name, fmt.Sprintf("it has %d bytes, more than the %d that are read", size, MaxFileSize)}
}

// Wanted tells by its path whether a file can say how a provider or a backend signs in (Terraform's documentation: Files and
// Configuration Structure, Dependency Lock File, Input Variables, Partial Configuration).
func Wanted(p string) bool {
	for dir := path.Dir(p); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if SkipDirectory(path.Base(dir)) {
			return false
		}
	}
	return isCode(p) || isVariables(p) || isBackend(p) || path.Base(p) == lockFile
}

// SkipDirectory tells the directories in which no code of the repository itself is: what terraform init and package managers fetch.
func SkipDirectory(name string) bool {
	return name == ".terraform" || name == ".terragrunt-cache" || name == ".git" || name == "node_modules"
}

const lockFile = ".terraform.lock.hcl"

func isCode(p string) bool      { return hasSuffix(p, ".tf", ".tf.json", ".tofu", ".tofu.json") }
func isVariables(p string) bool { return hasSuffix(p, ".tfvars", ".tfvars.json") }
func isBackend(p string) bool   { return hasSuffix(p, ".tfbackend") || mayBeForeign(p) }

// mayBeForeign tells files that other programs use too. What cannot be read as settings of a backend is none.
func mayBeForeign(p string) bool { return hasSuffix(p, ".hcl") && path.Base(p) != lockFile }

func hasSuffix(p string, suffixes ...string) bool {
	return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(p, s) })
}

// Code is the Terraform code of a repository.
type Code struct {
	Unread   []Unread
	files    int
	modules  map[string]*module // by directory
	values   map[string][]value // of input variables, as files of variables give them
	settings []settings         // of backends, in files
}

// Empty tells whether there is no Terraform code at all.
func (c *Code) Empty() bool { return c.files == 0 && len(c.Unread) == 0 }

// module is the code of one directory.
type module struct {
	dir       string
	blocks    []block
	needs     []need
	core      []need // required_version
	locked    map[string]need
	variables map[string]value // with their defaults
	resources []resource
	renamed   map[string]string // what the code calls a provider → the provider
	children  []string          // directories of the modules that it calls by their path
}

// block is a provider's block, a backend or the configuration of a remote state.
type block struct {
	kind       string // provider, backend, remote state, cloud
	provider   string // azurerm, azuread, azapi, azurestack; of a backend its type
	name       string // as its file calls it, for a reader
	at         place
	attributes map[string]attribute
}

// need is a constraint on a version.
type need struct {
	provider string
	text     string
	at       place
}

// settings is a file with the settings of a backend.
type settings struct {
	at         place
	attributes map[string]attribute
}

type place struct {
	file string
	line int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }
