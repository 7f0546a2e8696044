package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// goFiles walks the Go files of the module.
func goFiles(t *testing.T, visit func(path string, f *ast.File)) {
	t.Helper()
	set := token.NewFileSet()
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err == nil {
			visit(filepath.ToSlash(path), f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEveryThreatNamesTestsThatThereAre reads the tables of the threat model: each threat has a defence and names one test or more, all of
// which are in the tree.
func TestEveryThreatNamesTestsThatThereAre(t *testing.T) {
	tests := map[string]bool{}
	goFiles(t, func(path string, f *ast.File) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasSuffix(path, "_test.go") {
				tests[fn.Name.Name] = true
			}
		}
	})
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	inTable, threats := false, 0
	for line := range strings.SplitSeq(string(page), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), "|")
		switch {
		case !strings.HasPrefix(line, "|"):
			inTable = false
		case strings.TrimSpace(cells[0]) == "threat":
			inTable = true
		case inTable && !strings.HasPrefix(line, "|-"):
			threats++
			found := named.FindAllStringSubmatch(cells[len(cells)-1], -1)
			if len(cells) != 3 || strings.TrimSpace(cells[1]) == "" || len(found) == 0 {
				t.Errorf("a threat without a defence or a test: %s", line)
			}
			for _, m := range found {
				if !tests[m[1]] {
					t.Errorf("there is no test %s, which stands beside: %s", m[1], cells[0])
				}
			}
		}
	}
	if threats < 25 {
		t.Errorf("the page has %d threats: its tables are not read as they should be", threats)
	}
}

// TestNothingButTheSignInStartsAnotherProgram bounds where a text from outside could reach a command line.
func TestNothingButTheSignInStartsAnotherProgram(t *testing.T) {
	allowed := []string{"providers/auth/", "e2e/", ".ci/"}
	goFiles(t, func(path string, f *ast.File) {
		path = strings.TrimPrefix(path, "../../")
		for _, i := range f.Imports {
			if i.Path.Value != `"os/exec"` || strings.HasSuffix(path, "_test.go") {
				continue
			}
			ok := false
			for _, a := range allowed {
				ok = ok || strings.HasPrefix(path, a)
			}
			if !ok {
				t.Errorf("%s starts programs", path)
			}
		}
	})
}

// TestNoFlagTakesASecret looks at every flag of every command: what is given on a command line, others on the machine can read.
func TestNoFlagTakesASecret(t *testing.T) {
	// A flag with a value is followed by one space and the value's name.
	suspicious := regexp.MustCompile(`--\S*(token|password|passwd|client-secret|private-key|credential|pat) \S`)
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if found := suspicious.FindString(c.Flags().FlagUsages()); found != "" {
			t.Errorf("%s has a flag %s", c.CommandPath(), found)
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(newRoot(stdio{}))
}

// TestAPanicInAnyGoroutineEndsTheProgramInOrder sees that every goroutine of the module begins with the one line that keeps the value of a panic from being
// shown; which message it makes is in the script crash.
func TestAPanicInAnyGoroutineEndsTheProgramInOrder(t *testing.T) {
	found := 0
	check := func(path string, e ast.Expr) {
		f, ok := e.(*ast.FuncLit)
		if !ok {
			t.Errorf("%s: a goroutine runs a function whose first line cannot be seen: write it out", path)
			return
		}
		found++
		reports := false
		if len(f.Body.List) > 0 {
			if d, ok := f.Body.List[0].(*ast.DeferStmt); ok {
				if s, ok := d.Call.Fun.(*ast.SelectorExpr); ok {
					x, _ := s.X.(*ast.Ident)
					reports = x != nil && x.Name == "crash" && s.Sel.Name == "Report"
				}
			}
		}
		if !reports {
			t.Errorf("%s: a goroutine does not begin with defer crash.Report()", path)
		}
	}
	goFiles(t, func(path string, f *ast.File) {
		if strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/e2e/") || strings.HasSuffix(path, "cmd/unsecret/crash.go") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.GoStmt:
				check(path, x.Call.Fun)
			case *ast.CallExpr:
				if s, ok := x.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Go" && len(x.Args) == 1 {
					check(path, x.Args[0])
				}
			}
			return true
		})
	})
	if found < 20 {
		t.Errorf("only %d goroutines were found", found)
	}
}
