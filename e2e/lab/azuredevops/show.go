package azuredevops

import (
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// Authentication schemes.
const (
	servicePrincipal = "ServicePrincipal"
	federation       = "WorkloadIdentityFederation"
)

// Names in a connection's data and parameters.
const (
	dataCreationMode  = "creationMode"
	dataEnvironment   = "environment"
	dataDeadline      = "revertSchemeDeadline"
	dataSubscription  = "subscriptionId"
	paramTenant       = "tenantid"
	paramClient       = "serviceprincipalid"
	paramKey          = "serviceprincipalkey"
	paramCertificate  = "servicePrincipalCertificate"
	paramAuthType     = "authenticationType"
	paramIssuer       = "workloadIdentityFederationIssuer"
	paramIssuerType   = "workloadIdentityFederationIssuerType"
	paramSubject      = "workloadIdentityFederationSubject"
	automatic         = "Automatic"
	azureStack        = "AzureStack"
	stateReady        = "Ready"
	stateFailed       = "Failed"
	stateInProgress   = "InProgress"
	deadlineForm      = "2006-01-02T15:04:05.0000000Z"
	resourceManager   = "https://management.azure.com/"
	typeAzure         = "azurerm"
	typeRegistry      = "dockerregistry"
	defaultOwner      = "Library"
	typeNameOfMissing = "Microsoft.VisualStudio.Services.ServiceEndpoints.WebApi.ServiceEndpointNotFoundException, " +
		"Microsoft.VisualStudio.Services.ServiceEndpoints.WebApi"
)

// confidential are the parameters that go in and never come out (isConfidential in the published type descriptors).
var confidential = []string{paramKey, paramCertificate, "accessToken", "apiToken", "password", "publishProfile", "kubeconfig",
	"serviceAccountCertificate", "certificate", "spnKey", "azureAccessToken"}

func isConfidential(c *world.Connection, param string) bool {
	if _, hidden := lookup(c.Hidden, param); hidden {
		return true
	}
	return slices.ContainsFunc(confidential, func(k string) bool { return strings.EqualFold(k, param) })
}

// lookup finds a value by its key in any case: azurerm says tenantid, dockerregistry says tenantId.
func lookup(m map[string]string, key string) (string, bool) {
	for k, v := range m {
		if strings.EqualFold(k, key) {
			return v, true
		}
	}
	return "", false
}

func value(m map[string]string, key string) string {
	v, _ := lookup(m, key)
	return v
}

// drop removes keys in any case.
func drop(m map[string]string, keys ...string) {
	for k := range m {
		if slices.ContainsFunc(keys, func(key string) bool { return strings.EqualFold(key, k) }) {
			delete(m, k)
		}
	}
}

// endpointJSON is a connection as the API shows it. Without rights Data, Type and Authorization are missing.
type endpointJSON struct {
	Data             *map[string]string `json:"data,omitempty"`
	ID               string             `json:"id"`
	Name             string             `json:"name"`
	Type             string             `json:"type,omitempty"`
	URL              string             `json:"url,omitempty"`
	CreatedBy        *identityRef       `json:"createdBy,omitempty"`
	Description      string             `json:"description"`
	Authorization    *authorizationJSON `json:"authorization,omitempty"`
	IsShared         bool               `json:"isShared"`
	IsOutdated       bool               `json:"isOutdated"`
	IsReady          bool               `json:"isReady"`
	IsDisabled       bool               `json:"isDisabled"`
	OperationStatus  *statusJSON        `json:"operationStatus,omitempty"`
	Owner            string             `json:"owner"`
	Refs             []refJSON          `json:"serviceEndpointProjectReferences"`
	CreationDate     *time.Time         `json:"creationDate,omitempty"`
	ModificationDate *time.Time         `json:"modificationDate,omitempty"`
}

type authorizationJSON struct {
	Parameters map[string]*string `json:"parameters"`
	Scheme     string             `json:"scheme"`
}

type statusJSON struct {
	State         string `json:"state"`
	StatusMessage string `json:"statusMessage"`
}

type refJSON struct {
	ProjectReference struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"projectReference"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// show is the connection as this caller sees it from the call's project (from its origin without one).
func (c *call) show(conn *world.Connection) endpointJSON {
	ref := c.refHere(conn)
	e := endpointJSON{
		ID: conn.ID, Name: ref.Name, Description: ref.Description,
		IsShared: len(conn.Refs) > 1, IsReady: isReady(conn), IsDisabled: conn.Disabled, IsOutdated: conn.Outdated,
		Owner: conn.Owner, Refs: showRefs(conn.Refs),
	}
	if e.Owner == "" {
		e.Owner = defaultOwner
	}
	if e.Description == "" {
		e.Description = conn.Description
	}
	if !c.canSee(conn) {
		return e
	}
	data := showData(conn)
	e.Data = &data // empty or not, it is there for those who may see it
	e.Type, e.URL = conn.Type, urlOf(conn)
	e.CreatedBy = personRef(strings.TrimSpace(c.org.Name + " administrator"))
	e.Authorization = &authorizationJSON{showParams(conn), conn.Scheme}
	e.OperationStatus = showStatus(conn)
	e.CreationDate, e.ModificationDate = dated(conn.Created), dated(conn.Modified)
	return e
}

// canSee is whether the caller gets a connection's data. The service answers 200 without it to those who do not.
func (c *call) canSee(conn *world.Connection) bool {
	return !conn.Unreadable && c.token.Role != world.RoleOutsider && c.token.May("Service connections: Reader")
}

// refHere is how the connection is known in the call's project.
func (c *call) refHere(conn *world.Connection) world.ProjectRef {
	if c.project != nil {
		if r := refIn(conn, c.project.ID); r != nil {
			return *r
		}
	}
	if len(conn.Refs) > 0 {
		return *conn.Refs[0]
	}
	return world.ProjectRef{}
}

func refIn(conn *world.Connection, projectID string) *world.ProjectRef {
	for _, r := range conn.Refs {
		if strings.EqualFold(r.ProjectID, projectID) {
			return r
		}
	}
	return nil
}

func isReady(conn *world.Connection) bool { return !conn.NotReady && conn.BusyScheme == "" }

func showStatus(conn *world.Connection) *statusJSON {
	switch {
	case conn.BusyScheme != "":
		return &statusJSON{State: stateInProgress}
	case conn.OpState != "":
		return &statusJSON{conn.OpState, conn.OpMessage}
	case conn.NotReady:
		return &statusJSON{stateFailed, conn.OpMessage}
	}
	return &statusJSON{State: stateReady}
}

func showData(conn *world.Connection) map[string]string {
	data := map[string]string{}
	for k, v := range conn.Data {
		data[k] = v
	}
	if !conn.RevertUntil.IsZero() {
		data[dataDeadline] = conn.RevertUntil.UTC().Format(deadlineForm)
	}
	return data
}

// showParams shows confidential parameters as null. A key kept for a revert is not shown at all.
func showParams(conn *world.Connection) map[string]*string {
	params := map[string]*string{}
	for k, v := range conn.Params {
		params[k] = &v
		if isConfidential(conn, k) {
			params[k] = nil
		}
	}
	if conn.Scheme == federation {
		return params
	}
	for k := range conn.Hidden {
		if _, shown := lookup(conn.Params, k); !shown {
			params[k] = nil
		}
	}
	return params
}

func showRefs(refs []*world.ProjectRef) []refJSON {
	shown := make([]refJSON, len(refs))
	for i, r := range refs {
		shown[i].ProjectReference.ID, shown[i].ProjectReference.Name = r.ProjectID, r.ProjectName
		shown[i].Name, shown[i].Description = r.Name, r.Description
	}
	return shown
}

func urlOf(conn *world.Connection) string {
	switch {
	case conn.URL != "":
		return conn.URL
	case strings.EqualFold(conn.Type, typeAzure):
		return resourceManager
	case strings.EqualFold(conn.Type, typeRegistry):
		return "https://" + value(conn.Params, "loginServer")
	}
	return ""
}

func dated(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
