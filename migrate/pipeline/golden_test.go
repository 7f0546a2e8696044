package pipeline

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the golden parts of testdata anew")

// A fixture is a txtar archive. Its comment may hold lines "key: value": level (safe, needs-review), convert (connections, separated
// by commas), variable (name=value), group (name: a=b c=d). Files under before/ are scanned, those under repos/OWNER/NAME/ come through the
// resolver, and so do those under fetch/ for the scanned repository itself. ␍ is a carriage return, ␁ a byte order mark.
func TestFixtures(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, p := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(p), ".txtar"), func(t *testing.T) {
			want, err := txtar.ParseFile(p)
			if err != nil {
				t.Fatal(err)
			}
			got := txtar.Format(runFixture(t, want))
			if *update {
				if err := os.WriteFile(p, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(want)), string(got)); diff != "" {
				t.Errorf("%s (-golden +got):\n%s", p, diff)
			}
		})
	}
}

type fixture struct {
	files   []File
	fetched map[string][]byte
	options RewriteOptions
}

func (f *fixture) resolve(repository, path, ref string) ([]byte, error) {
	if b, ok := f.fetched[repository+"/"+path]; ok {
		return b, nil
	}
	return nil, errors.New("no such file")
}

func readFixture(a *txtar.Archive) *fixture {
	f := &fixture{fetched: make(map[string][]byte), options: RewriteOptions{Level: LevelNeedsReview}}
	groups := make(map[string]map[string]string)
	for line := range strings.Lines(string(a.Comment)) {
		key, v, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || strings.Contains(key, " ") {
			continue
		}
		switch key {
		case "level":
			f.options.Level = map[string]Level{"safe": LevelSafe, "needs-review": LevelNeedsReview}[v]
		case "convert":
			f.options.Convert = func(c string) bool { return strings.Contains(","+v+",", ","+c+",") }
		case "variable":
			name, val, _ := strings.Cut(v, "=")
			if f.options.Variables == nil {
				f.options.Variables = make(map[string]string)
			}
			f.options.Variables[name] = val
		case "group":
			name, list, _ := strings.Cut(v, ": ")
			groups[name] = make(map[string]string)
			for _, pair := range strings.Fields(list) {
				k, val, _ := strings.Cut(pair, "=")
				groups[name][k] = val
			}
		}
	}
	f.options.Group = func(name string) (map[string]string, bool) { g, ok := groups[name]; return g, ok }
	for _, file := range a.Files {
		if name, ok := strings.CutPrefix(file.Name, "before/"); ok {
			f.files = append(f.files, File{Path: name, Content: fromFixture(file.Data)})
		}
		if name, ok := strings.CutPrefix(file.Name, "fetch/"); ok {
			f.fetched["/"+name] = fromFixture(file.Data)
		}
		if name, ok := strings.CutPrefix(file.Name, "repos/"); ok {
			f.fetched[name] = fromFixture(file.Data)
		}
	}
	return f
}

func fromFixture(b []byte) []byte {
	return []byte(strings.NewReplacer("␍", "\r", "␁", "\ufeff").Replace(string(b)))
}

func toFixture(b []byte) []byte {
	return []byte(strings.NewReplacer("\r", "␍", "\ufeff", "␁").Replace(string(b)))
}

func runFixture(t *testing.T, in *txtar.Archive) *txtar.Archive {
	t.Helper()
	f := readFixture(in)
	out := &txtar.Archive{Comment: in.Comment}
	for _, file := range in.Files {
		if strings.HasPrefix(file.Name, "before/") || strings.HasPrefix(file.Name, "fetch/") || strings.HasPrefix(file.Name, "repos/") {
			out.Files = append(out.Files, file)
		}
	}
	add := func(name, text string) {
		if text != "" {
			out.Files = append(out.Files, txtar.File{Name: name, Data: []byte(text)})
		}
	}
	add("findings", describe(ScanWith(f.files, f.resolve, f.options.Options)))
	rewriting := Rewrite(f.files, f.resolve, f.options)
	for _, file := range rewriting.Files {
		checkRewrite(t, file)
		if file.Refused != "" {
			add("refused/"+file.Path, file.Refused+"\n")
			continue
		}
		add("diff/"+file.Path, string(toFixture([]byte(Diff(file)))))
		add("reasons/"+file.Path, reasons(file))
	}
	var b strings.Builder
	for _, l := range rewriting.Left {
		fmt.Fprintf(&b, "%s %s: %s\n", where(l.Place), l.Rule, l.Reason)
	}
	add("left", b.String())
	checkSecondPass(t, f, rewriting)
	return out
}

