package world

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/nacl/box"
)

// The builders below make consistent objects: ids, keys, times. Like everything that touches a world, they are
// called with its lock held, or before the servers run.

// NodeID makes a global node id in the service's form: a prefix and base64 of a MessagePack array of 0 and ids.
func NodeID(prefix string, ids ...int64) string {
	b := []byte{0x90 | byte(len(ids)+1), 0}
	for _, id := range ids {
		b = append(b, 0xce)
		b = binary.BigEndian.AppendUint32(b, uint32(id)) //nolint:gosec // ids count up from 100,000
	}
	return prefix + "_" + base64.RawURLEncoding.EncodeToString(b)
}

// NewBoxKey makes the next deterministic key pair for sealed boxes.
func (w *World) NewBoxKey() *BoxKey {
	d, id := w.digest("box"), w.digest("box-id")
	private, err := ecdh.X25519().NewPrivateKey(d[:])
	if err != nil {
		panic(fmt.Sprintf("world: make a box key: %v", err)) // 32 bytes are always a key
	}
	k := &BoxKey{ID: fmt.Sprintf("%018d", binary.BigEndian.Uint64(id[:8])%1e18), Private: d}
	copy(k.Public[:], private.PublicKey().Bytes())
	return k
}

// Open opens a sealed box (libsodium crypto_box_seal). ok is false if it was sealed for another key.
func (k *BoxKey) Open(sealed []byte) (value []byte, ok bool) {
	return box.OpenAnonymous(nil, sealed, &k.Public, &k.Private)
}

// AddAccount adds an organisation ("Organization") or a user ("User"), or gives the one that exists.
func (w *World) AddAccount(login, typ string) *Account {
	if a := w.GitHub.Account(login); a != nil {
		return a
	}
	a := &Account{
		ID: w.NewNumber(), Login: login, Type: typ, DefaultPermissions: "read",
		SecretKey: w.NewBoxKey(), DependaKey: w.NewBoxKey(),
	}
	a.NodeID = NodeID(typ[:1], a.ID)
	w.GitHub.Accounts[strings.ToLower(login)] = a
	return a
}

// AddRepo adds a private repository with one commit on main; no files make an empty repository. The owner is
// created as an organisation if it is missing.
func (w *World) AddRepo(owner, name string, files map[string]string) *Repo {
	a := w.AddAccount(owner, "Organization")
	r := &Repo{
		ID: w.NewNumber(), Owner: a.Login, Name: name, DefaultBranch: "main", Visibility: "private",
		Created: w.Clock.Now(), DefaultPermissions: a.DefaultPermissions,
		Blobs: map[string][]byte{}, Trees: map[string]map[string]string{}, Commits: map[string]*Commit{},
		Refs: map[string]string{}, Modes: map[string]string{}, Protection: map[string]*Protection{},
		SecretKey: w.NewBoxKey(), DependaKey: w.NewBoxKey(), OIDC: OIDCSettings{UseDefault: true, Immutable: a.Immutable},
	}
	r.NodeID = NodeID("R", r.ID)
	w.GitHub.Repos[strings.ToLower(r.FullName())] = r
	if len(files) > 0 {
		changes := make(map[string][]byte, len(files))
		for path, text := range files {
			changes[path] = []byte(text)
		}
		w.CommitFiles(r, r.DefaultBranch, "Initial commit", changes)
	}
	return r
}

// Account finds an account by its login, in any case.
func (g *GitHub) Account(login string) *Account { return g.Accounts[strings.ToLower(login)] }

// Repo finds a repository by owner and name, in any case.
func (g *GitHub) Repo(owner, name string) *Repo {
	key := strings.ToLower(owner + "/" + name)
	if r := g.Repos[key]; r != nil {
		return r
	}
	return g.Renamed[key]
}

// Rename renames a repository, or transfers it. Its old name leads to it (GitHub Docs: "Renaming a repository").
func (g *GitHub) Rename(r *Repo, owner, name string) {
	if g.Renamed == nil {
		g.Renamed = map[string]*Repo{}
	}
	old := strings.ToLower(r.FullName())
	delete(g.Repos, old)
	g.Renamed[old] = r
	r.Owner, r.Name = owner, name
	g.Repos[strings.ToLower(r.FullName())] = r
}

// RepoByID finds a repository by its number.
func (g *GitHub) RepoByID(id int64) *Repo {
	if len(g.repoIDs) != len(g.Repos) {
		g.repoIDs = make(map[int64]*Repo, len(g.Repos))
		for _, r := range g.Repos {
			g.repoIDs[r.ID] = r
		}
	}
	return g.repoIDs[id]
}

// ReposOf lists the repositories of an account by name.
func (g *GitHub) ReposOf(login string) []*Repo {
	var out []*Repo
	for _, r := range g.Repos {
		if strings.EqualFold(r.Owner, login) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *Repo) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return out
}

