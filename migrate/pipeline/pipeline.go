// Package pipeline finds every place where Azure Pipelines use a service connection or a service principal's secret, in YAML and in
// classic definitions; tells which tasks and scripts would not work once a connection uses workload identity federation; and
// rewrites those by byte edits. It is pure: what lies in other files comes through a Resolver.
//
// YAML is expanded as the service expands it: templates, extends, parameters, variables, conditions, loops and matrices. Where a
// value is one of a few, all of them are given; where it is open, the expression is reported. Nothing is guessed: a file that
// cannot be read is a gap, a name that cannot be known is unresolved.
//
// What it does not see: steps that decorators inject, variables that scripts set at run time (the service does not take connections from
// them either), and other values that a person gives to a parameter of type object. A pipeline's own parameters are otherwise taken
// as chosen freely: every listed value, both of a boolean, and anything beside the default of a text.
package pipeline

// File is one YAML file of a repository. Path is a slash path from the repository's top.
type File struct {
	Repository, Path string
	Content          []byte
}

// Resolver gives the content of another file. The repository is that of the including file for a template without an alias,
// else the name of the repository resource, such as Project/Repository or owner/repository; ref is the resource's ref, empty for the
// including file's own version. A Resolver may be nil: then only the files that were given are looked at.
type Resolver func(repository, path, ref string) ([]byte, error)

// Kind is the kind of a service connection, as far as the place of its use tells.
type Kind string

// The kinds of connection.
const (
	KindAzureRM        Kind = "azurerm"
	KindDockerRegistry Kind = "dockerregistry"
	KindKubernetes     Kind = "kubernetes"
	KindGitHub         Kind = "github"
	KindOther          Kind = "other"
)

// Place is a place in a pipeline. For YAML File, Line and Column name the text (of a template, where it stands in one) and Pipeline the
// file that was expanded; for classic definitions File is empty and Pipeline the definition's name.
type Place struct {
	Pipeline   string `json:"pipeline,omitempty"`
	Repository string `json:"repository,omitempty"`
	File       string `json:"file,omitempty"`
	Line       int    `json:"line,omitempty"`   // 1-based
	Column     int    `json:"column,omitempty"` // 1-based, in bytes
	Stage      string `json:"stage,omitempty"`
	Job        string `json:"job,omitempty"`
	Step       string `json:"step,omitempty"` // name, display name, or "#N" (1-based)
}

// Use is one use of a service connection.
type Use struct {
	Place
	Connection string   `json:"connection"`           // the name, id or expression as it is written
	Resolved   []string `json:"resolved,omitempty"`   // the names or ids that it can be, sorted
	Open       bool     `json:"open,omitempty"`       // it can also be something that the text does not tell
	Expression string   `json:"expression,omitempty"` // what keeps it open, such as $(azureSubscription)
	Groups     []string `json:"groups,omitempty"`     // where it is open, the variable groups in scope whose content is not known
	Task       string   `json:"task,omitempty"`       // without its version; empty for resources and containers
	Version    string   `json:"version,omitempty"`    // the major version, or what the definition says, such as 2.*
	TaskID     string   `json:"taskId,omitempty"`     // where it is known
	Input      string   `json:"input"`                // as it is written
	Kind       Kind     `json:"kind"`
	Type       string   `json:"type,omitempty"`      // the connection's type as the task declares it, where that says more than Kind
	Condition  string   `json:"condition,omitempty"` // of the step, else of its job or stage; text only
	Disabled   bool     `json:"disabled,omitempty"`  // enabled: false
	Maybe      bool     `json:"maybe,omitempty"`     // under an ${{ if }} that is not decided by the text
	// Takes is the type of the connections that the place accepts, in lower case; empty where that is not certain. The service refuses a pipeline that
	// names another one there ("expects a service connection of type", microsoft/terraform-provider-azuredevops#478).
	Takes string `json:"takes,omitempty"`
	// Like is what is fixed of a name that is open, in order: what it begins with, what stands between the parts that are not known, what it ends with.
	Like []string `json:"like,omitempty"`
	// Texts are the places that give the names of a connection to a registry: each name where it is written as a whole, and nothing else is read
	// from there, so that another name can be written in its place. One without a File stands for a name that no such place gives.
	Texts []NameText `json:"texts,omitempty"`
}

