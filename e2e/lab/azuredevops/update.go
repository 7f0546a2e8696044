package azuredevops

import (
	"net/http"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// convertOperation is the operation that changes a connection's scheme in place. It is not in the REST reference, but
// in the script that Microsoft publishes (Microsoft Learn: Connect to Azure, "Convert multiple service connections").
const convertOperation = "ConvertAuthenticationScheme"

func (c *call) updateEndpoint() (answer, error) {
	conn, err := c.administered(c.vars["id"])
	if err != nil {
		return answer{}, err
	}
	in, err := decode[endpointInput](c.body)
	if err != nil {
		return answer{}, err
	}
	if err := c.update(conn, in, c.query("operation")); err != nil {
		return answer{}, err
	}
	return ok(c.show(conn)), nil
}

// updateEndpoints changes several connections; it knows no operation.
func (c *call) updateEndpoints() (answer, error) {
	in, err := decode[[]endpointInput](c.body)
	if err != nil {
		return answer{}, err
	}
	conns := make([]*world.Connection, len(in))
	for i, e := range in {
		if conns[i], err = c.administered(e.ID); err != nil {
			return answer{}, err
		}
	}
	shown := make([]endpointJSON, len(in))
	for i, e := range in {
		if err := c.update(conns[i], e, ""); err != nil {
			return answer{}, err
		}
		shown[i] = c.show(conns[i])
	}
	return list(shown), nil
}

// update changes a connection, or fails and leaves it as it is.
func (c *call) update(conn *world.Connection, in endpointInput, operation string) error {
	if err := c.check(conn, in); err != nil {
		return err
	}
	var err error
	switch {
	case operation == "":
		if c.w.Knobs.IgnoreDisable {
			in.IsDisabled = nil
		}
		if err = replace(conn, in); err == nil && c.w.Knobs.SaveRenews {
			c.renew(conn)
		}
	case strings.EqualFold(operation, convertOperation):
		err = c.convert(conn, in)
	default:
		err = argument("The operation %s is not supported.", operation)
	}
	if err != nil {
		return err
	}
	applyRefs(conn, in.Refs)
	conn.Modified = c.w.Clock.Now()
	return nil
}

func (c *call) check(conn *world.Connection, in endpointInput) error {
	switch {
	case in.ID != "" && !strings.EqualFold(in.ID, conn.ID):
		return argument("The service connection id %s in the body does not match %s in the path.", in.ID, conn.ID)
	case in.Type != "" && !strings.EqualFold(in.Type, conn.Type):
		return argument("The type of a service connection cannot be changed from %s to %s.", conn.Type, in.Type)
	case conn.BusyScheme != "":
		return connectionError(http.StatusConflict, "Another operation on service connection %s is in progress.", conn.ID)
	case len(in.Refs) == 0:
		return argumentNull("endpoint.ServiceEndpointProjectReferences")
	}
	for _, r := range in.Refs {
		p := findProject(c.org, r.key())
		if p == nil {
			return noProject(r.key())
		}
		if refIn(conn, p.ID) == nil {
			return argument("Service connection %s is not shared with project %s.", conn.ID, p.Name)
		}
		if r.Name != nil && c.taken(p.ID, *r.Name, conn.ID) {
			return duplicate(*r.Name)
		}
	}
	return nil
}

// applyRefs renames and describes the connection per project. Projects that are not named keep what they have.
func applyRefs(conn *world.Connection, in []refInput) {
	for _, r := range in {
		for _, ref := range conn.Refs {
			if !strings.EqualFold(r.key(), ref.ProjectID) && !strings.EqualFold(r.key(), ref.ProjectName) {
				continue
			}
			if r.Name != nil && *r.Name != "" {
				ref.Name = *r.Name
			}
			if r.Description != nil {
				ref.Description = *r.Description
			}
		}
	}
}

// replace is the update without an operation. From federation it leads back to a secret only with a new secret.
func replace(conn *world.Connection, in endpointInput) error {
	scheme := in.scheme()
	switch {
	case scheme == "" || scheme == conn.Scheme:
		in.applyFields(conn)
		if conn.Scheme == federation {
			drop(conn.Params, confidential...)
		}
		return nil
	case scheme == servicePrincipal && conn.Scheme == federation:
		return reseed(conn, in)
	}
	return argument("The authorization scheme of service connection %s cannot be changed from %s to %s by an update; use the operation %s.",
		conn.ID, conn.Scheme, scheme, convertOperation)
}

// reseed puts a new secret or certificate into a connection that has none any more.
func reseed(conn *world.Connection, in endpointInput) error {
	authType := "spnKey"
	switch {
	case in.secret(paramKey) != "":
	case in.secret(paramCertificate) != "":
		authType = "spnCertificate"
	default:
		return argumentNull("endpoint.Authorization.Parameters." + paramKey)
	}
	in.applyFields(conn)
	leaveFederation(conn)
	conn.Scheme = servicePrincipal
	drop(conn.Params, paramAuthType)
	conn.Params[paramAuthType] = authType
	return nil
}

// leaveFederation forgets what a conversion gave the connection.
func leaveFederation(conn *world.Connection) {
	drop(conn.Params, paramIssuer, paramIssuerType, paramSubject)
	conn.BeforeScheme, conn.BeforeParams, conn.RevertUntil = "", nil, time.Time{}
}

// renew gives the application that the service made for a connection another secret, and the connection with it, as saving it in the portal does (Microsoft Learn:
// Troubleshoot Azure Resource Manager service connections, "Automatically created service principal client secret is expired").
func (c *call) renew(conn *world.Connection) {
	_, app := c.appOf(conn)
	if app == nil || conn.Scheme != servicePrincipal || !strings.EqualFold(value(conn.Data, dataCreationMode), automatic) {
		return
	}
	now := c.w.Clock.Now()
	p := &world.AppPassword{KeyID: c.w.NewID(), Value: c.w.NewSecret(), Start: now, End: now.AddDate(2, 0, 0)}
	app.Passwords = append(app.Passwords, p)
	drop(conn.Hidden, paramKey)
	conn.Hidden[paramKey] = p.Value
}
