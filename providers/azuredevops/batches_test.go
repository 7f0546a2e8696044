package azuredevops_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/e2e/lab"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers/azuredevops"
	"github.com/unsecret-dev/unsecret/providers/internal/labtest"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// repositoryOf gives a client and the repository "app" of a world with one, which has these files.
func repositoryOf(t *testing.T, l *lab.Lab) (*azuredevops.Client, scan.DevOpsRepository) {
	t.Helper()
	client, _ := labtest.Client(t, l.World.Endpoints.AzureDevOps, "azureDevOps", world.AudienceAzureDevOps, world.RoleReader, transport.Options{ReadOnly: true})
	c, err := azuredevops.New(azuredevops.Config{Organization: "contoso", URL: l.World.Endpoints.AzureDevOps, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	projects, err := c.Projects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	repositories, err := c.Repositories(t.Context(), projects[0])
	if err != nil || len(repositories) == 0 {
		t.Fatal(err, repositories)
	}
	return c, repositories[0]
}

func TestManyFilesAreReadAtOnceByteForByte(t *testing.T) {
	w, _ := lab.Generate(lab.Size{Seed: 2, Connections: 4, Projects: 1, Pipelines: 10})
	want := map[string][]byte{
		"bom.yml": []byte("\xef\xbb\xbfsteps: []\n"), "crlf.yml": []byte("steps:\r\n- script: x\r\n"), "sub/dir/utf16.yml": {0xff, 0xfe, 's', 0}, "same.yml": []byte("a: b\n"), "copy.yml": []byte("a: b\n"),
		"ümlaut and space.yml": []byte("steps: [] # ü\n"), "empty.yml": {},
	}
	for _, r := range w.DevOps["contoso"].Repos {
		w.CommitFiles(r.Git, "main", "files", want)
	}
	l := labtest.Start(t, w, lab.Options{})
	c, repository := repositoryOf(t, l)
	l.ResetCounts()
	paths := []string{"bom.yml", "crlf.yml", "sub/dir/utf16.yml", "same.yml", "copy.yml", "ümlaut and space.yml", "empty.yml"}
	got := c.Files(t.Context(), repository, "main", paths)
	if !cmp.Equal(want, got, cmp.Comparer(bytes.Equal)) {
		t.Errorf("%q, want %q", got, want)
	}
	if n := l.Counts().Total(lab.ServerAzureDevOps); n != 2 || l.Counts().Writes("") != 0 {
		t.Errorf("%d requests, %d writes", n, l.Counts().Writes(""))
	}
	// One that is missing fails the question for all: those beside it in the last half are read by themselves.
	got = c.Files(t.Context(), repository, "main", append(slices.Clone(paths), "missing.yml"))
	if len(got) < 4 || got["missing.yml"] != nil || !bytes.Equal(got["bom.yml"], want["bom.yml"]) {
		t.Errorf("with a missing file: %q", got)
	}
	if got := c.Files(t.Context(), repository, "no-branch", paths); len(got) > 0 {
		t.Errorf("of a missing branch: %q", got)
	}
}

func TestAServiceThatRefusesManyFilesIsNotAskedForEver(t *testing.T) {
	w, _ := lab.Generate(lab.Size{Seed: 2, Connections: 4, Projects: 1, Pipelines: 10})
	w.Knobs.NoGitBatches = true
	l := labtest.Start(t, w, lab.Options{})
	c, repository := repositoryOf(t, l)
	l.ResetCounts()
	for range 10 {
		if got := c.Files(t.Context(), repository, "main", []string{"deploy.yml"}); got != nil {
			t.Errorf("%q", got)
		}
	}
	if n := l.Counts().Total(lab.ServerAzureDevOps); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

// A scan finds the same, whether or not the service gives many files at once, and with a definition whose file is missing among them.
func TestAScanFindsTheSameWithAndWithoutBatches(t *testing.T) {
	found := map[bool]*inventory.Inventory{}
	requests := map[bool]int{}
	for _, refused := range []bool{true, false} {
		w, _ := lab.Generate(lab.Size{Seed: 4, Connections: 12, Projects: 3, Pipelines: 90})
		w.Knobs.NoGitBatches = refused
		for _, d := range w.DevOps["contoso"].Definitions {
			if d.ID == 5 {
				d.YAMLFile = "gone.yml"
			}
		}
		l := labtest.Start(t, w, lab.Options{})
		c, _ := repositoryOf(t, l)
		l.ResetCounts()
		inv, err := scan.Run(t.Context(), scan.Sources{AzureDevOps: []scan.AzureDevOps{c}}, scan.Options{Tool: "test", Now: w.Clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		inv.Sources = nil // the address
		found[refused], requests[refused] = inv, l.Counts().Total(lab.ServerAzureDevOps)
	}
	if d := cmp.Diff(found[true], found[false]); d != "" {
		t.Errorf("(-file by file +at once):\n%s", d)
	}
	t.Logf("%d requests file by file, %d at once", requests[true], requests[false])
	if requests[false] >= requests[true]-30 {
		t.Errorf("%d requests file by file, %d at once", requests[true], requests[false])
	}
}

func TestTheTerraformCodeOfARepositoryIsReadWithFewRequests(t *testing.T) {
	w, _ := lab.Generate(lab.Size{Seed: 2, Connections: 4, Projects: 1, Pipelines: 10})
	files := map[string][]byte{"README.md": []byte("not read"), "infra/main.tf": []byte("# a\r\n"), "infra/.terraform.lock.hcl": []byte("# b\n"), "infra/.terraform/x.tf": []byte("not read"), "infra/empty.tf": {}}
	for i := range 120 {
		files[fmt.Sprintf("modules/m%03d/main.tf", i)] = fmt.Appendf(nil, "# %d\n", i)
	}
	for _, r := range w.DevOps["contoso"].Repos {
		w.CommitFiles(r.Git, "main", "files", files)
	}
	l := labtest.Start(t, w, lab.Options{})
	c, repository := repositoryOf(t, l)
	l.ResetCounts()
	got, err := c.Terraform(t.Context(), repository, "main")
	if err != nil || len(got.Files) != 123 || len(got.Unread) != 0 {
		t.Fatalf("%d files are read, and %+v is not: %v", len(got.Files), got.Unread, err)
	}
	for _, f := range got.Files {
		if !bytes.Equal(f.Content, files[f.Path]) {
			t.Errorf("%s: %q", f.Path, f.Content)
		}
	}
	if n := l.Counts().Total(lab.ServerAzureDevOps); n != 5 || l.Counts().Writes("") != 0 { // the names, and twice two for the texts
		t.Errorf("%d requests, %d writes", n, l.Counts().Writes(""))
	}
	if _, err := c.Terraform(t.Context(), repository, "no-branch"); err == nil {
		t.Error("the code of a missing branch is read")
	}
}
