package permissions_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

var update = flag.Bool("update", false, "write the golden files and docs/permissions.md")

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestScriptsAreAsReviewed(t *testing.T) {
	for _, phase := range append(permissions.Phases(), "") {
		name := string(phase)
		if name == "" {
			name = "all"
		}
		golden(t, filepath.Join("testdata", name+".sh"), permissions.AzureCLI(phase))
		golden(t, filepath.Join("testdata", name+".bicep"), permissions.Bicep(phase))
	}
}

func TestTheShellScriptsParse(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here")
	}
	for _, phase := range append(permissions.Phases(), "") {
		cmd := exec.Command(sh, "-n")
		cmd.Stdin = strings.NewReader(permissions.AzureCLI(phase))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", phase, err, out)
		}
	}
}

func TestTheDocumentationSaysTheSame(t *testing.T) {
	const begin, end = "<!-- permissions: begin -->\n", "<!-- permissions: end -->"
	file := filepath.Join("..", "..", "docs", "permissions.md")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has not the marks %q and %q", file, begin, end)
	}
	golden(t, file, before+begin+"\n"+permissions.Markdown()+end+after)
}

func TestEveryPermissionIsWhole(t *testing.T) {
	guid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for _, p := range permissions.Needed("") {
		if seen[p.ID] {
			t.Errorf("%s is there twice", p.ID)
		}
		seen[p.ID] = true
		if p.Name == "" || p.For == "" || p.Without == "" || p.Source == "" || len(p.Grant) == 0 || len(p.Phases) == 0 || p.System.Title() == "" {
			t.Errorf("%+v", p)
		}
		if needs := p.System == permissions.Graph || p.System == permissions.Azure; needs != guid.MatchString(p.RoleID) {
			t.Errorf("%s has role id %q", p.ID, p.RoleID)
		}
		if got, ok := permissions.Named(p.ID); !ok || got.Name != p.Name {
			t.Errorf("%s is not found", p.ID)
		}
	}
}

func TestAScanAsksForNoWrite(t *testing.T) {
	for _, p := range permissions.Needed(permissions.Scan) {
		if strings.Contains(strings.ToLower(p.Name+p.Scope), "write") || strings.Contains(p.Name, "Administrator") || strings.Contains(p.Scope, "manage") {
			t.Errorf("%s can write", p.ID)
		}
	}
	if _, err := permissions.ParsePhase("everything"); err == nil {
		t.Error("no such phase")
	}
}
