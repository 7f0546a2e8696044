package scan

import (
	"context"
	"strings"
	"sync"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// fragment is what the reading of one object of a project adds to the inventory.
type fragment struct {
	Uses       []ofConnection[inventory.PipelineUse] `json:"uses,omitempty"`
	Concerns   []ofConnection[inventory.Concern]     `json:"concerns,omitempty"`
	Secrets    []inventory.PipelineSecret            `json:"secrets,omitempty"`
	Unresolved []inventory.UnresolvedUse             `json:"unresolved,omitempty"`
	Pipelines  []inventory.Pipeline                  `json:"pipelines,omitempty"`
	Gaps       []toldGap                             `json:"gaps,omitempty"`
	Open       bool                                  `json:"open,omitempty"`  // it is not known which connections are used
	Files      []fileVersion                         `json:"files,omitempty"` // that it was made of
	Rewrites   []inventory.PipelineRepository        `json:"rewrites,omitempty"`
	Terraform  []inventory.TerraformResource         `json:"terraform,omitempty"`

	failed bool // something could not be read: what there is of it is not kept
}

// ofConnection is something about a connection.
type ofConnection[T any] struct {
	ID inventory.ConnectionID `json:"id"`
	Is T                      `json:"is"`
}

// toldGap is a gap; of those with the same key one is told.
type toldGap struct {
	Key string        `json:"key,omitempty"`
	Gap inventory.Gap `json:"gap"`
}

// fileVersion is a file as it was read.
type fileVersion struct {
	Type       string `json:"type"`
	Repository string `json:"repository"`
	Path       string `json:"path"`
	Ref        string `json:"ref,omitempty"`
	OID        string `json:"oid,omitempty"` // git's name of the content, for files of GitHub
}

// merge takes a fragment into the inventory.
func (o *organization) merge(p Project, f *fragment) {
	o.mu.Lock()
	for _, u := range f.Uses {
		if c := o.found[u.ID]; c != nil {
			c.PipelineUses = append(c.PipelineUses, u.Is)
		}
	}
	for _, n := range f.Concerns {
		if c := o.found[n.ID]; c != nil {
			c.Concerns = append(c.Concerns, n.Is)
		}
	}
	o.open[p.ID] = o.open[p.ID] || f.Open
	for _, u := range f.Unresolved {
		o.mayMean(p, u)
	}
	o.rewrites = append(o.rewrites, f.Rewrites...)
	for _, g := range f.Gaps {
		o.tell(g)
	}
	o.mu.Unlock()
	o.s.add(func(inv *inventory.Inventory) {
		inv.PipelineSecrets = append(inv.PipelineSecrets, f.Secrets...)
		inv.Unresolved = append(inv.Unresolved, f.Unresolved...)
		inv.Terraform = append(inv.Terraform, f.Terraform...)
		inv.Pipelines = append(inv.Pipelines, f.Pipelines...)
	})
}

// tell keeps a gap until the organisation is read. Of those with the same key it is the one with the first name, whichever was found first.
func (o *organization) tell(g toldGap) {
	if g.Key == "" {
		o.gaps = append(o.gaps, g.Gap)
		return
	}
	if have, ok := o.told[g.Key]; !ok || g.Gap.Object < have.Object {
		o.told[g.Key] = g.Gap
	}
}

// part reads an object of the project, and keeps what came of it for a scan that continues this one.
func (r *projectReader) part(ctx context.Context, key, version string, read func(context.Context, *projectReader) error) error {
	own := *r
	own.out = &fragment{}
	if err := read(ctx, &own); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !own.out.failed {
		r.o.s.o.Parts.save(key, versionOf(version, r.known), own.out)
	}
	r.o.merge(r.p, own.out)
	return nil
}

// taken takes over what an interrupted scan has read of an object, if it was at this version, and tells whether it could.
func (r *projectReader) taken(ctx context.Context, key, version string) bool {
	var kept fragment
	if !r.o.s.o.Parts.load(key, versionOf(version, r.known), &kept) {
		return false
	}
	if !r.current(ctx, &kept) {
		r.o.s.o.Parts.outdated()
		return false
	}
	r.o.merge(r.p, &kept)
	return true
}

// current tells whether what a fragment is made of is still as it was.
func (r *projectReader) current(ctx context.Context, f *fragment) bool {
	r.o.mu.Lock()
	for _, u := range f.Uses {
		if r.o.found[u.ID] == nil {
			r.o.mu.Unlock()
			return false
		}
	}
	r.o.mu.Unlock()
	for _, v := range f.Files {
		if !r.o.unchanged(ctx, v) {
			return false
		}
	}
	return true
}

// unchanged tells whether a file is as it was when the interrupted scan read it. In Azure Repos one request answers that for all files of a
// repository: nothing was pushed since. Each question is asked once.
func (o *organization) unchanged(ctx context.Context, v fileVersion) bool {
	if strings.EqualFold(v.Type, typeAzureRepos) {
		known, ok := o.repository(v.Repository)
		return ok && o.answers.get("pushed|"+known.ID, func() bool {
			pushed, err := o.org.PushedSince(ctx, known, o.s.o.Parts.Began())
			return err == nil && !pushed
		})
	}
	key := strings.ToLower(v.Type+"|"+v.Repository) + "|" + v.Path + "|" + v.Ref + "|" + v.OID
	return o.answers.get(key, func() bool {
		for _, files := range o.s.gitHubFiles {
			if oid, err := files.FileOID(ctx, inventory.RepositoryName(v.Repository), v.Ref, v.Path); err == nil {
				return oid == v.OID
			}
		}
		return false
	})
}

// memo asks each question once.
type memo struct {
	mu   sync.Mutex
	asks map[string]func() bool
}

func (m *memo) get(key string, ask func() bool) bool {
	m.mu.Lock()
	if m.asks == nil {
		m.asks = map[string]func() bool{}
	}
	once, ok := m.asks[key]
	if !ok {
		once = sync.OnceValue(ask)
		m.asks[key] = once
	}
	m.mu.Unlock()
	return once()
}
