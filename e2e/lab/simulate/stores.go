package simulate

import (
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// The keys of a project's stores of secrets: one without environment, one for each environment, one for runs
// that Dependabot starts.
const (
	repositoryStore = ""
	dependabotStore = "dependabot"
)

func environmentStore(name string) string { return "env:" + strings.ToLower(name) }

// storesOf copies what a repository's runs can read. The environment wins over the repository, and that over the
// organisation (github/docs, "Using secrets in GitHub Actions").
func storesOf(r *world.Repo, a *world.Account) (secrets, vars map[string]*object) {
	secrets = map[string]*object{repositoryStore: newObject(), dependabotStore: newObject()}
	vars = map[string]*object{repositoryStore: newObject()}
	if a.Type != "User" {
		for _, s := range a.Secrets {
			if world.VisibleTo(s.Visibility, s.Selected, r) {
				secrets[repositoryStore].set(s.Name, s.Value)
			}
		}
		for _, v := range a.Variables {
			if world.VisibleTo(v.Visibility, v.Selected, r) {
				vars[repositoryStore].set(v.Name, v.Value)
			}
		}
	}
	for _, s := range r.Secrets {
		secrets[repositoryStore].set(s.Name, s.Value)
	}
	for _, s := range r.Dependabot {
		secrets[dependabotStore].set(s.Name, s.Value)
	}
	for _, v := range r.Variables {
		vars[repositoryStore].set(v.Name, v.Value)
	}
	for _, e := range r.Environments {
		es, ev := newObject(), newObject()
		for _, s := range e.Secrets {
			es.set(s.Name, s.Value)
		}
		for _, v := range e.Variables {
			ev.set(v.Name, v.Value)
		}
		secrets[environmentStore(e.Name)], vars[environmentStore(e.Name)] = es, ev
	}
	return secrets, vars
}

// untrusted reports a run that gets no secrets and a read-only token: a pull request from a fork. Other events of
// a fork's pull request, such as pull_request_target, run in the base repository and are trusted.
func untrusted(ev Event) bool {
	switch ev.Name {
	case "pull_request", "pull_request_review", "pull_request_review_comment":
		return ev.Fork
	}
	return false
}

// byDependabot reports a run that gets Dependabot's secrets and a read-only token unless the file raises it.
func byDependabot(ev Event) bool {
	if ev.Actor != dependabot {
		return false
	}
	switch ev.Name {
	case "push", "pull_request", "pull_request_review", "pull_request_review_comment", "create", "deployment", "deployment_status":
		return true
	}
	return false
}

// rootSecrets is the secrets context of the run's own workflow, before any environment.
func (p *project) rootSecrets(ev Event) *object {
	switch {
	case untrusted(ev):
		return newObject()
	case byDependabot(ev):
		return p.secrets[dependabotStore].clone()
	}
	return p.secrets[repositoryStore].clone()
}

// withEnvironment lays an environment's secrets over the ones of the workflow.
func (p *project) withEnvironment(base *object, env string, ev Event) *object {
	es := p.secrets[environmentStore(env)]
	if env == "" || es == nil || untrusted(ev) || byDependabot(ev) {
		return base
	}
	return base.overlay(es)
}

// variables is the vars context of a job. Pull requests from forks get none.
func (p *project) variables(env string, ev Event) *object {
	if untrusted(ev) {
		return newObject()
	}
	out := p.vars[repositoryStore]
	if ev := p.vars[environmentStore(env)]; env != "" && ev != nil {
		out = out.overlay(ev)
	}
	return out.clone()
}
