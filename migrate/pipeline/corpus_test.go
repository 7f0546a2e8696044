package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

type counts map[string]int

func (c counts) String() string {
	var lines []string
	for k, n := range c {
		lines = append(lines, fmt.Sprintf("%s\t%d", k, n))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// The summary has numbers and the names of tasks only, nothing of the files.
func TestCorpusSummary(t *testing.T) {
	files := corpus(t)
	c := counts{}
	for _, f := range files { // each alone: their paths are flattened, so they cannot include each other
		r := Scan([]File{f}, nil)
		c["files"]++
		for _, u := range r.Uses {
			resolved := "resolved"
			if u.Open {
				resolved = "open"
			}
			c["use\t"+string(u.Kind)+"\t"+resolved]++
			c["use of\t"+string(u.Kind)+"\t"+strings.ToLower(newTask(u.Task, u.Version).label())]++
		}
		for _, s := range r.Secrets {
			c["secret\t"+string(s.Kind)]++
		}
		for _, k := range r.Checks {
			c["check\t"+string(k.Severity)+"\t"+k.Rule+"\t"+k.Task]++
		}
		for _, g := range r.Gaps {
			message, _, _ := strings.Cut(g.Message, ":")
			c["gap\t"+strings.Join(strings.Fields(message)[:2], " ")]++
		}
		c["group"] += len(r.Groups)
		c["environment"] += len(r.Environments)
		c["pool"] += len(r.Pools)
		c["unresolved"] += len(r.Unresolved)
	}
	golden(t, c.String(), "testdata/corpus-summary.golden")
}

// No blocker may be missed: every use of a task is in the table, and every file's uses are sorted and inside the file.
func TestCorpusPlacesAreInsideTheFiles(t *testing.T) {
	for _, f := range corpus(t) {
		r := Scan([]File{f}, nil)
		lines := strings.Split(string(f.Content), "\n")
		for _, u := range r.Uses {
			if u.Line < 1 || u.Line > len(lines) || !strings.Contains(strings.ToLower(lines[u.Line-1][u.Column-1:]), strings.ToLower(strings.TrimPrefix(u.Input, "parameters."))) {
				t.Errorf("%s:%d:%d does not have the input %s", f.Path, u.Line, u.Column, u.Input)
			}
		}
	}
}

func TestCorpusIsRewrittenByTheLaws(t *testing.T) {
	c := counts{}
	for _, f := range corpus(t) {
		for _, level := range []Level{LevelSafe, LevelNeedsReview} {
			fx := &fixture{files: []File{f}, fetched: map[string][]byte{}, options: RewriteOptions{Level: level}}
			w := Rewrite(fx.files, fx.resolve, fx.options)
			checkSecondPass(t, fx, w)
			for _, file := range w.Files {
				checkRewrite(t, file)
				if file.Refused != "" {
					t.Errorf("%s is refused: %s", file.Path, file.Refused)
				}
				for _, e := range file.Edits {
					c[fmt.Sprintf("edit\tlevel %d\t%s", level, e.Rule)]++
				}
			}
			for _, l := range w.Left {
				c[fmt.Sprintf("left\tlevel %d\t%s", level, l.Rule)]++
			}
		}
	}
	golden(t, c.String(), "testdata/corpus-rewrite.golden")
}

func BenchmarkScanCorpus(b *testing.B) {
	files := corpus(b)
	b.ReportAllocs()
	for b.Loop() {
		Scan(files, nil)
	}
	b.ReportMetric(float64(len(files)*b.N)/b.Elapsed().Seconds(), "files/s")
}

func BenchmarkRewriteCorpus(b *testing.B) {
	files := corpus(b)
	b.ReportAllocs()
	for b.Loop() {
		Rewrite(files, nil, RewriteOptions{Level: LevelNeedsReview})
	}
	b.ReportMetric(float64(len(files)*b.N)/b.Elapsed().Seconds(), "files/s")
}
