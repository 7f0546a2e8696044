package pipeline

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzPipeline holds for any bytes: reading ends, in bounded time, and a rewrite keeps its laws.
func FuzzPipeline(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.txtar")
	for _, p := range paths {
		a, err := txtar.ParseFile(p)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			if strings.HasPrefix(file.Name, "before/") {
				f.Add(fromFixture(file.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 20_000 {
			return
		}
		began := time.Now()
		files := []File{{Path: "a.yml", Content: content}}
		lookup := func(string, string, string) ([]byte, error) { return content, nil }
		r := ScanWith(files, lookup, Options{})
		for _, g := range r.Gaps {
			if strings.HasPrefix(g.Message, failedInside) {
				t.Fatal(g.Message)
			}
		}
		for _, u := range r.Uses {
			if u.File != "" && (u.Line < 1 || u.Column < 1 || u.Line > 1+bytes.Count(content, []byte("\n"))+strings.Count(string(content), "\r")+strings.Count(string(content), "\u0085")+strings.Count(string(content), "\u2028")+strings.Count(string(content), "\u2029")) {
				t.Errorf("a use at %d:%d is outside of the file", u.Line, u.Column)
			}
		}
		fx := &fixture{files: files, fetched: map[string][]byte{}, options: RewriteOptions{Level: LevelNeedsReview}}
		w := Rewrite(files, fx.resolve, fx.options)
		for _, file := range w.Files {
			checkRewrite(t, file)
		}
		checkSecondPass(t, fx, w)
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("took %v", d)
		}
	})
}
