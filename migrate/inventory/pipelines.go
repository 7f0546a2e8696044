package inventory

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The sources of a PipelineUse: where a pipeline's definition names a connection.
const (
	UseYAML          = "yaml"           // a YAML pipeline, or a template that it includes
	UseClassic       = "classic"        // a step of a classic build definition
	UseRelease       = "release"        // a stage, gate or artifact of a classic release definition
	UseTaskGroup     = "task-group"     // a step of a task group by itself
	UseVariableGroup = "variable-group" // a variable group that is linked to a key vault
	UseEnvironment   = "environment"    // a Kubernetes resource of an environment
	UseCheck         = "check"          // a check on an environment or a connection, which signs in with it
	UseAgentPool     = "agent-pool"     // a pool whose agents Azure DevOps keeps in a scale set, which it signs in to Azure for
)

// PipelinePlace is a place in a pipeline of Azure DevOps. Repository, File, Line and Column are empty for what lives in a definition.
type PipelinePlace struct {
	Organization string `json:"organization"`
	Project      string `json:"project"`
	Pipeline     string `json:"pipeline"`               // the definition's, group's or environment's name
	DefinitionID int    `json:"definitionId,omitempty"` // of a build or release definition
	Repository   string `json:"repository,omitempty"`   // Project/Name of Azure Repos, or OWNER/NAME of GitHub
	File         string `json:"file,omitempty"`
	Line         int    `json:"line,omitempty"`
	Column       int    `json:"column,omitempty"`
	Stage        string `json:"stage,omitempty"`
	Job          string `json:"job,omitempty"`
	Step         string `json:"step,omitempty"`
}

// PipelineUse is one place whose definition names a connection. Execution tells of what has run, PipelineUse of what would.
type PipelineUse struct {
	PipelinePlace
	Source   string `json:"source"` // one of the Use constants
	Task     string `json:"task,omitempty"`
	Version  string `json:"version,omitempty"`
	Input    string `json:"input,omitempty"`
	Pool     string `json:"pool,omitempty"`     // the pool that the step's job runs in, where its text names one
	As       string `json:"as,omitempty"`       // the name, id or expression that is written there
	Maybe    bool   `json:"maybe,omitempty"`    // the text can also mean another connection, or the condition is not decided by it
	Disabled bool   `json:"disabled,omitempty"` // the step does not run
	// Texts are the places that give the name, of a connection to Azure or to a registry, where a pull request can write another one. One without a File stands for
	// a name that only a person can change. What has none at all was not looked at for that.
	Texts []NameText `json:"texts,omitempty"`
}

// NameText is a place in a file where the name or id of a connection is written, and nothing but that name is read from it.
type NameText struct {
	Repository string `json:"repository,omitempty"` // as in PipelinePlace
	File       string `json:"file,omitempty"`
	Line       int    `json:"line,omitempty"`
	Column     int    `json:"column,omitempty"`
	Name       string `json:"name"` // as it is written
}

// The severities of a Concern.
const (
	ConcernBlocker = "blocker" // the pipeline would fail after a conversion
	ConcernWarning = "warning" // a person has to look
)

// Concern is something to know before a connection is converted: a task that does not support workload identity federation, a script that reads
// the key, a job that can outlive its token.
type Concern struct {
	PipelinePlace
	Severity string `json:"severity"`
	Rule     string `json:"rule"` // a stable id, such as task-unsupported
	Task     string `json:"task,omitempty"`
	Message  string `json:"message"`
	Remedy   string `json:"remedy,omitempty"`
	Source   string `json:"source,omitempty"` // the document that says so
	URL      string `json:"url,omitempty"`
	Maybe    bool   `json:"maybe,omitempty"` // it is not certain that the place means this connection
	Disabled bool   `json:"disabled,omitempty"`
	// Rewrite tells whether a pull request can put the place right: safe, needs-review, or empty where a person has to.
	Rewrite string `json:"rewrite,omitempty"`
	// After tells that the rewritten text works only on a converted connection; else it works before the conversion, too.
	After bool `json:"after,omitempty"`
}

// Values of Concern.Rewrite.
const (
	RewriteSafe        = "safe"
	RewriteNeedsReview = "needs-review"
)

// PipelineRepository is a repository that holds pipelines of Azure DevOps whose text can be rewritten.
type PipelineRepository struct {
	Organization  string         `json:"organization"`
	Name          RepositoryName `json:"name"`          // as in AzureReposName, or OWNER/NAME of GitHub
	Place         string         `json:"place"`         // as in PipelinePlace.Repository
	ID            string         `json:"id,omitempty"`  // of Azure Repos
	DefaultBranch string         `json:"defaultBranch"` // that its files were read at
	Files         []File         `json:"files"`         // those that can be rewritten
}

