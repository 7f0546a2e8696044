package world

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/nacl/box"
)

func TestObjectIDsAreGits(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	w := New(1)
	files := map[string]string{
		"README.md": "hi\n", ".github/workflows/ci.yml": "on: push\r\n", ".github/workflows.txt": "a file sorts before the directory's slash",
		".github/workflows-a/x": "", "a/b/c": "\xff\x00",
	}
	r := w.AddRepo("Octo", "app", files)
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(git, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("init", "-q")
	for path, text := range files {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run("add", "-A")
	want := run("write-tree")
	c := r.Commits[r.Head("main")]
	if c.Tree != want {
		t.Errorf("tree %s, git says %s", c.Tree, want)
	}
	sub, ok := r.AtPath(c.Tree, ".github/workflows")
	if wantSub := run("rev-parse", want+":.github/workflows"); !ok || sub.OID != wantSub {
		t.Errorf("subtree %s, git says %s", sub.OID, wantSub)
	}
}

func TestMergeIsThreeWayOnWholeFiles(t *testing.T) {
	w := New(1)
	r := w.AddRepo("octo", "app", map[string]string{"a": "1", "b": "1", "gone": "1"})
	w.CommitFiles(r, "topic", "change b", map[string][]byte{"b": []byte("2"), "gone": nil, "new/file": []byte("x")})
	w.CommitFiles(r, "main", "change a", map[string][]byte{"a": []byte("2")})
	p := w.OpenPull(r, "topic", "main", "T", "", "dev")
	if c := r.Conflict(p); c != "" {
		t.Fatalf("conflict in %s", c)
	}
	r.Protection["main"] = &Protection{RequiredReviews: 2}
	if r.Blocked(p) == "" {
		t.Error("not blocked by missing reviews")
	}
	if err := w.MergePull(r, p.Number); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%s", r.Files("main"))
	if want := "map[a:2 b:2 new/file:x]"; got != want {
		t.Errorf("merged %s, want %s", got, want)
	}
	if n := len(r.Commits[p.MergeCommit].Parents); n != 2 || r.Head("main") != p.MergeCommit {
		t.Errorf("merge commit has %d parents", n)
	}

	w.CommitFiles(r, "late", "change a", map[string][]byte{"a": []byte("3")})
	w.CommitFiles(r, "main", "change a too", map[string][]byte{"a": []byte("4")})
	q := w.OpenPull(r, "late", "main", "T", "", "dev")
	if err := w.MergePull(r, q.Number); err == nil || r.Conflict(q) != "a" {
		t.Errorf("a conflicting pull request merged: %v", err)
	}
}

func TestSealedBoxKeysAreDeterministic(t *testing.T) {
	a, b := New(7).NewBoxKey(), New(7).NewBoxKey()
	if *a != *b {
		t.Fatal("two worlds of one seed make different keys")
	}
	sealed, err := box.SealAnonymous(nil, []byte("v"), &a.Public, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := a.Open(sealed); !ok || string(v) != "v" {
		t.Error("cannot open what was sealed for the key")
	}
	if _, ok := New(8).NewBoxKey().Open(sealed); ok {
		t.Error("another key opens it")
	}
}

func TestStoresFollowThePrecedenceOfTheService(t *testing.T) {
	w := New(1)
	r := w.AddRepo("octo", "app", nil)
	org := w.AddAccount("OCTO", "Organization")
	w.SetSecret(&org.Secrets, "azure_credentials", "org")
	e := w.AddEnvironment(r, "Prod")
	if s := w.SecretFor(r, "prod", "AZURE_CREDENTIALS"); s == nil || s.Value != "org" {
		t.Fatalf("organisation secret: %v", s)
	}
	w.SetSecret(&r.Secrets, "AZURE_CREDENTIALS", "repo")
	w.SetSecret(&e.Secrets, "AZURE_CREDENTIALS", "env")
	if v := w.SecretFor(r, "prod", "Azure_Credentials").Value; v != "env" {
		t.Errorf("got %s", v)
	}
	if v := w.SecretFor(r, "", "AZURE_CREDENTIALS").Value; v != "repo" {
		t.Errorf("got %s", v)
	}
}
