package simulate

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// PipelineStep is how one step of a YAML pipeline went that signs in with a service connection, or that needs what another left for it.
type PipelineStep struct {
	Pipeline, Job, Step, Task, Connection string
	OK                                    bool
	Error                                 string
}

// Pipeline runs a YAML pipeline on its default branch: it includes templates, fills parameters and variables in, signs in with the connections of its
// tasks, and refuses what the tasks and scripts cannot do with a connection as it is. Conditions are taken to hold.
func (s *Simulator) Pipeline(ctx context.Context, org, project, name string) ([]PipelineStep, error) {
	s.w.Lock()
	o := s.w.DevOps[strings.ToLower(org)]
	s.w.Unlock()
	if o == nil {
		return nil, fmt.Errorf("organisation %q does not exist", org)
	}
	r := &pipelineRun{s: s, org: o}
	if err := r.load(project, name); err != nil {
		return nil, err
	}
	root, err := r.file(r.repo, r.definition.YAMLFile)
	if err != nil {
		return nil, err
	}
	r.variables(root["variables"])
	r.resources(root["resources"])
	err = r.body(ctx, pipelineFrame{repo: r.repo, dir: path.Dir(r.definition.YAMLFile)}, root)
	return r.out, err
}

// pipelineRun is one run.
type pipelineRun struct {
	s          *Simulator
	org        *world.DevOpsOrg
	project    *world.Project
	definition *world.Definition
	repo       string // Project/Name or OWNER/NAME
	vars       map[string]string
	aliases    map[string]string
	out        []PipelineStep
}

// pipelineFrame is where a part of a pipeline stands.
type pipelineFrame struct {
	repo, dir string
	params    map[string]any
	job       *pipelineJob
}

// pipelineJob is what the steps of a job hand on.
type pipelineJob struct {
	name string
	set  map[string]string // variables that scripts have set: key or token
}

func (r *pipelineRun) load(project, name string) error {
	r.s.w.Lock()
	defer r.s.w.Unlock()
	for _, p := range r.org.Projects {
		if strings.EqualFold(p.Name, project) {
			r.project = p
		}
	}
	if r.project == nil {
		return fmt.Errorf("project %q does not exist", project)
	}
	i := slices.IndexFunc(r.org.Definitions, func(d *world.Definition) bool {
		return d.ProjectID == r.project.ID && strings.EqualFold(d.Name, name) && d.YAMLFile != ""
	})
	if i < 0 {
		return fmt.Errorf("pipeline %q does not exist in project %s, or has no YAML", name, project)
	}
	r.definition = r.org.Definitions[i]
	r.repo, r.vars, r.aliases = r.definition.Repository, map[string]string{}, map[string]string{}
	if strings.EqualFold(r.definition.RepositoryType, "TfsGit") && !strings.Contains(r.repo, "/") {
		r.repo = r.project.Name + "/" + r.repo
	}
	for k, v := range r.definition.Variables {
		r.vars[strings.ToLower(k)] = v.Value
	}
	return nil
}

// file reads a file of a repository's default branch.
func (r *pipelineRun) file(repo, name string) (map[string]any, error) {
	r.s.w.Lock()
	defer r.s.w.Unlock()
	var git *world.Repo
	for _, known := range r.org.Repos {
		if strings.EqualFold(known.Git.Owner+"/"+known.Git.Name, repo) || strings.EqualFold(known.ID, strings.TrimPrefix(repo, r.project.Name+"/")) {
			git = known.Git
		}
	}
	if git == nil {
		git = r.s.w.GitHub.Repos[strings.ToLower(repo)]
	}
	if git == nil {
		return nil, fmt.Errorf("repository %q does not exist", repo)
	}
	content, ok := git.Files(git.DefaultBranch)[strings.TrimPrefix(path.Clean("/"+name), "/")]
	if !ok {
		return nil, fmt.Errorf("%s has no file %s", repo, name)
	}
	var v map[string]any
	if err := yaml.Unmarshal(content, &v); err != nil {
		return nil, fmt.Errorf("%s of %s: %w", name, repo, err)
	}
	return v, nil
}

