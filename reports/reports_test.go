package reports

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

var formats = map[string]func(io.Writer, Input) error{"html": HTML, "sarif": SARIF, "json": JSON, "csv": CSV, "md": Markdown}

func TestEachFormatIsAsInItsGoldenFile(t *testing.T) {
	for format := range formats {
		t.Run(format, func(t *testing.T) { golden(t, "report."+format, render(t, format, sample())) })
	}
}

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	for format := range formats {
		first := render(t, format, sample())
		for range 20 {
			if !bytes.Equal(first, render(t, format, sample())) {
				t.Fatalf("%s differs from run to run", format)
			}
		}
	}
}

func TestAnEmptyInventoryCanBeReported(t *testing.T) {
	for format := range formats {
		if len(render(t, format, Input{Inventory: &inventory.Inventory{}})) == 0 {
			t.Errorf("%s: nothing written", format)
		}
	}
}

func TestAFindingOfAnUnknownRuleIsReported(t *testing.T) {
	in := Input{Inventory: &inventory.Inventory{}, Findings: []policy.Finding{{Rule: "from-a-later-version", Severity: policy.High, Object: "x", Message: "y", Fingerprint: "z"}}}
	for format := range formats {
		out := render(t, format, in)
		if !bytes.Contains(out, []byte("from-a-later-version")) {
			t.Errorf("%s does not tell it", format)
		}
		if format == "sarif" {
			validSARIF(t, out)
		}
	}
}

type brokenWriter struct{ after int }

var errDisk = errors.New("disk full")

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.after -= len(p); w.after < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestAFullDiskIsReported(t *testing.T) {
	for format, write := range formats {
		for _, after := range []int{0, 5000} {
			if format == "csv" && after > 0 || format == "md" && after > 0 {
				continue // written at once
			}
			if err := write(&brokenWriter{after}, sample()); !errors.Is(err, errDisk) {
				t.Errorf("%s, full after %d bytes: %v", format, after, err)
			}
		}
	}
}

