// Package permissions is the least-privilege set as data: what the program needs in each system for each phase, what
// is missing without it, and how it is granted. The documentation, the output of `unsecret permissions` and the advice of
// `unsecret doctor` are all made of it.
package permissions

import (
	"fmt"
	"slices"
	"strings"
)

// Phase is a part of the journey that has an identity of its own, where one can be afforded.
type Phase string

// The phases. A rollback needs what apply and revoke need.
const (
	Scan   Phase = "scan"
	Apply  Phase = "apply"
	Revoke Phase = "revoke"
	Probe  Phase = "probe" // unsecret identify --probe
)

// Phases lists all phases in the order of the journey.
func Phases() []Phase { return []Phase{Scan, Apply, Revoke, Probe} }

// System is one system that permissions are given in.
type System string

// The systems.
const (
	AzureDevOps System = "azureDevOps"
	Graph       System = "graph"
	Azure       System = "azure"
	GitHub      System = "github"
)

// Title is the system's name for a reader.
func (s System) Title() string {
	return map[System]string{AzureDevOps: "Azure DevOps", Graph: "Microsoft Graph", Azure: "Azure", GitHub: "GitHub"}[s]
}

// Permission is one thing to be granted.
type Permission struct {
	ID       string   `json:"id"` // stable: system and name
	System   System   `json:"system"`
	Name     string   `json:"name"`               // as the system spells it
	Scope    string   `json:"scope,omitempty"`    // Azure DevOps: the OAuth scope; GitHub: the scopes of a classic token
	Phases   []Phase  `json:"phases"`             // that need it
	For      string   `json:"for"`                // what it is used for
	Without  string   `json:"without"`            // what is missing without it
	Optional bool     `json:"optional,omitempty"` // the phase works without it, with less
	Person   string   `json:"person,omitempty"`   // what a person needs in its place, or besides
	RoleID   string   `json:"roleId,omitempty"`   // Graph: the application permission's id; Azure: the role definition's
	Grant    []string `json:"grant"`              // commands and addresses that grant it; what is in <> is yours
	Source   string   `json:"source"`
	// Where is the setting of the configuration without which nothing needs it; empty: always.
	Where string `json:"where,omitempty"`

	variable string // of the scripts: what asks for a permission with Where, or names the scopes that it is granted at
	scopes   string // what these scopes are
}

// Needed gives the permissions of a phase; of all phases for "".
func Needed(phase Phase) []Permission {
	var out []Permission
	for _, p := range all {
		if phase == "" || slices.Contains(p.Phases, phase) {
			p.Phases, p.Grant = slices.Clone(p.Phases), slices.Clone(p.Grant)
			out = append(out, p)
		}
	}
	return out
}

// Named finds a permission by its id.
func Named(id string) (Permission, bool) {
	i := slices.IndexFunc(all, func(p Permission) bool { return p.ID == id })
	if i < 0 {
		return Permission{}, false
	}
	return all[i], true
}

// ParsePhase reads a phase; "" is all of them.
func ParsePhase(s string) (Phase, error) {
	if s == "" || slices.Contains(Phases(), Phase(s)) {
		return Phase(s), nil
	}
	return "", fmt.Errorf("%q is not one of scan, apply, revoke, probe", s)
}

// ApplicationAdministrators are the template ids of the directory roles that may change any application (Microsoft Learn: Microsoft Entra built-in roles).
func ApplicationAdministrators() []string {
	return []string{
		"62e90394-69f5-4237-9190-012177145e10", // Global Administrator
		"9b895d92-2cd3-44c1-9d02-a6ac2d5ea5c3", // Application Administrator
		"158c047a-c907-4556-b7ef-551546a6b5f7", // Cloud Application Administrator
	}
}

// graphResource is Microsoft Graph's application in every tenant (Microsoft Learn: Microsoft Graph permissions reference).
const graphResource = "00000003-0000-0000-c000-000000000000"

// grantGraph is how an application permission of Graph is granted.
func grantGraph(roleID string) []string {
	return []string{
		"az ad app permission add --id <client id of unsecret's application> --api " + graphResource + " --api-permissions " + roleID + "=Role",
		"az ad app permission admin-consent --id <client id of unsecret's application>",
	}
}

// Where the settings are.
const (
	urlConnections  = "https://dev.azure.com/<organisation>/<project>/_settings/adminservices"
	urlRepositories = "https://dev.azure.com/<organisation>/<project>/_settings/repositories"
	urlUsers        = "https://dev.azure.com/<organisation>/_settings/users"
	urlFineGrained  = "https://github.com/settings/personal-access-tokens"
	urlApps         = "https://github.com/organizations/<organisation>/settings/installations"
)

// grantGitHub is how a permission of GitHub is granted, for each kind of token.
func grantGitHub(name, classic string) []string {
	return []string{
		"fine-grained token: " + urlFineGrained + ", edit it, " + name,
		"GitHub App: in its settings, Permissions, " + name + "; then accept the change in " + urlApps,
		"classic: gh auth refresh --scopes " + strings.ReplaceAll(classic, " ", ""),
	}
}