// variables takes in variables, of the text and of groups.
func (r *pipelineRun) variables(v any) {
	switch list := v.(type) {
	case map[string]any:
		for k, value := range list {
			r.vars[strings.ToLower(k)] = fmt.Sprint(value)
		}
	case []any:
		for _, item := range list {
			m, _ := item.(map[string]any)
			if name, ok := m["name"].(string); ok {
				r.vars[strings.ToLower(name)] = fmt.Sprint(m["value"])
			}
			if group, ok := m["group"].(string); ok {
				r.group(group)
			}
		}
	}
}

func (r *pipelineRun) group(name string) {
	r.s.w.Lock()
	defer r.s.w.Unlock()
	for _, g := range r.org.VariableGroups {
		if g.ProjectID != r.project.ID || !strings.EqualFold(g.Name, name) {
			continue
		}
		for k, v := range g.Variables {
			if !v.Secret {
				r.vars[strings.ToLower(k)] = v.Value
			}
		}
	}
}

func (r *pipelineRun) resources(v any) {
	m, _ := v.(map[string]any)
	list, _ := m["repositories"].([]any)
	for _, item := range list {
		e, _ := item.(map[string]any)
		alias, _ := e["repository"].(string)
		name, _ := e["name"].(string)
		if !strings.Contains(name, "/") {
			name = r.project.Name + "/" + name
		}
		r.aliases[strings.ToLower(alias)] = name
	}
}

