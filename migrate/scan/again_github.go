package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

// gitHubPart reads the repositories of the part on one host, with their settings. They are asked for by their ids, which a repository keeps when it is
// renamed or transferred.
func (a *again) gitHubPart(ctx context.Context, scope GitHubScope) error {
	refs := a.refs(scope, func(r inventory.Repository) bool { return a.part.HasRepository(r.Name) })
	if len(refs) == 0 {
		return nil
	}
	read, failed := newRepositories(), []RepositoryContent{}
	note := func(c RepositoryContent) { failed = append(failed, c) }
	if err := a.readRepositories(ctx, scope.Client, refs, read, note); err != nil {
		return err
	}
	again, err := a.resolve(ctx, scope, failed)
	if err != nil {
		return err
	}
	if failed = nil; len(again) > 0 {
		if err := a.readRepositories(ctx, scope.Client, again, read, note); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return failed[0].Err
	}
	if err := a.visible(ctx, scope, refs, read); err != nil {
		return err
	}
	for name := range read.repos {
		if !scope.has(name, refs) {
			delete(read.repos, name) // it was transferred to where a scan does not look
			delete(read.trees, name)
		}
	}
	a.note(refs, read)
	beside := &beside{a: a, scope: scope, read: read}
	return a.logins(ctx, scope.Client, read, func(n inventory.RepositoryName) (workflow.Tree, bool) { return beside.tree(ctx, n) })
}

// refs are the repositories of the inventory on a host that are wanted.
func (a *again) refs(scope GitHubScope, want func(inventory.Repository) bool) []RepositoryRef {
	var out []RepositoryRef
	for _, r := range a.old.Repositories {
		if strings.EqualFold(r.Host, scope.Client.Host()) && want(r) {
			out = append(out, RepositoryRef{Name: r.Name, NodeID: r.NodeID, ID: r.ID, Archived: r.Archived})
		}
	}
	return out
}

// resolve looks what has become of repositories that did not come by their ids: they are gone, or another one has the name now.
func (a *again) resolve(ctx context.Context, scope GitHubScope, failed []RepositoryContent) ([]RepositoryRef, error) {
	var out []RepositoryRef
	for _, c := range failed {
		r, err := scope.Client.Resolve(ctx, c.Ref.Name)
		switch {
		case errors.Is(err, execute.ErrNotFound):
		case err != nil:
			return nil, err
		case r.ID == c.Ref.ID:
			return nil, c.Err
		default:
			out = append(out, r)
		}
	}
	return out, nil
}

// visible checks, where repositories of an owner are gone, that the caller may see any: to one who may not, the service says the same.
func (a *again) visible(ctx context.Context, scope GitHubScope, asked []RepositoryRef, read *repositories) error {
	seen, checked := map[string]bool{}, map[string]bool{}
	for name := range read.repos {
		seen[ownerOf(name)] = true
	}
	for _, r := range asked {
		owner := ownerOf(r.Name)
		if seen[owner] || checked[owner] {
			continue
		}
		checked[owner] = true
		for _, other := range a.refs(scope, func(x inventory.Repository) bool { return ownerOf(x.Name) == owner && !a.part.HasRepository(x.Name) }) {
			_, err := scope.Client.Resolve(ctx, other.Name)
			if errors.Is(err, execute.ErrNotFound) {
				return fmt.Errorf("no repository of %s is visible to the caller, so that it is not known whether %s was deleted: %w", owner, r.Name, err)
			}
			if err != nil {
				return err
			}
			break
		}
	}
	return nil
}

func ownerOf(name inventory.RepositoryName) string { return strings.ToLower(name.Owner()) }

// has tells whether a scan of the scope finds a repository, which may have had another name when it was asked for.
func (s GitHubScope) has(name inventory.RepositoryName, asked []RepositoryRef) bool {
	if slices.ContainsFunc(s.Owners, func(o string) bool { return strings.EqualFold(o, name.Owner()) }) {
		return true
	}
	return slices.ContainsFunc(s.Repositories, func(r inventory.RepositoryName) bool {
		return strings.EqualFold(string(r), string(name)) || slices.ContainsFunc(asked, func(ref RepositoryRef) bool { return strings.EqualFold(string(r), string(ref.Name)) })
	})
}