// UnresolvedUse is an expression in the place of a connection that a pipeline's text does not decide. Any connection of its project
// that fits can be meant.
type UnresolvedUse struct {
	PipelinePlace
	Expression string   `json:"expression"`
	Known      []string `json:"known,omitempty"` // what it can be, as far as that is known
	Takes      string   `json:"takes,omitempty"` // the type of connection that is accepted there, in lower case; empty: that is not certain
	Like       []string `json:"like,omitempty"`  // what is fixed of the name, in order, with anything between the parts; none: nothing is
	Reason     string   `json:"reason"`
}

// Fits tells whether a connection of the project can be meant, by its type and by one of its names or its id.
func (u UnresolvedUse) Fits(c Connection) bool {
	switch {
	case u.Takes != "" && c.Readable && !strings.EqualFold(u.Takes, c.Type):
		return false
	case len(u.Like) == 0 || fitsParts(u.Like, string(c.ID)):
		return true
	}
	for _, p := range c.Projects {
		if fitsParts(u.Like, cmp.Or(p.As, c.Name)) {
			return true
		}
	}
	return fitsParts(u.Like, c.Name)
}

// MayMean are the expressions that can mean a connection.
func (inv *Inventory) MayMean(c Connection) []UnresolvedUse {
	var out []UnresolvedUse
	for _, u := range inv.Unresolved {
		if c.VisibleIn(u.Organization, u.Project) && u.Fits(c) {
			out = append(out, u)
		}
	}
	return out
}

