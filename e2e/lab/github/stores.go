package github

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// store is one place that keeps secrets and variables.
type store struct {
	secrets   *[]*world.Secret
	variables *[]*world.Variable
	key       *world.BoxKey
	org       bool   // with visibility and selected repositories
	path      string // of the organisation's secrets or variables, for URLs
}

// storeFinder finds the store that a request is about.
type storeFinder func(*call) (store, bool)

func repoStore(c *call) (store, bool) {
	return store{secrets: &c.repo.Secrets, variables: &c.repo.Variables, key: c.repo.SecretKey}, true
}

func dependabotStore(c *call) (store, bool) {
	return store{secrets: &c.repo.Dependabot, key: c.repo.DependaKey}, true
}

func environmentStore(c *call) (store, bool) {
	e := c.repo.Environment(c.r.PathValue("env"))
	if e == nil {
		return store{}, false
	}
	return store{secrets: &e.Secrets, variables: &e.Variables, key: e.SecretKey}, true
}

func orgStore(c *call) (store, bool) {
	return store{
		secrets: &c.org.Secrets, variables: &c.org.Variables, key: c.org.SecretKey, org: true,
		path: "/orgs/" + c.org.Login + "/actions",
	}, true
}

func orgDependabotStore(c *call) (store, bool) {
	return store{
		secrets: &c.org.Dependabot, key: c.org.DependaKey, org: true, path: "/orgs/" + c.org.Login + "/dependabot",
	}, true
}

// onStore finds the store. Names and values of settings are not shown to outsiders, even of public repositories.
func onStore(find storeFinder, h func(*call, store) answer) handler {
	return func(c *call) answer {
		s, found := find(c)
		switch {
		case !found || c.token.Role == world.RoleOutsider:
			return notFound
		case s.key == nil && s.secrets != nil:
			return fail(http.StatusInternalServerError, "The lab's store has no key: it was not made with the world's builders")
		}
		return h(c, s)
	}
}

func byName[T any](all []T, name func(T) string) []T {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(name(a), name(b)) })
	return all
}

func sortedSecrets(all []*world.Secret) []*world.Secret {
	return byName(all, func(s *world.Secret) string { return s.Name })
}

func sortedVariables(all []*world.Variable) []*world.Variable {
	return byName(all, func(v *world.Variable) string { return v.Name })
}

func (c *call) secret(st store) func(*world.Secret) m {
	return func(s *world.Secret) m {
		out := m{"name": s.Name, "created_at": stamp(s.Created), "updated_at": stamp(s.Updated)}
		if st.org {
			return c.visible(out, st.path+"/secrets/"+s.Name, s.Visibility)
		}
		return out
	}
}

func (c *call) variable(st store) func(*world.Variable) m {
	return func(v *world.Variable) m {
		out := m{"name": v.Name, "value": v.Value, "created_at": stamp(v.Created), "updated_at": stamp(v.Updated)}
		if st.org {
			return c.visible(out, st.path+"/variables/"+v.Name, v.Visibility)
		}
		return out
	}
}

func (c *call) visible(out m, path, visibility string) m {
	if visibility == "" {
		visibility = "all"
	}
	out["visibility"] = visibility
	if visibility == "selected" {
		out["selected_repositories_url"] = c.base() + path + "/repositories"
	}
	return out
}

func listSecrets(c *call, s store) answer {
	return list(c, "secrets", sortedSecrets(*s.secrets), c.secret(s))
}

func publicKey(_ *call, s store) answer {
	return ok(m{"key_id": s.key.ID, "key": base64.StdEncoding.EncodeToString(s.key.Public[:])})
}

func getSecret(c *call, s store) answer {
	x := world.FindSecret(*s.secrets, c.r.PathValue("name"))
	if x == nil {
		return notFound
	}
	return ok(c.secret(s)(x))
}

// storeName is the rule for names of secrets and variables (GitHub Docs: "Naming your secrets").
var storeName = lazy.Regexp(`^[A-Za-z_][A-Za-z0-9_]*$`)

func badName(name string) (answer, bool) {
	if storeName().MatchString(name) && !strings.HasPrefix(strings.ToUpper(name), "GITHUB_") {
		return answer{}, false
	}
	return fail(http.StatusUnprocessableEntity, "Secret names can only contain alphanumeric characters ([a-z], [A-Z], [0-9]) "+
		"or underscores (_). Spaces are not allowed. Must start with a letter ([a-z], [A-Z]) or underscores (_) and must not start with GITHUB_."), true
}

