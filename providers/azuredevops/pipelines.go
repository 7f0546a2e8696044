package azuredevops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	sdk "github.com/microsoft/azure-devops-go-api/azuredevops/v7"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/pipeline"
	"github.com/unsecret-dev/unsecret/migrate/scan"
)

// The routes of pipelines. They are called without the SDK's structures: those take a continuation token for variable groups and task groups
// and do not give the next one back, and decode a definition's process as anything.
var (
	buildDefinitions    = uuid.MustParse("dbeaf647-6167-421a-bda9-c9327b25e2e6")
	releaseDefinitions  = uuid.MustParse("d8f96f24-8ea7-4cb6-baab-2df8fc515665")
	taskGroups          = uuid.MustParse("6c08ffbf-dbf1-4f9a-94e5-a1cbd47005e7")
	variableGroups      = uuid.MustParse("f5b09dd5-9d54-45a1-8b5a-1c8287d634cc")
	environments        = uuid.MustParse("8572b1fc-2482-47fa-8f74-7e3ed53ee54b")
	kubernetesResource  = uuid.MustParse("73fba52f-15ab-42b3-a538-ce67a9223a04")
	secureFiles         = uuid.MustParse("adcfd8bc-b184-43ba-bd84-7c8c6a2ff421")
	agentPools          = uuid.MustParse("a8c47e17-4d56-4a56-92bb-de7ea7dc65be")
	elasticPools        = uuid.MustParse("dd3c938f-835b-4971-b99a-db75a47aad43")
	poolAgents          = uuid.MustParse("e298ef32-5878-4cab-993c-043836571f42")
	permissionsOf       = uuid.MustParse("b5b9a4a4-e6cd-4096-853c-ab7d8b0c4eb2")
	checkQuery          = uuid.MustParse("5f3d0e64-f943-4584-8811-77eb495e831e")
	checkConfigurations = uuid.MustParse("86c8381e-5aee-4cde-8ae4-25c0c7f5eaea")
	// securityRoles are in the reference, but in none of its API descriptions; the id is that of Microsoft's own clients.
	securityRoles = uuid.MustParse("9461c234-c84c-4ed2-b918-2f0f92ad0a35")
)

const (
	preview           = "7.1-preview.1"
	definitionVersion = "7.1-preview.7"
	releaseVersion    = "7.1-preview.4"
	groupVersion      = "7.1-preview.2"
	definitionPage    = 200 // with includeAllProperties a page of the default thousand is tens of megabytes
	checkBatch        = 100
)

// releaseClient is the client of classic releases, which Azure DevOps Services have on a host of their own
// (Azure DevOps Services REST API: Release definitions, vsrm.dev.azure.com).
func releaseClient(base string, shared *sdk.Client, hc *http.Client) *sdk.Client {
	other := ReleaseURL(base)
	if other == base {
		return shared
	}
	return sdk.NewClientWithOptions(&sdk.Connection{BaseUrl: other, SuppressFedAuthRedirect: true}, other, sdk.WithHTTPClient(hc))
}

// ReleaseURL gives the address of classic releases for an organisation's address: the same one, except on Azure DevOps Services.
func ReleaseURL(base string) string {
	u, err := url.Parse(base)
	if err != nil || !strings.EqualFold(u.Host, "dev.azure.com") {
		return base
	}
	u.Host = "vsrm.dev.azure.com"
	return u.String()
}

// list reads all pages of a list and hands on each value. The token of the next page is in a header.
func (c *Client) list(ctx context.Context, r call, client *sdk.Client, yield func(json.RawMessage) error) error {
	var undecoded []error
	for token := ""; ; {
		query := url.Values{}
		for k, v := range r.query {
			query[k] = v
		}
		if token != "" {
			query.Set("continuationToken", token)
		}
		var page struct {
			Value []json.RawMessage `json:"value"`
		}
		next, err := c.sendTo(ctx, client, call{method: r.method, location: r.location, version: r.version, route: r.route, query: query}, &page)
		if err != nil {
			return errors.Join(append(undecoded, err)...)
		}
		for _, value := range page.Value {
			if err := yield(value); errors.As(err, new(*undecodable)) {
				undecoded = append(undecoded, err)
			} else if err != nil {
				return err
			}
		}
		if next == "" || next == token || len(page.Value) == 0 {
			return errors.Join(undecoded...)
		}
		token = next
	}
}

