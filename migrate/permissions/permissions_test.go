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
	found := 0
	for _, name := range []string{"sh", "bash", "dash"} { // who reads sh FILE may well write bash FILE, which reads quotes in its own way
		shell, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		found++
		for _, phase := range append(permissions.Phases(), "") {
			cmd := exec.Command(shell, "-n")
			cmd.Stdin = strings.NewReader(permissions.AzureCLI(phase))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s, %s: %v %s", name, phase, err, out)
			}
		}
	}
	if found == 0 {
		t.Skip("there is no shell here")
	}
}

func TestEveryNameInBicepIsOne(t *testing.T) {
	declared := regexp.MustCompile(`(?m)^(?:resource|param|var) (.*?) (?:'|string|bool|=)`)
	for _, phase := range append(permissions.Phases(), "") {
		found := declared.FindAllStringSubmatch(permissions.Bicep(phase), -1)
		seen := map[string]bool{}
		for _, m := range found {
			if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(m[1]) || seen[m[1]] {
				t.Errorf("%s: %q is no name of its own", phase, m[1])
			}
			seen[m[1]] = true
		}
		if !seen["clientId"] || !seen["unsecret"] {
			t.Errorf("%s declares %v", phase, seen)
		}
	}
}

// TestScriptsGrantOnlyWhatIsAskedFor runs the shell scripts with an az that only tells what it was called with.
func TestScriptsGrantOnlyWhatIsAskedFor(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "az"), []byte("#!"+sh+"\necho \"$@\"\n"), 0o755); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	grants := func(phase permissions.Phase, env ...string) string {
		cmd := exec.Command(sh)
		cmd.Env = append([]string{"PATH=" + dir, "APP_ID=app", "SUBSCRIPTION=sub"}, env...)
		cmd.Stdin = strings.NewReader(permissions.AzureCLI(phase))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v %s", phase, err, out)
		}
		return string(out)
	}
	asked := map[string]struct{ env, says string }{
		"plan.targets":                  {"IDENTITY_SCOPES=/subscriptions/1/resourceGroups/a /subscriptions/1/resourceGroups/b", "--scope /subscriptions/1/resourceGroups/b"},
		"plan.endState: blockPasswords": {"BLOCK_PASSWORDS=yes", "be74164b-cff1-491c-8741-e671cb536e13=Role"},
	}
	for _, phase := range append(permissions.Phases(), "") {
		plain := grants(phase)
		for _, p := range permissions.Needed(phase) {
			if p.RoleID != "" && strings.Contains(plain, p.RoleID) != (p.Where == "") {
				t.Errorf("%s: %s, needed with %q, in:\n%s", phase, p.Name, p.Where, plain)
			}
			if a, ok := asked[p.Where]; ok && !strings.Contains(grants(phase, a.env), a.says) {
				t.Errorf("%s: %s is not granted with %s", phase, p.Name, a.env)
			}
		}
	}
	if out := grants(permissions.Apply, "ROLE_SCOPES=/subscriptions/2"); !strings.Contains(out, "f58310d9-a9f6-439a-9e8d-f62e7b41a168 --scope /subscriptions/2\n") {
		t.Errorf("the roles' administrator is not granted: %s", out)
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
