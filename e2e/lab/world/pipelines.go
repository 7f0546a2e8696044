package world

import "time"

// Definition is a pipeline: YAML in a repository, or classic with its steps in the definition itself.
type Definition struct {
	ID             int
	ProjectID      string
	Name           string
	Path           string // folder, \ at the top
	YAMLFile       string // empty: classic
	YAML           string // the file's text, templates expanded
	Repository     string
	RepositoryType string // TfsGit, GitHub, …
	DefaultBranch  string
	Steps          []*DesignerStep
	Variables      map[string]*PipelineVariable
	VariableGroups []int
	Created        time.Time
}

// DesignerStep is one task of a classic pipeline. Its inputs hold the ids of connections, not their names.
type DesignerStep struct {
	TaskID  string
	Version string // 2.*
	Name    string
	Inputs  map[string]string
}

// PipelineVariable is a variable of a pipeline or group. The API never shows the value of a secret one.
type PipelineVariable struct {
	Value  string
	Secret bool
}

// VariableGroup is a group of variables in a project's library. With Vault set its variables come from a Key Vault
// through a connection, which it thereby uses.
type VariableGroup struct {
	ID           int
	ProjectID    string
	Name         string
	Variables    map[string]*PipelineVariable
	ConnectionID string
	Vault        string
	Created      time.Time
}

// Check is an approval or other check on a connection.
type Check struct {
	ID       int
	Type     string // Approval, Task Check, …
	Settings map[string]any
}
