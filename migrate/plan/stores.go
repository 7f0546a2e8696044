package plan

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// use is one login reading one secret store, in one environment or outside of any.
type use struct {
	login *inventory.Login
	// repository is whose runs read it: the login's, or that of a workflow which calls the login's from elsewhere. The
	// secrets and vars contexts of a called workflow are the caller's (GitHub Docs: "Reusing workflow configurations").
	repository inventory.RepositoryName
	store      inventory.StoreRef
	known      bool // the scan saw the store
	role       string
	part       bool // what is read is a member of the JSON that the store holds
	// environments are those whose jobs read this store; "" is a job without an environment.
	environments []string
}

// The roles of a secret that carry a credential; all other roles are ids, which are not secret.
const (
	roleCredentials  = "credentials"
	roleClientSecret = "clientSecret"
)

// notServicePrincipal are the kinds whose secret is not a service principal's: no federated credential replaces them.
var notServicePrincipal = []inventory.Kind{
	inventory.KindPublishProfile, inventory.KindStaticWebAppsToken, inventory.KindSQLConnectionString,
	inventory.KindStorageKey, inventory.KindDockerACRAdmin,
}

// carriers are the secrets of a login that hold a credential.
func carriers(l *inventory.Login) []inventory.SecretUse {
	var out, unclear []inventory.SecretUse
	for _, s := range l.Secrets {
		switch s.Role {
		case roleCredentials, roleClientSecret:
			out = append(out, s)
		case "", "other":
			unclear = append(unclear, s)
		}
	}
	if len(out) > 0 {
		return out
	}
	return unclear
}

// stores finds the secrets and variables of the inventory by their names, as a job would.
type stores struct {
	repos     map[string]*inventory.Repository // by name, lower case
	secrets   map[string]*inventory.Secret     // by key of the store
	variables map[string]*inventory.Variable
	mapped    map[string]bool // stores that the mapping speaks of
}

func newStores(inv *inventory.Inventory, mapping []Mapping) *stores {
	s := &stores{repos: map[string]*inventory.Repository{}, secrets: map[string]*inventory.Secret{},
		variables: map[string]*inventory.Variable{}, mapped: map[string]bool{}}
	for i := range inv.Repositories {
		s.repos[strings.ToLower(string(inv.Repositories[i].Name))] = &inv.Repositories[i]
	}
	for i := range inv.Secrets {
		s.secrets[inv.Secrets[i].Ref().Key()] = &inv.Secrets[i]
	}
	for i := range inv.Variables {
		s.variables[inv.Variables[i].Ref().Key()] = &inv.Variables[i]
	}
	for _, m := range mapping {
		s.mapped[m.ref().Key()] = s.mapped[m.ref().Key()] || m.confirmed()
	}
	return s
}

func (s *stores) repo(name inventory.RepositoryName) *inventory.Repository {
	return s.repos[strings.ToLower(string(name))]
}

// levels are the stores that a name can mean in a job, the nearest first (GitHub Docs: "Secrets", precedence).
func levels(repo inventory.RepositoryName, environment, name string) []inventory.StoreRef {
	out := []inventory.StoreRef{
		{Level: inventory.LevelRepository, Repository: repo, Name: name},
		{Level: inventory.LevelOrganization, Owner: repo.Owner(), Name: name},
	}
	if environment != "" {
		env := inventory.StoreRef{Level: inventory.LevelEnvironment, Repository: repo, Environment: environment, Name: name}
		out = slices.Insert(out, 0, env)
	}
	return out
}

// secret finds the store that a job reads. Where the scan saw none, the nearest one that the mapping speaks of is
// taken, else the repository's: the store may be hidden from the scan.
func (s *stores) secret(repo inventory.RepositoryName, environment, name string) (inventory.StoreRef, bool) {
	ls := levels(repo, environment, name)
	for _, r := range ls {
		if found := s.secrets[r.Key()]; found != nil && s.visible(found, repo) {
			return found.Ref(), true
		}
	}
	for _, r := range ls {
		if s.mapped[r.Key()] {
			return r, false
		}
	}
	return inventory.StoreRef{Level: inventory.LevelRepository, Repository: repo, Name: name}, false
}

// variable gives the value that vars.NAME has in a job.
func (s *stores) variable(repo inventory.RepositoryName, environment, name string) (string, bool) {
	for _, r := range levels(repo, environment, name) {
		if v := s.variables[r.Key()]; v != nil {
			return v.Value, true
		}
	}
	return "", false
}

func (s *stores) visible(secret *inventory.Secret, repo inventory.RepositoryName) bool {
	if secret.Level != inventory.LevelOrganization {
		return true
	}
	switch secret.Visibility {
	case "selected":
		return slices.ContainsFunc(secret.SelectedRepositories, func(n inventory.RepositoryName) bool {
			return strings.EqualFold(string(n), string(repo))
		})
	case "private":
		r := s.repo(repo)
		return r == nil || r.Visibility != "public"
	}
	return true
}

