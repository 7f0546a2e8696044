package scan

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// devOps reads one organisation: its projects, their connections (each once, however many projects it is
// shared with), and the execution history of those that hold a credential of Azure.
func (s *scanner) devOps(ctx context.Context, org AzureDevOps) error {
	source, err := org.Organization(ctx)
	if err != nil {
		return s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: "organization " + source.Name,
			Message: err.Error(), Next: "check the organisation's name, and that the signed-in identity is a member of it"})
	}
	projects, err := org.Projects(ctx)
	if err != nil {
		return s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: "projects of " + source.Name,
			Message: err.Error(), Next: "grant the signed-in identity the scope vso.project"})
	}
	s.add(func(inv *inventory.Inventory) { inv.Sources = append(inv.Sources, source) })
	s.expect("projects", len(projects))

	var mu sync.Mutex
	found := map[inventory.ConnectionID]*inventory.Connection{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.o.Concurrency)
	for _, p := range projects {
		g.Go(func() error {
			defer s.read("projects", 1)
			list, err := org.Connections(gctx, p)
			if err != nil {
				return s.gap(gctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: "connections of " + source.Name + "/" + p.Name,
					Message: err.Error(), Next: "grant the signed-in identity the Reader role on the project's service connections"})
			}
			mu.Lock()
			defer mu.Unlock()
			for _, c := range list {
				merge(found, c)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return s.histories(ctx, org, source, projects, found)
}

// merge keeps each connection once. A project that may read it wins over one that may not.
func merge(found map[inventory.ConnectionID]*inventory.Connection, c inventory.Connection) {
	have, ok := found[c.ID]
	if !ok {
		found[c.ID] = &c
		return
	}
	projects := have.Projects
	if !have.Readable && c.Readable {
		*have = c
		projects, c.Projects = c.Projects, projects
	}
	for _, p := range c.Projects {
		if !slices.ContainsFunc(projects, func(q inventory.ConnectionProject) bool { return q.ID == p.ID }) {
			projects = append(projects, p)
		}
	}
	have.Projects = projects
	have.Shared = have.Shared || len(projects) > 1
}

func (s *scanner) histories(ctx context.Context, org AzureDevOps, source inventory.Source, projects []Project, found map[inventory.ConnectionID]*inventory.Connection) error {
	scanned := map[inventory.ProjectID]Project{}
	for _, p := range projects {
		scanned[p.ID] = p
	}
	s.expect("connections", len(found))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.o.Concurrency)
	for _, c := range found {
		g.Go(func() error {
			defer s.read("connections", 1)
			if !c.Readable {
				if err := s.gap(gctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: fmt.Sprintf("connection %s in %s", name(*c), source.Name),
					Message: "the service listed it without its data, so the signed-in identity may not see what it holds",
					Next:    "grant the signed-in identity the Reader role on this service connection, then scan again"}); err != nil {
					return err
				}
			}
			if err := s.history(gctx, org, scanned, c); err != nil {
				return err
			}
			s.add(func(inv *inventory.Inventory) { inv.Connections = append(inv.Connections, *c) })
			return nil
		})
	}
	return g.Wait()
}

// history reads who has used a connection, in every project that it is shared with and that the scan may see.
func (s *scanner) history(ctx context.Context, org AzureDevOps, scanned map[inventory.ProjectID]Project, c *inventory.Connection) error {
	if !c.Readable {
		return nil
	}
	c.UsesKnown = true
	for _, ref := range c.Projects {
		p, ok := scanned[ref.ID]
		if !ok {
			c.UsesKnown = false
			if err := s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: fmt.Sprintf("uses of connection %s in project %s", name(*c), ref.Name),
				Message: "the project is not visible to the signed-in identity, so pipelines there that use the connection are not known",
				Next:    "add the signed-in identity to the project's Readers"}); err != nil {
				return err
			}
			continue
		}
		uses, err := org.Executions(ctx, p, c.ID, s.o.HistoryLimit)
		if err != nil {
			c.UsesKnown = false
			if err := s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: fmt.Sprintf("uses of connection %s in project %s", name(*c), ref.Name),
				Message: err.Error(), Next: "scan again; if it stays, check the identity's rights on the connection"}); err != nil {
				return err
			}
			continue
		}
		c.Uses = append(c.Uses, uses...)
	}
	slices.SortStableFunc(c.Uses, func(a, b inventory.Execution) int { return b.Finished.Compare(a.Finished) })
	return nil
}

func name(c inventory.Connection) string {
	if c.Name != "" {
		return fmt.Sprintf("%q", c.Name)
	}
	return string(c.ID)
}
