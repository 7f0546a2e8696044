package workflow

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
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

func TestCorpusCounts(t *testing.T) {
	kinds := make(map[string]int)
	left := make(map[string]int)
	for _, tree := range corpus(t, "workflows") {
		r := Scan(tree, Options{})
		for _, l := range r.Logins {
			kinds[fmt.Sprintf("%s %s", l.Kind, l.Conversion)]++
		}
		for _, g := range r.Gaps {
			t.Logf("gap %s:%d %s", g.File, g.Line, g.Message)
		}
		w := Rewrite(tree, RewriteOptions{Level: LevelNeedsReview})
		for _, f := range w.Files {
			if f.Refused != "" {
				t.Logf("refused %s: %s", f.Path, f.Refused)
			}
			checkRewrite(t, f)
		}
		checkIdempotent(t, tree, RewriteOptions{Level: LevelNeedsReview}, w)
		for _, l := range w.Left {
			left[l.Reason]++
		}
		after := Scan(applied(tree, w), Options{})
		for _, l := range after.Logins {
			if l.Conversion == inventory.ConversionAutomatic {
				t.Logf("still automatic after: %s %s", l.ID, l.Kind)
			}
		}
	}
	t.Log(sorted(kinds))
	if testing.Verbose() {
		t.Log(sorted(left))
	}
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
