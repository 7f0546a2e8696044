package terraform

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// value is a value as far as the text alone tells it.
type value struct {
	known bool
	null  bool
	text  string // of a string, number or truth
}

// empty tells a value that is the same as none at all: an attribute that is null or "" is not set for a provider.
func (v value) empty() bool { return v.known && (v.null || v.text == "") }

// attribute is one attribute of a block.
type attribute struct {
	name     string
	at       place
	value    value
	variable string // the input variable that it is, where it is one
	text     string // for a reader: a reference or a plain value, never a secret
}

// assignment is the attribute as its file writes it.
func (a attribute) assignment() string { return a.name + " = " + a.text }

// maxExpression bounds what is evaluated. What decides a sign-in is a literal, a variable, or little more.
const maxExpression = 300

// read evaluates an expression that refers to nothing.
func (r reader) read(e hcl.Expression) value {
	rng := e.Range()
	if rng.End.Byte-rng.Start.Byte > maxExpression || !plain(e) {
		return value{}
	}
	v, diags := e.Value(nil) // strings in JSON are taken as they stand
	if diags.HasErrors() {
		return value{}
	}
	out := valueOf(v)
	if strings.HasSuffix(r.file.Path, ".json") && (strings.Contains(out.text, "${") || strings.Contains(out.text, "%{")) {
		return value{}
	}
	return out
}

// plain tells expressions that cost nothing to evaluate: no functions, no loops.
func plain(e hcl.Expression) bool {
	native, ok := e.(hclsyntax.Expression)
	if !ok {
		return true // JSON: strings are not evaluated
	}
	fine := true
	_ = hclsyntax.VisitAll(native, func(n hclsyntax.Node) hcl.Diagnostics { // the visitor reports nothing
		switch n.(type) {
		case *hclsyntax.FunctionCallExpr, *hclsyntax.ForExpr, *hclsyntax.SplatExpr, *hclsyntax.ScopeTraversalExpr:
			fine = false
		}
		return nil
	})
	return fine
}

func valueOf(v cty.Value) value {
	if v.IsNull() {
		return value{known: v.IsKnown(), null: true}
	}
	if !v.IsWhollyKnown() || !v.Type().IsPrimitiveType() {
		return value{}
	}
	s, err := convert.Convert(v, cty.String)
	if err != nil {
		return value{}
	}
	return value{known: true, text: s.AsString()}
}

// variableOf gives the input variable that an expression is: var.NAME, "${var.NAME}".
func variableOf(e hcl.Expression) string {
	source := ""
	if native, ok := e.(hclsyntax.Expression); ok {
		if w, ok := native.(*hclsyntax.TemplateWrapExpr); ok {
			native = w.Wrapped
		}
		t, ok := native.(*hclsyntax.ScopeTraversalExpr)
		if !ok || len(t.Traversal) != 2 || t.Traversal.RootName() != "var" {
			return ""
		}
		if name, ok := t.Traversal[1].(hcl.TraverseAttr); ok {
			return name.Name
		}
		return ""
	}
	if v, _ := e.Value(nil); !v.IsNull() && v.IsKnown() && v.Type() == cty.String {
		source = v.AsString()
	}
	if m := jsonVariable().FindStringSubmatch(source); m != nil {
		return m[1]
	}
	return ""
}

var (
	jsonVariable = lazy.Regexp(`^\$\{\s*var\.([A-Za-z_][A-Za-z0-9_-]*)\s*\}$`)
	reference    = lazy.Regexp(`^(?:"\$\{\s*)?(?:var|local|data|module|each|ephemeral)(?:\.[A-Za-z_][A-Za-z0-9_-]*)+(?:\s*\}")?$`)
	truth        = lazy.Regexp(`^"?(?:true|false)"?$`)
)

const omitted = "…"

// text is an expression for a reader. A literal could be a secret, so it is shown only where it is a reference, a truth or a version.
func (r reader) text(name string, e hcl.Expression) string {
	rng := e.Range()
	if rng.Start.Byte < 0 || rng.End.Byte > len(r.file.Content) || rng.End.Byte <= rng.Start.Byte || rng.End.Byte-rng.Start.Byte > 120 {
		return omitted
	}
	s := string(r.file.Content[rng.Start.Byte:rng.End.Byte])
	if reference().MatchString(s) || strings.HasPrefix(name, "use_") && truth().MatchString(s) {
		return s
	}
	return omitted
}

// word is a name for a reader. Names of blocks can be any text.
func word(s string) string {
	if simple().MatchString(s) {
		return s
	}
	return omitted
}

var simple = lazy.Regexp(`^[A-Za-z0-9_-]{1,64}$`)
