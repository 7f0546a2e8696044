package workflow

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// eachTree runs a test on the trees of all fixtures and, where it is here, of the corpus.
func eachTree(t *testing.T, test func(t *testing.T, tree Tree)) {
	t.Run("fixtures", func(t *testing.T) {
		paths, err := filepath.Glob("testdata/*.txtar")
		if err != nil || len(paths) == 0 {
			t.Fatalf("no fixtures: %v", err)
		}
		for _, p := range paths {
			in, err := readArchive(p)
			if err != nil {
				t.Fatal(err)
			}
			tree, _ := fixtureTree(t, in)
			test(t, tree)
		}
	})
	for _, folder := range []string{"workflows", "actions"} {
		t.Run(folder, func(t *testing.T) {
			for _, tree := range corpus(t, folder) {
				test(t, tree)
			}
		})
	}
}

// A script in which none of the marks stands need not be parsed.
func TestScriptsWithoutMarksHoldNoLogin(t *testing.T) {
	eachTree(t, func(t *testing.T, tree Tree) {
		quick, whole := readTree(tree), readTree(tree)
		for _, f := range whole.files {
			if f == nil {
				continue
			}
			steps := f.steps
			for _, j := range f.jobs {
				steps = append(steps, j.steps...)
			}
			for _, s := range steps {
				s.readable, s.wasRead = s.parseScripts(func(string) bool { return true }), true
			}
		}
		for _, a := range []*analysis{quick, whole} {
			a.link()
			a.find()
			a.weighAll()
		}
		if diff := cmp.Diff(whole.result(), quick.result()); diff != "" {
			t.Errorf("%s (-all scripts +those with a mark):\n%s", tree.Files[0].Path, diff)
		}
	})
}

func readTree(tree Tree) *analysis {
	a := &analysis{tree: tree, byPath: make(map[string]*file), unreadable: make(map[string]bool)}
	a.parse()
	return a
}

// The memory of the files is used again while their results are still needed.
func TestResultsShareNoMemoryWithFiles(t *testing.T) {
	eachTree(t, func(t *testing.T, tree Tree) {
		for i, f := range tree.Files {
			tree.Files[i].Content = append([]byte(nil), f.Content...)
		}
		result := Scan(tree, Options{})
		before, err := json.Marshal(result)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range tree.Files {
			for i := range f.Content {
				f.Content[i] = '?'
			}
		}
		after, err := json.Marshal(result)
		if err != nil {
			t.Fatal(err)
		}
		if string(before) != string(after) {
			t.Errorf("%s: the result has changed with the file:\n%s", tree.Files[0].Path, cmp.Diff(string(before), string(after)))
		}
	})
}

// The marks that are searched in any case are given in lower case.
func TestMarksOfScriptsAreFoundInAnyCase(t *testing.T) {
	for _, text := range []string{"echo AZ LOGIN", "connect-azaccount -Credential $c", "Connect-AzAccount", "echo Arm_Client_Secret=x >> $GITHUB_ENV", "x --SAS-token y", "xClientSecretx"} {
		if !in(scriptMarks, text) {
			t.Errorf("%q is passed over", text)
		}
	}
	for _, text := range []string{"", "logi", "echo version=1 >> $GITHUB_OUTPUT", "npm ci && npm test"} {
		if in(scriptMarks, text) {
			t.Errorf("%q is read", text)
		}
	}
}
