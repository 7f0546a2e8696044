package scan

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/migrate/pipeline"
)

// pools lists the organisation's agent pools. They only add detail, so what cannot be read is a gap and nothing more.
func (o *organization) pools(ctx context.Context) error {
	pools, err := o.org.Pools(ctx)
	o.pooled = pools
	o.versionsOfAgents()
	o.s.add(func(inv *inventory.Inventory) { inv.Pools = append(inv.Pools, pools...) })
	if err != nil {
		return o.s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: "agent pools of " + o.source.Name,
			Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.DevOpsCodeRead), Next: "grant the signed-in identity the Reader role on the organisation's agent pools"})
	}
	return nil
}

// versionsOfAgents notes the agents of the self-hosted pools.
func (o *organization) versionsOfAgents() {
	for _, p := range o.pooled {
		if !p.Hosted && len(p.Versions) > 0 {
			o.agents[strings.ToLower(p.Name)] = p.Versions
		}
	}
}

// readProjects reads what every project's pipelines are made of. The repositories of all projects are listed first, since a template can be in
// another project.
func (o *organization) readProjects(ctx context.Context) error {
	for _, c := range o.found {
		o.index(c)
	}
	if err := o.each(ctx, o.listRepositories); err != nil {
		return err
	}
	return o.each(ctx, func(ctx context.Context, p Project) error {
		r := &projectReader{o: o, p: p, out: &fragment{}, taskGroups: map[string]pipeline.TaskGroup{}, groups: map[int]pipeline.VariableGroup{}, groupNames: map[string]int{}}
		return r.read(ctx)
	})
}

// index puts a connection under the names that it has in its projects.
func (o *organization) index(c *inventory.Connection) {
	for _, p := range c.Projects {
		if o.names[p.ID] == nil {
			o.names[p.ID] = map[string]*inventory.Connection{}
		}
		o.names[p.ID][strings.ToLower(cmp.Or(p.As, c.Name))] = c
	}
}

// named finds the connection that a pipeline of a project means by a name or an id.
func (o *organization) named(p Project, nameOrID string) *inventory.Connection {
	if c := o.found[inventory.ConnectionID(strings.ToLower(nameOrID))]; c != nil {
		return c
	}
	return o.names[p.ID][strings.ToLower(nameOrID)]
}

func (o *organization) listRepositories(ctx context.Context, p Project) error {
	list, err := o.org.Repositories(ctx, p)
	o.mu.Lock()
	for _, r := range list {
		o.repos[repoKey(p.Name, r.Name)] = r
		o.repoIDs[strings.ToLower(r.ID)] = r
	}
	o.mu.Unlock()
	if err != nil {
		return o.s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: "repositories of " + o.source.Name + "/" + p.Name,
			Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.DevOpsCodeRead), Next: "grant the signed-in identity the scope vso.code, and Read on the project's repositories"})
	}
	return nil
}

func repoKey(project, name string) string { return strings.ToLower(project + "/" + name) }

// projectReader reads one project.
type projectReader struct {
	o          *organization
	p          Project
	taskGroups map[string]pipeline.TaskGroup // by id and major version
	groups     map[int]pipeline.VariableGroup
	groupNames map[string]int // by name, lower case
	known      string         // the version of what the project's definitions refer to
	out        *fragment      // where what is read comes to
}

func (r *projectReader) read(ctx context.Context) error {
	defer r.o.s.read("project pipelines", 1)
	r.o.s.expect("project pipelines", 1)
	for _, part := range []func(context.Context) error{r.libraries, r.environments, r.definitions, r.releases, r.resources} {
		if err := part(ctx); err != nil {
			return err
		}
		r.o.merge(r.p, r.out)
		r.out = &fragment{}
	}
	return nil
}

// gap tells what of the project could not be read. Then it is not known which connections its pipelines use.
func (r *projectReader) gap(ctx context.Context, what string, err error, next string) error {
	if err == nil {
		return nil
	}
	r.unknown()
	return r.o.s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: what + " of " + r.o.source.Name + "/" + r.p.Name, Message: err.Error(),
		Passing: Passing(err), Permission: lacking(err, permissions.DevOpsCodeRead), Next: next})
}

func (r *projectReader) unknown() { r.out.Open = true }

