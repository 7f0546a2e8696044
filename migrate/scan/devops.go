package scan

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/migrate/terraform"
)

// devOps reads one organisation: its projects, their connections (each once, however many projects it is shared with), who has used them, and the
// pipelines, libraries and environments that name them.
func (s *scanner) devOps(ctx context.Context, org AzureDevOps) error {
	source, err := org.Organization(ctx)
	if err != nil {
		return s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: "organization " + source.Name,
			Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.DevOpsProjects), Next: "check the organisation's name, and that the signed-in identity is a member of it"})
	}
	projects, err := org.Projects(ctx)
	if err != nil {
		return s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: "projects of " + source.Name,
			Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.DevOpsProjects), Next: "grant the signed-in identity the scope vso.project"})
	}
	if len(projects) == 0 { // to an identity that may see none, the service does not say so
		if err := s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: "projects of " + source.Name, Permission: permissions.DevOpsProjects,
			Message: "no project is visible to the signed-in identity", Next: "add the signed-in identity to the Readers of each project"}); err != nil {
			return err
		}
	}
	s.add(func(inv *inventory.Inventory) { inv.Sources = append(inv.Sources, source) })
	s.expect("projects", len(projects))
	o := newOrganization(s, org, source, projects)
	if err := o.connections(ctx); err != nil {
		return err
	}
	o.version()
	if err := o.histories(ctx); err != nil {
		return err
	}
	if err := o.pools(ctx); err != nil {
		return err
	}
	if err := o.readProjects(ctx); err != nil {
		return err
	}
	o.finish()
	return nil
}

// organization is one organisation while it is read.
type organization struct {
	s        *scanner
	org      AzureDevOps
	source   inventory.Source
	projects []Project
	byID     map[inventory.ProjectID]Project

	mu    sync.Mutex
	found map[inventory.ConnectionID]*inventory.Connection
	from  map[inventory.ConnectionID]answer                          // that is kept
	names map[inventory.ProjectID]map[string]*inventory.Connection   // by name there, lower case
	open  map[inventory.ProjectID]bool                               // its pipelines are not all known
	loose map[inventory.ProjectID]map[string]inventory.UnresolvedUse // expressions that can mean some of its connections, one for each that fit alike
	told  map[string]inventory.Gap                                   // gaps that are told once, by what they have in common
	gaps  []inventory.Gap                                            // the other gaps of pipelines
	repos map[string]DevOpsRepository                                // by Project/Name, lower case

	repoIDs map[string]DevOpsRepository
	pooled  []inventory.AgentPool
	agents  map[string][]string // versions of the agents of self-hosted pools, by the pool's name in lower case
	files   fileCache
	answers memo
	code    map[string]func() *terraform.Code // of repositories, by fileKey

	part *devOpsPart // nil: everything is read

	versions map[inventory.ConnectionID]string // of the connections as they were listed
	rewrites []inventory.PipelineRepository    // files of pipelines that a pull request can put right, one in each
}

func newOrganization(s *scanner, org AzureDevOps, source inventory.Source, projects []Project) *organization {
	o := &organization{s: s, org: org, source: source, projects: projects, byID: map[inventory.ProjectID]Project{},
		found: map[inventory.ConnectionID]*inventory.Connection{}, from: map[inventory.ConnectionID]answer{}, names: map[inventory.ProjectID]map[string]*inventory.Connection{},
		open: map[inventory.ProjectID]bool{}, loose: map[inventory.ProjectID]map[string]inventory.UnresolvedUse{}, told: map[string]inventory.Gap{}, repos: map[string]DevOpsRepository{}, repoIDs: map[string]DevOpsRepository{}, agents: map[string][]string{},
		code: map[string]func() *terraform.Code{}}
	for _, p := range projects {
		o.byID[p.ID] = p
	}
	return o
}

// each calls f for every project, several at once.
func (o *organization) each(ctx context.Context, f func(context.Context, Project) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(o.s.o.Concurrency)
	for _, p := range o.projects {
		g.Go(func() error {
			defer crash.Report()
			return f(gctx, p)
		})
	}
	return g.Wait()
}

