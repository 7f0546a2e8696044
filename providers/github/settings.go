package github

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	gh "github.com/google/go-github/v60/github"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/migrate/scan"
)

// settings collects what was read of one repository and the gaps.
type settings struct {
	repo inventory.RepositoryName
	scan.RepositorySettings
}

// gap tells what could not be read, and the permission that reading it takes.
func (s *settings) gap(what string, err error, permission string) {
	next := "scan again"
	if errors.Is(err, execute.ErrForbidden) || errors.Is(err, execute.ErrNotFound) {
		next = "use a token that may read the repository's administration, secrets, variables and environments"
	} else {
		permission = ""
	}
	s.Gaps = append(s.Gaps, inventory.Gap{Source: inventory.SourceGitHub, Object: fmt.Sprintf("%s of repository %s", what, s.repo), Message: err.Error(), Next: next,
		Passing: scan.Passing(err), Permission: permission})
}

// Settings implements scan.GitHub. It makes five requests, fewer where something is skipped, two more for each environment (GitHub has no other
// way to list an environment's secrets and variables), and one for environments where Read did not tell them.
func (c *Client) Settings(ctx context.Context, repo inventory.Repository, skip ...scan.Skip) (scan.RepositorySettings, error) {
	owner, name, err := split(repo.Name)
	if err != nil {
		return scan.RepositorySettings{}, err
	}
	if repo.ID != 0 {
		c.remember(string(repo.Name), repo.ID)
	}
	s := &settings{repo: repo.Name}
	c.readOIDC(ctx, s, owner, name)
	if slices.Contains(skip, scan.SkipDefaultPermissions) {
		s.DefaultPermissions = ""
	} else if p, _, err := c.rest.Repositories.GetDefaultWorkflowPermissions(ctx, owner, name); err != nil {
		s.gap("default permissions", fail(err, false, "reading the default permissions of %s", repo.Name), permissions.GitHubAdministration)
	} else {
		s.DefaultPermissions = p.GetDefaultWorkflowPermissions()
	}
	c.readRepositoryStores(ctx, s, owner, name)
	if !slices.Contains(skip, scan.SkipDependabot) {
		c.readDependabot(ctx, s, owner, name)
	}
	c.readOwnerStores(ctx, s, owner, name)
	c.readEnvironments(ctx, s, repo)
	return s.RepositorySettings, ctx.Err()
}

// oidcAnswer is decoded here since go-github drops the last two fields.
type oidcAnswer struct {
	UseDefault          *bool    `json:"use_default"`
	IncludeClaimKeys    []string `json:"include_claim_keys"`
	UseImmutableSubject bool     `json:"use_immutable_subject"`
	SubClaimPrefix      string   `json:"sub_claim_prefix"`
}

func (c *Client) getOIDC(ctx context.Context, path string) (oidcAnswer, error) {
	var answer oidcAnswer
	request, err := c.rest.NewRequest("GET", path+"/actions/oidc/customization/sub", nil)
	if err != nil {
		return answer, err
	}
	_, err = c.rest.Do(ctx, request, &answer)
	return answer, err
}

// OIDC implements execute.Repositories. Unlike a scan it remembers nothing: what was read a minute ago proves nothing.
func (c *Client) OIDC(ctx context.Context, repo inventory.RepositoryName) (inventory.OIDC, error) {
	owner, name, err := split(repo)
	if err != nil {
		return inventory.OIDC{}, err
	}
	answer, err := c.getOIDC(ctx, fmt.Sprintf("repos/%s/%s", owner, name))
	if err != nil {
		return inventory.OIDC{}, execute.Needing(permissions.GitHubActions, fail(err, false, "reading the OIDC subject of %s", repo))
	}
	oidc := c.oidc(answer)
	if oidc.UseDefault || len(oidc.IncludeClaimKeys) > 0 {
		return oidc, nil
	}
	template, err := c.getOIDC(ctx, "orgs/"+url.PathEscape(owner))
	if err != nil {
		return inventory.OIDC{}, execute.Needing(permissions.GitHubOrganization, fail(err, false, "reading the OIDC subject template of organisation %s", owner))
	}
	oidc.IncludeClaimKeys = template.IncludeClaimKeys
	return oidc, nil
}

