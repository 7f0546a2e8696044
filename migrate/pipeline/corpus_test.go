package pipeline

import (
	"os"
	"path/filepath"
	"testing"
)

// corpus reads real pipelines; it skips the test where they are not there.
func corpus(t testing.TB) []File {
	t.Helper()
	root := os.Getenv("UNSECRET_CORPUS")
	if root == "" {
		root = "../../../shared/corpus"
	}
	dir := filepath.Join(root, "azure-pipelines")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Skipf("the corpus of real files is not here (set UNSECRET_CORPUS): %v", err)
	}
	var files []File
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, File{Path: e.Name(), Content: b})
	}
	return files
}

func TestCorpusIsReadWithoutACrash(t *testing.T) {
	r := Scan(corpus(t), nil)
	if len(r.Uses) == 0 {
		t.Fatal("no use of a connection was found in real pipelines")
	}
	t.Logf("%d uses, %d secrets, %d checks, %d gaps, %d unresolved", len(r.Uses), len(r.Secrets), len(r.Checks), len(r.Gaps), len(r.Unresolved))
}
