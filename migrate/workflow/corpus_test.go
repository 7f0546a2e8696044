package workflow

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// corpus reads a folder of real files, each as a tree of its own; it skips the test where the folder is absent.
func corpus(t testing.TB, folder string) []Tree {
	t.Helper()
	root := os.Getenv("UNSECRET_CORPUS")
	if root == "" {
		root = "../../../shared/corpus"
	}
	entries, err := os.ReadDir(filepath.Join(root, folder))
	if err != nil {
		t.Skipf("the corpus of real files is not here (set UNSECRET_CORPUS): %v", err)
	}
	var trees []Tree
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(root, folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, Tree{Files: []File{{Path: e.Name(), Content: b}}})
	}
	return trees
}

func sorted(m map[string]int) string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return m[keys[i]] > m[keys[j]] || m[keys[i]] == m[keys[j]] && keys[i] < keys[j] })
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, "\n%5d %s", m[k], k)
	}
	return b.String()
}