// NameText is a scalar of a file that is the name or id of a connection.
type NameText struct {
	Repository string `json:"repository,omitempty"`
	File       string `json:"file,omitempty"`
	Line       int    `json:"line,omitempty"`   // 1-based
	Column     int    `json:"column,omitempty"` // 1-based, in bytes
	Name       string `json:"name"`             // as it is written
}

// SecretKind tells how a secret of a service principal is used.
type SecretKind string

// The ways that a service principal's secret is used outside of a connection's task.
const (
	SecretEnv      SecretKind = "env"      // a step's env or a variable that SDKs or Terraform read
	SecretVariable SecretKind = "variable" // a variable whose name says that it holds one
	SecretLogin    SecretKind = "login"    // az login, Connect-AzAccount and the like, with a secret
	SecretExport   SecretKind = "export"   // a script sets such a variable
	SecretKey      SecretKind = "key"      // a script reads servicePrincipalKey, which comes from a connection
	SecretInput    SecretKind = "input"    // a task's input takes it
)

// SecretUse is one use of a service principal's secret. It never holds a value.
type SecretUse struct {
	Place
	Kind       SecretKind `json:"kind"`
	Name       string     `json:"name"`                 // ARM_CLIENT_SECRET, az login, servicePrincipalKey, …
	Variables  []string   `json:"variables,omitempty"`  // the pipeline variables that hold it, sorted
	Literal    bool       `json:"literal,omitempty"`    // the value itself stands in the text
	Connection []string   `json:"connection,omitempty"` // the connections whose secret it is, where it comes from one
	Disabled   bool       `json:"disabled,omitempty"`
}

// Severity is how much a check matters before a connection is converted.
type Severity string

// The severities of a check.
const (
	Blocker Severity = "blocker" // the pipeline would fail
	Warning Severity = "warning" // a person has to look
)

// Check is one thing to know before the connections of a place are converted.
type Check struct {
	Place
	Severity    Severity `json:"severity"`
	Rule        string   `json:"rule"` // one of the Rule constants
	Task        string   `json:"task,omitempty"`
	Message     string   `json:"message"`
	Remedy      string   `json:"remedy"`
	Source      Source   `json:"source"`
	Connections []string `json:"connections,omitempty"` // those that must not be converted before it is settled, as far as they are known
	Disabled    bool     `json:"disabled,omitempty"`    // its step does not run
}

// Source is where a rule comes from.
type Source struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// Named is a variable group, environment or pool that a pipeline names.
type Named struct {
	Place
	Name     string   `json:"name"` // as it is written
	Resolved []string `json:"resolved,omitempty"`
	Open     bool     `json:"open,omitempty"`
}

// Gap is something that could not be read. What is behind it is unknown, never clean.
type Gap struct {
	Place
	Message string `json:"message"`
	Next    string `json:"next,omitempty"` // what a person can do about it
}

// Unresolved is an expression in the place of a connection that the text does not decide.
type Unresolved struct {
	Place
	Expression string   `json:"expression"`
	Known      []string `json:"known,omitempty"` // what it can be, as far as it is known
	Takes      string   `json:"takes,omitempty"` // as in Use
	Like       []string `json:"like,omitempty"`  // as in Use
	Reason     string   `json:"reason"`
}

// Result is what was found, sorted by pipeline and place.
type Result struct {
	Uses         []Use        `json:"uses"`
	Secrets      []SecretUse  `json:"secrets"`
	Groups       []Named      `json:"groups"`
	Environments []Named      `json:"environments"`
	Pools        []Named      `json:"pools"`
	Checks       []Check      `json:"checks"`
	Gaps         []Gap        `json:"gaps"`
	Unresolved   []Unresolved `json:"unresolved"`
	// Terraform are the steps whose sign-in Terraform code decides, for TerraformChecks; they are no finding by themselves.
	Terraform []TerraformUse `json:"-"`
}

// Options are what Azure DevOps knows of a pipeline beside its files.
type Options struct {
	// Variables are the variables of the pipeline's definition that are not secret.
	Variables map[string]string
	// Group gives the variables of a variable group that are not secret; ok is false where it is not known. It may be nil.
	Group func(name string) (variables map[string]string, ok bool)
	// Connections gives the kind of a connection by its name or id, such as azurerm, where it is known. It may be nil. It wins over what
	// the input of a task says.
	Connections func(nameOrID string) (Kind, bool)
}