// AddEnvironment adds a deployment environment, or gives the one that exists under that name in any case.
func (w *World) AddEnvironment(r *Repo, name string) *Environment {
	if e := r.Environment(name); e != nil {
		return e
	}
	e := &Environment{ID: w.NewNumber(), Name: name, Created: w.Clock.Now(), SecretKey: w.NewBoxKey()}
	r.Environments = append(r.Environments, e)
	return e
}

// Environment finds an environment by its name, in any case.
func (r *Repo) Environment(name string) *Environment {
	for _, e := range r.Environments {
		if strings.EqualFold(e.Name, name) {
			return e
		}
	}
	return nil
}

// SetSecret creates or updates a secret in a store, such as &repo.Secrets, &repo.Dependabot, &account.Secrets or
// &environment.Secrets. The service keeps names in upper case.
func (w *World) SetSecret(store *[]*Secret, name, value string) *Secret {
	s := FindSecret(*store, name)
	if s == nil {
		s = &Secret{Name: strings.ToUpper(name), Created: w.Clock.Now()}
		*store = append(*store, s)
	}
	s.Value, s.Updated = value, w.Clock.Now()
	return s
}

// SetVariable creates or updates a variable in a store.
func (w *World) SetVariable(store *[]*Variable, name, value string) *Variable {
	v := FindVariable(*store, name)
	if v == nil {
		v = &Variable{Name: strings.ToUpper(name), Created: w.Clock.Now()}
		*store = append(*store, v)
	}
	v.Value, v.Updated = value, w.Clock.Now()
	return v
}

// FindSecret finds a secret in a store by its name, in any case.
func FindSecret(store []*Secret, name string) *Secret {
	for _, s := range store {
		if strings.EqualFold(s.Name, name) {
			return s
		}
	}
	return nil
}

// FindVariable finds a variable in a store by its name, in any case.
func FindVariable(store []*Variable, name string) *Variable {
	for _, v := range store {
		if strings.EqualFold(v.Name, name) {
			return v
		}
	}
	return nil
}

// VisibleTo tells whether an organisation's secret or variable with this visibility is given to a repository:
// all (also when unset), private (every repository that is not public) or selected.
func VisibleTo(visibility string, selected []int64, r *Repo) bool {
	switch visibility {
	case "private":
		return r.Visibility != "public"
	case "selected":
		return slices.Contains(selected, r.ID)
	default:
		return true
	}
}

// SecretFor gives the secret that a job of a repository sees under a name: the environment's before the
// repository's before the organisation's (github/docs secrets.md). environment may be empty.
func (w *World) SecretFor(r *Repo, environment, name string) *Secret {
	if e := r.Environment(environment); e != nil {
		if s := FindSecret(e.Secrets, name); s != nil {
			return s
		}
	}
	if s := FindSecret(r.Secrets, name); s != nil {
		return s
	}
	if a := w.GitHub.Account(r.Owner); a != nil {
		if s := FindSecret(a.Secrets, name); s != nil && VisibleTo(s.Visibility, s.Selected, r) {
			return s
		}
	}
	return nil
}

// VariableFor gives the variable that a job of a repository sees under a name, in the order of SecretFor.
func (w *World) VariableFor(r *Repo, environment, name string) *Variable {
	if e := r.Environment(environment); e != nil {
		if v := FindVariable(e.Variables, name); v != nil {
			return v
		}
	}
	if v := FindVariable(r.Variables, name); v != nil {
		return v
	}
	if a := w.GitHub.Account(r.Owner); a != nil {
		if v := FindVariable(a.Variables, name); v != nil && VisibleTo(v.Visibility, v.Selected, r) {
			return v
		}
	}
	return nil
}

// SubjectPrefix is how a repository's default subjects begin: repo:OWNER/NAME, or with ids if it opted in to
// immutable subjects (github/docs, "OpenID Connect reference").
func (g *GitHub) SubjectPrefix(r *Repo) string {
	a := g.Account(r.Owner)
	if a == nil || !r.OIDC.Immutable {
		return "repo:" + r.FullName()
	}
	return fmt.Sprintf("repo:%s@%d/%s@%d", r.Owner, a.ID, r.Name, r.ID)
}

// ByNode finds the repository or account that a node id stands for.
func (g *GitHub) ByNode(id string) (*Repo, *Account) {
	prefix, ids := parseNodeID(id)
	switch {
	case len(ids) != 1:
	case prefix == "R":
		if r := g.RepoByID(ids[0]); r != nil {
			return r, nil
		}
	case prefix == "O" || prefix == "U":
		for _, a := range g.Accounts {
			if a.ID == ids[0] {
				return nil, a
			}
		}
	}
	return nil, nil
}

// parseNodeID takes a node id apart; no ids if it is none of the lab's.
func parseNodeID(id string) (prefix string, ids []int64) {
	prefix, text, _ := strings.Cut(id, "_")
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < 2 || len(b) != 2+5*int(b[0]&0x0f-1) {
		return prefix, nil
	}
	for b = b[2:]; len(b) >= 5; b = b[5:] {
		ids = append(ids, int64(binary.BigEndian.Uint32(b[1:5])))
	}
	return prefix, ids
}
