package inventory

import (
	"slices"
	"strings"
	"time"
)

// Authentication schemes of a service connection, as the service spells them.
const (
	SchemeServicePrincipal = "ServicePrincipal"
	SchemeFederation       = "WorkloadIdentityFederation"
	SchemeManagedIdentity  = "ManagedServiceIdentity"
	SchemePublishProfile   = "PublishProfile"
)

// Secretless tells whether the connection signs in without a credential of its own: by federation, or as the agent's managed identity.
func (c Connection) Secretless() bool {
	return strings.EqualFold(c.Scheme, SchemeFederation) || strings.EqualFold(c.Scheme, SchemeManagedIdentity)
}

// Connection is one Azure DevOps service connection. A shared connection appears once, with all its projects.
type Connection struct {
	ID                 ConnectionID        `json:"id"`
	Organization       string              `json:"organization"`
	Name               string              `json:"name"`
	Type               string              `json:"type"`                         // azurerm, dockerregistry, …; compare without case
	Scheme             string              `json:"scheme"`                       // one of the Scheme constants, or another
	AuthenticationType string              `json:"authenticationType,omitempty"` // spnKey or spnCertificate
	CreationMode       string              `json:"creationMode,omitempty"`       // Automatic, Manual or empty
	Cloud              string              `json:"cloud,omitempty"`              // data.environment, such as AzureCloud
	TenantID           TenantID            `json:"tenantId,omitempty"`
	AppID              AppID               `json:"appId,omitempty"`
	SubscriptionID     SubscriptionID      `json:"subscriptionId,omitempty"`
	ScopeLevel         string              `json:"scopeLevel,omitempty"`
	Projects           []ConnectionProject `json:"projects"` // the first is the origin
	Shared             bool                `json:"shared"`
	Ready              bool                `json:"ready"`
	State              string              `json:"state,omitempty"` // operationStatus.state
	StateMessage       string              `json:"stateMessage,omitempty"`
	Disabled           bool                `json:"disabled,omitempty"`
	Readable           bool                `json:"readable"`          // false: the caller sees it but not its data
	Issuer             string              `json:"issuer,omitempty"`  // workloadIdentityFederationIssuer
	Subject            string              `json:"subject,omitempty"` // workloadIdentityFederationSubject
	RevertDeadline     time.Time           `json:"revertDeadline,omitzero"`
	Uses               []Execution         `json:"uses,omitempty"`
	UsesKnown          bool                `json:"usesKnown"`

	Class       ConnectionClass `json:"class,omitempty"`       // what it is, by ClassifyConnection
	ClassReason string          `json:"classReason,omitempty"` // what of it decides that
	Variant     string          `json:"variant,omitempty"`     // data.registrytype or data.authorizationType
	LoginServer string          `json:"loginServer,omitempty"` // of a registry
	Outdated    bool            `json:"outdated,omitempty"`    // isOutdated
	Terraform   bool            `json:"terraform,omitempty"`   // its description says that Terraform manages it
	Replaces    ConnectionID    `json:"replaces,omitempty"`    // this program made it in place of that one, as its description says
	Mark        string          `json:"mark,omitempty"`        // what else that says: who made it can prove it
	// PipelineUses are the places in definitions that name it; PipelinesKnown tells whether all definitions that could were read, and no expression
	// in them is open.
	PipelineUses   []PipelineUse          `json:"pipelineUses,omitempty"`
	PipelinesKnown bool                   `json:"pipelinesKnown,omitempty"`
	Concerns       []Concern              `json:"concerns,omitempty"`
	Permissions    []ConnectionPermission `json:"permissions,omitempty"`
	Checks         []ConnectionCheck      `json:"checks,omitempty"`
}

// replacementMark begins the description of a connection that this program makes in place of another one, which its id follows.
const replacementMark = "made by unsecret in place of service connection "

// ReplacementDescription is the description of a connection that is made in place of another one. It is how that is found again when an answer was lost: by a mark
// that nobody else can know before.
func ReplacementDescription(id ConnectionID, mark string) string {
	return replacementMark + strings.ToLower(string(id)) + " (" + mark + ")"
}

// ReplacementOf reads the connection that another one was made in place of, and its mark, out of its description; empty: of none.
func ReplacementOf(description string) (id ConnectionID, mark string) {
	_, rest, ok := strings.Cut(description, replacementMark)
	if !ok || len(rest) < 36 || !IsGUID(rest[:36]) {
		return "", ""
	}
	mark, _, _ = strings.Cut(strings.TrimPrefix(rest[36:], " ("), ")")
	return ConnectionID(strings.ToLower(rest[:36])), mark
}

// OriginName is the connection's name in the project that it was made in: a shared one has a name in each.
func (c Connection) OriginName() string {
	if len(c.Projects) > 0 && c.Projects[0].As != "" {
		return c.Projects[0].As
	}
	return c.Name
}

// NameIn is the connection's name in a project, given by name.
func (c Connection) NameIn(project string) string {
	for _, p := range c.Projects {
		if strings.EqualFold(p.Name, project) && p.As != "" {
			return p.As
		}
	}
	return c.Name
}

// OtherCloud tells whether the connection signs in to another cloud than the public one. One that names none is in that.
func (c Connection) OtherCloud() bool {
	return c.Cloud != "" && !strings.EqualFold(c.Cloud, "AzureCloud")
}

// VisibleIn tells whether the connection can be used in a project, given by names.
func (c Connection) VisibleIn(organization, project string) bool {
	return strings.EqualFold(c.Organization, organization) && slices.ContainsFunc(c.Projects, func(p ConnectionProject) bool { return strings.EqualFold(p.Name, project) })
}

// ConnectionProject is one project that a connection is visible in, with the connection's name there.
type ConnectionProject struct {
	ID   ProjectID `json:"id"`
	Name string    `json:"name"` // of the project
	As   string    `json:"as"`   // the connection's name in that project
}

// Execution is one use of a connection by a pipeline, from the connection's execution history.
type Execution struct {
	Project      string    `json:"project"`
	PlanType     string    `json:"planType"` // Build, Release, …
	DefinitionID int       `json:"definitionId"`
	Definition   string    `json:"definition"`
	Result       string    `json:"result"`
	Finished     time.Time `json:"finished,omitzero"`
}