// sendTo is send for another of the organisation's hosts, and gives the continuation token.
func (c *Client) sendTo(ctx context.Context, client *sdk.Client, r call, v any) (next string, err error) {
	response, err := client.Send(ctx, r.method, r.location, r.version, r.route, r.query, nil, "", sdk.MediaTypeApplicationJson, nil)
	if err != nil {
		return "", classify(err, r.method != http.MethodGet)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(v); err != nil {
		return "", fmt.Errorf("the answer is not the JSON that was expected: %w", err)
	}
	return response.Header.Get("X-MS-ContinuationToken"), nil
}

// undecodable is one value of a list that is not as described. The others stand.
type undecodable struct{ err error }

func (e *undecodable) Error() string { return e.err.Error() }
func (e *undecodable) Unwrap() error { return e.err }

func decodeValue[T any](what string, raw json.RawMessage) (T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		var named struct {
			ID   json.RawMessage `json:"id"`
			Name string          `json:"name"`
		}
		_ = json.Unmarshal(raw, &named) // as far as it goes
		return v, &undecodable{fmt.Errorf("%s %q (%s) is not as described: %w", what, named.Name, named.ID, err)}
	}
	return v, nil
}

// doing puts what was read before an error, for a reader.
func (c *Client) doing(project scan.Project, what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("azure devops %s/%s: reading its %s: %w", c.organization, project.Name, what, err)
}

func inProject(p scan.Project) map[string]string { return map[string]string{"project": string(p.ID)} }

func (c *Client) get(location uuid.UUID, version string, route map[string]string, query url.Values) call {
	return call{method: http.MethodGet, location: location, version: version, route: route, query: query}
}

// Definitions implements scan.AzurePipelines.
func (c *Client) Definitions(ctx context.Context, project scan.Project, yield func(pipeline.BuildDefinition) error) error {
	r := c.get(buildDefinitions, definitionVersion, inProject(project), url.Values{"includeAllProperties": {"true"}, "$top": {strconv.Itoa(definitionPage)}})
	return c.doing(project, "build definitions", c.list(ctx, r, &c.endpoints.Client, func(raw json.RawMessage) error {
		d, err := decodeValue[pipeline.BuildDefinition]("build definition", raw)
		if err != nil {
			return err
		}
		if d.Process.Type != 2 && len(d.Process.Phases) == 0 {
			if d, err = c.definition(ctx, project, d); err != nil {
				return err
			}
		}
		return yield(d)
	}))
}

// definition reads one definition afresh, for where a list came without the phases of a designer process.
func (c *Client) definition(ctx context.Context, project scan.Project, d pipeline.BuildDefinition) (pipeline.BuildDefinition, error) {
	route := inProject(project)
	route["definitionId"] = strconv.Itoa(d.ID)
	var full pipeline.BuildDefinition
	if err := c.send(ctx, c.get(buildDefinitions, definitionVersion, route, nil), &full); err != nil {
		return d, &undecodable{fmt.Errorf("build definition %q (%d): %w", d.Name, d.ID, err)}
	}
	return full, nil
}

// Releases implements scan.AzurePipelines. A list tells the stages but not what they do, so each definition is read by itself.
func (c *Client) Releases(ctx context.Context, project scan.Project, known func(id, revision int) bool, yield func(pipeline.ReleaseDefinition) error) error {
	r := c.get(releaseDefinitions, releaseVersion, inProject(project), nil)
	return c.doing(project, "release definitions", c.list(ctx, r, c.releases, func(raw json.RawMessage) error {
		ref, err := decodeValue[struct {
			ID       int    `json:"id"`
			Name     string `json:"name"`
			Revision int    `json:"revision"`
		}]("release definition", raw)
		if err != nil || known(ref.ID, ref.Revision) {
			return err
		}
		route := inProject(project)
		route["definitionId"] = strconv.Itoa(ref.ID)
		var full json.RawMessage
		if _, err := c.sendTo(ctx, c.releases, c.get(releaseDefinitions, releaseVersion, route, nil), &full); err != nil {
			return &undecodable{fmt.Errorf("release definition %q (%d): %w", ref.Name, ref.ID, err)}
		}
		d, err := decodeValue[pipeline.ReleaseDefinition]("release definition", full)
		if err != nil {
			return err
		}
		return yield(d)
	}))
}

