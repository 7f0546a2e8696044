package scan

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/migrate/terraform"
	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

// github reads every repository's workflows and actions, finds the logins in them, and reads the settings
// of the repositories that have one.
func (s *scanner) github(ctx context.Context, scope GitHubScope) error {
	refs, owners, err := s.repositories(ctx, scope)
	if err != nil {
		return err
	}
	if len(owners) == 0 {
		return nil
	}
	read := newRepositories()
	err = s.readRepositories(ctx, scope.Client, refs, read, func(c RepositoryContent) {
		// The context's end, which is all that this can report, is what Read itself returns.
		_ = s.gap(ctx, inventory.Gap{Source: inventory.SourceGitHub, Object: "repository " + string(c.Ref.Name),
			Message: c.Err.Error(), Permission: lacking(c.Err, permissions.GitHubContents), Next: "scan again; a repository behind a gap is unknown, not clean"})
	})
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := s.gap(ctx, inventory.Gap{Source: inventory.SourceGitHub, Object: "repositories of " + strings.Join(owners, ", "),
			Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.GitHubContents), Next: "scan again; the repositories that are missing from the inventory are unknown, not clean"}); err != nil {
			return err
		}
	}
	s.add(func(inv *inventory.Inventory) {
		for _, o := range owners {
			inv.Sources = append(inv.Sources, inventory.Source{Kind: inventory.SourceGitHub, Name: o, URL: "https://" + scope.Client.Host() + "/" + o})
		}
	})
	return s.logins(ctx, scope.Client, read, read.tree)
}

// repositories are what was read of several, by name.
type repositories struct {
	trees map[inventory.RepositoryName]workflow.Tree // of those with workflows or actions
	lower map[string]workflow.Tree                   // the same, by name in lower case
	repos map[inventory.RepositoryName]inventory.Repository
	skips map[inventory.RepositoryName][]Skip
}

func newRepositories() *repositories {
	return &repositories{trees: map[inventory.RepositoryName]workflow.Tree{}, lower: map[string]workflow.Tree{},
		repos: map[inventory.RepositoryName]inventory.Repository{}, skips: map[inventory.RepositoryName][]Skip{}}
}

// tree gives the files of a repository, whatever the case of its name.
func (r *repositories) tree(n inventory.RepositoryName) (workflow.Tree, bool) {
	t, ok := r.lower[strings.ToLower(string(n))]
	return t, ok
}

// readRepositories reads repositories with their workflows and actions. Those that could not be read are told.
func (s *scanner) readRepositories(ctx context.Context, client GitHub, refs []RepositoryRef, into *repositories, failed func(RepositoryContent)) error {
	s.expect("repositories", len(refs))
	return client.Read(ctx, refs, func(c RepositoryContent) {
		defer s.read("repositories", 1)
		if c.Err != nil {
			failed(c)
			return
		}
		tree, err := s.tree(ctx, c)
		if err != nil {
			return
		}
		into.repos[tree.Repository], into.skips[tree.Repository] = c.Repository, skippable(c.Dependabot, tree)
		if len(tree.Files) > 0 {
			into.trees[tree.Repository], into.lower[strings.ToLower(string(tree.Repository))] = tree, tree
		}
	})
}

// repositories lists what the scope names. Owners are those of which at least one thing could be listed.
func (s *scanner) repositories(ctx context.Context, scope GitHubScope) (refs []RepositoryRef, owners []string, err error) {
	seen := map[inventory.RepositoryName]bool{}
	for _, owner := range scope.Owners {
		list, err := scope.Client.List(ctx, owner)
		if err != nil {
			if err := s.gap(ctx, inventory.Gap{Source: inventory.SourceGitHub, Object: "repositories of " + owner,
				Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.GitHubContents), Next: "check the owner's name, and that the token may read its repositories"}); err != nil {
				return nil, nil, err
			}
			continue
		}
		owners = append(owners, owner)
		if len(list) == 0 { // a token that may see none is not told so
			if err := s.gap(ctx, inventory.Gap{Source: inventory.SourceGitHub, Object: "repositories of " + owner, Permission: permissions.GitHubContents,
				Message: "no repository is visible to the token", Next: "check the owner's name, and that the token may read its repositories"}); err != nil {
				return nil, nil, err
			}
		}
		for _, r := range list {
			if !seen[r.Name] {
				seen[r.Name] = true
				refs = append(refs, r)
			}
		}
	}
	for _, name := range scope.Repositories {
		r, err := scope.Client.Resolve(ctx, name)
		if err != nil {
			if err := s.gap(ctx, inventory.Gap{Source: inventory.SourceGitHub, Object: "repository " + string(name),
				Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.GitHubContents), Next: "check the name, and that the token may read it"}); err != nil {
				return nil, nil, err
			}
			continue
		}
		if !seen[r.Name] {
			seen[r.Name] = true
			refs = append(refs, r)
			owners = append(owners, string(r.Name))
		}
	}
	return refs, owners, nil
}

