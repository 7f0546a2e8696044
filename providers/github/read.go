package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

const (
	// batch is how many repositories one query reads. A query has 10 seconds (GitHub Docs: Rate limits and query
	// limits for the GraphQL API); 30 repositories with their workflows stay well below it.
	batch = 30
	// batches is how many queries are under way at a time.
	batches = 4
)

// readQuery reads metadata, the names of environments, the text of all workflows, a root action, and the names of
// what is in .github/actions, two levels deep. Tree.entries is no connection: it has no paging and no node cost.
const readQuery = `query($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on Repository {
      id databaseId nameWithOwner isArchived isFork visibility hasVulnerabilityAlertsEnabled
      owner { ... on Organization { databaseId } ... on User { databaseId } }
      defaultBranchRef { name target { oid } }
      environments(first: 100) { totalCount nodes { name } }
      workflows: object(expression: "HEAD:.github/workflows") { ... on Tree { entries { name type oid object { ... on Blob { byteSize isBinary isTruncated text } } } } }
      dependabotYml: object(expression: "HEAD:.github/dependabot.yml") { __typename }
      dependabotYaml: object(expression: "HEAD:.github/dependabot.yaml") { __typename }
      actionYml: object(expression: "HEAD:action.yml") { __typename oid ... on Blob { byteSize isBinary isTruncated text } }
      actionYaml: object(expression: "HEAD:action.yaml") { __typename oid ... on Blob { byteSize isBinary isTruncated text } }
      actions: object(expression: "HEAD:.github/actions") { ... on Tree { entries { name type object { ... on Tree { entries { name type oid object { ... on Tree { entries { name type oid } } } } } } } } }
    }
  }
}`

type repositoryNode struct {
	ID            string `json:"id"`
	DatabaseID    int64  `json:"databaseId"`
	NameWithOwner string `json:"nameWithOwner"`
	IsArchived    bool   `json:"isArchived"`
	IsFork        bool   `json:"isFork"`
	Visibility    string `json:"visibility"`
	Owner         struct {
		DatabaseID int64 `json:"databaseId"`
	} `json:"owner"`
	DefaultBranchRef *struct {
		Name   string `json:"name"`
		Target struct {
			OID string `json:"oid"`
		} `json:"target"`
	} `json:"defaultBranchRef"`
	Environments *struct {
		TotalCount int `json:"totalCount"`
		Nodes      []struct {
			Name string `json:"name"`
		} `json:"nodes"`
	} `json:"environments"`
	Workflows *treeNode `json:"workflows"`
	// What lets Dependabot run: a configuration, or alerts, which its security updates need.
	Alerts         bool      `json:"hasVulnerabilityAlertsEnabled"`
	DependabotYml  *struct{} `json:"dependabotYml"`
	DependabotYaml *struct{} `json:"dependabotYaml"`

	ActionYml  *blobNode `json:"actionYml"`
	ActionYaml *blobNode `json:"actionYaml"`
	Actions    *treeNode `json:"actions"`
}

// dependabot tells whether Dependabot may run.
func (n *repositoryNode) dependabot() bool {
	return n.Alerts || n.DependabotYml != nil || n.DependabotYaml != nil
}

type treeNode struct {
	Entries []entryNode `json:"entries"`
}

type entryNode struct {
	Name   string      `json:"name"`
	Type   string      `json:"type"`
	OID    string      `json:"oid"`
	Object *objectNode `json:"object"`
}

// objectNode is a blob or a tree.
type objectNode struct {
	blobNode
	treeNode
}

type blobNode struct {
	Typename    string  `json:"__typename"`
	OID         string  `json:"oid"`
	ByteSize    int     `json:"byteSize"`
	IsBinary    *bool   `json:"isBinary"` // null: the service cannot tell
	IsTruncated bool    `json:"isTruncated"`
	Text        *string `json:"text"`
}

// Read implements scan.GitHub.
func (c *Client) Read(ctx context.Context, refs []scan.RepositoryRef, yield func(scan.RepositoryContent)) error {
	r := &reader{client: c, yield: yield}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(batches)
	for some := range slices.Chunk(refs, batch) {
		group.Go(func() error {
			defer crash.Report()
			return r.read(within, some)
		})
	}
	err := group.Wait()
	if err == nil {
		err = r.finish(ctx, r.take(0))
	}
	if err != nil {
		return fmt.Errorf("github: reading repositories: %w", err)
	}
	return nil
}

// reader reads many repositories. A repository that cannot be read is yielded with its error, never left out.
type reader struct {
	client  *Client
	mu      sync.Mutex
	yield   func(scan.RepositoryContent)
	pending []*reading // those that still lack actions, so that one query can bring the actions of many
}

// pendingLimit bounds how many repositories wait for their actions.
const pendingLimit = 200

// hold keeps a reading for later.
func (r *reader) hold(one *reading) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = append(r.pending, one)
}

// take takes the readings that wait, if there are that many.
func (r *reader) take(least int) []*reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) < least {
		return nil
	}
	taken := r.pending
	r.pending = nil
	return taken
}

