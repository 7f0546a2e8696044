package azuredevops

import (
	"net/http"
	"slices"
	"sort"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// listEndpoints answers both the list of a project and the search by names. It is not paged. What is not ready is
// left out unless it is asked for.
func (c *call) listEndpoints() (answer, error) {
	keep := c.filter()
	var found []endpointJSON
	for _, conn := range c.connectionsHere() {
		if keep(conn) {
			found = append(found, c.show(conn))
		}
	}
	return list(found), nil
}

// connectionsHere are the project's connections, by name; each is brought up to date first.
func (c *call) connectionsHere() []*world.Connection {
	var here []*world.Connection
	for _, conn := range c.org.Connections {
		if !conn.Deleted && refIn(conn, c.project.ID) != nil {
			c.settle(conn)
			here = append(here, conn)
		}
	}
	sort.Slice(here, func(i, j int) bool {
		a, b := c.refHere(here[i]).Name, c.refHere(here[j]).Name
		return a < b || a == b && here[i].ID < here[j].ID
	})
	return here
}

func (c *call) filter() func(*world.Connection) bool {
	typ, owner := c.query("type"), c.query("owner")
	ids, names, schemes := c.queryList("endpointIds"), c.queryList("endpointNames"), c.queryList("authSchemes")
	includeFailed := strings.EqualFold(c.query("includeFailed"), "true")
	return func(conn *world.Connection) bool {
		return (includeFailed || isReady(conn)) &&
			(typ == "" || strings.EqualFold(typ, conn.Type)) &&
			(owner == "" || strings.EqualFold(owner, c.show(conn).Owner)) &&
			anyOf(ids, conn.ID) && anyOf(schemes, conn.Scheme) && anyOf(names, c.refHere(conn).Name)
	}
}

// anyOf is whether the value is among those wanted; none wanted means any.
func anyOf(wanted []string, v string) bool {
	return len(wanted) == 0 || slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(w, v) })
}

// getEndpoint answers null with 200 for what does not exist here (MicrosoftDocs/vsts-rest-api-specs#285).
func (c *call) getEndpoint() (answer, error) {
	conn := c.find(c.vars["id"])
	if conn == nil || refIn(conn, c.project.ID) == nil {
		return ok(nil), nil
	}
	return ok(c.show(conn)), nil
}

// find gives a connection of the organisation, brought up to date, or nil.
func (c *call) find(id string) *world.Connection {
	for _, conn := range c.org.Connections {
		if strings.EqualFold(conn.ID, id) && !conn.Deleted {
			c.settle(conn)
			return conn
		}
	}
	return nil
}

// administered finds a connection that the caller may change.
func (c *call) administered(id string) (*world.Connection, error) {
	conn := c.find(id)
	if conn == nil || c.project != nil && refIn(conn, c.project.ID) == nil {
		return nil, notFound(typeNameOfMissing, "Service connection with id %s does not exist, or you do not have access to it.", id)
	}
	if conn.Unreadable {
		return nil, forbidden("You do not have permissions to perform this operation on the service connection. An Endpoint " +
			"Administrator should add you to the Endpoint Administrators group of this service connection.")
	}
	return conn, nil
}

func (c *call) createEndpoint() (answer, error) {
	in, err := decode[endpointInput](c.body)
	if err != nil {
		return answer{}, err
	}
	refs, err := c.newRefs(in.Refs, "")
	if err != nil {
		return answer{}, err
	}
	if in.Type == "" || in.Authorization == nil || in.Authorization.Scheme == "" {
		return answer{}, argumentNull("endpoint.Type, endpoint.Authorization.Scheme")
	}
	now := c.w.Clock.Now()
	conn := &world.Connection{ID: c.w.NewID(), Type: in.Type, URL: in.URL, Owner: in.Owner, Refs: refs, Created: now,
		Data: map[string]string{}, Params: map[string]string{}, Hidden: map[string]string{}}
	in.applyFields(conn)
	if in.Authorization.Scheme == federation {
		if text := c.w.Knobs.RefuseCreate; text != "" {
			return answer{}, argument("%s", text)
		}
		if err := c.federate(conn); err != nil {
			return answer{}, err
		}
	} else {
		conn.Scheme = in.Authorization.Scheme
	}
	conn.Modified = now
	if wait := c.w.Knobs.CreateAsync; wait > 0 {
		conn.NotReady, conn.OpState, conn.BusyUntil = true, stateInProgress, now.Add(wait)
	}
	conn.Roles, conn.WideRoles = map[string][]*world.ConnectionRole{}, []*world.ConnectionRole{c.creator()}
	for _, r := range refs {
		conn.Roles[r.ProjectID] = []*world.ConnectionRole{c.creator()}
	}
	if c.org.Connections == nil {
		c.org.Connections = map[string]*world.Connection{}
	}
	c.org.Connections[conn.ID] = conn
	return ok(c.show(conn)), nil
}

