package reports

import (
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// writtenRun is a run that was read back.
type writtenRun struct {
	sarifRun
	Results []sarifResult `json:"results"`
}

func readSARIF(t *testing.T, in Input) writtenRun {
	t.Helper()
	return parseSARIF(t, render(t, "sarif", in))
}

func parseSARIF(t *testing.T, out []byte) writtenRun {
	t.Helper()
	validSARIF(t, out)
	var log struct{ Runs []writtenRun }
	if err := json.Unmarshal(out, &log); err != nil {
		t.Fatal(err)
	}
	return log.Runs[0]
}

func TestSARIFIsValid(t *testing.T) {
	for name, in := range map[string]Input{"full": sample(), "empty": {Inventory: &inventory.Inventory{}}, "poisoned": poison(sample(), "\x00\x1b[0m\u202e../:%2e\\?#[a](b){0}")} {
		t.Run(name, func(t *testing.T) { validSARIF(t, render(t, "sarif", in)) })
	}
}

func TestSARIFPointsAtFileAndLine(t *testing.T) {
	run := readSARIF(t, sample())
	for _, r := range run.Results {
		loc := r.Locations[0].Physical
		if r.RuleID != "login-secret" || r.Properties["repository"] != "contoso/shop" {
			continue
		}
		if loc.Artifact.URI != ".github/workflows/deploy.yml" || loc.Region != (sarifRegion{21, 11, 21, 52}) || r.Level != "error" {
			t.Errorf("%+v", loc)
		}
		if base := run.OriginalURIBaseIDs[loc.Artifact.URIBaseID].URI; base != "https://github.com/contoso/shop/blob/HEAD/" {
			t.Errorf("its base is %q", base)
		}
		return
	}
	t.Error("the login is not there")
}

func TestSARIFOfOneRepositoryIsRelativeToItsRoot(t *testing.T) {
	in := many(5)
	in.Findings = slices.DeleteFunc(in.Findings, func(f policy.Finding) bool { return f.File != "" && f.Repository != "contoso/service-0000" })
	run := readSARIF(t, in)
	if run.OriginalURIBaseIDs != nil || run.Results[0].Locations[0].Physical.Artifact.URIBaseID != "" {
		t.Error("a base although all findings are of one repository: code scanning could not place them")
	}
}

// GitHub refuses a file with "locationFromSarifResult: expected artifact location" if one result has none.
func TestEveryResultHasAPhysicalLocation(t *testing.T) {
	for _, in := range []Input{sample(), poison(sample(), "../x:y")} {
		for _, r := range readSARIF(t, in).Results {
			uri := r.Locations[0].Physical.Artifact.URI
			if uri == "" || r.Locations[0].Physical.Region.StartLine < 1 {
				t.Errorf("%s: %+v", r.Message.Text, r.Locations[0])
			}
			base, _ := url.Parse("https://example.org/root/")
			u, err := base.Parse(uri)
			if err != nil || !strings.HasPrefix(u.Path, "/root/") || u.Host != "example.org" || u.RawQuery != "" || u.Fragment != "" {
				t.Errorf("%q leaves the repository: %v", uri, u)
			}
		}
	}
}

func TestRegionsAreNeverInverted(t *testing.T) {
	for name, c := range map[string]struct {
		finding policy.Finding
		want    sarifRegion
	}{
		"nothing known":          {policy.Finding{}, sarifRegion{StartLine: 1}},
		"only the line":          {policy.Finding{Line: 7}, sarifRegion{StartLine: 7}},
		"no end":                 {policy.Finding{Line: 7, Column: 3}, sarifRegion{StartLine: 7, StartColumn: 3}},
		"one line":               {policy.Finding{Line: 7, Column: 3, EndLine: 7, EndColumn: 9}, sarifRegion{7, 3, 7, 9}},
		"several lines":          {policy.Finding{Line: 7, Column: 9, EndLine: 8, EndColumn: 3}, sarifRegion{7, 9, 8, 3}},
		"the end before":         {policy.Finding{Line: 7, Column: 9, EndLine: 6, EndColumn: 3}, sarifRegion{StartLine: 7, StartColumn: 9}},
		"the end column before":  {policy.Finding{Line: 7, Column: 9, EndLine: 7, EndColumn: 3}, sarifRegion{StartLine: 7, StartColumn: 9, EndLine: 7}},
		"an end without a start": {policy.Finding{Line: 7, EndLine: 7, EndColumn: 3}, sarifRegion{StartLine: 7, EndLine: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := region(c.finding); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestSARIFNamesARuleForEachResult(t *testing.T) {
	run := readSARIF(t, sample())
	for _, r := range run.Results {
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("%s has the index of %s", r.RuleID, run.Tool.Driver.Rules[r.RuleIndex].ID)
		}
	}
}