func TestTheHeadlineNeverCallsUnknownClean(t *testing.T) {
	for name, c := range map[string]struct {
		summary Summary
		want    string
	}{
		"both":             {Summary{Logins: 4, LoginsStill: 3, Connections: 2, ConnectionsStill: 1}, "3 of 4 logins in workflows and 1 of 2 service connections still sign in to Azure with a stored credential."},
		"one":              {Summary{Connections: 1, ConnectionsStill: 1}, "1 of 1 service connection still signs in to Azure with a stored credential."},
		"clean":            {Summary{Logins: 4}, "No login and no service connection that could be read signs in to Azure with a stored secret of a service principal."},
		"clean with a gap": {Summary{Logins: 4, Gaps: 1}, "No login and no service connection that could be read signs in to Azure with a stored secret of a service principal. 1 object could not be read, so what is behind is not known."},
		"other credentials": {Summary{Connections: 5, ConnectionsStill: 2, ConnectionsOther: 2, PipelineSecrets: 3},
			"2 of 5 service connections still sign in to Azure with a stored credential. Besides, 2 service connections store other credentials or may store some, such as a registry's, a cluster's, GitHub's or another service's, and 3 variables, secure files or scripts of Azure DevOps look like a service principal's credential or use one. That is left to people."},
		"one of each": {Summary{Connections: 5, ConnectionsOther: 1, PipelineSecrets: 1},
			"No login and no service connection that could be read signs in to Azure with a stored secret of a service principal. Besides, 1 service connection stores another credential or may store one, such as a registry's, a cluster's, GitHub's or another service's, and 1 variable, secure file or script of Azure DevOps looks like a service principal's credential or uses one. That is left to people."},
		"nothing":          {Summary{}, "No login and no service connection was found."},
		"nothing but gaps": {Summary{Gaps: 2}, "No login and no service connection was found. 2 objects could not be read, so what is behind is not known."},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, headline(c.summary)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestNextStepsFollowTheStateOfTheUnits(t *testing.T) {
	in := Input{Inventory: &inventory.Inventory{}, Plan: &plan.Plan{}}
	for i, state := range []string{"revoked", "verified", "planned", "failed", "planned"} {
		id := string(rune('a' + i))
		in.Plan.Units = append(in.Plan.Units, plan.Unit{ID: id})
		in.Progress = append(in.Progress, UnitProgress{Unit: id, State: state})
	}
	in.Plan.Units = append(in.Plan.Units, plan.Unit{ID: "x", Blockers: []plan.Reason{{Message: "no mapping"}}})
	got := strings.Join(nextSteps(in, Summary{}, unitRows(in)), "\n")
	want := "1 unit failed: see the reason in the plan below, then unsecret status\n" +
		"1 unit is blocked: the plan below says what a person has to decide or repair first\n" +
		"2 units are ready: review the plan, then unsecret apply\n" +
		"1 unit is verified: unsecret revoke removes the old secrets for good, and trust in the old issuer, once the soak time is over"
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestExceptedFindingsAreToldButNotCounted(t *testing.T) {
	in := sample()
	s := Summarize(in)
	total := s.Excepted
	for _, n := range s.Findings {
		total += n
	}
	if s.Excepted == 0 || total != len(in.Findings) {
		t.Fatalf("%d excepted, %d in all, %d findings", s.Excepted, total, len(in.Findings))
	}
	for format, want := range map[string]string{"html": "ticket SEC-118", "csv": "ticket SEC-118", "sarif": `"justification": "the vendor rotates it; ticket SEC-118"`, "json": "ticket SEC-118", "md": "Not counted, because the configuration accepts them: 1 finding."} {
		if !bytes.Contains(render(t, format, in), []byte(want)) {
			t.Errorf("%s does not say %q", format, want)
		}
	}
}

func TestMarkdownStaysSmall(t *testing.T) {
	md := render(t, "md", poison(many(5000), strings.Repeat("<@#|`", 400)))
	if len(md) > 1<<20 {
		t.Errorf("%d bytes: more than the 1 MiB that a job summary may have", len(md))
	}
	if !strings.Contains(string(render(t, "md", many(5000))), "| … | 4") {
		t.Error("it does not say how many findings it leaves out")
	}
}

// BenchmarkFindings renders 10,000 findings.
func BenchmarkFindings(b *testing.B) {
	in := many(10_000)
	for format := range formats {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := formats[format](io.Discard, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestReportsSayWhenSomethingChangedSinceTheScan(t *testing.T) {
	in := sample()
	for _, tc := range []struct {
		name    string
		changed time.Time
		want    bool
	}{
		{"nothing", time.Time{}, false},
		{"before", in.Inventory.ScannedAt.Add(-time.Hour), false},
		{"in the same second", in.Inventory.ScannedAt.Add(time.Millisecond), false},
		{"after", in.Inventory.ScannedAt.Add(time.Hour), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in.ChangedAt = tc.changed
			for name, write := range map[string]func(io.Writer, Input) error{"HTML": HTML, "Markdown": Markdown} {
				var b strings.Builder
				if err := write(&b, in); err != nil {
					t.Fatal(err)
				}
				if got := strings.Contains(b.String(), "how it stood before the last change"); got != tc.want {
					t.Errorf("%s says so: %t, want %t", name, got, tc.want)
				}
			}
		})
	}
}

func TestOnlyAConnectionThatThePlatformStopsHasAnEnd(t *testing.T) {
	for change, want := range map[string]string{"": "federated-old-issuer, until 2027-07-01", "AzureADMultipleOrgs": "federated-old-issuer, which is excluded from its retirement"} {
		in := sample()
		for i := range in.Inventory.Identities {
			in.Inventory.Identities[i].SignInAudience = change
		}
		if page := string(render(t, "html", in)); !strings.Contains(page, want) {
			t.Errorf("sign-in audience %q: the page does not say %q", change, want)
		}
	}
}
