package azuredevops

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
)

var (
	gitRepositories = uuid.MustParse("225f7195-f9c7-4d14-ab28-a83f7ff77e1f")
	gitPushes       = uuid.MustParse("ea98d07b-3c87-4971-8ede-a613694ffb55")
	gitItems        = uuid.MustParse("fb93c0db-47ed-4a31-8c20-47552878fb44")
)

// maxFile is far above what a pipeline's YAML has: the service takes templates of up to 1 MB
// (Microsoft Learn: Template usage reference, "Limits").
const maxFile = 4 << 20

// Repositories implements scan.AzurePipelines.
func (c *Client) Repositories(ctx context.Context, project scan.Project) ([]scan.DevOpsRepository, error) {
	type repository struct {
		ID            string `json:"id"`
		Name          string `json:"name"`
		DefaultBranch string `json:"defaultBranch"`
	}
	list, err := collect[repository](ctx, c, project, "repositories", c.get(gitRepositories, preview, inProject(project), nil))
	var out []scan.DevOpsRepository
	for _, r := range list {
		out = append(out, scan.DevOpsRepository{ID: r.ID, Project: project, Name: r.Name, DefaultBranch: strings.TrimPrefix(r.DefaultBranch, "refs/heads/")})
	}
	return out, err
}

// PushedSince implements scan.AzurePipelines.
func (c *Client) PushedSince(ctx context.Context, repository scan.DevOpsRepository, since time.Time) (bool, error) {
	var answer struct {
		Value []json.RawMessage `json:"value"`
	}
	route := map[string]string{"project": string(repository.Project.ID), "repositoryId": repository.ID}
	query := url.Values{"searchCriteria.fromDate": {since.UTC().Format(time.RFC3339)}, "$top": {"1"}}
	if err := c.send(ctx, c.get(gitPushes, preview, route, query), &answer); err != nil {
		return false, fmt.Errorf("azure devops %s/%s: reading the pushes to repository %s: %w", c.organization, repository.Project.Name, repository.Name, err)
	}
	return len(answer.Value) > 0, nil
}

var commitID = lazy.Regexp(`^[0-9a-f]{40}$`)

// File implements scan.AzurePipelines.
func (c *Client) File(ctx context.Context, repository scan.DevOpsRepository, path, ref string) ([]byte, error) {
	query := url.Values{"path": {"/" + strings.TrimLeft(path, "/")}}
	if ref != "" {
		kind, name := "branch", strings.TrimPrefix(ref, "refs/heads/")
		switch tag, isTag := strings.CutPrefix(ref, "refs/tags/"); {
		case isTag:
			kind, name = "tag", tag
		case commitID().MatchString(ref):
			kind = "commit"
		}
		query.Set("versionDescriptor.versionType", kind)
		query.Set("versionDescriptor.version", name)
	}
	what := fmt.Sprintf("azure devops %s/%s: reading %s of repository %s", c.organization, repository.Project.Name, path, repository.Name)
	route := map[string]string{"project": string(repository.Project.ID), "repositoryId": repository.ID}
	response, err := c.endpoints.Client.Send(ctx, http.MethodGet, gitItems, preview, route, query, nil, "", "application/octet-stream", nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, classify(err, false))
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	case len(b) > maxFile:
		return nil, fmt.Errorf("%s: it has more than %d bytes, which no pipeline has", what, maxFile)
	case strings.HasPrefix(response.Header.Get("Content-Type"), "application/json"):
		return nil, fmt.Errorf("%s: %w: it is not a file", what, execute.ErrNotFound)
	}
	return b, nil
}

// Exists implements scan.AzurePipelines.
func (c *Client) Exists(ctx context.Context, project scan.Project, id inventory.ConnectionID) (bool, error) {
	_, _, err := c.read(ctx, project.ID, id)
	if errors.Is(err, execute.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Pools implements scan.AzurePipelines. The agents of hosted pools are Microsoft's and not listed.
func (c *Client) Pools(ctx context.Context) ([]inventory.AgentPool, error) {
	var answer struct {
		Value []struct {
			ID       int    `json:"id"`
			Name     string `json:"name"`
			IsHosted bool   `json:"isHosted"`
		} `json:"value"`
	}
	if err := c.send(ctx, c.get(agentPools, preview, nil, nil), &answer); err != nil {
		return nil, fmt.Errorf("azure devops organisation %s: listing its agent pools: %w", c.organization, err)
	}
	var out []inventory.AgentPool
	for _, p := range answer.Value {
		pool := inventory.AgentPool{Organization: c.organization, ID: p.ID, Name: p.Name, Hosted: p.IsHosted}
		if !p.IsHosted {
			if err := c.agents(ctx, &pool); err != nil {
				return out, fmt.Errorf("azure devops organisation %s: listing the agents of pool %s: %w", c.organization, p.Name, err)
			}
		}
		out = append(out, pool)
	}
	if err := c.scaleSets(ctx, out); err != nil {
		return out, fmt.Errorf("azure devops organisation %s: listing its scale set agent pools: %w", c.organization, err)
	}
	return out, nil
}

// scaleSets notes which pools' agents run in scale sets in Azure, as their settings say (microsoft/azure-devops-go-api: elastic, ElasticPool).
func (c *Client) scaleSets(ctx context.Context, pools []inventory.AgentPool) error {
	var answer struct {
		Value []struct {
			PoolID               int    `json:"poolId"`
			AzureID              string `json:"azureId"`
			ServiceEndpointID    string `json:"serviceEndpointId"`
			ServiceEndpointScope string `json:"serviceEndpointScope"`
		} `json:"value"`
	}
	if err := c.send(ctx, c.get(elasticPools, preview, nil, nil), &answer); err != nil {
		return err
	}
	for _, e := range answer.Value {
		for i := range pools {
			if pools[i].ID == e.PoolID {
				pools[i].ScaleSet, pools[i].Connection = e.AzureID, inventory.ConnectionID(strings.ToLower(e.ServiceEndpointID))
				pools[i].Scope = inventory.ProjectID(strings.ToLower(e.ServiceEndpointScope))
			}
		}
	}
	return nil
}

func (c *Client) agents(ctx context.Context, pool *inventory.AgentPool) error {
	var answer struct {
		Value []struct {
			Version string `json:"version"`
		} `json:"value"`
	}
	if err := c.send(ctx, c.get(poolAgents, preview, map[string]string{"poolId": strconv.Itoa(pool.ID)}, nil), &answer); err != nil {
		return err
	}
	pool.Agents = len(answer.Value)
	for _, a := range answer.Value {
		if a.Version != "" && !slices.Contains(pool.Versions, a.Version) {
			pool.Versions = append(pool.Versions, a.Version)
		}
	}
	slices.SortFunc(pool.Versions, compareVersions)
	return nil
}

// compareVersions orders 3.9.0 before 3.240.0.
func compareVersions(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, errX := strconv.Atoi(x[i])
		n, errY := strconv.Atoi(y[i])
		if errX != nil || errY != nil {
			return cmp.Compare(a, b)
		}
		if m != n {
			return cmp.Compare(m, n)
		}
	}
	return cmp.Compare(len(x), len(y))
}
