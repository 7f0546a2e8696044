package scan

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

const login = `on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: azure/login@v2
        with:
          creds: ${{ secrets.AZURE_CREDENTIALS }}
`

const quiet = `on: push
jobs:
  test:
    runs-on: ubuntu-latest
    steps: [{run: make test}]
`

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// local gives the files of the logins and of the gaps of a local scan.
func local(t *testing.T, path string) (logins, gaps []string) {
	t.Helper()
	inv, err := Local(context.Background(), path, Options{Tool: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range inv.Logins {
		logins = append(logins, l.File)
	}
	for _, g := range inv.Gaps {
		gaps = append(gaps, g.File)
	}
	return logins, gaps
}

func TestLocalPathsAreRelativeToTheirBase(t *testing.T) {
	dir := tree(t, map[string]string{
		"shop/.github/workflows/deploy.yml":          login,
		"shop/.github/workflows/ci.yml":              quiet,
		"shop/.github/workflows/below/unused.yml":    login, // GitHub reads no folder below
		"shop/action.yml":                            "name: x\nruns:\n  using: composite\n  steps: []\n",
		"shop/docs/example.yml":                      login, // a document: no workflow of this checkout
		"loose.yml":                                  login,
		"other.yaml":                                 "services: {web: {image: azure/login}}\n",
		"node_modules/x/.github/workflows/other.yml": login,
	})
	for _, tc := range []struct {
		path, base string
		logins     []string
	}{
		{"", "", []string{"loose.yml", "shop/.github/workflows/deploy.yml"}},
		{"shop", "shop", []string{".github/workflows/deploy.yml"}},
		{"shop/.github", "shop", []string{".github/workflows/deploy.yml"}},
		{"shop/.github/workflows", "shop", []string{".github/workflows/deploy.yml"}},
		{"shop/.github/workflows/deploy.yml", "shop", []string{".github/workflows/deploy.yml"}},
		{"shop/.github/workflows/ci.yml", "shop", nil},
		{"loose.yml", "", []string{"loose.yml"}},
	} {
		t.Run(tc.path, func(t *testing.T) {
			path := filepath.Join(dir, filepath.FromSlash(tc.path))
			logins, gaps := local(t, path)
			if diff := cmp.Diff(tc.logins, logins); diff != "" {
				t.Error(diff)
			}
			if len(gaps) > 0 {
				t.Errorf("gaps: %v", gaps)
			}
			want, err := filepath.EvalSymlinks(filepath.Join(dir, tc.base))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := filepath.EvalSymlinks(Base(path)); err != nil || got != want {
				t.Errorf("base %s (%v), want %s", got, err, want)
			}
		})
	}
}

func TestLocalScanNamesWhatItCannotRead(t *testing.T) {
	dir := tree(t, map[string]string{
		".github/workflows/good.yml":   login,
		".github/workflows/list.yml":   "- uses: azure/login@v2\n",
		".github/workflows/zero.yml":   login + "#\x00",
		".github/workflows/latin1.yml": login + "# gr\xfc\xdfe\n",
		".github/workflows/huge.yml":   login + strings.Repeat("# too much\n", MaxFileSize/11+1),
		".github/workflows/broken.yml": login + "\t- {",
		".github/workflows/deep.yml":   login + "x: " + strings.Repeat("[", 50_000) + "\n",
	})
	workflows := filepath.Join(dir, ".github", "workflows")
	if err := os.Symlink("../..", filepath.Join(workflows, "loop")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if err := os.Symlink("nowhere", filepath.Join(workflows, "dangling.yml")); err != nil {
		t.Fatal(err)
	}
	logins, gaps := local(t, dir)
	if diff := cmp.Diff([]string{".github/workflows/good.yml"}, logins); diff != "" {
		t.Error(diff)
	}
	var want []string
	for _, name := range []string{"broken", "dangling", "deep", "huge", "latin1", "list", "zero"} {
		want = append(want, ".github/workflows/"+name+".yml")
	}
	if diff := cmp.Diff(want, gaps); diff != "" {
		t.Error(diff)
	}
}

func TestLocalScanStopsWhenItIsTold(t *testing.T) {
	dir := tree(t, map[string]string{".github/workflows/a.yml": login})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Local(ctx, dir, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestLocalScanOfNothingIsAnError(t *testing.T) {
	if _, err := Local(context.Background(), filepath.Join(t.TempDir(), "absent"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want %v", err, os.ErrNotExist)
	}
}

func TestLocalScanGivesTheSameBytesEachTime(t *testing.T) {
	files := map[string]string{}
	for i := range 60 {
		files[fmt.Sprintf("r%02d/.github/workflows/a.yml", i)] = login
	}
	dir := tree(t, files)
	now := func() time.Time { return time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC) }
	var first *inventory.Inventory
	for range 5 {
		inv, err := Local(context.Background(), dir, Options{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = inv
		}
		if diff := cmp.Diff(first, inv); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestReadFileRefusesAFileThatChangesWhileItIsRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.yml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for what, change := range map[string]func(){
		"grows":          func() { write(login + login) },
		"shrinks":        func() { write("on: push\n") },
		"changes inside": func() { write(strings.Replace(login, "v2", "v1", 1)) },
	} {
		t.Run(what, func(t *testing.T) {
			write(login)
			// The file's time may have the resolution of the system's clock tick.
			old := time.Now().Add(-time.Minute)
			if err := os.Chtimes(name, old, old); err != nil {
				t.Fatal(err)
			}
			_, err := (&reader{opened: change}).read(name, false)
			if err == nil || !strings.Contains(err.Error(), "the file changed while it was read") {
				t.Errorf("got %v", err)
			}
		})
	}
	write(login)
	got, err := (&reader{}).read(name, false)
	if err != nil || !bytes.Equal(got, []byte(login)) {
		t.Errorf("a file at rest: %q, %v", got, err)
	}
}

func TestReadFileNeverWaitsForAPipe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no devices in the file system here")
	}
	if _, err := (&reader{}).read(os.DevNull, false); !errors.Is(err, errNotRegular) {
		t.Errorf("got %v, want %v", err, errNotRegular)
	}
	if _, err := (&reader{}).read(t.TempDir(), false); !errors.Is(err, errNotRegular) {
		t.Errorf("got %v, want %v", err, errNotRegular)
	}
}

func TestTopLevelKeysAreFoundWithoutParsing(t *testing.T) {
	for text, want := range map[string]bool{
		"jobs:\n": true, "on: push\njobs: {}": true, "on: push\r\n'jobs':": true, "\xef\xbb\xbfjobs:": true, "\"jobs\": {}": true,
		"  jobs:\n": false, "x: jobs:": false, "# jobs:": false, "": false, "myjobs:\n jobs:\njobs:": true,
	} {
		if got := hasKey([]byte(text), "jobs", ""); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// What does not parse must be a gap, and what is commented out a mention, in a folder that is no checkout as well.
func TestBrokenAndCommentedWorkflowsOfALooseFolderAreNotPassedOver(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"broken.yml":  " on: push\njobs:\n  a:\n    steps:\n      - uses: azure/login@v2\n        with: {creds: \"${{ secrets.A }}\"}\n",
		"comment.yml": "# on: push\n# jobs:\n#   a:\n#     steps:\n#       - uses: azure/login@v2\n#         with:\n#           creds: ${{ secrets.B }}\n",
		"other.yml":   "stages:\n- stage: a\n  jobs:\n  - job: b\n    steps:\n    - script: az login --service-principal -p $(ARM_CLIENT_SECRET)\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inv, err := Local(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.Gaps) != 1 || inv.Gaps[0].File != "broken.yml" {
		t.Errorf("gaps: %+v", inv.Gaps)
	}
	if len(inv.Mentions) == 0 || inv.Mentions[0].File != "comment.yml" {
		t.Errorf("mentions: %+v", inv.Mentions)
	}
}

func TestLocalFollowsADirectoryThatIsAskedForByALink(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	login := "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: azure/login@v2\n        with: {creds: '${{ secrets.A }}'}\n"
	if err := os.WriteFile(filepath.Join(dir, "real", "w.yml"), []byte(login), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("real", link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	inv, err := Local(t.Context(), link, Options{})
	if err != nil || len(inv.Logins) != 1 || inv.Logins[0].File != "w.yml" {
		t.Errorf("got %+v, %v", inv, err)
	}
}

// Directories are listed side by side; what is in them comes in the order of the names all the same.
func TestFilesAreFoundInTheOrderOfTheirNames(t *testing.T) {
	want := []string{"a/1.yml", "a/b/c/2.yaml", "a/b/c/d/e/3.yml", "a/b/d.yml", "a/z.yml", "b.yml", "c/x/1.yml", "c/x.yml", "d.yml/4.yml", "e/" + strings.Repeat("f/", 40) + "5.yml"}
	for i := range 200 {
		want = append(want, fmt.Sprintf("r%03d/.github/workflows/w.yml", i))
	}
	there := map[string]string{"a/b/.git/9.yml": "", "c/node_modules/m/9.yml": "", "c/readme.md": ""}
	for _, name := range want {
		there[name] = quiet
	}
	files, gaps, err := findFiles(t.Context(), tree(t, there))
	if err != nil || len(gaps) > 0 {
		t.Fatal(err, gaps)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.path)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// utf16Of is a text of ASCII characters in UTF-16, with a byte order mark or without one.
func utf16Of(text string, bigEndian, mark bool) string {
	var order binary.AppendByteOrder = binary.LittleEndian
	if bigEndian {
		order = binary.BigEndian
	}
	var b []byte
	if mark {
		b = order.AppendUint16(b, 0xfeff)
	}
	for _, c := range []byte(text) {
		b = order.AppendUint16(b, uint16(c))
	}
	return string(b)
}

func TestAWorkflowInUTF16IsAGapInsideACheckoutAndLoose(t *testing.T) {
	for _, file := range []string{".github/workflows/deploy.yml", "ci/deploy.yml"} {
		for _, bigEndian := range []bool{false, true} {
			for _, mark := range []bool{false, true} {
				inv, err := Local(t.Context(), tree(t, map[string]string{file: utf16Of(login, bigEndian, mark)}), Options{})
				if err != nil {
					t.Fatal(err)
				}
				if len(inv.Gaps) != 1 || inv.Gaps[0].File != file || inv.Gaps[0].Message == "" || len(inv.Logins) != 0 {
					t.Errorf("%s, big endian %t, mark %t: gaps %+v, logins %+v", file, bigEndian, mark, inv.Gaps, inv.Logins)
				}
			}
		}
	}
	// What is no workflow is none in UTF-16 either.
	inv, err := Local(t.Context(), tree(t, map[string]string{"values.yml": utf16Of("replicas: 3\nimage: azure/login\n", false, true)}), Options{})
	if err != nil || len(inv.Gaps) != 0 {
		t.Errorf("%v %+v", err, inv)
	}
}
