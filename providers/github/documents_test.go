package github

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/unsecret-dev/unsecret/migrate/scan"
)

// TestDocumentsAreValidByGitHubsOwnSchema holds every GraphQL document to the published schema.
func TestDocumentsAreValidByGitHubsOwnSchema(t *testing.T) {
	folder := os.Getenv("UNSECRET_SPECS")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "shared", "specs")
	}
	sdl, err := os.ReadFile(filepath.Join(folder, "graphql-github.graphql"))
	if err != nil {
		t.Skipf("GitHub's schema is not there (set UNSECRET_SPECS): %v", err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "github", Input: string(sdl)})
	if err != nil {
		t.Fatal(err)
	}
	r := &reading{content: scan.RepositoryContent{Ref: scan.RepositoryRef{NodeID: `R_"quoted"\`}}}
	for name, document := range map[string]string{
		"read":   readQuery,
		"commit": commitMutation,
		"blobs":  blobQuery([]want{{reading: r, path: `a "b"/action.yml`}, {reading: r, path: "x", oid: "0123456789012345678901234567890123456789"}}),
	} {
		if _, errs := gqlparser.LoadQueryWithRules(schema, document, rules.NewDefaultRules()); len(errs) > 0 {
			t.Errorf("%s: %v", name, errs)
		}
	}
}
