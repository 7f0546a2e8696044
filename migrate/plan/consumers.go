package plan

import (
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// consumers says of each project of a connection what uses it there: by what it has run, and by what definitions name. It ends with what is not known.
func consumers(c *connection) []string {
	var out []string
	for _, p := range c.Projects {
		if used := consumersIn(c, p.Name); len(used) > 0 {
			out = append(out, "project "+p.Name+": "+strings.Join(used, ", "))
		} else {
			out = append(out, "project "+p.Name+": nothing that was read uses it")
		}
	}
	switch {
	case !c.UsesKnown && !c.PipelinesKnown:
		out = append(out, "more may use it: neither all of its execution history nor every definition that can name it could be read (unsecret list gaps)")
	case !c.UsesKnown:
		out = append(out, "more may use it: not all of its execution history could be read (unsecret list gaps)")
	case !c.PipelinesKnown:
		out = append(out, "more may use it: not every definition that can name it could be read (unsecret list gaps)")
	}
	return out
}

// consumersIn are what uses a connection in one project, each once. When each last ran is not said: an approval of the plan should outlive the next run.
func consumersIn(c *connection, project string) []string {
	var out []string
	for _, u := range c.PipelineUses {
		if u.Project == project {
			out = append(out, strings.ReplaceAll(kindOfUse(u.Source), "-", " ")+" "+u.Pipeline)
		}
	}
	for _, e := range c.Uses {
		switch {
		case e.Project != project:
		case strings.EqualFold(e.PlanType, "Release"):
			out = append(out, "release "+e.Definition)
		default:
			out = append(out, "pipeline "+e.Definition)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func kindOfUse(source string) string {
	switch source {
	case inventory.UseYAML, inventory.UseClassic:
		return "pipeline"
	}
	return source
}