// body walks stages, jobs and steps, wherever they stand.
func (r *pipelineRun) body(ctx context.Context, f pipelineFrame, m map[string]any) error {
	if extends, ok := m["extends"].(map[string]any); ok {
		return r.include(ctx, f, extends)
	}
	if f.job == nil && m["steps"] != nil {
		f.job = &pipelineJob{name: jobName(m), set: map[string]string{}}
	}
	for _, key := range []string{"stages", "jobs", "steps"} {
		list, _ := m[key].([]any)
		for i, item := range list {
			if err := r.item(ctx, f, key, i, item); err != nil {
				return err
			}
		}
	}
	strategy, _ := m["strategy"].(map[string]any)
	for _, kind := range strategy {
		if lifecycle, ok := kind.(map[string]any); ok {
			for _, hook := range slices.Sorted(maps.Keys(lifecycle)) {
				if h, ok := lifecycle[hook].(map[string]any); ok {
					if err := r.body(ctx, f, h); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func jobName(m map[string]any) string {
	for _, key := range []string{"job", "deployment", "stage"} {
		if name, ok := m[key].(string); ok {
			return name
		}
	}
	return ""
}

func (r *pipelineRun) item(ctx context.Context, f pipelineFrame, kind string, i int, item any) error {
	m, ok := item.(map[string]any)
	if !ok {
		return fmt.Errorf("entry %d of %s is not a mapping", i+1, kind)
	}
	if m["template"] != nil {
		return r.include(ctx, f, m)
	}
	if kind == "steps" {
		r.step(ctx, f, i, m)
		return nil
	}
	return r.body(ctx, f, m)
}

// include expands a template.
func (r *pipelineRun) include(ctx context.Context, f pipelineFrame, m map[string]any) error {
	name, alias, _ := strings.Cut(r.fill(f, fmt.Sprint(m["template"])), "@")
	next := pipelineFrame{repo: f.repo, job: f.job, params: map[string]any{}}
	file := path.Join(f.dir, name)
	if strings.HasPrefix(name, "/") {
		file = name
	}
	if alias == "self" {
		next.repo, file = r.repo, name
	} else if alias != "" {
		next.repo, file = r.aliases[strings.ToLower(alias)], name
	}
	next.dir = path.Dir(file)
	t, err := r.file(next.repo, file)
	if err != nil {
		return err
	}
	defaults(next.params, t["parameters"])
	given, _ := m["parameters"].(map[string]any)
	for k, v := range given {
		if text, ok := v.(string); ok {
			v = r.fill(f, text)
		}
		next.params[strings.ToLower(k)] = v
	}
	return r.body(ctx, next, t)
}

func defaults(into map[string]any, v any) {
	switch list := v.(type) {
	case map[string]any:
		for k, value := range list {
			into[strings.ToLower(k)] = value
		}
	case []any:
		for _, item := range list {
			m, _ := item.(map[string]any)
			if name, ok := m["name"].(string); ok && m["default"] != nil {
				into[strings.ToLower(name)] = m["default"]
			}
		}
	}
}

var (
	parameterText = lazy.Regexp(`\$\{\{\s*parameters\.(\w+)\s*\}\}`)
	macroText     = lazy.Regexp(`\$\(([\w.]+)\)`)
)

// fill puts parameters and variables into a text.
func (r *pipelineRun) fill(f pipelineFrame, text string) string {
	text = parameterText().ReplaceAllStringFunc(text, func(m string) string {
		return fmt.Sprint(f.params[strings.ToLower(parameterText().FindStringSubmatch(m)[1])])
	})
	return macroText().ReplaceAllStringFunc(text, func(m string) string {
		if v, ok := r.vars[strings.ToLower(macroText().FindStringSubmatch(m)[1])]; ok {
			return v
		}
		return m
	})
}

// connectionInputs are the inputs of Microsoft's tasks that take a connection to Azure or to a registry.
var connectionInputs = []string{"azuresubscription", "connectedservicename", "connectedservicenamearm", "azuresubscriptionendpoint", "azuresubscriptionconnection",
	"azureresourcemanagerconnection", "containerregistry", "dockerregistryendpoint", "dockerregistryserviceconnection", "backendservicearm", "environmentservicenameazurerm"}

func (r *pipelineRun) step(ctx context.Context, f pipelineFrame, i int, m map[string]any) {
	out := PipelineStep{Pipeline: r.project.Name + "/" + r.definition.Name, Step: "#" + strconv.Itoa(i+1)}
	if f.job != nil {
		out.Job = f.job.name
	}
	if name, ok := m["displayName"].(string); ok {
		out.Step = name
	}
	if why := r.needs(f, m); why != "" {
		out.Error = why
		r.out = append(r.out, out)
		return
	}
	task, _ := m["task"].(string)
	out.Task = r.fill(f, task)
	inputs, _ := m["inputs"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(inputs)) {
		if !slices.Contains(connectionInputs, strings.ToLower(key)) || task == "" {
			continue
		}
		out.Connection = r.fill(f, fmt.Sprint(inputs[key]))
		err := r.use(ctx, f, out.Task, out.Connection, inputs)
		out.OK, out.Error = err == nil, ""
		if err != nil {
			out.Error = err.Error()
		}
		r.out = append(r.out, out)
	}
}

// needs tells what a step asks of its environment that nothing before it has set.
func (r *pipelineRun) needs(f pipelineFrame, m map[string]any) string {
	env, _ := m["env"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(env)) {
		match := macroText().FindStringSubmatch(fmt.Sprint(env[key]))
		if match == nil || f.job == nil {
			continue
		}
		kind := f.job.set[strings.ToLower(match[1])]
		switch {
		case kind == "nothing":
			return fmt.Sprintf("%s is empty: the step that sets %s had nothing to set it to", key, match[1])
		case strings.EqualFold(key, "ARM_CLIENT_SECRET") && kind == "token", strings.EqualFold(key, "ARM_OIDC_TOKEN") && kind == "key":
			return fmt.Sprintf("%s holds the wrong kind of credential", key)
		}
	}
	return ""
}

func (r *pipelineRun) use(ctx context.Context, f pipelineFrame, task, name string, inputs map[string]any) error {
	c := r.find(name)
	if c == nil {
		return fmt.Errorf("the service connection %q does not exist in project %s", name, r.project.Name)
	}
	if err := r.permitted(c); err != nil {
		return err
	}
	federated := strings.EqualFold(c.Scheme, schemeFederated)
	if federated && cannotFederate(task, c.Type) {
		return fmt.Errorf("%s: unsupported authentication scheme 'WorkloadIdentityFederation' for endpoint", task)
	}
	if strings.EqualFold(param(c.Data, "registrytype"), "ACR") || param(c.Params, "serviceprincipalid") != "" {
		if err := r.s.SignIn(ctx, c); err != nil {
			return err
		}
	}
	return r.script(f, task, federated, inputs)
}

// permitted asks whether the pipeline may use a connection (Microsoft Learn: Define approvals and checks, pipeline permissions).
func (r *pipelineRun) permitted(c *world.Connection) error {
	r.s.w.Lock()
	defer r.s.w.Unlock()
	if !r.s.w.Knobs.AskPermission || c.AllPipelines || slices.Contains(c.OpenIn, r.project.ID) || slices.Contains(c.Pipelines, r.definition.ID) {
		return nil
	}
	return fmt.Errorf("this pipeline needs permission to access a resource before this run can continue: %s", c.ID)
}

var sets = lazy.Regexp(`(?i)##vso\[task\.setvariable variable=([\w.]+)[^\]]*\]\$[({]*(?:env:)?(servicePrincipalKey|idToken)`)

// script runs the script of an AzureCLI step as far as it reads the connection's credentials
// (microsoft/azure-pipelines-tasks: AzureCLIV2, addSpnToEnvironment).
func (r *pipelineRun) script(f pipelineFrame, task string, federated bool, inputs map[string]any) error {
	text := r.fill(f, fmt.Sprint(inputs["inlineScript"]))
	given := strings.EqualFold(fmt.Sprint(inputs["addSpnToEnvironment"]), "true") && strings.HasPrefix(strings.ToLower(task), "azurecli@")
	key, token := strings.Contains(strings.ToLower(text), "serviceprincipalkey"), strings.Contains(strings.ToLower(text), "idtoken")
	for _, m := range sets().FindAllStringSubmatch(text, -1) {
		if f.job == nil {
			continue
		}
		kind := map[bool]string{true: "token", false: "key"}[strings.EqualFold(m[2], "idToken")]
		if !given || (kind == "token") != federated {
			kind = "nothing"
		}
		f.job.set[strings.ToLower(m[1])] = kind
	}
	switch {
	case key && (!given || federated):
		return fmt.Errorf("%s: servicePrincipalKey is not set", task)
	case token && (!given || !federated):
		return fmt.Errorf("%s: idToken is not set", task)
	}
	return nil
}

// find gives a copy of the connection that a project knows by a name or id.
func (r *pipelineRun) find(name string) *world.Connection {
	r.s.w.Lock()
	defer r.s.w.Unlock()
	for id, c := range r.org.Connections {
		for _, ref := range c.Refs {
			if !c.Deleted && ref.ProjectID == r.project.ID && (strings.EqualFold(ref.Name, name) || strings.EqualFold(id, name)) {
				copied := *c
				copied.Params, copied.Hidden = maps.Clone(c.Params), maps.Clone(c.Hidden)
				return &copied
			}
		}
	}
	return nil
}

// withoutFederation are task versions that cannot use workload identity federation (Microsoft Learn: Troubleshoot an Azure Resource Manager workload identity
// service connection).
var withoutFederation = []string{"azurefilecopy@1", "azurefilecopy@2", "azurefilecopy@3", "azurefilecopy@4", "azurefilecopy@5", "azurenlbmanagement@1", "servicefabricdeploy@1",
	"servicefabriccomposedeploy@0", "azurefunctiononkubernetes@0", "azuremonitor@0", "kubernetes@0", "kubernetesmanifest@0", "packerbuild@0",
	"terraformtaskv1@0", "terraformtaskv2@2", "terraformtaskv3@3", "terraformcli@0"}

func cannotFederate(task, connectionType string) bool {
	task = strings.ToLower(task)
	return slices.Contains(withoutFederation, task) || task == "docker@1" && strings.EqualFold(connectionType, "dockerregistry")
}
