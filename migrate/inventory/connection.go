package inventory

import (
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
	// PipelineUses are the places in definitions that name it; PipelinesKnown tells whether all definitions that could were read, and no expression
	// in them is open.
	PipelineUses   []PipelineUse          `json:"pipelineUses,omitempty"`
	PipelinesKnown bool                   `json:"pipelinesKnown,omitempty"`
	Concerns       []Concern              `json:"concerns,omitempty"`
	Permissions    []ConnectionPermission `json:"permissions,omitempty"`
	Checks         []ConnectionCheck      `json:"checks,omitempty"`
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