// finish brings the actions of readings, and yields them.
func (r *reader) finish(ctx context.Context, readings []*reading) error {
	if err := r.client.actions(ctx, readings); err != nil {
		return err
	}
	return r.settle(ctx, readings)
}

// settle yields readings that have all their files.
func (r *reader) settle(ctx context.Context, readings []*reading) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(batches)
	for _, one := range readings {
		group.Go(func() error {
			defer crash.Report()
			if err := r.client.settle(ctx, one); err != nil {
				return err
			}
			r.give(one.content)
			return nil
		})
	}
	return group.Wait()
}

func (r *reader) give(content scan.RepositoryContent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.yield(content)
}

// read reads some repositories with one query; those that did not come are read again in halves, each alone
// at last. The only error it returns is that of a cancelled context.
func (r *reader) read(ctx context.Context, refs []scan.RepositoryRef) error {
	asked := ctx
	if len(refs) > 1 {
		asked = transport.WithoutRepeat(ctx) // a smaller batch is the better repetition
	}
	var data struct {
		Nodes []*repositoryNode `json:"nodes"`
	}
	ids := make([]string, len(refs))
	for i, ref := range refs {
		ids[i] = ref.NodeID
	}
	err := r.client.graphql(asked, readQuery, map[string]any{"ids": ids}, &data)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	whole, missing := sift(refs, data.Nodes, err)
	var ready []*reading
	for _, one := range whole {
		if one.prepare(r.client); len(one.wanted) > 0 {
			r.hold(one)
		} else {
			ready = append(ready, one)
		}
	}
	if err := r.settle(ctx, ready); err != nil {
		return err
	}
	if err := r.finish(ctx, r.take(pendingLimit)); err != nil {
		return err
	}
	return r.again(ctx, missing, len(refs), err)
}

// again asks once more for what a query of size repositories did not bring.
func (r *reader) again(ctx context.Context, missing []scan.RepositoryRef, size int, err error) error {
	switch {
	case len(missing) == 0:
		return nil
	case size == 1, final(err):
		for _, ref := range missing {
			r.give(scan.RepositoryContent{Ref: ref, Err: failure(ref, err)})
		}
		return nil
	}
	for some := range slices.Chunk(missing, max(1, min(len(missing), size/2))) {
		if err := r.read(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// final tells whether asking for fewer repositories cannot help: the token is refused or the limit used up.
func final(err error) bool {
	switch transport.Status(err) {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return true
	}
	var p problems
	return errors.As(err, &p) && p.rateLimited()
}

func failure(ref scan.RepositoryRef, err error) error {
	if err == nil {
		err = errors.New("the answer has nothing for it; it may have been deleted, or the token may not read it")
	}
	return fmt.Errorf("github: reading repository %s: %w", ref.Name, err)
}

// reading is one repository while its files come together.
type reading struct {
	content scan.RepositoryContent
	node    *repositoryNode
	have    map[string]bool // paths that are known, or known to be missing
	wanted  []want          // files that are still to be read
}

// sift tells the repositories that came whole from the others. A node that an error names, or any node of an
// answer with an error that names none, did not come whole, whatever it holds.
func sift(refs []scan.RepositoryRef, nodes []*repositoryNode, err error) (whole []*reading, missing []scan.RepositoryRef) {
	bad := map[int]bool{}
	var p problems
	everything := false
	if errors.As(err, &p) {
		for _, one := range p {
			if i, ok := nodeIndex(one.Path); ok {
				bad[i] = true
			} else {
				everything = true
			}
		}
	} else if err != nil {
		everything = true
	}
	for i, ref := range refs {
		if everything || bad[i] || i >= len(nodes) || nodes[i] == nil || nodes[i].NameWithOwner == "" {
			missing = append(missing, ref)
			continue
		}
		whole = append(whole, &reading{node: nodes[i], content: scan.RepositoryContent{Ref: ref, Dependabot: nodes[i].dependabot()}, have: map[string]bool{}})
	}
	return whole, missing
}

func nodeIndex(path []any) (int, bool) {
	if len(path) < 2 || path[0] != "nodes" {
		return 0, false
	}
	i, ok := path[1].(float64)
	return int(i), ok
}

func (c *Client) repository(n *repositoryNode) inventory.Repository {
	c.remember(n.NameWithOwner, n.DatabaseID)
	r := inventory.Repository{
		Host: c.host, Name: inventory.RepositoryName(n.NameWithOwner), ID: n.DatabaseID, NodeID: n.ID, OwnerID: n.Owner.DatabaseID,
		Visibility: strings.ToLower(n.Visibility), Archived: n.IsArchived, Fork: n.IsFork, Files: []inventory.File{},
	}
	if n.DefaultBranchRef != nil {
		r.DefaultBranch, r.HeadOID = n.DefaultBranchRef.Name, n.DefaultBranchRef.Target.OID
	}
	if n.Environments != nil && n.Environments.TotalCount <= len(n.Environments.Nodes) {
		r.Environments = []string{}
		for _, e := range n.Environments.Nodes {
			r.Environments = append(r.Environments, e.Name)
		}
		slices.Sort(r.Environments)
	}
	return r
}
