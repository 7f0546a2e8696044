package github

import (
	"net/http"
	"slices"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// listVariables has smaller pages than all other lists (GitHub Docs: "REST API endpoints for GitHub Actions variables").
func listVariables(c *call, s store) answer {
	return listSized(c, "variables", sortedVariables(*s.variables), 10, 30, c.variable(s))
}

func getVariable(c *call, s store) answer {
	v := world.FindVariable(*s.variables, c.r.PathValue("name"))
	if v == nil {
		return notFound
	}
	return ok(c.variable(s)(v))
}

// variableInput is the body of a create or update; only what is sent changes.
type variableInput struct {
	Name, Value, Visibility *string
	Selected                []int64 `json:"selected_repository_ids"`
}

func (in variableInput) apply(v *world.Variable, org bool) {
	if org && in.Visibility != nil {
		v.Visibility = *in.Visibility
	}
	if org && in.Selected != nil {
		v.Selected = in.Selected
	}
}

func createVariable(c *call, s store) answer {
	var in variableInput
	if a, ok := c.decode(&in); !ok {
		return a
	}
	switch {
	case in.Name == nil || in.Value == nil:
		return fail(http.StatusUnprocessableEntity, "Invalid request.\n\n\"name\" and \"value\" must be supplied.")
	case s.org && in.Visibility == nil:
		return fail(http.StatusUnprocessableEntity, "Invalid request.\n\n\"visibility\" wasn't supplied.")
	case world.FindVariable(*s.variables, *in.Name) != nil:
		return fail(http.StatusConflict, "Already exists - Variable already exists")
	case len(*s.variables) >= s.limit(false):
		return fail(http.StatusUnprocessableEntity, "The maximum number of variables is reached")
	}
	if a, bad := badName(*in.Name); bad {
		return a
	}
	in.apply(c.w.SetVariable(s.variables, *in.Name, *in.Value), s.org)
	return made(m{})
}

func updateVariable(c *call, s store) answer {
	var in variableInput
	if a, ok := c.decode(&in); !ok {
		return a
	}
	v := world.FindVariable(*s.variables, c.r.PathValue("name"))
	if v == nil {
		return notFound
	}
	if in.Value != nil {
		v.Value = *in.Value
	}
	v.Updated = c.w.Clock.Now()
	in.apply(v, s.org)
	return done()
}

func deleteVariable(c *call, s store) answer {
	v := world.FindVariable(*s.variables, c.r.PathValue("name"))
	if v == nil {
		return notFound
	}
	*s.variables = slices.DeleteFunc(*s.variables, func(x *world.Variable) bool { return x == v })
	return done()
}

func variableRepositories(c *call, s store) answer {
	v := world.FindVariable(*s.variables, c.r.PathValue("name"))
	switch {
	case v == nil || !s.org:
		return notFound
	case v.Visibility != "selected":
		return fail(http.StatusConflict, "Visibility of the variable is not 'selected'")
	}
	return c.selected(v.Selected)
}