// federate gives a new connection its issuer and subject. The service makes applications by itself only on behalf of a
// user whom it can act for, which a program is not.
func (c *call) federate(conn *world.Connection) error {
	if strings.EqualFold(value(conn.Data, dataCreationMode), automatic) {
		return c.silentFailure()
	}
	trust, err := c.trustOf(conn)
	if err != nil {
		return err
	}
	trust.setOn(conn)
	return nil
}

// shareEndpoint makes a connection visible in more projects.
func (c *call) shareEndpoint() (answer, error) {
	conn, err := c.administered(c.vars["id"])
	if err != nil {
		return answer{}, err
	}
	in, err := decode[[]refInput](c.body)
	if err != nil {
		return answer{}, err
	}
	in = slices.DeleteFunc(in, func(r refInput) bool {
		p := findProject(c.org, r.key())
		return p != nil && refIn(conn, p.ID) != nil
	})
	if len(in) == 0 {
		return noContent(), nil
	}
	refs, err := c.newRefs(in, conn.ID)
	if err != nil {
		return answer{}, err
	}
	conn.Refs = append(conn.Refs, refs...)
	conn.Modified = c.w.Clock.Now()
	return noContent(), nil
}

// newRefs checks the projects that a connection is to be visible in, and that its name is free there.
func (c *call) newRefs(in []refInput, id string) ([]*world.ProjectRef, error) {
	if len(in) == 0 {
		return nil, argumentNull("endpoint.ServiceEndpointProjectReferences")
	}
	refs := make([]*world.ProjectRef, 0, len(in))
	for _, r := range in {
		p := findProject(c.org, r.key())
		if p == nil {
			return nil, noProject(r.key())
		}
		if r.Name == nil || *r.Name == "" {
			return nil, argumentNull("endpoint.ServiceEndpointProjectReferences.Name")
		}
		if c.taken(p.ID, *r.Name, id) {
			return nil, duplicate(*r.Name)
		}
		ref := &world.ProjectRef{ProjectID: p.ID, ProjectName: p.Name, Name: *r.Name}
		if r.Description != nil {
			ref.Description = *r.Description
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// taken is whether another connection has this name in the project.
func (c *call) taken(projectID, name, exceptID string) bool {
	for _, conn := range c.org.Connections {
		r := refIn(conn, projectID)
		if !conn.Deleted && conn.ID != exceptID && r != nil && strings.EqualFold(r.Name, name) {
			return true
		}
	}
	return false
}

func duplicate(name string) error {
	return &apiError{http.StatusConflict, "Service connection with name " + name + " already exists. Only a user having " +
		"Administrator/User role permissions on service connection " + name + " can see it.",
		"Microsoft.VisualStudio.Services.ServiceEndpoints.WebApi.DuplicateServiceConnectionException, " +
			"Microsoft.VisualStudio.Services.ServiceEndpoints.WebApi", eventFramework}
}

// deleteEndpoint takes a connection out of projects. Out of the last one it is deleted, and with deep=true the
// application that the service itself made for it is deleted too.
func (c *call) deleteEndpoint() (answer, error) {
	conn, err := c.administered(c.vars["id"])
	if err != nil {
		return answer{}, err
	}
	projects := c.queryList("projectIds")
	if len(projects) == 0 {
		return answer{}, argumentNull("projectIds")
	}
	conn.Refs = slices.DeleteFunc(conn.Refs, func(r *world.ProjectRef) bool { return anyOf(projects, r.ProjectID) })
	conn.Modified = c.w.Clock.Now()
	if len(conn.Refs) > 0 {
		return noContent(), nil
	}
	conn.Deleted = true
	if strings.EqualFold(c.query("deep"), "true") && strings.EqualFold(value(conn.Data, dataCreationMode), automatic) {
		if tenant, app := c.appOf(conn); app != nil {
			delete(tenant.Apps, app.ObjectID)
		}
	}
	return noContent(), nil
}