// libraries reads task groups, variable groups and secure files, which definitions refer to.
func (r *projectReader) libraries(ctx context.Context) error {
	taskGroups, err := r.o.org.TaskGroups(ctx, r.p)
	if err := r.gap(ctx, "task groups", err, "grant the signed-in identity the scope vso.taskgroups_read"); err != nil {
		return err
	}
	for _, g := range taskGroups {
		r.taskGroups[taskGroupKey(g.ID, g.Version.Major)] = g
	}
	groups, err := r.o.org.VariableGroups(ctx, r.p)
	if err := r.gap(ctx, "variable groups", err, "grant the signed-in identity the scope vso.variablegroups_read, and Reader on the project's library"); err != nil {
		return err
	}
	for _, g := range groups {
		r.groups[g.ID] = g
		r.groupNames[strings.ToLower(g.Name)] = g.ID
	}
	for _, g := range taskGroups {
		// What its inputs leave open is decided where it is used, so that it is no use by itself.
		result := pipeline.UsesOfTaskGroup(g, r.classic())
		result.Unresolved = nil
		r.take(found{source: inventory.UseTaskGroup, name: g.Name}, result)
	}
	for _, g := range groups {
		r.variableGroup(g)
	}
	files, err := r.o.org.SecureFiles(ctx, r.p)
	if err := r.gap(ctx, "secure files", err, "grant the signed-in identity the scope vso.securefiles_read, and Reader on the project's library"); err != nil {
		return err
	}
	r.secureFiles(files)
	r.known = r.knowledge()
	return nil
}

// knowledge is the version of what definitions of the project refer to by name: where any of it changes, they are read again.
func (r *projectReader) knowledge() string {
	connections := map[string]string{}
	for name, c := range r.o.names[r.p.ID] {
		connections[name] = string(c.ID) + " " + c.Type
	}
	r.o.mu.Lock()
	repositories := map[string]DevOpsRepository{}
	for key, repo := range r.o.repos {
		if repo.Project.ID == r.p.ID {
			repositories[key] = repo
		}
	}
	r.o.mu.Unlock()
	return versionOf(r.p, connections, r.taskGroups, r.groups, repositories, r.o.agents, len(r.o.s.gitHubFiles))
}

func taskGroupKey(id string, major int) string {
	return fmt.Sprintf("%s@%d", strings.ToLower(id), major)
}

// taskGroup finds a task group; where the exact version is not there, the only one that is.
func (r *projectReader) taskGroup(id string, major int) (pipeline.TaskGroup, bool) {
	g, ok := r.taskGroups[taskGroupKey(id, major)]
	return g, ok
}

// classic are the options for definitions that are not text.
func (r *projectReader) classic() pipeline.ClassicOptions {
	return pipeline.ClassicOptions{Options: r.options(nil), TaskGroups: r.taskGroup,
		VariableGroups: func(id int) (pipeline.VariableGroup, bool) { g, ok := r.groups[id]; return g, ok }}
}

// options are what the project knows beside a pipeline's text.
func (r *projectReader) options(variables map[string]pipeline.ClassicVariable) pipeline.Options {
	return pipeline.Options{
		Variables: readable(variables),
		Group: func(name string) (map[string]string, bool) {
			id, ok := r.groupNames[strings.ToLower(name)]
			return readable(r.groups[id].Variables), ok
		},
		Connections: func(nameOrID string) (pipeline.Kind, bool) {
			if c := r.o.named(r.p, nameOrID); c != nil {
				return kindOf(c.Type), true
			}
			return "", false
		},
	}
}

func kindOf(typ string) pipeline.Kind {
	switch k := pipeline.Kind(strings.ToLower(typ)); k {
	case pipeline.KindAzureRM, pipeline.KindDockerRegistry, pipeline.KindKubernetes, pipeline.KindGitHub:
		return k
	}
	return pipeline.KindOther
}

// readable are the values of the variables that are not secret.
func readable(variables map[string]pipeline.ClassicVariable) map[string]string {
	out := map[string]string{}
	for name, v := range variables {
		if !v.IsSecret {
			out[name] = v.Value
		}
	}
	return out
}

// scaleSets notes the connections that Azure DevOps keeps the agents of pools with.
func (r *projectReader) scaleSets() {
	for _, p := range r.o.pooled {
		if c := r.o.found[p.Connection]; c != nil && p.Scope == r.p.ID {
			r.use(c.ID, inventory.PipelineUse{PipelinePlace: r.place(p.Name), Source: inventory.UseAgentPool, Input: "scale set " + path.Base(p.ScaleSet), As: string(p.Connection)})
		}
	}
}

