package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/simulate"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// Outcome is one attempt of a pipeline to sign in, or a run that could not make one.
type Outcome struct {
	Repository   string `json:"repository,omitempty"`
	Workflow     string `json:"workflow,omitempty"`
	Event        string `json:"event,omitempty"` // name and what distinguishes it: push refs/heads/main
	Job          string `json:"job,omitempty"`
	Step         string `json:"step,omitempty"`
	Organization string `json:"organization,omitempty"`
	Connection   string `json:"connection,omitempty"`
	Kind         string `json:"kind,omitempty"` // secret or federated
	AppID        string `json:"appId,omitempty"`
	Subject      string `json:"subject,omitempty"`
	OK           bool   `json:"ok"`
	Error        string `json:"error,omitempty"`
}

// Place names what tried to sign in, without how it went.
func (o Outcome) Place() string {
	if o.Connection != "" {
		return o.Organization + "/" + o.Connection
	}
	return strings.Join([]string{o.Repository, o.Workflow, o.Event, o.Job, o.Step}, " · ")
}

// Fire lets an event happen to a repository and gives every sign-in that followed.
func (l *Lab) Fire(repository string, e simulate.Event) ([]Outcome, error) {
	runs, err := l.Simulator.Run(repository, e)
	if err != nil {
		return nil, err
	}
	var out []Outcome
	for _, run := range runs {
		out = append(out, outcomesOf(repository, e, run)...)
	}
	return out, nil
}

func outcomesOf(repository string, e simulate.Event, run *world.WorkflowRun) []Outcome {
	at := Outcome{Repository: repository, Workflow: run.Workflow, Event: describe(e)}
	if run.Conclusion == "startup_failure" {
		at.Error = "startup_failure: " + run.Message
		return []Outcome{at}
	}
	var out []Outcome
	for _, job := range run.Jobs {
		for _, login := range job.Logins {
			o := at
			o.Job, o.Step, o.Kind, o.AppID, o.OK, o.Error = job.Name, login.Step, login.Kind, login.AppID, login.OK, login.Error
			if o.Job == "" {
				o.Job = job.ID
			}
			if login.Kind == "federated" {
				o.Subject = job.Subject
			}
			out = append(out, o)
		}
	}
	return out
}

func describe(e simulate.Event) string {
	parts := []string{e.Name}
	for _, p := range []string{e.Ref, e.Base, e.Type} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	for _, name := range sortedKeys(e.Inputs) {
		parts = append(parts, name+"="+e.Inputs[name])
	}
	return strings.Join(parts, " ")
}

// TriggerAll lets everything happen that can: every event of every workflow, and a use of every connection.
func (l *Lab) TriggerAll() ([]Outcome, error) {
	type task struct {
		repository string
		events     []simulate.Event
	}
	var tasks []task
	l.World.Lock()
	for _, name := range sortedKeys(l.World.GitHub.Repos) {
		r := l.World.GitHub.Repos[name]
		if !r.Archived && r.Broken == "" {
			tasks = append(tasks, task{r.FullName(), Events(l.World, r)})
		}
	}
	l.World.Unlock()
	var out []Outcome
	var failed []error
	for _, t := range tasks {
		for _, e := range t.events {
			outcomes, err := l.Fire(t.repository, e)
			if err != nil {
				failed = append(failed, err)
			}
			out = append(out, outcomes...)
		}
	}
	for _, c := range l.connections() {
		o, err := l.UseConnection(context.Background(), c[0], c[1])
		if err != nil {
			failed = append(failed, err)
			continue
		}
		out = append(out, o)
	}
	return out, errors.Join(failed...)
}

// RunPipelines runs every YAML pipeline of every organisation on its default branch.
func (l *Lab) RunPipelines() ([]simulate.PipelineStep, error) {
	l.World.Lock()
	type ref struct{ org, project, name string }
	var all []ref
	for _, name := range sortedKeys(l.World.DevOps) {
		org := l.World.DevOps[name]
		for _, d := range org.Definitions {
			i := slices.IndexFunc(org.Projects, func(p *world.Project) bool { return p.ID == d.ProjectID })
			if d.YAMLFile != "" && i >= 0 {
				all = append(all, ref{org.Name, org.Projects[i].Name, d.Name})
			}
		}
	}
	l.World.Unlock()
	var out []simulate.PipelineStep
	var failed []error
	for _, p := range all {
		steps, err := l.Simulator.Pipeline(context.Background(), p.org, p.project, p.name)
		if err != nil {
			failed = append(failed, fmt.Errorf("pipeline %s/%s/%s: %w", p.org, p.project, p.name, err))
		}
		out = append(out, steps...)
	}
	return out, errors.Join(failed...)
}