func (c *Client) oidc(answer oidcAnswer) inventory.OIDC {
	return inventory.OIDC{
		Known: true, Issuer: c.issuer, UseDefault: answer.UseDefault == nil || *answer.UseDefault,
		IncludeClaimKeys: answer.IncludeClaimKeys, UseImmutableSubject: answer.UseImmutableSubject, SubClaimPrefix: answer.SubClaimPrefix,
	}
}

func (c *Client) readOIDC(ctx context.Context, s *settings, owner, name string) {
	s.OIDC.Issuer = c.issuer
	answer, err := c.getOIDC(ctx, fmt.Sprintf("repos/%s/%s", owner, name))
	if err != nil {
		s.gap("OIDC subject", fail(err, false, "reading the OIDC subject of %s", s.repo), permissions.GitHubActions)
		return
	}
	s.OIDC = c.oidc(answer)
	if s.OIDC.UseDefault || len(s.OIDC.IncludeClaimKeys) > 0 {
		return
	}
	// A repository that opted out of the default and has no template of its own takes its organisation's
	// (GitHub Docs: OpenID Connect reference, "Customizing the subject claims for an organization").
	facts := c.ownerFacts(owner)
	keys, err := facts.template(ctx, c, owner)
	if err != nil {
		s.OIDC.Known = false
		s.gap("OIDC subject", err, permissions.GitHubOrganization)
		return
	}
	s.OIDC.IncludeClaimKeys = keys
}

func (c *Client) readRepositoryStores(ctx context.Context, s *settings, owner, name string) {
	at := place{level: inventory.LevelRepository, owner: owner, repo: s.repo}
	secrets, err := all(perPage, func(o gh.ListOptions) ([]*gh.Secret, *gh.Response, error) {
		return secretPage(c.rest.Actions.ListRepoSecrets(ctx, owner, name, &o))
	})
	c.addSecrets(s, at, secrets, err)
	variables, err := all(perPageVariable, func(o gh.ListOptions) ([]*gh.ActionsVariable, *gh.Response, error) {
		return variablePage(c.rest.Actions.ListRepoVariables(ctx, owner, name, &o))
	})
	c.addVariables(s, at, variables, err)
}

func (c *Client) readDependabot(ctx context.Context, s *settings, owner, name string) {
	at := place{level: inventory.LevelDependabot, owner: owner, repo: s.repo}
	secrets, err := all(perPage, func(o gh.ListOptions) ([]*gh.Secret, *gh.Response, error) {
		return secretPage(c.rest.Dependabot.ListRepoSecrets(ctx, owner, name, &o))
	})
	c.addSecrets(s, at, secrets, err)
}

// readOwnerStores reads the organisation's secrets that the repository may use, but only where the
// organisation's own list, which OrganizationStores gives, cannot be read.
func (c *Client) readOwnerStores(ctx context.Context, s *settings, owner, name string) {
	if _, _, err := c.OrganizationStores(ctx, owner); err == nil {
		return
	}
	at := place{level: inventory.LevelOrganization, owner: owner}
	secrets, err := all(perPage, func(o gh.ListOptions) ([]*gh.Secret, *gh.Response, error) {
		return secretPage(c.rest.Actions.ListRepoOrgSecrets(ctx, owner, name, &o))
	})
	c.addSecrets(s, at, secrets, err)
	variables, err := all(perPageVariable, func(o gh.ListOptions) ([]*gh.ActionsVariable, *gh.Response, error) {
		return variablePage(c.rest.Actions.ListRepoOrgVariables(ctx, owner, name, &o))
	})
	c.addVariables(s, at, variables, err)
}

