package azuredevops

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// openIn is whether every pipeline of a project may use a connection.
func openIn(conn *world.Connection, project string) bool {
	return conn.AllPipelines || slices.Contains(conn.OpenIn, project)
}

// setPermissions lets pipelines use a connection, or takes that back.
func (c *call) setPermissions() (answer, error) {
	conn, err := c.administered(c.vars["id"])
	if err != nil {
		return answer{}, err
	}
	in, err := decode[struct {
		All       *permissionJSON  `json:"allPipelines"`
		Pipelines []permissionJSON `json:"pipelines"`
	}](c.body)
	if err != nil {
		return answer{}, err
	}
	if in.All != nil {
		conn.OpenIn = slices.DeleteFunc(conn.OpenIn, func(id string) bool { return id == c.project.ID })
		if in.All.Authorized {
			conn.OpenIn = append(conn.OpenIn, c.project.ID)
		}
	}
	for _, p := range in.Pipelines {
		conn.Pipelines = slices.DeleteFunc(slices.Clone(conn.Pipelines), func(id int) bool { return id == p.ID })
		if p.Authorized {
			conn.Pipelines = append(conn.Pipelines, p.ID)
		}
	}
	return c.getPermissions()
}

func (c *call) showCheck(conn *world.Connection, check *world.Check, settings bool) checkJSON {
	shown := showCheck(check, settings)
	shown.Resource = resourceJSON{resourceEndpoint, conn.ID, c.refHere(conn).Name}
	return shown
}

func showCheck(check *world.Check, settings bool) checkJSON {
	shown := checkJSON{ID: check.ID, Timeout: check.Timeout, Disabled: check.Disabled, Type: checkType{uuid.NewSHA1(uuid.NameSpaceURL, []byte(check.Type)).String(), check.Type}}
	if shown.Timeout == 0 {
		shown.Timeout = 43200
	}
	if settings {
		shown.Settings = check.Settings
	}
	return shown
}

// addCheck puts a check on a connection.
func (c *call) addCheck() (answer, error) {
	in, err := decode[checkJSON](c.body)
	if err != nil {
		return answer{}, err
	}
	conn := c.resource(in.Resource.Type, in.Resource.ID)
	switch {
	case conn == nil:
		return answer{}, notFound(typeNameOfMissing, "Resource %s of type %s does not exist in this project.", in.Resource.ID, in.Resource.Type)
	case in.Type.Name == "":
		return answer{}, argumentNull("checkConfiguration.Type")
	}
	check := &world.Check{ID: int(c.w.NewNumber()), Type: in.Type.Name, Settings: in.Settings, Timeout: in.Timeout, Disabled: in.Disabled}
	if c.w.Knobs.ChecksGrow {
		check.Settings = maps.Clone(check.Settings)
		if check.Settings == nil {
			check.Settings = map[string]any{}
		}
		check.Settings["schemaVersion"] = 2
	}
	conn.Checks = append(conn.Checks, check)
	return ok(c.showCheck(conn, check, true)), nil
}

// assignmentJSON is one role on a connection, in the form of Microsoft's own clients.
type assignmentJSON struct {
	Identity          identityRef `json:"identity"`
	Role              roleJSON    `json:"role"`
	Access            string      `json:"access"`
	AccessDisplayName string      `json:"accessDisplayName"`
}

type roleJSON struct {
	DisplayName string `json:"displayName"`
	Name        string `json:"name"`
	Identifier  string `json:"identifier"`
	Scope       string `json:"scope"`
}

// The scopes of roles on a connection: in one project, and in the whole organisation.
const (
	endpointRoles     = "distributedtask.serviceendpointrole"
	wideEndpointRoles = "distributedtask.collection.serviceendpointrole"
)

// creator is the role of whoever makes a connection on it.
func (c *call) creator() *world.ConnectionRole {
	return &world.ConnectionRole{Identity: personID(c.token.Login), Name: c.token.Login, Role: "Administrator"}
}

