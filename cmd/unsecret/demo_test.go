package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/migrate/execute"
)

// TestDemoTellsTheWholeStory runs the demo and holds what it says to what a reader is promised.
func TestDemoTellsTheWholeStory(t *testing.T) {
	dir := t.TempDir()
	var out, progress bytes.Buffer
	if code := run(context.Background(), []string{"demo", "--dir", dir}, stdio{in: strings.NewReader(""), out: &out, err: &progress}); code != exitDone {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), progress.String())
	}
	story := strings.Join(strings.Fields(out.String()), " ")
	number := func(pattern string) int {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(story)
		if m == nil {
			t.Fatalf("the story does not say %q:\n%s", pattern, out.String())
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := strings.Count(strings.ToLower(story), "every pipeline signs in"); n < 6 {
		t.Errorf("every pipeline signs in at %d stages, want at least 6:\n%s", n, out.String())
	}
	if strings.Contains(story, "sign-ins fail") || strings.Contains(story, "✗") {
		t.Errorf("something fails:\n%s", out.String())
	}
	if n := number(`requests were made, (\d+) of them writes`); n != 0 {
		t.Errorf("%d writes during the scan", n)
	}
	if n := number(`secrets of before, (\d+) are refused with AADSTS7000215`); n == 0 {
		t.Error("no old secret was revoked")
	}
	if before, after := number(`(\d+) with a stored secret, \d+ without\. Every`), number(`without a secret, (\d+) with one`); after >= before {
		t.Errorf("%d sign-ins with a stored secret before, %d after", before, after)
	}
	number(`rollback: (\d+) unit: 1 rolled back\. Every pipeline signs in`)
	if widest(strings.ReplaceAll(out.String(), dir, "DIR")) > lineWidth {
		t.Errorf("a line is wider than %d columns:\n%s", lineWidth, out.String())
	}
	if progress.Len() > 0 {
		t.Errorf("progress: %s", progress.String())
	}
	demoLeaves(t, dir)
}

// demoLeaves looks at the files of a demo: a report, a whole journal, and no secret.
func demoLeaves(t *testing.T, dir string) {
	t.Helper()
	records, err := execute.ReadJournal(filepath.Join(dir, "state"))
	if err != nil || len(records) == 0 {
		t.Errorf("journal: %d records, %v", len(records), err)
	}
	for _, name := range []string{"before.html", "report.html", "state/inventory.json", "state/plan.json", "state/journal.jsonl"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		if bytes.Contains(b, []byte(world.Canary)) {
			t.Errorf("%s holds a secret's value", name)
		}
	}
}
