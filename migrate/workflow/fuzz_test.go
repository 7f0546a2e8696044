package workflow

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// seeds are the files of all fixtures.
func seeds(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range paths {
		a, err := readArchive(p)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.files {
			if strings.HasPrefix(file.name, "before/") {
				f.Add(fromFixture(file.data))
			}
		}
	}
}

// fuzzTree puts one input twice into a tree, as a workflow and as the action and workflow that others call.
func fuzzTree(content []byte) Tree {
	return Tree{Repository: "o/r", Files: []File{
		{Path: ".github/workflows/a.yml", Content: content},
		{Path: ".github/workflows/deploy.yml", Content: content},
		{Path: ".github/actions/deploy/action.yml", Content: content},
	}}
}

// limit is the time that one small input may take, on a machine that is busy with other things.
const limit = 3 * time.Second

func FuzzScan(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		start := time.Now()
		defer func() {
			if d := time.Since(start); d > limit && len(content) < 1<<16 {
				t.Errorf("%d bytes took %s", len(content), d)
			}
		}()
		for _, l := range Scan(fuzzTree(content), Options{Subjects: true}).Logins {
			if l.Line < 1 || l.Column < 1 || l.EndLine < l.Line || l.Reason == "" || l.Conversion == "" {
				t.Errorf("%+v", l)
			}
			if l.Conversion == inventory.ConversionManual && len(l.Manual) == 0 {
				t.Errorf("%s is manual without steps: %s", l.ID, l.Reason)
			}
		}
	})
}

func FuzzRewrite(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		tree := fuzzTree(content)
		o := RewriteOptions{Level: LevelNeedsReview}
		r := Rewrite(tree, o)
		for _, x := range r.Files {
			checkRewrite(t, x)
		}
		checkIdempotent(t, tree, o, r)
		checkPermissions(t, tree, o, r)
	})
}

func FuzzExpression(f *testing.F) {
	for _, s := range []string{"${{ secrets.A }}", "${{secrets['a']}}x${{ fromJSON(secrets.A).b }}", "${{ format('{0}', matrix.a) }}", "${{", "${{ }}", "a ${{ secrets . A }}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		at := 0
		for _, s := range segments(value) {
			if s.start < at || s.end < s.start || s.end > len(value) {
				t.Fatalf("segment %d-%d of %q", s.start, s.end, value)
			}
			at = s.end
		}
		if len(mask(value)) != len(value) {
			t.Fatalf("mask changes the length of %q", value)
		}
	})
}