// rolesOf finds the connection and the project that a resource of roles names: {project id}_{connection id}, or collection_{connection id} for those in the whole organisation,
// which are of no project.
func (c *call) rolesOf() (*world.Connection, *world.Project, error) {
	project, id, _ := strings.Cut(c.vars["resource"], "_")
	conn, p := c.find(id), findProject(c.org, project)
	wide := strings.EqualFold(c.vars["scope"], wideEndpointRoles) && project == "collection" && c.w.Knobs.OrganizationRoles != world.RolesRefused
	narrow := strings.EqualFold(c.vars["scope"], endpointRoles) && conn != nil && p != nil && refIn(conn, p.ID) != nil
	switch {
	case wide && conn != nil:
		return conn, nil, nil
	case narrow:
		return conn, p, nil
	}
	return nil, nil, notFound(typeNameOfMissing, "The resource %s of scope %s does not exist.", c.vars["resource"], c.vars["scope"])
}

func (c *call) listRoles() (answer, error) {
	conn, p, err := c.rolesOf()
	if err != nil {
		return answer{}, err
	}
	return list(c.showRoles(conn, p)), nil
}

func (c *call) showRoles(conn *world.Connection, p *world.Project) []assignmentJSON {
	shown, scope := []assignmentJSON{}, endpointRoles
	add := func(r *world.ConnectionRole, access string) {
		shown = append(shown, assignmentJSON{identityRef{ID: r.Identity, DisplayName: r.Name}, roleJSON{r.Role, r.Role, scope + "." + r.Role, scope}, access, strings.ToUpper(access[:1]) + access[1:]})
	}
	if p == nil {
		scope = wideEndpointRoles
		for _, r := range conn.WideRoles {
			if c.w.Knobs.OrganizationRoles != world.RolesHidden {
				add(r, "assigned")
			}
		}
		return shown
	}
	for _, r := range conn.Roles[p.ID] {
		add(r, "assigned")
	}
	if !slices.Contains(conn.Alone, p.ID) {
		add(&world.ConnectionRole{Identity: personID(p.Name), Name: `[` + p.Name + `]\Endpoint Administrators`, Role: "Administrator"}, "inherited")
	}
	return shown
}

func (c *call) setRoles() (answer, error) {
	conn, p, err := c.rolesOf()
	if err != nil {
		return answer{}, err
	}
	in, err := decode[[]struct {
		UserID   string `json:"userId"`
		RoleName string `json:"roleName"`
	}](c.body)
	if err != nil {
		return answer{}, err
	}
	if p == nil && c.w.Knobs.OrganizationRoles == world.RolesReadOnly {
		return answer{}, forbidden("You do not have permissions to set roles in scope %s.", wideEndpointRoles)
	}
	have := conn.WideRoles
	if p != nil {
		have = conn.Roles[p.ID]
	}
	for _, r := range in {
		if !slices.Contains([]string{"Administrator", "User", "Reader", "Creator"}, r.RoleName) || r.UserID == "" {
			return answer{}, argument("The role %s is not defined in scope %s.", r.RoleName, c.vars["scope"])
		}
		have = append(slices.DeleteFunc(slices.Clone(have), func(o *world.ConnectionRole) bool { return strings.EqualFold(o.Identity, r.UserID) }),
			&world.ConnectionRole{Identity: r.UserID, Name: r.UserID, Role: r.RoleName})
	}
	if p == nil {
		conn.WideRoles = have
		return list(c.showRoles(conn, p)), nil
	}
	roles := maps.Clone(conn.Roles)
	if roles == nil {
		roles = map[string][]*world.ConnectionRole{}
	}
	roles[p.ID] = have
	conn.Roles = roles
	return list(c.showRoles(conn, p)), nil
}

// changeInheritance says whether the project's roles hold for a connection.
func (c *call) changeInheritance() (answer, error) {
	conn, p, err := c.rolesOf()
	if err != nil {
		return answer{}, err
	}
	if p == nil {
		return answer{}, argument("Roles of scope %s inherit none.", c.vars["scope"])
	}
	conn.Alone = slices.DeleteFunc(slices.Clone(conn.Alone), func(id string) bool { return id == p.ID })
	if strings.EqualFold(c.query("inheritPermissions"), "false") {
		conn.Alone = append(conn.Alone, p.ID)
	}
	return answer{status: http.StatusNoContent}, nil
}