// fitsParts tells whether a name has some parts in their order: it begins with the first and ends with the last. A single part is the whole name.
func fitsParts(parts []string, name string) bool {
	name = strings.ToLower(name)
	first, last := strings.ToLower(parts[0]), strings.ToLower(parts[len(parts)-1])
	if len(parts) == 1 {
		return name == first
	}
	if len(name) < len(first)+len(last) || !strings.HasPrefix(name, first) || !strings.HasSuffix(name, last) {
		return false
	}
	rest := name[len(first) : len(name)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		part = strings.ToLower(part)
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return true
}

// ConnectionPermission tells which pipelines of a project may use a connection.
type ConnectionPermission struct {
	Project      string `json:"project"`
	AllPipelines bool   `json:"allPipelines,omitempty"`
	Pipelines    []int  `json:"pipelines,omitempty"` // ids of build definitions
}

// ConnectionCheck is an approval or another check that a run must pass before it may use a connection.
type ConnectionCheck struct {
	Project string `json:"project"`
	ID      int    `json:"id"`
	Type    string `json:"type"`
	// Uses are ids that its settings name, any of which may be a connection's. They are no more than that while scanning.
	Uses []ConnectionID `json:"-"`
}

// The kinds of a PipelineSecret.
const (
	PipelineSecretVariable   = "variable"       // of a build or release definition, or of a stage
	PipelineSecretGroup      = "variable-group" // of a variable group
	PipelineSecretVault      = "key-vault"      // of a variable group that is linked to a key vault
	PipelineSecretSecureFile = "secure-file"    // a file of the library
	PipelineSecretScript     = "script"         // a script or step signs in with a secret
)

// PipelineSecret is a place in Azure DevOps, other than a connection, that holds or uses a service principal's credential, by its name
// and use. It never holds a value.
type PipelineSecret struct {
	PipelinePlace
	Kind       string       `json:"kind"`
	Name       string       `json:"name"`                // of the variable, file or command
	Use        string       `json:"use,omitempty"`       // how it is used: env, login, export, input
	Variables  []string     `json:"variables,omitempty"` // the variables that a script takes it from
	Literal    bool         `json:"literal,omitempty"`   // the value stands in the text
	Connection ConnectionID `json:"connection,omitempty"`
	AppID      AppID        `json:"appId,omitempty"` // the client id that stands beside it in a variable that can be read
	Vault      string       `json:"vault,omitempty"`
	Reason     string       `json:"reason"` // why it is taken for a credential
}

// Pipeline is one definition that was read.
type Pipeline struct {
	Organization string `json:"organization"`
	Project      string `json:"project"`
	Kind         string `json:"kind"` // yaml, classic or release
	ID           int    `json:"id"`
	Name         string `json:"name"`
	Repository   string `json:"repository,omitempty"`
	File         string `json:"file,omitempty"`
	Connections  int    `json:"connections"` // how many connections its definition names
	Read         bool   `json:"read"`        // false: a gap tells why
}

// AgentPool is a pool of agents.
type AgentPool struct {
	Organization string   `json:"organization"`
	ID           int      `json:"id"`
	Name         string   `json:"name"`
	Hosted       bool     `json:"hosted"`
	Agents       int      `json:"agents"`
	Versions     []string `json:"versions,omitempty"` // of its agents, each once, the oldest first
	// ScaleSet is the ARM id of the virtual machine scale set that its agents run in; empty: Azure DevOps does not tell where they run.
	ScaleSet   string       `json:"scaleSet,omitempty"`
	Connection ConnectionID `json:"connection,omitempty"` // that Azure DevOps sizes the scale set with
	Scope      ProjectID    `json:"scope,omitempty"`      // the project that this connection is of
}

// ManagedPool is a Managed DevOps Pool: a resource in Azure that keeps the agents of an agent pool in each of some organisations (Microsoft Learn: Managed DevOps Pools).
type ManagedPool struct {
	Resource      string                    `json:"resource"` // its ARM id
	Name          string                    `json:"name"`
	Alias         string                    `json:"alias,omitempty"` // what its agent pools are called
	Organizations []ManagedPoolOrganization `json:"organizations,omitempty"`
	Identities    []string                  `json:"identities,omitempty"` // the ARM ids of the user-assigned managed identities that its agents have
}

// ManagedPoolOrganization is an organisation of Azure DevOps that a Managed DevOps Pool is for.
type ManagedPoolOrganization struct {
	URL   string `json:"url"`
	Alias string `json:"alias,omitempty"` // what its agent pool is called there
}

// Is tells whether the URL is that of an organisation: https://dev.azure.com/NAME or https://NAME.visualstudio.com.
func (o ManagedPoolOrganization) Is(organization string) bool {
	u, err := url.Parse(o.URL)
	if err != nil {
		return false
	}
	name := ""
	if host := strings.ToLower(u.Hostname()); host == "dev.azure.com" {
		name, _, _ = strings.Cut(strings.Trim(u.Path, "/"), "/")
	} else if before, ok := strings.CutSuffix(host, ".visualstudio.com"); ok {
		name = before
	}
	return name != "" && strings.EqualFold(name, organization)
}

// PoolIn is what its agent pool in an organisation is called: as the organisation's alias says, else as its own does, else as itself (Microsoft Learn: Configure Managed DevOps Pools
// security settings, "Configure pool aliases"). It is empty where it is not for that organisation.
func (m ManagedPool) PoolIn(organization string) string {
	for _, o := range m.Organizations {
		if o.Is(organization) {
			return cmp.Or(o.Alias, m.Alias, m.Name)
		}
	}
	return ""
}

// ManagedPoolOf is the Managed DevOps Pool that keeps a pool's agents; nil: none, as far as is known. Such a pool is self-hosted to Azure DevOps, and its name is free for one.
func (inv *Inventory) ManagedPoolOf(p AgentPool) *ManagedPool {
	for i := range inv.ManagedPools {
		if m := &inv.ManagedPools[i]; !p.Hosted && p.ScaleSet == "" && p.Name != "" && strings.EqualFold(m.PoolIn(p.Organization), p.Name) {
			return m
		}
	}
	return nil
}

// Unused tells whether nothing uses the connection: no run within a span before a time, and no definition that was read names it. known is
// false where that cannot be said, since histories or definitions could not be read, or a pipeline's text leaves open which connection it means.
func (c Connection) Unused(now time.Time, within time.Duration) (unused, known bool) {
	if len(c.PipelineUses) > 0 {
		return false, true
	}
	last, ended := c.LastUse()
	switch {
	case ended && now.Sub(last.Finished) <= within, !ended && len(c.Uses) > 0:
		return false, true
	case !c.UsesKnown || !c.PipelinesKnown:
		return false, false
	}
	return true, true
}

// NamedBy are the definitions that name the connection, each once, such as "pipeline PROJECT/NAME". One that only may mean it, or names it in a step that is
// disabled, counts too: it could not be queued as it is once the connection is deleted.
func (c Connection) NamedBy() []string {
	var out []string
	for _, u := range c.PipelineUses {
		what := "pipeline"
		switch u.Source {
		case UseCheck:
			what = "check on"
		case UseTaskGroup, UseVariableGroup, UseEnvironment, UseAgentPool:
			what = strings.ReplaceAll(u.Source, "-", " ")
		}
		out = append(out, what+" "+u.Project+"/"+u.Pipeline)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Blockers are the concerns that speak against a conversion: those whose place certainly uses the connection, in a step that runs.
func (c Connection) Blockers() []Concern {
	var out []Concern
	for _, n := range c.Concerns {
		if n.Severity == ConcernBlocker && !n.Disabled && !n.Maybe {
			out = append(out, n)
		}
	}
	return out
}

// Text is the place for a reader.
func (p PipelinePlace) Text() string {
	s := p.Project + "/" + p.Pipeline
	if p.File != "" {
		s += fmt.Sprintf(" (%s:%d)", strings.TrimPrefix(p.Repository+"/"+p.File, "/"), p.Line)
	}
	for _, part := range []struct{ name, value string }{{"stage", p.Stage}, {"job", p.Job}, {"step", p.Step}} {
		if part.value != "" {
			s += ", " + part.name + " " + part.value
		}
	}
	return s
}
