package workflow

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// The counts over the real files are kept, so that a change of the engine shows.
func TestCorpusSummary(t *testing.T) {
	var b strings.Builder
	for _, folder := range []string{"workflows", "actions", "workflows-without-azure"} {
		kinds, shares, gaps, mentions := summary(corpus(t, folder))
		fmt.Fprintf(&b, "%s: %d gaps, %d mentions%s\n%s\n", folder, gaps, mentions, sorted(kinds), shares)
	}
	const path = "testdata/corpus-summary.golden"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("-golden +got:\n%s", diff)
	}
}

// otherSecrets are the kinds of secrets that are not a service principal's.
var otherSecrets = map[inventory.Kind]bool{inventory.KindPublishProfile: true, inventory.KindStorageKey: true, inventory.KindStaticWebAppsToken: true,
	inventory.KindSQLConnectionString: true, inventory.KindDockerACRAdmin: true, inventory.KindOther: true}

// summary counts logins by kind and conversion, and files with a service principal's secret by their hardest login.
func summary(trees []Tree) (kinds map[string]int, shares string, gaps, mentions int) {
	kinds = make(map[string]int)
	hardness := []inventory.Conversion{inventory.ConversionNone, inventory.ConversionAutomatic, inventory.ConversionAssisted, inventory.ConversionManual}
	files := make([]int, len(hardness))
	total := 0
	for _, tree := range trees {
		r := Scan(tree, Options{})
		gaps, mentions = gaps+len(r.Gaps), mentions+len(r.Mentions)
		worst := 0
		for _, l := range r.Logins {
			kinds[fmt.Sprintf("%s %s", l.Kind, l.Conversion)]++
			for i, c := range hardness {
				if l.Conversion == c && !otherSecrets[l.Kind] {
					worst = max(worst, i)
				}
			}
		}
		if worst > 0 {
			files[worst]++
			total++
		}
	}
	for i, c := range hardness[1:] {
		if total > 0 {
			shares += fmt.Sprintf("%s %d files (%.1f %%)\n", c, files[i+1], 100*float64(files[i+1])/float64(total))
		}
	}
	return kinds, shares, gaps, mentions
}