func (c *Client) readEnvironments(ctx context.Context, s *settings, repo inventory.Repository) {
	s.Environments = repo.Environments
	if repo.Environments == nil {
		owner, name, _ := strings.Cut(string(repo.Name), "/")
		environments, err := all(perPage, func(o gh.ListOptions) ([]*gh.Environment, *gh.Response, error) {
			page, response, err := c.rest.Repositories.ListEnvironments(ctx, owner, name, &gh.EnvironmentListOptions{ListOptions: o})
			if err != nil {
				return nil, nil, err
			}
			return page.Environments, response, nil
		})
		if err != nil {
			s.gap("environments", fail(err, false, "listing the environments of %s", repo.Name), permissions.GitHubActions)
			return
		}
		for _, e := range environments {
			s.Environments = append(s.Environments, e.GetName())
		}
		slices.Sort(s.Environments)
	}
	for _, environment := range s.Environments {
		c.readEnvironment(ctx, s, repo, environment)
	}
}

func (c *Client) readEnvironment(ctx context.Context, s *settings, repo inventory.Repository, environment string) {
	at := place{level: inventory.LevelEnvironment, owner: repo.Name.Owner(), repo: repo.Name, environment: environment}
	id, err := c.id(ctx, repo.Name)
	if err != nil {
		s.gap("environment "+environment, err, permissions.GitHubStores)
		return
	}
	escaped := url.PathEscape(environment) // go-github puts the name into the path as it is
	secrets, err := all(perPage, func(o gh.ListOptions) ([]*gh.Secret, *gh.Response, error) {
		return secretPage(c.rest.Actions.ListEnvSecrets(ctx, id, escaped, &o))
	})
	c.addSecrets(s, at, secrets, err)
	variables, err := all(perPageVariable, func(o gh.ListOptions) ([]*gh.ActionsVariable, *gh.Response, error) {
		return variablePage(c.rest.Actions.ListEnvVariables(ctx, id, escaped, &o))
	})
	c.addVariables(s, at, variables, err)
}

// place is where secrets or variables live.
type place struct {
	level       inventory.SecretLevel
	owner       string
	repo        inventory.RepositoryName
	environment string
}

func (p place) String() string {
	if p.environment != "" {
		return "environment " + p.environment
	}
	return string(p.level) + " level"
}

// permission names what reading the place's stores takes.
func (p place) permission() string {
	if p.level == inventory.LevelOrganization {
		return permissions.GitHubOrganization
	}
	return permissions.GitHubStores
}

func (p place) secret(g *gh.Secret) inventory.Secret {
	return inventory.Secret{
		Level: p.level, Owner: p.owner, Repository: p.repo, Environment: p.environment, Name: g.Name,
		CreatedAt: g.CreatedAt.UTC(), UpdatedAt: g.UpdatedAt.UTC(), Visibility: g.Visibility,
	}
}

func (p place) variable(g *gh.ActionsVariable) inventory.Variable {
	return inventory.Variable{Level: p.level, Owner: p.owner, Repository: p.repo, Environment: p.environment, Name: g.Name, Value: g.Value}
}

func (c *Client) addSecrets(s *settings, at place, secrets []*gh.Secret, err error) {
	if err != nil {
		s.gap("secrets ("+at.String()+")", fail(err, false, "listing the secrets of %s", s.repo), at.permission())
		return
	}
	for _, g := range secrets {
		s.Secrets = append(s.Secrets, at.secret(g))
	}
}

func (c *Client) addVariables(s *settings, at place, variables []*gh.ActionsVariable, err error) {
	if err != nil {
		s.gap("variables ("+at.String()+")", fail(err, false, "listing the variables of %s", s.repo), at.permission())
		return
	}
	for _, g := range variables {
		s.Variables = append(s.Variables, at.variable(g))
	}
}

func secretPage(page *gh.Secrets, response *gh.Response, err error) ([]*gh.Secret, *gh.Response, error) {
	if err != nil {
		return nil, nil, err
	}
	return page.Secrets, response, nil
}

func variablePage(page *gh.ActionsVariables, response *gh.Response, err error) ([]*gh.ActionsVariable, *gh.Response, error) {
	if err != nil {
		return nil, nil, err
	}
	return page.Variables, response, nil
}

// ownerFacts is what is read once for each owner.
type ownerFacts struct {
	stores    sync.Mutex
	read      bool
	secrets   []inventory.Secret
	variables []inventory.Variable
	err       error

	subject     sync.Mutex
	subjectRead bool
	keys        []string
	subjectErr  error
}

