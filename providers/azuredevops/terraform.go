package azuredevops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/migrate/terraform"
)

// Terraform implements scan.AzurePipelines: one request for the names of all files (Azure DevOps Services REST API: Items - List), and
// two for the texts of a hundred. Those that do not come so are read one by one.
func (c *Client) Terraform(ctx context.Context, repository scan.DevOpsRepository, branch string) (terraform.Files, error) {
	query := url.Values{"scopePath": {"/"}, "recursionLevel": {"full"}}
	if branch != "" {
		maps.Copy(query, url.Values{"versionDescriptor.versionType": {"branch"}, "versionDescriptor.version": {branch}})
	}
	var answer struct {
		Value []struct {
			Path string `json:"path"`
			Type string `json:"gitObjectType"`
		} `json:"value"`
	}
	route := map[string]string{"project": string(repository.Project.ID), "repositoryId": repository.ID}
	if err := c.send(ctx, c.get(gitItems, preview, route, query), &answer); err != nil {
		return terraform.Files{}, fmt.Errorf("azure devops %s/%s: listing the files of repository %s: %w", c.organization, repository.Project.Name, repository.Name, err)
	}
	var entries []terraform.Entry
	for _, i := range answer.Value {
		if strings.EqualFold(i.Type, "blob") {
			entries = append(entries, terraform.Entry{Path: strings.TrimLeft(i.Path, "/"), Size: -1})
		}
	}
	take, left := terraform.Choose(entries)
	out := terraform.Files{Unread: left}
	size := 0
	for some := range slices.Chunk(take, itemsAtOnce) {
		paths := make([]string, len(some))
		for i, e := range some {
			paths[i] = e.Path
		}
		together := map[string][]byte{}
		if len(paths) >= batchLeast {
			together = c.Files(ctx, repository, branch, paths)
		}
		for _, p := range paths {
			content, ok := together[p]
			if !ok {
				var err error
				content, err = c.File(ctx, repository, p, branch)
				switch {
				case ctx.Err() != nil:
					return out, ctx.Err()
				case errors.Is(err, execute.ErrNotFound): // it went meanwhile
					continue
				case err != nil:
					out.Unread = append(out.Unread, terraform.Unread{Path: p, Reason: err.Error()})
					continue
				}
			}
			if size += len(content); size > terraform.MaxSize { // the list does not tell sizes
				out.Unread = append(out.Unread, terraform.Unread{Reason: fmt.Sprintf("it has more than the %d bytes that are read", terraform.MaxSize)})
				return out, nil
			}
			out.Files = append(out.Files, terraform.File{Path: p, Content: content})
		}
	}
	return out, nil
}

// itemsAtOnce is how many files one question is for.
const itemsAtOnce = 100
