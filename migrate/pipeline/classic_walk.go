package pipeline

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// classic walks a classic definition with the same eyes as a YAML pipeline: its steps become nodes without a place.
type classic struct {
	*walker
	options ClassicOptions
	groups  []string // the task groups that are being expanded
}

func newClassic(name string, o ClassicOptions) *classic {
	w := &walker{expander: &expander{}, project: newProject(nil, nil), options: o.Options, out: newCollector(), name: name, repositories: make(map[string]repositoryResource), containers: make(map[string]bool)}
	return &classic{walker: w, options: o}
}

// variables takes a definition's variables into scope. Secret ones are open.
func (c *classic) variables(list map[string]ClassicVariable, parent *variables) *variables {
	if parent == nil {
		parent = newVariables(nil)
		for name, v := range c.options.Variables {
			parent.set(name, known(str(v)), false)
		}
	}
	vars := newVariables(parent)
	for _, name := range sortedKeys(list) {
		c.variable(name, list[name], vars, context{vars: vars})
	}
	return vars
}

func (c *classic) variable(name string, v ClassicVariable, vars *variables, ctx context) {
	if v.IsSecret {
		vars.set(name, openLeaf("$("+name+")"), false)
	} else {
		vars.set(name, known(str(v.Value)), false)
	}
	if holdsSecret(name) {
		c.out.secrets = append(c.out.secrets, SecretUse{Place: c.place(source{}, ctx), Kind: SecretVariable, Name: name, Literal: !v.IsSecret && isLiteral(v.Value)})
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (c *classic) groupsByID(ids []int, vars *variables, ctx context) {
	for _, id := range ids {
		if c.options.VariableGroups != nil {
			if g, ok := c.options.VariableGroups(id); ok {
				c.variableGroup(g, vars, ctx)
				continue
			}
		}
		name := strconv.Itoa(id)
		vars.groups = append(vars.groups, name)
		c.out.groups = append(c.out.groups, Named{Place: c.place(source{}, ctx), Name: name})
	}
}

// variableGroup takes a group's variables into scope. A group that is linked to a key vault reads it with a connection.
func (c *classic) variableGroup(g VariableGroup, vars *variables, ctx context) {
	name := or(g.Name, strconv.Itoa(g.ID))
	c.out.groups = append(c.out.groups, Named{Place: c.place(source{}, ctx), Name: name, Resolved: []string{name}})
	if g.ProviderData != nil && g.ProviderData.ServiceEndpointID != "" {
		c.endpoint(g.ProviderData.ServiceEndpointID, "variable group "+name, KindAzureRM, ctx)
	}
	if len(g.Variables) == 0 {
		vars.groups = append(vars.groups, name)
	}
	for _, key := range sortedKeys(g.Variables) {
		v := g.Variables[key]
		v.IsSecret = v.IsSecret || strings.EqualFold(g.Type, "AzureKeyVault")
		c.variable(key, v, vars, ctx)
	}
}

// endpoint records a use of a connection that is named by its id.
func (c *classic) endpoint(id, input string, kind Kind, ctx context) {
	c.connection(&pair{value: text(id)}, Use{Input: input, Kind: kind}, ctx)
}

func text(s string) *node { return scalar(known(str(s)), source{}) }

// object makes a mapping of texts, in the order of their names.
func object(m map[string]string) *node {
	n := &node{kind: mapNode}
	for _, k := range sortedKeys(m) {
		n.pairs = append(n.pairs, &pair{key: k, value: text(m[k])})
	}
	return n
}

func (c *classic) stage(e ReleaseEnvironment, vars *variables) {
	inner := c.variables(e.Variables, vars)
	ctx := context{vars: inner, stage: e.Name}
	c.groupsByID(e.VariableGroups, inner, ctx)
	for i, gates := range []*Gates{e.PreDeploymentGates, e.PostDeploymentGates} {
		if gates == nil {
			continue
		}
		ctx := ctx
		ctx.job = &job{name: []string{"pre-deployment gates", "post-deployment gates"}[i]}
		for _, g := range gates.Gates {
			c.classicSteps(workflowSteps(g.Tasks), ctx)
		}
	}
	for _, p := range e.DeployPhases {
		ctx := ctx
		ctx.job, ctx.condition = &job{name: p.Name}, p.DeploymentInput.Condition
		if p.DeploymentInput.TimeoutInMinutes > 0 {
			ctx.job.timeout = strconv.Itoa(p.DeploymentInput.TimeoutInMinutes)
		}
		c.classicSteps(workflowSteps(p.WorkflowTasks), ctx)
		c.checkJob(ctx)
	}
}

// workflowSteps makes the tasks of a release into steps. Overridden inputs win.
func workflowSteps(tasks []WorkflowTask) []ClassicStep {
	var list []ClassicStep
	for _, t := range tasks {
		inputs := make(map[string]string, len(t.Inputs))
		for k, v := range t.Inputs {
			inputs[k] = v
		}
		for k, v := range t.OverrideInputs {
			if v != "" {
				inputs[k] = v
			}
		}
		list = append(list, ClassicStep{Task: TaskReference{ID: t.TaskID, VersionSpec: t.Version, DefinitionType: t.DefinitionType}, Inputs: inputs, Environment: t.Environment,
			DisplayName: t.Name, RefName: t.RefName, Condition: t.Condition, Enabled: t.Enabled})
	}
	return list
}

func (c *classic) classicSteps(steps []ClassicStep, ctx context) {
	for i, s := range steps {
		if strings.EqualFold(s.Task.DefinitionType, "metaTask") {
			c.taskGroup(s, i, ctx)
			continue
		}
		n := &node{kind: mapNode, pairs: []*pair{
			{key: "task", value: text(s.Task.ID + "@" + s.Task.VersionSpec)},
			{key: "displayName", value: text(s.label(i))},
			{key: "condition", value: text(s.Condition)},
			{key: "inputs", value: object(s.Inputs)},
			{key: "env", value: object(s.Environment)},
		}}
		inner := ctx
		inner.disabled = ctx.disabled || !s.Enabled
		c.step(n, inner, i)
	}
}

// taskGroup expands a task group: what is passed becomes variables of its steps.
func (c *classic) taskGroup(s ClassicStep, i int, ctx context) {
	major := newTask(s.Task.ID, s.Task.VersionSpec).major
	place := c.place(source{}, ctx)
	place.Step = ctx.prefix + s.label(i)
	id := strings.ToLower(s.Task.ID)
	if slices.Contains(c.groups, id) {
		c.out.gap(Gap{Place: place, Message: "the task group includes itself", Next: "break the circle"})
		return
	}
	var g TaskGroup
	ok := false
	if c.options.TaskGroups != nil {
		g, ok = c.options.TaskGroups(s.Task.ID, major)
	}
	if !ok {
		c.out.gap(Gap{Place: place, Message: fmt.Sprintf("the task group %s@%s cannot be read", s.Task.ID, s.Task.VersionSpec), Next: "give the reader access to task groups, or look at it by hand"})
		return
	}
	inner := ctx
	inner.vars = c.groupInputs(g, s, ctx)
	inner.prefix = ctx.prefix + s.label(i) + " / "
	inner.disabled = ctx.disabled || !s.Enabled
	c.groups = append(c.groups, id)
	c.classicSteps(g.Tasks, inner)
	c.groups = c.groups[:len(c.groups)-1]
}

func (c *classic) groupInputs(g TaskGroup, s ClassicStep, ctx context) *variables {
	vars := newVariables(ctx.vars)
	set := func(name, v string) { vars.set(name, c.runtime(known(str(v)), ctx.vars), false) }
	for _, in := range g.Inputs {
		set(in.Name, in.DefaultValue)
	}
	for _, name := range sortedKeys(s.Inputs) {
		set(name, s.Inputs[name])
	}
	return vars
}