// TaskGroups implements scan.AzurePipelines.
func (c *Client) TaskGroups(ctx context.Context, project scan.Project) ([]pipeline.TaskGroup, error) {
	return collect[pipeline.TaskGroup](ctx, c, project, "task groups", c.get(taskGroups, preview, inProject(project), nil))
}

// VariableGroups implements scan.AzurePipelines.
func (c *Client) VariableGroups(ctx context.Context, project scan.Project) ([]pipeline.VariableGroup, error) {
	return collect[pipeline.VariableGroup](ctx, c, project, "variable groups", c.get(variableGroups, groupVersion, inProject(project), nil))
}

// collect reads a list as a whole.
func collect[T any](ctx context.Context, c *Client, project scan.Project, what string, r call) ([]T, error) {
	var out []T
	err := c.list(ctx, r, &c.endpoints.Client, func(raw json.RawMessage) error {
		v, err := decodeValue[T](strings.TrimSuffix(what, "s"), raw)
		if err == nil {
			out = append(out, v)
		}
		return err
	})
	return out, c.doing(project, what, err)
}

// SecureFiles implements scan.AzurePipelines.
func (c *Client) SecureFiles(ctx context.Context, project scan.Project) ([]string, error) {
	type file struct {
		Name string `json:"name"`
	}
	files, err := collect[file](ctx, c, project, "secure files", c.get(secureFiles, preview, inProject(project), nil))
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	return names, err
}

// Environments implements scan.AzurePipelines. Only an environment read by itself tells its resources, and only a cluster's resource its connection.
func (c *Client) Environments(ctx context.Context, project scan.Project) ([]scan.EnvironmentResource, error) {
	type environment struct {
		ID        int    `json:"id"`
		Name      string `json:"name"`
		Resources []struct {
			ID   int    `json:"id"`
			Name string `json:"name"`
			Type string `json:"type"`
		} `json:"resources"`
	}
	list, err := collect[environment](ctx, c, project, "environments", c.get(environments, preview, inProject(project), nil))
	if err != nil {
		return nil, err
	}
	var out []scan.EnvironmentResource
	names := map[string]string{}
	for _, e := range list {
		names[strconv.Itoa(e.ID)] = e.Name
	}
	err = c.checks(ctx, project, "environment", slices.Sorted(maps.Keys(names)), func(resource string, check inventory.ConnectionCheck) {
		for _, id := range check.Uses {
			out = append(out, scan.EnvironmentResource{Environment: names[resource], Name: check.Type, Connection: id, Check: true})
		}
	})
	if err != nil {
		return nil, c.doing(project, "checks on environments", err)
	}
	for _, e := range list {
		route := inProject(project)
		route["environmentId"] = strconv.Itoa(e.ID)
		if err := c.send(ctx, c.get(environments, preview, route, url.Values{"expands": {"resourceReferences"}}), &e); err != nil {
			return out, c.doing(project, "environment "+e.Name, err)
		}
		for _, r := range e.Resources {
			if !strings.EqualFold(r.Type, "kubernetes") {
				continue
			}
			route["resourceId"] = strconv.Itoa(r.ID)
			var k struct {
				Endpoint string `json:"serviceEndpointId"`
			}
			if err := c.send(ctx, c.get(kubernetesResource, preview, route, nil), &k); err != nil {
				return out, c.doing(project, "environment "+e.Name, err)
			}
			out = append(out, scan.EnvironmentResource{Environment: e.Name, Name: r.Name, Connection: inventory.ConnectionID(strings.ToLower(k.Endpoint))})
		}
	}
	return out, nil
}

