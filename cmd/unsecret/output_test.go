package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/doctor"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/explain"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// TestEveryFieldOfTheJSONIsDocumented holds docs/output.md to the types that the commands print. What is in the
// inventory, a finding or a plan has a schema instead.
func TestEveryFieldOfTheJSONIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/output.md")
	if err != nil {
		t.Fatal(err)
	}
	for section, value := range map[string]any{
		"apply, verify, revoke, rollback, status": execute.Result{}, "check": checkResult{}, "rewrite": rewriteResult{},
		"subjects": subjectsResult{}, "explain": subject.Explanation{}, "lab": labInfo{},
		"show": explain.View{}, "why": explain.Explanation{}, "doctor": doctor.Report{}, "permissions": permissions.Permission{},
	} {
		_, rest, ok := strings.Cut(string(text), "\n## "+section+"\n")
		if !ok {
			t.Errorf("docs/output.md has no section %q", section)
			continue
		}
		body, _, _ := strings.Cut(rest, "\n## ")
		for _, name := range jsonFields(reflect.TypeOf(value), nil) {
			if !strings.Contains(body, "`"+name+"`") {
				t.Errorf("docs/output.md, %s: %q is not documented", section, name)
			}
		}
	}
}

// jsonFields lists the names of a type's fields in JSON, those of its parts included, but not those of the inventory and
// of the policy, and not those of the lab's mapping.
func jsonFields(typ reflect.Type, names []string) []string {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return jsonFields(typ.Elem(), names)
	case reflect.Struct:
	default:
		return names
	}
	for _, other := range []string{"migrate/inventory", "migrate/policy", "e2e/lab"} {
		if strings.HasSuffix(typ.PkgPath(), other) {
			return names
		}
	}
	for f := range typ.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		names = jsonFields(f.Type, append(names, name))
	}
	return names
}
