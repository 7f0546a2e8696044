package azuredevops

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// groupPage is how many variable groups a page has unless the caller says otherwise. The SDK does not give the token of
// the next page back.
const groupPage = 10000

// groupJSON is a variable group. With type AzureKeyVault its provider data names the connection that it uses.
type groupJSON struct {
	ID           int                      `json:"id"`
	Name         string                   `json:"name"`
	Type         string                   `json:"type"`
	IsShared     bool                     `json:"isShared"`
	CreatedOn    time.Time                `json:"createdOn"`
	Variables    map[string]*variableJSON `json:"variables"`
	ProviderData *vaultJSON               `json:"providerData,omitempty"`
}

type vaultJSON struct {
	ServiceEndpointID string    `json:"serviceEndpointId"`
	Vault             string    `json:"vault"`
	LastRefreshedOn   time.Time `json:"lastRefreshedOn"`
}

func (c *call) listGroups() (answer, error) {
	var here []*world.VariableGroup
	for _, g := range c.org.VariableGroups {
		if strings.EqualFold(g.ProjectID, c.project.ID) && (c.query("groupName") == "" || strings.EqualFold(g.Name, c.query("groupName"))) {
			here = append(here, g)
		}
	}
	return paged(c, here, groupPage, c.showGroup)
}

func (c *call) group(id int) *world.VariableGroup {
	for _, g := range c.org.VariableGroups {
		if g.ID == id {
			return g
		}
	}
	return nil
}

func (c *call) showGroup(g *world.VariableGroup) *groupJSON {
	shown := &groupJSON{ID: g.ID, Name: g.Name, Type: "Vsts", CreatedOn: g.Created.UTC(), Variables: showVariables(g.Variables)}
	if g.Vault != "" {
		shown.Type = "AzureKeyVault"
		shown.ProviderData = &vaultJSON{g.ConnectionID, g.Vault, g.Created.UTC()}
		for _, v := range shown.Variables { // the values stay in the vault
			*v = variableJSON{IsSecret: true}
		}
	}
	return shown
}

// resourceEndpoint is what connections are called as resources of pipelines.
const resourceEndpoint = "endpoint"

type resourceJSON struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

type permissionJSON struct {
	ID           int          `json:"id,omitempty"`
	Authorized   bool         `json:"authorized"`
	AuthorizedBy *identityRef `json:"authorizedBy"`
	AuthorizedOn time.Time    `json:"authorizedOn"`
}

// getPermissions tells which pipelines may use a connection. For one that is not open to all, "allPipelines" is missing.
func (c *call) getPermissions() (answer, error) {
	conn := c.resource(c.vars["type"], c.vars["id"])
	if conn == nil {
		return answer{}, notFound(typeNameOfMissing, "Resource %s of type %s does not exist in this project.", c.vars["id"], c.vars["type"])
	}
	shown := map[string]any{"resource": resourceJSON{resourceEndpoint, conn.ID, c.refHere(conn).Name}}
	if openIn(conn, c.project.ID) {
		shown["allPipelines"] = c.permission(conn, 0)
	}
	pipelines := []permissionJSON{}
	for _, id := range conn.Pipelines {
		pipelines = append(pipelines, c.permission(conn, id))
	}
	shown["pipelines"] = pipelines
	return ok(shown), nil
}

func (c *call) permission(conn *world.Connection, id int) permissionJSON {
	return permissionJSON{id, true, personRef(c.org.Name + " administrator"), conn.Created.UTC()}
}

// resource finds the connection that a resource's type and id name in this project.
func (c *call) resource(typ, id string) *world.Connection {
	conn := c.find(id)
	if !strings.EqualFold(typ, resourceEndpoint) || conn == nil || refIn(conn, c.project.ID) == nil {
		return nil
	}
	return conn
}

type checkJSON struct {
	ID       int            `json:"id"`
	Type     checkType      `json:"type"`
	Resource resourceJSON   `json:"resource"`
	Settings map[string]any `json:"settings,omitempty"`
	Timeout  int            `json:"timeout"`
	Disabled bool           `json:"isDisabled,omitempty"`
}

type checkType struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// listChecks lists the checks on one connection, queryChecks those on several.
func (c *call) listChecks() (answer, error) {
	return list(c.checksOn([]resourceJSON{{Type: c.query("resourceType"), ID: c.query("resourceId")}})), nil
}

func (c *call) queryChecks() (answer, error) {
	resources, err := decode[[]resourceJSON](c.body)
	if err != nil {
		return answer{}, err
	}
	return list(c.checksOn(resources)), nil
}

const resourceEnvironment = "environment"

// environmentsOf finds the environment that a resource's type and id name in this project, if it does.
func (c *call) environmentsOf(r resourceJSON) []*world.PipelineEnvironment {
	return slices.DeleteFunc(slices.Clone(c.org.Environments), func(e *world.PipelineEnvironment) bool {
		return !strings.EqualFold(r.Type, resourceEnvironment) || e.ProjectID != c.project.ID || strconv.Itoa(e.ID) != r.ID
	})
}

func (c *call) checksOn(resources []resourceJSON) []checkJSON {
	withSettings := slices.Contains(c.queryList("$expand"), "settings")
	found := []checkJSON{}
	for _, r := range resources {
		for _, e := range c.environmentsOf(r) {
			for _, check := range e.Checks {
				shown := showCheck(check, withSettings)
				shown.Resource = resourceJSON{resourceEnvironment, strconv.Itoa(e.ID), e.Name}
				found = append(found, shown)
			}
		}
		conn := c.resource(r.Type, r.ID)
		if conn == nil {
			continue
		}
		for _, check := range conn.Checks {
			found = append(found, c.showCheck(conn, check, withSettings))
		}
	}
	return found
}