// ownPermissions finds a workflow's own permissions, which the repository's default has no part in.
var ownPermissions = lazy.Regexp(`(?m)^permissions[ \t]*:`)

// skippable tells what of a repository's settings cannot matter.
func skippable(dependabot bool, t workflow.Tree) []Skip {
	var out []Skip
	if !dependabot {
		out = append(out, SkipDependabot)
	}
	for _, f := range t.Files {
		if strings.HasPrefix(f.Path, ".github/workflows/") && !ownPermissions().Match(f.Content) {
			return out
		}
	}
	return append(out, SkipDefaultPermissions)
}

// tree keeps the files that can matter: those that can hold a login, and those that another file can call.
func (s *scanner) tree(ctx context.Context, c RepositoryContent) (workflow.Tree, error) {
	t := workflow.Tree{Repository: c.Repository.Name, DefaultBranch: c.Repository.DefaultBranch, Environments: c.Repository.Environments}
	for _, f := range c.Files {
		if f.Err != nil {
			if err := s.gap(ctx, inventory.Gap{Source: inventory.SourceGitHub, Object: "repository " + string(c.Repository.Name), File: f.Path,
				Message: f.Err.Error(), Permission: lacking(f.Err, permissions.GitHubContents), Next: "scan again, or read the file by hand"}); err != nil {
				return t, err
			}
			continue
		}
		t.Files = append(t.Files, workflow.File{Path: f.Path, Content: f.Content})
	}
	return t, nil
}

// logins finds the logins of all repositories together, since a workflow of one can call those of another: others gives their files.
func (s *scanner) logins(ctx context.Context, client GitHub, read *repositories, others func(inventory.RepositoryName) (workflow.Tree, bool)) error {
	o := workflow.Options{Others: others, Subjects: true}
	found, err := s.scanTrees(ctx, slices.Collect(maps.Values(read.trees)), o)
	if err != nil {
		return err
	}
	if err := s.readTerraform(ctx, client, read, found, o); err != nil {
		return err
	}
	s.add(func(inv *inventory.Inventory) {
		for _, r := range found {
			inv.Logins = append(inv.Logins, r.Logins...)
			inv.Mentions = append(inv.Mentions, r.Mentions...)
			inv.Gaps = append(inv.Gaps, r.Gaps...)
			inv.Terraform = append(inv.Terraform, r.Resources...)
		}
	})
	return s.settings(ctx, client, read, found)
}