// connections lists organisation and id of every connection that can sign in to Azure.
func (l *Lab) connections() [][2]string {
	l.World.Lock()
	defer l.World.Unlock()
	var out [][2]string
	for _, name := range sortedKeys(l.World.DevOps) {
		org := l.World.DevOps[name]
		for _, id := range sortedKeys(org.Connections) {
			c := org.Connections[id]
			if !c.Deleted && !c.Disabled && (c.Scheme == "ServicePrincipal" || c.Scheme == "WorkloadIdentityFederation") {
				out = append(out, [2]string{org.Name, id})
			}
		}
	}
	return out
}

// connection finds a connection by its id or by its name in any project, and a copy of it.
func (l *Lab) connection(organization, name string) (*world.DevOpsOrg, *world.Connection, error) {
	l.World.Lock()
	defer l.World.Unlock()
	org := l.World.DevOps[strings.ToLower(organization)]
	if org == nil {
		return nil, nil, fmt.Errorf("organization %q does not exist in the lab: it has %s", organization, strings.Join(sortedKeys(l.World.DevOps), ", "))
	}
	for _, id := range sortedKeys(org.Connections) {
		c := org.Connections[id]
		named := slices.ContainsFunc(c.Refs, func(r *world.ProjectRef) bool { return r.Name == name })
		if !c.Deleted && (id == name || named) {
			clone := *c
			return org, &clone, nil
		}
	}
	return nil, nil, fmt.Errorf("connection %q does not exist in organization %s of the lab", name, organization)
}

// Merge approves and merges a pull request as a reviewer would. With Options.AutoRun the push runs.
func (l *Lab) Merge(repository string, number int) error {
	l.World.Lock()
	r := l.World.GitHub.Repos[strings.ToLower(repository)]
	if r == nil {
		l.World.Unlock()
		return fmt.Errorf("repository %q does not exist in the lab", repository)
	}
	err := l.World.MergePull(r, number)
	base, name := "", r.FullName()
	if p := r.Pull(number); p != nil {
		base = "refs/heads/" + p.Base
	}
	l.World.Unlock()
	if err != nil {
		return fmt.Errorf("merge pull request %d of %s: %w", number, name, err)
	}
	l.onPush(name, base, "", "merged")
	return nil
}

// MergeAll merges every open pull request and gives how many it merged; those that could not be are in the error.
func (l *Lab) MergeAll() (merged int, err error) {
	type open struct {
		repository string
		number     int
	}
	var all []open
	l.World.Lock()
	for _, name := range sortedKeys(l.World.GitHub.Repos) {
		for _, p := range l.World.GitHub.Repos[name].Pulls {
			if p.State == "open" && !p.Merged {
				all = append(all, open{name, p.Number})
			}
		}
	}
	l.World.Unlock()
	var failed []error
	for _, org := range sortedKeys(l.World.DevOps) {
		n, err := l.completeAll(l.World.DevOps[org])
		merged += n
		failed = append(failed, err)
	}
	for _, p := range all {
		if err := l.Merge(p.repository, p.number); err != nil {
			failed = append(failed, err)
			continue
		}
		merged++
	}
	return merged, errors.Join(failed...)
}

// completeAll completes every active pull request of Azure Repos in an organisation, as a reviewer would.
func (l *Lab) completeAll(o *world.DevOpsOrg) (merged int, err error) {
	l.World.Lock()
	defer l.World.Unlock()
	var failed []error
	for _, r := range o.Repos {
		for _, p := range r.Git.Pulls {
			if p.State != "open" {
				continue
			}
			if err := l.World.MergePull(r.Git, p.Number); err != nil {
				failed = append(failed, err)
				continue
			}
			merged++
		}
	}
	return merged, errors.Join(failed...)
}

// onPush runs what listens to a push, if the lab is to run by itself. Runs that fail are in the repository's runs.
func (l *Lab) onPush(repository, ref, _, after string) {
	if l.options.AutoRun && after != "" {
		_, _ = l.Simulator.Run(repository, simulate.Event{Name: "push", Ref: ref})
	}
}

// onDispatch runs a workflow that somebody asked to run.
func (l *Lab) onDispatch(repository, workflow, ref string, inputs map[string]any) {
	texts := map[string]string{}
	for name, v := range inputs {
		texts[name] = fmt.Sprint(v)
	}
	_, _ = l.Simulator.Run(repository, simulate.Event{Name: "workflow_dispatch", Workflow: workflow, Ref: ref, Inputs: texts})
}
