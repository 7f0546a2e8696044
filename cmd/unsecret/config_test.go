package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// documented gives the YAML example of the configuration's page.
func documented(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "```yaml\n")
	if !ok {
		t.Fatal("docs/configuration.md has no YAML example")
	}
	example, _, _ := strings.Cut(rest, "```")
	return []byte(example)
}

func TestDocumentedExampleDecodesStrictly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "unsecret.yaml")
	if err := os.WriteFile(file, documented(t), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{configFile: file}
	c, err := a.config()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Plan.Mapping) != 1 || len(c.Check.Exceptions) != 1 || c.GitHub.App == nil {
		t.Errorf("the example was not read whole: %+v", c)
	}
}

func TestDocumentedExampleMatchesTheSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../docs/unsecret.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := yaml.Unmarshal(documented(t), &doc); err != nil {
		t.Fatal(err)
	}
	// Through JSON, so that dates are strings as the schema's readers see them.
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Error(err)
	}
}

func TestSchemaAndConfigurationKnowTheSameKeys(t *testing.T) {
	b, err := os.ReadFile("../../docs/unsecret.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	var inSchema []string
	schemaKeys(schema, "", &inSchema)
	var inStruct []string
	structKeys(reflect.TypeFor[config](), "", &inStruct)
	slices.Sort(inSchema)
	slices.Sort(inStruct)
	if !slices.Equal(inSchema, inStruct) {
		t.Errorf("schema: %v\nstruct: %v", inSchema, inStruct)
	}
}

func schemaKeys(node map[string]any, prefix string, out *[]string) {
	if items, ok := node["items"].(map[string]any); ok {
		schemaKeys(items, prefix, out)
	}
	properties, _ := node["properties"].(map[string]any)
	for name, v := range properties {
		*out = append(*out, prefix+name)
		schemaKeys(v.(map[string]any), prefix+name+".", out)
	}
}

func structKeys(t reflect.Type, prefix string, out *[]string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.PkgPath() == "time" {
		return
	}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		*out = append(*out, prefix+name)
		structKeys(t.Field(i).Type, prefix+name+".", out)
	}
}

func TestConfigurationMistakesAreNamed(t *testing.T) {
	for name, tc := range map[string]struct{ yaml, want string }{
		"unknown key":         {"gitHub: {}\n", "field gitHub not found"},
		"unknown key in line": {"github:\n  organisations: [x]\n", "line 2"},
		"wrong type":          {"azureDevOps: [contoso]\n", "line 1"},
		"not YAML":            {"a: [\n", "line"},
		"cloud":               {"cloud: mars\n", `cloud: "mars" is not one of public, usgovernment, china`},
		"auth":                {"auth: {azure: magic}\n", "auth.azure"},
		"repository":          {"github: {repositories: [shop]}\n", `"shop" is not of the form OWNER/NAME`},
		"mapping":             {"plan: {mapping: [{secret: X, repository: a/b, appId: nope}]}\n", `appId "nope" is not an application (client) id`},
		"exception reason":    {"check: {exceptions: [{rule: not-readable}]}\n", "give the reason"},
		"exception rule":      {"check: {exceptions: [{rule: nope, reason: x}]}\n", `there is no rule "nope"`},
		"github app":          {"github: {app: {id: 1}}\n", "github.app"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "unsecret.yaml")
			if err := os.WriteFile(file, []byte(tc.yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := (&app{configFile: file}).config()
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), file) {
				t.Errorf("got %v, want it to name %s and say %q", err, file, tc.want)
			}
		})
	}
}
