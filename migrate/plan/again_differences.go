package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Differences says what is different in a later inventory of what a part names, one thing in each line, for a reader. Uses and sign-ins, of which there are
// always more, are left out; so are the changes that the unit's own steps make, which are counted.
func Differences(before, after *inventory.Inventory, part inventory.Part, u Unit) (said []string, own int) {
	d := &differences{own: ownChanges(u)}
	d.applications(before, after, part)
	d.connections(before, after, part)
	d.repositories(before, after, part)
	return d.said, d.did
}

type differences struct {
	own  map[change]bool
	did  int
	said []string
}

// change is a field of an object that moved to a value.
type change struct{ object, field, to string }

// ownChanges are those that a unit's steps make.
func ownChanges(u Unit) map[change]bool {
	out := map[change]bool{}
	for _, s := range u.Steps {
		switch {
		case s.FederatedCredential != nil:
			f := s.FederatedCredential.Credential
			out[change{string(u.AppID), TrustField(f), TrustFact(f)}] = true
		case s.Removal != nil:
			out[change{string(u.AppID), TrustField(s.Removal.Credential), ""}] = true
		case s.Connection != nil:
			out[change{string(s.Connection.ID), "scheme", inventory.SchemeFederation}] = true
		case s.Variable != nil:
			out[change{string(s.Variable.Store.Repository), "variable " + inRepository(s.Variable.Store), s.Variable.Value}] = true
		}
	}
	return out
}

// inRepository names a secret or variable of a repository or of one of its environments.
func inRepository(s inventory.StoreRef) string {
	if s.Environment != "" {
		return s.Name + " of environment " + s.Environment
	}
	return s.Name
}

// moved says of each field of an object from what to what it moved.
func (d *differences) moved(id, name string, was, is map[string]string) {
	fields := maps.Clone(was)
	maps.Copy(fields, is)
	for _, f := range slices.Sorted(maps.Keys(fields)) {
		switch {
		case was[f] == is[f]:
		case d.own[change{id, f, is[f]}]:
			d.did++
		default:
			d.said = append(d.said, fmt.Sprintf("%s: %s moved from %s to %s", name, f, shown(was[f]), shown(is[f])))
		}
	}
}

func shown(value string) string {
	if value == "" {
		return "nothing"
	}
	return fmt.Sprintf("%q", value)
}

// pair is an object before and after; nil where it is not there.
type pair[T any] struct{ was, is *T }

// pairs matches objects by a key; none is twice in an inventory. They come sorted.
func pairs[T any](was, is []T, key func(T) string, want func(T) bool) []pair[T] {
	found := map[string]*pair[T]{}
	at := func(x T) *pair[T] {
		k := key(x)
		if found[k] == nil {
			found[k] = &pair[T]{}
		}
		return found[k]
	}
	for i := range was {
		if want(was[i]) {
			at(was[i]).was = &was[i]
		}
	}
	for i := range is {
		if want(is[i]) || found[key(is[i])] != nil {
			at(is[i]).is = &is[i]
		}
	}
	var out []pair[T]
	for _, k := range slices.Sorted(maps.Keys(found)) {
		out = append(out, *found[k])
	}
	return out
}

// compare says of each object what moved, or that it is there on one side alone.
func compare[T any](d *differences, list []pair[T], name func(T) string, moved func(was, is T)) {
	for _, p := range list {
		switch {
		case p.was == nil:
			d.said = append(d.said, name(*p.is)+" is new")
		case p.is == nil:
			d.said = append(d.said, name(*p.was)+" is gone")
		default:
			moved(*p.was, *p.is)
		}
	}
}

func (d *differences) applications(before, after *inventory.Inventory, part inventory.Part) {
	facts := func(id inventory.Identity) map[string]string {
		out := map[string]string{}
		for _, c := range id.Credentials {
			out[string(c.Type)+" "+string(c.KeyID)] = "ends on " + c.End.UTC().Format("2006-01-02")
		}
		for _, f := range id.FederatedCredentials {
			out[TrustField(f)] = TrustFact(f)
		}
		for _, r := range id.Roles {
			out["role "+r.Role+" at "+r.Scope] = "assigned"
		}
		return out
	}
	name := func(id inventory.Identity) string { return "application " + id.DisplayName }
	list := pairs(before.Identities, after.Identities, func(id inventory.Identity) string { return string(lower(id.AppID)) },
		func(id inventory.Identity) bool { return part.HasApplication(id.AppID) })
	compare(d, list, name, func(was, is inventory.Identity) { d.moved(string(lower(was.AppID)), name(was), facts(was), facts(is)) })
}

func (d *differences) connections(before, after *inventory.Inventory, part inventory.Part) {
	facts := func(c inventory.Connection) map[string]string {
		out := ConnectionFacts(c)
		out["name"], out["state"], out["pipelines"] = c.Name, c.State, strings.Join(c.NamedBy(), ", ")
		if c.Disabled {
			out["disabled"] = "yes"
		}
		return out
	}
	name := func(c inventory.Connection) string { return "connection " + c.Name + " (" + c.Organization + ")" }
	list := pairs(before.Connections, after.Connections, func(c inventory.Connection) string { return strings.ToLower(string(c.ID)) },
		func(c inventory.Connection) bool { return part.HasConnection(c.ID) || part.HasApplication(c.AppID) })
	compare(d, list, name, func(was, is inventory.Connection) { d.moved(string(was.ID), name(was), facts(was), facts(is)) })
}

func (d *differences) repositories(before, after *inventory.Inventory, part inventory.Part) {
	name := func(r inventory.Repository) string { return "repository " + string(r.Name) }
	list := pairs(before.Repositories, after.Repositories, func(r inventory.Repository) string { return fmt.Sprintf("%020d", r.ID) },
		func(r inventory.Repository) bool { return part.HasRepository(r.Name) })
	compare(d, list, name, func(was, is inventory.Repository) {
		d.moved(string(was.Name), name(was), repositoryFacts(before, was), repositoryFacts(after, is))
	})
}

// repositoryFacts are a repository's own fields, its files, and the secrets and variables in it.
func repositoryFacts(inv *inventory.Inventory, r inventory.Repository) map[string]string {
	facts := map[string]string{"name": string(r.Name), "default branch": r.DefaultBranch, "subjects of its tokens": r.OIDC.Text()}
	if r.Archived {
		facts["archived"] = "yes"
	}
	for _, f := range r.Files {
		facts[f.Path] = f.OID[:min(len(f.OID), 12)]
	}
	for _, s := range inv.Secrets {
		if s.Repository == r.Name {
			facts["secret "+inRepository(s.Ref())] = "set on " + s.UpdatedAt.UTC().Format("2006-01-02 15:04 UTC")
		}
	}
	for _, v := range inv.Variables {
		if v.Repository == r.Name {
			facts["variable "+inRepository(v.Ref())] = v.Value
		}
	}
	return facts
}
