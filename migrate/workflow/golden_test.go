package workflow

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/terraform"
)

var update = flag.Bool("update", false, "write the golden parts of testdata anew")

// A fixture is a txtar archive. Files under before/ are the tree, those under terraform/ its Terraform code; its comment may hold lines "key: value" with options
// (level, permissions, default, repository, login-version, pin); escapes \r, \t, \xEF\xBB\xBF and \n-less ends are written
// as ␍, ␉, BOM marker ␁ and ␀ at the end, since txtar holds plain lines.
func TestFixtures(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, p := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(p), ".txtar"), func(t *testing.T) {
			golden, err := readArchive(p)
			if err != nil {
				t.Fatal(err)
			}
			got := runFixture(t, golden)
			if *update {
				if err := os.WriteFile(p, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(golden.String(), got.String()); diff != "" {
				t.Errorf("%s (-golden +got):\n%s", p, diff)
			}
		})
	}
}

func runFixture(t *testing.T, in *archive) *archive {
	t.Helper()
	tree, options := fixtureTree(t, in)
	out := &archive{comment: in.comment}
	for _, f := range in.files {
		if strings.HasPrefix(f.name, "before/") || strings.HasPrefix(f.name, "terraform/") {
			out.files = append(out.files, f)
		}
	}
	result := Scan(tree, Options{})
	out.files = append(out.files, archived{"findings", []byte(describe(result))})
	rewriting := Rewrite(tree, options)
	for _, f := range rewriting.Files {
		if f.Refused == "" {
			out.files = append(out.files, archived{"after/" + f.Path, toFixture(f.After)})
			out.files = append(out.files, archived{"edits/" + f.Path, []byte(describeEdits(f))})
		} else {
			out.files = append(out.files, archived{"refused/" + f.Path, []byte(f.Refused + "\n")})
		}
		checkRewrite(t, f)
	}
	if len(rewriting.Left) > 0 {
		var b strings.Builder
		for _, l := range rewriting.Left {
			fmt.Fprintf(&b, "%s:%d %s\n", l.File, l.Line, l.Reason)
		}
		out.files = append(out.files, archived{"left", []byte(b.String())})
	}
	checkIdempotent(t, tree, options, rewriting)
	return out
}

// fixtureTree gives the tree of a fixture, as it is before, and its options.
func fixtureTree(t *testing.T, in *archive) (Tree, RewriteOptions) {
	t.Helper()
	tree, options := fixtureOptions(t, in.comment)
	var code []terraform.File
	for _, f := range in.files {
		if name, ok := strings.CutPrefix(f.name, "before/"); ok {
			tree.Files = append(tree.Files, File{Path: name, Content: fromFixture(f.data)})
		}
		if name, ok := strings.CutPrefix(f.name, "terraform/"); ok {
			code = append(code, terraform.File{Path: name, Content: f.data})
		}
	}
	if len(code) > 0 {
		tree.Terraform = func() terraform.Files { return terraform.Files{Files: code} }
	}
	return tree, options
}

func fixtureOptions(t *testing.T, comment string) (Tree, RewriteOptions) {
	t.Helper()
	var tree Tree
	o := RewriteOptions{Pins: map[string]string{}}
	for line := range strings.Lines(comment) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || strings.Contains(key, " ") {
			continue
		}
		switch key {
		case "level":
			if value == "needs-review" {
				o.Level = LevelNeedsReview
			}
		case "permissions":
			if value == "preserve" {
				o.Permissions = PermissionsPreserve
			}
		case "default":
			tree.DefaultPermissions = value
		case "repository":
			tree.Repository = inventory.RepositoryName(value)
		case "login-version":
			o.LoginVersion = value
		case "pin":
			action, commit, _ := strings.Cut(value, " ")
			o.Pins[action] = commit
		}
	}
	return tree, o
}

func fromFixture(b []byte) []byte {
	s := strings.NewReplacer("␍", "\r", "␉", "\t", "␁", "\xef\xbb\xbf", "␂", "\x00", "␃", "\xff").Replace(string(b))
	if i := strings.Index(s, "␀"); i >= 0 {
		s = s[:i]
	}
	return []byte(s)
}

func toFixture(b []byte) []byte {
	s := strings.NewReplacer("\r", "␍", "\t", "␉", "\xef\xbb\xbf", "␁").Replace(string(b))
	if !strings.HasSuffix(s, "\n") {
		s += "␀\n"
	}
	return []byte(s)
}