// note remembers which repositories were read, by all their names.
func (a *again) note(refs []RepositoryRef, read *repositories) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range refs {
		a.names[strings.ToLower(string(r.Name))], a.ids[r.ID] = true, true
	}
	for name, r := range read.repos {
		a.names[strings.ToLower(string(name))], a.ids[r.ID] = true, true
		if !slices.Contains(a.owners, name.Owner()) {
			a.owners = append(a.owners, name.Owner())
		}
	}
}

// beside reads the files of other repositories of the scan, where a workflow of the part uses an action or a workflow of theirs.
type beside struct {
	a     *again
	scope GitHubScope

	mu   sync.Mutex
	read *repositories
	seen map[string]bool
}

func (b *beside) tree(ctx context.Context, name inventory.RepositoryName) (workflow.Tree, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := strings.ToLower(string(name))
	if t, ok := b.read.lower[key]; ok || b.seen[key] {
		return t, ok
	}
	if b.seen == nil {
		b.seen = map[string]bool{}
	}
	b.seen[key] = true
	refs := b.a.refs(b.scope, func(r inventory.Repository) bool { return strings.EqualFold(string(r.Name), string(name)) })
	if len(refs) == 0 {
		return workflow.Tree{}, false
	}
	others := newRepositories()
	err := b.a.readRepositories(ctx, b.scope.Client, refs, others, func(c RepositoryContent) { b.a.miss(c.Err) })
	if err != nil {
		b.a.miss(fmt.Errorf("read %s, which a workflow of it uses: %w", name, err))
	}
	for key, t := range others.lower {
		b.read.lower[key] = t
	}
	t, ok := b.read.lower[key]
	return t, ok
}

func (a *again) miss(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.missed = append(a.missed, err)
}

func (a *again) spliceRepositories(out *inventory.Inventory) {
	read := func(n inventory.RepositoryName) bool { return a.names[strings.ToLower(string(n))] }
	out.Repositories = append(slices.DeleteFunc(slices.Clone(a.old.Repositories), func(r inventory.Repository) bool {
		return read(r.Name) || r.ID != 0 && a.ids[r.ID]
	}), a.inv.Repositories...)
	out.Logins = append(slices.DeleteFunc(slices.Clone(a.old.Logins), func(l inventory.Login) bool { return read(l.Repository) }), a.inv.Logins...)
	out.Terraform = append(slices.DeleteFunc(slices.Clone(a.old.Terraform), func(r inventory.TerraformResource) bool {
		return read(r.Repository) || slices.ContainsFunc(a.inv.Terraform, func(x inventory.TerraformResource) bool { return x.Repository == r.Repository })
	}), a.inv.Terraform...)
	out.Mentions = append(slices.DeleteFunc(slices.Clone(a.old.Mentions), func(m inventory.Mention) bool { return read(m.Repository) }), a.inv.Mentions...)
	out.Secrets = append(slices.DeleteFunc(slices.Clone(a.old.Secrets), func(s inventory.Secret) bool {
		return read(s.Repository) || s.Repository == "" && a.ownerRead(s.Owner)
	}), a.inv.Secrets...)
	out.Variables = append(slices.DeleteFunc(slices.Clone(a.old.Variables), func(v inventory.Variable) bool {
		return read(v.Repository) || v.Repository == "" && a.ownerRead(v.Owner)
	}), a.inv.Variables...)
}

// ownerRead tells whether the secrets and variables of an organisation were read: those of an owner without a login in the part are not asked for.
func (a *again) ownerRead(owner string) bool {
	if !slices.ContainsFunc(a.owners, func(o string) bool { return strings.EqualFold(o, owner) }) {
		return false
	}
	login := slices.ContainsFunc(a.inv.Logins, func(l inventory.Login) bool {
		return strings.HasPrefix(strings.ToLower(string(l.Repository)), strings.ToLower(owner)+"/")
	})
	return login && !slices.ContainsFunc(a.inv.Gaps, func(g inventory.Gap) bool { return g.Object == organizationStores+owner })
}