// scanTrees finds the logins of trees side by side. It fails only where the context ends.
func (s *scanner) scanTrees(ctx context.Context, trees []workflow.Tree, o workflow.Options) (map[inventory.RepositoryName]workflow.Result, error) {
	var mu sync.Mutex
	found := map[inventory.RepositoryName]workflow.Result{}
	var g errgroup.Group
	g.SetLimit(s.o.Concurrency)
	for _, t := range trees {
		if !candidate(t) {
			continue
		}
		g.Go(func() error {
			defer crash.Report()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			t.Stopped = func() bool { return ctx.Err() != nil }
			r := workflow.Scan(t, o)
			if t.Stopped() {
				return ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			found[t.Repository] = r
			return nil
		})
	}
	return found, g.Wait()
}

// readTerraform reads the Terraform code of the repositories in which a login depends on it, some at a time, and finds their logins again.
func (s *scanner) readTerraform(ctx context.Context, client GitHub, read *repositories, found map[inventory.RepositoryName]workflow.Result, o workflow.Options) error {
	var wanted []inventory.Repository
	for n, r := range found {
		if r.Terraform {
			wanted = append(wanted, read.repos[n])
		}
	}
	slices.SortFunc(wanted, func(a, b inventory.Repository) int { return cmp.Compare(a.Name, b.Name) })
	s.expect("repositories with Terraform code", len(wanted))
	for some := range slices.Chunk(wanted, terraformBatch) {
		code, err := client.Terraform(ctx, some)
		if err != nil {
			return err
		}
		again := make([]workflow.Tree, 0, len(some))
		for _, repo := range some {
			t, files := read.trees[repo.Name], code[repo.Name]
			t.Terraform = func() terraform.Files { return files }
			again = append(again, t)
		}
		results, err := s.scanTrees(ctx, again, o)
		if err != nil {
			return err
		}
		maps.Copy(found, results)
		s.read("repositories with Terraform code", len(some))
	}
	return nil
}

// terraformBatch is of how many repositories the Terraform code is in memory at a time.
const terraformBatch = 50

func candidate(t workflow.Tree) bool {
	for _, f := range t.Files {
		if workflow.IsCandidate(f.Content) {
			return true
		}
	}
	return false
}

// organizationStores begins the gap of an owner's secrets and variables.
const organizationStores = "organisation secrets and variables of "

// settings reads what sign-ins depend on, for the repositories that have a login, and the stores of their owners.
func (s *scanner) settings(ctx context.Context, client GitHub, read *repositories, found map[inventory.RepositoryName]workflow.Result) error {
	owners := map[string]bool{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.o.Concurrency)
	for n, repo := range read.repos {
		if len(found[n].Logins) == 0 {
			s.add(func(inv *inventory.Inventory) { inv.Repositories = append(inv.Repositories, repo) })
			continue
		}
		owners[n.Owner()] = true
		s.expect("repository settings", 1)
		g.Go(func() error {
			defer crash.Report()
			defer s.read("repository settings", 1)
			return s.setting(gctx, client, repo, read.skips[n])
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for owner := range owners {
		secrets, variables, err := client.OrganizationStores(ctx, owner)
		if err != nil {
			if err := s.gap(ctx, inventory.Gap{Source: inventory.SourceGitHub, Object: organizationStores + owner,
				Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.GitHubOrganization), Next: "use a token with admin:org, or one of a GitHub App with organisation secrets read; secrets that workflows read from there cannot be followed until then"}); err != nil {
				return err
			}
		}
		s.add(func(inv *inventory.Inventory) {
			inv.Secrets = append(inv.Secrets, secrets...)
			inv.Variables = append(inv.Variables, variables...)
		})
	}
	return nil
}

func (s *scanner) setting(ctx context.Context, client GitHub, repo inventory.Repository, skip []Skip) error {
	key, version := partKey("settings", client.Host(), string(repo.Name)), versionOf(repo, skip)
	var set RepositorySettings
	var err error
	if !s.o.Parts.load(key, version, &set) {
		set, err = client.Settings(ctx, repo, skip...)
		if err == nil && ctx.Err() == nil && !slices.ContainsFunc(set.Gaps, func(g inventory.Gap) bool { return g.Passing }) {
			s.o.Parts.save(key, version, set)
		}
	}
	if err != nil {
		if err := s.gap(ctx, inventory.Gap{Source: inventory.SourceGitHub, Object: "settings of " + string(repo.Name),
			Message: err.Error(), Passing: Passing(err), Permission: lacking(err, permissions.GitHubStores), Next: "use a token that may read the repository's Actions settings, secrets and variables"}); err != nil {
			return err
		}
	} else {
		repo.OIDC, repo.DefaultPermissions = set.OIDC, set.DefaultPermissions
		if len(set.Environments) > 0 {
			repo.Environments = set.Environments
		}
	}
	s.add(func(inv *inventory.Inventory) {
		inv.Repositories = append(inv.Repositories, repo)
		inv.Secrets = append(inv.Secrets, set.Secrets...)
		inv.Variables = append(inv.Variables, set.Variables...)
	})
	s.gaps(set.Gaps)
	return nil
}
