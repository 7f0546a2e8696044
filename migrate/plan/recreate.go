package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// newConnectionID stands for the id that Azure DevOps gives a connection when it is made.
const newConnectionID = "id-of-the-new-connection"

// mostPlaces is how many places a list names before it only counts them.
const mostPlaces = 10

// replaceByHand is what a person does to put a new connection in the place of one that cannot be converted, and how each step is checked: what it signs
// in as, what must be trusted, the permissions and checks to copy, and every place that names it (Microsoft Learn: "Automate service connections", a
// connection with workload identity federation for an application or a managed identity that exists already; "Define approvals and checks").
func (p *planner) replaceByHand(c *connection, how, client string, tenant inventory.TenantID, trust func(subject.Subject) string) []string {
	next := []string{
		fmt.Sprintf("make a new connection in %s under a new name, such as %s-wif: %s, workload identity federation, client id %s, tenant %s; do not let it grant access to all pipelines", c.place(), c.Name, how, client, tenant),
	}
	if c.organizationID != "" {
		next = append(next, trust(subject.ConnectionSubject(tenant, c.organizationID, newConnectionID)))
	}
	next = append(next, "check that Verify in the new connection's overview succeeds; its issuer and subject must be those that are trusted, to the letter")
	next = append(next, p.permissionsByHand(c)...)
	for _, k := range c.Checks {
		next = append(next, fmt.Sprintf("add its check in project %s to the new connection: %s", k.Project, k.Type))
	}
	next = append(next, fmt.Sprintf("give who has a role on %s the same role on the new connection: Project settings, Service connections, Security, User permissions, Project (in %s) and Organization", c.Name, strings.Join(projectNames(c), ", ")))
	next = append(next, p.namesByHand(c)...)
	if len(c.Projects) > 1 {
		next = append(next, "share the new connection with the same projects: "+strings.Join(projectNames(c), ", "))
	}
	return append(next, fmt.Sprintf("run each of these once; when scan shows that nothing names %s any more, delete it (id %s), then scan and plan again: only then its credential is revoked", c.Name, c.ID))
}

// permissionsByHand are the pipeline permissions that the new connection needs.
func (p *planner) permissionsByHand(c *connection) []string {
	var out []string
	for _, perm := range c.Permissions {
		if perm.AllPipelines {
			out = append(out, fmt.Sprintf("open the new connection to all pipelines of project %s, as this one is, or better only to those below", perm.Project))
			continue
		}
		var names []string
		for _, id := range perm.Pipelines {
			names = append(names, p.pipelineName(c, perm.Project, id))
		}
		if len(names) > 0 {
			out = append(out, fmt.Sprintf("permit the new connection in project %s to: %s", perm.Project, strings.Join(names, ", ")))
		}
	}
	return out
}

func (p *planner) pipelineName(c *connection, project string, id int) string {
	for _, q := range p.inv.Pipelines {
		if q.ID == id && q.Project == project && strings.EqualFold(q.Organization, c.Organization) && q.Kind != inventory.UseRelease {
			return cmp.Or(q.Name, fmt.Sprintf("pipeline %d", id))
		}
	}
	return fmt.Sprintf("pipeline %d", id)
}

// namesByHand are the places that have to name the new connection.
func (p *planner) namesByHand(c *connection) []string {
	var places []string
	for _, u := range c.PipelineUses {
		text := "let " + u.Text() + " name the new connection"
		if u.Input != "" {
			text += " (" + u.Input + ")"
		}
		switch {
		case u.Maybe:
			text += ", if it means this one"
		case u.Source != inventory.UseYAML:
			text += ", in its settings (" + strings.ReplaceAll(u.Source, "-", " ") + ")"
		}
		if !slices.Contains(places, text) {
			places = append(places, text)
		}
	}
	if n := len(places) - mostPlaces; n > 0 {
		places = append(places[:mostPlaces], fmt.Sprintf("and %d more: unsecret show %s", n, c.ID))
	}
	if !c.PipelinesKnown {
		places = append(places, "look for other places that name it: not every definition could be read, or some name a connection by an expression (unsecret list gaps)")
	}
	return places
}
