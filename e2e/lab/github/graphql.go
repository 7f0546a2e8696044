package github

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

//go:embed schema.graphql
var sdl string

var loadSchema = sync.OnceValue(func() *ast.Schema {
	return gqlparser.MustLoadSchema(&ast.Source{Name: "schema.graphql", Input: sdl})
})

// graphql serves one GraphQL request.
func (s *server) graphql(rw http.ResponseWriter, r *http.Request) {
	c := &call{s: s, w: s.w, r: r}
	a := c.locked(query)
	if a.header == nil {
		a.header = map[string]string{}
	}
	a.header["X-Ratelimit-Resource"] = "graphql"
	a.write(rw, s.w.Clock.Now())
}

// slow is what the service answers when a query takes more than its ten seconds.
var slow = answer{status: http.StatusBadGateway, body: m{"data": nil, "errors": []m{{
	"message": "Something went wrong while executing your query. This may be the result of a timeout, or it could be a GitHub bug.",
}}}}

func query(c *call) answer {
	var in struct {
		Query         string
		OperationName string
		Variables     map[string]any
	}
	if err := json.NewDecoder(c.r.Body).Decode(&in); err != nil || in.Query == "" {
		return fail(http.StatusBadRequest, "A query attribute must be specified and must be a string.")
	}
	doc, errs := gqlparser.LoadQueryWithRules(loadSchema(), in.Query, rules.NewDefaultRules())
	if len(errs) > 0 {
		return queryErrors(errs...)
	}
	op := doc.Operations.ForName(in.OperationName)
	if op == nil {
		return queryErrors(gqlerror.Errorf("No operation named %q", in.OperationName))
	}
	vars, err := validator.VariableValues(loadSchema(), op, in.Variables)
	if err != nil {
		return queryErrors(gqlerror.Wrap(err))
	}
	x := &exec{c: c, vars: vars, fragments: doc.Fragments}
	if most := c.w.Knobs.GraphQLMaxRepos; most > 0 && x.repositories(op.SelectionSet) > most {
		return slow
	}
	return x.run(op)
}

// queryErrors answers a query that was not executed: HTTP 200 without data.
func queryErrors(errs ...*gqlerror.Error) answer {
	out := []m{}
	for _, e := range errs {
		out = append(out, m{"message": e.Message, "locations": e.Locations})
	}
	return ok(m{"errors": out})
}

// exec executes one operation.
type exec struct {
	c         *call
	vars      map[string]any
	fragments ast.FragmentDefinitionList
	errs      []m
}

// gqlError is an error of one field, in the service's form.
type gqlError struct{ kind, message string }

func failf(kind, format string, args ...any) *gqlError {
	return &gqlError{kind: kind, message: fmt.Sprintf(format, args...)}
}

func (x *exec) run(op *ast.OperationDefinition) answer {
	root := "Query"
	if op.Operation == ast.Mutation {
		root = "Mutation"
	}
	out := m{"data": nil}
	if data, ok := x.object(root, nil, []ast.SelectionSet{op.SelectionSet}, nil); ok {
		out["data"] = data
	}
	if len(x.errs) > 0 {
		out["errors"] = x.errs
	}
	return ok(out)
}

// object executes the selections on a value of a concrete type. It is not ok if a field that must not be null
// is: then the object itself is null.
func (x *exec) object(typ string, value any, sets []ast.SelectionSet, path []any) (any, bool) {
	out := m{}
	for _, f := range x.collect(typ, sets) {
		v, ok := x.field(typ, value, f, append(path[:len(path):len(path)], f.key))
		if !ok {
			return nil, false
		}
		out[f.key] = v
	}
	return out, true
}

// field is one response key with the selections of all places that ask for it.
type field struct {
	key  string
	ast  *ast.Field
	sets []ast.SelectionSet
}

// collect flattens fragments that apply to a type (GraphQL specification, "CollectFields").
func (x *exec) collect(typ string, sets []ast.SelectionSet) []*field {
	var out []*field
	index := map[string]*field{}
	var walk func(ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				if !x.included(s.Directives) {
					continue
				}
				f := index[s.Alias]
				if f == nil {
					f = &field{key: s.Alias, ast: s}
					index[s.Alias] = f
					out = append(out, f)
				}
				f.sets = append(f.sets, s.SelectionSet)
			case *ast.InlineFragment:
				if x.included(s.Directives) && applies(s.TypeCondition, typ) {
					walk(s.SelectionSet)
				}
			case *ast.FragmentSpread:
				if d := x.fragments.ForName(s.Name); x.included(s.Directives) && applies(d.TypeCondition, typ) {
					walk(d.SelectionSet)
				}
			}
		}
	}
	for _, set := range sets {
		walk(set)
	}
	return out
}

func (x *exec) included(ds ast.DirectiveList) bool {
	if d := ds.ForName("skip"); d != nil && d.ArgumentMap(x.vars)["if"] == true {
		return false
	}
	d := ds.ForName("include")
	return d == nil || d.ArgumentMap(x.vars)["if"] == true
}

// applies tells whether a fragment on a type or interface is for a concrete type.
func applies(condition, typ string) bool {
	if condition == "" || condition == typ {
		return true
	}
	for _, d := range loadSchema().PossibleTypes[condition] {
		if d.Name == typ {
			return true
		}
	}
	return false
}

func (x *exec) field(typ string, value any, f *field, path []any) (any, bool) {
	if f.ast.Name == "__typename" {
		return typ, true
	}
	resolve := resolvers[typ][f.ast.Name]
	if resolve == nil {
		return x.fail(f, path, failf("", "The lab does not serve %s.%s", typ, f.ast.Name)), !f.ast.Definition.Type.NonNull
	}
	return x.complete(f.ast.Definition.Type, f, resolve(x, value, f.ast.ArgumentMap(x.vars)), path)
}

// complete turns what a resolver gave into JSON (GraphQL specification, "CompleteValue").
func (x *exec) complete(t *ast.Type, f *field, v any, path []any) (any, bool) {
	if e, isError := v.(*gqlError); isError {
		return x.fail(f, path, e), !t.NonNull
	}
	switch {
	case v == nil:
		if t.NonNull {
			x.fail(f, path, failf("", "Cannot return null for non-nullable field %s", f.ast.Name))
		}
		return nil, !t.NonNull
	case t.Elem != nil:
		return x.list(t, f, v.([]any), path)
	case loadSchema().Types[t.NamedType].IsLeafType():
		return v, true
	}
	if e := x.broken(v, f, path); e != nil {
		return x.fail(f, path, e), !t.NonNull
	}
	out, ok := x.object(typeOf(v, t.NamedType), v, f.sets, path)
	return out, ok || !t.NonNull
}

func (x *exec) list(t *ast.Type, f *field, all []any, path []any) (any, bool) {
	out := make([]any, 0, len(all))
	for i, e := range all {
		v, ok := x.complete(t.Elem, f, e, append(path[:len(path):len(path)], i))
		if !ok {
			return nil, !t.NonNull
		}
		out = append(out, v)
	}
	return out, true
}

// fail records an error and gives null.
func (x *exec) fail(f *field, path []any, e *gqlError) any {
	out := m{"message": e.message, "path": path}
	if e.kind != "" {
		out["type"] = e.kind
	}
	if p := f.ast.Position; p != nil {
		out["locations"] = []m{{"line": p.Line, "column": p.Column}}
	}
	x.errs = append(x.errs, out)
	return nil
}
