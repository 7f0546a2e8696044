package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Describe gives everything that a migration may change, one line each and sorted, without ids, values and times that depend on
// how often or in which order something was tried. Two worlds in which the same was brought about have the same description.
func (w *World) Describe() string {
	w.Lock()
	defer w.Unlock()
	d := &description{}
	for _, t := range w.Tenants {
		for _, a := range t.Apps {
			d.app(a)
		}
	}
	for _, o := range w.DevOps {
		d.devOps(o)
	}
	for _, a := range w.GitHub.Accounts {
		d.stores(a.Login, a.Secrets, a.Variables)
		d.stores(a.Login+" for Dependabot", a.Dependabot, nil)
	}
	for _, r := range w.GitHub.Repos {
		d.repository(r)
	}
	slices.Sort(d.lines)
	return strings.Join(d.lines, "\n")
}

type description struct{ lines []string }

func (d *description) add(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *description) app(a *App) {
	for _, f := range a.FICs {
		d.add("%s trusts %s %s%s for %s as %s: %s", a.DisplayName, f.Issuer, f.Subject, f.Expression, f.Audiences, f.Name, f.Description)
	}
	for _, p := range a.Passwords {
		d.add("%s has password %q until %s", a.DisplayName, p.DisplayName, p.End.Format(time.DateOnly))
	}
	for _, k := range a.Keys {
		d.add("%s has certificate %q", a.DisplayName, k.DisplayName)
	}
}

func (d *description) devOps(o *DevOpsOrg) {
	for _, c := range o.Connections {
		d.add("connection %s is %s, %q, with %v, hidden %q, deleted %t", c.Refs[0].Name, c.Scheme, c.OpState, c.Params, slices.Sorted(maps.Keys(c.Hidden)), c.Deleted)
	}
	for _, g := range o.VariableGroups {
		for name, v := range g.Variables {
			d.add("variable group %s has %s, secret %t", g.Name, name, v.Secret)
		}
	}
	for _, p := range o.Definitions {
		for name, v := range p.Variables {
			d.add("pipeline %s has variable %s, secret %t", p.Name, name, v.Secret)
		}
	}
}

func (d *description) repository(r *Repo) {
	name := r.FullName()
	for ref := range r.Refs {
		for path, oid := range r.Tree(ref) {
			d.add("%s %s %s is %s", name, ref, path, oid)
		}
	}
	for _, p := range r.Pulls {
		d.add("%s has pull request #%d %q from %s to %s, %s, merged %t, %d comments", name, p.Number, p.Title, p.Head, p.Base, p.State, p.Merged, len(p.Comments))
	}
	d.stores(name, r.Secrets, r.Variables)
	d.stores(name+" for Dependabot", r.Dependabot, nil)
	for _, e := range r.Environments {
		d.stores(name+" in "+e.Name, e.Secrets, e.Variables)
	}
}

func (d *description) stores(place string, secrets []*Secret, variables []*Variable) {
	for _, s := range secrets {
		d.add("%s has secret %s, %s %v", place, s.Name, s.Visibility, s.Selected)
	}
	for _, v := range variables {
		d.add("%s has variable %s=%s, %s %v", place, v.Name, v.Value, v.Visibility, v.Selected)
	}
}