// limit is the number of secrets, and of variables, that a store holds (GitHub Docs: "Secrets reference" and
// "Variables reference").
func (s store) limit(secrets bool) int {
	switch {
	case s.org:
		return 1000
	case secrets || s.key == nil:
		return 100
	}
	return 500
}

// maxSecret is the largest secret (GitHub Docs: "Secrets reference").
const maxSecret = 48 << 10

func putSecret(c *call, s store) answer {
	var in struct {
		Encrypted  string `json:"encrypted_value"`
		KeyID      string `json:"key_id"`
		Visibility string
		Selected   []int64 `json:"selected_repository_ids"`
	}
	if a, ok := c.decode(&in); !ok {
		return a
	}
	name := c.r.PathValue("name")
	if a, bad := badName(name); bad {
		return a
	}
	value, a, opened := open(s.key, in.KeyID, in.Encrypted)
	old := world.FindSecret(*s.secrets, name)
	switch {
	case !opened:
		return a
	case len(value) > maxSecret:
		return fail(http.StatusUnprocessableEntity, "Secret value is too large")
	case s.org && !slices.Contains([]string{"all", "private", "selected"}, in.Visibility):
		return invalid(m{"resource": "Secret", "field": "visibility", "code": "invalid"})
	case old == nil && len(*s.secrets) >= s.limit(true):
		return fail(http.StatusUnprocessableEntity, "The maximum number of secrets is reached")
	}
	x := c.w.SetSecret(s.secrets, name, string(value))
	if s.org { // what is not sent again is lost
		x.Visibility, x.Selected = in.Visibility, nil
		if in.Visibility == "selected" {
			x.Selected = in.Selected
		}
	}
	if old != nil {
		return done()
	}
	return made(m{})
}

// open opens a sealed value, really: one that was sealed for another key is refused.
func open(key *world.BoxKey, id, encrypted string) ([]byte, answer, bool) {
	sealed, err := base64.StdEncoding.DecodeString(encrypted)
	if err != nil || encrypted == "" {
		return nil, fail(http.StatusUnprocessableEntity, "Bad request - encrypted_value is not base64"), false
	}
	if id != key.ID {
		return nil, fail(http.StatusUnprocessableEntity, "Bad request - key_id is not the id of the public key"), false
	}
	value, ok := key.Open(sealed)
	if !ok {
		return nil, fail(http.StatusUnprocessableEntity, "Bad request - encrypted_value was not sealed for the public key"), false
	}
	return value, answer{}, true
}

func deleteSecret(c *call, s store) answer {
	x := world.FindSecret(*s.secrets, c.r.PathValue("name"))
	if x == nil {
		return notFound
	}
	*s.secrets = slices.DeleteFunc(*s.secrets, func(y *world.Secret) bool { return x == y })
	return done()
}

func secretRepositories(c *call, s store) answer {
	x := world.FindSecret(*s.secrets, c.r.PathValue("name"))
	if x == nil || !s.org {
		return notFound
	}
	return c.selected(x.Selected)
}

func setSecretRepositories(c *call, s store) answer {
	var in struct {
		Selected []int64 `json:"selected_repository_ids"`
	}
	if a, ok := c.decode(&in); !ok {
		return a
	}
	x := world.FindSecret(*s.secrets, c.r.PathValue("name"))
	switch {
	case x == nil || !s.org:
		return notFound
	case x.Visibility != "selected":
		return fail(http.StatusConflict, "Visibility of the secret is not 'selected'")
	}
	x.Selected = in.Selected
	return done()
}

func (c *call) selected(ids []int64) answer {
	var repos []*world.Repo
	for _, id := range ids {
		if r := c.w.GitHub.RepoByID(id); r != nil {
			repos = append(repos, r)
		}
	}
	return list(c, "repositories", repos, c.minimalRepo)
}

// inheritedSecrets lists the organisation's secrets that a repository is given.
func inheritedSecrets(c *call) answer {
	a := c.w.GitHub.Account(c.repo.Owner)
	if a == nil || c.token.Role == world.RoleOutsider {
		return notFound
	}
	all := slices.DeleteFunc(sortedSecrets(a.Secrets), func(s *world.Secret) bool { return !world.VisibleTo(s.Visibility, s.Selected, c.repo) })
	return list(c, "secrets", all, c.secret(store{}))
}

func inheritedVariables(c *call) answer {
	a := c.w.GitHub.Account(c.repo.Owner)
	if a == nil || c.token.Role == world.RoleOutsider {
		return notFound
	}
	all := slices.DeleteFunc(sortedVariables(a.Variables), func(v *world.Variable) bool { return !world.VisibleTo(v.Visibility, v.Selected, c.repo) })
	return listSized(c, "variables", all, 10, 30, c.variable(store{}))
}