func reasons(f FileRewrite) string {
	var b strings.Builder
	for _, e := range f.Edits {
		fmt.Fprintf(&b, "%d: %s\n", e.Line, e.Reason)
	}
	return b.String()
}

func where(p Place) string {
	s := fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	if p.Repository != "" {
		s = p.Repository + "/" + s
	}
	if p.Pipeline != p.File {
		s += " of " + p.Pipeline
	}
	for _, part := range []string{p.Stage, p.Job, p.Step} {
		if part != "" {
			s += fmt.Sprintf(" [%s]", part)
		}
	}
	return s
}

func describe(r Result) string {
	var b strings.Builder
	for _, u := range r.Uses {
		fmt.Fprintf(&b, "use %s\n  %s %s", where(u.Place), u.Kind, u.Input)
		if u.Task != "" {
			fmt.Fprintf(&b, " of %s@%s", u.Task, u.Version)
		}
		fmt.Fprintf(&b, ": %q", u.Resolved)
		if u.Type != "" {
			fmt.Fprintf(&b, " type=%s", u.Type)
		}
		if u.Open {
			fmt.Fprintf(&b, " open by %s", u.Expression)
		}
		if len(u.Groups) > 0 {
			fmt.Fprintf(&b, " groups=%q", u.Groups)
		}
		if u.Disabled {
			b.WriteString(" disabled")
		}
		if u.Maybe {
			b.WriteString(" maybe")
		}
		if u.Condition != "" {
			fmt.Fprintf(&b, " if %s", u.Condition)
		}
		b.WriteByte('\n')
	}
	for _, s := range r.Secrets {
		fmt.Fprintf(&b, "secret %s\n  %s %s variables=%q literal=%v connection=%q\n", where(s.Place), s.Kind, s.Name, s.Variables, s.Literal, s.Connection)
	}
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%s %s\n  %s %s: %s; %s (%s) %q\n", c.Severity, where(c.Place), c.Rule, c.Task, c.Message, c.Remedy, c.Source.Title, c.Connections)
	}
	for _, list := range []struct {
		name  string
		items []Named
	}{{"group", r.Groups}, {"environment", r.Environments}, {"pool", r.Pools}} {
		for _, n := range list.items {
			fmt.Fprintf(&b, "%s %s %s %q open=%v\n", list.name, where(n.Place), n.Name, n.Resolved, n.Open)
		}
	}
	for _, u := range r.Unresolved {
		fmt.Fprintf(&b, "unresolved %s\n  %s: %s %q\n", where(u.Place), u.Expression, u.Reason, u.Known)
	}
	for _, g := range r.Gaps {
		fmt.Fprintf(&b, "gap %s\n  %s; %s\n", where(g.Place), g.Message, g.Next)
	}
	return b.String()
}

// checkRewrite holds what every rewritten file must keep: only planned bytes change, and the file keeps its line ends and its byte order mark.
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
	if bytes.HasPrefix(f.Before, byteOrderMark) != bytes.HasPrefix(f.After, byteOrderMark) {
		t.Errorf("%s: the byte order mark changed", f.Path)
	}
	if bytes.Count(f.Before, []byte("\r")) > bytes.Count(f.After, []byte("\r")) {
		t.Errorf("%s: line ends changed", f.Path)
	}
	if _, err := parseDocument(File{Content: f.After}); err != nil {
		t.Errorf("%s does not parse after the rewrite: %v", f.Path, err)
	}
}

// checkSecondPass holds that a second rewrite changes nothing.
func checkSecondPass(t *testing.T, f *fixture, first Rewriting) {
	t.Helper()
	again := *f
	again.files = nil
	for _, file := range f.files {
		for _, r := range first.Files {
			if r.Path == file.Path && r.Repository == file.Repository {
				file.Content = r.After
			}
		}
		again.files = append(again.files, file)
	}
	for _, r := range Rewrite(again.files, f.resolve, f.options).Files {
		if r.Refused == "" {
			t.Errorf("a second pass changes %s:\n%s", r.Path, Diff(r))
		}
	}
}

// golden holds a text to a golden file.
func golden(t *testing.T, got, path string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-golden +got):\n%s", path, diff)
	}
}