// runsIn are the repositories in whose runs a login is used: its own, and those of workflows that call its file.
func runsIn(l *inventory.Login) []inventory.RepositoryName {
	var out []inventory.RepositoryName
	for _, j := range l.Subjects {
		if repo := tokenOf(l, j); !slices.Contains(out, repo) {
			out = append(out, repo)
		}
	}
	if len(out) == 0 {
		return []inventory.RepositoryName{l.Repository}
	}
	slices.Sort(out)
	return out
}

// tokenOf is the repository whose token a job of a login carries.
func tokenOf(l *inventory.Login, j inventory.JobSubjects) inventory.RepositoryName {
	return cmp.Or(j.Repository, l.Repository)
}

// environments are those that a login's jobs can be in when a repository runs them; "" stands for a job without one.
func (s *stores) environments(l *inventory.Login, repo inventory.RepositoryName) []string {
	set := map[string]bool{}
	for _, j := range l.Subjects {
		if tokenOf(l, j) == repo {
			s.addEnvironments(set, repo, j)
		}
	}
	if len(set) == 0 {
		set[""] = true
	}
	out := make([]string, 0, len(set))
	for e := range set {
		out = append(out, e)
	}
	slices.Sort(out)
	return out
}

func (s *stores) addEnvironments(set map[string]bool, repo inventory.RepositoryName, j inventory.JobSubjects) {
	for _, sub := range j.Subjects {
		set[environmentOf(sub)] = true
	}
	for _, p := range j.Patterns {
		glob := environmentOf(p)
		if glob == "" {
			set[""] = true
			continue
		}
		for _, e := range s.allEnvironments(repo) {
			if ok, err := path.Match(glob, e); err == nil && ok {
				set[e] = true
			}
		}
	}
}

// environmentOf reads the environment out of a subject without its prefix. A colon in the name is written %3A there
// (GitHub Docs: "OpenID Connect reference").
func environmentOf(subject string) string {
	name, ok := strings.CutPrefix(subject, "environment:")
	if !ok {
		return ""
	}
	return strings.ReplaceAll(name, "%3A", ":")
}

func (s *stores) allEnvironments(repo inventory.RepositoryName) []string {
	var out []string
	if r := s.repo(repo); r != nil {
		out = append(out, r.Environments...)
	}
	for _, sec := range s.secrets {
		if sec.Level == inventory.LevelEnvironment && strings.EqualFold(string(sec.Repository), string(repo)) {
			out = append(out, sec.Environment)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// uses gives the stores that a login reads a credential from. A name with a wildcard reads every store that it matches.
func (s *stores) uses(l *inventory.Login) []use {
	byStore := map[string]*use{}
	var order []string
	add := func(repo inventory.RepositoryName, ref inventory.StoreRef, known bool, read inventory.SecretUse, environment string) {
		k := ref.Key() + "|" + string(repo)
		if byStore[k] == nil {
			byStore[k] = &use{login: l, repository: repo, store: ref, known: known, role: read.Role}
			order = append(order, k)
		}
		u := byStore[k]
		u.part = u.part || read.Part
		if !slices.Contains(u.environments, environment) {
			u.environments = append(u.environments, environment)
		}
	}
	for _, c := range carriers(l) {
		for _, repo := range runsIn(l) {
			for _, name := range s.names(repo, c.Name) {
				for _, e := range s.environments(l, repo) {
					ref, known := s.secret(repo, e, name)
					add(repo, ref, known, c, e)
				}
			}
		}
	}
	slices.Sort(order)
	out := make([]use, 0, len(order))
	for _, k := range order {
		out = append(out, *byStore[k])
	}
	return out
}

// names expands a secret's name with a wildcard to the secrets that exist and that the repository can see.
func (s *stores) names(repo inventory.RepositoryName, name string) []string {
	if !strings.ContainsAny(name, "*?") {
		return []string{name}
	}
	out := []string{}
	for _, sec := range s.secrets {
		here := strings.EqualFold(string(sec.Repository), string(repo)) ||
			sec.Level == inventory.LevelOrganization && strings.EqualFold(sec.Owner, repo.Owner()) && s.visible(sec, repo)
		if here && matches(name, sec.Name) {
			out = append(out, strings.ToUpper(sec.Name))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// dependabot gives the secret of the same name that Dependabot's runs read instead, where there is one.
func (s *stores) dependabot(repo inventory.RepositoryName, name string) (inventory.StoreRef, bool) {
	r := inventory.StoreRef{Level: inventory.LevelDependabot, Repository: repo, Name: name}
	if found := s.secrets[r.Key()]; found != nil {
		return found.Ref(), true
	}
	return r, false
}
