package workflow

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Bad input ends soon with a gap, and the other files are done.
func TestBadInputIsBounded(t *testing.T) {
	good := File{Path: "good.yml", Content: []byte("on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: azure/login@v2\n        with:\n          creds: ${{ secrets.A }}\n")}
	var bomb strings.Builder
	bomb.WriteString("azure: &a0 [x]\n")
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9)+fmt.Sprintf("*a%d", i-1))
	}
	bomb.WriteString("on: push\njobs:\n  a:\n    env: *a39\n    steps: *a39\n")
	for name, content := range map[string][]byte{
		"50 MB":           append([]byte("# azure/login\n"), bytes.Repeat([]byte("x: y\n"), 10<<20)...),
		"a million lines": append([]byte("# azure/login\n"), bytes.Repeat([]byte("- a\n"), 1<<20)...),
		"alias bomb":      []byte(bomb.String()),
		"many aliases":    []byte("azure: &a x\non: push\njobs: {}\ny: [" + strings.Repeat("*a,", 1<<20) + "*a]\n"),
		"deep flow":       []byte("azure: " + strings.Repeat("[", 50_000)),
		"deep mapping":    []byte("azure:\n" + strings.Repeat("{a: ", 9_000) + strings.Repeat("}", 9_000)),
		"itself":          []byte("on: push\njobs: &j\n  azure: *j\n"),
		"merge of itself": []byte("on: push # azure\njobs:\n  a: &a\n    <<: *a\n    env: &e\n      <<: [*e, *e]\n    steps: []\n"),
		"steps a mapping": []byte("on: push # azure\njobs:\n  a:\n    steps: {a: b}\n    env: x\n    permissions: 1\n"),
		"nothing":         {},
		"UTF-16":          []byte("\xff\xfea\x00z\x00u\x00r\x00e\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			tree := Tree{Files: []File{{Path: "bad.yml", Content: content}, good}}
			r := Scan(tree, Options{Subjects: true})
			Rewrite(tree, RewriteOptions{Level: LevelNeedsReview})
			if len(r.Logins) != 1 || r.Logins[0].File != "good.yml" {
				t.Errorf("%d logins: %+v", len(r.Logins), r.Logins)
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

// Names of variables, inputs and indexes can be empty, and a search for one must end.
func TestAnEmptyNameIsReadByNothing(t *testing.T) {
	workflow := "on:\n  workflow_call:\n    inputs:\n      \"\": {type: string}\n    secrets:\n      \"\": {}\njobs:\n  a:\n    runs-on: x\n    env:\n      \"\": ${{ secrets.AZURE_CLIENT_SECRET }}\n      ? &anchor\n      : ${{ secrets.AZURE_CLIENT_SECRET }}\n" +
		"    steps:\n      - uses: azure/login@v2\n        with:\n          creds: ${{ secrets[''] }}\n      - run: az login --service-principal -u ${{ inputs[''] }} -p \"${{ secrets[''] }}\" --tenant x\n"
	action := "inputs:\n  \"\": {description: x}\nruns:\n  using: composite\n  steps:\n    - uses: azure/login@v2\n      with:\n        creds: ${{ inputs[''] }}\n"
	caller := "on: push\njobs:\n  a:\n    uses: ./.github/workflows/a.yml\n    secrets: {\"\": \"${{ secrets.AZURE_CREDENTIALS }}\"}\n  b:\n    runs-on: x\n    steps:\n      - uses: ./.github/actions/a\n        with: {\"\": \"${{ secrets.AZURE_CREDENTIALS }}\"}\n"
	tree := Tree{Files: []File{{Path: ".github/workflows/a.yml", Content: []byte(workflow)}, {Path: ".github/workflows/b.yml", Content: []byte(caller)}, {Path: ".github/actions/a/action.yml", Content: []byte(action)}}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		Scan(tree, Options{Subjects: true})
		Rewrite(tree, RewriteOptions{Level: LevelNeedsReview})
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the search for a name without a letter goes on")
	}
}

// A file with more logins than any real one has is a gap beside those that are listed, and is left as it is.
func TestAFileWithVeryManyLoginsIsAGap(t *testing.T) {
	step := "      - uses: azure/login@v2\n        with:\n          creds: ${{ secrets.AZURE_CREDENTIALS }}\n"
	text := "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n" + strings.Repeat(step, maxLogins+1)
	tree := Tree{Files: []File{{Path: ".github/workflows/a.yml", Content: []byte(text)}}}
	r := Scan(tree, Options{})
	if len(r.Logins) != maxLogins || len(r.Gaps) != 1 || !strings.Contains(r.Gaps[0].Message, "more than 500 places") {
		t.Errorf("%d logins, gaps %v", len(r.Logins), r.Gaps)
	}
	if out := Rewrite(tree, RewriteOptions{Level: LevelNeedsReview}); len(out.Files) != 0 || len(out.Left) != maxLogins {
		t.Errorf("%d files change, %d logins are left", len(out.Files), len(out.Left))
	}
}

// Text in UTF-16 has none of the marks by which a file is chosen; it must not pass for a file without Azure.
func TestUTF16IsAGap(t *testing.T) {
	for _, text := range []string{"\xff\xfeo\x00n\x00:\x00", "\xfe\xff\x00o\x00n\x00:", "o\x00n\x00:\x00"} {
		if r := Scan(Tree{Files: []File{{Path: ".github/workflows/a.yml", Content: []byte(text)}}}, Options{}); len(r.Gaps) != 1 {
			t.Errorf("%q: gaps %v", text, r.Gaps)
		}
	}
}

// A file that is larger than any that GitHub takes is read, and not rewritten: the proof would take much time and memory.
func TestAVeryLargeFileIsReadAndNotRewritten(t *testing.T) {
	text := "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: azure/login@v2\n        with:\n          creds: ${{ secrets.AZURE_CREDENTIALS }}\n" +
		strings.Repeat("      - run: echo azure ${{ secrets.OTHER }}\n", maxRewritten/40)
	tree := Tree{Files: []File{{Path: ".github/workflows/a.yml", Content: []byte(text)}}}
	if r := Scan(tree, Options{}); len(r.Logins) != 1 || !strings.Contains(r.Logins[0].Reason, "more than the 1048576 of which one is rewritten") {
		t.Errorf("logins %+v", r.Logins)
	}
	if out := Rewrite(tree, RewriteOptions{Level: LevelNeedsReview}); len(out.Files) != 0 || len(out.Left) != 1 {
		t.Errorf("%d files change, %d logins are left", len(out.Files), len(out.Left))
	}
}

// Whoever does not wait any more gets nothing that could pass for a result: at whatever point the work ends, no file changes that is not proven.
func TestWorkThatIsStoppedChangesNothing(t *testing.T) {
	step := "      - uses: azure/login@v2\n        with:\n          creds: ${{ secrets.AZURE_CREDENTIALS }}\n"
	tree := Tree{}
	for i := range 40 {
		tree.Files = append(tree.Files, File{Path: fmt.Sprintf(".github/workflows/w%02d.yml", i), Content: []byte("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n" + step)})
	}
	whole := Rewrite(tree, RewriteOptions{Level: LevelNeedsReview})
	changed := map[string]string{}
	for _, f := range whole.Files {
		changed[f.Path] = string(f.After)
	}
	var asked atomic.Int64
	most := int64(0)
	for after := int64(0); after <= most; after += 7 {
		asked.Store(0)
		tree.Stopped = func() bool { return asked.Add(1) > after }
		for _, f := range Rewrite(tree, RewriteOptions{Level: LevelNeedsReview}).Files {
			if f.Refused == "" && string(f.After) != changed[f.Path] {
				t.Errorf("stopped after %d questions: %s is another file", after, f.Path)
			}
		}
		if r := Scan(tree, Options{Subjects: true}); len(r.Logins) > 40 {
			t.Errorf("stopped after %d questions: %d logins", after, len(r.Logins))
		}
		if after == 0 {
			tree.Stopped = func() bool { asked.Add(1); return false }
			asked.Store(0)
			Rewrite(tree, RewriteOptions{Level: LevelNeedsReview})
			most = asked.Load()
		}
	}
	if most < 40 {
		t.Errorf("asked %d times only", most)
	}
}