func describe(r Result) string {
	var b strings.Builder
	for _, l := range r.Logins {
		fmt.Fprintf(&b, "%s:%d:%d-%d:%d %s %s", l.File, l.Line, l.Column, l.EndLine, l.EndColumn, l.Kind, l.Conversion)
		if len(l.Jobs) > 0 {
			fmt.Fprintf(&b, " jobs=%s", strings.Join(l.Jobs, ","))
		}
		if l.Step != "" {
			fmt.Fprintf(&b, " step=%q", l.Step)
		}
		for _, s := range l.Secrets {
			fmt.Fprintf(&b, "\n  secret %s (%s) by %s", s.Name, s.Role, s.Expression)
		}
		if l.Identity != (inventory.IdentityHint{}) {
			fmt.Fprintf(&b, "\n  identity client=%q tenant=%q subscription=%q cloud=%q", l.Identity.ClientID, l.Identity.TenantID, l.Identity.SubscriptionID, l.Identity.Cloud)
		}
		fmt.Fprintf(&b, "\n  %s\n", l.Reason)
		for _, m := range l.Manual {
			fmt.Fprintf(&b, "  * %s\n", m)
		}
	}
	for _, m := range r.Mentions {
		fmt.Fprintf(&b, "mention %s:%d:%d %s %s\n", m.File, m.Line, m.Column, m.Secret, m.Text)
	}
	for _, g := range r.Gaps {
		fmt.Fprintf(&b, "gap %s:%d %s\n", g.File, g.Line, g.Message)
	}
	return b.String()
}

func describeEdits(f FileRewrite) string {
	var b strings.Builder
	for _, e := range f.Edits {
		fmt.Fprintf(&b, "%d: %s\n", e.Line, e.Reason)
	}
	return b.String()
}

// checkRewrite holds the parts of law 5 that any rewritten file must keep.
func checkRewrite(t *testing.T, f FileRewrite) {
	t.Helper()
	if f.Refused != "" {
		if !bytes.Equal(f.Before, f.After) || len(f.Edits) != 0 {
			t.Errorf("%s is refused but changed", f.Path)
		}
		return
	}
	after, err := splice(f.Before, f.Edits)
	if err != nil || !bytes.Equal(after, f.After) {
		t.Errorf("%s: the edits do not give the result: %v", f.Path, err)
	}
	if got := applyDiff(t, f); !bytes.Equal(got, f.After) {
		t.Errorf("%s: the diff does not give the result:\n%s", f.Path, Diff(f))
	}
	if bytes.HasPrefix(f.Before, byteOrderMark) != bytes.HasPrefix(f.After, byteOrderMark) {
		t.Errorf("%s: the byte order mark changed", f.Path)
	}
	if bytes.Contains(f.Before, []byte("\r\n")) != bytes.Contains(f.After, []byte("\r\n")) {
		t.Errorf("%s: the line ends changed", f.Path)
	}
}

// applyDiff applies a unified diff to the file that it was made of.
func applyDiff(t *testing.T, f FileRewrite) []byte {
	t.Helper()
	old := slices.Collect(strings.Lines(string(f.Before)))
	var out strings.Builder
	at := 0
	lines := strings.SplitAfter(Diff(f), "\n")
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		var from int
		switch {
		case strings.HasPrefix(l, "@@"):
			if _, err := fmt.Sscanf(l, "@@ -%d", &from); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Split(l, "+")[0], ",0 ") {
				from--
			}
			out.WriteString(strings.Join(old[at:from], ""))
			at = from
		case i < 2 || l == "" || strings.HasPrefix(l, `\`):
		default:
			body := l[1:]
			if i+1 < len(lines) && strings.HasPrefix(lines[i+1], `\`) {
				body = strings.TrimSuffix(body, "\n")
			}
			if l[0] != '+' {
				if old[at] != body {
					t.Fatalf("hunk does not fit at line %d: %q, %q", at+1, old[at], body)
				}
				at++
			}
			if l[0] != '-' {
				out.WriteString(body)
			}
		}
	}
	out.WriteString(strings.Join(old[at:], ""))
	return []byte(out.String())
}

func checkIdempotent(t *testing.T, tree Tree, o RewriteOptions, first Rewriting) {
	t.Helper()
	again := Rewrite(applied(tree, first), o)
	for _, f := range again.Files {
		if f.Refused == "" {
			t.Errorf("a second pass changes %s:\n%s", f.Path, Diff(f))
		}
	}
}

func applied(tree Tree, r Rewriting) Tree {
	after := make(map[string][]byte)
	for _, f := range r.Files {
		after[f.Path] = f.After
	}
	next := tree
	next.Files = nil
	for _, f := range tree.Files {
		if b, ok := after[f.Path]; ok {
			f.Content = b
		}
		next.Files = append(next.Files, f)
	}
	return next
}
