package scan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// devOpsPart bounds what is read of an organisation to some connections and what uses them. A nil *devOpsPart bounds nothing.
type devOpsPart struct {
	a       *again
	o       *organization
	ctx     context.Context //nolint:containedctx // of the one reading that this is for: a file that a pipeline names may be in a project that is not listed yet
	old     map[inventory.ConnectionID]*inventory.Connection
	connect map[inventory.ConnectionID]bool // the connections
	visible map[string]Project              // by name in lower case
	used    map[string]bool                 // definitions that use the connections, by project, kind and id
	whole   map[inventory.ProjectID]bool    // that have a connection which the scan did not know

	mu     sync.Mutex
	listed map[inventory.ProjectID]bool // whose repositories are listed
}

// readProject is a project of which pipelines were read.
type readProject struct {
	organization string
	names        []string // now, and at the scan
	connections  []string // the names and ids of those that were read
	definitions  map[definition]bool
}

type definition struct {
	release bool
	id      int
	name    string
}

// devOpsPart reads the connections of the part in one organisation: as they are listed in their projects, who has used them and who may, and the
// pipelines that use them: those that the scan knows to, those that ran with them since, and those that are new.
func (a *again) devOpsPart(ctx context.Context, org AzureDevOps) error {
	if len(a.part.Connections) == 0 {
		return nil
	}
	source, err := org.Organization(ctx)
	if err != nil {
		return fmt.Errorf("read organisation %s again: %w", source.Name, err)
	}
	p := &devOpsPart{a: a, ctx: ctx, old: map[inventory.ConnectionID]*inventory.Connection{}, connect: map[inventory.ConnectionID]bool{}, visible: map[string]Project{}, listed: map[inventory.ProjectID]bool{}, whole: map[inventory.ProjectID]bool{}}
	for i := range a.old.Connections {
		if c := &a.old.Connections[i]; strings.EqualFold(c.Organization, source.Name) && a.part.HasConnection(c.ID) {
			p.old[c.ID] = c
		}
	}
	if len(p.old) == 0 {
		return nil
	}
	projects, err := org.Projects(ctx)
	if err != nil {
		return fmt.Errorf("read the projects of %s again: %w", source.Name, err)
	}
	p.o = newOrganization(a.scanner, org, source, projects)
	p.o.part = p
	for _, x := range projects {
		p.visible[strings.ToLower(x.Name)] = x
	}
	if err := p.connections(ctx); err != nil {
		return err
	}
	p.o.version()
	if err := p.o.histories(ctx); err != nil {
		return err
	}
	p.used = p.usedBy()
	p.pools()
	if err := p.o.readProjects(ctx); err != nil {
		return err
	}
	p.o.finish()
	p.note()
	return nil
}

// connections lists the connections of the projects that see one of the part. Another one that signs in as an application of the part belongs to it, too.
func (p *devOpsPart) connections(ctx context.Context) error {
	read := map[inventory.ProjectID]bool{}
	wanted := map[inventory.ProjectID]bool{}
	for _, c := range p.old {
		for _, x := range c.Projects {
			wanted[x.ID] = true
		}
	}
	for {
		p.o.projects = nil
		for id := range wanted {
			if x, ok := p.o.byID[id]; ok && !read[id] {
				p.o.projects, read[id] = append(p.o.projects, x), true
			}
		}
		if len(p.o.projects) == 0 {
			break
		}
		if err := p.o.connections(ctx); err != nil {
			return err
		}
		for id, c := range p.o.found {
			if p.old[id] == nil && !p.a.part.HasApplication(c.AppID) {
				continue
			}
			p.connect[id] = true
			for _, x := range c.Projects {
				wanted[x.ID] = true
				p.whole[x.ID] = p.whole[x.ID] || p.old[id] == nil
			}
		}
	}
	for id := range read {
		p.o.projects, p.listed[id] = append(p.o.projects, p.o.byID[id]), true
	}
	return nil
}

