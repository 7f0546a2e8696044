// Package specs checks the lab's answers, and the requests made to it, against the official API descriptions
// of the vendors. The descriptions (OpenAPI 3 and Swagger 2 documents, trimmed by operation) are not part of the
// project: UNSECRET_SPECS names their folder, and a test that needs an absent one is skipped.
package specs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
)

// Env is the environment variable that names the folder of the descriptions. Unset, it is ../shared/specs
// beside the module's root.
const Env = "UNSECRET_SPECS"

// Path is where the named document is. It skips the test, saying so, when the folder or the document is absent.
func Path(tb testing.TB, name string) string {
	tb.Helper()
	dir, err := folder()
	if err != nil {
		tb.Fatalf("find the folder of the API descriptions: %v", err)
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		tb.Skipf("API description %s is absent; set %s to the folder that has it", path, Env)
	}
	return path
}

func folder() (string, error) {
	if dir := os.Getenv(Env); dir != "" {
		return dir, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "..", "shared", "specs"), nil
}

// moduleRoot walks up from the working directory, which "go test" sets to the package's own folder.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}

// Load reads the named document as OpenAPI 3 and validates it. Each call reads it anew, so the caller may change
// what it gets. It skips the test when the document is absent and fails it when the document is broken.
func Load(tb testing.TB, name string) *openapi3.T {
	tb.Helper()
	b, err := os.ReadFile(Path(tb, name))
	if err != nil {
		tb.Fatalf("read API description: %v", err)
	}
	d, err := parse(b)
	if err != nil {
		tb.Fatalf("API description %s: %v", name, err)
	}
	return d
}

// LoadWired is Load and then Wire, for the documents whose services need it.
func LoadWired(tb testing.TB, name string, service Service) *openapi3.T {
	tb.Helper()
	d := Load(tb, name)
	Wire(d, service)
	return d
}

func parse(b []byte) (*openapi3.T, error) {
	var probe struct{ Swagger string }
	if err := json.Unmarshal(b, &probe); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	d, err := parseVersion(b, probe.Swagger != "")
	if err != nil {
		return nil, err
	}
	// Published examples are older than the schemas beside them (GitHub's do not validate).
	if err := d.Validate(context.Background(), openapi3.DisableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("not a valid description: %w", err)
	}
	return d, nil
}

func parseVersion(b []byte, swagger2 bool) (*openapi3.T, error) {
	if !swagger2 {
		d, err := openapi3.NewLoader().LoadFromData(b)
		if err != nil {
			return nil, fmt.Errorf("load OpenAPI 3: %w", err)
		}
		return d, nil
	}
	var v2 openapi2.T
	if err := json.Unmarshal(b, &v2); err != nil {
		return nil, fmt.Errorf("load Swagger 2: %w", err)
	}
	d, err := openapi2conv.ToV3(&v2)
	if err != nil {
		return nil, fmt.Errorf("convert Swagger 2 to OpenAPI 3: %w", err)
	}
	return d, nil
}
