package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/explain"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

func TestTablesWrapAndNeverCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(1, 5).Draw(t, "columns")
		cell := rapid.StringMatching(`[a-zA-Z0-9/:@._ -]{0,120}`)
		row := make([]string, columns)
		for i := range row {
			row[i] = cell.Draw(t, "cell")
		}
		var b bytes.Buffer
		table(&b, strings.Split(strings.Repeat("HEAD ", columns)[:5*columns-1], " "), [][]string{append([]string{}, row...)})
		if n := widest(b.String()); n > lineWidth {
			t.Fatalf("%d columns:\n%s", n, b.String())
		}
		letters := func(s string) string { return strings.Join(strings.Fields(s), "") }
		_, body, _ := strings.Cut(b.String(), "\n")
		if columns == 1 && letters(body) != letters(row[0]) {
			t.Fatalf("%q lost letters:\n%s", row[0], body)
		}
		if len(letters(body)) != len(letters(strings.Join(row, ""))) {
			t.Fatalf("%q lost letters:\n%s", row, body)
		}
	})
}

func TestACommandThatEndsATextCanBeCopied(t *testing.T) {
	const command = "az ad app federated-credential create --id 1 --parameters '{\"subject\":\"/eid1/c/pub/t/kTVPf2xfe0-hvQot2IMSGA/a/rISbSSETf0KqFyZ8ppdXmA/sc/e08e523c\"}'"
	for text, want := range map[string][]string{
		"let application 1 trust what the new connection presents: " + command: {"let application 1 trust what the", "new connection presents:", command},
		command:          {command},
		"fits: az a --b": {"fits: az a --b"},
		"sign in: az login for Microsoft's services, gh auth login for GitHub": {"sign in: az login for", "Microsoft's services, gh auth", "login for GitHub"},
	} {
		if diff := cmp.Diff(want, wrap(text, 32)); diff != "" {
			t.Errorf("%s\n%s", text, diff)
		}
	}
}

func TestTextFromOutsideCannotCommandTheTerminal(t *testing.T) {
	hostile := "a\x1b[31mb\x07c\u202ed\u009be\nf\x00"
	var b bytes.Buffer
	bullet(&b, "- ", hostile)
	paragraph(&b, "", hostile)
	table(&b, []string{"HEAD"}, [][]string{{hostile}})
	printError(&b, hostile)
	for _, r := range b.String() {
		if r != '\n' && (r < ' ' || r == 0x7f || r == 0x9b || r == 0x202e) {
			t.Errorf("%U reached the terminal: %q", r, b.String())
		}
	}
}

func TestHelpParagraphsAreFilledAndDrawingsStay(t *testing.T) {
	got := reflow("one two\nthree\n\n    a   b\n  c\n\nTitle:\n  0  done")
	want := "one two three\n\n    a   b\n  c\n\nTitle:\n  0  done"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTimesAreToldAsAPersonWould(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1 minute", 59 * time.Minute: "59 minutes", 3 * time.Hour: "3 hours", 47*time.Hour + 50*time.Minute: "2 days",
		7*24*time.Hour - time.Minute: "7 days",
	} {
		if got := roughly(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}

func TestResultsSayEachReasonOnceAndWhatComesNext(t *testing.T) {
	until := time.Date(2026, 11, 9, 9, 0, 0, 0, time.UTC)
	gate := execute.Gate{Name: execute.GateSoak, Until: until, Reason: "the soak time lasts until 2026-11-09T09:00:00Z"}
	r := execute.Result{Command: "revoke", Time: until.Add(-72 * time.Hour), Units: []execute.UnitResult{{
		Unit: "shop-1", Title: "shop", State: execute.UnitPending, Reason: gate.Reason, Gates: []execute.Gate{gate},
		Steps: []execute.StepResult{{Title: "remove password", State: execute.StepPending, Reason: gate.Reason}},
	}}}
	var b bytes.Buffer
	printResult(&b, r, false)
	want := `shop: pending
  id shop-1  (0 of 1 step done)
  … waits: the soak time lasts until 2026-11-09 09:00 UTC (3 days)

revoke: 1 unit: 1 pending.
→ unsecret revoke, not before 2026-11-09 09:00 UTC
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestASummaryOfAScanCountsWhatNoTextDecides(t *testing.T) {
	inv := &inventory.Inventory{Connections: make([]inventory.Connection, 2), Unresolved: make([]inventory.UnresolvedUse, 1)}
	if got, want := strings.Join(strings.Fields(scanSummary(inv)), " "), "0 logins in 0 files, 2 connections, 0 gaps, 1 expression that may name a connection (unsecret list gaps)."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	inv.Unresolved = nil
	if got := scanSummary(inv); strings.Contains(got, "expression") {
		t.Error(got)
	}
}

func TestWhyMarksStepsAsThePlanDoes(t *testing.T) {
	var b strings.Builder
	printWhy(&b, explain.Explanation{Planned: []explain.Planned{{Title: "convert", Phase: "apply"}, {Title: "remove certificate", Phase: "revoke"}, {Title: "remove password", Phase: "revoke", Irreversible: true}}})
	for _, want := range []string{"  + convert\n", "  - remove certificate\n", "  ⚠ remove password\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