// connections lists the connections of all projects.
func (o *organization) connections(ctx context.Context) error {
	return o.each(ctx, func(ctx context.Context, p Project) error {
		defer o.s.read("projects", 1)
		list, err := o.org.Connections(ctx, p)
		if err != nil {
			return o.s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: "connections of " + o.source.Name + "/" + p.Name,
				Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.DevOpsConnectionRead), Next: "grant the signed-in identity the Reader role on the project's service connections"})
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, c := range list {
			o.keep(p, c)
		}
		return nil
	})
}

// answer is a project whose answer of a connection is kept, and how many projects it names.
type answer struct {
	project Project
	names   int
}

// keep keeps each connection once, and of what its projects say of it the same, whichever answers first. Its name is the one that it has in its origin.
func (o *organization) keep(from Project, c inventory.Connection) {
	c.Name = c.OriginName()
	have, ok := o.found[c.ID]
	if !ok {
		o.found[c.ID], o.from[c.ID] = &c, answer{from, len(c.Projects)}
		return
	}
	if betterAnswer(from, c, o.from[c.ID].project, *have) {
		*have, c = c, *have
		o.from[c.ID] = answer{from, len(have.Projects)}
	}
	for _, p := range c.Projects {
		if !slices.ContainsFunc(have.Projects, func(q inventory.ConnectionProject) bool { return q.ID == p.ID }) {
			have.Projects = append(have.Projects, p)
		}
	}
	slices.SortFunc(have.Projects[o.from[c.ID].names:], func(a, b inventory.ConnectionProject) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	have.Shared = have.Shared || c.Shared || len(have.Projects) > 1
	have.Terraform = have.Terraform || c.Terraform
	if have.Replaces == "" {
		have.Replaces, have.Mark = c.Replaces, c.Mark
	}
}

// betterAnswer tells whether what a project says of a connection is kept in place of what another one says: a project that may read it wins over one that
// may not, its origin over the others, and else the first by name.
func betterAnswer(from Project, c inventory.Connection, hadFrom Project, had inventory.Connection) bool {
	origin := func(p Project, c inventory.Connection) bool { return len(c.Projects) > 0 && c.Projects[0].ID == p.ID }
	switch {
	case c.Readable != had.Readable:
		return c.Readable
	case origin(from, c) != origin(hadFrom, had):
		return origin(from, c)
	}
	return cmp.Or(cmp.Compare(from.Name, hadFrom.Name), cmp.Compare(from.ID, hadFrom.ID)) < 0
}

// histories reads who has used the connections. One that was deleted meanwhile is dropped, with a gap that says so.
func (o *organization) histories(ctx context.Context) error {
	o.s.expect("connections", len(o.found))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(o.s.o.Concurrency)
	var mu sync.Mutex
	var gone []inventory.ConnectionID
	for _, c := range o.found {
		if !o.part.reads(c) {
			continue
		}
		g.Go(func() error {
			defer crash.Report()
			defer o.s.read("connections", 1)
			if !c.Readable {
				if err := o.s.gap(gctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: fmt.Sprintf("connection %s in %s", name(*c), o.source.Name),
					Message:    "the service listed it without its data, so the signed-in identity may not see what it holds",
					Permission: permissions.DevOpsConnectionRead, Next: "grant the signed-in identity the Reader role on this service connection, then scan again"}); err != nil {
					return err
				}
			}
			there, err := o.history(gctx, c)
			if !there {
				mu.Lock()
				defer mu.Unlock()
				gone = append(gone, c.ID)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, id := range gone {
		delete(o.found, id)
	}
	return nil
}

// version notes at which version each connection was listed.
func (o *organization) version() {
	o.versions = make(map[inventory.ConnectionID]string, len(o.found))
	for id, c := range o.found {
		o.versions[id] = versionOf(c, o.s.o.HistoryLimit)
	}
}

// keptHistory is what is kept of the reading of a connection's history.
type keptHistory struct {
	Uses  []inventory.Execution `json:"uses,omitempty"`
	Known bool                  `json:"known,omitempty"`
}

// history gives who has used a connection, from what an interrupted scan has read of it, if nothing was missing there.
func (o *organization) history(ctx context.Context, c *inventory.Connection) (there bool, err error) {
	key, kept := partKey("history", o.source.ID, string(c.ID)), keptHistory{}
	if o.s.o.Parts.load(key, o.versions[c.ID], &kept) {
		c.Uses, c.UsesKnown = kept.Uses, kept.Known
		return true, nil
	}
	there, err = o.readHistory(ctx, c)
	if err == nil && there && c.UsesKnown {
		o.s.o.Parts.save(key, o.versions[c.ID], keptHistory{c.Uses, c.UsesKnown})
	}
	return there, err
}

// readHistory reads who has used a connection, in every project that it is shared with and that the scan may see.
func (o *organization) readHistory(ctx context.Context, c *inventory.Connection) (there bool, err error) {
	if !c.Readable {
		return true, nil
	}
	c.UsesKnown = true
	for _, ref := range c.Projects {
		p, ok := o.byID[ref.ID]
		if !ok {
			c.UsesKnown = false
			if err := o.s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: fmt.Sprintf("uses of connection %s in project %s", name(*c), ref.Name),
				Message:    "the project is not visible to the signed-in identity, so pipelines there that use the connection are not known",
				Permission: permissions.DevOpsProjects, Next: "add the signed-in identity to the project's Readers"}); err != nil {
				return true, err
			}
			continue
		}
		uses, err := o.org.Executions(ctx, p, c.ID, o.s.o.HistoryLimit)
		if err != nil {
			c.UsesKnown = false
			if exists, lookErr := o.org.Exists(ctx, p, c.ID); lookErr == nil && !exists {
				return false, o.s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: fmt.Sprintf("connection %s in %s", name(*c), o.source.Name),
					Message: "it was deleted, or its rights were taken away, while the scan ran", Next: "scan again if that was not meant"})
			}
			if err := o.s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: fmt.Sprintf("uses of connection %s in project %s", name(*c), ref.Name),
				Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.DevOpsConnectionRead), Next: "scan again; if it stays, check the identity's rights on the connection"}); err != nil {
				return true, err
			}
			continue
		}
		c.Uses = append(c.Uses, uses...)
	}
	slices.SortStableFunc(c.Uses, func(a, b inventory.Execution) int { return b.Finished.Compare(a.Finished) })
	return true, nil
}

