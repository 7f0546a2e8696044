package lab

import (
	"fmt"
	"maps"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// The types below are what a seed file says of an organisation's pipelines. Inputs of classic steps may hold connection:NAME, which becomes
// the connection's id.
type (
	seedPipelines struct {
		Repositories   []seedDevOpsRepo   `yaml:"repositories"`
		Pipelines      []seedPipeline     `yaml:"pipelines"`
		Releases       []seedRelease      `yaml:"releases"`
		TaskGroups     []seedTaskGroup    `yaml:"taskGroups"`
		VariableGroups []seedGroup        `yaml:"variableGroups"`
		Environments   []seedDeployTarget `yaml:"environments"`
		SecureFiles    []seedSecureFile   `yaml:"secureFiles"`
		Pools          []seedPool         `yaml:"pools"`
	}
	seedDevOpsRepo struct {
		Project string            `yaml:"project"`
		Name    string            `yaml:"name"`
		Files   map[string]string `yaml:"files"`
	}
	seedPipeline struct {
		Project    string            `yaml:"project"`
		Name       string            `yaml:"name"`
		Repository string            `yaml:"repository"`
		GitHub     bool              `yaml:"github"` // repository is OWNER/NAME there
		File       string            `yaml:"file"`   // empty: classic
		Steps      []seedStep        `yaml:"steps"`
		Variables  map[string]string `yaml:"variables"`
		Secrets    []string          `yaml:"secrets"` // names of secret variables
		Groups     []string          `yaml:"groups"`
		Pool       string            `yaml:"pool"`
		Timeout    int               `yaml:"timeout"`
	}
	seedStep struct {
		Task    string            `yaml:"task"` // a task's id, or group:NAME
		Version string            `yaml:"version"`
		Name    string            `yaml:"name"`
		Inputs  map[string]string `yaml:"inputs"`
	}
	seedRelease struct {
		Project string      `yaml:"project"`
		Name    string      `yaml:"name"`
		Secrets []string    `yaml:"secrets"`
		Groups  []string    `yaml:"groups"`
		Stages  []seedStage `yaml:"stages"`
	}
	seedStage struct {
		Name  string     `yaml:"name"`
		Steps []seedStep `yaml:"steps"`
		Gates []seedStep `yaml:"gates"`
	}
	seedTaskGroup struct {
		Project string            `yaml:"project"`
		Name    string            `yaml:"name"`
		Inputs  map[string]string `yaml:"inputs"`
		Steps   []seedStep        `yaml:"steps"`
	}
	seedGroup struct {
		Project    string            `yaml:"project"`
		Name       string            `yaml:"name"`
		Variables  map[string]string `yaml:"variables"`
		Secrets    []string          `yaml:"secrets"`
		Vault      string            `yaml:"vault"`
		Connection string            `yaml:"connection"`
	}
	seedDeployTarget struct {
		Project    string            `yaml:"project"`
		Name       string            `yaml:"name"`
		Kubernetes map[string]string `yaml:"kubernetes"` // resource: connection
	}
	seedSecureFile struct {
		Project string `yaml:"project"`
		Name    string `yaml:"name"`
	}
	seedPool struct {
		Name   string   `yaml:"name"`
		Hosted bool     `yaml:"hosted"`
		Agents []string `yaml:"agents"` // their versions
	}
)

// pipelineSeeder adds an organisation's pipelines.
type pipelineSeeder struct {
	*seeder
	org        *world.DevOpsOrg
	projects   map[string]*world.Project
	groups     map[string]int    // by project/name
	taskGroups map[string]string // by project/name
}

func (s *seeder) pipelines(org *world.DevOpsOrg, projects map[string]*world.Project, in seedPipelines) error {
	p := &pipelineSeeder{seeder: s, org: org, projects: projects, groups: map[string]int{}, taskGroups: map[string]string{}}
	for i, pool := range in.Pools {
		added := &world.AgentPool{ID: i + 1, Name: pool.Name, Hosted: pool.Hosted}
		for n, version := range pool.Agents {
			added.Agents = append(added.Agents, &world.Agent{ID: n + 1, Name: fmt.Sprintf("agent-%d", n+1), Version: version, OS: "Linux"})
		}
		org.Pools = append(org.Pools, added)
	}
	for _, step := range []func(seedPipelines) error{p.libraries, p.code, p.definitions, p.releases} {
		if err := step(in); err != nil {
			return err
		}
	}
	return nil
}

func (p *pipelineSeeder) project(name string) (*world.Project, error) {
	if found := p.projects[name]; found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("project %q is not in projects", name)
}

func (p *pipelineSeeder) connectionNamed(name string) (string, error) {
	for id, c := range p.org.Connections {
		if c.Refs[0].Name == name {
			return id, nil
		}
	}
	return "", fmt.Errorf("connection %q is not in connections", name)
}

func (p *pipelineSeeder) libraries(in seedPipelines) error {
	for i, g := range in.VariableGroups {
		project, err := p.project(g.Project)
		if err != nil {
			return fmt.Errorf("variable group %q: %w", g.Name, err)
		}
		added := &world.VariableGroup{ID: i + 1, ProjectID: project.ID, Name: g.Name, Vault: g.Vault, Variables: p.variables(g.Variables, g.Secrets), Created: p.b.w.Clock.Now()}
		if g.Connection != "" {
			if added.ConnectionID, err = p.connectionNamed(g.Connection); err != nil {
				return fmt.Errorf("variable group %q: %w", g.Name, err)
			}
		}
		p.org.VariableGroups = append(p.org.VariableGroups, added)
		p.groups[g.Project+"/"+g.Name] = added.ID
	}
	for _, g := range in.TaskGroups {
		project, err := p.project(g.Project)
		if err != nil {
			return fmt.Errorf("task group %q: %w", g.Name, err)
		}
		added := &world.TaskGroup{ID: p.b.w.NewID(), ProjectID: project.ID, Name: g.Name, Major: 1, Inputs: g.Inputs}
		p.taskGroups[g.Project+"/"+g.Name] = added.ID
		if added.Steps, err = p.steps(g.Project, g.Steps); err != nil {
			return fmt.Errorf("task group %q: %w", g.Name, err)
		}
		p.org.TaskGroups = append(p.org.TaskGroups, added)
	}
	for _, f := range in.SecureFiles {
		project, err := p.project(f.Project)
		if err != nil {
			return fmt.Errorf("secure file %q: %w", f.Name, err)
		}
		p.org.SecureFiles = append(p.org.SecureFiles, &world.SecureFile{ID: p.b.w.NewID(), ProjectID: project.ID, Name: f.Name, Created: p.b.w.Clock.Now()})
	}
	return p.environments(in)
}

func (p *pipelineSeeder) environments(in seedPipelines) error {
	for i, e := range in.Environments {
		project, err := p.project(e.Project)
		if err != nil {
			return fmt.Errorf("environment %q: %w", e.Name, err)
		}
		added := &world.PipelineEnvironment{ID: i + 1, ProjectID: project.ID, Name: e.Name, Created: p.b.w.Clock.Now()}
		for n, name := range sortedKeys(e.Kubernetes) {
			id, err := p.connectionNamed(e.Kubernetes[name])
			if err != nil {
				return fmt.Errorf("environment %q: %w", e.Name, err)
			}
			added.Kubernetes = append(added.Kubernetes, &world.KubernetesResource{ID: n + 1, Name: name, Cluster: name, Namespace: "default", ConnectionID: id})
		}
		p.org.Environments = append(p.org.Environments, added)
	}
	return nil
}

func (p *pipelineSeeder) variables(plain map[string]string, secret []string) map[string]*world.PipelineVariable {
	out := map[string]*world.PipelineVariable{}
	for name, value := range plain {
		out[name] = &world.PipelineVariable{Value: value}
	}
	for _, name := range secret {
		out[name] = &world.PipelineVariable{Value: p.b.w.NewSecret(), Secret: true}
	}
	return out
}

func (p *pipelineSeeder) steps(project string, in []seedStep) ([]*world.DesignerStep, error) {
	var out []*world.DesignerStep
	for _, s := range in {
		step := &world.DesignerStep{TaskID: s.Task, Version: s.Version, Name: s.Name, Inputs: maps.Clone(s.Inputs)}
		if name, isGroup := strings.CutPrefix(s.Task, "group:"); isGroup {
			step.TaskID, step.Group = p.taskGroups[project+"/"+name], true
			if step.TaskID == "" {
				return nil, fmt.Errorf("step %q: task group %q is not in taskGroups, or comes after", s.Name, name)
			}
		}
		for input, value := range step.Inputs {
			if name, isConnection := strings.CutPrefix(value, "connection:"); isConnection {
				id, err := p.connectionNamed(name)
				if err != nil {
					return nil, fmt.Errorf("step %q: %w", s.Name, err)
				}
				step.Inputs[input] = id
			}
		}
		out = append(out, step)
	}
	return out, nil
}

func (p *pipelineSeeder) code(in seedPipelines) error {
	for _, r := range in.Repositories {
		project, err := p.project(r.Project)
		if err != nil {
			return fmt.Errorf("repository %q: %w", r.Name, err)
		}
		p.b.w.AddDevOpsRepo(p.org, project, r.Name, r.Files)
	}
	return nil
}

func (p *pipelineSeeder) groupIDs(project string, names []string) ([]int, error) {
	var ids []int
	for _, name := range names {
		id, ok := p.groups[project+"/"+name]
		if !ok {
			return nil, fmt.Errorf("variable group %q is not in variableGroups", name)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (p *pipelineSeeder) definitions(in seedPipelines) error {
	for i, d := range in.Pipelines {
		project, err := p.project(d.Project)
		if err != nil {
			return fmt.Errorf("pipeline %q: %w", d.Name, err)
		}
		added := &world.Definition{ID: i + 1, ProjectID: project.ID, Name: d.Name, YAMLFile: d.File, Repository: d.Repository, RepositoryType: "TfsGit",
			DefaultBranch: "refs/heads/main", Variables: p.variables(d.Variables, d.Secrets), Timeout: d.Timeout, Created: p.b.w.Clock.Now()}
		if d.GitHub {
			added.RepositoryType = "GitHub"
		}
		for _, pool := range p.org.Pools {
			if pool.Name == d.Pool {
				added.Pool = pool.ID
			}
		}
		if added.Steps, err = p.steps(d.Project, d.Steps); err != nil {
			return fmt.Errorf("pipeline %q: %w", d.Name, err)
		}
		if added.VariableGroups, err = p.groupIDs(d.Project, d.Groups); err != nil {
			return fmt.Errorf("pipeline %q: %w", d.Name, err)
		}
		p.org.Definitions = append(p.org.Definitions, added)
	}
	return nil
}

func (p *pipelineSeeder) releases(in seedPipelines) error {
	for i, d := range in.Releases {
		project, err := p.project(d.Project)
		if err != nil {
			return fmt.Errorf("release %q: %w", d.Name, err)
		}
		added := &world.ReleaseDefinition{ID: i + 1, ProjectID: project.ID, Name: d.Name, Variables: p.variables(nil, d.Secrets), Created: p.b.w.Clock.Now()}
		if added.VariableGroups, err = p.groupIDs(d.Project, d.Groups); err != nil {
			return fmt.Errorf("release %q: %w", d.Name, err)
		}
		for n, s := range d.Stages {
			stage := &world.ReleaseStage{ID: n + 1, Name: s.Name}
			if stage.Steps, err = p.steps(d.Project, s.Steps); err == nil {
				stage.Gates, err = p.steps(d.Project, s.Gates)
			}
			if err != nil {
				return fmt.Errorf("release %q: %w", d.Name, err)
			}
			added.Stages = append(added.Stages, stage)
		}
		p.org.Releases = append(p.org.Releases, added)
	}
	return nil
}