func (c *Client) ownerFacts(owner string) *ownerFacts {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := strings.ToLower(owner)
	if c.owners[key] == nil {
		c.owners[key] = &ownerFacts{}
	}
	return c.owners[key]
}

func (f *ownerFacts) template(ctx context.Context, c *Client, owner string) ([]string, error) {
	f.subject.Lock()
	defer f.subject.Unlock()
	if !f.subjectRead {
		answer, err := c.getOIDC(ctx, "orgs/"+url.PathEscape(owner))
		f.keys, f.subjectErr = answer.IncludeClaimKeys, fail(err, false, "reading the OIDC subject template of organisation %s", owner)
		f.subjectRead = ctx.Err() == nil
	}
	return f.keys, f.subjectErr
}

// OrganizationStores implements scan.GitHub. A user has no such stores; what was read is kept, since Settings
// needs to know, too, whether it can be read.
func (c *Client) OrganizationStores(ctx context.Context, owner string) ([]inventory.Secret, []inventory.Variable, error) {
	f := c.ownerFacts(owner)
	f.stores.Lock()
	defer f.stores.Unlock()
	if !f.read {
		f.secrets, f.variables, f.err = c.readOrganization(ctx, owner)
		f.read = ctx.Err() == nil
	}
	return slices.Clone(f.secrets), slices.Clone(f.variables), f.err
}

func (c *Client) readOrganization(ctx context.Context, owner string) ([]inventory.Secret, []inventory.Variable, error) {
	at := place{level: inventory.LevelOrganization, owner: owner}
	listed, err := all(perPage, func(o gh.ListOptions) ([]*gh.Secret, *gh.Response, error) {
		return secretPage(c.rest.Actions.ListOrgSecrets(ctx, owner, &o))
	})
	if errors.Is(classify(err, false), execute.ErrNotFound) {
		if isUser, userErr := c.isUser(ctx, owner); userErr == nil && isUser {
			return nil, nil, nil
		}
	}
	if err != nil {
		return nil, nil, fail(err, false, "listing the secrets of organisation %s", owner)
	}
	var secrets []inventory.Secret
	for _, g := range listed {
		secret := at.secret(g)
		if secret.SelectedRepositories, err = c.selected(ctx, owner, g); err != nil {
			return nil, nil, err
		}
		secrets = append(secrets, secret)
	}
	list, err := all(perPageVariable, func(o gh.ListOptions) ([]*gh.ActionsVariable, *gh.Response, error) {
		return variablePage(c.rest.Actions.ListOrgVariables(ctx, owner, &o))
	})
	if err != nil {
		return secrets, nil, fail(err, false, "listing the variables of organisation %s", owner)
	}
	var variables []inventory.Variable
	for _, g := range list {
		variables = append(variables, at.variable(g))
	}
	return secrets, variables, nil
}

func (c *Client) isUser(ctx context.Context, owner string) (bool, error) {
	user, _, err := c.rest.Users.Get(ctx, owner)
	if err != nil {
		return false, err
	}
	return user.GetType() == "User", nil
}

// selected gives the repositories that an organisation secret of visibility "selected" is given to.
func (c *Client) selected(ctx context.Context, owner string, g *gh.Secret) ([]inventory.RepositoryName, error) {
	if g.Visibility != "selected" {
		return nil, nil
	}
	repos, err := all(perPage, func(o gh.ListOptions) ([]*gh.Repository, *gh.Response, error) {
		page, response, err := c.rest.Actions.ListSelectedReposForOrgSecret(ctx, owner, g.Name, &o)
		if err != nil {
			return nil, nil, err
		}
		return page.Repositories, response, nil
	})
	if err != nil {
		return nil, execute.Needing(permissions.GitHubOrganization, fail(err, false, "listing the repositories that organisation secret %s/%s is given to", owner, g.Name))
	}
	names := make([]inventory.RepositoryName, 0, len(repos))
	for _, r := range repos {
		c.remember(r.GetFullName(), r.GetID())
		names = append(names, inventory.RepositoryName(r.GetFullName()))
	}
	slices.Sort(names)
	return names, nil
}
