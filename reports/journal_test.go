package reports

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
)

func TestAnExportedJournalHasItsHeadAndNoFormula(t *testing.T) {
	x := JournalExport{Tool: "unsecret test", Exported: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC), Check: execute.JournalCheck{
		Head: "abc", Trusted: 1, Damage: &execute.DamageError{Line: 2, Reason: "it is not a record"},
		Records: []execute.Record{{Seq: 1, Unit: "=HYPERLINK(\"http://x\")", Step: "a;=1+1", Phase: execute.PhaseDone, Note: "@x", Hash: "abc",
			After: execute.State{"b": "2", "a": "1"}}},
	}}
	var b bytes.Buffer
	if err := JournalCSV(&b, x); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, cell := range rows[1] {
		if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "@") || strings.Contains(cell, ";=") {
			t.Errorf("a formula: %s", cell)
		}
	}
	if last := rows[2]; last[2] != "head" || last[11] != "abc" || !strings.Contains(last[6], "damaged from line 2: it is not a record") {
		t.Errorf("the last row: %q", last)
	}
	if rows[1][8] != `{"a":"1","b":"2"}` {
		t.Errorf("the state: %s", rows[1][8])
	}
	b.Reset()
	if err := JournalJSONL(&b, x); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	want := `{"head":"abc","records":1,"exported":"2026-11-02T09:00:00Z","tool":"unsecret test","damage":"line 2: it is not a record"}`
	if len(lines) != 2 || lines[1] != want {
		t.Errorf("got %q", lines)
	}
}