// reads tells whether a connection is one of those that are read.
func (p *devOpsPart) reads(c *inventory.Connection) bool { return p == nil || p.connect[c.ID] }

// pipelinesKnown tells whether the pipelines that use a connection were all known at the scan. Only those are read again.
func (p *devOpsPart) pipelinesKnown(id inventory.ConnectionID) bool {
	return p == nil || p.old[id] != nil && p.old[id].PipelinesKnown
}

// leavesOut tells whether a definition of a project is not read again: the scan knows it, and nothing says that it uses one of the connections.
func (p *devOpsPart) leavesOut(in Project, id int, release bool) bool {
	return p != nil && !p.whole[in.ID] && !p.used[useKey(in.Name, id, release)] && slices.ContainsFunc(p.a.old.Pipelines, func(x inventory.Pipeline) bool {
		return x.ID == id && (x.Kind == inventory.UseRelease) == release && strings.EqualFold(x.Organization, p.o.source.Name) && strings.EqualFold(x.Project, in.Name)
	})
}

func useKey(project string, id int, release bool) string {
	return fmt.Sprintf("%s|%t|%d", strings.ToLower(project), release, id)
}

// usedBy finds the definitions that use the connections: by their text at the scan, by what has run, and by what may.
func (p *devOpsPart) usedBy() map[string]bool {
	used := map[string]bool{}
	for _, c := range p.old {
		for _, u := range c.PipelineUses {
			used[useKey(u.Project, u.DefinitionID, u.Source == inventory.UseRelease)] = true
			p.list(u.Repository)
		}
		for _, n := range c.Concerns {
			used[useKey(n.Project, n.DefinitionID, true)], used[useKey(n.Project, n.DefinitionID, false)] = true, true
			p.list(n.Repository)
		}
		for _, may := range c.Permissions {
			for _, id := range may.Pipelines {
				used[useKey(may.Project, id, false)] = true
			}
		}
	}
	for id := range p.connect {
		if c := p.o.found[id]; c != nil {
			for _, e := range c.Uses {
				used[useKey(e.Project, e.DefinitionID, strings.EqualFold(e.PlanType, "Release"))] = true
			}
		}
	}
	return used
}

// list lists the repositories of the project that a repository is in, once: a pipeline can be made of files of other projects.
func (p *devOpsPart) list(repository string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name, _, _ := strings.Cut(repository, "/")
	in, ok := p.visible[strings.ToLower(name)]
	if !ok || p.listed[in.ID] {
		return
	}
	p.listed[in.ID] = true
	if err := p.o.listRepositories(p.ctx, in); err != nil {
		p.a.miss(err)
	}
}

// pools takes what the scan knows of the organisation's agents: they only add detail.
func (p *devOpsPart) pools() {
	for _, x := range p.a.old.Pools {
		if strings.EqualFold(x.Organization, p.o.source.Name) {
			p.o.pooled = append(p.o.pooled, x)
		}
	}
	p.o.versionsOfAgents()
}

// note remembers what was read.
func (p *devOpsPart) note() {
	p.a.mu.Lock()
	defer p.a.mu.Unlock()
	var connections []string
	for id, c := range p.old {
		p.connect[id] = true // it may be gone
		connections = append(connections, string(id), fmt.Sprintf("%q", c.Name))
	}
	for id := range p.connect {
		p.a.connections = append(p.a.connections, id)
	}
	for _, x := range p.o.projects {
		r := readProject{organization: p.o.source.Name, names: []string{x.Name}, connections: connections, definitions: map[definition]bool{}}
		for _, c := range p.old {
			for _, was := range c.Projects {
				if was.ID == x.ID && was.Name != x.Name {
					r.names = append(r.names, was.Name)
				}
			}
		}
		p.a.projects = append(p.a.projects, r)
	}
	p.a.add(func(inv *inventory.Inventory) {
		for _, d := range inv.Pipelines {
			for _, r := range p.a.projects {
				if r.has(d.Organization, d.Project) {
					r.definitions[definition{release: d.Kind == inventory.UseRelease, id: d.ID, name: d.Name}] = true
				}
			}
		}
	})
}