func (r *projectReader) environments(ctx context.Context) error {
	r.scaleSets()
	list, err := r.o.org.Environments(ctx, r.p)
	for _, e := range list {
		use := inventory.PipelineUse{PipelinePlace: r.place(e.Environment), Source: inventory.UseEnvironment, Input: "resource " + e.Name, As: string(e.Connection)}
		if e.Check {
			use.Source, use.Input = inventory.UseCheck, e.Name
		}
		if c := r.o.found[e.Connection]; c != nil {
			r.use(c.ID, use)
		}
	}
	return r.gap(ctx, "environments", err, "grant the signed-in identity the scope vso.environment_manage, and Reader on the project's environments")
}

func (r *projectReader) place(pipelineName string) inventory.PipelinePlace {
	return inventory.PipelinePlace{Organization: r.o.source.Name, Project: r.p.Name, Pipeline: pipelineName}
}

func (r *projectReader) use(id inventory.ConnectionID, u inventory.PipelineUse) {
	r.out.Uses = append(r.out.Uses, ofConnection[inventory.PipelineUse]{id, u})
}

// definitionBatch is how many definitions are read together, which bounds what is in memory of them.
const definitionBatch = 200

// definitions reads the build definitions, several at once. What a definition's text needs is read and dropped with it.
func (r *projectReader) definitions(ctx context.Context) error {
	var batch []pipeline.BuildDefinition
	failed := error(nil)
	err := r.o.org.Definitions(ctx, r.p, func(d pipeline.BuildDefinition) error {
		if batch = append(batch, d); len(batch) < definitionBatch {
			return nil
		}
		failed = r.readDefinitions(ctx, batch)
		batch = batch[:0]
		return failed
	})
	if failed == nil {
		failed = r.readDefinitions(ctx, batch)
	}
	if failed != nil {
		return failed
	}
	return r.gap(ctx, "build definitions", err, "grant the signed-in identity the scope vso.build, and View build pipeline in the project")
}

// readDefinitions reads some definitions, without those that an interrupted scan has read and that are still the same.
func (r *projectReader) readDefinitions(ctx context.Context, batch []pipeline.BuildDefinition) error {
	batch = slices.DeleteFunc(batch, func(d pipeline.BuildDefinition) bool { return r.o.part.leavesOut(r.p, d.ID, false) })
	known := make([]bool, len(batch))
	err := r.several(ctx, len(batch), func(ctx context.Context, i int) error {
		known[i] = r.taken(ctx, r.definitionKey(batch[i]), versionOf(batch[i]))
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	var rest []pipeline.BuildDefinition
	for i, d := range batch {
		if !known[i] {
			rest = append(rest, d)
		}
	}
	r.fetch(ctx, rest)
	return r.several(ctx, len(rest), func(ctx context.Context, i int) error { return r.definition(ctx, rest[i]) })
}

// several does something with each of n, some at once.
func (r *projectReader) several(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.o.s.o.Concurrency)
	for i := range n {
		g.Go(func() error {
			defer crash.Report()
			return do(gctx, i)
		})
	}
	return g.Wait()
}

// fetchFrom is the number of files of one branch from which on they are fetched together, which takes two requests.
const fetchFrom = 3

// fetch reads the YAML files of definitions of Azure Repos, branch by branch, so that reading the definitions finds them in memory. What it does not get is
// read with the definition, which tells why.
func (r *projectReader) fetch(ctx context.Context, list []pipeline.BuildDefinition) {
	type branch struct{ repository, name string }
	paths := map[branch][]string{}
	for _, d := range list {
		if d.Process.Type == processYAML && strings.EqualFold(d.Repository.Type, typeAzureRepos) {
			b := branch{r.repositoryName(d), branchOf(d)}
			if p := strings.TrimLeft(d.Process.YAMLFilename, "/"); !slices.Contains(paths[b], p) {
				paths[b] = append(paths[b], p)
			}
		}
	}
	for b, files := range paths {
		repository, ok := r.o.repository(b.repository)
		if !ok || len(files) < fetchFrom {
			continue
		}
		for path, content := range r.o.org.Files(ctx, repository, b.name, files) {
			r.o.files.put(fileKey(typeAzureRepos, b.repository, path, b.name), content)
		}
	}
}

func (r *projectReader) releases(ctx context.Context) error {
	key := func(id int) string { return partKey("release", r.o.source.ID, string(r.p.ID), strconv.Itoa(id)) }
	known := func(id, revision int) bool {
		return r.o.part.leavesOut(r.p, id, true) || revision > 0 && r.taken(ctx, key(id), strconv.Itoa(revision))
	}
	err := r.o.org.Releases(ctx, r.p, known, func(d pipeline.ReleaseDefinition) error {
		return r.part(ctx, key(d.ID), strconv.Itoa(d.Revision), func(_ context.Context, r *projectReader) error {
			n := r.take(found{source: inventory.UseRelease, name: d.Name, id: d.ID, vars: d.Variables}, pipeline.UsesOfRelease(d, r.classic()))
			r.record(inventory.Pipeline{Kind: "release", ID: d.ID, Name: d.Name, Connections: n, Read: true})
			return nil
		})
	})
	return r.gap(ctx, "release definitions", err, "grant the signed-in identity the scope vso.release, and View release pipeline in the project")
}

func (r *projectReader) record(p inventory.Pipeline) {
	p.Organization, p.Project = r.o.source.Name, r.p.Name
	r.out.Pipelines = append(r.out.Pipelines, p)
}

// resources reads which pipelines may use the project's connections to Azure, and their checks. A project's connections are asked for where
// they came from and where they are shared.
func (r *projectReader) resources(ctx context.Context) error {
	ids, all := r.withApplication()
	checks, err := r.o.org.Checks(ctx, r.p, all)
	if err != nil {
		if err := r.o.s.gap(ctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: "checks on connections of " + r.o.source.Name + "/" + r.p.Name, Message: err.Error(), Passing: Passing(err),
			Permission: lacking(err, permissions.DevOpsConnectionUser), Next: "make the signed-in identity User of the connections"}); err != nil {
			return err
		}
	}
	r.o.mu.Lock()
	for id, list := range checks {
		c := r.o.found[id]
		if c == nil {
			continue
		}
		for _, check := range list {
			for _, used := range check.Uses {
				if r.o.found[used] != nil {
					r.use(used, inventory.PipelineUse{PipelinePlace: r.place(c.NameIn(r.p.Name)), Source: inventory.UseCheck, Input: check.Type, As: string(used)})
				}
			}
		}
		if r.o.part.reads(c) {
			c.Checks = append(c.Checks, list...)
		}
	}
	r.o.mu.Unlock()
	return r.permissions(ctx, ids)
}

