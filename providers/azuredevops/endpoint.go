package azuredevops

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// endpoint is a service connection as the service sends it. Values of data and parameters are strings by
// the description, but one that is not must not lose the whole list.
type endpoint struct {
	ID            string                     `json:"id"`
	Name          string                     `json:"name"`
	Type          string                     `json:"type"`
	URL           string                     `json:"url"`
	Data          map[string]json.RawMessage `json:"data"`
	Authorization *struct {
		Scheme     string                     `json:"scheme"`
		Parameters map[string]json.RawMessage `json:"parameters"`
	} `json:"authorization"`
	Description     string `json:"description"`
	IsReady         *bool  `json:"isReady"`
	IsShared        bool   `json:"isShared"`
	IsDisabled      bool   `json:"isDisabled"`
	IsOutdated      bool   `json:"isOutdated"`
	OperationStatus *struct {
		State         string `json:"state"`
		StatusMessage string `json:"statusMessage"`
	} `json:"operationStatus"`
	References []struct {
		ProjectReference struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"projectReference"`
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"serviceEndpointProjectReferences"`
}

// lookup finds a key whatever its case: azurerm writes tenantid, dockerregistry tenantId.
func lookup(m map[string]json.RawMessage, key string) string {
	raw, ok := m[key]
	if !ok {
		for k, v := range m {
			if strings.EqualFold(k, key) {
				raw = v
				break
			}
		}
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	if t := string(raw); t != "null" && !strings.ContainsAny(t, "{[") {
		return t
	}
	return ""
}

// readable tells whether the caller may see the connection's contents: without rights on it, it comes with
// HTTP 200 but without data or type (terraform-provider-azuredevops, checkServiceConnection).
func (e *endpoint) readable() bool {
	return e.Data != nil && e.Type != "" && e.Authorization != nil
}

func (e *endpoint) connection(organization string) inventory.Connection {
	c := inventory.Connection{
		ID:           inventory.ConnectionID(strings.ToLower(e.ID)),
		Organization: organization,
		Name:         e.Name,
		Type:         e.Type,
		Shared:       e.IsShared || len(e.References) > 1,
		Disabled:     e.IsDisabled,
		Readable:     e.readable(),
		Terraform:    inventory.TerraformManaged(e.Description),
		Projects:     make([]inventory.ConnectionProject, 0, len(e.References)),
	}
	c.Replaces, c.Mark = inventory.ReplacementOf(e.Description)
	for _, r := range e.References {
		c.Terraform = c.Terraform || inventory.TerraformManaged(r.Description)
		if c.Replaces == "" {
			c.Replaces, c.Mark = inventory.ReplacementOf(r.Description)
		}
		c.Projects = append(c.Projects, inventory.ConnectionProject{ID: inventory.ProjectID(r.ProjectReference.ID), Name: r.ProjectReference.Name, As: r.Name})
	}
	e.fillState(&c)
	e.fillData(&c)
	e.fillAuthorization(&c)
	e.fillKind(&c)
	return c
}

func (e *endpoint) fillState(c *inventory.Connection) {
	if e.OperationStatus != nil {
		c.State, c.StateMessage = e.OperationStatus.State, strings.TrimSpace(e.OperationStatus.StatusMessage)
	}
	if e.IsReady != nil {
		c.Ready = *e.IsReady
	} else {
		c.Ready = c.State == "" || strings.EqualFold(c.State, "Ready")
	}
}

func (e *endpoint) fillData(c *inventory.Connection) {
	c.CreationMode = lookup(e.Data, "creationMode")
	c.Cloud = lookup(e.Data, "environment")
	c.SubscriptionID = inventory.SubscriptionID(lookup(e.Data, "subscriptionId"))
	c.ScopeLevel = lookup(e.Data, "scopeLevel")
	c.RevertDeadline = parseTime(lookup(e.Data, "revertSchemeDeadline"))
}

// fillKind fills what tells registries and clusters apart: data.registrytype and data.authorizationType, and the registry's address.
func (e *endpoint) fillKind(c *inventory.Connection) {
	c.Outdated = e.IsOutdated
	switch {
	case strings.EqualFold(c.Type, "dockerregistry"):
		c.Variant = lookup(e.Data, "registrytype")
		c.LoginServer = e.registry()
	case strings.EqualFold(c.Type, "kubernetes"):
		c.Variant = lookup(e.Data, "authorizationType")
	}
}

// registry is a registry's host: ACR's loginServer, or that of the address that others have.
func (e *endpoint) registry() string {
	address := e.URL
	if e.Authorization != nil {
		if server := lookup(e.Authorization.Parameters, "loginServer"); server != "" {
			return server
		}
		if r := lookup(e.Authorization.Parameters, "registry"); r != "" {
			address = r
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

func (e *endpoint) fillAuthorization(c *inventory.Connection) {
	if e.Authorization == nil {
		return
	}
	p := e.Authorization.Parameters
	c.Scheme = e.Authorization.Scheme
	c.TenantID = inventory.TenantID(strings.ToLower(lookup(p, "tenantid")))
	c.AppID = inventory.AppID(strings.ToLower(lookup(p, "serviceprincipalid")))
	c.AuthenticationType = lookup(p, "authenticationType")
	// Old connections lack authenticationType; a key is what they hold (terraform-provider-azuredevops reads
	// spnKey as the default).
	if c.AuthenticationType == "" && c.Scheme == inventory.SchemeServicePrincipal && c.Readable {
		c.AuthenticationType = "spnKey"
	}
	c.Issuer = lookup(p, "workloadIdentityFederationIssuer")
	c.Subject = lookup(p, "workloadIdentityFederationSubject")
}

// parseTime reads the forms in which the service writes times inside strings; an unreadable one is zero.
func parseTime(text string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "01/02/2006 15:04:05", "1/2/2006 3:04:05 PM"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// origin gives the project that a connection was made in: the first of its references
// (Microsoft's own conversion script on Microsoft Learn, "Connect to Azure", reads it so).
func origin(c inventory.Connection) (inventory.ProjectID, error) {
	if len(c.Projects) == 0 || c.Projects[0].ID == "" {
		return "", fmt.Errorf("connection %q (%s): its project is not known; scan again", c.Name, c.ID)
	}
	return c.Projects[0].ID, nil
}
