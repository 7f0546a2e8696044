package azuredevops

import (
	"context"
	"maps"
	"net/url"
	"strconv"

	"github.com/unsecret-dev/unsecret/migrate/doctor"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

var _ doctor.Prober = (*Client)(nil)

// probedProjects is in how many projects a probe looks whether connections come with their data.
const probedProjects = 10

// Probe implements doctor.Prober: who is signed in, whether projects are seen, whether connections come with data, and repositories.
func (c *Client) Probe(ctx context.Context) doctor.Source {
	s := doctor.Source{Kind: inventory.SourceAzureDevOps, Name: c.organization, URL: c.url}
	data := c.ask(ctx, "/_apis/connectionData")
	s.Skew = data.Skew
	first := data.Answer(doctor.CheckOrganization, "organisation "+c.organization)
	var who struct {
		User struct {
			Name string `json:"providerDisplayName"`
		} `json:"authenticatedUser"`
	}
	if data.Decode(&who) {
		first.Facts[doctor.FactCaller] = who.User.Name
	}
	s.Answers = append(s.Answers, first)
	if !first.OK() {
		return s
	}
	projects := c.ask(ctx, "/_apis/projects?api-version=7.1&$top="+strconv.Itoa(probedProjects))
	answer := projects.Answer(doctor.CheckProjects, "projects of "+c.organization)
	var list struct {
		Value []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"value"`
	}
	if projects.Decode(&list) {
		answer.Facts[doctor.FactSeen] = strconv.Itoa(len(list.Value))
	}
	s.Answers = append(s.Answers, answer)
	if len(list.Value) > 0 {
		connections, readable := doctor.Answer{}, map[inventory.ConnectionID]bool{}
		for _, p := range list.Value {
			if connections = c.probeConnections(ctx, p.ID, p.Name, readable); !connections.OK() {
				break
			}
		}
		if connections.OK() { // the role is given for each connection: one that hides its data is not made good by the others
			connections.Object = "service connections of " + c.organization
			connections.Facts[doctor.FactSeen] = strconv.Itoa(len(readable))
			maps.DeleteFunc(readable, func(_ inventory.ConnectionID, with bool) bool { return !with })
			connections.Facts[doctor.FactReadable] = strconv.Itoa(len(readable))
		}
		s.Answers = append(s.Answers, connections)
		pipelines := c.probePipelines(ctx, list.Value[0].ID, list.Value[0].Name)
		if pipelines.OK() {
			if pools := c.ask(ctx, "/_apis/distributedtask/pools?$top=1&api-version=7.1-preview.1").Answer(doctor.CheckRepositories, "agent pools"); !pools.OK() {
				pipelines = pools
			}
		}
		s.Answers = append(s.Answers, pipelines)
	}
	return s
}

// pipelineProbes are what pipelines are made of, each with a read of its own permission.
var pipelineProbes = []struct{ what, path string }{
	{"build definitions", "/_apis/build/definitions?$top=1&api-version=7.1"},
	{"repositories", "/_apis/git/repositories?api-version=7.1"},
	{"variable groups", "/_apis/distributedtask/variablegroups?$top=1&api-version=7.1-preview.2"},
	{"task groups", "/_apis/distributedtask/taskgroups?$top=1&api-version=7.1-preview.1"},
	{"secure files", "/_apis/distributedtask/securefiles?api-version=7.1-preview.1"},
	{"environments", "/_apis/distributedtask/environments?$top=1&api-version=7.1-preview.1"},
}

// probePipelines asks for what pipelines of a project are made of, up to the first refusal. Classic releases are left out: an organisation
// can have them switched off.
func (c *Client) probePipelines(ctx context.Context, id, name string) doctor.Answer {
	var answer doctor.Answer
	for _, p := range pipelineProbes {
		answer = c.ask(ctx, "/"+url.PathEscape(id)+p.path).Answer(doctor.CheckRepositories, p.what+" of project "+name)
		if !answer.OK() {
			return answer
		}
	}
	answer.Object = "pipelines of project " + name
	return answer
}

// probeConnections asks for the connections of a project, and notes which of them came with their data. A shared one comes in several projects.
func (c *Client) probeConnections(ctx context.Context, id, name string, readable map[inventory.ConnectionID]bool) doctor.Answer {
	reply := c.ask(ctx, "/"+url.PathEscape(id)+"/_apis/serviceendpoint/endpoints?includeFailed=true&api-version=7.1")
	answer := reply.Answer(doctor.CheckConnections, "service connections of project "+name)
	var list struct {
		Value []endpoint `json:"value"`
	}
	if reply.Decode(&list) {
		for i := range list.Value {
			found := list.Value[i].connection(c.organization)
			readable[found.ID] = readable[found.ID] || found.Readable
		}
	}
	return answer
}

func (c *Client) ask(ctx context.Context, path string) transport.Reply {
	return transport.Ask(ctx, c.http, c.url+path, nil)
}
