package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Section is a list of what is known of an object and is no object itself.
type Section struct {
	Name  string   `json:"name"`
	Lines []string `json:"lines"`
}

// section adds lines, each once, if there are any.
func (v *View) section(name string, lines []string) {
	if len(lines) > 0 {
		v.Sections = append(v.Sections, Section{name, slices.Compact(lines)})
	}
}

// showPipelines tells which pipelines name a connection, which may use it, under which checks, and what in them matters for a conversion.
func (in Input) showPipelines(v *View, c inventory.Connection) {
	var named, perhaps, concerns, may, checks []string
	for _, u := range c.PipelineUses {
		named = append(named, useLine(u))
	}
	for _, u := range in.Inventory.MayMean(c) {
		perhaps = append(perhaps, u.Text()+": "+u.Expression+", "+u.Reason)
	}
	for _, n := range c.Concerns {
		concerns = append(concerns, n.Severity+" "+n.Rule+" in "+n.Text()+uncertain(n.Maybe, n.Disabled)+": "+n.Message)
	}
	for _, p := range c.Permissions {
		may = append(may, in.permissionLine(c, p))
	}
	for _, k := range c.Checks {
		checks = append(checks, k.Type+" in project "+k.Project)
	}
	v.section("named by", named)
	v.section("may be meant by", perhaps)
	v.section("may be used by", may)
	v.section("checks", checks)
	v.section("to know before a conversion", concerns)
	if c.Readable && !c.PipelinesKnown {
		v.fact("pipelines", "not all known: unsecret list gaps says what could not be read")
	}
}

func useLine(u inventory.PipelineUse) string {
	text := u.Text() + ": " + u.Source
	if u.Task != "" {
		text += " " + u.Task
		if u.Version != "" {
			text += "@" + u.Version
		}
	}
	if u.Input != "" {
		text += ", " + u.Input
	}
	return text + uncertain(u.Maybe, u.Disabled)
}

func uncertain(maybe, disabled bool) string {
	switch {
	case disabled:
		return " (disabled)"
	case maybe:
		return " (possibly)"
	}
	return ""
}

// permissionLine names the pipelines that may use a connection, as far as they were read.
func (in Input) permissionLine(c inventory.Connection, p inventory.ConnectionPermission) string {
	if p.AllPipelines {
		return "every pipeline of project " + p.Project
	}
	var names []string
	for _, id := range p.Pipelines {
		i := slices.IndexFunc(in.Inventory.Pipelines, func(q inventory.Pipeline) bool {
			return q.ID == id && q.Project == p.Project && q.Organization == c.Organization && q.Kind != inventory.UseRelease
		})
		name := ""
		if i >= 0 {
			name = in.Inventory.Pipelines[i].Name
		}
		names = append(names, cmp.Or(name, fmt.Sprintf("pipeline %d", id)))
	}
	if len(names) == 0 {
		return "no pipeline of project " + p.Project
	}
	return strings.Join(names, ", ") + " of project " + p.Project
}
