package yaml

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	yamlv4 "go.yaml.in/yaml/v4"
)

// readWhole reads a text with the whole parser.
func readWhole(src []byte) (*Node, error) {
	var top yamlv4.Node
	if err := yamlv4.Unmarshal(src, &top); err != nil {
		return nil, err
	}
	if len(top.Content) != 1 {
		return nil, fmt.Errorf("%d documents", len(top.Content))
	}
	return FromWhole(top.Content[0]), nil
}

// compare tells where two trees differ.
func compare(a, b *Node) error {
	if a.Kind != b.Kind || a.Style != b.Style || a.Value != b.Value || a.Line != b.Line || a.Column != b.Column || a.Anchor() != b.Anchor() || len(a.Content) != len(b.Content) {
		return fmt.Errorf("%d:%d kind %d style %d %q with %d children instead of %d:%d kind %d style %d %q with %d children",
			a.Line, a.Column, a.Kind, a.Style, a.Value, len(a.Content), b.Line, b.Column, b.Kind, b.Style, b.Value, len(b.Content))
	}
	for i := range a.Content {
		if err := compare(a.Content[i], b.Content[i]); err != nil {
			return err
		}
	}
	return nil
}

// judge holds one text to the whole parser: where it is read here, it is read the same.
func judge(src []byte) (read bool, err error) {
	got, ok := Parse(src)
	if !ok {
		return false, nil
	}
	want, err := readWhole(src)
	if err != nil {
		return true, fmt.Errorf("the whole parser refuses it: %w", err)
	}
	return true, compare(got, want)
}

// plain are texts that are read here; left are texts that are not, most of them valid.
var (
	plain = []string{
		"a: b", "a: b\n", "---\na: b\n", "# c\n--- # c\na: b\n", "a:\n", "a:", "a: # c\nb:\n", "a:\n- b\n- c\nd: e\n", "a:\n  - b\n  -\n  - # c\n  - d: e\n    f: g\n",
		"a:\n  -   b: c\n      d: e\n", "a: 'b'\nc: \"d\"\n'e': 'it''s'\n\"f\": \"\\\"\\n\\\\\"\n", "on: [push, 'a', \"b\", [c, d], {e: f}]\nb: {}\nc: []\nd: { a: b, \"c\": d }\n",
		"a: |\n  b\n   c\n\n  d\n\n\ne: f\n", "a: |-\n  b\n", "a: |+\n  b\n\n\nc: d", "a: |\n\n  b", "a: >\n  b\n  c\n\n  d\n   e\n  f\n\n\n  g\n", "a: >-\n  b\n  c\n",
		"a: |\n  #b\n# c\nd: e", "a: b # c\nc: d#e\nf: http://x:1/y", "é: ü # ä\n\"ö\":\n  - ß: 日本\n", "a:\n  b:\n    c: d\n  e: f\ng: h\n", "a: ${{ b }} c: d"[:12], "\xef\xbb\xbfa: b\nc:\n  - d\n", "\xef\xbb\xbf# c\n---\na: b\n",
		"a: [b,\n  c]\nd: e\n", "a: [b, ]\n", "a:\n  [\n    b, # c\n    # d\n\n    'e',\n  ]\nf: g\n", "a:\n    - b: [\n  c,\n  {d: e,\n f: [g]}\n ]\n      h: i\n", "a: -1\nb: -x\n",
		"a:\n  - |\n    b\n  - >\n    c\n", "a: |\n  b\n  \tc\n", "a: |\n  b\n    \n  c\n", "a : b\n", "a:   \n  b: c\n", "a:\n  # c\n  b: c\n    # d\n  e: f\n",
	}
	left = []string{
		"", "# c\n", "- a\n", "a", " a: b\n", "a: &b c\n", "a: *b\n", "<<: a\n", "a: !b c\n", "a: b\n---\nc: d\n", "a: b\n...\n", "%YAML 1.2\n---\na: b\n", "\ta: b\n", "a:\tb\n",
		"a: 'b\n  c'\n", "a: |2\n   b\n", "a: |\nb: c\n", "? a\n: b\n", "a: b: c\n", "a: b:\n", "a:\n  b: c\n d: e\n", "a: 'b' c\n", "a: [b] c\n",
		"a:\n  - b\n  c: d\n", "a: @b\n", "a: `b`\n", "a: [a: b]\n", "a: [${{ b }}]\n", "a: [b,,]\n", "a: [,]\n", "a: [b\n  c]\n", "a: [b,\nc]\n", "a: [b, # c\n  d\n", "a: [b,\n---\n]\n", "a: [b,#c\n d]\n", "a: [b,\n\tc]\n", "a:\n  [b,\n   c]: d\n", "a: {b: c,\n  d:\n  e}\n", "a: {b}\n", "a: |\n   \n  b\n", "a: \"\\x41\"\n", "a: \u0085b\n", "a: \u2028b\n", "a: \x01b\n", "a: \xff\n",
		"a:\n- - b\n", "a\n", "a: b\n  c: d\n", "a: b\n  # c\n  d\n", "a: b # c\n  d\n", "a: b\n  :\n", "a: b\rc: d\n", "a:\n  |\n  b\n", "a: >\n\n", "a: |#c\n  b\n", "a: |\n  \tb\n", "\"a\\\": b\": c\n",
	}
)

func TestReadsPlainTextsAsTheWholeParserDoes(t *testing.T) {
	for _, src := range plain {
		if read, err := judge([]byte(src)); err != nil || !read {
			t.Errorf("%q: read %t: %v", src, read, err)
		}
	}
}

func TestLeavesOtherTextsToTheWholeParser(t *testing.T) {
	for _, src := range left {
		if read, err := judge([]byte(src)); read {
			t.Errorf("%q is read: %v", src, err)
		}
	}
}

func TestReadsRealFilesAsTheWholeParserDoes(t *testing.T) {
	root := os.Getenv("UNSECRET_CORPUS")
	if root == "" {
		root = "../../../../shared/corpus"
	}
	files, _ := filepath.Glob(filepath.Join(root, "*", "*"))
	if len(files) == 0 {
		t.Skip("the corpus of real files is not here (set UNSECRET_CORPUS)")
	}
	read, all := 0, 0
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			continue // a folder
		}
		all++
		ok, err := judge(src)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if ok {
			read++
		} else if testing.Verbose() {
			t.Logf("left: %s", name)
		}
	}
	t.Logf("%d of %d files are read here", read, all)
}

func FuzzParse(f *testing.F) {
	for _, texts := range [][]string{plain, left} {
		for _, src := range texts {
			f.Add([]byte(src))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if _, err := judge(src); err != nil {
			t.Errorf("%q: %v", src, err)
		}
	})
}