// Permissions implements scan.AzurePipelines. allPipelines is missing for a connection that is not open to all.
func (c *Client) Permissions(ctx context.Context, project scan.Project, id inventory.ConnectionID) (inventory.ConnectionPermission, error) {
	route := inProject(project)
	route["resourceType"], route["resourceId"] = "endpoint", string(id)
	var answer struct {
		All *struct {
			Authorized bool `json:"authorized"`
		} `json:"allPipelines"`
		Pipelines []struct {
			ID         int  `json:"id"`
			Authorized bool `json:"authorized"`
		} `json:"pipelines"`
	}
	p := inventory.ConnectionPermission{Project: project.Name}
	if err := c.send(ctx, c.get(permissionsOf, preview, route, nil), &answer); err != nil {
		return p, c.doing(project, "pipeline permissions of connection "+string(id), err)
	}
	p.AllPipelines = answer.All != nil && answer.All.Authorized
	for _, q := range answer.Pipelines {
		if q.Authorized {
			p.Pipelines = append(p.Pipelines, q.ID)
		}
	}
	return p, nil
}

// Checks implements scan.AzurePipelines.
func (c *Client) Checks(ctx context.Context, project scan.Project, ids []inventory.ConnectionID) (map[inventory.ConnectionID][]inventory.ConnectionCheck, error) {
	out := map[inventory.ConnectionID][]inventory.ConnectionCheck{}
	names := make([]string, 0, len(ids))
	for _, id := range ids {
		names = append(names, string(id))
	}
	err := c.checks(ctx, project, "endpoint", names, func(resource string, check inventory.ConnectionCheck) {
		id := inventory.ConnectionID(strings.ToLower(resource))
		out[id] = append(out[id], check)
	})
	if err != nil {
		return out, c.doing(project, "checks on service connections", err)
	}
	return out, nil
}

// checks reads the checks on resources of a type, some at once.
func (c *Client) checks(ctx context.Context, project scan.Project, typ string, ids []string, found func(resource string, check inventory.ConnectionCheck)) error {
	type resource struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	}
	for batch := range slices.Chunk(ids, checkBatch) {
		var query []resource
		for _, id := range batch {
			query = append(query, resource{typ, id})
		}
		body, err := json.Marshal(query)
		if err != nil {
			return err
		}
		var answer struct {
			Value []struct {
				ID   int `json:"id"`
				Type struct {
					Name string `json:"name"`
				} `json:"type"`
				Resource resource      `json:"resource"`
				Settings checkSettings `json:"settings"`
			} `json:"value"`
		}
		r := call{method: http.MethodPost, location: checkQuery, version: preview, route: inProject(project), query: url.Values{"$expand": {"settings"}}, body: bytes.NewReader(body)}
		if err := c.send(ctx, r, &answer); err != nil {
			return err
		}
		for _, v := range answer.Value {
			found(v.Resource.ID, inventory.ConnectionCheck{Project: project.Name, ID: v.ID, Type: v.Type.Name, Uses: v.Settings.ids})
		}
	}
	return nil
}

// checkSettings are the ids that the inputs of a check's task hold. A check that invokes something names the connection that it signs in with by its id (Azure
// Pipelines: the tasks AzureMonitor, InvokeRESTAPI and AzureFunction as checks); nothing else of its settings is kept.
type checkSettings struct{ ids []inventory.ConnectionID }

// UnmarshalJSON reads what it can; settings of another form name no connection.
func (s *checkSettings) UnmarshalJSON(b []byte) error {
	var settings, inputs map[string]json.RawMessage
	_ = json.Unmarshal(b, &settings)
	_ = json.Unmarshal(settings["inputs"], &inputs)
	for _, raw := range inputs {
		var text string
		if json.Unmarshal(raw, &text) == nil && inventory.IsGUID(text) {
			s.ids = append(s.ids, inventory.ConnectionID(strings.ToLower(text)))
		}
	}
	slices.Sort(s.ids)
	s.ids = slices.Compact(s.ids)
	return nil
}
