package reports

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

func TestTheJSONReportFollowsItsSchema(t *testing.T) {
	schema := reportSchema(t)
	for name, in := range map[string]Input{
		"full": sample(), "without a plan": many(3), "empty": {Inventory: &inventory.Inventory{Version: 1}},
		"poisoned": poison(sample(), "\x1b[31m\u202e\x00<"),
	} {
		t.Run(name, func(t *testing.T) {
			if name == "poisoned" { // what these two hold is ours; the schema names their values
				for i := range in.Inventory.Identities {
					for j := range in.Inventory.Identities[i].Credentials {
						in.Inventory.Identities[i].Credentials[j].On = "application"
					}
				}
			}
			validate(t, schema, render(t, "json", in))
		})
	}
}

func TestTheJSONReportCanBeReadBack(t *testing.T) {
	for _, in := range []Input{sample(), poison(sample(), "a\nb\u2028\u202e\x1b\x7f\u009b\U000e0041<&>\"\\")} {
		var got Document
		if err := json.Unmarshal(render(t, "json", in), &got); err != nil {
			t.Fatal(err)
		}
		want := Document{Version: 1, Tool: in.Tool, ScannedAt: in.Inventory.ScannedAt, Summary: Summarize(in), Findings: in.Findings, Inventory: in.Inventory, Plan: in.Plan, Progress: in.Progress}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("what is read is not what was written (-want +got):\n%s", d)
		}
	}
}

// TestTheSchemaKnowsEveryField holds the schema and the types together.
func TestTheSchemaKnowsEveryField(t *testing.T) {
	var schema struct {
		Properties map[string]any `json:"properties"`
		Defs       map[string]struct {
			Properties map[string]any `json:"properties"`
			Required   []string       `json:"required"`
		} `json:"$defs"`
	}
	readJSON(t, "../docs/report.schema.json", &schema)
	for name, typ := range map[string]reflect.Type{
		"summary": reflect.TypeFor[Summary](), "finding": reflect.TypeFor[policy.Finding](), "exception": reflect.TypeFor[policy.Exception](), "progress": reflect.TypeFor[UnitProgress](),
		"inventory": reflect.TypeFor[inventory.Inventory](), "gap": reflect.TypeFor[inventory.Gap](), "credential": reflect.TypeFor[inventory.Credential](), "login": reflect.TypeFor[inventory.Login](),
		"identity": reflect.TypeFor[inventory.Identity](), "plan": reflect.TypeFor[plan.Plan](), "reason": reflect.TypeFor[plan.Reason](),
	} {
		fields := map[string]bool{}
		for i := range typ.NumField() {
			field, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if field == "-" {
				continue // not in the JSON
			}
			fields[field] = true
			if schema.Defs[name].Properties[field] == nil {
				t.Errorf("%s: the schema lacks %s", name, field)
			}
		}
		for field := range schema.Defs[name].Properties {
			if !fields[field] {
				t.Errorf("%s: the schema has %s, the type has not", name, field)
			}
		}
	}
}

// constants gives the values of a package's constants of a type, as they stand in its source.
func constants(t *testing.T, dir, typ string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
				id, named := v.Type.(*ast.Ident)
				if lit, ok := v.Values[0].(*ast.BasicLit); ok && named && id.Name == typ {
					value, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					out = append(out, value)
				}
			}
			return true
		})
	}
	slices.Sort(out)
	return out
}

// TestTheSchemaKnowsEveryValue holds the schema's lists of values and the types together.
func TestTheSchemaKnowsEveryValue(t *testing.T) {
	type enum struct {
		Enum []string `json:"enum"`
	}
	var schema struct {
		Defs map[string]struct {
			enum
			Properties map[string]enum `json:"properties"`
		} `json:"$defs"`
	}
	readJSON(t, "../docs/report.schema.json", &schema)
	for _, c := range []struct{ def, field, dir, typ string }{
		{"step", "kind", "../migrate/plan", "StepKind"}, {"step", "class", "../migrate/plan", "Class"}, {"step", "phase", "../migrate/plan", "Phase"},
		{"login", "conversion", "../migrate/inventory", "Conversion"},
		{"credential", "type", "../migrate/inventory", "CredentialType"}, {"sourceKind", "", "../migrate/inventory", "SourceKind"},
		{"store", "level", "../migrate/inventory", "SecretLevel"}, {"severity", "", "../migrate/policy", "Severity"},
	} {
		got := slices.Clone(schema.Defs[c.def].Enum)
		if c.field != "" {
			got = slices.Clone(schema.Defs[c.def].Properties[c.field].Enum)
		}
		slices.Sort(got)
		want := constants(t, c.dir, c.typ)
		if d := cmp.Diff(want, got); d != "" || len(want) == 0 {
			t.Errorf("%s %s (-type +schema):\n%s", c.def, c.field, d)
		}
	}
}