// withApplication gives the project's connections that sign in as an application and are still to be changed, and beside those that are read all of them.
func (r *projectReader) withApplication() (ids, all []inventory.ConnectionID) {
	r.o.mu.Lock() // other projects add to a shared connection meanwhile
	defer r.o.mu.Unlock()
	for _, c := range r.o.names[r.p.ID] {
		class, _ := inventory.ClassifyConnection(*c)
		if c.AppID == "" || !class.StoresSecret() && class != inventory.ClassFederatedOld {
			continue
		}
		all = append(all, c.ID)
		if r.o.part.reads(c) {
			ids = append(ids, c.ID)
		}
	}
	slices.Sort(ids)
	slices.Sort(all)
	return ids, all
}

func (r *projectReader) permissions(ctx context.Context, ids []inventory.ConnectionID) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.o.s.o.Concurrency)
	var first sync.Once
	for _, id := range ids {
		g.Go(func() error {
			defer crash.Report()
			p, err := r.permission(gctx, id)
			if err == nil {
				r.o.mu.Lock()
				defer r.o.mu.Unlock()
				c := r.o.found[id]
				c.Permissions = append(c.Permissions, p)
				return nil
			}
			var told error
			first.Do(func() {
				told = r.o.s.gap(gctx, inventory.Gap{Source: inventory.SourceAzureDevOps, Object: "pipeline permissions of connections in " + r.o.source.Name + "/" + r.p.Name,
					Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.DevOpsConnectionUser), Next: "make the signed-in identity User of the connections"})
			})
			return told
		})
	}
	return g.Wait()
}

// permission reads which pipelines may use a connection.
func (r *projectReader) permission(ctx context.Context, id inventory.ConnectionID) (p inventory.ConnectionPermission, err error) {
	key, version := partKey("permission", r.o.source.ID, string(r.p.ID), string(id)), r.o.versions[id]
	if r.o.s.o.Parts.load(key, version, &p) {
		return p, nil
	}
	if p, err = r.o.org.Permissions(ctx, r.p, id); err == nil {
		r.o.s.o.Parts.save(key, version, p)
	}
	return p, err
}