func (r readProject) has(organization, project string) bool {
	return strings.EqualFold(r.organization, organization) && slices.ContainsFunc(r.names, func(n string) bool { return strings.EqualFold(n, project) })
}

// replaces tells whether a definition was read again.
func (r readProject) replaces(release bool, id int) bool {
	for d := range r.definitions {
		if d.release == release && d.id == id {
			return true
		}
	}
	return false
}

// rewrites tells whether what stands at a place was read again: what is in the project's library and environments, and in a definition that was.
func (r readProject) rewrites(at inventory.PipelinePlace, kind string) bool {
	if !r.has(at.Organization, at.Project) {
		return false
	}
	return at.DefinitionID == 0 || kind == inventory.PipelineSecretGroup || kind == inventory.PipelineSecretVault ||
		r.definitions[definition{false, at.DefinitionID, at.Pipeline}] || r.definitions[definition{true, at.DefinitionID, at.Pipeline}]
}

// hides tells whether a gap of the scan is about something that was read again.
func (r readProject) hides(g inventory.Gap) bool {
	for _, name := range r.names {
		project := r.organization + "/" + name
		if strings.HasSuffix(g.Object, " of "+project) {
			return true
		}
		for d := range r.definitions {
			if g.Object == "pipeline "+project+"/"+d.name {
				return true
			}
		}
	}
	return slices.ContainsFunc(r.connections, func(c string) bool { return strings.Contains(g.Object, "connection "+c) })
}

func (a *again) splicePipelines(out *inventory.Inventory) {
	if len(a.connections) == 0 {
		return
	}
	replaced := func(at inventory.PipelinePlace, kind string) bool {
		return slices.ContainsFunc(a.projects, func(r readProject) bool { return r.rewrites(at, kind) })
	}
	out.Connections = append(slices.DeleteFunc(slices.Clone(a.old.Connections), func(c inventory.Connection) bool { return slices.Contains(a.connections, c.ID) }), a.inv.Connections...)
	out.Pipelines = append(slices.DeleteFunc(slices.Clone(a.old.Pipelines), func(d inventory.Pipeline) bool {
		return slices.ContainsFunc(a.projects, func(r readProject) bool {
			return r.has(d.Organization, d.Project) && r.replaces(d.Kind == inventory.UseRelease, d.ID)
		})
	}), a.inv.Pipelines...)
	out.PipelineSecrets = append(slices.DeleteFunc(slices.Clone(a.old.PipelineSecrets), func(s inventory.PipelineSecret) bool { return replaced(s.PipelinePlace, s.Kind) }), a.inv.PipelineSecrets...)
	out.Unresolved = append(slices.DeleteFunc(slices.Clone(a.old.Unresolved), func(u inventory.UnresolvedUse) bool { return replaced(u.PipelinePlace, "") }), a.inv.Unresolved...)
	out.PipelineRepositories = slices.Clone(a.old.PipelineRepositories)
	for _, r := range a.inv.PipelineRepositories {
		i := slices.IndexFunc(out.PipelineRepositories, func(x inventory.PipelineRepository) bool {
			return x.Name == r.Name && x.Organization == r.Organization
		})
		if i < 0 {
			out.PipelineRepositories = append(out.PipelineRepositories, r)
			continue
		}
		for _, f := range out.PipelineRepositories[i].Files {
			if !slices.ContainsFunc(r.Files, func(n inventory.File) bool { return n.Path == f.Path }) {
				r.Files = append(r.Files, f)
			}
		}
		slices.SortFunc(r.Files, func(x, y inventory.File) int { return strings.Compare(x.Path, y.Path) })
		out.PipelineRepositories[i] = r
	}
}
