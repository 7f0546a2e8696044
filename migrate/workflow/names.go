package workflow

import (
	"strconv"
	"strings"

	"github.com/rhysd/actionlint"

	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

const maxNames = 64 // of one computed secret name; beyond it a wildcard says it shorter

// names gives the secret names that a computed index such as format('AZURE_CREDENTIALS_{0}', matrix.env) can take:
// the finite set where the matrix, inputs or callers give one, else a pattern with * for what is open.
func (s scope) names(index actionlint.ExprNode) []string {
	set := s.strings(index, 0)
	if len(set) > maxNames {
		return []string{"*"}
	}
	return set
}

// strings evaluates an expression to the set of strings it can be; "*" stands for anything.
func (s scope) strings(n actionlint.ExprNode, depth int) []string {
	if depth > maxFlow {
		return []string{"*"}
	}
	switch n := n.(type) {
	case *actionlint.StringNode:
		return []string{n.Value}
	case *actionlint.IntNode:
		return []string{strconv.Itoa(n.Value)}
	case *actionlint.FuncCallNode:
		return s.callStrings(n, depth)
	case *actionlint.LogicalOpNode:
		// a && b || c: the value is one of the operands that are strings.
		return union(s.operandStrings(n.Left, depth), s.operandStrings(n.Right, depth))
	}
	if r, ok := access(n, ""); ok {
		return s.contextStrings(r, depth)
	}
	return []string{"*"}
}

// operandStrings is strings without what a comparison yields, which is only the condition of a choice.
func (s scope) operandStrings(n actionlint.ExprNode, depth int) []string {
	switch n.(type) {
	case *actionlint.CompareOpNode, *actionlint.NotOpNode, *actionlint.BoolNode:
		return nil
	}
	return s.strings(n, depth+1)
}

func (s scope) callStrings(n *actionlint.FuncCallNode, depth int) []string {
	if !strings.EqualFold(n.Callee, "format") || len(n.Args) == 0 {
		return []string{"*"}
	}
	results := s.strings(n.Args[0], depth+1)
	for i, arg := range n.Args[1:] {
		values := s.strings(arg, depth+1)
		var next []string
		for _, r := range results {
			for _, v := range values {
				next = append(next, strings.ReplaceAll(r, "{"+strconv.Itoa(i)+"}", v))
			}
		}
		if len(next) > maxNames {
			return []string{"*"}
		}
		results = next
	}
	return results
}

// contextStrings gives the values that a context can have: a matrix's list, a dispatch input's options, what callers pass, an env literal.
func (s scope) contextStrings(r ref, depth int) []string {
	name := r.name()
	if r.context == "github" && len(r.path) == 3 && r.path[0] == "event" && r.path[1] == "inputs" {
		r.context, name = "inputs", r.path[2]
	}
	switch r.context {
	case "matrix":
		if s.job != nil && len(r.path) >= 1 {
			return matrixValues(s.job, r.path)
		}
	case "inputs":
		return s.inputStrings(name, depth)
	case "env":
		if v, in, ok := s.env(name); ok {
			return in.valueStrings(v, depth+1)
		}
	}
	return []string{"*"}
}

// valueStrings gives the strings that a value with expressions can be.
func (s scope) valueStrings(value string, depth int) []string {
	results := []string{""}
	at := 0
	for _, seg := range segments(value) {
		values := []string{"*"}
		if seg.node != nil {
			values = s.strings(seg.node, depth+1)
		} else if r, ok := seg.only(); ok && depth < maxFlow {
			values = s.contextStrings(r, depth+1)
		}
		var next []string
		for _, r := range results {
			for _, v := range values {
				next = append(next, r+value[at:seg.start]+v)
			}
		}
		if len(next) > maxNames {
			return []string{"*"}
		}
		results, at = next, seg.end
	}
	for i := range results {
		results[i] += value[at:]
	}
	return results
}

func (s scope) inputStrings(name string, depth int) []string {
	var set []string
	on := get(s.file.root, "on")
	if in := get(get(get(on, "workflow_dispatch"), "inputs"), name); in != nil {
		options := get(in, "options")
		if text(get(in, "type")) != "choice" || options == nil {
			return []string{"*"}
		}
		for _, o := range options.Content {
			set = append(set, text(o))
		}
	}
	for _, c := range s.a.callers[s.file.path] {
		owner := c.owner()
		var params *yaml.Node
		in := scope{s.a, s.file, owner, c.step}
		if c.step != nil {
			params, in.file = c.step.with, c.step.file
		} else {
			params, in.file = c.job.with, c.job.file
		}
		if e, ok := lookup(params, name); ok {
			set = union(set, in.valueStrings(text(e.value), depth+1))
		}
	}
	if len(set) == 0 {
		return []string{"*"}
	}
	return set
}

// matrixValues gives the values of matrix.a or matrix.a.b, includes too.
func matrixValues(j *job, path []string) []string {
	matrix := get(get(j.node, "strategy"), "matrix")
	if matrix == nil || matrix.Kind != yaml.MappingNode {
		return []string{"*"}
	}
	var set []string
	add := func(n *yaml.Node) {
		for _, p := range path[1:] {
			n = get(n, p)
		}
		if v := text(n); v != "" && !strings.Contains(v, "${{") {
			set = union(set, []string{v})
		} else if v != "" {
			set = union(set, []string{"*"})
		}
	}
	if list := get(matrix, path[0]); list != nil {
		if list.Kind != yaml.SequenceNode {
			return []string{"*"}
		}
		for _, item := range list.Content {
			add(resolve(item))
		}
	}
	if include := get(matrix, "include"); include != nil {
		if include.Kind != yaml.SequenceNode {
			return []string{"*"}
		}
		for _, item := range include.Content {
			if v := get(item, path[0]); v != nil {
				add(v)
			}
		}
	}
	if len(set) == 0 {
		return []string{"*"}
	}
	return set
}

func union(a, b []string) []string {
	for _, v := range b {
		seen := false
		for _, have := range a {
			seen = seen || have == v
		}
		if !seen {
			a = append(a, v)
		}
	}
	return a
}