// finish classifies the connections and hands everything over.
func (o *organization) finish() {
	list := make([]inventory.Connection, 0, len(o.found))
	for _, c := range o.found {
		if !o.part.reads(c) {
			continue
		}
		c.Class, c.ClassReason = inventory.ClassifyConnection(*c)
		c.PipelinesKnown = len(c.Projects) > 0 && !slices.ContainsFunc(c.Projects, func(p inventory.ConnectionProject) bool {
			_, read := o.byID[p.ID]
			return !read || o.open[p.ID] || o.mayBeMeant(p.ID, *c)
		}) && o.part.pipelinesKnown(c.ID)
		sortUses(c)
		list = append(list, *c)
	}
	o.s.add(func(inv *inventory.Inventory) {
		inv.Connections = append(inv.Connections, list...)
		inv.Gaps = append(slices.AppendSeq(inv.Gaps, maps.Values(o.told)), o.gaps...)
		inv.PipelineRepositories = append(inv.PipelineRepositories, o.pipelineRepositories()...)
		sortPipelines(inv)
	})
}

// mayMean notes an expression that can mean connections of a project.
func (o *organization) mayMean(p Project, u inventory.UnresolvedUse) {
	if o.loose[p.ID] == nil {
		o.loose[p.ID] = map[string]inventory.UnresolvedUse{}
	}
	if key := versionOf(u.Takes, u.Like); o.loose[p.ID][key].Project == "" {
		o.loose[p.ID][key] = u
	}
}

// mayBeMeant tells whether an expression in a project can mean a connection.
func (o *organization) mayBeMeant(in inventory.ProjectID, c inventory.Connection) bool {
	for _, u := range o.loose[in] {
		if u.Fits(c) {
			return true
		}
	}
	return false
}

func name(c inventory.Connection) string {
	if c.Name != "" {
		return fmt.Sprintf("%q", c.Name)
	}
	return string(c.ID)
}
