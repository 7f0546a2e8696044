package reports

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
)

// JournalExport is a journal as an auditor gets it.
type JournalExport struct {
	Tool     string
	Exported time.Time
	Check    execute.JournalCheck
}

// JournalSummary is what stands behind the records of an export: with the head, and a copy of it kept elsewhere, an auditor
// sees whether records were taken away from the end, which the chain alone cannot show.
type JournalSummary struct {
	Head     string    `json:"head"` // the hash of the last record
	Records  int       `json:"records"`
	Exported time.Time `json:"exported"`
	Tool     string    `json:"tool,omitempty"`
	Torn     bool      `json:"torn,omitempty"`
	Damage   string    `json:"damage,omitempty"` // the journal goes on behind these records, but cannot be trusted there
}

// Summary gives what stands behind the records.
func (x JournalExport) Summary() JournalSummary {
	s := JournalSummary{Head: x.Check.Head, Records: len(x.Check.Records), Exported: x.Exported.UTC(), Tool: x.Tool, Torn: x.Check.Torn}
	if d := x.Check.Damage; d != nil {
		s.Damage = fmt.Sprintf("line %d: %s", d.Line, d.Reason)
	}
	return s
}

// JournalJSONL writes the records, each on a line, byte for byte as the journal has them, and the summary on a last line.
func JournalJSONL(w io.Writer, x JournalExport) error {
	enc := json.NewEncoder(w)
	for _, r := range x.Check.Records {
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("export the journal: %w", err)
		}
	}
	if err := enc.Encode(x.Summary()); err != nil {
		return fmt.Errorf("export the journal: %w", err)
	}
	return nil
}

// JournalCSV writes one row for each record, with a header, and the summary in a last row whose phase is "head".
func JournalCSV(w io.Writer, x JournalExport) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"seq", "time", "phase", "unit", "step", "actor", "note", "before", "after", "plan", "prev", "hash"}}
	for _, r := range x.Check.Records {
		rows = append(rows, []string{fmt.Sprint(r.Seq), r.Time.Format(time.RFC3339Nano), string(r.Phase), r.Unit, r.Step, r.Actor, r.Note,
			fieldsText(r.Before), fieldsText(r.After), r.Plan, r.Prev, r.Hash})
	}
	s := x.Summary()
	note := fmt.Sprintf("%d records, exported by %s", s.Records, s.Tool)
	if s.Damage != "" {
		note += "; damaged from " + s.Damage
	}
	rows = append(rows, []string{"", s.Exported.Format(time.RFC3339Nano), "head", "", "", "", note, "", "", "", "", s.Head})
	for _, row := range rows {
		for i := range row {
			row[i] = cell(row[i])
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("export the journal: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("export the journal: %w", err)
	}
	return nil
}

// fieldsText gives a state as JSON, whose keys are sorted.
func fieldsText(s execute.State) string {
	if len(s) == 0 {
		return ""
	}
	b, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return string(b)
}
